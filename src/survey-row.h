/* SPDX-License-Identifier: MIT */
#pragma once

#include "conf-keys.h"
#include "targets.h"

/* What is to be said of one namespace: which rule decided, what is there, and what eatr would do. Pure. */

typedef enum SurveyState {
        SURVEY_NONE,         /* there is no Secret, and none is wanted */
        SURVEY_MISSING,      /* there is none */
        SURVEY_GOOD,         /* eatr's and whole, and no token in it has run out */
        SURVEY_EXPIRED,      /* one of its tokens has run out */
        SURVEY_OTHER_HOSTS,  /* it opens other registries than the newest Secret does */
        SURVEY_OTHER_LABELS, /* it carries other labels or annotations than those of [secret] */
        SURVEY_EDITED,       /* somebody has changed what eatr wrote */
        SURVEY_FOREIGN,      /* it is somebody else's */
        SURVEY_IMMUTABLE,    /* it is eatr's, and somebody has made it immutable */
        SURVEY_GOING,        /* it is being deleted, and its finalizers hold it */
        SURVEY_KEPT,         /* it is eatr's, and stays though the namespace is excluded */
        _SURVEY_STATE_MAX,
} SurveyState;

/* A word for programs: "good", "other-hosts", ... */
const char *survey_state_to_string(SurveyState s);

/* What eatr is taken to have: nobody asks AWS. Only id and times are set.
 *
 * That is the tokens of the youngest Secret in a wanted namespace until they are due, and then younger ones
 * for the same hosts; where there is no such Secret, some that are in none. */
typedef struct SurveyRules {
        const ConfNamespaces *namespaces; /* that the nodes were judged by */
        const ConfSecret *secret;
        uint64_t extras; /* of the former's labels and annotations, see kube_secret_extras_id() */
        usec_t interval; /* of renewals; 0: half a token's life */
        usec_t now;      /* CLOCK_REALTIME */
        Auths assumed;
} SurveyRules;

/* Fills all of it. The configuration has to outlive it. */
void survey_rules_make(const ConfNamespaces *namespaces, const ConfSecret *secret, usec_t interval,
                       usec_t now, const Targets *targets, SurveyRules *ret);

typedef struct SurveyRow {
        const Node *node; /* which has to outlive it */
        char rule[MATCH_EXPLANATION_MAX];
        SurveyState state;
        const char *manager;      /* who wrote to the Secret besides eatr; "": nobody, or not told */
        usec_t expires;           /* CLOCK_REALTIME, of eatr's own; 0: not told */
        Plan plan;                /* until is not set */
        bool pulls;               /* pods can pull with the Secret that is there */
        usec_t due;               /* CLOCK_REALTIME: the Secret is fresh until then; 0: it is not */
        unsigned accounts, named; /* so many service accounts are to name the Secret, and do */
} SurveyRow;

/* The namespace has to exist. Of service accounts nothing is known here: they stay 0. */
void survey_row_make(const Node *n, const SurveyRules *rules, SurveyRow *ret);

/* What eatr would do, in a word: "create", "renew", "leave", ... */
const char *survey_row_next(const SurveyRow *row);
