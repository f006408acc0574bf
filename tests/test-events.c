/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "backoff.h"
#include "clockwork.h"
#include "events.h"
#include "json.h"
#include "said.h"

#include <stdio.h>

/* --- an API server that answers when the test says so -------------------------------------------------- */

#define REQUESTS_MAX 4096U

struct KubeRequest {
        kube_done_t done;
        void *userdata;
        KubeVerb verb;
        char *path, *body;
        bool free;
};

static KubeRequest *sent[REQUESTS_MAX]; /* in the order in which they came */
static size_t n_sent;
static unsigned n_open;
static usec_t asked_to_wait;
static int start_result;

static int double_request(KubeClient *c, const KubeSpec *spec, kube_done_t done, void *userdata,
                          KubeRequest **ret)
{
        KubeRequest *q;

        if (start_result < 0)
                return start_result;
        assert_true(n_sent < REQUESTS_MAX);
        assert_non_null(spec->body);
        assert_int_equal(strlen(spec->body), spec->body_size);
        assert_true(spec->timeout > 0);
        assert_string_equal(spec->content_type,
                            spec->verb == KUBE_PATCH ? "application/merge-patch+json" : "application/json");
        q = calloc(1, sizeof(*q));
        assert_non_null(q);
        *q = (KubeRequest){ .done = done,
                            .userdata = userdata,
                            .verb = spec->verb,
                            .path = strdup(spec->path),
                            .body = strdup(spec->body) };
        n_open++;
        *ret = sent[n_sent++] = q;
        return 0;
}

static KubeRequest *double_request_free(KubeRequest *q)
{
        if (!q)
                return NULL;
        assert_false(q->free);
        q->free = true;
        n_open--;
        return NULL;
}

static usec_t double_retry_after(const KubeRequest *q)
{
        assert_false(q->free);
        return asked_to_wait;
}

#define kube_client_request double_request
#define kube_request_free double_request_free
#define kube_request_retry_after double_retry_after
#include "clockwork-on.h"
#include "events.c"
#include "clockwork-off.h"

/* --- what asks it -------------------------------------------------------------------------------------- */

typedef struct Fixture {
        sd_event *event;
        ConfRenewal renewal;
        Lanes lanes;
        EventsConfig config;
        Events *events;
        size_t n_answered;
} Fixture;

static void make(Fixture *f)
{
        f->events = events_free(f->events);
        assert_int_equal(n_open, 0);
        f->n_answered = n_sent;
        f->lanes = (Lanes){ 0 };
        lanes_configure(&f->lanes, &f->renewal);
        assert_return_code(events_new(f->event, &f->config, NULL, &f->lanes, &f->events), 0);
}

static int set_up(void **state)
{
        Fixture *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        clockwork_begin();
        said[0] = '\0';
        said_level = LOG_INFO;
        n_sent = 0;
        asked_to_wait = 0;
        start_result = 0;
        assert_return_code(sd_event_new(&f->event), 0);
        f->renewal.max_in_flight = 16;
        f->config.secret_name = "ecr";
        make(f);
        *state = f;
        return 0;
}

static int tear_down(void **state)
{
        Fixture *f = *state;

        f->events = events_free(f->events);
        assert_int_equal(n_open, 0);
        assert_string_equal(said, "");
        for (size_t i = 0; i < n_sent; i++) {
                free(sent[i]->path);
                free(sent[i]->body);
                free(sent[i]);
        }
        (void) sd_event_unref(f->event);
        free(f);
        return 0;
}

static void pass(const Fixture *f, usec_t time)
{
        clockwork_pass(f->event, time);
}

static void tell(Fixture *f, const char *namespace)
{
        events_tell(f->events, namespace, "0f8fad5b", KUBE_EVENT_CONFLICT, "it is somebody else's");
}

static void tell_many(Fixture *f, unsigned from, unsigned n)
{
        char name[32];

        for (unsigned i = from; i < from + n; i++) {
                (void) snprintf(name, sizeof(name), "ns-%u", i);
                tell(f, name);
        }
}

/* Answers the first that has no answer yet. */
static void answer(Fixture *f, HttpOutcome outcome, const KubeStatus *status)
{
        KubeRequest *q = sent[f->n_answered++];

        assert_false(q->free);
        q->done(q, outcome, status, q->userdata);
        assert_true(q->free);
}

static void answer_code(Fixture *f, HttpOutcome outcome, long code, const char *reason, const char *message)
{
        _cleanup_json_ cJSON *j = cJSON_CreateObject();
        _cleanup_free_ char *body = NULL;
        KubeStatus status;

        (void) cJSON_AddStringToObject(j, "reason", reason);
        (void) cJSON_AddStringToObject(j, "message", message);
        body = json_print(j);
        kube_status_read(code, body, strlen(body), message, &status);
        answer(f, outcome, &status);
}

static void answer_ok(Fixture *f)
{
        answer(f, HTTP_OK, &(KubeStatus){ .code = 201 });
}

/* Answers all that come, in as much time, with success. */
static void serve(Fixture *f, usec_t time)
{
        usec_t end = boottime + time;

        while (boottime < end) {
                pass(f, 100 * USEC_PER_MSEC);
                while (f->n_answered < n_sent) {
                        answer_ok(f);
                        pass(f, 0);
                }
        }
}

static uint64_t count(const Fixture *f, EventsOutcome o)
{
        return events_stats(f->events)->outcomes[o];
}

#define assert_stats(f, c, r, d, x)                               \
        do {                                                      \
                assert_int_equal(count(f, EVENTS_CREATED), (c));  \
                assert_int_equal(count(f, EVENTS_REPEATED), (r)); \
                assert_int_equal(count(f, EVENTS_DROPPED), (d));  \
                assert_int_equal(count(f, EVENTS_FAILED), (x));   \
        } while (0)

#define POST_PATH(namespace) "/apis/events.k8s.io/v1/namespaces/" namespace "/events?fieldManager=eatr"

/* --- tests --------------------------------------------------------------------------------------------- */

static void test_created_and_repeated(void **state)
{
        Fixture *f = *state;
        _cleanup_free_ char *path = NULL;
        const char *name;

        tell(f, "a");
        assert_int_equal(n_sent, 0); /* what is about Secrets goes first */
        pass(f, 0);
        assert_int_equal(n_sent, 1);
        assert_int_equal(sent[0]->verb, KUBE_CREATE);
        assert_string_equal(sent[0]->path, POST_PATH("a"));
        assert_non_null(strstr(sent[0]->body, "\"note\":\"it is somebody else's\""));
        assert_non_null(strstr(sent[0]->body, "\"uid\":\"0f8fad5b\""));
        assert_non_null(strstr(sent[0]->body, "\"eventTime\":\"2026-11-23T19:19:27.500000Z\""));
        name = strstr(sent[0]->body, "eatr.");
        answer_ok(f);

        for (unsigned i = 0; i < 29; i++) {
                pass(f, USEC_PER_MINUTE);
                tell(f, "a");
        }
        pass(f, 0);
        assert_int_equal(n_sent, 1);
        pass(f, USEC_PER_MINUTE);
        tell(f, "a");
        pass(f, 0);
        assert_int_equal(n_sent, 2);
        path = str_printf("/apis/events.k8s.io/v1/namespaces/a/events/%.21s?fieldManager=eatr", name);
        assert_int_equal(sent[1]->verb, KUBE_PATCH);
        assert_string_equal(sent[1]->path, path);
        assert_string_equal(sent[1]->body, "{\"series\":{\"count\":2,\"lastObservedTime\":"
                                           "\"2026-11-23T19:49:27.500000Z\"}}");
        answer_ok(f);
        assert_stats(f, 1, 1, 0, 0);
}

static void test_the_host_says_it(void **state)
{
        Fixture *f = *state;
        _cleanup_free_ char *expected = NULL;
        char host[256];

        assert_return_code(gethostname(host, sizeof(host)), 0);
        expected = str_printf("\"reportingInstance\":\"%.128s\"", host);
        tell(f, "a");
        pass(f, 0);
        assert_non_null(strstr(sent[0]->body, expected));
}

/* The API server has it from before a restart. */
static void test_known_from_before(void **state)
{
        Fixture *f = *state;

        tell(f, "a");
        pass(f, 0);
        answer_code(f, HTTP_CONFLICT, 409, "AlreadyExists", "events \"eatr.x\" already exists");
        pass(f, 30 * USEC_PER_MINUTE);
        assert_int_equal(n_sent, 1);
        tell(f, "a");
        pass(f, 0);
        assert_int_equal(sent[1]->verb, KUBE_PATCH);
}

static void test_forgotten_by_the_api_server(void **state)
{
        Fixture *f = *state;

        tell(f, "a");
        pass(f, 0);
        answer_ok(f);
        pass(f, 2 * USEC_PER_HOUR);
        tell(f, "a");
        pass(f, 0);
        answer_code(f, HTTP_NOT_FOUND, 404, "NotFound", "events \"eatr.x\" not found");
        pass(f, 0);
        assert_int_equal(n_sent, 3);
        assert_int_equal(sent[2]->verb, KUBE_CREATE);
        answer_ok(f);
        assert_stats(f, 2, 0, 0, 0);
}

/* Twenty at once, then one a second, however many there are. */
static void test_the_budget(void **state)
{
        Fixture *f = *state;
        usec_t start = boottime;

        tell_many(f, 0, 500);
        serve(f, 100 * USEC_PER_MSEC);
        assert_int_equal(n_sent, 20);
        for (unsigned i = 1; i <= 480; i++) {
                serve(f, start + i * USEC_PER_SEC - boottime + 200 * USEC_PER_MSEC);
                assert_int_equal(n_sent, 20 + i);
        }
        serve(f, USEC_PER_HOUR);
        assert_int_equal(n_sent, 500);
        assert_stats(f, 500, 0, 0, 0);
}

static void test_few_at_a_time(void **state)
{
        Fixture *f = *state;

        tell_many(f, 0, 10);
        pass(f, USEC_PER_MINUTE);
        assert_int_equal(n_open, 4);
        answer_ok(f);
        pass(f, 0);
        assert_int_equal(n_open, 4);
        assert_int_equal(n_sent, 5);
}

/* Ten thousand at once, told of every five minutes for a day: memory and requests stay bounded. */
static void test_a_whole_cluster_in_conflict(void **state)
{
        Fixture *f = *state;

        for (unsigned i = 0; i < 6; i++) {
                tell_many(f, 0, 10000);
                serve(f, 5 * USEC_PER_MINUTE);
        }
        assert_in_range(n_sent, 1024, 30 * 60 + 20);
        assert_int_equal(count(f, EVENTS_CREATED), 1024);
        assert_int_equal(f->events->book.n, 1024);
        assert_true(count(f, EVENTS_DROPPED) >= 6 * (10000 - 1024));
}

static void test_room_of_the_lanes(void **state)
{
        Fixture *f = *state;

        for (unsigned i = 0; i < 16; i++)
                lanes_begin(&f->lanes, PACE_NOW, boottime);
        tell(f, "a");
        pass(f, USEC_PER_HOUR);
        assert_int_equal(n_sent, 0);
        lanes_end(&f->lanes, PACE_NOW);
        pass(f, 0);
        assert_int_equal(n_sent, 1);
        assert_int_equal(pace_in_flight(&f->lanes.pace), 16);
        answer_ok(f);
        assert_int_equal(pace_in_flight(&f->lanes.pace), 15);
}

/* Where Events hang, there is room left for what is about Secrets; of the least there is, one has it. */
static void test_a_part_of_the_room(void **state)
{
        Fixture *f = *state;
        static const unsigned most[][2] = { { 1, 1 }, { 7, 1 }, { 8, 2 }, { 100, 4 } };

        for (size_t i = 0; i < ELEMENTSOF(most); i++) {
                f->renewal.max_in_flight = most[i][0];
                make(f);
                tell_many(f, 0, 10);
                pass(f, 0);
                assert_int_equal(n_open, most[i][1]);
                assert_int_equal(pace_in_flight(&f->lanes.pace), most[i][1]);
        }
}

/* The API server takes no writes: these wait for nothing. */
static void test_paused_lanes(void **state)
{
        Fixture *f = *state;
        const KubeStatus busy = { .code = 429, .message = "slow down" };

        tell_many(f, 0, 30);
        pass(f, 0);
        assert_int_equal(n_open, 4);
        lanes_fail(&f->lanes, HTTP_THROTTLED, &busy, 10 * USEC_PER_SEC, boottime);
        said[0] = '\0';
        answer_ok(f);
        pass(f, USEC_PER_SEC);
        assert_int_equal(n_sent, 4);
        assert_int_equal(count(f, EVENTS_DROPPED), 26);
        tell(f, "more");
        pass(f, USEC_PER_SEC);
        assert_int_equal(count(f, EVENTS_DROPPED), 27);
        pass(f, USEC_PER_MINUTE);
        while (f->n_answered < 4)
                answer_ok(f);
        lanes_begin(&f->lanes, PACE_NOW, boottime);
        tell(f, "more"); /* it is so still, but something else goes first to see whether it may */
        pass(f, 0);
        assert_int_equal(n_sent, 4);
        lanes_end(&f->lanes, PACE_NOW);
        pass(f, 0);
        assert_int_equal(n_sent, 5);
}

/* Events may have a limit of their own: Secrets are not held up by it. */
static void test_throttled(void **state)
{
        Fixture *f = *state;
        usec_t until;

        asked_to_wait = 5 * USEC_PER_MINUTE;
        tell_many(f, 0, 10);
        pass(f, 0);
        answer_code(f, HTTP_THROTTLED, 429, "TooManyRequests", "too many");
        assert_int_equal(count(f, EVENTS_DROPPED), 7); /* three are on their way */
        assert_true(lanes_may_begin(&f->lanes, PACE_NOW, boottime, &until));
        pass(f, 5 * USEC_PER_MINUTE - USEC_PER_SEC);
        tell(f, "ns-0");
        pass(f, 0);
        assert_int_equal(n_sent, 4);
        pass(f, USEC_PER_SEC);
        while (f->n_answered < 4)
                answer_ok(f);
        tell(f, "ns-0");
        pass(f, 0);
        assert_int_equal(n_sent, 5);
}

static void test_throttled_without_a_time(void **state)
{
        Fixture *f = *state;

        tell(f, "a");
        pass(f, 0);
        answer_code(f, HTTP_THROTTLED, 429, "TooManyRequests", "too many");
        pass(f, USEC_PER_MINUTE - 1);
        tell(f, "a");
        pass(f, 0);
        assert_int_equal(n_sent, 1);
        pass(f, 1);
        tell(f, "a");
        pass(f, 0);
        assert_int_equal(n_sent, 2);
}

static void test_no_right(void **state)
{
        Fixture *f = *state;
        Lanes *lanes = &f->lanes;
        usec_t until;

        tell_many(f, 0, 6);
        pass(f, 0);
        for (unsigned i = 0; i < 4; i++)
                answer_code(
                        f, HTTP_FORBIDDEN, 403, "Forbidden",
                        "events.events.k8s.io is forbidden: User \"ops\" cannot create resource \"events\" "
                        "in API group \"events.k8s.io\" in the namespace \"a\"");
        assert_string_equal(said,
                            "4 Cannot write Events: events.events.k8s.io is forbidden: User \"ops\" "
                            "cannot create resource \"events\" in API group \"events.k8s.io\" in the "
                            "namespace \"a\"; conflicts and denials are told only here until a reload, "
                            "see RIGHTS in eatr(8)\n");
        assert_string_equal(said_id, MESSAGE_EVENTS_LACKING);
        said[0] = '\0';
        assert_true(lanes_may_begin(lanes, PACE_NOW, boottime, &until));
        pass(f, USEC_PER_DAY);
        tell_many(f, 0, 10);
        pass(f, USEC_PER_DAY);
        assert_int_equal(n_sent, 4);

        events_reload(f->events, &f->config);
        tell(f, "ns-0");
        pass(f, 0);
        assert_int_equal(n_sent, 5);
}

static void test_an_api_that_is_not_there(void **state)
{
        Fixture *f = *state;

        tell(f, "a");
        pass(f, 0);
        answer_code(f, HTTP_NOT_FOUND, 404, "", "HTTP status 404: 404 page not found");
        assert_string_equal(said,
                            "4 Cannot write Events: HTTP status 404: 404 page not found; conflicts and "
                            "denials are told only here until a reload (Kubernetes 1.19 or newer is "
                            "needed)\n");
        said[0] = '\0';
        tell(f, "b");
        pass(f, USEC_PER_DAY);
        assert_int_equal(n_sent, 1);
}

/* What admission says of an Event is said in one namespace, and so is what its quota says. */
static void test_denied_in_one_namespace(void **state)
{
        static const char *const messages[] = {
                "admission webhook \"a.b\" denied the request: User \"x\" cannot do that",
                "events \"eatr.x\" is forbidden: exceeded quota: q, requested: count/events.events.k8s.io=1",
        };
        Fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(messages); i++) {
                make(f);
                n_open = 0;
                tell(f, "a");
                for (unsigned try = 0; try < 3; try++) {
                        pass(f, 20 * USEC_PER_SEC);
                        answer_code(f, HTTP_FORBIDDEN, 403, "Forbidden", messages[i]);
                }
                pass(f, USEC_PER_HOUR);
                assert_int_equal(n_sent, 3 * (i + 1));
                assert_stats(f, 0, 0, 0, 1);
                assert_false(f->events->lacking);
        }
}

static void test_a_namespace_that_goes(void **state)
{
        Fixture *f = *state;
        KubeStatus terminating = { .code = 403, .namespace_terminating = true };

        (void) snprintf(terminating.message, sizeof(terminating.message), "it is being terminated");
        tell(f, "a");
        tell(f, "b");
        pass(f, 0);
        answer(f, HTTP_FORBIDDEN, &terminating);
        answer_code(f, HTTP_NOT_FOUND, 404, "NotFound", "namespaces \"b\" not found");
        pass(f, USEC_PER_DAY);
        assert_int_equal(n_sent, 2);
        assert_int_equal(f->events->book.n, 0);
        assert_stats(f, 0, 0, 0, 0);
}

static void test_tries(void **state)
{
        Fixture *f = *state;
        usec_t first;

        tell(f, "a");
        pass(f, 0);
        first = boottime;
        answer_code(f, HTTP_RETRY, 0, "", "no answer");
        pass(f, 0);
        assert_int_equal(n_sent, 1);
        pass(f, 10 * USEC_PER_SEC);
        assert_int_equal(n_sent, 2);
        answer_code(f, HTTP_RETRY, 500, "InternalError", "it failed");
        pass(f, 20 * USEC_PER_SEC);
        assert_int_equal(n_sent, 3);
        answer_code(f, HTTP_REJECTED, 422, "Invalid", "it is not good");
        assert_stats(f, 0, 0, 0, 1);
        pass(f, first + 29 * USEC_PER_MINUTE - boottime);
        tell(f, "a");
        pass(f, 0);
        assert_int_equal(n_sent, 3);
        pass(f, 2 * USEC_PER_MINUTE);
        tell(f, "a");
        pass(f, 0);
        assert_int_equal(n_sent, 4);
        assert_int_equal(sent[3]->verb, KUBE_CREATE);
}

static void test_a_request_that_cannot_be_made(void **state)
{
        Fixture *f = *state;

        start_result = -ENOMEM;
        tell(f, "a");
        pass(f, USEC_PER_MINUTE);
        assert_stats(f, 0, 0, 0, 1);
        start_result = 0;
        pass(f, 30 * USEC_PER_MINUTE);
        tell(f, "a");
        pass(f, 0);
        assert_int_equal(n_sent, 1);
}

static void test_settled_before_its_turn(void **state)
{
        Fixture *f = *state;

        tell_many(f, 0, 30);
        serve(f, 100 * USEC_PER_MSEC);
        assert_int_equal(n_sent, 20);
        events_settle(f->events, "ns-3");
        events_settle(f->events, "ns-25");
        serve(f, USEC_PER_MINUTE);
        assert_int_equal(n_sent, 29);
        for (size_t i = 0; i < n_sent; i++)
                assert_null(strstr(sent[i]->path, "/ns-25/"));
        assert_stats(f, 29, 0, 0, 0);
}

static void test_off(void **state)
{
        Fixture *f = *state;

        f->config.off = true;
        make(f);
        tell(f, "a");
        pass(f, USEC_PER_HOUR);
        assert_int_equal(n_sent, 0);
        assert_int_equal(f->events->book.n, 0);
}

static void test_counts_are_taken_over(void **state)
{
        Fixture *f = *state;
        Events *old = f->events;

        tell(f, "a");
        pass(f, 0);
        answer_ok(f);
        f->events = NULL;
        make(f);
        events_take_over(f->events, old);
        (void) events_free(old);
        assert_stats(f, 1, 0, 0, 0);
}

static void test_outcomes(void **state)
{
        assert_string_equal(events_outcome_to_string(EVENTS_CREATED), "created");
        assert_string_equal(events_outcome_to_string(EVENTS_REPEATED), "repeated");
        assert_string_equal(events_outcome_to_string(EVENTS_DROPPED), "dropped");
        assert_string_equal(events_outcome_to_string(EVENTS_FAILED), "failed");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(test_created_and_repeated),
                TEST(test_the_host_says_it),
                TEST(test_known_from_before),
                TEST(test_forgotten_by_the_api_server),
                TEST(test_the_budget),
                TEST(test_few_at_a_time),
                TEST(test_a_whole_cluster_in_conflict),
                TEST(test_room_of_the_lanes),
                TEST(test_a_part_of_the_room),
                TEST(test_paused_lanes),
                TEST(test_throttled),
                TEST(test_throttled_without_a_time),
                TEST(test_no_right),
                TEST(test_an_api_that_is_not_there),
                TEST(test_denied_in_one_namespace),
                TEST(test_a_namespace_that_goes),
                TEST(test_tries),
                TEST(test_a_request_that_cannot_be_made),
                TEST(test_settled_before_its_turn),
                TEST(test_off),
                TEST(test_counts_are_taken_over),
                cmocka_unit_test(test_outcomes),
        };

        json_setup();
        return cmocka_run_group_tests_name("events", tests, NULL, NULL);
}
