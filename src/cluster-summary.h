/* SPDX-License-Identifier: MIT */
#pragma once

#include "auths.h"
#include "targets.h"

/* How it stands with the namespaces of a cluster, all together. Pure. */

/* How many namespaces are in which state; they add up to total. */
typedef struct ClusterSummary {
        unsigned total;
        unsigned fresh;    /* wanted, and the Secret has what it should have */
        unsigned due;      /* wanted, and the Secret is good, but newer tokens have yet to be written */
        unsigned pending;  /* wanted, and no good Secret yet: its turn has not come or there is no token */
        unsigned failing;  /* wanted, and the last write failed */
        unsigned conflict; /* wanted, but the Secret there is somebody else's or cannot be changed */
        unsigned excluded; /* not wanted, all verdicts together */
        unsigned by_verdict[_MATCH_VERDICT_MAX];
        const char *failing_name, *failing_why; /* one of those that are failing, and why; NULL: none, or not
                                                   known. Valid until the loop turns */
} ClusterSummary;

/* Counts those that exist. auths is what Secrets are to hold, NULL when there is nothing yet; now is
 * CLOCK_BOOTTIME. */
void cluster_summary_make(const Targets *targets, const Auths *auths, usec_t now, ClusterSummary *ret);

/* Whether each wanted one that exists has a good Secret, one that is not eatr's to write, or so many tries
 * behind it, and nothing is left to do for the others. */
bool cluster_summary_settled(const Targets *targets, unsigned tries);
