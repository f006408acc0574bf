/* SPDX-License-Identifier: MIT */
#pragma once

/* The service manager's end of sd_notify(3): keeps what it is told. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
/* cmocka.h comes after what it uses. */
#include <cmocka.h>

static int notified_fd;
static char told[8192]; /* "\n" before and after each message */

static inline void notified_forget(void)
{
        (void) strcpy(told, "\n");
}

static inline int notified_open(void **state)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        socklen_t size = sizeof(sa_family_t); /* the kernel finds a name */

        notified_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        assert_return_code(bind(notified_fd, (struct sockaddr *) &address, size), errno);
        size = sizeof(address);
        assert_return_code(getsockname(notified_fd, (struct sockaddr *) &address, &size), errno);
        address.sun_path[0] = '@';
        notified_forget();
        return setenv("NOTIFY_SOCKET", address.sun_path, 1);
}

static inline int notified_close(void **state)
{
        return close(notified_fd);
}

/* Takes what has come. */
static inline void notified_take(void)
{
        size_t n;
        ssize_t k;

        while (n = strlen(told), (k = recv(notified_fd, told + n, sizeof(told) - n - 2, 0)) > 0) {
                assert_true((size_t) k < sizeof(told) - n - 2);
                (void) strcpy(told + n + k, "\n");
        }
}
