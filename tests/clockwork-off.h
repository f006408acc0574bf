/* SPDX-License-Identifier: MIT */

#undef clock_boottime
#undef clock_now
#undef backoff_random
#undef sd_event_source_set_time_relative
#undef sd_event_source_disable_unref
#undef log_full

#pragma pop_macro("fail")
