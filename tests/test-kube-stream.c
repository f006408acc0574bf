/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "json.h"
#include "kube-stream.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define MIB ((size_t) 1024 * 1024)

/* What came out of a stream, as one text: each item on a line, and behind "=" a list's envelope. */
typedef struct Seen {
        Buf text;
        unsigned n_items;
        unsigned refuse_at; /* the callback refuses the item of that number; 0: none */
} Seen;

static int take_item(const char *p, size_t n, void *userdata)
{
        Seen *seen = userdata;

        if (++seen->n_items == seen->refuse_at)
                return -ECANCELED;
        assert_int_equal(buf_append(&seen->text, p, n), 0);
        assert_int_equal(buf_append_str(&seen->text, "\n"), 0);
        return 0;
}

/* Cuts a document into pieces, each in memory of its own size so that reading beyond it is noticed. */
static int feed(KubeStream *s, const char *p, size_t n)
{
        char *piece = malloc(MAX(n, 1U));
        int r;

        assert_non_null(piece);
        memcpy(piece, p, n);
        r = kube_stream_feed(s, piece, n);
        free(piece);
        return r;
}

/* Feeds size bytes, first those before the cut and then pieces of step; what comes of it is put into seen. */
static int run(KubeStreamMode mode, const char *doc, size_t size, size_t cut, size_t step, Seen *seen)
{
        KubeStream s;
        int r;

        kube_stream_init(&s, mode, take_item, seen);
        r = feed(&s, doc, cut);
        for (size_t i = cut; r >= 0 && i < size; i += step)
                r = feed(&s, doc + i, MIN(step, size - i));
        if (r >= 0)
                r = kube_stream_finish(&s);
        if (r >= 0 && mode == KUBE_STREAM_LIST) {
                assert_int_equal(buf_append_str(&seen->text, "="), 0);
                assert_int_equal(buf_append(&seen->text, buf_str(&s.envelope), s.envelope.size), 0);
        }
        kube_stream_done(&s);
        kube_stream_done(&s);
        return r;
}

static void check_run(KubeStreamMode mode, const char *doc, size_t size, size_t cut, size_t step, int expected_result,
                      const char *expected)
{
        Seen seen = { .text = BUF_INIT(MIB) };
        int r = run(mode, doc, size, cut, step, &seen);

        if (r != expected_result || !streq(buf_str(&seen.text), expected))
                fail_msg("%s\ncut at %zu, then every %zu: result %d, not %d; got\n%s\nand not\n%s", doc, cut, step, r,
                         expected_result, buf_str(&seen.text), expected);
        buf_done(&seen.text);
}

/* However a document is cut, the same comes of it. */
static void check_all(KubeStreamMode mode, const char *doc, size_t size, int expected_result, const char *expected)
{
        for (size_t cut = 0; cut <= size; cut++)
                check_run(mode, doc, size, cut, size + 1, expected_result, expected);
        for (size_t step = 1; step <= 7; step++)
                check_run(mode, doc, size, 0, step, expected_result, expected);
}

static void check(KubeStreamMode mode, const char *doc, int expected_result, const char *expected)
{
        check_all(mode, doc, strlen(doc), expected_result, expected);
}

static void check_list(const char *doc, const char *expected)
{
        check(KUBE_STREAM_LIST, doc, 0, expected);
}

static void check_bad_list(const char *doc, const char *expected)
{
        check(KUBE_STREAM_LIST, doc, -EBADMSG, expected);
}

/* --- lists ----------------------------------------------------------------------------------------- */

static void test_list_plain(void **state)
{
        check_list("{\"items\":[]}", "={\"items\":[]}");
        check_list("{\"items\":[{}]}", "{}\n={\"items\":[]}");
        check_list("{\"items\":[{},{}]}", "{}\n{}\n={\"items\":[]}");
        check_list("{\"kind\":\"L\",\"metadata\":{\"resourceVersion\":\"7\"},\"items\":[{\"a\":1},{\"b\":[2,{\"c\":3}]}]}\n",
                   "{\"a\":1}\n{\"b\":[2,{\"c\":3}]}\n"
                   "={\"kind\":\"L\",\"metadata\":{\"resourceVersion\":\"7\"},\"items\":[]}\n");
        /* Go's nil slice, and no such member. */
        check_list("{\"kind\":\"L\",\"items\":null}", "={\"kind\":\"L\",\"items\":null}");
        check_list("{\"kind\":\"L\"}", "={\"kind\":\"L\"}");
        check_list("{}", "={}");
        check_list(" \r\n\t{ }\n", "= \r\n\t{ }\n");
}

static void test_list_items_first(void **state)
{
        check_list("{\"items\":[{\"a\":1}],\"metadata\":{\"resourceVersion\":\"7\"},\"kind\":\"L\"}",
                   "{\"a\":1}\n={\"items\":[],\"metadata\":{\"resourceVersion\":\"7\"},\"kind\":\"L\"}");
}

/* A server that writes for people must not fill the envelope with blanks. */
static void test_list_pretty(void **state)
{
        check_list("{\n  \"kind\" : \"L\",\n  \"items\" : [\n    {\n      \"a\": 1\n    },\n    {}\n\t ,\r\n {\"b\" :\t[ ] }\n  ]\n}\n",
                   "{\n      \"a\": 1\n    }\n{}\n{\"b\" :\t[ ] }\n={\n  \"kind\" : \"L\",\n  \"items\" : []\n}\n");
}

static void test_list_nested_items(void **state)
{
        check_list("{\"items\":[{\"items\":[{\"x\":1},2]},{\"a\":{\"items\":[[{}]]}}]}",
                   "{\"items\":[{\"x\":1},2]}\n{\"a\":{\"items\":[[{}]]}}\n={\"items\":[]}");
        check_list("{\"metadata\":{\"items\":[{\"x\":1},{\"y\":2}]},\"items\":[{\"a\":1}]}",
                   "{\"a\":1}\n={\"metadata\":{\"items\":[{\"x\":1},{\"y\":2}]},\"items\":[]}");
        check_list("{\"x\":[\"items\",[1,2]],\"items\":[{\"a\":1}]}",
                   "{\"a\":1}\n={\"x\":[\"items\",[1,2]],\"items\":[]}");
}

/* "items" as a value is no key, and keys that only look like it are others. */
static void test_list_items_as_value(void **state)
{
        check_list("{\"kind\":\"items\",\"a\":[{\"x\":1}],\"items\":[{\"b\":1}]}",
                   "{\"b\":1}\n={\"kind\":\"items\",\"a\":[{\"x\":1}],\"items\":[]}");
        check_list("{\"item\":[{}],\"itemss\":[{}],\"items2345\":[{}],\"Items\":[{}],\"\":[{}],\" items\":[{}],\"it\\u0065ms\":[{}]}",
                   "={\"item\":[{}],\"itemss\":[{}],\"items2345\":[{}],\"Items\":[{}],\"\":[{}],\" items\":[{}],\"it\\u0065ms\":[{}]}");
        check_list("{\"items\":\"[{}]\",\"x\":[1,2]}", "={\"items\":\"[{}]\",\"x\":[1,2]}");
        check_list("{\"items\":{\"items\":[{}]},\"x\":[{}]}", "={\"items\":{\"items\":[{}]},\"x\":[{}]}");
}

static void test_list_strings(void **state)
{
        check_list("{\"a\":\"}]{[,\\\"\",\"items\":[{\"s\":\"\\\\\"},{\"s\":\"\\\"}],[{\"},{\"]\":\"[\\\\\\\"\"}],\"z\":\"\\\\\"}",
                   "{\"s\":\"\\\\\"}\n{\"s\":\"\\\"}],[{\"}\n{\"]\":\"[\\\\\\\"\"}\n={\"a\":\"}]{[,\\\"\",\"items\":[],\"z\":\"\\\\\"}");
        check_list("{\"items\":[{\"n\":\"gr\303\274n \342\202\254 \360\237\230\200 \\u00fc\\ud83d\\ude00\"}],\"\303\274\":\"\303\274\"}",
                   "{\"n\":\"gr\303\274n \342\202\254 \360\237\230\200 \\u00fc\\ud83d\\ude00\"}\n={\"items\":[],\"\303\274\":\"\303\274\"}");
}

static void test_list_truncated(void **state)
{
        static const char doc[] = "{\"kind\":\"L\",\"items\":[{\"a\":\"x\\\"\"},{\"b\":[1]}],\"z\":1}";
        const char *first_end = strstr(doc, "},{") + 1, *second_end = strstr(doc, "]}]") + 2;

        for (size_t n = 0; n < sizeof(doc) - 1; n++) {
                Seen seen = { .text = BUF_INIT(MIB) };

                assert_int_equal(run(KUBE_STREAM_LIST, doc, n, 0, 1, &seen), -EBADMSG);
                assert_int_equal(seen.n_items, (doc + n >= first_end) + (doc + n >= second_end));
                buf_done(&seen.text);
        }
}

static void test_list_trailing(void **state)
{
        check_bad_list("{\"items\":[{}]}x", "{}\n");
        check_bad_list("{\"items\":[{}]}{}", "{}\n");
        check_bad_list("{\"items\":[{}]}\n[]", "{}\n");
        check_bad_list("{\"items\":[{}]}\"x\"", "{}\n");
        check_bad_list("{\"items\":[{}]}\"", "{}\n");
        check_bad_list("{\"items\":[{}]}}", "{}\n");
        check_bad_list("{\"items\":[{}]},", "{}\n");
        check_all(KUBE_STREAM_LIST, "{}\0", 3, -EBADMSG, "");
}

static void test_list_garbage(void **state)
{
        check_bad_list("", "");
        check_bad_list("\n", "");
        check_bad_list("null", "");
        check_bad_list("\"items\"", "");
        check_bad_list("[{\"items\":[{}]}]", "");
        check_bad_list("<html>", "");
        check_bad_list("\357\273\277{}", "");
        check_bad_list("]", "");
        check_bad_list("{\"items\":[1,2]}", "");
        check_bad_list("{\"items\":[\"a,b\"]}", "");
        check_bad_list("{\"items\":[[{}]]}", "");
        check_bad_list("{\"items\":[null]}", "");
        check_bad_list("{\"items\":[{},null]}", "{}\n");
        check_bad_list("{\"items\":[{}}", "{}\n");
        check_bad_list("{\"items\":[:]}", "");
}

static char *nest(size_t depth)
{
        char *s = malloc(2 * depth + 32);

        assert_non_null(s);
        (void) strcpy(s, "{\"items\":[{\"a\":");
        memset(s + strlen("{\"items\":[{\"a\":"), '[', depth);
        memset(s + strlen("{\"items\":[{\"a\":") + depth, ']', depth);
        (void) strcpy(s + strlen("{\"items\":[{\"a\":") + 2 * depth, "}]}");
        return s;
}

static void test_list_depth(void **state)
{
        _cleanup_free_ char *good = nest(200), *bad = nest(300), *huge = nest(2 * MIB);
        Seen seen = { .text = BUF_INIT(MIB) };

        assert_int_equal(run(KUBE_STREAM_LIST, good, strlen(good), 0, 1, &seen), 0);
        assert_int_equal(seen.n_items, 1);
        /* An item's depth is for who parses it, the envelope's is not. */
        assert_int_equal(run(KUBE_STREAM_LIST, bad, strlen(bad), 0, 1, &seen), 0);
        assert_int_equal(seen.n_items, 2);
        assert_int_equal(run(KUBE_STREAM_LIST, huge, strlen(huge), 0, 4096, &seen), 0);
        assert_int_equal(seen.n_items, 2);
        memcpy(bad, "{\"other\":", strlen("{\"other\":"));
        assert_int_equal(run(KUBE_STREAM_LIST, bad, strlen(bad), 0, 1, &seen), -EBADMSG);
        buf_done(&seen.text);
}

/* The callback's own error is what the caller gets, at once, and no further item is shown. */
static void check_refusal(KubeStreamMode mode, const char *doc)
{
        for (size_t step = 1; step <= strlen(doc); step++) {
                Seen seen = { .text = BUF_INIT(MIB), .refuse_at = 2 };

                assert_int_equal(run(mode, doc, strlen(doc), 0, step, &seen), -ECANCELED);
                assert_int_equal(seen.n_items, 2);
                assert_string_equal(buf_str(&seen.text), "{\"a\":1}\n");
                buf_done(&seen.text);
        }
}

static void test_refused_item(void **state)
{
        check_refusal(KUBE_STREAM_LIST, "{\"items\":[{\"a\":1},{\"a\":2},{\"a\":3}]}");
        check_refusal(KUBE_STREAM_WATCH, "{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n");
}

/* --- watches --------------------------------------------------------------------------------------- */

static void test_watch(void **state)
{
        check(KUBE_STREAM_WATCH, "", 0, "");
        check(KUBE_STREAM_WATCH, "{\"type\":\"ADDED\"}\n", 0, "{\"type\":\"ADDED\"}\n");
        check(KUBE_STREAM_WATCH, "{\"a\":\"}\\n\"}\n{}\n{\"\303\274\":[{}]}\n", 0, "{\"a\":\"}\\n\"}\n{}\n{\"\303\274\":[{}]}\n");
}

static void test_watch_blanks(void **state)
{
        check(KUBE_STREAM_WATCH, "\n\n{\"a\":1}\n\n\n{\"b\":2}\n\n", 0, "{\"a\":1}\n{\"b\":2}\n");
        check(KUBE_STREAM_WATCH, "{\"a\":1}\r\n{\"b\":2}\r\n", 0, "{\"a\":1}\n{\"b\":2}\n");
        check(KUBE_STREAM_WATCH, "\r\n \t\r\n  {\"a\":1} \r\n\r\n{\"b\": 2}\n  ", 0, "{\"a\":1}\n{\"b\": 2}\n");
        check(KUBE_STREAM_WATCH, "\n", 0, "");
        check(KUBE_STREAM_WATCH, "\r", 0, "");
}

/* What a server wrote before it died is no event. */
static void test_watch_truncated(void **state)
{
        check(KUBE_STREAM_WATCH, "{\"a\":1}\n{\"b\"", -EBADMSG, "{\"a\":1}\n");
        check(KUBE_STREAM_WATCH, "{\"a\":1}", -EBADMSG, "");
}

/* --- sizes ----------------------------------------------------------------------------------------- */

/* Feeds a head and then spaces in pieces of 16 kB until something gives. Returns how much was taken. */
static size_t feed_endless(KubeStreamMode mode, const char *head, size_t total, int *ret)
{
        static const char fill[16384] = { [0 ... 16383] = 'x' };
        Seen seen = { .text = BUF_INIT(MIB) };
        KubeStream s;
        size_t taken = 0;

        kube_stream_init(&s, mode, take_item, &seen);
        *ret = kube_stream_feed(&s, head, strlen(head));
        while (*ret >= 0 && taken < total) {
                *ret = kube_stream_feed(&s, fill, sizeof(fill));
                assert_true(s.current.allocated <= 2 * (KUBE_STREAM_ITEM_MAX + 1));
                assert_true(s.envelope.allocated <= 256U * 1024);
                if (*ret >= 0)
                        taken += sizeof(fill);
        }
        assert_int_equal(seen.n_items, 0);
        kube_stream_done(&s);
        return taken;
}

static void test_endless(void **state)
{
        size_t taken;
        int r;

        taken = feed_endless(KUBE_STREAM_WATCH, "{\"type\":\"ADDED\",\"object\":\"", 50 * MIB, &r);
        assert_int_equal(r, 0);
        assert_int_equal(taken, 50 * MIB);

        taken = feed_endless(KUBE_STREAM_LIST, "{\"items\":[{\"a\":\"", 50 * MIB, &r);
        assert_int_equal(r, 0);
        assert_int_equal(taken, 50 * MIB);

        taken = feed_endless(KUBE_STREAM_LIST, "{\"kind\":\"", 50 * MIB, &r);
        assert_int_equal(r, -EMSGSIZE);
        assert_true(taken < MIB);

        /* The same when all of it comes at once. */
        {
                _cleanup_free_ char *line = malloc(50 * MIB);
                Seen seen = { .text = BUF_INIT(MIB) };
                KubeStream s;

                assert_non_null(line);
                memset(line, 'x', 50 * MIB);
                line[50 * MIB - 1] = '\n';
                kube_stream_init(&s, KUBE_STREAM_WATCH, take_item, &seen);
                assert_int_equal(kube_stream_feed(&s, line, 50 * MIB), 0);
                assert_true(s.current.allocated <= 2 * (KUBE_STREAM_ITEM_MAX + 1));
                assert_int_equal(seen.n_items, 0);
                assert_int_equal(s.skipped, 1);
                assert_int_equal(kube_stream_finish(&s), 0);
                kube_stream_done(&s);
        }
}

static int count_item(const char *p, size_t n, void *userdata)
{
        size_t *sizes = userdata;

        sizes[0]++;
        sizes[1] = MAX(sizes[1], n);
        return 0;
}

/* An item of size bytes as mode has it, followed by a small one. */
static int run_sized(KubeStreamMode mode, size_t size, size_t *sizes)
{
        _cleanup_free_ char *item = malloc(size);
        KubeStream s;
        int r;

        assert_non_null(item);
        memset(item, 'x', size);
        memcpy(item, "{\"a\":\"", strlen("{\"a\":\""));
        memcpy(item + size - 2, "\"}", 2);
        kube_stream_init(&s, mode, count_item, sizes);
        r = mode == KUBE_STREAM_LIST ? kube_stream_feed(&s, "{\"items\":[", 10) : 0;
        for (size_t i = 0; r >= 0 && i < size; i += 10000)
                r = kube_stream_feed(&s, item + i, MIN(size - i, 10000U));
        if (r >= 0)
                r = mode == KUBE_STREAM_LIST ? kube_stream_feed(&s, ",{}]}", 5) : kube_stream_feed(&s, "\n{}\n", 4);
        if (r >= 0)
                r = kube_stream_finish(&s);
        kube_stream_done(&s);
        return r;
}

static void test_secrets_are_wiped(void **state)
{
        _cleanup_free_ char *large = calloc(1, KUBE_STREAM_ITEM_MAX + 1);
        size_t sizes[2] = { 0, 0 };
        KubeStream s;

        assert_non_null(large);
        memset(large, 'x', KUBE_STREAM_ITEM_MAX + 1);
        kube_stream_init(&s, KUBE_STREAM_WATCH, count_item, sizes);
        assert_false(s.current.secret || s.envelope.secret);
        kube_stream_wipe(&s);
        assert_int_equal(kube_stream_feed(&s, large, KUBE_STREAM_ITEM_MAX + 1), 0);
        assert_int_equal(s.skipped, 1);
        assert_true(s.current.secret && s.envelope.secret); /* what comes behind it, too */
        kube_stream_done(&s);
}

static void test_item_maximum(void **state)
{
        for (KubeStreamMode mode = KUBE_STREAM_LIST; mode <= KUBE_STREAM_WATCH; mode++) {
                size_t sizes[2] = { 0, 0 };

                assert_int_equal(run_sized(mode, KUBE_STREAM_ITEM_MAX, sizes), 0);
                assert_int_equal(sizes[0], 2);
                assert_int_equal(sizes[1], KUBE_STREAM_ITEM_MAX);
                /* One more is left out, and what follows is not. */
                assert_int_equal(run_sized(mode, KUBE_STREAM_ITEM_MAX + 1, sizes), 0);
                assert_int_equal(sizes[0], 3);
                assert_int_equal(sizes[1], KUBE_STREAM_ITEM_MAX);
        }
}

/* A list as large as one likes takes the memory of one item, however it is written. */
static void check_many(const char *separator, size_t n)
{
        static const char head[] = "{\"kind\":\"L\",\"items\":[", item[] = "{\"metadata\":{\"name\":\"n\",\"items\":[1,2]}}";
        size_t sizes[2] = { 0, 0 };
        KubeStream s;

        kube_stream_init(&s, KUBE_STREAM_LIST, count_item, sizes);
        assert_int_equal(kube_stream_feed(&s, head, strlen(head)), 0);
        for (size_t i = 0; i < n; i++) {
                if (i > 0)
                        assert_int_equal(kube_stream_feed(&s, separator, strlen(separator)), 0);
                assert_int_equal(kube_stream_feed(&s, item, strlen(item)), 0);
        }
        assert_int_equal(kube_stream_feed(&s, "]}", 2), 0);
        assert_int_equal(kube_stream_finish(&s), 0);
        assert_int_equal(sizes[0], n);
        assert_int_equal(sizes[1], strlen(item));
        assert_string_equal(buf_str(&s.envelope), "{\"kind\":\"L\",\"items\":[]}");
        assert_true(s.current.allocated <= 4096 && s.envelope.allocated <= 4096);
        kube_stream_done(&s);
}

static void test_many_items(void **state)
{
        check_many(",", 200000);
        check_many(", ", 100000);
        check_many(",\n        ", 100000);
}

/* --- what an API server sends ---------------------------------------------------------------------- */

static int read_name(const char *p, size_t n, void *userdata)
{
        _cleanup_json_ cJSON *j = NULL;
        Buf *names = userdata;

        if (json_parse(p, n, KUBE_STREAM_ITEM_MAX, &j) < 0)
                return -EBADMSG;
        return buf_printf(names, "%s ", json_string(json_get(j, "metadata"), "name"));
}

static void test_real_list(void **state)
{
        static const char doc[] =
                "{\"kind\":\"PartialObjectMetadataList\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":{\"resourceVersion\":\"1777\"},"
                "\"items\":[{\"metadata\":{\"name\":\"default\",\"uid\":\"u\",\"resourceVersion\":\"201\",\"labels\":{\"a\":\"}\"},"
                "\"managedFields\":[{\"manager\":\"k\",\"fieldsV1\":{\"f:metadata\":{\"f:labels\":{\".\":{}}}}}]}},"
                "{\"metadata\":{\"name\":\"kube-system\",\"annotations\":{\"x\":\"{\\\"items\\\":[]}\"}}}]}\n";

        for (size_t cut = 0; cut < sizeof(doc); cut++) {
                _cleanup_json_ cJSON *envelope = NULL;
                Buf names = BUF_INIT(1000);
                KubeStream s;

                kube_stream_init(&s, KUBE_STREAM_LIST, read_name, &names);
                assert_int_equal(feed(&s, doc, cut), 0);
                assert_int_equal(feed(&s, doc + cut, sizeof(doc) - 1 - cut), 0);
                assert_int_equal(kube_stream_finish(&s), 0);
                assert_string_equal(buf_str(&names), "default kube-system ");
                assert_int_equal(json_parse(buf_str(&s.envelope), s.envelope.size, MIB, &envelope), 0);
                assert_string_equal(json_string(envelope, "kind"), "PartialObjectMetadataList");
                assert_string_equal(json_string(json_get(envelope, "metadata"), "resourceVersion"), "1777");
                kube_stream_done(&s);
                buf_done(&names);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_list_plain),
                cmocka_unit_test(test_list_items_first),
                cmocka_unit_test(test_list_pretty),
                cmocka_unit_test(test_list_nested_items),
                cmocka_unit_test(test_list_items_as_value),
                cmocka_unit_test(test_list_strings),
                cmocka_unit_test(test_list_truncated),
                cmocka_unit_test(test_list_trailing),
                cmocka_unit_test(test_list_garbage),
                cmocka_unit_test(test_list_depth),
                cmocka_unit_test(test_refused_item),
                cmocka_unit_test(test_watch),
                cmocka_unit_test(test_watch_blanks),
                cmocka_unit_test(test_watch_truncated),
                cmocka_unit_test(test_endless),
                cmocka_unit_test(test_secrets_are_wiped),
                cmocka_unit_test(test_item_maximum),
                cmocka_unit_test(test_many_items),
                cmocka_unit_test(test_real_list),
        };

        return cmocka_run_group_tests_name("kube-stream", tests, NULL, NULL);
}
