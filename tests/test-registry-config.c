/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "registry-config.h"

#include "conf-check.h"

#include "conf-text.h"
#include "folder.h"
#include "x509-fixtures.h"

/* In each section that is not about credentials. */
#define KEYS "aws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = " SECRET "\n"
#define AWS "[aws]\nregion = eu-west-1\n"
#define ARN "arn:aws:iam::123456789012:role/"
#define ANCHOR "arn:aws:rolesanywhere:eu-central-1:123456789012:trust-anchor/a"
#define PROFILE "arn:aws:rolesanywhere:eu-central-1:123456789012:profile/p"
#define CERTIFICATE                                                                                       \
        "certificate = c.pem\nprivate_key = k.pem\ntrust_anchor_arn = " ANCHOR "\nprofile_arn = " PROFILE \
        "\nrole_arn = " ARN "edge\n"

static const char *const *variables;

static int try_load(const char *text, RegistryConfigs **ret, ConfError *error)
{
        const AwsConfigEnvironment environment = { .home = folder, .variables = variables };
        _cleanup_(conf_freep) Conf *c = parsed(text);

        if (conf_check(c, error) < 0)
                fail_msg("%s\n%s", error->text, text);
        return registry_configs_load(c, &environment, ret, error);
}

static RegistryConfigs *load_text(const char *text)
{
        RegistryConfigs *r;
        ConfError error;

        if (try_load(text, &r, &error) < 0)
                fail_msg("%s\n%s", error.text, text);
        return r;
}

static void check_not_loaded(const char *text, int r, const char *expected)
{
        RegistryConfigs *configs;
        ConfError error = { "" };

        assert_int_equal(try_load(text, &configs, &error), r);
        assert_string_equal(error.text, expected);
}

/* The one registry of a text. */
#define WITH(c, text)                                                                 \
        _cleanup_(registry_configs_freep) RegistryConfigs *c##_all = load_text(text); \
        const RegistryConfig *c = &c##_all->items[0]

static int tear_down_test(void **state)
{
        variables = NULL;
        return 0;
}

/* --- sources of credentials ------------------------------------------------------------------------------
 */

static void test_keys(void **state)
{
        WITH(c, AWS KEYS);
        WITH(d, AWS KEYS "aws_session_token = token\nrole_arn = " ARN "ci\nexternal_id = ext\n"
                         "role_session_name = me\nduration_seconds = 1800\n");

        assert_int_equal(c->source->kind, AWS_SOURCE_STATIC);
        assert_string_equal(c->source->keys.access_key_id, "AKIAEXAMPLE");
        assert_string_equal(c->source->keys.secret_access_key, SECRET);
        assert_null(c->source->keys.session_token);
        assert_string_equal(c->source->origin, "aws_access_key_id");
        assert_int_equal(c->source->n_roles, 0);

        assert_string_equal(d->source->keys.session_token, "token");
        assert_int_equal(d->source->n_roles, 1);
        assert_string_equal(d->source->roles[0].arn, ARN "ci");
        assert_string_equal(d->source->roles[0].external_id, "ext");
        assert_string_equal(d->source->roles[0].session_name, "me");
        assert_int_equal(d->source->roles[0].duration, 1800);
        assert_null(d->source->role.arn);
}

static void test_a_program(void **state)
{
        WITH(c, AWS "credential_process = /bin/get --it\nrole_arn = " ARN "ci\n");

        assert_int_equal(c->source->kind, AWS_SOURCE_PROCESS);
        assert_string_equal(c->source->process, "/bin/get --it");
        assert_string_equal(c->source->origin, "credential_process");
        assert_int_equal(c->source->n_roles, 1);
}

/* Whose role is its own, not one that is assumed after it. */
static void test_a_web_identity(void **state)
{
        WITH(c, AWS "web_identity_token_file = token\nrole_arn = " ARN "ci\nrole_session_name = me\n");

        assert_int_equal(c->source->kind, AWS_SOURCE_WEB_IDENTITY);
        assert_string_equal(c->source->token_file, "/x/token");
        assert_string_equal(c->source->role.arn, ARN "ci");
        assert_string_equal(c->source->role.session_name, "me");
        assert_int_equal(c->source->n_roles, 0);
        assert_string_equal(c->source->origin, "web_identity_token_file");
}

static void test_a_certificate(void **state)
{
        WITH(c, AWS CERTIFICATE);
        WITH(d, AWS CERTIFICATE "certificate_chain = i.pem\nuse_fips_endpoint = true\n");

        assert_int_equal(c->source->kind, AWS_SOURCE_ROLES_ANYWHERE);
        assert_string_equal(c->source->anywhere.certificate, "/x/c.pem");
        assert_string_equal(c->source->anywhere.private_key, "/x/k.pem");
        assert_null(c->source->anywhere.chain);
        assert_string_equal(c->source->anywhere.trust_anchor_arn, ANCHOR);
        assert_string_equal(c->source->anywhere.profile_arn, PROFILE);
        assert_string_equal(c->source->role.arn, ARN "edge");
        assert_int_equal(c->source->n_roles, 0);
        assert_string_equal(c->source->origin, "certificate");
        assert_string_equal(c->places.anywhere_url, "https://rolesanywhere.eu-central-1.amazonaws.com");
        assert_int_equal(c->certificate_expires, 0); /* there is none: that is told when it is used */

        assert_string_equal(d->places.anywhere_url, "https://rolesanywhere-fips.eu-central-1.amazonaws.com");
}

static void test_when_a_certificate_expires_is_noted(void **state)
{
        _cleanup_free_ char *text = str_printf(AWS "certificate = %s/c.pem\nprivate_key = k.pem\n"
                                                   "trust_anchor_arn = " ANCHOR "\nprofile_arn = " PROFILE
                                                   "\nrole_arn = " ARN "edge\n",
                                               folder);
        char time[CLOCK_RFC3339_MAX];

        folder_put("c.pem", FIXTURE_RSA);
        WITH(c, text);
        assert_string_equal(clock_format_rfc3339(time, c->certificate_expires), "2056-11-16T13:23:04Z");
}

static void test_surroundings(void **state)
{
        variables = (const char *const[]){ "AWS_ACCESS_KEY_ID=AKIAENV", "AWS_SECRET_ACCESS_KEY=" SECRET,
                                           "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/v2/x",
                                           "AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:1338", NULL };
        WITH(a, AWS "credential_source = Environment\n");
        WITH(b, AWS "credential_source = EcsContainer\n");
        WITH(c, AWS "credential_source = Ec2InstanceMetadata\nrole_arn = " ARN "ci\n");
        variables = NULL;
        WITH(d, AWS "credential_source = Ec2InstanceMetadata\n");

        assert_int_equal(a->source->kind, AWS_SOURCE_STATIC);
        assert_string_equal(a->source->keys.access_key_id, "AKIAENV");
        assert_string_equal(a->source->origin, "credential_source");
        assert_int_equal(b->source->kind, AWS_SOURCE_CONTAINER);
        assert_string_equal(b->source->container.url, "http://169.254.170.2/v2/x");
        assert_int_equal(c->source->kind, AWS_SOURCE_IMDS);
        assert_int_equal(c->source->n_roles, 1);
        assert_string_equal(c->places.imds_url, "http://127.0.0.1:1338");
        assert_string_equal(d->places.imds_url, "http://169.254.169.254");
}

static void test_what_the_surroundings_lack_is_said(void **state)
{
        RegistryConfigs *configs;
        ConfError error = { "" };

        assert_int_equal(
                try_load("[aws]\nregion = eu-west-1\n[registry ci]\ncredential_source = Environment\n",
                         &configs, &error),
                -ENOENT);
        assert_non_null(startswith(error.text, "[registry ci] "));
        assert_non_null(strstr(error.text, "AWS_ACCESS_KEY_ID"));
}

static void test_a_secret_of_the_cluster(void **state)
{
        WITH(c, "[aws]\nregion = eu-west-1\n[registry ci]\ncredentials_secret = ci-cd/ecr\nrole_arn = " ARN
                "ci\n");

        assert_int_equal(c->source->kind, AWS_SOURCE_CLUSTER_SECRET);
        assert_string_equal(c->source->secret, "ci-cd/ecr");
        assert_int_equal(c->source->n_roles, 1);
        assert_string_equal(c->source->origin, "credentials_secret");
}

/* --- profiles --------------------------------------------------------------------------------------------
 */

static void put_profiles(void)
{
        assert_true(mkdir(".aws", 0700) == 0 || errno == EEXIST);
        folder_put(".aws/credentials", "[default]\n" KEYS "[ci]\naws_access_key_id = AKIACI\n"
                                       "aws_secret_access_key = " SECRET "\n");
        folder_put(".aws/config", "[default]\nregion = eu-north-1\n"
                                  "[profile deep]\nsource_profile = ci\nrole_arn = " ARN "first\n"
                                  "[profile here]\ncredential_process = /bin/get\n"
                                  "endpoint_url = http://127.0.0.1:4566\nregion = us-east-2\n");
}

static void test_profiles(void **state)
{
        put_profiles();
        WITH(a, "[aws]\nprofile = default\n");
        WITH(b, AWS "source_profile = deep\nrole_arn = " ARN "second\n");
        WITH(c, "[aws]\nprofile = here\n");

        assert_int_equal(a->source->kind, AWS_SOURCE_STATIC);
        assert_string_equal(a->source->keys.access_key_id, "AKIAEXAMPLE");
        assert_string_equal(a->region, "eu-north-1"); /* as the profile says */
        assert_string_equal(a->places.region, "eu-north-1");
        assert_string_equal(a->url, "https://api.ecr.eu-north-1.amazonaws.com");
        assert_non_null(strstr(a->source->origin, "default"));

        /* The profile's roles, then that of the configuration, whose region counts. */
        assert_string_equal(b->region, "eu-west-1");
        assert_string_equal(b->source->keys.access_key_id, "AKIACI");
        assert_int_equal(b->source->n_roles, 2);
        assert_string_equal(b->source->roles[0].arn, ARN "first");
        assert_string_equal(b->source->roles[1].arn, ARN "second");

        assert_int_equal(c->source->kind, AWS_SOURCE_PROCESS);
        assert_string_equal(c->url, "http://127.0.0.1:4566"); /* of each service */
        assert_string_equal(c->places.sts_url, "http://127.0.0.1:4566");
        assert_string_equal(c->region, "us-east-2");
}

static void test_profiles_in_other_files(void **state)
{
        _cleanup_free_ char *text = str_printf(AWS "profile = ci\nshared_credentials_file = %s/c\n"
                                                   "config_file = %s/d\n",
                                               folder, folder);

        folder_put("c", "[ci]\naws_access_key_id = AKIAOTHER\naws_secret_access_key = " SECRET "\n");
        folder_put("d", "");
        WITH(c, text);
        assert_string_equal(c->source->keys.access_key_id, "AKIAOTHER");
}

static void test_what_a_profile_lacks_is_said(void **state)
{
        _cleanup_free_ char *region = str_printf("[aws] region is needed, as profile ci in %s/.aws/"
                                                 "credentials names none",
                                                 folder),
                            *fips = NULL;
        RegistryConfigs *configs;
        ConfError error = { "" };

        put_profiles();
        check_not_loaded("[aws]\nprofile = ci\n", -EINVAL, region);
        assert_int_equal(try_load("[aws]\nprofile = none\n", &configs, &error), -ENOENT);
        assert_non_null(startswith(error.text, "[aws] "));

        /* Whoever asks for FIPS gets nothing else in silence. */
        fips = str_printf("[registry ci] has use_fips_endpoint, but profile here in %s/.aws/config has "
                          "endpoint_url: one excludes the other",
                          folder);
        check_not_loaded("[aws]\nprofile = here\n[registry ci]\nuse_fips_endpoint = true\n", -EINVAL, fips);
        assert_int_equal(
                try_load("[aws]\nprofile = here\nuse_dualstack_endpoint = true\n", &configs, &error),
                -EINVAL);
}

/* --- endpoints -------------------------------------------------------------------------------------------
 */

static void test_endpoints(void **state)
{
        static const struct {
                const char *more, *url, *sts;
        } cases[] = {
                { "", "https://api.ecr.eu-west-1.amazonaws.com", "https://sts.eu-west-1.amazonaws.com" },
                { "use_fips_endpoint = true\n", "https://api.ecr-fips.eu-west-1.amazonaws.com",
                  "https://sts-fips.eu-west-1.amazonaws.com" },
                { "use_dualstack_endpoint = true\n", "https://ecr.eu-west-1.api.aws",
                  "https://sts.eu-west-1.api.aws" },
                { "use_fips_endpoint = true\nuse_dualstack_endpoint = true\n",
                  "https://ecr-fips.eu-west-1.api.aws", "https://sts-fips.eu-west-1.api.aws" },
                { "endpoint_url = https://ecr.example\n", "https://ecr.example",
                  "https://sts.eu-west-1.amazonaws.com" },
                { "sts_endpoint_url = https://sts.example\n", "https://api.ecr.eu-west-1.amazonaws.com",
                  "https://sts.example" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *text = str_printf(AWS KEYS "%s", cases[i].more);
                WITH(c, text);

                assert_string_equal(c->url, cases[i].url);
                assert_string_equal(c->places.sts_url, cases[i].sts);
                assert_null(c->places.anywhere_url);
                assert_string_equal(c->places.region, "eu-west-1");
                assert_null(c->ca_bundle);
        }
}

static void test_one_certificate_authority_is_for_all(void **state)
{
        WITH(c, AWS KEYS "ca_bundle = ca.pem\n");

        assert_string_equal(c->ca_bundle, "/x/ca.pem");
        assert_string_equal(c->places.ca_bundle, "/x/ca.pem");
}

static void test_ecr_public(void **state)
{
        WITH(c, "[aws]\nregion = eu-west-1\n" KEYS "[registry public]\npublic = true\nverify = required\n");

        assert_true(c->public);
        assert_int_equal(c->verify, CONF_VERIFY_NO); /* whoever waited for that would wait for ever */
        assert_string_equal(c->region, "us-east-1");
        assert_string_equal(c->url, "https://api.ecr-public.us-east-1.amazonaws.com");
        assert_string_equal(c->places.sts_url, "https://sts.us-east-1.amazonaws.com");
}

/* --- several --------------------------------------------------------------------------------------------
 */

static void test_each_section_is_a_registry(void **state)
{
        _cleanup_(registry_configs_freep) RegistryConfigs *one = load_text(AWS KEYS "hosts = h.example\n");
        _cleanup_(registry_configs_freep) RegistryConfigs *two =
                load_text("[aws]\n" KEYS "[registry a]\nregion = eu-west-1\nverify = required\n"
                          "[registry b]\nregion = eu-west-2\nhosts =\n  b1.example\n  b2.example\n");

        assert_int_equal(one->n, 1);
        assert_string_equal(one->items[0].name, "aws");
        assert_string_equal(one->items[0].label, "");
        check_list(one->items[0].hosts, "h.example");
        assert_int_equal(one->items[0].verify, CONF_VERIFY_YES);

        assert_int_equal(two->n, 2);
        assert_string_equal(two->items[0].name, "a");
        assert_string_equal(two->items[0].label, "Registry a: ");
        assert_string_equal(two->items[1].label, "Registry b: ");
        check_list(two->items[0].hosts, "");
        check_list(two->items[1].hosts, "b1.example b2.example");
        assert_int_equal(two->items[0].verify, CONF_VERIFY_REQUIRED);
        assert_null(registry_configs_free(NULL));
}

static void test_sections_whose_token_is_the_same_become_one(void **state)
{
        WITH(c, AWS KEYS "[registry a]\nhosts = a.example\n[registry b]\nhosts = b.example\n[registry c]\n");

        assert_int_equal(c_all->n, 1);
        assert_string_equal(c->name, "a");
        assert_string_equal(c->label, "");
        check_list(c->hosts, "a.example b.example");
}

static void test_sections_that_differ_do_not(void **state)
{
        static const char *const differences[] = {
                "region = eu-west-2",  "public = true",      "endpoint_url = https://ecr.example",
                "role_arn = " ARN "b", "ca_bundle = /b.pem",
        };

        WITH(one_url, AWS KEYS "endpoint_url = https://ecr.example\n[registry a]\n[registry b]\n"
                               "region = eu-west-2\n");

        assert_non_null(one_url);
        assert_int_equal(one_url_all->n, 2); /* signatures are for one region */
        for (size_t i = 0; i < ELEMENTSOF(differences); i++) {
                _cleanup_free_ char *text =
                        str_printf(AWS KEYS "[registry a]\n[registry b]\n%s\n", differences[i]);
                WITH(c, text);

                assert_non_null(c);
                assert_int_equal(c_all->n, 2);
        }
}

static void test_the_strictest_is_asked(void **state)
{
        static const char *const words[] = { "false", "true", "required" };
        static const ConfVerify values[] = { CONF_VERIFY_NO, CONF_VERIFY_YES, CONF_VERIFY_REQUIRED };

        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                for (size_t k = 0; k < ELEMENTSOF(words); k++) {
                        _cleanup_free_ char *text =
                                str_printf(AWS KEYS "[registry a]\nverify = %s\n[registry b]\nverify = %s\n",
                                           words[i], words[k]);
                        WITH(c, text);

                        assert_int_equal(c_all->n, 1);
                        assert_int_equal(c->verify, values[MAX(i, k)]);
                }
}

/* Keys of the one are in its section, those of the other in a file: as soon as that changes, they are two.
 */
static void test_files_of_all_are_watched(void **state)
{
        static const char text[] = AWS "[registry z]\nregion = eu-west-3\n" CERTIFICATE
                                       "[registry y]\ncertificate_chain = i.pem\n" CERTIFICATE
                                       "[registry a]\n" KEYS "[registry b]\nprofile = default\n"
                                       "[registry c]\nsource_profile = ci\nrole_arn = " ARN "x\n"
                                       "shared_credentials_file = c\nconfig_file = d\n"
                                       "[registry d]\nweb_identity_token_file = t\nrole_arn = " ARN "x\n";
        _cleanup_free_ char *expected = str_printf("/x/c.pem /x/k.pem /x/c.pem /x/k.pem /x/i.pem "
                                                   "%s/.aws/credentials %s/.aws/config /x/c /x/d",
                                                   folder, folder);
        const AwsConfigEnvironment environment = { .home = folder };
        _cleanup_(conf_freep) Conf *c = parsed(text);
        ConfError error = { "" };
        char **files = NULL;

        if (conf_check(c, &error) < 0)
                fail_msg("%s", error.text);
        for (size_t i = 0; i < c->n_registries; i++)
                assert_int_equal(aws_config_files(&c->registries[i].aws, &environment, &files), 0);
        check_list(files, expected);
        conf_keys_list_free(files);
}

/* --- ids ------------------------------------------------------------------------------------------------
 */

/* One registry of two texts. Returns whether the keys have the same id; so have the endpoints, if they do.
 */
static bool same_keys(const char *a, const char *b, bool same_endpoint)
{
        WITH(c, a);
        WITH(d, b);

        assert_int_equal(strlen(c->origin.keys), TOKEN_ID_MAX - 1);
        assert_int_equal(strlen(c->origin.endpoint), TOKEN_ID_MAX - 1);
        assert_int_equal(streq(c->origin.endpoint, d->origin.endpoint), same_endpoint);
        return streq(c->origin.keys, d->origin.keys);
}

/* Each line goes to the end of a text, where it adds a key or stands in for one. */
static void check_keys_ids(const char *base, const char *const *lines, size_t n)
{
        for (size_t i = 0; i < n; i++)
                for (size_t k = 0; k <= i; k++) {
                        _cleanup_free_ char *a = str_printf("%s%s\n", base, lines[i]),
                                            *b = str_printf("%s%s\n", base, lines[k]);

                        if (same_keys(a, b, true) != (i == k))
                                fail_msg("%s id:\n%s%s", i == k ? "another" : "the same", a, b);
                }
}

static void test_the_id_of_keys_is_of_each_field(void **state)
{
        static const char *const keys[] = {
                "aws_access_key_id = A\naws_secret_access_key = B",
                "aws_access_key_id = A\naws_secret_access_key = C",
                "aws_access_key_id = C\naws_secret_access_key = B",
                "aws_access_key_id = AB\naws_secret_access_key = B",
                "aws_access_key_id = A\naws_secret_access_key = B\naws_session_token = C",
                "aws_access_key_id = A\naws_secret_access_key = B\naws_session_token = D",
                "aws_access_key_id = A\naws_secret_access_key = B\nca_bundle = /ca.pem",
                "credential_process = /bin/a",
                "credential_process = /bin/b",
                "credentials_secret = a/b",
                "credentials_secret = a/c",
                "credential_source = Ec2InstanceMetadata",
        };
        static const char *const roles[] = {
                "role_arn = " ARN "a",
                "role_arn = " ARN "b",
                "role_arn = " ARN "a\nexternal_id = aa",
                "role_arn = " ARN "a\nexternal_id = ab",
                "role_arn = " ARN "a\nrole_session_name = aa",
                "role_arn = " ARN "a\nrole_session_name = ab",
                "role_arn = " ARN "a\nduration_seconds = 1800",
                "role_arn = " ARN "a\nsts_endpoint_url = https://sts.example",
                "",
        };
        static const char *const identities[] = { "web_identity_token_file = /a",
                                                  "web_identity_token_file = /b",
                                                  "web_identity_token_file = /a\nrole_session_name = aa",
                                                  "credential_process = /a" };

        check_keys_ids(AWS, keys, ELEMENTSOF(keys));
        check_keys_ids(AWS KEYS, roles, ELEMENTSOF(roles));
        check_keys_ids(AWS "role_arn = " ARN "a\n", identities, ELEMENTSOF(identities));
}

static void test_the_id_of_a_certificate_is_of_each_field(void **state)
{
#define ANYWHERE(certificate, key, anchor, profile, role)                                         \
        "certificate = " certificate "\nprivate_key = " key "\ntrust_anchor_arn = " ANCHOR anchor \
        "\nprofile_arn = " PROFILE profile "\nrole_arn = " ARN role
        static const char *const certificates[] = {
                ANYWHERE("/c", "/k", "", "", "r"),
                ANYWHERE("/d", "/k", "", "", "r"),
                ANYWHERE("/c", "/l", "", "", "r"),
                ANYWHERE("/c", "/k", "a", "", "r"),
                ANYWHERE("/c", "/k", "", "p", "r"),
                ANYWHERE("/c", "/k", "", "", "s"),
                ANYWHERE("/c", "/k", "", "", "r") "\ncertificate_chain = /i",
                ANYWHERE("/c", "/k", "", "", "r") "\nsts_endpoint_url = https://anywhere.example",
        };

        check_keys_ids(AWS, certificates, ELEMENTSOF(certificates));
}

static void test_what_makes_no_other_keys(void **state)
{
#define SECTION(name) "[aws]\n" KEYS "[registry " name "]\n"
        /* STS is not asked, where it is makes no difference. */
        assert_true(same_keys(SECTION("a") "region = eu-west-1", SECTION("b") "region = eu-west-2", false));
        assert_true(same_keys(SECTION("a") "region = eu-west-1",
                              SECTION("a") "region = eu-west-1\nhosts = h.example\n"
                                           "verify = false",
                              true));
        assert_true(same_keys(SECTION("a") "region = us-east-1",
                              SECTION("a") "region = us-east-1\npublic = true", false));
        /* Else the signature is for one region alone. */
        assert_false(same_keys(SECTION("a") "region = eu-west-1\nrole_arn = " ARN
                                            "a\nsts_endpoint_url = https://sts.example",
                               SECTION("a") "region = eu-west-2\nrole_arn = " ARN
                                            "a\nsts_endpoint_url = https://sts.example",
                               false));
}

/* A token is one's own only if all of these are the same. */
static void test_the_id_of_an_endpoint(void **state)
{
        static const char base[] = SECTION("a") "region = us-east-1\n";

        assert_true(same_keys(base, SECTION("b") "region = us-east-1\n", false));
        assert_true(same_keys(base, SECTION("a") "region = us-east-2\n", false));
        assert_true(same_keys(base, SECTION("a") "region = us-east-1\nendpoint_url = https://x.example\n",
                              false));
        /* Even where the URL is one and the same. */
        assert_true(same_keys(SECTION("a") "region = us-east-1\nendpoint_url = https://x.example\n",
                              SECTION("a") "region = us-east-2\nendpoint_url = https://x.example\n", false));
        assert_true(same_keys(SECTION("a") "region = us-east-1\nendpoint_url = https://x.example\n",
                              SECTION("a") "region = us-east-1\nendpoint_url = https://x.example\n"
                                           "public = true\n",
                              false));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, tear_down_test)
        const struct CMUnitTest tests[] = {
                TEST(test_keys),
                TEST(test_a_program),
                TEST(test_a_web_identity),
                TEST(test_a_certificate),
                TEST(test_when_a_certificate_expires_is_noted),
                TEST(test_surroundings),
                TEST(test_what_the_surroundings_lack_is_said),
                TEST(test_a_secret_of_the_cluster),
                TEST(test_profiles),
                TEST(test_profiles_in_other_files),
                TEST(test_what_a_profile_lacks_is_said),
                TEST(test_endpoints),
                TEST(test_one_certificate_authority_is_for_all),
                TEST(test_ecr_public),
                TEST(test_each_section_is_a_registry),
                TEST(test_sections_whose_token_is_the_same_become_one),
                TEST(test_sections_that_differ_do_not),
                TEST(test_the_strictest_is_asked),
                TEST(test_files_of_all_are_watched),
                TEST(test_the_id_of_keys_is_of_each_field),
                TEST(test_the_id_of_a_certificate_is_of_each_field),
                TEST(test_what_makes_no_other_keys),
                TEST(test_the_id_of_an_endpoint),
        };

        return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
