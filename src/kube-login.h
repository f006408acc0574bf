/* SPDX-License-Identifier: MIT */
#pragma once

#include "kube-auth.h"

/* Makes a KubeAuth with the provider that its kubeconfig needs, if it needs one. */

/* config has to outlive it. Returns 0 or a negative errno. */
int kube_login_new(sd_event *event, const KubeConfig *config, KubeAuth **ret);
