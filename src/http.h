/* SPDX-License-Identifier: MIT */
#pragma once

#include "buf.h"
#include "clock.h"
#include "http-peer.h"

#include <systemd/sd-event.h>

/* An HTTP client: libcurl's multi interface on sd-event. It knows no protocol above HTTP; a client serves
 * one peer, so that its connections, its trust and its fate are that peer's alone. */

typedef struct HttpClient HttpClient;
typedef struct HttpRequest HttpRequest;

/* libcurl's own preparation, once at the start of the program before any other call, and its end. Returns
 * 0 or -EIO. */
int http_setup(void);
void http_shutdown(void);

/* What an exchange comes to, decided here and nowhere else. */
typedef enum HttpOutcome {
        HTTP_OK,           /* 2xx, body complete */
        HTTP_RETRY,        /* no answer, a broken one, 408 or 5xx: the same request may be repeated */
        HTTP_THROTTLED,    /* 429, or 503 with Retry-After */
        HTTP_UNAUTHORIZED, /* 401 */
        HTTP_FORBIDDEN,    /* 403 */
        HTTP_NOT_FOUND,    /* 404 */
        HTTP_CONFLICT,     /* 409 */
        HTTP_GONE,         /* 410 */
        HTTP_REJECTED,     /* anything else: repeating cannot help */
        _HTTP_OUTCOME_MAX,
} HttpOutcome;

/* The pure part of that decision; status 0 means that no answer came. */
HttpOutcome http_classify(long status, bool has_retry_after);

/* Called exactly once for each request, from the event loop, unless the request is freed first: then
 * never. May free the request and start others. */
typedef void (*http_done_t)(HttpRequest *q, HttpOutcome outcome, void *userdata);

/* Called when the head of a 2xx answer is complete: the peer has taken the request, though a stream may
 * stay silent for long. Must not free or start anything. */
typedef void (*http_open_t)(void *userdata);

/* Called for each piece of a streamed 2xx body. Must not free or start anything; a negative errno ends the
 * exchange, which then is HTTP_RETRY with http_request_error() naming it. */
typedef int (*http_data_t)(const void *p, size_t n, void *userdata);

typedef struct HttpSpec {
        const char *method;
        const char *url;
        const char *const *headers; /* "Name: value" lines, NULL-terminated; copied */
        const void *body;           /* copied, and the copy wiped; NULL: none */
        size_t body_size;
        usec_t timeout;      /* for the whole exchange; 0: none */
        size_t response_max; /* largest body that is collected; a larger one ends the exchange */
        bool compressed;     /* accept gzip */
        http_open_t on_open; /* NULL: nobody wants to know */
        http_data_t on_data; /* streams a 2xx body here instead of collecting it; userdata is done's */
} HttpSpec;

/* Makes a client; peer is copied, the loop is referenced. Returns 0 or a negative errno. */
int http_client_new(sd_event *event, const HttpPeer *peer, HttpClient **ret);

/* Breaks every connection. libcurl keeps a dead HTTP/2 connection in its pool after a timeout and hands
 * it to the next request; only a shutdown of the socket makes it notice. A request that times out does
 * this by itself, unless something has come in since it began. Requests under way end as HTTP_RETRY. */
void http_client_disconnect(HttpClient *c);

/* When the last byte came in on any connection (CLOCK_BOOTTIME); 0: never. */
usec_t http_client_last_activity(const HttpClient *c);

/* All requests have to be freed before. May be called when a request is done. */
HttpClient *http_client_free(HttpClient *c);
DEFINE_TRIVIAL_CLEANUP_FUNC(HttpClient *, http_client_free);

/* Starts an exchange; nothing is called back before this returns. Returns 0 or a negative errno. */
int http_request_start(HttpClient *c, const HttpSpec *spec, http_done_t done, void *userdata,
                       HttpRequest **ret);

/* The status code, 0 if no answer came. */
long http_request_status(const HttpRequest *q);

/* The collected body; never NULL. For a streamed request it holds the body of an answer that is not 2xx. */
const Buf *http_request_body(const HttpRequest *q);

/* The answer's Date on CLOCK_REALTIME, 0 if it had none. */
usec_t http_request_date(const HttpRequest *q);

/* The answer's Retry-After, 0 if it had none. Only seconds are understood: that is what Kubernetes sends. */
usec_t http_request_retry_after(const HttpRequest *q);

/* Why no (complete) answer came, for people; "" if one did. */
const char *http_request_error(const HttpRequest *q);

/* Whether its connection carries others at the same time, as HTTP/2's do; known when the head has come. */
bool http_request_multiplexed(const HttpRequest *q);

/* How long the exchange took. */
usec_t http_request_duration(const HttpRequest *q);

/* Frees a request, cancelling it if it still runs. NULL is fine. */
HttpRequest *http_request_free(HttpRequest *q);
DEFINE_TRIVIAL_CLEANUP_FUNC(HttpRequest *, http_request_free);
