/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "kube-object.h"

uint64_t kube_object_version(const cJSON *object)
{
        const char *s = json_string(json_get(object, "metadata"), "resourceVersion");

        return s && *s && strspn(s, "0123456789") == strlen(s) ? strtoull(s, NULL, 10) : 0;
}
