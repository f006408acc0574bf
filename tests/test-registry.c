/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "aws-ecr.h"
#include "backoff.h"
#include "clockwork.h"
#include "fetch-double.h"
#include "registry.h"
#include "said.h"

#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/epoll.h>

/* --- what is the test's: time, chance, the log, where credentials come from, the registry's own word ----
 */

static const char secret_key[] = "wJalrXUtnFEMI/K7MDENG", session[] = "FwoGZXIvYXdzEJr",
                  password[] = "QVdTOmh1c2g=";

static bool real_time;

static usec_t test_boottime(void)
{
        return real_time ? clock_boottime() : boottime;
}

static usec_t test_now(void)
{
        return real_time ? clock_now() : wall;
}

static int test_set_time_relative(sd_event_source *s, uint64_t delay)
{
        return real_time ? sd_event_source_set_time_relative(s, delay)
                         : clockwork_set_time_relative(s, delay);
}

/* Verify is what the test says. */
struct Verify {
        verify_answered_t answered;
        void *userdata;
        VerifyResult result;
        Token *token;
        usec_t again;
        unsigned n_asked;
};

static int double_verify_new(sd_event *event, const char *label, const char *ca_bundle,
                             verify_answered_t answered, void *userdata, Verify **ret)
{
        *ret = calloc(1, sizeof(**ret));
        assert_non_null(*ret);
        (*ret)->answered = answered;
        (*ret)->userdata = userdata;
        return 0;
}

static void double_verify_token(Verify *v, Token *token, usec_t again)
{
        v->token = token;
        v->again = again;
        v->n_asked++;
}

static VerifyResult double_verify_result(const Verify *v)
{
        return v->result;
}

static VerifyAnswer double_verify_answer(const Verify *v)
{
        return (VerifyAnswer){ .result = v ? v->result : VERIFY_UNKNOWN };
}

static void double_verify_take_over(Verify *v, const VerifyAnswer *known)
{
        v->result = known->result;
}

static Verify *double_verify_free(Verify *v)
{
        free(v);
        return NULL;
}

#include "fetch-double-on.h"
#define verify_new double_verify_new
#define verify_token double_verify_token
#define verify_result double_verify_result
#define verify_answer double_verify_answer
#define verify_take_over double_verify_take_over
#define verify_free double_verify_free
#include "clockwork-on.h"
#undef clock_boottime
#undef clock_now
#undef sd_event_source_set_time_relative
#define clock_boottime test_boottime
#define clock_now test_now
#define sd_event_source_set_time_relative test_set_time_relative
#include "aws-clock.c"
#define read_answer call_read_answer
#include "aws-call.c"
#undef read_answer
#include "credentials.c"
#include "registry.c"
#include "clockwork-off.h"

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
        RegistryConfig config;
        AwsSource *source;
        AwsState state;
        const RegistryPast *past;
        Credentials *credentials;
        Registry *registry;
        unsigned n_begins, n_changed, n_requests;

        /* What it answers: status 0 is a closed connection, body NULL is a token for so long. */
        unsigned status;
        const char *body;
        usec_t life;
        int64_t ahead; /* AWS's clock */
        int64_t drift; /* and how far it goes with each request */
        bool strict;   /* takes no signature of another time than its own */

        /* Of the last request. */
        char signed_at[HEADER_MAX], session[HEADER_MAX], authorization[256];
} Fixture;

#define ERROR(code) "{\"__type\":\"" code "\",\"message\":\"such is life\"}"

static void copy_header(char *buffer, size_t size, struct MHD_Connection *connection, const char *name)
{
        const char *value = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);

        (void) snprintf(buffer, size, "%s", value ? value : "");
}

static usec_t aws_time(const Fixture *f)
{
        return test_now() + (usec_t) f->ahead;
}

/* Whose signature the last request has. */
static bool signed_with(const Fixture *f, const char *id)
{
        return strstr(f->authorization, id);
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
        char date[64], basic[CLOCK_BASIC_MAX];
        unsigned status = f->status;
        struct tm tm;
        time_t now;

        if (!*state || *upload_size > 0) {
                *upload_size = 0;
                *state = f;
                return MHD_YES;
        }
        f->n_requests++;
        copy_header(f->signed_at, sizeof(f->signed_at), connection, "X-Amz-Date");
        copy_header(f->session, sizeof(f->session), connection, "X-Amz-Security-Token");
        copy_header(f->authorization, sizeof(f->authorization), connection, "Authorization");
        if (f->status == 0)
                return MHD_NO;
        f->ahead += f->drift;
        now = (time_t) (aws_time(f) / USEC_PER_SEC);
        (void) strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
        body = f->body ? strdup(f->body) : token_answer((usec_t) now * USEC_PER_SEC + f->life);
        if (f->strict && !streq(f->signed_at, clock_format_basic(basic, aws_time(f)))) {
                free(body);
                body = strdup(ERROR("InvalidSignatureException"));
                status = 403;
        }
        response = MHD_create_response_from_buffer(strlen(body), body, MHD_RESPMEM_MUST_COPY);
        assert_int_equal(MHD_add_response_header(response, "Date", date), MHD_YES);
        result = MHD_queue_response(connection, status, response);
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

static void on_begins(Registry *r, void *userdata)
{
        Fixture *f = userdata;

        assert_ptr_equal(r, f->registry);
        f->n_begins++;
}

static void on_changed(Registry *r, void *userdata)
{
        Fixture *f = userdata;

        assert_ptr_equal(r, f->registry);
        f->n_changed++;
}

static const RegistryEvents events = { .begins = on_begins, .changed = on_changed };

static void end(Fixture *f)
{
        f->registry = registry_free(f->registry);
        f->credentials = credentials_free(f->credentials);
        f->n_begins = f->n_changed = 0;
        assert_null(strstr(said, secret_key));
        assert_null(strstr(said, session));
        assert_null(strstr(said, password));
        said[0] = '\0';
}

/* Anew, if there is one already, on a host that knows nothing of AWS's clock. */
static void begin(Fixture *f, usec_t interval)
{
        end(f);
        f->state = (AwsState){ 0 };
        assert_return_code(
                credentials_new(f->event, &f->state, f->source, &f->config.places, &f->credentials), 0);
        assert_return_code(registry_new(f->event, &f->state, &f->config, f->credentials, interval, f->past,
                                        &events, f, &f->registry),
                           0);
}

static int setup(void **state)
{
        Fixture *f = calloc(1, sizeof(*f));

        real_time = false;
        clockwork_begin();
        n_fetches = 0;
        said_level = LOG_INFO;
        f->status = 200;
        f->life = LIFE;
        assert_return_code(sd_event_new(&f->event), 0);
        start_ecr(f);
        f->source = aws_source_new();
        assert_return_code(str_replace(&f->source->origin, "aws_access_key_id"), 0);
        assert_return_code(str_replace(&f->source->keys.access_key_id, "ASIAIOSFODNN7EXAMPLE"), 0);
        assert_return_code(str_replace(&f->source->keys.secret_access_key, secret_key), 0);
        assert_return_code(str_replace(&f->source->keys.session_token, session), 0);
        f->config = (RegistryConfig){ .name = (char *) "aws",
                                      .label = (char *) "",
                                      .region = (char *) "eu-west-1",
                                      .url = f->url,
                                      .source = f->source,
                                      .origin = { .endpoint = "endpoint", .keys = "keys" },
                                      .verify = CONF_VERIFY_NO };
        *state = f;
        return 0;
}

static int teardown(void **state)
{
        Fixture *f = *state;

        end(f);
        assert_null(fetches);
        (void) sd_event_source_disable_unref(f->io);
        MHD_stop_daemon(f->ecr);
        (void) sd_event_unref(f->event);
        (void) aws_source_free(f->source);
        free(f->url);
        free(f);
        return 0;
}

static void answer_with(Fixture *f, unsigned status, const char *body)
{
        f->status = status;
        f->body = body;
}

/* Calls whose answer has been taken in, and those of them that came to this. */
static unsigned n_calls(const Fixture *f)
{
        uint64_t n = 0;

        for (AwsOutcome o = 0; o < _AWS_OUTCOME_MAX; o++)
                n += f->state.calls[AWS_SERVICE_ECR][o] + f->state.calls[AWS_SERVICE_ECR_PUBLIC][o];
        return (unsigned) n;
}

static unsigned n_calls_of(const Fixture *f, AwsOutcome outcome)
{
        return (unsigned) f->state.calls[AWS_SERVICE_ECR][outcome];
}

static void turn(const Fixture *f)
{
        assert_return_code(sd_event_run(f->event, USEC_PER_SEC), 0);
}

static void pass(usec_t time)
{
        clockwork_set(boottime + time);
}

/* Turns the loop until the condition holds. */
#define until(f, condition)                                   \
        do {                                                  \
                usec_t _end = clock_boottime() + TIMEOUT;     \
                while (!(condition)) {                        \
                        assert_true(clock_boottime() < _end); \
                        turn(f);                              \
                }                                             \
        } while (0)

/* Lets the next call be due. */
static void let_begin(Fixture *f)
{
        usec_t due = registry_next_call(f->registry);
        size_t i = 0;

        assert_true(clockwork_next(&i));
        assert_ptr_equal(timers[i].source, f->registry->timer);
        assert_int_equal(timers[i].due, due);
        clockwork_set(MAX(due, boottime));
        clockwork_forget(f->registry->timer);
        assert_return_code(sd_event_source_set_time(f->registry->timer, 0), 0);
}

/* The same, and waits for what comes of it. */
static void call(Fixture *f)
{
        unsigned before = n_calls(f);

        let_begin(f);
        until(f, n_calls(f) > before && !f->registry->call);
        assert_int_equal(n_calls(f), before + 1);
}

/* Lets the call begin, which fetches credentials. */
static void begin_fetch(Fixture *f)
{
        let_begin(f);
        until(f, fetches);
}

static void begin_fetched(Fixture *f)
{
        f->source->kind = AWS_SOURCE_PROCESS;
        f->n_requests = 0;
        begin(f, 0);
        begin_fetch(f);
        assert_int_equal(f->n_requests, 0);
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
        assert_int_equal(registry_last_success(f->registry), 0);
        assert_string_equal(registry_error(f->registry), "");

        assert_int_equal(call_until_changed(f), 1);
        t = registry_token(f->registry);
        assert_string_equal(t->host, HOST);
        assert_string_equal(t->value, password);
        assert_int_equal(t->expires - t->issued, LIFE);
        assert_int_equal(registry_token_left(f->registry), LIFE);
        assert_int_equal(registry_failures(f->registry), 0);
        assert_string_equal(registry_error(f->registry), "");
        assert_int_equal(registry_last_success(f->registry), wall);
        assert_int_equal(n_calls_of(f, AWS_OK), 1);
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
                assert_int_equal(n_calls_of(f, cases[i].outcome), cases[i].calls);
                assert_string_equal(aws_outcome_to_string(cases[i].outcome), cases[i].name);
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
                said[0] = '\0';
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

static void test_it_is_stalled_when_the_next_step_is_long_overdue(void **state)
{
        usec_t call_max = 80 * USEC_PER_SEC, fetch_max = 4 * AWS_FETCH_MAX;
        Fixture *f = *state;

        begin(f, 0);
        assert_false(registry_stalled(f->registry, boottime));
        call(f);
        assert_false(registry_stalled(f->registry, boottime + LIFE / 2 + USEC_PER_MINUTE));
        assert_true(registry_stalled(f->registry, boottime + LIFE / 2 + USEC_PER_MINUTE + 1));

        /* A call that does not end. */
        let_begin(f);
        until(f, f->registry->call);
        assert_false(registry_stalled(f->registry, boottime + call_max + USEC_PER_MINUTE));
        assert_true(registry_stalled(f->registry, boottime + call_max + USEC_PER_MINUTE + 1));
        until(f, !f->registry->call);

        /* Or a fetch. */
        begin_fetched(f);
        assert_false(registry_stalled(f->registry, boottime + fetch_max + call_max + USEC_PER_MINUTE));
        assert_true(registry_stalled(f->registry, boottime + fetch_max + call_max + USEC_PER_MINUTE + 1));
}

/* The cluster may take its time: that is no stall, and what follows has all of its time yet. */
static void test_to_wait_for_the_cluster_is_no_stall(void **state)
{
        _cleanup_(aws_credentials_unrefp) AwsCredentials *keys = make_credentials("AKIA1", 0);
        Fixture *f = *state;

        f->source->kind = AWS_SOURCE_CLUSTER_SECRET;
        begin(f, 0);
        let_begin(f);
        until(f, credentials_waiting(f->credentials));
        pass(USEC_PER_DAY);
        assert_false(registry_stalled(f->registry, boottime));
        if (credentials_put(f->credentials, keys, NULL)) /* as registries do */
                registry_call_now(f->registry);
        let_begin(f);
        until(f, f->registry->call);
        assert_false(registry_stalled(f->registry, boottime));
        until(f, f->n_changed == 1);
        assert_non_null(registry_token(f->registry));
        assert_true(signed_with(f, "AKIA1"));
}

/* --- clocks that differ ----------------------------------------------------------------------------- */

static void assert_signed_at(const Fixture *f, usec_t time)
{
        char text[CLOCK_BASIC_MAX];

        assert_string_equal(f->signed_at, clock_format_basic(text, time));
}

/* Begins what is due and waits until its owner is told. Returns how many calls that took. */
static unsigned call_all(Fixture *f)
{
        unsigned before = n_calls(f), changed = f->n_changed;

        let_begin(f);
        until(f, f->n_changed > changed);
        return n_calls(f) - before;
}

static void test_aws_clock_is_the_one_that_counts(void **state)
{
        Fixture *f = *state;

        for (int sign = -1; sign <= 1; sign += 2) {
                usec_t skew = (usec_t) (sign * (int64_t) (10 * USEC_PER_MINUTE));

                f->ahead = (int64_t) skew;
                f->strict = true;
                begin(f, 0);
                assert_int_equal(call_all(f), 2);
                assert_non_null(startswith(
                        said, sign > 0 ? "4 This host's clock is 10min behind AWS's, signing with AWS's "
                                         "time; is time synchronisation running?\n6 New token for "
                                       : "4 This host's clock is 10min ahead of AWS's, signing with AWS's "
                                         "time; is time synchronisation running?\n6 New token for "));
                assert_int_equal(f->n_changed, 1);
                assert_int_equal(registry_failures(f->registry), 0);
                assert_int_equal(n_calls_of(f, AWS_SKEWED), 1);
                assert_int_equal(n_calls_of(f, AWS_OK), 1);
                assert_signed_at(f, wall + skew);
                assert_true(f->state.clock.measured == sign * 600.0);
                assert_int_equal(registry_token_left(f->registry), LIFE);
                assert_int_equal(wait_after(f), LIFE / 2);

                f->strict = false;
                f->ahead = sign * (int64_t) (30 * USEC_PER_SEC); /* somebody has put it right */
                assert_int_equal(call_all(f), 1);
                assert_said("6 This host's clock agrees with AWS's again\n");
                assert_int_equal(call_all(f), 1);
                assert_signed_at(f, wall);
                assert_true(f->state.clock.measured == sign * 30.0);
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
                { 0, 1, false,
                  "; check the credentials, their right to ecr:GetAuthorizationToken, and the "
                  "region. " },
                { 59 * USEC_PER_SEC, 1, false, "; check the credentials" },
                { USEC_PER_MINUTE, 2, true, "; check the credentials" },
                { USEC_PER_DAY, 2, true, "; check the credentials" },
                { USEC_PER_DAY + USEC_PER_SEC, 1, false,
                  "; this host's clock differs from AWS's by more than a day, check its synchronisation. " },
        };
        Fixture *f = *state;

        answer_with(f, 403, ERROR("InvalidSignatureException"));
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                f->ahead = (int64_t) cases[i].ahead;
                begin(f, 0);
                assert_int_equal(call_all(f), cases[i].calls);
                assert_said(cases[i].advice);
                assert_int_equal(registry_failures(f->registry), 1);
                assert_int_equal(call_all(f), 1); /* it is no news any more */
                assert_signed_at(f, wall + (cases[i].learnt ? cases[i].ahead : 0));
        }
}

static void test_a_clock_that_jumps_is_no_reason_to_repeat_for_ever(void **state)
{
        Fixture *f = *state;

        answer_with(f, 403, ERROR("InvalidSignatureException"));
        f->drift = (int64_t) USEC_PER_HOUR;
        begin(f, 0);
        for (unsigned i = 0; i < 3; i++) {
                assert_int_equal(call_all(f), 2);
                assert_int_equal(registry_failures(f->registry), i + 1);
        }
}

/* --- credentials that are fetched --------------------------------------------------------------------- */

static void test_expired_credentials_are_fetched_anew_at_once(void **state)
{
        usec_t now = boottime;
        Fixture *f = *state;

        begin_fetched(f);
        answer_with(f, 400, ERROR("ExpiredTokenException"));
        fetch_answer("ASIA1", USEC_PER_HOUR);
        until(f, fetches);
        assert_true(signed_with(f, "ASIA1"));
        assert_int_equal(n_calls(f), 1);
        answer_with(f, 200, NULL);
        fetch_answer("ASIA2", USEC_PER_HOUR);
        until(f, f->n_changed == 1);
        assert_true(signed_with(f, "ASIA2"));
        assert_int_equal(boottime, now);
        assert_int_equal(f->n_begins, 1);
        assert_int_equal(registry_failures(f->registry), 0);
        assert_non_null(registry_token(f->registry));
        assert_null(strstr(said, "3 "));

        /* They are kept: the next call does not fetch, but may again, once. */
        pass(30 * USEC_PER_MINUTE);
        registry_call_now(f->registry);
        answer_with(f, 400, ERROR("ExpiredTokenException"));
        let_begin(f);
        until(f, fetches);
        assert_int_equal(n_calls(f), 3);
        fetch_answer("ASIA3", USEC_PER_HOUR);
        until(f, f->n_changed == 2);
        assert_int_equal(n_calls(f), 4);
        assert_int_equal(n_fetches, 3);
        assert_int_equal(registry_failures(f->registry), 1);
        assert_said("; the credentials have expired and need to be replaced. Trying again in 15s; ");

        /* The next round has them fetched, and if they are old then, once more. */
        begin_fetch(f);
        fetch_answer("ASIA4", USEC_PER_HOUR);
        until(f, fetches);
        fetch_answer("ASIA5", USEC_PER_HOUR);
        until(f, f->n_changed == 3);
        assert_int_equal(n_calls(f), 6);
        assert_int_equal(registry_failures(f->registry), 2);
}

static void test_rejected_credentials_are_fetched_anew_by_the_next_round(void **state)
{
        static const char *const errors[] = { ERROR("UnrecognizedClientException"),
                                              ERROR("InvalidSignatureException") };
        Fixture *f = *state;

        begin_fetched(f);
        for (unsigned i = 0; i < ELEMENTSOF(errors); i++) {
                answer_with(f, 400, errors[i]);
                fetch_answer("ASIA1", 0);
                until(f, f->n_changed == i + 1);
                assert_int_equal(n_calls(f), i + 1);
                assert_null(fetches);
                assert_int_equal(registry_failures(f->registry), i + 1);
                begin_fetch(f);
        }
        answer_with(f, 200, NULL);
        fetch_answer("ASIA2", 0);
        until(f, registry_failures(f->registry) == 0);
        assert_true(signed_with(f, "ASIA2"));
        assert_int_equal(n_fetches, 3);
}

static void test_passing_trouble_costs_no_credentials(void **state)
{
        Fixture *f = *state;

        begin_fetched(f);
        answer_with(f, 500, "");
        fetch_answer("ASIA1", 0);
        until(f, n_calls(f) == 1 && !f->registry->call);
        call(f);
        call(f);
        assert_int_equal(registry_failures(f->registry), 1);
        call(f);
        assert_int_equal(n_fetches, 1);
}

static void test_a_source_that_fails_is_told_in_its_own_words(void **state)
{
        static const char sentence[] = "credential_process: it ended with status 1";
        _cleanup_free_ char *line = NULL;
        Fixture *f = *state;

        begin_fetched(f);
        fetch_fail(AWS_REJECTED, sentence);
        assert_int_equal(f->n_changed, 1);
        assert_string_equal(registry_error(f->registry), sentence);
        line = str_printf("3 No token from %s: %s. Trying again in 15s; Secrets stay as they are\n", f->url,
                          sentence);
        assert_string_equal(said, line);
        assert_int_equal(registry_failures(f->registry), 1);

        /* Three tries, as for ECR itself. */
        for (unsigned i = 0; i < 3; i++) {
                assert_int_equal(f->n_changed, 1);
                begin_fetch(f);
                fetch_fail(AWS_THROTTLED, "cannot assume x: Throttling");
        }
        assert_int_equal(f->n_changed, 2);
        assert_int_equal(registry_failures(f->registry), 2);
        assert_string_equal(registry_error(f->registry), "cannot assume x: Throttling");

        /* What comes from there expired is no matter of ECR's, either. */
        said[0] = '\0';
        begin_fetch(f);
        fetch_fail(AWS_EXPIRED, "what it gave has expired already");
        assert_said(": what it gave has expired already. Trying again in 30s; ");
        assert_int_equal(f->n_requests, 0);
}

/* --- what the registry itself says --------------------------------------------------------------------- */

static void answer_verify(Fixture *f, VerifyResult result)
{
        f->registry->verify->result = result;
        f->registry->verify->answered(f->registry->verify->userdata);
}

/* A token that was got with a session that ends in an hour. */
static void begin_session(Fixture *f)
{
        f->config.verify = CONF_VERIFY_YES;
        begin_fetched(f);
        fetch_answer("ASIA1", USEC_PER_HOUR);
        until(f, f->n_changed == 1);
}

static void test_the_registry_is_asked_about_each_token(void **state)
{
        Fixture *f = *state;
        Verify *v;

        begin_session(f);
        v = f->registry->verify;
        assert_ptr_equal(registry_verify(f->registry), v);
        assert_ptr_equal(v->token, registry_token(f->registry));
        assert_int_equal(v->n_asked, 1);
        assert_int_equal(v->again, boottime + USEC_PER_HOUR + USEC_PER_MINUTE);
        answer_verify(f, VERIFY_REFUSED); /* for whatever reason, while the credentials are good */
        assert_int_equal(f->n_changed, 2);
        assert_int_equal(wait_after(f), LIFE / 2);
        pass(2 * USEC_PER_HOUR);
        answer_verify(f, VERIFY_REFUSED); /* that is no news */
        assert_int_equal(wait_after(f), LIFE / 2 - 2 * USEC_PER_HOUR);
        assert_null(strstr(said, "has ended with"));

        begin_fetch(f);
        fetch_answer("ASIA2", 0); /* no session, as far as is known */
        until(f, v->n_asked == 2);
        assert_ptr_equal(v->token, registry_token(f->registry));
        assert_int_equal(v->again, 0);
        answer_verify(f, VERIFY_REFUSED);
        pass(USEC_PER_HOUR);
        answer_verify(f, VERIFY_REFUSED);
        assert_int_equal(wait_after(f), LIFE / 2 - USEC_PER_HOUR);
}

static void test_it_is_not_asked_unasked(void **state)
{
        Fixture *f = *state;

        begin(f, 0);
        assert_null(registry_verify(f->registry));
        call(f);
        f->config.verify = CONF_VERIFY_YES;
        f->config.public = true;
        begin(f, 0);
        assert_null(registry_verify(f->registry));
        f->config.public = false;
        f->config.verify = CONF_VERIFY_REQUIRED;
        begin(f, 0);
        assert_non_null(registry_verify(f->registry));
}

static void test_a_token_that_ends_with_its_session_is_renewed_before(void **state)
{
        Fixture *f = *state;

        begin_session(f);
        assert_int_equal(wait_after(f), LIFE / 2);
        answer_verify(f, VERIFY_GOOD);
        pass(USEC_PER_HOUR);
        answer_verify(f, VERIFY_REFUSED); /* the session's last moment */
        assert_int_equal(wait_after(f), LIFE / 2 - USEC_PER_HOUR);

        begin_session(f);
        answer_verify(f, VERIFY_GOOD);
        pass(USEC_PER_HOUR + 1);
        answer_verify(f, VERIFY_UNCLEAR);
        assert_int_equal(wait_after(f), LIFE / 2 - USEC_PER_HOUR - 1);
        said[0] = '\0';
        answer_verify(f, VERIFY_REFUSED);
        assert_string_equal(said, "5 The token has ended with the credentials that it was got with: from "
                                  "now on it is renewed before they end\n");
        assert_int_equal(wait_after(f), 0);
        begin_fetch(f);
        fetch_answer("ASIA2", USEC_PER_HOUR);
        until(f, f->registry->verify->n_asked == 2);
        assert_int_equal(wait_after(f), 45 * USEC_PER_MINUTE);
        assert_true(signed_with(f, "ASIA2"));

        /* That is known now: no reason to call at once again. */
        answer_verify(f, VERIFY_REFUSED);
        pass(USEC_PER_HOUR + 1);
        answer_verify(f, VERIFY_REFUSED);
        assert_true(usec_add(registry_next_call(f->registry), USEC_PER_MINUTE) < boottime);
        begin_fetch(f);
        fetch_answer("ASIA3", 2 * USEC_PER_HOUR);
        until(f, f->registry->verify->n_asked == 3);
        assert_int_equal(wait_after(f), 90 * USEC_PER_MINUTE);
}

static void succeed_itself(Fixture *f, usec_t interval);

static void test_a_successor_knows_of_the_session(void **state)
{
        Fixture *f = *state;

        begin_session(f);
        answer_verify(f, VERIFY_GOOD);
        pass(30 * USEC_PER_MINUTE);
        succeed_itself(f, 0);
        assert_int_equal(wait_after(f), LIFE / 2 - 30 * USEC_PER_MINUTE);
        assert_int_equal(f->registry->verify->n_asked, 1);
        assert_int_equal(f->registry->verify->result, VERIFY_GOOD);
        assert_int_equal(f->registry->verify->again, boottime + 31 * USEC_PER_MINUTE);
        pass(USEC_PER_HOUR);
        answer_verify(f, VERIFY_REFUSED);
        assert_int_equal(wait_after(f), 0);
        begin_fetch(f);
        fetch_answer("ASIA2", USEC_PER_HOUR);
        until(f, f->registry->verify->n_asked == 2);
        assert_int_equal(wait_after(f), 45 * USEC_PER_MINUTE);
        succeed_itself(f, 0);
        assert_int_equal(wait_after(f), 45 * USEC_PER_MINUTE);
}

/* --- several registries -------------------------------------------------------------------------------- */

static void test_a_call_that_is_near_is_joined_with_others(void **state)
{
        usec_t part = LIFE / 2 / 4;
        Fixture *f = *state;

        begin(f, 0);
        call(f);
        assert_int_equal(f->n_begins, 1);
        pass(LIFE / 2 - part - 1);
        registry_join(f->registry);
        assert_int_equal(wait_after(f), part + 1);
        pass(1);
        registry_join(f->registry);
        assert_int_equal(wait_after(f), 0);
        let_begin(f);
        registry_join(f->registry); /* it is at it */
        until(f, n_calls(f) == 2 && !f->registry->call);
        assert_int_equal(f->n_begins, 2);
        assert_int_equal(wait_after(f), LIFE / 2);
}

/* What fails has waits of its own, which are no occasion for others. */
static void test_a_failure_neither_joins_nor_is_joined(void **state)
{
        Fixture *f = *state;

        begin(f, 0);
        call(f);
        answer_with(f, 500, "");
        for (unsigned i = 0; i < 7; i++) {
                usec_t wait;

                call(f);
                wait = wait_after(f);
                registry_join(f->registry);
                assert_int_equal(wait_after(f), wait);
                pass(wait - 1);
                registry_join(f->registry);
                assert_int_equal(wait_after(f), 1);
                assert_int_equal(f->n_begins, 2);
        }
        answer_with(f, 200, NULL);
        call(f);
        call(f);
        assert_int_equal(f->n_begins, 3);
}

static void test_a_call_that_runs_makes_place_for_another(void **state)
{
        Fixture *f = *state;

        begin_fetched(f);
        registry_call_now(f->registry);
        assert_int_equal(wait_after(f), 0);
        let_begin(f);
        fetch_answer("ASIA1", 0);
        until(f, f->registry->call);
        assert_true(registry_busy(f->registry));
        registry_call_now(f->registry);
        assert_null(f->registry->call);
        assert_null(f->registry->request);
        let_begin(f);
        until(f, f->n_changed == 1);
        assert_int_equal(n_calls(f), 1);
        assert_int_equal(n_fetches, 1);
        assert_int_equal(f->n_changed, 1);

        /* In a round of tries it begins anew. */
        answer_with(f, 500, "");
        call(f);
        call(f);
        registry_call_now(f->registry);
        assert_int_equal(wait_after(f), 0);
        call(f);
        assert_int_equal(registry_failures(f->registry), 0);
        call(f);
        call(f);
        assert_int_equal(registry_failures(f->registry), 1);
}

static void test_it_is_busy_while_an_answer_may_come_any_moment(void **state)
{
        Fixture *f = *state;

        answer_with(f, 500, "");
        begin(f, 0);
        assert_true(registry_busy(f->registry));
        let_begin(f);
        until(f, f->registry->call);
        assert_true(registry_busy(f->registry));
        until(f, !f->registry->call);
        assert_false(registry_busy(f->registry)); /* its first try failed */
        call(f);
        call(f);
        assert_false(registry_busy(f->registry));
        let_begin(f);
        until(f, f->registry->call);
        assert_false(registry_busy(f->registry)); /* that may take long */
        answer_with(f, 200, NULL);
        until(f, !f->registry->call);
        call(f);
        assert_false(registry_busy(f->registry));
}

static void test_messages_say_which_it_is(void **state)
{
        Fixture *f = *state;

        f->config.label = (char *) "Registry ci: ";
        answer_with(f, 400, ERROR("AccessDeniedException"));
        begin(f, 0);
        (void) call_until_changed(f);
        assert_non_null(startswith(said, "3 Registry ci: no token from http://"));
        answer_with(f, 200, NULL);
        call(f);
        assert_said("6 Registry ci: new token for " HOST ", good for 12h, ");
        succeed_itself(f, 0);
        assert_said("6 Registry ci: keeping the token for " HOST ", good for another 12h; the next one in "
                    "6h\n");
        answer_with(f, 400, ERROR("AccessDeniedException"));
        (void) call_until_changed(f);
        assert_said("4 Registry ci: no new token from http://");
        f->config.label = (char *) "";
}

/* --- what one leaves to the next --------------------------------------------------------------------- */

/* Ends the registry and begins another one with what it leaves, from this origin. */
static void succeed_with(Fixture *f, const TokenOrigin *origin, usec_t interval)
{
        RegistryPast past;

        registry_past(f->registry, &past);
        past.token = token_ref(past.token);
        end(f);
        f->config.origin = *origin;
        f->past = &past;
        begin(f, interval);
        f->past = NULL;
        token_unref(past.token);
}

static void succeed_itself(Fixture *f, usec_t interval)
{
        const TokenOrigin same = f->config.origin;

        succeed_with(f, &same, interval);
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
        Fixture *f = *state;

        begin(f, 0);
        call_until_changed(f);
        succeed_with(f, &(TokenOrigin){ .endpoint = "endpoint", .keys = "others" }, 0);
        assert_non_null(registry_token(f->registry));
        assert_int_equal(wait_after(f), 0);
        assert_said("6 Keeping the token for " HOST ", good for another 12h, asking for another one now\n");
        /* As long as they have not worked. */
        succeed_itself(f, 0);
        assert_int_equal(wait_after(f), 0);
        call_until_changed(f);
        succeed_itself(f, 0);
        assert_int_equal(wait_after(f), 6 * USEC_PER_HOUR);
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
        usec_t success = wall;
        Fixture *f = *state;

        begin(f, 0);
        call_until_changed(f);
        pass(USEC_PER_MINUTE);
        succeed_with(f, &(TokenOrigin){ .endpoint = "another", .keys = "keys" }, 0);
        assert_null(registry_token(f->registry));
        assert_int_equal(wait_after(f), 0);
        assert_int_equal(registry_last_success(f->registry), success);
}

/* --- its beginning and its end ---------------------------------------------------------------------- */

static void test_it_can_end_at_any_time(void **state)
{
        Fixture *f = *state;

        begin(f, 0);
        let_begin(f);
        until(f, f->n_requests == 1);
        assert_int_equal(n_calls(f), 0);
        end(f);
        clockwork_rest(f->event);
        assert_int_equal(f->n_changed, 0);

        begin_session(f);
        registry_call_now(f->registry);
        (void) credentials_drop(f->credentials, f->credentials->hops[0].credentials);
        begin_fetch(f);
        end(f);
        clockwork_rest(f->event);
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
                TEST(test_it_is_stalled_when_the_next_step_is_long_overdue),
                TEST(test_to_wait_for_the_cluster_is_no_stall),
                TEST(test_aws_clock_is_the_one_that_counts),
                TEST(test_a_refused_signature_is_repeated_once_for_a_new_clock),
                TEST(test_a_clock_that_jumps_is_no_reason_to_repeat_for_ever),
                TEST(test_expired_credentials_are_fetched_anew_at_once),
                TEST(test_rejected_credentials_are_fetched_anew_by_the_next_round),
                TEST(test_passing_trouble_costs_no_credentials),
                TEST(test_a_source_that_fails_is_told_in_its_own_words),
                TEST(test_the_registry_is_asked_about_each_token),
                TEST(test_it_is_not_asked_unasked),
                TEST(test_a_token_that_ends_with_its_session_is_renewed_before),
                TEST(test_a_successor_knows_of_the_session),
                TEST(test_a_call_that_is_near_is_joined_with_others),
                TEST(test_a_failure_neither_joins_nor_is_joined),
                TEST(test_a_call_that_runs_makes_place_for_another),
                TEST(test_it_is_busy_while_an_answer_may_come_any_moment),
                TEST(test_messages_say_which_it_is),
                TEST(test_a_successor_keeps_the_token_and_its_time),
                TEST(test_new_keys_are_tried_at_once_and_the_token_kept_meanwhile),
                TEST(test_keys_that_failed_are_tried_at_once),
                TEST(test_a_token_of_another_endpoint_is_none_of_its_own),
                TEST(test_it_can_end_at_any_time),
        };

        (void) setenv("http_proxy", "http://127.0.0.1:1", 1); /* none is asked for what is here */
        return cmocka_run_group_tests(tests, NULL, NULL);
}
