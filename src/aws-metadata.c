/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "aws-metadata.h"

#include "encode.h"

#include <ctype.h>
#include <errno.h>

#define TIMEOUT (2 * USEC_PER_SEC)
#define TOKEN_LIFE "21600"
#define TEXT_MAX 4096U
#define ROLES_PATH "/latest/meta-data/iam/security-credentials/"

/* --- the request ----------------------------------------------------------------------------------- */

static char *make_url(const AwsMetadataSpec *spec)
{
        _cleanup_free_ char *role = NULL;

        switch (spec->step) {
        case AWS_METADATA_TOKEN:
                return str_printf("%s/latest/api/token", spec->url);
        case AWS_METADATA_ROLE:
                return str_printf("%s" ROLES_PATH, spec->url);
        case AWS_METADATA_CREDENTIALS:
                role = encode_percent(spec->role);
                return role ? str_printf("%s" ROLES_PATH "%s", spec->url, role) : NULL;
        default:
                return strdup(spec->url);
        }
}

static AwsHeader make_header(const AwsMetadataSpec *spec)
{
        if (spec->step == AWS_METADATA_TOKEN)
                return (AwsHeader){ "X-aws-ec2-metadata-token-ttl-seconds", TOKEN_LIFE };
        if (spec->step == AWS_METADATA_CONTAINER)
                return (AwsHeader){ "Authorization", spec->token };
        return (AwsHeader){ "X-aws-ec2-metadata-token", spec->token };
}

int aws_metadata_start(sd_event *event, AwsState *state, const AwsMetadataSpec *spec, AwsCall **ret)
{
        _cleanup_free_ char *url = make_url(spec);
        const AwsHeader header = make_header(spec);
        const AwsCallSpec call = {
                .service = AWS_SERVICE_METADATA,
                .method = spec->step == AWS_METADATA_TOKEN ? "PUT" : "GET",
                .url = url,
                .headers = &header,
                .n_headers = header.value != NULL,
                .timeout = TIMEOUT,
                .read = spec->read,
                .done = spec->done,
                .userdata = spec->userdata,
        };

        return url ? aws_call_start(event, state, &call, ret) : -ENOMEM;
}

/* --- the answer ------------------------------------------------------------------------------------ */

/* Both texts become part of the next request; the second could be a list, of which the first line counts. */
const char *aws_metadata_read_text(const AwsAnswer *a, char **ret)
{
        size_t n = 0;

        while (n < a->body_size && a->body[n] != '\r' && a->body[n] != '\n')
                n++;
        if (n == 0)
                return "it is empty";
        if (n > TEXT_MAX)
                return "it is too large";
        for (size_t i = 0; i < n; i++)
                if (!isgraph((unsigned char) a->body[i]))
                        return "there is a character in it that cannot be";
        *ret = strndup(a->body, n);
        return *ret ? NULL : "memory is out";
}

const char *aws_metadata_read_credentials(const AwsAnswer *a, AwsCredentials **ret)
{
        static const AwsCredentialsNames names = { "AccessKeyId", "SecretAccessKey", "Token", "Expiration" };
        _cleanup_json_ cJSON *j = NULL;
        const char *code;

        if (json_parse(a->body, a->body_size, AWS_RESPONSE_MAX, &j) < 0)
                return a->body_size == 0 ? "it is empty" : "it is not JSON";
        code = json_string(j, "Code");
        if (code && !streq(code, "Success"))
                return "it says that it has failed";
        return aws_credentials_read(j, &names, ret);
}
