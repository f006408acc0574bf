/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "file-watch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/queue.h>
#include <sys/stat.h>

/* Reads and opens are not among them. */
#define EVENTS                                                                                        \
        ((uint32_t) (IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB | IN_CREATE | IN_DELETE | IN_MOVED_FROM | \
                     IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR))

/* As many symbolic links as the kernel follows. */
#define LINKS_MAX 40U

/* How often a path is walked anew because a folder went away meanwhile. */
#define WALKS_MAX 8U

/* The kernel's clock for files ticks that slowly at most (HZ=100): a second change within a tick may look
 * like the first. */
#define TICK (20 * USEC_PER_MSEC)

typedef struct Name {
        SLIST_ENTRY(Name) others;
        char text[];
} Name;

/* A folder that is watched, for some of its entries or all of them. */
typedef struct Folder {
        FileWatch *watch;
        sd_event_source *source;
        char *path; /* without symbolic links */
        SLIST_HEAD(, Name) names;
        bool all;
        SLIST_ENTRY(Folder) others;
} Folder;

typedef SLIST_HEAD(Folders, Folder) Folders;

typedef struct Fingerprint {
        uint64_t digest; /* 0: there is nothing */
        usec_t changed;  /* the last ctime */
        bool unsure;     /* taken within a tick of it */
} Fingerprint;

typedef struct Watched {
        const char *path;
        Fingerprint fingerprint;
} Watched;

struct FileWatch {
        sd_event *event;
        file_watch_changed_t changed;
        void *userdata;
        usec_t settle, latest; /* FILE_WATCH_SETTLE and FILE_WATCH_LATEST */

        Watched *files;
        size_t n_files;
        char *paths; /* of the files, one behind the other */
        Folders folders;
        bool incomplete; /* something cannot be watched */

        sd_event_source *timer;
        usec_t due;
        usec_t first; /* CLOCK_BOOTTIME of the first event that has not been looked into; 0: there is none */
};

/* --- fingerprints ---------------------------------------------------------------------------------- */

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

static Fingerprint take_fingerprint(const char *path)
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
        f.unsure = usec_sub(clock_now(), f.changed) < TICK;
        return f;
}

/* Takes them all anew and says whether one has changed. */
static bool compare(FileWatch *w)
{
        bool changed = false;

        for (size_t i = 0; i < w->n_files; i++) {
                Fingerprint *f = &w->files[i].fingerprint, now = take_fingerprint(w->files[i].path);

                changed |= now.digest != f->digest || f->unsure;
                *f = now;
        }
        return changed;
}

/* --- folders --------------------------------------------------------------------------------------- */

static Folder *folder_free(Folder *f)
{
        Name *n;

        (void) sd_event_source_disable_unref(f->source);
        while ((n = SLIST_FIRST(&f->names))) {
                SLIST_REMOVE_HEAD(&f->names, others);
                free(n);
        }
        free(f->path);
        free(f);
        return NULL;
}
DEFINE_TRIVIAL_CLEANUP_FUNC(Folder *, folder_free);

static void folders_done(Folders *folders)
{
        Folder *f;

        while ((f = SLIST_FIRST(folders))) {
                SLIST_REMOVE_HEAD(folders, others);
                (void) folder_free(f);
        }
}

static bool folder_cares(const Folder *f, const char *name)
{
        const Name *n;

        SLIST_FOREACH(n, &f->names, others)
        if (streq(n->text, name))
                return true;
        return f->all;
}

/* A timer that is due must not be set again: it would lose its turn, event after event. */
static void arm(FileWatch *w)
{
        usec_t now = clock_boottime(), due;

        if (w->first == 0)
                w->first = now;
        due = MIN(now + w->settle, w->first + w->latest);
        if (due == w->due)
                return;
        w->due = due;
        (void) sd_event_source_set_time(w->timer, due);
        (void) sd_event_source_set_enabled(w->timer, SD_EVENT_ONESHOT);
}

/* What has no name happened to the folder itself, or to the queue, which overflowed. */
static int on_inotify(sd_event_source *s, const struct inotify_event *event, void *userdata)
{
        Folder *f = userdata;

        if (event->len == 0 || folder_cares(f, event->name))
                arm(f->watch);
        return 0;
}

static int folder_add(FileWatch *w, Folders *folders, const char *path, Folder **ret)
{
        _cleanup_(folder_freep) Folder *f = NULL;
        Folder *old;
        int r;

        SLIST_FOREACH(old, folders, others)
        if (streq(old->path, path)) {
                *ret = old;
                return 0;
        }
        f = calloc(1, sizeof(*f));
        if (!f)
                return -ENOMEM;
        f->watch = w;
        f->path = strdup(path);
        if (!f->path)
                return -ENOMEM;
        r = sd_event_add_inotify(w->event, &f->source, path, EVENTS, on_inotify, f);
        if (r < 0)
                return r;
        SLIST_INSERT_HEAD(folders, f, others);
        *ret = TAKE_PTR(f);
        return 0;
}

static int folder_add_name(Folder *f, const char *name)
{
        size_t size = strlen(name) + 1;
        Name *n;

        if (folder_cares(f, name))
                return 0;
        n = malloc(sizeof(*n) + size);
        if (!n)
                return -ENOMEM;
        memcpy(n->text, name, size);
        SLIST_INSERT_HEAD(&f->names, n, others);
        return 0;
}

/* --- the way to a file ----------------------------------------------------------------------------- */

/* A path on its way: here has no symbolic link in it, from next on rest is yet to be gone. */
typedef struct Walk {
        FileWatch *watch;
        Folders *folders;
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

/* Watches an entry of the folder that has been reached; NULL: all of them. */
static void walk_watch(Walk *walk, const char *name)
{
        Folder *f;
        int r = folder_add(walk->watch, walk->folders, *walk->here ? walk->here : "/", &f);

        if (r >= 0 && name)
                r = folder_add_name(f, name);
        else if (r >= 0)
                f->all = true;
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

/* One component further. A plain folder on the way is passed; anything else is watched, and only then
 * looked at, so that nothing happens in between. Returns whether the walk goes on. */
static bool walk_step(Walk *walk, const char *name)
{
        char path[PATH_MAX];
        struct stat st;

        if (!walk_print(walk, path, walk->here, name))
                return false;
        if (!*walk->next || lstat(path, &st) < 0 || !S_ISDIR(st.st_mode)) {
                walk_watch(walk, name);
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

/* Watches all that decides which file is at that path, as far as it exists. Returns 0 or the first error. */
static int walk_path(FileWatch *w, Folders *folders, const char *path)
{
        char name[NAME_MAX + 1];
        Walk walk = { .watch = w, .folders = folders };

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
        walk_watch(&walk, NULL); /* it is a folder */
        return walk.error;
}

/* Watches the way to each file, as far as that is possible. Returns 0 or the first error. */
static int walk_all(FileWatch *w, Folders *folders)
{
        int first = 0;

        for (size_t i = 0; i < w->n_files; i++) {
                int r = -ENOENT;

                for (unsigned n = 0; n < WALKS_MAX && (r == -ENOENT || r == -ENOTDIR); n++)
                        r = walk_path(w, folders, w->files[i].path);
                if (first == 0)
                        first = r;
        }
        w->incomplete = first < 0;
        return first;
}

/* --- the whole ------------------------------------------------------------------------------------- */

/* The new watches are there before the old ones go, so that no event is lost. */
static int on_settled(sd_event_source *s, uint64_t usec, void *userdata)
{
        FileWatch *w = userdata;
        bool was_incomplete = w->incomplete, changed;
        Folders old = w->folders;

        w->first = w->due = 0;
        SLIST_INIT(&w->folders);
        (void) walk_all(w, &w->folders);
        folders_done(&old);
        changed = compare(w);
        if (changed || (w->incomplete && !was_incomplete))
                w->changed(w->userdata); /* w may be gone */
        return 0;
}

int file_watch_new(sd_event *event, file_watch_changed_t changed, void *userdata, FileWatch **ret)
{
        _cleanup_(file_watch_freep) FileWatch *w = NULL;
        int r;

        w = calloc(1, sizeof(*w));
        if (!w)
                return -ENOMEM;
        w->event = sd_event_ref(event);
        w->changed = changed;
        w->userdata = userdata;
        w->settle = FILE_WATCH_SETTLE;
        w->latest = FILE_WATCH_LATEST;
        SLIST_INIT(&w->folders);
        r = sd_event_add_time(event, &w->timer, CLOCK_BOOTTIME, 0, 1, on_settled, w);
        if (r < 0)
                return r;
        (void) sd_event_source_set_enabled(w->timer, SD_EVENT_OFF);
        *ret = TAKE_PTR(w);
        return 0;
}

static void clear(FileWatch *w)
{
        folders_done(&w->folders);
        free(w->files);
        free(w->paths);
        w->files = NULL;
        w->paths = NULL;
        w->n_files = 0;
        w->first = w->due = 0;
        w->incomplete = false;
        (void) sd_event_source_set_enabled(w->timer, SD_EVENT_OFF);
}

static int copy_paths(FileWatch *w, const char *const *paths)
{
        size_t n = 0, size = 0;
        char *end;

        for (; paths[n]; n++)
                size += strlen(paths[n]) + 1;
        w->files = calloc(n + 1, sizeof(*w->files));
        w->paths = end = malloc(size + 1);
        if (!w->files || !w->paths)
                return -ENOMEM;
        for (; w->n_files < n; w->n_files++) {
                w->files[w->n_files].path = end;
                end = stpcpy(end, paths[w->n_files]) + 1;
        }
        return 0;
}

int file_watch_set(FileWatch *w, const char *const *paths)
{
        int r;

        clear(w);
        r = copy_paths(w, paths);
        if (r < 0) {
                clear(w);
                return r;
        }
        r = walk_all(w, &w->folders);
        (void) compare(w);
        return r;
}

FileWatch *file_watch_free(FileWatch *w)
{
        if (!w)
                return NULL;
        clear(w);
        (void) sd_event_source_disable_unref(w->timer);
        (void) sd_event_unref(w->event);
        free(w);
        return NULL;
}
