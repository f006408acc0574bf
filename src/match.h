/* SPDX-License-Identifier: MIT */
#pragma once

#include "label-selector.h"

/* Which namespaces get a Secret. Pure. */

typedef enum MatchVerdict {
        MATCH_WANTED,
        MATCH_BLACKLISTED,  /* a glob of the blacklist matches the name */
        MATCH_NOT_INCLUDED, /* no glob of include matches the name */
        MATCH_NOT_SELECTED, /* its labels do not meet the label selector */
        MATCH_IGNORED,      /* the namespace is annotated eatr/ignore: "true" */
        MATCH_TERMINATING,  /* it is being deleted */
        _MATCH_VERDICT_MAX,
} MatchVerdict;

/* A word for metrics and messages: "wanted", "blacklisted", ... */
const char *match_verdict_to_string(MatchVerdict v);

/* The rules, not owned; the arrays are NULL-terminated and hold globs of fnmatch(3), anchored at both ends.
 * A NULL or empty include takes every name, no selector all labels. */
typedef struct MatchRules {
        char *const *include;
        char *const *blacklist;
        const LabelSelector *selector;
} MatchRules;

/* In place of a number. */
#define MATCH_NONE UINT32_MAX

/* What is known of a namespace. */
typedef struct MatchNamespace {
        const char *name;
        unsigned unmet; /* the number of the selector's requirement that its labels do not meet, or
                           MATCH_NONE */
        bool ignored;
        bool terminating;
} MatchNamespace;

/* The requirement that labels do not meet, as a number for unmet; labels are what lookup takes. */
unsigned match_labels(const MatchRules *rules, label_lookup_t lookup, const void *labels);

/* A verdict, and which rule made it: the number of the glob (that of include, if the namespace is wanted) or
 * of the requirement; MATCH_NONE: no single one, or another kind of rule. */
typedef struct MatchDecision {
        MatchVerdict verdict;
        unsigned rule;
} MatchDecision;

/* Decides by the first of these that speaks against it: that it is terminating, blacklist, include, the
 * selector, the annotation. */
MatchDecision match_namespace(const MatchRules *rules, const MatchNamespace *ns);

/* Writes what decided: blacklist glob "kube-*". The rules have to be those that it was decided by. Returns
 * text. */
#define MATCH_EXPLANATION_MAX 256U
const char *match_explain(char text[static MATCH_EXPLANATION_MAX], const MatchRules *rules, MatchDecision d);

/* Whether one of the globs takes a name; globs may be NULL. */
bool match_any(char *const *globs, const char *name);

/* What globs are for. */
typedef enum MatchKind {
        MATCH_NAMESPACES,
        MATCH_SERVICE_ACCOUNTS, /* their names may hold dots, too */
} MatchKind;

/* Says why a string is no glob for such names: NULL if it is one. Besides what fnmatch(3) knows, a name
 * holds only lower-case letters, digits and "-" (and "."), so that any other literal character could never
 * match.
 */
const char *match_glob_problem(MatchKind kind, const char *glob);
