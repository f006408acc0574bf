/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "aws-answer.h"

#include "aws-xml.h"
#include "json.h"

#include <stdio.h>

#define MESSAGE_MAX 300U
#define NO_MESSAGE "no message"

const char *aws_outcome_to_string(AwsOutcome o)
{
        static const char *const names[_AWS_OUTCOME_MAX] = {
                [AWS_OK] = "ok",
                [AWS_RETRY] = "error",
                [AWS_THROTTLED] = "throttled",
                [AWS_SKEWED] = "signature",
                [AWS_EXPIRED] = "expired",
                [AWS_REJECTED] = "rejected",
        };

        return names[o];
}

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
        { "IDPCommunicationError", AWS_RETRY },
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

/* XML may have its text on a line of its own. */
static void skip_blanks(const char **s, size_t *n)
{
        for (; *n > 0 && strchr(" \t\r\n", **s); (*s)++)
                --*n;
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

/* The same of a sentence that is to go on. */
static size_t sentence(const char *s, size_t max)
{
        size_t n = first_line(s, max);

        while (n > 0 && (s[n - 1] == ' ' || s[n - 1] == '.'))
                n--;
        return n;
}

/* "com.amazonaws.ecr#FooException:http://..." means FooException. */
static void bare_code(const char *type, size_t size, char *ret, size_t ret_size)
{
        const char *colon = memchr(type, ':', size), *hash;
        size_t n = colon ? (size_t) (colon - type) : size;

        hash = memrchr(type, '#', n);
        if (hash) {
                n -= (size_t) (hash + 1 - type);
                type = hash + 1;
        }
        n = first_line(type, MIN(n, ret_size - 1));
        memcpy(ret, type, n);
        ret[n] = '\0';
}

/* Where an error's code and message lie, for people: not NUL-terminated. */
typedef struct ErrorText {
        const char *code, *message;
        size_t code_size, message_size;
} ErrorText;

static void take(const char *s, const char **ret, size_t *ret_size)
{
        if (!s || *ret_size > 0)
                return;
        *ret = s;
        *ret_size = strlen(s);
}

/* {"__type": ..., "message": ...} of JSON 1.1, {"Error": {"Code": ..., "Message": ...}} of STS; IMDS and the
 * container endpoint have the members of the latter outside. */
static void read_json(const cJSON *j, ErrorText *ret)
{
        const cJSON *inner = json_get(j, "Error");

        take(json_string(j, "__type"), &ret->code, &ret->code_size);
        take(json_string(inner, "Code"), &ret->code, &ret->code_size);
        take(json_string(j, "code"), &ret->code, &ret->code_size);
        take(json_string(j, "Code"), &ret->code, &ret->code_size);
        take(json_string(inner, "Message"), &ret->message, &ret->message_size);
        take(json_string(j, "message"), &ret->message, &ret->message_size);
        take(json_string(j, "Message"), &ret->message, &ret->message_size);
}

static void read_xml(const AwsAnswer *a, ErrorText *ret)
{
        (void) aws_xml_get(a->body, a->body_size, "Code", &ret->code, &ret->code_size);
        (void) aws_xml_get(a->body, a->body_size, "Message", &ret->message, &ret->message_size);
}

AwsOutcome aws_answer_error(const AwsAnswer *a, char error[static AWS_ERROR_MAX])
{
        _cleanup_json_ cJSON *j = NULL;
        ErrorText text = { 0 };
        char code[128];
        size_t shown;

        if (a->status == 0) {
                (void) snprintf(error, AWS_ERROR_MAX, "%s", a->transport_error);
                return AWS_RETRY;
        }
        if (json_parse(a->body, a->body_size, AWS_RESPONSE_MAX, &j) >= 0)
                read_json(j, &text);
        else
                read_xml(a, &text);
        skip_blanks(&text.code, &text.code_size);
        skip_blanks(&text.message, &text.message_size);
        bare_code(text.code ? text.code : "", text.code_size, code, sizeof(code));
        shown = sentence(text.message, MIN(text.message_size, MESSAGE_MAX));
        if (!*code && shown == 0) {
                (void) snprintf(error, AWS_ERROR_MAX, "HTTP status %ld without an AWS error code",
                                a->status);
                return outcome_of(a, NULL);
        }
        (void) snprintf(error, AWS_ERROR_MAX, "%s%s(HTTP %ld): %.*s", code, *code ? " " : "", a->status,
                        (int) (shown > 0 ? shown : strlen(NO_MESSAGE)),
                        shown > 0 ? text.message : NO_MESSAGE);
        return outcome_of(a, code);
}
