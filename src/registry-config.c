/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "registry-config.h"

#include "aws-anywhere.h"
#include "aws-environment.h"
#include "aws-metadata.h"
#include "aws-profile.h"
#include "conf-check.h"
#include "hash.h"
#include "log.h"

#include <errno.h>
#include <stdio.h>

/* --- the source of credentials --------------------------------------------------------------------- */

static int from_keys(const ConfAws *aws, AwsSource *s)
{
        s->kind = AWS_SOURCE_STATIC;
        if (str_replace(&s->keys.access_key_id, aws->access_key_id) < 0 ||
            str_replace(&s->keys.secret_access_key, aws->secret_access_key) < 0 ||
            str_replace(&s->keys.session_token, aws->session_token) < 0)
                return -ENOMEM;
        return 0;
}

static int from_certificate(const ConfAws *aws, AwsSource *s)
{
        s->kind = AWS_SOURCE_ROLES_ANYWHERE;
        if (str_replace(&s->anywhere.certificate, aws->certificate) < 0 ||
            str_replace(&s->anywhere.private_key, aws->private_key) < 0 ||
            str_replace(&s->anywhere.chain, aws->certificate_chain) < 0 ||
            str_replace(&s->anywhere.trust_anchor_arn, aws->trust_anchor_arn) < 0 ||
            str_replace(&s->anywhere.profile_arn, aws->profile_arn) < 0)
                return -ENOMEM;
        return 0;
}

static int from_value(AwsSource *s, AwsSourceKind kind, char **field, const char *value)
{
        s->kind = kind;
        return str_replace(field, value);
}

static int from_profile(const ConfAws *aws, const RegistryEnvironment *environment, AwsSource **ret,
                        ConfError *error)
{
        const AwsProfileFiles files = {
                .credentials_path = aws->shared_credentials_file,
                .config_path = aws->config_file,
                .home = environment->home,
                .environment = environment->variables,
        };

        *ret = aws_source_free(*ret);
        return aws_profile_load(&files, aws->profile ? aws->profile : aws->source_profile, ret, error);
}

static int from_surroundings(const ConfAws *aws, const RegistryEnvironment *environment, AwsSource *s,
                             ConfError *error)
{
        switch (aws->credential_source) {
        case CONF_CREDENTIAL_SOURCE_ENVIRONMENT:
                return aws_environment_static(environment->variables, s, error);
        case CONF_CREDENTIAL_SOURCE_CONTAINER:
                return aws_environment_container(environment->variables, s, error);
        default:
                s->kind = AWS_SOURCE_IMDS;
                return 0;
        }
}

static int begin_source(const ConfAws *aws, const RegistryEnvironment *environment, AwsSource **s,
                        ConfError *error)
{
        if (aws->profile || aws->source_profile)
                return from_profile(aws, environment, s, error);
        if (aws->credential_source != CONF_CREDENTIAL_SOURCE_NONE)
                return from_surroundings(aws, environment, *s, error);
        if (aws->credential_process)
                return from_value(*s, AWS_SOURCE_PROCESS, &(*s)->process, aws->credential_process);
        if (aws->web_identity_token_file)
                return from_value(*s, AWS_SOURCE_WEB_IDENTITY, &(*s)->token_file,
                                  aws->web_identity_token_file);
        if (aws->credentials_secret)
                return from_value(*s, AWS_SOURCE_CLUSTER_SECRET, &(*s)->secret, aws->credentials_secret);
        return aws->certificate ? from_certificate(aws, *s) : from_keys(aws, *s);
}

/* Two kinds are for a role from the beginning, the others assume it. */
static int add_role(const ConfAws *aws, AwsSource *s)
{
        const AwsRole role = {
                .arn = aws->role_arn,
                .external_id = aws->external_id,
                .session_name = aws->role_session_name,
                .duration = aws->duration_seconds,
        };

        if (!aws->role_arn)
                return 0;
        if (aws->web_identity_token_file || aws->certificate)
                return aws_role_copy(&role, &s->role);
        return aws_source_add_role(s, &role, false);
}

/* For people: the key that names the source, wherever it stands. */
static int describe(const ConfRegistry *conf, AwsSource *s)
{
        const ConfKey *key = conf_keys_source(conf);

        return str_replace(&s->origin, key ? key->name : aws_source_kind_to_string(s->kind));
}

static int make_source(const ConfRegistry *conf, const RegistryEnvironment *environment, AwsSource **ret,
                       ConfError *error)
{
        _cleanup_(aws_source_freep) AwsSource *s = aws_source_new();
        int r;

        if (!s)
                return conf_error_oom(error);
        r = begin_source(&conf->aws, environment, &s, error);
        if (r >= 0)
                r = add_role(&conf->aws, s);
        if (r >= 0 && !s->origin)
                r = describe(conf, s);
        if (r == -ENOMEM)
                return conf_error_oom(error);
        if (r >= 0)
                *ret = TAKE_PTR(s);
        return r;
}

/* --- endpoints ------------------------------------------------------------------------------------- */

static int copy(char **ret, const char *value)
{
        *ret = value ? strdup(value) : NULL;
        return value && !*ret ? -ENOMEM : 0;
}

static int choose_url(const ConfAws *aws, const AwsSource *source, const char *own, AwsService service,
                      const char *region, char **ret)
{
        if (own || source->endpoint_url)
                return copy(ret, own ? own : source->endpoint_url);
        return aws_endpoint(service, region, aws->use_fips_endpoint, aws->use_dualstack_endpoint, ret);
}

static int make_anywhere_url(const ConfAws *aws, const AwsSource *source, char **ret)
{
        _cleanup_free_ char *region = NULL;

        if (source->kind != AWS_SOURCE_ROLES_ANYWHERE)
                return 0;
        if (aws->sts_endpoint_url)
                return copy(ret, aws->sts_endpoint_url);
        region = aws_anywhere_region(source->anywhere.trust_anchor_arn);
        if (!region)
                return -ENOMEM;
        return aws_endpoint(AWS_SERVICE_ROLES_ANYWHERE, region, aws->use_fips_endpoint, false, ret);
}

static int make_places(const ConfAws *aws, const RegistryEnvironment *environment, RegistryConfig *c)
{
        const char *imds = aws_environment_get(environment->variables, "AWS_EC2_METADATA_SERVICE_ENDPOINT");
        AwsPlaces *p = &c->places;

        if (copy(&p->region, c->region) < 0 || copy(&p->ca_bundle, aws->ca_bundle) < 0 ||
            copy(&p->imds_url, imds ? imds : AWS_METADATA_IMDS_URL) < 0 ||
            make_anywhere_url(aws, c->source, &p->anywhere_url) < 0)
                return -ENOMEM;
        return choose_url(aws, c->source, aws->sts_endpoint_url, AWS_SERVICE_STS, c->region, &p->sts_url);
}

/* --- ids ------------------------------------------------------------------------------------------- */

/* An id for these strings, of which some may be NULL. */
static int make_id(const char *const *strings, size_t n, char ret[static TOKEN_ID_MAX])
{
        _cleanup_buf_ Buf b = BUF_INIT_SECRET(256U * 1024);
        char hex[HASH_SHA256_HEX_MAX];
        int r = 0;

        for (size_t i = 0; i < n && r >= 0; i++) {
                const char *s = strings[i] ? strings[i] : "";

                r = buf_append(&b, s, strlen(s) + 1);
        }
        if (r >= 0)
                r = hash_sha256_hex(buf_str(&b), b.size, hex);
        if (r >= 0)
                (void) snprintf(ret, TOKEN_ID_MAX, "%.*s", (int) TOKEN_ID_MAX - 1, hex);
        return r;
}

/* Of the roles, as one string. */
static int describe_roles(const AwsSource *s, Buf *b)
{
        int r = 0;

        for (size_t i = 0; i <= s->n_roles && r >= 0; i++) {
                const AwsRole *role = i == 0 ? &s->role : &s->roles[i - 1];

                r = buf_printf(b, "%s\n%s\n%s\n%u\n", role->arn ? role->arn : "",
                               role->external_id ? role->external_id : "",
                               role->session_name ? role->session_name : "", role->duration);
        }
        return r;
}

/* STS counts only if it is asked. */
static int make_keys_id(const RegistryConfig *c, char ret[static TOKEN_ID_MAX])
{
        const AwsSource *s = c->source;
        bool sts = s->n_roles > 0 || s->kind == AWS_SOURCE_WEB_IDENTITY;
        _cleanup_buf_ Buf roles = BUF_INIT_SECRET(128U * 1024);
        int r;

        r = describe_roles(s, &roles);
        if (r < 0)
                return r;

        const char *const strings[] = {
                aws_source_kind_to_string(s->kind),
                s->keys.access_key_id,
                s->keys.secret_access_key,
                s->keys.session_token,
                s->process,
                s->token_file,
                s->anywhere.certificate,
                s->anywhere.private_key,
                s->anywhere.chain,
                s->anywhere.trust_anchor_arn,
                s->anywhere.profile_arn,
                s->container.url,
                s->container.token,
                s->container.token_file,
                s->secret,
                buf_str(&roles),
                sts ? c->places.sts_url : NULL,
                sts ? c->places.region : NULL, /* of signatures */
                c->places.anywhere_url,
                c->ca_bundle,
        };
        return make_id(strings, ELEMENTSOF(strings), ret);
}

static int make_origin(RegistryConfig *c)
{
        const char *const endpoint[] = { c->name, c->url, c->region, c->public ? "public" : "" };
        int r;

        r = make_id(endpoint, ELEMENTSOF(endpoint), c->origin.endpoint);
        return r < 0 ? r : make_keys_id(c, c->origin.keys);
}

/* --- one ------------------------------------------------------------------------------------------- */

/* Puts copies behind what is in the list, which may be NULL. */
static int add_strings(char *const *strings, char ***ret)
{
        size_t n = 0, had = 0;
        char **list;

        while (strings && strings[n])
                n++;
        while (*ret && (*ret)[had])
                had++;
        list = reallocarray(*ret, had + n + 1, sizeof(*list));
        if (!list)
                return -ENOMEM;
        *ret = list;
        for (size_t i = 0; i <= n; i++)
                list[had + i] = NULL;
        for (size_t i = 0; i < n; i++) {
                list[had + i] = strdup(strings[i]);
                if (!list[had + i])
                        return -ENOMEM;
        }
        return 0;
}

/* One of AWS's own: where the configuration says, or where it is by itself. */
static int note_shared_file(const char *given, const char *home, const char *name, char ***files)
{
        _cleanup_free_ char *path = given  ? strdup(given)
                                    : home ? str_printf("%s/.aws/%s", home, name)
                                           : NULL;

        if (!path)
                return given || home ? -ENOMEM : 0;
        return add_strings((char *const[]){ path, NULL }, files);
}

static int note_files(const ConfAws *aws, const RegistryEnvironment *environment, RegistryConfig *c)
{
        char *const certificate[] = { aws->certificate, aws->private_key, aws->certificate_chain, NULL };
        int r;

        if (aws->certificate)
                return add_strings(certificate, &c->files);
        if (!aws->profile && !aws->source_profile)
                return 0;
        r = note_shared_file(aws->shared_credentials_file, environment->home, "credentials", &c->files);
        return r < 0 ? r : note_shared_file(aws->config_file, environment->home, "config", &c->files);
}

/* Not to know is no reason to stop: it is told when it is used. */
static void note_expiry(RegistryConfig *c)
{
        char error[X509_ERROR_MAX];

        if (c->source->kind == AWS_SOURCE_ROLES_ANYWHERE &&
            x509_certificate_expiry(c->source->anywhere.certificate, &c->certificate_expires, error) < 0)
                c->certificate_expires = 0;
}

static int choose_region(const ConfRegistry *conf, RegistryConfig *c, ConfError *error)
{
        const char *region = conf->aws.region ? conf->aws.region : c->source->region;

        if (!region)
                return conf_error_set(error, -EINVAL, "region is needed, as %s names none",
                                      c->source->origin);
        return copy(&c->region, region) < 0 ? conf_error_oom(error) : 0;
}

/* As for endpoint_url in the configuration: nothing else than FIPS in silence. */
static int check_endpoint(const ConfAws *aws, const AwsSource *source, ConfError *error)
{
        if (!source->endpoint_url || !(aws->use_fips_endpoint || aws->use_dualstack_endpoint))
                return 0;
        return conf_error_set(error, -EINVAL, "has %s, but %s has endpoint_url: one excludes the other",
                              aws->use_fips_endpoint ? "use_fips_endpoint" : "use_dualstack_endpoint",
                              source->origin);
}

static int fill(const ConfRegistry *conf, const RegistryEnvironment *environment, RegistryConfig *c)
{
        AwsService service = conf->public ? AWS_SERVICE_ECR_PUBLIC : AWS_SERVICE_ECR;

        c->public = conf->public;
        c->verify = conf->public ? CONF_VERIFY_NO : conf->verify; /* it lets everybody in */
        note_expiry(c);
        if (copy(&c->name, conf->name) < 0 || copy(&c->ca_bundle, conf->aws.ca_bundle) < 0 ||
            add_strings(conf->hosts, &c->hosts) < 0 || note_files(&conf->aws, environment, c) < 0 ||
            choose_url(&conf->aws, c->source, conf->aws.endpoint_url, service, c->region, &c->url) < 0 ||
            make_places(&conf->aws, environment, c) < 0)
                return -ENOMEM;
        return make_origin(c);
}

static void done(RegistryConfig *c)
{
        char *const strings[] = {
                c->name,
                c->label,
                c->region,
                c->url,
                c->ca_bundle,
                c->places.region,
                c->places.sts_url,
                c->places.anywhere_url,
                c->places.imds_url,
                c->places.ca_bundle,
        };

        for (size_t i = 0; i < ELEMENTSOF(strings); i++)
                free(strings[i]);
        conf_keys_list_free(c->hosts);
        conf_keys_list_free(c->files);
        (void) aws_source_free(c->source);
        *c = (RegistryConfig){ 0 };
}

static int load(const ConfRegistry *conf, const RegistryEnvironment *environment, RegistryConfig *c,
                ConfError *error)
{
        int r;

        r = make_source(conf, environment, &c->source, error);
        if (r >= 0)
                r = choose_region(conf, c, error);
        if (r >= 0)
                r = check_endpoint(&conf->aws, c->source, error);
        if (r < 0) {
                conf_check_prefix(conf, error);
                return r;
        }
        r = fill(conf, environment, c);
        return r < 0 ? conf_error_set(error, r, "the configuration cannot be worked out: %m") : 0;
}

/* --- all ------------------------------------------------------------------------------------------- */

static RegistryConfig *find_same(RegistryConfigs *all, const RegistryConfig *c)
{
        for (size_t i = 0; i < all->n; i++) {
                RegistryConfig *other = &all->items[i];

                if (streq(other->origin.keys, c->origin.keys) && streq(other->url, c->url) &&
                    streq(other->region, c->region) && other->public == c->public)
                        return other;
        }
        return NULL;
}

/* Its token opens the same, and comes from elsewhere as soon as one of the files of either says so. */
static int join(RegistryConfig *same, const RegistryConfig *c)
{
        if (same->verify == CONF_VERIFY_NO || c->verify == CONF_VERIFY_REQUIRED)
                same->verify = c->verify;
        if (add_strings(c->hosts, &same->hosts) < 0)
                return -ENOMEM;
        return add_strings(c->files, &same->files);
}

static int add(RegistryConfigs *all, const ConfRegistry *conf, const RegistryEnvironment *environment,
               ConfError *error)
{
        _cleanup_(done) RegistryConfig c = { 0 };
        RegistryConfig *same;
        int r;

        r = load(conf, environment, &c, error);
        if (r < 0)
                return r;
        same = find_same(all, &c);
        if (same) {
                log_info("Registry %s has the credentials, region and endpoint of %s: one token is for both",
                         c.name, same->name);
                return join(same, &c) < 0 ? conf_error_oom(error) : 0;
        }
        all->items[all->n++] = c;
        c = (RegistryConfig){ 0 }; /* the list's now */
        return 0;
}

static int add_labels(RegistryConfigs *all)
{
        for (size_t i = 0; i < all->n; i++) {
                RegistryConfig *c = &all->items[i];

                c->label = all->n > 1 ? str_printf("Registry %s: ", c->name) : strdup("");
                if (!c->label)
                        return -ENOMEM;
        }
        return 0;
}

int registry_configs_load(const Conf *conf, const RegistryEnvironment *environment, RegistryConfigs **ret,
                          ConfError *error)
{
        _cleanup_(registry_configs_freep) RegistryConfigs *all = calloc(1, sizeof(*all));
        int r = 0;

        if (!all)
                return conf_error_oom(error);
        all->items = calloc(conf->n_registries, sizeof(*all->items));
        if (!all->items)
                return conf_error_oom(error);
        for (size_t i = 0; i < conf->n_registries && r >= 0; i++)
                r = add(all, &conf->registries[i], environment, error);
        if (r < 0)
                return r;
        if (add_labels(all) < 0)
                return conf_error_oom(error);
        *ret = TAKE_PTR(all);
        return 0;
}

void registry_configs_each_file(const RegistryConfigs *c, void (*callback)(const char *path, void *userdata),
                                void *userdata)
{
        for (size_t i = 0; i < c->n; i++)
                for (char **file = c->items[i].files; file && *file; file++)
                        callback(*file, userdata);
}

RegistryConfigs *registry_configs_free(RegistryConfigs *c)
{
        if (!c)
                return NULL;
        for (size_t i = 0; i < c->n; i++)
                done(&c->items[i]);
        free(c->items);
        free(c);
        return NULL;
}
