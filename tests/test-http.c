/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
/* cmocka.h comes after what it uses. */
#include <cmocka.h>

#define LATE (100 * USEC_PER_MSEC)

/* --- a server with a thread for each connection ---------------------------------------------------- */

static struct {
        int fd;
        uint16_t port;
        atomic_int connections;
        atomic_int requests;
        pthread_t thread;
} server;

static const struct {
        const char *path, *answer;
} answers[] = {
        { "/ok", "HTTP/1.1 200 OK\r\nDate: Mon, 23 Nov 2026 19:19:27 GMT\r\nContent-Length: 5\r\n\r\nhello" },
        { "/baddate", "HTTP/1.1 200 OK\r\nDate: yesterday\r\nContent-Length: 0\r\n\r\n" },
        { "/429", "HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nwait" },
        { "/429date", "HTTP/1.1 429 Slow\r\nRetry-After: Mon, 23 Nov 2026 19:19:27 GMT\r\nContent-Length: 0\r\n\r\n" },
        { "/503", "HTTP/1.1 503 Away\r\nContent-Length: 0\r\n\r\n" },
        { "/404", "HTTP/1.1 404 None\r\nContent-Length: 4\r\n\r\nnone" },
        { "/short", "HTTP/1.1 200 OK\r\nContent-Length: 50\r\nConnection: close\r\n\r\nhello" },
        { "/chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n" },
        { "/open", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n" },
        { "/hang", "" },
};

static bool read_request(int fd, char *buffer, size_t size)
{
        size_t used = 0;

        while (used + 1 < size) {
                ssize_t n = read(fd, buffer + used, size - 1 - used);

                if (n <= 0)
                        return false;
                used += (size_t) n;
                buffer[used] = '\0';
                if (strstr(buffer, "\r\n\r\n"))
                        return true;
        }
        return false;
}

static void *serve_connection(void *userdata)
{
        int fd = (int) (intptr_t) userdata;
        char request[8192], path[64];

        while (read_request(fd, request, sizeof(request)) && sscanf(request, "%*s %63s", path) == 1) {
                atomic_fetch_add(&server.requests, 1);
                for (size_t i = 0; i < ELEMENTSOF(answers); i++)
                        if (streq(answers[i].path, path))
                                assert_int_not_equal(write(fd, answers[i].answer, strlen(answers[i].answer)), -1);
                if (streq(path, "/short"))
                        break;
        }
        close(fd);
        return NULL;
}

static void *serve(void *userdata)
{
        pthread_t t;
        int fd;

        while ((fd = accept(server.fd, NULL, NULL)) >= 0) {
                atomic_fetch_add(&server.connections, 1);
                if (pthread_create(&t, NULL, serve_connection, (void *) (intptr_t) fd) == 0)
                        pthread_detach(t);
        }
        return NULL;
}

static int set_up(void **state)
{
        struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof(in);

        (void) unsetenv("http_proxy");
        (void) unsetenv("HTTP_PROXY");
        (void) unsetenv("all_proxy");
        (void) unsetenv("ALL_PROXY");
        server.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (bind(server.fd, (struct sockaddr *) &in, sizeof(in)) < 0 || listen(server.fd, 64) < 0 ||
            getsockname(server.fd, (struct sockaddr *) &in, &size) < 0)
                return -1;
        server.port = ntohs(in.sin_port);
        return http_setup() < 0 || pthread_create(&server.thread, NULL, serve, NULL) != 0 ? -1 : 0;
}

static int tear_down(void **state)
{
        (void) shutdown(server.fd, SHUT_RDWR);
        (void) pthread_join(server.thread, NULL);
        close(server.fd);
        http_shutdown();
        return 0;
}

/* --- a client -------------------------------------------------------------------------------------- */

typedef struct Run {
        sd_event *event;
        HttpClient *client;
        HttpRequest *request;
        unsigned done, opened, pieces;
        HttpOutcome outcome;
        char data[64];
        int data_result;
        struct Run *frees; /* whose request is freed when this one is done */
} Run;

static void begin(Run *r)
{
        const HttpPeer peer = { .no_proxy = true };

        *r = (Run){ 0 };
        assert_int_equal(sd_event_new(&r->event), 0);
        assert_int_equal(http_client_new(r->event, &peer, &r->client), 0);
}

static void end(Run *r)
{
        r->request = http_request_free(r->request);
        r->client = http_client_free(r->client);
        r->event = sd_event_unref(r->event);
}

static void on_done(HttpRequest *q, HttpOutcome outcome, void *userdata)
{
        Run *r = userdata;

        assert_ptr_equal(q, r->request);
        r->done++;
        r->outcome = outcome;
        if (r->frees)
                r->frees->request = http_request_free(r->frees->request);
}

static void on_open(void *userdata)
{
        ((Run *) userdata)->opened++;
}

static int on_data(const void *p, size_t n, void *userdata)
{
        Run *r = userdata;

        r->pieces++;
        strncat(r->data, p, MIN(n, sizeof(r->data) - strlen(r->data) - 1));
        return r->data_result;
}

static void start(Run *r, const char *path, HttpSpec spec)
{
        _cleanup_free_ char *url = str_printf("http://127.0.0.1:%u%s", server.port, path);

        spec.method = spec.method ? spec.method : "GET";
        spec.url = url;
        spec.response_max = spec.response_max ? spec.response_max : 1024;
        spec.timeout = spec.timeout ? spec.timeout : 10 * USEC_PER_SEC;
        assert_int_equal(http_request_start(r->client, &spec, on_done, r, &r->request), 0);
        assert_int_equal(r->done, 0);
}

/* Runs the loop until the request is done, or for as long as given. */
static void turn(Run *r, usec_t limit)
{
        usec_t until = clock_boottime() + limit;

        while (!r->done && clock_boottime() < until)
                assert_true(sd_event_run(r->event, MIN(limit, 10 * USEC_PER_MSEC)) >= 0);
}

static void fetch(Run *r, const char *path, HttpSpec spec)
{
        start(r, path, spec);
        turn(r, 10 * USEC_PER_SEC);
        assert_int_equal(r->done, 1);
}

/* --- tests ----------------------------------------------------------------------------------------- */

static void test_every_status_has_its_outcome(void **state)
{
        static const struct {
                long status;
                bool retry_after;
                HttpOutcome outcome;
        } cases[] = {
                { 200, false, HTTP_OK },           { 201, false, HTTP_OK },        { 204, true, HTTP_OK },
                { 0, false, HTTP_RETRY },          { 301, false, HTTP_REJECTED },  { 400, false, HTTP_REJECTED },
                { 401, false, HTTP_UNAUTHORIZED }, { 403, false, HTTP_FORBIDDEN }, { 404, false, HTTP_NOT_FOUND },
                { 408, false, HTTP_RETRY },        { 409, false, HTTP_CONFLICT },  { 410, false, HTTP_GONE },
                { 415, false, HTTP_REJECTED },     { 422, false, HTTP_REJECTED },  { 429, false, HTTP_THROTTLED },
                { 429, true, HTTP_THROTTLED },     { 500, false, HTTP_RETRY },     { 502, false, HTTP_RETRY },
                { 503, false, HTTP_RETRY },        { 503, true, HTTP_THROTTLED },  { 504, true, HTTP_RETRY },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                assert_int_equal(http_classify(cases[i].status, cases[i].retry_after), cases[i].outcome);
}

static void test_an_answer_comes_with_body_date_and_retry_after(void **state)
{
        Run r;

        begin(&r);
        fetch(&r, "/ok", (HttpSpec){ 0 });
        assert_int_equal(r.outcome, HTTP_OK);
        assert_string_equal(buf_str(http_request_body(r.request)), "hello");
        assert_int_equal(http_request_date(r.request), UINT64_C(1795461567) * USEC_PER_SEC);
        assert_string_equal(http_request_error(r.request), "");
        end(&r);

        begin(&r);
        fetch(&r, "/429", (HttpSpec){ 0 });
        assert_int_equal(r.outcome, HTTP_THROTTLED);
        assert_int_equal(http_request_retry_after(r.request), 7 * USEC_PER_SEC);
        end(&r);

        begin(&r);
        fetch(&r, "/429date", (HttpSpec){ 0 });
        assert_int_equal(http_request_retry_after(r.request), 0);
        end(&r);

        begin(&r);
        fetch(&r, "/baddate", (HttpSpec){ 0 });
        assert_int_equal(http_request_date(r.request), 0);
        end(&r);
}

static void test_a_body_over_its_maximum_ends_the_exchange(void **state)
{
        Run r;

        begin(&r);
        fetch(&r, "/ok", (HttpSpec){ .response_max = 4 });
        assert_int_equal(r.outcome, HTTP_RETRY);
        assert_string_equal(http_request_error(r.request), "the answer is too large");
        end(&r);
}

static void test_a_truncated_body_is_no_answer(void **state)
{
        Run r;

        begin(&r);
        fetch(&r, "/short", (HttpSpec){ 0 });
        assert_int_equal(r.outcome, HTTP_RETRY);
        assert_string_not_equal(http_request_error(r.request), "");
        end(&r);
}

static void test_a_stream_is_handed_on_as_it_comes(void **state)
{
        Run r;

        begin(&r);
        fetch(&r, "/chunks", (HttpSpec){ .on_data = on_data, .on_open = on_open });
        assert_int_equal(r.outcome, HTTP_OK);
        assert_int_equal(r.opened, 1);
        assert_string_equal(r.data, "onetwo");
        assert_int_equal(http_request_body(r.request)->size, 0);
        end(&r);
}

static void test_a_stream_hands_on_no_error_body(void **state)
{
        Run r;

        begin(&r);
        fetch(&r, "/404", (HttpSpec){ .on_data = on_data, .on_open = on_open });
        assert_int_equal(r.outcome, HTTP_NOT_FOUND);
        assert_int_equal(r.pieces + r.opened, 0);
        assert_string_equal(buf_str(http_request_body(r.request)), "none");
        end(&r);
}

static void test_an_error_of_the_reader_ends_the_stream(void **state)
{
        Run r;

        begin(&r);
        r.data_result = -EBADMSG;
        fetch(&r, "/chunks", (HttpSpec){ .on_data = on_data });
        assert_int_equal(r.outcome, HTTP_RETRY);
        assert_string_equal(http_request_error(r.request), strerror(EBADMSG));
        end(&r);
}

static void test_a_freed_request_is_never_heard_of_again(void **state)
{
        Run r;

        begin(&r);
        start(&r, "/ok", (HttpSpec){ 0 });
        r.request = http_request_free(r.request); /* before it was sent */
        turn(&r, LATE);
        assert_int_equal(r.done, 0);

        start(&r, "/open", (HttpSpec){ .on_data = on_data });
        while (r.pieces == 0)
                assert_true(sd_event_run(r.event, LATE) >= 0);
        r.request = http_request_free(r.request); /* in the middle of the answer */
        turn(&r, LATE);
        assert_int_equal(r.done, 0);
        end(&r);
}

static void test_done_may_free_another_request(void **state)
{
        Run a, b;

        begin(&a);
        b = (Run){ .event = a.event, .client = a.client };
        start(&a, "/ok", (HttpSpec){ 0 });
        start(&b, "/ok", (HttpSpec){ 0 });
        a.frees = &b;
        b.frees = &a;
        while (a.done + b.done == 0)
                assert_true(sd_event_run(a.event, LATE) >= 0);
        turn(a.done ? &b : &a, LATE);
        assert_int_equal(a.done + b.done, 1);
        (void) http_request_free(b.request);
        end(&a);
}

static void test_after_a_timeout_the_connection_is_not_used_again(void **state)
{
        int before = atomic_load(&server.connections);
        Run r;

        begin(&r);
        fetch(&r, "/hang", (HttpSpec){ .timeout = LATE });
        assert_int_equal(r.outcome, HTTP_RETRY);
        assert_int_equal(http_request_status(r.request), 0);
        assert_string_equal(http_request_error(r.request), "no answer in time");
        r.request = http_request_free(r.request);
        r.done = 0;
        fetch(&r, "/ok", (HttpSpec){ 0 });
        assert_int_equal(r.outcome, HTTP_OK);
        assert_int_equal(atomic_load(&server.connections), before + 2);
        end(&r);
}

static void test_a_connection_is_kept_for_the_next_request(void **state)
{
        int before = atomic_load(&server.connections);
        Run r;

        begin(&r);
        for (unsigned i = 0; i < 3; i++) {
                r.done = 0;
                fetch(&r, "/ok", (HttpSpec){ 0 });
                r.request = http_request_free(r.request);
        }
        assert_int_equal(atomic_load(&server.connections), before + 1);
        end(&r);
}

static void test_a_broken_client_ends_what_runs_on_it(void **state)
{
        Run r;

        begin(&r);
        start(&r, "/open", (HttpSpec){ .on_data = on_data });
        while (r.pieces == 0)
                assert_true(sd_event_run(r.event, LATE) >= 0);
        assert_true(http_client_last_activity(r.client) > 0);
        http_client_disconnect(r.client);
        turn(&r, 5 * USEC_PER_SEC);
        assert_int_equal(r.done, 1);
        assert_int_equal(r.outcome, HTTP_RETRY);
        end(&r);
}

static void test_nobody_there_is_no_answer(void **state)
{
        HttpSpec spec = { .method = "GET", .url = "http://127.0.0.1:1/", .response_max = 10, .timeout = USEC_PER_SEC };
        Run r;

        begin(&r);
        assert_int_equal(http_request_start(r.client, &spec, on_done, &r, &r.request), 0);
        turn(&r, 5 * USEC_PER_SEC);
        assert_int_equal(r.outcome, HTTP_RETRY);
        assert_int_equal(http_request_status(r.request), 0);
        assert_string_not_equal(http_request_error(r.request), "");
        end(&r);
}

static void test_many_run_side_by_side_and_one_that_hangs_holds_up_none(void **state)
{
        Run hanging, runs[40];

        begin(&hanging);
        start(&hanging, "/hang", (HttpSpec){ .timeout = 30 * USEC_PER_SEC });
        for (size_t i = 0; i < ELEMENTSOF(runs); i++) {
                runs[i] = (Run){ .event = hanging.event, .client = hanging.client };
                start(&runs[i], "/ok", (HttpSpec){ 0 });
        }
        for (size_t i = 0; i < ELEMENTSOF(runs); i++) {
                turn(&runs[i], 5 * USEC_PER_SEC);
                assert_int_equal(runs[i].outcome, HTTP_OK);
                assert_int_equal(runs[i].done, 1);
                (void) http_request_free(runs[i].request);
        }
        assert_int_equal(hanging.done, 0);
        end(&hanging);
}

static void test_waiting_costs_no_cpu_time(void **state)
{
        struct rusage before, after;
        usec_t spent;
        Run r;

        begin(&r);
        start(&r, "/open", (HttpSpec){ .on_data = on_data });
        while (r.pieces == 0)
                assert_true(sd_event_run(r.event, LATE) >= 0);
        assert_int_equal(getrusage(RUSAGE_THREAD, &before), 0);
        turn(&r, USEC_PER_SEC);
        assert_int_equal(getrusage(RUSAGE_THREAD, &after), 0);
        spent = (usec_t) (after.ru_utime.tv_sec - before.ru_utime.tv_sec) * USEC_PER_SEC +
                (usec_t) (after.ru_utime.tv_usec - before.ru_utime.tv_usec);
        assert_true(spent < USEC_PER_SEC / 4);
        end(&r);
}

static void test_another_server_name_leaves_connection_and_host_header(void **state)
{
        const HttpPeer peer = { .server_name = (char *) "kubernetes.default" };
        _cleanup_free_ char *url = NULL, *connect_to = NULL, *header = NULL;

        assert_int_equal(
                http_peer_rename(&peer, "https://10.0.0.1:6443/prefix/api?x=1", &url, &connect_to, &header), 0);
        assert_string_equal(url, "https://kubernetes.default:6443/prefix/api?x=1");
        assert_string_equal(connect_to, "::10.0.0.1:6443");
        assert_string_equal(header, "Host: 10.0.0.1:6443");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_status_has_its_outcome),
                cmocka_unit_test(test_an_answer_comes_with_body_date_and_retry_after),
                cmocka_unit_test(test_a_body_over_its_maximum_ends_the_exchange),
                cmocka_unit_test(test_a_truncated_body_is_no_answer),
                cmocka_unit_test(test_a_stream_is_handed_on_as_it_comes),
                cmocka_unit_test(test_a_stream_hands_on_no_error_body),
                cmocka_unit_test(test_an_error_of_the_reader_ends_the_stream),
                cmocka_unit_test(test_a_freed_request_is_never_heard_of_again),
                cmocka_unit_test(test_done_may_free_another_request),
                cmocka_unit_test(test_after_a_timeout_the_connection_is_not_used_again),
                cmocka_unit_test(test_a_connection_is_kept_for_the_next_request),
                cmocka_unit_test(test_a_broken_client_ends_what_runs_on_it),
                cmocka_unit_test(test_nobody_there_is_no_answer),
                cmocka_unit_test(test_many_run_side_by_side_and_one_that_hangs_holds_up_none),
                cmocka_unit_test(test_waiting_costs_no_cpu_time),
                cmocka_unit_test(test_another_server_name_leaves_connection_and_host_header),
        };

        return cmocka_run_group_tests(tests, set_up, tear_down);
}
