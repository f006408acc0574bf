/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "said.h"

#include <setjmp.h>

#include "events.h"

/* Stands in for Events: what those who own the namespaces are told, "REASON namespace uid note\n" each. */
static char events[8192];

static void test_tell(Events *e, const char *namespace, const char *uid, KubeEventReason reason,
                      const char *note)
{
        size_t n = strlen(events);

        (void) snprintf(events + n, sizeof(events) - n, "%s %s %s %s\n", kube_event_reason_to_string(reason),
                        namespace, uid, note);
}

static void test_settle(Events *e, const char *namespace)
{
        size_t n = strlen(events);

        (void) snprintf(events + n, sizeof(events) - n, "settled %s\n", namespace);
}

#define log_full said_log
#define events_tell test_tell
#define events_settle test_settle
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
        said[0] = events[0] = '\0';
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

static void plan(WriterLog *l, Node *n, PlanReason reason)
{
        n->plan.reason = reason;
        writer_log_planned(l, n, NOW);
}

static void set_manager(Node *n, const char *name)
{
        (void) snprintf(n->target.secret.manager, sizeof(n->target.secret.manager), "%s", name);
}

static void set_type(Node *n, const char *type)
{
        (void) snprintf(n->target.type, sizeof(n->target.type), "%s", type);
}

static void test_a_state_is_told_when_it_begins(void **state)
{
        static const struct {
                PlanReason reason;
                const char *line;
        } states[] = {
                { PLAN_FOREIGN,
                  "4 namespace a: Secret ecr is not eatr's, it was written by helm, leaving it; set "
                  "on_conflict = adopt in [secret] to take it over, or choose another name there\n" },
                { PLAN_REFUSED, "4 namespace a: Secret ecr is immutable, leaving it; set on_conflict = "
                                "recreate in [secret] "
                                "to replace it, or delete it\n" },
                { PLAN_GOING, "6 namespace a: Secret ecr is being deleted, waiting for its finalizers\n" },
                { PLAN_KEPT, "7 namespace a: keeping Secret ecr, which gets no new tokens\n" },
        };
        WriterLog *l = *state;
        Node n = node("a");

        set_manager(&n, "helm");
        n.target.refusal = PLAN_REFUSED_IMMUTABLE;
        for (size_t i = 0; i < ELEMENTSOF(states); i++) {
                /* Not before it is known what it is. */
                n.plan.action = PLAN_INSPECT;
                plan(l, &n, states[i].reason);
                assert_said("");
                n.plan.action = PLAN_NOTHING;
                plan(l, &n, states[i].reason);
                assert_said(states[i].line);
                /* What comes and goes is no other state. */
                for (PlanReason r = 0; r < _PLAN_REASON_MAX; r++)
                        if (is_passing(r) && r != PLAN_FIGHTING)
                                plan(l, &n, r);
                plan(l, &n, states[i].reason);
                assert_said("");
                plan(l, &n, PLAN_FRESH);
                assert_said("");
                plan(l, &n, states[i].reason);
                assert_said(states[i].line);
        }
        n = node("a");
        for (PlanReason r = 0; r < _PLAN_REASON_MAX; r++)
                if (is_passing(r) && r != PLAN_FIGHTING)
                        plan(l, &n, r);
        plan(l, &n, PLAN_UNWANTED);
        plan(l, &n, PLAN_FRESH);
        assert_said("");
}

/* What is known of it, and the way out that there is. */
static void test_a_stranger_is_described(void **state)
{
        static const struct {
                const char *manager, *type;
                bool immutable;
                const char *traits, *way;
        } strangers[] = {
                { "", "", false, "", "adopt in [secret] to take it over" },
                { "", KUBE_SECRET_TYPE, false, "", "adopt in [secret] to take it over" },
                { "argocd-controller", KUBE_SECRET_TYPE, false, ", it was written by argocd-controller",
                  "adopt in [secret] to take it over" },
                { "", "Opaque", false, ", it has type Opaque", "recreate in [secret] to replace it" },
                { "helm", "Opaque", false, ", it has type Opaque and was written by helm",
                  "recreate in [secret] to replace it" },
                { "", "", true, ", it is immutable", "recreate in [secret] to replace it" },
                { "helm", "", true, ", it is immutable and was written by helm",
                  "recreate in [secret] to replace it" },
                { "helm", "Opaque", true, ", it has type Opaque, is immutable and was written by helm",
                  "recreate in [secret] to replace it" },
        };
        WriterLog *l = *state;

        for (size_t i = 0; i < ELEMENTSOF(strangers); i++) {
                _cleanup_free_ char *line = str_printf(
                        "4 namespace a: Secret ecr is not eatr's%s, leaving it; set on_conflict = %s, or "
                        "choose another name there\n",
                        strangers[i].traits, strangers[i].way);
                Node n = node("a");

                set_manager(&n, strangers[i].manager);
                set_type(&n, strangers[i].type);
                n.target.secret.immutable = strangers[i].immutable;
                plan(l, &n, PLAN_FOREIGN);
                assert_said(line);
                assert_string_equal(said_id, MESSAGE_SECRET_FOREIGN);
        }
}

static void test_a_stranger_with_the_longest_names(void **state)
{
        WriterLog *l = *state;
        Node n = node("a");

        memset(n.target.type, 'x', sizeof(n.target.type) - 1);
        memset(n.target.secret.manager, 'x', sizeof(n.target.secret.manager) - 1);
        n.target.secret.immutable = true;
        plan(l, &n, PLAN_FOREIGN);
        assert_non_null(strstr(said, ", is immutable and was written by xxxx"));
        assert_non_null(strstr(said, "x, leaving it; "));
}

static void test_what_cannot_be_changed(void **state)
{
        static const struct {
                PlanRefusal refusal;
                const char *type, *words;
        } cases[] = {
                { PLAN_REFUSED_IMMUTABLE, "", "is immutable" },
                { PLAN_REFUSED_IMMUTABLE, KUBE_SECRET_TYPE, "is immutable" },
                { PLAN_REFUSED_TYPE, "Opaque", "cannot be changed, it has type Opaque" },
                { PLAN_REFUSED_TYPE, "", "cannot be changed, it has another type" },
        };
        WriterLog *l = *state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *line = str_printf("4 namespace a: Secret ecr %s, leaving it; set "
                                                       "on_conflict = recreate in [secret] to "
                                                       "replace it, or delete it\n",
                                                       cases[i].words);
                Node n = node("a");

                n.target.refusal = cases[i].refusal;
                set_type(&n, cases[i].type);
                plan(l, &n, PLAN_REFUSED);
                assert_said(line);
                assert_string_equal(said_id, MESSAGE_SECRET_REFUSED);
        }
}

static void test_what_is_kept_against_the_rules_is_told(void **state)
{
        WriterLog *l = *state;
        Node n = node("a"), nameless = node("b");

        set_manager(&n, "velero");
        plan(l, &n, PLAN_KEPT);
        said[0] = '\0';
        plan(l, &n, PLAN_SHARED);
        assert_said(
                "6 namespace a: keeping Secret ecr, which is not eatr's alone: velero wrote to it, too\n");
        plan(l, &nameless, PLAN_SHARED);
        assert_said(
                "6 namespace b: keeping Secret ecr, which is not eatr's alone: others wrote to it, too\n");
}

/* Its begin and its end, however often it is planned between. */
static void test_a_fight_is_told_of(void **state)
{
        WriterLog *l = *state;
        Node edited = node("a"), deleted = node("b"), created = node("c");

        edited.target.secret.exists = true;
        edited.target.fought = 1;
        edited.target.healed_until = NOW + 10;
        set_manager(&edited, "argocd-controller");
        for (unsigned i = 0; i < 2; i++) {
                plan(l, &edited, PLAN_FIGHTING);
                assert_said(i > 0 ? ""
                                  : "4 namespace a: argocd-controller keeps changing Secret ecr; writing it "
                                    "only "
                                    "once a minute from now on, and ever less often while this goes on\n");
                plan(l, &edited, PLAN_HEAL);
                plan(l, &edited, PLAN_FRESH);
                assert_said("");
        }
        assert_true(edited.fighting);
        edited.target.healed_until = NOW;
        plan(l, &edited, PLAN_FRESH);
        assert_said("6 namespace a: nobody undoes any more what eatr does with Secret ecr\n");
        assert_false(edited.fighting);
        plan(l, &edited, PLAN_FRESH);
        assert_said("");

        plan(l, &deleted, PLAN_FIGHTING);
        assert_said(
                "4 namespace b: something keeps deleting Secret ecr; writing it only once a minute from now "
                "on, and ever less often while this goes on\n");
        assert_string_equal(said_id, MESSAGE_SECRET_FOUGHT_OVER);
        created.target.verdict = MATCH_IGNORED;
        created.target.secret.exists = true;
        plan(l, &created, PLAN_FIGHTING);
        assert_said("4 namespace c: something keeps creating Secret ecr, though the namespace is excluded; "
                    "deleting it once a minute from now on, and ever less often while this goes on\n");
}

static void test_what_is_deleted(void **state)
{
        WriterLog *l = *state;
        Node n = node("a");

        n.plan = (Plan){ .action = PLAN_DELETE, .reason = PLAN_EXCLUDED };
        n.target.verdict = MATCH_BLACKLISTED;
        writer_log_written(l, &n, 200);
        assert_said("6 namespace a: deleted Secret ecr, as the namespace is blacklisted\n");
        assert_string_equal(said_id, MESSAGE_SECRET_DELETED);
        n.plan.reason = PLAN_RECREATE;
        n.target.verdict = MATCH_WANTED;
        set_type(&n, "Opaque");
        set_manager(&n, "helm");
        n.warned = true;
        writer_log_begun(&n);
        n.target = (Target){ 0 }; /* the watch was faster than the answer */
        writer_log_written(l, &n, 200);
        assert_said(
                "6 namespace a: deleting Secret ecr works again\n"
                "6 namespace a: deleted Secret ecr, which could not be changed, to create it anew, it has "
                "type Opaque and was written by helm\n");
        n.plan = (Plan){ .action = PLAN_APPLY, .reason = PLAN_ADOPT };
        set_manager(&n, "helm");
        writer_log_begun(&n);
        set_manager(&n, "");
        writer_log_written(l, &n, 200);
        assert_said("6 namespace a: Secret ecr is eatr's from now on, it was written by helm\n");
        assert_string_equal(said_id, MESSAGE_SECRET_ADOPTED);
        /* What was there before is no matter any more. */
        n.plan.reason = PLAN_HEAL;
        writer_log_begun(&n);
        assert_null(n.was);
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
                { PLAN_ADOPT, false, 200, "6 namespace a: Secret ecr is eatr's from now on\n" },
                { PLAN_HEAL, false, 201, "6 namespace a: Secret ecr had been deleted, it is back\n" },
                { PLAN_HEAL, false, 200, "6 namespace a: Secret ecr had been edited, it is back\n" },
        };
        WriterLog *l = *state;

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
                  { .code = 403, .message = "no: because" },
                  1,
                  "4 namespace a: cannot write Secret ecr: no: because; trying again in 30s\n" },
                { HTTP_CONFLICT,
                  { .code = 409, .message = "another version" },
                  2,
                  "4 namespace a: cannot write Secret ecr: another version; trying again in 30s\n" },
        };
        WriterLog *l = *state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Node n = node("a");

                fail_write(l, &n, cases[i].outcome, &cases[i].status, cases[i].failures);
                assert_said(cases[i].line);
        }
}

/* Whoever waits for these finds them by their identifiers. */
static void test_what_denies_a_write(void **state)
{
        static const struct {
                KubeDenial denial;
                const char *id;
        } cases[] = {
                { KUBE_DENIAL_NONE, MESSAGE_SECRET_FAILED },
                { KUBE_DENIAL_RIGHTS, MESSAGE_SECRET_FAILED },
                { KUBE_DENIAL_QUOTA, MESSAGE_SECRET_QUOTA },
                { KUBE_DENIAL_POLICY, MESSAGE_SECRET_DENIED },
        };
        WriterLog *l = *state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const KubeStatus status = { .code = 403, .message = "no", .denial = cases[i].denial };
                Node n = node("a");

                said[0] = '\0';
                fail_write(l, &n, HTTP_FORBIDDEN, &status, 1);
                assert_string_equal(said_id, cases[i].id);
        }
}

/* Older servers do not name it. */
static void test_the_right_to_create_is_named(void **state)
{
        static const char *const messages[] = {
                "secrets \"ecr\" is forbidden: ",
                "secrets \"ecr\" is forbidden: RBAC: clusterrole.rbac.authorization.k8s.io \"x\" not found",
        };
        WriterLog *l = *state;

        for (size_t i = 0; i < ELEMENTSOF(messages); i++) {
                KubeStatus status = { .code = 403, .denial = KUBE_DENIAL_RIGHTS };
                Node n = node("a");
                char line[512];

                (void) snprintf(status.message, sizeof(status.message), "%s", messages[i]);
                (void) snprintf(
                        line, sizeof(line),
                        "4 namespace a: cannot write Secret ecr: %s (is the right to create Secrets of "
                        "this name missing? see RIGHTS in eatr(8)); trying again in 30s\n",
                        messages[i]);
                l->rights_told = 0;
                fail_write(l, &n, HTTP_FORBIDDEN, &status, 1);
                assert_said(line);
        }
}

/* As many namespaces as there are lack it. */
static void test_a_right_is_told_of_once(void **state)
{
        const KubeStatus status = { .code = 403, .message = "it cannot do", .denial = KUBE_DENIAL_RIGHTS };
        WriterLog *l = *state;
        Node a = node("a"), b = node("b");

        a.plan.action = b.plan.action = PLAN_APPLY;
        fail_write(l, &a, HTTP_FORBIDDEN, &status, 1);
        assert_said("4 namespace a: cannot write Secret ecr: it cannot do (see RIGHTS in eatr(8); other "
                    "namespaces in which it is missing are not named); trying again in 30s\n");
        fail_write(l, &b, HTTP_FORBIDDEN, &status, 1);
        assert_non_null(startswith(said, "7 namespace b: cannot write Secret ecr: it cannot do "));
        assert_false(b.warned);
        /* The right to delete is another one. */
        said[0] = '\0';
        b.plan.action = PLAN_DELETE;
        fail_write(l, &b, HTTP_FORBIDDEN, &status, 1);
        assert_non_null(startswith(said, "4 namespace b: cannot delete Secret ecr: it cannot do "));
        assert_true(b.warned);
}

/* Tried again, with the same answer. */
static void test_a_failure_is_told_once(void **state)
{
        const KubeStatus status = { .code = 500, .message = "x" }, other = { .code = 500, .message = "y" };
        WriterLog *l = *state;
        Node n = node("a");
        char problem[] = "x";

        fail_write(l, &n, HTTP_RETRY, &status, 1);
        assert_said("4 namespace a: cannot write Secret ecr: x; trying again in 30s\n");
        n.problem = problem;
        fail_write(l, &n, HTTP_RETRY, &status, 2);
        assert_said("7 namespace a: cannot write Secret ecr: x; trying again in 30s\n");
        assert_true(n.warned);
        fail_write(l, &n, HTTP_RETRY, &other, 3);
        assert_said("4 namespace a: cannot write Secret ecr: y; trying again in 30s\n");
}

/* What a watch event was to settle, and did not. */
static void test_the_same_failure_is_told_when_it_lasts(void **state)
{
        const KubeStatus status = { .code = 404, .message = "x" };
        WriterLog *l = *state;
        Node n = node("a");

        fail_write(l, &n, HTTP_NOT_FOUND, &status, 1);
        assert_said("7 namespace a: writing Secret ecr: x\n");
        n.problem = (char *) "x";
        fail_write(l, &n, HTTP_NOT_FOUND, &status, 2);
        assert_said("4 namespace a: cannot write Secret ecr: x; trying again in 30s\n");
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
        assert_int_equal(count("4 namespace a: cannot write"), FAILURES_MAX);
        assert_int_equal(count("4 More namespaces are failing"), 1);
        assert_int_equal(count("7 namespace a: cannot write"), ELEMENTSOF(nodes) - FAILURES_MAX);
        said[0] = '\0';
        for (size_t i = 0; i < ELEMENTSOF(nodes); i++)
                writer_log_written(l, &nodes[i], 200);
        assert_int_equal(count("works again"), FAILURES_MAX);

        /* Some minutes later it is news once more. */
        said[0] = '\0';
        nodes[0].target.retry_at = NOW + USEC_PER_HOUR;
        writer_log_failed(l, &nodes[0], HTTP_RETRY, &status, NOW + WARNINGS_INTERVAL);
        assert_int_equal(count("4 namespace a: cannot write"), 1);
}

/* Thousands may have a Secret of that name. */
static void test_conflicts_are_told_of_so_many_times(void **state)
{
        WriterLog *l = *state;

        for (unsigned i = 0; i < 1000; i++) {
                Node n = node("a");

                n.plan.reason = i % 2 == 0 ? PLAN_FOREIGN : PLAN_REFUSED;
                writer_log_planned(l, &n, NOW);
                writer_log_planned(l, &n, NOW + 1);
                if (i < 100)
                        assert_non_null(startswith(said, "4 namespace a: Secret ecr "));
                else if (i == 100)
                        assert_non_null(startswith(said, "4 More namespaces have a Secret in "
                                                         "conflict; they are counted in "
                                                         "eatr_namespaces, and logged when debugging\n7 "));
                else
                        assert_non_null(startswith(said, "7 namespace a: Secret ecr "));
                said[0] = '\0';
        }
        for (unsigned i = 0; i < 2; i++) { /* later */
                Node n = node("b");

                n.plan.reason = PLAN_FOREIGN;
                writer_log_planned(l, &n, NOW + (i + 1) * USEC_PER_HOUR);
                assert_non_null(startswith(said, "4 namespace b: Secret ecr "));
                said[0] = '\0';
        }
}

/* --- those who own the namespaces ------------------------------------------------------------------------
 */

#define assert_told(text)                          \
        do {                                       \
                assert_string_equal(events, (text)); \
                events[0] = '\0';                    \
        } while (0)

/* Events are nothing but an address here. */
static Events *some_events(void)
{
        static char place;

        return (Events *) (void *) &place;
}

/* What lasts is told each time, with the sentence of the log, which has it once. */
static void test_owners_are_told_what_lasts(void **state)
{
        WriterLog *l = *state;
        Node n = node("a");

        l->events = some_events();
        set_manager(&n, "helm");
        (void) snprintf(n.target.secret.uid, sizeof(n.target.secret.uid), "0f8fad5b");
        n.target.inspected = true;
        plan(l, &n, PLAN_FOREIGN);
        assert_non_null(startswith(events,
                                   "PullSecretConflict a 0f8fad5b Secret ecr is not eatr's, it was written "
                                   "by helm, leaving it; "));
        assert_non_null(strstr(said, strstr(events, "Secret ecr")));
        said[0] = events[0] = '\0';
        plan(l, &n, PLAN_FOREIGN);
        assert_non_null(startswith(events, "PullSecretConflict a 0f8fad5b "));
        assert_said("");
        events[0] = '\0';
        plan(l, &n, PLAN_REFUSED);
        assert_non_null(startswith(events, "PullSecretImmutable a 0f8fad5b Secret ecr "));
        events[0] = '\0';
        plan(l, &n, PLAN_REFUSED);
        assert_non_null(startswith(events, "PullSecretImmutable a "));
}

static void test_owners_are_told_of_a_fight(void **state)
{
        WriterLog *l = *state;
        Node n = node("a");

        l->events = some_events();
        n.target.fought = 1;
        n.target.healed_until = NOW + USEC_PER_HOUR;
        for (unsigned i = 0; i < 2; i++) {
                plan(l, &n, PLAN_FIGHTING);
                assert_non_null(startswith(events, "FightingOverSecret a  "));
                assert_true(i == 0 || *said == '\0');
                said[0] = events[0] = '\0';
        }
}

static void test_owners_are_told_what_is_taken_over(void **state)
{
        WriterLog *l = *state;
        Node n = node("a");

        l->events = some_events();
        n.plan = (Plan){ .action = PLAN_APPLY, .reason = PLAN_ADOPT };
        writer_log_written(l, &n, 200);
        assert_non_null(startswith(events, "PullSecretAdopted a  Secret ecr is eatr's from now on"));
        events[0] = '\0';
        n.plan.reason = PLAN_RENEW;
        writer_log_written(l, &n, 200);
        n.plan.reason = PLAN_HEAL;
        writer_log_written(l, &n, 200);
        assert_told("");
}

static void test_what_settles(void **state)
{
        static const PlanReason settled[] = { PLAN_FRESH, PLAN_UNWANTED, PLAN_KEPT, PLAN_GOING };
        static const PlanReason passing[] = { PLAN_BACKOFF, PLAN_CREATE, PLAN_HEAL, PLAN_RENEW,
                                              PLAN_NO_TOKEN };
        WriterLog *l = *state;
        Node n = node("a");

        l->events = some_events();
        for (size_t i = 0; i < ELEMENTSOF(settled); i++) {
                plan(l, &n, settled[i]);
                assert_told("settled a\n");
        }
        for (size_t i = 0; i < ELEMENTSOF(passing); i++)
                plan(l, &n, passing[i]);
        assert_told("");
}

static void test_which_failures_owners_are_told_of(void **state)
{
        static const struct {
                KubeDenial denial;
                const char *reason; /* NULL: it is not their affair */
        } failures[] = {
                { KUBE_DENIAL_QUOTA, "QuotaExceeded " },
                { KUBE_DENIAL_POLICY, "PullSecretDenied " },
                { KUBE_DENIAL_RIGHTS, NULL },
                { KUBE_DENIAL_NONE, NULL },
        };
        WriterLog *l = *state;

        l->events = some_events();
        for (size_t i = 0; i < ELEMENTSOF(failures); i++) {
                KubeStatus s = { .code = 403, .denial = failures[i].denial, .message = "no" };
                Node n = node("a");

                n.plan.action = PLAN_APPLY;
                n.target.failures = 1;
                n.target.retry_at = NOW + USEC_PER_MINUTE;
                events[0] = '\0';
                writer_log_failed(l, &n, HTTP_FORBIDDEN, &s, NOW);
                if (failures[i].reason) {
                        assert_non_null(startswith(events, failures[i].reason));
                        assert_non_null(strstr(events, " a  cannot write Secret ecr: no"));
                } else
                        assert_string_equal(events, "");
        }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(test_a_state_is_told_when_it_begins),
                TEST(test_a_stranger_is_described),
                TEST(test_a_stranger_with_the_longest_names),
                TEST(test_what_cannot_be_changed),
                TEST(test_what_is_kept_against_the_rules_is_told),
                TEST(test_a_fight_is_told_of),
                TEST(test_what_is_deleted),
                TEST(test_what_denies_a_write),
                TEST(test_the_right_to_create_is_named),
                TEST(test_a_right_is_told_of_once),
                TEST(test_a_failure_is_told_once),
                TEST(test_what_is_written),
                TEST(test_what_failed),
                TEST(test_what_is_not_tried_again_is_no_warning),
                TEST(test_a_recovery_is_told_of_what_was_told),
                TEST(test_a_cause_that_all_share_is_told_a_few_times),
                TEST(test_conflicts_are_told_of_so_many_times),
                TEST(test_owners_are_told_what_lasts),
                TEST(test_owners_are_told_of_a_fight),
                TEST(test_owners_are_told_what_is_taken_over),
                TEST(test_the_same_failure_is_told_when_it_lasts),
                TEST(test_what_settles),
                TEST(test_which_failures_owners_are_told_of),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
