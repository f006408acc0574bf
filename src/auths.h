/* SPDX-License-Identifier: MIT */
#pragma once

#include "token.h"

/* What goes into a Secret: the hosts and what opens each, sorted; an immutable value, shared by reference.
 * "auths" is the name that dockerconfigjson gives it. */

/* Of all hosts together, and of all values: a Secret takes no more. */
#define AUTHS_SIZE_MAX (1024U * 1024)

typedef struct Auth {
        const char *host;  /* the Auths' own */
        const char *value; /* its token's, which the Auths hold on to */
} Auth;

typedef struct Auths {
        unsigned n_ref;
        bool incomplete; /* some registry has not given a token yet: a Secret from before may open more */
        Auth *items;     /* in strcmp()'s order of hosts, each host once */
        size_t n;
        char *hosts;           /* all of them, one behind the other */
        char id[TOKEN_ID_MAX]; /* from SHA-256, half of all hosts and half of all values: tells both apart,
                                  opens nothing */
        usec_t issued;         /* of the oldest token in it, on the wall clock of AWS */
        usec_t expires;        /* of the first to expire, on the same clock: until then all of it is good */
        usec_t received_boottime; /* of the oldest token; with issued it tells the time where tokens expire
                                   */
        Token **tokens;           /* whose values these are */
        size_t n_tokens;
} Auths;

/* One token, and what it opens besides its own host. */
typedef struct AuthsPart {
        Token *token;
        char *const *hosts; /* ends with NULL; NULL: none */
} AuthsPart;

/* incomplete is what the field is to say. Copies the hosts and holds on to the tokens. Of parts that name
 * the same host the first has it; that they do is a mistake in the configuration, which is not looked for
 * here. Returns 0, -EINVAL for no parts or a host that cannot be a key of "auths", -EMSGSIZE beyond
 * AUTHS_SIZE_MAX; -ENOMEM, -EIO. */
int auths_new(const AuthsPart *parts, size_t n_parts, bool incomplete, Auths **ret);

Auths *auths_ref(Auths *a);
Auths *auths_unref(Auths *a);
DEFINE_TRIVIAL_CLEANUP_FUNC(Auths *, auths_unref);

/* Whether both say the same: hosts, tokens, times, and what is yet to come. Either may be NULL, which equals
 * nothing but NULL. */
bool auths_equal(const Auths *a, const Auths *b);

/* Whether two ids are of the same hosts, by whichever tokens. */
bool auths_same_hosts(const char *id, const char *other);
