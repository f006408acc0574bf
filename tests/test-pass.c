/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "said.h"

#define log_full said_log
#include "pass.c"
#undef log_full

#include <setjmp.h>

#include <cmocka.h>

#define BEGUN USEC_PER_HOUR
#define ENDED (BEGUN + 1500 * USEC_PER_MSEC)

static void check(uint64_t created, uint64_t renewed, const ClusterSummary *summary, const char *expected)
{
        WriterStats stats = { .created = 5, .renewed = 6 };
        Pass p = { 0 };

        said[0] = '\0';
        assert_false(pass_is_under_way(&p));
        pass_begin(&p, &stats, BEGUN);
        assert_true(pass_is_under_way(&p));
        stats.created += created;
        stats.renewed += renewed;
        pass_end(&p, &stats, summary, ENDED);
        assert_false(pass_is_under_way(&p));
        assert_string_equal(said, expected);
        assert_string_equal(said_id, MESSAGE_PASS_DONE);
}

static void test_what_came_of_it(void **state)
{
        check(0, 0, &(ClusterSummary){ .fresh = 1 }, "6 Pass done: every Secret is good as it is\n");
        check(2, 3, &(ClusterSummary){ .fresh = 5, .pending = 1 },
              "6 Pass done in 1s: 2 Secrets created, 3 renewed\n");
        check(0, 0, &(ClusterSummary){ .pending = 4 },
              "6 Pass done: 4 namespaces have yet to get a Secret\n");
        check(0, 1, &(ClusterSummary){ .failing = 1 },
              "4 Pass done in 1s: 0 Secrets created, 1 renewed; 1 namespaces failing, 0 in conflict\n");
        check(1, 0, &(ClusterSummary){ .conflict = 2, .pending = 1 },
              "4 Pass done in 1s: 1 Secrets created, 0 renewed; 0 namespaces failing, 2 in conflict\n");
}

/* Newer auths came meanwhile. */
static void test_one_that_begins_anew(void **state)
{
        const ClusterSummary summary = { .fresh = 1 };
        WriterStats stats = { .created = 1 };
        Pass p;

        said[0] = '\0';
        pass_begin(&p, &(WriterStats){ 0 }, BEGUN - USEC_PER_HOUR / 2);
        pass_begin(&p, &stats, BEGUN);
        stats.renewed++;
        pass_end(&p, &stats, &summary, ENDED);
        assert_string_equal(said, "6 Pass done in 1s: 0 Secrets created, 1 renewed\n");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_came_of_it),
                cmocka_unit_test(test_one_that_begins_anew),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
