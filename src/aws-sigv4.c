/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "aws-sigv4.h"
#include "encode.h"
#include "hash.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>

#define ALGORITHM "AWS4-HMAC-SHA256"
#define DATE_SIZE 8 /* "20261123" */
#define CANONICAL_REQUEST_MAX (64U * 1024)

static int compare_parameters(const void *a, const void *b)
{
        const AwsParameter *x = a, *y = b;
        int r = strcmp(x->name, y->name);

        return r != 0 ? r : strcmp(x->value, y->value);
}

static int append_parameters(const AwsParameter *sorted, size_t n, Buf *b)
{
        int r = 0;

        for (size_t i = 0; i < n && r >= 0; i++)
                r = buf_printf(b, "%s%s=%s", i > 0 ? "&" : "", sorted[i].name, sorted[i].value);
        return r;
}

int aws_sigv4_query(const AwsParameter *parameters, size_t n, Buf *b)
{
        char *encoded[2 * AWS_SIGV4_PARAMETERS_MAX] = { NULL };
        AwsParameter sorted[AWS_SIGV4_PARAMETERS_MAX];
        int r = 0;

        if (n > AWS_SIGV4_PARAMETERS_MAX)
                return -EINVAL;
        for (size_t i = 0; i < n; i++) {
                char *name = encoded[2 * i] = encode_percent(parameters[i].name);
                char *value = encoded[2 * i + 1] = encode_percent(parameters[i].value);

                sorted[i] = (AwsParameter){ name, value };
                if (!name || !value)
                        r = -ENOMEM;
        }
        if (r >= 0) {
                /* The order is that of the encoded names. */
                qsort(sorted, n, sizeof(sorted[0]), compare_parameters);
                r = append_parameters(sorted, n, b);
        }
        /* A session token may be among them. */
        for (size_t i = 0; i < ELEMENTSOF(encoded); i++)
                (void) str_erase_free(encoded[i]);
        return r;
}

static int compare_headers(const void *a, const void *b)
{
        const AwsHeader *const *x = a, *const *y = b;
        int r = strcasecmp((*x)->name, (*y)->name);

        /* Those of one name keep their order, which qsort() does not promise. */
        return r != 0 ? r : (*x > *y) - (*x < *y);
}

static int append_lower(Buf *b, const char *s)
{
        int r = 0;

        for (; *s && r >= 0; s++) {
                char c = (char) tolower((unsigned char) *s);

                r = buf_append(b, &c, 1);
        }
        return r;
}

/* Without the blanks around it, and with one space for each run of them inside, line folds included. */
static int append_trimmed(Buf *b, const char *s)
{
        bool pending = false, started = false;
        int r = 0;

        for (; *s && r >= 0; s++) {
                if (isspace((unsigned char) *s)) {
                        pending = started;
                        continue;
                }
                if (pending)
                        r = buf_append(b, " ", 1);
                if (r >= 0)
                        r = buf_append(b, s, 1);
                pending = false;
                started = true;
        }
        return r;
}

static bool is_again(const AwsHeader *const *sorted, size_t i)
{
        return i > 0 && strcasecmp(sorted[i]->name, sorted[i - 1]->name) == 0;
}

/* "name:value,value\n" for each name. */
static int append_headers(const AwsHeader *const *sorted, size_t n, Buf *b)
{
        int r;

        for (size_t i = 0; i < n; i++) {
                bool again = is_again(sorted, i), last = i + 1 == n || !is_again(sorted, i + 1);

                if ((!again && (r = append_lower(b, sorted[i]->name)) < 0) ||
                    (r = buf_append_str(b, again ? "," : ":")) < 0 ||
                    (r = append_trimmed(b, sorted[i]->value)) < 0 ||
                    (last && (r = buf_append_str(b, "\n")) < 0))
                        return r;
        }
        return 0;
}

/* "name;name" */
static int append_names(const AwsHeader *const *sorted, size_t n, Buf *b)
{
        int r = 0;

        for (size_t i = 0; i < n && r >= 0; i++) {
                if (is_again(sorted, i))
                        continue;
                if (i > 0)
                        r = buf_append_str(b, ";");
                if (r >= 0)
                        r = append_lower(b, sorted[i]->name);
        }
        return r;
}

static int sort_headers(const AwsRequest *request, const AwsHeader *sorted[static AWS_SIGV4_HEADERS_MAX])
{
        if (request->n_headers > AWS_SIGV4_HEADERS_MAX)
                return -EINVAL;
        for (size_t i = 0; i < request->n_headers; i++)
                sorted[i] = &request->headers[i];
        qsort(sorted, request->n_headers, sizeof(sorted[0]), compare_headers);
        return 0;
}

int aws_sigv4_canonical_request(const AwsRequest *request, Buf *b, Buf *signed_headers)
{
        const AwsHeader *sorted[AWS_SIGV4_HEADERS_MAX];
        char digest[HASH_SHA256_HEX_MAX];
        int r;

        r = sort_headers(request, sorted);
        if (r < 0)
                return r;
        r = buf_printf(b, "%s\n%s\n%s\n", request->method, request->path, request->query);
        if (r < 0)
                return r;
        r = append_headers(sorted, request->n_headers, b);
        if (r < 0)
                return r;
        r = append_names(sorted, request->n_headers, signed_headers);
        if (r < 0)
                return r;
        r = hash_sha256_hex(request->body, request->body_size, digest);
        if (r < 0)
                return r;
        return buf_printf(b, "\n%s\n%s", buf_str(signed_headers), digest);
}

static int append_scope(const AwsScope *scope, Buf *b)
{
        char now[CLOCK_BASIC_MAX];

        return buf_printf(b, "%.*s/%s/%s/aws4_request", DATE_SIZE, clock_format_basic(now, scope->time),
                          scope->region, scope->service);
}

static int append_string_to_sign(const char *algorithm, const AwsScope *scope, const Buf *canonical_request,
                                 Buf *b)
{
        char now[CLOCK_BASIC_MAX], digest[HASH_SHA256_HEX_MAX];
        int r;

        r = hash_sha256_hex(buf_str(canonical_request), canonical_request->size, digest);
        if (r < 0)
                return r;
        r = buf_printf(b, "%s\n%s\n", algorithm, clock_format_basic(now, scope->time));
        if (r < 0)
                return r;
        r = append_scope(scope, b);
        if (r < 0)
                return r;
        return buf_printf(b, "\n%s", digest);
}

int aws_sigv4_string_to_sign(const AwsScope *scope, const Buf *canonical_request, Buf *b)
{
        return append_string_to_sign(ALGORITHM, scope, canonical_request, b);
}

int aws_sigv4_string_to_sign_x509(const AwsScope *scope, const AwsSigner *signer,
                                  const Buf *canonical_request, Buf *b)
{
        return append_string_to_sign(signer->algorithm, scope, canonical_request, b);
}

/* HMAC(HMAC(HMAC(HMAC("AWS4" secret, date), region), service), "aws4_request") */
static int signing_key(const AwsScope *scope, const AwsKeys *keys, uint8_t key[static HASH_SHA256_SIZE])
{
        _cleanup_erase_ char *secret = str_printf("AWS4%s", keys->secret_access_key);
        char now[CLOCK_BASIC_MAX];
        const char *parts[] = { scope->region, scope->service, "aws4_request" };
        int r;

        if (!secret)
                return -ENOMEM;
        r = hash_hmac_sha256(secret, strlen(secret), clock_format_basic(now, scope->time), DATE_SIZE, key);
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(parts); i++)
                r = hash_hmac_sha256(key, HASH_SHA256_SIZE, parts[i], strlen(parts[i]), key);
        return r;
}

/* A secret key as a signer. */
typedef struct KeySigner {
        const AwsScope *scope;
        const AwsKeys *keys;
} KeySigner;

static int sign_with_keys(void *userdata, const void *p, size_t n, Buf *hex)
{
        const KeySigner *signer = userdata;
        uint8_t key[HASH_SHA256_SIZE], digest[HASH_SHA256_SIZE];
        char signature[HASH_SHA256_HEX_MAX];
        int r;

        r = signing_key(signer->scope, signer->keys, key);
        if (r >= 0)
                r = hash_hmac_sha256(key, sizeof(key), p, n, digest);
        explicit_bzero(key, sizeof(key));
        if (r < 0)
                return r;
        return buf_append_str(hex, encode_hex(signature, digest, sizeof(digest)));
}

int aws_sigv4_authorization_x509(const AwsRequest *request, const AwsScope *scope, const AwsSigner *signer,
                                 Buf *b)
{
        _cleanup_buf_ Buf canonical = BUF_INIT_SECRET(CANONICAL_REQUEST_MAX); /* holds the session token */
        _cleanup_buf_ Buf signed_headers = BUF_INIT(CANONICAL_REQUEST_MAX);
        _cleanup_buf_ Buf string = BUF_INIT(CANONICAL_REQUEST_MAX);
        int r;

        r = aws_sigv4_canonical_request(request, &canonical, &signed_headers);
        if (r < 0)
                return r;
        r = append_string_to_sign(signer->algorithm, scope, &canonical, &string);
        if (r < 0)
                return r;
        r = buf_printf(b, "%s Credential=%s/", signer->algorithm, signer->credential);
        if (r < 0)
                return r;
        r = append_scope(scope, b);
        if (r < 0)
                return r;
        r = buf_printf(b, ", SignedHeaders=%s, Signature=", buf_str(&signed_headers));
        if (r < 0)
                return r;
        return signer->sign(signer->userdata, buf_str(&string), string.size, b);
}

int aws_sigv4_authorization(const AwsRequest *request, const AwsScope *scope, const AwsKeys *keys, Buf *b)
{
        KeySigner key_signer = { .scope = scope, .keys = keys };
        AwsSigner signer = { .algorithm = ALGORITHM,
                             .credential = keys->access_key_id,
                             .sign = sign_with_keys,
                             .userdata = &key_signer };

        return aws_sigv4_authorization_x509(request, scope, &signer, b);
}

/* --- as a query -------------------------------------------------------------------------------------- */

/* What is signed: the parameters, and those that say how. */
static int presign_query(const AwsRequest *request, const AwsPresign *presign, const AwsScope *scope,
                         const AwsKeys *keys, Buf *b)
{
        _cleanup_buf_ Buf names = BUF_INIT(CANONICAL_REQUEST_MAX),
                          credential = BUF_INIT(CANONICAL_REQUEST_MAX);
        const AwsHeader *sorted[AWS_SIGV4_HEADERS_MAX];
        AwsParameter all[AWS_SIGV4_PARAMETERS_MAX];
        char now[CLOCK_BASIC_MAX], expires[sizeof("4294967295")];
        size_t n = presign->n_parameters;
        int r;

        if (n > AWS_SIGV4_PRESIGN_PARAMETERS_MAX)
                return -EINVAL;
        if ((r = sort_headers(request, sorted)) < 0 ||
            (r = append_names(sorted, request->n_headers, &names)) < 0 ||
            (r = buf_printf(&credential, "%s/", keys->access_key_id)) < 0 ||
            (r = append_scope(scope, &credential)) < 0)
                return r;
        (void) snprintf(expires, sizeof(expires), "%u", presign->expires);
        for (size_t i = 0; i < n; i++)
                all[i] = presign->parameters[i];
        all[n++] = (AwsParameter){ "X-Amz-Algorithm", ALGORITHM };
        all[n++] = (AwsParameter){ "X-Amz-Credential", buf_str(&credential) };
        all[n++] = (AwsParameter){ "X-Amz-Date", clock_format_basic(now, scope->time) };
        all[n++] = (AwsParameter){ "X-Amz-Expires", expires };
        all[n++] = (AwsParameter){ "X-Amz-SignedHeaders", buf_str(&names) };
        if (keys->session_token)
                all[n++] = (AwsParameter){ "X-Amz-Security-Token", keys->session_token };
        return aws_sigv4_query(all, n, b);
}

int aws_sigv4_presign(const AwsRequest *request, const AwsPresign *presign, const AwsScope *scope,
                      const AwsKeys *keys, Buf *b)
{
        KeySigner signer = { .scope = scope, .keys = keys };
        _cleanup_buf_ Buf query = BUF_INIT_SECRET(CANONICAL_REQUEST_MAX);
        _cleanup_buf_ Buf canonical = BUF_INIT_SECRET(CANONICAL_REQUEST_MAX);
        _cleanup_buf_ Buf names = BUF_INIT(CANONICAL_REQUEST_MAX), string = BUF_INIT(CANONICAL_REQUEST_MAX);
        AwsRequest whole = *request;
        int r;

        r = presign_query(request, presign, scope, keys, &query);
        if (r < 0)
                return r;
        whole.query = buf_str(&query);
        r = aws_sigv4_canonical_request(&whole, &canonical, &names);
        if (r < 0)
                return r;
        r = aws_sigv4_string_to_sign(scope, &canonical, &string);
        if (r < 0)
                return r;
        r = buf_printf(b, "%s&X-Amz-Signature=", buf_str(&query));
        return r < 0 ? r : sign_with_keys(&signer, buf_str(&string), string.size, b);
}
