/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "key-pair.h"
#include "util.h"

#include <openssl/err.h>
#include <openssl/pem.h>

static inline void bio_freep(BIO **b)
{
        BIO_free_all(*b);
}

static inline void x509_freep(X509 **x)
{
        X509_free(*x);
}

static inline void key_freep(EVP_PKEY **k)
{
        EVP_PKEY_free(*k);
}

/* Asks nobody for a passphrase. */
static int no_passphrase(char *buffer, int size, int writing, void *userdata)
{
        return -1;
}

const char *key_pair_problem(const char *certificate, const char *key)
{
        _cleanup_(bio_freep) BIO *first = BIO_new_mem_buf(certificate, -1), *second = BIO_new_mem_buf(key, -1);
        _cleanup_(key_freep) EVP_PKEY *k = NULL;
        _cleanup_(x509_freep) X509 *c = NULL;
        const char *problem = NULL;

        if (!first || !second)
                return "memory is out";
        c = PEM_read_bio_X509(first, NULL, no_passphrase, NULL);
        k = PEM_read_bio_PrivateKey(second, NULL, no_passphrase, NULL);
        if (!c)
                problem = "the client certificate is no certificate in PEM";
        else if (!k)
                problem = "the client key is no private key in PEM that needs no passphrase";
        else if (X509_check_private_key(c, k) != 1)
                problem = "the client key is not that of the client certificate";
        ERR_clear_error();
        return problem;
}
