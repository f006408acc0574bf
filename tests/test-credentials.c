/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "credentials.h"
#include "fetch-double.h"
#include "said.h"

#include "fetch-double-on.h"

#include "clockwork-on.h"
#include "aws-clock.c"
#include "credentials.c"
#include "clockwork-off.h"

#define REQUESTS 4U
#define MARGIN (5 * USEC_PER_MINUTE)

typedef struct Fixture Fixture;

/* One that asks, and what it was told last. */
typedef struct Asker {
        Fixture *fixture;
        CredentialsRequest *request;
        unsigned n_told;
        AwsOutcome outcome;
        AwsCredentials *credentials;
        char error[AWS_FETCH_ERROR_MAX];
        struct Asker *free, *again; /* what it does when it is told */
} Asker;

struct Fixture {
        sd_event *event;
        AwsState state;
        AwsPlaces places;
        AwsSource *source;
        Credentials *credentials;
        Asker askers[REQUESTS];
};

static void on_done(AwsOutcome outcome, AwsCredentials *credentials, const char *error, void *userdata)
{
        Asker *a = userdata, *again = a->again;

        assert_non_null(a->request);
        assert_true((outcome == AWS_OK) == (credentials != NULL));
        assert_true((outcome == AWS_OK) == !*error);
        a->n_told++;
        a->outcome = outcome;
        aws_credentials_unref(a->credentials);
        a->credentials = aws_credentials_ref(credentials);
        (void) snprintf(a->error, sizeof(a->error), "%s", error);
        a->request = credentials_request_free(a->request);
        if (a->free)
                a->free->request = credentials_request_free(a->free->request);
        a->again = NULL;
        if (again)
                assert_return_code(credentials_get(a->fixture->credentials, on_done, again, &again->request),
                                   0);
}

static int setup(void **state)
{
        Fixture *f = calloc(1, sizeof(*f));

        clockwork_begin();
        n_fetches = 0;
        assert_return_code(sd_event_new(&f->event), 0);
        f->source = aws_source_new();
        assert_return_code(str_replace(&f->source->origin, "profile ci in /x"), 0);
        for (size_t i = 0; i < REQUESTS; i++)
                f->askers[i].fixture = f;
        *state = f;
        return 0;
}

static int teardown(void **state)
{
        Fixture *f = *state;

        for (size_t i = 0; i < REQUESTS; i++) {
                (void) credentials_request_free(f->askers[i].request);
                aws_credentials_unref(f->askers[i].credentials);
        }
        (void) credentials_free(f->credentials);
        (void) aws_source_free(f->source);
        (void) sd_event_unref(f->event);
        free(f);
        assert_null(fetches);
        return 0;
}

/* Credentials of that kind, and as many roles, which are named first, second, ... */
static void begin(Fixture *f, AwsSourceKind kind, size_t n_roles)
{
        static const char *const arns[] = { "first", "second", "third" };

        f->source->kind = kind;
        for (size_t i = 0; i < n_roles; i++)
                assert_return_code(
                        aws_source_add_role(f->source, &(AwsRole){ .arn = (char *) arns[i] }, false), 0);
        if (kind == AWS_SOURCE_STATIC) {
                assert_return_code(str_replace(&f->source->keys.access_key_id, "AKIASTATIC"), 0);
                assert_return_code(str_replace(&f->source->keys.secret_access_key, "static"), 0);
        }
        assert_return_code(credentials_new(f->event, &f->state, f->source, &f->places, &f->credentials), 0);
}

static Asker *ask(Fixture *f, size_t i)
{
        Asker *a = &f->askers[i];

        a->n_told = 0;
        assert_return_code(credentials_get(f->credentials, on_done, a, &a->request), 0);
        assert_int_equal(a->n_told, 0); /* from the loop, never at once */
        clockwork_rest(f->event);
        return a;
}

static void assert_told(const Asker *a, const char *id)
{
        assert_int_equal(a->n_told, 1);
        assert_int_equal(a->outcome, AWS_OK);
        assert_string_equal(a->credentials->keys.access_key_id, id);
}

static void assert_refused(const Asker *a, AwsOutcome outcome, const char *error)
{
        assert_int_equal(a->n_told, 1);
        assert_int_equal(a->outcome, outcome);
        assert_string_equal(a->error, error);
}

/* That what runs is for this role, with these keys; NULL: for the source. */
static void assert_fetching(const char *role, const char *with)
{
        assert_non_null(fetches);
        assert_null(fetches->next);
        assert_true(streq_ptr(fetches->role ? fetches->role->arn : NULL, role));
        assert_true(streq_ptr(fetches->with ? fetches->with->keys.access_key_id : NULL, with));
}

/* Expects that fetch, and answers it. */
static void fetch(const Fixture *f, const char *role, const char *with, const char *id, usec_t life)
{
        assert_fetching(role, with);
        fetch_answer(id, life);
        clockwork_rest(f->event);
}

/* Gets what two roles give, from the beginning. */
static void fetch_all(Fixture *f, usec_t life)
{
        Asker *a = ask(f, 0);

        fetch(f, NULL, NULL, "AKIA0", 0);
        fetch(f, "first", "AKIA0", "ASIA1", life);
        fetch(f, "second", "ASIA1", "ASIA2", life);
        assert_told(a, "ASIA2");
}

/* --- what is kept ----------------------------------------------------------------------------------- */

static void test_static_keys_are_there_already(void **state)
{
        Fixture *f = *state;

        f->source->keys.expires = wall - 1; /* is for AWS to judge */
        begin(f, AWS_SOURCE_STATIC, 0);
        assert_told(ask(f, 0), "AKIASTATIC");
        assert_null(f->askers[0].credentials->keys.session_token);
        assert_told(ask(f, 0), "AKIASTATIC");
        assert_int_equal(n_fetches, 0);
        assert_int_equal(credentials_expiry(f->credentials), wall - 1);
        assert_ptr_equal(credentials_source(f->credentials), f->source);
        assert_false(credentials_drop(f->credentials, f->askers[0].credentials));
        assert_told(ask(f, 0), "AKIASTATIC");
}

static void test_roles_are_assumed_once_and_kept_while_there_is_time(void **state)
{
        Fixture *f = *state;

        begin(f, AWS_SOURCE_STATIC, 2);
        assert_int_equal(credentials_expiry(f->credentials), 0);
        (void) ask(f, 0);
        fetch(f, "first", "AKIASTATIC", "ASIA1", 2 * USEC_PER_HOUR);
        assert_int_equal(f->askers[0].n_told, 0);
        fetch(f, "second", "ASIA1", "ASIA2", USEC_PER_HOUR);
        assert_told(&f->askers[0], "ASIA2");
        assert_int_equal(credentials_expiry(f->credentials), wall + USEC_PER_HOUR);

        clockwork_pass(f->event, USEC_PER_HOUR - MARGIN - 1);
        assert_told(ask(f, 0), "ASIA2");
        assert_int_equal(n_fetches, 2);

        /* The last one has run out, but not what it was got with. */
        clockwork_pass(f->event, 1);
        (void) ask(f, 0);
        fetch(f, "second", "ASIA1", "ASIA3", USEC_PER_HOUR);
        assert_told(&f->askers[0], "ASIA3");
        assert_int_equal(n_fetches, 3);

        clockwork_pass(f->event, USEC_PER_HOUR);
        (void) ask(f, 0);
        fetch(f, "first", "AKIASTATIC", "ASIA4", USEC_PER_HOUR);
        fetch(f, "second", "ASIA4", "ASIA5", USEC_PER_HOUR);
        assert_told(&f->askers[0], "ASIA5");
}

static void test_it_is_aws_clock_that_they_expire_on(void **state)
{
        Fixture *f = *state;

        begin(f, AWS_SOURCE_PROCESS, 0);
        (void) ask(f, 0);
        fetch(f, NULL, NULL, "ASIA1", USEC_PER_HOUR);
        f->state.clock.skew = -(int64_t) (10 * USEC_PER_MINUTE);
        clockwork_pass(f->event, USEC_PER_HOUR);
        assert_told(ask(f, 0), "ASIA1");
        f->state.clock.skew = 0;
        (void) ask(f, 0);
        assert_fetching(NULL, NULL);
}

static void test_what_does_not_expire_is_kept(void **state)
{
        Fixture *f = *state;

        begin(f, AWS_SOURCE_PROCESS, 0);
        (void) ask(f, 0);
        fetch(f, NULL, NULL, "AKIA0", 0);
        clockwork_pass(f->event, 365 * USEC_PER_DAY);
        assert_told(ask(f, 0), "AKIA0");
        assert_int_equal(n_fetches, 1);
}

static void test_what_has_little_time_is_used_once(void **state)
{
        Fixture *f = *state;

        begin(f, AWS_SOURCE_PROCESS, 1);
        for (unsigned i = 0; i < 2; i++) {
                (void) ask(f, 0);
                fetch(f, NULL, NULL, "ASIA0", 3 * USEC_PER_MINUTE);
                fetch(f, "first", "ASIA0", "ASIA1", 3 * USEC_PER_MINUTE);
                assert_told(&f->askers[0], "ASIA1");
                assert_int_equal(n_fetches, 2 * (i + 1));
        }
}

/* --- several that ask ------------------------------------------------------------------------------- */

static void test_requests_at_the_same_time_share_a_fetch(void **state)
{
        Fixture *f = *state;

        begin(f, AWS_SOURCE_PROCESS, 1);
        (void) ask(f, 0);
        (void) ask(f, 1);
        fetch(f, NULL, NULL, "ASIA0", USEC_PER_HOUR);
        (void) ask(f, 2);
        fetch(f, "first", "ASIA0", "ASIA1", USEC_PER_HOUR);
        for (size_t i = 0; i < 3; i++)
                assert_told(&f->askers[i], "ASIA1");
        assert_int_equal(n_fetches, 2);
}

static void test_a_failure_is_told_to_all_that_wait(void **state)
{
        Fixture *f = *state;

        begin(f, AWS_SOURCE_PROCESS, 0);
        (void) ask(f, 0);
        (void) ask(f, 1);
        fetch_fail(AWS_THROTTLED, "credential_process: too much");
        assert_refused(&f->askers[0], AWS_THROTTLED, "credential_process: too much");
        assert_refused(&f->askers[1], AWS_THROTTLED, "credential_process: too much");
        clockwork_rest(f->event);
        assert_null(fetches); /* it is for who asked to ask again */
        assert_int_equal(credentials_expiry(f->credentials), 0);
        (void) ask(f, 0);
        fetch(f, NULL, NULL, "AKIA0", 0);
        assert_told(&f->askers[0], "AKIA0");
}

static void test_a_request_that_ends_meanwhile_is_not_told(void **state)
{
        Fixture *f = *state;

        begin(f, AWS_SOURCE_PROCESS, 0);
        for (size_t i = 0; i < 3; i++)
                (void) ask(f, i);
        f->askers[1].request = credentials_request_free(f->askers[1].request);
        fetch(f, NULL, NULL, "ASIA0", USEC_PER_HOUR);
        assert_told(&f->askers[0], "ASIA0");
        assert_int_equal(f->askers[1].n_told, 0);
        assert_told(&f->askers[2], "ASIA0");
        assert_null(credentials_request_free(NULL));
}

/* What comes for nobody is kept, but is not new hours later. */
static void test_a_fetch_that_nobody_waits_for_any_more(void **state)
{
        Fixture *f = *state;

        begin(f, AWS_SOURCE_PROCESS, 0);
        (void) ask(f, 0);
        f->askers[0].request = credentials_request_free(f->askers[0].request);
        clockwork_rest(f->event);
        fetch(f, NULL, NULL, "ASIA0", USEC_PER_HOUR);
        assert_told(ask(f, 1), "ASIA0");
        assert_int_equal(n_fetches, 1);

        clockwork_pass(f->event, USEC_PER_HOUR);
        (void) ask(f, 0);
        f->askers[0].request = credentials_request_free(f->askers[0].request);
        fetch(f, NULL, NULL, "ASIA1", USEC_PER_HOUR);
        clockwork_pass(f->event, 2 * USEC_PER_HOUR);
        (void) ask(f, 0);
        fetch(f, NULL, NULL, "ASIA2", USEC_PER_HOUR);
        assert_told(&f->askers[0], "ASIA2");
}

static void test_one_may_end_another_and_ask_again(void **state)
{
        Fixture *f = *state;

        /* Whichever of the two is told first. */
        for (size_t i = 0; i < 2; i++) {
                n_fetches = 0;
                begin(f, AWS_SOURCE_PROCESS, 0);
                (void) ask(f, 0);
                (void) ask(f, 1);
                f->askers[0].free = &f->askers[1];
                f->askers[1].free = &f->askers[0];
                f->askers[0].again = f->askers[1].again = &f->askers[2];
                f->askers[2].n_told = 0;
                fetch(f, NULL, NULL, "ASIA0", 3 * USEC_PER_MINUTE);
                assert_int_equal(f->askers[0].n_told + f->askers[1].n_told, 1);
                assert_int_equal(f->askers[2].n_told, 0);
                fetch(f, NULL, NULL, "ASIA1", USEC_PER_HOUR);
                assert_told(&f->askers[2], "ASIA1");
                assert_int_equal(n_fetches, 2);
                f->credentials = credentials_free(f->credentials);
        }
}

static void test_it_can_end_during_a_fetch(void **state)
{
        Fixture *f = *state;

        begin(f, AWS_SOURCE_PROCESS, 0);
        (void) ask(f, 0);
        assert_non_null(fetches);
        f->askers[0].request = credentials_request_free(f->askers[0].request);
        f->credentials = credentials_free(f->credentials);
        assert_null(fetches);
        assert_null(credentials_free(NULL));
}

/* --- what has run out ------------------------------------------------------------------------------- */

static void test_what_a_hop_says_has_expired_is_fetched_anew_once(void **state)
{
        Fixture *f = *state;

        begin(f, AWS_SOURCE_PROCESS, 2);
        fetch_all(f, USEC_PER_HOUR);
        clockwork_pass(f->event, USEC_PER_HOUR - MARGIN); /* AKIA0 does not expire, as far as is known */

        (void) ask(f, 0);
        assert_fetching("first", "AKIA0");
        fetch_fail(AWS_EXPIRED, "cannot assume first: ExpiredToken");
        clockwork_rest(f->event);
        assert_int_equal(f->askers[0].n_told, 0);
        fetch(f, NULL, NULL, "AKIA3", 0);
        assert_fetching("first", "AKIA3");
        fetch_fail(AWS_EXPIRED, "cannot assume first: ExpiredToken");
        clockwork_rest(f->event);
        assert_refused(&f->askers[0], AWS_EXPIRED, "cannot assume first: ExpiredToken");
        assert_null(fetches);

        /* The next time that is so again. */
        (void) ask(f, 0);
        assert_fetching("first", "AKIA3");
        fetch_fail(AWS_EXPIRED, "cannot assume first: ExpiredToken");
        clockwork_rest(f->event);
        fetch(f, NULL, NULL, "AKIA4", 0);
        fetch(f, "first", "AKIA4", "ASIA5", USEC_PER_HOUR);
        fetch(f, "second", "ASIA5", "ASIA6", USEC_PER_HOUR);
        assert_told(&f->askers[0], "ASIA6");
}

static void test_only_what_can_be_fetched_is(void **state)
{
        Fixture *f = *state;

        begin(f, AWS_SOURCE_STATIC, 1);
        (void) ask(f, 0);
        assert_fetching("first", "AKIASTATIC");
        fetch_fail(AWS_EXPIRED, "cannot assume first: ExpiredToken");
        assert_refused(&f->askers[0], AWS_EXPIRED, "cannot assume first: ExpiredToken");
        clockwork_rest(f->event);
        assert_null(fetches);
}

static void test_the_source_itself_may_say_so(void **state)
{
        Fixture *f = *state;

        begin(f, AWS_SOURCE_WEB_IDENTITY, 0);
        (void) ask(f, 0);
        fetch_fail(AWS_EXPIRED, "the identity's token");
        assert_refused(&f->askers[0], AWS_EXPIRED, "the identity's token");
}

static void test_credentials_that_come_expired_are_refused(void **state)
{
        static const char sentence[] =
                "profile ci in /x: what it gave has expired already, at 2026-11-23T19:19:27Z";
        Fixture *f = *state;

        begin(f, AWS_SOURCE_PROCESS, 1);
        for (unsigned i = 0; i < 2; i++) {
                AwsCredentials *c = make_credentials("ASIA0", wall);

                (void) ask(f, 0);
                assert_fetching(NULL, NULL);
                fetches->done(AWS_OK, c, "", fetches->userdata);
                aws_credentials_unref(c);
                assert_refused(&f->askers[0], AWS_EXPIRED, sentence);
        }
        (void) ask(f, 0);
        fetch(f, NULL, NULL, "ASIA0", 1);
        assert_fetching("first", "ASIA0");
}

/* --- what AWS did not take -------------------------------------------------------------------------- */

static void test_what_is_dropped_is_fetched_anew_from_the_beginning(void **state)
{
        _cleanup_(aws_credentials_unrefp) AwsCredentials *before = NULL;
        Fixture *f = *state;

        begin(f, AWS_SOURCE_PROCESS, 2);
        fetch_all(f, USEC_PER_HOUR);
        before = aws_credentials_ref(f->askers[0].credentials);
        assert_true(credentials_drop(f->credentials, before));
        assert_int_equal(credentials_expiry(f->credentials), 0);
        fetch_all(f, USEC_PER_HOUR);
        assert_int_equal(n_fetches, 6);

        /* Others that say it later mean the old ones. */
        assert_true(credentials_drop(f->credentials, before));
        assert_told(ask(f, 0), "ASIA2");
        assert_int_equal(n_fetches, 6);
}

static void test_static_keys_are_not_dropped_with_their_roles(void **state)
{
        Fixture *f = *state;

        begin(f, AWS_SOURCE_STATIC, 1);
        (void) ask(f, 0);
        fetch(f, "first", "AKIASTATIC", "ASIA1", USEC_PER_HOUR);
        assert_true(credentials_drop(f->credentials, f->askers[0].credentials));
        (void) ask(f, 0);
        fetch(f, "first", "AKIASTATIC", "ASIA2", USEC_PER_HOUR);
        assert_told(&f->askers[0], "ASIA2");
}

/* --- keys that others read -------------------------------------------------------------------------- */

static bool put(Fixture *f, const char *id, const char *problem)
{
        AwsCredentials *c = id ? make_credentials(id, 0) : NULL;
        bool others = credentials_put(f->credentials, c, problem);

        aws_credentials_unref(c);
        clockwork_rest(f->event);
        return others;
}

static void test_requests_wait_until_something_is_known(void **state)
{
        Fixture *f = *state;

        begin(f, AWS_SOURCE_CLUSTER_SECRET, 0);
        assert_false(credentials_waiting(f->credentials)); /* nobody does */
        (void) ask(f, 0);
        assert_true(credentials_waiting(f->credentials));
        clockwork_pass(f->event, USEC_PER_DAY);
        assert_int_equal(f->askers[0].n_told, 0);
        assert_false(put(f, NULL, "there is no such Secret"));
        assert_refused(&f->askers[0], AWS_REJECTED, "there is no such Secret");
        assert_refused(ask(f, 0), AWS_REJECTED, "there is no such Secret");
        assert_false(credentials_waiting(f->credentials));
        assert_false(put(f, NULL, "it is empty"));
        assert_refused(ask(f, 0), AWS_REJECTED, "it is empty");

        assert_true(put(f, "AKIA1", NULL));
        assert_told(ask(f, 0), "AKIA1");
        assert_false(credentials_drop(f->credentials, f->askers[0].credentials));
        assert_told(ask(f, 0), "AKIA1");
}

static void test_keys_that_come_first_are_no_others(void **state)
{
        Fixture *f = *state;

        begin(f, AWS_SOURCE_CLUSTER_SECRET, 0);
        assert_false(put(f, "AKIA1", NULL)); /* whoever has a good token needs none now */
        assert_told(ask(f, 0), "AKIA1");
        assert_false(put(f, "AKIA1", NULL));
        assert_true(put(f, "AKIA2", NULL));
        assert_told(ask(f, 0), "AKIA2");
        assert_false(put(f, NULL, "it was deleted"));
        assert_told(ask(f, 0), "AKIA2");
        assert_false(put(f, "AKIA2", NULL));
        assert_int_equal(n_fetches, 0);
}

/* Who asked has waited long, and what comes now takes its time: it had better begin anew. */
static void test_keys_that_come_at_last_are_told_of(void **state)
{
        Fixture *f = *state;

        begin(f, AWS_SOURCE_CLUSTER_SECRET, 1);
        (void) ask(f, 0);
        assert_true(put(f, "AKIA1", NULL));
        assert_false(credentials_waiting(f->credentials));
        fetch(f, "first", "AKIA1", "ASIA2", USEC_PER_HOUR);
        assert_told(&f->askers[0], "ASIA2");
}

static void test_other_keys_end_what_the_old_ones_began(void **state)
{
        Fixture *f = *state;

        begin(f, AWS_SOURCE_CLUSTER_SECRET, 2);
        (void) put(f, "AKIA1", NULL);
        (void) ask(f, 0);
        fetch(f, "first", "AKIA1", "ASIA2", USEC_PER_HOUR);
        assert_fetching("second", "ASIA2");
        assert_false(put(f, "AKIA1", NULL)); /* nothing new, it goes on */
        assert_int_equal(n_fetches, 2);
        assert_true(put(f, "AKIA3", NULL));
        fetch(f, "first", "AKIA3", "ASIA4", USEC_PER_HOUR);
        fetch(f, "second", "ASIA4", "ASIA5", USEC_PER_HOUR);
        assert_told(&f->askers[0], "ASIA5");

        /* What their roles gave is good no longer, either. */
        assert_true(put(f, "AKIA6", NULL));
        (void) ask(f, 0);
        assert_fetching("first", "AKIA6");
}

static void test_it_says_how_long_it_may_take(void **state)
{
        Fixture *f = *state;

        begin(f, AWS_SOURCE_STATIC, 0);
        assert_int_equal(credentials_fetch_max(f->credentials), 0);
        f->credentials = credentials_free(f->credentials);
        begin(f, AWS_SOURCE_PROCESS, 2); /* each hop once more */
        assert_int_equal(credentials_fetch_max(f->credentials), 6 * AWS_FETCH_MAX);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_static_keys_are_there_already),
                TEST(test_roles_are_assumed_once_and_kept_while_there_is_time),
                TEST(test_it_is_aws_clock_that_they_expire_on),
                TEST(test_what_does_not_expire_is_kept),
                TEST(test_what_has_little_time_is_used_once),
                TEST(test_requests_at_the_same_time_share_a_fetch),
                TEST(test_a_failure_is_told_to_all_that_wait),
                TEST(test_a_request_that_ends_meanwhile_is_not_told),
                TEST(test_a_fetch_that_nobody_waits_for_any_more),
                TEST(test_one_may_end_another_and_ask_again),
                TEST(test_it_can_end_during_a_fetch),
                TEST(test_what_a_hop_says_has_expired_is_fetched_anew_once),
                TEST(test_only_what_can_be_fetched_is),
                TEST(test_the_source_itself_may_say_so),
                TEST(test_credentials_that_come_expired_are_refused),
                TEST(test_what_is_dropped_is_fetched_anew_from_the_beginning),
                TEST(test_static_keys_are_not_dropped_with_their_roles),
                TEST(test_requests_wait_until_something_is_known),
                TEST(test_keys_that_come_first_are_no_others),
                TEST(test_keys_that_come_at_last_are_told_of),
                TEST(test_other_keys_end_what_the_old_ones_began),
                TEST(test_it_says_how_long_it_may_take),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
