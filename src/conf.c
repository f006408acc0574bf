/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "conf.h"

#include "conf-file.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

/* --- one value --------------------------------------------------------------------------------------- */

static int set_field(const ConfKey *key, const char *value, bool add, const char *directory, void *field,
                     ConfError *error)
{
        const ConfValueRule rule = {
                .directory = directory,
                .least = key->least,
                .most = key->most,
                .words = key->words,
        };

        if (key->type == CONF_KEY_LIST && !add)
                conf_keys_list_clear(*(char ***) field);
        return *value ? key->parse(&rule, value, field, error) : 0;
}

/* An empty value gives nothing, but it empties a list; with add it adds to one. A key of [aws] is set in r.
 */
static int set_value(Conf *c, ConfRegistry *r, const ConfKey *key, const char *value, bool add,
                     const char *directory, ConfError *error)
{
        bool of_registry = streq(key->section, "aws");
        void *field = of_registry ? conf_keys_field(key, r) : (char *) c + key->offset;
        int k;

        k = set_field(key, value, add, directory, field, error);
        if (k < 0 || !of_registry)
                return k;
        if (key->type == CONF_KEY_LIST)
                conf_keys_set_given(key, r, **(char ***) field != NULL);
        else if (*value)
                conf_keys_set_given(key, r, true);
        return 0;
}

static int fail_value_size(int r, const char *value, ConfError *error)
{
        return conf_error_set(error, r, "the value has %zu bytes, more than %u", strlen(value),
                              CONF_VALUE_MAX);
}

int conf_set(Conf *c, const char *section, const char *key, const char *value, const char *origin,
             ConfError *error)
{
        const ConfKey *known = conf_keys_find(section, key);
        int r;

        if (!known)
                r = conf_keys_fail_key(section, section, key, error);
        else if (strlen(value) > CONF_VALUE_MAX)
                r = fail_value_size(-EINVAL, value, error);
        else {
                r = conf_file_check_characters(value, strlen(value), error);
                if (r >= 0)
                        r = set_value(c, &c->main, known, value, false, NULL, error);
        }
        if (r < 0)
                conf_error_prefix(error, "%s: ", origin);
        return r;
}

/* --- one file ---------------------------------------------------------------------------------------- */

/* The place of a section's values: 0 for what is not [registry NAME], else its number from 1. */
#define PLACES (1 + CONF_REGISTRIES_MAX)

/* A file whose values are taken. */
typedef struct Reading {
        Conf *conf;
        const char *path;
        const char *directory;                 /* where relative paths start */
        mode_t mode;                           /* 0 if there is no file but only its text */
        size_t place;                          /* of the section that is read */
        bool skip;                             /* it is not wanted */
        unsigned given[PLACES][CONF_KEYS_MAX]; /* the line that gave the key's value; 0: none */
} Reading;

static int check_registry_name(const char *name, ConfError *error)
{
        size_t n = strlen(name);

        if (n == 0)
                return conf_error_set(error, -EINVAL, "a registry needs a name: [registry NAME]");
        if (n > CONF_REGISTRY_NAME_MAX ||
            strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") < n)
                return conf_error_set(
                        error, -EINVAL,
                        "%s is no name for a registry: up to %u letters, digits and any of ._-",
                        CONF_ERROR_QUOTE(name), CONF_REGISTRY_NAME_MAX);
        return 0;
}

static int add_section(Conf *c, const char *name, ConfError *error)
{
        if (c->n_sections >= CONF_REGISTRIES_MAX)
                return conf_error_set(error, -EINVAL, "there are more than %u registries",
                                      CONF_REGISTRIES_MAX);
        return conf_keys_registry_init(&c->sections[c->n_sections++], name) < 0 ? conf_error_oom(error) : 0;
}

/* What another file, or this one, has begun goes on. */
static int enter_registry(Reading *reading, const char *name, ConfError *error)
{
        Conf *c = reading->conf;
        size_t i = 0;
        int r;

        r = check_registry_name(name, error);
        if (r < 0)
                return r;
        while (i < c->n_sections && !streq(c->sections[i].name, name))
                i++;
        reading->place = i + 1;
        return i < c->n_sections ? 0 : add_section(c, name, error);
}

static int on_section(void *userdata, const char *name, ConfError *error)
{
        const char *registry = conf_keys_registry_name(name);
        Reading *reading = userdata;

        reading->place = 0;
        reading->skip = reading->conf->skip_registries && (registry || streq(name, "aws"));
        if (reading->skip)
                return 0;
        if (registry)
                return enter_registry(reading, registry, error);
        return conf_keys_is_section(name) ? 0 : conf_keys_fail_section(name, error);
}

/* Is this what starts a section? */
static bool is_header(const char *value)
{
        _cleanup_free_ char *name = NULL;
        size_t n = strlen(value);

        if (n <= 2 || *value != '[' || value[n - 1] != ']')
                return false;
        name = strndup(value + 1, n - 2);
        return name && (conf_keys_is_section(name) || conf_keys_registry_name(name));
}

static int check_continuation(const ConfKey *key, const char *value, ConfError *error)
{
        if (key->type != CONF_KEY_LIST)
                return conf_error_set(error, -EINVAL,
                                      "an indented line continues a list, but this key takes one value");
        if (is_header(value))
                return conf_error_set(
                        error, -EINVAL,
                        "%s is indented and would continue the list; start it at the left margin", value);
        return 0;
}

/* May this line give the key this value? */
static int check_value(const Reading *reading, const ConfKey *key, const ConfFileValue *v, ConfError *error)
{
        unsigned given = reading->given[reading->place][key - conf_keys];
        int r;

        if (strlen(v->value) > CONF_VALUE_MAX)
                return fail_value_size(-EMSGSIZE, v->value, error);
        if (v->continued) {
                r = check_continuation(key, v->value, error);
                if (r < 0)
                        return r;
        } else if (given > 0 && (*v->value || key->type == CONF_KEY_LIST))
                return conf_error_set(error, -EINVAL, "it has a value already, from line %u", given);
        if (key->secret && *v->value && (reading->mode & (S_IROTH | S_IWOTH)))
                return conf_error_set(error, -EPERM,
                                      "a secret in a file that is open to everybody; run \"chmod 0640 %s\"",
                                      reading->path);
        return conf_value_check_plain(v->value, key->command, error);
}

static int on_value(void *userdata, const ConfFileValue *v, ConfError *error)
{
        Reading *reading = userdata;
        ConfRegistry *registry =
                reading->place > 0 ? &reading->conf->sections[reading->place - 1] : &reading->conf->main;
        const char *section = reading->place > 0 ? "aws" : v->section; /* in the table */
        const ConfKey *key = conf_keys_find(section, v->key);
        unsigned *given;
        int r;

        if (reading->skip)
                return 0;
        if (!key)
                return conf_keys_fail_key(section, v->section, v->key, error);
        r = check_value(reading, key, v, error);
        if (r >= 0)
                r = set_value(reading->conf, registry, key, v->value, v->continued, reading->directory,
                              error);
        if (r < 0) {
                conf_error_prefix(error, "%s in [%s]: ", key->name, v->section);
                return r;
        }
        given = &reading->given[reading->place][key - conf_keys];
        if (*given == 0 && (*v->value || key->type == CONF_KEY_LIST))
                *given = v->line;
        return 0;
}

static int parse(Reading *reading, const char *text, size_t size, ConfError *error)
{
        static const ConfFileHandler handler = { .on_section = on_section, .on_value = on_value };

        return conf_file_parse(reading->path, text, size, &handler, reading, error);
}

static int load_file(Conf *c, const char *path, const char *directory, ConfError *error)
{
        _cleanup_buf_ Buf text = BUF_INIT_SECRET(CONF_FILE_SIZE_MAX);
        Reading reading = { .conf = c, .path = path, .directory = directory };
        int r;

        r = conf_file_read(path, &text, &reading.mode, error);
        if (r < 0)
                return r;
        return parse(&reading, buf_str(&text), text.size, error);
}

/* --- the main file and its drop-ins ------------------------------------------------------------------ */

/* What of a path comes before its last "/". */
static char *directory_of(const char *path)
{
        const char *slash = strrchr(path, '/');

        return slash ? strndup(path, (size_t) (slash - path)) : strdup(".");
}

int conf_parse(Conf *c, const char *text, size_t size, const char *path, ConfError *error)
{
        _cleanup_free_ char *directory = directory_of(path);
        Reading reading = { .conf = c, .path = path, .directory = directory };

        return directory ? parse(&reading, text, size, error) : conf_error_oom(error);
}

/* Neither hidden files nor what editors and package managers leave behind. */
static int is_drop_in(const struct dirent *entry)
{
        const char *dot = strrchr(entry->d_name, '.');

        return *entry->d_name != '.' && dot && streq(dot, ".conf");
}

/* Not alphasort(): its order is the locale's. */
static int compare_entries(const struct dirent **a, const struct dirent **b)
{
        return strcmp((*a)->d_name, (*b)->d_name);
}

static int load_drop_in(Conf *c, const char *parent, const char *name, const char *directory,
                        ConfError *error)
{
        _cleanup_free_ char *path = str_printf("%s/%s", parent, name);

        return path ? load_file(c, path, directory, error) : conf_error_oom(error);
}

static int load_drop_ins(Conf *c, const char *parent, const char *directory, ConfError *error)
{
        struct dirent **entries;
        int n, r = 0;

        n = scandir(parent, &entries, is_drop_in, compare_entries);
        if (n < 0)
                return errno == ENOENT
                               ? 0
                               : conf_error_set(error, -errno, "%s: cannot read the directory: %m", parent);
        for (int i = 0; i < n; i++) {
                if (r >= 0)
                        r = load_drop_in(c, parent, entries[i]->d_name, directory, error);
                free(entries[i]);
        }
        free(entries);
        return r;
}

int conf_load(Conf *c, const char *path, ConfError *error)
{
        _cleanup_free_ char *directory = directory_of(path), *drop_ins = str_printf("%s.d", path);
        int r;

        if (!directory || !drop_ins)
                return conf_error_oom(error);
        r = load_file(c, path, directory, error);
        if (r < 0)
                return r;
        return load_drop_ins(c, drop_ins, directory, error);
}

/* --- the whole --------------------------------------------------------------------------------------- */

bool conf_is_pristine(const Conf *c)
{
        return !c->aws.region && !conf_keys_source(&c->main) && c->n_sections == 0;
}

int conf_new(Conf **ret)
{
        _cleanup_(conf_freep) Conf *c = NULL;

        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        c->namespaces.blacklist = conf_keys_list_new();
        c->namespaces.include = conf_keys_list_new();
        c->secret.service_accounts = conf_keys_list_new();
        c->secret.labels = conf_keys_list_new();
        c->secret.annotations = conf_keys_list_new();
        c->kubernetes.mint_eks_tokens = true;
        c->secret.name = strdup("ecr");
        c->metrics.address = strdup("127.0.0.1");
        if (conf_keys_registry_init(&c->main, NULL) < 0 || !c->namespaces.blacklist ||
            !c->namespaces.include || !c->secret.service_accounts || !c->secret.labels ||
            !c->secret.annotations || !c->secret.name || !c->metrics.address)
                return -ENOMEM;
        c->renewal.informers_resync_interval = 5 * USEC_PER_MINUTE;
        c->renewal.max_writes_per_second = 50;
        c->renewal.max_in_flight = 16;
        c->metrics.port = 5000;
        *ret = TAKE_PTR(c);
        return 0;
}

void conf_skip_registries(Conf *c)
{
        c->skip_registries = true;
}

Conf *conf_free(Conf *c)
{
        if (!c)
                return NULL;
        conf_keys_registry_done(&c->main);
        for (size_t i = 0; i < c->n_sections; i++)
                conf_keys_registry_done(&c->sections[i]);
        conf_keys_registries_free(&c->registries, &c->n_registries);
        conf_keys_list_free(c->namespaces.blacklist);
        conf_keys_list_free(c->namespaces.include);
        (void) label_selector_free(c->namespaces.label_selector);
        conf_keys_list_free(c->secret.service_accounts);
        conf_keys_list_free(c->secret.labels);
        conf_keys_list_free(c->secret.annotations);
        (void) str_erase_free(c->kubernetes.kubeconfig);
        (void) str_erase_free(c->kubernetes.context);
        (void) str_erase_free(c->secret.name);
        (void) str_erase_free(c->metrics.address);
        free(c);
        return NULL;
}
