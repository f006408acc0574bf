/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "said.h"

#define log_full said_log
#include "collection.c"
#undef log_full

#include "kube-script.h"

#define LIST "GET /api/v1/namespaces?"
#define FORBIDDEN "403 Forbidden", "", SCRIPT_STATUS(403, "Forbidden", "")

typedef struct Fixture {
        sd_event *event;
        Script script;
        KubeConfig config;
        KubeAuth *auth;
        KubeStats stats;
        CollectionSpec spec;
        Collection *collection;

        char calls[256];
} Fixture;

static void note(Fixture *f, const char *call)
{
        size_t used = strlen(f->calls);

        (void) snprintf(f->calls + used, sizeof(f->calls) - used, "%s ", call);
}

/* What belongs to a list is in brackets. */
static void note_object(Fixture *f, const char *sign, const cJSON *object)
{
        char text[64];

        (void) snprintf(text, sizeof(text), collection_is_listing(f->collection) ? "(%s%s)" : "%s%s", sign,
                        json_string(json_get(object, "metadata"), "name"));
        note(f, text);
}

static void on_test_list_begin(void *userdata)
{
        Fixture *f = userdata;

        assert_true(collection_is_listing(f->collection));
        note(f, "begin");
}

static void on_test_seen(const cJSON *object, void *userdata)
{
        note_object(userdata, "+", object);
}

static void on_test_gone(const cJSON *object, void *userdata)
{
        note_object(userdata, "-", object);
}

static void on_test_list_end(void *userdata)
{
        Fixture *f = userdata;

        assert_false(collection_is_listing(f->collection));
        note(f, "end");
}

static void on_test_works_again(void *userdata)
{
        Fixture *f = userdata;

        assert_string_equal(collection_error(f->collection), "");
        note(f, "works");
}

static void on_test_failed(void *userdata)
{
        Fixture *f = userdata;

        assert_false(collection_is_listing(f->collection));
        assert_true(collection_failures(f->collection) > 0);
        note(f, "failed");
}

static const CollectionHandler test_handler = {
        .list_begin = on_test_list_begin,
        .seen = on_test_seen,
        .gone = on_test_gone,
        .list_end = on_test_list_end,
        .works_again = on_test_works_again,
        .failed = on_test_failed,
};

static void make(Fixture *f)
{
        assert_return_code(
                collection_new(f->event, f->auth, &f->stats, &f->spec, &test_handler, f, &f->collection), 0);
}

static int set_up(void **state)
{
        Fixture *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        said[0] = '\0';
        assert_return_code(sd_event_new(&f->event), 0);
        script_begin(&f->script, f->event);
        f->config.server = f->script.url;
        assert_return_code(kube_auth_new(f->event, &f->config, &f->auth), 0);
        f->spec = (CollectionSpec){ .what = "namespaces", .path = "/api/v1/namespaces" };
        *state = f;
        return 0;
}

static int tear_down(void **state)
{
        Fixture *f = *state;

        f->collection = collection_free(f->collection);
        f->auth = kube_auth_free(f->auth);
        script_end(&f->script);
        (void) sd_event_unref(f->event);
        free(f);
        return 0;
}

static ScriptPeer *await(const Fixture *f, const char *start)
{
        return script_await(&f->script, start);
}

/* Waits for the calls that are to come next. */
static void expect(Fixture *f, const char *calls)
{
        script_until(&f->script, strlen(f->calls) >= strlen(calls));
        assert_string_equal(f->calls, calls);
        f->calls[0] = '\0';
}

/* A list fails, and the next one need not be waited for. */
static void refuse(Fixture *f, const char *status, const char *headers, const char *body)
{
        script_answer(await(f, LIST), status, headers, body);
        script_until(&f->script, *f->calls);
        script_rest(&f->script);
        f->calls[0] = '\0';
        kube_watch_hurry(collection_watch(f->collection));
}

static void expect_said(const Fixture *f, const char *level, const char *what, const char *behind)
{
        char expected[512];

        (void) snprintf(expected, sizeof(expected),
                        "%s Cannot read namespaces from %s: %s; trying again in ", level, f->script.url,
                        what);
        if (!startswith(said, expected))
                fail_msg("no \"%s\" in %s", expected, said);
        assert_ptr_equal(strchr(said, '\n') + 1, said + strlen(said)); /* one line */
        said[strlen(said) - 1] = '\0';
        assert_string_equal(said + strlen(said) - strlen(behind), behind);
        assert_string_equal(said_id, MESSAGE_READING_FAILED);
        said[0] = '\0';
}

static void test_a_list_and_what_comes_after(void **state)
{
        Fixture *f = *state;
        ScriptPeer *p;

        make(f);
        assert_false(collection_is_listing(f->collection));
        p = await(f, LIST "resourceVersion=");
        assert_request(p, "as=PartialObjectMetadata");
        script_answer(p, "200 OK", "", SCRIPT_LIST("9", SCRIPT_OBJECT("a", "5", "")));
        p = await(f, LIST "watch=1&");
        expect(f, "begin (+a) end ");
        script_stream(p);
        script_chunk(p, SCRIPT_EVENT("ADDED", SCRIPT_OBJECT("b", "10", "")));
        script_chunk(p, SCRIPT_EVENT("DELETED", SCRIPT_OBJECT("a", "11", "")));
        expect(f, "+b -a ");
        assert_string_equal(collection_error(f->collection), "");
        assert_string_equal(said, ""); /* of what works nothing is said */
}

static void test_one_name_and_whole_objects(void **state)
{
        Fixture *f = *state;
        ScriptPeer *p;

        f->spec.name = "ecr";
        f->spec.kind = "Namespace";
        make(f);
        p = await(f, LIST "fieldSelector=metadata.name%3Decr&resourceVersion=");
        assert_false(script_has(p, "PartialObjectMetadata"));
}

/* Once for each reason, however often it is tried. */
static void test_failures_are_told(void **state)
{
        Fixture *f = *state;

        make(f);
        refuse(f, FORBIDDEN);
        expect_said(f, "4", "it is Forbidden", "s");
        assert_true(collection_is_forbidden(f->collection));
        refuse(f, FORBIDDEN);
        assert_string_equal(said, "");
        assert_int_equal(collection_failures(f->collection), 2);
        refuse(f, "500 Internal Server Error", "", SCRIPT_STATUS(500, "InternalError", ""));
        expect_said(f, "4", "it is InternalError", "s");
        assert_false(collection_is_forbidden(f->collection));
        assert_int_equal(collection_failures(f->collection), 3);
        assert_string_equal(collection_error(f->collection), "it is InternalError");
        script_answer(await(f, LIST), "200 OK", "", SCRIPT_LIST("9", ""));
        expect(f, "begin end works ");
        assert_int_equal(collection_failures(f->collection), 0);
        assert_string_equal(said, "6 Reading namespaces works again\n");
}

static void test_rights_that_not_everybody_grants(void **state)
{
        Fixture *f = *state;

        f->spec.extra_rights = true;
        make(f);
        refuse(f, FORBIDDEN);
        expect_said(f, "4", "it is Forbidden (see RIGHTS in eatr(8))", "s");
        refuse(f, "500 Internal Server Error", "", SCRIPT_STATUS(500, "InternalError", ""));
        expect_said(f, "4", "it is InternalError", "s");
        refuse(f, FORBIDDEN);
        assert_true(collection_is_forbidden(f->collection));
        said[0] = '\0';
        script_answer(await(f, LIST), "200 OK", "", SCRIPT_LIST("9", ""));
        expect(f, "begin end works ");
        assert_false(collection_is_forbidden(f->collection));
}

static void test_a_server_that_is_too_old(void **state)
{
        Fixture *f = *state;

        make(f);
        refuse(f, "406 Not Acceptable", "", SCRIPT_STATUS(406, "NotAcceptable", ""));
        expect_said(f, "4", "it is NotAcceptable", "s (Kubernetes 1.16 or newer is needed)");
        f->collection = collection_free(f->collection);

        /* Whole objects it has always had. */
        f->spec.kind = "Namespace";
        make(f);
        refuse(f, "406 Not Acceptable", "", SCRIPT_STATUS(406, "NotAcceptable", ""));
        expect_said(f, "4", "it is NotAcceptable", "s");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(test_a_list_and_what_comes_after), TEST(test_one_name_and_whole_objects),
                TEST(test_failures_are_told),           TEST(test_rights_that_not_everybody_grants),
                TEST(test_a_server_that_is_too_old),
        };

        return cmocka_run_group_tests(tests, script_group_setup, script_group_teardown);
}
