/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "aws-anywhere.h"

#include <errno.h>

#define QUERY_MAX (16U * 1024)
#define DURATION 3600U /* seconds; what the helper asks for */

/* --- the request ----------------------------------------------------------------------------------- */

/* "arn:PARTITION:SERVICE:REGION:..." */
char *aws_anywhere_region(const char *arn)
{
        for (int i = 0; i < 3 && arn; i++) {
                arn = strchr(arn, ':');
                arn = arn ? arn + 1 : NULL;
        }
        return arn && *arn && *arn != ':' ? strndup(arn, strcspn(arn, ":")) : NULL;
}

static char *make_url(const AwsAnywhereSpec *spec)
{
        const AwsParameter parameters[] = {
                { "profileArn", spec->source->anywhere.profile_arn },
                { "roleArn", spec->source->role.arn },
                { "trustAnchorArn", spec->source->anywhere.trust_anchor_arn },
        };
        _cleanup_buf_ Buf query = BUF_INIT(QUERY_MAX);

        if (aws_sigv4_query(parameters, ELEMENTSOF(parameters), &query) < 0)
                return NULL;
        return str_printf("%s/sessions?%s", spec->url, buf_str(&query));
}

static char *make_body(const AwsRole *role)
{
        _cleanup_json_ cJSON *j = cJSON_CreateObject();

        if (!cJSON_AddNumberToObject(j, "durationSeconds", role->duration > 0 ? role->duration : DURATION))
                return NULL;
        if (role->session_name && !cJSON_AddStringToObject(j, "roleSessionName", role->session_name))
                return NULL;
        return json_print(j);
}

static int sign(void *userdata, const void *p, size_t n, Buf *hex)
{
        return x509_identity_sign(userdata, p, n, hex);
}

int aws_anywhere_start(sd_event *event, AwsState *state, const AwsAnywhereSpec *spec, AwsCall **ret)
{
        const X509Identity *identity = spec->identity;
        const AwsHeader headers[] = {
                { "Content-Type", "application/json" },
                { "X-Amz-X509", identity->certificate },
                { "X-Amz-X509-Chain", identity->chain },
        };
        const AwsSigner signer = {
                .algorithm = identity->algorithm,
                .credential = identity->serial,
                .sign = sign,
                .userdata = (void *) identity,
        };
        _cleanup_free_ char *region = aws_anywhere_region(spec->source->anywhere.trust_anchor_arn);
        _cleanup_free_ char *url = make_url(spec), *body = make_body(&spec->source->role);
        const AwsCallSpec call = {
                .service = AWS_SERVICE_ROLES_ANYWHERE,
                .region = region,
                .method = "POST",
                .url = url,
                .headers = headers,
                .n_headers = ELEMENTSOF(headers) - !identity->chain,
                .body = body,
                .ca_bundle = spec->ca_bundle,
                .signer = &signer,
                .read = spec->read,
                .done = spec->done,
                .userdata = spec->userdata,
        };

        if (!region)
                return -EINVAL;
        return url && body ? aws_call_start(event, state, &call, ret) : -ENOMEM;
}

/* --- the answer ------------------------------------------------------------------------------------ */

const char *aws_anywhere_read(const AwsAnswer *a, AwsCredentials **ret)
{
        static const AwsCredentialsNames names = { "accessKeyId", "secretAccessKey", "sessionToken",
                                                   "expiration" };
        _cleanup_json_ cJSON *j = NULL;

        if (json_parse(a->body, a->body_size, AWS_RESPONSE_MAX, &j) < 0)
                return a->body_size == 0 ? "it is empty" : "it is not JSON";
        return aws_credentials_read(json_get(json_first(json_get(j, "credentialSet")), "credentials"),
                                    &names, ret);
}
