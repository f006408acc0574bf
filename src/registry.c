/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "aws-endpoint.h"
#include "backoff.h"
#include "hash.h"
#include "log.h"
#include "message.h"
#include "registry.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

/* One round is what AWS's SDKs do for a call: three tries close together. Rounds are minutes apart. */
#define ROUND_TRIES 3U
static const BackoffPolicy backoff_try = { .base = USEC_PER_SEC, .cap = 20 * USEC_PER_SEC };
static const BackoffPolicy backoff_round = { .base = 30 * USEC_PER_SEC, .cap = 5 * USEC_PER_MINUTE };
static const BackoffPolicy backoff_urgent = { .base = 30 * USEC_PER_SEC, .cap = 1 * USEC_PER_MINUTE };

/* Signatures are good for 5 minutes. Less than this is the network's delay, more than a day a broken answer.
 */
#define SKEW_MIN USEC_PER_MINUTE
#define SKEW_MAX USEC_PER_DAY

/* Whatever the answers say, calls are not closer together than this, or than the interval that is given. */
#define RENEWAL_MIN (5 * USEC_PER_SEC)

#define STALL_GRACE USEC_PER_MINUTE

struct Registry {
        HttpClient *client;
        const ConfAws *conf;
        char *url;
        usec_t interval;
        registry_changed_t changed;
        void *userdata;

        sd_event_source *timer;
        HttpRequest *request;
        usec_t next_call;
        unsigned tries;    /* in this round */
        unsigned failures; /* rounds in a row */
        int64_t skew;      /* see RegistryPast */
        bool skew_retried;
        Token *token;
        TokenOrigin origin; /* of what conf says */
        bool proven;        /* the last call with these keys worked */
        char error[AWS_ERROR_MAX];
        RegistryStats stats;
};

const char *registry_outcome_to_string(AwsOutcome o)
{
        static const char *const names[_AWS_OUTCOME_MAX] = {
                [AWS_OK] = "ok",
                [AWS_RETRY] = "error",
                [AWS_THROTTLED] = "throttled",
                [AWS_SKEWED] = "signature",
                [AWS_EXPIRED] = "expired",
                [AWS_REJECTED] = "rejected",
        };

        return names[o];
}

static void call_in(Registry *r, usec_t delay)
{
        r->next_call = usec_add(clock_boottime(), delay);
        (void) sd_event_source_set_time_relative(r->timer, delay);
        (void) sd_event_source_set_enabled(r->timer, SD_EVENT_ONESHOT);
}

/* --- the clock ------------------------------------------------------------------------------------- */

static usec_t aws_now(const Registry *r)
{
        return (usec_t) ((int64_t) clock_now() + r->skew);
}

static usec_t distance(int64_t a, int64_t b)
{
        return (usec_t) (a > b ? a - b : b - a);
}

/* Learns AWS's clock from an answer's Date. Returns whether that was news, which a refused signature may
 * then be owed to. */
static bool learn_skew(Registry *r, usec_t date)
{
        /* Date has whole seconds: what it says is true of the middle of one. */
        int64_t measured = (int64_t) (date + USEC_PER_SEC / 2) - (int64_t) clock_now();
        usec_t off = distance(measured, 0);
        char text[CLOCK_DURATION_MAX];

        r->stats.clock_skew = (double) measured / (double) USEC_PER_SEC;
        if (distance(measured, r->skew) < SKEW_MIN || off > SKEW_MAX)
                return false;
        r->skew = off < SKEW_MIN ? 0 : measured;
        if (r->skew == 0)
                log_info("This host's clock agrees with AWS's again");
        else
                log_event(LOG_WARNING, MESSAGE_CLOCK_SKEWED,
                          "This host's clock is %s %s AWS's, signing with AWS's time; is time "
                          "synchronisation running?",
                          clock_format_duration(text, off), measured > 0 ? "behind" : "ahead of");
        return true;
}

/* --- the end of a call ----------------------------------------------------------------------------- */

static usec_t renewal_delay(const Registry *r)
{
        usec_t delay =
                token_renewal_due(r->token->issued, r->token->expires, r->interval) - r->token->issued;

        if (r->interval > 0)
                return MAX(delay, MIN(r->interval, RENEWAL_MIN));
        /* A little early, so that many hosts that started together do not stay together. */
        delay -= (usec_t) ((double) delay / 20 * backoff_random() / UINT32_MAX);
        return MAX(delay, RENEWAL_MIN);
}

static void succeed(Registry *r, Token *token)
{
        char until[CLOCK_RFC3339_MAX], life[CLOCK_DURATION_MAX], next[CLOCK_DURATION_MAX];
        usec_t delay;

        token_unref(r->token);
        r->token = token;
        r->tries = r->failures = 0;
        r->skew_retried = false;
        r->proven = true;
        r->error[0] = '\0';
        r->stats.last_success = clock_now();
        delay = renewal_delay(r);
        call_in(r, delay);
        log_event(LOG_INFO, MESSAGE_TOKEN_NEW, "New token for %s, good for %s, until %s; the next one in %s",
                  token->host, clock_format_duration(life, token->expires - token->issued),
                  clock_format_rfc3339(until, token->expires), clock_format_duration(next, delay));
        r->changed(r, r->userdata);
}

static void log_failure(const Registry *r, AwsOutcome outcome, usec_t delay)
{
        char left[CLOCK_DURATION_MAX], next[CLOCK_DURATION_MAX];
        const char *advice = "";

        if (outcome == AWS_SKEWED && r->skew == 0 &&
            fabs(r->stats.clock_skew) * (double) USEC_PER_SEC > (double) SKEW_MIN)
                advice = "; this host's clock differs from AWS's by more than a day, check its "
                         "synchronisation";
        else if (outcome == AWS_REJECTED || outcome == AWS_SKEWED)
                advice = "; check the credentials, their right to ecr:GetAuthorizationToken, and the region";
        else if (outcome == AWS_EXPIRED)
                advice = "; the credentials have expired and need to be replaced, then reload eatr";
        (void) clock_format_duration(next, delay);
        if (registry_token_left(r) > 0)
                log_event(LOG_WARNING, MESSAGE_TOKEN_KEPT,
                          "No new token from %s: %s%s. Trying again in %s; the current token is good for "
                          "another %s",
                          r->url, r->error, advice, next,
                          clock_format_duration(left, registry_token_left(r)));
        else
                log_event(LOG_ERR, MESSAGE_TOKEN_LACKING,
                          "No token from %s: %s%s. Trying again in %s; Secrets stay as they are", r->url,
                          r->error, advice, next);
}

static void fail(Registry *r, AwsOutcome outcome)
{
        const BackoffPolicy *policy = registry_token_left(r) > 0 ? &backoff_round : &backoff_urgent;
        usec_t delay;

        r->tries++;
        if ((outcome == AWS_RETRY || outcome == AWS_THROTTLED) && r->tries < ROUND_TRIES) {
                delay = backoff_delay(&backoff_try, r->tries, backoff_random());
                log_debug("Try %u of %u failed: %s", r->tries, ROUND_TRIES, r->error);
                call_in(r, delay);
                return;
        }
        r->tries = 0;
        r->skew_retried = false;
        r->failures++;
        r->proven = false;
        delay = backoff_delay(policy, r->failures, backoff_random());
        call_in(r, delay);
        log_failure(r, outcome, delay);
        r->changed(r, r->userdata);
}

static void on_answer(HttpRequest *q, HttpOutcome http, void *userdata)
{
        Registry *r = userdata;
        const Buf *body = http_request_body(q);
        usec_t date = http_request_date(q);
        bool complete = !*http_request_error(q);
        AwsAnswer answer = {
                .http = http,
                .status = complete ? http_request_status(q) : 0,
                .body = buf_str(body),
                .body_size = body->size,
                .transport_error = http_request_error(q),
                .date = date > 0 ? date : aws_now(r),
                .boottime = clock_boottime(),
        };
        Token *token = NULL;
        AwsOutcome outcome;
        bool skewed;

        skewed = complete && date > 0 && learn_skew(r, date);
        outcome = aws_ecr_answer(&answer, &token, r->error);
        r->stats.requests[outcome]++;
        r->request = http_request_free(r->request);
        if (outcome == AWS_OK)
                succeed(r, token);
        else if (outcome == AWS_SKEWED && skewed && !r->skew_retried) {
                r->skew_retried = true;
                call_in(r, 0);
        } else
                fail(r, outcome);
}

static int on_timer(sd_event_source *s, uint64_t usec, void *userdata)
{
        Registry *r = userdata;
        const AwsKeys keys = {
                .access_key_id = r->conf->access_key_id,
                .secret_access_key = r->conf->secret_access_key,
                .session_token = r->conf->session_token,
        };
        int error;

        error = aws_ecr_request(r->client, r->url, r->conf->region, &keys, aws_now(r), on_answer, r,
                                &r->request);
        if (error < 0) {
                (void) snprintf(r->error, sizeof(r->error), "cannot make the request: %s", strerror(-error));
                fail(r, AWS_RETRY);
        }
        return 0;
}

/* --- what was before -------------------------------------------------------------------------------- */

/* An id for these strings, of which some may be NULL. */
static int make_id(const char *const *strings, size_t n, char ret[static TOKEN_ID_MAX])
{
        _cleanup_buf_ Buf b = BUF_INIT_SECRET(64U * 1024);
        char hex[HASH_SHA256_HEX_MAX];
        int r = 0;

        for (size_t i = 0; i < n && r >= 0; i++) {
                const char *s = strings[i] ? strings[i] : "";

                r = buf_append(&b, s, strlen(s) + 1);
        }
        if (r >= 0)
                r = hash_sha256_hex(buf_str(&b), b.size, hex);
        if (r >= 0)
                (void) snprintf(ret, TOKEN_ID_MAX, "%.*s", (int) TOKEN_ID_MAX - 1, hex);
        return r;
}

static int make_origin(Registry *r)
{
        const char *const endpoint[] = { r->url, r->conf->region };
        const char *const keys[] = { r->conf->access_key_id, r->conf->secret_access_key,
                                     r->conf->session_token };
        int error;

        error = make_id(endpoint, ELEMENTSOF(endpoint), r->origin.endpoint);
        return error < 0 ? error : make_id(keys, ELEMENTSOF(keys), r->origin.keys);
}

/* Returns how long the first call has time. */
static usec_t take_up(Registry *r, const RegistryPast *past)
{
        char left[CLOCK_DURATION_MAX], next[CLOCK_DURATION_MAX];
        usec_t delay = 0;

        r->stats = past->stats;
        if (!streq(past->origin.endpoint, r->origin.endpoint))
                return 0;
        r->skew = past->skew;
        r->token = token_ref(past->token);
        if (registry_token_left(r) == 0) {
                r->token = token_unref(r->token);
                return 0;
        }
        (void) clock_format_duration(left, registry_token_left(r));
        r->proven = streq(past->origin.keys, r->origin.keys);
        if (r->proven)
                delay = usec_sub(usec_add(r->token->received_boottime, renewal_delay(r)), clock_boottime());
        if (delay > 0)
                log_info("Keeping the token for %s, good for another %s; the next one in %s", r->token->host,
                         left, clock_format_duration(next, delay));
        else
                log_info("Keeping the token for %s, good for another %s, asking for another one now",
                         r->token->host, left);
        return delay;
}

/* --- the whole ------------------------------------------------------------------------------------- */

static int make_url(Registry *r)
{
        if (r->conf->endpoint_url)
                return str_replace(&r->url, r->conf->endpoint_url);
        return aws_endpoint(AWS_SERVICE_ECR, r->conf->region, r->conf->use_fips_endpoint,
                            r->conf->use_dualstack_endpoint, &r->url);
}

int registry_new(sd_event *event, const ConfAws *conf, usec_t interval, const RegistryPast *past,
                 registry_changed_t changed, void *userdata, Registry **ret)
{
        _cleanup_(registry_freep) Registry *r = NULL;
        HttpPeer peer = { .ca_file = conf->ca_bundle };
        int error;

        r = calloc(1, sizeof(*r));
        if (!r)
                return -ENOMEM;
        r->conf = conf;
        r->interval = interval;
        r->changed = changed;
        r->userdata = userdata;
        error = make_url(r);
        if (error >= 0)
                error = make_origin(r);
        if (error < 0)
                return error;
        peer.no_proxy =
                startswith(r->url, "http://"); /* loopback: the configuration allows http nowhere else */
        error = http_client_new(event, &peer, &r->client);
        if (error < 0)
                return error;
        error = sd_event_add_time_relative(event, &r->timer, CLOCK_BOOTTIME, 0, 1, on_timer, r);
        if (error < 0)
                return error;
        call_in(r, past ? take_up(r, past) : 0);
        *ret = TAKE_PTR(r);
        return 0;
}

void registry_past(const Registry *r, RegistryPast *ret)
{
        *ret = (RegistryPast){
                .token = r->token,
                .origin = r->origin,
                .stats = r->stats,
                .skew = r->skew,
        };
        if (!r->proven)
                ret->origin.keys[0] = '\0';
}

Token *registry_token(const Registry *r)
{
        return r->token;
}

usec_t registry_token_left(const Registry *r)
{
        if (!r->token)
                return 0;
        return usec_sub(r->token->expires - r->token->issued,
                        usec_sub(clock_boottime(), r->token->received_boottime));
}

usec_t registry_next_call(const Registry *r)
{
        return r->next_call;
}

const char *registry_error(const Registry *r)
{
        return r->failures > 0 ? r->error : "";
}

unsigned registry_failures(const Registry *r)
{
        return r->failures;
}

const RegistryStats *registry_stats(const Registry *r)
{
        return &r->stats;
}

/* A call has a time limit of its own, well within the grace. */
bool registry_stalled(const Registry *r, usec_t now)
{
        return now > usec_add(r->next_call, STALL_GRACE);
}

Registry *registry_free(Registry *r)
{
        if (!r)
                return NULL;
        (void) http_request_free(r->request);
        (void) http_client_free(r->client);
        (void) sd_event_source_disable_unref(r->timer);
        token_unref(r->token);
        free(r->url);
        free(r);
        return NULL;
}
