/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "kube-server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <strings.h>

#define HOST_SIZE_MAX 256U
#define PORT_MAX 65535L

#define DIGITS "0123456789"
#define IPV6_CHARS DIGITS "abcdefABCDEF:."
#define HOST_CHARS DIGITS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-_"

/* What a URL is made of; the pointers are into it. */
typedef struct Url {
        bool https;
        bool scheme; /* it has one */
        const char *authority;
        size_t authority_size;
        const char *path;
        size_t path_size; /* without trailing slashes */
} Url;

/* Takes out the host, or the IPv6 address between brackets. Returns where the port may start, or NULL. */
static const char *parse_host(const char *s, const char *end, char host[static HOST_SIZE_MAX])
{
        bool bracket = s < end && *s == '[';
        struct in6_addr in6;
        size_t length;

        s += bracket;
        length = strspn(s, bracket ? IPV6_CHARS : HOST_CHARS);
        length = MIN(length, (size_t) (end - s));
        if (length == 0 || length >= HOST_SIZE_MAX)
                return NULL;
        memcpy(host, s, length);
        host[length] = '\0';
        s += length;
        if (!bracket)
                return s;
        return s < end && *s == ']' && inet_pton(AF_INET6, host, &in6) == 1 ? s + 1 : NULL;
}

static bool port_is_valid(const char *s, const char *end)
{
        size_t digits;
        long port;

        if (s == end)
                return true;
        if (*s++ != ':')
                return false;
        digits = strspn(s, DIGITS);
        if (digits == 0 || digits > 5 || s + digits != end)
                return false;
        port = strtol(s, NULL, 10);
        return port > 0 && port <= PORT_MAX;
}

static bool is_loopback(const char *host)
{
        struct in6_addr in6;
        struct in_addr in;

        if (strcasecmp(host, "localhost") == 0)
                return true;
        if (inet_pton(AF_INET, host, &in) == 1)
                return ntohl(in.s_addr) >> 24 == 127;
        return inet_pton(AF_INET6, host, &in6) == 1 && IN6_IS_ADDR_LOOPBACK(&in6);
}

static bool has_blanks(const char *s)
{
        for (; *s; s++)
                if (*s >= 0 && (*s <= ' ' || *s == '\\' || *s == '\x7f'))
                        return true;
        return false;
}

/* Returns false if the scheme is neither http nor https. */
static bool split(const char *server, bool tls, Url *u)
{
        const char *colon = strstr(server, "://");

        *u = (Url){ .https = tls, .scheme = colon, .authority = colon ? colon + 3 : server };
        if (colon) {
                u->https = colon - server == 5 && strncasecmp(server, "https", 5) == 0;
                if (!u->https && (colon - server != 4 || strncasecmp(server, "http", 4) != 0))
                        return false;
        }
        u->authority_size = strcspn(u->authority, "/?#");
        u->path = u->authority + u->authority_size;
        u->path_size = strcspn(u->path, "?#");
        while (u->path_size > 0 && u->path[u->path_size - 1] == '/')
                u->path_size--;
        return true;
}

/* Returns what is wrong, or NULL. */
static const char *check(const char *server, bool tls, Url *u)
{
        char host[HOST_SIZE_MAX];
        const char *port;

        if (has_blanks(server))
                return "there is a blank, a backslash or a control character in it";
        if (!split(server, tls, u))
                return "it does not start with https://";
        port = parse_host(u->authority, u->authority + u->authority_size, host);
        if (!port || !port_is_valid(port, u->authority + u->authority_size))
                return "it has no valid HOST or HOST:PORT";
        if (!u->scheme && u->path_size > 0)
                return "a path needs https:// before the host";
        if (u->https || is_loopback(host))
                return NULL;
        return u->scheme ? "it is plain http, and eatr sends Secrets over https only (http is for loopback)"
                         : "without https:// and without a certificate authority it means plain http, and "
                           "eatr "
                           "sends Secrets over https only";
}

int kube_server_parse(const char *server, bool tls, char **ret, const char **reason)
{
        Url u = { 0 };

        *reason = check(server, tls, &u);
        if (u.authority && memchr(u.authority, '@', u.authority_size)) {
                *reason = "eatr cannot do a user name in it yet";
                return -EOPNOTSUPP;
        }
        if (*reason)
                return -EINVAL;
        *ret = str_printf("%s://%.*s%.*s", u.https ? "https" : "http", (int) u.authority_size, u.authority,
                          (int) u.path_size, u.path);
        return *ret ? 0 : -ENOMEM;
}
