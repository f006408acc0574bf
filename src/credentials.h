/* SPDX-License-Identifier: MIT */
#pragma once

#include "aws-fetch.h"

/* The credentials of one identity: fetched when a call needs them, role by role, kept while they have five
 * minutes left, and shared by every registry that has the same. */

typedef struct Credentials Credentials;
typedef struct CredentialsRequest CredentialsRequest;

/* What is handed in has to outlive them. Returns 0 or a negative errno. */
int credentials_new(sd_event *event, AwsState *state, const AwsSource *source, const AwsPlaces *places,
                    Credentials **ret);

/* Asks for credentials that are good now. done is called once, from the event loop, unless the request is
 * freed first; it may free the request. Requests at the same time share what is fetched. Returns 0 or
 * -ENOMEM. */
int credentials_get(Credentials *c, aws_fetch_done_t done, void *userdata, CredentialsRequest **ret);
CredentialsRequest *credentials_request_free(CredentialsRequest *q);

/* To be told of credentials that AWS did not take, or might not. Returns whether the next request can bring
 * others: the whole chain is then fetched anew. */
bool credentials_drop(Credentials *c, const AwsCredentials *which);

/* Hands in the keys of AWS_SOURCE_CLUSTER_SECRET, which others read: keys, or NULL and why there are none.
 * Requests wait until the first time. What was there stays if there is nothing new. Returns whether who uses
 * them had better ask anew: there are keys in place of others or of none, or at last, and the time of
 * requests counts from then. */
bool credentials_put(Credentials *c, AwsCredentials *keys, const char *problem);

/* Whether requests wait for credentials_put(): that is not this host's, nor AWS's doing. */
bool credentials_waiting(const Credentials *c);

const AwsSource *credentials_source(const Credentials *c);

/* When what was fetched last expires, on AWS's clock; 0: not known. */
usec_t credentials_expiry(const Credentials *c);

/* The longest that a request takes, but for waiting. */
usec_t credentials_fetch_max(const Credentials *c);

/* All requests have to be freed before. */
Credentials *credentials_free(Credentials *c);
DEFINE_TRIVIAL_CLEANUP_FUNC(Credentials *, credentials_free);
