/* SPDX-License-Identifier: MIT */
#pragma once

#include "aws-call.h"

/* Credentials from where a program runs: EC2's instance metadata service, version 2, and the endpoint of a
 * container or of a helper that speaks like one. Both are near and get little time.
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
 * https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html */

#define AWS_METADATA_IMDS_URL "http://169.254.169.254"

/* What is asked for, one after the other. */
typedef enum AwsMetadataStep {
        AWS_METADATA_TOKEN,       /* that the two others need; text */
        AWS_METADATA_ROLE,        /* the role's name; text */
        AWS_METADATA_CREDENTIALS, /* of that role */
        AWS_METADATA_CONTAINER,   /* the container's credentials, in one step */
} AwsMetadataStep;

typedef struct AwsMetadataSpec {
        AwsMetadataStep step;
        const char
                *url; /* of the service, without a trailing slash; of the container's credentials, whole */
        const char *token;    /* from the first step; the container's Authorization, or NULL */
        const char *role;     /* from the second step */
        aws_call_read_t read; /* is to call one of the two below */
        aws_call_done_t done;
        void *userdata;
} AwsMetadataSpec;

/* As aws_call_start(). */
int aws_metadata_start(sd_event *event, AwsState *state, const AwsMetadataSpec *spec, AwsCall **ret);

/* Read a success. Return NULL and the result, or what is wrong, for people. Pure. */
const char *aws_metadata_read_text(const AwsAnswer *answer, char **ret);
const char *aws_metadata_read_credentials(const AwsAnswer *answer, AwsCredentials **ret);
