/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "event-book.h"

#include <errno.h>
#include <search.h>

/* The API server forgets an Event after that (--event-ttl). */
#define EVENT_LIFE USEC_PER_HOUR

void event_book_init(EventBook *b)
{
        *b = (EventBook){ 0 };
        TAILQ_INIT(&b->all);
}

static int compare_entries(const void *a, const void *b)
{
        const EventEntry *one = a, *other = b;
        int r = strcmp(one->namespace, other->namespace);

        return r != 0 ? r : (int) one->reason - (int) other->reason;
}

static EventEntry *find(const EventBook *b, const char *namespace, KubeEventReason reason)
{
        EventEntry key = { .namespace = (char *) namespace, .reason = reason };
        EventEntry *const *found = tfind(&key, &b->by_key, compare_entries);

        return found ? *found : NULL;
}

static void unqueue(EventBook *b, EventEntry *n)
{
        b->n_queued -= n->note != NULL;
        n->sending = false;
        free(n->note);
        n->note = NULL;
}

static EventEntry *entry_free(EventEntry *n)
{
        free(n->namespace);
        free(n->uid);
        free(n);
        return NULL;
}

void event_book_forget(EventBook *b, EventEntry *n)
{
        unqueue(b, n);
        (void) tdelete(n, &b->by_key, compare_entries);
        TAILQ_REMOVE(&b->all, n, all);
        b->n--;
        (void) entry_free(n);
}

/* What the API server has forgotten need not be remembered. */
static bool make_room(EventBook *b, usec_t now)
{
        EventEntry *first = TAILQ_FIRST(&b->all);

        if (b->n < EVENT_BOOK_MAX)
                return true;
        if (first->note || now < first->told_at + EVENT_LIFE)
                return false;
        event_book_forget(b, first);
        return true;
}

static EventEntry *add(EventBook *b, const char *namespace, KubeEventReason reason)
{
        EventEntry *n = calloc(1, sizeof(*n));

        if (!n)
                return NULL;
        n->reason = reason;
        n->namespace = strdup(namespace);
        n->uid = strdup("");
        if (!n->namespace || !n->uid || !tsearch(n, &b->by_key, compare_entries))
                return entry_free(n);
        TAILQ_INSERT_TAIL(&b->all, n, all);
        b->n++;
        return n;
}

/* Whoever fights over a Secret may make it anew each time: it is one fight. */
static bool is_same(const EventEntry *n, const char *uid)
{
        return streq(n->uid, uid) || n->reason == KUBE_EVENT_FIGHTING;
}

static bool is_news(const EventEntry *n, const char *uid, usec_t now)
{
        usec_t interval = is_same(n, uid) ? EVENT_BOOK_REPEAT : EVENT_BOOK_OTHER;

        return !n->note && (n->told_at == 0 || now >= n->told_at + interval);
}

static int queue(EventBook *b, EventEntry *n, const char *uid, const char *note)
{
        if (n->count == 0 || !is_same(n, uid)) {
                n->count = 0;
                if (str_replace(&n->uid, uid) < 0)
                        return -ENOMEM;
        }
        if (str_replace(&n->note, note) < 0)
                return -ENOMEM;
        n->tries = 0;
        n->due = 0;
        b->n_queued++;
        return 1;
}

int event_book_tell(EventBook *b, const char *namespace, const char *uid, KubeEventReason reason,
                    const char *note, usec_t now)
{
        EventEntry *n = find(b, namespace, reason);

        if (n && !is_news(n, uid, now))
                return 0;
        if (!n && !make_room(b, now))
                return -ENOSPC;
        if (!n)
                n = add(b, namespace, reason);
        return n ? queue(b, n, uid, note) : -ENOMEM;
}

void event_book_settle(EventBook *b, const char *namespace)
{
        for (KubeEventReason r = 0; r < _KUBE_EVENT_REASON_MAX && b->n_queued > 0; r++) {
                EventEntry *n = kube_event_is_warning(r) ? find(b, namespace, r) : NULL;

                if (n && !n->sending)
                        unqueue(b, n);
        }
}

EventEntry *event_book_next(const EventBook *b, usec_t now, usec_t *ret_until)
{
        EventEntry *n;

        *ret_until = USEC_INFINITY;
        TAILQ_FOREACH (n, &b->all, all) {
                if (!n->note || n->sending)
                        continue;
                if (n->due <= now)
                        return n;
                *ret_until = MIN(*ret_until, n->due);
        }
        return NULL;
}

void event_book_done(EventBook *b, EventEntry *n, bool told, usec_t now)
{
        unqueue(b, n);
        n->count += told;
        n->told_at = now;
        TAILQ_REMOVE(&b->all, n, all);
        TAILQ_INSERT_TAIL(&b->all, n, all);
}

unsigned event_book_drop(EventBook *b)
{
        EventEntry *n;
        unsigned dropped = 0;

        TAILQ_FOREACH (n, &b->all, all) {
                if (!n->note || n->sending)
                        continue;
                unqueue(b, n);
                n->told_at = 0;
                dropped++;
        }
        return dropped;
}
