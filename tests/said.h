/* SPDX-License-Identifier: MIT */
#pragma once

/* Stands in for the log of the module that is included after it, where log_full is defined as said_log: what
 * is said is kept instead. */

#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

static char said[65536];           /* "3 text\n" for each message; the test empties it */
static char said_id[40];           /* the MESSAGE_ID of the last one that was kept, "" if it had none */
static int said_level = LOG_DEBUG; /* what is less important is not kept */

static inline void _printf_(5, 6)
        said_log(int level, const char *file, int error, const LogField *fields, const char *format, ...)
{
        size_t n = strlen(said);
        va_list ap;

        if (level > said_level)
                return;
        if (n > sizeof(said) - 4096)
                abort(); /* the test is to empty it */
        (void) snprintf(said_id, sizeof(said_id), "%s",
                        fields && streq(fields->name, "MESSAGE_ID") && fields->value ? fields->value : "");
        n += (size_t) snprintf(said + n, sizeof(said) - n, "%d ", level);
        errno = -error;
        va_start(ap, format);
        n += (size_t) vsnprintf(said + n, sizeof(said) - n, format, ap);
        va_end(ap);
        (void) snprintf(said + n, sizeof(said) - n, "\n");
}
