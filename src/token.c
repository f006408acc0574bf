/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "encode.h"
#include "token.h"

#include <ctype.h>
#include <errno.h>

/* The kubelet, docker and containers/image all split what base64 holds at the first colon; a line end in
 * it would end up in an HTTP header. */
static int check_value(const char *value)
{
        void *decoded = NULL;
        size_t size = 0;
        const char *colon;
        bool good;
        int r;

        for (const char *p = value; *p; p++)
                if (!isgraph((unsigned char) *p))
                        return -EINVAL;
        r = decode_base64(value, &decoded, &size);
        if (r < 0)
                return r;
        colon = memchr(decoded, ':', size);
        good = colon && colon > (char *) decoded && colon + 1 < (char *) decoded + size &&
               strlen(decoded) == size && !strpbrk(decoded, "\r\n");
        explicit_bzero(decoded, size);
        free(decoded);
        return good ? 0 : -EINVAL;
}

bool token_host_is_good(const char *host)
{
        /* With a scheme or a slash at its end it would match no image. */
        if (!isalnum((unsigned char) *host) || !isalnum((unsigned char) host[strlen(host) - 1]) ||
            strstr(host, "//"))
                return false;
        for (const char *p = host; *p; p++)
                if (!isalnum((unsigned char) *p) && !strchr(".-_:/", *p))
                        return false;
        return true;
}

int token_new(const char *host, const char *value, usec_t issued, usec_t expires, usec_t received_boottime,
              Token **ret)
{
        _cleanup_(token_unrefp) Token *t = NULL;
        int r;

        if (!token_host_is_good(host) || expires <= issued)
                return -EINVAL;
        r = check_value(value);
        if (r < 0)
                return r;
        t = calloc(1, sizeof(*t));
        if (!t)
                return -ENOMEM;
        t->n_ref = 1;
        t->host = strdup(host);
        t->value = strdup(value);
        if (!t->host || !t->value)
                return -ENOMEM;
        t->issued = issued;
        t->expires = expires;
        t->received_boottime = received_boottime;
        *ret = TAKE_PTR(t);
        return 0;
}

Token *token_ref(Token *t)
{
        if (t)
                t->n_ref++;
        return t;
}

Token *token_unref(Token *t)
{
        if (!t || --t->n_ref > 0)
                return NULL;
        free(t->host);
        str_erase_free(t->value);
        free(t);
        return NULL;
}

usec_t token_renewal_due(usec_t issued, usec_t expires, usec_t interval)
{
        usec_t life = usec_sub(expires, issued);

        return usec_add(issued, interval > 0 ? MIN(interval, life / 4 * 3) : life / 2);
}
