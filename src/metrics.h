/* SPDX-License-Identifier: MIT */
#pragma once

#include "eatr.h"
#include "httpd.h"

/* /metrics, /healthz and /readyz; userdata of the routes is the Eatr. Everything is read when it is asked
 * for: nobody below knows that it is counted. */
extern const HttpdRoute metrics_routes[];

/* Appends all metrics in Prometheus' text format
 * (https://prometheus.io/docs/instrumenting/exposition_formats/). Returns 0 or a negative errno. */
int metrics_render(Buf *b, const Eatr *e);
