/* SPDX-License-Identifier: MIT */

/* From here on time is that of clockwork.h, up to clockwork-off.h. */

#define clock_boottime clockwork_boottime
#define clock_now clockwork_now
#define backoff_random clockwork_random
#define sd_event_source_set_time_relative clockwork_set_time_relative
#define sd_event_source_disable_unref clockwork_disable_unref
#define log_full said_log

/* Is cmocka's, and a good name for a function, too. */
#pragma push_macro("fail")
#undef fail
#define fail tested_fail
