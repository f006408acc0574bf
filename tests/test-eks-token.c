/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "eks-token.h"
#include "fetch-double.h"
#include "said.h"

#include "fetch-double-on.h"

#include "clockwork-on.h"
#include "aws-clock.c"
#include "credentials.c"
#include "eks-token.c"
#include "clockwork-off.h"

#define SESSION "FwoGZXIvYXdzEJr//////////wEaDEXAMPLE+Ab0/c2Vzc2lvbg=="
#define CLUSTER "prod"

/* --- one --------------------------------------------------------------------------------------------- */

typedef struct Golden {
        const char *cluster, *region;
        unsigned time;
        const char *session_token, *token;
} Golden;

static const Golden golden[] = {
        /* clang-format off */
        /* golden: tests/golden-sigv4.py eks */
        {
                "prod", "eu-west-1", 1795461567, NULL,
                "k8s-aws-v1.aHR0cHM6Ly9zdHMuZXUtd2VzdC0xLmFtYXpvbmF3cy5jb20vP0FjdGlvbj1HZXRDYWxsZXJJZG"
                "VudGl0eSZWZXJzaW9uPTIwMTEtMDYtMTUmWC1BbXotQWxnb3JpdGhtPUFXUzQtSE1BQy1TSEEyNTYmWC1BbXo"
                "tQ3JlZGVudGlhbD1BU0lBSU9TRk9ETk43RVhBTVBMRSUyRjIwMjYxMTIzJTJGZXUtd2VzdC0xJTJGc3RzJTJG"
                "YXdzNF9yZXF1ZXN0JlgtQW16LURhdGU9MjAyNjExMjNUMTkxOTI3WiZYLUFtei1FeHBpcmVzPTYwJlgtQW16L"
                "VNpZ25lZEhlYWRlcnM9aG9zdCUzQngtazhzLWF3cy1pZCZYLUFtei1TaWduYXR1cmU9YjhkYjE2ZDNjYzJhNW"
                "YyMTY3MjU5Y2FkM2U2MDZjNTRhYzQzOWIwMWU1MGE0MTllYzAwNTY0NDIxNzVjZjYzNg",
        },
        {
                "prod", "eu-west-1", 1795461567, SESSION,
                "k8s-aws-v1.aHR0cHM6Ly9zdHMuZXUtd2VzdC0xLmFtYXpvbmF3cy5jb20vP0FjdGlvbj1HZXRDYWxsZXJJZG"
                "VudGl0eSZWZXJzaW9uPTIwMTEtMDYtMTUmWC1BbXotQWxnb3JpdGhtPUFXUzQtSE1BQy1TSEEyNTYmWC1BbXo"
                "tQ3JlZGVudGlhbD1BU0lBSU9TRk9ETk43RVhBTVBMRSUyRjIwMjYxMTIzJTJGZXUtd2VzdC0xJTJGc3RzJTJG"
                "YXdzNF9yZXF1ZXN0JlgtQW16LURhdGU9MjAyNjExMjNUMTkxOTI3WiZYLUFtei1FeHBpcmVzPTYwJlgtQW16L"
                "VNlY3VyaXR5LVRva2VuPUZ3b0daWEl2WVhkekVKciUyRiUyRiUyRiUyRiUyRiUyRiUyRiUyRiUyRiUyRndFYU"
                "RFWEFNUExFJTJCQWIwJTJGYzJWemMybHZiZyUzRCUzRCZYLUFtei1TaWduZWRIZWFkZXJzPWhvc3QlM0J4LWs"
                "4cy1hd3MtaWQmWC1BbXotU2lnbmF0dXJlPTRiNGIzNGMzY2I0MDg3YWJkYzkzODQ0Y2M5OTliMzdmZDdlM2I5"
                "YzQ0MzBhZTI5Zjc3NzU0MjQ0ZThhNjZmNGQ",
        },
        {
                "a", "us-east-1", 1709251199, SESSION,
                "k8s-aws-v1.aHR0cHM6Ly9zdHMudXMtZWFzdC0xLmFtYXpvbmF3cy5jb20vP0FjdGlvbj1HZXRDYWxsZXJJZG"
                "VudGl0eSZWZXJzaW9uPTIwMTEtMDYtMTUmWC1BbXotQWxnb3JpdGhtPUFXUzQtSE1BQy1TSEEyNTYmWC1BbXo"
                "tQ3JlZGVudGlhbD1BU0lBSU9TRk9ETk43RVhBTVBMRSUyRjIwMjQwMjI5JTJGdXMtZWFzdC0xJTJGc3RzJTJG"
                "YXdzNF9yZXF1ZXN0JlgtQW16LURhdGU9MjAyNDAyMjlUMjM1OTU5WiZYLUFtei1FeHBpcmVzPTYwJlgtQW16L"
                "VNlY3VyaXR5LVRva2VuPUZ3b0daWEl2WVhkekVKciUyRiUyRiUyRiUyRiUyRiUyRiUyRiUyRiUyRiUyRndFYU"
                "RFWEFNUExFJTJCQWIwJTJGYzJWemMybHZiZyUzRCUzRCZYLUFtei1TaWduZWRIZWFkZXJzPWhvc3QlM0J4LWs"
                "4cy1hd3MtaWQmWC1BbXotU2lnbmF0dXJlPWQ0Mjk5OGNmMjFhNzJhOTJjNDMwZTM5NTI1YzE4MTllM2I5OWMx"
                "NjFmNDgwYTNkZWIwZTM0ODg2YzdlNTE4MjE",
        },
        {
                "A_b-9", "cn-north-1", 1709251200, NULL,
                "k8s-aws-v1.aHR0cHM6Ly9zdHMuY24tbm9ydGgtMS5hbWF6b25hd3MuY29tLmNuLz9BY3Rpb249R2V0Q2FsbG"
                "VySWRlbnRpdHkmVmVyc2lvbj0yMDExLTA2LTE1JlgtQW16LUFsZ29yaXRobT1BV1M0LUhNQUMtU0hBMjU2Jlg"
                "tQW16LUNyZWRlbnRpYWw9QVNJQUlPU0ZPRE5ON0VYQU1QTEUlMkYyMDI0MDMwMSUyRmNuLW5vcnRoLTElMkZz"
                "dHMlMkZhd3M0X3JlcXVlc3QmWC1BbXotRGF0ZT0yMDI0MDMwMVQwMDAwMDBaJlgtQW16LUV4cGlyZXM9NjAmW"
                "C1BbXotU2lnbmVkSGVhZGVycz1ob3N0JTNCeC1rOHMtYXdzLWlkJlgtQW16LVNpZ25hdHVyZT1iZmRlMWU1Zj"
                "EyYWQ1YjNmNzU0N2E4Y2M3YTU3MTBmYzVhMWYzYTJhYmU2NzJjM2IxNjRiNTZiMzUxY2JiZWIw",
        },
        {
                "4f6e2b3c-0d1e-4f5a-8b7c-9d8e7f6a5b4c", "us-gov-west-1", 1767225600, SESSION,
                "k8s-aws-v1.aHR0cHM6Ly9zdHMudXMtZ292LXdlc3QtMS5hbWF6b25hd3MuY29tLz9BY3Rpb249R2V0Q2FsbG"
                "VySWRlbnRpdHkmVmVyc2lvbj0yMDExLTA2LTE1JlgtQW16LUFsZ29yaXRobT1BV1M0LUhNQUMtU0hBMjU2Jlg"
                "tQW16LUNyZWRlbnRpYWw9QVNJQUlPU0ZPRE5ON0VYQU1QTEUlMkYyMDI2MDEwMSUyRnVzLWdvdi13ZXN0LTEl"
                "MkZzdHMlMkZhd3M0X3JlcXVlc3QmWC1BbXotRGF0ZT0yMDI2MDEwMVQwMDAwMDBaJlgtQW16LUV4cGlyZXM9N"
                "jAmWC1BbXotU2VjdXJpdHktVG9rZW49RndvR1pYSXZZWGR6RUpyJTJGJTJGJTJGJTJGJTJGJTJGJTJGJTJGJT"
                "JGJTJGd0VhREVYQU1QTEUlMkJBYjAlMkZjMlZ6YzJsdmJnJTNEJTNEJlgtQW16LVNpZ25lZEhlYWRlcnM9aG9"
                "zdCUzQngtazhzLWF3cy1pZCZYLUFtei1TaWduYXR1cmU9MGRhODYzZmQyODI4NDk3NmFmZDY2MzEzZmViOGVk"
                "MDE3NDQwMGE1MzM1Njc4NDljMzQ5YWFlYzU1Y2Y0OTNiMQ",
        },
        {
                "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "us-iso-east-1", 2147483648, NULL,
                "k8s-aws-v1.aHR0cHM6Ly9zdHMudXMtaXNvLWVhc3QtMS5jMnMuaWMuZ292Lz9BY3Rpb249R2V0Q2FsbGVySW"
                "RlbnRpdHkmVmVyc2lvbj0yMDExLTA2LTE1JlgtQW16LUFsZ29yaXRobT1BV1M0LUhNQUMtU0hBMjU2JlgtQW1"
                "6LUNyZWRlbnRpYWw9QVNJQUlPU0ZPRE5ON0VYQU1QTEUlMkYyMDM4MDExOSUyRnVzLWlzby1lYXN0LTElMkZz"
                "dHMlMkZhd3M0X3JlcXVlc3QmWC1BbXotRGF0ZT0yMDM4MDExOVQwMzE0MDhaJlgtQW16LUV4cGlyZXM9NjAmW"
                "C1BbXotU2lnbmVkSGVhZGVycz1ob3N0JTNCeC1rOHMtYXdzLWlkJlgtQW16LVNpZ25hdHVyZT1jNjdmZDU4YT"
                "M1MjY4NzdhMDNlOTM4YTcyYWM1YWFjYjcxMmRiYzI5MDJmYWY4NjMxZWE4NzljNTkwNDU1MzE0",
        },
        /* end of golden */
        /* clang-format on */
};

static char *make(const char *cluster, const char *region, const char *id, const char *session_token,
                  usec_t now)
{
        AwsKeys keys = { id, "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", session_token };
        char *token;

        assert_return_code(eks_token_make(cluster, region, &keys, now, &token), 0);
        return token;
}

static void test_tokens_are_botocore_s(void **state)
{
        for (size_t i = 0; i < ELEMENTSOF(golden); i++) {
                _cleanup_free_ char *token =
                        make(golden[i].cluster, golden[i].region, "ASIAIOSFODNN7EXAMPLE",
                             golden[i].session_token, golden[i].time * USEC_PER_SEC + 999999);

                assert_string_equal(token, golden[i].token);
        }
}

static void test_a_session_token_that_is_too_long(void **state)
{
        _cleanup_free_ char *session = malloc(URL_MAX + 1);
        AwsKeys keys = { "ASIAIOSFODNN7EXAMPLE", "secret", session };
        char *token = NULL;

        memset(session, 'x', URL_MAX);
        session[URL_MAX] = '\0';
        assert_int_equal(eks_token_make(CLUSTER, "eu-west-1", &keys, 0, &token), -EMSGSIZE);
        assert_null(token);
}

/* --- as a provider ----------------------------------------------------------------------------------- */

typedef struct Fixture {
        sd_event *event;
        AwsState state;
        EksConfig config;
        EksToken *token;
        unsigned n_told;
        KubeCredential got;
        char problem[1024];
} Fixture;

static void on_done(KubeCredential *credential, const char *problem, void *userdata)
{
        Fixture *f = userdata;

        assert_true((credential == NULL) == (problem != NULL));
        f->n_told++;
        kube_credential_done(&f->got);
        if (credential) {
                f->got = *credential;
                *credential = (KubeCredential){ 0 };
        }
        (void) snprintf(f->problem, sizeof(f->problem), "%s", problem ? problem : "");
}

static int set_up(void **state)
{
        Fixture *f = calloc(1, sizeof(*f));

        clockwork_begin();
        n_fetches = 0;
        assert_return_code(sd_event_new(&f->event), 0);
        f->config = (EksConfig){ .cluster = (char *) CLUSTER,
                                 .region = (char *) "eu-west-1",
                                 .source = aws_source_new() };
        assert_return_code(str_replace(&f->config.source->origin, "x"), 0);
        *state = f;
        return 0;
}

static int tear_down(void **state)
{
        Fixture *f = *state;

        (void) eks_token_free(f->token);
        kube_credential_done(&f->got);
        (void) aws_source_free(f->config.source);
        (void) sd_event_unref(f->event);
        free(f);
        assert_null(fetches);
        return 0;
}

static void set_static(AwsSource *s, const char *id)
{
        s->kind = AWS_SOURCE_STATIC;
        assert_return_code(str_replace(&s->keys.access_key_id, id), 0);
        assert_return_code(
                str_replace(&s->keys.secret_access_key, "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"), 0);
}

/* With keys that are there, or that are fetched. */
static void begin(Fixture *f, AwsSourceKind kind)
{
        f->config.source->kind = kind;
        if (kind == AWS_SOURCE_STATIC)
                set_static(f->config.source, "AKIAOWN");
        assert_return_code(eks_token_new(f->event, &f->state, &f->config, &f->token), 0);
}

static void ask(Fixture *f)
{
        f->n_told = 0;
        assert_return_code(eks_token_provider.fetch(f->token, on_done, f), 0);
        assert_int_equal(f->n_told, 0); /* never at once */
        clockwork_rest(f->event);
}

static void bring(Fixture *f, const char *id, usec_t life)
{
        fetch_answer(id, life);
        clockwork_rest(f->event);
}

/* One that is good for life, of those keys, as of that time on AWS's clock. */
static void assert_got(const Fixture *f, const char *cluster, const char *id, usec_t aws_now, usec_t life)
{
        bool own = startswith(id, "AKIA");
        AwsKeys keys = { id, own ? "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY" : "wJalrXUtnFEMI/K7MDENG",
                         own ? NULL : "FwoGZXIvYXdzEJr" };
        _cleanup_free_ char *expected = NULL;

        assert_int_equal(f->n_told, 1);
        assert_string_equal(f->problem, "");
        assert_return_code(eks_token_make(cluster, "eu-west-1", &keys, aws_now, &expected), 0);
        assert_string_equal(f->got.token, expected);
        assert_null(f->got.client_certificate);
        assert_int_equal(f->got.expires, wall + life);
}

static void test_a_token_is_good_for_14_minutes(void **state)
{
        Fixture *f = *state;

        begin(f, AWS_SOURCE_STATIC);
        ask(f);
        assert_got(f, CLUSTER, "AKIAOWN", wall, 14 * USEC_PER_MINUTE);
        clockwork_pass(f->event, 5 * USEC_PER_MINUTE);
        ask(f);
        assert_got(f, CLUSTER, "AKIAOWN", wall, 14 * USEC_PER_MINUTE);
        assert_int_equal(n_fetches, 0);
}

static void test_it_is_made_with_the_time_of_aws(void **state)
{
        Fixture *f = *state;

        f->state.clock.skew = -(int64_t) (40 * USEC_PER_MINUTE);
        begin(f, AWS_SOURCE_STATIC);
        ask(f);
        assert_got(f, CLUSTER, "AKIAOWN", wall - 40 * USEC_PER_MINUTE, 14 * USEC_PER_MINUTE);
}

static void test_credentials_are_fetched_and_kept(void **state)
{
        Fixture *f = *state;

        begin(f, AWS_SOURCE_PROCESS);
        ask(f);
        assert_int_equal(f->n_told, 0);
        bring(f, "ASIA1", USEC_PER_HOUR);
        assert_got(f, CLUSTER, "ASIA1", wall, 14 * USEC_PER_MINUTE);
        for (unsigned i = 0; i < 4; i++) {
                clockwork_pass(f->event, 12 * USEC_PER_MINUTE);
                ask(f);
                /* Sessions that end take the token with them. */
                assert_got(f, CLUSTER, "ASIA1", wall, i < 3 ? 14 * USEC_PER_MINUTE : 12 * USEC_PER_MINUTE);
        }
        assert_int_equal(n_fetches, 1);
        clockwork_pass(f->event, 10 * USEC_PER_MINUTE);
        ask(f);
        bring(f, "ASIA2", USEC_PER_HOUR);
        assert_got(f, CLUSTER, "ASIA2", wall, 14 * USEC_PER_MINUTE);
}

static void test_the_end_of_a_session_is_on_the_clock_of_aws(void **state)
{
        Fixture *f = *state;

        f->state.clock.skew = 20 * USEC_PER_MINUTE;
        begin(f, AWS_SOURCE_PROCESS);
        ask(f);
        bring(f, "ASIA1", 30 * USEC_PER_MINUTE);
        assert_got(f, CLUSTER, "ASIA1", wall + 20 * USEC_PER_MINUTE, 10 * USEC_PER_MINUTE);
}

static void test_after_a_refusal_credentials_are_fetched_anew(void **state)
{
        Fixture *f = *state;

        begin(f, AWS_SOURCE_PROCESS);
        ask(f);
        bring(f, "ASIA1", USEC_PER_HOUR);
        clockwork_pass(f->event, 7 * USEC_PER_MINUTE - 1);
        ask(f);
        assert_int_equal(f->n_told, 0);
        bring(f, "ASIA2", USEC_PER_HOUR);
        assert_got(f, CLUSTER, "ASIA2", wall, 14 * USEC_PER_MINUTE);
        assert_int_equal(n_fetches, 2);

        /* From the second half of its life on it is time for another. */
        clockwork_pass(f->event, 7 * USEC_PER_MINUTE);
        ask(f);
        assert_got(f, CLUSTER, "ASIA2", wall, 14 * USEC_PER_MINUTE);
        assert_int_equal(n_fetches, 2);
}

static void test_failures_are_told(void **state)
{
        Fixture *f = *state;

        begin(f, AWS_SOURCE_PROCESS);
        ask(f);
        fetch_fail(AWS_RETRY, "the program p exited with status 1");
        clockwork_rest(f->event);
        assert_int_equal(f->n_told, 1);
        assert_string_equal(f->problem,
                            "a token of EKS needs credentials of AWS: the program p exited with status 1");
        assert_null(f->got.token);
        ask(f);
        bring(f, "ASIA1", 0);
        assert_got(f, CLUSTER, "ASIA1", wall, 14 * USEC_PER_MINUTE);
}

static void test_a_token_that_cannot_be_made_is_told(void **state)
{
        _cleanup_free_ char *session = malloc(URL_MAX + 1);
        Fixture *f = *state;

        memset(session, 'x', URL_MAX);
        session[URL_MAX] = '\0';
        assert_return_code(str_replace(&f->config.source->keys.session_token, session), 0);
        begin(f, AWS_SOURCE_STATIC);
        ask(f);
        assert_int_equal(f->n_told, 1);
        assert_string_equal(f->problem, "a token of EKS cannot be made: Message too long");
}

static void test_what_is_cancelled_is_not_told(void **state)
{
        Fixture *f = *state;

        begin(f, AWS_SOURCE_PROCESS);
        ask(f);
        eks_token_provider.cancel(f->token);
        eks_token_provider.cancel(f->token);
        bring(f, "ASIA1", USEC_PER_HOUR); /* is kept */
        assert_int_equal(f->n_told, 0);
        ask(f);
        assert_got(f, CLUSTER, "ASIA1", wall, 14 * USEC_PER_MINUTE);
        assert_int_equal(n_fetches, 1);

        f->token = eks_token_free(f->token);
        begin(f, AWS_SOURCE_PROCESS);
        ask(f);
        eks_token_provider.free(TAKE_PTR(f->token));
        clockwork_rest(f->event);
        assert_int_equal(f->n_told, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_tokens_are_botocore_s),
                cmocka_unit_test(test_a_session_token_that_is_too_long),
                cmocka_unit_test_setup_teardown(test_a_token_is_good_for_14_minutes, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_it_is_made_with_the_time_of_aws, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_credentials_are_fetched_and_kept, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_the_end_of_a_session_is_on_the_clock_of_aws, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(test_after_a_refusal_credentials_are_fetched_anew, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(test_failures_are_told, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_a_token_that_cannot_be_made_is_told, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_what_is_cancelled_is_not_told, set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
