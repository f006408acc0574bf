/* SPDX-License-Identifier: MIT */
#pragma once

#include "buf.h"
#include "eatr.h"

/* Appends all metrics of eatr in the text format of exposition. Returns 0 or a negative errno. */
int metrics_render(Buf *b, const Eatr *e);
