/* SPDX-License-Identifier: MIT */
#pragma once

#include "clock.h"

/* How often something may be done: one an interval, and a burst of them at once after a rest. Pure. */

typedef struct Bucket {
        usec_t interval;
        unsigned burst;    /* at least 1 */
        usec_t paid_until; /* what has been taken so far is paid for by then */
} Bucket;

/* Whether one may be taken now. If not, *ret_until is when. */
bool bucket_may_take(const Bucket *b, usec_t now, usec_t *ret_until);

/* Takes it, be it allowed or not. */
void bucket_take(Bucket *b, usec_t now);
