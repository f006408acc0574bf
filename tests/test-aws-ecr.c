/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "aws-ecr.h"
#include "encode.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* --- the request --------------------------------------------------------------------------------------- */

#define SESSION "FwoGZXIvYXdzEJr//////////wEaDEXAMPLE+Ab0/c2Vzc2lvbg=="
#define SECRET "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
#define NOW (1795461567 * USEC_PER_SEC) /* 20261123T191927Z */

/* clang-format off */
static const struct {
        const char *url, *region, *session_token;
        const char *authorization;
} requests[] = {
        /* golden: tests/golden-sigv4.py ecr */
        {
                "https://api.ecr.eu-west-1.amazonaws.com", "eu-west-1", NULL,
                "AWS4-HMAC-SHA256 Credential=ASIAIOSFODNN7EXAMPLE/20261123/eu-west-1/ecr/aws4_request, "
                "SignedHeaders=content-type;host;x-amz-date;x-amz-target, "
                "Signature=c692f735bf2309ba106d3fc2ffeb67859e03ec44492d3da616c7de91f0f40376",
        },
        {
                "https://api.ecr.eu-west-1.amazonaws.com", "eu-west-1", SESSION,
                "AWS4-HMAC-SHA256 Credential=ASIAIOSFODNN7EXAMPLE/20261123/eu-west-1/ecr/aws4_request, "
                "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, "
                "Signature=293efdc18c8fa438e7fd65b17ee4bc6dadad59bedd0c648b43800326bf01f1dd",
        },
        {
                "https://ecr-fips.us-gov-west-1.api.aws", "us-gov-west-1", NULL,
                "AWS4-HMAC-SHA256 Credential=ASIAIOSFODNN7EXAMPLE/20261123/us-gov-west-1/ecr/aws4_request, "
                "SignedHeaders=content-type;host;x-amz-date;x-amz-target, "
                "Signature=571f772be92f9ab33a385daf69abe8a33d09a3fafbd0af6cdc31a65173de429f",
        },
        {
                "https://vpce-1.api.ecr.eu-west-1.vpce.amazonaws.com:8443", "eu-west-1", NULL,
                "AWS4-HMAC-SHA256 Credential=ASIAIOSFODNN7EXAMPLE/20261123/eu-west-1/ecr/aws4_request, "
                "SignedHeaders=content-type;host;x-amz-date;x-amz-target, "
                "Signature=43342e4cb054bd9419caa54f08eb7e03bb3a01ffa8b18323d078a45b4bb64093",
        },
        {
                "https://api.ecr.cn-north-1.amazonaws.com.cn:443", "cn-north-1", NULL,
                "AWS4-HMAC-SHA256 Credential=ASIAIOSFODNN7EXAMPLE/20261123/cn-north-1/ecr/aws4_request, "
                "SignedHeaders=content-type;host;x-amz-date;x-amz-target, "
                "Signature=06d838159772233689204f5e1eea0b4acd5ca75eab9fca135cae7b947ce96c04",
        },
        {
                "http://127.0.0.1:5556", "us-east-1", SESSION,
                "AWS4-HMAC-SHA256 Credential=ASIAIOSFODNN7EXAMPLE/20261123/us-east-1/ecr/aws4_request, "
                "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, "
                "Signature=4a91c9b63ad6cc9fc9509185c9a088e98228aafbfda48070e3b30b66d589b4be",
        },
        {
                "http://localhost:80", "us-east-1", NULL,
                "AWS4-HMAC-SHA256 Credential=ASIAIOSFODNN7EXAMPLE/20261123/us-east-1/ecr/aws4_request, "
                "SignedHeaders=content-type;host;x-amz-date;x-amz-target, "
                "Signature=89a2f09b487a11b9589143c33d33606a5b0c62736b745a4b3a025cdb646c80b7",
        },
        {
                "https://localhost:80", "us-east-1", NULL,
                "AWS4-HMAC-SHA256 Credential=ASIAIOSFODNN7EXAMPLE/20261123/us-east-1/ecr/aws4_request, "
                "SignedHeaders=content-type;host;x-amz-date;x-amz-target, "
                "Signature=36e92e8be9933fea56b17cbd28e3f30d4f7a20ca72ec705486a767d5b817addb",
        },
        {
                "http://localhost:443", "us-east-1", NULL,
                "AWS4-HMAC-SHA256 Credential=ASIAIOSFODNN7EXAMPLE/20261123/us-east-1/ecr/aws4_request, "
                "SignedHeaders=content-type;host;x-amz-date;x-amz-target, "
                "Signature=f6ca677c95f620e14734a10f4fbe6e245b1b4e9f8db1d55c75787da3159b3d8b",
        },
        {
                "http://[::1]:5556", "us-east-1", NULL,
                "AWS4-HMAC-SHA256 Credential=ASIAIOSFODNN7EXAMPLE/20261123/us-east-1/ecr/aws4_request, "
                "SignedHeaders=content-type;host;x-amz-date;x-amz-target, "
                "Signature=81a8dcec154ac32d7d00b6bffd5958e91e3e00ec466e2e081993aeb627261aa0",
        },
        {
                "https://proxy.example:8443/p", "eu-west-1", NULL,
                "AWS4-HMAC-SHA256 Credential=ASIAIOSFODNN7EXAMPLE/20261123/eu-west-1/ecr/aws4_request, "
                "SignedHeaders=content-type;host;x-amz-date;x-amz-target, "
                "Signature=e1f7990a0e9df071db8b0980d1fcfa247317ac446a673312c0c302541641c713",
        },
        {
                "https://proxy.example/a/b%20c/!d", "eu-west-1", NULL,
                "AWS4-HMAC-SHA256 Credential=ASIAIOSFODNN7EXAMPLE/20261123/eu-west-1/ecr/aws4_request, "
                "SignedHeaders=content-type;host;x-amz-date;x-amz-target, "
                "Signature=b071d7aae56a29ea17334a3419afc01c7cefcfc84dead7cc4317058117f924f8",
        },
        /* end of golden */
};
/* clang-format on */

static struct {
        char method[16], url[256], headers[2048], body[16];
        usec_t timeout;
        size_t response_max;
        int result;
} sent;

/* In place of http.c's: takes down what would be sent, the headers a line each. */
int http_request_start(HttpClient *c, const HttpSpec *spec, http_done_t done, void *userdata,
                       HttpRequest **ret)
{
        (void) snprintf(sent.method, sizeof(sent.method), "%s", spec->method);
        (void) snprintf(sent.url, sizeof(sent.url), "%s", spec->url);
        (void) snprintf(sent.body, sizeof(sent.body), "%.*s", (int) spec->body_size,
                        (const char *) spec->body);
        sent.headers[0] = '\0';
        for (const char *const *h = spec->headers; *h; h++) {
                assert_true(strlen(sent.headers) + strlen(*h) + 2 < sizeof(sent.headers));
                (void) strcat(strcat(sent.headers, *h), "\n");
        }
        sent.timeout = spec->timeout;
        sent.response_max = spec->response_max;
        return sent.result;
}

static int request(const char *url, const char *region, const char *session_token)
{
        const AwsKeys keys = { "ASIAIOSFODNN7EXAMPLE", SECRET, session_token };
        HttpRequest *q;

        return aws_ecr_request(NULL, url, region, &keys, NOW, NULL, NULL, &q);
}

static void test_requests_are_signed_as_botocore_does(void **state)
{
        for (size_t i = 0; i < ELEMENTSOF(requests); i++) {
                _cleanup_free_ char *url = str_printf("%s/", requests[i].url);
                const char *token = requests[i].session_token;
                _cleanup_free_ char *headers = str_printf(
                        "Content-Type: application/x-amz-json-1.1\n"
                        "X-Amz-Target: AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken\n"
                        "X-Amz-Date: 20261123T191927Z\nAuthorization: %s\n%s%s%s",
                        requests[i].authorization, token ? "X-Amz-Security-Token: " : "", token ? token : "",
                        token ? "\n" : "");

                assert_int_equal(request(requests[i].url, requests[i].region, token), 0);
                assert_string_equal(sent.method, "POST");
                assert_string_equal(sent.url, url);
                assert_string_equal(sent.headers, headers);
                assert_string_equal(sent.body, "{}");
                assert_null(strstr(sent.headers, SECRET));
        }
}

static void test_requests_have_limits(void **state)
{
        assert_int_equal(request("https://h", "eu-west-1", NULL), 0);
        assert_in_range(sent.timeout, USEC_PER_SEC, USEC_PER_MINUTE);
        assert_int_equal(sent.response_max, 1024 * 1024);
}

static void test_requests_that_cannot_be_made(void **state)
{
        _cleanup_free_ char *large = calloc(1, 100001);

        assert_non_null(large);
        memset(large, 'x', 100000);
        assert_int_equal(request("no-url", "eu-west-1", NULL), -EINVAL);
        assert_int_equal(request("https://h", "eu-west-1", large), -EMSGSIZE);
        sent.result = -ENETDOWN;
        assert_int_equal(request("https://h", "eu-west-1", NULL), -ENETDOWN);
        sent.result = 0;
}

/* --- a good answer ------------------------------------------------------------------------------------- */

#define PASSWORD "hunter2"
#define VALUE "QVdTOmh1bnRlcjI=" /* AWS:hunter2 */
#define HOST "123456789012.dkr.ecr.eu-west-1.amazonaws.com"

/* One entry of authorizationData; ENTRY() is a good one but for what is given. */
#define MEMBERS(value, expires, endpoint)                                                                   \
        "{\"authorizationToken\":" value ",\"expiresAt\":" expires ",\"proxyEndpoint\":" endpoint "}"
#define DATA(entries) "{\"authorizationData\":[" entries "]}"
#define WITH_VALUE(value) DATA(MEMBERS(value, "1795504783.416", "\"https://" HOST "\""))
#define WITH_EXPIRY(expires) DATA(MEMBERS("\"" VALUE "\"", expires, "\"https://" HOST "\""))
#define WITH_ENDPOINT(endpoint) DATA(MEMBERS("\"" VALUE "\"", "1795504783.416", endpoint))
#define GOOD_ENTRY MEMBERS("\"" VALUE "\"", "1795504783.416", "\"https://" HOST "\"")
#define GOOD DATA(GOOD_ENTRY)

static AwsOutcome read_sized(HttpOutcome http, long status, const char *body, size_t size, Token **ret,
                             char error[static AWS_ERROR_MAX])
{
        /* A copy that ends where its memory does, for the sanitizers and valgrind. */
        char *copy = malloc(MAX(size, 1U));
        AwsAnswer answer = {
                .http = http,
                .status = status,
                .body = copy,
                .body_size = size,
                .transport_error = status == 0 ? body : "",
                .date = NOW,
                .boottime = 42,
        };
        AwsOutcome outcome;

        assert_non_null(copy);
        memcpy(copy, body, size);
        memset(error, '#', AWS_ERROR_MAX);
        outcome = aws_ecr_answer(&answer, ret, error);
        free(copy);
        if (outcome == AWS_OK)
                return outcome;

        /* Whatever it is: one line that fits, without the token. */
        assert_null(*ret);
        assert_non_null(memchr(error, '\0', AWS_ERROR_MAX));
        assert_true(*error != '\0');
        for (const char *p = error; *p; p++)
                assert_true((unsigned char) *p >= ' ' && *p != 0x7f);
        assert_null(strstr(error, "QVdT"));
        assert_null(strstr(error, PASSWORD));
        return outcome;
}

static AwsOutcome read_body(HttpOutcome http, long status, const char *body, Token **ret,
                            char error[static AWS_ERROR_MAX])
{
        return read_sized(http, status, body, strlen(body), ret, error);
}

static void test_a_good_answer_is_a_token(void **state)
{
        static const char *const good[] = {
                GOOD,
                " \r\n" GOOD "\n",
                /* Only the first entry counts; what is not known does not matter. */
                DATA(GOOD_ENTRY ",{\"authorizationToken\":\"x\"}"),
                "{\"x\":[1,{}],"
                "\"authorizationData\":[{\"y\":null,\"expiresAt\":1795504783.416,"
                "\"proxyEndpoint\":\"https:\\/\\/" HOST "\",\"authorizationToken\":\"" VALUE
                "\"}],\"z\":\"\"}",
                WITH_ENDPOINT("\"" HOST "\""),
        };
        char error[AWS_ERROR_MAX];

        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                _cleanup_(token_unrefp) Token *t = NULL;

                assert_int_equal(read_body(HTTP_OK, 200, good[i], &t, error), AWS_OK);
                assert_string_equal(t->host, HOST);
                assert_string_equal(t->value, VALUE);
                assert_int_equal(t->issued, NOW);
                assert_in_range(t->expires, 1795504783415999, 1795504783416001);
                assert_int_equal(t->received_boottime, 42);
        }
}

static void test_expiries_that_are_times_to_come(void **state)
{
        static const struct {
                const char *text;
                usec_t expected;
        } cases[] = {
                { "1795504783.416", 1795504783416000 },     { "1.795504783416E9", 1795504783416000 },
                { "1.795504783416e+09", 1795504783416000 }, { "17955047834160e-4", 1795504783416000 },
                { "1795504783", 1795504783000000 },         { "1795504783.000001", 1795504783000001 },
                { "1795504783.999999", 1795504783999999 },  { "1795461567.5", NOW + USEC_PER_SEC / 2 },
                { "1795461568", NOW + USEC_PER_SEC },       { "1796066367", NOW + 7 * USEC_PER_DAY },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *body = str_printf(WITH_EXPIRY("%s"), cases[i].text);
                _cleanup_(token_unrefp) Token *t = NULL;
                char error[AWS_ERROR_MAX];

                if (read_body(HTTP_OK, 200, body, &t, error) != AWS_OK)
                        fail_msg("%s: %s", cases[i].text, error);
                assert_in_range(t->expires, cases[i].expected - 1, cases[i].expected + 1);
        }
}

/* --- bad answers --------------------------------------------------------------------------------------- */

#define NO_DATA "it has no authorizationData"
#define NO_FIELD "it has no authorizationToken or no proxyEndpoint"
#define NO_EXPIRY "expiresAt is missing or no number"
#define OUT_OF_RANGE "expiresAt is out of range"
#define EXPIRED "the token has expired already"
#define NO_TOKEN "its token is not base64 of USER:PASSWORD, or its proxyEndpoint no host"
#define NO_JSON "it is not JSON"

static void test_a_2xx_without_a_good_token_is_tried_again(void **state)
{
        static const char *const cases[][2] = {
                { "", "it is empty" },
                { " ", NO_JSON },
                { "<html><body>Sign in to the hotel's network</body></html>", NO_JSON },
                { "\x1f\x8b\x08", NO_JSON },
                { GOOD "x", NO_JSON },
                { GOOD GOOD, NO_JSON },
                { "{\"authorizationData\":[{\"authorizationToken\":\"" VALUE "\",\"expiresAt\":17955",
                  NO_JSON },
                { WITH_EXPIRY("NaN"), NO_JSON },
                { WITH_EXPIRY("Infinity"), NO_JSON },
                { WITH_EXPIRY(""), NO_JSON },
                { "null", NO_DATA },
                { "\"" VALUE "\"", NO_DATA },
                { "[]", NO_DATA },
                { "[" GOOD_ENTRY "]", NO_DATA },
                { "{}", NO_DATA },
                { "{\"AuthorizationData\":[" GOOD_ENTRY "]}", NO_DATA },
                { "{\"authorizationData\":null}", NO_DATA },
                { "{\"authorizationData\":[]}", NO_DATA },
                { "{\"authorizationData\":\"" VALUE "\"}", NO_DATA },
                { "{\"authorizationData\":{}}", NO_DATA },
                { "{\"authorizationData\":{\"x\":" GOOD_ENTRY "}}", NO_DATA },
                { "{\"authorizationData\":" GOOD_ENTRY "}", NO_DATA }, /* what ECR Public says */
                { DATA("null"), NO_FIELD },
                { DATA("{}"), NO_FIELD },
                { DATA("\"" VALUE "\""), NO_FIELD },
                { DATA("[" GOOD_ENTRY "]"), NO_FIELD },
                { DATA("{}," GOOD_ENTRY), NO_FIELD },
                { DATA("{\"authorizationToken\":\"" VALUE "\",\"expiresAt\":1795504783}"), NO_FIELD },
                { DATA("{\"proxyEndpoint\":\"https://" HOST "\",\"expiresAt\":1795504783}"), NO_FIELD },
                { DATA("{\"authorizationToken\":\"" VALUE "\",\"proxyEndpoint\":\"https://" HOST "\"}"),
                  NO_EXPIRY },
                { WITH_VALUE("null"), NO_FIELD },
                { WITH_VALUE("42"), NO_FIELD },
                { WITH_VALUE("\"\""), NO_TOKEN },
                { WITH_VALUE("\"AWS:" PASSWORD "\""), NO_TOKEN },
                { WITH_VALUE("\"QVdTOmh1bnRlcjI\""), NO_TOKEN },
                { WITH_VALUE("\"QVdTaHVudGVyMg==\""), NO_TOKEN }, /* no colon */
                { WITH_VALUE("\"QVdTOg==\""), NO_TOKEN },         /* no password */
                { WITH_VALUE("\"QVdTOmh1\\r\\nbnRlcjI=\""), NO_TOKEN },
                { WITH_VALUE("\"QVdTOmh1bnRlcjI=\\n\""), NO_TOKEN },
                { WITH_VALUE("\"QVdTOmh1bg0KdGVyMg==\""), NO_TOKEN }, /* CRLF inside */
                { WITH_VALUE("\"QVdTOmh1bg\\u0000\""), NO_TOKEN },
                { WITH_EXPIRY("0"), OUT_OF_RANGE },
                { WITH_EXPIRY("-0"), OUT_OF_RANGE },
                { WITH_EXPIRY("-1"), OUT_OF_RANGE },
                { WITH_EXPIRY("-1795504783"), OUT_OF_RANGE },
                { WITH_EXPIRY("1e99"), OUT_OF_RANGE },
                { WITH_EXPIRY("-1e99"), OUT_OF_RANGE },
                { WITH_EXPIRY("1e999"), OUT_OF_RANGE },
                { WITH_EXPIRY("18446744073709551616"), OUT_OF_RANGE },
                { WITH_EXPIRY("1795504783416"), OUT_OF_RANGE }, /* milliseconds */
                { WITH_EXPIRY("1796066367.5"), OUT_OF_RANGE },
                { WITH_EXPIRY("1e-99"), EXPIRED },
                { WITH_EXPIRY("1"), EXPIRED },
                { WITH_EXPIRY("1420070400.0"), EXPIRED }, /* what moto says */
                { WITH_EXPIRY("1795461567"), EXPIRED },
                { WITH_EXPIRY("1795461566.999"), EXPIRED },
                { WITH_EXPIRY("\"1795504783\""), NO_EXPIRY },
                { WITH_EXPIRY("\"2026-11-24T07:19:43Z\""), NO_EXPIRY },
                { WITH_EXPIRY("null"), NO_EXPIRY },
                { WITH_EXPIRY("true"), NO_EXPIRY },
                { WITH_EXPIRY("[1795504783]"), NO_EXPIRY },
                { WITH_ENDPOINT("null"), NO_FIELD },
                { WITH_ENDPOINT("1"), NO_FIELD },
                { WITH_ENDPOINT("\"\""), NO_TOKEN },
                { WITH_ENDPOINT("\"https://\""), NO_TOKEN },
                { WITH_ENDPOINT("\"https:///\""), NO_TOKEN },
                { WITH_ENDPOINT("\"http://" HOST "\""), NO_TOKEN },
                { WITH_ENDPOINT("\"https://https://" HOST "\""), NO_TOKEN },
                { WITH_ENDPOINT("\"https://user@" HOST "\""), NO_TOKEN },
                { WITH_ENDPOINT("\"https://a b\""), NO_TOKEN },
                { WITH_ENDPOINT("\"https://a\\n\""), NO_TOKEN },
                { WITH_ENDPOINT("\"https://a\\\"b\""), NO_TOKEN },
        };
        char error[AWS_ERROR_MAX];

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Token *t = NULL;

                if (read_body(HTTP_OK, 200, cases[i][0], &t, error) != AWS_RETRY)
                        fail_msg("taken: %s", cases[i][0]);
                if (!startswith(error, "the answer is of no use: ") ||
                    !streq(error + strlen("the answer is of no use: "), cases[i][1]))
                        fail_msg("%s: %s", cases[i][0], error);
        }
}

static void test_a_cut_answer_is_never_a_token(void **state)
{
        for (size_t n = 0; n < strlen(GOOD); n++) {
                char error[AWS_ERROR_MAX];
                Token *t = NULL;

                assert_int_equal(read_sized(HTTP_OK, 200, GOOD, n, &t, error), AWS_RETRY);
        }
}

static void test_an_answer_may_have_a_megabyte_and_no_more(void **state)
{
        enum { MAXIMUM = 1024 * 1024 };
        _cleanup_free_ char *body = malloc(MAXIMUM + 1);
        char error[AWS_ERROR_MAX];
        Token *t = NULL;

        assert_non_null(body);
        memset(body, ' ', MAXIMUM + 1);
        memcpy(body, GOOD, strlen(GOOD));
        assert_int_equal(read_sized(HTTP_OK, 200, body, MAXIMUM + 1, &t, error), AWS_RETRY);
        assert_string_equal(error, "the answer is of no use: it is too large");
        assert_int_equal(read_sized(HTTP_OK, 200, body, MAXIMUM, &t, error), AWS_OK);
        token_unref(t);
}

/* --- errors -------------------------------------------------------------------------------------------- */

static void test_errors_by_what_their_bodies_say(void **state)
{
        static const struct {
                HttpOutcome http;
                long status;
                const char *body;
                AwsOutcome expected;
                const char *error;
        } cases[] = {
                { HTTP_RETRY, 0, "Could not resolve host: api.ecr.xy", AWS_RETRY,
                  "Could not resolve host: api.ecr.xy" },
                { HTTP_REJECTED, 400,
                  "{\"__type\":\"UnrecognizedClientException\",\"message\":\"The security token included in "
                  "the request "
                  "is invalid.\"}",
                  AWS_REJECTED,
                  "UnrecognizedClientException (HTTP 400): The security token included in the request is "
                  "invalid." },
                { HTTP_FORBIDDEN, 403,
                  "{\"__type\":\"AccessDeniedException\",\"Message\":\"User is not authorized\"}",
                  AWS_REJECTED, "AccessDeniedException (HTTP 403): User is not authorized" },
                { HTTP_REJECTED, 400,
                  "{\"__type\":\"com.amazonaws.ecr#ThrottlingException\",\"message\":\"Rate exceeded\"}",
                  AWS_THROTTLED, "ThrottlingException (HTTP 400): Rate exceeded" },
                { HTTP_REJECTED, 400,
                  "{\"__type\":\"ExpiredTokenException:http://internal.amazon.com/coral/a#b\"}", AWS_EXPIRED,
                  "ExpiredTokenException (HTTP 400): no message" },
                { HTTP_REJECTED, 400,
                  "{\"__type\":\"com.amazon.coral.service#ExpiredTokenException:x#y\",\"message\":\"m\"}",
                  AWS_EXPIRED, "ExpiredTokenException (HTTP 400): m" },
                { HTTP_REJECTED, 400, "{\"__type\":\"a#b#Throttling\",\"message\":null,\"Message\":\"M\"}",
                  AWS_THROTTLED, "Throttling (HTTP 400): M" },
                { HTTP_REJECTED, 400, "{\"__type\":\"A\",\"message\":\"m\",\"Message\":\"M\"}", AWS_REJECTED,
                  "A (HTTP 400): m" },
                { HTTP_REJECTED, 400, "{\"__type\":\"A\",\"message\":\"\"}", AWS_REJECTED,
                  "A (HTTP 400): no message" },
                { HTTP_REJECTED, 400, "{\"__type\":\"A\",\"message\":[\"m\"]}", AWS_REJECTED,
                  "A (HTTP 400): no message" },
                /* What the code does not say, the status does. */
                { HTTP_RETRY, 500, "{\"__type\":\"Unknown\",\"message\":\"m\"}", AWS_RETRY,
                  "Unknown (HTTP 500): m" },
                { HTTP_THROTTLED, 429, "{\"__type\":\"Unknown\",\"message\":\"m\"}", AWS_THROTTLED,
                  "Unknown (HTTP 429): m" },
                { HTTP_RETRY, 500, "{\"__type\":\"AccessDeniedException\"}", AWS_RETRY,
                  "AccessDeniedException (HTTP 500): no message" },
                /* Nor do other bodies. */
                { HTTP_FORBIDDEN, 403,
                  "<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>", AWS_REJECTED,
                  "HTTP status 403 without an AWS error code" },
                { HTTP_FORBIDDEN, 403, "", AWS_REJECTED, "HTTP status 403 without an AWS error code" },
                { HTTP_UNAUTHORIZED, 401, "{", AWS_REJECTED, "HTTP status 401 without an AWS error code" },
                { HTTP_REJECTED, 400, "{}", AWS_REJECTED, "HTTP status 400 without an AWS error code" },
                { HTTP_REJECTED, 400, "{\"__type\":42}", AWS_REJECTED,
                  "HTTP status 400 without an AWS error code" },
                { HTTP_REJECTED, 400, "{\"__type\":\"\"}", AWS_REJECTED,
                  "HTTP status 400 without an AWS error code" },
                { HTTP_REJECTED, 400, "{\"__type\":\"a#:b\"}", AWS_REJECTED,
                  "HTTP status 400 without an AWS error code" },
                { HTTP_REJECTED, 301, "", AWS_REJECTED, "HTTP status 301 without an AWS error code" },
                { HTTP_NOT_FOUND, 404, "no such page", AWS_REJECTED,
                  "HTTP status 404 without an AWS error code" },
                { HTTP_RETRY, 502, "<html>Bad gateway</html>", AWS_RETRY,
                  "HTTP status 502 without an AWS error code" },
                { HTTP_RETRY, 503, "", AWS_RETRY, "HTTP status 503 without an AWS error code" },
                { HTTP_THROTTLED, 503, "", AWS_THROTTLED, "HTTP status 503 without an AWS error code" },
                { HTTP_THROTTLED, 429, "slow down", AWS_THROTTLED,
                  "HTTP status 429 without an AWS error code" },
                /* A token in an error is none. */
                { HTTP_REJECTED, 400, GOOD, AWS_REJECTED, "HTTP status 400 without an AWS error code" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char error[AWS_ERROR_MAX];
                Token *t = NULL;

                assert_int_equal(read_body(cases[i].http, cases[i].status, cases[i].body, &t, error),
                                 cases[i].expected);
                assert_string_equal(error, cases[i].error);
        }
}

static void test_error_codes_weigh_more_than_the_status(void **state)
{
        static const struct {
                AwsOutcome expected;
                const char *codes[16];
        } classes[] = {
                { AWS_THROTTLED,
                  { "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottledException",
                    "RequestThrottled", "TooManyRequestsException", "ProvisionedThroughputExceededException",
                    "TransactionInProgressException", "RequestLimitExceeded", "BandwidthLimitExceeded",
                    "LimitExceededException", "SlowDown", "EC2ThrottledException" } },
                { AWS_SKEWED,
                  { "AuthFailure", "InvalidSignatureException", "RequestExpired", "RequestInTheFuture",
                    "RequestTimeTooSkewed", "SignatureDoesNotMatch" } },
                { AWS_EXPIRED, { "ExpiredToken", "ExpiredTokenException" } },
                { AWS_RETRY,
                  { "RequestTimeout", "RequestTimeoutException", "PriorRequestNotComplete",
                    "InternalFailure", "ServerException", "ServiceUnavailable" } },
                { AWS_REJECTED,
                  { "AccessDeniedException", "AccessDenied", "UnrecognizedClientException",
                    "InvalidClientTokenId", "IncompleteSignature", "InvalidParameterException",
                    "OptInRequired", "MissingAuthenticationToken", "throttling", "ThrottlingExceptionX",
                    "Throttlin" } },
        };
        char body[256], error[AWS_ERROR_MAX];

        for (size_t i = 0; i < ELEMENTSOF(classes); i++)
                for (const char *const *code = classes[i].codes; *code; code++) {
                        Token *t = NULL;

                        (void) snprintf(body, sizeof(body), "{\"__type\":\"com.amazonaws.ecr#%s\"}", *code);
                        if (read_body(HTTP_REJECTED, 400, body, &t, error) != classes[i].expected)
                                fail_msg("%s", *code);
                        if (classes[i].expected != AWS_REJECTED)
                                assert_int_equal(read_body(HTTP_RETRY, 500, body, &t, error),
                                                 classes[i].expected);
                }
}

/* AWS quotes the canonical request, session token and all, when a signature is wrong. */
static void test_session_token_that_aws_quotes_is_not_shown(void **state)
{
        char error[AWS_ERROR_MAX];
        Token *t = NULL;

        assert_int_equal(
                read_body(HTTP_REJECTED, 400,
                          "{\"__type\":\"InvalidSignatureException\",\"message\":\"The request signature we "
                          "calculated does not match the signature you provided.\\n\\nThe Canonical String "
                          "for "
                          "this request should have "
                          "been\\n'POST\\n/\\n\\nhost:h\\nx-amz-security-token:" SESSION "\\n'\"}",
                          &t, error),
                AWS_SKEWED);
        assert_string_equal(
                error, "InvalidSignatureException (HTTP 400): The request signature we calculated does not "
                       "match the signature you provided.");
}

static void test_error_text_is_one_short_line(void **state)
{
        static const char *const cases[][2] = {
                { "{\"__type\":\"A\\nREADY=1\",\"message\":\"m\"}", "A (HTTP 400): m" },
                { "{\"__type\":\"A\",\"message\":\"m\\nREADY=1\"}", "A (HTTP 400): m" },
                { "{\"__type\":\"A\",\"message\":\"m\\u001b[31m\"}", "A (HTTP 400): m" },
                { "{\"__type\":\"A\",\"message\":\"%s%n\"}", "A (HTTP 400): %s%n" },
                { "{\"__type\":\"A\",\"message\":\"\\u00e4\"}", "A (HTTP 400): \xc3\xa4" },
        };
        char error[AWS_ERROR_MAX];
        Token *t = NULL;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                assert_int_equal(read_body(HTTP_REJECTED, 400, cases[i][0], &t, error), AWS_REJECTED);
                assert_string_equal(error, cases[i][1]);
        }
        for (int i = 0; i < 2; i++) {
                _cleanup_free_ char *body =
                        str_printf(i == 0 ? "{\"__type\":\"A\",\"message\":\"m%0100000d\"}"
                                          : "{\"__type\":\"T%0100000d\"}",
                                   0);

                assert_int_equal(read_body(HTTP_REJECTED, 400, body, &t, error), AWS_REJECTED);
                assert_in_range(strlen(error), 127, 400);
        }
}

static void test_error_text_is_not_cut_inside_a_character(void **state)
{
        for (size_t shift = 0; shift < 3; shift++) {
                char body[1024] = "{\"__type\":\"A\",\"message\":\"", error[AWS_ERROR_MAX];
                Token *t = NULL;

                memset(body + strlen(body), 'x', shift);
                for (int i = 0; i < 200; i++)
                        (void) strcat(body, "\xe2\x82\xac");
                (void) strcat(body, "\"}");
                assert_int_equal(read_body(HTTP_REJECTED, 400, body, &t, error), AWS_REJECTED);
                assert_int_equal((strlen(error) - strlen("A (HTTP 400): ") - shift) % 3, 0);
                assert_in_range(strlen(error), 290, 320);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_requests_are_signed_as_botocore_does),
                cmocka_unit_test(test_requests_have_limits),
                cmocka_unit_test(test_requests_that_cannot_be_made),
                cmocka_unit_test(test_a_good_answer_is_a_token),
                cmocka_unit_test(test_expiries_that_are_times_to_come),
                cmocka_unit_test(test_a_2xx_without_a_good_token_is_tried_again),
                cmocka_unit_test(test_a_cut_answer_is_never_a_token),
                cmocka_unit_test(test_an_answer_may_have_a_megabyte_and_no_more),
                cmocka_unit_test(test_errors_by_what_their_bodies_say),
                cmocka_unit_test(test_error_codes_weigh_more_than_the_status),
                cmocka_unit_test(test_session_token_that_aws_quotes_is_not_shown),
                cmocka_unit_test(test_error_text_is_one_short_line),
                cmocka_unit_test(test_error_text_is_not_cut_inside_a_character),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
