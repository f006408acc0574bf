/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "registries.h"

#include "log.h"
#include "message.h"

#include <errno.h>

/* What is there is shown after this time, even if another registry has not answered yet. */
#define GATHER_MAX (2 * USEC_PER_SEC)

struct Registries {
        sd_event *event;
        const RegistryConfigs *configs;
        const RegistriesEvents *events;
        void *userdata;
        AwsState *state;

        Credentials **credentials; /* one for each identity */
        size_t n_credentials;
        Registry **items;
        size_t n;
        Auths *auths;
        bool *dropped;    /* of each registry: its token has expired, that was said */
        usec_t gathering; /* CLOCK_BOOTTIME since when something new waits to be shown; 0: nothing does */
        sd_event_source *publisher, *expiry;
};

/* --- one for all ----------------------------------------------------------------------------------- */

/* Until the first of the tokens expires. */
static void watch_expiry(Registries *r)
{
        usec_t first = USEC_INFINITY;

        for (size_t i = 0; i < r->n; i++)
                if (registry_token_left(r->items[i]) > 0)
                        first = MIN(first, registry_token_left(r->items[i]));
        if (first == USEC_INFINITY)
                return;
        (void) sd_event_source_set_time_relative(r->expiry, first);
        (void) sd_event_source_set_enabled(r->expiry, SD_EVENT_ONESHOT);
}

static void tell_dropped(Registries *r)
{
        const char *end = registries_good(r) > 0
                                  ? "its hosts are taken out of the Secrets until there is one"
                                  : "Secrets stay as they are";

        for (size_t i = 0; i < r->n; i++) {
                const Registry *one = r->items[i];
                const char *label = registry_config(one)->label, *error = registry_error(one);
                bool dropped = registry_token(one) && registry_token_left(one) == 0;

                if (dropped && !r->dropped[i])
                        log_event(LOG_ERR, MESSAGE_TOKEN_EXPIRED,
                                  "%s%s token for %s has expired and there is no other: %s; %s", label,
                                  *label ? "the" : "The", registry_token(one)->host,
                                  *error ? error : "the call is under way", end);
                r->dropped[i] = dropped;
        }
}

/* Of those whose token is good. Returns 0 with *ret NULL if there is none. */
static int make_auths(const Registries *r, Auths **ret)
{
        _cleanup_free_ AuthsPart *parts = calloc(r->n, sizeof(*parts));
        size_t n = 0;

        if (!parts)
                return -ENOMEM;
        for (size_t i = 0; i < r->n; i++)
                if (registry_token_left(r->items[i]) > 0)
                        parts[n++] = (AuthsPart){
                                .token = registry_token(r->items[i]),
                                .hosts = r->configs->items[i].hosts,
                        };
        return n > 0 ? auths_new(parts, n, n < r->n, ret) : 0;
}

static void publish(Registries *r)
{
        _cleanup_(auths_unrefp) Auths *auths = NULL;
        int error;

        r->gathering = 0;
        tell_dropped(r);
        watch_expiry(r);
        error = make_auths(r, &auths);
        if (error < 0)
                log_error_errno(error, "Cannot put the tokens together, Secrets stay as they are: %m");
        if (!auths || auths_equal(r->auths, auths)) {
                r->events->changed(r->userdata);
                return;
        }
        auths_unref(r->auths);
        r->auths = TAKE_PTR(auths);
        r->events->auths(r->userdata);
}

static int on_publish(sd_event_source *s, uint64_t usec, void *userdata)
{
        publish(userdata);
        return 0;
}

static void publish_in(Registries *r, usec_t delay)
{
        (void) sd_event_source_set_time_relative(r->publisher, delay);
        (void) sd_event_source_set_enabled(r->publisher, SD_EVENT_ONESHOT);
}

/* Whether one may bring its first answer any moment. */
static bool is_busy(const Registries *r)
{
        for (size_t i = 0; i < r->n; i++)
                if (registry_busy(r->items[i]))
                        return true;
        return false;
}

/* Not before the others have answered, but without waiting long for them. */
static void publish_soon(Registries *r)
{
        usec_t now = clock_boottime();

        if (r->gathering == 0)
                r->gathering = now;
        publish_in(r, is_busy(r) ? usec_sub(usec_add(r->gathering, GATHER_MAX), now) : 0);
}

/* --- what one does --------------------------------------------------------------------------------- */

static void on_begins(Registry *one, void *userdata)
{
        Registries *r = userdata;

        for (size_t i = 0; i < r->n; i++)
                if (r->items[i] != one)
                        registry_join(r->items[i]);
}

static void on_changed(Registry *one, void *userdata)
{
        Registries *r = userdata;

        publish_soon(r);
        r->events->changed(r->userdata);
}

static const RegistryEvents registry_events = { .begins = on_begins, .changed = on_changed };

void registries_put_keys(Registries *r, const char *secret, AwsCredentials *keys, const char *problem)
{
        for (size_t i = 0; i < r->n_credentials; i++) {
                Credentials *c = r->credentials[i];
                const AwsSource *source = credentials_source(c);

                if (source->kind != AWS_SOURCE_CLUSTER_SECRET || !streq(source->secret, secret) ||
                    !credentials_put(c, keys, problem))
                        continue;
                for (size_t j = 0; j < r->n; j++)
                        if (registry_credentials(r->items[j]) == c)
                                registry_call_now(r->items[j]);
        }
}

/* --- what was before ------------------------------------------------------------------------------- */

int registries_past(const Registries *r, RegistriesPast *ret)
{
        *ret = (RegistriesPast){ .items = calloc(r->n, sizeof(*ret->items)) };
        if (!ret->items)
                return -ENOMEM;
        for (; ret->n < r->n; ret->n++) {
                registry_past(r->items[ret->n], &ret->items[ret->n]);
                token_ref(ret->items[ret->n].token);
        }
        return 0;
}

void registries_past_done(RegistriesPast *p)
{
        for (size_t i = 0; i < p->n; i++)
                token_unref(p->items[i].token);
        free(p->items);
        *p = (RegistriesPast){ 0 };
}

int registries_store(const Registries *r, TokenStore *store)
{
        _cleanup_free_ StoredToken *items = calloc(r->n, sizeof(*items));
        size_t n = 0;

        if (!items)
                return -ENOMEM;
        for (size_t i = 0; i < r->n; i++) {
                RegistryPast past;

                registry_past(r->items[i], &past);
                if (past.token)
                        items[n++] = (StoredToken){
                                .token = past.token,
                                .origin = past.origin,
                                .session_end = past.session_end,
                                .bound = past.bound,
                        };
        }
        return token_store_save(store, items, n);
}

int registries_past_load(const TokenStore *store, RegistriesPast *ret)
{
        *ret = (RegistriesPast){ .items = calloc(store->n + 1, sizeof(*ret->items)) };
        if (!ret->items)
                return -ENOMEM;
        for (; ret->n < store->n; ret->n++)
                ret->items[ret->n] = (RegistryPast){
                        .token = token_ref(store->items[ret->n].token),
                        .origin = store->items[ret->n].origin,
                        .session_end = store->items[ret->n].session_end,
                        .bound = store->items[ret->n].bound,
                };
        return 0;
}

static const RegistryPast *find_past(const RegistriesPast *past, const RegistryConfig *config)
{
        for (size_t i = 0; past && i < past->n; i++)
                if (streq(past->items[i].origin.endpoint, config->origin.endpoint))
                        return &past->items[i];
        return NULL;
}

/* --- the whole ------------------------------------------------------------------------------------- */

size_t registries_count(const Registries *r)
{
        return r->n;
}

const Registry *registries_get(const Registries *r, size_t i)
{
        return r->items[i];
}

const AwsState *registries_state(const Registries *r)
{
        return r->state;
}

Auths *registries_auths(const Registries *r)
{
        return r->auths;
}

size_t registries_good(const Registries *r)
{
        size_t n = 0;

        for (size_t i = 0; i < r->n; i++)
                n += registry_token_left(r->items[i]) > 0;
        return n;
}

size_t registries_failing(const Registries *r)
{
        size_t n = 0;

        for (size_t i = 0; i < r->n; i++)
                n += registry_failures(r->items[i]) > 0;
        return n;
}

bool registries_settled(const Registries *r)
{
        for (size_t i = 0; i < r->n; i++)
                if (registry_token_left(r->items[i]) == 0 && registry_failures(r->items[i]) == 0)
                        return false;
        return r->gathering == 0;
}

bool registries_stalled(const Registries *r, usec_t now)
{
        for (size_t i = 0; i < r->n; i++)
                if (registry_stalled(r->items[i], now))
                        return true;
        return false;
}

/* Returns 0 and the credentials of that identity, which others may have, too. */
static int find_credentials(Registries *r, const RegistryConfig *config, Credentials **ret)
{
        int error;

        for (size_t i = 0; i < (size_t) (config - r->configs->items); i++)
                if (streq(r->configs->items[i].origin.keys, config->origin.keys)) {
                        *ret = (Credentials *) registry_credentials(r->items[i]);
                        return 0;
                }
        error = credentials_new(r->event, r->state, config->source, &config->places, ret);
        if (error >= 0)
                r->credentials[r->n_credentials++] = *ret;
        return error;
}

static int add_registry(Registries *r, const RegistryConfig *config, usec_t interval,
                        const RegistriesPast *past)
{
        Credentials *credentials;
        int error;

        error = find_credentials(r, config, &credentials);
        if (error < 0)
                return error;
        error = registry_new(r->event, r->state, config, credentials, interval, find_past(past, config),
                             &registry_events, r, &r->items[r->n]);
        if (error >= 0)
                r->n++;
        return error;
}

static int add_timer(Registries *r, sd_event_time_handler_t handler, sd_event_source **ret)
{
        int error;

        error = sd_event_add_time_relative(r->event, ret, CLOCK_BOOTTIME, 0, 1, handler, r);
        if (error < 0)
                return error;
        return sd_event_source_set_enabled(*ret, SD_EVENT_OFF);
}

int registries_new(sd_event *event, AwsState *state, const RegistryConfigs *configs, usec_t interval,
                   const RegistriesPast *past, const RegistriesEvents *events, void *userdata,
                   Registries **ret)
{
        _cleanup_(registries_freep) Registries *r = NULL;
        int error;

        r = calloc(1, sizeof(*r));
        if (!r)
                return -ENOMEM;
        r->event = sd_event_ref(event);
        r->state = state;
        r->configs = configs;
        r->events = events;
        r->userdata = userdata;
        r->credentials = calloc(configs->n, sizeof(*r->credentials));
        r->items = calloc(configs->n, sizeof(*r->items));
        r->dropped = calloc(configs->n, sizeof(*r->dropped));
        if (!r->credentials || !r->items || !r->dropped)
                return -ENOMEM;
        error = add_timer(r, on_publish, &r->publisher);
        if (error >= 0)
                error = add_timer(r, on_publish, &r->expiry);
        for (size_t i = 0; i < configs->n && error >= 0; i++)
                error = add_registry(r, &configs->items[i], interval, past);
        if (error >= 0)
                error = make_auths(r, &r->auths); /* of what was before */
        if (error < 0)
                return error;
        watch_expiry(r);
        *ret = TAKE_PTR(r);
        return 0;
}

Registries *registries_free(Registries *r)
{
        if (!r)
                return NULL;
        for (size_t i = 0; i < r->n; i++)
                (void) registry_free(r->items[i]);
        for (size_t i = 0; i < r->n_credentials; i++)
                (void) credentials_free(r->credentials[i]);
        auths_unref(r->auths);
        (void) sd_event_source_disable_unref(r->publisher);
        (void) sd_event_source_disable_unref(r->expiry);
        free(r->credentials);
        free(r->items);
        free(r->dropped);
        (void) sd_event_unref(r->event);
        free(r);
        return NULL;
}
