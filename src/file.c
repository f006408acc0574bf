/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static int check_file(int fd, size_t max, bool *ret_empty)
{
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;
        *ret_empty = S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3);
        if (*ret_empty)
                return 0;
        if (S_ISDIR(st.st_mode))
                return -EISDIR;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        return (uintmax_t) st.st_size > max ? -EMSGSIZE : 0;
}

static int read_fd(int fd, Buf *b)
{
        char chunk[4096];
        ssize_t n;
        int r = 0;

        while (r >= 0) {
                n = read(fd, chunk, sizeof(chunk));
                if (n == 0)
                        break;
                if (n > 0)
                        r = buf_append(b, chunk, (size_t) n);
                else if (errno != EINTR)
                        r = -errno;
        }
        explicit_bzero(chunk, sizeof(chunk));
        return r;
}

int file_read(const char *path, Buf *b)
{
        _cleanup_close_ int fd = -1;
        bool empty = false;
        int r;

        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (fd < 0)
                return -errno;
        r = check_file(fd, b->max, &empty);
        if (r < 0 || empty)
                return r;
        return read_fd(fd, b);
}

const char *file_strerror(int error)
{
        switch (error) {
        case -EINVAL:
                return "it is not a regular file";
        case -EMSGSIZE:
                return "it is too large";
        default:
                return strerror(-error);
        }
}
