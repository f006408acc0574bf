/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "bucket.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define START (100 * USEC_PER_DAY)

static unsigned take_all(Bucket *b, usec_t now)
{
        unsigned n = 0;
        usec_t until;

        for (; bucket_may_take(b, now, &until); n++)
                bucket_take(b, now);
        return n;
}

static void test_a_burst_and_then_one_an_interval(void **state)
{
        Bucket b = { .interval = USEC_PER_SEC, .burst = 20 };
        usec_t until;

        assert_int_equal(take_all(&b, START), 20);
        assert_false(bucket_may_take(&b, START, &until));
        assert_int_equal(until, START + USEC_PER_SEC);
        assert_int_equal(take_all(&b, until - 1), 0);
        for (unsigned i = 1; i <= 100; i++)
                assert_int_equal(take_all(&b, START + i * USEC_PER_SEC), 1);
}

static void test_rest_is_paid_back_and_no_more(void **state)
{
        Bucket b = { .interval = USEC_PER_SEC, .burst = 20 };

        assert_int_equal(take_all(&b, START), 20);
        assert_int_equal(take_all(&b, START + 7 * USEC_PER_SEC), 7);
        assert_int_equal(take_all(&b, START + USEC_PER_DAY), 20);
}

static void test_no_burst(void **state)
{
        Bucket b = { .interval = USEC_PER_MINUTE, .burst = 1 };

        assert_int_equal(take_all(&b, 0), 1);
        assert_int_equal(take_all(&b, USEC_PER_MINUTE - 1), 0);
        assert_int_equal(take_all(&b, USEC_PER_MINUTE), 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_burst_and_then_one_an_interval),
                cmocka_unit_test(test_rest_is_paid_back_and_no_more),
                cmocka_unit_test(test_no_burst),
        };

        return cmocka_run_group_tests_name("bucket", tests, NULL, NULL);
}
