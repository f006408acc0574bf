/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "kube-files.h"

#include "buf.h"
#include "file.h"
#include "kube-yaml.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#define NAMES_SHOWN_MAX 10U

struct KubeFile {
        char *path;
        char *directory; /* where its relative paths start */
        cJSON *tree;
};

const KubeKind kube_files_clusters = { "clusters", "cluster" };
const KubeKind kube_files_users = { "users", "user" };
const KubeKind kube_files_contexts = { "contexts", "context" };

static void error_addv(KubeFiles *f, const char *format, va_list ap) _printf_(2, 0);
static void error_addv(KubeFiles *f, const char *format, va_list ap)
{
        size_t used = strlen(f->error);

        (void) vsnprintf(f->error + used, sizeof(f->error) - used, format, ap);
        /* Names come from the file, and the text goes to a log. */
        for (char *p = f->error + used; *p; p++)
                if (iscntrl((unsigned char) *p))
                        *p = '?';
}

static void _printf_(2, 3) error_add(KubeFiles *f, const char *format, ...)
{
        va_list ap;

        va_start(ap, format);
        error_addv(f, format, ap);
        va_end(ap);
}

/* Writes the error and returns its number. */
static int _printf_(3, 4) fail(KubeFiles *f, int error, const char *format, ...)
{
        va_list ap;

        f->error[0] = '\0';
        va_start(ap, format);
        error_addv(f, format, ap);
        va_end(ap);
        return error;
}

int kube_files_fail(const KubeEntry *e, int error, const char *format, ...)
{
        va_list ap;

        (void) fail(e->files, 0, "%s: %s \"%s\": ", e->file->path, e->kind->name, e->name);
        va_start(ap, format);
        error_addv(e->files, format, ap);
        va_end(ap);
        return error;
}

/* Fields. */

static bool is_set(const cJSON *j)
{
        if (!j || cJSON_IsNull(j))
                return false;
        if (cJSON_IsString(j))
                return !str_empty(j->valuestring);
        if (cJSON_IsArray(j) || cJSON_IsObject(j))
                return j->child;
        return true;
}

const cJSON *kube_files_get(const KubeEntry *e, const char *field)
{
        const cJSON *j = kube_yaml_get(e->fields, field);

        return cJSON_IsNull(j) ? NULL : j;
}

bool kube_files_has(const KubeEntry *e, const char *field)
{
        return is_set(kube_yaml_get(e->fields, field));
}

int kube_files_string(const KubeEntry *e, const char *field, const char **ret)
{
        const cJSON *j = kube_yaml_get(e->fields, field);

        *ret = NULL;
        if (!is_set(j))
                return 0;
        if (!cJSON_IsString(j))
                return kube_files_fail(e, -EINVAL, "%s is not text%s", field, kube_files_not_text(j));
        *ret = j->valuestring;
        return 0;
}

const char *kube_files_not_text(const cJSON *j)
{
        return cJSON_IsNumber(j) || cJSON_IsBool(j) ? ", as there are no quotes around it" : "";
}

int kube_files_bool(const KubeEntry *e, const char *field, bool *ret)
{
        const cJSON *j = kube_yaml_get(e->fields, field);

        if (is_set(j) && !cJSON_IsBool(j))
                return kube_files_fail(e, -EINVAL, "%s is neither true nor false%s", field,
                                       cJSON_IsString(j) ? ", but text" : "");
        *ret = cJSON_IsTrue(j);
        return 0;
}

/* Paths. */

static char *make_absolute(const char *path)
{
        _cleanup_free_ char *cwd = NULL;

        if (*path == '/')
                return strdup(path);
        cwd = get_current_dir_name();
        return cwd ? str_printf("%s/%s", cwd, path) : NULL;
}

char *kube_files_resolve(const KubeEntry *e, const char *path)
{
        _cleanup_free_ char *relative = NULL;

        if (*path == '/')
                return strdup(path);
        relative = str_printf("%s/%s", e->file->directory, path);
        return relative ? make_absolute(relative) : NULL;
}

int kube_files_note(KubeFiles *f, const char *path)
{
        _cleanup_free_ char *absolute = make_absolute(path);
        char **noted;

        if (!absolute)
                return -ENOMEM;
        for (size_t i = 0; i < f->n_noted; i++)
                if (streq(f->noted[i], absolute))
                        return 0;
        noted = reallocarray(f->noted, f->n_noted + 2, sizeof(*noted));
        if (!noted)
                return -ENOMEM;
        f->noted = noted;
        noted[f->n_noted++] = TAKE_PTR(absolute);
        noted[f->n_noted] = NULL;
        return 0;
}

char **kube_files_take_noted(KubeFiles *f)
{
        f->n_noted = 0;
        return TAKE_PTR(f->noted);
}

/* Each file is checked as a whole. */

static int compare_names(const void *a, const void *b)
{
        return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static int check_unique(KubeFiles *f, const KubeFile *file, const KubeKind *kind, const char **names,
                        size_t n)
{
        qsort(names, n, sizeof(*names), compare_names);
        for (size_t i = 1; i < n; i++)
                if (streq(names[i - 1], names[i]))
                        return fail(f, -EINVAL, "%s: %s \"%s\" is there twice", file->path, kind->name,
                                    names[i]);
        return 0;
}

/* Checks the entries of a list that has some, and puts their names into names. */
static int check_entries(KubeFiles *f, const KubeFile *file, const KubeKind *kind, const cJSON *list,
                         const char **names)
{
        size_t n = 0;

        JSON_FOREACH (item, list) {
                const cJSON *name = kube_yaml_get(item, "name"), *fields = kube_yaml_get(item, kind->name);

                if (!is_set(name))
                        return fail(f, -EINVAL, "%s: entry %zu of %s has no name", file->path, n + 1,
                                    kind->list);
                if (!cJSON_IsString(name))
                        return fail(f, -EINVAL, "%s: entry %zu of %s: its name is not text%s", file->path,
                                    n + 1, kind->list, kube_files_not_text(name));
                if (is_set(fields) && !cJSON_IsObject(fields))
                        return fail(f, -EINVAL, "%s: %s \"%s\" has no fields", file->path, kind->name,
                                    name->valuestring);
                names[n++] = name->valuestring;
        }
        return check_unique(f, file, kind, names, n);
}

static int check_list(KubeFiles *f, const KubeFile *file, const KubeKind *kind)
{
        const cJSON *list = kube_yaml_get(file->tree, kind->list);
        _cleanup_free_ const char **names = NULL;

        if (!is_set(list))
                return 0;
        if (!cJSON_IsArray(list))
                return fail(f, -EINVAL, "%s: %s is not a list", file->path, kind->list);
        names = calloc((size_t) cJSON_GetArraySize(list), sizeof(*names));
        if (!names)
                return -ENOMEM;
        return check_entries(f, file, kind, list, names);
}

/* Another manifest is a likely mistake. */
static int check_head(KubeFiles *f, const KubeFile *file, const char *field, const char *want)
{
        const cJSON *j = kube_yaml_get(file->tree, field);

        if (!is_set(j) || (cJSON_IsString(j) && streq(j->valuestring, want)))
                return 0;
        return fail(f, -EINVAL, "%s is not a kubeconfig: its %s is not %s", file->path, field, want);
}

static int check_file(KubeFiles *f, const KubeFile *file)
{
        static const KubeKind *const kinds[] = { &kube_files_clusters, &kube_files_users,
                                                 &kube_files_contexts };
        int r;

        if (is_set(file->tree) && !cJSON_IsObject(file->tree))
                return fail(f, -EINVAL, "%s is not a kubeconfig: there are no fields in it", file->path);
        r = check_head(f, file, "apiVersion", "v1");
        if (r < 0)
                return r;
        r = check_head(f, file, "kind", "Config");
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(kinds); i++)
                r = check_list(f, file, kinds[i]);
        return r;
}

static int parse_file(KubeFiles *f, KubeFile *file, const char *text, size_t size)
{
        KubeYamlError error;
        int r;

        if (size > f->size_max)
                return fail(f, -EMSGSIZE, "%s: %s", file->path, file_strerror(-EMSGSIZE));
        r = kube_yaml_parse(text, size, &file->tree, &error);
        if (r < 0)
                return fail(f, r, "%s: %s", file->path, error.text);
        return check_file(f, file);
}

static int add_text(KubeFiles *f, const char *text, size_t size, const char *path, const char *directory)
{
        KubeFile *items, *file;

        items = reallocarray(f->items, f->n + 1, sizeof(*items));
        if (!items)
                return -ENOMEM;
        f->items = items;
        file = &items[f->n++];
        *file = (KubeFile){ .path = strdup(path), .directory = strdup(directory) };
        if (!file->path || !file->directory)
                return -ENOMEM;
        return parse_file(f, file, text, size);
}

static char *directory_of(const char *path)
{
        const char *slash = strrchr(path, '/');

        if (!slash)
                return strdup(".");
        return strndup(path, slash == path ? 1 : (size_t) (slash - path));
}

static int add_file(KubeFiles *f, const char *path)
{
        _cleanup_buf_ Buf b = BUF_INIT_SECRET(f->size_max);
        _cleanup_free_ char *directory = directory_of(path);
        int r;

        if (!directory)
                return -ENOMEM;
        r = kube_files_note(f, path);
        if (r < 0)
                return r;
        r = file_read(path, &b);
        if (r < 0)
                return fail(f, r, "cannot read the kubeconfig %s: %s", path, file_strerror(r));
        return add_text(f, buf_str(&b), b.size, path, directory);
}

static bool has_path(const KubeFiles *f, const char *path)
{
        for (size_t i = 0; i < f->n; i++)
                if (streq(f->items[i].path, path))
                        return true;
        return false;
}

/* $KUBECONFIG may name files that are not there, and one more than once. */
static int add_list(KubeFiles *f, const char *list)
{
        for (const char *p = list; *p; p += strspn(p, ":")) {
                _cleanup_free_ char *path = strndup(p, strcspn(p, ":"));
                int r;

                if (!path)
                        return -ENOMEM;
                p += strlen(path);
                r = *path && !has_path(f, path) ? add_file(f, path) : 0;
                /* Only open(2) says this. */
                if (r < 0 && r != -ENOENT)
                        return r;
        }
        if (f->n == 0)
                return fail(f, -ENOENT, "none of the files that $KUBECONFIG names is there: %s", list);
        return 0;
}

int kube_files_load(KubeFiles *f, const char *explicit_path, const char *kubeconfig_env, const char *home)
{
        bool list = str_empty(explicit_path) && !str_empty(kubeconfig_env);

        if (list)
                f->label = strdup(kubeconfig_env);
        else if (!str_empty(explicit_path))
                f->label = strdup(explicit_path);
        else if (!str_empty(home))
                f->label = str_printf("%s/.kube/config", home);
        else
                return fail(f, -ENOENT,
                            "no kubeconfig is named, and there is no home directory to look for one");
        if (!f->label)
                return -ENOMEM;
        return list ? add_list(f, f->label) : add_file(f, f->label);
}

int kube_files_parse(KubeFiles *f, const char *text, size_t size, const char *path, const char *directory)
{
        f->label = strdup(path);
        if (!f->label)
                return -ENOMEM;
        return add_text(f, size > 0 ? text : "", size, path, directory);
}

void kube_files_done(KubeFiles *f)
{
        for (size_t i = 0; i < f->n; i++) {
                free(f->items[i].path);
                free(f->items[i].directory);
                (void) json_free(f->items[i].tree);
        }
        for (size_t i = 0; i < f->n_noted; i++)
                free(f->noted[i]);
        free(f->noted);
        free(f->items);
        free(f->label);
        *f = KUBE_FILES_INIT(f->size_max);
}

/* Then the first one that has a name wins. */

static bool find_entry(KubeFiles *f, const KubeKind *kind, const char *name, KubeEntry *ret)
{
        for (size_t i = 0; i < f->n; i++)
                JSON_FOREACH (item, kube_yaml_get(f->items[i].tree, kind->list)) {
                        const char *own = kube_yaml_get(item, "name")->valuestring;

                        if (!streq(own, name))
                                continue;
                        *ret = (KubeEntry){ .files = f,
                                            .file = &f->items[i],
                                            .kind = kind,
                                            .name = own,
                                            .fields = kube_yaml_get(item, kind->name) };
                        return true;
                }
        return false;
}

/* Ends an error with the names of the contexts. */
static int fail_with_contexts(KubeFiles *f)
{
        size_t n = 0;

        for (size_t i = 0; i < f->n; i++)
                JSON_FOREACH (item, kube_yaml_get(f->items[i].tree, kube_files_contexts.list)) {
                        const char *name = kube_yaml_get(item, "name")->valuestring;
                        KubeEntry e;

                        /* A later file's entry of the same name does not count. */
                        if (!find_entry(f, &kube_files_contexts, name, &e) || e.file != &f->items[i])
                                continue;
                        if (n++ < NAMES_SHOWN_MAX)
                                error_add(f, "%s\"%s\"", n > 1 ? ", " : "", name);
                }
        if (n > NAMES_SHOWN_MAX)
                error_add(f, " and %zu more", n - NAMES_SHOWN_MAX);
        return -EINVAL;
}

static bool has_contexts(const KubeFiles *f)
{
        for (size_t i = 0; i < f->n; i++)
                if (is_set(kube_yaml_get(f->items[i].tree, kube_files_contexts.list)))
                        return true;
        return false;
}

/* The first file that has one counts. */
static int current_context(KubeFiles *f, const char **ret)
{
        for (size_t i = 0; i < f->n; i++) {
                const cJSON *j = kube_yaml_get(f->items[i].tree, "current-context");

                if (!is_set(j))
                        continue;
                if (!cJSON_IsString(j))
                        return fail(f, -EINVAL, "%s: current-context is not text%s", f->items[i].path,
                                    kube_files_not_text(j));
                *ret = j->valuestring;
                return 0;
        }
        (void) fail(f, 0, "%s has no current-context, and none was asked for; its contexts: ", f->label);
        return fail_with_contexts(f);
}

int kube_files_context(KubeFiles *f, const char *name, KubeEntry *ret)
{
        int r;

        if (!has_contexts(f))
                return fail(f, -EINVAL, "%s has no contexts", f->label);
        if (str_empty(name)) {
                r = current_context(f, &name);
                if (r < 0)
                        return r;
        }
        if (find_entry(f, &kube_files_contexts, name, ret))
                return 0;
        (void) fail(f, 0, "%s has no context \"%s\"; its contexts: ", f->label, name);
        return fail_with_contexts(f);
}

int kube_files_follow(const KubeEntry *context, const KubeKind *kind, KubeEntry *ret)
{
        const char *name = NULL;
        int r;

        r = kube_files_string(context, kind->name, &name);
        if (r < 0 || !name)
                return r;
        if (!find_entry(context->files, kind, name, ret))
                return kube_files_fail(context, -EINVAL, "there is no %s \"%s\"", kind->name, name);
        return 1;
}
