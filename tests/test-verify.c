/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "backoff.h"
#include "clockwork.h"
#include "http.h"
#include "message.h"
#include "said.h"
#include "verify.h"

#include <stdio.h>

/* --- a registry that answers when the test says so ----------------------------------------------------- */

#define HOST "123456789012.dkr.ecr.eu-west-1.amazonaws.com"

struct HttpClient {
        int dummy;
};

struct HttpRequest {
        http_done_t done;
        void *userdata;
        char *url, *authorization;
        long status;
        const char *error;
};

static HttpRequest *running; /* the one that is asked; there is never another */
static unsigned n_clients, n_requests;
static int start_result;
static char ca_file[64];

static int double_client_new(sd_event *event, const HttpPeer *peer, HttpClient **ret)
{
        *ret = calloc(1, sizeof(**ret));
        assert_non_null(*ret);
        n_clients++;
        assert_null(peer->ca);
        assert_null(peer->client_key);
        assert_false(peer->insecure);
        (void) snprintf(ca_file, sizeof(ca_file), "%s", peer->ca_file ? peer->ca_file : "");
        return 0;
}

static HttpClient *double_client_free(HttpClient *c)
{
        if (!c)
                return NULL;
        assert_null(running); /* requests go first */
        n_clients--;
        free(c);
        return NULL;
}

static int double_request_start(HttpClient *c, const HttpSpec *spec, http_done_t done, void *userdata,
                                HttpRequest **ret)
{
        assert_null(running);
        assert_int_equal(n_clients, 1);
        if (start_result < 0)
                return start_result;
        assert_string_equal(spec->method, "GET");
        assert_null(spec->body);
        assert_int_equal(spec->timeout, 20 * USEC_PER_SEC);
        assert_non_null(spec->headers[0]);
        assert_null(spec->headers[1]);
        running = calloc(1, sizeof(*running));
        assert_non_null(running);
        *running = (HttpRequest){ .done = done,
                                  .userdata = userdata,
                                  .url = strdup(spec->url),
                                  .authorization = strdup(spec->headers[0]),
                                  .error = "" };
        n_requests++;
        *ret = running;
        return 0;
}

static HttpRequest *double_request_free(HttpRequest *q)
{
        if (!q)
                return NULL;
        assert_ptr_equal(q, running);
        running = NULL;
        free(q->url);
        free(q->authorization);
        free(q);
        return NULL;
}

static const char *double_request_error(const HttpRequest *q)
{
        return q->error;
}

static long double_request_status(const HttpRequest *q)
{
        return q->status;
}

#define http_client_new double_client_new
#define http_client_free double_client_free
#define http_request_start double_request_start
#define http_request_free double_request_free
#define http_request_error double_request_error
#define http_request_status double_request_status
#include "clockwork-on.h"
#include "verify.c"
#include "clockwork-off.h"

/* --- what asks it -------------------------------------------------------------------------------------- */

typedef struct Fixture {
        sd_event *event;
        Verify *verify;
        Token *token;
        unsigned n_answered;
} Fixture;

static void on_answered(void *userdata)
{
        Fixture *f = userdata;

        f->n_answered++;
}

static Token *make_token(const char *value)
{
        Token *t;

        assert_return_code(token_new(HOST, value, wall, wall + 12 * USEC_PER_HOUR, boottime, &t), 0);
        return t;
}

static int setup(void **state)
{
        Fixture *f = calloc(1, sizeof(*f));

        clockwork_begin();
        said_level = LOG_INFO;
        said[0] = '\0';
        n_requests = 0;
        start_result = 0;
        assert_return_code(sd_event_new(&f->event), 0);
        assert_return_code(verify_new(f->event, "Registry ci: ", "/x/ca.pem", on_answered, f, &f->verify),
                           0);
        f->token = make_token("QVdTOmh1c2g=");
        *state = f;
        return 0;
}

static int teardown(void **state)
{
        Fixture *f = *state;

        f->verify = verify_free(f->verify);
        assert_null(running);
        assert_int_equal(n_clients, 0);
        assert_int_equal(n_timers, 0);
        assert_null(strstr(said, "QVdT"));
        token_unref(f->token);
        (void) sd_event_unref(f->event);
        free(f);
        return 0;
}

static void begin(Fixture *f, usec_t again)
{
        verify_token(f->verify, f->token, again);
        assert_null(running); /* from the loop */
        clockwork_pass(f->event, 0);
        assert_non_null(running);
}

/* status 0 is no answer. */
static void answer(Fixture *f, long status)
{
        unsigned before = f->n_answered;

        assert_non_null(running);
        running->status = status;
        running->error = status == 0 ? "Could not resolve host: " HOST : "";
        running->done(running, http_classify(status, false), running->userdata);
        assert_int_equal(f->n_answered, before + 1);
        assert_null(running);
        assert_int_equal(n_clients, 0); /* the connection is not kept for the hours until the next */
}

/* That it is asked again after exactly this time. */
static void assert_asks_in(Fixture *f, usec_t time)
{
        assert_null(running);
        if (time > 0) {
                clockwork_pass(f->event, time - 1);
                assert_null(running);
                clockwork_pass(f->event, 1);
        }
        assert_non_null(running);
}

static void assert_asks_no_more(Fixture *f)
{
        clockwork_pass(f->event, 365 * USEC_PER_DAY);
        assert_null(running);
}

/* --- tests ----------------------------------------------------------------------------------------------
 */

static void test_a_token_that_is_taken(void **state)
{
        Fixture *f = *state;

        assert_int_equal(verify_result(NULL), VERIFY_UNKNOWN);
        assert_string_equal(verify_error(NULL), "");
        assert_int_equal(verify_result(f->verify), VERIFY_UNKNOWN);
        assert_asks_no_more(f); /* nothing yet */
        begin(f, 0);
        assert_string_equal(running->url, "https://" HOST "/v2/");
        assert_string_equal(running->authorization, "Authorization: Basic QVdTOmh1c2g=");
        assert_string_equal(ca_file, "/x/ca.pem");
        answer(f, 200);
        assert_int_equal(verify_result(f->verify), VERIFY_GOOD);
        assert_string_equal(verify_error(f->verify), "");
        assert_string_equal(said, "6 Registry ci: " HOST " takes the token\n");
        assert_string_equal(said_id, MESSAGE_PULL_GOOD);
        assert_asks_no_more(f);
        assert_int_equal(n_requests, 1);
}

static void test_each_answer_has_its_meaning(void **state)
{
        static const struct {
                long status;
                VerifyResult result;
                const char *error, *id;
        } cases[] = {
                { 401, VERIFY_REFUSED, "HTTP status 401", MESSAGE_PULL_REFUSED },
                { 403, VERIFY_REFUSED, "HTTP status 403", MESSAGE_PULL_REFUSED },
                { 0, VERIFY_UNCLEAR, "Could not resolve host: " HOST, MESSAGE_PULL_UNCLEAR },
                { 302, VERIFY_UNCLEAR, "HTTP status 302", MESSAGE_PULL_UNCLEAR },
                { 404, VERIFY_UNCLEAR, "HTTP status 404", MESSAGE_PULL_UNCLEAR },
                { 429, VERIFY_UNCLEAR, "HTTP status 429", MESSAGE_PULL_UNCLEAR },
                { 500, VERIFY_UNCLEAR, "HTTP status 500", MESSAGE_PULL_UNCLEAR },
        };
        Fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                begin(f, 0);
                answer(f, 200);
                said[0] = '\0';
                begin(f, 0);
                assert_int_equal(verify_result(f->verify),
                                 VERIFY_GOOD); /* as long as nothing else is known */
                answer(f, cases[i].status);
                assert_int_equal(verify_result(f->verify), cases[i].result);
                assert_string_equal(verify_error(f->verify), cases[i].error);
                assert_non_null(strstr(said, cases[i].error));
                assert_string_equal(said_id, cases[i].id);
                assert_non_null(startswith(said, cases[i].result == VERIFY_REFUSED
                                                         ? "4 Registry ci: " HOST
                                                           " does not take the token: "
                                                         : "5 Registry ci: Cannot find out whether " HOST
                                                           " takes the token: "));
        }
}

static void test_it_is_asked_until_it_is_good(void **state)
{
        static const usec_t waits[] = { 30, 60, 120, 240, 480, 960, 1920, 3600, 3600 };
        Fixture *f = *state;

        begin(f, 0);
        for (size_t i = 0; i < ELEMENTSOF(waits); i++) {
                answer(f, i % 2 == 0 ? 401 : 500);
                assert_asks_in(f, waits[i] * USEC_PER_SEC / 2); /* by chance half of each */
        }
        answer(f, 200);
        assert_asks_no_more(f);
}

static void test_changes_are_told_once(void **state)
{
        Fixture *f = *state;

        begin(f, 0);
        for (unsigned i = 0; i < 3; i++) {
                answer(f, 401);
                assert_asks_in(f, ((usec_t) 15 << i) * USEC_PER_SEC);
        }
        answer(f, 200);
        begin(f, 0);
        answer(f, 200);
        assert_string_equal(said, "4 Registry ci: " HOST
                                  " does not take the token: HTTP status 401; no image can be pulled with "
                                  "it. Asking again\n6 Registry ci: " HOST " takes the token\n");
        assert_int_equal(f->n_answered, 5);
}

/* What is known already is no news to the next one. */
static void test_what_is_known_is_taken_over(void **state)
{
        Fixture *f = *state;
        VerifyAnswer known;

        assert_int_equal(verify_answer(NULL).result, VERIFY_UNKNOWN);
        begin(f, 0);
        answer(f, 401);
        known = verify_answer(f->verify);
        teardown(state);
        setup(state);
        f = *state;
        said[0] = '\0';
        verify_take_over(f->verify, &known);
        assert_int_equal(verify_result(f->verify), VERIFY_REFUSED);
        assert_string_equal(verify_error(f->verify), "HTTP status 401");
        begin(f, 0);
        answer(f, 401);
        assert_string_equal(said, "");
        begin(f, 0);
        answer(f, 200);
        assert_non_null(strstr(said, "takes the token"));
}

static void test_it_is_asked_once_more_at_the_given_time(void **state)
{
        Fixture *f = *state;

        begin(f, boottime + USEC_PER_HOUR);
        answer(f, 200);
        assert_asks_in(f, USEC_PER_HOUR);
        answer(f, 200);
        assert_asks_no_more(f);
}

static void test_what_is_not_good_then_is_asked_soon_again(void **state)
{
        Fixture *f = *state;

        begin(f, boottime + USEC_PER_HOUR);
        for (unsigned i = 0; i < 3; i++) {
                answer(f, 500);
                assert_asks_in(f, ((usec_t) 15 << i) * USEC_PER_SEC);
        }
        answer(f, 200);
        assert_asks_in(f, USEC_PER_HOUR - (15 + 30 + 60) * USEC_PER_SEC);
        answer(f, 401);
        assert_asks_in(f, 15 * USEC_PER_SEC); /* it is a trouble of its own */
        answer(f, 401);
        assert_asks_in(f, 30 * USEC_PER_SEC);
}

static void test_the_given_time_comes_before_a_longer_wait(void **state)
{
        Fixture *f = *state;

        begin(f, boottime + 20 * USEC_PER_SEC);
        answer(f, 401);
        assert_asks_in(f, 15 * USEC_PER_SEC);
        answer(f, 401);
        assert_asks_in(f, 5 * USEC_PER_SEC);
        answer(f, 401);
        assert_asks_in(f, 60 * USEC_PER_SEC);
}

static void test_a_new_token_takes_the_place_of_the_old_one(void **state)
{
        _cleanup_(token_unrefp) Token *other = make_token("QVdTOm90aGVy");
        Fixture *f = *state;

        begin(f, 0);
        verify_token(f->verify, other, 0);
        assert_null(running);
        assert_int_equal(f->n_answered, 0);
        clockwork_pass(f->event, 0);
        assert_string_equal(running->authorization, "Authorization: Basic QVdTOm90aGVy");
        answer(f, 401);
        assert_asks_in(f, 15 * USEC_PER_SEC);
        answer(f, 401);

        /* While one waits, too; its waits begin anew. */
        verify_token(f->verify, f->token, 0);
        clockwork_pass(f->event, 0);
        assert_string_equal(running->authorization, "Authorization: Basic QVdTOmh1c2g=");
        answer(f, 401);
        assert_asks_in(f, 15 * USEC_PER_SEC);
}

static void test_what_cannot_be_sent_is_sent_later(void **state)
{
        Fixture *f = *state;

        start_result = -EMFILE;
        verify_token(f->verify, f->token, 0);
        clockwork_pass(f->event, 0);
        assert_int_equal(n_clients, 0);
        start_result = 0;
        assert_asks_in(f, USEC_PER_MINUTE);
        answer(f, 200);
        assert_int_equal(verify_result(f->verify), VERIFY_GOOD);
}

static void test_it_can_end_while_it_asks(void **state)
{
        Fixture *f = *state;

        begin(f, 0);
        f->verify = verify_free(f->verify);
        assert_null(running);
        assert_null(verify_free(NULL));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_a_token_that_is_taken),
                TEST(test_each_answer_has_its_meaning),
                TEST(test_it_is_asked_until_it_is_good),
                TEST(test_changes_are_told_once),
                TEST(test_what_is_known_is_taken_over),
                TEST(test_it_is_asked_once_more_at_the_given_time),
                TEST(test_what_is_not_good_then_is_asked_soon_again),
                TEST(test_the_given_time_comes_before_a_longer_wait),
                TEST(test_a_new_token_takes_the_place_of_the_old_one),
                TEST(test_what_cannot_be_sent_is_sent_later),
                TEST(test_it_can_end_while_it_asks),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
