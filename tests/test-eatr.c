/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "eatr.h"
#include "said.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>

/* --- time runs faster, and the log is the test's ----------------------------------------------------- */

#define SPEED 100U

static bool ready_soon; /* a busy machine may need real seconds for what comes before that */

static int test_add_time_relative(sd_event *event, sd_event_source **ret, clockid_t clock, uint64_t delay,
                                  uint64_t accuracy, sd_event_time_handler_t handler, void *userdata)
{
        return sd_event_add_time_relative(event, ret, clock, ready_soon ? delay / SPEED : delay, 1, handler,
                                          userdata);
}

static int test_set_time_relative(sd_event_source *s, uint64_t delay)
{
        return sd_event_source_set_time_relative(s, delay / SPEED);
}

#define sd_event_add_time_relative test_add_time_relative
#define sd_event_source_set_time_relative test_set_time_relative
#define log_full said_log
#include "pass.c"
#include "progress.c"
#include "supervisor.c"

#include "eatr.c"
#undef sd_event_add_time_relative
#undef sd_event_source_set_time_relative
#undef log_full

#include "notified.h"

#define HOST "0.dkr.ecr.eu-west-1.amazonaws.com"

/* --- the two halves are the test's, too -------------------------------------------------------------- */

static struct Cluster {
        cluster_changed_t changed;
        void *userdata;
        ClusterConfig config;
        const KubeStats *kube_stats;
        int new_result, set_auths_result;
        const Auths *auths; /* that it was given last */
        unsigned n_auths;

        unsigned tries, failures;
        ClusterSummary summary;
        AccountSummary accounts;
        const char *error, *accounts_error;
        WriterStats stats;

        bool stopped;
        unsigned in_flight, n_reloads;
        const struct Cluster *took_over;
} cluster, another_cluster; /* the one that replaces it */
static unsigned n_clusters;

static struct Registries {
        const RegistriesEvents *events;
        void *userdata;
        const RegistryConfigs *configs;
        usec_t interval;
        const Token *past; /* of the first that they were given; NULL: none */
        AwsState *state;
        int new_result;

        Token *token; /* the first's */
        Auths *auths;
        size_t failing;
        bool unsettled;
        size_t lacking;
} registries, other_registries; /* those that come after them */
static unsigned n_registries;

static struct Keyring {
        const KubeAuth *auth;
        const KubeStats *stats;
        const RegistryConfigs *configs;
        const Registries *registries;
        int new_result;
        const Keyring *past;
        bool taken_over;
} keyring;

static unsigned n_alive;

int cluster_new(sd_event *event, const ClusterConfig *config, KubeStats *stats, cluster_changed_t changed,
                void *userdata, Cluster **ret)
{
        struct Cluster *c = n_clusters > 0 ? &another_cluster : &cluster;

        if (c->new_result < 0)
                return c->new_result;
        n_alive++;
        n_clusters++;
        c->config = *config;
        c->kube_stats = stats;
        c->changed = changed;
        c->userdata = userdata;
        *ret = c;
        return 0;
}

void cluster_reload(Cluster *c, const ClusterConfig *config)
{
        c->config = *config;
        c->n_reloads++;
}

void cluster_take_over(Cluster *c, const Cluster *old)
{
        c->took_over = old;
}

void cluster_stop(Cluster *c)
{
        c->stopped = true;
}

unsigned cluster_in_flight(const Cluster *c)
{
        return c->in_flight;
}

int cluster_set_auths(Cluster *c, Auths *auths)
{
        c->n_auths++;
        c->auths = auths;
        return c->set_auths_result;
}

void cluster_summary(const Cluster *c, ClusterSummary *ret)
{
        *ret = c->summary;
}

bool cluster_settled(const Cluster *c, unsigned tries)
{
        return c->tries >= tries;
}

/* A getter, and what it returns. */
#define SAYS(type, name, of, what) \
        type name(const of *x)     \
        {                          \
                return what;       \
        }

SAYS(const char *, cluster_error, Cluster, x->error)
SAYS(unsigned, cluster_failures, Cluster, x->failures)
SAYS(const WriterStats *, cluster_stats, Cluster, &x->stats)
SAYS(const Accounts *, cluster_accounts, Cluster, (const Accounts *) x)
SAYS(const char *, accounts_error, Accounts, ((const struct Cluster *) x)->accounts_error)

void accounts_summary(const Accounts *a, AccountSummary *ret)
{
        *ret = ((const struct Cluster *) a)->accounts;
}

Cluster *cluster_free(Cluster *c)
{
        n_alive -= c != NULL;
        return NULL;
}

int registries_new(sd_event *event, AwsState *state, const RegistryConfigs *configs, usec_t interval,
                   const RegistriesPast *past, const RegistriesEvents *events, void *userdata,
                   Registries **ret)
{
        struct Registries *r = n_registries > 0 ? &other_registries : &registries;

        if (r->new_result < 0)
                return r->new_result;
        n_alive++;
        n_registries++;
        r->configs = configs;
        r->interval = interval;
        r->events = events;
        r->userdata = userdata;
        r->past = past && past->n > 0 ? past->items[0].token : NULL;
        r->state = state;
        *ret = r;
        return 0;
}

static int make_past(Token *token, RegistriesPast *ret)
{
        *ret = (RegistriesPast){ .items = calloc(1, sizeof(*ret->items)), .n = 1 };
        assert_non_null(ret->items);
        ret->items[0].token = token_ref(token);
        return 0;
}

int registries_past(const Registries *r, RegistriesPast *ret)
{
        return make_past(r->token, ret);
}

void registries_past_done(RegistriesPast *p)
{
        for (size_t i = 0; i < p->n; i++)
                token_unref(p->items[i].token);
        free(p->items);
        *p = (RegistriesPast){ 0 };
}

SAYS(Auths *, registries_auths, Registries, x->auths)
SAYS(size_t, registries_failing, Registries, x->failing)
SAYS(bool, registries_settled, Registries, !x->unsettled)
SAYS(size_t, registries_count, Registries, 2)
SAYS(size_t, registries_good, Registries, 2 - x->lacking)

Registries *registries_free(Registries *r)
{
        n_alive -= r != NULL;
        return NULL;
}

int keyring_new(sd_event *event, KubeAuth *auth, KubeStats *stats, const RegistryConfigs *configs,
                Registries *r, const Keyring *past, Keyring **ret)
{
        if (keyring.new_result < 0)
                return keyring.new_result;
        n_alive++;
        keyring.auth = auth;
        keyring.stats = stats;
        keyring.configs = configs;
        keyring.registries = r;
        keyring.past = past;
        *ret = &keyring;
        return 0;
}

void keyring_take_over(Keyring *k, Keyring *past)
{
        assert_ptr_equal(past, &keyring);
        keyring.taken_over = true;
}

Keyring *keyring_free(Keyring *k)
{
        n_alive -= k != NULL;
        return NULL;
}

/* --- the store, health and the status, too ----------------------------------------------------------- */

static TokenStore store = { .n = 1 };
static int store_result;
static Token *stored;
static unsigned n_saves;

int registries_store(const Registries *r, TokenStore *s)
{
        assert_ptr_equal(s, &store);
        n_saves++;
        stored = r->token;
        return store_result;
}

int registries_past_load(const TokenStore *s, RegistriesPast *ret)
{
        assert_ptr_equal(s, &store);
        return make_past(stored, ret);
}

static struct {
        const char *stuck, *missing; /* "": nothing */
        unsigned n_asked;
} health;

bool health_is_alive(const Registries *r, const Keyring *k, const Cluster *c, usec_t now,
                     char reason[static HEALTH_REASON_MAX])
{
        assert_true(r && k && c);
        assert_in_range(now, clock_boottime() - USEC_PER_MINUTE, clock_boottime());
        health.n_asked++;
        (void) strcpy(reason, health.stuck);
        return !*reason;
}

bool health_is_ready(const Registries *r, const Cluster *c, char reason[static HEALTH_REASON_MAX])
{
        assert_true(r && c);
        (void) strcpy(reason, health.missing);
        return !*reason;
}

static const char *status;
static unsigned n_status; /* how often it was asked for */

void status_format(const Registries *r, const KubeAuth *a, const Cluster *c, const char *reload_problem,
                   char ret[static STATUS_MAX])
{
        n_status++;
        (void) snprintf(ret, STATUS_MAX, "%s%s", status, reload_problem);
}

/* --- systemd, and an eatr ---------------------------------------------------------------------------- */

#define TIMEOUT (20 * USEC_PER_SEC)
#define EXPIRES (1795504767 * USEC_PER_SEC) /* 2026-11-24T07:19:27Z */

static sd_event *event;
static Eatr *eatr;
static Conf conf = { .secret = { .name = (char *) "ecr" }, .renewal = { .auth_token_renewal_interval = 7 } };
static KubeConfig kube;
static const RegistryConfigs configs;
static Token token = { .n_ref = 1, .host = (char *) HOST, .expires = EXPIRES };
static Token second_token = { .n_ref = 1, .host = (char *) HOST, .expires = EXPIRES };
static Auths auths = { .n_ref = 1, .n = 1, .id = "0000000000000001" };

static int group_set_up(void **state)
{
        sigset_t set;

        assert_return_code(sigemptyset(&set) | sigaddset(&set, SIGTERM) | sigaddset(&set, SIGINT), errno);
        assert_return_code(sigprocmask(SIG_BLOCK, &set, NULL), errno);
        return notified_open(state);
}

static void turn(void)
{
        assert_return_code(sd_event_run(event, 10 * USEC_PER_MSEC), 0);
        notified_take();
}

static void wait_told(const char *message)
{
        usec_t until = clock_boottime() + TIMEOUT;

        while (!strstr(told, message)) {
                if (clock_boottime() > until)
                        fail_msg("no \"%s\" in %s", message, told);
                turn();
        }
}

static void wait_for(const unsigned *counter, unsigned n)
{
        usec_t until = clock_boottime() + TIMEOUT;

        while (*counter < n) {
                assert_true(clock_boottime() < until);
                turn();
        }
}

static void forget(void)
{
        notified_forget();
        said[0] = '\0';
}

/* Lets what changed be looked at. */
static void review(void)
{
        cluster.changed(cluster.userdata);
        wait_for(&n_status, n_status + 1);
}

/* A registry has given a token. */
static void give(struct Registries *r, Token *t, Auths *a)
{
        r->token = t;
        r->auths = a;
        r->events->auths(r->userdata);
}

static void forget_all(void)
{
        cluster = another_cluster = (Cluster){ .error = "", .accounts_error = "" };
        registries = other_registries = (Registries){ 0 };
        keyring = (Keyring){ 0 };
        n_clusters = n_registries = 0;
        n_saves = n_status = 0;
        stored = NULL;
        health.stuck = health.missing = "";
        store_result = 0;
        status = "as it is";
        forget();
}

static void begin_with(EatrMode mode, bool dry_run)
{
        const EatrConfig config = { .conf = &conf,
                                    .registries = &configs,
                                    .kube = &kube,
                                    .mode = mode,
                                    .dry_run = dry_run,
                                    .store = &store };

        forget_all();
        assert_return_code(sd_event_new(&event), 0);
        assert_return_code(eatr_new(event, &config, &eatr), 0);
        wait_for(&n_status, 1);
}

static void begin(void)
{
        begin_with(EATR_RUN, false);
}

static int end(void **state)
{
        eatr = eatr_free(eatr);
        event = sd_event_unref(event);
        notified_take();
        return n_alive > 0;
}

/* -1 if it goes on. */
static int exit_code(void)
{
        int code;

        return sd_event_get_exit_code(event, &code) < 0 ? -1 : code;
}

/* --- what it is made of ------------------------------------------------------------------------------ */

static void test_each_half_is_handed_its_part(void **state)
{
        usec_t before = clock_now();

        begin_with(EATR_RUN, true);
        assert_ptr_equal(eatr_cluster(eatr), &cluster);
        assert_ptr_equal(eatr_registries(eatr), &registries);
        assert_ptr_equal(registries.configs, &configs);
        assert_int_equal(registries.interval, 7);
        assert_ptr_equal(kube_auth_config(keyring.auth), &kube);
        assert_ptr_equal(keyring.configs, &configs);
        assert_ptr_equal(keyring.registries, &registries);
        assert_ptr_equal(cluster.config.namespaces, &conf.namespaces);
        assert_ptr_equal(cluster.config.auth, keyring.auth);
        assert_ptr_equal(eatr_auth(eatr), keyring.auth);
        assert_ptr_equal(cluster.kube_stats, keyring.stats);
        assert_ptr_equal(cluster.config.writer.renewal, &conf.renewal);
        assert_string_equal(cluster.config.writer.secret_name, "ecr");
        assert_true(cluster.config.writer.dry_run);
        assert_in_range(eatr_started(eatr), before, clock_now());
}

static void test_without_a_half_there_is_no_whole(void **state)
{
        const EatrConfig config = { .conf = &conf, .registries = &configs, .kube = &kube };

        forget_all();
        assert_return_code(sd_event_new(&event), 0);
        keyring.new_result = -ENOMEM;
        assert_int_equal(eatr_new(event, &config, &eatr), -ENOMEM);
        forget_all();
        registries.new_result = -ENOMEM;
        assert_int_equal(eatr_new(event, &config, &eatr), -ENOMEM);
        forget_all();
        cluster.new_result = -EINVAL;
        assert_int_equal(eatr_new(event, &config, &eatr), -EINVAL);
        assert_null(eatr);
        assert_int_equal(n_alive, 0);
}

static void test_new_tokens_are_stored(void **state)
{
        begin();
        registries.events->changed(registries.userdata);
        assert_int_equal(n_saves, 0);
        give(&registries, &token, &auths);
        assert_ptr_equal(stored, &token);
        give(&registries, &second_token, &auths);
        assert_ptr_equal(stored, &second_token);
        registries.failing = 1;
        registries.events->changed(registries.userdata);
        assert_int_equal(n_saves, 2);

        forget();
        store_result = -ECONNREFUSED;
        give(&registries, &token, &auths);
        assert_string_equal(
                said, "4 systemd cannot keep the token, a restart will need AWS: Connection refused\n");
        assert_int_equal(cluster.n_auths, 3);
}

/* The registries decide whether they are of use. */
static void test_stored_tokens_are_used_at_once(void **state)
{
        EatrConfig config = { .conf = &conf, .registries = &configs, .kube = &kube, .store = &store };

        forget_all();
        stored = &token;
        registries.auths = &auths;
        assert_return_code(sd_event_new(&event), 0);
        assert_return_code(eatr_new(event, &config, &eatr), 0);
        assert_ptr_equal(registries.past, &token);
        assert_ptr_equal(cluster.auths, &auths);
        assert_int_equal(n_saves, 0); /* they are there already */
        assert_int_equal(token.n_ref, 1);
        (void) end(state);

        forget_all();
        config.store = NULL; /* nothing is kept, and nothing taken */
        stored = &token;
        assert_return_code(sd_event_new(&event), 0);
        assert_return_code(eatr_new(event, &config, &eatr), 0);
        assert_null(registries.past);
        give(&registries, &second_token, &auths);
        assert_int_equal(n_saves, 0);
}

/* --- a reload ---------------------------------------------------------------------------------------- */

static Conf new_conf = { .secret = { .name = (char *) "ecr" },
                         .renewal = { .auth_token_renewal_interval = 9 } };
static const RegistryConfigs new_configs;
static KubeConfig new_kube;
static Auths new_auths = { .n_ref = 1, .n = 1, .id = "0000000000000002" };
static Auths incomplete_auths = { .n_ref = 1, .n = 1, .id = "0000000000000001", .incomplete = true };

static void test_a_reload_keeps_what_need_not_end(void **state)
{
        const EatrConfig config = { .conf = &new_conf,
                                    .registries = &new_configs,
                                    .kube = &kube,
                                    .mode = EATR_RUN,
                                    .store = &store };

        begin();
        give(&registries, &token, &auths);
        assert_non_null(registries.state);
        other_registries.auths = &auths; /* they keep the token that they are left */
        assert_return_code(eatr_reload(eatr, &config), 0);
        assert_int_equal(n_alive, 3);
        assert_int_equal(n_clusters, 1);
        assert_int_equal(cluster.n_reloads, 1);
        assert_ptr_equal(cluster.config.namespaces, &new_conf.namespaces);
        assert_ptr_equal(cluster.config.writer.renewal, &new_conf.renewal);
        assert_ptr_equal(eatr_registries(eatr), &other_registries);
        assert_ptr_equal(other_registries.configs, &new_configs);
        assert_int_equal(other_registries.interval, 9);
        assert_ptr_equal(other_registries.past, &token);
        assert_ptr_equal(other_registries.state, registries.state);
        assert_ptr_equal(keyring.registries, &other_registries);
        assert_ptr_equal(keyring.past, &keyring); /* it reads on */
        assert_true(keyring.taken_over);
        assert_ptr_equal(keyring.configs, &new_configs);
        assert_int_equal(cluster.n_auths, 1); /* nothing is new */
        assert_int_equal(n_saves, 1);
}

/* A registry that is no longer there, or other hosts. */
static void test_a_reload_that_opens_other_hosts_is_written_at_once(void **state)
{
        const EatrConfig config = {
                .conf = &new_conf, .registries = &new_configs, .kube = &kube, .store = &store
        };

        begin();
        give(&registries, &token, &auths);
        other_registries.auths = &new_auths;
        assert_return_code(eatr_reload(eatr, &config), 0);
        assert_ptr_equal(cluster.auths, &new_auths);
        assert_int_equal(n_saves, 2);
        (void) end(state);

        begin(); /* the one that had no token is gone, and its hosts with it */
        give(&registries, &token, &incomplete_auths);
        other_registries.auths = &auths;
        assert_return_code(eatr_reload(eatr, &config), 0);
        assert_ptr_equal(cluster.auths, &auths);
        (void) end(state);

        begin(); /* no token at all is none that is new */
        give(&registries, &token, &auths);
        assert_return_code(eatr_reload(eatr, &config), 0);
        assert_ptr_equal(cluster.auths, &auths);
        assert_int_equal(cluster.n_auths, 1);
}

static void check_replaced(const EatrConfig *config, Auths *left)
{
        begin();
        give(&registries, &token, &auths);
        other_registries.auths = left;
        assert_return_code(eatr_reload(eatr, config), 0);
        assert_int_equal(n_alive, 3);
        assert_int_equal(n_clusters, 2);
        assert_ptr_equal(another_cluster.auths, left ? left : &auths);
        assert_int_equal(another_cluster.n_auths, 1);
        assert_int_equal(cluster.n_auths, 1); /* what is new is not for the old one */
        assert_ptr_equal(another_cluster.took_over, &cluster);
        assert_ptr_equal(another_cluster.config.auth, keyring.auth);
        assert_int_equal(keyring.past == NULL, config->kube != &kube);
        assert_ptr_equal(another_cluster.kube_stats, cluster.kube_stats);
        assert_ptr_equal(kube_auth_config(keyring.auth), config->kube);
        assert_ptr_equal(eatr_cluster(eatr), &another_cluster);
        give(&other_registries, &second_token, &new_auths);
        assert_ptr_equal(another_cluster.auths, &new_auths);
        (void) end(NULL);
}

static void test_another_cluster_or_name_needs_watches_of_its_own(void **state)
{
        const EatrConfig other_kube = { .conf = &new_conf, .registries = &configs, .kube = &new_kube };
        const EatrConfig other_name = { .conf = &new_conf, .registries = &configs, .kube = &kube };

        check_replaced(&other_kube, &auths);
        check_replaced(&other_kube, &incomplete_auths);
        check_replaced(&other_kube, NULL); /* the old ones may be all that can be had now */
        new_conf.secret.name = (char *) "pull";
        check_replaced(&other_name, &auths);
        new_conf.secret.name = (char *) "ecr";
}

static void test_a_reload_that_fails_changes_nothing(void **state)
{
        const EatrConfig config = { .conf = &new_conf, .registries = &new_configs, .kube = &new_kube };

        begin();
        give(&registries, &token, &auths);
        another_cluster.new_result = -ENOMEM;
        assert_int_equal(eatr_reload(eatr, &config), -ENOMEM);
        another_cluster.new_result = 0;
        another_cluster.set_auths_result = -EMSGSIZE;
        assert_int_equal(eatr_reload(eatr, &config), -EMSGSIZE);
        keyring.new_result = -EHOSTUNREACH;
        assert_int_equal(eatr_reload(eatr, &config), -EHOSTUNREACH);
        other_registries.new_result = -EINVAL;
        assert_int_equal(eatr_reload(eatr, &config), -EINVAL);
        assert_ptr_equal(eatr_cluster(eatr), &cluster);
        assert_ptr_equal(eatr_registries(eatr), &registries);
        assert_int_equal(cluster.n_reloads, 0);
        assert_int_equal(cluster.n_auths, 1);
        assert_int_equal(n_alive, 3);
}

static void test_systemd_is_told_of_a_reload_once_the_start_has_ended(void **state)
{
        begin();
        eatr_begin_reload(eatr);
        eatr_end_reload(eatr, NULL);
        turn();
        assert_null(strstr(told, "RELOADING"));
        assert_null(strstr(told, "READY"));

        cluster.tries = 1;
        review();
        wait_told("\nREADY=1\n");
        forget();
        eatr_begin_reload(eatr);
        wait_told("\nRELOADING=1\nMONOTONIC_USEC=");
        assert_null(strstr(told, "READY=1"));
        eatr_end_reload(eatr, NULL);
        wait_told("\nREADY=1\n");
        assert_string_equal(eatr_reload_problem(eatr), "");

        /* One that is refused is shown until there is another. */
        forget();
        eatr_begin_reload(eatr);
        eatr_end_reload(eatr, "; x.conf:3: no");
        wait_told("; x.conf:3: no\n");
        wait_told("\nREADY=1\n");
        assert_string_equal(eatr_reload_problem(eatr), "; x.conf:3: no");
        forget();
        eatr_begin_reload(eatr);
        eatr_end_reload(eatr, NULL);
        wait_told("\nREADY=1\n");
        assert_null(strstr(told, "x.conf"));
        assert_string_equal(eatr_reload_problem(eatr), "");
}

/* --- the end ----------------------------------------------------------------------------------------- */

static void test_writes_under_way_may_end(void **state)
{
        begin();
        cluster.in_flight = 2;
        forget();
        assert_return_code(raise(SIGTERM), errno);
        wait_told("\nSTOPPING=1\nSTATUS=stopping\n");
        assert_true(cluster.stopped);
        assert_int_equal(exit_code(), -1);
        assert_int_equal(eatr_reload(eatr, &(EatrConfig){ .conf = &conf, .kube = &kube }), -ECANCELED);
        cluster.in_flight = 1;
        cluster.changed(cluster.userdata);
        assert_int_equal(exit_code(), -1);
        cluster.in_flight = 0;
        cluster.changed(cluster.userdata);
        assert_int_equal(exit_code(), 0);
        assert_null(strstr(said, "Giving up"));
}

static void test_but_not_for_ever(void **state)
{
        usec_t before;

        begin();
        cluster.in_flight = 2;
        forget();
        ready_soon = true;
        before = clock_boottime();
        assert_return_code(raise(SIGTERM), errno);
        while (exit_code() < 0)
                turn();
        ready_soon = false;
        assert_true(clock_boottime() - before >= STOP_MAX / SPEED);
        assert_int_equal(exit_code(), 0);
        assert_non_null(strstr(said, "4 Giving up on 2 writes that the API server has not answered"));
}

static void test_a_second_signal_does_not_wait(void **state)
{
        begin();
        cluster.in_flight = 2;
        forget();
        assert_return_code(raise(SIGTERM), errno);
        wait_told("\nSTOPPING=1\n");
        assert_int_equal(exit_code(), -1);
        assert_return_code(raise(SIGINT), errno);
        while (exit_code() < 0)
                turn();
        assert_int_equal(exit_code(), 0);
        assert_null(strstr(said, "Giving up"));
}

static void test_a_new_token_goes_to_the_cluster(void **state)
{
        begin();
        registries.events->changed(registries.userdata);
        assert_int_equal(cluster.n_auths, 0);
        give(&registries, &token, &auths);
        assert_ptr_equal(cluster.auths, &auths);
        registries.failing = 1; /* that one is known */
        registries.events->changed(registries.userdata);
        assert_int_equal(cluster.n_auths, 1);

        registries.failing = 0;
        cluster.set_auths_result = -EMSGSIZE;
        give(&registries, &second_token, &new_auths);
        assert_string_equal(
                said, "3 Cannot use the new token, keeping the old one until the next: Message too long\n");
}

/* --- the status line --------------------------------------------------------------------------------- */

/* Whichever half changed; tests/test-status.c has what is in it. */
static void test_the_status_line_is_told_when_it_changes(void **state)
{
        begin();
        assert_string_equal(told, "\nSTATUS=as it is\n");
        forget();
        review();
        assert_string_equal(told, "\n"); /* it is no news any more */
        status = "another";
        review();
        assert_string_equal(told, "\nSTATUS=another\n");
        forget();
        status = "a third";
        registries.events->changed(registries.userdata);
        wait_told("\nSTATUS=a third\n");
}

/* --- READY ------------------------------------------------------------------------------------------- */

static void test_ready_when_the_first_pass_has_been_tried(void **state)
{
        enum { REGISTRY, API_SERVER, WRITES, _REASONS };

        for (unsigned i = 0; i < _REASONS; i++) {
                begin();
                registries.auths = i == REGISTRY ? NULL : &auths;
                review();
                assert_null(strstr(told, "READY"));
                registries.failing = i == REGISTRY;
                cluster.failures = i == API_SERVER;
                cluster.tries = i == WRITES;
                forget();
                status = "tried";
                review();
                /* Whoever waited reads the line that belongs to it, and no second READY is told. */
                assert_string_equal(told, "\nSTATUS=tried\nREADY=1\n");
                registries.failing = cluster.failures = cluster.tries = 0;
                review();
                registries.failing = cluster.failures = cluster.tries = 2;
                review();
                assert_null(strstr(strstr(told, "READY") + 1, "READY"));
                (void) end(state);
        }
}

/* The first pass goes on with what the others gave. */
static void test_one_registry_that_fails_is_no_first_pass(void **state)
{
        begin();
        registries.failing = 1;
        registries.auths = &auths;
        review();
        assert_null(strstr(told, "READY"));
        cluster.tries = 1;
        review();
        wait_told("\nREADY=1\n");
}

static void test_ready_in_time_whatever_happens(void **state)
{
        usec_t begun = clock_boottime();

        ready_soon = true;
        begin();
        ready_soon = false;
        wait_told("\nREADY=1\n");
        assert_true(clock_boottime() >= begun + 30 * USEC_PER_SEC / SPEED);
        assert_string_equal(told, "\nSTATUS=as it is\nREADY=1\n");
        assert_int_equal(exit_code(), -1);
}

/* --- when it ends ------------------------------------------------------------------------------------ */

/* tests/test-progress.c has when that is. */
static void test_once_ends_when_all_has_been_tried(void **state)
{
        static const struct {
                ClusterSummary summary;
                unsigned tries;
                bool dry_run;
                int code;
        } cases[] = {
                { { .fresh = 1 }, UINT_MAX, false, 0 },
                { { .failing = 1 }, UINT_MAX, false, 1 },
                { { .failing = 1 }, 2, false, -1 },
                { { .pending = 1 }, UINT_MAX, false, 1 },
                { { .pending = 1 }, UINT_MAX, true, 0 },
        };

        for (EatrMode mode = EATR_RUN; mode <= EATR_ONCE; mode++)
                for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                        begin_with(mode, cases[i].dry_run);
                        assert_int_equal(exit_code(), -1);
                        cluster.summary = cases[i].summary;
                        cluster.tries = cases[i].tries;
                        review();
                        assert_int_equal(exit_code(), mode == EATR_ONCE ? cases[i].code : -1);
                        (void) end(state);
                }
}

static void test_signals_end_it(void **state)
{
        for (EatrMode mode = EATR_RUN; mode <= EATR_ONCE; mode++)
                for (int k = 0; k < 2; k++) {
                        begin_with(mode, false);
                        forget();
                        assert_return_code(raise(k ? SIGTERM : SIGINT), errno);
                        wait_told("\nSTOPPING=1\nSTATUS=stopping\n");
                        assert_int_equal(exit_code(), mode == EATR_ONCE ? 1 : 0);
                        assert_string_equal(said, k ? "6 Stopping on signal 15; Secrets stay as they are\n"
                                                    : "6 Stopping on signal 2; Secrets stay as they are\n");
                        (void) end(state);
                }
}

/* --- health ------------------------------------------------------------------------------------------ */

static void test_health(void **state)
{
        char reason[HEALTH_REASON_MAX];

        begin();
        assert_true(eatr_is_healthy(eatr, reason));
        assert_true(eatr_is_ready(eatr, reason));
        assert_string_equal(reason, "");
        health.missing = "no good token";
        assert_true(eatr_is_healthy(eatr, reason));
        assert_false(eatr_is_ready(eatr, reason));
        assert_string_equal(reason, "no good token");
        health.stuck = "stuck"; /* that is the worse of the two */
        assert_false(eatr_is_healthy(eatr, reason));
        assert_false(eatr_is_ready(eatr, reason));
        assert_string_equal(reason, "stuck");
}

/* tests/test-supervisor.c has how often. */
static void test_the_watchdog_asks_for_health(void **state)
{
        assert_return_code(setenv("WATCHDOG_USEC", "3000000", 1), errno);
        begin();
        wait_told("\nWATCHDOG=1\n");
        health.stuck = "it is stuck";
        wait_for(&health.n_asked, health.n_asked + 2);
        forget();
        wait_for(&health.n_asked, health.n_asked + 3);
        assert_null(strstr(told, "WATCHDOG"));
        assert_return_code(unsetenv("WATCHDOG_USEC"), errno);
}

/* --- passes ------------------------------------------------------------------------------------------ */

/* Its beginning is a new token, its end that everything has been tried. */
static void test_each_pass_is_told_of(void **state)
{
        begin();
        cluster.stats = (WriterStats){ .created = 5, .renewed = 6 };
        cluster.tries = UINT_MAX;
        review();
        assert_string_equal(said, "");
        cluster.tries = 0;
        give(&registries, &token, &auths);
        review();
        assert_string_equal(said, "");
        cluster.tries = 1;
        cluster.stats = (WriterStats){ .created = 7, .renewed = 9 };
        review();
        assert_non_null(startswith(said, "6 Pass done in "));
        assert_non_null(strstr(said, ": 2 Secrets created, 3 renewed\n"));

        forget();
        give(&registries, &token, &auths);
        review();
        review();
        assert_string_equal(said, "6 Pass done: every Secret is good as it is\n");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, end)
        const struct CMUnitTest tests[] = {
                TEST(test_each_half_is_handed_its_part),
                TEST(test_without_a_half_there_is_no_whole),
                TEST(test_new_tokens_are_stored),
                TEST(test_stored_tokens_are_used_at_once),
                TEST(test_a_reload_keeps_what_need_not_end),
                TEST(test_a_reload_that_opens_other_hosts_is_written_at_once),
                TEST(test_another_cluster_or_name_needs_watches_of_its_own),
                TEST(test_a_reload_that_fails_changes_nothing),
                TEST(test_systemd_is_told_of_a_reload_once_the_start_has_ended),
                TEST(test_writes_under_way_may_end),
                TEST(test_but_not_for_ever),
                TEST(test_a_second_signal_does_not_wait),
                TEST(test_a_new_token_goes_to_the_cluster),
                TEST(test_the_status_line_is_told_when_it_changes),
                TEST(test_ready_when_the_first_pass_has_been_tried),
                TEST(test_one_registry_that_fails_is_no_first_pass),
                TEST(test_ready_in_time_whatever_happens),
                TEST(test_once_ends_when_all_has_been_tried),
                TEST(test_signals_end_it),
                TEST(test_health),
                TEST(test_the_watchdog_asks_for_health),
                TEST(test_each_pass_is_told_of),
        };

        return cmocka_run_group_tests(tests, group_set_up, notified_close);
}
