/* SPDX-License-Identifier: MIT */
#pragma once

#include "conf-keys.h"
#include "kube-account.h"
#include "kube-client.h"
#include "match.h"
#include "pace.h"

/* Every rule of which service account's imagePullSecrets is changed when: no I/O, no clock, no loop. */

/* What is to be of eatr's entry in an account. */
typedef enum AccountWish {
        ACCOUNT_LEAVE, /* as it is */
        ACCOUNT_HAVE,
        ACCOUNT_LACK, /* unless it was there before eatr, or is somebody else's */
} AccountWish;

/* The rules. The globs are NULL-terminated and not owned. */
typedef struct AccountRules {
        char *const *accounts; /* those that are to have the entry; NULL or empty: none */
        ConfExclude on_exclude;
        char *const *purge; /* globs of namespaces: every account in them loses the entry, and nothing else
                               is done; NULL: no purge */
} AccountRules;

/* What the rules say of an account. verdict is its namespace's, and NULL while that is not known.
 *
 * The account of a wanted namespace that a glob takes is to have the entry. Any other loses it, if
 * on_exclude says so: whether the namespace or the account fell out makes no difference. In a namespace that
 * is being deleted nothing changes any more. */
AccountWish account_plan_wish(const AccountRules *rules, const char *namespace, const MatchVerdict *verdict,
                              const char *name);

/* Whether eatr has anything to do with an account, now or when the rules or its namespace change. */
bool account_plan_concerns(const AccountRules *rules, const char *name, const KubeAccount *seen);

/* One account as eatr sees it. */
typedef struct Account {
        KubeAccount seen;
        bool create;       /* its namespace is so new that it may not exist yet */
        bool urgent;       /* it has just come, and pods with it */
        bool written;      /* the entry has been put there before: if it is gone, somebody took it out */
        bool denied;       /* the last write failed for want of rights, or so */
        unsigned failures; /* writes that failed in a row */
        usec_t retry_at;   /* CLOCK_BOOTTIME: no write before ... */
        uint64_t refused_version; /* ... as long as it is this version, which a write did not hold for; 0: of
                                     any */
        uint64_t sent_version;    /* that the last write was for */
        usec_t healed_until;      /* see heal_pay() */
        unsigned fought;          /* the same */
} Account;

typedef enum AccountAction {
        ACCOUNT_NOTHING, /* until something changes */
        ACCOUNT_WAIT,    /* look again at until */
        ACCOUNT_CREATE,
        ACCOUNT_ADD,
        ACCOUNT_REMOVE,
} AccountAction;

/* "create", "add the entry to", ...: what is done to the account. */
const char *account_plan_action_to_string(AccountAction a);

typedef struct AccountPlan {
        AccountAction action;
        PaceLane lane; /* of a write */
        bool heal;     /* of an addition, or of a wait for it: somebody has taken it out */
        usec_t until;  /* of a wait: CLOCK_BOOTTIME */
} AccountPlan;

/* Decides for one account; now is CLOCK_BOOTTIME. Where somebody waits (a new account, a heal) it goes at
 * once, all else and what has failed before at the pace of renewals. */
AccountPlan account_plan_next(const Account *a, AccountWish wish, usec_t now);

/* To be told of each write when it begins, and when it has succeeded. */
void account_plan_begun(Account *a);
void account_plan_succeeded(Account *a, const AccountPlan *plan, usec_t now);

/* What a failed write tells. ACCOUNT_FAILED: it is tried again, later; ACCOUNT_OVERTAKEN: somebody else was
 * faster, which the watch tells of, and is tried again then, or later; ACCOUNT_DROPPED: it was there
 * already, or is for the cluster's own controllers to create; ACCOUNT_CLUSTER: any other write would have
 * fared the same, and it is left to its turn. random is for the backoff. */
typedef enum AccountFailure {
        ACCOUNT_FAILED,
        ACCOUNT_OVERTAKEN,
        ACCOUNT_DROPPED,
        ACCOUNT_CLUSTER,
} AccountFailure;
AccountFailure account_plan_failed(Account *a, const AccountPlan *plan, HttpOutcome outcome,
                                   const KubeStatus *status, usec_t now, uint32_t random);

/* Takes in what the API server says of the account, from whichever source; what is older than what is known
 * already is dropped. Takes over what seen holds. */
void account_plan_observe(Account *a, KubeAccount *seen);

/* It was deleted in that version. */
void account_plan_gone(Account *a, uint64_t version);
