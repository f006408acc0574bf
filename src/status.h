/* SPDX-License-Identifier: MIT */
#pragma once

#include "cluster.h"
#include "registries.h"

/* The one line for people that systemctl status shows. */

#define STATUS_MAX 2048U

/* How many namespaces have a fresh Secret, how long the tokens are good, and what is wrong. What peers said in
 * it ends no line. */
void status_format(const Registries *registries, const Cluster *cluster, char ret[static STATUS_MAX]);
