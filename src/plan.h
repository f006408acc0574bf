/* SPDX-License-Identifier: MIT */
#pragma once

#include "conf-keys.h"
#include "kube-client.h"
#include "kube-secret.h"
#include "match.h"
#include "pace.h"

/* Every rule of what is written when is in this one function: no I/O, no clock, no loop. */

/* What the API server does not let anybody change of a Secret. */
typedef enum PlanRefusal {
        PLAN_REFUSED_NOTHING,
        PLAN_REFUSED_TYPE,      /* it has another type */
        PLAN_REFUSED_IMMUTABLE, /* somebody has set immutable: true */
} PlanRefusal;

/* One namespace as eatr sees it. */
typedef struct Target {
        MatchVerdict verdict;
        KubeSecret secret;        /* as last seen */
        bool had_secret;          /* eatr's Secret was here before: if it is gone, somebody deleted it */
        PlanRefusal refusal;      /* the API server says that this Secret cannot be changed ... */
        uint64_t refused_version; /* ... as long as it is this version */
        bool inspected;           /* the API server has been asked for this Secret's type */
        char type[KUBE_SECRET_TYPE_MAX]; /* "": not known */
        unsigned failures;               /* writes that failed in a row */
        usec_t retry_at;                 /* CLOCK_BOOTTIME: no write before */
        usec_t healed_until;             /* see heal_pay() */
        unsigned fought;                 /* the same */
        bool denied;         /* the last write failed for want of rights */
        bool misfit;         /* the Secret carries other labels and annotations than it is to */
        char written[TOKEN_ID_MAX]; /* id of what was written here last; "": nothing, or it failed */
} Target;

typedef enum PlanAction {
        PLAN_NOTHING, /* until something changes */
        PLAN_WAIT,    /* look again at until */
        PLAN_APPLY,
        PLAN_DELETE,  /* the Secret with that uid and version, and no other */
        PLAN_INSPECT, /* ask for the type of that Secret, to be told with the reason */
} PlanAction;

typedef enum PlanReason {
        PLAN_UNWANTED, /* the rules or its state exclude the namespace */
        PLAN_KEPT,     /* they do, and eatr's Secret that is there stays */
        PLAN_SHARED,   /* it is to go, but others have written to it, too */
        PLAN_EXCLUDED, /* they do, and eatr's Secret that is there goes */
        PLAN_NO_TOKEN, /* there is no token, or one of them has run out */
        PLAN_FOREIGN,  /* the Secret is somebody else's */
        PLAN_REFUSED,  /* it cannot be changed */
        PLAN_GOING,    /* it is being deleted, and something holds it */
        PLAN_BACKOFF,  /* the last write failed */
        PLAN_FIGHTING, /* somebody keeps undoing what eatr writes */
        PLAN_FRESH,    /* it is good */
        PLAN_CREATE,   /* there is none yet */
        PLAN_HEAL,     /* it was deleted or edited */
        PLAN_ADOPT,    /* it is somebody else's, and is taken over */
        PLAN_RECREATE, /* it cannot be changed, and is deleted for a new one */
        PLAN_RENEW,    /* it is due for newer tokens, lacks a host, or is a misfit */
        _PLAN_REASON_MAX,
} PlanReason;

/* A word for metrics and messages: "fresh", "foreign", ... */
const char *plan_reason_to_string(PlanReason r);

typedef struct Plan {
        PlanAction action;
        PlanReason reason;
        PaceLane lane; /* of an apply, a delete, an inspection */
        bool force;    /* of an apply: take fields back that others changed; only for what is eatr's own, or
                          is to be */
        usec_t until;  /* of a wait: CLOCK_BOOTTIME */
        char uid[KUBE_SECRET_UID_MAX]; /* of the Secret that is there; "": there is none, or it is not told */
        uint64_t version;              /* the same; 0 */
} Plan;

/* What decides besides the target and the time. */
typedef struct PlanRules {
        const Auths *auths; /* what is to be in the Secret; NULL: there is none yet */
        usec_t interval;    /* of renewals; 0: half a token's life */
        ConfConflict on_conflict;
        ConfExclude on_exclude;
} PlanRules;

/* Decides for one target; now is CLOCK_BOOTTIME. The wall clock of the host does not come into it: what
 * the time is where tokens expire follows from when the oldest of auths' arrived.
 *
 * Other people's Secrets, and those that nobody wants any more:
 *
 * - What is changed by force is the Secret that was seen, with its uid, and not one that has taken its place
 *   since.
 * - A Secret that is not ours is adopted or left alone, as on_conflict says. It is only deleted where
 *   on_conflict is recreate, and the API server has refused to change this very version, and there are
 * tokens of every registry for the new one. The same holds for eatr's own that somebody has made immutable.
 * - Where the rules exclude the namespace, and on_exclude is delete, the Secret is deleted if it is owned.
 *   In a namespace that is being deleted nothing is.
 * - One that is being deleted already is waited for.
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
 *   neither undoes what the other did. Two with different hosts quarrel, ever less often.
 * - Nothing is written with a token that has run out: who makes auths has to leave that one out in time. */
Plan plan_next(const Target *t, const PlanRules *rules, usec_t now);

/* Whether pods can pull with a Secret: it is eatr's and whole, opens the same hosts as auths (if that is
 * complete), and none of its tokens has run out. auths tells the time, see above; without it nothing is known
 * to be good. */
bool plan_secret_is_good(const KubeSecret *s, const Auths *auths, usec_t now);

/* Whether somebody keeps undoing what eatr writes. It is over when as much time has gone by in peace as the
 * heals of the fight cost. */
bool plan_is_fought_over(const Target *t, usec_t now);

/* A rule or the namespace has changed. A new verdict begins without the failures of the old one. */
void plan_judged(Target *t, MatchVerdict verdict);

/* To be told of each apply when it begins; and of each apply or delete when it has succeeded and its answer
 * has been taken in. Five writes that undo what somebody did go at once, then one a minute, and if it goes
 * on ever fewer: one in ten minutes in the end. */
void plan_begun(Target *t, const Auths *auths);
void plan_succeeded(Target *t, const Plan *p, usec_t now);

/* What an inspection has told; type "" if that was nothing. */
void plan_inspected(Target *t, const Plan *p, const char *type);

/* What a failed write, or an inspection, tells. Changes the target and returns PLAN_SCOPE_TARGET if it
 * speaks of this namespace alone, which then waits or is refused; leaves it to its turn
 * and returns PLAN_SCOPE_CLUSTER if any other write would have fared the same. random is for the backoff. */
typedef enum PlanScope {
        PLAN_SCOPE_TARGET,
        PLAN_SCOPE_CLUSTER,
} PlanScope;
PlanScope plan_failed(Target *t, const Plan *p, HttpOutcome outcome, const KubeStatus *status, usec_t now,
                      uint32_t random);

/* Takes in what the API server says of the Secret, from whichever source; what is older than what is known
 * already is dropped. secret NULL with its deletion's version: it is gone. The answer to a delete has no
 * version: what was deleted is gone with the one behind its own. */
void plan_observe(Target *t, const KubeSecret *secret, uint64_t gone_version);
