/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "aws-anywhere.h"
#include "aws-metadata.h"
#include "aws-sts.h"

#include "fuzz-main.h"

#include <ctype.h>

static void require(bool condition)
{
        if (!condition)
                abort();
}

/* What is put into headers has no end of a line. */
static void check_text(const char *s)
{
        require(!str_empty(s));
        for (; *s; s++)
                require(isgraph((unsigned char) *s));
}

typedef const char *(*reader_t)(const AwsAnswer *answer, AwsCredentials **ret);

/* Credentials that can be used, or a sentence that says why there are none. */
static void read_with(reader_t reader, const AwsAnswer *answer)
{
        _cleanup_(aws_credentials_unrefp) AwsCredentials *c = NULL;
        const char *problem = reader(answer, &c);

        if (problem) {
                require(!c && *problem);
                return;
        }
        check_text(c->keys.access_key_id);
        check_text(c->keys.secret_access_key);
        if (c->keys.session_token)
                check_text(c->keys.session_token);
        require(c->keys.session_token || reader != aws_sts_read);
}

static void read_text(const AwsAnswer *answer)
{
        _cleanup_free_ char *text = NULL;
        const char *problem = aws_metadata_read_text(answer, &text);

        if (problem)
                require(!text && *problem);
        else
                check_text(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const reader_t readers[] = { aws_sts_read, aws_anywhere_read, aws_metadata_read_credentials };
        const AwsAnswer answer = {
                .http = HTTP_OK,
                .status = 200,
                .body = (const char *) data,
                .body_size = size,
                .transport_error = "",
                .date = 1795461567 * USEC_PER_SEC,
        };

        for (size_t i = 0; i < ELEMENTSOF(readers); i++)
                read_with(readers[i], &answer);
        read_text(&answer);
        return 0;
}
