/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "json.h"
#include "kube-exec.h"
#include "process.h"
#include "words.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>

#define INFO_VARIABLE "KUBERNETES_EXEC_INFO="

/* A header line that servers take; Go's net/http takes 1 MiB of all of them, most gateways far less. */
#define TOKEN_MAX (64U * 1024)

#define COMMAND_SHOWN_MAX 100U
#define HINT_SHOWN_MAX 200U
#define ERROR_MAX 512U

struct KubeExecPlugin {
        sd_event *event;
        const KubeExec *config;
        Process *process;
        kube_auth_fetched_t done;
        void *userdata;
};

/* --- what is said to it, and what it says ---------------------------------------------------------- */

char *kube_exec_info(const KubeExec *config)
{
        return str_printf(
                INFO_VARIABLE
                "{\"kind\":\"ExecCredential\",\"apiVersion\":\"%s\",\"spec\":{\"interactive\":false"
                "%s%s}}",
                config->api_version, config->cluster ? ",\"cluster\":" : "",
                config->cluster ? config->cluster : "");
}

/* Takes a string that may be empty, which is as good as none. */
static int take_string(const cJSON *status, const char *name, char **ret)
{
        const char *s = json_string(status, name);

        if (str_empty(s))
                return 0;
        *ret = strdup(s);
        return *ret ? 0 : -ENOMEM;
}

static bool is_token(const char *s)
{
        size_t n = strlen(s);

        for (size_t i = 0; i < n; i++)
                if (!isgraph((unsigned char) s[i]))
                        return false;
        return n <= TOKEN_MAX;
}

static const char *check_credential(const KubeCredential *c)
{
        if (!c->client_certificate != !c->client_key)
                return c->client_key ? "it has status.clientKeyData without clientCertificateData"
                                     : "it has status.clientCertificateData without clientKeyData";
        if (!c->token && !c->client_certificate)
                return "there is neither a token nor a client certificate in its status";
        if (c->token && !is_token(c->token))
                return "status.token is too long, or has a blank or another character in it that cannot be";
        return NULL;
}

static const char *read_status(const cJSON *status, KubeCredential *c)
{
        const cJSON *expires = json_get(status, "expirationTimestamp");

        if (!cJSON_IsObject(status))
                return "it has no status";
        if (take_string(status, "token", &c->token) < 0 ||
            take_string(status, "clientCertificateData", &c->client_certificate) < 0 ||
            take_string(status, "clientKeyData", &c->client_key) < 0)
                return strerror(ENOMEM);
        if (expires && !cJSON_IsNull(expires) &&
            (!cJSON_IsString(expires) || clock_parse_rfc3339(expires->valuestring, &c->expires) < 0))
                return "status.expirationTimestamp is no time";
        return check_credential(c);
}

/* In client-go any other version is an error as well, though they hold the same. */
static const char *check_version(const cJSON *j, const KubeExec *config)
{
        const char *kind = json_string(j, "kind"), *version = json_string(j, "apiVersion");

        if (!kind || !streq(kind, "ExecCredential"))
                return "what it printed is no ExecCredential";
        if (!version || !streq(version, config->api_version))
                return "what it printed has another apiVersion than the kubeconfig's exec.apiVersion";
        return NULL;
}

const char *kube_exec_read(const Buf *output, const KubeExec *config, KubeCredential *ret)
{
        _cleanup_(kube_credential_done) KubeCredential c = { 0 };
        _cleanup_json_ cJSON *j = NULL;
        const char *problem;

        if (json_parse(buf_str(output), output->size, KUBE_EXEC_OUTPUT_MAX, &j) < 0)
                return output->size == 0 ? "it printed nothing" : "what it printed is not JSON";
        problem = check_version(j, config);
        if (!problem)
                problem = read_status(json_get(j, "status"), &c);
        if (problem)
                return problem;
        *ret = c;
        c = (KubeCredential){ 0 };
        return NULL;
}

/* --- failures -------------------------------------------------------------------------------------- */

/* Whoever wrote the kubeconfig may have said what to do where there is no such program. */
static void describe(const KubeExecPlugin *p, ProcessOutcome outcome, const char *problem,
                     char error[static ERROR_MAX])
{
        const char *hint = outcome == PROCESS_NOT_RUN ? p->config->install_hint : NULL;
        const char *words = outcome == PROCESS_OK ? "" : process_last_words(p->process);
        const char *command = p->config->command;

        (void) snprintf(error, ERROR_MAX, "the kubeconfig's program %.*s: %s%s%s",
                        str_fit(command, strlen(command), COMMAND_SHOWN_MAX), command, problem,
                        *words ? ": " : "", words);
        if (hint) {
                size_t n = strlen(error);

                (void) snprintf(error + n, ERROR_MAX - n, " (to install it: %.*s)",
                                str_fit(hint, strlen(hint), HINT_SHOWN_MAX), hint);
        }
        (void) str_make_printable(error);
}

static void on_done(Process *process, ProcessOutcome outcome, void *userdata)
{
        _cleanup_(kube_credential_done) KubeCredential c = { 0 };
        char error[ERROR_MAX] = "";
        KubeExecPlugin *p = userdata;
        const char *problem = outcome == PROCESS_OK ? kube_exec_read(process_output(process), p->config, &c)
                                                    : process_error(process);

        if (problem)
                describe(p, outcome, problem, error);
        p->process = process_free(p->process);
        p->done(problem ? NULL : &c, problem ? error : NULL, p->userdata);
}

/* --- running --------------------------------------------------------------------------------------- */

static int make_argv(const KubeExec *config, char ***ret)
{
        _cleanup_(words_freep) char **argv = NULL;
        size_t n = words_count(config->args);

        argv = calloc(n + 2, sizeof(*argv));
        if (!argv)
                return -ENOMEM;
        for (size_t i = 0; i <= n; i++)
                if (str_replace(&argv[i], i == 0 ? config->command : config->args[i - 1]) < 0)
                        return -ENOMEM;
        *ret = TAKE_PTR(argv);
        return 0;
}

/* Ours, the entry's, and what eatr has to say, whatever the others say of it. */
static int make_environment(const KubeExec *config, char ***ret)
{
        _cleanup_free_ char **additions = NULL;
        _cleanup_erase_ char *info = NULL;
        size_t n = 0;

        info = kube_exec_info(config);
        additions = calloc(words_count(config->env) + 2, sizeof(*additions));
        if (!info || !additions)
                return -ENOMEM;
        for (char *const *p = config->env; *p; p++)
                if (!startswith(*p, INFO_VARIABLE))
                        additions[n++] = *p;
        additions[n] = info;
        return process_environment(additions, ret);
}

static int fetch(void *self, kube_auth_fetched_t done, void *userdata)
{
        _cleanup_(words_freep) char **argv = NULL;
        _cleanup_(words_freep) char **env = NULL;
        KubeExecPlugin *p = self;
        int r;

        r = make_argv(p->config, &argv);
        if (r < 0)
                return r;
        r = make_environment(p->config, &env);
        if (r < 0)
                return r;
        p->done = done;
        p->userdata = userdata;

        const ProcessSpec spec = {
                .argv = argv,
                .env = env,
                .timeout = KUBE_EXEC_TIMEOUT,
                .output_max = KUBE_EXEC_OUTPUT_MAX,
        };
        return process_start(p->event, &spec, on_done, p, &p->process);
}

static void cancel(void *self)
{
        KubeExecPlugin *p = self;

        p->process = process_free(p->process);
}

static void provider_free(void *self)
{
        (void) kube_exec_free(self);
}

const KubeAuthProvider kube_exec_provider = { .fetch = fetch, .cancel = cancel, .free = provider_free };

int kube_exec_new(sd_event *event, const KubeExec *config, KubeExecPlugin **ret)
{
        KubeExecPlugin *p = calloc(1, sizeof(*p));

        if (!p)
                return -ENOMEM;
        p->event = sd_event_ref(event);
        p->config = config;
        *ret = p;
        return 0;
}

KubeExecPlugin *kube_exec_free(KubeExecPlugin *p)
{
        if (!p)
                return NULL;
        (void) process_free(p->process);
        (void) sd_event_unref(p->event);
        free(p);
        return NULL;
}
