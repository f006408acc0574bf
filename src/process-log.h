/* SPDX-License-Identifier: MIT */
#pragma once

#include "util.h"

/* What a program says on its standard error: lines, redacted, go to the log at warning as "NAME: text". */

/* Of each line as many bytes are taken, and of each run of the program as many lines; then one line tells
 * how many more there were. */
#define PROCESS_LOG_LINE_MAX 500U
#define PROCESS_LOG_LINES_MAX 20U

typedef struct ProcessLog {
        char *name;
        char *last; /* the last line that was not empty, redacted; NULL: none */
        size_t lines;
        size_t size;                         /* of the line that is not complete */
        char line[PROCESS_LOG_LINE_MAX + 2]; /* one more than is taken, to know that there is more */
} ProcessLog;

/* Takes the next n bytes. */
void process_log_append(ProcessLog *l, const char *p, size_t n);

/* No more will come: logs a last line without an end, and how many were left out. */
void process_log_end(ProcessLog *l);

/* Wipes and frees what it holds. */
void process_log_done(ProcessLog *l);
