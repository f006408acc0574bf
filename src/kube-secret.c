/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "encode.h"
#include "hash.h"
#include "kube-secret.h"

#include <errno.h>
#include <stdio.h>

#define TYPE "kubernetes.io/dockerconfigjson"
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
            !cJSON_AddStringToObject(j, "type", TYPE) ||
            !cJSON_AddStringToObject(cJSON_AddObjectToObject(j, "data"), DATA_KEY, data))
                return -ENOMEM;
        text = json_print(j);
        if (!text)
                return -ENOMEM;
        return buf_append_str(b, text);
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
                const char *key = startswith(field->string, "f:");
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

static void read_managers(const cJSON *metadata, KubeSecret *ret)
{
        JSON_FOREACH (entry, json_get(metadata, "managedFields")) {
                const char *manager = json_string(entry, "manager"),
                           *operation = json_string(entry, "operation");
                const cJSON *fields = json_get(entry, "fieldsV1");

                if (!manager || !operation)
                        continue;
                if (streq(manager, KUBE_SECRET_FIELD_MANAGER) && streq(operation, "Apply")) {
                        ret->ours = true;
                        ret->intact = owns_everything(fields);
                        read_extras(metadata, fields, ret);
                } else if (json_get(fields, "f:data"))
                        (void) snprintf(ret->manager, sizeof(ret->manager), "%s", manager);
        }
}

static usec_t read_time(const cJSON *annotations, const char *name)
{
        const char *s = json_string(annotations, name);
        usec_t t;

        return s && clock_parse_rfc3339(s, &t) >= 0 ? t : 0;
}

/* A number as all of Kubernetes' own storage has it; 0 for anything else, which is older than every other.
 */
static uint64_t read_version(const cJSON *metadata)
{
        const char *s = json_string(metadata, "resourceVersion");

        return s && *s && strspn(s, "0123456789") == strlen(s) ? strtoull(s, NULL, 10) : 0;
}

void kube_secret_read(const cJSON *object, KubeSecret *ret)
{
        const cJSON *metadata = json_get(object, "metadata");
        const cJSON *annotations = json_get(metadata, "annotations");
        const char *label = json_string(json_get(metadata, "labels"), MANAGED_BY_LABEL);
        const char *id = json_string(annotations, TOKEN_ID_ANNOTATION);

        *ret = (KubeSecret){
                .exists = true,
                .ours = label && streq(label, MANAGED_BY_VALUE),
                .resource_version = read_version(metadata),
                .renewed = read_time(annotations, RENEWED_ANNOTATION),
                .expires = read_time(annotations, EXPIRES_ANNOTATION),
        };
        if (id && strlen(id) < sizeof(ret->token_id))
                (void) snprintf(ret->token_id, sizeof(ret->token_id), "%s", id);
        /* A proxy or an admission plugin may take the managers out; what is left has to be believed then,
         * or each Secret would be healed again and again. */
        if (json_get(metadata, "managedFields"))
                read_managers(metadata, ret);
        else
                ret->intact = ret->ours && *ret->token_id && ret->renewed > 0 && ret->expires > 0;
}
