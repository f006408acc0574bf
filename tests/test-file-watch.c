/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "clock.h"

#include <systemd/sd-event.h>

/* Stands in for the kernel where it refuses: a folder whose path ends so is no longer watched. */
static const char *refused;
static int refused_error;
static unsigned n_refused; /* that often */

static int test_add_inotify(sd_event *event, sd_event_source **ret, const char *path, uint32_t mask,
                            sd_event_inotify_handler_t callback, void *userdata)
{
        size_t n = refused ? strlen(refused) : 0, length = strlen(path);

        if (n > 0 && n_refused > 0 && length >= n && streq(path + length - n, refused)) {
                n_refused--;
                return refused_error;
        }
        return sd_event_add_inotify(event, ret, path, mask, callback, userdata);
}

#define sd_event_add_inotify test_add_inotify
#include "file-watch.c"
#undef sd_event_add_inotify

#include "folder.h"

#include <limits.h>

/* Long after anything that is waited for has come, on the busiest machine. */
#define TIMEOUT (10 * USEC_PER_SEC)

#define NOBODY 65534

typedef struct Fixture {
        sd_event *event;
        FileWatch *watch;
        unsigned n_changed;
        const char *const *next; /* to be set when a change is told */
        bool free;               /* then */
} Fixture;

static void on_changed(void *userdata)
{
        Fixture *f = userdata;

        f->n_changed++;
        if (f->next)
                assert_return_code(file_watch_set(f->watch, f->next), 0);
        if (f->free)
                f->watch = file_watch_free(f->watch);
}

/* Each test has a folder of its own. */
static int set_up(void **state)
{
        static unsigned n;
        Fixture *f = calloc(1, sizeof(*f));
        char name[16];

        assert_non_null(f);
        (void) snprintf(name, sizeof(name), "%u", n++);
        assert_return_code(mkdir(name, 0755), errno);
        assert_return_code(chdir(name), errno);
        refused = NULL;
        n_refused = UINT32_MAX;
        assert_return_code(sd_event_new(&f->event), 0);
        assert_return_code(file_watch_new(f->event, on_changed, f, &f->watch), 0);
        f->watch->settle = 2 * FINGERPRINT_TICK;
        *state = f;
        return 0;
}

static int tear_down(void **state)
{
        Fixture *f = *state;

        (void) file_watch_free(f->watch);
        (void) sd_event_unref(f->event);
        free(f);
        return chdir(folder);
}

#define until(f, condition)                                                                   \
        do {                                                                                  \
                usec_t _end = clock_boottime() + TIMEOUT;                                     \
                while (!(condition)) {                                                        \
                        if (clock_boottime() > _end)                                          \
                                fail_msg("in vain: %s", #condition);                          \
                        assert_return_code(sd_event_run((f)->event, 100 * USEC_PER_MSEC), 0); \
                }                                                                             \
        } while (0)

/* Turns the loop until nothing waits: the kernel queues an event before the call that caused it returns. */
static void rest(Fixture *f)
{
        usec_t end = clock_boottime() + TIMEOUT;
        int r;

        do {
                assert_true(clock_boottime() < end);
                r = sd_event_run(f->event, f->watch && f->watch->first > 0 ? 100 * USEC_PER_MSEC : 0);
                assert_return_code(r, 0);
        } while (r > 0 || (f->watch && f->watch->first > 0));
}

static bool is_sure(const FileWatch *w)
{
        for (size_t i = 0; i < w->n_files; i++)
                if (w->files[i].fingerprint.unsure)
                        return false;
        return true;
}

/* Watches files that have not been changed just now. */
static void watch(Fixture *f, const char *const *paths)
{
        usec_t end = clock_boottime() + TIMEOUT;

        do {
                assert_true(clock_boottime() < end);
                assert_return_code(file_watch_set(f->watch, paths), 0);
        } while (!is_sure(f->watch));
        f->n_changed = 0;
}
#define WATCH(f, ...) watch(f, (const char *const[]){ __VA_ARGS__, NULL })

/* Whatever has been done since the last time is told so often. */
static void expect_at(Fixture *f, unsigned n, int line)
{
        until(f, f->n_changed >= n);
        rest(f);
        if (f->n_changed != n)
                fail_msg("line %d: told %u times instead of %u", line, f->n_changed, n);
        f->n_changed = 0;
}
#define expect(f, n) expect_at(f, n, __LINE__)

static void append(const char *name, const char *text)
{
        _cleanup_close_ int fd = open(name, O_WRONLY | O_APPEND | O_CLOEXEC);

        assert_return_code(fd, errno);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void make_folder(const char *name)
{
        assert_return_code(mkdir(name, 0755), errno);
}

/* As ln -sfn, by way of a rename. */
static void point(const char *name, const char *target)
{
        assert_return_code(symlink(target, "new-link"), errno);
        assert_return_code(rename("new-link", name), errno);
}

/* --- what is a change ---------------------------------------------------------------------------------- */

static void test_a_file_in_its_place(void **state)
{
        Fixture *f = *state;

        folder_put("file", "one");
        WATCH(f, "file");
        expect(f, 0);
        folder_put("file", "two");
        expect(f, 1);
        append("file", "!");
        expect(f, 1);
        assert_return_code(truncate("file", 1), errno);
        expect(f, 1);
        assert_return_code(chmod("file", 0644), errno);
        expect(f, 1);
        folder_put("new", "t");
        assert_return_code(rename("new", "file"), errno);
        expect(f, 1);
        append("file", "?"); /* the new one is watched, too */
        expect(f, 1);
}

static void test_a_file_that_goes_and_comes(void **state)
{
        Fixture *f = *state;

        folder_put("file", "one");
        WATCH(f, "file");
        assert_return_code(unlink("file"), errno);
        expect(f, 1);
        folder_put("file", "one");
        expect(f, 1);
        assert_return_code(rename("file", "away"), errno);
        expect(f, 1);
        assert_return_code(rename("away", "file"), errno);
        expect(f, 1);
        /* As editors do: at the settle time there is one. */
        assert_return_code(unlink("file"), errno);
        folder_put("file", "one");
        expect(f, 1);
        /* It came and went: nothing has changed. */
        assert_return_code(unlink("file"), errno);
        expect(f, 1);
        folder_put("file", "one");
        assert_return_code(unlink("file"), errno);
        expect(f, 0);
}

static void test_what_is_no_change(void **state)
{
        Fixture *f = *state;
        char buffer[8];
        struct stat st;
        int fd;

        make_folder("conf.d");
        folder_put("file", "one");
        folder_put("other", "one");
        WATCH(f, "file", "conf.d", "missing");
        fd = open("file", O_RDWR | O_CLOEXEC);
        assert_int_equal(read(fd, buffer, sizeof(buffer)), 3);
        (void) close(fd); /* which inotify tells as a close after writing */
        assert_return_code(stat("file", &st), errno);
        folder_put("other", "two");
        folder_put(".file.swp", "two");
        folder_put("file~", "two");
        folder_put("missing2", "two");
        assert_return_code(unlink("other"), errno);
        make_folder("folder");
        folder_put("folder/file", "two");
        folder_put("conf.d/came", "and");
        assert_return_code(unlink("conf.d/came"), errno);
        expect(f, 0);
        assert_true(sd_event_source_get_enabled(f->watch->timer, NULL) == 0);
}

/* One that is written twice within a tick of the kernel's clock looks the same. */
static void test_a_file_that_has_just_been_written(void **state)
{
        Fixture *f = *state;
        const char *const paths[] = { "file", NULL };
        usec_t end = clock_boottime() + TIMEOUT;

        do {
                assert_true(clock_boottime() < end);
                folder_put("file", "one");
                assert_return_code(file_watch_set(f->watch, paths), 0);
        } while (is_sure(f->watch));
        (void) close(open("file", O_WRONLY | O_CLOEXEC));
        expect(f, 1);
        (void) close(open("file", O_WRONLY | O_CLOEXEC));
        expect(f, 0);
}

static void test_a_folder(void **state)
{
        Fixture *f = *state;

        WATCH(f, "conf.d/");
        make_folder("conf.d");
        expect(f, 1);
        folder_put("conf.d/a", "one");
        expect(f, 1);
        folder_put("conf.d/b", "one");
        expect(f, 1);
        append("conf.d/a", "!");
        expect(f, 1);
        assert_return_code(rename("conf.d/a", "conf.d/c"), errno);
        expect(f, 1);
        assert_return_code(unlink("conf.d/c"), errno);
        expect(f, 1);
        assert_return_code(chmod("conf.d", 0700), errno);
        expect(f, 1);
        make_folder("new.d");
        folder_put("new.d/b", "two");
        assert_return_code(rename("conf.d", "old.d"), errno);
        assert_return_code(rename("new.d", "conf.d"), errno);
        expect(f, 1);
        append("old.d/b", "!");
        expect(f, 0);
        append("conf.d/b", "!");
        expect(f, 1);
}

/* --- how one comes to a file --------------------------------------------------------------------------- */

static void test_symbolic_links(void **state)
{
        Fixture *f = *state;
        char absolute[PATH_MAX], target[PATH_MAX + 32];

        assert_non_null(getcwd(absolute, sizeof(absolute)));
        (void) snprintf(target, sizeof(target), "%s/root/.aws/credentials", absolute);
        make_folder("etc");
        make_folder("root");
        make_folder("root/.aws");
        make_folder("more");
        folder_put("root/.aws/credentials", "one");
        folder_put("more/credentials", "one");
        point("link", target);
        point("etc/credentials", "../link");
        WATCH(f, "etc/credentials");
        append("root/.aws/credentials", "!");
        expect(f, 1);
        folder_put("root/.aws/other", "one");
        expect(f, 0);
        folder_put("root/.aws/new", "two");
        assert_return_code(rename("root/.aws/new", "root/.aws/credentials"), errno);
        expect(f, 1);
        point("link", "more/credentials"); /* in the middle of the way */
        expect(f, 1);
        append("root/.aws/credentials", "!");
        expect(f, 0);
        append("more/credentials", "!");
        expect(f, 1);
        point("etc/credentials", "../nowhere/credentials");
        expect(f, 1);
        append("more/credentials", "!");
        expect(f, 0);
        make_folder("nowhere");
        expect(f, 0);
        folder_put("nowhere/credentials", "one");
        expect(f, 1);
}

/* One version of a ConfigMap or Secret, as the kubelet puts it into a volume. */
static void swap(const char *version)
{
        char path[64];

        make_folder(version);
        (void) snprintf(path, sizeof(path), "%s/file", version);
        folder_put(path, "data");
        assert_return_code(symlink(version, "..data_tmp"), errno);
        assert_return_code(rename("..data_tmp", "..data"), errno);
}

static void test_what_the_kubelet_does(void **state)
{
        Fixture *f = *state;

        swap("..2026_1");
        assert_return_code(symlink("..data/file", "file"), errno);
        WATCH(f, "file");
        for (unsigned i = 0; i < 3; i++) {
                const char *const versions[] = { "..2026_1", "..2026_2", "..2026_3", "..2026_4" };
                char old[64];

                swap(versions[i + 1]);
                (void) snprintf(old, sizeof(old), "%s/file", versions[i]);
                assert_return_code(unlink(old), errno);
                assert_return_code(rmdir(versions[i]), errno);
                expect(f, 1);
        }
        append("..2026_4/file", "!");
        expect(f, 1);

        /* The volume as a drop-in folder. */
        WATCH(f, ".");
        swap("..2026_5");
        expect(f, 1);
        swap("..2026_6");
        expect(f, 1);
}

static void test_folders_that_come_later(void **state)
{
        Fixture *f = *state;

        WATCH(f, "a/b/../b/c/file");
        make_folder("a");
        expect(f, 0);
        make_folder("a/x");
        make_folder("a/b");
        expect(f, 0);
        make_folder("a/b/c");
        expect(f, 0);
        folder_put("a/b/c/other", "one");
        expect(f, 0);
        folder_put("a/b/c/file", "one");
        expect(f, 1);
        assert_return_code(unlink("a/b/c/file"), errno);
        assert_return_code(unlink("a/b/c/other"), errno);
        assert_return_code(rmdir("a/b/c"), errno);
        assert_return_code(rmdir("a/b"), errno);
        expect(f, 1);
        /* All at once. */
        make_folder("a/b");
        make_folder("a/b/c");
        folder_put("a/b/c/file", "one");
        expect(f, 1);
        /* A folder of files that is replaced. */
        make_folder("a/b/new");
        folder_put("a/b/new/file", "one");
        assert_return_code(rename("a/b/c", "a/b/old"), errno);
        assert_return_code(rename("a/b/new", "a/b/c"), errno);
        expect(f, 1);
        append("a/b/c/file", "!");
        expect(f, 1);
}

static void test_paths_of_all_kinds(void **state)
{
        Fixture *f = *state;
        char here[PATH_MAX], path[2 * PATH_MAX + 64], *large = calloc(1, 2 * PATH_MAX);

        assert_non_null(getcwd(here, sizeof(here)));
        assert_non_null(large);
        memset(large, 'x', 2 * PATH_MAX - 1);
        make_folder("a");
        folder_put("a/file", "one");
        (void) snprintf(path, sizeof(path), "//%s/./a//../../../..//../%s///a/file", here, here + 1);
        WATCH(f, path);
        append("a/file", "!");
        expect(f, 1);
        WATCH(f, "./a/../a/file", "a/file/nonsense", "");
        append("a/file", "!");
        expect(f, 1);

        /* In circles. */
        assert_return_code(symlink("two", "one"), errno);
        assert_return_code(symlink("one", "two"), errno);
        WATCH(f, "one");
        point("two", "a/file");
        expect(f, 1);

        assert_int_equal(file_watch_set(f->watch, (const char *const[]){ large, "a/file", NULL }),
                         -ENAMETOOLONG);
        append("a/file", "!");
        expect(f, 1);
        free(large);
}

/* --- when it is told ----------------------------------------------------------------------------------- */

static void test_a_burst_is_told_once(void **state)
{
        Fixture *f = *state;
        usec_t settle = f->watch->settle;

        assert_int_equal(FILE_WATCH_SETTLE, 500 * USEC_PER_MSEC);
        assert_int_equal(FILE_WATCH_LATEST, 5 * USEC_PER_SEC);
        folder_put("file", "");
        folder_put("other", "");
        WATCH(f, "file", "other");
        f->watch->settle = f->watch->latest = USEC_PER_MINUTE;
        for (unsigned i = 0; i < 100; i++) {
                if (i == 99)
                        f->watch->settle = settle;
                append(i % 2 ? "file" : "other", "x");
                assert_return_code(sd_event_run(f->event, 0), 0);
        }
        expect(f, 1);
}

/* Things have to be quiet for so long after the last event, not the first. */
static void test_quiet(void **state)
{
        Fixture *f = *state;
        usec_t before = 0;

        folder_put("file", "");
        WATCH(f, "file");
        f->watch->settle = USEC_PER_MINUTE;
        f->watch->latest = USEC_PER_HOUR;
        for (unsigned i = 0; i < 3; i++) {
                usec_t now = clock_boottime();

                append("file", "x");
                until(f, f->watch->due > before);
                before = f->watch->due;
                assert_true(before >= now + USEC_PER_MINUTE);
                assert_true(before <= clock_boottime() + USEC_PER_MINUTE);
        }
        f->watch->latest = 2 * USEC_PER_MINUTE;
        f->watch->settle = USEC_PER_HOUR;
        append("file", "x");
        until(f, f->watch->due == f->watch->first + 2 * USEC_PER_MINUTE);
        assert_int_equal(f->n_changed, 0);
}

/* Who never stops writing is told of, too. */
static void test_at_the_latest(void **state)
{
        Fixture *f = *state;

        folder_put("file", "");
        WATCH(f, "file");
        f->watch->settle = USEC_PER_HOUR;
        f->watch->latest = 100 * USEC_PER_MSEC;
        until(f, (append("file", "x"), f->n_changed == 2));
}

static void test_another_set_while_a_change_is_pending(void **state)
{
        Fixture *f = *state;
        const char *const both[] = { "file", "other", NULL }, *const none[] = { NULL };

        folder_put("file", "one");
        folder_put("other", "one");
        WATCH(f, "file");
        append("file", "!");
        until(f, f->watch->first > 0);
        append("file", "!"); /* and this waits with the kernel */
        WATCH(f, "other");
        expect(f, 0);
        append("file", "!");
        expect(f, 0);
        append("other", "!");
        until(f, f->watch->first > 0);
        append("other", "!");
        watch(f, both);
        expect(f, 0);
        append("file", "!");
        expect(f, 1);
        append("file", "!");
        until(f, f->watch->first > 0);
        watch(f, none);
        expect(f, 0);
        append("file", "!");
        append("other", "!");
        expect(f, 0);
}

static void test_the_owner_does_what_it_likes(void **state)
{
        static const char *const next[] = { "next", NULL };
        Fixture *f = *state;

        folder_put("file", "one");
        WATCH(f, "file");
        f->next = next;
        append("file", "!");
        expect(f, 1);
        append("file", "!");
        expect(f, 0);
        folder_put("next", "one");
        f->next = NULL;
        f->free = true;
        expect(f, 1);
        append("next", "!");
        expect(f, 0);

        /* And when it waits. */
        assert_return_code(file_watch_new(f->event, on_changed, f, &f->watch), 0);
        WATCH(f, "file");
        append("file", "!");
        until(f, f->watch->first > 0);
        append("file", "!");
        f->watch = file_watch_free(f->watch);
        expect(f, 0);
        assert_null(file_watch_free(NULL));
}

/* --- much of it ---------------------------------------------------------------------------------------- */

static int on_other(sd_event_source *s, uint64_t usec, void *userdata)
{
        unsigned *n = userdata;

        ++*n;
        return 0;
}

/* What happens beside keeps neither the watch nor others from their turn. */
static void test_thousands_of_other_events(void **state)
{
        _cleanup_(sd_event_source_unrefp) sd_event_source *other = NULL;
        Fixture *f = *state;
        unsigned n_other = 0, n = 0;

        folder_put("file", "one");
        folder_put("a", "");
        folder_put("b", "");
        WATCH(f, "file");
        assert_return_code(chmod("a", 0640), errno);
        while (sd_event_run(f->event, 0) > 0)
                ;
        assert_int_equal(f->watch->first, 0); /* not even looked into */
        for (unsigned i = 0; i < 5000; i++)
                assert_return_code(chmod(i % 2 ? "a" : "b", 0600 + i % 7), errno);
        append("file", "!");
        assert_return_code(
                sd_event_add_time_relative(f->event, &other, CLOCK_BOOTTIME, 0, 1, on_other, &n_other), 0);
        while (n_other == 0 && n++ < 100)
                assert_return_code(sd_event_run(f->event, 0), 0);
        assert_int_equal(n_other, 1);
        /* They go on while it waits. */
        n = 0;
        until(f, (chmod("a", 0600 + n++ % 7), chmod("b", 0600), f->n_changed == 1));
        expect(f, 1);
}

/* More than the kernel's queue takes: which event was lost is not known. */
static void test_a_queue_that_overflows(void **state)
{
        Fixture *f = *state;
        unsigned max = 0;
        FILE *sysctl = fopen("/proc/sys/fs/inotify/max_queued_events", "re");

        assert_non_null(sysctl);
        assert_int_equal(fscanf(sysctl, "%u", &max), 1);
        (void) fclose(sysctl);
        if (max > 100000)
                skip();
        folder_put("file", "one");
        folder_put("a", "");
        folder_put("b", "");
        WATCH(f, "file");
        for (unsigned n = 0; n < 2; n++) {
                for (unsigned i = 0; i < max + 10; i++)
                        assert_return_code(chmod(i % 2 ? "a" : "b", 0600), errno);
                if (n == 0)
                        append("file", "!");
                expect(f, n == 0);
        }
}

/* --- what cannot be watched ---------------------------------------------------------------------------- */

static void test_errors_are_returned(void **state)
{
        Fixture *f = *state;
        const char *const paths[] = { "a/file", "b/file", NULL };

        make_folder("a");
        make_folder("b");
        folder_put("a/file", "one");
        folder_put("b/file", "one");
        refused = "/a";
        refused_error = -ENOSPC;
        assert_int_equal(file_watch_set(f->watch, paths), -ENOSPC);
        rest(f);
        f->n_changed = 0;
        append("b/file", "!"); /* as far as it goes */
        expect(f, 1);
        append("b/file", "!"); /* it was known */
        expect(f, 1);

        /* Later on. */
        refused = NULL;
        watch(f, paths);
        refused = "/a";
        refused_error = -EACCES;
        (void) close(open("b/file", O_WRONLY | O_CLOEXEC));
        expect(f, 1);
        (void) close(open("b/file", O_WRONLY | O_CLOEXEC));
        expect(f, 0);
        refused = NULL;
        append("b/file", "!");
        expect(f, 1);
        append("a/file", "!");
        expect(f, 1);
}

/* A folder that goes between two looks at it; how long it stays away shows on the way. */
static void test_a_folder_that_goes_on_the_way(void **state)
{
        Fixture *f = *state;
        const char *const paths[] = { "a/file", NULL };

        make_folder("a");
        folder_put("a/file", "one");
        refused = "/a";
        refused_error = -ENOENT;
        n_refused = 3;
        WATCH(f, "a/file");
        assert_int_equal(n_refused, 0);
        append("a/file", "!");
        expect(f, 1);
        n_refused = UINT32_MAX;
        assert_int_equal(file_watch_set(f->watch, paths), -ENOENT);
}

static void test_no_permission(void **state)
{
        Fixture *f = *state;
        const char *const paths[] = { "secret/file", "dark/file", NULL };

        make_folder("secret");
        folder_put("secret/file", "one");
        make_folder("dark");
        assert_return_code(chmod("dark", 0), errno);
        assert_return_code(chmod("secret", 0711), errno); /* may be entered, not read */
        if (geteuid() == 0)
                assert_return_code(seteuid(NOBODY), errno);
        assert_int_equal(file_watch_set(f->watch, paths), -EACCES);
        if (getuid() == 0)
                assert_return_code(seteuid(0), errno);
        assert_return_code(chmod("dark", 0700), errno);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(test_a_file_in_its_place),
                TEST(test_a_file_that_goes_and_comes),
                TEST(test_what_is_no_change),
                TEST(test_a_file_that_has_just_been_written),
                TEST(test_a_folder),
                TEST(test_symbolic_links),
                TEST(test_what_the_kubelet_does),
                TEST(test_folders_that_come_later),
                TEST(test_paths_of_all_kinds),
                TEST(test_a_burst_is_told_once),
                TEST(test_quiet),
                TEST(test_at_the_latest),
                TEST(test_another_set_while_a_change_is_pending),
                TEST(test_the_owner_does_what_it_likes),
                TEST(test_thousands_of_other_events),
                TEST(test_a_queue_that_overflows),
                TEST(test_errors_are_returned),
                TEST(test_a_folder_that_goes_on_the_way),
                TEST(test_no_permission),
        };

        return cmocka_run_group_tests_name("file-watch", tests, folder_set_up, folder_tear_down);
}
