/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "json.h"

#include <errno.h>
#include <malloc.h>

static void wipe_and_free(void *p)
{
        if (p)
                explicit_bzero(p, malloc_usable_size(p));
        free(p);
}

void json_setup(void)
{
        cJSON_Hooks hooks = { .malloc_fn = malloc, .free_fn = wipe_and_free };

        cJSON_InitHooks(&hooks);
}

int json_parse(const char *p, size_t n, size_t max, cJSON **ret)
{
        const char *end;
        cJSON *j;

        if (n > max)
                return -EMSGSIZE;
        j = cJSON_ParseWithLengthOpts(p, n, &end, false);
        if (!j)
                return -EINVAL;
        for (; end < p + n; end++)
                if (!*end || !strchr(" \t\r\n", *end)) {
                        cJSON_Delete(j);
                        return -EINVAL;
                }
        *ret = j;
        return 0;
}

const cJSON *json_get(const cJSON *j, const char *name)
{
        return cJSON_GetObjectItemCaseSensitive(j, name);
}

const char *json_string(const cJSON *j, const char *name)
{
        return cJSON_GetStringValue(json_get(j, name));
}

bool json_number(const cJSON *j, const char *name, double *ret)
{
        const cJSON *item = json_get(j, name);

        if (!cJSON_IsNumber(item))
                return false;
        *ret = item->valuedouble;
        return true;
}

char *json_print(const cJSON *j)
{
        return cJSON_PrintUnformatted(j);
}
