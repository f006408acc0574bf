/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "encode.h"
#include "kube-keys.c"

#include "kube-script.h"

#define LIST "GET /api/v1/namespaces/ci-cd/secrets?fieldSelector=metadata.name%3Decr-puller&resourceVersion="
#define WATCH "GET /api/v1/namespaces/ci-cd/secrets?fieldSelector=metadata.name%3Decr-puller&watch=1&"
#define ABOUT "Secret ci-cd/ecr-puller: "

/* Values as they are in a Secret. */
#define ID "QUtJQUVYQU1QTEU="      /* AKIAEXAMPLE */
#define KEY "d0phbHJYVXRuRkVNSQ==" /* wJalrXUtnFEMI */
#define OTHER_KEY "b3RoZXJrZXk="   /* otherkey */
#define TOKEN "dG9rZW4xMjM="       /* token123 */
#define DATA(id, key) "\"aws_access_key_id\":\"" id "\",\"aws_secret_access_key\":\"" key "\""

#define SECRET_NAMED(name, version, data)                                                 \
        "{\"kind\":\"Secret\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"" name       \
        "\",\"namespace\":\"ci-cd\",\"resourceVersion\":\"" version "\"},\"data\":{" data \
        "},\"type\":\"Opaque\"}"
#define SECRET(version, data) SECRET_NAMED("ecr-puller", version, data)
#define SECRETS(items)                                                                              \
        "{\"kind\":\"SecretList\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"10\"}," \
        "\"items\":[" items "]}\n"

typedef struct Fixture {
        sd_event *event;
        Script script;
        KubeConfig config;
        KubeAuth *auth;
        KubeStats stats;
        KubeKeys *keys;

        unsigned n_told;
        AwsCredentials *credentials; /* what was told last */
        char *problem;
        bool free; /* when told */
} Fixture;

static void on_changed(AwsCredentials *credentials, const char *problem, void *userdata)
{
        Fixture *f = userdata;

        assert_true(!credentials == !!problem);
        f->n_told++;
        (void) aws_credentials_unref(f->credentials);
        f->credentials = aws_credentials_ref(credentials);
        assert_int_equal(str_replace(&f->problem, problem), 0);
        if (f->free)
                f->keys = kube_keys_free(f->keys);
}

static int set_up(void **state)
{
        Fixture *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        assert_return_code(sd_event_new(&f->event), 0);
        script_begin(&f->script, f->event);
        f->config.server = f->script.url;
        assert_return_code(kube_auth_new(f->event, &f->config, &f->auth), 0);
        assert_return_code(
                kube_keys_new(f->event, f->auth, &f->stats, "ci-cd/ecr-puller", on_changed, f, &f->keys),
                0);
        *state = f;
        return 0;
}

static int tear_down(void **state)
{
        Fixture *f = *state;

        f->keys = kube_keys_free(f->keys);
        f->auth = kube_auth_free(f->auth);
        (void) aws_credentials_unref(f->credentials);
        free(f->problem);
        script_end(&f->script);
        (void) sd_event_unref(f->event);
        free(f);
        return 0;
}

static ScriptPeer *await(const Fixture *f, const char *start)
{
        return script_await(&f->script, start);
}

static void expect_keys(Fixture *f, const char *id, const char *key, const char *token)
{
        script_until(&f->script, f->n_told > 0);
        assert_null(f->problem);
        assert_string_equal(f->credentials->keys.access_key_id, id);
        assert_string_equal(f->credentials->keys.secret_access_key, key);
        assert_true(streq_ptr(f->credentials->keys.session_token, token));
        assert_int_equal(f->credentials->expires, 0);
        script_rest(&f->script);
        assert_int_equal(f->n_told, 1);
        f->n_told = 0;
}

static void expect_problem(Fixture *f, const char *problem)
{
        script_until(&f->script, f->n_told > 0);
        assert_non_null(f->problem);
        assert_string_equal(f->problem, problem);
        script_rest(&f->script);
        assert_int_equal(f->n_told, 1);
        f->n_told = 0;
}

static void expect_no_news(Fixture *f)
{
        script_rest(&f->script);
        assert_int_equal(f->n_told, 0);
}

/* Answers the list, and takes the watch that goes on from it. */
static ScriptPeer *list(Fixture *f, const char *body)
{
        ScriptPeer *p = await(f, LIST);

        script_answer(p, "200 OK", "", body);
        p = await(f, WATCH);
        script_stream(p);
        return p;
}

static void change(ScriptPeer *p, const char *version, const char *data)
{
        char *event = str_printf(SCRIPT_EVENT("MODIFIED",
                                              "{\"kind\":\"Secret\",\"metadata\":{\"name\":\"ecr-puller\","
                                              "\"resourceVersion\":\"%s\"},\"data\":{%s}}"),
                                 version, data);

        assert_non_null(event);
        script_chunk(p, event);
        free(event);
}

/* --- a Secret that is there ---------------------------------------------------------------------------- */

static void test_found_at_the_start(void **state)
{
        Fixture *f = *state;
        ScriptPeer *p = await(f, LIST "0 HTTP/1.1\r\n");

        assert_false(script_has(p, "gzip")); /* zlib's memory is wiped by nobody */
        assert_request(p, "\r\nAccept: application/json\r\n");
        assert_int_equal(f->n_told, 0);
        script_answer(p, "200 OK", "", SECRETS(SECRET("5", DATA(ID, KEY))));
        expect_keys(f, "AKIAEXAMPLE", "wJalrXUtnFEMI", NULL);
        assert_request(await(f, WATCH), "\r\nAccept: application/json\r\n");
}

static void test_both_spellings(void **state)
{
        static const struct {
                const char *data, *token;
        } cases[] = {
                { DATA(ID, KEY) ",\"aws_session_token\":\"" TOKEN "\"", "token123" },
                { "\"AWS_ACCESS_KEY_ID\":\"" ID "\",\"AWS_SECRET_ACCESS_KEY\":\"" KEY "\"", NULL },
                { "\"AWS_ACCESS_KEY_ID\":\"" ID "\",\"AWS_SECRET_ACCESS_KEY\":\"" KEY
                  "\",\"AWS_SESSION_TOKEN\":\"" TOKEN "\",\"AWS_REGION\":\"eA==\"",
                  "token123" },
                { "\"AWS_ACCESS_KEY_ID\":\"eA==\",\"AWS_SECRET_ACCESS_KEY\":\"eA==\"," DATA(ID, KEY), NULL },
                /* From files: with "\n" or "\r\n" at the end. */
                { DATA("QUtJQUVYQU1QTEUK", "d0phbHJYVXRuRkVNSQ0K") ",\"aws_session_token\":\"dG9rZW4xMjMK\"",
                  "token123" },
        };
        Fixture *f = *state;
        ScriptPeer *p = list(f, SECRETS(SECRET("5", "")));

        expect_problem(f, ABOUT "it has no key aws_access_key_id");
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                change(p, "11", DATA(ID, OTHER_KEY));
                expect_keys(f, "AKIAEXAMPLE", "otherkey", NULL);
                change(p, "12", cases[i].data);
                expect_keys(f, "AKIAEXAMPLE", "wJalrXUtnFEMI", cases[i].token);
        }
}

static void test_absent_and_then_created(void **state)
{
        Fixture *f = *state;
        ScriptPeer *p = list(f, SECRETS(SECRET_NAMED("other", "5", DATA(ID, KEY))));

        expect_problem(f, ABOUT "there is no such Secret");
        script_chunk(p, SCRIPT_EVENT("ADDED", SECRET_NAMED("other", "11", DATA(ID, KEY))));
        expect_no_news(f);
        script_chunk(p, SCRIPT_EVENT("ADDED", SECRET("12", DATA(ID, KEY))));
        expect_keys(f, "AKIAEXAMPLE", "wJalrXUtnFEMI", NULL);
}

/* Another one is told all that is known already, and of what changes, without another list. */
static void test_handed_over(void **state)
{
        Fixture *f = *state;
        ScriptPeer *p = list(f, SECRETS(SECRET("5", DATA(ID, KEY))));

        expect_keys(f, "AKIAEXAMPLE", "wJalrXUtnFEMI", NULL);
        kube_keys_hand_over(f->keys, on_changed, f);
        expect_keys(f, "AKIAEXAMPLE", "wJalrXUtnFEMI", NULL);
        change(p, "6", DATA(ID, OTHER_KEY));
        expect_keys(f, "AKIAEXAMPLE", "otherkey", NULL);
}

/* Before anything is known there is nothing to tell. */
static void test_handed_over_early(void **state)
{
        Fixture *f = *state;

        kube_keys_hand_over(f->keys, on_changed, f);
        expect_no_news(f);
        (void) list(f, SECRETS(SECRET("5", DATA(ID, KEY))));
        expect_keys(f, "AKIAEXAMPLE", "wJalrXUtnFEMI", NULL);
}

static void test_edited_and_deleted(void **state)
{
        Fixture *f = *state;
        ScriptPeer *p = list(f, SECRETS(SECRET("5", DATA(ID, KEY))));

        expect_keys(f, "AKIAEXAMPLE", "wJalrXUtnFEMI", NULL);
        change(p, "11", DATA(ID, KEY)); /* somebody's label */
        change(p, "12", DATA(ID, "d0phbHJYVXRuRkVNSQo=") ",\"more\":\"eA==\"");
        expect_no_news(f);
        change(p, "13", DATA(ID, OTHER_KEY));
        expect_keys(f, "AKIAEXAMPLE", "otherkey", NULL);
        change(p, "14", DATA(TOKEN, OTHER_KEY));
        expect_keys(f, "token123", "otherkey", NULL);
        change(p, "15", DATA(TOKEN, OTHER_KEY) ",\"aws_session_token\":\"" TOKEN "\"");
        expect_keys(f, "token123", "otherkey", "token123");
        script_chunk(p, SCRIPT_EVENT("DELETED", SECRET_NAMED("other", "16", "")));
        script_chunk(p, SCRIPT_EVENT("BOOKMARK", SECRET_NAMED("", "17", "")));
        expect_no_news(f);
        script_chunk(p, SCRIPT_EVENT("DELETED", SECRET("18", DATA(TOKEN, OTHER_KEY))));
        expect_problem(f, ABOUT "there is no such Secret");

        /* A list that does not have it either. */
        script_chunk(p, SCRIPT_EVENT("ERROR", SCRIPT_STATUS(410, "Expired", "")));
        p = list(f, SECRETS(""));
        expect_no_news(f);
        script_chunk(p, SCRIPT_EVENT("ADDED", SECRET("20", DATA(TOKEN, OTHER_KEY))));
        expect_keys(f, "token123", "otherkey", NULL);
        script_chunk(p, SCRIPT_EVENT("ERROR", SCRIPT_STATUS(410, "Expired", "")));
        p = list(f, SECRETS(SECRET("20", DATA(TOKEN, OTHER_KEY))));
        expect_no_news(f);
        /* Deleted while nobody watched. */
        script_chunk(p, SCRIPT_EVENT("ERROR", SCRIPT_STATUS(410, "Expired", "")));
        (void) list(f, SECRETS(""));
        expect_problem(f, ABOUT "there is no such Secret");
}

/* --- garbage ------------------------------------------------------------------------------------------- */

static void test_values_that_are_of_no_use(void **state)
{
        static const struct {
                const char *data, *problem;
        } cases[] = {
                { "", "it has no key aws_access_key_id" },
                { "\"aws_access_key_id\":\"" ID "\"", "it has no key aws_secret_access_key" },
                { "\"aws_secret_access_key\":\"" KEY "\"", "it has no key aws_access_key_id" },
                { "\"aws_access_key_id\":null,\"aws_secret_access_key\":\"" KEY "\"",
                  "it has no key aws_access_key_id" },
                { DATA("AKIAEXAMPLE!", KEY), "the value of its key aws_access_key_id is not base64" },
                { DATA(ID, "QUtJQ"), "the value of its key aws_secret_access_key is not base64" },
                { DATA(ID, ""), "the value of its key aws_secret_access_key is empty" },
                { DATA("DQoK", KEY), "the value of its key aws_access_key_id is empty" },
                { DATA(ID, "YQpi"), /* a LF b */
                  "the value of its key aws_secret_access_key has a blank, a line end or another character "
                  "in "
                  "it that cannot be" },
                { DATA("YSBi", KEY), /* a blank b */
                  "the value of its key aws_access_key_id has a blank, a line end or another character in "
                  "it "
                  "that cannot be" },
                { DATA("YQBi", KEY), /* a NUL b */
                  "the value of its key aws_access_key_id has a blank, a line end or another character in "
                  "it "
                  "that cannot be" },
                { DATA("w6Q=", KEY), /* beyond ASCII */
                  "the value of its key aws_access_key_id has a blank, a line end or another character in "
                  "it "
                  "that cannot be" },
                { DATA(ID, KEY) ",\"aws_session_token\":\"?\"",
                  "the value of its key aws_session_token is not base64" },
                { "\"AWS_ACCESS_KEY_ID\":\"?\"", "the value of its key AWS_ACCESS_KEY_ID is not base64" },
        };
        Fixture *f = *state;
        ScriptPeer *p = list(f, SECRETS(SECRET("5", DATA(ID, KEY))));

        expect_keys(f, "AKIAEXAMPLE", "wJalrXUtnFEMI", NULL);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char problem[256];

                (void) snprintf(problem, sizeof(problem), ABOUT "%s", cases[i].problem);
                change(p, "11", cases[i].data);
                expect_problem(f, problem);
                change(p, "12", cases[i].data);
                expect_no_news(f);
                /* The same as before the problem are news. */
                change(p, "13", DATA(ID, KEY));
                expect_keys(f, "AKIAEXAMPLE", "wJalrXUtnFEMI", NULL);
        }
        script_chunk(p,
                     SCRIPT_EVENT("MODIFIED", "{\"kind\":\"Secret\",\"metadata\":{\"name\":\"ecr-puller\","
                                              "\"resourceVersion\":\"14\"}}"));
        expect_problem(f, ABOUT "it has no key aws_access_key_id");
}

static void change_to_size(ScriptPeer *p, size_t size)
{
        _cleanup_free_ char *bytes = malloc(size), *encoded = NULL, *data = NULL;

        assert_non_null(bytes);
        memset(bytes, 'x', size);
        encoded = encode_base64(bytes, size);
        assert_non_null(encoded);
        data = str_printf("\"aws_secret_access_key\":\"%s\",\"aws_access_key_id\":\"" ID "\"", encoded);
        assert_non_null(data);
        change(p, "11", data);
}

static void test_large_values(void **state)
{
        static const char problem[] =
                ABOUT "the value of its key aws_secret_access_key is larger than 8 KiB";
        Fixture *f = *state;
        ScriptPeer *p = list(f, SECRETS(SECRET("5", DATA(ID, KEY))));

        expect_keys(f, "AKIAEXAMPLE", "wJalrXUtnFEMI", NULL);
        change_to_size(p, KUBE_KEYS_VALUE_MAX + 1);
        expect_problem(f, problem);
        change_to_size(p, 1024UL * 1024);
        expect_no_news(f);
        change_to_size(p, KUBE_KEYS_VALUE_MAX);
        script_until(&f->script, f->n_told == 1);
        assert_int_equal(strlen(f->credentials->keys.secret_access_key), KUBE_KEYS_VALUE_MAX);
        f->n_told = 0;
        change_to_size(p, 1024UL * 1024);
        expect_problem(f, problem);
}

/* --- an API server that says no ------------------------------------------------------------------------ */

static void test_forbidden(void **state)
{
        static const char problem[] = ABOUT "reading is forbidden (403): it is Forbidden";
        Fixture *f = *state;
        ScriptPeer *p;

        for (unsigned i = 0; i < 3; i++) {
                script_answer(await(f, LIST), "403 Forbidden", "", SCRIPT_STATUS(403, "Forbidden", ""));
                if (i == 0)
                        expect_problem(f, problem);
                else
                        expect_no_news(f);
                kube_watch_hurry(f->keys->watch);
        }
        p = list(f, SECRETS(SECRET("5", DATA(ID, KEY))));
        expect_keys(f, "AKIAEXAMPLE", "wJalrXUtnFEMI", NULL);

        /* Later on, and then the watch is taken again, without a list. */
        script_chunk(p, SCRIPT_EVENT("BOOKMARK", SECRET_NAMED("", "17", "")));
        script_finish(p);
        script_answer(await(f, WATCH), "403 Forbidden", "", SCRIPT_STATUS(403, "Forbidden", ""));
        expect_problem(f, problem);
        kube_watch_hurry(f->keys->watch);
        p = await(f, WATCH);
        script_stream(p);
        script_chunk(p, SCRIPT_EVENT("BOOKMARK", SECRET_NAMED("", "18", "")));
        expect_keys(f, "AKIAEXAMPLE", "wJalrXUtnFEMI", NULL);
}

/* Before anything is known it says why; afterwards that is for others to say. */
static void test_an_api_server_that_is_away(void **state)
{
        Fixture *f = *state;
        ScriptPeer *p;

        script_answer(await(f, LIST), "500 Internal Server Error", "", SCRIPT_STATUS(500, "Bad", ""));
        expect_problem(f, ABOUT "it cannot be read: it is Bad");
        kube_watch_hurry(f->keys->watch);
        script_answer(await(f, LIST), "401 Unauthorized", "", SCRIPT_STATUS(401, "Unauthorized", ""));
        expect_problem(f, ABOUT "it cannot be read: it is Unauthorized");
        kube_watch_hurry(f->keys->watch);
        script_answer(await(f, LIST), "200 OK", "", SCRIPT_LIST("10", ""));
        expect_problem(f, ABOUT "it cannot be read: the answer is no list of Secret");
        kube_watch_hurry(f->keys->watch);
        p = list(f, SECRETS(SECRET("5", DATA(ID, KEY))));
        expect_keys(f, "AKIAEXAMPLE", "wJalrXUtnFEMI", NULL);
        script_cut(p);
        for (unsigned i = 0; i < 2; i++) {
                static const char *const statuses[] = { "500 Internal Server Error", "401 Unauthorized" };

                expect_no_news(f);
                kube_watch_hurry(f->keys->watch);
                script_answer(await(f, WATCH), statuses[i], "", "");
        }
        expect_no_news(f);
}

/* --- the rest ------------------------------------------------------------------------------------------ */

static void test_names(void **state)
{
        static const char *const bad[] = { "",     "a",    "/",     "a/",     "/a",    "a/b/c",
                                           "A/b",  "a/B",  "a/b?c", "a/b%2f", "../b",  "a/..",
                                           ".a/b", "a/b.", "a/-b",  "a b/c",  "a/b\n", "a/b&c=d" };
        static const char *const good[] = { "a/b", "kube-system/my.secret-1", "0/1" };
        Fixture *f = *state;
        char large[300] = "a/";

        memset(large + 2, 'x', 254);
        assert_int_equal(kube_keys_new(f->event, f->auth, &f->stats, large, on_changed, f, &f->keys),
                         -EINVAL);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(
                        kube_keys_new(f->event, f->auth, &f->stats, bad[i], on_changed, f, &f->keys),
                        -EINVAL);
        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                f->keys = kube_keys_free(f->keys);
                assert_return_code(
                        kube_keys_new(f->event, f->auth, &f->stats, good[i], on_changed, f, &f->keys), 0);
        }
        (void) await(f, "GET /api/v1/namespaces/0/secrets?fieldSelector=metadata.name%3D1&");
}

static void test_stalled(void **state)
{
        Fixture *f = *state;

        assert_false(kube_keys_stalled(f->keys, clock_boottime() + 10 * USEC_PER_SEC));
        assert_true(kube_keys_stalled(f->keys, clock_boottime() + USEC_PER_HOUR));
        (void) list(f, SECRETS(""));
        assert_false(kube_keys_stalled(f->keys, clock_boottime() + 5 * USEC_PER_MINUTE));
}

static void test_freed_when_told(void **state)
{
        Fixture *f = *state;
        ScriptPeer *p = await(f, LIST);

        f->free = true;
        script_answer(p, "200 OK", "", SECRETS(SECRET("5", DATA(ID, KEY))));
        expect_keys(f, "AKIAEXAMPLE", "wJalrXUtnFEMI", NULL); /* a reference that was taken */
        assert_null(f->keys);
        assert_null(kube_keys_free(NULL));
}

static int group_set_up(void **state)
{
        json_setup();
        return script_group_setup(state);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(test_found_at_the_start),
                TEST(test_both_spellings),
                TEST(test_absent_and_then_created),
                TEST(test_edited_and_deleted),
                TEST(test_handed_over),
                TEST(test_handed_over_early),
                TEST(test_values_that_are_of_no_use),
                TEST(test_large_values),
                TEST(test_forbidden),
                TEST(test_an_api_server_that_is_away),
                TEST(test_names),
                TEST(test_stalled),
                TEST(test_freed_when_told),
        };

        return cmocka_run_group_tests_name("kube-keys", tests, group_set_up, script_group_teardown);
}
