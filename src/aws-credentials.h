/* SPDX-License-Identifier: MIT */
#pragma once

#include "aws-sigv4.h"
#include "json.h"

/* A set of AWS credentials: an immutable value, shared by reference and wiped with its last one. */

typedef struct AwsCredentials {
        unsigned n_ref;
        AwsKeys keys;   /* whose strings are this value's own */
        usec_t expires; /* on the wall clock of AWS, if known; else 0 */
} AwsCredentials;

/* Copies the strings. Returns 0, -ENOMEM, or -EINVAL if one of them cannot be part of a header (blanks,
 * control characters, bytes beyond ASCII), or one that is needed is empty. */
int aws_credentials_new(const AwsKeys *keys, usec_t expires, AwsCredentials **ret);

AwsCredentials *aws_credentials_ref(AwsCredentials *c);
AwsCredentials *aws_credentials_unref(AwsCredentials *c);
DEFINE_TRIVIAL_CLEANUP_FUNC(AwsCredentials *, aws_credentials_unref);

/* The members of an object that holds credentials; each speaker of JSON has names of its own. */
typedef struct AwsCredentialsNames {
        const char *access_key_id, *secret_access_key, *session_token, *expires;
} AwsCredentialsNames;

/* Reads such an object. A token and an expiry may be missing; the latter is RFC 3339 or epoch seconds.
 * Returns NULL and *ret, or what is wrong, for people and without any value: "it has no AccessKeyId". */
const char *aws_credentials_read(const cJSON *object, const AwsCredentialsNames *names,
                                 AwsCredentials **ret);
