/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "kube-server.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define PLAIN_HTTP "it is plain http, and eatr sends Secrets over https only (http is for loopback)"
#define NO_SCHEME "without https:// it means plain http, and eatr sends Secrets over https only"
#define NO_HOST "it has no valid HOST or HOST:PORT"
#define NO_HTTPS "it does not start with https://"
#define BLANK "there is a blank, a backslash or a control character in it"
#define USER "there is a user name in it; those go into the entry of the user"

/* The string ends where its memory does, for the sanitizers. */
static int parse(const char *server, char **ret, const char **reason)
{
        _cleanup_free_ char *copy = strdup(server);

        assert_non_null(copy);
        return kube_server_parse(copy, ret, reason);
}

static void check_taken(const char *server, const char *expected)
{
        _cleanup_free_ char *url = NULL;
        const char *reason = NULL;

        if (parse(server, &url, &reason) != 0)
                fail_msg("%s: %s", server, reason);
        assert_string_equal(url, expected);
}

static void check_refused(const char *server, int error, const char *expected)
{
        char *url = (char *) "untouched";
        const char *reason = NULL;

        if (parse(server, &url, &reason) != error)
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
                check_taken(cases[i][0], cases[i][1]);
}

/* Whatever there is of certificates: kubectl 1.32 was asked. */
static void test_without_a_scheme_it_is_plain_http(void **state)
{
        check_taken("LocalHost:8080", "http://LocalHost:8080");
        check_taken("localhost/", "http://localhost");
        check_taken("[::1]", "http://[::1]");
        check_refused("k", -EINVAL, NO_SCHEME);
        check_refused("[fd00::1]:6443", -EINVAL, NO_SCHEME);
        check_refused("k/a", -EINVAL, "a path needs https:// before the host");
        check_refused("https//k", -EINVAL, "a path needs https:// before the host");
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

                check_taken(url, url);
        }
        for (size_t i = 0; i < ELEMENTSOF(others); i++) {
                _cleanup_free_ char *url = str_printf("http://%s", others[i]);

                check_refused(url, -EINVAL, PLAIN_HTTP);
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
                check_refused(servers[i], -EINVAL, USER);
        /* The host ends at the first of these, so there is none before the "@". */
        check_refused("https://u:p#@k", -EINVAL, NO_HOST);
        check_taken("http://localhost#@k", "http://localhost");
        check_taken("http://localhost?@k", "http://localhost");
        check_taken("http://localhost/@k", "http://localhost/@k");
        check_refused("http://localhost\\@k", -EINVAL, BLANK);
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
                check_refused(cases[i].server, -EINVAL, cases[i].reason);
}

static void test_long_ones(void **state)
{
        _cleanup_free_ char *s = calloc(1, 1000001);

        memset(s, 'a', 255);
        check_refused(s, -EINVAL, NO_SCHEME);
        s[255] = 'a';
        check_refused(s, -EINVAL, NO_HOST);
        memset(s, 'a', 1000000);
        check_refused(s, -EINVAL, NO_HOST);
        memcpy(s, "https://k/", 10);
        check_taken(s, s);
        memset(s + 9, '/', 1000000 - 9);
        check_taken(s, "https://k");
        memset(s, '[', 1000000);
        check_refused(s, -EINVAL, NO_HOST);
}

static void test_which_servers_are_on_this_machine(void **state)
{
        static const char *const local[] = { "https://localhost", "http://LOCALHOST:1/a",
                                             "https://127.0.0.1:6443", "https://127.1.2.3",
                                             "https://[::1]:6443" };
        static const char *const others[] = { "https://k", "https://10.0.0.1", "https://localhost.k",
                                              "https://[::2]/127.0.0.1", "https://k/localhost" };

        for (size_t i = 0; i < ELEMENTSOF(local); i++)
                assert_true(kube_server_is_local(local[i]));
        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                assert_false(kube_server_is_local(others[i]));
}

/* --- proxies ------------------------------------------------------------------------------------------ */

#define NO_PROXY_SCHEME "it does not start with http://, https:// or socks5://"
#define USER_CHARACTER "there is a character in its user name or password that has to be written as %XX"

static void test_proxies(void **state)
{
        static const char *const cases[][2] = {
                /* The ports are those of Go's net/http (portMap); libcurl has others. */
                { "http://p", "http://p:80" },
                { "https://p", "https://p:443" },
                { "socks5://p", "socks5h://p:1080" },
                { "http://p:3128", "http://p:3128" },
                { "HTTP://P.example:3128/x?y#z", "http://P.example:3128" },
                { "socks5://[2001:db8::1]:1", "socks5h://[2001:db8::1]:1" },
                { "http://[::1]", "http://[::1]:80" },
                { "http://me@p", "http://me@p:80" },
                { "http://me:s3cr3t@p:1", "http://me:s3cr3t@p:1" },
                { "socks5://me:@p", "socks5h://me:@p:1080" },
                { "https://a%40b:c%3Ad%25@p", "https://a%40b:c%3Ad%25@p:443" },
                { "http://a@b:c@d@p", "http://a%40b:c%40d@p:80" },
                { "http://-._~!$&'()*+,;=@p", "http://-._~!$&'()*+,;=@p:80" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *copy = strdup(cases[i][0]), *url = NULL;
                const char *reason = NULL;

                if (kube_server_parse_proxy(copy, &url, &reason) != 0)
                        fail_msg("%s: %s", copy, reason);
                assert_string_equal(url, cases[i][1]);
        }
}

static void test_what_is_no_proxy(void **state)
{
        static const struct {
                const char *proxy, *reason;
        } cases[] = {
                { "", NO_PROXY_SCHEME },
                { "p:3128", NO_PROXY_SCHEME },
                { "//p", NO_PROXY_SCHEME },
                { "ftp://p", NO_PROXY_SCHEME },
                { "socks5h://p", NO_PROXY_SCHEME },
                { "socks4://p", NO_PROXY_SCHEME },
                { "socks://p", NO_PROXY_SCHEME },
                { "://p", NO_PROXY_SCHEME },
                { "http://", NO_HOST },
                { "http://:3128", NO_HOST },
                { "http://me:s3cr3t@", NO_HOST },
                { "http://p:0", NO_HOST },
                { "http://p:65536", NO_HOST },
                { "http://p:x", NO_HOST },
                { "http://me:s3/cr3t@p", NO_HOST },
                { "http://p\n", BLANK },
                { "http://me: @p", BLANK },
                { "http://me:%@p", USER_CHARACTER },
                { "http://me:%4@p", USER_CHARACTER },
                { "http://me:%zz@p", USER_CHARACTER },
                { "http://me:%0a@p", USER_CHARACTER },
                { "http://me:%1F@p", USER_CHARACTER },
                { "http://me:%7f@p", USER_CHARACTER },
                { "http://me:\"@p", USER_CHARACTER },
                { "http://me:[x]@p", USER_CHARACTER },
                { "http://\xc3\xa4@p", USER_CHARACTER },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *copy = strdup(cases[i].proxy);
                char *url = (char *) "untouched";
                const char *reason = NULL;

                if (kube_server_parse_proxy(copy, &url, &reason) != -EINVAL)
                        fail_msg("%s: %s", copy, url);
                assert_string_equal(reason, cases[i].reason);
                assert_string_equal(url, "untouched");
        }
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_query_fragment_and_trailing_slashes_go),
                cmocka_unit_test(test_without_a_scheme_it_is_plain_http),
                cmocka_unit_test(test_plain_http_is_for_loopback_only),
                cmocka_unit_test(test_user_names_are_refused),
                cmocka_unit_test(test_what_is_no_server),
                cmocka_unit_test(test_long_ones),
                cmocka_unit_test(test_which_servers_are_on_this_machine),
                cmocka_unit_test(test_proxies),
                cmocka_unit_test(test_what_is_no_proxy),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
