/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "backoff.h"
#include "plan.h"

#include <stdio.h>

#define HEAL_INTERVAL USEC_PER_MINUTE
#define HEAL_BURST 5

/* A Secret whose token was meant to live longer than this carries nonsense in its annotations. */
#define LIFE_MAX (7 * USEC_PER_DAY)

/* With less than this left a renewal does not wait for its turn. */
#define URGENT (1 * USEC_PER_HOUR)

/* Trouble that may pass, and trouble that needs somebody: rights, a quota, a webhook's no. */
static const BackoffPolicy backoff_passing = { .base = USEC_PER_SEC, .cap = 5 * USEC_PER_MINUTE };
static const BackoffPolicy backoff_denied = { .base = 30 * USEC_PER_SEC, .cap = 15 * USEC_PER_MINUTE };

const char *plan_reason_to_string(PlanReason r)
{
        static const char *const names[_PLAN_REASON_MAX] = {
                [PLAN_UNWANTED] = "unwanted", [PLAN_NO_TOKEN] = "no-token", [PLAN_FOREIGN] = "foreign",
                [PLAN_REFUSED] = "refused",   [PLAN_BACKOFF] = "backoff",   [PLAN_FIGHTING] = "fighting",
                [PLAN_FRESH] = "fresh",       [PLAN_CREATE] = "create",     [PLAN_HEAL] = "heal",
                [PLAN_RENEW] = "renew",
        };

        return names[r];
}

static Plan nothing(PlanReason reason)
{
        return (Plan){ .action = PLAN_NOTHING, .reason = reason };
}

static Plan wait_until(PlanReason reason, usec_t until)
{
        return (Plan){ .action = PLAN_WAIT, .reason = reason, .until = until };
}

static Plan apply(PlanReason reason, PaceLane lane, bool force)
{
        return (Plan){ .action = PLAN_APPLY, .reason = reason, .lane = lane, .force = force };
}

static Plan plan_heal(const Target *t, usec_t now)
{
        usec_t credit = (HEAL_BURST - 1) * HEAL_INTERVAL;

        if (t->healed_until > now + credit)
                return wait_until(PLAN_FIGHTING, t->healed_until - credit);
        /* A Secret that is gone has nobody's fields to take back; if another has come meanwhile, force
         * would take over a stranger's. */
        return apply(PLAN_HEAL, PACE_NOW, t->secret.exists);
}

/* What the time is where tokens expire. */
static usec_t token_clock(const Token *token, usec_t now)
{
        return token->issued + usec_sub(now, token->received_boottime);
}

bool plan_secret_is_good(const KubeSecret *s, const Token *token, usec_t now)
{
        return token && s->exists && s->ours && s->intact && token_same_registry(s->token_id, token->id) &&
               s->expires > token_clock(token, now);
}

/* The Secret is eatr's and whole, but holds another token than the current one: one of an earlier start,
 * or of another eatr. If it is for the same registry it stays until its own time comes, less a tenth, so
 * that what is nearly due does not need a pass of its own. */
static Plan plan_other_token(const KubeSecret *s, const Token *token, usec_t interval, usec_t now)
{
        usec_t wall = token_clock(token, now), due, early;

        if (!token_same_registry(s->token_id, token->id) || s->renewed == 0 || s->expires <= s->renewed ||
            s->expires - s->renewed > LIFE_MAX || s->renewed > wall + URGENT)
                return apply(PLAN_RENEW, PACE_NOW, true);
        due = token_renewal_due(s->renewed, s->expires, interval);
        early = due - (due - s->renewed) / 10;
        if (wall < early)
                return wait_until(PLAN_FRESH, now + (early - wall));
        if (s->expires >= token->expires && s->renewed > token->issued)
                return nothing(PLAN_FRESH); /* never go back to an older token */
        return apply(PLAN_RENEW, s->expires < wall + URGENT ? PACE_NOW : PACE_BULK, true);
}

static Plan decide(const Target *t, const Token *token, usec_t interval, usec_t now)
{
        const KubeSecret *s = &t->secret;

        if (t->verdict != MATCH_WANTED)
                return nothing(PLAN_UNWANTED);
        if (s->exists && !s->ours)
                return nothing(PLAN_FOREIGN);
        if (s->exists && t->refused && t->refused_version == s->resource_version)
                return nothing(PLAN_REFUSED);
        if (!token || token_clock(token, now) >= token->expires)
                return nothing(PLAN_NO_TOKEN);
        if (s->exists && s->intact && streq(s->token_id, token->id))
                return wait_until(PLAN_FRESH, now + (token->expires - token_clock(token, now)));
        if (t->retry_at > now)
                return wait_until(PLAN_BACKOFF, t->retry_at);
        if (!s->exists && !t->had_secret)
                return apply(PLAN_CREATE, PACE_NOW, false);
        if (!s->exists || !s->intact)
                return plan_heal(t, now);
        return plan_other_token(s, token, interval, now);
}

Plan plan_next(const Target *t, const Token *token, usec_t interval, usec_t now)
{
        Plan p = decide(t, token, interval, now);

        /* It has been written with this very token, and is not what was written: whoever did that, be it a
         * webhook or another eatr, may do it again each time. */
        if (p.action == PLAN_APPLY && p.reason != PLAN_HEAL && streq(t->written, token->id))
                p = plan_heal(t, now);
        /* What has failed before must not keep a first try waiting, nor the server busy. */
        if (p.action == PLAN_APPLY && t->failures > 0)
                p.lane = PACE_BULK;
        return p;
}

void plan_begun(Target *t, const Token *token)
{
        (void) snprintf(t->written, sizeof(t->written), "%s", token->id);
}

void plan_succeeded(Target *t, PlanReason reason, usec_t now)
{
        t->failures = 0;
        t->refused = t->denied = false;
        /* A leaky bucket in one number (the generic cell rate algorithm, ITU-T I.371). */
        if (reason == PLAN_HEAL)
                t->healed_until = MAX(t->healed_until, now) + HEAL_INTERVAL;
}

static PlanScope retry_later(Target *t, const BackoffPolicy *policy, usec_t now, uint32_t random)
{
        t->retry_at = now + backoff_delay(policy, ++t->failures, random);
        return PLAN_SCOPE_TARGET;
}

/* Nothing behind the address, or nothing that works; a gateway's 504 is no Status, while the API server's
 * may be about a webhook that one namespace has. */
static bool server_is_away(const KubeStatus *status)
{
        return status->code == 0 || status->code == 502 || status->code == 503 ||
               (status->code == 504 && !*status->reason);
}

PlanScope plan_failed(Target *t, HttpOutcome outcome, const KubeStatus *status, usec_t now, uint32_t random)
{
        t->written[0] = '\0';
        if (server_is_away(status) || outcome == HTTP_THROTTLED || outcome == HTTP_UNAUTHORIZED)
                return PLAN_SCOPE_CLUSTER;
        if (status->namespace_terminating) {
                t->verdict = MATCH_TERMINATING; /* a watch event will say how it went on */
                return PLAN_SCOPE_TARGET;
        }
        if (status->immutable && t->secret.exists) {
                t->refused = true;
                t->refused_version = t->secret.resource_version;
                return PLAN_SCOPE_TARGET;
        }
        t->denied = outcome == HTTP_FORBIDDEN;
        return retry_later(t,
                           outcome == HTTP_FORBIDDEN || outcome == HTTP_REJECTED ? &backoff_denied
                                                                                 : &backoff_passing,
                           now, random);
}

/* The answer to a write and the watch event of a later one travel on different connections. But where a good
 * Secret gets a younger token under an older version, versions went back: etcd has been restored. Not to
 * take that in would mean to write it again and again. */
static bool is_outdated(const KubeSecret *known, const KubeSecret *secret, uint64_t version)
{
        if (version >= known->resource_version)
                return false;
        return !(secret && secret->intact && known->intact && secret->renewed > known->renewed);
}

void plan_observe(Target *t, const KubeSecret *secret, uint64_t gone_version)
{
        if (is_outdated(&t->secret, secret, secret ? secret->resource_version : gone_version))
                return;
        if (!secret) {
                t->secret = (KubeSecret){ .resource_version = gone_version };
                return;
        }
        t->secret = *secret;
        t->had_secret |= secret->ours;
}
