/* SPDX-License-Identifier: MIT */
#pragma once

#include "conf-keys.h"

/* The configuration as values: what the INI files and the command line say, each value checked and with
 * defaults in place. What they make together, and the registries, comes from conf_check(), see conf-check.h.
 * Nothing here opens a connection; the owner of a thing is handed its section. */

/* Longest value that a key takes, in bytes. */
#define CONF_VALUE_MAX 4096U

/* Each function below that fails says why in *error (but conf_new()). */

/* A configuration of defaults. Returns 0 or -ENOMEM. */
int conf_new(Conf **ret);

/* From now on [aws] and [registry NAME] are skipped, whatever is in them: for what needs the cluster alone. The
 * result cannot be checked by conf_check(). */
void conf_skip_registries(Conf *c);

/* Reads path and then, in the order of their names, the files in path's drop-in directory (path with ".d"
 * behind it: eatr.conf.d) whose names end in ".conf"; later values stand in for earlier ones. Relative paths
 * in values start at path's directory, in drop-ins too. Checks each value, not yet whether all that is
 * needed is there. A [registry NAME] in several files, or twice in one, is one section. Refuses: a file that
 * is over 1 MiB or not regular (/dev/null is an empty one), unknown sections and keys, registries without a
 * good name or more than CONF_REGISTRIES_MAX, a second value in one file for a key, values over
 * CONF_VALUE_MAX, and a secret in a file that others than its owner and group can read or write (-EPERM).
 * Returns 0 or a negative errno with *error set; what has been read of c until then is no use. */
int conf_load(Conf *c, const char *path, ConfError *error);

/* As conf_load() with the text of one file that is at path, but opens no file and so knows no mode. For
 * tests and fuzzing. */
int conf_parse(Conf *c, const char *text, size_t size, const char *path, ConfError *error);

/* Sets one key as the command line does; origin names the option in errors ("--metrics-address"). Section
 * and key are those of the files, but for [registry NAME]. Relative paths start at the working directory; an
 * empty value is none given, but empties a list. Returns 0 or -EINVAL with *error set (or -ENOMEM). */
int conf_set(Conf *c, const char *section, const char *key, const char *value, const char *origin,
             ConfError *error);

/* Whether nothing has been said yet of which registry and whose credentials: the state after an
 * installation. */
bool conf_is_pristine(const Conf *c);

Conf *conf_free(Conf *c);
DEFINE_TRIVIAL_CLEANUP_FUNC(Conf *, conf_free);
