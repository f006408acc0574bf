/* SPDX-License-Identifier: MIT */
#pragma once

#include "account-writer.h"

/* The service accounts of one cluster: watches them, and has those that are to name the Secret in
 * imagePullSecrets do so. Whoever watches the namespaces tells of them. Without a glob of accounts, and
 * without a purge, it sends nothing.
 *
 * Whole objects are watched, as their metadata does not say what is in imagePullSecrets. Where one account
 * is named, and none ever loses its entry, only those of that name are. */

typedef struct Accounts Accounts;

typedef struct AccountsConfig {
        KubeAuth *auth;
        AccountWriterConfig writer;
} AccountsConfig;

typedef struct AccountsParts {
        KubeClient *client; /* for writes */
        Lanes *lanes;       /* which become theirs, too */
        KubeStats *stats;
} AccountsParts;

/* Something that is worth showing changed. May not free the accounts. */
typedef void (*accounts_changed_t)(void *userdata);

/* What is handed in, and what config points to, has to outlive the accounts. Begins at once. Returns 0 or a
 * negative errno. */
int accounts_new(sd_event *event, const AccountsConfig *config, const AccountsParts *parts,
                 accounts_changed_t changed, void *userdata, Accounts **ret);

/* Takes another configuration, whose auth and writer.secret_name have to be the same; what the old one
 * points to must still be there. If other accounts are meant now, all are read anew, and every namespace has
 * to be told of again. Where no account is meant any more, entries go if that is said, and then the watch
 * ends. */
void accounts_reload(Accounts *a, const AccountsConfig *config);

/* Counts on from what another one has counted. */
void accounts_take_over(Accounts *a, const Accounts *old);

/* A namespace is there, or its verdict is another one. appeared: a watch has just shown that it is new, so
 * that the account called default is made with the entry before the cluster's controllers make one without.
 */
void accounts_namespace(Accounts *a, const char *name, MatchVerdict verdict, bool appeared);
void accounts_namespace_gone(Accounts *a, const char *name);

/* See account_writer_stop() and kube_watch_hurry(). */
void accounts_stop(Accounts *a);
void accounts_hurry(Accounts *a);

/* Whether everything that could be done now has been tried, so many times if it failed, but once for want of
 * rights. */
bool accounts_settled(const Accounts *a, unsigned tries);

/* Why service accounts cannot be read at the moment, "" if they can. */
const char *accounts_error(const Accounts *a);

/* Those that eatr has to do with. */
const AccountTable *accounts_table(const Accounts *a);

void accounts_summary(const Accounts *a, AccountSummary *ret);
const AccountStats *accounts_stats(const Accounts *a);

/* See kube_watch_restarts() and kube_watch_relists(). */
uint64_t accounts_watch_restarts(const Accounts *a);
uint64_t accounts_relists(const Accounts *a);

/* Whether something is long overdue. now is CLOCK_BOOTTIME. */
bool accounts_stalled(const Accounts *a, usec_t now);

/* The client has to be freed after, and the lanes must not be used after. */
Accounts *accounts_free(Accounts *a);
DEFINE_TRIVIAL_CLEANUP_FUNC(Accounts *, accounts_free);
