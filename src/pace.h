/* SPDX-License-Identifier: MIT */
#pragma once

#include "clock.h"

/* How fast eatr writes: who may begin a write now, and when to look again. Pure. */

typedef enum PaceLane {
        PACE_NOW,  /* somebody waits for it: as fast as writes in flight allow */
        PACE_BULK, /* it has hours: so many a second, and room is kept for the other lane */
        _PACE_LANE_MAX,
} PaceLane;

typedef struct Pace {
        unsigned max_in_flight;
        unsigned max_per_second; /* of the bulk lane; 0: no limit */
        unsigned in_flight[_PACE_LANE_MAX];
        usec_t paused_until; /* no lane moves before */
        bool probing;        /* the last writes failed: one at a time, to see whether they would now */
        usec_t bulk_until;   /* the bulk lane's writes so far are paid for by then */
} Pace;

/* Whether a write in that lane may begin. If not, *ret_until is when to ask again, USEC_INFINITY when the
 * end of one in flight has to come first. */
bool pace_may_begin(const Pace *p, PaceLane lane, usec_t now, usec_t *ret_until);

/* How many have begun and not ended. */
unsigned pace_in_flight(const Pace *p);

/* To be told of each write's begin and end. */
void pace_begin(Pace *p, PaceLane lane, usec_t now);
void pace_end(Pace *p, PaceLane lane);

/* Stops both lanes until then; an earlier pause that lasts longer stays. */
void pace_pause(Pace *p, usec_t until);
