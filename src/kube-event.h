/* SPDX-License-Identifier: MIT */
#pragma once

#include "buf.h"
#include "clock.h"

/* Events of events.k8s.io/v1 about the pull Secret of a namespace, for those who own it: what they should
 * know and can do something about
 * (https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/). Pure. */

typedef enum KubeEventReason {
        KUBE_EVENT_CONFLICT,  /* the Secret is somebody else's */
        KUBE_EVENT_DENIED,    /* an admission webhook or the like says no */
        KUBE_EVENT_QUOTA,     /* a quota of the namespace is used up */
        KUBE_EVENT_IMMUTABLE, /* the Secret cannot be changed */
        KUBE_EVENT_FIGHTING,  /* somebody keeps undoing what eatr writes */
        KUBE_EVENT_ADOPTED,   /* eatr has taken over somebody else's; the only one that is no warning */
        _KUBE_EVENT_REASON_MAX,
} KubeEventReason;

/* As Kubernetes has it: "PullSecretConflict". */
const char *kube_event_reason_to_string(KubeEventReason r);

bool kube_event_is_warning(KubeEventReason r);

/* What the API server takes, in bytes. */
#define KUBE_EVENT_NOTE_MAX 1024U
#define KUBE_EVENT_INSTANCE_MAX 128U

typedef struct KubeEvent {
        const char *namespace;
        const char *secret; /* its name */
        const char *uid;    /* its UID; NULL or "": there is none, or it is not known */
        KubeEventReason reason;
        const char *note;     /* a sentence; what is over KUBE_EVENT_NOTE_MAX is left out */
        const char *instance; /* who says so: the host's name; the same */
        usec_t time;          /* CLOCK_REALTIME */
} KubeEvent;

/* The name of the Event: it is the same whenever the same is said of the same Secret, so that after a
 * restart the API server knows it already. Returns 0 or what hash_sha256() says. */
#define KUBE_EVENT_NAME_MAX sizeof("eatr.0123456789abcdef")
int kube_event_name(const KubeEvent *e, char ret[static KUBE_EVENT_NAME_MAX]);

/* Appends the body of the POST that makes it, and of the merge patch that says that it was so for the
 * count'th time (2 or more) at last (CLOCK_REALTIME). Return 0, -ENOMEM, or what buf_append() and
 * kube_event_name() say. */
int kube_event_render(const KubeEvent *e, Buf *b);
int kube_event_render_series(unsigned count, usec_t last, Buf *b);

/* Largest body of both: each byte of the texts may need six in JSON. */
#define KUBE_EVENT_BODY_MAX (16U * 1024)
