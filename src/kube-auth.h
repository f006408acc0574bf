/* SPDX-License-Identifier: MIT */
#pragma once

#include "kube-config.h"
#include "kube-credential.h"

#include <systemd/sd-event.h>

/* Who eatr is towards an API server: what its kubeconfig says or, if that leaves it to others, what a
 * provider fetches. One for all clients of a cluster, so that what is fetched, is fetched once.
 *
 * Credentials are fetched when they are first needed, and again before they end, while those that are there
 * stay in use; after client-go's plugin/pkg/client/auth/exec/exec.go, which waits until they have ended. */

typedef struct KubeAuth KubeAuth;
typedef struct KubeAuthWait KubeAuthWait;

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

/* Has a provider fetch from now on, which config then needs: self is the auth's to free. The first comes before
 * anything is asked for. A later one takes the place of that before it, which is freed: what that has fetched
 * stays in use, and if it was to fetch, or could not, the new one does so at once. */
void kube_auth_set_provider(KubeAuth *a, const KubeAuthProvider *provider, void *self);

/* Has it tell when what kube_auth_error() says has changed. changed may not free the auth. */
typedef void (*kube_auth_changed_t)(void *userdata);
void kube_auth_set_changed(KubeAuth *a, kube_auth_changed_t changed, void *userdata);

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

/* To be told what the API server makes of the identity of that generation: that it has taken it, or that it
 * has not (401). The latter returns whether another one is there, or may come soon: it is fetched, or read
 * from the token file. */
void kube_auth_accepted(KubeAuth *a, uint64_t generation);
bool kube_auth_refused(KubeAuth *a, uint64_t generation);

/* Called once, from the event loop, unless the wait is freed first: there is an identity (problem is NULL),
 * which may be the one that was refused if there is no other; or none can be got, and why. May free the wait
 * and begin others, but not free the auth. */
typedef void (*kube_auth_waited_t)(const char *problem, void *userdata);

/* Waits for an identity, no longer than KUBE_AUTH_WAIT_MAX. After a fetch that has failed, or refusals in a
 * row, it does not wait for the next one. Returns 0 or -ENOMEM. */
#define KUBE_AUTH_WAIT_MAX (KUBE_AUTH_FETCH_MAX + 10 * USEC_PER_SEC)
int kube_auth_wait(KubeAuth *a, kube_auth_waited_t done, void *userdata, KubeAuthWait **ret);

/* NULL is fine. */
KubeAuthWait *kube_auth_wait_free(KubeAuthWait *w);

/* Whether a provider fetches. */
bool kube_auth_fetches(const KubeAuth *a);

typedef struct KubeAuthStats {
        uint64_t fetched, failed;   /* how often */
        usec_t expires;             /* of what was fetched last, on CLOCK_REALTIME; 0: not known */
        usec_t certificate_expires; /* of the client certificate in use, the same; 0: there is none */
} KubeAuthStats;
const KubeAuthStats *kube_auth_stats(const KubeAuth *a);

/* Counts on from where another one, whose place it takes, has come to. */
void kube_auth_count_on(KubeAuth *a, const KubeAuth *old);

/* Why the last fetch has failed; "" if it has not, or there was none. */
const char *kube_auth_error(const KubeAuth *a);

/* All that uses it has to be freed before. NULL is fine. */
KubeAuth *kube_auth_free(KubeAuth *a);
DEFINE_TRIVIAL_CLEANUP_FUNC(KubeAuth *, kube_auth_free);
