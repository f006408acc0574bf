/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "kube-account.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define METADATA(annotations) "\"metadata\":{\"name\":\"default\",\"resourceVersion\":\"7\"" annotations "}"
#define NOTE(value) ",\"annotations\":{\"eatr/image-pull-secret\":" value "}"
#define TEST "{\"op\":\"test\",\"path\":\"/metadata/resourceVersion\",\"value\":\"7\"}"

static KubeAccount read_account(const char *text)
{
        _cleanup_json_ cJSON *object = NULL;
        KubeAccount a;

        assert_int_equal(json_parse(text, strlen(text), SIZE_MAX, &object), 0);
        assert_int_equal(kube_account_read(object, "ecr", &a), 0);
        return a;
}

typedef int (*render_t)(const KubeAccount *a, const char *secret, Buf *b);

/* As JSON, whose members are in any order. */
static void assert_rendered(const char *account, render_t render, const char *expected)
{
        KubeAccount a = read_account(account);
        _cleanup_buf_ Buf b = BUF_INIT(KUBE_ACCOUNT_BODY_MAX);
        _cleanup_json_ cJSON *got = NULL, *wanted = NULL;

        assert_int_equal(render(&a, "ecr", &b), 0);
        assert_int_equal(json_parse(buf_str(&b), b.size, SIZE_MAX, &got), 0);
        assert_int_equal(json_parse(expected, strlen(expected), SIZE_MAX, &wanted), 0);
        if (!cJSON_Compare(got, wanted, true))
                fail_msg("%s is not %s", buf_str(&b), expected);
        kube_account_done(&a);
}

/* --- reading --------------------------------------------------------------------------------------- */

static void test_what_is_read(void **state)
{
        KubeAccount a = read_account("{" METADATA("") "}");

        assert_true(a.exists && !a.listed && !a.ours && !a.strange && !a.terminating);
        assert_int_equal(a.resource_version, 7);
        assert_int_equal(a.n_secrets + a.n_annotations, 0);

        a = read_account("{" METADATA(",\"deletionTimestamp\":\"2026-11-23T19:19:27Z\",\"annotations\":{"
                                      "\"x\":\"y\"}") ",\"secrets\":[{\"name\":\"ecr\"}],"
                                                      "\"imagePullSecrets\":[{\"name\":\"a\"},{\"name\":"
                                                      "\"ecr\"},{\"name\":\"ecr2\"}]}");
        assert_true(a.terminating && a.listed && !a.ours);
        assert_int_equal(a.index, 1);
        assert_int_equal(a.n_secrets, 3);
        assert_int_equal(a.n_annotations, 1);

        a = read_account("{" METADATA("") ",\"imagePullSecrets\":null}");
        assert_true(!a.listed && a.n_secrets == 0);
        /* The name has to be the whole of it. */
        a = read_account(
                "{" METADATA("") ",\"imagePullSecrets\":[{\"name\":\"ecr2\"},{\"name\":\"ec\"},{}]}");
        assert_true(!a.listed && a.n_secrets == 3);
}

static void assert_note(const char *account, bool ours, const char *others)
{
        KubeAccount a = read_account(account);

        assert_false(a.strange);
        assert_int_equal(a.ours, ours);
        if (others)
                assert_string_equal(a.others, others);
        else
                assert_null(a.others);
        kube_account_done(&a);
        assert_null(a.others);
}

static void test_whose_entries_the_annotation_names(void **state)
{
        assert_note("{" METADATA(NOTE("\"ecr\"")) "}", true, NULL);
        assert_note("{" METADATA(NOTE("\"\"")) "}", false, NULL);
        assert_note("{" METADATA(NOTE("\"pull\"")) "}", false, "pull");
        assert_note("{" METADATA(NOTE("\"ecr2,ec\"")) "}", false, "ecr2,ec");
        assert_note("{" METADATA(NOTE("\"a,ecr,b\"")) "}", true, "a,b");
        assert_note("{" METADATA(NOTE("\"ecr,a\"")) "}", true, "a");
        assert_note("{" METADATA(NOTE("\",a,,ecr,\"")) "}", true, "a");
}

static void test_what_cannot_be_guarded_is_strange(void **state)
{
        _cleanup_free_ char *text = str_printf("{" METADATA(NOTE("\"ecr,%05000d\"")) "}", 0);
        KubeAccount a = read_account(text);

        assert_true(a.strange && !a.ours && !a.others);
        a = read_account("{" METADATA(NOTE("7")) "}");
        assert_true(a.strange);
        a = read_account("{\"metadata\":{\"name\":\"default\"}}");
        assert_true(a.strange);
        a = read_account("{\"metadata\":{\"name\":\"default\",\"resourceVersion\":\"7a\"}}");
        assert_true(a.strange && a.resource_version == 0);
}

/* --- patches --------------------------------------------------------------------------------------- */

#define ADD(path, value) "{\"op\":\"add\",\"path\":\"" path "\",\"value\":" value "}"
#define REMOVE(path) "{\"op\":\"remove\",\"path\":\"" path "\"}"
#define ENTRY(index) \
        "{\"op\":\"test\",\"path\":\"/imagePullSecrets/" index "\",\"value\":{\"name\":\"ecr\"}}"
#define ANNOTATIONS "/metadata/annotations"
#define ANNOTATION ANNOTATIONS "/eatr~1image-pull-secret"

static void test_the_entry_is_appended_or_the_list_made(void **state)
{
        assert_rendered("{" METADATA("") "}", kube_account_render_addition,
                        "[" TEST "," ADD("/imagePullSecrets", "[{\"name\":\"ecr\"}]") "," ADD(
                                ANNOTATIONS, "{\"eatr/image-pull-secret\":\"ecr\"}") "]");
        assert_rendered("{" METADATA(",\"annotations\":{\"x\":\"y\"}") ",\"imagePullSecrets\":[]}",
                        kube_account_render_addition,
                        "[" TEST "," ADD("/imagePullSecrets",
                                         "[{\"name\":\"ecr\"}]") "," ADD(ANNOTATION, "\"ecr\"") "]");
        assert_rendered("{" METADATA("") ",\"imagePullSecrets\":[{\"name\":\"a\"}]}",
                        kube_account_render_addition,
                        "[" TEST "," ADD("/imagePullSecrets/-", "{\"name\":\"ecr\"}") "," ADD(
                                ANNOTATIONS, "{\"eatr/image-pull-secret\":\"ecr\"}") "]");
}

static void test_the_annotation_is_added_to(void **state)
{
        assert_rendered("{" METADATA(NOTE("\"pull\"")) "}", kube_account_render_addition,
                        "[" TEST "," ADD("/imagePullSecrets",
                                         "[{\"name\":\"ecr\"}]") "," ADD(ANNOTATION, "\"pull,ecr\"") "]");
        /* It is there, and the entry has been taken out. */
        assert_rendered("{" METADATA(NOTE("\"ecr\"")) "}", kube_account_render_addition,
                        "[" TEST "," ADD("/imagePullSecrets", "[{\"name\":\"ecr\"}]") "]");
}

static void test_removal_leaves_no_trace(void **state)
{
        assert_rendered("{" METADATA(NOTE("\"ecr\"")) ",\"imagePullSecrets\":[{\"name\":\"ecr\"}]}",
                        kube_account_render_removal,
                        "[" TEST "," ENTRY("0") "," REMOVE("/imagePullSecrets") "," REMOVE(ANNOTATIONS) "]");
}

static void test_removal_leaves_what_is_others(void **state)
{
        assert_rendered(
                "{" METADATA(
                        ",\"annotations\":{\"x\":\"y\",\"eatr/image-pull-secret\":\"ecr\"}") ",\"imagePullSe"
                                                                                             "crets\":[{"
                                                                                             "\"name\":"
                                                                                             "\"a\"},{"
                                                                                             "\"name\":"
                                                                                             "\"ecr\"},{"
                                                                                             "\"name\":"
                                                                                             "\"b\"}]}",
                kube_account_render_removal,
                "[" TEST "," ENTRY("1") "," REMOVE("/imagePullSecrets/1") "," REMOVE(ANNOTATION) "]");
        assert_rendered(
                "{" METADATA(NOTE("\"ecr,pull\"")) ",\"imagePullSecrets\":[{\"name\":\"ecr\"},{\"name\":"
                                                   "\"pull\"}]}",
                kube_account_render_removal,
                "[" TEST
                "," ENTRY("0") "," REMOVE("/imagePullSecrets/0") "," ADD(ANNOTATION, "\"pull\"") "]");
        /* Twice: somebody else has put it there, too. */
        assert_rendered("{" METADATA(NOTE("\"ecr\"")) ",\"imagePullSecrets\":[{\"name\":\"ecr\"},{\"name\":"
                                                      "\"ecr\"}]}",
                        kube_account_render_removal,
                        "[" TEST
                        "," ENTRY("1") "," REMOVE("/imagePullSecrets/1") "," REMOVE(ANNOTATIONS) "]");
        /* It has been taken out by hand. */
        assert_rendered("{" METADATA(NOTE("\"ecr\"")) ",\"imagePullSecrets\":[{\"name\":\"a\"}]}",
                        kube_account_render_removal, "[" TEST "," REMOVE(ANNOTATIONS) "]");
}

static void test_a_new_account(void **state)
{
        _cleanup_buf_ Buf b = BUF_INIT(KUBE_ACCOUNT_BODY_MAX);

        assert_int_equal(kube_account_render_new("default", "ecr", &b), 0);
        assert_string_equal(buf_str(&b),
                            "{\"apiVersion\":\"v1\",\"kind\":\"ServiceAccount\",\"metadata\":{\"name\":"
                            "\"default\",\"annotations\":{\"eatr/image-pull-secret\":\"ecr\"}},"
                            "\"imagePullSecrets\":[{\"name\":\"ecr\"}]}");
}

static void test_the_largest_fits(void **state)
{
        _cleanup_free_ char *text = str_printf("{" METADATA(NOTE("\"%04000d,ecr\"")) "}", 0);
        _cleanup_free_ char *name = str_printf("%0253d", 0);
        KubeAccount a = read_account(text);
        _cleanup_buf_ Buf b = BUF_INIT(KUBE_ACCOUNT_BODY_MAX);

        a.ours = false;
        assert_int_equal(kube_account_render_addition(&a, name, &b), 0);
        buf_clear(&b);
        assert_int_equal(kube_account_render_removal(&a, name, &b), 0);
        buf_clear(&b);
        assert_int_equal(kube_account_render_new(name, name, &b), 0);
        kube_account_done(&a);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_is_read),
                cmocka_unit_test(test_whose_entries_the_annotation_names),
                cmocka_unit_test(test_what_cannot_be_guarded_is_strange),
                cmocka_unit_test(test_the_entry_is_appended_or_the_list_made),
                cmocka_unit_test(test_the_annotation_is_added_to),
                cmocka_unit_test(test_removal_leaves_no_trace),
                cmocka_unit_test(test_removal_leaves_what_is_others),
                cmocka_unit_test(test_a_new_account),
                cmocka_unit_test(test_the_largest_fits),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
