/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "aws-ini.h"
#include "buf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* The text ends where its memory does, for the sanitizers. */
static int parse_sized(const char *text, size_t size, AwsIni *ret, ConfError *error)
{
        char *copy = malloc(MAX(size, 1U));
        int r;

        assert_non_null(copy);
        memcpy(copy, text, size);
        *error = (ConfError){ "" };
        r = aws_ini_parse("/p", copy + (size == 0), size, ret, error);
        free(copy);
        return r;
}

/* "[SECTION]" and "KEY=TEXT@LINE", with "{}" for sub-properties. */
static void check(const char *text, const char *expected)
{
        _cleanup_(aws_ini_done) AwsIni ini = { 0 };
        _cleanup_buf_ Buf told = BUF_INIT(65536);
        ConfError error;

        if (parse_sized(text, strlen(text), &ini, &error) != 0)
                fail_msg("%s: %s", text, error.text);
        for (const AwsIniSection *s = ini.sections; s < ini.sections + ini.n_sections; s++) {
                assert_int_equal(buf_printf(&told, "[%s]", s->name), 0);
                for (const AwsIniValue *v = s->values; v < s->values + s->n_values; v++)
                        assert_int_equal(buf_printf(&told, "%s=%s%s@%u ", v->key, v->text,
                                                    v->nested ? "{}" : "", v->line),
                                         0);
        }
        assert_string_equal(buf_str(&told), expected);
}

static void check_refused_sized(const char *text, size_t size, int expected, const char *message)
{
        AwsIni ini = { 0 };
        ConfError error;

        assert_int_equal(parse_sized(text, size, &ini, &error), expected);
        assert_string_equal(error.text, message);
        assert_null(ini.sections);
}

static void check_refused(const char *text, int expected, const char *message)
{
        check_refused_sized(text, strlen(text), expected, message);
}

static void test_what_configparser_reads(void **state)
{
        static const char *const cases[][2] = {
                { "", "" },
                { "\n \n# x\n  ; y", "" },
                { "[a]", "[a]" },
                { "[a]\nk=v", "[a]k=v@2 " },
                { "[a]\r\nK\t= v w \r\n", "[a]k=v w@2 " },
                { "\xef\xbb\xbf[a]\nk: v=w", "[a]k=v=w@2 " },
                { "[a]\nk=\nl = :", "[a]k=@2 l=:@3 " },
                { "[a] # x\n[b]c]\n[]]", "[a][b]c][]]" },
                { "[a]\n[k=v\nl]=w", "[a][k=v@2 l]=w@3 " },
                { " [a]\n  k = v\n  l = w\n m = x", "[a]k=v@2 l=w@3 m=x@4 " },
                { "[a]\nk = v\n # c\n\n\tw = x\n  y\nl = z", "[a]k=v w = x y@2 l=z@7 " },
                { "[a]\nk =\n  x = 1\n\n  y: 2 = 3\nl = z", "[a]k={}@2 l=z@6 " },
                { "[a]\n  [b]\n k = v", "[a][b]k=v@3 " },
                { "[a]\nk = v\n  [b]", "[a]k=v [b]@2 " },
                { "[DEFAULT]\nk = v\n[a]\n[DEFAULT]\nl = w", "[DEFAULT]k=v@2 l=w@5 [a]" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                check(cases[i][0], cases[i][1]);
}

static void test_what_it_does_not(void **state)
{
        check_refused("k = v", -EINVAL, "/p:1: there is no [SECTION] before this line");
        check_refused("[a]\n\nk", -EINVAL, "/p:3: neither [SECTION] nor KEY = VALUE");
        check_refused("[a]\n= v", -EINVAL, "/p:2: neither [SECTION] nor KEY = VALUE");
        check_refused("[a]\n[]", -EINVAL, "/p:2: neither [SECTION] nor KEY = VALUE");
        check_refused("[a]\n[b]\n[a]", -EEXIST, "/p:3: there is a section \"a\" already");
        check_refused("[a]\nk = 1\nK = 2", -EEXIST, "/p:3: \"k\" has a value already, from line 2");
        check_refused("[a]\nk =\n  x", -EINVAL, "/p:3: the indented lines below \"k\" are not NAME = VALUE");
        check_refused("[a]\nk = \x7f", -EINVAL, "/p:2: there is a control character (0x7f) in the text");
        check_refused_sized("[a\0]", 4, -EINVAL, "/p:1: there is a control character (0x00) in the text");
        check_refused("[DEFAULT]\nk = 1\n[DEFAULT]\nk = 2", -EEXIST,
                      "/p:4: \"k\" has a value already, from line 2");
}

/* A start, and then a line n times; a number is in the place of the first "%" in it. */
static void check_many(const char *start, const char *line, unsigned n, int expected, const char *message)
{
        _cleanup_buf_ Buf text = BUF_INIT(2U * 1024 * 1024);
        _cleanup_(aws_ini_done) AwsIni ini = { 0 };
        const char *place = strchr(line, '%');
        ConfError error;

        assert_int_equal(buf_append_str(&text, start), 0);
        for (unsigned i = 0; i < n; i++)
                if (place)
                        assert_int_equal(
                                buf_printf(&text, "%.*s%u%s", (int) (place - line), line, i, place + 1), 0);
                else
                        assert_int_equal(buf_append_str(&text, line), 0);
        assert_int_equal(parse_sized(text.data, text.size, &ini, &error), expected);
        assert_string_equal(error.text, message);
}

static void test_nothing_grows_without_end(void **state)
{
        check_many("", "[%]\n", AWS_INI_SECTIONS_MAX, 0, "");
        check_many("", "[%]\n", AWS_INI_SECTIONS_MAX + 1, -E2BIG,
                   "/p:4097: there are more than 4096 sections");
        check_many("[a]\n", "%=\n", AWS_INI_KEYS_MAX, 0, "");
        check_many("[a]\n", "%=\n", AWS_INI_KEYS_MAX + 1, -E2BIG,
                   "/p:514: there are more than 512 keys in the section");
        check_many("[a]\nk=234567", "\n 234567", AWS_INI_VALUE_MAX / 7 - 1, 0, "");
        check_many("[a]\nk=234567", "\n 234567", AWS_INI_VALUE_MAX / 7 + 1, -EMSGSIZE,
                   "/p:2342: the value is longer than 16384 bytes");
        check_many("[a]\nk=", "x", AWS_INI_VALUE_MAX, 0, "");
        check_many("[a]\nk=", "x", AWS_INI_VALUE_MAX + 1, -EMSGSIZE,
                   "/p:2: the value is longer than 16384 bytes");
        check_many("", "#234567\n", AWS_INI_SIZE_MAX / 8, 0, "");
        check_many("#", "#234567\n", AWS_INI_SIZE_MAX / 8, -EFBIG, "/p: it is larger than 1 MiB");
}

static void test_values_are_found(void **state)
{
        static const char text[] = "[DEFAULT]\nk = inherited\nl = inherited\n[a]\nk = own\n[ab]\n";
        _cleanup_(aws_ini_done) AwsIni ini = { 0 };
        const AwsIniSection *a;
        ConfError error;

        assert_int_equal(parse_sized(text, strlen(text), &ini, &error), 0);
        a = aws_ini_section(&ini, "a");
        assert_string_equal(aws_ini_get(&ini, a, "k")->text, "own");
        assert_string_equal(aws_ini_get(&ini, a, "l")->text, "inherited");
        assert_null(aws_ini_get(&ini, a, "m"));
        assert_null(aws_ini_get(&ini, NULL, "k"));
        assert_string_equal(aws_ini_section(&ini, "ab")->name, "ab");
        assert_null(aws_ini_section(&ini, "b"));
        assert_null(aws_ini_section(&ini, "DEFAULT"));
}

static void test_headers_are_two_words(void **state)
{
        static const char *const cases[][2] = {
                { "profile a", "a" },
                { "profile\t a ", "a" },
                { "profile \"a b\"", "a b" },
                { "profile 'a \"b\\'", "a \"b\\" },
                { "profile a\\ b\\\\", "a b\\" },
                { "profile \"\\a\\\"\\\\\"x", "\\a\"\\x" },
                { "profile ''", "" },
                { "profile", NULL },
                { "profile a b", NULL },
                { "profile \"a", NULL },
                { "profile a\\", NULL },
                { "profile \"\\", NULL },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *word = malloc(strlen(cases[i][0]) + 1);

                assert_non_null(word);
                assert_int_equal(aws_ini_split_header(cases[i][0], word), cases[i][1] != NULL);
                if (cases[i][1])
                        assert_string_equal(word, cases[i][1]);
        }
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_configparser_reads),   cmocka_unit_test(test_what_it_does_not),
                cmocka_unit_test(test_nothing_grows_without_end), cmocka_unit_test(test_values_are_found),
                cmocka_unit_test(test_headers_are_two_words),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
