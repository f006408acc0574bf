/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "cluster.h"
#include "collection.h"
#include "judge.h"

#include <errno.h>

struct Cluster {
        sd_event *event;
        ClusterConfig config;
        cluster_changed_t changed;
        void *userdata;

        Targets *targets;
        KubeClient *client; /* for writes; watches have their own */
        Lanes lanes;
        Events *events;
        Writer *writer;
        KubeStats *kube_stats;
        Accounts *accounts;
        Collection *namespaces, *secrets;
        uint64_t watch_restarts, relists; /* those of the clusters before this one */
        sd_event_source *resync;
        bool selector_is_new; /* and has not been asked of all namespaces yet */
};

/* --- namespaces ------------------------------------------------------------------------------------ */

static Node *find_or_add(Cluster *c, const char *name)
{
        Node *n;

        if (str_empty(name))
                return NULL;
        n = targets_find(c->targets, name);
        return n ? n : targets_add(c->targets, name);
}

static void mark_if(Cluster *c, Node *n, bool changed)
{
        if (!changed)
                return;
        writer_mark_dirty(c->writer, n);
        accounts_namespace(c->accounts, n->name, n->target.verdict, n->appeared > 0);
}

static void namespace_gone(Cluster *c, Node *n)
{
        accounts_namespace_gone(c->accounts, n->name);
        writer_drop(c->writer, n);
}

static void on_namespace_seen(const cJSON *object, void *userdata)
{
        Cluster *c = userdata;
        const cJSON *metadata = json_get(object, "metadata");
        const char *name = json_string(metadata, "name");
        bool meant = name && (!c->config.only || match_any(c->config.only, name));
        Node *n = meant ? find_or_add(c, name) : NULL;

        if (!n)
                return;
        n->namespace_seen = true;
        mark_if(c, n, judge_seen(c->config.namespaces, n, metadata, !collection_is_listing(c->namespaces)));
}

static void on_namespace_gone(const cJSON *object, void *userdata)
{
        Cluster *c = userdata;
        const char *name = json_string(json_get(object, "metadata"), "name");
        Node *n = name ? targets_find(c->targets, name) : NULL;

        if (n)
                namespace_gone(c, n);
}

static void on_namespaces_begin(void *userdata)
{
        Cluster *c = userdata;

        TARGETS_FOREACH (n, next, c->targets)
                n->namespace_seen = false;
}

static void start_if_synced(Cluster *c)
{
        if (cluster_synced(c))
                writer_start(c->writer);
}

/* Those that were not listed are gone. */
static void on_namespaces_end(void *userdata)
{
        Cluster *c = userdata;

        c->selector_is_new = false;
        TARGETS_FOREACH (n, next, c->targets)
                if (n->exists && !n->namespace_seen)
                        namespace_gone(c, n);
        start_if_synced(c);
}

/* --- Secrets --------------------------------------------------------------------------------------- */

/* The namespace of an object if it is a Secret of eatr's name, which a proxy may not have looked at; else
 * NULL.
 */
static const char *secret_namespace(const Cluster *c, const cJSON *object)
{
        const cJSON *metadata = json_get(object, "metadata");
        const char *name = json_string(metadata, "name");

        return name && streq(name, c->config.writer.secret_name) ? json_string(metadata, "namespace") : NULL;
}

static void on_secret_seen(const cJSON *object, void *userdata)
{
        Cluster *c = userdata;
        Node *n = find_or_add(c, secret_namespace(c, object));
        KubeSecret secret;

        if (!n)
                return;
        n->secret_seen = true;
        kube_secret_read(object, &secret);
        if (collection_is_listing(c->secrets) && !n->answered)
                n->target.secret.resource_version = 0; /* it stands for itself: after a restore of etcd
                                                          versions go back */
        plan_observe(&n->target, &secret, 0);
        if (n->exists)
                writer_mark_dirty(c->writer, n);
}

static void secret_gone(Cluster *c, Node *n, uint64_t version)
{
        plan_observe(&n->target, NULL, version);
        if (n->exists)
                writer_mark_dirty(c->writer, n);
        else
                writer_drop(c->writer, n);
}

static void on_secret_gone(const cJSON *object, void *userdata)
{
        Cluster *c = userdata;
        const char *name = secret_namespace(c, object);
        Node *n = name ? targets_find(c->targets, name) : NULL;
        KubeSecret secret;

        if (!n)
                return;
        kube_secret_read(object, &secret);
        secret_gone(c, n, secret.resource_version);
}

static void on_secrets_begin(void *userdata)
{
        Cluster *c = userdata;

        TARGETS_FOREACH (n, next, c->targets)
                n->secret_seen = n->answered = false;
}

static void on_secrets_end(void *userdata)
{
        Cluster *c = userdata;

        TARGETS_FOREACH (n, next, c->targets) {
                if (n->secret_seen || n->answered)
                        continue;
                n->target.secret.resource_version = 0;
                if (n->target.secret.exists)
                        secret_gone(c, n, 0);
        }
        start_if_synced(c);
}

/* --- both ------------------------------------------------------------------------------------------ */

static void on_changed(void *userdata)
{
        Cluster *c = userdata;

        c->changed(c->userdata);
}

/* Where one gets through the others will, however long they meant to wait. */
static void on_works_again(void *userdata)
{
        Cluster *c = userdata;

        kube_watch_hurry(collection_watch(c->namespaces));
        kube_watch_hurry(collection_watch(c->secrets));
        accounts_hurry(c->accounts);
        lanes_hurry(&c->lanes);
        on_changed(c);
}

static const CollectionHandler namespace_handler = {
        .list_begin = on_namespaces_begin,
        .seen = on_namespace_seen,
        .gone = on_namespace_gone,
        .list_end = on_namespaces_end,
        .works_again = on_works_again,
        .failed = on_changed,
};

static const CollectionHandler secret_handler = {
        .list_begin = on_secrets_begin,
        .seen = on_secret_seen,
        .gone = on_secret_gone,
        .list_end = on_secrets_end,
        .works_again = on_works_again,
        .failed = on_changed,
};

/* --- timers ---------------------------------------------------------------------------------------- */

static void arm_resync(Cluster *c)
{
        (void) sd_event_source_set_time_relative(c->resync,
                                                 c->config.writer.renewal->informers_resync_interval);
        (void) sd_event_source_set_enabled(c->resync, SD_EVENT_ONESHOT);
}

static int on_resync(sd_event_source *s, uint64_t usec, void *userdata)
{
        Cluster *c = userdata;

        writer_mark_all_dirty(c->writer);
        arm_resync(c);
        return 0;
}

/* --- the whole ------------------------------------------------------------------------------------- */

/* Of a purge nobody is told who did not ask for it. */
static EventsConfig events_config(const ClusterConfig *config)
{
        return (EventsConfig){
                .secret_name = config->writer.secret_name,
                .off = config->writer.dry_run || config->only,
        };
}

static int add_events(Cluster *c)
{
        const EventsConfig config = events_config(&c->config);

        return events_new(c->event, &config, c->client, &c->lanes, &c->events);
}

static int add_writer(Cluster *c)
{
        const WriterParts parts = {
                .targets = c->targets, .client = c->client, .lanes = &c->lanes, .events = c->events
        };

        return writer_new(c->event, &c->config.writer, &parts, on_changed, c, &c->writer);
}

static AccountsConfig accounts_config(const ClusterConfig *config)
{
        return (AccountsConfig){
                .auth = config->auth,
                .writer = {
                        .secret_name = config->writer.secret_name,
                        .rules = {
                                .accounts = config->service_accounts,
                                .on_exclude = config->namespaces->on_exclude,
                                .purge = config->only,
                        },
                        .dry_run = config->writer.dry_run,
                },
        };
}

static int add_accounts(Cluster *c)
{
        const AccountsConfig config = accounts_config(&c->config);
        const AccountsParts parts = { .client = c->client, .lanes = &c->lanes, .stats = c->kube_stats };

        return accounts_new(c->event, &config, &parts, on_changed, c, &c->accounts);
}

static int add_collections(Cluster *c)
{
        const CollectionSpec namespaces = { .what = "namespaces", .path = "/api/v1/namespaces" };
        const CollectionSpec secrets = { .what = "Secrets",
                                         .path = "/api/v1/secrets",
                                         .name = c->config.writer.secret_name };
        int r;

        r = collection_new(c->event, c->config.auth, c->kube_stats, &namespaces, &namespace_handler, c,
                           &c->namespaces);
        if (r < 0)
                return r;
        return collection_new(c->event, c->config.auth, c->kube_stats, &secrets, &secret_handler, c,
                              &c->secrets);
}

int cluster_new(sd_event *event, const ClusterConfig *config, KubeStats *stats, cluster_changed_t changed,
                void *userdata, Cluster **ret)
{
        _cleanup_(cluster_freep) Cluster *c = NULL;
        int r;

        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        c->event = sd_event_ref(event);
        c->config = *config;
        c->kube_stats = stats;
        c->changed = changed;
        c->userdata = userdata;
        r = targets_new(&c->targets);
        if (r < 0)
                return r;
        lanes_configure(&c->lanes, config->writer.renewal);
        r = kube_client_new(event, config->auth, c->kube_stats, &c->client);
        if (r < 0)
                return r;
        r = add_events(c);
        if (r < 0)
                return r;
        r = add_writer(c);
        if (r < 0)
                return r;
        r = add_accounts(c);
        if (r < 0)
                return r;
        r = add_collections(c);
        if (r < 0)
                return r;
        r = sd_event_add_time_relative(event, &c->resync, CLOCK_BOOTTIME,
                                       config->writer.renewal->informers_resync_interval, 0, on_resync, c);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

void cluster_reload(Cluster *c, const ClusterConfig *config)
{
        const EventsConfig events = events_config(config);
        const AccountsConfig accounts = accounts_config(config);

        c->selector_is_new =
                judge_needs_labels(config->namespaces, c->config.namespaces, c->selector_is_new);
        c->config = *config;
        lanes_configure(&c->lanes, config->writer.renewal);
        events_reload(c->events, &events);
        writer_reload(c->writer, &config->writer);
        TARGETS_FOREACH (n, next, c->targets)
                if (n->exists)
                        mark_if(c, n, judge_again(config->namespaces, n, !c->selector_is_new));
        if (c->selector_is_new)
                kube_watch_relist(collection_watch(c->namespaces));
        accounts_reload(c->accounts, &accounts);
        TARGETS_FOREACH (n, next, c->targets)
                if (n->exists)
                        accounts_namespace(c->accounts, n->name, n->target.verdict, false);
        arm_resync(c);
}

void cluster_take_over(Cluster *c, const Cluster *old)
{
        c->watch_restarts = cluster_watch_restarts(old) - accounts_watch_restarts(old->accounts);
        c->relists = cluster_relists(old) - accounts_relists(old->accounts);
        events_take_over(c->events, old->events);
        writer_take_over(c->writer, old->writer);
        accounts_take_over(c->accounts, old->accounts);
}

void cluster_stop(Cluster *c)
{
        writer_stop(c->writer);
        accounts_stop(c->accounts);
}

unsigned cluster_in_flight(const Cluster *c)
{
        return pace_in_flight(&c->lanes.pace);
}

int cluster_set_auths(Cluster *c, Auths *auths)
{
        return writer_set_auths(c->writer, auths);
}

void cluster_summary(const Cluster *c, ClusterSummary *ret)
{
        cluster_summary_make(c->targets, writer_auths(c->writer), clock_boottime(), ret);
}

const Targets *cluster_targets(const Cluster *c)
{
        return c->targets;
}

bool cluster_settled(const Cluster *c, unsigned tries)
{
        return cluster_synced(c) && cluster_summary_settled(c->targets, tries) &&
               accounts_settled(c->accounts, tries);
}

bool cluster_synced(const Cluster *c)
{
        return kube_watch_synced(collection_watch(c->namespaces)) &&
               kube_watch_synced(collection_watch(c->secrets));
}

const char *cluster_error(const Cluster *c)
{
        const char *namespaces = collection_error(c->namespaces), *secrets = collection_error(c->secrets);

        if (*namespaces)
                return namespaces;
        return *secrets ? secrets : c->lanes.error;
}

unsigned cluster_failures(const Cluster *c)
{
        return MAX(MAX(collection_failures(c->namespaces), collection_failures(c->secrets)),
                   c->lanes.failures);
}

const WriterStats *cluster_stats(const Cluster *c)
{
        return writer_stats(c->writer);
}

const EventsStats *cluster_events_stats(const Cluster *c)
{
        return events_stats(c->events);
}

const KubeStats *cluster_kube_stats(const Cluster *c)
{
        return c->kube_stats;
}

const Accounts *cluster_accounts(const Cluster *c)
{
        return c->accounts;
}

uint64_t cluster_watch_restarts(const Cluster *c)
{
        return c->watch_restarts + kube_watch_restarts(collection_watch(c->namespaces)) +
               kube_watch_restarts(collection_watch(c->secrets)) + accounts_watch_restarts(c->accounts);
}

uint64_t cluster_relists(const Cluster *c)
{
        return c->relists + kube_watch_relists(collection_watch(c->namespaces)) +
               kube_watch_relists(collection_watch(c->secrets)) + accounts_relists(c->accounts);
}

bool cluster_stalled(const Cluster *c, usec_t now)
{
        return kube_watch_stalled(collection_watch(c->namespaces), now) ||
               kube_watch_stalled(collection_watch(c->secrets), now) || writer_stalled(c->writer, now) ||
               accounts_stalled(c->accounts, now);
}

Cluster *cluster_free(Cluster *c)
{
        if (!c)
                return NULL;
        (void) collection_free(c->namespaces);
        (void) collection_free(c->secrets);
        (void) accounts_free(c->accounts);
        (void) targets_free(c->targets);
        (void) writer_free(c->writer);
        (void) events_free(c->events);
        (void) kube_client_free(c->client);
        (void) sd_event_source_disable_unref(c->resync);
        (void) sd_event_unref(c->event);
        free(c);
        return NULL;
}
