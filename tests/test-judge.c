/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "said.h"

#include <setjmp.h>

#define log_full said_log
#include "judge.c"
#include "targets.c"
#undef log_full

#include <cmocka.h>

#define IGNORE(value) "{\"annotations\":{\"eatr/ignore\":\"" value "\"}}"
#define LABEL(value) "{\"labels\":{\"team\":\"" value "\",\"x\":\"y\"}}"

static char *kube[] = { (char *) "default", (char *) "kube-*", NULL }, *all[] = { NULL };

typedef struct Fixture {
        Targets *targets;
        Node *node;
        ConfNamespaces rules;
} Fixture;

static void choose(Fixture *f, const char *text)
{
        char error[LABEL_SELECTOR_ERROR_MAX];

        f->rules.label_selector = label_selector_free(f->rules.label_selector);
        if (text)
                assert_int_equal(label_selector_parse(text, &f->rules.label_selector, error), 0);
}

static int set_up(void **state)
{
        Fixture *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        assert_int_equal(targets_new(&f->targets), 0);
        f->node = targets_add(f->targets, "a");
        assert_non_null(f->node);
        f->rules = (ConfNamespaces){ .blacklist = kube, .include = all };
        said[0] = '\0';
        *state = f;
        return 0;
}

static int tear_down(void **state)
{
        Fixture *f = *state;

        choose(f, NULL);
        (void) targets_free(f->targets);
        free(f);
        return 0;
}

static bool see(Fixture *f, const char *metadata, bool appeared)
{
        _cleanup_json_ cJSON *j = NULL;

        assert_int_equal(json_parse(metadata, strlen(metadata), 4096, &j), 0);
        return judge_seen(&f->rules, f->node, j, appeared);
}

/* What was said since, each message with its level. */
static void expect_said(const char *expected)
{
        assert_string_equal(said, expected);
        said[0] = '\0';
}

static void test_a_verdict_is_told_with_its_rule(void **state)
{
        Fixture *f = *state;

        assert_true(see(f, "{}", false));
        expect_said("7 namespace a: wanted: no rule against it\n");
        assert_true(see(f, IGNORE("true"), false));
        expect_said("7 namespace a: ignored: annotation eatr/ignore\n");
        assert_true(see(f, "{\"deletionTimestamp\":\"2026-11-23T19:19:27Z\"}", false));
        expect_said("7 namespace a: terminating: it is being deleted\n");
        choose(f, "team in (red),x");
        assert_true(see(f, LABEL("blue"), false));
        expect_said("7 namespace a: not-selected: label_selector asks for \"team in (red)\"\n");
        assert_true(see(f, LABEL("red"), false));
        f->node = targets_add(f->targets, "kube-a");
        assert_true(see(f, LABEL("red"), false));
        expect_said("7 namespace a: wanted: no rule against it\n"
                    "7 namespace kube-a: blacklisted: blacklist glob \"kube-*\"\n");
}

static void test_what_changes_nothing_is_not_told(void **state)
{
        Fixture *f = *state;

        assert_true(see(f, LABEL("red"), false));
        said[0] = '\0';
        assert_false(see(f, LABEL("blue"), true));
        assert_false(see(f, IGNORE("false"), true));
        assert_false(judge_again(&f->rules, f->node, true));
        expect_said("");
}

/* Since when somebody waits: since a watch showed a namespace that is to have a Secret. */
static void test_who_waits(void **state)
{
        Fixture *f = *state;

        (void) see(f, "{}", false);
        assert_int_equal(f->node->appeared, 0);
        (void) see(f, IGNORE("true"), true);
        assert_int_equal(f->node->appeared, 0);
        (void) see(f, "{}", true);
        assert_true(f->node->appeared > 0);
        (void) see(f, IGNORE("true"), true);
        assert_int_equal(f->node->appeared, 0);
}

/* See plan_judged(): what could not be deleted need not be waited for. */
static void test_another_verdict_begins_anew(void **state)
{
        Fixture *f = *state;

        assert_true(see(f, IGNORE("true"), false));
        f->node->target.failures = 3;
        assert_false(see(f, IGNORE("true"), false));
        assert_int_equal(f->node->target.failures, 3);
        assert_true(see(f, "{}", false));
        assert_int_equal(f->node->target.failures, 0);
}

static void test_an_annotation_of_another_value_is_told_once(void **state)
{
        static const char *const values[] = { IGNORE("yes"), IGNORE("True"), IGNORE("") };
        Fixture *f = *state;

        said_level = LOG_WARNING;
        (void) see(f, IGNORE("false"), true);
        (void) see(f, "{}", true);
        (void) see(f, IGNORE("true"), true);
        expect_said("");
        for (size_t i = 0; i < ELEMENTSOF(values); i++) {
                f->node->misled = false;
                (void) see(f, values[i], true);
                assert_int_equal(f->node->target.verdict, MATCH_WANTED);
                expect_said(
                        "4 namespace a: the annotation eatr/ignore has no effect: it is neither \"true\" "
                        "nor \"false\"\n");
                (void) see(f, values[i], true);
                (void) see(f, "{}", true);
                (void) see(f, values[i], true);
                expect_said("");
        }
        /* Where there is no Secret anyway it does not matter. */
        f->node = targets_add(f->targets, "kube-a");
        (void) see(f, IGNORE("yes"), true);
        expect_said("");
        said_level = LOG_DEBUG;
}

/* Until it is seen again. */
static void test_a_new_selector_gains_nothing(void **state)
{
        char *not_a[] = { (char *) "a", NULL };
        Fixture *f = *state;
        char why[MATCH_EXPLANATION_MAX];

        choose(f, "team=red");
        (void) see(f, LABEL("blue"), false);
        choose(f, "team=blue");
        assert_false(judge_again(&f->rules, f->node, false));
        assert_int_equal(f->node->target.verdict, MATCH_NOT_SELECTED);
        assert_string_equal(judge_explain(&f->rules, f->node, why), "label_selector");
        assert_true(see(f, LABEL("blue"), false));
        assert_int_equal(f->node->target.verdict, MATCH_WANTED);
        choose(f, "team=green");
        assert_false(judge_again(&f->rules, f->node, false));
        assert_int_equal(f->node->target.verdict, MATCH_WANTED);
        /* But what other rules say holds. */
        f->rules.blacklist = not_a;
        assert_true(judge_again(&f->rules, f->node, false));
        assert_int_equal(f->node->target.verdict, MATCH_BLACKLISTED);
        assert_string_equal(judge_explain(&f->rules, f->node, why), "blacklist glob \"a\"");
        f->rules.blacklist = all;
        assert_false(judge_again(&f->rules, f->node, false));
        assert_int_equal(f->node->target.verdict, MATCH_BLACKLISTED);
        assert_string_equal(judge_explain(&f->rules, f->node, why), "blacklist");
        choose(f, NULL);
        assert_true(judge_again(&f->rules, f->node, true));
        assert_int_equal(f->node->target.verdict, MATCH_WANTED);
}

static void test_which_selectors_are_new(void **state)
{
        static const struct {
                const char *now, *before;
                bool asked, needs;
        } cases[] = {
                { NULL, NULL, false, false }, { NULL, "a", false, false }, { NULL, "a", true, false },
                { "a", NULL, false, true },   { "a", "b", false, true },   { "a", "a", false, false },
                { "a", "a", true, true },     { "a", "a ", false, true },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Fixture now = { 0 }, before = { 0 };

                choose(&now, cases[i].now);
                choose(&before, cases[i].before);
                assert_int_equal(judge_needs_labels(&now.rules, &before.rules, cases[i].asked),
                                 cases[i].needs);
                choose(&now, NULL);
                choose(&before, NULL);
        }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(test_a_verdict_is_told_with_its_rule),
                TEST(test_what_changes_nothing_is_not_told),
                TEST(test_who_waits),
                TEST(test_another_verdict_begins_anew),
                TEST(test_an_annotation_of_another_value_is_told_once),
                TEST(test_a_new_selector_gains_nothing),
                TEST(test_which_selectors_are_new),
        };

        return cmocka_run_group_tests_name("judge", tests, NULL, NULL);
}
