/* SPDX-License-Identifier: MIT */
#pragma once

#include "cluster.h"
#include "registries.h"

/* The one line for people that systemctl status shows. */

#define STATUS_MAX 2048U

/* As much is shown of each thing that is wrong. */
#define STATUS_REASON_MAX 300U

/* How many namespaces have a fresh Secret, how long the tokens are good, and what is wrong; reload_problem
 * is why the last reload has not taken effect, or "". What peers said in it ends no line. */
void status_format(const Registries *registries, const KubeAuth *auth, const Cluster *cluster,
                   const char *reload_problem, char ret[static STATUS_MAX]);
