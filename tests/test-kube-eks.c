/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "kube-eks.h"

#include "words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define ROLE "arn:aws:iam::123456789012:role/deploy"

/* An entry as a line, "NAME=value ... COMMAND argument ...", split as a shell does. */
typedef struct Entry {
        char **words;
        char *env[16];
        KubeExec exec;
} Entry;

static void entry_done(Entry *e)
{
        (void) words_free(e->words);
}
#define _cleanup_entry_ _cleanup_(entry_done)

static void entry_split(Entry *e, const char *line)
{
        size_t n = 0;

        *e = (Entry){ 0 };
        assert_int_equal(words_split(line, &e->words), 0);
        while (e->words[n] && strchr(e->words[n], '=') && *e->words[n] != '-') {
                assert_true(n + 1 < ELEMENTSOF(e->env));
                e->env[n] = e->words[n];
                n++;
        }
        assert_non_null(e->words[n]);
        e->exec = (KubeExec){ .command = e->words[n], .args = e->words + n + 1, .env = e->env };
}

static const char *or_dash(const char *s)
{
        return s ? s : "-";
}

/* What is read, as a line; what makes it another program; or "" for one that has nothing to do with EKS. */
static const char *read_line(const char *line)
{
        static char text[4096];
        _cleanup_entry_ Entry e;
        ConfError why = { "before" };
        KubeEks k;

        entry_split(&e, line);
        if (kube_eks_read(&e.exec, &k, &why) == 0) {
                (void) snprintf(text, sizeof(text), "%s", *why.text ? why.text : "no");
                return text;
        }
        assert_string_equal(why.text, "");
        assert_ptr_equal(k.environment, e.exec.env);
        assert_true((k.owner == KUBE_EKS_PROFILE) == (k.profile != NULL));
        (void) snprintf(text, sizeof(text), "%s in %s of %s as %s %s %s from %s %s %s", k.cluster,
                        or_dash(k.region), k.owner == KUBE_EKS_KEYS ? "keys" : or_dash(k.profile),
                        or_dash(k.role_arn), or_dash(k.external_id), or_dash(k.session_name),
                        or_dash(k.credentials_file), or_dash(k.config_file), or_dash(k.home));
        return text;
}

typedef struct Row {
        const char *line, *expected;
} Row;

static void check(const Row *rows, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                const char *text = read_line(rows[i].line);

                if (!streq(text, rows[i].expected))
                        fail_msg("%s:\n%s\nnot\n%s", rows[i].line, text, rows[i].expected);
        }
}

static void test_aws_eks_get_token(void **state)
{
        static const char plain[] = "c in - of - as - - - from - - -",
                          region[] = "c in eu-west-1 of - as - - - from - - -",
                          role[] = "c in - of - as " ROLE " - EKSGetTokenAuth from - - -";
        static const Row rows[] = {
                { "aws eks get-token --cluster-name c", plain },
                { "/usr/local/bin/aws eks get-token --cluster-name c", plain },
                { "aws eks get-token --cluster-name=c", plain },
                { "aws eks get-token --cluster-id c", plain },
                { "aws eks get-token --cluster-id=c --output=json --no-cli-pager", plain },
                { "aws --region eu-west-1 eks get-token --cluster-name c --output json", region },
                { "aws eks --region eu-west-1 get-token --cluster-name c", region },
                { "aws eks get-token --region=eu-west-1 --cluster-name c", region },
                { "aws --no-cli-pager --output json --region eu-west-1 eks get-token --cluster-name c",
                  region },
                { "aws --region us-east-1 eks get-token --cluster-name x --cluster-name c --region "
                  "eu-west-1",
                  region },
                { "AWS_DEFAULT_REGION=eu-west-1 aws eks get-token --cluster-name c", region },
                { "AWS_DEFAULT_REGION=us-east-1 AWS_REGION=eu-west-1 aws eks get-token --cluster-name c",
                  region },
                { "AWS_REGION=us-east-1 aws eks get-token --region eu-west-1 --cluster-name c", region },
                { "aws eks get-token --cluster-name c --role-arn " ROLE, role },
                { "aws eks get-token --cluster-name c --role-arn=" ROLE, role },
                { "aws eks get-token --cluster-name c --role " ROLE, role },
                { "aws eks get-token --cluster-name c --role=" ROLE, role },
                { "aws eks get-token --cluster-name c --session-name s1 --role-arn " ROLE,
                  "c in - of - as " ROLE " - s1 from - - -" },
                /* as with the program, it is of no use then */
                { "aws eks get-token --cluster-name c --session-name s1", plain },
                { "DEFAULT_ROLE=" ROLE " aws eks get-token --cluster-name c", plain },
                { "aws eks get-token --cluster-name a=b", "a=b in - of - as - - - from - - -" },
                { "FOO=bar PATH=/bin HOME=/h aws eks get-token --cluster-name c",
                  "c in - of - as - - - from - - /h" },
                { "AWS_STS_REGIONAL_ENDPOINTS=regional AWS_SDK_LOAD_CONFIG=1 AWS_PAGER= aws eks get-token "
                  "--cluster-name c",
                  plain },
        };

        check(rows, ELEMENTSOF(rows));
}

static void test_aws_iam_authenticator_token(void **state)
{
        static const char plain[] = "c in - of - as - - - from - - -",
                          role[] = "c in - of - as " ROLE " - - from - - -",
                          all[] = "c in eu-west-1 of - as " ROLE " x/1 s1 from - - -";
        static const Row rows[] = {
                { "aws-iam-authenticator token -i c", plain },
                { "/opt/aws-iam-authenticator token -i c", plain },
                { "aws-iam-authenticator token -ic", plain },
                { "aws-iam-authenticator token -i=c", plain },
                { "aws-iam-authenticator -i c token", plain },
                { "aws-iam-authenticator token --cluster-id c --cache", plain },
                { "aws-iam-authenticator --cluster-id=c token --cache", plain },
                { "aws-iam-authenticator token -i c -r " ROLE, role },
                { "aws-iam-authenticator token -i c -r" ROLE, role },
                { "aws-iam-authenticator token -i c -r=" ROLE, role },
                { "aws-iam-authenticator token -i c --role " ROLE, role },
                { "aws-iam-authenticator token --role=" ROLE " -i c", role },
                { "DEFAULT_ROLE=" ROLE " aws-iam-authenticator token -i c", role },
                { "DEFAULT_ROLE=arn:aws:iam::123456789012:role/no aws-iam-authenticator token -i c -r " ROLE,
                  role },
                { "aws-iam-authenticator token -i c -r " ROLE " -e x/1 -s s1 --region eu-west-1", all },
                { "aws-iam-authenticator token -i c --role " ROLE
                  " --external-id=x/1 --session-name s1 --region=eu-west-1",
                  all },
                { "AWS_REGION=eu-west-1 aws-iam-authenticator token -ic -r" ROLE " -ex/1 -ss1", all },
                /* as with the program, they are of no use then */
                { "aws-iam-authenticator token -i c -e x/1 -s s1", plain },
        };

        check(rows, ELEMENTSOF(rows));
}

static void test_whose_credentials(void **state)
{
#define COMMAND "aws eks get-token --cluster-name c"
#define KEYS "AWS_ACCESS_KEY_ID=A AWS_SECRET_ACCESS_KEY=s "
#define OF(owner) "c in - of " owner " as - - - from - - -"
        static const Row rows[] = {
                { COMMAND " --profile p", OF("p") },
                { COMMAND " --profile=p", OF("p") },
                { "aws --profile p eks get-token --cluster-name c", OF("p") },
                { "AWS_PROFILE=p " COMMAND, OF("p") },
                { "AWS_DEFAULT_PROFILE=p " COMMAND, OF("p") },
                { "AWS_DEFAULT_PROFILE=x AWS_PROFILE=p " COMMAND, OF("p") },
                { "AWS_PROFILE= " COMMAND, OF("-") },
                { KEYS COMMAND, OF("keys") },
                { KEYS "AWS_SESSION_TOKEN=t AWS_CREDENTIAL_EXPIRATION=x " COMMAND, OF("keys") },
                { KEYS "AWS_SECURITY_TOKEN=t " COMMAND, OF("keys") },
                { KEYS "AWS_PROFILE=p " COMMAND, OF("keys") },
                { KEYS "AWS_PROFILE=x " COMMAND " --profile p", OF("p") },
                { "AWS_SHARED_CREDENTIALS_FILE=/a AWS_CONFIG_FILE=~/b HOME=/h " COMMAND " --profile p",
                  "c in - of p as - - - from /a ~/b /h" },
                { "AWS_PROFILE=p aws-iam-authenticator token -i c", OF("p") },
                { KEYS "AWS_PROFILE=p aws-iam-authenticator token -i c", OF("keys") },
        };

        check(rows, ELEMENTSOF(rows));
#undef OF
#undef KEYS
}

static void test_other_programs(void **state)
{
        static const Row rows[] = {
                { "aws", "no" },
                { "aws eks", "no" },
                { "aws get-token eks --cluster-name c", "no" },
                { "aws eks get-token c", "no" },
                { "aws eks get-token get-token --cluster-name c", "no" },
                { "aws sts get-caller-identity", "no" },
                { "aws eks update-kubeconfig", "no" },
                { "aws.exe eks get-token --cluster-name c", "no" },
                { "/opt/aws/ eks get-token --cluster-name c", "no" },
                { "xaws eks get-token --cluster-name c", "no" },
                { "aws2 eks get-token --cluster-name c", "no" },
                { "aws-vault exec p -- aws eks get-token --cluster-name c", "no" },
                { "aws-iam-authenticator", "no" },
                { "aws-iam-authenticator verify -i c", "no" },
                { "aws-iam-authenticator token c", "no" },
                { "gke-gcloud-auth-plugin", "no" },
        };

        check(rows, ELEMENTSOF(rows));
}

static void test_what_is_not_understood(void **state)
{
        static const Row rows[] = {
                { COMMAND " --query x", "--query is not understood" },
                { COMMAND " --output text", "--output is not understood" },
                { COMMAND " --output=yaml", "--output is not understood" },
                { COMMAND " --endpoint-url=https://x", "--endpoint-url is not understood" },
                { COMMAND " --no-verify-ssl", "--no-verify-ssl is not understood" },
                { COMMAND " --debug", "--debug is not understood" },
                { COMMAND " --no-cli-pager=1", "--no-cli-pager is not understood" },
                { COMMAND " --clust d", "--clust is not understood" },
                { COMMAND " --cluster-names d", "--cluster-names is not understood" },
                { COMMAND " -i d", "-i is not understood" },
                { COMMAND " --", "-- is not understood" },
                { COMMAND " -", "- is not understood" },
                { "aws --cluster-name c eks get-token", "--cluster-name is not understood" },
                { "aws eks --cluster-id c get-token", "--cluster-id is not understood" },
                { "aws eks --role " ROLE " get-token --cluster-name c", "--role is not understood" },
                { "aws-iam-authenticator --cache token -i c", "--cache is not understood" },
                { COMMAND " --region", "--region is not understood" },
                { COMMAND " --region=", "--region is not understood" },
                { COMMAND " --region ''", "--region is not understood" },
                { COMMAND " --region --role-arn", "--region is not understood" },
                { COMMAND " --external-id x", "--external-id is not understood" },
                { COMMAND " --cluster-id d", "the cluster is not understood" },
                { "aws eks get-token --region eu-west-1", "the cluster is not understood" },
                { "aws eks get-token --cluster-name 'a b'", "the cluster is not understood" },
                { "aws eks get-token --cluster-name 'a\n'", "the cluster is not understood" },
                { "aws eks get-token --cluster-name \xc3\xa4", "the cluster is not understood" },
                { COMMAND " --region x", "the region is not understood" },
                { "AWS_REGION=x " COMMAND, "the region is not understood" },
                { COMMAND " --role-arn deploy", "the role is not understood" },
                { COMMAND " --role-arn " ROLE " --session-name 'a b'",
                  "the session name is not understood" },
                { "aws-iam-authenticator token -i c -r " ROLE " -e x", "the external ID is not understood" },
                { "aws-iam-authenticator token -i c --token-only", "--token-only is not understood" },
                { "aws-iam-authenticator token -i c --forward-session-name",
                  "--forward-session-name is not understood" },
                { "aws-iam-authenticator token -i c -c f", "-c is not understood" },
                { "aws-iam-authenticator token -i c --cache=false", "--cache is not understood" },
                { "aws-iam-authenticator token -i", "-i is not understood" },
                { "aws-iam-authenticator token", "the cluster is not understood" },
                { "AWS_ENDPOINT_URL_STS=https://x " COMMAND, "AWS_ENDPOINT_URL_STS is not understood" },
                { "AWS_ROLE_ARN=" ROLE " " COMMAND, "AWS_ROLE_ARN is not understood" },
                { "AWS_USE_FIPS_ENDPOINT=true " COMMAND, "AWS_USE_FIPS_ENDPOINT is not understood" },
                { "AWS_PROFILES=x " COMMAND, "AWS_PROFILES is not understood" },
                { "AWS_=x " COMMAND, "AWS_ is not understood" },
                { "HTTPS_PROXY=http://x " COMMAND, "HTTPS_PROXY is not understood" },
                { "https_proxy=http://x " COMMAND, "https_proxy is not understood" },
                { "AWS_PROFILE=a AWS_PROFILE=b " COMMAND, "AWS_PROFILE is not understood" },
                { "AWS_REGION=eu-west-1 X=1 AWS_REGION=eu-west-1 " COMMAND, "AWS_REGION is not understood" },
        };

        check(rows, ELEMENTSOF(rows));
}

static void test_the_longest_cluster(void **state)
{
        char line[512], name[KUBE_EKS_CLUSTER_MAX + 2] = "";

        memset(name, 'x', KUBE_EKS_CLUSTER_MAX);
        (void) snprintf(line, sizeof(line), "aws eks get-token --cluster-name %s", name);
        assert_non_null(startswith(read_line(line), name));
        name[KUBE_EKS_CLUSTER_MAX] = 'x';
        (void) snprintf(line, sizeof(line), "aws eks get-token --cluster-name %s", name);
        assert_string_equal(read_line(line), "the cluster is not understood");
}

/* An argument that is not understood may be a secret. */
static void test_nothing_but_names_is_told(void **state)
{
        static const Row rows[] = {
                { COMMAND " --token=s3cr3t s3cr3t", "--token is not understood" },
                { COMMAND " -ts3cr3t", "-t is not understood" },
                { "AWS_TOKEN=s3cr3t " COMMAND, "AWS_TOKEN is not understood" },
        };

        check(rows, ELEMENTSOF(rows));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_aws_eks_get_token),
                cmocka_unit_test(test_aws_iam_authenticator_token),
                cmocka_unit_test(test_whose_credentials),
                cmocka_unit_test(test_other_programs),
                cmocka_unit_test(test_what_is_not_understood),
                cmocka_unit_test(test_the_longest_cluster),
                cmocka_unit_test(test_nothing_but_names_is_told),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
