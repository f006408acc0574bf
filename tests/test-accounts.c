/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "accounts.h"
#include "kube-script.h"

#define ACCOUNTS "GET /api/v1/serviceaccounts?"
#define ONE_NAME ACCOUNTS "fieldSelector=metadata.name%3Ddefault&"
#define PATCH(namespace, name) \
        "PATCH /api/v1/namespaces/" namespace "/serviceaccounts/" name "?fieldManager=eatr "
#define CREATE(namespace) "POST /api/v1/namespaces/" namespace "/serviceaccounts?fieldManager=eatr "

/* more begins with a comma, and so does extra, which is metadata. */
#define ACCOUNT_(namespace, name, version, extra, more)                                                            \
        "{\"kind\":\"ServiceAccount\",\"apiVersion\":\"v1\",\"metadata\":{\"namespace\":\"" namespace "\","        \
                                                                                                      "\"n"        \
                                                                                                      "ame"        \
                                                                                                      "\":"        \
                                                                                                      "\"" name    \
                                                                                                      "\","        \
                                                                                                      "\"r"        \
                                                                                                      "eso"        \
                                                                                                      "urc"        \
                                                                                                      "eVe"        \
                                                                                                      "rsi"        \
                                                                                                      "on"         \
                                                                                                      "\":"        \
                                                                                                      "\"" version \
                                                                                                      "\"" extra   \
                                                                                                      "}" more     \
                                                                                                      "}"
#define PLAIN(namespace, name, version) \
        ACCOUNT_(namespace, name, version, "", ",\"imagePullSecrets\":[{\"name\":\"theirs\"}]")
#define DONE(namespace, name, version)                                                              \
        ACCOUNT_(namespace, name, version, ",\"annotations\":{\"eatr/image-pull-secret\":\"ecr\"}", \
                 ",\"imagePullSecrets\":[{\"name\":\"theirs\"},{\"name\":\"ecr\"}]")
#define LIST(version, items)                                                                        \
        "{\"kind\":\"ServiceAccountList\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":" \
        "\"" version "\"},\"items\":[" items "]}\n"

/* --- accounts ------------------------------------------------------------------------------------------ */

typedef struct Fixture {
        sd_event *event;
        Script script;
        KubeConfig kube;
        KubeAuth *auth;
        ConfRenewal renewal;
        KubeStats stats;
        KubeClient *client;
        Lanes lanes;
        AccountsConfig config;
        Accounts *accounts;
        ScriptPeer *watch;
        unsigned n_changed;
} Fixture;

static char *both[] = { (char *) "default", (char *) "ci-*", NULL }, *only[] = { (char *) "default", NULL },
            *none[] = { NULL }, *all[] = { (char *) "*", NULL };

static void on_changed(void *userdata)
{
        Fixture *f = userdata;

        f->n_changed++;
}

static void make(Fixture *f, char **globs, ConfExclude on_exclude)
{
        const AccountsParts parts = { .client = f->client, .lanes = &f->lanes, .stats = &f->stats };

        f->config.writer.rules = (AccountRules){ .accounts = globs, .on_exclude = on_exclude };
        assert_return_code(accounts_new(f->event, &f->config, &parts, on_changed, f, &f->accounts), 0);
}

static void reload(Fixture *f, char **globs, ConfExclude on_exclude)
{
        AccountsConfig config = f->config;

        config.writer.rules = (AccountRules){ .accounts = globs, .on_exclude = on_exclude };
        accounts_reload(f->accounts, &config);
        f->config = config;
}

static int set_up(void **state)
{
        Fixture *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        assert_return_code(sd_event_new(&f->event), 0);
        script_begin(&f->script, f->event);
        f->kube.server = f->script.url;
        assert_return_code(kube_auth_new(f->event, &f->kube, &f->auth), 0);
        f->renewal = (ConfRenewal){ .max_in_flight = 16 };
        lanes_configure(&f->lanes, &f->renewal);
        assert_return_code(kube_client_new(f->event, f->auth, &f->stats, &f->client), 0);
        f->config = (AccountsConfig){ .auth = f->auth, .writer = { .secret_name = "ecr" } };
        *state = f;
        return 0;
}

static int tear_down(void **state)
{
        Fixture *f = *state;

        (void) accounts_free(f->accounts);
        (void) kube_client_free(f->client);
        (void) kube_auth_free(f->auth);
        script_end(&f->script);
        (void) sd_event_unref(f->event);
        free(f);
        return 0;
}

static ScriptPeer *await(const Fixture *f, const char *start)
{
        return script_await(&f->script, start);
}

/* Answers a list, and takes the watch that goes on from it. */
static void list(Fixture *f, const char *body)
{
        script_answer(await(f, ACCOUNTS "resourceVersion="), "200 OK", "", body);
        f->watch = await(f, ACCOUNTS "watch=1&");
        script_stream(f->watch);
}

static void event(Fixture *f, const char *text)
{
        script_chunk(f->watch, text);
        script_rest(&f->script);
}

/* Waits until so many writes wait for an answer; no more come. */
static void expect_writes(const Fixture *f, unsigned n)
{
        script_until(&f->script, script_waiting(&f->script, "P", NULL) >= n);
        script_rest(&f->script);
        assert_int_equal(script_waiting(&f->script, "P", NULL), n);
}

/* A write comes, and is answered so. */
static void answer(const Fixture *f, const char *request, const char *status, const char *body)
{
        script_answer(await(f, request), status, "", body);
        script_rest(&f->script);
}

#define OVERTAKEN "422 Unprocessable Entity", SCRIPT_STATUS(422, "Invalid", "")
#define MAY_NOT(verb)                                                                                      \
        "403 Forbidden",                                                                                   \
                "{\"kind\":\"Status\",\"status\":\"Failure\",\"message\":\"serviceaccounts is forbidden: " \
                "User eatr cannot " verb                                                                   \
                " resource serviceaccounts\",\"reason\":\"Forbidden\",\"code\":403}"
#define FORBIDDEN "403 Forbidden", SCRIPT_STATUS(403, "Forbidden", "")

static const char *summary(const Fixture *f)
{
        static char text[128];
        AccountSummary s;

        accounts_summary(f->accounts, &s);
        (void) snprintf(text, sizeof(text), "good %u pending %u failing %u fought %u", s.good, s.pending,
                        s.failing, s.fought);
        return text;
}

/* --- off ----------------------------------------------------------------------------------------------- */

static void test_without_a_glob_nothing_is_sent(void **state)
{
        Fixture *f = *state;

        make(f, none, CONF_EXCLUDE_DELETE);
        accounts_namespace(f->accounts, "team", MATCH_WANTED, true);
        reload(f, none, CONF_EXCLUDE_KEEP);
        accounts_namespace(f->accounts, "team", MATCH_WANTED, true);
        accounts_namespace_gone(f->accounts, "team");
        script_rest(&f->script);
        assert_int_equal(f->script.n_requests, 0);
        assert_true(accounts_settled(f->accounts, 1));
        assert_string_equal(accounts_error(f->accounts), "");
        assert_false(accounts_stalled(f->accounts, USEC_INFINITY - 1));
}

/* --- who gets it --------------------------------------------------------------------------------------- */

static void test_those_that_are_meant_get_it(void **state)
{
        Fixture *f = *state;
        ScriptPeer *p;

        make(f, both, CONF_EXCLUDE_KEEP);
        assert_false(accounts_settled(f->accounts, 1));
        list(f, LIST("10", PLAIN("team", "default", "5") "," PLAIN("team", "builder", "5") "," DONE(
                                   "team", "ci-1", "5") "," PLAIN("out", "default",
                                                                  "5") "," PLAIN("late", "ci-2", "6")));
        /* Which of them are wanted is not known yet. */
        expect_writes(f, 0);
        accounts_namespace(f->accounts, "team", MATCH_WANTED, false);
        accounts_namespace(f->accounts, "out", MATCH_BLACKLISTED, false);
        expect_writes(f, 1);
        assert_false(accounts_settled(f->accounts, 1));
        assert_string_equal(summary(f), "good 1 pending 1 failing 0 fought 0");
        accounts_namespace(f->accounts, "late", MATCH_WANTED, false);
        expect_writes(f, 2);

        p = await(f, PATCH("team", "default"));
        assert_request(p, "Content-Type: application/json-patch+json\r\n");
        assert_request(p, "\"path\":\"/metadata/resourceVersion\"");
        assert_request(p, "{\"value\":\"5\",\"op\":\"test\"");
        assert_request(p, "\"path\":\"/imagePullSecrets/-\"");
        script_answer(p, "200 OK", "", DONE("team", "default", "11"));
        answer(f, PATCH("late", "ci-2"), "200 OK", DONE("late", "ci-2", "12"));
        assert_true(accounts_settled(f->accounts, 1));
        assert_string_equal(summary(f), "good 3 pending 0 failing 0 fought 0");
        assert_int_equal(accounts_stats(f->accounts)->added, 2);
        assert_int_equal(pace_in_flight(&f->lanes.pace), 0);

        /* What the watch still has of before is not taken for a loss, nor the echo for news. */
        event(f, SCRIPT_EVENT("MODIFIED", PLAIN("team", "default", "9")));
        event(f, SCRIPT_EVENT("MODIFIED", DONE("team", "default", "11")));
        expect_writes(f, 0);
        /* One comes, and one is edited. */
        event(f, SCRIPT_EVENT("ADDED", PLAIN("team", "ci-3", "13")));
        event(f, SCRIPT_EVENT("MODIFIED", PLAIN("team", "default", "14")));
        event(f, SCRIPT_EVENT("ADDED", PLAIN("out", "ci-3", "15")));
        expect_writes(f, 2);
        answer(f, PATCH("team", "ci-3"), "200 OK", DONE("team", "ci-3", "16"));
        answer(f, PATCH("team", "default"), "200 OK", DONE("team", "default", "17"));
        assert_int_equal(accounts_stats(f->accounts)->added, 4);
        assert_int_equal(accounts_stats(f->accounts)->failed + accounts_stats(f->accounts)->conflicts, 0);
}

static void test_a_namespace_that_falls_out_and_comes_back(void **state)
{
        Fixture *f = *state;
        ScriptPeer *p;

        make(f, both, CONF_EXCLUDE_DELETE);
        list(f, LIST("10", DONE("team", "default", "5") "," ACCOUNT_("team", "ci-1", "5", "",
                                                                     ",\"imagePullSecrets\":[{\"name\":"
                                                                     "\"ecr\"}]")));
        accounts_namespace(f->accounts, "team", MATCH_WANTED, false);
        expect_writes(f, 0);
        accounts_namespace(f->accounts, "team", MATCH_TERMINATING, false);
        expect_writes(f, 0);
        accounts_namespace(f->accounts, "team", MATCH_IGNORED, false);
        expect_writes(f, 1);
        p = await(f, PATCH("team", "default"));
        assert_request(p, "\"op\":\"remove\",\"path\":\"/imagePullSecrets/1\"");
        script_answer(p, "200 OK", "", PLAIN("team", "default", "11"));
        script_rest(&f->script);
        assert_int_equal(accounts_stats(f->accounts)->removed, 1);
        assert_true(accounts_settled(f->accounts, 1));
        accounts_namespace(f->accounts, "team", MATCH_WANTED, false);
        answer(f, PATCH("team", "default"), "200 OK", DONE("team", "default", "12"));
        assert_true(accounts_settled(f->accounts, 1));

        reload(f, both, CONF_EXCLUDE_KEEP);
        list(f, LIST("13", DONE("team", "default", "12")));
        accounts_namespace(f->accounts, "team", MATCH_IGNORED, false);
        expect_writes(f, 0);
        assert_true(accounts_settled(f->accounts, 1));
}

/* --- a new namespace ----------------------------------------------------------------------------------- */

static void test_the_account_of_a_new_namespace_is_created(void **state)
{
        Fixture *f = *state;
        ScriptPeer *p;

        make(f, both, CONF_EXCLUDE_KEEP);
        list(f, LIST("10", PLAIN("had", "default", "5")));
        accounts_namespace(f->accounts, "old", MATCH_WANTED, false);
        accounts_namespace(f->accounts, "out", MATCH_NOT_INCLUDED, true);
        expect_writes(f, 0);
        accounts_namespace(f->accounts, "new", MATCH_WANTED, true);
        p = await(f, CREATE("new"));
        assert_request(p, "Content-Type: application/json\r\n");
        assert_request(p, "\"imagePullSecrets\":[{\"name\":\"ecr\"}]");
        script_answer(p, "201 Created", "", DONE("new", "default", "11"));
        script_rest(&f->script);
        assert_int_equal(accounts_stats(f->accounts)->added, 1);
        event(f, SCRIPT_EVENT("ADDED", DONE("new", "default", "11")));
        /* Once told is enough; and one that is known to be there is patched. */
        accounts_namespace(f->accounts, "new", MATCH_WANTED, true);
        expect_writes(f, 0);
        accounts_namespace(f->accounts, "had", MATCH_WANTED, true);
        expect_writes(f, 1);
        answer(f, PATCH("had", "default"), "200 OK", DONE("had", "default", "12"));
        assert_true(accounts_settled(f->accounts, 1));
}

static void test_the_controllers_may_be_faster(void **state)
{
        Fixture *f = *state;

        make(f, both, CONF_EXCLUDE_KEEP);
        list(f, LIST("10", ""));
        accounts_namespace(f->accounts, "new", MATCH_WANTED, true);
        answer(f, CREATE("new"), "409 Conflict", SCRIPT_STATUS(409, "AlreadyExists", ""));
        expect_writes(f, 0);
        assert_true(accounts_settled(f->accounts, 1));
        event(f, SCRIPT_EVENT("ADDED", PLAIN("new", "default", "11")));
        answer(f, PATCH("new", "default"), "200 OK", DONE("new", "default", "12"));
        assert_int_equal(accounts_stats(f->accounts)->failed + accounts_stats(f->accounts)->conflicts, 0);

        /* The event may come before the answer. */
        accounts_namespace(f->accounts, "next", MATCH_WANTED, true);
        expect_writes(f, 1);
        event(f, SCRIPT_EVENT("ADDED", PLAIN("next", "default", "13")));
        expect_writes(f, 1);
        answer(f, CREATE("next"), "409 Conflict", SCRIPT_STATUS(409, "AlreadyExists", ""));
        answer(f, PATCH("next", "default"), "200 OK", DONE("next", "default", "14"));
        assert_int_equal(accounts_stats(f->accounts)->added, 2);
}

static void test_the_right_to_create_is_tried_once(void **state)
{
        Fixture *f = *state;

        make(f, both, CONF_EXCLUDE_KEEP);
        list(f, LIST("10", ""));
        /* A quota or a namespace that ends is no lack of rights. */
        accounts_namespace(f->accounts, "first", MATCH_WANTED, true);
        answer(f, CREATE("first"), FORBIDDEN);
        accounts_namespace(f->accounts, "second", MATCH_WANTED, true);
        answer(f, CREATE("second"), MAY_NOT("create"));
        accounts_namespace(f->accounts, "third", MATCH_WANTED, true);
        expect_writes(f, 0);
        event(f, SCRIPT_EVENT("ADDED", PLAIN("third", "default", "11")));
        answer(f, PATCH("third", "default"), "200 OK", DONE("third", "default", "12"));
        assert_int_equal(accounts_stats(f->accounts)->failed, 0);
        /* It may have been given meanwhile. */
        reload(f, both, CONF_EXCLUDE_KEEP);
        accounts_namespace(f->accounts, "fourth", MATCH_WANTED, true);
        expect_writes(f, 1);
}

static void test_a_namespace_that_goes_takes_its_accounts(void **state)
{
        Fixture *f = *state;

        make(f, both, CONF_EXCLUDE_KEEP);
        list(f, LIST("10", PLAIN("team", "ci-1", "5") "," DONE("team", "default", "5")));
        accounts_namespace(f->accounts, "team", MATCH_WANTED, false);
        expect_writes(f, 1);
        event(f, SCRIPT_EVENT("DELETED", PLAIN("team", "ci-1", "17"))); /* while it is being written */
        event(f, SCRIPT_EVENT("DELETED", DONE("team", "default", "18")));
        accounts_namespace_gone(f->accounts, "team");
        accounts_namespace(f->accounts, "team", MATCH_WANTED, true); /* another of the name */
        expect_writes(f, 2);
        answer(f, PATCH("team", "ci-1"), "404 Not Found", SCRIPT_STATUS(404, "NotFound", ""));
        answer(f, CREATE("team"), "201 Created", DONE("team", "default", "21"));
        event(f, SCRIPT_EVENT("DELETED", DONE("team", "default", "18"))); /* the old one */
        expect_writes(f, 0);
        assert_string_equal(summary(f), "good 1 pending 0 failing 0 fought 0");
        assert_int_equal(pace_in_flight(&f->lanes.pace), 0);
        accounts_namespace_gone(f->accounts, "nobody");
}

/* The watches run apart: accounts of the next namespace may be seen before the end of the one before. */
static void test_accounts_that_are_seen_before_their_namespace(void **state)
{
        Fixture *f = *state;

        make(f, both, CONF_EXCLUDE_KEEP);
        list(f, LIST("10", DONE("team", "default", "5")));
        accounts_namespace(f->accounts, "team", MATCH_WANTED, false);
        event(f, SCRIPT_EVENT("DELETED", DONE("team", "default", "11"))
                         SCRIPT_EVENT("ADDED", PLAIN("team", "default", "15")));
        answer(f, PATCH("team", "default"), "404 Not Found", SCRIPT_STATUS(404, "NotFound", ""));
        accounts_namespace_gone(f->accounts, "team");
        expect_writes(f, 0);
        accounts_namespace(f->accounts, "team", MATCH_WANTED, true);
        script_until(&f->script, script_waiting(&f->script, PATCH("team", "default"), NULL) > 0);
        answer(f, PATCH("team", "default"), "200 OK", DONE("team", "default", "16"));
        assert_string_equal(summary(f), "good 1 pending 0 failing 0 fought 0");
        /* What is left when both have gone is nothing. */
        accounts_namespace_gone(f->accounts, "team");
        event(f, SCRIPT_EVENT("DELETED", DONE("team", "default", "17")));
        assert_null(account_table_namespace(accounts_table(f->accounts), "team"));
}

/* --- others -------------------------------------------------------------------------------------------- */

static void test_one_that_is_overtaken_goes_on_with_the_newer_version(void **state)
{
        Fixture *f = *state;
        ScriptPeer *p;

        make(f, both, CONF_EXCLUDE_KEEP);
        list(f, LIST("10", PLAIN("team", "default", "5")));
        accounts_namespace(f->accounts, "team", MATCH_WANTED, false);
        answer(f, PATCH("team", "default"), OVERTAKEN);
        expect_writes(f, 0);
        event(f, SCRIPT_EVENT("MODIFIED", PLAIN("team", "default", "6")));
        p = await(f, PATCH("team", "default"));
        assert_request(p, "{\"value\":\"6\",\"op\":\"test\"");
        event(f, SCRIPT_EVENT("MODIFIED", PLAIN("team", "default", "7")));
        script_answer(p, "409 Conflict", "", SCRIPT_STATUS(409, "Conflict", ""));
        p = await(f, PATCH("team", "default")); /* at once: it is known already */
        assert_request(p, "{\"value\":\"7\",\"op\":\"test\"");
        script_answer(p, "200 OK", "", DONE("team", "default", "8"));
        script_rest(&f->script);
        assert_int_equal(accounts_stats(f->accounts)->conflicts, 2);
        assert_int_equal(accounts_stats(f->accounts)->added, 1);
        assert_int_equal(accounts_stats(f->accounts)->failed, 0);
        assert_true(accounts_settled(f->accounts, 1));
}

static void test_one_that_goes_while_it_is_written(void **state)
{
        Fixture *f = *state;

        make(f, both, CONF_EXCLUDE_KEEP);
        list(f, LIST("10", PLAIN("team", "default", "5")));
        accounts_namespace(f->accounts, "team", MATCH_WANTED, false);
        expect_writes(f, 1);
        event(f, SCRIPT_EVENT("DELETED", PLAIN("team", "default", "11")));
        answer(f, PATCH("team", "default"), "404 Not Found", SCRIPT_STATUS(404, "NotFound", ""));
        expect_writes(f, 0);
        assert_true(accounts_settled(f->accounts, 1));
        assert_int_equal(pace_in_flight(&f->lanes.pace), 0);
}

/* --- lists --------------------------------------------------------------------------------------------- */

static void expire(Fixture *f)
{
        script_chunk(f->watch, SCRIPT_EVENT("ERROR", SCRIPT_STATUS(410, "Expired", "")));
        script_finish(f->watch);
}

static void test_what_a_gap_hid_is_found(void **state)
{
        Fixture *f = *state;

        make(f, both, CONF_EXCLUDE_KEEP);
        list(f, LIST("10", DONE("team", "default", "5") "," DONE("team", "ci-1",
                                                                 "5") "," DONE("team", "ci-2", "5")));
        accounts_namespace(f->accounts, "team", MATCH_WANTED, false);
        script_until(&f->script, accounts_settled(f->accounts, 1));
        assert_string_equal(summary(f), "good 3 pending 0 failing 0 fought 0");
        expire(f);
        /* One has lost it, one is gone; and etcd comes from a backup, where versions are lower. */
        list(f, LIST("4", PLAIN("team", "default", "3") "," DONE("team", "ci-2", "3")));
        expect_writes(f, 1);
        answer(f, PATCH("team", "default"), "200 OK", DONE("team", "default", "6"));
        assert_string_equal(summary(f), "good 2 pending 0 failing 0 fought 0");
        assert_int_equal(accounts_relists(f->accounts), 1);
        assert_int_equal(accounts_watch_restarts(f->accounts), 1);
}

static void test_a_list_that_is_older_than_an_answer(void **state)
{
        Fixture *f = *state;
        ScriptPeer *p;

        make(f, both, CONF_EXCLUDE_KEEP);
        list(f, LIST("10", PLAIN("team", "default", "5")));
        accounts_namespace(f->accounts, "team", MATCH_WANTED, false);
        expect_writes(f, 1);
        expire(f);
        p = await(f, ACCOUNTS "resourceVersion=");
        answer(f, PATCH("team", "default"), "200 OK", DONE("team", "default", "12"));
        script_answer(p, "200 OK", "", LIST("11", PLAIN("team", "default", "5")));
        script_rest(&f->script);
        expect_writes(f, 0);
        assert_string_equal(summary(f), "good 1 pending 0 failing 0 fought 0");
}

static void test_reading_fails_and_works_again(void **state)
{
        Fixture *f = *state;

        make(f, both, CONF_EXCLUDE_KEEP);
        answer(f, ACCOUNTS, FORBIDDEN);
        assert_string_equal(accounts_error(f->accounts), "it is Forbidden");
        assert_true(f->n_changed > 0);
        assert_true(accounts_settled(f->accounts, 3)); /* rights do not come in seconds */
        accounts_hurry(f->accounts);
        answer(f, ACCOUNTS, "500 Internal Server Error", SCRIPT_STATUS(500, "InternalError", ""));
        assert_false(accounts_settled(f->accounts, 3));
        accounts_hurry(f->accounts);
        list(f, LIST("10", ""));
        script_until(&f->script, accounts_settled(f->accounts, 1));
        assert_string_equal(accounts_error(f->accounts), "");
}

/* --- trouble ------------------------------------------------------------------------------------------- */

static void test_rights_that_one_has_the_others_may_have(void **state)
{
        Fixture *f = *state;

        make(f, both, CONF_EXCLUDE_KEEP);
        list(f, LIST("10", PLAIN("team", "ci-1", "5") "," PLAIN("team", "ci-2",
                                                                "5") "," PLAIN("team", "ci-3", "5")));
        accounts_namespace(f->accounts, "team", MATCH_WANTED, false);
        for (unsigned i = 0; i < 3; i++)
                answer(f, "PATCH ", MAY_NOT("patch"));
        assert_string_equal(summary(f), "good 0 pending 0 failing 3 fought 0");
        assert_true(accounts_settled(f->accounts, 3));
        assert_int_equal(accounts_stats(f->accounts)->failed, 3);
        event(f, SCRIPT_EVENT("DELETED", PLAIN("team", "ci-1", "11")));
        event(f, SCRIPT_EVENT("ADDED", PLAIN("team", "ci-1", "12")));
        answer(f, PATCH("team", "ci-1"), "200 OK", DONE("team", "ci-1", "13"));
        expect_writes(f, 0); /* it was not one of those that were denied */
}

static void test_a_busy_server_pauses_all(void **state)
{
        Fixture *f = *state;
        usec_t until;

        make(f, both, CONF_EXCLUDE_KEEP);
        list(f, LIST("10", PLAIN("team", "ci-1", "5")));
        accounts_namespace(f->accounts, "team", MATCH_WANTED, false);
        script_answer(await(f, PATCH("team", "ci-1")), "429 Too Many Requests", "Retry-After: 1\r\n",
                      SCRIPT_STATUS(429, "TooManyRequests", ""));
        script_until(&f->script, *f->lanes.error);
        assert_false(lanes_may_begin(&f->lanes, PACE_NOW, clock_boottime(), &until));
        event(f, SCRIPT_EVENT("ADDED", PLAIN("team", "ci-2", "11")));
        expect_writes(f, 0);
        assert_int_equal(f->lanes.pace.in_flight[PACE_BULK], 0);
        /* Then one goes to see, and the others after it. */
        answer(f, "PATCH ", "200 OK", DONE("team", "ci-2", "12"));
        expect_writes(f, 1);
        assert_string_equal(f->lanes.error, "");
}

static void test_an_answer_that_is_no_account(void **state)
{
        Fixture *f = *state;

        make(f, both, CONF_EXCLUDE_KEEP);
        list(f, LIST("10", PLAIN("team", "ci-1", "5")));
        accounts_namespace(f->accounts, "team", MATCH_WANTED, false);
        answer(f, PATCH("team", "ci-1"), "200 OK", "<html>");
        assert_string_equal(summary(f), "good 0 pending 0 failing 1 fought 0");
        assert_int_equal(accounts_stats(f->accounts)->added, 0);
}

/* --- the pace ------------------------------------------------------------------------------------------ */

static void test_those_that_are_there_go_at_the_pace_of_renewals(void **state)
{
        Fixture *f = *state;

        f->renewal.max_in_flight = 4; /* of which one is kept for who waits */
        lanes_configure(&f->lanes, &f->renewal);
        make(f, both, CONF_EXCLUDE_KEEP);
        list(f, LIST("10", PLAIN("team", "ci-1", "5") "," PLAIN("team", "ci-2", "5") "," PLAIN(
                                   "team", "ci-3", "5") "," PLAIN("team", "ci-4",
                                                                  "5") "," PLAIN("team", "ci-5", "5")));
        accounts_namespace(f->accounts, "team", MATCH_WANTED, false);
        expect_writes(f, 3);
        event(f, SCRIPT_EVENT("ADDED", PLAIN("team", "default", "11")));
        expect_writes(f, 4);
        answer(f, PATCH("team", "default"), "200 OK", DONE("team", "default", "12"));
        expect_writes(f, 3);
        answer(f, PATCH("team", "ci-1"), "200 OK", DONE("team", "ci-1", "13"));
        expect_writes(f, 3);
}

static void test_stopped_it_begins_nothing(void **state)
{
        Fixture *f = *state;
        unsigned before;

        f->renewal.max_in_flight = 2;
        lanes_configure(&f->lanes, &f->renewal);
        make(f, both, CONF_EXCLUDE_KEEP);
        list(f, LIST("10", PLAIN("team", "ci-1", "5") "," PLAIN("team", "ci-2", "5")));
        accounts_namespace(f->accounts, "team", MATCH_WANTED, false);
        expect_writes(f, 1);
        accounts_stop(f->accounts);
        before = f->n_changed;
        answer(f, PATCH("team", "ci-1"), "200 OK", DONE("team", "ci-1", "12"));
        expect_writes(f, 0);
        assert_true(f->n_changed > before);
}

/* Whoever waits for the end of it hears that the list is read, though nothing is to be written. */
static void test_the_end_of_an_empty_list_is_told(void **state)
{
        Fixture *f = *state;
        unsigned before;

        make(f, both, CONF_EXCLUDE_KEEP);
        before = f->n_changed;
        assert_false(accounts_settled(f->accounts, 1));
        list(f, LIST("10", ""));
        expect_writes(f, 0);
        assert_true(accounts_settled(f->accounts, 1));
        assert_true(f->n_changed > before);
}

static void test_a_dry_run_writes_nothing(void **state)
{
        Fixture *f = *state;

        f->config.writer.dry_run = true;
        make(f, both, CONF_EXCLUDE_KEEP);
        list(f, LIST("10", PLAIN("team", "ci-1", "5")));
        accounts_namespace(f->accounts, "team", MATCH_WANTED, false);
        accounts_namespace(f->accounts, "new", MATCH_WANTED, true);
        expect_writes(f, 0);
        assert_true(accounts_settled(f->accounts, 1));

        /* From then on it is no dry run any more, and nothing has been done yet. */
        f->config.writer.dry_run = false;
        accounts_reload(f->accounts, &f->config);
        assert_false(accounts_settled(f->accounts, 1));
        (void) await(f, PATCH("team", "ci-1"));
}

/* --- reloads ------------------------------------------------------------------------------------------- */

static void test_one_name_is_asked_for_by_its_name(void **state)
{
        Fixture *f = *state;
        ScriptPeer *p;

        make(f, only, CONF_EXCLUDE_KEEP);
        p = await(f, ONE_NAME "resourceVersion=");
        assert_request(p, "gzip"); /* they are large where there are many */
        script_answer(p, "200 OK", "", LIST("10", ""));
        script_stream(await(f, ONE_NAME "watch=1&"));
        /* Entries may be anywhere that are to go. */
        reload(f, only, CONF_EXCLUDE_DELETE);
        list(f, LIST("10", ""));
        /* The same again changes nothing. */
        reload(f, only, CONF_EXCLUDE_DELETE);
        script_rest(&f->script);
        assert_int_equal(script_waiting(&f->script, "GET ", NULL), 0);
}

static void test_other_globs_and_none(void **state)
{
        Fixture *f = *state;

        make(f, all, CONF_EXCLUDE_DELETE);
        list(f, LIST("10", DONE("team", "default", "5") "," DONE("team", "ci-1", "5")));
        accounts_namespace(f->accounts, "team", MATCH_WANTED, false);
        script_until(&f->script, accounts_settled(f->accounts, 1));
        reload(f, only, CONF_EXCLUDE_DELETE);
        list(f, LIST("10", DONE("team", "default", "5") "," DONE("team", "ci-1", "5")));
        answer(f, PATCH("team", "ci-1"), "200 OK", PLAIN("team", "ci-1", "11"));
        reload(f, none, CONF_EXCLUDE_DELETE);
        list(f, LIST("11", DONE("team", "default", "5") "," PLAIN("team", "ci-1", "11")));
        script_rest(&f->script);
        assert_true(f->watch->fd >= 0);
        answer(f, PATCH("team", "default"), "200 OK", PLAIN("team", "default", "12"));
        script_until(&f->script, f->watch->fd < 0); /* it is done with */
        assert_true(accounts_settled(f->accounts, 1));
        assert_int_equal(accounts_stats(f->accounts)->removed, 2);

        /* On again, off again. */
        reload(f, all, CONF_EXCLUDE_KEEP);
        accounts_namespace(f->accounts, "team", MATCH_WANTED, false);
        list(f, LIST("12", PLAIN("team", "default", "12")));
        answer(f, PATCH("team", "default"), "200 OK", DONE("team", "default", "13"));
        reload(f, none, CONF_EXCLUDE_KEEP);
        script_until(&f->script, f->watch->fd < 0);
        assert_string_equal(summary(f), "good 0 pending 0 failing 0 fought 0");
        expect_writes(f, 0);
}

/* What was seen before other globs came does not count. */
static void test_what_went_meanwhile_is_gone(void **state)
{
        Fixture *f = *state;

        make(f, all, CONF_EXCLUDE_KEEP);
        list(f, LIST("10", DONE("team", "default", "5") "," DONE("team", "ci-1", "5")));
        accounts_namespace(f->accounts, "team", MATCH_WANTED, false);
        script_until(&f->script, streq(summary(f), "good 2 pending 0 failing 0 fought 0"));
        reload(f, both, CONF_EXCLUDE_KEEP);
        list(f, LIST("11", DONE("team", "default", "5")));
        script_until(&f->script, streq(summary(f), "good 1 pending 0 failing 0 fought 0"));
}

static void test_what_is_not_read_cannot_fail(void **state)
{
        Fixture *f = *state;

        make(f, both, CONF_EXCLUDE_KEEP);
        answer(f, ACCOUNTS, FORBIDDEN);
        assert_string_equal(accounts_error(f->accounts), "it is Forbidden");
        reload(f, none, CONF_EXCLUDE_KEEP);
        assert_string_equal(accounts_error(f->accounts), "");
}

/* --- purge --------------------------------------------------------------------------------------------- */

static void test_a_purge(void **state)
{
        static char *namespaces[] = { (char *) "team-*", NULL };
        Fixture *f = *state;
        const AccountsParts parts = { .client = f->client, .lanes = &f->lanes, .stats = &f->stats };

        f->config.writer.rules = (AccountRules){ .accounts = both, .purge = namespaces };
        assert_return_code(accounts_new(f->event, &f->config, &parts, on_changed, f, &f->accounts), 0);
        list(f, LIST("10", DONE("team-a", "default", "5") "," DONE("team-a", "builder", "5") "," PLAIN(
                                   "team-a", "ci-1", "5") "," DONE("shop", "default", "5")));
        accounts_namespace(f->accounts, "team-b", MATCH_WANTED, true);
        expect_writes(f, 2);
        answer(f, PATCH("team-a", "default"), "200 OK", PLAIN("team-a", "default", "11"));
        answer(f, PATCH("team-a", "builder"), "200 OK", PLAIN("team-a", "builder", "12"));
        expect_writes(f, 0);
        assert_true(accounts_settled(f->accounts, 1));
        assert_int_equal(accounts_stats(f->accounts)->removed, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_without_a_glob_nothing_is_sent),
                TEST(test_those_that_are_meant_get_it),
                TEST(test_a_namespace_that_falls_out_and_comes_back),
                TEST(test_the_account_of_a_new_namespace_is_created),
                TEST(test_the_controllers_may_be_faster),
                TEST(test_the_right_to_create_is_tried_once),
                TEST(test_a_namespace_that_goes_takes_its_accounts),
                TEST(test_accounts_that_are_seen_before_their_namespace),
                TEST(test_one_that_is_overtaken_goes_on_with_the_newer_version),
                TEST(test_one_that_goes_while_it_is_written),
                TEST(test_what_a_gap_hid_is_found),
                TEST(test_a_list_that_is_older_than_an_answer),
                TEST(test_reading_fails_and_works_again),
                TEST(test_rights_that_one_has_the_others_may_have),
                TEST(test_a_busy_server_pauses_all),
                TEST(test_an_answer_that_is_no_account),
                TEST(test_those_that_are_there_go_at_the_pace_of_renewals),
                TEST(test_stopped_it_begins_nothing),
                TEST(test_the_end_of_an_empty_list_is_told),
                TEST(test_a_dry_run_writes_nothing),
                TEST(test_one_name_is_asked_for_by_its_name),
                TEST(test_other_globs_and_none),
                TEST(test_what_went_meanwhile_is_gone),
                TEST(test_what_is_not_read_cannot_fail),
                TEST(test_a_purge),
        };

        return cmocka_run_group_tests(tests, script_group_setup, script_group_teardown);
}
