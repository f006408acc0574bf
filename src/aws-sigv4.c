/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "aws-sigv4.h"
#include "encode.h"
#include "hash.h"

#include <ctype.h>
#include <errno.h>

#define ALGORITHM "AWS4-HMAC-SHA256"
#define DATE_SIZE 8 /* "20261123" */
#define CANONICAL_REQUEST_MAX (64U * 1024)

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

/* "name:value,value\n" for each name. */
static int append_headers(const AwsHeader *const *sorted, size_t n, Buf *b, Buf *signed_headers)
{
        int r;

        for (size_t i = 0; i < n; i++) {
                bool again = i > 0 && strcasecmp(sorted[i]->name, sorted[i - 1]->name) == 0;
                bool last = i + 1 == n || strcasecmp(sorted[i]->name, sorted[i + 1]->name) != 0;

                if (!again) {
                        if ((i > 0 && (r = buf_append_str(signed_headers, ";")) < 0) ||
                            (r = append_lower(signed_headers, sorted[i]->name)) < 0 ||
                            (r = append_lower(b, sorted[i]->name)) < 0)
                                return r;
                }
                if ((r = buf_append_str(b, again ? "," : ":")) < 0 ||
                    (r = append_trimmed(b, sorted[i]->value)) < 0 ||
                    (last && (r = buf_append_str(b, "\n")) < 0))
                        return r;
        }
        return 0;
}

int aws_sigv4_canonical_request(const AwsRequest *request, Buf *b, Buf *signed_headers)
{
        const AwsHeader *sorted[AWS_SIGV4_HEADERS_MAX];
        char digest[HASH_SHA256_HEX_MAX];
        int r;

        if (request->n_headers > AWS_SIGV4_HEADERS_MAX)
                return -EINVAL;
        for (size_t i = 0; i < request->n_headers; i++)
                sorted[i] = &request->headers[i];
        qsort(sorted, request->n_headers, sizeof(sorted[0]), compare_headers);

        r = buf_printf(b, "%s\n%s\n%s\n", request->method, request->path, request->query);
        if (r < 0)
                return r;
        r = append_headers(sorted, request->n_headers, b, signed_headers);
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

int aws_sigv4_string_to_sign(const AwsScope *scope, const Buf *canonical_request, Buf *b)
{
        char now[CLOCK_BASIC_MAX], digest[HASH_SHA256_HEX_MAX];
        int r;

        r = hash_sha256_hex(buf_str(canonical_request), canonical_request->size, digest);
        if (r < 0)
                return r;
        r = buf_printf(b, ALGORITHM "\n%s\n", clock_format_basic(now, scope->time));
        if (r < 0)
                return r;
        r = append_scope(scope, b);
        if (r < 0)
                return r;
        return buf_printf(b, "\n%s", digest);
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

static int append_signature(const AwsScope *scope, const AwsKeys *keys, const Buf *string_to_sign, Buf *b)
{
        uint8_t key[HASH_SHA256_SIZE], digest[HASH_SHA256_SIZE];
        char signature[HASH_SHA256_HEX_MAX];
        int r;

        r = signing_key(scope, keys, key);
        if (r >= 0)
                r = hash_hmac_sha256(key, sizeof(key), buf_str(string_to_sign), string_to_sign->size,
                                     digest);
        explicit_bzero(key, sizeof(key));
        if (r < 0)
                return r;
        return buf_append_str(b, encode_hex(signature, digest, sizeof(digest)));
}

int aws_sigv4_authorization(const AwsRequest *request, const AwsScope *scope, const AwsKeys *keys, Buf *b)
{
        _cleanup_buf_ Buf canonical = BUF_INIT_SECRET(CANONICAL_REQUEST_MAX); /* holds the session token */
        _cleanup_buf_ Buf signed_headers = BUF_INIT(CANONICAL_REQUEST_MAX);
        _cleanup_buf_ Buf string = BUF_INIT(CANONICAL_REQUEST_MAX);
        int r;

        r = aws_sigv4_canonical_request(request, &canonical, &signed_headers);
        if (r < 0)
                return r;
        r = aws_sigv4_string_to_sign(scope, &canonical, &string);
        if (r < 0)
                return r;
        r = buf_printf(b, ALGORITHM " Credential=%s/", keys->access_key_id);
        if (r < 0)
                return r;
        r = append_scope(scope, b);
        if (r < 0)
                return r;
        r = buf_printf(b, ", SignedHeaders=%s, Signature=", buf_str(&signed_headers));
        if (r < 0)
                return r;
        return append_signature(scope, keys, &string, b);
}
