/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "aws-answer.h"
#include "aws-body.h"

#include <stdio.h>

#define SESSION "FwoGZXIvYXdzEJr//////////wEaDEXAMPLE+Ab0/c2Vzc2lvbg=="

static AwsOutcome read_sized(HttpOutcome http, long status, const char *body, size_t size,
                             char error[static AWS_ERROR_MAX])
{
        _cleanup_body_ AwsAnswer answer = body_sized(http, status, body, size);
        AwsOutcome outcome;

        memset(error, '#', AWS_ERROR_MAX);
        outcome = aws_answer_error(&answer, error);

        /* Whatever it is: one line that fits. */
        assert_in_range(outcome, AWS_RETRY, _AWS_OUTCOME_MAX - 1);
        assert_non_null(memchr(error, '\0', AWS_ERROR_MAX));
        assert_true(*error != '\0');
        for (const char *p = error; *p; p++)
                assert_true((unsigned char) *p >= ' ' && *p != 0x7f);
        return outcome;
}

static AwsOutcome read_error(HttpOutcome http, long status, const char *body,
                             char error[static AWS_ERROR_MAX])
{
        return read_sized(http, status, body, strlen(body), error);
}

static void test_no_answer_is_what_the_network_says(void **state)
{
        const AwsAnswer answer = {
                .http = HTTP_RETRY,
                .body = "{\"__type\":\"AccessDenied\"}", /* cut, maybe */
                .body_size = strlen("{\"__type\":\"AccessDenied\"}"),
                .transport_error = "Could not resolve host: api.ecr.xy",
        };
        char error[AWS_ERROR_MAX];

        assert_int_equal(aws_answer_error(&answer, error), AWS_RETRY);
        assert_string_equal(error, "Could not resolve host: api.ecr.xy");
}

static void test_errors_by_what_their_bodies_say(void **state)
{
        static const struct {
                HttpOutcome http;
                long status;
                const char *body;
                AwsOutcome expected;
                const char *error;
        } cases[] = {
                { HTTP_REJECTED, 400,
                  "{\"__type\":\"UnrecognizedClientException\",\"message\":\"The security token included in "
                  "the request "
                  "is invalid.\"}",
                  AWS_REJECTED,
                  "UnrecognizedClientException (HTTP 400): The security token included in the request is "
                  "invalid" },
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
                { HTTP_REJECTED, 400, "[{\"message\":\"m\"}]", AWS_REJECTED,
                  "HTTP status 400 without an AWS error code" },
                { HTTP_REJECTED, 400, "\"AccessDenied\"", AWS_REJECTED,
                  "HTTP status 400 without an AWS error code" },
                { HTTP_REJECTED, 400, "null", AWS_REJECTED, "HTTP status 400 without an AWS error code" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char error[AWS_ERROR_MAX];
                assert_int_equal(read_error(cases[i].http, cases[i].status, cases[i].body, error),
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
                        (void) snprintf(body, sizeof(body), "{\"__type\":\"com.amazonaws.ecr#%s\"}", *code);
                        if (read_error(HTTP_REJECTED, 400, body, error) != classes[i].expected)
                                fail_msg("%s", *code);
                        if (classes[i].expected != AWS_REJECTED)
                                assert_int_equal(read_error(HTTP_RETRY, 500, body, error),
                                                 classes[i].expected);
                }
}

/* AWS quotes the canonical request, session token and all, when a signature is wrong. */
static void test_session_token_that_aws_quotes_is_not_shown(void **state)
{
        char error[AWS_ERROR_MAX];

        assert_int_equal(
                read_error(
                        HTTP_REJECTED, 400,
                        "{\"__type\":\"InvalidSignatureException\",\"message\":\"The request signature we "
                        "calculated does not match the signature you provided.\\n\\nThe Canonical String "
                        "for "
                        "this request should have "
                        "been\\n'POST\\n/\\n\\nhost:h\\nx-amz-security-token:" SESSION "\\n'\"}",
                        error),
                AWS_SKEWED);
        assert_string_equal(
                error, "InvalidSignatureException (HTTP 400): The request signature we calculated does not "
                       "match the signature you provided");
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

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                assert_int_equal(read_error(HTTP_REJECTED, 400, cases[i][0], error), AWS_REJECTED);
                assert_string_equal(error, cases[i][1]);
        }
        for (int i = 0; i < 2; i++) {
                _cleanup_free_ char *body =
                        str_printf(i == 0 ? "{\"__type\":\"A\",\"message\":\"m%0100000d\"}"
                                          : "{\"__type\":\"T%0100000d\"}",
                                   0);

                assert_int_equal(read_error(HTTP_REJECTED, 400, body, error), AWS_REJECTED);
                assert_in_range(strlen(error), 127, 400);
        }
}

static void test_error_text_is_not_cut_inside_a_character(void **state)
{
        for (size_t shift = 0; shift < 3; shift++) {
                char body[1024] = "{\"__type\":\"A\",\"message\":\"", error[AWS_ERROR_MAX];
                memset(body + strlen(body), 'x', shift);
                for (int i = 0; i < 200; i++)
                        (void) strcat(body, "\xe2\x82\xac");
                (void) strcat(body, "\"}");
                assert_int_equal(read_error(HTTP_REJECTED, 400, body, error), AWS_REJECTED);
                assert_int_equal((strlen(error) - strlen("A (HTTP 400): ") - shift) % 3, 0);
                assert_in_range(strlen(error), 290, 320);
        }
}

/* --- what other services say ----------------------------------------------------------------------- */

static void test_errors_of_each_service(void **state)
{
        static const struct {
                HttpOutcome http;
                long status;
                const char *body;
                AwsOutcome expected;
                const char *error;
        } cases[] = {
                /* STS, asked for JSON */
                { HTTP_FORBIDDEN, 403,
                  "{\"Error\":{\"Code\":\"AccessDenied\",\"Message\":\"User: arn:aws:iam::1:user/u is not "
                  "authorized\",\"Type\":\"Sender\"},\"RequestId\":\"r\"}",
                  AWS_REJECTED, "AccessDenied (HTTP 403): User: arn:aws:iam::1:user/u is not authorized" },
                { HTTP_REJECTED, 400, "{\"Error\":{\"Code\":\"Throttling\",\"Message\":\"Rate exceeded\"}}",
                  AWS_THROTTLED, "Throttling (HTTP 400): Rate exceeded" },
                { HTTP_REJECTED, 400, "{\"Error\":{\"Code\":\"IDPCommunicationError\"}}", AWS_RETRY,
                  "IDPCommunicationError (HTTP 400): no message" },
                { HTTP_FORBIDDEN, 403, "{\"Error\":\"AccessDenied\"}", AWS_REJECTED,
                  "HTTP status 403 without an AWS error code" },
                /* STS as XML, with and without what surrounds it */
                { HTTP_FORBIDDEN, 403,
                  "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n  <Error>\n    "
                  "<Type>Sender</Type>\n    <Code>ExpiredToken</Code>\n    <Message>The security token "
                  "included in the request is expired</Message>\n  </Error>\n  "
                  "<RequestId>r</RequestId>\n</ErrorResponse>\n",
                  AWS_EXPIRED,
                  "ExpiredToken (HTTP 403): The security token included in the request is expired" },
                { HTTP_REJECTED, 400,
                  "<Response><Errors><Error><Code>Throttling</Code><Message>Rate exceeded</Message></Error>"
                  "</Errors></Response>",
                  AWS_THROTTLED, "Throttling (HTTP 400): Rate exceeded" },
                { HTTP_FORBIDDEN, 403,
                  "<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code></Error></ErrorResponse>",
                  AWS_SKEWED, "SignatureDoesNotMatch (HTTP 403): no message" },
                { HTTP_FORBIDDEN, 403, "<Error><Message>m</Message></Error>", AWS_REJECTED,
                  "(HTTP 403): m" },
                /* moto */
                { HTTP_FORBIDDEN, 403,
                  "\n<ErrorResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\">\n  <Error>\n    "
                  "<Code>InvalidClientTokenId</Code>\n    <Message><![CDATA[The security token included "
                  "in the request is <invalid>.]]></Message>\n    \n  </Error>\n  "
                  "<RequestId>r</RequestId>\n</ErrorResponse>",
                  AWS_REJECTED,
                  "InvalidClientTokenId (HTTP 403): The security token included in the request is "
                  "<invalid>" },
                /* two errors are none */
                { HTTP_FORBIDDEN, 403, "<Errors><Code>A</Code><Code>B</Code></Errors>", AWS_REJECTED,
                  "HTTP status 403 without an AWS error code" },
                /* IAM Roles Anywhere */
                { HTTP_FORBIDDEN, 403, "{\"message\":\"Untrusted signing certificate\"}", AWS_REJECTED,
                  "(HTTP 403): Untrusted signing certificate" },
                { HTTP_THROTTLED, 429, "{\"message\":\"Too Many Requests\"}", AWS_THROTTLED,
                  "(HTTP 429): Too Many Requests" },
                /* the container's endpoint and IMDS */
                { HTTP_REJECTED, 400, "{\"code\":\"InvalidRequest\",\"message\":\"no token\"}", AWS_REJECTED,
                  "InvalidRequest (HTTP 400): no token" },
                { HTTP_RETRY, 500, "{\"Code\":\"InternalFailure\",\"Message\":\"later\"}", AWS_RETRY,
                  "InternalFailure (HTTP 500): later" },
                { HTTP_NOT_FOUND, 404, "{\"code\":404,\"message\":\"m\"}", AWS_REJECTED, "(HTTP 404): m" },
                { HTTP_NOT_FOUND, 404,
                  "<?xml version=\"1.0\"?>\n<html><head><title>404 - Not Found</title></head></html>\n",
                  AWS_REJECTED, "HTTP status 404 without an AWS error code" },
        };
        char error[AWS_ERROR_MAX];

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                assert_int_equal(read_error(cases[i].http, cases[i].status, cases[i].body, error),
                                 cases[i].expected);
                assert_string_equal(error, cases[i].error);
        }
}

/* A text in XML has no NUL behind it, and its line may begin below the tag. */
static void test_error_text_of_xml_is_one_short_line(void **state)
{
        static const char *const cases[][2] = {
                { "<Code>A</Code><Message>m\n'POST\n/\n" SESSION "</Message>", "A (HTTP 400): m" },
                { "<Code>A</Code><Message>\n  m\n</Message>", "A (HTTP 400): m" },
                { "<Code>\n  A\n</Code><Message>m</Message>", "A (HTTP 400): m" },
                { "<Code>A</Code><Message>\n</Message>", "A (HTTP 400): no message" },
                { "<Code>A</Code><Message><![CDATA[]]></Message>", "A (HTTP 400): no message" },
                { "<Code>A</Code><Message></Message>", "A (HTTP 400): no message" },
                { "<Code>A</Code><Message/>", "A (HTTP 400): no message" },
                { "<Code>A</Code><Message>m", "A (HTTP 400): no message" },
        };
        char error[AWS_ERROR_MAX];

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                assert_int_equal(read_error(HTTP_REJECTED, 400, cases[i][0], error), AWS_REJECTED);
                assert_string_equal(error, cases[i][1]);
        }
        for (int cdata = 0; cdata < 2; cdata++) {
                _cleanup_free_ char *body = str_printf("<Code>A</Code><Message>%s%0100000d%s</Message>",
                                                       cdata ? "<![CDATA[" : "", 0, cdata ? "]]>" : "");

                assert_int_equal(read_error(HTTP_REJECTED, 400, body, error), AWS_REJECTED);
                assert_in_range(strlen(error), 290, 320);
        }
}

/* An answer that is cut anywhere. */
static void test_cut_errors(void **state)
{
        static const char *const bodies[] = {
                "<Error><Code>A</Code><Message><![CDATA[m]]></Message></Error>",
                "{\"Error\":{\"Code\":\"com#A:b\",\"Message\":\"\xe2\x82\xac\"}}",
        };
        char error[AWS_ERROR_MAX];

        for (size_t i = 0; i < ELEMENTSOF(bodies); i++)
                for (size_t n = 0; n < strlen(bodies[i]); n++)
                        assert_int_equal(read_sized(HTTP_REJECTED, 400, bodies[i], n, error), AWS_REJECTED);
}

static void test_names_of_outcomes(void **state)
{
        for (AwsOutcome o = 0; o < _AWS_OUTCOME_MAX; o++) {
                assert_non_null(aws_outcome_to_string(o));
                for (AwsOutcome other = 0; other < o; other++)
                        assert_string_not_equal(aws_outcome_to_string(o), aws_outcome_to_string(other));
        }
        assert_string_equal(aws_outcome_to_string(AWS_OK), "ok");
        assert_string_equal(aws_outcome_to_string(AWS_THROTTLED), "throttled");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_no_answer_is_what_the_network_says),
                cmocka_unit_test(test_errors_by_what_their_bodies_say),
                cmocka_unit_test(test_error_codes_weigh_more_than_the_status),
                cmocka_unit_test(test_session_token_that_aws_quotes_is_not_shown),
                cmocka_unit_test(test_error_text_is_one_short_line),
                cmocka_unit_test(test_error_text_is_not_cut_inside_a_character),
                cmocka_unit_test(test_errors_of_each_service),
                cmocka_unit_test(test_error_text_of_xml_is_one_short_line),
                cmocka_unit_test(test_cut_errors),
                cmocka_unit_test(test_names_of_outcomes),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
