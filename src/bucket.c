/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "bucket.h"

bool bucket_may_take(const Bucket *b, usec_t now, usec_t *ret_until)
{
        usec_t credit = (b->burst - 1) * b->interval;

        *ret_until = usec_sub(b->paid_until, credit);
        return *ret_until <= now;
}

void bucket_take(Bucket *b, usec_t now)
{
        b->paid_until = usec_add(MAX(b->paid_until, now), b->interval);
}
