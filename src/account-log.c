/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "account-log.h"
#include "log.h"
#include "message.h"

#define WARNINGS_MAX 20U
#define WARNINGS_INTERVAL (5 * USEC_PER_MINUTE)

void account_log_planned(const AccountLog *l, AccountNode *n)
{
        bool fought = n->plan.action == ACCOUNT_WAIT && n->plan.heal;

        if (fought && !n->fought)
                account_event(n, LOG_WARNING, MESSAGE_ACCOUNT_FOUGHT_OVER,
                              "something keeps taking Secret %s out of its imagePullSecrets; adding it only "
                              "once a minute from now on, and ever less often while this goes on",
                              l->secret_name);
        n->fought |= fought;
}

void account_log_written(const AccountLog *l, AccountNode *n)
{
        const char *name = l->secret_name;

        if (n->warned)
                account_say(n, LOG_INFO, "changing its imagePullSecrets works again");
        n->warned = false;
        if (n->plan.action == ACCOUNT_REMOVE)
                account_say(n, LOG_DEBUG, "took Secret %s out of its imagePullSecrets", name);
        else if (n->plan.heal)
                account_say(n, LOG_INFO, "Secret %s had been taken out of its imagePullSecrets, it is back",
                            name);
        else
                account_say(n, n->plan.lane == PACE_NOW ? LOG_INFO : LOG_DEBUG,
                            "%s Secret %s in its imagePullSecrets",
                            n->plan.action == ACCOUNT_CREATE ? "created with" : "has", name);
}

/* A lack of rights is everybody's, and told once. */
static bool may_warn(AccountLog *l, bool denied, usec_t now)
{
        bool told = denied && l->denied;

        l->denied |= denied;
        if (now >= l->warnings_until) {
                l->warnings = 0;
                l->warnings_until = now + WARNINGS_INTERVAL;
        }
        return !told && l->warnings++ < WARNINGS_MAX;
}

void account_log_failed(AccountLog *l, AccountNode *n, const KubeStatus *status, usec_t now)
{
        bool denied = status->denial == KUBE_DENIAL_RIGHTS, warn = may_warn(l, denied, now);
        char text[CLOCK_DURATION_MAX];

        n->warned |= warn;
        account_event(n, warn ? LOG_WARNING : LOG_DEBUG, MESSAGE_ACCOUNT_FAILED,
                      "cannot change its imagePullSecrets: %s%s; trying again in %s", status->message,
                      denied ? " (see RIGHTS in eatr(8); others are not told of)" : "",
                      clock_format_duration(text, usec_sub(n->account.retry_at, now)));
}
