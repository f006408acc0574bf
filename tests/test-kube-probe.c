/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "clock.h"

/* The module's clock is ahead of the real one by this. */
static usec_t ahead;

static usec_t test_boottime(void)
{
        return clock_boottime() + ahead;
}

#define clock_boottime test_boottime
#include "kube-probe.c"
#undef clock_boottime

#include "kube-script.h"

#define PROBE "GET /livez "

typedef struct Fixture {
        sd_event *event;
        Script script;
        KubeConfig config;
        KubeAuth *auth;
        KubeStats stats;
        KubeClient *client;
        KubeProbe *probe;
} Fixture;

static int set_up(void **state)
{
        Fixture *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        ahead = 0;
        assert_return_code(sd_event_new(&f->event), 0);
        script_begin(&f->script, f->event);
        f->config.server = f->script.url;
        assert_return_code(kube_auth_new(f->event, &f->config, &f->auth), 0);
        assert_return_code(kube_client_new(f->event, f->auth, &f->stats, &f->client), 0);
        assert_return_code(kube_probe_new(f->event, f->client, &f->probe), 0);
        *state = f;
        return 0;
}

static int tear_down(void **state)
{
        Fixture *f = *state;

        f->probe = kube_probe_free(f->probe);
        f->client = kube_client_free(f->client);
        f->auth = kube_auth_free(f->auth);
        script_end(&f->script);
        (void) sd_event_unref(f->event);
        free(f);
        return 0;
}

/* How long the timer has to go, by the module's clock. */
static usec_t due_in(const Fixture *f)
{
        uint64_t at;

        assert_return_code(sd_event_source_get_time(f->probe->timer, &at), 0);
        return usec_sub(at, clock_boottime());
}

/* The clock jumps, and the timer runs out. */
static void pass(Fixture *f, usec_t time)
{
        ahead += time;
        assert_return_code(sd_event_source_set_time(f->probe->timer, 0), 0);
        script_rest(&f->script);
}

static void on_done(KubeRequest *q, HttpOutcome outcome, const KubeStatus *status, void *userdata)
{
        *(bool *) userdata = true;
}

/* Something comes in for another request. */
static void hear(Fixture *f)
{
        KubeRequest *q = NULL;
        bool done = false;

        assert_return_code(kube_client_request(f->client, &(KubeSpec){ .verb = KUBE_LIST, .path = "/x" },
                                               on_done, &done, &q),
                           0);
        script_answer(script_await(&f->script, "GET /x "), "200 OK", "", "{}");
        script_until(&f->script, done);
        assert_null(kube_request_free(q));
}

static void test_it_asks_after_a_while_of_silence(void **state)
{
        Fixture *f = *state;

        assert_in_range(due_in(f), PROBE_IDLE - USEC_PER_SEC, PROBE_IDLE);
        hear(f);
        pass(f, PROBE_IDLE - 2 * USEC_PER_SEC);
        assert_int_equal(script_waiting(&f->script, PROBE, NULL), 0);
        assert_in_range(due_in(f), 0, 3 * USEC_PER_SEC); /* what is left of the while */
        pass(f, 3 * USEC_PER_SEC);
        assert_int_equal(script_waiting(&f->script, PROBE, NULL), 1);
        assert_in_range(due_in(f), PROBE_IDLE - USEC_PER_SEC, PROBE_IDLE);
}

static void test_a_server_that_was_never_heard_is_asked(void **state)
{
        Fixture *f = *state;

        pass(f, PROBE_IDLE);
        assert_int_equal(script_waiting(&f->script, PROBE, NULL), 1);
}

static void test_one_question_at_a_time(void **state)
{
        Fixture *f = *state;
        ScriptPeer *p;

        pass(f, PROBE_IDLE);
        p = script_await(&f->script, PROBE);
        pass(f, PROBE_IDLE);
        assert_int_equal(script_waiting(&f->script, PROBE, NULL), 0);
        script_answer(p, "401 Unauthorized", "", ""); /* any answer is one */
        script_until(&f->script, !f->probe->request);
        assert_int_equal(f->stats.requests[0].count, 1);
        assert_int_equal(f->stats.requests[0].code, 401);
        pass(f, PROBE_IDLE);
        (void) script_await(&f->script, PROBE);
}

static void test_an_answer_is_a_sign_of_life(void **state)
{
        Fixture *f = *state;

        pass(f, PROBE_IDLE);
        script_answer(script_await(&f->script, PROBE), "200 OK", "", "ok");
        script_until(&f->script, !f->probe->request);
        ahead = 0;
        pass(f, PROBE_IDLE - 2 * USEC_PER_SEC);
        assert_int_equal(script_waiting(&f->script, PROBE, NULL), 0);
}

static void test_it_can_end_at_any_time(void **state)
{
        Fixture *f = *state;
        ScriptPeer *p;

        pass(f, PROBE_IDLE);
        p = script_await(&f->script, PROBE);
        f->probe = kube_probe_free(f->probe);
        f->client = kube_client_free(f->client);
        f->auth = kube_auth_free(f->auth);
        script_until(&f->script, p->fd < 0);
        assert_null(kube_probe_free(NULL));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(test_it_asks_after_a_while_of_silence),
                TEST(test_a_server_that_was_never_heard_is_asked),
                TEST(test_one_question_at_a_time),
                TEST(test_an_answer_is_a_sign_of_life),
                TEST(test_it_can_end_at_any_time),
        };

        return cmocka_run_group_tests(tests, script_group_setup, script_group_teardown);
}
