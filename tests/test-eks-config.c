/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "eks-config.h"

#include "buf.h"
#include "conf-check.h"
#include "words.h"

#include "conf-text.h"
#include "folder.h"

#define ROLE "arn:aws:iam::123456789012:role/"
#define KEYS "aws_access_key_id = AKIAOWN\naws_secret_access_key = " SECRET "\n"
#define AWS "[aws]\nregion = eu-west-1\n" KEYS
#define GET_TOKEN "aws eks get-token --cluster-name c"
#define ENTRY_KEYS "AWS_ACCESS_KEY_ID=AKIAENTRY AWS_SECRET_ACCESS_KEY=entry "

static const char *const *variables;

/* For an entry as a line, "NAME=value ... COMMAND argument ...". */
static EksConfig *load(const char *text, const char *line)
{
        const AwsConfigEnvironment environment = { .home = folder, .variables = variables };
        _cleanup_(conf_freep) Conf *conf = parsed(text);
        _cleanup_(words_freep) char **words = NULL;
        KubeExec exec = { 0 };
        KubeConfig kube = { .exec = &exec };
        char *env[8] = { NULL };
        EksConfig *c = NULL;
        ConfError error;
        size_t n = 0;

        assert_int_equal(conf_check(conf, &error), 0);
        assert_int_equal(words_split(line, &words), 0);
        for (; strchr(words[n], '=') && n + 1 < ELEMENTSOF(env); n++)
                env[n] = words[n];
        exec.command = words[n];
        exec.args = words + n + 1;
        exec.env = env;
        assert_int_equal(eks_config_load(&kube, conf, &environment, &c), 0);
        return c;
}

/* "cluster in region of key+role+role at STS from file,file" */
static void check(const char *text, const char *line, const char *expected)
{
        _cleanup_(eks_config_freep) EksConfig *c = load(text, line);
        _cleanup_buf_ Buf b = BUF_INIT(10000);

        if (!c || !c->source)
                fail_msg("%s: %s", line, c ? c->why : "nothing");
        assert_null(c->why);
        assert_string_equal(c->places.imds_url, "http://169.254.169.254");
        assert_int_equal(
                buf_printf(&b, "%s in %s of %s", c->cluster, c->region, c->source->keys.access_key_id), 0);
        for (size_t i = 0; i < c->source->n_roles; i++) {
                const AwsRole *r = &c->source->roles[i];

                assert_int_equal(buf_printf(&b, "+%s:%s:%s", strrchr(r->arn, '/') + 1,
                                            r->external_id ? r->external_id : "",
                                            r->session_name ? r->session_name : ""),
                                 0);
        }
        assert_int_equal(buf_printf(&b, " at %s %s", c->places.region, c->places.sts_url), 0);
        for (char **file = c->files; file && *file; file++) {
                const char *name = startswith(*file, folder);

                assert_int_equal(buf_printf(&b, " %s", name ? name : *file), 0);
        }
        assert_string_equal(buf_str(&b), expected);
}

/* The program is run, for that reason. */
static void check_run(const char *text, const char *line, const char *reason)
{
        _cleanup_(eks_config_freep) EksConfig *c = load(text, line);

        assert_null(c ? c->source : NULL);
        assert_string_equal(c ? c->why : "", reason);
}

#define STS(region) " at " region " https://sts." region ".amazonaws.com"
#define OWN_FILES " /.aws/credentials /.aws/config"

static void test_eatr_s_own_credentials(void **state)
{
        check(AWS, GET_TOKEN, "c in eu-west-1 of AKIAOWN" STS("eu-west-1"));
        check(AWS, GET_TOKEN " --region us-east-2", "c in us-east-2 of AKIAOWN" STS("us-east-2"));
        check(AWS, "AWS_REGION=us-east-2 " GET_TOKEN, "c in us-east-2 of AKIAOWN" STS("us-east-2"));
        check(AWS "role_arn = " ROLE "pull\nexternal_id = x1\n", GET_TOKEN,
              "c in eu-west-1 of AKIAOWN+pull:x1:" STS("eu-west-1"));
        check("[aws]\nregion = cn-north-1\n" KEYS, GET_TOKEN,
              "c in cn-north-1 of AKIAOWN at cn-north-1 https://sts.cn-north-1.amazonaws.com.cn");
        check("[registry a]\nregion = eu-west-2\naws_access_key_id = AKIAA\naws_secret_access_key = a\n"
              "[registry b]\nregion = eu-west-3\naws_access_key_id = AKIAB\naws_secret_access_key = b\n",
              GET_TOKEN, "c in eu-west-2 of AKIAA" STS("eu-west-2"));
}

static void test_a_role_on_top(void **state)
{
        check(AWS, GET_TOKEN " --role-arn " ROLE "deploy",
              "c in eu-west-1 of AKIAOWN+deploy::EKSGetTokenAuth" STS("eu-west-1"));
        check(AWS "role_arn = " ROLE "pull\n", GET_TOKEN " --role " ROLE "deploy",
              "c in eu-west-1 of AKIAOWN+pull::+deploy::EKSGetTokenAuth" STS("eu-west-1"));
        check(AWS, "aws-iam-authenticator token -i c -r " ROLE "deploy -e x1 -s me",
              "c in eu-west-1 of AKIAOWN+deploy:x1:me" STS("eu-west-1"));
}

static void test_keys_of_the_entry(void **state)
{
        check(AWS, ENTRY_KEYS GET_TOKEN, "c in eu-west-1 of AKIAENTRY" STS("eu-west-1"));
        check(AWS "role_arn = " ROLE "pull\n", ENTRY_KEYS "AWS_PROFILE=p " GET_TOKEN,
              "c in eu-west-1 of AKIAENTRY" STS("eu-west-1"));
        check_run(AWS, "AWS_ACCESS_KEY_ID=AKIAENTRY " GET_TOKEN,
                  "AWS_SECRET_ACCESS_KEY is not set in the environment");
}

static void test_profiles_of_the_entry(void **state)
{
        char text[256];
        static const char *const keys[] = { "AWS_ACCESS_KEY_ID=AKIAEATR", "AWS_SECRET_ACCESS_KEY=s", NULL };

        assert_return_code(mkdir(".aws", 0700), errno);
        folder_put(".aws/credentials", "[p]\naws_access_key_id = AKIAP\naws_secret_access_key = p\n");
        folder_put(".aws/config", "[profile p]\nregion = eu-west-2\n"
                                  "[profile q]\nrole_arn = " ROLE "q\nsource_profile = p\n"
                                  "[profile env]\nrole_arn = " ROLE "e\ncredential_source = Environment\n");
        folder_put("other", "[p]\naws_access_key_id = AKIAOTHER\naws_secret_access_key = o\n");
        check(AWS, GET_TOKEN " --profile p", "c in eu-west-2 of AKIAP" STS("eu-west-2") OWN_FILES);
        check(AWS, "AWS_PROFILE=p " GET_TOKEN " --region us-east-1",
              "c in us-east-1 of AKIAP" STS("us-east-1") OWN_FILES);
        check(AWS, ENTRY_KEYS GET_TOKEN " --profile p",
              "c in eu-west-2 of AKIAP" STS("eu-west-2") OWN_FILES);
        check(AWS, "AWS_PROFILE=q " GET_TOKEN " --role-arn " ROLE "deploy",
              "c in eu-west-1 of AKIAP+q::+deploy::EKSGetTokenAuth" STS("eu-west-1") OWN_FILES);
        check(AWS, "AWS_SHARED_CREDENTIALS_FILE=~/other AWS_PROFILE=p " GET_TOKEN,
              "c in eu-west-2 of AKIAOTHER" STS("eu-west-2") " /other /.aws/config");
        (void) snprintf(text, sizeof(text),
                        "[aws]\nregion = eu-west-1\nprofile = p\nshared_credentials_file = %s/other\n",
                        folder);
        check(text, GET_TOKEN " --profile p",
              "c in eu-west-2 of AKIAOTHER" STS("eu-west-2") " /other /.aws/config");
        check(text, "AWS_SHARED_CREDENTIALS_FILE=~/.aws/credentials " GET_TOKEN " --profile p",
              "c in eu-west-2 of AKIAP" STS("eu-west-2") OWN_FILES);
        check(text, "HOME=/nowhere " GET_TOKEN " --profile p",
              "c in eu-west-1 of AKIAOTHER" STS("eu-west-1") " /other /nowhere/.aws/config");
        variables = keys;
        check(AWS, "AWS_PROFILE=env " GET_TOKEN,
              "c in eu-west-1 of AKIAEATR+e::" STS("eu-west-1") OWN_FILES);
        check(AWS, ENTRY_KEYS GET_TOKEN " --profile env",
              "c in eu-west-1 of AKIAENTRY+e::" STS("eu-west-1") OWN_FILES);
}

static void test_what_cannot_be_told(void **state)
{
        check_run(AWS, "AWS_PROFILE=p AWS_CONFIG_FILE=x " GET_TOKEN,
                  "a path of AWS's files is not absolute");
        check_run(AWS, GET_TOKEN " --query x", "--query is not understood");
        check_run(AWS, "aws s3 ls", "");
        check_run(AWS "[kubernetes]\nmint_eks_tokens = no\n", GET_TOKEN, "");
        check_run("[aws]\nregion = eu-west-1\ncredentials_secret = a/b\n", GET_TOKEN,
                  "the credentials of the first registry lie in the cluster itself");
        check("[aws]\nregion = eu-west-1\ncredentials_secret = a/b\n", ENTRY_KEYS GET_TOKEN,
              "c in eu-west-1 of AKIAENTRY" STS("eu-west-1"));
}

/* The files may say something else later. */
static void test_files_of_what_cannot_be_told_yet(void **state)
{
        _cleanup_(eks_config_freep) EksConfig *c = load(AWS, GET_TOKEN " --profile nobody");
        char expected[1024];

        assert_null(c->source);
        assert_string_equal(startswith(c->files[0], folder), "/.aws/credentials");
        assert_string_equal(startswith(c->files[1], folder), "/.aws/config");
        (void) snprintf(expected, sizeof(expected),
                        "there is no profile \"nobody\" in "
                        "%s/.aws/credentials or %s/.aws/config",
                        folder, folder);
        assert_string_equal(c->why, expected);
}

static void test_without_a_region(void **state)
{
        char reason[256];
        static const char *const named = "[aws]\nprofile = own\n";

        folder_put(".aws/credentials", "[own]\naws_access_key_id = AKIAOWN\naws_secret_access_key = p\n"
                                       "region = eu-west-3\n"
                                       "[none]\naws_access_key_id = AKIANONE\naws_secret_access_key = p\n");
        check(named, GET_TOKEN, "c in eu-west-3 of AKIAOWN" STS("eu-west-3") OWN_FILES);
        (void) snprintf(reason, sizeof(reason),
                        "neither the kubeconfig nor profile none in %s/.aws/credentials names a region",
                        folder);
        check_run(named, "AWS_PROFILE=none " GET_TOKEN, reason);
}

static void test_where_roles_are_assumed(void **state)
{
        check(AWS "sts_endpoint_url = https://sts.example\n", GET_TOKEN " --region us-east-2",
              "c in us-east-2 of AKIAOWN at eu-west-1 https://sts.example");
        check(AWS "use_fips_endpoint = yes\n", GET_TOKEN " --region us-east-2",
              "c in us-east-2 of AKIAOWN at us-east-2 https://sts-fips.us-east-2.amazonaws.com");
}

static void check_equal(const char *a_text, const char *a_line, const char *b_text, const char *b_line,
                        bool equal)
{
        _cleanup_(eks_config_freep) EksConfig *a = load(a_text, a_line), *b = load(b_text, b_line);

        assert_int_equal(eks_config_equal(a, b), equal);
        assert_int_equal(eks_config_equal(b, a), equal);
        assert_true(eks_config_equal(a, a));
}

static void test_what_makes_another_token(void **state)
{
        static const char *const other = "[aws]\nregion = eu-west-1\naws_access_key_id = AKIAOWN\n"
                                         "aws_secret_access_key = other\n";

        check_equal(AWS, GET_TOKEN, AWS "[log]\nverbosity = 4\n", "aws eks get-token --cluster-id c", true);
        check_equal(AWS, GET_TOKEN, AWS, "aws eks get-token --cluster-id d", false);
        check_equal(AWS, GET_TOKEN, AWS, GET_TOKEN " --region us-east-1", false);
        check_equal(AWS, GET_TOKEN, AWS, GET_TOKEN " --role-arn " ROLE "a", false);
        check_equal(AWS, GET_TOKEN, other, GET_TOKEN, false);
        check_equal(AWS, ENTRY_KEYS GET_TOKEN, other, ENTRY_KEYS GET_TOKEN, true);
        check_equal(AWS, GET_TOKEN, AWS, "aws s3 ls", false);
        check_equal(AWS, GET_TOKEN, AWS, GET_TOKEN " --profile nobody", false);
        check_equal(AWS, "aws s3 ls", AWS, GET_TOKEN " --profile nobody", true);
}

/* As it is read for a command that needs the cluster alone. */
static void test_a_configuration_that_is_not_checked(void **state)
{
        const AwsConfigEnvironment environment = { .home = folder };
        _cleanup_(conf_freep) Conf *conf = parsed("");
        char *none[] = { NULL },
             *args[] = { (char *) "token", (char *) "-ic", (char *) "--region=eu-west-2", NULL };
        char *keys[] = { (char *) "AWS_ACCESS_KEY_ID=AKIAENTRY", (char *) "AWS_SECRET_ACCESS_KEY=s", NULL };
        KubeExec exec = { .command = (char *) "aws-iam-authenticator", .args = args, .env = none };
        KubeConfig kube = { .exec = &exec };
        EksConfig *c = NULL;

        assert_int_equal(eks_config_load(&kube, conf, &environment, &c), 0);
        assert_string_equal(c->why, "there is no registry whose credentials could be taken");
        c = eks_config_free(c);
        exec.env = keys;
        assert_int_equal(eks_config_load(&kube, conf, &environment, &c), 0);
        assert_string_equal(c->source->keys.access_key_id, "AKIAENTRY");
        c = eks_config_free(c);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_eatr_s_own_credentials),
                cmocka_unit_test(test_a_role_on_top),
                cmocka_unit_test(test_keys_of_the_entry),
                cmocka_unit_test(test_profiles_of_the_entry),
                cmocka_unit_test(test_what_cannot_be_told),
                cmocka_unit_test(test_files_of_what_cannot_be_told_yet),
                cmocka_unit_test(test_without_a_region),
                cmocka_unit_test(test_where_roles_are_assumed),
                cmocka_unit_test(test_what_makes_another_token),
                cmocka_unit_test(test_a_configuration_that_is_not_checked),
        };

        return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
