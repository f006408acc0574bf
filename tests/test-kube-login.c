/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "clockwork.h"
#include "kube-exec.h"
#include "kube-login.h"
#include "said.h"

#include <stdio.h>

#include "clockwork-on.h"
#include "kube-auth.c"
#include "aws-clock.c"
#include "eks-token.c"
#include "kube-login.c"
#include "clockwork-off.h"

typedef struct Fixture {
        sd_event *event;
        KubeExec exec;
        KubeConfig config;
        EksConfig eks, other;
        AwsState aws;
        KubeAuth *auth;
} Fixture;

static void set_keys(EksConfig *c, const char *cluster, const char *id)
{
        *c = (EksConfig){ .cluster = (char *) cluster,
                          .region = (char *) "eu-west-1",
                          .source = aws_source_new() };
        assert_return_code(str_replace(&c->source->keys.access_key_id, id), 0);
        assert_return_code(str_replace(&c->source->keys.secret_access_key, "secret"), 0);
}

static int set_up(void **state)
{
        static char *none[] = { NULL };
        Fixture *f = calloc(1, sizeof(*f));

        clockwork_begin();
        said[0] = '\0';
        assert_return_code(sd_event_new(&f->event), 0);
        f->exec = (KubeExec){ .api_version = (char *) "client.authentication.k8s.io/v1",
                              .command = (char *) "/nowhere/aws",
                              .args = none,
                              .env = none };
        f->config = (KubeConfig){ .server = (char *) "https://api.example:6443", .exec = &f->exec };
        set_keys(&f->eks, "prod", "AKIAONE");
        set_keys(&f->other, "prod", "AKIATWO");
        *state = f;
        return 0;
}

static int tear_down(void **state)
{
        Fixture *f = *state;

        (void) kube_auth_free(f->auth);
        (void) aws_source_free(f->eks.source);
        (void) aws_source_free(f->other.source);
        (void) sd_event_unref(f->event);
        free(f);
        return 0;
}

static void begin(Fixture *f)
{
        assert_return_code(kube_login_new(f->event, &f->config, &f->eks, &f->aws, &f->auth), 0);
}

static void on_waited(const char *problem, void *userdata)
{
        assert_null(problem);
        ++*(unsigned *) userdata;
}

/* The token to use, which has to come at once. */
static const char *token_of(Fixture *f)
{
        KubeIdentity identity;
        KubeAuthWait *wait = NULL;
        unsigned n = 0;

        if (!kube_auth_identity(f->auth, &identity)) {
                assert_return_code(kube_auth_wait(f->auth, on_waited, &n, &wait), 0);
                clockwork_pass(f->event, 0);
                assert_int_equal(n, 1);
                (void) kube_auth_wait_free(wait);
                assert_true(kube_auth_identity(f->auth, &identity));
        }
        return identity.token;
}

static void assert_made(Fixture *f, const EksConfig *eks, usec_t when)
{
        AwsKeys keys = { eks->source->keys.access_key_id, "secret", NULL };
        _cleanup_free_ char *expected = NULL;

        assert_return_code(eks_token_make("prod", "eu-west-1", &keys, when, &expected), 0);
        assert_string_equal(token_of(f), expected);
}

static void test_a_token_is_there_at_every_moment_of_a_day(void **state)
{
        Fixture *f = *state;
        unsigned n_made = 0;
        usec_t made = 0;

        begin(f);
        for (unsigned s = 0; s < 24 * 3600; s++) {
                KubeIdentity identity;

                (void) token_of(f);
                assert_true(kube_auth_identity(f->auth, &identity));
                if (identity.generation != n_made) {
                        n_made++;
                        assert_int_equal(identity.generation, n_made);
                        made = wall;
                        assert_made(f, &f->eks, made);
                }
                assert_true(wall - made < EKS_TOKEN_LIFE - USEC_PER_MINUTE);
                clockwork_pass(f->event, USEC_PER_SEC);
        }
        /* every 12 min 36 s, which is a tenth before the end */
        assert_in_range(n_made, 114, 115);
}

static void test_after_a_refusal_there_is_another(void **state)
{
        Fixture *f = *state;
        KubeIdentity identity;

        begin(f);
        (void) token_of(f);
        clockwork_pass(f->event, USEC_PER_MINUTE);
        f->aws.clock.skew = 40 * USEC_PER_MINUTE; /* has come to be known meanwhile */
        assert_true(kube_auth_identity(f->auth, &identity));
        assert_true(kube_auth_refused(f->auth, identity.generation));
        clockwork_pass(f->event, 0);
        assert_made(f, &f->eks, wall + 40 * USEC_PER_MINUTE);
}

static void test_other_tokens_from_now_on(void **state)
{
        _cleanup_(kube_login_done) KubeLogin login = { NULL };
        usec_t before = wall;
        Fixture *f = *state;

        begin(f);
        (void) token_of(f);
        assert_return_code(kube_login_make(f->event, &f->config, &f->other, &f->aws, &login), 0);
        kube_login_use(&login, f->auth);
        assert_null(login.provider);
        clockwork_pass(f->event, USEC_PER_MINUTE);
        assert_made(f, &f->eks, before); /* is good for some time */
        clockwork_pass(f->event, 11 * USEC_PER_MINUTE + 36 * USEC_PER_SEC);
        assert_made(f, &f->other, wall);
}

static void test_who_has_which_provider(void **state)
{
        Fixture *f = *state;
        KubeLogin login;

        assert_return_code(kube_login_make(f->event, &f->config, &f->eks, &f->aws, &login), 0);
        assert_ptr_equal(login.provider, &eks_token_provider);
        kube_login_done(&login);
        assert_null(login.provider);
        assert_return_code(kube_login_make(f->event, &f->config, NULL, &f->aws, &login), 0);
        assert_ptr_equal(login.provider, &kube_exec_provider);
        kube_login_done(&login);
        assert_string_equal(said, "");

        f->other.why = (char *) "--query is not understood";
        f->other.source = aws_source_free(f->other.source);
        assert_return_code(kube_login_make(f->event, &f->config, &f->other, &f->aws, &login), 0);
        assert_ptr_equal(login.provider, &kube_exec_provider);
        assert_string_equal(said, "7 Running /nowhere/aws for a token of EKS: --query is not understood\n");
        kube_login_done(&login);

        f->config.exec = NULL;
        assert_return_code(kube_login_make(f->event, &f->config, &f->eks, &f->aws, &login), 0);
        assert_null(login.provider);
        assert_return_code(kube_login_new(f->event, &f->config, NULL, &f->aws, &f->auth), 0);
        assert_false(kube_auth_fetches(f->auth));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_a_token_is_there_at_every_moment_of_a_day, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(test_after_a_refusal_there_is_another, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_other_tokens_from_now_on, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_who_has_which_provider, set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
