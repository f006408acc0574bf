/* SPDX-License-Identifier: MIT */
#pragma once

#include "kube-watch.h"

/* A watched collection, and whether it can be read at the moment, which it logs: when it no longer can, or
 * cannot for another reason, and when it can again. */

typedef struct Collection Collection;

/* The strings have to outlive the collection. */
typedef struct CollectionSpec {
        const char *what;  /* for messages, "namespaces" */
        const char *path;  /* "/api/v1/namespaces" */
        const char *kind;  /* see KubeWatchSpec */
        const char *name;  /* of the objects that are read, which needs no quoting; NULL: all */
        bool extra_rights; /* not everybody grants what it takes: a message says where that is described */
} CollectionSpec;

/* See KubeWatchHandler for the first four. All are needed. */
typedef struct CollectionHandler {
        void (*list_begin)(void *userdata);
        void (*seen)(const cJSON *object, void *userdata);
        void (*gone)(const cJSON *object, void *userdata);
        void (*list_end)(void *userdata);

        /* Reading works again, or has failed once more. */
        void (*works_again)(void *userdata);
        void (*failed)(void *userdata);
} CollectionHandler;

/* What is handed in has to outlive the collection, but for the spec itself. See kube_watch_new(). */
int collection_new(sd_event *event, KubeAuth *auth, KubeStats *stats, const CollectionSpec *spec,
                   const CollectionHandler *handler, void *userdata, Collection **ret);

/* Whether what is seen is part of a list. */
bool collection_is_listing(const Collection *c);

/* Why it cannot be read at the moment, "" if it can; how often in a row it could not; and whether the last
 * time was for want of rights. */
const char *collection_error(const Collection *c);
unsigned collection_failures(const Collection *c);
bool collection_is_forbidden(const Collection *c);

/* For all that is a matter of the watch. */
KubeWatch *collection_watch(const Collection *c);

Collection *collection_free(Collection *c);
DEFINE_TRIVIAL_CLEANUP_FUNC(Collection *, collection_free);
