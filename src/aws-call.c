/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "aws-call.h"

#include "encode.h"

#include <errno.h>
#include <stdio.h>

#define REQUEST_TIMEOUT (20 * USEC_PER_SEC)
#define AUTHORIZATION_MAX (16U * 1024)

/* Host, X-Amz-Date, X-Amz-Security-Token; Authorization and Accept are not signed. */
#define ADDED_MAX 3U
#define UNSIGNED_MAX 2U

_Static_assert(AWS_CALL_HEADERS_MAX + ADDED_MAX <= AWS_SIGV4_HEADERS_MAX, "all of them are signed");

struct AwsCall {
        HttpClient *client;
        AwsState *state;
        HttpRequest *request;
        bool signed_again;
        AwsCallSpec spec; /* whose strings are the call's own */
        AwsHeader headers[AWS_CALL_HEADERS_MAX];
        AwsSigner signer;
        char *host, *path; /* of the URL, as they are signed */
        const char *query;
};

/* --- what is signed -------------------------------------------------------------------------------- */

/* SigV4 wants the path of a URL encoded once more, all but the slashes. */
static char *canonical_path(const char *path)
{
        char *s = encode_percent(path), *out = s;

        if (!s)
                return NULL;
        for (const char *p = s; *p; out++) {
                const char *rest = startswith(p, "%2F");

                *out = rest ? '/' : *p;
                p = rest ? rest : p + 1;
        }
        *out = '\0';
        return s;
}

/* Host as libcurl sends it, with the port when it is not the scheme's own; path and query. */
static int split_url(AwsCall *c)
{
        const char *url = c->spec.url, *start = strstr(url, "://"), *end;
        _cleanup_free_ char *path = NULL;
        char *port;

        if (!start)
                return -EINVAL;
        start += 3;
        end = start + strcspn(start, "/?");
        c->host = strndup(start, (size_t) (end - start));
        path = strndup(end, strcspn(end, "?"));
        if (!c->host || !path)
                return -ENOMEM;
        port = strrchr(c->host, ':');
        if (port && streq(port, startswith(url, "https:") ? ":443" : ":80"))
                *port = '\0';
        c->query = strchr(end, '?');
        c->query = c->query ? c->query + 1 : "";
        c->path = *path ? canonical_path(path) : strdup("/");
        return c->path ? 0 : -ENOMEM;
}

/* --- sending --------------------------------------------------------------------------------------- */

static int add_header(char **lines, size_t *n, const char *name, const char *value)
{
        lines[*n] = str_printf("%s: %s", name, value);
        return lines[*n] ? (int) ++*n : -ENOMEM;
}

static int authorize(const AwsCall *c, const AwsRequest *request, usec_t now, Buf *b)
{
        const AwsScope scope = {
                .region = c->spec.region,
                .service = aws_service_to_string(c->spec.service),
                .time = now,
        };

        if (c->spec.signer)
                return aws_sigv4_authorization_x509(request, &scope, c->spec.signer, b);
        if (c->spec.credentials)
                return aws_sigv4_authorization(request, &scope, &c->spec.credentials->keys, b);
        return 0;
}

static void on_http(HttpRequest *q, HttpOutcome http, void *userdata);

/* Signs and sends. lines, which has room for all headers and NULL, is the caller's to free. */
static int send_lines(AwsCall *c, usec_t now, char **lines)
{
        _cleanup_buf_ Buf authorization = BUF_INIT_SECRET(AUTHORIZATION_MAX);
        AwsHeader headers[AWS_SIGV4_HEADERS_MAX];
        char date[CLOCK_BASIC_MAX];
        AwsRequest request = {
                .method = c->spec.method,
                .path = c->path,
                .query = c->query,
                .headers = headers,
                .body = c->spec.body ? c->spec.body : "",
                .body_size = c->spec.body ? strlen(c->spec.body) : 0,
        };
        size_t n = 0;
        int r = 0;

        for (size_t i = 0; i < c->spec.n_headers; i++)
                headers[request.n_headers++] = c->headers[i];
        if (c->spec.signer || c->spec.credentials)
                headers[request.n_headers++] = (AwsHeader){ "X-Amz-Date", clock_format_basic(date, now) };
        if (c->spec.credentials && c->spec.credentials->keys.session_token)
                headers[request.n_headers++] =
                        (AwsHeader){ "X-Amz-Security-Token", c->spec.credentials->keys.session_token };
        for (size_t i = 0; i < request.n_headers && r >= 0; i++)
                r = add_header(lines, &n, headers[i].name, headers[i].value);
        headers[request.n_headers++] = (AwsHeader){ "Host", c->host }; /* libcurl sends it */
        if (r >= 0 && c->spec.accept)
                r = add_header(lines, &n, "Accept", c->spec.accept);
        if (r >= 0)
                r = authorize(c, &request, now, &authorization);
        if (r >= 0 && authorization.size > 0)
                r = add_header(lines, &n, "Authorization", buf_str(&authorization));
        if (r < 0)
                return r;

        const HttpSpec spec = {
                .method = c->spec.method,
                .url = c->spec.url,
                .headers = (const char *const *) lines,
                .body = c->spec.body,
                .body_size = request.body_size,
                .timeout = c->spec.timeout > 0 ? c->spec.timeout : REQUEST_TIMEOUT,
                .response_max = AWS_RESPONSE_MAX,
        };
        return http_request_start(c->client, &spec, on_http, c, &c->request);
}

static int send_request(AwsCall *c)
{
        char *lines[AWS_CALL_HEADERS_MAX + ADDED_MAX + UNSIGNED_MAX + 1] = { NULL };
        int r;

        r = send_lines(c, aws_clock_now(&c->state->clock), lines);
        for (size_t i = 0; i < ELEMENTSOF(lines); i++)
                (void) str_erase_free(lines[i]);
        return r;
}

/* --- the answer ------------------------------------------------------------------------------------ */

static AwsOutcome read_answer(AwsCall *c, const AwsAnswer *a, char error[static AWS_ERROR_MAX])
{
        const char *problem;

        error[0] = '\0';
        if (a->http != HTTP_OK)
                return aws_answer_error(a, error);
        problem = c->spec.read(a, c->spec.userdata);
        if (!problem)
                return AWS_OK;
        (void) snprintf(error, AWS_ERROR_MAX, "the answer is of no use: %s", problem);
        return AWS_RETRY;
}

static void on_http(HttpRequest *q, HttpOutcome http, void *userdata)
{
        AwsCall *c = userdata;
        const Buf *body = http_request_body(q);
        usec_t date = http_request_date(q);
        bool complete = !*http_request_error(q), skewed;
        char error[AWS_ERROR_MAX];
        const AwsAnswer answer = {
                .http = http,
                .status = complete ? http_request_status(q) : 0,
                .body = buf_str(body),
                .body_size = body->size,
                .transport_error = http_request_error(q),
                .date = date > 0 ? date : aws_clock_now(&c->state->clock),
                .boottime = clock_boottime(),
        };
        AwsOutcome outcome;

        /* Only a service of AWS is believed. */
        skewed = complete && date > 0 && c->spec.region && aws_clock_learn(&c->state->clock, date);
        outcome = read_answer(c, &answer, error);
        c->state->calls[c->spec.service][outcome]++;
        c->request = http_request_free(c->request);
        if (outcome == AWS_SKEWED && skewed && !c->signed_again) {
                c->signed_again = true;
                if (send_request(c) >= 0)
                        return;
        }
        c->spec.done(outcome, error, c->spec.userdata);
}

/* --- the whole ------------------------------------------------------------------------------------- */

static int copy_spec(AwsCall *c, const AwsCallSpec *spec)
{
        c->spec = *spec;
        c->spec.headers = NULL;
        if (spec->signer) {
                c->signer = *spec->signer;
                c->spec.signer = &c->signer;
        }
        c->spec.credentials = aws_credentials_ref(spec->credentials);
        c->spec.region = c->spec.method = c->spec.url = c->spec.accept = c->spec.body = NULL;
        c->spec.ca_bundle = NULL;
        for (size_t i = 0; i < spec->n_headers; i++) {
                c->headers[i].name = strdup(spec->headers[i].name);
                c->headers[i].value = strdup(spec->headers[i].value);
                if (!c->headers[i].name || !c->headers[i].value)
                        return -ENOMEM;
        }
        if (str_replace((char **) &c->spec.region, spec->region) < 0 ||
            str_replace((char **) &c->spec.method, spec->method) < 0 ||
            str_replace((char **) &c->spec.url, spec->url) < 0 ||
            str_replace((char **) &c->spec.accept, spec->accept) < 0 ||
            str_replace((char **) &c->spec.body, spec->body) < 0)
                return -ENOMEM;
        return split_url(c);
}

int aws_call_start(sd_event *event, AwsState *state, const AwsCallSpec *spec, AwsCall **ret)
{
        /* http is for what is on this host, or beside it: the configuration allows it nowhere else. */
        const HttpPeer peer = {
                .ca_file = (char *) spec->ca_bundle,
                .no_proxy = startswith(spec->url, "http://"),
        };
        _cleanup_(aws_call_freep) AwsCall *c = NULL;
        int r;

        if (spec->n_headers > AWS_CALL_HEADERS_MAX)
                return -EINVAL;
        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        c->state = state;
        r = http_client_new(event, &peer, &c->client);
        if (r >= 0)
                r = copy_spec(c, spec);
        if (r >= 0)
                r = send_request(c);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

AwsCall *aws_call_free(AwsCall *c)
{
        if (!c)
                return NULL;
        (void) http_request_free(c->request);
        (void) http_client_free(c->client);
        aws_credentials_unref(c->spec.credentials);
        for (size_t i = 0; i < AWS_CALL_HEADERS_MAX; i++) {
                free((char *) c->headers[i].name);
                (void) str_erase_free((char *) c->headers[i].value);
        }
        free((char *) c->spec.region);
        free((char *) c->spec.method);
        (void) str_erase_free((char *) c->spec.url);
        free((char *) c->spec.accept);
        (void) str_erase_free((char *) c->spec.body);
        free(c->host);
        free(c->path);
        free(c);
        return NULL;
}
