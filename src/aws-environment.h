/* SPDX-License-Identifier: MIT */
#pragma once

#include "aws-source.h"
#include "conf-error.h"

/* AWS credentials that the environment has, or says where they are. An environment is a list of "NAME=VALUE"
 * that NULL ends, as environ(7), and is passed in; NULL is an empty one. Errors name variables, no values.
 * Pure. */

/* The value of a variable; NULL if it is not set, or to nothing. */
const char *aws_environment_get(const char *const *environment, const char *name);

/* Puts the keys in AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, if set, AWS_SESSION_TOKEN (or its old name
 * AWS_SECURITY_TOKEN, which wins in AWS's command line, too) and AWS_CREDENTIAL_EXPIRATION into a source,
 * and makes it AWS_SOURCE_STATIC. Returns 0, -ENOENT if one that is needed is not set, -EINVAL or -ENOMEM
 * with *error set. */
int aws_environment_static(const char *const *environment, AwsSource *s, ConfError *error);

/* Puts what an agent of a container told it into a source, and makes it AWS_SOURCE_CONTAINER: a URL, which
 * is AWS_CONTAINER_CREDENTIALS_RELATIVE_URI on http://169.254.170.2, or else
 * AWS_CONTAINER_CREDENTIALS_FULL_URI (https, or http on loopback or the addresses that AWS's agents have),
 * and a token for it in the file that AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE names, or else
 * AWS_CONTAINER_AUTHORIZATION_TOKEN. Returns as above. */
int aws_environment_container(const char *const *environment, AwsSource *s, ConfError *error);
