/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "log.h"
#include "message.h"
#include "supervisor.h"

#include <errno.h>
#include <inttypes.h>
#include <systemd/sd-daemon.h>

/* systemctl start returns by then, whatever AWS and the API server do. */
#define READY_MAX (30 * USEC_PER_SEC)

/* After a suspend all timers are late at once; those that are due run before this. */
#define SECOND_LOOK USEC_PER_SEC

struct Supervisor {
        sd_event *event;
        const SupervisorSources *sources;
        void *userdata;

        sd_event_source *ready_timer, *watchdog;
        usec_t watchdog_interval;
        bool ready, suspected, stalled;
        char status[STATUS_MAX];
};

void supervisor_tell_status(Supervisor *s)
{
        char status[STATUS_MAX];

        s->sources->status(status, s->userdata);
        if (streq(status, s->status))
                return;
        memcpy(s->status, status, sizeof(status));
        (void) sd_notifyf(false, "STATUS=%s", status);
}

void supervisor_ready(Supervisor *s)
{
        if (s->ready)
                return;
        s->ready = true;
        (void) sd_event_source_set_enabled(s->ready_timer, SD_EVENT_OFF);
        supervisor_tell_status(s);
        (void) sd_notify(false, "READY=1");
}

bool supervisor_is_ready(const Supervisor *s)
{
        return s->ready;
}

void supervisor_begin_reload(const Supervisor *s)
{
        uint64_t now = 0;

        (void) sd_event_now(s->event, CLOCK_MONOTONIC, &now);
        if (s->ready)
                (void) sd_notifyf(false, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, now);
}

void supervisor_end_reload(Supervisor *s)
{
        supervisor_tell_status(s);
        if (s->ready)
                (void) sd_notify(false, "READY=1");
}

void supervisor_stopping(void)
{
        (void) sd_notify(false, "STOPPING=1\nSTATUS=stopping");
}

static int on_ready_timeout(sd_event_source *source, uint64_t usec, void *userdata)
{
        supervisor_ready(userdata);
        return 0;
}

static int on_watchdog(sd_event_source *source, uint64_t usec, void *userdata)
{
        Supervisor *s = userdata;
        char reason[HEALTH_REASON_MAX];
        bool healthy = s->sources->health(reason, s->userdata);
        bool look_again = !healthy && !s->suspected;

        if (healthy)
                (void) sd_notify(false, "WATCHDOG=1");
        else if (s->suspected && !s->stalled)
                log_event(LOG_ERR, MESSAGE_STUCK, "%s; leaving it to the watchdog", reason);
        s->stalled = !healthy && s->suspected;
        s->suspected = !healthy;
        (void) sd_event_source_set_time_relative(s->watchdog,
                                                 look_again ? SECOND_LOOK : s->watchdog_interval);
        (void) sd_event_source_set_enabled(s->watchdog, SD_EVENT_ONESHOT);
        return 0;
}

static int add_watchdog(Supervisor *s)
{
        uint64_t limit = 0;

        if (sd_watchdog_enabled(false, &limit) <= 0)
                return 0;
        s->watchdog_interval = limit / 3;
        return sd_event_add_time_relative(s->event, &s->watchdog, CLOCK_BOOTTIME, 0, 0, on_watchdog, s);
}

int supervisor_new(sd_event *event, const SupervisorSources *sources, void *userdata, Supervisor **ret)
{
        _cleanup_(supervisor_freep) Supervisor *s = NULL;
        int r;

        s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;
        s->event = sd_event_ref(event);
        s->sources = sources;
        s->userdata = userdata;
        r = sd_event_add_time_relative(event, &s->ready_timer, CLOCK_BOOTTIME, READY_MAX, USEC_PER_MSEC,
                                       on_ready_timeout, s);
        if (r < 0)
                return r;
        r = add_watchdog(s);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(s);
        return 0;
}

Supervisor *supervisor_free(Supervisor *s)
{
        if (!s)
                return NULL;
        (void) sd_event_source_disable_unref(s->ready_timer);
        (void) sd_event_source_disable_unref(s->watchdog);
        (void) sd_event_unref(s->event);
        free(s);
        return NULL;
}
