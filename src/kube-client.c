/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "encode.h"
#include "json.h"
#include "kube-client.h"
#include "log.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>

#define STATUS_MAX (64U * 1024)

/* Of an answer that is no Status. */
#define PLAIN_MAX 200U

#define RETRY_AFTER_MAX USEC_PER_MINUTE

struct KubeClient {
        HttpClient *http;
        KubeAuth *auth;
        KubeStats *stats;
};

struct KubeRequest {
        KubeClient *client;
        HttpRequest *http;
        KubeVerb verb;
        kube_done_t done;
        http_open_t on_open;
        http_data_t on_data;
        void *userdata;
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

/* --- Status ---------------------------------------------------------------------------------------- */

static void read_causes(const cJSON *status, KubeStatus *ret)
{
        JSON_FOREACH (cause, json_get(json_get(status, "details"), "causes")) {
                const char *reason = json_string(cause, "reason");

                if (!reason)
                        continue;
                ret->namespace_terminating |= streq(reason, "NamespaceTerminating");
                ret->version_too_large |= streq(reason, "ResourceVersionTooLarge");
        }
}

/* Proxies answer with pages and priority-and-fairness with plain text: the first line of that will do. */
static void read_plain(const char *body, size_t size, KubeStatus *ret)
{
        size_t n = 0;

        while (size > 0 && isspace((unsigned char) *body)) {
                body++;
                size--;
        }
        while (n < size && body[n] && body[n] != '\r' && body[n] != '\n')
                n++;
        if (n == 0 || *body == '<')
                (void) snprintf(ret->message, sizeof(ret->message), "HTTP status %ld%s", ret->code,
                                n > 0 ? " with a page that is not the API server's" : "");
        else
                (void) snprintf(ret->message, sizeof(ret->message), "HTTP status %ld: %.*s", ret->code,
                                str_fit(body, n, PLAIN_MAX), body);
}

void kube_status_read(long code, const char *body, size_t size, const char *transport_error, KubeStatus *ret)
{
        _cleanup_json_ cJSON *j = NULL;
        const char *reason, *message;

        *ret = (KubeStatus){ .code = code };
        if (code == 0) {
                (void) snprintf(ret->message, sizeof(ret->message), "%s",
                                str_empty(transport_error) ? "no answer" : transport_error);
                return;
        }
        if (json_parse(body, size, STATUS_MAX, &j) >= 0)
                read_causes(j, ret);
        reason = json_string(j, "reason");
        message = json_string(j, "message");
        (void) snprintf(ret->reason, sizeof(ret->reason), "%s", reason ? reason : "");
        if (str_empty(message)) {
                read_plain(body, size, ret);
                return;
        }
        (void) snprintf(ret->message, sizeof(ret->message), "%.*s",
                        str_fit(message, strlen(message), sizeof(ret->message) - 1), message);
        ret->immutable = code == 422 && strstr(message, "field is immutable");
}

/* Nothing behind the address, or nothing that works; a gateway's 504 is no Status, while the API server's
 * may be about a webhook that one namespace has. */
static bool server_is_away(const KubeStatus *status)
{
        return status->code == 0 || status->code == 502 || status->code == 503 ||
               (status->code == 504 && !*status->reason);
}

bool kube_status_concerns_all(HttpOutcome outcome, const KubeStatus *status)
{
        return server_is_away(status) || outcome == HTTP_THROTTLED || outcome == HTTP_UNAUTHORIZED;
}

/* --- authentication -------------------------------------------------------------------------------- */

/* RFC 7617. */
static int basic_header(const KubeConfig *config, char **ret)
{
        _cleanup_erase_ char *pair = NULL, *encoded = NULL;

        pair = str_printf("%s:%s", config->username, config->password ? config->password : "");
        encoded = pair ? encode_base64(pair, strlen(pair)) : NULL;
        *ret = encoded ? str_printf("Authorization: Basic %s", encoded) : NULL;
        return *ret ? 0 : -ENOMEM;
}

static int authorization_header(KubeClient *c, char **ret)
{
        const KubeConfig *config = kube_auth_config(c->auth);
        KubeIdentity identity;

        (void) kube_auth_identity(c->auth, &identity);
        if (!identity.token)
                return config->username ? basic_header(config, ret) : 0;
        *ret = str_printf("Authorization: Bearer %s", identity.token);
        return *ret ? 0 : -ENOMEM;
}

/* --- requests -------------------------------------------------------------------------------------- */

static void on_open(void *userdata)
{
        KubeRequest *q = userdata;

        q->on_open(q->userdata);
}

static int on_data(const void *p, size_t n, void *userdata)
{
        KubeRequest *q = userdata;

        return q->on_data(p, n, q->userdata);
}

static void on_done(HttpRequest *http, HttpOutcome outcome, void *userdata)
{
        KubeRequest *q = userdata;
        const Buf *body = http_request_body(http);
        KubeStatus status = { .code = http_request_status(http) };

        if (*http_request_error(http))
                status.code = 0; /* it began, but did not come to its end */
        stats_count(q->client->stats, q->verb, status.code);
        if (q->verb == KUBE_APPLY)
                kube_histogram_add(&q->client->stats->writes, http_request_duration(http));
        if (outcome == HTTP_UNAUTHORIZED)
                kube_auth_refused(q->client->auth);
        if (outcome != HTTP_OK)
                kube_status_read(status.code, buf_str(body), body->size, http_request_error(http), &status);
        q->done(q, outcome, &status, q->userdata);
}

/* The lines of the request, the caller's to free, but not the strings; NULL when memory is out. */
static const char **collect_headers(const KubeConfig *config, const char *const fixed[static 3])
{
        char **impersonate = config->impersonate;
        const char **headers;
        size_t n = 0;

        while (impersonate && impersonate[n])
                n++;
        headers = calloc(n + 4, sizeof(*headers));
        for (size_t i = 0; headers && i < n; i++)
                headers[i] = impersonate[i];
        for (size_t i = 0; headers && i < 3; i++)
                if (fixed[i])
                        headers[n++] = fixed[i];
        return headers;
}

static int start(KubeRequest *q, const KubeSpec *spec)
{
        _cleanup_free_ char *url = NULL, *accept = NULL, *content_type = NULL;
        _cleanup_free_ const char **headers = NULL;
        _cleanup_erase_ char *authorization = NULL;
        int r;

        url = str_printf("%s%s", kube_auth_config(q->client->auth)->server, spec->path);
        accept = str_printf("Accept: %s", spec->accept ? spec->accept : "application/json");
        if (spec->content_type)
                content_type = str_printf("Content-Type: %s", spec->content_type);
        if (!url || !accept || (spec->content_type && !content_type))
                return -ENOMEM;
        r = authorization_header(q->client, &authorization);
        if (r < 0)
                return r;
        headers = collect_headers(kube_auth_config(q->client->auth),
                                  (const char *const[]){ accept, content_type, authorization });
        if (!headers)
                return -ENOMEM;

        HttpSpec http = {
                .method = verb_method(spec->verb),
                .url = url,
                .headers = headers,
                .body = spec->body,
                .body_size = spec->body_size,
                .timeout = spec->timeout,
                .response_max = MAX(spec->response_max, STATUS_MAX),
                .compressed = spec->compressed &&
                              !kube_auth_config(q->client->auth)->disable_compression,
                .on_open = spec->on_open ? on_open : NULL,
                .on_data = spec->on_data ? on_data : NULL,
        };
        return http_request_start(q->client->http, &http, on_done, q, &q->http);
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
        q->verb = spec->verb;
        q->on_open = spec->on_open;
        q->on_data = spec->on_data;
        q->done = done;
        q->userdata = userdata;
        r = start(q, spec);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(q);
        return 0;
}

const Buf *kube_request_body(const KubeRequest *q)
{
        return http_request_body(q->http);
}

usec_t kube_request_retry_after(const KubeRequest *q)
{
        return MIN(http_request_retry_after(q->http), RETRY_AFTER_MAX);
}

bool kube_request_multiplexed(const KubeRequest *q)
{
        return http_request_multiplexed(q->http);
}

KubeRequest *kube_request_free(KubeRequest *q)
{
        if (!q)
                return NULL;
        (void) http_request_free(q->http);
        free(q);
        return NULL;
}

/* --- the client ------------------------------------------------------------------------------------ */

int kube_client_new(sd_event *event, KubeAuth *auth, KubeStats *stats, KubeClient **ret)
{
        _cleanup_(kube_client_freep) KubeClient *c = NULL;
        const KubeConfig *config = kube_auth_config(auth);
        const HttpPeer peer = {
                .ca = config->ca,
                .client_certificate = config->client_certificate,
                .client_key = config->client_key,
                .server_name = config->tls_server_name,
                .insecure = config->insecure_skip_tls_verify,
                .proxy = config->proxy_url,
        };
        int r;

        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        c->auth = auth;
        c->stats = stats;
        r = http_client_new(event, &peer, &c->http);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

usec_t kube_client_last_activity(const KubeClient *c)
{
        return http_client_last_activity(c->http);
}

KubeClient *kube_client_free(KubeClient *c)
{
        if (!c)
                return NULL;
        (void) http_client_free(c->http);
        free(c);
        return NULL;
}
