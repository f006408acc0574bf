/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "backoff.h"

#include <sys/random.h>

usec_t backoff_delay(const BackoffPolicy *policy, unsigned failures, uint32_t random)
{
        usec_t step = policy->base, half;

        for (unsigned i = 1; i < failures && step < policy->cap; i++)
                step = step > policy->cap / 2 ? policy->cap : 2 * step;
        step = MIN(step, policy->cap);
        half = step - step / 2;
        /* half * random / 2^32, in two parts that do not run over. */
        return step / 2 + (half >> 32) * random + ((half & UINT32_MAX) * random >> 32);
}

uint32_t backoff_random(void)
{
        uint32_t random = 0;

        /* GRND_NONBLOCK: in early boot no randomness is better than no eatr. */
        if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
                return 0;
        return random;
}
