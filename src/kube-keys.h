/* SPDX-License-Identifier: MIT */
#pragma once

#include "aws-credentials.h"
#include "kube-watch.h"

/* AWS credentials that are kept in a Secret of the cluster. It is read with its data and watched; nothing
 * but "list" and "watch" of that one Secret, by resourceNames, is needed.
 *
 * Its keys are aws_access_key_id, aws_secret_access_key and, if there is one, aws_session_token, or the same
 * in capitals, as the environment has them. A line end behind a value is cut. */

typedef struct KubeKeys KubeKeys;

/* Largest value of a key. */
#define KUBE_KEYS_VALUE_MAX (8U * 1024)

/* The credentials, or NULL and why there are none, for people: "Secret ci-cd/ecr: there is no such Secret".
 * Both are valid during the call. Told when it changes and not before it is known; what was told before may
 * well be used further when there are none. Once there are credentials, an API server that is away is no
 * news: it is for who watches its namespaces. Called from the event loop; may free the keys. */
typedef void (*kube_keys_changed_t)(AwsCredentials *credentials, const char *problem, void *userdata);

/* secret is "NAMESPACE/NAME" and copied; auth and stats have to outlive the keys. Begins at once. Returns
 * 0, -EINVAL if secret is not of that form, or another negative errno. */
int kube_keys_new(sd_event *event, KubeAuth *auth, KubeStats *stats, const char *secret,
                  kube_keys_changed_t changed, void *userdata, KubeKeys **ret);

/* Has another one told from now on, of all that is known already, too. */
void kube_keys_hand_over(KubeKeys *k, kube_keys_changed_t changed, void *userdata);

/* See kube_watch_hurry() and kube_watch_stalled(). */
void kube_keys_hurry(KubeKeys *k);
bool kube_keys_stalled(const KubeKeys *k, usec_t now);

/* NULL is fine. */
KubeKeys *kube_keys_free(KubeKeys *k);
DEFINE_TRIVIAL_CLEANUP_FUNC(KubeKeys *, kube_keys_free);
