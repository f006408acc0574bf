/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "backoff.h"
#include "clockwork.h"
#include "kube-auth.h"
#include "said.h"

#include <stdio.h>

#include "clockwork-on.h"
#include "kube-auth.c"
#include "clockwork-off.h"

#include "x509-fixtures.h"

/* --- a provider that answers when the test says so --------------------------------------------------- */

static struct {
        kube_auth_fetched_t done; /* NULL: no fetch is under way */
        void *userdata;
        unsigned n_fetches, n_cancels, n_frees;
        int result;
} provider;

static int provider_fetch(void *self, kube_auth_fetched_t done, void *userdata)
{
        assert_ptr_equal(self, &provider);
        assert_null(provider.done);
        provider.n_fetches++;
        if (provider.result < 0)
                return provider.result;
        provider.done = done;
        provider.userdata = userdata;
        return 0;
}

static void provider_cancel(void *self)
{
        assert_ptr_equal(self, &provider);
        provider.n_cancels += provider.done != NULL;
        provider.done = NULL;
}

static void provider_free(void *self)
{
        provider_cancel(self);
        provider.n_frees++;
}

static const KubeAuthProvider methods = { provider_fetch, provider_cancel, provider_free };

typedef struct Fixture {
        sd_event *event;
        KubeConfig config;
        KubeAuth *auth;

        KubeAuthWait *waits[3];
        unsigned n_told, n_changes;
        char problem[PROBLEM_MAX]; /* of the last that was told, "" if there was none */
} Fixture;

static void answer(Fixture *f, KubeCredential c, const char *problem)
{
        kube_auth_fetched_t done = provider.done;

        assert_non_null(done);
        provider.done = NULL;
        done(problem ? NULL : &c, problem, provider.userdata);
        kube_credential_done(&c);
        clockwork_rest(f->event);
}

/* life is 0 for one that does not say. */
static void bring(Fixture *f, const char *token, usec_t life)
{
        answer(f, (KubeCredential){ .token = strdup(token), .expires = life > 0 ? wall + life : 0 }, NULL);
}

static void fail_fetch(Fixture *f, const char *problem)
{
        answer(f, (KubeCredential){ 0 }, problem);
}

/* --- the rest ---------------------------------------------------------------------------------------- */

static int set_up(void **state)
{
        Fixture *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        clockwork_begin();
        memset(&provider, 0, sizeof(provider));
        said[0] = '\0';
        said_level = LOG_INFO;
        assert_return_code(sd_event_new(&f->event), 0);
        f->config.server = (char *) "https://api.example:6443";
        assert_return_code(kube_auth_new(f->event, &f->config, &f->auth), 0);
        *state = f;
        return 0;
}

static int set_up_fetching(void **state)
{
        Fixture *f;

        (void) set_up(state);
        f = *state;
        kube_auth_set_provider(f->auth, &methods, &provider);
        return 0;
}

static int tear_down(void **state)
{
        Fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(f->waits); i++)
                f->waits[i] = kube_auth_wait_free(f->waits[i]);
        f->auth = kube_auth_free(f->auth);
        (void) sd_event_unref(f->event);
        free(f);
        return 0;
}

static void on_told(const char *problem, void *userdata)
{
        Fixture *f = userdata;

        f->n_told++;
        (void) snprintf(f->problem, sizeof(f->problem), "%s", problem ? problem : "");
}

static void on_change(void *userdata)
{
        Fixture *f = userdata;

        f->n_changes++;
}

static void await(Fixture *f, size_t i)
{
        f->waits[i] = kube_auth_wait_free(f->waits[i]);
        f->n_told = 0;
        assert_return_code(kube_auth_wait(f->auth, on_told, f, &f->waits[i]), 0);
        assert_int_equal(f->n_told, 0);
        clockwork_pass(f->event, 0);
}

static void pass(Fixture *f, usec_t time)
{
        clockwork_pass(f->event, time);
}

static uint64_t generation(Fixture *f)
{
        KubeIdentity identity;

        (void) kube_auth_identity(f->auth, &identity);
        return identity.generation;
}

/* What a request would be made with; NULL: nothing, it has to wait. */
static const char *token(Fixture *f)
{
        KubeIdentity identity;

        return kube_auth_identity(f->auth, &identity) ? identity.token : NULL;
}

static void begin_with(Fixture *f, const char *text, usec_t life)
{
        assert_null(token(f));
        await(f, 0);
        assert_int_equal(provider.n_fetches, 1);
        bring(f, text, life);
        assert_int_equal(f->n_told, 1);
        assert_string_equal(token(f), text);
}

/* --- what the kubeconfig has ------------------------------------------------------------------------- */

static void test_what_it_has_it_needs_not_fetch(void **state)
{
        Fixture *f = *state;
        KubeIdentity identity;

        f->config.token = (char *) "abc";
        f->config.client_certificate = (char *) "certificate";
        f->config.client_key = (char *) "key";
        assert_true(kube_auth_identity(f->auth, &identity));
        assert_string_equal(identity.token, "abc");
        assert_string_equal(identity.client_certificate, "certificate");
        assert_string_equal(identity.client_key, "key");
        assert_false(kube_auth_fetches(f->auth));
        assert_ptr_equal(kube_auth_config(f->auth), &f->config);

        /* There is nothing else. */
        kube_auth_accepted(f->auth, identity.generation);
        assert_false(kube_auth_refused(f->auth, identity.generation));
        assert_true(kube_auth_identity(f->auth, &identity));
        assert_string_equal(kube_auth_error(f->auth), "");
}

static void write_file(const char *path, const char *text)
{
        FILE *file = fopen(path, "we");

        assert_non_null(file);
        assert_true(fputs(text, file) >= 0);
        assert_int_equal(fclose(file), 0);
}

static void test_token_file(void **state)
{
        Fixture *f = *state;
        char path[] = "/tmp/eatr-test-token-XXXXXX";
        int fd = mkstemp(path);

        assert_return_code(fd, errno);
        (void) close(fd);
        f->config.token = (char *) "from-the-start";
        f->config.token_file = path;

        /* Nothing good has been read yet. */
        assert_string_equal(token(f), "from-the-start");
        write_file(path, "one\n");
        assert_string_equal(token(f), "one");

        /* A change shows after a minute, and not before. */
        write_file(path, "two\n");
        assert_string_equal(token(f), "one");
        pass(f, 59 * USEC_PER_SEC);
        assert_string_equal(token(f), "one");
        pass(f, USEC_PER_SEC);
        assert_string_equal(token(f), "two");

        /* An empty or missing file is somebody at work on it. */
        pass(f, USEC_PER_MINUTE);
        write_file(path, " \n");
        assert_string_equal(token(f), "two");
        (void) unlink(path);
        assert_string_equal(token(f), "two");
        pass(f, USEC_PER_DAY);
        assert_string_equal(token(f), "two");
        write_file(path, "three");
        assert_string_equal(token(f), "three");
        (void) unlink(path);
}

/* After a 401 the file's token is taken at once; also on a host that has just been started, whose
 * CLOCK_BOOTTIME is below a minute. */
static void test_token_file_refused(void **state)
{
        Fixture *f = *state;
        char path[] = "/tmp/eatr-test-token-XXXXXX";
        int fd = mkstemp(path);
        uint64_t before;

        assert_return_code(fd, errno);
        (void) close(fd);
        f->config.token_file = path;
        for (unsigned i = 0; i < 2; i++) {
                boottime = i == 0 ? 10 * USEC_PER_SEC : USEC_PER_DAY;
                write_file(path, "old");
                assert_string_equal(token(f), "old");
                before = generation(f);
                write_file(path, "new");
                assert_string_equal(token(f), "old");
                assert_true(kube_auth_refused(f->auth, before));
                assert_string_equal(token(f), "new");
                assert_true(kube_auth_refused(f->auth, before)); /* an answer that came late */

                /* And if the file is of no use then, the last good one is tried again. */
                write_file(path, "");
                assert_false(kube_auth_refused(f->auth, generation(f)));
                assert_string_equal(token(f), "new");
        }
        (void) unlink(path);
}

/* --- what is fetched --------------------------------------------------------------------------------- */

static void test_one_fetch_for_all(void **state)
{
        Fixture *f = *state;
        KubeIdentity identity;

        assert_true(kube_auth_fetches(f->auth));
        pass(f, USEC_PER_HOUR);
        assert_int_equal(provider.n_fetches, 0); /* nobody needs it */
        assert_null(token(f));
        await(f, 0);
        await(f, 1);
        assert_null(token(f));
        pass(f, USEC_PER_SEC);
        await(f, 2);
        assert_int_equal(provider.n_fetches, 1);
        assert_int_equal(f->n_told, 0);
        f->waits[1] = kube_auth_wait_free(f->waits[1]);
        bring(f, "abc", USEC_PER_HOUR);
        assert_int_equal(f->n_told, 2);
        assert_string_equal(f->problem, "");
        assert_true(kube_auth_identity(f->auth, &identity));
        assert_string_equal(identity.token, "abc");
        assert_null(identity.client_certificate);
        assert_int_equal(kube_auth_stats(f->auth)->fetched, 1);
        assert_int_equal(kube_auth_stats(f->auth)->expires, wall + USEC_PER_HOUR);
        pass(f, USEC_PER_MINUTE);
        assert_int_equal(provider.n_fetches, 1);
        assert_int_equal(f->n_told, 2);
}

static void test_it_is_fetched_anew_before_it_ends(void **state)
{
        Fixture *f = *state;
        uint64_t first;

        begin_with(f, "old", 10 * USEC_PER_MINUTE);
        first = generation(f);
        pass(f, 9 * USEC_PER_MINUTE - 1);
        assert_int_equal(provider.n_fetches, 1);
        pass(f, 1);
        assert_int_equal(provider.n_fetches, 2);
        assert_string_equal(token(f), "old"); /* meanwhile */
        assert_int_equal(generation(f), first);
        bring(f, "new", 10 * USEC_PER_MINUTE);
        assert_string_equal(token(f), "new");
        assert_int_not_equal(generation(f), first);
        pass(f, 9 * USEC_PER_MINUTE);
        assert_int_equal(provider.n_fetches, 3);
}

static void test_what_does_not_end_is_used_until_it_is_refused(void **state)
{
        Fixture *f = *state;

        begin_with(f, "old", 0);
        kube_auth_accepted(f->auth, generation(f));
        pass(f, 365 * USEC_PER_DAY);
        assert_int_equal(provider.n_fetches, 1);
        assert_string_equal(token(f), "old");
        assert_true(kube_auth_refused(f->auth, generation(f)));
        assert_null(token(f));
        pass(f, 0);
        assert_int_equal(provider.n_fetches, 2); /* whether or not somebody waits */
        await(f, 0);
        bring(f, "new", 0);
        assert_int_equal(f->n_told, 1);
        assert_string_equal(token(f), "new");
}

/* One of two clocks is wrong, and it is not fetched again and again. */
static void test_what_has_ended_when_it_comes(void **state)
{
        Fixture *f = *state;

        await(f, 0);
        answer(f, (KubeCredential){ .token = strdup("abc"), .expires = wall - USEC_PER_HOUR }, NULL);
        assert_string_equal(token(f), "abc");
        pass(f, 30 * USEC_PER_SEC - 1);
        assert_int_equal(provider.n_fetches, 1);
        pass(f, 1);
        assert_int_equal(provider.n_fetches, 2);
        pass(f, 30 * USEC_PER_SEC - 1);
        assert_string_equal(token(f), "abc");
        pass(f, 1);
        assert_null(token(f));
}

static void test_fetches_are_5_seconds_apart(void **state)
{
        Fixture *f = *state;

        begin_with(f, "old", 2 * USEC_PER_SEC);
        pass(f, 2 * USEC_PER_SEC);
        assert_null(token(f));
        await(f, 0);
        pass(f, 3 * USEC_PER_SEC - 1);
        assert_int_equal(provider.n_fetches, 1);
        pass(f, 1);
        assert_int_equal(provider.n_fetches, 2);
}

/* --- failures ---------------------------------------------------------------------------------------- */

static void test_what_is_there_stays_in_use(void **state)
{
        Fixture *f = *state;

        begin_with(f, "old", 10 * USEC_PER_MINUTE);
        kube_auth_set_changed(f->auth, on_change, f);
        said[0] = '\0';
        pass(f, 9 * USEC_PER_MINUTE);
        fail_fetch(f, "it exited with status 1");
        assert_string_equal(said,
                            "4 Cannot get credentials for the API server https://api.example:6443: it "
                            "exited with status 1; trying again in 5s, and the ones that are there are "
                            "good for 1min\n");
        assert_string_equal(said_id, MESSAGE_CREDENTIALS_LACKING);
        assert_string_equal(token(f), "old");
        assert_string_equal(kube_auth_error(f->auth), "it exited with status 1");
        assert_int_equal(f->n_changes, 1);
        said[0] = '\0';
        pass(f, 5 * USEC_PER_SEC);
        assert_int_equal(provider.n_fetches, 3);
        fail_fetch(f, "it exited with status 1");
        assert_string_equal(said, ""); /* once is enough */
        pass(f, 54 * USEC_PER_SEC);
        assert_string_equal(token(f), "old");
        pass(f, USEC_PER_SEC);
        assert_null(token(f));
        assert_string_equal(kube_auth_error(f->auth), "it exited with status 1");
        pass(f, 5 * USEC_PER_SEC);
        bring(f, "new", USEC_PER_HOUR);
        assert_int_equal(f->n_changes, 3);
        assert_string_equal(kube_auth_error(f->auth), "");
}

static void test_failures_come_less_often(void **state)
{
        static const usec_t waits[] = { 5, 10, 20, 40, 80, 150, 150, 150 };
        Fixture *f = *state;

        await(f, 0);
        for (unsigned i = 0; i < ELEMENTSOF(waits); i++) {
                assert_int_equal(provider.n_fetches, i + 1);
                said[0] = '\0';
                fail_fetch(f, i < 3 ? "one" : "another");
                assert_true(!!*said == (i == 0 || i == 3));
                assert_string_equal(f->problem, "one");
                assert_int_equal(f->n_told, 1);
                pass(f, waits[i] * USEC_PER_SEC - 1);
                assert_int_equal(provider.n_fetches, i + 1);
                pass(f, 1);
        }
        assert_int_equal(kube_auth_stats(f->auth)->failed, ELEMENTSOF(waits));
        said[0] = '\0';
        bring(f, "abc", USEC_PER_HOUR);
        assert_string_equal(said, "6 Credentials for the API server can be got again\n");
        assert_string_equal(token(f), "abc");
        assert_string_equal(kube_auth_error(f->auth), "");
}

/* Who comes between two of them is told at once, and starts nothing. */
static void test_between_failures_nobody_waits(void **state)
{
        Fixture *f = *state;

        await(f, 0);
        fail_fetch(f, "it is broken");
        assert_string_equal(f->problem, "it is broken");
        assert_non_null(strstr(said,
                               "3 Cannot get credentials for the API server https://api.example:6443: it "
                               "is broken; trying again in 5s\n"));
        for (unsigned i = 0; i < 10; i++) {
                assert_null(token(f));
                await(f, 1);
                assert_int_equal(f->n_told, 1);
                assert_string_equal(f->problem, "it is broken");
        }
        assert_int_equal(provider.n_fetches, 1);
}

static void test_a_fetch_that_hangs(void **state)
{
        Fixture *f = *state;

        await(f, 0);
        pass(f, KUBE_AUTH_FETCH_MAX - 1);
        assert_int_equal(f->n_told, 0);
        pass(f, 1);
        assert_int_equal(f->n_told, 1);
        assert_string_equal(f->problem, "nothing came in time");
        assert_int_equal(provider.n_cancels, 1);
        pass(f, 5 * USEC_PER_SEC);
        assert_int_equal(provider.n_fetches, 2);
        f->waits[0] = kube_auth_wait_free(f->waits[0]);
        f->auth = kube_auth_free(f->auth);
        assert_int_equal(provider.n_cancels, 2);
        assert_int_equal(provider.n_frees, 1);
}

static void test_a_fetch_that_cannot_begin(void **state)
{
        Fixture *f = *state;

        provider.result = -EMFILE;
        await(f, 0);
        assert_int_equal(f->n_told, 1);
        assert_string_equal(f->problem, strerror(EMFILE));
        provider.result = 0;
        pass(f, 5 * USEC_PER_SEC);
        bring(f, "abc", 0);
        assert_string_equal(token(f), "abc");
}

/* --- refusals ---------------------------------------------------------------------------------------- */

static void refuse_and_fetch(Fixture *f, usec_t within)
{
        unsigned n = provider.n_fetches;

        assert_true(kube_auth_refused(f->auth, generation(f)));
        pass(f, within);
        assert_int_equal(provider.n_fetches, n + 1);
}

/* The first is worth another fetch; but if that does not help, it is not credentials that are the trouble,
 * and the refusal is what requests end with. */
static void test_a_server_that_takes_none(void **state)
{
        static const usec_t waits[] = { 5, 10, 20, 40 };
        Fixture *f = *state;

        begin_with(f, "0", 0);
        pass(f, USEC_PER_SEC);
        refuse_and_fetch(f, 4 * USEC_PER_SEC);
        bring(f, "1", 0);
        assert_true(kube_auth_refused(f->auth, 1)); /* of the one before */
        assert_string_equal(token(f), "1");
        pass(f, USEC_PER_MINUTE);
        for (unsigned i = 0; i < ELEMENTSOF(waits); i++) {
                assert_false(kube_auth_refused(f->auth, generation(f)));
                assert_false(kube_auth_refused(f->auth, generation(f)));
                assert_non_null(token(f)); /* there is nothing better */
                pass(f, waits[i] * USEC_PER_SEC - 1);
                assert_int_equal(provider.n_fetches, i + 2);
                assert_null(token(f)); /* but there will be at once */
                pass(f, 1);
                assert_int_equal(provider.n_fetches, i + 3);
                bring(f, "next", 0);
        }
        kube_auth_accepted(f->auth, 1); /* of long ago */
        kube_auth_accepted(f->auth, generation(f));
        pass(f, USEC_PER_HOUR);
        refuse_and_fetch(f, 0);
}

/* The next fetch may be minutes away by then. */
static void test_refused_again_and_again_until_it_has_ended(void **state)
{
        Fixture *f = *state;

        begin_with(f, "0", USEC_PER_MINUTE);
        for (unsigned i = 0; i < 6; i++) {
                (void) kube_auth_refused(f->auth, generation(f));
                pass(f, i * 20 * USEC_PER_SEC + USEC_PER_SEC);
                if (provider.done)
                        bring(f, "next", USEC_PER_MINUTE);
        }
        (void) kube_auth_refused(f->auth, generation(f));
        pass(f, USEC_PER_MINUTE + USEC_PER_SEC);
        assert_null(provider.done);
        assert_null(token(f));
        await(f, 0);
        assert_int_equal(f->n_told, 1);
        assert_string_equal(f->problem, "the API server has refused the last ones");
        pass(f, 2 * USEC_PER_MINUTE);
        bring(f, "other", USEC_PER_HOUR);
        assert_string_equal(token(f), "other");
}

static void test_refused_and_no_other_can_be_got(void **state)
{
        Fixture *f = *state;

        begin_with(f, "old", 0);
        kube_auth_accepted(f->auth, generation(f));
        pass(f, USEC_PER_HOUR);
        refuse_and_fetch(f, 0);
        await(f, 0);
        chance = UINT32_MAX; /* the longest waits */
        fail_fetch(f, "it is broken");
        assert_int_equal(f->n_told, 1);
        assert_string_equal(f->problem, "it is broken");
        assert_string_equal(kube_auth_error(f->auth), "it is broken");
        assert_string_equal(token(f), "old");
        assert_false(kube_auth_refused(f->auth, generation(f)));
        pass(f, 10 * USEC_PER_SEC);
        bring(f, "new", 0);
        assert_string_equal(token(f), "new");
        assert_string_equal(kube_auth_error(f->auth), "");
}

/* --- certificates ------------------------------------------------------------------------------------ */

static KubeCredential certificate(const char *text, const char *key, usec_t expires)
{
        return (KubeCredential){ .client_certificate = strdup(text),
                                 .client_key = strdup(key),
                                 .expires = expires };
}

static void test_a_certificate_ends_by_itself(void **state)
{
        const usec_t end = FIXTURE_EC_NOT_AFTER * USEC_PER_SEC;
        Fixture *f = *state;
        KubeIdentity identity;
        uint64_t before;

        await(f, 0);
        answer(f, certificate(FIXTURE_EC, FIXTURE_EC_KEY, 0), NULL);
        assert_true(kube_auth_identity(f->auth, &identity));
        assert_string_equal(identity.client_certificate, FIXTURE_EC);
        assert_string_equal(identity.client_key, FIXTURE_EC_KEY);
        assert_null(identity.token);
        assert_int_equal(kube_auth_stats(f->auth)->expires, end);
        assert_int_equal(kube_auth_stats(f->auth)->certificate_expires, end);
        before = identity.certificate_generation;

        /* The same again is another generation, but not another certificate. */
        pass(f, USEC_PER_HOUR);
        refuse_and_fetch(f, 0);
        answer(f, certificate(FIXTURE_EC, FIXTURE_EC_KEY, end + 1), NULL);
        assert_true(kube_auth_identity(f->auth, &identity));
        assert_int_equal(identity.certificate_generation, before);
        assert_int_equal(kube_auth_stats(f->auth)->expires, end);

        pass(f, USEC_PER_HOUR);
        kube_auth_accepted(f->auth, generation(f));
        refuse_and_fetch(f, 0);
        answer(f, certificate(FIXTURE_RSA, FIXTURE_RSA_KEY, wall + USEC_PER_HOUR), NULL);
        assert_true(kube_auth_identity(f->auth, &identity));
        assert_int_not_equal(identity.certificate_generation, before);
        assert_int_equal(kube_auth_stats(f->auth)->expires, wall + USEC_PER_HOUR);
        assert_int_equal(kube_auth_stats(f->auth)->certificate_expires,
                         FIXTURE_RSA_NOT_AFTER * USEC_PER_SEC);
}

static void test_a_certificate_that_is_none(void **state)
{
        Fixture *f = *state;

        await(f, 0);
        answer(f, certificate("none", FIXTURE_EC_KEY, 0), NULL);
        assert_int_equal(f->n_told, 1);
        assert_non_null(strstr(f->problem, "the client certificate"));
        assert_null(token(f));
}

static void test_the_certificate_of_the_kubeconfig(void **state)
{
        Fixture *f = *state;
        KubeAuth *a;

        assert_int_equal(kube_auth_stats(f->auth)->certificate_expires, 0);
        f->config.client_certificate = (char *) FIXTURE_EC;
        assert_return_code(kube_auth_new(f->event, &f->config, &a), 0);
        assert_int_equal(kube_auth_stats(a)->certificate_expires, FIXTURE_EC_NOT_AFTER * USEC_PER_SEC);
        assert_null(kube_auth_free(a));
        assert_null(kube_auth_free(NULL));
        assert_null(kube_auth_wait_free(NULL));
}

/* --- those who wait ---------------------------------------------------------------------------------- */

/* Frees itself and another one, and begins a new one. */
static void on_told_of_others(const char *problem, void *userdata)
{
        Fixture *f = userdata;

        on_told(problem, f);
        f->waits[0] = kube_auth_wait_free(f->waits[0]);
        f->waits[1] = kube_auth_wait_free(f->waits[1]);
        assert_return_code(kube_auth_wait(f->auth, on_told, f, &f->waits[0]), 0);
}

static void test_callbacks_may_free_and_begin(void **state)
{
        Fixture *f = *state;

        await(f, 0);
        await(f, 1);
        assert_return_code(kube_auth_wait(f->auth, on_told_of_others, f, &f->waits[2]), 0);
        provider.done(NULL, "no", provider.userdata);
        provider.done = NULL;
        assert_return_code(sd_event_run(f->event, 0), 0);
        assert_int_equal(f->n_told, 1);
        assert_return_code(sd_event_run(f->event, 0), 0);
        assert_int_equal(f->n_told, 2); /* the new one, on the next turn */
        assert_string_equal(f->problem, "no");
}

/* --- another provider -------------------------------------------------------------------------------- */

static void test_another_provider_fetches_from_now_on(void **state)
{
        Fixture *f = *state;

        begin_with(f, "one", USEC_PER_HOUR);
        kube_auth_set_provider(f->auth, &methods, &provider);
        assert_int_equal(provider.n_frees, 1);
        pass(f, USEC_PER_MINUTE);
        assert_string_equal(token(f), "one"); /* is good for some time */
        assert_int_equal(provider.n_fetches, 1);
        pass(f, 53 * USEC_PER_MINUTE);
        assert_int_equal(provider.n_fetches, 2);
}

static void test_another_provider_begins_anew_what_was_under_way(void **state)
{
        Fixture *f = *state;

        await(f, 0);
        assert_int_equal(provider.n_fetches, 1);
        kube_auth_set_provider(f->auth, &methods, &provider);
        assert_int_equal(provider.n_cancels, 1);
        assert_int_equal(provider.n_fetches, 2);
        assert_int_equal(f->n_told, 0);
        bring(f, "two", USEC_PER_HOUR);
        assert_int_equal(f->n_told, 1);
        assert_string_equal(token(f), "two");
}

static void test_another_provider_need_not_wait_as_one_that_failed(void **state)
{
        Fixture *f = *state;

        await(f, 0);
        fail_fetch(f, "no such profile");
        kube_auth_set_provider(f->auth, &methods, &provider);
        pass(f, 0);
        assert_int_equal(provider.n_fetches, 2);
}

/* What counts fetches must not begin anew with another kubeconfig; what is of the credentials does. */
static void test_another_auth_counts_on(void **state)
{
        Fixture *f = *state;
        KubeAuth *next;

        await(f, 0);
        fail_fetch(f, "no");
        pass(f, 5 * USEC_PER_SEC);
        bring(f, "one", USEC_PER_HOUR);
        assert_return_code(kube_auth_new(f->event, &f->config, &next), 0);
        kube_auth_count_on(next, f->auth);
        assert_int_equal(kube_auth_stats(next)->fetched, 1);
        assert_int_equal(kube_auth_stats(next)->failed, 1);
        assert_int_equal(kube_auth_stats(next)->expires, 0);
        next = kube_auth_free(next);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define TEST_FETCHING(name) cmocka_unit_test_setup_teardown(name, set_up_fetching, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(test_what_it_has_it_needs_not_fetch),
                TEST(test_token_file),
                TEST(test_token_file_refused),
                TEST_FETCHING(test_one_fetch_for_all),
                TEST_FETCHING(test_it_is_fetched_anew_before_it_ends),
                TEST_FETCHING(test_what_does_not_end_is_used_until_it_is_refused),
                TEST_FETCHING(test_what_has_ended_when_it_comes),
                TEST_FETCHING(test_fetches_are_5_seconds_apart),
                TEST_FETCHING(test_what_is_there_stays_in_use),
                TEST_FETCHING(test_failures_come_less_often),
                TEST_FETCHING(test_between_failures_nobody_waits),
                TEST_FETCHING(test_a_fetch_that_hangs),
                TEST_FETCHING(test_a_fetch_that_cannot_begin),
                TEST_FETCHING(test_a_server_that_takes_none),
                TEST_FETCHING(test_refused_again_and_again_until_it_has_ended),
                TEST_FETCHING(test_refused_and_no_other_can_be_got),
                TEST_FETCHING(test_a_certificate_ends_by_itself),
                TEST_FETCHING(test_a_certificate_that_is_none),
                TEST(test_the_certificate_of_the_kubeconfig),
                TEST_FETCHING(test_callbacks_may_free_and_begin),
                TEST_FETCHING(test_another_auth_counts_on),
                TEST_FETCHING(test_another_provider_need_not_wait_as_one_that_failed),
                TEST_FETCHING(test_another_provider_begins_anew_what_was_under_way),
                TEST_FETCHING(test_another_provider_fetches_from_now_on),
        };

        return cmocka_run_group_tests_name("kube-auth", tests, NULL, NULL);
}
