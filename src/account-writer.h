/* SPDX-License-Identifier: MIT */
#pragma once

#include "account-table.h"
#include "lanes.h"

#include <systemd/sd-event.h>

/* Plans what is dirty among the service accounts and writes what is planned. What is there no more, and what
 * eatr has nothing to do with, leaves the table when it is planned. */

typedef struct AccountWriter AccountWriter;

typedef struct AccountWriterConfig {
        const char *secret_name;
        AccountRules rules;
        bool dry_run; /* say what would be written, and write nothing */
} AccountWriterConfig;

typedef struct AccountStats {
        uint64_t added;     /* entries, those of accounts that were created with it among them */
        uint64_t removed;   /* entries taken out */
        uint64_t failed;    /* writes that failed */
        uint64_t conflicts; /* writes that somebody else's was ahead of; none of them is lost */
} AccountStats;

/* How many accounts that are to have the entry, or to lose it, are in which state. */
typedef struct AccountSummary {
        unsigned good;    /* as they are to be */
        unsigned pending; /* their turn has not come */
        unsigned failing; /* the last write failed */
        unsigned fought;  /* somebody keeps taking the entry out */
} AccountSummary;

/* Something that is worth showing changed. May not free the writer. */
typedef void (*account_writer_changed_t)(void *userdata);

/* What it works with. */
typedef struct AccountWriterParts {
        AccountTable *table;
        KubeClient *client;
        Lanes *lanes; /* which the writer becomes a user of */
} AccountWriterParts;

/* What is handed in, and what config points to, has to outlive the writer. Returns 0 or a negative errno. */
int account_writer_new(sd_event *event, const AccountWriterConfig *config, const AccountWriterParts *parts,
                       account_writer_changed_t changed, void *userdata, AccountWriter **ret);

/* Takes another configuration, whose secret_name has to be the same; every account is dirty. */
void account_writer_reload(AccountWriter *w, const AccountWriterConfig *config);

/* Counts on from what another one has counted. */
void account_writer_take_over(AccountWriter *w, const AccountWriter *old);

/* No write begins any more; changed is called as those that are under way end. */
void account_writer_stop(AccountWriter *w);

/* Has a node planned, soon. */
void account_writer_mark_dirty(AccountWriter *w, AccountNode *n);

/* Whether eatr may create accounts, as far as is known. */
bool account_writer_may_create(const AccountWriter *w);

/* Whether each account is as it is to be, or cannot be for want of rights, or has so many tries behind it.
 */
bool account_writer_settled(const AccountWriter *w, unsigned tries);

void account_writer_summary(const AccountWriter *w, AccountSummary *ret);
const AccountStats *account_writer_stats(const AccountWriter *w);

/* Whether a node that should have been looked at has not been, for long. now is CLOCK_BOOTTIME. */
bool account_writer_stalled(const AccountWriter *w, usec_t now);

/* The table has to be freed before, as it holds its requests, and the lanes must not be used after. */
AccountWriter *account_writer_free(AccountWriter *w);
DEFINE_TRIVIAL_CLEANUP_FUNC(AccountWriter *, account_writer_free);
