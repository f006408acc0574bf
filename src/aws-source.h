/* SPDX-License-Identifier: MIT */
#pragma once

#include "clock.h"

/* Where AWS credentials come from, once every file that says so is read: a beginning, and the roles that
 * are assumed from there, one with the credentials of the other. A value; nothing is fetched here. */

typedef enum AwsSourceKind {
        AWS_SOURCE_STATIC,         /* keys that are there already */
        AWS_SOURCE_PROCESS,        /* a program prints them */
        AWS_SOURCE_WEB_IDENTITY,   /* STS gives them for a token of an identity provider */
        AWS_SOURCE_ROLES_ANYWHERE, /* IAM Roles Anywhere gives them for a certificate */
        AWS_SOURCE_CONTAINER,      /* the endpoint that the environment names */
        AWS_SOURCE_IMDS,           /* EC2's instance metadata service, version 2 */
        AWS_SOURCE_CLUSTER_SECRET, /* they lie in a Secret of the cluster */
        _AWS_SOURCE_KIND_MAX,
} AwsSourceKind;

/* A word for messages and metrics: "static", "process", ... */
const char *aws_source_kind_to_string(AwsSourceKind k);

/* A role to assume; the strings belong to it. Sessions of STS last an hour unless told otherwise. */
typedef struct AwsRole {
        char *arn;
        char *external_id;  /* NULL: none */
        char *session_name; /* NULL: eatr's own */
        unsigned duration;  /* seconds, 900 to 43200; 0: what AWS takes by itself */
} AwsRole;

typedef struct AwsSource {
        AwsSourceKind kind;
        char *origin; /* for people: "credential_process", "profile ci in /etc/eatr/credentials" */

        /* The beginning, by kind; what is not the kind's own is NULL. */
        struct {
                char *access_key_id, *secret_access_key, *session_token;
                usec_t expires; /* CLOCK_REALTIME, if known; else 0 */
        } keys;
        char *process;    /* the command line */
        char *token_file; /* of the web identity; read for each call */
        struct {
                char *certificate, *private_key, *chain; /* PEM files; chain may be NULL */
                char *trust_anchor_arn, *profile_arn;
        } anywhere;
        struct {
                char *url;                /* of the container's endpoint */
                char *token, *token_file; /* for its Authorization; NULL: none */
        } container;
        char *secret; /* NAMESPACE/NAME */
        AwsRole role; /* that of a web identity or of Roles Anywhere; for other kinds arn is NULL */

        AwsRole *roles; /* assumed after that, first to last */
        size_t n_roles;

        char *region;       /* what a profile says besides; NULL: nothing */
        char *endpoint_url; /* the same, for each service of AWS */
} AwsSource;

/* All zero, kind AWS_SOURCE_STATIC. NULL when memory is out. */
AwsSource *aws_source_new(void);

/* Puts a copy of role behind the last, or with first before the first. Returns 0 or -ENOMEM. */
int aws_source_add_role(AwsSource *s, const AwsRole *role, bool first);

/* Copies each string. Returns 0 or -ENOMEM, and then *ret is empty. */
int aws_role_copy(const AwsRole *role, AwsRole *ret);
void aws_role_done(AwsRole *role);

/* Wipes and frees it. */
AwsSource *aws_source_free(AwsSource *s);
DEFINE_TRIVIAL_CLEANUP_FUNC(AwsSource *, aws_source_free);

/* Where the services are that give credentials; URLs without a trailing slash. */
typedef struct AwsPlaces {
        char *region; /* of STS */
        char *sts_url;
        char *anywhere_url;
        char *imds_url;
        char *ca_bundle; /* of whom to trust in these calls; NULL: the system's */
} AwsPlaces;

/* Frees what is in it. */
void aws_places_done(AwsPlaces *p);
