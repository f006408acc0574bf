/* SPDX-License-Identifier: MIT */
#pragma once

#include "cluster-summary.h"
#include "writer.h"

/* A pass: from when there is something new to write until all that could be done has been tried. Logs in one
 * line what came of it. */

typedef struct Pass {
        usec_t started; /* CLOCK_BOOTTIME; 0: none is under way */
        uint64_t created, renewed;
} Pass;

/* One that is under way begins anew. stats is where it counts from; now is CLOCK_BOOTTIME. */
void pass_begin(Pass *p, const WriterStats *stats, usec_t now);

bool pass_is_under_way(const Pass *p);

/* summary says how it stands at the end. */
void pass_end(Pass *p, const WriterStats *stats, const ClusterSummary *summary, usec_t now);
