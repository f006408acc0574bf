/* SPDX-License-Identifier: MIT */
#pragma once

/* Whether a certificate and a private key can be shown to somebody together, before they are. */

/* Both are PEM; certificate may hold a chain, its own first. Returns NULL if they can, or why not, for
 * people. */
const char *key_pair_problem(const char *certificate, const char *key);
