/* SPDX-License-Identifier: MIT */
#pragma once

#include "httpd.h"

/* What eatr answers to whom: /metrics to Prometheus, /healthz and /readyz to probes, with 503 and why if
 * not. Everything is read when it is asked for: nobody below knows that it is counted. userdata is the Eatr.
 */
extern const HttpdRoute routes[];
