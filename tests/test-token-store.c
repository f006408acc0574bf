/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "clock.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>

/* --- the service manager is the test's --------------------------------------------------------------- */

#define STORED_MAX_FDS 8U

static struct {
        char name[32];
        int fd;
} kept[STORED_MAX_FDS];
static size_t n_kept;
static int notify_result;
static usec_t boottime = USEC_PER_HOUR;

static void forget(const char *name)
{
        for (size_t i = 0; i < n_kept;)
                if (streq(kept[i].name, name)) {
                        (void) close_fd(kept[i].fd);
                        kept[i] = kept[--n_kept];
                } else
                        i++;
}

/* As service_notify_message() of systemd does it. */
static int test_notify(pid_t pid, int unset, const char *state, const int *fds, unsigned n_fds)
{
        const char *name = strstr(state, "\nFDNAME=");

        if (notify_result <= 0)
                return notify_result;
        if (!name || strchr(name + 1, '\n'))
                return -EINVAL;
        name += strlen("\nFDNAME=");
        if (startswith(state, "FDSTOREREMOVE=1\n"))
                forget(name);
        else if (startswith(state, "FDSTORE=1\n") && n_fds == 1 && n_kept < STORED_MAX_FDS) {
                (void) snprintf(kept[n_kept].name, sizeof(kept[n_kept].name), "%s", name);
                kept[n_kept++].fd = dup(fds[0]);
        } else
                return -EINVAL;
        return 1;
}

static usec_t test_boottime(void)
{
        return boottime;
}

#define sd_pid_notify_with_fds test_notify
#define clock_boottime test_boottime
#include "token-store.c"
#undef sd_pid_notify_with_fds
#undef clock_boottime

#include <cmocka.h>

#define HOST "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
static const TokenOrigin origin = { "0123456789abcdef", "fedcba9876543210" };

static Token *make_token(const char *value, usec_t received)
{
        usec_t issued = 1795461567 * USEC_PER_SEC + 1;
        Token *t;

        assert_return_code(token_new(HOST, value, issued, issued + 12 * USEC_PER_HOUR, received, &t), 0);
        return t;
}

static int setup(void **state)
{
        notify_result = 1;
        return 0;
}

static int teardown(void **state)
{
        while (n_kept > 0)
                forget(kept[0].name);
        return 0;
}

/* What the next run has of it. */
static void restart(TokenStore *s)
{
        token_store_done(s);
        *s = (TokenStore){ 0 };
        for (size_t i = 0; i < n_kept; i++)
                assert_return_code(token_store_take(s, kept[i].name, kept[i].fd), 0);
}

static void save(TokenStore *s, const char *value, usec_t received)
{
        _cleanup_(token_unrefp) Token *t = make_token(value, received);

        assert_return_code(token_store_save(s, t, &origin), 0);
}

static void test_a_token_comes_back_as_it_was(void **state)
{
        _cleanup_(token_unrefp) Token *t = make_token("QVdTOmh1c2g=", 17);
        TokenStore s = { 0 };

        restart(&s);
        assert_null(s.token);
        assert_return_code(token_store_save(&s, t, &origin), 0);
        for (unsigned i = 0; i < 3; i++) {
                restart(&s);
                assert_string_equal(s.token->host, t->host);
                assert_string_equal(s.token->value, t->value);
                assert_int_equal(s.token->issued, t->issued);
                assert_int_equal(s.token->expires, t->expires);
                assert_int_equal(s.token->received_boottime, 17);
                assert_string_equal(s.origin.endpoint, origin.endpoint);
                assert_string_equal(s.origin.keys, origin.keys);
        }
        token_store_done(&s);
}

static void test_one_is_kept_and_it_is_the_last(void **state)
{
        TokenStore s = { 0 };

        save(&s, "QVdTOm9uZQ==", 1);
        save(&s, "QVdTOnR3bw==", 2);
        assert_int_equal(n_kept, 1);
        restart(&s);
        assert_string_equal(s.token->value, "QVdTOnR3bw==");
        save(&s, "QVdTOnRocmVl", 3);
        assert_int_equal(n_kept, 1);
        restart(&s);
        assert_string_equal(s.token->value, "QVdTOnRocmVl");
        token_store_done(&s);
}

/* The old one was not forgotten yet, in whichever order the two come back. */
static void test_a_crash_between_leaves_both_and_the_newer_is_taken(void **state)
{
        for (unsigned order = 0; order < 2; order++) {
                TokenStore s = { 0 }, before = { 0 };

                save(&s, "QVdTOm9uZQ==", 1);
                before = s;
                (void) snprintf(kept[0].name, sizeof(kept[0].name), "aside");
                save(&s, "QVdTOnR3bw==", 2);
                (void) snprintf(kept[0].name, sizeof(kept[0].name), TOKEN_STORE_NAME "%u", before.slot);
                assert_int_equal(n_kept, 2);
                if (order == 1) {
                        __typeof__(kept[0]) first = kept[0];

                        kept[0] = kept[1];
                        kept[1] = first;
                }
                restart(&s);
                assert_string_equal(s.token->value, "QVdTOnR3bw==");
                save(&s, "QVdTOnRocmVl", 3);
                assert_int_equal(n_kept, 1);
                restart(&s);
                assert_string_equal(s.token->value, "QVdTOnRocmVl");
                token_store_done(&s);
                forget(kept[0].name);
        }
}

static void test_what_is_stored_can_no_longer_change(void **state)
{
        TokenStore s = { 0 };

        save(&s, "QVdTOm9uZQ==", 1);
        assert_int_equal(pwrite(kept[0].fd, "x", 1, 0), -1);
        assert_int_equal(ftruncate(kept[0].fd, 1), -1);
        token_store_done(&s);
}

static void test_what_does_not_fit_is_refused_and_nothing_lost(void **state)
{
        static const char *const bad[] = {
                "",
                "{}",
                "[]",
                "{\"host\":\"h\",\"value\":\"QVdTOm9uZQ==\",\"issued\":1,\"expires\":2,\"received\":1,"
                "\"endpoint\":\"e\"}",
                "{\"host\":\"h\",\"value\":\"QVdTOm9uZQ==\",\"issued\":1,\"expires\":2,\"received\":1,"
                "\"endpoint\":\"e\","
                "\"keys\":\"01234567890123456789\"}",
                "{\"host\":\"h\",\"value\":\"QVdTOm9uZQ==\",\"issued\":1,\"expires\":2,\"received\":-1,"
                "\"endpoint\":\"e\","
                "\"keys\":\"k\"}",
                "{\"host\":\"h\",\"value\":\"QVdTOm9uZQ==\",\"issued\":1,\"expires\":1e30,\"received\":1,"
                "\"endpoint\":\"e\","
                "\"keys\":\"k\"}",
                "{\"host\":\"h\",\"value\":\"*\",\"issued\":1,\"expires\":2,\"received\":1,\"endpoint\":"
                "\"e\",\"keys\":\"k\"}",
                "{\"host\":\"h\",\"value\":\"QVdTOm9uZQ==\",\"issued\":2,\"expires\":2,\"received\":1,"
                "\"endpoint\":\"e\","
                "\"keys\":\"k\"}",
        };
        TokenStore s = { 0 };

        save(&s, "QVdTOm9uZQ==", 1);
        restart(&s);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                _cleanup_close_ int fd = make_memfd(bad[i]);

                assert_int_equal(token_store_take(&s, TOKEN_STORE_NAME "1", fd), -EBADMSG);
        }
        assert_int_equal(token_store_take(&s, TOKEN_STORE_NAME "1", -1), -EBADF);
        assert_string_equal(s.token->value, "QVdTOm9uZQ==");
        token_store_done(&s);
}

/* CLOCK_BOOTTIME began anew: how old the token is is not known. */
static void test_a_token_of_another_boot_is_refused(void **state)
{
        TokenStore s = { 0 };

        save(&s, "QVdTOm9uZQ==", USEC_PER_HOUR);
        boottime = USEC_PER_MINUTE;
        assert_int_equal(token_store_take(&s, kept[0].name, kept[0].fd), -ERANGE);
        assert_null(s.token);
        boottime = USEC_PER_HOUR;
}

static void test_without_a_service_manager_nothing_is_stored(void **state)
{
        _cleanup_(token_unrefp) Token *t = make_token("QVdTOmh1c2g=", 1);
        TokenStore s = { 0 };

        notify_result = 0;
        assert_int_equal(token_store_save(&s, t, &origin), 0);
        notify_result = -ECONNREFUSED;
        assert_int_equal(token_store_save(&s, t, &origin), -ECONNREFUSED);
        assert_int_equal(n_kept, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_a_token_comes_back_as_it_was),
                TEST(test_one_is_kept_and_it_is_the_last),
                TEST(test_a_crash_between_leaves_both_and_the_newer_is_taken),
                TEST(test_what_is_stored_can_no_longer_change),
                TEST(test_what_does_not_fit_is_refused_and_nothing_lost),
                TEST(test_a_token_of_another_boot_is_refused),
                TEST(test_without_a_service_manager_nothing_is_stored),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
