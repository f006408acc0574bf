/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "kube-config.h"

#include "buf.h"
#include "file.h"
#include "json.h"
#include "kube-impersonate.h"
#include "kube-pem.h"
#include "kube-server.h"
#include "words.h"
#include "x509-check.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>

#define TOKEN_SIZE_MAX (64U * 1024)

_Static_assert(sizeof(KubeConfigError) >= KUBE_FILES_ERROR_MAX, "errors are handed on whole");

/* Tokens. */

/* Copies a token without the blanks around it. It becomes a header, so no control characters either. */
static int copy_token(const char *s, char **ret)
{
        char *copy;
        size_t n;

        while (isspace((unsigned char) *s))
                s++;
        n = strlen(s);
        while (n > 0 && isspace((unsigned char) s[n - 1]))
                n--;
        if (n == 0)
                return -ENODATA;
        for (size_t i = 0; i < n; i++)
                if (iscntrl((unsigned char) s[i]))
                        return -EBADMSG;
        copy = strndup(s, n);
        if (!copy)
                return -ENOMEM;
        *ret = copy;
        return 0;
}

int kube_config_read_token(const char *path, char **ret)
{
        _cleanup_buf_ Buf b = BUF_INIT_SECRET(TOKEN_SIZE_MAX);
        int r;

        r = file_read(path, &b);
        if (r < 0)
                return r;
        if (strlen(buf_str(&b)) != b.size)
                return -EBADMSG;
        return copy_token(buf_str(&b), ret);
}

static const char *token_strerror(int error)
{
        switch (error) {
        case -ENODATA:
                return "it is empty";
        case -EBADMSG:
                return "there is a control character in it";
        default:
                return file_strerror(error);
        }
}

static int read_token(const KubeEntry *e, KubeConfig *c)
{
        const char *token;
        int r;

        r = kube_files_string(e, "token", &token);
        if (r < 0 || !token)
                return r;
        r = copy_token(token, &c->token);
        if (r == -EBADMSG)
                return kube_files_fail(e, -EINVAL, "token: %s", token_strerror(r));
        return r == -ENODATA ? 0 : r;
}

/* What stands in for a plugin (plugin/pkg/client/auth/exec/exec.go, UpdateTransportConfig()). */
static bool has_credentials(const KubeConfig *c)
{
        return c->token || c->token_file || c->client_certificate || c->username;
}

/* Its token stands in for the entry's, which serves as long as the file cannot be read. */
static int read_token_file(const KubeEntry *e, KubeConfig *c)
{
        const char *path;
        char *token;
        int r;

        r = kube_files_string(e, "tokenFile", &path);
        if (r < 0 || !path)
                return r;
        c->token_file = kube_files_resolve(e, path);
        if (!c->token_file)
                return -ENOMEM;
        r = kube_config_read_token(c->token_file, &token);
        if (r >= 0) {
                (void) str_erase_free(c->token);
                c->token = token;
                return 0;
        }
        if (r == -ENOMEM)
                return r;
        if (c->token)
                return 0;
        if (kube_files_note(e->files, c->token_file) < 0)
                return -ENOMEM;
        return kube_files_fail(e, r, "tokenFile: cannot read %s: %s", c->token_file, token_strerror(r));
}

/* Users. */

/* Without a certificate nobody looks at a key, as in client-go (tools/clientcmd/client_config.go), unless
 * there is nothing else. */
static int read_client_certificate(const KubeEntry *e, KubeConfig *c)
{
        const char *problem;
        int r;

        r = kube_pem_read(e, "client-certificate", &c->client_certificate);
        if (r < 0 || !c->client_certificate)
                return r;
        r = kube_pem_read(e, "client-key", &c->client_key);
        if (r < 0)
                return r;
        if (!c->client_key)
                return kube_files_fail(e, -EINVAL, "there is a client-certificate, but no client-key");
        problem = x509_check_pair(c->client_certificate, c->client_key);
        return problem ? kube_files_fail(e, -EINVAL, "client-certificate: %s", problem) : 0;
}

static int read_secret(const KubeEntry *e, const char *field, char **ret)
{
        const char *value;
        int r;

        r = kube_files_string(e, field, &value);
        return r < 0 ? r : str_replace(ret, value);
}

static int read_basic(const KubeEntry *e, KubeConfig *c)
{
        int r;

        r = read_secret(e, "username", &c->username);
        if (r >= 0)
                r = read_secret(e, "password", &c->password);
        if (r >= 0 && (c->username || c->password) && (c->token || c->token_file))
                return kube_files_fail(
                        e, -EINVAL,
                        "a token, and username and password, exclude each other; only one is sent");
        return r;
}

/* client-go has given up those of clouds, and the one that is left keeps tokens in the kubeconfig, which
 * eatr does not write. */
static int refuse_auth_provider(const KubeEntry *e)
{
        static const struct {
                const char *name, *instead;
        } known[] = {
                { "gcp",
                  "the exec plugin gke-gcloud-auth-plugin is in its place: \"gcloud container clusters "
                  "get-credentials\" writes a kubeconfig with it" },
                { "azure", "the exec plugin kubelogin is in its place: \"kubelogin convert-kubeconfig\" "
                           "writes a kubeconfig with it" },
                { "oidc", "use an exec plugin for OpenID Connect, such as kubelogin (kubectl oidc-login)" },
        };
        const cJSON *provider = kube_files_get(e, "auth-provider");
        const char *name = json_string(provider, "name");

        if (!provider)
                return 0;
        for (size_t i = 0; name && i < ELEMENTSOF(known); i++)
                if (streq(name, known[i].name))
                        return kube_files_fail(e, -EOPNOTSUPP, "eatr cannot do the auth-provider %s; %s",
                                               known[i].name, known[i].instead);
        return kube_files_fail(e, -EOPNOTSUPP,
                               "eatr cannot do an auth-provider; use an exec plugin, a client certificate, "
                               "a token or a tokenFile instead");
}

static int read_user(const KubeEntry *e, const KubeEntry *cluster, KubeConfig *c)
{
        int r;

        r = refuse_auth_provider(e);
        if (r >= 0)
                r = read_client_certificate(e, c);
        if (r >= 0)
                r = read_token(e, c);
        if (r >= 0)
                r = read_token_file(e, c);
        if (r >= 0)
                r = read_basic(e, c);
        if (r >= 0)
                r = kube_impersonate_read(e, &c->impersonate);
        if (r >= 0)
                r = kube_plugin_read(e, !has_credentials(c), &c->exec);
        if (r > 0)
                r = kube_plugin_describe(cluster, c->ca, c->exec);
        if (has_credentials(c))
                c->exec = kube_plugin_free(c->exec);
        else if (r >= 0 && !c->exec &&
                 (kube_files_has(e, "client-key") || kube_files_has(e, "client-key-data")))
                return kube_files_fail(e, -EINVAL, "there is a client-key, but no client-certificate");
        return r;
}

/* Clusters. */

static int read_tls_server_name(const KubeEntry *e, KubeConfig *c)
{
        const char *name;
        int r;

        r = kube_files_string(e, "tls-server-name", &name);
        if (r < 0 || !name)
                return r;
        for (const char *p = name; *p; p++)
                if (!isalnum((unsigned char) *p) && !strchr(".-_:", *p))
                        return kube_files_fail(e, -EINVAL, "tls-server-name is not a host name");
        return str_replace(&c->tls_server_name, name);
}

static int read_trust(const KubeEntry *e, KubeConfig *c)
{
        int r;

        r = kube_files_bool(e, "insecure-skip-tls-verify", &c->insecure_skip_tls_verify);
        if (r >= 0)
                r = kube_pem_read(e, "certificate-authority", &c->ca);
        if (r < 0 || !c->ca)
                return r;
        if (c->insecure_skip_tls_verify)
                return kube_files_fail(
                        e, -EINVAL, "certificate-authority and insecure-skip-tls-verify exclude each other");
        if (!x509_check_anchors(c->ca))
                return kube_files_fail(
                        e, -EINVAL, "certificate-authority: there is no certificate in it that can be read");
        return 0;
}

static int read_proxy(const KubeEntry *e, KubeConfig *c)
{
        const char *proxy, *reason;
        int r;

        r = kube_files_string(e, "proxy-url", &proxy);
        if (r < 0 || !proxy)
                return r;
        r = kube_server_parse_proxy(proxy, &c->proxy_url, &reason);
        if (r < 0 && r != -ENOMEM)
                return kube_files_fail(e, r, "proxy-url: %s", reason);
        return r;
}

static int read_server(const KubeEntry *e, KubeConfig *c)
{
        const char *server, *reason;
        int r;

        r = kube_files_string(e, "server", &server);
        if (r < 0)
                return r;
        if (!server)
                return kube_files_fail(e, -EINVAL, "it has no server");
        r = kube_server_parse(server, &c->server, &reason);
        if (r < 0 && r != -ENOMEM)
                return kube_files_fail(e, r, "server: %s", reason);
        return r;
}

static int read_cluster(const KubeEntry *e, KubeConfig *c)
{
        int r;

        r = read_server(e, c);
        if (r >= 0)
                r = read_trust(e, c);
        if (r >= 0)
                r = read_tls_server_name(e, c);
        if (r >= 0)
                r = read_proxy(e, c);
        if (r >= 0)
                r = kube_files_bool(e, "disable-compression", &c->disable_compression);
        return r;
}

/* A context: the two together. */

/* tools/clientcmd/client_config.go, IsConfigTransportTLS(). */
static void keep_credentials_for_https(KubeConfig *c)
{
        if (startswith(c->server, "https:"))
                return;
        free(TAKE_PTR(c->client_certificate));
        free(TAKE_PTR(c->token_file));
        c->client_key = str_erase_free(c->client_key);
        c->token = str_erase_free(c->token);
        c->username = str_erase_free(c->username);
        c->password = str_erase_free(c->password);
        c->exec = kube_plugin_free(c->exec);
}

static int read_context(const KubeEntry *e, KubeConfig *c)
{
        KubeEntry cluster, user;
        int r;

        r = kube_files_follow(e, &kube_files_clusters, &cluster);
        if (r == 0)
                return kube_files_fail(e, -EINVAL, "it names no cluster");
        if (r < 0)
                return r;
        r = read_cluster(&cluster, c);
        if (r < 0)
                return r;
        r = kube_files_follow(e, &kube_files_users, &user);
        if (r > 0)
                r = read_user(&user, &cluster, c);
        if (r < 0)
                return r;
        keep_credentials_for_https(c);
        return str_replace(&c->context, e->name);
}

static int make_config(KubeFiles *f, const char *context, KubeConfig **ret)
{
        _cleanup_(kube_config_freep) KubeConfig *c = calloc(1, sizeof(*c));
        KubeEntry e;
        int r;

        if (!c)
                return -ENOMEM;
        r = kube_files_context(f, context, &e);
        if (r < 0)
                return r;
        r = read_context(&e, c);
        if (r >= 0)
                *ret = TAKE_PTR(c);
        return r;
}

/* -ENOMEM arrives without a text. */
static int finish(const KubeFiles *f, int r, KubeConfigError *error)
{
        if (r < 0)
                (void) snprintf(error->text, sizeof(error->text), "%s",
                                r == -ENOMEM ? "out of memory" : f->error);
        return r;
}

int kube_config_load(const char *explicit_path, const char *kubeconfig_env, const char *home,
                     const char *context, KubeConfig **ret, char ***ret_files, KubeConfigError *error)
{
        _cleanup_kube_files_ KubeFiles f = KUBE_FILES_INIT(KUBE_CONFIG_SIZE_MAX);
        int r;

        r = kube_files_load(&f, explicit_path, kubeconfig_env, home);
        if (r >= 0)
                r = make_config(&f, context, ret);
        *ret_files = kube_files_take_noted(&f);
        return finish(&f, r, error);
}

int kube_config_parse(const char *text, size_t size, const char *path, const char *directory,
                      const char *context, KubeConfig **ret, KubeConfigError *error)
{
        _cleanup_kube_files_ KubeFiles f = KUBE_FILES_INIT(KUBE_CONFIG_SIZE_MAX);
        int r;

        r = kube_files_parse(&f, text, size, path, directory);
        if (r >= 0)
                r = make_config(&f, context, ret);
        return finish(&f, r, error);
}

static bool same_server(const KubeConfig *a, const KubeConfig *b)
{
        return streq(a->context, b->context) && streq(a->server, b->server) &&
               streq_ptr(a->proxy_url, b->proxy_url) && streq_ptr(a->tls_server_name, b->tls_server_name) &&
               streq_ptr(a->ca, b->ca) && a->insecure_skip_tls_verify == b->insecure_skip_tls_verify &&
               a->disable_compression == b->disable_compression;
}

static bool same_token(const KubeConfig *a, const KubeConfig *b)
{
        return streq_ptr(a->token_file, b->token_file) && (a->token_file || streq_ptr(a->token, b->token));
}

static bool same_user(const KubeConfig *a, const KubeConfig *b)
{
        return streq_ptr(a->client_certificate, b->client_certificate) &&
               streq_ptr(a->client_key, b->client_key) && same_token(a, b) &&
               streq_ptr(a->username, b->username) && streq_ptr(a->password, b->password) &&
               words_equal(a->impersonate, b->impersonate) && kube_plugin_equal(a->exec, b->exec);
}

bool kube_config_equal(const KubeConfig *a, const KubeConfig *b)
{
        return same_server(a, b) && same_user(a, b);
}

KubeConfig *kube_config_free(KubeConfig *c)
{
        if (!c)
                return NULL;
        free(c->context);
        free(c->server);
        (void) str_erase_free(c->proxy_url);
        free(c->tls_server_name);
        free(c->ca);
        free(c->client_certificate);
        (void) str_erase_free(c->client_key);
        (void) str_erase_free(c->token);
        free(c->token_file);
        (void) str_erase_free(c->username);
        (void) str_erase_free(c->password);
        (void) words_free(c->impersonate);
        (void) kube_plugin_free(c->exec);
        free(c);
        return NULL;
}
