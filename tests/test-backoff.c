/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "backoff.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_step_doubles_from_base_to_cap(void **state)
{
        static const struct {
                usec_t base, cap;
                unsigned failures;
                usec_t step;
        } cases[] = {
                { USEC_PER_SEC, 20 * USEC_PER_SEC, 1, USEC_PER_SEC },
                { USEC_PER_SEC, 20 * USEC_PER_SEC, 2, 2 * USEC_PER_SEC },
                { USEC_PER_SEC, 20 * USEC_PER_SEC, 5, 16 * USEC_PER_SEC },
                { USEC_PER_SEC, 20 * USEC_PER_SEC, 6, 20 * USEC_PER_SEC },
                { USEC_PER_SEC, 20 * USEC_PER_SEC, 7, 20 * USEC_PER_SEC },
                { USEC_PER_SEC, 20 * USEC_PER_SEC, 1000, 20 * USEC_PER_SEC },
                { USEC_PER_SEC, 20 * USEC_PER_SEC, UINT_MAX, 20 * USEC_PER_SEC },
                { USEC_PER_SEC, 16 * USEC_PER_SEC, 5, 16 * USEC_PER_SEC },
                { USEC_PER_SEC, USEC_PER_SEC, 3, USEC_PER_SEC },
                { 5 * USEC_PER_SEC, USEC_PER_SEC, 1, USEC_PER_SEC },
                { 3, USEC_PER_SEC, 3, 12 },
                { 1, 3, 2, 2 },
                { 1, 3, 3, 3 },
                { 1, USEC_PER_DAY, 1, 1 },
                { USEC_PER_HOUR, 10 * USEC_PER_DAY, 7, 64 * USEC_PER_HOUR },
                /* The doubling does not run over. */
                { 1, UINT64_C(1) << 63, 64, UINT64_C(1) << 63 },
                { 3, USEC_INFINITY, 1000, USEC_INFINITY },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                BackoffPolicy policy = { cases[i].base, cases[i].cap };

                assert_int_equal(backoff_delay(&policy, cases[i].failures, 0), cases[i].step / 2);
                assert_in_range(backoff_delay(&policy, cases[i].failures, UINT32_MAX),
                                cases[i].step - cases[i].step / UINT32_MAX - 1, cases[i].step);
        }
}

static void test_random_places_it_between_half_and_all_of_the_step(void **state)
{
        const BackoffPolicy policy = { 10 * USEC_PER_SEC, USEC_PER_MINUTE };
        usec_t last = 0;

        for (uint64_t random = 0; random <= UINT32_MAX; random += UINT32_MAX / 255) {
                usec_t delay = backoff_delay(&policy, 2, (uint32_t) random);

                assert_in_range(delay, 10 * USEC_PER_SEC, 20 * USEC_PER_SEC);
                assert_true(delay > last);
                last = delay;
        }
        assert_int_equal(backoff_delay(&policy, 1, UINT32_MAX / 2 + 1), 7500 * USEC_PER_MSEC);
}

static void test_random_numbers_differ(void **state)
{
        uint32_t first = backoff_random();
        unsigned same = 0;

        for (int i = 0; i < 8; i++)
                same += backoff_random() == first;
        assert_true(same < 8);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_step_doubles_from_base_to_cap),
                cmocka_unit_test(test_random_places_it_between_half_and_all_of_the_step),
                cmocka_unit_test(test_random_numbers_differ),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
