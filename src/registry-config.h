/* SPDX-License-Identifier: MIT */
#pragma once

#include "aws-config.h"
#include "token-store.h"

/* Registries as they are asked for tokens: what the configuration says of each, with AWS's own files and the
 * environment read, and endpoints in place of what is left out. */

typedef struct RegistryConfig {
        char *name;  /* the section's, "aws" for [aws] */
        char *label; /* before a message: "Registry NAME: " where there are several, else "" */
        bool public; /* ECR Public */
        char *region;
        char *url; /* of ECR's endpoint, without a trailing slash */
        char *ca_bundle;
        AwsSource *source;
        AwsPlaces places;   /* where the source's credentials are got */
        char **hosts;       /* that its token opens besides the one that AWS names; NULL-terminated */
        ConfVerify verify;  /* whether the registry is asked if it takes the token */
        TokenOrigin origin; /* what a token is good for; its keys are the same for those that get their
                               credentials in the same way */
        usec_t certificate_expires; /* CLOCK_REALTIME of Roles Anywhere's certificate; 0: none, or not known
                                     */
} RegistryConfig;

typedef struct RegistryConfigs {
        RegistryConfig *items;
        size_t n;
} RegistryConfigs;

/* Makes them of a checked configuration. Sections with the same credentials, region and endpoint become one,
 * which has the hosts of all. Returns 0, or a negative errno with *error set. */
int registry_configs_load(const Conf *conf, const AwsConfigEnvironment *environment, RegistryConfigs **ret,
                          ConfError *error);

RegistryConfigs *registry_configs_free(RegistryConfigs *c);
DEFINE_TRIVIAL_CLEANUP_FUNC(RegistryConfigs *, registry_configs_free);
