/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "kube-exec.c"

#include "folder.h"
#include "kube-login.h"

#include <signal.h>

#define V1 "client.authentication.k8s.io/v1"
#define V1BETA1 "client.authentication.k8s.io/v1beta1"
#define CREDENTIAL(version, rest) "{\"kind\":\"ExecCredential\",\"apiVersion\":\"" version "\"" rest "}"
#define STATUS(members) CREDENTIAL(V1, ",\"spec\":{},\"status\":{" members "}")

static char *nothing[] = { NULL };

static KubeExec config(const char *command, char **args, char **env)
{
        return (KubeExec){ .api_version = (char *) V1,
                           .command = (char *) command,
                           .args = args ? args : nothing,
                           .env = env ? env : nothing };
}

/* --- what it is told --------------------------------------------------------------------------------- */

static void test_info(void **state)
{
        KubeExec x = config("x", NULL, NULL);
        _cleanup_erase_ char *plain = kube_exec_info(&x), *whole = NULL;

        assert_string_equal(plain, "KUBERNETES_EXEC_INFO={\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1
                                   "\",\"spec\":{\"interactive\":false}}");
        x.api_version = (char *) V1BETA1;
        x.cluster = (char *) "{\"server\":\"https://x\"}";
        whole = kube_exec_info(&x);
        assert_string_equal(whole,
                            "KUBERNETES_EXEC_INFO={\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1BETA1
                            "\",\"spec\":{\"interactive\":false,\"cluster\":{\"server\":\"https://x\"}}}");
}

/* --- what it says ------------------------------------------------------------------------------------ */

static const char *read_text(const char *text, KubeCredential *ret)
{
        _cleanup_buf_ Buf b = BUF_INIT(KUBE_EXEC_OUTPUT_MAX);
        const KubeExec x = config("x", NULL, NULL);

        *ret = (KubeCredential){ 0 };
        assert_return_code(buf_append_str(&b, text), 0);
        return kube_exec_read(&b, &x, ret);
}

static void test_credentials(void **state)
{
        static const struct {
                const char *text, *token, *certificate, *key;
                usec_t expires;
        } cases[] = {
                { STATUS("\"token\":\"abc.def\""), "abc.def" },
                { " " STATUS("\"token\":\"abc\",\"expirationTimestamp\":\"2026-11-23T19:19:27Z\"") "\n",
                  "abc", .expires = 1795461567 * USEC_PER_SEC },
                { STATUS("\"token\":\"abc\",\"expirationTimestamp\":\"2026-11-23T20:19:27.5+01:00\""), "abc",
                  .expires = 1795461567 * USEC_PER_SEC },
                { STATUS("\"token\":\"abc\",\"expirationTimestamp\":null"), "abc" },
                { STATUS("\"clientCertificateData\":\"C\\nD\",\"clientKeyData\":\"K\""), NULL, "C\nD", "K" },
                { STATUS("\"token\":\"\",\"clientCertificateData\":\"C\",\"clientKeyData\":\"K\""), NULL,
                  "C", "K" },
                { STATUS("\"token\":\"a\",\"clientCertificateData\":\"C\",\"clientKeyData\":\"K\",\"more\":"
                         "1"),
                  "a", "C", "K" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                KubeCredential c;

                assert_null(read_text(cases[i].text, &c));
                assert_true(streq_ptr(c.token, cases[i].token));
                assert_true(streq_ptr(c.client_certificate, cases[i].certificate));
                assert_true(streq_ptr(c.client_key, cases[i].key));
                assert_int_equal(c.expires, cases[i].expires);
                kube_credential_done(&c);
        }
}

static void test_no_credentials(void **state)
{
        static const struct {
                const char *text, *problem;
        } cases[] = {
                { "", "it printed nothing" },
                { "s3cret", "what it printed is not JSON" },
                { STATUS("\"token\":\"s3cret\"") "x", "what it printed is not JSON" },
                { "[\"s3cret\"]", "what it printed is no ExecCredential" },
                { "{\"kind\":\"Secret\",\"apiVersion\":\"" V1 "\",\"status\":{\"token\":\"s3cret\"}}",
                  "what it printed is no ExecCredential" },
                { "{\"kind\":\"ExecCredential\",\"status\":{\"token\":\"s3cret\"}}",
                  "what it printed has another apiVersion than the kubeconfig's exec.apiVersion" },
                { CREDENTIAL(V1BETA1, ",\"status\":{\"token\":\"s3cret\"}"),
                  "what it printed has another apiVersion than the kubeconfig's exec.apiVersion" },
                { CREDENTIAL(V1, ""), "it has no status" },
                { CREDENTIAL(V1, ",\"status\":\"s3cret\""), "it has no status" },
                { CREDENTIAL(V1, ",\"status\":{}"),
                  "there is neither a token nor a client certificate in its status" },
                { STATUS("\"token\":\"\""),
                  "there is neither a token nor a client certificate in its status" },
                { STATUS("\"token\":7"), "there is neither a token nor a client certificate in its status" },
                { STATUS("\"token\":\"s3cret\",\"clientKeyData\":\"s3cret\""),
                  "it has status.clientKeyData without clientCertificateData" },
                { STATUS("\"clientCertificateData\":\"s3cret\",\"clientKeyData\":\"\""),
                  "it has status.clientCertificateData without clientKeyData" },
                { STATUS("\"token\":\"s3cret\",\"expirationTimestamp\":\"soon\""),
                  "status.expirationTimestamp is no time" },
                { STATUS("\"token\":\"s3cret\",\"expirationTimestamp\":1795461567"),
                  "status.expirationTimestamp is no time" },
                { STATUS("\"token\":\"s3cret\\r\\nX: y\""),
                  "status.token is too long, or has a blank or another character in it that cannot be" },
                { STATUS("\"token\":\"s3 cret\""),
                  "status.token is too long, or has a blank or another character in it that cannot be" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                KubeCredential c;
                const char *problem = read_text(cases[i].text, &c);

                assert_non_null(problem);
                assert_string_equal(problem, cases[i].problem);
                assert_null(c.token);
                assert_null(c.client_key);
        }
}

static void test_a_token_of_any_size(void **state)
{
        char *text = calloc(1, TOKEN_MAX + 4096);
        KubeCredential c;

        assert_non_null(text);
        for (size_t more = 0; more < 2; more++) {
                char *p = stpcpy(text, CREDENTIAL(V1, ",\"status\":{\"token\":\""));

                p -= 1; /* what closes the object */
                memset(p, 'x', TOKEN_MAX + more);
                (void) strcpy(p + TOKEN_MAX + more, "\"}}");
                assert_true(!read_text(text, &c) == (more == 0));
                kube_credential_done(&c);
        }
        free(text);
}

/* --- running it -------------------------------------------------------------------------------------- */

static sd_event *event;

static struct {
        bool done;
        KubeCredential credential;
        char problem[ERROR_MAX]; /* "" if there was none */
} result;

static void on_fetched(KubeCredential *credential, const char *problem, void *userdata)
{
        assert_ptr_equal(userdata, &result);
        assert_false(result.done);
        assert_true(!credential == !!problem);
        result.done = true;
        if (credential) {
                result.credential = *credential;
                *credential = (KubeCredential){ 0 };
        }
        (void) snprintf(result.problem, sizeof(result.problem), "%s", problem ? problem : "");
}

static void begin(KubeExecPlugin *p)
{
        kube_credential_done(&result.credential);
        result.done = false;
        assert_return_code(kube_exec_provider.fetch(p, on_fetched, &result), 0);
        assert_false(result.done);
}

static void run(const KubeExec *x)
{
        KubeExecPlugin *p = NULL;

        assert_return_code(kube_exec_new(event, x, &p), 0);
        begin(p);
        while (!result.done)
                assert_return_code(sd_event_run(event, USEC_INFINITY), 0);
        kube_exec_provider.free(p);
}

static void run_script(const char *script, char **env)
{
        char *args[] = { (char *) "-c", (char *) script, (char *) "name", (char *) "an argument", NULL };
        const KubeExec x = config("/bin/sh", args, env);

        run(&x);
}

#define PRINT "printf '" STATUS("\"token\":\"%s\"") "' "

static void test_it_runs(void **state)
{
        char *env[] = { (char *) "FIRST=one", (char *) "KUBERNETES_EXEC_INFO=theirs",
                        (char *) "HOME=/theirs", NULL };

        assert_int_equal(setenv("EATR_TEST", "ours", 1), 0);
        run_script(PRINT "$FIRST,$HOME,$EATR_TEST,${1%% *},${KUBERNETES_EXEC_INFO##*:}", env);
        assert_string_equal(result.problem, "");
        assert_string_equal(result.credential.token, "one,/theirs,ours,an,false}}");
}

/* What one program takes of two variables of the same name another may not. */
static void test_it_is_told_once(void **state)
{
        char *env[] = { (char *) "KUBERNETES_EXEC_INFO=theirs", NULL };

        run_script(PRINT "$(tr '\\0' '\\n' </proc/$$/environ | grep -c ^KUBERNETES_EXEC_INFO=)", env);
        assert_string_equal(result.credential.token, "1");
}

static void test_it_may_run_again_and_again(void **state)
{
        char *args[] = { (char *) "-c", (char *) "echo x >>runs; " PRINT "$(wc -l <runs)", NULL };
        const KubeExec x = config("/bin/sh", args, NULL);
        KubeExecPlugin *p = NULL;

        assert_return_code(kube_exec_new(event, &x, &p), 0);
        for (unsigned i = 1; i < 4; i++) {
                begin(p);
                while (!result.done)
                        assert_return_code(sd_event_run(event, USEC_INFINITY), 0);
                assert_int_equal(atoi(result.credential.token), i);
        }
        assert_null(kube_exec_free(p));
}

static void test_it_fails(void **state)
{
        KubeExec x = config("no-such-program", NULL, NULL);

        run_script("echo 'token: s3cretS3CRET0123456789abcdef' >&2; echo no network >&2; " PRINT "a; exit 3",
                   NULL);
        assert_string_equal(result.problem,
                            "the kubeconfig's program /bin/sh: it exited with status 3: no network");
        assert_null(result.credential.token);
        run_script("echo all is well >&2; echo s3cret", NULL);
        assert_string_equal(result.problem, "the kubeconfig's program /bin/sh: what it printed is not JSON");
        run_script("kill -9 $$", NULL);
        assert_non_null(strstr(result.problem, "it was killed by signal 9"));
        run_script("head -c 300000 /dev/zero", NULL);
        assert_string_equal(result.problem,
                            "the kubeconfig's program /bin/sh: it printed more than 256 KiB");
        run(&x);
        assert_string_equal(result.problem,
                            "the kubeconfig's program no-such-program: cannot run it: No such "
                            "file or directory");
        x.install_hint = (char *) "see\n https://x.example";
        run(&x);
        assert_string_equal(result.problem,
                            "the kubeconfig's program no-such-program: cannot run it: No such "
                            "file or directory (to install it: see  https://x.example)");
}

static void test_a_long_hint_is_cut(void **state)
{
        char command[400], hint[1000];
        const KubeExec x = { .api_version = (char *) V1,
                             .command = command,
                             .args = nothing,
                             .env = nothing,
                             .install_hint = hint };

        memset(command, 'c', sizeof(command) - 1);
        command[sizeof(command) - 1] = '\0';
        memset(hint, 'h', sizeof(hint) - 1);
        hint[sizeof(hint) - 1] = '\0';
        run(&x);
        assert_in_range(strlen(result.problem), COMMAND_SHOWN_MAX + HINT_SHOWN_MAX, ERROR_MAX - 1);
        assert_true(result.problem[strlen(result.problem) - 1] == ')');
}

/* It hangs, and is killed with what it has started. */
static void test_it_is_cancelled(void **state)
{
        char *args[] = { (char *) "-c", (char *) "echo $$ >pid; sleep 1000", NULL };
        const KubeExec x = config("/bin/sh", args, NULL);
        KubeExecPlugin *p = NULL;

        for (unsigned i = 0; i < 2; i++) {
                (void) unlink("pid");
                assert_return_code(kube_exec_new(event, &x, &p), 0);
                begin(p);
                while (access("pid", F_OK) < 0)
                        assert_return_code(sd_event_run(event, 10 * USEC_PER_MSEC), 0);
                if (i == 0)
                        kube_exec_provider.cancel(p);
                assert_true(!p->process == (i == 0));
                assert_null(kube_exec_free(p));
                assert_false(result.done);
        }
        assert_null(kube_exec_free(NULL));
}

/* --- who needs it ------------------------------------------------------------------------------------ */

static void test_who_needs_it(void **state)
{
        KubeExec x = config("/bin/true", NULL, NULL);
        KubeConfig kube = { .server = (char *) "https://x", .token = (char *) "abc" };
        KubeAuth *a;

        assert_return_code(kube_login_new(event, &kube, NULL, NULL, &a), 0);
        assert_false(kube_auth_fetches(a));
        assert_null(kube_auth_free(a));
        kube.token = NULL;
        kube.exec = &x;
        assert_return_code(kube_login_new(event, &kube, NULL, NULL, &a), 0);
        assert_true(kube_auth_fetches(a));
        assert_null(kube_auth_free(a));
}

static int set_up(void **state)
{
        sigset_t mask;

        if (sigemptyset(&mask) < 0 || sigaddset(&mask, SIGCHLD) < 0 ||
            sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
                return -1;
        return sd_event_new(&event) < 0 ? -1 : folder_set_up(state);
}

static int tear_down(void **state)
{
        kube_credential_done(&result.credential);
        event = sd_event_unref(event);
        return folder_tear_down(state);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_info),
                cmocka_unit_test(test_credentials),
                cmocka_unit_test(test_no_credentials),
                cmocka_unit_test(test_a_token_of_any_size),
                cmocka_unit_test(test_it_runs),
                cmocka_unit_test(test_it_is_told_once),
                cmocka_unit_test(test_it_may_run_again_and_again),
                cmocka_unit_test(test_it_fails),
                cmocka_unit_test(test_a_long_hint_is_cut),
                cmocka_unit_test(test_it_is_cancelled),
                cmocka_unit_test(test_who_needs_it),
        };

        return cmocka_run_group_tests_name("kube-exec", tests, set_up, tear_down);
}
