/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "said.h"

#define log_full said_log
#include "account-table.c"
#undef log_full

#include <setjmp.h>

#include <cmocka.h>

static AccountNode *add(AccountTable *t, const char *namespace, const char *name)
{
        AccountNamespace *ns = account_table_add_namespace(t, namespace);
        AccountNode *n;

        assert_non_null(ns);
        assert_null(account_table_find(t, ns, name));
        n = account_table_add(t, ns, name);
        assert_non_null(n);
        assert_ptr_equal(account_table_find(t, ns, name), n);
        return n;
}

static void test_accounts_belong_to_namespaces(void **state)
{
        _cleanup_(account_table_freep) AccountTable *t = NULL;
        AccountNode *a, *b;
        AccountNamespace *ns;

        assert_int_equal(account_table_new(&t), 0);
        assert_null(account_table_first(t));
        assert_null(account_table_namespace(t, "a"));
        a = add(t, "a", "default");
        b = add(t, "b", "default");
        assert_ptr_not_equal(a, b);
        ns = account_table_namespace(t, "a");
        assert_ptr_equal(a->namespace, ns);
        assert_ptr_equal(account_table_add_namespace(t, "a"), ns);
        (void) add(t, "a", "ci");
        ACCOUNTS_FOREACH_IN (n, next, ns) {
                assert_ptr_equal(n->namespace, ns);
                account_table_drop(t, n);
        }
        assert_true(TAILQ_EMPTY(&ns->accounts));
        assert_ptr_equal(account_table_first(t), b);
}

static void test_a_namespace_stays_while_something_is_known_of_it(void **state)
{
        _cleanup_(account_table_freep) AccountTable *t = NULL;
        AccountNode *n;

        assert_int_equal(account_table_new(&t), 0);
        n = add(t, "a", "default");
        account_table_tidy_namespace(t, n->namespace);
        assert_non_null(account_table_namespace(t, "a"));
        n->namespace->known = true;
        account_table_drop(t, n);
        account_table_tidy_namespace(t, account_table_namespace(t, "a"));
        assert_non_null(account_table_namespace(t, "a"));
        account_table_namespace(t, "a")->known = false;
        account_table_tidy_namespace(t, account_table_namespace(t, "a"));
        assert_null(account_table_namespace(t, "a"));
}

static void test_queues_are_first_in_first_out(void **state)
{
        _cleanup_(account_table_freep) AccountTable *t = NULL;
        AccountNode *a, *b;

        assert_int_equal(account_table_new(&t), 0);
        a = add(t, "a", "default");
        b = add(t, "b", "default");
        account_table_move(t, b, ACCOUNT_NOW);
        account_table_move(t, a, ACCOUNT_NOW);
        assert_ptr_equal(account_table_head(t, ACCOUNT_NOW), b);
        account_table_move(t, b, ACCOUNT_IN_FLIGHT);
        assert_ptr_equal(account_table_head(t, ACCOUNT_NOW), a);
        account_table_drop(t, a);
        assert_null(account_table_head(t, ACCOUNT_NOW));
        assert_null(account_table_head(t, ACCOUNT_DIRTY));
        account_table_move(t, b, ACCOUNT_DIRTY); /* and it is freed from there */
}

static void test_a_message_says_of_whom(void **state)
{
        _cleanup_(account_table_freep) AccountTable *t = NULL;
        AccountNode *n;

        assert_int_equal(account_table_new(&t), 0);
        n = add(t, "a", "default");
        said[0] = '\0';
        account_event(n, LOG_WARNING, "an id", "it is %d", 7);
        assert_string_equal(said, "4 namespace a: service account default: it is 7\n");
        assert_string_equal(said_id, "an id");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_accounts_belong_to_namespaces),
                cmocka_unit_test(test_a_namespace_stays_while_something_is_known_of_it),
                cmocka_unit_test(test_queues_are_first_in_first_out),
                cmocka_unit_test(test_a_message_says_of_whom),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
