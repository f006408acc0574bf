/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "backoff.h"
#include "heal.h"
#include "plan.h"

#include <stdio.h>

/* A Secret whose tokens were meant to live longer than this carries nonsense in its annotations. */
#define LIFE_MAX (7 * USEC_PER_DAY)

/* With less than this left a renewal does not wait for its turn. */
#define URGENT (1 * USEC_PER_HOUR)

/* Trouble that may pass, and trouble that needs somebody: a quota, a webhook's no. Rights are both, as a
 * server that has just started forbids everything for a moment until it knows the roles. */
static const BackoffPolicy backoff_passing = { .base = USEC_PER_SEC, .cap = 5 * USEC_PER_MINUTE };
static const BackoffPolicy backoff_rights = { .base = USEC_PER_SEC, .cap = 15 * USEC_PER_MINUTE };
static const BackoffPolicy backoff_denied = { .base = 30 * USEC_PER_SEC, .cap = 15 * USEC_PER_MINUTE };

const char *plan_reason_to_string(PlanReason r)
{
        static const char *const names[_PLAN_REASON_MAX] = {
                [PLAN_UNWANTED] = "unwanted", [PLAN_KEPT] = "kept",         [PLAN_SHARED] = "shared",
                [PLAN_EXCLUDED] = "excluded", [PLAN_NO_TOKEN] = "no-token", [PLAN_FOREIGN] = "foreign",
                [PLAN_REFUSED] = "refused",   [PLAN_GOING] = "going",       [PLAN_BACKOFF] = "backoff",
                [PLAN_FIGHTING] = "fighting", [PLAN_FRESH] = "fresh",       [PLAN_CREATE] = "create",
                [PLAN_HEAL] = "heal",         [PLAN_ADOPT] = "adopt",       [PLAN_RECREATE] = "recreate",
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

/* Of the Secret that is there now, and of no other. */
static void mean(const Target *t, Plan *p)
{
        p->version = t->secret.resource_version;
        memcpy(p->uid, t->secret.uid, sizeof(p->uid));
}

static Plan about(const Target *t, PlanAction action, PlanReason reason)
{
        Plan p = { .action = action, .reason = reason, .lane = PACE_BULK };

        mean(t, &p);
        return p;
}

/* p undoes what somebody did, who may do it again each time. */
static Plan unless_fought_over(const Target *t, const Plan *p, usec_t now)
{
        usec_t due = heal_due(t->healed_until);

        return due > now ? wait_until(PLAN_FIGHTING, due) : *p;
}

static Plan plan_heal(const Target *t, usec_t now)
{
        /* A Secret that is gone has nobody's fields to take back; if another has come meanwhile, force
         * would take over a stranger's. */
        Plan p = apply(PLAN_HEAL, PACE_NOW, t->secret.exists);

        return unless_fought_over(t, &p, now);
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

/* Somebody else's may be in use there, and what others have written to is not eatr's alone to delete. */
static Plan plan_unwanted(const Target *t, const PlanRules *rules, usec_t now)
{
        const KubeSecret *s = &t->secret;
        Plan p;

        if (t->verdict == MATCH_TERMINATING || !s->exists || !s->ours || s->going)
                return nothing(PLAN_UNWANTED);
        if (rules->on_exclude != CONF_EXCLUDE_DELETE)
                return nothing(PLAN_KEPT);
        if (!s->owned || !*s->uid)
                return nothing(PLAN_SHARED);
        if (t->retry_at > now)
                return wait_until(PLAN_BACKOFF, t->retry_at);
        p = about(t, PLAN_DELETE, PLAN_EXCLUDED);
        return unless_fought_over(t, &p, now);
}

static bool is_refused(const Target *t)
{
        return t->secret.exists && t->refusal != PLAN_REFUSED_NOTHING &&
               t->refused_version == t->secret.resource_version;
}

/* The Secret is in the way, and stays there. */
static Plan plan_leave(const Target *t, PlanReason reason)
{
        return t->inspected ? nothing(reason) : about(t, PLAN_INSPECT, reason);
}

/* What is there may be all that pods have: nothing is put in its place before it can do as much. */
static Plan plan_conflict(const Target *t, const PlanRules *rules, usec_t now)
{
        Plan p = is_refused(t) ? about(t, PLAN_DELETE, PLAN_RECREATE) : apply(PLAN_ADOPT, PACE_BULK, true);

        return rules->auths->incomplete ? nothing(PLAN_NO_TOKEN) : unless_fought_over(t, &p, now);
}

static Plan decide(const Target *t, const PlanRules *rules, usec_t now)
{
        const KubeSecret *s = &t->secret;
        const Auths *auths = rules->auths;
        bool foreign = s->exists && !s->ours;

        if (t->verdict != MATCH_WANTED)
                return plan_unwanted(t, rules, now);
        if (s->going)
                return nothing(PLAN_GOING);
        if (foreign && rules->on_conflict == CONF_CONFLICT_SKIP)
                return plan_leave(t, PLAN_FOREIGN);
        if (is_refused(t) && (rules->on_conflict != CONF_CONFLICT_RECREATE || !*s->uid))
                return plan_leave(t, PLAN_REFUSED);
        if (!auths || token_clock(auths, now) >= auths->expires)
                return nothing(PLAN_NO_TOKEN);
        if (s->exists && s->intact && streq(s->token_id, auths->id) && !t->misfit)
                return wait_until(PLAN_FRESH, now + (auths->expires - token_clock(auths, now)));
        if (t->retry_at > now)
                return wait_until(PLAN_BACKOFF, t->retry_at);
        if (foreign || is_refused(t))
                return plan_conflict(t, rules, now);
        if (!s->exists && !t->had_secret)
                return apply(PLAN_CREATE, PACE_NOW, false);
        if (!s->exists || !s->intact)
                return plan_heal(t, now);
        if (t->misfit && (auths_same_hosts(s->token_id, auths->id) || !auths->incomplete))
                return apply(PLAN_RENEW, PACE_BULK, true);
        return plan_other_tokens(t, auths, rules->interval, now);
}

bool plan_is_fought_over(const Target *t, usec_t now)
{
        return t->fought > 0 && t->healed_until > now;
}

Plan plan_next(const Target *t, const PlanRules *rules, usec_t now)
{
        Plan p = decide(t, rules, now);

        /* It has been written with these very tokens, and is not what was written: whoever did that, be it a
         * webhook or another eatr, may do it again each time. */
        if (p.action == PLAN_APPLY && (p.reason == PLAN_CREATE || p.reason == PLAN_RENEW) &&
            streq(t->written, rules->auths->id))
                p = plan_heal(t, now);
        /* What has failed before must not keep a first try waiting, nor the server busy. */
        if (p.action == PLAN_APPLY && t->failures > 0)
                p.lane = PACE_BULK;
        if (p.action == PLAN_APPLY && t->secret.exists)
                mean(t, &p);
        /* The end of a fight is to be seen when it comes. */
        if (plan_is_fought_over(t, now) && (p.action == PLAN_NOTHING || p.action == PLAN_WAIT))
                p = wait_until(p.reason,
                               p.action == PLAN_WAIT ? MIN(p.until, t->healed_until) : t->healed_until);
        return p;
}

void plan_judged(Target *t, MatchVerdict verdict)
{
        if (t->verdict == verdict)
                return;
        t->verdict = verdict;
        t->failures = 0;
        t->retry_at = 0;
        t->denied = false;
}

void plan_begun(Target *t, const Auths *auths)
{
        (void) snprintf(t->written, sizeof(t->written), "%s", auths->id);
}

void plan_succeeded(Target *t, const Plan *p, usec_t now)
{
        t->failures = 0;
        t->refusal = PLAN_REFUSED_NOTHING;
        t->denied = false;
        if (p->action == PLAN_DELETE) { /* what comes next is a new Secret, not the old one's return */
                t->had_secret = false;
                t->written[0] = '\0';
        }
        if (p->action == PLAN_DELETE || p->reason == PLAN_HEAL || p->reason == PLAN_ADOPT)
                heal_pay(&t->healed_until, &t->fought, now);
}

void plan_inspected(Target *t, const Plan *p, const char *type)
{
        if (!streq(p->uid, t->secret.uid)) /* another one is there by now */
                return;
        t->inspected = true;
        (void) snprintf(t->type, sizeof(t->type), "%s", type);
}

static PlanScope retry_later(Target *t, const BackoffPolicy *policy, usec_t now, uint32_t random)
{
        t->retry_at = now + backoff_delay(policy, ++t->failures, random);
        return PLAN_SCOPE_TARGET;
}

static const BackoffPolicy *backoff_of(HttpOutcome outcome, const KubeStatus *status)
{
        /* A Secret that cannot be changed, or is another one, has not been seen yet, and soon will be; nor
         * has the end of the namespace. But that may be the end of the one before of that name: one API
         * server of several has yet to hear of the new one, and no watch will tell of it again. */
        if (status->immutable || status->other_uid || status->namespace_terminating)
                return &backoff_passing;
        if (status->denial == KUBE_DENIAL_RIGHTS)
                return &backoff_rights;
        return outcome == HTTP_FORBIDDEN || outcome == HTTP_REJECTED || status->denial != KUBE_DENIAL_NONE
                       ? &backoff_denied
                       : &backoff_passing;
}

PlanScope plan_failed(Target *t, const Plan *p, HttpOutcome outcome, const KubeStatus *status, usec_t now,
                      uint32_t random)
{
        if (p->action == PLAN_APPLY)
                t->written[0] = '\0';
        if (kube_status_concerns_all(outcome, status))
                return PLAN_SCOPE_CLUSTER;
        if (p->action == PLAN_INSPECT) {
                plan_inspected(t, p, "");
                return PLAN_SCOPE_TARGET;
        }
        if (status->immutable && p->version > 0) {
                t->refusal = status->other_type ? PLAN_REFUSED_TYPE : PLAN_REFUSED_IMMUTABLE;
                t->refused_version = p->version; /* another one may be there by now */
                return PLAN_SCOPE_TARGET;
        }
        if (status->other_uid && streq(p->uid, t->secret.uid)) /* as a watch will say, too */
                plan_observe(t, NULL, t->secret.resource_version);
        t->denied = status->denial == KUBE_DENIAL_RIGHTS;
        return retry_later(t, backoff_of(outcome, status), now, random);
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
        if (!secret || !streq(secret->uid, t->secret.uid)) {
                t->inspected = false;
                t->type[0] = '\0';
        }
        if (!secret) {
                t->secret = (KubeSecret){ .resource_version = gone_version };
                t->had_secret &= t->verdict == MATCH_WANTED;
                return;
        }
        t->secret = *secret;
        t->had_secret |= secret->ours && !secret->going;
}
