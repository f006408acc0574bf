/* SPDX-License-Identifier: MIT */
#pragma once

#include "clock.h"

/* Tells whether what is at a path is still what it was: which file it is, its size, its mode and its times.
 * Of a folder all that is directly in it counts, and not what becomes of the folder's own times. Files are
 * not read. */

/* The kernel's clock for files ticks that slowly at most (HZ=100): a second change within a tick may look
 * like the first. */
#define FINGERPRINT_TICK (20 * USEC_PER_MSEC)

typedef struct Fingerprint {
        uint64_t digest; /* 0: there is nothing */
        usec_t changed;  /* the last ctime */
        bool unsure;     /* taken within a tick of it */
} Fingerprint;

/* Symbolic links are followed. What cannot be looked at is not there. */
Fingerprint fingerprint_take(const char *path);

/* Whether something has changed since the old one, or may have. */
bool fingerprint_differs(const Fingerprint *old, const Fingerprint *now);
