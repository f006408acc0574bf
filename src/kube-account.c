/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "kube-account.h"
#include "kube-object.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

/* Of the annotation; what is longer nobody's eatr has written. */
#define ANNOTATION_MAX 4096U

#define SECRETS "/imagePullSecrets"
#define ANNOTATIONS "/metadata/annotations"
#define ANNOTATION ANNOTATIONS "/eatr~1image-pull-secret" /* "/" in a JSON Pointer (RFC 6901) */

/* --- reading --------------------------------------------------------------------------------------- */

static unsigned count(const cJSON *j)
{
        unsigned n = 0;

        JSON_FOREACH (item, j)
                n++;
        return n;
}

static void read_secrets(const cJSON *list, const char *secret, KubeAccount *ret)
{
        JSON_FOREACH (item, list) {
                if (streq_ptr(json_string(item, "name"), secret)) {
                        ret->listed = true;
                        ret->index = ret->n_secrets;
                }
                ret->n_secrets++;
        }
}

/* Takes the names apart: whether the Secret's is among them, and the others. */
static int read_annotation(const char *value, const char *secret, KubeAccount *ret)
{
        _cleanup_buf_ Buf others = BUF_INIT(ANNOTATION_MAX);
        int r;

        for (const char *p = value;; p++) {
                size_t n = strcspn(p, ",");

                if (n == strlen(secret) && strncmp(p, secret, n) == 0)
                        ret->ours = true;
                else if (n > 0) {
                        r = buf_printf(&others, "%s%.*s", others.size > 0 ? "," : "", (int) n, p);
                        if (r < 0)
                                return r;
                }
                p += n;
                if (!*p)
                        break;
        }
        if (others.size == 0)
                return 0;
        ret->others = buf_steal(&others);
        return ret->others ? 0 : -ENOMEM;
}

int kube_account_read(const cJSON *object, const char *secret, KubeAccount *ret)
{
        const cJSON *metadata = json_get(object, "metadata");
        const cJSON *annotations = json_get(metadata, "annotations");
        const cJSON *annotation = json_get(annotations, KUBE_ACCOUNT_ANNOTATION);
        const char *value = json_string(annotations, KUBE_ACCOUNT_ANNOTATION);

        *ret = (KubeAccount){
                .exists = true,
                .terminating = json_get(metadata, "deletionTimestamp"),
                .resource_version = kube_object_version(object),
                .n_annotations = count(annotations),
        };
        read_secrets(json_get(object, "imagePullSecrets"), secret, ret);
        ret->strange = ret->resource_version == 0 || (annotation && !value) ||
                       (value && strlen(value) >= ANNOTATION_MAX);
        return value && !ret->strange ? read_annotation(value, secret, ret) : 0;
}

/* --- patches --------------------------------------------------------------------------------------- */

/* value is the patch's from now on, and may be NULL. */
static bool add_operation(cJSON *patch, const char *op, const char *path, cJSON *value)
{
        cJSON *o = cJSON_CreateObject();

        if (value && !cJSON_AddItemToObject(o, "value", value)) {
                cJSON_Delete(value);
                cJSON_Delete(o);
                return false;
        }
        if (!cJSON_AddStringToObject(o, "op", op) || !cJSON_AddStringToObject(o, "path", path) ||
            !cJSON_AddItemToArray(patch, o)) {
                cJSON_Delete(o);
                return false;
        }
        return true;
}

static cJSON *make_member(const char *name, const char *value)
{
        cJSON *j = cJSON_CreateObject();

        if (cJSON_AddStringToObject(j, name, value))
                return j;
        cJSON_Delete(j);
        return NULL;
}

static cJSON *make_list(const char *secret)
{
        cJSON *list = cJSON_CreateArray(), *entry = make_member("name", secret);

        if (entry && cJSON_AddItemToArray(list, entry))
                return list;
        cJSON_Delete(entry);
        cJSON_Delete(list);
        return NULL;
}

static bool test_version(cJSON *patch, const KubeAccount *a)
{
        char version[32];
        cJSON *value;

        (void) snprintf(version, sizeof(version), "%" PRIu64, a->resource_version);
        value = cJSON_CreateString(version);
        return value && add_operation(patch, "test", "/metadata/resourceVersion", value);
}

static bool add_entry(cJSON *patch, const KubeAccount *a, const char *secret)
{
        cJSON *value = a->n_secrets > 0 ? make_member("name", secret) : make_list(secret);

        return value && add_operation(patch, "add", a->n_secrets > 0 ? SECRETS "/-" : SECRETS, value);
}

static bool set_annotation(cJSON *patch, const KubeAccount *a, const char *names)
{
        cJSON *value = a->n_annotations > 0 ? cJSON_CreateString(names)
                                            : make_member(KUBE_ACCOUNT_ANNOTATION, names);

        return value && add_operation(patch, "add", a->n_annotations > 0 ? ANNOTATION : ANNOTATIONS, value);
}

static bool remove_entry(cJSON *patch, const KubeAccount *a, const char *secret)
{
        cJSON *value = make_member("name", secret);
        char path[64];

        (void) snprintf(path, sizeof(path), SECRETS "/%u", a->index);
        return value && add_operation(patch, "test", path, value) &&
               add_operation(patch, "remove", a->n_secrets > 1 ? path : SECRETS, NULL);
}

static bool remove_annotation(cJSON *patch, const KubeAccount *a)
{
        if (a->others)
                return set_annotation(patch, a, a->others);
        return add_operation(patch, "remove", a->n_annotations > 1 ? ANNOTATION : ANNOTATIONS, NULL);
}

static int print(const cJSON *j, Buf *b)
{
        _cleanup_free_ char *text = json_print(j);

        return text ? buf_append_str(b, text) : -ENOMEM;
}

int kube_account_render_addition(const KubeAccount *a, const char *secret, Buf *b)
{
        _cleanup_json_ cJSON *patch = cJSON_CreateArray();
        _cleanup_free_ char *names = NULL;

        names = a->others ? str_printf("%s,%s", a->others, secret) : strdup(secret);
        if (!names || !test_version(patch, a) || !add_entry(patch, a, secret) ||
            (!a->ours && !set_annotation(patch, a, names)))
                return -ENOMEM;
        return print(patch, b);
}

int kube_account_render_removal(const KubeAccount *a, const char *secret, Buf *b)
{
        _cleanup_json_ cJSON *patch = cJSON_CreateArray();

        if (!test_version(patch, a) || (a->listed && !remove_entry(patch, a, secret)) ||
            !remove_annotation(patch, a))
                return -ENOMEM;
        return print(patch, b);
}

int kube_account_render_new(const char *name, const char *secret, Buf *b)
{
        _cleanup_json_ cJSON *j = cJSON_CreateObject();
        cJSON *metadata, *list;

        if (!cJSON_AddStringToObject(j, "apiVersion", "v1") ||
            !cJSON_AddStringToObject(j, "kind", "ServiceAccount"))
                return -ENOMEM;
        metadata = cJSON_AddObjectToObject(j, "metadata");
        if (!cJSON_AddStringToObject(metadata, "name", name) ||
            !cJSON_AddStringToObject(cJSON_AddObjectToObject(metadata, "annotations"),
                                     KUBE_ACCOUNT_ANNOTATION, secret))
                return -ENOMEM;
        list = make_list(secret);
        if (!list || !cJSON_AddItemToObject(j, "imagePullSecrets", list)) {
                cJSON_Delete(list);
                return -ENOMEM;
        }
        return print(j, b);
}

void kube_account_done(KubeAccount *a)
{
        free(a->others);
        a->others = NULL;
}
