/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "json.h"
#include "survey-print.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* 2026-11-23T12:00:00Z. */
#define NOW (UINT64_C(1795435200) * USEC_PER_SEC)

static Node nodes[] = {
        { .name = (char *) "default" },
        { .name = (char *) "kube-system", .target.verdict = MATCH_BLACKLISTED },
        { .name = (char *) "old", .target.verdict = MATCH_TERMINATING },
        { .name = (char *) "shop" },
        { .name = (char *) "web" },
        { .name = (char *) "x" },
};

static SurveyRow rows[] = {
        { .node = &nodes[0],
          .rule = "no rule against it",
          .state = SURVEY_GOOD,
          .manager = "kubectl",
          .expires = NOW + 11 * USEC_PER_HOUR,
          .plan.reason = PLAN_FRESH,
          .pulls = true,
          .due = NOW + 5 * USEC_PER_HOUR,
          .accounts = 2,
          .named = 1 },
        { .node = &nodes[1],
          .rule = "blacklist glob \"kube-*\"",
          .state = SURVEY_NONE,
          .manager = "",
          .plan.reason = PLAN_UNWANTED },
        { .node = &nodes[2],
          .rule = "it is being deleted",
          .state = SURVEY_KEPT,
          .manager = "",
          .plan.reason = PLAN_SHARED },
        { .node = &nodes[3],
          .rule = "include glob \"*\"",
          .state = SURVEY_FOREIGN,
          .manager = "h\xc3\xa9lm\033[1m",
          .plan.reason = PLAN_FOREIGN },
        { .node = &nodes[4],
          .rule = "include glob \"*\"",
          .state = SURVEY_EXPIRED,
          .manager = "",
          .expires = NOW - USEC_PER_HOUR,
          .plan.reason = PLAN_RENEW },
        { .node = &nodes[5],
          .rule = "include glob \"*\"",
          .state = SURVEY_EDITED,
          .manager = "kubectl-edit",
          .expires = NOW + USEC_PER_HOUR,
          .plan.reason = PLAN_RENEW,
          .pulls = true },
};

/* The caller frees it. */
static char *print(const Survey *s, bool json)
{
        char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        assert_non_null(f);
        if (json)
                assert_int_equal(survey_print_json(s, f), 0);
        else
                survey_print_text(s, f);
        assert_int_equal(fclose(f), 0);
        return text;
}

/* Left and right half of each line. */
static void test_a_table(void **state)
{
        static const char *const expected[][2] = {
                { "NAMESPACE     WANTED                    SECRET                          ",
                  "EXPIRES                         NEXT\n" },
                { "default       yes                       good                            ",
                  "2026-11-23T23:00:00Z (in 11h)   renew in 5h\n" },
                { "kube-system   blacklist glob \"kube-*\"   none                            ",
                  "-                               nothing\n" },
                { "old           terminating               kept (excluded)                 ",
                  "-                               leave, others wrote to it\n" },
                { "shop          yes                       foreign (written by h\xc3\xa9lm [1m)   ",
                  "-                               leave\n" },
                { "web           yes                       expired                         ",
                  "2026-11-23T11:00:00Z (1h ago)   renew\n" },
                { "x             yes                       edited (by kubectl-edit)        ",
                  "2026-11-23T13:00:00Z (in 1h)    renew\n" },
        };
        const Survey s = { .rows = rows, .n = ELEMENTSOF(rows), .now = NOW };
        _cleanup_free_ char *text = print(&s, false);
        const char *rest = text;

        for (size_t i = 0; i < ELEMENTSOF(expected); i++)
                for (size_t half = 0; half < 2; half++) {
                        if (!startswith(rest, expected[i][half]))
                                fail_msg("no \"%s\" in\n%s", expected[i][half], text);
                        rest += strlen(expected[i][half]);
                }
        assert_string_equal(rest, "6 namespaces: 1 fresh, 1 due, 1 pending, 1 in conflict, 2 excluded\n");
}

static void test_the_column_of_service_accounts(void **state)
{
        Survey s = { .rows = rows, .n = 2, .now = NOW, .accounts = true };
        _cleanup_free_ char *known = print(&s, false), *unknown = NULL;

        assert_non_null(strstr(known, "EXPIRES                         ACCOUNTS   NEXT\n"));
        assert_non_null(strstr(known, "2026-11-23T23:00:00Z (in 11h)   1 of 2     renew in 5h\n"));
        assert_non_null(strstr(known, "-                               -          nothing\n"));
        s.accounts_unknown = true;
        unknown = print(&s, false);
        assert_non_null(strstr(unknown, "   unknown    renew in 5h\n"));
}

static void test_nothing_at_all(void **state)
{
        const Survey s = { .now = NOW };
        _cleanup_free_ char *text = print(&s, false), *json = print(&s, true);

        assert_string_equal(text, "NAMESPACE   WANTED   SECRET   EXPIRES   NEXT\n"
                                  "0 namespaces: 0 fresh, 0 due, 0 pending, 0 in conflict, 0 excluded\n");
        assert_string_equal(json, "[]\n");
}

static void test_the_longest_rule_is_shown_whole(void **state)
{
        SurveyRow row = rows[1];
        const Survey s = { .rows = &row, .n = 1, .now = NOW };
        _cleanup_free_ char *text = NULL;

        memset(row.rule, 'x', sizeof(row.rule) - 1);
        text = print(&s, false);
        assert_non_null(strstr(text, row.rule));
}

/* It is fresh until it is due, when it will be left. */
static void test_an_immutable_one(void **state)
{
        SurveyRow row = rows[0];
        const Survey s = { .rows = &row, .n = 1, .now = NOW };
        _cleanup_free_ char *text = NULL;

        row.state = SURVEY_IMMUTABLE;
        row.plan.reason = PLAN_REFUSED;
        text = print(&s, false);
        assert_non_null(strstr(text, "immutable   2026-11-23T23:00:00Z (in 11h)   leave\n"
                                     "1 namespaces: 1 fresh, "));
}

static void test_json(void **state)
{
        Survey s = { .rows = rows, .n = 2, .now = NOW, .accounts = true };
        _cleanup_free_ char *text = print(&s, true), *unknown = NULL;

        assert_string_equal(
                text, "[{\"namespace\":\"default\",\"wanted\":true,\"verdict\":\"wanted\","
                      "\"rule\":\"no rule against it\",\"secret\":\"good\",\"manager\":\"kubectl\","
                      "\"expires_at\":\"2026-11-23T23:00:00Z\",\"next\":\"renew\",\"reason\":\"fresh\","
                      "\"next_at\":\"2026-11-23T17:00:00Z\",\"service_accounts\":2,"
                      "\"service_accounts_named\":1},"
                      "{\"namespace\":\"kube-system\",\"wanted\":false,\"verdict\":\"blacklisted\","
                      "\"rule\":\"blacklist glob \\\"kube-*\\\"\",\"secret\":\"none\",\"manager\":null,"
                      "\"expires_at\":null,\"next\":\"nothing\",\"reason\":\"unwanted\",\"next_at\":null,"
                      "\"service_accounts\":0,\"service_accounts_named\":0}]\n");
        s.accounts_unknown = true;
        s.n = 1;
        unknown = print(&s, true);
        assert_non_null(strstr(unknown, "\"service_accounts\":null,\"service_accounts_named\":null}"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_table),
                cmocka_unit_test(test_the_column_of_service_accounts),
                cmocka_unit_test(test_nothing_at_all),
                cmocka_unit_test(test_the_longest_rule_is_shown_whole),
                cmocka_unit_test(test_an_immutable_one),
                cmocka_unit_test(test_json),
        };

        return cmocka_run_group_tests_name("survey-print", tests, NULL, NULL);
}
