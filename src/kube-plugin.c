/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "kube-plugin.h"

#include "encode.h"
#include "json.h"
#include "kube-yaml.h"
#include "words.h"

#include <errno.h>

#define GROUP "client.authentication.k8s.io/"

/* The text of a member, NULL if there is nothing in it. */
static int get_string(const KubeEntry *e, const cJSON *exec, const char *name, const char **ret)
{
        const cJSON *j = kube_yaml_get(exec, name);

        *ret = NULL;
        if (!j || cJSON_IsNull(j))
                return 0;
        if (!cJSON_IsString(j))
                return kube_files_fail(e, -EINVAL, "exec.%s is not text%s", name, kube_files_not_text(j));
        *ret = str_empty(j->valuestring) ? NULL : j->valuestring;
        return 0;
}

static int read_api_version(const KubeEntry *e, const cJSON *exec, KubeExec *x)
{
        const char *version;
        int r;

        r = get_string(e, exec, "apiVersion", &version);
        if (r < 0)
                return r;
        if (!version)
                return kube_files_fail(e, -EINVAL, "exec has no apiVersion");
        if (streq(version, GROUP "v1alpha1"))
                return kube_files_fail(e, -EOPNOTSUPP,
                                       "exec has the apiVersion " GROUP "v1alpha1, which Kubernetes gave up "
                                       "with 1.24; have a newer version of the plugin write the kubeconfig "
                                       "anew");
        if (!streq(version, GROUP "v1") && !streq(version, GROUP "v1beta1"))
                return kube_files_fail(e, -EINVAL,
                                       "exec.apiVersion is neither " GROUP "v1 nor " GROUP "v1beta1");
        return str_replace(&x->api_version, version);
}

/* One with a slash starts where the kubeconfig lies (tools/clientcmd/loader.go,
 * GetAuthInfoFileReferences()). */
static int read_command(const KubeEntry *e, const cJSON *exec, KubeExec *x)
{
        const char *command;
        int r;

        r = get_string(e, exec, "command", &command);
        if (r < 0)
                return r;
        if (!command)
                return kube_files_fail(e, -EINVAL, "exec has no command");
        x->command = strchr(command, '/') ? kube_files_resolve(e, command) : strdup(command);
        return x->command ? 0 : -ENOMEM;
}

/* The list of that name, and an array with room for as many strings. */
static int get_list(const KubeEntry *e, const cJSON *exec, const char *name, const cJSON **ret,
                    char ***ret_strings)
{
        const cJSON *list = kube_yaml_get(exec, name);

        *ret = NULL;
        if (list && !cJSON_IsNull(list) && !cJSON_IsArray(list))
                return kube_files_fail(e, -EINVAL, "exec.%s is not a list", name);
        *ret_strings = calloc((size_t) cJSON_GetArraySize(list) + 1, sizeof(**ret_strings));
        if (!*ret_strings)
                return -ENOMEM;
        *ret = list;
        return 0;
}

static int read_args(const KubeEntry *e, const cJSON *exec, KubeExec *x)
{
        const cJSON *list;
        size_t n = 0;
        int r;

        r = get_list(e, exec, "args", &list, &x->args);
        if (r < 0)
                return r;
        JSON_FOREACH (item, list) {
                if (!cJSON_IsString(item))
                        return kube_files_fail(e, -EINVAL, "exec.args: entry %zu is not text%s", n + 1,
                                               kube_files_not_text(item));
                x->args[n] = strdup(item->valuestring);
                if (!x->args[n++])
                        return -ENOMEM;
        }
        return 0;
}

static int read_env(const KubeEntry *e, const cJSON *exec, KubeExec *x)
{
        const cJSON *list;
        size_t n = 0;
        int r;

        r = get_list(e, exec, "env", &list, &x->env);
        if (r < 0)
                return r;
        JSON_FOREACH (item, list) {
                const cJSON *name = kube_yaml_get(item, "name"), *value = kube_yaml_get(item, "value");
                const char *name_text = cJSON_GetStringValue(name), *text = cJSON_GetStringValue(value);

                if (str_empty(name_text))
                        return kube_files_fail(e, -EINVAL, "exec.env: entry %zu has no name%s", n + 1,
                                               name ? kube_files_not_text(name) : "");
                if (value && !cJSON_IsNull(value) && !text)
                        return kube_files_fail(e, -EINVAL, "exec.env: the value of \"%s\" is not text%s",
                                               name_text, kube_files_not_text(value));
                x->env[n] = str_printf("%s=%s", name_text, text ? text : "");
                if (!x->env[n++])
                        return -ENOMEM;
        }
        return 0;
}

/* The older version of the interface has a default for it. */
static int check_interactive_mode(const KubeEntry *e, const cJSON *exec, const KubeExec *x, bool needed)
{
        const char *mode;
        int r;

        r = get_string(e, exec, "interactiveMode", &mode);
        if (r < 0)
                return r;
        if (!mode && streq_ptr(x->api_version, GROUP "v1beta1"))
                return 0;
        if (!mode)
                return kube_files_fail(e, -EINVAL, "exec has no interactiveMode, which " GROUP "v1 needs");
        if (streq(mode, "Never") || streq(mode, "IfAvailable"))
                return 0;
        if (!streq(mode, "Always"))
                return kube_files_fail(e, -EINVAL,
                                       "exec.interactiveMode is none of Never, IfAvailable and Always");
        if (needed)
                return kube_files_fail(e, -EOPNOTSUPP,
                                       "exec.interactiveMode is Always, and eatr has no terminal; use a "
                                       "plugin that asks nobody");
        return 0;
}

static int read_provide_cluster_info(const KubeEntry *e, const cJSON *exec)
{
        const cJSON *j = kube_yaml_get(exec, "provideClusterInfo");

        if (!j || cJSON_IsNull(j) || cJSON_IsBool(j))
                return cJSON_IsTrue(j);
        return kube_files_fail(e, -EINVAL, "exec.provideClusterInfo is neither true nor false");
}

static int read_install_hint(const KubeEntry *e, const cJSON *exec, KubeExec *x)
{
        const char *hint;
        int r;

        r = get_string(e, exec, "installHint", &hint);
        return r < 0 ? r : str_replace(&x->install_hint, hint);
}

static int read_all(const KubeEntry *e, const cJSON *exec, bool needed, KubeExec *x)
{
        int r;

        if (!cJSON_IsObject(exec))
                return kube_files_fail(e, -EINVAL, "exec has no fields");
        r = read_command(e, exec, x);
        if (r >= 0)
                r = read_api_version(e, exec, x);
        if (r >= 0)
                r = read_args(e, exec, x);
        if (r >= 0)
                r = read_env(e, exec, x);
        if (r >= 0)
                r = check_interactive_mode(e, exec, x, needed);
        if (r >= 0)
                r = read_install_hint(e, exec, x);
        return r < 0 ? r : read_provide_cluster_info(e, exec);
}

int kube_plugin_read(const KubeEntry *user, bool needed, KubeExec **ret)
{
        const cJSON *exec = kube_files_get(user, "exec");
        _cleanup_(kube_plugin_freep) KubeExec *x = NULL;
        int r;

        if (!exec)
                return 0;
        x = calloc(1, sizeof(*x));
        if (!x)
                return -ENOMEM;
        r = read_all(user, exec, needed, x);
        if (r >= 0)
                *ret = TAKE_PTR(x);
        return r;
}

/* --- what is told of the cluster --------------------------------------------------------------------- */

static bool add_string(cJSON *j, const char *name, const char *value)
{
        return !value || cJSON_AddStringToObject(j, name, value);
}

static int copy_string(const KubeEntry *cluster, const char *field, cJSON *j)
{
        const char *value;
        int r;

        r = kube_files_string(cluster, field, &value);
        return r < 0 ? r : add_string(j, field, value) ? 0 : -ENOMEM;
}

static int copy_bool(const KubeEntry *cluster, const char *field, cJSON *j)
{
        bool value;
        int r;

        r = kube_files_bool(cluster, field, &value);
        return r < 0 ? r : !value || cJSON_AddTrueToObject(j, field) ? 0 : -ENOMEM;
}

/* A path goes without query and fragment. */
static int copy_server(const KubeEntry *cluster, cJSON *j)
{
        _cleanup_free_ char *server = NULL;
        const char *value;
        int r;

        r = kube_files_string(cluster, "server", &value);
        if (r < 0)
                return r;
        server = value ? strndup(value, strcspn(value, "?#")) : strdup("");
        return server && add_string(j, "server", server) ? 0 : -ENOMEM;
}

static int copy_ca(const char *ca, cJSON *j)
{
        _cleanup_free_ char *encoded = ca ? encode_base64(ca, strlen(ca)) : NULL;

        if (ca && !encoded)
                return -ENOMEM;
        return add_string(j, "certificate-authority-data", encoded) ? 0 : -ENOMEM;
}

/* The extension of that name is for the plugin alone. */
static int copy_config(const KubeEntry *cluster, cJSON *j)
{
        JSON_FOREACH (item, kube_files_get(cluster, "extensions")) {
                const cJSON *name = kube_yaml_get(item, "name"), *config = kube_yaml_get(item, "extension");
                cJSON *copy;

                if (!cJSON_IsString(name) || !streq(name->valuestring, GROUP "exec") || !config)
                        continue;
                copy = cJSON_Duplicate(config, true);
                if (copy && cJSON_AddItemToObject(j, "config", copy))
                        return 0;
                cJSON_Delete(copy);
                return -ENOMEM;
        }
        return 0;
}

int kube_plugin_describe(const KubeEntry *cluster, const char *ca, KubeExec *e)
{
        _cleanup_json_ cJSON *j = cJSON_CreateObject();
        int r;

        r = j ? copy_server(cluster, j) : -ENOMEM;
        if (r >= 0)
                r = copy_string(cluster, "tls-server-name", j);
        if (r >= 0)
                r = copy_bool(cluster, "insecure-skip-tls-verify", j);
        if (r >= 0)
                r = copy_ca(ca, j);
        if (r >= 0)
                r = copy_string(cluster, "proxy-url", j);
        if (r >= 0)
                r = copy_bool(cluster, "disable-compression", j);
        if (r >= 0)
                r = copy_config(cluster, j);
        if (r < 0)
                return r;
        e->cluster = json_print(j);
        return e->cluster ? 0 : -ENOMEM;
}

/* --- as values ---------------------------------------------------------------------------------------- */

bool kube_plugin_equal(const KubeExec *a, const KubeExec *b)
{
        if (!a || !b)
                return a == b;
        return streq(a->api_version, b->api_version) && streq(a->command, b->command) &&
               words_equal(a->args, b->args) && words_equal(a->env, b->env) &&
               streq_ptr(a->install_hint, b->install_hint) && streq_ptr(a->cluster, b->cluster);
}

KubeExec *kube_plugin_free(KubeExec *e)
{
        if (!e)
                return NULL;
        free(e->api_version);
        free(e->command);
        (void) words_free(e->args);
        (void) words_free(e->env);
        free(e->install_hint);
        (void) str_erase_free(e->cluster);
        free(e);
        return NULL;
}
