/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "pace.h"

/* The bulk lane may be ahead of its rate by this, so that timers need not be exact. */
#define BURST (100 * USEC_PER_MSEC)

unsigned pace_in_flight(const Pace *p)
{
        return p->in_flight[PACE_NOW] + p->in_flight[PACE_BULK];
}

bool pace_may_begin(const Pace *p, PaceLane lane, usec_t now, usec_t *ret_until)
{
        unsigned all = pace_in_flight(p);
        unsigned most = p->probing ? 1 : p->max_in_flight;
        unsigned room = MAX(p->max_in_flight / 4, 1U);
        unsigned bulk_max = MAX(p->max_in_flight, room + 1) - room;

        *ret_until = USEC_INFINITY;
        if (now < p->paused_until) {
                *ret_until = p->paused_until;
                return false;
        }
        if (all >= most || (lane == PACE_BULK && p->in_flight[PACE_BULK] >= bulk_max))
                return false;
        if (lane == PACE_BULK && p->bulk_until > now + BURST) {
                *ret_until = p->bulk_until - BURST;
                return false;
        }
        return true;
}

void pace_begin(Pace *p, PaceLane lane, usec_t now)
{
        p->in_flight[lane]++;
        if (lane == PACE_BULK && p->max_per_second > 0)
                p->bulk_until = MAX(p->bulk_until, now) + USEC_PER_SEC / p->max_per_second;
}

void pace_end(Pace *p, PaceLane lane)
{
        p->in_flight[lane]--;
}

void pace_pause(Pace *p, usec_t until)
{
        p->paused_until = MAX(p->paused_until, until);
}
