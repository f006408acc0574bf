/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "judge.h"
#include "survey-row.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* On the wall clock: 2026-11-23T12:00:00Z. */
#define NOW (UINT64_C(1795435200) * USEC_PER_SEC)
#define HOUR USEC_PER_HOUR

static char *kube[] = { (char *) "kube-*", NULL }, *none[] = { NULL };

typedef struct Fixture {
        Targets *targets;
        ConfNamespaces namespaces;
        ConfSecret secret;
        usec_t interval;
} Fixture;

static int set_up(void **state)
{
        Fixture *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        assert_int_equal(targets_new(&f->targets), 0);
        f->namespaces = (ConfNamespaces){ .blacklist = kube, .include = none };
        f->secret = (ConfSecret){ .labels = none, .annotations = none };
        *state = f;
        return 0;
}

static int tear_down(void **state)
{
        Fixture *f = *state;

        f->namespaces.label_selector = label_selector_free(f->namespaces.label_selector);
        (void) targets_free(f->targets);
        free(f);
        return 0;
}

static Node *add(Fixture *f, const char *name, const char *metadata)
{
        _cleanup_json_ cJSON *j = NULL;
        Node *n = targets_add(f->targets, name);

        assert_non_null(n);
        assert_int_equal(json_parse(metadata, strlen(metadata), 4096, &j), 0);
        (void) judge_seen(&f->namespaces, n, j, false);
        return n;
}

/* One that eatr wrote, hours ago, with tokens of that id. */
static Node *add_written(Fixture *f, const char *name, const char *id, unsigned hours)
{
        Node *n = add(f, name, "{}");

        n->target.secret = (KubeSecret){ .exists = true,
                                         .ours = true,
                                         .owned = true,
                                         .intact = true,
                                         .extras_told = true,
                                         .uid = "u",
                                         .resource_version = 7,
                                         .renewed = NOW - hours * HOUR,
                                         .expires = NOW - hours * HOUR + 12 * HOUR };
        (void) snprintf(n->target.secret.token_id, TOKEN_ID_MAX, "%s", id);
        return n;
}

static SurveyRow row(const Fixture *f, const Node *n)
{
        SurveyRules rules;
        SurveyRow ret;

        survey_rules_make(&f->namespaces, &f->secret, f->interval, NOW, f->targets, &rules);
        survey_row_make(n, &rules, &ret);
        return ret;
}

static void expect(const Fixture *f, const Node *n, SurveyState state, const char *next, usec_t due)
{
        SurveyRow r = row(f, n);

        assert_ptr_equal(r.node, n);
        assert_string_equal(survey_state_to_string(r.state), survey_state_to_string(state));
        assert_string_equal(survey_row_next(&r), next);
        assert_int_equal(r.due, due);
}

#define A1 "aaaaaaaa11111111" /* hosts a */
#define A2 "aaaaaaaa22222222"
#define B1 "bbbbbbbb11111111"

static void test_none_is_there(void **state)
{
        Fixture *f = *state;

        expect(f, add(f, "a", "{}"), SURVEY_MISSING, "create", 0);
        expect(f, add(f, "kube-a", "{}"), SURVEY_NONE, "nothing", 0);
        expect(f, add(f, "b", "{\"deletionTimestamp\":\"2026-11-23T19:19:27Z\"}"), SURVEY_NONE, "nothing",
               0);
}

static void test_the_rule_that_decided(void **state)
{
        Fixture *f = *state;
        char error[LABEL_SELECTOR_ERROR_MAX];

        assert_int_equal(label_selector_parse("!legacy", &f->namespaces.label_selector, error), 0);
        assert_string_equal(row(f, add(f, "a", "{}")).rule, "no rule against it");
        assert_string_equal(row(f, add(f, "kube-a", "{}")).rule, "blacklist glob \"kube-*\"");
        assert_string_equal(row(f, add(f, "b", "{\"labels\":{\"legacy\":\"\"}}")).rule,
                            "label_selector asks for \"!legacy\"");
        assert_string_equal(row(f, add(f, "c", "{\"annotations\":{\"eatr/ignore\":\"true\"}}")).rule,
                            "annotation eatr/ignore");
}

static void test_a_good_one_is_renewed_when_it_is_due(void **state)
{
        Fixture *f = *state;
        const Node *n = add_written(f, "a", A1, 1);
        SurveyRow r;

        expect(f, n, SURVEY_GOOD, "renew", NOW + 5 * HOUR);
        r = row(f, n);
        assert_int_equal(r.expires, NOW + 11 * HOUR);
        assert_true(r.pulls);
        f->interval = 3 * HOUR;
        expect(f, n, SURVEY_GOOD, "renew", NOW + 2 * HOUR);
        f->interval = HOUR;
        expect(f, n, SURVEY_GOOD, "renew", 0);
        assert_true(row(f, n).pulls);
}

static void test_an_expired_one_is_renewed_at_once(void **state)
{
        Fixture *f = *state;
        const Node *n = add_written(f, "a", A1, 12);

        expect(f, n, SURVEY_EXPIRED, "renew", 0);
        assert_false(row(f, n).pulls);
}

/* It waits for its own time, or is late. */
static void test_older_tokens_than_the_newest(void **state)
{
        Fixture *f = *state;
        const Node *waits = add_written(f, "a", A1, 3), *late = add_written(f, "b", A1, 7);

        expect(f, add_written(f, "c", A2, 1), SURVEY_GOOD, "renew", NOW + 5 * HOUR);
        expect(f, waits, SURVEY_GOOD, "renew", NOW + 3 * HOUR);
        expect(f, late, SURVEY_GOOD, "renew", 0);
}

/* What is not eatr's, not whole, or in a namespace that is not wanted says nothing of what eatr has. */
static void test_what_the_newest_is(void **state)
{
        Fixture *f = *state;
        const Node *a = add_written(f, "a", A1, 3);

        (void) add_written(f, "kube-a", B1, 0);
        expect(f, a, SURVEY_GOOD, "renew", NOW + 3 * HOUR);
        add_written(f, "b", B1, 0)->target.secret.intact = false;
        add_written(f, "c", B1, 0)->target.secret.ours = false;
        add_written(f, "d", B1, 0)->target.secret.going = true;
        add_written(f, "e", B1, 0)->exists = false;
        expect(f, a, SURVEY_GOOD, "renew", NOW + 3 * HOUR);
        (void) add_written(f, "f", B1, 2);
        expect(f, a, SURVEY_OTHER_HOSTS, "renew", 0);
        assert_false(row(f, a).pulls);
}

/* Also when the newest is overdue, so that none is there that has what eatr would have. */
static void test_hosts_are_known_from_an_overdue_one(void **state)
{
        Fixture *f = *state;
        const Node *other = add_written(f, "a", B1, 8), *newest = add_written(f, "b", A1, 7);

        expect(f, newest, SURVEY_GOOD, "renew", 0);
        expect(f, other, SURVEY_OTHER_HOSTS, "renew", 0);
}

static void test_other_labels(void **state)
{
        char *labels[] = { (char *) "team=red", NULL };
        Fixture *f = *state;
        Node *n = add_written(f, "a", A1, 1);

        f->secret.labels = labels;
        expect(f, n, SURVEY_OTHER_LABELS, "renew", 0);
        assert_true(row(f, n).pulls);
        n->target.secret.extras = kube_secret_extras_id(&(KubeSecretExtras){ .labels = labels });
        expect(f, n, SURVEY_GOOD, "renew", NOW + 5 * HOUR);
        n->target.secret.extras = 1;
        n->target.secret.extras_told = false;
        expect(f, n, SURVEY_GOOD, "renew", NOW + 5 * HOUR);
}

static void test_an_edited_one_is_healed(void **state)
{
        Fixture *f = *state;
        Node *n = add_written(f, "a", A1, 1);

        n->target.secret.intact = false;
        (void) snprintf(n->target.secret.manager, sizeof(n->target.secret.manager), "helm");
        expect(f, n, SURVEY_EDITED, "heal", 0);
        assert_string_equal(row(f, n).manager, "helm");
        assert_false(row(f, n).pulls);
}

static void test_a_strangers(void **state)
{
        Fixture *f = *state;
        Node *n = add_written(f, "a", A1, 1);

        n->target.secret.ours = n->target.secret.intact = false;
        expect(f, n, SURVEY_FOREIGN, "leave", 0);
        assert_int_equal(row(f, n).expires, 0); /* whatever its annotations say */
        f->secret.on_conflict = CONF_CONFLICT_ADOPT;
        expect(f, n, SURVEY_FOREIGN, "adopt", 0);
        n->target.secret.immutable = true;
        expect(f, n, SURVEY_FOREIGN, "leave", 0);
        f->secret.on_conflict = CONF_CONFLICT_RECREATE;
        expect(f, n, SURVEY_FOREIGN, "recreate", 0);
        assert_int_equal(row(f, n).plan.action, PLAN_DELETE);
        n->target.secret.immutable = false;
        expect(f, n, SURVEY_FOREIGN, "adopt", 0);
        (void) judge_again(&(ConfNamespaces){ .blacklist = (char *[]){ (char *) "a", NULL } }, n, true);
        expect(f, n, SURVEY_FOREIGN, "nothing", 0);
}

/* One that nobody can change is fine until it has to be changed, or replaced. */
static void test_an_immutable_one(void **state)
{
        Fixture *f = *state;
        Node *n = add_written(f, "a", A1, 1);

        n->target.secret.immutable = true;
        expect(f, n, SURVEY_IMMUTABLE, "leave", NOW + 5 * HOUR);
        f->secret.on_conflict = CONF_CONFLICT_RECREATE;
        expect(f, n, SURVEY_IMMUTABLE, "renew", NOW + 5 * HOUR);
        f->secret.on_conflict = CONF_CONFLICT_SKIP;
        n->target.secret.renewed -= 6 * HOUR;
        n->target.secret.expires -= 6 * HOUR;
        expect(f, n, SURVEY_IMMUTABLE, "leave", 0);
        assert_int_equal(row(f, n).plan.reason, PLAN_REFUSED);
        f->secret.on_conflict = CONF_CONFLICT_RECREATE;
        expect(f, n, SURVEY_IMMUTABLE, "recreate", 0);
}

static void test_one_that_finalizers_hold(void **state)
{
        Fixture *f = *state;
        Node *n = add_written(f, "a", A1, 1);

        n->target.secret.going = true;
        expect(f, n, SURVEY_GOING, "wait", 0);
}

static void test_where_it_is_not_wanted(void **state)
{
        Fixture *f = *state;
        Node *n = add_written(f, "kube-a", A1, 1);

        expect(f, n, SURVEY_KEPT, "keep", 0);
        assert_int_equal(row(f, n).expires, NOW + 11 * HOUR);
        f->namespaces.on_exclude = CONF_EXCLUDE_DELETE;
        assert_string_equal(survey_row_next(&(SurveyRow){ .plan = row(f, n).plan }), "delete");
        n->target.secret.owned = false;
        assert_int_equal(row(f, n).plan.reason, PLAN_SHARED);
        assert_string_equal(survey_row_next(&(SurveyRow){ .plan = row(f, n).plan }), "leave");
}

/* A clock of this host that is behind AWS's must not make much of it. */
static void test_a_clock_that_is_behind(void **state)
{
        Fixture *f = *state;
        Node *n = add_written(f, "a", A1, 0);

        n->target.secret.renewed += USEC_PER_MINUTE;
        n->target.secret.expires += USEC_PER_MINUTE;
        expect(f, n, SURVEY_GOOD, "renew", NOW + 6 * HOUR + USEC_PER_MINUTE);
        assert_true(row(f, n).pulls);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(test_none_is_there),
                TEST(test_the_rule_that_decided),
                TEST(test_a_good_one_is_renewed_when_it_is_due),
                TEST(test_an_expired_one_is_renewed_at_once),
                TEST(test_older_tokens_than_the_newest),
                TEST(test_what_the_newest_is),
                TEST(test_hosts_are_known_from_an_overdue_one),
                TEST(test_other_labels),
                TEST(test_an_edited_one_is_healed),
                TEST(test_a_strangers),
                TEST(test_an_immutable_one),
                TEST(test_one_that_finalizers_hold),
                TEST(test_where_it_is_not_wanted),
                TEST(test_a_clock_that_is_behind),
        };

        return cmocka_run_group_tests_name("survey-row", tests, NULL, NULL);
}
