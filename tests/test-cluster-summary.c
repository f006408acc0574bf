/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "cluster-summary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define ID "aaaaaaaabbbbbbbb"
#define NOW (3 * USEC_PER_HOUR)

static const Auths auths = { .id = ID, .issued = NOW, .received_boottime = NOW };

static int set_up(void **state)
{
        return targets_new((Targets **) state);
}

static int tear_down(void **state)
{
        *state = targets_free(*state);
        return 0;
}

/* A namespace that is there, with what its plan says. */
static Node *add(Targets *t, const char *name, MatchVerdict verdict, PlanReason reason)
{
        Node *n = targets_add(t, name);

        assert_non_null(n);
        n->exists = true;
        n->target.verdict = verdict;
        n->plan.reason = reason;
        return n;
}

static void hold(Node *n, usec_t expires)
{
        n->target.secret = (KubeSecret){
                .exists = true, .ours = true, .intact = true, .token_id = ID, .expires = expires
        };
}

static void check(const Targets *t, const Auths *current, const char *expected)
{
        ClusterSummary s;
        char text[256];

        cluster_summary_make(t, current, NOW, &s);
        (void) snprintf(text, sizeof(text),
                        "%u: fresh %u due %u pending %u failing %u conflict %u excluded %u", s.total,
                        s.fresh, s.due, s.pending, s.failing, s.conflict, s.excluded);
        assert_string_equal(text, expected);
}

static void test_nothing(void **state)
{
        check(*state, NULL, "0: fresh 0 due 0 pending 0 failing 0 conflict 0 excluded 0");
        assert_true(cluster_summary_settled(*state, 1));
}

static void test_a_secret_without_its_namespace_does_not_count(void **state)
{
        add(*state, "a", MATCH_WANTED, PLAN_CREATE)->exists = false;
        check(*state, &auths, "0: fresh 0 due 0 pending 0 failing 0 conflict 0 excluded 0");
        assert_true(cluster_summary_settled(*state, 1));
}

static void test_each_state(void **state)
{
        Targets *t = *state;

        add(t, "a", MATCH_WANTED, PLAN_FRESH);
        add(t, "b", MATCH_WANTED, PLAN_FOREIGN);
        add(t, "c", MATCH_WANTED, PLAN_REFUSED);
        add(t, "d", MATCH_WANTED, PLAN_CREATE);
        hold(add(t, "e", MATCH_WANTED, PLAN_RENEW), NOW + USEC_PER_SEC);
        hold(add(t, "f", MATCH_WANTED, PLAN_RENEW), NOW); /* it has just run out */
        add(t, "g", MATCH_WANTED, PLAN_BACKOFF)->target.failures = 1;
        check(t, &auths, "7: fresh 1 due 1 pending 2 failing 1 conflict 2 excluded 0");
        check(t, NULL, "7: fresh 1 due 0 pending 3 failing 1 conflict 2 excluded 0");
}

/* They are nobody's failure, whatever became of them before. */
static void test_those_that_are_not_wanted(void **state)
{
        ClusterSummary s;

        for (MatchVerdict v = MATCH_WANTED + 1; v < _MATCH_VERDICT_MAX; v++) {
                char name[2] = { (char) ('a' + (char) v), '\0' };
                Node *n = add(*state, name, v, PLAN_UNWANTED);

                n->target.failures = 1;
        }
        cluster_summary_make(*state, &auths, NOW, &s);
        assert_int_equal(s.excluded, _MATCH_VERDICT_MAX - MATCH_WANTED - 1);
        assert_int_equal(s.total, s.excluded);
        assert_int_equal(s.failing, 0);
        assert_int_equal(s.by_verdict[MATCH_WANTED], 0);
        for (MatchVerdict v = MATCH_WANTED + 1; v < _MATCH_VERDICT_MAX; v++)
                assert_int_equal(s.by_verdict[v], 1);
}

/* The first that says why. */
static void test_one_failure_is_named(void **state)
{
        Node *a = add(*state, "a", MATCH_WANTED, PLAN_BACKOFF),
             *b = add(*state, "b", MATCH_WANTED, PLAN_BACKOFF),
             *c = add(*state, "c", MATCH_WANTED, PLAN_BACKOFF);
        ClusterSummary s;

        a->target.failures = b->target.failures = c->target.failures = 1;
        b->problem = strdup("no");
        c->problem = strdup("never");
        cluster_summary_make(*state, &auths, NOW, &s);
        assert_int_equal(s.failing, 3);
        assert_string_equal(s.failing_name, "b");
        assert_string_equal(s.failing_why, "no");
}

/* Where nothing can be done, once its request has come back; else after so many tries, or in a dry run. */
static void test_settled(void **state)
{
        static const bool done[_PLAN_REASON_MAX] = {
                [PLAN_UNWANTED] = true, [PLAN_KEPT] = true,  [PLAN_SHARED] = true,   [PLAN_FOREIGN] = true,
                [PLAN_REFUSED] = true,  [PLAN_GOING] = true, [PLAN_FIGHTING] = true, [PLAN_FRESH] = true,
        };
        Node *n = add(*state, "a", MATCH_WANTED, PLAN_CREATE);

        for (PlanReason r = 0; r < _PLAN_REASON_MAX; r++) {
                n->plan.reason = r;
                assert_int_equal(cluster_summary_settled(*state, 2), done[r]);
                n->place = NODE_IN_FLIGHT;
                assert_false(cluster_summary_settled(*state, 2));
                n->place = NODE_IDLE;
                n->target.failures = 1;
                assert_int_equal(cluster_summary_settled(*state, 2), done[r]);
                n->target.failures = 2;
                assert_true(cluster_summary_settled(*state, 2));
                n->target.failures = 0;
                n->pretended = true;
                assert_true(cluster_summary_settled(*state, 2));
                n->pretended = false;
        }
        (void) add(*state, "b", MATCH_WANTED, PLAN_CREATE);
        n->plan.reason = PLAN_FRESH;
        assert_false(cluster_summary_settled(*state, 2)); /* all have to be */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(test_nothing),
                TEST(test_a_secret_without_its_namespace_does_not_count),
                TEST(test_each_state),
                TEST(test_those_that_are_not_wanted),
                TEST(test_one_failure_is_named),
                TEST(test_settled),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
