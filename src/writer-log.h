/* SPDX-License-Identifier: MIT */
#pragma once

#include "targets.h"

/* What is said of the namespaces' Secrets, and how loudly: a state is told once each time that it begins,
 * what a pass does to thousands is summed up elsewhere, and a cause that many namespaces share is told of a
 * few times only. */

typedef struct WriterLog {
        const char *secret_name; /* has to outlive this */
        unsigned warnings;       /* about failures, in the interval that ends at */
        usec_t warnings_until;   /* CLOCK_BOOTTIME */
} WriterLog;

/* A node has been planned. */
void writer_log_planned(const WriterLog *l, Node *n);

/* Its Secret has been written for what its plan says; code is the answer's. */
void writer_log_written(const WriterLog *l, Node *n, long code);

/* The write has failed, which is this namespace's affair and has been taken in; now is CLOCK_BOOTTIME. */
void writer_log_failed(WriterLog *l, Node *n, HttpOutcome outcome, const KubeStatus *status, usec_t now);
