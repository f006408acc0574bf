/* SPDX-License-Identifier: MIT */
#pragma once

#include "clock.h"

/* What the time is at AWS. A signature is good for 5 minutes, so a host whose clock is wrong signs with
 * AWS's time, which is learned from the Date of its answers; the host's clock is left alone. */

typedef struct AwsClock {
        int64_t skew;    /* AWS's clock minus ours, in microseconds, once it is worth minding; else 0 */
        double measured; /* the same in seconds, as the last answer said */
} AwsClock;

usec_t aws_clock_now(const AwsClock *c);

/* Learns from an answer's Date. Returns whether that was news, which a refused signature may then be owed
 * to; it is logged. */
bool aws_clock_learn(AwsClock *c, usec_t date);

/* Whether the two clocks are so far apart that an answer's Date is rather wrong than followed. */
bool aws_clock_is_off(const AwsClock *c);
