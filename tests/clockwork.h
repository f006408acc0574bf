/* SPDX-License-Identifier: MIT */
#pragma once

/* Time and chance that are the test's. Clocks stand still but for what the test lets pass, and timers run
 * out when the test's clock is there, in their order: days go by in no time, and every wait is exact.
 * Sources are included between clockwork-on.h and clockwork-off.h. */

#include "clock.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <systemd/sd-event.h>
/* cmocka.h comes after what it uses. */
#include <cmocka.h>

#define CLOCKWORK_TIMERS_MAX 64U

/* A Date, which has no fraction, means the middle of its second. */
#define CLOCKWORK_WALL (1795461567 * USEC_PER_SEC + USEC_PER_SEC / 2)
#define CLOCKWORK_BOOTTIME (1000 * USEC_PER_SEC)

static usec_t boottime, wall;
static uint32_t chance;

static struct {
        sd_event_source *source;
        usec_t due;
} timers[CLOCKWORK_TIMERS_MAX];
static size_t n_timers;

static inline usec_t clockwork_boottime(void)
{
        return boottime;
}

static inline usec_t clockwork_now(void)
{
        return wall;
}

static inline uint32_t clockwork_random(void)
{
        return chance;
}

static inline void clockwork_forget(const sd_event_source *s)
{
        for (size_t i = 0; i < n_timers; i++)
                if (timers[i].source == s) {
                        timers[i] = timers[--n_timers];
                        return;
                }
}

/* The timer is set, but only clockwork_fire() lets it run out. */
static inline int clockwork_set_time_relative(sd_event_source *s, uint64_t delay)
{
        clockwork_forget(s);
        assert_true(n_timers < CLOCKWORK_TIMERS_MAX);
        timers[n_timers].source = s;
        timers[n_timers++].due = usec_add(boottime, delay);
        return sd_event_source_set_time(s, USEC_INFINITY);
}

static inline sd_event_source *clockwork_disable_unref(sd_event_source *s)
{
        clockwork_forget(s);
        return sd_event_source_disable_unref(s);
}

/* Turns the loop until it is at rest. */
static inline void clockwork_rest(sd_event *event)
{
        int r;

        do {
                r = sd_event_run(event, 0);
                assert_return_code(r, 0);
        } while (r > 0);
}

static inline void clockwork_set(usec_t time)
{
        assert_true(time >= boottime);
        wall += time - boottime;
        boottime = time;
}

/* Returns whether there is a timer that is on, and the first one. */
static inline bool clockwork_next(size_t *ret)
{
        bool found = false;

        for (size_t i = 0; i < n_timers; i++) {
                int enabled;

                assert_return_code(sd_event_source_get_enabled(timers[i].source, &enabled), 0);
                if (enabled != SD_EVENT_OFF && (!found || timers[i].due < timers[*ret].due)) {
                        *ret = i;
                        found = true;
                }
        }
        return found;
}

/* Lets the clock go to the time of this timer, and the timer run out. */
static inline void clockwork_fire(sd_event *event, size_t i)
{
        sd_event_source *s = timers[i].source;

        clockwork_set(MAX(boottime, timers[i].due));
        clockwork_forget(s);
        assert_return_code(sd_event_source_set_time(s, 0), 0);
        clockwork_rest(event);
}

/* Lets this time pass, with all that happens in it. */
static inline void clockwork_pass(sd_event *event, usec_t time)
{
        usec_t end = boottime + time;
        size_t i = 0;

        clockwork_rest(event);
        while (clockwork_next(&i) && timers[i].due <= end)
                clockwork_fire(event, i);
        clockwork_set(MAX(end, boottime));
}

static inline void clockwork_begin(void)
{
        boottime = CLOCKWORK_BOOTTIME;
        wall = CLOCKWORK_WALL;
        chance = 0;
        n_timers = 0;
}
