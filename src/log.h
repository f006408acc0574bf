/* SPDX-License-Identifier: MIT */
#pragma once

#include "util.h"

#include <syslog.h>

/* Messages for the person who runs eatr: to the journal when stderr is connected to it, else as lines on
 * stderr. The tag of a message is the stem of its source file.
 *
 * Modules of the lower layers log at debug only and return errors; registry, cluster and eatr decide what
 * becomes of an error, and log it there, once. No secret is ever an argument of these. */

/* Follows glog's numbers, as client-go's -v does: 0-3 info, 4-5 debug, 6 and up also each HTTP exchange. */
#define LOG_VERBOSITY_ERRORS (-1) /* nothing else */
#define LOG_VERBOSITY_DEBUG 4
#define LOG_VERBOSITY_HTTP 6

/* Chooses the target and the verbosity; may be called again. Before the first call messages up to info go
 * to stderr. */
void log_open(int verbosity);

/* The verbosity in force. */
int log_verbosity(void);

/* A journal field beside the message: MESSAGE_ID, EATR_NAMESPACE and the like. */
typedef struct LogField {
        const char *name;
        const char *value; /* NULL: the field is left out */
} LogField;
#define LOG_FIELDS_MAX 4U

/* Sends one message. level is one of syslog(3)'s; error is 0 or a (negative) errno, which %m stands for.
 * fields is NULL, or up to LOG_FIELDS_MAX of them and one whose name is NULL. */
void log_full(int level, const char *file, int error, const LogField *fields, const char *format, ...)
        _printf_(5, 6);

#define log_error(...) log_full(LOG_ERR, __FILE__, 0, NULL, __VA_ARGS__)
#define log_warning(...) log_full(LOG_WARNING, __FILE__, 0, NULL, __VA_ARGS__)
#define log_notice(...) log_full(LOG_NOTICE, __FILE__, 0, NULL, __VA_ARGS__)
#define log_info(...) log_full(LOG_INFO, __FILE__, 0, NULL, __VA_ARGS__)
#define log_debug(...) log_full(LOG_DEBUG, __FILE__, 0, NULL, __VA_ARGS__)

/* As log_full() for what has an identifier of message.h. */
#define log_event(level, id, ...) log_event_errno(level, id, 0, __VA_ARGS__)
#define log_event_errno(level, id, error, ...)                                                          \
        ({                                                                                              \
                int _error = (error);                                                                   \
                log_full(level, __FILE__, _error, (const LogField[]){ { "MESSAGE_ID", id }, { NULL } }, \
                         __VA_ARGS__);                                                                  \
                _error;                                                                                 \
        })

/* As above with an error number, which they return: return log_error_errno(r, "Cannot open %s: %m", p); */
#define log_full_errno(level, error, ...)                             \
        ({                                                            \
                int _error = (error);                                 \
                log_full(level, __FILE__, _error, NULL, __VA_ARGS__); \
                _error;                                               \
        })
#define log_error_errno(error, ...) log_full_errno(LOG_ERR, error, __VA_ARGS__)
#define log_warning_errno(error, ...) log_full_errno(LOG_WARNING, error, __VA_ARGS__)
#define log_debug_errno(error, ...) log_full_errno(LOG_DEBUG, error, __VA_ARGS__)
