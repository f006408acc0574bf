/* SPDX-License-Identifier: MIT */
#pragma once

#include "token.h"

#include <systemd/sd-event.h>

/* Asks a registry whether a token opens it, as a pull would begin: GET /v2/ with it. While it does not, or
 * cannot be asked, it is asked again, at ever longer intervals.
 * https://distribution.github.io/distribution/spec/api/#api-version-check */

typedef struct Verify Verify;

typedef enum VerifyResult {
        VERIFY_UNKNOWN, /* not asked yet */
        VERIFY_GOOD,    /* the token opens it */
        VERIFY_REFUSED, /* it does not */
        VERIFY_UNCLEAR, /* no answer, or one that says nothing of the token */
} VerifyResult;

#define VERIFY_ERROR_MAX 256U

/* The last answer, and why it is no good one. */
typedef struct VerifyAnswer {
        VerifyResult result;
        char error[VERIFY_ERROR_MAX];
} VerifyAnswer;

/* Called for each answer, from the event loop. May not free it. */
typedef void (*verify_answered_t)(void *userdata);

/* label stands before messages; ca_bundle is a PEM file of whom to trust, NULL: the system's. Both have to
 * outlive it. Asks nothing yet. Returns 0 or a negative errno. */
int verify_new(sd_event *event, const char *label, const char *ca_bundle, verify_answered_t answered,
               void *userdata, Verify **ret);

/* Goes on from what another one has been told of the same token. */
void verify_take_over(Verify *v, const VerifyAnswer *known);

/* Asks about this token from now on, which is referenced, and once more at again (CLOCK_BOOTTIME; 0: not).
 * What was known of another one stays until there is an answer. */
void verify_token(Verify *v, Token *token, usec_t again);

/* The last answer; its two parts, the latter "" if it is a good one. v may be NULL: never asked. */
VerifyAnswer verify_answer(const Verify *v);
VerifyResult verify_result(const Verify *v);
const char *verify_error(const Verify *v);

Verify *verify_free(Verify *v);
DEFINE_TRIVIAL_CLEANUP_FUNC(Verify *, verify_free);
