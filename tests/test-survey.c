/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "said.h"

#define log_full said_log
#include "survey.c"
#undef log_full

#include "kube-script.h"

#define NAMESPACES "GET /api/v1/namespaces HTTP"
#define SECRETS "GET /api/v1/secrets?fieldSelector=metadata.name%3Decr HTTP"
#define ACCOUNTS "GET /api/v1/serviceaccounts HTTP"
#define ONE_ACCOUNT "GET /api/v1/serviceaccounts?fieldSelector=metadata.name%3Ddefault HTTP"

#define LIST(kind, items) \
        "{\"kind\":\"" kind "List\",\"metadata\":{\"resourceVersion\":\"9\"},\"items\":[" items "]}\n"
#define METADATA(items) LIST("PartialObjectMetadata", items)
#define NAMESPACE(name) "{\"metadata\":{\"name\":\"" name "\",\"resourceVersion\":\"3\"}}"
#define SECRET(namespace, name)                                                                             \
        "{\"metadata\":{\"name\":\"" name                                                                   \
        "\",\"namespace\":\"" namespace "\",\"uid\":\"u\",\"resourceVersion\":\"4\",\"managedFields\":[{"   \
                                        "\"manager\":\"helm\","                                             \
                                        "\"operation\":\"Update\",\"fieldsV1\":{\"f:data\":{\"f:k\":{}}}}]" \
                                        "}}"
#define ACCOUNT(namespace, name, secrets) \
        "{\"metadata\":{\"name\":\"" name \
        "\",\"namespace\":\"" namespace "\",\"resourceVersion\":\"5\"},\"imagePullSecrets\":[" secrets "]}"

static char *none[] = { NULL };

typedef struct Fixture {
        sd_event *event;
        Script script;
        KubeConfig kube;
        Conf conf;
        SurveyConfig config;
        Reading reading;
        char *text;
        size_t size;
        FILE *out;
} Fixture;

static int set_up(void **state)
{
        Fixture *f = calloc(1, sizeof(*f));
        Reading *r = &f->reading;

        assert_non_null(f);
        assert_return_code(sd_event_new(&f->event), 0);
        script_begin(&f->script, f->event);
        f->kube.server = f->script.url;
        f->conf.secret = (ConfSecret){ .name = (char *) "ecr", .service_accounts = none };
        f->conf.namespaces = (ConfNamespaces){ .blacklist = none, .include = none };
        f->config = (SurveyConfig){ .conf = &f->conf, .kube = &f->kube, .namespaces = none };
        f->out = open_memstream(&f->text, &f->size);
        assert_non_null(f->out);
        said[0] = '\0';
        said_level = LOG_INFO;
        *r = (Reading){ .event = f->event, .config = &f->config, .out = f->out };
        *state = f;
        return 0;
}

static int tear_down(void **state)
{
        Fixture *f = *state;

        reading_done(&f->reading);
        script_end(&f->script);
        (void) sd_event_unref(f->event);
        (void) fclose(f->out);
        free(f->text);
        free(f);
        return 0;
}

static void start(Fixture *f)
{
        assert_return_code(begin(&f->reading), 0);
}

static void answer(Fixture *f, const char *request, const char *body)
{
        script_answer(script_await(&f->script, request), "200 OK", "", body);
}

static void expect(Fixture *f, int status, const char *text, const char *log)
{
        int code;

        script_until(&f->script, sd_event_get_state(f->event) == SD_EVENT_FINISHED);
        assert_return_code(sd_event_get_exit_code(f->event, &code), 0);
        assert_int_equal(code, status);
        (void) fflush(f->out);
        assert_string_equal(f->text, text);
        assert_string_equal(said, log);
}

/* In the order of names, not of the list; of the Secrets those of eatr's name, in namespaces that are there.
 */
static void test_two_lists(void **state)
{
        Fixture *f = *state;
        ScriptPeer *p;

        start(f);
        p = script_await(&f->script, NAMESPACES);
        assert_request(p, "as=PartialObjectMetadataList");
        script_answer(p, "200 OK", "", METADATA(NAMESPACE("b") "," NAMESPACE("a")));
        p = script_await(&f->script, SECRETS);
        assert_request(p, "as=PartialObjectMetadataList");
        script_answer(p, "200 OK", "",
                      METADATA(SECRET("b", "ecr") "," SECRET("a", "other") "," SECRET("gone", "ecr")));
        expect(f, 0,
               "NAMESPACE   WANTED   SECRET                      EXPIRES   NEXT\n"
               "a           yes      missing                     -         create\n"
               "b           yes      foreign (written by helm)   -         leave\n"
               "2 namespaces: 0 fresh, 0 due, 1 pending, 1 in conflict, 0 excluded\n",
               "");
        assert_int_equal(f->script.n_requests, 2);
}

/* What others are like does not depend on them. */
static void test_globs(void **state)
{
        char *globs[] = { (char *) "b*", (char *) "c", NULL };
        Fixture *f = *state;

        f->config.namespaces = globs;
        start(f);
        answer(f, NAMESPACES,
               METADATA(NAMESPACE("a") "," NAMESPACE("bb") "," NAMESPACE("c") "," NAMESPACE("cc")));
        answer(f, SECRETS, METADATA(SECRET("a", "ecr")));
        expect(f, 0,
               "NAMESPACE   WANTED   SECRET    EXPIRES   NEXT\n"
               "bb          yes      missing   -         create\n"
               "c           yes      missing   -         create\n"
               "2 namespaces: 0 fresh, 0 due, 2 pending, 0 in conflict, 0 excluded\n",
               "");
}

static void test_service_accounts(void **state)
{
        char *globs[] = { (char *) "default", (char *) "ci-*", NULL }, *kube[] = { (char *) "kube-*", NULL };
        Fixture *f = *state;

        f->conf.secret.service_accounts = globs;
        f->conf.namespaces.blacklist = kube;
        start(f);
        answer(f, NAMESPACES, METADATA(NAMESPACE("a") "," NAMESPACE("kube-a")));
        answer(f, SECRETS, METADATA(""));
        answer(f, ACCOUNTS,
               LIST("ServiceAccount",
                    ACCOUNT("a", "default", "{\"name\":\"ecr\"}") "," ACCOUNT(
                            "a", "ci-a",
                            "{\"name\":\"x\"}") "," ACCOUNT("a", "other",
                                                            "") "," ACCOUNT("kube-a", "default",
                                                                            "") "," ACCOUNT("b", "default",
                                                                                            "")));
        expect(f, 0,
               "NAMESPACE   WANTED                    SECRET    EXPIRES   ACCOUNTS   NEXT\n"
               "a           yes                       missing   -         1 of 2     create\n"
               "kube-a      blacklist glob \"kube-*\"   none      -         -          nothing\n"
               "2 namespaces: 0 fresh, 0 due, 1 pending, 0 in conflict, 1 excluded\n",
               "");
        assert_int_equal(f->script.n_requests, 3);
}

/* All else is told. */
static void test_service_accounts_that_cannot_be_read(void **state)
{
        char *globs[] = { (char *) "default", NULL };
        Fixture *f = *state;

        f->conf.secret.service_accounts = globs;
        start(f);
        answer(f, NAMESPACES, METADATA(NAMESPACE("a")));
        answer(f, SECRETS, METADATA(""));
        script_answer(script_await(&f->script, ONE_ACCOUNT), "403 Forbidden", "",
                      SCRIPT_STATUS(403, "Forbidden", ""));
        f->kube.server = (char *) "SERVER";
        expect(f, 1,
               "NAMESPACE   WANTED   SECRET    EXPIRES   ACCOUNTS   NEXT\n"
               "a           yes      missing   -         unknown    create\n"
               "1 namespaces: 0 fresh, 0 due, 1 pending, 0 in conflict, 0 excluded\n",
               "3 Cannot read service accounts from SERVER: it is Forbidden\n");
}

static void test_lists_that_cannot_be_read(void **state)
{
        Fixture *f = *state;

        start(f);
        script_answer(script_await(&f->script, NAMESPACES), "406 Not Acceptable", "",
                      SCRIPT_STATUS(406, "NotAcceptable", ""));
        f->kube.server = (char *) "SERVER";
        expect(f, 1, "",
               "3 Cannot read namespaces from SERVER: it is NotAcceptable (Kubernetes 1.16 or newer is "
               "needed)\n");
        assert_int_equal(f->script.n_requests, 1);
}

static void test_what_is_no_list(void **state)
{
        Fixture *f = *state;

        start(f);
        answer(f, NAMESPACES, METADATA(NAMESPACE("a")));
        answer(f, SECRETS, LIST("Secret", ""));
        f->kube.server = (char *) "SERVER";
        expect(f, 1, "", "3 Cannot read Secrets from SERVER: the answer is no list of metadata\n");
}

static void test_a_list_that_breaks_off(void **state)
{
        Fixture *f = *state;
        ScriptPeer *p;

        start(f);
        p = script_await(&f->script, NAMESPACES);
        script_stream(p);
        script_chunk(p, "{\"kind\":\"PartialObjectMetadataList\",\"items\":[" NAMESPACE("a"));
        script_cut(p);
        script_until(&f->script, sd_event_get_state(f->event) == SD_EVENT_FINISHED);
        (void) fflush(f->out);
        assert_string_equal(f->text, "");
        assert_non_null(startswith(said, "3 Cannot read namespaces from http://"));
}

/* It is not passed over in silence. */
static void test_an_object_that_cannot_be_read(void **state)
{
        Fixture *f = *state;

        start(f);
        answer(f, NAMESPACES, METADATA(NAMESPACE("a") ",{\"metadata\":nope}"));
        answer(f, SECRETS, METADATA(""));
        expect(f, 1,
               "NAMESPACE   WANTED   SECRET    EXPIRES   NEXT\n"
               "a           yes      missing   -         create\n"
               "1 namespaces: 0 fresh, 0 due, 1 pending, 0 in conflict, 0 excluded\n",
               "3 Something of the namespaces cannot be read, and is left out\n");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(test_two_lists),
                TEST(test_globs),
                TEST(test_service_accounts),
                TEST(test_service_accounts_that_cannot_be_read),
                TEST(test_lists_that_cannot_be_read),
                TEST(test_what_is_no_list),
                TEST(test_a_list_that_breaks_off),
                TEST(test_an_object_that_cannot_be_read),
        };

        return cmocka_run_group_tests_name("survey", tests, NULL, NULL);
}
