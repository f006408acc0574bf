/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "aws-profile.h"

#include "aws-environment.h"
#include "aws-shared.h"
#include "conf-file.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

/* What is read, and the profiles from the one that was asked for to the one at hand. */
typedef struct Chain {
        AwsShared shared;
        const char *const *environment;
        AwsSource *source;
        ConfError *error;
        AwsSharedProfile profiles[AWS_PROFILE_CHAIN_MAX];
        size_t n;
} Chain;

static void chain_done(Chain *c)
{
        aws_shared_done(&c->shared);
}

static const AwsSharedProfile *last(const Chain *c)
{
        return &c->profiles[c->n - 1];
}

/* The first file's value of a key of the profile at hand, and whether there is one. */
static AwsSharedValue get(const Chain *c, const char *key)
{
        return aws_shared_get(&c->shared, last(c), key);
}

static bool has(const Chain *c, const char *key)
{
        return get(c, key).value != NULL;
}

/* Says what is wrong with a value of the profile at hand. */
static int _printf_(4, 5) fail(const Chain *c, AwsSharedValue v, int r, const char *format, ...)
{
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(c->error->text, sizeof(c->error->text), format, ap);
        va_end(ap);
        return aws_shared_fail(&c->shared, last(c), v, r, c->error);
}

/* Reads keys of the profile at hand, each into its field. */
static int read_keys(const Chain *c, const AwsSharedKey *keys, void *const *fields, size_t n)
{
        int r = 0;

        for (size_t i = 0; i < n && r >= 0; i++)
                r = aws_shared_parse_key(&c->shared, last(c), &keys[i], fields[i], c->error);
        return r;
}

/* --- where a chain begins ---------------------------------------------------------------------------- */

/* Says for people where the source begins. */
static int set_origin(const Chain *c, AwsSharedFile file)
{
        const char *other = c->n > 1 ? c->profiles[0].name : NULL;

        (void) str_erase_free(c->source->origin);
        c->source->origin = str_printf("profile %s in %s%s%s", last(c)->name, c->shared.path[file],
                                       other ? ", for profile " : "", other ? other : "");
        if (!c->source->origin)
                return conf_error_oom(c->error);
        (void) str_make_printable(c->source->origin);
        return 0;
}

static int begin_web_identity(const Chain *c)
{
        static const AwsSharedKey keys[] = {
                { .name = "web_identity_token_file", .parse = aws_shared_path },
                { .name = "role_arn", .parse = conf_value_role_arn },
                { .name = "role_session_name", .parse = conf_value_session_name, .maybe_empty = true },
                { .name = "duration_seconds", .parse = conf_value_number, .least = 900, .most = 43200 },
        };
        AwsRole *role = &c->source->role;
        void *const fields[] = { &c->source->token_file, &role->arn, &role->session_name, &role->duration };

        c->source->kind = AWS_SOURCE_WEB_IDENTITY;
        if (!has(c, "role_arn"))
                return fail(c, get(c, keys[0].name), -EINVAL, "without a role_arn it gives no credentials");
        return read_keys(c, keys, fields, ELEMENTSOF(keys));
}

/* The keys that belong together are in one file. The older of the token's names wins, as in botocore. */
static int begin_static(const Chain *c, AwsSharedFile file)
{
        static const AwsSharedKey keys[] = {
                { .name = "aws_access_key_id", .parse = conf_value_credential },
                { .name = "aws_secret_access_key", .parse = conf_value_credential },
                { .name = "aws_session_token", .parse = conf_value_credential, .maybe_empty = true },
        };
        AwsSource *s = c->source;
        char **const fields[] = { &s->keys.access_key_id, &s->keys.secret_access_key,
                                  &s->keys.session_token };
        int r = 0;

        s->kind = AWS_SOURCE_STATIC;
        for (size_t i = 0; i < ELEMENTSOF(keys) && r >= 0; i++) {
                AwsSharedValue v = aws_shared_get_in(&c->shared, last(c), keys[i].name, file);
                AwsSharedValue old = aws_shared_get_in(&c->shared, last(c), "aws_security_token", file);

                if (i == 1 && !v.value)
                        return fail(c, aws_shared_get_in(&c->shared, last(c), keys[0].name, file), -EINVAL,
                                    "there is no aws_secret_access_key beside it");
                if (i == 2 && old.value)
                        v = old;
                r = aws_shared_parse(&c->shared, last(c), &keys[i], v, fields[i], c->error);
        }
        return r;
}

static int begin_process(const Chain *c)
{
        static const AwsSharedKey key = { .name = "credential_process",
                                          .parse = conf_value_string,
                                          .command = true };

        c->source->kind = AWS_SOURCE_PROCESS;
        return aws_shared_parse_key(&c->shared, last(c), &key, &c->source->process, c->error);
}

static int fail_sso(const Chain *c)
{
        return fail(c, get(c, has(c, "sso_account_id") ? "sso_account_id" : "sso_role_name"), -EOPNOTSUPP,
                    "IAM Identity Center (SSO) wants somebody to log in, which a service cannot");
}

static int fail_nothing(const Chain *c)
{
        return conf_error_set(
                c->error, -ENOKEY,
                "profile %s in %s and %s gives no credentials: it has neither "
                "aws_access_key_id nor credential_process, role_arn or web_identity_token_file",
                CONF_ERROR_QUOTE(last(c)->name), c->shared.path[AWS_SHARED_CREDENTIALS],
                c->shared.path[AWS_SHARED_CONFIG]);
}

static bool has_keys_in(const Chain *c, AwsSharedFile file)
{
        return aws_shared_get_in(&c->shared, last(c), "aws_access_key_id", file).value != NULL;
}

/* What the profile at hand gives without the credentials of another. */
static int begin(const Chain *c)
{
        AwsSharedValue v = get(c, "web_identity_token_file");
        int r;

        if (v.value && (*v.value->text || v.value->nested))
                r = begin_web_identity(c);
        else if (has(c, "sso_account_id") || has(c, "sso_role_name"))
                r = fail_sso(c);
        else if (has_keys_in(c, AWS_SHARED_CREDENTIALS))
                r = begin_static(c, v.file = AWS_SHARED_CREDENTIALS);
        else if (has(c, "credential_process")) {
                v = get(c, "credential_process");
                r = begin_process(c);
        } else if (has_keys_in(c, AWS_SHARED_CONFIG))
                r = begin_static(c, v.file = AWS_SHARED_CONFIG);
        else
                r = fail_nothing(c);
        return r < 0 ? r : set_origin(c, v.file);
}

static int begin_outside(const Chain *c)
{
        AwsSharedValue v = get(c, "credential_source");
        int r = 0;

        if (streq(v.value->text, "Environment"))
                r = aws_environment_static(c->environment, c->source, c->error);
        else if (streq(v.value->text, "EcsContainer"))
                r = aws_environment_container(c->environment, c->source, c->error);
        else if (streq(v.value->text, "Ec2InstanceMetadata"))
                c->source->kind = AWS_SOURCE_IMDS;
        else
                return fail(c, v, -EINVAL, "%s is not Environment, EcsContainer or Ec2InstanceMetadata",
                            CONF_ERROR_QUOTE(v.value->text));
        return r < 0 ? aws_shared_fail(&c->shared, last(c), v, r, c->error) : set_origin(c, v.file);
}

/* --- roles on top of that ---------------------------------------------------------------------------- */

static bool has_keys(const Chain *c)
{
        return has(c, "aws_access_key_id") || has(c, "aws_secret_access_key");
}

/* Whether the profile at hand gives the role, for which it needs the credentials of another. One that is
 * another's source goes by its keys first. */
static bool assumes_role(const Chain *c)
{
        return has(c, "role_arn") && !has(c, "web_identity_token_file") && (c->n == 1 || !has_keys(c));
}

/* Puts the role before those that are assumed with its credentials. */
static int add_role(const Chain *c)
{
        static const AwsSharedKey keys[] = {
                { .name = "role_arn", .parse = conf_value_role_arn },
                { .name = "external_id", .parse = conf_value_external_id },
                { .name = "role_session_name", .parse = conf_value_session_name, .maybe_empty = true },
                { .name = "duration_seconds", .parse = conf_value_number, .least = 900, .most = 43200 },
        };
        AwsRole role = { 0 };
        void *const fields[] = { &role.arn, &role.external_id, &role.session_name, &role.duration };
        int r;

        if (has(c, "mfa_serial"))
                return fail(c, get(c, "mfa_serial"), -EOPNOTSUPP,
                            "the role wants a code of an MFA device, which a service cannot type");
        r = read_keys(c, keys, fields, ELEMENTSOF(keys));
        if (r >= 0 && aws_source_add_role(c->source, &role, true) < 0)
                r = conf_error_oom(c->error);
        aws_role_done(&role);
        return r;
}

static int fail_loop(const Chain *c, const char *again)
{
        ConfError names = { "" };

        for (size_t i = 0; i < c->n; i++)
                conf_error_add(&names, "%s -> ", c->profiles[i].name);
        return fail(c, get(c, "source_profile"), -ELOOP, "the chain does not end: %s%s", names.text, again);
}

/* A profile may be its own source if it has keys; else none comes twice. */
static int check_source(const Chain *c, const AwsSharedProfile *source)
{
        if (streq(source->name, last(c)->name) && has_keys(c))
                return 0;
        for (size_t i = 0; i < c->n; i++)
                if (streq(source->name, c->profiles[i].name))
                        return fail_loop(c, source->name);
        return 0;
}

/* Goes from the profile at hand to its source. */
static int go_on(Chain *c)
{
        AwsSharedValue v = get(c, "source_profile");
        AwsSharedProfile source;
        int r;

        r = aws_shared_find(&c->shared, v.value->text, &source);
        if (r < 0)
                return conf_error_oom(c->error);
        if (r == 0)
                return fail(c, v, -ENOENT, "there is no profile %s in %s or %s",
                            CONF_ERROR_QUOTE(v.value->text), c->shared.path[AWS_SHARED_CREDENTIALS],
                            c->shared.path[AWS_SHARED_CONFIG]);
        r = check_source(c, &source);
        if (r < 0)
                return r;
        if (c->n >= AWS_PROFILE_CHAIN_MAX)
                return fail(c, v, -ELOOP, "the chain has more than %u profiles", AWS_PROFILE_CHAIN_MAX);
        c->profiles[c->n++] = source;
        return 0;
}

static int check_sources(const Chain *c)
{
        bool profile = has(c, "source_profile"), outside = has(c, "credential_source");

        if (profile && outside)
                return fail(c, get(c, "source_profile"), -EINVAL,
                            "there is a credential_source, too, but a role is assumed from one of them");
        if (!profile && !outside)
                return fail(c, get(c, "role_arn"), -EINVAL,
                            "there is neither source_profile nor credential_source to assume it with");
        return 0;
}

static int follow(Chain *c)
{
        int r = 0;

        while (r >= 0 && assumes_role(c)) {
                r = check_sources(c);
                if (r >= 0)
                        r = add_role(c);
                if (r >= 0 && has(c, "credential_source"))
                        return begin_outside(c);
                if (r >= 0)
                        r = go_on(c);
        }
        return r < 0 ? r : begin(c);
}

/* --- the profile that was asked for ------------------------------------------------------------------ */

static int fail_profile(const Chain *c, const char *name)
{
        const char *config = c->shared.path[AWS_SHARED_CONFIG];
        int r;

        r = conf_error_set(c->error, -ENOENT, "there is no profile %s in %s or %s", CONF_ERROR_QUOTE(name),
                           c->shared.path[AWS_SHARED_CREDENTIALS], config);
        if (aws_ini_section(&c->shared.ini[AWS_SHARED_CONFIG], name))
                conf_error_add(c->error, "; [%s] in %s has to be [profile %s]", name, config, name);
        return r;
}

static int read_profile(Chain *c, const char *name)
{
        static const AwsSharedKey keys[] = {
                { .name = "region", .parse = conf_value_region, .maybe_empty = true },
                { .name = "endpoint_url", .parse = conf_value_url, .maybe_empty = true },
        };
        void *const fields[] = { &c->source->region, &c->source->endpoint_url };
        int r;

        r = aws_shared_find(&c->shared, name, &c->profiles[0]);
        if (r < 0)
                return conf_error_oom(c->error);
        if (r == 0)
                return fail_profile(c, name);
        c->n = 1;
        r = read_keys(c, keys, fields, ELEMENTSOF(keys));
        return r < 0 ? r : follow(c);
}

static int read_texts(Chain *c, const AwsProfileText *credentials, const AwsProfileText *config)
{
        const AwsProfileText *const texts[_AWS_SHARED_MAX] = {
                [AWS_SHARED_CREDENTIALS] = credentials,
                [AWS_SHARED_CONFIG] = config,
        };
        int r = 0;

        for (AwsSharedFile i = 0; i < _AWS_SHARED_MAX; i++)
                c->shared.path[i] = texts[i]->path;
        for (AwsSharedFile i = 0; i < _AWS_SHARED_MAX && r >= 0; i++)
                if (texts[i]->text)
                        r = aws_shared_read(&c->shared, i, texts[i]->text, texts[i]->size, texts[i]->mode,
                                            c->error);
        return r;
}

int aws_profile_parse(const AwsProfileText *credentials, const AwsProfileText *config,
                      const char *const *environment, const char *profile, AwsSource **ret, ConfError *error)
{
        _cleanup_(aws_source_freep) AwsSource *source = aws_source_new();
        _cleanup_(chain_done) Chain c = { .environment = environment, .source = source, .error = error };
        int r;

        if (!source)
                return conf_error_oom(error);
        r = read_texts(&c, credentials, config);
        if (r >= 0)
                r = read_profile(&c, profile ? profile : "default");
        if (r < 0) {
                (void) str_make_printable(error->text);
                return r;
        }
        *ret = TAKE_PTR(source);
        return 0;
}

/* --- the files --------------------------------------------------------------------------------------- */

/* A file that is being read. */
typedef struct Loading {
        char *path;
        Buf text;
        mode_t mode;
        bool exists;
} Loading;

static void loading_done(Loading *l)
{
        free(l->path);
        buf_done(&l->text);
}

/* Puts the home directory in "~"'s place. */
static char *expand(const char *path, const char *home)
{
        return home && *path == '~' && (!path[1] || path[1] == '/') ? str_printf("%s%s", home, path + 1)
                                                                    : strdup(path);
}

static int load(Loading *l, const char *named, const char *by_default, const char *home, ConfError *error)
{
        struct stat st;
        int r;

        *l = (Loading){ .text = BUF_INIT_SECRET(CONF_FILE_SIZE_MAX) };
        l->path = expand(named ? named : by_default, home);
        if (!l->path)
                return conf_error_oom(error);
        /* As botocore does, also if somebody else's home cannot be looked into. */
        if (!named && (!home || stat(l->path, &st) < 0))
                return 0;
        r = conf_file_read(l->path, &l->text, &l->mode, error);
        if (r < 0)
                return r;
        l->exists = true;
        if (!S_ISREG(l->mode)) /* /dev/null */
                l->mode = 0;
        return 0;
}

static AwsProfileText text_of(const Loading *l)
{
        return (AwsProfileText){ .path = l->path,
                                 .text = l->exists ? buf_str(&l->text) : NULL,
                                 .size = l->text.size,
                                 .mode = l->mode };
}

int aws_profile_load(const AwsProfileFiles *files, const char *profile, AwsSource **ret, ConfError *error)
{
        _cleanup_(loading_done) Loading credentials = { 0 }, config = { 0 };
        AwsProfileText texts[2];
        int r;

        r = load(&credentials, files->credentials_path, "~/.aws/credentials", files->home, error);
        if (r >= 0)
                r = load(&config, files->config_path, "~/.aws/config", files->home, error);
        if (r < 0)
                return r;
        texts[0] = text_of(&credentials);
        texts[1] = text_of(&config);
        return aws_profile_parse(&texts[0], &texts[1], files->environment, profile, ret, error);
}
