/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "keyring.h"

#include "log.h"
#include "message.h"

#include <errno.h>

typedef struct Entry {
        Keyring *keyring;
        const char *secret;
        KubeKeys *keys; /* NULL: still the one's before */
        bool known;     /* there were some */
} Entry;

struct Keyring {
        Registries *registries;
        KubeStats *stats;
        Entry *entries;
        size_t n;
};

static void on_changed(AwsCredentials *credentials, const char *problem, void *userdata)
{
        Entry *e = userdata;

        if (credentials)
                log_info("Using the AWS keys in Secret %s", e->secret);
        else
                log_event(LOG_WARNING, MESSAGE_KEYS_LACKING, "%s%s", problem,
                          e->known ? "; keys that were there before stay in use" : "");
        e->known |= credentials != NULL;
        registries_put_keys(e->keyring->registries, e->secret, credentials, problem);
}

static Entry *find(const Keyring *k, const char *secret)
{
        for (size_t i = 0; k && i < k->n; i++)
                if (streq(k->entries[i].secret, secret))
                        return &k->entries[i];
        return NULL;
}

static int add(Keyring *k, sd_event *event, KubeAuth *auth, const char *secret, const Keyring *past)
{
        Entry *e = &k->entries[k->n];
        int r = 0;

        if (find(k, secret))
                return 0;
        *e = (Entry){ .keyring = k, .secret = secret };
        if (!find(past, secret))
                r = kube_keys_new(event, auth, k->stats, secret, on_changed, e, &e->keys);
        if (r >= 0)
                k->n++;
        return r;
}

int keyring_new(sd_event *event, KubeAuth *auth, KubeStats *stats, const RegistryConfigs *configs,
                Registries *registries, const Keyring *past, Keyring **ret)
{
        _cleanup_(keyring_freep) Keyring *k = NULL;
        int r = 0;

        k = calloc(1, sizeof(*k));
        if (!k)
                return -ENOMEM;
        k->registries = registries;
        k->stats = stats;
        k->entries = calloc(configs->n, sizeof(*k->entries));
        if (!k->entries)
                return -ENOMEM;
        for (size_t i = 0; i < configs->n && r >= 0; i++)
                if (configs->items[i].source->kind == AWS_SOURCE_CLUSTER_SECRET)
                        r = add(k, event, auth, configs->items[i].source->secret, past);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(k);
        return 0;
}

void keyring_take_over(Keyring *k, Keyring *past)
{
        for (size_t i = 0; i < k->n; i++) {
                Entry *e = &k->entries[i], *old = find(past, e->secret);

                if (e->keys || !old)
                        continue;
                e->keys = TAKE_PTR(old->keys);
                e->known = old->known;
                kube_keys_hand_over(e->keys, on_changed, e);
                kube_keys_hurry(e->keys);
        }
}

bool keyring_stalled(const Keyring *k, usec_t now)
{
        for (size_t i = 0; i < k->n; i++)
                if (k->entries[i].keys && kube_keys_stalled(k->entries[i].keys, now))
                        return true;
        return false;
}

Keyring *keyring_free(Keyring *k)
{
        if (!k)
                return NULL;
        for (size_t i = 0; i < k->n; i++)
                (void) kube_keys_free(k->entries[i].keys);
        free(k->entries);
        free(k);
        return NULL;
}
