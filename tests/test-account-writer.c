/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "clock.h"
#include "said.h"

/* Time stands still until a test moves it on, far from where a timer would fire. */
static usec_t frozen;

static usec_t test_boottime(void)
{
        return frozen;
}

#define clock_boottime test_boottime
#define log_full said_log
#include "account-table.c"
#include "account-log.c"
#include "account-writer.c"
#undef clock_boottime
#undef log_full

#include "kube-script.h"

#define PATCH(name) "PATCH /api/v1/namespaces/team/serviceaccounts/" name "?fieldManager=eatr "
#define ACCOUNT(version, more)                                                                    \
        "{\"kind\":\"ServiceAccount\",\"metadata\":{\"namespace\":\"team\",\"name\":\"default\"," \
        "\"resourceVersion\":\"" version "\"" more "}"
#define DONE(version)                                                             \
        ACCOUNT(version, ",\"annotations\":{\"eatr/image-pull-secret\":\"ecr\"}}" \
                         ",\"imagePullSecrets\":[{\"name\":\"ecr\"}]")
#define OVERTAKEN "422 Unprocessable Entity", SCRIPT_STATUS(422, "Invalid", "")
#define MAY_NOT(verb)                                                                                      \
        "403 Forbidden",                                                                                   \
                "{\"kind\":\"Status\",\"status\":\"Failure\",\"message\":\"serviceaccounts is forbidden: " \
                "User eatr cannot " verb                                                                   \
                " resource serviceaccounts\",\"reason\":\"Forbidden\",\"code\":403}"

typedef struct Fixture {
        sd_event *event;
        Script script;
        KubeConfig kube;
        KubeAuth *auth;
        ConfRenewal renewal;
        KubeStats stats;
        AccountWriterParts parts;
        Lanes lanes;
        AccountNamespace *namespace;
        AccountWriter *writer;
} Fixture;

static char *globs[] = { (char *) "*", NULL };

static void on_changed(void *userdata)
{
}

static int set_up(void **state)
{
        const AccountWriterConfig config = { .secret_name = "ecr", .rules.accounts = globs };
        Fixture *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        said[0] = '\0';
        said_level = LOG_WARNING;
        frozen = clock_boottime() + USEC_PER_DAY;
        assert_return_code(sd_event_new(&f->event), 0);
        script_begin(&f->script, f->event);
        f->kube.server = f->script.url;
        assert_return_code(kube_auth_new(f->event, &f->kube, &f->auth), 0);
        f->renewal = (ConfRenewal){ .max_in_flight = 16 };
        lanes_configure(&f->lanes, &f->renewal);
        f->parts.lanes = &f->lanes;
        assert_return_code(account_table_new(&f->parts.table), 0);
        assert_return_code(kube_client_new(f->event, f->auth, &f->stats, &f->parts.client), 0);
        assert_return_code(account_writer_new(f->event, &config, &f->parts, on_changed, f, &f->writer), 0);
        f->namespace = account_table_add_namespace(f->parts.table, "team");
        assert_non_null(f->namespace);
        f->namespace->known = true;
        *state = f;
        return 0;
}

static int tear_down(void **state)
{
        Fixture *f = *state;

        (void) account_table_free(f->parts.table);
        (void) account_writer_free(f->writer);
        (void) kube_client_free(f->parts.client);
        (void) kube_auth_free(f->auth);
        script_end(&f->script);
        (void) sd_event_unref(f->event);
        free(f);
        return 0;
}

static AccountNode *add(Fixture *f, const char *name)
{
        AccountNode *n = account_table_add(f->parts.table, f->namespace, name);

        assert_non_null(n);
        n->account.seen = (KubeAccount){ .exists = true, .resource_version = 5 };
        account_writer_mark_dirty(f->writer, n);
        return n;
}

static void answer(const Fixture *f, const char *request, const char *status, const char *body)
{
        script_answer(script_await(&f->script, request), status, "", body);
        script_rest(&f->script);
}

static unsigned waiting(const Fixture *f)
{
        script_rest(&f->script);
        return script_waiting(&f->script, "PATCH ", NULL);
}

/* Lets this time pass: what is due then is looked at. */
static void pass(Fixture *f, usec_t time)
{
        frozen += time;
        (void) on_wake(NULL, 0, f->writer);
}

static void see(Fixture *f, AccountNode *n, uint64_t version, bool listed)
{
        KubeAccount seen = { .exists = true, .resource_version = version, .listed = listed, .ours = listed };

        account_plan_observe(&n->account, &seen);
        account_writer_mark_dirty(f->writer, n);
}

static void test_a_fight_is_slowed_down(void **state)
{
        Fixture *f = *state;
        AccountNode *n = add(f, "default");
        AccountSummary s;

        answer(f, PATCH("default"), "200 OK", DONE("10"));
        for (uint64_t version = 20; version < 25; version++) {
                see(f, n, version, false);
                n->account.seen.resource_version = 1; /* whatever is answered is newer */
                answer(f, PATCH("default"), "200 OK", DONE("2"));
        }
        assert_string_equal(said, "");
        see(f, n, 30, false);
        assert_int_equal(waiting(f), 0);
        assert_non_null(strstr(said, "something keeps taking"));
        account_writer_summary(f->writer, &s);
        assert_int_equal(s.fought, 1);
        assert_true(account_writer_settled(f->writer, 3));
        assert_false(account_writer_stalled(f->writer, frozen + USEC_PER_MINUTE));
        assert_true(account_writer_stalled(f->writer, frozen + 3 * USEC_PER_MINUTE));
        pass(f, USEC_PER_MINUTE - 1);
        assert_int_equal(waiting(f), 0);
        pass(f, 1);
        answer(f, PATCH("default"), "200 OK", DONE("31"));
        assert_int_equal(account_writer_stats(f->writer)->added, 7);
}

static void test_rights_that_one_has_the_others_may_have(void **state)
{
        Fixture *f = *state;
        AccountNode *a = add(f, "a"), *b = add(f, "b");

        (void) add(f, "c");
        for (unsigned i = 0; i < 3; i++)
                answer(f, "PATCH ", MAY_NOT("patch"));
        assert_int_equal(waiting(f), 0);
        assert_true(account_writer_settled(f->writer, 3));
        a->account.retry_at = 0; /* its turn is first */
        account_writer_mark_dirty(f->writer, a);
        answer(f, PATCH("a"), "200 OK", DONE("10"));
        assert_int_equal(waiting(f), 2);
        assert_false(b->account.denied);
        assert_int_equal(account_writer_stats(f->writer)->failed, 3);
}

static void test_what_is_overtaken_again_and_again_is_told_of(void **state)
{
        Fixture *f = *state;
        AccountNode *n = add(f, "default");

        for (unsigned i = 1; i < 5; i++) {
                answer(f, PATCH("default"), OVERTAKEN);
                assert_int_equal(account_writer_stats(f->writer)->conflicts, i);
                assert_false(account_writer_settled(f->writer, i + 1));
                pass(f, 5 * USEC_PER_MINUTE);
        }
        assert_string_equal(said, "");
        answer(f, PATCH("default"), OVERTAKEN);
        assert_non_null(strstr(said, "cannot change its imagePullSecrets: it is Invalid"));
        assert_int_equal(account_writer_stats(f->writer)->failed, 1);
        assert_true(account_writer_settled(f->writer, 5));
        see(f, n, 7, false);
        answer(f, PATCH("default"), "200 OK", DONE("10"));
        assert_true(account_writer_settled(f->writer, 1));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_a_fight_is_slowed_down),
                TEST(test_rights_that_one_has_the_others_may_have),
                TEST(test_what_is_overtaken_again_and_again_is_told_of),
        };

        return cmocka_run_group_tests(tests, script_group_setup, script_group_teardown);
}
