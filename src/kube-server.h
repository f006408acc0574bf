/* SPDX-License-Identifier: MIT */
#pragma once

#include "util.h"

/* The URLs of a kubeconfig's cluster. Those that parse return 0, -EINVAL with *reason set to what is wrong, a
 * clause for people that repeats nothing of the URL, or -ENOMEM. */

/* Its server, a URL or HOST[:PORT], to SCHEME://HOST[:PORT][/PREFIX] as client-go reads it
 * (rest/url_utils.go): query and fragment go, and without a scheme it means plain http, whatever is told of
 * certificates (tools/clientcmd/client_config.go looks at them for https only). Plain http is for loopback
 * only: what eatr sends are Secrets. The caller frees *ret. */
int kube_server_parse(const char *server, char **ret, const char **reason);

/* Whether what kube_server_parse() has returned is on this machine, where Go uses no proxy of the
 * environment (golang.org/x/net/http/httpproxy, useProxy()). */
bool kube_server_is_local(const char *server);

/* Its proxy-url, http, https or socks5, to SCHEME://[USER[:PASSWORD]@]HOST:PORT as libcurl takes it: with
 * the port that Go has for the scheme when there is none, and socks5h for socks5, as Go has the proxy
 * resolve names. The caller wipes and frees *ret. */
int kube_server_parse_proxy(const char *proxy, char **ret, const char **reason);
