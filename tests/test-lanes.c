/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lanes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define START (100 * USEC_PER_DAY)

typedef struct Told {
        unsigned n;
} Told;

static void on_moved(void *userdata)
{
        Told *t = userdata;

        t->n++;
}

static KubeStatus status_of(long code, const char *message)
{
        KubeStatus s = { .code = code };

        (void) snprintf(s.message, sizeof(s.message), "%s", message);
        return s;
}

static Lanes make(Told *told, size_t n)
{
        const ConfRenewal conf = { .max_in_flight = 4, .max_writes_per_second = 10 };
        Lanes l = { 0 };

        lanes_configure(&l, &conf);
        for (size_t i = 0; i < n; i++)
                lanes_add_user(&l, on_moved, &told[i]);
        return l;
}

static bool may_begin(const Lanes *l, PaceLane lane, usec_t now)
{
        usec_t until;

        return lanes_may_begin(l, lane, now, &until);
}

/* Two that share the lanes share their room, and both hear when there is some again. */
static void test_room_is_shared(void **state)
{
        Told told[2] = { 0 };
        Lanes l = make(told, 2);

        for (unsigned i = 0; i < 4; i++) {
                assert_true(may_begin(&l, PACE_NOW, START));
                lanes_begin(&l, PACE_NOW, START);
        }
        assert_false(may_begin(&l, PACE_NOW, START));
        lanes_end(&l, PACE_NOW);
        assert_true(may_begin(&l, PACE_NOW, START));
        assert_int_equal(told[0].n, 1);
        assert_int_equal(told[1].n, 1);
}

static void test_a_failure_of_the_server_stops_all_lanes(void **state)
{
        const KubeStatus away = status_of(503, "it is away");
        Lanes l = make(NULL, 0);
        usec_t until;

        lanes_fail(&l, HTTP_RETRY, &away, 0, START);
        assert_string_equal(l.error, "it is away");
        for (PaceLane lane = 0; lane < _PACE_LANE_MAX; lane++) {
                assert_false(lanes_may_begin(&l, lane, START, &until));
                assert_true(until > START && until <= START + 5 * USEC_PER_SEC);
        }
        /* What was in flight beside it fails, too, and is the same failure. */
        lanes_fail(&l, HTTP_RETRY, &away, 0, START);
        assert_int_equal(l.failures, 1);

        /* Then one goes to see whether it works, and no more. */
        assert_true(may_begin(&l, PACE_NOW, until));
        lanes_begin(&l, PACE_NOW, until);
        assert_false(may_begin(&l, PACE_NOW, until));
        lanes_end(&l, PACE_NOW);
        lanes_work(&l, until);
        assert_int_equal(l.failures, 0);
        assert_string_equal(l.error, "");
        lanes_begin(&l, PACE_NOW, until);
        assert_true(may_begin(&l, PACE_NOW, until));
}

static void test_what_the_server_asks_for_is_given(void **state)
{
        const KubeStatus busy = status_of(429, "slow down");
        usec_t until, shortest = USEC_INFINITY, longest = 0;

        for (unsigned i = 0; i < 200; i++) {
                Lanes l = make(NULL, 0);

                lanes_fail(&l, HTTP_THROTTLED, &busy, 20 * USEC_PER_SEC, START);
                assert_false(lanes_may_begin(&l, PACE_NOW, START, &until));
                shortest = MIN(shortest, until - START);
                longest = MAX(longest, until - START);
        }
        assert_true(shortest >= 20 * USEC_PER_SEC);
        assert_true(longest > 25 * USEC_PER_SEC && longest <= 30 * USEC_PER_SEC);
}

/* A write that was on its way when the server asked for a pause does not end it. */
static void test_an_answer_during_a_pause_says_nothing(void **state)
{
        const KubeStatus busy = status_of(429, "slow down");
        Lanes l = make(NULL, 0);
        usec_t until;

        lanes_begin(&l, PACE_NOW, START);
        lanes_begin(&l, PACE_NOW, START);
        lanes_fail(&l, HTTP_THROTTLED, &busy, 2 * USEC_PER_SEC, START);
        lanes_end(&l, PACE_NOW);
        lanes_work(&l, START + USEC_PER_SEC);
        lanes_end(&l, PACE_NOW);
        assert_false(lanes_may_begin(&l, PACE_NOW, START + USEC_PER_SEC, &until));
        assert_string_equal(l.error, "slow down");
        assert_true(may_begin(&l, PACE_NOW, until));
        lanes_begin(&l, PACE_NOW, until);
        assert_false(may_begin(&l, PACE_NOW, until)); /* one first */
        lanes_work(&l, until);
        assert_true(may_begin(&l, PACE_NOW, until));
        assert_string_equal(l.error, "");
}

/* Whichever answer comes first: a pause is at least as long as any of them asks for. */
static void test_the_longest_of_several_pauses_holds(void **state)
{
        const KubeStatus broken = status_of(500, "it is broken"), busy = status_of(429, "slow down"),
                         away = status_of(0, "no answer");
        Lanes l = make(NULL, 0);
        usec_t until, then;

        lanes_fail(&l, HTTP_RETRY, &broken, 0, START);
        lanes_fail(&l, HTTP_THROTTLED, &busy, 20 * USEC_PER_SEC, START);
        assert_false(lanes_may_begin(&l, PACE_NOW, START, &until));
        assert_true(until >= START + 20 * USEC_PER_SEC && until <= START + 30 * USEC_PER_SEC);
        lanes_fail(&l, HTTP_THROTTLED, &busy, USEC_PER_SEC, START);
        assert_false(lanes_may_begin(&l, PACE_NOW, START, &then));
        assert_int_equal(then, until);
        assert_int_equal(l.failures, 1);

        l = make(NULL, 0);
        lanes_fail(&l, HTTP_RETRY, &away, 0, START);
        lanes_fail(&l, HTTP_THROTTLED, &busy, 20 * USEC_PER_SEC, START);
        lanes_hurry(&l);
        assert_false(lanes_may_begin(&l, PACE_NOW, START, &until));
        assert_true(until >= START + 20 * USEC_PER_SEC);
}

static void test_a_refused_identity_is_not_tried_at_once(void **state)
{
        const KubeStatus unknown = status_of(401, "Unauthorized");
        Lanes l = make(NULL, 0);
        usec_t until;

        lanes_fail(&l, HTTP_UNAUTHORIZED, &unknown, 0, START);
        assert_false(lanes_may_begin(&l, PACE_NOW, START, &until));
        assert_true(until >= START + 5 * USEC_PER_SEC);
}

static void test_hurry_ends_a_pause_that_nobody_asked_for(void **state)
{
        const KubeStatus busy = status_of(429, "slow down"), away = status_of(0, "no answer");
        Told told = { 0 };
        Lanes l = make(&told, 1);

        lanes_fail(&l, HTTP_THROTTLED, &busy, 20 * USEC_PER_SEC, START);
        lanes_hurry(&l);
        assert_false(may_begin(&l, PACE_NOW, START));
        assert_int_equal(told.n, 0);

        l = make(&told, 1);
        lanes_fail(&l, HTTP_RETRY, &away, 0, START);
        lanes_hurry(&l);
        assert_true(may_begin(&l, PACE_NOW, START));
        assert_int_equal(told.n, 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_room_is_shared),
                cmocka_unit_test(test_a_failure_of_the_server_stops_all_lanes),
                cmocka_unit_test(test_what_the_server_asks_for_is_given),
                cmocka_unit_test(test_an_answer_during_a_pause_says_nothing),
                cmocka_unit_test(test_the_longest_of_several_pauses_holds),
                cmocka_unit_test(test_a_refused_identity_is_not_tried_at_once),
                cmocka_unit_test(test_hurry_ends_a_pause_that_nobody_asked_for),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
