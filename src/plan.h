/* SPDX-License-Identifier: MIT */
#pragma once

#include "kube-client.h"
#include "kube-secret.h"
#include "match.h"
#include "pace.h"

/* Every rule of what is written when is in this one function: no I/O, no clock, no loop. */

/* One namespace as eatr sees it. */
typedef struct Target {
        MatchVerdict verdict;
        KubeSecret secret;        /* as last seen */
        bool had_secret;          /* eatr's Secret was here before: if it is gone, somebody deleted it */
        bool refused;             /* the API server says that this Secret cannot be changed ... */
        uint64_t refused_version; /* ... as long as it is this version */
        unsigned failures;        /* writes that failed in a row */
        usec_t retry_at;          /* CLOCK_BOOTTIME: no write before */
        usec_t healed_until; /* CLOCK_BOOTTIME: heals so far are paid for by then, see plan_succeeded() */
        bool denied;         /* the last write failed for want of rights, or so */
        bool misfit;         /* the Secret carries other labels and annotations than it is to */
        char written[TOKEN_ID_MAX]; /* id of what was written here last; "": nothing, or it failed */
} Target;

typedef enum PlanAction {
        PLAN_NOTHING, /* until something changes */
        PLAN_WAIT,    /* look again at until */
        PLAN_APPLY,
} PlanAction;

typedef enum PlanReason {
        PLAN_UNWANTED, /* the rules or its state exclude the namespace */
        PLAN_NO_TOKEN, /* there is no token, or one of them has run out */
        PLAN_FOREIGN,  /* the Secret is somebody else's */
        PLAN_REFUSED,  /* it cannot be changed */
        PLAN_BACKOFF,  /* the last write failed */
        PLAN_FIGHTING, /* somebody keeps undoing what eatr writes */
        PLAN_FRESH,    /* it is good */
        PLAN_CREATE,   /* there is none yet */
        PLAN_HEAL,     /* it was deleted or edited */
        PLAN_RENEW,    /* it is due for newer tokens, lacks a host, or is a misfit */
        _PLAN_REASON_MAX,
} PlanReason;

/* A word for metrics and messages: "fresh", "foreign", ... */
const char *plan_reason_to_string(PlanReason r);

typedef struct Plan {
        PlanAction action;
        PlanReason reason;
        PaceLane lane; /* of an apply */
        bool force;    /* of an apply: take fields back that others changed; only for what is eatr's own */
        usec_t until;  /* of a wait: CLOCK_BOOTTIME */
} Plan;

/* Decides for one target. auths, what is to be in the Secret, may be NULL; interval is the renewal interval,
 * 0 for half a token's life; now is CLOCK_BOOTTIME. The wall clock of the host does not come into it: what
 * the time is where tokens expire follows from when the oldest of auths' arrived.
 *
 * A Secret says of its tokens when the oldest was issued and when the first expires. What holds by these:
 *
 * - A Secret with auths' id is fresh, whatever the times are. So each new id is written once.
 * - One with other hosts is written at once, as a registry has come or gone; but while auths is incomplete
 * it stays as long as it is good, as it may have the only entry there is of the registry that has no token
 * yet.
 * - One with the same hosts and another id is written when it is due, which is never after one of its tokens
 *   is. So it gets each renewal of one registry however long another fails, though its times stay those of
 *   the old token; and a restart leaves it alone until its time comes.
 * - One that was written here and holds what auths has replaced since is written at once: tokens are
 * replaced out of turn only for a reason, such as other keys, or that the registry does not take them.
 * - One that is a misfit is written at once, but never before auths is complete or has the same hosts.
 * - It is not written if it lasts as long as auths and is younger, or if auths has been written here before:
 *   of two eatrs with the same hosts, the one with what lasts longer prevails, and of two that are equal
 *   neither undoes what the other did. Two with different hosts quarrel, once a minute.
 * - Nothing is written with a token that has run out: who makes auths has to leave that one out in time. */
Plan plan_next(const Target *t, const Auths *auths, usec_t interval, usec_t now);

/* Whether pods can pull with a Secret: it is eatr's and whole, opens the same hosts as auths (if that is
 * complete), and none of its tokens has run out. auths tells the time, see above; without it nothing is known to be good. */
bool plan_secret_is_good(const KubeSecret *s, const Auths *auths, usec_t now);

/* To be told of each write when it begins, and when it has succeeded. Five heals in a row go at once, then
 * one a minute. */
void plan_begun(Target *t, const Auths *auths);
void plan_succeeded(Target *t, PlanReason reason, usec_t now);

/* What a failed write tells. Changes the target and returns PLAN_SCOPE_TARGET if it speaks of this
 * namespace alone, which then waits, is refused or is no longer wanted; leaves it to its turn and
 * returns PLAN_SCOPE_CLUSTER if any other write would have fared the same. random is for the backoff. */
typedef enum PlanScope {
        PLAN_SCOPE_TARGET,
        PLAN_SCOPE_CLUSTER,
} PlanScope;
PlanScope plan_failed(Target *t, HttpOutcome outcome, const KubeStatus *status, usec_t now, uint32_t random);

/* Takes in what the API server says of the Secret, from whichever source; what is older than what is known
 * already is dropped. secret NULL with its deletion's version: it is gone. */
void plan_observe(Target *t, const KubeSecret *secret, uint64_t gone_version);
