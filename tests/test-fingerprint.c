/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "clock.h"

static usec_t today; /* 0: long after all that is done here */

static usec_t test_now(void)
{
        return today > 0 ? today : clock_now() + USEC_PER_MINUTE;
}

#define clock_now test_now
#include "fingerprint.c"
#undef clock_now

#include "folder.h"

static int set_up(void **state)
{
        static unsigned n;
        char name[16];

        today = 0;
        (void) snprintf(name, sizeof(name), "test%u", n++);
        assert_return_code(chdir(folder), errno);
        assert_return_code(mkdir(name, 0755), errno);
        assert_return_code(chdir(name), errno);
        return 0;
}

/* Takes another one and says whether it differs from the last one of that path. */
static bool differs(const char *path, Fingerprint *last)
{
        Fingerprint old = *last;

        *last = fingerprint_take(path);
        return fingerprint_differs(&old, last);
}

static void test_a_file(void **state)
{
        Fingerprint f = fingerprint_take("file");
        const struct timespec times[] = { { .tv_sec = 1 }, { .tv_sec = 1 } };

        assert_int_equal(f.digest, 0);
        assert_false(f.unsure);
        assert_false(differs("file", &f));
        folder_put("file", "one");
        assert_true(differs("file", &f));
        assert_false(differs("file", &f));
        folder_put("file", "longer");
        assert_true(differs("file", &f));
        assert_return_code(chmod("file", 0640), errno);
        assert_true(differs("file", &f));
        assert_return_code(utimensat(AT_FDCWD, "file", times, 0), errno);
        assert_true(differs("file", &f));
        folder_put("new", "longer");
        assert_return_code(rename("new", "file"), errno);
        assert_true(differs("file", &f));
        assert_return_code(unlink("file"), errno);
        assert_true(differs("file", &f));
        assert_int_equal(f.digest, 0);
}

static void test_a_symbolic_link(void **state)
{
        Fingerprint f;

        folder_put("one", "x");
        folder_put("two", "x");
        assert_return_code(symlink("one", "link"), errno);
        f = fingerprint_take("link");
        assert_true(f.digest == fingerprint_take("one").digest);
        assert_return_code(unlink("link"), errno);
        assert_return_code(symlink("two", "link"), errno);
        assert_true(differs("link", &f));
}

/* Nobody knows whether what comes in the same tick shows. */
static void test_one_that_was_just_changed(void **state)
{
        Fingerprint f;

        folder_put("file", "one");
        today = fingerprint_take("file").changed + FINGERPRINT_TICK - 1;
        f = fingerprint_take("file");
        assert_true(f.unsure);
        today++;
        assert_true(differs("file", &f));
        assert_false(f.unsure);
        assert_false(differs("file", &f));
}

static void test_a_folder(void **state)
{
        Fingerprint f;

        assert_return_code(mkdir("d", 0755), errno);
        folder_put("d/a", "one");
        f = fingerprint_take("d");
        assert_false(differs("d", &f));
        folder_put("d/b", "one");
        assert_true(differs("d", &f));
        folder_put("d/a", "longer");
        assert_true(differs("d", &f));
        assert_return_code(rename("d/a", "d/c"), errno);
        assert_true(differs("d", &f));
        assert_return_code(symlink("nowhere", "d/link"), errno);
        assert_true(differs("d", &f));
        assert_return_code(chmod("d", 0700), errno);
        assert_true(differs("d", &f));
        /* What comes and goes leaves no trace. */
        folder_put("d/temporary", "one");
        assert_return_code(unlink("d/temporary"), errno);
        assert_false(differs("d", &f));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, set_up)
        const struct CMUnitTest tests[] = {
                TEST(test_a_file),
                TEST(test_a_symbolic_link),
                TEST(test_one_that_was_just_changed),
                TEST(test_a_folder),
        };

        return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
