/* SPDX-License-Identifier: MIT */
#pragma once

#include "clock.h"

#include <systemd/sd-event.h>

/* Tells its owner that one of a set of files has changed, in whatever way that is done: written in place,
 * replaced by another one of its name, or by way of a symbolic link that now points elsewhere, as the
 * kubelet's "..data" does. inotify on the folders says that something happened there, and a fingerprint of
 * each file (which file it is, its size, its mode and its times) whether it is a change.
 *
 * Two things are not seen: what another host does to a network's file system, and a folder further up than
 * the one that a file is in being renamed. */

typedef struct FileWatch FileWatch;

/* A change is told once, when things have been quiet for so long, so that a file that is half written, or a
 * set of files that is replaced one by one, is read once; and at the latest so long after the first event.
 */
#define FILE_WATCH_SETTLE (500 * USEC_PER_MSEC)
#define FILE_WATCH_LATEST (5 * USEC_PER_SEC)

/* Called from the event loop; may set other paths and free the watch. */
typedef void (*file_watch_changed_t)(void *userdata);

/* Watches nothing yet. Returns 0 or a negative errno. */
int file_watch_new(sd_event *event, file_watch_changed_t changed, void *userdata, FileWatch **ret);

/* Watches these files and folders from now on, and no others: what happened before is forgotten, so they are
 * best read after this. Any of them may be missing, with the folders they are in. In a folder all that is
 * directly in it counts. paths ends with NULL and is copied. Returns 0, or the first error; what can be
 * watched is, but a change may go unseen: -ENOSPC (fs.inotify.max_user_watches), -EMFILE
 * (fs.inotify.max_user_instances), -EACCES (a folder that may not be read), -ENAMETOOLONG, -ENOMEM.
 *
 * What can no longer be watched later on is told as a change, once; who then sets the paths again learns
 * why. */
int file_watch_set(FileWatch *w, const char *const *paths);

/* NULL is fine. */
FileWatch *file_watch_free(FileWatch *w);
DEFINE_TRIVIAL_CLEANUP_FUNC(FileWatch *, file_watch_free);
