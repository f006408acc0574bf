/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <poll.h>
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
        atomic_int connections, closed;
        atomic_int requests;
        _Atomic(const char *) raw; /* what "/raw" is answered with, and then the connection is closed */
        pthread_t thread;
} server;

static const struct {
        const char *path, *answer;
} answers[] = {
        { "/ok",
          "HTTP/1.1 200 OK\r\nDate: Mon, 23 Nov 2026 19:19:27 GMT\r\nContent-Length: 5\r\n\r\nhello" },
        { "/baddate", "HTTP/1.1 200 OK\r\nDate: yesterday\r\nContent-Length: 0\r\n\r\n" },
        { "/429", "HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nwait" },
        { "/429date",
          "HTTP/1.1 429 Slow\r\nRetry-After: Mon, 23 Nov 2026 19:19:27 GMT\r\nContent-Length: 0\r\n\r\n" },
        { "/503", "HTTP/1.1 503 Away\r\nContent-Length: 0\r\n\r\n" },
        { "/404", "HTTP/1.1 404 None\r\nContent-Length: 4\r\n\r\nnone" },
        { "/302", "HTTP/1.1 302 There\r\nLocation: /ok\r\nContent-Length: 0\r\n\r\n" },
        { "/204", "HTTP/1.1 204 Nothing\r\n\r\n" },
        { "/short", "HTTP/1.1 200 OK\r\nContent-Length: 50\r\nConnection: close\r\n\r\nhello" },
        { "/close", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello" },
        { "/chunks",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n" },
        { "/trailer",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\nX-After: 1\r\n\r\n" },
        { "/early",
          "HTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello" },
        { "/open", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n" },
        { "/hang", "" },
        { "http://nowhere.invalid/", "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nproxied" },
};

/* 100000 times an "a". */
static const unsigned char gzip[] = {
        0x1f, 0x8b,         0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xed, 0xc1, 0x31,
        0x01, 0x00,         0x00, 0x00, 0xc2, 0xa0, 0xac, 0xeb, 0x5f, 0xc2, 0x1a, 0x1e, 0x40,
        0x01, [123] = 0xaf, 0x06, 0x87, 0xfa, 0xe2, 0x1b, 0xa0, 0x86, 0x01, 0x00,
};

static void put(int fd, const void *p, size_t n)
{
        for (size_t sent = 0; sent < n;) {
                ssize_t r = send(fd, (const char *) p + sent, n - sent, MSG_NOSIGNAL);

                if (r <= 0)
                        return; /* the client has gone, which it may */
                sent += (size_t) r;
        }
}

static void _printf_(2, 3) put_head(int fd, const char *format, ...)
{
        char head[512];
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(head, sizeof(head), format, ap);
        va_end(ap);
        put(fd, head, strlen(head));
}

static void put_sized(int fd, size_t n, bool chunked)
{
        static const char xs[1000] = { [0 ... 999] = 'x' };

        if (chunked)
                put_head(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        else
                put_head(fd, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", n);
        for (size_t i = 0; i < n; i += sizeof(xs)) {
                size_t piece = MIN(n - i, sizeof(xs));

                if (chunked)
                        put_head(fd, "%zx\r\n", piece);
                put(fd, xs, piece);
                if (chunked)
                        put_head(fd, "\r\n");
        }
        if (chunked)
                put_head(fd, "0\r\n\r\n");
}

/* Returns the size of a whole request, with its body, 0 if there is none any more. */
static size_t read_request(int fd, char *buffer, size_t size)
{
        size_t used = 0, whole = 0;

        while (used + 1 < size) {
                ssize_t n = read(fd, buffer + used, size - 1 - used);
                const char *end, *length;

                if (n <= 0)
                        return 0;
                used += (size_t) n;
                buffer[used] = '\0';
                end = strstr(buffer, "\r\n\r\n");
                if (!end)
                        continue;
                length = strstr(buffer, "\r\nContent-Length: ");
                whole = (size_t) (end + 4 - buffer) + (length ? strtoul(length + 18, NULL, 10) : 0);
                if (used >= whole)
                        return used;
        }
        return 0;
}

/* Returns whether the connection stays. */
static bool answer(int fd, const char *path, const char *request, size_t request_size)
{
        const char *raw = atomic_load(&server.raw);

        for (size_t i = 0; i < ELEMENTSOF(answers); i++)
                if (streq(answers[i].path, path))
                        put(fd, answers[i].answer, strlen(answers[i].answer));
        if (startswith(path, "/size/"))
                put_sized(fd, strtoul(path + 6, NULL, 10), false);
        else if (startswith(path, "/chunked/"))
                put_sized(fd, strtoul(path + 9, NULL, 10), true);
        else if (streq(path, "/echo")) {
                put_head(fd, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", request_size);
                put(fd, request, request_size);
        } else if (streq(path, "/gzip")) {
                put_head(fd, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n",
                         sizeof(gzip));
                put(fd, gzip, sizeof(gzip));
        } else if (streq(path, "/raw")) {
                put(fd, raw, strlen(raw));
                return false;
        }
        return !streq(path, "/short") && !streq(path, "/close");
}

static void *serve_connection(void *userdata)
{
        int fd = (int) (intptr_t) userdata;
        char request[8192], path[64];
        size_t n;

        while ((n = read_request(fd, request, sizeof(request))) > 0 &&
               sscanf(request, "%*s %63s", path) == 1) {
                atomic_fetch_add(&server.requests, 1);
                if (!answer(fd, path, request, n))
                        break;
        }
        close(fd);
        atomic_fetch_add(&server.closed, 1);
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

        static const char *const variables[] = { "http_proxy",    "HTTP_PROXY",    "https_proxy",
                                                 "HTTPS_PROXY",   "all_proxy",     "ALL_PROXY",
                                                 "no_proxy",      "NO_PROXY",      "SSL_CERT_DIR",
                                                 "SSL_CERT_FILE", "CURL_CA_BUNDLE" };

        for (size_t i = 0; i < ELEMENTSOF(variables); i++)
                (void) unsetenv(variables[i]);
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
        size_t received;
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
        r->received += n;
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

static void turn_until_data(Run *r)
{
        usec_t until = clock_boottime() + 10 * USEC_PER_SEC;

        while (r->pieces == 0 && clock_boottime() < until)
                assert_true(sd_event_run(r->event, 10 * USEC_PER_MSEC) >= 0);
        assert_true(r->pieces > 0);
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
                { 200, false, HTTP_OK },
                { 201, false, HTTP_OK },
                { 204, true, HTTP_OK },
                { 0, false, HTTP_RETRY },
                { 301, false, HTTP_REJECTED },
                { 400, false, HTTP_REJECTED },
                { 401, false, HTTP_UNAUTHORIZED },
                { 403, false, HTTP_FORBIDDEN },
                { 404, false, HTTP_NOT_FOUND },
                { 408, false, HTTP_RETRY },
                { 409, false, HTTP_CONFLICT },
                { 410, false, HTTP_GONE },
                { 415, false, HTTP_REJECTED },
                { 422, false, HTTP_REJECTED },
                { 429, false, HTTP_THROTTLED },
                { 429, true, HTTP_THROTTLED },
                { 500, false, HTTP_RETRY },
                { 502, false, HTTP_RETRY },
                { 503, false, HTTP_RETRY },
                { 503, true, HTTP_THROTTLED },
                { 504, true, HTTP_RETRY },
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

/* Connections of earlier tests may still wait to be accepted, or to be seen to have ended. One that comes
 * behind them, and the end of all, make the counters true; returns how many there were. */
static int quiet(void)
{
        static const char request[] = "GET /ok HTTP/1.1\r\n\r\n";
        struct sockaddr_in in = { .sin_family = AF_INET,
                                  .sin_port = htons(server.port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        char c;

        assert_int_equal(connect(fd, (struct sockaddr *) &in, sizeof(in)), 0);
        assert_int_equal(write(fd, request, strlen(request)), strlen(request));
        assert_int_equal(read(fd, &c, 1), 1);
        close(fd);
        for (unsigned i = 0; i < 5000 && atomic_load(&server.closed) < atomic_load(&server.connections); i++)
                (void) poll(NULL, 0, 1);
        assert_int_equal(atomic_load(&server.closed), atomic_load(&server.connections));
        return atomic_load(&server.connections);
}

static void test_after_a_timeout_the_connection_is_not_used_again(void **state)
{
        int before = quiet();
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
        int before = quiet();
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
        HttpSpec spec = {
                .method = "GET", .url = "http://127.0.0.1:1/", .response_max = 10, .timeout = USEC_PER_SEC
        };
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

/* --- tests, the harder ones ------------------------------------------------------------------------ */

/* Asks again on the same client. */
static void again(Run *r, const char *path, HttpSpec spec)
{
        r->request = http_request_free(r->request);
        r->done = r->opened = r->pieces = 0;
        r->received = 0;
        fetch(r, path, spec);
}

/* Turns the loop for as long as given, and returns how many turns there were something to do in. */
static unsigned busy_turns(Run *r, usec_t length)
{
        usec_t until = clock_boottime() + length, now;
        unsigned n = 0;

        while ((now = clock_boottime()) < until) {
                int k = sd_event_run(r->event, until - now);

                assert_true(k >= 0);
                n += k > 0;
        }
        return n;
}

static void test_the_maximum_is_exact(void **state)
{
        static const struct {
                const char *path;
                size_t max;
                bool compressed;
                HttpOutcome outcome;
        } cases[] = {
                { "/size/3000", 3000, false, HTTP_OK },
                { "/size/3000", 2999, false, HTTP_RETRY },
                { "/chunked/3000", 3000, false, HTTP_OK },
                { "/chunked/3000", 2999, false, HTTP_RETRY },
                { "/chunked/9000000", 9, false, HTTP_RETRY },
                { "/size/9000000", 9000000, false, HTTP_OK },
                { "/gzip", 133, false, HTTP_OK }, /* a few bytes that become many count as many */
                { "/gzip", 100000, true, HTTP_OK },
                { "/gzip", 99999, true, HTTP_RETRY },
        };
        Run r;

        begin(&r);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                again(&r, cases[i].path,
                      (HttpSpec){ .response_max = cases[i].max, .compressed = cases[i].compressed });
                assert_int_equal(r.outcome, cases[i].outcome);
                assert_true(http_request_body(r.request)->size <= cases[i].max);
                if (r.outcome == HTTP_OK)
                        assert_int_equal(http_request_body(r.request)->size, cases[i].max);
                else
                        assert_string_equal(http_request_error(r.request), "the answer is too large");
        }
        end(&r);
}

static void test_a_stream_has_no_maximum_but_its_errors_have(void **state)
{
        Run r;

        begin(&r);
        fetch(&r, "/chunked/9000000", (HttpSpec){ .response_max = 3, .on_data = on_data });
        assert_int_equal(r.outcome, HTTP_OK);
        assert_int_equal(r.received, 9000000);
        assert_true(r.pieces > 1);
        again(&r, "/404", (HttpSpec){ .response_max = 3, .on_data = on_data });
        assert_int_equal(r.outcome, HTTP_RETRY);
        again(&r, "/404", (HttpSpec){ .response_max = 4, .on_data = on_data });
        assert_int_equal(r.outcome, HTTP_NOT_FOUND);
        end(&r);
}

static void test_a_request_is_sent_as_told(void **state)
{
        const char *headers[] = { "X-One: 1", "Authorization: Bearer abc", "Content-Type: application/x",
                                  "X-Empty: ", NULL };
        char body[2000];
        const char *sent;
        Run r;

        for (size_t i = 0; i < sizeof(body); i++)
                body[i] = (char) i; /* bytes, not text */
        begin(&r);
        start(&r, "/echo?a=%3D&b",
              (HttpSpec){ .method = "PATCH", .headers = headers, .body = body, .body_size = sizeof(body) });
        headers[0] = headers[1] = NULL; /* all of it was copied */
        memset(body, 'z', sizeof(body));
        turn(&r, LATE);
        assert_int_equal(r.done, 0); /* that path has no answer: nothing may be cut from a path */
        r.request = http_request_free(r.request);

        headers[0] = "X-One: 1";
        headers[1] = "Authorization: Bearer abc";
        for (size_t i = 0; i < sizeof(body); i++)
                body[i] = (char) i;
        start(&r, "/echo",
              (HttpSpec){ .method = "PATCH",
                          .headers = headers,
                          .body = body,
                          .body_size = sizeof(body),
                          .response_max = 9999 });
        headers[0] = headers[1] = NULL;
        memset(body, 'z', sizeof(body));
        turn(&r, 10 * USEC_PER_SEC);
        assert_int_equal(r.outcome, HTTP_OK);
        sent = buf_str(http_request_body(r.request));
        assert_non_null(startswith(sent, "PATCH /echo HTTP/1.1\r\n"));
        assert_non_null(strstr(sent, "\r\nX-One: 1\r\n"));
        assert_non_null(strstr(sent, "\r\nAuthorization: Bearer abc\r\n"));
        assert_non_null(strstr(sent, "\r\nContent-Type: application/x\r\n"));
        assert_non_null(strstr(sent, "\r\nX-Empty:"));
        assert_non_null(strstr(sent, "\r\nContent-Length: 2000\r\n"));
        assert_non_null(strstr(sent, "\r\nUser-Agent: eatr/"));
        assert_null(strcasestr(sent, "\r\nExpect:"));
        assert_null(strcasestr(sent, "\r\nAccept-Encoding:"));
        sent = strstr(sent, "\r\n\r\n") + 4;
        for (size_t i = 0; i < sizeof(body); i++)
                assert_int_equal(sent[i], (char) i);

        again(&r, "/echo", (HttpSpec){ .method = "POST", .body = "", .compressed = true });
        sent = buf_str(http_request_body(r.request));
        assert_non_null(startswith(sent, "POST /echo HTTP/1.1\r\n"));
        assert_non_null(strstr(sent, "\r\nContent-Length: 0\r\n"));
        assert_non_null(strstr(sent, "\r\nAccept-Encoding: gzip\r\n"));
        end(&r);
}

static void test_headers_are_read_whatever_they_look_like(void **state)
{
#define DATE "Mon, 23 Nov 2026 19:19:27 GMT"
        static const struct {
                const char *lines;
                usec_t retry_after, date;
                HttpOutcome outcome; /* of a 503 */
        } cases[] = {
                { "", 0, 0, HTTP_RETRY },
                { "retry-after:5\r\n", 5, 0, HTTP_THROTTLED },
                { "RETRY-AFTER: \t 5 \t \r\n", 5, 0, HTTP_THROTTLED },
                { "Retry-After: 0\r\n", 0, 0, HTTP_THROTTLED },
                { "Retry-After: 3601\r\n", 3600, 0, HTTP_THROTTLED },
                { "Retry-After: 99999999999999999999999999\r\n", 3600, 0, HTTP_THROTTLED },
                { "Retry-After: 5s\r\n", 0, 0, HTTP_RETRY },
                { "Retry-After: 1.5\r\n", 0, 0, HTTP_RETRY },
                { "Retry-After: -5\r\n", 0, 0, HTTP_RETRY },
                { "Retry-After: +5\r\n", 0, 0, HTTP_RETRY },
                { "Retry-After:\r\n", 0, 0, HTTP_RETRY },
                { "Retry-After: " DATE "\r\n", 0, 0, HTTP_RETRY },
                { "X-Retry-After: 5\r\nRetry-After-X: 5\r\nRetry: 5\r\n", 0, 0, HTTP_RETRY },
                { "date: " DATE "  \r\n", 0, UINT64_C(1795461567), HTTP_RETRY },
                { "Date:" DATE "\r\nRetry-After: 9\r\n", 9, UINT64_C(1795461567), HTTP_THROTTLED },
                { "Date: " DATE " and a lot more that does not belong there, which goes on and on\r\n", 0, 0,
                  HTTP_RETRY },
                { "Date: 2026-11-23T19:19:27Z\r\n", 0, 0, HTTP_RETRY },
                { "Date:\r\n", 0, 0, HTTP_RETRY },
                { "Dates: " DATE "\r\nUpDate: " DATE "\r\nX: Date: " DATE "\r\n", 0, 0, HTTP_RETRY },
        };
#undef DATE
        static char raw[ELEMENTSOF(cases)][256]; /* the server may still look at them later */
        Run r;

        begin(&r);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                (void) snprintf(raw[i], sizeof(raw[i]), "HTTP/1.1 503 Away\r\nContent-Length: 0\r\n%s\r\n",
                                cases[i].lines);
                atomic_store(&server.raw, raw[i]);
                again(&r, "/raw", (HttpSpec){ 0 });
                assert_int_equal(http_request_status(r.request), 503);
                assert_int_equal(http_request_retry_after(r.request), cases[i].retry_after * USEC_PER_SEC);
                assert_int_equal(http_request_date(r.request), cases[i].date * USEC_PER_SEC);
                assert_int_equal(r.outcome, cases[i].outcome);
        }
        end(&r);
}

static void test_what_is_not_http_is_no_answer(void **state)
{
        static const char *const answers_of_others[] = {
                "",
                "SSH-2.0-OpenSSH_9.2p1\r\n",
                "hello\n",
                "HTTP/1.1",
                "HTTP/1.1 200 OK\r\n", /* libcurl calls this a success */
                "HTTP/1.1 200 OK\r\nDate: Mon, 23 Nov",
                "HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 200 OK\r\n",
                "HTTP/1.1 103 Hints\r\n\r\n",
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n",
                "HTTP/1.1 OK\r\n\r\n",
                "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
                "\x16\x03\x01\x02",
        };
        Run r;

        begin(&r);
        for (size_t i = 0; i < ELEMENTSOF(answers_of_others); i++) {
                atomic_store(&server.raw, answers_of_others[i]);
                again(&r, "/raw", (HttpSpec){ 0 });
                if (r.outcome != HTTP_RETRY || !*http_request_error(r.request))
                        fail_msg("outcome %u: %s", r.outcome, answers_of_others[i]);
        }
        end(&r);
}

static void test_answers_that_are_unusual_but_right(void **state)
{
        Run r;

        begin(&r);
        atomic_store(&server.raw, "HTTP/1.1 200 OK\r\n\r\nup to the end");
        fetch(&r, "/raw", (HttpSpec){ .on_open = on_open });
        assert_int_equal(r.outcome, HTTP_OK);
        assert_string_equal(buf_str(http_request_body(r.request)), "up to the end");
        assert_int_equal(r.opened, 1);
        again(&r, "/302", (HttpSpec){ .on_open = on_open });
        assert_int_equal(r.outcome, HTTP_REJECTED); /* and not what /ok says */
        assert_int_equal(http_request_status(r.request), 302);
        assert_int_equal(r.opened, 0);
        again(&r, "/204", (HttpSpec){ 0 });
        assert_int_equal(r.outcome, HTTP_OK);
        assert_non_null(http_request_body(r.request));
        assert_string_equal(buf_str(http_request_body(r.request)), "");
        again(&r, "/early", (HttpSpec){ .on_open = on_open });
        assert_int_equal(r.outcome, HTTP_OK);
        assert_int_equal(http_request_status(r.request), 200);
        assert_int_equal(r.opened, 1);
        again(&r, "/trailer", (HttpSpec){ .on_open = on_open });
        assert_int_equal(r.outcome, HTTP_OK);
        assert_int_equal(r.opened, 1);
        end(&r);
}

/* The body tells how often the head of its answer had been told of before. */
static int on_data_when_open(const void *p, size_t n, void *userdata)
{
        assert_int_equal(((Run *) userdata)->opened, 1);
        return on_data(p, n, userdata);
}

static void test_a_silent_stream_is_told_to_be_open(void **state)
{
        Run r;

        begin(&r);
        start(&r, "/open", (HttpSpec){ .on_data = on_data_when_open, .on_open = on_open });
        while (r.pieces == 0)
                assert_true(sd_event_run(r.event, LATE) >= 0);
        assert_int_equal(r.opened, 1);
        assert_int_equal(r.done, 0);
        end(&r);
}

static void test_other_schemes_are_refused(void **state)
{
        static const char *const urls[] = {
                "file:///etc/passwd", "ftp://127.0.0.1:1/",      "http://",     "",
                "nonsense://x/",      "http://127.0.0.1:99999/", "http://[::1/"
        };
        Run r;

        begin(&r);
        for (size_t i = 0; i < ELEMENTSOF(urls); i++) {
                HttpSpec spec = {
                        .method = "GET", .url = urls[i], .response_max = 10000, .timeout = USEC_PER_SEC
                };

                r.done = 0;
                assert_int_equal(http_request_start(r.client, &spec, on_done, &r, &r.request), 0);
                turn(&r, 5 * USEC_PER_SEC);
                assert_int_equal(r.done, 1);
                assert_int_equal(r.outcome, HTTP_RETRY);
                assert_int_equal(http_request_body(r.request)->size, 0);
                assert_string_not_equal(http_request_error(r.request), "");
                r.request = http_request_free(r.request);
        }
        end(&r);
}

/* The server closes a connection that libcurl keeps: the next request goes over a new one, unharmed. */
static void test_a_kept_connection_may_have_been_closed(void **state)
{
        int before = quiet();
        Run r;

        begin(&r);
        for (unsigned i = 0; i < 5; i++) {
                again(&r, "/close", (HttpSpec){ .method = "PATCH", .body = "{}", .body_size = 2 });
                assert_int_equal(r.outcome, HTTP_OK);
                (void) usleep(20000);
        }
        assert_int_equal(atomic_load(&server.connections), before + 5);
        end(&r);
}

/* Over HTTP/1.1 nothing but the end of the connection tells the server. */
static void test_the_server_hears_of_a_cancellation(void **state)
{
        int closed;
        Run r;

        begin(&r);
        for (unsigned i = 0; i < 2; i++) {
                int requests;

                (void) quiet();
                requests = atomic_load(&server.requests);
                closed = atomic_load(&server.closed);
                start(&r, i == 0 ? "/hang" : "/open", (HttpSpec){ .on_data = on_data });
                while (atomic_load(&server.requests) == requests || (i == 1 && r.pieces == 0))
                        assert_true(sd_event_run(r.event, 10 * USEC_PER_MSEC) >= 0);
                r.request = http_request_free(r.request);
                for (unsigned k = 0; k < 500 && atomic_load(&server.closed) == closed; k++)
                        assert_true(sd_event_run(r.event, 10 * USEC_PER_MSEC) >= 0);
                assert_int_equal(atomic_load(&server.closed), closed + 1);
                assert_int_equal(r.done, 0);
        }
        /* And the client is as good as before. */
        fetch(&r, "/ok", (HttpSpec){ 0 });
        assert_int_equal(r.outcome, HTTP_OK);
        assert_null(http_request_free(NULL));
        assert_null(http_client_free(NULL));
        end(&r);
}

static void test_a_request_may_be_freed_at_any_time(void **state)
{
        Run r;

        begin(&r);
        for (unsigned turns = 0; turns < 20; turns++)
                for (unsigned kind = 0; kind < 3; kind++) {
                        static const char *const paths[] = { "/ok", "/chunked/100000", "/hang" };

                        start(&r, paths[kind],
                              (HttpSpec){ .on_data = on_data, .timeout = 5 * USEC_PER_MSEC });
                        for (unsigned i = 0; i < turns && r.done == 0; i++)
                                assert_true(sd_event_run(r.event, USEC_PER_MSEC) >= 0);
                        assert_true(r.done <= 1);
                        r.request = http_request_free(r.request);
                        r.done = 0;
                        (void) busy_turns(&r, 3 * USEC_PER_MSEC);
                        assert_int_equal(r.done, 0);
                }
        end(&r);
}

/* Each done frees its own request and starts the next. */
static void on_done_chain(HttpRequest *q, HttpOutcome outcome, void *userdata)
{
        _cleanup_free_ char *url = str_printf("http://127.0.0.1:%u/ok", server.port);
        const HttpSpec spec = { .method = "GET", .url = url, .response_max = 10, .timeout = USEC_PER_SEC };
        Run *r = userdata;

        assert_int_equal(outcome, HTTP_OK);
        assert_ptr_equal(q, r->request);
        r->request = http_request_free(q);
        if (++r->done < 10)
                assert_int_equal(http_request_start(r->client, &spec, on_done_chain, r, &r->request), 0);
}

static void test_done_may_free_its_own_request_and_start_another(void **state)
{
        _cleanup_free_ char *url = str_printf("http://127.0.0.1:%u/ok", server.port);
        const HttpSpec spec = { .method = "GET", .url = url, .response_max = 10, .timeout = USEC_PER_SEC };
        Run r;

        begin(&r);
        assert_int_equal(http_request_start(r.client, &spec, on_done_chain, &r, &r.request), 0);
        while (r.done < 10)
                assert_true(sd_event_run(r.event, LATE) >= 0);
        (void) busy_turns(&r, LATE);
        assert_int_equal(r.done, 10);
        assert_null(r.request);
        end(&r);
}

/* Many that finish in the same turn of the loop; the first of them frees all, its own included. */
#define N_CROWD 30
typedef struct Crowd {
        HttpRequest *requests[N_CROWD];
        unsigned done;
} Crowd;

static void on_done_crowd(HttpRequest *q, HttpOutcome outcome, void *userdata)
{
        Crowd *c = userdata;

        c->done++;
        for (size_t i = 0; i < N_CROWD; i++)
                c->requests[i] = http_request_free(c->requests[i]);
}

static void test_done_may_free_all_others(void **state)
{
        _cleanup_free_ char *url = str_printf("http://127.0.0.1:%u/ok", server.port);
        const HttpSpec spec = { .method = "GET", .url = url, .response_max = 10, .timeout = USEC_PER_SEC };
        Crowd c = { .done = 0 };
        Run r;

        begin(&r);
        for (size_t i = 0; i < N_CROWD; i++)
                assert_int_equal(http_request_start(r.client, &spec, on_done_crowd, &c, &c.requests[i]), 0);
        (void) usleep(100000); /* so that there is much to be done at once */
        while (c.done == 0)
                assert_true(sd_event_run(r.event, LATE) >= 0);
        (void) busy_turns(&r, LATE);
        assert_int_equal(c.done, 1);
        end(&r);
}

static void test_a_stream_that_was_given_up_leaves_no_connection(void **state)
{
        int before = quiet();
        Run r;

        begin(&r);
        r.data_result = -EBADMSG;
        fetch(&r, "/open", (HttpSpec){ .on_data = on_data });
        assert_int_equal(r.outcome, HTTP_RETRY);
        assert_int_equal(r.pieces, 1);
        assert_true(http_request_duration(r.request) < 5 * USEC_PER_SEC); /* and not the timeout */
        r.data_result = 0;
        again(&r, "/ok", (HttpSpec){ 0 });
        assert_int_equal(r.outcome, HTTP_OK);
        assert_string_equal(buf_str(http_request_body(r.request)), "hello");
        assert_int_equal(atomic_load(&server.connections), before + 2);
        end(&r);
}

/* A timeout without a byte says that the peer is away: what else is under way on this client ends as well,
 * and what is in the pool is not used again. Other clients do not hear of it. */
static void test_a_silent_timeout_breaks_all_of_the_client(void **state)
{
        int before, closed;
        Run r, other, stranger;

        begin(&r);
        begin(&stranger);
        other = (Run){ .event = r.event, .client = r.client };
        before = quiet();
        closed = atomic_load(&server.closed);
        start(&stranger, "/open", (HttpSpec){ .on_data = on_data });
        start(&other, "/open", (HttpSpec){ .on_data = on_data });
        fetch(&r, "/ok", (HttpSpec){ 0 });
        turn_until_data(&other);
        again(&r, "/hang", (HttpSpec){ .timeout = 2 * LATE });
        assert_int_equal(r.outcome, HTTP_RETRY);
        assert_int_equal(http_request_status(r.request), 0);
        assert_in_range(http_request_duration(r.request), 2 * LATE, 50 * LATE);
        turn(&other, 5 * USEC_PER_SEC);
        assert_int_equal(other.done, 1);
        assert_int_equal(other.outcome, HTTP_RETRY);
        assert_string_not_equal(http_request_error(other.request), "");
        (void) http_request_free(other.request);

        (void) busy_turns(&stranger, LATE);
        assert_int_equal(stranger.done, 0);
        assert_int_equal(atomic_load(&server.connections), before + 3);
        for (unsigned i = 0; i < 500 && atomic_load(&server.closed) < closed + 2; i++)
                (void) busy_turns(&r, USEC_PER_MSEC);
        assert_int_equal(atomic_load(&server.closed), closed + 2);
        again(&r, "/ok", (HttpSpec){ 0 });
        assert_int_equal(r.outcome, HTTP_OK);
        assert_int_equal(atomic_load(&server.connections), before + 4);
        end(&stranger);
        end(&r);
}

/* While others get something, a request that gets nothing is alone with that. */
static void test_a_timeout_among_answers_ends_one_request(void **state)
{
        Run r, other;

        begin(&r);
        other = (Run){ .event = r.event, .client = r.client };
        start(&r, "/hang", (HttpSpec){ .timeout = 20 * LATE });
        start(&other, "/open", (HttpSpec){ .on_data = on_data });
        turn_until_data(&other);
        assert_int_equal(r.done, 0);
        turn(&r, 10 * USEC_PER_SEC);
        assert_int_equal(r.done, 1);
        assert_int_equal(r.outcome, HTTP_RETRY);
        (void) busy_turns(&r, LATE);
        assert_int_equal(other.done, 0);
        (void) http_request_free(other.request);
        end(&r);
}

static void test_no_timeout_comes_after_the_answer(void **state)
{
        Run r;

        begin(&r);
        fetch(&r, "/ok", (HttpSpec){ .timeout = 2 * LATE });
        (void) busy_turns(&r, 4 * LATE);
        assert_int_equal(r.done, 1);
        assert_int_equal(r.outcome, HTTP_OK);
        end(&r);
}

static void test_a_hundred_run_side_by_side_and_break_together(void **state)
{
        int connections = quiet(), requests = atomic_load(&server.requests);
        Run r, runs[100];

        begin(&r);
        for (size_t i = 0; i < ELEMENTSOF(runs); i++) {
                runs[i] = (Run){ .event = r.event, .client = r.client };
                start(&runs[i], "/hang", (HttpSpec){ .timeout = 60 * USEC_PER_SEC });
        }
        while (atomic_load(&server.requests) < requests + 100)
                assert_true(sd_event_run(r.event, LATE) >= 0);
        assert_int_equal(atomic_load(&server.connections), connections + 100);
        http_client_disconnect(r.client);
        for (size_t i = 0; i < ELEMENTSOF(runs); i++) {
                turn(&runs[i], 5 * USEC_PER_SEC);
                assert_int_equal(runs[i].done, 1);
                assert_int_equal(runs[i].outcome, HTTP_RETRY);
                (void) http_request_free(runs[i].request);
        }
        fetch(&r, "/ok", (HttpSpec){ 0 });
        assert_int_equal(r.outcome, HTTP_OK);
        end(&r);
}

/* Neither a pooled connection nor a request that waits turns the loop, apart from libcurl's own timers. */
static void test_waiting_does_not_turn_the_loop(void **state)
{
        Run r;

        begin(&r);
        assert_int_equal(busy_turns(&r, LATE), 0);
        fetch(&r, "/ok", (HttpSpec){ .timeout = 10 * USEC_PER_SEC });
        assert_true(busy_turns(&r, 5 * LATE) < 10);
        r.request = http_request_free(r.request);
        assert_true(busy_turns(&r, 5 * LATE) < 10);
        r.done = 0;
        start(&r, "/open", (HttpSpec){ .on_data = on_data });
        while (r.pieces == 0)
                assert_true(sd_event_run(r.event, LATE) >= 0);
        assert_true(busy_turns(&r, 5 * LATE) < 10);
        r.request = http_request_free(r.request);
        assert_true(busy_turns(&r, 5 * LATE) < 10);
        end(&r);
}

static void test_proxies_are_the_environments_unless_refused(void **state)
{
        _cleanup_free_ char *proxy = str_printf("http://127.0.0.1:%u", server.port);
        HttpSpec spec = { .method = "GET",
                          .url = "http://nowhere.invalid/",
                          .response_max = 10,
                          .timeout = 20 * USEC_PER_SEC };
        const HttpPeer peer = { .no_proxy = false };
        Run r = { .done = 0 };

        assert_int_equal(sd_event_new(&r.event), 0);
        assert_int_equal(http_client_new(r.event, &peer, &r.client), 0);
        assert_int_equal(setenv("http_proxy", proxy, 1), 0);
        assert_int_equal(http_request_start(r.client, &spec, on_done, &r, &r.request), 0);
        turn(&r, 10 * USEC_PER_SEC);
        assert_int_equal(r.outcome, HTTP_OK);
        assert_string_equal(buf_str(http_request_body(r.request)), "proxied");
        end(&r);

        begin(&r); /* without */
        assert_int_equal(setenv("http_proxy", "http://127.0.0.1:1", 1), 0);
        fetch(&r, "/ok", (HttpSpec){ 0 });
        assert_int_equal(r.outcome, HTTP_OK);
        end(&r);
        assert_int_equal(unsetenv("http_proxy"), 0);
}

/* The environment's may be anything. */
static void test_an_error_shows_no_password_of_a_proxy(void **state)
{
        HttpSpec spec = { .method = "GET",
                          .url = "http://nowhere.invalid/",
                          .response_max = 10,
                          .timeout = 20 * USEC_PER_SEC };
        const HttpPeer peer = { .no_proxy = false };
        Run r = { .done = 0 };

        assert_int_equal(sd_event_new(&r.event), 0);
        assert_int_equal(http_client_new(r.event, &peer, &r.client), 0);
        assert_int_equal(setenv("http_proxy", "bad://me:hunter2@127.0.0.1:1", 1), 0);
        assert_int_equal(http_request_start(r.client, &spec, on_done, &r, &r.request), 0);
        turn(&r, 10 * USEC_PER_SEC);
        assert_int_equal(r.outcome, HTTP_RETRY);
        assert_non_null(strstr(http_request_error(r.request), "bad://[hidden]@127.0.0.1:1"));
        end(&r);
        assert_int_equal(unsetenv("http_proxy"), 0);
}

/* As http.ProxyURL() of Go does, which a kubeconfig's proxy-url is given to. */
static void test_a_peers_own_proxy_knows_no_exceptions(void **state)
{
        _cleanup_free_ char *proxy = str_printf("http://127.0.0.1:%u", server.port);
        HttpSpec spec = { .method = "GET",
                          .url = "http://nowhere.invalid/",
                          .response_max = 10,
                          .timeout = 20 * USEC_PER_SEC };
        const HttpPeer peer = { .proxy = proxy };
        Run r = { .done = 0 };

        assert_int_equal(setenv("http_proxy", "http://127.0.0.1:1", 1), 0);
        assert_int_equal(setenv("no_proxy", "*", 1), 0);
        assert_int_equal(sd_event_new(&r.event), 0);
        assert_int_equal(http_client_new(r.event, &peer, &r.client), 0);
        assert_int_equal(http_request_start(r.client, &spec, on_done, &r, &r.request), 0);
        turn(&r, 10 * USEC_PER_SEC);
        assert_int_equal(r.outcome, HTTP_OK);
        assert_string_equal(buf_str(http_request_body(r.request)), "proxied");
        end(&r);
        assert_int_equal(unsetenv("http_proxy"), 0);
        assert_int_equal(unsetenv("no_proxy"), 0);
}

static void test_another_server_name_leaves_address_and_host_header(void **state)
{
        const HttpPeer peer = { .server_name = (char *) "kubernetes.invalid", .no_proxy = true };
        _cleanup_free_ char *header = str_printf("\r\nHost: 127.0.0.1:%u\r\n", server.port);
        Run r = { .done = 0 };

        assert_int_equal(sd_event_new(&r.event), 0);
        assert_int_equal(http_client_new(r.event, &peer, &r.client), 0);
        fetch(&r, "/echo", (HttpSpec){ 0 });
        assert_int_equal(r.outcome, HTTP_OK);
        assert_non_null(strstr(buf_str(http_request_body(r.request)), header));
        end(&r);
}

/* --- TLS ------------------------------------------------------------------------------------------- */

#define TLS_NAME "api.kubernetes.invalid"

typedef struct Identity {
        char *certificate, *key; /* PEM; the certificate signs itself */
} Identity;

static char *bio_text(BIO *bio)
{
        char *data, *text;
        long n = BIO_get_mem_data(bio, &data);

        assert_true(n > 0);
        text = strndup(data, (size_t) n);
        BIO_free(bio);
        assert_non_null(text);
        return text;
}

static void add_extension(X509 *x, int nid, const char *value)
{
        X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

        assert_non_null(e);
        assert_int_equal(X509_add_ext(x, e, -1), 1);
        X509_EXTENSION_free(e);
}

static Identity make_identity(const char *alternative_name)
{
        EVP_PKEY *key = EVP_EC_gen("P-256");
        BIO *certificate_text = BIO_new(BIO_s_mem()), *key_text = BIO_new(BIO_s_mem());
        X509 *x = X509_new();

        assert_true(key && x && certificate_text && key_text);
        assert_int_equal(X509_set_version(x, 2), 1);
        assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(x), 1), 1);
        assert_non_null(X509_gmtime_adj(X509_getm_notBefore(x), -3600));
        assert_non_null(X509_gmtime_adj(X509_getm_notAfter(x), 3600));
        assert_int_equal(X509_set_pubkey(x, key), 1);
        assert_int_equal(X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                                                    (const unsigned char *) "eatr test", -1, -1, 0),
                         1);
        assert_int_equal(X509_set_issuer_name(x, X509_get_subject_name(x)), 1);
        add_extension(x, NID_basic_constraints, "critical,CA:TRUE");
        add_extension(x, NID_subject_alt_name, alternative_name);
        assert_true(X509_sign(x, key, EVP_sha256()) > 0);
        assert_int_equal(PEM_write_bio_X509(certificate_text, x), 1);
        assert_int_equal(PEM_write_bio_PrivateKey(key_text, key, NULL, NULL, 0, NULL, NULL), 1);
        X509_free(x);
        EVP_PKEY_free(key);
        return (Identity){ .certificate = bio_text(certificate_text), .key = bio_text(key_text) };
}

static void identity_done(Identity *i)
{
        free(i->certificate);
        free(i->key);
}

/* Says which host was asked for. */
static enum MHD_Result on_tls_request(void *userdata, struct MHD_Connection *connection, const char *url,
                                      const char *method, const char *version, const char *upload,
                                      size_t *upload_size, void **data)
{
        const char *host = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Host");
        struct MHD_Response *response;
        enum MHD_Result result;

        if (!host)
                return MHD_NO;
        response = MHD_create_response_from_buffer(strlen(host), (char *) host, MHD_RESPMEM_MUST_COPY);
        result = MHD_queue_response(connection, 200, response);
        MHD_destroy_response(response);
        return result;
}

static void check_tls(uint16_t port, HttpPeer peer, bool good)
{
        _cleanup_free_ char *url = str_printf("https://127.0.0.1:%u/", port);
        _cleanup_free_ char *host = str_printf("127.0.0.1:%u", port);
        HttpSpec spec = { .method = "GET", .url = url, .response_max = 100, .timeout = 20 * USEC_PER_SEC };
        Run r = { .done = 0 };

        peer.no_proxy = true;
        assert_int_equal(sd_event_new(&r.event), 0);
        assert_int_equal(http_client_new(r.event, &peer, &r.client), 0);
        assert_int_equal(http_request_start(r.client, &spec, on_done, &r, &r.request), 0);
        turn(&r, 20 * USEC_PER_SEC);
        assert_int_equal(r.done, 1);
        assert_int_equal(r.outcome, good ? HTTP_OK : HTTP_RETRY);
        assert_string_equal(buf_str(http_request_body(r.request)), good ? host : "");
        assert_int_equal(!*http_request_error(r.request), good);
        end(&r);
}

static void test_only_the_right_peer_is_trusted(void **state)
{
        char path[] = "/tmp/eatr-test-ca-XXXXXX", *name = (char *) TLS_NAME, *none = (char *) "/nonexistent";
        Identity good, stranger;
        struct MHD_Daemon *d;
        uint16_t port;
        int fd;

        if (MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES)
                skip();
        good = make_identity("DNS:" TLS_NAME);
        stranger = make_identity("DNS:" TLS_NAME);
        d = MHD_start_daemon(MHD_USE_TLS | MHD_USE_INTERNAL_POLLING_THREAD, 0, NULL, NULL, on_tls_request,
                             NULL, MHD_OPTION_HTTPS_MEM_CERT, good.certificate, MHD_OPTION_HTTPS_MEM_KEY,
                             good.key, MHD_OPTION_END);
        assert_non_null(d);
        port = MHD_get_daemon_info(d, MHD_DAEMON_INFO_BIND_PORT)->port;
        fd = mkstemp(path);
        assert_return_code(fd, errno);
        assert_int_equal(write(fd, good.certificate, strlen(good.certificate)), strlen(good.certificate));
        (void) close(fd);

        check_tls(port, (HttpPeer){ .ca = good.certificate, .server_name = name }, true);
        check_tls(port, (HttpPeer){ .ca_file = path, .server_name = name }, true);
        check_tls(port, (HttpPeer){ .ca = good.certificate, .ca_file = none, .server_name = name }, true);
        check_tls(port, (HttpPeer){ .insecure = true }, true);
        check_tls(port, (HttpPeer){ .insecure = true, .ca = stranger.certificate }, true);
        check_tls(port, (HttpPeer){ .insecure = true, .server_name = (char *) "x.invalid" }, true);

        /* The system's roots, another root, another name, no root at all. */
        check_tls(port, (HttpPeer){ .server_name = name }, false);
        check_tls(port, (HttpPeer){ .ca = stranger.certificate, .server_name = name }, false);
        check_tls(port, (HttpPeer){ .ca = stranger.certificate, .ca_file = path, .server_name = name },
                  false);
        check_tls(port, (HttpPeer){ .ca = good.certificate }, false);
        check_tls(port, (HttpPeer){ .ca = good.certificate, .server_name = (char *) "x." TLS_NAME }, false);
        check_tls(port, (HttpPeer){ .ca = (char *) "not PEM", .server_name = name }, false);
        check_tls(port, (HttpPeer){ .ca_file = none, .server_name = name }, false);

        MHD_stop_daemon(d);
        (void) unlink(path);
        identity_done(&good);
        identity_done(&stranger);
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
                cmocka_unit_test(test_the_maximum_is_exact),
                cmocka_unit_test(test_a_stream_has_no_maximum_but_its_errors_have),
                cmocka_unit_test(test_a_request_is_sent_as_told),
                cmocka_unit_test(test_headers_are_read_whatever_they_look_like),
                cmocka_unit_test(test_what_is_not_http_is_no_answer),
                cmocka_unit_test(test_answers_that_are_unusual_but_right),
                cmocka_unit_test(test_a_silent_stream_is_told_to_be_open),
                cmocka_unit_test(test_other_schemes_are_refused),
                cmocka_unit_test(test_a_kept_connection_may_have_been_closed),
                cmocka_unit_test(test_the_server_hears_of_a_cancellation),
                cmocka_unit_test(test_a_request_may_be_freed_at_any_time),
                cmocka_unit_test(test_done_may_free_its_own_request_and_start_another),
                cmocka_unit_test(test_done_may_free_all_others),
                cmocka_unit_test(test_a_stream_that_was_given_up_leaves_no_connection),
                cmocka_unit_test(test_a_silent_timeout_breaks_all_of_the_client),
                cmocka_unit_test(test_a_timeout_among_answers_ends_one_request),
                cmocka_unit_test(test_no_timeout_comes_after_the_answer),
                cmocka_unit_test(test_a_hundred_run_side_by_side_and_break_together),
                cmocka_unit_test(test_waiting_does_not_turn_the_loop),
                cmocka_unit_test(test_proxies_are_the_environments_unless_refused),
                cmocka_unit_test(test_an_error_shows_no_password_of_a_proxy),
                cmocka_unit_test(test_a_peers_own_proxy_knows_no_exceptions),
                cmocka_unit_test(test_another_server_name_leaves_address_and_host_header),
                cmocka_unit_test(test_only_the_right_peer_is_trusted),
        };

        return cmocka_run_group_tests(tests, set_up, tear_down);
}
