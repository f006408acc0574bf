/* SPDX-License-Identifier: MIT */
#pragma once

#include "conf.h"
#include "events.h"
#include "lanes.h"
#include "targets.h"

#include <systemd/sd-event.h>

/* Plans what is dirty, and writes or deletes as planned: the one way by which any Secret is changed. New
 * namespaces and heals go at once, all else at a pace, and an answer plans its namespace again. */

typedef struct Writer Writer;

typedef struct WriterConfig {
        const char *secret_name;
        KubeSecretExtras extras; /* that each Secret carries */
        const ConfRenewal *renewal;
        ConfConflict on_conflict;
        ConfExclude on_exclude;
        bool dry_run; /* say what would be written, and write nothing */
} WriterConfig;

typedef struct WriterStats {
        uint64_t created;      /* Secrets: the API answered 201 */
        uint64_t renewed;      /* Secrets given new tokens in place */
        uint64_t healed;       /* writes because a Secret had been deleted or edited */
        uint64_t adopted;      /* other people's Secrets that eatr has taken over */
        uint64_t recreated;    /* Secrets that could not be changed, and were deleted for a new one */
        uint64_t deleted;      /* Secrets deleted because their namespaces had been excluded */
        uint64_t fights;       /* how often somebody began to undo what eatr writes again and again */
        uint64_t failed;       /* writes and deletes that failed */
        usec_t last_write;     /* CLOCK_REALTIME of the last that succeeded; 0: none */
        KubeHistogram latency; /* from the event that showed a new namespace to its Secret */
} WriterStats;

/* Something that is worth showing changed. May not free the writer. */
typedef void (*writer_changed_t)(void *userdata);

/* What it works with. */
typedef struct WriterParts {
        Targets *targets;
        KubeClient *client;
        Lanes *lanes;   /* which the writer becomes a user of */
        Events *events; /* NULL: none are written */
} WriterParts;

/* What is handed in, and what config points to, has to outlive the writer. It does nothing before
 * writer_start(). Returns 0 or a negative errno. */
int writer_new(sd_event *event, const WriterConfig *config, const WriterParts *parts,
               writer_changed_t changed, void *userdata, Writer **ret);

/* Takes another configuration, whose secret_name has to be the same; every namespace is dirty. */
void writer_reload(Writer *w, const WriterConfig *config);

/* Counts on from what another one has counted. */
void writer_take_over(Writer *w, const Writer *old);

/* From now on the table is complete, and what is missing in it is missing in the cluster. */
void writer_start(Writer *w);

/* No write begins any more; changed is called as those that are under way end. */
void writer_stop(Writer *w);

/* Makes these what is written from now on, and every namespace dirty. Returns 0, or a negative errno with
 * the old ones in force. */
int writer_set_auths(Writer *w, Auths *auths);

/* Has a node planned, soon. Cheap; for any change. */
void writer_mark_dirty(Writer *w, Node *n);

/* The same for every namespace there is. */
void writer_mark_all_dirty(Writer *w);

/* Drops a node whose namespace is gone, with the write that may be in flight. While its Secret is there,
 * which may be that of a new namespace of the same name, all is dropped but that. */
void writer_drop(Writer *w, Node *n);

/* What is written at the moment; NULL: nothing yet. */
const Auths *writer_auths(const Writer *w);

const WriterStats *writer_stats(const Writer *w);

/* Whether a node that should have been looked at has not been, for long. now is CLOCK_BOOTTIME. */
bool writer_stalled(const Writer *w, usec_t now);

/* The targets have to be freed before, as they hold its requests, and the lanes must not be used after. */
Writer *writer_free(Writer *w);
DEFINE_TRIVIAL_CLEANUP_FUNC(Writer *, writer_free);
