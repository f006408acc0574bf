/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "backoff.h"
#include "registry.h"
#include "said.h"

#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/epoll.h>

/* --- time, chance and the log are the test's -------------------------------------------------------- */

/* Time stands still but for what the test lets pass, so that every wait is exact. */
static bool real_time;
static usec_t boottime, wall, due;
static uint32_t chance;

static const char secret_key[] = "wJalrXUtnFEMI/K7MDENG", session[] = "FwoGZXIvYXdzEJr",
                  password[] = "QVdTOmh1c2g=";

static usec_t test_boottime(void)
{
        return real_time ? clock_boottime() : boottime;
}

static usec_t test_now(void)
{
        return real_time ? clock_now() : wall;
}

static uint32_t test_random(void)
{
        return chance;
}

/* The timer is set, but it is for call() to let it run out. */
static int test_set_time_relative(sd_event_source *s, uint64_t delay)
{
        if (real_time)
                return sd_event_source_set_time_relative(s, delay);
        due = boottime + delay;
        return sd_event_source_set_time(s, USEC_INFINITY);
}

#define clock_boottime test_boottime
#define clock_now test_now
#define backoff_random test_random
#define sd_event_source_set_time_relative test_set_time_relative
#define log_full said_log
#include "registry.c"
#undef clock_boottime
#undef clock_now
#undef backoff_random
#undef sd_event_source_set_time_relative
#undef log_full

#include <cmocka.h> /* whose fail() is not the registry's */

/* --- an ECR that answers as it is told -------------------------------------------------------------- */

#define HOST "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
#define TIMEOUT (20 * USEC_PER_SEC)
#define LIFE (12 * USEC_PER_HOUR)
#define HEADER_MAX 64U

typedef struct Fixture {
        sd_event *event;
        struct MHD_Daemon *ecr;
        sd_event_source *io;
        char *url;
        ConfAws conf;
        const RegistryPast *past;
        Registry *registry;
        unsigned n_changed, n_requests;

        /* What it answers: status 0 is a closed connection, body NULL is a token for so long. */
        unsigned status;
        const char *body;
        usec_t life;
        int64_t ahead; /* AWS's clock */

        /* Of the last request. */
        char signed_at[HEADER_MAX], session[HEADER_MAX];
} Fixture;

static void copy_header(char buffer[static HEADER_MAX], struct MHD_Connection *connection, const char *name)
{
        const char *value = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);

        (void) snprintf(buffer, HEADER_MAX, "%s", value ? value : "");
}

static char *token_answer(usec_t expires)
{
        return str_printf("{\"authorizationData\":[{\"authorizationToken\":\"%s\",\"expiresAt\":%.6f,"
                          "\"proxyEndpoint\":\"https://" HOST "\"}]}",
                          password, (double) expires / USEC_PER_SEC);
}

static enum MHD_Result on_request(void *userdata, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **state)
{
        _cleanup_free_ char *body = NULL;
        struct MHD_Response *response;
        Fixture *f = userdata;
        enum MHD_Result result;
        char date[64];
        struct tm tm;
        time_t now;

        if (!*state || *upload_size > 0) {
                *upload_size = 0;
                *state = f;
                return MHD_YES;
        }
        f->n_requests++;
        copy_header(f->signed_at, connection, "X-Amz-Date");
        copy_header(f->session, connection, "X-Amz-Security-Token");
        if (f->status == 0)
                return MHD_NO;
        now = (time_t) ((test_now() + (usec_t) f->ahead) / USEC_PER_SEC);
        (void) strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
        body = f->body ? strdup(f->body) : token_answer((usec_t) now * USEC_PER_SEC + f->life);
        response = MHD_create_response_from_buffer(strlen(body), body, MHD_RESPMEM_MUST_COPY);
        assert_int_equal(MHD_add_response_header(response, "Date", date), MHD_YES);
        result = MHD_queue_response(connection, f->status, response);
        MHD_destroy_response(response);
        return result;
}

static int on_io(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
        MHD_UNSIGNED_LONG_LONG ms;
        Fixture *f = userdata;

        do
                assert_int_equal(MHD_run(f->ecr), MHD_YES);
        while (MHD_get_timeout(f->ecr, &ms) == MHD_YES && ms == 0);
        return 0;
}

static void start_ecr(Fixture *f)
{
        struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

        f->ecr = MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_SUPPRESS_DATE_NO_CLOCK, 0, NULL, NULL, on_request,
                                  f, MHD_OPTION_SOCK_ADDR, &in, MHD_OPTION_END);
        assert_non_null(f->ecr);
        f->url = str_printf("http://127.0.0.1:%u",
                            MHD_get_daemon_info(f->ecr, MHD_DAEMON_INFO_BIND_PORT)->port);
        assert_return_code(sd_event_add_io(f->event, &f->io,
                                           MHD_get_daemon_info(f->ecr, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd,
                                           EPOLLIN, on_io, f),
                           0);
}

/* --- a registry of it ------------------------------------------------------------------------------- */

static void on_changed(Registry *r, void *userdata)
{
        Fixture *f = userdata;

        assert_ptr_equal(r, f->registry);
        f->n_changed++;
}

static void end(Fixture *f)
{
        f->registry = registry_free(f->registry);
        f->n_changed = 0;
        assert_null(strstr(said, secret_key));
        assert_null(strstr(said, session));
        assert_null(strstr(said, password));
        said[0] = '\0';
}

/* Anew, if there is one already. */
static void begin(Fixture *f, usec_t interval)
{
        end(f);
        due = boottime;
        assert_return_code(registry_new(f->event, &f->conf, interval, f->past, on_changed, f, &f->registry),
                           0);
}

static int setup(void **state)
{
        Fixture *f = calloc(1, sizeof(*f));

        real_time = false;
        boottime = 1000 * USEC_PER_SEC;
        wall = 1795461567 * USEC_PER_SEC + USEC_PER_SEC / 2; /* a Date, which has no fraction, means that */
        chance = 0;
        said_level = LOG_INFO;
        f->status = 200;
        f->life = LIFE;
        assert_return_code(sd_event_new(&f->event), 0);
        start_ecr(f);
        f->conf = (ConfAws){ .region = (char *) "eu-west-1",
                             .access_key_id = (char *) "ASIAIOSFODNN7EXAMPLE",
                             .secret_access_key = (char *) secret_key,
                             .session_token = (char *) session,
                             .endpoint_url = f->url };
        *state = f;
        return 0;
}

static int teardown(void **state)
{
        Fixture *f = *state;

        end(f);
        (void) sd_event_source_disable_unref(f->io);
        MHD_stop_daemon(f->ecr);
        (void) sd_event_unref(f->event);
        free(f->url);
        free(f);
        return 0;
}

static void answer_with(Fixture *f, unsigned status, const char *body)
{
        f->status = status;
        f->body = body;
}

/* Calls whose answer has been taken in. */
static unsigned n_calls(const Fixture *f)
{
        uint64_t n = 0;

        for (AwsOutcome o = 0; o < _AWS_OUTCOME_MAX; o++)
                n += registry_stats(f->registry)->requests[o];
        return (unsigned) n;
}

static void turn(const Fixture *f)
{
        assert_return_code(sd_event_run(f->event, USEC_PER_SEC), 0);
}

static void pass(usec_t time)
{
        boottime += time;
        wall += time;
}

/* Lets the next call be due and waits for what comes of it. */
static void call(Fixture *f)
{
        usec_t until = clock_boottime() + TIMEOUT;
        unsigned before = n_calls(f);

        assert_int_equal(registry_next_call(f->registry), due);
        pass(usec_sub(due, boottime));
        assert_return_code(sd_event_source_set_time(f->registry->timer, 0), 0);
        while (n_calls(f) == before && clock_boottime() < until)
                turn(f);
        assert_int_equal(n_calls(f), before + 1);
}

/* As often as it takes to have the owner told. */
static unsigned call_until_changed(Fixture *f)
{
        unsigned changed = f->n_changed, before = n_calls(f);

        while (f->n_changed == changed) {
                assert_true(n_calls(f) < before + 3);
                call(f);
        }
        return n_calls(f) - before;
}

static usec_t wait_after(const Fixture *f)
{
        return usec_sub(registry_next_call(f->registry), boottime);
}

static void assert_said(const char *text)
{
        if (!strstr(said, text))
                fail_msg("no \"%s\" in\n%s", text, said);
}

/* --- a token ---------------------------------------------------------------------------------------- */

static void test_a_token_is_asked_for_at_once(void **state)
{
        Fixture *f = *state;
        const Token *t;

        begin(f, 0);
        assert_int_equal(registry_next_call(f->registry), boottime);
        assert_null(registry_token(f->registry));
        assert_int_equal(registry_token_left(f->registry), 0);
        assert_int_equal(registry_stats(f->registry)->last_success, 0);
        assert_string_equal(registry_error(f->registry), "");

        assert_int_equal(call_until_changed(f), 1);
        t = registry_token(f->registry);
        assert_string_equal(t->host, HOST);
        assert_string_equal(t->value, password);
        assert_int_equal(t->expires - t->issued, LIFE);
        assert_int_equal(registry_token_left(f->registry), LIFE);
        assert_int_equal(registry_failures(f->registry), 0);
        assert_string_equal(registry_error(f->registry), "");
        assert_int_equal(registry_stats(f->registry)->last_success, wall);
        assert_int_equal(registry_stats(f->registry)->requests[AWS_OK], 1);
        assert_string_equal(f->session, session);
        assert_string_equal(f->signed_at, "20261123T191927Z");
        assert_said("6 New token for " HOST
                    ", good for 12h, until 2026-11-24T07:19:27Z; the next one in 6h\n");
}

static void test_the_next_is_asked_for_in_time(void **state)
{
        static const struct {
                usec_t life, interval;
                uint32_t chance;
                usec_t wait;
        } cases[] = {
                { LIFE, 0, 0, LIFE / 2 },
                { LIFE, 0, UINT32_MAX, LIFE / 2 / 20 * 19 }, /* not all hosts together, but none late */
                { LIFE, 20 * USEC_PER_SEC, 0, 20 * USEC_PER_SEC },
                { LIFE, 20 * USEC_PER_SEC, UINT32_MAX, 20 * USEC_PER_SEC },
                { LIFE, LIFE, 0, LIFE / 4 * 3 },
                { 20 * USEC_PER_SEC, 0, 0, 10 * USEC_PER_SEC },
                { 20 * USEC_PER_SEC, USEC_PER_MINUTE, 0, 15 * USEC_PER_SEC },
                { 10 * USEC_PER_SEC, 0, UINT32_MAX, 5 * USEC_PER_SEC }, /* whatever the answer says */
                { USEC_PER_SEC, 0, 0, 5 * USEC_PER_SEC },
                { USEC_PER_SEC / 2, 0, 0, 5 * USEC_PER_SEC },
                { 10 * USEC_PER_SEC, 2 * USEC_PER_SEC, 0, 2 * USEC_PER_SEC },
                { USEC_PER_SEC / 2, 2 * USEC_PER_SEC, 0, 2 * USEC_PER_SEC },
                { USEC_PER_SEC / 2, USEC_PER_MINUTE, 0, 5 * USEC_PER_SEC },
        };
        Fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                f->life = cases[i].life;
                chance = cases[i].chance;
                begin(f, cases[i].interval);
                call(f);
                assert_in_range(wait_after(f), cases[i].wait, cases[i].wait + 1); /* floating point */
        }
}

static void test_tokens_follow_each_other(void **state)
{
        _cleanup_(token_unrefp) Token *first = NULL;
        Fixture *f = *state;
        clockid_t clock;

        begin(f, 0);
        call(f);
        first = token_ref(registry_token(f->registry));
        assert_return_code(sd_event_source_get_time_clock(f->registry->timer, &clock), 0);
        assert_int_equal(clock, CLOCK_BOOTTIME); /* a host that has slept calls when it wakes */

        pass(USEC_PER_HOUR);
        while (sd_event_run(f->event, 0) > 0)
                ;
        assert_int_equal(f->n_requests, 1);
        assert_int_equal(registry_token_left(f->registry), LIFE - USEC_PER_HOUR);
        assert_int_equal(call_until_changed(f), 1);
        assert_ptr_not_equal(registry_token(f->registry), first);
        assert_int_equal(registry_token(f->registry)->expires, first->expires + LIFE / 2);
        assert_int_equal(registry_token_left(f->registry), LIFE);
        assert_string_equal(first->value, password); /* who holds the old one still may */
}

static void test_in_real_time(void **state)
{
        usec_t begun = clock_boottime();
        Fixture *f = *state;

        real_time = true;
        begin(f, 20 * USEC_PER_MSEC);
        while (f->n_changed < 4 && clock_boottime() < begun + TIMEOUT)
                turn(f);
        assert_int_equal(f->n_changed, 4);
        assert_true(clock_boottime() >= begun + 3 * 20 * USEC_PER_MSEC);
        assert_false(registry_stalled(f->registry, clock_boottime()));
}

/* --- failures --------------------------------------------------------------------------------------- */

#define ERROR(code) "{\"__type\":\"" code "\",\"message\":\"such is life\"}"

static void test_each_failure_has_its_class(void **state)
{
        static const struct {
                unsigned status;
                const char *body;
                AwsOutcome outcome;
                const char *name;
                unsigned calls;
                const char *error, *advice;
        } cases[] = {
                { 0, NULL, AWS_RETRY, "error", 3, "", "" },
                { 500, "oops", AWS_RETRY, "error", 3, "HTTP status 500 without an AWS error code", "" },
                { 503, ERROR("ServiceUnavailable"), AWS_RETRY, "error", 3, "ServiceUnavailable (HTTP 503)",
                  "" },
                { 200, "{}", AWS_RETRY, "error", 3, "the answer is of no use: it has no authorizationData",
                  "" },
                { 400, ERROR("SlowDown"), AWS_THROTTLED, "throttled", 3, "SlowDown (HTTP 400)", "" },
                { 403, ERROR("AuthFailure"), AWS_SKEWED, "signature", 1, "AuthFailure (HTTP 403)",
                  "check the credentials" },
                { 403, ERROR("ExpiredToken"), AWS_EXPIRED, "expired", 1, "ExpiredToken (HTTP 403)",
                  "credentials have expired" },
                { 400, ERROR("AccessDenied"), AWS_REJECTED, "rejected", 1, "AccessDenied (HTTP 400)",
                  "their right to ecr:GetAuthorizationToken" },
        };
        Fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *begun = NULL;

                answer_with(f, cases[i].status, cases[i].body);
                begin(f, 0);
                assert_int_equal(call_until_changed(f), cases[i].calls);
                assert_int_equal(registry_stats(f->registry)->requests[cases[i].outcome], cases[i].calls);
                assert_string_equal(registry_outcome_to_string(cases[i].outcome), cases[i].name);
                assert_int_equal(registry_failures(f->registry), 1);
                assert_non_null(startswith(registry_error(f->registry), cases[i].error));
                assert_true(*registry_error(f->registry));
                assert_null(registry_token(f->registry));
                assert_int_equal(wait_after(f), 15 * USEC_PER_SEC);
                begun = str_printf("3 No token from %s: %s", f->url, registry_error(f->registry));
                assert_non_null(startswith(said, begun));
                assert_int_equal(said[strlen(begun)], *cases[i].advice ? ';' : '.');
                assert_said(cases[i].advice);
                assert_said(". Trying again in 15s; Secrets stay as they are\n");
        }
}

/* Expects rounds of three tries; waits are in seconds. By chance it is half of each, or all but 1 us. */
static void check_rounds(Fixture *f, const usec_t *waits, unsigned n)
{
        usec_t step = chance ? USEC_PER_SEC : USEC_PER_SEC / 2, short_of = chance ? 1 : 0;
        unsigned changed = f->n_changed;

        answer_with(f, 500, "");
        for (unsigned i = 0; i < n; i++) {
                for (unsigned try = 1; try < 3; try++) {
                        call(f);
                        assert_int_equal(wait_after(f) + short_of, try * step);
                        assert_int_equal(f->n_changed, changed + i); /* only whole rounds are told of */
                        assert_int_equal(registry_failures(f->registry), i);
                        assert_int_equal(!*registry_error(f->registry), i == 0);
                }
                call(f);
                assert_int_equal(wait_after(f) + short_of, waits[i] * step);
                assert_int_equal(f->n_changed, changed + i + 1);
                assert_int_equal(registry_failures(f->registry), i + 1);
        }
}

static void test_rounds_of_tries_are_further_and_further_apart(void **state)
{
        static const usec_t without_token[] = { 30, 60, 60, 60 },
                            with_token[] = { 30, 60, 120, 240, 300, 300 };
        Fixture *f = *state;

        for (unsigned k = 0; k < 2; k++) {
                chance = k * UINT32_MAX;
                begin(f, 0);
                check_rounds(f, without_token, ELEMENTSOF(without_token));
                answer_with(f, 200, NULL);
                call(f);
                check_rounds(f, with_token, ELEMENTSOF(with_token));
        }
}

static void test_a_success_ends_it(void **state)
{
        Fixture *f = *state;

        answer_with(f, 500, "");
        begin(f, 0);
        (void) call_until_changed(f);
        (void) call_until_changed(f);
        call(f);
        assert_string_equal(registry_error(f->registry), "HTTP status 500 without an AWS error code");
        answer_with(f, 200, NULL);
        call(f);
        assert_int_equal(f->n_changed, 3);
        assert_non_null(registry_token(f->registry));
        assert_int_equal(registry_failures(f->registry), 0);
        assert_string_equal(registry_error(f->registry), "");
        assert_int_equal(wait_after(f), LIFE / 2);

        answer_with(f, 500, "");
        assert_int_equal(call_until_changed(f), 3); /* a round as the first was */
        assert_int_equal(registry_failures(f->registry), 1);
        assert_int_equal(wait_after(f), 15 * USEC_PER_SEC);
}

static void test_a_failure_takes_nothing_away(void **state)
{
        Fixture *f = *state;
        usec_t issued_at;
        Token *t;

        begin(f, 0);
        call(f);
        issued_at = boottime;
        t = registry_token(f->registry);
        answer_with(f, 403, ERROR("AccessDeniedException"));
        (void) call_until_changed(f);
        assert_said("4 No new token from http://");
        while (registry_token_left(f->registry) > 0) {
                (void) call_until_changed(f);
                assert_ptr_equal(registry_token(f->registry), t);
                assert_int_equal(registry_token_left(f->registry), usec_sub(issued_at + LIFE, boottime));
                assert_true(wait_after(f) <= 5 * USEC_PER_MINUTE);
                if (registry_token_left(f->registry) > 0)
                        assert_said("; the current token is good for another ");
        }
        assert_said("3 No token from http://");
        assert_ptr_equal(registry_token(f->registry), t);
}

static void test_it_is_stalled_when_the_next_call_is_long_overdue(void **state)
{
        Fixture *f = *state;

        begin(f, 0);
        assert_false(registry_stalled(f->registry, boottime));
        call(f);
        assert_false(registry_stalled(f->registry, boottime + LIFE / 2 + USEC_PER_MINUTE));
        assert_true(registry_stalled(f->registry, boottime + LIFE / 2 + USEC_PER_MINUTE + 1));
}

/* --- clocks that differ ----------------------------------------------------------------------------- */

static void assert_signed_at(const Fixture *f, usec_t time)
{
        char text[CLOCK_BASIC_MAX];

        assert_string_equal(f->signed_at, clock_format_basic(text, time));
}

static void test_aws_clock_is_the_one_that_counts(void **state)
{
        Fixture *f = *state;

        for (int sign = -1; sign <= 1; sign += 2) {
                usec_t skew = (usec_t) (sign * (int64_t) (10 * USEC_PER_MINUTE));

                f->ahead = (int64_t) skew;
                answer_with(f, 403, ERROR("InvalidSignatureException"));
                begin(f, 0);
                call(f);
                assert_signed_at(f, wall);
                assert_int_equal(wait_after(f), 0);
                assert_string_equal(
                        said,
                        sign > 0 ? "4 This host's clock is 10min behind AWS's, signing with AWS's time; "
                                   "is time synchronisation running?\n"
                                 : "4 This host's clock is 10min ahead of AWS's, signing with AWS's "
                                   "time; is time synchronisation running?\n");
                answer_with(f, 200, NULL);
                f->n_changed = 0;
                call(f);
                assert_int_equal(f->n_changed, 1); /* the first call was no failure */
                assert_signed_at(f, wall + skew);
                assert_true(registry_stats(f->registry)->clock_skew == sign * 600.0);
                assert_int_equal(registry_token_left(f->registry), LIFE);

                f->ahead = sign * (int64_t) (30 * USEC_PER_SEC); /* somebody has put it right */
                call(f);
                assert_said("6 This host's clock agrees with AWS's again\n");
                call(f);
                assert_signed_at(f, wall);
                assert_true(registry_stats(f->registry)->clock_skew == sign * 30.0);
        }
}

/* A clock that is not the reason, and one that says what cannot be. */
static void test_a_refused_signature_is_repeated_once_for_a_new_clock(void **state)
{
        static const struct {
                usec_t ahead;
                unsigned calls;
                bool learnt;
                const char *advice;
        } cases[] = {
                { 0, 1, false, "check the credentials" },
                { 59 * USEC_PER_SEC, 1, false, "check the credentials" },
                { USEC_PER_MINUTE, 2, true, "" },
                { USEC_PER_DAY, 2, true, "" },
                { USEC_PER_DAY + USEC_PER_SEC, 1, false, "check its synchronisation" },
        };
        Fixture *f = *state;

        answer_with(f, 403, ERROR("InvalidSignatureException"));
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                f->ahead = (int64_t) cases[i].ahead;
                begin(f, 0);
                assert_int_equal(call_until_changed(f), cases[i].calls);
                assert_said(cases[i].advice);
                assert_int_equal(registry_failures(f->registry), 1);
                assert_int_equal(call_until_changed(f), 1); /* it is no news any more */
                assert_signed_at(f, wall + (cases[i].learnt ? cases[i].ahead : 0));
        }
}

static void test_a_clock_that_jumps_is_no_reason_to_repeat_for_ever(void **state)
{
        Fixture *f = *state;

        answer_with(f, 403, ERROR("InvalidSignatureException"));
        begin(f, 0);
        for (unsigned i = 0; i < 6; i++) {
                f->ahead += (int64_t) USEC_PER_HOUR;
                call(f);
                assert_int_equal(f->n_changed, (i + 1) / 2);
        }
}

/* --- what one leaves to the next --------------------------------------------------------------------- */

/* Ends the registry and begins another one with what it leaves. */
static void succeed_itself(Fixture *f, usec_t interval)
{
        RegistryPast past;

        registry_past(f->registry, &past);
        past.token = token_ref(past.token);
        f->past = &past;
        begin(f, interval);
        f->past = NULL;
        token_unref(past.token);
}

static void test_a_successor_keeps_the_token_and_its_time(void **state)
{
        Fixture *f = *state;

        begin(f, 0);
        call_until_changed(f);
        pass(USEC_PER_HOUR);
        succeed_itself(f, 0);
        assert_string_equal(registry_token(f->registry)->value, password);
        assert_int_equal(registry_token_left(f->registry), 11 * USEC_PER_HOUR);
        assert_int_equal(wait_after(f), 5 * USEC_PER_HOUR);
        assert_int_equal(registry_stats(f->registry)->requests[AWS_OK], 1);
        assert_said("6 Keeping the token for " HOST ", good for another 11h; the next one in 5h\n");

        /* A new interval counts from the token's beginning; one that is over is over. */
        succeed_itself(f, 3 * USEC_PER_HOUR);
        assert_int_equal(wait_after(f), 2 * USEC_PER_HOUR);
        succeed_itself(f, 30 * USEC_PER_MINUTE);
        assert_int_equal(wait_after(f), 0);
        assert_non_null(registry_token(f->registry));
        pass(11 * USEC_PER_HOUR);
        succeed_itself(f, 0);
        assert_null(registry_token(f->registry));
        assert_int_equal(wait_after(f), 0);
}

static void test_new_keys_are_tried_at_once_and_the_token_kept_meanwhile(void **state)
{
        char **const keys[] = { &((Fixture *) *state)->conf.access_key_id,
                                &((Fixture *) *state)->conf.secret_access_key,
                                &((Fixture *) *state)->conf.session_token };
        Fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
                char *before = *keys[i];

                begin(f, 0);
                call_until_changed(f);
                *keys[i] = (char *) "another";
                succeed_itself(f, 0);
                assert_non_null(registry_token(f->registry));
                assert_int_equal(wait_after(f), 0);
                /* As long as they have not worked. */
                succeed_itself(f, 0);
                assert_int_equal(wait_after(f), 0);
                call_until_changed(f);
                succeed_itself(f, 0);
                assert_int_equal(wait_after(f), 6 * USEC_PER_HOUR);
                *keys[i] = before;
        }
}

/* Though the token may have time by another interval. */
static void test_keys_that_failed_are_tried_at_once(void **state)
{
        Fixture *f = *state;

        begin(f, USEC_PER_HOUR);
        call_until_changed(f);
        answer_with(f, 400, "{\"__type\":\"UnrecognizedClientException\"}");
        call_until_changed(f);
        assert_true(wait_after(f) > 0);
        succeed_itself(f, 0);
        assert_int_equal(wait_after(f), 0);
        assert_non_null(registry_token(f->registry));
}

static void test_a_token_of_another_endpoint_is_none_of_its_own(void **state)
{
        Fixture *f = *state;

        begin(f, 0);
        call_until_changed(f);
        f->conf.region = (char *) "eu-west-2";
        succeed_itself(f, 0);
        assert_null(registry_token(f->registry));
        assert_int_equal(wait_after(f), 0);
        f->conf.region = (char *) "eu-west-1";

        begin(f, 0);
        call_until_changed(f);
        f->conf.endpoint_url = (char *) "http://127.0.0.1:1";
        succeed_itself(f, 0);
        assert_null(registry_token(f->registry));
}

/* --- its beginning and its end ---------------------------------------------------------------------- */

static void test_the_url_is_the_regions_unless_it_is_given(void **state)
{
        Fixture *f = *state;

        f->conf.endpoint_url = NULL;
        begin(f, 0);
        assert_string_equal(f->registry->url, "https://api.ecr.eu-west-1.amazonaws.com");
        f->conf.use_fips_endpoint = f->conf.use_dualstack_endpoint = true;
        begin(f, 0);
        assert_string_equal(f->registry->url, "https://ecr-fips.eu-west-1.api.aws");
}

static void test_it_can_end_during_a_call(void **state)
{
        usec_t until = clock_boottime() + TIMEOUT;
        Fixture *f = *state;

        begin(f, 0);
        while (f->n_requests == 0 && clock_boottime() < until)
                turn(f);
        assert_int_equal(n_calls(f), 0);
        f->registry = registry_free(f->registry);
        while (sd_event_run(f->event, 0) > 0)
                ;
        assert_int_equal(f->n_changed, 0);
        assert_null(registry_free(NULL));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_a_token_is_asked_for_at_once),
                TEST(test_the_next_is_asked_for_in_time),
                TEST(test_tokens_follow_each_other),
                TEST(test_in_real_time),
                TEST(test_each_failure_has_its_class),
                TEST(test_rounds_of_tries_are_further_and_further_apart),
                TEST(test_a_success_ends_it),
                TEST(test_a_failure_takes_nothing_away),
                TEST(test_it_is_stalled_when_the_next_call_is_long_overdue),
                TEST(test_aws_clock_is_the_one_that_counts),
                TEST(test_a_refused_signature_is_repeated_once_for_a_new_clock),
                TEST(test_a_clock_that_jumps_is_no_reason_to_repeat_for_ever),
                TEST(test_a_successor_keeps_the_token_and_its_time),
                TEST(test_new_keys_are_tried_at_once_and_the_token_kept_meanwhile),
                TEST(test_keys_that_failed_are_tried_at_once),
                TEST(test_a_token_of_another_endpoint_is_none_of_its_own),
                TEST(test_the_url_is_the_regions_unless_it_is_given),
                TEST(test_it_can_end_during_a_call),
        };

        (void) setenv("http_proxy", "http://127.0.0.1:1", 1); /* none is asked for what is here */
        return cmocka_run_group_tests(tests, NULL, NULL);
}
