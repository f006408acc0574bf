/* SPDX-License-Identifier: MIT */
#pragma once

#include "aws-sigv4.h"
#include "http.h"
#include "token.h"

/* ECR's GetAuthorizationToken, JSON 1.1 protocol.
 * https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetAuthorizationToken.html */

/* Signs and sends one call, dated signing_time. Returns 0 or a negative errno. */
int aws_ecr_request(HttpClient *client, const char *url, const char *region, const AwsKeys *keys,
                    usec_t signing_time, http_done_t done, void *userdata, HttpRequest **ret);

typedef enum AwsOutcome {
        AWS_OK,
        AWS_RETRY,     /* passing trouble: the network, the service, an answer that makes no sense */
        AWS_THROTTLED, /* too many calls */
        AWS_SKEWED,    /* the signature's date is refused: retry once with the server's clock */
        AWS_EXPIRED,   /* the credentials have run out */
        AWS_REJECTED,  /* the credentials, their rights or the request are wrong: repeating cannot help */
        _AWS_OUTCOME_MAX,
} AwsOutcome;

#define AWS_ERROR_MAX 512U

/* What came back, as far as it matters. */
typedef struct AwsAnswer {
        HttpOutcome http;
        long status;
        const char *body;
        size_t body_size;
        const char *transport_error; /* when no answer came */
        usec_t date;                 /* the answer's Date; where it has none, our own clock's time */
        usec_t boottime;             /* CLOCK_BOOTTIME at that moment */
} AwsAnswer;

/* Reads an answer: AWS_OK with *ret set, or another outcome with a sentence for people in error. Pure. */
AwsOutcome aws_ecr_answer(const AwsAnswer *answer, Token **ret, char error[static AWS_ERROR_MAX]);
