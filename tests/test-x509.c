/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "encode.h"
#include "folder.h"
#include "x509-fixtures.h"
#include "x509.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

static char error[X509_ERROR_MAX];

/* What OpenSSL makes as PEM. */

typedef enum Form {
        PKCS8,
        TRADITIONAL,
        ENCRYPTED_PKCS8,
        ENCRYPTED_TRADITIONAL,
} Form;

static char *steal_text(BIO *bio)
{
        char *p, *text;
        long n = BIO_get_mem_data(bio, &p);

        assert_true(n > 0);
        text = strndup(p, (size_t) n);
        BIO_free(bio);
        return text;
}

static char *key_text(EVP_PKEY *key, Form form)
{
        const EVP_CIPHER *cipher = form >= ENCRYPTED_PKCS8 ? EVP_aes_128_cbc() : NULL;
        BIO *bio = BIO_new(BIO_s_mem());
        char password[] = "secret";

        if (form == PKCS8 || form == ENCRYPTED_PKCS8)
                assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, key, cipher, password, 6, NULL, NULL),
                                 1);
        else
                assert_int_equal(PEM_write_bio_PrivateKey_traditional(
                                         bio, key, cipher, (unsigned char *) password, 6, NULL, NULL),
                                 1);
        return steal_text(bio);
}

/* A certificate that has signed itself, valid for the seconds from zero to end. */
static char *certificate_text(EVP_PKEY *key, const EVP_MD *digest, int64_t end)
{
        X509 *x = X509_new();
        BIO *bio = BIO_new(BIO_s_mem());

        assert_int_equal(X509_set_version(x, 2), 1);
        assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(x), 1), 1);
        assert_non_null(ASN1_TIME_set(X509_getm_notBefore(x), 0));
        assert_non_null(ASN1_TIME_set(X509_getm_notAfter(x), (time_t) end));
        assert_int_equal(X509_set_pubkey(x, key), 1);
        assert_int_not_equal(X509_sign(x, key, digest), 0);
        assert_int_equal(PEM_write_bio_X509(bio, x), 1);
        X509_free(x);
        return steal_text(bio);
}

static EVP_PKEY *read_key(const char *pem)
{
        BIO *bio = BIO_new_mem_buf(pem, -1);
        EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);

        assert_non_null(key);
        BIO_free(bio);
        return key;
}

static void put_der(const char *name, const char *base64)
{
        void *der = NULL;
        size_t size;

        assert_int_equal(decode_base64(base64, &der, &size), 0);
        folder_put_bytes(name, der, size);
        free(der);
}

static int set_up(void **state)
{
        if (folder_set_up(state) < 0)
                return -1;
        folder_put("rsa.pem", FIXTURE_RSA);
        folder_put("rsa.key", FIXTURE_RSA_KEY);
        folder_put("ec.pem", FIXTURE_EC);
        folder_put("ec.key", FIXTURE_EC_KEY);
        folder_put("chain.pem", FIXTURE_INTERMEDIATE);
        return 0;
}

static X509Identity *load(const char *certificate, const char *key, const char *chain)
{
        X509Identity *i = NULL;
        int r = x509_identity_load(certificate, key, chain, &i, error);

        if (r < 0)
                print_error("%s\n", error);
        assert_int_equal(r, 0);
        assert_string_equal(error, "");
        assert_int_equal(ERR_peek_error(), 0);
        return i;
}

static void check_refused(const char *certificate, const char *key, const char *chain, int expected,
                          const char *text)
{
        X509Identity *i = NULL;

        memset(error, 'x', sizeof(error));
        assert_int_equal(x509_identity_load(certificate, key, chain, &i, error), expected);
        assert_string_equal(error, text);
        assert_null(i);
        assert_int_equal(ERR_peek_error(), 0);
}

/* Whether hex is the signature of the text by that certificate's key. */
static bool is_signed(const char *pem, const char *hex, const char *text)
{
        BIO *bio = BIO_new_mem_buf(pem, -1);
        X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
        EVP_MD_CTX *context = EVP_MD_CTX_new();
        long size = 0;
        unsigned char *signature = OPENSSL_hexstr2buf(hex, &size);
        bool good;

        assert_non_null(signature);
        assert_int_equal(EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, X509_get0_pubkey(x)), 1);
        good = EVP_DigestVerify(context, signature, (size_t) size, (const unsigned char *) text,
                                strlen(text)) == 1;
        OPENSSL_free(signature);
        EVP_MD_CTX_free(context);
        X509_free(x);
        BIO_free(bio);
        ERR_clear_error();
        return good;
}

static void check_signs(const X509Identity *i, const char *pem)
{
        _cleanup_buf_ Buf hex = BUF_INIT(4096);

        assert_int_equal(x509_identity_sign(i, "abc", 3, &hex), 0);
        assert_true(is_signed(pem, buf_str(&hex), "abc"));
        assert_false(is_signed(pem, buf_str(&hex), "abd"));
        assert_int_equal(strspn(buf_str(&hex), "0123456789abcdef"), hex.size);
}

static void test_rsa(void **state)
{
        _cleanup_x509_identity_ X509Identity *i = load("rsa.pem", "rsa.key", NULL);
        _cleanup_buf_ Buf hex = BUF_INIT(4096);

        assert_string_equal(i->algorithm, "AWS4-X509-RSA-SHA256");
        assert_string_equal(i->serial, FIXTURE_RSA_SERIAL);
        assert_string_equal(i->certificate, FIXTURE_RSA_BASE64);
        assert_null(i->chain);
        assert_int_equal(i->not_before, FIXTURE_RSA_NOT_BEFORE * USEC_PER_SEC);
        assert_int_equal(i->not_after, FIXTURE_RSA_NOT_AFTER * USEC_PER_SEC);
        assert_int_equal(buf_append_str(&hex, "before "), 0);
        assert_int_equal(x509_identity_sign(i, "abc", 3, &hex), 0);
        assert_string_equal(buf_str(&hex), "before " FIXTURE_RSA_SIGNATURE_OF_ABC);
        check_signs(i, FIXTURE_RSA);
}

static void test_ec(void **state)
{
        _cleanup_x509_identity_ X509Identity *i = load("ec.pem", "ec.key", NULL);

        assert_string_equal(i->algorithm, "AWS4-X509-ECDSA-SHA256");
        assert_string_equal(i->serial, FIXTURE_EC_SERIAL);
        assert_string_equal(i->certificate, FIXTURE_EC_BASE64);
        assert_null(i->chain);
        assert_int_equal(i->not_before, FIXTURE_EC_NOT_BEFORE * USEC_PER_SEC);
        assert_int_equal(i->not_after, FIXTURE_EC_NOT_AFTER * USEC_PER_SEC);
        check_signs(i, FIXTURE_EC);
        check_signs(i, FIXTURE_EC);
}

static void test_a_signature_has_to_fit(void **state)
{
        _cleanup_x509_identity_ X509Identity *i = load("rsa.pem", "rsa.key", NULL);
        _cleanup_buf_ Buf exact = BUF_INIT(512), small = BUF_INIT(511);

        assert_int_equal(x509_identity_sign(i, "abc", 3, &exact), 0);
        assert_int_equal(x509_identity_sign(i, "abc", 3, &small), -EMSGSIZE);
        assert_int_equal(small.size, 0);
}

static void test_the_chain_comes_from_both_files(void **state)
{
        static const char *const cases[][3] = {
                /* certificates, chain file, chain */
                { FIXTURE_RSA FIXTURE_INTERMEDIATE, NULL, FIXTURE_INTERMEDIATE_BASE64 },
                { FIXTURE_RSA, FIXTURE_INTERMEDIATE, FIXTURE_INTERMEDIATE_BASE64 },
                { FIXTURE_RSA, FIXTURE_INTERMEDIATE FIXTURE_CA,
                  FIXTURE_INTERMEDIATE_BASE64 "," FIXTURE_CA_BASE64 },
                { FIXTURE_RSA FIXTURE_INTERMEDIATE, FIXTURE_CA,
                  FIXTURE_INTERMEDIATE_BASE64 "," FIXTURE_CA_BASE64 },
                { FIXTURE_RSA FIXTURE_CA, FIXTURE_INTERMEDIATE,
                  FIXTURE_CA_BASE64 "," FIXTURE_INTERMEDIATE_BASE64 },
                /* Both are whole. */
                { FIXTURE_RSA FIXTURE_INTERMEDIATE, FIXTURE_RSA FIXTURE_INTERMEDIATE,
                  FIXTURE_INTERMEDIATE_BASE64 },
                { FIXTURE_RSA FIXTURE_RSA, FIXTURE_RSA, NULL },
        };

        for (size_t n = 0; n < ELEMENTSOF(cases); n++) {
                _cleanup_x509_identity_ X509Identity *i = NULL;

                folder_put("full.pem", cases[n][0]);
                if (cases[n][1])
                        folder_put("more.pem", cases[n][1]);
                i = load("full.pem", "rsa.key", cases[n][1] ? "more.pem" : NULL);
                assert_string_equal(i->certificate, FIXTURE_RSA_BASE64);
                if (cases[n][2])
                        assert_string_equal(i->chain, cases[n][2]);
                else
                        assert_null(i->chain);
        }
}

static void test_a_chain_has_its_length(void **state)
{
        EVP_PKEY *key = read_key(FIXTURE_EC_KEY);
        _cleanup_buf_ Buf b = BUF_INIT(X509_FILE_MAX);

        for (unsigned n = 1; n <= X509_CHAIN_MAX + 1; n++) {
                _cleanup_free_ char *text = certificate_text(key, EVP_sha256(), n);

                assert_int_equal(buf_append_str(&b, text), 0);
                folder_put("long.pem", buf_str(&b));
                if (n <= X509_CHAIN_MAX) {
                        _cleanup_x509_identity_ X509Identity *i = load("ec.pem", "ec.key", "long.pem");

                        assert_non_null(i->chain);
                }
        }
        check_refused("ec.pem", "ec.key", "long.pem", -EINVAL,
                      "long.pem: the chain is longer than 8 certificates");
        EVP_PKEY_free(key);
}

static void test_what_stands_around_pem_does_not_matter(void **state)
{
        _cleanup_x509_identity_ X509Identity *i = NULL, *one = NULL;

        folder_put("wordy.pem", "subject=/CN=x\r\n\n" FIXTURE_EC "\nissuer=" FIXTURE_CA "the end");
        folder_put("wordy.key", "# mine\n-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n"
                                "-----END EC PARAMETERS-----\n" FIXTURE_EC_KEY);
        i = load("wordy.pem", "wordy.key", NULL);
        assert_string_equal(i->certificate, FIXTURE_EC_BASE64);
        check_signs(i, FIXTURE_EC);
        /* All in one file, the key first or last. */
        folder_put("one", FIXTURE_EC_KEY FIXTURE_EC FIXTURE_CA);
        one = load("one", "one", "one");
        assert_string_equal(one->chain, FIXTURE_CA_BASE64);
        check_signs(one, FIXTURE_EC);
}

/* The key's other forms, and the other curves. */

static void check_key(EVP_PKEY *key, const char *algorithm)
{
        _cleanup_free_ char *certificate = certificate_text(key, EVP_sha256(), 4102444800);

        folder_put("new.pem", certificate);
        for (Form form = PKCS8; form <= TRADITIONAL; form++) {
                _cleanup_free_ char *text = key_text(key, form);
                _cleanup_x509_identity_ X509Identity *i = NULL;

                assert_true(form == PKCS8 || !strstr(text, "BEGIN PRIVATE KEY"));
                folder_put("new.key", text);
                i = load("new.pem", "new.key", NULL);
                assert_string_equal(i->algorithm, algorithm);
                assert_int_equal(i->not_before, 0);
                assert_int_equal(i->not_after, 4102444800 * USEC_PER_SEC);
                check_signs(i, certificate);
        }
        EVP_PKEY_free(key);
}

static void test_keys_that_are_taken(void **state)
{
        check_key(read_key(FIXTURE_RSA_KEY), "AWS4-X509-RSA-SHA256");
        check_key(EVP_EC_gen("P-256"), "AWS4-X509-ECDSA-SHA256");
        check_key(EVP_EC_gen("P-384"), "AWS4-X509-ECDSA-SHA256");
        check_key(EVP_EC_gen("P-521"), "AWS4-X509-ECDSA-SHA256");
}

static void check_key_refused(EVP_PKEY *key, const EVP_MD *digest, const char *text)
{
        _cleanup_free_ char *certificate = NULL, *key_pem = NULL;

        assert_non_null(key);
        certificate = certificate_text(key, digest, 4102444800);
        key_pem = key_text(key, PKCS8);
        folder_put("new.pem", certificate);
        folder_put("new.key", key_pem);
        check_refused("new.pem", "new.key", NULL, -EINVAL, text);
        EVP_PKEY_free(key);
}

static void test_keys_that_are_not_taken(void **state)
{
        static const char other[] =
                "new.key: a key of a kind that AWS does not take; it has to be RSA, or EC on "
                "P-256, P-384 or P-521";

        check_key_refused(EVP_RSA_gen(1024), EVP_sha256(),
                          "new.key: an RSA key of 1024 bits, which are too few; 2048 are enough");
        check_key_refused(EVP_EC_gen("secp256k1"), EVP_sha256(), other);
        check_key_refused(EVP_EC_gen("P-224"), EVP_sha256(), other);
        check_key_refused(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), NULL, other);
}

static void test_a_key_has_to_belong_to_the_certificate(void **state)
{
        check_refused("rsa.pem", "ec.key", NULL, -EINVAL,
                      "the key in ec.key does not belong to the first certificate in rsa.pem");
        check_key(EVP_EC_gen("P-256"), "AWS4-X509-ECDSA-SHA256");
        check_refused("ec.pem", "new.key", NULL, -EINVAL,
                      "the key in new.key does not belong to the first certificate in ec.pem");
        folder_put("backward.pem", FIXTURE_CA FIXTURE_EC);
        check_refused("backward.pem", "ec.key", NULL, -EINVAL,
                      "the key in ec.key does not belong to the first certificate in backward.pem");
}

/* Were it asked for, the test would wait for a terminal. */
static void test_an_encrypted_key_is_not_asked_about(void **state)
{
        EVP_PKEY *keys[] = { read_key(FIXTURE_RSA_KEY), read_key(FIXTURE_EC_KEY) };
        const char *const certificates[] = { "rsa.pem", "ec.pem" };

        for (size_t n = 0; n < 2; n++)
                for (Form form = ENCRYPTED_PKCS8; form <= ENCRYPTED_TRADITIONAL; form++) {
                        _cleanup_free_ char *text = key_text(keys[n], form);

                        assert_non_null(strstr(text, "ENCRYPTED"));
                        folder_put("locked.key", text);
                        check_refused(certificates[n], "locked.key", NULL, -EINVAL,
                                      "locked.key: the key is encrypted, and there is nobody to ask for its "
                                      "password");
                }
        EVP_PKEY_free(keys[0]);
        EVP_PKEY_free(keys[1]);
}

static void test_everybody_may_not_open_the_key(void **state)
{
        static const mode_t bad[] = { 0644, 0604, 0602, 0666 }, good[] = { 0600, 0640, 0660, 0400 };

        for (size_t n = 0; n < ELEMENTSOF(bad); n++) {
                assert_int_equal(chmod("ec.key", bad[n]), 0);
                check_refused(
                        "ec.pem", "ec.key", NULL, -EPERM,
                        "ec.key: a key in a file that is open to everybody; run \"chmod 0640 ec.key\"");
        }
        for (size_t n = 0; n < ELEMENTSOF(good); n++) {
                assert_int_equal(chmod("ec.key", good[n]), 0);
                (void) x509_identity_free(load("ec.pem", "ec.key", NULL));
        }
        assert_int_equal(chmod("ec.key", 0600), 0);
}

/* Files that are something else. */

static void check_each_role(const char *name, int expected, const char *certificate, const char *chain,
                            const char *key)
{
        usec_t end = 1;

        check_refused(name, "ec.key", NULL, expected, certificate);
        check_refused("ec.pem", "ec.key", name, expected, chain);
        check_refused("ec.pem", name, NULL, expected, key);
        assert_int_equal(x509_certificate_expiry(name, &end, error), expected);
        assert_string_equal(error, certificate);
        assert_int_equal(end, 1);
}

static void check_no_pem(const char *name)
{
        char text[100];

        (void) snprintf(text, sizeof(text), "%s: there is no PEM in it", name);
        check_each_role(name, -EINVAL, text, text, text);
}

static void test_files_that_are_not_pem(void **state)
{
        folder_put("empty", "");
        check_no_pem("empty");
        check_no_pem("/dev/null");
        folder_put("garbage", "-----BEGINNING-----\nwhatever\n-----BEGIN\n");
        check_no_pem("garbage");
        put_der("der", FIXTURE_EC_BASE64);
        check_no_pem("der");
}

static void test_files_that_cannot_be_read(void **state)
{
        static char big[1024 * 1024];

        memset(big, '\n', sizeof(big));
        folder_put_bytes("big", big, sizeof(big));
        check_each_role("big", -EMSGSIZE, "cannot read the certificate big: it is too large",
                        "cannot read the chain big: it is too large",
                        "cannot read the key big: it is too large");
        check_each_role("none", -ENOENT, "cannot read the certificate none: No such file or directory",
                        "cannot read the chain none: No such file or directory",
                        "cannot read the key none: No such file or directory");
        check_each_role(".", -EISDIR, "cannot read the certificate .: Is a directory",
                        "cannot read the chain .: Is a directory", "cannot read the key .: Is a directory");
}

static void test_files_of_the_wrong_kind(void **state)
{
        check_refused("ec.key", "ec.key", NULL, -EINVAL,
                      "ec.key: there is no certificate in it, but \"PRIVATE KEY\"");
        check_refused("ec.pem", "ec.key", "ec.key", -EINVAL,
                      "ec.key: there is no certificate in it, but \"PRIVATE KEY\"");
        check_refused("ec.pem", "ec.pem", NULL, -EINVAL,
                      "ec.pem: there is no private key in it, but \"CERTIFICATE\"");
        /* What a file says of itself goes to a log. */
        folder_put("odd", "-----BEGIN A\033[1mB-----\nAAAA\n-----END A\033[1mB-----\n");
        check_refused("odd", "ec.key", NULL, -EINVAL, "odd: there is no certificate in it, but \"A [1mB\"");
}

static void check_damaged(const char *text, const char *name, const char *key, const char *expected)
{
        folder_put(name, text);
        check_refused(key ? "ec.pem" : name, key ? name : "ec.key", NULL, -EINVAL, expected);
}

static void test_damage(void **state)
{
        _cleanup_free_ char *half = strndup(FIXTURE_EC, sizeof(FIXTURE_EC) / 2);

        check_damaged(half, "half", NULL, "half: its PEM is damaged");
        check_damaged("-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----\n", "star", NULL,
                      "star: its PEM is damaged");
        check_damaged(FIXTURE_EC "-----BEGIN CERTIFICATE-----\nAAAA\n", "tail", NULL,
                      "tail: its PEM is damaged");
        check_damaged("-----BEGIN CERTIFICATE-----\nMAAA\n-----END CERTIFICATE-----\n", "nil", NULL,
                      "nil: a certificate in it is damaged");
        check_damaged(FIXTURE_EC "-----BEGIN CERTIFICATE-----\nMAAA\n-----END CERTIFICATE-----\n", "late",
                      NULL, "late: a certificate in it is damaged");
        check_damaged("-----BEGIN PRIVATE KEY-----\nMAAA\n-----END PRIVATE KEY-----\n", "k8", "",
                      "k8: the key in it is damaged");
        check_damaged("-----BEGIN RSA PRIVATE KEY-----\nMAAA\n-----END RSA PRIVATE KEY-----\n", "k1", "",
                      "k1: the key in it is damaged");
        check_damaged("-----BEGIN EC PRIVATE KEY-----\nMAAA\n-----END EC PRIVATE KEY-----\n", "ke", "",
                      "ke: the key in it is damaged");
}

static void test_what_follows_a_certificate_in_its_block(void **state)
{
        _cleanup_buf_ Buf b = BUF_INIT(X509_FILE_MAX);
        _cleanup_free_ char *text = NULL;
        void *der = NULL;
        size_t size;

        assert_int_equal(decode_base64(FIXTURE_EC_BASE64, &der, &size), 0);
        assert_int_equal(buf_append(&b, der, size), 0);
        assert_int_equal(buf_append(&b, "more", 4), 0);
        text = encode_base64(b.data, b.size);
        buf_clear(&b);
        assert_int_equal(buf_append_str(&b, "-----BEGIN CERTIFICATE-----\n"), 0);
        for (const char *p = text; *p; p += MIN(strlen(p), 64U))
                assert_int_equal(buf_printf(&b, "%.64s\n", p), 0);
        assert_int_equal(buf_append_str(&b, "-----END CERTIFICATE-----\n"), 0);
        check_damaged(buf_str(&b), "more", NULL, "more: a certificate in it is damaged");
        free(der);
}

static void test_expiry(void **state)
{
        usec_t end = 0;

        assert_int_equal(x509_certificate_expiry("rsa.pem", &end, error), 0);
        assert_int_equal(end, FIXTURE_RSA_NOT_AFTER * USEC_PER_SEC);
        assert_string_equal(error, "");
        folder_put("several", FIXTURE_EC_KEY FIXTURE_RSA FIXTURE_EC FIXTURE_CA);
        assert_int_equal(x509_certificate_expiry("several", &end, error), 0);
        assert_int_equal(end, FIXTURE_EC_NOT_AFTER * USEC_PER_SEC);
        assert_int_equal(x509_certificate_expiry_of(FIXTURE_CA FIXTURE_RSA, "the text", &end, error), 0);
        assert_int_equal(end, FIXTURE_RSA_NOT_AFTER * USEC_PER_SEC);
        assert_int_equal(x509_certificate_expiry_of(FIXTURE_RSA_KEY, "the text", &end, error), -EINVAL);
        assert_string_equal(error, "the text: there is no certificate in it, but \"PRIVATE KEY\"");
        assert_int_equal(x509_certificate_expiry_of("", "the text", &end, error), -EINVAL);
        assert_string_equal(error, "the text: there is no PEM in it");
        assert_int_equal(end, FIXTURE_RSA_NOT_AFTER * USEC_PER_SEC);
}

static void test_expiry_at_the_ends_of_time(void **state)
{
        static const int64_t ends[] = { -1000000, 0, 1, 2147483648, 4102444800, 253402300799 };
        EVP_PKEY *key = read_key(FIXTURE_EC_KEY);

        for (size_t n = 0; n < ELEMENTSOF(ends); n++) {
                _cleanup_free_ char *text = certificate_text(key, EVP_sha256(), ends[n]);
                usec_t end = 1;

                assert_int_equal(x509_certificate_expiry_of(text, "it", &end, error), 0);
                assert_int_equal(end, MAX(ends[n], 0) * (int64_t) USEC_PER_SEC);
        }
        EVP_PKEY_free(key);
}

static void test_text_has_its_maximum(void **state)
{
        _cleanup_free_ char *text = malloc(X509_FILE_MAX + 2);
        usec_t end;

        memset(text, '\n', X509_FILE_MAX + 1);
        text[X509_FILE_MAX + 1] = '\0';
        assert_int_equal(x509_certificate_expiry_of(text, "it", &end, error), -EMSGSIZE);
        assert_string_equal(error, "it: it is too large");
        text[X509_FILE_MAX] = '\0';
        assert_int_equal(x509_certificate_expiry_of(text, "it", &end, error), -EINVAL);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_rsa),
                cmocka_unit_test(test_ec),
                cmocka_unit_test(test_a_signature_has_to_fit),
                cmocka_unit_test(test_the_chain_comes_from_both_files),
                cmocka_unit_test(test_a_chain_has_its_length),
                cmocka_unit_test(test_what_stands_around_pem_does_not_matter),
                cmocka_unit_test(test_keys_that_are_taken),
                cmocka_unit_test(test_keys_that_are_not_taken),
                cmocka_unit_test(test_a_key_has_to_belong_to_the_certificate),
                cmocka_unit_test(test_an_encrypted_key_is_not_asked_about),
                cmocka_unit_test(test_everybody_may_not_open_the_key),
                cmocka_unit_test(test_files_that_are_not_pem),
                cmocka_unit_test(test_files_that_cannot_be_read),
                cmocka_unit_test(test_files_of_the_wrong_kind),
                cmocka_unit_test(test_damage),
                cmocka_unit_test(test_what_follows_a_certificate_in_its_block),
                cmocka_unit_test(test_expiry),
                cmocka_unit_test(test_expiry_at_the_ends_of_time),
                cmocka_unit_test(test_text_has_its_maximum),
        };

        return cmocka_run_group_tests(tests, set_up, folder_tear_down);
}
