/* SPDX-License-Identifier: MIT */
#pragma once

#include "kube-event.h"
#include "lanes.h"

/* Tells those who own a namespace, by an Event in it, what they should know of their pull Secret. It is best
 * effort, and cheap for the cluster: the same is said once, and again every 30 min at most while it lasts;
 * one Event a second altogether, and 20 at once after a rest; so many namespaces and no more; and none while
 * the API server is busy or takes no writes. What does not go by these rules is dropped, not kept. Secrets
 * come first: of the room that the lanes have Events take a quarter at most, and what the API server answers
 * to one is no reason for others to wait. */

typedef struct Events Events;

typedef struct EventsConfig {
        const char *secret_name;
        bool off; /* nothing is said: a dry run */
} EventsConfig;

/* What became of what was told. */
typedef enum EventsOutcome {
        EVENTS_CREATED,
        EVENTS_REPEATED, /* an Event that was there says that it still is so */
        EVENTS_DROPPED,  /* there was no room or no right, or the API server was busy */
        EVENTS_FAILED,   /* the API server did not take it */
        _EVENTS_OUTCOME_MAX,
} EventsOutcome;

/* A word for metrics: "created", ... */
const char *events_outcome_to_string(EventsOutcome o);

typedef struct EventsStats {
        uint64_t outcomes[_EVENTS_OUTCOME_MAX];
} EventsStats;

/* What is handed in, and what config points to, has to outlive it; it becomes a user of the lanes. Returns 0
 * or a negative errno. */
int events_new(sd_event *event, const EventsConfig *config, KubeClient *client, Lanes *lanes, Events **ret);

/* Takes another configuration; if rights were missing, they may be there now. */
void events_reload(Events *e, const EventsConfig *config);

/* Counts on from what another one has counted. */
void events_take_over(Events *e, const Events *old);

/* It is so, now or still, in a namespace that is not being deleted. To be told again and again while it
 * lasts, which is cheap. uid is the Secret's, see KubeEvent; note is a sentence. */
void events_tell(Events *e, const char *namespace, const char *uid, KubeEventReason reason,
                 const char *note);

/* No warning holds any more in the namespace, or it is gone: what has not been sent yet is not. */
void events_settle(Events *e, const char *namespace);

const EventsStats *events_stats(const Events *e);

/* To be freed before the client. The lanes must not be used after. */
Events *events_free(Events *e);
DEFINE_TRIVIAL_CLEANUP_FUNC(Events *, events_free);
