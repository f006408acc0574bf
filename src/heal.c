/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "heal.h"

#define INTERVAL USEC_PER_MINUTE
#define INTERVAL_MAX (10 * USEC_PER_MINUTE)
#define BURST 5
#define CREDIT ((BURST - 1) * INTERVAL)

usec_t heal_due(usec_t paid_until)
{
        return usec_sub(paid_until, CREDIT);
}

void heal_pay(usec_t *paid_until, unsigned *fought, usec_t now)
{
        usec_t price;

        if (*paid_until <= now)
                *fought = 0;
        price = MIN(INTERVAL << MIN(*fought, 8U), INTERVAL_MAX);
        *paid_until = MAX(*paid_until, now) + price;
        if (*paid_until > now + CREDIT)
                ++*fought;
}
