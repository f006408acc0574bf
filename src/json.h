/* SPDX-License-Identifier: MIT */
#pragma once

#include "util.h"

#include <cjson/cJSON.h>

/* cJSON with cleanup and typed getters. Nothing models Kubernetes or AWS: fields are read by name. */

/* Makes cJSON wipe whatever it frees: tokens pass through it. For the start of the program, before any
 * other call. */
void json_setup(void);

static inline cJSON *json_free(cJSON *j)
{
        cJSON_Delete(j);
        return NULL;
}
DEFINE_TRIVIAL_CLEANUP_FUNC(cJSON *, json_free);
#define _cleanup_json_ _cleanup_(json_freep)

/* Parses n bytes, all of which must be one JSON value with blanks around it. Returns 0, -EINVAL when it is
 * not JSON, -EMSGSIZE when n exceeds max. */
int json_parse(const char *p, size_t n, size_t max, cJSON **ret);

/* The member of that name (case-sensitive), or NULL if j is NULL, no object, or has none. */
const cJSON *json_get(const cJSON *j, const char *name);

/* The string in that member, or NULL. It belongs to j. */
const char *json_string(const cJSON *j, const char *name);

/* Whether that member is a number; it is then put into *ret. */
bool json_number(const cJSON *j, const char *name, double *ret);

/* As cJSON_PrintUnformatted(); the caller frees the string; NULL when memory is out. */
char *json_print(const cJSON *j);

static inline const cJSON *json_first(const cJSON *j)
{
        return j ? j->child : NULL;
}

/* Walks the elements of an array or the members of an object; j may be NULL. */
#define JSON_FOREACH(item, j) for (const cJSON *item = json_first(j); item; item = item->next)
