/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "encode.h"
#include "hash.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* FIPS 180-4's examples, from NIST's example values and RFC 6234. */
static void test_sha256_published_vectors(void **state)
{
        static const char *const vectors[][2] = {
                { "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
                { "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
                { "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
                { "{}", "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a" },
        };
        uint8_t digest[HASH_SHA256_SIZE];
        char hex[HASH_SHA256_HEX_MAX], hex2[HASH_SHA256_HEX_MAX];

        for (size_t i = 0; i < ELEMENTSOF(vectors); i++) {
                assert_int_equal(hash_sha256(vectors[i][0], strlen(vectors[i][0]), digest), 0);
                assert_string_equal(encode_hex(hex, digest, sizeof(digest)), vectors[i][1]);
                assert_int_equal(hash_sha256_hex(vectors[i][0], strlen(vectors[i][0]), hex2), 0);
                assert_string_equal(hex2, vectors[i][1]);
        }
}

static void test_sha256_of_a_million_a(void **state)
{
        _cleanup_free_ char *a = malloc(1000000);
        char hex[HASH_SHA256_HEX_MAX];

        assert_non_null(a);
        memset(a, 'a', 1000000);
        assert_int_equal(hash_sha256_hex(a, 1000000, hex), 0);
        assert_string_equal(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void test_nothing_may_be_null(void **state)
{
        uint8_t digest[HASH_SHA256_SIZE];
        char hex[HASH_SHA256_HEX_MAX];

        assert_int_equal(hash_sha256_hex(NULL, 0, hex), 0);
        assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        /* HMAC-SHA-256 of nothing with an empty key, from Python's hmac. */
        assert_int_equal(hash_hmac_sha256("", 0, NULL, 0, digest), 0);
        assert_string_equal(encode_hex(hex, digest, sizeof(digest)),
                            "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

/* A string of one byte many times over, which is how RFC 4231 gives most of its keys and data. */
#define REPEATED(byte, times) (const char[]){ [0 ...(times) - 1] = (byte) }, times
#define TEXT(s) s, sizeof(s) - 1

/* RFC 4231, 4; of case 5 it publishes the first 128 bits only. */
static const struct {
        const char *key;
        size_t key_size;
        const char *data;
        size_t data_size;
        const char *expected;
} rfc4231[] = {
        { REPEATED(0x0b, 20), TEXT("Hi There"),
          "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
        { TEXT("Jefe"), TEXT("what do ya want for nothing?"),
          "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
        { REPEATED((char) 0xaa, 20), REPEATED((char) 0xdd, 50),
          "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe" },
        { TEXT("\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17"
               "\x18\x19"),
          REPEATED((char) 0xcd, 50), "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b" },
        { REPEATED(0x0c, 20), TEXT("Test With Truncation"), "a3b6167473100ee06e0c796c2955552b" },
        { REPEATED((char) 0xaa, 131), TEXT("Test Using Larger Than Block-Size Key - Hash Key First"),
          "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54" },
        { REPEATED((char) 0xaa, 131),
          TEXT("This is a test using a larger than block-size key and a larger than block-size data. The "
               "key "
               "needs to be hashed before being used by the HMAC algorithm."),
          "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2" },
};

static void test_hmac_rfc4231_vectors(void **state)
{
        uint8_t digest[HASH_SHA256_SIZE];
        char hex[HASH_SHA256_HEX_MAX];

        for (size_t i = 0; i < ELEMENTSOF(rfc4231); i++) {
                assert_int_equal(hash_hmac_sha256(rfc4231[i].key, rfc4231[i].key_size, rfc4231[i].data,
                                                  rfc4231[i].data_size, digest),
                                 0);
                assert_memory_equal(encode_hex(hex, digest, sizeof(digest)), rfc4231[i].expected,
                                    strlen(rfc4231[i].expected));
        }
}

/* As aws-sigv4.c derives its key: each result is the next one's key and lies where that one goes. */
static void test_hmac_key_may_be_the_result(void **state)
{
        static const char *const parts[] = { "20150830", "us-east-1", "iam", "aws4_request" };
        static const char secret[] = "AWS4wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        uint8_t key[HASH_SHA256_SIZE];
        char hex[HASH_SHA256_HEX_MAX];

        assert_int_equal(hash_hmac_sha256(secret, strlen(secret), parts[0], strlen(parts[0]), key), 0);
        for (size_t i = 1; i < ELEMENTSOF(parts); i++)
                assert_int_equal(hash_hmac_sha256(key, sizeof(key), parts[i], strlen(parts[i]), key), 0);
        /* Published in AWS's guide to deriving a signing key. */
        assert_string_equal(encode_hex(hex, key, sizeof(key)),
                            "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9");
}

static void test_hmac_refuses_a_key_that_openssl_cannot_count(void **state)
{
        uint8_t digest[HASH_SHA256_SIZE];

        assert_int_equal(hash_hmac_sha256("k", (size_t) INT_MAX + 1, "", 0, digest), -EIO);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_sha256_published_vectors),
                cmocka_unit_test(test_sha256_of_a_million_a),
                cmocka_unit_test(test_nothing_may_be_null),
                cmocka_unit_test(test_hmac_rfc4231_vectors),
                cmocka_unit_test(test_hmac_key_may_be_the_result),
                cmocka_unit_test(test_hmac_refuses_a_key_that_openssl_cannot_count),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
