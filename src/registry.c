/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "registry.h"

#include "aws-ecr.h"
#include "backoff.h"
#include "log.h"
#include "message.h"

#include <errno.h>
#include <stdio.h>

/* One round is what AWS's SDKs do for a call: three tries close together. Rounds are minutes apart. */
#define ROUND_TRIES 3U
static const BackoffPolicy backoff_try = { .base = USEC_PER_SEC, .cap = 20 * USEC_PER_SEC };
static const BackoffPolicy backoff_round = { .base = 30 * USEC_PER_SEC, .cap = 5 * USEC_PER_MINUTE };
static const BackoffPolicy backoff_urgent = { .base = 30 * USEC_PER_SEC, .cap = 1 * USEC_PER_MINUTE };

/* Whatever the answers say, calls are not closer together than this, or than the interval that is given. */
#define RENEWAL_MIN (5 * USEC_PER_SEC)

/* A token whose time is three quarters over may as well be renewed with another. */
#define JOIN_PART 4

#define STALL_GRACE USEC_PER_MINUTE

/* The longest that ECR takes: twice, if a signature is made anew. */
#define CALL_MAX (40 * USEC_PER_SEC)

/* Credentials have ended by then, by AWS's clock as well. */
#define SESSION_GRACE USEC_PER_MINUTE

struct Registry {
        sd_event *event;
        AwsState *state;
        const RegistryConfig *config;
        Credentials *credentials;
        usec_t interval;
        const RegistryEvents *events;
        void *userdata;

        sd_event_source *timer;
        usec_t next_call, delay; /* when, and how long after it was planned */
        CredentialsRequest *request;
        AwsCall *call;
        AwsCredentials *using; /* by the call */
        Token *received;
        usec_t began;      /* CLOCK_BOOTTIME of what is under way; 0: nothing is */
        unsigned tries;    /* in this round */
        unsigned failures; /* rounds in a row */
        bool refetched;    /* the credentials had run out, others were fetched */
        Token *token;
        bool proven; /* the last call with these credentials worked */
        usec_t last_success;
        char error[AWS_FETCH_ERROR_MAX];

        Verify *verify;     /* NULL: the registry is not asked */
        usec_t session_end; /* CLOCK_BOOTTIME when the credentials of the token end; 0: not known */
        bool bound;         /* tokens end with the credentials that they were got with */
        bool refused;       /* the token was no good while the credentials were */
};

static void call_in(Registry *r, usec_t delay)
{
        r->delay = delay;
        r->next_call = usec_add(clock_boottime(), delay);
        (void) sd_event_source_set_time_relative(r->timer, delay);
        (void) sd_event_source_set_enabled(r->timer, SD_EVENT_ONESHOT);
}

/* --- does it open the registry? -------------------------------------------------------------------- */

/* Tokens are said to live on when the session that got them has ended. Where they do not, it shows. */
static void on_verified(void *userdata)
{
        Registry *r = userdata;

        bool refused = verify_result(r->verify) == VERIFY_REFUSED;

        if (refused && clock_boottime() <= r->session_end)
                r->refused = true;
        else if (refused && !r->refused && !r->bound && r->failures == 0 && r->session_end > 0) {
                log_notice("%sThe token has ended with the credentials that it was got with: from now on it "
                           "is renewed before they end",
                           r->config->label);
                r->bound = true;
                registry_call_now(r);
        }
        r->events->changed(r, r->userdata);
}

static void verify(Registry *r)
{
        r->refused = false;
        if (r->verify)
                verify_token(r->verify, r->token,
                             r->session_end > 0 ? usec_add(r->session_end, SESSION_GRACE) : 0);
}

/* --- the end of a call ----------------------------------------------------------------------------- */

static usec_t renewal_delay(const Registry *r)
{
        usec_t delay =
                token_renewal_due(r->token->issued, r->token->expires, r->interval) - r->token->issued;
        usec_t least = RENEWAL_MIN;

        if (r->bound && r->session_end > 0)
                delay = MIN(delay, usec_sub(r->session_end, r->token->received_boottime) / 4 * 3);
        if (r->interval > 0)
                least = MIN(r->interval, RENEWAL_MIN);
        else
                /* A little early, so that many hosts that started together do not stay together. */
                delay -= (usec_t) ((double) delay / 20 * backoff_random() / UINT32_MAX);
        return MAX(delay, least);
}

static void note_session(Registry *r)
{
        usec_t expires = r->using->expires;

        r->session_end = 0;
        if (expires > 0)
                r->session_end =
                        usec_add(clock_boottime(), usec_sub(expires, aws_clock_now(&r->state->clock)));
}

static void finish(Registry *r)
{
        r->began = 0;
        r->tries = 0;
        r->refetched = false;
        r->using = aws_credentials_unref(r->using);
}

static void succeed(Registry *r)
{
        char until[CLOCK_RFC3339_MAX], life[CLOCK_DURATION_MAX], next[CLOCK_DURATION_MAX];
        const char *label = r->config->label;
        Token *token = r->received;
        usec_t delay;

        token_unref(r->token);
        r->token = TAKE_PTR(r->received);
        note_session(r);
        finish(r);
        r->failures = 0;
        r->proven = true;
        r->error[0] = '\0';
        r->last_success = clock_now();
        delay = renewal_delay(r);
        call_in(r, delay);
        log_event(LOG_INFO, MESSAGE_TOKEN_NEW,
                  "%s%s token for %s, good for %s, until %s; the next one in %s", label,
                  *label ? "new" : "New", token->host,
                  clock_format_duration(life, token->expires - token->issued),
                  clock_format_rfc3339(until, token->expires), clock_format_duration(next, delay));
        verify(r);
        r->events->changed(r, r->userdata);
}

/* What a person may do about a call that ECR did not like. */
static const char *advise(const Registry *r, AwsOutcome outcome)
{
        if (outcome == AWS_SKEWED && aws_clock_is_off(&r->state->clock))
                return "; this host's clock differs from AWS's by more than a day, check its "
                       "synchronisation";
        if (outcome == AWS_REJECTED || outcome == AWS_SKEWED)
                return "; check the credentials, their right to ecr:GetAuthorizationToken, and the region";
        if (outcome == AWS_EXPIRED)
                return "; the credentials have expired and need to be replaced";
        return "";
}

static void log_failure(const Registry *r, const char *advice, usec_t delay)
{
        char left[CLOCK_DURATION_MAX], next[CLOCK_DURATION_MAX];
        const char *label = r->config->label, *no = *label ? "no" : "No";

        (void) clock_format_duration(next, delay);
        if (registry_token_left(r) > 0)
                log_event(LOG_WARNING, MESSAGE_TOKEN_KEPT,
                          "%s%s new token from %s: %s%s. Trying again in %s; the current token is good for "
                          "another %s",
                          label, no, r->config->url, r->error, advice, next,
                          clock_format_duration(left, registry_token_left(r)));
        else
                log_event(LOG_ERR, MESSAGE_TOKEN_LACKING,
                          "%s%s token from %s: %s%s. Trying again in %s; Secrets stay as they are", label,
                          no, r->config->url, r->error, advice, next);
}

/* advice is for people, behind the error. */
static void fail(Registry *r, AwsOutcome outcome, const char *error, const char *advice)
{
        const BackoffPolicy *policy = registry_token_left(r) > 0 ? &backoff_round : &backoff_urgent;
        usec_t delay;

        (void) snprintf(r->error, sizeof(r->error), "%s", error);
        r->tries++;
        if ((outcome == AWS_RETRY || outcome == AWS_THROTTLED) && r->tries < ROUND_TRIES) {
                delay = backoff_delay(&backoff_try, r->tries, backoff_random());
                log_debug("%sTry %u of %u failed: %s", r->config->label, r->tries, ROUND_TRIES, r->error);
                r->began = 0;
                call_in(r, delay);
                return;
        }
        if (r->using && outcome != AWS_RETRY && outcome != AWS_THROTTLED)
                (void) credentials_drop(r->credentials, r->using);
        finish(r);
        r->failures++;
        r->proven = false;
        delay = backoff_delay(policy, r->failures, backoff_random());
        call_in(r, delay);
        log_failure(r, advice, delay);
        r->events->changed(r, r->userdata);
}

/* --- a call ---------------------------------------------------------------------------------------- */

static void get_credentials(Registry *r);

static const char *read_answer(const AwsAnswer *a, void *userdata)
{
        Registry *r = userdata;

        return aws_ecr_read(r->config->public, a, &r->received);
}

static void on_answer(AwsOutcome outcome, const char *error, void *userdata)
{
        char text[AWS_ERROR_MAX];
        Registry *r = userdata;

        (void) snprintf(text, sizeof(text), "%s", error);
        r->call = aws_call_free(r->call);
        if (outcome == AWS_OK)
                succeed(r);
        else if (outcome == AWS_EXPIRED && !r->refetched && credentials_drop(r->credentials, r->using)) {
                log_debug("%sFetching other credentials: %s", r->config->label, text);
                r->refetched = true;
                get_credentials(r);
        } else
                fail(r, outcome, text, advise(r, outcome));
}

static void on_credentials(AwsOutcome outcome, AwsCredentials *credentials, const char *error,
                           void *userdata)
{
        Registry *r = userdata;
        const AwsEcrSpec spec = {
                .public = r->config->public,
                .url = r->config->url,
                .region = r->config->region,
                .ca_bundle = r->config->ca_bundle,
                .credentials = credentials,
                .read = read_answer,
                .done = on_answer,
                .userdata = r,
        };
        int error_number;

        r->request = credentials_request_free(r->request);
        r->using = aws_credentials_unref(r->using);
        if (outcome != AWS_OK) {
                fail(r, outcome, error, "");
                return;
        }
        r->using = aws_credentials_ref(credentials);
        error_number = aws_ecr_start(r->event, r->state, &spec, &r->call);
        if (error_number < 0)
                fail(r, AWS_RETRY, "cannot make the request", "");
}

static void get_credentials(Registry *r)
{
        if (credentials_get(r->credentials, on_credentials, r, &r->request) < 0)
                fail(r, AWS_RETRY, "memory is out", "");
}

static int on_timer(sd_event_source *s, uint64_t usec, void *userdata)
{
        Registry *r = userdata;

        if (r->began > 0)
                return 0;
        r->began = clock_boottime();
        if (r->tries == 0 && r->failures == 0)
                r->events->begins(r, r->userdata);
        get_credentials(r);
        return 0;
}

void registry_call_now(Registry *r)
{
        r->request = credentials_request_free(r->request);
        r->call = aws_call_free(r->call);
        finish(r);
        call_in(r, 0);
}

void registry_join(Registry *r)
{
        usec_t left = usec_sub(r->next_call, clock_boottime());

        if (r->began == 0 && r->failures == 0 && r->tries == 0 && left > 0 && left <= r->delay / JOIN_PART)
                call_in(r, 0);
}

/* --- what was before -------------------------------------------------------------------------------- */

/* Returns how long the first call has time. */
static usec_t take_up(Registry *r, const RegistryPast *past)
{
        char left[CLOCK_DURATION_MAX], next[CLOCK_DURATION_MAX];
        const char *label = r->config->label, *keeping = *label ? "keeping" : "Keeping";
        usec_t delay = 0;

        r->last_success = past->last_success;
        if (!streq(past->origin.endpoint, r->config->origin.endpoint))
                return 0;
        r->token = token_ref(past->token);
        if (registry_token_left(r) == 0) {
                r->token = token_unref(r->token);
                return 0;
        }
        (void) clock_format_duration(left, registry_token_left(r));
        r->proven = streq(past->origin.keys, r->config->origin.keys);
        if (r->verify)
                verify_take_over(r->verify, &past->verified);
        if (r->proven) {
                r->session_end = past->session_end;
                r->bound = past->bound;
                delay = usec_sub(usec_add(r->token->received_boottime, renewal_delay(r)), clock_boottime());
        }
        if (delay > 0) {
                log_info("%s%s the token for %s, good for another %s; the next one in %s", label, keeping,
                         r->token->host, left, clock_format_duration(next, delay));
                verify(r);
        } else
                log_info("%s%s the token for %s, good for another %s, asking for another one now", label,
                         keeping, r->token->host, left);
        return delay;
}

void registry_past(const Registry *r, RegistryPast *ret)
{
        *ret = (RegistryPast){
                .token = r->token,
                .origin = r->config->origin,
                .last_success = r->last_success,
                .verified = verify_answer(r->verify),
                .session_end = r->session_end,
                .bound = r->bound,
        };
        if (!r->proven)
                ret->origin.keys[0] = '\0';
}

/* --- the whole ------------------------------------------------------------------------------------- */

/* ECR Public lets everybody in, so its answer says nothing. */
static int add_verify(Registry *r)
{
        if (r->config->verify == CONF_VERIFY_NO || r->config->public)
                return 0;
        return verify_new(r->event, r->config->label, r->config->ca_bundle, on_verified, r, &r->verify);
}

int registry_new(sd_event *event, AwsState *state, const RegistryConfig *config, Credentials *credentials,
                 usec_t interval, const RegistryPast *past, const RegistryEvents *events, void *userdata,
                 Registry **ret)
{
        _cleanup_(registry_freep) Registry *r = NULL;
        int error;

        r = calloc(1, sizeof(*r));
        if (!r)
                return -ENOMEM;
        r->event = sd_event_ref(event);
        r->state = state;
        r->config = config;
        r->credentials = credentials;
        r->interval = interval;
        r->events = events;
        r->userdata = userdata;
        error = sd_event_add_time_relative(event, &r->timer, CLOCK_BOOTTIME, 0, 1, on_timer, r);
        if (error < 0)
                return error;
        error = add_verify(r);
        if (error < 0)
                return error;
        call_in(r, past ? take_up(r, past) : 0);
        *ret = TAKE_PTR(r);
        return 0;
}

const RegistryConfig *registry_config(const Registry *r)
{
        return r->config;
}

const Credentials *registry_credentials(const Registry *r)
{
        return r->credentials;
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

bool registry_busy(const Registry *r)
{
        return (r->began > 0 || r->next_call <= clock_boottime()) && r->tries == 0 && r->failures == 0;
}

const char *registry_error(const Registry *r)
{
        return r->failures > 0 ? r->error : "";
}

unsigned registry_failures(const Registry *r)
{
        return r->failures;
}

usec_t registry_last_success(const Registry *r)
{
        return r->last_success;
}

const Verify *registry_verify(const Registry *r)
{
        return r->verify;
}

/* What is under way has limits of its own, for credentials and for others in their place; what waits for the
 * cluster has none. */
bool registry_stalled(const Registry *r, usec_t now)
{
        usec_t due = r->next_call;

        if (r->began > 0) {
                if (credentials_waiting(r->credentials))
                        return false;
                due = usec_add(r->began, 2 * (credentials_fetch_max(r->credentials) + CALL_MAX));
        }
        return now > usec_add(due, STALL_GRACE);
}

Registry *registry_free(Registry *r)
{
        if (!r)
                return NULL;
        (void) verify_free(r->verify);
        (void) aws_call_free(r->call);
        (void) credentials_request_free(r->request);
        (void) sd_event_source_disable_unref(r->timer);
        aws_credentials_unref(r->using);
        token_unref(r->token);
        token_unref(r->received);
        (void) sd_event_unref(r->event);
        free(r);
        return NULL;
}
