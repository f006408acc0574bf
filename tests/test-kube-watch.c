/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "clock.h"

/* A watch that stood for hours: the module's clock is ahead of the real one by this. */
static usec_t ahead;

static usec_t test_boottime(void)
{
        return clock_boottime() + ahead;
}

#define clock_boottime test_boottime
#include "kube-watch.c"
#undef clock_boottime

#include "kube-script.h"

#define LIST "GET /api/v1/namespaces?"
#define WATCH LIST "watch=1&"
#define FROM(version) WATCH "allowWatchBookmarks=true&resourceVersion=" version "&"

/* --- a watch and what it tells ------------------------------------------------------------------------- */

typedef struct Fixture {
        sd_event *event;
        Script script;
        KubeConfig config;
        KubeAuth *auth;
        KubeStats stats;
        KubeWatch *watch;

        char calls[4096]; /* all but working, in their order */
        char data[16];    /* of the last object seen, its "a" */
        bool listing;
        unsigned n_working, n_failed;
        HttpOutcome outcome;
        KubeStatus status;
        usec_t retry, failed_at;
} Fixture;

static void note(Fixture *f, const char *call, const cJSON *object)
{
        const char *name = object ? json_string(json_get(object, "metadata"), "name") : "";
        size_t used = strlen(f->calls);

        (void) snprintf(f->calls + used, sizeof(f->calls) - used, "%s%s ", call, name ? name : "?");
}

static void on_test_list_begin(void *userdata)
{
        Fixture *f = userdata;

        note(f, "begin", NULL);
        f->listing = true;
}

static void on_test_seen(const cJSON *object, void *userdata)
{
        Fixture *f = userdata;
        const char *data = json_string(json_get(object, "data"), "a");

        note(f, "+", object);
        (void) snprintf(f->data, sizeof(f->data), "%s", data ? data : "");
}

static void on_test_gone(const cJSON *object, void *userdata)
{
        note(userdata, "-", object);
}

static void on_test_list_end(void *userdata)
{
        Fixture *f = userdata;

        note(f, "end", NULL);
        f->listing = false;
}

static void on_test_working(void *userdata)
{
        Fixture *f = userdata;

        assert_false(f->listing);
        f->n_working++;
}

static void on_test_failed(HttpOutcome outcome, const KubeStatus *status, usec_t retry, void *userdata)
{
        Fixture *f = userdata;

        note(f, "failed", NULL);
        f->listing = false;
        f->n_failed++;
        f->outcome = outcome;
        f->status = *status;
        f->retry = retry;
        f->failed_at = clock_boottime();
}

static const KubeWatchHandler handler = {
        .list_begin = on_test_list_begin,
        .seen = on_test_seen,
        .gone = on_test_gone,
        .list_end = on_test_list_end,
        .working = on_test_working,
        .failed = on_test_failed,
};

static const KubeWatchSpec namespaces = { .collection = "/api/v1/namespaces" };

static int set_up(void **state)
{
        Fixture *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        ahead = 0;
        assert_return_code(sd_event_new(&f->event), 0);
        script_begin(&f->script, f->event);
        f->config.server = f->script.url;
        assert_return_code(kube_auth_new(f->event, &f->config, &f->auth), 0);
        assert_return_code(kube_watch_new(f->event, f->auth, &f->stats, &namespaces, &handler, f, &f->watch),
                           0);
        *state = f;
        return 0;
}

static int tear_down(void **state)
{
        Fixture *f = *state;

        f->watch = kube_watch_free(f->watch);
        f->auth = kube_auth_free(f->auth);
        script_end(&f->script);
        (void) sd_event_unref(f->event);
        free(f);
        return 0;
}

/* Waits for the calls that are to come next. */
static void expect(Fixture *f, const char *calls)
{
        script_until(&f->script, strlen(f->calls) >= strlen(calls));
        assert_string_equal(f->calls, calls);
        f->calls[0] = '\0';
}

static ScriptPeer *await(const Fixture *f, const char *start)
{
        return script_await(&f->script, start);
}

/* Answers the list that is to come, and takes the watch that is to go on from it. */
static ScriptPeer *list(Fixture *f, const char *request, const char *body, const char *calls,
                        const char *watch)
{
        ScriptPeer *p = await(f, request);

        script_answer(p, "200 OK", "", body);
        expect(f, calls);
        p = await(f, watch);
        script_stream(p);
        return p;
}

#define OBJECT(name, version) SCRIPT_OBJECT(name, version, "")
#define ADDED(name, version) SCRIPT_EVENT("ADDED", OBJECT(name, version))
#define ERROR(code, reason) SCRIPT_EVENT("ERROR", SCRIPT_STATUS(code, reason, ""))

/* From nothing to a watch from version 10. */
static ScriptPeer *sync_up(Fixture *f)
{
        return list(f, LIST "resourceVersion=0 ", SCRIPT_LIST("10", OBJECT("a", "5")), "begin +a end ",
                    FROM("10"));
}

/* --- what it asks, and what it tells ------------------------------------------------------------------- */

static void test_a_list_and_then_a_watch_from_its_version(void **state)
{
        Fixture *f = *state;
        const char *seconds;
        ScriptPeer *p;

        assert_string_equal(f->calls, "");
        p = await(f, LIST "resourceVersion=0 HTTP/1.1\r\n");
        expect(f, "begin ");
        assert_request(p,
                       "\r\nAccept: application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1\r\n");
        assert_false(kube_watch_synced(f->watch));
        assert_int_equal(f->n_working, 0);
        script_answer(p, "200 OK", "", SCRIPT_LIST("10", OBJECT("a", "5") "," OBJECT("b", "9")));
        expect(f, "+a +b end ");
        assert_true(kube_watch_synced(f->watch));
        assert_int_equal(f->n_working, 1);

        p = await(f, WATCH "allowWatchBookmarks=true&resourceVersion=10&timeoutSeconds=");
        assert_request(p, "\r\nAccept: application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1\r\n");
        seconds = strstr(p->request.data, "timeoutSeconds=") + strlen("timeoutSeconds=");
        assert_in_range(strtoul(seconds, NULL, 10), 300, 600);
        script_stream(p);
        script_chunk(p, ADDED("c", "11"));
        expect(f, "+c ");
        script_chunk(p,
                     SCRIPT_EVENT("MODIFIED", OBJECT("a", "12")) SCRIPT_EVENT("DELETED", OBJECT("b", "13")));
        expect(f, "+a -b ");
        assert_in_range(f->n_working, 3, 5); /* two came in one piece */
        /* Cut in two, and of a kind that is not known. */
        script_chunk(p, "{\"type\":\"ADDED\",\"object\":{\"kind\":\"PartialObjectMetadata\",\"meta");
        script_rest(&f->script);
        script_chunk(p, "data\":{\"name\":\"d\"}}}\r\n\n" SCRIPT_EVENT("RENAMED", OBJECT("e", "14"))
                                ADDED("f", "15"));
        expect(f, "+d +f ");
        assert_int_equal(kube_watch_restarts(f->watch), 0);
        assert_int_equal(kube_watch_relists(f->watch), 0);
        assert_int_equal(f->n_failed, 0);
}

static void test_the_query_comes_first(void **state)
{
        static const KubeWatchSpec secrets = { .collection = "/api/v1/secrets",
                                               .query = "fieldSelector=metadata.name%3Decr&" };
        Fixture *f = *state;

        (void) kube_watch_free(f->watch);
        assert_return_code(kube_watch_new(f->event, f->auth, &f->stats, &secrets, &handler, f, &f->watch),
                           0);
        (void) list(f, "GET /api/v1/secrets?fieldSelector=metadata.name%3Decr&resourceVersion=0 ",
                    SCRIPT_LIST("10", ""), "begin end ",
                    "GET /api/v1/secrets?fieldSelector=metadata.name%3Decr&watch=1&");
}

#define WHOLE(version, data)                                                               \
        "{\"kind\":\"Secret\",\"metadata\":{\"name\":\"x\",\"resourceVersion\":\"" version \
        "\"},\"data\":{" data "}}"
#define WHOLE_LIST(kind, items) \
        "{\"kind\":\"" kind "\",\"metadata\":{\"resourceVersion\":\"10\"},\"items\":[" items "]}"

/* Where a kind is named the objects come whole, and metadata alone will not do. */
static void test_whole_objects(void **state)
{
        static const KubeWatchSpec secrets = { .collection = "/api/v1/secrets",
                                               .kind = "Secret",
                                               .secret = true };
        Fixture *f = *state;
        ScriptPeer *p;

        (void) kube_watch_free(f->watch);
        assert_return_code(kube_watch_new(f->event, f->auth, &f->stats, &secrets, &handler, f, &f->watch),
                           0);
        for (unsigned i = 0; i < 2; i++) {
                script_answer(await(f, "GET /api/v1/secrets?resourceVersion=0 "), "200 OK", "",
                              i == 0 ? SCRIPT_LIST("10", "") : WHOLE_LIST("Secret", ""));
                expect(f, "begin failed ");
                assert_string_equal(f->status.message, "the answer is no list of Secret");
                kube_watch_hurry(f->watch);
        }
        p = await(f, "GET /api/v1/secrets?resourceVersion=0 ");
        assert_request(p, "\r\nAccept: application/json\r\n");
        assert_false(script_has(p, "gzip"));
        script_answer(p, "200 OK", "", WHOLE_LIST("SecretList", WHOLE("9", "\"a\":\"b\"")));
        expect(f, "begin +x end ");
        assert_string_equal(f->data, "b");
        p = await(f, "GET /api/v1/secrets?watch=1&allowWatchBookmarks=true&resourceVersion=10&");
        assert_request(p, "\r\nAccept: application/json\r\n");
        script_stream(p);
        script_chunk(p, SCRIPT_EVENT("MODIFIED", WHOLE("11", "\"a\":\"c\"")));
        expect(f, "+x ");
        assert_string_equal(f->data, "c");
        assert_true(f->watch->reader.stream.current.secret); /* and their memory is wiped */
        script_chunk(p, SCRIPT_EVENT("MODIFIED", OBJECT("x", "12")));
        expect(f, "failed ");
        assert_string_equal(f->status.message, "the answer is no watch of Secret");
}

/* After an end that is no failure the next watch begins where the last event left off. */
static void test_a_watch_goes_on_from_the_last_version(void **state)
{
        Fixture *f = *state;
        ScriptPeer *p = sync_up(f);

        script_chunk(p, ADDED("b", "12"));
        script_finish(p);
        p = await(f, FROM("12"));
        script_stream(p);
        script_chunk(p, SCRIPT_EVENT("DELETED", OBJECT("b", "20")));
        script_finish(p);
        p = await(f, FROM("20"));
        script_stream(p);
        script_chunk(p, SCRIPT_EVENT("BOOKMARK", OBJECT("", "300")));
        script_finish(p);
        p = await(f, FROM("300"));
        script_stream(p);
        /* Without an event, but it stood for its time. */
        script_rest(&f->script);
        ahead += 5 * USEC_PER_MINUTE;
        script_finish(p);
        (void) await(f, FROM("300"));
        expect(f, "+b -b ");
        assert_int_equal(kube_watch_restarts(f->watch), 4);
        assert_int_equal(kube_watch_relists(f->watch), 0);
        assert_int_equal(f->n_failed, 0);
}

/* A silent watch that has been taken is at work after a second; one that was not is no such sign. */
static void test_a_watch_that_stands_works(void **state)
{
        Fixture *f = *state;
        ScriptPeer *p = await(f, LIST);
        unsigned before;

        script_answer(p, "200 OK", "", SCRIPT_LIST("10", ""));
        p = await(f, WATCH);
        before = f->n_working;
        script_answer(p, "500 Internal Server Error", "", "");
        script_until(&f->script, f->n_failed == 1);
        kube_watch_hurry(f->watch);
        p = await(f, WATCH);
        assert_int_equal(f->n_working, before);
        script_stream(p);
        script_until(&f->script, f->n_working == before + 1);
        assert_true(p->fd >= 0);
}

/* --- gaps ---------------------------------------------------------------------------------------------- */

/* A version that is too old is no failure: a list not older than what was seen, and on from there. */
static void test_an_old_version_is_listed_anew(void **state)
{
        static const struct {
                const char *status, *body; /* status NULL: an event */
        } cases[] = {
                { "410 Gone", SCRIPT_STATUS(410, "Expired", "") },
                { "410 Gone", "" },
                { NULL, ERROR(410, "Expired") },
                { NULL, ERROR(410, "Whatever") },
                { NULL, ERROR(0, "Gone") },
        };
        Fixture *f = *state;
        ScriptPeer *p = sync_up(f);

        script_chunk(p, ADDED("b", "30"));
        expect(f, "+b ");
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                if (cases[i].status) {
                        script_finish(p);
                        p = await(f, FROM("30"));
                        script_answer(p, cases[i].status, "", cases[i].body);
                } else
                        script_chunk(p, cases[i].body); /* and nothing ends it */
                p = list(f, LIST "resourceVersion=30 ", SCRIPT_LIST("30", OBJECT("b", "30")),
                         "begin +b end ", FROM("30"));
                assert_int_equal(kube_watch_relists(f->watch), i + 1);
                script_chunk(p, ADDED("c", "30"));
                expect(f, "+c ");
        }
        assert_int_equal(kube_watch_restarts(f->watch), ELEMENTSOF(cases) + 2);
        assert_int_equal(f->n_failed, 0);
}

/* Where the server cannot list that version either, what is true now has to do. */
static void test_a_list_of_what_is_true_now(void **state)
{
        static const struct {
                const char *status, *body;
        } cases[] = {
                { "410 Gone", SCRIPT_STATUS(410, "Expired", "") },
                { "504 Gateway Timeout",
                  SCRIPT_STATUS(504, "Timeout", SCRIPT_CAUSE("ResourceVersionTooLarge")) },
        };
        Fixture *f = *state;
        ScriptPeer *p = sync_up(f);

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                script_chunk(p, ADDED("b", "10") ERROR(410, "Expired"));
                script_finish(p);
                p = await(f, LIST "resourceVersion=10 ");
                script_answer(p, cases[i].status, "", cases[i].body);
                expect(f, "+b begin failed ");
                kube_watch_hurry(f->watch);
                p = list(f, LIST "resourceVersion= ", SCRIPT_LIST("10", ""), "begin end ", WATCH);
        }
        assert_int_equal(kube_watch_relists(f->watch), 2);

        /* Nor does a list without a version count, whatever was known before. */
        script_chunk(p, ADDED("b", "10") ERROR(410, "Expired"));
        script_finish(p);
        script_answer(await(f, LIST "resourceVersion=10 "), "200 OK", "",
                      "{\"kind\":\"PartialObjectMetadataList\",\"items\":[]}");
        expect(f, "+b begin failed ");
        kube_watch_hurry(f->watch);
        (void) list(f, LIST, SCRIPT_LIST("11", ""), "begin end ", FROM("11"));
}

/* An etcd that was restored would answer to a version that is yet to come with silence. */
static void test_after_an_outage_it_asks_whether_versions_went_back(void **state)
{
        static const char check[] = LIST "limit=1&resourceVersionMatch=NotOlderThan&resourceVersion=10 ";
        Fixture *f = *state;
        ScriptPeer *p = sync_up(f);

        for (unsigned i = 0; i < 2; i++) {
                script_cut(p);
                expect(f, "failed ");
                kube_watch_hurry(f->watch);
                script_cut(await(f, FROM("10")));
                expect(f, "failed ");
                kube_watch_hurry(f->watch);
                p = await(f, check);
                if (i == 1)
                        break;
                script_answer(p, "200 OK", "", SCRIPT_LIST("12", OBJECT("a", "5")));
                p = await(f, FROM("10"));
                script_stream(p);
                script_chunk(p, ADDED("b", "10"));
                expect(f, "+b ");
        }
        script_answer(p, "500 Internal Server Error", "", "");
        expect(f, "failed ");
        kube_watch_hurry(f->watch);
        p = await(f, check);
        script_answer(p, "504 Gateway Timeout", "",
                      SCRIPT_STATUS(504, "Timeout", SCRIPT_CAUSE("ResourceVersionTooLarge")));
        (void) list(f, LIST "resourceVersion= ", SCRIPT_LIST("7", ""), "begin end ", FROM("7"));
}

/* Against whatever a watch may have missed; twice a day is enough. */
static void test_after_hours_a_list_of_what_is_true_now(void **state)
{
        Fixture *f = *state;
        ScriptPeer *p = sync_up(f);

        ahead += 5 * USEC_PER_HOUR;
        script_finish(p);
        p = await(f, FROM("10"));
        script_stream(p);
        script_rest(&f->script);
        ahead += 8 * USEC_PER_HOUR;
        script_finish(p);
        (void) list(f, LIST "resourceVersion= ", SCRIPT_LIST("7", OBJECT("b", "6")), "begin +b end ",
                    FROM("7"));
        assert_int_equal(f->n_failed, 0);
}

/* --- failures ------------------------------------------------------------------------------------------ */

static const struct {
        const char *status, *body; /* status NULL: a stream that ends so, or is cut for "" */
        HttpOutcome outcome;
        const char *message; /* some of it */
} bad_watches[] = {
        { NULL, "nonsense\n", HTTP_RETRY, "no watch of metadata" },
        { NULL, "[]\n", HTTP_RETRY, "no watch of metadata" },
        { NULL, "{\"type\":\"ADDED\"}\n", HTTP_RETRY, "no watch of metadata" },
        { NULL, "{\"object\":" OBJECT("x", "99") "}\n", HTTP_RETRY, "no watch of metadata" },
        { NULL, SCRIPT_EVENT("ADDED", WHOLE("99", "")), HTTP_RETRY, "no watch of metadata" },
        { NULL, SCRIPT_EVENT("DELETED", "{}"), HTTP_RETRY, "no watch of metadata" },
        { NULL, ERROR(500, "InternalError"), HTTP_RETRY, "ended with an error: it is InternalError" },
        { NULL, SCRIPT_EVENT("ERROR", "{}"), HTTP_RETRY, "ended with an error: no message" },
        { NULL, "{\"type\":\"ADDED\",\"object\":{", HTTP_RETRY, "within an event" },
        { NULL, "", HTTP_RETRY, "" },
        { "200 OK", "", HTTP_RETRY, "at once" },
        { "200 OK", SCRIPT_LIST("99", ""), HTTP_RETRY, "no watch of metadata" },
        { "500 Internal Server Error", "", HTTP_RETRY, "500" },
        { "401 Unauthorized", SCRIPT_STATUS(401, "Unauthorized", ""), HTTP_UNAUTHORIZED,
          "it is Unauthorized" },
        { "403 Forbidden", SCRIPT_STATUS(403, "Forbidden", ""), HTTP_FORBIDDEN, "it is Forbidden" },
        { "404 Not Found", "404 page not found\n", HTTP_NOT_FOUND, "404 page not found" },
        { "429 Too Many Requests", "", HTTP_THROTTLED, "429" },
};

/* Nothing is lost and nothing made up: the next watch begins at the same version. */
static void test_a_watch_that_fails_is_repeated(void **state)
{
        Fixture *f = *state;
        ScriptPeer *p = sync_up(f);

        for (size_t i = 0; i < ELEMENTSOF(bad_watches); i++) {
                unsigned before = f->n_working;

                script_chunk(p, SCRIPT_EVENT("BOOKMARK", OBJECT("", "10")));
                script_until(&f->script, f->n_working > before);
                if (bad_watches[i].status) {
                        script_finish(p);
                        p = await(f, WATCH);
                        script_answer(p, bad_watches[i].status, "", bad_watches[i].body);
                } else if (*bad_watches[i].body) {
                        script_chunk(p, bad_watches[i].body);
                        script_finish(p);
                } else
                        script_cut(p);
                expect(f, "failed ");
                assert_int_equal(f->outcome, bad_watches[i].outcome);
                assert_non_null(strstr(f->status.message, bad_watches[i].message));
                assert_true(*f->status.message);
                assert_true(f->retry > 0);
                kube_watch_hurry(f->watch);
                p = await(f, FROM("10"));
                script_stream(p);
        }
        assert_true(kube_watch_restarts(f->watch) >= ELEMENTSOF(bad_watches));
        assert_int_equal(kube_watch_relists(f->watch), 0);
        script_chunk(p, ADDED("b", "11"));
        expect(f, "+b ");
}

/* A server that has just started knows no roles for a moment; who lacks them for good is patient. */
static void test_what_is_forbidden_is_tried_soon_and_then_ever_less_often(void **state)
{
        Fixture *f = *state;
        ScriptPeer *p = sync_up(f);
        unsigned before = f->n_working;
        usec_t longest = 0;

        script_chunk(p, SCRIPT_EVENT("BOOKMARK", OBJECT("", "10")));
        script_until(&f->script, f->n_working > before);
        script_finish(p);
        for (unsigned i = 0; i < 12; i++) {
                script_answer(await(f, WATCH), "403 Forbidden", "", SCRIPT_STATUS(403, "Forbidden", ""));
                expect(f, "failed ");
                if (i == 0)
                        assert_true(f->retry <= USEC_PER_SEC);
                longest = MAX(longest, f->retry);
                assert_true(f->retry <= 5 * USEC_PER_MINUTE);
                kube_watch_hurry(f->watch);
        }
        assert_true(longest > 2 * USEC_PER_MINUTE);
}

/* What others have in their namespaces is left out, and harms nobody else. */
static void test_an_object_that_cannot_be_read(void **state)
{
        static char large[KUBE_STREAM_ITEM_MAX + 4096], body[sizeof(large) + 1024];
        Fixture *f = *state;
        ScriptPeer *p;

        memset(large, 'x', sizeof(large) - 1);
        (void) snprintf(body, sizeof(body),
                        SCRIPT_LIST("10", OBJECT("a", "1") ",{nonsense},{\"x\":\"%s\"}," OBJECT("b", "1")),
                        large);
        p = list(f, LIST, body, "begin +a +b end ", FROM("10"));
        (void) snprintf(body, sizeof(body), "{\"x\":\"%s\"}\n{nonsense}\n" ADDED("c", "11"), large);
        script_chunk(p, body);
        expect(f, "+c ");
        assert_int_equal(f->n_failed, 0);
}

static void test_a_list_that_fails_is_repeated(void **state)
{
        static const struct {
                const char *status, *body, *calls, *message;
        } cases[] = {
                { "200 OK", "", "", "no list of metadata" },
                { "200 OK", "<html></html>", "", "no list of metadata" },
                { "200 OK", "{}", "", "no list of metadata" },
                { "200 OK", SCRIPT_STATUS(200, "Odd", ""), "", "no list of metadata" },
                { "200 OK", SCRIPT_LIST("", OBJECT("a", "1")), "+a ", "no list of metadata" },
                { "200 OK",
                  SCRIPT_LIST("1234567890123456789012345678901234567890123456789012345678901234",
                              OBJECT("a", "1")),
                  "+a ", "no list of metadata" },
                { "200 OK",
                  "{\"kind\":\"SecretList\",\"metadata\":{\"resourceVersion\":\"1\"},\"items\":[]}", "",
                  "no list of metadata" },
                { "200 OK", "{\"kind\":\"PartialObjectMetadataList\",\"items\":[" OBJECT("a", "1") ",",
                  "+a ", "no list of metadata" },
                { "500 Internal Server Error", SCRIPT_STATUS(500, "InternalError", ""), "",
                  "it is InternalError" },
                { "403 Forbidden", SCRIPT_STATUS(403, "Forbidden", ""), "", "it is Forbidden" },
                { "302 Found", "", "", "302" },
        };
        Fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char calls[64];

                script_answer(await(f, LIST "resourceVersion=0 "), cases[i].status, "", cases[i].body);
                (void) snprintf(calls, sizeof(calls), "begin %sfailed ", cases[i].calls);
                expect(f, calls);
                assert_non_null(strstr(f->status.message, cases[i].message));
                assert_true(f->retry > 0);
                kube_watch_hurry(f->watch);
        }
        assert_false(kube_watch_synced(f->watch));
        assert_int_equal(f->n_working, 0);
        (void) sync_up(f);
        assert_int_equal(kube_watch_relists(f->watch), 0);
}

/* It tries again by itself, later each time, until something works. */
static void test_backoff(void **state)
{
        Fixture *f = *state;
        usec_t first, last;

        script_answer(await(f, LIST), "500 Internal Server Error", "", "");
        script_until(&f->script, f->n_failed == 1);
        first = f->retry;
        for (unsigned i = 2; i <= 6; i++) {
                ScriptPeer *p = await(f, LIST);

                if (i == 2)
                        assert_true(clock_boottime() >= f->failed_at + first);
                script_answer(p, "500 Internal Server Error", "", "");
                script_until(&f->script, f->n_failed == i);
                kube_watch_hurry(f->watch);
        }
        last = f->retry;
        assert_true(last > 2 * first);
        f->calls[0] = '\0';
        script_cut(sync_up(f));
        script_until(&f->script, f->n_failed == 7);
        assert_true(f->retry < last);

        /* Never before the time that the server asks for. */
        kube_watch_hurry(f->watch);
        script_answer(await(f, WATCH), "429 Too Many Requests", "Retry-After: 50\r\n", "");
        script_until(&f->script, f->n_failed == 8);
        assert_true(f->retry >= 50 * USEC_PER_SEC);
}

/* Only a wait is ended; what is under way is left alone. */
static void test_hurry(void **state)
{
        Fixture *f = *state;
        ScriptPeer *p = await(f, LIST);

        kube_watch_hurry(f->watch);
        script_rest(&f->script);
        script_answer(p, "429 Too Many Requests", "Retry-After: 3600\r\n", "");
        expect(f, "begin failed ");
        script_rest(&f->script);
        assert_int_equal(f->script.n_requests, 1);
        kube_watch_hurry(f->watch);
        p = sync_up(f);
        kube_watch_hurry(f->watch);
        script_rest(&f->script);
        script_chunk(p, ADDED("b", "11"));
        expect(f, "+b ");
        assert_int_equal(f->script.n_requests, 3);
}

/* At whatever point; and not older than what is known. A wait goes on. */
static void test_relist(void **state)
{
        Fixture *f = *state;
        ScriptPeer *p = await(f, LIST "resourceVersion=0 ");

        f->calls[0] = '\0';
        kube_watch_relist(f->watch);
        p = sync_up(f);
        kube_watch_relist(f->watch);
        script_rest(&f->script);
        assert_int_equal(p->fd, -1);
        p = list(f, LIST "resourceVersion=10 ", SCRIPT_LIST("12", OBJECT("b", "11")), "begin +b end ",
                 FROM("12"));
        assert_int_equal(kube_watch_relists(f->watch), 1);
        assert_int_equal(kube_watch_restarts(f->watch), 1);
        script_cut(p);
        script_until(&f->script, f->n_failed == 1);
        kube_watch_relist(f->watch);
        script_rest(&f->script);
        assert_int_equal(script_waiting(&f->script, "GET ", NULL), 0);
        kube_watch_hurry(f->watch);
        (void) await(f, LIST "resourceVersion=12 ");
        assert_int_equal(f->n_failed, 1);
}

/* --- the rest ------------------------------------------------------------------------------------------ */

static void check_stall(const Fixture *f, usec_t soon, usec_t late)
{
        assert_false(kube_watch_stalled(f->watch, clock_boottime() + soon));
        assert_true(kube_watch_stalled(f->watch, clock_boottime() + late));
}

static void test_stalled(void **state)
{
        Fixture *f = *state;
        ScriptPeer *p;

        check_stall(f, 10 * USEC_PER_SEC, USEC_PER_HOUR); /* the timer was to begin the list */
        p = await(f, LIST);
        check_stall(f, USEC_PER_MINUTE, USEC_PER_HOUR);
        script_answer(p, "429 Too Many Requests", "Retry-After: 50\r\n", "");
        script_until(&f->script, f->n_failed == 1);
        check_stall(f, 100 * USEC_PER_SEC, USEC_PER_HOUR);
        kube_watch_hurry(f->watch);
        f->calls[0] = '\0';
        (void) sync_up(f);
        check_stall(f, 5 * USEC_PER_MINUTE, USEC_PER_HOUR);
}

/* At any point, and nothing is heard of it any more. */
static void test_freed(void **state)
{
        Fixture *f = *state;

        for (unsigned i = 0; i < 5; i++) {
                ScriptPeer *p = NULL;

                if (i == 1)
                        p = await(f, LIST);
                else if (i == 2)
                        p = sync_up(f);
                else if (i == 3)
                        script_cut(sync_up(f));
                else if (i == 4) {
                        script_answer(await(f, LIST), "500 Internal Server Error", "", "");
                        script_until(&f->script, f->n_failed == 1);
                }
                f->watch = kube_watch_free(f->watch);
                f->calls[0] = '\0';
                if (p)
                        script_until(&f->script, p->fd < 0);
                script_rest(&f->script);
                assert_string_equal(f->calls, "");
                assert_return_code(
                        kube_watch_new(f->event, f->auth, &f->stats, &namespaces, &handler, f, &f->watch),
                        0);
        }
        assert_null(kube_watch_free(NULL));
}

static int fetch_nothing(void *self, kube_auth_fetched_t done, void *userdata)
{
        return 0;
}

static void cancel_nothing(void *self)
{
}

/* To wait for credentials is not to be stuck. */
static void test_a_list_that_waits_for_credentials(void **state)
{
        static const KubeAuthProvider provider = { fetch_nothing, cancel_nothing, cancel_nothing };
        const usec_t longest = LIST_TIMEOUT + 2 * KUBE_AUTH_WAIT_MAX + STALL_GRACE;
        Fixture *f = *state;

        f->watch = kube_watch_free(f->watch);
        kube_auth_set_provider(f->auth, &provider, NULL);
        assert_return_code(
                kube_watch_new(f->event, f->auth, &f->stats, &namespaces, &handler, f, &f->watch), 0);
        expect(f, "begin ");
        assert_false(kube_watch_stalled(f->watch, f->watch->started + longest));
        assert_true(kube_watch_stalled(f->watch, f->watch->started + longest + 1));
        assert_int_equal(script_waiting(&f->script, "", NULL), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(test_a_list_and_then_a_watch_from_its_version),
                TEST(test_a_list_that_waits_for_credentials),
                TEST(test_the_query_comes_first),
                TEST(test_whole_objects),
                TEST(test_a_watch_goes_on_from_the_last_version),
                TEST(test_a_watch_that_stands_works),
                TEST(test_an_old_version_is_listed_anew),
                TEST(test_a_list_of_what_is_true_now),
                TEST(test_after_an_outage_it_asks_whether_versions_went_back),
                TEST(test_after_hours_a_list_of_what_is_true_now),
                TEST(test_a_watch_that_fails_is_repeated),
                TEST(test_what_is_forbidden_is_tried_soon_and_then_ever_less_often),
                TEST(test_an_object_that_cannot_be_read),
                TEST(test_a_list_that_fails_is_repeated),
                TEST(test_backoff),
                TEST(test_hurry),
                TEST(test_relist),
                TEST(test_stalled),
                TEST(test_freed),
        };

        return cmocka_run_group_tests_name("kube-watch", tests, script_group_setup, script_group_teardown);
}
