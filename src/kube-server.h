/* SPDX-License-Identifier: MIT */
#pragma once

#include "util.h"

/* The server of a kubeconfig's cluster, a URL or HOST[:PORT], to SCHEME://HOST[:PORT][/PREFIX] as client-go
 * reads it (rest/url_utils.go): query and fragment go, and without a scheme https depends on tls. Plain http
 * is for loopback only: what eatr sends are Secrets.
 *
 * Returns 0, or a negative errno: -EINVAL or -EOPNOTSUPP with *reason set to what is wrong, a clause for
 * people that repeats nothing of server; -ENOMEM. The caller frees *ret. */
int kube_server_parse(const char *server, bool tls, char **ret, const char **reason);
