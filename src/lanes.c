/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "backoff.h"
#include "lanes.h"
#include "log.h"
#include "message.h"

#include <assert.h>
#include <stdio.h>

/* The server as a whole. */
static const BackoffPolicy backoff_server = { .base = 500 * USEC_PER_MSEC, .cap = 5 * USEC_PER_SEC };
#define UNAUTHORIZED_PAUSE_MIN (5 * USEC_PER_SEC)

void lanes_add_user(Lanes *l, lanes_moved_t moved, void *userdata)
{
        assert(l->n_users < LANES_USERS_MAX);
        l->users[l->n_users].moved = moved;
        l->users[l->n_users].userdata = userdata;
        l->n_users++;
}

static void tell(const Lanes *l)
{
        for (size_t i = 0; i < l->n_users; i++)
                l->users[i].moved(l->users[i].userdata);
}

void lanes_configure(Lanes *l, const ConfRenewal *conf)
{
        l->pace.max_in_flight = conf->max_in_flight;
        l->pace.max_per_second = conf->max_writes_per_second;
}

bool lanes_may_begin(const Lanes *l, PaceLane lane, usec_t now, usec_t *ret_until)
{
        return pace_may_begin(&l->pace, lane, now, ret_until);
}

void lanes_begin(Lanes *l, PaceLane lane, usec_t now)
{
        pace_begin(&l->pace, lane, now);
}

void lanes_end(Lanes *l, PaceLane lane)
{
        pace_end(&l->pace, lane);
        tell(l);
}

void lanes_work(Lanes *l, usec_t now)
{
        if (now < l->pace.paused_until)
                return;
        if (l->failures > 0)
                log_info("The API server takes writes again");
        l->failures = 0;
        l->pace.probing = false;
        l->error[0] = '\0';
}

/* Jitter on top, never below what the server asked for. */
static usec_t asked_delay(usec_t retry_after)
{
        return retry_after + retry_after / 2 * (backoff_random() % 1024) / 1024;
}

/* The pause is one that the server asked for, too, and nothing shortens it. */
static void prolong(Lanes *l, usec_t retry_after, usec_t now)
{
        if (retry_after == 0)
                return;
        pace_pause(&l->pace, now + asked_delay(retry_after));
        l->unanswered = false;
}

void lanes_fail(Lanes *l, HttpOutcome outcome, const KubeStatus *status, usec_t retry_after, usec_t now)
{
        char text[CLOCK_DURATION_MAX];
        usec_t delay;

        /* Writes that were in flight together fail together: one pause and one message for all of them. */
        if (now < l->pace.paused_until) {
                prolong(l, retry_after, now);
                return;
        }
        delay = backoff_delay(&backoff_server, ++l->failures, backoff_random());
        delay = MAX(delay, asked_delay(retry_after));
        if (outcome == HTTP_UNAUTHORIZED)
                delay = MAX(delay, UNAUTHORIZED_PAUSE_MIN);
        pace_pause(&l->pace, now + delay);
        l->pace.probing = true;
        l->unanswered = status->code == 0;
        if (!streq(l->error, status->message))
                log_event(LOG_WARNING, MESSAGE_WRITING_FAILED,
                          "The API server takes no writes: %s; trying again in %s, Secrets keep what they "
                          "have",
                          status->message, clock_format_duration(text, delay));
        (void) snprintf(l->error, sizeof(l->error), "%s", status->message);
}

void lanes_hurry(Lanes *l)
{
        if (!l->unanswered)
                return;
        l->pace.paused_until = 0;
        tell(l);
}
