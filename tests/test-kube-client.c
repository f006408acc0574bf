/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "clock.h"

/* The age of a token is the test's business. */
static usec_t test_now;

static usec_t test_boottime(void)
{
        return test_now;
}

#define clock_boottime test_boottime
#include "kube-auth.c"
#include "kube-client.c"
#undef clock_boottime

#include "kube-script.h"

#define TIMEOUT (10 * USEC_PER_SEC)

/* --- a server that gives one answer ---------------------------------------------------------------- */

typedef struct Server {
        Script script;
        char request[65536]; /* the last one */
        char answer[131072];
} Server;

static void answer_with(Server *s, const char *status, const char *headers, const char *body)
{
        (void) snprintf(s->answer, sizeof(s->answer),
                        "HTTP/1.1 %s\r\nContent-Length: %zu\r\nConnection: close\r\n%s\r\n%s", status,
                        strlen(body), headers, body);
}

/* Answers the next request, and closes the connection. */
static void serve(Server *s)
{
        ScriptPeer *p = script_await(&s->script, "");

        (void) snprintf(s->request, sizeof(s->request), "%s", p->request.data);
        script_send(p, s->answer, strlen(s->answer));
        script_cut(p);
}

/* --- a client of it -------------------------------------------------------------------------------- */

typedef struct Fixture {
        sd_event *event;
        Server server;
        KubeConfig config;
        KubeAuth *auth;
        KubeStats stats;
        KubeClient *client;

        /* Of the last request. */
        unsigned n_done, n_open;
        HttpOutcome outcome;
        KubeStatus status;
        char body[4096];
        usec_t retry_after;
        Buf streamed;
        int data_result;
} Fixture;

static int setup(void **state)
{
        Fixture *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        assert_return_code(sd_event_new(&f->event), 0);
        script_begin(&f->server.script, f->event);
        f->config.server = f->server.script.url;
        f->streamed = BUF_INIT(1024U * 1024);
        answer_with(&f->server, "200 OK", "", "{}");
        test_now = USEC_PER_HOUR;
        assert_return_code(kube_auth_new(f->event, &f->config, &f->auth), 0);
        assert_return_code(kube_client_new(f->event, f->auth, &f->stats, &f->client), 0);
        *state = f;
        return 0;
}

static int teardown(void **state)
{
        Fixture *f = *state;

        f->client = kube_client_free(f->client);
        f->auth = kube_auth_free(f->auth);
        script_end(&f->server.script);
        (void) sd_event_unref(f->event);
        buf_done(&f->streamed);
        free(f);
        return 0;
}

static void on_test_done(KubeRequest *q, HttpOutcome outcome, const KubeStatus *status, void *userdata)
{
        Fixture *f = userdata;

        f->n_done++;
        f->outcome = outcome;
        f->status = *status;
        f->retry_after = kube_request_retry_after(q);
        (void) snprintf(f->body, sizeof(f->body), "%s", buf_str(kube_request_body(q)));
}

static int on_test_data(const void *p, size_t n, void *userdata)
{
        Fixture *f = userdata;

        assert_int_equal(buf_append(&f->streamed, p, n), 0);
        return f->data_result;
}

static void on_test_open(void *userdata)
{
        Fixture *f = userdata;

        f->n_open++;
}

static void exchange(Fixture *f, const KubeSpec *spec)
{
        _cleanup_(kube_request_freep) KubeRequest *q = NULL;

        f->n_done = f->n_open = 0;
        assert_return_code(kube_client_request(f->client, spec, on_test_done, f, &q), 0);
        assert_int_equal(f->n_done, 0);
        if (*f->server.answer)
                serve(&f->server);
        script_until(&f->server.script, f->n_done > 0);
        assert_int_equal(f->n_done, 1);
}

static void get(Fixture *f)
{
        exchange(f,
                 &(KubeSpec){ .verb = KUBE_LIST, .path = "/x", .timeout = TIMEOUT, .response_max = 1024 });
}

static void assert_header(const Fixture *f, const char *line)
{
        _cleanup_free_ char *whole = str_printf("\r\n%s\r\n", line);

        if (!strstr(f->server.request, whole))
                fail_msg("no \"%s\" in\n%s", line, f->server.request);
}

static void assert_no_header(const Fixture *f, const char *name)
{
        _cleanup_free_ char *whole = str_printf("\r\n%s:", name);

        assert_null(strcasestr(f->server.request, whole));
}

static uint64_t count_of(const KubeStats *s, KubeVerb verb, long code)
{
        for (size_t i = 0; i < s->n_requests; i++)
                if (s->requests[i].verb == verb && s->requests[i].code == code)
                        return s->requests[i].count;
        return 0;
}

/* --- what is counted ------------------------------------------------------------------------------- */

static void test_verbs(void **state)
{
        static const char *const expected[] = { "get", "list", "watch", "apply", "patch", "create", "delete", "probe" };

        assert_int_equal(ELEMENTSOF(expected), _KUBE_VERB_MAX);
        for (KubeVerb v = 0; v < _KUBE_VERB_MAX; v++)
                assert_string_equal(kube_verb_to_string(v), expected[v]);
}

static void test_histogram(void **state)
{
        KubeHistogram h = { .count = 0 };
        usec_t sum = 0;

        for (size_t i = 0; i < KUBE_LATENCY_BUCKETS; i++) {
                assert_true(i == 0 || kube_latency_bounds[i] > kube_latency_bounds[i - 1]);
                kube_histogram_add(
                        &h, kube_latency_bounds[i]); /* upper bounds are inclusive, as Prometheus has it */
                assert_int_equal(h.buckets[i], 1);
                kube_histogram_add(&h, kube_latency_bounds[i] + 1);
                assert_int_equal(h.buckets[i + 1], 1);
                h.buckets[i + 1] = 0;
                sum += 2 * kube_latency_bounds[i] + 1;
        }
        assert_int_equal(h.count, 2 * KUBE_LATENCY_BUCKETS);
        assert_int_equal(h.sum, sum);
        kube_histogram_add(&h, 0);
        assert_int_equal(h.buckets[0], 2);
        kube_histogram_add(&h, USEC_PER_DAY);
        assert_int_equal(h.buckets[KUBE_LATENCY_BUCKETS], 1);
}

static void test_stats_table_full(void **state)
{
        KubeStats *s = calloc(1, sizeof(*s));
        uint64_t total = 0;

        assert_non_null(s);
        for (unsigned round = 0; round < 3; round++)
                for (long code = 0; code < 2 * (long) KUBE_STATS_CODES; code++)
                        stats_count(s, code % 2 ? KUBE_LIST : KUBE_APPLY, code);
        assert_int_equal(s->n_requests, KUBE_STATS_CODES);
        for (size_t i = 0; i < KUBE_STATS_CODES; i++)
                total += s->requests[i].count;
        assert_int_equal(total, 3 * 2 * KUBE_STATS_CODES);
        assert_int_equal(count_of(s, KUBE_APPLY, 0), 3);
        assert_int_equal(count_of(s, KUBE_LIST, 0), 0);
        assert_int_equal(count_of(s, KUBE_LIST, 61), 3);
        free(s);
}

/* --- Status ---------------------------------------------------------------------------------------- */

#define STATUS(code, reason, message, details)                                                           \
        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":" \
        "\"" message "\",\"reason\":\"" reason "\",\"details\":" details ",\"code\":" #code "}\n"

static const struct {
        long code;
        const char *body, *reason, *message;
        bool terminating, immutable, too_large;
} statuses[] = {
        { 409,
          STATUS(409, "Conflict",
                 "Apply failed with 1 conflict: conflict with \\\"kubectl-create\\\" using v1: "
                 ".data..dockerconfigjson",
                 "{\"causes\":[{\"reason\":\"FieldManagerConflict\",\"message\":\"conflict with "
                 "\\\"kubectl-create\\\" using "
                 "v1\",\"field\":\".data..dockerconfigjson\"}]}"),
          "Conflict",
          "Apply failed with 1 conflict: conflict with \"kubectl-create\" using v1: "
          ".data..dockerconfigjson" },
        { 409,
          STATUS(409, "Conflict",
                 "Operation cannot be fulfilled on secrets \\\"ecr\\\": the object has been modified; "
                 "please apply your "
                 "changes to the latest version and try again",
                 "{\"name\":\"ecr\",\"kind\":\"secrets\"}"),
          "Conflict",
          "Operation cannot be fulfilled on secrets \"ecr\": the object has been modified; please apply "
          "your changes to "
          "the latest version and try again" },
        { 403,
          STATUS(403, "Forbidden",
                 "secrets \\\"ecr\\\" is forbidden: unable to create new content in namespace x because it "
                 "is being "
                 "terminated",
                 "{\"name\":\"ecr\",\"kind\":\"secrets\",\"causes\":[{\"reason\":\"NamespaceTerminating\","
                 "\"message\":"
                 "\"namespace x is being terminated\",\"field\":\"metadata.namespace\"}]}"),
          "Forbidden",
          "secrets \"ecr\" is forbidden: unable to create new content in namespace x because it is being "
          "terminated",
          .terminating = true },
        { 403,
          STATUS(403, "Forbidden",
                 "secrets \\\"ecr\\\" is forbidden: User \\\"eatr\\\" cannot patch resource \\\"secrets\\\" "
                 "in API group "
                 "\\\"\\\" in the namespace \\\"x\\\"",
                 "{\"name\":\"ecr\",\"kind\":\"secrets\"}"),
          "Forbidden",
          "secrets \"ecr\" is forbidden: User \"eatr\" cannot patch resource \"secrets\" in API group \"\" "
          "in the "
          "namespace \"x\"" },
        { 403,
          STATUS(403, "Forbidden",
                 "secrets \\\"ecr\\\" is forbidden: exceeded quota: q, requested: secrets=1, used: "
                 "secrets=1, limited: "
                 "secrets=1",
                 "{\"name\":\"ecr\",\"kind\":\"secrets\"}"),
          "Forbidden",
          "secrets \"ecr\" is forbidden: exceeded quota: q, requested: secrets=1, used: secrets=1, limited: "
          "secrets=1" },
        { 422,
          STATUS(422, "Invalid",
                 "Secret \\\"ecr\\\" is invalid: type: Invalid value: "
                 "\\\"kubernetes.io/dockerconfigjson\\\": field is "
                 "immutable",
                 "{\"name\":\"ecr\",\"kind\":\"Secret\",\"causes\":[{\"reason\":\"FieldValueInvalid\","
                 "\"message\":\"Invalid "
                 "value: \\\"kubernetes.io/dockerconfigjson\\\": field is "
                 "immutable\",\"field\":\"type\"}]}"),
          "Invalid",
          "Secret \"ecr\" is invalid: type: Invalid value: \"kubernetes.io/dockerconfigjson\": field is "
          "immutable",
          .immutable = true },
        { 422,
          STATUS(422, "Invalid",
                 "Secret \\\"ecr\\\" is invalid: data: Forbidden: field is immutable when `immutable` is "
                 "set",
                 "{\"name\":\"ecr\",\"kind\":\"Secret\",\"causes\":[{\"reason\":\"FieldValueForbidden\","
                 "\"message\":"
                 "\"Forbidden: field is immutable when `immutable` is set\",\"field\":\"data\"}]}"),
          "Invalid",
          "Secret \"ecr\" is invalid: data: Forbidden: field is immutable when `immutable` is set",
          .immutable = true },
        /* A name is not a message. */
        { 422,
          STATUS(422, "Invalid",
                 "Secret \\\"immutable\\\" is invalid: metadata.annotations: Too long: must have at most "
                 "262144 bytes",
                 "{}"),
          "Invalid",
          "Secret \"immutable\" is invalid: metadata.annotations: Too long: must have at most 262144 "
          "bytes" },
        { 400,
          STATUS(400, "BadRequest", "admission webhook \\\"x\\\" denied the request: field is immutable",
                 "{}"),
          "BadRequest", "admission webhook \"x\" denied the request: field is immutable" },
        { 504,
          STATUS(504, "Timeout", "Timeout: Too large resource version: 1000000, current: 1777",
                 "{\"causes\":[{\"reason\":\"ResourceVersionTooLarge\",\"message\":\"Too large resource "
                 "version\"}],"
                 "\"retryAfterSeconds\":1}"),
          "Timeout", "Timeout: Too large resource version: 1000000, current: 1777", .too_large = true },
        { 404,
          STATUS(404, "NotFound", "namespaces \\\"x\\\" not found",
                 "{\"name\":\"x\",\"kind\":\"namespaces\"}"),
          "NotFound", "namespaces \"x\" not found" },
        { 500,
          STATUS(500, "InternalError", "Internal error occurred: failed calling webhook \\\"x\\\"",
                 "{\"causes\":[{\"message\":\"failed calling webhook\"}]}"),
          "InternalError", "Internal error occurred: failed calling webhook \"x\"" },
        /* What is no Status. */
        { 429, "Too many requests, please try again later.\n", "",
          "HTTP status 429: Too many requests, please try again later." },
        { 502, "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n</html>\r\n", "",
          "HTTP status 502 with a page that is not the API server's" },
        { 502, "\n\n  <!DOCTYPE html>\n<html></html>", "",
          "HTTP status 502 with a page that is not the API server's" },
        { 503, "upstream connect error\r\nreset reason: connection failure\r\n", "",
          "HTTP status 503: upstream connect error" },
        { 500, "", "", "HTTP status 500" },
        { 500, " \r\n\t\n", "", "HTTP status 500" },
        { 401, "{\"error\":\"x\"}", "", "HTTP status 401: {\"error\":\"x\"}" },
        { 401, "null", "", "HTTP status 401: null" },
        { 400, "{\"message\":7}", "", "HTTP status 400: {\"message\":7}" },
        /* A Status without a message keeps what it has. */
        { 409,
          "{\"reason\":\"Conflict\",\"message\":\"\",\"details\":{\"causes\":[{\"reason\":"
          "\"FieldManagerConflict\"}]}}",
          "Conflict",
          "HTTP status 409: {\"reason\":\"Conflict\",\"message\":\"\",\"details\":{\"causes\":[{\"reason\":"
          "\"FieldManagerConflict\"}]}}" },
        { 409,
          "{\"message\":\"m\",\"reason\":[],\"details\":{\"causes\":[7,null,\"FieldManagerConflict\",{"
          "\"reason\":7}]}}",
          "", "m" },
        { 409, "{\"message\":\"m\",\"details\":{\"causes\":\"FieldManagerConflict\"}}", "", "m" },
        { 409, "{\"message\":\"m\",\"details\":[]}", "", "m" },
};

static void read_copied(long code, const char *body, size_t n, KubeStatus *ret)
{
        char *copy = malloc(MAX(n, 1U)); /* so that reading beyond it is noticed */

        assert_non_null(copy);
        memcpy(copy, body, n);
        memset(ret, 0xaa, sizeof(*ret));
        kube_status_read(code, copy, n, "unused", ret);
        free(copy);
        assert_int_equal(ret->code, code);
        assert_true(*ret->message);
        assert_true(memchr(ret->message, '\0', sizeof(ret->message)));
        assert_true(memchr(ret->reason, '\0', sizeof(ret->reason)));
}

static void test_status(void **state)
{
        for (size_t i = 0; i < ELEMENTSOF(statuses); i++) {
                KubeStatus s;

                read_copied(statuses[i].code, statuses[i].body, strlen(statuses[i].body), &s);
                assert_string_equal(s.message, statuses[i].message);
                assert_string_equal(s.reason, statuses[i].reason);
                assert_int_equal(s.namespace_terminating, statuses[i].terminating);
                assert_int_equal(s.immutable, statuses[i].immutable);
                assert_int_equal(s.version_too_large, statuses[i].too_large);
        }
}

static void test_status_truncated(void **state)
{
        for (size_t i = 0; i < ELEMENTSOF(statuses); i++)
                for (size_t n = 0; n < strlen(statuses[i].body); n++) {
                        KubeStatus s;

                        read_copied(statuses[i].code, statuses[i].body, n, &s);
                }
}

static void test_status_no_answer(void **state)
{
        KubeStatus s;

        kube_status_read(0, "", 0, "Connection refused", &s);
        assert_int_equal(s.code, 0);
        assert_string_equal(s.message, "Connection refused");
        kube_status_read(0, "{\"message\":\"x\"}", 15, "", &s);
        assert_string_equal(s.message, "no answer");
        kube_status_read(0, NULL, 0, NULL, &s);
        assert_string_equal(s.message, "no answer");
        kube_status_read(500, NULL, 0, NULL, &s);
        assert_string_equal(s.message, "HTTP status 500");
}

static bool is_utf8(const char *s)
{
        for (; *s; s++) {
                unsigned char c = (unsigned char) *s;
                unsigned more = c < 0x80 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;

                for (; more > 0; more--)
                        if (((unsigned char) *++s & 0xc0) != 0x80)
                                return false;
        }
        return true;
}

/* Long texts are cut, but never within a character: systemd refuses a status that is not UTF-8, and the
 * journal shows such a message as a blob. */
static void test_status_long(void **state)
{
        static const char *const fills[] = { "x", "\303\274", "\342\202\254", "\360\237\230\200" };
        char text[2000], body[4100];
        KubeStatus s;

        for (size_t i = 0; i < ELEMENTSOF(fills); i++)
                for (size_t shift = 0; shift < 4; shift++) {
                        memset(text, 'a', shift);
                        text[shift] = '\0';
                        while (strlen(text) < 1000)
                                (void) strcat(text, fills[i]);
                        read_copied(500, text, strlen(text), &s);
                        assert_true(is_utf8(s.message));
                        assert_in_range(strlen(s.message), 200, 217);
                        (void) snprintf(body, sizeof(body), "{\"message\":\"%s\",\"reason\":\"%s\"}", text,
                                        text);
                        read_copied(500, body, strlen(body), &s);
                        assert_true(is_utf8(s.message));
                        assert_in_range(strlen(s.message), sizeof(s.message) - 4, sizeof(s.message) - 1);
                }
        /* Nothing but continuation bytes: that never was UTF-8. */
        memset(text, 0x80, sizeof(text));
        read_copied(500, text, sizeof(text), &s);
        memset(text, '\0', sizeof(text));
        read_copied(500, text, sizeof(text), &s);
        assert_string_equal(s.message, "HTTP status 500");
}

static void test_status_too_large(void **state)
{
        size_t n = 65537;
        char *body = malloc(n);
        KubeStatus s;

        assert_non_null(body);
        memset(body, ' ', n);
        memcpy(body, "{\"message\":\"x\"}", 15);
        kube_status_read(409, body, n, NULL, &s);
        assert_string_equal(s.reason, "");
        assert_true(startswith(s.message, "HTTP status 409: {\"message\":\"x\"}"));
        kube_status_read(409, body, n - 1, NULL, &s);
        assert_string_equal(s.message, "x");
        free(body);
}

/* --- requests -------------------------------------------------------------------------------------- */

static void test_request_get(void **state)
{
        Fixture *f = *state;

        answer_with(&f->server, "200 OK", "", "{\"a\":1}");
        exchange(f,
                 &(KubeSpec){ .verb = KUBE_LIST,
                              .path = "/api/v1/secrets?fieldSelector=metadata.name%3Decr&resourceVersion=0",
                              .accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
                              .timeout = TIMEOUT,
                              .response_max = 7 });
        assert_int_equal(f->outcome, HTTP_OK);
        assert_int_equal(f->status.code, 200);
        assert_string_equal(f->body, "{\"a\":1}");
        assert_non_null(startswith(
                f->server.request,
                "GET /api/v1/secrets?fieldSelector=metadata.name%3Decr&resourceVersion=0 HTTP/1.1\r\n"));
        assert_header(f, "Accept: application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1");
        assert_no_header(f, "Authorization");
        assert_no_header(f, "Content-Type");
        assert_no_header(f, "Accept-Encoding");
        assert_non_null(strstr(f->server.request, "\r\nUser-Agent: eatr/"));
        assert_int_equal(count_of(&f->stats, KUBE_LIST, 200), 1);
        assert_int_equal(f->stats.writes.count, 0);
        get(f);
        assert_header(f, "Accept: application/json");
        assert_int_equal(count_of(&f->stats, KUBE_LIST, 200), 2);
}

/* A bearer token goes before a name and password; client-go's NewBasicAuthRoundTripper() sends either. */
static void test_basic_authentication(void **state)
{
        Fixture *f = *state;
        const struct {
                const char *token, *username, *password, *line;
        } cases[] = {
                { NULL, "jane", "p:w d", "Authorization: Basic amFuZTpwOncgZA==" },
                { NULL, "jane", NULL, "Authorization: Basic amFuZTo=" },
                { "t0ken", "jane", "pw", "Authorization: Bearer t0ken" },
        };

        answer_with(&f->server, "200 OK", "", "{}");
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                f->config.token = (char *) cases[i].token;
                f->config.username = (char *) cases[i].username;
                f->config.password = (char *) cases[i].password;
                get(f);
                assert_header(f, cases[i].line);
        }
        f->config.token = f->config.username = NULL; /* a password alone is not enough for client-go */
        get(f);
        assert_no_header(f, "Authorization");
}

static void test_impersonation(void **state)
{
        char *lines[] = { (char *) "Impersonate-User: jane", (char *) "Impersonate-Group: a",
                          (char *) "Impersonate-Group: b", (char *) "Impersonate-Extra-acme%2fx: y z",
                          NULL };
        Fixture *f = *state;

        answer_with(&f->server, "200 OK", "", "{}");
        f->config.token = (char *) "t0ken";
        f->config.impersonate = lines;
        get(f);
        for (size_t i = 0; lines[i]; i++)
                assert_header(f, lines[i]);
        assert_header(f, "Authorization: Bearer t0ken");
        assert_header(f, "Accept: application/json");
}

/* disable-compression of a kubeconfig, for somebody whose network is faster than his API server. */
static void test_compression(void **state)
{
        const KubeSpec spec = { .verb = KUBE_LIST, .path = "/", .timeout = TIMEOUT, .compressed = true };
        Fixture *f = *state;

        answer_with(&f->server, "200 OK", "", "{}");
        exchange(f, &spec);
        assert_header(f, "Accept-Encoding: gzip");
        f->config.disable_compression = true;
        exchange(f, &spec);
        assert_no_header(f, "Accept-Encoding");
}

static void test_request_apply(void **state)
{
        Fixture *f = *state;
        _cleanup_free_ char *server = str_printf("%s/k8s/clusters/c-x", f->server.script.url);

        f->config.server = server;
        f->config.token = (char *) "abc";
        answer_with(&f->server, "201 Created", "", "{}");
        exchange(f, &(KubeSpec){ .verb = KUBE_APPLY,
                                 .path = "/api/v1/namespaces/x/secrets/ecr?fieldManager=eatr&force=true",
                                 .accept = "application/json",
                                 .content_type = "application/apply-patch+yaml",
                                 .body = "{\"kind\":\"Secret\"}",
                                 .body_size = 17,
                                 .timeout = TIMEOUT,
                                 .response_max = 1000 });
        assert_int_equal(f->outcome, HTTP_OK);
        assert_int_equal(f->status.code, 201);
        assert_non_null(startswith(
                f->server.request,
                "PATCH /k8s/clusters/c-x/api/v1/namespaces/x/secrets/ecr?fieldManager=eatr&force=true "
                "HTTP/1.1\r\n"));
        assert_header(f, "Content-Type: application/apply-patch+yaml");
        assert_header(f, "Content-Length: 17");
        assert_header(f, "Authorization: Bearer abc");
        assert_non_null(strstr(f->server.request, "\r\n\r\n{\"kind\":\"Secret\"}"));
        assert_int_equal(count_of(&f->stats, KUBE_APPLY, 201), 1);
        assert_int_equal(f->stats.writes.count, 1);
}

static void test_request_refused(void **state)
{
        Fixture *f = *state;

        answer_with(&f->server, "409 Conflict", "Content-Type: application/json\r\n", statuses[0].body);
        exchange(f, &(KubeSpec){ .verb = KUBE_APPLY,
                                 .path = "/x",
                                 .body = "{}",
                                 .body_size = 2,
                                 .timeout = TIMEOUT });
        assert_int_equal(f->outcome, HTTP_CONFLICT);
        assert_int_equal(f->status.code, 409);
        assert_string_equal(f->status.message, statuses[0].message);

        answer_with(&f->server, "429 Too Many Requests", "Retry-After: 2\r\n", "Too many requests\n");
        get(f);
        assert_int_equal(f->outcome, HTTP_THROTTLED);
        assert_string_equal(f->status.message, "HTTP status 429: Too many requests");
        assert_int_equal(f->retry_after, 2 * USEC_PER_SEC);
        assert_int_equal(count_of(&f->stats, KUBE_APPLY, 409), 1);
        assert_int_equal(count_of(&f->stats, KUBE_LIST, 429), 1);
}

/* A Status fits whatever was meant to be read. */
static void test_request_long_status(void **state)
{
        Fixture *f = *state;
        char body[60000];

        (void) strcpy(body, "{\"reason\":\"Invalid\",\"message\":\"");
        memset(body + strlen(body), 'x', sizeof(body) - 200);
        (void) strcpy(body + sizeof(body) - 200, "\"}");
        answer_with(&f->server, "422 Unprocessable Entity", "", body);
        exchange(f, &(KubeSpec){ .verb = KUBE_PROBE, .path = "/x", .timeout = TIMEOUT });
        assert_int_equal(f->outcome, HTTP_REJECTED);
        assert_int_equal(f->status.code, 422);
        assert_string_equal(f->status.reason, "Invalid");
}

/* An answer that began and did not end is no answer. */
static void test_request_truncated(void **state)
{
        Fixture *f = *state;

        (void) strcpy(f->server.answer, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"kind\":");
        get(f);
        assert_int_equal(f->outcome, HTTP_RETRY);
        assert_int_equal(f->status.code, 0);
        assert_true(*f->status.message);
        assert_int_equal(count_of(&f->stats, KUBE_LIST, 0), 1);
        assert_int_equal(count_of(&f->stats, KUBE_LIST, 200), 0);

        (void) strcpy(f->server.answer,
                      "HTTP/1.1 404 Not Found\r\nContent-Length: 100\r\n\r\n{\"message\":\"x\"}");
        get(f);
        assert_int_equal(f->outcome, HTTP_RETRY);
        assert_int_equal(f->status.code, 0);
        assert_string_not_equal(f->status.message, "x");
}

static void test_request_no_server(void **state)
{
        Fixture *f = *state;

        f->config.server = (char *) "http://127.0.0.1:1";
        f->server.answer[0] = '\0';
        exchange(f, &(KubeSpec){ .verb = KUBE_WATCH, .path = "/x", .timeout = TIMEOUT });
        assert_int_equal(f->outcome, HTTP_RETRY);
        assert_int_equal(f->status.code, 0);
        assert_true(*f->status.message);
        assert_int_equal(count_of(&f->stats, KUBE_WATCH, 0), 1);
}

static void test_request_stream(void **state)
{
        static const char body[] = "{\"type\":\"ADDED\"}\n{\"type\":\"DELETED\"}\n";
        Fixture *f = *state;
        const KubeSpec spec = { .verb = KUBE_WATCH,
                                .path = "/x?watch=1",
                                .timeout = TIMEOUT,
                                .on_open = on_test_open,
                                .on_data = on_test_data };

        answer_with(&f->server, "200 OK", "", body);
        exchange(f, &spec);
        assert_int_equal(f->outcome, HTTP_OK);
        assert_string_equal(buf_str(&f->streamed), body);
        assert_string_equal(f->body, "");
        assert_int_equal(f->n_open, 1);

        /* What is no success is a Status. */
        buf_clear(&f->streamed);
        answer_with(&f->server, "410 Gone", "",
                    STATUS(410, "Expired", "too old resource version: 300 (1777)", "{}"));
        exchange(f, &spec);
        assert_int_equal(f->outcome, HTTP_GONE);
        assert_int_equal(f->streamed.size, 0);
        assert_int_equal(f->n_open, 0);
        assert_string_equal(f->status.reason, "Expired");

        f->data_result = -EBADMSG;
        answer_with(&f->server, "200 OK", "", body);
        exchange(f, &spec);
        assert_int_equal(f->outcome, HTTP_RETRY);
        assert_int_equal(f->status.code, 0);
        assert_string_equal(f->status.message, strerror(EBADMSG));
}

static void test_request_cancel(void **state)
{
        Fixture *f = *state;
        KubeRequest *q = NULL;
        ScriptPeer *p;

        assert_return_code(kube_client_request(f->client, &(KubeSpec){ .verb = KUBE_LIST, .path = "/x" },
                                               on_test_done, f, &q),
                           0);
        p = script_await(&f->server.script, "GET /x ");
        q = kube_request_free(q);
        assert_null(q);
        script_until(&f->server.script, p->fd < 0);
        assert_int_equal(f->n_done, 0);
        assert_int_equal(f->stats.n_requests, 0);
        assert_null(kube_request_free(NULL));
        assert_null(kube_client_free(NULL));
}

static void test_last_activity(void **state)
{
        Fixture *f = *state;

        assert_int_equal(kube_client_last_activity(f->client), 0);
        get(f);
        assert_in_range(kube_client_last_activity(f->client), clock_boottime() - 5 * USEC_PER_SEC,
                        clock_boottime());
}

/* --- tokens ---------------------------------------------------------------------------------------- */

static void write_file(const char *path, const char *text)
{
        FILE *file = fopen(path, "we");

        assert_non_null(file);
        assert_true(fputs(text, file) >= 0);
        assert_int_equal(fclose(file), 0);
}

static void assert_token(Fixture *f, const char *token)
{
        _cleanup_free_ char *line = str_printf("Authorization: Bearer %s", token);

        get(f);
        assert_header(f, line);
}

static void test_token_file(void **state)
{
        Fixture *f = *state;
        char path[] = "/tmp/eatr-test-token-XXXXXX";
        int fd = mkstemp(path);

        assert_return_code(fd, errno);
        (void) close(fd);
        f->config.token = (char *) "from-the-start";
        f->config.token_file = path;

        /* Nothing good has been read yet. */
        assert_token(f, "from-the-start");
        write_file(path, "one\n");
        assert_token(f, "one");

        /* A change shows after a minute, and not before. */
        write_file(path, "two\n");
        assert_token(f, "one");
        test_now += 59 * USEC_PER_SEC;
        assert_token(f, "one");
        test_now += USEC_PER_SEC;
        assert_token(f, "two");

        /* An empty or missing file is somebody at work on it. */
        test_now += USEC_PER_MINUTE;
        write_file(path, " \n");
        assert_token(f, "two");
        (void) unlink(path);
        assert_token(f, "two");
        test_now += USEC_PER_DAY;
        assert_token(f, "two");
        write_file(path, "three");
        assert_token(f, "three");
        (void) unlink(path);
}

/* After a 401 the next request has the file's token, at once; also on a host that has just been started,
 * whose CLOCK_BOOTTIME is below a minute. */
static void test_token_file_unauthorized(void **state)
{
        Fixture *f = *state;
        char path[] = "/tmp/eatr-test-token-XXXXXX";
        int fd = mkstemp(path);

        assert_return_code(fd, errno);
        (void) close(fd);
        f->config.token_file = path;
        for (unsigned i = 0; i < 2; i++) {
                test_now = i == 0 ? 10 * USEC_PER_SEC : USEC_PER_DAY;
                write_file(path, "old");
                answer_with(&f->server, "200 OK", "", "{}");
                test_now += USEC_PER_MINUTE * i;
                assert_token(f, "old");
                write_file(path, "new");
                answer_with(&f->server, "401 Unauthorized", "",
                            STATUS(401, "Unauthorized", "Unauthorized", "{}"));
                assert_token(f, "old");
                assert_int_equal(f->outcome, HTTP_UNAUTHORIZED);
                assert_string_equal(f->status.message, "Unauthorized");
                answer_with(&f->server, "200 OK", "", "{}");
                assert_token(f, "new");

                /* And if the file is of no use then, the last good one is tried again. */
                answer_with(&f->server, "401 Unauthorized", "", "");
                assert_token(f, "new");
                write_file(path, "");
                assert_token(f, "new");
        }
        (void) unlink(path);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_verbs),
                cmocka_unit_test(test_histogram),
                cmocka_unit_test(test_stats_table_full),
                cmocka_unit_test(test_status),
                cmocka_unit_test(test_status_truncated),
                cmocka_unit_test(test_status_no_answer),
                cmocka_unit_test(test_status_long),
                cmocka_unit_test(test_status_too_large),
                cmocka_unit_test_setup_teardown(test_request_get, setup, teardown),
                cmocka_unit_test_setup_teardown(test_basic_authentication, setup, teardown),
                cmocka_unit_test_setup_teardown(test_impersonation, setup, teardown),
                cmocka_unit_test_setup_teardown(test_compression, setup, teardown),
                cmocka_unit_test_setup_teardown(test_request_apply, setup, teardown),
                cmocka_unit_test_setup_teardown(test_request_refused, setup, teardown),
                cmocka_unit_test_setup_teardown(test_request_long_status, setup, teardown),
                cmocka_unit_test_setup_teardown(test_request_truncated, setup, teardown),
                cmocka_unit_test_setup_teardown(test_request_no_server, setup, teardown),
                cmocka_unit_test_setup_teardown(test_request_stream, setup, teardown),
                cmocka_unit_test_setup_teardown(test_request_cancel, setup, teardown),
                cmocka_unit_test_setup_teardown(test_last_activity, setup, teardown),
                cmocka_unit_test_setup_teardown(test_token_file, setup, teardown),
                cmocka_unit_test_setup_teardown(test_token_file_unauthorized, setup, teardown),
        };

        return cmocka_run_group_tests_name("kube-client", tests, script_group_setup, script_group_teardown);
}
