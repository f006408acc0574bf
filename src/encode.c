/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "encode.h"

#include <ctype.h>
#include <errno.h>

static const char base64_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *encode_hex(char *buffer, const void *p, size_t n)
{
        static const char digits[] = "0123456789abcdef";
        const uint8_t *bytes = p;

        for (size_t i = 0; i < n; i++) {
                buffer[2 * i] = digits[bytes[i] >> 4];
                buffer[2 * i + 1] = digits[bytes[i] & 15];
        }
        buffer[2 * n] = '\0';
        return buffer;
}

char *encode_base64(const void *p, size_t n)
{
        const uint8_t *in = p;
        char *s, *out;

        s = out = malloc((n + 2) / 3 * 4 + 1);
        if (!s)
                return NULL;
        for (; n > 0; in += 3) {
                size_t take = MIN(n, 3U);
                uint32_t bits = (uint32_t) in[0] << 16;

                if (take > 1)
                        bits |= (uint32_t) in[1] << 8;
                if (take > 2)
                        bits |= in[2];
                *out++ = base64_alphabet[bits >> 18 & 63];
                *out++ = base64_alphabet[bits >> 12 & 63];
                *out++ = take > 1 ? base64_alphabet[bits >> 6 & 63] : '=';
                *out++ = take > 2 ? base64_alphabet[bits & 63] : '=';
                n -= take;
        }
        *out = '\0';
        return s;
}

char *encode_base64url(const void *p, size_t n)
{
        char *s = encode_base64(p, n);

        if (!s)
                return NULL;
        s[strcspn(s, "=")] = '\0';
        for (char *c = s; *c; c++)
                *c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
        return s;
}

/* OpenSSL's decoders take "=" for zero bits anywhere and "-" for the end, hence this one. */
static int base64_value(char c)
{
        if (c >= 'A' && c <= 'Z')
                return c - 'A';
        if (c >= 'a' && c <= 'z')
                return c - 'a' + 26;
        if (c >= '0' && c <= '9')
                return c - '0' + 52;
        if (c == '+')
                return 62;
        if (c == '/')
                return 63;
        return -1;
}

/* Writes the decoded bytes to out; returns how many, or -EINVAL. */
static ssize_t base64_decode_into(uint8_t *out, const char *s)
{
        uint8_t *start = out;
        unsigned have = 0, padding = 0;
        uint32_t bits = 0;

        for (; *s; s++) {
                int value;

                if (isspace((unsigned char) *s))
                        continue;
                if (*s == '=') {
                        padding++;
                        continue;
                }
                value = base64_value(*s);
                if (value < 0 || padding > 0)
                        return -EINVAL;
                bits = bits << 6 | (uint32_t) value;
                if (++have % 4 == 0) {
                        *out++ = (uint8_t) (bits >> 16);
                        *out++ = (uint8_t) (bits >> 8);
                        *out++ = (uint8_t) bits;
                }
        }
        if ((have + padding) % 4 != 0 || padding > 2 || (padding > 0 && have % 4 < 2))
                return -EINVAL;
        if (have % 4 == 2)
                *out++ = (uint8_t) (bits >> 4);
        if (have % 4 == 3) {
                *out++ = (uint8_t) (bits >> 10);
                *out++ = (uint8_t) (bits >> 2);
        }
        return out - start;
}

int decode_base64(const char *s, void **ret, size_t *ret_size)
{
        size_t length = strlen(s);
        uint8_t *out;
        ssize_t n;

        out = malloc(length / 4 * 3 + 4);
        if (!out)
                return -ENOMEM;
        n = base64_decode_into(out, s);
        if (n < 0) {
                explicit_bzero(out, length / 4 * 3 + 4);
                free(out);
                return (int) n;
        }
        out[n] = '\0';
        *ret = out;
        *ret_size = (size_t) n;
        return 0;
}

char *encode_percent(const char *s)
{
        static const char digits[] = "0123456789ABCDEF";
        char *result, *out;

        result = out = malloc(3 * strlen(s) + 1);
        if (!result)
                return NULL;
        for (; *s; s++) {
                uint8_t c = (uint8_t) *s;

                if (isalnum(c) || strchr("-_.~", c))
                        *out++ = *s;
                else {
                        *out++ = '%';
                        *out++ = digits[c >> 4];
                        *out++ = digits[c & 15];
                }
        }
        *out = '\0';
        return result;
}
