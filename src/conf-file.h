/* SPDX-License-Identifier: MIT */
#pragma once

#include "buf.h"
#include "conf-error.h"

#include <sys/types.h>

/* An INI file: its text, and the values in it one after the other. Which sections and keys there are is not
 * known here. The only user of inih. */

#define CONF_FILE_SIZE_MAX (1024U * 1024)

/* Appends the text of a file to a buffer with that maximum, as file_read() does, and tells the file's mode.
 * Returns 0 or a negative errno with *error set. */
int conf_file_read(const char *path, Buf *text, mode_t *ret_mode, ConfError *error);

/* A value as it stands in the file. */
typedef struct ConfFileValue {
        const char *section; /* as on_section() was told; "": before the first one */
        const char *key;
        const char *value; /* without blanks around it, as long as the line had room; wiped afterwards */
        unsigned line;
        bool continued; /* it stands on an indented line below the key's own */
} ConfFileValue;

/* What is called while a text is read. Each returns 0 or a negative errno with *error set, which ends the
 * reading. */
typedef struct ConfFileHandler {
        int (*on_section)(void *userdata, const char *name, ConfError *error);
        int (*on_value)(void *userdata, const ConfFileValue *v, ConfError *error);
} ConfFileHandler;

/* Reads a text; path is what errors call it. Returns 0 or a negative errno with *error set, the handler's
 * too: "PATH:LINE: " is put before what it says. */
int conf_file_parse(const char *path, const char *text, size_t size, const ConfFileHandler *handler,
                    void *userdata, ConfError *error);

/* Refuses control characters, as in the lines of a file. Returns 0 or -EINVAL with *error set. */
int conf_file_check_characters(const char *s, size_t size, ConfError *error);
