/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "backoff.h"
#include "bucket.h"
#include "event-book.h"
#include "events.h"
#include "log.h"
#include "message.h"

#include <errno.h>
#include <stdio.h>

#define MERGE_PATCH "application/merge-patch+json"
#define TIMEOUT (15 * USEC_PER_SEC)
#define RESPONSE_MAX (64U * 1024)

#define INTERVAL USEC_PER_SEC
#define BURST 20U
/* They have part of the room that writes have, so that few of those wait where Events hang. */
#define IN_FLIGHT_MAX 4U
#define ROOM_PART 4U

#define TRIES_MAX 3U
static const BackoffPolicy backoff_retry = { .base = 20 * USEC_PER_SEC, .cap = 20 * USEC_PER_SEC };
#define BUSY_PAUSE_MIN USEC_PER_MINUTE

struct Events {
        sd_event *event;
        EventsConfig config;
        KubeClient *client;
        Lanes *lanes;
        char instance[KUBE_EVENT_INSTANCE_MAX + 1];

        EventBook book;
        Bucket bucket;
        unsigned n_in_flight;
        usec_t busy_until; /* CLOCK_BOOTTIME: the API server wants to be left alone */
        bool lacking;      /* the right to write Events is */
        sd_event_source *pump;
        EventsStats stats;
};

const char *events_outcome_to_string(EventsOutcome o)
{
        static const char *const names[_EVENTS_OUTCOME_MAX] = {
                [EVENTS_CREATED] = "created",
                [EVENTS_REPEATED] = "repeated",
                [EVENTS_DROPPED] = "dropped",
                [EVENTS_FAILED] = "failed",
        };

        return names[o];
}

/* --- when it is sent ------------------------------------------------------------------------------- */

static void arm(Events *e, usec_t delay)
{
        (void) sd_event_source_set_time_relative(e->pump, delay);
        (void) sd_event_source_set_enabled(e->pump, SD_EVENT_ONESHOT);
}

static void on_moved(void *userdata)
{
        Events *e = userdata;

        if (e->book.n_queued > 0)
                arm(e, 0);
}

static void drop(Events *e)
{
        e->stats.outcomes[EVENTS_DROPPED] += event_book_drop(&e->book);
}

/* Whether the API server as a whole takes no writes. What goes first after a pause, to see whether it does, is
 * no Event, as those have their turn last; but without others there may be nothing else to go for long. */
static bool is_paused(const Events *e, usec_t now)
{
        return now < e->busy_until || now < e->lanes->pace.paused_until;
}

/* --- the end of a request -------------------------------------------------------------------------- */

static void end_request(EventEntry *n)
{
        Events *e = n->sender;

        e->n_in_flight--;
        n->request = kube_request_free(n->request);
        n->sending = false;
        lanes_end(e->lanes, PACE_NOW);
}

static void finish(Events *e, EventEntry *n, EventsOutcome outcome, usec_t now)
{
        e->stats.outcomes[outcome]++;
        event_book_done(&e->book, n, outcome != EVENTS_FAILED, now);
}

static void lack(Events *e, const KubeStatus *status)
{
        drop(e);
        if (e->lacking)
                return; /* others were on their way */
        e->lacking = true;
        log_event(LOG_WARNING, MESSAGE_EVENTS_LACKING,
                  "Cannot write Events: %s; conflicts and denials are told only here until a reload%s",
                  status->message,
                  status->code == 403 ? ", see RIGHTS in eatr(8)" : " (Kubernetes 1.19 or newer is needed)");
}

/* Not the lanes' affair: Events may have a limit and a storage of their own, for which Secrets do not wait.
 */
static void leave_alone(Events *e, usec_t retry_after, usec_t now)
{
        e->busy_until = now + MAX(retry_after, BUSY_PAUSE_MIN);
        drop(e);
}

static void try_again(Events *e, EventEntry *n, const KubeStatus *status, usec_t now)
{
        log_debug("namespace %s: Event %s: %s", n->namespace, kube_event_reason_to_string(n->reason),
                  status->message);
        n->due = now + backoff_delay(&backoff_retry, ++n->tries, backoff_random());
        if (n->tries >= TRIES_MAX)
                finish(e, n, EVENTS_FAILED, now);
}

static void fail(Events *e, EventEntry *n, HttpOutcome outcome, const KubeStatus *status, usec_t retry_after,
                 usec_t now)
{
        bool no_such_api = outcome == HTTP_NOT_FOUND && !*status->reason;

        if (outcome == HTTP_NOT_FOUND && n->count > 0)
                n->count = 0; /* the API server has forgotten it: it is made anew */
        else if (outcome == HTTP_THROTTLED)
                leave_alone(e, retry_after, now);
        else if (no_such_api || status->denial == KUBE_DENIAL_RIGHTS)
                lack(e, status);
        else if (outcome == HTTP_NOT_FOUND || status->namespace_terminating)
                event_book_forget(&e->book, n);
        else
                try_again(e, n, status, now);
}

static void on_done(KubeRequest *q, HttpOutcome outcome, const KubeStatus *status, void *userdata)
{
        EventEntry *n = userdata;
        Events *e = n->sender;
        usec_t retry_after = kube_request_retry_after(q), now = clock_boottime();

        end_request(n);
        /* One that is there already was made before a restart. */
        if (outcome == HTTP_OK || (outcome == HTTP_CONFLICT && n->count == 0))
                finish(e, n, n->count == 0 ? EVENTS_CREATED : EVENTS_REPEATED, now);
        else
                fail(e, n, outcome, status, retry_after, now);
        arm(e, 0);
}

/* --- sending --------------------------------------------------------------------------------------- */

static int start(Events *e, EventEntry *n, const char *name, const Buf *body)
{
        _cleanup_free_ char *path = NULL;
        KubeRequest *q;
        bool again = *name;
        int r;

        path = str_printf("/apis/events.k8s.io/v1/namespaces/%s/events%s%s?fieldManager=eatr", n->namespace,
                          again ? "/" : "", name);
        if (!path)
                return -ENOMEM;

        const KubeSpec spec = {
                .verb = again ? KUBE_PATCH : KUBE_CREATE,
                .path = path,
                .content_type = again ? MERGE_PATCH : "application/json",
                .body = buf_str(body),
                .body_size = body->size,
                .timeout = TIMEOUT,
                .response_max = RESPONSE_MAX,
        };
        r = kube_client_request(e->client, &spec, on_done, n, &q);
        if (r < 0)
                return r;
        n->request = q;
        n->sending = true;
        e->n_in_flight++;
        lanes_begin(e->lanes, PACE_NOW, clock_boottime());
        return 0;
}

/* Makes an Event, or says of the one that there is that it still is so. */
static int request(Events *e, EventEntry *n)
{
        _cleanup_buf_ Buf body = BUF_INIT(KUBE_EVENT_BODY_MAX);
        char name[KUBE_EVENT_NAME_MAX] = "";
        const KubeEvent event = {
                .namespace = n->namespace,
                .secret = e->config.secret_name,
                .uid = n->uid,
                .reason = n->reason,
                .note = n->note,
                .instance = e->instance,
                .time = clock_now(),
        };
        int r;

        if (n->count == 0)
                r = kube_event_render(&event, &body);
        else {
                r = kube_event_name(&event, name);
                if (r >= 0)
                        r = kube_event_render_series(n->count + 1, event.time, &body);
        }
        return r < 0 ? r : start(e, n, name, &body);
}

static void begin(Events *e, EventEntry *n, usec_t now)
{
        int r;

        bucket_take(&e->bucket, now);
        n->sender = e;
        r = request(e, n);
        if (r < 0) {
                log_debug_errno(r, "namespace %s: cannot send an Event: %m", n->namespace);
                finish(e, n, EVENTS_FAILED, now);
        }
}

/* Whether another one may be sent. If not, the pump is called when it may. */
static bool may_begin(Events *e, usec_t now)
{
        unsigned most = MIN(IN_FLIGHT_MAX, MAX(e->lanes->pace.max_in_flight / ROOM_PART, 1U));
        usec_t until;

        if (e->n_in_flight >= most || !lanes_may_begin(e->lanes, PACE_NOW, now, &until))
                return false;
        if (bucket_may_take(&e->bucket, now, &until))
                return true;
        arm(e, until - now);
        return false;
}

static int on_pump(sd_event_source *s, uint64_t usec, void *userdata)
{
        Events *e = userdata;
        usec_t now = clock_boottime(), until;
        EventEntry *n;

        if (is_paused(e, now))
                drop(e);
        while ((n = event_book_next(&e->book, now, &until))) {
                if (!may_begin(e, now))
                        return 0;
                begin(e, n, now);
        }
        if (until != USEC_INFINITY)
                arm(e, until - now);
        return 0;
}

/* --- what is told ---------------------------------------------------------------------------------- */

void events_tell(Events *e, const char *namespace, const char *uid, KubeEventReason reason, const char *note)
{
        usec_t now = clock_boottime();
        int r;

        if (e->config.off || e->lacking)
                return;
        r = event_book_tell(&e->book, namespace, uid ? uid : "", reason, note, now);
        if (r < 0)
                e->stats.outcomes[EVENTS_DROPPED]++;
        else if (r > 0)
                arm(e, 0);
}

void events_settle(Events *e, const char *namespace)
{
        event_book_settle(&e->book, namespace);
}

const EventsStats *events_stats(const Events *e)
{
        return &e->stats;
}

/* --- the whole ------------------------------------------------------------------------------------- */

/* It has its own turn of the loop, behind all that is about Secrets. */
static int add_pump(Events *e)
{
        int r;

        r = sd_event_add_time(e->event, &e->pump, CLOCK_BOOTTIME, 0, 1, on_pump, e);
        if (r < 0)
                return r;
        r = sd_event_source_set_priority(e->pump, SD_EVENT_PRIORITY_IDLE);
        if (r < 0)
                return r;
        return sd_event_source_set_enabled(e->pump, SD_EVENT_OFF);
}

int events_new(sd_event *event, const EventsConfig *config, KubeClient *client, Lanes *lanes, Events **ret)
{
        _cleanup_(events_freep) Events *e = NULL;
        int r;

        e = calloc(1, sizeof(*e));
        if (!e)
                return -ENOMEM;
        event_book_init(&e->book);
        e->event = sd_event_ref(event);
        e->config = *config;
        e->client = client;
        e->lanes = lanes;
        e->bucket = (Bucket){ .interval = INTERVAL, .burst = BURST };
        if (gethostname(e->instance, sizeof(e->instance) - 1) < 0 || !*e->instance)
                (void) snprintf(e->instance, sizeof(e->instance), PACKAGE_NAME);
        r = add_pump(e);
        if (r < 0)
                return r;
        lanes_add_user(lanes, on_moved, e);
        *ret = TAKE_PTR(e);
        return 0;
}

void events_reload(Events *e, const EventsConfig *config)
{
        e->config = *config;
        e->lacking = false;
}

void events_take_over(Events *e, const Events *old)
{
        e->stats = old->stats;
}

Events *events_free(Events *e)
{
        EventEntry *n;

        if (!e)
                return NULL;
        while ((n = TAILQ_FIRST(&e->book.all))) {
                (void) kube_request_free(n->request);
                event_book_forget(&e->book, n);
        }
        (void) sd_event_source_disable_unref(e->pump);
        (void) sd_event_unref(e->event);
        free(e);
        return NULL;
}
