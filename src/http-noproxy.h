/* SPDX-License-Identifier: MIT */
#pragma once

#include "util.h"

/* The hosts that NO_PROXY names, as curl(1) has it: "*" is all; otherwise names, which stand for what is
 * below them too, addresses, and networks such as 10.0.0.0/8, with commas or blanks in between. */

/* Whether list (NULL: none) names host, a name or an address without brackets. Pure. */
bool http_noproxy_matches(const char *list, const char *host);
