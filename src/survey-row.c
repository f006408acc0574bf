/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "judge.h"
#include "survey-row.h"

#include <stdio.h>

/* What ECR's live. */
#define TOKEN_LIFE (12 * USEC_PER_HOUR)

const char *survey_state_to_string(SurveyState s)
{
        static const char *const names[_SURVEY_STATE_MAX] = {
                [SURVEY_NONE] = "none",
                [SURVEY_MISSING] = "missing",
                [SURVEY_GOOD] = "good",
                [SURVEY_EXPIRED] = "expired",
                [SURVEY_OTHER_HOSTS] = "other-hosts",
                [SURVEY_OTHER_LABELS] = "other-labels",
                [SURVEY_EDITED] = "edited",
                [SURVEY_FOREIGN] = "foreign",
                [SURVEY_IMMUTABLE] = "immutable",
                [SURVEY_GOING] = "being-deleted",
                [SURVEY_KEPT] = "kept",
        };

        return names[s];
}

/* --- which tokens eatr may have -------------------------------------------------------------------- */

static bool is_whole(const KubeSecret *s)
{
        return s->exists && s->ours && s->intact && !s->going && s->expires > s->renewed;
}

/* The youngest Secret is what was written last; NULL if there is none. */
static const KubeSecret *find_newest(const Targets *targets)
{
        const KubeSecret *newest = NULL;

        TARGETS_FOREACH (n, next, targets) {
                const KubeSecret *s = &n->target.secret;

                if (n->exists && n->target.verdict == MATCH_WANTED && is_whole(s) &&
                    (!newest || s->renewed > newest->renewed))
                        newest = s;
        }
        return newest;
}

/* An id for the same hosts that no Secret has, as those consist of digits. */
static void make_younger(Auths *a, usec_t now)
{
        size_t half = (TOKEN_ID_MAX - 1) / 2;

        memset(a->id + half, '-', TOKEN_ID_MAX - 1 - half);
        a->issued = now;
        a->expires = now + TOKEN_LIFE;
}

/* As nothing is measured, the wall clock of this host is AWS's, and received_boottime an instant on it. */
static void assume(const KubeSecret *newest, usec_t interval, usec_t now, Auths *ret)
{
        *ret = (Auths){ 0 };
        if (newest) {
                (void) snprintf(ret->id, sizeof(ret->id), "%s", newest->token_id);
                ret->issued = newest->renewed;
                ret->expires = newest->expires;
        } else
                memset(ret->id, '-', TOKEN_ID_MAX - 1);
        if (!newest || token_renewal_due(newest->renewed, newest->expires, interval) <= now)
                make_younger(ret, now);
        ret->received_boottime = ret->issued;
}

void survey_rules_make(const ConfNamespaces *namespaces, const ConfSecret *secret, usec_t interval,
                       usec_t now, const Targets *targets, SurveyRules *ret)
{
        const KubeSecretExtras extras = { .labels = secret->labels, .annotations = secret->annotations };

        *ret = (SurveyRules){
                .namespaces = namespaces,
                .secret = secret,
                .extras = kube_secret_extras_id(&extras),
                .interval = interval,
                .now = now,
        };
        assume(find_newest(targets), interval, now, &ret->assumed);
}

/* --- a row ----------------------------------------------------------------------------------------- */

/* That a Secret is immutable eatr learns when a write is refused, be it now or when the Secret that still is
 * fresh is due, and goes on from there. */
static Plan plan(const Node *n, const SurveyRules *rules, bool *ret_fresh)
{
        const PlanRules how = {
                .auths = &rules->assumed,
                .interval = rules->interval,
                .on_conflict = rules->secret->on_conflict,
                .on_exclude = rules->namespaces->on_exclude,
        };
        Target t = n->target;
        Plan p;

        t.misfit = t.secret.extras_told && t.secret.extras != rules->extras;
        p = plan_next(&t, &how, rules->now);
        *ret_fresh = p.reason == PLAN_FRESH;
        if ((p.action == PLAN_APPLY || *ret_fresh) && t.secret.immutable) {
                t.refusal = PLAN_REFUSED_IMMUTABLE;
                t.refused_version = t.secret.resource_version;
                p = plan_next(&t, &how, rules->now);
        }
        p.until = 0;
        return p;
}

/* Of one that eatr has written. */
static SurveyState own_state(const KubeSecret *s, const SurveyRules *rules)
{
        if (s->immutable)
                return SURVEY_IMMUTABLE;
        if (!s->intact)
                return SURVEY_EDITED;
        if (s->expires <= rules->now)
                return SURVEY_EXPIRED;
        if (!auths_same_hosts(s->token_id, rules->assumed.id))
                return SURVEY_OTHER_HOSTS;
        return s->extras_told && s->extras != rules->extras ? SURVEY_OTHER_LABELS : SURVEY_GOOD;
}

static SurveyState state(const Node *n, const SurveyRules *rules, PlanReason reason)
{
        const KubeSecret *s = &n->target.secret;

        if (!s->exists)
                return n->target.verdict == MATCH_WANTED ? SURVEY_MISSING : SURVEY_NONE;
        if (s->going)
                return SURVEY_GOING;
        if (!s->ours)
                return SURVEY_FOREIGN;
        return reason == PLAN_KEPT ? SURVEY_KEPT : own_state(s, rules);
}

void survey_row_make(const Node *n, const SurveyRules *rules, SurveyRow *ret)
{
        const KubeSecret *s = &n->target.secret;
        bool fresh;

        *ret = (SurveyRow){
                .node = n,
                .manager = s->manager,
                .expires = s->exists && s->ours ? s->expires : 0,
                .plan = plan(n, rules, &fresh),
                .pulls = plan_secret_is_good(s, &rules->assumed, rules->now),
        };
        (void) judge_explain(rules->namespaces, n, ret->rule);
        ret->state = state(n, rules, ret->plan.reason);
        if (fresh)
                ret->due = token_renewal_due(s->renewed, s->expires, rules->interval);
}

const char *survey_row_next(const SurveyRow *row)
{
        static const char *const words[_PLAN_REASON_MAX] = {
                [PLAN_UNWANTED] = "nothing", [PLAN_KEPT] = "keep",     [PLAN_SHARED] = "leave",
                [PLAN_EXCLUDED] = "delete",  [PLAN_NO_TOKEN] = "wait", [PLAN_FOREIGN] = "leave",
                [PLAN_REFUSED] = "leave",    [PLAN_GOING] = "wait",    [PLAN_BACKOFF] = "wait",
                [PLAN_FIGHTING] = "wait",    [PLAN_FRESH] = "renew",   [PLAN_CREATE] = "create",
                [PLAN_HEAL] = "heal",        [PLAN_ADOPT] = "adopt",   [PLAN_RECREATE] = "recreate",
                [PLAN_RENEW] = "renew",
        };

        return words[row->plan.reason];
}
