/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "auths.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define HOST "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
#define VALUE "QVdTOmh1bnRlcjI=" /* AWS:hunter2 */
#define OTHER_VALUE "QVdTOmh1bnRlcjM="
#define ISSUED (1795461567 * USEC_PER_SEC)
#define LIFE (12 * USEC_PER_HOUR)

static Token *make_token(const char *host, const char *value, usec_t issued, usec_t life, usec_t boottime)
{
        Token *t = NULL;

        assert_int_equal(token_new(host, value, issued, issued + life, boottime, &t), 0);
        return t;
}

static Token *simple(const char *host, const char *value)
{
        return make_token(host, value, ISSUED, LIFE, 42);
}

/* "host=value host=value" */
static const char *items_of(const Auths *a)
{
        static char text[1024];
        size_t n = 0;

        text[0] = '\0';
        for (size_t i = 0; i < a->n; i++)
                n += (size_t) snprintf(text + n, sizeof(text) - n, "%s%s=%.*s", i > 0 ? " " : "",
                                       a->items[i].host, 11, a->items[i].value);
        return text;
}

static void check_items(const AuthsPart *parts, size_t n, const char *expected)
{
        _cleanup_(auths_unrefp) Auths *a = NULL;

        assert_int_equal(auths_new(parts, n, false, &a), 0);
        assert_string_equal(items_of(a), expected);
}

static void test_one_host_has_the_id_that_its_token_had(void **state)
{
        _cleanup_(token_unrefp) Token *t = simple(HOST, VALUE), *other = simple("other", VALUE);
        const AuthsPart part = { .token = t }, other_part = { .token = other };
        _cleanup_(auths_unrefp) Auths *a = NULL, *b = NULL;

        assert_int_equal(auths_new(&part, 1, false, &a), 0);
        assert_int_equal(auths_new(&other_part, 1, false, &b), 0);
        assert_string_equal(a->id, "baafbb49473a6d04"); /* sha256sum, of each the start */
        assert_string_equal(b->id, "d9298a10473a6d04");
        assert_int_equal(a->n, 1);
        assert_string_equal(a->items[0].host, HOST);
        assert_string_equal(a->items[0].value, VALUE);
        assert_int_equal(a->issued, t->issued);
        assert_int_equal(a->expires, t->expires);
        assert_int_equal(a->received_boottime, t->received_boottime);
        assert_int_equal(a->n_ref, 1);
}

/* In bytes' order, whatever the locale, and whichever part they come from. */
static void test_hosts_are_sorted(void **state)
{
        _cleanup_(token_unrefp) Token *m = simple("m", "YTpt"), *b = simple("b.a", "YTpi");
        char *of_m[] = { (char *) "z", (char *) "a", (char *) "b", (char *) "B", NULL };
        char *of_b[] = { (char *) "b-a", (char *) "n", (char *) "1:5000", NULL }, *none[] = { NULL };
        const AuthsPart parts[] = { { m, of_m }, { b, of_b } }, reversed[] = { { b, of_b }, { m, of_m } };
        const AuthsPart plain[] = { { m, NULL }, { b, none } };

        check_items(parts, 2, "1:5000=YTpi B=YTpt a=YTpt b=YTpt b-a=YTpi b.a=YTpi m=YTpt n=YTpi z=YTpt");
        check_items(reversed, 2, "1:5000=YTpi B=YTpt a=YTpt b=YTpt b-a=YTpi b.a=YTpi m=YTpt n=YTpi z=YTpt");
        check_items(plain, 2, "b.a=YTpi m=YTpt");
}

static void test_the_first_part_has_a_host_that_two_name(void **state)
{
        _cleanup_(token_unrefp) Token *a = simple("a", "YTph"), *b = simple("b", "YTpi");
        char *of_a[] = { (char *) "c", (char *) "a", (char *) "c", NULL };
        char *of_b[] = { (char *) "c", (char *) "a", NULL };
        const AuthsPart parts[] = { { a, of_a }, { b, of_b } }, reversed[] = { { b, of_b }, { a, of_a } };

        check_items(parts, 2, "a=YTph b=YTpi c=YTph");
        check_items(reversed, 2, "a=YTpi b=YTpi c=YTpi");
}

/* Nor has it a say in the times of what it does not open. */
static void test_a_token_that_opens_nothing_is_not_held(void **state)
{
        _cleanup_(token_unrefp) Token *t = simple("a", VALUE);
        _cleanup_(token_unrefp) Token *late = make_token("a", OTHER_VALUE, ISSUED - 5, LIFE, 7);
        const AuthsPart parts[] = { { t, NULL }, { late, NULL } };
        _cleanup_(auths_unrefp) Auths *a = NULL;

        assert_int_equal(auths_new(parts, 2, false, &a), 0);
        assert_string_equal(items_of(a), "a=QVdTOmh1bnR");
        assert_string_equal(a->items[0].value, VALUE);
        assert_int_equal(a->issued, ISSUED);
        assert_int_equal(a->expires, ISSUED + LIFE);
        assert_int_equal(a->received_boottime, 42);
        assert_int_equal(late->n_ref, 1);
}

/* The oldest and the first to expire need not be one, and may stand anywhere. */
static void test_times_are_of_the_oldest_and_of_the_first_to_expire(void **state)
{
        _cleanup_(token_unrefp) Token *young = make_token("a", VALUE, ISSUED + 9, LIFE, 51);
        _cleanup_(token_unrefp) Token *old = make_token("b", VALUE, ISSUED, LIFE, 42);
        _cleanup_(token_unrefp) Token *brief = make_token("c", VALUE, ISSUED + 5, 100, 47);
        static const size_t orders[][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
                                            { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };
        Token *const tokens[] = { young, old, brief };

        for (size_t i = 0; i < ELEMENTSOF(orders); i++) {
                AuthsPart parts[3] = { 0 };
                _cleanup_(auths_unrefp) Auths *a = NULL;

                for (size_t k = 0; k < 3; k++)
                        parts[k].token = tokens[orders[i][k]];
                assert_int_equal(auths_new(parts, 3, false, &a), 0);
                assert_int_equal(a->issued, ISSUED);
                assert_int_equal(a->received_boottime, 42);
                assert_int_equal(a->expires, ISSUED + 105);
        }
}

static void id_of(const AuthsPart *parts, size_t n, char ret[static TOKEN_ID_MAX])
{
        _cleanup_(auths_unrefp) Auths *a = NULL;

        assert_int_equal(auths_new(parts, n, false, &a), 0);
        assert_int_equal(strlen(a->id), TOKEN_ID_MAX - 1);
        memcpy(ret, a->id, TOKEN_ID_MAX);
}

static void test_the_id_is_of_hosts_and_values(void **state)
{
        _cleanup_(token_unrefp) Token *a = simple("a", VALUE), *b = simple("b", VALUE);
        _cleanup_(token_unrefp) Token *later_a = make_token("a", VALUE, ISSUED + 1, LIFE * 2, 43);
        _cleanup_(token_unrefp) Token *new_b = simple("b", OTHER_VALUE), *new_a = simple("a", OTHER_VALUE);
        char *c[] = { (char *) "c", NULL };
        const AuthsPart ab[] = { { a, NULL }, { b, NULL } }, ba[] = { { b, NULL }, { later_a, NULL } };
        const AuthsPart renewed[] = { { a, NULL }, { new_b, NULL } }, more[] = { { a, NULL }, { b, c } };
        const AuthsPart swapped[] = { { new_a, NULL }, { b, NULL } };
        char id[TOKEN_ID_MAX], other[TOKEN_ID_MAX];

        id_of(ab, 2, id);
        assert_string_equal(id, "7e18f737a7a451e1"); /* printf 'a\nb' | sha256sum, and of the values */
        id_of(ba, 2, other);
        assert_string_equal(other, id);

        id_of(renewed, 2, other);
        assert_string_not_equal(other, id);
        assert_true(auths_same_hosts(other, id));
        /* Who has which value makes a difference. */
        id_of(swapped, 2, id);
        assert_string_not_equal(other, id);
        assert_true(auths_same_hosts(other, id));

        id_of(more, 2, other);
        assert_false(auths_same_hosts(other, id));
        id_of(ab, 1, other);
        assert_false(auths_same_hosts(other, id));
        assert_false(auths_same_hosts(other, ""));
}

static void test_hosts_are_checked(void **state)
{
        static const char *const bad[] = { "", "https://a", "a/", "a b", "a\n", "[::1]", "a//b" };
        _cleanup_(token_unrefp) Token *t = simple(HOST, VALUE);

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                char *hosts[] = { (char *) "good", (char *) bad[i], (char *) "fine", NULL };
                const AuthsPart part = { t, hosts };
                Auths *a = NULL;

                if (auths_new(&part, 1, false, &a) != -EINVAL)
                        fail_msg("taken: %s", bad[i]);
                assert_null(a);
                assert_int_equal(t->n_ref, 1);
        }
}

static void test_there_is_at_least_one_part(void **state)
{
        Auths *a = NULL;

        assert_int_equal(auths_new(NULL, 0, false, &a), -EINVAL);
        assert_null(a);
}

/* Values that repeat count each time, as they do in the Secret. */
static void test_no_more_than_a_secret_takes(void **state)
{
        enum { HOST_SIZE = 1024, N = AUTHS_SIZE_MAX / HOST_SIZE };
        static char text[N][HOST_SIZE], *hosts[N];
        _cleanup_(token_unrefp) Token *t = simple("a", "YTpi");
        const AuthsPart part = { t, hosts };
        Auths *a = NULL;

        for (size_t i = 0; i < N - 1; i++) {
                memset(text[i], 'x', HOST_SIZE - 1);
                text[i][snprintf(text[i], HOST_SIZE, "%zu", i)] = 'x';
                hosts[i] = text[i];
        }
        hosts[N - 1] = NULL;
        assert_int_equal(auths_new(&part, 1, false, &a), 0);
        assert_int_equal(a->n, N);
        a = auths_unref(a);

        _cleanup_(token_unrefp) Token *longer = simple(text[N - 2], "YTpi");
        const AuthsPart parts[] = { { longer, NULL }, part };
        char last[HOST_SIZE + 1];

        memset(last, 'y', HOST_SIZE);
        last[HOST_SIZE] = '\0';
        hosts[N - 2] = last;
        assert_int_equal(auths_new(parts, 2, false, &a), -EMSGSIZE);
        assert_null(a);
        assert_int_equal(t->n_ref, 1);
}

static void test_references(void **state)
{
        char host[] = "more";
        char *hosts[] = { host, NULL };
        Token *t = simple("a", VALUE);
        const AuthsPart part = { t, hosts };
        Auths *a = NULL, *second;

        assert_int_equal(auths_new(&part, 1, false, &a), 0);
        assert_int_equal(t->n_ref, 2);
        host[0] = 'x';
        assert_string_equal(items_of(a), "a=QVdTOmh1bnR more=QVdTOmh1bnR");
        second = auths_ref(a);
        assert_ptr_equal(second, a);
        assert_null(auths_unref(a));
        assert_int_equal(t->n_ref, 2);
        token_unref(t); /* the Auths have it to the end, and wipe it then */
        assert_string_equal(items_of(second), "a=QVdTOmh1bnR more=QVdTOmh1bnR");
        t = token_ref(t);
        assert_null(auths_unref(second));
        assert_int_equal(t->n_ref, 1);
        token_unref(t);
        assert_null(auths_ref(NULL));
        assert_null(auths_unref(NULL));
}

static void test_equality(void **state)
{
        const Auths a = { .id = "aaaaaaaabbbbbbbb", .issued = 1, .expires = 2 };
        Auths others[] = { a, a, a, a, a };

        (void) snprintf(others[1].id, sizeof(others[1].id), "aaaaaaaacccccccc");
        others[2].issued++;
        others[3].expires++;
        others[4].incomplete = true;
        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                assert_int_equal(auths_equal(&a, &others[i]), i == 0);
        assert_true(auths_equal(NULL, NULL));
        assert_false(auths_equal(&a, NULL) || auths_equal(NULL, &a));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_equality),
                cmocka_unit_test(test_one_host_has_the_id_that_its_token_had),
                cmocka_unit_test(test_hosts_are_sorted),
                cmocka_unit_test(test_the_first_part_has_a_host_that_two_name),
                cmocka_unit_test(test_a_token_that_opens_nothing_is_not_held),
                cmocka_unit_test(test_times_are_of_the_oldest_and_of_the_first_to_expire),
                cmocka_unit_test(test_the_id_is_of_hosts_and_values),
                cmocka_unit_test(test_hosts_are_checked),
                cmocka_unit_test(test_there_is_at_least_one_part),
                cmocka_unit_test(test_no_more_than_a_secret_takes),
                cmocka_unit_test(test_references),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
