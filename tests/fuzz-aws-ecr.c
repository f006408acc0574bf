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

/* A token that can be used, or a sentence that says why there is none. */
static void read_token_of(bool public, const AwsAnswer *answer)
{
        _cleanup_(token_unrefp) Token *t = NULL;
        const char *problem = aws_ecr_read(public, answer, &t);

        if (problem)
                require(!t && *problem);
        else
                check_token(t);
        require(problem || !public || streq(t->host, AWS_ECR_PUBLIC_HOST));
}

/* One line. */
static void read_error(const AwsAnswer *answer)
{
        char error[AWS_ERROR_MAX];
        AwsOutcome outcome;

        memset(error, '#', sizeof(error));
        outcome = aws_answer_error(answer, error);
        require(outcome > AWS_OK && outcome < _AWS_OUTCOME_MAX);
        require(*error && memchr(error, '\0', sizeof(error)));
        for (const char *p = error; *p; p++)
                require((unsigned char) *p >= ' ' && *p != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        AwsAnswer answer = {
                .http = HTTP_OK,
                .status = 200,
                .body = (const char *) data,
                .body_size = size,
                .transport_error = "",
                .date = NOW,
        };

        read_token_of(false, &answer);
        read_token_of(true, &answer);
        answer.http = HTTP_REJECTED;
        answer.status = 400;
        read_error(&answer);
        return 0;
}
