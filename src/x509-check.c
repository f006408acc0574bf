/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "x509-check.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

/* Stands in for the terminal. */
static int refuse_password(char *buffer, int size, int writing, void *userdata)
{
        return -1;
}

/* The first certificate that can be read; NULL: there is none. */
static X509 *find_anchor(BIO *bio)
{
        for (;;) {
                X509 *x = PEM_read_bio_X509(bio, NULL, refuse_password, NULL);

                if (x || BIO_eof(bio) || ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE)
                        return x;
                ERR_clear_error();
        }
}

bool x509_check_anchors(const char *pem)
{
        BIO *bio = BIO_new_mem_buf(pem, -1);
        X509 *x = bio ? find_anchor(bio) : NULL;

        X509_free(x);
        BIO_free(bio);
        ERR_clear_error();
        return x;
}

const char *x509_check_pair(const char *certificate, const char *key)
{
        BIO *certificate_bio = BIO_new_mem_buf(certificate, -1), *key_bio = BIO_new_mem_buf(key, -1);
        X509 *x = certificate_bio ? PEM_read_bio_X509(certificate_bio, NULL, refuse_password, NULL) : NULL;
        EVP_PKEY *k = key_bio ? PEM_read_bio_PrivateKey(key_bio, NULL, refuse_password, NULL) : NULL;
        const char *problem = NULL;

        if (!x)
                problem = "there is no certificate in it that can be read";
        else if (!k)
                problem = "there is no private key beside it that can be read";
        else if (X509_check_private_key(x, k) != 1)
                problem = "the private key beside it is another one's";
        EVP_PKEY_free(k);
        X509_free(x);
        BIO_free(key_bio); /* it had the caller's memory */
        BIO_free(certificate_bio);
        ERR_clear_error();
        return problem;
}
