/* SPDX-License-Identifier: MIT */
#pragma once

#include "util.h"

/* What stands for what is hidden. */
#define REDACT_HIDDEN "[hidden]"

/* Makes a line of a foreign program fit for a log: hides what may be a secret. Three things are hidden: what
 * logs in in a URL, see redact_logins(), what looks random (keys, key ids, session tokens, JWTs, also
 * encoded in base64 or with percent signs), and all that stands behind a word such as SecretAccessKey,
 * Authorization or password. Paths and words in lower case, ARNs, account ids and times stay. It errs on the
 * side of hiding.
 *
 * cut: line is the beginning of one that goes on; characters at its end that may be the beginning of a
 * secret are left out. Returns a new string, or NULL when memory is out. */
char *redact(const char *line, bool cut);

/* Hides what stands before the "@" of a URL's host: "http://[hidden]@proxy:3128". cut and the result are as
 * above. */
char *redact_logins(const char *line, bool cut);
