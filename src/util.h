/* SPDX-License-Identifier: MIT */
#pragma once

/* What C lacks, and nothing about eatr. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((cleanup(f)))
#define _printf_(fmt, args) __attribute__((format(printf, fmt, args)))

#define ELEMENTSOF(x) (sizeof(x) / sizeof((x)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define CLAMP(x, low, high) MIN(MAX(x, low), high)

/* Hands over a pointer: yields its value and leaves NULL behind. */
#define TAKE_PTR(p)                          \
        ({                                   \
                __typeof__(p) *_pp = &(p);   \
                __typeof__(p) _value = *_pp; \
                *_pp = NULL;                 \
                _value;                      \
        })

/* Makes x_freep() out of x_free(), for _cleanup_(). */
#define DEFINE_TRIVIAL_CLEANUP_FUNC(type, func) \
        static inline void func##p(type *p)     \
        {                                       \
                if (*p)                         \
                        *p = func(*p);          \
        }                                       \
        struct _swallow_semicolon_

static inline void freep(void *p)
{
        free(*(void **) p);
}
#define _cleanup_free_ _cleanup_(freep)

static inline int close_fd(int fd)
{
        if (fd >= 0)
                (void) close(fd);
        return -1;
}

static inline void close_fdp(int *fd)
{
        *fd = close_fd(*fd);
}
#define _cleanup_close_ _cleanup_(close_fdp)

/* As TAKE_PTR() for a descriptor: leaves -1 behind. */
#define TAKE_FD(fd)                \
        ({                         \
                int *_fd = &(fd);  \
                int _value = *_fd; \
                *_fd = -1;         \
                _value;            \
        })

static inline bool streq(const char *a, const char *b)
{
        return strcmp(a, b) == 0;
}

/* As streq(), but NULL equals NULL and nothing else. */
static inline bool streq_ptr(const char *a, const char *b)
{
        return a && b ? streq(a, b) : a == b;
}

/* Returns what follows the prefix in s, or NULL if s does not start with it. */
static inline const char *startswith(const char *s, const char *prefix)
{
        size_t n = strlen(prefix);

        return strncmp(s, prefix, n) == 0 ? s + n : NULL;
}

static inline bool str_empty(const char *s)
{
        return !s || !*s;
}

/* Frees *p and puts a copy of s (NULL: nothing) in its place. On -ENOMEM *p is as it was. */
int str_replace(char **p, const char *s);

/* As asprintf(), but returns the string, or NULL when memory is out. */
char *str_printf(const char *format, ...) _printf_(1, 2);

/* How many of the n bytes at p to print with %.*s, so that they are at most max and no UTF-8 character is
 * cut. */
int str_fit(const char *p, size_t n, size_t max);

/* Puts blanks for what would end a line or steer a terminal: control characters, C1's in UTF-8 as well. One
 * message stays one line. Returns s. */
char *str_make_printable(char *s);

/* Wipes a string and frees it; NULL is fine. Always returns NULL. */
char *str_erase_free(char *s);
DEFINE_TRIVIAL_CLEANUP_FUNC(char *, str_erase_free);
#define _cleanup_erase_ _cleanup_(str_erase_freep)
