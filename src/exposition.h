/* SPDX-License-Identifier: MIT */
#pragma once

#include "buf.h"
#include "clock.h"

/* Writes Prometheus' text format, version 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/). Nothing is escaped: no help has a line end
 * or a backslash in it, and no value of a label a quotation mark besides. Each function appends to a Buf and
 * returns 0 or a negative errno. */

#define EXPOSITION_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* What is in front of a family's samples; type is "counter", "gauge" or "histogram". */
int exposition_family(Buf *b, const char *name, const char *type, const char *help);

/* One sample; labels are "" or in braces: "{outcome=\"success\"}". */
int exposition_sample(Buf *b, const char *name, const char *labels, double value);

typedef struct ExpositionHistogram {
        const usec_t *bounds;    /* ascending; what is beyond the last is in count alone */
        const uint64_t *buckets; /* how many are in each and in none before */
        size_t n_buckets;
        uint64_t count;
        usec_t sum;
} ExpositionHistogram;

/* All samples of a histogram, in seconds. */
int exposition_histogram(Buf *b, const char *name, const ExpositionHistogram *h);

/* The unit in which Prometheus has times. */
double exposition_seconds(usec_t t);
