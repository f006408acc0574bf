/* SPDX-License-Identifier: MIT */
#pragma once

#include "util.h"

/* SHA-256 and HMAC-SHA-256, from OpenSSL, whose headers only hash, http-peer and x509 include. */

#define HASH_SHA256_SIZE 32U
#define HASH_SHA256_HEX_MAX (2 * HASH_SHA256_SIZE + 1)

/* Each returns 0, or -EIO if OpenSSL fails (memory, or a provider without SHA-256). */
int hash_sha256(const void *p, size_t n, uint8_t ret[static HASH_SHA256_SIZE]);
int hash_sha256_hex(const void *p, size_t n, char ret[static HASH_SHA256_HEX_MAX]);
int hash_hmac_sha256(const void *key, size_t key_size, const void *p, size_t n,
                     uint8_t ret[static HASH_SHA256_SIZE]);
