/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "aws-clock.h"

#include "log.h"
#include "message.h"

#include <math.h>

/* Less than this is the network's delay, more than a day a broken answer. */
#define SKEW_MIN USEC_PER_MINUTE
#define SKEW_MAX USEC_PER_DAY

usec_t aws_clock_now(const AwsClock *c)
{
        return (usec_t) ((int64_t) clock_now() + c->skew);
}

static usec_t distance(int64_t a, int64_t b)
{
        return (usec_t) (a > b ? a - b : b - a);
}

bool aws_clock_learn(AwsClock *c, usec_t date)
{
        /* Date has whole seconds: what it says is true of the middle of one. */
        int64_t measured = (int64_t) (date + USEC_PER_SEC / 2) - (int64_t) clock_now();
        usec_t off = distance(measured, 0);
        char text[CLOCK_DURATION_MAX];

        c->measured = (double) measured / (double) USEC_PER_SEC;
        if (distance(measured, c->skew) < SKEW_MIN || off > SKEW_MAX)
                return false;
        c->skew = off < SKEW_MIN ? 0 : measured;
        if (c->skew == 0)
                log_info("This host's clock agrees with AWS's again");
        else
                log_event(LOG_WARNING, MESSAGE_CLOCK_SKEWED,
                          "This host's clock is %s %s AWS's, signing with AWS's time; is time "
                          "synchronisation running?",
                          clock_format_duration(text, off), measured > 0 ? "behind" : "ahead of");
        return true;
}

bool aws_clock_is_off(const AwsClock *c)
{
        return fabs(c->measured * (double) USEC_PER_SEC - (double) c->skew) >= (double) SKEW_MIN;
}
