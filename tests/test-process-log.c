/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "said.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#define log_full said_log
#include "process-log.c"
#undef log_full
#include <cmocka.h>

#define TEN "a word or "
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN
#define FOUR_HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED
#define ALL_BUT_ONE FOUR_HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN "a word or"
#define SEVENTY_X "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

/* text comes in pieces of that size. */
static void check(const char *text, size_t n, size_t size, const char *expected, const char *last)
{
        ProcessLog l = { .name = strdup("helper") };

        said[0] = '\0';
        for (size_t i = 0; i < n; i += size)
                process_log_append(&l, text + i, MIN(size, n - i));
        process_log_end(&l);
        assert_string_equal(said, expected);
        assert_string_equal(l.last ? l.last : "", last);
        process_log_done(&l);
        assert_null(l.last);
}

static void test_each_line_is_a_message(void **state)
{
        static const struct {
                const char *text, *expected, *last;
        } cases[] = {
                { "", "", "" },
                { "one\n", "4 helper: one\n", "one" },
                { "one", "4 helper: one\n", "one" },
                { "one\ntwo", "4 helper: one\n4 helper: two\n", "two" },
                { "one\r\n\r\n  two\t\n\n \n", "4 helper: one\n4 helper:   two\n", "  two" },
                { "\033[31mred\033[0m\n", "4 helper:  [31mred [0m\n", " [31mred [0m" },
                { "%s %n\n", "4 helper: %s %n\n", "%s %n" },
                { "key AKIAIOSFODNN7EXAMPLE\n{\"SecretAccessKey\": \"a\"}",
                  "4 helper: key [hidden]\n4 helper: {\"SecretAccessKey [hidden]\n",
                  "{\"SecretAccessKey [hidden]" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                for (size_t size = 1; size < 100; size += 3)
                        check(cases[i].text, strlen(cases[i].text), size, cases[i].expected, cases[i].last);
}

static void test_nuls_separate_nothing(void **state)
{
        static const char text[] = "A\0K\0I\0A\0I\0O\0S\0F\0O\0D\0N\0N\0"
                                   "7\0E\0X\0A\0M\0P\0L\0E\0!\0\n";

        check(text, sizeof(text), 7, "4 helper: [hidden]!\n", "[hidden]!");
}

static void test_a_long_line_is_cut_and_stays_one(void **state)
{
        static const struct {
                const char *text, *last;
        } cases[] = {
                { ALL_BUT_ONE ".", ALL_BUT_ONE "." },
                { ALL_BUT_ONE " ", ALL_BUT_ONE },
                { ALL_BUT_ONE ":b", ALL_BUT_ONE ":..." },
                { ALL_BUT_ONE " b\n", ALL_BUT_ONE "..." },
                { ALL_BUT_ONE " " ALL_BUT_ONE "\n", ALL_BUT_ONE "..." },
                { FOUR_HUNDRED SEVENTY_X " abcdefghijklmnopqrstuvwxyzabcd password",
                  FOUR_HUNDRED "[hidden]..." },
                { FOUR_HUNDRED SEVENTY_X SEVENTY_X, FOUR_HUNDRED "[hidden]..." },
                /* A character is not cut in two: the 500th byte is its first, of three. */
                { FOUR_HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN "a word o,\xe2\x82\xac,",
                  FOUR_HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN "a word o,..." },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char expected[1024];

                (void) snprintf(expected, sizeof(expected), "4 helper: %s\n", cases[i].last);
                check(cases[i].text, strlen(cases[i].text), 100, expected, cases[i].last);
        }
}

static void test_of_many_lines_the_last_is_kept(void **state)
{
        for (size_t lines = 19; lines <= 100; lines = lines < 22 ? lines + 1 : lines + 78) {
                char text[2048] = "", expected[2048] = "", last[32];

                for (size_t i = 0; i < lines; i++) {
                        (void) snprintf(text + strlen(text), 32, "line %zu\n\n", i);
                        if (i < 20)
                                (void) snprintf(expected + strlen(expected), 32, "4 helper: line %zu\n", i);
                }
                if (lines > 20)
                        (void) snprintf(expected + strlen(expected), 64, "4 helper: (%zu more lines)\n",
                                        lines - 20);
                (void) snprintf(last, sizeof(last), "line %zu", lines - 1);
                check(text, strlen(text), 100, expected, last);
        }
}

static void test_no_line_lingers(void **state)
{
        static const ProcessLog none;
        ProcessLog l = { .name = strdup("helper") };

        said[0] = '\0';
        process_log_append(&l, "secret\nx\n", 9);
        for (size_t i = 0; i < sizeof(l.line); i++)
                assert_int_equal(l.line[i], 0);
        process_log_append(&l, "secret", 6);
        process_log_done(&l);
        assert_memory_equal(&l, &none, sizeof(l));
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_each_line_is_a_message),
                cmocka_unit_test(test_nuls_separate_nothing),
                cmocka_unit_test(test_a_long_line_is_cut_and_stays_one),
                cmocka_unit_test(test_of_many_lines_the_last_is_kept),
                cmocka_unit_test(test_no_line_lingers),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
