/* SPDX-License-Identifier: MIT */
#pragma once

#include "aws-ecr.h"
#include "conf.h"
#include "token-store.h"

/* One source of tokens: credentials in, a Token now and a new one each time it is due. It retries for
 * ever; a failure takes nothing away. */

typedef struct Registry Registry;

/* Something changed: a new token, or a failure; see the getters. May not free the registry. */
typedef void (*registry_changed_t)(Registry *r, void *userdata);

typedef struct RegistryStats {
        uint64_t requests[_AWS_OUTCOME_MAX]; /* calls by what came of them */
        usec_t last_success;                 /* CLOCK_REALTIME; 0: never */
        double clock_skew;                   /* seconds that AWS's clock is ahead of ours */
} RegistryStats;

/* What one registry leaves to the next, in this process or after a restart. */
typedef struct RegistryPast {
        Token *token; /* NULL: none */
        TokenOrigin origin;
        RegistryStats stats;
        int64_t skew; /* AWS's clock minus ours, in microseconds, once it is worth minding; else 0 */
} RegistryPast;

/* conf has to outlive it; interval is that between renewals, 0 for half a token's life. past may be NULL.
 * Its token is kept if it is good and from the same endpoint; if the keys are the same, too, the next call
 * is when the token is due, else at once. Returns 0 or a negative errno. */
int registry_new(sd_event *event, const ConfAws *conf, usec_t interval, const RegistryPast *past,
                 registry_changed_t changed, void *userdata, Registry **ret);

/* See RegistryPast; the token in it belongs to the registry. Keys that the last call failed with are left
 * out of it, so that a successor calls at once. */
void registry_past(const Registry *r, RegistryPast *ret);

/* The current token, also when it has run out; NULL before the first. Owned by the registry. */
Token *registry_token(const Registry *r);

/* What is left of the current token's life, 0 if there is none. */
usec_t registry_token_left(const Registry *r);

/* When the next call is planned, CLOCK_BOOTTIME. */
usec_t registry_next_call(const Registry *r);

/* Why the last round of tries failed; "" after a success. */
const char *registry_error(const Registry *r);

/* Rounds of tries that failed since the last success. */
unsigned registry_failures(const Registry *r);

const RegistryStats *registry_stats(const Registry *r);

/* "ok", "throttled", ...: for metrics. */
const char *registry_outcome_to_string(AwsOutcome o);

/* Whether the next step is long overdue. */
bool registry_stalled(const Registry *r, usec_t now);

Registry *registry_free(Registry *r);
DEFINE_TRIVIAL_CLEANUP_FUNC(Registry *, registry_free);
