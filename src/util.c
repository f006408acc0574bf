/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "util.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

int str_replace(char **p, const char *s)
{
        char *copy = NULL;

        if (s) {
                copy = strdup(s);
                if (!copy)
                        return -ENOMEM;
        }
        free(*p);
        *p = copy;
        return 0;
}

char *str_printf(const char *format, ...)
{
        va_list ap;
        char *s;
        int n;

        va_start(ap, format);
        n = vasprintf(&s, format, ap);
        va_end(ap);
        return n < 0 ? NULL : s;
}

char *str_erase_free(char *s)
{
        if (s)
                explicit_bzero(s, strlen(s));
        free(s);
        return NULL;
}

int str_fit(const char *p, size_t n, size_t max)
{
        if (n > max)
                for (n = max; n > 0 && ((unsigned char) p[n] & 0xc0) == 0x80; n--)
                        ;
        return (int) n;
}

char *str_make_printable(char *s)
{
        for (char *p = s; *p; p++)
                if ((unsigned char) *p < 0x20 || *p == 0x7f)
                        *p = ' ';
                else if ((unsigned char) p[0] == 0xc2 && ((unsigned char) p[1] & 0xe0) == 0x80)
                        p[0] = p[1] = ' ';
        return s;
}
