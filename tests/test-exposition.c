/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "exposition.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_a_family(void **state)
{
        _cleanup_buf_ Buf b = BUF_INIT(1024);

        assert_return_code(exposition_family(&b, "a_total", "counter", "How many."), 0);
        assert_return_code(exposition_sample(&b, "a_total", "{b=\"c\"}", 3), 0);
        assert_return_code(exposition_sample(&b, "a_total", "", 0.25), 0);
        assert_string_equal(buf_str(&b), "# HELP a_total How many.\n# TYPE a_total counter\n"
                                         "a_total{b=\"c\"} 3\na_total 0.25\n");
}

/* Times of today are good for less than a millisecond, and whole numbers look like ones. */
static void test_precision(void **state)
{
        _cleanup_buf_ Buf b = BUF_INIT(1024);

        assert_return_code(exposition_sample(&b, "t", "", exposition_seconds(UINT64_C(1795461567123456))),
                           0);
        assert_return_code(exposition_sample(&b, "n", "", 123456789012345), 0);
        assert_return_code(exposition_sample(&b, "m", "", -5), 0);
        assert_string_equal(buf_str(&b), "t 1795461567.12346\nn 123456789012345\nm -5\n");
}

/* Buckets are of what they say and all before. */
static void test_a_histogram(void **state)
{
        static const usec_t bounds[] = { 5 * USEC_PER_MSEC, USEC_PER_SEC };
        static const uint64_t buckets[] = { 1, 2 };
        const ExpositionHistogram h = {
                .bounds = bounds, .buckets = buckets, .n_buckets = 2, .count = 4, .sum = 1500 * USEC_PER_MSEC
        };
        _cleanup_buf_ Buf b = BUF_INIT(1024);

        assert_return_code(exposition_histogram(&b, "h", &h), 0);
        assert_string_equal(buf_str(&b), "h_bucket{le=\"0.005\"} 1\nh_bucket{le=\"1\"} 3\n"
                                         "h_bucket{le=\"+Inf\"} 4\nh_sum 1.500000\nh_count 4\n");
        for (size_t max = 0; max < b.size; max++) {
                _cleanup_buf_ Buf small = BUF_INIT(max);

                assert_int_equal(exposition_histogram(&small, "h", &h), -EMSGSIZE);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_family),
                cmocka_unit_test(test_precision),
                cmocka_unit_test(test_a_histogram),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
