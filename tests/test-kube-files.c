/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "folder.h"
#include "kube-files.h"

#define NOBODY 65534
#define SIZE_MAXIMUM 10000U
#define SECRET "hunter2"

static void parse(KubeFiles *f, const char *text)
{
        *f = KUBE_FILES_INIT(SIZE_MAXIMUM);
        if (kube_files_parse(f, text, strlen(text), "/d/f", "/d") != 0)
                fail_msg("%s: %s", text, f->error);
}

/* The entry of a context whose fields these are. */
static KubeEntry parse_fields(KubeFiles *f, const char *fields)
{
        _cleanup_free_ char *text = str_printf("contexts: [{name: c, context: %s}]\n", fields);
        KubeEntry e;

        parse(f, text);
        assert_int_equal(kube_files_context(f, "c", &e), 0);
        return e;
}

static void check_parse_refused(const char *text, size_t size, int expected, const char *message)
{
        _cleanup_kube_files_ KubeFiles f = KUBE_FILES_INIT(SIZE_MAXIMUM);

        assert_int_equal(kube_files_parse(&f, text, size, "/d/f", "/d"), expected);
        assert_string_equal(f.error, message);
}

static void check_load_refused(const char *path, const char *list, const char *home, int expected,
                               const char *message)
{
        _cleanup_kube_files_ KubeFiles f = KUBE_FILES_INIT(SIZE_MAXIMUM);

        assert_int_equal(kube_files_load(&f, path, list, home), expected);
        assert_string_equal(f.error, message);
}

static void test_fields(void **state)
{
        static const struct {
                const char *value, *string;
                int string_result, bool_result; /* 0 and 1: the value */
                bool has;
        } cases[] = {
                { "null", NULL, 0, 0, false },
                { "''", NULL, 0, 0, false },
                { "[]", NULL, 0, 0, false },
                { "{}", NULL, 0, 0, false },
                { "x", "x", 0, -EINVAL, true },
                { "'null'", "null", 0, -EINVAL, true },
                { "' '", " ", 0, -EINVAL, true },
                { "[x]", NULL, -EINVAL, -EINVAL, true },
                { "{x: y}", NULL, -EINVAL, -EINVAL, true },
                { "0", NULL, -EINVAL, -EINVAL, true },
                { "true", NULL, -EINVAL, 1, true },
                { "No", NULL, -EINVAL, 0, true },
                { "'0'", "0", 0, -EINVAL, true },
                { "'off'", "off", 0, -EINVAL, true },
                { "' no'", " no", 0, -EINVAL, true },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *fields = str_printf("{<<: {f: %s}}", cases[i].value);
                _cleanup_kube_files_ KubeFiles f;
                KubeEntry e = parse_fields(&f, fields);
                const char *s = "before";
                bool b = true;
                int r;

                assert_int_equal(kube_files_has(&e, "f"), cases[i].has);
                assert_int_equal(kube_files_string(&e, "f", &s), cases[i].string_result);
                assert_true(streq_ptr(s, cases[i].string));
                if (cases[i].string_result < 0)
                        assert_non_null(startswith(f.error, "/d/f: context \"c\": f is not text"));
                r = kube_files_bool(&e, "f", &b);
                assert_int_equal(r < 0 ? r : b, cases[i].bool_result);
                if (r < 0)
                        assert_non_null(
                                startswith(f.error, "/d/f: context \"c\": f is neither true nor false"));
        }
}

static void test_fields_of_json(void **state)
{
        static const char text[] =
                "{\"contexts\":[{\"name\":\"c\",\"context\":{\"t\":true,\"f\":false,\"n\":1}},"
                "{\"name\":\"d\"}]}";
        _cleanup_kube_files_ KubeFiles f;
        const char *s;
        KubeEntry e;
        bool b;

        parse(&f, text);
        assert_int_equal(kube_files_context(&f, "c", &e), 0);
        assert_int_equal(kube_files_bool(&e, "t", &b), 0);
        assert_true(b);
        assert_int_equal(kube_files_bool(&e, "f", &b), 0);
        assert_false(b);
        assert_true(kube_files_has(&e, "f")); /* it says no, which is more than nothing */
        assert_int_equal(kube_files_bool(&e, "n", &b), -EINVAL);
        assert_int_equal(kube_files_string(&e, "n", &s), -EINVAL);
        assert_false(kube_files_has(&e, "x"));
        assert_int_equal(kube_files_context(&f, "d", &e), 0); /* an entry without fields */
        assert_false(kube_files_has(&e, "t"));
        assert_int_equal(kube_files_bool(&e, "t", &b), 0);
        assert_false(b);
}

static void test_a_context_is_followed(void **state)
{
        static const char text[] = "current-context: b\n"
                                   "contexts: [{name: a, context: {cluster: k, user: v}}, {name: b},\n"
                                   "  {name: c, context: {cluster: '', user: [u]}}]\n"
                                   "clusters: [{name: k, cluster: {f: x}}]\nusers: [{name: u}]\n";
        _cleanup_kube_files_ KubeFiles f;
        KubeEntry e, k = { .name = "before" };
        const char *s;

        parse(&f, text);
        assert_int_equal(kube_files_context(&f, "", &e), 0);
        assert_string_equal(e.name, "b");
        assert_int_equal(kube_files_follow(&e, &kube_files_clusters, &k), 0);
        assert_string_equal(k.name, "before");
        assert_int_equal(kube_files_context(&f, "c", &e), 0);
        assert_int_equal(kube_files_follow(&e, &kube_files_clusters, &k), 0);
        assert_int_equal(kube_files_follow(&e, &kube_files_users, &k), -EINVAL);
        assert_string_equal(f.error, "/d/f: context \"c\": user is not text");
        assert_int_equal(kube_files_context(&f, "a", &e), 0);
        assert_int_equal(kube_files_follow(&e, &kube_files_users, &k), -EINVAL);
        assert_string_equal(f.error, "/d/f: context \"a\": there is no user \"v\"");
        assert_string_equal(k.name, "before");
        assert_int_equal(kube_files_follow(&e, &kube_files_clusters, &k), 1);
        assert_int_equal(kube_files_string(&k, "f", &s), 0);
        assert_string_equal(s, "x");
}

/* Names come from the file and go to a log. */
static void test_errors_name_the_entry(void **state)
{
        _cleanup_kube_files_ KubeFiles f;
        char letters[2000] = "";
        KubeEntry e;

        parse(&f, "contexts: [{name: \"a\\e[2J\\n\"}]\n");
        assert_int_equal(kube_files_context(&f, "a\x1b[2J\n", &e), 0);
        assert_int_equal(kube_files_fail(&e, -EPERM, "%s: %d", "x\ty", 7), -EPERM);
        assert_string_equal(f.error, "/d/f: context \"a?[2J?\": x?y: 7");
        memset(letters, 'a', sizeof(letters) - 1);
        assert_int_equal(kube_files_fail(&e, -EINVAL, "%s", letters), -EINVAL); /* cut */
        assert_int_equal(strlen(f.error), KUBE_FILES_ERROR_MAX - 1);
        assert_int_equal(kube_files_context(&f, letters, &e), -EINVAL);
        assert_int_equal(strlen(f.error), KUBE_FILES_ERROR_MAX - 1);
}

static void test_paths_start_at_the_files_directory(void **state)
{
        static const char *const cases[][3] = {
                { "/d", "a", "/d/a" },
                { "/d", "../a", "/d/../a" },
                { "/d", "/a", "/a" },
                { "/", "a", "//a" },
        };
        _cleanup_free_ char *from_here = str_printf("%s/./sub/a", folder), *path = NULL;
        KubeEntry e;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_kube_files_ KubeFiles f = KUBE_FILES_INIT(SIZE_MAXIMUM);
                _cleanup_free_ char *resolved = NULL;

                assert_int_equal(kube_files_parse(&f, "contexts: [{name: c}]", 21, "/x/f", cases[i][0]), 0);
                assert_int_equal(kube_files_context(&f, "c", &e), 0);
                resolved = kube_files_resolve(&e, cases[i][1]);
                assert_string_equal(resolved, cases[i][2]);
        }
        {
                _cleanup_kube_files_ KubeFiles f = KUBE_FILES_INIT(SIZE_MAXIMUM);

                assert_int_equal(mkdir("sub", 0700), 0);
                folder_put("sub/f", "contexts: [{name: c}]");
                assert_int_equal(kube_files_load(&f, "./sub/f", NULL, NULL), 0);
                assert_int_equal(kube_files_context(&f, "c", &e), 0);
                path = kube_files_resolve(&e, "a");
                assert_string_equal(path, from_here);
        }
}

/* Also those that may appear later. */
static void test_files_are_noted_absolute_and_once(void **state)
{
        static const char *const names[] = { "w/f", "gone", "ca", "/x/y" };
        KubeFiles f = KUBE_FILES_INIT(SIZE_MAXIMUM);
        char **noted;

        assert_int_equal(mkdir("w", 0700), 0);
        folder_put("w/f", "");
        assert_int_equal(kube_files_load(&f, NULL, "w/f:gone:w/f", NULL), 0);
        for (unsigned i = 0; i < 2; i++) {
                assert_int_equal(kube_files_note(&f, "ca"), 0);
                assert_int_equal(kube_files_note(&f, "/x/y"), 0);
        }
        noted = kube_files_take_noted(&f);
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                _cleanup_free_ char *path = str_printf("%s/%s", folder, names[i]);

                assert_string_equal(noted[i], *names[i] == '/' ? names[i] : path);
                free(noted[i]);
        }
        assert_null(noted[ELEMENTSOF(names)]);
        free(noted);
        noted = kube_files_take_noted(&f);
        assert_null(noted);
        assert_int_equal(kube_files_note(&f, "again"), 0); /* for the sanitizers */
        kube_files_done(&f);
}

static void test_each_file_is_checked_whole(void **state)
{
        static const struct {
                const char *text, *message;
        } cases[] = {
                { "token: " SECRET ": x\n",
                  "/d/f: line 1, column 15: mapping values are not allowed in this "
                  "context" },
                { SECRET, "/d/f is not a kubeconfig: there are no fields in it" },
                { "apiVersion: [v1]\n", "/d/f is not a kubeconfig: its apiVersion is not v1" },
                { "kind: " SECRET, "/d/f is not a kubeconfig: its kind is not Config" },
                { "clusters: " SECRET, "/d/f: clusters is not a list" },
                { "users: [{name: a}, {name: [b]}]", "/d/f: entry 2 of users: its name is not text" },
                { "users: [{name: a}, [name]]", "/d/f: entry 2 of users has no name" },
                { "users: [{name: ''}]", "/d/f: entry 1 of users has no name" },
                { "users: [{name: a, user: [" SECRET "]}]", "/d/f: user \"a\" has no fields" },
                { "contexts: [{name: b}, {name: c}, {name: a}, {name: b}]",
                  "/d/f: context \"b\" is there twice" },
                { "{\"users\":[{\"name\":1}]}",
                  "/d/f: entry 1 of users: its name is not text, as there are no "
                  "quotes around it" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                check_parse_refused(cases[i].text, strlen(cases[i].text), -EINVAL, cases[i].message);
        check_parse_refused("a: b\0c", 6, -EINVAL, "/d/f: byte 5: control characters are not allowed");
        /* Were it read, AddressSanitizer would say so. */
        check_parse_refused("", SIZE_MAXIMUM + 1, -EMSGSIZE, "/d/f: it is too large");
}

static void test_done_leaves_something_to_use_again(void **state)
{
        KubeFiles f = KUBE_FILES_INIT(SIZE_MAXIMUM);
        KubeEntry e;

        kube_files_done(&f);
        assert_int_equal(kube_files_parse(&f, "[", 1, "/d/f", "/d"), -EINVAL);
        kube_files_done(&f);
        assert_string_equal(f.error, "");
        assert_int_equal(kube_files_parse(&f, NULL, 0, "/d/g", "/d"), 0);
        assert_string_equal(f.label, "/d/g");
        assert_int_equal(kube_files_context(&f, NULL, &e), -EINVAL);
        assert_string_equal(f.error, "/d/g has no contexts");
        kube_files_done(&f);
        assert_int_equal(f.size_max, SIZE_MAXIMUM);
        kube_files_done(&f);
}

/* Files. */

static void check_loaded(const char *path, const char *list, const char *home, const char *label, size_t n,
                         const char *context)
{
        _cleanup_kube_files_ KubeFiles f = KUBE_FILES_INIT(SIZE_MAXIMUM);
        KubeEntry e;

        if (kube_files_load(&f, path, list, home) != 0)
                fail_msg("%s", f.error);
        assert_string_equal(f.label, label);
        assert_int_equal(f.n, n);
        if (kube_files_context(&f, NULL, &e) != 0)
                fail_msg("%s", f.error);
        assert_string_equal(e.name, context);
}

static void test_which_files_are_read(void **state)
{
        assert_int_equal(mkdir("h", 0700), 0);
        assert_int_equal(mkdir("h/.kube", 0700), 0);
        folder_put("h/.kube/config", "current-context: home\ncontexts: [{name: home}]\n");
        folder_put("a", "current-context: a\ncontexts: [{name: a}]\n");
        folder_put("b", "current-context: b\ncontexts: [{name: b}, {name: a, context: {cluster: k}}]\n");
        folder_put("bad", "[\n");
        check_loaded("a", "b", "h", "a", 1, "a");
        check_loaded(NULL, "b", "h", "b", 1, "b");
        check_loaded("", "", "h", "h/.kube/config", 1, "home");
        check_loaded(NULL, ":none::b:a:b:", NULL, ":none::b:a:b:", 2, "b");
        check_load_refused("a:b", NULL, NULL, -ENOENT,
                           "cannot read the kubeconfig a:b: No such file or directory");
        check_load_refused(NULL, "none:none2", "h", -ENOENT,
                           "none of the files that $KUBECONFIG names is there: none:none2");
        check_load_refused(NULL, NULL, "", -ENOENT,
                           "no kubeconfig is named, and there is no home directory to look for one");
        check_load_refused(NULL, "a:bad", NULL, -EINVAL,
                           "bad: line 2, column 1: did not find expected node "
                           "content");
        check_load_refused(NULL, "a:a/b", NULL, -ENOTDIR, "cannot read the kubeconfig a/b: Not a directory");
}

static void test_the_first_file_that_has_a_name_wins(void **state)
{
        _cleanup_free_ char *path = NULL, *expected = str_printf("%s/one/x", folder);
        _cleanup_kube_files_ KubeFiles f = KUBE_FILES_INIT(SIZE_MAXIMUM);
        KubeEntry e, k;

        assert_int_equal(mkdir("one", 0700), 0);
        folder_put("one/f", "clusters: [{name: k, cluster: {a: 1}}]\n");
        folder_put("two", "clusters: [{name: k, cluster: {b: 2}}]\ncurrent-context: c\n"
                        "contexts: [{name: c, context: {cluster: k}}]\n");
        assert_int_equal(kube_files_load(&f, NULL, "one/f:two", NULL), 0);
        assert_int_equal(kube_files_context(&f, NULL, &e), 0);
        assert_int_equal(kube_files_follow(&e, &kube_files_clusters, &k), 1);
        assert_true(kube_files_has(&k, "a"));
        assert_false(kube_files_has(&k, "b")); /* the whole entry, not each field */
        path = kube_files_resolve(&k, "x");
        assert_string_equal(path, expected);
        assert_int_equal(kube_files_fail(&k, -EINVAL, "x"), -EINVAL);
        assert_string_equal(f.error, "one/f: cluster \"k\": x");
        assert_int_equal(kube_files_context(&f, "d", &e), -EINVAL);
        assert_string_equal(f.error, "one/f:two has no context \"d\"; its contexts: \"c\"");
}

static void test_files_that_cannot_be_read_are_named(void **state)
{
        bool root = geteuid() == 0;

        assert_int_equal(mkdir("dir", 0700), 0);
        assert_int_equal(mkfifo("fifo", 0600), 0);
        folder_put("large", "contexts: [{name: c}]\ncurrent-context: c\n#");
        assert_int_equal(truncate("large", SIZE_MAXIMUM + 1), 0);
        folder_put("locked", "x");
        assert_int_equal(chmod("locked", root ? 0600 : 0), 0);
        check_load_refused("dir", NULL, NULL, -EISDIR, "cannot read the kubeconfig dir: Is a directory");
        check_load_refused(NULL, "none:fifo", NULL, -EINVAL,
                           "cannot read the kubeconfig fifo: it is not a regular file");
        check_load_refused("large", NULL, NULL, -EMSGSIZE,
                           "cannot read the kubeconfig large: it is too large");
        if (root && seteuid(NOBODY) < 0)
                skip();
        check_load_refused(NULL, "none:locked", NULL, -EACCES,
                           "cannot read the kubeconfig locked: Permission denied");
        assert_int_equal(root ? seteuid(0) : 0, 0);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_fields),
                cmocka_unit_test(test_fields_of_json),
                cmocka_unit_test(test_a_context_is_followed),
                cmocka_unit_test(test_errors_name_the_entry),
                cmocka_unit_test(test_paths_start_at_the_files_directory),
                cmocka_unit_test(test_files_are_noted_absolute_and_once),
                cmocka_unit_test(test_each_file_is_checked_whole),
                cmocka_unit_test(test_done_leaves_something_to_use_again),
                cmocka_unit_test(test_which_files_are_read),
                cmocka_unit_test(test_the_first_file_that_has_a_name_wins),
                cmocka_unit_test(test_files_that_cannot_be_read_are_named),
        };

        return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
