/* SPDX-License-Identifier: MIT */
#pragma once

#include "json.h"
#include "kube-stream.h"

/* Reads what an API server sends of one collection, list after watch after list, and keeps in mind from
 * where the next watch goes on. It asks for nothing. */

/* Largest resourceVersion that is kept. */
#define KUBE_READER_VERSION_MAX 64U

/* The object is valid during the call. */
typedef void (*kube_reader_object_t)(const cJSON *object, void *userdata);

/* What is read-only for others, but for what begins with "to reset". */
typedef struct KubeReader {
        const char *collection;    /* for messages */
        const char *kind;          /* of whole objects; NULL: metadata only */
        bool secret;               /* the memory that they are read in is wiped */
        kube_reader_object_t seen; /* in a list, or new or changed in a watch */
        kube_reader_object_t gone;
        void *userdata;

        KubeStream stream;
        bool left_out;                         /* an object of this list or watch could not be read */
        char version[KUBE_READER_VERSION_MAX]; /* resourceVersion of the last thing read; "": unknown; to
                                                  reset */
        bool expired;                          /* the watch said that version is too old; to reset */
        char problem[256];                     /* what is wrong with what came in; "" if nothing */
        uint64_t events;                       /* of this list or watch */
        bool alive;                            /* a good event came in; to reset */
} KubeReader;

/* Another list, or a watch, begins. */
void kube_reader_begin_list(KubeReader *r);
void kube_reader_begin_watch(KubeReader *r);

/* Takes the next piece. Returns 0, or a negative errno when it is of no use to go on: r->problem tells why,
 * or r->expired. */
int kube_reader_feed(KubeReader *r, const void *p, size_t n);

/* The list is to be complete, which r->version is then of. Returns whether it is, else r->problem tells. */
bool kube_reader_finish_list(KubeReader *r);

/* Whether the watch does not end within an event. */
bool kube_reader_finish_watch(KubeReader *r);

/* Frees the stream; it can begin again. */
void kube_reader_done(KubeReader *r);
