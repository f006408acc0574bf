/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "conf-check.h"
#include "file.h"
#include "setup.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <sysexits.h>

/* The system's has 0.2 MB. */
#define CA_BUNDLE_MAX (4U * 1024 * 1024)

_Static_assert(sizeof(((SetupError *) NULL)->text) >= CONF_ERROR_MAX, "errors are handed on whole");

/* What will be no better at the next try is worth none. */
static int fail(SetupError *error, int r, const char *text, int status)
{
        (void) snprintf(error->text, sizeof(error->text), "%s", *text ? text : strerror(-r));
        (void) str_make_printable(error->text);
        error->status = r == -ENOMEM ? EXIT_FAILURE : status;
        return r;
}

/* The file of that name among the credentials that systemd provides, or NULL. */
static char *credential_path(const char *name)
{
        const char *directory = getenv("CREDENTIALS_DIRECTORY");
        _cleanup_free_ char *path = NULL;

        if (str_empty(directory))
                return NULL;
        path = str_printf("%s/%s", directory, name);
        return path && access(path, F_OK) >= 0 ? TAKE_PTR(path) : NULL;
}

/* --- configuration --------------------------------------------------------------------------------- */

/* The path of the main file, the caller's to free; NULL when memory is out. */
static char *config_path(const Options *o)
{
        _cleanup_free_ char *credential = credential_path("eatr.conf");

        if (o->config || !credential)
                return strdup(o->config ? o->config : OPTIONS_DEFAULT_CONFIG);
        return TAKE_PTR(credential);
}

static int read_files(const Options *o, bool registries, Conf **ret, ConfError *error)
{
        _cleanup_free_ char *path = config_path(o);
        _cleanup_(conf_freep) Conf *c = NULL;
        int r;

        r = path ? conf_new(&c) : -ENOMEM;
        if (r >= 0 && !registries)
                conf_skip_registries(c);
        if (r >= 0)
                r = conf_load(c, path, error);
        if (r >= 0)
                *ret = TAKE_PTR(c);
        return r;
}

static int set_overrides(const Options *o, Conf *c, ConfError *error)
{
        for (size_t i = 0; i < OPTIONS_OVERRIDES; i++) {
                const OptionsOverride *override = &options_overrides[i];
                _cleanup_free_ char *option = NULL;
                int r;

                if (!o->values[i])
                        continue;
                option = str_printf("--%s", override->option);
                if (!option)
                        return -ENOMEM;
                r = conf_set(c, override->section, override->key, o->values[i], option, error);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* libcurl reads it for each connection, and says little about what is wrong with it. */
static int check_ca_bundle(const char *path, ConfError *error)
{
        _cleanup_buf_ Buf b = BUF_INIT(CA_BUNDLE_MAX);
        int r;

        if (!path)
                return 0;
        r = file_read(path, &b);
        if (r < 0)
                return conf_error_set(error, r, "ca_bundle: %s: %s", path, file_strerror(r));
        if (!strstr(buf_str(&b), "-----BEGIN CERTIFICATE-----"))
                return conf_error_set(error, -EINVAL, "ca_bundle: %s: there is no PEM certificate in it",
                                      path);
        return 0;
}

static int check_ca_bundles(const Conf *c, ConfError *error)
{
        for (size_t i = 0; i < c->n_registries; i++) {
                const ConfRegistry *registry = &c->registries[i];
                int r = check_ca_bundle(registry->aws.ca_bundle, error);

                if (r < 0) {
                        conf_check_prefix(registry, error);
                        return r;
                }
        }
        return 0;
}

static int load_conf(const Options *o, bool registries, Conf **ret, SetupError *error)
{
        _cleanup_(conf_freep) Conf *c = NULL;
        ConfError why = { "" };
        int r;

        r = read_files(o, registries, &c, &why);
        if (r < 0)
                return fail(error, r, why.text, EX_CONFIG);
        r = set_overrides(o, c, &why);
        if (r < 0)
                return fail(error, r, why.text, OPTIONS_EXIT_USAGE);
        if (registries)
                r = conf_check(c, &why);
        if (r >= 0 && registries)
                r = check_ca_bundles(c, &why);
        if (r < 0)
                return fail(error, r, why.text, EX_CONFIG);
        *ret = TAKE_PTR(c);
        return 0;
}

/* --- kubeconfig ------------------------------------------------------------------------------------ */

/* systemd sets $HOME only for units with User=. */
static const char *home(void)
{
        const char *path = getenv("HOME");
        const struct passwd *user;

        if (path)
                return path;
        user = getpwuid(geteuid());
        return user ? user->pw_dir : NULL;
}

static int load_kube_config(const Options *o, const Conf *conf, KubeConfig **ret, SetupError *error)
{
        _cleanup_free_ char *credential = credential_path("kubeconfig");
        KubeConfigError why = { "" };
        int r;

        r = kube_config_load(o->kubeconfig ? o->kubeconfig
                             : credential  ? credential
                                           : conf->kubernetes.kubeconfig,
                             getenv("KUBECONFIG"), home(), conf->kubernetes.context, ret, &why);
        return r < 0 ? fail(error, r, why.text, EX_CONFIG) : 0;
}

/* --- registries ------------------------------------------------------------------------------------ */

static int load_registries(const Conf *conf, RegistryConfigs **ret, SetupError *error)
{
        const AwsConfigEnvironment environment = {
                .home = home(),
                .variables = (const char *const *) environ,
        };
        ConfError why = { "" };
        int r;

        r = registry_configs_load(conf, &environment, ret, &why);
        return r < 0 ? fail(error, r, why.text, EX_CONFIG) : 0;
}

/* --- tokens of EKS --------------------------------------------------------------------------------- */

static int load_eks(const KubeConfig *kube, const Conf *conf, EksConfig **ret, SetupError *error)
{
        const AwsConfigEnvironment environment = {
                .home = home(),
                .variables = (const char *const *) environ,
        };

        return eks_config_load(kube, conf, &environment, ret) < 0 ? fail(error, -ENOMEM, "", EXIT_FAILURE) : 0;
}

/* --- which files ----------------------------------------------------------------------------------- */

typedef struct FileList {
        char **paths;
        size_t n;
        bool failed;
} FileList;

/* Takes the path. */
static void add_path(FileList *l, char *path)
{
        char **paths = path ? reallocarray(l->paths, l->n + 2, sizeof(*paths)) : NULL;

        if (!paths) {
                free(path);
                l->failed = true;
                return;
        }
        l->paths = paths;
        l->paths[l->n++] = path;
        l->paths[l->n] = NULL;
}

/* Registries may share them. */
static void on_file(const char *path, void *userdata)
{
        const FileList *l = userdata;

        for (size_t i = 0; i < l->n; i++)
                if (streq(l->paths[i], path))
                        return;
        add_path(userdata, strdup(path));
}

static int list_files(const Options *o, Setup *s)
{
        _cleanup_free_ char *path = config_path(o);
        FileList l = { 0 };

        if (!path)
                return -ENOMEM;
        add_path(&l, str_printf("%s", path));
        add_path(&l, str_printf("%s.d", path));
        registry_configs_each_file(s->registries, on_file, &l);
        for (char **file = s->kube->files; *file; file++)
                on_file(*file, &l);
        for (char **file = s->eks ? s->eks->files : NULL; file && *file; file++)
                on_file(*file, &l);
        s->files = l.paths;
        return l.failed ? -ENOMEM : 0;
}

/* --- all ------------------------------------------------------------------------------------------- */

int setup_load(const Options *options, Setup **ret, SetupError *error)
{
        _cleanup_(setup_freep) Setup *s = NULL;
        int r;

        s = calloc(1, sizeof(*s));
        if (!s)
                return fail(error, -ENOMEM, "", EXIT_FAILURE);
        r = load_conf(options, true, &s->conf, error);
        if (r < 0)
                return r;
        r = load_registries(s->conf, &s->registries, error);
        if (r < 0)
                return r;
        r = load_kube_config(options, s->conf, &s->kube, error);
        if (r < 0)
                return r;
        r = load_eks(s->kube, s->conf, &s->eks, error);
        if (r < 0)
                return r;
        if (list_files(options, s) < 0)
                return fail(error, -ENOMEM, "", EXIT_FAILURE);
        *ret = TAKE_PTR(s);
        return 0;
}

int setup_load_cluster(const Options *options, Setup **ret, SetupError *error)
{
        _cleanup_(setup_freep) Setup *s = NULL;
        int r;

        s = calloc(1, sizeof(*s));
        if (!s)
                return fail(error, -ENOMEM, "", EXIT_FAILURE);
        /* What makes tokens for the cluster may need the keys of [aws], if they are there. */
        r = load_conf(options, true, &s->conf, error);
        if (r < 0)
                r = load_conf(options, false, &s->conf, error);
        if (r < 0)
                return r;
        r = load_kube_config(options, s->conf, &s->kube, error);
        if (r >= 0)
                r = load_eks(s->kube, s->conf, &s->eks, error);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(s);
        return 0;
}

bool setup_is_begun(const Options *options)
{
        _cleanup_(conf_freep) Conf *c = NULL;
        ConfError error = { "" };

        return read_files(options, true, &c, &error) < 0 || !conf_is_pristine(c);
}

Setup *setup_free(Setup *s)
{
        if (!s)
                return NULL;
        for (char **path = s->files; path && *path; path++)
                free(*path);
        free(s->files);
        (void) registry_configs_free(s->registries);
        (void) eks_config_free(s->eks);
        (void) conf_free(s->conf);
        (void) kube_config_free(s->kube);
        free(s);
        return NULL;
}
