/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "writer-request.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define ACCEPT "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
#define ACCEPT_TABLE "application/json;as=Table;g=meta.k8s.io;v=v1"
#define CONTENT_TYPE "application/apply-patch+yaml"
#define CONTENT_TYPE_JSON "application/json"

/* The API server gives up on a write after 34 s. */
#define TIMEOUT (45 * USEC_PER_SEC)
#define RESPONSE_MAX (1024U * 1024)

/* What is to be changed by force is the Secret that has been seen, and not a stranger's that has taken its
 * place. */
static int begin_apply(KubeClient *client, const char *path, const Buf *body, kube_done_t done, Node *n)
{
        _cleanup_free_ char *url = str_printf("%s?fieldManager=" KUBE_SECRET_FIELD_MANAGER "%s", path,
                                              n->plan.force ? "&force=true" : "");
        _cleanup_buf_ Buf guarded = BUF_INIT_SECRET(KUBE_SECRET_BODY_MAX);
        int r;

        if (!url)
                return -ENOMEM;
        if (n->plan.force && *n->plan.uid) {
                r = kube_secret_render_guarded(body, n->plan.uid, &guarded);
                if (r < 0)
                        return r;
                body = &guarded;
        }

        const KubeSpec spec = {
                .verb = KUBE_APPLY,
                .path = url,
                .accept = ACCEPT,
                .content_type = CONTENT_TYPE,
                .body = buf_str(body),
                .body_size = body->size,
                .timeout = TIMEOUT,
                .response_max = RESPONSE_MAX,
        };

        return kube_client_request(client, &spec, done, n, &n->request);
}

/* The preconditions have the API server compare and delete in one step. */
static int render_preconditions(const Plan *p, char **ret)
{
        _cleanup_json_ cJSON *j = cJSON_CreateObject();
        cJSON *preconditions = cJSON_AddObjectToObject(j, "preconditions");
        char version[24];

        (void) snprintf(version, sizeof(version), "%" PRIu64, p->version);
        if (!cJSON_AddStringToObject(j, "apiVersion", "v1") ||
            !cJSON_AddStringToObject(j, "kind", "DeleteOptions") ||
            !cJSON_AddStringToObject(preconditions, "uid", p->uid) ||
            !cJSON_AddStringToObject(preconditions, "resourceVersion", version))
                return -ENOMEM;
        *ret = json_print(j);
        return *ret ? 0 : -ENOMEM;
}

static int begin_delete(KubeClient *client, const char *path, kube_done_t done, Node *n)
{
        _cleanup_free_ char *body = NULL;
        int r;

        r = render_preconditions(&n->plan, &body);
        if (r < 0)
                return r;

        const KubeSpec spec = {
                .verb = KUBE_DELETE,
                .path = path,
                .accept = ACCEPT,
                .content_type = CONTENT_TYPE_JSON,
                .body = body,
                .body_size = strlen(body),
                .timeout = TIMEOUT,
                .response_max = RESPONSE_MAX,
        };
        return kube_client_request(client, &spec, done, n, &n->request);
}

static int begin_inspection(KubeClient *client, const char *path, kube_done_t done, Node *n)
{
        _cleanup_free_ char *url = str_printf("%s?includeObject=None", path);
        const KubeSpec spec = {
                .verb = KUBE_GET,
                .path = url,
                .accept = ACCEPT_TABLE,
                .timeout = TIMEOUT,
                .response_max = RESPONSE_MAX,
        };

        return url ? kube_client_request(client, &spec, done, n, &n->request) : -ENOMEM;
}

int writer_request_begin(KubeClient *client, const char *secret_name, const Buf *body, kube_done_t done,
                         Node *n)
{
        _cleanup_free_ char *path = str_printf("/api/v1/namespaces/%s/secrets/%s", n->name, secret_name);

        if (!path)
                return -ENOMEM;
        switch (n->plan.action) {
        case PLAN_DELETE:
                return begin_delete(client, path, done, n);
        case PLAN_INSPECT:
                return begin_inspection(client, path, done, n);
        default:
                return begin_apply(client, path, body, done, n);
        }
}

/* A delete is answered with a Status if the Secret is gone, and else with what is left of it. */
bool writer_request_read(const Plan *p, const Buf *body, WriterAnswer *ret)
{
        _cleanup_json_ cJSON *j = NULL;
        const char *kind;

        *ret = (WriterAnswer){ 0 };
        if (json_parse(buf_str(body), body->size, RESPONSE_MAX, &j) < 0 || !json_get(j, "metadata"))
                return false;
        kind = json_string(j, "kind");
        if (p->action == PLAN_INSPECT) {
                kube_secret_read_type(j, ret->type);
                return kind && streq(kind, "Table");
        }
        ret->gone = p->action == PLAN_DELETE && kind && streq(kind, "Status");
        if (!ret->gone)
                kube_secret_read(j, &ret->secret);
        return true;
}
