/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "backoff.h"

#include <sys/random.h>

usec_t backoff_delay(const BackoffPolicy *policy, unsigned failures, uint32_t random)
{
        usec_t step = policy->base;

        for (unsigned i = 1; i < failures && step < policy->cap; i++)
                step *= 2;
        step = MIN(step, policy->cap);
        return step / 2 + (usec_t) ((double) (step - step / 2) * random / UINT32_MAX);
}

uint32_t backoff_random(void)
{
        uint32_t random = 0;

        /* GRND_NONBLOCK: in early boot no randomness is better than no eatr. */
        (void) getrandom(&random, sizeof(random), GRND_NONBLOCK);
        return random;
}
