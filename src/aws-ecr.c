/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "aws-ecr.h"
#include "encode.h"
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
#define MESSAGE_MAX 300U

/* ECR gives 12 hours. Far more than that is no expiry but a broken answer. */
#define LIFE_MAX (7 * USEC_PER_DAY)

/* --- the request ----------------------------------------------------------------------------------- */

/* SigV4 wants the path of a URL encoded once more, all but the slashes. */
static char *canonical_path(const char *path)
{
        char *s = encode_percent(path), *out = s;

        if (!s)
                return NULL;
        for (const char *p = s; *p; out++) {
                const char *rest = startswith(p, "%2F");

                *out = rest ? '/' : *p;
                p = rest ? rest : p + 1;
        }
        *out = '\0';
        return s;
}

/* What of a URL is signed: Host as libcurl sends it, with the port when it is not the scheme's own, and
 * the path. */
static int split_url(const char *url, char **ret_host, char **ret_path)
{
        const char *start = strstr(url, "://");
        _cleanup_free_ char *host = NULL;
        size_t n;
        char *port;

        if (!start)
                return -EINVAL;
        start += 3;
        n = strcspn(start, "/");
        host = strndup(start, n);
        if (!host)
                return -ENOMEM;
        port = strrchr(host, ':');
        if (port && streq(port, startswith(url, "https:") ? ":443" : ":80"))
                *port = '\0';
        *ret_path = canonical_path(start + n);
        if (!*ret_path)
                return -ENOMEM;
        *ret_host = TAKE_PTR(host);
        return 0;
}

int aws_ecr_request(HttpClient *client, const char *url, const char *region, const AwsKeys *keys,
                    usec_t signing_time, http_done_t done, void *userdata, HttpRequest **ret)
{
        _cleanup_free_ char *full_url = NULL, *host = NULL, *path = NULL, *authorization = NULL,
                            *date = NULL;
        _cleanup_buf_ Buf value = BUF_INIT(AUTHORIZATION_MAX);
        _cleanup_erase_ char *session = NULL;
        char now[CLOCK_BASIC_MAX];
        int r;

        full_url = str_printf("%s/", url);
        r = full_url ? split_url(full_url, &host, &path) : -ENOMEM;
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
                .path = path,
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
        if (keys->session_token)
                session = str_printf("X-Amz-Security-Token: %s", keys->session_token);
        if (!authorization || !date || (keys->session_token && !session))
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

/* How much of an answer's text is shown: the first line. When a signature is wrong, AWS quotes behind it
 * what it would have signed, session token and all. */
static size_t first_line(const char *s, size_t max)
{
        size_t n = 0;

        while (n < max && (unsigned char) s[n] >= ' ' && s[n] != 0x7f)
                n++;
        if (n == max)
                while (n > 0 && ((unsigned char) s[n] & 0xc0) == 0x80) /* not in the middle of a character */
                        n--;
        return n;
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
        n = first_line(type, MIN(n, ret_size - 1));
        memcpy(ret, type, n);
        ret[n] = '\0';
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
        bare_code(type ? type : "", code, sizeof(code));
        if (!*code) {
                (void) snprintf(error, AWS_ERROR_MAX, "HTTP status %ld without an AWS error code",
                                a->status);
                return outcome_of(a, NULL);
        }
        message = json_string(j, "message");
        if (!message)
                message = json_string(j, "Message");
        if (str_empty(message))
                message = "no message";
        (void) snprintf(error, AWS_ERROR_MAX, "%s (HTTP %ld): %.*s", code, a->status,
                        (int) first_line(message, MESSAGE_MAX), message);
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
        const cJSON *list = json_get(j, "authorizationData");
        const cJSON *data = cJSON_IsArray(list) ? list->child : NULL;
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
        int r;

        if (a->http != HTTP_OK)
                return read_error(a, error);
        r = json_parse(a->body, a->body_size, RESPONSE_MAX, &j);
        if (r < 0)
                problem = a->body_size == 0 ? "it is empty"
                          : r == -EMSGSIZE  ? "it is too large"
                                            : "it is not JSON";
        else
                problem = read_token(j, a, ret);
        if (problem) {
                (void) snprintf(error, AWS_ERROR_MAX, "the answer is of no use: %s", problem);
                return AWS_RETRY;
        }
        return AWS_OK;
}
