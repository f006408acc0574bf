/* SPDX-License-Identifier: MIT */
#pragma once

/* Walks to a file as the kernel does, and tells of all that decides which file is at that path: who watches
 * that sees it become another one, by whatever symbolic link on the way. */

/* Called for an entry of a folder, which is an absolute path without symbolic links; name NULL: all entries,
 * as the path is the folder's. Whether the entry is there is looked at only after that. Returns 0 or a
 * negative errno. */
typedef int (*path_walk_entry_t)(const char *folder, const char *name, void *userdata);

/* Walks as far as the path exists: the last entry that is told may be missing. Plain folders on the way are
 * not told. After an error of entry the walk goes on. Returns 0, or the first error, entry's or its own:
 * -ENAMETOOLONG, or what getcwd(3) says of a relative path. */
int path_walk(const char *path, path_walk_entry_t entry, void *userdata);
