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

static bool is_line(const char *text)
{
        for (const char *p = text; *p; p++)
                if ((unsigned char) *p < ' ' || *p == 0x7f)
                        return false;
        return *text;
}

static void check_token(const Token *t)
{
        require(t && !str_empty(t->host) && !str_empty(t->value));
        require(t->issued == NOW && t->expires > NOW && t->expires <= NOW + 7 * USEC_PER_DAY);
        require(!strpbrk(t->host, "\r\n\" ") && !strpbrk(t->value, "\r\n\" "));
}

static AwsAnswer answer_of(HttpOutcome http, long status, const uint8_t *data, size_t size)
{
        return (AwsAnswer){
                .http = http,
                .status = status,
                .body = (const char *) data,
                .body_size = size,
                .transport_error = "",
                .date = NOW,
        };
}

/* Whatever comes: a token that can be used, or one line that says why there is none. */
static void read_success(bool public, const uint8_t *data, size_t size)
{
        _cleanup_(token_unrefp) Token *t = NULL;
        const AwsAnswer answer = answer_of(HTTP_OK, 200, data, size);
        const char *problem = aws_ecr_read(public, &answer, &t);

        if (problem)
                require(!t && is_line(problem));
        else
                check_token(t);
}

static void read_failure(const uint8_t *data, size_t size)
{
        char error[AWS_ERROR_MAX] = "";
        const AwsAnswer answer = answer_of(HTTP_REJECTED, 400, data, size);
        AwsOutcome outcome = aws_answer_error(&answer, error);

        require(outcome != AWS_OK && outcome < _AWS_OUTCOME_MAX);
        require(memchr(error, '\0', sizeof(error)) && is_line(error));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        read_success(false, data, size);
        read_success(true, data, size);
        read_failure(data, size);
        return 0;
}
