/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "said.h"

#define log_full said_log
#include "progress.c"
#undef log_full

#include <limits.h>
#include <setjmp.h>

#include <cmocka.h>

/* --- both halves are the test's ---------------------------------------------------------------------- */

struct Cluster {
        ClusterSummary summary;
        AccountSummary accounts;
        unsigned tries, failures;
        const char *error, *accounts_error;
};

struct Registries {
        Auths *auths;
        size_t failing, lacking;
        bool unsettled;
};

/* A getter, and what it returns. */
#define SAYS(type, name, of, what) \
        type name(const of *x)     \
        {                          \
                return what;       \
        }

SAYS(const char *, cluster_error, Cluster, x->error)
SAYS(unsigned, cluster_failures, Cluster, x->failures)
SAYS(const Accounts *, cluster_accounts, Cluster, (const Accounts *) x)
SAYS(const char *, accounts_error, Accounts, ((const Cluster *) x)->accounts_error)
SAYS(Auths *, registries_auths, Registries, x->auths)
SAYS(size_t, registries_failing, Registries, x->failing)
SAYS(bool, registries_settled, Registries, !x->unsettled)
SAYS(size_t, registries_count, Registries, 2)
SAYS(size_t, registries_good, Registries, 2 - x->lacking)

void cluster_summary(const Cluster *c, ClusterSummary *ret)
{
        *ret = c->summary;
}

void accounts_summary(const Accounts *a, AccountSummary *ret)
{
        *ret = ((const Cluster *) a)->accounts;
}

bool cluster_settled(const Cluster *c, unsigned tries)
{
        return c->tries >= tries;
}

/* --- the first pass ---------------------------------------------------------------------------------- */

static Auths auths;
static Cluster cluster;
static Registries registries;

static int set_up(void **state)
{
        cluster = (Cluster){ .error = "", .accounts_error = "" };
        registries = (Registries){ 0 };
        said[0] = '\0';
        return 0;
}

static bool is_tried(void)
{
        return progress_is_first_pass_tried(&registries, &cluster);
}

static void test_the_first_pass(void **state)
{
        assert_false(is_tried());
        registries.failing = 1;
        assert_true(is_tried());
        registries.auths = &auths; /* it goes on with what the others gave */
        assert_false(is_tried());
        cluster.tries = 1;
        assert_true(is_tried());
        cluster.tries = 0;
        cluster.failures = 1;
        assert_true(is_tried());
}

/* --- one pass ---------------------------------------------------------------------------------------- */

static int one_pass(void)
{
        return progress_of_one_pass(&registries, &cluster, false);
}

static void test_one_pass(void **state)
{
        static const struct {
                ClusterSummary summary;
                unsigned tries, failures, failing;
                bool dry_run;
                int result;
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
                { { .failing = 1 }, 2, 0, 0, false, -EAGAIN },
                { { .failing = 1 }, 3, 0, 0, false, 1 },
                { { .pending = 1 }, 0, 2, 0, false, -EAGAIN },
                { { .pending = 1 }, 0, 3, 0, false, 1 },
                { { .pending = 1 }, 0, 0, 1, false, 1 },
                /* Something is missing in the Secrets then, or soon will be. */
                { { .fresh = 1 }, UINT_MAX, 3, 1, false, 1 },
                { { .fresh = 1 }, UINT_MAX, 3, 0, false, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                cluster.summary = cases[i].summary;
                cluster.tries = cases[i].tries;
                cluster.failures = cases[i].failures;
                registries.failing = cases[i].failing;
                assert_int_equal(progress_of_one_pass(&registries, &cluster, cases[i].dry_run),
                                 cases[i].result);
        }
}

/* What cannot be done for service accounts is no success, though every Secret is fresh. */
static void test_service_accounts(void **state)
{
        static const struct {
                AccountSummary accounts;
                const char *error;
                bool dry_run;
                int result;
        } cases[] = {
                { { .good = 2 }, "", false, 0 },
                { { .good = 2, .failing = 1 }, "", false, 1 },
                { { .good = 2, .fought = 1 }, "", false, 1 },
                { { .good = 2, .pending = 1 }, "", false, 1 },
                { { .pending = 1 }, "", true, 0 },
                { { .good = 2 }, "forbidden", false, 1 },
        };

        cluster.summary.fresh = 1;
        cluster.tries = UINT_MAX;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                cluster.accounts = cases[i].accounts;
                cluster.accounts_error = cases[i].error;
                assert_int_equal(progress_of_one_pass(&registries, &cluster, cases[i].dry_run),
                                 cases[i].result);
        }
}

/* Each has a say in what is written, so each has its chance; but one that fails is not waited for. */
static void test_every_registry_is_waited_for(void **state)
{
        cluster.tries = UINT_MAX;
        cluster.summary.fresh = 1;
        registries.auths = &auths;
        registries.unsettled = true;
        assert_int_equal(one_pass(), -EAGAIN);
        registries.unsettled = false;
        assert_int_equal(one_pass(), 0);
        registries.lacking = 1;
        assert_int_equal(one_pass(), 1);
        registries.lacking = 0;
        registries.failing = 1;
        cluster.tries = 2;
        assert_int_equal(one_pass(), -EAGAIN);
        cluster.tries = 3;
        assert_int_equal(one_pass(), 1);
        assert_string_equal(said, "");
}

static void test_giving_up(void **state)
{
        registries.failing = 1;
        assert_int_equal(one_pass(), 1);
        assert_string_equal(said, "3 Giving up: no token\n");
        said[0] = '\0';

        /* However long a registry takes whose keys are where nobody comes. */
        registries = (Registries){ .auths = &auths, .unsettled = true };
        cluster.failures = 2;
        assert_int_equal(one_pass(), -EAGAIN);
        cluster.failures = 3;
        cluster.error = "gone";
        assert_int_equal(one_pass(), 1);
        assert_string_equal(said, "3 Giving up: gone\n");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, set_up)
        const struct CMUnitTest tests[] = {
                TEST(test_the_first_pass),   TEST(test_one_pass),
                TEST(test_service_accounts), TEST(test_every_registry_is_waited_for),
                TEST(test_giving_up),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
