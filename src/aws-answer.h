/* SPDX-License-Identifier: MIT */
#pragma once

#include "http.h"

/* What an answer of one of AWS's services means. Pure. */

typedef enum AwsOutcome {
        AWS_OK,
        AWS_RETRY,     /* passing trouble: the network, the service, an answer that makes no sense */
        AWS_THROTTLED, /* too many calls */
        AWS_SKEWED,    /* the signature's date is refused: retry once with the server's clock */
        AWS_EXPIRED,   /* the credentials have run out */
        AWS_REJECTED,  /* the credentials, their rights or the request are wrong: repeating cannot help */
        _AWS_OUTCOME_MAX,
} AwsOutcome;

/* "ok", "throttled", ...: for metrics. */
const char *aws_outcome_to_string(AwsOutcome o);

#define AWS_ERROR_MAX 768U

/* Largest body that is read. */
#define AWS_RESPONSE_MAX (1024U * 1024)

/* What came back, as far as it matters. */
typedef struct AwsAnswer {
        HttpOutcome http;
        long status;
        const char *body;
        size_t body_size;
        const char *transport_error; /* when no answer came */
        usec_t date;                 /* the answer's Date; where it has none, what is known of AWS's clock */
        usec_t boottime;             /* CLOCK_BOOTTIME at that moment */
} AwsAnswer;

/* Reads an answer that is no success, JSON or XML, with a sentence for people in error: AWS's code, and the
 * first line of its message. Never AWS_OK. */
AwsOutcome aws_answer_error(const AwsAnswer *answer, char error[static AWS_ERROR_MAX]);
