/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "said.h"

#define log_full said_log
#include "account-table.c"
#include "account-log.c"
#undef log_full

#include <setjmp.h>

#include <cmocka.h>

#define WHO "namespace a: service account default: "

static AccountNamespace namespace = { .name = (char *) "a" };

static AccountNode make(AccountAction action, bool heal)
{
        return (AccountNode){ .namespace = &namespace,
                              .name = (char *) "default",
                              .plan = { .action = action, .heal = heal, .lane = PACE_BULK } };
}

static void expect(const char *text)
{
        assert_string_equal(said, text);
        said[0] = '\0';
}

static int set_up(void **state)
{
        said[0] = '\0';
        said_level = LOG_INFO;
        return 0;
}

static void test_a_fight_is_told_of_once(void **state)
{
        const AccountLog l = { .secret_name = "ecr" };
        AccountNode n = make(ACCOUNT_WAIT, false);

        account_log_planned(&l, &n);
        expect("");
        n.plan.heal = true;
        account_log_planned(&l, &n);
        expect("4 " WHO
               "something keeps taking Secret ecr out of its imagePullSecrets; adding it only once a "
               "minute from now on, and ever less often while this goes on\n");
        assert_string_equal(said_id, MESSAGE_ACCOUNT_FOUGHT_OVER);
        n.plan.action = ACCOUNT_ADD;
        account_log_planned(&l, &n);
        n.plan.action = ACCOUNT_WAIT;
        account_log_planned(&l, &n);
        expect("");
}

static void test_what_somebody_waits_for_is_told(void **state)
{
        const AccountLog l = { .secret_name = "ecr" };
        AccountNode n = make(ACCOUNT_ADD, false);

        account_log_written(&l, &n); /* one of thousands */
        expect("");
        n.plan.lane = PACE_NOW;
        account_log_written(&l, &n);
        expect("6 " WHO "has Secret ecr in its imagePullSecrets\n");
        n.plan.heal = true;
        account_log_written(&l, &n);
        expect("6 " WHO "Secret ecr had been taken out of its imagePullSecrets, it is back\n");
        n = make(ACCOUNT_CREATE, false);
        n.plan.lane = PACE_NOW;
        account_log_written(&l, &n);
        expect("6 " WHO "created with Secret ecr in its imagePullSecrets\n");
        n = make(ACCOUNT_REMOVE, false);
        account_log_written(&l, &n);
        expect("");
}

#define FAILED(why, advice) \
        "4 " WHO "cannot change its imagePullSecrets: " why advice "; trying again in 30s\n"
#define ADVICE " (see RIGHTS in eatr(8); others are not told of)"

static void test_a_lack_of_rights_is_told_once(void **state)
{
        const KubeStatus denied = { .code = 403, .denial = KUBE_DENIAL_RIGHTS, .message = "no" };
        AccountLog l = { .secret_name = "ecr" };
        AccountNode n = make(ACCOUNT_ADD, false), other = n;

        n.account.retry_at = other.account.retry_at = 100 * USEC_PER_SEC;
        account_log_failed(&l, &n, &denied, 70 * USEC_PER_SEC);
        assert_string_equal(said_id, MESSAGE_ACCOUNT_FAILED);
        account_log_failed(&l, &other, &denied, 70 * USEC_PER_SEC);
        expect(FAILED("no", ADVICE));
        account_log_written(&l, &other); /* nobody has heard that it did not work */
        expect("");
        account_log_written(&l, &n);
        expect("6 " WHO "changing its imagePullSecrets works again\n");
}

static void test_what_many_share_is_told_a_few_times(void **state)
{
        const KubeStatus broken = { .code = 500, .message = "broken" };
        AccountLog l = { .secret_name = "ecr" };
        AccountNode n = make(ACCOUNT_ADD, false);
        usec_t now = USEC_PER_DAY;

        for (unsigned i = 0; i < 20; i++) {
                n.account.retry_at = now + 30 * USEC_PER_SEC;
                account_log_failed(&l, &n, &broken, now);
                expect(FAILED("broken", ""));
        }
        account_log_failed(&l, &n, &broken, now);
        expect("");
        now += 5 * USEC_PER_MINUTE;
        n.account.retry_at = now + 30 * USEC_PER_SEC;
        account_log_failed(&l, &n, &broken, now);
        expect(FAILED("broken", ""));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup(test_a_fight_is_told_of_once, set_up),
                cmocka_unit_test_setup(test_what_somebody_waits_for_is_told, set_up),
                cmocka_unit_test_setup(test_a_lack_of_rights_is_told_once, set_up),
                cmocka_unit_test_setup(test_what_many_share_is_told_a_few_times, set_up),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
