/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "aws-clock.h"
#include "said.h"

#include <setjmp.h>
#include <stdarg.h>

#define NOW (1795461567 * USEC_PER_SEC)
#define HALF (USEC_PER_SEC / 2) /* Date is true of the middle of a second */

static usec_t wall = NOW;

static usec_t test_now(void)
{
        return wall;
}

#define clock_now test_now
#define log_full said_log
#include "aws-clock.c"
#undef clock_now
#undef log_full

#include <cmocka.h>

static AwsClock c;

static int set_up(void **state)
{
        c = (AwsClock){ 0 };
        wall = NOW;
        said[0] = said_id[0] = '\0';
        return 0;
}

/* An answer comes from an AWS whose clock is ahead of ours by so much. */
static bool hear(int64_t ahead)
{
        said[0] = said_id[0] = '\0';
        return aws_clock_learn(&c, (usec_t) ((int64_t) wall + ahead) - HALF);
}

static void test_in_the_beginning_ours_is_aws_s(void **state)
{
        assert_int_equal(aws_clock_now(&c), NOW);
        assert_false(aws_clock_is_off(&c));
}

static void test_the_network_s_delay_is_no_news(void **state)
{
        static const int64_t delays[] = {
                0, 1, -1, 2000000, -2000000, USEC_PER_MINUTE - 1, -(int64_t) USEC_PER_MINUTE + 1
        };

        for (size_t i = 0; i < ELEMENTSOF(delays); i++) {
                assert_false(hear(delays[i]));
                assert_int_equal(aws_clock_now(&c), NOW);
                assert_float_equal(c.measured, (double) delays[i] / USEC_PER_SEC, 1e-6);
                assert_string_equal(said, "");
                assert_false(aws_clock_is_off(&c));
        }
}

static void test_news_are_told_once(void **state)
{
        assert_true(hear(10 * USEC_PER_MINUTE));
        assert_string_equal(said, "4 This host's clock is 10min behind AWS's, signing with AWS's time; is "
                                  "time synchronisation running?\n");
        assert_string_equal(said_id, MESSAGE_CLOCK_SKEWED);
        assert_int_equal(aws_clock_now(&c), NOW + 10 * USEC_PER_MINUTE);
        assert_false(aws_clock_is_off(&c));

        assert_false(hear(10 * USEC_PER_MINUTE));
        assert_false(hear(10 * USEC_PER_MINUTE + 59 * USEC_PER_SEC));
        assert_false(hear(10 * USEC_PER_MINUTE - 59 * USEC_PER_SEC));
        assert_string_equal(said, "");
        assert_int_equal(aws_clock_now(&c), NOW + 10 * USEC_PER_MINUTE);

        assert_true(hear(11 * USEC_PER_MINUTE));
        assert_int_equal(aws_clock_now(&c), NOW + 11 * USEC_PER_MINUTE);
}

static void test_a_clock_that_is_ahead(void **state)
{
        assert_true(hear(-(int64_t) USEC_PER_MINUTE));
        assert_non_null(strstr(said, "is 1min ahead of AWS's"));
        assert_int_equal(aws_clock_now(&c), NOW - USEC_PER_MINUTE);

        /* From one side to the other. */
        assert_true(hear(90 * USEC_PER_SEC));
        assert_non_null(strstr(said, "is 1min 30s behind AWS's"));
        assert_int_equal(aws_clock_now(&c), NOW + 90 * USEC_PER_SEC);
}

static void test_our_clock_goes_on(void **state)
{
        assert_true(hear(USEC_PER_HOUR));
        wall += 7 * USEC_PER_SEC;
        assert_int_equal(aws_clock_now(&c), NOW + USEC_PER_HOUR + 7 * USEC_PER_SEC);
}

static void test_a_clock_that_is_set_right(void **state)
{
        assert_true(hear(USEC_PER_HOUR));
        wall += USEC_PER_HOUR;
        assert_true(hear(3 * USEC_PER_SEC));
        assert_string_equal(said, "6 This host's clock agrees with AWS's again\n");
        assert_int_equal(aws_clock_now(&c), wall);
        assert_false(hear(3 * USEC_PER_SEC));
        assert_string_equal(said, "");
}

static void test_a_date_that_is_off_by_more_than_a_day_is_not_followed(void **state)
{
        assert_false(hear(USEC_PER_DAY + 1));
        assert_int_equal(aws_clock_now(&c), NOW);
        assert_true(aws_clock_is_off(&c));
        assert_false(hear(-(int64_t) USEC_PER_DAY - 1));
        assert_true(aws_clock_is_off(&c));
        assert_false(aws_clock_learn(&c, 1)); /* 1970 */
        assert_true(aws_clock_is_off(&c));
        assert_string_equal(said, "");

        assert_true(hear(USEC_PER_DAY));
        assert_int_equal(aws_clock_now(&c), NOW + USEC_PER_DAY);
        assert_false(aws_clock_is_off(&c));

        /* What is followed stays, but it is known that it does not help. */
        assert_false(hear(-2 * (int64_t) USEC_PER_DAY));
        assert_int_equal(aws_clock_now(&c), NOW + USEC_PER_DAY);
        assert_true(aws_clock_is_off(&c));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup(test_in_the_beginning_ours_is_aws_s, set_up),
                cmocka_unit_test_setup(test_the_network_s_delay_is_no_news, set_up),
                cmocka_unit_test_setup(test_news_are_told_once, set_up),
                cmocka_unit_test_setup(test_a_clock_that_is_ahead, set_up),
                cmocka_unit_test_setup(test_our_clock_goes_on, set_up),
                cmocka_unit_test_setup(test_a_clock_that_is_set_right, set_up),
                cmocka_unit_test_setup(test_a_date_that_is_off_by_more_than_a_day_is_not_followed, set_up),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
