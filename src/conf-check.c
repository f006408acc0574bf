/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "conf-check.h"

#include "aws-endpoint.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>

/* As much as errors need to know of a registry. */
typedef struct Check {
        char label[sizeof("[registry ]") + CONF_REGISTRY_NAME_MAX]; /* "[registry NAME]" */
        const ConfRegistry *section;                                /* what it says itself */
        const ConfRegistry *registry;                               /* what holds for it */
        ConfError *error;
} Check;

static const ConfRegistry *section_of(const Conf *c, size_t i)
{
        return c->n_sections > 0 ? &c->sections[i] : &c->main;
}

static Check check_of(const Conf *c, const ConfRegistry *section, ConfError *error)
{
        Check check = { .section = section, .registry = section, .error = error };

        if (section->name)
                (void) snprintf(check.label, sizeof(check.label), "[registry %s]", section->name);
        else
                (void) snprintf(check.label, sizeof(check.label), "[aws]");
        if (section->name || c->n_sections == 0)
                check.registry = &c->registries[section->name ? section - c->sections : 0];
        return check;
}

/* --- what holds for each ----------------------------------------------------------------------------- */

static bool inherits(const ConfRegistry *section, const ConfKey *key)
{
        switch (key->group) {
        case CONF_KEY_ALONE:
                return true;
        case CONF_KEY_OWN:
                return false;
        case CONF_KEY_ROLE:
                return !conf_keys_source(section) && !section->aws.role_arn;
        default:
                return !conf_keys_source(section);
        }
}

static int make_registry(const Conf *c, const ConfRegistry *section, ConfRegistry *ret)
{
        int r;

        r = conf_keys_registry_init(ret, section->name ? section->name : "aws");
        for (const ConfKey *key = conf_keys; r >= 0 && key->name && streq(key->section, "aws"); key++)
                if (conf_keys_given(key, section))
                        r = conf_keys_registry_copy(ret, section, key);
                else if (conf_keys_given(key, &c->main) && inherits(section, key))
                        r = conf_keys_registry_copy(ret, &c->main, key);
        if (r >= 0 && ret->public && !section->aws.region) {
                r = str_replace(&ret->aws.region, AWS_ECR_PUBLIC_REGION);
                conf_keys_set_given(conf_keys_find("aws", "region"), ret, true);
        }
        return r;
}

static int make_registries(Conf *c)
{
        size_t n = MAX(c->n_sections, 1U);
        int r = 0;

        conf_keys_registries_free(&c->registries, &c->n_registries);
        c->registries = calloc(n, sizeof(ConfRegistry));
        if (!c->registries)
                return -ENOMEM;
        while (r >= 0 && c->n_registries < n) {
                size_t i = c->n_registries++; /* half a one is to be freed, too */

                r = make_registry(c, section_of(c, i), &c->registries[i]);
        }
        return r;
}

/* --- one section, as it is read ---------------------------------------------------------------------- */

static int check_one_source(const Check *check)
{
        const ConfKey *first = conf_keys_source(check->section);

        for (const ConfKey *key = first; key && key->name; key++)
                if (conf_keys_is_source(key) && key->group != first->group &&
                    conf_keys_given(key, check->section))
                        return conf_error_set(
                                check->error, -EINVAL,
                                "%s has %s and %s: credentials come from one source; remove one",
                                check->label, first->name, key->name);
        return 0;
}

/* What [aws] says of itself when it is no registry. */
static int check_common(const Conf *c, ConfError *error)
{
        for (const ConfKey *key = conf_keys; key->name && c->n_sections > 0; key++)
                if (key->group == CONF_KEY_OWN && conf_keys_given(key, &c->main))
                        return conf_error_set(error, -EINVAL,
                                              "[aws] has %s, which belongs in [registry %s] or another "
                                              "[registry NAME] when there are any",
                                              key->name, c->sections[0].name);
        return 0;
}

/* --- one registry ------------------------------------------------------------------------------------ */

/* The words behind a key that [aws] has said for a registry. */
static const char *origin(const Check *check, const char *key)
{
        return conf_keys_has(check->section, key) ? "" : " of [aws]";
}

void conf_check_prefix(const ConfRegistry *r, ConfError *error)
{
        conf_error_prefix(error, streq(r->name, "aws") ? "[%s] " : "[registry %s] ", r->name);
}

bool conf_check_has_profile(const ConfRegistry *r)
{
        return r->aws.profile || r->aws.source_profile;
}

/* Puts a key that is missing behind those that are, too. */
static void need(const Check *check, const char *key)
{
        if (conf_keys_has(check->registry, key))
                return;
        if (*check->error->text)
                conf_error_add(check->error, ", %s", key);
        else
                conf_error_add(check->error, "%s needs %s", check->label, key);
}

/* The key that needs a role, and if it is one of a source, that source's others as well; or NULL. */
static const char *find_demand(const ConfRegistry *r, const ConfKey *source)
{
        static const char *const role_keys[] = { "external_id", "role_session_name", "duration_seconds" };

        if (source && (source->group == CONF_KEY_CERTIFICATE || source->group == CONF_KEY_WEB_IDENTITY ||
                       source->group == CONF_KEY_SOURCE_PROFILE))
                return source->name;
        for (size_t i = 0; i < ELEMENTSOF(role_keys); i++)
                if (conf_keys_has(r, role_keys[i]))
                        return role_keys[i];
        return NULL;
}

static void need_for_demand(const Check *check, const ConfKey *source, const char *demand)
{
        size_t before = strlen(check->error->text);

        if (source && source->group == CONF_KEY_CERTIFICATE) {
                need(check, "certificate");
                need(check, "private_key");
                need(check, "trust_anchor_arn");
                need(check, "profile_arn");
        }
        need(check, "role_arn");
        if (check->error->text[before])
                conf_error_add(check->error, ", as it has %s%s", demand, origin(check, demand));
}

static void say_no_source(const Check *check)
{
        if (*check->error->text)
                conf_error_add(check->error, ", and");
        else
                conf_error_add(check->error, "%s", check->label);
        conf_error_add(check->error,
                       " names no source of credentials%s: aws_access_key_id with aws_secret_access_key, "
                       "profile, credential_process, web_identity_token_file, certificate, "
                       "credentials_secret or credential_source",
                       check->section->name ? ", nor does [aws]" : "");
}

static int check_needs(const Check *check)
{
        const ConfKey *source = conf_keys_source(check->registry);
        const char *demand = find_demand(check->registry, source);

        if (!conf_check_has_profile(check->registry))
                need(check, "region");
        if (source && source->group == CONF_KEY_STATIC) {
                need(check, "aws_access_key_id");
                need(check, "aws_secret_access_key");
        }
        if (demand)
                need_for_demand(check, source, demand);
        if (!source)
                say_no_source(check);
        return *check->error->text ? -EINVAL : 0;
}

/* STS hands out such keys, which sign nothing without their token. */
static int check_temporary_keys(const Check *check)
{
        const ConfAws *aws = &check->registry->aws;

        if (!aws->access_key_id || !startswith(aws->access_key_id, "ASIA") || aws->session_token)
                return 0;
        return conf_error_set(check->error, -EINVAL,
                              "%s needs aws_session_token, as aws_access_key_id is that of temporary keys",
                              check->label);
}

static int check_excluded(const Check *check, const char *key, const char *other, const char *why)
{
        if (!conf_keys_has(check->registry, key) || !conf_keys_has(check->registry, other))
                return 0;
        return conf_error_set(check->error, -EINVAL, "%s has %s%s and %s%s: %s", check->label, key,
                              origin(check, key), other, origin(check, other), why);
}

/* Whoever asks for FIPS must not get something else in silence. */
static int check_endpoint(const Check *check)
{
        static const char why[] = "one excludes the other";
        int r = 0;

        if (check->registry->aws.use_fips_endpoint)
                r = check_excluded(check, "endpoint_url", "use_fips_endpoint", why);
        if (r >= 0 && check->registry->aws.use_dualstack_endpoint)
                r = check_excluded(check, "endpoint_url", "use_dualstack_endpoint", why);
        return r;
}

/* Nor may an external ID be left out in silence. */
static int check_external_id(const Check *check)
{
        static const char why[] = "only a role that is assumed with other credentials takes an external ID";
        const ConfKey *source = conf_keys_source(check->registry);

        if (!source || (source->group != CONF_KEY_WEB_IDENTITY && source->group != CONF_KEY_CERTIFICATE))
                return 0;
        return check_excluded(check, source->name, "external_id", why);
}

static int check_public(const Check *check)
{
        const char *region = check->section->aws.region;

        if (!check->registry->public || !region || streq(region, AWS_ECR_PUBLIC_REGION))
                return 0;
        return conf_error_set(
                check->error, -EINVAL,
                "%s has public and region %s: tokens for ECR Public come from " AWS_ECR_PUBLIC_REGION
                " alone; leave the region out",
                check->label, region);
}

static int check_registry(const Check *check)
{
        static int (*const checks[])(const Check *) = { check_needs, check_temporary_keys, check_endpoint,
                                                        check_external_id, check_public };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(checks); i++)
                r = checks[i](check);
        return r;
}

/* --- all of them ------------------------------------------------------------------------------------- */

static bool has_profile(const Conf *c, const ConfRegistry *section)
{
        if (section->name)
                return conf_check_has_profile(&c->registries[section - c->sections]);
        for (size_t i = 0; i < c->n_registries; i++)
                if (conf_check_has_profile(&c->registries[i]))
                        return true;
        return false;
}

static int check_profile_files(const Conf *c, const Check *check)
{
        static const char *const files[] = { "shared_credentials_file", "config_file" };

        for (size_t i = 0; i < ELEMENTSOF(files); i++)
                if (conf_keys_has(check->section, files[i]) && !has_profile(c, check->section))
                        return conf_error_set(check->error, -EINVAL,
                                              "%s has %s, but no profile or source_profile to find there",
                                              check->label, files[i]);
        return 0;
}

static int check_host(const Conf *c, size_t i, char *const *host, ConfError *error)
{
        const ConfRegistry *r = &c->registries[i];
        Check check = check_of(c, section_of(c, i), error);

        for (char *const *h = r->hosts; h < host; h++)
                if (strcasecmp(*h, *host) == 0)
                        return conf_error_set(error, -EINVAL, "%s has the host %s twice", check.label,
                                              *host);
        for (size_t j = 0; j < i; j++)
                for (char *const *h = c->registries[j].hosts; *h; h++)
                        if (strcasecmp(*h, *host) == 0)
                                return conf_error_set(
                                        error, -EINVAL,
                                        "[registry %s] and %s both have the host %s: one token serves it",
                                        c->registries[j].name, check.label, *host);
        return 0;
}

static int check_hosts(const Conf *c, ConfError *error)
{
        int r = 0;

        for (size_t i = 0; i < c->n_registries; i++)
                for (char *const *h = c->registries[i].hosts; r >= 0 && *h; h++)
                        r = check_host(c, i, h, error);
        return r;
}

/* [aws] comes first: what is wrong there is wrong for those that inherit it. */
static int check_sections(const Conf *c, ConfError *error)
{
        Check check = check_of(c, &c->main, error);
        int r;

        r = check_one_source(&check);
        if (r >= 0)
                r = check_profile_files(c, &check);
        for (size_t i = 0; r >= 0 && i < c->n_sections; i++) {
                check = check_of(c, &c->sections[i], error);
                r = check_one_source(&check);
                if (r >= 0)
                        r = check_profile_files(c, &check);
        }
        return r;
}

int conf_check(Conf *c, ConfError *error)
{
        int r;

        error->text[0] = '\0';
        if (make_registries(c) < 0)
                return conf_error_oom(error);
        r = check_common(c, error);
        if (r >= 0)
                r = check_sections(c, error);
        for (size_t i = 0; r >= 0 && i < c->n_registries; i++) {
                Check check = check_of(c, section_of(c, i), error);

                r = check_registry(&check);
        }
        return r < 0 ? r : check_hosts(c, error);
}
