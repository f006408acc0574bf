/* SPDX-License-Identifier: MIT */
#pragma once

#include "util.h"

#include <cjson/cJSON.h>

/* What a plain scalar of a kubeconfig means: null, a boolean, a number or text, by YAML 1.1 as client-go's
 * parser has it (sigs.k8s.io/yaml, goyaml.v2/resolve.go). Infinity, which JSON does not know, is text.
 * Returns a new value, or NULL when memory is out. */
cJSON *kube_scalar_value(const char *s);
