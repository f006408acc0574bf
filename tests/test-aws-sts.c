/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "aws-body.h"
#include "aws-sent.h"
#include "aws-sts.h"

#include "aws-sts.c"

#define ARN "arn:aws:iam::123456789012:role/pull"
#define BEGIN(action) \
        "Action=" action "&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fpull"

/* --- the request ----------------------------------------------------------------------------------- */

static const char *read_nothing(const AwsAnswer *answer, void *userdata)
{
        return "it is not read";
}

static void on_done(AwsOutcome outcome, const char *error, void *userdata)
{
        fail();
}

/* Makes a request, which nobody answers. */
static int request(const char *url, const char *region, const AwsRole *role, AwsCredentials *credentials,
                   const char *web_identity_token)
{
        const AwsStsSpec spec = {
                .url = url,
                .region = region,
                .role = role,
                .credentials = credentials,
                .web_identity_token = web_identity_token,
                .read = read_nothing,
                .done = on_done,
        };
        _cleanup_(aws_call_freep) AwsCall *call = NULL;
        AwsState shared = { 0 };
        int r = aws_sts_start(NULL, &shared, &spec, &call);

        assert_true(r < 0 ? !call : !!call);
        return r;
}

/* The roles of the goldens. */
static const AwsRole roles[] = {
        { .arn = (char *) ARN },
        { .arn = (char *) ARN,
          .session_name = (char *) "eatr@ops,x=1",
          .external_id = (char *) "a/b=c+:@",
          .duration = 900 },
        { .arn = (char *) ARN, .session_name = (char *) "ci", .duration = 43200 },
};

/* clang-format off */
static const struct {
        const char *url, *region, *session_token;
        const char *body, *authorization;
} requests[] = {
        /* golden: tests/golden-sigv4.py sts */
        {
                "https://sts.eu-west-1.amazonaws.com", "eu-west-1", NULL,
                "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole"
                "%2Fpull&RoleSessionName=eatr",
                "AWS4-HMAC-SHA256 Credential=ASIAIOSFODNN7EXAMPLE/20261123/eu-west-1/sts/aws4_request, "
                "SignedHeaders=content-type;host;x-amz-date, "
                "Signature=9835e739bd7943d54cbc0167926b5b4fb3e9a0c8e6cee9559a985d1e8eab5b3e",
        },
        {
                "https://sts.eu-west-1.amazonaws.com", "eu-west-1", SENT_SESSION,
                "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole"
                "%2Fpull&RoleSessionName=eatr%40ops%2Cx%3D1&ExternalId=a%2Fb%3Dc%2B%3A%40&DurationSeco"
                "nds=900",
                "AWS4-HMAC-SHA256 Credential=ASIAIOSFODNN7EXAMPLE/20261123/eu-west-1/sts/aws4_request, "
                "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, "
                "Signature=343bd9a8a5ef879c7450008816efe660f47bf691d2969da6836e7bf17d647591",
        },
        {
                "http://127.0.0.1:5556/sts", "us-gov-west-1", NULL,
                "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole"
                "%2Fpull&RoleSessionName=ci&DurationSeconds=43200",
                "AWS4-HMAC-SHA256 Credential=ASIAIOSFODNN7EXAMPLE/20261123/us-gov-west-1/sts/aws4_request, "
                "SignedHeaders=content-type;host;x-amz-date, "
                "Signature=1b34a669b30179c48aa0309754d3c210cc9f30b5d676bed5f09508df2ef73ba9",
        },
        /* end of golden */
};
/* clang-format on */

static void test_requests_are_signed_as_botocore_does(void **state)
{
        assert_int_equal(ELEMENTSOF(requests), ELEMENTSOF(roles));
        for (size_t i = 0; i < ELEMENTSOF(requests); i++) {
                const char *token = requests[i].session_token;
                _cleanup_(aws_credentials_unrefp) AwsCredentials *credentials = sent_credentials(token);
                _cleanup_free_ char *url = str_printf("%s/", requests[i].url);
                _cleanup_free_ char *headers = str_printf(
                        "Content-Type: application/x-www-form-urlencoded; charset=utf-8\n"
                        "X-Amz-Date: 20261123T191927Z\n%s%s%sAccept: application/json\nAuthorization: %s\n",
                        token ? "X-Amz-Security-Token: " : "", token ? token : "", token ? "\n" : "",
                        requests[i].authorization);

                assert_int_equal(request(requests[i].url, requests[i].region, &roles[i], credentials, NULL),
                                 0);
                assert_string_equal(sent.method, "POST");
                assert_string_equal(sent.url, url);
                assert_string_equal(sent.body, requests[i].body);
                assert_string_equal(sent.headers, headers);
                assert_int_equal(credentials->n_ref, 1); /* the call has gone */
        }
}

static void test_a_web_identity_speaks_for_itself(void **state)
{
        static const struct {
                AwsRole role;
                const char *token, *body;
        } cases[] = {
                { { .arn = (char *) ARN },
                  "eyJ.a-b_c.~",
                  BEGIN("AssumeRoleWithWebIdentity") "&RoleSessionName=eatr&WebIdentityToken=eyJ.a-b_c.~" },
                { { .arn = (char *) ARN, .session_name = (char *) "ci", .duration = 3600 },
                  "a+b/c= &",
                  BEGIN("AssumeRoleWithWebIdentity") "&RoleSessionName=ci&DurationSeconds=3600"
                                                     "&WebIdentityToken=a%2Bb%2Fc%3D%20%26" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                assert_int_equal(request("https://sts.eu-west-1.amazonaws.com", "eu-west-1", &cases[i].role,
                                         NULL, cases[i].token),
                                 0);
                assert_string_equal(sent.body, cases[i].body);
                assert_string_equal(sent.url, "https://sts.eu-west-1.amazonaws.com/");
                assert_string_equal(sent.headers,
                                    "Content-Type: application/x-www-form-urlencoded; charset=utf-8\n"
                                    "Accept: application/json\n");
        }
}

/* The longest that STS takes, every character of which has to be encoded. */
static void test_long_tokens(void **state)
{
        _cleanup_free_ char *token = malloc(2 * AWS_STS_TOKEN_MAX + 8192);
        const char *encoded;

        assert_non_null(token);
        memset(token, '=', AWS_STS_TOKEN_MAX);
        token[AWS_STS_TOKEN_MAX] = '\0';
        assert_int_equal(request("https://h", "eu-west-1", &roles[0], NULL, token), 0);
        encoded = strstr(sent.body, "&WebIdentityToken=");
        assert_non_null(encoded);
        assert_int_equal(strlen(strchr(encoded, '=') + 1), 3 * AWS_STS_TOKEN_MAX);

        memset(token, '=', 2 * AWS_STS_TOKEN_MAX + 8191);
        token[2 * AWS_STS_TOKEN_MAX + 8191] = '\0';
        assert_int_equal(request("https://h", "eu-west-1", &roles[0], NULL, token), -EMSGSIZE);
}

static void test_requests_that_cannot_be_made(void **state)
{
        assert_int_equal(request("no-url", "eu-west-1", &roles[0], NULL, "t"), -EINVAL);
        sent.result = -ENETDOWN;
        assert_int_equal(request("https://h", "eu-west-1", &roles[0], NULL, "t"), -ENETDOWN);
        sent.result = 0;
}

/* --- the answer ------------------------------------------------------------------------------------ */

#define EXPIRES (1795464382 * USEC_PER_SEC) /* 2026-11-23T20:06:22Z */
#define ANSWER(action, credentials)                                                                  \
        "{\"" action "Response\":{\"ResponseMetadata\":{\"RequestId\":\"r\"},\"" action "Result\":{" \
        "\"AssumedRoleUser\":{\"Arn\":\"a\"},\"Credentials\":{" credentials                          \
        "},\"PackedPolicySize\":null}}}"
#define KEYS "\"AccessKeyId\":\"ASIA1\",\"SecretAccessKey\":\"sec/ret+\",\"SessionToken\":\"tok//en==\""

#define XML_HEAD                                                                                         \
        "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n<AssumeRoleResult>\n" \
        "<AssumedRoleUser><Arn>a</Arn><AssumedRoleId>i</AssumedRoleId></AssumedRoleUser>\n<Credentials>\n"
#define XML_TAIL                                                                          \
        "</Credentials>\n</AssumeRoleResult>\n<ResponseMetadata><RequestId>r</RequestId>" \
        "</ResponseMetadata>\n</AssumeRoleResponse>\n"
#define XML_ID "<AccessKeyId>ASIA1</AccessKeyId>\n"
#define XML_SECRET "<SecretAccessKey>sec/ret+</SecretAccessKey>\n"
#define XML_TOKEN "<SessionToken>tok//en==</SessionToken>\n"
#define XML_EXPIRES "<Expiration>2026-11-23T20:06:22Z</Expiration>\n"

static const char *read_sized(const char *body, size_t size, AwsCredentials **ret)
{
        _cleanup_body_ AwsAnswer answer = body_sized(HTTP_OK, 200, body, size);
        const char *problem = aws_sts_read(&answer, ret);

        assert_true(problem ? !*ret : !!*ret);
        if (problem)
                assert_null(strstr(problem, "sec/ret"));
        return problem;
}

static void test_good_answers(void **state)
{
        static const struct {
                const char *body;
                usec_t expires;
        } cases[] = {
                { ANSWER("AssumeRole", KEYS ",\"Expiration\":1.795464382E9"), EXPIRES },
                { ANSWER("AssumeRole", KEYS ",\"Expiration\":1795464382"), EXPIRES },
                { ANSWER("AssumeRoleWithWebIdentity", "\"Expiration\":1.795464382E9," KEYS), EXPIRES },
                { ANSWER("AssumeRole", KEYS ",\"Expiration\":\"2026-11-23T20:06:22Z\""), EXPIRES },
                { ANSWER("AssumeRole", KEYS), 0 },
                /* as AWS has them, and as moto */
                { XML_HEAD XML_ID XML_SECRET XML_TOKEN XML_EXPIRES XML_TAIL, EXPIRES },
                { XML_HEAD XML_TOKEN XML_SECRET XML_EXPIRES XML_ID XML_TAIL, EXPIRES },
                { "<?xml version=\"1.0\"?>\n" XML_HEAD XML_EXPIRES XML_ID XML_TOKEN XML_SECRET XML_TAIL,
                  EXPIRES },
                { XML_HEAD XML_ID XML_SECRET XML_TOKEN
                  "<Expiration>2026-11-23T20:06:22.000Z</Expiration>" XML_TAIL,
                  EXPIRES },
                { XML_HEAD XML_ID
                  "<SecretAccessKey><![CDATA[sec/ret+]]></SecretAccessKey>" XML_TOKEN XML_EXPIRES XML_TAIL,
                  EXPIRES },
                { XML_HEAD XML_ID XML_SECRET XML_TOKEN XML_TAIL, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(aws_credentials_unrefp) AwsCredentials *c = NULL;
                const char *problem = read_sized(cases[i].body, strlen(cases[i].body), &c);

                if (problem)
                        fail_msg("%s: %s", cases[i].body, problem);
                assert_string_equal(c->keys.access_key_id, "ASIA1");
                assert_string_equal(c->keys.secret_access_key, "sec/ret+");
                assert_string_equal(c->keys.session_token, "tok//en==");
                assert_int_equal(c->expires, cases[i].expires);
        }
}

#define NO_CREDENTIALS "there are no credentials in it"
#define NO_ID "it has no access key id"
#define NO_SECRET "it has no secret access key"
#define NO_TOKEN "it has no session token"
#define NO_TIME "its expiry is no time"
#define ODD "there is a character in its keys that cannot be"

static void test_answers_without_good_credentials(void **state)
{
        static const char *const cases[][2] = {
                { "", "it is empty" },
                { "{}", NO_CREDENTIALS },
                { "null", NO_CREDENTIALS },
                { "[]", NO_CREDENTIALS },
                { "\"Credentials\"", NO_CREDENTIALS },
                { "{\"Credentials\":{" KEYS "}}", NO_CREDENTIALS },
                { "{\"Error\":{\"Code\":\"A\",\"Message\":\"m\"}}", NO_CREDENTIALS },
                { "{\"AssumeRoleResponse\":{\"Credentials\":{" KEYS "}}}", NO_CREDENTIALS },
                { "{\"AssumeRoleResponse\":{\"AssumeRoleResult\":{\"credentials\":{" KEYS "}}}}",
                  NO_CREDENTIALS },
                { "{\"AssumeRoleResponse\":{\"AssumeRoleResult\":{\"Credentials\":\"x\"}}}", NO_ID },
                { ANSWER("AssumeRole", ""), NO_ID },
                { ANSWER("AssumeRole", "\"AccessKeyId\":\"ASIA1\""), NO_SECRET },
                { ANSWER("AssumeRole", "\"AccessKeyId\":1,\"SecretAccessKey\":\"s\""), NO_ID },
                { ANSWER("AssumeRole", "\"AccessKeyId\":\"ASIA1\",\"SecretAccessKey\":\"sec/ret+\""),
                  NO_TOKEN },
                { ANSWER("AssumeRole",
                         "\"AccessKeyId\":\"ASIA1\",\"SecretAccessKey\":\"sec/ret+\",\"SessionToken\":\"\""),
                  NO_TOKEN },
                { ANSWER("AssumeRole",
                         "\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"sec/ret+\",\"SessionToken\":\"t\\n\""),
                  ODD },
                { ANSWER("AssumeRole", KEYS ",\"Expiration\":\"soon\""), NO_TIME },
                { ANSWER("AssumeRole", KEYS ",\"Expiration\":-1"), NO_TIME },
                { ANSWER("AssumeRole", KEYS ",\"Expiration\":1e300"), NO_TIME },
                { ANSWER("AssumeRole", KEYS ",\"Expiration\":true"), NO_TIME },
                { "<html>Sign in to the hotel's network</html>", NO_ID },
                { XML_HEAD XML_TAIL, NO_ID },
                { XML_HEAD XML_ID XML_TOKEN XML_EXPIRES XML_TAIL, NO_SECRET },
                { XML_HEAD XML_ID XML_SECRET XML_EXPIRES XML_TAIL, NO_TOKEN },
                { XML_HEAD XML_ID XML_SECRET "<SessionToken></SessionToken>" XML_TAIL, NO_TOKEN },
                { XML_HEAD XML_ID XML_SECRET "<SessionToken/>" XML_TAIL, NO_TOKEN },
                { XML_HEAD XML_ID XML_ID XML_SECRET XML_TOKEN XML_TAIL, NO_ID },
                { XML_HEAD XML_ID "<SecretAccessKey>sec/ret&#43;</SecretAccessKey>" XML_TOKEN XML_TAIL,
                  NO_CREDENTIALS },
                { XML_HEAD XML_ID XML_SECRET "<SessionToken>a&amp;b</SessionToken>" XML_TAIL,
                  NO_CREDENTIALS },
                { XML_HEAD XML_ID "<SecretAccessKey>\nsec/ret+\n</SecretAccessKey>" XML_TOKEN XML_TAIL,
                  ODD },
                { XML_HEAD XML_ID XML_SECRET XML_TOKEN "<Expiration>soon</Expiration>" XML_TAIL, NO_TIME },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                AwsCredentials *c = NULL;
                const char *problem = read_sized(cases[i][0], strlen(cases[i][0]), &c);

                if (!streq_ptr(problem, cases[i][1]))
                        fail_msg("%s: %s", cases[i][0], problem ? problem : "taken");
        }
}

static void test_a_nul_ends_no_key(void **state)
{
        static const char body[] =
                XML_HEAD XML_ID XML_SECRET "<SessionToken>tok\0en</SessionToken>" XML_TAIL;
        AwsCredentials *c = NULL;

        assert_string_equal(read_sized(body, sizeof(body) - 1, &c), NO_CREDENTIALS);
}

static void test_cut_answers(void **state)
{
        static const char json[] = ANSWER("AssumeRole", KEYS);
        static const char xml[] = XML_HEAD XML_ID XML_SECRET XML_EXPIRES XML_TOKEN;
        AwsCredentials *c = NULL;

        for (size_t n = 0; n < strlen(json); n++)
                assert_non_null(read_sized(json, n, &c));
        for (size_t n = 0; n < strlen(xml) - 1; n++)
                assert_non_null(read_sized(xml, n, &c));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_requests_are_signed_as_botocore_does),
                cmocka_unit_test(test_a_web_identity_speaks_for_itself),
                cmocka_unit_test(test_long_tokens),
                cmocka_unit_test(test_requests_that_cannot_be_made),
                cmocka_unit_test(test_good_answers),
                cmocka_unit_test(test_answers_without_good_credentials),
                cmocka_unit_test(test_a_nul_ends_no_key),
                cmocka_unit_test(test_cut_answers),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
