/* SPDX-License-Identifier: MIT */
#pragma once

#include "clock.h"
#include "conf-value.h"

/* The configuration as values: what the INI files and the command line say, checked and with defaults in
 * place. Nothing here opens a connection; the owner of a thing is handed its section. Keys and defaults
 * are those of eatr.conf(5). */

/* Longest value that a key takes, in bytes. */
#define CONF_VALUE_MAX 4096U

typedef struct ConfAws {
        char *region;            /* NULL: not given */
        char *access_key_id;     /* aws_access_key_id */
        char *secret_access_key; /* aws_secret_access_key; wiped by conf_free() */
        char *session_token;     /* aws_session_token, NULL: none; wiped by conf_free() */
        char *endpoint_url;      /* NULL: the region's own. https, or http on loopback; no trailing slash */
        char *ca_bundle;         /* file of PEM certificates, NULL: the system's */
        bool use_fips_endpoint;
        bool use_dualstack_endpoint;
} ConfAws;

typedef struct ConfKubernetes {
        char *kubeconfig; /* NULL: not given */
        char *context;    /* NULL: the kubeconfig's current-context */
} ConfKubernetes;

typedef struct ConfNamespaces {
        char **blacklist; /* globs, NULL-terminated; never NULL */
        char **include;   /* the same; empty: every namespace */
} ConfNamespaces;

typedef struct ConfSecret {
        char *name;
} ConfSecret;

typedef struct ConfRenewal {
        usec_t auth_token_renewal_interval; /* 0: auto */
        usec_t informers_resync_interval;
        unsigned max_writes_per_second; /* 0: no limit */
        unsigned max_in_flight;
} ConfRenewal;

/* Where /metrics is served. */
typedef ConfListen ConfMetrics;

typedef struct Conf {
        ConfAws aws;
        ConfKubernetes kubernetes;
        ConfNamespaces namespaces;
        ConfSecret secret;
        ConfRenewal renewal;
        ConfMetrics metrics;
        int verbosity;
} Conf;

/* Each function below that fails says why in *error (but conf_new()). */

/* A configuration of defaults. Returns 0 or -ENOMEM. */
int conf_new(Conf **ret);

/* Reads path and then, in the order of their names, the files in path's drop-in directory (path with ".d"
 * behind it: eatr.conf.d) whose names end in ".conf"; later values stand in for earlier ones. Relative paths
 * in values start at path's directory, in drop-ins too. Checks each value, not yet whether all that is
 * needed is there. Refuses: a file that is over 1 MiB or not regular (/dev/null is an empty one), unknown
 * sections and keys, a second value in one file for a key, values over CONF_VALUE_MAX, and a secret in a
 * file that others than its owner and group can read or write (-EPERM). Returns 0 or a negative errno with
 * *error set; what has been read of c until then is no use. */
int conf_load(Conf *c, const char *path, ConfError *error);

/* As conf_load() with the text of one file that is at path, but opens no file and so knows no mode. For
 * tests and fuzzing. */
int conf_parse(Conf *c, const char *text, size_t size, const char *path, ConfError *error);

/* Sets one key as the command line does; origin names the option in errors ("--metrics-address"). Section
 * and key are those of the files. Relative paths start at the working directory; an empty value is none
 * given, but empties a list. Returns 0 or -EINVAL with *error set (or -ENOMEM). */
int conf_set(Conf *c, const char *section, const char *key, const char *value, const char *origin,
             ConfError *error);

/* Says whether the whole can work: a region and both keys are there, and the token if the keys are temporary
 * ones. Returns 0 or -EINVAL with *error set, which names no file: the caller knows which were read. */
int conf_check(const Conf *c, ConfError *error);

/* Whether nothing has been said yet of which registry and whose keys: the state after an installation. */
bool conf_is_pristine(const Conf *c);

Conf *conf_free(Conf *c);
DEFINE_TRIVIAL_CLEANUP_FUNC(Conf *, conf_free);
