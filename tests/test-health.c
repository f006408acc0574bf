/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "health.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define HOST "0.dkr.ecr.eu-west-1.amazonaws.com"

/* --- who is asked is the test's ---------------------------------------------------------------------- */

struct Cluster {
        bool stalled, synced;
        const char *error;
        ClusterSummary summary;
};

struct Keyring {
        bool stalled;
};

struct Registry {
        const RegistryConfig *config;
        Token *token;
        usec_t left;
        const char *error;
        bool is_public; /* it cannot be asked then */
        VerifyResult verified;
        const char *verify_error;
};

struct Registries {
        struct Registry items[2];
        size_t n;
        bool stalled;
};

/* A getter, and what it returns. */
#define SAYS(type, name, of, what) \
        type name(const of *x)     \
        {                          \
                return what;       \
        }

SAYS(bool, cluster_synced, Cluster, x->synced)
SAYS(const char *, cluster_error, Cluster, x->error)

void cluster_summary(const Cluster *c, ClusterSummary *ret)
{
        *ret = c->summary;
}

SAYS(size_t, registries_count, Registries, x->n)

const Registry *registries_get(const Registries *r, size_t i)
{
        return &r->items[i];
}

SAYS(const RegistryConfig *, registry_config, Registry, x->config)
SAYS(Token *, registry_token, Registry, x->token)
SAYS(usec_t, registry_token_left, Registry, x->left)
SAYS(const char *, registry_error, Registry, x->error)
SAYS(const Verify *, registry_verify, Registry, x->is_public ? NULL : (const Verify *) x)

VerifyResult verify_result(const Verify *v)
{
        return v ? ((const Registry *) v)->verified : VERIFY_UNKNOWN;
}

const char *verify_error(const Verify *v)
{
        return v ? ((const Registry *) v)->verify_error : "";
}

#define NOW (7 * USEC_PER_DAY)

#define IS_STALLED(name, of)                \
        bool name(const of *x, usec_t now)  \
        {                                   \
                assert_int_equal(now, NOW); \
                return x->stalled;          \
        }

IS_STALLED(cluster_stalled, Cluster)
IS_STALLED(keyring_stalled, Keyring)
IS_STALLED(registries_stalled, Registries)

/* --- one registry, and nothing is wrong -------------------------------------------------------------- */

static const RegistryConfig first = { .label = (char *) "" }, second = { .label = (char *) "Registry b: " };
static Token token = { .n_ref = 1, .host = (char *) HOST };
static struct Cluster cluster;
static struct Keyring keyring;
static struct Registries registries;

static int setup(void **state)
{
        cluster = (struct Cluster){ .error = "", .synced = true };
        keyring = (struct Keyring){ 0 };
        registries = (struct Registries){ .n = 1 };
        for (size_t i = 0; i < ELEMENTSOF(registries.items); i++)
                registries.items[i] = (struct Registry){
                        .config = i ? &second : &first,
                        .token = &token,
                        .left = 1,
                        .error = "",
                        .verify_error = "",
                };
        return 0;
}

static bool is_alive(char reason[static HEALTH_REASON_MAX])
{
        return health_is_alive(&registries, &keyring, &cluster, NOW, reason);
}

static bool is_ready(char reason[static HEALTH_REASON_MAX])
{
        return health_is_ready(&registries, &cluster, reason);
}

static void test_what_is_wrong(void **state)
{
        static const struct {
                bool token_stuck, watch_stuck, keys_stuck, no_token, not_synced, unwritable, some_fresh;
                const char *aws, *kube;
                bool healthy, ready;
                const char *reason;
        } cases[] = {
                { .healthy = true, .ready = true, .reason = "" },
                { .aws = "no",
                  .healthy = true,
                  .ready = true,
                  .reason = "" }, /* as long as the token is good */
                { .token_stuck = true, .ready = true, .reason = "The renewal of the token is stuck" },
                { .watch_stuck = true, .no_token = true, .reason = "A watch of the API server is stuck" },
                { .keys_stuck = true, .ready = true, .reason = "A watch of the API server is stuck" },
                { .no_token = true, .healthy = true, .reason = "no good token" },
                { .no_token = true, .aws = "no", .healthy = true, .reason = "no good token: no" },
                { .not_synced = true, .healthy = true, .reason = "the API server cannot be used" },
                { .unwritable = true, .some_fresh = true, .healthy = true, .ready = true, .reason = "" },
                { .unwritable = true, .healthy = true, .reason = "no Secret can be written" },
                { .kube = "gone", .healthy = true, .reason = "the API server cannot be used: gone" },
        };
        char reason[HEALTH_REASON_MAX];

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                registries.stalled = cases[i].token_stuck;
                registries.items[0].left = !cases[i].no_token;
                registries.items[0].error = cases[i].aws ? cases[i].aws : "";
                cluster.stalled = cases[i].watch_stuck;
                keyring.stalled = cases[i].keys_stuck;
                cluster.synced = !cases[i].not_synced;
                cluster.summary.failing = cases[i].unwritable;
                cluster.summary.due = cases[i].some_fresh;
                cluster.error = cases[i].kube ? cases[i].kube : "";
                assert_int_equal(is_alive(reason), cases[i].healthy);
                assert_string_equal(reason, cases[i].healthy ? "" : cases[i].reason);
                assert_int_equal(is_ready(reason), cases[i].ready);
                if (cases[i].healthy)
                        assert_string_equal(reason, cases[i].reason);
        }
}

static void test_ready_needs_every_registry(void **state)
{
        char reason[HEALTH_REASON_MAX];

        registries.n = 2;
        registries.items[1].left = 0;
        registries.items[1].error = "no";
        assert_true(is_alive(reason));
        assert_false(is_ready(reason));
        assert_string_equal(reason, "Registry b: no good token: no");
        registries.items[1].left = 1;
        assert_true(is_ready(reason));
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
                  HOST " is not known to take the token: it has not answered yet" },
                { CONF_VERIFY_REQUIRED, VERIFY_UNCLEAR, "no answer",
                  HOST " is not known to take the token: no answer" },
                { CONF_VERIFY_REQUIRED, VERIFY_REFUSED, "HTTP 401",
                  HOST " is not known to take the token: HTTP 401" },
                { CONF_VERIFY_YES, VERIFY_REFUSED, "HTTP 401", "" },
                { CONF_VERIFY_YES, VERIFY_UNCLEAR, "no answer", "" },
                { CONF_VERIFY_NO, VERIFY_UNKNOWN, "", "" },
        };
        RegistryConfig config = { .label = (char *) "" };
        char reason[HEALTH_REASON_MAX];

        registries.items[0].config = &config;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                config.verify = cases[i].verify;
                registries.items[0].verified = cases[i].result;
                registries.items[0].verify_error = cases[i].error;
                assert_int_equal(is_ready(reason), !*cases[i].reason);
                assert_string_equal(reason, cases[i].reason);
        }
        config.verify = CONF_VERIFY_REQUIRED;
        registries.items[0].is_public = true;
        assert_true(is_ready(reason));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, setup)
        const struct CMUnitTest tests[] = {
                TEST(test_what_is_wrong),
                TEST(test_ready_needs_every_registry),
                TEST(test_where_it_is_required_the_registry_has_to_take_the_token),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
