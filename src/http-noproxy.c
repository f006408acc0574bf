/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "http-noproxy.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <strings.h>

#define SEPARATORS ", \t"

typedef struct Address {
        int family; /* AF_INET or AF_INET6 */
        unsigned bits;
        unsigned char bytes[sizeof(struct in6_addr)];
} Address;

static bool parse_address(const char *s, size_t n, Address *ret)
{
        char copy[INET6_ADDRSTRLEN];

        if (n >= sizeof(copy))
                return false;
        memcpy(copy, s, n);
        copy[n] = '\0';
        *ret = (Address){ .family = strchr(copy, ':') ? AF_INET6 : AF_INET };
        ret->bits = ret->family == AF_INET ? 32 : 128;
        return inet_pton(ret->family, copy, ret->bytes) == 1;
}

/* An address, or one with "/BITS". */
static bool parse_network(const char *s, size_t n, Address *ret)
{
        const char *slash = memchr(s, '/', n);
        size_t digits;
        unsigned long bits;

        if (!parse_address(s, slash ? (size_t) (slash - s) : n, ret))
                return false;
        if (!slash)
                return true;
        digits = strspn(slash + 1, "0123456789");
        if (digits == 0 || digits > 3 || slash + 1 + digits != s + n)
                return false;
        bits = strtoul(slash + 1, NULL, 10);
        if (bits > ret->bits)
                return false;
        ret->bits = (unsigned) bits;
        return true;
}

static bool has_address(const Address *network, const Address *a)
{
        size_t whole = network->bits / 8;
        unsigned rest = network->bits % 8;

        if (network->family != a->family || memcmp(network->bytes, a->bytes, whole) != 0)
                return false;
        return rest == 0 || (network->bytes[whole] ^ a->bytes[whole]) >> (8 - rest) == 0;
}

static size_t without_dots_behind(const char *s, size_t n)
{
        while (n > 0 && s[n - 1] == '.')
                n--;
        return n;
}

static bool has_name(const char *domain, size_t n, const char *host)
{
        size_t length = without_dots_behind(host, strlen(host));

        if (n > 0 && *domain == '.') {
                domain++;
                n--;
        }
        n = without_dots_behind(domain, n);
        if (n == 0 || n > length || strncasecmp(host + length - n, domain, n) != 0)
                return false;
        return n == length || host[length - n - 1] == '.';
}

bool http_noproxy_matches(const char *list, const char *host)
{
        Address address, network;
        bool is_address = parse_address(host, strlen(host), &address);

        if (list && streq(list, "*"))
                return true;
        for (const char *p = list; p && *p;) {
                size_t n;

                p += strspn(p, SEPARATORS);
                n = strcspn(p, SEPARATORS);
                if (is_address ? parse_network(p, n, &network) && has_address(&network, &address)
                               : has_name(p, n, host))
                        return true;
                p += n;
        }
        return false;
}
