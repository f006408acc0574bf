/* SPDX-License-Identifier: MIT */
#pragma once

#include "buf.h"
#include "targets.h"

/* The requests that carry out what is planned for a namespace, and what their answers say of its Secret. */

/* Begins the request that n's plan asks for, in n->request, with done's userdata n; body is that of an
 * apply. Returns 0 or a negative errno. */
int writer_request_begin(KubeClient *client, const char *secret_name, const Buf *body, kube_done_t done,
                         Node *n);

/* What a good answer says. */
typedef struct WriterAnswer {
        bool gone;                       /* of a delete: nothing holds the Secret */
        KubeSecret secret;               /* else, of an apply or a delete */
        char type[KUBE_SECRET_TYPE_MAX]; /* of an inspection */
} WriterAnswer;

/* Returns whether body is an answer to a request for p, and not a page of somebody's in between. */
bool writer_request_read(const Plan *p, const Buf *body, WriterAnswer *ret);
