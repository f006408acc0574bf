/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "path-walk.h"
#include "util.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

/* As many symbolic links as the kernel follows. */
#define LINKS_MAX 40U

/* A path on its way: here has no symbolic link in it, from next on rest is yet to be gone. */
typedef struct Walk {
        path_walk_entry_t entry;
        void *userdata;
        char here[PATH_MAX]; /* "" is the root */
        char rest[PATH_MAX];
        const char *next;
        unsigned links;
        int error; /* the first; what does not need it goes on */
} Walk;

static void walk_fail(Walk *walk, int error)
{
        if (walk->error == 0)
                walk->error = error;
}

/* Returns whether it fits. */
static bool walk_print(Walk *walk, char buffer[static PATH_MAX], const char *a, const char *b)
{
        if ((size_t) snprintf(buffer, PATH_MAX, "%s/%s", a, b) < PATH_MAX)
                return true;
        walk_fail(walk, -ENAMETOOLONG);
        return false;
}

static bool walk_begin(Walk *walk, const char *path)
{
        walk->here[0] = '\0';
        walk->next = walk->rest;
        if (path[0] == '/')
                return walk_print(walk, walk->rest, "", path + 1);
        if (!getcwd(walk->here, sizeof(walk->here))) {
                walk_fail(walk, -errno);
                return false;
        }
        if (streq(walk->here, "/"))
                walk->here[0] = '\0';
        return walk_print(walk, walk->rest, ".", path);
}

/* Takes the next component. Returns whether there is one. */
static bool walk_next(Walk *walk, char name[static NAME_MAX + 1])
{
        const char *start = walk->next + strspn(walk->next, "/");
        size_t n = strcspn(start, "/");

        (void) snprintf(name, NAME_MAX + 1, "%.*s", (int) MIN(n, (size_t) NAME_MAX), start);
        walk->next = start + n + strspn(start + n, "/");
        return *name;
}

/* Of the folder that has been reached. */
static void walk_tell(Walk *walk, const char *name)
{
        int r = walk->entry(*walk->here ? walk->here : "/", name, walk->userdata);

        if (r < 0)
                walk_fail(walk, r);
}

/* Goes where the link at that path points. Returns whether the walk goes on. */
static bool walk_follow(Walk *walk, const char *link)
{
        char target[PATH_MAX], rest[PATH_MAX];
        ssize_t n = readlink(link, target, sizeof(target) - 1);

        if (n < 0 || ++walk->links > LINKS_MAX)
                return false; /* what comes in its place is told */
        target[n] = '\0';
        if (!walk_print(walk, rest, target, walk->next))
                return false;
        if (target[0] == '/')
                walk->here[0] = '\0';
        memcpy(walk->rest, rest, sizeof(rest));
        walk->next = walk->rest;
        return true;
}

/* One component further. A plain folder on the way is passed; anything else is told, and only then
 * looked at, so that nothing happens in between. Returns whether the walk goes on. */
static bool walk_step(Walk *walk, const char *name)
{
        char path[PATH_MAX];
        struct stat st;

        if (!walk_print(walk, path, walk->here, name))
                return false;
        if (!*walk->next || lstat(path, &st) < 0 || !S_ISDIR(st.st_mode)) {
                walk_tell(walk, name);
                if (lstat(path, &st) < 0)
                        return false;
        }
        if (S_ISLNK(st.st_mode))
                return walk_follow(walk, path);
        if (!S_ISDIR(st.st_mode))
                return false;
        memcpy(walk->here, path, sizeof(path));
        return true;
}

int path_walk(const char *path, path_walk_entry_t entry, void *userdata)
{
        Walk walk = { .entry = entry, .userdata = userdata };
        char name[NAME_MAX + 1];

        if (!walk_begin(&walk, path))
                return walk.error;
        while (walk_next(&walk, name)) {
                char *slash = strrchr(walk.here, '/');

                if (streq(name, ".") || (streq(name, "..") && !slash))
                        continue;
                if (streq(name, ".."))
                        *slash = '\0';
                else if (!walk_step(&walk, name))
                        return walk.error;
        }
        walk_tell(&walk, NULL); /* it is a folder */
        return walk.error;
}
