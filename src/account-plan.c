/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "account-plan.h"
#include "backoff.h"
#include "heal.h"

/* Trouble that may pass, and trouble that needs somebody: rights, a webhook's no. */
static const BackoffPolicy backoff_passing = { .base = USEC_PER_SEC, .cap = 5 * USEC_PER_MINUTE };
static const BackoffPolicy backoff_denied = { .base = 30 * USEC_PER_SEC, .cap = 15 * USEC_PER_MINUTE };

const char *account_plan_action_to_string(AccountAction a)
{
        switch (a) {
        case ACCOUNT_CREATE:
                return "create";
        case ACCOUNT_ADD:
                return "add the entry to";
        case ACCOUNT_REMOVE:
                return "take the entry out of";
        default:
                return "leave";
        }
}

AccountWish account_plan_wish(const AccountRules *rules, const char *namespace, const MatchVerdict *verdict,
                              const char *name)
{
        if (rules->purge)
                return match_any(rules->purge, namespace) ? ACCOUNT_LACK : ACCOUNT_LEAVE;
        if (!verdict || *verdict == MATCH_TERMINATING)
                return ACCOUNT_LEAVE;
        if (*verdict == MATCH_WANTED && match_any(rules->accounts, name))
                return ACCOUNT_HAVE;
        return rules->on_exclude == CONF_EXCLUDE_DELETE ? ACCOUNT_LACK : ACCOUNT_LEAVE;
}

bool account_plan_concerns(const AccountRules *rules, const char *name, const KubeAccount *seen)
{
        return seen->exists && (seen->ours || (!rules->purge && match_any(rules->accounts, name)));
}

static AccountPlan nothing(void)
{
        return (AccountPlan){ .action = ACCOUNT_NOTHING };
}

static AccountPlan wait_until(usec_t until, bool heal)
{
        return (AccountPlan){ .action = ACCOUNT_WAIT, .until = until, .heal = heal };
}

static AccountPlan write_it(const Account *a, AccountAction action, bool heal)
{
        bool now = (a->urgent || heal) && a->failures == 0;

        return (AccountPlan){ .action = action, .lane = now ? PACE_NOW : PACE_BULK, .heal = heal };
}

static AccountPlan add(const Account *a, usec_t now)
{
        bool heal = a->seen.ours || a->written;

        if (heal && heal_due(a->healed_until) > now)
                return wait_until(heal_due(a->healed_until), true);
        return write_it(a, ACCOUNT_ADD, heal);
}

AccountPlan account_plan_next(const Account *a, AccountWish wish, usec_t now)
{
        const KubeAccount *k = &a->seen;
        bool done = wish == ACCOUNT_LEAVE || (wish == ACCOUNT_HAVE && k->listed) ||
                    (wish == ACCOUNT_LACK && !k->ours);

        if (!k->exists && (wish != ACCOUNT_HAVE || !a->create))
                return nothing();
        if (k->exists && (done || k->terminating || k->strange))
                return nothing();
        if (a->retry_at > now && (a->refused_version == 0 || a->refused_version == k->resource_version))
                return wait_until(a->retry_at, false);
        if (!k->exists)
                return write_it(a, ACCOUNT_CREATE, false);
        return wish == ACCOUNT_HAVE ? add(a, now) : write_it(a, ACCOUNT_REMOVE, false);
}

void account_plan_begun(Account *a)
{
        a->sent_version = a->seen.resource_version;
}

void account_plan_succeeded(Account *a, const AccountPlan *plan, usec_t now)
{
        a->failures = 0;
        a->retry_at = 0;
        a->refused_version = 0;
        a->create = a->urgent = a->denied = false;
        a->written = plan->action != ACCOUNT_REMOVE;
        if (plan->heal)
                heal_pay(&a->healed_until, &a->fought, now);
}

static void retry_later(Account *a, const BackoffPolicy *policy, usec_t now, uint32_t random)
{
        a->refused_version = 0;
        a->retry_at = now + backoff_delay(policy, ++a->failures, random);
}

/* A test in a patch that does not hold is a 422, which a patch that cannot be applied is, too. */
static bool is_overtaken(HttpOutcome outcome, const KubeStatus *status)
{
        if (status->denial != KUBE_DENIAL_NONE)
                return false;
        return outcome == HTTP_CONFLICT || outcome == HTTP_NOT_FOUND || status->code == 422;
}

AccountFailure account_plan_failed(Account *a, const AccountPlan *plan, HttpOutcome outcome,
                                   const KubeStatus *status, usec_t now, uint32_t random)
{
        bool lasts;

        if (kube_status_concerns_all(outcome, status))
                return ACCOUNT_CLUSTER;
        if (plan->action == ACCOUNT_CREATE) {
                a->create = false;
                return ACCOUNT_DROPPED;
        }
        if (is_overtaken(outcome, status)) {
                retry_later(a, &backoff_passing, now, random);
                a->refused_version = a->sent_version;
                return ACCOUNT_OVERTAKEN;
        }
        a->denied = status->denial == KUBE_DENIAL_RIGHTS;
        lasts = outcome == HTTP_FORBIDDEN || outcome == HTTP_REJECTED || status->denial != KUBE_DENIAL_NONE;
        retry_later(a, lasts ? &backoff_denied : &backoff_passing, now, random);
        return ACCOUNT_FAILED;
}

void account_plan_observe(Account *a, KubeAccount *seen)
{
        if (seen->resource_version < a->seen.resource_version) {
                kube_account_done(seen);
                return;
        }
        kube_account_done(&a->seen);
        a->seen = *seen;
        seen->others = NULL;
}

void account_plan_gone(Account *a, uint64_t version)
{
        if (version < a->seen.resource_version)
                return;
        kube_account_done(&a->seen);
        a->seen = (KubeAccount){ .resource_version = version };
        a->written = false;
}
