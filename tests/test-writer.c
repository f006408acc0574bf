/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "clock.h"
#include "kube-client.h"

#include <errno.h>

/* Time stands still until a test moves it on, far from where a timer would fire; 0: it goes on as ever. */
static usec_t frozen;

static usec_t test_boottime(void)
{
        return frozen > 0 ? frozen : clock_boottime();
}

/* Requests that cannot even be begun. */
static unsigned n_refused;

static int test_request(KubeClient *c, const KubeSpec *spec, kube_done_t done, void *userdata,
                        KubeRequest **ret)
{
        if (n_refused == 0)
                return kube_client_request(c, spec, done, userdata, ret);
        n_refused--;
        return -ENOMEM;
}

#define clock_boottime test_boottime
#define kube_client_request test_request
#include "writer-request.c"
#include "writer.c"
#undef clock_boottime
#undef kube_client_request

#include "kube-script.h"

#define ID "aaaaaaaabbbbbbbb"
#define NEXT_ID "aaaaaaaacccccccc"
#define OTHER_ID "aaaaaaaadddddddd"
#define INSPECT(name) "GET /api/v1/namespaces/" name "/secrets/ecr?includeObject=None "
#define DELETE(name) "DELETE /api/v1/namespaces/" name "/secrets/ecr "
#define APPLY(name) "PATCH /api/v1/namespaces/" name "/secrets/ecr?fieldManager=eatr"

/* --- a table and its writer ---------------------------------------------------------------------------- */

typedef struct Fixture {
        sd_event *event;
        Script script;
        KubeConfig kube;
        KubeAuth *auth;
        ConfRenewal renewal;
        WriterConfig config;
        KubeStats kube_stats;
        Auth item;
        Auths auths, next; /* next: half a life later, when what holds the first is due */
        Targets *targets;
        KubeClient *client;
        Lanes lanes;
        Writer *writer;
        unsigned n_changed;
} Fixture;

static void on_test_changed(void *userdata)
{
        Fixture *f = userdata;

        f->n_changed++;
}

static void drop(Fixture *f)
{
        f->targets = targets_free(f->targets);
        f->writer = writer_free(f->writer);
        f->client = kube_client_free(f->client);
}

/* Makes the writer anew, for a test with limits of its own. */
static void make(Fixture *f, Auths *auths)
{
        drop(f);
        f->lanes = (Lanes){ 0 };
        lanes_configure(&f->lanes, &f->renewal);
        assert_return_code(targets_new(&f->targets), 0);
        assert_return_code(kube_client_new(f->event, f->auth, &f->kube_stats, &f->client), 0);

        const WriterParts parts = { .targets = f->targets, .client = f->client, .lanes = &f->lanes };
        assert_return_code(writer_new(f->event, &f->config, &parts, on_test_changed, f, &f->writer), 0);
        if (auths)
                assert_return_code(writer_set_auths(f->writer, auths), 0);
}

static int set_up(void **state)
{
        Fixture *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        n_refused = 0;
        frozen = clock_boottime() + USEC_PER_DAY;
        f->item = (Auth){ .host = (char *) "0.dkr.ecr.eu-west-1.amazonaws.com", .value = "QVdTOng=" };
        f->auths = (Auths){ .n_ref = 1,
                            .items = &f->item,
                            .n = 1,
                            .id = ID,
                            .issued = SCRIPT_WALL,
                            .expires = SCRIPT_WALL + 12 * USEC_PER_HOUR,
                            .received_boottime = frozen };
        f->next = f->auths;
        memcpy(f->next.id, NEXT_ID, sizeof(NEXT_ID));
        f->next.issued += 6 * USEC_PER_HOUR;
        f->next.expires += 6 * USEC_PER_HOUR;
        assert_return_code(sd_event_new(&f->event), 0);
        script_begin(&f->script, f->event);
        f->kube.server = f->script.url;
        assert_return_code(kube_auth_new(f->event, &f->kube, &f->auth), 0);
        f->renewal.max_in_flight = 16;
        f->config = (WriterConfig){ .secret_name = "ecr", .renewal = &f->renewal };
        make(f, &f->auths);
        *state = f;
        return 0;
}

static int tear_down(void **state)
{
        Fixture *f = *state;

        drop(f);
        f->auth = kube_auth_free(f->auth);
        assert_int_equal(f->auths.n_ref + f->next.n_ref, 2);
        script_end(&f->script);
        (void) sd_event_unref(f->event);
        free(f);
        return 0;
}

static Node *add(Fixture *f, const char *name)
{
        Node *n = targets_add(f->targets, name);

        assert_non_null(n);
        n->exists = true;
        writer_mark_dirty(f->writer, n);
        return n;
}

/* A watch shows the Secret; NULL: it is gone. */
static void observe(Fixture *f, Node *n, const char *text)
{
        _cleanup_json_ cJSON *object = NULL;
        KubeSecret secret;

        if (text) {
                assert_return_code(json_parse(text, strlen(text), 65536, &object), 0);
                kube_secret_read(object, &secret);
        }
        plan_observe(&n->target, text ? &secret : NULL, 1000);
        writer_mark_dirty(f->writer, n);
}

static Node *add_old(Fixture *f, const char *name)
{
        Node *n = add(f, name);

        observe(f, n, SCRIPT_SECRET("", "5", ID));
        return n;
}

/* Time goes by, and all that may be waiting for it is looked at. */
static void advance(Fixture *f, usec_t by)
{
        frozen += by;
        TARGETS_FOREACH (n, next, f->targets)
                writer_mark_dirty(f->writer, n);
}

static ScriptPeer *await(const Fixture *f, const char *start)
{
        return script_await(&f->script, start);
}

static bool is_good(const Fixture *f, const Node *n)
{
        return plan_secret_is_good(&n->target.secret, writer_auths(f->writer), frozen);
}

/* Waits until so many writes wait for an answer; no more come. */
static void expect_writes(const Fixture *f, unsigned n)
{
        script_until(&f->script, script_waiting(&f->script, "PATCH ", NULL) >= n);
        script_rest(&f->script);
        assert_int_equal(script_waiting(&f->script, "PATCH ", NULL), n);
}

/* A write is well, with a new Secret or without. */
static void settle(Fixture *f, ScriptPeer *p, const char *body)
{
        const WriterStats *s = writer_stats(f->writer);
        uint64_t before = s->created + s->renewed + s->healed;

        script_answer(p, strstr(body, ID) ? "201 Created" : "200 OK", "", body);
        script_until(&f->script, s->created + s->renewed + s->healed > before);
        script_rest(&f->script);
}

#define CREATED(version) SCRIPT_SECRET("", version, ID)
#define RENEWED(version) SCRIPT_SECRET("", version, NEXT_ID)

/* --- a write ------------------------------------------------------------------------------------------- */

static void test_a_missing_secret_is_created(void **state)
{
        Fixture *f = *state;
        const WriterStats *s = writer_stats(f->writer);
        Node *n = add(f, "team-a");
        ScriptPeer *p;

        n->appeared = frozen - 2 * USEC_PER_SEC;
        expect_writes(f, 0); /* not before the start */
        assert_int_equal(f->n_changed, 0);
        writer_start(f->writer);
        p = await(f, APPLY("team-a") " HTTP/1.1\r\n"); /* never by force */
        assert_request(p, "\r\nContent-Type: application/apply-patch+yaml\r\n");
        assert_request(p, "\r\nAccept: application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1\r\n");
        assert_request(p, "\"name\":\"ecr\"");
        assert_request(p, "\"eatr/token-id\":\"" ID "\"");
        assert_int_equal(n->place, NODE_IN_FLIGHT);
        assert_false(is_good(f, n));
        assert_int_equal(s->last_write, 0);
        settle(f, p, CREATED("7"));
        expect_writes(f, 0);
        assert_int_equal(n->place, NODE_IDLE);
        assert_int_equal(n->plan.reason, PLAN_FRESH);
        assert_int_equal(n->target.secret.resource_version, 7);
        assert_true(is_good(f, n));
        assert_int_equal(s->created, 1);
        assert_int_equal(s->renewed + s->healed + s->failed, 0);
        assert_in_range(s->last_write, clock_now() - USEC_PER_MINUTE, clock_now());
        assert_int_equal(s->latency.count, 1);
        assert_int_equal(s->latency.sum, 2 * USEC_PER_SEC);
        assert_int_equal(f->kube_stats.writes.count, 1);
        assert_true(f->n_changed > 0);
        assert_string_equal(f->lanes.error, "");
        assert_false(writer_stalled(f->writer, frozen + USEC_PER_HOUR));
}

/* No Secret without a token, nor with one that has run out. */
static void test_only_a_good_token_is_written(void **state)
{
        Fixture *f = *state;

        make(f, NULL);
        writer_start(f->writer);
        (void) add(f, "a");
        expect_writes(f, 0);
        assert_return_code(writer_set_auths(f->writer, &f->auths), 0);
        settle(f, await(f, APPLY("a")), CREATED("7"));
        advance(f, 12 * USEC_PER_HOUR);
        (void) add(f, "b");
        expect_writes(f, 0);
        assert_false(is_good(f, targets_find(f->targets, "a")));
}

static void test_what_was_changed_is_healed(void **state)
{
        Fixture *f = *state;
        const WriterStats *s = writer_stats(f->writer);
        Node *n = add_old(f, "a");

        writer_start(f->writer);
        expect_writes(f, 0);
        observe(f, n, SCRIPT_EDITED("", "8", ID));
        settle(f, await(f, APPLY("a") "&force=true "), SCRIPT_SECRET("", "9", ID));
        assert_int_equal(s->healed, 1);
        observe(f, n, NULL);
        settle(f, await(f, APPLY("a") " "), SCRIPT_SECRET("", "1001", ID)); /* whose would it be by force? */
        assert_int_equal(s->healed, 2);
        assert_int_equal(s->renewed, 0);
        assert_int_equal(n->plan.reason, PLAN_FRESH);
        observe(f, n, SCRIPT_FOREIGN("", "2000"));
        expect_writes(f, 0);
        assert_int_equal(n->plan.reason, PLAN_FOREIGN);
}

/* By force is changed what was seen. If it has gone meanwhile, so has the force. */
static void test_what_is_changed_by_force_is_what_was_seen(void **state)
{
        static const char other[] =
                "{\"message\":\"metadata.uid: Invalid value: \\\"ours\\\": field is immutable\",\"details\":{"
                "\"causes\":[{\"field\":\"metadata.uid\"}]}}";
        static const char none[] =
                "{\"message\":\"uid mismatch: the provided object specified uid ours, and no existing object was "
                "found\"}";
        static const char *const answers[][2] = { { "422 Unprocessable Entity", other },
                                                  { "409 Conflict", none } };
        Fixture *f = *state;
        Node *n = add_old(f, "a");

        writer_start(f->writer);
        for (size_t i = 0; i < ELEMENTSOF(answers); i++) {
                ScriptPeer *p;

                observe(f, n, SCRIPT_EDITED("", "2000", ID));
                p = await(f, APPLY("a") "&force=true ");
                assert_request(p, "\"kind\":\"Secret\",\"metadata\":{\"uid\":\"ours\",\"labels\"");
                script_answer(p, answers[i][0], "", answers[i][1]);
                script_until(&f->script, n->plan.reason == PLAN_BACKOFF);
                assert_int_equal(n->target.refusal, PLAN_REFUSED_NOTHING);
                advance(f, USEC_PER_SEC);
                p = await(f, APPLY("a") " ");
                assert_false(script_has(p, "\"uid\""));
                settle(f, p, SCRIPT_SECRET("", "2000", ID));
        }
}

static void test_a_new_token_makes_all_dirty(void **state)
{
        static char large[3U * 1024 * 1024];
        Auth item = { .host = (char *) "a", .value = large };
        Fixture *f = *state;
        const WriterStats *s = writer_stats(f->writer);
        Auths too_large = f->next;
        ScriptPeer *p;

        writer_start(f->writer);
        (void) add_old(f, "a");
        (void) add_old(f, "b");
        add_old(f, "only-its-secret-is-known")->exists = false;
        expect_writes(f, 0);
        assert_return_code(writer_set_auths(f->writer, &f->next), 0);
        for (unsigned i = 0; i < 2; i++) {
                p = await(f, "PATCH ");
                assert_request(p, "/secrets/ecr?fieldManager=eatr&force=true ");
                assert_request(p, "\"eatr/token-id\":\"" NEXT_ID "\"");
                settle(f, p, RENEWED("9"));
        }
        expect_writes(f, 0);
        assert_int_equal(s->renewed, 2);
        assert_int_equal(s->created + s->healed, 0);
        assert_int_equal(s->latency.count, 0);

        /* One that cannot be written leaves the old one in force. */
        memset(large, 'A', sizeof(large) - 1);
        too_large.items = &item;
        assert_int_equal(writer_set_auths(f->writer, &too_large), -EMSGSIZE);
        assert_int_equal(too_large.n_ref, 1);
        (void) add(f, "c");
        assert_request(await(f, APPLY("c")), "\"eatr/token-id\":\"" NEXT_ID "\"");
}

/* What the watch shows meanwhile is newer than the answer: it is planned again. */
static void test_a_change_while_in_flight(void **state)
{
        Fixture *f = *state;
        Node *n = add(f, "a");
        ScriptPeer *p;

        writer_start(f->writer);
        p = await(f, APPLY("a") " ");
        observe(f, n, SCRIPT_EDITED("", "50", ID));
        expect_writes(f, 0);
        script_answer(p, "201 Created", "", CREATED("40"));
        settle(f, await(f, APPLY("a") "&force=true "), SCRIPT_SECRET("", "60", ID));
        assert_int_equal(n->plan.reason, PLAN_FRESH);
        assert_int_equal(n->target.secret.resource_version, 60);
        expect_writes(f, 0);
}

/* --- other people's, and those that nobody wants ------------------------------------------------------- */

/* The script's Secret, with eatr's label and data. */
static Node *add_excluded(Fixture *f, const char *name)
{
        Node *n = add_old(f, name);

        n->target.verdict = MATCH_BLACKLISTED;
        return n;
}

static void configure_anew(Fixture *f, ConfConflict on_conflict, ConfExclude on_exclude)
{
        f->config.on_conflict = on_conflict;
        f->config.on_exclude = on_exclude;
        writer_reload(f->writer, &f->config);
}

/* No request waits for an answer. */
static void expect_nothing(const Fixture *f)
{
        script_rest(&f->script);
        assert_int_equal(script_waiting(&f->script, "", NULL), 0);
}

static void test_a_strangers_is_looked_at_once(void **state)
{
        Fixture *f = *state;
        Node *n = add(f, "a");
        ScriptPeer *p;

        n->appeared = frozen;
        observe(f, n, SCRIPT_FOREIGN("", "8"));
        writer_start(f->writer);
        p = await(f, INSPECT("a"));
        assert_request(p, "\r\nAccept: application/json;as=Table;g=meta.k8s.io;v=v1\r\n");
        script_answer(p, "200 OK", "", SCRIPT_TABLE("Opaque"));
        script_until(&f->script, n->target.inspected);
        assert_string_equal(n->target.type, "Opaque");
        assert_int_equal(n->plan.reason, PLAN_FOREIGN);
        assert_int_equal(n->appeared, 0);

        /* Neither another version nor time nor a reload is a reason to look again; another Secret is. */
        observe(f, n, SCRIPT_FOREIGN("", "9"));
        advance(f, USEC_PER_DAY / 4);
        configure_anew(f, CONF_CONFLICT_SKIP, CONF_EXCLUDE_DELETE);
        expect_nothing(f);
        observe(f, n, NULL);
        observe(f, n, SCRIPT_OBJECT("ecr", "2000", ",\"uid\":\"another\""));
        script_answer(await(f, INSPECT("a")), "403 Forbidden", "", SCRIPT_STATUS(403, "Forbidden", ""));
        script_until(&f->script, n->target.inspected);
        assert_string_equal(n->target.type, "");
        expect_nothing(f);
        assert_int_equal(writer_stats(f->writer)->failed, 0);
}

/* The answer is about the one that was asked for; and what the server as a whole refuses is asked again. */
static void test_a_look_that_comes_to_nothing(void **state)
{
        Fixture *f = *state;
        Node *n = add(f, "a");
        ScriptPeer *p;

        observe(f, n, SCRIPT_FOREIGN("", "8"));
        writer_start(f->writer);
        p = await(f, INSPECT("a"));
        observe(f, n, SCRIPT_OBJECT("ecr", "9", ",\"uid\":\"another\""));
        script_answer(p, "200 OK", "", SCRIPT_TABLE("Opaque"));
        p = await(f, INSPECT("a"));
        assert_false(n->target.inspected);
        script_answer(p, "503 Service Unavailable", "", "");
        script_until(&f->script, f->lanes.failures == 1);
        assert_false(n->target.inspected);
        advance(f, USEC_PER_MINUTE);
        script_answer(await(f, INSPECT("a")), "200 OK", "", SCRIPT_TABLE("a/b"));
        script_until(&f->script, n->target.inspected);
        assert_string_equal(n->target.type, "a/b");
        expect_nothing(f);
}

static void test_a_strangers_is_adopted(void **state)
{
        Fixture *f = *state;
        const WriterStats *s = writer_stats(f->writer);
        Node *n = add(f, "a");

        configure_anew(f, CONF_CONFLICT_ADOPT, CONF_EXCLUDE_KEEP);
        observe(f, n, SCRIPT_FOREIGN("", "8"));
        writer_start(f->writer);
        script_answer(await(f, APPLY("a") "&force=true "), "200 OK", "", CREATED("9"));
        script_until(&f->script, s->adopted == 1);
        expect_nothing(f);
        assert_int_equal(n->plan.reason, PLAN_FRESH);
        assert_int_equal(s->created + s->renewed + s->healed + s->failed, 0);
}

#define OTHER_TYPE                                                         \
        "{\"message\":\"Secret is invalid: type: Invalid value: field is " \
        "immutable\",\"details\":{\"causes\":"                             \
        "[{\"field\":\"type\"}]}}"

static void test_a_strangers_that_cannot_be_adopted(void **state)
{
        Fixture *f = *state;
        const WriterStats *s = writer_stats(f->writer);
        Node *n = add(f, "a");
        ScriptPeer *p;

        configure_anew(f, CONF_CONFLICT_ADOPT, CONF_EXCLUDE_KEEP);
        observe(f, n, SCRIPT_FOREIGN("", "8"));
        writer_start(f->writer);
        script_answer(await(f, APPLY("a") "&force=true "), "422 Unprocessable Entity", "", OTHER_TYPE);
        script_answer(await(f, INSPECT("a")), "200 OK", "", SCRIPT_TABLE("Opaque"));
        script_until(&f->script, n->target.inspected);
        expect_nothing(f);
        assert_int_equal(n->plan.reason, PLAN_REFUSED);
        assert_int_equal(n->target.refusal, PLAN_REFUSED_TYPE);

        /* It is deleted on demand, that one alone, and another one made. */
        configure_anew(f, CONF_CONFLICT_RECREATE, CONF_EXCLUDE_KEEP);
        p = await(f, DELETE("a"));
        assert_request(p, "\r\nContent-Type: application/json\r\n");
        assert_request(p, "\r\nAccept: application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1\r\n");
        assert_request(
                p, "{\"preconditions\":{\"uid\":\"theirs\",\"resourceVersion\":\"8\"},\"apiVersion\":\"v1\","
                   "\"kind\":\"DeleteOptions\"}");
        assert_int_equal(s->recreated, 0);
        script_answer(p, "200 OK", "", SCRIPT_GONE);
        settle(f, await(f, APPLY("a") " "), CREATED("10"));
        assert_int_equal(s->recreated, 1);
        assert_int_equal(s->created, 1);
        assert_int_equal(s->deleted + s->healed + s->adopted, 0);
        assert_int_equal(n->plan.reason, PLAN_FRESH);
        assert_false(n->target.inspected);
        expect_nothing(f);
}

static void test_an_own_one_that_is_immutable_is_replaced(void **state)
{
        static const char body[] =
                "{\"message\":\"data: Forbidden: field is immutable when `immutable` is set\"}";
        Fixture *f = *state;
        Node *n = add_old(f, "a");

        configure_anew(f, CONF_CONFLICT_RECREATE, CONF_EXCLUDE_KEEP);
        writer_start(f->writer);
        expect_nothing(f);
        assert_return_code(writer_set_auths(f->writer, &f->next), 0);
        script_answer(await(f, APPLY("a") "&force=true "), "422 Unprocessable Entity", "", body);
        script_answer(await(f, DELETE("a")), "200 OK", "", SCRIPT_GONE);
        settle(f, await(f, APPLY("a") " "), CREATED("10"));
        assert_int_equal(n->target.refusal, PLAN_REFUSED_NOTHING);
        assert_int_equal(writer_stats(f->writer)->healed, 0);
}

/* Whatever is told first: the deletion, its answer, or that somebody made another one meanwhile. */
static void test_a_delete_and_what_is_seen_of_it(void **state)
{
        Fixture *f = *state;
        const WriterStats *s = writer_stats(f->writer);
        Node *n = add_excluded(f, "a");
        ScriptPeer *p;

        writer_start(f->writer);
        expect_nothing(f);
        assert_int_equal(n->plan.reason, PLAN_KEPT);
        configure_anew(f, CONF_CONFLICT_SKIP, CONF_EXCLUDE_DELETE);
        script_answer(await(f, DELETE("a")), "200 OK", "", SCRIPT_GONE);
        script_until(&f->script, s->deleted == 1);
        observe(f, n, SCRIPT_SECRET("", "5", ID)); /* late news */
        expect_nothing(f);
        assert_false(n->target.secret.exists);
        plan_observe(&n->target, NULL, 6);
        observe(f, n, SCRIPT_SECRET("", "5", ID));
        expect_nothing(f);

        /* The next one, whose deletion is seen before it is answered, and with it another one. */
        observe(f, n, SCRIPT_SECRET("", "20", ID));
        p = await(f, DELETE("a"));
        assert_request(p, "\"resourceVersion\":\"20\"");
        plan_observe(&n->target, NULL, 21);
        observe(f, n, SCRIPT_SECRET("", "22", ID));
        script_answer(p, "200 OK", "", SCRIPT_GONE);
        p = await(f, DELETE("a"));
        assert_request(p, "\"resourceVersion\":\"22\"");
        /* Wanted again before that is answered. */
        n->target.verdict = MATCH_WANTED;
        script_answer(p, "200 OK", "", SCRIPT_GONE);
        settle(f, await(f, APPLY("a") " "), CREATED("30"));
        assert_int_equal(s->deleted, 3);
        assert_int_equal(s->healed, 0);
}

static void test_a_delete_that_fails(void **state)
{
        Fixture *f = *state;
        const WriterStats *s = writer_stats(f->writer);
        Node *n = add_excluded(f, "a");

        configure_anew(f, CONF_CONFLICT_SKIP, CONF_EXCLUDE_DELETE);
        writer_start(f->writer);
        /* Another version is there, which will be seen. */
        script_answer(await(f, DELETE("a")), "409 Conflict", "", SCRIPT_STATUS(409, "Conflict", ""));
        script_until(&f->script, n->target.failures == 1);
        expect_nothing(f);
        advance(f, USEC_PER_SEC);
        script_answer(await(f, DELETE("a")), "403 Forbidden", "", SCRIPT_STATUS(403, "Forbidden", ""));
        script_until(&f->script, n->target.failures == 2);
        expect_nothing(f);
        advance(f, USEC_PER_SEC * 60);
        /* The server as a whole. */
        script_answer(await(f, DELETE("a")), "503 Service Unavailable", "", "");
        script_until(&f->script, f->lanes.failures == 1);
        advance(f, USEC_PER_SEC * 60);
        assert_int_equal(s->failed, 3);
        /* Somebody else was faster. */
        script_answer(await(f, DELETE("a")), "404 Not Found", "", SCRIPT_STATUS(404, "NotFound", ""));
        script_until(&f->script, s->deleted == 1);
        assert_int_equal(f->lanes.failures, 0);
        assert_int_equal(s->failed, 3);
        expect_nothing(f);
}

/* Finalizers hold it: it is left to go. */
static void test_a_delete_that_is_held_up(void **state)
{
        static const char going[] = SCRIPT_OBJECT(
                "ecr", "6", ",\"uid\":\"ours\",\"deletionTimestamp\":\"2026-11-23T19:19:27Z\"");
        Fixture *f = *state;
        Node *n = add_excluded(f, "a");

        configure_anew(f, CONF_CONFLICT_SKIP, CONF_EXCLUDE_DELETE);
        writer_start(f->writer);
        script_answer(await(f, DELETE("a")), "200 OK", "", going);
        script_until(&f->script, writer_stats(f->writer)->deleted == 1);
        assert_true(n->target.secret.going);
        n->target.verdict = MATCH_WANTED;
        advance(f, USEC_PER_HOUR);
        expect_nothing(f);
        assert_int_equal(n->plan.reason, PLAN_GOING);
        observe(f, n, NULL);
        settle(f, await(f, APPLY("a") " "), CREATED("1001"));
        assert_int_equal(writer_stats(f->writer)->healed, 0);
}

static void test_a_dry_run_deletes_nothing(void **state)
{
        Fixture *f = *state;
        Node *excluded = add_excluded(f, "a"), *foreign = add(f, "b");

        f->config.dry_run = true;
        observe(f, foreign, SCRIPT_FOREIGN("", "8"));
        configure_anew(f, CONF_CONFLICT_RECREATE, CONF_EXCLUDE_DELETE);
        writer_start(f->writer);
        expect_nothing(f);
        assert_true(excluded->pretended && foreign->pretended);
        assert_int_equal(excluded->plan.action, PLAN_DELETE);
        assert_int_equal(foreign->plan.reason, PLAN_ADOPT);
}

/* A Secret whose version is "00", with that one. */
static const char *with_version(char ret[static 4096], const char *secret, unsigned version)
{
        char *at;

        assert_in_range(snprintf(ret, 4096, "%s", secret), 1, 4095);
        at = strstr(ret, "\"00\"");
        at[1] = (char) ('0' + version / 10);
        at[2] = (char) ('0' + version % 10);
        return ret;
}

/* Each write is undone as soon as it is there. */
static void test_a_fight(void **state)
{
        Fixture *f = *state;
        const WriterStats *s = writer_stats(f->writer);
        Node *n = add_old(f, "a");
        char text[4096];

        writer_start(f->writer);
        for (unsigned version = 10; version < 20; version += 2) {
                observe(f, n, with_version(text, SCRIPT_EDITED("", "00", ID), version));
                settle(f, await(f, APPLY("a") "&force=true "),
                       with_version(text, CREATED("00"), version + 1));
                assert_false(n->fighting);
        }
        observe(f, n, with_version(text, SCRIPT_EDITED("", "00", ID), 20));
        expect_nothing(f);
        assert_true(n->fighting);
        assert_int_equal(s->fights, 1);
        assert_int_equal(s->healed, 5);
        advance(f, USEC_PER_MINUTE);
        settle(f, await(f, APPLY("a") "&force=true "), CREATED("100"));
        assert_true(n->fighting);
        advance(f, 5 * USEC_PER_MINUTE);
        expect_nothing(f);
        assert_true(n->fighting);
        advance(f, USEC_PER_MINUTE);
        expect_nothing(f);
        assert_false(n->fighting);
        assert_int_equal(s->fights, 1);
}

/* --- answers that are no success ----------------------------------------------------------------------- */

typedef enum Blame {
        ALONE,  /* it is about that namespace */
        ALL,    /* it is about the API server */
        EITHER, /* that is decided elsewhere; it is tried again */
} Blame;

static const struct {
        const char *status, *body;
        Blame blame;
        PlanReason reason; /* that it stays for; PLAN_CREATE: it is tried again */
} answers[] = {
        { "404 Not Found", SCRIPT_STATUS(404, "NotFound", ""), ALONE, PLAN_CREATE },
        { "409 Conflict", SCRIPT_STATUS(409, "Conflict", ""), ALONE, PLAN_CREATE },
        { "403 Forbidden", SCRIPT_STATUS(403, "Forbidden", ""), ALONE, PLAN_CREATE },
        { "403 Forbidden", SCRIPT_STATUS(403, "Forbidden", SCRIPT_CAUSE("NamespaceTerminating")), ALONE,
          PLAN_CREATE },
        { "400 Bad Request", SCRIPT_STATUS(400, "BadRequest", ""), ALONE, PLAN_CREATE },
        { "422 Unprocessable Entity", SCRIPT_STATUS(422, "Invalid", ""), ALONE, PLAN_CREATE },
        { "401 Unauthorized", SCRIPT_STATUS(401, "Unauthorized", ""), ALL, PLAN_CREATE },
        { "429 Too Many Requests", "slow down\n", ALL, PLAN_CREATE },
        { "503 Service Unavailable", "", ALL, PLAN_CREATE },
        { "502 Bad Gateway", "<html></html>", ALL, PLAN_CREATE },
        { NULL, NULL, ALL, PLAN_CREATE }, /* the connection breaks within it */
        { "500 Internal Server Error", SCRIPT_STATUS(500, "InternalError", ""), EITHER, PLAN_CREATE },
        { "200 OK", "", EITHER, PLAN_CREATE },
        { "200 OK", "{}", EITHER, PLAN_CREATE },
        { "200 OK", "<html></html>", EITHER, PLAN_CREATE },
        { "200 OK", "{\"metadata\":{\"name\":", EITHER, PLAN_CREATE },
};

static void test_what_an_answer_does(void **state)
{
        Fixture *f = *state;
        const WriterStats *s = writer_stats(f->writer);

        writer_start(f->writer);
        for (size_t i = 0; i < ELEMENTSOF(answers); i++) {
                Node *n = add(f, "a");
                ScriptPeer *p = await(f, APPLY("a") " ");

                if (answers[i].status)
                        script_answer(p, answers[i].status, "", answers[i].body);
                else {
                        script_printf(p, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{");
                        script_cut(p);
                }
                script_until(&f->script, s->failed == i + 1);
                expect_writes(f, 0); /* nothing is repeated at once */
                assert_false(is_good(f, n));
                if (answers[i].blame != EITHER) {
                        assert_int_equal(*f->lanes.error != '\0', answers[i].blame == ALL);
                        assert_int_equal(f->lanes.failures, answers[i].blame == ALL);
                        assert_int_equal(n->target.failures,
                                         answers[i].blame == ALONE && answers[i].reason == PLAN_CREATE);
                }
                advance(f, USEC_PER_HOUR / 4);
                if (answers[i].reason == PLAN_CREATE) {
                        settle(f, await(f, APPLY("a") " "), CREATED("9"));
                        assert_int_equal(n->target.failures, 0);
                        assert_int_equal(f->lanes.failures, 0);
                        assert_string_equal(f->lanes.error, "");
                } else {
                        expect_writes(f, 0);
                        assert_int_equal(n->plan.reason, answers[i].reason);
                }
                writer_drop(f->writer, n);
        }
}

/* Somebody else's came between plan and write, which the watch has yet to show. */
static void test_a_conflict_with_another_manager(void **state)
{
        Fixture *f = *state;
        const Node *n = add(f, "a");

        writer_start(f->writer);
        script_answer(await(f, APPLY("a") " "), "409 Conflict", "",
                      SCRIPT_STATUS(409, "Conflict", SCRIPT_CAUSE("FieldManagerConflict")));
        script_until(&f->script, writer_stats(f->writer)->failed == 1);
        expect_writes(f, 0);
        assert_string_equal(f->lanes.error, "");
        observe(f, targets_find(f->targets, "a"), SCRIPT_FOREIGN("", "8"));
        advance(f, USEC_PER_HOUR);
        expect_writes(f, 0);
        assert_int_equal(n->plan.reason, PLAN_FOREIGN);
}

/* A right that is missing again is told again. */
static void test_a_right_that_comes_and_goes(void **state)
{
        static const char body[] =
                "{\"message\":\"secrets \\\"ecr\\\" is forbidden: User \\\"e\\\" cannot patch resource "
                "\\\"secrets\\\"\"}";
        Fixture *f = *state;

        writer_start(f->writer);
        (void) add(f, "a");
        script_answer(await(f, APPLY("a")), "403 Forbidden", "", body);
        script_until(&f->script, writer_stats(f->writer)->failed == 1);
        assert_int_equal(f->writer->log.rights_told, 1U << PLAN_APPLY);
        advance(f, USEC_PER_MINUTE);
        settle(f, await(f, APPLY("a")), CREATED("9"));
        assert_int_equal(f->writer->log.rights_told, 0);
}

/* What cannot be changed is left alone as long as it is what it is. */
static void test_an_immutable_secret(void **state)
{
        static const char body[] =
                "{\"message\":\"data: Forbidden: field is immutable when `immutable` is set\"}";
        Fixture *f = *state;
        Node *n = add(f, "a");

        writer_start(f->writer);
        observe(f, n, SCRIPT_EDITED("", "8", ID));
        script_answer(await(f, APPLY("a")), "422 Unprocessable Entity", "", body);
        script_until(&f->script, n->plan.reason == PLAN_REFUSED);
        script_answer(await(f, INSPECT("a")), "200 OK", "", SCRIPT_TABLE("kubernetes.io/dockerconfigjson"));
        script_until(&f->script, n->target.inspected);
        advance(f, USEC_PER_HOUR);
        expect_writes(f, 0);
        observe(f, n, SCRIPT_EDITED("", "9", ID));
        settle(f, await(f, APPLY("a")), CREATED("10"));
        assert_int_equal(n->plan.reason, PLAN_FRESH);
}

/* Those who fail together make one pause, and one goes ahead after it. */
static void test_one_pause_for_all(void **state)
{
        static const char name[][2] = { "a", "b", "c", "d" };
        Fixture *f = *state;
        ScriptPeer *peers[ELEMENTSOF(name)];

        for (size_t i = 0; i < ELEMENTSOF(name); i++)
                (void) add(f, name[i]);
        writer_start(f->writer);
        for (size_t i = 0; i < ELEMENTSOF(name); i++)
                peers[i] = await(f, "PATCH ");
        for (size_t i = 0; i < ELEMENTSOF(name); i++) {
                script_answer(peers[i], "429 Too Many Requests", "Retry-After: 50\r\n", "slow down");
                script_until(&f->script, writer_stats(f->writer)->failed == i + 1);
        }
        assert_int_equal(f->lanes.failures, 1);
        assert_string_equal(f->lanes.error, "HTTP status 429: slow down");
        (void) add(f, "e");
        expect_writes(f, 0);
        advance(f, 49 * USEC_PER_SEC); /* what the server asks for is the least */
        expect_writes(f, 0);
        assert_false(writer_stalled(f->writer, frozen));
        assert_true(writer_stalled(f->writer, frozen + USEC_PER_HOUR));
        advance(f, 50 * USEC_PER_SEC);
        expect_writes(f, 1);
        settle(f, await(f, "PATCH "), CREATED("9"));
        expect_writes(f, 4);
        assert_int_equal(f->lanes.failures, 0);
}

/* With a clock that runs: nobody has to wake it. */
static void test_it_tries_again_by_itself(void **state)
{
        Fixture *f = *state;

        frozen = 0;
        n_refused = 1;
        f->auths.received_boottime = clock_boottime();
        writer_start(f->writer);
        (void) add(f, "a");
        script_until(&f->script, n_refused == 0);
        script_answer(await(f, APPLY("a")), "503 Service Unavailable", "", "");
        script_answer(await(f, APPLY("a")), "404 Not Found", "", "");
        settle(f, await(f, APPLY("a")), CREATED("9"));
}

/* Only a pause for want of an answer is ended. */
static void test_hurry(void **state)
{
        Fixture *f = *state;

        writer_start(f->writer);
        (void) add(f, "a");
        for (unsigned i = 0; i < 5; i++) {
                script_cut(await(f, APPLY("a")));
                script_until(&f->script, f->lanes.failures == i + 1);
                expect_writes(f, 0);
                lanes_hurry(&f->lanes);
        }
        script_answer(await(f, APPLY("a")), "429 Too Many Requests", "", "");
        script_until(&f->script, f->lanes.failures == 6);
        lanes_hurry(&f->lanes);
        expect_writes(f, 0);
}

/* --- lanes and limits ---------------------------------------------------------------------------------- */

static void test_new_ones_come_first(void **state)
{
        static const char *const order[] = { APPLY("new"), APPLY("old-1"), APPLY("newer"), APPLY("old-2") };
        Fixture *f = *state;

        f->renewal.max_in_flight = 1;
        make(f, &f->auths);
        (void) add_old(f, "old-1");
        (void) add_old(f, "old-2");
        assert_return_code(writer_set_auths(f->writer, &f->next), 0);
        (void) add(f, "new");
        writer_start(f->writer);
        for (size_t i = 0; i < ELEMENTSOF(order); i++) {
                ScriptPeer *p = await(f, "PATCH ");

                assert_non_null(startswith(p->request.data, order[i]));
                if (i == 1)
                        (void) add(f, "newer");
                expect_writes(f, 0);
                settle(f, p, RENEWED("9"));
        }
        expect_writes(f, 0);
}

/* What has waited among the renewals until it could wait no longer does not wait for another reason. */
static void test_one_that_becomes_urgent_in_its_lane(void **state)
{
        Fixture *f = *state;
        ScriptPeer *p;

        f->renewal.max_in_flight = 1;
        make(f, &f->auths);
        (void) add_old(f, "a");
        (void) add_old(f, "b");
        assert_return_code(writer_set_auths(f->writer, &f->next), 0);
        (void) add(f, "new");
        writer_start(f->writer);
        p = await(f, APPLY("new"));
        frozen += 5 * USEC_PER_HOUR + 30 * USEC_PER_MINUTE;
        settle(f, p, RENEWED("9"));
        settle(f, await(f, APPLY("a")), RENEWED("9"));
        settle(f, await(f, APPLY("b")), RENEWED("9"));
}

static void test_only_so_many_are_in_flight(void **state)
{
        Fixture *f = *state;
        char name[16];

        f->renewal.max_in_flight = 4;
        make(f, &f->auths);
        for (unsigned i = 0; i < 9; i++) {
                (void) snprintf(name, sizeof(name), "old-%u", i);
                (void) add_old(f, name);
        }
        assert_return_code(writer_set_auths(f->writer, &f->next), 0);
        writer_start(f->writer);
        expect_writes(f, 3); /* room is kept */
        (void) add(f, "new-1");
        (void) add(f, "new-2");
        expect_writes(f, 4);
        settle(f, await(f, "PATCH /api/v1/namespaces/old-"), RENEWED("9"));
        expect_writes(f, 4);
        assert_int_equal(script_waiting(&f->script, "PATCH /api/v1/namespaces/new-", NULL), 2);
        for (unsigned i = 0; i < 10; i++) {
                script_rest(&f->script);
                assert_in_range(script_waiting(&f->script, "PATCH ", NULL), 1, 4);
                settle(f, await(f, "PATCH "), RENEWED("9"));
        }
        expect_writes(f, 0);
        assert_int_equal(writer_stats(f->writer)->renewed + writer_stats(f->writer)->created, 11);
}

/* Nothing begins any more, whatever happens; the owner hears of the last that ends. */
static void test_a_stop(void **state)
{
        Fixture *f = *state;
        unsigned before;

        (void) add(f, "a");
        writer_start(f->writer);
        expect_writes(f, 1);
        assert_int_equal(pace_in_flight(&f->lanes.pace), 1);
        writer_stop(f->writer);
        (void) add(f, "b");
        assert_return_code(writer_set_auths(f->writer, &f->next), 0);
        writer_start(f->writer); /* a list that is read only now */
        expect_writes(f, 1);
        before = f->n_changed;
        settle(f, await(f, APPLY("a")), CREATED("7"));
        expect_writes(f, 0);
        assert_int_equal(pace_in_flight(&f->lanes.pace), 0);
        assert_true(f->n_changed > before);
}

static void test_a_reload_sets_limits(void **state)
{
        ConfRenewal renewal = { .max_in_flight = 2, .max_writes_per_second = 3 };
        Fixture *f = *state;
        WriterConfig config = f->config;

        config.renewal = &renewal;
        lanes_configure(&f->lanes, &renewal);
        writer_reload(f->writer, &config);
        writer_start(f->writer);
        for (const char *name = "abcd"; *name; name++)
                (void) add(f, (char[]){ *name, '\0' });
        expect_writes(f, 2);

        /* A shorter interval makes due what was good: another one has written it. */
        for (unsigned i = 0; i < 4; i++)
                settle(f, await(f, "PATCH "), CREATED("7"));
        TARGETS_FOREACH (n, next, f->targets)
                observe(f, n, SCRIPT_SECRET("", "8", OTHER_ID));
        expect_writes(f, 0);
        f->next.issued = f->auths.issued + USEC_PER_HOUR;
        assert_return_code(writer_set_auths(f->writer, &f->next), 0);
        expect_writes(f, 0);
        renewal.auth_token_renewal_interval = USEC_PER_MINUTE;
        frozen += USEC_PER_HOUR;
        lanes_configure(&f->lanes, &renewal);
        writer_reload(f->writer, &config);
        expect_writes(f, 1);
}

/* An object as it is when eatr has given it a label, too; the caller frees it. */
static char *labelled(const char *text, const char *value)
{
        _cleanup_json_ cJSON *j = NULL;
        const cJSON *metadata, *entry;

        assert_int_equal(json_parse(text, strlen(text), 65536, &j), 0);
        metadata = json_get(j, "metadata");
        entry = json_first(json_get(metadata, "managedFields"));
        assert_non_null(cJSON_AddStringToObject((cJSON *) json_get(metadata, "labels"), "team", value));
        assert_non_null(cJSON_AddObjectToObject(
                (cJSON *) json_get(json_get(json_get(entry, "fieldsV1"), "f:metadata"), "f:labels"),
                "f:team"));
        return json_print(j);
}

static void expect_body(ScriptPeer *p, const char *text, bool there)
{
        if (!!strstr(buf_str(&p->request), text) != there)
                fail_msg("%s in %s", text, buf_str(&p->request));
}

/* In the lane of renewals, and no heal; but one if somebody else changes it. */
static void test_a_reload_brings_other_labels(void **state)
{
        char *labels[] = { (char *) "team=infra", NULL };
        _cleanup_free_ char *infra = labelled(CREATED("9"), "infra"), *other = labelled(CREATED("10"), "x"),
                            *back = labelled(CREATED("11"), "infra");
        Fixture *f = *state;
        WriterConfig config = f->config;
        const WriterStats *s = writer_stats(f->writer);
        Node *n = add(f, "new");
        ScriptPeer *p;

        observe(f, add(f, "before"), CREATED("5"));
        writer_start(f->writer);
        settle(f, await(f, APPLY("new")), CREATED("7"));
        expect_writes(f, 0);
        config.extras.labels = labels;
        writer_reload(f->writer, &config);
        expect_writes(f, 2);
        assert_int_equal(n->plan.lane, PACE_BULK);
        for (unsigned i = 0; i < 2; i++) {
                p = await(f, "PATCH ");
                expect_body(p, "\"team\":\"infra\"", true);
                settle(f, p, infra);
        }
        assert_int_equal(s->healed, 0);
        expect_writes(f, 0);
        writer_reload(f->writer, &config);
        expect_writes(f, 0);

        observe(f, n, other);
        settle(f, await(f, APPLY("new") "&force=true "), back);
        assert_int_equal(s->healed, 1);
        expect_writes(f, 0);

        /* New tokens bring them along; and they go as they came. */
        assert_return_code(writer_set_auths(f->writer, &f->next), 0);
        frozen += 6 * USEC_PER_HOUR;
        writer_mark_all_dirty(f->writer);
        p = await(f, APPLY("before"));
        expect_body(p, "\"team\":\"infra\"", true);
        writer_reload(f->writer, &f->config);
        settle(f, p, infra);
        settle(f, await(f, APPLY("new")), RENEWED("12"));
        p = await(f, APPLY("before"));
        expect_body(p, "team", false);
        settle(f, p, RENEWED("13"));
        expect_writes(f, 0);
        assert_int_equal(s->healed, 1);
}

/* Where something takes the managers out nobody knows whose labels are there, and all would seem to be
 * amiss. */
static void test_labels_without_managers(void **state)
{
        static const char text[] = SCRIPT_SECRET("", "5", ID);
        char *labels[] = { (char *) "team=infra", NULL };
        _cleanup_json_ cJSON *j = NULL;
        _cleanup_free_ char *unmanaged = NULL;
        Fixture *f = *state;

        assert_int_equal(json_parse(text, strlen(text), 65536, &j), 0);
        cJSON_DeleteItemFromObject((cJSON *) json_get(j, "metadata"), "managedFields");
        unmanaged = json_print(j);
        f->config.extras.labels = labels;
        make(f, &f->auths);
        observe(f, add(f, "a"), unmanaged);
        writer_start(f->writer);
        expect_writes(f, 0);
}

/* It is not for its time to come: the keys are others, or the registry does not take it. Whether this process
 * has written it or an earlier one makes no difference; what another one has written stays. */
static void test_tokens_that_are_replaced_out_of_turn(void **state)
{
        Fixture *f = *state;

        observe(f, add(f, "other"), SCRIPT_SECRET("", "5", OTHER_ID));
        (void) add_old(f, "before");
        (void) add(f, "new");
        writer_start(f->writer);
        settle(f, await(f, APPLY("new")), CREATED("7"));
        expect_writes(f, 0);
        f->next.issued = f->auths.issued + USEC_PER_MINUTE;
        f->next.expires = f->auths.expires + USEC_PER_MINUTE;
        frozen += USEC_PER_MINUTE;
        assert_return_code(writer_set_auths(f->writer, &f->next), 0);
        expect_writes(f, 2);
        settle(f, await(f, APPLY("before")), RENEWED("8"));
        settle(f, await(f, APPLY("new")), RENEWED("8"));
        expect_writes(f, 0);
}

/* Its place is free then, and its answer is nobody's. */
static void test_dropped_while_in_flight(void **state)
{
        Fixture *f = *state;
        ScriptPeer *p;

        f->renewal.max_in_flight = 1;
        make(f, &f->auths);
        (void) add(f, "a");
        (void) add(f, "b");
        (void) add(f, "c");
        writer_start(f->writer);
        p = await(f, APPLY("a"));
        writer_drop(f->writer, targets_find(f->targets, "b"));
        writer_drop(f->writer, targets_find(f->targets, "a"));
        script_answer(p, "201 Created", "", CREATED("9"));
        p = await(f, "PATCH ");
        assert_non_null(startswith(p->request.data, APPLY("c")));
        settle(f, p, CREATED("9"));
        expect_writes(f, 0);
        assert_int_equal(writer_stats(f->writer)->created, 1);
        assert_int_equal(writer_stats(f->writer)->failed, 0);
}

/* --- the rest ------------------------------------------------------------------------------------------ */

static void test_dry_run(void **state)
{
        Fixture *f = *state;
        const Node *a, *b;

        f->config.dry_run = true;
        make(f, &f->auths);
        a = add(f, "a");
        b = add_old(f, "b");
        writer_start(f->writer);
        assert_return_code(writer_set_auths(f->writer, &f->next), 0);
        advance(f, USEC_PER_HOUR);
        script_rest(&f->script);
        assert_int_equal(f->script.n_requests, 0);
        assert_true(a->pretended && b->pretended);
        assert_int_equal(a->plan.reason, PLAN_CREATE);
        assert_int_equal(b->plan.reason, PLAN_RENEW);
        assert_int_equal(a->place, NODE_IDLE);
        assert_int_equal(writer_stats(f->writer)->created + writer_stats(f->writer)->failed, 0);

        /* From then on it is no dry run any more, and nothing has been done yet. */
        f->config.dry_run = false;
        writer_reload(f->writer, &f->config);
        assert_false(a->pretended || b->pretended);
        (void) script_await(&f->script, APPLY("a"));
        (void) script_await(&f->script, APPLY("b"));
}

static void test_freed(void **state)
{
        Fixture *f = *state;

        (void) add(f, "a");
        writer_start(f->writer);
        (void) await(f, APPLY("a"));
        make(f, &f->auths);
        script_rest(&f->script);
        assert_null(targets_first(f->targets));
        assert_null(writer_free(NULL));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(test_a_missing_secret_is_created),
                TEST(test_only_a_good_token_is_written),
                TEST(test_what_was_changed_is_healed),
                TEST(test_what_is_changed_by_force_is_what_was_seen),
                TEST(test_a_new_token_makes_all_dirty),
                TEST(test_a_change_while_in_flight),
                TEST(test_a_strangers_is_looked_at_once),
                TEST(test_a_look_that_comes_to_nothing),
                TEST(test_a_strangers_is_adopted),
                TEST(test_a_strangers_that_cannot_be_adopted),
                TEST(test_an_own_one_that_is_immutable_is_replaced),
                TEST(test_a_delete_and_what_is_seen_of_it),
                TEST(test_a_delete_that_fails),
                TEST(test_a_delete_that_is_held_up),
                TEST(test_a_dry_run_deletes_nothing),
                TEST(test_a_fight),
                TEST(test_what_an_answer_does),
                TEST(test_a_conflict_with_another_manager),
                TEST(test_a_right_that_comes_and_goes),
                TEST(test_an_immutable_secret),
                TEST(test_one_pause_for_all),
                TEST(test_it_tries_again_by_itself),
                TEST(test_hurry),
                TEST(test_new_ones_come_first),
                TEST(test_one_that_becomes_urgent_in_its_lane),
                TEST(test_only_so_many_are_in_flight),
                TEST(test_a_stop),
                TEST(test_a_reload_sets_limits),
                TEST(test_a_reload_brings_other_labels),
                TEST(test_labels_without_managers),
                TEST(test_tokens_that_are_replaced_out_of_turn),
                TEST(test_dropped_while_in_flight),
                TEST(test_dry_run),
                TEST(test_freed),
        };

        return cmocka_run_group_tests_name("writer", tests, script_group_setup, script_group_teardown);
}
