/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "clock.h"
#include "httpd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define BODY_MAX (4U * 1024 * 1024)
#define CONNECTIONS_MAX 32U
#define IDLE_TIMEOUT_S 60U

struct Httpd {
        struct MHD_Daemon *daemon;
        sd_event_source *io, *timer;
        const HttpdRoute *routes;
        void *userdata;
};

static enum MHD_Result respond(struct MHD_Connection *connection, unsigned status, const char *content_type,
                               Buf *body)
{
        size_t size = body->size;
        struct MHD_Response *response;
        enum MHD_Result result;
        char *data;

        data = buf_steal(body);
        if (!data)
                return MHD_NO;
        response = MHD_create_response_from_buffer(size, data, MHD_RESPMEM_MUST_FREE);
        if (!response) {
                free(data);
                return MHD_NO;
        }
        (void) MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
        if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
                (void) MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
        result = MHD_queue_response(connection, status, response);
        MHD_destroy_response(response);
        return result;
}

static enum MHD_Result respond_text(struct MHD_Connection *connection, unsigned status, const char *text)
{
        _cleanup_buf_ Buf body = BUF_INIT(BODY_MAX);

        if (buf_append_str(&body, text) < 0)
                return MHD_NO;
        return respond(connection, status, "text/plain; charset=utf-8", &body);
}

static const HttpdRoute *find_route(const Httpd *h, const char *path)
{
        for (const HttpdRoute *r = h->routes; r->path; r++)
                if (streq(r->path, path))
                        return r;
        return NULL;
}

static enum MHD_Result on_request(void *userdata, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **state)
{
        static const char seen = 0;
        _cleanup_buf_ Buf body = BUF_INIT(BODY_MAX);
        Httpd *h = userdata;
        const HttpdRoute *route;
        int status;

        /* The first call comes with the headers; an answer to it would close the connection. */
        if (!*state) {
                *state = (void *) &seen;
                return MHD_YES;
        }
        if (*upload_size > 0) {
                *upload_size = 0;
                return MHD_YES;
        }
        if (!streq(method, MHD_HTTP_METHOD_GET) && !streq(method, MHD_HTTP_METHOD_HEAD))
                return respond_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        route = find_route(h, url);
        if (!route)
                return respond_text(connection, MHD_HTTP_NOT_FOUND, "not here\n");
        status = route->render(&body, h->userdata);
        if (status < 0)
                return respond_text(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "failed\n");
        return respond(connection, (unsigned) status, route->content_type, &body);
}

static unsigned count_connections(const Httpd *h)
{
        const union MHD_DaemonInfo *info =
                MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);

        return info ? info->num_connections : 0;
}

static void arm_timer_for(Httpd *h, usec_t delay)
{
        (void) sd_event_source_set_time_relative(h->timer, delay);
        (void) sd_event_source_set_enabled(h->timer, SD_EVENT_ONESHOT);
}

/* MHD_get_timeout() speaks of relative milliseconds, or of no timeout at all. */
static void arm_timer(Httpd *h)
{
        MHD_UNSIGNED_LONG_LONG ms;

        if (MHD_get_timeout(h->daemon, &ms) == MHD_YES)
                arm_timer_for(h, (usec_t) ms * USEC_PER_MSEC);
        else
                (void) sd_event_source_set_enabled(h->timer, SD_EVENT_OFF);
}

static int on_io(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
        Httpd *h = userdata;
        unsigned before = count_connections(h);

        (void) MHD_run(h->daemon);
        /* At its limit MHD does not listen, and it looks whether it may again when it is run; nothing else
         * would wake it after the last connection. */
        if (count_connections(h) < before)
                arm_timer_for(h, 0);
        else
                arm_timer(h);
        return 0;
}

static int on_timer(sd_event_source *s, uint64_t usec, void *userdata)
{
        return on_io(s, -1, 0, userdata);
}

int httpd_listen(const char *address, uint16_t port)
{
        struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
        struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
        bool v4 = inet_pton(AF_INET, address, &in.sin_addr) == 1;
        _cleanup_close_ int fd = -1;
        const int on = 1;

        if (!v4 && inet_pton(AF_INET6, address, &in6.sin6_addr) != 1)
                return -EINVAL;
        fd = socket(v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        (void) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        if ((v4 ? bind(fd, (struct sockaddr *) &in, sizeof(in))
                : bind(fd, (struct sockaddr *) &in6, sizeof(in6))) < 0 ||
            listen(fd, SOMAXCONN) < 0)
                return -errno;
        return TAKE_FD(fd);
}

static int add_sources(Httpd *h, sd_event *event)
{
        const union MHD_DaemonInfo *info;
        int r;

        info = MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD);
        if (!info)
                return -EOPNOTSUPP;
        r = sd_event_add_io(event, &h->io, info->epoll_fd, EPOLLIN, on_io, h);
        if (r < 0)
                return r;
        r = sd_event_add_time(event, &h->timer, CLOCK_BOOTTIME, 0, 1, on_timer, h);
        if (r < 0)
                return r;
        return sd_event_source_set_enabled(h->timer, SD_EVENT_OFF);
}

int httpd_new(sd_event *event, int socket, const HttpdRoute *routes, void *userdata, Httpd **ret)
{
        _cleanup_(httpd_freep) Httpd *h = NULL;
        _cleanup_close_ int fd = socket;
        int r;

        h = calloc(1, sizeof(*h));
        if (!h)
                return -ENOMEM;
        h->routes = routes;
        h->userdata = userdata;
        h->daemon = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_request, h, MHD_OPTION_LISTEN_SOCKET,
                                     fd, MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX,
                                     MHD_OPTION_CONNECTION_TIMEOUT, IDLE_TIMEOUT_S, MHD_OPTION_END);
        if (!h->daemon)
                return -ENOMEM;
        fd = -1; /* the daemon's now */
        r = add_sources(h, event);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(h);
        return 0;
}

Httpd *httpd_free(Httpd *h)
{
        if (!h)
                return NULL;
        (void) sd_event_source_disable_unref(h->io);
        (void) sd_event_source_disable_unref(h->timer);
        if (h->daemon)
                MHD_stop_daemon(h->daemon);
        free(h);
        return NULL;
}
