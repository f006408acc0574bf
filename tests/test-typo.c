/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "typo.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define NONE SIZE_MAX

/* The strings end where their memory does, for the sanitizers. */
static size_t distance(const char *name, const char *known)
{
        _cleanup_free_ char *a = strdup(name), *b = strdup(known);

        assert_true(a && b);
        return typo_distance(a, b);
}

static void test_a_typo_is_a_third_of_the_letters_at_most(void **state)
{
        static const struct {
                const char *name, *known;
                size_t distance;
        } cases[] = {
                { "region", "region", 0 },
                { "ReGION", "region", 0 },
                { "region", "REGION", 0 },
                { "regon", "region", 1 },   /* one is missing */
                { "reggion", "region", 1 }, /* one too many */
                { "legion", "region", 1 },  /* another one */
                { "regoin", "region", 2 },  /* two have changed places */
                { "region", "rgn", NONE },  /* 3 of 6 */
                { "xxxion", "region", NONE },
                { "xxxionregi", "regionregi", 3 }, /* 3 of 10 */
                { "abc", "abd", 1 },
                { "ab", "ac", NONE },
                { "a", "b", NONE },
                { "a", "A", 0 },
                { "", "", 0 },
                { "", "abc", NONE },
                { "abc", "", NONE },
                { "secret_access_key", "aws_secret_access_key", 4 },
                { "region\xc2\xa0", "region", 2 }, /* letters are bytes */
                { "verbosity", "blacklist", NONE },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                if (distance(cases[i].name, cases[i].known) != cases[i].distance)
                        fail_msg("%s, %s: %zu", cases[i].name, cases[i].known,
                                 distance(cases[i].name, cases[i].known));
}

static void test_names_that_are_too_long_are_no_typos(void **state)
{
        _cleanup_free_ char *name = calloc(1, 100001);

        memset(name, 'a', 64);
        assert_int_equal(distance(name, name), 0);
        assert_int_equal(distance(name, name + 1), 1);
        memset(name, 'a', 65);
        assert_int_equal(distance(name + 1, name), 1); /* only what somebody wrote has a limit */
        assert_int_equal(distance(name, name), NONE);
        assert_int_equal(distance(name, name + 1), NONE);
        memset(name, 'a', 100000);
        assert_int_equal(distance(name, "a"), NONE);
        assert_int_equal(distance("a", name), NONE);
}

/* What Levenshtein's distance is by definition. */
static size_t defined(const char *a, const char *b)
{
        if (!*a || !*b)
                return strlen(a) + strlen(b);
        if (tolower(*a) == tolower(*b))
                return defined(a + 1, b + 1);
        return 1 + MIN(defined(a + 1, b + 1), MIN(defined(a, b + 1), defined(a + 1, b)));
}

/* The word of that number: up to six of three letters. */
static const char *word(char buffer[static 8], unsigned n)
{
        char *p = buffer;

        for (; n > 0; n = (n - 1) / 3)
                *p++ = "abB"[(n - 1) % 3];
        *p = '\0';
        return buffer;
}

static void test_distances_are_those_of_the_definition(void **state)
{
        for (unsigned i = 0; i < 30 * 30; i++) {
                char a[8], b[8];
                size_t expected = defined(word(a, i % 30 * 36), word(b, i / 30 * 37));

                if (expected > MAX(strlen(a), strlen(b)) / 3)
                        expected = NONE;
                if (typo_distance(a, b) != expected || typo_distance(b, a) != expected)
                        fail_msg("%s, %s: %zu, %zu, not %zu", a, b, typo_distance(a, b), typo_distance(b, a),
                                 expected);
        }
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_typo_is_a_third_of_the_letters_at_most),
                cmocka_unit_test(test_names_that_are_too_long_are_no_typos),
                cmocka_unit_test(test_distances_are_those_of_the_definition),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
