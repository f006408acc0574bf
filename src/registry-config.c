/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "registry-config.h"

#include "aws-config.h"
#include "conf-check.h"
#include "log.h"
#include "x509.h"

#include <errno.h>

static int copy(char **ret, const char *value)
{
        *ret = value ? strdup(value) : NULL;
        return value && !*ret ? -ENOMEM : 0;
}

/* --- one ------------------------------------------------------------------------------------------- */

static int make_origin(RegistryConfig *c)
{
        const char *const endpoint[] = { c->name, c->url, c->region, c->public ? "public" : "" };
        int r;

        r = aws_config_hash(endpoint, ELEMENTSOF(endpoint), c->origin.endpoint);
        return r < 0 ? r : aws_config_id(c->source, &c->places, c->origin.keys);
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

static int fill(const ConfRegistry *conf, const AwsConfigEnvironment *environment, RegistryConfig *c)
{
        AwsService service = conf->public ? AWS_SERVICE_ECR_PUBLIC : AWS_SERVICE_ECR;

        c->public = conf->public;
        c->verify = conf->public ? CONF_VERIFY_NO : conf->verify; /* it lets everybody in */
        note_expiry(c);
        if (copy(&c->name, conf->name) < 0 || copy(&c->ca_bundle, conf->aws.ca_bundle) < 0 ||
            aws_config_add(conf->hosts, &c->hosts) < 0 ||
            aws_config_url(&conf->aws, c->source, conf->aws.endpoint_url, service, c->region, &c->url) < 0 ||
            aws_config_places(&conf->aws, c->source, c->region, environment, &c->places) < 0)
                return -ENOMEM;
        return make_origin(c);
}

static void done(RegistryConfig *c)
{
        char *const strings[] = {
                c->name, c->label, c->region, c->url, c->ca_bundle,
        };

        for (size_t i = 0; i < ELEMENTSOF(strings); i++)
                free(strings[i]);
        aws_places_done(&c->places);
        conf_keys_list_free(c->hosts);
        (void) aws_source_free(c->source);
        *c = (RegistryConfig){ 0 };
}

static int load(const ConfRegistry *conf, const AwsConfigEnvironment *environment, RegistryConfig *c,
                ConfError *error)
{
        int r;

        r = aws_config_source(conf, environment, &c->source, error);
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

/* Its token opens the same. */
static int join(RegistryConfig *same, const RegistryConfig *c)
{
        if (same->verify == CONF_VERIFY_NO || c->verify == CONF_VERIFY_REQUIRED)
                same->verify = c->verify;
        return aws_config_add(c->hosts, &same->hosts);
}

static int add(RegistryConfigs *all, const ConfRegistry *conf, const AwsConfigEnvironment *environment,
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

int registry_configs_load(const Conf *conf, const AwsConfigEnvironment *environment, RegistryConfigs **ret,
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
