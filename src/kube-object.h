/* SPDX-License-Identifier: MIT */
#pragma once

#include "json.h"

/* What all objects of the API have in common. Pure. */

/* The resourceVersion, a number as all of Kubernetes' own storage has it; 0 for anything else, which is older
 * than every other. */
uint64_t kube_object_version(const cJSON *object);
