/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "cluster.h"
#include "judge.h"
#include "kube-watch.h"
#include "log.h"
#include "message.h"

#include <errno.h>
#include <stdio.h>

/* One watched collection. */
typedef struct Collection {
        Cluster *cluster;
        const char *what; /* for messages */
        KubeWatch *watch;
        bool listing;
        unsigned list;   /* number of the last list that was begun */
        char error[384]; /* "" while all is well */
        unsigned failures;
} Collection;

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
        Collection namespaces, secrets;
        uint64_t watch_restarts, relists; /* those of the clusters before this one */
        char *secret_query;
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
        Collection *k = userdata;
        Cluster *c = k->cluster;
        const cJSON *metadata = json_get(object, "metadata");
        const char *name = json_string(metadata, "name");
        bool meant = name && (!c->config.only || match_any(c->config.only, name));
        Node *n = meant ? find_or_add(c, name) : NULL;

        if (!n)
                return;
        n->seen_namespace = k->list;
        mark_if(c, n, judge_seen(c->config.namespaces, n, metadata, !k->listing));
}

static void on_namespace_gone(const cJSON *object, void *userdata)
{
        Collection *k = userdata;
        const char *name = json_string(json_get(object, "metadata"), "name");
        Node *n = name ? targets_find(k->cluster->targets, name) : NULL;

        if (n)
                namespace_gone(k->cluster, n);
}

static void drop_unlisted_namespaces(Collection *k)
{
        TARGETS_FOREACH (n, next, k->cluster->targets)
                if (n->exists && n->seen_namespace != k->list)
                        namespace_gone(k->cluster, n);
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
        Collection *k = userdata;
        Node *n = find_or_add(k->cluster, secret_namespace(k->cluster, object));
        KubeSecret secret;

        if (!n)
                return;
        n->seen_secret = k->list;
        kube_secret_read(object, &secret);
        if (k->listing && !n->answered) /* it stands for itself: after a restore of etcd versions go back */
                n->target.secret.resource_version = 0;
        plan_observe(&n->target, &secret, 0);
        if (n->exists)
                writer_mark_dirty(k->cluster->writer, n);
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
        Collection *k = userdata;
        const char *name = secret_namespace(k->cluster, object);
        Node *n = name ? targets_find(k->cluster->targets, name) : NULL;
        KubeSecret secret;

        if (!n)
                return;
        kube_secret_read(object, &secret);
        secret_gone(k->cluster, n, secret.resource_version);
}

static void drop_unlisted_secrets(Collection *k)
{
        TARGETS_FOREACH (n, next, k->cluster->targets) {
                if (n->seen_secret == k->list || n->answered)
                        continue;
                n->target.secret.resource_version = 0;
                if (n->target.secret.exists)
                        secret_gone(k->cluster, n, 0);
        }
}

/* --- both ------------------------------------------------------------------------------------------ */

static void on_list_begin(void *userdata)
{
        Collection *k = userdata;

        k->listing = true;
        k->list++;
        if (k == &k->cluster->secrets)
                TARGETS_FOREACH (n, next, k->cluster->targets)
                        n->answered = false;
}

static void on_list_end(void *userdata)
{
        Collection *k = userdata;
        Cluster *c = k->cluster;

        k->listing = false;
        if (k == &c->namespaces) {
                c->selector_is_new = false;
                drop_unlisted_namespaces(k);
        } else
                drop_unlisted_secrets(k);
        if (cluster_synced(c))
                writer_start(c->writer);
}

static void on_working(void *userdata)
{
        Collection *k = userdata;
        Cluster *c = k->cluster;

        if (k->failures == 0)
                return;
        log_info("Reading %s works again", k->what);
        k->failures = 0;
        k->error[0] = '\0';
        /* Where one gets through the others will, however long they meant to wait. */
        kube_watch_hurry(k == &c->namespaces ? c->secrets.watch : c->namespaces.watch);
        accounts_hurry(c->accounts);
        lanes_hurry(&c->lanes);
        c->changed(c->userdata);
}

static void on_failed(HttpOutcome outcome, const KubeStatus *status, usec_t retry, void *userdata)
{
        Collection *k = userdata;
        Cluster *c = k->cluster;
        char text[CLOCK_DURATION_MAX];

        k->listing = false;
        k->failures++;
        if (!streq(k->error, status->message))
                log_event(LOG_WARNING, MESSAGE_READING_FAILED,
                          "Cannot read %s from %s: %s; trying again in %s%s", k->what,
                          kube_auth_config(c->config.auth)->server, status->message,
                          clock_format_duration(text, retry),
                          status->code == 406 ? " (Kubernetes 1.16 or newer is needed)" : "");
        (void) snprintf(k->error, sizeof(k->error), "%s", status->message);
        c->changed(c->userdata);
}

static const KubeWatchHandler namespace_handler = {
        .list_begin = on_list_begin,
        .seen = on_namespace_seen,
        .gone = on_namespace_gone,
        .list_end = on_list_end,
        .working = on_working,
        .failed = on_failed,
};

static const KubeWatchHandler secret_handler = {
        .list_begin = on_list_begin,
        .seen = on_secret_seen,
        .gone = on_secret_gone,
        .list_end = on_list_end,
        .working = on_working,
        .failed = on_failed,
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

static void on_writer_changed(void *userdata)
{
        Cluster *c = userdata;

        c->changed(c->userdata);
}

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

        return writer_new(c->event, &c->config.writer, &parts, on_writer_changed, c, &c->writer);
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

        return accounts_new(c->event, &config, &parts, on_writer_changed, c, &c->accounts);
}

static int add_watches(Cluster *c)
{
        const KubeWatchSpec namespaces = { .collection = "/api/v1/namespaces" };
        KubeWatchSpec secrets = { .collection = "/api/v1/secrets" };
        int r;

        c->secret_query = str_printf("fieldSelector=metadata.name%%3D%s&", c->config.writer.secret_name);
        if (!c->secret_query)
                return -ENOMEM;
        secrets.query = c->secret_query;
        c->namespaces = (Collection){ .cluster = c, .what = "namespaces" };
        c->secrets = (Collection){ .cluster = c, .what = "Secrets" };
        r = kube_watch_new(c->event, c->config.auth, c->kube_stats, &namespaces, &namespace_handler,
                           &c->namespaces, &c->namespaces.watch);
        if (r < 0)
                return r;
        return kube_watch_new(c->event, c->config.auth, c->kube_stats, &secrets, &secret_handler,
                              &c->secrets, &c->secrets.watch);
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
        r = add_watches(c);
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
                kube_watch_relist(c->namespaces.watch);
        accounts_reload(c->accounts, &accounts);
        TARGETS_FOREACH (n, next, c->targets)
                if (n->exists)
                        accounts_namespace(c->accounts, n->name, n->target.verdict, false);
        arm_resync(c);
}

const char *cluster_explain(const Cluster *c, const char *name, char text[static MATCH_EXPLANATION_MAX])
{
        const Node *n = targets_find(c->targets, name);

        return n && n->exists ? judge_explain(c->config.namespaces, n, text) : NULL;
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

static void summarize_wanted(const Cluster *c, const Node *n, ClusterSummary *s)
{
        switch (n->plan.reason) {
        case PLAN_FRESH:
                s->fresh++;
                break;
        case PLAN_FOREIGN:
        case PLAN_REFUSED:
                s->conflict++;
                break;
        default:
                if (n->target.failures > 0) {
                        s->failing++;
                        if (!s->failing_why) {
                                s->failing_name = n->name;
                                s->failing_why = n->problem;
                        }
                } else if (writer_is_good(c->writer, n))
                        s->due++;
                else
                        s->pending++;
        }
}

void cluster_summary(const Cluster *c, ClusterSummary *ret)
{
        *ret = (ClusterSummary){ 0 };
        TARGETS_FOREACH (n, next, c->targets) {
                if (!n->exists)
                        continue;
                ret->total++;
                ret->by_verdict[n->target.verdict]++;
                if (n->target.verdict == MATCH_WANTED)
                        summarize_wanted(c, n, ret);
                else
                        ret->excluded++;
        }
}

const Targets *cluster_targets(const Cluster *c)
{
        return c->targets;
}

static bool node_settled(const Node *n, unsigned tries)
{
        switch (n->plan.reason) {
        case PLAN_UNWANTED:
        case PLAN_KEPT:
        case PLAN_SHARED:
        case PLAN_FRESH:
        case PLAN_FOREIGN:
        case PLAN_REFUSED:
        case PLAN_GOING:
        case PLAN_FIGHTING:
                return n->place == NODE_IDLE;
        default:
                return n->pretended || n->target.failures >= tries;
        }
}

bool cluster_settled(const Cluster *c, unsigned tries)
{
        if (!cluster_synced(c))
                return false;
        TARGETS_FOREACH (n, next, c->targets)
                if (n->exists && !node_settled(n, tries))
                        return false;
        return accounts_settled(c->accounts, tries);
}

bool cluster_synced(const Cluster *c)
{
        return kube_watch_synced(c->namespaces.watch) && kube_watch_synced(c->secrets.watch);
}

const char *cluster_error(const Cluster *c)
{
        if (*c->namespaces.error)
                return c->namespaces.error;
        return *c->secrets.error ? c->secrets.error : c->lanes.error;
}

unsigned cluster_failures(const Cluster *c)
{
        return MAX(MAX(c->namespaces.failures, c->secrets.failures), c->lanes.failures);
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
        return c->watch_restarts + kube_watch_restarts(c->namespaces.watch) +
               kube_watch_restarts(c->secrets.watch) + accounts_watch_restarts(c->accounts);
}

uint64_t cluster_relists(const Cluster *c)
{
        return c->relists + kube_watch_relists(c->namespaces.watch) + kube_watch_relists(c->secrets.watch) +
               accounts_relists(c->accounts);
}

bool cluster_stalled(const Cluster *c, usec_t now)
{
        return kube_watch_stalled(c->namespaces.watch, now) || kube_watch_stalled(c->secrets.watch, now) ||
               writer_stalled(c->writer, now) || accounts_stalled(c->accounts, now);
}

Cluster *cluster_free(Cluster *c)
{
        if (!c)
                return NULL;
        (void) kube_watch_free(c->namespaces.watch);
        (void) kube_watch_free(c->secrets.watch);
        (void) accounts_free(c->accounts);
        (void) targets_free(c->targets);
        (void) writer_free(c->writer);
        (void) events_free(c->events);
        (void) kube_client_free(c->client);
        (void) sd_event_source_disable_unref(c->resync);
        (void) sd_event_unref(c->event);
        free(c->secret_query);
        free(c);
        return NULL;
}
