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
#include <sys/socket.h>
#include <sys/un.h>

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
#include "eatr.c"
#undef sd_event_add_time_relative
#undef sd_event_source_set_time_relative
#undef log_full

#include <cmocka.h>

#define HOST "0.dkr.ecr.eu-west-1.amazonaws.com"

/* --- the two halves are the test's, too -------------------------------------------------------------- */

static struct Cluster {
        cluster_changed_t changed;
        void *userdata;
        ClusterConfig config;
        int new_result, set_auths_result;
        const Auths *auths; /* that it was given last */
        unsigned n_auths;

        bool synced, stalled;
        unsigned tries, failures;
        ClusterSummary summary;
        const char *error;
        WriterStats stats;

        bool stopped;
        unsigned in_flight, n_reloads;
        const struct Cluster *took_over;
} cluster, another_cluster; /* the one that replaces it */
static unsigned n_clusters;

struct Registry {
        const RegistryConfig *config;
        Token *token;
        usec_t left;
        const char *error;
        bool is_public; /* it cannot be asked then */
        VerifyResult verified;
        const char *verify_error;
};

static struct Registries {
        const RegistriesEvents *events;
        void *userdata;
        const RegistryConfigs *configs;
        usec_t interval;
        bool with_past;
        RegistryPast past[2]; /* that they were given */
        AwsState past_state;
        int new_result;
        unsigned n_asked;

        struct Registry items[2];
        size_t n;
        AwsState state;
        Auths *auths;
        size_t failing;
        bool busy, stalled;
} registries, other_registries; /* those that come after them */
static unsigned n_registries;

static struct Keyring {
        const KubeConfig *kube;
        const RegistryConfigs *configs;
        const Registries *registries;
        int new_result;
        bool stalled;
} keyring;

static unsigned n_alive;

int cluster_new(sd_event *event, const ClusterConfig *config, cluster_changed_t changed, void *userdata,
                Cluster **ret)
{
        struct Cluster *c = n_clusters > 0 ? &another_cluster : &cluster;

        if (c->new_result < 0)
                return c->new_result;
        n_alive++;
        n_clusters++;
        c->config = *config;
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

bool cluster_synced(const Cluster *c)
{
        return c->synced;
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

bool cluster_stalled(const Cluster *c, usec_t now)
{
        return c->stalled;
}

Cluster *cluster_free(Cluster *c)
{
        n_alive -= c != NULL;
        return NULL;
}

int registries_new(sd_event *event, const RegistryConfigs *configs, usec_t interval,
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
        r->with_past = past != NULL;
        for (size_t i = 0; past && i < past->n; i++)
                r->past[i] = past->items[i];
        if (past)
                r->past_state = past->state;
        *ret = r;
        return 0;
}

static TokenOrigin origin_of(size_t i)
{
        TokenOrigin origin = { "0123456789abcdef", "fedcba9876543210" };

        origin.keys[0] = (char) ('a' + i);
        return origin;
}

int registries_past(const Registries *r, RegistriesPast *ret)
{
        *ret = (RegistriesPast){ .items = calloc(2, sizeof(*ret->items)), .n = r->n, .state = r->state };
        assert_non_null(ret->items);
        for (size_t i = 0; i < r->n; i++)
                ret->items[i] =
                        (RegistryPast){ .token = token_ref(r->items[i].token), .origin = origin_of(i) };
        return 0;
}

void registries_past_done(RegistriesPast *p)
{
        for (size_t i = 0; i < p->n; i++)
                token_unref(p->items[i].token);
        free(p->items);
        *p = (RegistriesPast){ 0 };
}

SAYS(size_t, registries_count, Registries, x->n)
SAYS(Auths *, registries_auths, Registries, x->auths)
SAYS(size_t, registries_failing, Registries, x->failing)
SAYS(bool, registries_busy, Registries, x->busy)

const Registry *registries_get(const Registries *r, size_t i)
{
        return &r->items[i];
}

bool registries_stalled(const Registries *r, usec_t now)
{
        registries.n_asked++;
        return r->stalled;
}

Registries *registries_free(Registries *r)
{
        n_alive -= r != NULL;
        return NULL;
}

SAYS(const RegistryConfig *, registry_config, Registry, x->config)
SAYS(Token *, registry_token, Registry, x->token)
SAYS(usec_t, registry_token_left, Registry, x->left)
SAYS(const char *, registry_error, Registry, x->error)
SAYS(const Verify *, registry_verify, Registry, x->is_public ? NULL : (const Verify *) x)

VerifyResult verify_result(const Verify *v)
{
        return ((const Registry *) v)->verified;
}

const char *verify_error(const Verify *v)
{
        return ((const Registry *) v)->verify_error;
}

int keyring_new(sd_event *event, const KubeConfig *kube, const RegistryConfigs *configs, Registries *r,
                Keyring **ret)
{
        if (keyring.new_result < 0)
                return keyring.new_result;
        n_alive++;
        keyring.kube = kube;
        keyring.configs = configs;
        keyring.registries = r;
        *ret = &keyring;
        return 0;
}

bool keyring_stalled(const Keyring *k, usec_t now)
{
        return k->stalled;
}

Keyring *keyring_free(Keyring *k)
{
        n_alive -= k != NULL;
        return NULL;
}

/* --- the store and the status, too ------------------------------------------------------------------- */

static TokenStore store;
static int store_result;
static StoredToken stored[2];
static size_t n_stored;
static unsigned n_saves;

int token_store_save(TokenStore *s, const StoredToken *items, size_t n)
{
        assert_ptr_equal(s, &store);
        assert_in_range(n, 0, ELEMENTSOF(stored));
        n_saves++;
        n_stored = n;
        for (size_t i = 0; i < n; i++)
                stored[i] = items[i];
        return store_result;
}

static const char *status;
static unsigned n_status; /* how often it was asked for */

void status_format(const Registries *r, const Cluster *c, char ret[static STATUS_MAX])
{
        n_status++;
        (void) snprintf(ret, STATUS_MAX, "%s", status);
}

/* --- systemd, and an eatr ---------------------------------------------------------------------------- */

#define TIMEOUT (20 * USEC_PER_SEC)
#define EXPIRES (1795504767 * USEC_PER_SEC) /* 2026-11-24T07:19:27Z */

static int notify_fd;
static sd_event *event;
static Eatr *eatr;
static char told[8192]; /* "\n" before and after each message */
static Conf conf = { .secret = { .name = (char *) "ecr" }, .renewal = { .auth_token_renewal_interval = 7 } };
static KubeConfig kube;
static const RegistryConfig config_items[] = { { .name = (char *) "aws", .label = (char *) "" },
                                               { .name = (char *) "b", .label = (char *) "Registry b: " } };
static const RegistryConfigs configs = { .items = (RegistryConfig *) config_items, .n = 2 };
static Token token = { .n_ref = 1, .host = (char *) HOST, .expires = EXPIRES };
static Token second_token = { .n_ref = 1, .host = (char *) HOST, .expires = EXPIRES };
static Auths auths = { .n_ref = 1, .n = 1, .id = "0000000000000001" };

static int open_notify_socket(void **state)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        socklen_t size = sizeof(sa_family_t); /* the kernel finds a name */
        sigset_t set;

        notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        assert_return_code(bind(notify_fd, (struct sockaddr *) &address, size), errno);
        size = sizeof(address);
        assert_return_code(getsockname(notify_fd, (struct sockaddr *) &address, &size), errno);
        address.sun_path[0] = '@';
        assert_return_code(setenv("NOTIFY_SOCKET", address.sun_path, 1), errno);
        assert_return_code(sigemptyset(&set) | sigaddset(&set, SIGTERM) | sigaddset(&set, SIGINT), errno);
        return sigprocmask(SIG_BLOCK, &set, NULL);
}

static int close_notify_socket(void **state)
{
        return close(notify_fd);
}

static void turn(void)
{
        size_t n;
        ssize_t k;

        assert_return_code(sd_event_run(event, 10 * USEC_PER_MSEC), 0);
        while (n = strlen(told), (k = recv(notify_fd, told + n, sizeof(told) - n - 2, 0)) > 0) {
                assert_true((size_t) k < sizeof(told) - n - 2);
                (void) strcpy(told + n + k, "\n");
        }
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
        (void) strcpy(told, "\n");
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
        r->n = 1;
        r->items[0].token = t;
        r->auths = a;
        r->events->auths(r->userdata);
}

static void forget_all(void)
{
        const struct Registry silent = { .error = "", .verify_error = "", .config = &config_items[0] };

        cluster = another_cluster = (Cluster){ .error = "" };
        registries = other_registries = (Registries){ .items = { silent, silent }, .n = 1 };
        keyring = (Keyring){ 0 };
        n_clusters = n_registries = 0;
        n_stored = n_saves = n_status = 0;
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
        while (recv(notify_fd, told, sizeof(told), 0) > 0)
                ;
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
        assert_ptr_equal(keyring.kube, &kube);
        assert_ptr_equal(keyring.configs, &configs);
        assert_ptr_equal(keyring.registries, &registries);
        assert_ptr_equal(cluster.config.namespaces, &conf.namespaces);
        assert_ptr_equal(cluster.config.writer.kube, &kube);
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

static void test_all_tokens_are_stored(void **state)
{
        TokenOrigin first = origin_of(0), second = origin_of(1);

        begin();
        registries.events->changed(registries.userdata);
        assert_int_equal(n_saves, 0);
        give(&registries, &token, &auths);
        assert_int_equal(n_stored, 1);
        assert_ptr_equal(stored[0].token, &token);
        assert_string_equal(stored[0].origin.keys, first.keys);

        registries.n = 2; /* the second alone has one */
        registries.items[0].token = NULL;
        registries.items[1].token = &second_token;
        registries.events->auths(registries.userdata);
        assert_int_equal(n_stored, 1);
        assert_ptr_equal(stored[0].token, &second_token);
        assert_string_equal(stored[0].origin.keys, second.keys);
        registries.items[0].token = &token;
        registries.events->auths(registries.userdata);
        assert_int_equal(n_stored, 2);
        assert_ptr_equal(stored[1].token, &second_token);
        assert_int_equal(n_saves, 3);

        forget();
        store_result = -ECONNREFUSED;
        registries.events->auths(registries.userdata);
        assert_string_equal(
                said, "4 systemd cannot keep the token, a restart will need AWS: Connection refused\n");
        assert_int_equal(cluster.n_auths, 4);
        assert_int_equal(token.n_ref, 1);
}

/* The registries decide whether they are of use. */
static void test_stored_tokens_are_used_at_once(void **state)
{
        const EatrConfig config = { .conf = &conf, .registries = &configs, .kube = &kube, .store = &store };
        StoredToken items[] = { { &token, origin_of(0) }, { &second_token, origin_of(1) } };

        forget_all();
        store = (TokenStore){ .items = items, .n = 2 };
        registries.auths = &auths;
        assert_return_code(sd_event_new(&event), 0);
        assert_return_code(eatr_new(event, &config, &eatr), 0);
        store = (TokenStore){ 0 };
        for (size_t i = 0; i < ELEMENTSOF(items); i++) {
                assert_ptr_equal(registries.past[i].token, items[i].token);
                assert_memory_equal(&registries.past[i].origin, &items[i].origin, sizeof(TokenOrigin));
        }
        assert_ptr_equal(cluster.auths, &auths);
        assert_int_equal(n_saves, 0); /* they are there already */
        assert_int_equal(token.n_ref, 1);
}

/* --- a reload ---------------------------------------------------------------------------------------- */

static Conf new_conf = { .secret = { .name = (char *) "ecr" },
                         .renewal = { .auth_token_renewal_interval = 9 } };
static const RegistryConfigs new_configs = { .items = (RegistryConfig *) config_items, .n = 1 };
static KubeConfig new_kube;
static Auths new_auths = { .n_ref = 1, .n = 1, .id = "0000000000000002" };

static void test_a_reload_keeps_what_need_not_end(void **state)
{
        const EatrConfig config = { .conf = &new_conf,
                                    .registries = &new_configs,
                                    .kube = &kube,
                                    .mode = EATR_RUN,
                                    .store = &store };

        begin();
        give(&registries, &token, &auths);
        registries.state.clock.skew = 3;
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
        assert_ptr_equal(other_registries.past[0].token, &token);
        assert_int_equal(other_registries.past_state.clock.skew, 3);
        assert_ptr_equal(keyring.registries, &other_registries);
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
        other_registries.items[0].token = &token;
        assert_return_code(eatr_reload(eatr, &config), 0);
        assert_ptr_equal(cluster.auths, &new_auths);
        assert_int_equal(n_saves, 2);
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
        assert_ptr_equal(another_cluster.took_over, &cluster);
        assert_ptr_equal(another_cluster.config.writer.kube, config->kube);
        assert_ptr_equal(keyring.kube, config->kube);
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
        eatr_end_reload(eatr);
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
        eatr_end_reload(eatr);
        wait_told("\nREADY=1\n");
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
                cluster.synced = true;
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
        cluster.synced = true;
        registries.n = 2;
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

static void test_once_ends_when_all_has_been_tried(void **state)
{
        static const struct {
                ClusterSummary summary;
                unsigned tries, failures, failing;
                bool dry_run;
                int code;
        } cases[] = {
                { { .fresh = 2, .excluded = 1 }, UINT_MAX, 0, 0, false, 0 },
                { { 0 }, UINT_MAX, 0, 0, false, 0 },
                { { .fresh = 2, .due = 1 }, UINT_MAX, 0, 0, false, 1 },
                { { .fresh = 2, .pending = 1 }, UINT_MAX, 0, 0, false, 1 },
                { { .fresh = 2, .failing = 1 }, UINT_MAX, 0, 0, false, 1 },
                { { .fresh = 2, .conflict = 1 }, UINT_MAX, 0, 0, false, 1 },
                { { .due = 1, .pending = 1 }, UINT_MAX, 0, 0, true, 0 },
                { { .failing = 1 }, UINT_MAX, 0, 0, true, 1 },
                { { .conflict = 1 }, UINT_MAX, 0, 0, true, 1 },
                /* A write, and the API server, are tried three times; AWS has been, when a round fails. */
                { { .failing = 1 }, 2, 0, 0, false, -1 },
                { { .failing = 1 }, 3, 0, 0, false, 1 },
                { { .pending = 1 }, 0, 2, 0, false, -1 },
                { { .pending = 1 }, 0, 3, 0, false, 1 },
                { { .pending = 1 }, 0, 0, 1, false, 1 },
                /* Something is missing in the Secrets then, or soon will be. */
                { { .fresh = 1 }, UINT_MAX, 3, 1, false, 1 },
                { { .fresh = 1 }, UINT_MAX, 3, 0, false, 0 },
        };

        for (EatrMode mode = EATR_RUN; mode <= EATR_ONCE; mode++)
                for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                        begin_with(mode, cases[i].dry_run);
                        assert_int_equal(exit_code(), -1);
                        cluster.summary = cases[i].summary;
                        cluster.tries = cases[i].tries;
                        cluster.failures = cases[i].failures;
                        cluster.synced = true;
                        registries.failing = cases[i].failing;
                        review();
                        assert_int_equal(exit_code(), mode == EATR_ONCE ? cases[i].code : -1);
                        (void) end(state);
                }
}

/* Each has a say in what is written, so each has its chance; but one that fails is not waited for. */
static void test_once_waits_for_every_registry(void **state)
{
        begin_with(EATR_ONCE, false);
        cluster.synced = true;
        cluster.tries = UINT_MAX;
        cluster.summary.fresh = 1;
        registries.n = 2;
        registries.auths = &auths;
        registries.busy = true;
        review();
        assert_int_equal(exit_code(), -1);
        registries.busy = false;
        review();
        assert_int_equal(exit_code(), 0);
        (void) end(state);

        begin_with(EATR_ONCE, false);
        registries.n = 2;
        registries.auths = &auths;
        registries.failing = 1;
        cluster.tries = 2;
        review();
        assert_int_equal(exit_code(), -1);
        cluster.tries = 3;
        review();
        assert_int_equal(exit_code(), 1);
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
        static const struct {
                bool token_stuck, watch_stuck, keys_stuck, no_token, not_synced;
                const char *aws, *kube;
                bool healthy, ready;
                const char *reason;
        } cases[] = {
                { .healthy = true, .ready = true, .reason = "" },
                { .aws = "no",
                  .healthy = true,
                  .ready = true,
                  .reason = "" }, /* as long as the token is good */
                { .token_stuck = true, .reason = "The renewal of the token is stuck" },
                { .watch_stuck = true, .no_token = true, .reason = "A watch of the API server is stuck" },
                { .keys_stuck = true, .reason = "A watch of the API server is stuck" },
                { .no_token = true, .healthy = true, .reason = "no good token" },
                { .no_token = true, .aws = "no", .healthy = true, .reason = "no good token: no" },
                { .not_synced = true, .healthy = true, .reason = "the API server cannot be used" },
                { .kube = "gone", .healthy = true, .reason = "the API server cannot be used: gone" },
        };
        char reason[EATR_REASON_MAX];

        begin();
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                registries.stalled = cases[i].token_stuck;
                registries.items[0].left = !cases[i].no_token;
                registries.items[0].error = cases[i].aws ? cases[i].aws : "";
                cluster.stalled = cases[i].watch_stuck;
                keyring.stalled = cases[i].keys_stuck;
                cluster.synced = !cases[i].not_synced;
                cluster.error = cases[i].kube ? cases[i].kube : "";
                assert_int_equal(eatr_is_healthy(eatr, reason), cases[i].healthy);
                assert_string_equal(reason, cases[i].healthy ? "" : cases[i].reason);
                assert_int_equal(eatr_is_ready(eatr, reason), cases[i].ready);
                assert_string_equal(reason, cases[i].reason);
        }
}

static void test_ready_needs_every_registry(void **state)
{
        char reason[EATR_REASON_MAX];

        begin();
        cluster.synced = true;
        registries.n = 2;
        registries.items[0].left = 1;
        registries.items[1].config = &config_items[1];
        registries.items[1].error = "no";
        assert_true(eatr_is_healthy(eatr, reason));
        assert_false(eatr_is_ready(eatr, reason));
        assert_string_equal(reason, "Registry b: no good token: no");
        registries.items[1].left = 1;
        assert_true(eatr_is_ready(eatr, reason));
        assert_string_equal(reason, "");
}

static void test_where_it_is_required_the_registry_has_to_take_the_token(void **state)
{
        static const struct {
                ConfVerify verify;
                VerifyResult result;
                const char *error, *reason;
        } cases[] = {
                { CONF_VERIFY_REQUIRED, VERIFY_GOOD, "", "" },
                { CONF_VERIFY_REQUIRED, VERIFY_UNKNOWN, "",
                  HOST " is not known to take the token: not asked yet" },
                { CONF_VERIFY_REQUIRED, VERIFY_UNCLEAR, "no answer",
                  HOST " is not known to take the token: no answer" },
                { CONF_VERIFY_REQUIRED, VERIFY_REFUSED, "HTTP 401",
                  HOST " is not known to take the token: HTTP 401" },
                { CONF_VERIFY_YES, VERIFY_REFUSED, "HTTP 401", "" },
                { CONF_VERIFY_YES, VERIFY_UNCLEAR, "no answer", "" },
                { CONF_VERIFY_NO, VERIFY_UNKNOWN, "", "" },
        };
        RegistryConfig config = { .label = (char *) "" };
        char reason[EATR_REASON_MAX];

        begin();
        cluster.synced = true;
        registries.items[0].token = &token;
        registries.items[0].left = 1;
        registries.items[0].config = &config;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                config.verify = cases[i].verify;
                registries.items[0].verified = cases[i].result;
                registries.items[0].verify_error = cases[i].error;
                assert_int_equal(eatr_is_ready(eatr, reason), !*cases[i].reason);
                assert_string_equal(reason, cases[i].reason);
        }
        config.verify = CONF_VERIFY_REQUIRED;
        registries.items[0].is_public = true;
        assert_true(eatr_is_ready(eatr, reason));
}

static void test_the_watchdog_is_fed_while_nothing_is_stuck(void **state)
{
        static const char line[] = "3 The renewal of the token is stuck; leaving it to the watchdog\n";

        begin();
        assert_null(eatr->watchdog);
        (void) end(state);

        assert_return_code(setenv("WATCHDOG_USEC", "3000000", 1), errno);
        begin();
        assert_int_equal(eatr->watchdog_interval, USEC_PER_SEC);
        for (unsigned i = 0; i < 3; i++) {
                forget();
                wait_told("\nWATCHDOG=1\n");
        }
        registries.stalled = true;
        forget();
        wait_for(&registries.n_asked, registries.n_asked + 5);
        assert_null(strstr(told, "WATCHDOG"));
        assert_string_equal(said, line); /* once */
        registries.stalled = false;
        wait_told("\nWATCHDOG=1\n");
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
        forget();
        cluster.summary = (ClusterSummary){ .failing = 1, .conflict = 2 };
        give(&registries, &token, &auths);
        review();
        assert_non_null(startswith(said, "4 Pass done in "));
        assert_non_null(
                strstr(said, ": 0 Secrets created, 0 renewed; 1 namespaces failing, 2 in conflict\n"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, end)
        const struct CMUnitTest tests[] = {
                TEST(test_each_half_is_handed_its_part),
                TEST(test_without_a_half_there_is_no_whole),
                TEST(test_all_tokens_are_stored),
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
                TEST(test_once_waits_for_every_registry),
                TEST(test_signals_end_it),
                TEST(test_health),
                TEST(test_ready_needs_every_registry),
                TEST(test_where_it_is_required_the_registry_has_to_take_the_token),
                TEST(test_the_watchdog_is_fed_while_nothing_is_stuck),
                TEST(test_each_pass_is_told_of),
        };

        return cmocka_run_group_tests(tests, open_notify_socket, close_notify_socket);
}
