/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "kube-client.c"

#include "kube-script.h"
#include "x509-fixtures.h"

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
        static const char *const expected[] = { "get",   "list",   "watch",  "apply",
                                                "patch", "create", "delete", "probe" };

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

#define STATUS(code, reason, message, details)                                                           \
        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":" \
        "\"" message "\",\"reason\":\"" reason "\",\"details\":" details ",\"code\":" #code "}\n"

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

        answer_with(&f->server, "409 Conflict", "Content-Type: application/json\r\n",
                    STATUS(409, "Conflict", "Apply failed with 1 conflict", "{}"));
        exchange(f, &(KubeSpec){ .verb = KUBE_APPLY,
                                 .path = "/x",
                                 .body = "{}",
                                 .body_size = 2,
                                 .timeout = TIMEOUT });
        assert_int_equal(f->outcome, HTTP_CONFLICT);
        assert_int_equal(f->status.code, 409);
        assert_string_equal(f->status.message, "Apply failed with 1 conflict");

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

/* --- credentials that are fetched -------------------------------------------------------------------- */

/* A provider that answers when the test says so. */
static kube_auth_fetched_t provider_done;
static void *provider_userdata;
static unsigned n_fetches;

static int provider_fetch(void *self, kube_auth_fetched_t done, void *userdata)
{
        provider_done = done;
        provider_userdata = userdata;
        n_fetches++;
        return 0;
}

static void provider_cancel(void *self)
{
        provider_done = NULL;
}

static const KubeAuthProvider provider = { .fetch = provider_fetch,
                                           .cancel = provider_cancel,
                                           .free = provider_cancel };

static void provide(const char *token, const char *certificate, const char *key)
{
        KubeCredential c = { .token = token ? strdup(token) : NULL,
                             .client_certificate = certificate ? strdup(certificate) : NULL,
                             .client_key = key ? strdup(key) : NULL };

        provider_done(&c, NULL, provider_userdata);
        kube_credential_done(&c);
}

static int setup_fetching(void **state)
{
        Fixture *f;

        (void) setup(state);
        f = *state;
        kube_auth_set_provider(f->auth, &provider, f);
        n_fetches = 0;
        return 0;
}

static const KubeSpec apply_spec = { .verb = KUBE_APPLY,
                                     .path = "/y",
                                     .body = "{\"a\":1}",
                                     .body_size = 7,
                                     .timeout = TIMEOUT,
                                     .response_max = 1024 };

static KubeRequest *begin_request(Fixture *f, const KubeSpec *spec)
{
        char path[] = "/y", body[] = "{\"a\":1}";
        KubeSpec fleeting = *spec; /* what it points to is gone before the request is sent */
        KubeRequest *q;

        fleeting.path = path;
        if (spec->body)
                fleeting.body = body;
        f->n_done = 0;
        assert_return_code(kube_client_request(f->client, &fleeting, on_test_done, f, &q), 0);
        memset(path, 'x', sizeof(path) - 1);
        memset(body, 'x', sizeof(body) - 1);
        return q;
}

static void test_requests_wait_for_credentials(void **state)
{
        Fixture *f = *state;
        Script *s = &f->server.script;
        KubeRequest *q = begin_request(f, &apply_spec), *other = begin_request(f, &apply_spec);
        ScriptPeer *p;

        script_until(s, n_fetches == 1);
        script_rest(s);
        assert_int_equal(script_waiting(s, "", NULL), 0);
        assert_int_equal(n_fetches, 1);
        provide("abc", NULL, NULL);
        for (unsigned i = 0; i < 2; i++) {
                p = script_await(s, "PATCH /y ");
                assert_request(p, "\r\nAuthorization: Bearer abc\r\n");
                assert_request(p, "\r\n\r\n{\"a\":1}");
                script_answer(p, "200 OK", "", "{\"b\":2}");
        }
        script_until(s, f->n_done == 2);
        assert_int_equal(f->outcome, HTTP_OK);
        assert_string_equal(f->body, "{\"b\":2}");
        assert_null(kube_request_free(q));
        assert_null(kube_request_free(other));
}

static void test_no_credentials(void **state)
{
        Fixture *f = *state;
        KubeRequest *q = begin_request(f, &apply_spec);

        script_until(&f->server.script, n_fetches == 1);
        provider_done(NULL, "the program aws exited with status 1", provider_userdata);
        assert_int_equal(f->n_done, 0);
        script_until(&f->server.script, f->n_done == 1);
        assert_int_equal(f->outcome, HTTP_RETRY);
        assert_int_equal(f->status.code, 0);
        assert_string_equal(f->status.message, "cannot get credentials: the program aws exited with status 1");
        assert_string_equal(f->body, "");
        assert_int_equal(f->retry_after, 0);
        assert_false(kube_request_multiplexed(q));
        assert_int_equal(count_of(&f->stats, KUBE_APPLY, 0), 1);
        assert_int_equal(script_waiting(&f->server.script, "", NULL), 0);
        assert_null(kube_request_free(q));
}

static void test_a_request_that_waits_is_cancelled(void **state)
{
        Fixture *f = *state;
        KubeRequest *q = begin_request(f, &apply_spec);

        script_until(&f->server.script, n_fetches == 1);
        assert_null(kube_request_free(q));
        provide("abc", NULL, NULL);
        script_rest(&f->server.script);
        assert_int_equal(f->n_done, 0);
        assert_int_equal(script_waiting(&f->server.script, "", NULL), 0);
}

/* The first credential, which the server takes. */
static void begin_well(Fixture *f)
{
        KubeRequest *q = begin_request(f, &apply_spec);

        script_until(&f->server.script, n_fetches == 1);
        provide("old", NULL, NULL);
        script_answer(script_await(&f->server.script, "PATCH /y "), "200 OK", "", "{}");
        script_until(&f->server.script, f->n_done == 1);
        assert_null(kube_request_free(q));
}

/* Who asked does not see that the token was not taken any more. */
static void test_what_is_refused_is_repeated(void **state)
{
        Fixture *f = *state;
        Script *s = &f->server.script;
        KubeRequest *q;
        ScriptPeer *p;

        begin_well(f);
        q = begin_request(f, &apply_spec);
        p = script_await(s, "PATCH /y ");
        assert_request(p, "\r\nAuthorization: Bearer old\r\n");
        script_answer(p, "401 Unauthorized", "", STATUS(401, "Unauthorized", "Unauthorized", "{}"));
        script_until(s, n_fetches == 2); /* five seconds after the first */
        script_rest(s);
        assert_int_equal(f->n_done, 0);
        provide("new", NULL, NULL);
        p = script_await(s, "PATCH /y ");
        assert_request(p, "\r\nAuthorization: Bearer new\r\n");
        assert_request(p, "\r\n\r\n{\"a\":1}");
        script_answer(p, "201 Created", "", "{\"b\":2}");
        script_until(s, f->n_done == 1);
        assert_int_equal(f->status.code, 201);
        assert_string_equal(f->body, "{\"b\":2}");
        assert_int_equal(count_of(&f->stats, KUBE_APPLY, 401), 1);
        assert_int_equal(count_of(&f->stats, KUBE_APPLY, 201), 1);
        assert_null(kube_request_free(q));

        q = begin_request(f, &apply_spec);
        p = script_await(s, "PATCH /y ");
        script_answer(p, "401 Unauthorized", "", "");
        script_until(s, n_fetches == 3);
        provide("third", NULL, NULL);
        script_answer(script_await(s, "PATCH /y "), "401 Unauthorized", "", "no");
        script_until(s, f->n_done == 1); /* once is enough */
        assert_int_equal(f->outcome, HTTP_UNAUTHORIZED);
        assert_string_equal(f->body, "no");
        assert_null(kube_request_free(q));
}

/* What is in between may answer without a look at the token. */
static void test_a_gateway_s_error_is_no_consent(void **state)
{
        Fixture *f = *state;
        Script *s = &f->server.script;
        KubeRequest *q = begin_request(f, &apply_spec);

        script_until(s, n_fetches == 1);
        provide("first", NULL, NULL);
        script_answer(script_await(s, "PATCH /y "), "401 Unauthorized", "", "");
        script_until(s, n_fetches == 2);
        provide("second", NULL, NULL);
        script_answer(script_await(s, "PATCH /y "), "503 Service Unavailable", "", "");
        script_until(s, f->n_done == 1);
        assert_null(kube_request_free(q));

        q = begin_request(f, &apply_spec);
        script_answer(script_await(s, "PATCH /y "), "401 Unauthorized", "", "");
        script_until(s, f->n_done == 1); /* the second in a row: nobody hurries for a third */
        assert_int_equal(f->outcome, HTTP_UNAUTHORIZED);
        assert_int_equal(n_fetches, 2);
        assert_null(kube_request_free(q));
}

static void test_a_late_refusal_of_the_old_token(void **state)
{
        Fixture *f = *state;
        Script *s = &f->server.script;
        KubeRequest *late, *q;
        ScriptPeer *p;

        begin_well(f);
        late = begin_request(f, &apply_spec);
        p = script_await(s, "PATCH /y ");
        q = begin_request(f, &apply_spec);
        script_answer(script_await(s, "PATCH /y "), "401 Unauthorized", "", "");
        script_until(s, n_fetches == 2);
        provide("new", NULL, NULL);
        script_answer(script_await(s, "PATCH /y "), "200 OK", "", "{}");
        script_until(s, f->n_done == 1);
        script_answer(p, "401 Unauthorized", "", "");
        p = script_await(s, "PATCH /y ");
        assert_request(p, "\r\nAuthorization: Bearer new\r\n");
        script_answer(p, "200 OK", "", "{}");
        script_until(s, f->n_done == 2);
        assert_int_equal(n_fetches, 2);
        assert_null(kube_request_free(late));
        assert_null(kube_request_free(q));
}

/* It asks whether somebody is there, and needs no name for that. */
static void test_a_probe_waits_for_nothing(void **state)
{
        static const KubeSpec probe = { .verb = KUBE_PROBE, .path = "/y", .timeout = TIMEOUT };
        Fixture *f = *state;
        KubeRequest *q;

        assert_int_equal(kube_client_request(f->client, &probe, on_test_done, f, &q), -EAGAIN);
        script_rest(&f->server.script);
        assert_int_equal(n_fetches, 0);
        begin_well(f);
        q = begin_request(f, &probe);
        script_answer(script_await(&f->server.script, "GET /y "), "401 Unauthorized", "", "");
        script_until(&f->server.script, f->n_done == 1);
        assert_int_equal(f->outcome, HTTP_UNAUTHORIZED);
        assert_null(kube_request_free(q));
        script_until(&f->server.script, n_fetches == 2);
}

/* What is under way ends where it began, and a token alone needs no new connection. */
static void test_a_new_certificate_needs_new_connections(void **state)
{
        Fixture *f = *state;
        Script *s = &f->server.script;
        KubeRequest *q, *second;
        const Connections *first;
        ScriptPeer *p;

        begin_well(f);
        first = f->client->connections;
        q = begin_request(f, &apply_spec);
        p = script_await(s, "PATCH /y ");
        provide("next", NULL, NULL);
        second = begin_request(f, &apply_spec);
        script_answer(script_await(s, "PATCH /y "), "200 OK", "", "{}");
        script_until(s, f->n_done == 1);
        assert_ptr_equal(f->client->connections, first);
        assert_null(kube_request_free(second));

        provide("next", FIXTURE_EC, FIXTURE_EC_KEY);
        assert_int_equal(first->n_ref, 2);
        second = begin_request(f, &apply_spec);
        assert_int_equal(first->n_ref, 1);
        assert_ptr_not_equal(f->client->connections, first);
        script_answer(script_await(s, "PATCH /y "), "200 OK", "", "{}");
        script_until(s, f->n_done == 1);
        assert_int_not_equal(p->fd, -1);
        script_answer(p, "200 OK", "", "{}");
        script_until(s, f->n_done == 2);
        assert_null(kube_request_free(q));
        script_until(s, p->fd == -1);
        assert_null(kube_request_free(second));
}

/* With a token file the token is read again, and without a new one there it is no use. */
static void test_a_token_file_is_read_again(void **state)
{
        Fixture *f = *state;
        Script *s = &f->server.script;
        char path[] = "/tmp/eatr-test-token-XXXXXX";
        int fd = mkstemp(path);
        KubeRequest *q;
        ScriptPeer *p;

        assert_return_code(fd, errno);
        assert_int_equal(write(fd, "old", 3), 3);
        f->config.token_file = path;
        q = begin_request(f, &apply_spec);
        p = script_await(s, "PATCH /y ");
        assert_request(p, "\r\nAuthorization: Bearer old\r\n");
        assert_int_equal(pwrite(fd, "new", 3, 0), 3);
        script_answer(p, "401 Unauthorized", "", "");
        p = script_await(s, "PATCH /y ");
        assert_request(p, "\r\nAuthorization: Bearer new\r\n");
        script_answer(p, "200 OK", "", "{}");
        script_until(s, f->n_done == 1);
        assert_int_equal(f->outcome, HTTP_OK);
        assert_null(kube_request_free(q));

        q = begin_request(f, &apply_spec);
        script_answer(script_await(s, "PATCH /y "), "401 Unauthorized", "", "");
        script_until(s, f->n_done == 1);
        assert_int_equal(f->outcome, HTTP_UNAUTHORIZED);
        assert_null(kube_request_free(q));
        (void) close(fd);
        (void) unlink(path);
}

static void test_by_how_much_it_may_be_late(void **state)
{
        Fixture *f = *state;

        assert_int_equal(kube_client_delay_max(f->client), 0);
        kube_auth_set_provider(f->auth, &provider, f);
        assert_int_equal(kube_client_delay_max(f->client), 2 * KUBE_AUTH_WAIT_MAX);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_verbs),
                cmocka_unit_test(test_histogram),
                cmocka_unit_test(test_stats_table_full),
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
                cmocka_unit_test_setup_teardown(test_requests_wait_for_credentials, setup_fetching, teardown),
                cmocka_unit_test_setup_teardown(test_no_credentials, setup_fetching, teardown),
                cmocka_unit_test_setup_teardown(test_a_request_that_waits_is_cancelled, setup_fetching, teardown),
                cmocka_unit_test_setup_teardown(test_what_is_refused_is_repeated, setup_fetching, teardown),
                cmocka_unit_test_setup_teardown(test_a_gateway_s_error_is_no_consent, setup_fetching, teardown),
                cmocka_unit_test_setup_teardown(test_a_late_refusal_of_the_old_token, setup_fetching, teardown),
                cmocka_unit_test_setup_teardown(test_a_probe_waits_for_nothing, setup_fetching, teardown),
                cmocka_unit_test_setup_teardown(test_a_new_certificate_needs_new_connections, setup_fetching, teardown),
                cmocka_unit_test_setup_teardown(test_a_token_file_is_read_again, setup, teardown),
                cmocka_unit_test_setup_teardown(test_by_how_much_it_may_be_late, setup, teardown),
        };

        return cmocka_run_group_tests_name("kube-client", tests, script_group_setup, script_group_teardown);
}
