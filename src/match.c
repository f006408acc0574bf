/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "match.h"

#include <ctype.h>
#include <fnmatch.h>

const char *match_verdict_to_string(MatchVerdict v)
{
        static const char *const names[_MATCH_VERDICT_MAX] = {
                [MATCH_WANTED] = "wanted",
                [MATCH_BLACKLISTED] = "blacklisted",
                [MATCH_NOT_INCLUDED] = "not-included",
                [MATCH_IGNORED] = "ignored",
                [MATCH_TERMINATING] = "terminating",
        };

        return names[v];
}

bool match_any(char *const *globs, const char *name)
{
        for (; globs && *globs; globs++)
                if (fnmatch(*globs, name, 0) == 0)
                        return true;
        return false;
}

MatchVerdict match_namespace(const MatchRules *rules, const MatchNamespace *ns)
{
        if (ns->terminating)
                return MATCH_TERMINATING;
        if (match_any(rules->blacklist, ns->name))
                return MATCH_BLACKLISTED;
        if (rules->include && *rules->include && !match_any(rules->include, ns->name))
                return MATCH_NOT_INCLUDED;
        if (ns->ignored)
                return MATCH_IGNORED;
        return MATCH_WANTED;
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
