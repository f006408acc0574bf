/* SPDX-License-Identifier: MIT */
#pragma once

#include "buf.h"

/* Cuts what an API server streams into objects, so that memory holds one object and never a whole list.
 * Pure. */

/* Largest single object. etcd takes 1.5 MiB, and mostly metadata is asked for; what is larger is somebody's
 * joke, made of characters that JSON writes as six. It is left out: nobody's Secret may depend on what
 * others have in their namespaces. */
#define KUBE_STREAM_ITEM_MAX (2U * 1024 * 1024)

typedef enum KubeStreamMode {
        KUBE_STREAM_LIST,  /* one object with "items": [...]; each element is an item */
        KUBE_STREAM_WATCH, /* one JSON object a line, each an item */
} KubeStreamMode;

/* Called with each item's text; a negative errno ends the stream. */
typedef int (*kube_stream_item_t)(const char *p, size_t n, void *userdata);

typedef struct KubeStream {
        KubeStreamMode mode;
        kube_stream_item_t item;
        void *userdata;
        Buf current;  /* the item that is being gathered */
        Buf envelope; /* a list without the elements of its items */
        unsigned depth;
        bool in_string, escaped, in_items, done;
        bool skipping;    /* the current item is too large */
        uint64_t skipped; /* items that were */
        char key[8];      /* start of the last string at depth 1 */
        size_t key_size;
} KubeStream;

void kube_stream_init(KubeStream *s, KubeStreamMode mode, kube_stream_item_t item, void *userdata);

/* Has the memory of objects wiped when they are done with: they are Secrets, with their data. */
void kube_stream_wipe(KubeStream *s);

/* Takes the next bytes. Returns 0, -EMSGSIZE for a list's envelope of more than 64 KiB, -EBADMSG for what
 * cannot be JSON, or what the callback returned. */
int kube_stream_feed(KubeStream *s, const void *p, size_t n);

/* Says whether the stream ended where it may: 0 or -EBADMSG. */
int kube_stream_finish(const KubeStream *s);

void kube_stream_done(KubeStream *s);
