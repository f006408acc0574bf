/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "aws-config.h"

#include "aws-anywhere.h"
#include "aws-environment.h"
#include "aws-metadata.h"
#include "aws-profile.h"
#include "hash.h"

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

static int from_profile(const ConfAws *aws, const AwsConfigEnvironment *environment, AwsSource **ret,
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

static int from_surroundings(const ConfAws *aws, const AwsConfigEnvironment *environment, AwsSource *s,
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

static int begin_source(const ConfAws *aws, const AwsConfigEnvironment *environment, AwsSource **s,
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

int aws_config_source(const ConfRegistry *conf, const AwsConfigEnvironment *environment, AwsSource **ret,
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

/* --- places ---------------------------------------------------------------------------------------- */

static int copy(char **ret, const char *value)
{
        *ret = value ? strdup(value) : NULL;
        return value && !*ret ? -ENOMEM : 0;
}

int aws_config_url(const ConfAws *aws, const AwsSource *source, const char *own, AwsService service,
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

int aws_config_places(const ConfAws *aws, const AwsSource *source, const char *region,
                      const AwsConfigEnvironment *environment, AwsPlaces *ret)
{
        const char *imds = aws_environment_get(environment->variables, "AWS_EC2_METADATA_SERVICE_ENDPOINT");
        AwsPlaces p = { 0 };

        if (copy(&p.region, region) >= 0 && copy(&p.ca_bundle, aws->ca_bundle) >= 0 &&
            copy(&p.imds_url, imds ? imds : AWS_METADATA_IMDS_URL) >= 0 &&
            make_anywhere_url(aws, source, &p.anywhere_url) >= 0 &&
            aws_config_url(aws, source, aws->sts_endpoint_url, AWS_SERVICE_STS, region, &p.sts_url) >= 0) {
                *ret = p;
                return 0;
        }
        aws_places_done(&p);
        return -ENOMEM;
}

/* --- ids ------------------------------------------------------------------------------------------- */

int aws_config_hash(const char *const *strings, size_t n, char ret[static TOKEN_ID_MAX])
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
int aws_config_id(const AwsSource *s, const AwsPlaces *places, char ret[static TOKEN_ID_MAX])
{
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
                sts ? places->sts_url : NULL,
                sts ? places->region : NULL, /* of signatures */
                places->anywhere_url,
                places->ca_bundle,
        };
        return aws_config_hash(strings, ELEMENTSOF(strings), ret);
}

/* --- files ----------------------------------------------------------------------------------------- */

int aws_config_add(char *const *strings, char ***ret)
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
        for (size_t i = 0; i < n; i++)
                if (str_replace(&list[had + i], strings[i]) < 0)
                        return -ENOMEM;
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
        return aws_config_add((char *const[]){ path, NULL }, files);
}

int aws_config_files(const ConfAws *aws, const AwsConfigEnvironment *environment, char ***ret)
{
        char *const certificate[] = { aws->certificate, aws->private_key, aws->certificate_chain, NULL };
        int r;

        if (aws->certificate)
                return aws_config_add(certificate, ret);
        if (!aws->profile && !aws->source_profile)
                return 0;
        r = note_shared_file(aws->shared_credentials_file, environment->home, "credentials", ret);
        return r < 0 ? r : note_shared_file(aws->config_file, environment->home, "config", ret);
}
