/* SPDX-License-Identifier: MIT */
#pragma once

#include "json.h"

/* The text of a kubeconfig, YAML or JSON, to one tree: mappings are objects, sequences arrays, and scalars
 * what YAML 1.1 takes them for, as in client-go, which makes JSON of it first: 0123 and yes are no text,
 * unless there are quotes or a tag. Aliases are expanded. */

#define KUBE_YAML_DEPTH_MAX 64U                  /* of YAML; JSON, which is cJSON's, may be 1000 deep */
#define KUBE_YAML_MEMORY_MAX (32U * 1024 * 1024) /* for the tree, in bytes, about */

/* What is wrong, for people, with line and column where there are any; no value is part of it. */
#define KUBE_YAML_ERROR_MAX 512U
typedef struct KubeYamlError {
        char text[KUBE_YAML_ERROR_MAX];
} KubeYamlError;

/* Parses the first document; JSON is tried first when the first character is "{". No document at all is
 * null. Returns 0, or with *error set -EINVAL, -EMSGSIZE (a cap above) or -ENOMEM. */
int kube_yaml_parse(const char *text, size_t size, cJSON **ret, KubeYamlError *error);

/* The member of that name, or NULL if j is NULL, no object, or has none. Of several the last one counts,
 * and those that "<<" merges in come after its own, as in client-go. */
const cJSON *kube_yaml_get(const cJSON *j, const char *name);
