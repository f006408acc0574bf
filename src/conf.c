/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "conf.h"

#include "conf-file.h"
#include "typo.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

/* --- the keys ---------------------------------------------------------------------------------------- */

typedef struct Key {
        const char *section;
        const char *name;
        ConfValueParse *parse;
        size_t offset;        /* of the field in Conf */
        uint64_t least, most; /* as in ConfValueRule */
        bool list;            /* field is a list that parse adds to */
        bool secret;          /* not for files that are open to everybody */
} Key;

#define FIELD(member) offsetof(Conf, member)

/* Each key there is. A new one is a line here, a field in Conf and a paragraph in eatr.conf(5). The token
 * lives 12 hours: its longest interval leaves one hour for tries that fail. */
static const Key keys[] = {
        { "aws", "region", conf_value_region, FIELD(aws.region) },
        { "aws", "aws_access_key_id", conf_value_credential, FIELD(aws.access_key_id) },
        { "aws", "aws_secret_access_key", conf_value_credential, FIELD(aws.secret_access_key),
          .secret = true },
        { "aws", "aws_session_token", conf_value_credential, FIELD(aws.session_token), .secret = true },
        { "aws", "endpoint_url", conf_value_url, FIELD(aws.endpoint_url) },
        { "aws", "ca_bundle", conf_value_path, FIELD(aws.ca_bundle) },
        { "aws", "use_fips_endpoint", conf_value_bool, FIELD(aws.use_fips_endpoint) },
        { "aws", "use_dualstack_endpoint", conf_value_bool, FIELD(aws.use_dualstack_endpoint) },
        { "kubernetes", "kubeconfig", conf_value_path, FIELD(kubernetes.kubeconfig) },
        { "kubernetes", "context", conf_value_string, FIELD(kubernetes.context) },
        { "namespaces", "blacklist", conf_value_globs, FIELD(namespaces.blacklist), .list = true },
        { "namespaces", "include", conf_value_globs, FIELD(namespaces.include), .list = true },
        { "secret", "name", conf_value_secret_name, FIELD(secret.name) },
        { "renewal", "auth_token_renewal_interval", conf_value_interval_or_auto,
          FIELD(renewal.auth_token_renewal_interval), USEC_PER_SEC, 11 * USEC_PER_HOUR },
        { "renewal", "informers_resync_interval", conf_value_interval,
          FIELD(renewal.informers_resync_interval), USEC_PER_SEC, USEC_PER_DAY },
        { "renewal", "max_writes_per_second", conf_value_number, FIELD(renewal.max_writes_per_second), 0,
          10000 },
        { "renewal", "max_in_flight", conf_value_number, FIELD(renewal.max_in_flight), 1, 100 },
        { "metrics", "listen", conf_value_listen, FIELD(metrics) },
        { "log", "verbosity", conf_value_number, FIELD(verbosity), 0, 10 },
};

static const Key *find_key(const char *section, const char *name)
{
        for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                if ((!section || streq(keys[i].section, section)) && streq(keys[i].name, name))
                        return &keys[i];
        return NULL;
}

/* The key that name is a likely typo of, best one in the same section. */
static const Key *guess_key(const char *section, const char *name)
{
        const Key *guess = NULL;
        size_t best = SIZE_MAX;

        for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
                size_t distance = typo_distance(name, keys[i].name);
                size_t cost = 2 * distance + !streq(keys[i].section, section);

                if (distance < SIZE_MAX && cost < best) {
                        best = cost;
                        guess = &keys[i];
                }
        }
        return guess;
}

static bool is_section(const char *name, size_t size)
{
        for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                if (strlen(keys[i].section) == size && memcmp(keys[i].section, name, size) == 0)
                        return true;
        return false;
}

static int fail_section(const char *name, ConfError *error)
{
        const char *last = "";

        for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                if (typo_distance(name, keys[i].section) < SIZE_MAX)
                        return conf_error_set(error, -EINVAL, "unknown section %s, did you mean [%s]?",
                                              CONF_ERROR_QUOTE(name), keys[i].section);
        (void) conf_error_set(error, -EINVAL, "unknown section %s, there are", CONF_ERROR_QUOTE(name));
        for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                if (!streq(keys[i].section, last)) {
                        last = keys[i].section;
                        conf_error_add(error, " [%s]", last);
                }
        return -EINVAL;
}

/* Could name be that of a key? */
static bool is_key_like(const char *name)
{
        size_t n = strlen(name);

        return n <= 40 && *name >= 'a' && *name <= 'z' &&
               strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_.-") == n;
}

/* What is like no key may be a piece of a secret that a line break cut, and is not shown. */
static int fail_key(const char *section, const char *name, ConfError *error)
{
        const Key *other = find_key(NULL, name), *guess = guess_key(section, name);

        if (!*section && other)
                return conf_error_set(error, -EINVAL,
                                      "\"%s\" stands before the first section, it belongs in [%s]", name,
                                      other->section);
        if (!*section)
                return conf_error_set(error, -EINVAL, "there is a key before the first [SECTION]");
        if (other)
                return conf_error_set(error, -EINVAL, "\"%s\" belongs in [%s], not in [%s]", name,
                                      other->section, section);
        if (guess) {
                (void) conf_error_set(error, -EINVAL, "unknown key %s in [%s], did you mean \"%s\"",
                                      CONF_ERROR_QUOTE(name), section, guess->name);
                if (!streq(guess->section, section))
                        conf_error_add(error, " in [%s]", guess->section);
                conf_error_add(error, "?");
                return -EINVAL;
        }
        if (is_key_like(name))
                return conf_error_set(error, -EINVAL, "unknown key \"%s\" in [%s]", name, section);
        return conf_error_set(error, -EINVAL, "unknown key in [%s]", section);
}

/* --- one value --------------------------------------------------------------------------------------- */

static char **list_new(void)
{
        char **list = malloc(sizeof(char *));

        if (list)
                *list = NULL;
        return list;
}

static void list_clear(char **list)
{
        for (; *list; list++) {
                free(*list);
                *list = NULL;
        }
}

static void list_free(char **list)
{
        if (list)
                list_clear(list);
        free(list);
}

/* An empty value gives nothing, but it empties a list; with add it adds to one. */
static int set_value(Conf *c, const Key *key, const char *value, bool add, const char *directory,
                     ConfError *error)
{
        const ConfValueRule rule = { .directory = directory, .least = key->least, .most = key->most };
        void *field = (char *) c + key->offset;

        if (key->list && !add)
                list_clear(*(char ***) field);
        return *value ? key->parse(&rule, value, field, error) : 0;
}

static int fail_value_size(int r, const char *value, ConfError *error)
{
        return conf_error_set(error, r, "the value has %zu bytes, more than %u", strlen(value),
                              CONF_VALUE_MAX);
}

int conf_set(Conf *c, const char *section, const char *key, const char *value, const char *origin,
             ConfError *error)
{
        const Key *known = find_key(section, key);
        int r;

        if (!known)
                r = fail_key(section, key, error);
        else if (strlen(value) > CONF_VALUE_MAX)
                r = fail_value_size(-EINVAL, value, error);
        else {
                r = conf_file_check_characters(value, strlen(value), error);
                if (r >= 0)
                        r = set_value(c, known, value, false, NULL, error);
        }
        if (r < 0)
                conf_error_prefix(error, "%s: ", origin);
        return r;
}

/* --- one file ---------------------------------------------------------------------------------------- */

/* A file whose values are taken. */
typedef struct Reading {
        Conf *conf;
        const char *path;
        const char *directory;            /* where relative paths start */
        mode_t mode;                      /* 0 if there is no file but only its text */
        unsigned given[ELEMENTSOF(keys)]; /* the line that gave the key's value; 0: none */
} Reading;

static int on_section(const char *name, ConfError *error)
{
        return is_section(name, strlen(name)) ? 0 : fail_section(name, error);
}

static int check_continuation(const Key *key, const char *value, ConfError *error)
{
        size_t n = strlen(value);

        if (!key->list)
                return conf_error_set(error, -EINVAL,
                                      "an indented line continues a list, but this key takes one value");
        if (n > 2 && *value == '[' && value[n - 1] == ']' && is_section(value + 1, n - 2))
                return conf_error_set(
                        error, -EINVAL,
                        "%s is indented and would continue the list; start it at the left margin", value);
        return 0;
}

/* May this line give the key this value? */
static int check_value(const Reading *reading, const Key *key, const ConfFileValue *v, ConfError *error)
{
        unsigned given = reading->given[key - keys];
        int r;

        if (strlen(v->value) > CONF_VALUE_MAX)
                return fail_value_size(-EMSGSIZE, v->value, error);
        if (v->continued) {
                r = check_continuation(key, v->value, error);
                if (r < 0)
                        return r;
        } else if (given > 0 && (*v->value || key->list))
                return conf_error_set(error, -EINVAL, "it has a value already, from line %u", given);
        if (key->secret && *v->value && (reading->mode & (S_IROTH | S_IWOTH)))
                return conf_error_set(error, -EPERM,
                                      "a secret in a file that is open to everybody; run \"chmod 0640 %s\"",
                                      reading->path);
        return conf_value_check_plain(v->value, error);
}

static int on_value(void *userdata, const ConfFileValue *v, ConfError *error)
{
        const Key *key = find_key(v->section, v->key);
        Reading *reading = userdata;
        unsigned *given;
        int r;

        if (!key)
                return fail_key(v->section, v->key, error);
        r = check_value(reading, key, v, error);
        if (r >= 0)
                r = set_value(reading->conf, key, v->value, v->continued, reading->directory, error);
        if (r < 0) {
                conf_error_prefix(error, "%s in [%s]: ", key->name, key->section);
                return r;
        }
        given = &reading->given[key - keys];
        if (*given == 0 && (*v->value || key->list))
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

int conf_check(const Conf *c, ConfError *error)
{
        const struct {
                const char *key, *value;
        } needed[] = {
                { "region", c->aws.region },
                { "aws_access_key_id", c->aws.access_key_id },
                { "aws_secret_access_key", c->aws.secret_access_key },
        };
        const char *separator = "[aws] needs ";
        int r = 0;

        error->text[0] = '\0';
        for (size_t i = 0; i < ELEMENTSOF(needed); i++)
                if (!needed[i].value) {
                        conf_error_add(error, "%s%s", separator, needed[i].key);
                        separator = ", ";
                        r = -EINVAL;
                }
        if (r < 0)
                return r;
        /* STS hands out such keys, which sign nothing without their token. */
        if (startswith(c->aws.access_key_id, "ASIA") && !c->aws.session_token)
                return conf_error_set(
                        error, -EINVAL,
                        "[aws] needs aws_session_token, as aws_access_key_id is that of temporary keys");
        if (c->aws.endpoint_url && (c->aws.use_fips_endpoint || c->aws.use_dualstack_endpoint))
                return conf_error_set(
                        error, -EINVAL, "[aws] has endpoint_url and %s: one excludes the other",
                        c->aws.use_fips_endpoint ? "use_fips_endpoint" : "use_dualstack_endpoint");
        return 0;
}

bool conf_is_pristine(const Conf *c)
{
        return !c->aws.region && !c->aws.access_key_id && !c->aws.secret_access_key && !c->aws.session_token;
}

int conf_new(Conf **ret)
{
        _cleanup_(conf_freep) Conf *c = NULL;

        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        c->namespaces.blacklist = list_new();
        c->namespaces.include = list_new();
        c->secret.name = strdup("ecr");
        c->metrics.address = strdup("127.0.0.1");
        if (!c->namespaces.blacklist || !c->namespaces.include || !c->secret.name || !c->metrics.address)
                return -ENOMEM;
        c->renewal.informers_resync_interval = 5 * USEC_PER_MINUTE;
        c->renewal.max_writes_per_second = 50;
        c->renewal.max_in_flight = 16;
        c->metrics.port = 5000;
        *ret = TAKE_PTR(c);
        return 0;
}

Conf *conf_free(Conf *c)
{
        if (!c)
                return NULL;
        list_free(c->namespaces.blacklist);
        list_free(c->namespaces.include);
        (void) str_erase_free(c->aws.region);
        (void) str_erase_free(c->aws.access_key_id);
        (void) str_erase_free(c->aws.secret_access_key);
        (void) str_erase_free(c->aws.session_token);
        (void) str_erase_free(c->aws.endpoint_url);
        (void) str_erase_free(c->aws.ca_bundle);
        (void) str_erase_free(c->kubernetes.kubeconfig);
        (void) str_erase_free(c->kubernetes.context);
        (void) str_erase_free(c->secret.name);
        (void) str_erase_free(c->metrics.address);
        free(c);
        return NULL;
}
