/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "aws-call.h"
#include "http.h"
#include "said.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

/* --- time, the log and where requests go are the test's ---------------------------------------------- */

#define NOW (1795461567 * USEC_PER_SEC) /* 20261123T191927Z */
#define DATE "Date: Mon, 23 Nov 2026 19:19:27 GMT\r\n"

static usec_t wall;                 /* this host's clock */
static const char *golden, *server; /* what of a URL is replaced, so that Host can be a known one */
static unsigned refuse_after;       /* as many requests are started before one is refused; 0: none is */

static usec_t test_now(void)
{
        return wall;
}

static int test_request_start(HttpClient *c, const HttpSpec *spec, http_done_t done, void *userdata,
                              HttpRequest **ret)
{
        const char *rest = golden ? startswith(spec->url, golden) : NULL;
        _cleanup_free_ char *url = rest ? str_printf("%s%s", server, rest) : strdup(spec->url);
        HttpSpec there = *spec;

        if (refuse_after > 0 && --refuse_after == 0)
                return -ENETDOWN;
        there.url = url;
        return http_request_start(c, &there, done, userdata, ret);
}

#define clock_now test_now
#define log_full said_log
#include "aws-clock.c"
#undef clock_now
#undef log_full
#define http_request_start test_request_start
#include "aws-call.c"
#undef http_request_start

#include "kube-script.h"

/* --- a call and what comes of it --------------------------------------------------------------------- */

#define ID "ASIAIOSFODNN7EXAMPLE"
#define SECRET "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
#define SESSION "FwoGZXIvYXdzEJr//////////wEaDEXAMPLE+Ab0/c2Vzc2lvbg=="

typedef struct Fixture {
        sd_event *event;
        Script script;
        AwsState state;
        AwsCredentials *credentials;
        AwsCallSpec spec; /* of the next call; the test changes it */
        AwsCall *call;

        const char *problem; /* what reading says */
        char body[64];       /* that was read */
        usec_t date;         /* and when it is from */
        unsigned n_read, n_done;
        AwsOutcome outcome;
        char error[AWS_ERROR_MAX];
        bool again; /* done begins another call */
} Fixture;

static const char *on_read(const AwsAnswer *a, void *userdata)
{
        Fixture *f = userdata;

        f->n_read++;
        assert_int_equal(a->http, HTTP_OK);
        assert_int_equal(strlen(a->body), a->body_size);
        (void) snprintf(f->body, sizeof(f->body), "%s", a->body);
        f->date = a->date;
        assert_true(a->boottime > 0 && a->boottime <= clock_boottime());
        return f->problem;
}

static void start(Fixture *f)
{
        assert_return_code(aws_call_start(f->event, &f->state, &f->spec, &f->call), 0);
        assert_non_null(f->call);
}

/* Frees the call, as those do who use it; error is to be good until this returns. */
static void on_done(AwsOutcome outcome, const char *error, void *userdata)
{
        Fixture *f = userdata;

        f->n_done++;
        f->call = aws_call_free(f->call);
        f->outcome = outcome;
        (void) snprintf(f->error, sizeof(f->error), "%s", error);
        if (f->again) {
                f->again = false;
                start(f);
        }
}

static int set_up(void **state)
{
        const AwsKeys keys = { ID, SECRET, NULL };
        Fixture *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        wall = NOW;
        golden = server = NULL;
        refuse_after = 0;
        said[0] = '\0';
        assert_return_code(sd_event_new(&f->event), 0);
        script_begin(&f->script, f->event);
        assert_return_code(aws_credentials_new(&keys, 0, &f->credentials), 0);
        f->spec = (AwsCallSpec){
                .service = AWS_SERVICE_STS,
                .region = "eu-west-1",
                .method = "GET",
                .url = f->script.url,
                .credentials = f->credentials,
                .read = on_read,
                .done = on_done,
                .userdata = f,
        };
        *state = f;
        return 0;
}

static int tear_down(void **state)
{
        Fixture *f = *state;

        f->call = aws_call_free(f->call);
        assert_int_equal(f->credentials->n_ref, 1);
        aws_credentials_unref(f->credentials);
        script_end(&f->script);
        (void) sd_event_unref(f->event);
        free(f);
        return 0;
}

static ScriptPeer *await(Fixture *f)
{
        return script_await(&f->script, "");
}

/* Answers the only request of a call, and waits for its end. */
static void finish(Fixture *f, ScriptPeer *p, const char *status, const char *headers, const char *body)
{
        unsigned n = f->n_done;

        script_answer(p, status, headers, body);
        script_until(&f->script, f->n_done > n);
        assert_null(f->call);
}

static void call(Fixture *f, const char *status, const char *headers, const char *body)
{
        start(f);
        finish(f, await(f), status, headers, body);
}

static uint64_t count_all(const AwsState *s)
{
        uint64_t n = 0;

        for (int i = 0; i < _AWS_SERVICE_MAX; i++)
                for (int k = 0; k < _AWS_OUTCOME_MAX; k++)
                        n += s->calls[i][k];
        return n;
}

/* --- signatures -------------------------------------------------------------------------------------- */

/* clang-format off */
static const struct {
        const char *method, *target, *body, *session_token;
        AwsHeader headers[2];
        size_t n_headers;
        const char *authorization;
} goldens[] = {
        /* golden: tests/golden-sigv4.py call */
        {
                "GET", "/", NULL, NULL,
                { { "", "" } }, 0,
                "AWS4-HMAC-SHA256 Credential=ASIAIOSFODNN7EXAMPLE/20261123/eu-west-1/sts/aws4_request, "
                "SignedHeaders=host;x-amz-date, "
                "Signature=690ea2e7f557fde2f76c7fd82f5932e2d5552beba147d36006e43ae62a4e1e87",
        },
        {
                "GET", "/a/b%20c/!d?A=1&B=%20x", NULL, SESSION,
                { { "X-Other", "  a   b " } }, 1,
                "AWS4-HMAC-SHA256 Credential=ASIAIOSFODNN7EXAMPLE/20261123/eu-west-1/sts/aws4_request, "
                "SignedHeaders=host;x-amz-date;x-amz-security-token;x-other, "
                "Signature=67e356f33a574489e51d3d6d38a1d611d4f2f0da866f06e80eb30d37f6745d02",
        },
        {
                "POST", "?A=1", "body", NULL,
                { { "Content-Type", "text/plain" }, { "x-amz-a", "1" } }, 2,
                "AWS4-HMAC-SHA256 Credential=ASIAIOSFODNN7EXAMPLE/20261123/eu-west-1/sts/aws4_request, "
                "SignedHeaders=content-type;host;x-amz-a;x-amz-date, "
                "Signature=9d47cfe1dde160ea4b4645586729380658660357170e78e0ec320502d98546e5",
        },
        {
                "PUT", "/p", "\303\244", NULL,
                { { "", "" } }, 0,
                "AWS4-HMAC-SHA256 Credential=ASIAIOSFODNN7EXAMPLE/20261123/eu-west-1/sts/aws4_request, "
                "SignedHeaders=host;x-amz-date, "
                "Signature=9fd4d6dae52a1a24fdfd5ec1d9560c98d4f03c9ff54bbf49f08fe6991c941861",
        },
        /* end of golden */
};
/* clang-format on */

/* What goes over the wire is what botocore would sign. */
static void test_requests_are_signed_as_sent(void **state)
{
        Fixture *f = *state;

        golden = "http://aws.example:5556";
        server = f->script.url;
        for (size_t i = 0; i < ELEMENTSOF(goldens); i++) {
                const AwsKeys keys = { ID, SECRET, goldens[i].session_token };
                _cleanup_(aws_credentials_unrefp) AwsCredentials *credentials = NULL;
                const char *target = goldens[i].target;
                _cleanup_free_ char *url = str_printf("%s%s", golden, target);
                _cleanup_free_ char *line = str_printf("%s %s%s HTTP/1.1\r\n", goldens[i].method,
                                                       *target == '/' ? "" : "/", target);
                _cleanup_free_ char *authorization =
                        str_printf("\r\nAuthorization: %s\r\n", goldens[i].authorization);
                ScriptPeer *p;

                assert_return_code(aws_credentials_new(&keys, 0, &credentials), 0);
                f->spec.credentials = credentials;
                f->spec.method = goldens[i].method;
                f->spec.url = url;
                f->spec.headers = goldens[i].headers;
                f->spec.n_headers = goldens[i].n_headers;
                f->spec.body = goldens[i].body;
                start(f);
                p = await(f);
                assert_true(script_has(p, line));
                assert_request(p, authorization);
                assert_request(p, "\r\nX-Amz-Date: 20261123T191927Z\r\n");
                assert_int_equal(script_has(p, "X-Amz-Security-Token: " SESSION "\r\n"),
                                 !!goldens[i].session_token);
                for (size_t k = 0; k < goldens[i].n_headers; k++) {
                        assert_request(p, goldens[i].headers[k].name);
                        assert_request(p, goldens[i].headers[k].value);
                }
                if (goldens[i].body)
                        assert_string_equal(strstr(p->request.data, "\r\n\r\n") + 4, goldens[i].body);
                assert_false(script_has(p, SECRET));
                finish(f, p, "200 OK", "", "");
                assert_int_equal(f->outcome, AWS_OK);
        }
}

static void test_host_is_signed_as_libcurl_sends_it(void **state)
{
        Fixture *f = *state;
        _cleanup_free_ char *host = str_printf("\r\nHost: %s\r\n", f->script.url + strlen("http://"));
        ScriptPeer *p;

        start(f);
        p = await(f);
        assert_request(p, host);
        assert_string_equal(f->call->host, f->script.url + strlen("http://"));
        finish(f, p, "200 OK", "", "");
}

static void test_strings_are_copied(void **state)
{
        Fixture *f = *state;
        char url[128], method[] = "POST", region[] = "eu-west-1", body[] = "body", accept[] = "text/x",
                       name[] = "X-A", value[] = "1";
        const AwsHeader header = { name, value };
        ScriptPeer *p;

        (void) snprintf(url, sizeof(url), "%s/", f->script.url);
        f->spec.url = url;
        f->spec.method = method;
        f->spec.region = region;
        f->spec.body = body;
        f->spec.accept = accept;
        f->spec.headers = &header;
        f->spec.n_headers = 1;
        start(f);
        memset(url, '#', sizeof(url) - 1);
        method[0] = region[0] = body[0] = accept[0] = name[0] = value[0] = '#';

        /* Signed anew, all of it is used a second time. */
        wall = NOW + 10 * USEC_PER_MINUTE;
        script_answer(await(f), "403 No", DATE, "{\"__type\":\"RequestExpired\"}");
        p = script_await(&f->script, "POST / ");
        assert_request(p, "/eu-west-1/sts/");
        assert_request(p, "\r\nAccept: text/x\r\n");
        assert_request(p, "\r\nX-A: 1\r\n");
        assert_request(p, "\r\n\r\nbody");
        finish(f, p, "200 OK", "", "");
}

static void test_accept_is_not_signed(void **state)
{
        Fixture *f = *state;
        ScriptPeer *p;

        f->spec.accept = "application/json";
        start(f);
        p = await(f);
        assert_request(p, "\r\nAccept: application/json\r\n");
        assert_request(p, "SignedHeaders=host;x-amz-date,");
        finish(f, p, "200 OK", "", "");
}

static void test_a_call_without_a_signature(void **state)
{
        Fixture *f = *state;
        ScriptPeer *p;

        f->spec.credentials = NULL;
        start(f);
        p = await(f);
        assert_false(script_has(p, "Authorization"));
        assert_false(script_has(p, "X-Amz-"));
        finish(f, p, "200 OK", "", "hello");
        assert_int_equal(f->outcome, AWS_OK);
        assert_string_equal(f->body, "hello");
}

static int test_sign(void *userdata, const void *p, size_t n, Buf *hex)
{
        const int *result = userdata;

        assert_true(n > 0 && startswith(p, "AWS4-X509-TEST\n20261123T19"));
        return *result < 0 ? *result : buf_append_str(hex, "c0ffee");
}

static void test_a_signature_of_a_certificate(void **state)
{
        Fixture *f = *state;
        int result = 0;
        AwsSigner signer = {
                .algorithm = "AWS4-X509-TEST",
                .credential = "4711",
                .sign = test_sign,
                .userdata = &result,
        };
        ScriptPeer *p;

        f->spec.credentials = NULL;
        f->spec.service = AWS_SERVICE_ROLES_ANYWHERE;
        f->spec.signer = &signer;
        wall = NOW + 10 * USEC_PER_MINUTE;
        start(f);
        signer.sign = NULL; /* it is copied */
        script_answer(await(f), "403 No", DATE, "{\"message\":\"m\",\"code\":\"RequestExpired\"}");
        p = await(f);
        assert_request(p, "X-Amz-Date: 20261123T191927Z");
        assert_request(p, "\r\nAuthorization: AWS4-X509-TEST "
                          "Credential=4711/20261123/eu-west-1/rolesanywhere/aws4_request, "
                          "SignedHeaders=host;x-amz-date, Signature=c0ffee\r\n");
        finish(f, p, "201 Created", "", "");
        assert_int_equal(f->outcome, AWS_OK);
        assert_int_equal(f->state.calls[AWS_SERVICE_ROLES_ANYWHERE][AWS_OK], 1);

        signer.sign = test_sign;
        result = -EIO;
        assert_int_equal(aws_call_start(f->event, &f->state, &f->spec, &f->call), -EIO);
        assert_null(f->call);
}

/* --- the clock --------------------------------------------------------------------------------------- */

#define SKEWED "{\"__type\":\"InvalidSignatureException\",\"message\":\"Signature expired\"}"

static void test_signed_again_with_aws_s_time(void **state)
{
        Fixture *f = *state;
        ScriptPeer *p;

        wall = NOW + 10 * USEC_PER_MINUTE;
        start(f);
        p = await(f);
        assert_request(p, "X-Amz-Date: 20261123T192927Z");
        script_answer(p, "400 Bad", DATE, SKEWED);
        p = await(f);
        assert_request(p, "X-Amz-Date: 20261123T191927Z");
        assert_request(p, "Credential=" ID "/20261123/");
        assert_int_equal(f->n_done, 0);
        finish(f, p, "200 OK", DATE, "hello");
        assert_int_equal(f->n_done, 1);
        assert_int_equal(f->n_read, 1);
        assert_int_equal(f->outcome, AWS_OK);
        assert_string_equal(f->error, "");
        assert_string_equal(f->body, "hello");
        assert_int_equal(f->date, NOW);
        assert_non_null(strstr(said, "4 This host's clock is 9min 59s ahead of AWS's"));
        assert_int_equal(f->state.calls[AWS_SERVICE_STS][AWS_SKEWED], 1);
        assert_int_equal(f->state.calls[AWS_SERVICE_STS][AWS_OK], 1);
        assert_int_equal(count_all(&f->state), 2);

        /* The next one knows the time. */
        start(f);
        p = await(f);
        assert_request(p, "X-Amz-Date: 20261123T191927Z");
        finish(f, p, "200 OK", DATE, "");
        assert_int_equal(f->script.n_requests, 3);
}

static void test_not_signed_a_third_time(void **state)
{
        Fixture *f = *state;

        wall = NOW + 10 * USEC_PER_MINUTE;
        start(f);
        script_answer(await(f), "400 Bad", DATE, SKEWED);
        /* Even if it is news again. */
        finish(f, await(f), "400 Bad", "Date: Mon, 23 Nov 2026 20:19:27 GMT\r\n", SKEWED);
        assert_int_equal(f->outcome, AWS_SKEWED);
        assert_string_equal(f->error, "InvalidSignatureException (HTTP 400): Signature expired");
        script_rest(&f->script);
        assert_int_equal(f->script.n_requests, 2);
        assert_int_equal(f->n_done, 1);
        assert_int_equal(f->state.calls[AWS_SERVICE_STS][AWS_SKEWED], 2);
}

static void test_not_signed_again_without_reason(void **state)
{
        static const struct {
                usec_t ahead;
                const char *headers, *body;
                bool unknown; /* it is no service of AWS that speaks */
                AwsOutcome expected;
        } cases[] = {
                { 0, DATE, SKEWED, false, AWS_SKEWED },                    /* the key is wrong */
                { 10 * USEC_PER_MINUTE, "", SKEWED, false, AWS_SKEWED },   /* nobody says the time */
                { 2 * USEC_PER_DAY, DATE, SKEWED, false, AWS_SKEWED },     /* or nobody believes it */
                { 10 * USEC_PER_MINUTE, DATE, "{}", false, AWS_REJECTED }, /* it is not the time */
                { 10 * USEC_PER_MINUTE, DATE, SKEWED, true, AWS_SKEWED },
        };
        Fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                f->state.clock = (AwsClock){ 0 };
                f->spec.region = cases[i].unknown ? NULL : "eu-west-1";
                f->spec.credentials = cases[i].unknown ? NULL : f->credentials;
                wall = NOW + cases[i].ahead;
                call(f, "400 Bad", cases[i].headers, cases[i].body);
                assert_int_equal(f->outcome, cases[i].expected);
                script_rest(&f->script);
                assert_int_equal(f->script.n_requests, i + 1);
                assert_int_equal(f->n_done, i + 1);
        }
}

static void test_a_second_request_that_cannot_be_made(void **state)
{
        Fixture *f = *state;

        wall = NOW + 10 * USEC_PER_MINUTE;
        refuse_after = 2;
        call(f, "400 Bad", DATE, SKEWED);
        assert_int_equal(f->outcome, AWS_SKEWED);
        assert_int_equal(f->n_done, 1);
        assert_int_equal(f->script.n_requests, 1);
}

static void test_time_is_learned_of_successes_too(void **state)
{
        Fixture *f = *state;

        wall = NOW - 10 * USEC_PER_MINUTE;
        call(f, "200 OK", DATE, "");
        assert_int_equal(aws_clock_now(&f->state.clock), NOW + USEC_PER_SEC / 2);
        assert_int_equal(f->script.n_requests, 1);

        /* An answer without a Date is from now, as AWS's clock has it. */
        call(f, "200 OK", "", "");
        assert_int_equal(f->date, NOW + USEC_PER_SEC / 2);
}

static void test_only_aws_is_believed(void **state)
{
        Fixture *f = *state;

        wall = NOW - 10 * USEC_PER_MINUTE;
        f->spec.region = NULL;
        f->spec.credentials = NULL;
        call(f, "200 OK", DATE, "");
        assert_int_equal(aws_clock_now(&f->state.clock), wall);
        assert_string_equal(said, "");
}

/* --- what comes of it -------------------------------------------------------------------------------- */

static void test_counted_by_service_and_outcome(void **state)
{
        static const struct {
                AwsService service;
                const char *status, *body;
                AwsOutcome outcome;
                const char *error;
        } cases[] = {
                { AWS_SERVICE_ECR, "200 OK", "", AWS_OK, "" },
                { AWS_SERVICE_ECR_PUBLIC, "200 OK", "", AWS_OK, "" },
                { AWS_SERVICE_STS, "403 No", "<Code>AccessDenied</Code><Message>m</Message>", AWS_REJECTED,
                  "AccessDenied (HTTP 403): m" },
                { AWS_SERVICE_STS, "403 No", "<Code>ExpiredToken</Code>", AWS_EXPIRED,
                  "ExpiredToken (HTTP 403): no message" },
                { AWS_SERVICE_ROLES_ANYWHERE, "429 Slow", "{\"message\":\"m\"}", AWS_THROTTLED,
                  "(HTTP 429): m" },
                { AWS_SERVICE_METADATA, "500 Oops", "", AWS_RETRY,
                  "HTTP status 500 without an AWS error code" },
                { AWS_SERVICE_METADATA, "302 There", "", AWS_REJECTED,
                  "HTTP status 302 without an AWS error code" },
        };
        Fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                f->spec.service = cases[i].service;
                call(f, cases[i].status, "", cases[i].body);
                assert_int_equal(f->outcome, cases[i].outcome);
                assert_string_equal(f->error, cases[i].error);
                assert_int_equal(f->state.calls[cases[i].service][cases[i].outcome], 1);
                assert_int_equal(count_all(&f->state), i + 1);
        }
        assert_int_equal(f->n_read, 2);
}

static void test_a_success_that_is_of_no_use(void **state)
{
        Fixture *f = *state;

        f->problem = "it is not JSON";
        call(f, "200 OK", "", "<html>");
        assert_int_equal(f->outcome, AWS_RETRY);
        assert_string_equal(f->error, "the answer is of no use: it is not JSON");
        assert_int_equal(f->state.calls[AWS_SERVICE_STS][AWS_RETRY], 1);
        assert_int_equal(count_all(&f->state), 1);
}

static void test_no_answer(void **state)
{
        Fixture *f = *state;
        ScriptPeer *p;

        start(f);
        script_cut(await(f));
        script_until(&f->script, f->n_done > 0);
        assert_int_equal(f->outcome, AWS_RETRY);
        assert_string_not_equal(f->error, "");
        assert_int_equal(f->n_read, 0);

        /* One that is cut is none, whatever it says. */
        wall = NOW + 10 * USEC_PER_MINUTE;
        start(f);
        p = await(f);
        script_printf(p, "HTTP/1.1 400 Bad\r\nContent-Length: 4000\r\n" DATE "\r\n" SKEWED);
        script_cut(p);
        script_until(&f->script, f->n_done > 1);
        assert_int_equal(f->outcome, AWS_RETRY);
        assert_null(strstr(f->error, "InvalidSignature"));
        assert_int_equal(f->state.clock.skew, 0);
        assert_int_equal(f->state.calls[AWS_SERVICE_STS][AWS_RETRY], 2);
}

static void test_an_answer_that_is_too_large(void **state)
{
        _cleanup_free_ char *body = malloc(AWS_RESPONSE_MAX + 2);
        Fixture *f = *state;

        assert_non_null(body);
        memset(body, ' ', AWS_RESPONSE_MAX + 1);
        body[AWS_RESPONSE_MAX + 1] = '\0';
        call(f, "200 OK", "", body);
        assert_int_equal(f->outcome, AWS_RETRY);
        assert_string_not_equal(f->error, "");
        assert_int_equal(f->n_read, 0);
        body[AWS_RESPONSE_MAX] = '\0';
        call(f, "200 OK", "", body);
        assert_int_equal(f->outcome, AWS_OK);
        assert_int_equal(f->n_read, 1);
}

static void test_a_server_that_says_nothing(void **state)
{
        Fixture *f = *state;

        f->spec.timeout = 50 * USEC_PER_MSEC;
        start(f);
        (void) await(f);
        script_until(&f->script, f->n_done > 0);
        assert_int_equal(f->outcome, AWS_RETRY);
        assert_string_not_equal(f->error, "");
}

static void test_done_begins_the_next(void **state)
{
        Fixture *f = *state;

        f->again = true;
        start(f);
        script_answer(await(f), "403 No", "", "<Code>A</Code>");
        finish(f, await(f), "200 OK", "", "");
        assert_int_equal(f->n_done, 2);
        assert_int_equal(f->outcome, AWS_OK);
}

/* --- the end ----------------------------------------------------------------------------------------- */

static void test_a_call_that_is_freed_says_nothing(void **state)
{
        Fixture *f = *state;
        ScriptPeer *p;

        start(f);
        assert_int_equal(f->credentials->n_ref, 2);
        f->call = aws_call_free(f->call);
        assert_int_equal(f->credentials->n_ref, 1);

        start(f);
        p = await(f);
        f->call = aws_call_free(f->call);
        script_answer(p, "200 OK", "", "");
        script_rest(&f->script);

        /* and so does one that is being signed again */
        wall = NOW + 10 * USEC_PER_MINUTE;
        start(f);
        script_answer(await(f), "400 Bad", DATE, SKEWED);
        p = await(f);
        f->call = aws_call_free(f->call);
        script_answer(p, "200 OK", "", "");
        script_rest(&f->script);
        assert_int_equal(f->n_done, 0);
        assert_int_equal(f->n_read, 0);
        assert_null(aws_call_free(NULL));
}

static void test_calls_that_cannot_be_made(void **state)
{
        static const AwsHeader headers[AWS_CALL_HEADERS_MAX + 1] = { [0 ... AWS_CALL_HEADERS_MAX] = {
                                                                             "X-A", "1" } };
        Fixture *f = *state;

        f->spec.headers = headers;
        f->spec.n_headers = AWS_CALL_HEADERS_MAX + 1;
        assert_int_equal(aws_call_start(f->event, &f->state, &f->spec, &f->call), -EINVAL);
        f->spec.n_headers = AWS_CALL_HEADERS_MAX;
        refuse_after = 1;
        assert_int_equal(aws_call_start(f->event, &f->state, &f->spec, &f->call), -ENETDOWN);
        f->spec.url = "no-url";
        assert_int_equal(aws_call_start(f->event, &f->state, &f->spec, &f->call), -EINVAL);
        assert_null(f->call);
        assert_int_equal(count_all(&f->state), 0);
        assert_int_equal(f->credentials->n_ref, 1);

        f->spec.url = f->script.url;
        call(f, "200 OK", "", "");
        assert_int_equal(f->outcome, AWS_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_requests_are_signed_as_sent),
                TEST(test_host_is_signed_as_libcurl_sends_it),
                TEST(test_strings_are_copied),
                TEST(test_accept_is_not_signed),
                TEST(test_a_call_without_a_signature),
                TEST(test_a_signature_of_a_certificate),
                TEST(test_signed_again_with_aws_s_time),
                TEST(test_not_signed_a_third_time),
                TEST(test_not_signed_again_without_reason),
                TEST(test_a_second_request_that_cannot_be_made),
                TEST(test_time_is_learned_of_successes_too),
                TEST(test_only_aws_is_believed),
                TEST(test_counted_by_service_and_outcome),
                TEST(test_a_success_that_is_of_no_use),
                TEST(test_no_answer),
                TEST(test_an_answer_that_is_too_large),
                TEST(test_a_server_that_says_nothing),
                TEST(test_done_begins_the_next),
                TEST(test_a_call_that_is_freed_says_nothing),
                TEST(test_calls_that_cannot_be_made),
        };

        return cmocka_run_group_tests(tests, script_group_setup, script_group_teardown);
}
