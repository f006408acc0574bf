/* SPDX-License-Identifier: MIT */
#pragma once

#include "cluster.h"
#include "conf.h"
#include "eks-config.h"

/* "eatr purge": takes out of a cluster what eatr manages there. A cluster in which nothing is wanted says,
 * in a dry run, what would go; then the same cluster lets it go. So all that holds for Secrets that are
 * excluded holds here: they are eatr's alone, and go with their UID as the precondition. */

typedef struct PurgeConfig {
        const Conf *conf;        /* its [kubernetes], [secret] and [renewal] are used */
        const KubeConfig *kube;  /* reaches the cluster */
        const EksConfig *eks;    /* the tokens to be made for kube; may be NULL */
        char *const *namespaces; /* globs of those that are meant; NULL-terminated, empty: all, also those
                                    that the configuration excludes */
        bool dry_run;            /* only say what would go */
        bool yes;                /* do not ask */
        bool json;               /* the outcome on stdout is JSON, and what is for people goes to stderr */
} PurgeConfig;

/* Whether it may be done, or there is somebody to be asked: standard input is a terminal. */
bool purge_may_begin(const PurgeConfig *config);

/* Runs event's loop until it is done. SIGINT and SIGTERM, which have to be blocked, stop it between
 * requests. Returns the exit status: 0 if nothing of eatr's is left, or in a dry run if all could be read,
 * else 1; or a negative errno if it cannot begin. */
int purge_run(sd_event *event, const PurgeConfig *config);
