/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "encode.h"
#include "hash.h"
#include "kube-object.h"
#include "kube-secret.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#define DATA_KEY ".dockerconfigjson"
#define MANAGED_BY_LABEL "app.kubernetes.io/managed-by"
#define MANAGED_BY_VALUE "eatr"
#define EXPIRES_ANNOTATION "eatr/expires-at"
#define RENEWED_ANNOTATION "eatr/renewed-at"
#define TOKEN_ID_ANNOTATION "eatr/token-id"

/* --- writing --------------------------------------------------------------------------------------- */

/* Only "auth": the kubelet derives the rest from it, and containers/image reads nothing else. */
static int render_docker_config(const Auths *auths, char **ret)
{
        _cleanup_json_ cJSON *j = cJSON_CreateObject();
        cJSON *hosts = cJSON_AddObjectToObject(j, "auths");
        _cleanup_erase_ char *text = NULL;

        for (size_t i = 0; i < auths->n; i++)
                if (!cJSON_AddStringToObject(cJSON_AddObjectToObject(hosts, auths->items[i].host), "auth",
                                             auths->items[i].value))
                        return -ENOMEM;
        text = json_print(j);
        if (!text)
                return -ENOMEM;
        if (strlen(text) > KUBE_SECRET_DATA_MAX)
                return -EMSGSIZE;
        *ret = encode_base64(text, strlen(text));
        return *ret ? 0 : -ENOMEM;
}

static bool add_pairs(cJSON *object, char *const *pairs)
{
        for (; pairs && *pairs; pairs++) {
                size_t n = strcspn(*pairs, "=");
                _cleanup_free_ char *key = strndup(*pairs, n);

                if (!key || !cJSON_AddStringToObject(object, key, *pairs + n + 1))
                        return false;
        }
        return true;
}

static bool add_metadata(cJSON *j, const char *name, const KubeSecretExtras *extras, const Auths *auths)
{
        cJSON *metadata = cJSON_AddObjectToObject(j, "metadata");
        cJSON *labels = cJSON_AddObjectToObject(metadata, "labels");
        cJSON *annotations = cJSON_AddObjectToObject(metadata, "annotations");
        char expires[CLOCK_RFC3339_MAX], renewed[CLOCK_RFC3339_MAX];

        return cJSON_AddStringToObject(metadata, "name", name) &&
               cJSON_AddStringToObject(labels, MANAGED_BY_LABEL, MANAGED_BY_VALUE) &&
               cJSON_AddStringToObject(annotations, EXPIRES_ANNOTATION,
                                       clock_format_rfc3339(expires, auths->expires)) &&
               cJSON_AddStringToObject(annotations, RENEWED_ANNOTATION,
                                       clock_format_rfc3339(renewed, auths->issued)) &&
               cJSON_AddStringToObject(annotations, TOKEN_ID_ANNOTATION, auths->id) &&
               add_pairs(labels, extras->labels) && add_pairs(annotations, extras->annotations);
}

int kube_secret_render(const char *name, const KubeSecretExtras *extras, const Auths *auths, Buf *b)
{
        _cleanup_json_ cJSON *j = cJSON_CreateObject();
        _cleanup_erase_ char *data = NULL, *text = NULL;
        int r;

        r = render_docker_config(auths, &data);
        if (r < 0)
                return r;
        if (!cJSON_AddStringToObject(j, "apiVersion", "v1") ||
            !cJSON_AddStringToObject(j, "kind", "Secret") || !add_metadata(j, name, extras, auths) ||
            !cJSON_AddStringToObject(j, "type", KUBE_SECRET_TYPE) ||
            !cJSON_AddStringToObject(cJSON_AddObjectToObject(j, "data"), DATA_KEY, data))
                return -ENOMEM;
        text = json_print(j);
        if (!text)
                return -ENOMEM;
        return buf_append_str(b, text);
}

/* Extras are behind it, and what is before it is always the same. */
#define METADATA "\"metadata\":{"

int kube_secret_render_guarded(const Buf *body, const char *uid, Buf *b)
{
        _cleanup_json_ cJSON *j = cJSON_CreateString(uid);
        _cleanup_free_ char *quoted = j ? json_print(j) : NULL;
        const char *text = buf_str(body), *metadata = strstr(text, METADATA);
        int r;

        if (!quoted)
                return -ENOMEM;
        assert(metadata);
        metadata += strlen(METADATA);
        r = buf_append(b, text, (size_t) (metadata - text));
        if (r < 0)
                return r;
        r = buf_printf(b, "\"uid\":%s,", quoted);
        return r < 0 ? r : buf_append_str(b, metadata);
}

/* --- extras ---------------------------------------------------------------------------------------- */

/* Of one label or annotation; those of a Secret are combined in a way that knows no order. kind tells the
 * two apart. */
static uint64_t pair_id(char kind, const char *key, size_t key_size, const char *value)
{
        _cleanup_free_ char *text = str_printf("%c%.*s=%s", kind, (int) key_size, key, value);
        uint8_t hash[HASH_SHA256_SIZE];
        uint64_t id = UINT64_MAX; /* without memory it is taken for another one, and written again */

        if (text && hash_sha256(text, strlen(text), hash) >= 0)
                memcpy(&id, hash, sizeof(id));
        return id;
}

static uint64_t pairs_id(char kind, char *const *pairs)
{
        uint64_t id = 0;

        for (; pairs && *pairs; pairs++) {
                size_t n = strcspn(*pairs, "=");

                id ^= pair_id(kind, *pairs, n, *pairs + n + 1);
        }
        return id;
}

uint64_t kube_secret_extras_id(const KubeSecretExtras *extras)
{
        return pairs_id('l', extras->labels) ^ pairs_id('a', extras->annotations);
}

/* --- reading --------------------------------------------------------------------------------------- */

/* In managedFields a field that somebody else set to another value is no longer among eatr's
 * (https://kubernetes.io/docs/reference/using-api/server-side-apply/). */
static bool owns_everything(const cJSON *fields)
{
        static const char *const annotations[] = { EXPIRES_ANNOTATION, RENEWED_ANNOTATION,
                                                   TOKEN_ID_ANNOTATION };
        const cJSON *metadata = json_get(fields, "f:metadata");
        const cJSON *owned = json_get(metadata, "f:annotations");
        char key[64];

        for (size_t i = 0; i < ELEMENTSOF(annotations); i++) {
                (void) snprintf(key, sizeof(key), "f:%s", annotations[i]);
                if (!json_get(owned, key))
                        return false;
        }
        return json_get(json_get(metadata, "f:labels"), "f:" MANAGED_BY_LABEL) &&
               json_get(fields, "f:type") && json_get(json_get(fields, "f:data"), "f:" DATA_KEY);
}

static bool is_of_each(const char *key)
{
        return streq(key, MANAGED_BY_LABEL) || streq(key, EXPIRES_ANNOTATION) ||
               streq(key, RENEWED_ANNOTATION) || streq(key, TOKEN_ID_ANNOTATION);
}

/* Of those that are eatr's by managedFields; values are what the Secret has. */
static uint64_t owned_id(char kind, const cJSON *owned, const cJSON *values)
{
        uint64_t id = 0;

        JSON_FOREACH (field, owned) {
                const char *key = field->string ? startswith(field->string, "f:") : NULL;
                const char *value = key && !is_of_each(key) ? json_string(values, key) : NULL;

                if (value)
                        id ^= pair_id(kind, key, strlen(key), value);
        }
        return id;
}

static void read_extras(const cJSON *metadata, const cJSON *fields, KubeSecret *ret)
{
        const cJSON *owned = json_get(fields, "f:metadata");

        ret->extras_told = true;
        ret->extras = owned_id('l', json_get(owned, "f:labels"), json_get(metadata, "labels")) ^
                      owned_id('a', json_get(owned, "f:annotations"), json_get(metadata, "annotations"));
}

/* What an entry of somebody else's says of the fields that eatr writes: nothing, something, or that it has
 * written data. Behind a force the former owner keeps the empty parents. */
typedef enum Share {
        SHARE_NONE,
        SHARE_SOME,
        SHARE_DATA,
} Share;

static Share read_share(const cJSON *fields)
{
        const cJSON *metadata = json_get(fields, "f:metadata"), *data = json_get(fields, "f:data");

        JSON_FOREACH (item, data)
                if (item->string && startswith(item->string, "f:"))
                        return SHARE_DATA;
        if (data || json_get(json_get(metadata, "f:labels"), "f:" MANAGED_BY_LABEL))
                return SHARE_SOME;
        JSON_FOREACH (item, json_get(metadata, "f:annotations"))
                if (item->string && startswith(item->string, "f:eatr/"))
                        return SHARE_SOME;
        return SHARE_NONE;
}

/* Of those who share the most the last is named; RFC 3339's times in UTC are in order as text. */
static void read_managers(const cJSON *metadata, KubeSecret *ret)
{
        const char *last = "";
        bool applied = false;
        Share most = SHARE_NONE;

        JSON_FOREACH (entry, json_get(metadata, "managedFields")) {
                const char *manager = json_string(entry, "manager"), *when = json_string(entry, "time"),
                           *operation = json_string(entry, "operation");
                const cJSON *fields = json_get(entry, "fieldsV1");
                Share share;

                if (!manager || !operation)
                        continue;
                ret->immutable |= json_get(fields, "f:immutable") != NULL;
                if (streq(manager, KUBE_SECRET_FIELD_MANAGER) && streq(operation, "Apply")) {
                        ret->ours = true;
                        ret->intact = owns_everything(fields);
                        read_extras(metadata, fields, ret);
                        applied = json_get(json_get(fields, "f:data"), "f:" DATA_KEY);
                        continue;
                }
                share = read_share(fields);
                when = when ? when : "";
                if (share == SHARE_NONE || share < most || (share == most && strcmp(when, last) < 0))
                        continue;
                most = share;
                last = when;
                (void) snprintf(ret->manager, sizeof(ret->manager), "%s", manager);
        }
        ret->owned = applied && most < SHARE_DATA;
}

static usec_t read_time(const cJSON *annotations, const char *name)
{
        const char *s = json_string(annotations, name);
        usec_t t;

        return s && clock_parse_rfc3339(s, &t) >= 0 ? t : 0;
}

static void read_id(const char *s, size_t size, char *ret)
{
        (void) snprintf(ret, size, "%s", s && strlen(s) < size ? s : "");
}

/* Whether eatr's annotations are all there. */
static bool is_annotated(const KubeSecret *s)
{
        return *s->token_id && s->renewed > 0 && s->expires > 0;
}

void kube_secret_read(const cJSON *object, KubeSecret *ret)
{
        const cJSON *metadata = json_get(object, "metadata");
        const cJSON *annotations = json_get(metadata, "annotations");
        const char *label = json_string(json_get(metadata, "labels"), MANAGED_BY_LABEL);
        bool labelled = label && streq(label, MANAGED_BY_VALUE);

        *ret = (KubeSecret){
                .exists = true,
                .going = json_get(metadata, "deletionTimestamp"),
                .resource_version = kube_object_version(object),
                .renewed = read_time(annotations, RENEWED_ANNOTATION),
                .expires = read_time(annotations, EXPIRES_ANNOTATION),
        };
        read_id(json_string(metadata, "uid"), sizeof(ret->uid), ret->uid);
        read_id(json_string(annotations, TOKEN_ID_ANNOTATION), sizeof(ret->token_id), ret->token_id);
        /* A proxy or an admission plugin may take the managers out; what is left has to be believed then,
         * or each Secret would be healed again and again. */
        if (json_get(metadata, "managedFields")) {
                ret->ours = labelled && is_annotated(ret);
                read_managers(metadata, ret);
        } else {
                ret->ours = labelled;
                ret->intact = ret->owned = labelled && is_annotated(ret);
        }
        ret->owned &= labelled;
}

void kube_secret_read_type(const cJSON *table, char ret[static KUBE_SECRET_TYPE_MAX])
{
        const cJSON *cells = json_get(cJSON_GetArrayItem(json_get(table, "rows"), 0), "cells");
        const cJSON *cell = cJSON_GetArrayItem(cells, 0);

        *ret = '\0';
        JSON_FOREACH (column, json_get(table, "columnDefinitions")) {
                const char *name = json_string(column, "name");

                if (!cell)
                        return;
                if (name && streq(name, "Type")) {
                        read_id(cJSON_GetStringValue(cell), KUBE_SECRET_TYPE_MAX, ret);
                        return;
                }
                cell = cell->next;
        }
}
