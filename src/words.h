/* SPDX-License-Identifier: MIT */
#pragma once

#include "util.h"

/* Splits a command line into words, as Python's shlex.split(line, comments=False, posix=True) does, and so
 * as the AWS SDKs take credential_process: blanks end a word; '...' is literal; in "..." a backslash escapes
 * only " and \; elsewhere it escapes any character; "" is a word. No shell is in it: nothing is expanded.
 *
 * ret gets a NULL-terminated array, which may be empty; words_free() frees it. Returns 0, -EINVAL for a
 * quote that is not closed or a backslash with nothing behind it, or -ENOMEM. */
int words_split(const char *line, char ***ret);

/* Whether both arrays have the same strings in the same order; NULL equals NULL and nothing else. */
bool words_equal(char *const *a, char *const *b);

/* How many strings are in a NULL-terminated array; NULL has none. */
size_t words_count(char *const *words);

/* Wipes and frees a NULL-terminated array of strings; NULL is fine. Always returns NULL. */
char **words_free(char **words);
DEFINE_TRIVIAL_CLEANUP_FUNC(char **, words_free);
