/* SPDX-License-Identifier: MIT */
#pragma once

#include "clock.h"
#include "kube-config.h"

#include <systemd/sd-event.h>

/* Tells in the journal, well before, that the client certificate of a kubeconfig ends: nobody but people
 * replaces that. The first time is a month before, then it is every week, in the last week every day, and
 * after the end every day, as an error. */

typedef struct KubeExpiry KubeExpiry;

/* Looks at once, and then once a day. config has to outlive it; with no certificate there is nothing to
 * tell. Returns 0 or a negative errno. */
int kube_expiry_new(sd_event *event, const KubeConfig *config, KubeExpiry **ret);

/* Does not tell again what another one, whose place it takes, has told of the same certificate. Before the
 * loop turns. */
void kube_expiry_take_over(KubeExpiry *x, const KubeExpiry *old);

/* NULL is fine. */
KubeExpiry *kube_expiry_free(KubeExpiry *x);
DEFINE_TRIVIAL_CLEANUP_FUNC(KubeExpiry *, kube_expiry_free);
