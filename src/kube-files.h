/* SPDX-License-Identifier: MIT */
#pragma once

#include "util.h"

#include <cjson/cJSON.h>

/* The files of a kubeconfig as one: merged as client-go does it (tools/clientcmd/loader.go, merge.go), that
 * is, the first file that has a name wins with its whole entry. What the fields mean is not known here. */

#define KUBE_FILES_ERROR_MAX 1024U

typedef struct KubeFile KubeFile;

/* All functions that return a negative errno leave a sentence in error, but for -ENOMEM. It names file,
 * line or entry, and no value of a field. */
typedef struct KubeFiles {
        KubeFile *items; /* in the order of their precedence */
        size_t n;
        size_t size_max; /* of one file, in bytes */
        char *label;     /* what they are called together in messages */
        char **noted;    /* see kube_files_note(); NULL-terminated, NULL: none */
        size_t n_noted;
        char error[KUBE_FILES_ERROR_MAX];
} KubeFiles;

#define KUBE_FILES_INIT(maximum) ((KubeFiles){ .size_max = (maximum) })

/* A kind of entry: its list, and the member that holds the fields. */
typedef struct KubeKind {
        const char *list;
        const char *name;
} KubeKind;

extern const KubeKind kube_files_clusters, kube_files_users, kube_files_contexts;

/* One named cluster, user or context. It lives as long as the files. */
typedef struct KubeEntry {
        KubeFiles *files;
        const KubeFile *file;
        const KubeKind *kind;
        const char *name;
        const cJSON *fields;
} KubeEntry;

/* Reads the files that kube_config_load() tells of, or takes the text of one. Once for each KubeFiles.
 * Return 0, -ENOENT, -EINVAL, -EMSGSIZE, -ENOMEM, or what open(2) and read(2) say. */
int kube_files_load(KubeFiles *f, const char *explicit_path, const char *kubeconfig_env, const char *home);
int kube_files_parse(KubeFiles *f, const char *text, size_t size, const char *path, const char *directory);
void kube_files_done(KubeFiles *f);
#define _cleanup_kube_files_ _cleanup_(kube_files_done)

/* The context of that name; NULL or "": the current one. Returns 0 or -EINVAL. */
int kube_files_context(KubeFiles *f, const char *name, KubeEntry *ret);

/* The cluster or user that a context names. Returns 1, 0 if it names none (then *ret is as it was), or
 * -EINVAL. */
int kube_files_follow(const KubeEntry *context, const KubeKind *kind, KubeEntry *ret);

/* Writes an error about an entry and returns its number. */
int kube_files_fail(const KubeEntry *e, int error, const char *format, ...) _printf_(3, 4);

/* Whether there is anything in a field: null, "", [] and {} are as good as absent. */
bool kube_files_has(const KubeEntry *e, const char *field);

/* What is in a field; NULL: null, or it is absent. */
const cJSON *kube_files_get(const KubeEntry *e, const char *field);

/* The text in a field, NULL if there is nothing in it; and a boolean. Return 0 or -EINVAL. */
int kube_files_string(const KubeEntry *e, const char *field, const char **ret);
int kube_files_bool(const KubeEntry *e, const char *field, bool *ret);

/* What to add to "is not text" about something else. */
const char *kube_files_not_text(const cJSON *j);

/* A path in that entry as an absolute one; it starts at the directory of the entry's file. The caller frees
 * it; NULL when memory is out. */
char *kube_files_resolve(const KubeEntry *e, const char *path);

/* Notes a path, from where eatr runs if it is relative, as one whose change is to be taken in. All files
 * that are loaded or looked for are noted by themselves. Returns 0 or -ENOMEM. */
int kube_files_note(KubeFiles *f, const char *path);

/* Hands over the noted paths, absolute, each once, NULL-terminated; NULL: there are none. The caller frees
 * array and strings. */
char **kube_files_take_noted(KubeFiles *f);
