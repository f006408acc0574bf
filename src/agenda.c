/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "agenda.h"

#define STALL_GRACE USEC_PER_MINUTE

int agenda_init(Agenda *a, sd_event *event, int64_t priority, sd_event_handler_t plan,
                sd_event_time_handler_t wake, void *userdata)
{
        int r;

        *a = (Agenda){ .wake_at = USEC_INFINITY };
        r = sd_event_add_defer(event, &a->planner, plan, userdata);
        if (r < 0)
                return r;
        r = sd_event_source_set_priority(a->planner, priority);
        if (r < 0)
                return r;
        r = sd_event_source_set_enabled(a->planner, SD_EVENT_OFF);
        if (r < 0)
                return r;
        r = sd_event_add_time(event, &a->waker, CLOCK_BOOTTIME, 0, 1, wake, userdata);
        if (r < 0)
                return r;
        return sd_event_source_set_enabled(a->waker, SD_EVENT_OFF);
}

void agenda_soon(Agenda *a)
{
        (void) sd_event_source_set_enabled(a->planner, SD_EVENT_ONESHOT);
}

void agenda_at(Agenda *a, usec_t at)
{
        if (at >= a->wake_at)
                return;
        a->wake_at = at;
        (void) sd_event_source_set_time(a->waker, at);
        (void) sd_event_source_set_enabled(a->waker, SD_EVENT_ONESHOT);
}

void agenda_woken(Agenda *a)
{
        a->wake_at = USEC_INFINITY;
}

bool agenda_stalled(const Agenda *a, usec_t now)
{
        return a->wake_at != USEC_INFINITY && now > a->wake_at + STALL_GRACE;
}

void agenda_done(Agenda *a)
{
        (void) sd_event_source_disable_unref(a->planner);
        (void) sd_event_source_disable_unref(a->waker);
}
