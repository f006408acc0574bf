/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "fingerprint.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

/* FNV-1a: nobody gains by a collision. */
#define FNV_PRIME UINT64_C(0x100000001b3)

static uint64_t mix(uint64_t h, const void *p, size_t n)
{
        const uint8_t *bytes = p;

        for (size_t i = 0; i < n; i++)
                h = (h ^ bytes[i]) * FNV_PRIME;
        return h;
}

static uint64_t digest_stat(const struct stat *st)
{
        const uint64_t fields[] = {
                st->st_dev,
                st->st_ino,
                st->st_mode,
                (uint64_t) st->st_size,
                (uint64_t) st->st_mtim.tv_sec,
                (uint64_t) st->st_mtim.tv_nsec,
                (uint64_t) st->st_ctim.tv_sec,
                (uint64_t) st->st_ctim.tv_nsec,
        };
        uint64_t h = UINT64_C(0xcbf29ce484222325);

        for (size_t i = 0; i < ELEMENTSOF(fields); i++)
                h = (h ^ fields[i]) * FNV_PRIME;
        return h;
}

static void note_change(Fingerprint *f, const struct stat *st)
{
        f->changed = MAX(f->changed,
                         (usec_t) st->st_ctim.tv_sec * USEC_PER_SEC + (usec_t) st->st_ctim.tv_nsec / 1000);
}

/* A sum, as a folder has no order. The times of the folder itself would tell of files that came and went. */
static void take_entries(const char *path, Fingerprint *f)
{
        DIR *d = opendir(path);
        struct dirent *entry;
        struct stat st;

        if (!d)
                return;
        while ((entry = readdir(d))) {
                if (streq(entry->d_name, ".") || streq(entry->d_name, ".."))
                        continue;
                if (fstatat(dirfd(d), entry->d_name, &st, 0) < 0 &&
                    fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                        continue;
                note_change(f, &st);
                f->digest += mix(digest_stat(&st), entry->d_name, strlen(entry->d_name));
        }
        (void) closedir(d);
}

Fingerprint fingerprint_take(const char *path)
{
        Fingerprint f = { 0 };
        struct stat st;

        if (stat(path, &st) < 0)
                return f;
        if (S_ISDIR(st.st_mode)) {
                st.st_size = 0;
                st.st_mtim = st.st_ctim = (struct timespec){ 0 };
                f.digest = digest_stat(&st);
                take_entries(path, &f);
        } else {
                f.digest = digest_stat(&st);
                note_change(&f, &st);
        }
        f.unsure = usec_sub(clock_now(), f.changed) < FINGERPRINT_TICK;
        return f;
}

bool fingerprint_differs(const Fingerprint *old, const Fingerprint *now)
{
        return now->digest != old->digest || old->unsure;
}
