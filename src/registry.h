/* SPDX-License-Identifier: MIT */
#pragma once

#include "credentials.h"
#include "registry-config.h"
#include "token-store.h"
#include "verify.h"

/* One source of tokens: credentials in, a Token now and a new one each time it is due, and the registry
 * asked whether it takes it. It retries for ever; a failure takes nothing away. */

typedef struct Registry Registry;

typedef struct RegistryEvents {
        /* A call begins because it is due, and not because one has failed. */
        void (*begins)(Registry *r, void *userdata);

        /* Something changed: a new token, a failure, what the registry thinks of the token; see the getters.
         * May not free the registry. */
        void (*changed)(Registry *r, void *userdata);
} RegistryEvents;

/* What one registry leaves to the next, in this process or after a restart. */
typedef struct RegistryPast {
        Token *token; /* NULL: none */
        TokenOrigin origin;
        usec_t last_success;
        usec_t session_end;    /* CLOCK_BOOTTIME when the credentials of the token end; 0: not known */
        bool bound;            /* the token is known to end with them */
        VerifyAnswer verified; /* what the registry says of the token */
} RegistryPast;

/* What is handed in has to outlive it; interval is that between renewals, 0 for half a token's life. past
 * may be NULL. Its token is kept if it is good and from the same endpoint; if the keys are the same, too,
 * the next call is when the token is due, else at once. Returns 0 or a negative errno. */
int registry_new(sd_event *event, AwsState *state, const RegistryConfig *config, Credentials *credentials,
                 usec_t interval, const RegistryPast *past, const RegistryEvents *events, void *userdata,
                 Registry **ret);

/* See RegistryPast; what it points to belongs to the registry. Keys that the last call failed with are left
 * out of it, so that a successor calls at once. */
void registry_past(const Registry *r, RegistryPast *ret);

/* Calls now: there is reason to believe that the credentials are others. */
void registry_call_now(Registry *r);

/* Calls now, if the next call is near anyway: what is renewed together is written together. */
void registry_join(Registry *r);

const RegistryConfig *registry_config(const Registry *r);
const Credentials *registry_credentials(const Registry *r);

/* The current token, also when it has run out; NULL before the first. Owned by the registry. */
Token *registry_token(const Registry *r);

/* What is left of the current token's life, 0 if there is none. */
usec_t registry_token_left(const Registry *r);

/* When the next call is planned, CLOCK_BOOTTIME. */
usec_t registry_next_call(const Registry *r);

/* Whether an answer may come any moment: a call is under way that has not failed yet. */
bool registry_busy(const Registry *r);

/* Why the last round of tries failed; "" after a success. */
const char *registry_error(const Registry *r);

/* Rounds of tries that failed since the last success. */
unsigned registry_failures(const Registry *r);

/* CLOCK_REALTIME of the last success; 0: never. */
usec_t registry_last_success(const Registry *r);

/* What the registry itself says of the token; NULL: it is not asked. */
const Verify *registry_verify(const Registry *r);

/* Whether the next step is long overdue. now is CLOCK_BOOTTIME. */
bool registry_stalled(const Registry *r, usec_t now);

Registry *registry_free(Registry *r);
DEFINE_TRIVIAL_CLEANUP_FUNC(Registry *, registry_free);
