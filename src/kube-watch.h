/* SPDX-License-Identifier: MIT */
#pragma once

#include "json.h"
#include "kube-client.h"

/* A reflector: keeps its owner told of one collection by LIST and WATCH, for ever. What a gap hid is
 * repaired by a new LIST, never by special code. Behaviour after client-go's tools/cache/reflector.go.
 *
 * Each has a connection of its own. Over HTTP/2 libcurl 7.88 may put aside the end of a long answer that it
 * took from the socket while it read another stream, and not look at it before something else comes in
 * (cf_h2_data_pending() in its lib/http2.c compares the wrong way round): of two lists that shared a
 * connection one would stand still now and then. */

typedef struct KubeWatch KubeWatch;

/* What is watched. The strings have to outlive the watch. */
typedef struct KubeWatchSpec {
        const char *collection; /* its path, "/api/v1/namespaces" */
        const char *query; /* what is in front of further parameters, "fieldSelector=metadata.name%3Decr&";
                              NULL: nothing */
        const char *kind;  /* of whole objects, data and all: "Secret"; NULL: metadata only */
        bool secret;       /* what comes in is wiped, and therefore not compressed */
} KubeWatchSpec;

typedef struct KubeWatchHandler {
        /* A list begins: what is known may be out of date. */
        void (*list_begin)(void *userdata);

        /* The object is there; object is its PartialObjectMetadata or, if the spec says so, all of it, valid
         * during the call. In a list a whole object need not have a kind. */
        void (*seen)(const cJSON *object, void *userdata);

        /* The object was deleted, or no longer fits the query. */
        void (*gone)(const cJSON *object, void *userdata);

        /* The list is complete: what was not seen since list_begin is gone. */
        void (*list_end)(void *userdata);

        /* Reading works: a list is complete, or a watch has stood for a second or brought something. */
        void (*working)(void *userdata);

        /* A list or a watch failed; it is tried again in retry. status tells why. Called for each try. */
        void (*failed)(HttpOutcome outcome, const KubeStatus *status, usec_t retry, void *userdata);
} KubeWatchHandler;

/* Handlers are called from the event loop, while the connection is being read: they record, and start
 * nothing. All that is handed in has to outlive the watch, but for the spec itself. Begins at once. Returns
 * 0 or a negative errno. */
int kube_watch_new(sd_event *event, KubeAuth *auth, KubeStats *stats, const KubeWatchSpec *spec,
                   const KubeWatchHandler *handler, void *userdata, KubeWatch **ret);

/* Ends a wait after a failure: there is reason to believe that the server is back. */
void kube_watch_hurry(KubeWatch *w);

/* Has all be listed anew, from the server's cache, and then watched on: more has to be known of each object
 * than was made of it when it was seen. A wait after a failure goes on. */
void kube_watch_relist(KubeWatch *w);

/* Whether a list has been completed since the start. */
bool kube_watch_synced(const KubeWatch *w);

/* How often a watch was begun again after the first, and lists were read after the first. */
uint64_t kube_watch_restarts(const KubeWatch *w);
uint64_t kube_watch_relists(const KubeWatch *w);

/* Whether something that should have happened long ago has not: no request is under way and the timer for
 * the next one is overdue, or one is under way beyond its time. now is CLOCK_BOOTTIME. */
bool kube_watch_stalled(const KubeWatch *w, usec_t now);

KubeWatch *kube_watch_free(KubeWatch *w);
DEFINE_TRIVIAL_CLEANUP_FUNC(KubeWatch *, kube_watch_free);
