/* SPDX-License-Identifier: MIT */
#pragma once

#include "conf-keys.h"
#include "kube-client.h"
#include "pace.h"

/* What all writes to one API server share: how fast they go, and whether the server takes any at the moment.
 * Who writes asks before each write, and tells of its end. When the server as a whole cannot be written,
 * nothing is sent for a while, whoever it is that found out, and then one at a time. */

#define LANES_USERS_MAX 4U

/* There may be room again, or sooner than was said: ask lanes_may_begin() anew, but not during the call. */
typedef void (*lanes_moved_t)(void *userdata);

typedef struct Lanes {
        Pace pace;
        unsigned failures; /* of the server as a whole, in a row */
        bool unanswered;   /* it is paused because the server gave no answer, not because it asked for it */
        char error[384];   /* why the server as a whole takes no writes; "" if it does */
        struct {
                lanes_moved_t moved;
                void *userdata;
        } users[LANES_USERS_MAX];
        size_t n_users;
} Lanes;

/* Has somebody told; userdata has to outlive the lanes. */
void lanes_add_user(Lanes *l, lanes_moved_t moved, void *userdata);

/* Sets the limits. */
void lanes_configure(Lanes *l, const ConfRenewal *conf);

/* See pace_may_begin(). */
bool lanes_may_begin(const Lanes *l, PaceLane lane, usec_t now, usec_t *ret_until);

/* To be told of each write's begin and end; the latter also of one that is dropped. */
void lanes_begin(Lanes *l, PaceLane lane, usec_t now);
void lanes_end(Lanes *l, PaceLane lane);

/* The server has decided about a write, whatever it decided; now is CLOCK_BOOTTIME. During a pause that says
 * nothing: the write was on its way already. */
void lanes_work(Lanes *l, usec_t now);

/* A write has failed as any other would have, see kube_status_concerns_all(). retry_after is the answer's;
 * of several that fail together the longest holds. now is CLOCK_BOOTTIME. */
void lanes_fail(Lanes *l, HttpOutcome outcome, const KubeStatus *status, usec_t retry_after, usec_t now);

/* Ends a pause that was made because the server did not answer: there is reason to believe that it is back.
 */
void lanes_hurry(Lanes *l);
