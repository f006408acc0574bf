/* SPDX-License-Identifier: MIT */
#pragma once

#include "aws-source.h"
#include "conf-error.h"

#include <sys/types.h>

/* AWS's shared files, ~/.aws/credentials and ~/.aws/config, and what a profile in them comes down to.
 * Nothing is fetched or run.
 *
 * A profile is [NAME] in the credentials file and [profile NAME] in the config file, but [default] in both.
 * As in AWS's command line (botocore), where it is in both files, a key's value in the credentials file
 * counts. A profile gives credentials by the first of these that it has:
 *
 *   1. role_arn without web_identity_token_file: the role, assumed with the credentials of source_profile or
 *      credential_source, with external_id, role_session_name and duration_seconds. A profile that is
 * another's source goes by its keys first. One may name itself as source if it has keys.
 *   2. web_identity_token_file: role_arn, with the identity's token
 *   3. sso_account_id or sso_role_name: refused, somebody would have to log in
 *   4. aws_access_key_id in the credentials file, with the secret and token beside it
 *   5. credential_process
 *   6. aws_access_key_id in the config file, the same
 *
 * Of the profile that was asked for, region and endpoint_url count, too. Where botocore would ignore or
 * guess, there is an error instead: a duration_seconds that is none, an mfa_serial for a role (nobody is
 * there to type the code), a file that was named and does not exist, and values that AWS would refuse. */

#define AWS_PROFILE_CHAIN_MAX 16U /* profiles, each the source of the one before */

/* What to read. */
typedef struct AwsProfileFiles {
        const char *credentials_path;   /* NULL: ~/.aws/credentials, which need not exist */
        const char *config_path;        /* NULL: ~/.aws/config, the same */
        const char *home;               /* "~", also at the start of the paths; NULL: there is none */
        const char *const *environment; /* for credential_source; see aws-environment */
} AwsProfileFiles;

/* Reads both files and makes a new source of that profile; NULL is "default". Returns 0 or a negative errno
 * with *error set: -ENOENT for a file or profile that is not there, -EPERM for a file that everybody can
 * write, or read while there is a secret in it, -ELOOP for a chain that does not end, -EOPNOTSUPP for what a
 * service cannot do. */
int aws_profile_load(const AwsProfileFiles *files, const char *profile, AwsSource **ret, ConfError *error);

/* A file that is in memory. */
typedef struct AwsProfileText {
        const char *path; /* what errors and the source's origin call it */
        const char *text; /* NULL: the file does not exist */
        size_t size;
        mode_t mode; /* who can read and write it; 0: it does not matter */
} AwsProfileText;

/* As aws_profile_load(). Pure. */
int aws_profile_parse(const AwsProfileText *credentials, const AwsProfileText *config,
                      const char *const *environment, const char *profile, AwsSource **ret,
                      ConfError *error);
