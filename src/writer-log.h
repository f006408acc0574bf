/* SPDX-License-Identifier: MIT */
#pragma once

#include "events.h"
#include "targets.h"

/* What is said of the namespaces' Secrets, and how loudly: a state is told once each time that it begins,
 * what a pass does to thousands is summed up elsewhere, and a cause that many namespaces share is told of a
 * few times only. No more than so many warnings are logged at once, the rest as messages for debugging. */

/* Warnings of one kind, in the interval that ends at until, CLOCK_BOOTTIME. */
typedef struct WriterLogBudget {
        unsigned n;
        usec_t until;
} WriterLogBudget;

typedef struct WriterLog {
        const char *secret_name; /* has to outlive this, as has */
        Events *events;          /* which those who own the namespaces are told by; NULL: they are not */
        unsigned rights_told;    /* a bit for each PlanAction that eatr has no right to, and that was told */
        WriterLogBudget failures, conflicts;
} WriterLog;

/* A node has been planned. What lasts is told to the namespace's owners each time, as they forget it; now is
 * CLOCK_BOOTTIME. */
void writer_log_planned(WriterLog *l, Node *n, usec_t now);

/* What its plan says is about to be done. */
void writer_log_begun(Node *n);

/* Its Secret has been written or deleted for what its plan says; code is the answer's. */
void writer_log_written(const WriterLog *l, Node *n, long code);

/* The write has failed, which is this namespace's affair and has been taken in; n->problem is that of the
 * write before. */
void writer_log_failed(WriterLog *l, Node *n, HttpOutcome outcome, const KubeStatus *status, usec_t now);
