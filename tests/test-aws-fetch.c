/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "aws-anywhere.h"
#include "aws-fetch.h"
#include "aws-metadata.h"
#include "aws-sts.h"
#include "kube-script.h"
#include "process.h"
#include "words.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>

/* --- what may fail, and how long things take, are the test's ----------------------------------------- */

static int refuse_with;        /* what starting anything returns; 0: what it would */
static unsigned refuse_after;  /* as many are started before */
static usec_t process_timeout; /* 0: the module's own */

static bool refused(void)
{
        return refuse_with < 0 && refuse_after-- == 0;
}

static int test_sts_start(sd_event *event, AwsState *state, const AwsStsSpec *spec, AwsCall **ret)
{
        return refused() ? refuse_with : aws_sts_start(event, state, spec, ret);
}

static int test_anywhere_start(sd_event *event, AwsState *state, const AwsAnywhereSpec *spec, AwsCall **ret)
{
        return refused() ? refuse_with : aws_anywhere_start(event, state, spec, ret);
}

static int test_metadata_start(sd_event *event, AwsState *state, const AwsMetadataSpec *spec, AwsCall **ret)
{
        return refused() ? refuse_with : aws_metadata_start(event, state, spec, ret);
}

static int test_process_start(sd_event *event, const ProcessSpec *spec, process_done_t done, void *userdata,
                              Process **ret)
{
        ProcessSpec shorter = *spec;

        assert_int_equal(spec->timeout, USEC_PER_MINUTE);
        if (process_timeout > 0)
                shorter.timeout = process_timeout;
        return refused() ? refuse_with : process_start(event, &shorter, done, userdata, ret);
}

#define aws_sts_start test_sts_start
#define aws_anywhere_start test_anywhere_start
#define aws_metadata_start test_metadata_start
#define process_start test_process_start
#include "aws-fetch.c"
#undef aws_sts_start
#undef aws_anywhere_start
#undef aws_metadata_start
#undef process_start

#include "folder.h"
#include "x509-fixtures.h"

/* --- a fetch and what comes of it -------------------------------------------------------------------- */

#define ROLE "arn:aws:iam::123456789012:role/pull"
#define ARN "arn:aws:rolesanywhere:eu-west-1:123456789012:"
#define EXPIRES (1795464382 * USEC_PER_SEC) /* 2026-11-23T20:06:22Z */

/* What is in no error: keys, tokens. */
#define SECRET "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
#define TOKEN "FwoGZXIvYXdzEJrIQoJb3JpZ2luX2VjEHQaCXVzLWVhc3Qt"
static const char *const secrets[] = { SECRET, TOKEN, "K7MDENG", "BEGIN" };

typedef struct Fixture {
        sd_event *event;
        Script script;
        AwsState state;
        AwsPlaces places;
        AwsSource source;
        AwsFetch *fetch;

        unsigned n_done;
        AwsOutcome outcome;
        AwsCredentials *credentials;
        char error[AWS_FETCH_ERROR_MAX];
} Fixture;

/* Frees the fetch, as those do who use it. */
static void on_done(AwsOutcome outcome, AwsCredentials *credentials, const char *error, void *userdata)
{
        Fixture *f = userdata;

        f->n_done++;
        assert_non_null(f->fetch);
        f->fetch = aws_fetch_free(f->fetch);
        f->outcome = outcome;
        assert_int_equal(outcome == AWS_OK, !!credentials);
        assert_int_equal(outcome == AWS_OK, !*error);
        f->credentials = aws_credentials_ref(credentials);
        assert_true(strlen(error) < sizeof(f->error));
        (void) snprintf(f->error, sizeof(f->error), "%s", error);
        for (size_t i = 0; i < ELEMENTSOF(secrets); i++)
                assert_null(strstr(error, secrets[i]));
}

static int set_up(void **state)
{
        Fixture *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        refuse_with = 0;
        refuse_after = 0;
        process_timeout = 0;
        assert_return_code(sd_event_new(&f->event), 0);
        script_begin(&f->script, f->event);
        f->places = (AwsPlaces){
                .region = (char *) "eu-west-1",
                .sts_url = f->script.url,
                .anywhere_url = f->script.url,
                .imds_url = f->script.url,
        };
        *state = f;
        return 0;
}

static int tear_down(void **state)
{
        Fixture *f = *state;

        f->fetch = aws_fetch_free(f->fetch);
        aws_credentials_unref(f->credentials);
        script_end(&f->script);
        (void) sd_event_unref(f->event);
        free(f);
        return 0;
}

static void fetch(Fixture *f)
{
        unsigned n = f->n_done;

        aws_credentials_unref(f->credentials);
        f->credentials = NULL;
        assert_int_equal(
                aws_fetch_source(f->event, &f->state, &f->places, &f->source, on_done, f, &f->fetch), 0);
        assert_non_null(f->fetch);
        assert_int_equal(f->n_done, n); /* nothing is called back yet */
}

static void wait_done(Fixture *f)
{
        script_until(&f->script, !f->fetch);
}

static void assert_failed(const Fixture *f, AwsOutcome outcome, const char *error)
{
        assert_string_equal(f->error, error);
        assert_int_equal(f->outcome, outcome);
}

/* The whole of one that fails without a call. */
static void fail_at_once(Fixture *f, const char *error)
{
        unsigned n = f->script.n_requests;

        fetch(f);
        wait_done(f);
        assert_failed(f, AWS_REJECTED, error);
        assert_int_equal(f->script.n_requests, n);
}

static void assert_fetched(const Fixture *f, const char *id, const char *session_token, usec_t expires)
{
        assert_string_equal(f->error, "");
        assert_int_equal(f->outcome, AWS_OK);
        assert_string_equal(f->credentials->keys.access_key_id, id);
        assert_string_equal(f->credentials->keys.secret_access_key, SECRET);
        assert_true(streq_ptr(f->credentials->keys.session_token, session_token));
        assert_int_equal(f->credentials->expires, expires);
        assert_int_equal(f->credentials->n_ref, 1); /* the fetch has gone */
}

#define KEYS(id, secret, token, expires, of_token)                                                     \
        "\"" id "\":\"ASIA1\",\"" secret "\":\"" SECRET "\",\"" token "\":\"" of_token "\",\"" expires \
        "\":"                                                                                          \
        "\"2026-11-23T20:06:22Z\""
#define STS_ANSWER(action)                                                       \
        "{\"" action "Response\":{\"" action "Result\":{\"Credentials\":{" KEYS( \
                "AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration", TOKEN) "}}}}"
#define METADATA_ANSWER \
        "{\"Code\":\"Success\"," KEYS("AccessKeyId", "SecretAccessKey", "Token", "Expiration", TOKEN) "}"

/* --- roles ------------------------------------------------------------------------------------------- */

static void test_a_role(void **state)
{
        static const AwsKeys keys = { "AKIA1", SECRET, TOKEN };
        static const AwsRole role = { .arn = (char *) ROLE, .external_id = (char *) "a/b=c" };
        _cleanup_(aws_credentials_unrefp) AwsCredentials *with = NULL;
        Fixture *f = *state;
        ScriptPeer *p;

        assert_int_equal(aws_credentials_new(&keys, 0, &with), 0);
        assert_int_equal(aws_fetch_role(f->event, &f->state, &f->places, &role, with, on_done, f, &f->fetch),
                         0);
        assert_true(with->n_ref > 1);
        p = script_await(&f->script, "POST / ");
        assert_request(p, "Credential=AKIA1/");
        assert_request(p, "/eu-west-1/sts/aws4_request");
        assert_request(p, "\r\n\r\nAction=AssumeRole&");
        assert_request(p, "&ExternalId=a%2Fb%3Dc");
        script_answer(p, "200 OK", "", STS_ANSWER("AssumeRole"));
        wait_done(f);
        assert_fetched(f, "ASIA1", TOKEN, EXPIRES);
        assert_int_equal(with->n_ref, 1);
        assert_int_equal(f->state.calls[AWS_SERVICE_STS][AWS_OK], 1);

        aws_credentials_unref(f->credentials);
        f->credentials = NULL;
        assert_int_equal(aws_fetch_role(f->event, &f->state, &f->places, &role, with, on_done, f, &f->fetch),
                         0);
        script_answer(script_await(&f->script, "POST / "), "403 No", "",
                      "{\"Error\":{\"Code\":\"AccessDenied\",\"Message\":\"not authorized\"}}");
        wait_done(f);
        assert_failed(f, AWS_REJECTED, "cannot assume " ROLE ": AccessDenied (HTTP 403): not authorized");

        assert_int_equal(aws_fetch_role(f->event, &f->state, &f->places, &role, with, on_done, f, &f->fetch),
                         0);
        script_answer(
                script_await(&f->script, "POST / "), "200 OK", "",
                "{\"AssumeRoleResponse\":{\"AssumeRoleResult\":{\"Credentials\":{\"AccessKeyId\":\"A\","
                "\"SecretAccessKey\":\"" SECRET "\"}}}}");
        wait_done(f);
        assert_failed(f, AWS_RETRY,
                      "cannot assume " ROLE ": the answer is of no use: it has no session token");

        refuse_with = -ENETDOWN;
        assert_int_equal(aws_fetch_role(f->event, &f->state, &f->places, &role, with, on_done, f, &f->fetch),
                         0);
        assert_int_equal(f->n_done, 3);
        wait_done(f);
        assert_failed(f, AWS_REJECTED, "cannot assume " ROLE ": cannot make the request: Network is down");

        refuse_with = -ENOMEM;
        refuse_after = 0;
        assert_int_equal(aws_fetch_role(f->event, &f->state, &f->places, &role, with, on_done, f, &f->fetch),
                         -ENOMEM);
        assert_null(f->fetch);
        assert_int_equal(with->n_ref, 1);
}

/* --- web identities ---------------------------------------------------------------------------------- */

static void use_web_identity(Fixture *f)
{
        f->source = (AwsSource){
                .kind = AWS_SOURCE_WEB_IDENTITY,
                .token_file = (char *) "jwt",
                .role = { .arn = (char *) ROLE },
        };
}

static void test_a_web_identity(void **state)
{
        static const char *const files[] = { TOKEN, TOKEN "\n", TOKEN "\r\n", TOKEN "\n \n\t\n" };
        Fixture *f = *state;
        ScriptPeer *p;

        use_web_identity(f);
        for (size_t i = 0; i < ELEMENTSOF(files); i++) {
                folder_put("jwt", files[i]);
                fetch(f);
                p = script_await(&f->script, "POST / ");
                assert_false(script_has(p, "Authorization"));
                assert_string_equal(strstr(p->request.data, "\r\n\r\n") + 4,
                                    "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&"
                                    "RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fpull&"
                                    "RoleSessionName=eatr&WebIdentityToken=" TOKEN);
                script_answer(p, "200 OK", "", STS_ANSWER("AssumeRoleWithWebIdentity"));
                wait_done(f);
                assert_fetched(f, "ASIA1", TOKEN, EXPIRES);
        }
        fetch(f);
        script_answer(script_await(&f->script, "POST / "), "400 No", "",
                      "{\"Error\":{\"Code\":\"ExpiredTokenException\",\"Message\":\"Token expired\"}}");
        wait_done(f);
        assert_failed(f, AWS_EXPIRED,
                      "cannot assume " ROLE
                      " with the web identity in jwt: ExpiredTokenException (HTTP 400): Token expired");
}

/* The file is read each time: whoever puts it there renews it. */
static void test_a_web_identity_is_read_again(void **state)
{
        static const char *const tokens[] = { "first", "second" };
        Fixture *f = *state;

        use_web_identity(f);
        for (size_t i = 0; i < ELEMENTSOF(tokens); i++) {
                _cleanup_free_ char *end = str_printf("&WebIdentityToken=%s", tokens[i]);
                ScriptPeer *p;

                folder_put("jwt", tokens[i]);
                fetch(f);
                p = script_await(&f->script, "POST / ");
                assert_request(p, end);
                script_answer(p, "500 Oops", "", "");
                wait_done(f);
                assert_int_equal(f->outcome, AWS_RETRY);
        }
}

#define NO_WEB_IDENTITY "cannot assume " ROLE " with the web identity in jwt: "

static void test_web_identities_that_cannot_be_read(void **state)
{
        static const char *const cases[][2] = {
                { "", "it is empty" },
                { "\n", "it is empty" },
                { "\n" TOKEN, "it is empty" },
                { TOKEN "\n" TOKEN, "there is more than one line in it" },
                { TOKEN "\n\n.\n", "there is more than one line in it" },
        };
        _cleanup_free_ char *large = malloc(1024 * 1024);
        Fixture *f = *state;

        assert_non_null(large);
        use_web_identity(f);
        (void) unlink("jwt");
        fail_at_once(f, NO_WEB_IDENTITY "No such file or directory");
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *error = str_printf(NO_WEB_IDENTITY "%s", cases[i][1]);

                folder_put("jwt", cases[i][0]);
                fail_at_once(f, error);
        }
        folder_put_bytes("jwt", TOKEN "\0", sizeof(TOKEN));
        fail_at_once(f, NO_WEB_IDENTITY "there is more than one line in it");
        memset(large, 'x', 1024 * 1024);
        folder_put_bytes("jwt", large, 1024 * 1024);
        fail_at_once(f, NO_WEB_IDENTITY "it is too large");
        folder_put_bytes("jwt", large, AWS_STS_TOKEN_MAX + 1);
        fail_at_once(f, NO_WEB_IDENTITY "it is too large");
        f->source.token_file = (char *) "/";
        fail_at_once(f, "cannot assume " ROLE " with the web identity in /: Is a directory");
}

static void test_the_longest_web_identity(void **state)
{
        char token[AWS_STS_TOKEN_MAX + 3] = { [0 ... AWS_STS_TOKEN_MAX - 1] = 'x', '\r', '\n' };
        Fixture *f = *state;

        use_web_identity(f);
        folder_put("jwt", token);
        fetch(f);
        script_answer(script_await(&f->script, "POST / "), "200 OK", "",
                      STS_ANSWER("AssumeRoleWithWebIdentity"));
        wait_done(f);
        assert_int_equal(f->outcome, AWS_OK);
}

/* --- IAM Roles Anywhere ------------------------------------------------------------------------------ */

static void use_anywhere(Fixture *f)
{
        folder_put("certificate", FIXTURE_EC);
        folder_put("key", FIXTURE_EC_KEY);
        f->source = (AwsSource){
                .kind = AWS_SOURCE_ROLES_ANYWHERE,
                .anywhere = { .certificate = (char *) "certificate",
                              .private_key = (char *) "key",
                              .trust_anchor_arn = (char *) ARN "trust-anchor/0",
                              .profile_arn = (char *) ARN "profile/9" },
                .role = { .arn = (char *) ROLE },
        };
        /* The certificate is good for long: it is AWS's clock that goes. */
        f->state.clock.skew = (FIXTURE_EC_NOT_BEFORE + 1) * (int64_t) USEC_PER_SEC - (int64_t) clock_now();
}

static void test_a_session_for_a_certificate(void **state)
{
        Fixture *f = *state;
        ScriptPeer *p;

        use_anywhere(f);
        fetch(f);
        p = script_await(&f->script, "POST /sessions?profileArn=");
        assert_request(p, "Authorization: AWS4-X509-ECDSA-SHA256 Credential=4711/");
        assert_request(p, "/eu-west-1/rolesanywhere/aws4_request");
        assert_request(p, "X-Amz-X509: " FIXTURE_EC_BASE64);
        script_answer(p, "201 Created", "",
                      "{\"credentialSet\":[{\"credentials\":{" KEYS(
                              "accessKeyId", "secretAccessKey", "sessionToken", "expiration", TOKEN) "}}]}");
        wait_done(f);
        assert_fetched(f, "ASIA1", TOKEN, EXPIRES);
        assert_int_equal(f->state.calls[AWS_SERVICE_ROLES_ANYWHERE][AWS_OK], 1);

        fetch(f);
        script_answer(script_await(&f->script, "POST /sessions?"), "403 No", "",
                      "{\"message\":\"Untrusted certificate. Insufficient certificate\"}");
        wait_done(f);
        assert_failed(f, AWS_REJECTED,
                      "IAM Roles Anywhere gives no session of " ROLE
                      ": (HTTP 403): Untrusted certificate. Insufficient certificate");
}

#define NO_SESSION "IAM Roles Anywhere gives no session of " ROLE ": "

static void test_certificates_that_are_not_valid_now(void **state)
{
        char time[CLOCK_RFC3339_MAX];
        _cleanup_free_ char *expired = NULL, *early = NULL;
        Fixture *f = *state;

        use_anywhere(f);
        expired = str_printf(NO_SESSION "the certificate certificate has expired, on %s",
                             clock_format_rfc3339(time, FIXTURE_EC_NOT_AFTER * USEC_PER_SEC));
        f->state.clock.skew = (FIXTURE_EC_NOT_AFTER + 1) * (int64_t) USEC_PER_SEC - (int64_t) clock_now();
        fail_at_once(f, expired);
        early = str_printf(NO_SESSION "the certificate certificate is not valid before %s",
                           clock_format_rfc3339(time, FIXTURE_EC_NOT_BEFORE * USEC_PER_SEC));
        f->state.clock.skew = (FIXTURE_EC_NOT_BEFORE - 60) * (int64_t) USEC_PER_SEC - (int64_t) clock_now();
        fail_at_once(f, early);
}

static void test_certificates_that_cannot_be_used(void **state)
{
        Fixture *f = *state;

        use_anywhere(f);
        f->source.anywhere.chain = (char *) "none";
        fail_at_once(f, NO_SESSION "cannot read the chain none: No such file or directory");
        f->source.anywhere.chain = NULL;
        assert_return_code(chmod("key", 0666), errno);
        fail_at_once(f, NO_SESSION "key: a key in a file that is open to everybody; run \"chmod 0640 key\"");
        assert_return_code(chmod("key", 0600), errno);
        folder_put("key", FIXTURE_RSA_KEY);
        fail_at_once(f, NO_SESSION "the key in key does not belong to the first certificate in certificate");
        use_anywhere(f);
        f->source.anywhere.trust_anchor_arn = (char *) "arn:aws:rolesanywhere::1:trust-anchor/0";
        fail_at_once(f, NO_SESSION "cannot make the request: Invalid argument");
        use_anywhere(f);
        refuse_with = -ENOMEM;
        assert_int_equal(
                aws_fetch_source(f->event, &f->state, &f->places, &f->source, on_done, f, &f->fetch),
                -ENOMEM);
}

/* --- programs ---------------------------------------------------------------------------------------- */

static void run(Fixture *f, const char *command)
{
        f->source = (AwsSource){ .kind = AWS_SOURCE_PROCESS, .process = (char *) command };
        fetch(f);
        wait_done(f);
}

#define PRINT(version, more)                                                                               \
        "echo '{\"Version\":" version ",\"AccessKeyId\":\"ASIA1\",\"SecretAccessKey\":\"" SECRET "\"" more \
        "}'"

static void test_a_program(void **state)
{
        Fixture *f = *state;

        run(f, PRINT("1", ",\"SessionToken\":\"" TOKEN "\",\"Expiration\":\"2026-11-23T20:06:22Z\""));
        assert_fetched(f, "ASIA1", TOKEN, EXPIRES);
        run(f, PRINT("1", ""));
        assert_fetched(f, "ASIA1", NULL, 0);
        run(f, PRINT("1.0", ",\"AccountId\":\"1\",\"Expiration\":null,\"SessionToken\":\"\""));
        assert_fetched(f, "ASIA1", NULL, 0);

        /* What it says on standard error is nobody's business when it succeeds. */
        folder_put("credentials",
                   "{\"Version\":1,\"AccessKeyId\":\"ASIA1\",\"SecretAccessKey\":\"" SECRET "\"}\n");
        run(f, "sh -c 'echo warning >&2; cat credentials'");
        assert_fetched(f, "ASIA1", NULL, 0);
}

static void test_programs_that_give_nothing(void **state)
{
        static const char *const cases[][2] = {
                { "true", "it printed nothing" },
                { "false", "it exited with status 1" },
                { "sh -c 'echo one >&2; echo no luck >&2; exit 3'", "it exited with status 3: no luck" },
                { "sh -c 'kill -9 $$'", "it was killed by signal 9 (Killed)" },
                { "/nonexistent/helper --x", "cannot run it: No such file or directory" },
                { "head -c 1000000 /dev/zero", "it printed more than 64 KiB" },
                { "echo " SECRET, "what it printed is not JSON" },
                { "echo", "what it printed is not JSON" },
                { "echo '[]'", "what it printed does not say \"Version\": 1" },
                { "echo null", "what it printed does not say \"Version\": 1" },
                { PRINT("2", ""), "what it printed does not say \"Version\": 1" },
                { PRINT("\"1\"", ""), "what it printed does not say \"Version\": 1" },
                { PRINT("null", ""), "what it printed does not say \"Version\": 1" },
                { "echo '{\"Version\":1}'", "it has no access key id" },
                { "echo '{\"Version\":1,\"AccessKeyId\":\"ASIA1\"}'", "it has no secret access key" },
                { PRINT("1", ",\"Expiration\":\"soon\""), "its expiry is no time" },
                { PRINT("1", ",\"SessionToken\":\"" TOKEN " \""),
                  "there is a character in its keys that cannot be" },
                { "sh -c 'cat credentials; exit 1'", "it exited with status 1" },
                { "", "its command line is empty" },
                { " \t", "its command line is empty" },
                { "sh -c 'echo " SECRET,
                  "there is a quotation mark or a backslash too many in its command line" },
                { "echo " SECRET "\\",
                  "there is a quotation mark or a backslash too many in its command line" },
        };
        Fixture *f = *state;

        folder_put("credentials",
                   "{\"Version\":1,\"AccessKeyId\":\"ASIA1\",\"SecretAccessKey\":\"" SECRET "\"}\n");
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *error = str_printf("credential_process: %s", cases[i][1]);

                run(f, cases[i][0]);
                assert_failed(f, AWS_REJECTED, error);
        }
}

/* Its last words are shown, but for what may be a secret. */
static void test_a_program_that_says_its_secrets(void **state)
{
        static const char *const commands[] = {
                "sh -c 'echo SecretAccessKey: " SECRET " >&2; exit 1'",
                "sh -c 'echo token " TOKEN " is bad >&2; exit 1'",
                "sh -c 'printf {\\\"SessionToken\\\":\\\"" TOKEN "\\\"} >&2; exit 1'",
        };
        Fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(commands); i++) {
                run(f, commands[i]); /* on_done() looks for secrets */
                assert_int_equal(f->outcome, AWS_REJECTED);
                assert_non_null(startswith(f->error, "credential_process: it exited with status 1: "));
                assert_non_null(strstr(f->error, "[hidden]"));
        }
}

static void test_a_program_with_much_to_say(void **state)
{
        Fixture *f = *state;

        run(f, "sh -c 'head -c 100000 /dev/zero | tr \"\\\\0\" x >&2; exit 1'");
        assert_non_null(startswith(f->error, "credential_process: it exited with status 1"));
}

static void test_a_program_that_hangs(void **state)
{
        Fixture *f = *state;

        process_timeout = 100 * USEC_PER_MSEC;
        run(f, "sleep 1000");
        assert_failed(f, AWS_REJECTED, "credential_process: it did not end within 100ms");
}

static void test_a_program_that_cannot_be_started(void **state)
{
        Fixture *f = *state;

        refuse_with = -EMFILE;
        run(f, "true");
        assert_failed(f, AWS_REJECTED, "credential_process: cannot make the request: Too many open files");
}

/* --- instance metadata ------------------------------------------------------------------------------- */

#define ROLES "GET /latest/meta-data/iam/security-credentials/"

static void use_imds(Fixture *f)
{
        f->source = (AwsSource){ .kind = AWS_SOURCE_IMDS };
}

/* Answers the first two steps. */
static void reach_credentials(Fixture *f)
{
        ScriptPeer *p;

        fetch(f);
        p = script_await(&f->script, "PUT /latest/api/token ");
        assert_request(p, "\r\nX-aws-ec2-metadata-token-ttl-seconds: 21600\r\n");
        script_answer(p, "200 OK", "", TOKEN);
        p = script_await(&f->script, ROLES " ");
        assert_request(p, "\r\nX-aws-ec2-metadata-token: " TOKEN "\r\n");
        script_answer(p, "200 OK", "", "pull+a\nother\n");
}

static void test_an_instance_s_credentials(void **state)
{
        Fixture *f = *state;
        ScriptPeer *p;

        use_imds(f);
        reach_credentials(f);
        p = script_await(&f->script, ROLES "pull%2Ba ");
        assert_request(p, "\r\nX-aws-ec2-metadata-token: " TOKEN "\r\n");
        script_answer(p, "200 OK", "", METADATA_ANSWER);
        wait_done(f);
        assert_fetched(f, "ASIA1", TOKEN, EXPIRES);
        assert_int_equal(f->n_done, 1);
        assert_int_equal(f->state.calls[AWS_SERVICE_METADATA][AWS_OK], 3);
        assert_int_equal(f->state.clock.skew, 0);
}

static void test_instances_without_credentials(void **state)
{
        Fixture *f = *state;
        _cleanup_free_ char *no_token = str_printf(
                "instance metadata at %s: HTTP status 403 without an AWS error code", f->script.url);
        _cleanup_free_ char *no_role = str_printf(
                "instance metadata at %s: HTTP status 404 without an AWS error code", f->script.url);
        _cleanup_free_ char *html =
                str_printf("instance metadata at %s: the answer is of no use: there is a "
                           "character in it that cannot be",
                           f->script.url);
        _cleanup_free_ char *failed =
                str_printf("instance metadata at %s: the answer is of no use: it says that it has failed",
                           f->script.url);

        use_imds(f);
        fetch(f);
        script_answer(script_await(&f->script, "PUT "), "403 No", "", "");
        wait_done(f);
        assert_failed(f, AWS_REJECTED, no_token);

        fetch(f);
        script_answer(script_await(&f->script, "PUT "), "200 OK", "", "<html> " TOKEN);
        wait_done(f);
        assert_failed(f, AWS_RETRY, html);

        fetch(f);
        script_answer(script_await(&f->script, "PUT "), "200 OK", "", TOKEN);
        script_answer(script_await(&f->script, ROLES), "404 No", "", "<html>no role</html>");
        wait_done(f);
        assert_failed(f, AWS_REJECTED, no_role);

        reach_credentials(f);
        script_answer(script_await(&f->script, ROLES "pull"), "200 OK", "",
                      "{\"Code\":\"AssumeRoleUnauthorizedAccess\",\"Message\":\"" SECRET "\"}");
        wait_done(f);
        assert_failed(f, AWS_RETRY, failed);
        assert_int_equal(f->n_done, 4);
}

/* The way is long, and may end on it. */
static void test_an_instance_whose_next_question_cannot_be_asked(void **state)
{
        Fixture *f = *state;
        _cleanup_free_ char *down = str_printf(
                "instance metadata at %s: cannot make the request: Network is down", f->script.url);
        _cleanup_free_ char *memory = str_printf("instance metadata at %s: memory is out", f->script.url);

        use_imds(f);
        refuse_with = -ENETDOWN;
        refuse_after = 1;
        fetch(f);
        script_answer(script_await(&f->script, "PUT "), "200 OK", "", TOKEN);
        wait_done(f);
        assert_failed(f, AWS_REJECTED, down);

        refuse_with = -ENOMEM;
        refuse_after = 1;
        fetch(f);
        script_answer(script_await(&f->script, "PUT "), "200 OK", "", TOKEN);
        wait_done(f);
        assert_failed(f, AWS_RETRY, memory);
}

/* --- containers -------------------------------------------------------------------------------------- */

static void test_a_container_s_credentials(void **state)
{
        Fixture *f = *state;
        _cleanup_free_ char *url = str_printf("%s/v2/credentials?id=1", f->script.url);
        ScriptPeer *p;

        f->source = (AwsSource){ .kind = AWS_SOURCE_CONTAINER, .container.url = url };
        fetch(f);
        p = script_await(&f->script, "GET /v2/credentials?id=1 ");
        assert_false(script_has(p, "Authorization"));
        script_answer(p, "200 OK", "", METADATA_ANSWER);
        wait_done(f);
        assert_fetched(f, "ASIA1", TOKEN, EXPIRES);

        f->source.container.token = (char *) TOKEN;
        fetch(f);
        p = script_await(&f->script, "GET /v2/credentials?id=1 ");
        assert_request(p, "\r\nAuthorization: " TOKEN "\r\n");
        script_answer(p, "200 OK", "", METADATA_ANSWER);
        wait_done(f);
        assert_fetched(f, "ASIA1", TOKEN, EXPIRES);
}

static void test_a_container_s_token_is_read_again(void **state)
{
        static const char *const tokens[] = { "first", "second" };
        Fixture *f = *state;

        f->source = (AwsSource){ .kind = AWS_SOURCE_CONTAINER,
                                 .container = { .url = f->script.url, .token_file = (char *) "token" } };
        for (size_t i = 0; i < ELEMENTSOF(tokens); i++) {
                _cleanup_free_ char *line = str_printf("\r\nAuthorization: Bearer %s\r\n", tokens[i]);
                _cleanup_free_ char *text = str_printf("Bearer %s\n", tokens[i]);
                ScriptPeer *p;

                folder_put("token", text);
                fetch(f);
                p = script_await(&f->script, "GET / ");
                assert_request(p, line);
                script_answer(p, "200 OK", "", METADATA_ANSWER);
                wait_done(f);
                assert_fetched(f, "ASIA1", TOKEN, EXPIRES);
        }
}

static void test_containers_without_credentials(void **state)
{
        Fixture *f = *state;
        _cleanup_free_ char *denied =
                str_printf("container credentials at %s: AccessDenied (HTTP 403): no", f->script.url);
        _cleanup_free_ char *none = str_printf(
                "container credentials at %s: the token in token: No such file or directory", f->script.url);
        _cleanup_free_ char *two = str_printf(
                "container credentials at %s: the token in token: there is more than one line in it",
                f->script.url);

        _cleanup_free_ char *url = str_printf("%s/v2/credentials/1a2b?3c", f->script.url);

        f->source = (AwsSource){ .kind = AWS_SOURCE_CONTAINER, .container.url = url };
        fetch(f);
        script_answer(script_await(&f->script, "GET /v2/credentials/1a2b?3c "), "403 No", "",
                      "{\"code\":\"AccessDenied\",\"message\":\"no\"}");
        wait_done(f);
        assert_failed(f, AWS_REJECTED, denied);

        f->source.container.token_file = (char *) "token";
        (void) unlink("token");
        fail_at_once(f, none);
        folder_put("token", TOKEN "\r\nX-Evil: 1");
        fail_at_once(f, two);
}

/* --- the rest ---------------------------------------------------------------------------------------- */

static void test_what_nothing_can_be_fetched_from(void **state)
{
        Fixture *f = *state;

        f->source = (AwsSource){ .kind = AWS_SOURCE_STATIC, .container.url = (char *) "x" };
        fetch(f);
        wait_done(f);
        assert_int_equal(f->outcome, AWS_REJECTED);
        assert_non_null(strstr(f->error, "nothing can be fetched from it"));
}

/* Names may be longer than an error. */
static void test_long_names(void **state)
{
        char role[3000] = "arn:aws:iam::123456789012:role/", path[3000] = "";
        Fixture *f = *state;

        use_web_identity(f);
        memset(role + strlen(role), 'r', 2000);
        memset(path, 'p', 2000);
        f->source.role.arn = role;
        f->source.token_file = path;
        fetch(f);
        wait_done(f);
        assert_int_equal(f->outcome, AWS_REJECTED);
        assert_non_null(startswith(f->error, "cannot assume arn:aws:iam::123456789012:role/rrr"));
        assert_non_null(strstr(f->error, ": File name too long"));
}

static void test_a_fetch_that_is_freed_says_nothing(void **state)
{
        Fixture *f = *state;
        ScriptPeer *p;

        /* one that waits for an answer */
        use_imds(f);
        fetch(f);
        p = script_await(&f->script, "PUT ");
        f->fetch = aws_fetch_free(f->fetch);
        script_answer(p, "200 OK", "", TOKEN);
        /* for a program */
        f->source = (AwsSource){ .kind = AWS_SOURCE_PROCESS, .process = (char *) "sleep 1000" };
        fetch(f);
        f->fetch = aws_fetch_free(f->fetch);
        /* and to say what went wrong */
        f->source.process = (char *) "";
        fetch(f);
        f->fetch = aws_fetch_free(f->fetch);
        script_rest(&f->script);
        assert_int_equal(f->n_done, 0);
        assert_int_equal(f->script.n_requests, 1);
        assert_null(aws_fetch_free(NULL));
}

static int group_set_up(void **state)
{
        return script_group_setup(state) < 0 ? -1 : folder_set_up(state);
}

static int group_tear_down(void **state)
{
        (void) script_group_teardown(state);
        return folder_tear_down(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_a_role),
                TEST(test_a_web_identity),
                TEST(test_a_web_identity_is_read_again),
                TEST(test_web_identities_that_cannot_be_read),
                TEST(test_the_longest_web_identity),
                TEST(test_a_session_for_a_certificate),
                TEST(test_certificates_that_are_not_valid_now),
                TEST(test_certificates_that_cannot_be_used),
                TEST(test_a_program),
                TEST(test_programs_that_give_nothing),
                TEST(test_a_program_that_says_its_secrets),
                TEST(test_a_program_with_much_to_say),
                TEST(test_a_program_that_hangs),
                TEST(test_a_program_that_cannot_be_started),
                TEST(test_an_instance_s_credentials),
                TEST(test_instances_without_credentials),
                TEST(test_an_instance_whose_next_question_cannot_be_asked),
                TEST(test_a_container_s_credentials),
                TEST(test_a_container_s_token_is_read_again),
                TEST(test_containers_without_credentials),
                TEST(test_what_nothing_can_be_fetched_from),
                TEST(test_long_names),
                TEST(test_a_fetch_that_is_freed_says_nothing),
        };
        sigset_t set;

        /* As main() does it. */
        (void) sigemptyset(&set);
        (void) sigaddset(&set, SIGCHLD);
        (void) sigprocmask(SIG_BLOCK, &set, NULL);
        return cmocka_run_group_tests(tests, group_set_up, group_tear_down);
}
