/* SPDX-License-Identifier: MIT */
#pragma once

#include "clock.h"

#include <systemd/sd-event.h>

/* libcurl's multi interface (https://curl.se/libcurl/c/libcurl-multi.html) on an sd-event loop: exchanges
 * wait in epoll beside everything else, and cost nothing until something comes in. Handles are libcurl's. */

/* An exchange has ended and was removed; code is libcurl's. Called from the event loop, outside of libcurl's
 * own callbacks: may add and remove any others, and end the loop's use. */
typedef void (*http_loop_finished_t)(void *easy, int code);

typedef struct HttpLoop {
        sd_event *event;
        void *multi;
        sd_event_source *timer;
        sd_event_source *drain; /* reports what has finished */
        http_loop_finished_t finished;
        usec_t last_activity; /* CLOCK_BOOTTIME when bytes last came in; 0: never */
} HttpLoop;

/* References the event loop. Returns 0 or a negative errno; http_loop_done() is due either way. */
int http_loop_init(HttpLoop *l, sd_event *event, http_loop_finished_t finished);

/* Begins an exchange. Returns 0 or -ENOMEM. */
int http_loop_add(HttpLoop *l, void *easy);

/* Ends one early, without a word; one that has ended already is fine. */
void http_loop_remove(HttpLoop *l, void *easy);

/* To be told of what has come in: libcurl may read it without having been woken for it. */
void http_loop_note_activity(HttpLoop *l);

/* Closes all connections. Every exchange has to be removed before. */
void http_loop_done(HttpLoop *l);
