/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "http-loop.h"

#include <curl/curl.h>
#include <errno.h>
#include <sys/epoll.h>

static void kick(HttpLoop *l, curl_socket_t fd, int mask)
{
        int running;

        (void) curl_multi_socket_action(l->multi, fd, mask, &running);
        (void) sd_event_source_set_enabled(l->drain, SD_EVENT_ONESHOT);
}

void http_loop_note_activity(HttpLoop *l)
{
        l->last_activity = clock_boottime();
}

static int on_io(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
        HttpLoop *l = userdata;
        int mask = 0;

        if (revents & EPOLLIN)
                mask |= CURL_CSELECT_IN;
        if (revents & EPOLLOUT)
                mask |= CURL_CSELECT_OUT;
        if (revents & (EPOLLERR | EPOLLHUP))
                mask |= CURL_CSELECT_ERR;
        if (revents & EPOLLIN)
                http_loop_note_activity(l);
        kick(l, fd, mask);
        return 0;
}

static int on_timer(sd_event_source *s, uint64_t usec, void *userdata)
{
        kick(userdata, CURL_SOCKET_TIMEOUT, 0);
        return 0;
}

/* Never fails: -1 from here would abort every transfer of the handle. A socket that could not be watched
 * ends in its request's timeout. */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *userdata, void *socketp)
{
        HttpLoop *l = userdata;
        sd_event_source *s = socketp;
        uint32_t events = 0;

        if (what == CURL_POLL_REMOVE) {
                (void) sd_event_source_disable_unref(s);
                (void) curl_multi_assign(l->multi, fd, NULL);
                return 0;
        }
        if (what != CURL_POLL_OUT)
                events |= EPOLLIN;
        if (what != CURL_POLL_IN)
                events |= EPOLLOUT;
        if (s)
                (void) sd_event_source_set_io_events(s, events);
        else if (sd_event_add_io(l->event, &s, fd, events, on_io, l) >= 0)
                (void) curl_multi_assign(l->multi, fd, s);
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

/* Takes one at a time from libcurl: what hears of it may end any of the others, and the whole. */
static int on_drain(sd_event_source *s, void *userdata)
{
        HttpLoop *l = userdata;
        int left = 0, code;
        CURLMsg *m;
        CURL *easy;

        m = curl_multi_info_read(l->multi, &left);
        if (left > 0)
                (void) sd_event_source_set_enabled(l->drain, SD_EVENT_ONESHOT);
        if (!m || m->msg != CURLMSG_DONE)
                return 0;
        easy = m->easy_handle;
        code = (int) m->data.result;
        (void) curl_multi_remove_handle(l->multi, easy);
        l->finished(easy, code);
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
        r = sd_event_add_defer(l->event, &l->drain, on_drain, l);
        if (r < 0)
                return r;
        return sd_event_source_set_enabled(l->drain, SD_EVENT_OFF);
}

int http_loop_init(HttpLoop *l, sd_event *event, http_loop_finished_t finished)
{
        int r;

        *l = (HttpLoop){ .event = sd_event_ref(event), .finished = finished };
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
        (void) sd_event_source_disable_unref(l->timer);
        (void) sd_event_source_disable_unref(l->drain);
        (void) sd_event_unref(l->event);
}
