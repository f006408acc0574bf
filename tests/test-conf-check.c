/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "conf-check.h"
#include "conf-text.h"

#include <fcntl.h>

#define ROLE "arn:aws:iam::123456789012:role/"
#define ANCHOR "arn:aws:rolesanywhere:eu-central-1:123456789012:trust-anchor/1-a"
#define PROFILE "arn:aws:rolesanywhere:eu-central-1:123456789012:profile/2-b"
#define REGION "region = eu-central-1\n"
#define KEYS "aws_access_key_id = A\naws_secret_access_key = B\n"
#define ANYWHERE                                                                                  \
        "certificate = c\nprivate_key = k\ntrust_anchor_arn = " ANCHOR "\nprofile_arn = " PROFILE \
        "\nrole_arn = " ROLE "a\n"
#define SOURCES                                                                         \
        ": aws_access_key_id with aws_secret_access_key, profile, credential_process, " \
        "web_identity_token_file, certificate, credentials_secret or credential_source"
#define ONE_SOURCE ": credentials come from one source; remove one"
#define EXTERNAL_ID "only a role that is assumed with other credentials takes an external ID"

/* What a text that can work makes. */
static Conf *checked(const char *text)
{
        Conf *c = parsed(text);
        ConfError error = { "x" };

        if (conf_check(c, &error) < 0)
                fail_msg("%s\n%s", error.text, text);
        assert_string_equal(error.text, "");
        return c;
}

static void check_unfit(const char *text, const char *expected)
{
        _cleanup_(conf_freep) Conf *c = parsed(text);
        ConfError error = { "x" };

        if (conf_check(c, &error) != -EINVAL)
                fail_msg("%s", text);
        assert_string_equal(error.text, expected);
}

static void test_each_source_is_enough(void **state)
{
        static const char *const cases[] = {
                REGION KEYS,
                REGION KEYS "aws_session_token = C\n",
                REGION "aws_access_key_id = ASIAX\naws_secret_access_key = B\naws_session_token = C\n",
                REGION KEYS "role_arn = " ROLE "a\nexternal_id = ext\nrole_session_name = me\n"
                            "duration_seconds = 900\n",
                REGION "profile = ci\n",
                "profile = ci\nshared_credentials_file = c\nconfig_file = d\n",
                "source_profile = ci\nrole_arn = " ROLE "a\nexternal_id = ext\n",
                "profile = ci\nrole_arn = " ROLE "a\n",
                REGION "credential_process = /bin/x --y\n",
                REGION "credential_process = /bin/x --y\nrole_arn = " ROLE "a\nexternal_id = ext\n",
                REGION "web_identity_token_file = t\nrole_arn = " ROLE "a\nrole_session_name = me\n",
                REGION ANYWHERE,
                REGION ANYWHERE "certificate_chain = d\nduration_seconds = 3600\n",
                REGION "credentials_secret = eatr/aws\n",
                REGION "credential_source = environment\n",
                REGION "credential_source = Ec2InstanceMetadata\nrole_arn = " ROLE "a\n",
                REGION KEYS "hosts = a, b:443\nverify = no\n",
                KEYS "public = yes\n",
                "region = us-east-1\n" KEYS "public = yes\n",
                REGION KEYS "endpoint_url = https://h\nuse_fips_endpoint = no\n",
                REGION KEYS "sts_endpoint_url = https://h\nuse_fips_endpoint = yes\n",
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *text = str_printf("[aws]\n%s", cases[i]);
                _cleanup_(conf_freep) Conf *c = checked(text);

                assert_int_equal(c->n_registries, 1);
                assert_string_equal(c->registries[0].name, "aws");
                assert_true(streq_ptr(c->registries[0].aws.access_key_id, c->aws.access_key_id));
        }
}

static void test_what_is_missing_is_said(void **state)
{
        static const char *const cases[][2] = {
                { "", "[aws] needs region, and names no source of credentials" SOURCES },
                { REGION, "[aws] names no source of credentials" SOURCES },
                { REGION "role_arn = " ROLE "a\n", "[aws] names no source of credentials" SOURCES },
                { KEYS, "[aws] needs region" },
                { "aws_access_key_id = A\n", "[aws] needs region, aws_secret_access_key" },
                { REGION "aws_access_key_id = A\n", "[aws] needs aws_secret_access_key" },
                { REGION "aws_secret_access_key = A\n", "[aws] needs aws_access_key_id" },
                { REGION "aws_session_token = A\n", "[aws] needs aws_access_key_id, aws_secret_access_key" },
                { REGION "aws_access_key_id = ASIAX\naws_secret_access_key = B\n",
                  "[aws] needs aws_session_token, as aws_access_key_id is that of temporary keys" },
                { "credential_process = x\n", "[aws] needs region" },
                { REGION "web_identity_token_file = t\n",
                  "[aws] needs role_arn, as it has web_identity_token_file" },
                { "web_identity_token_file = t\n",
                  "[aws] needs region, role_arn, as it has web_identity_token_file" },
                { "web_identity_token_file = t\nrole_arn = " ROLE "a\n", "[aws] needs region" },
                { "source_profile = t\n", "[aws] needs role_arn, as it has source_profile" },
                { REGION "certificate = c\n", "[aws] needs private_key, trust_anchor_arn, profile_arn, "
                                              "role_arn, as it has certificate" },
                { REGION "certificate_chain = c\nprivate_key = k\nprofile_arn = " PROFILE "\n",
                  "[aws] needs certificate, trust_anchor_arn, role_arn, as it has private_key" },
                { REGION KEYS "external_id = ext\n", "[aws] needs role_arn, as it has external_id" },
                { REGION KEYS "role_session_name = me\n",
                  "[aws] needs role_arn, as it has role_session_name" },
                { REGION "profile = ci\nduration_seconds = 900\n",
                  "[aws] needs role_arn, as it has duration_seconds" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *text = str_printf("[aws]\n%s", cases[i][0]);

                check_unfit(text, cases[i][1]);
        }
}

/* Each pair of sources, in [aws] and in a registry; and each key of one with a key of another. */
static void test_credentials_come_from_one_source(void **state)
{
        static const char *const sources[][2] = {
                { "aws_access_key_id", "A" },
                { "profile", "ci" },
                { "source_profile", "ci" },
                { "credential_process", "x --secret " SECRET },
                { "web_identity_token_file", "t" },
                { "credentials_secret", "a/b" },
                { "certificate", "c" },
                { "credential_source", "imds" },
        };

        for (size_t i = 0; i < ELEMENTSOF(sources); i++)
                for (size_t j = i + 1; j < ELEMENTSOF(sources); j++)
                        for (int k = 0; k < 2; k++) {
                                const char *section = k ? "registry a" : "aws";
                                _cleanup_free_ char *text = str_printf("[%s]\n%s = %s\n%s = %s\n", section,
                                                                       sources[j][0], sources[j][1],
                                                                       sources[i][0], sources[i][1]),
                                                    *expected = str_printf("[%s] has %s and %s" ONE_SOURCE,
                                                                           section, sources[i][0],
                                                                           sources[j][0]);

                                check_unfit(text, expected);
                        }
        check_unfit("[aws]\nprivate_key = k\naws_session_token = " SECRET "\n",
                    "[aws] has aws_session_token and private_key" ONE_SOURCE);
        /* Where it is wrong, and not where it would be inherited. */
        check_unfit("[aws]\nprofile = p\ncredential_source = imds\n[registry a]\nregion = eu-west-1\n",
                    "[aws] has profile and credential_source" ONE_SOURCE);
}

static void test_what_excludes_another(void **state)
{
        static const char *const cases[][2] = {
                { "[aws]\n" REGION KEYS "endpoint_url = https://h\nuse_fips_endpoint = yes\n",
                  "[aws] has endpoint_url and use_fips_endpoint: one excludes the other" },
                { "[aws]\n" REGION KEYS "endpoint_url = https://h\nuse_dualstack_endpoint = yes\n",
                  "[aws] has endpoint_url and use_dualstack_endpoint: one excludes the other" },
                { "[aws]\n" REGION KEYS "endpoint_url = https://h\n[registry a]\nuse_fips_endpoint = yes\n",
                  "[registry a] has endpoint_url of [aws] and use_fips_endpoint: one excludes the other" },
                { "[aws]\n" REGION "web_identity_token_file = t\nrole_arn = " ROLE "a\nexternal_id = ext\n",
                  "[aws] has web_identity_token_file and external_id: " EXTERNAL_ID },
                { "[aws]\n" REGION ANYWHERE "external_id = ext\n",
                  "[aws] has certificate and external_id: " EXTERNAL_ID },
                { "[aws]\n" REGION KEYS "shared_credentials_file = f\n",
                  "[aws] has shared_credentials_file, but no profile or source_profile to find there" },
                { "[aws]\n" REGION KEYS "config_file = f\n",
                  "[aws] has config_file, but no profile or source_profile to find there" },
                { "[aws]\nprofile = p\n[registry a]\n" REGION KEYS "config_file = f\n",
                  "[registry a] has config_file, but no profile or source_profile to find there" },
                { "[aws]\n" REGION KEYS "public = yes\n",
                  "[aws] has public and region eu-central-1: tokens for ECR Public come from us-east-1 "
                  "alone; leave the region out" },
                { "[aws]\n" KEYS "[registry p]\npublic = yes\n" REGION,
                  "[registry p] has public and region eu-central-1: tokens for ECR Public come from "
                  "us-east-1 alone; leave the region out" },
                { "[aws]\n" REGION KEYS "hosts = h\n[registry a]\n",
                  "[aws] has hosts, which belongs in [registry a] or another [registry NAME] when there are "
                  "any" },
                { "[aws]\n" REGION KEYS "public = no\n[registry b]\n[registry a]\n",
                  "[aws] has public, which belongs in [registry b] or another [registry NAME] when there "
                  "are any" },
                { "[aws]\n" REGION KEYS "hosts = h, i, H\n", "[aws] has the host H twice" },
                { "[aws]\n" REGION KEYS "[registry a]\nhosts = h\n[registry b]\nhosts = i, H\n",
                  "[registry a] and [registry b] both have the host H: one token serves it" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                check_unfit(cases[i][0], cases[i][1]);
}

/* What a registry lacks is said of it, and of [aws] where that says it. */
static void test_what_a_registry_lacks(void **state)
{
        static const char *const cases[][2] = {
                { "[registry a]\n",
                  "[registry a] needs region, and names no source of credentials, nor does [aws]" SOURCES },
                { "[aws]\n" REGION "[registry a]\n",
                  "[registry a] names no source of credentials, nor does [aws]" SOURCES },
                { "[aws]\n" KEYS "[registry a]\n" REGION "[registry b]\n", "[registry b] needs region" },
                { "[aws]\n" REGION KEYS "[registry a]\naws_secret_access_key = B\n",
                  "[registry a] needs aws_access_key_id" },
                { "[aws]\n" REGION KEYS "[registry a]\nexternal_id = ext\n",
                  "[registry a] needs role_arn, as it has external_id" },
                { "[aws]\n" REGION "web_identity_token_file = t\n[registry a]\n",
                  "[registry a] needs role_arn, as it has web_identity_token_file of [aws]" },
                { "[aws]\n" REGION ANYWHERE "[registry a]\ncertificate = c\n",
                  "[registry a] needs private_key, trust_anchor_arn, profile_arn, role_arn, as it has "
                  "certificate" },
                { "[aws]\n" REGION KEYS "[registry a]\ncertificate_chain = c\n",
                  "[registry a] needs certificate, private_key, trust_anchor_arn, profile_arn, role_arn, as "
                  "it has certificate_chain" },
                { "[aws]\n" REGION KEYS "role_arn = " ROLE "a\n[registry a]\nweb_identity_token_file = t\n",
                  "[registry a] needs role_arn, as it has web_identity_token_file" },
                { "[registry a]\n" REGION "aws_access_key_id = ASIAX\naws_secret_access_key = B\n",
                  "[registry a] needs aws_session_token, as aws_access_key_id is that of temporary keys" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                check_unfit(cases[i][0], cases[i][1]);
}

static void test_registries_inherit_key_by_key(void **state)
{
        _cleanup_(conf_freep) Conf *c = checked(
                "[registry a]\nregion = eu-west-1\nhosts = h, i\nuse_fips_endpoint = no\n"
                "[aws]\n" REGION KEYS "aws_session_token = C\nca_bundle = ca\nuse_fips_endpoint = yes\n"
                "use_dualstack_endpoint = yes\nsts_endpoint_url = https://sts\nverify = required\n"
                "[registry b]\nca_bundle = /cb\nverify = yes\n");
        const ConfRegistry *a = &c->registries[0], *b = &c->registries[1];

        assert_int_equal(c->n_registries, 2);
        assert_string_equal(a->name, "a");
        assert_string_equal(a->aws.region, "eu-west-1");
        assert_string_equal(a->aws.access_key_id, "A");
        assert_string_equal(a->aws.secret_access_key, "B");
        assert_string_equal(a->aws.session_token, "C");
        assert_string_equal(a->aws.ca_bundle, "/x/ca");
        assert_false(a->aws.use_fips_endpoint);
        assert_true(a->aws.use_dualstack_endpoint);
        assert_string_equal(a->aws.sts_endpoint_url, "https://sts");
        check_list(a->hosts, "h i");
        assert_int_equal(a->verify, CONF_VERIFY_REQUIRED);
        assert_string_equal(b->name, "b");
        assert_string_equal(b->aws.region, "eu-central-1");
        assert_string_equal(b->aws.ca_bundle, "/cb");
        assert_true(b->aws.use_fips_endpoint);
        check_list(b->hosts, "");
        assert_int_equal(b->verify, CONF_VERIFY_YES);
        /* [aws] itself is as it was read. */
        assert_string_equal(c->aws.region, "eu-central-1");
        assert_true(c->aws.use_fips_endpoint);
}

/* Whichever key of a source a section has, it has nothing of [aws]'s source and role. */
static void test_a_source_takes_the_place_of_another(void **state)
{
        static const char *const sources[] = {
                KEYS,
                "profile = ci\n",
                "source_profile = ci\nrole_arn = " ROLE "own\n",
                "credential_process = x\n",
                "web_identity_token_file = t\nrole_arn = " ROLE "own\n",
                "credentials_secret = eatr/aws\n",
                "certificate = c\nprivate_key = k\ntrust_anchor_arn = " ANCHOR "\nprofile_arn = " PROFILE
                "\nrole_arn = " ROLE "own\n",
                "credential_source = imds\n",
        };

        for (size_t i = 0; i < ELEMENTSOF(sources); i++)
                for (size_t j = 0; j < ELEMENTSOF(sources); j++) {
                        bool has_role = strstr(sources[i], "role_arn") != NULL;
                        _cleanup_free_ char *text = str_printf(
                                "[aws]\n" REGION "%s%srole_session_name = me\nduration_seconds = 900\n"
                                "[registry a]\n%s",
                                sources[j], strstr(sources[j], "role_arn") ? "" : "role_arn = " ROLE "b\n",
                                sources[i]);
                        _cleanup_(conf_freep) Conf *c = checked(text);
                        const ConfRegistry *r = c->registries;

                        for (const ConfKey *key = conf_keys; streq(key->section, "aws"); key++)
                                if (conf_keys_is_source(key) || key->group == CONF_KEY_ROLE)
                                        assert_int_equal(conf_keys_given(key, r),
                                                         conf_keys_given(key, &c->sections[0]));
                        assert_true(streq_ptr(r->aws.role_arn, has_role ? ROLE "own" : NULL));
                        assert_null(r->aws.role_session_name);
                        assert_int_equal(r->aws.duration_seconds, 0);
                        assert_string_equal(r->aws.region, "eu-central-1");
                }
}

static void test_a_role_takes_the_place_of_another(void **state)
{
        _cleanup_(conf_freep) Conf *c = checked(
                "[aws]\n" REGION KEYS "role_arn = " ROLE "aws\nexternal_id = ext\nrole_session_name = me\n"
                "duration_seconds = 900\n"
                "[registry a]\nrole_arn = " ROLE "a\nrole_session_name = you\n"
                "[registry b]\nexternal_id = own\nduration_seconds = 1800\n"
                "[registry c]\n");
        const ConfAws *a = &c->registries[0].aws, *b = &c->registries[1].aws, *d = &c->registries[2].aws;

        assert_string_equal(a->access_key_id, "A");
        assert_string_equal(a->role_arn, ROLE "a");
        assert_null(a->external_id);
        assert_string_equal(a->role_session_name, "you");
        assert_int_equal(a->duration_seconds, 0);
        assert_string_equal(b->role_arn, ROLE "aws");
        assert_string_equal(b->external_id, "own");
        assert_string_equal(b->role_session_name, "me");
        assert_int_equal(b->duration_seconds, 1800);
        assert_string_equal(d->role_arn, ROLE "aws");
        assert_string_equal(d->external_id, "ext");
}

static void test_public_is_in_one_region(void **state)
{
        _cleanup_(conf_freep) Conf *c =
                checked("[aws]\n" REGION KEYS "[registry p]\npublic = yes\nhosts = mirror:5000\n"
                        "[registry q]\npublic = no\n[registry r]\npublic = yes\nregion = us-east-1\n"
                        "[registry s]\npublic = yes\nprofile = ci\n");

        assert_string_equal(c->registries[0].aws.region, "us-east-1");
        assert_true(c->registries[0].public);
        assert_string_equal(c->registries[1].aws.region, "eu-central-1");
        assert_false(c->registries[1].public);
        assert_string_equal(c->registries[2].aws.region, "us-east-1");
        assert_string_equal(c->registries[3].aws.region, "us-east-1"); /* whatever the profile says */
}

/* What was taken back is not there. */
static void test_empty_hosts_are_none(void **state)
{
        _cleanup_(conf_freep) Conf *c = parsed("[aws]\nhosts = h\n" REGION KEYS);
        ConfError error;

        assert_int_equal(parse_onto(c, "[aws]\nhosts =\n[registry a]\nhosts = h\n", &error), 0);
        assert_int_equal(conf_check(c, &error), 0);
        check_list(c->registries[0].hosts, "h");
}

/* Files for profiles may be common to those that have one. */
static void test_files_of_profiles_are_inherited(void **state)
{
        _cleanup_(conf_freep) Conf *c =
                checked("[aws]\nshared_credentials_file = /c\nconfig_file = /d\n[registry a]\nprofile = a\n"
                        "[registry b]\nprofile = b\nconfig_file = /e\n[registry c]\n" REGION KEYS);

        assert_string_equal(c->registries[0].aws.shared_credentials_file, "/c");
        assert_string_equal(c->registries[0].aws.config_file, "/d");
        assert_string_equal(c->registries[1].aws.config_file, "/e");
        assert_null(c->registries[0].aws.region);
        assert_true(conf_check_has_profile(&c->registries[0]));
        assert_false(conf_check_has_profile(&c->registries[2]));
}

/* As after another value of the command line. */
static void test_it_may_be_checked_again(void **state)
{
        _cleanup_(conf_freep) Conf *c = checked("[aws]\n" REGION KEYS);
        ConfError error;

        assert_int_equal(parse_onto(c, "[registry a]\n[registry b]\nregion = eu-west-1\n", &error), 0);
        assert_int_equal(conf_check(c, &error), 0);
        assert_int_equal(c->n_registries, 2);
        assert_string_equal(c->registries[1].aws.region, "eu-west-1");
        assert_int_equal(parse_onto(c, "[registry c]\nprofile = a\naws_access_key_id = A\n", &error), 0);
        assert_int_equal(conf_check(c, &error), -EINVAL);
}

/* --- the manual page's examples ---------------------------------------------------------------------- */

static char *read_page(void)
{
        const char *top = getenv("top_srcdir");
        _cleanup_free_ char *path = str_printf("%s/man/eatr.conf.5.in", top ? top : ".");
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        char *text = calloc(1, 131072);

        assert_true(fd >= 0);
        assert_true(read(fd, text, 131071) > 0);
        return text;
}

/* Cuts the next block with that marker off the text and gives what stands between .Bd and .Ed. */
static char *next_example(char **rest, const char *marker)
{
        char *block = *rest ? strstr(*rest, marker) : NULL, *end;

        if (!block)
                return NULL;
        block = strstr(block, "\n.Bd -literal -offset indent\n");
        assert_non_null(block);
        block += strlen("\n.Bd -literal -offset indent\n");
        end = strstr(block, "\n.Ed\n");
        assert_non_null(end);
        *end = '\0';
        *rest = end + 1;
        assert_null(strchr(block, '\\')); /* so that what is read here is what is shown */
        return block;
}

/* Each is all that a configuration needs. */
static void test_examples_work(void **state)
{
        static const char *const sources[] = {
                "aws_session_token",  "\nprofile",      "credential_process",
                "trust_anchor_arn",   "external_id",    "web_identity_token_file",
                "credentials_secret", "\npublic = yes", "= environment",
                "= container",        "= imds",         "\nsource_profile",
                "\n[registry "
        };
        _cleanup_free_ char *page = read_page();
        bool seen[ELEMENTSOF(sources)] = { false };
        char *rest = page, *text;
        size_t n = 0;

        while ((text = next_example(&rest, "\n.\\\" EXAMPLE "))) {
                _cleanup_(conf_freep) Conf *c = checked(text);

                assert_true(c->n_registries > 0);
                n++;
                for (size_t i = 0; i < ELEMENTSOF(sources); i++)
                        seen[i] |= strstr(text, sources[i]) != NULL;
        }
        assert_true(n >= 12);
        for (size_t i = 0; i < ELEMENTSOF(sources); i++)
                if (!seen[i])
                        fail_msg("no example of %s", sources[i]);
}

/* Of these, only that they can be read. */
static void test_parts_can_be_read(void **state)
{
        _cleanup_free_ char *page = read_page();
        char *rest = page, *text;
        size_t n = 0;

        for (; (text = next_example(&rest, "\n.\\\" PART ")); n++)
                (void) conf_free(parsed(text));
        assert_true(n >= 3);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_each_source_is_enough),
                cmocka_unit_test(test_what_is_missing_is_said),
                cmocka_unit_test(test_credentials_come_from_one_source),
                cmocka_unit_test(test_what_excludes_another),
                cmocka_unit_test(test_what_a_registry_lacks),
                cmocka_unit_test(test_registries_inherit_key_by_key),
                cmocka_unit_test(test_a_source_takes_the_place_of_another),
                cmocka_unit_test(test_a_role_takes_the_place_of_another),
                cmocka_unit_test(test_public_is_in_one_region),
                cmocka_unit_test(test_empty_hosts_are_none),
                cmocka_unit_test(test_files_of_profiles_are_inherited),
                cmocka_unit_test(test_it_may_be_checked_again),
                cmocka_unit_test(test_examples_work),
                cmocka_unit_test(test_parts_can_be_read),
        };

        return cmocka_run_group_tests_name("conf-check", tests, NULL, NULL);
}
