/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "judge.h"
#include "log.h"

#define IGNORE_ANNOTATION "eatr/ignore"

static MatchRules match_rules(const ConfNamespaces *conf)
{
        return (MatchRules){ conf->include, conf->blacklist, conf->label_selector };
}

static const char *find_label(const char *key, const void *labels)
{
        return json_string(labels, key);
}

/* Other people's labels and annotations change nothing; what does is told. */
static bool take_decision(const ConfNamespaces *rules, Node *n, MatchDecision d, bool appeared)
{
        char why[MATCH_EXPLANATION_MAX];

        n->rule = d.rule;
        if (n->exists && n->target.verdict == d.verdict)
                return false;
        n->appeared = appeared && d.verdict == MATCH_WANTED ? clock_boottime() : 0;
        n->exists = true;
        plan_judged(&n->target, d.verdict);
        node_log(n, LOG_DEBUG, "%s: %s", match_verdict_to_string(d.verdict), judge_explain(rules, n, why));
        return true;
}

/* Only "true" keeps eatr out, as with Kubernetes' own annotations. Who wrote something else is told once. */
static void tell_misled(Node *n, const char *ignore)
{
        if (!ignore || n->misled || n->target.verdict != MATCH_WANTED || streq(ignore, "false"))
                return;
        n->misled = true;
        node_log(n, LOG_WARNING,
                 "the annotation " IGNORE_ANNOTATION " has no effect: it is neither \"true\" nor \"false\"");
}

bool judge_seen(const ConfNamespaces *rules, Node *n, const cJSON *metadata, bool appeared)
{
        const char *ignore = json_string(json_get(metadata, "annotations"), IGNORE_ANNOTATION);
        const MatchRules match = match_rules(rules);
        bool changed;

        n->namespace = (MatchNamespace){
                .name = n->name,
                .unmet = match_labels(&match, find_label, json_get(metadata, "labels")),
                .ignored = ignore && streq(ignore, "true"),
                .terminating = json_get(metadata, "deletionTimestamp"),
        };
        changed = take_decision(rules, n, match_namespace(&match, &n->namespace), appeared);
        tell_misled(n, ignore);
        return changed;
}

bool judge_again(const ConfNamespaces *rules, Node *n, bool whole)
{
        MatchRules match = match_rules(rules);
        MatchDecision d;

        if (!whole)
                match.selector = NULL;
        d = match_namespace(&match, &n->namespace);
        if (whole || d.verdict != MATCH_WANTED)
                return take_decision(rules, n, d, false);
        n->rule = MATCH_NONE;
        return false;
}

bool judge_needs_labels(const ConfNamespaces *rules, const ConfNamespaces *old, bool asked)
{
        const LabelSelector *s = rules->label_selector, *other = old->label_selector;

        return s && (asked || !other || !streq(label_selector_text(s), label_selector_text(other)));
}

const char *judge_explain(const ConfNamespaces *rules, const Node *n,
                          char text[static MATCH_EXPLANATION_MAX])
{
        const MatchRules match = match_rules(rules);

        return match_explain(text, &match, (MatchDecision){ n->target.verdict, n->rule });
}
