/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "x509.h"

#include "encode.h"
#include "file.h"

#include <errno.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#define RSA_BITS_MIN 2048
#define BLOCK_NAME_MAX 64U

/* Writes the error, which may quote the file, and returns its number. */
static int _printf_(3, 4) fail(char *error, int number, const char *format, ...)
{
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(error, X509_ERROR_MAX, format, ap);
        va_end(ap);
        (void) str_make_printable(error);
        return number;
}

/* PEM: a file is a row of blocks. They are taken apart here rather than by OpenSSL's readers of keys, which
 * ask on the terminal for a password, and pass over what they do not like. */

typedef struct Block {
        char *name, *header;
        unsigned char *data;
        long size;
} Block;

/* Is called for each block; a negative value ends the reading with it. */
typedef int (*OnBlock)(void *userdata, const Block *block);

typedef struct Pem {
        const char *path; /* for messages */
        const Buf *text;
        char *error;
        char first[BLOCK_NAME_MAX]; /* what the first block is, "" if there is none */
} Pem;

static void block_done(Block *b)
{
        OPENSSL_secure_free(b->name);
        OPENSSL_secure_free(b->header);
        OPENSSL_secure_clear_free(b->data, b->size > 0 ? (size_t) b->size : 0);
        *b = (Block){ 0 };
}

/* Returns 1, 0 at the end, -EBADMSG for a block that is none, or -ENOMEM. */
static int read_block(BIO *bio, Block *ret)
{
        int reason;

        ERR_clear_error();
        /* This flag has what is in between wiped. */
        if (PEM_read_bio_ex(bio, &ret->name, &ret->header, &ret->data, &ret->size,
                            PEM_FLAG_SECURE | PEM_FLAG_EAY_COMPATIBLE))
                return 1;
        reason = ERR_GET_REASON(ERR_peek_last_error());
        ERR_clear_error();
        if (reason == PEM_R_NO_START_LINE)
                return 0;
        return reason == ERR_R_MALLOC_FAILURE ? -ENOMEM : -EBADMSG;
}

/* Returns 0, or an error with a sentence. */
static int for_each_block(Pem *pem, OnBlock on_block, void *userdata)
{
        BIO *bio = BIO_new_mem_buf(buf_str(pem->text), (int) pem->text->size);
        Block block = { 0 };
        int r;

        if (!bio)
                return -ENOMEM;
        while ((r = read_block(bio, &block)) > 0) {
                if (!*pem->first)
                        (void) snprintf(pem->first, sizeof(pem->first), "%s", block.name);
                r = on_block(userdata, &block);
                block_done(&block);
                if (r < 0)
                        break;
        }
        BIO_free(bio);
        ERR_clear_error();
        if (r == -EBADMSG)
                return fail(pem->error, -EINVAL, "%s: its PEM is damaged", pem->path);
        return r;
}

/* Says that what was looked for is not there. */
static int fail_without(const Pem *pem, const char *what)
{
        if (!*pem->first)
                return fail(pem->error, -EINVAL, "%s: there is no PEM in it", pem->path);
        return fail(pem->error, -EINVAL, "%s: there is no %s in it, but \"%s\"", pem->path, what,
                    pem->first);
}

/* Certificates. */

typedef struct Certificates {
        Pem *pem;
        X509 *items[1 + X509_CHAIN_MAX];
        size_t n;
        bool found; /* in this file */
} Certificates;

static void certificates_done(Certificates *c)
{
        for (size_t i = 0; i < c->n; i++)
                X509_free(c->items[i]);
}

static int to_usec(const ASN1_TIME *t, usec_t *ret)
{
        struct tm tm;
        time_t seconds;

        if (!ASN1_TIME_to_tm(t, &tm))
                return -EINVAL;
        seconds = timegm(&tm);
        *ret = seconds > 0 ? (usec_t) seconds * USEC_PER_SEC : 0;
        return 0;
}

/* Returns 1, 0 if the block is something else, or -EINVAL. */
static int parse_certificate(const Pem *pem, const Block *b, X509 **ret)
{
        const unsigned char *p = b->data;
        usec_t ignored;
        X509 *x;

        if (!streq(b->name, PEM_STRING_X509))
                return 0;
        x = d2i_X509(NULL, &p, b->size);
        if (x && p == b->data + b->size && to_usec(X509_get0_notBefore(x), &ignored) >= 0 &&
            to_usec(X509_get0_notAfter(x), &ignored) >= 0) {
                *ret = x;
                return 1;
        }
        X509_free(x);
        return fail(pem->error, -EINVAL, "%s: a certificate in it is damaged", pem->path);
}

static bool has_certificate(const Certificates *c, const X509 *x)
{
        for (size_t i = 0; i < c->n; i++)
                if (X509_cmp(c->items[i], x) == 0)
                        return true;
        return false;
}

/* Chains come with the certificate that signs as often as without it: none is kept twice. */
static int on_certificate(void *userdata, const Block *b)
{
        Certificates *c = userdata;
        X509 *x = NULL;
        int r;

        r = parse_certificate(c->pem, b, &x);
        if (r <= 0)
                return r;
        c->found = true;
        if (has_certificate(c, x)) {
                X509_free(x);
                return 0;
        }
        if (c->n == ELEMENTSOF(c->items)) {
                X509_free(x);
                return fail(c->pem->error, -EINVAL, "%s: the chain is longer than %u certificates",
                            c->pem->path, X509_CHAIN_MAX);
        }
        c->items[c->n++] = x;
        return 0;
}

static int read_pem(const char *what, const char *path, Buf *b, char *error)
{
        int r = file_read(path, b);

        if (r < 0 && r != -ENOMEM)
                return fail(error, r, "cannot read the %s %s: %s", what, path, file_strerror(r));
        return r;
}

static int load_certificates(const char *what, const char *path, Certificates *c, char *error)
{
        /* Some keep the key in the same file. */
        _cleanup_buf_ Buf b = BUF_INIT_SECRET(X509_FILE_MAX);
        Pem pem = { .path = path, .text = &b, .error = error };
        int r;

        r = read_pem(what, path, &b, error);
        if (r < 0)
                return r;
        c->pem = &pem;
        c->found = false;
        r = for_each_block(&pem, on_certificate, c);
        c->pem = NULL;
        return r >= 0 && !c->found ? fail_without(&pem, "certificate") : r;
}

/* The key. */

typedef struct KeyReading {
        const Pem *pem;
        EVP_PKEY *key;
} KeyReading;

static EVP_PKEY *parse_pkcs8(const Block *b)
{
        const unsigned char *p = b->data;
        PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &p, b->size);
        EVP_PKEY *key = info ? EVP_PKCS82PKEY(info) : NULL;

        PKCS8_PRIV_KEY_INFO_free(info); /* wipes it */
        return key;
}

static int on_key_block(void *userdata, const Block *b)
{
        const unsigned char *p = b->data;
        KeyReading *reading = userdata;
        const Pem *pem = reading->pem;

        if (reading->key)
                return 0;
        if (streq(b->name, PEM_STRING_PKCS8) || strstr(b->header, "ENCRYPTED"))
                return fail(pem->error, -EINVAL,
                            "%s: the key is encrypted, and there is nobody to ask for its password",
                            pem->path);
        if (streq(b->name, PEM_STRING_PKCS8INF))
                reading->key = parse_pkcs8(b);
        else if (streq(b->name, PEM_STRING_RSA))
                reading->key = d2i_PrivateKey(EVP_PKEY_RSA, NULL, &p, b->size);
        else if (streq(b->name, PEM_STRING_ECPRIVATEKEY))
                reading->key = d2i_PrivateKey(EVP_PKEY_EC, NULL, &p, b->size);
        else
                return 0;
        return reading->key ? 0 : fail(pem->error, -EINVAL, "%s: the key in it is damaged", pem->path);
}

static int check_mode(const char *path, char *error)
{
        struct stat st;

        if (stat(path, &st) < 0)
                return fail(error, -errno, "cannot read the key %s: %s", path, strerror(errno));
        if (st.st_mode & (S_IROTH | S_IWOTH))
                return fail(error, -EPERM,
                            "%s: a key in a file that is open to everybody; run \"chmod 0640 %s\"", path,
                            path);
        return 0;
}

static int load_key(const char *path, EVP_PKEY **ret, char *error)
{
        _cleanup_buf_ Buf b = BUF_INIT_SECRET(X509_FILE_MAX);
        Pem pem = { .path = path, .text = &b, .error = error };
        KeyReading reading = { .pem = &pem };
        int r;

        r = read_pem("key", path, &b, error);
        if (r < 0)
                return r;
        r = for_each_block(&pem, on_key_block, &reading);
        if (r >= 0 && !reading.key)
                r = fail_without(&pem, "private key");
        if (r >= 0)
                r = check_mode(path, error);
        if (r < 0) {
                EVP_PKEY_free(reading.key);
                return r;
        }
        *ret = reading.key;
        return 0;
}

static int find_algorithm(const EVP_PKEY *key, const char *path, const char **ret, char *error)
{
        static const char *const curves[] = { SN_X9_62_prime256v1, SN_secp384r1, SN_secp521r1 };
        char name[BLOCK_NAME_MAX];

        if (EVP_PKEY_is_a(key, "RSA")) {
                if (EVP_PKEY_get_bits(key) < RSA_BITS_MIN)
                        return fail(error, -EINVAL,
                                    "%s: an RSA key of %d bits, which are too few; %d are enough", path,
                                    EVP_PKEY_get_bits(key), RSA_BITS_MIN);
                *ret = "AWS4-X509-RSA-SHA256";
                return 0;
        }
        if (EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_group_name(key, name, sizeof(name), NULL) == 1)
                for (size_t i = 0; i < ELEMENTSOF(curves); i++)
                        if (streq(name, curves[i])) {
                                *ret = "AWS4-X509-ECDSA-SHA256";
                                return 0;
                        }
        return fail(error, -EINVAL,
                    "%s: a key of a kind that AWS does not take; it has to be RSA, or EC on P-256, P-384 or "
                    "P-521",
                    path);
}

/* Both together. */

static int append_base64(Buf *b, X509 *x)
{
        unsigned char *der = NULL;
        int n = i2d_X509(x, &der);
        _cleanup_free_ char *text = n > 0 ? encode_base64(der, (size_t) n) : NULL;

        OPENSSL_free(der);
        return text ? buf_append_str(b, text) : -ENOMEM;
}

/* They were base64 in two files at most. */
static char *join_base64(X509 *const *x, size_t n)
{
        _cleanup_buf_ Buf b = BUF_INIT(2 * X509_FILE_MAX);

        for (size_t i = 0; i < n; i++)
                if ((i > 0 && buf_append_str(&b, ",") < 0) || append_base64(&b, x[i]) < 0)
                        return NULL;
        return buf_steal(&b);
}

static char *decimal_serial(const X509 *x)
{
        BIGNUM *bn = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x), NULL);
        char *text = bn ? BN_bn2dec(bn) : NULL, *copy = text ? strdup(text) : NULL;

        OPENSSL_free(text);
        BN_free(bn);
        return copy;
}

static int describe(X509Identity *i, const Certificates *c)
{
        i->serial = decimal_serial(c->items[0]);
        i->certificate = join_base64(c->items, 1);
        if (!i->serial || !i->certificate)
                return -ENOMEM;
        if (c->n > 1) {
                i->chain = join_base64(c->items + 1, c->n - 1);
                if (!i->chain)
                        return -ENOMEM;
        }
        /* Was checked for each when it was parsed. */
        (void) to_usec(X509_get0_notBefore(c->items[0]), &i->not_before);
        (void) to_usec(X509_get0_notAfter(c->items[0]), &i->not_after);
        return 0;
}

int x509_identity_load(const char *certificate_path, const char *key_path, const char *chain_path,
                       X509Identity **ret, char error[static X509_ERROR_MAX])
{
        _cleanup_x509_identity_ X509Identity *i = calloc(1, sizeof(*i));
        _cleanup_(certificates_done) Certificates c = { 0 };
        int r;

        error[0] = '\0';
        if (!i)
                return -ENOMEM;
        r = load_certificates("certificate", certificate_path, &c, error);
        if (r >= 0 && chain_path)
                r = load_certificates("chain", chain_path, &c, error);
        if (r >= 0)
                r = load_key(key_path, &i->key, error);
        if (r >= 0)
                r = find_algorithm(i->key, key_path, &i->algorithm, error);
        if (r < 0)
                return r;
        if (X509_check_private_key(c.items[0], i->key) != 1) {
                ERR_clear_error();
                return fail(error, -EINVAL, "the key in %s does not belong to the first certificate in %s",
                            key_path, certificate_path);
        }
        r = describe(i, &c);
        ERR_clear_error();
        if (r < 0)
                return r;
        *ret = TAKE_PTR(i);
        return 0;
}

X509Identity *x509_identity_free(X509Identity *i)
{
        if (!i)
                return NULL;
        EVP_PKEY_free(i->key);
        free(i->serial);
        free(i->certificate);
        free(i->chain);
        free(i);
        return NULL;
}

static int append_hex(Buf *b, const unsigned char *p, size_t n)
{
        _cleanup_free_ char *text = malloc(2 * n + 1);

        return text ? buf_append_str(b, encode_hex(text, p, n)) : -ENOMEM;
}

int x509_identity_sign(const X509Identity *i, const void *p, size_t n, Buf *hex)
{
        EVP_MD_CTX *context = EVP_MD_CTX_new();
        _cleanup_free_ unsigned char *signature = NULL;
        size_t size = 0;
        int r = -EIO;

        if (context && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, i->key) == 1 &&
            EVP_DigestSign(context, NULL, &size, p, n) == 1) {
                signature = malloc(size);
                if (!signature)
                        r = -ENOMEM;
                else if (EVP_DigestSign(context, signature, &size, p, n) == 1)
                        r = append_hex(hex, signature, size);
        }
        EVP_MD_CTX_free(context);
        ERR_clear_error();
        return r;
}

/* How long certificates are good for. */

typedef struct ExpiryReading {
        const Pem *pem;
        usec_t first;
        bool found;
} ExpiryReading;

static int on_dated_certificate(void *userdata, const Block *b)
{
        ExpiryReading *reading = userdata;
        usec_t end = 0;
        X509 *x = NULL;
        int r;

        r = parse_certificate(reading->pem, b, &x);
        if (r <= 0)
                return r;
        (void) to_usec(X509_get0_notAfter(x), &end);
        X509_free(x);
        reading->first = reading->found ? MIN(reading->first, end) : end;
        reading->found = true;
        return 0;
}

static int find_expiry(Pem *pem, usec_t *ret)
{
        ExpiryReading reading = { .pem = pem };
        int r;

        r = for_each_block(pem, on_dated_certificate, &reading);
        if (r < 0)
                return r;
        if (!reading.found)
                return fail_without(pem, "certificate");
        *ret = reading.first;
        return 0;
}

int x509_certificate_expiry(const char *path, usec_t *ret, char error[static X509_ERROR_MAX])
{
        _cleanup_buf_ Buf b = BUF_INIT_SECRET(X509_FILE_MAX);
        Pem pem = { .path = path, .text = &b, .error = error };
        int r;

        error[0] = '\0';
        r = read_pem("certificate", path, &b, error);
        return r < 0 ? r : find_expiry(&pem, ret);
}

int x509_certificate_expiry_of(const char *text, const char *label, usec_t *ret,
                               char error[static X509_ERROR_MAX])
{
        _cleanup_buf_ Buf b = BUF_INIT_SECRET(X509_FILE_MAX);
        Pem pem = { .path = label, .text = &b, .error = error };
        int r;

        error[0] = '\0';
        r = buf_append_str(&b, text);
        if (r == -EMSGSIZE)
                return fail(error, r, "%s: %s", label, file_strerror(r));
        return r < 0 ? r : find_expiry(&pem, ret);
}
