/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "path-walk.h"

#include "folder.h"

#include <limits.h>

static char here[PATH_MAX]; /* where the test stands */
static char told[8192];     /* "FOLDER:NAME ", without here; "*" for all entries */
static int errors[8];       /* what comes of each that is told */
static unsigned n_told;

static int set_up(void **state)
{
        static unsigned n;
        char name[16];

        told[0] = '\0';
        n_told = 0;
        memset(errors, 0, sizeof(errors));
        (void) snprintf(name, sizeof(name), "test%u", n++);
        assert_return_code(chdir(folder), errno);
        assert_return_code(mkdir(name, 0755), errno);
        assert_return_code(chdir(name), errno);
        assert_non_null(getcwd(here, sizeof(here)));
        return 0;
}

static int on_entry(const char *path, const char *name, void *userdata)
{
        size_t used = strlen(told);
        const char *rest = startswith(path, here);

        assert_ptr_equal(userdata, here);
        (void) snprintf(told + used, sizeof(told) - used, "%s:%s ", rest ? rest : path, name ? name : "*");
        return n_told < ELEMENTSOF(errors) ? errors[n_told++] : 0;
}

static void check(const char *path, const char *expected)
{
        told[0] = '\0';
        assert_int_equal(path_walk(path, on_entry, here), 0);
        assert_string_equal(told, expected);
}

static void make_folder(const char *name)
{
        assert_return_code(mkdir(name, 0755), errno);
}

static void point(const char *link, const char *target)
{
        assert_return_code(symlink(target, link), errno);
}

static void test_a_file(void **state)
{
        char path[2 * PATH_MAX + 64];

        make_folder("a");
        folder_put("a/file", "one");
        check("a/file", "/a:file ");
        (void) snprintf(path, sizeof(path), "%s/a/file", here);
        check(path, "/a:file ");
        (void) snprintf(path, sizeof(path), "//%s/./a//../../../../..//../%s///a/file", here, here + 1);
        check(path, "/a:file ");
}

static void test_a_folder(void **state)
{
        make_folder("a");
        check("a", ":a /a:* "); /* it may become another one */
        check("a/", ":a /a:* ");
        check("", ":* ");
        check(".", ":* ");
        check("/", "/:* ");
        check("/..", "/:* ");
}

static void test_what_is_missing(void **state)
{
        check("file", ":file ");
        check("a/b/file", ":a ");
        make_folder("a");
        check("a/b/file", "/a:b ");
        folder_put("a/b", "no folder");
        check("a/b/file", "/a:b ");
}

static void test_symbolic_links(void **state)
{
        char target[PATH_MAX + 64];

        make_folder("a");
        make_folder("b");
        folder_put("b/file", "one");
        (void) snprintf(target, sizeof(target), "%s/b/file", here);
        point("a/file", "../link");
        point("link", target);
        check("a/file", "/a:file :link /b:file ");
        /* In the middle: what is behind it goes on from there. */
        point("c", "b");
        check("c/../a/file", ":c /a:file :link /b:file ");
        check("c/file", ":c /b:file ");
        point("lost", "nowhere/at/all");
        check("lost/file", ":lost :nowhere ");
}

/* They are followed as often as the kernel does. */
static void test_links_in_circles(void **state)
{
        unsigned n = 0;

        point("one", "two");
        point("two", "one");
        assert_int_equal(path_walk("one", on_entry, here), 0);
        for (const char *s = told; (s = strstr(s, ":")); s++)
                n++;
        assert_int_equal(n, 41);
        assert_int_equal(open("one", O_RDONLY | O_CLOEXEC), -1);
        assert_int_equal(errno, ELOOP);
}

static void test_too_long(void **state)
{
        char *large = malloc(2 * PATH_MAX);

        assert_non_null(large);
        memset(large, 'x', 2 * PATH_MAX - 1);
        large[2 * PATH_MAX - 1] = '\0';
        assert_int_equal(path_walk(large, on_entry, here), -ENAMETOOLONG);
        assert_string_equal(told, "");
        free(large);
}

/* The first error counts, and the rest is told all the same. */
static void test_errors_of_who_is_told(void **state)
{
        point("link", "file");
        errors[0] = -ENOSPC;
        errors[1] = -EMFILE;
        assert_int_equal(path_walk("link", on_entry, here), -ENOSPC);
        assert_string_equal(told, ":link :file ");
        n_told = 0;
        errors[0] = 0;
        assert_int_equal(path_walk("link", on_entry, here), -EMFILE);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, set_up)
        const struct CMUnitTest tests[] = {
                TEST(test_a_file),
                TEST(test_a_folder),
                TEST(test_what_is_missing),
                TEST(test_symbolic_links),
                TEST(test_links_in_circles),
                TEST(test_too_long),
                TEST(test_errors_of_who_is_told),
        };

        return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
