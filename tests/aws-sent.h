/* SPDX-License-Identifier: MIT */
#pragma once

/* Takes down the request that a module would send: it is included after this, and makes its call with an
 * aws-call.c whose time stands still and whose HTTP goes nowhere. */

#include "aws-call.h"
#include "http.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
/* cmocka.h comes after what it uses. */
#include <cmocka.h>

/* As tests/golden-sigv4.py has them. */
#define SENT_NOW (1795461567 * USEC_PER_SEC) /* 20261123T191927Z */
#define SENT_ID "ASIAIOSFODNN7EXAMPLE"
#define SENT_SECRET "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
#define SENT_SESSION "FwoGZXIvYXdzEJr//////////wEaDEXAMPLE+Ab0/c2Vzc2lvbg=="

static struct {
        char method[16], url[4096], headers[8192], body[65536], ca_file[64]; /* each header is a line */
        usec_t timeout;
        size_t response_max;
        bool compressed, no_proxy;
        unsigned n;
        int result; /* what starting it returns */
} sent;

static inline usec_t sent_now(void)
{
        return SENT_NOW;
}

static inline int sent_client_new(sd_event *event, const HttpPeer *peer, HttpClient **ret)
{
        (void) snprintf(sent.ca_file, sizeof(sent.ca_file), "%s", peer->ca_file ? peer->ca_file : "");
        sent.no_proxy = peer->no_proxy;
        return 0;
}

static inline int sent_request_start(HttpClient *c, const HttpSpec *spec, http_done_t done, void *userdata,
                                     HttpRequest **ret)
{
        sent.n++;
        (void) snprintf(sent.method, sizeof(sent.method), "%s", spec->method);
        (void) snprintf(sent.url, sizeof(sent.url), "%s", spec->url);
        assert_true(spec->body_size < sizeof(sent.body));
        (void) snprintf(sent.body, sizeof(sent.body), "%.*s", (int) spec->body_size,
                        spec->body ? (const char *) spec->body : "");
        sent.headers[0] = '\0';
        for (const char *const *h = spec->headers; *h; h++) {
                assert_true(strlen(sent.headers) + strlen(*h) + 2 < sizeof(sent.headers));
                (void) strcat(strcat(sent.headers, *h), "\n");
        }
        sent.timeout = spec->timeout;
        sent.response_max = spec->response_max;
        sent.compressed = spec->compressed;
        return sent.result;
}

#define clock_now sent_now
#include "aws-clock.c"
#undef clock_now
#define http_client_new sent_client_new
#define http_request_start sent_request_start
#include "aws-call.c"
#undef http_client_new
#undef http_request_start

/* Credentials of the goldens. */
static inline AwsCredentials *sent_credentials(const char *session_token)
{
        const AwsKeys keys = { SENT_ID, SENT_SECRET, session_token };
        AwsCredentials *c = NULL;

        assert_return_code(aws_credentials_new(&keys, 0, &c), 0);
        return c;
}

static inline bool sent_header(const char *line)
{
        const char *found = strstr(sent.headers, line);

        return found && (found == sent.headers || found[-1] == '\n') && found[strlen(line)] == '\n';
}

#define assert_sent_header(line)                                          \
        do {                                                              \
                if (!sent_header(line))                                   \
                        fail_msg("no \"%s\" in\n%s", line, sent.headers); \
        } while (0)
