/* SPDX-License-Identifier: MIT */
#pragma once

#include "account-table.h"

/* What is said of service accounts, and how loudly: a cause that many share is told of a few times only. */

typedef struct AccountLog {
        const char *secret_name; /* has to outlive this */
        bool denied;             /* it has been told that rights are missing */
        unsigned warnings;       /* about failures, in the interval that ends at */
        usec_t warnings_until;   /* CLOCK_BOOTTIME */
} AccountLog;

/* An account has been planned. */
void account_log_planned(const AccountLog *l, AccountNode *n);

/* It has been written as its plan says. */
void account_log_written(const AccountLog *l, AccountNode *n);

/* The write has failed, which is this account's affair and has been taken in; now is CLOCK_BOOTTIME. */
void account_log_failed(AccountLog *l, AccountNode *n, const KubeStatus *status, usec_t now);
