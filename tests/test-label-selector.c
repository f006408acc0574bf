/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "label-selector.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define KEY_PROBLEM "a key has up to 63"
#define PREFIX_PROBLEM "what is before the \"/\""
#define VALUE_PROBLEM "a value has up to 63"

/* "k=v k=v" as labels. */
static const char *lookup(const char *key, const void *labels)
{
        static char value[128];
        const char *rest;

        for (const char *p = labels; p && *p; p = strchr(p, ' ') ? strchr(p, ' ') + 1 : NULL)
                if ((rest = startswith(p, key)) && *rest == '=') {
                        (void) snprintf(value, sizeof(value), "%.*s", (int) strcspn(rest + 1, " "),
                                        rest + 1);
                        return value;
                }
        return NULL;
}

/* The text ends where its memory does, for the sanitizers. */
static int parse(const char *text, LabelSelector **ret, char error[static LABEL_SELECTOR_ERROR_MAX])
{
        _cleanup_free_ char *copy = strdup(text);

        return label_selector_parse(copy, ret, error);
}

static void check_match(const char *text, const char *labels, bool expected)
{
        _cleanup_(label_selector_freep) LabelSelector *s = NULL;
        char error[LABEL_SELECTOR_ERROR_MAX];
        unsigned unmet;

        if (parse(text, &s, error) < 0)
                fail_msg("%s: %s", text, error);
        if (label_selector_matches(s, lookup, labels, &unmet) != expected)
                fail_msg("%s with labels %s: %s", text, labels, expected ? "no match" : "match");
}

static void test_what_matches(void **state)
{
        static const struct {
                const char *selector, *yes, *no;
        } cases[] = {
                { "a=b", "a=b", "a=c" },
                { "a==b", "x=y a=b", "a=" },
                { "a = b", "a=b", "b=a" },
                { "a=", "a=", "a=b" },
                { "a=,b", "a= b=1", "b=1" },
                { "a!=b", "a=c", "a=b" },
                { "a!=b", "x=b", "a=b c=d" },
                { "a!=", "a=b", "a=" },
                { "a", "a=", "aa=a" },
                { "!a", "b=a", "a=" },
                { " ! a", "", "a=b" },
                { "a in (b)", "a=b", "x=b" },
                { "a in (b,c)", "a=c", "a=d" },
                { "a in(b,c)", "a=b", "a=bc" },
                { "a in ()", "a=", "b=" },
                { "a in ( )", "a=", "a=b" },
                { "a notin ()", "b=", "a=" },
                { "a in (,)", "a=", "a=b" },
                { "a in (b,)", "a=", "a=c" },
                { "a in (,b)", "a=", "a=c" },
                { "a in (,b)", "a=b", "c=b" },
                { "a in (b,,c)", "a=", "a=d" },
                { "a notin (b,c)", "a=d", "a=b" },
                { "a notin (b,c)", "x=b", "a=c" },
                { "a notin (,)", "b=", "a=" },
                { "n>5", "n=6", "n=5" },
                { "n>5", "n=06", "n=x6" },
                { "n > 5", "n=9223372036854775807", "n=9223372036854775808" },
                { "n<7", "n=6", "n=7" },
                { "n<7", "n=006 a=1", "n=" },
                { "n<7", "n=0", "a=1" },
                { "a=b,c!=d,e in (x,y),f notin (z),g,!h,n>5,n<7", "a=b e=x g=1 n=6", "a=b e=x g=1 n=5" },
                { "a=b,c!=d,e in (x,y),f notin (z),g,!h", "a=b e=y g= f=y", "a=b e=y g= f=z" },
                { "in", "in=", "notin=" },
                { "in in (in,notin)", "in=notin", "in=out" },
                { "notin notin (notin)", "a=b", "notin=notin" },
                { "a=in", "a=in", "a=notin" },
                { "!in", "a=b", "in=b" },
                { "kubernetes.io/metadata.name=x", "kubernetes.io/metadata.name=x", "metadata.name=x" },
                { "A_b.c-d=E", "A_b.c-d=E", "A_b.c-d=e" },
                { "a.b", "a.b=1", "a=1" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                check_match(cases[i].selector, cases[i].yes, true);
                check_match(cases[i].selector, cases[i].no, false);
        }
        check_match("", "a=b", true);
        check_match(" \t\r\n", "", true);
        check_match("a\t=\rb\n,\n!c", "a=b", true);
}

static void test_what_is_refused(void **state)
{
        static const char *const cases[][2] = {
                { ",", "at character 1, \",\": there should be the key of a label" },
                { "a,", "at character 3, the end: there should be the key of a label" },
                { "a,,b", "at character 3, \",\": there should be the key of a label" },
                { "=a", "at character 1, \"=\": there should be the key" },
                { "!", "at character 2, the end: there should be the key" },
                { "!!a", "at character 2, \"!\": there should be the key" },
                { "!a=b", "at character 3, \"=\": there should be \",\" or nothing more" },
                { "!a in (b)", "at character 4, \"in\": there should be \",\" or nothing more" },
                { "a b", "at character 3, \"b\": there should be one of = == != in notin > < or \",\"" },
                { "a IN (b)", "at character 3, \"IN\": there should be one of" },
                { "a inn (b)", "at character 3, \"inn\": there should be one of" },
                { "a notinn (b)", "at character 3, \"notinn\": there should be one of" },
                { "a ni (b)", "at character 3, \"ni\": there should be one of" },
                { "a)", "at character 2, \")\": there should be one of" },
                { "a!b", "at character 2, \"!\": there should be one of" },
                { "a===b", "at character 4, \"=\": there should be a value" },
                { "a=!b", "at character 3, \"!\": there should be a value" },
                { "a!==b", "at character 4, \"=\": there should be a value" },
                { "a=b c", "at character 5, \"c\": there should be \",\" or nothing more" },
                { "a=b)", "at character 4, \")\": there should be \",\" or nothing more" },
                { "a in b", "at character 6, \"b\": there should be \"(\"" },
                { "a in", "at character 5, the end: there should be \"(\"" },
                { "a in (", "at character 7, the end: there should be a value" },
                { "a in (b", "at character 8, the end: there should be \",\" or \")\"" },
                { "a in (b c)", "at character 9, \"c\": there should be \",\" or \")\"" },
                { "a in (b=c)", "at character 8, \"=\": there should be \",\" or \")\"" },
                { "a in (,,)", "at character 9, \")\": there should be a value" },
                { "a in (b,,)", "at character 10, \")\": there should be a value" },
                { "a in (,", "at character 8, the end: there should be a value" },
                { "a notin (b),", "at character 13, the end: there should be the key" },
                { "n>", "at character 3, the end: there should be a whole number" },
                { "n>x", "at character 3, \"x\": there should be a whole number" },
                { "n>5x", "at character 3, \"5x\": there should be a whole number" },
                { "n>-5", "at character 3, \"-5\": " VALUE_PROBLEM },
                { "n>=5", "at character 3, \"=\": there should be a value" },
                { "n<9223372036854775808",
                  "at character 3, \"9223372036854775808\": there should be a whole" },
                { "-a", "at character 1, \"-a\": " KEY_PROBLEM },
                { "a-=b", "at character 1, \"a-\": " KEY_PROBLEM },
                { "a:b", "at character 1, \"a:b\": " KEY_PROBLEM },
                { "a/", "at character 1, \"a/\": " KEY_PROBLEM },
                { "a/b/c", "at character 1, \"a/b/c\": " KEY_PROBLEM },
                { "/a", "at character 1, \"/a\": " PREFIX_PROBLEM },
                { "A/a", "at character 1, \"A/a\": " PREFIX_PROBLEM },
                { "a..b/c", "at character 1, \"a..b/c\": " PREFIX_PROBLEM },
                { "a.-b/c", "at character 1, \"a.-b/c\": " PREFIX_PROBLEM },
                { "a-.b/c", "at character 1, \"a-.b/c\": " PREFIX_PROBLEM },
                { "-a/c", "at character 1, \"-a/c\": " PREFIX_PROBLEM },
                { "a-/c", "at character 1, \"a-/c\": " PREFIX_PROBLEM },
                { "a./c", "at character 1, \"a./c\": " PREFIX_PROBLEM },
                { ".a/c", "at character 1, \".a/c\": " PREFIX_PROBLEM },
                { "a_b/c", "at character 1, \"a_b/c\": " PREFIX_PROBLEM },
                { "a=-b", "at character 3, \"-b\": " VALUE_PROBLEM },
                { "a=b.", "at character 3, \"b.\": " VALUE_PROBLEM },
                { "a=b/c", "at character 3, \"b/c\": " VALUE_PROBLEM },
                { "a in (x,b_)", "at character 9, \"b_\": " VALUE_PROBLEM },
                { "a=\xc3\xa4", "at character 3, \"\xc3\xa4\": " VALUE_PROBLEM },
                { "a=x\001y", "at character 3, \"x y\": " VALUE_PROBLEM },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(label_selector_freep) LabelSelector *s = NULL;
                char error[LABEL_SELECTOR_ERROR_MAX];

                if (parse(cases[i][0], &s, error) != -EINVAL || s)
                        fail_msg("%s is taken", cases[i][0]);
                if (!startswith(error, cases[i][1]))
                        fail_msg("%s: %s", cases[i][0], error);
        }
}

/* Names as long as they may be, and one character longer. */
static void test_lengths(void **state)
{
        static const struct {
                size_t prefix, name, value;
                int r;
        } cases[] = { { 0, 63, 63, 0 },       { 253, 63, 0, 0 },     { 0, 64, 0, -EINVAL },
                      { 254, 1, 0, -EINVAL }, { 0, 1, 64, -EINVAL }, { 64, 1, 1, 0 } };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(label_selector_freep) LabelSelector *s = NULL;
                char text[1024] = "", error[LABEL_SELECTOR_ERROR_MAX], *p = text;

                memset(p, 'x', cases[i].prefix);
                p += cases[i].prefix;
                if (cases[i].prefix > 0)
                        *p++ = '/';
                memset(p, 'y', cases[i].name);
                p += cases[i].name;
                *p++ = '=';
                memset(p, 'z', cases[i].value);
                assert_int_equal(parse(text, &s, error), cases[i].r);
                if (s)
                        assert_string_equal(label_selector_text(s), text);
                else
                        assert_true(strlen(error) < 400);
        }
}

static void test_the_whole_may_be_long(void **state)
{
        for (size_t n = LABEL_SELECTOR_MAX - 1; n <= LABEL_SELECTOR_MAX + 1; n += 2) {
                _cleanup_(label_selector_freep) LabelSelector *s = NULL;
                char text[LABEL_SELECTOR_MAX + 2], error[LABEL_SELECTOR_ERROR_MAX];
                unsigned unmet;

                for (size_t i = 0; i < n; i++)
                        text[i] = i % 2 ? ',' : 'a';
                text[n] = '\0';
                if (n > LABEL_SELECTOR_MAX) {
                        assert_int_equal(parse(text, &s, error), -EINVAL);
                        assert_string_equal(error, "it has more than 4096 bytes");
                } else {
                        assert_int_equal(parse(text, &s, error), 0);
                        assert_true(label_selector_matches(s, lookup, "a=1", &unmet));
                        assert_string_equal(label_selector_requirement(s, (unsigned) n / 2), "a");
                        assert_null(label_selector_requirement(s, (unsigned) n / 2 + 1));
                }
        }
}

static void test_the_first_that_is_not_met_is_told(void **state)
{
        static const struct {
                const char *labels, *requirement;
        } cases[] = {
                { "a=c", "a = b" },
                { "a=b e=z", "e in (x, y)" },
                { "a=b e=x h=1", "!h" },
                { "a=b e=x n=5", "n>5" },
        };
        _cleanup_(label_selector_freep) LabelSelector *s = NULL;
        char error[LABEL_SELECTOR_ERROR_MAX];
        unsigned unmet = 99;

        assert_int_equal(parse(" a = b,e in (x, y) ,!h, n>5 ", &s, error), 0);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                assert_false(label_selector_matches(s, lookup, cases[i].labels, &unmet));
                assert_string_equal(label_selector_requirement(s, unmet), cases[i].requirement);
        }
        unmet = 99;
        assert_true(label_selector_matches(s, lookup, "a=b e=x n=6", &unmet));
        assert_int_equal(unmet, 99);
        assert_null(label_selector_requirement(s, 4));
        assert_null(label_selector_free(NULL));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_matches),
                cmocka_unit_test(test_what_is_refused),
                cmocka_unit_test(test_lengths),
                cmocka_unit_test(test_the_whole_may_be_long),
                cmocka_unit_test(test_the_first_that_is_not_met_is_told),
        };

        return cmocka_run_group_tests_name("label-selector", tests, NULL, NULL);
}
