/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "aws-body.h"
#include "aws-metadata.h"
#include "aws-sent.h"

#include "aws-metadata.c"

/* --- the request ----------------------------------------------------------------------------------- */

static const char *read_nothing(const AwsAnswer *answer, void *userdata)
{
        return "it is not read";
}

static void on_done(AwsOutcome outcome, const char *error, void *userdata)
{
        fail();
}

static void test_requests(void **state)
{
        static const struct {
                AwsMetadataStep step;
                const char *url, *token, *role;
                const char *method, *sent_url, *headers;
        } cases[] = {
                { AWS_METADATA_TOKEN, AWS_METADATA_IMDS_URL, NULL, NULL, "PUT",
                  "http://169.254.169.254/latest/api/token",
                  "X-aws-ec2-metadata-token-ttl-seconds: 21600\n" },
                { AWS_METADATA_ROLE, AWS_METADATA_IMDS_URL, "AQAE==", NULL, "GET",
                  "http://169.254.169.254/latest/meta-data/iam/security-credentials/",
                  "X-aws-ec2-metadata-token: AQAE==\n" },
                { AWS_METADATA_CREDENTIALS, "http://[fd00:ec2::254]", "AQAE==", "pull+a@b", "GET",
                  "http://[fd00:ec2::254]/latest/meta-data/iam/security-credentials/pull%2Ba%40b",
                  "X-aws-ec2-metadata-token: AQAE==\n" },
                { AWS_METADATA_CREDENTIALS, "http://h", "t", "../api/x?y#z", "GET",
                  "http://h/latest/meta-data/iam/security-credentials/..%2Fapi%2Fx%3Fy%23z",
                  "X-aws-ec2-metadata-token: t\n" },
                { AWS_METADATA_CONTAINER, "http://169.254.170.2/v2/credentials/uuid?a=b", NULL, NULL, "GET",
                  "http://169.254.170.2/v2/credentials/uuid?a=b", "" },
                { AWS_METADATA_CONTAINER, "http://127.0.0.1:1338/creds", "Basic dTpw", NULL, "GET",
                  "http://127.0.0.1:1338/creds", "Authorization: Basic dTpw\n" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const AwsMetadataSpec spec = {
                        .step = cases[i].step,
                        .url = cases[i].url,
                        .token = cases[i].token,
                        .role = cases[i].role,
                        .read = read_nothing,
                        .done = on_done,
                };
                _cleanup_(aws_call_freep) AwsCall *call = NULL;
                AwsState shared = { 0 };

                assert_int_equal(aws_metadata_start(NULL, &shared, &spec, &call), 0);
                assert_string_equal(sent.method, cases[i].method);
                assert_string_equal(sent.url, cases[i].sent_url);
                assert_string_equal(sent.headers, cases[i].headers);
                assert_string_equal(sent.body, "");
                assert_in_range(sent.timeout, USEC_PER_SEC, 5 * USEC_PER_SEC);
                assert_true(sent.no_proxy); /* it is near */
        }
}

static void test_a_request_that_cannot_be_made(void **state)
{
        const AwsMetadataSpec spec = { .url = "no-url", .read = read_nothing, .done = on_done };
        AwsState shared = { 0 };
        AwsCall *call = NULL;

        assert_int_equal(aws_metadata_start(NULL, &shared, &spec, &call), -EINVAL);
        assert_null(call);
}

/* --- the answer ------------------------------------------------------------------------------------ */

static const char *read_text(const char *body, size_t size, char **ret)
{
        _cleanup_body_ AwsAnswer answer = body_sized(HTTP_OK, 200, body, size);
        const char *problem = aws_metadata_read_text(&answer, ret);

        assert_true(problem ? !*ret : !!*ret);
        return problem;
}

static void test_texts(void **state)
{
        static const char *const cases[][3] = {
                { "AQAEA==", "AQAEA==", NULL },
                { "AQAEA==\n", "AQAEA==", NULL },
                { "first\r\nsecond", "first", NULL },
                { "first\n\x01", "first", NULL },
                { "~!", "~!", NULL },
                { "", NULL, "it is empty" },
                { "\n", NULL, "it is empty" },
                { "\nfirst", NULL, "it is empty" },
                { "a b", NULL, "there is a character in it that cannot be" },
                { " a", NULL, "there is a character in it that cannot be" },
                { "<html><body>Sign in</body></html>", NULL, "there is a character in it that cannot be" },
                { "a\tb", NULL, "there is a character in it that cannot be" },
                { "a\x7f", NULL, "there is a character in it that cannot be" },
                { "r\xc3\xb4le", NULL, "there is a character in it that cannot be" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *text = NULL;
                const char *problem = read_text(cases[i][0], strlen(cases[i][0]), &text);

                if (!streq_ptr(problem, cases[i][2]))
                        fail_msg("%s: %s", cases[i][0], problem ? problem : "taken");
                assert_true(streq_ptr(text, cases[i][1]));
        }
}

static void test_a_nul_ends_no_text(void **state)
{
        char *text = NULL;

        assert_string_equal(read_text("a\0b", 3, &text), "there is a character in it that cannot be");
        assert_string_equal(read_text("\0", 1, &text), "there is a character in it that cannot be");
}

static void test_long_texts(void **state)
{
        char body[4097], *text = NULL;

        memset(body, 'x', sizeof(body));
        assert_string_equal(read_text(body, 4097, &text), "it is too large");
        assert_null(read_text(body, 4096, &text));
        assert_int_equal(strlen(text), 4096);
        free(text);
}

#define KEYS "\"AccessKeyId\":\"ASIA1\",\"SecretAccessKey\":\"sec/ret+\""
#define TOKEN ",\"Token\":\"tok//en==\""

static void test_credentials(void **state)
{
        static const struct {
                const char *body, *token, *problem;
        } cases[] = {
                { "{\"Code\":\"Success\",\"LastUpdated\":\"x\",\"Type\":\"AWS-HMAC\"," KEYS TOKEN
                  ",\"Expiration\":\"2026-11-23T20:06:22Z\"}",
                  "tok//en==", NULL },
                { "{\"RoleArn\":\"a\"," KEYS TOKEN ",\"Expiration\":\"2026-11-23T20:06:22Z\"}",
                  "tok//en==", NULL },
                { "{" KEYS ",\"SessionToken\":\"t\",\"Expiration\":\"2026-11-23T20:06:22Z\"}", NULL, NULL },
                { "", NULL, "it is empty" },
                { "<html>", NULL, "it is not JSON" },
                { "{}", NULL, "it has no access key id" },
                { "null", NULL, "it has no access key id" },
                { "{\"Code\":\"AssumeRoleUnauthorizedAccess\",\"Message\":\"EC2 cannot assume the role\"}",
                  NULL, "it says that it has failed" },
                { "{\"Code\":\"Failed\"," KEYS "}", NULL, "it says that it has failed" },
                { "{\"AccessKeyId\":\"ASIA1\"}", NULL, "it has no secret access key" },
                { "{" KEYS TOKEN ",\"Expiration\":\"soon\"}", NULL, "its expiry is no time" },
                { "{" KEYS ",\"Token\":\"t\\u0001\"}", NULL,
                  "there is a character in its keys that cannot be" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(aws_credentials_unrefp) AwsCredentials *c = NULL;
                _cleanup_body_ AwsAnswer answer = body_of(cases[i].body);
                const char *problem = aws_metadata_read_credentials(&answer, &c);

                if (!streq_ptr(problem, cases[i].problem))
                        fail_msg("%s: %s", cases[i].body, problem ? problem : "taken");
                assert_true(problem ? !c : !!c);
                if (!c)
                        continue;
                assert_string_equal(c->keys.access_key_id, "ASIA1");
                assert_string_equal(c->keys.secret_access_key, "sec/ret+");
                assert_true(streq_ptr(c->keys.session_token, cases[i].token));
                assert_int_equal(c->expires, 1795464382 * USEC_PER_SEC);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_requests),   cmocka_unit_test(test_a_request_that_cannot_be_made),
                cmocka_unit_test(test_texts),      cmocka_unit_test(test_a_nul_ends_no_text),
                cmocka_unit_test(test_long_texts), cmocka_unit_test(test_credentials),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
