/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "kube-auth.h"
#include "log.h"

#include <errno.h>

/* client-go re-reads a tokenFile after a minute; the kubelet rotates projected tokens long before they end.
 */
#define TOKEN_FILE_MAX_AGE USEC_PER_MINUTE

struct KubeAuth {
        sd_event *event;
        const KubeConfig *config;
        const KubeAuthProvider *provider; /* NULL: config has it all */
        void *provider_self;

        char *token;      /* last good read of the token file */
        usec_t token_due; /* to be read again then, 0: now */
        bool token_lost;  /* the last read was none */
        uint64_t generation, certificate_generation;
};

void kube_credential_done(KubeCredential *c)
{
        c->token = str_erase_free(c->token);
        free(c->client_certificate);
        c->client_certificate = NULL;
        c->client_key = str_erase_free(c->client_key);
        c->expires = 0;
}

/* --- the token file -------------------------------------------------------------------------------- */

/* The last good read wins over a file that is away or empty for a moment. */
static void refresh_token(KubeAuth *a)
{
        usec_t now = clock_boottime();
        char *token;

        if (!a->config->token_file || (a->token && now < a->token_due))
                return;
        if (kube_config_read_token(a->config->token_file, &token) < 0) {
                if (!a->token_lost)
                        log_warning("Cannot read a token from %s, using the last one until it can be read",
                                    a->config->token_file);
                a->token_lost = true;
                return;
        }
        a->token_lost = false;
        a->generation += !streq_ptr(token, a->token ? a->token : a->config->token);
        str_erase_free(a->token);
        a->token = token;
        a->token_due = usec_add(now, TOKEN_FILE_MAX_AGE);
}

void kube_auth_refused(KubeAuth *a)
{
        a->token_due = 0;
}

/* --- the whole ------------------------------------------------------------------------------------- */

bool kube_auth_identity(KubeAuth *a, KubeIdentity *ret)
{
        refresh_token(a);
        *ret = (KubeIdentity){
                .token = a->token ? a->token : a->config->token,
                .client_certificate = a->config->client_certificate,
                .client_key = a->config->client_key,
                .generation = a->generation,
                .certificate_generation = a->certificate_generation,
        };
        return true;
}

const KubeConfig *kube_auth_config(const KubeAuth *a)
{
        return a->config;
}

int kube_auth_new(sd_event *event, const KubeConfig *config, KubeAuth **ret)
{
        KubeAuth *a;

        a = calloc(1, sizeof(*a));
        if (!a)
                return -ENOMEM;
        a->event = sd_event_ref(event);
        a->config = config;
        *ret = a;
        return 0;
}

void kube_auth_set_provider(KubeAuth *a, const KubeAuthProvider *provider, void *self)
{
        a->provider = provider;
        a->provider_self = self;
}

KubeAuth *kube_auth_free(KubeAuth *a)
{
        if (!a)
                return NULL;
        if (a->provider)
                a->provider->free(a->provider_self);
        str_erase_free(a->token);
        (void) sd_event_unref(a->event);
        free(a);
        return NULL;
}
