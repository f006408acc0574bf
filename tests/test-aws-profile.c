/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "aws-profile.h"
#include "buf.h"

#include "folder.h"

/* What a profile comes down to is held against botocore by tests/scenarios/test_profiles.py; here are
 * errors, and what botocore does not know. */

#define KEYS "aws_access_key_id = A\naws_secret_access_key = the/secret=\n"
#define ROLE "role_arn = arn:aws:iam::123456789012:role/r\n"

static int parse(const char *credentials, const char *config, const char *profile, AwsSource **ret,
                 ConfError *error)
{
        static const char *const environment[] = { "AWS_ACCESS_KEY_ID=E", NULL };
        const AwsProfileText texts[] = {
                { .path = "/c", .text = credentials, .size = credentials ? strlen(credentials) : 0 },
                { .path = "/g", .text = config, .size = config ? strlen(config) : 0 },
        };

        *error = (ConfError){ "" };
        return aws_profile_parse(&texts[0], &texts[1], environment, profile, ret, error);
}

static void check_refused(const char *credentials, const char *config, int expected, const char *message)
{
        AwsSource *s = NULL;
        ConfError error;

        assert_int_equal(parse(credentials, config, "a", &s, &error), expected);
        assert_string_equal(error.text, message);
        assert_null(s);
}

static AwsSource *take(const char *credentials, const char *config, const char *profile)
{
        AwsSource *s = NULL;
        ConfError error;

        if (parse(credentials, config, profile, &s, &error) != 0)
                fail_msg("%s", error.text);
        assert_string_equal(error.text, "");
        return s;
}

static void test_errors_of_places(void **state)
{
        check_refused(NULL, NULL, -ENOENT, "there is no profile \"a\" in /c or /g");
        check_refused("[b]", "[a]\n", -ENOENT,
                      "there is no profile \"a\" in /c or /g; [a] in /g has to be [profile a]");
        check_refused("[a]\n[a]\n", NULL, -EEXIST, "/c:2: there is a section \"a\" already");
        check_refused("[a]\n" KEYS, "x = y", -EINVAL, "/g:1: there is no [SECTION] before this line");
        check_refused(
                "[a]\n", "[profile a]\n", -ENOKEY,
                "profile \"a\" in /c and /g gives no credentials: it has neither aws_access_key_id nor "
                "credential_process, role_arn or web_identity_token_file");
}

static void test_errors_of_values(void **state)
{
        check_refused(
                "[a]\naws_access_key_id = A\n", "[profile a]\n" KEYS, -EINVAL,
                "/c:2: aws_access_key_id of profile \"a\": there is no aws_secret_access_key beside it");
        check_refused(
                "[a]\naws_access_key_id = A\naws_secret_access_key = the secret\n", NULL, -EINVAL,
                "/c:3: aws_secret_access_key of profile \"a\": there is a blank or a character that is "
                "not ASCII in the value");
        check_refused("[a]\n" KEYS, "[profile a]\nregion = x\n", -EINVAL,
                      "/g:2: region of profile \"a\": \"x\" is no AWS region such as eu-central-1");
        check_refused(
                "[a]\n" KEYS, "[profile a]\nsso_account_id = 1\n", -EOPNOTSUPP,
                "/g:2: sso_account_id of profile \"a\": IAM Identity Center (SSO) wants somebody to log "
                "in, which a service cannot");
        check_refused(NULL, "[profile a]\nweb_identity_token_file = /t\n", -EINVAL,
                      "/g:2: web_identity_token_file of profile \"a\": without a role_arn it gives no "
                      "credentials");
        check_refused(NULL, "[profile a]\ncredential_process =\n", -EINVAL,
                      "/g:2: credential_process of profile \"a\": it is empty");
}

static void test_errors_of_roles(void **state)
{
        check_refused("[b]\n" KEYS, "[profile a]\n" ROLE "source_profile = b\nmfa_serial = x\n", -EOPNOTSUPP,
                      "/g:4: mfa_serial of profile \"a\": the role wants a code of an MFA device, which a "
                      "service cannot type");
        check_refused("[b]\n" KEYS, "[profile a]\n" ROLE "source_profile = b\nduration_seconds = 1h\n",
                      -EINVAL,
                      "/g:4: duration_seconds of profile \"a\": \"1h\" is no number from 900 to 43200");
        check_refused("[a]\n" KEYS ROLE, NULL, -EINVAL,
                      "/c:4: role_arn of profile \"a\": there is neither source_profile nor "
                      "credential_source to assume it with");
        check_refused("[a]\n" KEYS ROLE, "[profile a]\nsource_profile = a\ncredential_source = x\n", -EINVAL,
                      "/g:2: source_profile of profile \"a\": there is a credential_source, too, but a role "
                      "is assumed from one of them");
        check_refused("[a]\n" ROLE "credential_source = x\n", NULL, -EINVAL,
                      "/c:3: credential_source of profile \"a\": \"x\" is not Environment, EcsContainer or "
                      "Ec2InstanceMetadata");
        check_refused("[a]\n" ROLE "credential_source = Environment\n", NULL, -ENOENT,
                      "/c:3: credential_source of profile \"a\": AWS_SECRET_ACCESS_KEY is not set in the "
                      "environment");
        check_refused("[a]\n" ROLE "source_profile = b\n", NULL, -ENOENT,
                      "/c:3: source_profile of profile \"a\": there is no profile \"b\" in /c or /g");
}

static void test_loops(void **state)
{
        check_refused("[a]\n" ROLE "source_profile = a\n", NULL, -ELOOP,
                      "/c:3: source_profile of profile \"a\": the chain does not end: a -> a");
        check_refused("[a]\n" ROLE "source_profile = b\n[b]\n" ROLE "source_profile = a\n", NULL, -ELOOP,
                      "/c:6: source_profile of profile \"b\": the chain does not end: a -> b -> a");
}

/* p0 <- p1 <- ..., the last of n with keys. */
static char *make_chain(unsigned n)
{
        Buf text = BUF_INIT(65536);

        for (unsigned i = 0; i + 1 < n; i++)
                assert_int_equal(buf_printf(&text,
                                            "[p%u]\n" ROLE "role_session_name = s%u\nsource_profile = p%u\n",
                                            i, i, i + 1),
                                 0);
        assert_int_equal(buf_printf(&text, "[p%u]\n" KEYS, n - 1), 0);
        return buf_steal(&text);
}

static void test_chains(void **state)
{
        _cleanup_free_ char *longest = make_chain(AWS_PROFILE_CHAIN_MAX);
        _cleanup_free_ char *longer = make_chain(AWS_PROFILE_CHAIN_MAX + 1);
        _cleanup_(aws_source_freep) AwsSource *s = take(longest, NULL, "p0");
        AwsSource *none = NULL;
        ConfError error;

        assert_int_equal(s->n_roles, AWS_PROFILE_CHAIN_MAX - 1);
        assert_string_equal(s->roles[0].session_name, "s14");
        assert_string_equal(s->roles[14].session_name, "s0");
        assert_string_equal(s->origin, "profile p15 in /c, for profile p0");
        assert_int_equal(parse(longer, NULL, "p0", &none, &error), -ELOOP);
        assert_string_equal(error.text,
                            "/c:64: source_profile of profile \"p15\": the chain has more than 16 profiles");
}

static void test_the_default_profile(void **state)
{
        _cleanup_(aws_source_freep) AwsSource *s = take("[default]\n" KEYS, NULL, NULL);

        assert_int_equal(s->kind, AWS_SOURCE_STATIC);
        assert_string_equal(s->origin, "profile default in /c");
}

/* A thousand profiles, each with keys. */
static void test_many_profiles(void **state)
{
        _cleanup_(aws_source_freep) AwsSource *s = NULL;
        _cleanup_buf_ Buf text = BUF_INIT(1024U * 1024);

        for (int i = 0; i < 1000; i++)
                assert_int_equal(buf_printf(&text, "[profile p%d]\nregion = eu-west-1\n" KEYS, i), 0);
        s = take(NULL, buf_str(&text), "p999");
        assert_string_equal(s->region, "eu-west-1");
}

/* One line, whatever a profile is called. */
static void test_names_do_not_break_lines(void **state)
{
        AwsSource *s = NULL;
        ConfError error;

        assert_int_equal(parse(NULL, NULL, "a\nb\x1b", &s, &error), -ENOENT);
        assert_string_equal(error.text, "there is no profile \"a\\x0ab\\x1b\" in /c or /g");
}

static int load(const AwsProfileFiles *files, AwsSource **ret, ConfError *error)
{
        *error = (ConfError){ "" };
        return aws_profile_load(files, "a", ret, error);
}

static void check_loaded(AwsProfileFiles files, const char *origin)
{
        _cleanup_(aws_source_freep) AwsSource *s = NULL;
        ConfError error;

        if (load(&files, &s, &error) != 0)
                fail_msg("%s", error.text);
        assert_string_equal(s->origin, origin);
}

static void check_not_loaded(AwsProfileFiles files, int expected, const char *message)
{
        AwsSource *s = NULL;
        ConfError error;

        assert_int_equal(load(&files, &s, &error), expected);
        assert_string_equal(error.text, message);
        assert_null(s);
}

static void test_files(void **state)
{
        _cleanup_free_ char *credentials = str_printf("profile a in %s/home/.aws/credentials", folder);
        _cleanup_free_ char *home = str_printf("%s/home", folder);
        _cleanup_free_ char *none = str_printf(
                "there is no profile \"a\" in %s/.aws/credentials or %s/.aws/config", folder, folder);

        assert_int_equal(mkdir("home", 0755), 0);
        assert_int_equal(mkdir("home/.aws", 0755), 0);
        folder_put("home/.aws/credentials", "[a]\n" KEYS);
        folder_put("home/mine", "[profile a]\n" KEYS);
        check_loaded((AwsProfileFiles){ .home = home }, credentials);
        check_loaded((AwsProfileFiles){ .home = home, .config_path = "~/mine" }, credentials);
        check_loaded((AwsProfileFiles){ .config_path = "home/mine" }, "profile a in home/mine");
        check_loaded((AwsProfileFiles){ .credentials_path = "/dev/null", .config_path = "home/mine" },
                     "profile a in home/mine");
        check_not_loaded((AwsProfileFiles){ .home = folder }, -ENOENT, none);
        check_not_loaded((AwsProfileFiles){ 0 }, -ENOENT,
                         "there is no profile \"a\" in ~/.aws/credentials or ~/.aws/config");
        check_not_loaded((AwsProfileFiles){ .home = home, .config_path = "no" }, -ENOENT,
                         "no: cannot open it: No such file or directory");
        check_not_loaded((AwsProfileFiles){ .credentials_path = "home" }, -EISDIR,
                         "home: it is a directory, not a file");
        assert_int_equal(chmod("home/mine", 0644), 0);
        check_not_loaded((AwsProfileFiles){ .config_path = "home/mine" }, -EPERM,
                         "home/mine:3: aws_secret_access_key: a secret in a file that is open to everybody; "
                         "run \"chmod 0640 home/mine\"");
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_errors_of_places),
                cmocka_unit_test(test_errors_of_values),
                cmocka_unit_test(test_errors_of_roles),
                cmocka_unit_test(test_loops),
                cmocka_unit_test(test_chains),
                cmocka_unit_test(test_the_default_profile),
                cmocka_unit_test(test_many_profiles),
                cmocka_unit_test(test_names_do_not_break_lines),
                cmocka_unit_test_setup_teardown(test_files, folder_set_up, folder_tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
