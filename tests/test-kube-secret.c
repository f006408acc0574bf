/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "encode.h"
#include "kube-secret.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const KubeSecretExtras none;

#define HOST "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
#define VALUE "QVdTOnBhc3N3b3Jk" /* AWS:password */
#define ID "baafbb4997d4988b"
#define ISSUED (UINT64_C(1795461567) * USEC_PER_SEC) /* 2026-11-23T19:19:27Z */
#define EXPIRES (ISSUED + 12 * USEC_PER_HOUR)

#define DOCKER_CONFIG                                                                        \
        "{\"auths\":{\"" HOST "\":{\"auth\":\"" VALUE "\"},\"b.example\":{\"auth\":\"" VALUE \
        "\"},\"public.ecr.aws\":{\"auth\":\"YTpi\"},\"z.example\":{\"auth\":\"" VALUE "\"}}}"

/* One host, and others that its token opens. */
static Auths *make_auths_with(const char *host, const char *value, char *const *more)
{
        _cleanup_(token_unrefp) Token *t = NULL;
        Auths *a = NULL;

        /* What is less than a second cannot be told in RFC 3339. */
        assert_int_equal(token_new(host, value, ISSUED + 999999, EXPIRES + 1, USEC_PER_HOUR, &t), 0);
        assert_int_equal(auths_new(&(AuthsPart){ t, more }, 1, false, &a), 0);
        return a;
}

static Auths *make_auths(const char *host, const char *value)
{
        return make_auths_with(host, value, NULL);
}

/* --- writing --------------------------------------------------------------------------------------- */

static void test_render(void **state)
{
        _cleanup_(auths_unrefp) Auths *a = make_auths(HOST, VALUE);
        _cleanup_buf_ Buf b = BUF_INIT_SECRET(KUBE_SECRET_BODY_MAX);

        assert_int_equal(kube_secret_render("ecr", &none, a, &b), 0);
        assert_string_equal(buf_str(&b),
                            "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{"
                            "\"labels\":{\"app.kubernetes.io/managed-by\":\"eatr\"},"
                            "\"annotations\":{\"eatr/expires-at\":\"2026-11-24T07:19:27Z\",\"eatr/"
                            "renewed-at\":\"2026-11-23T19:19:27Z\","
                            "\"eatr/token-id\":\"" ID
                            "\"},\"name\":\"ecr\"},\"type\":\"kubernetes.io/dockerconfigjson\","
                            "\"data\":{\".dockerconfigjson\":"
                            "\"eyJhdXRocyI6eyIxMjM0NTY3ODkwMTIuZGtyLmVjci5ldS13ZXN0LTEuYW1hem9uYXdzLm"
                            "NvbSI6eyJhdXRoIjoiUVZkVE9uQmhjM04zYjNKayJ9fX0=\"}}");
}

/* Byte for byte the same each time; it is appended, and a failure leaves what was there. */
static void test_render_stable(void **state)
{
        _cleanup_(auths_unrefp) Auths *a = make_auths(HOST, VALUE), *same = make_auths(HOST, VALUE);
        _cleanup_buf_ Buf first = BUF_INIT_SECRET(KUBE_SECRET_BODY_MAX), b = BUF_INIT(KUBE_SECRET_BODY_MAX);
        Buf small = BUF_INIT(400);

        assert_int_equal(kube_secret_render("ecr", &none, a, &first), 0);
        assert_int_equal(buf_append_str(&b, "> "), 0);
        assert_int_equal(kube_secret_render("ecr", &none, same, &b), 0);
        assert_memory_equal(b.data, "> ", 2);
        assert_string_equal(buf_str(&first), b.data + 2);

        assert_int_equal(buf_append_str(&small, "> "), 0);
        assert_int_equal(kube_secret_render("ecr", &none, a, &small), -EMSGSIZE);
        assert_string_equal(buf_str(&small), "> ");
        buf_done(&small);
}

/* What the kubelet does with it: base64, JSON, auths, host, auth, base64, user and password. */
static void check_docker_config(const char *body, const char *host, const char *value)
{
        _cleanup_json_ cJSON *secret = NULL, *config = NULL;
        _cleanup_free_ void *text = NULL;
        const cJSON *auths;
        size_t n;

        assert_int_equal(json_parse(body, strlen(body), KUBE_SECRET_BODY_MAX, &secret), 0);
        assert_int_equal(cJSON_GetArraySize(json_get(secret, "data")), 1);
        assert_int_equal(
                decode_base64(json_string(json_get(secret, "data"), ".dockerconfigjson"), &text, &n), 0);
        assert_int_equal(json_parse(text, n, KUBE_SECRET_BODY_MAX, &config), 0);
        auths = json_get(config, "auths");
        assert_int_equal(cJSON_GetArraySize(config), 1);
        assert_int_equal(cJSON_GetArraySize(auths), 1);
        assert_string_equal(json_string(json_get(auths, host), "auth"), value);
}

static void test_render_real_size(void **state)
{
        char password[2700], user_password[2800] = "AWS:";
        _cleanup_free_ char *value = NULL;
        _cleanup_(auths_unrefp) Auths *a = NULL;
        _cleanup_buf_ Buf b = BUF_INIT_SECRET(KUBE_SECRET_BODY_MAX);

        memset(password, 'e', sizeof(password));
        password[sizeof(password) - 1] = '\0';
        (void) strcat(user_password, password);
        value = encode_base64(user_password, strlen(user_password));
        a = make_auths("localhost:5000/a_b", value);
        assert_int_equal(kube_secret_render("a-secret.with.dots", &none, a, &b), 0);
        check_docker_config(buf_str(&b), "localhost:5000/a_b", value);
        assert_in_range(b.size, 4000, 6000);
}

/* In the order of "auths", each with its own token's value. */
static void test_render_hosts(void **state)
{
        char *more[] = { (char *) "z.example", (char *) "b.example", NULL };
        _cleanup_(token_unrefp) Token *t = NULL, *other = NULL;
        _cleanup_(auths_unrefp) Auths *a = NULL;
        _cleanup_buf_ Buf b = BUF_INIT_SECRET(KUBE_SECRET_BODY_MAX);
        _cleanup_json_ cJSON *secret = NULL;
        _cleanup_free_ char *expected = NULL;

        assert_int_equal(token_new("public.ecr.aws", "YTpi", ISSUED + 7, EXPIRES - USEC_PER_HOUR, 0, &other),
                         0);
        assert_int_equal(token_new(HOST, VALUE, ISSUED, EXPIRES, 0, &t), 0);
        assert_int_equal(auths_new((AuthsPart[]){ { other, NULL }, { t, more } }, 2, false, &a), 0);
        assert_int_equal(kube_secret_render("ecr", &none, a, &b), 0);
        assert_int_equal(json_parse(buf_str(&b), b.size, KUBE_SECRET_BODY_MAX, &secret), 0);
        expected = encode_base64(DOCKER_CONFIG, strlen(DOCKER_CONFIG));
        assert_string_equal(json_string(json_get(secret, "data"), ".dockerconfigjson"), expected);
        assert_non_null(strstr(buf_str(&b), "\"eatr/expires-at\":\"2026-11-24T06:19:27Z\","
                                            "\"eatr/renewed-at\":\"2026-11-23T19:19:27Z\","
                                            "\"eatr/token-id\":\""));
        assert_non_null(strstr(buf_str(&b), a->id));
}

/* Nothing else changes but for the uid. */
static void test_render_guarded(void **state)
{
        _cleanup_(auths_unrefp) Auths *a = make_auths(HOST, VALUE);
        _cleanup_buf_ Buf b = BUF_INIT_SECRET(KUBE_SECRET_BODY_MAX), guarded = b, small = BUF_INIT(100);
        _cleanup_json_ cJSON *body = NULL, *secret = NULL;

        assert_int_equal(kube_secret_render("ecr", &none, a, &b), 0);
        assert_int_equal(kube_secret_render_guarded(&b, "u\"", &guarded), 0);
        assert_int_equal(kube_secret_render_guarded(&b, "u", &small), -EMSGSIZE);
        assert_int_equal(json_parse(buf_str(&b), b.size, KUBE_SECRET_BODY_MAX, &body), 0);
        assert_int_equal(json_parse(buf_str(&guarded), guarded.size, KUBE_SECRET_BODY_MAX, &secret), 0);
        assert_string_equal(json_string(json_get(secret, "metadata"), "uid"), "u\"");
        cJSON_DeleteItemFromObject(cJSON_GetObjectItemCaseSensitive(secret, "metadata"), "uid");
        assert_true(cJSON_Compare(secret, body, true));
}

/* The API server counts what is decoded. */
static void test_render_no_more_than_kubernetes_takes(void **state)
{
        static const size_t overhead = sizeof("{\"auths\":{\"a\":{\"auth\":\"\"}}}") - 1;
        static char value[KUBE_SECRET_DATA_MAX + 1];
        Auth item = { .host = (char *) "a", .value = value };
        const Auths a = {
                .n_ref = 1, .items = &item, .n = 1, .id = ID, .issued = ISSUED, .expires = EXPIRES
        };
        _cleanup_buf_ Buf b = BUF_INIT(KUBE_SECRET_BODY_MAX);

        memset(value, 'A', KUBE_SECRET_DATA_MAX - overhead);
        assert_int_equal(kube_secret_render("ecr", &none, &a, &b), 0);
        assert_in_range(b.size, KUBE_SECRET_DATA_MAX / 3 * 4, KUBE_SECRET_BODY_MAX);
        buf_clear(&b);
        value[KUBE_SECRET_DATA_MAX - overhead] = 'A';
        assert_int_equal(kube_secret_render("ecr", &none, &a, &b), -EMSGSIZE);
        assert_int_equal(b.size, 0);
}

/* --- reading --------------------------------------------------------------------------------------- */

#define OUR_FIELDS                                                                                      \
        "\"f:data\":{\".\":{},\"f:.dockerconfigjson\":{}},\"f:metadata\":{\"f:annotations\":{\"f:eatr/" \
        "expires-at\":{},"                                                                              \
        "\"f:eatr/renewed-at\":{},\"f:eatr/token-id\":{}},\"f:labels\":{\"f:app.kubernetes.io/"         \
        "managed-by\":{}}},"                                                                            \
        "\"f:type\":{}"
#define ENTRY(manager, operation, fields)                                                     \
        "{\"manager\":\"" manager "\",\"operation\":\"" operation "\",\"apiVersion\":\"v1\"," \
        "\"time\":\"2026-11-23T19:19:28Z\",\"fieldsType\":\"FieldsV1\",\"fieldsV1\":{" fields "}}"
#define LABEL "\"labels\":{\"app.kubernetes.io/managed-by\":\"eatr\"}"
#define ANNOTATIONS                                                             \
        "\"annotations\":{\"eatr/expires-at\":\"2026-11-24T07:19:27Z\",\"eatr/" \
        "renewed-at\":\"2026-11-23T19:19:27Z\","                                \
        "\"eatr/token-id\":\"" ID "\"}"
#define OBJECT(metadata)                                                                                  \
        "{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/"                               \
        "v1\",\"metadata\":{\"name\":\"ecr\","                                                            \
        "\"namespace\":\"default\",\"uid\":\"b8bf34be-9ad0-4d61-8fc8-5b2f5a4d3e33\",\"resourceVersion\":" \
        "\"4711\","                                                                                       \
        "\"creationTimestamp\":\"2026-11-23T19:19:28Z\"" metadata "}}"

static KubeSecret read_object(const char *text)
{
        _cleanup_json_ cJSON *j = NULL;
        KubeSecret s;

        if (json_parse(text, strlen(text), KUBE_SECRET_BODY_MAX, &j) < 0)
                fail_msg("not JSON: %s", text);
        memset(&s, 0xaa, sizeof(s));
        kube_secret_read(j, &s);
        assert_true(s.exists);
        return s;
}

/* Whether an object is eatr's, as eatr wrote it, and whom it names. */
static void check(const char *text, bool ours, bool intact, const char *manager)
{
        KubeSecret s = read_object(text);

        if (s.ours != ours || s.intact != intact || !streq(s.manager, manager))
                fail_msg("ours %d, intact %d, manager \"%s\": %s", s.ours, s.intact, s.manager, text);
}

static void test_read_own_apply(void **state)
{
        static const char text[] = OBJECT("," LABEL "," ANNOTATIONS
                                          ",\"managedFields\":[" ENTRY("eatr", "Apply", OUR_FIELDS) "]");
        KubeSecret s = read_object(text);

        assert_true(s.ours && s.intact);
        assert_int_equal(s.resource_version, 4711);
        assert_string_equal(s.token_id, ID);
        assert_int_equal(s.renewed, ISSUED);
        assert_int_equal(s.expires, EXPIRES);
        assert_string_equal(s.manager, "");
}

/* What kube_secret_render() writes is what kube_secret_read() finds intact: no field is forgotten. Each leaf
 * of the body becomes one of managedFields, and each is missed when it is not there. */
static cJSON *fields_of(const cJSON *object)
{
        cJSON *fields = cJSON_CreateObject();

        JSON_FOREACH (item, object) {
                char key[128];

                (void) snprintf(key, sizeof(key), "f:%s", item->string);
                assert_true(cJSON_AddItemToObject(
                        fields, key, cJSON_IsObject(item) ? fields_of(item) : cJSON_CreateObject()));
        }
        return fields;
}

static KubeSecret read_with_fields(const cJSON *body, cJSON *fields)
{
        _cleanup_json_ cJSON *object = cJSON_Duplicate(body, true);
        cJSON *managed = cJSON_AddArrayToObject(cJSON_GetObjectItem(object, "metadata"), "managedFields");
        cJSON *entry = cJSON_CreateObject();
        KubeSecret s;

        assert_non_null(cJSON_AddStringToObject(entry, "manager", "eatr"));
        assert_non_null(cJSON_AddStringToObject(entry, "operation", "Apply"));
        assert_true(cJSON_AddItemReferenceToObject(entry, "fieldsV1", fields));
        assert_true(cJSON_AddItemToArray(managed, entry));
        kube_secret_read(object, &s);
        return s;
}

/* Gives each leaf another name in turn. Returns how many there are. */
static unsigned check_each_leaf(const cJSON *body, cJSON *root, cJSON *fields)
{
        unsigned n = 0;

        for (cJSON *item = fields->child; item; item = item->next) {
                char *name = item->string, other[] = "f:other";

                if (item->child) {
                        n += check_each_leaf(body, root, item);
                        continue;
                }
                n++;
                item->string = other;
                if (read_with_fields(body, root).intact)
                        fail_msg("intact without %s", name);
                item->string = name;
                assert_true(read_with_fields(body, root).intact);
        }
        return n;
}

static void test_read_what_was_rendered(void **state)
{
        _cleanup_(auths_unrefp) Auths *a = make_auths(HOST, VALUE);
        _cleanup_buf_ Buf b = BUF_INIT_SECRET(KUBE_SECRET_BODY_MAX);
        _cleanup_json_ cJSON *body = NULL, *fields = NULL;
        KubeSecret s;

        assert_int_equal(kube_secret_render("ecr", &none, a, &b), 0);
        assert_int_equal(json_parse(buf_str(&b), b.size, KUBE_SECRET_BODY_MAX, &body), 0);
        fields = fields_of(body);
        /* Identity is nobody's field. */
        cJSON_DeleteItemFromObject(fields, "f:apiVersion");
        cJSON_DeleteItemFromObject(fields, "f:kind");
        cJSON_DeleteItemFromObject(cJSON_GetObjectItem(fields, "f:metadata"), "f:name");
        s = read_with_fields(body, fields);
        assert_true(s.ours && s.intact);
        assert_string_equal(s.token_id, a->id);
        assert_int_equal(s.renewed, ISSUED);
        assert_int_equal(s.expires, EXPIRES);
        assert_int_equal(check_each_leaf(body, fields, fields), 6);
}

/* Extras are read back as what was rendered, in whatever order; but only while they are eatr's. */
static void test_read_extras(void **state)
{
        static char *const labels[] = { (char *) "team=infra", (char *) "example.com/a=", NULL },
                           *const back[] = { (char *) "example.com/a=", (char *) "team=infra", NULL };
        static char *const annotations[] = { (char *) "team=b=c, \"d\" \xc3\xa4", NULL };
        const KubeSecretExtras extras = { labels, annotations }, same = { back, annotations },
                               less = { labels, NULL }, moved = { NULL, labels };
        _cleanup_(auths_unrefp) Auths *a = make_auths(HOST, VALUE);
        _cleanup_buf_ Buf b = BUF_INIT_SECRET(KUBE_SECRET_BODY_MAX);
        _cleanup_json_ cJSON *body = NULL, *fields = NULL;
        cJSON *metadata;
        KubeSecret s;

        assert_int_equal(kube_secret_render("ecr", &extras, a, &b), 0);
        assert_int_equal(json_parse(buf_str(&b), b.size, KUBE_SECRET_BODY_MAX, &body), 0);
        metadata = cJSON_GetObjectItem(body, "metadata");
        assert_string_equal(json_string(json_get(metadata, "labels"), "team"), "infra");
        assert_string_equal(json_string(json_get(metadata, "labels"), "example.com/a"), "");
        assert_string_equal(json_string(json_get(metadata, "annotations"), "team"), "b=c, \"d\" \xc3\xa4");
        fields = fields_of(body);
        s = read_with_fields(body, fields);
        assert_true(s.intact && s.extras_told);
        assert_true(s.extras == kube_secret_extras_id(&extras));
        assert_true(s.extras == kube_secret_extras_id(&same));
        assert_true(s.extras != kube_secret_extras_id(&less));
        assert_true(kube_secret_extras_id(&less) != kube_secret_extras_id(&moved));
        assert_int_equal(kube_secret_extras_id(&none), 0);
        /* Other people's are not counted; one with another value is another. */
        assert_non_null(cJSON_AddStringToObject(cJSON_GetObjectItem(metadata, "labels"), "theirs", "x"));
        assert_true(read_with_fields(body, fields).extras == s.extras);
        cJSON_SetValuestring(cJSON_GetObjectItem(cJSON_GetObjectItem(metadata, "labels"), "team"), "x");
        assert_true(read_with_fields(body, fields).extras != s.extras);
        assert_true(read_with_fields(body, fields).intact);
        /* Without owners it is not told. */
        s = read_object(OBJECT("," LABEL "," ANNOTATIONS));
        assert_true(s.intact && !s.extras_told);
        s = read_object(OBJECT("," LABEL "," ANNOTATIONS
                               ",\"managedFields\":[" ENTRY("eatr", "Apply", OUR_FIELDS) "]"));
        assert_true(s.extras_told && s.extras == 0);
}

/* A co-owner has the same values, or eatr would not be owner any more. */
static void test_read_shared(void **state)
{
        check(OBJECT("," LABEL "," ANNOTATIONS
                     ",\"managedFields\":[" ENTRY("eatr", "Apply", OUR_FIELDS) "," ENTRY(
                             "kubectl-label", "Update",
                             "\"f:metadata\":{\"f:labels\":{\"f:team\":{}}}") "]"),
              true, true, "");
        check(OBJECT("," LABEL "," ANNOTATIONS ",\"managedFields\":[" ENTRY(
                      "argocd", "Apply",
                      "\"f:data\":{\"f:.dockerconfigjson\":{}}") "," ENTRY("eatr", "Apply", OUR_FIELDS) "]"),
              true, true, "argocd");
        /* Behind a force the former owner keeps the empty parents. */
        check(OBJECT("," LABEL "," ANNOTATIONS
                     ",\"managedFields\":[" ENTRY("eatr", "Apply", OUR_FIELDS) "," ENTRY(
                             "kubectl-create", "Update", "\"f:data\":{},\"f:type\":{}") "]"),
              true, true, "kubectl-create");
}

/* kubectl edit of one thing each: it leaves eatr's set for kubectl-edit's. */
static void test_read_edited(void **state)
{
        check(OBJECT(
                      "," LABEL "," ANNOTATIONS
                      ",\"managedFields\":[" ENTRY("eatr", "Apply",
                                                   "\"f:data\":{\".\":{}},\"f:metadata\":{\"f:annotations\":"
                                                   "{\"f:eatr/expires-at\":{},"
                                                   "\"f:eatr/renewed-at\":{},\"f:eatr/token-id\":{}},"
                                                   "\"f:labels\":{\"f:app.kubernetes.io/"
                                                   "managed-by\":{}}},\"f:type\":{}") "," ENTRY("kubectl-"
                                                                                                "edit",
                                                                                                "Update",
                                                                                                "\"f:data\":"
                                                                                                "{\"f:."
                                                                                                "dockerconfi"
                                                                                                "gjson\":{}"
                                                                                                "}") "]"),
              true, false, "kubectl-edit");
        /* An annotation changed. */
        check(OBJECT("," LABEL ",\"annotations\":{\"eatr/expires-at\":\"2030-01-01T00:00:00Z\","
                     "\"eatr/renewed-at\":\"2026-11-23T19:19:27Z\",\"eatr/token-id\":\"" ID
                     "\"},\"managedFields\":[" ENTRY("eatr", "Apply",
                                                     "\"f:data\":{\".\":{},\"f:.dockerconfigjson\":{}},\"f:"
                                                     "metadata\":{\"f:annotations\":{"
                                                     "\"f:eatr/renewed-at\":{},\"f:eatr/token-id\":{}},"
                                                     "\"f:labels\":{\"f:app.kubernetes.io/"
                                                     "managed-by\":{}}},\"f:type\":{}") "," ENTRY("kubectl-"
                                                                                                  "annotate",
                                                                                                  "Update",
                                                                                                  "\"f:"
                                                                                                  "metadata"
                                                                                                  "\":{\"f:"
                                                                                                  "annotatio"
                                                                                                  "ns\":{"
                                                                                                  "\"f:eatr/"
                                                                                                  "expires-"
                                                                                                  "at\":{}}"
                                                                                                  "}") "]"),
              true, false, "kubectl-annotate");
        /* The label removed: the Apply still tells whose it is. */
        check(OBJECT("," ANNOTATIONS ",\"managedFields\":[" ENTRY(
                      "eatr", "Apply",
                      "\"f:data\":{\".\":{},\"f:.dockerconfigjson\":{}},\"f:metadata\":{\"f:annotations\":{"
                      "\"f:eatr/expires-at\":{},\"f:eatr/renewed-at\":{},\"f:eatr/"
                      "token-id\":{}}},\"f:type\":{}") "]"),
              true, false, "");
        /* The label given another value. */
        check(OBJECT(",\"labels\":{\"app.kubernetes.io/managed-by\":\"Helm\"}," ANNOTATIONS
                     ",\"managedFields\":[" ENTRY(
                             "eatr", "Apply",
                             "\"f:data\":{\".\":{},\"f:.dockerconfigjson\":{}},\"f:metadata\":{\"f:"
                             "annotations\":{"
                             "\"f:eatr/expires-at\":{},\"f:eatr/renewed-at\":{},\"f:eatr/"
                             "token-id\":{}}},\"f:type\":{}") "," ENTRY("helm", "Update",
                                                                        "\"f:metadata\":{\"f:labels\":{\"f:"
                                                                        "app.kubernetes.io/"
                                                                        "managed-by\":{}}}") "]"),
              true, false, "helm");
}

static void test_read_foreign(void **state)
{
        check(OBJECT(",\"managedFields\":[" ENTRY(
                      "kubectl-create", "Update",
                      "\"f:data\":{\".\":{},\"f:.dockerconfigjson\":{}},\"f:type\":{}") "]"),
              false, false, "kubectl-create");
        check(OBJECT(",\"labels\":{\"app.kubernetes.io/managed-by\":\"Helm\"},\"managedFields\":[" ENTRY(
                      "helm", "Update",
                      "\"f:data\":{\"f:a\":{}}") "," ENTRY("kubectl-edit", "Update",
                                                           "\"f:data\":{\"f:b\":{}}") "," ENTRY("labeller",
                                                                                                "Update",
                                                                                                "\"f:"
                                                                                                "metadata\":"
                                                                                                "{\"f:"
                                                                                                "labels\":{}"
                                                                                                "}") "]"),
              false, false, "kubectl-edit");
        /* Someone's program of the same name that does not apply, and ours that does with another name. */
        check(OBJECT(",\"managedFields\":[" ENTRY("eatr", "Update", OUR_FIELDS) "]"), false, false, "eatr");
        check(OBJECT(",\"managedFields\":[" ENTRY("eatr2", "Apply", OUR_FIELDS) "]"), false, false, "eatr2");
        check(OBJECT(",\"labels\":{\"app.kubernetes.io/managed-by\":\"eatr2\"}"), false, false, "");
        check(OBJECT(",\"labels\":{\"app.kubernetes.io/Managed-By\":\"eatr\"}"), false, false, "");
        check(OBJECT(",\"managedFields\":[" ENTRY(
                      "a-name-that-is-so-long-that-it-does-not-fit-where-names-are-kept", "Update",
                      "\"f:data\":{}") "]"),
              false, false, "a-name-that-is-so-long-that-it-does-not-fit-whe");
}

/* A copy (a backup brought back, a Secret cloned between namespaces) carries the label and the annotations,
 * but nothing of it is eatr's work. The label alone is anybody's. */
static void test_read_foreign_with_label(void **state)
{
        check(OBJECT("," LABEL "," ANNOTATIONS
                     ",\"managedFields\":[" ENTRY("velero", "Update", OUR_FIELDS) "]"),
              true, false, "velero");
        check(OBJECT("," LABEL ",\"managedFields\":[" ENTRY("velero", "Update", OUR_FIELDS) "]"), false,
              false, "velero");
        check(OBJECT("," LABEL ",\"annotations\":{\"eatr/token-id\":\"" ID
                     "\"},\"managedFields\":[" ENTRY("velero", "Update", OUR_FIELDS) "]"),
              false, false, "velero");
}

/* What may be deleted: it has the label, and eatr alone has written its data. */
static void test_read_owned(void **state)
{
        static const char data[] = "\"f:data\":{\"f:.dockerconfigjson\":{}}";
        static const struct {
                const char *metadata, *manager, *operation, *fields, *other;
                bool owned;
        } table[] = {
                { LABEL "," ANNOTATIONS, "eatr", "Apply", OUR_FIELDS, "\"f:metadata\":{}", true },
                { LABEL "," ANNOTATIONS, "eatr", "Apply", OUR_FIELDS,
                  "\"f:metadata\":{\"f:annotations\":{\"f:eatr/token-id\":{}}}", true },
                { LABEL "," ANNOTATIONS, "eatr", "Apply", OUR_FIELDS, "\"f:data\":{},\"f:type\":{}", true },
                { LABEL, "eatr", "Apply", data, "", true },
                { LABEL "," ANNOTATIONS, "eatr", "Apply", OUR_FIELDS, data, false },
                { LABEL "," ANNOTATIONS, "eatr", "Apply", OUR_FIELDS, "\"f:data\":{\"f:x\":{}}", false },
                { LABEL "," ANNOTATIONS, "eatr", "Apply", "\"f:type\":{}", "", false },
                { LABEL "," ANNOTATIONS, "eatr", "Update", OUR_FIELDS, "", false },
                { LABEL "," ANNOTATIONS, "velero", "Apply", OUR_FIELDS, "", false },
                { ANNOTATIONS, "eatr", "Apply", OUR_FIELDS, "", false },
                { "\"labels\":{\"app.kubernetes.io/managed-by\":\"Helm\"}," ANNOTATIONS, "eatr", "Apply",
                  OUR_FIELDS, "", false },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                _cleanup_free_ char *text = str_printf(
                        "{\"metadata\":{%s,\"managedFields\":[{\"manager\":\"%s\",\"operation\":\"%s\","
                        "\"fieldsV1\":{%s}},{\"manager\":\"other\",\"operation\":\"Update\",\"fieldsV1\":{%"
                        "s}}]}}",
                        table[i].metadata, table[i].manager, table[i].operation, table[i].fields,
                        table[i].other);

                if (read_object(text).owned != table[i].owned)
                        fail_msg("%s", text);
        }
        assert_true(read_object(OBJECT("," LABEL "," ANNOTATIONS)).owned);
        assert_false(read_object(OBJECT("," LABEL)).owned);
        assert_false(read_object(OBJECT("," ANNOTATIONS)).owned);
}

/* Who wrote last is named, wherever its entry is; who wrote data before who did not. */
static void test_read_last_manager(void **state)
{
#define AT(name, time, fields) \
        "{\"manager\":\"" name "\",\"operation\":\"Update\",\"time\":\"" time "\",\"fieldsV1\":{" fields "}}"
#define DATA "\"f:data\":{\"f:a\":{}}"
        check(OBJECT(",\"managedFields\":[" AT("new", "2026-11-24T10:00:00Z",
                                               DATA) "," AT("old", "2026-11-24T09:59:59Z", DATA) "]"),
              false, false, "new");
        check(OBJECT(",\"managedFields\":[" AT("one", "2026-11-24T10:00:00Z",
                                               DATA) "," AT("other", "2026-11-24T10:00:00Z", DATA) "]"),
              false, false, "other");
        check(OBJECT(",\"managedFields\":[" AT("writer", "2026-11-24T10:00:00Z", DATA) "," AT(
                      "later", "2026-11-25T10:00:00Z", "\"f:data\":{}") "]"),
              false, false, "writer");
        check(OBJECT(",\"managedFields\":[" AT("labeller", "2026-11-24T10:00:00Z",
                                               "\"f:metadata\":{\"f:labels\":{\"f:team\":{}}}") "]"),
              false, false, "");
#undef AT
#undef DATA
}

static void test_read_state(void **state)
{
        KubeSecret s = read_object(
                "{\"metadata\":{\"uid\":\"9f0c6d1e-6f9b-4f39-8c5f-0b1a2c3d4e5f\",\"deletionTimestamp\":"
                "\"2026-11-24T10:00:00Z\",\"managedFields\":[{\"manager\":\"kubectl\",\"operation\":"
                "\"Update\",\"fieldsV1\":{\"f:immutable\":{}}}]}}");

        assert_true(s.going && s.immutable);
        assert_string_equal(s.uid, "9f0c6d1e-6f9b-4f39-8c5f-0b1a2c3d4e5f");
        s = read_object(OBJECT("," LABEL "," ANNOTATIONS
                               ",\"managedFields\":[" ENTRY("eatr", "Apply", OUR_FIELDS) "]"));
        assert_false(s.going || s.immutable);
        assert_string_equal(read_object("{\"metadata\":{\"uid\":7}}").uid, "");
        /* Half of one is another's. */
        s = read_object(
                "{\"metadata\":{\"uid\":\"0123456789012345678901234567890123456789012345678901234567890"
                "123\"}}");
        assert_string_equal(s.uid, "");
}

static void check_type(const char *text, const char *type)
{
        _cleanup_json_ cJSON *j = NULL;
        char found[KUBE_SECRET_TYPE_MAX];

        memset(found, 'x', sizeof(found));
        assert_int_equal(json_parse(text, strlen(text), 65536, &j), 0);
        kube_secret_read_type(j, found);
        if (!streq(found, type))
                fail_msg("\"%s\" in %s", found, text);
}

static void test_read_type(void **state)
{
#define TABLE(rows)                                                                                     \
        "{\"kind\":\"Table\",\"columnDefinitions\":[{\"name\":\"Name\"},{\"name\":\"Type\"},{\"name\":" \
        "\"Data\"},"                                                                                    \
        "{\"name\":\"Age\"}],\"rows\":[" rows "]}"
        check_type(TABLE("{\"cells\":[\"ecr\",\"Opaque\",1,\"5m\"],\"object\":null}"), "Opaque");
        check_type(TABLE("{\"cells\":[\"ecr\",\"kubernetes.io/dockerconfigjson\",1,\"5m\"]}"),
                   KUBE_SECRET_TYPE);
        check_type(TABLE("{\"cells\":[\"ecr\",\"a/"
                         "01234567890123456789012345678901234567890123456789012345678901"
                         "\"]}"),
                   "");
        check_type(TABLE("{\"cells\":[\"ecr\",7]}"), "");
        check_type(TABLE("{\"cells\":[\"ecr\"]}"), "");
        check_type(TABLE("{\"cells\":7}"), "");
        check_type(TABLE("7"), "");
        check_type(TABLE(""), "");
        check_type("{\"columnDefinitions\":[{\"name\":\"Type\"}],\"rows\":[{\"cells\":[\"x\"]}]}", "x");
        check_type("{\"columnDefinitions\":[7,{}],\"rows\":[{\"cells\":[\"a\",\"b\",\"c\"]}]}", "");
        check_type("{\"columnDefinitions\":{\"Type\":\"Type\"},\"rows\":[{\"cells\":[\"x\"]}]}", "");
        check_type("{\"kind\":\"Secret\",\"type\":\"Opaque\"}", "");
        check_type("null", "");
#undef TABLE
}

static void test_read_without_managed_fields(void **state)
{
        KubeSecret s = read_object(OBJECT("," LABEL "," ANNOTATIONS));

        assert_true(s.ours);
        assert_true(s.intact); /* as far as anybody can tell */
        assert_string_equal(s.token_id, ID);
        check(OBJECT("," LABEL), true, false, "");
        check(OBJECT("," ANNOTATIONS), false, false, "");
        check(OBJECT("," LABEL ",\"annotations\":{\"eatr/token-id\":\"" ID "\"}"), true, false, "");
        check(OBJECT(""), false, false, "");
        check(OBJECT(",\"managedFields\":[]"), false, false, "");
        check(OBJECT(",\"managedFields\":[{}]"), false, false, "");
        check(OBJECT(",\"managedFields\":null"), false, false, "");
}

/* Peers' input never asserts, and never is taken for what it is not. */
static void test_read_garbage(void **state)
{
        static const char *const objects[] = {
                "{}",
                "[]",
                "7",
                "null",
                "{\"metadata\":null}",
                "{\"metadata\":[]}",
                "{\"metadata\":\"x\"}",
                "{\"metadata\":{\"labels\":7,\"annotations\":[1],\"managedFields\":\"x\","
                "\"resourceVersion\":7}}",
                "{\"metadata\":{\"labels\":[\"eatr\"],\"annotations\":\"x\",\"managedFields\":{\"a\":{"
                "\"manager\":7}}}}",
                "{\"metadata\":{\"labels\":{\"app.kubernetes.io/"
                "managed-by\":7},\"managedFields\":[7,null,[],{},\"x\","
                "{\"manager\":\"eatr\"},{\"operation\":\"Apply\"},{\"manager\":7,\"operation\":\"Apply\"},"
                "{\"manager\":\"eatr\",\"operation\":[]}]}}",
        };

        for (size_t i = 0; i < ELEMENTSOF(objects); i++) {
                KubeSecret s = read_object(objects[i]);

                assert_false(s.ours || s.intact);
                assert_int_equal(s.resource_version, 0);
                assert_int_equal(s.renewed, 0);
                assert_int_equal(s.expires, 0);
                assert_string_equal(s.token_id, "");
                assert_string_equal(s.manager, "");
        }
        check(OBJECT(",\"managedFields\":[{\"manager\":\"eatr\",\"operation\":\"Apply\"}]"), true, false,
              "");
        check(OBJECT(",\"managedFields\":[{\"manager\":\"eatr\",\"operation\":\"Apply\",\"fieldsV1\":[]}]"),
              true, false, "");
        check(OBJECT(",\"managedFields\":[{\"manager\":\"eatr\",\"operation\":\"Apply\",\"fieldsV1\":"
                     "{\"f:data\":7,\"f:metadata\":[],\"f:type\":null}}]"),
              true, false, "");
        check(OBJECT(",\"managedFields\":[{\"manager\":\"eatr\",\"operation\":\"Apply\",\"fieldsV1\":"
                     "{\"f:data\":[7],\"f:metadata\":{\"f:labels\":[7],\"f:annotations\":[[]]}}},"
                     "{\"manager\":\"x\",\"operation\":\"Update\",\"fieldsV1\":"
                     "{\"f:data\":[7],\"f:metadata\":{\"f:labels\":[7],\"f:annotations\":[[]]}}}]"),
              true, false, "x");
}

static void test_read_annotations(void **state)
{
        static const struct {
                const char *text;
                usec_t renewed, expires;
                const char *id;
        } table[] = {
                { "{}", 0, 0, "" },
                { "{\"eatr/renewed-at\":\"\",\"eatr/expires-at\":\"soon\",\"eatr/token-id\":\"\"}", 0, 0,
                  "" },
                { "{\"eatr/renewed-at\":\"2026-11-23T19:19:27+02:0\",\"eatr/"
                  "expires-at\":\"2026-11-24T07:19:27Z \"}",
                  0, 0, "" },
                { "{\"eatr/renewed-at\":\"2026-11-23T19:19:27.123Z\",\"eatr/"
                  "expires-at\":\"2026-02-30T07:19:27Z\"}",
                  ISSUED, 0, "" },
                { "{\"eatr/renewed-at\":7,\"eatr/expires-at\":null,\"eatr/token-id\":{}}", 0, 0, "" },
                /* One digit more is another token, and not the one it begins like. */
                { "{\"eatr/token-id\":\"" ID "0\"}", 0, 0, "" },
                { "{\"eatr/token-id\":\"97d4\"}", 0, 0, "97d4" },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                _cleanup_free_ char *text = str_printf("{\"metadata\":{\"annotations\":%s}}", table[i].text);
                KubeSecret s = read_object(text);

                assert_int_equal(s.renewed, table[i].renewed);
                assert_int_equal(s.expires, table[i].expires);
                assert_string_equal(s.token_id, table[i].id);
        }
}

/* A version that is no number must not pass for one that is newer than all to come. */
static void test_read_version(void **state)
{
        static const struct {
                const char *text;
                uint64_t version;
        } table[] = {
                { "\"1\"", 1 },    { "\"18446744073709551615\"", UINT64_MAX },
                { "\"0\"", 0 },    { "\"\"", 0 },
                { "\"-1\"", 0 },   { "\"+1\"", 0 },
                { "\" 1\"", 0 },   { "\"1 \"", 0 },
                { "\"0x10\"", 0 }, { "\"12a\"", 0 },
                { "12", 0 },       { "null", 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                _cleanup_free_ char *text =
                        str_printf("{\"metadata\":{\"resourceVersion\":%s}}", table[i].text);

                assert_int_equal(read_object(text).resource_version, table[i].version);
        }
}

static void test_read_null(void **state)
{
        KubeSecret s;

        kube_secret_read(NULL, &s);
        assert_true(s.exists);
        assert_false(s.ours || s.intact);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_render),
                cmocka_unit_test(test_render_stable),
                cmocka_unit_test(test_render_guarded),
                cmocka_unit_test(test_render_real_size),
                cmocka_unit_test(test_render_hosts),
                cmocka_unit_test(test_render_no_more_than_kubernetes_takes),
                cmocka_unit_test(test_read_own_apply),
                cmocka_unit_test(test_read_what_was_rendered),
                cmocka_unit_test(test_read_extras),
                cmocka_unit_test(test_read_shared),
                cmocka_unit_test(test_read_edited),
                cmocka_unit_test(test_read_foreign),
                cmocka_unit_test(test_read_foreign_with_label),
                cmocka_unit_test(test_read_owned),
                cmocka_unit_test(test_read_last_manager),
                cmocka_unit_test(test_read_state),
                cmocka_unit_test(test_read_type),
                cmocka_unit_test(test_read_without_managed_fields),
                cmocka_unit_test(test_read_garbage),
                cmocka_unit_test(test_read_annotations),
                cmocka_unit_test(test_read_version),
                cmocka_unit_test(test_read_null),
        };

        return cmocka_run_group_tests_name("kube-secret", tests, NULL, NULL);
}
