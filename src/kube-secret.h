/* SPDX-License-Identifier: MIT */
#pragma once

#include "auths.h"
#include "buf.h"
#include "json.h"

/* The pull Secret as eatr writes it, and as it is read back: from metadata alone, never its data. Pure. */

#define KUBE_SECRET_FIELD_MANAGER "eatr"
#define KUBE_SECRET_TYPE "kubernetes.io/dockerconfigjson"

/* Kubernetes' own UIDs have 36 characters. */
#define KUBE_SECRET_UID_MAX 64

/* What is known of the Secret of eatr's name in one namespace. */
typedef struct KubeSecret {
        bool exists;
        bool ours;  /* an Apply of eatr's is among the field managers, or eatr's label and annotations are
                       there, as on a copy that a backup brought back */
        bool owned; /* eatr's label is there, and the data are eatr's and nobody else's: fit to be deleted */
        bool intact;    /* every field that eatr writes still is as eatr wrote it, as far as is told */
        bool going;     /* it is being deleted, and its finalizers hold it */
        bool immutable; /* as far as is told: somebody has set that field */
        char uid[KUBE_SECRET_UID_MAX]; /* "" if not told */
        uint64_t resource_version;
        char token_id[TOKEN_ID_MAX]; /* "" if not told */
        usec_t renewed;   /* when its oldest token was issued, in whole seconds; 0: not told or nonsense */
        usec_t expires;   /* when the first of its tokens does; the same */
        bool extras_told; /* of labels and annotations it is told whose they are, and so: */
        uint64_t
                extras; /* those that are eatr's besides what each Secret has, see kube_secret_extras_id() */
        char manager[48]; /* who other than eatr wrote its data last, or else what eatr writes besides; for
                             messages, "" if not told */
} KubeSecret;

/* Reads an object with PartialObjectMetadata in it, which is what a list's item, a watch event and the
 * answer to a write have in common. */
void kube_secret_read(const cJSON *object, KubeSecret *ret);

/* Types are up to 253 characters long, and all that are known are shorter. */
#define KUBE_SECRET_TYPE_MAX 64

/* Metadata do not tell the type, but a Table of the Secret does, which has no data either
 * (https://kubernetes.io/docs/reference/using-api/api-concepts/#receiving-resources-as-tables). "" if that
 * is none, or its type is too long. */
void kube_secret_read_type(const cJSON *table, char ret[static KUBE_SECRET_TYPE_MAX]);

/* Labels and annotations that a Secret is to carry besides those that each has: "KEY=VALUE", ended by NULL;
 * NULL: none. As all that is applied, what is no longer among them goes away with the next write. */
typedef struct KubeSecretExtras {
        char *const *labels;
        char *const *annotations;
} KubeSecretExtras;

/* A number that is another for other extras, in whatever order; 0: none. */
uint64_t kube_secret_extras_id(const KubeSecretExtras *extras);

/* What Kubernetes takes as data of a Secret, decoded. */
#define KUBE_SECRET_DATA_MAX (1024U * 1024)

/* Appends the body of a server-side apply; it serves every namespace. Returns 0, -EMSGSIZE if there are more
 * hosts than KUBE_SECRET_DATA_MAX has room for or b has none, or -ENOMEM. */
int kube_secret_render(const char *name, const KubeSecretExtras *extras, const Auths *auths, Buf *b);

/* Largest body that these make: the data in base64, and some. */
#define KUBE_SECRET_BODY_MAX (2U * 1024 * 1024)

/* Appends such a body that holds for the Secret with that uid and no other: the API server answers with 409
 * if there is none, and with 422 if it is another one, see other_uid in kube-status.h. The same errors. */
int kube_secret_render_guarded(const Buf *body, const char *uid, Buf *b);
