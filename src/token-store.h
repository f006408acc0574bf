/* SPDX-License-Identifier: MIT */
#pragma once

#include "token.h"

/* The current tokens where they outlive a restart: in the service manager's descriptor store, as a sealed
 * memfd, never on a disk (FDSTORE=1 in sd_notify(3), FileDescriptorStoreMax= in systemd.service(5)). */

/* Names of stored descriptors start so. */
#define TOKEN_STORE_NAME "token-"

/* From which endpoint a token was got, and with whose keys; ids as token's, which open nothing. */
typedef struct TokenOrigin {
        char endpoint[TOKEN_ID_MAX];
        char keys[TOKEN_ID_MAX];
} TokenOrigin;

typedef struct StoredToken {
        Token *token;
        TokenOrigin origin;
        usec_t session_end; /* CLOCK_BOOTTIME when the credentials that it was got with end; 0: not known */
        bool bound;         /* it is known to end with them */
} StoredToken;

/* Zeroed in the beginning. */
typedef struct TokenStore {
        StoredToken *items; /* from an earlier run */
        size_t n;
        usec_t stored; /* CLOCK_BOOTTIME of when they were stored */
        unsigned slot; /* of the two names, the one that holds what is stored */
} TokenStore;

/* As many as are taken in. */
#define TOKEN_STORE_TOKENS_MAX 128U

/* Takes in a descriptor that an earlier run had stored by that name, unless it holds something newer
 * already; fd stays the caller's. Returns 0, -EBADMSG if it is not what token_store_save() stores, -ERANGE
 * if it is from another boot, or what reading says. */
int token_store_take(TokenStore *s, const char *name, int fd);

/* Has the service manager keep these tokens instead of the ones before; the old ones go when the new ones
 * are there. Returns 0, also when there is no service manager, or a negative errno. */
int token_store_save(TokenStore *s, const StoredToken *items, size_t n);

/* Lets go of the tokens, not of what the service manager has. */
void token_store_done(TokenStore *s);
