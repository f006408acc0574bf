/* SPDX-License-Identifier: MIT */
#pragma once

#include "util.h"

/* The little that STS's answers need of XML: the text of elements that hold text alone, by name. Names are
 * those of AWS's models, without a prefix. Pure. */

/* The text between <name> and </name> of the only element of that name; attributes are skipped, CDATA is
 * unwrapped, character references stay as they are. Returns whether there is one, and only one, and no other
 * element in it. *ret is not NUL-terminated. */
bool aws_xml_get(const char *text, size_t size, const char *name, const char **ret, size_t *ret_size);
