/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "kube-server.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define PLAIN_HTTP "it is plain http, and eatr sends Secrets over https only (http is for loopback)"
#define NO_SCHEME                                                                                           \
        "without https:// and without a certificate authority it means plain http, and eatr sends Secrets " \
        "over https only"
#define NO_HOST "it has no valid HOST or HOST:PORT"
#define NO_HTTPS "it does not start with https://"
#define BLANK "there is a blank, a backslash or a control character in it"
#define USER "eatr cannot do a user name in it yet"

/* The string ends where its memory does, for the sanitizers. */
static int parse(const char *server, bool tls, char **ret, const char **reason)
{
        _cleanup_free_ char *copy = strdup(server);

        assert_non_null(copy);
        return kube_server_parse(copy, tls, ret, reason);
}

static void check_taken(const char *server, bool tls, const char *expected)
{
        _cleanup_free_ char *url = NULL;
        const char *reason = NULL;

        if (parse(server, tls, &url, &reason) != 0)
                fail_msg("%s: %s", server, reason);
        assert_string_equal(url, expected);
}

static void check_refused(const char *server, bool tls, int error, const char *expected)
{
        char *url = (char *) "untouched";
        const char *reason = NULL;

        if (parse(server, tls, &url, &reason) != error)
                fail_msg("%s: %s", server, url);
        assert_string_equal(reason, expected);
        assert_string_equal(url, "untouched");
}

static void test_query_fragment_and_trailing_slashes_go(void **state)
{
        static const char *const cases[][2] = {
                { "https://k/a//b///", "https://k/a//b" },
                { "https://k////?x#y", "https://k" },
                { "https://k/#/x", "https://k" },
                { "https://k#f?x", "https://k" },
                { "https://k/?u=http://x/", "https://k" },
                { "https://k:65535?a@b", "https://k:65535" },
                { "https://k/a:b@c", "https://k/a:b@c" },
                { "https://k/%2e%2e/\xc3\xa4", "https://k/%2e%2e/\xc3\xa4" },
                { "https://[::ffff:1.2.3.4]:1/", "https://[::ffff:1.2.3.4]:1" },
                { "hTTpS://K", "https://K" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                for (int tls = 0; tls < 2; tls++)
                        check_taken(cases[i][0], tls, cases[i][1]);
}

static void test_without_a_scheme_tls_decides(void **state)
{
        check_taken("k", true, "https://k");
        check_taken("k/", true, "https://k");
        check_taken("[fd00::1]:6443", true, "https://[fd00::1]:6443");
        check_taken("localhost:8080", true, "https://localhost:8080");
        check_taken("LocalHost:8080", false, "http://LocalHost:8080");
        check_taken("[::1]", false, "http://[::1]");
        check_refused("k", false, -EINVAL, NO_SCHEME);
        check_refused("[fd00::1]:6443", false, -EINVAL, NO_SCHEME);
        check_taken("https://k", false, "https://k"); /* and with one it does not */
        check_refused("http://k", true, -EINVAL, PLAIN_HTTP);
        check_refused("k/a", true, -EINVAL, "a path needs https:// before the host");
        check_refused("https//k", true, -EINVAL, "a path needs https:// before the host");
}

static void test_plain_http_is_for_loopback_only(void **state)
{
        static const char *const loopback[] = { "localhost", "LOCALHOST:1",         "127.0.0.1",
                                                "127.0.0.2", "127.255.255.255:80",  "[::1]:8080",
                                                "[0::0:1]",  "[0:0:0:0:0:0:0:1]:1", "[::0.0.0.1]" };
        static const char *const others[] = {
                "k",          "128.0.0.1",  "126.255.255.255", "0.0.0.0",
                "127.0.0.1.", "127.0.0",    "127.0.0.1.k",     "0177.0.0.1",
                "0x7f.0.0.1", "2130706433", "localhost.",      "localhost.k",
                "xlocalhost", "[::]",       "[::127.0.0.1]",   "[::ffff:127.0.0.1]",
                "[1::1]"
        };

        for (size_t i = 0; i < ELEMENTSOF(loopback); i++) {
                _cleanup_free_ char *url = str_printf("http://%s", loopback[i]);

                check_taken(url, false, url);
                check_taken(url, true, url);
        }
        for (size_t i = 0; i < ELEMENTSOF(others); i++) {
                _cleanup_free_ char *url = str_printf("http://%s", others[i]);

                check_refused(url, false, -EINVAL, PLAIN_HTTP);
                check_refused(url, true, -EINVAL, PLAIN_HTTP);
        }
}

/* What comes before "@" may be a password, and what comes after it is the host. */
static void test_user_names_are_refused(void **state)
{
        static const char *const servers[] = { "https://u@k",        "https://u:p@k:1/a",
                                               "https://@k",         "u:p@k",
                                               "https://a@b@k",      "http://localhost@k",
                                               "http://u@localhost", "http://127.0.0.1:80@k",
                                               "https://[::1]@k/" };

        for (size_t i = 0; i < ELEMENTSOF(servers); i++)
                check_refused(servers[i], true, -EOPNOTSUPP, USER);
        /* The host ends at the first of these, so there is none before the "@". */
        check_refused("https://u:p#@k", true, -EINVAL, NO_HOST);
        check_taken("http://localhost#@k", true, "http://localhost");
        check_taken("http://localhost?@k", true, "http://localhost");
        check_taken("http://localhost/@k", true, "http://localhost/@k");
        check_refused("http://localhost\\@k", true, -EINVAL, BLANK);
}

static void test_what_is_no_server(void **state)
{
        static const struct {
                const char *server, *reason;
        } cases[] = {
                { "", NO_HOST },
                { "/", NO_HOST },
                { "//k", NO_HOST },
                { ":6443", NO_HOST },
                { "https://?k", NO_HOST },
                { "https://k:0", NO_HOST },
                { "https://k:65536", NO_HOST },
                { "https://k:-1", NO_HOST },
                { "https://k:+1", NO_HOST },
                { "https://k:0x50", NO_HOST },
                { "https://k:1:2", NO_HOST },
                { "https://k:000443", NO_HOST },
                { "https://k,l", NO_HOST },
                { "https://k%00", NO_HOST },
                { "https://\xc3\xa4", NO_HOST },
                { "https://[1.2.3.4]", NO_HOST },
                { "https://[::1]k", NO_HOST },
                { "https://[::1]:", NO_HOST },
                { "https://[::1/]", NO_HOST },
                { "https://[fe80::1%25eth0]", NO_HOST },
                { "https://[1:2:3:4:5:6:7:8:9]", NO_HOST },
                { "://", NO_HTTPS },
                { "https:k", NO_HOST },
                { "ws://k", NO_HTTPS },
                { "file:///etc/passwd", NO_HTTPS },
                { "xhttps://k", NO_HTTPS },
                { "httpsx://k", NO_HTTPS },
                { " https://k", BLANK },
                { "https://k\n", BLANK },
                { "https://k/\t", BLANK },
                { "https://k/\x7f", BLANK },
                { "https://k/?\x01", BLANK },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                check_refused(cases[i].server, true, -EINVAL, cases[i].reason);
}

static void test_long_ones(void **state)
{
        _cleanup_free_ char *s = calloc(1, 1000001);

        memset(s, 'a', 255);
        check_refused(s, false, -EINVAL, NO_SCHEME);
        s[255] = 'a';
        check_refused(s, false, -EINVAL, NO_HOST);
        memset(s, 'a', 1000000);
        check_refused(s, true, -EINVAL, NO_HOST);
        memcpy(s, "https://k/", 10);
        check_taken(s, true, s);
        memset(s + 9, '/', 1000000 - 9);
        check_taken(s, true, "https://k");
        memset(s, '[', 1000000);
        check_refused(s, true, -EINVAL, NO_HOST);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_query_fragment_and_trailing_slashes_go),
                cmocka_unit_test(test_without_a_scheme_tls_decides),
                cmocka_unit_test(test_plain_http_is_for_loopback_only),
                cmocka_unit_test(test_user_names_are_refused),
                cmocka_unit_test(test_what_is_no_server),
                cmocka_unit_test(test_long_ones),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
