/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "verify.h"

#include "backoff.h"
#include "http.h"
#include "log.h"
#include "message.h"

#include <errno.h>
#include <stdio.h>

#define REQUEST_TIMEOUT (20 * USEC_PER_SEC)
#define RESPONSE_MAX (64U * 1024)

static const BackoffPolicy backoff_verify = { .base = 30 * USEC_PER_SEC, .cap = 1 * USEC_PER_HOUR };

struct Verify {
        sd_event *event;
        const char *label;
        const char *ca_bundle;
        verify_answered_t answered;
        void *userdata;

        sd_event_source *timer;
        HttpClient *client; /* for one request: the next is hours away */
        HttpRequest *request;
        Token *token;
        VerifyAnswer last;
        unsigned tries; /* since it was good */
        usec_t again;   /* when it is to be asked once more, CLOCK_BOOTTIME; 0: not */
};

static void ask_in(Verify *v, usec_t delay)
{
        (void) sd_event_source_set_time_relative(v->timer, delay);
        (void) sd_event_source_set_enabled(v->timer, SD_EVENT_ONESHOT);
}

static void drop_request(Verify *v)
{
        v->request = http_request_free(v->request);
        v->client = http_client_free(v->client);
}

static void tell(const Verify *v, VerifyResult before)
{
        const char *host = v->token->host;

        if (v->last.result == before)
                return;
        if (v->last.result == VERIFY_GOOD)
                log_event(LOG_INFO, MESSAGE_PULL_GOOD, "%s%s takes the token", v->label, host);
        else if (v->last.result == VERIFY_REFUSED)
                log_event(LOG_WARNING, MESSAGE_PULL_REFUSED,
                          "%s%s does not take the token: %s; no image can be pulled with it. Asking again",
                          v->label, host, v->last.error);
        else
                log_event(LOG_NOTICE, MESSAGE_PULL_UNCLEAR,
                          "%sCannot find out whether %s takes the token: %s; the nodes may reach it all the "
                          "same. Asking again",
                          v->label, host, v->last.error);
}

static VerifyResult judge(HttpOutcome outcome)
{
        if (outcome == HTTP_OK)
                return VERIFY_GOOD;
        if (outcome == HTTP_UNAUTHORIZED || outcome == HTTP_FORBIDDEN)
                return VERIFY_REFUSED;
        return VERIFY_UNCLEAR;
}

static void plan(Verify *v)
{
        usec_t now = clock_boottime(), delay = USEC_INFINITY;

        if (v->last.result == VERIFY_GOOD)
                v->tries = 0;
        else
                delay = backoff_delay(&backoff_verify, ++v->tries, backoff_random());
        if (v->again > now)
                delay = MIN(delay, v->again - now);
        if (delay < USEC_INFINITY)
                ask_in(v, delay);
}

static void on_done(HttpRequest *q, HttpOutcome outcome, void *userdata)
{
        Verify *v = userdata;
        VerifyResult before = v->last.result;

        v->last.result = judge(outcome);
        if (*http_request_error(q))
                (void) snprintf(v->last.error, sizeof(v->last.error), "%s", http_request_error(q));
        else
                (void) snprintf(v->last.error, sizeof(v->last.error), "HTTP status %ld",
                                http_request_status(q));
        drop_request(v);
        tell(v, before);
        plan(v);
        v->answered(v->userdata);
}

static int ask(Verify *v)
{
        const HttpPeer peer = { .ca_file = (char *) v->ca_bundle };
        _cleanup_erase_ char *authorization = str_printf("Authorization: Basic %s", v->token->value);
        _cleanup_free_ char *url = str_printf("https://%s/v2/", v->token->host);
        const char *const headers[] = { authorization, NULL };
        const HttpSpec spec = {
                .method = "GET",
                .url = url,
                .headers = headers,
                .timeout = REQUEST_TIMEOUT,
                .response_max = RESPONSE_MAX,
        };
        int r;

        if (!authorization || !url)
                return -ENOMEM;
        r = http_client_new(v->event, &peer, &v->client);
        if (r < 0)
                return r;
        return http_request_start(v->client, &spec, on_done, v, &v->request);
}

static int on_timer(sd_event_source *s, uint64_t usec, void *userdata)
{
        Verify *v = userdata;

        drop_request(v);
        if (ask(v) < 0) {
                drop_request(v);
                ask_in(v, USEC_PER_MINUTE);
        }
        return 0;
}

void verify_token(Verify *v, Token *token, usec_t again)
{
        drop_request(v);
        token_ref(token);
        token_unref(v->token);
        v->token = token;
        v->again = again;
        v->tries = 0;
        ask_in(v, 0);
}

void verify_take_over(Verify *v, const VerifyAnswer *known)
{
        v->last = *known;
}

VerifyAnswer verify_answer(const Verify *v)
{
        return v ? v->last : (VerifyAnswer){ .result = VERIFY_UNKNOWN };
}

VerifyResult verify_result(const Verify *v)
{
        return v ? v->last.result : VERIFY_UNKNOWN;
}

const char *verify_error(const Verify *v)
{
        return v && v->last.result != VERIFY_GOOD ? v->last.error : "";
}

int verify_new(sd_event *event, const char *label, const char *ca_bundle, verify_answered_t answered,
               void *userdata, Verify **ret)
{
        _cleanup_(verify_freep) Verify *v = NULL;
        int r;

        v = calloc(1, sizeof(*v));
        if (!v)
                return -ENOMEM;
        v->event = sd_event_ref(event);
        v->label = label;
        v->ca_bundle = ca_bundle;
        v->answered = answered;
        v->userdata = userdata;
        r = sd_event_add_time_relative(event, &v->timer, CLOCK_BOOTTIME, 0, 1, on_timer, v);
        if (r < 0)
                return r;
        (void) sd_event_source_set_enabled(v->timer, SD_EVENT_OFF);
        *ret = TAKE_PTR(v);
        return 0;
}

Verify *verify_free(Verify *v)
{
        if (!v)
                return NULL;
        drop_request(v);
        (void) sd_event_source_disable_unref(v->timer);
        token_unref(v->token);
        (void) sd_event_unref(v->event);
        free(v);
        return NULL;
}
