/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "kube-client.h"
#include "kube-headers.h"
#include "kube-server.h"

#include <errno.h>
#include <stdio.h>

#define RETRY_AFTER_MAX USEC_PER_MINUTE

/* The connections that were made with one client certificate. Requests that are under way when there is
 * another certificate end on them. */
typedef struct Connections {
        unsigned n_ref;
        HttpClient *http;
        uint64_t generation; /* of the certificate */
} Connections;

struct KubeClient {
        sd_event *event;
        KubeAuth *auth;
        KubeStats *stats;
        Connections *connections; /* for new requests; NULL: none yet */
};

struct KubeRequest {
        KubeClient *client;
        KubeSpec spec; /* with copies of path and body: it may have to wait, or to be repeated */
        char *path;
        Buf body;
        kube_done_t done;
        void *userdata;

        KubeAuthWait *wait;
        Connections *connections;
        HttpRequest *http;   /* NULL: it has not been sent */
        uint64_t generation; /* of the identity with which it was */
        bool repeated;
};

const char *kube_verb_to_string(KubeVerb v)
{
        static const char *const names[_KUBE_VERB_MAX] = {
                [KUBE_GET] = "get",       [KUBE_LIST] = "list",   [KUBE_WATCH] = "watch",
                [KUBE_APPLY] = "apply",   [KUBE_PATCH] = "patch", [KUBE_CREATE] = "create",
                [KUBE_DELETE] = "delete", [KUBE_PROBE] = "probe",
        };

        return names[v];
}

static const char *verb_method(KubeVerb v)
{
        switch (v) {
        case KUBE_APPLY:
        case KUBE_PATCH:
                return "PATCH";
        case KUBE_CREATE:
                return "POST";
        case KUBE_DELETE:
                return "DELETE";
        default:
                return "GET";
        }
}

/* --- counting -------------------------------------------------------------------------------------- */

const usec_t kube_latency_bounds[KUBE_LATENCY_BUCKETS] = {
        5 * USEC_PER_MSEC,   10 * USEC_PER_MSEC,  25 * USEC_PER_MSEC,  50 * USEC_PER_MSEC,
        100 * USEC_PER_MSEC, 250 * USEC_PER_MSEC, 500 * USEC_PER_MSEC, 1 * USEC_PER_SEC,
        5 * USEC_PER_SEC,    30 * USEC_PER_SEC,
};

void kube_histogram_add(KubeHistogram *h, usec_t value)
{
        size_t i = 0;

        while (i < KUBE_LATENCY_BUCKETS && value > kube_latency_bounds[i])
                i++;
        h->buckets[i]++;
        h->count++;
        h->sum += value;
}

static void stats_count(KubeStats *s, KubeVerb verb, long code)
{
        size_t i;

        for (i = 0; i < s->n_requests; i++)
                if (s->requests[i].verb == verb && s->requests[i].code == code)
                        break;
        if (i == KUBE_STATS_CODES)
                i--;
        else if (i == s->n_requests) {
                s->requests[i].verb = verb;
                s->requests[i].code = code;
                s->n_requests++;
        }
        s->requests[i].count++;
}

/* --- connections ----------------------------------------------------------------------------------- */

static Connections *connections_unref(Connections *c)
{
        if (!c || --c->n_ref > 0)
                return NULL;
        (void) http_client_free(c->http);
        free(c);
        return NULL;
}

static int connections_new(KubeClient *client, const KubeIdentity *identity, Connections **ret)
{
        const KubeConfig *config = kube_auth_config(client->auth);
        const HttpPeer peer = {
                .ca = config->ca,
                .client_certificate = (char *) identity->client_certificate,
                .client_key = (char *) identity->client_key,
                .server_name = config->tls_server_name,
                .insecure = config->insecure_skip_tls_verify,
                .proxy = config->proxy_url,
                .no_proxy = !config->proxy_url && kube_server_is_local(config->server),
                .remote_names = true,
        };
        Connections *c = calloc(1, sizeof(*c));
        int r;

        if (!c)
                return -ENOMEM;
        c->n_ref = 1;
        c->generation = identity->certificate_generation;
        r = http_client_new(client->event, &peer, &c->http);
        if (r < 0)
                free(c);
        else
                *ret = c;
        return r;
}

/* A new token goes over the old connections, a new certificate needs new ones. */
static int connect_as(KubeClient *c, const KubeIdentity *identity)
{
        Connections *new;
        int r;

        if (c->connections && c->connections->generation == identity->certificate_generation)
                return 0;
        r = connections_new(c, identity, &new);
        if (r < 0)
                return r;
        (void) connections_unref(c->connections);
        c->connections = new;
        return 0;
}

/* --- requests -------------------------------------------------------------------------------------- */

static void on_open(void *userdata)
{
        KubeRequest *q = userdata;

        q->spec.on_open(q->userdata);
}

static int on_data(const void *p, size_t n, void *userdata)
{
        KubeRequest *q = userdata;

        return q->spec.on_data(p, n, q->userdata);
}

/* Ends it without an answer. */
static void give_up(KubeRequest *q, const char *why)
{
        KubeStatus status;

        stats_count(q->client->stats, q->spec.verb, 0);
        kube_status_read(0, NULL, 0, why, &status);
        q->done(q, HTTP_RETRY, &status, q->userdata);
}

static void take_answer(KubeRequest *q, HttpOutcome outcome)
{
        const Buf *body = http_request_body(q->http);
        KubeStatus status = { .code = http_request_status(q->http) };

        if (*http_request_error(q->http))
                status.code = 0; /* it began, but did not come to its end */
        if (outcome != HTTP_OK)
                kube_status_read(status.code, buf_str(body), body->size, http_request_error(q->http),
                                 &status);
        q->done(q, outcome, &status, q->userdata);
}

static int send_or_wait(KubeRequest *q);

/* Returns whether it goes on with another identity. */
static bool repeat(KubeRequest *q)
{
        if (!kube_auth_refused(q->client->auth, q->generation) || q->repeated)
                return false;
        q->repeated = true;
        return send_or_wait(q) >= 0;
}

static void on_done(HttpRequest *http, HttpOutcome outcome, void *userdata)
{
        KubeRequest *q = userdata;
        KubeClient *c = q->client;
        long code = *http_request_error(http) ? 0 : http_request_status(http);

        stats_count(c->stats, q->spec.verb, code);
        if (q->spec.verb == KUBE_APPLY)
                kube_histogram_add(&c->stats->writes, http_request_duration(http));
        if (outcome == HTTP_UNAUTHORIZED) {
                if (repeat(q))
                        return;
        } else if (code > 0 && code < 500) /* which a gateway says without a look at it */
                kube_auth_accepted(c->auth, q->generation);
        take_answer(q, outcome);
}

/* What is left of the time when it is repeated: waiting for credentials does not count. */
static usec_t time_left(const KubeRequest *q)
{
        if (q->spec.timeout == 0 || !q->http)
                return q->spec.timeout;
        return MAX(usec_sub(q->spec.timeout, http_request_duration(q->http)), USEC_PER_SEC);
}

static void drop_sent(KubeRequest *q)
{
        q->http = http_request_free(q->http);
        q->connections = connections_unref(q->connections);
}

static int start(KubeRequest *q, const KubeIdentity *identity)
{
        const KubeConfig *config = kube_auth_config(q->client->auth);
        _cleanup_(kube_headers_freep) char **headers = NULL;
        Connections *c = q->client->connections;
        const KubeSpec *spec = &q->spec;
        _cleanup_free_ char *url = NULL;
        HttpRequest *sent;
        int r;

        url = str_printf("%s%s", config->server, spec->path);
        if (!url)
                return -ENOMEM;
        r = kube_headers_make(config, identity->token, spec->accept ? spec->accept : "application/json",
                              spec->content_type, &headers);
        if (r < 0)
                return r;

        HttpSpec http = {
                .method = verb_method(spec->verb),
                .url = url,
                .headers = (const char *const *) headers,
                .body = spec->body,
                .body_size = spec->body_size,
                .timeout = time_left(q),
                .response_max = MAX(spec->response_max, KUBE_STATUS_MAX),
                .compressed = spec->compressed && !config->disable_compression,
                .on_open = spec->on_open ? on_open : NULL,
                .on_data = spec->on_data ? on_data : NULL,
        };
        r = http_request_start(c->http, &http, on_done, q, &sent);
        if (r < 0)
                return r;
        drop_sent(q);
        q->http = sent;
        q->connections = c;
        q->generation = identity->generation;
        c->n_ref++;
        return 0;
}

static int send_as(KubeRequest *q, const KubeIdentity *identity)
{
        int r = connect_as(q->client, identity);

        return r < 0 ? r : start(q, identity);
}

static void on_waited(const char *problem, void *userdata)
{
        char why[sizeof(((KubeStatus *) NULL)->message)];
        KubeRequest *q = userdata;
        KubeIdentity identity;
        int r;

        q->wait = kube_auth_wait_free(q->wait);
        (void) kube_auth_identity(q->client->auth, &identity);
        if (problem) {
                (void) snprintf(why, sizeof(why), "cannot get credentials: %s", problem);
                give_up(q, why);
        } else if (q->repeated && identity.generation == q->generation)
                take_answer(q, HTTP_UNAUTHORIZED);
        else {
                r = send_as(q, &identity);
                if (r < 0)
                        give_up(q, strerror(-r));
        }
}

static int send_or_wait(KubeRequest *q)
{
        KubeIdentity identity;

        if (kube_auth_identity(q->client->auth, &identity))
                return send_as(q, &identity);
        if (q->spec.verb == KUBE_PROBE)
                return -EAGAIN;
        return kube_auth_wait(q->client->auth, on_waited, q, &q->wait);
}

static int copy_spec(KubeRequest *q, const KubeSpec *spec)
{
        int r;

        q->spec = *spec;
        q->spec.path = q->path = strdup(spec->path);
        if (!q->path)
                return -ENOMEM;
        q->body = BUF_INIT_SECRET(spec->body_size);
        r = buf_append(&q->body, spec->body, spec->body_size);
        q->spec.body = spec->body ? buf_str(&q->body) : NULL;
        return r;
}

int kube_client_request(KubeClient *c, const KubeSpec *spec, kube_done_t done, void *userdata,
                        KubeRequest **ret)
{
        _cleanup_(kube_request_freep) KubeRequest *q = NULL;
        int r;

        q = calloc(1, sizeof(*q));
        if (!q)
                return -ENOMEM;
        q->client = c;
        q->done = done;
        q->userdata = userdata;
        r = copy_spec(q, spec);
        if (r < 0)
                return r;
        r = send_or_wait(q);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(q);
        return 0;
}

const Buf *kube_request_body(const KubeRequest *q)
{
        static const Buf nothing = BUF_INIT(0);

        return q->http ? http_request_body(q->http) : &nothing;
}

usec_t kube_request_retry_after(const KubeRequest *q)
{
        return q->http ? MIN(http_request_retry_after(q->http), RETRY_AFTER_MAX) : 0;
}

bool kube_request_multiplexed(const KubeRequest *q)
{
        return q->http && http_request_multiplexed(q->http);
}

KubeRequest *kube_request_free(KubeRequest *q)
{
        if (!q)
                return NULL;
        drop_sent(q);
        (void) kube_auth_wait_free(q->wait);
        buf_done(&q->body);
        free(q->path);
        free(q);
        return NULL;
}

/* --- the client ------------------------------------------------------------------------------------ */

int kube_client_new(sd_event *event, KubeAuth *auth, KubeStats *stats, KubeClient **ret)
{
        KubeClient *c;

        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        c->event = sd_event_ref(event);
        c->auth = auth;
        c->stats = stats;
        *ret = c;
        return 0;
}

usec_t kube_client_delay_max(const KubeClient *c)
{
        return kube_auth_fetches(c->auth) ? 2 * KUBE_AUTH_WAIT_MAX : 0;
}

usec_t kube_client_last_activity(const KubeClient *c)
{
        return c->connections ? http_client_last_activity(c->connections->http) : 0;
}

KubeClient *kube_client_free(KubeClient *c)
{
        if (!c)
                return NULL;
        (void) connections_unref(c->connections);
        (void) sd_event_unref(c->event);
        free(c);
        return NULL;
}
