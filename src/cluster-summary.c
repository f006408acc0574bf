/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "cluster-summary.h"

static void note_failing(const Node *n, ClusterSummary *s)
{
        s->failing++;
        if (s->failing_why)
                return;
        s->failing_name = n->name;
        s->failing_why = n->problem;
}

static void count_wanted(const Node *n, const Auths *auths, usec_t now, ClusterSummary *s)
{
        switch (n->plan.reason) {
        case PLAN_FRESH:
                s->fresh++;
                break;
        case PLAN_FOREIGN:
        case PLAN_REFUSED:
                s->conflict++;
                break;
        default:
                if (n->target.failures > 0)
                        note_failing(n, s);
                else if (plan_secret_is_good(&n->target.secret, auths, now))
                        s->due++;
                else
                        s->pending++;
        }
}

void cluster_summary_make(const Targets *targets, const Auths *auths, usec_t now, ClusterSummary *ret)
{
        *ret = (ClusterSummary){ 0 };
        TARGETS_FOREACH (n, next, targets) {
                if (!n->exists)
                        continue;
                ret->total++;
                ret->by_verdict[n->target.verdict]++;
                if (n->target.verdict == MATCH_WANTED)
                        count_wanted(n, auths, now, ret);
                else
                        ret->excluded++;
        }
}

static bool is_settled(const Node *n, unsigned tries)
{
        switch (n->plan.reason) {
        case PLAN_UNWANTED:
        case PLAN_KEPT:
        case PLAN_SHARED:
        case PLAN_FRESH:
        case PLAN_FOREIGN:
        case PLAN_REFUSED:
        case PLAN_GOING:
        case PLAN_FIGHTING:
                return n->place == NODE_IDLE;
        default:
                return n->pretended || n->target.failures >= tries;
        }
}

bool cluster_summary_settled(const Targets *targets, unsigned tries)
{
        TARGETS_FOREACH (n, next, targets)
                if (n->exists && !is_settled(n, tries))
                        return false;
        return true;
}
