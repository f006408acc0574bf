/* SPDX-License-Identifier: MIT */
#pragma once

#include "http.h"

/* What an API server says when it does not do what it was asked for. */

/* Largest body that is read, in bytes. */
#define KUBE_STATUS_MAX (64U * 1024)

/* Who forbids a write that the API server could carry out, as far as its words tell. */
typedef enum KubeDenial {
        KUBE_DENIAL_NONE,
        KUBE_DENIAL_RIGHTS, /* 403 of an authorizer: most likely elsewhere, too */
        KUBE_DENIAL_QUOTA,  /* 403: the namespace's ResourceQuota is used up */
        KUBE_DENIAL_POLICY, /* an admission webhook's no, or a ValidatingAdmissionPolicy's, with any code */
} KubeDenial;

/* The Status object of an answer that is no success
 * (https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/), or a stand-in for it. */
typedef struct KubeStatus {
        long code;                  /* HTTP's; 0: no answer */
        bool namespace_terminating; /* 403: nothing can be created there any more */
        bool immutable;             /* 422: the Secret's type or data cannot be changed ... */
        bool other_type;            /* ... the former */
        bool other_uid;             /* 409, 422: the object with the uid that was meant is not there */
        bool version_too_large;     /* 504: the server has not come to that resourceVersion */
        KubeDenial denial;
        char reason[64];            /* "NotFound"; "" if there was none */
        char message[384];          /* for people, never empty */
} KubeStatus;

/* Reads a body that came with a status code; transport_error is used for code 0. Pure. */
void kube_status_read(long code, const char *body, size_t size, const char *transport_error,
                      KubeStatus *ret);

/* Whether what failed would have failed for any other object, too: the server is away, busy, or does not know
 * us. */
bool kube_status_concerns_all(HttpOutcome outcome, const KubeStatus *status);
