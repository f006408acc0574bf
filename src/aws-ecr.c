/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "aws-ecr.h"
#include "json.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

#define SERVICE "ecr"
#define TARGET "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"
#define CONTENT_TYPE "application/x-amz-json-1.1"
#define BODY "{}"
#define REQUEST_TIMEOUT (20 * USEC_PER_SEC)
#define RESPONSE_MAX (1024U * 1024)
#define AUTHORIZATION_MAX 4096U

/* ECR gives 12 hours. Far more than that is no expiry but a broken answer. */
#define LIFE_MAX (7 * USEC_PER_DAY)

/* --- endpoints ------------------------------------------------------------------------------------- */

/* From botocore's partitions.json and the rule set of ECR. The first prefix that matches counts; "" is
 * the partition of every other region. */
static const struct {
        const char *prefix, *suffix, *dualstack_suffix;
} partitions[] = {
        { "cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn" },
        { "eusc-", "amazonaws.eu", "api.amazonwebservices.eu" },
        { "us-isob-", "sc2s.sgov.gov", "api.aws.scloud" },
        { "us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov" },
        { "us-iso-", "c2s.ic.gov", "api.aws.ic.gov" },
        { "eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk" },
        { "", "amazonaws.com", "api.aws" },
};

int aws_ecr_endpoint(const char *region, bool fips, bool dualstack, char **ret)
{
        size_t i = 0;

        while (!startswith(region, partitions[i].prefix))
                i++;
        /* "api." is a prefix of the IPv4 names only. */
        *ret = str_printf("https://%secr%s.%s.%s", dualstack ? "" : "api.", fips ? "-fips" : "", region,
                          dualstack ? partitions[i].dualstack_suffix : partitions[i].suffix);
        return *ret ? 0 : -ENOMEM;
}

/* --- the request ----------------------------------------------------------------------------------- */

/* Host as libcurl sends it: with the port when it is not the scheme's own. */
static int url_host(const char *url, char **ret)
{
        const char *host = strstr(url, "://");
        char *end, *s;

        if (!host)
                return -EINVAL;
        s = strdup(host + 3);
        if (!s)
                return -ENOMEM;
        end = s + strcspn(s, "/");
        *end = '\0';
        end = strrchr(s, ':');
        if (end && streq(end, startswith(url, "https:") ? ":443" : ":80"))
                *end = '\0';
        *ret = s;
        return 0;
}

int aws_ecr_request(HttpClient *client, const char *url, const char *region, const AwsKeys *keys,
                    usec_t signing_time, http_done_t done, void *userdata, HttpRequest **ret)
{
        _cleanup_free_ char *host = NULL, *authorization = NULL, *full_url = NULL, *date = NULL;
        _cleanup_buf_ Buf value = BUF_INIT(AUTHORIZATION_MAX);
        _cleanup_erase_ char *session = NULL;
        char now[CLOCK_BASIC_MAX];
        int r;

        r = url_host(url, &host);
        if (r < 0)
                return r;
        (void) clock_format_basic(now, signing_time);

        AwsHeader signed_headers[] = {
                { "Content-Type", CONTENT_TYPE },
                { "Host", host },
                { "X-Amz-Date", now },
                { "X-Amz-Target", TARGET },
                { "X-Amz-Security-Token", keys->session_token },
        };
        AwsRequest request = {
                .method = "POST",
                .path = "/",
                .query = "",
                .headers = signed_headers,
                .n_headers = ELEMENTSOF(signed_headers) - !keys->session_token,
                .body = BODY,
                .body_size = strlen(BODY),
        };
        AwsScope scope = { .region = region, .service = SERVICE, .time = signing_time };

        r = aws_sigv4_authorization(&request, &scope, keys, &value);
        if (r < 0)
                return r;
        authorization = str_printf("Authorization: %s", buf_str(&value));
        date = str_printf("X-Amz-Date: %s", now);
        full_url = str_printf("%s/", url);
        if (keys->session_token)
                session = str_printf("X-Amz-Security-Token: %s", keys->session_token);
        if (!authorization || !date || !full_url || (keys->session_token && !session))
                return -ENOMEM;

        const char *const headers[] = {
                "Content-Type: " CONTENT_TYPE, "X-Amz-Target: " TARGET, date, authorization, session, NULL,
        };
        HttpSpec spec = {
                .method = "POST",
                .url = full_url,
                .headers = headers,
                .body = BODY,
                .body_size = strlen(BODY),
                .timeout = REQUEST_TIMEOUT,
                .response_max = RESPONSE_MAX,
        };
        return http_request_start(client, &spec, done, userdata, ret);
}

/* --- the answer ------------------------------------------------------------------------------------ */

/* Error codes that say more than the status does, which AWS's own pages contradict each other about.
 * From botocore's retries/standard.py and smithy's service-error-classification. */
static const struct {
        const char *code;
        AwsOutcome outcome;
} error_codes[] = {
        { "AuthFailure", AWS_SKEWED },
        { "BandwidthLimitExceeded", AWS_THROTTLED },
        { "EC2ThrottledException", AWS_THROTTLED },
        { "ExpiredToken", AWS_EXPIRED },
        { "ExpiredTokenException", AWS_EXPIRED },
        { "InternalFailure", AWS_RETRY },
        { "InvalidSignatureException", AWS_SKEWED },
        { "LimitExceededException", AWS_THROTTLED },
        { "PriorRequestNotComplete", AWS_RETRY },
        { "ProvisionedThroughputExceededException", AWS_THROTTLED },
        { "RequestExpired", AWS_SKEWED },
        { "RequestInTheFuture", AWS_SKEWED },
        { "RequestLimitExceeded", AWS_THROTTLED },
        { "RequestThrottled", AWS_THROTTLED },
        { "RequestThrottledException", AWS_THROTTLED },
        { "RequestTimeTooSkewed", AWS_SKEWED },
        { "RequestTimeout", AWS_RETRY },
        { "RequestTimeoutException", AWS_RETRY },
        { "ServerException", AWS_RETRY },
        { "ServiceUnavailable", AWS_RETRY },
        { "SignatureDoesNotMatch", AWS_SKEWED },
        { "SlowDown", AWS_THROTTLED },
        { "ThrottledException", AWS_THROTTLED },
        { "Throttling", AWS_THROTTLED },
        { "ThrottlingException", AWS_THROTTLED },
        { "TooManyRequestsException", AWS_THROTTLED },
        { "TransactionInProgressException", AWS_THROTTLED },
};

static AwsOutcome outcome_of(const AwsAnswer *a, const char *code)
{
        for (size_t i = 0; code && i < ELEMENTSOF(error_codes); i++)
                if (streq(code, error_codes[i].code))
                        return error_codes[i].outcome;
        if (a->http == HTTP_THROTTLED)
                return AWS_THROTTLED;
        return a->http == HTTP_RETRY ? AWS_RETRY : AWS_REJECTED;
}

/* "com.amazonaws.ecr#FooException:http://..." means FooException. */
static void bare_code(const char *type, char *ret, size_t ret_size)
{
        const char *hash;
        size_t n = strcspn(type, ":");

        hash = memrchr(type, '#', n);
        if (hash) {
                n -= (size_t) (hash + 1 - type);
                type = hash + 1;
        }
        (void) snprintf(ret, ret_size, "%.*s", (int) MIN(n, ret_size - 1), type);
}

static AwsOutcome read_error(const AwsAnswer *a, char error[static AWS_ERROR_MAX])
{
        _cleanup_json_ cJSON *j = NULL;
        const char *type, *message;
        char code[128];

        if (a->status == 0) {
                (void) snprintf(error, AWS_ERROR_MAX, "%s", a->transport_error);
                return AWS_RETRY;
        }
        (void) json_parse(a->body, a->body_size, RESPONSE_MAX, &j);
        type = json_string(j, "__type");
        if (!type) {
                (void) snprintf(error, AWS_ERROR_MAX, "HTTP status %ld without an AWS error code", a->status);
                return outcome_of(a, NULL);
        }
        bare_code(type, code, sizeof(code));
        message = json_string(j, "message");
        if (!message)
                message = json_string(j, "Message");
        (void) snprintf(error, AWS_ERROR_MAX, "%s (HTTP %ld): %.300s", code, a->status, message ? message : "no message");
        return outcome_of(a, code);
}

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

/* Returns what is wrong, or NULL and the token. */
static const char *read_token(const cJSON *j, const AwsAnswer *a, Token **ret)
{
        const cJSON *data = cJSON_GetArrayItem(json_get(j, "authorizationData"), 0);
        const char *value = json_string(data, "authorizationToken");
        const char *endpoint = json_string(data, "proxyEndpoint");
        const char *host, *problem;
        usec_t expires;

        if (!data)
                return "it has no authorizationData";
        if (!value || !endpoint)
                return "it has no authorizationToken or no proxyEndpoint";
        host = startswith(endpoint, "https://");
        problem = read_expiry(data, a, &expires);
        if (problem)
                return problem;
        if (token_new(host ? host : endpoint, value, a->date, expires, a->boottime, ret) < 0)
                return "its token is not base64 of USER:PASSWORD, or its proxyEndpoint no host";
        return NULL;
}

AwsOutcome aws_ecr_answer(const AwsAnswer *a, Token **ret, char error[static AWS_ERROR_MAX])
{
        _cleanup_json_ cJSON *j = NULL;
        const char *problem;

        if (a->http != HTTP_OK)
                return read_error(a, error);
        if (json_parse(a->body, a->body_size, RESPONSE_MAX, &j) < 0)
                problem = a->body_size == 0 ? "it is empty" : "it is not JSON";
        else
                problem = read_token(j, a, ret);
        if (problem) {
                (void) snprintf(error, AWS_ERROR_MAX, "the answer is of no use: %s", problem);
                return AWS_RETRY;
        }
        return AWS_OK;
}
