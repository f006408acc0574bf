/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "exposition.h"

#include <inttypes.h>

double exposition_seconds(usec_t t)
{
        return (double) t / (double) USEC_PER_SEC;
}

int exposition_family(Buf *b, const char *name, const char *type, const char *help)
{
        return buf_printf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

int exposition_sample(Buf *b, const char *name, const char *labels, double value)
{
        return buf_printf(b, "%s%s %.15g\n", name, labels, value);
}

int exposition_histogram(Buf *b, const char *name, const ExpositionHistogram *h)
{
        uint64_t sum = 0;
        int r;

        for (size_t i = 0; i < h->n_buckets; i++) {
                sum += h->buckets[i];
                r = buf_printf(b, "%s_bucket{le=\"%g\"} %" PRIu64 "\n", name,
                               exposition_seconds(h->bounds[i]), sum);
                if (r < 0)
                        return r;
        }
        return buf_printf(b, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n%s_sum %.6f\n%s_count %" PRIu64 "\n", name,
                          h->count, name, exposition_seconds(h->sum), name, h->count);
}
