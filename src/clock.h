/* SPDX-License-Identifier: MIT */
#pragma once

#include "util.h"

/* Time in microseconds, as sd-event counts it. Instants on the wall clock (CLOCK_REALTIME) come from and
 * go to the outside; what eatr waits for is on CLOCK_BOOTTIME, which does not jump and does not stop while
 * the host sleeps. */
typedef uint64_t usec_t;

#define USEC_INFINITY UINT64_MAX
#define USEC_PER_MSEC UINT64_C(1000)
#define USEC_PER_SEC UINT64_C(1000000)
#define USEC_PER_MINUTE (60 * USEC_PER_SEC)
#define USEC_PER_HOUR (60 * USEC_PER_MINUTE)
#define USEC_PER_DAY (24 * USEC_PER_HOUR)

/* The time on CLOCK_REALTIME, and on CLOCK_BOOTTIME. */
usec_t clock_now(void);
usec_t clock_boottime(void);

/* a + b and a - b, which stop at USEC_INFINITY and at 0; infinity stays infinity. */
usec_t usec_add(usec_t a, usec_t b);
usec_t usec_sub(usec_t a, usec_t b);

/* RFC 3339 in UTC with whole seconds, "2026-11-23T19:19:27Z": what Kubernetes and people read. */
#define CLOCK_RFC3339_MAX sizeof("2026-11-23T19:19:27Z")
const char *clock_format_rfc3339(char buffer[static CLOCK_RFC3339_MAX], usec_t t);

/* Parses RFC 3339, "Z" or an offset at its end; a fraction is allowed and dropped. Returns 0 or -EINVAL. */
int clock_parse_rfc3339(const char *s, usec_t *ret);

/* ISO 8601 basic form, "20261123T191927Z": what SigV4 signs. Its first 8 characters are the date. */
#define CLOCK_BASIC_MAX sizeof("20261123T191927Z")
const char *clock_format_basic(char buffer[static CLOCK_BASIC_MAX], usec_t t);

/* Parses an HTTP Date header in the one form that servers send, "Mon, 23 Nov 2026 19:19:27 GMT"
 * (RFC 9110, 5.6.7). Returns 0 or -EINVAL. */
int clock_parse_http_date(const char *s, usec_t *ret);

/* Parses a duration as Go ("20s", "1h30m", "1.5h", "300ms") and systemd ("5min", "1h 30min", "2 days")
 * write it; a bare number is refused, as it is in Go, except 0. Returns 0, -EINVAL, or -ERANGE for more
 * than 10 years. */
int clock_parse_duration(const char *s, usec_t *ret);

/* A duration for people, its two largest units: "6h", "5h 59min", "20s", "150ms". */
#define CLOCK_DURATION_MAX 64U
const char *clock_format_duration(char buffer[static CLOCK_DURATION_MAX], usec_t d);
