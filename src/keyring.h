/* SPDX-License-Identifier: MIT */
#pragma once

#include "kube-keys.h"
#include "registries.h"

/* The Secrets of the cluster that AWS keys are kept in: hands what is in them to the registries that use
 * them. */

typedef struct Keyring Keyring;

/* Begins to read those that configs name, which may be none; but not those that past (NULL: none) reads with
 * the same auth. What is handed in has to outlive it, past until keyring_take_over(). Returns 0 or a
 * negative errno. */
int keyring_new(sd_event *event, KubeAuth *auth, KubeStats *stats, const RegistryConfigs *configs,
                Registries *registries, const Keyring *past, Keyring **ret);

/* Goes on with what past has been reading for both: the registries are handed all of it. */
void keyring_take_over(Keyring *k, Keyring *past);

/* See kube_watch_stalled(). */
bool keyring_stalled(const Keyring *k, usec_t now);

Keyring *keyring_free(Keyring *k);
DEFINE_TRIVIAL_CLEANUP_FUNC(Keyring *, keyring_free);
