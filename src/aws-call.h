/* SPDX-License-Identifier: MIT */
#pragma once

#include "aws-answer.h"
#include "aws-clock.h"
#include "aws-credentials.h"
#include "aws-endpoint.h"

/* One call of an AWS service: signed with AWS's time, sent, read, counted. A signature that is refused
 * because of this host's clock is made anew once with the time that the answer tells. Other failures are the
 * caller's. */

typedef struct AwsCall AwsCall;

/* What all calls of this host share; zeroed in the beginning. */
typedef struct AwsState {
        AwsClock clock;
        uint64_t calls[_AWS_SERVICE_MAX][_AWS_OUTCOME_MAX]; /* by what came of them */
} AwsState;

/* Reads the body of a success. Returns NULL, or what is wrong with it, for people and without a value: "it
 * is not JSON"; the outcome then is AWS_RETRY. */
typedef const char *(*aws_call_read_t)(const AwsAnswer *answer, void *userdata);

/* Called exactly once from the event loop, unless the call is freed first: then never. error is "" or a
 * sentence, valid during the call. May free the call and start others. */
typedef void (*aws_call_done_t)(AwsOutcome outcome, const char *error, void *userdata);

typedef struct AwsCallSpec {
        AwsService service;
        const char *region; /* of the signature */
        const char *method;
        const char *url;          /* with its path, and a query that is canonical already */
        const AwsHeader *headers; /* sent and signed; Host, X-Amz-Date and X-Amz-Security-Token are added */
        size_t n_headers;         /* at most AWS_CALL_HEADERS_MAX */
        const char *ca_bundle;    /* PEM file of whom to trust; NULL: the system's */
        const char *accept;       /* sent, not signed; NULL: none */
        const char *body;         /* NULL: none; copies are wiped */
        AwsCredentials *credentials; /* whose signature; referenced. NULL: see signer */
        const AwsSigner *signer;     /* signs with a certificate; copied. NULL, too: there is no signature */
        usec_t timeout;              /* 0: 20 s */
        aws_call_read_t read;
        aws_call_done_t done;
        void *userdata; /* of both */
} AwsCallSpec;

#define AWS_CALL_HEADERS_MAX 8U

/* Starts a call, on a connection of its own: the next is hours away. Nothing is called back before this
 * returns. Strings are copied; state has to outlive the call. Returns 0 or a negative errno. */
int aws_call_start(sd_event *event, AwsState *state, const AwsCallSpec *spec, AwsCall **ret);

/* Cancels, too. NULL is fine. */
AwsCall *aws_call_free(AwsCall *c);
DEFINE_TRIVIAL_CLEANUP_FUNC(AwsCall *, aws_call_free);
