/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "usage.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define LARGE (64U * 1024 * 1024)

static void test_cpu(void **state)
{
        usec_t start = usage_cpu(), begun = clock_boottime();

        while (usage_cpu() < start + 20 * USEC_PER_MSEC)
                assert_true(clock_boottime() < begun + USEC_PER_MINUTE);
        assert_true(usage_cpu() < USEC_PER_MINUTE); /* microseconds */
}

static void test_resident(void **state)
{
        uint64_t before, after;
        char *p;

        assert_int_equal(usage_resident(&before), 0);
        assert_true(before > 100000);
        p = malloc(LARGE);
        assert_non_null(p);
        memset(p, 1, LARGE);
        assert_int_equal(usage_resident(&after), 0);
        assert_in_range(after, before + LARGE / 2, before + 3 * (uint64_t) LARGE);
        free(p);
}

static void test_fds(void **state)
{
        unsigned fds = 0, n;
        int fd;

        for (int i = 0; i < 1024; i++)
                fds += fcntl(i, F_GETFD) >= 0;
        assert_int_equal(usage_fds(&n), 0);
        assert_int_equal(n, fds);
        fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        assert_int_equal(usage_fds(&n), 0);
        assert_int_equal(n, fds + 1);
        (void) close_fd(fd);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_cpu),
                cmocka_unit_test(test_resident),
                cmocka_unit_test(test_fds),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
