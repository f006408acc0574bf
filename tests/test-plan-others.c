/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plan.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* A simulated week among others: an API server with Secrets that strangers make, edit, take over, make
 * immutable, hold by finalizers and bring back from backups, under rules that change; and an eatr in which
 * plan and kube-secret are real. What is watched arrives a little later, and so do answers. */

#define S USEC_PER_SEC
#define M USEC_PER_MINUTE
#define H USEC_PER_HOUR
#define BOOT (100 * H)
#define WALL (UINT64_C(1795461567) * USEC_PER_SEC)
#define LIFE (12 * H)
#define STEP (10 * S)
#define N_NAMESPACES 24
#define N_EVENTS 64

/* Within this all has to be as it can be, the longest wait of a fight included. */
#define PATIENCE (16 * M)

/* A Secret as the API server has it. */
typedef struct Stored {
        bool exists, going;
        unsigned uid;
        uint64_t version;
        bool labelled;  /* as eatr's, with its annotations */
        bool applied;   /* eatr is among the managers ... */
        bool owns_data; /* ... with the data, */
        bool taken;     /* which somebody else has */
        bool shared;    /* somebody else has data of his own in it */
        bool opaque, immutable, held;
        char id[TOKEN_ID_MAX];
        usec_t renewed, expires;
} Stored;

typedef struct Space {
        bool excluded;
        Stored secret;
        usec_t quiet_since; /* nobody has disturbed it */

        /* What is on its way to eatr. */
        struct {
                usec_t due;
                Stored secret;
        } events[N_EVENTS];
        size_t n_events;
        bool in_flight;
        usec_t answer_due;
        HttpOutcome outcome;
        KubeStatus status;
        Stored answer;

        /* What eatr has. */
        Target target;
        Plan plan;
        PlanRules rules; /* that it was made by */
} Space;

typedef struct World {
        usec_t now; /* CLOCK_BOOTTIME */
        uint64_t random, version;
        unsigned uid, serial;
        Auths auths;
        PlanRules rules;
        Space spaces[N_NAMESPACES];
        unsigned applies, adoptions, deletions, recreations, refusals, guarded;
} World;

/* Numerical Recipes' 64-bit generator; the seed makes the week. */
static uint32_t rnd(World *w)
{
        w->random = w->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        return (uint32_t) (w->random >> 32);
}

static bool chance(World *w, unsigned one_in)
{
        return rnd(w) % one_in == 0;
}

static usec_t wall(const World *w)
{
        return w->now - BOOT + WALL;
}

/* --- what is seen ---------------------------------------------------------------------------------- */

static void add_manager(Buf *b, const char *manager, const char *operation, const char *fields)
{
        assert_return_code(buf_printf(b, "%s{\"manager\":\"%s\",\"operation\":\"%s\",\"fieldsV1\":{%s}}",
                                      b->data[b->size - 1] == '[' ? "" : ",", manager, operation, fields),
                           0);
}

/* The metadata as the API server would show it, read by the code that eatr reads it with. */
static KubeSecret read_stored(const Stored *s)
{
        _cleanup_buf_ Buf b = BUF_INIT(8192);
        char renewed[CLOCK_RFC3339_MAX], expires[CLOCK_RFC3339_MAX];
        _cleanup_json_ cJSON *j = NULL;
        KubeSecret secret;

        assert_return_code(
                buf_printf(&b,
                           "{\"metadata\":{\"name\":\"ecr\",\"uid\":\"%u\",\"resourceVersion\":\"%" PRIu64
                           "\"%s",
                           s->uid, s->version,
                           s->going ? ",\"deletionTimestamp\":\"2026-11-23T19:19:27Z\"" : ""),
                0);
        if (s->labelled)
                assert_return_code(
                        buf_printf(
                                &b,
                                ",\"labels\":{\"app.kubernetes.io/managed-by\":\"eatr\"},\"annotations\":{"
                                "\"eatr/renewed-at\":\"%s\",\"eatr/expires-at\":\"%s\",\"eatr/token-id\":"
                                "\"%s\"}",
                                clock_format_rfc3339(renewed, s->renewed),
                                clock_format_rfc3339(expires, s->expires), s->id),
                        0);
        assert_return_code(buf_append_str(&b, ",\"managedFields\":["), 0);
        if (s->applied)
                add_manager(
                        &b, "eatr", "Apply",
                        s->owns_data
                                ? "\"f:type\":{},\"f:data\":{\"f:.dockerconfigjson\":{}},\"f:metadata\":{"
                                  "\"f:labels\":{\"f:app.kubernetes.io/managed-by\":{}},\"f:annotations\":"
                                  "{\"f:eatr/expires-at\":{},\"f:eatr/renewed-at\":{},\"f:eatr/"
                                  "token-id\":{}}}"
                                : "\"f:type\":{}");
        if (s->taken)
                add_manager(&b, "rival", "Update", "\"f:data\":{\"f:.dockerconfigjson\":{}}");
        if (s->shared)
                add_manager(&b, "tenant", "Update", "\"f:data\":{\"f:more\":{}}");
        if (s->immutable)
                add_manager(&b, "freezer", "Update", "\"f:immutable\":{}");
        assert_return_code(buf_append_str(&b, "]}}"), 0);
        assert_int_equal(json_parse(b.data, b.size, 8192, &j), 0);
        kube_secret_read(j, &secret);
        return secret;
}

static void observe(Space *n, const Stored *s)
{
        KubeSecret secret;

        if (s->exists)
                secret = read_stored(s);
        plan_observe(&n->target, s->exists ? &secret : NULL, s->version);
}

/* The watch tells of a change, in order and soon. */
static void changed(World *w, Space *n)
{
        usec_t due = w->now + rnd(w) % 4 * STEP;

        n->secret.version = ++w->version;
        assert_true(n->n_events < N_EVENTS);
        if (n->n_events > 0)
                due = MAX(due, n->events[n->n_events - 1].due);
        n->events[n->n_events].due = due;
        n->events[n->n_events++].secret = n->secret;
}

/* --- what others do -------------------------------------------------------------------------------- */

static void create_strangers(World *w, Stored *s)
{
        *s = (Stored){ .exists = true,
                       .uid = ++w->uid,
                       .taken = true,
                       .opaque = chance(w, 3),
                       .immutable = chance(w, 4),
                       .held = chance(w, 6) };
}

/* A copy of eatr's with all that it says, made anew by somebody. */
static void restore_backup(World *w, Stored *s)
{
        *s = (Stored){ .exists = true,
                       .uid = ++w->uid,
                       .labelled = true,
                       .taken = true,
                       .renewed = wall(w) - 3 * H,
                       .expires = wall(w) - 3 * H + LIFE };
        (void) snprintf(s->id, sizeof(s->id), "bbbbbbbb00000001");
}

static void remove_secret(Stored *s)
{
        if (s->held)
                s->going = true;
        else
                *s = (Stored){ .exists = false };
}

static void disturb(World *w, Space *n)
{
        Stored *s = &n->secret;

        n->quiet_since = w->now;
        switch (rnd(w) % 9) {
        case 0:
                n->excluded = !n->excluded;
                return;
        case 1:
                if (s->exists)
                        remove_secret(s);
                break;
        case 2: /* another one in its place, at once */
                create_strangers(w, s);
                break;
        case 3:
                restore_backup(w, s);
                break;
        case 4: /* edited */
                if (s->exists && !s->immutable) {
                        s->taken = true;
                        s->owns_data = false;
                }
                break;
        case 5:
                s->shared |= s->exists && !s->immutable && !s->opaque;
                break;
        case 6:
                s->immutable |= s->exists;
                break;
        case 7:
                s->held |= s->exists && !s->going;
                break;
        case 8: /* the finalizer's owner does his work */
                s->held = false;
                if (s->going)
                        *s = (Stored){ .exists = false };
        }
        changed(w, n);
}

static void change_rules(World *w)
{
        w->rules.on_conflict = rnd(w) % 3;
        w->rules.on_exclude = rnd(w) % 2;
        for (size_t i = 0; i < N_NAMESPACES; i++)
                w->spaces[i].quiet_since = w->now;
}

static void renew(World *w)
{
        w->auths = (Auths){
                .n_ref = 1, .issued = wall(w), .expires = wall(w) + LIFE, .received_boottime = w->now
        };
        (void) snprintf(w->auths.id, sizeof(w->auths.id), "bbbbbbbb%08x", ++w->serial + 1);
        w->rules.auths = &w->auths;
}

/* --- the API server -------------------------------------------------------------------------------- */

static void answer(Space *n, HttpOutcome outcome, long code)
{
        n->outcome = outcome;
        n->status = (KubeStatus){ .code = code, .reason = "Any" };
}

static bool is_strangers(const Stored *s)
{
        return s->exists && !s->applied && !s->labelled;
}

static bool is_meant(const Space *n)
{
        char uid[KUBE_SECRET_UID_MAX];

        (void) snprintf(uid, sizeof(uid), "%u", n->secret.uid);
        return n->secret.exists && streq(n->plan.uid, uid);
}

/* What must never happen is looked for here, where it would happen. */
static void serve_apply(World *w, Space *n)
{
        Stored *s = &n->secret;

        if (n->plan.force && !is_meant(n)) {
                answer(n, s->exists ? HTTP_REJECTED : HTTP_CONFLICT, s->exists ? 422 : 409);
                n->status.other_uid = true;
                w->guarded++;
                return;
        }
        if (s->exists && (s->opaque || s->immutable)) {
                answer(n, HTTP_REJECTED, 422);
                n->status.immutable = true;
                n->status.other_type = s->opaque;
                w->refusals++;
                return;
        }
        if (s->exists && s->taken && !n->plan.force) {
                answer(n, HTTP_CONFLICT, 409);
                return;
        }
        if (is_strangers(s)) {
                assert_int_not_equal(n->rules.on_conflict, CONF_CONFLICT_SKIP);
                assert_int_equal(n->plan.reason, PLAN_ADOPT);
                w->adoptions++;
        }
        answer(n, HTTP_OK, s->exists ? 200 : 201);
        if (!s->exists)
                *s = (Stored){ .exists = true, .uid = ++w->uid };
        s->labelled = s->applied = s->owns_data = true;
        s->taken = false;
        s->renewed = w->auths.issued;
        s->expires = w->auths.expires;
        memcpy(s->id, w->auths.id, sizeof(s->id));
        w->applies++;
        changed(w, n);
}

static void serve_delete(World *w, Space *n)
{
        Stored *s = &n->secret;

        if (!s->exists) {
                answer(n, HTTP_NOT_FOUND, 404);
                return;
        }
        if (!is_meant(n) || n->plan.version != s->version) {
                answer(n, HTTP_CONFLICT, 409);
                return;
        }
        if (n->plan.reason == PLAN_RECREATE) {
                assert_int_equal(n->rules.on_conflict, CONF_CONFLICT_RECREATE);
                assert_true(s->opaque || s->immutable);
                w->recreations++;
        } else {
                assert_int_equal(n->plan.reason, PLAN_EXCLUDED);
                assert_int_equal(n->rules.on_exclude, CONF_EXCLUDE_DELETE);
                assert_true(s->applied && s->owns_data && s->labelled && !s->taken && !s->shared);
                w->deletions++;
        }
        answer(n, HTTP_OK, 200);
        remove_secret(s);
        changed(w, n);
}

static void serve(World *w, Space *n)
{
        if (chance(w, 50))
                answer(n, HTTP_RETRY, 500);
        else if (n->plan.action == PLAN_APPLY)
                serve_apply(w, n);
        else if (n->plan.action == PLAN_DELETE)
                serve_delete(w, n);
        else
                answer(n, HTTP_OK, 200);
        n->answer = n->secret;
        n->in_flight = true;
        n->answer_due = w->now + rnd(w) % 4 * STEP;
}

/* --- eatr ------------------------------------------------------------------------------------------ */

static void succeed(World *w, Space *n)
{
        bool gone = n->plan.action == PLAN_DELETE && !n->answer.exists;

        if (n->plan.action == PLAN_INSPECT) {
                plan_inspected(&n->target, &n->plan, "");
                return;
        }
        if (gone)
                plan_observe(&n->target, NULL, n->plan.version + 1);
        else
                observe(n, &n->answer);
        plan_succeeded(&n->target, &n->plan, w->now);
}

static void take_in(World *w, Space *n)
{
        size_t i = 0;

        for (; i < n->n_events && n->events[i].due <= w->now; i++)
                observe(n, &n->events[i].secret);
        n->n_events -= i;
        memmove(n->events, n->events + i, n->n_events * sizeof(n->events[0]));
        if (!n->in_flight || w->now < n->answer_due)
                return;
        n->in_flight = false;
        if (n->outcome == HTTP_OK || (n->outcome == HTTP_NOT_FOUND && n->plan.action == PLAN_DELETE))
                succeed(w, n);
        else
                assert_int_equal(plan_failed(&n->target, &n->plan, n->outcome, &n->status, w->now, rnd(w)),
                                 PLAN_SCOPE_TARGET);
}

static void act(World *w, Space *n)
{
        plan_judged(&n->target, n->excluded ? MATCH_IGNORED : MATCH_WANTED);
        n->rules = w->rules;
        n->plan = plan_next(&n->target, &n->rules, w->now);
        if (n->plan.action == PLAN_WAIT)
                assert_true(n->plan.until > w->now);
        if (n->plan.action == PLAN_WAIT || n->plan.action == PLAN_NOTHING)
                return;
        if (n->plan.action == PLAN_APPLY)
                plan_begun(&n->target, &w->auths);
        serve(w, n);
}

/* --- what has to be -------------------------------------------------------------------------------- */

static bool is_good(const World *w, const Stored *s)
{
        return s->exists && s->applied && s->owns_data && s->expires > wall(w);
}

/* Whether the rules, or what somebody has done to it, keep eatr from it. */
static bool is_out_of_reach(const World *w, const Stored *s)
{
        return s->going || (is_strangers(s) && w->rules.on_conflict == CONF_CONFLICT_SKIP) ||
               ((s->opaque || s->immutable) && w->rules.on_conflict != CONF_CONFLICT_RECREATE);
}

static void check(const World *w, const Space *n)
{
        const Stored *s = &n->secret;
        bool well;

        if (w->now < n->quiet_since + PATIENCE)
                return;
        if (n->excluded)
                well = w->rules.on_exclude != CONF_EXCLUDE_DELETE || s->going || !s->exists || s->taken ||
                       s->shared || !s->labelled || !s->owns_data;
        else
                well = is_good(w, s) || is_out_of_reach(w, s);
        if (!well)
                fail_msg("%" PRIu64 " s: namespace %zd is not as it is to be: %s", (w->now - BOOT) / S,
                         n - w->spaces, plan_reason_to_string(n->plan.reason));
}

static void simulate(uint64_t seed)
{
        World *w = calloc(1, sizeof(*w));

        assert_non_null(w);
        w->random = seed;
        for (w->now = BOOT; w->now < BOOT + 7 * 24 * H; w->now += STEP) {
                usec_t elapsed = w->now - BOOT;

                if (elapsed % (6 * H) == 0)
                        renew(w);
                if (elapsed % (2 * H) == 0)
                        change_rules(w);
                if (chance(w, 20))
                        disturb(w, &w->spaces[rnd(w) % N_NAMESPACES]);
                if (chance(w, 10)) /* one never comes to rest */
                        disturb(w, &w->spaces[0]);
                for (size_t i = 0; i < N_NAMESPACES; i++) {
                        Space *n = &w->spaces[i];

                        take_in(w, n);
                        if (!n->in_flight)
                                act(w, n);
                        check(w, n);
                }
        }
        print_message("seed %" PRIu64
                      ": %u applies, %u adoptions, %u deletions, %u recreations; %u refused, %u "
                      "that met another one\n",
                      seed, w->applies, w->adoptions, w->deletions, w->recreations, w->refusals, w->guarded);
        assert_true(w->adoptions > 0 && w->deletions > 0 && w->recreations > 0 && w->guarded > 0);
        free(w);
}

static void test_a_week_among_others(void **state)
{
        for (uint64_t seed = 1; seed <= 6; seed++)
                simulate(seed);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_week_among_others),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
