/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "encode.h"
#include "hash.h"

#include <errno.h>
#include <limits.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

int hash_sha256(const void *p, size_t n, uint8_t ret[static HASH_SHA256_SIZE])
{
        return EVP_Digest(p, n, ret, NULL, EVP_sha256(), NULL) == 1 ? 0 : -EIO;
}

int hash_sha256_hex(const void *p, size_t n, char ret[static HASH_SHA256_HEX_MAX])
{
        uint8_t digest[HASH_SHA256_SIZE];
        int r;

        r = hash_sha256(p, n, digest);
        if (r < 0)
                return r;
        (void) encode_hex(ret, digest, sizeof(digest));
        return 0;
}

int hash_hmac_sha256(const void *key, size_t key_size, const void *p, size_t n,
                     uint8_t ret[static HASH_SHA256_SIZE])
{
        unsigned size = HASH_SHA256_SIZE;

        if (key_size > INT_MAX)
                return -EIO;
        return HMAC(EVP_sha256(), key, (int) key_size, p, n, ret, &size) ? 0 : -EIO;
}
