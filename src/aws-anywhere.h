/* SPDX-License-Identifier: MIT */
#pragma once

#include "aws-call.h"
#include "aws-source.h"
#include "x509.h"

/* CreateSession of IAM Roles Anywhere: credentials of a role for a certificate.
 * https://docs.aws.amazon.com/rolesanywhere/latest/userguide/authentication-create-session.html; the helper
 * (https://github.com/aws/rolesanywhere-credential-helper) puts the ARNs into the query, as here. */

typedef struct AwsAnywhereSpec {
        const char *url;              /* of the endpoint, without a trailing slash */
        const AwsSource *source;      /* its role, and what it says of Roles Anywhere */
        const X509Identity *identity; /* has to outlive the call */
        const char *ca_bundle;        /* NULL: the system's */
        aws_call_read_t read;         /* is to call aws_anywhere_read() */
        aws_call_done_t done;
        void *userdata;
} AwsAnywhereSpec;

/* As aws_call_start(); -EINVAL if the trust anchor's ARN has no region. */
int aws_anywhere_start(sd_event *event, AwsState *state, const AwsAnywhereSpec *spec, AwsCall **ret);

/* Reads a success. Returns NULL and the credentials, or what is wrong, for people. Pure. */
const char *aws_anywhere_read(const AwsAnswer *answer, AwsCredentials **ret);

/* The region in an ARN; the caller frees it. NULL: there is none, or memory is out. */
char *aws_anywhere_region(const char *arn);
