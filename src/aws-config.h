/* SPDX-License-Identifier: MIT */
#pragma once

#include "aws-endpoint.h"
#include "aws-source.h"
#include "conf.h"
#include "token.h"

/* What the configuration says of AWS credentials, worked out: where they come from, with AWS's own files and
 * the environment read, and where that is. */

/* What of the process comes into it. */
typedef struct AwsConfigEnvironment {
        const char *home; /* for AWS's own files and "~" in them; may be NULL */
        const char *const *variables;
} AwsConfigEnvironment;

/* Makes a source of what holds for a registry. Returns 0, or a negative errno with *error set. */
int aws_config_source(const ConfRegistry *conf, const AwsConfigEnvironment *environment, AwsSource **ret,
                      ConfError *error);

/* The URL of a service: own (which may be NULL), or the one that the source's profile says, or that of the
 * region. Returns 0 or -ENOMEM. */
int aws_config_url(const ConfAws *aws, const AwsSource *source, const char *own, AwsService service,
                   const char *region, char **ret);

/* Where a source's credentials are got; STS is that of the region. Returns 0 or -ENOMEM. */
int aws_config_places(const ConfAws *aws, const AwsSource *source, const char *region,
                      const AwsConfigEnvironment *environment, AwsPlaces *ret);

/* An id of how credentials are got: others have another. And one of strings, of which some may be NULL.
 * Return 0 or a negative errno. */
int aws_config_id(const AwsSource *s, const AwsPlaces *places, char ret[static TOKEN_ID_MAX]);
int aws_config_hash(const char *const *strings, size_t n, char ret[static TOKEN_ID_MAX]);

/* Adds the files that a source is made from, or would be: AWS's own, or those of a certificate. And copies
 * of strings. *ret is NULL-terminated, or NULL for none. Return 0 or -ENOMEM. */
int aws_config_files(const ConfAws *aws, const AwsConfigEnvironment *environment, char ***ret);
int aws_config_add(char *const *strings, char ***ret);
