/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "kube-reader.h"
#include "log.h"

#include <errno.h>
#include <stdio.h>

static void set_version(KubeReader *r, const cJSON *object)
{
        const char *version = json_string(json_get(object, "metadata"), "resourceVersion");

        if (version && strlen(version) < KUBE_READER_VERSION_MAX)
                (void) snprintf(r->version, sizeof(r->version), "%s", version);
}

static void set_problem(KubeReader *r, const char *what)
{
        (void) snprintf(r->problem, sizeof(r->problem), "the answer is no %s of %s", what,
                        r->kind ? r->kind : "metadata");
}

/* A server that does not know the asked-for form would send whole objects, Secrets among them. suffix is
 * "List" for a list. */
static bool has_kind(const KubeReader *r, const cJSON *object, const char *suffix)
{
        const char *kind = json_string(object, "kind");
        const char *rest = kind ? startswith(kind, r->kind ? r->kind : "PartialObjectMetadata") : NULL;

        return rest && streq(rest, suffix);
}

/* One object that cannot be read is its namespace's trouble, and told once in a list or watch. */
static void leave_out(KubeReader *r, const char *why)
{
        if (!r->left_out)
                log_warning("%s: leaving out an object that %s", r->collection, why);
        r->left_out = true;
        r->events++;
}

static int on_list_item(const char *p, size_t n, void *userdata)
{
        _cleanup_json_ cJSON *object = NULL;
        KubeReader *r = userdata;

        if (json_parse(p, n, KUBE_STREAM_ITEM_MAX, &object) < 0)
                leave_out(r, "is no JSON that can be read");
        else
                r->seen(object, r->userdata);
        return 0;
}

static int on_error_event(KubeReader *r, const cJSON *status)
{
        const char *reason = json_string(status, "reason"), *message = json_string(status, "message");
        double code = 0;

        (void) json_number(status, "code", &code);
        r->expired = code == 410 || (reason && (streq(reason, "Expired") || streq(reason, "Gone")));
        if (r->expired)
                return -ESTALE; /* nothing can follow, though the server may leave it open */
        (void) snprintf(r->problem, sizeof(r->problem), "the watch ended with an error: %.200s",
                        message ? message : "no message");
        return -EPROTO;
}

static int on_event(KubeReader *r, const cJSON *event)
{
        const char *type = json_string(event, "type");
        const cJSON *object = json_get(event, "object");

        if (!type || !object)
                return -EBADMSG;
        if (streq(type, "ERROR"))
                return on_error_event(r, object);
        if (!has_kind(r, object, ""))
                return -EBADMSG;
        if (streq(type, "ADDED") || streq(type, "MODIFIED"))
                r->seen(object, r->userdata);
        else if (streq(type, "DELETED"))
                r->gone(object, r->userdata);
        else if (!streq(type, "BOOKMARK"))
                return 0;
        r->events++;
        r->alive = true;
        set_version(r, object);
        return 0;
}

static int on_watch_line(const char *p, size_t n, void *userdata)
{
        _cleanup_json_ cJSON *event = NULL;

        if (json_parse(p, n, KUBE_STREAM_ITEM_MAX, &event) >= 0)
                return on_event(userdata, event);
        if (n == 0 || p[0] != '{' || p[n - 1] != '}')
                return -EBADMSG; /* no API server's at all */
        leave_out(userdata, "is no JSON that can be read");
        return 0;
}

static void begin(KubeReader *r, KubeStreamMode mode, kube_stream_item_t item)
{
        r->left_out = r->alive = false;
        r->problem[0] = '\0';
        r->events = 0;
        kube_stream_init(&r->stream, mode, item, r);
        if (r->secret)
                kube_stream_wipe(&r->stream);
}

void kube_reader_begin_list(KubeReader *r)
{
        begin(r, KUBE_STREAM_LIST, on_list_item);
}

void kube_reader_begin_watch(KubeReader *r)
{
        begin(r, KUBE_STREAM_WATCH, on_watch_line);
}

int kube_reader_feed(KubeReader *r, const void *p, size_t n)
{
        int e = kube_stream_feed(&r->stream, p, n);

        if (r->stream.skipped > 0)
                leave_out(r, "is too large");
        if (e == -EBADMSG || e == -EMSGSIZE)
                set_problem(r, r->stream.mode == KUBE_STREAM_LIST ? "list" : "watch");
        return e;
}

/* The version that the watch goes on from is in the envelope, which must be a list's. */
bool kube_reader_finish_list(KubeReader *r)
{
        const Buf *text = &r->stream.envelope;
        _cleanup_json_ cJSON *envelope = NULL;

        r->version[0] = '\0';
        if (kube_stream_finish(&r->stream) >= 0 &&
            json_parse(buf_str(text), text->size, KUBE_STREAM_ITEM_MAX, &envelope) >= 0 &&
            has_kind(r, envelope, "List"))
                set_version(r, envelope);
        if (!r->version[0])
                set_problem(r, "list");
        return r->version[0];
}

bool kube_reader_finish_watch(KubeReader *r)
{
        return kube_stream_finish(&r->stream) >= 0;
}

void kube_reader_done(KubeReader *r)
{
        kube_stream_done(&r->stream);
}
