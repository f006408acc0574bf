/* SPDX-License-Identifier: MIT */
#pragma once

#include "aws-call.h"
#include "token.h"

/* GetAuthorizationToken of ECR and of ECR Public, JSON 1.1 protocol.
 * https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetAuthorizationToken.html
 * https://docs.aws.amazon.com/AmazonECRPublic/latest/APIReference/API_GetAuthorizationToken.html */

typedef struct AwsEcrSpec {
        bool public;
        const char *url; /* of the endpoint, without a trailing slash */
        const char *region;
        const char *ca_bundle; /* NULL: the system's */
        AwsCredentials *credentials;
        aws_call_read_t read; /* is to call aws_ecr_read() */
        aws_call_done_t done;
        void *userdata;
} AwsEcrSpec;

/* As aws_call_start(). */
int aws_ecr_start(sd_event *event, AwsState *state, const AwsEcrSpec *spec, AwsCall **ret);

/* Reads a success. Returns NULL and the token, or what is wrong, for people. Pure. */
const char *aws_ecr_read(bool public, const AwsAnswer *answer, Token **ret);
