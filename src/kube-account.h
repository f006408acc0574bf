/* SPDX-License-Identifier: MIT */
#pragma once

#include "buf.h"
#include "json.h"

/* A ServiceAccount's imagePullSecrets, and the patches that change them. Pure.
 *
 * The list is atomic in Kubernetes' eyes: an apply or a merge patch would replace all of it, with what
 * others have put there. So eatr sends a JSON Patch (RFC 6902) for its one entry, which holds for one
 * version of the object and no other (resourceVersion), or is answered with 422.
 *
 * What eatr has put there itself is known by an annotation that the same patch sets: the names of the
 * Secrets whose entries are eatr's, with commas between them. An entry that was there before is not in it,
 * and is never taken out; nor is another eatr's, of another name. */

#define KUBE_ACCOUNT_ANNOTATION "eatr/image-pull-secret"

typedef struct KubeAccount {
        bool exists;
        bool terminating;
        bool strange; /* the annotation is no list of names, or no version is told: it stays as it is */
        bool listed;  /* imagePullSecrets has the Secret */
        bool ours;    /* and the annotation says that eatr has put it there, though it may be gone */
        uint64_t resource_version; /* 0: not told */
        unsigned n_secrets, n_annotations;
        unsigned index; /* of the entry, if it is listed: the last one */
        char *others;   /* what else is in the annotation; NULL: nothing */
} KubeAccount;

/* Reads a ServiceAccount with regard to the Secret of that name. Returns 0 or -ENOMEM; the caller has to
 * call kube_account_done() on what was there before and on what is read. */
int kube_account_read(const cJSON *object, const char *secret, KubeAccount *ret);

/* Appends the JSON Patch that puts the Secret's name there; or the one that takes eatr's own entry out
 * again, and leaves no trace. Returns 0, -EMSGSIZE or -ENOMEM. */
int kube_account_render_addition(const KubeAccount *a, const char *secret, Buf *b);
int kube_account_render_removal(const KubeAccount *a, const char *secret, Buf *b);

/* Appends a new ServiceAccount that has the entry from the start. The same errors. */
int kube_account_render_new(const char *name, const char *secret, Buf *b);

/* Largest body that these make: names have at most 253 characters. */
#define KUBE_ACCOUNT_BODY_MAX (16U * 1024)

void kube_account_done(KubeAccount *a);
