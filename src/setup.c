/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "conf-check.h"
#include "file.h"
#include "setup.h"
#include "words.h"

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

/* --- lists of files -------------------------------------------------------------------------------- */

/* Paths, each once: registries may share them. */
typedef struct FileList {
        char **paths; /* NULL-terminated; NULL: none */
        size_t n;
} FileList;

static void file_list_done(FileList *l)
{
        l->paths = words_free(l->paths);
}

static int add_path(FileList *l, const char *path)
{
        char **paths;

        for (size_t i = 0; i < l->n; i++)
                if (streq(l->paths[i], path))
                        return 0;
        paths = reallocarray(l->paths, l->n + 2, sizeof(*paths));
        if (!paths)
                return -ENOMEM;
        l->paths = paths;
        paths[l->n] = strdup(path);
        if (!paths[l->n])
                return -ENOMEM;
        paths[++l->n] = NULL;
        return 0;
}

static int add_paths(FileList *l, char *const *paths)
{
        int r = 0;

        for (; paths && *paths && r >= 0; paths++)
                r = add_path(l, *paths);
        return r;
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

/* One that is not good is added to l (NULL: not wanted). */
static int check_ca_bundles(const Conf *c, FileList *l, ConfError *error)
{
        for (size_t i = 0; i < c->n_registries; i++) {
                const ConfRegistry *registry = &c->registries[i];
                int r = check_ca_bundle(registry->aws.ca_bundle, error);

                if (r < 0) {
                        conf_check_prefix(registry, error);
                        return l && add_path(l, registry->aws.ca_bundle) < 0 ? -ENOMEM : r;
                }
        }
        return 0;
}

static int load_conf(const Options *o, bool registries, FileList *l, Conf **ret, SetupError *error)
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
                r = check_ca_bundles(c, l, &why);
        if (r < 0)
                return fail(error, r, why.text, EX_CONFIG);
        *ret = TAKE_PTR(c);
        return 0;
}

/* --- environment ----------------------------------------------------------------------------------- */

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

static AwsConfigEnvironment environment(void)
{
        return (AwsConfigEnvironment){ .home = home(), .variables = (const char *const *) environ };
}

/* --- kubeconfig ------------------------------------------------------------------------------------ */

static int load_kube_config(const Options *o, const Conf *conf, KubeConfig **ret, char ***ret_files,
                            SetupError *error)
{
        _cleanup_free_ char *credential = credential_path("kubeconfig");
        KubeConfigError why = { "" };
        int r;

        r = kube_config_load(o->kubeconfig ? o->kubeconfig
                             : credential  ? credential
                                           : conf->kubernetes.kubeconfig,
                             getenv("KUBECONFIG"), home(), conf->kubernetes.context, ret, ret_files, &why);
        return r < 0 ? fail(error, r, why.text, EX_CONFIG) : 0;
}

/* --- registries ------------------------------------------------------------------------------------ */

static int load_registries(const Conf *conf, RegistryConfigs **ret, SetupError *error)
{
        const AwsConfigEnvironment e = environment();
        ConfError why = { "" };
        int r;

        r = registry_configs_load(conf, &e, ret, &why);
        return r < 0 ? fail(error, r, why.text, EX_CONFIG) : 0;
}

/* --- tokens of EKS --------------------------------------------------------------------------------- */

static int load_eks(const KubeConfig *kube, const Conf *conf, EksConfig **ret, SetupError *error)
{
        const AwsConfigEnvironment e = environment();

        return eks_config_load(kube, conf, &e, ret) < 0 ? fail(error, -ENOMEM, "", EXIT_FAILURE) : 0;
}

/* --- which files ----------------------------------------------------------------------------------- */

static int add_conf(FileList *l, const Options *o)
{
        _cleanup_free_ char *path = config_path(o), *folder = path ? str_printf("%s.d", path) : NULL;
        int r;

        if (!folder)
                return -ENOMEM;
        r = add_path(l, path);
        return r < 0 ? r : add_path(l, folder);
}

static int add_registries(FileList *l, const Conf *c)
{
        const AwsConfigEnvironment e = environment();
        _cleanup_(words_freep) char **files = NULL;
        int r = 0;

        for (size_t i = 0; i < c->n_registries && r >= 0; i++)
                r = aws_config_files(&c->registries[i].aws, &e, &files);
        return r < 0 ? r : add_paths(l, files);
}

/* --- all ------------------------------------------------------------------------------------------- */

/* Fills in all but the files, which go into l as they are come by. */
static int fill(const Options *options, Setup *s, FileList *l, SetupError *error)
{
        _cleanup_(words_freep) char **files = NULL;
        int r;

        r = load_conf(options, true, l, &s->conf, error);
        if (r < 0)
                return r;
        if (add_registries(l, s->conf) < 0)
                return fail(error, -ENOMEM, "", EXIT_FAILURE);
        r = load_registries(s->conf, &s->registries, error);
        if (r < 0)
                return r;
        r = load_kube_config(options, s->conf, &s->kube, &files, error);
        if (add_paths(l, files) < 0)
                return fail(error, -ENOMEM, "", EXIT_FAILURE);
        if (r < 0)
                return r;
        r = load_eks(s->kube, s->conf, &s->eks, error);
        if (r < 0)
                return r;
        return add_paths(l, s->eks ? s->eks->files : NULL) < 0 ? fail(error, -ENOMEM, "", EXIT_FAILURE) : 0;
}

int setup_load(const Options *options, Setup **ret, char ***ret_files, SetupError *error)
{
        _cleanup_(file_list_done) FileList l = { 0 };
        _cleanup_(setup_freep) Setup *s = NULL;
        int r;

        s = calloc(1, sizeof(*s));
        if (!s || add_conf(&l, options) < 0)
                return fail(error, -ENOMEM, "", EXIT_FAILURE);
        r = fill(options, s, &l, error);
        if (r < 0) {
                if (ret_files)
                        *ret_files = TAKE_PTR(l.paths);
                return r;
        }
        s->files = TAKE_PTR(l.paths);
        *ret = TAKE_PTR(s);
        return 0;
}

int setup_load_cluster(const Options *options, Setup **ret, SetupError *error)
{
        _cleanup_(words_freep) char **files = NULL;
        _cleanup_(setup_freep) Setup *s = NULL;
        int r;

        s = calloc(1, sizeof(*s));
        if (!s)
                return fail(error, -ENOMEM, "", EXIT_FAILURE);
        /* What makes tokens for the cluster may need the keys of [aws], if they are there. */
        r = load_conf(options, true, NULL, &s->conf, error);
        if (r < 0)
                r = load_conf(options, false, NULL, &s->conf, error);
        if (r < 0)
                return r;
        r = load_kube_config(options, s->conf, &s->kube, &files, error);
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
        (void) words_free(s->files);
        (void) registry_configs_free(s->registries);
        (void) eks_config_free(s->eks);
        (void) conf_free(s->conf);
        (void) kube_config_free(s->kube);
        free(s);
        return NULL;
}
