/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "http.h"
#include "http-loop.h"
#include "http-sockets.h"
#include "log.h"
#include "redact.h"

#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>

#define CONNECT_TIMEOUT_MS 10000L
#define USER_AGENT "eatr/" PACKAGE_VERSION " (linux)"

struct HttpClient {
        HttpLoop loop;
        HttpPeer peer;
        HttpSockets sockets;
};

struct HttpRequest {
        HttpClient *client;
        CURL *easy;
        struct curl_slist *headers, *connect_to;
        sd_event_source *timeout;
        Buf request_body, response_body;
        http_open_t on_open;
        http_data_t on_data;
        http_done_t done;
        void *userdata;
        usec_t started, duration, date, retry_after;
        long status;
        bool has_retry_after;
        bool head_complete; /* libcurl takes a head that is cut off for a whole one */
        int data_error;     /* what on_data returned, or -EMSGSIZE */
        char label[512];
        char error[CURL_ERROR_SIZE];
};

int http_setup(void)
{
        return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? 0 : -EIO;
}

void http_shutdown(void)
{
        curl_global_cleanup();
}

HttpOutcome http_classify(long status, bool has_retry_after)
{
        if (status >= 200 && status < 300)
                return HTTP_OK;
        switch (status) {
        case 401:
                return HTTP_UNAUTHORIZED;
        case 403:
                return HTTP_FORBIDDEN;
        case 404:
                return HTTP_NOT_FOUND;
        case 409:
                return HTTP_CONFLICT;
        case 410:
                return HTTP_GONE;
        case 429:
                return HTTP_THROTTLED;
        case 503:
                return has_retry_after ? HTTP_THROTTLED : HTTP_RETRY;
        default:
                return status < 200 || status == 408 || status >= 500 ? HTTP_RETRY : HTTP_REJECTED;
        }
}

/* --- connections ----------------------------------------------------------------------------------- */

void http_client_disconnect(HttpClient *c)
{
        http_sockets_shutdown(&c->sockets);
}

usec_t http_client_last_activity(const HttpClient *c)
{
        return c->loop.last_activity;
}

/* --- the end of a request -------------------------------------------------------------------------- */

/* libcurl shows a proxy that it does not understand with its password. */
static void hide_logins(char error[static CURL_ERROR_SIZE])
{
        _cleanup_erase_ char *hidden = redact_logins(error, false);

        (void) snprintf(error, CURL_ERROR_SIZE, "%s", hidden ? hidden : strerror(ENOMEM));
}

/* libcurl's "after 10002 ms" would make each try's message another one. */
static void drop_duration(char *error)
{
        char *start = strstr(error, " after "), *end = start;

        if (!start)
                return;
        end += strlen(" after ");
        end += strspn(end, "0123456789");
        if (startswith(end, " milliseconds"))
                end += strlen(" milliseconds");
        else if (startswith(end, " ms"))
                end += strlen(" ms");
        else
                return;
        memmove(start, end, strlen(end) + 1);
}

static void request_finish(HttpRequest *q, CURLcode code)
{
        HttpOutcome outcome;

        q->timeout = sd_event_source_disable_unref(q->timeout);
        q->duration = usec_sub(clock_boottime(), q->started);
        if (q->data_error < 0)
                (void) snprintf(q->error, sizeof(q->error), "%s",
                                q->data_error == -EMSGSIZE ? "the answer is too large"
                                                           : strerror(-q->data_error));
        else if (code != CURLE_OK && !q->error[0])
                (void) snprintf(q->error, sizeof(q->error), "%s", curl_easy_strerror(code));
        else if (code == CURLE_OK)
                (void) snprintf(q->error, sizeof(q->error), "%s",
                                q->head_complete ? "" : "the answer ended in its head");

        drop_duration(q->error);
        hide_logins(q->error);
        outcome = q->error[0] ? HTTP_RETRY : http_classify(q->status, q->has_retry_after);
        if (log_verbosity() >= LOG_VERBOSITY_HTTP)
                log_debug("%s: %ld%s%s in %llu ms", q->label, q->status, q->error[0] ? ", " : "", q->error,
                          (unsigned long long) (q->duration / USEC_PER_MSEC));
        q->done(q, outcome, q->userdata);
}

static void on_finished(void *easy, int code)
{
        HttpRequest *q = NULL;

        (void) curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **) &q);
        (void) curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &q->status);
        request_finish(q, (CURLcode) code);
}

static int on_timeout(sd_event_source *s, uint64_t usec, void *userdata)
{
        HttpRequest *q = userdata;

        http_loop_remove(&q->client->loop, q->easy);
        /* One slow answer among others is its own affair. */
        if (q->client->loop.last_activity <= q->started)
                http_client_disconnect(q->client);
        q->status = 0;
        (void) snprintf(q->error, sizeof(q->error), "no answer in time");
        request_finish(q, CURLE_OPERATION_TIMEDOUT);
        return 0;
}

/* --- what comes in --------------------------------------------------------------------------------- */

static size_t on_body(char *p, size_t size, size_t n, void *userdata)
{
        HttpRequest *q = userdata;
        long status = 0;

        n *= size;
        http_loop_note_activity(&q->client->loop);
        (void) curl_easy_getinfo(q->easy, CURLINFO_RESPONSE_CODE, &status);
        if (q->on_data && status >= 200 && status < 300)
                q->data_error = q->on_data(p, n, q->userdata);
        else
                q->data_error = buf_append(&q->response_body, p, n);
        return q->data_error < 0 ? 0 : n;
}

/* The value of a header line if it has that name, without blanks around it. */
static bool header_value(const char *line, size_t n, const char *name, char *ret, size_t ret_size)
{
        size_t name_size = strlen(name), start, end = n;

        if (n <= name_size || line[name_size] != ':' || strncasecmp(line, name, name_size) != 0)
                return false;
        for (start = name_size + 1; start < end && isspace((unsigned char) line[start]); start++)
                ;
        while (end > start && isspace((unsigned char) line[end - 1]))
                end--;
        (void) snprintf(ret, ret_size, "%.*s", (int) MIN(end - start, ret_size - 1), line + start);
        return true;
}

static size_t on_header(char *line, size_t size, size_t n, void *userdata)
{
        HttpRequest *q = userdata;
        char value[64], *end;

        n *= size;
        if (line[0] == '\r' || line[0] == '\n') {
                long status = 0;

                (void) curl_easy_getinfo(q->easy, CURLINFO_RESPONSE_CODE, &status);
                q->head_complete = status >= 200;
                http_loop_note_activity(&q->client->loop);
                if (q->on_open && status >= 200 && status < 300)
                        q->on_open(q->userdata);
                return n;
        }
        if (header_value(line, n, "date", value, sizeof(value))) {
                if (clock_parse_http_date(value, &q->date) < 0)
                        q->date = 0;
        } else if (header_value(line, n, "retry-after", value, sizeof(value)) &&
                   isdigit((unsigned char) value[0])) {
                unsigned long seconds = strtoul(value, &end, 10);

                q->has_retry_after = !*end;
                q->retry_after = *end ? 0 : MIN(seconds, 3600UL) * USEC_PER_SEC;
        }
        return n;
}

/* --- starting one ---------------------------------------------------------------------------------- */

/* One more line; on failure what is there stays there. */
static int slist_add(struct curl_slist **list, const char *line)
{
        struct curl_slist *longer = curl_slist_append(*list, line);

        if (!longer)
                return -ENOMEM;
        *list = longer;
        return 0;
}

static int set_server_name(HttpRequest *q, const char *url)
{
        _cleanup_free_ char *renamed = NULL, *connect_to = NULL, *host_header = NULL;
        int r;

        r = http_peer_rename(&q->client->peer, url, &renamed, &connect_to, &host_header);
        if (r < 0)
                return r;
        r = slist_add(&q->connect_to, connect_to);
        if (r < 0)
                return r;
        curl_easy_setopt(q->easy, CURLOPT_URL, renamed);
        curl_easy_setopt(q->easy, CURLOPT_CONNECT_TO, q->connect_to);
        r = http_peer_apply_exceptions(&q->client->peer, url, q->easy);
        return r < 0 ? r : slist_add(&q->headers, host_header);
}

/* libcurl leaves out a header without a value, unless it ends as here. */
static int add_header(HttpRequest *q, const char *line)
{
        const char *colon = strchr(line, ':');
        _cleanup_free_ char *name = NULL;

        if (!colon || colon[1 + strspn(colon + 1, " ")])
                return slist_add(&q->headers, line);
        name = str_printf("%.*s;", (int) (colon - line), line);
        return name ? slist_add(&q->headers, name) : -ENOMEM;
}

static int set_headers(HttpRequest *q, const HttpSpec *spec)
{
        /* 100-continue would only cost a round trip, and a signature covers the content type we name. */
        int r = slist_add(&q->headers, "Expect:");

        for (size_t i = 0; r >= 0 && spec->headers && spec->headers[i]; i++)
                r = add_header(q, spec->headers[i]);
        return r;
}

static void set_connection(HttpRequest *q)
{
#if LIBCURL_VERSION_NUM >= 0x075500
        curl_easy_setopt(q->easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
        curl_easy_setopt(q->easy, CURLOPT_PROTOCOLS, (long) (CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
        curl_easy_setopt(q->easy, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(q->easy, CURLOPT_PATH_AS_IS, 1L); /* what was signed */
#if LIBCURL_VERSION_NUM >= 0x075700
        curl_easy_setopt(q->easy, CURLOPT_QUICK_EXIT, 1L); /* a resolver that hangs is not waited for */
#endif
        curl_easy_setopt(q->easy, CURLOPT_SUPPRESS_CONNECT_HEADERS,
                         1L); /* a proxy's, with its status and Date */
        curl_easy_setopt(q->easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
        curl_easy_setopt(q->easy, CURLOPT_USERAGENT, USER_AGENT);
}

static int set_request(HttpRequest *q, const HttpSpec *spec)
{
        int r;

        curl_easy_setopt(q->easy, CURLOPT_URL, spec->url);
        /* One connection for all. Only TLS settles at once whether it takes more than one request: over
         * plain HTTP the others would wait for the first one's answer. */
        curl_easy_setopt(q->easy, CURLOPT_PIPEWAIT, startswith(spec->url, "https:") ? 1L : 0L);
        curl_easy_setopt(q->easy, CURLOPT_PRIVATE, q);
        curl_easy_setopt(q->easy, CURLOPT_ERRORBUFFER, q->error);
        curl_easy_setopt(q->easy, CURLOPT_WRITEFUNCTION, on_body);
        curl_easy_setopt(q->easy, CURLOPT_WRITEDATA, q);
        curl_easy_setopt(q->easy, CURLOPT_HEADERFUNCTION, on_header);
        curl_easy_setopt(q->easy, CURLOPT_HEADERDATA, q);
        if (spec->compressed)
                curl_easy_setopt(q->easy, CURLOPT_ACCEPT_ENCODING, "gzip");
        if (spec->body) {
                r = buf_append(&q->request_body, spec->body, spec->body_size);
                if (r < 0)
                        return r;
                curl_easy_setopt(q->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) q->request_body.size);
                curl_easy_setopt(q->easy, CURLOPT_POSTFIELDS, q->request_body.data);
        }
        curl_easy_setopt(q->easy, CURLOPT_CUSTOMREQUEST, spec->method);
        r = set_headers(q, spec);
        if (r >= 0 && q->client->peer.server_name)
                r = set_server_name(q, spec->url);
        if (r >= 0)
                curl_easy_setopt(q->easy, CURLOPT_HTTPHEADER, q->headers);
        return r;
}

static int arm_timeout(HttpRequest *q, usec_t timeout)
{
        if (timeout == 0)
                return 0;
        return sd_event_add_time_relative(q->client->loop.event, &q->timeout, CLOCK_BOOTTIME, timeout, 0,
                                          on_timeout, q);
}

int http_request_start(HttpClient *c, const HttpSpec *spec, http_done_t done, void *userdata,
                       HttpRequest **ret)
{
        _cleanup_(http_request_freep) HttpRequest *q = NULL;
        int r;

        q = calloc(1, sizeof(*q));
        if (!q)
                return -ENOMEM;
        q->client = c;
        q->request_body = BUF_INIT_SECRET(spec->body_size);
        q->response_body = BUF_INIT_SECRET(spec->response_max);
        q->on_open = spec->on_open;
        q->on_data = spec->on_data;
        q->done = done;
        q->userdata = userdata;
        q->started = clock_boottime();
        (void) snprintf(q->label, sizeof(q->label), "%s %s", spec->method, spec->url);
        q->easy = curl_easy_init();
        if (!q->easy)
                return -ENOMEM;
        set_connection(q);
        http_peer_apply(&c->peer, q->easy);
        http_sockets_apply(&c->sockets, q->easy);
        r = set_request(q, spec);
        if (r < 0)
                return r;
        r = arm_timeout(q, spec->timeout);
        if (r < 0)
                return r;
        r = http_loop_add(&c->loop, q->easy);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(q);
        return 0;
}

long http_request_status(const HttpRequest *q)
{
        return q->status;
}

const Buf *http_request_body(const HttpRequest *q)
{
        return &q->response_body;
}

usec_t http_request_date(const HttpRequest *q)
{
        return q->date;
}

usec_t http_request_retry_after(const HttpRequest *q)
{
        return q->retry_after;
}

const char *http_request_error(const HttpRequest *q)
{
        return q->error;
}

bool http_request_multiplexed(const HttpRequest *q)
{
        long version = 0;

        (void) curl_easy_getinfo(q->easy, CURLINFO_HTTP_VERSION, &version);
        return version >= CURL_HTTP_VERSION_2_0;
}

usec_t http_request_duration(const HttpRequest *q)
{
        return q->duration;
}

/* Bearer tokens and the like are among the headers. */
static void slist_erase_free(struct curl_slist *list)
{
        for (struct curl_slist *l = list; l; l = l->next)
                explicit_bzero(l->data, strlen(l->data));
        curl_slist_free_all(list);
}

HttpRequest *http_request_free(HttpRequest *q)
{
        if (!q)
                return NULL;
        (void) sd_event_source_disable_unref(q->timeout);
        if (q->easy) {
                http_loop_remove(&q->client->loop, q->easy);
                curl_easy_cleanup(q->easy);
        }
        slist_erase_free(q->headers);
        curl_slist_free_all(q->connect_to);
        buf_done(&q->request_body);
        buf_done(&q->response_body);
        free(q);
        return NULL;
}

/* --- the client ------------------------------------------------------------------------------------ */

int http_client_new(sd_event *event, const HttpPeer *peer, HttpClient **ret)
{
        _cleanup_(http_client_freep) HttpClient *c = NULL;
        int r;

        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        http_sockets_init(&c->sockets);
        r = http_peer_copy(peer, &c->peer);
        if (r < 0)
                return r;
        r = http_loop_init(&c->loop, event, on_finished);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

HttpClient *http_client_free(HttpClient *c)
{
        if (!c)
                return NULL;
        http_loop_done(&c->loop);
        http_peer_done(&c->peer);
        free(c);
        return NULL;
}
