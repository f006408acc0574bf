/* SPDX-License-Identifier: MIT */
#pragma once

#include "clock.h"
#include "x509.h"

/* What a program, or whoever else a kubeconfig leaves it to, gives eatr to show itself with to an API server
 * (the status of an ExecCredential, client.authentication.k8s.io/v1). */
typedef struct KubeCredential {
        char *token;              /* bearer token; NULL: none */
        char *client_certificate; /* PEM, with client_key; NULL: none */
        char *client_key;         /* PEM */
        usec_t expires;           /* CLOCK_REALTIME; 0: not known, it is good until it is refused */
} KubeCredential;

/* Wipes and frees what is in it. */
void kube_credential_done(KubeCredential *c);

/* Whether its client certificate and its key, if it has any, are fit for use, and when the certificate ends;
 * 0: it has none. Returns 0 or a negative errno, with a sentence in error. */
int kube_credential_check(const KubeCredential *c, usec_t *ret, char error[static X509_ERROR_MAX]);

/* How long it is good for; USEC_INFINITY: not known. now is CLOCK_REALTIME. What has expired when it comes
 * is good for a minute: it comes from a host with another clock, and would be fetched again and again
 * (kubernetes#106768). */
usec_t kube_credential_life(const KubeCredential *c, usec_t now);

/* When to fetch another one, as a part of its life: a tenth before its end and at least a minute, but not in
 * its first half. */
usec_t kube_credential_refresh(usec_t life);
