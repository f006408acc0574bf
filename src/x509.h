/* SPDX-License-Identifier: MIT */
#pragma once

#include "buf.h"
#include "clock.h"

/* A certificate, its private key and its chain, with which a request is signed as IAM Roles Anywhere wants
 * it; and how long certificates are good for.
 * https://docs.aws.amazon.com/rolesanywhere/latest/userguide/authentication-sign-process.html */

#define X509_ERROR_MAX 1024U
#define X509_FILE_MAX (256U * 1024) /* bytes of one file */
#define X509_CHAIN_MAX 8U           /* certificates besides the one that signs */

/* What is read-only for others; the strings are the identity's own. */
typedef struct X509Identity {
        char *serial;          /* of the certificate, in decimal */
        char *certificate;     /* base64 of its DER */
        char *chain;           /* the same of the chain's, joined with commas; NULL: none */
        const char *algorithm; /* "AWS4-X509-RSA-SHA256" or "AWS4-X509-ECDSA-SHA256" */
        usec_t not_before;     /* from when to when the certificate is valid, on CLOCK_REALTIME */
        usec_t not_after;
        struct evp_pkey_st *key;
} X509Identity;

/* Reads PEM files. The certificate that signs comes first in its file; what follows it there begins the
 * chain, and chain_path (NULL: none) goes on with it; none is there twice. The key is RSA of 2048 bits and
 * more, or EC on P-256, P-384 or P-521, in PKCS#8 or its older form, not encrypted, and belongs to the
 * certificate. Whether the certificate is valid now is not looked at. The caller frees *ret. Returns 0,
 * -EINVAL, -EPERM (everybody can open the key), -ENOMEM, or what file_read() says, with a sentence in error
 * that names the file, but for -ENOMEM. */
int x509_identity_load(const char *certificate_path, const char *key_path, const char *chain_path,
                       X509Identity **ret, char error[static X509_ERROR_MAX]);

/* Wipes the key; NULL is fine. Always returns NULL. */
X509Identity *x509_identity_free(X509Identity *i);
DEFINE_TRIVIAL_CLEANUP_FUNC(X509Identity *, x509_identity_free);
#define _cleanup_x509_identity_ _cleanup_(x509_identity_freep)

/* Signs SHA-256 of n bytes, with RSA as PKCS#1 v1.5, with EC as DER of ECDSA, and appends that in lower-case
 * hexadecimal. Returns 0, -EIO if OpenSSL fails, or as buf_append(). */
int x509_identity_sign(const X509Identity *i, const void *p, size_t n, Buf *hex);

/* When the first of the certificates in a PEM file ends, on CLOCK_REALTIME. Keys and the like beside them
 * are passed over. Returns 0, or an error as x509_identity_load(). */
int x509_certificate_expiry(const char *path, usec_t *ret, char error[static X509_ERROR_MAX]);

/* The same for text, which the error calls label. */
int x509_certificate_expiry_of(const char *text, const char *label, usec_t *ret,
                               char error[static X509_ERROR_MAX]);
