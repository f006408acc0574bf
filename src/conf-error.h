/* SPDX-License-Identifier: MIT */
#pragma once

#include "util.h"

#include <errno.h>

/* What is wrong with a configuration, for people: "FILE:LINE: KEY in [SECTION]: what is wrong". Each module
 * says what it knows: conf-value the last part, conf which key it is, conf-file where it stands. None shows
 * the value of a secret key. */
#define CONF_ERROR_MAX 1024U
typedef struct ConfError {
        char text[CONF_ERROR_MAX];
} ConfError;

/* Writes the sentence and returns r, a negative errno that %m stands for. */
#define conf_error_set(e, r, ...)                     \
        ({                                            \
                int _r = (r);                         \
                conf_error_write(e, _r, __VA_ARGS__); \
                _r;                                   \
        })
void conf_error_write(ConfError *e, int r, const char *format, ...) _printf_(3, 4);

/* As that for -ENOMEM. */
#define conf_error_oom(e) conf_error_set(e, -ENOMEM, "%m")

/* Puts text behind or before what is there. */
void conf_error_add(ConfError *e, const char *format, ...) _printf_(2, 3);
void conf_error_prefix(ConfError *e, const char *format, ...) _printf_(2, 3);

/* The string between quotation marks, printable and not long; lives to the end of the caller's block. */
#define CONF_ERROR_QUOTE_MAX 80U
#define CONF_ERROR_QUOTE(s) conf_error_quote((char[CONF_ERROR_QUOTE_MAX]){ 0 }, s)
const char *conf_error_quote(char buffer[static CONF_ERROR_QUOTE_MAX], const char *s);
