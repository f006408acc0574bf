/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "json.h"
#include "label-selector.h"

#include <stdio.h>

/* Shows which objects a label selector takes: the names, one a line. For scenarios that compare it with what
 * the API server takes. Usage: show-selected SELECTOR, with the API server's list on standard input. If the
 * selector is refused it says why on standard error, and returns 1. */

#define LIST_MAX (16U * 1024 * 1024)

static const char *lookup(const char *key, const void *labels)
{
        return json_string(labels, key);
}

static cJSON *read_list(void)
{
        _cleanup_free_ char *text = malloc(LIST_MAX);
        cJSON *list = NULL;

        if (!text || json_parse(text, fread(text, 1, LIST_MAX, stdin), LIST_MAX, &list) < 0)
                abort();
        return list;
}

int main(int argc, char **argv)
{
        _cleanup_(label_selector_freep) LabelSelector *s = NULL;
        char error[LABEL_SELECTOR_ERROR_MAX];
        _cleanup_json_ cJSON *list = NULL;
        unsigned unmet;

        if (argc != 2)
                return 2;
        if (label_selector_parse(argv[1], &s, error) < 0) {
                (void) fprintf(stderr, "%s\n", error);
                return 1;
        }
        list = read_list();
        JSON_FOREACH (item, json_get(list, "items")) {
                const cJSON *metadata = json_get(item, "metadata");

                if (label_selector_matches(s, lookup, json_get(metadata, "labels"), &unmet))
                        (void) puts(json_string(metadata, "name"));
        }
        return 0;
}
