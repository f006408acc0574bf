/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "conf-value.h"

#include "clock.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <regex.h>
#include <strings.h>

static bool matches(const char *s, const char *pattern)
{
        regex_t regex;
        bool found;

        if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB) != 0)
                return false;
        found = regexec(&regex, s, 0, NULL, 0) == 0;
        regfree(&regex);
        return found;
}

/* --- texts ------------------------------------------------------------------------------------------- */

static int set_string(char **p, const char *value, ConfError *error)
{
        char *copy = strdup(value);

        if (!copy)
                return conf_error_oom(error);
        (void) str_erase_free(*p);
        *p = copy;
        return 0;
}

int conf_value_string(const ConfValueRule *rule, const char *value, void *field, ConfError *error)
{
        return set_string(field, value, error);
}

/* It is not shown. */
int conf_value_credential(const ConfValueRule *rule, const char *value, void *field, ConfError *error)
{
        for (const char *p = value; *p; p++)
                if (*p <= ' ' || *p > '~')
                        return conf_error_set(
                                error, -EINVAL,
                                "there is a blank or a character that is not ASCII in the value");
        return set_string(field, value, error);
}

int conf_value_region(const ConfValueRule *rule, const char *value, void *field, ConfError *error)
{
        if (strlen(value) > 63 || !matches(value, "^[a-z]{2,}(-[a-z]+)+-[0-9]+$"))
                return conf_error_set(error, -EINVAL, "%s is no AWS region such as eu-central-1",
                                      CONF_ERROR_QUOTE(value));
        return set_string(field, value, error);
}

static bool is_secret_name(const char *s)
{
        static const char pattern[] = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";

        return strlen(s) <= 253 && matches(s, pattern);
}

int conf_value_secret_name(const ConfValueRule *rule, const char *value, void *field, ConfError *error)
{
        if (!is_secret_name(value))
                return conf_error_set(
                        error, -EINVAL,
                        "%s is no name for a Secret: up to 253 lower-case letters, digits, \"-\" and \".\", "
                        "with a letter or digit at both ends and beside each \".\"",
                        CONF_ERROR_QUOTE(value));
        return set_string(field, value, error);
}

int conf_value_secret(const ConfValueRule *rule, const char *value, void *field, ConfError *error)
{
        size_t n = strcspn(value, "/");

        if (n > 63 || !matches(value, "^[a-z0-9]([-a-z0-9]*[a-z0-9])?/") || !is_secret_name(value + n + 1))
                return conf_error_set(error, -EINVAL,
                                      "%s is no Secret of the form NAMESPACE/NAME, such as eatr/aws",
                                      CONF_ERROR_QUOTE(value));
        return set_string(field, value, error);
}

int conf_value_path(const ConfValueRule *rule, const char *value, void *field, ConfError *error)
{
        _cleanup_free_ char *path = NULL;

        if (*value == '~')
                return conf_error_set(error, -EINVAL, "\"~\" has no meaning here, write the directory out");
        if (*value == '/' || !rule->directory)
                return set_string(field, value, error);
        path = str_printf("%s/%s", rule->directory, value);
        return path ? set_string(field, path, error) : conf_error_oom(error);
}

/* --- names of AWS ------------------------------------------------------------------------------------ */

#define ARN_LENGTH_MAX 2048U
#define ALNUM "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

static int set_arn(char **p, const char *value, const char *pattern, const char *like, ConfError *error)
{
        if (strlen(value) > ARN_LENGTH_MAX || !matches(value, pattern))
                return conf_error_set(error, -EINVAL, "%s is no ARN such as %s", CONF_ERROR_QUOTE(value),
                                      like);
        return set_string(p, value, error);
}

int conf_value_role_arn(const ConfValueRule *rule, const char *value, void *field, ConfError *error)
{
        return set_arn(field, value, "^arn:[a-z-]+:iam::[0-9]{12}:role/([!-~]+/)?[A-Za-z0-9_+=,.@-]+$",
                       "arn:aws:iam::123456789012:role/NAME", error);
}

int conf_value_trust_anchor_arn(const ConfValueRule *rule, const char *value, void *field, ConfError *error)
{
        return set_arn(field, value,
                       "^arn:[a-z-]+:rolesanywhere:[a-z0-9-]+:[0-9]{12}:trust-anchor/[A-Za-z0-9-]+$",
                       "arn:aws:rolesanywhere:eu-central-1:123456789012:trust-anchor/ID", error);
}

int conf_value_profile_arn(const ConfValueRule *rule, const char *value, void *field, ConfError *error)
{
        return set_arn(field, value,
                       "^arn:[a-z-]+:rolesanywhere:[a-z0-9-]+:[0-9]{12}:profile/[A-Za-z0-9-]+$",
                       "arn:aws:rolesanywhere:eu-central-1:123456789012:profile/ID", error);
}

static bool is_made_of(const char *s, size_t most, const char *characters)
{
        size_t n = strlen(s);

        return n >= 2 && n <= most && strspn(s, characters) == n;
}

/* It may be as secret as a password, so it is not shown. */
int conf_value_external_id(const ConfValueRule *rule, const char *value, void *field, ConfError *error)
{
        if (!is_made_of(value, 1224, ALNUM "_+=,.@:/-"))
                return conf_error_set(error, -EINVAL,
                                      "an external ID has 2 to 1224 letters, digits and any of _+=,.@:/-");
        return set_string(field, value, error);
}

int conf_value_session_name(const ConfValueRule *rule, const char *value, void *field, ConfError *error)
{
        if (!is_made_of(value, 64, ALNUM "_+=,.@-"))
                return conf_error_set(error, -EINVAL,
                                      "%s is no session name: 2 to 64 letters, digits and any of _+=,.@-",
                                      CONF_ERROR_QUOTE(value));
        return set_string(field, value, error);
}

/* --- words and numbers ------------------------------------------------------------------------------- */

int conf_value_bool(const ConfValueRule *rule, const char *value, void *field, ConfError *error)
{
        static const char *const words[][2] = {
                { "no", "yes" }, { "false", "true" }, { "off", "on" }, { "0", "1" }
        };

        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                for (int b = 0; b < 2; b++)
                        if (strcasecmp(value, words[i][b]) == 0) {
                                *(bool *) field = b;
                                return 0;
                        }
        return conf_error_set(error, -EINVAL, "%s is neither yes nor no", CONF_ERROR_QUOTE(value));
}

int conf_value_word(const ConfValueRule *rule, const char *value, void *field, ConfError *error)
{
        const char *separator = " is none of ";

        for (const ConfValueWord *w = rule->words; w->word; w++)
                if (strcasecmp(value, w->word) == 0) {
                        *(unsigned *) field = w->value;
                        return 0;
                }
        (void) conf_error_set(error, -EINVAL, "%s", CONF_ERROR_QUOTE(value));
        for (const ConfValueWord *w = rule->words; w->word; w++)
                if (!w->alias) {
                        conf_error_add(error, "%s%s", separator, w->word);
                        separator = ", ";
                }
        return -EINVAL;
}

static bool scan_number(const char *s, uint64_t least, uint64_t most, uint64_t *ret)
{
        uint64_t n = 0;

        if (!*s || strlen(s) > 10)
                return false;
        for (; *s >= '0' && *s <= '9'; s++)
                n = n * 10 + (uint64_t) (*s - '0');
        *ret = n;
        return !*s && n >= least && n <= most;
}

int conf_value_number(const ConfValueRule *rule, const char *value, void *field, ConfError *error)
{
        uint64_t n;

        if (!scan_number(value, rule->least, rule->most, &n))
                return conf_error_set(error, -EINVAL, "%s is no number from %u to %u",
                                      CONF_ERROR_QUOTE(value), (unsigned) rule->least,
                                      (unsigned) rule->most);
        *(unsigned *) field = (unsigned) n;
        return 0;
}

int conf_value_interval(const ConfValueRule *rule, const char *value, void *field, ConfError *error)
{
        char least[CLOCK_DURATION_MAX], most[CLOCK_DURATION_MAX];
        usec_t interval;
        int r;

        r = clock_parse_duration(value, &interval);
        if (r == -EINVAL)
                return conf_error_set(error, -EINVAL, "%s is no duration such as 20s, 5m or 1h30m",
                                      CONF_ERROR_QUOTE(value));
        if (r < 0 || interval < rule->least || interval > rule->most)
                return conf_error_set(error, -EINVAL, "%s is not between %s and %s", CONF_ERROR_QUOTE(value),
                                      clock_format_duration(least, rule->least),
                                      clock_format_duration(most, rule->most));
        *(usec_t *) field = interval;
        return 0;
}

int conf_value_interval_or_auto(const ConfValueRule *rule, const char *value, void *field, ConfError *error)
{
        if (!streq(value, "auto"))
                return conf_value_interval(rule, value, field, error);
        *(usec_t *) field = 0;
        return 0;
}

/* --- hosts and ports --------------------------------------------------------------------------------- */

/* A host is an IPv6 address if it was in brackets, which are cut off. */
typedef struct HostPort {
        const char *host;
        uint64_t port; /* 0: there is none */
        bool brackets;
} HostPort;

/* Splits "HOST", "HOST:PORT", "[HOST]" and "[HOST]:PORT" in place. */
static bool split_host_port(char *s, HostPort *ret)
{
        char *end = s + strcspn(s, ":");

        *ret = (HostPort){ .host = s, .brackets = *s == '[' };
        if (ret->brackets) {
                ret->host = s + 1;
                end = strchr(s, ']');
                if (!end)
                        return false;
                *end++ = '\0';
        }
        if (!*end)
                return true;
        if (*end != ':')
                return false;
        *end = '\0';
        return scan_number(end + 1, 1, UINT16_MAX, &ret->port);
}

static bool is_ipv4(const char *s, struct in_addr *ret)
{
        return inet_pton(AF_INET, s, ret) == 1;
}

static bool is_ipv6(const char *s, struct in6_addr *ret)
{
        return inet_pton(AF_INET6, s, ret) == 1;
}

static bool is_host(const HostPort *h)
{
        struct in6_addr v6;

        if (h->brackets)
                return is_ipv6(h->host, &v6);
        return strlen(h->host) <= 253 && matches(h->host, "^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$");
}

static bool is_loopback(const char *host)
{
        struct in6_addr v6;
        struct in_addr v4;

        return streq(host, "localhost") || (is_ipv4(host, &v4) && ntohl(v4.s_addr) >> 24 == 127) ||
               (is_ipv6(host, &v6) && IN6_IS_ADDR_LOOPBACK(&v6));
}

/* Where the authority starts, and whether it is https; NULL if this is no URL. */
static const char *scan_url(const char *url, bool *ret_tls)
{
        const char *authority = startswith(url, "https://");

        *ret_tls = authority != NULL;
        if (!authority)
                authority = startswith(url, "http://");
        if (!authority || !matches(authority, "^[]A-Za-z0-9.:[-]+(/[]A-Za-z0-9._~!$&'()*+,;=:%/[-]*)?$"))
                return NULL;
        return authority;
}

int conf_value_url(const ConfValueRule *rule, const char *value, void *field, ConfError *error)
{
        _cleanup_free_ char *url = strdup(value), *authority = NULL;
        const char *start;
        HostPort h;
        bool tls;

        if (strchr(value, '@')) /* there may be a password before it */
                return conf_error_set(error, -EINVAL, "the URL may not name a user");
        start = scan_url(value, &tls);
        if (!start)
                return conf_error_set(error, -EINVAL, "%s is no URL of the form https://HOST[:PORT][/PATH]",
                                      CONF_ERROR_QUOTE(value));
        authority = strndup(start, strcspn(start, "/"));
        if (!url || !authority)
                return conf_error_oom(error);
        if (!split_host_port(authority, &h) || !is_host(&h))
                return conf_error_set(error, -EINVAL, "%s has no valid HOST[:PORT]",
                                      CONF_ERROR_QUOTE(value));
        if (!tls && !is_loopback(h.host))
                return conf_error_set(error, -EINVAL,
                                      "%s: http is for loopback only, the keys of AWS need https",
                                      CONF_ERROR_QUOTE(value));
        while (url[strlen(url) - 1] == '/')
                url[strlen(url) - 1] = '\0';
        return set_string(field, url, error);
}

static bool is_listen(const HostPort *h)
{
        struct in6_addr v6;
        struct in_addr v4;

        return h->port > 0 && (h->brackets ? is_ipv6(h->host, &v6) : is_ipv4(h->host, &v4));
}

int conf_value_listen(const ConfValueRule *rule, const char *value, void *field, ConfError *error)
{
        _cleanup_free_ char *copy = strdup(value);
        ConfListen *listen = field;
        HostPort h;
        bool split;

        if (!copy)
                return conf_error_oom(error);
        if (streq(value, "off")) {
                listen->address = str_erase_free(listen->address);
                listen->port = 0;
                return 0;
        }
        split = split_host_port(copy, &h);
        if (!h.brackets && streq(h.host, "localhost"))
                h.host = "127.0.0.1";
        if (!split || !is_listen(&h))
                return conf_error_set(
                        error, -EINVAL,
                        "%s is neither \"off\" nor ADDRESS:PORT such as 127.0.0.1:5000, [::1]:5000 or "
                        "0.0.0.0:5000",
                        CONF_ERROR_QUOTE(value));
        listen->port = (uint16_t) h.port;
        return set_string(&listen->address, h.host, error);
}

/* --- lists ------------------------------------------------------------------------------------------- */

int conf_value_list_add(char ***list, const char *item, size_t most, ConfError *error)
{
        char **longer;
        size_t n = 0;

        while ((*list)[n])
                n++;
        if (n >= most)
                return conf_error_set(error, -EINVAL, "the list has more than %zu entries", most);
        longer = reallocarray(*list, n + 2, sizeof(char *));
        if (!longer)
                return conf_error_oom(error);
        *list = longer;
        longer[n] = longer[n + 1] = NULL;
        return str_replace(&longer[n], item) < 0 ? conf_error_oom(error) : 0;
}

/* Cuts the blanks at both ends, in place. */
static char *strip(char *s)
{
        size_t n;

        s += strspn(s, " \t");
        n = strlen(s);
        while (n > 0 && isblank((unsigned char) s[n - 1]))
                n--;
        s[n] = '\0';
        return s;
}

int conf_value_items(const ConfValueRule *rule, const char *value, char ***list, ConfValueAddItem *add,
                     ConfError *error)
{
        _cleanup_free_ char *copy = strdup(value);
        char *rest = copy, *item;
        int r = 0;

        if (!copy)
                return conf_error_oom(error);
        while (r >= 0 && (item = strsep(&rest, ","))) {
                item = strip(item);
                if (*item)
                        r = add(rule, list, item, error);
        }
        return r;
}

/* What a token can be for: neither a scheme nor a path, which would match no image. */
static bool is_registry_host(const char *s)
{
        size_t n = strcspn(s, ":");
        uint64_t port;

        return n <= 253 && matches(s, "^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?(:[0-9]+)?$") &&
               (!s[n] || scan_number(s + n + 1, 1, UINT16_MAX, &port));
}

static int add_host(const ConfValueRule *rule, char ***list, const char *host, ConfError *error)
{
        if (!is_registry_host(host))
                return conf_error_set(error, -EINVAL,
                                      "%s is no HOST or HOST:PORT of a registry, which has neither "
                                      "\"https://\" nor a path",
                                      CONF_ERROR_QUOTE(host));
        return conf_value_list_add(list, host, rule->most, error);
}

int conf_value_hosts(const ConfValueRule *rule, const char *value, void *field, ConfError *error)
{
        return conf_value_items(rule, value, field, add_host, error);
}

/* --- any value of a file ----------------------------------------------------------------------------- */

int conf_value_check_plain(const char *value, bool command, ConfError *error)
{
        size_t n = strlen(value);

        for (size_t i = 0; i < n; i++)
                if ((value[i] == ';' || value[i] == '#') &&
                    (i == 0 || isblank((unsigned char) value[i - 1])))
                        return conf_error_set(
                                error, -EINVAL,
                                "there is a \"%c\" behind a blank; a comment takes a line of its own",
                                value[i]);
        if (!command && n > 1 && (*value == '"' || *value == '\'') && value[n - 1] == *value)
                return conf_error_set(error, -EINVAL, "values are written without quotation marks");
        return 0;
}
