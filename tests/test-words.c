/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "words.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define WORDS_MAX 8U

static char open_end[] = "";
#define OPEN open_end /* shlex raises ValueError */

/* As printed by Python 3.11: shlex.split(line, comments=False, posix=True). */
static const struct {
        const char *line;
        const char *words[WORDS_MAX + 1];
} cases[] = {
        { "", { NULL } },
        { " ", { NULL } },
        { " \t\r\n ", { NULL } },
        { "a", { "a", NULL } },
        { "a b", { "a", "b", NULL } },
        { "  a   b  ", { "a", "b", NULL } },
        { "a\tb\rc\nd", { "a", "b", "c", "d", NULL } },
        { "a\vb\fc", { "a\vb\fc", NULL } },
        { "'a b'", { "a b", NULL } },
        { "'a' 'b'", { "a", "b", NULL } },
        { "'a''b'", { "ab", NULL } },
        { "a'b c'd", { "ab cd", NULL } },
        { "''", { "", NULL } },
        { "\"\"", { "", NULL } },
        { "'' \"\"", { "", "", NULL } },
        { "a ''", { "a", "", NULL } },
        { "''a", { "a", NULL } },
        { "a''", { "a", NULL } },
        { "''''", { "", NULL } },
        { "a '' b", { "a", "", "b", NULL } },
        { "'a\\b'", { "a\\b", NULL } },
        { "'a\\'", { "a\\", NULL } },
        { "'a\"b'", { "a\"b", NULL } },
        { "'a\nb'", { "a\nb", NULL } },
        { "\"a b\"", { "a b", NULL } },
        { "\"a'b\"", { "a'b", NULL } },
        { "\"a\\\"b\"", { "a\"b", NULL } },
        { "\"a\\\\b\"", { "a\\b", NULL } },
        { "\"a\\\\\"", { "a\\", NULL } },
        { "\"a\\b\"", { "a\\b", NULL } },
        { "\"a\\$b\"", { "a\\$b", NULL } },
        { "\"\\'\"", { "\\'", NULL } },
        { "\"a\\\nb\"", { "a\\\nb", NULL } },
        { "\"\\ \"", { "\\ ", NULL } },
        { "\"a\nb\"", { "a\nb", NULL } },
        { "a\\ b", { "a b", NULL } },
        { "\\a", { "a", NULL } },
        { "\\\\", { "\\", NULL } },
        { "\\'", { "'", NULL } },
        { "\\\"", { "\"", NULL } },
        { "a\\\nb", { "a\nb", NULL } },
        { "\\\n", { "\n", NULL } },
        { "\\ ", { " ", NULL } },
        { "a \\  b", { "a", " ", "b", NULL } },
        { "\\\"a b\\\"", { "\"a", "b\"", NULL } },
        { "'a'\\''b'", { "a'b", NULL } },
        { "'a'\"'\"'b'", { "a'b", NULL } },
        { "a\"b c\"'d e'f\\ g", { "ab cd ef g", NULL } },
        { "a#b", { "a#b", NULL } },
        { "# a", { "#", "a", NULL } },
        { "a # b", { "a", "#", "b", NULL } },
        { "$HOME `id` $(id)", { "$HOME", "`id`", "$(id)", NULL } },
        { "a;b|c&d>e<f", { "a;b|c&d>e<f", NULL } },
        { "*.c ~ {a,b} [a]", { "*.c", "~", "{a,b}", "[a]", NULL } },
        { "a=b --c='d e' -f=\"g\"", { "a=b", "--c=d e", "-f=g", NULL } },
        { "()!%^,.:@/+-_", { "()!%^,.:@/+-_", NULL } },
        { "\xc3\xa4 '\xe2\x82\xac \xe2\x82\xac' \\\xe2\x82\xac",
          { "\xc3\xa4", "\xe2\x82\xac \xe2\x82\xac", "\xe2\x82\xac", NULL } },
        { "\xc2\xa0"
          "a\xc2\xa0"
          "b",
          { "\xc2\xa0"
            "a\xc2\xa0"
            "b",
            NULL } },
        { "/usr/local/bin/aws_signing_helper credential-process --certificate '/etc/eatr/my cert.pem' "
          "--private-key \"/etc/eatr/key.pem\"",
          { "/usr/local/bin/aws_signing_helper", "credential-process", "--certificate",
            "/etc/eatr/my cert.pem", "--private-key", "/etc/eatr/key.pem", NULL } },
        { "sh -c \"echo \\\"hi\\\"; exit 1\"", { "sh", "-c", "echo \"hi\"; exit 1", NULL } },
        { "C:\\dir\\file", { "C:dirfile", NULL } },
        { "\"C:\\dir\\file\"", { "C:\\dir\\file", NULL } },
        { "'", { OPEN } },
        { "\"", { OPEN } },
        { "a'", { OPEN } },
        { "a\"b", { OPEN } },
        { "'a\"", { OPEN } },
        { "\"a'", { OPEN } },
        { "\\", { OPEN } },
        { "a\\", { OPEN } },
        { "a \\", { OPEN } },
        { "\"\\", { OPEN } },
        { "\"a\\\"", { OPEN } },
        { "'a' 'b", { OPEN } },
        { "''\"", { OPEN } },
        { "a b '", { OPEN } },
};

/* The line ends where its memory does, for the sanitizers. */
static int split(const char *line, char ***ret)
{
        _cleanup_free_ char *copy = strdup(line);

        assert_non_null(copy);
        return words_split(copy, ret);
}

static void test_words_are_those_of_shlex(void **state)
{
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(words_freep) char **words = NULL;
                int r = split(cases[i].line, &words);

                if (r != (cases[i].words[0] == OPEN ? -EINVAL : 0))
                        fail_msg("<%s>: %d", cases[i].line, r);
                for (size_t n = 0; r == 0 && (n == 0 || words[n - 1]); n++)
                        if (!streq_ptr(words[n], cases[i].words[n]))
                                fail_msg("<%s>: word %zu is <%s>, not <%s>", cases[i].line, n,
                                         words[n] ? words[n] : "(none)",
                                         cases[i].words[n] ? cases[i].words[n] : "(none)");
        }
}

static void test_a_line_may_be_long_or_all_words(void **state)
{
        _cleanup_free_ char *line = malloc(20001);
        char **words;

        memset(line, 'a', 20000);
        line[20000] = '\0';
        assert_int_equal(words_split(line, &words), 0);
        assert_string_equal(words[0], line);
        assert_null(words[1]);
        assert_null(words_free(words));
        for (size_t i = 1; i < 20000; i += 2)
                line[i] = ' ';
        for (unsigned odd = 0; odd < 2; odd++) {
                assert_int_equal(words_split(line + odd, &words), 0);
                for (size_t i = 0; i < 10000 - odd; i++)
                        assert_string_equal(words[i], "a");
                assert_null(words[10000 - odd]);
                assert_null(words_free(words));
        }
}

static void test_an_error_leaves_what_is_returned_alone(void **state)
{
        char *word = NULL, **words = &word;

        assert_int_equal(split("a b 'c", &words), -EINVAL);
        assert_ptr_equal(words, &word);
        assert_null(words_free(NULL));
}

static void test_equal_are_the_same_words_in_the_same_order(void **state)
{
        static const char *const lines[] = { "", "''", "a", "a b", "b a", "a b c", "ab" };

        for (size_t i = 0; i < ELEMENTSOF(lines); i++)
                for (size_t j = 0; j < ELEMENTSOF(lines); j++) {
                        _cleanup_(words_freep) char **a = NULL, **b = NULL;

                        assert_int_equal(words_split(lines[i], &a), 0);
                        assert_int_equal(words_split(lines[j], &b), 0);
                        assert_int_equal(words_equal(a, b), i == j);
                        assert_false(words_equal(a, NULL) || words_equal(NULL, b));
                }
        assert_true(words_equal(NULL, NULL));
}

static void test_how_many_there_are(void **state)
{
        char *words[] = { (char *) "a", (char *) "", (char *) "c", NULL };

        assert_int_equal(words_count(words), 3);
        assert_int_equal(words_count(words + 3), 0);
        assert_int_equal(words_count(NULL), 0);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_words_are_those_of_shlex),
                cmocka_unit_test(test_a_line_may_be_long_or_all_words),
                cmocka_unit_test(test_equal_are_the_same_words_in_the_same_order),
                cmocka_unit_test(test_how_many_there_are),
                cmocka_unit_test(test_an_error_leaves_what_is_returned_alone),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
