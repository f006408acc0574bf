/* SPDX-License-Identifier: MIT */
#pragma once

#include "buf.h"
#include "clock.h"

/* AWS Signature Version 4, as a header or in the query. Pure: values and the time in, text out. The three
 * stages are public so that tests can hold each against AWS's published vectors.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html */

/* Credentials; the strings belong to somebody else. */
typedef struct AwsKeys {
        const char *access_key_id;
        const char *secret_access_key;
        const char *session_token; /* NULL: none */
} AwsKeys;

typedef struct AwsHeader {
        const char *name;  /* in any case */
        const char *value; /* blanks around it and runs of them in it do not matter */
} AwsHeader;

/* The request exactly as it goes over the wire. */
typedef struct AwsRequest {
        const char *method;
        const char *path;  /* canonical already: percent-encoded, no dot segments; "/" for ECR and STS */
        const char *query; /* canonical already: names sorted, encoded; "" for none */
        const AwsHeader *headers; /* those to sign; Host and X-Amz-Date have to be there */
        size_t n_headers;         /* at most AWS_SIGV4_HEADERS_MAX */
        const void *body;
        size_t body_size;
} AwsRequest;

#define AWS_SIGV4_HEADERS_MAX 16U

typedef struct AwsScope {
        const char *region;
        const char *service;
        usec_t time; /* what X-Amz-Date says; the scope's date is taken from it */
} AwsScope;

/* A parameter of the query, not encoded. */
typedef struct AwsParameter {
        const char *name;
        const char *value;
} AwsParameter;

#define AWS_SIGV4_PARAMETERS_MAX 16U

/* Appends the canonical query that these make in any order, which goes over the wire as it is. Returns 0,
 * -EINVAL for too many, -EMSGSIZE or -ENOMEM. */
int aws_sigv4_query(const AwsParameter *parameters, size_t n, Buf *b);

/* Appends the canonical request to b, and the names of the signed headers to signed_headers. */
int aws_sigv4_canonical_request(const AwsRequest *request, Buf *b, Buf *signed_headers);

/* Appends the string to sign. */
int aws_sigv4_string_to_sign(const AwsScope *scope, const Buf *canonical_request, Buf *b);

/* Appends the value of the Authorization header for the whole. All three return 0, -EINVAL for too many
 * headers, -EMSGSIZE when b is too small, -ENOMEM or -EIO. */
int aws_sigv4_authorization(const AwsRequest *request, const AwsScope *scope, const AwsKeys *keys, Buf *b);

/* Who signs when it is not a secret key: IAM Roles Anywhere takes the signature of a certificate's key. */
typedef struct AwsSigner {
        const char *algorithm;  /* "AWS4-X509-RSA-SHA256" */
        const char *credential; /* the serial number of the certificate, in decimal */
        /* Appends the signature of n bytes, in hexadecimal; what it returns below 0 is passed on. */
        int (*sign)(void *userdata, const void *p, size_t n, Buf *hex);
        void *userdata;
} AwsSigner;

/* As aws_sigv4_string_to_sign() and aws_sigv4_authorization(), for such a signer. */
int aws_sigv4_string_to_sign_x509(const AwsScope *scope, const AwsSigner *signer,
                                  const Buf *canonical_request, Buf *b);
int aws_sigv4_authorization_x509(const AwsRequest *request, const AwsScope *scope, const AwsSigner *signer,
                                 Buf *b);

/* What is in a query besides its signature. */
typedef struct AwsPresign {
        const AwsParameter *parameters; /* none of those that start with X-Amz- */
        size_t n_parameters;            /* at most AWS_SIGV4_PRESIGN_PARAMETERS_MAX */
        unsigned expires;               /* seconds */
} AwsPresign;

/* The rest are the signature's. */
#define AWS_SIGV4_PRESIGN_PARAMETERS_MAX (AWS_SIGV4_PARAMETERS_MAX - 6U)

/* Appends a query that holds its own signature, so that its URL can be handed on and used until it expires,
 * by whoever sends the headers that are signed. request is as above, but its query is not looked at, and
 * X-Amz-Date is no header. b gets the session token. Returns as aws_sigv4_authorization().
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html#create-signed-request-query-api
 */
int aws_sigv4_presign(const AwsRequest *request, const AwsPresign *presign, const AwsScope *scope,
                      const AwsKeys *keys, Buf *b);
