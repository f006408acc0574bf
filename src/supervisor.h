/* SPDX-License-Identifier: MIT */
#pragma once

#include "health.h"
#include "status.h"

#include <systemd/sd-event.h>

/* What eatr tells the service manager, see sd_notify(3): that the start has ended, how it goes, that a
 * reload begins and has ended, and, if WATCHDOG_USEC is set, that it is alive. Where nobody listens, nothing
 * is sent. */

typedef struct Supervisor Supervisor;

/* Where it has from what it tells. Both are called when it tells something, and from the event loop. */
typedef struct SupervisorSources {
        /* The line for people. */
        void (*status)(char ret[static STATUS_MAX], void *userdata);

        /* Whether all is well; reason is then "", else a sentence. While it is not, twice in a row, there is
         * no ping, so that the service manager kills and restarts eatr. A failure that is retried is not
         * that. */
        bool (*health)(char reason[static HEALTH_REASON_MAX], void *userdata);
} SupervisorSources;

/* What is handed in has to outlive it. Returns 0 or a negative errno. */
int supervisor_new(sd_event *event, const SupervisorSources *sources, void *userdata, Supervisor **ret);

/* If it is another one than that which was told last. */
void supervisor_tell_status(Supervisor *s);

/* The start has ended: told once, and after 30 s without this call, too. */
void supervisor_ready(Supervisor *s);
bool supervisor_is_ready(const Supervisor *s);

/* Around a reload. Not before the start has ended, which the latter would seem to say; but the status is
 * told then, too. */
void supervisor_begin_reload(const Supervisor *s);
void supervisor_end_reload(Supervisor *s);

void supervisor_stopping(void);

Supervisor *supervisor_free(Supervisor *s);
DEFINE_TRIVIAL_CLEANUP_FUNC(Supervisor *, supervisor_free);
