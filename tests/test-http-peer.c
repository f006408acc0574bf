/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "http-peer.h"

#include <curl/curl.h>
#include <errno.h>
#include <limits.h>
#include <openssl/ssl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define KEY "key: hunter2"
#define PROXY "http://user:hunter2@proxy:3128"

/* Two certificates, each signed by itself. */
#define CERTIFICATE_1                                                        \
        "-----BEGIN CERTIFICATE-----\n"                                      \
        "MIIBcDCCARWgAwIBAgIUQHOa6CbOb9Ni+O9lP2TFiLmkvYYwCgYIKoZIzj0EAwIw\n" \
        "DDEKMAgGA1UEAwwBMTAgFw0yNjExMjQxMTI2NTJaGA8yMTI2MTAzMTExMjY1Mlow\n" \
        "DDEKMAgGA1UEAwwBMTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABH8g0GgKm6a1\n" \
        "2ir5pfFm8yJHu+wxi4DpmEsJ30Pc9ZOrCX8Piyuqc0x5tYIRuI6aof0EgY7yCqaT\n" \
        "HmVmCvO65CejUzBRMB0GA1UdDgQWBBQNdPSfTi2hXMwIVVucOOs+5QIELDAfBgNV\n" \
        "HSMEGDAWgBQNdPSfTi2hXMwIVVucOOs+5QIELDAPBgNVHRMBAf8EBTADAQH/MAoG\n" \
        "CCqGSM49BAMCA0kAMEYCIQDJ/0Vx86MSW0Qn5Uy3exTuYnNa2n1d3toMwGyBP78a\n" \
        "nwIhAIfBLiUWUSpZcU5+Efdw0KHwQwY4l3ZEhWs1h1I5JCax\n"                 \
        "-----END CERTIFICATE-----\n"
#define CERTIFICATE_2                                                        \
        "-----BEGIN CERTIFICATE-----\n"                                      \
        "MIIBbzCCARWgAwIBAgIUOVQO8Oz4qTQzHVIEZemfmo6V7MUwCgYIKoZIzj0EAwIw\n" \
        "DDEKMAgGA1UEAwwBMjAgFw0yNjExMjQxMTI2NTJaGA8yMTI2MTAzMTExMjY1Mlow\n" \
        "DDEKMAgGA1UEAwwBMjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABM7WmVJnP3Po\n" \
        "Q9Uf64LVwGYzpUfeMCgkeDyH/tD+8ixZ39qGHywlbEzBiZPWhkT9yTtpIDhvsVlW\n" \
        "7s7igbB7CK2jUzBRMB0GA1UdDgQWBBS2oHgOimV4fwbb7Woavl8JAeyMCTAfBgNV\n" \
        "HSMEGDAWgBS2oHgOimV4fwbb7Woavl8JAeyMCTAPBgNVHRMBAf8EBTADAQH/MAoG\n" \
        "CCqGSM49BAMCA0gAMEUCIQCs+NiPXTr5sz85+pprVhxLPHX6EiqW904W/O0lsPJ4\n" \
        "lwIgHDcR3pGb/8atLW7+Bp11ePQ2/x2QrQdM7yWAaRUwa4E=\n"                 \
        "-----END CERTIFICATE-----\n"

static unsigned n_erased;

static char *erase_and_count(char *s)
{
        n_erased += s && (streq(s, KEY) || streq(s, PROXY));
        return str_erase_free(s);
}

static unsigned copies_left;

static int replace_maybe(char **p, const char *s)
{
        return copies_left-- == 0 ? -ENOMEM : str_replace(p, s);
}

/* What is set on the transfer, in words. */
static char settings[1000];

static void _printf_(1, 2) note(const char *format, ...)
{
        size_t used = strlen(settings);
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(settings + used, sizeof(settings) - used, format, ap);
        va_end(ap);
}

static const char *option_name(CURLoption option)
{
        switch (option) {
        case CURLOPT_HTTP_VERSION:
                return "version";
        case CURLOPT_NOPROXY:
                return "noproxy";
        case CURLOPT_SSL_VERIFYPEER:
                return "verifypeer";
        case CURLOPT_SSL_VERIFYHOST:
                return "verifyhost";
        case CURLOPT_CAINFO:
                return "cainfo";
        case CURLOPT_CAPATH:
                return "capath";
        case CURLOPT_SSL_CTX_FUNCTION:
                return "function";
        case CURLOPT_SSL_CTX_DATA:
                return "data";
        case CURLOPT_SSLCERT_BLOB:
                return "cert";
        case CURLOPT_SSLCERTTYPE:
                return "certtype";
        case CURLOPT_SSLKEY_BLOB:
                return "key";
        case CURLOPT_SSLKEYTYPE:
                return "keytype";
        case CURLOPT_PROXY:
                return "proxy";
        case CURLOPT_PROXY_SSL_VERIFYPEER:
                return "proxyverifypeer";
        case CURLOPT_PROXY_SSL_VERIFYHOST:
                return "proxyverifyhost";
        case CURLOPT_PROXY_CAINFO:
                return "proxycainfo";
        case CURLOPT_PROXY_CAPATH:
                return "proxycapath";
        case CURLOPT_PROXY_SSLCERT_BLOB:
                return "proxycert";
        case CURLOPT_PROXY_SSLCERTTYPE:
                return "proxycerttype";
        case CURLOPT_PROXY_SSLKEY_BLOB:
                return "proxykey";
        case CURLOPT_PROXY_SSLKEYTYPE:
                return "proxykeytype";
        default:
                return "?";
        }
}

static curl_ssl_ctx_callback set_up_context;
static void *context_data;

/* Stands in for curl_easy_setopt(). */
static void set_option(CURL *easy, CURLoption option, ...)
{
        const struct curl_blob *blob;
        const char *s;
        va_list ap;

        assert_ptr_equal(easy, settings);
        va_start(ap, option);
        note("%s=", option_name(option));
        if (option == CURLOPT_SSL_CTX_FUNCTION)
                set_up_context = va_arg(ap, curl_ssl_ctx_callback);
        else if (option == CURLOPT_SSL_CTX_DATA)
                context_data = va_arg(ap, void *);
        else if (option < CURLOPTTYPE_OBJECTPOINT)
                note("%ld", va_arg(ap, long));
        else if (option < CURLOPTTYPE_FUNCTIONPOINT) {
                s = va_arg(ap, const char *);
                note("%s", s ? s : "(null)");
        } else {
                blob = va_arg(ap, const struct curl_blob *);
                assert_int_equal(blob->flags, CURL_BLOB_NOCOPY); /* curl would not wipe its copy */
                note("<%.*s>", (int) blob->len, (const char *) blob->data);
        }
        note(" ");
        va_end(ap);
}

#undef curl_easy_setopt
#define curl_easy_setopt set_option
#define str_erase_free(s) erase_and_count(s)
#define str_replace(p, s) replace_maybe(p, s)
#include "http-peer.c"
#undef str_erase_free
#undef str_replace

static const HttpPeer full = {
        .ca = (char *) CERTIFICATE_1,
        .ca_file = (char *) "/ca",
        .client_certificate = (char *) "cert",
        .client_key = (char *) KEY,
        .server_name = (char *) "name",
        .insecure = true,
        .proxy = (char *) PROXY,
        .no_proxy = true,
};

static HttpPeer copied(const HttpPeer *peer)
{
        HttpPeer copy;

        copies_left = UINT_MAX;
        assert_int_equal(http_peer_copy(peer, &copy), 0);
        return copy;
}

static int n_anchors(const HttpPeer *copy)
{
        return sk_X509_OBJECT_num(X509_STORE_get0_objects(copy->trust));
}

static bool is_empty(const HttpPeer *p)
{
        return !p->ca && !p->ca_file && !p->client_certificate && !p->client_key && !p->server_name &&
               !p->insecure && !p->proxy && !p->no_proxy && !p->trust;
}

static void test_a_copy_has_strings_of_its_own(void **state)
{
        HttpPeer copy = copied(&full), empty = copied(&(HttpPeer){ 0 });

        assert_string_equal(copy.ca_file, full.ca_file);
        assert_string_equal(copy.client_certificate, full.client_certificate);
        assert_string_equal(copy.client_key, full.client_key);
        assert_string_equal(copy.server_name, full.server_name);
        assert_string_equal(copy.proxy, full.proxy);
        assert_ptr_not_equal(copy.client_key, full.client_key);
        assert_true(copy.insecure && copy.no_proxy);
        assert_int_equal(n_anchors(&copy), 1);
        n_erased = 0;
        http_peer_done(&copy);
        assert_int_equal(n_erased, 2);
        assert_true(is_empty(&copy));
        http_peer_done(&copy);
        assert_true(is_empty(&empty));
}

/* What was copied until then is freed, for the sanitizers, and the key wiped. */
static void test_memory_may_be_out_while_copying(void **state)
{
        for (unsigned n = 0; n < 5; n++) {
                HttpPeer copy = { .client_key = full.client_key };

                copies_left = n;
                n_erased = 0;
                assert_int_equal(http_peer_copy(&full, &copy), -ENOMEM);
                assert_int_equal(n_erased, n < 3 ? 0 : n - 2);
                assert_ptr_equal(copy.client_key, full.client_key); /* it is as it was */
                assert_true(!copy.trust && !copy.ca_file);
        }
}

/* With no anchor at all nothing is trusted. */
static void test_each_certificate_of_the_text_is_an_anchor(void **state)
{
        static const struct {
                const char *ca;
                int n;
        } cases[] = {
                { "", 0 },
                { "not PEM", 0 },
                { "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", 0 },
                { CERTIFICATE_1, 1 },
                { CERTIFICATE_1 CERTIFICATE_1, 1 },
                { "# comment\n" CERTIFICATE_1 "\n\n# comment\n" CERTIFICATE_2, 2 },
                { "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" CERTIFICATE_1, 1 },
                { "-----BEGIN CERTIFICATE-----\n&&\n-----END CERTIFICATE-----\n" CERTIFICATE_1, 1 },
                { CERTIFICATE_1 "-----BEGIN CERTIFICATE-----\nAAAA\n", 1 },
                { "-----BEGIN CERTIFICATE-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n"
                  "-----END CERTIFICATE-----\n" CERTIFICATE_1,
                  1 },
                { "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n" CERTIFICATE_2, 1 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                HttpPeer copy = copied(&(HttpPeer){ .ca = (char *) cases[i].ca });

                assert_int_equal(n_anchors(&copy), cases[i].n);
                assert_int_equal(ERR_peek_error(), 0); /* it would be taken for a later one's */
                http_peer_done(&copy);
        }
}

/* A proxy is treated as the server is. */
#define INSECURE "verifypeer=0 verifyhost=0 proxyverifypeer=0 proxyverifyhost=0 "
#define TRUST "capath=(null) cainfo=(null) proxycapath=(null) proxycainfo=(null) function= data= "
#define CLIENT                                                \
        "cert=<cert> certtype=PEM key=<" KEY "> keytype=PEM " \
        "proxycert=<cert> proxycerttype=PEM proxykey=<" KEY "> proxykeytype=PEM "

static void test_what_is_set_on_a_transfer(void **state)
{
        char *ca = full.ca, *file = full.ca_file, *cert = full.client_certificate, *key = full.client_key;
        const struct {
                HttpPeer peer;
                const char *settings;
        } cases[] = {
                { { 0 }, "" },
                { { .server_name = full.server_name }, "" },
                { { .no_proxy = true }, "noproxy=* " },
                { { .insecure = true }, INSECURE },
                /* The environment's exceptions do not count. */
                { { .proxy = full.proxy }, "proxy=" PROXY " noproxy= " },
                /* HTTP/1.1, the number of which is 2. */
                { { .proxy = (char *) "https://p" }, "version=2 proxy=https://p noproxy= " },
                { { .proxy = (char *) "HTTPS://p" }, "version=2 proxy=HTTPS://p noproxy= " },
                /* The system's directory of roots does not count any more, and text goes before a file. */
                { { .ca_file = file }, "capath=(null) cainfo=/ca " },
                { { .ca = ca }, TRUST },
                { { .ca = ca, .ca_file = file }, TRUST },
                { { .ca = (char *) "" }, TRUST },
                /* One is no use without the other. */
                { { .client_certificate = cert }, "" },
                { { .client_key = key }, "" },
                { { .client_certificate = cert, .client_key = key }, CLIENT },
                { full, "proxy=" PROXY " noproxy= " INSECURE TRUST CLIENT },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                HttpPeer copy = copied(&cases[i].peer);

                settings[0] = '\0';
                http_peer_apply(&copy, settings);
                assert_string_equal(settings, cases[i].settings);
                http_peer_done(&copy);
        }
}

static void check_remote_names(const HttpPeer *peer, const char *small, const char *capital,
                               const char *expected)
{
        HttpPeer copy = copied(peer);

        assert_int_equal(small ? setenv("https_proxy", small, 1) : unsetenv("https_proxy"), 0);
        assert_int_equal(capital ? setenv("HTTPS_PROXY", capital, 1) : unsetenv("HTTPS_PROXY"), 0);
        settings[0] = '\0';
        http_peer_apply(&copy, settings);
        assert_string_equal(settings, expected);
        http_peer_done(&copy);
}

/* libcurl takes socks5 for one that is given addresses. */
static void test_a_socks_proxy_of_the_environment_may_resolve_names(void **state)
{
        static const char socks[] = "socks5://u:p@s:1", other[] = "socks5h://u:p@s:1";
        const HttpPeer peer = { .remote_names = true };

        check_remote_names(&peer, NULL, NULL, "");
        check_remote_names(&peer, socks, NULL, "proxy=socks5h://u:p@s:1 ");
        check_remote_names(&peer, NULL, socks, "proxy=socks5h://u:p@s:1 ");
        check_remote_names(&peer, "http://p", socks, ""); /* libcurl's order */
        check_remote_names(&peer, other, socks, "");
        check_remote_names(&(HttpPeer){ 0 }, socks, socks, "");
        check_remote_names(&(HttpPeer){ .remote_names = true, .no_proxy = true }, socks, socks,
                           "noproxy=* ");
        check_remote_names(&(HttpPeer){ .remote_names = true, .proxy = full.proxy }, socks, socks,
                           "proxy=" PROXY " noproxy= ");
        check_remote_names(&peer, NULL, NULL, "");
}

/* The URL that curl is given has the server's name in TLS. */
static void test_the_environments_exceptions(void **state)
{
        const HttpPeer any = { 0 }, none = { .no_proxy = true }, other = { .proxy = full.proxy };
        const struct {
                const HttpPeer *peer;
                const char *small, *capital, *url, *expected;
        } cases[] = {
                { &any, NULL, NULL, "https://a.example", "noproxy= " },
                { &any, NULL, "example", "https://a.example:6443/p", "noproxy=* " },
                { &any, "example", "b", "https://a.example", "noproxy=* " },
                { &any, "b", "example", "https://a.example", "noproxy= " },
                { &any, "10.0.0.0/8", NULL, "https://10.0.0.1:6443", "noproxy=* " },
                { &any, "fd00::/8", NULL, "https://[fd00::1]:6443", "noproxy=* " },
                { &any, "fd00::2", NULL, "https://[fd00::1]", "noproxy= " },
                { &none, "b", NULL, "https://a.example", "" },
                { &other, "example", NULL, "https://a.example", "" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                assert_int_equal(cases[i].small ? setenv("no_proxy", cases[i].small, 1) : 0, 0);
                assert_int_equal(cases[i].capital ? setenv("NO_PROXY", cases[i].capital, 1) : 0, 0);
                settings[0] = '\0';
                assert_int_equal(http_peer_apply_exceptions(cases[i].peer, cases[i].url, settings), 0);
                assert_string_equal(settings, cases[i].expected);
                assert_int_equal(unsetenv("no_proxy"), 0);
                assert_int_equal(unsetenv("NO_PROXY"), 0);
        }
        assert_int_equal(http_peer_apply_exceptions(&any, "https://a b", settings), -EINVAL);
}

static void test_the_environments_https_proxies(void **state)
{
        static const char *const names[] = { "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY" };
        const HttpPeer any = { 0 }, none = { .no_proxy = true }, other = { .proxy = full.proxy };

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                assert_int_equal(setenv(names[i], "http://p", 1), 0);
                assert_false(has_https_proxy(&any));
                assert_int_equal(setenv(names[i], "https://p", 1), 0);
                assert_true(has_https_proxy(&any));
                assert_false(has_https_proxy(&none));
                assert_false(has_https_proxy(&other));
                assert_int_equal(unsetenv(names[i]), 0);
        }
}

/* What curl calls for each connection: its own roots give way, and the copy stays its owner's. */
static void test_a_connection_gets_the_anchors(void **state)
{
        HttpPeer copy = copied(&(HttpPeer){ .ca = full.ca });
        SSL_CTX *first = SSL_CTX_new(TLS_client_method()), *second = SSL_CTX_new(TLS_client_method());

        http_peer_apply(&copy, settings);
        assert_int_equal(set_up_context(settings, first, context_data), CURLE_OK);
        assert_int_equal(set_up_context(settings, second, context_data), CURLE_OK);
        assert_ptr_equal(SSL_CTX_get_cert_store(first), copy.trust);
        assert_ptr_equal(SSL_CTX_get_cert_store(second), copy.trust);
        SSL_CTX_free(first);
        /* An intermediate certificate is enough, as it is to kubectl. */
        assert_true(X509_VERIFY_PARAM_get_flags(X509_STORE_get0_param(copy.trust)) &
                    X509_V_FLAG_PARTIAL_CHAIN);
        assert_int_equal(n_anchors(&copy), 1);
        http_peer_done(&copy);
        SSL_CTX_free(second);
}

static void test_another_server_name_leaves_address_and_host_header(void **state)
{
        static const struct {
                const char *url, *name, *renamed, *connect_to, *header;
        } cases[] = {
                { "https://10.0.0.1:6443/prefix/api?x=1", "kubernetes.default",
                  "https://kubernetes.default:6443/prefix/api?x=1", "::10.0.0.1:6443",
                  "Host: 10.0.0.1:6443" },
                { "https://10.0.0.1", "api.x", "https://api.x:443/", "::10.0.0.1:443",
                  "Host: 10.0.0.1:443" },
                { "http://h:8080/p", "n", "http://n:8080/p", "::h:8080", "Host: h:8080" },
                { "https://h:6443/p", "fd00::1", "https://[fd00::1]:6443/p", "::h:6443", "Host: h:6443" },
                { "https://[fd00::1]:6443/p", "n", "https://n:6443/p", "::[fd00::1]:6443",
                  "Host: [fd00::1]:6443" },
                { "https://h:6443/p", "10.9.8.7", "https://10.9.8.7:6443/p", "::h:6443", "Host: h:6443" },
                { "https://h:6443/a%20b?c=%2F&d", "n", "https://n:6443/a%20b?c=%2F&d", "::h:6443",
                  "Host: h:6443" },
                { "https://u:p@h/", "n", "https://u:p@n:443/", "::h:443", "Host: h:443" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *url = NULL, *connect_to = NULL, *header = NULL;
                HttpPeer peer = { .server_name = (char *) cases[i].name };

                assert_int_equal(http_peer_rename(&peer, cases[i].url, &url, &connect_to, &header), 0);
                assert_string_equal(url, cases[i].renamed);
                assert_string_equal(connect_to, cases[i].connect_to);
                assert_string_equal(header, cases[i].header);
        }
}

/* None of them may add a line to the request, or a host to connect to. */
static void test_what_is_no_url_is_not_renamed(void **state)
{
        static const char *const cases[][2] = {
                { "", "n" },
                { "h", "n" },
                { "/p", "n" },
                { "https://", "n" },
                { "https://[::1", "n" },
                { "https://h:65536", "n" },
                { "https://h:x", "n" },
                { "https://h,l/", "n" },
                { "https://h\r\nX: y/", "n" },
                { "https://h/ p", "n" },
                { "file:///p", "n" },
                { "unknown://h", "n" },
                { "https://h", "" },
                { "https://h", "n/p" },
                { "https://h", "n:1" },
                { "https://h", "u@n" },
                { "https://h", "n\r\nX: y" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char *url = NULL, *connect_to = NULL, *header = NULL;
                HttpPeer peer = { .server_name = (char *) cases[i][1] };

                if (http_peer_rename(&peer, cases[i][0], &url, &connect_to, &header) != -EINVAL)
                        fail_msg("%s, %s: %s", cases[i][0], cases[i][1], url);
                assert_true(!url && !connect_to && !header);
        }
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_copy_has_strings_of_its_own),
                cmocka_unit_test(test_memory_may_be_out_while_copying),
                cmocka_unit_test(test_each_certificate_of_the_text_is_an_anchor),
                cmocka_unit_test(test_what_is_set_on_a_transfer),
                cmocka_unit_test(test_a_socks_proxy_of_the_environment_may_resolve_names),
                cmocka_unit_test(test_the_environments_exceptions),
                cmocka_unit_test(test_the_environments_https_proxies),
                cmocka_unit_test(test_a_connection_gets_the_anchors),
                cmocka_unit_test(test_another_server_name_leaves_address_and_host_header),
                cmocka_unit_test(test_what_is_no_url_is_not_renamed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
