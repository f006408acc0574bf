/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "match.h"

#include <ctype.h>
#include <fnmatch.h>
#include <stdio.h>

const char *match_verdict_to_string(MatchVerdict v)
{
        static const char *const names[_MATCH_VERDICT_MAX] = {
                [MATCH_WANTED] = "wanted",
                [MATCH_BLACKLISTED] = "blacklisted",
                [MATCH_NOT_INCLUDED] = "not-included",
                [MATCH_NOT_SELECTED] = "not-selected",
                [MATCH_IGNORED] = "ignored",
                [MATCH_TERMINATING] = "terminating",
        };

        return names[v];
}

/* The number of the first glob that takes the name, or MATCH_NONE. */
static unsigned find_glob(char *const *globs, const char *name)
{
        for (unsigned i = 0; globs && globs[i]; i++)
                if (fnmatch(globs[i], name, 0) == 0)
                        return i;
        return MATCH_NONE;
}

bool match_any(char *const *globs, const char *name)
{
        return find_glob(globs, name) != MATCH_NONE;
}

unsigned match_labels(const MatchRules *rules, label_lookup_t lookup, const void *labels)
{
        unsigned unmet = MATCH_NONE;

        if (rules->selector)
                (void) label_selector_matches(rules->selector, lookup, labels, &unmet);
        return unmet;
}

static MatchDecision decide(MatchVerdict verdict, unsigned rule)
{
        return (MatchDecision){ .verdict = verdict, .rule = rule };
}

MatchDecision match_namespace(const MatchRules *rules, const MatchNamespace *ns)
{
        unsigned glob = find_glob(rules->blacklist, ns->name);

        if (ns->terminating)
                return decide(MATCH_TERMINATING, MATCH_NONE);
        if (glob != MATCH_NONE)
                return decide(MATCH_BLACKLISTED, glob);
        glob = find_glob(rules->include, ns->name);
        if (rules->include && *rules->include && glob == MATCH_NONE)
                return decide(MATCH_NOT_INCLUDED, MATCH_NONE);
        if (rules->selector && ns->unmet != MATCH_NONE)
                return decide(MATCH_NOT_SELECTED, ns->unmet);
        if (ns->ignored)
                return decide(MATCH_IGNORED, MATCH_NONE);
        return decide(MATCH_WANTED, glob);
}

/* What a rule of the configuration says, or NULL. */
static const char *rule_text(const MatchRules *rules, MatchDecision d)
{
        if (d.rule == MATCH_NONE)
                return NULL;
        if (d.verdict == MATCH_NOT_SELECTED)
                return label_selector_requirement(rules->selector, d.rule);
        return d.verdict == MATCH_BLACKLISTED ? rules->blacklist[d.rule] : rules->include[d.rule];
}

const char *match_explain(char text[static MATCH_EXPLANATION_MAX], const MatchRules *rules, MatchDecision d)
{
        static const char *const names[_MATCH_VERDICT_MAX] = {
                [MATCH_WANTED] = "no rule against it",       [MATCH_BLACKLISTED] = "blacklist",
                [MATCH_NOT_INCLUDED] = "no glob of include", [MATCH_NOT_SELECTED] = "label_selector",
                [MATCH_IGNORED] = "annotation eatr/ignore",  [MATCH_TERMINATING] = "it is being deleted",
        };
        const char *rule = rule_text(rules, d);

        if (!rule)
                (void) snprintf(text, MATCH_EXPLANATION_MAX, "%s", names[d.verdict]);
        else if (d.verdict == MATCH_NOT_SELECTED)
                (void) snprintf(text, MATCH_EXPLANATION_MAX, "label_selector asks for \"%s\"", rule);
        else
                (void) snprintf(text, MATCH_EXPLANATION_MAX, "%s glob \"%s\"",
                                d.verdict == MATCH_WANTED ? "include" : names[d.verdict], rule);
        return text;
}

/* Returns the "]" that ends a bracket expression, NULL if there is none; p is behind its "[". As in
 * fnmatch(3) one at the very start is a member, a backslash quotes, and [:digit:] is as good as a character.
 */
static const char *bracket_end(const char *p)
{
        const char *start;

        if (*p == '!' || *p == '^')
                p++;
        for (start = p; *p && (*p != ']' || p == start); p++) {
                size_t n = startswith(p, "[:") ? strspn(p + 2, "abcdefghijklmnopqrstuvwxyz") : 0;

                if (n > 0 && startswith(p + 2 + n, ":]"))
                        p += n + 3;
                else if (*p == '\\' && p[1])
                        p++;
        }
        return *p ? p : NULL;
}

const char *match_glob_problem(MatchKind kind, const char *glob)
{
        const char *literal = kind == MATCH_SERVICE_ACCOUNTS ? ".-*?" : "-*?";

        if (!*glob)
                return "it is empty";
        for (const char *p = glob; *p; p++) {
                if (*p == '[') {
                        p = bracket_end(p + 1);
                        if (!p)
                                return "\"[\" without \"]\"";
                } else if (!(islower((unsigned char) *p) || isdigit((unsigned char) *p) ||
                             strchr(literal, *p)))
                        return kind == MATCH_SERVICE_ACCOUNTS
                                       ? "names of service accounts have lower-case letters, digits, \"-\" "
                                         "and \".\" only, globs also \"*\", \"?\" and \"[...]\""
                                       : "names of namespaces have lower-case letters, digits and \"-\" "
                                         "only, globs also \"*\", \"?\" and \"[...]\"";
        }
        return NULL;
}
