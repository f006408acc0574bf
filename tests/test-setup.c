/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "folder.h"
#include "pem-fixtures.h"
#include "setup.h"
#include "words.h"

#include <sysexits.h>

#define AWS(region) "[aws]\nregion = " region "\naws_access_key_id = AKIAX\naws_secret_access_key = s\n"
#define KUBECONFIG(name)                                                  \
        "current-context: " name "\n"                                     \
        "clusters: [{name: k, cluster: {server: 'https://k.example'}}]\n" \
        "contexts: [{name: " name ", context: {cluster: k}}]\n"

static int forget(void **state)
{
        return unsetenv("CREDENTIALS_DIRECTORY") | unsetenv("KUBECONFIG") | setenv("HOME", folder, 1);
}

/* What the last one that failed has looked for. */
static char **looked_for;

static void check(const Options *o, const char *region, const char *context)
{
        _cleanup_(setup_freep) Setup *s = NULL;
        SetupError error = { "" };

        if (setup_load(o, &s, NULL, &error) < 0)
                fail_msg("%s", error.text);
        assert_string_equal(s->conf->aws.region, region);
        assert_string_equal(s->kube->context, context);
}

static void check_fails(const Options *o, int status, const char *text)
{
        SetupError error = { "" };
        Setup *s = NULL;

        looked_for = words_free(looked_for);
        assert_true(setup_load(o, &s, &looked_for, &error) < 0);
        assert_null(s);
        assert_int_equal(error.status, status);
        if (!strstr(error.text, text))
                fail_msg("\"%s\" is not in \"%s\"", text, error.text);
}

static void put_all(void)
{
        (void) mkdir("credentials", 0700);
        (void) mkdir(".kube", 0700);
        folder_put("eatr.conf", AWS("eu-west-1"));
        folder_put("named.conf", AWS("eu-west-2") "[kubernetes]\nkubeconfig = of-conf\n");
        folder_put("credentials/eatr.conf", AWS("eu-west-3"));
        folder_put("of-option", KUBECONFIG("of-option"));
        folder_put("credentials/kubeconfig", KUBECONFIG("credential"));
        folder_put("of-conf", KUBECONFIG("of-conf"));
        folder_put("of-environment", KUBECONFIG("of-environment"));
        folder_put(".kube/config", KUBECONFIG("of-home"));
}

static void test_which_files_are_read(void **state)
{
        Options o = { .config = "eatr.conf" };

        put_all();
        check(&o, "eu-west-1", "of-home");
        assert_return_code(setenv("KUBECONFIG", "of-environment", 1), errno);
        check(&o, "eu-west-1", "of-environment");
        o.config = "named.conf";
        check(&o, "eu-west-2", "of-conf");
        assert_return_code(setenv("CREDENTIALS_DIRECTORY", "credentials", 1), errno);
        check(&o, "eu-west-2", "credential");
        o.kubeconfig = "of-option";
        check(&o, "eu-west-2", "of-option");
        o.config = NULL;
        check(&o, "eu-west-3", "of-option");
}

/* --- registries, and the files that they come from --------------------------------------------------- */

static Setup *load(const Options *o)
{
        SetupError error = { "" };
        Setup *s = NULL;

        if (setup_load(o, &s, NULL, &error) < 0)
                fail_msg("%s", error.text);
        return s;
}

/* Each in the folder, with "" for its own. */
static void check_files(char *const *files, const char *const *names)
{
        size_t n = 0;

        for (; names[n]; n++) {
                _cleanup_free_ char *path = str_printf("%s/%s", folder, names[n]);

                if (!files[n])
                        fail_msg("%s is not among them", names[n]);
                assert_string_equal(files[n], *names[n] == '+' ? names[n] + 1 : path);
        }
        assert_null(files[n]);
}

static void test_registries_are_read_with_the_files_that_they_name(void **state)
{
        static const char *const static_files[] = { "+eatr.conf", "+eatr.conf.d", "of-option", NULL };
        static const char *const profile_files[] = { "+eatr.conf",  "+eatr.conf.d", ".aws/credentials",
                                                     ".aws/config", "of-option",    NULL };
        const Options o = { .config = "eatr.conf", .kubeconfig = "of-option" };
        Setup *s;

        put_all();
        s = load(&o);
        assert_int_equal(s->registries->n, 1);
        assert_string_equal(s->registries->items[0].region, "eu-west-1");
        assert_string_equal(s->registries->items[0].source->keys.access_key_id, "AKIAX");
        check_files(s->files, static_files);
        s = setup_free(s);

        (void) mkdir(".aws", 0700);
        folder_put(".aws/config", "[profile ci]\nregion = eu-central-1\n");
        folder_put(".aws/credentials", "[ci]\naws_access_key_id = AKIAY\naws_secret_access_key = s\n");
        folder_put("eatr.conf", "[aws]\nprofile = ci\n[registry b]\npublic = yes\n[registry c]\n");
        s = load(&o);
        assert_int_equal(s->registries->n, 2);
        assert_string_equal(s->registries->items[0].name, "b");
        assert_true(s->registries->items[0].public);
        assert_string_equal(s->registries->items[1].region, "eu-central-1");
        assert_string_equal(s->registries->items[1].source->keys.access_key_id, "AKIAY");
        check_files(s->files, profile_files);
        s = setup_free(s);
}

/* Also those that may appear, and what a kubeconfig names; but not a token's, which is read anew anyway. */
static void test_the_files_of_the_kubeconfig_are_watched(void **state)
{
        static const char *const files[] = { "+eatr.conf", "+eatr.conf.d", "kube/config", "not-there",
                                             "kube/ca",    "kube/cert",    "kube/key",    NULL };
        const Options o = { .config = "eatr.conf" };
        Setup *s;

        put_all();
        folder_put("eatr.conf", AWS("eu-west-1"));
        (void) mkdir("kube", 0700);
        folder_put("kube/ca", PEM_CA);
        folder_put("kube/cert", PEM_CERT);
        folder_put("kube/key", PEM_KEY);
        folder_put("kube/token", "t");
        folder_put(
                "kube/config",
                "current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n"
                "clusters: [{name: k, cluster: {server: 'https://k', certificate-authority: ca}}]\n"
                "users: [{name: u, user: {client-certificate: cert, client-key: key, tokenFile: token}}]\n");
        assert_return_code(setenv("KUBECONFIG", "kube/config:not-there:kube/config", 1), errno);
        s = load(&o);
        check_files(s->files, files);
        s = setup_free(s);
        assert_return_code(unsetenv("KUBECONFIG"), errno);
}

/* One that is missing may come. */
static void test_what_was_looked_for_in_vain(void **state)
{
        static const char *const files[] = { "+eatr.conf", "+eatr.conf.d", "of-option", "./token", NULL };
        static const char *const own_files[] = { "+eatr.conf", "+eatr.conf.d", NULL };
        const Options o = { .config = "eatr.conf", .kubeconfig = "of-option" };

        put_all();
        folder_put("of-option",
                   "current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n"
                   "clusters: [{name: k, cluster: {server: 'https://k'}}]\n"
                   "users: [{name: u, user: {tokenFile: token}}]\n");
        check_fails(&o, EX_CONFIG, "tokenFile: cannot read ");
        check_files(looked_for, files);
        folder_put("eatr.conf", "[aws]\nregion = eu-west-1\nprofile = x\n"
                                "shared_credentials_file = /none\n");
        check_fails(&o, EX_CONFIG, "/none");
        assert_string_equal(looked_for[2], "/none");
        assert_string_equal(looked_for[3] + strlen(folder), "/.aws/config");
        assert_null(looked_for[4]);
        folder_put("eatr.conf", AWS("eu-west-1") "ca_bundle = /none.pem\n");
        check_fails(&o, EX_CONFIG, "/none.pem: No such file");
        assert_string_equal(looked_for[2], "/none.pem");
        assert_null(looked_for[3]);
        folder_put("eatr.conf", "nonsense\n");
        check_fails(&o, EX_CONFIG, "eatr.conf:1: ");
        check_files(looked_for, own_files);
        looked_for = words_free(looked_for);
}

/* As "aws eks update-kubeconfig" writes it. */
static const char eks_kubeconfig[] =
        "current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n"
        "clusters: [{name: k, cluster: {server: 'https://k:6443'}}]\n"
        "users: [{name: u, user: {exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: aws,\n"
        "  args: [--region, eu-west-2, eks, get-token, --cluster-name, prod, --output, json],\n"
        "  env: [{name: AWS_PROFILE, value: ops}]}}}]\n";

static void check_file(const Setup *s, const char *name)
{
        _cleanup_free_ char *path = str_printf("%s/%s", folder, name);
        size_t n = 0;

        while (s->files[n] && !streq(s->files[n], path))
                n++;
        assert_non_null(s->files[n]);
}

static void test_tokens_of_eks_and_the_files_that_they_come_from(void **state)
{
        Options o = { .config = "eatr.conf", .kubeconfig = "eks-kubeconfig" };
        Setup *s;

        put_all();
        (void) mkdir(".aws", 0700);
        folder_put(".aws/credentials", "[ops]\naws_access_key_id = AKIAOPS\naws_secret_access_key = s\n");
        folder_put(".aws/config", "");
        folder_put("eks-kubeconfig", eks_kubeconfig);
        s = load(&o);
        assert_string_equal(s->eks->cluster, "prod");
        assert_string_equal(s->eks->region, "eu-west-2");
        assert_string_equal(s->eks->source->keys.access_key_id, "AKIAOPS");
        check_file(s, ".aws/credentials");
        check_file(s, ".aws/config");
        s = setup_free(s);

        folder_put(".aws/credentials", "[other]\naws_access_key_id = AKIAOPS\naws_secret_access_key = s\n");
        s = load(&o);
        assert_null(s->eks->source); /* it is for the program to say what is wrong */
        check_file(s, ".aws/credentials");
        check_file(s, ".aws/config");
        s = setup_free(s);

        folder_put("program.conf", AWS("eu-west-1") "[kubernetes]\nmint_eks_tokens = no\n");
        o.config = "program.conf";
        s = load(&o);
        assert_null(s->eks);
        s = setup_free(s);
}

/* AWS's variables are somebody else's, unless the configuration says that they are meant. */
static void test_the_environment_is_read_where_it_is_named(void **state)
{
        const Options o = { .config = "eatr.conf", .kubeconfig = "of-option" };
        _cleanup_(setup_freep) Setup *other = NULL, *named = NULL;

        put_all();
        assert_return_code(setenv("AWS_ACCESS_KEY_ID", "AKIAENV", 1), errno);
        assert_return_code(setenv("AWS_SECRET_ACCESS_KEY", "e", 1), errno);
        assert_return_code(setenv("AWS_REGION", "us-west-2", 1), errno);
        other = load(&o);
        folder_put("eatr.conf", "[aws]\nregion = eu-west-1\ncredential_source = environment\n");
        named = load(&o);
        assert_return_code(unsetenv("AWS_ACCESS_KEY_ID") | unsetenv("AWS_SECRET_ACCESS_KEY") |
                                   unsetenv("AWS_REGION"),
                           errno);
        assert_string_equal(other->registries->items[0].source->keys.access_key_id, "AKIAX");
        assert_string_equal(named->registries->items[0].source->keys.access_key_id, "AKIAENV");
        assert_string_equal(other->registries->items[0].region, "eu-west-1");
        assert_string_equal(named->registries->items[0].region, "eu-west-1");
        check_fails(&o, EX_CONFIG, "AWS_ACCESS_KEY_ID");
}

/* --- what cannot work -------------------------------------------------------------------------------- */

static void test_what_is_wrong_and_whose_fault_it_is(void **state)
{
        Options o = { .config = "eatr.conf", .kubeconfig = "of-option" };

        put_all();
        o.values[3] = "loud";
        check_fails(&o, OPTIONS_EXIT_USAGE, "--logging-verbosity-level: ");
        o.values[3] = NULL;
        o.kubeconfig = "nowhere";
        check_fails(&o, EX_CONFIG, "nowhere: No such file");
        folder_put("eatr.conf", "[aws]\nregion = eu-west-1\n");
        check_fails(&o, EX_CONFIG, "[aws] names no source of credentials: aws_access_key_id with");
        folder_put("eatr.conf", "[aws]\nregion = eu-west-1\nprofile = nobody\n");
        check_fails(&o, EX_CONFIG, "nobody");
        folder_put("eatr.conf", AWS("eu-west-1") "ca_bundle = of-conf\n");
        check_fails(&o, EX_CONFIG, "there is no PEM certificate in it");
        folder_put("eatr.conf", "nonsense\n");
        check_fails(&o, EX_CONFIG, "eatr.conf:1: ");
        o.config = "no.conf";
        check_fails(&o, EX_CONFIG, "no.conf: ");
        looked_for = words_free(looked_for);
}

static void test_whether_somebody_has_begun(void **state)
{
        const Options o = { .config = "eatr.conf" };
        static const char *const begun[] = { "[aws]\nregion = eu-west-1\n", "[aws]\naws_access_key_id = A\n",
                                             "[aws]\naws_secret_access_key = s\n", "nonsense\n" };
        static const char *const pristine[] = { "", "[aws]\nregion =\naws_access_key_id =\n",
                                                "[namespaces]\nblacklist = kube-*\n" };

        for (size_t i = 0; i < ELEMENTSOF(begun); i++) {
                folder_put("eatr.conf", begun[i]);
                assert_true(setup_is_begun(&o));
        }
        for (size_t i = 0; i < ELEMENTSOF(pristine); i++) {
                folder_put("eatr.conf", pristine[i]);
                assert_false(setup_is_begun(&o));
        }
        assert_return_code(unlink("eatr.conf"), errno);
        assert_true(setup_is_begun(&o));
}

static void test_the_cluster_alone(void **state)
{
        static const char *const aws[] = { "", "[aws]\nno_key = 1\n",
                                           "[registry !]\n[registry a]\npublic = maybe\n",
                                           "[aws]\nregion = eu-west-1\nprofile = gone\n" };
        Options o = { .config = "eatr.conf" };

        folder_put("of-conf", KUBECONFIG("of-conf"));
        for (size_t i = 0; i < ELEMENTSOF(aws); i++) {
                _cleanup_(setup_freep) Setup *s = NULL;
                _cleanup_free_ char *text =
                        str_printf("%s[secret]\nname = pull\n[kubernetes]\nkubeconfig = of-conf\n", aws[i]);
                SetupError error = { "" };

                assert_non_null(text);
                folder_put("eatr.conf", text);
                if (setup_load_cluster(&o, &s, &error) < 0)
                        fail_msg("%s", error.text);
                assert_string_equal(s->conf->secret.name, "pull");
                assert_string_equal(s->kube->context, "of-conf");
                assert_null(s->registries);
                assert_true(s->conf->n_registries == 0 || i == 3);
        }
}

/* Whoever makes tokens for the cluster itself has the registries' keys, if there are any. */
static void test_the_cluster_with_keys(void **state)
{
        Options o = { .config = "eatr.conf", .kubeconfig = "of-option" };
        _cleanup_(setup_freep) Setup *s = NULL;
        SetupError error = { "" };

        put_all();
        assert_int_equal(setup_load_cluster(&o, &s, &error), 0);
        assert_int_equal(s->conf->n_registries, 1);
        assert_string_equal(s->conf->registries[0].aws.access_key_id, "AKIAX");
}

static void check_cluster_fails(const Options *o, int status, const char *text)
{
        SetupError error = { "" };
        Setup *s = NULL;

        assert_true(setup_load_cluster(o, &s, &error) < 0);
        assert_null(s);
        assert_int_equal(error.status, status);
        if (!strstr(error.text, text))
                fail_msg("\"%s\" is not in \"%s\"", text, error.text);
}

static void test_what_the_cluster_needs(void **state)
{
        Options o = { .config = "eatr.conf", .kubeconfig = "of-option" };

        put_all();
        folder_put("eatr.conf", "[aws]\nno_key = 1\n[secret]\nname = A/B\n");
        check_cluster_fails(&o, EX_CONFIG, "name in [secret]");
        folder_put("eatr.conf", AWS("eu-west-1"));
        o.kubeconfig = "gone";
        check_cluster_fails(&o, EX_CONFIG, "gone");
        o.kubeconfig = "of-option";
        o.values[3] = "many"; /* --logging-verbosity-level */
        check_cluster_fails(&o, 2, "--logging-verbosity-level");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, forget)
        const struct CMUnitTest tests[] = {
                TEST(test_which_files_are_read),
                TEST(test_registries_are_read_with_the_files_that_they_name),
                TEST(test_the_files_of_the_kubeconfig_are_watched),
                TEST(test_what_was_looked_for_in_vain),
                TEST(test_tokens_of_eks_and_the_files_that_they_come_from),
                TEST(test_the_environment_is_read_where_it_is_named),
                TEST(test_what_is_wrong_and_whose_fault_it_is),
                TEST(test_whether_somebody_has_begun),
                TEST(test_the_cluster_alone),
                TEST(test_the_cluster_with_keys),
                TEST(test_what_the_cluster_needs),
        };

        return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
