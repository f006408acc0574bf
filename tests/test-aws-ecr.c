/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "aws-body.h"
#include "aws-ecr.h"
#include "aws-sent.h"

#include "aws-ecr.c"

/* --- the request --------------------------------------------------------------------------------------- */

/* clang-format off */
static const struct {
        const char *url, *region, *session_token;
        bool public;
        const char *authorization;
} requests[] = {
        /* golden: tests/golden-sigv4.py ecr */
        {
                "https://api.ecr.eu-west-1.amazonaws.com", "eu-west-1", NULL, false,
                "AWS4-HMAC-SHA256 Credential=ASIAIOSFODNN7EXAMPLE/20261123/eu-west-1/ecr/aws4_request, "
                "SignedHeaders=content-type;host;x-amz-date;x-amz-target, "
                "Signature=c692f735bf2309ba106d3fc2ffeb67859e03ec44492d3da616c7de91f0f40376",
        },
        {
                "https://api.ecr.eu-west-1.amazonaws.com", "eu-west-1", SENT_SESSION, false,
                "AWS4-HMAC-SHA256 Credential=ASIAIOSFODNN7EXAMPLE/20261123/eu-west-1/ecr/aws4_request, "
                "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, "
                "Signature=293efdc18c8fa438e7fd65b17ee4bc6dadad59bedd0c648b43800326bf01f1dd",
        },
        {
                "https://ecr-fips.us-gov-west-1.api.aws", "us-gov-west-1", NULL, false,
                "AWS4-HMAC-SHA256 Credential=ASIAIOSFODNN7EXAMPLE/20261123/us-gov-west-1/ecr/aws4_request, "
                "SignedHeaders=content-type;host;x-amz-date;x-amz-target, "
                "Signature=571f772be92f9ab33a385daf69abe8a33d09a3fafbd0af6cdc31a65173de429f",
        },
        {
                "https://vpce-1.api.ecr.eu-west-1.vpce.amazonaws.com:8443", "eu-west-1", NULL, false,
                "AWS4-HMAC-SHA256 Credential=ASIAIOSFODNN7EXAMPLE/20261123/eu-west-1/ecr/aws4_request, "
                "SignedHeaders=content-type;host;x-amz-date;x-amz-target, "
                "Signature=43342e4cb054bd9419caa54f08eb7e03bb3a01ffa8b18323d078a45b4bb64093",
        },
        {
                "https://api.ecr.cn-north-1.amazonaws.com.cn:443", "cn-north-1", NULL, false,
                "AWS4-HMAC-SHA256 Credential=ASIAIOSFODNN7EXAMPLE/20261123/cn-north-1/ecr/aws4_request, "
                "SignedHeaders=content-type;host;x-amz-date;x-amz-target, "
                "Signature=06d838159772233689204f5e1eea0b4acd5ca75eab9fca135cae7b947ce96c04",
        },
        {
                "http://127.0.0.1:5556", "us-east-1", SENT_SESSION, false,
                "AWS4-HMAC-SHA256 Credential=ASIAIOSFODNN7EXAMPLE/20261123/us-east-1/ecr/aws4_request, "
                "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, "
                "Signature=4a91c9b63ad6cc9fc9509185c9a088e98228aafbfda48070e3b30b66d589b4be",
        },
        {
                "http://localhost:80", "us-east-1", NULL, false,
                "AWS4-HMAC-SHA256 Credential=ASIAIOSFODNN7EXAMPLE/20261123/us-east-1/ecr/aws4_request, "
                "SignedHeaders=content-type;host;x-amz-date;x-amz-target, "
                "Signature=89a2f09b487a11b9589143c33d33606a5b0c62736b745a4b3a025cdb646c80b7",
        },
        {
                "https://localhost:80", "us-east-1", NULL, false,
                "AWS4-HMAC-SHA256 Credential=ASIAIOSFODNN7EXAMPLE/20261123/us-east-1/ecr/aws4_request, "
                "SignedHeaders=content-type;host;x-amz-date;x-amz-target, "
                "Signature=36e92e8be9933fea56b17cbd28e3f30d4f7a20ca72ec705486a767d5b817addb",
        },
        {
                "http://localhost:443", "us-east-1", NULL, false,
                "AWS4-HMAC-SHA256 Credential=ASIAIOSFODNN7EXAMPLE/20261123/us-east-1/ecr/aws4_request, "
                "SignedHeaders=content-type;host;x-amz-date;x-amz-target, "
                "Signature=f6ca677c95f620e14734a10f4fbe6e245b1b4e9f8db1d55c75787da3159b3d8b",
        },
        {
                "http://[::1]:5556", "us-east-1", NULL, false,
                "AWS4-HMAC-SHA256 Credential=ASIAIOSFODNN7EXAMPLE/20261123/us-east-1/ecr/aws4_request, "
                "SignedHeaders=content-type;host;x-amz-date;x-amz-target, "
                "Signature=81a8dcec154ac32d7d00b6bffd5958e91e3e00ec466e2e081993aeb627261aa0",
        },
        {
                "https://proxy.example:8443/p", "eu-west-1", NULL, false,
                "AWS4-HMAC-SHA256 Credential=ASIAIOSFODNN7EXAMPLE/20261123/eu-west-1/ecr/aws4_request, "
                "SignedHeaders=content-type;host;x-amz-date;x-amz-target, "
                "Signature=e1f7990a0e9df071db8b0980d1fcfa247317ac446a673312c0c302541641c713",
        },
        {
                "https://proxy.example/a/b%20c/!d", "eu-west-1", NULL, false,
                "AWS4-HMAC-SHA256 Credential=ASIAIOSFODNN7EXAMPLE/20261123/eu-west-1/ecr/aws4_request, "
                "SignedHeaders=content-type;host;x-amz-date;x-amz-target, "
                "Signature=b071d7aae56a29ea17334a3419afc01c7cefcfc84dead7cc4317058117f924f8",
        },
        {
                "https://api.ecr-public.us-east-1.amazonaws.com", "us-east-1", NULL, true,
                "AWS4-HMAC-SHA256 Credential=ASIAIOSFODNN7EXAMPLE/20261123/us-east-1/ecr-public/aws4_request, "
                "SignedHeaders=content-type;host;x-amz-date;x-amz-target, "
                "Signature=6da65250995eb65a032bbc36decc5be346cb0384a94b31b29dc90e2be1508034",
        },
        {
                "http://127.0.0.1:5556/public", "us-east-1", SENT_SESSION, true,
                "AWS4-HMAC-SHA256 Credential=ASIAIOSFODNN7EXAMPLE/20261123/us-east-1/ecr-public/aws4_request, "
                "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, "
                "Signature=d3e7d2b37329459cf1c93e8d686ba4f336112d9f303512dc8fc1044213fed73a",
        },
        /* end of golden */
};
/* clang-format on */

static const char *read_nothing(const AwsAnswer *answer, void *userdata)
{
        return "it is not read";
}

static void on_done(AwsOutcome outcome, const char *error, void *userdata)
{
        fail();
}

/* Makes a request, which nobody answers. */
static int request(const char *url, const char *region, const char *session_token, bool public)
{
        _cleanup_(aws_credentials_unrefp) AwsCredentials *credentials = sent_credentials(session_token);
        const AwsEcrSpec spec = {
                .public = public,
                .url = url,
                .region = region,
                .ca_bundle = "/etc/ca.pem",
                .credentials = credentials,
                .read = read_nothing,
                .done = on_done,
        };
        _cleanup_(aws_call_freep) AwsCall *call = NULL;
        AwsState shared = { 0 };
        int r = aws_ecr_start(NULL, &shared, &spec, &call);

        assert_true(r < 0 ? !call : !!call);
        return r;
}

static void test_requests_are_signed_as_botocore_does(void **state)
{
        for (size_t i = 0; i < ELEMENTSOF(requests); i++) {
                _cleanup_free_ char *url = str_printf("%s/", requests[i].url);
                const char *token = requests[i].session_token;
                _cleanup_free_ char *headers =
                        str_printf("Content-Type: application/x-amz-json-1.1\n"
                                   "X-Amz-Target: %s.GetAuthorizationToken\n"
                                   "X-Amz-Date: 20261123T191927Z\n%s%s%sAuthorization: %s\n",
                                   requests[i].public ? "SpencerFrontendService"
                                                      : "AmazonEC2ContainerRegistry_V20150921",
                                   token ? "X-Amz-Security-Token: " : "", token ? token : "",
                                   token ? "\n" : "", requests[i].authorization);

                assert_int_equal(request(requests[i].url, requests[i].region, token, requests[i].public), 0);
                assert_string_equal(sent.method, "POST");
                assert_string_equal(sent.url, url);
                assert_string_equal(sent.headers, headers);
                assert_string_equal(sent.body, "{}");
                assert_string_equal(sent.ca_file, "/etc/ca.pem");
                assert_int_equal(sent.no_proxy, !!startswith(url, "http:"));
                assert_null(strstr(sent.headers, SENT_SECRET));
        }
}

static void test_requests_have_limits(void **state)
{
        assert_int_equal(request("https://h", "eu-west-1", NULL, false), 0);
        assert_in_range(sent.timeout, USEC_PER_SEC, USEC_PER_MINUTE);
        assert_int_equal(sent.response_max, 1024 * 1024);
}

static void test_requests_that_cannot_be_made(void **state)
{
        _cleanup_free_ char *large = calloc(1, 100001);

        assert_non_null(large);
        memset(large, 'x', 100000);
        assert_int_equal(request("no-url", "eu-west-1", NULL, false), -EINVAL);
        assert_int_equal(request("https://h", "eu-west-1", large, false), -EMSGSIZE);
        sent.result = -ENETDOWN;
        assert_int_equal(request("https://h", "eu-west-1", NULL, false), -ENETDOWN);
        sent.result = 0;
}

/* --- a good answer ------------------------------------------------------------------------------------- */

#define PASSWORD "hunter2"
#define VALUE "QVdTOmh1bnRlcjI=" /* AWS:hunter2 */
#define HOST "123456789012.dkr.ecr.eu-west-1.amazonaws.com"

/* One entry of authorizationData; ENTRY() is a good one but for what is given. */
#define MEMBERS(value, expires, endpoint) \
        "{\"authorizationToken\":" value ",\"expiresAt\":" expires ",\"proxyEndpoint\":" endpoint "}"
#define DATA(entries) "{\"authorizationData\":[" entries "]}"
#define WITH_VALUE(value) DATA(MEMBERS(value, "1795504783.416", "\"https://" HOST "\""))
#define WITH_EXPIRY(expires) DATA(MEMBERS("\"" VALUE "\"", expires, "\"https://" HOST "\""))
#define WITH_ENDPOINT(endpoint) DATA(MEMBERS("\"" VALUE "\"", "1795504783.416", endpoint))
#define GOOD_ENTRY MEMBERS("\"" VALUE "\"", "1795504783.416", "\"https://" HOST "\"")
#define GOOD DATA(GOOD_ENTRY)

/* What ECR Public says: no list, no endpoint. */
#define PUBLIC_ENTRY(value, expires) "{\"authorizationToken\":" value ",\"expiresAt\":" expires "}"
#define PUBLIC_DATA(entry) "{\"authorizationData\":" entry "}"
#define PUBLIC_GOOD PUBLIC_DATA(PUBLIC_ENTRY("\"" VALUE "\"", "1795504783.416"))

static const char *read_sized(bool public, const char *body, size_t size, Token **ret)
{
        _cleanup_body_ AwsAnswer answer = body_sized(HTTP_OK, 200, body, size);
        const char *problem = aws_ecr_read(public, &answer, ret);

        assert_true(problem ? !*ret : !!*ret);
        return problem;
}

static const char *read_body(bool public, const char *body, Token **ret)
{
        return read_sized(public, body, strlen(body), ret);
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

        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                _cleanup_(token_unrefp) Token *t = NULL;

                assert_null(read_body(false, good[i], &t));
                assert_string_equal(t->host, HOST);
                assert_string_equal(t->value, VALUE);
                assert_int_equal(t->issued, BODY_NOW);
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
                { "1795504783.999999", 1795504783999999 },  { "1795461567.5", BODY_NOW + USEC_PER_SEC / 2 },
                { "1795461568", BODY_NOW + USEC_PER_SEC },  { "1796066367", BODY_NOW + 7 * USEC_PER_DAY },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *body = str_printf(WITH_EXPIRY("%s"), cases[i].text);
                _cleanup_(token_unrefp) Token *t = NULL;
                const char *problem = read_body(false, body, &t);

                if (problem)
                        fail_msg("%s: %s", cases[i].text, problem);
                assert_in_range(t->expires, cases[i].expected - 1, cases[i].expected + 1);
        }
}

/* --- bad answers --------------------------------------------------------------------------------------- */

#define NO_DATA "it has no authorizationData"
#define NO_FIELD "it has no authorizationToken or no proxyEndpoint"
#define NO_PUBLIC_TOKEN "it has no authorizationToken"
#define NO_EXPIRY "expiresAt is missing or no number"
#define OUT_OF_RANGE "expiresAt is out of range"
#define EXPIRED "the token has expired already"
#define NO_TOKEN "its token is not base64 of USER:PASSWORD, or its proxyEndpoint no host"
#define NO_JSON "it is not JSON"

static void test_answers_without_a_good_token(void **state)
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

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Token *t = NULL;
                const char *problem = read_body(false, cases[i][0], &t);

                if (!streq_ptr(problem, cases[i][1]))
                        fail_msg("%s: %s", cases[i][0], problem ? problem : "taken");
        }
}

static void test_a_cut_answer_is_never_a_token(void **state)
{
        for (size_t n = 0; n < strlen(GOOD); n++) {
                Token *t = NULL;

                assert_non_null(read_sized(false, GOOD, n, &t));
        }
}

static void test_an_answer_may_have_a_megabyte_and_no_more(void **state)
{
        enum { MAXIMUM = 1024 * 1024 };
        _cleanup_free_ char *body = malloc(MAXIMUM + 1);
        Token *t = NULL;

        assert_non_null(body);
        memset(body, ' ', MAXIMUM + 1);
        memcpy(body, GOOD, strlen(GOOD));
        assert_string_equal(read_sized(false, body, MAXIMUM + 1, &t), "it is too large");
        assert_null(read_sized(false, body, MAXIMUM, &t));
        token_unref(t);
}

/* --- ECR Public -------------------------------------------------------------------------------------- */

static void test_a_token_of_ecr_public(void **state)
{
        static const char *const good[] = {
                PUBLIC_GOOD,
                PUBLIC_DATA(PUBLIC_ENTRY("\"" VALUE "\"", "1.795504783416E9")),
                /* Where else it could be from does not matter. */
                PUBLIC_DATA(GOOD_ENTRY),
        };

        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                _cleanup_(token_unrefp) Token *t = NULL;

                assert_null(read_body(true, good[i], &t));
                assert_string_equal(t->host, "public.ecr.aws");
                assert_string_equal(t->value, VALUE);
                assert_int_equal(t->issued, BODY_NOW);
                assert_in_range(t->expires, 1795504783415999, 1795504783416001);
                assert_int_equal(t->received_boottime, 42);
        }
}

static void test_answers_of_ecr_public_without_a_good_token(void **state)
{
        static const char *const cases[][2] = {
                { "", "it is empty" },
                { "{}", NO_DATA },
                { "[" PUBLIC_GOOD "]", NO_DATA },
                { PUBLIC_DATA("[" PUBLIC_ENTRY("\"" VALUE "\"", "1795504783") "]"), NO_PUBLIC_TOKEN },
                { PUBLIC_DATA("null"), NO_PUBLIC_TOKEN },
                { PUBLIC_DATA("{}"), NO_PUBLIC_TOKEN },
                { PUBLIC_DATA(PUBLIC_ENTRY("1", "1795504783")), NO_PUBLIC_TOKEN },
                { PUBLIC_DATA(PUBLIC_ENTRY("\"" VALUE "\"", "\"1795504783\"")), NO_EXPIRY },
                { PUBLIC_DATA(PUBLIC_ENTRY("\"" VALUE "\"", "1795461567")), EXPIRED },
                { PUBLIC_DATA(PUBLIC_ENTRY("\"" VALUE "\"", "1e99")), OUT_OF_RANGE },
                { PUBLIC_DATA(PUBLIC_ENTRY("\"QVdTOg==\"", "1795504783")), NO_TOKEN },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Token *t = NULL;
                const char *problem = read_body(true, cases[i][0], &t);

                if (!streq_ptr(problem, cases[i][1]))
                        fail_msg("%s: %s", cases[i][0], problem ? problem : "taken");
        }
        for (size_t n = 0; n < strlen(PUBLIC_GOOD); n++) {
                Token *t = NULL;

                assert_non_null(read_sized(true, PUBLIC_GOOD, n, &t));
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
                cmocka_unit_test(test_answers_without_a_good_token),
                cmocka_unit_test(test_a_cut_answer_is_never_a_token),
                cmocka_unit_test(test_an_answer_may_have_a_megabyte_and_no_more),
                cmocka_unit_test(test_a_token_of_ecr_public),
                cmocka_unit_test(test_answers_of_ecr_public_without_a_good_token),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
