/* SPDX-License-Identifier: MIT */
#pragma once

#include "buf.h"
#include "kube-auth.h"

/* Credentials from the program that a kubeconfig names ("exec" of a user), as client-go's
 * plugin/pkg/client/auth/exec/exec.go runs it:
 * https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins */

#define KUBE_EXEC_TIMEOUT USEC_PER_MINUTE

/* Most that it may print, in bytes. */
#define KUBE_EXEC_OUTPUT_MAX (256U * 1024)

typedef struct KubeExecPlugin KubeExecPlugin;

/* config has to outlive it. Returns 0 or -ENOMEM. */
int kube_exec_new(sd_event *event, const KubeExec *config, KubeExecPlugin **ret);

KubeExecPlugin *kube_exec_free(KubeExecPlugin *p);
DEFINE_TRIVIAL_CLEANUP_FUNC(KubeExecPlugin *, kube_exec_free);

/* Who fetches for a KubeAuth; self is the KubeExecPlugin. */
extern const KubeAuthProvider kube_exec_provider;

/* What the program finds in its environment, "KUBERNETES_EXEC_INFO={...}": which version of ExecCredential
 * it has to print, that nobody sits there who could be asked, and which cluster it is about, if it is to
 * know. Pure. The caller wipes and frees it; NULL when memory is out. */
char *kube_exec_info(const KubeExec *config);

/* Reads what it printed. Pure. Returns NULL with *ret, which the caller frees with kube_credential_done(),
 * or what is wrong with it, for people and without a secret. */
const char *kube_exec_read(const Buf *output, const KubeExec *config, KubeCredential *ret);
