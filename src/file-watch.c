/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "file-watch.h"
#include "fingerprint.h"
#include "path-walk.h"

#include <errno.h>
#include <sys/inotify.h>
#include <sys/queue.h>

/* Reads and opens are not among them. */
#define EVENTS                                                                                        \
        ((uint32_t) (IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB | IN_CREATE | IN_DELETE | IN_MOVED_FROM | \
                     IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR))

/* How often a path is walked anew because a folder went away meanwhile. */
#define WALKS_MAX 8U

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
        SLIST_INSERT_HEAD(&f->names, n, others);
        memcpy(n->text, name, size);
        return 0;
}

/* --- files ------------------------------------------------------------------------------------------*/

/* What a path's way is added to. */
typedef struct Way {
        FileWatch *watch;
        Folders *folders;
} Way;

static int watch_entry(const char *folder, const char *name, void *userdata)
{
        const Way *way = userdata;
        Folder *f;
        int r = folder_add(way->watch, way->folders, folder, &f);

        if (r >= 0 && name)
                r = folder_add_name(f, name);
        else if (r >= 0)
                f->all = true;
        return r;
}

/* Watches the way to each file, as far as that is possible. Returns 0 or the first error. */
static int walk_all(FileWatch *w, Folders *folders)
{
        Way way = { .watch = w, .folders = folders };
        int first = 0;

        for (size_t i = 0; i < w->n_files; i++) {
                int r = -ENOENT;

                for (unsigned n = 0; n < WALKS_MAX && (r == -ENOENT || r == -ENOTDIR); n++)
                        r = path_walk(w->files[i].path, watch_entry, &way);
                if (first == 0)
                        first = r;
        }
        w->incomplete = first < 0;
        return first;
}

/* Takes all fingerprints anew and says whether one has changed. */
static bool compare(FileWatch *w)
{
        bool changed = false;

        for (size_t i = 0; i < w->n_files; i++) {
                Fingerprint *f = &w->files[i].fingerprint, now = fingerprint_take(w->files[i].path);

                changed |= fingerprint_differs(f, &now);
                *f = now;
        }
        return changed;
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
