/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "aws-environment.h"

#include "conf-value.h"

#include <errno.h>

/* Where the agent of ECS listens. */
#define CONTAINER_HOST "http://169.254.170.2"

#define RELATIVE_URI "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
#define FULL_URI "AWS_CONTAINER_CREDENTIALS_FULL_URI"
#define TOKEN_FILE "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
#define TOKEN "AWS_CONTAINER_AUTHORIZATION_TOKEN"

const char *aws_environment_get(const char *const *environment, const char *name)
{
        for (; environment && *environment; environment++) {
                const char *value = startswith(*environment, name);

                if (value && *value == '=' && value[1])
                        return value + 1;
        }
        return NULL;
}

static int fail_unset(const char *name, ConfError *error)
{
        return conf_error_set(error, -ENOENT, "%s is not set in the environment", name);
}

/* Reads a variable into a field, if it is set. */
static int take(const char *const *environment, const char *name, ConfValueParse *parse, char **field,
                ConfError *error)
{
        const char *value = aws_environment_get(environment, name);
        int r;

        if (!value)
                return 0;
        r = parse(&(ConfValueRule){ 0 }, value, field, error);
        if (r < 0)
                conf_error_prefix(error, "%s in the environment: ", name);
        return r;
}

static int take_needed(const char *const *environment, const char *name, char **field, ConfError *error)
{
        if (!aws_environment_get(environment, name))
                return fail_unset(name, error);
        return take(environment, name, conf_value_credential, field, error);
}

static int read_expiry(const char *const *environment, usec_t *ret, ConfError *error)
{
        static const char name[] = "AWS_CREDENTIAL_EXPIRATION";
        const char *value = aws_environment_get(environment, name);

        if (value && clock_parse_rfc3339(value, ret) < 0)
                return conf_error_set(error, -EINVAL,
                                      "%s in the environment: %s is no time such as "
                                      "2026-11-23T19:19:27Z",
                                      name, CONF_ERROR_QUOTE(value));
        return 0;
}

int aws_environment_static(const char *const *environment, AwsSource *s, ConfError *error)
{
        const char *token = aws_environment_get(environment, "AWS_SECURITY_TOKEN") ? "AWS_SECURITY_TOKEN"
                                                                                   : "AWS_SESSION_TOKEN";
        int r;

        s->kind = AWS_SOURCE_STATIC;
        r = take_needed(environment, "AWS_ACCESS_KEY_ID", &s->keys.access_key_id, error);
        if (r >= 0)
                r = take_needed(environment, "AWS_SECRET_ACCESS_KEY", &s->keys.secret_access_key, error);
        if (r >= 0)
                r = take(environment, token, conf_value_credential, &s->keys.session_token, error);
        if (r >= 0)
                r = read_expiry(environment, &s->keys.expires, error);
        return r;
}

/* Whether plain http to that host stays on this machine, as AWS's agents do. */
static bool is_agent(const char *url)
{
        static const char *const agents[] = { CONTAINER_HOST, "http://169.254.170.23",
                                              "http://[fd00:ec2::23]" };

        for (size_t i = 0; i < ELEMENTSOF(agents); i++) {
                const char *rest = startswith(url, agents[i]);

                if (rest && (!*rest || strchr(":/?", *rest)))
                        return true;
        }
        return false;
}

/* As conf_value_url(), but there may be a query and slashes at the end, which stay, and AWS's agents may be
 * spoken to without TLS. */
static int parse_url(const ConfValueRule *rule, const char *value, void *field, ConfError *error)
{
        _cleanup_free_ char *plain = NULL, *checked = NULL;
        int r;

        plain = is_agent(value) ? str_printf("https%s", value + strlen("http")) : strdup(value);
        if (!plain)
                return conf_error_oom(error);
        plain[strcspn(plain, "?")] = '\0';
        r = conf_value_url(rule, plain, &checked, error);
        return r < 0 ? r : conf_value_credential(rule, value, field, error);
}

static int parse_relative(const ConfValueRule *rule, const char *value, void *field, ConfError *error)
{
        _cleanup_free_ char *url = NULL;

        if (*value != '/')
                return conf_error_set(error, -EINVAL, "%s does not start with \"/\"",
                                      CONF_ERROR_QUOTE(value));
        url = str_printf(CONTAINER_HOST "%s", value);
        return url ? parse_url(rule, url, field, error) : conf_error_oom(error);
}

static int parse_file(const ConfValueRule *rule, const char *value, void *field, ConfError *error)
{
        if (*value != '/')
                return conf_error_set(error, -EINVAL, "%s is no absolute path", CONF_ERROR_QUOTE(value));
        return conf_value_path(rule, value, field, error);
}

/* What goes into a header: a scheme, a blank and more may be in it, so only what ends a header is refused.
 */
static int parse_token(const ConfValueRule *rule, const char *value, void *field, ConfError *error)
{
        for (const char *p = value; *p; p++)
                if (*p < ' ' || *p > '~')
                        return conf_error_set(error, -EINVAL,
                                              "there is a character that no header may have");
        return conf_value_string(rule, value, field, error);
}

int aws_environment_container(const char *const *environment, AwsSource *s, ConfError *error)
{
        int r;

        s->kind = AWS_SOURCE_CONTAINER;
        if (aws_environment_get(environment, RELATIVE_URI))
                r = take(environment, RELATIVE_URI, parse_relative, &s->container.url, error);
        else if (aws_environment_get(environment, FULL_URI))
                r = take(environment, FULL_URI, parse_url, &s->container.url, error);
        else
                return conf_error_set(error, -ENOENT,
                                      "neither " RELATIVE_URI " nor " FULL_URI " is set in the environment");
        if (r < 0)
                return r;
        if (aws_environment_get(environment, TOKEN_FILE))
                return take(environment, TOKEN_FILE, parse_file, &s->container.token_file, error);
        return take(environment, TOKEN, parse_token, &s->container.token, error);
}
