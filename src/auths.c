/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "auths.h"
#include "buf.h"
#include "hash.h"

#include <errno.h>
#include <stdio.h>

#define ID_HALF ((int) (TOKEN_ID_MAX - 1) / 2)

static int allocate(const AuthsPart *parts, size_t n_parts, Auths *a)
{
        size_t n = n_parts, size = 0;

        for (size_t i = 0; i < n_parts; i++) {
                size += strlen(parts[i].token->host) + 1;
                for (char *const *h = parts[i].hosts; h && *h; h++, n++)
                        size += strlen(*h) + 1;
        }
        a->items = calloc(n, sizeof(*a->items));
        a->hosts = malloc(size);
        a->tokens = calloc(n_parts, sizeof(*a->tokens));
        return a->items && a->hosts && a->tokens ? 0 : -ENOMEM;
}

/* Puts the host where it belongs, unless it is there; its copy goes to *end. */
static int add_host(Auths *a, const char *host, const char *value, char **end)
{
        size_t i = a->n;

        if (!token_host_is_good(host))
                return -EINVAL;
        while (i > 0 && strcmp(a->items[i - 1].host, host) >= 0)
                i--;
        if (i < a->n && streq(a->items[i].host, host))
                return 0;
        memmove(a->items + i + 1, a->items + i, (a->n++ - i) * sizeof(*a->items));
        a->items[i] = (Auth){ .host = *end, .value = value };
        *end = stpcpy(*end, host) + 1;
        return 0;
}

static void add_token(Auths *a, Token *t)
{
        if (a->n_tokens == 0 || t->issued < a->issued) {
                a->issued = t->issued;
                a->received_boottime = t->received_boottime;
        }
        a->expires = a->n_tokens == 0 ? t->expires : MIN(a->expires, t->expires);
        a->tokens[a->n_tokens++] = token_ref(t);
}

/* A token that opens nothing which others do not open has no part in it, nor have its times. */
static int add_part(Auths *a, const AuthsPart *p, char **end)
{
        size_t before = a->n;
        int r;

        r = add_host(a, p->token->host, p->token->value, end);
        for (char *const *h = p->hosts; r >= 0 && h && *h; h++)
                r = add_host(a, *h, p->token->value, end);
        if (r < 0)
                return r;
        if (a->n > before)
                add_token(a, p->token);
        return 0;
}

static const char *host_of(const Auth *a)
{
        return a->host;
}

static const char *value_of(const Auth *a)
{
        return a->value;
}

static int hash_all(const Auths *a, const char *(*field)(const Auth *), char ret[static HASH_SHA256_HEX_MAX])
{
        _cleanup_buf_ Buf b = BUF_INIT_SECRET(AUTHS_SIZE_MAX);
        int r = 0;

        for (size_t i = 0; i < a->n && r >= 0; i++) {
                if (i > 0)
                        r = buf_append_str(&b, "\n");
                if (r >= 0)
                        r = buf_append_str(&b, field(&a->items[i]));
        }
        return r < 0 ? r : hash_sha256_hex(b.data, b.size, ret);
}

static int make_id(Auths *a)
{
        char of_hosts[HASH_SHA256_HEX_MAX], of_values[HASH_SHA256_HEX_MAX];
        int r;

        r = hash_all(a, host_of, of_hosts);
        if (r < 0)
                return r;
        r = hash_all(a, value_of, of_values);
        if (r < 0)
                return r;
        (void) snprintf(a->id, sizeof(a->id), "%.*s%.*s", ID_HALF, of_hosts, ID_HALF, of_values);
        return 0;
}

/* A token may come again, with another life. */
bool auths_equal(const Auths *a, const Auths *b)
{
        if (!a || !b)
                return a == b;
        return streq(a->id, b->id) && a->issued == b->issued && a->expires == b->expires &&
               a->incomplete == b->incomplete;
}

bool auths_same_hosts(const char *id, const char *other)
{
        return strncmp(id, other, ID_HALF) == 0;
}

int auths_new(const AuthsPart *parts, size_t n_parts, bool incomplete, Auths **ret)
{
        _cleanup_(auths_unrefp) Auths *a = NULL;
        char *end;
        int r;

        if (n_parts == 0)
                return -EINVAL;
        a = calloc(1, sizeof(*a));
        if (!a)
                return -ENOMEM;
        a->n_ref = 1;
        a->incomplete = incomplete;
        r = allocate(parts, n_parts, a);
        if (r < 0)
                return r;
        end = a->hosts;
        for (size_t i = 0; i < n_parts; i++) {
                r = add_part(a, &parts[i], &end);
                if (r < 0)
                        return r;
        }
        r = make_id(a);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(a);
        return 0;
}

Auths *auths_ref(Auths *a)
{
        if (a)
                a->n_ref++;
        return a;
}

Auths *auths_unref(Auths *a)
{
        if (!a || --a->n_ref > 0)
                return NULL;
        for (size_t i = 0; i < a->n_tokens; i++)
                token_unref(a->tokens[i]);
        free(a->items);
        free(a->hosts);
        free(a->tokens);
        free(a);
        return NULL;
}
