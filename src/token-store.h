/* SPDX-License-Identifier: MIT */
#pragma once

#include "token.h"

/* The current token where it outlives a restart: in the service manager's descriptor store, as a sealed
 * memfd, never on a disk (FDSTORE=1 in sd_notify(3), FileDescriptorStoreMax= in systemd.service(5)). */

/* Names of stored descriptors start so. */
#define TOKEN_STORE_NAME "token-"

/* From which endpoint a token was got, and with whose keys; ids as token's, which open nothing. */
typedef struct TokenOrigin {
        char endpoint[TOKEN_ID_MAX];
        char keys[TOKEN_ID_MAX];
} TokenOrigin;

/* Zeroed in the beginning. */
typedef struct TokenStore {
        Token *token; /* from an earlier run; NULL: none */
        TokenOrigin origin;
        unsigned slot; /* of the two names, the one that holds what is stored */
} TokenStore;

/* Takes in a descriptor that an earlier run had stored by that name, unless it holds something newer
 * already; fd stays the caller's. Returns 0, -EBADMSG if it is not what token_store_save() stores, -ERANGE
 * if it is from another boot, or what reading says. */
int token_store_take(TokenStore *s, const char *name, int fd);

/* Has the service manager keep this token instead of the one before; the old one goes when the new one is
 * there. Returns 0, also when there is no service manager, or a negative errno. */
int token_store_save(TokenStore *s, const Token *token, const TokenOrigin *origin);

/* Lets go of the token, not of what the service manager has. */
void token_store_done(TokenStore *s);
