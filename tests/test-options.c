/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "options.h"

#include <getopt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define ARGUMENTS_MAX 8U

/* Takes a command line apart, whose arguments have no blanks within; returns what options_parse() does. */
static int parse(const char *line, Options *ret)
{
        static char text[256];
        static char *argv[ARGUMENTS_MAX + 1]; /* what is read points into it */
        int argc = 1;

        memset(argv, 0, sizeof(argv));
        argv[0] = (char *) "eatr";
        (void) snprintf(text, sizeof(text), "%s", line);
        for (char *p = strtok(text, " "); p; p = strtok(NULL, " ")) {
                assert_true((unsigned) argc < ARGUMENTS_MAX);
                argv[argc++] = p;
        }
        *ret = (Options){ .command = OPTIONS_RUN };
        optind = 0; /* begins anew, as glibc has it */
        opterr = 0;
        return options_parse(argc, argv, ret);
}

static void test_nothing_means_run(void **state)
{
        Options o;

        assert_int_equal(parse("", &o), -1);
        assert_int_equal(o.command, OPTIONS_RUN);
        assert_null(o.config);
        assert_null(o.kubeconfig);
        assert_false(o.dry_run || o.json || o.check_config || o.is_configured);
        for (size_t i = 0; i < OPTIONS_OVERRIDES; i++)
                assert_null(o.values[i]);
}

static void test_each_option_has_its_place(void **state)
{
        Options o;

        assert_int_equal(parse("--config a --kubeconfig=b --dry-run --output json once", &o), -1);
        assert_int_equal(o.command, OPTIONS_ONCE);
        assert_string_equal(o.config, "a");
        assert_string_equal(o.kubeconfig, "b");
        assert_true(o.dry_run);
        assert_true(o.json);

        for (size_t i = 0; i < OPTIONS_OVERRIDES; i++) {
                char line[128];

                (void) snprintf(line, sizeof(line), "--%s v%zu", options_overrides[i].option, i);
                assert_int_equal(parse(line, &o), -1);
                for (size_t k = 0; k < OPTIONS_OVERRIDES; k++)
                        if (k == i)
                                assert_int_equal(o.values[k][1], '0' + (int) i);
                        else
                                assert_null(o.values[k]);
        }
        assert_int_equal(parse("--check-config", &o), -1);
        assert_true(o.check_config);
        assert_int_equal(parse("--config a --is-configured", &o), -1);
        assert_true(o.is_configured);
}

/* The command line of the eatr that ran as a pod. */
static void test_one_dash_is_enough(void **state)
{
        Options o;

        assert_int_equal(parse("-auth-token-renewal-interval 20s -informers-resync-interval 5s "
                               "-logging-verbosity-level 6",
                               &o),
                         -1);
        assert_string_equal(o.values[1], "20s");
        assert_string_equal(o.values[2], "5s");
        assert_string_equal(o.values[3], "6");
}

static void test_what_cannot_be_understood(void **state)
{
        static const char *const bad[] = { "--nonsense",    "-x",       "walk", "run once",
                                           "--output yaml", "--config", "--",   "--dry-run=1" };
        Options o;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                if (parse(bad[i], &o) != (streq(bad[i], "--") ? -1 : OPTIONS_EXIT_USAGE))
                        fail_msg("%s", bad[i]);
}

static void test_purge(void **state)
{
        static const char *const bad[] = { "purge Team", "purge a [b", "--yes", "once --yes", "purged" };
        Options o;

        assert_int_equal(parse("purge", &o), -1);
        assert_int_equal(o.command, OPTIONS_PURGE);
        assert_null(*o.namespaces);
        assert_false(o.yes);
        assert_int_equal(parse("purge team-* --yes kube-system --dry-run", &o), -1);
        assert_string_equal(o.namespaces[0], "team-*");
        assert_string_equal(o.namespaces[1], "kube-system");
        assert_null(o.namespaces[2]);
        assert_true(o.yes && o.dry_run);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                if (parse(bad[i], &o) != OPTIONS_EXIT_USAGE)
                        fail_msg("%s", bad[i]);
}

static void test_status(void **state)
{
        static const char *const bad[] = { "status Team", "status a [b", "status --yes",
                                           "status --output yaml" };
        Options o;

        assert_int_equal(parse("status", &o), -1);
        assert_int_equal(o.command, OPTIONS_STATUS);
        assert_null(*o.namespaces);
        assert_false(o.json);
        assert_int_equal(parse("status team-* --output json kube-system", &o), -1);
        assert_string_equal(o.namespaces[0], "team-*");
        assert_string_equal(o.namespaces[1], "kube-system");
        assert_null(o.namespaces[2]);
        assert_true(o.json);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                if (parse(bad[i], &o) != OPTIONS_EXIT_USAGE)
                        fail_msg("%s", bad[i]);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_nothing_means_run),
                cmocka_unit_test(test_each_option_has_its_place),
                cmocka_unit_test(test_one_dash_is_enough),
                cmocka_unit_test(test_what_cannot_be_understood),
                cmocka_unit_test(test_purge),
                cmocka_unit_test(test_status),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
