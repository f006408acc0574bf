/* SPDX-License-Identifier: MIT */
#pragma once

#include "kube-plugin.h"

/* kubeconfig v1 to the one endpoint that its context means. Merging, relative paths and precedence follow
 * client-go (tools/clientcmd/loader.go, merge.go; rest/transport.go). Values only: files that the
 * kubeconfig names are read here, but nothing is connected. */

/* Largest kubeconfig, and largest file that one names, in bytes. */
#define KUBE_CONFIG_SIZE_MAX (4U * 1024 * 1024)

typedef struct KubeConfig {
        char *context;         /* its name, for messages */
        char *server;          /* https://HOST[:PORT][/PREFIX], no trailing slash; http only to loopback */
        char *proxy_url;       /* http, https or socks5h, with a port; NULL: the environment's. May hold a
                                  password: wiped, and not to be shown */
        char *tls_server_name; /* name to ask for and to check instead of server's host; NULL: that host */
        char *ca;              /* PEM, the only roots of trust; NULL: the system's */
        bool insecure_skip_tls_verify;
        char *client_certificate; /* PEM, with client_key; NULL: none */
        char *client_key;         /* PEM; wiped by kube_config_free() */
        char *token;              /* bearer token, without blanks around it; NULL: none; wiped */
        char *token_file;         /* absolute path to read token from again; NULL: token does not change */
        char *username, *password; /* for basic authentication; NULL: none; wiped */
        char **impersonate;        /* headers, "Impersonate-User: jane"; NULL-terminated, NULL: none */
        KubeExec *exec;            /* NULL: none, or something above is there and stands in for it */
        bool disable_compression;  /* ask for no compressed answers */
} KubeConfig;

#define KUBE_CONFIG_ERROR_MAX 1024U
typedef struct KubeConfigError {
        char text[KUBE_CONFIG_ERROR_MAX];
} KubeConfigError;

/* Loads the kubeconfig that one names: explicit_path (NULL or a file, which has to be there), else every
 * existing file of kubeconfig_env (the value of $KUBECONFIG, a list with colons; NULL or ""), else
 * home/.kube/config (home may be NULL). context NULL means current-context.
 *
 * Returns 0, or a negative errno with *error set to a sentence that names file, line (for what is no YAML)
 * or entry: -ENOENT no file, -EINVAL what is in it can't work, -EOPNOTSUPP it asks for something that eatr
 * can't do (auth-provider, a plugin that wants a terminal), -EMSGSIZE too large, -ENOMEM, or what open(2)
 * says. No secret is part of it.
 *
 * Whether it fails or not, *ret_files gets all that was read or looked for, as a change of one is to be taken
 * in; but for a tokenFile that could be read, which is read again anyway. They are absolute, each once, and
 * NULL ends them; NULL is none. The caller frees them with words_free().
 *
 * Over plain http no credentials are sent, so that there are none then, as in client-go; whom to impersonate
 * is. */
int kube_config_load(const char *explicit_path, const char *kubeconfig_env, const char *home,
                     const char *context, KubeConfig **ret, char ***ret_files, KubeConfigError *error);

/* Parses the text of one kubeconfig (YAML, or JSON when its first character is "{"), whose relative paths
 * start at directory; path is for messages. Otherwise as kube_config_load(). For tests and fuzzing. */
int kube_config_parse(const char *text, size_t size, const char *path, const char *directory,
                      const char *context, KubeConfig **ret, KubeConfigError *error);

/* Reads a bearer token from a file and drops the blanks around it. Returns 0, -ENODATA if nothing is left,
 * -EBADMSG if there is a control character within, or what reading says. The caller wipes and frees it. */
int kube_config_read_token(const char *path, char **ret);

/* Whether both reach the same server in the same way. Where token_file is the same, the tokens are not
 * looked at, as it is read again and again; nor are the files. */
bool kube_config_equal(const KubeConfig *a, const KubeConfig *b);

KubeConfig *kube_config_free(KubeConfig *c);
DEFINE_TRIVIAL_CLEANUP_FUNC(KubeConfig *, kube_config_free);
