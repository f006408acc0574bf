/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "kube-impersonate.h"

#include "buf.h"
#include "json.h"
#include "words.h"

#include <ctype.h>
#include <errno.h>

#define HEADER_NAME_MAX 1024U

typedef struct Lines {
        char **items;
        size_t n;
} Lines;

static void lines_done(Lines *l)
{
        l->items = words_free(l->items);
}

/* The value has to stay within its header. */
static bool is_printable(const char *s)
{
        for (; *s; s++)
                if (iscntrl((unsigned char) *s))
                        return false;
        return true;
}

static int add_line(const KubeEntry *e, const char *field, const char *name, const char *value, Lines *l)
{
        char **items;

        if (!is_printable(value))
                return kube_files_fail(e, -EINVAL, "%s: there is a control character in it", field);
        items = reallocarray(l->items, l->n + 2, sizeof(*items));
        if (!items)
                return -ENOMEM;
        l->items = items;
        items[l->n] = str_printf("%s: %s", name, value);
        if (!items[l->n])
                return -ENOMEM;
        items[++l->n] = NULL;
        return 0;
}

static int add_field(const KubeEntry *e, const char *field, const char *name, Lines *l)
{
        const char *value;
        int r;

        r = kube_files_string(e, field, &value);
        return r < 0 || !value ? r : add_line(e, field, name, value, l);
}

static int add_list(const KubeEntry *e, const char *field, const cJSON *list, const char *name, Lines *l)
{
        int r = 0;

        if (list && !cJSON_IsNull(list) && !cJSON_IsArray(list))
                return kube_files_fail(e, -EINVAL, "%s is not a list", field);
        JSON_FOREACH (item, list) {
                if (!cJSON_IsString(item))
                        return kube_files_fail(e, -EINVAL, "%s: an entry is not text%s", field,
                                               kube_files_not_text(item));
                r = add_line(e, field, name, item->valuestring, l);
                if (r < 0)
                        break;
        }
        return r;
}

/* What may not be in the name of a header is percent-encoded, and the percent sign itself (client-go's
 * transport/round_trippers.go, headerKeyEscape()). */
static int write_extra_name(const char *key, Buf *name)
{
        int r;

        r = buf_append_str(name, "Impersonate-Extra-");
        for (; r >= 0 && *key; key++)
                if (isalnum((unsigned char) *key) || strchr("!#$&'*+-.^_`|~", *key))
                        r = buf_append(name, key, 1);
                else
                        r = buf_printf(name, "%%%02X", (unsigned) (unsigned char) *key);
        return r;
}

static int add_extra(const KubeEntry *e, Lines *l)
{
        static const char field[] = "as-user-extra";
        const cJSON *extra = kube_files_get(e, field);
        int r = 0;

        if (extra && !cJSON_IsObject(extra))
                return kube_files_fail(e, -EINVAL, "%s is not a mapping", field);
        JSON_FOREACH (item, extra) {
                _cleanup_buf_ Buf name = BUF_INIT(HEADER_NAME_MAX);

                r = write_extra_name(item->string, &name);
                if (r == -EMSGSIZE)
                        return kube_files_fail(e, r, "%s: a key is too long", field);
                if (r >= 0)
                        r = add_list(e, field, item, buf_str(&name), l);
                if (r < 0)
                        break;
        }
        return r;
}

static int check_user(const KubeEntry *e)
{
        static const char *const others[] = { "as-uid", "as-groups", "as-user-extra" };

        if (kube_files_has(e, "as"))
                return 0;
        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                if (kube_files_has(e, others[i]))
                        return kube_files_fail(e, -EINVAL, "there is %s, but no as", others[i]);
        return 0;
}

int kube_impersonate_read(const KubeEntry *user, char ***ret)
{
        _cleanup_(lines_done) Lines l = { 0 };
        int r;

        r = check_user(user);
        if (r >= 0)
                r = add_field(user, "as", "Impersonate-User", &l);
        if (r >= 0)
                r = add_field(user, "as-uid", "Impersonate-Uid", &l);
        if (r >= 0)
                r = add_list(user, "as-groups", kube_files_get(user, "as-groups"), "Impersonate-Group", &l);
        if (r >= 0)
                r = add_extra(user, &l);
        if (r >= 0 && l.items)
                *ret = TAKE_PTR(l.items);
        return r;
}
