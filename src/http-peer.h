/* SPDX-License-Identifier: MIT */
#pragma once

#include "util.h"

/* Whom an HTTP client talks to: whom it trusts, and as whom it shows itself. */

/* Strings are PEM text unless they say file. */
typedef struct HttpPeer {
        char *ca;      /* the only roots of trust; NULL: ca_file, else the system's */
        char *ca_file; /* the same as a path, and not for a proxy */
        char *client_certificate;
        char *client_key;
        char *server_name; /* the name to ask for and to check instead of the URL's host; NULL: that host */
        bool insecure;     /* check nothing */
        char *proxy;       /* its URL, http, https, socks5 or socks5h, for every request; NULL: the
                              environment's. Its certificate is checked, and it is shown ours, as the server;
                              may hold a password */
        bool no_proxy;     /* ignore the environment's proxies */
        bool remote_names; /* have a socks5 proxy of the environment resolve names, as Go does */
        void *trust;       /* a copy's form of ca, OpenSSL's X509_STORE */
} HttpPeer;

/* Makes *ret a copy with strings of its own, ca as trust, for http_peer_done(). Returns 0 or -ENOMEM. */
int http_peer_copy(const HttpPeer *peer, HttpPeer *ret);

/* Sets all but the server's name of a copy on a transfer (libcurl's CURL), which it has to outlive. */
void http_peer_apply(const HttpPeer *peer, void *easy);

/* The name that TLS asks for and checks is the URL's. For another one the URL has to be changed, while the
 * connection goes where it went, and the Host header says what it said; client-go does the same. Makes, for
 * a server_name: the URL, the line for CURLOPT_CONNECT_TO, and the Host header. The caller frees them.
 * Returns 0, -EINVAL if url is none, or -ENOMEM. */
int http_peer_rename(const HttpPeer *peer, const char *url, char **ret_url, char **ret_connect_to,
                     char **ret_host_header);

/* libcurl looks for a renamed URL's host among the environment's exceptions from its proxies. Has those be
 * about url's instead, which is the one before. Returns 0, -EINVAL if url is none, or -ENOMEM. */
int http_peer_apply_exceptions(const HttpPeer *peer, const char *url, void *easy);

/* Frees what is in a copy, and wipes the key and the proxy. */
void http_peer_done(HttpPeer *peer);
