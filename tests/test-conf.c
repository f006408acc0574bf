/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "conf.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cmocka.h>

#define SECRET "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
#define NOBODY 65534

static Conf *defaults(void)
{
        Conf *c;

        assert_int_equal(conf_new(&c), 0);
        return c;
}

static int parse_onto(Conf *c, const char *text, ConfError *error)
{
        memset(error, 0, sizeof(*error));
        return conf_parse(c, text, strlen(text), "/x/t.conf", error);
}

/* What a text that has to be right makes of the defaults. */
static Conf *parsed(const char *text)
{
        Conf *c = defaults();
        ConfError error;

        if (parse_onto(c, text, &error) < 0)
                fail_msg("refused: %s\n%s", error.text, text);
        assert_string_equal(error.text, "");
        return c;
}

static void check_refused(const char *text, const char *expected)
{
        _cleanup_(conf_freep) Conf *c = defaults();
        ConfError error;

        if (parse_onto(c, text, &error) >= 0)
                fail_msg("not refused: %s", text);
        assert_string_equal(error.text, expected);
}

static void check_list(char **list, const char *expected)
{
        char joined[4096] = "";

        for (; *list; list++)
                (void) snprintf(joined + strlen(joined), sizeof(joined) - strlen(joined), "%s%s",
                                *joined ? " " : "", *list);
        assert_string_equal(joined, expected);
}

static void check_equal(const Conf *a, const Conf *b)
{
        assert_true(streq_ptr(a->aws.region, b->aws.region));
        assert_true(streq_ptr(a->aws.access_key_id, b->aws.access_key_id));
        assert_true(streq_ptr(a->aws.secret_access_key, b->aws.secret_access_key));
        assert_true(streq_ptr(a->aws.session_token, b->aws.session_token));
        assert_true(streq_ptr(a->aws.endpoint_url, b->aws.endpoint_url));
        assert_true(streq_ptr(a->aws.ca_bundle, b->aws.ca_bundle));
        assert_int_equal(a->aws.use_fips_endpoint, b->aws.use_fips_endpoint);
        assert_int_equal(a->aws.use_dualstack_endpoint, b->aws.use_dualstack_endpoint);
        assert_true(streq_ptr(a->kubernetes.context, b->kubernetes.context));
        assert_string_equal(a->secret.name, b->secret.name);
        assert_int_equal(a->renewal.auth_token_renewal_interval, b->renewal.auth_token_renewal_interval);
        assert_int_equal(a->renewal.informers_resync_interval, b->renewal.informers_resync_interval);
        assert_int_equal(a->renewal.max_writes_per_second, b->renewal.max_writes_per_second);
        assert_int_equal(a->renewal.max_in_flight, b->renewal.max_in_flight);
        assert_string_equal(a->metrics.address, b->metrics.address);
        assert_int_equal(a->metrics.port, b->metrics.port);
        assert_int_equal(a->verbosity, b->verbosity);
}

static void test_defaults(void **state)
{
        _cleanup_(conf_freep) Conf *c = defaults();

        assert_null(c->aws.region);
        assert_null(c->aws.access_key_id);
        assert_null(c->aws.secret_access_key);
        assert_null(c->aws.session_token);
        assert_null(c->aws.endpoint_url);
        assert_null(c->aws.ca_bundle);
        assert_false(c->aws.use_fips_endpoint);
        assert_false(c->aws.use_dualstack_endpoint);
        assert_null(c->kubernetes.kubeconfig);
        assert_null(c->kubernetes.context);
        assert_null(*c->namespaces.blacklist);
        assert_null(*c->namespaces.include);
        assert_string_equal(c->secret.name, "ecr");
        assert_int_equal(c->renewal.auth_token_renewal_interval, 0);
        assert_int_equal(c->renewal.informers_resync_interval, 5 * USEC_PER_MINUTE);
        assert_int_equal(c->renewal.max_writes_per_second, 50);
        assert_int_equal(c->renewal.max_in_flight, 16);
        assert_string_equal(c->metrics.address, "127.0.0.1");
        assert_int_equal(c->metrics.port, 5000);
        assert_int_equal(c->verbosity, 0);
        assert_null(conf_free(NULL));
}

/* Every key with a value that is not the default. */
static const struct {
        const char *section, *key, *value;
} all_keys[] = {
        { "aws", "region", "eu-central-1" },
        { "aws", "aws_access_key_id", "AKIAIOSFODNN7EXAMPLE" },
        { "aws", "aws_secret_access_key", SECRET },
        { "aws", "aws_session_token", "FQoGZXIvYXdzE==" },
        { "aws", "endpoint_url", "https://vpce-1.api.ecr.eu-central-1.vpce.amazonaws.com:8443/p/" },
        { "aws", "ca_bundle", "ca.pem" },
        { "aws", "use_fips_endpoint", "yes" },
        { "aws", "use_dualstack_endpoint", "true" },
        { "kubernetes", "kubeconfig", "/root/.kube/config" },
        { "kubernetes", "context", "kubernetes-admin@prod" },
        { "namespaces", "blacklist", "kube-*,default" },
        { "namespaces", "include", "team-[a-c]" },
        { "secret", "name", "registry.ecr" },
        { "renewal", "auth_token_renewal_interval", "20s" },
        { "renewal", "informers_resync_interval", "5s" },
        { "renewal", "max_writes_per_second", "0" },
        { "renewal", "max_in_flight", "1" },
        { "metrics", "listen", "[::1]:9100" },
        { "log", "verbosity", "6" },
};

static void check_all_keys(const Conf *c)
{
        assert_string_equal(c->aws.region, "eu-central-1");
        assert_string_equal(c->aws.access_key_id, "AKIAIOSFODNN7EXAMPLE");
        assert_string_equal(c->aws.secret_access_key, SECRET);
        assert_string_equal(c->aws.session_token, "FQoGZXIvYXdzE==");
        assert_string_equal(c->aws.endpoint_url,
                            "https://vpce-1.api.ecr.eu-central-1.vpce.amazonaws.com:8443/p");
        assert_true(c->aws.use_fips_endpoint);
        assert_true(c->aws.use_dualstack_endpoint);
        assert_string_equal(c->kubernetes.kubeconfig, "/root/.kube/config");
        assert_string_equal(c->kubernetes.context, "kubernetes-admin@prod");
        check_list(c->namespaces.blacklist, "kube-* default");
        check_list(c->namespaces.include, "team-[a-c]");
        assert_string_equal(c->secret.name, "registry.ecr");
        assert_int_equal(c->renewal.auth_token_renewal_interval, 20 * USEC_PER_SEC);
        assert_int_equal(c->renewal.informers_resync_interval, 5 * USEC_PER_SEC);
        assert_int_equal(c->renewal.max_writes_per_second, 0);
        assert_int_equal(c->renewal.max_in_flight, 1);
        assert_string_equal(c->metrics.address, "::1");
        assert_int_equal(c->metrics.port, 9100);
        assert_int_equal(c->verbosity, 6);
}

static void test_all_keys(void **state)
{
        _cleanup_(conf_freep) Conf *c = NULL;
        char text[4096] = "";

        for (size_t i = 0; i < ELEMENTSOF(all_keys); i++)
                (void) snprintf(text + strlen(text), sizeof(text) - strlen(text), "[%s]\n%s = %s\n",
                                all_keys[i].section, all_keys[i].key, all_keys[i].value);
        c = parsed(text);
        check_all_keys(c);
        assert_string_equal(c->aws.ca_bundle, "/x/ca.pem");
}

static void test_set_all_keys(void **state)
{
        _cleanup_(conf_freep) Conf *c = defaults();
        ConfError error;

        for (size_t i = 0; i < ELEMENTSOF(all_keys); i++)
                assert_int_equal(
                        conf_set(c, all_keys[i].section, all_keys[i].key, all_keys[i].value, "--o", &error),
                        0);
        check_all_keys(c);
        assert_string_equal(c->aws.ca_bundle, "ca.pem"); /* from the working directory */
}

/* Values that are right, and what becomes of them. */
static void test_region(void **state)
{
        static const char *const regions[] = { "eu-central-1",   "us-gov-west-1",  "cn-northwest-1",
                                               "us-isob-east-1", "eusc-de-east-1", "ap-southeast-10" };

        for (size_t i = 0; i < ELEMENTSOF(regions); i++) {
                _cleanup_(conf_freep) Conf *c = NULL;
                char text[100];

                (void) snprintf(text, sizeof(text), "[aws]\nregion=%s", regions[i]);
                c = parsed(text);
                assert_string_equal(c->aws.region, regions[i]);
        }
}

static void test_bool(void **state)
{
        static const struct {
                const char *word;
                bool value;
        } words[] = { { "yes", true },  { "no", false },  { "true", true }, { "false", false },
                      { "on", true },   { "off", false }, { "1", true },    { "0", false },
                      { "True", true }, { "NO", false } };

        for (size_t i = 0; i < ELEMENTSOF(words); i++) {
                _cleanup_(conf_freep) Conf *c = NULL;
                char text[100];

                (void) snprintf(text, sizeof(text), "[aws]\nuse_fips_endpoint = %s\n", words[i].word);
                c = parsed(text);
                assert_int_equal(c->aws.use_fips_endpoint, words[i].value);
        }
}

static void test_listen(void **state)
{
        static const struct {
                const char *value, *address;
                uint16_t port;
        } cases[] = {
                { "127.0.0.1:5000", "127.0.0.1", 5000 },
                { "0.0.0.0:1", "0.0.0.0", 1 },
                { "[::1]:5000", "::1", 5000 },
                { "[::]:65535", "::", 65535 },
                { "[fd00::12]:80", "fd00::12", 80 },
                { "localhost:9090", "127.0.0.1", 9090 },
                { "off", NULL, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(conf_freep) Conf *c = NULL;
                char text[100];

                (void) snprintf(text, sizeof(text), "[metrics]\nlisten = %s\n", cases[i].value);
                c = parsed(text);
                assert_true(streq_ptr(c->metrics.address, cases[i].address));
                assert_int_equal(c->metrics.port, cases[i].port);
        }
}

static void test_endpoint(void **state)
{
        static const char *const cases[][2] = {
                { "https://api.ecr.eu-central-1.amazonaws.com",
                  "https://api.ecr.eu-central-1.amazonaws.com" },
                { "https://10.0.0.1:443/", "https://10.0.0.1:443" },
                { "https://[fd00::1]/a/b//", "https://[fd00::1]/a/b" },
                { "http://127.0.0.1:4566", "http://127.0.0.1:4566" },
                { "http://127.8.9.10", "http://127.8.9.10" },
                { "http://[::1]:4566/x", "http://[::1]:4566/x" },
                { "http://localhost:4566", "http://localhost:4566" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(conf_freep) Conf *c = NULL;
                char text[200];

                (void) snprintf(text, sizeof(text), "[aws]\nendpoint_url = %s\n", cases[i][0]);
                c = parsed(text);
                assert_string_equal(c->aws.endpoint_url, cases[i][1]);
        }
}

static void test_interval(void **state)
{
        static const struct {
                const char *value;
                usec_t usec;
        } cases[] = {
                { "auto", 0 },
                { "1s", USEC_PER_SEC },
                { "11h", 11 * USEC_PER_HOUR },
                { "1h30m", 90 * USEC_PER_MINUTE },
                { "1h 30min", 90 * USEC_PER_MINUTE },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(conf_freep) Conf *c = NULL;
                char text[200];

                (void) snprintf(text, sizeof(text), "[renewal]\nauth_token_renewal_interval = %s\n",
                                cases[i].value);
                c = parsed(text);
                assert_int_equal(c->renewal.auth_token_renewal_interval, cases[i].usec);
        }
}

static void test_secret_name_length(void **state)
{
        char name[255], text[300];
        ConfError error;

        for (size_t n = 253; n <= 254; n++) {
                _cleanup_(conf_freep) Conf *c = defaults();

                memset(name, 'a', n);
                name[n] = '\0';
                name[100] = '.';
                (void) snprintf(text, sizeof(text), "[secret]\nname = %s\n", name);
                assert_int_equal(parse_onto(c, text, &error), n == 253 ? 0 : -EINVAL);
        }
}

#define PRINTABLE "there is a blank or a character that is not ASCII in the value"
#define LISTEN "is neither \"off\" nor ADDRESS:PORT such as 127.0.0.1:5000, [::1]:5000 or 0.0.0.0:5000"
#define SECRET_NAME                                                                                         \
        "is no name for a Secret: up to 253 lower-case letters, digits, \"-\" and \".\", with a letter or " \
        "digit at both ends and beside each \".\""
#define LETTERS                                                                                             \
        "names of namespaces have lower-case letters, digits and \"-\" only, globs also \"*\", \"?\" and "  \
        "\"[...]\""
#define SECTIONS "[aws] [kubernetes] [namespaces] [secret] [renewal] [metrics] [log]"
#define MALFORMED "neither [SECTION] nor KEY = VALUE; a list continues on indented lines"

/* Values that are not: the line of a section's one key, and the message behind "KEY in [SECTION]: ". */
static void test_bad_values(void **state)
{
        static const struct {
                const char *section, *key, *value, *error;
        } bad[] = {
                { "aws", "region", "Frankfurt", "\"Frankfurt\" is no AWS region such as eu-central-1" },
                { "aws", "region", "eu-central", "\"eu-central\" is no AWS region such as eu-central-1" },
                { "aws", "region", "e-central-1", "\"e-central-1\" is no AWS region such as eu-central-1" },
                { "aws", "region", "eu-central-1x",
                  "\"eu-central-1x\" is no AWS region such as eu-central-1" },
                { "aws", "region", "eu-central-1\xc2\xa0",
                  "\"eu-central-1\\xc2\\xa0\" is no AWS region such as eu-central-1" },
                { "aws", "region", "\"eu-central-1\"", "values are written without quotation marks" },
                { "aws", "region", "eu-central-1 ; here",
                  "there is a \";\" behind a blank; a comment takes a line of its own" },
                { "aws", "region", "eu-central-1\t# here",
                  "there is a \"#\" behind a blank; a comment takes a line of its own" },
                { "aws", "region", "# none",
                  "there is a \"#\" behind a blank; a comment takes a line of its own" },
                { "aws", "aws_access_key_id", "AKIA X", PRINTABLE },
                { "aws", "aws_secret_access_key", "abc def", PRINTABLE },
                { "aws", "aws_secret_access_key", "abc\tdef", PRINTABLE },
                { "aws", "aws_secret_access_key", "abc\xc3\xa4", PRINTABLE },
                { "aws", "aws_secret_access_key", "abc ;def",
                  "there is a \";\" behind a blank; a comment takes a line of its own" },
                { "aws", "aws_secret_access_key", "'" SECRET "'",
                  "values are written without quotation marks" },
                { "aws", "aws_session_token", "a b", PRINTABLE },
                { "aws", "endpoint_url", "api.ecr.eu-central-1.amazonaws.com",
                  "\"api.ecr.eu-central-1.amazonaws.com\" is no URL of the form "
                  "https://HOST[:PORT][/PATH]" },
                { "aws", "endpoint_url", "ftp://x",
                  "\"ftp://x\" is no URL of the form https://HOST[:PORT][/PATH]" },
                { "aws", "endpoint_url", "https://",
                  "\"https://\" is no URL of the form https://HOST[:PORT][/PATH]" },
                { "aws", "endpoint_url", "https:///x",
                  "\"https:///x\" is no URL of the form https://HOST[:PORT][/PATH]" },
                { "aws", "endpoint_url", "https://h/?a=b",
                  "\"https://h/?a=b\" is no URL of the form https://HOST[:PORT][/PATH]" },
                { "aws", "endpoint_url", "https://h/#a",
                  "\"https://h/#a\" is no URL of the form https://HOST[:PORT][/PATH]" },
                { "aws", "endpoint_url", "https://h\\x",
                  "\"https://h\\x\" is no URL of the form https://HOST[:PORT][/PATH]" },
                { "aws", "endpoint_url", "https://u:p@h", "the URL may not name a user" },
                { "aws", "endpoint_url", "https://h:0", "\"https://h:0\" has no valid HOST[:PORT]" },
                { "aws", "endpoint_url", "https://h:65536", "\"https://h:65536\" has no valid HOST[:PORT]" },
                { "aws", "endpoint_url", "https://h:1:2", "\"https://h:1:2\" has no valid HOST[:PORT]" },
                { "aws", "endpoint_url", "https://h:", "\"https://h:\" has no valid HOST[:PORT]" },
                { "aws", "endpoint_url", "https://::1", "\"https://::1\" has no valid HOST[:PORT]" },
                { "aws", "endpoint_url", "https://[h]", "\"https://[h]\" has no valid HOST[:PORT]" },
                { "aws", "endpoint_url", "https://[::1", "\"https://[::1\" has no valid HOST[:PORT]" },
                { "aws", "endpoint_url", "https://[::1]x", "\"https://[::1]x\" has no valid HOST[:PORT]" },
                { "aws", "endpoint_url", "http://10.0.0.1",
                  "\"http://10.0.0.1\": http is for loopback only, the keys of AWS need https" },
                { "aws", "endpoint_url", "http://127.0.0.1.example.com",
                  "\"http://127.0.0.1.example.com\": http is for loopback only, the keys of AWS need "
                  "https" },
                { "aws", "endpoint_url", "http://localhost.example.com",
                  "\"http://localhost.example.com\": http is for loopback only, the keys of AWS need "
                  "https" },
                { "aws", "endpoint_url", "http://[::2]",
                  "\"http://[::2]\": http is for loopback only, the keys of AWS need https" },
                { "aws", "use_fips_endpoint", "maybe", "\"maybe\" is neither yes nor no" },
                { "aws", "use_dualstack_endpoint", "2", "\"2\" is neither yes nor no" },
                { "aws", "ca_bundle", "~/ca.pem", "\"~\" has no meaning here, write the directory out" },
                { "kubernetes", "kubeconfig", "~/.kube/config",
                  "\"~\" has no meaning here, write the directory out" },
                { "kubernetes", "kubeconfig", "\"/etc/x\"", "values are written without quotation marks" },
                { "namespaces", "blacklist", "Kube-*", "\"Kube-*\" can't match: " LETTERS },
                { "namespaces", "blacklist", "a, kube_x", "\"kube_x\" can't match: " LETTERS },
                { "namespaces", "blacklist", "kube-system default",
                  "\"kube-system default\" can't match: " LETTERS },
                { "namespaces", "include", "x[abc", "\"x[abc\" can't match: \"[\" without \"]\"" },
                { "namespaces", "include", "team-* # all",
                  "there is a \"#\" behind a blank; a comment takes a line of its own" },
                { "secret", "name", "Ecr", "\"Ecr\" " SECRET_NAME },
                { "secret", "name", "-ecr", "\"-ecr\" " SECRET_NAME },
                { "secret", "name", "ecr.", "\"ecr.\" " SECRET_NAME },
                { "secret", "name", "a..b", "\"a..b\" " SECRET_NAME },
                { "secret", "name", "a/b", "\"a/b\" " SECRET_NAME },
                { "renewal", "auth_token_renewal_interval", "20",
                  "\"20\" is no duration such as 20s, 5m or 1h30m" },
                { "renewal", "auth_token_renewal_interval", "-5s",
                  "\"-5s\" is no duration such as 20s, 5m or 1h30m" },
                { "renewal", "auth_token_renewal_interval", "999ms", "\"999ms\" is not between 1s and 11h" },
                { "renewal", "auth_token_renewal_interval", "0", "\"0\" is not between 1s and 11h" },
                { "renewal", "auth_token_renewal_interval", "11h1s", "\"11h1s\" is not between 1s and 11h" },
                { "renewal", "auth_token_renewal_interval", "99999d",
                  "\"99999d\" is not between 1s and 11h" },
                { "renewal", "informers_resync_interval", "auto",
                  "\"auto\" is no duration such as 20s, 5m or 1h30m" },
                { "renewal", "informers_resync_interval", "10ms", "\"10ms\" is not between 1s and 1d" },
                { "renewal", "informers_resync_interval", "25h", "\"25h\" is not between 1s and 1d" },
                { "renewal", "max_writes_per_second", "10001", "\"10001\" is no number from 0 to 10000" },
                { "renewal", "max_writes_per_second", "-1", "\"-1\" is no number from 0 to 10000" },
                { "renewal", "max_writes_per_second", "1e3", "\"1e3\" is no number from 0 to 10000" },
                { "renewal", "max_writes_per_second", "99999999999999999999",
                  "\"99999999999999999999\" is no number from 0 to 10000" },
                { "renewal", "max_in_flight", "0", "\"0\" is no number from 1 to 100" },
                { "renewal", "max_in_flight", "101", "\"101\" is no number from 1 to 100" },
                { "renewal", "max_in_flight", "4 5", "\"4 5\" is no number from 1 to 100" },
                { "metrics", "listen", "5000", "\"5000\" " LISTEN },
                { "metrics", "listen", ":5000", "\":5000\" " LISTEN },
                { "metrics", "listen", "127.0.0.1", "\"127.0.0.1\" " LISTEN },
                { "metrics", "listen", "127.0.0.1:", "\"127.0.0.1:\" " LISTEN },
                { "metrics", "listen", "127.0.0.1:0", "\"127.0.0.1:0\" " LISTEN },
                { "metrics", "listen", "127.0.0.1:65536", "\"127.0.0.1:65536\" " LISTEN },
                { "metrics", "listen", "127.0.0.1:+80", "\"127.0.0.1:+80\" " LISTEN },
                { "metrics", "listen", "::1:5000", "\"::1:5000\" " LISTEN },
                { "metrics", "listen", "[127.0.0.1]:5000", "\"[127.0.0.1]:5000\" " LISTEN },
                { "metrics", "listen", "[localhost]:5000", "\"[localhost]:5000\" " LISTEN },
                { "metrics", "listen", "[::1]5000", "\"[::1]5000\" " LISTEN },
                { "metrics", "listen", "host.example.com:5000", "\"host.example.com:5000\" " LISTEN },
                { "log", "verbosity", "11", "\"11\" is no number from 0 to 10" },
                { "log", "verbosity", "debug", "\"debug\" is no number from 0 to 10" },
                { "log", "verbosity",
                  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                  "aaa",
                  "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...\" is no "
                  "number from 0 to "
                  "10" },
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                char text[400], error[CONF_ERROR_MAX];

                (void) snprintf(text, sizeof(text), "# one\n[%s]\n%s = %s\n", bad[i].section, bad[i].key,
                                bad[i].value);
                (void) snprintf(error, sizeof(error), "/x/t.conf:3: %s in [%s]: %s", bad[i].key,
                                bad[i].section, bad[i].error);
                check_refused(text, error);
        }
}

/* Lines that are not. */
static void test_bad_lines(void **state)
{
        static const char *const bad[][2] = {
                { "[namespaces]\n\nblacklst = a\n",
                  "/x/t.conf:3: unknown key \"blacklst\" in [namespaces], did you mean \"blacklist\"?" },
                { "[aws]\nregoin = x\n",
                  "/x/t.conf:2: unknown key \"regoin\" in [aws], did you mean \"region\"?" },
                { "[aws]\nRegion = x\n",
                  "/x/t.conf:2: unknown key \"Region\" in [aws], did you mean \"region\"?" },
                { "[aws]\nregion\xc2\xa0= x\n",
                  "/x/t.conf:2: unknown key \"region\\xc2\\xa0\" in [aws], did you mean \"region\"?" },
                { "[aws]\nsecret_access_key = " SECRET "\n",
                  "/x/t.conf:2: unknown key \"secret_access_key\" in [aws], did you mean "
                  "\"aws_secret_access_key\"?" },
                { "[aws]\nverbosty = 1\n",
                  "/x/t.conf:2: unknown key \"verbosty\" in [aws], did you mean \"verbosity\" in [log]?" },
                { "[aws]\nprofile = x\n", "/x/t.conf:2: unknown key \"profile\" in [aws]" },
                { "[aws]\n= x\n", "/x/t.conf:2: unknown key in [aws]" },
                { "[aws]\nkubeconfig = /x\n",
                  "/x/t.conf:2: \"kubeconfig\" belongs in [kubernetes], not in [aws]" },
                { "region = x\n",
                  "/x/t.conf:1: \"region\" stands before the first section, it belongs in [aws]" },
                { "foo = x\n", "/x/t.conf:1: there is a key before the first [SECTION]" },
                { "[kubernets]\n",
                  "/x/t.conf:1: unknown section \"kubernets\", did you mean [kubernetes]?" },
                { "[AWS]\n", "/x/t.conf:1: unknown section \"AWS\", did you mean [aws]?" },
                { "[default]\nregion = x\n",
                  "/x/t.conf:1: unknown section \"default\", there are " SECTIONS },
                { "[registry x]\n", "/x/t.conf:1: unknown section \"registry x\", there are " SECTIONS },
                { "[]\n", "/x/t.conf:1: unknown section \"\", there are " SECTIONS },
                { "[ aws ]\n", "/x/t.conf:1: unknown section \" aws \", there are " SECTIONS },
                { "[aws\n", "/x/t.conf:1: \"[\" without \"]\"" },
                { "[\n", "/x/t.conf:1: \"[\" without \"]\"" },
                { "[aws] # x\n",
                  "/x/t.conf:1: there is text behind \"]\"; a comment takes a line of its own" },
                { "[aws] region = eu-central-1\n",
                  "/x/t.conf:1: there is text behind \"]\"; a comment takes a line of its own" },
                { "[aws]\nregion\n", "/x/t.conf:2: " MALFORMED },
                { "[aws]\nregion eu-central-1\n\n[log]\nverbosity = x\n", "/x/t.conf:2: " MALFORMED },
                { "[namespaces]\nblacklist =\nkube-*\n", "/x/t.conf:3: " MALFORMED },
                { "[aws]\nregion = eu-central-1\n\n# x\nregion = eu-west-1\n",
                  "/x/t.conf:5: region in [aws]: it has a value already, from line 2" },
                { "[aws]\nregion = eu-central-1\n[log]\n[aws]\nregion = eu-central-1\n",
                  "/x/t.conf:5: region in [aws]: it has a value already, from line 2" },
                { "[namespaces]\nblacklist = a\nblacklist = b\n",
                  "/x/t.conf:3: blacklist in [namespaces]: it has a value already, from line 2" },
                { "[namespaces]\nblacklist = a\nblacklist =\n",
                  "/x/t.conf:3: blacklist in [namespaces]: it has a value already, from line 2" },
                { "[namespaces]\nblacklist =\n a\nblacklist = b\n",
                  "/x/t.conf:4: blacklist in [namespaces]: it has a value already, from line 2" },
                { "[aws]\nregion = eu-central-1\n  aws_access_key_id = x\n",
                  "/x/t.conf:3: region in [aws]: an indented line continues a list, but this key takes one "
                  "value" },
                { "[aws]\naws_session_token = " SECRET "\n\t" SECRET "\n",
                  "/x/t.conf:3: aws_session_token in [aws]: an indented line continues a list, "
                  "but this key takes one value" },
                { "[aws]\nregion =\n eu-central-1\n",
                  "/x/t.conf:3: region in [aws]: an indented line continues a list, but this key takes one "
                  "value" },
                { "[namespaces]\nblacklist = a\n [secret]\n",
                  "/x/t.conf:3: blacklist in [namespaces]: [secret] is indented and would "
                  "continue the list; start it at the left margin" },
                { "[namespaces]\nblacklist = a\n b\n  C\n",
                  "/x/t.conf:4: blacklist in [namespaces]: \"C\" can't match: " LETTERS },
                { "[aws]\nregion = eu-\x1b[31mcentral-1\n",
                  "/x/t.conf:2: there is a control character (0x1b) in the text" },
                { "[aws]\rregion = eu-central-1\r",
                  "/x/t.conf:1: there is a control character (0x0d) in the text" },
                { "[aws]\n# \x7f\n", "/x/t.conf:2: there is a control character (0x7f) in the text" },
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                check_refused(bad[i][0], bad[i][1]);
}

/* Builds of inih disagree in what this is, not in whether it is right. */
static void test_comment_in_key(void **state)
{
        _cleanup_(conf_freep) Conf *c = defaults();
        ConfError error;

        assert_int_equal(parse_onto(c, "[aws]\nfoo ; region = x\n", &error), -EINVAL);
        assert_non_null(startswith(error.text, "/x/t.conf:2: "));
}

static void test_nul(void **state)
{
        static const char text[] = "[aws]\nregion = eu-central-1\0\n";
        _cleanup_(conf_freep) Conf *c = defaults();
        ConfError error;

        assert_int_equal(conf_parse(c, text, sizeof(text) - 1, "/x/t.conf", &error), -EINVAL);
        assert_string_equal(error.text, "/x/t.conf:2: there is a control character (0x00) in the text");
}

/* Wherever a secret is misplaced, the message does not repeat it. */
static void test_secrets_are_not_shown(void **state)
{
        static const char *const texts[] = {
                "[aws]\naws_secret_access_key = x " SECRET "\n",
                "[aws]\naws_secret_access_key = \"" SECRET "\"\n",
                "[aws]\naws_secret_access_key = " SECRET " ; mine\n",
                "[aws]\naws_secret_access_key " SECRET "\n",
                "[aws]\naws_secret_access_kez = " SECRET "\n",
                "[aws]\naws_session_token = x\n" SECRET "\n",
                "[aws]\naws_session_token = x\n" SECRET "==\n",
                "[aws]\naws_session_token = x\n " SECRET "==\n",
                "[aws]\naws_session_token = a\naws_session_token = " SECRET "\n",
                "aws_session_token = " SECRET "\n",
                SECRET "= \n",
                "[log]\naws_session_token = " SECRET "\n",
                "[aws]\naws_session_token = \xc3\xa4" SECRET "\n",
                "[aws]\naws_session_token = \x01" SECRET "\n",
                "[aws]\nendpoint_url = https://user:" SECRET "@h/\n",
        };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                _cleanup_(conf_freep) Conf *c = defaults();
                ConfError error;

                assert_true(parse_onto(c, texts[i], &error) < 0);
                assert_non_null(startswith(error.text, "/x/t.conf:"));
                if (strstr(error.text, "K7MDENG"))
                        fail_msg("shown: %s", error.text);
        }
}

/* Fills buffer with n bytes of what tokens are made of and what could be mistaken for syntax. */
static void fill(char *buffer, size_t n, size_t seed)
{
        static const char alphabet[] = "ABC;xyz#0189+/=:[]-_\"'.,";

        for (size_t i = 0; i < n; i++)
                buffer[i] = alphabet[(i * 7 + seed + i / 11) % (sizeof(alphabet) - 1)];
        buffer[0] = 'F';
        buffer[n] = '\0';
}

/* Lengths around each size that a buffer of inih may have. */
static void test_long_values(void **state)
{
        char value[CONF_VALUE_MAX + 2], text[CONF_VALUE_MAX + 200];
        _cleanup_(conf_freep) Conf *refused = defaults();
        ConfError error;

        for (size_t n = 1; n <= CONF_VALUE_MAX; n += n < 450 || (n > 4000) ? 1 : 50) {
                _cleanup_(conf_freep) Conf *c = NULL;

                fill(value, n, n);
                (void) snprintf(text, sizeof(text), "[aws]\naws_session_token = %s\nregion = eu-central-1\n",
                                value);
                c = parsed(text);
                assert_string_equal(c->aws.session_token, value);
                assert_string_equal(c->aws.region, "eu-central-1");
        }
        fill(value, CONF_VALUE_MAX + 1, 0);
        (void) snprintf(text, sizeof(text), "[aws]\naws_session_token = %s\n", value);
        assert_int_equal(parse_onto(refused, text, &error), -EMSGSIZE);
        assert_string_equal(
                error.text,
                "/x/t.conf:2: aws_session_token in [aws]: the value has 4097 bytes, more than 4096");
}

static void test_1500_bytes(void **state)
{
        char value[1501], text[1600];
        _cleanup_(conf_freep) Conf *c = NULL;

        fill(value, 1500, 3);
        (void) snprintf(text, sizeof(text), "[aws]\naws_session_token=%s", value);
        c = parsed(text);
        assert_int_equal(strlen(c->aws.session_token), 1500);
        assert_string_equal(c->aws.session_token, value);
}

static void test_long_lines(void **state)
{
        _cleanup_(conf_freep) Conf *c = NULL;
        char text[20000], *p = text;

        p += sprintf(p, "#%05000d = x\n;%0300d\n[namespaces]\nblacklist =", 1, 2);
        for (int i = 0; i < 500; i++)
                p += sprintf(p, " n%03d,", i);
        p += sprintf(p, "\n ");
        for (int i = 500; i < 1000; i++)
                p += sprintf(p, "n%03d,", i);
        (void) sprintf(p, "\n%4000s# %s\n  last\n", "", SECRET);
        c = parsed(text);
        for (int i = 0; i < 1000; i++) {
                char name[16];

                (void) snprintf(name, sizeof(name), "n%03d", i);
                assert_string_equal(c->namespaces.blacklist[i], name);
        }
        assert_string_equal(c->namespaces.blacklist[1000], "last");
        assert_null(c->namespaces.blacklist[1001]);
        memset(text, 'a', 5000);
        (void) strcpy(text + 5000, "\n");
        check_refused(text, "/x/t.conf:1: " MALFORMED);
        (void) strcpy(text + 5000, "= x\n");
        memcpy(text, "[log]\n", 6);
        check_refused(text, "/x/t.conf:2: " MALFORMED); /* inih never sees the "=" */
}

static void test_list_size(void **state)
{
        _cleanup_free_ char *text = calloc(1, 100000);
        _cleanup_(conf_freep) Conf *c = defaults();
        ConfError error;
        char *p = text;

        p += sprintf(p, "[namespaces]\ninclude =\n");
        for (int i = 0; i < 4097; i++)
                p += sprintf(p, " n%d\n", i);
        assert_int_equal(parse_onto(c, text, &error), -EINVAL);
        assert_string_equal(error.text,
                            "/x/t.conf:4099: include in [namespaces]: the list has more than 4096 entries");
}

static void test_file_size(void **state)
{
        size_t size = 1024 * 1024;
        _cleanup_free_ char *text = malloc(size + 1);
        _cleanup_(conf_freep) Conf *c = defaults();
        ConfError error;

        memset(text, '\n', size + 1);
        assert_int_equal(conf_parse(c, text, size, "/x/t.conf", &error), 0);
        assert_int_equal(conf_parse(c, text, size + 1, "/x/t.conf", &error), -EFBIG);
        assert_string_equal(error.text, "/x/t.conf: it is larger than 1 MiB");
}

static void test_lists(void **state)
{
        static const char *const cases[][2] = {
                { "blacklist = a", "a" },
                { "blacklist = a,b , c,,\td ,", "a b c d" },
                { "blacklist =", "" },
                { "blacklist = ,", "" },
                { "blacklist =\n  a\n\tb, c", "a b c" },
                { "blacklist = a\n\n  b\n# x\n   ; y\n  c\ninclude = d\n  e", "a b c" },
                { "blacklist = a\n [b-d]*\n [!a]", "a [b-d]* [!a]" },
                { "  blacklist = a\n  b", "a b" },
                { "blacklist : a", "a" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(conf_freep) Conf *c = NULL;
                char text[200];

                (void) snprintf(text, sizeof(text), "[namespaces]\n%s\n", cases[i][0]);
                c = parsed(text);
                check_list(c->namespaces.blacklist, cases[i][1]);
        }
}

static void test_empty_values(void **state)
{
        _cleanup_(conf_freep) Conf *c = defaults(), *untouched = defaults();
        char text[4096] = "";
        ConfError error;

        for (size_t i = 0; i < ELEMENTSOF(all_keys); i++)
                (void) snprintf(text + strlen(text), sizeof(text) - strlen(text), "[%s]\n%s = \t\n",
                                all_keys[i].section, all_keys[i].key);
        assert_int_equal(parse_onto(c, text, &error), 0);
        check_equal(c, untouched);
        /* An empty one is not yet a value, so another may follow; and it takes nothing away. */
        assert_int_equal(parse_onto(c, "[aws]\nregion =\nregion = eu-central-1\nregion =\n", &error), 0);
        assert_int_equal(parse_onto(c, "[aws]\nregion =\n", &error), 0);
        assert_string_equal(c->aws.region, "eu-central-1");
}

static void test_later_file_wins(void **state)
{
        _cleanup_(conf_freep) Conf *c =
                parsed("[aws]\nregion = eu-central-1\n[namespaces]\nblacklist = a, b\n"
                       "include = c\n[metrics]\nlisten = off\n");
        ConfError error;

        assert_int_equal(parse_onto(c,
                                    "[aws]\nregion = eu-west-1\n[namespaces]\nblacklist = x\n y\ninclude =\n"
                                    "[metrics]\nlisten = [::]:1\n",
                                    &error),
                         0);
        assert_string_equal(c->aws.region, "eu-west-1");
        check_list(c->namespaces.blacklist, "x y");
        check_list(c->namespaces.include, "");
        assert_string_equal(c->metrics.address, "::");
}

static void test_line_ends(void **state)
{
        static const char *const texts[] = {
                "\xef\xbb\xbf[aws]\r\nregion = eu-central-1\r\n\r\n[namespaces]\r\nblacklist =\r\n\ta\r\n",
                "\xef\xbb\xbf# x\n[aws]\nregion = eu-central-1 \n[namespaces]\nblacklist = a",
                "\n;[x]\n #[y]\n  [aws]\n\n  region=eu-central-1\n[namespaces]\n  blacklist\t=\ta\r",
                "[namespaces]\nblacklist=\n [aws]*\n[namespaces]\n[aws]\nregion\t:\teu-central-1",
        };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                _cleanup_(conf_freep) Conf *c = parsed(texts[i]);

                assert_string_equal(c->aws.region, "eu-central-1");
                assert_non_null(*c->namespaces.blacklist);
        }
        conf_free(parsed(""));
        conf_free(parsed("\xef\xbb\xbf"));
        conf_free(parsed("\n\n"));
        conf_free(parsed("[aws]"));
        check_refused("\xef\xbb\xbf[x]\n", "/x/t.conf:1: unknown section \"x\", there are " SECTIONS);
        check_refused("\xef\xbb\xbf[aws]\nx=\n", "/x/t.conf:2: unknown key \"x\" in [aws]");
}

/* What follows a value is part of it, whatever inih takes for a comment. */
static void test_value_is_whole(void **state)
{
        _cleanup_(conf_freep) Conf *c =
                parsed("[aws]\naws_secret_access_key = a;b#c=d:e\"'\n"
                       "[kubernetes]\ncontext = a b = c: d;#\nkubeconfig = /a b/c\n");

        assert_string_equal(c->aws.secret_access_key, "a;b#c=d:e\"'");
        assert_string_equal(c->kubernetes.context, "a b = c: d;#");
        assert_string_equal(c->kubernetes.kubeconfig, "/a b/c");
}

static void test_relative_paths(void **state)
{
        static const char *const cases[][2] = {
                { "/etc/eatr/eatr.conf", "/etc/eatr/k" },
                { "eatr.conf", "./k" },
                { "a/eatr.conf", "a/k" },
                { "/eatr.conf", "/k" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                static const char text[] = "[kubernetes]\nkubeconfig = k\n";
                _cleanup_(conf_freep) Conf *c = defaults();
                ConfError error;

                assert_int_equal(conf_parse(c, text, sizeof(text) - 1, cases[i][0], &error), 0);
                assert_string_equal(c->kubernetes.kubeconfig, cases[i][1]);
        }
}

static void test_set(void **state)
{
        _cleanup_(conf_freep) Conf *c = parsed("[namespaces]\nblacklist = a\n[kubernetes]\ncontext = c\n");
        char value[CONF_VALUE_MAX + 2];
        ConfError error;

        assert_int_equal(conf_set(c, "namespaces", "blacklist", "b,c", "--o", &error), 0);
        check_list(c->namespaces.blacklist, "b c");
        assert_int_equal(conf_set(c, "namespaces", "blacklist", "", "--o", &error), 0);
        check_list(c->namespaces.blacklist, "");
        assert_int_equal(conf_set(c, "kubernetes", "context", "", "--o", &error), 0);
        assert_string_equal(c->kubernetes.context, "c");
        assert_int_equal(conf_set(c, "kubernetes", "context", "a #b", "--o", &error), 0);
        assert_string_equal(c->kubernetes.context, "a #b");

        assert_int_equal(conf_set(c, "metrics", "listen", "x", "--metrics-address", &error), -EINVAL);
        assert_string_equal(error.text, "--metrics-address: \"x\" " LISTEN);
        assert_int_equal(conf_set(c, "kubernetes", "context", "a\nb", "--context", &error), -EINVAL);
        assert_string_equal(error.text, "--context: there is a control character (0x0a) in the text");
        assert_int_equal(conf_set(c, "log", "verbos", "1", "--o", &error), -EINVAL);
        assert_string_equal(error.text, "--o: unknown key \"verbos\" in [log], did you mean \"verbosity\"?");
        fill(value, CONF_VALUE_MAX + 1, 0);
        assert_int_equal(conf_set(c, "kubernetes", "context", value, "--context", &error), -EINVAL);
        assert_string_equal(error.text, "--context: the value has 4097 bytes, more than 4096");
        value[CONF_VALUE_MAX] = '\0';
        assert_int_equal(conf_set(c, "kubernetes", "context", value, "--context", &error), 0);
        assert_string_equal(c->kubernetes.context, value);
}

static void test_check(void **state)
{
        static const struct {
                const char *text, *error;
        } cases[] = {
                { "", "[aws] needs region, aws_access_key_id, aws_secret_access_key" },
                { "region = eu-central-1", "[aws] needs aws_access_key_id, aws_secret_access_key" },
                { "aws_access_key_id = A\naws_secret_access_key = B", "[aws] needs region" },
                { "region = eu-central-1\naws_access_key_id = A\naws_secret_access_key = B", NULL },
                { "region = eu-central-1\naws_access_key_id = ASIAX\naws_secret_access_key = B",
                  "[aws] needs aws_session_token, as aws_access_key_id is that of temporary keys" },
                { "region = eu-central-1\naws_access_key_id = ASIAX\naws_secret_access_key = B\n"
                  "aws_session_token = C",
                  NULL },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(conf_freep) Conf *c = NULL;
                ConfError error = { "x" };
                char text[200];

                (void) snprintf(text, sizeof(text), "[aws]\n%s\n", cases[i].text);
                c = parsed(text);
                assert_int_equal(conf_check(c, &error), cases[i].error ? -EINVAL : 0);
                assert_string_equal(error.text, cases[i].error ? cases[i].error : "");
        }
}

/* Files: each test has a directory of its own, the state. */

static int make_directory(void **state)
{
        const char *parent = getenv("TMPDIR");
        char *path = str_printf("%s/test-conf.XXXXXX", str_empty(parent) ? "/tmp" : parent);

        if (!path || !mkdtemp(path) || chmod(path, 0755) < 0)
                return -1;
        *state = path;
        return 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
        return remove(path);
}

static int remove_directory(void **state)
{
        int r = nftw(*state, remove_entry, 8, FTW_DEPTH | FTW_PHYS);

        free(*state);
        return r;
}

static char *path_in(const char *directory, const char *name)
{
        char *path = str_printf("%s/%s", directory, name);

        assert_non_null(path);
        return path;
}

static void put_file(const char *directory, const char *name, mode_t mode, const char *text)
{
        _cleanup_free_ char *path = path_in(directory, name);
        _cleanup_close_ int fd = -1;

        (void) unlink(path); /* its mode may forbid to write to it */
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        assert_int_equal(fchmod(fd, mode), 0);
}

static void put_directory(const char *directory, const char *name)
{
        _cleanup_free_ char *path = path_in(directory, name);

        assert_int_equal(mkdir(path, 0755), 0);
}

/* Loads the directory's eatr.conf; expected is the number and what is behind "DIRECTORY/" in the message. */
static void check_load(const char *directory, Conf *c, int expected, const char *message)
{
        _cleanup_free_ char *path = path_in(directory, "eatr.conf"), *text = path_in(directory, message);
        ConfError error = { "" };

        assert_int_equal(conf_load(c, path, &error), expected);
        assert_string_equal(error.text, expected < 0 ? text : "");
}

static void test_load(void **state)
{
        _cleanup_(conf_freep) Conf *c = defaults();
        _cleanup_free_ char *kubeconfig = path_in(*state, "k");

        put_file(*state, "eatr.conf", 0640,
                 "[aws]\naws_secret_access_key = " SECRET "\n[kubernetes]\nkubeconfig = k\n");
        check_load(*state, c, 0, "");
        assert_string_equal(c->aws.secret_access_key, SECRET);
        assert_string_equal(c->kubernetes.kubeconfig, kubeconfig);
}

static void test_drop_ins(void **state)
{
        _cleanup_(conf_freep) Conf *c = defaults();
        _cleanup_free_ char *kubeconfig = path_in(*state, "k");

        put_file(*state, "eatr.conf", 0644,
                 "[aws]\nregion = eu-central-1\n[secret]\nname = main\n[namespaces]\nblacklist = a, b\n");
        put_directory(*state, "eatr.conf.d");
        put_file(*state, "eatr.conf.d/9-z.conf", 0644, "[log]\nverbosity = 9\n");
        put_file(*state, "eatr.conf.d/10-a.conf", 0644,
                 "[log]\nverbosity = 1\n[secret]\nname = ten\n[namespaces]\nblacklist = c\n");
        put_file(*state, "eatr.conf.d/A.conf", 0644, "[kubernetes]\nkubeconfig = k\ncontext = A\n");
        put_file(*state, "eatr.conf.d/a.conf", 0644, "[kubernetes]\ncontext = a\n");
        put_file(*state, "eatr.conf.d/.hidden.conf", 0644, "nonsense");
        put_file(*state, "eatr.conf.d/a.conf~", 0644, "nonsense");
        put_file(*state, "eatr.conf.d/a.conf.rpmsave", 0644, "nonsense");
        put_file(*state, "eatr.conf.d/README", 0644, "nonsense");
        put_file(*state, "eatr.conf.d/conf", 0644, "nonsense");
        check_load(*state, c, 0, "");
        assert_string_equal(c->aws.region, "eu-central-1");
        assert_string_equal(c->secret.name, "ten");
        assert_int_equal(c->verbosity, 9);
        assert_string_equal(c->kubernetes.context, "a");
        assert_string_equal(c->kubernetes.kubeconfig, kubeconfig); /* not in eatr.conf.d */
        check_list(c->namespaces.blacklist, "c");
}

static void test_bad_drop_in(void **state)
{
        _cleanup_(conf_freep) Conf *c = defaults();

        put_file(*state, "eatr.conf", 0644, "");
        put_directory(*state, "eatr.conf.d");
        put_file(*state, "eatr.conf.d/1.conf", 0644, "\n[log]\nverbosity = 99\n");
        put_file(*state, "eatr.conf.d/2.conf", 0644, "nonsense");
        check_load(*state, c, -EINVAL,
                   "eatr.conf.d/1.conf:3: verbosity in [log]: \"99\" is no number from 0 to 10");
}

static void test_drop_ins_are_no_directory(void **state)
{
        _cleanup_(conf_freep) Conf *c = defaults();

        put_file(*state, "eatr.conf", 0644, "");
        put_file(*state, "eatr.conf.d", 0644, "");
        check_load(*state, c, -ENOTDIR, "eatr.conf.d: cannot read the directory: Not a directory");
}

static void test_modes(void **state)
{
        static const struct {
                mode_t mode;
                bool fine;
        } cases[] = { { 0600, true }, { 0640, true },  { 0660, true },  { 0400, true },
                      { 0641, true }, { 0644, false }, { 0604, false }, { 0642, false } };
        static const char *const names[] = { "aws_secret_access_key", "aws_session_token" };

        for (size_t i = 0; i < ELEMENTSOF(cases) * ELEMENTSOF(names); i++) {
                _cleanup_free_ char *text = str_printf("[aws]\n%s = " SECRET "\n", names[i % 2]),
                                    *error = str_printf(
                                            "eatr.conf:2: %s in [aws]: a secret in a file that is open to "
                                            "everybody; run \"chmod 0640 %s/eatr.conf\"",
                                            names[i % 2], (const char *) *state);
                _cleanup_(conf_freep) Conf *c = defaults();

                put_file(*state, "eatr.conf", cases[i / 2].mode, text);
                check_load(*state, c, cases[i / 2].fine ? 0 : -EPERM, error);
        }
}

/* Without a value there is nothing to hide. */
static void test_mode_without_secret(void **state)
{
        _cleanup_(conf_freep) Conf *c = defaults();

        put_file(*state, "eatr.conf", 0644, "[aws]\naws_access_key_id = A\naws_secret_access_key =\n");
        check_load(*state, c, 0, "");
        put_directory(*state, "eatr.conf.d");
        put_file(*state, "eatr.conf.d/x.conf", 0640, "[aws]\naws_secret_access_key = " SECRET "\n");
        check_load(*state, c, 0, "");
        assert_string_equal(c->aws.secret_access_key, SECRET);
}

static void test_missing(void **state)
{
        _cleanup_(conf_freep) Conf *c = defaults();

        check_load(*state, c, -ENOENT, "eatr.conf: cannot open it: No such file or directory");
}

static void test_unreadable(void **state)
{
        _cleanup_(conf_freep) Conf *c = defaults();
        bool root = geteuid() == 0;

        put_file(*state, "eatr.conf", root ? 0600 : 0, "");
        if (root && seteuid(NOBODY) < 0)
                skip();
        check_load(*state, c, -EACCES, "eatr.conf: cannot open it: Permission denied");
        assert_int_equal(root ? seteuid(0) : 0, 0);
}

static void test_not_regular(void **state)
{
        _cleanup_free_ char *path = path_in(*state, "eatr.conf");
        _cleanup_(conf_freep) Conf *c = defaults();

        put_directory(*state, "eatr.conf");
        check_load(*state, c, -EISDIR, "eatr.conf: it is a directory, not a file");
        assert_int_equal(rmdir(path), 0);
        assert_int_equal(mkfifo(path, 0600), 0);
        check_load(*state, c, -EINVAL, "eatr.conf: it is not a regular file");
        assert_int_equal(unlink(path), 0);
        assert_int_equal(symlink("/dev/zero", path), 0);
        check_load(*state, c, -EINVAL, "eatr.conf: it is not a regular file");
        assert_int_equal(unlink(path), 0);
        put_file(*state, "real", 0600, "[log]\nverbosity = 3\n");
        assert_int_equal(symlink("real", path), 0);
        check_load(*state, c, 0, "");
        assert_int_equal(c->verbosity, 3);
}

static void test_large_file(void **state)
{
        _cleanup_free_ char *path = path_in(*state, "eatr.conf");
        _cleanup_(conf_freep) Conf *c = defaults();

        put_file(*state, "eatr.conf", 0600, "");
        assert_int_equal(truncate(path, 1024 * 1024 + 1), 0);
        check_load(*state, c, -EFBIG, "eatr.conf: it is larger than 1 MiB");
}

/* The shipped file and its manual page. */

static char *read_source(const char *name)
{
        const char *top = getenv("top_srcdir");
        _cleanup_free_ char *path = path_in(top ? top : ".", name);
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        char *text = calloc(1, 65536);

        assert_true(fd >= 0);
        assert_true(read(fd, text, 65535) > 0);
        return text;
}

static void test_shipped_file(void **state)
{
        _cleanup_(conf_freep) Conf *c = defaults(), *untouched = defaults();
        const char *top = getenv("top_srcdir");
        _cleanup_free_ char *path = path_in(top ? top : ".", "etc/eatr.conf");
        ConfError error;

        if (conf_load(c, path, &error) < 0)
                fail_msg("%s", error.text);
        check_equal(c, untouched);
        check_list(c->namespaces.blacklist, "");
        check_list(c->namespaces.include, "");
        assert_null(c->kubernetes.kubeconfig);
}

/* A line that starts with "#" and a key shows the default. */
static void test_shipped_defaults(void **state)
{
        _cleanup_(conf_freep) Conf *c = NULL, *untouched = defaults();
        _cleanup_free_ char *text = read_source("etc/eatr.conf");

        for (char *p = text; p; p = strchr(p + 1, '\n'))
                if (p[0] == '\n' && p[1] == '#' && p[2] >= 'a' && p[2] <= 'z')
                        memmove(p + 1, p + 2, strlen(p + 1));
        c = parsed(text);
        check_equal(c, untouched);
        check_list(c->namespaces.blacklist, "");
        check_list(c->namespaces.include, "*");
        assert_null(c->kubernetes.kubeconfig);
}

static void test_keys_are_documented(void **state)
{
        _cleanup_free_ char *shipped = read_source("etc/eatr.conf"),
                            *page = read_source("man/eatr.conf.5.in");

        for (size_t i = 0; i < ELEMENTSOF(all_keys); i++) {
                _cleanup_free_ char *section = str_printf("\n[%s]\n", all_keys[i].section),
                                    *active = str_printf("\n%s =", all_keys[i].key),
                                    *inactive = str_printf("\n#%s =", all_keys[i].key),
                                    *heading = str_printf("\n.Ss [%s]\n", all_keys[i].section),
                                    *item = str_printf("\n.It Ic %s ", all_keys[i].key);

                assert_non_null(strstr(shipped, section));
                assert_true(strstr(shipped, active) || strstr(shipped, inactive));
                assert_non_null(strstr(page, heading));
                assert_non_null(strstr(page, item));
        }
}

#define file_test(f) cmocka_unit_test_setup_teardown(f, make_directory, remove_directory)

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_defaults),
                cmocka_unit_test(test_all_keys),
                cmocka_unit_test(test_set_all_keys),
                cmocka_unit_test(test_region),
                cmocka_unit_test(test_bool),
                cmocka_unit_test(test_listen),
                cmocka_unit_test(test_endpoint),
                cmocka_unit_test(test_interval),
                cmocka_unit_test(test_secret_name_length),
                cmocka_unit_test(test_bad_values),
                cmocka_unit_test(test_bad_lines),
                cmocka_unit_test(test_comment_in_key),
                cmocka_unit_test(test_nul),
                cmocka_unit_test(test_secrets_are_not_shown),
                cmocka_unit_test(test_long_values),
                cmocka_unit_test(test_1500_bytes),
                cmocka_unit_test(test_long_lines),
                cmocka_unit_test(test_list_size),
                cmocka_unit_test(test_file_size),
                cmocka_unit_test(test_lists),
                cmocka_unit_test(test_empty_values),
                cmocka_unit_test(test_later_file_wins),
                cmocka_unit_test(test_line_ends),
                cmocka_unit_test(test_value_is_whole),
                cmocka_unit_test(test_relative_paths),
                cmocka_unit_test(test_set),
                cmocka_unit_test(test_check),
                file_test(test_load),
                file_test(test_drop_ins),
                file_test(test_bad_drop_in),
                file_test(test_drop_ins_are_no_directory),
                file_test(test_modes),
                file_test(test_mode_without_secret),
                file_test(test_missing),
                file_test(test_unreadable),
                file_test(test_not_regular),
                file_test(test_large_file),
                cmocka_unit_test(test_shipped_file),
                cmocka_unit_test(test_shipped_defaults),
                cmocka_unit_test(test_keys_are_documented),
        };

        (void) alarm(120); /* a FIFO that is waited for */
        return cmocka_run_group_tests_name("conf", tests, NULL, NULL);
}
