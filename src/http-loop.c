/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "http-loop.h"

#include <curl/curl.h>
#include <errno.h>
#include <sys/epoll.h>

/* libcurl 7.88 may take the end of one HTTP/2 stream from the socket while it reads another, and not look at
 * it again before something else comes in: 3 of 1,000 pairs of lists over a slow network stood still so.
 * After what has come in it is therefore made to look once more, until that brings nothing. */
#define LOOK_DELAY (5 * USEC_PER_MSEC)
#define LOOK_MAX 128U

typedef struct HttpLoopSocket {
        HttpLoop *loop;
        curl_socket_t fd;
        sd_event_source *source;
        TAILQ_ENTRY(HttpLoopSocket) all;
} HttpLoopSocket;

static void kick(HttpLoop *l, curl_socket_t fd, int mask)
{
        int running;

        (void) curl_multi_socket_action(l->multi, fd, mask, &running);
        (void) sd_event_source_set_enabled(l->drain, SD_EVENT_ONESHOT);
}

void http_loop_note_activity(HttpLoop *l)
{
        int enabled = SD_EVENT_OFF;

        l->last_activity = clock_boottime();
        (void) sd_event_source_get_enabled(l->look, &enabled);
        if (enabled != SD_EVENT_OFF)
                return;
        (void) sd_event_source_set_time_relative(l->look, LOOK_DELAY);
        (void) sd_event_source_set_enabled(l->look, SD_EVENT_ONESHOT);
}

static int on_look(sd_event_source *s, uint64_t usec, void *userdata)
{
        HttpLoop *l = userdata;
        curl_socket_t fds[LOOK_MAX];
        size_t n = 0;
        HttpLoopSocket *socket;

        /* What is looked at may close its socket, or another one's. */
        TAILQ_FOREACH (socket, &l->sockets, all)
                if (n < LOOK_MAX)
                        fds[n++] = socket->fd;
        for (size_t i = 0; i < n; i++)
                kick(l, fds[i], CURL_CSELECT_IN);
        return 0;
}

static int on_io(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
        HttpLoopSocket *socket = userdata;
        HttpLoop *l = socket->loop;
        int mask = 0;

        if (revents & EPOLLIN)
                mask |= CURL_CSELECT_IN;
        if (revents & EPOLLOUT)
                mask |= CURL_CSELECT_OUT;
        if (revents & (EPOLLERR | EPOLLHUP))
                mask |= CURL_CSELECT_ERR;
        if (revents & EPOLLIN)
                l->last_activity = clock_boottime();
        kick(l, fd, mask);
        return 0;
}

static int on_timer(sd_event_source *s, uint64_t usec, void *userdata)
{
        kick(userdata, CURL_SOCKET_TIMEOUT, 0);
        return 0;
}

static HttpLoopSocket *socket_free(HttpLoopSocket *socket)
{
        if (!socket)
                return NULL;
        TAILQ_REMOVE(&socket->loop->sockets, socket, all);
        (void) sd_event_source_disable_unref(socket->source);
        free(socket);
        return NULL;
}
DEFINE_TRIVIAL_CLEANUP_FUNC(HttpLoopSocket *, socket_free);

static int socket_new(HttpLoop *l, curl_socket_t fd, uint32_t events)
{
        _cleanup_(socket_freep) HttpLoopSocket *socket = NULL;
        int r;

        socket = calloc(1, sizeof(*socket));
        if (!socket)
                return -ENOMEM;
        *socket = (HttpLoopSocket){ .loop = l, .fd = fd };
        TAILQ_INSERT_TAIL(&l->sockets, socket, all);
        r = sd_event_add_io(l->event, &socket->source, fd, events, on_io, socket);
        if (r < 0)
                return r;
        (void) curl_multi_assign(l->multi, fd, TAKE_PTR(socket));
        return 0;
}

/* Never fails: -1 from here would abort every transfer of the handle. A socket that could not be watched
 * ends in its request's timeout. */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *userdata, void *socketp)
{
        HttpLoop *l = userdata;
        HttpLoopSocket *socket = socketp;
        uint32_t events = 0;

        if (what == CURL_POLL_REMOVE) {
                (void) socket_free(socket);
                (void) curl_multi_assign(l->multi, fd, NULL);
                return 0;
        }
        if (what != CURL_POLL_OUT)
                events |= EPOLLIN;
        if (what != CURL_POLL_IN)
                events |= EPOLLOUT;
        if (socket)
                (void) sd_event_source_set_io_events(socket->source, events);
        else
                (void) socket_new(l, fd, events);
        return 0;
}

/* Only arms: driving the handle from its own callback is refused by libcurl. */
static int on_timer_wanted(CURLM *multi, long timeout_ms, void *userdata)
{
        HttpLoop *l = userdata;

        if (timeout_ms < 0) {
                (void) sd_event_source_set_enabled(l->timer, SD_EVENT_OFF);
                return 0;
        }
        (void) sd_event_source_set_time_relative(l->timer, (usec_t) timeout_ms * USEC_PER_MSEC);
        (void) sd_event_source_set_enabled(l->timer, SD_EVENT_ONESHOT);
        return 0;
}

/* Takes one at a time from libcurl: what hears of it may end any of the others. */
static int on_drain(sd_event_source *s, void *userdata)
{
        HttpLoop *l = userdata;
        CURLMsg *m;
        int left;

        while ((m = curl_multi_info_read(l->multi, &left))) {
                CURL *easy = m->easy_handle;
                CURLcode code = m->data.result;

                if (m->msg != CURLMSG_DONE)
                        continue;
                (void) curl_multi_remove_handle(l->multi, easy);
                l->finished(easy, (int) code);
        }
        return 0;
}

static int add_sources(HttpLoop *l)
{
        int r;

        r = sd_event_add_time(l->event, &l->timer, CLOCK_BOOTTIME, 0, 1, on_timer, l);
        if (r < 0)
                return r;
        r = sd_event_source_set_enabled(l->timer, SD_EVENT_OFF);
        if (r < 0)
                return r;
        r = sd_event_add_time(l->event, &l->look, CLOCK_BOOTTIME, 0, 1, on_look, l);
        if (r < 0)
                return r;
        r = sd_event_source_set_enabled(l->look, SD_EVENT_OFF);
        if (r < 0)
                return r;
        r = sd_event_add_defer(l->event, &l->drain, on_drain, l);
        if (r < 0)
                return r;
        return sd_event_source_set_enabled(l->drain, SD_EVENT_OFF);
}

int http_loop_init(HttpLoop *l, sd_event *event, http_loop_finished_t finished)
{
        int r;

        *l = (HttpLoop){ .event = sd_event_ref(event), .finished = finished };
        TAILQ_INIT(&l->sockets);
        r = add_sources(l);
        if (r < 0)
                return r;
        l->multi = curl_multi_init();
        if (!l->multi)
                return -ENOMEM;
        curl_multi_setopt(l->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
        curl_multi_setopt(l->multi, CURLMOPT_SOCKETDATA, l);
        curl_multi_setopt(l->multi, CURLMOPT_TIMERFUNCTION, on_timer_wanted);
        curl_multi_setopt(l->multi, CURLMOPT_TIMERDATA, l);
        return 0;
}

int http_loop_add(HttpLoop *l, void *easy)
{
        return curl_multi_add_handle(l->multi, easy) == CURLM_OK ? 0 : -ENOMEM;
}

void http_loop_remove(HttpLoop *l, void *easy)
{
        (void) curl_multi_remove_handle(l->multi, easy);
}

void http_loop_done(HttpLoop *l)
{
        if (l->multi)
                (void) curl_multi_cleanup(l->multi);
        while (!TAILQ_EMPTY(&l->sockets))
                (void) socket_free(TAILQ_FIRST(&l->sockets));
        (void) sd_event_source_disable_unref(l->look);
        (void) sd_event_source_disable_unref(l->timer);
        (void) sd_event_source_disable_unref(l->drain);
        (void) sd_event_unref(l->event);
}
