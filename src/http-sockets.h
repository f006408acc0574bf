/* SPDX-License-Identifier: MIT */
#pragma once

#include "util.h"

/* The sockets of one HTTP client. libcurl opens and closes them through here, so that they notice a cut
 * network by themselves, and can be broken when a peer has fallen silent. */

#define HTTP_SOCKETS_MAX 128U

typedef struct HttpSockets {
        int fds[HTTP_SOCKETS_MAX]; /* those open, -1: free slot; more are opened, but not kept in mind */
} HttpSockets;

void http_sockets_init(HttpSockets *s);

/* Has a transfer (libcurl's CURL) use them. They have to outlive its connections. */
void http_sockets_apply(HttpSockets *s, void *easy);

/* Shuts every one down; libcurl then closes it and its requests fail. */
void http_sockets_shutdown(const HttpSockets *s);
