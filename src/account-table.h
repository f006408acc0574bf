/* SPDX-License-Identifier: MIT */
#pragma once

#include "account-plan.h"

#include <sys/queue.h>

/* The table of service accounts that eatr has to do with, each with what account-plan decides on and where
 * it stands in the work; and of their namespaces. */

typedef struct AccountTable AccountTable;

/* A node stands in the queue of its place, or in none of them while idle or in flight. */
typedef enum AccountPlace {
        ACCOUNT_IDLE,
        ACCOUNT_IN_FLIGHT, /* it is being written */
        ACCOUNT_DIRTY,     /* to be planned */
        ACCOUNT_NOW,       /* to be written, in the lane of that name */
        ACCOUNT_BULK,
        _ACCOUNT_PLACE_MAX,
} AccountPlace;

typedef struct AccountNode {
        struct AccountNamespace *namespace;
        char *name;
        Account account;
        bool seen;          /* since the last list began */
        bool answered;      /* a write was answered since the last list began, which may not know of it */

        AccountPlace place;
        AccountPlan plan; /* the last one; of the write while in flight */
        usec_t wake_at;   /* CLOCK_BOOTTIME to plan it again; USEC_INFINITY: no need */
        bool pretended;   /* in a dry run: its write has been told of */
        bool fought;      /* it has been told that somebody keeps taking the entry out */
        bool warned;      /* its failure has been told of aloud */
        KubeRequest *request;
        void *writer; /* of request */

        TAILQ_ENTRY(AccountNode) all, queue, siblings;
} AccountNode;

typedef struct AccountNamespace {
        char *name;
        bool known; /* it has been told of */
        MatchVerdict verdict;
        TAILQ_HEAD(, AccountNode) accounts;
} AccountNamespace;

/* Walk all nodes, or those of a namespace; the one at hand may be dropped, but not the namespace. */
#define ACCOUNTS_FOREACH(node, next, table)                         \
        for (AccountNode *node = account_table_first(table), *next; \
             node && (next = TAILQ_NEXT(node, all), true); node = next)
#define ACCOUNTS_FOREACH_IN(node, next, namespace)                           \
        for (AccountNode *node = TAILQ_FIRST(&(namespace)->accounts), *next; \
             node && (next = TAILQ_NEXT(node, siblings), true); node = next)

int account_table_new(AccountTable **ret);

AccountNode *account_table_first(const AccountTable *t);

/* The namespace of that name, or NULL; the same, but added if it is not there: NULL when memory is out. */
AccountNamespace *account_table_namespace(const AccountTable *t, const char *name);
AccountNamespace *account_table_add_namespace(AccountTable *t, const char *name);

/* Drops it if nothing is known of it any more: neither it nor an account in it. */
void account_table_tidy_namespace(AccountTable *t, AccountNamespace *ns);

/* The account of that name, or NULL; adds one that is not there yet: NULL when memory is out. */
AccountNode *account_table_find(const AccountTable *t, AccountNamespace *ns, const char *name);
AccountNode *account_table_add(AccountTable *t, AccountNamespace *ns, const char *name);

/* Takes a node out and frees it, its request included. */
void account_table_drop(AccountTable *t, AccountNode *n);

/* The only way to change a node's place: to the end of that queue. */
void account_table_move(AccountTable *t, AccountNode *n, AccountPlace place);

/* The first in a queue, or NULL. */
AccountNode *account_table_head(const AccountTable *t, AccountPlace place);

/* Logs "namespace NAMESPACE: service account NAME: ..." with the field EATR_NAMESPACE; id is one of
 * message.h's, or NULL; file is __FILE__. */
void account_table_log(const AccountNode *n, int level, const char *id, const char *file, const char *format,
                       ...) _printf_(5, 6);
#define account_say(n, level, ...) account_table_log(n, level, NULL, __FILE__, __VA_ARGS__)
#define account_event(n, level, id, ...) account_table_log(n, level, id, __FILE__, __VA_ARGS__)

AccountTable *account_table_free(AccountTable *t);
DEFINE_TRIVIAL_CLEANUP_FUNC(AccountTable *, account_table_free);
