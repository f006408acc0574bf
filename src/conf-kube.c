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

/* What eatr writes itself. */
static bool is_reserved(const char *key)
{
        return startswith(key, "eatr/") || streq(key, "app.kubernetes.io/managed-by");
}

static int check_pair(char *const *list, const char *key, const char *problem, ConfError *error)
{
        if (problem)
                return conf_error_set(error, -EINVAL, "%s: %s", CONF_ERROR_QUOTE(key), problem);
        if (is_reserved(key))
                return conf_error_set(error, -EINVAL, "%s is eatr's own", CONF_ERROR_QUOTE(key));
        for (; *list; list++) {
                const char *rest = startswith(*list, key);

                if (rest && *rest == '=')
                        return conf_error_set(error, -EINVAL, "%s has a value already",
                                              CONF_ERROR_QUOTE(key));
        }
        return 0;
}

static int add_pair(const ConfValueRule *rule, char ***list, const char *item, bool label, ConfError *error)
{
        const char *equals = strchr(item, '=');
        _cleanup_free_ char *key = NULL, *pair = NULL;
        const char *value, *problem;
        size_t n;
        int r;

        if (!equals)
                return conf_error_set(error, -EINVAL, "%s is not of the form KEY=VALUE",
                                      CONF_ERROR_QUOTE(item));
        value = equals + 1 + strspn(equals + 1, " \t");
        for (n = (size_t) (equals - item); n > 0 && strchr(" \t", item[n - 1]); n--)
                ;
        key = strndup(item, n);
        pair = str_printf("%.*s=%s", (int) n, item, value);
        if (!key || !pair)
                return conf_error_oom(error);
        problem = label_selector_key_problem(key);
        if (!problem && label)
                problem = label_selector_value_problem(value);
        r = check_pair(*list, key, problem, error);
        return r < 0 ? r : conf_value_list_add(list, pair, rule->most, error);
}

static int add_label(const ConfValueRule *rule, char ***list, const char *item, ConfError *error)
{
        return add_pair(rule, list, item, true, error);
}

static int add_annotation(const ConfValueRule *rule, char ***list, const char *item, ConfError *error)
{
        return add_pair(rule, list, item, false, error);
}

int conf_kube_labels(const ConfValueRule *rule, const char *value, void *field, ConfError *error)
{
        return conf_value_items(rule, value, field, add_label, error);
}

int conf_kube_annotations(const ConfValueRule *rule, const char *value, void *field, ConfError *error)
{
        return conf_value_items(rule, value, field, add_annotation, error);
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
