/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "heal.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define START (100 * USEC_PER_DAY)

typedef struct Heals {
        usec_t paid_until;
        unsigned fought;
} Heals;

/* Heals as soon as it may; returns after how long. */
static usec_t heal(Heals *h, usec_t *now)
{
        usec_t due = heal_due(h->paid_until), wait = usec_sub(due, *now);

        *now += wait;
        heal_pay(&h->paid_until, &h->fought, *now);
        return wait;
}

static void test_five_go_at_once_and_then_ever_fewer(void **state)
{
        static const unsigned minutes[] = { 0, 0, 0, 0, 0, 1, 2, 4, 8, 10, 10, 10, 10 };
        usec_t now = START;
        Heals h = { 0 };

        for (size_t i = 0; i < ELEMENTSOF(minutes); i++)
                assert_int_equal(heal(&h, &now), minutes[i] * USEC_PER_MINUTE);
        for (unsigned i = 0; i < 100; i++)
                assert_int_equal(heal(&h, &now), 10 * USEC_PER_MINUTE);
}

static void test_time_pays_for_what_was_done(void **state)
{
        usec_t now = START;
        Heals h = { 0 };

        for (unsigned i = 0; i < 3; i++)
                assert_int_equal(heal(&h, &now), 0);
        now += 2 * USEC_PER_MINUTE;
        for (unsigned i = 0; i < 4; i++)
                assert_int_equal(heal(&h, &now), 0);
        assert_int_equal(heal(&h, &now), USEC_PER_MINUTE);
        /* No more than five are ever saved up, and a fight that is over is forgotten. */
        now += USEC_PER_DAY;
        for (unsigned i = 0; i < 5; i++)
                assert_int_equal(heal(&h, &now), 0);
        assert_int_equal(heal(&h, &now), USEC_PER_MINUTE);
}

static void test_soon_after_the_start_of_the_host(void **state)
{
        usec_t now = 10 * USEC_PER_SEC;
        Heals h = { 0 };

        for (unsigned i = 0; i < 5; i++)
                assert_int_equal(heal(&h, &now), 0);
        assert_int_equal(heal(&h, &now), USEC_PER_MINUTE);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_five_go_at_once_and_then_ever_fewer),
                cmocka_unit_test(test_time_pays_for_what_was_done),
                cmocka_unit_test(test_soon_after_the_start_of_the_host),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
