/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "conf-kube.h"

#include "label-selector.h"
#include "match.h"

#define GLOBS_MAX 4096U

static int add_name_glob(MatchKind kind, char ***list, const char *glob, ConfError *error)
{
        const char *problem = match_glob_problem(kind, glob);

        if (problem)
                return conf_error_set(error, -EINVAL, "%s can't match: %s", CONF_ERROR_QUOTE(glob), problem);
        return conf_value_list_add(list, glob, GLOBS_MAX, error);
}

static int add_glob(const ConfValueRule *rule, char ***list, const char *glob, ConfError *error)
{
        return add_name_glob(MATCH_NAMESPACES, list, glob, error);
}

static int add_account_glob(const ConfValueRule *rule, char ***list, const char *glob, ConfError *error)
{
        return add_name_glob(MATCH_SERVICE_ACCOUNTS, list, glob, error);
}

int conf_kube_globs(const ConfValueRule *rule, const char *value, void *field, ConfError *error)
{
        return conf_value_items(rule, value, field, add_glob, error);
}

int conf_kube_account_globs(const ConfValueRule *rule, const char *value, void *field, ConfError *error)
{
        return conf_value_items(rule, value, field, add_account_glob, error);
}

int conf_kube_selector(const ConfValueRule *rule, const char *value, void *field, ConfError *error)
{
        LabelSelector **selector = field, *parsed;
        char why[LABEL_SELECTOR_ERROR_MAX];
        int r;

        r = label_selector_parse(value, &parsed, why);
        if (r < 0)
                return conf_error_set(error, r, "%s", why);
        (void) label_selector_free(*selector);
        *selector = parsed;
        return 0;
}
