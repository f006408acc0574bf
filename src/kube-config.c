/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "kube-config.h"

#include "buf.h"
#include "encode.h"
#include "file.h"
#include "kube-files.h"
#include "kube-server.h"
#include "words.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>

#define TOKEN_SIZE_MAX (64U * 1024)

_Static_assert(sizeof(KubeConfigError) >= KUBE_FILES_ERROR_MAX, "errors are handed on whole");

/* What eatr cannot do yet, and what to do about it. */
typedef struct Refused {
        const char *field;
        const char *instead;
} Refused;

static const Refused refused_in_cluster[] = {
        { "proxy-url", "set HTTPS_PROXY in eatr's environment instead" },
};

#define OTHER_RIGHTS "give eatr credentials that have the rights themselves"
#define OTHER_CREDENTIALS "use a client certificate, a token or a tokenFile instead"
static const Refused refused_in_user[] = {
        { "as", OTHER_RIGHTS },
        { "as-uid", OTHER_RIGHTS },
        { "as-groups", OTHER_RIGHTS },
        { "as-user-extra", OTHER_RIGHTS },
        { "auth-provider", OTHER_CREDENTIALS },
        { "username", OTHER_CREDENTIALS },
        { "password", OTHER_CREDENTIALS },
};
static const Refused refused_alone[] = {
        { "exec", OTHER_CREDENTIALS },
};

static int refuse(const KubeEntry *e, const Refused *refused, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if (kube_files_has(e, refused[i].field))
                        return kube_files_fail(e, -EOPNOTSUPP, "eatr cannot do %s yet; %s", refused[i].field,
                                               refused[i].instead);
        return 0;
}

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
        return kube_files_fail(e, r, "tokenFile: cannot read %s: %s", c->token_file, token_strerror(r));
}

/* Certificates and keys. */

static int read_pem_data(const KubeEntry *e, const char *field, const char *base64, Buf *b)
{
        void *data;
        size_t size;
        int r;

        r = decode_base64(base64, &data, &size);
        if (r == -EINVAL)
                return kube_files_fail(e, r, "%s is not base64", field);
        if (r < 0)
                return r;
        r = buf_append(b, data, size);
        explicit_bzero(data, size);
        free(data);
        return r;
}

static int read_pem_file(const KubeEntry *e, const char *field, const char *path, Buf *b)
{
        _cleanup_free_ char *resolved = kube_files_resolve(e, path);
        int r;

        if (!resolved)
                return -ENOMEM;
        r = file_read(resolved, b);
        if (r < 0 && r != -ENOMEM)
                return kube_files_fail(e, r, "%s: cannot read %s: %s", field, resolved, file_strerror(r));
        return r;
}

static int check_pem(const KubeEntry *e, const char *field, const Buf *b)
{
        const char *pem = buf_str(b);

        if (strlen(pem) != b->size || !strstr(pem, "-----BEGIN"))
                return kube_files_fail(e, -EINVAL, "%s is not PEM: there is no \"-----BEGIN\" in it", field);
        /* OpenSSL would ask the terminal. */
        if (strstr(pem, "BEGIN ENCRYPTED") || strstr(pem, "4,ENCRYPTED"))
                return kube_files_fail(e, -EINVAL, "%s needs a password; store it without one", field);
        return 0;
}

/* PEM from FIELD-data, else from the file that FIELD names. Leaves *ret alone if neither is there. */
static int read_pem(const KubeEntry *e, const char *field, char **ret)
{
        _cleanup_buf_ Buf b = BUF_INIT_SECRET(KUBE_CONFIG_SIZE_MAX);
        _cleanup_free_ char *data_field = str_printf("%s-data", field);
        const char *data, *path;
        int r;

        if (!data_field)
                return -ENOMEM;
        r = kube_files_string(e, data_field, &data);
        if (r < 0)
                return r;
        r = kube_files_string(e, field, &path);
        if (r < 0 || (!data && !path))
                return r;
        if (data) {
                field = data_field;
                r = read_pem_data(e, field, data, &b);
        } else
                r = read_pem_file(e, field, path, &b);
        if (r < 0)
                return r;
        r = check_pem(e, field, &b);
        if (r < 0)
                return r;
        *ret = buf_steal(&b);
        return *ret ? 0 : -ENOMEM;
}

static int read_client_certificate(const KubeEntry *e, KubeConfig *c)
{
        int r;

        r = read_pem(e, "client-certificate", &c->client_certificate);
        if (r < 0)
                return r;
        r = read_pem(e, "client-key", &c->client_key);
        if (r < 0)
                return r;
        if (c->client_certificate && !c->client_key)
                return kube_files_fail(e, -EINVAL, "there is a client-certificate, but no client-key");
        if (c->client_key && !c->client_certificate)
                return kube_files_fail(e, -EINVAL, "there is a client-key, but no client-certificate");
        return 0;
}

/* Entries. */

static int read_user(const KubeEntry *e, KubeConfig *c)
{
        int r;

        r = refuse(e, refused_in_user, ELEMENTSOF(refused_in_user));
        if (r < 0)
                return r;
        r = read_client_certificate(e, c);
        if (r < 0)
                return r;
        r = read_token(e, c);
        if (r < 0)
                return r;
        r = read_token_file(e, c);
        if (r < 0)
                return r;
        if (c->client_certificate || c->token)
                return 0;
        return refuse(e, refused_alone, ELEMENTSOF(refused_alone));
}

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

static int read_cluster(const KubeEntry *e, KubeConfig *c)
{
        int r;

        r = refuse(e, refused_in_cluster, ELEMENTSOF(refused_in_cluster));
        if (r < 0)
                return r;
        r = kube_files_bool(e, "insecure-skip-tls-verify", &c->insecure_skip_tls_verify);
        if (r < 0)
                return r;
        r = read_pem(e, "certificate-authority", &c->ca);
        if (r < 0)
                return r;
        if (c->ca && c->insecure_skip_tls_verify)
                return kube_files_fail(
                        e, -EINVAL, "certificate-authority and insecure-skip-tls-verify exclude each other");
        return read_tls_server_name(e, c);
}

/* Last, because without a scheme it depends on the rest. */
static int read_server(const KubeEntry *e, KubeConfig *c)
{
        bool tls = c->ca || c->client_certificate || c->insecure_skip_tls_verify;
        const char *server, *reason;
        int r;

        r = kube_files_string(e, "server", &server);
        if (r < 0)
                return r;
        if (!server)
                return kube_files_fail(e, -EINVAL, "it has no server");
        r = kube_server_parse(server, tls, &c->server, &reason);
        if (r < 0 && r != -ENOMEM)
                return kube_files_fail(e, r, "server: %s", reason);
        return r;
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
                r = read_user(&user, c);
        if (r < 0)
                return r;
        r = read_server(&cluster, c);
        if (r < 0)
                return r;
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
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
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
                     const char *context, KubeConfig **ret, KubeConfigError *error)
{
        _cleanup_kube_files_ KubeFiles f = KUBE_FILES_INIT(KUBE_CONFIG_SIZE_MAX);
        int r;

        r = kube_files_load(&f, explicit_path, kubeconfig_env, home);
        if (r >= 0)
                r = make_config(&f, context, ret);
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

bool kube_config_equal(const KubeConfig *a, const KubeConfig *b)
{
        return streq(a->context, b->context) && streq(a->server, b->server) &&
               streq_ptr(a->tls_server_name, b->tls_server_name) && streq_ptr(a->ca, b->ca) &&
               a->insecure_skip_tls_verify == b->insecure_skip_tls_verify &&
               streq_ptr(a->client_certificate, b->client_certificate) &&
               streq_ptr(a->client_key, b->client_key) && streq_ptr(a->token, b->token) &&
               streq_ptr(a->token_file, b->token_file);
}

static KubeExec *exec_free(KubeExec *e)
{
        if (!e)
                return NULL;
        free(e->api_version);
        free(e->command);
        (void) words_free(e->args);
        (void) words_free(e->env);
        free(e->install_hint);
        free(e->cluster);
        free(e);
        return NULL;
}

KubeConfig *kube_config_free(KubeConfig *c)
{
        if (!c)
                return NULL;
        free(c->context);
        free(c->server);
        free(c->tls_server_name);
        free(c->ca);
        free(c->client_certificate);
        (void) str_erase_free(c->client_key);
        (void) str_erase_free(c->token);
        free(c->token_file);
        (void) str_erase_free(c->proxy_url);
        (void) str_erase_free(c->username);
        (void) str_erase_free(c->password);
        (void) words_free(c->impersonate);
        (void) words_free(c->files);
        (void) exec_free(c->exec);
        free(c);
        return NULL;
}
