/* SPDX-License-Identifier: MIT */
#pragma once

#include "util.h"

/* Returns how many letters have to change to make known of name (Levenshtein), whatever their case, or
 * SIZE_MAX if those are too many for a typo. Pure. */
size_t typo_distance(const char *name, const char *known);
