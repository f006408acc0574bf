/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "usage.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>

static usec_t from_timeval(const struct timeval *t)
{
        return (usec_t) t->tv_sec * USEC_PER_SEC + (usec_t) t->tv_usec;
}

usec_t usage_cpu(void)
{
        struct rusage u = { 0 };

        (void) getrusage(RUSAGE_SELF, &u); /* cannot fail with these */
        return from_timeval(&u.ru_utime) + from_timeval(&u.ru_stime);
}

int usage_resident(uint64_t *ret)
{
        FILE *f = fopen("/proc/self/statm", "re"); /* "SIZE RESIDENT ...", in pages */
        char line[128] = "", *resident;

        if (!f)
                return -errno;
        resident = fgets(line, sizeof(line), f) ? strchr(line, ' ') : NULL;
        (void) fclose(f);
        if (!resident)
                return -EIO;
        *ret = strtoul(resident, NULL, 10) * (uint64_t) sysconf(_SC_PAGESIZE);
        return 0;
}

int usage_fds(unsigned *ret)
{
        DIR *d = opendir("/proc/self/fd");
        unsigned n = 0;

        if (!d)
                return -errno;
        while (readdir(d))
                n++;
        (void) closedir(d);
        *ret = n > 3 ? n - 3 : 0; /* ".", ".." and the directory's own */
        return 0;
}
