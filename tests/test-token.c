/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "encode.h"
#include "token.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define HOST "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
#define VALUE "QVdTOmh1bnRlcjI=" /* AWS:hunter2 */
#define ISSUED (1795461567 * USEC_PER_SEC)
#define EXPIRES (ISSUED + 12 * USEC_PER_HOUR)

static const char *erased;

/* Stand in for what token.c frees with: neither form of the password may be left in it. */
static void free_wiped(void *p)
{
        assert_true(!p || (strncmp(p, "AWS:", 4) != 0 && strncmp(p, VALUE, 4) != 0));
        free(p);
}

static char *erase_and_note(char *s)
{
        erased = s;
        return str_erase_free(s);
}

#define free(p) free_wiped(p)
#define str_erase_free(s) erase_and_note(s)
#include "token.c"
#undef free
#undef str_erase_free

static int make(const char *host, const char *value, usec_t issued, usec_t expires)
{
        Token *t = NULL;
        int r = token_new(host, value, issued, expires, 7, &t);

        assert_true((r == 0) == (t != NULL));
        token_unref(t);
        return r;
}

static void test_a_token_holds_copies_of_what_it_was_given(void **state)
{
        char host[] = HOST, value[] = VALUE;
        _cleanup_(token_unrefp) Token *t = NULL;

        assert_int_equal(token_new(host, value, ISSUED, EXPIRES, 42, &t), 0);
        host[0] = value[0] = 'x';
        assert_string_equal(t->host, HOST);
        assert_string_equal(t->value, VALUE);
        assert_int_equal(t->issued, ISSUED);
        assert_int_equal(t->expires, EXPIRES);
        assert_int_equal(t->received_boottime, 42);
        assert_int_equal(t->n_ref, 1);
}

static void test_values_that_are_base64_of_user_and_password(void **state)
{
        _cleanup_free_ char *large = malloc(3001), *large_value = NULL;
        static const char *const good[] = {
                VALUE, "YTpi",      /* a:b */
                "YTpiOmM=",         /* a:b:c */
                "QVdTOiDDpMO2w7w=", /* blanks and UTF-8 in the password */
        };

        for (size_t i = 0; i < ELEMENTSOF(good); i++)
                assert_int_equal(make(HOST, good[i], ISSUED, EXPIRES), 0);
        assert_non_null(large);
        memset(large, 'x', 3000);
        memcpy(large, "AWS:", 4);
        large_value = encode_base64(large, 3000);
        assert_int_equal(make(HOST, large_value, ISSUED, EXPIRES), 0);
}

static void test_malformed_values_are_refused(void **state)
{
        static const char *const bad[] = {
                "",
                "AWS:hunter2",
                "QVdTOmh1bnRlcjI",    /* no padding */
                "QVdTOmh1bnRlcjI==",  /* too much of it */
                "QVdTOmh1bnRlcjI=\n", /* blanks in it would get into the Secret */
                " QVdTOmh1bnRlcjI=",
                "QVdT OmhlbGxv",
                "QVdTOmh1bnRlcj_-", /* base64url */
                "QVdTOmh1bnRlcjI=!",
                "QVdTOmh1bn\xc3\xa4=",
                "\x01QVdTOmh1bnRlcjI",
                "QVdTaHVudGVyMg==", /* no colon */
                "Omh1bnRlcjI=",     /* no user */
                "QVdTOg==",         /* no password */
                "Og==",             /* neither */
                "QVdTOmh1bg10ZXIy", /* CR in the password */
                "QVdTOmh1bgp0ZXIy", /* LF in it */
                "QVcNUzpodW50ZXI=", /* CR in the user */
                "QVdTOmh1bgB0ZXI=", /* NUL in the password */
                "QVcAUzpodW50ZXI=", /* NUL before the colon */
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                if (make(HOST, bad[i], ISSUED, EXPIRES) != -EINVAL)
                        fail_msg("taken: %s", bad[i]);
}

static void test_hosts_that_can_be_a_key_of_auths(void **state)
{
        static const char *const good[] = {
                HOST,       "public.ecr.aws", "localhost", "localhost:5001", "registry.local:5001/team/a_b",
                "10.0.0.1",
        };
        static const char *const bad[] = {
                "",          " ",          "a b", "a\n", "a\tb",      "a\"b",  "a\\b",  "*.a",
                "a,b",       "a@b",        "a?b", "a#b", "a%20",      "{}",    "[::1]", "a=b",
                "https://a", "http://a:1", "//a", "/a",  "a//b",      "/",     ":",     ".a",
                "-a",        "a/",         "a:",  "a.",  "b\xc3\xbc", "a\x7f",
        };

        for (size_t i = 0; i < ELEMENTSOF(good); i++)
                if (make(good[i], VALUE, ISSUED, EXPIRES) != 0 || !token_host_is_good(good[i]))
                        fail_msg("refused: %s", good[i]);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                if (make(bad[i], VALUE, ISSUED, EXPIRES) != -EINVAL || token_host_is_good(bad[i]))
                        fail_msg("taken: %s", bad[i]);
}

static void test_a_token_expires_after_it_was_issued(void **state)
{
        assert_int_equal(make(HOST, VALUE, ISSUED, ISSUED), -EINVAL);
        assert_int_equal(make(HOST, VALUE, ISSUED, ISSUED - 1), -EINVAL);
        assert_int_equal(make(HOST, VALUE, ISSUED, 0), -EINVAL);
        assert_int_equal(make(HOST, VALUE, ISSUED, ISSUED + 1), 0);
}

static void test_the_last_reference_wipes_the_value(void **state)
{
        Token *t = NULL, *second;
        char *value;

        assert_int_equal(token_new(HOST, VALUE, ISSUED, EXPIRES, 0, &t), 0);
        value = t->value;
        erased = NULL;
        second = token_ref(t);
        assert_ptr_equal(second, t);
        assert_null(token_unref(t));
        assert_null(erased);
        assert_string_equal(second->value, VALUE);
        assert_null(token_unref(second));
        assert_ptr_equal(erased, value);
        assert_null(token_ref(NULL));
        assert_null(token_unref(NULL));
}

static void test_renewal_is_due_at_half_life_or_after_the_interval(void **state)
{
        static const struct {
                usec_t life, interval, expected;
        } cases[] = {
                { 12 * USEC_PER_HOUR, 0, 6 * USEC_PER_HOUR },
                { 12 * USEC_PER_HOUR, 20 * USEC_PER_SEC, 20 * USEC_PER_SEC },
                { 12 * USEC_PER_HOUR, 1, 1 },
                { 12 * USEC_PER_HOUR, 8 * USEC_PER_HOUR, 8 * USEC_PER_HOUR },
                /* Never later than three quarters of the life. */
                { 12 * USEC_PER_HOUR, 9 * USEC_PER_HOUR, 9 * USEC_PER_HOUR },
                { 12 * USEC_PER_HOUR, 9 * USEC_PER_HOUR + 1, 9 * USEC_PER_HOUR },
                { 12 * USEC_PER_HOUR, 3650 * USEC_PER_DAY, 9 * USEC_PER_HOUR },
                { 12 * USEC_PER_HOUR, USEC_INFINITY, 9 * USEC_PER_HOUR },
                { 4 * USEC_PER_SEC, 20 * USEC_PER_SEC, 3 * USEC_PER_SEC },
                { 4 * USEC_PER_SEC, 0, 2 * USEC_PER_SEC },
                { 0, 0, 0 },
                { 0, USEC_PER_HOUR, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                assert_int_equal(token_renewal_due(ISSUED, ISSUED + cases[i].life, cases[i].interval),
                                 ISSUED + cases[i].expected);
        /* Expired before it was issued: at once. */
        assert_int_equal(token_renewal_due(ISSUED, ISSUED - 5, 0), ISSUED);
        assert_int_equal(token_renewal_due(ISSUED, ISSUED - 5, USEC_PER_HOUR), ISSUED);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_token_holds_copies_of_what_it_was_given),
                cmocka_unit_test(test_values_that_are_base64_of_user_and_password),
                cmocka_unit_test(test_malformed_values_are_refused),
                cmocka_unit_test(test_hosts_that_can_be_a_key_of_auths),
                cmocka_unit_test(test_a_token_expires_after_it_was_issued),
                cmocka_unit_test(test_the_last_reference_wipes_the_value),
                cmocka_unit_test(test_renewal_is_due_at_half_life_or_after_the_interval),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
