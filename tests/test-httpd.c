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

static const HttpdRoute routes[] = {
        { "/hello", "text/plain; version=1", on_hello },
        { "/away", "text/plain", on_away },
        { "/broken", "text/plain", on_broken },
        { NULL, NULL, NULL },
};

typedef struct Fixture {
        sd_event *event;
        Httpd *httpd;
        uint16_t port;
} Fixture;

static uint16_t free_port(int family)
{
        struct sockaddr_in6 address = { .sin6_family = (sa_family_t) family };
        socklen_t size = sizeof(address);
        _cleanup_close_ int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_int_equal(
                bind(fd, (struct sockaddr *) &address, family == AF_INET ? sizeof(struct sockaddr_in) : size), 0);
        assert_int_equal(getsockname(fd, (struct sockaddr *) &address, &size), 0);
        return ntohs(address.sin6_port); /* at the same place in both */
}

static int set_up(void **state)
{
        Fixture *f = calloc(1, sizeof(*f));

        f->port = free_port(AF_INET);
        *state = f;
        return sd_event_new(&f->event) < 0 ||
               httpd_new(f->event, "127.0.0.1", f->port, routes, (void *) "you", &f->httpd) < 0;
}

static int tear_down(void **state)
{
        Fixture *f = *state;

        f->httpd = httpd_free(f->httpd);
        f->event = sd_event_unref(f->event);
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

/* Sends a request and turns the loop until the marker has come in, or the connection has ended. */
static void exchange(const Fixture *f, int fd, const char *request, const char *marker, char *answer, size_t size)
{
        size_t used = 0;

        assert_int_equal(write(fd, request, strlen(request)), strlen(request));
        for (;;) {
                ssize_t n;

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
                { "POST /hello", "HTTP/1.1 405 ", "only GET and HEAD\n" },
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

        exchange(*state, fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n", "hello you\n", answer, sizeof(answer));
        assert_non_null(strstr(answer, "Content-Type: text/plain; version=1\r\n"));
}

static void test_a_connection_is_kept_and_costs_nothing_while_idle(void **state)
{
        _cleanup_close_ int fd = connect_to(((Fixture *) *state)->port);
        unsigned turns = 0;
        char answer[1024];
        usec_t until;

        for (unsigned i = 0; i < 2; i++)
                exchange(*state, fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n", "hello you\n", answer, sizeof(answer));
        for (until = clock_boottime() + USEC_PER_SEC; clock_boottime() < until; turns++)
                assert_true(sd_event_run(((Fixture *) *state)->event, 100 * USEC_PER_MSEC) >= 0);
        assert_true(turns < 30);
}

static void test_a_port_in_use_is_said_to_be(void **state)
{
        Fixture *f = *state;
        Httpd *second = NULL;

        assert_int_equal(httpd_new(f->event, "127.0.0.1", f->port, routes, NULL, &second), -EADDRINUSE);
        assert_null(second);
}

static void test_addresses(void **state)
{
        Fixture *f = *state;
        Httpd *second = NULL;

        assert_int_equal(httpd_new(f->event, "localhost", 1, routes, NULL, &second), -EINVAL);
        assert_int_equal(httpd_new(f->event, "300.0.0.1", 1, routes, NULL, &second), -EINVAL);
        /* IPv6 may be switched off where this runs. */
        if (httpd_new(f->event, "::1", free_port(AF_INET), routes, NULL, &second) >= 0)
                second = httpd_free(second);
        assert_null(second);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_each_path_has_its_answer),
                cmocka_unit_test(test_the_content_type_is_the_routes),
                cmocka_unit_test(test_a_connection_is_kept_and_costs_nothing_while_idle),
                cmocka_unit_test(test_a_port_in_use_is_said_to_be),
                cmocka_unit_test(test_addresses),
        };

        return cmocka_run_group_tests(tests, set_up, tear_down);
}
