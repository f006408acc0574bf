/* SPDX-License-Identifier: MIT */
#pragma once

#include "util.h"

/* A growable byte buffer that cannot be made without a maximum, so that no peer decides how much memory
 * eatr takes. data is NUL-terminated after every successful call and NULL only while the buffer is empty. */
typedef struct Buf {
        char *data;
        size_t size;      /* bytes in use, without the NUL */
        size_t allocated; /* bytes allocated */
        size_t max;       /* size never exceeds this */
        bool secret;      /* memory is wiped before it is given back */
} Buf;

#define BUF_INIT(maximum) ((Buf){ .max = (maximum) })
#define BUF_INIT_SECRET(maximum) ((Buf){ .max = (maximum), .secret = true })

/* Appends n bytes. Returns 0, -EMSGSIZE if the maximum would be exceeded, or -ENOMEM; on error the
 * contents are as they were. */
int buf_append(Buf *b, const void *p, size_t n);

/* Appends a string, or what a format makes; as buf_append(). */
int buf_append_str(Buf *b, const char *s);
int buf_printf(Buf *b, const char *format, ...) _printf_(2, 3);

/* Drops the first n bytes. */
void buf_consume(Buf *b, size_t n);

/* Empties the buffer, keeping its memory (a secret one's is wiped). */
void buf_clear(Buf *b);

/* The contents as a string that is never NULL. */
const char *buf_str(const Buf *b);

/* Hands the contents to the caller, who frees them; NULL when memory is out. Leaves an empty buffer. */
char *buf_steal(Buf *b);

/* Frees what the buffer holds; it can be used again. */
void buf_done(Buf *b);
#define _cleanup_buf_ _cleanup_(buf_done)
