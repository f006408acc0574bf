/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "clock.h"
#include "httpd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
/* cmocka.h comes after what it uses. */
#include <cmocka.h>

static int on_hello(Buf *b, void *userdata)
{
        return buf_printf(b, "hello %s\n", (const char *) userdata) < 0 ? -ENOMEM : 200;
}

static int on_away(Buf *b, void *userdata)
{
        return buf_append_str(b, "away\n") < 0 ? -ENOMEM : 503;
}

static int on_broken(Buf *b, void *userdata)
{
        return -EIO;
}

/* More than a socket takes at once. */
#define LARGE (3U * 1024 * 1024)
static int on_large(Buf *b, void *userdata)
{
        char line[64];

        memset(line, 'x', sizeof(line));
        while (b->size < LARGE)
                if (buf_append(b, line, sizeof(line)) < 0)
                        return -ENOMEM;
        return 200;
}

/* What fails half-way, and what does not know an end. */
static int on_half(Buf *b, void *userdata)
{
        return buf_append_str(b, "half of it") < 0 ? -ENOMEM : -EIO;
}

static int on_endless(Buf *b, void *userdata)
{
        int r;

        do
                r = buf_append_str(b, "a line of it, and a line more, and a line more, and a line more\n");
        while (r >= 0);
        return r;
}

static int on_nothing(Buf *b, void *userdata)
{
        return 200;
}

static const HttpdRoute routes[] = {
        { "/hello", "text/plain; version=1", on_hello },
        { "/away", "text/plain", on_away },
        { "/broken", "text/plain", on_broken },
        { "/large", "text/plain", on_large },
        { "/half", "text/plain", on_half },
        { "/endless", "text/plain", on_endless },
        { "/nothing", "text/plain", on_nothing },
        { NULL, NULL, NULL },
};

typedef struct Fixture {
        sd_event *event;
        Httpd *httpd;
        int port_fd;
        uint16_t port;
} Fixture;

/* Takes a port, -1 if there is no such family here: bound, but not listening, so that nobody else is given
 * it and httpd can have it. address is completed. */
static int hold_port(struct sockaddr *address, socklen_t size)
{
        _cleanup_close_ int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const int on = 1;
        int result;

        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
            bind(fd, address, size) < 0 || getsockname(fd, address, &size) < 0)
                return -1;
        result = fd;
        fd = -1;
        return result;
}

static int serve(sd_event *event, const char *address, uint16_t port, const HttpdRoute *r, void *userdata,
                 Httpd **ret)
{
        int fd = httpd_listen(address, port);

        return fd < 0 ? fd : httpd_new(event, fd, r, userdata, ret);
}

static int set_up(void **state)
{
        struct sockaddr_in in = { .sin_family = AF_INET };
        Fixture *f = calloc(1, sizeof(*f));

        in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        f->port_fd = hold_port((struct sockaddr *) &in, sizeof(in));
        assert_return_code(f->port_fd, errno);
        f->port = ntohs(in.sin_port);
        *state = f;
        return sd_event_new(&f->event) < 0 ||
               serve(f->event, "127.0.0.1", f->port, routes, (void *) "you", &f->httpd) < 0;
}

static int tear_down(void **state)
{
        Fixture *f = *state;

        f->httpd = httpd_free(f->httpd);
        f->event = sd_event_unref(f->event);
        (void) close(f->port_fd);
        free(f);
        return 0;
}

static int connect_to(uint16_t port)
{
        struct sockaddr_in in = { .sin_family = AF_INET,
                                  .sin_port = htons(port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_int_equal(connect(fd, (struct sockaddr *) &in, sizeof(in)), 0);
        return fd;
}

static void ask(int fd, const char *request)
{
        assert_int_equal(write(fd, request, strlen(request)), strlen(request));
}

/* Sends a request and turns the loop until the marker has come in, or the connection has ended. */
static void exchange(const Fixture *f, int fd, const char *request, const char *marker, char *answer,
                     size_t size)
{
        usec_t until = clock_boottime() + 20 * USEC_PER_SEC;
        size_t used = 0;

        ask(fd, request);
        for (;;) {
                ssize_t n;

                assert_true(clock_boottime() < until);
                assert_true(sd_event_run(f->event, 10 * USEC_PER_MSEC) >= 0);
                n = recv(fd, answer + used, size - 1 - used, MSG_DONTWAIT);
                if (n > 0)
                        used += (size_t) n;
                answer[used] = '\0';
                if (n == 0 || strstr(answer, marker))
                        return;
        }
}

static void test_each_path_has_its_answer(void **state)
{
        static const struct {
                const char *request, *status, *marker;
        } cases[] = {
                { "GET /hello", "HTTP/1.1 200 ", "hello you\n" },
                { "GET /hello?x=1", "HTTP/1.1 200 ", "hello you\n" },
                { "HEAD /hello", "HTTP/1.1 200 ", "Content-Length: 10\r\n" },
                { "GET /away", "HTTP/1.1 503 ", "away\n" },
                { "GET /broken", "HTTP/1.1 500 ", "failed\n" },
                { "GET /", "HTTP/1.1 404 ", "not here\n" },
                { "GET /hello/", "HTTP/1.1 404 ", "not here\n" },
                { "GET /hell", "HTTP/1.1 404 ", "not here\n" },
                { "GET /HELLO", "HTTP/1.1 404 ", "not here\n" },
                { "GET //hello", "HTTP/1.1 404 ", "not here\n" },
                { "GET /half", "HTTP/1.1 500 ", "failed\n" },
                { "GET /endless", "HTTP/1.1 500 ", "failed\n" },
                { "GET /nothing", "HTTP/1.1 200 ", "Content-Length: 0\r\n" },
                { "HEAD /nowhere", "HTTP/1.1 404 ", "Content-Length: 9\r\n" },
                { "POST /hello", "HTTP/1.1 405 ", "only GET and HEAD\n" },
                { "PUT /nowhere", "HTTP/1.1 405 ", "only GET and HEAD\n" },
                { "DELETE /hello", "HTTP/1.1 405 ", "Allow: GET, HEAD\r\n" },
                { "OPTIONS /hello", "HTTP/1.1 405 ", "Allow: GET, HEAD\r\n" },
                { "get /hello", "HTTP/1.1 405 ", "Allow: GET, HEAD\r\n" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_close_ int fd = connect_to(((Fixture *) *state)->port);
                _cleanup_free_ char *request =
                        str_printf("%s HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", cases[i].request);
                char answer[1024];

                exchange(*state, fd, request, cases[i].marker, answer, sizeof(answer));
                assert_non_null(startswith(answer, cases[i].status));
                assert_non_null(strstr(answer, cases[i].marker));
        }
}

static void test_the_content_type_is_the_routes(void **state)
{
        _cleanup_close_ int fd = connect_to(((Fixture *) *state)->port);
        char answer[1024];

        exchange(*state, fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n", "hello you\n", answer,
                 sizeof(answer));
        assert_non_null(strstr(answer, "Content-Type: text/plain; version=1\r\n"));
}

static void test_a_connection_is_kept_and_costs_nothing_while_idle(void **state)
{
        _cleanup_close_ int fd = connect_to(((Fixture *) *state)->port);
        unsigned turns = 0;
        char answer[1024];
        usec_t until;

        for (unsigned i = 0; i < 2; i++)
                exchange(*state, fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n", "hello you\n", answer,
                         sizeof(answer));
        for (until = clock_boottime() + USEC_PER_SEC; clock_boottime() < until; turns++)
                assert_true(sd_event_run(((Fixture *) *state)->event, 100 * USEC_PER_MSEC) >= 0);
        assert_true(turns < 30);
}

static void test_a_port_in_use_is_said_to_be(void **state)
{
        Fixture *f = *state;
        Httpd *second = NULL;

        assert_int_equal(serve(f->event, "127.0.0.1", f->port, routes, NULL, &second), -EADDRINUSE);
        assert_null(second);
}

static void test_addresses(void **state)
{
        Fixture *f = *state;
        Httpd *second = NULL;

        assert_int_equal(serve(f->event, "localhost", 1, routes, NULL, &second), -EINVAL);
        assert_int_equal(serve(f->event, "300.0.0.1", 1, routes, NULL, &second), -EINVAL);
        /* IPv6 may be switched off where this runs. */
        if (serve(f->event, "::1", f->port, routes, NULL, &second) >= 0)
                second = httpd_free(second);
        assert_null(second);
}

/* Turns the loop for as long as given, and returns how many turns there were something to do in. */
static unsigned busy_turns(const Fixture *f, usec_t length)
{
        usec_t until = clock_boottime() + length, now;
        unsigned n = 0;

        while ((now = clock_boottime()) < until) {
                int k = sd_event_run(f->event, until - now);

                assert_true(k >= 0);
                n += k > 0;
        }
        return n;
}

/* What is left to do takes a moment, on a slow machine a long one; a loop that spins never comes to rest. */
static void assert_calm(const Fixture *f)
{
        for (unsigned i = 0; i < 20; i++)
                if (busy_turns(f, 300 * USEC_PER_MSEC) < 10)
                        return;
        fail_msg("the loop turns and turns");
}

#define HELLO "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"
#define GET_LARGE "GET /large HTTP/1.1\r\nHost: x\r\n\r\n"

static void check_alive(const Fixture *f)
{
        _cleanup_close_ int fd = connect_to(f->port);
        char answer[1024];

        exchange(f, fd, HELLO, "hello you\n", answer, sizeof(answer));
        assert_non_null(startswith(answer, "HTTP/1.1 200 "));
}

/* HEAD has no body, or what follows on the connection would be taken for it. */
static void test_requests_in_a_row_get_answers_in_a_row(void **state)
{
        _cleanup_close_ int fd = connect_to(((Fixture *) *state)->port);
        const char *second, *third;
        char answer[2048];

        exchange(*state, fd,
                 "HEAD /hello HTTP/1.1\r\nHost: x\r\n\r\n" HELLO "GET /half HTTP/1.1\r\nHost: x\r\n\r\n",
                 "failed\n", answer, sizeof(answer));
        assert_non_null(startswith(answer, "HTTP/1.1 200 "));
        second = strstr(answer, "\r\n\r\n") + 4;
        assert_non_null(startswith(second, "HTTP/1.1 200 "));
        third = strstr(second, "hello you\n") + strlen("hello you\n");
        assert_non_null(startswith(third, "HTTP/1.1 500 "));
        assert_null(strstr(answer, "half of it"));
}

static void test_a_body_that_nobody_wants_is_swallowed(void **state)
{
        _cleanup_close_ int fd = connect_to(((Fixture *) *state)->port);
        char answer[2048], body[1000];

        memset(body, 'x', sizeof(body));
        ask(fd, "POST /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n");
        for (unsigned i = 0; i < 100; i++) {
                assert_int_equal(write(fd, body, sizeof(body)), sizeof(body));
                (void) busy_turns(*state, USEC_PER_MSEC);
        }
        exchange(*state, fd, HELLO, "hello you\n", answer, sizeof(answer));
        assert_non_null(startswith(answer, "HTTP/1.1 405 "));
        assert_non_null(strstr(answer, "HTTP/1.1 200 "));
}

static void test_a_large_answer_waits_for_a_slow_reader(void **state)
{
        _cleanup_close_ int fd = connect_to(((Fixture *) *state)->port);
        usec_t until = clock_boottime() + 20 * USEC_PER_SEC;
        size_t received = 0;
        char piece[65536];
        ssize_t n;

        ask(fd, "GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        (void) busy_turns(*state, 100 * USEC_PER_MSEC);
        /* Nobody reads: there is nothing to do. */
        assert_calm(*state);
        while ((n = recv(fd, piece, sizeof(piece), MSG_DONTWAIT)) != 0) {
                assert_true(clock_boottime() < until);
                if (n > 0)
                        received += (size_t) n;
                assert_true(sd_event_run(((Fixture *) *state)->event, USEC_PER_MSEC) >= 0);
        }
        assert_in_range(received, LARGE, LARGE + 1000);
}

static void test_an_unfinished_request_costs_nothing(void **state)
{
        _cleanup_close_ int fd = connect_to(((Fixture *) *state)->port),
                            silent = connect_to(((Fixture *) *state)->port);
        char answer[1024];

        assert_true(silent >= 0);
        ask(fd, "GET /hel");
        (void) busy_turns(*state, 50 * USEC_PER_MSEC);
        assert_calm(*state);
        check_alive(*state);
        exchange(*state, fd, "lo HTTP/1.1\r\nHost: x\r\n\r\n", "hello you\n", answer, sizeof(answer));
        assert_non_null(startswith(answer, "HTTP/1.1 200 "));
}

static void test_nonsense_harms_nobody(void **state)
{
        static const char *const requests[] = {
                "\r\n\r\n\r\n",
                "GARBAGE\r\n\r\n",
                "GET\r\n\r\n",
                "GET /hello\r\n\r\n",
                "GET /hello HTTP/9.9\r\n\r\n",
                "GET /hello HTTP/1.1\r\n\r\n", /* without Host */
                "GET /hello HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
                "POST /hello HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                "\x16\x03\x01\x02",
        };
        char huge[40000];

        for (size_t i = 0; i < ELEMENTSOF(requests); i++) {
                _cleanup_close_ int fd = connect_to(((Fixture *) *state)->port);

                ask(fd, requests[i]);
                (void) busy_turns(*state, 20 * USEC_PER_MSEC);
                check_alive(*state);
        }
        {
                _cleanup_close_ int fd = connect_to(((Fixture *) *state)->port);

                memset(huge, 'x', sizeof(huge));
                ask(fd, "GET /");
                (void) send(fd, huge, sizeof(huge), MSG_NOSIGNAL);
                (void) busy_turns(*state, 20 * USEC_PER_MSEC);
                check_alive(*state);
        }
        assert_calm(*state);
}

static void test_who_asks_may_be_gone_before_the_answer(void **state)
{
        for (unsigned i = 0; i < 5; i++) {
                int fd = connect_to(((Fixture *) *state)->port);

                ask(fd, GET_LARGE);
                (void) busy_turns(*state, i * USEC_PER_MSEC);
                (void) close(fd);
                check_alive(*state);
        }
        assert_calm(*state);
}

/* More connections than it takes: those above the limit wait without turning the loop, and come to their
 * right when others go, even if all go at once. */
static void test_too_many_connections_wait(void **state)
{
        char answer[1024];
        int fds[48], last = ELEMENTSOF(fds) - 1;

        for (int i = 0; i <= last; i++)
                fds[i] = connect_to(((Fixture *) *state)->port);
        (void) busy_turns(*state, 50 * USEC_PER_MSEC);
        assert_calm(*state);
        exchange(*state, fds[0], HELLO, "hello you\n", answer, sizeof(answer));
        assert_calm(*state);
        for (int i = 0; i < last; i++)
                (void) close(fds[i]);
        exchange(*state, fds[last], HELLO, "hello you\n", answer, sizeof(answer));
        (void) close(fds[last]);
        check_alive(*state);
        assert_calm(*state);
}

/* With open connections, and the port is free at once. */
static void test_a_server_can_be_replaced(void **state)
{
        Fixture *f = *state;

        for (unsigned i = 0; i < 3; i++) {
                _cleanup_close_ int idle = connect_to(f->port), asking = connect_to(f->port);

                assert_true(idle >= 0);
                ask(asking, GET_LARGE);
                (void) busy_turns(f, 20 * USEC_PER_MSEC);
                f->httpd = httpd_free(f->httpd);
                assert_null(f->httpd);
                assert_int_equal(serve(f->event, "127.0.0.1", f->port, routes, (void *) "you", &f->httpd),
                                 0);
                check_alive(f);
        }
        assert_null(httpd_free(NULL));
}

static void test_ipv6(void **state)
{
        struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
        socklen_t size = sizeof(in6);
        Fixture *f = *state;
        Httpd *second = NULL;
        char answer[1024];
        int held, fd;

        held = hold_port((struct sockaddr *) &in6, size);
        if (held < 0)
                skip(); /* it is switched off here */
        assert_int_equal(serve(f->event, "::1", ntohs(in6.sin6_port), routes, (void *) "six", &second), 0);
        fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_return_code(connect(fd, (struct sockaddr *) &in6, size), errno);
        exchange(f, fd, HELLO, "hello six\n", answer, sizeof(answer));
        assert_non_null(startswith(answer, "HTTP/1.1 200 "));
        (void) close(fd);
        second = httpd_free(second);
        (void) close(held);
}

static void test_bad_addresses(void **state)
{
        static const char *const addresses[] = { "",      " ",          "127.0.0.1 ",  "127.0.0.1:80",
                                                 "127.1", "0x7f.0.0.1", "::1%lo",      "[::1]",
                                                 ":::",   "*",          "example.com", "1.2.3.4.5" };
        Fixture *f = *state;
        Httpd *second = NULL;

        for (size_t i = 0; i < ELEMENTSOF(addresses); i++)
                assert_int_equal(serve(f->event, addresses[i], f->port, routes, NULL, &second), -EINVAL);
        /* Nobody here has that one (RFC 5737). */
        assert_int_equal(serve(f->event, "192.0.2.1", f->port, routes, NULL, &second), -EADDRNOTAVAIL);
        assert_int_equal(serve(f->event, "0.0.0.0", f->port, routes, NULL, &second), -EADDRINUSE);
        assert_null(second);
        check_alive(f);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_each_path_has_its_answer),
                cmocka_unit_test(test_the_content_type_is_the_routes),
                cmocka_unit_test(test_a_connection_is_kept_and_costs_nothing_while_idle),
                cmocka_unit_test(test_a_port_in_use_is_said_to_be),
                cmocka_unit_test(test_addresses),
                cmocka_unit_test(test_requests_in_a_row_get_answers_in_a_row),
                cmocka_unit_test(test_a_body_that_nobody_wants_is_swallowed),
                cmocka_unit_test(test_a_large_answer_waits_for_a_slow_reader),
                cmocka_unit_test(test_an_unfinished_request_costs_nothing),
                cmocka_unit_test(test_nonsense_harms_nobody),
                cmocka_unit_test(test_who_asks_may_be_gone_before_the_answer),
                cmocka_unit_test(test_too_many_connections_wait),
                cmocka_unit_test(test_a_server_can_be_replaced),
                cmocka_unit_test(test_ipv6),
                cmocka_unit_test(test_bad_addresses),
        };

        return cmocka_run_group_tests(tests, set_up, tear_down);
}
