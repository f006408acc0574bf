/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "conf-error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

void conf_error_write(ConfError *e, int r, const char *format, ...)
{
        va_list ap;

        errno = -r;
        va_start(ap, format);
        (void) vsnprintf(e->text, sizeof(e->text), format, ap);
        va_end(ap);
}

void conf_error_add(ConfError *e, const char *format, ...)
{
        size_t used = strlen(e->text);
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(e->text + used, sizeof(e->text) - used, format, ap);
        va_end(ap);
}

void conf_error_prefix(ConfError *e, const char *format, ...)
{
        ConfError rest = *e;
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(e->text, sizeof(e->text), format, ap);
        va_end(ap);
        conf_error_add(e, "%s", rest.text);
}

const char *conf_error_quote(char buffer[static CONF_ERROR_QUOTE_MAX], const char *s)
{
        size_t n = 0;

        buffer[n++] = '"';
        for (; *s && n < CONF_ERROR_QUOTE_MAX - sizeof("\\xff...\""); s++)
                if (*s >= ' ' && *s <= '~')
                        buffer[n++] = *s;
                else
                        n += (size_t) sprintf(buffer + n, "\\x%02x", (unsigned) (unsigned char) *s);
        (void) snprintf(buffer + n, CONF_ERROR_QUOTE_MAX - n, "%s\"", *s ? "..." : "");
        return buffer;
}
