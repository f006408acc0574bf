/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "kube-reader.h"
#include "kube-script.h"

/* What was read, "+NAME" and "-NAME". */
static char calls[256];

static void note(char what, const cJSON *object)
{
        size_t n = strlen(calls);

        (void) snprintf(calls + n, sizeof(calls) - n, "%c%s ", what,
                        json_string(json_get(object, "metadata"), "name"));
}

static void on_seen(const cJSON *object, void *userdata)
{
        note('+', object);
}

static void on_gone(const cJSON *object, void *userdata)
{
        note('-', object);
}

static KubeReader reader;

static int set_up(void **state)
{
        reader = (KubeReader){ .collection = "/api/v1/namespaces", .seen = on_seen, .gone = on_gone };
        calls[0] = '\0';
        return 0;
}

static int tear_down(void **state)
{
        kube_reader_done(&reader);
        return 0;
}

static int feed(const char *text)
{
        return kube_reader_feed(&reader, text, strlen(text));
}

static void test_a_list(void **state)
{
        kube_reader_begin_list(&reader);
        assert_int_equal(
                feed(SCRIPT_LIST("10", SCRIPT_OBJECT("a", "7", "") "," SCRIPT_OBJECT("b", "8", ""))), 0);
        assert_string_equal(calls, "+a +b ");
        assert_true(kube_reader_finish_list(&reader));
        assert_string_equal(reader.version, "10"); /* the list's, not an object's */
        assert_false(reader.alive);
        assert_string_equal(reader.problem, "");
}

static void test_no_list(void **state)
{
        static const char *const texts[] = {
                "",
                SCRIPT_OBJECT("a", "7", ""),
                SCRIPT_LIST("", ""),
                "{\"kind\":\"SecretList\",\"metadata\":{\"resourceVersion\":\"10\"},\"items\":[]}",
                ("{\"kind\":\"PartialObjectMetadataList\",\"metadata\":{\"resourceVersion\":\"10\"},"
                 "\"items\":["),
        };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                (void) strcpy(reader.version, "5");
                kube_reader_begin_list(&reader);
                (void) feed(texts[i]);
                assert_false(kube_reader_finish_list(&reader));
                assert_string_equal(reader.version, "");
                assert_string_equal(reader.problem, "the answer is no list of metadata");
                kube_reader_done(&reader);
        }
}

static void test_a_watch(void **state)
{
        kube_reader_begin_watch(&reader);
        assert_int_equal(feed(SCRIPT_EVENT("ADDED", SCRIPT_OBJECT("a", "11", ""))), 0);
        assert_true(reader.alive);
        assert_string_equal(reader.version, "11");
        reader.alive = false;
        assert_int_equal(feed(SCRIPT_EVENT("UNHEARD-OF", SCRIPT_OBJECT("x", "99", ""))), 0);
        assert_false(reader.alive);
        assert_int_equal(feed(SCRIPT_EVENT("MODIFIED", SCRIPT_OBJECT("b", "12", ""))
                                      SCRIPT_EVENT("DELETED", SCRIPT_OBJECT("a", "13", ""))),
                         0);
        assert_int_equal(feed(SCRIPT_EVENT("BOOKMARK", SCRIPT_OBJECT("x", "20", ""))), 0);
        assert_string_equal(calls, "+a +b -a ");
        assert_string_equal(reader.version, "20");
        assert_int_equal(reader.events, 4);
        assert_true(kube_reader_finish_watch(&reader));
        assert_int_equal(feed("{\"type\":"), 0);
        assert_false(kube_reader_finish_watch(&reader));
}

static void test_no_watch(void **state)
{
        kube_reader_begin_watch(&reader);
        (void) strcpy(reader.version, "10");
        assert_true(feed("<html>\n") < 0);
        assert_string_equal(reader.problem, "the answer is no watch of metadata");
        kube_reader_done(&reader);

        /* Whole objects are not for this reader. */
        kube_reader_begin_watch(&reader);
        assert_string_equal(reader.problem, "");
        assert_int_equal(feed(SCRIPT_EVENT("ADDED", "{\"kind\":\"Secret\",\"metadata\":{\"name\":\"s\"}}")),
                         -EBADMSG);
        assert_string_equal(calls, "");
        kube_reader_done(&reader);

        kube_reader_begin_watch(&reader);
        assert_int_equal(feed(SCRIPT_EVENT("ERROR", SCRIPT_STATUS(410, "Expired", ""))), -ESTALE);
        assert_true(reader.expired);
        assert_string_equal(reader.problem, "");
        kube_reader_done(&reader);

        kube_reader_begin_watch(&reader);
        assert_int_equal(feed(SCRIPT_EVENT("ERROR", SCRIPT_STATUS(500, "InternalError", ""))), -EPROTO);
        assert_string_equal(reader.problem, "the watch ended with an error: it is InternalError");
        assert_string_equal(reader.version, "10");
}

static void test_an_object_that_cannot_be_read(void **state)
{
        kube_reader_begin_watch(&reader);
        assert_int_equal(feed("{\"type\":nonsense}\n" SCRIPT_EVENT("ADDED", SCRIPT_OBJECT("a", "11", ""))),
                         0);
        assert_true(reader.left_out);
        assert_string_equal(calls, "+a ");
        assert_int_equal(reader.events, 2);
}

static void test_whole_objects_are_wiped(void **state)
{
        reader.kind = "Secret";
        reader.secret = true;
        kube_reader_begin_watch(&reader);
        assert_true(reader.stream.current.secret);
        assert_int_equal(feed(SCRIPT_EVENT("ADDED", "{\"kind\":\"Secret\",\"metadata\":{\"name\":\"s\"}}")),
                         0);
        assert_string_equal(calls, "+s ");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(test_a_list),
                TEST(test_no_list),
                TEST(test_a_watch),
                TEST(test_no_watch),
                TEST(test_an_object_that_cannot_be_read),
                TEST(test_whole_objects_are_wiped),
        };

        return cmocka_run_group_tests_name("kube-reader", tests, NULL, NULL);
}
