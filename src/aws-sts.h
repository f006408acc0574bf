/* SPDX-License-Identifier: MIT */
#pragma once

#include "aws-call.h"
#include "aws-source.h"

/* AssumeRole and AssumeRoleWithWebIdentity of STS, query protocol. Answers are asked for as JSON, which AWS
 * gives, and read as XML as well, which most stand-ins for it speak.
 * https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html */

/* Longest token of an identity provider that STS takes. */
#define AWS_STS_TOKEN_MAX 20000U

typedef struct AwsStsSpec {
        const char *url; /* of the endpoint, without a trailing slash */
        const char *region;
        const char *ca_bundle; /* NULL: the system's */
        const AwsRole *role;
        AwsCredentials *credentials; /* who assumes the role; NULL: whoever web_identity_token speaks of */
        const char *web_identity_token;
        aws_call_read_t read; /* is to call aws_sts_read() */
        aws_call_done_t done;
        void *userdata;
} AwsStsSpec;

/* As aws_call_start(). */
int aws_sts_start(sd_event *event, AwsState *state, const AwsStsSpec *spec, AwsCall **ret);

/* Reads a success. Returns NULL and the credentials, or what is wrong, for people. Pure. */
const char *aws_sts_read(const AwsAnswer *answer, AwsCredentials **ret);
