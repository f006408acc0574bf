/* SPDX-License-Identifier: MIT */
#pragma once

#include "cluster.h"
#include "keyring.h"
#include "registries.h"

/* Is all well? For the watchdog, /healthz and /readyz. */

#define HEALTH_REASON_MAX 1024U

/* Whether all that should go on by itself does; reason is then "", else a sentence. now is CLOCK_BOOTTIME.
 */
bool health_is_alive(const Registries *registries, const Keyring *keyring, const Cluster *cluster,
                     usec_t now, char reason[static HEALTH_REASON_MAX]);

/* Whether the job can be done: each registry has a good token, which it takes where that is required, and
 * the cluster can be read and written. */
bool health_is_ready(const Registries *registries, const Cluster *cluster,
                     char reason[static HEALTH_REASON_MAX]);
