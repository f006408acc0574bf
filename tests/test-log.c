/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "log.h"

#include <errno.h>
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include <cmocka.h>

/* --- both targets, caught ------------------------------------------------------------------------------ */

static char journal[8192];
static FILE *file;
static int saved_stderr;

/* In place of libsystemd's: the fields of the last message, a line each. */
int sd_journal_sendv(const struct iovec *iov, int n)
{
        journal[0] = '\0';
        for (int i = 0; i < n; i++) {
                strncat(journal, iov[i].iov_base, iov[i].iov_len);
                strcat(journal, "\n");
        }
        errno = ENOTCONN;
        return -ENOTCONN;
}

static void catch_stderr(void)
{
        journal[0] = '\0';
        saved_stderr = dup(STDERR_FILENO);
        file = tmpfile();
        assert_true(file && saved_stderr >= 0 && dup2(fileno(file), STDERR_FILENO) >= 0);
}

/* What was written since; good until the next call. */
static const char *release_stderr(void)
{
        static char text[8192];
        size_t n;

        assert_true(dup2(saved_stderr, STDERR_FILENO) >= 0);
        (void) close_fd(saved_stderr);
        rewind(file);
        n = fread(text, 1, sizeof(text) - 1, file);
        text[n] = '\0';
        assert_int_equal(strlen(text), n);
        (void) fclose(file);
        return text;
}

static void check_matches(const char *text, const char *pattern)
{
        regex_t regex;

        assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
        if (regexec(&regex, text, 0, NULL, 0) != 0)
                fail_msg("\"%s\" does not match %s", text, pattern);
        regfree(&regex);
}

/* --- lines on stderr ----------------------------------------------------------------------------------- */

static void test_before_log_open_info_goes_to_stderr(void **state)
{
        catch_stderr();
        log_info("hello");
        log_debug("not this");
        assert_string_equal(release_stderr(), "eatr: hello\n");
        assert_int_equal(log_verbosity(), 0);
}

static void test_levels_that_each_verbosity_shows(void **state)
{
        for (int verbosity = LOG_VERBOSITY_ERRORS; verbosity <= 10; verbosity++)
                for (int level = LOG_EMERG; level <= LOG_DEBUG; level++) {
                        catch_stderr();
                        log_open(verbosity);
                        log_full(level, "a.c", 0, NULL, "x");
                        if ((*release_stderr() != '\0') !=
                            (verbosity >= LOG_VERBOSITY_DEBUG || level <= (verbosity < 0 ? LOG_ERR : LOG_INFO)))
                                fail_msg("verbosity %d, level %d", verbosity, level);
                        assert_int_equal(log_verbosity(), verbosity);
                }
}

static void test_plain_lines_name_only_trouble(void **state)
{
        catch_stderr();
        log_open(0);
        log_error("broken");
        log_warning("odd");
        log_notice("noted");
        log_info("done %d%%", 100);
        assert_string_equal(release_stderr(),
                            "eatr: error: broken\neatr: warning: odd\neatr: noted\neatr: done 100%\n");
}

static void test_when_debugging_the_tag_is_the_stem_of_the_file(void **state)
{
        static const char *const cases[][2] = {
                { "src/kube-watch.c", "kube-watch" },
                { "kube-watch.c", "kube-watch" },
                { "/build/a.b/../src/aws-ecr.c", "aws-ecr" },
                { "/a.b/main", "main" },
                { "a.b.c", "a.b" },
        };
        char pattern[128];

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                catch_stderr();
                log_open(LOG_VERBOSITY_DEBUG);
                log_full(LOG_ERR, cases[i][0], 0, NULL, "text");
                (void) snprintf(pattern, sizeof(pattern),
                                "^[0-2][0-9]:[0-5][0-9]:[0-6][0-9][.][0-9]{3} %s: error: text\n$",
                                cases[i][1]);
                check_matches(release_stderr(), pattern);
        }
        catch_stderr();
        log_debug("where");
        check_matches(release_stderr(), " test-log: where\n$");
}

static void test_m_stands_for_the_error_given(void **state)
{
        static const struct {
                int error;
                const char *expected;
        } cases[] = {
                { -ENOENT, "eatr: error: f: No such file or directory\n" },
                { ENOENT, "eatr: error: f: No such file or directory\n" },
                { -EACCES, "eatr: error: f: Permission denied\n" },
                { 0, "eatr: error: f: Success\n" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                catch_stderr();
                log_open(0);
                errno = EBADF;
                assert_int_equal(log_error_errno(cases[i].error, "%s: %m", "f"), cases[i].error);
                assert_int_equal(errno, EBADF);
                assert_string_equal(release_stderr(), cases[i].expected);
        }
}

static void test_errno_macros_evaluate_once_and_return_the_error(void **state)
{
        int error = -ENOENT;

        catch_stderr();
        log_open(0);
        assert_int_equal(log_warning_errno(error--, "one"), -ENOENT);
        assert_int_equal(log_debug_errno(error--, "none"), -ENOENT - 1);
        assert_string_equal(release_stderr(), "eatr: warning: one\n");
        assert_int_equal(error, -ENOENT - 2);
}

static void test_control_characters_of_a_peer_become_blanks(void **state)
{
        static const char *const cases[][2] = {
                { "two\nlines\r\n", "two lines  " },
                { "\x1b[31mred\x1b[0m", " [31mred [0m" },
                { "tab\tbell\a\x01\x1f\x7f.", "tab bell    ." },
                { "c1 \302\23331m\xc2\x85\xc2\x80\xc2\x9f.", "c1   31m      ." },
                { "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\xc2\xa0",
                  "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\xc2\xa0" },
                { "cut \xc2", "cut \xc2" },
                { "%s%n", "%s%n" },
        };
        char expected[128];

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                catch_stderr();
                log_open(0);
                log_info("%s", cases[i][0]);
                (void) snprintf(expected, sizeof(expected), "eatr: %s\n", cases[i][1]);
                assert_string_equal(release_stderr(), expected);
        }
}

static void test_a_long_message_is_cut_and_stays_one_line(void **state)
{
        char large[5000];
        const char *text;

        memset(large, 'x', sizeof(large));
        large[sizeof(large) - 1] = '\0';
        catch_stderr();
        log_open(0);
        log_info("%s", large);
        text = release_stderr();
        assert_in_range(strlen(text), 2000, 2100);
        assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

/* --- the journal --------------------------------------------------------------------------------------- */

/* What systemd puts into JOURNAL_STREAM when stderr is what is caught now. */
static void announce_journal(unsigned device_off, unsigned inode_off)
{
        char value[64];
        struct stat st;

        assert_int_equal(fstat(STDERR_FILENO, &st), 0);
        (void) snprintf(value, sizeof(value), "%llu:%llu", (unsigned long long) st.st_dev + device_off,
                        (unsigned long long) st.st_ino + inode_off);
        assert_int_equal(setenv("JOURNAL_STREAM", value, 1), 0);
}

static void test_stderr_that_is_not_the_journal_gets_lines(void **state)
{
        static const char *const values[] = {
                "", "x", "1", "1:", ":", "1:x", "0:0", "8:18446744073709551615"
        };

        for (size_t i = 0; i < ELEMENTSOF(values) + 3; i++) {
                catch_stderr();
                if (i < ELEMENTSOF(values))
                        assert_int_equal(setenv("JOURNAL_STREAM", values[i], 1), 0);
                else if (i < ELEMENTSOF(values) + 2)
                        announce_journal(i % 2, (i + 1) % 2);
                else
                        assert_int_equal(unsetenv("JOURNAL_STREAM"), 0);
                log_open(0);
                log_info("x");
                assert_string_equal(release_stderr(), "eatr: x\n");
                assert_string_equal(journal, "");
        }
        assert_int_equal(unsetenv("JOURNAL_STREAM"), 0);
}

static void test_journal_gets_fields_and_stderr_nothing(void **state)
{
        const LogField fields[] = { { "MESSAGE_ID", NULL }, { "EATR_NAMESPACE", "team-a" }, { NULL } };

        catch_stderr();
        announce_journal(0, 0);
        log_open(0);
        log_info("plain");
        assert_string_equal(journal,
                            "PRIORITY=6\nSYSLOG_IDENTIFIER=eatr\nEATR_MODULE=test-log\nMESSAGE=plain\n");
        errno = EBADF;
        log_full(LOG_WARNING, "src/writer.c", -EACCES, fields, "two\nlines: %m");
        assert_int_equal(errno, EBADF);
        assert_string_equal(journal, "PRIORITY=4\nSYSLOG_IDENTIFIER=eatr\nEATR_MODULE=writer\n"
                                     "MESSAGE=two lines: Permission denied\nEATR_NAMESPACE=team-a\n");
        log_event(LOG_NOTICE, "0123", "named");
        assert_string_equal(journal, "PRIORITY=5\nSYSLOG_IDENTIFIER=eatr\nEATR_MODULE=test-log\n"
                                     "MESSAGE=named\nMESSAGE_ID=0123\n");
        journal[0] = '\0';
        log_debug("not this");
        assert_string_equal(journal, "");
        assert_string_equal(release_stderr(), "");
        assert_int_equal(unsetenv("JOURNAL_STREAM"), 0);
}

static void test_journal_cuts_what_is_too_long(void **state)
{
        char large[5000];
        const LogField fields[] = { { "EATR_X", large }, { "EATR_Y", "y" }, { NULL } };

        memset(large, 'x', sizeof(large));
        large[sizeof(large) - 1] = '\0';
        catch_stderr();
        announce_journal(0, 0);
        log_open(0);
        log_full(LOG_INFO, "a.c", 0, fields, "%s", large);
        assert_string_equal(release_stderr(), "");
        assert_in_range(strlen(journal), 2000, 3000);
        check_matches(journal, "\nMESSAGE=x+\nEATR_X=x+\nEATR_Y=y\n$");
        assert_int_equal(unsetenv("JOURNAL_STREAM"), 0);
}

static void test_log_open_chooses_anew(void **state)
{
        catch_stderr();
        announce_journal(0, 0);
        log_open(LOG_VERBOSITY_HTTP);
        assert_int_equal(unsetenv("JOURNAL_STREAM"), 0);
        log_debug("one");
        log_open(0);
        log_debug("two");
        log_info("three");
        assert_string_equal(release_stderr(), "eatr: three\n");
        check_matches(journal, "\nMESSAGE=one\n$");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_before_log_open_info_goes_to_stderr),
                cmocka_unit_test(test_levels_that_each_verbosity_shows),
                cmocka_unit_test(test_plain_lines_name_only_trouble),
                cmocka_unit_test(test_when_debugging_the_tag_is_the_stem_of_the_file),
                cmocka_unit_test(test_m_stands_for_the_error_given),
                cmocka_unit_test(test_errno_macros_evaluate_once_and_return_the_error),
                cmocka_unit_test(test_control_characters_of_a_peer_become_blanks),
                cmocka_unit_test(test_a_long_message_is_cut_and_stays_one_line),
                cmocka_unit_test(test_stderr_that_is_not_the_journal_gets_lines),
                cmocka_unit_test(test_journal_gets_fields_and_stderr_nothing),
                cmocka_unit_test(test_journal_cuts_what_is_too_long),
                cmocka_unit_test(test_log_open_chooses_anew),
        };

        (void) unsetenv("JOURNAL_STREAM");
        return cmocka_run_group_tests(tests, NULL, NULL);
}
