/* SPDX-License-Identifier: MIT */
#pragma once

#include "survey-row.h"

#include <stdio.h>

/* Prints rows for people or for programs. What comes from the cluster cannot steer a terminal. */

typedef struct Survey {
        SurveyRow *rows; /* in the order in which they are printed */
        size_t n;
        usec_t now;            /* CLOCK_REALTIME */
        bool accounts;         /* service accounts are to name the Secret ... */
        bool accounts_unknown; /* ... but could not be read */
} Survey;

/* A table, its columns as wide as what is in them, and a line that sums it up. */
void survey_print_text(const Survey *s, FILE *f);

/* An array of objects, all of which have the same keys. Returns 0 or -ENOMEM. */
int survey_print_json(const Survey *s, FILE *f);
