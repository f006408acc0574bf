/* SPDX-License-Identifier: MIT */
#pragma once

#include "clock.h"

#include <systemd/sd-event.h>

/* When a writer looks at what it has to do: soon, which is when all events of a wake-up have been taken in,
 * and again when the first of what waits is due. Its fields are its own. */
typedef struct Agenda {
        sd_event_source *planner; /* deferred */
        sd_event_source *waker;
        usec_t wake_at; /* CLOCK_BOOTTIME; USEC_INFINITY: nothing waits */
} Agenda;

/* plan is called after agenda_soon(), before others that are pending if priority is lower than theirs; wake
 * at the time of agenda_at(). Returns 0 or a negative errno; agenda_done() is due in either case. */
int agenda_init(Agenda *a, sd_event *event, int64_t priority, sd_event_handler_t plan,
                sd_event_time_handler_t wake, void *userdata);

void agenda_soon(Agenda *a);

/* An earlier time stays. at is on CLOCK_BOOTTIME; USEC_INFINITY changes nothing. */
void agenda_at(Agenda *a, usec_t at);

/* To be told by wake, first of all: the time has come, and what waits for another one says so anew. */
void agenda_woken(Agenda *a);

/* Whether wake should have been called long ago. now is CLOCK_BOOTTIME. */
bool agenda_stalled(const Agenda *a, usec_t now);

void agenda_done(Agenda *a);
