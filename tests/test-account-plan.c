/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "account-plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define NOW (100 * USEC_PER_DAY)

static char *some[] = { (char *) "default", (char *) "ci-*", NULL }, *team[] = { (char *) "team-*", NULL },
            *none[] = { NULL };

static Account account(bool listed, bool ours)
{
        return (Account){ .seen = {
                                  .exists = true, .resource_version = 7, .listed = listed, .ours = ours } };
}

static void assert_plan(const Account *a, AccountWish wish, AccountAction action, PaceLane lane)
{
        AccountPlan p = account_plan_next(a, wish, NOW);

        assert_string_equal(account_plan_action_to_string(p.action), account_plan_action_to_string(action));
        assert_int_equal(p.action, action);
        if (action != ACCOUNT_NOTHING && action != ACCOUNT_WAIT)
                assert_int_equal(p.lane, lane);
}

static KubeStatus status_of(long code)
{
        return (KubeStatus){
                .code = code,
                .denial = code == 403 ? KUBE_DENIAL_RIGHTS : KUBE_DENIAL_NONE,
                .reason = "It",
                .message = "it is",
        };
}

/* --- wishes ---------------------------------------------------------------------------------------- */

static void test_what_is_to_be(void **state)
{
        const MatchVerdict wanted = MATCH_WANTED, out = MATCH_BLACKLISTED, ends = MATCH_TERMINATING;
        AccountRules r = { .accounts = some, .on_exclude = CONF_EXCLUDE_KEEP };

        for (ConfExclude e = CONF_EXCLUDE_KEEP; e <= CONF_EXCLUDE_DELETE; e++) {
                AccountWish otherwise = e == CONF_EXCLUDE_DELETE ? ACCOUNT_LACK : ACCOUNT_LEAVE;

                r.on_exclude = e;
                assert_int_equal(account_plan_wish(&r, "team-a", &wanted, "default"), ACCOUNT_HAVE);
                assert_int_equal(account_plan_wish(&r, "team-a", &wanted, "ci-7"), ACCOUNT_HAVE);
                assert_int_equal(account_plan_wish(&r, "team-a", &wanted, "builder"), otherwise);
                assert_int_equal(account_plan_wish(&r, "team-a", &out, "default"), otherwise);
                assert_int_equal(account_plan_wish(&r, "team-a", &ends, "default"), ACCOUNT_LEAVE);
                assert_int_equal(account_plan_wish(&r, "team-a", &ends, "builder"), ACCOUNT_LEAVE);
                assert_int_equal(account_plan_wish(&r, "team-a", NULL, "default"), ACCOUNT_LEAVE);
                assert_int_equal(account_plan_wish(&r, "team-a", NULL, "builder"), ACCOUNT_LEAVE);
        }
        r.accounts = none;
        assert_int_equal(account_plan_wish(&r, "team-a", &wanted, "default"), ACCOUNT_LACK);
}

static void test_a_purge_takes_all_out_in_its_namespaces(void **state)
{
        const AccountRules r = { .accounts = some, .on_exclude = CONF_EXCLUDE_KEEP, .purge = team };
        const MatchVerdict wanted = MATCH_WANTED;

        assert_int_equal(account_plan_wish(&r, "team-a", NULL, "builder"), ACCOUNT_LACK);
        assert_int_equal(account_plan_wish(&r, "team-a", &wanted, "default"), ACCOUNT_LACK);
        assert_int_equal(account_plan_wish(&r, "shop", &wanted, "default"), ACCOUNT_LEAVE);
}

static void test_what_concerns_eatr(void **state)
{
        AccountRules r = { .accounts = some };
        KubeAccount plain = { .exists = true }, ours = { .exists = true, .ours = true },
                    gone = { .ours = true };

        assert_true(account_plan_concerns(&r, "default", &plain));
        assert_false(account_plan_concerns(&r, "builder", &plain));
        assert_true(account_plan_concerns(&r, "builder", &ours));
        assert_false(account_plan_concerns(&r, "default", &gone));
        r.purge = team;
        assert_false(account_plan_concerns(&r, "default", &plain));
        assert_true(account_plan_concerns(&r, "default", &ours));
}

/* --- plans ----------------------------------------------------------------------------------------- */

static void test_what_is_done(void **state)
{
        Account lacks = account(false, false), has = account(true, true), had = account(true, false),
                lost = account(false, true);

        assert_plan(&lacks, ACCOUNT_HAVE, ACCOUNT_ADD, PACE_BULK);
        assert_plan(&has, ACCOUNT_HAVE, ACCOUNT_NOTHING, 0);
        assert_plan(&had, ACCOUNT_HAVE, ACCOUNT_NOTHING, 0);
        assert_plan(&lost, ACCOUNT_HAVE, ACCOUNT_ADD, PACE_NOW);

        assert_plan(&lacks, ACCOUNT_LACK, ACCOUNT_NOTHING, 0);
        assert_plan(&has, ACCOUNT_LACK, ACCOUNT_REMOVE, PACE_BULK);
        assert_plan(&had, ACCOUNT_LACK, ACCOUNT_NOTHING, 0); /* it was there before, or is somebody's */
        assert_plan(&lost, ACCOUNT_LACK, ACCOUNT_REMOVE, PACE_BULK);

        assert_plan(&lacks, ACCOUNT_LEAVE, ACCOUNT_NOTHING, 0);
        assert_plan(&has, ACCOUNT_LEAVE, ACCOUNT_NOTHING, 0);

        lacks.urgent = true;
        assert_plan(&lacks, ACCOUNT_HAVE, ACCOUNT_ADD, PACE_NOW);
        lacks.failures = 1;
        assert_plan(&lacks, ACCOUNT_HAVE, ACCOUNT_ADD, PACE_BULK);
}

static void test_what_is_left_alone(void **state)
{
        Account a = account(false, false);

        a.seen.terminating = true;
        assert_plan(&a, ACCOUNT_HAVE, ACCOUNT_NOTHING, 0);
        a = account(false, false);
        a.seen.strange = true;
        assert_plan(&a, ACCOUNT_HAVE, ACCOUNT_NOTHING, 0);
        a = (Account){ 0 };
        assert_plan(&a, ACCOUNT_HAVE, ACCOUNT_NOTHING, 0);
}

static void test_one_that_is_not_there_yet(void **state)
{
        Account a = { .create = true, .urgent = true };

        assert_plan(&a, ACCOUNT_HAVE, ACCOUNT_CREATE, PACE_NOW);
        assert_plan(&a, ACCOUNT_LACK, ACCOUNT_NOTHING, 0);
        assert_plan(&a, ACCOUNT_LEAVE, ACCOUNT_NOTHING, 0);
        a.seen = account(false, false).seen; /* the controllers were faster */
        assert_plan(&a, ACCOUNT_HAVE, ACCOUNT_ADD, PACE_NOW);
}

static AccountPlan done(Account *a, AccountAction action)
{
        AccountPlan p = account_plan_next(a, action == ACCOUNT_REMOVE ? ACCOUNT_LACK : ACCOUNT_HAVE, NOW);

        assert_int_equal(p.action, action);
        account_plan_begun(a);
        account_plan_succeeded(a, &p, NOW);
        return p;
}

static void test_what_somebody_keeps_taking_out_is_put_back_five_times(void **state)
{
        Account a = account(false, false);
        AccountPlan p;

        done(&a, ACCOUNT_ADD); /* which was no heal; and the annotation may be taken out with the entry */
        for (unsigned i = 0; i < 5; i++)
                assert_true(done(&a, ACCOUNT_ADD).heal);
        p = account_plan_next(&a, ACCOUNT_HAVE, NOW);
        assert_int_equal(p.action, ACCOUNT_WAIT);
        assert_true(p.heal);
        assert_int_equal(p.until, NOW + USEC_PER_MINUTE);
        p = account_plan_next(&a, ACCOUNT_HAVE, p.until);
        assert_int_equal(p.action, ACCOUNT_ADD);
        /* What eatr took out itself is not put back, and to add it later is no heal. */
        a.seen.ours = true;
        done(&a, ACCOUNT_REMOVE);
        a.seen.ours = false;
        assert_false(done(&a, ACCOUNT_ADD).heal);
}

/* --- failures -------------------------------------------------------------------------------------- */

static AccountFailure fail_with(Account *a, HttpOutcome outcome, long code)
{
        KubeStatus status = status_of(code);
        AccountPlan p = account_plan_next(a, ACCOUNT_HAVE, NOW);

        account_plan_begun(a);
        return account_plan_failed(a, &p, outcome, &status, NOW, UINT32_MAX);
}

static void test_one_that_was_overtaken_waits_for_the_newer_version(void **state)
{
        static const struct {
                HttpOutcome outcome;
                long code;
        } overtaken[] = { { HTTP_REJECTED, 422 }, { HTTP_CONFLICT, 409 }, { HTTP_NOT_FOUND, 404 } };

        for (size_t i = 0; i < ELEMENTSOF(overtaken); i++) {
                Account a = account(false, false);
                AccountPlan p;

                assert_int_equal(fail_with(&a, overtaken[i].outcome, overtaken[i].code), ACCOUNT_OVERTAKEN);
                p = account_plan_next(&a, ACCOUNT_HAVE, NOW);
                assert_int_equal(p.action, ACCOUNT_WAIT);
                assert_int_equal((p.until + USEC_PER_MSEC) / USEC_PER_SEC, NOW / USEC_PER_SEC + 1);
                /* None has come. */
                assert_int_equal(account_plan_next(&a, ACCOUNT_HAVE, p.until).action, ACCOUNT_ADD);
                /* One has. */
                account_plan_observe(&a, &(KubeAccount){ .exists = true, .resource_version = 8 });
                assert_int_equal(account_plan_next(&a, ACCOUNT_HAVE, NOW).action, ACCOUNT_ADD);
        }
}

/* The watch may show the newer version before the answer to the write has come. */
static void test_the_newer_version_may_be_there_already(void **state)
{
        const KubeStatus status = status_of(422);
        Account a = account(false, false);
        AccountPlan p = account_plan_next(&a, ACCOUNT_HAVE, NOW);

        account_plan_begun(&a);
        account_plan_observe(&a, &(KubeAccount){ .exists = true, .resource_version = 8 });
        assert_int_equal(account_plan_failed(&a, &p, HTTP_REJECTED, &status, NOW, 0), ACCOUNT_OVERTAKEN);
        assert_int_equal(account_plan_next(&a, ACCOUNT_HAVE, NOW).action, ACCOUNT_ADD);
}

static void test_waits_grow_and_end(void **state)
{
        Account a = account(false, false);
        usec_t longest = 0;

        for (unsigned i = 0; i < 30; i++) {
                a.retry_at = 0;
                assert_int_equal(fail_with(&a, HTTP_CONFLICT, 409), ACCOUNT_OVERTAKEN);
                assert_true(a.retry_at - NOW + USEC_PER_MSEC >= longest);
                longest = a.retry_at - NOW;
        }
        assert_true(longest > 4 * USEC_PER_MINUTE && longest <= 5 * USEC_PER_MINUTE);
}

static void test_what_needs_somebody_waits_longer(void **state)
{
        Account a = account(false, false);

        assert_int_equal(fail_with(&a, HTTP_FORBIDDEN, 403), ACCOUNT_FAILED);
        assert_true(a.denied && a.retry_at > NOW + 29 * USEC_PER_SEC);
        /* A newer version does not give the right. */
        account_plan_observe(&a, &(KubeAccount){ .exists = true, .resource_version = 8 });
        assert_int_equal(account_plan_next(&a, ACCOUNT_HAVE, NOW).action, ACCOUNT_WAIT);

        a = account(false, false);
        assert_int_equal(fail_with(&a, HTTP_REJECTED, 400), ACCOUNT_FAILED);
        assert_true(!a.denied && a.retry_at > NOW + 29 * USEC_PER_SEC);
        a = account(false, false);
        assert_int_equal(fail_with(&a, HTTP_RETRY, 500), ACCOUNT_FAILED);
        assert_true(a.retry_at <= NOW + USEC_PER_SEC);
}

/* A webhook may deny with any code, that of an overtaken patch among them. */
static void test_a_policy_is_nobody_who_was_faster(void **state)
{
        static const struct {
                HttpOutcome outcome;
                long code;
        } codes[] = { { HTTP_REJECTED, 422 }, { HTTP_CONFLICT, 409 }, { HTTP_RETRY, 500 } };

        for (size_t i = 0; i < ELEMENTSOF(codes); i++) {
                Account a = account(false, false);
                AccountPlan p = account_plan_next(&a, ACCOUNT_HAVE, NOW);
                KubeStatus status = status_of(codes[i].code);

                status.denial = KUBE_DENIAL_POLICY;
                assert_int_equal(account_plan_failed(&a, &p, codes[i].outcome, &status, NOW, UINT32_MAX),
                                 ACCOUNT_FAILED);
                assert_true(!a.denied && a.retry_at > NOW + 29 * USEC_PER_SEC);
        }
}

static void test_what_concerns_all_is_left_to_its_turn(void **state)
{
        Account a = account(false, false), new = { .create = true };

        assert_int_equal(fail_with(&a, HTTP_THROTTLED, 429), ACCOUNT_CLUSTER);
        assert_int_equal(fail_with(&a, HTTP_RETRY, 0), ACCOUNT_CLUSTER);
        assert_int_equal(fail_with(&a, HTTP_UNAUTHORIZED, 401), ACCOUNT_CLUSTER);
        assert_plan(&a, ACCOUNT_HAVE, ACCOUNT_ADD, PACE_BULK);
        assert_int_equal(fail_with(&new, HTTP_THROTTLED, 429), ACCOUNT_CLUSTER);
        assert_true(new.create);
}

static void test_what_need_not_be_created(void **state)
{
        static const struct {
                HttpOutcome outcome;
                long code;
        } dropped[] = { { HTTP_CONFLICT, 409 }, { HTTP_FORBIDDEN, 403 }, { HTTP_RETRY, 500 } };

        for (size_t i = 0; i < ELEMENTSOF(dropped); i++) {
                Account a = { .create = true, .urgent = true };

                assert_int_equal(fail_with(&a, dropped[i].outcome, dropped[i].code), ACCOUNT_DROPPED);
                assert_plan(&a, ACCOUNT_HAVE, ACCOUNT_NOTHING, 0);
                account_plan_observe(&a, &(KubeAccount){ .exists = true, .resource_version = 8 });
                assert_plan(&a, ACCOUNT_HAVE, ACCOUNT_ADD, PACE_NOW);
        }
}

/* --- what is seen ---------------------------------------------------------------------------------- */

static void test_what_is_older_is_dropped(void **state)
{
        Account a = account(true, true);

        account_plan_observe(&a,
                             &(KubeAccount){ .exists = true, .resource_version = 6, .others = strdup("x") });
        assert_true(a.seen.listed);
        account_plan_gone(&a, 6);
        assert_true(a.seen.exists);
        account_plan_observe(&a,
                             &(KubeAccount){ .exists = true, .resource_version = 8, .others = strdup("x") });
        assert_false(a.seen.listed);
        assert_string_equal(a.seen.others, "x");
        account_plan_gone(&a, 9);
        assert_false(a.seen.exists);
        assert_null(a.seen.others);
        account_plan_observe(&a, &(KubeAccount){ .exists = true, .resource_version = 8 });
        assert_false(a.seen.exists);
}

static void test_another_one_of_the_name_is_new(void **state)
{
        Account a = account(false, false);

        done(&a, ACCOUNT_ADD);
        account_plan_gone(&a, 8);
        account_plan_observe(&a, &(KubeAccount){ .exists = true, .resource_version = 9 });
        assert_false(account_plan_next(&a, ACCOUNT_HAVE, NOW).heal);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_is_to_be),
                cmocka_unit_test(test_a_purge_takes_all_out_in_its_namespaces),
                cmocka_unit_test(test_what_concerns_eatr),
                cmocka_unit_test(test_what_is_done),
                cmocka_unit_test(test_what_is_left_alone),
                cmocka_unit_test(test_one_that_is_not_there_yet),
                cmocka_unit_test(test_what_somebody_keeps_taking_out_is_put_back_five_times),
                cmocka_unit_test(test_one_that_was_overtaken_waits_for_the_newer_version),
                cmocka_unit_test(test_the_newer_version_may_be_there_already),
                cmocka_unit_test(test_waits_grow_and_end),
                cmocka_unit_test(test_what_needs_somebody_waits_longer),
                cmocka_unit_test(test_a_policy_is_nobody_who_was_faster),
                cmocka_unit_test(test_what_concerns_all_is_left_to_its_turn),
                cmocka_unit_test(test_what_need_not_be_created),
                cmocka_unit_test(test_what_is_older_is_dropped),
                cmocka_unit_test(test_another_one_of_the_name_is_new),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
