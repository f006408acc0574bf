/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "kube-impersonate.h"
#include "words.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define SECRET "hunter2"
#define LONG "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define LONGER LONG LONG LONG LONG LONG LONG LONG LONG

/* The lines with "|" between them, or the error. */
static char *read_lines(const char *fields, int expected)
{
        _cleanup_free_ char *text = str_printf("contexts: [{name: c, context: %s}]\n", fields);
        _cleanup_(words_freep) char **lines = NULL;
        KubeFiles f = KUBE_FILES_INIT(10000);
        char *joined = strdup("");
        KubeEntry e;

        assert_int_equal(kube_files_parse(&f, text, strlen(text), "/f", "/"), 0);
        assert_int_equal(kube_files_context(&f, "c", &e), 0);
        if (kube_impersonate_read(&e, &lines) != expected)
                fail_msg("%s: %s", fields, f.error);
        if (expected < 0) {
                assert_null(lines);
                (void) str_replace(&joined, f.error);
        }
        for (char **line = lines; line && *line; line++) {
                char *longer = str_printf("%s%s%s", joined, *joined ? "|" : "", *line);

                free(joined);
                joined = longer;
        }
        kube_files_done(&f);
        return joined;
}

/* kubectl 1.32 sends the same for these, but for the letter case of the names, which means nothing. */
static void test_lines(void **state)
{
        static const char *const cases[][2] = {
                { "{}", "" },
                { "{as: jane}", "Impersonate-User: jane" },
                { "{as: '', as-groups: [], as-user-extra: {}, as-uid: }", "" },
                { "{as: 'jane doe', as-uid: 7f}", "Impersonate-User: jane doe|Impersonate-Uid: 7f" },
                { "{as: j, as-groups: [a, '', b]}",
                  "Impersonate-User: j|Impersonate-Group: a|Impersonate-Group: |Impersonate-Group: b" },
                { "{as: j, as-user-extra: {k: [a, b], l: [], m: null, '': [c]}}",
                  "Impersonate-User: j|Impersonate-Extra-k: a|Impersonate-Extra-k: b|Impersonate-Extra-: "
                  "c" },
                { "{as: j, as-user-extra: {'Acme.com/Pro%ject \xc3\xa4': ['y z']}}",
                  "Impersonate-User: j|Impersonate-Extra-Acme.com%2FPro%25ject%20%C3%A4: y z" },
                { "{as: j, as-user-extra: {\"a\\nb: c\": [x]}}",
                  "Impersonate-User: j|Impersonate-Extra-a%0Ab%3A%20c: x" },
                { "{as: j, as-user-extra: {\"!#$&'*+-.^_`|~0aZ\": [x]}}",
                  "Impersonate-User: j|Impersonate-Extra-!#$&'*+-.^_`|~0aZ: x" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *lines = read_lines(cases[i][0], 0);

                assert_string_equal(lines, cases[i][1]);
        }
}

static void test_what_cannot_be(void **state)
{
        static const char *const cases[][2] = {
                { "{as-uid: x}", "there is as-uid, but no as" },
                { "{as-groups: [x]}", "there is as-groups, but no as" },
                { "{as-user-extra: {a: []}}", "there is as-user-extra, but no as" },
                { "{as: 1}", "as is not text, as there are no quotes around it" },
                { "{as: [x]}", "as is not text" },
                { "{as: j, as-uid: 7}", "as-uid is not text, as there are no quotes around it" },
                { "{as: j, as-groups: x}", "as-groups is not a list" },
                { "{as: j, as-groups: {a: b}}", "as-groups is not a list" },
                { "{as: j, as-groups: [a, 1]}",
                  "as-groups: an entry is not text, as there are no quotes around it" },
                { "{as: j, as-groups: [null]}", "as-groups: an entry is not text" },
                { "{as: j, as-user-extra: [a]}", "as-user-extra is not a mapping" },
                { "{as: j, as-user-extra: {a: b}}", "as-user-extra is not a list" },
                { "{as: j, as-user-extra: {a: [yes]}}",
                  "as-user-extra: an entry is not text, as there are no quotes around it" },
                { "{as: j, as-user-extra: {" LONGER LONGER ": [x]}}", "as-user-extra: a key is too long" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *expected = str_printf("/f: context \"c\": %s", cases[i][1]);
                int r = strstr(cases[i][1], "too long") ? -EMSGSIZE : -EINVAL;
                _cleanup_free_ char *error = read_lines(cases[i][0], r);

                assert_string_equal(error, expected);
        }
}

/* A value that ends its line would be another header. */
static void test_no_header_is_smuggled_in(void **state)
{
        static const char *const cases[][2] = {
                { "{as: \"" SECRET "\\nImpersonate-Group: system:masters\"}", "as" },
                { "{as: \"" SECRET "\\r\"}", "as" },
                { "{as: \"" SECRET "\\t\"}", "as" },
                { "{as: \"" SECRET "\\x7f\"}", "as" },
                { "{as: j, as-uid: \"" SECRET "\\n\"}", "as-uid" },
                { "{as: j, as-groups: [a, \"" SECRET "\\nX: y\"]}", "as-groups" },
                { "{as: j, as-user-extra: {a: [\"" SECRET "\\nX: y\"]}}", "as-user-extra" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *expected =
                        str_printf("/f: context \"c\": %s: there is a control character in it", cases[i][1]);
                _cleanup_free_ char *error = read_lines(cases[i][0], -EINVAL);

                assert_string_equal(error, expected);
        }
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_lines),
                cmocka_unit_test(test_what_cannot_be),
                cmocka_unit_test(test_no_header_is_smuggled_in),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
