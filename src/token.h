/* SPDX-License-Identifier: MIT */
#pragma once

#include "clock.h"

/* One registry's ECR authorization token: an immutable value, shared by reference and wiped with its last
 * one. */

#define TOKEN_ID_MAX 17U /* of ids of where tokens come from and go: 16 hexadecimal digits and a NUL */

typedef struct Token {
        unsigned n_ref;
        char *host;     /* registry host that it opens: "123456789012.dkr.ecr.eu-west-1.amazonaws.com" */
        char *value;    /* base64 of "AWS:PASSWORD", as AWS gave it */
        usec_t issued;  /* on the wall clock of AWS: its Date when it answered */
        usec_t expires; /* on the same clock */
        usec_t received_boottime; /* CLOCK_BOOTTIME when it arrived */
} Token;

/* Copies the strings. Returns 0, -EINVAL for a value that is not base64 of USER:PASSWORD, a host that
 * cannot be a key of "auths", or an expiry that is not after issued; -ENOMEM, -EIO. */
int token_new(const char *host, const char *value, usec_t issued, usec_t expires, usec_t received_boottime,
              Token **ret);

Token *token_ref(Token *t);
Token *token_unref(Token *t);
DEFINE_TRIVIAL_CLEANUP_FUNC(Token *, token_unref);

/* Whether a host can be a key of "auths" that images' names match. */
bool token_host_is_good(const char *host);

/* When a token with these times is to be renewed: at half of its life, or interval (0: not given) after
 * it was issued, but never later than three quarters of its life. All on one clock. */
usec_t token_renewal_due(usec_t issued, usec_t expires, usec_t interval);
