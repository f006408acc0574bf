/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "kube-plugin.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define SECRET "hunter2"
#define V1 "client.authentication.k8s.io/v1"
#define OLD "apiVersion: client.authentication.k8s.io/v1beta1, command: x"
#define NEW "apiVersion: " V1 ", command: x, interactiveMode: Never"

/* A context serves as any entry. */
static KubeEntry parse(KubeFiles *f, const char *fields)
{
        _cleanup_free_ char *text = str_printf("contexts: [{name: c, context: %s}]\n", fields);
        KubeEntry e;

        *f = KUBE_FILES_INIT(100000);
        if (kube_files_parse(f, text, strlen(text), "/f", "/d") != 0)
                fail_msg("%s: %s", fields, f->error);
        assert_int_equal(kube_files_context(f, "c", &e), 0);
        return e;
}

static KubeExec *read_exec(const char *exec, int expected)
{
        _cleanup_free_ char *fields = str_printf("{exec: %s}", exec);
        _cleanup_kube_files_ KubeFiles f;
        KubeEntry e = parse(&f, fields);
        KubeExec *x = NULL;
        int r = kube_plugin_read(&e, true, &x);

        if (r != expected)
                fail_msg("%s: %d: %s", exec, r, f.error);
        return x;
}

static void test_all_fields(void **state)
{
        _cleanup_(kube_plugin_freep) KubeExec *x = read_exec(
                "{apiVersion: " V1 ", command: aws, args: [--region, 'eu west', ''], interactiveMode: "
                "IfAvailable, env: [{name: A, value: b=c}, {name: B}, {value: '', name: C}, {name: D, "
                "value: "
                "null}], installHint: \"a\\nb\\e\", provideClusterInfo: yes, unknown: 1}",
                1);

        assert_string_equal(x->api_version, V1);
        assert_string_equal(x->command, "aws");
        assert_string_equal(x->args[0], "--region");
        assert_string_equal(x->args[1], "eu west");
        assert_string_equal(x->args[2], "");
        assert_null(x->args[3]);
        assert_string_equal(x->env[0], "A=b=c");
        assert_string_equal(x->env[1], "B=");
        assert_string_equal(x->env[2], "C=");
        assert_string_equal(x->env[3], "D=");
        assert_null(x->env[4]);
        assert_string_equal(x->install_hint, "a\nb\x1b");
        assert_null(x->cluster);
}

static void test_few_fields(void **state)
{
        static const char *const few[] = { "{" OLD "}", "{" OLD ", args: , env: , installHint: '', "
                                                        "interactiveMode: '', provideClusterInfo: }" };

        assert_null(read_exec("", 0));
        assert_null(read_exec("null", 0));
        for (size_t i = 0; i < ELEMENTSOF(few); i++) {
                _cleanup_(kube_plugin_freep) KubeExec *x = read_exec(few[i], 0);

                assert_string_equal(x->api_version, V1 "beta1");
                assert_null(x->args[0]);
                assert_null(x->env[0]);
                assert_null(x->install_hint);
        }
}

/* With a slash it starts at the kubeconfig's directory. */
static void test_where_the_command_is(void **state)
{
        static const char *const cases[][2] = {
                { "x", "x" },       { "./x", "/d/./x" }, { "../a/x", "/d/../a/x" },
                { "/a/x", "/a/x" }, { "a b", "a b" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *exec = str_printf(
                        "{apiVersion: " V1 ", interactiveMode: Never, command: '%s'}", cases[i][0]);
                _cleanup_(kube_plugin_freep) KubeExec *x = read_exec(exec, 0);

                assert_string_equal(x->command, cases[i][1]);
        }
}

static void test_what_cannot_be(void **state)
{
        static const struct {
                const char *exec;
                int error;
                const char *message;
        } cases[] = {
                { "x", -EINVAL, "exec has no fields" },
                { "[]", -EINVAL, "exec has no fields" },
                { "{}", -EINVAL, "exec has no command" },
                { "{command: '', apiVersion: " V1 "}", -EINVAL, "exec has no command" },
                { "{command: [x]}", -EINVAL, "exec.command is not text" },
                { "{command: x}", -EINVAL, "exec has no apiVersion" },
                { "{command: x, apiVersion: 1}", -EINVAL,
                  "exec.apiVersion is not text, as there are no quotes around it" },
                { "{command: x, apiVersion: v1}", -EINVAL,
                  "exec.apiVersion is neither " V1 " nor " V1 "beta1" },
                { "{command: x, apiVersion: " V1 "beta2}", -EINVAL,
                  "exec.apiVersion is neither " V1 " nor " V1 "beta1" },
                { "{command: x, apiVersion: " V1 "alpha1}", -EOPNOTSUPP,
                  "exec has the apiVersion " V1 "alpha1, which Kubernetes gave up with 1.24; have a newer "
                  "version of the plugin write the kubeconfig anew" },
                { "{command: x, apiVersion: " V1 "}", -EINVAL,
                  "exec has no interactiveMode, which " V1 " needs" },
                { "{command: x, apiVersion: " V1 ", interactiveMode: never}", -EINVAL,
                  "exec.interactiveMode is none of Never, IfAvailable and Always" },
                { "{command: x, apiVersion: " V1 ", interactiveMode: Always}", -EOPNOTSUPP,
                  "exec.interactiveMode is Always, and eatr has no terminal; use a plugin that asks "
                  "nobody" },
                { "{" OLD ", interactiveMode: Always}", -EOPNOTSUPP,
                  "exec.interactiveMode is Always, and eatr has no terminal; use a plugin that asks "
                  "nobody" },
                { "{" NEW ", args: " SECRET "}", -EINVAL, "exec.args is not a list" },
                { "{" NEW ", args: [a, 1]}", -EINVAL,
                  "exec.args: entry 2 is not text, as there are no quotes around it" },
                { "{" NEW ", args: [[" SECRET "]]}", -EINVAL, "exec.args: entry 1 is not text" },
                { "{" NEW ", args: [null]}", -EINVAL, "exec.args: entry 1 is not text" },
                { "{" NEW ", env: {a: b}}", -EINVAL, "exec.env is not a list" },
                { "{" NEW ", env: [" SECRET "]}", -EINVAL, "exec.env: entry 1 has no name" },
                { "{" NEW ", env: [{name: a}, {value: " SECRET "}]}", -EINVAL,
                  "exec.env: entry 2 has no name" },
                { "{" NEW ", env: [{name: ''}]}", -EINVAL, "exec.env: entry 1 has no name" },
                { "{" NEW ", env: [{name: y, value: x}]}", -EINVAL,
                  "exec.env: entry 1 has no name, as there are no quotes around it" },
                { "{" NEW ", env: [{name: PORT, value: 1}]}", -EINVAL,
                  "exec.env: the value of \"PORT\" is not text, as there are no quotes around it" },
                { "{" NEW ", provideClusterInfo: 1}", -EINVAL,
                  "exec.provideClusterInfo is neither true nor false" },
                { "{" NEW ", installHint: [x]}", -EINVAL, "exec.installHint is not text" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *fields = str_printf("{exec: %s}", cases[i].exec);
                _cleanup_free_ char *message = str_printf("/f: context \"c\": %s", cases[i].message);
                _cleanup_kube_files_ KubeFiles f;
                KubeEntry e = parse(&f, fields);
                KubeExec *x = NULL;

                assert_int_equal(kube_plugin_read(&e, true, &x), cases[i].error);
                assert_string_equal(f.error, message);
                assert_null(x);
        }
}

/* When a token stands in for it, nobody is asked. */
static void test_a_terminal_is_no_use_only_if_it_is_needed(void **state)
{
        _cleanup_kube_files_ KubeFiles f;
        KubeEntry e = parse(&f, "{exec: {" OLD ", interactiveMode: Always}}");
        _cleanup_(kube_plugin_freep) KubeExec *x = NULL;

        assert_int_equal(kube_plugin_read(&e, false, &x), 0);
        assert_non_null(x);
}

/* kubectl 1.32 has the same for these in KUBERNETES_EXEC_INFO, with sorted keys in "config". */
static void test_what_is_told_of_the_cluster(void **state)
{
        static const struct {
                const char *cluster, *ca, *expected;
        } cases[] = {
                { "{server: 'https://k'}", NULL, "{\"server\":\"https://k\"}" },
                { "{server: 'https://k:6443/pre/?x#y', insecure-skip-tls-verify: false, proxy-url: ''}",
                  NULL, "{\"server\":\"https://k:6443/pre/\"}" },
                { "{server: 'https://k', tls-server-name: localhost, disable-compression: true, "
                  "insecure-skip-tls-verify: yes, proxy-url: 'http://u:" SECRET "@p', extensions: [{name: "
                  "other, extension: {a: b}}, {name: client.authentication.k8s.io/exec, extension: "
                  "{audience: "
                  "17, x: [yes, 1.5, a, null]}}]}",
                  "PEM\n",
                  "{\"server\":\"https://k\",\"tls-server-name\":\"localhost\","
                  "\"insecure-skip-tls-verify\":true,\"certificate-authority-data\":\"UEVNCg==\","
                  "\"proxy-url\":\"http://u:" SECRET "@p\",\"disable-compression\":true,"
                  "\"config\":{\"audience\":17,\"x\":[true,1.5,\"a\",null]}}" },
                { "{server: 'https://k', extensions: [{name: client.authentication.k8s.io/exec}]}", NULL,
                  "{\"server\":\"https://k\"}" },
                { "{server: 'https://k', extensions: x}", NULL, "{\"server\":\"https://k\"}" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(kube_plugin_freep) KubeExec *x = read_exec("{" NEW "}", 0);
                _cleanup_kube_files_ KubeFiles f;
                KubeEntry e = parse(&f, cases[i].cluster);

                assert_int_equal(kube_plugin_describe(&e, cases[i].ca, x), 0);
                assert_string_equal(x->cluster, cases[i].expected);
        }
}

static void test_equal(void **state)
{
        static const char *const execs[] = {
                "{" NEW "}",
                "{" OLD "}",
                "{" NEW "y}",
                "{" NEW ", args: [a]}",
                "{" NEW ", args: [a, b]}",
                "{" NEW ", args: [b]}",
                "{" NEW ", env: [{name: a}]}",
                "{" NEW ", env: [{name: a, value: b}]}",
                "{" NEW ", installHint: a}",
                "{" NEW ", installHint: b}",
        };
        size_t n = ELEMENTSOF(execs);
        KubeExec *read[ELEMENTSOF(execs)];

        read[2] = NULL;
        for (size_t i = 0; i < n; i++)
                if (i != 2)
                        read[i] = read_exec(execs[i], 0);
        for (size_t i = 0; i < n; i++)
                for (size_t j = 0; j < n; j++)
                        assert_int_equal(kube_plugin_equal(read[i], read[j]), i == j);
        read[2] = read_exec(execs[0], 0);
        assert_true(kube_plugin_equal(read[2], read[0]));
        read[2]->cluster = strdup("{}");
        assert_false(kube_plugin_equal(read[2], read[0]));
        for (size_t i = 0; i < n; i++)
                read[i] = kube_plugin_free(read[i]);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_all_fields),
                cmocka_unit_test(test_few_fields),
                cmocka_unit_test(test_where_the_command_is),
                cmocka_unit_test(test_what_cannot_be),
                cmocka_unit_test(test_a_terminal_is_no_use_only_if_it_is_needed),
                cmocka_unit_test(test_what_is_told_of_the_cluster),
                cmocka_unit_test(test_equal),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
