/* SPDX-License-Identifier: MIT */
#pragma once

#include "clock.h"

/* What this process takes of its host. */

/* User and system CPU time so far. */
usec_t usage_cpu(void);

/* Bytes of memory that are resident, and open file descriptors, of which the one that is needed to count
 * them is none. Return 0, or a negative errno, as where there is no /proc. */
int usage_resident(uint64_t *ret);
int usage_fds(unsigned *ret);
