/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "kube-auth.c"
#include "status.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* --- both halves are the test's ---------------------------------------------------------------------- */

struct Cluster {
        bool synced;
        ClusterSummary summary;
        const char *error, *accounts_error;
};

struct Registry {
        RegistryConfig config;
        Token token; /* without a host there is none */
        usec_t left, next;
        const char *error;
        VerifyResult verified;
        const char *verify_error;
};

#define REGISTRIES 3

struct Registries {
        struct Registry items[REGISTRIES];
        size_t n;
        Auths *auths;
};

/* A getter, and what it returns. */
#define SAYS(type, name, of, what) \
        type name(const of *x)     \
        {                          \
                return what;       \
        }

SAYS(bool, cluster_synced, Cluster, x->synced)
SAYS(const char *, cluster_error, Cluster, x->error)
SAYS(const Accounts *, cluster_accounts, Cluster, (const Accounts *) x)
SAYS(const char *, accounts_error, Accounts, ((const struct Cluster *) x)->accounts_error)

void cluster_summary(const Cluster *c, ClusterSummary *ret)
{
        *ret = c->summary;
}

SAYS(size_t, registries_count, Registries, x->n)
SAYS(Auths *, registries_auths, Registries, x->auths)

const Registry *registries_get(const Registries *r, size_t i)
{
        return &r->items[i];
}

size_t registries_good(const Registries *r)
{
        size_t n = 0;

        for (size_t i = 0; i < r->n; i++)
                n += r->items[i].left > 0;
        return n;
}

SAYS(const RegistryConfig *, registry_config, Registry, &x->config)
SAYS(Token *, registry_token, Registry, x->token.host ? (Token *) &x->token : NULL)
SAYS(usec_t, registry_token_left, Registry, x->left)
SAYS(usec_t, registry_next_call, Registry, x->next)
SAYS(const char *, registry_error, Registry, x->error)
SAYS(const Verify *, registry_verify, Registry, (const Verify *) x)

VerifyResult verify_result(const Verify *v)
{
        return ((const Registry *) v)->verified;
}

const char *verify_error(const Verify *v)
{
        return ((const Registry *) v)->verify_error;
}

/* --- the line ---------------------------------------------------------------------------------------- */

#define EXPIRES (1795504767 * USEC_PER_SEC) /* 2026-11-24T07:19:27Z */
#define GOOD "good until 2026-11-24T07:19:27Z (6h), next in 3h"
#define TOKEN "; token " GOOD

static struct Cluster cluster;
static struct Registries registries;
static Auths auths;
static const char *reload_problem;

static int setup(void **state)
{
        static const char *const names[REGISTRIES] = { "aws", "b", "c" };

        reload_problem = "";
        cluster = (struct Cluster){ .error = "", .accounts_error = "" };
        registries = (struct Registries){ .n = 1 };
        for (size_t i = 0; i < REGISTRIES; i++)
                registries.items[i] = (struct Registry){
                        .config = { .name = (char *) names[i], .label = (char *) "" },
                        .error = "",
                        .verify_error = "",
                };
        return 0;
}

/* A token that is good for left, and is renewed in the time that is named. */
static void give(size_t i, usec_t left, usec_t next)
{
        struct Registry *r = &registries.items[i];

        r->token.host = (char *) "0.dkr.ecr.eu-west-1.amazonaws.com";
        r->token.expires = EXPIRES - 6 * USEC_PER_HOUR + left;
        r->left = left;
        r->next = usec_add(clock_boottime(), next + USEC_PER_MINUTE / 2);
        registries.auths = &auths;
}

static KubeAuth auth;

static void check(const char *expected)
{
        char status[STATUS_MAX];

        status_format(&registries, &auth, &cluster, reload_problem, status);
        assert_string_equal(status, expected);
}

static void test_a_reload_that_was_refused(void **state)
{
        reload_problem = "/etc/eatr/eatr.conf:3: unknown key \"regoin\"\nin [aws]";
        check("waiting for the API server; no token yet; not reloaded: /etc/eatr/eatr.conf:3: unknown key "
              "\"regoin\" in [aws]");
}

static void test_namespaces_and_the_token(void **state)
{
        check("waiting for the API server; no token yet");
        cluster.synced = true;
        check("0 of 0 namespaces have a fresh Secret; no token yet");
        cluster.summary = (ClusterSummary){ .total = 3, .fresh = 2, .pending = 1 };
        check("2 of 3 namespaces have a fresh Secret; no token yet");
        give(0, 0, 0);
        check("2 of 3 namespaces have a fresh Secret; the token has expired");
        give(0, 6 * USEC_PER_HOUR, 3 * USEC_PER_HOUR);
        check("2 of 3 namespaces have a fresh Secret" TOKEN);
        cluster.summary = (ClusterSummary){
                .total = 22, .fresh = 1, .due = 2, .pending = 3, .failing = 4, .conflict = 5, .excluded = 7
        };
        check("3 of 15 namespaces have a fresh Secret (2 due for the next token), 4 failing, 5 in conflict, "
              "7 excluded" TOKEN);
}

static void test_what_is_wrong(void **state)
{
        cluster.synced = true;
        cluster.summary = (ClusterSummary){
                .total = 1, .failing = 1, .failing_name = "team-a", .failing_why = "no\nREADY=1"
        };
        give(0, 6 * USEC_PER_HOUR, 3 * USEC_PER_HOUR);
        check("0 of 1 namespaces have a fresh Secret, 1 failing" TOKEN "; namespace team-a: no READY=1");
        cluster.summary = (ClusterSummary){ .total = 1, .fresh = 1 };
        registries.items[0].error = "no";
        check("1 of 1 namespaces have a fresh Secret" TOKEN "; AWS: no");
        cluster.error = "gone";
        check("1 of 1 namespaces have a fresh Secret" TOKEN "; AWS: no; API server: gone");
        cluster.synced = false;
        registries.items[0].error = "";
        check("waiting for the API server" TOKEN "; API server: gone");

        /* While those that are there are good, nothing else tells. */
        (void) strcpy(auth.problem, "no program");
        check("waiting for the API server" TOKEN "; API server: gone");
        cluster.error = "";
        check("waiting for the API server" TOKEN "; credentials for the API server: no program");
        auth.problem[0] = '\0';
        cluster.accounts_error = "not allowed";
        check("waiting for the API server" TOKEN "; service accounts: not allowed");
}

static void test_a_token_that_is_not_taken(void **state)
{
        struct Registry *r = &registries.items[0];

        r->verified = VERIFY_REFUSED;
        r->verify_error = "HTTP 401";
        check("waiting for the API server; no token yet"); /* it was another's */
        give(0, 6 * USEC_PER_HOUR, 3 * USEC_PER_HOUR);
        check("waiting for the API server" TOKEN
              "; 0.dkr.ecr.eu-west-1.amazonaws.com: does not take the token: HTTP 401");
        r->verified = VERIFY_UNCLEAR; /* that says nothing of pulls */
        check("waiting for the API server" TOKEN);
        r->verified = VERIFY_GOOD;
        check("waiting for the API server" TOKEN);
}

/* The first that expires and the first that is renewed, whichever they are. */
static void test_several_registries(void **state)
{
        registries.n = REGISTRIES;
        for (size_t i = 0; i < REGISTRIES; i++)
                registries.items[i].config.label = (char *) "Registry x: ";
        registries.items[1].error = "no";
        registries.items[0].next = registries.items[1].next = registries.items[2].next = USEC_INFINITY;
        check("waiting for the API server; no token yet; registry b: no");
        give(0, 9 * USEC_PER_HOUR, 3 * USEC_PER_HOUR);
        give(2, 6 * USEC_PER_HOUR, 5 * USEC_PER_HOUR);
        check("waiting for the API server; 2 of 3 tokens " GOOD "; registry b: no");
        give(1, 7 * USEC_PER_HOUR, 4 * USEC_PER_HOUR);
        registries.items[1].error = "";
        registries.items[2].error = "not\tnow";
        check("waiting for the API server; 3 of 3 tokens " GOOD "; registry c: not now");
        for (size_t i = 0; i < REGISTRIES; i++)
                give(i, 0, 0);
        registries.items[2].error = "";
        check("waiting for the API server; all tokens have expired");
}

static void test_it_has_an_end(void **state)
{
        _cleanup_free_ char *expected = NULL;
        char longest[512], name[64], status[STATUS_MAX];

        memset(longest, 'x', sizeof(longest));
        longest[sizeof(longest) - 1] = '\0';
        memset(name, 'n', sizeof(name));
        name[sizeof(name) - 1] = '\0';
        give(0, 6 * USEC_PER_HOUR, 3 * USEC_PER_HOUR);
        registries.items[0].error = cluster.error = longest;
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
        expected =
                str_printf("4294967294 of 4294967291 namespaces have a fresh Secret (4294967295 due for the "
                           "next token), 4294967295 failing, 4294967295 in conflict, 4294967295 "
                           "excluded" TOKEN "; AWS: %.300s; API server: %.300s; namespace %s: %.300s",
                           longest, longest, name, longest);
        check(expected);

        /* However many there are that fail. */
        registries.n = REGISTRIES;
        for (size_t i = 0; i < REGISTRIES; i++) {
                registries.items[i].config.label = (char *) "Registry x: ";
                registries.items[i].config.name = name;
                give(i, 6 * USEC_PER_HOUR, 3 * USEC_PER_HOUR);
                registries.items[i].error = longest;
                registries.items[i].verified = VERIFY_REFUSED;
                registries.items[i].verify_error = longest;
        }
        status_format(&registries, &auth, &cluster, reload_problem, status);
        assert_int_equal(strlen(status), STATUS_MAX - 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, setup)
        const struct CMUnitTest tests[] = {
                TEST(test_namespaces_and_the_token),
                TEST(test_a_reload_that_was_refused),
                TEST(test_what_is_wrong),
                TEST(test_a_token_that_is_not_taken),
                TEST(test_several_registries),
                TEST(test_it_has_an_end),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
