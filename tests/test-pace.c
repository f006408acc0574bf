/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "pace.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define START (100 * USEC_PER_DAY)
#define IN_FLIGHT_MAX 100U

static bool may_begin(const Pace *p, PaceLane lane, usec_t now)
{
        usec_t until;

        return pace_may_begin(p, lane, now, &until);
}

/* Begins as many as the lane lets, all at once. */
static unsigned fill(Pace *p, PaceLane lane, usec_t now)
{
        unsigned n = 0;

        for (; may_begin(p, lane, now); n++)
                pace_begin(p, lane, now);
        return n;
}

static void test_no_more_in_flight_than_the_limit(void **state)
{
        for (unsigned max = 1; max <= IN_FLIGHT_MAX; max++) {
                Pace p = { .max_in_flight = max };
                usec_t until = 0;

                assert_int_equal(fill(&p, PACE_NOW, START), max);
                assert_false(pace_may_begin(&p, PACE_BULK, START, &until));
                assert_int_equal(until, USEC_INFINITY); /* only an end helps */
                pace_end(&p, PACE_NOW);
                assert_true(may_begin(&p, PACE_NOW, START));
                pace_begin(&p, PACE_NOW, START);
                assert_false(pace_may_begin(&p, PACE_NOW, START, &until));
                assert_int_equal(until, USEC_INFINITY);
        }
}

static void test_bulk_leaves_room_for_the_now_lane(void **state)
{
        for (unsigned max = 1; max <= IN_FLIGHT_MAX; max++) {
                Pace p = { .max_in_flight = max };
                unsigned bulk = fill(&p, PACE_BULK, START);
                usec_t until = 0;

                assert_int_equal(bulk, max == 1 ? 1 : max - MAX(max / 4, 1U));
                assert_false(pace_may_begin(&p, PACE_BULK, START, &until));
                assert_int_equal(until, USEC_INFINITY);
                assert_int_equal(fill(&p, PACE_NOW, START), max - bulk);
                /* An end in the one lane is of no use to the other's reserve. */
                pace_end(&p, PACE_BULK);
                assert_true(may_begin(&p, PACE_BULK, START));
        }
}

static void test_pause_stops_both_lanes_until_it_is_over(void **state)
{
        Pace p = { .max_in_flight = 4, .max_per_second = 50 };
        usec_t until = 0;

        pace_pause(&p, START + 10);
        pace_pause(&p, START + 5); /* the longer one stays */
        for (int lane = 0; lane < _PACE_LANE_MAX; lane++) {
                assert_false(pace_may_begin(&p, lane, START, &until));
                assert_int_equal(until, START + 10);
                assert_false(pace_may_begin(&p, lane, START + 9, &until));
                assert_int_equal(until, START + 10);
                assert_true(pace_may_begin(&p, lane, START + 10, &until));
        }
        pace_pause(&p, START + 20);
        assert_false(may_begin(&p, PACE_NOW, START + 19));
        assert_true(may_begin(&p, PACE_NOW, START + 20));
}

static void test_the_now_lane_has_no_rate(void **state)
{
        Pace p = { .max_in_flight = 16, .max_per_second = 1 };

        assert_int_equal(fill(&p, PACE_BULK, START), 1);
        for (int i = 0; i < 1000; i++) {
                assert_true(may_begin(&p, PACE_NOW, START));
                pace_begin(&p, PACE_NOW, START);
                pace_end(&p, PACE_NOW);
        }
        assert_false(may_begin(&p, PACE_BULK, START));
}

/* A bulk lane that always has more to write, and asks again only when it was told to or a write ended.
 * Returns how many it began. */
static size_t simulate(Pace *p, usec_t latency, usec_t duration, usec_t *begins, size_t begins_max)
{
        size_t n = 0, ended = 0;

        for (usec_t now = START; now < START + duration;) {
                usec_t until;

                for (; ended < n && begins[ended] + latency <= now; ended++)
                        pace_end(p, PACE_BULK);
                assert_true(p->max_in_flight == 1 || may_begin(p, PACE_NOW, now));
                if (pace_may_begin(p, PACE_BULK, now, &until)) {
                        assert_true(n < begins_max);
                        pace_begin(p, PACE_BULK, now);
                        begins[n++] = now;
                        continue;
                }
                if (ended < n)
                        until = MIN(until, begins[ended] + latency);
                assert_true(until > now && until != USEC_INFINITY);
                now = until;
        }
        return n;
}

static void test_rate_over_simulated_seconds(void **state)
{
        static const struct {
                unsigned per_second, in_flight;
                usec_t latency;
                unsigned seconds;
                size_t expected, burst;
        } cases[] = {
                { 50, 16, 30 * USEC_PER_MSEC, 10, 500, 6 },
                { 50, 16, 200 * USEC_PER_MSEC, 10, 500, 6 },
                { 1, 16, 30 * USEC_PER_MSEC, 60, 60, 1 },
                { 3, 16, 30 * USEC_PER_MSEC, 60, 180, 1 },
                { 7, 1, 30 * USEC_PER_MSEC, 60, 420, 1 },
                { 1000, 100, 10 * USEC_PER_MSEC, 5, 5000, 101 },
                /* What is in flight is the limit. */
                { 50, 16, USEC_PER_SEC, 10, 120, 0 },
                { 0, 16, 100 * USEC_PER_MSEC, 10, 1200, 0 },
                { 0, 1, 100 * USEC_PER_MSEC, 10, 100, 0 },
        };
        static usec_t begins[10000];

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Pace p = { .max_in_flight = cases[i].in_flight, .max_per_second = cases[i].per_second };
                size_t n = simulate(&p, cases[i].latency, cases[i].seconds * USEC_PER_SEC, begins,
                                    ELEMENTSOF(begins));
                size_t most;

                assert_in_range(n, cases[i].expected, cases[i].expected + cases[i].burst);
                /* Nor more in any second of them. */
                most = cases[i].per_second > 0 ? cases[i].per_second + cases[i].burst + 1 : n;
                for (size_t k = most; k < n; k++)
                        assert_true(begins[k] - begins[k - most] >= USEC_PER_SEC);
        }
}

static void test_one_at_a_time_when_it_is_a_trial(void **state)
{
        for (unsigned max = 1; max <= 4; max++) {
                Pace p = { .max_in_flight = max, .probing = true };

                assert_int_equal(fill(&p, PACE_NOW, START), 1);
                assert_false(may_begin(&p, PACE_BULK, START));
                pace_end(&p, PACE_NOW);
                assert_int_equal(fill(&p, PACE_BULK, START), 1);
                p.probing = false;
                assert_int_equal(fill(&p, PACE_NOW, START), max - 1);
        }
}

static void test_an_idle_bulk_lane_saves_nothing_up(void **state)
{
        Pace p = { .max_in_flight = 100, .max_per_second = 50 };
        unsigned at_first = fill(&p, PACE_BULK, START);

        for (unsigned i = 0; i < at_first; i++)
                pace_end(&p, PACE_BULK);
        assert_int_equal(at_first, 6);
        assert_int_equal(fill(&p, PACE_BULK, START + USEC_PER_DAY), at_first);
}

static void test_bulk_is_told_when_its_rate_lets_it_go_on(void **state)
{
        Pace p = { .max_in_flight = 100, .max_per_second = 50 };
        usec_t until = 0;

        (void) fill(&p, PACE_BULK, START);
        assert_false(pace_may_begin(&p, PACE_BULK, START, &until));
        assert_in_range(until, START + 1, START + 20 * USEC_PER_MSEC);
        assert_false(may_begin(&p, PACE_BULK, until - 1));
        assert_true(may_begin(&p, PACE_BULK, until));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_no_more_in_flight_than_the_limit),
                cmocka_unit_test(test_bulk_leaves_room_for_the_now_lane),
                cmocka_unit_test(test_pause_stops_both_lanes_until_it_is_over),
                cmocka_unit_test(test_the_now_lane_has_no_rate),
                cmocka_unit_test(test_rate_over_simulated_seconds),
                cmocka_unit_test(test_one_at_a_time_when_it_is_a_trial),
                cmocka_unit_test(test_an_idle_bulk_lane_saves_nothing_up),
                cmocka_unit_test(test_bulk_is_told_when_its_rate_lets_it_go_on),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
