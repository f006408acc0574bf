/* SPDX-License-Identifier: MIT */
#pragma once

#include "cluster.h"
#include "registries.h"

/* How far the work is that was there at the start. */

/* Whether all has been tried once, or cannot be: there is no token to be had, or no API server. */
bool progress_is_first_pass_tried(const Registries *registries, const Cluster *cluster);

/* Whether a run of one pass is over. Returns -EAGAIN if it is not, 0 if every wanted namespace has a fresh
 * Secret and every service account is as it should be (in a dry run: would be), or 1 if that could not be
 * done, though what failed was tried three times; logs why if it gives up. */
int progress_of_one_pass(const Registries *registries, const Cluster *cluster, bool dry_run);
