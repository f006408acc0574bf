/* SPDX-License-Identifier: MIT */
#pragma once

#include "clock.h"

/* How often that is put right which somebody keeps undoing: five times in a row at once, then once a minute,
 * and if it goes on ever less often: every ten minutes in the end. Pure.
 *
 * A leaky bucket in one number (the generic cell rate algorithm, ITU-T I.371), the CLOCK_BOOTTIME by which
 * all heals so far are paid for, 0 before the first; in which each heal that would overflow it takes twice
 * the room of the one before. */

/* When the next heal may begin: now or earlier if at once. */
usec_t heal_due(usec_t paid_until);

/* One more, at now. *fought is how many in a row are so many that the next has to wait; 0 before the first.
 */
void heal_pay(usec_t *paid_until, unsigned *fought, usec_t now);
