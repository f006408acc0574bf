/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define SECRET "hunter2"

static unsigned n_freed;

/* Stands in for free() in util.c: what is given back may not hold the secret any more. */
static void free_wiped(void *p)
{
        n_freed += p != NULL;
        if (p)
                assert_null(memmem(p, malloc_usable_size(p), SECRET, strlen(SECRET)));
        free(p);
}

#define free(p) free_wiped(p)
#include "util.c"
#undef free

static void test_macros_evaluate_as_values(void **state)
{
        static const int numbers[7] = { 0 };
        char *s = strdup("x"), *taken;

        assert_int_equal(ELEMENTSOF(numbers), 7);
        assert_int_equal(MIN(1 + 1, 3) * 2, 4);
        assert_int_equal(MAX(1 + 1, 3) * 2, 6);
        assert_int_equal(CLAMP(-1, 0, 10) + CLAMP(5, 0, 10) + CLAMP(11, 0, 10), 15);
        taken = TAKE_PTR(s);
        assert_null(s);
        assert_string_equal(taken, "x");
        free(taken);
}

static void test_strings_compare(void **state)
{
        const char *s = "prefix-and-rest";

        assert_true(streq("a", "a"));
        assert_false(streq("a", "A"));
        assert_true(streq_ptr(NULL, NULL));
        assert_false(streq_ptr(NULL, ""));
        assert_false(streq_ptr("", NULL));
        assert_true(streq_ptr("a", "a"));
        assert_ptr_equal(startswith(s, "prefix-"), s + 7);
        assert_ptr_equal(startswith(s, ""), s);
        assert_string_equal(startswith("prefix", "prefix"), "");
        assert_null(startswith("pre", "prefix"));
        assert_true(str_empty(NULL) && str_empty("") && !str_empty(" "));
}

static void test_str_replace_copies_also_from_itself(void **state)
{
        char source[] = "one";
        char *s = NULL;

        assert_int_equal(str_replace(&s, source), 0);
        source[0] = 'x';
        assert_string_equal(s, "one");
        assert_int_equal(str_replace(&s, s), 0);
        assert_string_equal(s, "one");
        assert_int_equal(str_replace(&s, s + 1), 0);
        assert_string_equal(s, "ne");
        assert_int_equal(str_replace(&s, NULL), 0);
        assert_null(s);
        assert_int_equal(str_replace(&s, NULL), 0);
        assert_null(s);
}

static void test_str_printf_is_as_long_as_it_needs(void **state)
{
        char *s = str_printf("%s=%d", "key", -42), *empty = str_printf("%s", ""),
             *large = str_printf("%0100000d", 7);

        assert_string_equal(s, "key=-42");
        assert_string_equal(empty, "");
        assert_int_equal(strlen(large), 100000);
        free(s);
        free(empty);
        free(large);
}

static void scope_with_secret(void)
{
        _cleanup_erase_ char *secret = strdup(SECRET), *nothing = NULL;

        assert_string_equal(secret, SECRET);
        assert_null(nothing);
}

static void test_secrets_are_wiped_before_they_are_freed(void **state)
{
        n_freed = 0;
        assert_null(str_erase_free(strdup(SECRET)));
        assert_int_equal(n_freed, 1);
        scope_with_secret();
        assert_int_equal(n_freed, 2);
        assert_null(str_erase_free(NULL));
        assert_int_equal(n_freed, 2);
}

static void test_close_fd_closes_and_says_minus_one(void **state)
{
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), kept = fd;

        assert_true(fd >= 0);
        close_fdp(&fd);
        assert_int_equal(fd, -1);
        assert_int_equal(fcntl(kept, F_GETFD), -1);
        assert_int_equal(errno, EBADF);
        assert_int_equal(close_fd(-1), -1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_macros_evaluate_as_values),
                cmocka_unit_test(test_strings_compare),
                cmocka_unit_test(test_str_replace_copies_also_from_itself),
                cmocka_unit_test(test_str_printf_is_as_long_as_it_needs),
                cmocka_unit_test(test_secrets_are_wiped_before_they_are_freed),
                cmocka_unit_test(test_close_fd_closes_and_says_minus_one),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
