/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#define BUF_SIZE_MIN 256U

static void buf_release(Buf *b)
{
        if (b->secret && b->data)
                explicit_bzero(b->data, b->allocated);
        free(b->data);
        b->data = NULL;
        b->allocated = 0;
}

/* Never realloc(): it would leave an unwiped copy of a secret behind. */
static int buf_grow(Buf *b, size_t size)
{
        size_t allocated = MAX(MAX(size + 1, b->allocated * 2), BUF_SIZE_MIN);
        size_t used = b->size;
        char *data;

        if (size + 1 <= b->allocated)
                return 0;
        data = malloc(allocated);
        if (!data)
                return -ENOMEM;
        if (used > 0)
                memcpy(data, b->data, used);
        buf_release(b);
        b->data = data;
        b->allocated = allocated;
        return 0;
}

int buf_append(Buf *b, const void *p, size_t n)
{
        int r;

        if (n > b->max - b->size)
                return -EMSGSIZE;
        r = buf_grow(b, b->size + n);
        if (r < 0)
                return r;
        if (n > 0)
                memcpy(b->data + b->size, p, n);
        b->size += n;
        b->data[b->size] = '\0';
        return 0;
}

int buf_append_str(Buf *b, const char *s)
{
        return buf_append(b, s, strlen(s));
}

int buf_printf(Buf *b, const char *format, ...)
{
        va_list ap;
        size_t size;
        int n, r;

        va_start(ap, format);
        n = vsnprintf(NULL, 0, format, ap);
        va_end(ap);
        if (n < 0)
                return -EINVAL;
        size = (size_t) n;
        if (size > b->max - b->size)
                return -EMSGSIZE;
        r = buf_grow(b, b->size + size);
        if (r < 0)
                return r;
        va_start(ap, format);
        (void) vsnprintf(b->data + b->size, size + 1, format, ap);
        va_end(ap);
        b->size += size;
        return 0;
}

void buf_consume(Buf *b, size_t n)
{
        n = MIN(n, b->size);
        if (n == 0)
                return;
        memmove(b->data, b->data + n, b->size - n);
        if (b->secret)
                explicit_bzero(b->data + b->size - n, n);
        b->size -= n;
        b->data[b->size] = '\0';
}

void buf_clear(Buf *b)
{
        buf_consume(b, b->size);
}

const char *buf_str(const Buf *b)
{
        return b->data ? b->data : "";
}

char *buf_steal(Buf *b)
{
        char *data;

        if (buf_grow(b, b->size) < 0)
                return NULL;
        data = b->data;
        data[b->size] = '\0';
        *b = (Buf){ .max = b->max, .secret = b->secret };
        return data;
}

void buf_done(Buf *b)
{
        buf_release(b);
        b->size = 0;
}
