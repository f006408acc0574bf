/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "json.h"

#include <errno.h>
#include <malloc.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define SECRET "hunter2"

static unsigned n_freed;

/* Stands in for free() in json.c: what cJSON gives back may not hold the secret any more. */
static void free_wiped(void *p)
{
        n_freed += p != NULL;
        if (p)
                assert_null(memmem(p, malloc_usable_size(p), SECRET, strlen(SECRET)));
        free(p);
}

#define free(p) free_wiped(p)
#include "json.c"
#undef free

/* Parses a copy that ends where its memory does, for the sanitizers and valgrind. */
static int parse(const char *text, size_t n, size_t max, cJSON **ret)
{
        char *copy = malloc(MAX(n, 1U));
        int r;

        assert_non_null(copy);
        memcpy(copy, text, n);
        r = json_parse(copy, n, max, ret);
        free(copy);
        return r;
}

static cJSON *parsed(const char *text)
{
        cJSON *j = NULL;

        if (parse(text, strlen(text), SIZE_MAX, &j) != 0)
                fail_msg("refused: %s", text);
        return j;
}

static void test_one_value_with_blanks_around_it(void **state)
{
        static const char *const good[] = {
                "{}",
                "[]",
                "\"\"",
                "0",
                "-1.5e3",
                "true",
                "false",
                "null",
                " \t\r\n{} \t\r\n",
                "{\"a\":[1,{\"b\":null}]}",
        };

        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                _cleanup_json_ cJSON *j = parsed(good[i]);

                assert_non_null(j);
        }
}

/* With sizes, as some hold NULs. */
#define TEXT(s) s, sizeof(s) - 1

static void test_anything_else_is_refused(void **state)
{
        static const struct {
                const char *text;
                size_t size;
        } bad[] = {
                { TEXT("") },         { TEXT(" ") },        { TEXT("\0") },      { TEXT("{") },
                { TEXT("}") },        { TEXT("{}}") },      { TEXT("{}{}") },    { TEXT("{} x") },
                { TEXT("{}\0") },     { TEXT("{} \0 ") },   { TEXT("{}\0{}") },  { TEXT("{}\x01") },
                { TEXT("{}\v") },     { TEXT("{}//") },     { TEXT("1 2") },     { TEXT("{\"a\"}") },
                { TEXT("{\"a\":}") }, { TEXT("{a:1}") },    { TEXT("{'a':1}") }, { TEXT("[1,]") },
                { TEXT("[1 2]") },    { TEXT("\"a") },      { TEXT("\"\\x\"") }, { TEXT("\"\\ud800\"") },
                { TEXT("NaN") },      { TEXT("Infinity") }, { TEXT("nul") },     { TEXT("<html></html>") },
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                cJSON *j = NULL;

                if (parse(bad[i].text, bad[i].size, SIZE_MAX, &j) != -EINVAL || j)
                        fail_msg("case %zu is taken: %s", i, bad[i].text);
        }
        assert_int_equal(json_parse(NULL, 0, 0, &(cJSON *){ NULL }), -EINVAL);
}

static void test_what_is_cut_short_is_refused(void **state)
{
        static const char text[] =
                "{\"a\":[1,-2.5e+3,\"x\\n\\u00e4\\ud83d\\ude00\",true,false,null],\"b\":{\"c\":{}}}";
        cJSON *j = NULL;

        for (size_t n = 0; n < strlen(text); n++)
                assert_int_equal(parse(text, n, SIZE_MAX, &j), -EINVAL);
        assert_int_equal(parse(text, strlen(text), SIZE_MAX, &j), 0);
        json_free(j);
}

static void test_maximum_counts_every_byte(void **state)
{
        cJSON *j = NULL;

        assert_int_equal(json_parse("[10] ", 5, 4, &j), -EMSGSIZE);
        assert_int_equal(json_parse("x", 1, 0, &j), -EMSGSIZE);
        assert_null(j);
        assert_int_equal(json_parse("[10] ", 4, 4, &j), 0);
        json_free(j);
}

static void test_depth_of_a_peer_does_not_eat_the_stack(void **state)
{
        enum { DEPTH = 1000000 };
        static const char *const openings[] = { "[", "{\"\":" };

        for (size_t i = 0; i < ELEMENTSOF(openings); i++) {
                size_t n = strlen(openings[i]);
                _cleanup_free_ char *text = malloc(n * DEPTH);
                cJSON *j = NULL;

                assert_non_null(text);
                for (size_t k = 0; k < DEPTH; k++)
                        memcpy(text + n * k, openings[i], n);
                assert_int_equal(json_parse(text, n * DEPTH, SIZE_MAX, &j), -EINVAL);
        }
}

static void test_getters_want_the_name_and_the_type(void **state)
{
        _cleanup_json_ cJSON *j =
                parsed("{\"s\":\"text\",\"e\":\"\",\"n\":42,\"f\":1.795504783416E9,\"t\":true,"
                       "\"z\":null,\"o\":{\"s\":\"inner\"},\"a\":[\"s\",{\"s\":1}],"
                       "\"d\":\"first\",\"d\":\"second\",\"big\":1e999}");
        static const char *const no_string[] = { "n", "t", "z", "o", "a", "S", "", "missing" };
        static const char *const no_number[] = { "s", "e", "t", "z", "o", "a", "N", "", "missing" };
        double n = 0;

        assert_string_equal(json_string(j, "s"), "text");
        assert_string_equal(json_string(j, "e"), "");
        assert_string_equal(json_string(j, "d"), "first");
        assert_string_equal(json_string(json_get(j, "o"), "s"), "inner");
        for (size_t i = 0; i < ELEMENTSOF(no_string); i++)
                assert_null(json_string(j, no_string[i]));

        assert_true(json_number(j, "n", &n) && n == 42);
        assert_true(json_number(j, "f", &n) && n == 1795504783.416);
        assert_true(json_number(j, "big", &n) && isinf(n));
        n = -1;
        for (size_t i = 0; i < ELEMENTSOF(no_number); i++)
                assert_false(json_number(j, no_number[i], &n));
        assert_true(n == -1);

        /* No object at all. */
        assert_null(json_get(NULL, "s"));
        assert_null(json_get(json_get(j, "a"), "s"));
        assert_null(json_get(json_get(j, "s"), "s"));
        assert_null(json_string(NULL, "s"));
        assert_false(json_number(NULL, "n", &n));
}

static void test_foreach_walks_arrays_and_objects(void **state)
{
        _cleanup_json_ cJSON *a = parsed("[1,2,3]"), *o = parsed("{\"x\":1,\"y\":20}"), *none = parsed("[]");
        double sum = 0;

        JSON_FOREACH (item, a)
                sum += item->valuedouble;
        JSON_FOREACH (item, o)
                sum += item->valuedouble * (streq(item->string, "y") ? 10 : 1);
        JSON_FOREACH (item, none)
                sum += 1000;
        JSON_FOREACH (item, (cJSON *) NULL)
                sum += 1000;
        assert_true(sum == 6 + 1 + 200);
}

static void test_print_is_compact_and_keeps_the_order(void **state)
{
        static const char text[] = "{\"b\":[1,\"\\\"\\\\\\n/\"],\"a\":{\"x\":null,\"y\":true}}";
        _cleanup_json_ cJSON *j = parsed(text);
        char *s = json_print(j);

        assert_string_equal(s, text);
        free(s);
        assert_null(json_print(NULL));
}

static void test_after_setup_every_string_is_wiped(void **state)
{
        static const char cut_short[] = "{\"a\":\"" SECRET "\",";
        _cleanup_json_ cJSON *j = NULL;
        char *s;

        json_setup();
        j = parsed("{\"" SECRET "\":{\"k\":\"" SECRET "\"},\"list\":[\"" SECRET "\"]}");
        n_freed = 0;
        s = json_print(j); /* moves several times as it grows */
        assert_non_null(strstr(s, SECRET));
        assert_true(n_freed > 0);
        str_erase_free(s);
        n_freed = 0;
        j = json_free(j);
        assert_true(n_freed >= 8);
        assert_int_equal(parse(cut_short, strlen(cut_short), SIZE_MAX, &j), -EINVAL);
        cJSON_InitHooks(NULL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_one_value_with_blanks_around_it),
                cmocka_unit_test(test_anything_else_is_refused),
                cmocka_unit_test(test_what_is_cut_short_is_refused),
                cmocka_unit_test(test_maximum_counts_every_byte),
                cmocka_unit_test(test_depth_of_a_peer_does_not_eat_the_stack),
                cmocka_unit_test(test_getters_want_the_name_and_the_type),
                cmocka_unit_test(test_foreach_walks_arrays_and_objects),
                cmocka_unit_test(test_print_is_compact_and_keeps_the_order),
                cmocka_unit_test(test_after_setup_every_string_is_wiped),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
