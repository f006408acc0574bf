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
        const char *value; /* that it was given last */
        unsigned n_auths, n_asked;

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

static struct Registry {
        registry_changed_t changed;
        void *userdata;
        const ConfAws *conf;
        usec_t interval;
        RegistryPast past; /* that it was given */
        int new_result;
        unsigned n_asked;

        Token *token;
        usec_t left, next;
        unsigned failures;
        const char *error;
        bool stalled;
} registry;

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
        assert_int_equal(auths->n, 1);
        assert_string_equal(auths->items[0].host, HOST);
        c->value = auths->items[0].value;
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
        cluster.n_asked++;
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

int registry_new(sd_event *event, const ConfAws *conf, usec_t interval, const RegistryPast *past,
                 registry_changed_t changed, void *userdata, Registry **ret)
{
        if (registry.new_result < 0)
                return registry.new_result;
        n_alive++;
        registry.conf = conf;
        registry.interval = interval;
        registry.past = past ? *past : (RegistryPast){ 0 };
        registry.changed = changed;
        registry.userdata = userdata;
        *ret = &registry;
        return 0;
}

static const TokenOrigin origin = { "0123456789abcdef", "fedcba9876543210" };

void registry_past(const Registry *r, RegistryPast *ret)
{
        *ret = (RegistryPast){ .token = r->token, .origin = origin };
}

SAYS(Token *, registry_token, Registry, x->token)
SAYS(usec_t, registry_token_left, Registry, x->left)
SAYS(usec_t, registry_next_call, Registry, x->next)
SAYS(const char *, registry_error, Registry, x->error)
SAYS(unsigned, registry_failures, Registry, x->failures)

bool registry_stalled(const Registry *r, usec_t now)
{
        registry.n_asked++;
        return r->stalled;
}

Registry *registry_free(Registry *r)
{
        n_alive -= r != NULL;
        return NULL;
}

/* --- the store, too ---------------------------------------------------------------------------------- */

static TokenStore store;
static int store_result;
static const Token *stored;
static TokenOrigin stored_origin;

int token_store_save(TokenStore *s, const Token *t, const TokenOrigin *o)
{
        assert_ptr_equal(s, &store);
        stored = t;
        stored_origin = *o;
        return store_result;
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
static Token token = { .n_ref = 1, .host = (char *) HOST, .value = (char *) "YTpi", .expires = EXPIRES };

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
        wait_for(&cluster.n_asked, cluster.n_asked + 1);
}

static void begin_with(EatrMode mode, bool dry_run)
{
        const EatrConfig config = {
                .conf = &conf, .kube = &kube, .mode = mode, .dry_run = dry_run, .store = &store
        };

        cluster = another_cluster = (Cluster){ .error = "" };
        registry = (Registry){ .error = "" };
        n_clusters = 0;
        stored = NULL;
        store_result = 0;
        forget();
        assert_return_code(sd_event_new(&event), 0);
        assert_return_code(eatr_new(event, &config, &eatr), 0);
        wait_for(&cluster.n_asked, 1);
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
        assert_ptr_equal(eatr_registry(eatr), &registry);
        assert_ptr_equal(registry.conf, &conf.aws);
        assert_int_equal(registry.interval, 7);
        assert_ptr_equal(cluster.config.namespaces, &conf.namespaces);
        assert_ptr_equal(cluster.config.writer.kube, &kube);
        assert_ptr_equal(cluster.config.writer.renewal, &conf.renewal);
        assert_string_equal(cluster.config.writer.secret_name, "ecr");
        assert_true(cluster.config.writer.dry_run);
        assert_in_range(eatr_started(eatr), before, clock_now());
}

static void test_without_a_half_there_is_no_whole(void **state)
{
        const EatrConfig config = { .conf = &conf, .kube = &kube };

        assert_return_code(sd_event_new(&event), 0);
        n_clusters = 0;
        registry.new_result = -ENOMEM;
        assert_int_equal(eatr_new(event, &config, &eatr), -ENOMEM);
        n_clusters = 0;
        cluster.new_result = -EINVAL;
        assert_int_equal(eatr_new(event, &config, &eatr), -EINVAL);
        assert_null(eatr);
        assert_int_equal(n_alive, 0);
}

static void test_a_new_token_is_stored(void **state)
{
        begin();
        registry.changed(&registry, registry.userdata);
        assert_null(stored);
        registry.token = &token;
        registry.changed(&registry, registry.userdata);
        assert_ptr_equal(stored, &token);
        assert_string_equal(stored_origin.keys, origin.keys);

        stored = NULL;
        registry.failures = 1;
        registry.changed(&registry, registry.userdata);
        assert_null(stored);

        forget();
        registry.failures = 0;
        store_result = -ECONNREFUSED;
        registry.changed(&registry, registry.userdata);
        assert_string_equal(
                said, "4 systemd cannot keep the token, a restart will need AWS: Connection refused\n");
        assert_int_equal(cluster.n_auths, 2);
}

/* The registry decides whether it is of use. */
static void test_a_stored_token_is_used_at_once(void **state)
{
        const EatrConfig config = { .conf = &conf, .kube = &kube, .store = &store };

        store.token = &token;
        store.origin = origin;
        cluster = (Cluster){ .error = "" };
        registry = (Registry){ .error = "", .token = &token };
        n_clusters = 0;
        assert_return_code(sd_event_new(&event), 0);
        assert_return_code(eatr_new(event, &config, &eatr), 0);
        store.token = NULL;
        assert_ptr_equal(registry.past.token, &token);
        assert_memory_equal(&registry.past.origin, &origin, sizeof(origin));
        assert_ptr_equal(cluster.value, token.value);
}

/* --- a reload ---------------------------------------------------------------------------------------- */

static Conf new_conf = { .secret = { .name = (char *) "ecr" },
                         .renewal = { .auth_token_renewal_interval = 9 } };
static KubeConfig new_kube;
static Token new_token = { .n_ref = 1, .host = (char *) HOST, .value = (char *) "YTpj", .expires = EXPIRES };

static void test_a_reload_keeps_what_need_not_end(void **state)
{
        const EatrConfig config = { .conf = &new_conf, .kube = &kube, .mode = EATR_RUN, .store = &store };

        begin();
        registry.token = &token;
        assert_return_code(eatr_reload(eatr, &config), 0);
        assert_int_equal(n_alive, 2);
        assert_int_equal(n_clusters, 1);
        assert_int_equal(cluster.n_reloads, 1);
        assert_ptr_equal(cluster.config.namespaces, &new_conf.namespaces);
        assert_ptr_equal(cluster.config.writer.renewal, &new_conf.renewal);
        assert_ptr_equal(registry.conf, &new_conf.aws);
        assert_int_equal(registry.interval, 9);
        assert_ptr_equal(registry.past.token, &token);
}

static void check_replaced(const EatrConfig *config)
{
        begin();
        registry.token = &token;
        assert_return_code(eatr_reload(eatr, config), 0);
        assert_int_equal(n_alive, 2);
        assert_int_equal(n_clusters, 2);
        assert_ptr_equal(another_cluster.value, token.value);
        assert_ptr_equal(another_cluster.took_over, &cluster);
        assert_ptr_equal(another_cluster.config.writer.kube, config->kube);
        assert_ptr_equal(eatr_cluster(eatr), &another_cluster);
        registry.token = &new_token;
        registry.changed(&registry, registry.userdata);
        assert_ptr_equal(another_cluster.value, new_token.value);
        (void) end(NULL);
}

static void test_another_cluster_or_name_needs_watches_of_its_own(void **state)
{
        const EatrConfig other_kube = { .conf = &new_conf, .kube = &new_kube };
        const EatrConfig other_name = { .conf = &new_conf, .kube = &kube };

        check_replaced(&other_kube);
        new_conf.secret.name = (char *) "pull";
        check_replaced(&other_name);
        new_conf.secret.name = (char *) "ecr";
}

static void test_a_reload_that_fails_changes_nothing(void **state)
{
        const EatrConfig config = { .conf = &new_conf, .kube = &new_kube };

        begin();
        registry.token = &token;
        another_cluster.new_result = -ENOMEM;
        assert_int_equal(eatr_reload(eatr, &config), -ENOMEM);
        another_cluster.new_result = 0;
        another_cluster.set_auths_result = -EMSGSIZE;
        assert_int_equal(eatr_reload(eatr, &config), -EMSGSIZE);
        registry.new_result = -EINVAL;
        assert_int_equal(eatr_reload(eatr, &config), -EINVAL);
        assert_ptr_equal(eatr_cluster(eatr), &cluster);
        assert_int_equal(cluster.n_reloads, 0);
        assert_int_equal(n_alive, 2);
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
        registry.changed(&registry, registry.userdata);
        assert_int_equal(cluster.n_auths, 0);
        registry.token = &token;
        registry.changed(&registry, registry.userdata);
        assert_ptr_equal(cluster.value, token.value);
        registry.failures = 1; /* that one is known */
        registry.changed(&registry, registry.userdata);
        assert_int_equal(cluster.n_auths, 1);

        registry.failures = 0;
        cluster.set_auths_result = -EMSGSIZE;
        registry.changed(&registry, registry.userdata);
        assert_string_equal(
                said, "3 Cannot use the new token, keeping the old one until the next: Message too long\n");
}

/* --- the status line --------------------------------------------------------------------------------- */

static void assert_status(const char *text)
{
        _cleanup_free_ char *message = str_printf("\nSTATUS=%s\n", text);

        review();
        assert_string_equal(told, message);
        forget();
}

static void test_the_status_line(void **state)
{
        _cleanup_free_ char *status = NULL;
        char longest[512], name[64];

        begin();
        assert_string_equal(told, "\nSTATUS=waiting for the API server; no token yet\n");
        forget();
        cluster.synced = true;
        assert_status("0 of 0 namespaces have a fresh Secret; no token yet");
        cluster.summary = (ClusterSummary){ .total = 3, .fresh = 2, .pending = 1 };
        assert_status("2 of 3 namespaces have a fresh Secret; no token yet");
        registry.token = &token;
        assert_status("2 of 3 namespaces have a fresh Secret; the token has expired");
        registry.left = 6 * USEC_PER_HOUR;
        registry.next = clock_boottime() + 3 * USEC_PER_HOUR + USEC_PER_MINUTE / 2;
#define TOKEN "; token good until 2026-11-24T07:19:27Z (6h), next in 3h"
        assert_status("2 of 3 namespaces have a fresh Secret" TOKEN);
        cluster.summary = (ClusterSummary){
                .total = 22, .fresh = 1, .due = 2, .pending = 3, .failing = 4, .conflict = 5, .excluded = 7
        };
        assert_status("3 of 15 namespaces have a fresh Secret (2 due for the next token), 4 failing, 5 in "
                      "conflict, 7 excluded" TOKEN);
        cluster.summary.failing_name = "team-a";
        cluster.summary.failing_why = "no\nREADY=1";
        assert_status("3 of 15 namespaces have a fresh Secret (2 due for the next token), 4 failing, 5 in "
                      "conflict, 7 excluded" TOKEN "; namespace team-a: no READY=1");
        cluster.summary = (ClusterSummary){ .total = 1, .fresh = 1 };
        registry.error = "no";
        assert_status("1 of 1 namespaces have a fresh Secret" TOKEN "; AWS: no");
        cluster.error = "gone";
        assert_status("1 of 1 namespaces have a fresh Secret" TOKEN "; AWS: no; API server: gone");
        cluster.synced = false;
        registry.error = "";
        assert_status("waiting for the API server" TOKEN "; API server: gone");

        /* The longest there can be. */
        memset(longest, 'x', sizeof(longest));
        longest[sizeof(longest) - 1] = '\0';
        memset(name, 'n', sizeof(name));
        name[sizeof(name) - 1] = '\0';
        registry.error = cluster.error = longest;
        cluster.synced = true;
        cluster.summary = (ClusterSummary){ .total = 1,
                                            .fresh = UINT_MAX,
                                            .due = UINT_MAX,
                                            .pending = UINT_MAX,
                                            .failing = UINT_MAX,
                                            .conflict = UINT_MAX,
                                            .excluded = UINT_MAX,
                                            .failing_name = name,
                                            .failing_why = longest };
        status = str_printf(
                "4294967294 of 4294967291 namespaces have a fresh Secret (4294967295 due for the next "
                "token), 4294967295 failing, 4294967295 in conflict, 4294967295 excluded" TOKEN
                "; AWS: %.300s; API server: %.300s; namespace %s: %.300s",
                longest, longest, name, longest);
        assert_status(status);
        review(); /* it is no news any more */
        assert_string_equal(told, "\n");
}

/* --- READY ------------------------------------------------------------------------------------------- */

static void test_ready_when_the_first_pass_has_been_tried(void **state)
{
        unsigned *const reasons[] = { &registry.failures, &cluster.failures, &cluster.tries };

        for (size_t i = 0; i < ELEMENTSOF(reasons); i++) {
                begin();
                cluster.synced = true;
                registry.token = &token;
                review();
                assert_null(strstr(told, "READY"));
                *reasons[i] = 1;
                forget();
                cluster.summary.total = cluster.summary.fresh = 1;
                review();
                /* Whoever waited reads the line that belongs to it, and no second READY is told. */
                assert_string_equal(told,
                                    "\nSTATUS=1 of 1 namespaces have a fresh Secret; the token has expired\n"
                                    "READY=1\n");
                *reasons[i] = 0;
                review();
                *reasons[i] = 2;
                review();
                assert_null(strstr(strstr(told, "READY") + 1, "READY"));
                (void) end(state);
        }
}

static void test_ready_in_time_whatever_happens(void **state)
{
        usec_t begun = clock_boottime();

        ready_soon = true;
        begin();
        ready_soon = false;
        wait_told("\nREADY=1\n");
        assert_true(clock_boottime() >= begun + 30 * USEC_PER_SEC / SPEED);
        assert_string_equal(told, "\nSTATUS=waiting for the API server; no token yet\nREADY=1\n");
        assert_int_equal(exit_code(), -1);
}

/* --- when it ends ------------------------------------------------------------------------------------ */

static void test_once_ends_when_all_has_been_tried(void **state)
{
        static const struct {
                ClusterSummary summary;
                unsigned tries, failures, registry_failures;
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
                { { .fresh = 1 }, UINT_MAX, 3, 1, false, 0 },
        };

        for (EatrMode mode = EATR_RUN; mode <= EATR_ONCE; mode++)
                for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                        begin_with(mode, cases[i].dry_run);
                        assert_int_equal(exit_code(), -1);
                        cluster.summary = cases[i].summary;
                        cluster.tries = cases[i].tries;
                        cluster.failures = cases[i].failures;
                        cluster.synced = true;
                        registry.failures = cases[i].registry_failures;
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
        static const struct {
                bool token_stuck, watch_stuck, no_token, not_synced;
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
                { .no_token = true, .healthy = true, .reason = "no good token" },
                { .no_token = true, .aws = "no", .healthy = true, .reason = "no good token: no" },
                { .not_synced = true, .healthy = true, .reason = "the API server cannot be used" },
                { .kube = "gone", .healthy = true, .reason = "the API server cannot be used: gone" },
        };
        char reason[EATR_REASON_MAX];

        begin();
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                registry.stalled = cases[i].token_stuck;
                registry.left = !cases[i].no_token;
                registry.error = cases[i].aws ? cases[i].aws : "";
                cluster.stalled = cases[i].watch_stuck;
                cluster.synced = !cases[i].not_synced;
                cluster.error = cases[i].kube ? cases[i].kube : "";
                assert_int_equal(eatr_is_healthy(eatr, reason), cases[i].healthy);
                assert_string_equal(reason, cases[i].healthy ? "" : cases[i].reason);
                assert_int_equal(eatr_is_ready(eatr, reason), cases[i].ready);
                assert_string_equal(reason, cases[i].reason);
        }
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
        registry.stalled = true;
        forget();
        wait_for(&registry.n_asked, registry.n_asked + 5);
        assert_null(strstr(told, "WATCHDOG"));
        assert_string_equal(said, line); /* once */
        registry.stalled = false;
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
        registry.token = &token;
        registry.changed(&registry, registry.userdata);
        review();
        assert_string_equal(said, "");
        cluster.tries = 1;
        cluster.stats = (WriterStats){ .created = 7, .renewed = 9 };
        review();
        assert_non_null(startswith(said, "6 Pass done in "));
        assert_non_null(strstr(said, ": 2 Secrets created, 3 renewed\n"));

        forget();
        registry.changed(&registry, registry.userdata);
        review();
        review();
        assert_string_equal(said, "6 Pass done: every Secret is good as it is\n");
        forget();
        cluster.summary = (ClusterSummary){ .failing = 1, .conflict = 2 };
        registry.changed(&registry, registry.userdata);
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
                TEST(test_a_new_token_is_stored),
                TEST(test_a_stored_token_is_used_at_once),
                TEST(test_a_reload_keeps_what_need_not_end),
                TEST(test_another_cluster_or_name_needs_watches_of_its_own),
                TEST(test_a_reload_that_fails_changes_nothing),
                TEST(test_systemd_is_told_of_a_reload_once_the_start_has_ended),
                TEST(test_writes_under_way_may_end),
                TEST(test_but_not_for_ever),
                TEST(test_a_second_signal_does_not_wait),
                TEST(test_a_new_token_goes_to_the_cluster),
                TEST(test_the_status_line),
                TEST(test_ready_when_the_first_pass_has_been_tried),
                TEST(test_ready_in_time_whatever_happens),
                TEST(test_once_ends_when_all_has_been_tried),
                TEST(test_signals_end_it),
                TEST(test_health),
                TEST(test_the_watchdog_is_fed_while_nothing_is_stuck),
                TEST(test_each_pass_is_told_of),
        };

        return cmocka_run_group_tests(tests, open_notify_socket, close_notify_socket);
}
