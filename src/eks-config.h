/* SPDX-License-Identifier: MIT */
#pragma once

#include "aws-config.h"
#include "kube-config.h"

/* How eatr itself makes the tokens that a kubeconfig has "aws eks get-token" or "aws-iam-authenticator" for:
 * for which cluster, in which region, and with whose credentials.
 *
 * These are, as for the program, those of the profile that an option names, or the keys in the entry's
 * variables, or those of the profile that they name. Where the entry names none of them the program would
 * look around; eatr takes those of its own first registry. A role that the entry names is assumed with them.
 *
 * AWS's own files are where the entry says, or else where eatr.conf says. The region is that of the entry,
 * or of the profile that it names, or that of the first registry. */

typedef struct EksConfig {
        char *cluster;
        AwsSource *source;     /* NULL: it cannot be told, and the program is to be run; */
        char *why;             /* then this is why, for people; else NULL */
        AwsPlaces places;      /* where the source's credentials are got */
        char *region;          /* of the token */
        char id[TOKEN_ID_MAX]; /* others would make other tokens */
        char **files;          /* that were read, or would have been; NULL-terminated, NULL: none */
} EksConfig;

/* Leaves in *ret what can be said for kube, whose exec may be NULL, and a configuration, which has no
 * registries if it is not checked: NULL if there are no such tokens to be made, or the configuration is that
 * the program makes them. Returns 0 or -ENOMEM. */
int eks_config_load(const KubeConfig *kube, const Conf *conf, const AwsConfigEnvironment *environment,
                    EksConfig **ret);

/* Whether both make the same tokens; either may be NULL. */
bool eks_config_equal(const EksConfig *a, const EksConfig *b);

EksConfig *eks_config_free(EksConfig *c);
DEFINE_TRIVIAL_CLEANUP_FUNC(EksConfig *, eks_config_free);
