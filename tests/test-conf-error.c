/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "conf-error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* What is there before is not looked at, and need not be a string. */
static ConfError garbage(void)
{
        ConfError e;

        memset(&e, 'x', sizeof(e));
        return e;
}

static void test_a_sentence_takes_the_place_of_another(void **state)
{
        ConfError e = garbage();

        assert_int_equal(conf_error_set(&e, -EINVAL, "%s is no %s", "a", "b"), -EINVAL);
        assert_string_equal(e.text, "a is no b");
        assert_int_equal(conf_error_set(&e, -EPERM, "c"), -EPERM);
        assert_string_equal(e.text, "c");
}

static void test_m_stands_for_the_number_that_was_given(void **state)
{
        ConfError e = garbage();

        errno = EISDIR;
        assert_int_equal(conf_error_set(&e, -ENOENT, "cannot open it: %m"), -ENOENT);
        assert_string_equal(e.text, "cannot open it: No such file or directory");
        errno = EISDIR;
        assert_int_equal(conf_error_oom(&e), -ENOMEM);
        assert_string_equal(e.text, strerror(ENOMEM));
}

static void test_each_module_adds_what_it_knows(void **state)
{
        ConfError e = garbage();

        (void) conf_error_set(&e, -EINVAL, "it is 100%% wrong");
        conf_error_prefix(&e, "%s in [%s]: ", "%s", "aws");
        conf_error_prefix(&e, "%s:%u: ", "/f", 3U);
        conf_error_add(&e, ", did you mean \"%s\"?", "%n");
        conf_error_add(&e, "%s", "");
        conf_error_prefix(&e, "%s", "");
        assert_string_equal(e.text, "/f:3: %s in [aws]: it is 100% wrong, did you mean \"%n\"?");
}

/* Its start says more than its end. */
static void test_a_sentence_that_is_too_long_loses_its_end(void **state)
{
        struct {
                ConfError e;
                char behind;
        } s = { garbage(), 'x' };
        char letters[2 * CONF_ERROR_MAX + 1];

        memset(letters, 'a', sizeof(letters) - 1);
        letters[sizeof(letters) - 1] = '\0';
        (void) conf_error_set(&s.e, -EINVAL, "%s", letters);
        assert_int_equal(strspn(s.e.text, "a"), CONF_ERROR_MAX - 1);
        conf_error_add(&s.e, "b");
        assert_int_equal(strspn(s.e.text, "a"), CONF_ERROR_MAX - 1);
        conf_error_prefix(&s.e, "/f:3: ");
        assert_non_null(startswith(s.e.text, "/f:3: aaa"));
        assert_int_equal(strlen(s.e.text), CONF_ERROR_MAX - 1);
        conf_error_prefix(&s.e, "%s", letters);
        assert_int_equal(strspn(s.e.text, "a"), CONF_ERROR_MAX - 1);

        (void) conf_error_set(&s.e, -EINVAL, "b");
        conf_error_add(&s.e, "%.*s", (int) CONF_ERROR_MAX - 2, letters); /* the last one that fits */
        assert_int_equal(strlen(s.e.text), CONF_ERROR_MAX - 1);
        (void) conf_error_set(&s.e, -EINVAL, "b");
        conf_error_add(&s.e, "%s", letters);
        assert_int_equal(strlen(s.e.text), CONF_ERROR_MAX - 1);
        assert_int_equal(s.behind, 'x');
}

static void test_what_is_quoted_is_printable(void **state)
{
        static const char *const cases[][2] = {
                { "", "\"\"" },
                { "a b", "\"a b\"" },
                { "~", "\"~\"" },
                { "%s%n", "\"%s%n\"" },
                { "a\"b\\", "\"a\"b\\\"" },
                { "a\tb\r\n", "\"a\\x09b\\x0d\\x0a\"" },
                { "\x1b[2J", "\"\\x1b[2J\"" },
                { "\x7f\x80\xff", "\"\\x7f\\x80\\xff\"" },
                { "\xc3\xa4", "\"\\xc3\\xa4\"" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                assert_string_equal(CONF_ERROR_QUOTE(cases[i][0]), cases[i][1]);
}

/* Each quotation has a buffer of its own. */
static void test_quotations_stand_side_by_side(void **state)
{
        ConfError e = garbage();

        (void) conf_error_set(&e, -EINVAL, "%s and %s", CONF_ERROR_QUOTE("a"), CONF_ERROR_QUOTE("b"));
        assert_string_equal(e.text, "\"a\" and \"b\"");
}

/* Whole, or cut and with dots; every byte of it is something else's neighbour, for the sanitizers. */
static void test_quotations_are_not_long(void **state)
{
        static const char *const letters[][2] = { { "a", "a" }, { "\x01", "\\x01" } };
        char s[301];

        for (size_t n = 0; n < 2 * 300; n++) {
                const char *const *letter = letters[n % 2];
                _cleanup_free_ char *buffer = malloc(CONF_ERROR_QUOTE_MAX);
                size_t length = n / 2, shown = 0;
                const char *p = buffer;

                memset(s, **letter, length);
                s[length] = '\0';
                assert_ptr_equal(conf_error_quote(buffer, s), buffer);
                assert_int_equal(*p++, '"');
                for (const char *next; (next = startswith(p, letter[1])); p = next)
                        shown++;
                assert_true(strlen(buffer) < CONF_ERROR_QUOTE_MAX);
                if (shown == length)
                        assert_string_equal(p, "\"");
                else {
                        assert_string_equal(p, "...\"");
                        assert_true(strlen(buffer) >= CONF_ERROR_QUOTE_MAX - 10); /* not cut too early */
                }
        }
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_sentence_takes_the_place_of_another),
                cmocka_unit_test(test_m_stands_for_the_number_that_was_given),
                cmocka_unit_test(test_each_module_adds_what_it_knows),
                cmocka_unit_test(test_a_sentence_that_is_too_long_loses_its_end),
                cmocka_unit_test(test_what_is_quoted_is_printable),
                cmocka_unit_test(test_quotations_stand_side_by_side),
                cmocka_unit_test(test_quotations_are_not_long),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
