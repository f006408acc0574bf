/* SPDX-License-Identifier: MIT */
#pragma once

#include "buf.h"

#include <systemd/sd-event.h>

/* A small HTTP server for GET and HEAD, libmicrohttpd on sd-event. What the paths mean is the caller's. */

typedef struct Httpd Httpd;

/* Writes the answer's body to b; returns the status code, or a negative errno for 500. */
typedef int (*httpd_render_t)(Buf *b, void *userdata);

typedef struct HttpdRoute {
        const char *path;
        const char *content_type;
        httpd_render_t render;
} HttpdRoute;

/* Listens on address (numeric IPv4 or IPv6) and port. Returns the socket, or a negative errno: -EADDRINUSE
 * if somebody else listens there. */
int httpd_listen(const char *address, uint16_t port);

/* Serves a listening socket, which is closed with the server, or now if this fails; routes is an array that
 * ends with a NULL path and has to outlive it. Returns 0 or a negative errno. */
int httpd_new(sd_event *event, int socket, const HttpdRoute *routes, void *userdata, Httpd **ret);

Httpd *httpd_free(Httpd *h);
DEFINE_TRIVIAL_CLEANUP_FUNC(Httpd *, httpd_free);
