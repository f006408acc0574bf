/* SPDX-License-Identifier: MIT */
#pragma once

#include "buf.h"

/* Reads a file whole and adds it to b, whose maximum holds. Only regular files: anything else may block or
 * never end. /dev/null counts as an empty one. Returns 0, -EISDIR, -EINVAL (not regular), -EMSGSIZE,
 * -ENOMEM, or what open(2) and read(2) say. */
int file_read(const char *path, Buf *b);

/* What those errors mean, for people: "it is too large". */
const char *file_strerror(int error);
