/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "file.h"
#include "folder.h"

#include <sys/socket.h>
#include <sys/un.h>

#define NOBODY 65534

static void check_refused(const char *path, int expected)
{
        _cleanup_buf_ Buf b = BUF_INIT(100);

        assert_int_equal(file_read(path, &b), expected);
        assert_int_equal(b.size, 0);
}

static void test_a_file_is_added_whole(void **state)
{
        _cleanup_buf_ Buf b = BUF_INIT(100000);
        char *bytes = calloc(1, 50000);

        for (size_t i = 0; i < 50000; i++)
                bytes[i] = (char) (i * 7 + i / 4096);
        folder_put_bytes("f", bytes, 50000);
        assert_int_equal(buf_append_str(&b, "before"), 0);
        assert_int_equal(file_read("f", &b), 0);
        assert_int_equal(b.size, 6 + 50000);
        assert_memory_equal(b.data, "before", 6);
        assert_memory_equal(b.data + 6, bytes, 50000); /* NULs and all */
        free(bytes);
}

static void test_empty_files(void **state)
{
        _cleanup_buf_ Buf b = BUF_INIT(0);

        folder_put_bytes("empty", "", 0);
        assert_int_equal(file_read("empty", &b), 0);
        assert_int_equal(file_read("/dev/null", &b), 0);
        assert_int_equal(symlink("/dev/null", "null"), 0);
        assert_int_equal(file_read("null", &b), 0);
        assert_string_equal(buf_str(&b), "");
}

static void test_the_maximum_is_the_buffers(void **state)
{
        for (size_t max = 4094; max <= 4098; max++) {
                _cleanup_buf_ Buf empty = BUF_INIT(max), used = BUF_INIT(max);
                char bytes[4096] = { 0 };

                folder_put_bytes("f", bytes, sizeof(bytes));
                assert_int_equal(file_read("f", &empty), max < 4096 ? -EMSGSIZE : 0);
                assert_int_equal(buf_append_str(&used, "x"), 0);
                assert_int_equal(file_read("f", &used), max < 4097 ? -EMSGSIZE : 0);
                assert_true(used.size <= max);
        }
}

/* These say they have no bytes, or more than there is memory for. */
static void test_a_files_size_is_not_believed(void **state)
{
        _cleanup_buf_ Buf b = BUF_INIT(100000), small = BUF_INIT(10);

        assert_int_equal(file_read("/proc/self/status", &b), 0);
        assert_non_null(startswith(buf_str(&b), "Name:"));
        assert_int_equal(file_read("/proc/self/status", &small), -EMSGSIZE);
        folder_put_bytes("sparse", "", 0);
        assert_int_equal(truncate("sparse", (off_t) 1 << 40), 0);
        check_refused("sparse", -EMSGSIZE);
}

/* Each would block, never end, or change something. */
static void test_only_regular_files_are_read(void **state)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "socket" };
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_int_equal(mkdir("d", 0700), 0);
        assert_int_equal(mkfifo("fifo", 0600), 0);
        assert_int_equal(symlink("fifo", "link"), 0);
        assert_int_equal(bind(fd, (const struct sockaddr *) &address, sizeof(address)), 0);
        check_refused("d", -EISDIR);
        check_refused(".", -EISDIR);
        check_refused("fifo", -EINVAL);
        check_refused("link", -EINVAL);
        check_refused("/dev/zero", -EINVAL);
        check_refused("socket", -ENXIO);
}

static void test_what_open_says(void **state)
{
        _cleanup_free_ char *name = calloc(1, 5001);

        memset(name, 'a', 5000);
        folder_put_bytes("g", "x", 1);
        assert_int_equal(symlink("loop", "loop"), 0);
        assert_int_equal(symlink("none", "dangling"), 0);
        check_refused("none", -ENOENT);
        check_refused("", -ENOENT);
        check_refused("dangling", -ENOENT);
        check_refused("g/x", -ENOTDIR);
        check_refused("g/", -ENOTDIR);
        check_refused("loop", -ELOOP);
        check_refused(name, -ENAMETOOLONG);
}

static void test_no_permission(void **state)
{
        bool root = geteuid() == 0;

        folder_put_bytes("locked", "x", 1);
        assert_int_equal(chmod("locked", root ? 0600 : 0), 0);
        if (root && seteuid(NOBODY) < 0)
                skip();
        check_refused("locked", -EACCES);
        assert_int_equal(root ? seteuid(0) : 0, 0);
}

static void test_no_descriptor_is_left_open(void **state)
{
        static const char *const paths[] = { "/dev/null", "/proc/self/status", "/", "/dev/zero", "/none" };
        _cleanup_close_ int after = -1;
        int next = dup(0);

        (void) close(next);
        for (size_t i = 0; i < ELEMENTSOF(paths); i++) {
                _cleanup_buf_ Buf b = BUF_INIT(1);

                (void) file_read(paths[i], &b);
        }
        after = dup(0);
        assert_int_equal(after, next);
}

static void test_errors_have_words(void **state)
{
        assert_string_equal(file_strerror(-EINVAL), "it is not a regular file");
        assert_string_equal(file_strerror(-EMSGSIZE), "it is too large");
        assert_string_equal(file_strerror(-EISDIR), "Is a directory");
        assert_string_equal(file_strerror(-ENOENT), "No such file or directory");
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_file_is_added_whole),
                cmocka_unit_test(test_empty_files),
                cmocka_unit_test(test_the_maximum_is_the_buffers),
                cmocka_unit_test(test_a_files_size_is_not_believed),
                cmocka_unit_test(test_only_regular_files_are_read),
                cmocka_unit_test(test_what_open_says),
                cmocka_unit_test(test_no_permission),
                cmocka_unit_test(test_no_descriptor_is_left_open),
                cmocka_unit_test(test_errors_have_words),
        };

        return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
