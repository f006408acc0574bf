/* SPDX-License-Identifier: MIT */
#pragma once

/* Answers for what reads them. */

#include "aws-answer.h"

#include <setjmp.h>
#include <stdarg.h>
/* cmocka.h comes after what it uses. */
#include <cmocka.h>

#define BODY_NOW (1795461567 * USEC_PER_SEC) /* 2026-11-23T19:19:27Z */

/* A body that ends where its memory does: the sanitizers and valgrind see who reads on. */
static inline AwsAnswer body_sized(HttpOutcome http, long status, const char *body, size_t size)
{
        char *copy = malloc(MAX(size, 1U));

        assert_non_null(copy);
        memcpy(copy, body, size);
        return (AwsAnswer){
                .http = http,
                .status = status,
                .body = copy,
                .body_size = size,
                .transport_error = "",
                .date = BODY_NOW,
                .boottime = 42,
        };
}

static inline AwsAnswer body_of(const char *body)
{
        return body_sized(HTTP_OK, 200, body, strlen(body));
}

static inline void body_done(AwsAnswer *a)
{
        free((char *) a->body);
        a->body = NULL;
}
#define _cleanup_body_ _cleanup_(body_done)
