/* SPDX-License-Identifier: MIT */
#pragma once

#include "clock.h"

/* How long to wait before the next try: doubling from base to cap, with jitter so that many who failed
 * together do not come back together. Pure; the random number is the caller's. */

typedef struct BackoffPolicy {
        usec_t base;
        usec_t cap;
} BackoffPolicy;

/* The wait after that many failures in a row (1 or more). random is a uniform 32-bit number, which places
 * the result between half of the step and all of it. */
usec_t backoff_delay(const BackoffPolicy *policy, unsigned failures, uint32_t random);

/* A random number good enough for that. */
uint32_t backoff_random(void);
