/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "said.h"

#include <setjmp.h>

#define log_full said_log
#include "targets.c"
#include "writer-log.c"
#undef log_full

#include <cmocka.h> /* comes after what it uses */

#define NOW (1000 * USEC_PER_HOUR)

static int set_up(void **state)
{
        WriterLog *l = calloc(1, sizeof(*l));

        assert_non_null(l);
        l->secret_name = "ecr";
        said[0] = '\0';
        *state = l;
        return 0;
}

static int tear_down(void **state)
{
        free(*state);
        return 0;
}

static Node node(const char *name)
{
        return (Node){ .name = (char *) name };
}

#define assert_said(text)                          \
        do {                                       \
                assert_string_equal(said, (text)); \
                said[0] = '\0';                    \
        } while (0)

static void plan(const WriterLog *l, Node *n, PlanReason reason)
{
        n->plan.reason = reason;
        writer_log_planned(l, n);
}

static void test_a_state_is_told_when_it_begins(void **state)
{
        static const struct {
                PlanReason reason;
                const char *line;
        } states[] = {
                { PLAN_FOREIGN, "4 namespace a: Secret ecr is not eatr's, it was written by helm, leaving "
                                "it; delete it, or choose "
                                "another name in [secret], to have one here\n" },
                { PLAN_REFUSED,
                  "4 namespace a: Secret ecr has another type or is immutable, leaving it; delete it "
                  "to have it written "
                  "anew\n" },
                { PLAN_FIGHTING,
                  "4 namespace a: something keeps changing or deleting Secret ecr, writing it only "
                  "once a minute from "
                  "now on\n" },
        };
        const WriterLog *l = *state;
        Node n = node("a");

        (void) snprintf(n.target.secret.manager, sizeof(n.target.secret.manager), "helm");
        for (size_t i = 0; i < ELEMENTSOF(states); i++) {
                plan(l, &n, states[i].reason);
                assert_said(states[i].line);
                plan(l, &n, states[i].reason);
                assert_said("");
                plan(l, &n, PLAN_FRESH);
                assert_said("");
                plan(l, &n, states[i].reason);
                assert_said(states[i].line);
        }
        for (PlanReason r = 0; r < _PLAN_REASON_MAX; r++)
                if (r != PLAN_FOREIGN && r != PLAN_REFUSED && r != PLAN_FIGHTING)
                        plan(l, &n, r);
        assert_said("");
}

static void test_a_strangers_name_is_not_made_up(void **state)
{
        const WriterLog *l = *state;
        Node n = node("a");

        plan(l, &n, PLAN_FOREIGN);
        assert_said("4 namespace a: Secret ecr is not eatr's, leaving it; delete it, or choose another name "
                    "in [secret], "
                    "to have one here\n");
}

static void test_what_is_written(void **state)
{
        static const struct {
                PlanReason reason;
                bool appeared;
                long code;
                const char *line;
        } writes[] = {
                { PLAN_CREATE, false, 201,
                  "7 namespace a: created Secret ecr\n" }, /* one of a pass's thousands */
                { PLAN_CREATE, true, 201, "6 namespace a: created Secret ecr\n" },
                { PLAN_RENEW, false, 200, "7 namespace a: renewed Secret ecr\n" },
                { PLAN_HEAL, false, 201, "6 namespace a: Secret ecr had been deleted, it is back\n" },
                { PLAN_HEAL, false, 200, "6 namespace a: Secret ecr had been edited, it is back\n" },
        };
        const WriterLog *l = *state;

        for (size_t i = 0; i < ELEMENTSOF(writes); i++) {
                Node n = node("a");

                n.plan.reason = writes[i].reason;
                n.appeared = writes[i].appeared ? NOW : 0;
                writer_log_written(l, &n, writes[i].code);
                assert_said(writes[i].line);
        }
}

/* A first failure or a later one, and when it is tried again. */
static void fail_write(WriterLog *l, Node *n, HttpOutcome outcome, const KubeStatus *status,
                       unsigned failures)
{
        n->target.failures = failures;
        n->target.retry_at = NOW + 30 * USEC_PER_SEC;
        writer_log_failed(l, n, outcome, status, NOW);
}

static void test_what_failed(void **state)
{
        static const struct {
                HttpOutcome outcome;
                KubeStatus status;
                unsigned failures;
                const char *line;
        } cases[] = {
                { HTTP_RETRY,
                  { .code = 500, .message = "it broke" },
                  1,
                  "4 namespace a: cannot write Secret ecr: it broke; trying again in 30s\n" },
                { HTTP_NOT_FOUND,
                  { .code = 404, .message = "gone" },
                  1,
                  "7 namespace a: writing Secret ecr: gone\n" },
                { HTTP_NOT_FOUND,
                  { .code = 404, .message = "gone" },
                  2,
                  "4 namespace a: cannot write Secret ecr: gone; trying again in 30s\n" },
                { HTTP_CONFLICT,
                  { .code = 409, .message = "another's" },
                  1,
                  "7 namespace a: writing Secret ecr: another's\n" },
                { HTTP_REJECTED,
                  { .code = 415, .message = "what is that" },
                  1,
                  "4 namespace a: cannot write Secret ecr: what is that (Kubernetes 1.16 or newer is "
                  "needed); trying "
                  "again in 30s\n" },
                { HTTP_FORBIDDEN,
                  { .code = 403, .message = "secrets \"ecr\" is forbidden: " },
                  1,
                  "4 namespace a: cannot write Secret ecr: secrets \"ecr\" is forbidden:  (is the right to "
                  "create "
                  "Secrets of this name missing? see RIGHTS in eatr(8)); trying again in 30s\n" },
                { HTTP_FORBIDDEN,
                  { .code = 403, .message = "no: because" },
                  1,
                  "4 namespace a: cannot write Secret ecr: no: because; trying again in 30s\n" },
        };
        WriterLog *l = *state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Node n = node("a");

                fail_write(l, &n, cases[i].outcome, &cases[i].status, cases[i].failures);
                assert_said(cases[i].line);
        }
}

/* It is refused, or its namespace is going: the plan says so, and nothing is tried again. */
static void test_what_is_not_tried_again_is_no_warning(void **state)
{
        const KubeStatus status = { .code = 422, .message = "field is immutable" };
        WriterLog *l = *state;
        Node n = node("a");

        writer_log_failed(l, &n, HTTP_REJECTED, &status, NOW);
        assert_said("7 namespace a: writing Secret ecr: field is immutable\n");
        assert_false(n.warned);
}

/* Whoever read of the trouble reads of its end, and nobody of another's. */
static void test_a_recovery_is_told_of_what_was_told(void **state)
{
        const KubeStatus status = { .code = 500, .message = "x" };
        WriterLog *l = *state;
        Node told = node("told"), quiet = node("quiet");

        fail_write(l, &told, HTTP_RETRY, &status, 1);
        fail_write(l, &quiet, HTTP_NOT_FOUND, &status, 1);
        said[0] = '\0';
        told.plan.reason = quiet.plan.reason = PLAN_RENEW;
        writer_log_written(l, &told, 200);
        assert_said(
                "6 namespace told: writing Secret ecr works again\n7 namespace told: renewed Secret ecr\n");
        writer_log_written(l, &told, 200);
        assert_said("7 namespace told: renewed Secret ecr\n");
        writer_log_written(l, &quiet, 200);
        assert_said("7 namespace quiet: renewed Secret ecr\n");
}

static unsigned count(const char *what)
{
        unsigned n = 0;

        for (const char *s = said; (s = strstr(s, what)); s++)
                n++;
        return n;
}

static void test_a_cause_that_all_share_is_told_a_few_times(void **state)
{
        const KubeStatus status = { .code = 500, .message = "x" };
        WriterLog *l = *state;
        Node nodes[50];

        for (size_t i = 0; i < ELEMENTSOF(nodes); i++) {
                nodes[i] = node("a");
                fail_write(l, &nodes[i], HTTP_RETRY, &status, 1);
        }
        assert_int_equal(count("4 namespace a: cannot write"), WARNINGS_MAX);
        assert_int_equal(count("4 More namespaces are failing"), 1);
        assert_int_equal(count("7 namespace a: cannot write"), ELEMENTSOF(nodes) - WARNINGS_MAX);
        said[0] = '\0';
        for (size_t i = 0; i < ELEMENTSOF(nodes); i++)
                writer_log_written(l, &nodes[i], 200);
        assert_int_equal(count("works again"), WARNINGS_MAX);

        /* Some minutes later it is news once more. */
        said[0] = '\0';
        nodes[0].target.retry_at = NOW + USEC_PER_HOUR;
        writer_log_failed(l, &nodes[0], HTTP_RETRY, &status, NOW + WARNINGS_INTERVAL);
        assert_int_equal(count("4 namespace a: cannot write"), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(test_a_state_is_told_when_it_begins),
                TEST(test_a_strangers_name_is_not_made_up),
                TEST(test_what_is_written),
                TEST(test_what_failed),
                TEST(test_what_is_not_tried_again_is_no_warning),
                TEST(test_a_recovery_is_told_of_what_was_told),
                TEST(test_a_cause_that_all_share_is_told_a_few_times),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
