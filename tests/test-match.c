/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "match.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define LIST(...) ((char **) (const char *[]){ __VA_ARGS__, NULL })

static MatchVerdict verdict(char *const *include, char *const *blacklist, const char *name)
{
        const MatchRules rules = { include, blacklist, NULL };
        const MatchNamespace ns = { .name = name, .unmet = MATCH_NONE };

        return match_namespace(&rules, &ns).verdict;
}

static void test_globs_match_whole_names(void **state)
{
        static const struct {
                const char *glob, *name;
                bool matches;
        } cases[] = {
                { "kube", "kube", true },
                { "kube", "kubeflow", false },
                { "kube", "my-kube", false },
                { "flow", "kubeflow", false },
                { "kube-*", "kube-system", true },
                { "kube-*", "kube-", true },
                { "kube-*", "kube", false },
                { "kube-*", "my-kube-x", false },
                { "*-test", "a-test", true },
                { "*-test", "a-test-b", false },
                { "*", "x", true },
                { "a*b*c", "a-b-bc", true },
                { "a*b*c", "a-b-b", false },
                { "?", "a", true },
                { "?", "ab", false },
                { "team-?", "team-", false },
                { "team-[a-c]", "team-b", true },
                { "team-[a-c]", "team-d", false },
                { "team-[a-c]", "team-bb", false },
                { "team-[!a-c]", "team-d", true },
                { "team-[!a-c]", "team-a", false },
                { "team-[^a-c]", "team-d", true },
                { "[[:digit:]]*", "1st", true },
                { "[[:digit:]]*", "first", false },
                { "[a-]", "-", true },
                { "default", "default", true },
                { "default", "Default", false },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char *const globs[] = { (char *) cases[i].glob, NULL };
                MatchVerdict excluded = verdict(NULL, globs, cases[i].name);
                MatchVerdict included = verdict(globs, NULL, cases[i].name);

                if (excluded != (cases[i].matches ? MATCH_BLACKLISTED : MATCH_WANTED) ||
                    included != (cases[i].matches ? MATCH_WANTED : MATCH_NOT_INCLUDED))
                        fail_msg("%s and %s: %s, %s", cases[i].glob, cases[i].name,
                                 match_verdict_to_string(excluded), match_verdict_to_string(included));
                assert_null(match_glob_problem(MATCH_NAMESPACES, cases[i].glob));
        }
}

static void test_no_rules_want_every_name(void **state)
{
        assert_int_equal(verdict(NULL, NULL, "x"), MATCH_WANTED);
        assert_int_equal(verdict(LIST(NULL), LIST(NULL), "x"), MATCH_WANTED);
}

static void test_each_glob_of_a_list_counts(void **state)
{
        char *const *list = LIST("kube-*", "default", "*-ci");

        assert_int_equal(verdict(NULL, list, "kube-public"), MATCH_BLACKLISTED);
        assert_int_equal(verdict(NULL, list, "default"), MATCH_BLACKLISTED);
        assert_int_equal(verdict(NULL, list, "x-ci"), MATCH_BLACKLISTED);
        assert_int_equal(verdict(NULL, list, "x"), MATCH_WANTED);
        assert_int_equal(verdict(list, NULL, "x-ci"), MATCH_WANTED);
        assert_int_equal(verdict(list, NULL, "x"), MATCH_NOT_INCLUDED);
}

static LabelSelector *selector(const char *text)
{
        char error[LABEL_SELECTOR_ERROR_MAX];
        LabelSelector *s;

        assert_int_equal(label_selector_parse(text, &s, error), 0);
        return s;
}

/* Terminating, then blacklisted, then not included, then not selected, then ignored: every combination. */
static void test_the_weightiest_reason_is_the_verdict(void **state)
{
        _cleanup_(label_selector_freep) LabelSelector *s = selector("a,b");

        for (unsigned i = 0; i < 64; i++) {
                bool terminating = i & 16, blacklisted = i & 8, left_out = i & 4, not_selected = i & 2,
                     ignored = i & 1, none = i & 32;
                MatchRules rules = { left_out ? LIST("y") : LIST("z", "x"),
                                     blacklisted ? LIST("y", "z", "x") : LIST("y"), none ? NULL : s };
                MatchNamespace ns = { .name = "x",
                                      .unmet = not_selected ? 1 : MATCH_NONE,
                                      .ignored = ignored,
                                      .terminating = terminating };
                MatchDecision d = match_namespace(&rules, &ns);

                not_selected = not_selected && !none; /* by an earlier selector, perhaps */
                assert_int_equal(d.verdict, terminating    ? MATCH_TERMINATING
                                            : blacklisted  ? MATCH_BLACKLISTED
                                            : left_out     ? MATCH_NOT_INCLUDED
                                            : not_selected ? MATCH_NOT_SELECTED
                                            : ignored      ? MATCH_IGNORED
                                                           : MATCH_WANTED);
                assert_int_equal(d.rule, d.verdict == MATCH_BLACKLISTED    ? 2
                                         : d.verdict == MATCH_NOT_SELECTED ? 1
                                         : d.verdict == MATCH_WANTED       ? 1
                                                                           : MATCH_NONE);
        }
}

static const char *lookup(const char *key, const void *labels)
{
        return streq(key, labels) ? "" : NULL;
}

static void test_labels_are_for_the_selector(void **state)
{
        _cleanup_(label_selector_freep) LabelSelector *s = selector("a,!b");
        const MatchRules rules = { .selector = s };

        assert_int_equal(match_labels(&rules, lookup, "a"), MATCH_NONE);
        assert_int_equal(match_labels(&rules, lookup, "b"), 0);
        assert_int_equal(match_labels(&(MatchRules){ NULL }, lookup, "b"), MATCH_NONE);
}

static void test_what_decided_is_explained(void **state)
{
        _cleanup_(label_selector_freep) LabelSelector *s = selector("a, b in (c,d)");
        const MatchRules rules = { LIST("team-*", "x"), LIST("kube-*", "*-ci"), s };
        const struct {
                MatchDecision decision;
                const char *text;
        } cases[] = {
                { { MATCH_WANTED, MATCH_NONE }, "no rule against it" },
                { { MATCH_WANTED, 1 }, "include glob \"x\"" },
                { { MATCH_BLACKLISTED, 0 }, "blacklist glob \"kube-*\"" },
                { { MATCH_BLACKLISTED, 1 }, "blacklist glob \"*-ci\"" },
                { { MATCH_BLACKLISTED, MATCH_NONE }, "blacklist" },
                { { MATCH_NOT_INCLUDED, MATCH_NONE }, "no glob of include" },
                { { MATCH_NOT_SELECTED, 1 }, "label_selector asks for \"b in (c,d)\"" },
                { { MATCH_NOT_SELECTED, MATCH_NONE }, "label_selector" },
                { { MATCH_IGNORED, MATCH_NONE }, "annotation eatr/ignore" },
                { { MATCH_TERMINATING, MATCH_NONE }, "it is being deleted" },
        };
        char text[MATCH_EXPLANATION_MAX];

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                assert_ptr_equal(match_explain(text, &rules, cases[i].decision), text);
                assert_string_equal(text, cases[i].text);
        }
}

static void test_verdicts_have_words(void **state)
{
        static const char *const words[] = { "wanted",       "blacklisted", "not-included",
                                             "not-selected", "ignored",     "terminating" };

        assert_int_equal(ELEMENTSOF(words), _MATCH_VERDICT_MAX);
        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                assert_string_equal(match_verdict_to_string(i), words[i]);
}

/* What is wrong, by its first words; each string ends where its memory does, for the sanitizers. */
static void test_globs_that_match_nothing_are_told(void **state)
{
        static const char *const cases[][2] = {
                { "", "it is empty" },
                { "[", "\"[\" without" },
                { "[!", "\"[\" without" },
                { "[^", "\"[\" without" },
                { "[]", "\"[\" without" },
                { "[!]", "\"[\" without" },
                { "[abc", "\"[\" without" },
                { "x[", "\"[\" without" },
                { "x[a]y[", "\"[\" without" },
                { "[[:digit:]", "\"[\" without" },
                { "[[:digit:", "\"[\" without" },
                { "[a\\]", "\"[\" without" },
                { "]", "names of" },
                { "a]", "names of" },
                { "[a]]", "names of" },
                { "Kube-*", "names of" },
                { "kube_x", "names of" },
                { "a.b", "names of" },
                { "a b", "names of" },
                { "a/b", "names of" },
                { "a\\*", "names of" },
                { "{a,b}", "names of" },
                { "!a", "names of" },
                { "a\n", "names of" },
                { "\xc3\xa4", "names of" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *glob = strdup(cases[i][0]);
                const char *problem = match_glob_problem(MATCH_NAMESPACES, glob);

                if (!problem || !startswith(problem, cases[i][1]))
                        fail_msg("\"%s\": %s", glob, problem ? problem : "no problem");
        }
}

static void test_globs_that_fnmatch_knows_are_good(void **state)
{
        static const char *const good[] = {
                "a",         "0",           "-",           "*",
                "?",         "a-b-0",       "**",          "[a]",
                "[!a]",      "[^a]",        "[]a]",        "[!]a]",
                "[a-z0-9]*", "x[ab]y[cd]z", "[[:lower:]]", "[[:lower:][:digit:]-]*",
                "[[]a",      "[a[]",
        };

        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                _cleanup_free_ char *glob = strdup(good[i]);

                if (match_glob_problem(MATCH_NAMESPACES, glob))
                        fail_msg("\"%s\": %s", glob, match_glob_problem(MATCH_NAMESPACES, glob));
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_globs_match_whole_names),
                cmocka_unit_test(test_no_rules_want_every_name),
                cmocka_unit_test(test_each_glob_of_a_list_counts),
                cmocka_unit_test(test_the_weightiest_reason_is_the_verdict),
                cmocka_unit_test(test_labels_are_for_the_selector),
                cmocka_unit_test(test_what_decided_is_explained),
                cmocka_unit_test(test_verdicts_have_words),
                cmocka_unit_test(test_globs_that_match_nothing_are_told),
                cmocka_unit_test(test_globs_that_fnmatch_knows_are_good),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
