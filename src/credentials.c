/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "credentials.h"

#include "log.h"

#include <errno.h>
#include <stdio.h>

/* What AWS's own library for C takes for a margin. */
#define LEFT_MIN (5 * USEC_PER_MINUTE)

struct CredentialsRequest {
        CredentialsRequest *next, **link; /* where the pointer to this one is; NULL: it is done */
        aws_fetch_done_t done;
        void *userdata;
};

/* The source's beginning, and each role. */
typedef struct Hop {
        AwsCredentials *credentials; /* NULL: none yet */
        bool new;                    /* fetched for the requests that wait now */
} Hop;

struct Credentials {
        sd_event *event;
        AwsState *state;
        const AwsSource *source;
        const AwsPlaces *places;

        Hop *hops;
        size_t n_hops;
        AwsFetch *fetch;
        size_t fetching; /* the hop that it is for */
        bool retried;    /* a hop was fetched once more as it had run out unexpectedly */
        CredentialsRequest *requests, *pending; /* the latter are being told */
        sd_event_source *worker;                /* goes on, outside of whatever called */
        char *problem;                          /* why nothing was handed in; NULL: nobody has said yet */
};

/* --- what is there --------------------------------------------------------------------------------- */

static bool is_given(const Credentials *c, size_t i)
{
        return i == 0 &&
               (c->source->kind == AWS_SOURCE_STATIC || c->source->kind == AWS_SOURCE_CLUSTER_SECRET);
}

/* What was given is for AWS to judge, and what is new is as good as it gets. */
static bool is_good(const Credentials *c, size_t i)
{
        const Hop *hop = &c->hops[i];

        return hop->credentials && (is_given(c, i) || hop->new || hop->credentials->expires == 0 ||
                                    hop->credentials->expires > aws_clock_now(&c->state->clock) + LEFT_MIN);
}

/* How many hops from the beginning need not be made again. */
static size_t count_good(const Credentials *c)
{
        size_t n = c->n_hops;

        while (n > 0 && !is_good(c, n - 1))
                n--;
        return n;
}

static void set_hop(Credentials *c, size_t i, AwsCredentials *credentials)
{
        aws_credentials_ref(credentials);
        aws_credentials_unref(c->hops[i].credentials);
        c->hops[i].credentials = credentials;
}

/* --- requests -------------------------------------------------------------------------------------- */

static void work_soon(Credentials *c)
{
        (void) sd_event_source_set_enabled(c->worker, SD_EVENT_ONESHOT);
}

static void unlink_request(CredentialsRequest *q)
{
        if (!q->link)
                return;
        *q->link = q->next;
        if (q->next)
                q->next->link = q->link;
        q->link = NULL;
}

/* What is new is so for the requests that it was fetched for, and these are over. */
static void forget_round(Credentials *c)
{
        for (size_t i = 0; i < c->n_hops; i++)
                c->hops[i].new = false;
        c->retried = false;
}

/* Those that are asked for meanwhile are for another time. */
static void deliver(Credentials *c, AwsOutcome outcome, AwsCredentials *credentials, const char *error)
{
        c->pending = TAKE_PTR(c->requests);
        if (c->pending)
                c->pending->link = &c->pending;
        forget_round(c);
        while (c->pending) {
                CredentialsRequest *q = c->pending;

                unlink_request(q);
                q->done(outcome, credentials, error, q->userdata);
        }
}

/* --- fetching -------------------------------------------------------------------------------------- */

static void on_fetched(AwsOutcome outcome, AwsCredentials *credentials, const char *error, void *userdata)
{
        Credentials *c = userdata;
        char text[AWS_FETCH_ERROR_MAX], time[CLOCK_RFC3339_MAX];
        size_t i = c->fetching;

        (void) snprintf(text, sizeof(text), "%s", error);
        if (outcome == AWS_OK && credentials->expires > 0 &&
            credentials->expires <= aws_clock_now(&c->state->clock)) {
                outcome = AWS_EXPIRED;
                (void) snprintf(text, sizeof(text), "%s: what it gave has expired already, at %s",
                                c->source->origin, clock_format_rfc3339(time, credentials->expires));
        } else if (outcome == AWS_OK) {
                set_hop(c, i, credentials);
                c->hops[i].new = true;
        } else if (outcome == AWS_EXPIRED && i > 0 && !is_given(c, i - 1) && !c->retried) {
                log_debug("Fetching the credentials before them anew: %s", text);
                set_hop(c, i - 1, NULL);
                c->retried = true;
                outcome = AWS_OK;
        }
        c->fetch = aws_fetch_free(c->fetch);
        if (outcome == AWS_OK)
                work_soon(c);
        else
                deliver(c, outcome, NULL, text);
}

static int start_fetch(Credentials *c, size_t i)
{
        c->fetching = i;
        if (i == 0)
                return aws_fetch_source(c->event, c->state, c->places, c->source, on_fetched, c, &c->fetch);
        return aws_fetch_role(c->event, c->state, c->places, &c->source->roles[i - 1],
                              c->hops[i - 1].credentials, on_fetched, c, &c->fetch);
}

static int on_work(sd_event_source *s, void *userdata)
{
        Credentials *c = userdata;
        size_t n;

        if (c->fetch)
                return 0;
        if (!c->requests) {
                forget_round(c);
                return 0;
        }
        n = count_good(c);
        if (n == c->n_hops) {
                _cleanup_(aws_credentials_unrefp) AwsCredentials *last =
                        aws_credentials_ref(c->hops[n - 1].credentials);

                deliver(c, AWS_OK, last, "");
        } else if (is_given(c, n)) {
                if (c->problem)
                        deliver(c, AWS_REJECTED, NULL, c->problem);
        } else if (start_fetch(c, n) < 0)
                deliver(c, AWS_RETRY, NULL, "memory is out");
        return 0;
}

int credentials_get(Credentials *c, aws_fetch_done_t done, void *userdata, CredentialsRequest **ret)
{
        CredentialsRequest *q;

        q = calloc(1, sizeof(*q));
        if (!q)
                return -ENOMEM;
        q->done = done;
        q->userdata = userdata;
        q->next = c->requests;
        q->link = &c->requests;
        if (q->next)
                q->next->link = &q->next;
        c->requests = q;
        work_soon(c);
        *ret = q;
        return 0;
}

CredentialsRequest *credentials_request_free(CredentialsRequest *q)
{
        if (!q)
                return NULL;
        unlink_request(q);
        free(q);
        return NULL;
}

bool credentials_drop(Credentials *c, const AwsCredentials *which)
{
        if (c->n_hops == 1 && is_given(c, 0))
                return false;
        if (c->hops[c->n_hops - 1].credentials != which)
                return true; /* there are others already */
        for (size_t i = 0; i < c->n_hops; i++)
                if (!is_given(c, i))
                        set_hop(c, i, NULL);
        return true;
}

/* --- keys that others read ------------------------------------------------------------------------- */

static bool same_keys(const AwsCredentials *a, const AwsCredentials *b)
{
        return a && b && streq(a->keys.access_key_id, b->keys.access_key_id) &&
               streq(a->keys.secret_access_key, b->keys.secret_access_key) &&
               streq_ptr(a->keys.session_token, b->keys.session_token);
}

bool credentials_put(Credentials *c, AwsCredentials *keys, const char *problem)
{
        bool others = keys && !same_keys(keys, c->hops[0].credentials);
        bool noticed = c->hops[0].credentials || c->problem || c->requests;

        if (problem)
                (void) str_replace(&c->problem, problem);
        if (others) {
                c->fetch = aws_fetch_free(c->fetch); /* what the old ones would bring */
                for (size_t i = 0; i < c->n_hops; i++)
                        set_hop(c, i, i == 0 ? keys : NULL);
        }
        work_soon(c);
        return others && noticed;
}

bool credentials_waiting(const Credentials *c)
{
        return c->requests && is_given(c, 0) && !c->hops[0].credentials && !c->problem;
}

/* --- the whole ------------------------------------------------------------------------------------- */

const AwsSource *credentials_source(const Credentials *c)
{
        return c->source;
}

usec_t credentials_expiry(const Credentials *c)
{
        const AwsCredentials *last = c->hops[c->n_hops - 1].credentials;

        return last ? last->expires : 0;
}

usec_t credentials_fetch_max(const Credentials *c)
{
        return (c->n_hops - is_given(c, 0)) * 2 * AWS_FETCH_MAX;
}

/* A copy of what the configuration says. */
static int give_static(Credentials *c)
{
        const AwsKeys keys = {
                .access_key_id = c->source->keys.access_key_id,
                .secret_access_key = c->source->keys.secret_access_key,
                .session_token = c->source->keys.session_token,
        };

        if (c->source->kind != AWS_SOURCE_STATIC)
                return 0;
        return aws_credentials_new(&keys, c->source->keys.expires, &c->hops[0].credentials);
}

int credentials_new(sd_event *event, AwsState *state, const AwsSource *source, const AwsPlaces *places,
                    Credentials **ret)
{
        _cleanup_(credentials_freep) Credentials *c = NULL;
        int r;

        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        c->event = sd_event_ref(event);
        c->state = state;
        c->source = source;
        c->places = places;
        c->hops = calloc(source->n_roles + 1, sizeof(*c->hops));
        if (!c->hops)
                return -ENOMEM;
        c->n_hops = source->n_roles + 1;
        r = give_static(c);
        if (r < 0)
                return r;
        r = sd_event_add_defer(event, &c->worker, on_work, c);
        if (r < 0)
                return r;
        (void) sd_event_source_set_enabled(c->worker, SD_EVENT_OFF);
        *ret = TAKE_PTR(c);
        return 0;
}

Credentials *credentials_free(Credentials *c)
{
        if (!c)
                return NULL;
        (void) aws_fetch_free(c->fetch);
        for (size_t i = 0; i < c->n_hops; i++)
                aws_credentials_unref(c->hops[i].credentials);
        free(c->hops);
        free(c->problem);
        (void) sd_event_source_disable_unref(c->worker);
        (void) sd_event_unref(c->event);
        free(c);
        return NULL;
}
