/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "buf.h"
#include "kube-yaml.h"

#include <errno.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <yaml.h>

/* Stand in for what kube-yaml.c frees with: no secret may be left in it. */
static void delete_wiped_parser(yaml_parser_t *p);
static void delete_wiped_event(yaml_event_t *e);

#define yaml_parser_delete(p) delete_wiped_parser(p)
#define yaml_event_delete(e) delete_wiped_event(e)
#include "kube-yaml.c"
#undef yaml_parser_delete
#undef yaml_event_delete

/* Each has a fail() of its own. */
#include <cmocka.h>

#define SECRET "hunter2-hunter2"

static void check_wiped(const void *p, size_t n)
{
        if (p)
                assert_null(memmem(p, n, SECRET, strlen(SECRET)));
}

static void delete_wiped_parser(yaml_parser_t *p)
{
        check_wiped(p->raw_buffer.start, (size_t) (p->raw_buffer.end - p->raw_buffer.start));
        check_wiped(p->buffer.start, (size_t) (p->buffer.end - p->buffer.start));
        yaml_parser_delete(p);
}

static void delete_wiped_event(yaml_event_t *e)
{
        if (e->type == YAML_SCALAR_EVENT)
                check_wiped(e->data.scalar.value, e->data.scalar.length);
        yaml_event_delete(e);
}

/* What the trees take. */
static size_t allocated, allocated_most;

static void *malloc_counted(size_t n)
{
        void *p = malloc(n);

        allocated += malloc_usable_size(p);
        allocated_most = MAX(allocated, allocated_most);
        return p;
}

static void free_counted(void *p)
{
        allocated -= malloc_usable_size(p);
        free(p);
}

static int set_up(void **state)
{
        cJSON_InitHooks(&(cJSON_Hooks){ malloc_counted, free_counted });
        return 0;
}

/* The text ends where its memory does, for the sanitizers. */
static int parse_sized(const char *text, size_t size, cJSON **ret, KubeYamlError *error)
{
        char *copy = malloc(MAX(size, 1U));
        int r;

        assert_non_null(copy);
        memcpy(copy, text, size);
        memset(error, 'x', sizeof(*error));
        r = kube_yaml_parse(copy + (size == 0), size, ret, error);
        free(copy);
        assert_true(r >= 0 || *error->text);
        return r;
}

static cJSON *parsed(const char *text)
{
        KubeYamlError error;
        cJSON *j = NULL;

        if (parse_sized(text, strlen(text), &j, &error) != 0)
                fail_msg("%s: %s", text, error.text);
        return j;
}

static void check_tree(const char *text, const char *expected)
{
        _cleanup_json_ cJSON *j = parsed(text);
        char *printed = json_print(j);

        assert_string_equal(printed, expected);
        cJSON_free(printed);
}

static void check_refused(const char *text, size_t size, int expected, const char *message)
{
        KubeYamlError error;
        size_t before = allocated;
        cJSON *j;

        assert_int_equal(parse_sized(text, size, &j, &error), expected);
        assert_string_equal(error.text, message);
        assert_int_equal(allocated, before);
}

static void test_trees(void **state)
{
        static const char *const cases[][2] = {
                { "", "null" },
                { "# x\n", "null" },
                { "---\n...\n", "null" },
                { "a", "\"a\"" },
                { "a: 1\nb:\n- [yes, 1.5]\n- {c: 'd', e: }\n",
                  "{\"a\":1,\"b\":[[true,1.5],{\"c\":\"d\",\"e\":null}]}" },
                { "[null, Null, NULL, ~, nULL, 'null', \"\"]",
                  "[null,null,null,null,\"nULL\",\"null\",\"\"]" },
                { "a: |\n x\n  y\nb: >-\n x\n y\n", "{\"a\":\"x\\n y\\n\",\"b\":\"x y\"}" },
                { "a: 1\r\nb: 2\r\n", "{\"a\":1,\"b\":2}" },
                { "a: 1\n---\nb: [\n", "{\"a\":1}" },
                { "a: 1\na: 2\n", "{\"a\":1,\"a\":2}" },
                /* JSON if it starts as such, and else YAML with braces. */
                { " \t\r\n{\"a\":[1,true,null,\"x\"],\"b\":{}}\n", "{\"a\":[1,true,null,\"x\"],\"b\":{}}" },
                { "{\"a\":1, b: 2}", "{\"a\":1,\"b\":2}" },
                { "[1,true]", "[1,true]" },
                { "\xef\xbb\xbf{\"a\":1}", "{\"a\":1}" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                check_tree(cases[i][0], cases[i][1]);
}

/* What is tagged or quoted is text. */
static void test_tags_and_directives(void **state)
{
        check_tree("%YAML 1.1\n%TAG ! tag:x,2000:\n%TAG !h! tag:y:\n---\n[!a b, !h!c d]", "[\"b\",\"d\"]");
        check_tree("[!!str null, !!null '', !!int 1, !<x> [y], !z {k: !!binary aGk=}]",
                   "[\"null\",\"\",\"1\",[true],{\"k\":\"aGk=\"}]");
}

static void test_aliases_are_expanded(void **state)
{
        check_tree("a: &x {k: [&y 1]}\nb: *x\nc: [*x, *y]\n",
                   "{\"a\":{\"k\":[1]},\"b\":{\"k\":[1]},\"c\":[{\"k\":[1]},1]}");
        check_tree("[&x 1, *x, &x 2, *x]", "[1,1,2,2]"); /* the last one before it */
}

static void test_errors_have_their_place(void **state)
{
        static const struct {
                const char *text, *message;
        } cases[] = {
                { "a: b: c\n", "line 1, column 5: mapping values are not allowed in this context" },
                { "a:\r\n\tb: c\r\n",
                  "line 2, column 1: found character that cannot start any token (YAML is "
                  "not indented with tabs)" },
                { "{\"token\": \"abc\\u0000def\"}",
                  "line 1, column 11: there is a NUL character in the text" },
                { "\xc3\xa4: x\nb:\n\tc: d\n", "line 3, column 1: found character that cannot start any "
                                               "token (YAML is not indented with tabs)" },
                { "a: [&x 1, *y]\n", "line 1, column 11: the alias has no anchor before it" },
                { "a: &x [*x]\n", "line 1, column 8: the alias has no anchor before it" },
                { "a: &x {b: {c: *x}}\n", "line 1, column 15: the alias has no anchor before it" },
                { "a: 1\n*b : 1\n", "line 2, column 1: the key is not plain text" },
                { "? {a: b}\n: c\n", "line 1, column 3: the key is not plain text" },
                { "a: \"x\\0y\"\n", "line 1, column 4: there is a NUL character in the text" },
                { "\"x\\0y\": a\n", "line 1, column 1: the key is not plain text" },
                { "a: \xc3(\n", "byte 5: invalid trailing UTF-8 octet" },
                { "a: 1\n...\nb: 2\n", "line 3, column 1: did not find expected <document start>" },
                { "%TAG ! tag:x:\n%TAG ! tag:y:\n---\n",
                  "line 2, column 1: found duplicate %TAG directive" },
                { "%TAG x\n---\n", "line 1, column 6: did not find expected '!'" },
                { "%YAML 2.0\n---\n", "line 1, column 1: found incompatible YAML document" },
                { "a: !h!x b\n", "line 1, column 4: found undefined tag handle" },
                { "{\"a\":\n [1}",
                  "not JSON from line 2, column 4 on; as YAML, line 2, column 4: did not find "
                  "expected ',' or ']'" },
                { "{\"a\":1} {", "line 1, column 9: did not find expected <document start>" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                check_refused(cases[i].text, strlen(cases[i].text), -EINVAL, cases[i].message);
        check_refused("a: b\0c\n", 7, -EINVAL, "byte 5: control characters are not allowed");
        check_refused("\0{\"a\":1}", 8, -EINVAL, "byte 1: control characters are not allowed");
        check_refused("{\"a\":1}\0", 8, -EINVAL, "byte 8: control characters are not allowed");
}

static void test_no_error_shows_a_value(void **state)
{
        static const char *const texts[] = {
                "token: \"" SECRET "\" x",
                "token: " SECRET ": x",
                "token: {" SECRET,
                "token: \"" SECRET "\\0\"",
                "token: \"" SECRET,
                "token: !h!x " SECRET,
                "? [" SECRET "]\n: x",
                "token: " SECRET "\n\tx: y",
                "token: " SECRET "\xff",
                "{\"token\":\"" SECRET "\"",
                "{\"token\":\"" SECRET "\" x}",
                "token: 'x' " SECRET,
                "token: " SECRET "\n---\n- " SECRET "\n...\n%x\n\x01",
        };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                _cleanup_json_ cJSON *j = NULL;
                KubeYamlError error;

                (void) parse_sized(texts[i], strlen(texts[i]), &j, &error);
                assert_null(strstr(error.text, "hunter2"));
        }
}

static void check_each_start(const char *text, size_t size)
{
        for (size_t n = 0; n <= size; n++) {
                _cleanup_json_ cJSON *j = NULL;
                KubeYamlError error;
                int r = parse_sized(text, n, &j, &error);

                assert_true(r == 0 || (r == -EINVAL && n < size));
        }
}

/* Also in the middle of a character, an escape, or a document. */
static void test_a_text_may_end_anywhere(void **state)
{
        static const char yaml[] = "%TAG !h! tag:x:\n--- !h!m\na: &x [1, \"\\u00e4\\n\"]\n"
                                   "? b\n: {c: 'd', e: *x}\nf: |2-\n  g\n...\n";
        static const char json[] =
                "{\"a\":[1e5,true,null,\"\\u00e4\\ud83d\\ude00\xc3\xa4\"],\"b\":{\"c\":-1}}";
        static const char utf_16[] = "\xff\xfe\x61\0:\0 \0b\0";

        check_each_start(yaml, sizeof(yaml) - 1);
        check_each_start(json, sizeof(json) - 1);
        check_each_start(utf_16, sizeof(utf_16) - 1);
}

static char *nested(const char *begin, size_t n, const char *end)
{
        _cleanup_buf_ Buf b = BUF_INIT(100000);

        for (size_t i = 0; i < n; i++)
                assert_int_equal(buf_append_str(&b, begin), 0);
        for (size_t i = 0; i < n; i++)
                assert_int_equal(buf_append_str(&b, end), 0);
        return buf_steal(&b);
}

static void test_depth_has_a_cap(void **state)
{
        static const struct {
                const char *begin, *end;
                unsigned most, column;
        } cases[] = {
                { "[", "]", 65, 66 },
                { "- ", "", 64, 130 },
                { "[{a: ", "}]", 32, 162 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *deep = nested(cases[i].begin, cases[i].most, cases[i].end);
                _cleanup_free_ char *deeper = nested(cases[i].begin, cases[i].most + 1, cases[i].end);
                _cleanup_free_ char *message =
                        str_printf("line 1, column %u: it is nested more than 64 deep", cases[i].column);

                json_free(parsed(deep));
                check_refused(deeper, strlen(deeper), -EMSGSIZE, message);
        }
}

static void test_anchors_have_a_cap(void **state)
{
        _cleanup_free_ char *most = nested("- &a x\n", ANCHORS_MAX, "");
        _cleanup_free_ char *more = nested("- &a x\n", ANCHORS_MAX + 1, "");

        json_free(parsed(most));
        check_refused(more, strlen(more), -EMSGSIZE, "line 257, column 3: there are more than 256 anchors");
}

/* Not only is it refused: it never takes more than that, give or take what malloc() adds. */
static void test_memory_has_a_cap(void **state)
{
        _cleanup_buf_ Buf laughs = BUF_INIT(10000), values = BUF_INIT(4000000), json = BUF_INIT(4000000);
        const Buf *const texts[] = { &laughs, &values, &json };

        assert_int_equal(buf_append_str(&laughs, "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"), 0);
        for (int i = 1; i < 50; i++)
                assert_int_equal(buf_printf(&laughs, "a%1$d: &a%1$d [*a%2$d, *a%2$d, *a%2$d, {k: *a%2$d}]\n",
                                            i, i - 1),
                                 0);
        assert_int_equal(buf_append_str(&json, "{\"a\":[0"), 0);
        for (int i = 0; i < 900000; i++) {
                assert_int_equal(buf_append_str(&values, "- a\n"), 0);
                assert_int_equal(buf_append_str(&json, ",0"), 0);
        }
        assert_int_equal(buf_append_str(&json, "]}"), 0);
        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                size_t before = allocated_most = allocated;
                KubeYamlError error;
                cJSON *j;

                assert_int_equal(parse_sized(texts[i]->data, texts[i]->size, &j, &error), -EMSGSIZE);
                assert_non_null(strstr(error.text, "it takes more than 32 MiB"));
                assert_true(allocated_most - before < 2 * KUBE_YAML_MEMORY_MAX);
                assert_int_equal(allocated, before);
        }
}

/* See the stand-ins at the top. */
static void test_the_parsers_memory_is_wiped(void **state)
{
        _cleanup_json_ cJSON *j = parsed("a: " SECRET "\nb: [\"" SECRET "\", 'x" SECRET "']\n");
        KubeYamlError error;
        cJSON *none;

        assert_string_equal(kube_yaml_get(j, "a")->valuestring, SECRET);
        assert_int_equal(parse_sized("a: " SECRET "\nb: \"" SECRET, 38, &none, &error), -EINVAL);
}

static void check_get(const char *text, const char *name, const char *expected)
{
        _cleanup_json_ cJSON *j = parsed(text);
        const cJSON *found = kube_yaml_get(j, name);

        if (!streq_ptr(cJSON_GetStringValue(found), expected))
                fail_msg("%s: %s", text, found ? found->valuestring : "none");
}

static void test_members(void **state)
{
        check_get("{a: '1', b: '2'}", "a", "1");
        check_get("{a: '1', a: '2'}", "a", "2");
        check_get("{a: '1'}", "A", NULL);
        check_get("[a]", "a", NULL);
        check_get("a", "a", NULL);
        check_get("", "a", NULL);
        assert_null(kube_yaml_get(NULL, "a"));
        /* Merged ones come after its own, the first of them first. */
        check_get("{<<: {a: '1'}}", "a", "1");
        check_get("{a: '2', <<: {a: '1'}}", "a", "2");
        check_get("{<<: {a: '1'}, a: '2'}", "a", "2");
        check_get("{<<: [{b: '1'}, {a: '2'}, {a: '3'}]}", "a", "2");
        check_get("{<<: {b: '1', <<: {a: '2'}}}", "a", "2");
        check_get("{<<: [{<<: {a: '1'}}, {a: '2'}]}", "a", "1");
        check_get("{<<: a}", "a", NULL);
        check_get("{<<: [a, [{a: '1'}], {a: '2'}]}", "a", "2");
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_trees),
                cmocka_unit_test(test_tags_and_directives),
                cmocka_unit_test(test_aliases_are_expanded),
                cmocka_unit_test(test_errors_have_their_place),
                cmocka_unit_test(test_no_error_shows_a_value),
                cmocka_unit_test(test_a_text_may_end_anywhere),
                cmocka_unit_test(test_depth_has_a_cap),
                cmocka_unit_test(test_anchors_have_a_cap),
                cmocka_unit_test(test_memory_has_a_cap),
                cmocka_unit_test(test_the_parsers_memory_is_wiped),
                cmocka_unit_test(test_members),
        };

        return cmocka_run_group_tests(tests, set_up, NULL);
}
