/* SPDX-License-Identifier: MIT */
#pragma once

/* A folder of the test's own, in which it stands. */

#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
/* cmocka.h comes after what it uses. */
#include <cmocka.h>

static char folder[] = "/tmp/eatr-test-XXXXXX";

static inline int folder_set_up(void **state)
{
        return mkdtemp(folder) && chmod(folder, 0755) == 0 && chdir(folder) == 0 ? 0 : -1;
}

static inline int folder_remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
        return remove(path);
}

static inline int folder_tear_down(void **state)
{
        return chdir("/") == 0 && nftw(folder, folder_remove_entry, 8, FTW_DEPTH | FTW_PHYS) == 0 ? 0 : -1;
}

static inline void folder_put_bytes(const char *name, const void *p, size_t n)
{
        _cleanup_close_ int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert_return_code(fd, errno);
        assert_int_equal(write(fd, p, n), n);
}

static inline void folder_put(const char *name, const char *text)
{
        folder_put_bytes(name, text, strlen(text));
}
