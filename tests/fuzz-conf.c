/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "conf-check.h"
#include "conf.h"

#include "fuzz-main.h"

static void require(bool condition)
{
        if (!condition)
                abort();
}

/* What holds for a registry that can work. */
static void check_registry(const ConfRegistry *r)
{
        const ConfKey *source = conf_keys_source(r);

        require(!str_empty(r->name) && r->hosts);
        require(r->aws.region || conf_check_has_profile(r));
        require(source);
        for (const ConfKey *key = source; key->name; key++)
                require(!conf_keys_is_source(key) || key->group == source->group ||
                        !conf_keys_given(key, r));
        require(!r->aws.access_key_id == !r->aws.secret_access_key);
        require(r->aws.role_arn || (!r->aws.external_id && !r->aws.duration_seconds));
        require(!r->public || streq(r->aws.region, "us-east-1"));
}

/* Whatever a file says: a configuration that keeps its promises, or an error that says where. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(conf_freep) Conf *c = NULL;
        ConfError error = { "" };

        if (conf_new(&c) < 0)
                return 0;
        if (conf_parse(c, (const char *) data, size, "/f", &error) < 0) {
                require(startswith(error.text, "/f:"));
                require(memchr(error.text, '\n', strlen(error.text)) == NULL);
                return 0;
        }
        require(c->namespaces.blacklist && c->namespaces.include && !str_empty(c->secret.name));
        require(c->renewal.informers_resync_interval >= USEC_PER_SEC);
        require(c->renewal.max_in_flight >= 1 && c->renewal.max_in_flight <= 100);
        require(c->verbosity >= 0 && c->verbosity <= 10);
        require(!c->metrics.address || c->metrics.port > 0);
        require(c->n_sections <= CONF_REGISTRIES_MAX);
        if (conf_check(c, &error) < 0) {
                require(*error.text == '[');
                return 0;
        }
        require(!*error.text && c->n_registries == MAX(c->n_sections, 1U));
        for (size_t i = 0; i < c->n_registries; i++)
                check_registry(&c->registries[i]);
        return 0;
}
