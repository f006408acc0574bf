/* SPDX-License-Identifier: MIT */
#pragma once

#include "util.h"

/* Which namespaces get a Secret. Pure. */

typedef enum MatchVerdict {
        MATCH_WANTED,
        MATCH_BLACKLISTED,  /* a glob of the blacklist matches the name */
        MATCH_NOT_INCLUDED, /* no glob of include matches the name */
        MATCH_IGNORED,      /* the namespace is annotated eatr/ignore: "true" */
        MATCH_TERMINATING,  /* it is being deleted */
        _MATCH_VERDICT_MAX,
} MatchVerdict;

/* A word for metrics and messages: "wanted", "blacklisted", ... */
const char *match_verdict_to_string(MatchVerdict v);

/* The rules; the arrays are NULL-terminated, not owned, and hold globs of fnmatch(3), anchored at both
 * ends. A NULL or empty include takes every name. */
typedef struct MatchRules {
        char *const *include;
        char *const *blacklist;
} MatchRules;

/* What is known of a namespace. */
typedef struct MatchNamespace {
        const char *name;
        bool ignored;
        bool terminating;
} MatchNamespace;

MatchVerdict match_namespace(const MatchRules *rules, const MatchNamespace *ns);

/* Whether one of the globs takes a name; globs may be NULL. */
bool match_any(char *const *globs, const char *name);

/* What globs are for. */
typedef enum MatchKind {
        MATCH_NAMESPACES,
        MATCH_SERVICE_ACCOUNTS, /* their names may hold dots, too */
} MatchKind;

/* Says why a string is no glob for such names: NULL if it is one. Besides what fnmatch(3) knows, a name holds
 * only lower-case letters, digits and "-" (and "."), so that any other literal character could never match.
 */
const char *match_glob_problem(MatchKind kind, const char *glob);
