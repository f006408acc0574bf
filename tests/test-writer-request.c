/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "writer-request.h"

#include "kube-script.h"

static bool read_answer(PlanAction action, const char *body, WriterAnswer *ret)
{
        const Plan p = { .action = action };
        _cleanup_buf_ Buf b = BUF_INIT(65536);

        memset(ret, 0xaa, sizeof(*ret));
        assert_int_equal(buf_append_str(&b, body), 0);
        return writer_request_read(&p, &b, ret);
}

static void test_what_an_apply_is_answered_with(void **state)
{
        WriterAnswer a;

        assert_true(read_answer(PLAN_APPLY, SCRIPT_SECRET("a", "7", "0123"), &a));
        assert_true(a.secret.exists && a.secret.ours && !a.gone);
        assert_int_equal(a.secret.resource_version, 7);
        assert_string_equal(a.secret.uid, "ours");
        /* Nothing but a delete makes a Secret go away. */
        assert_true(read_answer(PLAN_APPLY, SCRIPT_GONE, &a));
        assert_false(a.gone);
}

static void test_what_a_delete_is_answered_with(void **state)
{
        WriterAnswer a;

        assert_true(read_answer(PLAN_DELETE, SCRIPT_GONE, &a));
        assert_true(a.gone);
        assert_true(read_answer(PLAN_DELETE, SCRIPT_OBJECT("ecr", "7", ",\"deletionTimestamp\":\"x\""), &a));
        assert_true(a.secret.exists && a.secret.going && !a.gone);
}

static void test_what_an_inspection_is_answered_with(void **state)
{
        WriterAnswer a;

        assert_true(read_answer(PLAN_INSPECT, SCRIPT_TABLE("Opaque"), &a));
        assert_string_equal(a.type, "Opaque");
        assert_false(read_answer(PLAN_INSPECT, SCRIPT_SECRET("a", "7", "0123"), &a));
}

static void test_what_is_no_answer(void **state)
{
        static const char *const bodies[] = { "",
                                              "{}",
                                              "[]",
                                              "7",
                                              "null",
                                              "<html></html>",
                                              "{\"kind\":\"Status\"}",
                                              "{\"kind\":\"Table\"}",
                                              "{\"metadata\":{" };
        static const PlanAction actions[] = { PLAN_APPLY, PLAN_DELETE, PLAN_INSPECT };
        WriterAnswer a;

        for (size_t i = 0; i < ELEMENTSOF(bodies); i++)
                for (size_t k = 0; k < ELEMENTSOF(actions); k++)
                        assert_false(read_answer(actions[k], bodies[i], &a));
}

/* --- requests ---------------------------------------------------------------------------------------- */

static void on_test_done(KubeRequest *q, HttpOutcome outcome, const KubeStatus *status, void *userdata)
{
        Node *n = userdata;

        assert_ptr_equal(n->request, q);
        n->answered = true;
}

static void check_request(const Plan *p, const char *start, const char *const *parts)
{
        Node n = { .name = (char *) "team-a", .plan = *p };
        KubeConfig config = { 0 };
        KubeStats stats = { 0 };
        sd_event *event = NULL;
        KubeClient *client;
        KubeAuth *auth;
        ScriptPeer *peer;
        Script script;
        _cleanup_buf_ Buf body = BUF_INIT(64);

        assert_return_code(sd_event_new(&event), 0);
        script_begin(&script, event);
        config.server = script.url;
        assert_return_code(kube_auth_new(event, &config, &auth), 0);
        assert_return_code(kube_client_new(event, auth, &stats, &client), 0);
        assert_int_equal(buf_append_str(&body, "{the body}"), 0);
        assert_return_code(writer_request_begin(client, "ecr", &body, on_test_done, &n), 0);
        peer = script_await(&script, start);
        for (; *parts; parts++)
                assert_request(peer, *parts);
        script_answer(peer, "200 OK", "", "{}");
        script_until(&script, n.answered);
        n.request = kube_request_free(n.request);
        (void) kube_client_free(client);
        (void) kube_auth_free(auth);
        script_end(&script);
        (void) sd_event_unref(event);
}

#define PATH "/api/v1/namespaces/team-a/secrets/ecr"

static void test_requests(void **state)
{
        static const char partial[] =
                "\r\nAccept: application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1\r\n";

        check_request(&(Plan){ .action = PLAN_APPLY }, "PATCH " PATH "?fieldManager=eatr HTTP/1.1\r\n",
                      (const char *const[]){ partial, "\r\nContent-Type: application/apply-patch+yaml\r\n",
                                             "\r\n\r\n{the body}", NULL });
        check_request(&(Plan){ .action = PLAN_APPLY, .force = true },
                      "PATCH " PATH "?fieldManager=eatr&force=true HTTP/1.1\r\n",
                      (const char *const[]){ NULL });
        check_request(&(Plan){ .action = PLAN_DELETE, .uid = "u\"", .version = UINT64_MAX },
                      "DELETE " PATH " HTTP/1.1\r\n",
                      (const char *const[]){
                              partial, "\r\nContent-Type: application/json\r\n",
                              "\"uid\":\"u\\\"\",\"resourceVersion\":\"18446744073709551615\"", NULL });
        check_request(&(Plan){ .action = PLAN_INSPECT }, "GET " PATH "?includeObject=None HTTP/1.1\r\n",
                      (const char *const[]){ "\r\nAccept: application/json;as=Table;g=meta.k8s.io;v=v1\r\n",
                                             NULL });
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_an_apply_is_answered_with),
                cmocka_unit_test(test_what_a_delete_is_answered_with),
                cmocka_unit_test(test_what_an_inspection_is_answered_with),
                cmocka_unit_test(test_what_is_no_answer),
                cmocka_unit_test(test_requests),
        };

        return cmocka_run_group_tests_name("writer-request", tests, script_group_setup,
                                           script_group_teardown);
}
