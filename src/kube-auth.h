/* SPDX-License-Identifier: MIT */
#pragma once

#include "clock.h"
#include "kube-config.h"

#include <systemd/sd-event.h>

/* Who eatr is towards an API server: what its kubeconfig says or, if that leaves it to others, what a
 * provider fetches. One for all clients of a cluster, so that what is fetched, is fetched once.
 *
 * Credentials are fetched when they are first needed, and again before they end, while those that are there
 * stay in use; after client-go's plugin/pkg/client/auth/exec/exec.go, which waits until they have ended. */

typedef struct KubeAuth KubeAuth;

/* What a provider fetches: a token, a certificate with its key, or all of them. */
typedef struct KubeCredential {
        char *token;              /* bearer token; NULL: none */
        char *client_certificate; /* PEM, with client_key; NULL: none */
        char *client_key;         /* PEM */
        usec_t expires;           /* CLOCK_REALTIME; 0: not known, it is good until it is refused */
} KubeCredential;

/* Wipes and frees what is in it. */
void kube_credential_done(KubeCredential *c);

/* What a fetch has come to: a credential, whose strings may be taken (and are left for the provider
 * otherwise), or NULL and why there is none, for people, as the second half of a sentence: "the program aws
 * exited with status 1". No secret is part of that. */
typedef void (*kube_auth_fetched_t)(KubeCredential *credential, const char *problem, void *userdata);

/* Who fetches. self is the provider's own. */
typedef struct KubeAuthProvider {
        /* Begins to fetch; one at a time. done is called once, from the event loop and not before this
         * returns, unless cancel() comes first. From within it another fetch may not be begun. Returns 0 or
         * a negative errno, and then done is not called. */
        int (*fetch)(void *self, kube_auth_fetched_t done, void *userdata);

        /* Ends the fetch that is under way, if there is one: one that takes longer than KUBE_AUTH_FETCH_MAX
         * as well. */
        void (*cancel)(void *self);

        /* Cancels and frees. */
        void (*free)(void *self);
} KubeAuthProvider;

/* A fetch that has not come to an end by then is cancelled, and has failed. */
#define KUBE_AUTH_FETCH_MAX (90 * USEC_PER_SEC)

/* config has to outlive it. Returns 0 or a negative errno. */
int kube_auth_new(sd_event *event, const KubeConfig *config, KubeAuth **ret);

/* Has a provider fetch from now on, which config then needs: self is the auth's to free. At most once, and
 * before anything is asked for. */
void kube_auth_set_provider(KubeAuth *a, const KubeAuthProvider *provider, void *self);

const KubeConfig *kube_auth_config(const KubeAuth *a);

/* With what a request is made. The strings are the auth's, and valid until the loop turns. */
typedef struct KubeIdentity {
        const char *token; /* NULL: none */
        const char *client_certificate, *client_key;
        uint64_t generation;             /* another one if anything of it is another one */
        uint64_t certificate_generation; /* another one if certificate or key is */
} KubeIdentity;

/* The identity to use now. Returns whether there is one: with a provider one may have to be waited for. */
bool kube_auth_identity(KubeAuth *a, KubeIdentity *ret);

/* To be told that the API server has not taken it (401). */
void kube_auth_refused(KubeAuth *a);

/* All that uses it has to be freed before. NULL is fine. */
KubeAuth *kube_auth_free(KubeAuth *a);
DEFINE_TRIVIAL_CLEANUP_FUNC(KubeAuth *, kube_auth_free);
