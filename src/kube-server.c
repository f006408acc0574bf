/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "kube-server.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <strings.h>

#define HOST_SIZE_MAX 256U
#define PORT_MAX 65535L

#define HAS_BLANKS "there is a blank, a backslash or a control character in it"

#define DIGITS "0123456789"
#define IPV6_CHARS DIGITS "abcdefABCDEF:."
#define HOST_CHARS DIGITS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-_"

/* What a URL is made of; the pointers are into it. */
typedef struct Url {
        const char *scheme; /* in lower case, and not part of it; NULL: it has none */
        const char *user;   /* with password, before the last "@" of what stands before the path */
        size_t user_size;
        const char *authority; /* what follows that */
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

/* Returns false if it has a scheme that is none of these. */
static bool split(const char *url, const char *const *schemes, Url *u)
{
        const char *colon = strstr(url, "://"), *at;

        *u = (Url){ .user = colon ? colon + 3 : url };
        for (size_t i = 0; colon && schemes[i] && !u->scheme; i++)
                if (strlen(schemes[i]) == (size_t) (colon - url) &&
                    strncasecmp(url, schemes[i], strlen(schemes[i])) == 0)
                        u->scheme = schemes[i];
        if (colon && !u->scheme)
                return false;
        u->path = u->user + strcspn(u->user, "/?#");
        at = memrchr(u->user, '@', (size_t) (u->path - u->user));
        u->user_size = at ? (size_t) (at - u->user) : 0;
        u->authority = at ? at + 1 : u->user;
        u->authority_size = (size_t) (u->path - u->authority);
        u->path_size = strcspn(u->path, "?#");
        while (u->path_size > 0 && u->path[u->path_size - 1] == '/')
                u->path_size--;
        return true;
}

/* Where its port starts, or ends if it has none; NULL if host or port are not valid. */
static const char *find_port(const Url *u, char host[static HOST_SIZE_MAX])
{
        const char *end = u->authority + u->authority_size;
        const char *port = parse_host(u->authority, end, host);

        return port && port_is_valid(port, end) ? port : NULL;
}

/* Returns what is wrong, or NULL. */
static const char *check_server(const char *server, Url *u)
{
        static const char *const schemes[] = { "https", "http", NULL };
        char host[HOST_SIZE_MAX];

        if (has_blanks(server))
                return HAS_BLANKS;
        if (!split(server, schemes, u))
                return "it does not start with https://";
        if (u->authority > u->user)
                return "there is a user name in it; those go into the entry of the user";
        if (!find_port(u, host))
                return "it has no valid HOST or HOST:PORT";
        if (!u->scheme && u->path_size > 0)
                return "a path needs https:// before the host";
        if ((u->scheme && streq(u->scheme, "https")) || is_loopback(host))
                return NULL;
        return u->scheme ? "it is plain http, and eatr sends Secrets over https only (http is for loopback)"
                         : "without https:// it means plain http, and eatr sends Secrets over https only";
}

int kube_server_parse(const char *server, char **ret, const char **reason)
{
        Url u;

        *reason = check_server(server, &u);
        if (*reason)
                return -EINVAL;
        *ret = str_printf("%s://%.*s%.*s", u.scheme ? u.scheme : "http", (int) u.authority_size, u.authority,
                          (int) u.path_size, u.path);
        return *ret ? 0 : -ENOMEM;
}

bool kube_server_is_local(const char *server)
{
        static const char *const schemes[] = { "https", "http", NULL };
        char host[HOST_SIZE_MAX];
        Url u;

        return split(server, schemes, &u) && find_port(&u, host) && is_loopback(host);
}

/* What Go lets stand there (net/url, validUserinfo()), with percent signs that stand for a character. */
static bool user_is_valid(const char *s, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                if (!isalnum((unsigned char) s[i]) && !strchr("-._:~!$&'()*+,;=%@", s[i]))
                        return false;
                if (s[i] != '%')
                        continue;
                if (n - i < 3 || !isxdigit((unsigned char) s[i + 1]) || !isxdigit((unsigned char) s[i + 2]))
                        return false;
                if (s[i + 1] < '2' || strncasecmp(s + i, "%7f", 3) == 0)
                        return false;
        }
        return true;
}

/* The same for a proxy. */
static const char *check_proxy(const char *proxy, Url *u, const char **port)
{
        static const char *const schemes[] = { "http", "https", "socks5", NULL };
        char host[HOST_SIZE_MAX];

        if (has_blanks(proxy))
                return HAS_BLANKS;
        if (!split(proxy, schemes, u) || !u->scheme)
                return "it does not start with http://, https:// or socks5://";
        if (!user_is_valid(u->user, u->user_size))
                return "there is a character in its user name or password that has to be written as %XX";
        *port = find_port(u, host);
        return *port ? NULL : "it has no valid HOST or HOST:PORT";
}

/* "user:p@ss" with the "@" encoded: libcurl may take the first one for the end. */
static char *encode_user(const Url *u)
{
        char *encoded = malloc(u->user_size * 3 + 2), *p = encoded;

        if (!encoded)
                return NULL;
        for (size_t i = 0; i < u->user_size; i++)
                if (u->user[i] == '@')
                        p = stpcpy(p, "%40");
                else
                        *p++ = u->user[i];
        (void) stpcpy(p, u->authority > u->user ? "@" : "");
        return encoded;
}

int kube_server_parse_proxy(const char *proxy, char **ret, const char **reason)
{
        _cleanup_erase_ char *user = NULL;
        const char *port, *added = "";
        Url u;

        *reason = check_proxy(proxy, &u, &port);
        if (*reason)
                return -EINVAL;
        if (port == u.authority + u.authority_size)
                added = streq(u.scheme, "http") ? ":80" : streq(u.scheme, "https") ? ":443" : ":1080";
        user = encode_user(&u);
        if (!user)
                return -ENOMEM;
        *ret = str_printf("%s://%s%.*s%s", streq(u.scheme, "socks5") ? "socks5h" : u.scheme, user,
                          (int) u.authority_size, u.authority, added);
        return *ret ? 0 : -ENOMEM;
}
