/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "encode.h"
#include "hash.h"
#include "json.h"
#include "kube-event.h"

#include <errno.h>
#include <stdio.h>

#define CONTROLLER "eatr/eatr"
#define ACTION "Apply"

/* Of the hash in a name, in bytes. */
#define NAME_HASH_SIZE 8U

#define MICRO_TIME_MAX sizeof("2026-11-23T19:19:27.000000Z")

const char *kube_event_reason_to_string(KubeEventReason r)
{
        static const char *const names[_KUBE_EVENT_REASON_MAX] = {
                [KUBE_EVENT_CONFLICT] = "PullSecretConflict", [KUBE_EVENT_DENIED] = "PullSecretDenied",
                [KUBE_EVENT_QUOTA] = "QuotaExceeded",         [KUBE_EVENT_IMMUTABLE] = "PullSecretImmutable",
                [KUBE_EVENT_FIGHTING] = "FightingOverSecret", [KUBE_EVENT_ADOPTED] = "PullSecretAdopted",
        };

        return names[r];
}

bool kube_event_is_warning(KubeEventReason r)
{
        return r != KUBE_EVENT_ADOPTED;
}

/* --- rendering ------------------------------------------------------------------------------------- */

int kube_event_name(const KubeEvent *e, char ret[static KUBE_EVENT_NAME_MAX])
{
        _cleanup_free_ char *what = NULL;
        uint8_t hash[HASH_SHA256_SIZE];
        char hex[2 * NAME_HASH_SIZE + 1];
        int r;

        what = str_printf("%s/%s/%s", kube_event_reason_to_string(e->reason), e->secret,
                          e->uid ? e->uid : "");
        if (!what)
                return -ENOMEM;
        r = hash_sha256(what, strlen(what), hash);
        if (r < 0)
                return r;
        (void) snprintf(ret, KUBE_EVENT_NAME_MAX, "eatr.%s", encode_hex(hex, hash, NAME_HASH_SIZE));
        return 0;
}

/* MicroTime, which takes exactly six digits of a second. */
static const char *format_micro_time(char buffer[static MICRO_TIME_MAX], usec_t t)
{
        char seconds[CLOCK_RFC3339_MAX];

        (void) snprintf(buffer, MICRO_TIME_MAX, "%.19s.%06uZ", clock_format_rfc3339(seconds, t),
                        (unsigned) (t % USEC_PER_SEC));
        return buffer;
}

/* An object of a namespace may only be said of one that is in the same. */
static bool add_regarding(cJSON *j, const KubeEvent *e)
{
        cJSON *regarding = cJSON_AddObjectToObject(j, "regarding");

        return cJSON_AddStringToObject(regarding, "apiVersion", "v1") &&
               cJSON_AddStringToObject(regarding, "kind", "Secret") &&
               cJSON_AddStringToObject(regarding, "namespace", e->namespace) &&
               cJSON_AddStringToObject(regarding, "name", e->secret) &&
               (str_empty(e->uid) || cJSON_AddStringToObject(regarding, "uid", e->uid));
}

static bool add_fitting(cJSON *j, const char *name, const char *value, size_t max)
{
        _cleanup_free_ char *s = str_printf("%.*s", str_fit(value, strlen(value), max), value);

        return s && cJSON_AddStringToObject(j, name, s);
}

static bool add_fields(cJSON *j, const KubeEvent *e)
{
        char time[MICRO_TIME_MAX];

        return cJSON_AddStringToObject(j, "eventTime", format_micro_time(time, e->time)) &&
               cJSON_AddStringToObject(j, "type", kube_event_is_warning(e->reason) ? "Warning" : "Normal") &&
               cJSON_AddStringToObject(j, "reason", kube_event_reason_to_string(e->reason)) &&
               cJSON_AddStringToObject(j, "action", ACTION) &&
               cJSON_AddStringToObject(j, "reportingController", CONTROLLER) &&
               add_fitting(j, "reportingInstance", e->instance, KUBE_EVENT_INSTANCE_MAX) &&
               add_fitting(j, "note", e->note, KUBE_EVENT_NOTE_MAX) && add_regarding(j, e);
}

static int append(const cJSON *j, Buf *b)
{
        _cleanup_free_ char *text = json_print(j);

        return text ? buf_append_str(b, text) : -ENOMEM;
}

int kube_event_render(const KubeEvent *e, Buf *b)
{
        _cleanup_json_ cJSON *j = cJSON_CreateObject();
        cJSON *metadata = cJSON_AddObjectToObject(j, "metadata");
        char name[KUBE_EVENT_NAME_MAX];
        int r;

        r = kube_event_name(e, name);
        if (r < 0)
                return r;
        if (!cJSON_AddStringToObject(j, "apiVersion", "events.k8s.io/v1") ||
            !cJSON_AddStringToObject(j, "kind", "Event") ||
            !cJSON_AddStringToObject(metadata, "name", name) ||
            !cJSON_AddStringToObject(metadata, "namespace", e->namespace) || !add_fields(j, e))
                return -ENOMEM;
        return append(j, b);
}

int kube_event_render_series(unsigned count, usec_t last, Buf *b)
{
        _cleanup_json_ cJSON *j = cJSON_CreateObject();
        cJSON *series = cJSON_AddObjectToObject(j, "series");
        char time[MICRO_TIME_MAX];

        if (!cJSON_AddNumberToObject(series, "count", count) ||
            !cJSON_AddStringToObject(series, "lastObservedTime", format_micro_time(time, last)))
                return -ENOMEM;
        return append(j, b);
}
