/* SPDX-License-Identifier: MIT */
#pragma once

#include "kube-event.h"

#include <sys/queue.h>

/* What has been told, or is to be, by Events, of each namespace and for each reason: what is news, and which
 * is next. It holds so many and no more. Pure: times are CLOCK_BOOTTIME and the caller's. */

/* Each can be repeated every 30 min if one a second is. */
#define EVENT_BOOK_MAX 1024U

/* The same is not said again before, and of another Secret in the same namespace, for the same reason. */
#define EVENT_BOOK_REPEAT (30 * USEC_PER_MINUTE)
#define EVENT_BOOK_OTHER USEC_PER_MINUTE

typedef struct EventEntry {
        char *namespace;
        KubeEventReason reason;
        char *uid;              /* of the Secret it is about; "" if there is none, or it is not known */
        char *note;             /* to be sent; NULL: nothing is */
        bool sending;           /* and is on its way */
        unsigned count;         /* how often it was told: the Event is there */
        usec_t told_at;         /* when it was; 0: it is news */
        unsigned tries;         /* that failed in a row */
        usec_t due;             /* not to be sent before */
        void *sender, *request; /* the caller's */
        TAILQ_ENTRY(EventEntry) all;
} EventEntry;

typedef struct EventBook {
        void *by_key;                 /* tsearch(3) */
        TAILQ_HEAD(, EventEntry) all; /* told longest ago first */
        size_t n, n_queued;           /* those with a note, be they on their way or not */
} EventBook;

void event_book_init(EventBook *b);

/* Takes in that it is so, see events_tell(). Returns 1 if it is to be sent, 0 if it is no news, -ENOSPC if
 * there is no room, or -ENOMEM. */
int event_book_tell(EventBook *b, const char *namespace, const char *uid, KubeEventReason reason,
                    const char *note, usec_t now);

/* Nothing that is a warning is to be sent for the namespace any more, but what is on its way. */
void event_book_settle(EventBook *b, const char *namespace);

/* The next to be sent, NULL if there is none; *ret_until is then when there will be, USEC_INFINITY if never.
 */
EventEntry *event_book_next(const EventBook *b, usec_t now, usec_t *ret_until);

/* It was sent, or given up. */
void event_book_done(EventBook *b, EventEntry *n, bool told, usec_t now);

/* Gives up all that is not on its way; told again they are news. Returns how many. */
unsigned event_book_drop(EventBook *b);

/* Takes an entry out and frees it, whose request has ended. */
void event_book_forget(EventBook *b, EventEntry *n);
