/* SPDX-License-Identifier: MIT */
#pragma once

#include "http.h"
#include "kube-auth.h"
#include "kube-status.h"

/* Authenticated requests to one API server. */

typedef struct KubeClient KubeClient;
typedef struct KubeRequest KubeRequest;

typedef enum KubeVerb {
        KUBE_GET,
        KUBE_LIST,
        KUBE_WATCH,
        KUBE_APPLY,  /* server-side: PATCH, with its own Content-Type */
        KUBE_PATCH,
        KUBE_CREATE, /* POST */
        KUBE_DELETE,
        KUBE_PROBE,
        _KUBE_VERB_MAX,
} KubeVerb;

const char *kube_verb_to_string(KubeVerb v);

/* Upper bounds of the buckets of a latency histogram, in microseconds; the last bucket is the rest. */
#define KUBE_LATENCY_BUCKETS 10U
extern const usec_t kube_latency_bounds[KUBE_LATENCY_BUCKETS];

typedef struct KubeHistogram {
        uint64_t buckets[KUBE_LATENCY_BUCKETS + 1]; /* not cumulative */
        uint64_t count;
        usec_t sum;
} KubeHistogram;

void kube_histogram_add(KubeHistogram *h, usec_t value);

/* What clients count; one may serve several of them. Codes beyond the table's end are not told apart. */
#define KUBE_STATS_CODES 64U
typedef struct KubeStats {
        struct {
                KubeVerb verb;
                long code; /* 0: no answer */
                uint64_t count;
        } requests[KUBE_STATS_CODES];
        size_t n_requests;
        KubeHistogram writes; /* how long applies took */
} KubeStats;

/* As http_done_t. status is valid during the call; on HTTP_OK only its code is set. */
typedef void (*kube_done_t)(KubeRequest *q, HttpOutcome outcome, const KubeStatus *status, void *userdata);

typedef struct KubeSpec {
        KubeVerb verb;
        const char *path; /* with the query, "/api/v1/namespaces?watch=1"; the server's prefix is put before
                             it */
        const char *accept; /* NULL: application/json; has to outlive the request, as the next */
        const char *content_type;
        const char *body; /* copied */
        size_t body_size;
        usec_t timeout; /* 0: none */
        size_t response_max;
        http_open_t on_open; /* see HttpSpec */
        http_data_t on_data;
        bool compressed;
} KubeSpec;

/* auth and stats have to outlive the client. Returns 0 or a negative errno. */
int kube_client_new(sd_event *event, KubeAuth *auth, KubeStats *stats, KubeClient **ret);

/* Starts a request; nothing is called back before this returns. If credentials have to be fetched first, it
 * waits; if they cannot be got, it ends with code 0. One that is answered with 401 is repeated, once, as soon
 * as there are others. A KUBE_PROBE waits for nothing. Returns 0, -EAGAIN (a probe would have to wait), or
 * another negative errno. */
int kube_client_request(KubeClient *c, const KubeSpec *spec, kube_done_t done, void *userdata,
                        KubeRequest **ret);

/* By how much a request may take longer than its timeout, because credentials have to be fetched. */
usec_t kube_client_delay_max(const KubeClient *c);

/* See http_client_last_activity(). */
usec_t kube_client_last_activity(const KubeClient *c);

/* All requests have to be freed before. */
KubeClient *kube_client_free(KubeClient *c);
DEFINE_TRIVIAL_CLEANUP_FUNC(KubeClient *, kube_client_free);

const Buf *kube_request_body(const KubeRequest *q);
/* The API server asks for up to 32 s; a gateway's page that asks for hours is not obeyed beyond a minute. */
usec_t kube_request_retry_after(const KubeRequest *q);

/* See http_request_multiplexed(). */
bool kube_request_multiplexed(const KubeRequest *q);

/* Cancels, too. NULL is fine. */
KubeRequest *kube_request_free(KubeRequest *q);
DEFINE_TRIVIAL_CLEANUP_FUNC(KubeRequest *, kube_request_free);
