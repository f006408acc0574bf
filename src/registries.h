/* SPDX-License-Identifier: MIT */
#pragma once

#include "auths.h"
#include "registry.h"

/* All registries together: what their tokens open, as one Auths. Those that are due near each other are
 * renewed together, so that Secrets are written once; a registry that fails keeps its old entry until its
 * own token expires, and touches nobody else's. */

typedef struct Registries Registries;

typedef struct RegistriesEvents {
        /* There are other Auths: registries_auths(). */
        void (*auths)(void *userdata);

        /* Something else changed that is worth showing. */
        void (*changed)(void *userdata);
} RegistriesEvents;

/* What they leave to those after them. */
typedef struct RegistriesPast {
        RegistryPast *items;
        size_t n;
} RegistriesPast;

/* state and configs have to outlive them; interval is that between renewals, 0 for half a token's life; past
 * may be NULL. Neither may free them. Returns 0 or a negative errno. */
int registries_new(sd_event *event, AwsState *state, const RegistryConfigs *configs, usec_t interval,
                   const RegistriesPast *past, const RegistriesEvents *events, void *userdata,
                   Registries **ret);

/* See RegistriesPast, whose tokens are referenced. Returns 0 or -ENOMEM. */
int registries_past(const Registries *r, RegistriesPast *ret);
void registries_past_done(RegistriesPast *p);

/* The same through what outlives the process: has the tokens stored, and takes what was. Return 0 or a
 * negative errno. */
int registries_store(const Registries *r, TokenStore *store);
int registries_past_load(const TokenStore *store, RegistriesPast *ret);

/* Hands in the keys that lie in a Secret of the cluster ("NAMESPACE/NAME"), see credentials_put(). */
void registries_put_keys(Registries *r, const char *secret, AwsCredentials *keys, const char *problem);

size_t registries_count(const Registries *r);
const Registry *registries_get(const Registries *r, size_t i);
const AwsState *registries_state(const Registries *r);

/* What goes into the Secrets: entries of all tokens that are good, NULL before the first. When none is, the
 * last that were stay. Owned by the registries. */
Auths *registries_auths(const Registries *r);

/* How many hold a token that is good, and how many fail at the moment. */
size_t registries_good(const Registries *r);
size_t registries_failing(const Registries *r);

/* Whether each has brought a token or has failed, and registries_auths() has what they brought. */
bool registries_settled(const Registries *r);

/* Whether the next step of one is long overdue. now is CLOCK_BOOTTIME. */
bool registries_stalled(const Registries *r, usec_t now);

Registries *registries_free(Registries *r);
DEFINE_TRIVIAL_CLEANUP_FUNC(Registries *, registries_free);
