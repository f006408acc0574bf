/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "conf-text.h"

#include <fcntl.h>

static void check_same_list(char *const *a, char *const *b)
{
        for (; *a && *b; a++, b++)
                assert_string_equal(*a, *b);
        assert_ptr_equal(*a, *b);
}

/* But for what is given, and so may be the default. */
static void check_same_registry(const ConfRegistry *a, const ConfRegistry *b)
{
        for (const ConfKey *key = conf_keys; streq(key->section, "aws"); key++) {
                const void *f = (const char *) a + key->offset, *g = (const char *) b + key->offset;

                if (key->type == CONF_KEY_STRING)
                        assert_true(streq_ptr(*(char *const *) f, *(char *const *) g));
                else if (key->type == CONF_KEY_LIST)
                        check_same_list(*(char **const *) f, *(char **const *) g);
                else if (key->type == CONF_KEY_BOOL)
                        assert_int_equal(*(const bool *) f, *(const bool *) g);
                else
                        assert_int_equal(*(const unsigned *) f, *(const unsigned *) g);
        }
}

static void check_equal(const Conf *a, const Conf *b)
{
        check_same_registry(&a->main, &b->main);
        assert_true(streq_ptr(a->kubernetes.context, b->kubernetes.context));
        assert_int_equal(a->kubernetes.mint_eks_tokens, b->kubernetes.mint_eks_tokens);
        check_same_list(a->namespaces.blacklist, b->namespaces.blacklist);
        assert_null(a->namespaces.label_selector);
        assert_null(b->namespaces.label_selector);
        assert_int_equal(a->namespaces.on_exclude, b->namespaces.on_exclude);
        assert_string_equal(a->secret.name, b->secret.name);
        assert_int_equal(a->secret.on_conflict, b->secret.on_conflict);
        check_same_list(a->secret.service_accounts, b->secret.service_accounts);
        check_same_list(a->secret.labels, b->secret.labels);
        check_same_list(a->secret.annotations, b->secret.annotations);
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

        for (const ConfKey *key = conf_keys; streq(key->section, "aws"); key++) {
                assert_false(conf_keys_given(key, &c->main));
                if (key->type == CONF_KEY_STRING)
                        assert_null(*(char **) conf_keys_field(key, &c->main));
        }
        assert_false(c->aws.use_fips_endpoint);
        assert_false(c->aws.use_dualstack_endpoint);
        assert_int_equal(c->aws.duration_seconds, 0);
        assert_int_equal(c->aws.credential_source, CONF_CREDENTIAL_SOURCE_NONE);
        assert_null(*c->main.hosts);
        assert_false(c->main.public);
        assert_int_equal(c->main.verify, CONF_VERIFY_YES);
        assert_int_equal(c->n_sections, 0);
        assert_int_equal(c->n_registries, 0);
        assert_null(c->kubernetes.kubeconfig);
        assert_null(c->kubernetes.context);
        assert_true(c->kubernetes.mint_eks_tokens);
        assert_null(*c->namespaces.blacklist);
        assert_null(*c->namespaces.include);
        assert_null(c->namespaces.label_selector);
        assert_int_equal(c->namespaces.on_exclude, CONF_EXCLUDE_KEEP);
        assert_string_equal(c->secret.name, "ecr");
        assert_int_equal(c->secret.on_conflict, CONF_CONFLICT_SKIP);
        assert_null(*c->secret.service_accounts);
        assert_null(*c->secret.labels);
        assert_null(*c->secret.annotations);
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
        { "aws", "profile", "ci prod" },
        { "aws", "source_profile", "base" },
        { "aws", "credential_process", "\"/opt/a b\" --x \"y z\"" },
        { "aws", "web_identity_token_file", "jwt" },
        { "aws", "credentials_secret", "eatr/aws" },
        { "aws", "certificate", "cert.pem" },
        { "aws", "private_key", "/k.pem" },
        { "aws", "certificate_chain", "chain.pem" },
        { "aws", "trust_anchor_arn", "arn:aws:rolesanywhere:eu-central-1:123456789012:trust-anchor/1-a" },
        { "aws", "profile_arn", "arn:aws:rolesanywhere:eu-central-1:123456789012:profile/2-b" },
        { "aws", "credential_source", "imds" },
        { "aws", "role_arn", "arn:aws:iam::123456789012:role/eatr" },
        { "aws", "external_id", "ext/1" },
        { "aws", "role_session_name", "eatr@ops" },
        { "aws", "duration_seconds", "3600" },
        { "aws", "shared_credentials_file", "credentials" },
        { "aws", "config_file", "config" },
        { "aws", "sts_endpoint_url", "http://localhost:4566/" },
        { "aws", "hosts", "h:443, proxy" },
        { "aws", "public", "on" },
        { "aws", "verify", "required" },
        { "aws", "endpoint_url", "https://vpce-1.api.ecr.eu-central-1.vpce.amazonaws.com:8443/p/" },
        { "aws", "ca_bundle", "ca.pem" },
        { "aws", "use_fips_endpoint", "yes" },
        { "aws", "use_dualstack_endpoint", "true" },
        { "kubernetes", "kubeconfig", "/root/.kube/config" },
        { "kubernetes", "context", "kubernetes-admin@prod" },
        { "kubernetes", "mint_eks_tokens", "no" },
        { "namespaces", "blacklist", "kube-*,default" },
        { "namespaces", "include", "team-[a-c]" },
        { "namespaces", "label_selector", "team in (a, b),!ci" },
        { "namespaces", "on_exclude", "delete" },
        { "secret", "name", "registry.ecr" },
        { "secret", "on_conflict", "adopt" },
        { "secret", "service_accounts", "default, ci.*" },
        { "secret", "labels", "team = infra" },
        { "secret", "annotations", "argocd.argoproj.io/compare-options = IgnoreExtraneous" },
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
        assert_string_equal(c->aws.profile, "ci prod");
        assert_string_equal(c->aws.source_profile, "base");
        assert_string_equal(c->aws.credential_process, "\"/opt/a b\" --x \"y z\"");
        assert_string_equal(c->aws.credentials_secret, "eatr/aws");
        assert_string_equal(c->aws.private_key, "/k.pem");
        assert_string_equal(c->aws.trust_anchor_arn,
                            "arn:aws:rolesanywhere:eu-central-1:123456789012:trust-anchor/1-a");
        assert_string_equal(c->aws.profile_arn,
                            "arn:aws:rolesanywhere:eu-central-1:123456789012:profile/2-b");
        assert_int_equal(c->aws.credential_source, CONF_CREDENTIAL_SOURCE_IMDS);
        assert_string_equal(c->aws.role_arn, "arn:aws:iam::123456789012:role/eatr");
        assert_string_equal(c->aws.external_id, "ext/1");
        assert_string_equal(c->aws.role_session_name, "eatr@ops");
        assert_int_equal(c->aws.duration_seconds, 3600);
        assert_string_equal(c->aws.sts_endpoint_url, "http://localhost:4566");
        check_list(c->main.hosts, "h:443 proxy");
        assert_true(c->main.public);
        assert_int_equal(c->main.verify, CONF_VERIFY_REQUIRED);
        assert_string_equal(c->kubernetes.kubeconfig, "/root/.kube/config");
        assert_string_equal(c->kubernetes.context, "kubernetes-admin@prod");
        check_list(c->namespaces.blacklist, "kube-* default");
        assert_false(c->kubernetes.mint_eks_tokens);
        check_list(c->namespaces.include, "team-[a-c]");
        assert_string_equal(label_selector_text(c->namespaces.label_selector), "team in (a, b),!ci");
        assert_int_equal(c->namespaces.on_exclude, CONF_EXCLUDE_DELETE);
        assert_string_equal(c->secret.name, "registry.ecr");
        assert_int_equal(c->secret.on_conflict, CONF_CONFLICT_ADOPT);
        check_list(c->secret.service_accounts, "default ci.*");
        check_list(c->secret.labels, "team=infra");
        check_list(c->secret.annotations, "argocd.argoproj.io/compare-options=IgnoreExtraneous");
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
        char text[8192] = "";

        for (size_t i = 0; i < ELEMENTSOF(all_keys); i++)
                (void) snprintf(text + strlen(text), sizeof(text) - strlen(text), "[%s]\n%s = %s\n",
                                all_keys[i].section, all_keys[i].key, all_keys[i].value);
        c = parsed(text);
        check_all_keys(c);
        assert_string_equal(c->aws.ca_bundle, "/x/ca.pem");
        assert_string_equal(c->aws.web_identity_token_file, "/x/jwt");
        assert_string_equal(c->aws.certificate, "/x/cert.pem");
        assert_string_equal(c->aws.certificate_chain, "/x/chain.pem");
        assert_string_equal(c->aws.shared_credentials_file, "/x/credentials");
        assert_string_equal(c->aws.config_file, "/x/config");
}

/* So that nothing is left out below. */
static void test_every_key_is_tried(void **state)
{
        size_t n = 0;

        for (const ConfKey *key = conf_keys; key->name; key++, n++) {
                size_t i = 0;

                while (i < ELEMENTSOF(all_keys) &&
                       !(streq(all_keys[i].section, key->section) && streq(all_keys[i].key, key->name)))
                        i++;
                assert_true(i < ELEMENTSOF(all_keys));
        }
        assert_int_equal(n, ELEMENTSOF(all_keys));
}

/* A registry of its own takes each key of [aws], and copies of it are whole. */
static void test_all_keys_in_a_registry(void **state)
{
        _cleanup_(conf_freep) Conf *c = NULL;
        _cleanup_free_ char *text = NULL;
        char lines[8192] = "";
        ConfRegistry copy;

        for (size_t i = 0; i < ELEMENTSOF(all_keys); i++)
                if (streq(all_keys[i].section, "aws"))
                        (void) snprintf(lines + strlen(lines), sizeof(lines) - strlen(lines), "%s = %s\n",
                                        all_keys[i].key, all_keys[i].value);
        text = str_printf("[registry a]\n%s[aws]\n%s", lines, lines);
        c = parsed(text);
        check_same_registry(&c->main, &c->sections[0]);
        assert_int_equal(conf_keys_registry_init(&copy, "b"), 0);
        for (const ConfKey *key = conf_keys; streq(key->section, "aws"); key++) {
                assert_true(conf_keys_given(key, &c->sections[0]));
                assert_true(conf_keys_given(key, &c->main));
                assert_int_equal(conf_keys_registry_copy(&copy, &c->main, key), 0);
        }
        check_same_registry(&c->main, &copy);
        assert_true(copy.given == c->main.given);
        assert_ptr_not_equal(copy.aws.region, c->aws.region);
        conf_keys_registry_done(&copy);
        assert_true(copy.given == 0 && !copy.name && !copy.hosts && !copy.aws.region);
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

static void test_credential_source_and_verify(void **state)
{
        static const struct {
                const char *word;
                unsigned value;
        } sources[] = { { "environment", CONF_CREDENTIAL_SOURCE_ENVIRONMENT },
                        { "Environment", CONF_CREDENTIAL_SOURCE_ENVIRONMENT },
                        { "container", CONF_CREDENTIAL_SOURCE_CONTAINER },
                        { "EcsContainer", CONF_CREDENTIAL_SOURCE_CONTAINER },
                        { "imds", CONF_CREDENTIAL_SOURCE_IMDS },
                        { "Ec2InstanceMetadata", CONF_CREDENTIAL_SOURCE_IMDS } },
          verify[] = { { "yes", CONF_VERIFY_YES }, { "true", CONF_VERIFY_YES },
                       { "no", CONF_VERIFY_NO },   { "off", CONF_VERIFY_NO },
                       { "0", CONF_VERIFY_NO },    { "required", CONF_VERIFY_REQUIRED } };

        for (size_t i = 0; i < ELEMENTSOF(sources); i++) {
                _cleanup_free_ char *text = str_printf("[aws]\ncredential_source = %s\n", sources[i].word);
                _cleanup_(conf_freep) Conf *c = parsed(text);

                assert_int_equal(c->aws.credential_source, sources[i].value);
        }
        for (size_t i = 0; i < ELEMENTSOF(verify); i++) {
                _cleanup_free_ char *text =
                        str_printf("[aws]\nverify = required\n[registry a]\nverify = %s\n", verify[i].word);
                _cleanup_(conf_freep) Conf *c = parsed(text);

                assert_int_equal(c->sections[0].verify, verify[i].value);
                assert_int_equal(c->main.verify, CONF_VERIFY_REQUIRED);
        }
}

static void test_exclude_and_conflict(void **state)
{
        static const struct {
                const char *word;
                ConfConflict value;
        } conflict[] = { { "skip", CONF_CONFLICT_SKIP },
                         { "Adopt", CONF_CONFLICT_ADOPT },
                         { "recreate", CONF_CONFLICT_RECREATE } };

        for (size_t i = 0; i < ELEMENTSOF(conflict); i++) {
                _cleanup_free_ char *text = str_printf("[secret]\non_conflict = %s\n[namespaces]\n"
                                                       "on_exclude = %s\n",
                                                       conflict[i].word, i == 1 ? "delete" : "keep");
                _cleanup_(conf_freep) Conf *c = parsed(text);

                assert_int_equal(c->secret.on_conflict, conflict[i].value);
                assert_int_equal(c->namespaces.on_exclude, i == 1 ? CONF_EXCLUDE_DELETE : CONF_EXCLUDE_KEEP);
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
                { "aws", "sts_endpoint_url", "http://10.0.0.1",
                  "\"http://10.0.0.1\": http is for loopback only, the keys of AWS need https" },
                { "aws", "web_identity_token_file", "~/jwt",
                  "\"~\" has no meaning here, write the directory out" },
                { "aws", "credentials_secret", "aws",
                  "\"aws\" is no Secret of the form NAMESPACE/NAME, such as eatr/aws" },
                { "aws", "role_arn", "eatr",
                  "\"eatr\" is no ARN such as arn:aws:iam::123456789012:role/NAME" },
                { "aws", "trust_anchor_arn", "arn:x",
                  "\"arn:x\" is no ARN such as "
                  "arn:aws:rolesanywhere:eu-central-1:123456789012:trust-anchor/ID" },
                { "aws", "profile_arn", "arn:x",
                  "\"arn:x\" is no ARN such as arn:aws:rolesanywhere:eu-central-1:123456789012:profile/ID" },
                { "aws", "external_id", "a b",
                  "an external ID has 2 to 1224 letters, digits and any of _+=,.@:/-" },
                { "aws", "role_session_name", "a:b",
                  "\"a:b\" is no session name: 2 to 64 letters, digits and any of _+=,.@-" },
                { "aws", "duration_seconds", "899", "\"899\" is no number from 900 to 43200" },
                { "aws", "duration_seconds", "43201", "\"43201\" is no number from 900 to 43200" },
                { "aws", "duration_seconds", "1h", "\"1h\" is no number from 900 to 43200" },
                { "aws", "credential_source", "ec2", "\"ec2\" is none of environment, container, imds" },
                { "aws", "verify", "maybe", "\"maybe\" is none of yes, no, required" },
                { "aws", "public", "public.ecr.aws", "\"public.ecr.aws\" is neither yes nor no" },
                { "aws", "hosts", "https://h",
                  "\"https://h\" is no HOST or HOST:PORT of a registry, which has neither \"https://\" nor "
                  "a "
                  "path" },
                { "aws", "credential_process", "/h --x ; /i",
                  "there is a \";\" behind a blank; a comment takes a line of its own" },
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
                { "kubernetes", "mint_eks_tokens", "eks", "\"eks\" is neither yes nor no" },
                { "namespaces", "label_selector", "a=b,",
                  "at character 5, the end: there should be the key of a label" },
                { "namespaces", "label_selector", "team is red",
                  "at character 6, \"is\": there should be one of = == != in notin > < or \",\"" },
                { "namespaces", "on_exclude", "remove", "\"remove\" is none of keep, delete" },
                { "secret", "on_conflict", "force", "\"force\" is none of skip, adopt, recreate" },
                { "secret", "service_accounts", "default, Ci",
                  "\"Ci\" can't match: names of service accounts have lower-case letters, digits, \"-\" and "
                  "\".\" only, globs also \"*\", \"?\" and \"[...]\"" },
                { "secret", "labels", "a=1, a=2", "\"a\" has a value already" },
                { "secret", "annotations", "team", "\"team\" is not of the form KEY=VALUE" },
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

/* The shipped file and its manual page. */

static char *read_source(const char *name)
{
        const char *top = getenv("top_srcdir");
        _cleanup_free_ char *path = str_printf("%s/%s", top ? top : ".", name);
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
        _cleanup_free_ char *path = str_printf("%s/etc/eatr.conf", top ? top : ".");
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

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_defaults),
                cmocka_unit_test(test_all_keys),
                cmocka_unit_test(test_every_key_is_tried),
                cmocka_unit_test(test_all_keys_in_a_registry),
                cmocka_unit_test(test_set_all_keys),
                cmocka_unit_test(test_credential_source_and_verify),
                cmocka_unit_test(test_region),
                cmocka_unit_test(test_bool),
                cmocka_unit_test(test_exclude_and_conflict),
                cmocka_unit_test(test_listen),
                cmocka_unit_test(test_endpoint),
                cmocka_unit_test(test_interval),
                cmocka_unit_test(test_secret_name_length),
                cmocka_unit_test(test_bad_values),
                cmocka_unit_test(test_empty_values),
                cmocka_unit_test(test_shipped_file),
                cmocka_unit_test(test_shipped_defaults),
                cmocka_unit_test(test_keys_are_documented),
        };

        return cmocka_run_group_tests_name("conf-keys", tests, NULL, NULL);
}
