/* SPDX-License-Identifier: MIT */
#pragma once

#include "kube-files.h"

/* Whom a user of a kubeconfig acts as, as headers
 * (https://kubernetes.io/docs/reference/access-authn-authz/authentication/#user-impersonation). */

/* Reads as, as-uid, as-groups and as-user-extra of a user. Puts lines such as "Impersonate-User: jane" into
 * *ret, NULL-terminated, for words_free(), and leaves it alone if there are none. What of it is there
 * without a user, or could end a header, is an error. Returns 0, or a negative errno as kube_files_fail()
 * leaves it. */
int kube_impersonate_read(const KubeEntry *user, char ***ret);
