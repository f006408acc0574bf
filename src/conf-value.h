/* SPDX-License-Identifier: MIT */
#pragma once

#include "conf-error.h"

/* Single values of the configuration: a string in, a checked value or a sentence out. What a value is for,
 * and where it comes from, is not known here. Pure. */

/* One of the words that a value may be, and what it stands for. */
typedef struct ConfValueWord {
        const char *word;
        unsigned value;
        bool alias; /* another spelling, which errors do not offer */
} ConfValueWord;

/* What besides the string decides. */
typedef struct ConfValueRule {
        const char *directory;      /* where relative paths start; NULL: the working directory */
        uint64_t least, most;       /* bounds of numbers and, in microseconds, of intervals */
        const ConfValueWord *words; /* up to one without a word */
} ConfValueRule;

/* Where to listen. */
typedef struct ConfListen {
        char *address; /* numeric IPv4 or IPv6 address without brackets; NULL: off */
        uint16_t port;
} ConfListen;

/* A function for each kind of value, all of one type, so that a table can name them. value is not empty;
 * field points to what is given with each. What was there is freed. Returns 0, or -EINVAL or -ENOMEM with
 * the sentence in *error; a list may have grown then. */
typedef int ConfValueParse(const ConfValueRule *rule, const char *value, void *field, ConfError *error);

/* char *: any text; what can be part of a header, and may be a secret; the name of a region of AWS; that of
 * a Secret; the same with its namespace before it, NAMESPACE/NAME; a path, made absolute; a URL whose host
 * may be sent AWS's keys, without slashes at its end */
ConfValueParse conf_value_string, conf_value_credential, conf_value_region, conf_value_secret_name,
        conf_value_secret, conf_value_path, conf_value_url;
/* char *: what names a role of IAM, and a trust anchor and a profile of IAM Roles Anywhere; the external ID
 * and the name of a role's session */
ConfValueParse conf_value_role_arn, conf_value_trust_anchor_arn, conf_value_profile_arn,
        conf_value_external_id, conf_value_session_name;
/* bool */
ConfValueParse conf_value_bool;
/* unsigned, or an enum without negative members: what the rule's word stands for, in any case of letters */
ConfValueParse conf_value_word;
/* unsigned, or an int that is not negative */
ConfValueParse conf_value_number;
/* usec_t; the second takes "auto", too, which is 0 */
ConfValueParse conf_value_interval, conf_value_interval_or_auto;
/* ConfListen */
ConfValueParse conf_value_listen;
/* char **, NULL-terminated: hosts of registries, each HOST or HOST:PORT, which are added to what is there;
 * no more than the rule's most */
ConfValueParse conf_value_hosts;

/* For lists of other things: calls add with each item between commas, without the blanks around it; and adds
 * one, of which there may be so many. Return as a ConfValueParse. */
typedef int ConfValueAddItem(const ConfValueRule *rule, char ***list, const char *item, ConfError *error);
int conf_value_items(const ConfValueRule *rule, const char *value, char ***list, ConfValueAddItem *add,
                     ConfError *error);
int conf_value_list_add(char ***list, const char *item, size_t most, ConfError *error);

/* Refuses what somebody may write around a value who takes it for another format: quotation marks, and a
 * comment behind it. A command line has quotation marks of its own. Returns as a ConfValueParse. */
int conf_value_check_plain(const char *value, bool command, ConfError *error);
