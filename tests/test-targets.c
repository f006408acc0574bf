/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "kube-script.h"
#include "log.h"
#include "targets.h"

static int set_up(void **state)
{
        return targets_new((Targets **) state);
}

static int tear_down(void **state)
{
        *state = targets_free(*state);
        return 0;
}

static Node *add(Targets *t, const char *name)
{
        Node *n = targets_add(t, name);

        assert_non_null(n);
        return n;
}

/* The names of all nodes, in the order of the table. */
static const char *names(const Targets *t)
{
        static char text[256];

        text[0] = '\0';
        TARGETS_FOREACH (n, next, t)
                (void) snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s ", n->name);
        return text;
}

/* Those of a queue, which is emptied. */
static const char *drain(Targets *t, NodePlace place)
{
        static char text[256];
        Node *n;

        text[0] = '\0';
        while ((n = targets_head(t, place))) {
                assert_int_equal(n->place, place);
                (void) snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s ", n->name);
                targets_move(t, n, NODE_IDLE);
        }
        return text;
}

static void test_a_new_table_is_empty(void **state)
{
        const Targets *t = *state;

        assert_null(targets_first(t));
        assert_null(targets_find(t, "a"));
        for (NodePlace p = 0; p < _NODE_PLACE_MAX; p++)
                assert_null(targets_head(t, p));
        assert_string_equal(names(t), "");
        assert_null(targets_free(NULL));
}

static void test_a_node_is_found_by_its_name(void **state)
{
        Targets *t = *state;
        char name[] = "team-a";
        Node *a = add(t, name), *b = add(t, "team-b");

        memset(name, 'x', sizeof(name) - 1); /* it was copied */
        assert_string_equal(a->name, "team-a");
        assert_ptr_equal(targets_find(t, "team-a"), a);
        assert_ptr_equal(targets_find(t, "team-b"), b);
        assert_null(targets_find(t, "team"));
        assert_null(targets_find(t, "team-ab"));
        assert_null(targets_find(t, ""));
        assert_ptr_equal(targets_first(t), a);

        targets_drop(t, a);
        assert_null(targets_find(t, "team-a"));
        assert_ptr_equal(targets_find(t, "team-b"), b);
        assert_ptr_equal(targets_first(t), b);
        assert_non_null(add(t, "team-a"));
        assert_string_equal(names(t), "team-b team-a ");
}

/* Nothing is known of it, nothing is to be done, and nothing has been said. */
static void test_a_new_node_rests(void **state)
{
        Targets *t = *state;
        const Node *n = add(t, "a");

        assert_false(n->exists);
        assert_false(n->target.secret.exists);
        assert_int_equal(n->target.verdict, MATCH_WANTED);
        assert_int_equal(n->place, NODE_IDLE);
        assert_int_equal(n->told, PLAN_FRESH);
        assert_true(n->wake_at == USEC_INFINITY);
        assert_null(n->request);
        for (NodePlace p = 0; p < _NODE_PLACE_MAX; p++)
                assert_null(targets_head(t, p));
}

static void test_queues_are_served_in_order(void **state)
{
        static const NodePlace places[] = { NODE_DIRTY, NODE_NOW, NODE_BULK };
        Targets *t = *state;
        Node *a = add(t, "a"), *b = add(t, "b"), *c = add(t, "c");

        for (size_t i = 0; i < ELEMENTSOF(places); i++) {
                targets_move(t, c, places[i]);
                targets_move(t, a, places[i]);
                targets_move(t, b, places[i]);
                for (size_t k = 0; k < ELEMENTSOF(places); k++)
                        assert_ptr_equal(targets_head(t, places[k]), k == i ? c : NULL);
                targets_move(t, c, places[i]); /* once more: to its end */
                assert_string_equal(drain(t, places[i]), "a b c ");
        }
        /* From one to the other, and from its middle. */
        targets_move(t, a, NODE_NOW);
        targets_move(t, b, NODE_NOW);
        targets_move(t, c, NODE_NOW);
        targets_move(t, b, NODE_BULK);
        targets_move(t, a, NODE_BULK);
        assert_string_equal(drain(t, NODE_NOW), "c ");
        assert_string_equal(drain(t, NODE_BULK), "b a ");
        assert_string_equal(names(t), "a b c ");
}

/* While idle or in flight a node stands in no queue. */
static void test_two_places_are_no_queues(void **state)
{
        Targets *t = *state;
        Node *a = add(t, "a");

        for (NodePlace from = 0; from < _NODE_PLACE_MAX; from++) {
                targets_move(t, a, from);
                assert_int_equal(a->place, from);
                targets_move(t, a, NODE_IN_FLIGHT);
                assert_int_equal(a->place, NODE_IN_FLIGHT);
                for (NodePlace p = 0; p < _NODE_PLACE_MAX; p++)
                        assert_null(targets_head(t, p));
                targets_move(t, a, NODE_IDLE);
        }
        assert_null(targets_head(t, NODE_IDLE));
}

static void test_a_dropped_node_leaves_its_queue(void **state)
{
        Targets *t = *state;
        char name[] = "a";

        for (NodePlace p = 0; p < _NODE_PLACE_MAX; p++)
                for (unsigned which = 0; which < 3; which++) {
                        Node *nodes[3];

                        for (size_t i = 0; i < ELEMENTSOF(nodes); i++) {
                                name[0] = (char) ('a' + i);
                                nodes[i] = add(t, name);
                                targets_move(t, nodes[i], p);
                        }
                        targets_drop(t, nodes[which]);
                        if (p == NODE_DIRTY || p == NODE_NOW || p == NODE_BULK)
                                assert_string_equal(drain(t, p), names(t));
                        assert_int_equal(strlen(names(t)), strlen("x x "));
                        TARGETS_FOREACH (n, next, t)
                                targets_drop(t, n);
                        assert_null(targets_first(t));
                }
}

/* The one at hand may be dropped, be it the first, the last, or each. */
static void test_a_walk_may_drop(void **state)
{
        static const struct {
                const char *drop, *left;
        } cases[] = {
                { "a", "b c d " }, { "d", "a b c " }, { "bc", "a d " }, { "abd", "c " }, { "abcd", "" }
        };
        Targets *t = *state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                unsigned seen = 0;

                for (const char *name = "a\0b\0c\0d\0"; *name; name += 2)
                        (void) add(t, name);
                TARGETS_FOREACH (n, next, t) {
                        seen++;
                        if (strstr(cases[i].drop, n->name))
                                targets_drop(t, n);
                }
                assert_int_equal(seen, 4);
                assert_string_equal(names(t), cases[i].left);
                TARGETS_FOREACH (n, next, t)
                        targets_drop(t, n);
        }
}

static void test_many(void **state)
{
        Targets *t = *state;
        char name[32];

        for (unsigned i = 0; i < 5000; i++) {
                (void) snprintf(name, sizeof(name), "namespace-%u", i);
                targets_move(t, add(t, name), i % 2 ? NODE_BULK : NODE_DIRTY);
        }
        for (unsigned i = 0; i < 5000; i += 3) {
                (void) snprintf(name, sizeof(name), "namespace-%u", i);
                targets_drop(t, targets_find(t, name));
        }
        for (unsigned i = 0; i < 5000; i++) {
                const Node *n;

                (void) snprintf(name, sizeof(name), "namespace-%u", i);
                n = targets_find(t, name);
                assert_int_equal(n != NULL, i % 3 != 0);
                assert_true(!n || streq(n->name, name));
        }
}

/* --- requests ---------------------------------------------------------------------------------------- */

static void on_done(KubeRequest *q, HttpOutcome outcome, const KubeStatus *status, void *userdata)
{
        fail();
}

/* A node's request ends with it, and with the table. */
static void test_a_request_goes_with_its_node(void **state)
{
        Targets *t = *state;
        KubeStats stats = { .n_requests = 0 };
        KubeConfig config = { .context = NULL };
        ScriptPeer *peers[2];
        KubeClient *client;
        KubeAuth *auth;
        sd_event *event;
        Script script;

        assert_return_code(sd_event_new(&event), 0);
        script_begin(&script, event);
        config.server = script.url;
        assert_return_code(kube_auth_new(event, &config, &auth), 0);
        assert_return_code(kube_client_new(event, auth, &stats, &client), 0);
        for (unsigned i = 0; i < 2; i++) {
                Node *n = add(t, i == 0 ? "a" : "b");

                assert_return_code(kube_client_request(client,
                                                       &(KubeSpec){ .verb = KUBE_PROBE, .path = "/x" },
                                                       on_done, n, &n->request),
                                   0);
                targets_move(t, n, NODE_IN_FLIGHT);
                peers[i] = script_await(&script, "GET /x ");
        }
        targets_drop(t, targets_find(t, "a"));
        script_until(&script, peers[0]->fd < 0);
        assert_true(peers[1]->fd >= 0);
        *state = targets_free(t);
        script_until(&script, peers[1]->fd < 0);
        assert_int_equal(stats.n_requests, 0);

        (void) kube_client_free(client);
        (void) kube_auth_free(auth);
        script_end(&script);
        (void) sd_event_unref(event);
}

/* --- messages ---------------------------------------------------------------------------------------- */

static struct {
        int level, error;
        char file[64], fields[128], text[2048];
} logged;

/* In place of log's. */
void log_full(int level, const char *file, int error, const LogField *fields, const char *format, ...)
{
        va_list ap;

        logged.level = level;
        logged.error = error;
        (void) snprintf(logged.file, sizeof(logged.file), "%s", file);
        logged.fields[0] = '\0';
        for (const LogField *f = fields; f && f->name; f++) {
                size_t n = strlen(logged.fields);

                if (f->value)
                        (void) snprintf(logged.fields + n, sizeof(logged.fields) - n, "%s=%s ", f->name,
                                        f->value);
        }
        va_start(ap, format);
        (void) vsnprintf(logged.text, sizeof(logged.text), format, ap);
        va_end(ap);
}

int log_verbosity(void)
{
        return 0;
}

static void test_messages_name_the_namespace(void **state)
{
        const Node *n = add(*state, "team-a");
        char text[3000];

        node_log(n, LOG_WARNING, "%s, %d%%", "odd", 7);
        assert_int_equal(logged.level, LOG_WARNING);
        assert_int_equal(logged.error, 0);
        assert_string_equal(logged.text, "namespace team-a: odd, 7%");
        assert_string_equal(logged.fields, "EATR_NAMESPACE=team-a ");
        assert_string_equal(logged.file, __FILE__);

        node_event(n, LOG_WARNING, "0123", "odd");
        assert_string_equal(logged.fields, "MESSAGE_ID=0123 EATR_NAMESPACE=team-a ");

        /* A peer's text is no format; a long one is cut. */
        node_log(n, LOG_DEBUG, "%s", "100%s %n");
        assert_string_equal(logged.text, "namespace team-a: 100%s %n");
        memset(text, 'x', sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        node_log(n, LOG_INFO, "%s", text);
        assert_in_range(strlen(logged.text), 1000, 1100);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(test_a_new_table_is_empty),
                TEST(test_a_node_is_found_by_its_name),
                TEST(test_a_new_node_rests),
                TEST(test_queues_are_served_in_order),
                TEST(test_two_places_are_no_queues),
                TEST(test_a_dropped_node_leaves_its_queue),
                TEST(test_a_walk_may_drop),
                TEST(test_many),
                TEST(test_a_request_goes_with_its_node),
                TEST(test_messages_name_the_namespace),
        };

        return cmocka_run_group_tests_name("targets", tests, script_group_setup, script_group_teardown);
}
