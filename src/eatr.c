/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "eatr.h"
#include "kube-expiry.h"
#include "kube-login.h"
#include "log.h"
#include "message.h"
#include "pass.h"
#include "progress.h"
#include "supervisor.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

/* Changes come by the thousand; what is told of them is worked out this often, and while somebody waits for
 * the first pass more often than later. */
#define REVIEW_INTERVAL_FIRST (50 * USEC_PER_MSEC)
#define REVIEW_INTERVAL USEC_PER_SEC

/* Writes that are under way when it is told to stop have this long; systemd waits longer. */
#define STOP_MAX (4 * USEC_PER_SEC)

struct Eatr {
        sd_event *event;
        EatrConfig config;
        AwsState aws;
        Registries *registries;
        Keyring *keyring;
        KubeAuth *auth;
        KubeExpiry *expiry;
        KubeStats kube_stats;
        Cluster *cluster;
        Supervisor *supervisor;
        sd_event_source *sigterm, *sigint, *review_timer, *stop_timer;
        usec_t started; /* CLOCK_REALTIME */
        bool review_pending, stopping;
        char reload_problem[STATUS_REASON_MAX + 1];
        Pass pass; /* since a token came */
};

/* --- reviewing what changed ------------------------------------------------------------------------ */

static void review_once(Eatr *e)
{
        int code = progress_of_one_pass(e->registries, e->cluster, e->config.dry_run);

        if (code >= 0)
                (void) sd_event_exit(e->event, code);
}

static void review_pass(Eatr *e)
{
        ClusterSummary summary;

        if (!pass_is_under_way(&e->pass) || !cluster_settled(e->cluster, 1))
                return;
        cluster_summary(e->cluster, &summary);
        pass_end(&e->pass, cluster_stats(e->cluster), &summary, clock_boottime());
}

static int on_review(sd_event_source *s, uint64_t usec, void *userdata)
{
        Eatr *e = userdata;

        e->review_pending = false;
        if (e->stopping)
                return 0;
        review_pass(e);
        supervisor_tell_status(e->supervisor);
        if (!supervisor_is_ready(e->supervisor) && progress_is_first_pass_tried(e->registries, e->cluster))
                supervisor_ready(e->supervisor);
        if (e->config.mode == EATR_ONCE)
                review_once(e);
        return 0;
}

static void review_soon(Eatr *e)
{
        if (e->review_pending)
                return;
        e->review_pending = true;
        (void) sd_event_source_set_time_relative(e->review_timer, supervisor_is_ready(e->supervisor)
                                                                          ? REVIEW_INTERVAL
                                                                          : REVIEW_INTERVAL_FIRST);
        (void) sd_event_source_set_enabled(e->review_timer, SD_EVENT_ONESHOT);
}

static void on_cluster_changed(void *userdata)
{
        Eatr *e = userdata;

        if (e->stopping && cluster_in_flight(e->cluster) == 0)
                (void) sd_event_exit(e->event, 0);
        else
                review_soon(e);
}

static void begin_pass(Eatr *e)
{
        pass_begin(&e->pass, cluster_stats(e->cluster), clock_boottime());
}

/* If there is anything to write. */
static int use_auths(Eatr *e)
{
        Auths *auths = registries_auths(e->registries);
        int r;

        if (!auths)
                return 0;
        r = cluster_set_auths(e->cluster, auths);
        if (r >= 0)
                begin_pass(e);
        return r;
}

static void store_tokens(const Eatr *e)
{
        int r;

        if (!e->config.store)
                return;
        r = registries_store(e->registries, e->config.store);
        if (r < 0)
                log_warning_errno(r, "systemd cannot keep the token, a restart will need AWS: %m");
}

static void on_auths(void *userdata)
{
        Eatr *e = userdata;
        int r;

        store_tokens(e);
        r = use_auths(e);
        if (r < 0)
                log_error_errno(r, "Cannot use the new token, keeping the old one until the next: %m");
        review_soon(e);
}

static void on_changed(void *userdata)
{
        review_soon(userdata);
}

static const RegistriesEvents registries_events = { .auths = on_auths, .changed = on_changed };

/* --- signals, timers ------------------------------------------------------------------------------- */

static int on_stop_timeout(sd_event_source *s, uint64_t usec, void *userdata)
{
        Eatr *e = userdata;

        log_warning("Giving up on %u writes that the API server has not answered; the next start will see "
                    "what came of them",
                    cluster_in_flight(e->cluster));
        return sd_event_exit(e->event, 0);
}

/* Writes that are under way may end; a second signal does not wait for them. */
static int on_signal(sd_event_source *s, const struct signalfd_siginfo *info, void *userdata)
{
        Eatr *e = userdata;
        int r;

        if (e->stopping)
                return sd_event_exit(e->event, 0);
        supervisor_stopping();
        log_event(LOG_INFO, MESSAGE_STOPPING, "Stopping on signal %u; Secrets stay as they are",
                  info->ssi_signo);
        if (e->config.mode == EATR_ONCE)
                return sd_event_exit(e->event, 1);
        e->stopping = true;
        cluster_stop(e->cluster);
        if (cluster_in_flight(e->cluster) == 0)
                return sd_event_exit(e->event, 0);
        r = sd_event_add_time_relative(e->event, &e->stop_timer, CLOCK_BOOTTIME, STOP_MAX, 0,
                                       on_stop_timeout, e);
        return r < 0 ? sd_event_exit(e->event, 0) : 0;
}

static int add_sources(Eatr *e)
{
        int r;

        r = sd_event_add_signal(e->event, &e->sigterm, SIGTERM, on_signal, e);
        if (r < 0)
                return r;
        r = sd_event_add_signal(e->event, &e->sigint, SIGINT, on_signal, e);
        if (r < 0)
                return r;
        return sd_event_add_time_relative(e->event, &e->review_timer, CLOCK_BOOTTIME, 0, 10 * USEC_PER_MSEC,
                                          on_review, e);
}

/* --- what the supervisor asks for ------------------------------------------------------------------ */

static void on_status(char ret[static STATUS_MAX], void *userdata)
{
        const Eatr *e = userdata;

        status_format(e->registries, e->auth, e->cluster, e->reload_problem, ret);
}

static bool on_health(char reason[static HEALTH_REASON_MAX], void *userdata)
{
        return eatr_is_healthy(userdata, reason);
}

static const SupervisorSources supervisor_sources = { .status = on_status, .health = on_health };

/* --- the whole ------------------------------------------------------------------------------------- */

static ClusterConfig cluster_config(const EatrConfig *config, KubeAuth *auth)
{
        return (ClusterConfig){
                .auth = auth,
                .namespaces = &config->conf->namespaces,
                .service_accounts = config->conf->secret.service_accounts,
                .writer = {
                        .secret_name = config->conf->secret.name,
                        .extras = { config->conf->secret.labels, config->conf->secret.annotations },
                        .renewal = &config->conf->renewal,
                        .on_conflict = config->conf->secret.on_conflict,
                        .on_exclude = config->conf->namespaces.on_exclude,
                        .dry_run = config->dry_run,
                },
        };
}

static int log_in(Eatr *e, const EatrConfig *config, KubeAuth **auth, KubeExpiry **expiry)
{
        int r = kube_login_new(e->event, config->kube, config->eks, &e->aws, auth);

        if (r < 0)
                return r;
        kube_auth_set_changed(*auth, on_changed, e);
        return kube_expiry_new(e->event, config->kube, expiry);
}

static int make_cluster(Eatr *e, const EatrConfig *config, KubeAuth *auth, Cluster **ret)
{
        const ClusterConfig cluster = cluster_config(config, auth);

        return cluster_new(e->event, &cluster, &e->kube_stats, on_cluster_changed, e, ret);
}

static int make_registries(Eatr *e, const EatrConfig *config, const RegistriesPast *past, Registries **ret)
{
        return registries_new(e->event, &e->aws, config->registries,
                              config->conf->renewal.auth_token_renewal_interval, past, &registries_events, e,
                              ret);
}

/* past: NULL, or the one that goes on reading with the same auth. */
static int make_keyring(Eatr *e, const EatrConfig *config, KubeAuth *auth, Registries *registries,
                        const Keyring *past, Keyring **ret)
{
        return keyring_new(e->event, auth, &e->kube_stats, config->registries, registries, past, ret);
}

/* With what an earlier run has left. */
static int make_first_registries(Eatr *e)
{
        _cleanup_(registries_past_done) RegistriesPast past = { 0 };
        int r;

        if (e->config.store) {
                r = registries_past_load(e->config.store, &past);
                if (r < 0)
                        return r;
        }
        return make_registries(e, &e->config, &past, &e->registries);
}

int eatr_new(sd_event *event, const EatrConfig *config, Eatr **ret)
{
        _cleanup_(eatr_freep) Eatr *e = NULL;
        int r;

        e = calloc(1, sizeof(*e));
        if (!e)
                return -ENOMEM;
        e->event = sd_event_ref(event);
        e->config = *config;
        e->started = clock_now();
        r = add_sources(e);
        if (r < 0)
                return r;
        r = supervisor_new(event, &supervisor_sources, e, &e->supervisor);
        if (r < 0)
                return r;
        r = log_in(e, config, &e->auth, &e->expiry);
        if (r < 0)
                return r;
        r = make_cluster(e, config, e->auth, &e->cluster);
        if (r < 0)
                return r;
        r = make_first_registries(e);
        if (r < 0)
                return r;
        r = make_keyring(e, config, e->auth, e->registries, NULL, &e->keyring);
        if (r < 0)
                return r;
        r = use_auths(e);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(e);
        return 0;
}

static bool same_cluster(const EatrConfig *a, const EatrConfig *b)
{
        return a->kube == b->kube && streq(a->conf->secret.name, b->conf->secret.name);
}

/* Entries of a registry that is no longer there, or no longer the same, go at once. */
static void replace_registries(Eatr *e, Registries *registries, Keyring *keyring, bool tell)
{
        const Auths *old = registries_auths(e->registries), *new = registries_auths(registries);
        bool changed = new && !auths_equal(old, new);

        keyring_take_over(keyring, e->keyring);
        (void) keyring_free(e->keyring);
        (void) registries_free(e->registries);
        e->registries = registries;
        e->keyring = keyring;
        if (tell && changed)
                on_auths(e);
}

static void replace_cluster(Eatr *e, Cluster *cluster)
{
        cluster_take_over(cluster, e->cluster);
        (void) cluster_free(e->cluster);
        e->cluster = cluster;
        begin_pass(e);
}

/* Nobody uses the old one any more. */
static void replace_login(Eatr *e, KubeAuth *auth, KubeExpiry *expiry)
{
        kube_expiry_take_over(expiry, e->expiry);
        kube_auth_count_on(auth, e->auth);
        (void) kube_expiry_free(e->expiry);
        (void) kube_auth_free(e->auth);
        e->auth = auth;
        e->expiry = expiry;
}

/* With the tokens that there are; the old ones, until there are others: they may be all that can be had now.
 */
static int make_next_cluster(Eatr *e, const EatrConfig *config, KubeAuth *auth, const Registries *registries,
                             Cluster **ret)
{
        Auths *auths = registries_auths(registries);
        int r;

        if (!auths)
                auths = registries_auths(e->registries);
        r = make_cluster(e, config, auth, ret);
        return r >= 0 && auths ? cluster_set_auths(*ret, auths) : r;
}

/* Another one for another kubeconfig; with the same, other tokens of EKS are another provider's. */
static int make_next_auth(Eatr *e, const EatrConfig *config, KubeLogin *login, KubeAuth **auth,
                          KubeExpiry **expiry)
{
        if (e->config.kube != config->kube)
                return log_in(e, config, auth, expiry);
        return e->config.eks == config->eks
                       ? 0
                       : kube_login_make(e->event, config->kube, config->eks, &e->aws, login);
}

int eatr_reload(Eatr *e, const EatrConfig *config)
{
        _cleanup_(registries_past_done) RegistriesPast past = { 0 };
        _cleanup_(registries_freep) Registries *registries = NULL;
        _cleanup_(kube_expiry_freep) KubeExpiry *expiry = NULL;
        _cleanup_(kube_login_done) KubeLogin login = { NULL };
        _cleanup_(kube_auth_freep) KubeAuth *auth = NULL;
        _cleanup_(keyring_freep) Keyring *keyring = NULL;
        _cleanup_(cluster_freep) Cluster *cluster = NULL;
        ClusterConfig changed;
        int r;

        if (e->stopping)
                return -ECANCELED;
        r = registries_past(e->registries, &past);
        if (r < 0)
                return r;
        r = make_registries(e, config, &past, &registries);
        if (r < 0)
                return r;
        r = make_next_auth(e, config, &login, &auth, &expiry);
        if (r < 0)
                return r;
        r = make_keyring(e, config, auth ? auth : e->auth, registries, auth ? NULL : e->keyring, &keyring);
        if (r < 0)
                return r;
        r = same_cluster(&e->config, config)
                    ? 0
                    : make_next_cluster(e, config, auth ? auth : e->auth, registries, &cluster);
        if (r < 0)
                return r;

        /* From here on nothing fails. */
        kube_login_use(&login, e->auth);
        changed = cluster_config(config, e->auth);
        replace_registries(e, TAKE_PTR(registries), TAKE_PTR(keyring), !cluster);
        if (cluster)
                replace_cluster(e, TAKE_PTR(cluster));
        else
                cluster_reload(e->cluster, &changed);
        if (auth)
                replace_login(e, TAKE_PTR(auth), TAKE_PTR(expiry));
        e->config = *config;
        review_soon(e);
        return 0;
}

void eatr_begin_reload(const Eatr *e)
{
        supervisor_begin_reload(e->supervisor);
}

void eatr_end_reload(Eatr *e, const char *problem)
{
        (void) snprintf(e->reload_problem, sizeof(e->reload_problem), "%s", problem ? problem : "");
        supervisor_end_reload(e->supervisor);
}

const char *eatr_reload_problem(const Eatr *e)
{
        return e->reload_problem;
}

const Registries *eatr_registries(const Eatr *e)
{
        return e->registries;
}

const Cluster *eatr_cluster(const Eatr *e)
{
        return e->cluster;
}

const KubeAuth *eatr_auth(const Eatr *e)
{
        return e->auth;
}

usec_t eatr_started(const Eatr *e)
{
        return e->started;
}

bool eatr_is_healthy(const Eatr *e, char reason[static HEALTH_REASON_MAX])
{
        return health_is_alive(e->registries, e->keyring, e->cluster, clock_boottime(), reason);
}

bool eatr_is_ready(const Eatr *e, char reason[static HEALTH_REASON_MAX])
{
        return eatr_is_healthy(e, reason) && health_is_ready(e->registries, e->cluster, reason);
}

Eatr *eatr_free(Eatr *e)
{
        if (!e)
                return NULL;
        (void) keyring_free(e->keyring);
        (void) registries_free(e->registries);
        (void) cluster_free(e->cluster);
        (void) kube_expiry_free(e->expiry);
        (void) kube_auth_free(e->auth);
        (void) supervisor_free(e->supervisor);
        (void) sd_event_source_disable_unref(e->sigterm);
        (void) sd_event_source_disable_unref(e->sigint);
        (void) sd_event_source_disable_unref(e->review_timer);
        (void) sd_event_source_disable_unref(e->stop_timer);
        (void) sd_event_unref(e->event);
        free(e);
        return NULL;
}
