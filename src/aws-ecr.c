/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "aws-ecr.h"

#include "json.h"

#include <errno.h>
#include <math.h>

#define ACTION ".GetAuthorizationToken"
#define TARGET "AmazonEC2ContainerRegistry_V20150921" ACTION
#define TARGET_PUBLIC "SpencerFrontendService" ACTION
#define CONTENT_TYPE "application/x-amz-json-1.1"
#define BODY "{}"

/* ECR gives 12 hours. Far more than that is no expiry but a broken answer. */
#define LIFE_MAX (7 * USEC_PER_DAY)

/* --- the request ----------------------------------------------------------------------------------- */

int aws_ecr_start(sd_event *event, AwsState *state, const AwsEcrSpec *spec, AwsCall **ret)
{
        const AwsHeader headers[] = {
                { "Content-Type", CONTENT_TYPE },
                { "X-Amz-Target", spec->public ? TARGET_PUBLIC : TARGET },
        };
        _cleanup_free_ char *url = str_printf("%s/", spec->url);
        const AwsCallSpec call = {
                .service = spec->public ? AWS_SERVICE_ECR_PUBLIC : AWS_SERVICE_ECR,
                .region = spec->region,
                .method = "POST",
                .url = url,
                .headers = headers,
                .n_headers = ELEMENTSOF(headers),
                .body = BODY,
                .ca_bundle = spec->ca_bundle,
                .credentials = spec->credentials,
                .read = spec->read,
                .done = spec->done,
                .userdata = spec->userdata,
        };

        return url ? aws_call_start(event, state, &call, ret) : -ENOMEM;
}

/* --- the answer ------------------------------------------------------------------------------------ */

/* expiresAt is epoch seconds with a fraction, at times in E-notation. */
static const char *read_expiry(const cJSON *data, const AwsAnswer *a, usec_t *ret)
{
        double seconds;

        if (!json_number(data, "expiresAt", &seconds))
                return "expiresAt is missing or no number";
        if (!isfinite(seconds) || seconds <= 0 || seconds > (double) (a->date + LIFE_MAX) / USEC_PER_SEC)
                return "expiresAt is out of range";
        *ret = (usec_t) (seconds * USEC_PER_SEC);
        if (*ret <= a->date)
                return "the token has expired already";
        return NULL;
}

/* Returns what is wrong, or NULL and the token. The data of ECR Public are no list, and have no endpoint:
 * there is but one. */
static const char *read_token(bool public, const cJSON *j, const AwsAnswer *a, Token **ret)
{
        const cJSON *list = json_get(j, "authorizationData");
        const cJSON *data = public ? list : cJSON_IsArray(list) ? list->child : NULL;
        const char *value = json_string(data, "authorizationToken");
        const char *endpoint = public ? AWS_ECR_PUBLIC_HOST : json_string(data, "proxyEndpoint");
        const char *host, *problem;
        usec_t expires;

        if (!data)
                return "it has no authorizationData";
        if (!value || !endpoint)
                return public ? "it has no authorizationToken"
                              : "it has no authorizationToken or no proxyEndpoint";
        host = startswith(endpoint, "https://");
        problem = read_expiry(data, a, &expires);
        if (problem)
                return problem;
        if (token_new(host ? host : endpoint, value, a->date, expires, a->boottime, ret) < 0)
                return "its token is not base64 of USER:PASSWORD, or its proxyEndpoint no host";
        return NULL;
}

const char *aws_ecr_read(bool public, const AwsAnswer *a, Token **ret)
{
        _cleanup_json_ cJSON *j = NULL;
        int r;

        r = json_parse(a->body, a->body_size, AWS_RESPONSE_MAX, &j);
        if (r < 0)
                return a->body_size == 0 ? "it is empty"
                       : r == -EMSGSIZE  ? "it is too large"
                                         : "it is not JSON";
        return read_token(public, j, a, ret);
}
