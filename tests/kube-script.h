/* SPDX-License-Identifier: MIT */
#pragma once

/* An API server in the test's own process and loop. It answers nothing by itself: the test waits for a
 * request and says what comes back, whole or in pieces. What is waited for is a condition, never a time. */

#include "buf.h"
#include "clock.h"
#include "http.h"

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
/* cmocka.h comes after what it uses. */
#include <cmocka.h>

/* Long after anything that is waited for has come, on the busiest machine. */
#define SCRIPT_TIMEOUT (10 * USEC_PER_SEC)

/* A connection. It stays in memory, closed or not, until the script ends. */
typedef struct ScriptPeer {
        struct Script *script;
        int fd; /* -1: closed */
        sd_event_source *source;
        Buf request;
        unsigned number; /* of the request, counted from 1; 0: it is not whole yet */
        bool taken, answered;
        SLIST_ENTRY(ScriptPeer) all;
} ScriptPeer;

typedef struct Script {
        sd_event *event;
        sd_event_source *source;
        int fd;
        char url[64];
        unsigned n_requests;
        SLIST_HEAD(, ScriptPeer) peers;
} Script;

/* Turns the loop until the condition holds. */
#define script_until(s, condition)                                                            \
        do {                                                                                  \
                usec_t _end = clock_boottime() + SCRIPT_TIMEOUT;                              \
                while (!(condition)) {                                                        \
                        if (clock_boottime() > _end)                                          \
                                fail_msg("in vain: %s", #condition);                          \
                        assert_return_code(sd_event_run((s)->event, 100 * USEC_PER_MSEC), 0); \
                }                                                                             \
        } while (0)

/* Turns the loop until it comes to rest: before saying that something did not happen. */
static inline void script_rest(const Script *s)
{
        usec_t start = clock_boottime(), last = start;

        while (clock_boottime() < last + 20 * USEC_PER_MSEC) {
                int r = sd_event_run(s->event, 20 * USEC_PER_MSEC);

                assert_return_code(r, 0);
                if (r > 0)
                        last = clock_boottime();
                assert_true(last < start + SCRIPT_TIMEOUT);
        }
}

/* --- connections ------------------------------------------------------------------------------------- */

/* Closes the connection, wherever its answer is. */
static inline void script_cut(ScriptPeer *p)
{
        p->source = sd_event_source_disable_unref(p->source);
        p->fd = close_fd(p->fd);
        p->number = 0;
}

static inline bool script_is_whole(const Buf *request)
{
        const char *end = strstr(buf_str(request), "\r\n\r\n");
        const char *length = strstr(buf_str(request), "\r\nContent-Length: ");

        return end && request->size >= (size_t) (end + 4 - request->data) +
                                               (length ? strtoul(strchr(length, ':') + 2, NULL, 10) : 0);
}

static inline int script_on_readable(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        ScriptPeer *p = userdata;
        char piece[65536];
        ssize_t n = recv(fd, piece, sizeof(piece), 0);

        if (n <= 0) {
                script_cut(p);
                return 0;
        }
        if (p->answered) {
                buf_clear(&p->request);
                p->number = 0;
                p->taken = p->answered = false;
        }
        assert_int_equal(buf_append(&p->request, piece, (size_t) n), 0);
        if (p->number == 0 && script_is_whole(&p->request))
                p->number = ++p->script->n_requests;
        return 0;
}

static inline int script_on_connection(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        Script *s = userdata;
        ScriptPeer *p = calloc(1, sizeof(*p));

        assert_non_null(p);
        p->script = s;
        p->request = BUF_INIT(4U * 1024 * 1024);
        p->fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
        assert_return_code(p->fd, errno);
        SLIST_INSERT_HEAD(&s->peers, p, all);
        assert_return_code(sd_event_add_io(s->event, &p->source, p->fd, EPOLLIN, script_on_readable, p), 0);
        return 0;
}

static inline void script_begin(Script *s, sd_event *event)
{
        struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof(in);

        *s = (Script){ .event = event };
        s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_return_code(bind(s->fd, (struct sockaddr *) &in, size), errno);
        assert_return_code(listen(s->fd, 64), errno);
        assert_return_code(getsockname(s->fd, (struct sockaddr *) &in, &size), errno);
        (void) snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%u", (unsigned) ntohs(in.sin_port));
        assert_return_code(sd_event_add_io(event, &s->source, s->fd, EPOLLIN, script_on_connection, s), 0);
}

static inline void script_end(Script *s)
{
        ScriptPeer *p;

        while ((p = SLIST_FIRST(&s->peers))) {
                SLIST_REMOVE_HEAD(&s->peers, all);
                script_cut(p);
                buf_done(&p->request);
                free(p);
        }
        s->source = sd_event_source_disable_unref(s->source);
        s->fd = close_fd(s->fd);
}

/* --- requests ---------------------------------------------------------------------------------------- */

/* How many requests wait that begin so ("GET /api/v1/secrets?"); in *ret, if wanted, the first to come. */
static inline unsigned script_waiting(const Script *s, const char *start, ScriptPeer **ret)
{
        ScriptPeer *p, *first = NULL;
        unsigned n = 0;

        SLIST_FOREACH(p, &s->peers, all)
        {
                if (p->number == 0 || p->taken || !startswith(p->request.data, start))
                        continue;
                n++;
                if (!first || p->number < first->number)
                        first = p;
        }
        if (ret)
                *ret = first;
        return n;
}

/* Waits for a request that begins so, to be answered by the caller; its text is good until then. */
static inline ScriptPeer *script_await(const Script *s, const char *start)
{
        usec_t end = clock_boottime() + SCRIPT_TIMEOUT;
        ScriptPeer *p;

        while (script_waiting(s, start, &p) == 0) {
                if (clock_boottime() > end) {
                        SLIST_FOREACH(p, &s->peers, all)
                        if (p->number > 0 && !p->taken)
                                print_error("waiting: %.200s\n", p->request.data);
                        fail_msg("no request came that begins with %s", start);
                }
                assert_return_code(sd_event_run(s->event, 100 * USEC_PER_MSEC), 0);
        }
        p->taken = true;
        return p;
}

static inline bool script_has(const ScriptPeer *p, const char *text)
{
        return strstr(buf_str(&p->request), text);
}

#define assert_request(p, text)                                                     \
        do {                                                                        \
                if (!script_has(p, text))                                           \
                        fail_msg("no \"%s\" in\n%s", text, buf_str(&(p)->request)); \
        } while (0)

/* --- answers: never from within the loop, which they may turn ----------------------------------------- */

/* Sends bytes as they are, unless the client has gone. */
static inline void script_send(ScriptPeer *p, const char *data, size_t n)
{
        usec_t end = clock_boottime() + SCRIPT_TIMEOUT;

        while (n > 0 && p->fd >= 0) {
                ssize_t sent = send(p->fd, data, n, MSG_NOSIGNAL | MSG_DONTWAIT);

                if (sent >= 0) {
                        data += sent;
                        n -= (size_t) sent;
                } else if (errno == EAGAIN) {
                        assert_true(clock_boottime() < end);
                        assert_return_code(sd_event_run(p->script->event, 100 * USEC_PER_MSEC), 0);
                } else
                        script_cut(p);
        }
}

static inline void _printf_(2, 3) script_printf(ScriptPeer *p, const char *format, ...)
{
        char *s = NULL;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(&s, format, ap);
        va_end(ap);
        assert_return_code(n, errno);
        script_send(p, s, (size_t) n);
        free(s);
}

/* A whole answer; headers are lines that end in \r\n. */
static inline void script_answer(ScriptPeer *p, const char *status, const char *headers, const char *body)
{
        p->answered = true;
        script_printf(p, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n%s\r\n%s", status, strlen(body), headers,
                      body);
}

/* An answer in pieces: its head, any number of chunks, and its end. */
static inline void script_stream(ScriptPeer *p)
{
        script_printf(p, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
}

static inline void script_chunk(ScriptPeer *p, const char *data)
{
        if (*data)
                script_printf(p, "%zx\r\n%s\r\n", strlen(data), data);
}

static inline void script_finish(ScriptPeer *p)
{
        p->answered = true;
        script_printf(p, "0\r\n\r\n");
}

/* --- what an API server says -------------------------------------------------------------------------- */

#define SCRIPT_LIST(version, items)                                                                \
        "{\"kind\":\"PartialObjectMetadataList\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":{" \
        "\"resourceVersion\":\"" version "\"},\"items\":[" items "]}\n"

/* more begins with a comma. */
#define SCRIPT_OBJECT(name, version, more)                                  \
        "{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/" \
        "v1\",\"metadata\":{\"name\":\"" name "\",\"resourceVersion\":\"" version "\"" more "}}"

#define SCRIPT_EVENT(type, object) "{\"type\":\"" type "\",\"object\":" object "}\n"

#define SCRIPT_STATUS(code, reason, details)                                                                \
        "{\"kind\":\"Status\",\"status\":\"Failure\",\"message\":\"it is " reason "\",\"reason\":\"" reason \
        "\",\"details\":{" details "},\"code\":" #code "}"
#define SCRIPT_CAUSE(reason) "\"causes\":[{\"reason\":\"" reason "\"}]"

/* Secrets named ecr, as eatr's own with a token that was issued at SCRIPT_WALL, edited by kubectl, or
 * somebody else's. */
#define SCRIPT_WALL (UINT64_C(1795461567) * USEC_PER_SEC)
#define SCRIPT_SECRET(namespace, version, id) \
        SCRIPT_SECRET_(namespace, version, id, ",\"f:data\":{\"f:.dockerconfigjson\":{}}")
#define SCRIPT_EDITED(namespace, version, id) SCRIPT_SECRET_(namespace, version, id, "")
#define SCRIPT_FOREIGN(namespace, version)                                                       \
        SCRIPT_OBJECT("ecr", version,                                                            \
                      ",\"namespace\":\"" namespace "\",\"uid\":\"theirs\",\"managedFields\":[{" \
                                                    "\"manager\":\"kubectl\","                   \
                                                    "\"operation\":"                             \
                                                    "\"Update\",\"fieldsV1\":{\"f:data\":{}}}]")
#define SCRIPT_SECRET_(namespace, version, id, owned)                                                      \
        SCRIPT_OBJECT(                                                                                     \
                "ecr", version,                                                                            \
                ",\"namespace\":\"" namespace "\",\"uid\":\"ours\",\"labels\":{\"app.kubernetes.io/"       \
                                              "managed-by\":\"eatr\"},"                                    \
                                              "\"annotations\":{\"eatr/"                                   \
                                              "expires-at\":\"2026-11-24T07:19:27Z\",\"eatr/renewed-at\":" \
                                              "\"2026-11-23T19:19:27Z\",\"eatr/token-id\":\"" id           \
                                              "\"},\"managedFields\":[{\"manager\":\"eatr\","              \
                                              "\"operation\":\"Apply\",\"fieldsV1\":{\"f:metadata\":{\"f:" \
                                              "annotations\":{\"f:eatr/expires-at\":{},"                   \
                                              "\"f:eatr/renewed-at\":{},\"f:eatr/"                         \
                                              "token-id\":{}},\"f:labels\":{\"f:app.kubernetes.io/"        \
                                              "managed-by\":"                                              \
                                              "{}}},\"f:type\":{}" owned "}}]")

/* What a delete is answered with that nothing holds up. */
#define SCRIPT_GONE                                                                                       \
        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Success\",\"details\":{" \
        "\"name\":"                                                                                       \
        "\"ecr\",\"kind\":\"secrets\"}}"

/* What an inspection is answered with. */
#define SCRIPT_TABLE(type)                                                                               \
        "{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":{},\"columnDefinitions\":[{" \
        "\"name\":\"Name\"},{\"name\":\"Type\"},{\"name\":\"Data\"},{\"name\":\"Age\"}],\"rows\":[{"     \
        "\"cells\":"                                                                                     \
        "[\"ecr\",\"" type "\",1,\"5m\"],\"object\":null}]}"

/* --- the group ---------------------------------------------------------------------------------------- */

/* For cmocka_run_group_tests(): no proxy gets in between. */
static inline int script_group_setup(void **state)
{
        static const char *const variables[] = { "http_proxy",    "HTTP_PROXY",    "https_proxy",
                                                 "HTTPS_PROXY",   "all_proxy",     "ALL_PROXY",
                                                 "no_proxy",      "NO_PROXY",      "SSL_CERT_DIR",
                                                 "SSL_CERT_FILE", "CURL_CA_BUNDLE" };

        for (size_t i = 0; i < ELEMENTSOF(variables); i++)
                (void) unsetenv(variables[i]);
        return http_setup();
}

static inline int script_group_teardown(void **state)
{
        http_shutdown();
        return 0;
}
