/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "cluster.h"
#include "judge.h"
#include "kube-script.h"

#define ID "aaaaaaaabbbbbbbb"      /* of a token that is due, where a Secret holds it */
#define NEXT_ID "aaaaaaaacccccccc" /* of the current one */

#define NAMESPACES "GET /api/v1/namespaces?"
#define SECRETS "GET /api/v1/secrets?fieldSelector=metadata.name%3Decr&"
#define APPLY(name) "PATCH /api/v1/namespaces/" name "/secrets/ecr?fieldManager=eatr"
#define NAMESPACE(name) SCRIPT_OBJECT(name, "5", "")

/* --- a cluster ----------------------------------------------------------------------------------------- */

typedef struct Fixture {
        sd_event *event;
        Script script;
        KubeConfig kube;
        KubeAuth *auth;
        KubeStats stats;
        ConfRenewal renewal;
        ConfNamespaces rules;
        ClusterConfig config;
        Auth item;
        Auths auths;
        Cluster *cluster;
        ScriptPeer *namespaces, *secrets; /* the watches */
        unsigned n_changed;
} Fixture;

static char *blacklist[] = { (char *) "kube-*", NULL },
            *include[] = { (char *) "kube-*", (char *) "team-*", NULL };

static void on_changed(void *userdata)
{
        Fixture *f = userdata;

        f->n_changed++;
}

static void make(Fixture *f)
{
        f->cluster = cluster_free(f->cluster);
        assert_return_code(cluster_new(f->event, &f->config, &f->stats, on_changed, f, &f->cluster), 0);
        assert_return_code(cluster_set_auths(f->cluster, &f->auths), 0);
}

static int set_up(void **state)
{
        Fixture *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        f->item = (Auth){ .host = (char *) "0.dkr.ecr.eu-west-1.amazonaws.com", .value = "QVdTOng=" };
        f->auths = (Auths){ .n_ref = 1,
                            .items = &f->item,
                            .n = 1,
                            .id = NEXT_ID,
                            .issued = SCRIPT_WALL + 6 * USEC_PER_HOUR,
                            .expires = SCRIPT_WALL + 18 * USEC_PER_HOUR,
                            .received_boottime = clock_boottime() };
        assert_return_code(sd_event_new(&f->event), 0);
        script_begin(&f->script, f->event);
        f->kube.server = f->script.url;
        assert_return_code(kube_auth_new(f->event, &f->kube, &f->auth), 0);
        f->renewal = (ConfRenewal){ .max_in_flight = 16, .informers_resync_interval = USEC_PER_HOUR };
        f->rules = (ConfNamespaces){ .blacklist = blacklist, .include = include };
        f->config.auth = f->auth;
        f->config.namespaces = &f->rules;
        f->config.writer = (WriterConfig){ .secret_name = "ecr", .renewal = &f->renewal };
        make(f);
        *state = f;
        return 0;
}

static int tear_down(void **state)
{
        Fixture *f = *state;

        f->cluster = cluster_free(f->cluster);
        f->auth = kube_auth_free(f->auth);
        assert_int_equal(f->auths.n_ref, 1);
        (void) label_selector_free(f->rules.label_selector);
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
static ScriptPeer *list(const Fixture *f, const char *request, const char *body, const char *watch)
{
        ScriptPeer *p = await(f, request);

        script_answer(p, "200 OK", "", body);
        p = await(f, watch);
        script_stream(p);
        return p;
}

#define list_namespaces(f, items) \
        ((f)->namespaces = list(f, NAMESPACES, SCRIPT_LIST("10", items), NAMESPACES "watch=1&"))
#define list_secrets(f, items) \
        ((f)->secrets = list(f, SECRETS, SCRIPT_LIST("10", items), SECRETS "watch=1&"))

/* The server has forgotten the version of a watch. */
static void expire(ScriptPeer *watch)
{
        script_chunk(watch, SCRIPT_EVENT("ERROR", SCRIPT_STATUS(410, "Expired", "")));
        script_finish(watch);
}

/* Waits until so many writes wait for an answer; no more come. */
static void expect_writes(const Fixture *f, unsigned n)
{
        script_until(&f->script, script_waiting(&f->script, "PATCH ", NULL) >= n);
        script_rest(&f->script);
        assert_int_equal(script_waiting(&f->script, "PATCH ", NULL), n);
}

/* A write is well. */
static void settle(const Fixture *f, const char *request, const char *secret)
{
        const WriterStats *s = cluster_stats(f->cluster);
        uint64_t before = s->created + s->renewed + s->healed;

        script_answer(await(f, request), "200 OK", "", secret);
        script_until(&f->script, s->created + s->renewed + s->healed > before);
        script_rest(&f->script);
}

/* Somebody else's Secret is looked at. */
static void inspect(const Fixture *f, const char *namespace)
{
        _cleanup_free_ char *request =
                str_printf("GET /api/v1/namespaces/%s/secrets/ecr?includeObject=None ", namespace);
        ScriptPeer *p;

        assert_non_null(request);
        p = await(f, request);
        assert_request(p, "\r\nAccept: application/json;as=Table;g=meta.k8s.io;v=v1\r\n");
        script_answer(p, "200 OK", "", SCRIPT_TABLE("Opaque"));
        script_rest(&f->script);
}

static const char *summary(const Fixture *f)
{
        static char text[128];
        unsigned verdicts = 0;
        ClusterSummary s;

        cluster_summary(f->cluster, &s);
        assert_int_equal(s.fresh + s.due + s.pending + s.failing + s.conflict + s.excluded, s.total);
        for (MatchVerdict v = 0; v < _MATCH_VERDICT_MAX; v++)
                verdicts += s.by_verdict[v];
        assert_int_equal(verdicts, s.total);
        assert_int_equal(s.total - s.excluded, s.by_verdict[MATCH_WANTED]);
        (void) snprintf(text, sizeof(text), "fresh %u due %u pending %u failing %u conflict %u excluded %u",
                        s.fresh, s.due, s.pending, s.failing, s.conflict, s.excluded);
        return text;
}

static void expect_summary(const Fixture *f, const char *expected)
{
        usec_t end = clock_boottime() + SCRIPT_TIMEOUT;

        while (!streq(summary(f), expected) && clock_boottime() < end)
                assert_return_code(sd_event_run(f->event, 100 * USEC_PER_MSEC), 0);
        assert_string_equal(summary(f), expected);
}

#define LABELLED(name, version, env) SCRIPT_OBJECT(name, version, ",\"labels\":{\"env\":\"" env "\"}")

static void select_labels(ConfNamespaces *rules, const char *text)
{
        char error[LABEL_SELECTOR_ERROR_MAX];

        assert_int_equal(label_selector_parse(text, &rules->label_selector, error), 0);
}

/* --- the first pass ------------------------------------------------------------------------------------ */

/* clang-format off */
#define FIRST_NAMESPACES                                                                    \
        NAMESPACE("team-new") ","                                                           \
        NAMESPACE("team-old") ","                                                           \
        NAMESPACE("team-fresh") ","                                                         \
        NAMESPACE("team-foreign") ","                                                       \
        NAMESPACE("kube-system") ","                                                        \
        NAMESPACE("elsewhere") ","                                                          \
        SCRIPT_OBJECT("team-ignored", "5", ",\"annotations\":{\"eatr/ignore\":\"true\"}") ","   \
        SCRIPT_OBJECT("team-not-ignored", "5", ",\"annotations\":{\"eatr/ignore\":\"false\"}") "," \
        SCRIPT_OBJECT("team-ending", "5", ",\"deletionTimestamp\":\"2026-11-23T19:19:27Z\"")
#define FIRST_SECRETS                                    \
        SCRIPT_SECRET("team-old", "5", ID) ","           \
        SCRIPT_SECRET("team-fresh", "5", NEXT_ID) ","    \
        SCRIPT_FOREIGN("team-foreign", "5") ","          \
        SCRIPT_FOREIGN("team-ignored", "5") ","          \
        SCRIPT_EDITED("kube-system", "5", ID) ","        \
        SCRIPT_SECRET("team-not-ignored", "5", NEXT_ID)
/* clang-format on */

static void test_the_first_pass(void **state)
{
        Fixture *f = *state;
        const KubeStats *k = cluster_kube_stats(f->cluster);
        ClusterSummary s;

        expect_summary(f, "fresh 0 due 0 pending 0 failing 0 conflict 0 excluded 0");
        assert_false(cluster_settled(f->cluster, 0));
        list_namespaces(f, FIRST_NAMESPACES);
        /* What is missing in half of the knowledge need not be missing. */
        expect_writes(f, 0);
        expect_summary(f, "fresh 0 due 0 pending 5 failing 0 conflict 0 excluded 4");
        assert_false(cluster_synced(f->cluster));
        assert_false(cluster_settled(f->cluster, 0));

        list_secrets(f, FIRST_SECRETS);
        expect_writes(f, 2);
        expect_summary(f, "fresh 2 due 1 pending 1 failing 0 conflict 1 excluded 4");
        cluster_summary(f->cluster, &s);
        assert_int_equal(s.by_verdict[MATCH_BLACKLISTED], 1);
        assert_int_equal(s.by_verdict[MATCH_NOT_INCLUDED], 1);
        assert_int_equal(s.by_verdict[MATCH_IGNORED], 1);
        assert_int_equal(s.by_verdict[MATCH_TERMINATING], 1);
        assert_true(cluster_synced(f->cluster));
        assert_false(cluster_settled(f->cluster, 1));

        settle(f, APPLY("team-new") " ", SCRIPT_SECRET("team-new", "11", NEXT_ID));
        assert_false(cluster_settled(f->cluster, 1));
        settle(f, APPLY("team-old") "&force=true ", SCRIPT_SECRET("team-old", "12", NEXT_ID));
        expect_summary(f, "fresh 4 due 0 pending 0 failing 0 conflict 1 excluded 4");
        assert_false(cluster_settled(f->cluster, 1));
        inspect(f, "team-foreign");
        assert_true(cluster_settled(f->cluster, 1));
        assert_int_equal(cluster_stats(f->cluster)->latency.count, 0); /* they had been there before */
        assert_int_equal(cluster_watch_restarts(f->cluster) + cluster_relists(f->cluster), 0);
        assert_string_equal(cluster_error(f->cluster), "");
        assert_int_equal(k->requests[0].verb, KUBE_LIST);
        assert_int_equal(k->requests[0].count, 2);
        assert_int_equal(k->writes.count, 2);
        assert_true(f->n_changed > 0);
}

/* A write that fails is not waited for: settled after so many tries. */
static void test_settled_after_tries(void **state)
{
        Fixture *f = *state;
        ClusterSummary s;

        list_namespaces(f, NAMESPACE("team-a"));
        list_secrets(f, "");
        for (unsigned i = 0; i < 2; i++) {
                assert_false(cluster_settled(f->cluster, i + 1));
                script_answer(await(f, APPLY("team-a")), "404 Not Found", "",
                              SCRIPT_STATUS(404, "NotFound", ""));
                script_until(&f->script, cluster_stats(f->cluster)->failed == i + 1);
                assert_true(cluster_settled(f->cluster, i + 1));
        }
        expect_summary(f, "fresh 0 due 0 pending 0 failing 1 conflict 0 excluded 0");
        assert_string_equal(cluster_error(f->cluster), "");
        cluster_summary(f->cluster, &s);
        assert_string_equal(s.failing_name, "team-a");
        assert_string_equal(s.failing_why, "it is NotFound");
        script_answer(await(f, APPLY("team-a")), "201 Created", "", SCRIPT_SECRET("team-a", "9", NEXT_ID));
        script_until(&f->script, cluster_stats(f->cluster)->created == 1);
        cluster_summary(f->cluster, &s);
        assert_null(s.failing_why);
}

/* --- events -------------------------------------------------------------------------------------------- */

static void test_namespaces_come_and_go(void **state)
{
        Fixture *f = *state;

        list_secrets(f, "");
        list_namespaces(f, "");
        assert_true(cluster_settled(f->cluster, 1));
        script_chunk(f->namespaces, SCRIPT_EVENT("ADDED", NAMESPACE("team-a")));
        settle(f, APPLY("team-a") " ", SCRIPT_SECRET("team-a", "11", NEXT_ID));
        assert_int_equal(cluster_stats(f->cluster)->latency.count, 1);

        /* Other people's labels are nothing to eatr. */
        script_chunk(f->namespaces,
                     SCRIPT_EVENT("MODIFIED", SCRIPT_OBJECT("team-a", "12", ",\"labels\":{\"a\":\"b\"}")));
        expect_writes(f, 0);
        /* An exclusion takes no Secret away, but gives none back either. */
        script_chunk(f->namespaces,
                     SCRIPT_EVENT("MODIFIED", SCRIPT_OBJECT("team-a", "13",
                                                            ",\"annotations\":{\"eatr/ignore\":\"true\"}")));
        script_chunk(f->secrets, SCRIPT_EVENT("DELETED", SCRIPT_SECRET("team-a", "14", NEXT_ID)));
        expect_writes(f, 0);
        expect_summary(f, "fresh 0 due 0 pending 0 failing 0 conflict 0 excluded 1");
        script_chunk(f->namespaces, SCRIPT_EVENT("MODIFIED", SCRIPT_OBJECT("team-a", "15", "")));
        settle(f, APPLY("team-a"), SCRIPT_SECRET("team-a", "16", NEXT_ID));
        expect_summary(f, "fresh 1 due 0 pending 0 failing 0 conflict 0 excluded 0");

        script_chunk(f->namespaces,
                     SCRIPT_EVENT("ADDED", NAMESPACE("team-b")) SCRIPT_EVENT("ADDED", NAMESPACE("team-c")));
        expect_writes(f, 2);
        script_chunk(f->namespaces, SCRIPT_EVENT("DELETED", NAMESPACE("team-a"))
                                            SCRIPT_EVENT("DELETED", NAMESPACE("team-b"))
                                                    SCRIPT_EVENT("DELETED", NAMESPACE("team-x")));
        expect_writes(f, 1);
        expect_summary(f, "fresh 0 due 0 pending 1 failing 0 conflict 0 excluded 0");
}

static void test_what_happens_to_a_secret_is_healed(void **state)
{
        Fixture *f = *state;
        const WriterStats *s = cluster_stats(f->cluster);

        list_namespaces(f, NAMESPACE("team-a"));
        list_secrets(f, SCRIPT_SECRET("team-a", "5", NEXT_ID));
        script_chunk(f->secrets, SCRIPT_EVENT("DELETED", SCRIPT_SECRET("team-a", "11", NEXT_ID)));
        settle(f, APPLY("team-a") " ", SCRIPT_SECRET("team-a", "12", NEXT_ID));
        script_chunk(f->secrets, SCRIPT_EVENT("ADDED", SCRIPT_SECRET("team-a", "12", NEXT_ID)));
        script_chunk(f->secrets, SCRIPT_EVENT("MODIFIED", SCRIPT_EDITED("team-a", "13", NEXT_ID)));
        settle(f, APPLY("team-a") "&force=true ", SCRIPT_SECRET("team-a", "14", NEXT_ID));
        assert_int_equal(s->healed, 2);
        /* The echo of eatr's own writes, and older news. */
        script_chunk(f->secrets, SCRIPT_EVENT("MODIFIED", SCRIPT_SECRET("team-a", "14", NEXT_ID)));
        script_chunk(f->secrets, SCRIPT_EVENT("MODIFIED", SCRIPT_EDITED("team-a", "13", NEXT_ID)));
        expect_writes(f, 0);
        script_chunk(f->secrets, SCRIPT_EVENT("MODIFIED", SCRIPT_FOREIGN("team-a", "15")));
        expect_writes(f, 0);
        expect_summary(f, "fresh 0 due 0 pending 0 failing 0 conflict 1 excluded 0");
        inspect(f, "team-a");
        assert_true(cluster_settled(f->cluster, 1));
}

/* Nothing is left to do where finalizers hold a Secret. */
static void test_a_secret_that_goes_is_settled(void **state)
{
        Fixture *f = *state;

        list_namespaces(f, NAMESPACE("team-a"));
        list_secrets(f, SCRIPT_OBJECT("ecr", "5",
                                      ",\"namespace\":\"team-a\",\"deletionTimestamp\":"
                                      "\"2026-11-23T19:19:27Z\""));
        expect_writes(f, 0);
        expect_summary(f, "fresh 0 due 0 pending 1 failing 0 conflict 0 excluded 0");
        assert_true(cluster_settled(f->cluster, 1));
}

/* A namespace that falls out by a reload or by its annotation loses its Secret, if that is the rule; one
 * that comes back has it again, and nobody is said to have deleted it. */
static void test_what_falls_out_is_deleted(void **state)
{
        static const char request[] = "DELETE /api/v1/namespaces/team-a/secrets/ecr ";
        static char first[] = "team-a", *none[] = { NULL }, *some[] = { first, NULL };
        Fixture *f = *state;
        const WriterStats *s = cluster_stats(f->cluster);

        f->rules.blacklist = none;
        cluster_reload(f->cluster, &f->config);
        list_namespaces(f, NAMESPACE("team-a"));
        list_secrets(f, SCRIPT_SECRET("team-a", "5", NEXT_ID));
        expect_summary(f, "fresh 1 due 0 pending 0 failing 0 conflict 0 excluded 0");
        f->rules.blacklist = some;
        cluster_reload(f->cluster, &f->config);
        script_rest(&f->script);
        assert_int_equal(script_waiting(&f->script, "DELETE ", NULL), 0);
        f->config.writer.on_exclude = CONF_EXCLUDE_DELETE;
        cluster_reload(f->cluster, &f->config);
        assert_false(cluster_settled(f->cluster, 1));
        script_answer(await(f, request), "200 OK", "", SCRIPT_GONE);
        script_until(&f->script, s->deleted == 1);
        script_chunk(f->secrets, SCRIPT_EVENT("DELETED", SCRIPT_SECRET("team-a", "12", NEXT_ID)));
        script_rest(&f->script);
        assert_true(cluster_settled(f->cluster, 1));

        f->rules.blacklist = none;
        cluster_reload(f->cluster, &f->config);
        script_answer(await(f, APPLY("team-a") " "), "201 Created", "",
                      SCRIPT_SECRET("team-a", "13", NEXT_ID));
        script_until(&f->script, s->created == 1);
        assert_int_equal(s->healed, 0);
        script_chunk(f->namespaces,
                     SCRIPT_EVENT("MODIFIED", SCRIPT_OBJECT("team-a", "14",
                                                            ",\"annotations\":{\"eatr/ignore\":\"true\"}")));
        script_answer(await(f, request), "200 OK", "", SCRIPT_GONE);
        script_until(&f->script, s->deleted == 2);
        expect_writes(f, 0);
}

/* The watches are not in step: a Secret may be seen before its namespace, and be all there is to see. */
static void test_a_secret_seen_before_its_namespace(void **state)
{
        Fixture *f = *state;

        list_secrets(f, SCRIPT_SECRET("team-a", "5", NEXT_ID) "," SCRIPT_FOREIGN(
                                "team-b", "5") "," SCRIPT_EDITED("team-d", "5", NEXT_ID));
        list_namespaces(f, "");
        script_chunk(f->secrets, SCRIPT_EVENT("ADDED", SCRIPT_SECRET("team-c", "11", NEXT_ID))
                                         SCRIPT_EVENT("DELETED", SCRIPT_SECRET("team-c", "12", NEXT_ID)));
        expect_writes(f, 0);
        expect_summary(f, "fresh 0 due 0 pending 0 failing 0 conflict 0 excluded 0");
        assert_true(cluster_settled(f->cluster, 1));
        script_chunk(f->namespaces,
                     SCRIPT_EVENT("ADDED", NAMESPACE("team-a")) SCRIPT_EVENT("ADDED", NAMESPACE("team-b")));
        expect_writes(f, 0);
        expect_summary(f, "fresh 1 due 0 pending 0 failing 0 conflict 1 excluded 0");
        script_chunk(f->namespaces, SCRIPT_EVENT("ADDED", NAMESPACE("team-c")));
        settle(f, APPLY("team-c") " ", SCRIPT_SECRET("team-c", "13", NEXT_ID));
        assert_int_equal(cluster_stats(f->cluster)->healed, 0); /* it is a new one */
}

/* The watches run apart: by the time that one tells that a namespace is gone, the other may have shown the
 * Secret of the next of that name, and will not show it again. */
static void test_a_secret_seen_before_the_end_of_the_namespace_before(void **state)
{
        Fixture *f = *state;

        list_namespaces(f, NAMESPACE("team-a") "," NAMESPACE("team-b"));
        list_secrets(f, SCRIPT_SECRET("team-a", "5", NEXT_ID));
        settle(f, APPLY("team-b") " ", SCRIPT_SECRET("team-b", "6", NEXT_ID));
        script_chunk(f->secrets, SCRIPT_EVENT("DELETED", SCRIPT_SECRET("team-a", "11", NEXT_ID))
                                         SCRIPT_EVENT("ADDED", SCRIPT_FOREIGN("team-a", "15")));
        expect_summary(f, "fresh 1 due 0 pending 0 failing 0 conflict 1 excluded 0");
        inspect(f, "team-a");
        script_chunk(f->namespaces, SCRIPT_EVENT("DELETED", NAMESPACE("team-a"))
                                            SCRIPT_EVENT("DELETED", NAMESPACE("team-b")));
        expect_summary(f, "fresh 0 due 0 pending 0 failing 0 conflict 0 excluded 0");
        script_chunk(f->secrets, SCRIPT_EVENT("DELETED", SCRIPT_SECRET("team-b", "16", NEXT_ID)));
        script_rest(&f->script);
        assert_null(targets_find(cluster_targets(f->cluster), "team-b"));
        script_chunk(f->namespaces, SCRIPT_EVENT("ADDED", NAMESPACE("team-a")));
        inspect(f, "team-a");
        expect_writes(f, 0);
        expect_summary(f, "fresh 0 due 0 pending 0 failing 0 conflict 1 excluded 0");
}

/* An object without a name, or of no sense, is none. */
static void test_odd_objects(void **state)
{
        Fixture *f = *state;

        list_namespaces(f, NAMESPACE("team-a") "," NAMESPACE("") ",{},{\"metadata\":{\"name\":7}}");
        list_secrets(f, SCRIPT_SECRET("team-a", "5",
                                      NEXT_ID) "," SCRIPT_SECRET("", "5", NEXT_ID) ",{\"metadata\":[]}");
        script_chunk(f->namespaces, SCRIPT_EVENT("DELETED", "{\"kind\":\"PartialObjectMetadata\"}"));
        script_chunk(f->secrets, SCRIPT_EVENT("DELETED", "{\"kind\":\"PartialObjectMetadata\"}"));
        expect_writes(f, 0);
        expect_summary(f, "fresh 1 due 0 pending 0 failing 0 conflict 0 excluded 0");
}

/* --- gaps and trouble ---------------------------------------------------------------------------------- */

static void test_what_a_new_list_lacks_is_gone(void **state)
{
        Fixture *f = *state;

        list_namespaces(f, NAMESPACE("team-a") "," NAMESPACE("team-b"));
        list_secrets(f, SCRIPT_SECRET("team-a", "5", NEXT_ID) "," SCRIPT_SECRET("team-b", "5", NEXT_ID));
        expire(f->namespaces);
        list_namespaces(f, NAMESPACE("team-b") "," NAMESPACE("team-c"));
        settle(f, APPLY("team-c") " ", SCRIPT_SECRET("team-c", "11", NEXT_ID));
        expect_summary(f, "fresh 2 due 0 pending 0 failing 0 conflict 0 excluded 0");

        /* A list stands for itself, even where its versions went back. */
        expire(f->secrets);
        list_secrets(f, SCRIPT_EDITED("team-c", "3", NEXT_ID));
        settle(f, APPLY("team-b") " ", SCRIPT_SECRET("team-b", "11", NEXT_ID));
        settle(f, APPLY("team-c") "&force=true ", SCRIPT_SECRET("team-c", "12", NEXT_ID));
        expect_writes(f, 0);
        assert_int_equal(cluster_stats(f->cluster)->healed, 2);
        expect_summary(f, "fresh 2 due 0 pending 0 failing 0 conflict 0 excluded 0");
        assert_int_equal(cluster_relists(f->cluster), 2);
        assert_int_equal(cluster_watch_restarts(f->cluster), 2);
}

/* A Secret that is written while a list is on its way, which began before and does not know of it. */
static void test_a_list_that_is_older_than_a_write(void **state)
{
        Fixture *f = *state;
        ScriptPeer *p;

        list_namespaces(f, NAMESPACE("team-a"));
        list_secrets(f, SCRIPT_SECRET("team-a", "5", NEXT_ID));
        expire(f->secrets);
        p = await(f, SECRETS);
        script_chunk(f->namespaces, SCRIPT_EVENT("ADDED", NAMESPACE("team-b")));
        settle(f, APPLY("team-b") " ", SCRIPT_SECRET("team-b", "20", NEXT_ID));
        expect_summary(f, "fresh 2 due 0 pending 0 failing 0 conflict 0 excluded 0");
        script_answer(p, "200 OK", "", SCRIPT_LIST("10", SCRIPT_SECRET("team-a", "5", NEXT_ID)));
        f->secrets = await(f, SECRETS "watch=1&");
        expect_writes(f, 0);
        expect_summary(f, "fresh 2 due 0 pending 0 failing 0 conflict 0 excluded 0");
}

/* A list that breaks off says nothing of what it did not come to. */
static void test_half_a_list_takes_nothing_away(void **state)
{
        Fixture *f = *state;
        ScriptPeer *p;

        list_namespaces(f, NAMESPACE("team-a") "," NAMESPACE("team-b"));
        list_secrets(f, SCRIPT_SECRET("team-a", "5", NEXT_ID) "," SCRIPT_SECRET("team-b", "5", NEXT_ID));
        expire(f->namespaces);
        expire(f->secrets);
        for (unsigned i = 0; i < 2; i++) {
                p = await(f, i == 0 ? NAMESPACES : SECRETS);
                script_stream(p);
                script_chunk(p, "{\"kind\":\"PartialObjectMetadataList\",\"items\":[");
                script_finish(p);
        }
        script_until(&f->script, *cluster_error(f->cluster));
        expect_writes(f, 0);
        expect_summary(f, "fresh 2 due 0 pending 0 failing 0 conflict 0 excluded 0");
}

/* Where one gets through the others will, however long they meant to wait. */
static void test_errors_of_the_watches(void **state)
{
        Fixture *f = *state;
        unsigned before;

        script_answer(await(f, SECRETS), "429 Too Many Requests", "Retry-After: 3600\r\n", "slow down");
        script_until(&f->script, *cluster_error(f->cluster));
        assert_string_equal(cluster_error(f->cluster), "HTTP status 429: slow down");
        script_answer(await(f, NAMESPACES), "500 Internal Server Error", "",
                      SCRIPT_STATUS(500, "InternalError", ""));
        script_until(&f->script, streq(cluster_error(f->cluster), "it is InternalError"));
        assert_int_equal(cluster_failures(f->cluster), 1);
        before = f->n_changed;
        list_namespaces(f, NAMESPACE("team-a"));
        list_secrets(f, SCRIPT_SECRET("team-a", "5", NEXT_ID));
        script_rest(&f->script);
        assert_string_equal(cluster_error(f->cluster), "");
        assert_int_equal(cluster_failures(f->cluster), 0);
        assert_true(f->n_changed > before);
        expect_summary(f, "fresh 1 due 0 pending 0 failing 0 conflict 0 excluded 0");
}

static void test_errors_of_the_writer(void **state)
{
        Fixture *f = *state;

        list_namespaces(f, NAMESPACE("team-a"));
        list_secrets(f, "");
        script_answer(await(f, APPLY("team-a")), "503 Service Unavailable", "", "away");
        script_until(&f->script, cluster_failures(f->cluster) == 1);
        assert_string_equal(cluster_error(f->cluster), "HTTP status 503: away");
        expect_summary(f, "fresh 0 due 0 pending 1 failing 0 conflict 0 excluded 0");
        settle(f, APPLY("team-a"), SCRIPT_SECRET("team-a", "11", NEXT_ID));
        assert_string_equal(cluster_error(f->cluster), "");
        assert_int_equal(cluster_failures(f->cluster), 0);
}

/* --- a reload ------------------------------------------------------------------------------------------ */

/* The rules are applied to what is known, and nobody is asked again. */
static void test_a_reload_applies_the_rules(void **state)
{
        static char *all[] = { (char *) "*", NULL }, *team_a[] = { (char *) "team-a", NULL };
        ConfNamespaces rules = { .blacklist = team_a, .include = all };
        Fixture *f = *state;
        ClusterConfig config = f->config;
        unsigned requests;

        list_namespaces(f, NAMESPACE("team-a") "," NAMESPACE("kube-a") "," SCRIPT_OBJECT(
                                   "kube-b", "5", ",\"annotations\":{\"eatr/ignore\":\"true\"}"));
        list_secrets(f, SCRIPT_SECRET("team-a", "5", NEXT_ID));
        expect_summary(f, "fresh 1 due 0 pending 0 failing 0 conflict 0 excluded 2");
        expect_writes(f, 0);
        requests = f->script.n_requests;

        config.namespaces = &rules;
        cluster_reload(f->cluster, &config);
        expect_writes(f, 1);
        settle(f, APPLY("kube-a") " ", SCRIPT_SECRET("kube-a", "11", NEXT_ID));
        expect_summary(f, "fresh 1 due 0 pending 0 failing 0 conflict 0 excluded 2");
        assert_int_equal(f->script.n_requests, requests + 1);
        assert_int_equal(cluster_stats(f->cluster)->latency.count, 0);

        /* A namespace that is added later is judged by the new ones, too. */
        script_chunk(f->namespaces, SCRIPT_EVENT("ADDED", NAMESPACE("kube-c")));
        settle(f, APPLY("kube-c") " ", SCRIPT_SECRET("kube-c", "12", NEXT_ID));
        f->cluster = cluster_free(f->cluster);
}

static void test_labels_decide(void **state)
{
        Fixture *f = *state;
        char why[MATCH_EXPLANATION_MAX];
        ClusterSummary s;

        select_labels(&f->rules, "env=prod");
        list_secrets(f, "");
        list_namespaces(f, LABELLED("team-a", "5", "prod") "," LABELLED("team-b", "5", "test"));
        settle(f, APPLY("team-a") " ", SCRIPT_SECRET("team-a", "11", NEXT_ID));
        expect_writes(f, 0);
        cluster_summary(f->cluster, &s);
        assert_int_equal(s.by_verdict[MATCH_NOT_SELECTED], 1);
        script_chunk(f->namespaces, SCRIPT_EVENT("MODIFIED", LABELLED("team-b", "12", "prod")));
        settle(f, APPLY("team-b") " ", SCRIPT_SECRET("team-b", "13", NEXT_ID));
        assert_int_equal(cluster_stats(f->cluster)->latency.count, 1); /* as that of a new one */
        script_chunk(f->namespaces, SCRIPT_EVENT("MODIFIED", LABELLED("team-a", "14", "test")));
        expect_summary(f, "fresh 1 due 0 pending 0 failing 0 conflict 0 excluded 1");
        assert_string_equal(judge_explain(&f->rules, targets_find(cluster_targets(f->cluster), "team-a"), why),
                            "label_selector asks for \"env=prod\"");
}

/* The labels have to be asked for again; meanwhile the other rules hold, and the selector takes nobody in.
 */
static void test_a_reload_brings_another_selector(void **state)
{
        static char *team_b[] = { (char *) "team-b", NULL };
        Fixture *f = *state;
        ClusterConfig config = f->config;
        ConfNamespaces rules = { .blacklist = team_b, .include = include }, same;
        ScriptPeer *p;

        select_labels(&f->rules, "env=prod");
        list_secrets(f, SCRIPT_SECRET("team-a", "5", NEXT_ID));
        list_namespaces(f, LABELLED("team-a", "5", "prod") "," LABELLED("team-b", "5", "prod") "," LABELLED(
                                   "team-c", "5", "test"));
        settle(f, APPLY("team-b") " ", SCRIPT_SECRET("team-b", "11", NEXT_ID));
        expect_summary(f, "fresh 2 due 0 pending 0 failing 0 conflict 0 excluded 1");

        select_labels(&rules, "env in (test)");
        config.namespaces = &rules;
        cluster_reload(f->cluster, &config);
        expect_summary(f, "fresh 1 due 0 pending 0 failing 0 conflict 0 excluded 2");
        p = await(f, NAMESPACES "resourceVersion=10 ");
        script_chunk(f->secrets, SCRIPT_EVENT("DELETED", SCRIPT_SECRET("team-b", "12", NEXT_ID)));
        expect_writes(f, 0);

        /* Once more, with the same selector: what has been listed by now is of no use. */
        same = rules;
        same.blacklist = blacklist;
        config.namespaces = &same;
        cluster_reload(f->cluster, &config);
        script_rest(&f->script);
        assert_int_equal(p->fd, -1);
        list_namespaces(f, LABELLED("team-a", "5", "prod") "," LABELLED("team-b", "5", "prod") "," LABELLED(
                                   "team-c", "5", "test"));
        settle(f, APPLY("team-c") " ", SCRIPT_SECRET("team-c", "13", NEXT_ID));
        expect_writes(f, 0);
        expect_summary(f, "fresh 1 due 0 pending 0 failing 0 conflict 0 excluded 2");

        /* Nothing is asked for the same selector, nor for none. */
        cluster_reload(f->cluster, &config);
        rules = same;
        rules.label_selector = NULL;
        config.namespaces = &rules;
        cluster_reload(f->cluster, &config);
        expect_writes(f, 1); /* team-b; team-a has its Secret */
        assert_int_equal(script_waiting(&f->script, NAMESPACES "resourceVersion", NULL), 0);
        assert_int_equal(cluster_relists(f->cluster), 1);
        f->cluster = cluster_free(f->cluster);
        (void) label_selector_free(same.label_selector);
}

static void test_a_successor_counts_on(void **state)
{
        Fixture *f = *state;
        Cluster *old;

        list_namespaces(f, NAMESPACE("team-a"));
        list_secrets(f, "");
        settle(f, APPLY("team-a") " ", SCRIPT_SECRET("team-a", "11", NEXT_ID));
        expire(f->namespaces);
        list_namespaces(f, NAMESPACE("team-a"));
        script_until(&f->script, cluster_relists(f->cluster) == 1);

        old = f->cluster;
        f->cluster = NULL;
        make(f);
        assert_int_equal(cluster_relists(f->cluster), 0);
        cluster_take_over(f->cluster, old);
        assert_int_equal(cluster_relists(f->cluster), 1);
        assert_int_equal(cluster_watch_restarts(f->cluster), cluster_watch_restarts(old));
        assert_int_equal(cluster_stats(f->cluster)->renewed, cluster_stats(old)->renewed);
        assert_int_equal(cluster_stats(f->cluster)->renewed, 1);
        assert_int_equal(cluster_kube_stats(f->cluster)->writes.count, 1);
        (void) cluster_free(old);
}

/* --- the rest ------------------------------------------------------------------------------------------ */

static void test_a_new_token(void **state)
{
        static char large[3U * 1024 * 1024];
        Fixture *f = *state;
        Auths later = f->auths;

        list_namespaces(f, NAMESPACE("team-a") "," NAMESPACE("kube-system"));
        list_secrets(f,
                     SCRIPT_SECRET("team-a", "5", NEXT_ID) "," SCRIPT_SECRET("kube-system", "5", NEXT_ID));
        expect_writes(f, 0);
        memcpy(later.id, "aaaaaaaadddddddd", sizeof(later.id));
        assert_return_code(cluster_set_auths(f->cluster, &later), 0);
        assert_request(await(f, APPLY("team-a") "&force=true "), "\"eatr/token-id\":\"aaaaaaaadddddddd\"");
        expect_writes(f, 0);
        expect_summary(f, "fresh 0 due 1 pending 0 failing 0 conflict 0 excluded 1");
        memset(large, 'A', sizeof(large) - 1);
        f->item.value = large;
        assert_int_equal(cluster_set_auths(f->cluster, &f->auths), -EMSGSIZE);
        f->cluster = cluster_free(f->cluster);
}

/* Each namespace is looked at once in a while, whatever happens. */
static void test_resync(void **state)
{
        Fixture *f = *state;
        unsigned before;

        f->renewal.informers_resync_interval = 20 * USEC_PER_MSEC;
        make(f);
        list_namespaces(f, NAMESPACE("team-a"));
        list_secrets(f, SCRIPT_SECRET("team-a", "5", NEXT_ID));
        before = f->n_changed;
        script_until(&f->script, f->n_changed > before + 5);
        assert_int_equal(script_waiting(&f->script, "PATCH ", NULL), 0);
}

static void test_stalled(void **state)
{
        Fixture *f = *state;

        for (unsigned i = 0; i < 3; i++) {
                assert_false(cluster_stalled(f->cluster, clock_boottime()));
                assert_true(cluster_stalled(f->cluster, clock_boottime() + USEC_PER_HOUR));
                if (i == 0)
                        list_namespaces(f, NAMESPACE("team-a"));
                else if (i == 1)
                        list_secrets(f, "");
        }
}

/* --- service accounts -------------------------------------------------------------------------------- */

#define ACCOUNTS "GET /api/v1/serviceaccounts?fieldSelector=metadata.name%3Ddefault&"
#define ACCOUNT_PATH(namespace) "/api/v1/namespaces/" namespace "/serviceaccounts"
#define ACCOUNT(namespace, version, more)                                                             \
        "{\"kind\":\"ServiceAccount\",\"metadata\":{\"namespace\":\"" namespace                          \
        "\",\"name\":\"default\",\"resourceVersion\":\"" version "\"}" more "}"
#define ACCOUNT_DONE(namespace, version) \
        ACCOUNT(namespace, version, ",\"imagePullSecrets\":[{\"name\":\"ecr\"}]")
#define ACCOUNT_LIST(items)                                                        \
        "{\"kind\":\"ServiceAccountList\",\"metadata\":{\"resourceVersion\":\"10\"}," \
        "\"items\":[" items "]}"

static void test_service_accounts_are_told_of_the_namespaces(void **state)
{
        static char *accounts[] = { (char *) "default", NULL }, *none[] = { NULL };
        Fixture *f = *state;
        const AccountStats *s;
        ScriptPeer *watch;

        f->config.service_accounts = accounts;
        make(f);
        s = accounts_stats(cluster_accounts(f->cluster));
        list_namespaces(f, NAMESPACE("team-old") "," NAMESPACE("elsewhere"));
        list_secrets(f, SCRIPT_SECRET("team-old", "5", NEXT_ID));
        assert_false(cluster_settled(f->cluster, 1));
        watch = list(f, ACCOUNTS "resourceVersion=",
                     ACCOUNT_LIST(ACCOUNT("team-old", "5", "") "," ACCOUNT("elsewhere", "5", "")),
                     ACCOUNTS "watch=1&");
        expect_writes(f, 1);
        assert_false(cluster_settled(f->cluster, 1));
        assert_int_equal(cluster_in_flight(f->cluster), 1);
        script_answer(await(f, "PATCH " ACCOUNT_PATH("team-old") "/default?"), "200 OK", "",
                      ACCOUNT_DONE("team-old", "11"));
        script_until(&f->script, s->added == 1 && cluster_settled(f->cluster, 1));

        /* What a list shows is not new. */
        script_chunk(f->namespaces, SCRIPT_EVENT("ADDED", NAMESPACE("team-new")));
        script_answer(await(f, "POST " ACCOUNT_PATH("team-new") "?"), "201 Created", "",
                      ACCOUNT_DONE("team-new", "12"));
        script_until(&f->script, s->added == 2);
        settle(f, APPLY("team-new"), SCRIPT_SECRET("team-new", "13", NEXT_ID));
        expire(f->namespaces);
        list_namespaces(f, NAMESPACE("team-old") "," NAMESPACE("team-missed"));
        settle(f, APPLY("team-missed"), SCRIPT_SECRET("team-missed", "14", NEXT_ID));
        assert_int_equal(script_waiting(&f->script, "POST ", NULL), 0);
        script_chunk(watch, SCRIPT_EVENT("ADDED", ACCOUNT("team-missed", "15", "")));
        script_answer(await(f, "PATCH " ACCOUNT_PATH("team-missed") "/default?"), "200 OK", "",
                      ACCOUNT_DONE("team-missed", "16"));
        script_until(&f->script, s->added == 3);
        assert_int_equal(cluster_relists(f->cluster), 1);

        f->config.service_accounts = none;
        cluster_reload(f->cluster, &f->config);
        script_until(&f->script, watch->fd < 0);
        f->config.service_accounts = accounts;
        cluster_reload(f->cluster, &f->config);
        (void) list(f, ACCOUNTS "resourceVersion=", ACCOUNT_LIST(ACCOUNT("team-old", "17", "")),
                    ACCOUNTS "watch=1&");
        expect_writes(f, 1); /* the namespaces have been told of again */
        cluster_stop(f->cluster);
        script_answer(await(f, "PATCH " ACCOUNT_PATH("team-old") "/default?"), "200 OK", "",
                      ACCOUNT_DONE("team-old", "18"));
        script_until(&f->script, cluster_in_flight(f->cluster) == 0);
}

/* At any point; the sanitizers see to it that nothing is left. */
static void test_freed(void **state)
{
        Fixture *f = *state;

        for (unsigned i = 0; i < 4; i++) {
                if (i >= 1)
                        list_namespaces(f, NAMESPACE("team-a"));
                if (i >= 2)
                        list_secrets(f, SCRIPT_SECRET("team-b", "5", NEXT_ID));
                if (i >= 3)
                        (void) await(f, APPLY("team-a"));
                make(f);
        }
        script_rest(&f->script);
        assert_int_equal(script_waiting(&f->script, "PATCH ", NULL), 0);
        assert_null(cluster_free(NULL));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(test_the_first_pass),
                TEST(test_settled_after_tries),
                TEST(test_namespaces_come_and_go),
                TEST(test_what_happens_to_a_secret_is_healed),
                TEST(test_a_secret_that_goes_is_settled),
                TEST(test_what_falls_out_is_deleted),
                TEST(test_a_secret_seen_before_its_namespace),
                TEST(test_a_secret_seen_before_the_end_of_the_namespace_before),
                TEST(test_odd_objects),
                TEST(test_what_a_new_list_lacks_is_gone),
                TEST(test_a_list_that_is_older_than_a_write),
                TEST(test_half_a_list_takes_nothing_away),
                TEST(test_errors_of_the_watches),
                TEST(test_errors_of_the_writer),
                TEST(test_a_reload_applies_the_rules),
                TEST(test_labels_decide),
                TEST(test_a_reload_brings_another_selector),
                TEST(test_a_successor_counts_on),
                TEST(test_a_new_token),
                TEST(test_resync),
                TEST(test_stalled),
                TEST(test_service_accounts_are_told_of_the_namespaces),
                TEST(test_freed),
        };

        return cmocka_run_group_tests_name("cluster", tests, script_group_setup, script_group_teardown);
}
