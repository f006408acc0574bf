/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "conf-file.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cmocka.h>

#define NOBODY 65534
#define MALFORMED "neither [SECTION] nor KEY = VALUE; a list continues on indented lines"

/* What the handler was told: "[SECTION]", "SECTION/KEY=VALUE@LINE", with "+" for "=" in a continuation. */
static Buf told = BUF_INIT(4U * 1024 * 1024);

static int on_section(void *userdata, const char *name, ConfError *error)
{
        assert_ptr_equal(userdata, &told);
        assert_int_equal(buf_printf(&told, "[%s]\n", name), 0);
        return streq(name, "bad") ? conf_error_set(error, -EPERM, "bad section") : 0;
}

static int on_value(void *userdata, const ConfFileValue *v, ConfError *error)
{
        assert_ptr_equal(userdata, &told);
        assert_int_equal(buf_printf(&told, "%s/%s%c%s@%u\n", v->section, v->key, v->continued ? '+' : '=',
                                    v->value, v->line),
                         0);
        return streq(v->value, "bad") ? conf_error_set(error, -ENOKEY, "bad value") : 0;
}

/* The text ends where its memory does, for the sanitizers. */
static int parse(const char *text, size_t size, ConfError *error)
{
        static const ConfFileHandler handler = { on_section, on_value };
        char *copy = malloc(MAX(size, 1U));
        int r;

        assert_non_null(copy);
        memcpy(copy, text, size);
        buf_clear(&told);
        *error = (ConfError){ "" };
        r = conf_file_parse("/p", copy + (size == 0), size, &handler, &told, error);
        free(copy);
        return r;
}

static void check_told(const char *text, const char *expected)
{
        ConfError error;

        if (parse(text, strlen(text), &error) != 0)
                fail_msg("%s: %s", text, error.text);
        assert_string_equal(buf_str(&told), expected);
        assert_string_equal(error.text, "");
}

static void check_refused_sized(const char *text, size_t size, int expected, const char *message)
{
        ConfError error;

        assert_int_equal(parse(text, size, &error), expected);
        assert_string_equal(error.text, message);
}

static void check_refused(const char *text, int expected, const char *message)
{
        check_refused_sized(text, strlen(text), expected, message);
}

static void test_values_come_with_their_place(void **state)
{
        static const char *const cases[][2] = {
                { "", "" },
                { "\n\n", "" },
                { "[a]", "[a]\n" },
                { "k=v", "/k=v@1\n" },
                { "[a]\nk = v\n  c\n\td\n", "[a]\na/k=v@2\na/k+c@3\na/k+d@4\n" },
                { "[a]\nk=1\n[b]\nl: 2\n", "[a]\na/k=1@2\n[b]\nb/l=2@4\n" },
                { "[a]\nk=\n l = m\n [b]\n", "[a]\na/k=@2\na/k+l = m@3\na/k+[b]@4\n" },
                /* A section ends what could continue. */
                { "[a]\nk=1\n[b]\n l=2\n  m\n", "[a]\na/k=1@2\n[b]\nb/l=2@4\nb/l+m@5\n" },
                { " [a]\n  k=1\n", "[a]\na/k=1@2\n" },
                /* Nor do comments and empty lines. */
                { "[a]\n# x\nk=1\n ; y\n\n   \n#z=1\n  c\n", "[a]\na/k=1@3\na/k+c@8\n" },
                { "[a]\nk \t=\t v w \t\n", "[a]\na/k=v w@2\n" },
                { "[a]\nk==:;#[]\nl : = x ; y\n", "[a]\na/k==:;#[]@2\na/l== x ; y@3\n" },
                { "[a]\r\nk=1\r\n c\r\n", "[a]\na/k=1@2\na/k+c@3\n" },
                { "\xef\xbb\xbf[a]\nk=1\n", "[a]\na/k=1@2\n" },
                { "[ a ]\n\xc3\xa4=\xff\n", "[ a ]\n a /\xc3\xa4=\xff@2\n" },
                { "=v\n", "/=v@1\n" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                check_told(cases[i][0], cases[i][1]);
}

static void test_what_is_wrong_has_its_line(void **state)
{
        static const char *const cases[][2] = {
                { "\n[a]\nk\n", "/p:3: " MALFORMED },
                { "[a]\nk v\nl=1\n", "/p:2: " MALFORMED },
                { "k\n", "/p:1: " MALFORMED },
                { "[a]\nk\n[b\n", "/p:2: " MALFORMED }, /* the first one */
                { "[a]\nk=1\nc\n", "/p:3: " MALFORMED },
                { "\n[a\n", "/p:2: \"[\" without \"]\"" },
                { "[", "/p:1: \"[\" without \"]\"" },
                { "[a] k=1\n", "/p:1: there is text behind \"]\"; a comment takes a line of its own" },
                { "[a]\nk=1\x1b[2J\n", "/p:2: there is a control character (0x1b) in the text" },
                { "[a]\n# \x7f\n", "/p:2: there is a control character (0x7f) in the text" },
                { "k=1\rl=2\r", "/p:1: there is a control character (0x0d) in the text" },
                { "k=\xef\xbb\xbf\n\xef\xbb\xbf[a]\n", "/p:2: " MALFORMED }, /* only at the start */
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                check_refused(cases[i][0], -EINVAL, cases[i][1]);
        check_refused_sized("k=1\n\0\n", 6, -EINVAL,
                            "/p:2: there is a control character (0x00) in the text");
        check_refused_sized("k=1\0", 4, -EINVAL, "/p:1: there is a control character (0x00) in the text");
}

static void test_an_error_of_the_handler_ends_the_reading(void **state)
{
        check_refused("[a]\nk=1\n[bad]\nl=2\n", -EPERM, "/p:3: bad section");
        assert_string_equal(buf_str(&told), "[a]\na/k=1@2\n[bad]\n");
        check_refused("[a]\nk=bad\nl=2\n[b\n", -ENOKEY, "/p:2: bad value");
        assert_string_equal(buf_str(&told), "[a]\na/k=bad@2\n");
        check_refused("[a]\n\nk=1\n bad\n 2\n", -ENOKEY, "/p:4: bad value");
        assert_string_equal(buf_str(&told), "[a]\na/k=1@3\na/k+bad@4\n");
}

/* Wherever the text ends, in the middle of a line, of "\r\n" or of a byte order mark. */
static void test_a_text_may_end_anywhere(void **state)
{
        static const char text[] = "\xef\xbb\xbf; c\r\n[sec]\r\n key : v\r\n\tcont\r\nl==\n";
        ConfError error;

        for (size_t n = 0; n < sizeof(text); n++) {
                int r = parse(text, n, &error);

                assert_true(r == 0 || r == -EINVAL);
                assert_true((r < 0) == (startswith(error.text, "/p:") != NULL));
        }
        assert_int_equal(parse(text, sizeof(text) - 1, &error), 0);
        assert_string_equal(buf_str(&told), "[sec]\nsec/key=v@3\nsec/key+cont@4\nsec/l==@5\n");
}

/* inih's own buffers for them are smaller. */
static void test_names_of_sections_are_whole(void **state)
{
        _cleanup_free_ char *letters = calloc(1, 100001), *text = NULL, *expected = NULL;

        memset(letters, 'a', 100000);
        text = str_printf("[%s1]\nk=v\n[%s2]\nk=v\n c\n[b;c #d]\nk=v\n", letters, letters);
        expected = str_printf("[%s1]\n%s1/k=v@2\n[%s2]\n%s2/k=v@4\n%s2/k+c@5\n[b;c #d]\nb;c #d/k=v@7\n",
                              letters, letters, letters, letters, letters);
        check_told(text, expected);
}

/* inih has a buffer for names, not for values. */
static void test_names_and_values_are_whole_or_refused(void **state)
{
        _cleanup_free_ char *letters = calloc(1, 300001), *text = NULL, *expected = NULL;
        ConfError error;

        memset(letters, 'a', 300000);
        for (int n = 1; n < 500; n++) {
                _cleanup_free_ char *line = str_printf("%.*s = v\n c\n", n, letters);
                _cleanup_free_ char *value = str_printf("/%.*s=v@1\n/%.*s+c@2\n", n, letters, n, letters);

                if (parse(line, strlen(line), &error) == 0)
                        assert_string_equal(buf_str(&told), value);
                else {
                        assert_true(n > 100);
                        assert_string_equal(error.text, "/p:1: " MALFORMED);
                        assert_string_equal(buf_str(&told), "");
                }
        }
        text = str_printf("k=%s ;\n %s\n#%s\nl=1", letters, letters, letters);
        expected = str_printf("/k=%s ;@1\n/k+%s@2\n/l=1@4\n", letters, letters);
        check_told(text, expected);
}

static void test_a_text_has_a_maximum(void **state)
{
        _cleanup_free_ char *text = malloc(CONF_FILE_SIZE_MAX + 1);

        memset(text, '\n', CONF_FILE_SIZE_MAX + 1);
        memcpy(text + CONF_FILE_SIZE_MAX - 3, "k=1", 4);
        check_refused_sized(text, CONF_FILE_SIZE_MAX + 1, -EFBIG, "/p: it is larger than 1 MiB");
        check_refused_sized(text, CONF_FILE_SIZE_MAX - 2, -EINVAL, "/p:1048574: " MALFORMED);
        text[CONF_FILE_SIZE_MAX] = '\0';
        check_told(text, "/k=1@1048574\n");
}

static void test_each_control_character_is_refused(void **state)
{
        for (int c = 0; c < 256; c++) {
                char s[] = { 'a', (char) c };
                bool bad = c == 0x7f || (c < 0x20 && c != '\t');
                ConfError error = { "" };

                assert_int_equal(conf_file_check_characters(s, 1, &error), 0);
                assert_int_equal(conf_file_check_characters(s, 2, &error), bad ? -EINVAL : 0);
                assert_int_equal(*error.text != '\0', bad);
        }
}

/* Files. */

static char directory[] = "/tmp/test-conf-file-XXXXXX";

/* The tests stand in their own directory. */
static int set_up(void **state)
{
        return mkdtemp(directory) && chmod(directory, 0755) == 0 && chdir(directory) == 0 ? 0 : -1;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
        return remove(path);
}

static int tear_down(void **state)
{
        buf_done(&told);
        return chdir("/") == 0 && nftw(directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS) == 0 ? 0 : -1;
}

static void put_file(const char *name, mode_t mode, const void *p, size_t n)
{
        _cleanup_close_ int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

        assert_return_code(fd, errno);
        assert_int_equal(write(fd, p, n), n);
        assert_int_equal(fchmod(fd, mode), 0);
}

static void check_unreadable(const char *path, int expected, const char *message)
{
        _cleanup_buf_ Buf text = BUF_INIT_SECRET(CONF_FILE_SIZE_MAX);
        ConfError error = { "" };
        mode_t mode = 1;

        assert_int_equal(conf_file_read(path, &text, &mode, &error), expected);
        assert_string_equal(error.text, message);
        assert_int_equal(mode, 1);
}

static void test_a_file_comes_with_its_mode(void **state)
{
        _cleanup_buf_ Buf text = BUF_INIT(CONF_FILE_SIZE_MAX);
        ConfError error = { "" };
        mode_t mode;

        put_file("f", 0640, "k=1\0x", 5);
        assert_int_equal(symlink("f", "link"), 0);
        assert_int_equal(buf_append_str(&text, "before"), 0);
        assert_int_equal(conf_file_read("link", &text, &mode, &error), 0);
        assert_int_equal(mode, S_IFREG | 0640); /* not the link's */
        assert_int_equal(text.size, 11);
        assert_memory_equal(text.data, "beforek=1\0x", 11);
        assert_int_equal(conf_file_read("/dev/null", &text, &mode, &error), 0);
        assert_int_equal(text.size, 11);
        assert_true(S_ISCHR(mode));
        assert_string_equal(error.text, "");
}

static void test_files_that_cannot_be_read_are_named(void **state)
{
        bool root = geteuid() == 0;

        assert_int_equal(mkdir("d", 0700), 0);
        assert_int_equal(mkfifo("fifo", 0600), 0);
        put_file("large", 0600, "", 0);
        assert_int_equal(truncate("large", CONF_FILE_SIZE_MAX + 1), 0);
        check_unreadable("none", -ENOENT, "none: cannot open it: No such file or directory");
        check_unreadable("d", -EISDIR, "d: it is a directory, not a file");
        check_unreadable("fifo", -EINVAL, "fifo: it is not a regular file");
        check_unreadable("large", -EFBIG, "large: it is larger than 1 MiB");
        put_file("locked", root ? 0600 : 0, "", 0);
        if (root && seteuid(NOBODY) < 0)
                skip();
        check_unreadable("locked", -EACCES, "locked: cannot open it: Permission denied");
        assert_int_equal(root ? seteuid(0) : 0, 0);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_values_come_with_their_place),
                cmocka_unit_test(test_what_is_wrong_has_its_line),
                cmocka_unit_test(test_an_error_of_the_handler_ends_the_reading),
                cmocka_unit_test(test_a_text_may_end_anywhere),
                cmocka_unit_test(test_names_of_sections_are_whole),
                cmocka_unit_test(test_names_and_values_are_whole_or_refused),
                cmocka_unit_test(test_a_text_has_a_maximum),
                cmocka_unit_test(test_each_control_character_is_refused),
                cmocka_unit_test(test_a_file_comes_with_its_mode),
                cmocka_unit_test(test_files_that_cannot_be_read_are_named),
        };

        return cmocka_run_group_tests(tests, set_up, tear_down);
}
