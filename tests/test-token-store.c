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

static Token *make_token(const char *host, const char *value, usec_t received)
{
        usec_t issued = 1795461567 * USEC_PER_SEC + 1;
        Token *t;

        assert_return_code(token_new(host, value, issued, issued + 12 * USEC_PER_HOUR, received, &t), 0);
        return t;
}

static int setup(void **state)
{
        notify_result = 1;
        boottime = USEC_PER_HOUR;
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

/* Stores one token, some time after whatever was stored before. */
static void save(TokenStore *s, const char *value)
{
        _cleanup_(token_unrefp) Token *t = make_token(HOST, value, boottime);

        assert_return_code(token_store_save(s, &(StoredToken){ .token = t, .origin = origin }, 1), 0);
        boottime += USEC_PER_SEC;
}

static void assert_has(const TokenStore *s, const char *value)
{
        assert_int_equal(s->n, 1);
        assert_string_equal(s->items[0].token->value, value);
}

static void assert_same(const StoredToken *a, const StoredToken *b)
{
        assert_string_equal(a->token->host, b->token->host);
        assert_string_equal(a->token->value, b->token->value);
        assert_int_equal(a->token->issued, b->token->issued);
        assert_int_equal(a->token->expires, b->token->expires);
        assert_int_equal(a->token->received_boottime, b->token->received_boottime);
        assert_string_equal(a->origin.endpoint, b->origin.endpoint);
        assert_string_equal(a->origin.keys, b->origin.keys);
        assert_int_equal(a->session_end, b->session_end);
        assert_int_equal(a->bound, b->bound);
}

static void test_tokens_come_back_as_they_were(void **state)
{
        StoredToken items[] = {
                { make_token(HOST, "QVdTOmh1c2g=", 17), origin, .session_end = USEC_PER_DAY + 1 },
                { make_token("public.ecr.aws", "QVdTOm9uZQ==", 0), { "e", "" } }, /* whose keys failed */
                { make_token("localhost:5000", "QVdTOnR3bw==", USEC_PER_HOUR), { "f", "k" }, 3, true },
        };
        TokenStore s = { 0 };

        restart(&s);
        assert_int_equal(s.n, 0);
        assert_return_code(token_store_save(&s, items, ELEMENTSOF(items)), 0);
        assert_int_equal(n_kept, 1); /* all in one */
        for (unsigned i = 0; i < 3; i++) {
                restart(&s);
                assert_int_equal(s.stored, boottime);
                assert_int_equal(s.n, ELEMENTSOF(items));
                for (size_t k = 0; k < ELEMENTSOF(items); k++)
                        assert_same(&s.items[k], &items[k]);
        }
        token_store_done(&s);
        assert_int_equal(s.n, 0);
        for (size_t k = 0; k < ELEMENTSOF(items); k++)
                token_unref(items[k].token);
}

static void test_as_many_as_there_may_be_come_back(void **state)
{
        StoredToken items[TOKEN_STORE_TOKENS_MAX + 1];
        char value[4096 + 1];
        TokenStore s = { 0 };

        memset(value, 'Q', sizeof(value) - 1); /* a long one: base64 of A, of ":" in it, and so on */
        memcpy(value, "QVdTOmh1", 8);
        value[sizeof(value) - 1] = '\0';
        for (size_t i = 0; i < ELEMENTSOF(items); i++)
                items[i] = (StoredToken){ .token = make_token(HOST, value, i), .origin = origin };
        assert_return_code(token_store_save(&s, items, TOKEN_STORE_TOKENS_MAX), 0);
        restart(&s);
        assert_int_equal(s.n, TOKEN_STORE_TOKENS_MAX);
        assert_same(&s.items[TOKEN_STORE_TOKENS_MAX - 1], &items[TOKEN_STORE_TOKENS_MAX - 1]);
        token_store_done(&s);

        s = (TokenStore){ 0 };
        assert_return_code(token_store_save(&s, items, ELEMENTSOF(items)), 0);
        assert_int_equal(token_store_take(&s, kept[0].name, kept[0].fd), -EBADMSG);
        assert_int_equal(s.n, 0);
        for (size_t i = 0; i < ELEMENTSOF(items); i++)
                token_unref(items[i].token);
}

static void test_what_is_kept_is_what_was_stored_last(void **state)
{
        TokenStore s = { 0 };

        save(&s, "QVdTOm9uZQ==");
        assert_string_equal(kept[0].name, TOKEN_STORE_NAME "1");
        save(&s, "QVdTOnR3bw==");
        assert_int_equal(n_kept, 1);
        assert_string_equal(kept[0].name, TOKEN_STORE_NAME "0");
        restart(&s);
        assert_has(&s, "QVdTOnR3bw==");
        assert_int_equal(s.slot, 0);
        save(&s, "QVdTOnRocmVl");
        assert_int_equal(n_kept, 1);
        restart(&s);
        assert_has(&s, "QVdTOnRocmVl");
        assert_int_equal(s.slot, 1);
        token_store_done(&s);
}

/* The old one was not forgotten yet, in whichever order the two come back. */
static void test_a_crash_between_leaves_both_and_the_newer_is_taken(void **state)
{
        for (unsigned order = 0; order < 2; order++) {
                TokenStore s = { 0 }, before = { 0 };

                save(&s, "QVdTOm9uZQ==");
                before = s;
                (void) snprintf(kept[0].name, sizeof(kept[0].name), "aside");
                save(&s, "QVdTOnR3bw==");
                (void) snprintf(kept[0].name, sizeof(kept[0].name), TOKEN_STORE_NAME "%u", before.slot);
                assert_int_equal(n_kept, 2);
                if (order == 1) {
                        __typeof__(kept[0]) first = kept[0];

                        kept[0] = kept[1];
                        kept[1] = first;
                }
                restart(&s);
                assert_has(&s, "QVdTOnR3bw==");
                save(&s, "QVdTOnRocmVl");
                assert_int_equal(n_kept, 1);
                restart(&s);
                assert_has(&s, "QVdTOnRocmVl");
                token_store_done(&s);
                forget(kept[0].name);
        }
}

/* What the manager has stays until what is new is there. */
static void test_a_save_that_fails_leaves_what_was_stored(void **state)
{
        TokenStore s = { 0 };

        save(&s, "QVdTOm9uZQ==");
        for (unsigned i = 0; i < 2; i++) {
                _cleanup_(token_unrefp) Token *t = make_token(HOST, "QVdTOnR3bw==", 1);

                notify_result = -ENOBUFS;
                assert_int_equal(token_store_save(&s, &(StoredToken){ .token = t, .origin = origin }, 1),
                                 -ENOBUFS);
                notify_result = 1;
                restart(&s);
                assert_has(&s, "QVdTOm9uZQ==");
        }
        save(&s, "QVdTOnRocmVl");
        assert_int_equal(n_kept, 1);
        restart(&s);
        assert_has(&s, "QVdTOnRocmVl");
        token_store_done(&s);
}

static void test_what_is_stored_can_no_longer_change(void **state)
{
        TokenStore s = { 0 };

        save(&s, "QVdTOm9uZQ==");
        assert_int_equal(pwrite(kept[0].fd, "x", 1, 0), -1);
        assert_int_equal(ftruncate(kept[0].fd, 1), -1);
        token_store_done(&s);
}

#define STORED(tokens) "{\"stored\":1,\"tokens\":[" tokens "]}"
#define TOKEN(value, issued, expires, received, more)                                        \
        "{\"host\":\"h\",\"value\":\"" value "\",\"issued\":" issued ",\"expires\":" expires \
        ",\"received\":" received ",\"endpoint\":\"e\",\"session\":0" more "}"
#define GOOD TOKEN("QVdTOm9uZQ==", "1", "2", "1", ",\"keys\":\"k\",\"bound\":0")

static int take(TokenStore *s, const char *text)
{
        _cleanup_close_ int fd = make_memfd(text);

        return token_store_take(s, TOKEN_STORE_NAME "1", fd);
}

static void test_what_does_not_fit_is_refused_and_nothing_lost(void **state)
{
        static const char *const bad[] = {
                "",
                "{}",
                "[]",
                "{\"stored\":1}",
                "{\"stored\":1,\"tokens\":{}}",
                "{\"tokens\":[" GOOD "]}",
                "{\"stored\":\"1\",\"tokens\":[" GOOD "]}",
                "{\"stored\":-1,\"tokens\":[" GOOD "]}",
                STORED(""),
                STORED("1"),
                STORED(GOOD ",{}"),
                STORED(GOOD "," TOKEN("QVdTOm9uZQ==", "1", "2", "1", ",\"bound\":0")),
                STORED(TOKEN("QVdTOm9uZQ==", "1", "2", "1", ",\"keys\":\"k\"")),
                STORED(TOKEN("QVdTOm9uZQ==", "1", "2", "1", ",\"keys\":\"01234567890123456\",\"bound\":0")),
                STORED(TOKEN("QVdTOm9uZQ==", "1", "2", "-1", ",\"keys\":\"k\",\"bound\":0")),
                STORED(TOKEN("QVdTOm9uZQ==", "1", "2", "2",
                             ",\"keys\":\"k\",\"bound\":0")), /* after it was stored */
                STORED(TOKEN("QVdTOm9uZQ==", "1", "1e30", "1", ",\"keys\":\"k\",\"bound\":0")),
                STORED(TOKEN("*", "1", "2", "1", ",\"keys\":\"k\",\"bound\":0")),
                STORED(TOKEN("QVdTOm9uZQ==", "2", "2", "1", ",\"keys\":\"k\",\"bound\":0")),
        };
        TokenStore s = { 0 };

        assert_int_equal(take(&s, STORED(GOOD)), 0); /* each of those lacks but one thing */
        token_store_done(&s);
        save(&s, "QVdTOm9uZQ==");
        restart(&s);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(take(&s, bad[i]), -EBADMSG);
        assert_int_equal(token_store_take(&s, TOKEN_STORE_NAME "1", -1), -EBADF);
        assert_has(&s, "QVdTOm9uZQ==");
        token_store_done(&s);
}

static void test_what_is_too_large_is_refused(void **state)
{
        _cleanup_close_ int fd = memfd_create("test", MFD_CLOEXEC);
        TokenStore s = { 0 };

        assert_return_code(ftruncate(fd, STORED_MAX + 1), errno);
        assert_int_equal(token_store_take(&s, TOKEN_STORE_NAME "1", fd), -EMSGSIZE);
        assert_int_equal(s.n, 0);
}

/* CLOCK_BOOTTIME began anew: how old the tokens are is not known. */
static void test_tokens_of_another_boot_are_refused(void **state)
{
        TokenStore s = { 0 };

        save(&s, "QVdTOm9uZQ==");
        boottime = USEC_PER_MINUTE;
        assert_int_equal(token_store_take(&s, kept[0].name, kept[0].fd), -ERANGE);
        assert_int_equal(s.n, 0);
}

static void test_without_a_service_manager_nothing_is_stored(void **state)
{
        _cleanup_(token_unrefp) Token *t = make_token(HOST, "QVdTOmh1c2g=", 1);
        const StoredToken item = { .token = t, .origin = origin };
        TokenStore s = { 0 };

        notify_result = 0;
        assert_int_equal(token_store_save(&s, &item, 1), 0);
        notify_result = -ECONNREFUSED;
        assert_int_equal(token_store_save(&s, &item, 1), -ECONNREFUSED);
        assert_int_equal(n_kept, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_tokens_come_back_as_they_were),
                TEST(test_as_many_as_there_may_be_come_back),
                TEST(test_what_is_kept_is_what_was_stored_last),
                TEST(test_a_crash_between_leaves_both_and_the_newer_is_taken),
                TEST(test_a_save_that_fails_leaves_what_was_stored),
                TEST(test_what_is_stored_can_no_longer_change),
                TEST(test_what_does_not_fit_is_refused_and_nothing_lost),
                TEST(test_what_is_too_large_is_refused),
                TEST(test_tokens_of_another_boot_are_refused),
                TEST(test_without_a_service_manager_nothing_is_stored),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
