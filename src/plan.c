/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "backoff.h"
#include "plan.h"

#include <stdio.h>

#define HEAL_INTERVAL USEC_PER_MINUTE
#define HEAL_BURST 5

/* A Secret whose tokens were meant to live longer than this carries nonsense in its annotations. */
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
static usec_t token_clock(const Auths *auths, usec_t now)
{
        return auths->issued + usec_sub(now, auths->received_boottime);
}

bool plan_secret_is_good(const KubeSecret *s, const Auths *auths, usec_t now)
{
        return auths && s->exists && s->ours && s->intact &&
               (auths_same_hosts(s->token_id, auths->id) || auths->incomplete) &&
               s->expires > token_clock(auths, now);
}

/* Whether what another eatr has written may stay: it is younger, or it came after these, and to write them
 * again would be to quarrel. Annotations are in whole seconds. */
static bool lasts_as_long(const Target *t, const Auths *auths)
{
        const KubeSecret *s = &t->secret;

        return s->expires >= auths->expires / USEC_PER_SEC * USEC_PER_SEC &&
               (s->renewed > auths->issued || streq(t->written, auths->id));
}

/* The Secret is eatr's and whole, but holds other tokens than the current ones: those of an earlier start,
 * of another eatr, or from before a renewal. If it opens the same hosts it stays until its own time comes,
 * less a tenth, so that what is nearly due does not need a pass of its own. While a registry has yet to give
 * its first token, one for other hosts stays as long as it is good: its entry for that registry may be the
 * only one there is. Tokens that were replaced out of turn had no good reason to stay: other keys are there,
 * or the registry did not take them. */
static Plan plan_other_tokens(const Target *t, const Auths *auths, usec_t interval, usec_t now)
{
        const KubeSecret *s = &t->secret;
        usec_t wall = token_clock(auths, now), due, early;

        if (s->renewed == 0 || s->expires <= s->renewed || s->expires - s->renewed > LIFE_MAX ||
            s->renewed > wall + URGENT)
                return apply(PLAN_RENEW, PACE_NOW, true);
        if (!auths_same_hosts(s->token_id, auths->id))
                return auths->incomplete && s->expires > wall
                               ? wait_until(PLAN_FRESH, now + (s->expires - wall))
                               : apply(PLAN_RENEW, PACE_NOW, true);
        if (streq(s->token_id, t->written))
                return apply(PLAN_RENEW, s->expires < wall + URGENT ? PACE_NOW : PACE_BULK, true);
        due = token_renewal_due(s->renewed, s->expires, interval);
        early = due - (due - s->renewed) / 10;
        if (wall < early)
                return wait_until(PLAN_FRESH, now + (early - wall));
        if (lasts_as_long(t, auths))
                return nothing(PLAN_FRESH);
        return apply(PLAN_RENEW, s->expires < wall + URGENT ? PACE_NOW : PACE_BULK, true);
}

static Plan decide(const Target *t, const Auths *auths, usec_t interval, usec_t now)
{
        const KubeSecret *s = &t->secret;

        if (t->verdict != MATCH_WANTED)
                return nothing(PLAN_UNWANTED);
        if (s->exists && !s->ours)
                return nothing(PLAN_FOREIGN);
        if (s->exists && t->refused && t->refused_version == s->resource_version)
                return nothing(PLAN_REFUSED);
        if (!auths || token_clock(auths, now) >= auths->expires)
                return nothing(PLAN_NO_TOKEN);
        if (s->exists && s->intact && streq(s->token_id, auths->id) && !t->misfit)
                return wait_until(PLAN_FRESH, now + (auths->expires - token_clock(auths, now)));
        if (t->retry_at > now)
                return wait_until(PLAN_BACKOFF, t->retry_at);
        if (!s->exists && !t->had_secret)
                return apply(PLAN_CREATE, PACE_NOW, false);
        if (!s->exists || !s->intact)
                return plan_heal(t, now);
        if (t->misfit && (auths_same_hosts(s->token_id, auths->id) || !auths->incomplete))
                return apply(PLAN_RENEW, PACE_BULK, true);
        return plan_other_tokens(t, auths, interval, now);
}

Plan plan_next(const Target *t, const Auths *auths, usec_t interval, usec_t now)
{
        Plan p = decide(t, auths, interval, now);

        /* It has been written with these very tokens, and is not what was written: whoever did that, be it a
         * webhook or another eatr, may do it again each time. */
        if (p.action == PLAN_APPLY && p.reason != PLAN_HEAL && streq(t->written, auths->id))
                p = plan_heal(t, now);
        /* What has failed before must not keep a first try waiting, nor the server busy. */
        if (p.action == PLAN_APPLY && t->failures > 0)
                p.lane = PACE_BULK;
        return p;
}

void plan_begun(Target *t, const Auths *auths)
{
        (void) snprintf(t->written, sizeof(t->written), "%s", auths->id);
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

PlanScope plan_failed(Target *t, HttpOutcome outcome, const KubeStatus *status, usec_t now, uint32_t random)
{
        t->written[0] = '\0';
        if (kube_status_concerns_all(outcome, status))
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
 * Secret gets younger tokens under an older version, or what was written last, versions went back: etcd has
 * been restored. Not to take that in would mean to write it again and again. */
static bool is_outdated(const Target *t, const KubeSecret *secret, uint64_t version)
{
        const KubeSecret *known = &t->secret;

        if (version >= known->resource_version)
                return false;
        if (!secret || !secret->intact || !known->intact || secret->renewed < known->renewed)
                return true;
        return secret->renewed == known->renewed &&
               (!streq(secret->token_id, t->written) || streq(secret->token_id, known->token_id));
}

void plan_observe(Target *t, const KubeSecret *secret, uint64_t gone_version)
{
        if (is_outdated(t, secret, secret ? secret->resource_version : gone_version))
                return;
        if (!secret) {
                t->secret = (KubeSecret){ .resource_version = gone_version };
                return;
        }
        t->secret = *secret;
        t->had_secret |= secret->ours;
}
