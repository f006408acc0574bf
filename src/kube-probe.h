/* SPDX-License-Identifier: MIT */
#pragma once

#include "kube-client.h"

/* Asks the API server whether it is there when nothing has come in from it for long: bookmarks are no
 * heartbeat, and neither TCP nor libcurl tells of a proxy that has lost its back end. Any answer will do.
 * When none comes, the client breaks its connections, and the watch on them begins anew. */

typedef struct KubeProbe KubeProbe;

/* Looks after the client's connections from now on. The client has to outlive the probe. Returns 0 or a
 * negative errno. */
int kube_probe_new(sd_event *event, KubeClient *client, KubeProbe **ret);

KubeProbe *kube_probe_free(KubeProbe *p);
DEFINE_TRIVIAL_CLEANUP_FUNC(KubeProbe *, kube_probe_free);
