/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "backoff.h"
#include "kube-probe.h"
#include "kube-reader.h"
#include "kube-watch.h"
#include "log.h"

#include <errno.h>
#include <stdio.h>

#define ACCEPT_LIST "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
#define ACCEPT_WATCH "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"

#define LIST_TIMEOUT (2 * USEC_PER_MINUTE)
#define CHECK_TIMEOUT (30 * USEC_PER_SEC)

/* The server is asked to end a watch after 5 to 10 minutes; one that it forgets to end is ended here. */
#define WATCH_SECONDS_MIN 300U
#define WATCH_SECONDS_MAX 600U
#define WATCH_GRACE (30 * USEC_PER_SEC)

/* On a connection of its own, as HTTP/1.1's are, no other request tells whether the watch is still connected
 * to anything, and it is begun again this often. */
#define WATCH_ALONE_MAX USEC_PER_MINUTE

/* A watch that ends sooner, without an event, is no success. */
#define WATCH_VERY_SHORT USEC_PER_SEC

/* One that lasted this long makes failures before it history. */
#define WATCH_HEALTHY (2 * USEC_PER_MINUTE)

/* Against whatever a watch may have missed. */
#define RELIST_MIN (6 * USEC_PER_HOUR)
#define RELIST_MAX (12 * USEC_PER_HOUR)

/* Beyond any deadline of its own by this, a watch is stalled. */
#define STALL_GRACE USEC_PER_MINUTE

/* client-go goes up to 30 s because it is on every node; one client a cluster may be there sooner. */
static const BackoffPolicy backoff_policy = { .base = 800 * USEC_PER_MSEC, .cap = 5 * USEC_PER_SEC };
/* Who lacks a right may do so for days; but a server that has just started forbids everything for a moment,
 * to all but system:masters, until it knows the roles. */
static const BackoffPolicy backoff_forbidden = { .base = 800 * USEC_PER_MSEC, .cap = 5 * USEC_PER_MINUTE };

typedef enum WatchState {
        WATCH_WAITING, /* for the timer */
        WATCH_CHECKING,
        WATCH_LISTING,
        WATCH_WATCHING,
        _WATCH_STATE_MAX,
} WatchState;

/* How fresh a list has to be. */
typedef enum ListMode {
        LIST_ANY,        /* resourceVersion=0: from the server's cache, which spares etcd */
        LIST_NOT_OLDER,  /* resourceVersion=<last seen>: from the cache, but not back in time */
        LIST_CONSISTENT, /* resourceVersion=: what is true now */
} ListMode;

struct KubeWatch {
        KubeClient *client; /* nobody else's, see kube-watch.h */
        KubeProbe *probe;
        KubeWatchSpec spec;
        const KubeWatchHandler *handler;
        void *userdata;

        WatchState state;
        KubeRequest *request;
        sd_event_source *timer;
        usec_t deadline; /* CLOCK_BOOTTIME by which this state has to end */
        KubeReader reader;
        ListMode list_mode;
        bool doubtful; /* the server was away, and may have come back from a backup */
        usec_t started, relist_at;
        unsigned failures;
        unsigned expirations; /* watches in a row that were told at once that their version is too old */
        bool synced;
        uint64_t restarts, relists;
};

static usec_t between(usec_t low, usec_t high)
{
        return low + (usec_t) ((double) (high - low) * backoff_random() / UINT32_MAX);
}

static void set_state(KubeWatch *w, WatchState state, usec_t within)
{
        static const char *const names[_WATCH_STATE_MAX] = { "waiting", "checking", "listing", "watching" };

        log_debug("%s: %s", w->spec.collection, names[state]);
        w->state = state;
        w->started = clock_boottime();
        w->deadline = usec_add(w->started, within);
}

static void wait_and_begin(KubeWatch *w, usec_t delay)
{
        w->request = kube_request_free(w->request);
        kube_reader_done(&w->reader);
        set_state(w, WATCH_WAITING, delay);
        (void) sd_event_source_set_time_relative(w->timer, delay);
        (void) sd_event_source_set_enabled(w->timer, SD_EVENT_ONESHOT);
}

static void fail(KubeWatch *w, HttpOutcome outcome, const KubeStatus *status, usec_t retry_after)
{
        const BackoffPolicy *policy = outcome == HTTP_FORBIDDEN ? &backoff_forbidden : &backoff_policy;
        usec_t delay;

        if (w->state == WATCH_WATCHING && usec_sub(clock_boottime(), w->started) > WATCH_HEALTHY)
                w->failures = 0;
        delay = backoff_delay(policy, ++w->failures, backoff_random());
        w->doubtful |= status->code == 0 && w->failures > 1;
        /* Jitter on top, never below what the server asked for. */
        if (retry_after > 0)
                delay = MAX(delay, retry_after + between(0, retry_after / 2));
        w->handler->failed(outcome, status, delay, w->userdata);
        wait_and_begin(w, delay);
}

static void fail_because(KubeWatch *w, const char *why)
{
        KubeStatus status = { 0 };

        (void) snprintf(status.message, sizeof(status.message), "%s", why);
        fail(w, HTTP_RETRY, &status, 0);
}

static void work(KubeWatch *w)
{
        w->failures = 0;
        w->handler->working(w->userdata);
}

/* Begins what this state waits for. path, ours to free, may be NULL for want of memory. */
static int begin_request(KubeWatch *w, WatchState state, char *path, const KubeSpec *spec, kube_done_t done)
{
        _cleanup_free_ char *owned = path;
        KubeSpec whole = *spec;

        if (!owned)
                return -ENOMEM;
        whole.path = owned;
        set_state(w, state, usec_add(spec->timeout, kube_client_delay_max(w->client)));
        return kube_client_request(w->client, &whole, done, w, &w->request);
}

/* Whole objects are asked for as what they are. */
static const char *accept_header(const KubeWatch *w, const char *metadata)
{
        return w->spec.kind ? NULL : metadata;
}

/* --- list ------------------------------------------------------------------------------------------ */

/* Of lists and watches both. */
static int on_data(const void *p, size_t n, void *userdata)
{
        KubeWatch *w = userdata;
        int r;

        r = kube_reader_feed(&w->reader, p, n);
        if (w->reader.alive)
                work(w);
        w->reader.alive = false;
        return r;
}

static void on_list_failed(KubeWatch *w, HttpOutcome outcome, const KubeStatus *status, usec_t retry_after)
{
        /* The server has forgotten that version, or has not come to it: what is true now will do. */
        if (outcome == HTTP_GONE || status->version_too_large)
                w->list_mode = LIST_CONSISTENT;
        fail(w, outcome, status, retry_after);
}

static void on_list_done(KubeRequest *q, HttpOutcome outcome, const KubeStatus *status, void *userdata)
{
        KubeWatch *w = userdata;

        if (w->reader.problem[0]) {
                fail_because(w, w->reader.problem);
                return;
        }
        if (outcome != HTTP_OK) {
                on_list_failed(w, outcome, status, kube_request_retry_after(q));
                return;
        }
        if (!kube_reader_finish_list(&w->reader)) {
                fail_because(w, w->reader.problem);
                return;
        }
        w->doubtful = false;
        w->relists += w->synced;
        w->synced = true;
        w->relist_at = usec_add(clock_boottime(), between(RELIST_MIN, RELIST_MAX));
        w->list_mode = LIST_NOT_OLDER;
        w->handler->list_end(w->userdata);
        work(w);
        wait_and_begin(w, 0);
}

static int begin_list(KubeWatch *w)
{
        const KubeSpec spec = {
                .verb = KUBE_LIST,
                .accept = accept_header(w, ACCEPT_LIST),
                .timeout = LIST_TIMEOUT,
                .on_data = on_data,
                .compressed = !w->spec.secret, /* zlib's memory is wiped by nobody */
        };
        const char *version = w->list_mode == LIST_ANY          ? "0"
                              : w->list_mode == LIST_CONSISTENT ? ""
                                                                : w->reader.version;

        kube_reader_begin_list(&w->reader);
        w->handler->list_begin(w->userdata);
        return begin_request(
                w, WATCH_LISTING,
                str_printf("%s?%sresourceVersion=%s", w->spec.collection, w->spec.query, version), &spec,
                on_list_done);
}

/* --- check ----------------------------------------------------------------------------------------- */

static void on_checked(KubeRequest *q, HttpOutcome outcome, const KubeStatus *status, void *userdata)
{
        KubeWatch *w = userdata;

        if (outcome == HTTP_GONE || status->version_too_large) {
                if (status->version_too_large)
                        log_warning("The API server's versions went back, as after a restore of etcd; "
                                    "reading %s anew",
                                    w->spec.collection);
                w->reader.version[0] = '\0';
        } else if (outcome == HTTP_RETRY || outcome == HTTP_THROTTLED || outcome == HTTP_UNAUTHORIZED) {
                fail(w, outcome, status, kube_request_retry_after(q));
                return;
        }
        w->doubtful = false; /* a refusal says nothing, and the watch will say its own */
        wait_and_begin(w, 0);
}

/* A watch from a version that is yet to come would be silent until it has come. A list of one object, read
 * past the cache, is the cheapest question that shows it. */
static int begin_check(KubeWatch *w)
{
        static const KubeSpec spec = {
                .verb = KUBE_LIST,
                .accept = ACCEPT_LIST,
                .timeout = CHECK_TIMEOUT,
                .response_max = KUBE_STREAM_ITEM_MAX,
        };

        return begin_request(w, WATCH_CHECKING,
                             str_printf("%s?%slimit=1&resourceVersionMatch=NotOlderThan&resourceVersion=%s",
                                        w->spec.collection, w->spec.query, w->reader.version),
                             &spec, on_checked);
}

/* --- watch ----------------------------------------------------------------------------------------- */

/* After an end that is no failure: on from the last version, or anew from a list. */
static void resume(KubeWatch *w)
{
        bool relist = w->reader.expired || clock_boottime() >= w->relist_at;
        usec_t delay = relist ? 0 : between(0, 250 * USEC_PER_MSEC);

        /* A version that has just been listed cannot be too old: servers of one cluster disagree. */
        w->expirations = w->reader.expired && w->reader.events == 0 ? w->expirations + 1 : 0;
        if (w->expirations > 1)
                delay = backoff_delay(&backoff_policy, w->expirations - 1, backoff_random());
        if (relist) {
                log_debug("%s: listing anew", w->spec.collection);
                if (!w->reader.expired || w->expirations > 1)
                        w->list_mode = LIST_CONSISTENT;
                w->relist_at = 0;
        }
        w->reader.expired = false;
        w->restarts++;
        work(w);
        wait_and_begin(w, delay);
}

static void on_watch_done(KubeRequest *q, HttpOutcome outcome, const KubeStatus *status, void *userdata)
{
        KubeWatch *w = userdata;
        bool very_short = usec_sub(clock_boottime(), w->started) < WATCH_VERY_SHORT && w->reader.events == 0;

        if (outcome == HTTP_GONE)
                w->reader.expired = true;
        if (w->reader.expired || (outcome == HTTP_OK && !very_short && kube_reader_finish_watch(&w->reader))) {
                resume(w);
                return;
        }
        w->restarts++;
        if (w->reader.problem[0])
                fail_because(w, w->reader.problem);
        else if (outcome == HTTP_OK)
                fail_because(w, very_short ? "the watch ended at once" : "the watch ended within an event");
        else
                fail(w, outcome, status, kube_request_retry_after(q));
}

/* The server has taken the watch; whether it means it shows in a moment, see on_timer(). */
static void on_watch_open(void *userdata)
{
        KubeWatch *w = userdata;

        (void) sd_event_source_set_time_relative(w->timer, WATCH_VERY_SHORT);
        (void) sd_event_source_set_enabled(w->timer, SD_EVENT_ONESHOT);
}

static int begin_watch(KubeWatch *w)
{
        unsigned seconds = (unsigned) between(WATCH_SECONDS_MIN, WATCH_SECONDS_MAX);
        const KubeSpec spec = {
                .verb = KUBE_WATCH,
                .accept = accept_header(w, ACCEPT_WATCH),
                .timeout = seconds * USEC_PER_SEC + WATCH_GRACE,
                .on_open = on_watch_open,
                .on_data = on_data,
        };

        kube_reader_begin_watch(&w->reader);
        return begin_request(
                w, WATCH_WATCHING,
                str_printf("%s?%swatch=1&allowWatchBookmarks=true&resourceVersion=%s&timeoutSeconds=%u",
                           w->spec.collection, w->spec.query, w->reader.version, seconds),
                &spec, on_watch_done);
}

/* --- the whole ------------------------------------------------------------------------------------- */

static int begin(KubeWatch *w)
{
        if (!w->reader.version[0] || w->relist_at == 0)
                return begin_list(w);
        return w->doubtful ? begin_check(w) : begin_watch(w);
}

static void on_watch_stands(KubeWatch *w)
{
        if (usec_sub(clock_boottime(), w->started) >= WATCH_ALONE_MAX) {
                w->restarts++;
                wait_and_begin(w, 0);
                return;
        }
        w->expirations = 0;
        w->handler->working(w->userdata);
        if (!kube_request_multiplexed(w->request)) {
                (void) sd_event_source_set_time_relative(w->timer, WATCH_ALONE_MAX);
                (void) sd_event_source_set_enabled(w->timer, SD_EVENT_ONESHOT);
        }
}

static int on_timer(sd_event_source *s, uint64_t usec, void *userdata)
{
        KubeWatch *w = userdata;
        int r;

        if (w->state == WATCH_WATCHING) {
                on_watch_stands(w);
                return 0;
        }
        r = begin(w);
        if (r < 0)
                fail_because(w, strerror(-r));
        return 0;
}

int kube_watch_new(sd_event *event, KubeAuth *auth, KubeStats *stats, const KubeWatchSpec *spec,
                   const KubeWatchHandler *handler, void *userdata, KubeWatch **ret)
{
        _cleanup_(kube_watch_freep) KubeWatch *w = NULL;
        int r;

        w = calloc(1, sizeof(*w));
        if (!w)
                return -ENOMEM;
        w->spec = *spec;
        if (!w->spec.query)
                w->spec.query = "";
        w->handler = handler;
        w->userdata = userdata;
        w->reader = (KubeReader){ .collection = spec->collection,
                                  .kind = spec->kind,
                                  .secret = spec->secret,
                                  .seen = handler->seen,
                                  .gone = handler->gone,
                                  .userdata = userdata };
        r = kube_client_new(event, auth, stats, &w->client);
        if (r < 0)
                return r;
        r = kube_probe_new(event, w->client, &w->probe);
        if (r < 0)
                return r;
        r = sd_event_add_time_relative(event, &w->timer, CLOCK_BOOTTIME, 0, 1, on_timer, w);
        if (r < 0)
                return r;
        set_state(w, WATCH_WAITING, 0);
        *ret = TAKE_PTR(w);
        return 0;
}

void kube_watch_hurry(KubeWatch *w)
{
        if (w->state != WATCH_WAITING)
                return;
        (void) sd_event_source_set_time_relative(w->timer, 0);
        (void) sd_event_source_set_enabled(w->timer, SD_EVENT_ONESHOT);
}

void kube_watch_relist(KubeWatch *w)
{
        w->relist_at = 0;
        if (w->state == WATCH_WAITING)
                return;
        w->restarts += w->state == WATCH_WATCHING;
        wait_and_begin(w, 0);
}

bool kube_watch_synced(const KubeWatch *w)
{
        return w->synced;
}

uint64_t kube_watch_restarts(const KubeWatch *w)
{
        return w->restarts;
}

uint64_t kube_watch_relists(const KubeWatch *w)
{
        return w->relists;
}

bool kube_watch_stalled(const KubeWatch *w, usec_t now)
{
        return now > usec_add(w->deadline, STALL_GRACE);
}

KubeWatch *kube_watch_free(KubeWatch *w)
{
        if (!w)
                return NULL;
        (void) kube_request_free(w->request);
        kube_reader_done(&w->reader);
        (void) kube_probe_free(w->probe);
        (void) kube_client_free(w->client);
        (void) sd_event_source_disable_unref(w->timer);
        free(w);
        return NULL;
}
