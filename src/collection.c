/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "collection.h"
#include "log.h"
#include "message.h"

#include <errno.h>
#include <stdio.h>

struct Collection {
        KubeAuth *auth;
        CollectionSpec spec;
        const CollectionHandler *handler;
        void *userdata;

        char *query; /* NULL: all objects are read */
        KubeWatch *watch;
        bool listing;
        char error[384]; /* "" while all is well */
        unsigned failures;
        bool forbidden;
};

static void on_list_begin(void *userdata)
{
        Collection *c = userdata;

        c->listing = true;
        c->handler->list_begin(c->userdata);
}

static void on_seen(const cJSON *object, void *userdata)
{
        Collection *c = userdata;

        c->handler->seen(object, c->userdata);
}

static void on_gone(const cJSON *object, void *userdata)
{
        Collection *c = userdata;

        c->handler->gone(object, c->userdata);
}

static void on_list_end(void *userdata)
{
        Collection *c = userdata;

        c->listing = false;
        c->handler->list_end(c->userdata);
}

static void on_working(void *userdata)
{
        Collection *c = userdata;

        if (c->failures == 0)
                return;
        log_info("Reading %s works again", c->spec.what);
        c->failures = 0;
        c->forbidden = false;
        c->error[0] = '\0';
        c->handler->works_again(c->userdata);
}

static void tell_failure(const Collection *c, const KubeStatus *status, usec_t retry)
{
        bool needs_rights = c->forbidden && c->spec.extra_rights;
        bool is_old = status->code == 406 && !c->spec.kind; /* it knows no PartialObjectMetadata */
        char text[CLOCK_DURATION_MAX];

        log_event(LOG_WARNING, MESSAGE_READING_FAILED, "Cannot read %s from %s: %s%s; trying again in %s%s",
                  c->spec.what, kube_auth_config(c->auth)->server, status->message,
                  needs_rights ? " (see RIGHTS in eatr(8))" : "", clock_format_duration(text, retry),
                  is_old ? " (Kubernetes 1.16 or newer is needed)" : "");
}

static void on_failed(HttpOutcome outcome, const KubeStatus *status, usec_t retry, void *userdata)
{
        Collection *c = userdata;

        c->listing = false;
        c->failures++;
        c->forbidden = outcome == HTTP_FORBIDDEN;
        if (!streq(c->error, status->message))
                tell_failure(c, status, retry);
        (void) snprintf(c->error, sizeof(c->error), "%s", status->message);
        c->handler->failed(c->userdata);
}

static const KubeWatchHandler watch_handler = {
        .list_begin = on_list_begin,
        .seen = on_seen,
        .gone = on_gone,
        .list_end = on_list_end,
        .working = on_working,
        .failed = on_failed,
};

int collection_new(sd_event *event, KubeAuth *auth, KubeStats *stats, const CollectionSpec *spec,
                   const CollectionHandler *handler, void *userdata, Collection **ret)
{
        KubeWatchSpec watch = { .collection = spec->path, .kind = spec->kind };
        _cleanup_(collection_freep) Collection *c = NULL;
        int r;

        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        c->auth = auth;
        c->spec = *spec;
        c->handler = handler;
        c->userdata = userdata;
        if (spec->name) {
                c->query = str_printf("fieldSelector=metadata.name%%3D%s&", spec->name);
                if (!c->query)
                        return -ENOMEM;
                watch.query = c->query;
        }
        r = kube_watch_new(event, auth, stats, &watch, &watch_handler, c, &c->watch);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

bool collection_is_listing(const Collection *c)
{
        return c->listing;
}

const char *collection_error(const Collection *c)
{
        return c->error;
}

unsigned collection_failures(const Collection *c)
{
        return c->failures;
}

bool collection_is_forbidden(const Collection *c)
{
        return c->forbidden;
}

KubeWatch *collection_watch(const Collection *c)
{
        return c->watch;
}

Collection *collection_free(Collection *c)
{
        if (!c)
                return NULL;
        (void) kube_watch_free(c->watch);
        free(c->query);
        free(c);
        return NULL;
}
