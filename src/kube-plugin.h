/* SPDX-License-Identifier: MIT */
#pragma once

#include "kube-files.h"

/* The "exec" of a user of a kubeconfig: a program that gets credentials
 * (https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins). It
 * is read and checked here, as client-go does it; nothing is run. */

typedef struct KubeExec {
        char *api_version;  /* "client.authentication.k8s.io/v1" or ".../v1beta1" */
        char *command;      /* a path, or a name to look up in PATH */
        char **args;        /* without the command; NULL-terminated, never NULL; may hold secrets */
        char **env;         /* additions, "NAME=value"; the same */
        char *install_hint; /* of any characters and lines; NULL: none */
        char *cluster; /* what is told of the cluster: a JSON object, the spec.cluster of an ExecCredential;
                          NULL: nothing, as provideClusterInfo is not set */
} KubeExec;

/* Reads it if it is there; *ret is left alone if it is not. needed is false if something else stands in for
 * it: then it is checked, but may want a terminal. All but the cluster is filled in. Returns 1 if
 * provideClusterInfo is set, 0, or a negative errno as kube_files_fail() leaves it. */
int kube_plugin_read(const KubeEntry *user, bool needed, KubeExec **ret);

/* Fills in the cluster, from its entry and the PEM text of its certificate authority (NULL: none). It may
 * hold the proxy's password. Returns 0, or a negative errno as above. */
int kube_plugin_describe(const KubeEntry *cluster, const char *ca, KubeExec *e);

/* NULL equals NULL and nothing else. */
bool kube_plugin_equal(const KubeExec *a, const KubeExec *b);

/* Wipes and frees; NULL is fine. Always returns NULL. */
KubeExec *kube_plugin_free(KubeExec *e);
DEFINE_TRIVIAL_CLEANUP_FUNC(KubeExec *, kube_plugin_free);
