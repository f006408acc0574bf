/* SPDX-License-Identifier: MIT */
#pragma once

#include "util.h"

/* The command line of eatr(8). */

#define OPTIONS_DEFAULT_CONFIG SYSCONFDIR "/eatr/eatr.conf"

/* Exit status for what cannot be understood. */
#define OPTIONS_EXIT_USAGE 2

typedef enum OptionsCommand {
        OPTIONS_RUN,
        OPTIONS_ONCE,
        OPTIONS_STATUS,
        OPTIONS_PURGE,
} OptionsCommand;

/* Options that stand in for a key of the configuration. */
#define OPTIONS_OVERRIDES 5U
typedef struct OptionsOverride {
        const char *option, *section, *key;
} OptionsOverride;
extern const OptionsOverride options_overrides[OPTIONS_OVERRIDES];

/* Strings are argv's, NULL where not given. */
typedef struct Options {
        OptionsCommand command;
        const char *config, *kubeconfig;
        const char *values[OPTIONS_OVERRIDES]; /* for the keys in options_overrides[] */
        bool dry_run, json, yes;
        char *const *namespaces; /* globs, of status and purge; NULL-terminated */
        bool check_config, is_configured; /* do this instead of the command */
} Options;

/* Returns -1 to go on, or an exit status: what was asked for (--help) or what is wrong has been printed. */
int options_parse(int argc, char **argv, Options *ret);
