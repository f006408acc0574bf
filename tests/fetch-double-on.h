/* SPDX-License-Identifier: MIT */

/* What is included after this fetches from fetch-double.h. */

#define aws_fetch_source fetch_source
#define aws_fetch_role fetch_role
#define aws_fetch_free fetch_free
