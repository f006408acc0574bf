/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "aws-ecr.h"

#include "fuzz-main.h"

#define NOW (1795461567 * USEC_PER_SEC)

static void require(bool condition)
{
        if (!condition)
                abort();
}

static void check_token(const Token *t)
{
        require(t && !str_empty(t->host) && !str_empty(t->value));
        require(t->issued == NOW && t->expires > NOW && t->expires <= NOW + 7 * USEC_PER_DAY);
        require(!strpbrk(t->host, "\r\n\" ") && !strpbrk(t->value, "\r\n\" "));
}

/* Whatever comes: a token that can be used, or one line that says why there is none. */
static void read_as(HttpOutcome http, long status, const uint8_t *data, size_t size)
{
        _cleanup_(token_unrefp) Token *t = NULL;
        char error[AWS_ERROR_MAX] = "";
        AwsAnswer answer = {
                .http = http,
                .status = status,
                .body = (const char *) data,
                .body_size = size,
                .transport_error = "",
                .date = NOW,
        };
        AwsOutcome outcome = aws_ecr_answer(&answer, &t, error);

        if (outcome == AWS_OK) {
                require(http == HTTP_OK);
                check_token(t);
                return;
        }
        require(outcome < _AWS_OUTCOME_MAX && !t && *error && memchr(error, '\0', sizeof(error)));
        for (const char *p = error; *p; p++)
                require((unsigned char) *p >= ' ' && *p != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        read_as(HTTP_OK, 200, data, size);
        read_as(HTTP_REJECTED, 400, data, size);
        return 0;
}
