/* SPDX-License-Identifier: MIT */
#pragma once

#include "util.h"

/* Bytes to text and back. */

/* Lower-case hexadecimal; buffer takes 2 * n + 1 bytes. Returns buffer. */
char *encode_hex(char *buffer, const void *p, size_t n);

/* Standard base64 with padding (RFC 4648, 4). The caller frees the string; NULL when memory is out. */
char *encode_base64(const void *p, size_t n);

/* The same with "-" and "_" for "+" and "/", and without padding (RFC 4648, 5): what URLs and tokens take.
 */
char *encode_base64url(const void *p, size_t n);

/* Decodes standard base64. Blanks and line ends between the characters are skipped, as they are in
 * kubeconfigs. Returns 0, -EINVAL (another character, bad padding) or -ENOMEM. *ret is NUL-terminated
 * beyond its *ret_size bytes; the caller wipes and frees it. */
int decode_base64(const char *s, void **ret, size_t *ret_size);

/* Percent-encodes everything but RFC 3986's unreserved characters, which is what both SigV4 and a query
 * string need. The caller frees the string; NULL when memory is out. */
char *encode_percent(const char *s);
