/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "aws-anywhere.h"
#include "aws-body.h"
#include "aws-sent.h"
#include "folder.h"
#include "x509-fixtures.h"

#include "aws-anywhere.c"

#define ARN "arn:aws:rolesanywhere:eu-west-1:123456789012:"
#define URL "https://rolesanywhere.eu-west-1.amazonaws.com"

/* --- the request ----------------------------------------------------------------------------------- */

static AwsSource source; /* which the golden is of */

static int set_up(void **state)
{
        source = (AwsSource){
                .kind = AWS_SOURCE_ROLES_ANYWHERE,
                .anywhere = { .trust_anchor_arn = (char *) ARN "trust-anchor/0a-1",
                              .profile_arn = (char *) ARN "profile/9" },
                .role = { .arn = (char *) "arn:aws:iam::123456789012:role/pull/eatr+test=1,@x" },
        };
        sent.result = 0;
        return 0;
}

static const char *read_nothing(const AwsAnswer *answer, void *userdata)
{
        return "it is not read";
}

static void on_done(AwsOutcome outcome, const char *error, void *userdata)
{
        fail();
}

static X509Identity *load(const char *certificate, const char *key, const char *chain)
{
        char error[X509_ERROR_MAX];
        X509Identity *i = NULL;

        folder_put("certificate", certificate);
        folder_put("key", key);
        if (chain)
                folder_put("chain", chain);
        assert_int_equal(x509_identity_load("certificate", "key", chain ? "chain" : NULL, &i, error), 0);
        return i;
}

static int request(const X509Identity *identity)
{
        const AwsAnywhereSpec spec = {
                .url = URL,
                .source = &source,
                .identity = identity,
                .ca_bundle = "/etc/ca.pem",
                .read = read_nothing,
                .done = on_done,
        };
        _cleanup_(aws_call_freep) AwsCall *call = NULL;
        AwsState shared = { 0 };
        int r = aws_anywhere_start(NULL, &shared, &spec, &call);

        assert_true(r < 0 ? !call : !!call);
        return r;
}

/* Beside the certificate's signature everything is botocore's. */
static void test_a_request_with_rsa_and_a_chain(void **state)
{
        _cleanup_x509_identity_ X509Identity *i = load(FIXTURE_RSA, FIXTURE_RSA_KEY, FIXTURE_INTERMEDIATE);

        assert_int_equal(request(i), 0);
        assert_string_equal(sent.method, "POST");
        assert_string_equal(sent.url, URL "/sessions?" FIXTURE_SESSIONS_QUERY);
        assert_string_equal(sent.body, "{\"durationSeconds\":3600}");
        assert_string_equal(sent.ca_file, "/etc/ca.pem");
        assert_string_equal(sent.headers,
                            "Content-Type: application/json\nX-Amz-X509: " FIXTURE_RSA_BASE64
                            "\nX-Amz-X509-Chain: " FIXTURE_INTERMEDIATE_BASE64
                            "\nX-Amz-Date: 20261123T191927Z\n"
                            "Authorization: AWS4-X509-RSA-SHA256 Credential=" FIXTURE_RSA_SERIAL
                            "/20261123/eu-west-1/rolesanywhere/aws4_request, "
                            "SignedHeaders=content-type;host;x-amz-date;x-amz-x509;x-amz-x509-chain, "
                            "Signature=" FIXTURE_SESSIONS_SIGNATURE "\n");
}

static void test_a_request_with_ec_and_no_chain(void **state)
{
        _cleanup_x509_identity_ X509Identity *i = load(FIXTURE_EC, FIXTURE_EC_KEY, NULL);

        assert_int_equal(request(i), 0);
        assert_sent_header("X-Amz-X509: " FIXTURE_EC_BASE64);
        assert_null(strstr(sent.headers, "X-Amz-X509-Chain"));
        assert_non_null(strstr(sent.headers,
                               "Authorization: AWS4-X509-ECDSA-SHA256 Credential=4711/20261123/"
                               "eu-west-1/rolesanywhere/aws4_request, SignedHeaders="
                               "content-type;host;x-amz-date;x-amz-x509, Signature=30"));
}

static void test_the_session_s_name_and_duration(void **state)
{
        _cleanup_x509_identity_ X509Identity *i = load(FIXTURE_EC, FIXTURE_EC_KEY, NULL);

        source.role.duration = 900;
        assert_int_equal(request(i), 0);
        assert_string_equal(sent.body, "{\"durationSeconds\":900}");
        source.role.session_name = (char *) "ops@eatr\"";
        assert_int_equal(request(i), 0);
        assert_string_equal(sent.body, "{\"durationSeconds\":900,\"roleSessionName\":\"ops@eatr\\\"\"}");
}

static void test_the_region_is_the_trust_anchor_s(void **state)
{
        _cleanup_x509_identity_ X509Identity *i = load(FIXTURE_EC, FIXTURE_EC_KEY, NULL);

        source.anywhere.trust_anchor_arn =
                (char *) "arn:aws-us-gov:rolesanywhere:us-gov-west-1:123456789012:trust-anchor/0";
        assert_int_equal(request(i), 0);
        assert_non_null(strstr(sent.headers, "/20261123/us-gov-west-1/rolesanywhere/aws4_request"));
}

static void test_requests_that_cannot_be_made(void **state)
{
        _cleanup_x509_identity_ X509Identity *i = load(FIXTURE_EC, FIXTURE_EC_KEY, NULL);

        sent.result = -ENETDOWN;
        assert_int_equal(request(i), -ENETDOWN);
        source.anywhere.trust_anchor_arn = (char *) "arn:aws:rolesanywhere::123456789012:trust-anchor/0";
        assert_int_equal(request(i), -EINVAL);
}

static void test_regions_of_arns(void **state)
{
        static const char *const cases[][2] = {
                { ARN "trust-anchor/0", "eu-west-1" },
                { "arn:aws-cn:x:cn-north-1", "cn-north-1" },
                { "arn:aws:iam::123456789012:role/x", NULL },
                { "arn:aws:iam:", NULL },
                { "arn:aws:iam", NULL },
                { "arn", NULL },
                { "", NULL },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *region = aws_anywhere_region(cases[i][0]);

                if (!streq_ptr(region, cases[i][1]))
                        fail_msg("%s: %s", cases[i][0], region ? region : "none");
        }
}

/* --- the answer ------------------------------------------------------------------------------------ */

#define SET(credentials)                                                                              \
        "{\"credentialSet\":[{\"assumedRoleUser\":{\"arn\":\"a\"},\"credentials\":{" credentials "}," \
        "\"packedPolicySize\":1,\"roleArn\":\"r\",\"sourceIdentity\":\"s\"}],\"subjectArn\":\"x\"}"
#define KEYS "\"accessKeyId\":\"ASIA1\",\"secretAccessKey\":\"sec/ret+\",\"sessionToken\":\"tok//en==\""

static void test_answers(void **state)
{
        static const char *const cases[][2] = {
                { SET(KEYS ",\"expiration\":\"2026-11-23T20:06:22Z\""), NULL },
                { "", "it is empty" },
                { "<html>", "it is not JSON" },
                { "{}", "it has no access key id" },
                { "[]", "it has no access key id" },
                { "{\"credentialSet\":[]}", "it has no access key id" },
                { "{\"credentialSet\":null}", "it has no access key id" },
                { "{\"credentialSet\":[{}]}", "it has no access key id" },
                { "{\"credentialSet\":[{\"credentials\":[]}]}", "it has no access key id" },
                { "{" KEYS "}", "it has no access key id" },
                { SET("\"AccessKeyId\":\"ASIA1\""), "it has no access key id" },
                { SET("\"accessKeyId\":\"ASIA1\""), "it has no secret access key" },
                { SET(KEYS ",\"expiration\":\"soon\""), "its expiry is no time" },
                { SET("\"accessKeyId\":\"A\",\"secretAccessKey\":\"sec/ret+ \""),
                  "there is a character in its keys that cannot be" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(aws_credentials_unrefp) AwsCredentials *c = NULL;
                _cleanup_body_ AwsAnswer answer = body_of(cases[i][0]);
                const char *problem = aws_anywhere_read(&answer, &c);

                if (!streq_ptr(problem, cases[i][1]))
                        fail_msg("%s: %s", cases[i][0], problem ? problem : "taken");
                assert_true(problem ? !c : !!c);
                if (!c)
                        continue;
                assert_string_equal(c->keys.access_key_id, "ASIA1");
                assert_string_equal(c->keys.secret_access_key, "sec/ret+");
                assert_string_equal(c->keys.session_token, "tok//en==");
                assert_int_equal(c->expires, 1795464382 * USEC_PER_SEC);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup(test_a_request_with_rsa_and_a_chain, set_up),
                cmocka_unit_test_setup(test_a_request_with_ec_and_no_chain, set_up),
                cmocka_unit_test_setup(test_the_session_s_name_and_duration, set_up),
                cmocka_unit_test_setup(test_the_region_is_the_trust_anchor_s, set_up),
                cmocka_unit_test_setup(test_requests_that_cannot_be_made, set_up),
                cmocka_unit_test(test_regions_of_arns),
                cmocka_unit_test(test_answers),
        };

        return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
