/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "said.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <systemd/sd-event.h>

/* --- what may fail, and the log, are the test's ------------------------------------------------------ */

static uint32_t fail_after = UINT32_MAX; /* as many sources are made before one is refused */

static int refuse(void)
{
        return fail_after-- == 0 ? -ENOMEM : 0;
}

static int test_add_child(sd_event *e, sd_event_source **ret, pid_t pid, int options,
                          sd_event_child_handler_t callback, void *userdata)
{
        int r = refuse();

        return r < 0 ? r : sd_event_add_child(e, ret, pid, options, callback, userdata);
}

static int test_add_io(sd_event *e, sd_event_source **ret, int fd, uint32_t events,
                       sd_event_io_handler_t callback, void *userdata)
{
        int r = refuse();

        return r < 0 ? r : sd_event_add_io(e, ret, fd, events, callback, userdata);
}

#define log_full said_log
#define sd_event_add_child test_add_child
#define sd_event_add_io test_add_io
#include "process-log.c"
#include "process.c"
#undef log_full
#undef sd_event_add_child
#undef sd_event_add_io
#include "folder.h"

/* --- running ------------------------------------------------------------------------------------------- */

static sd_event *event;

/* One process and what is to be known of it. */
typedef struct Run {
        Process *process;
        pid_t pid;
        bool done;
        ProcessOutcome outcome;
} Run;

static void on_done(Process *p, ProcessOutcome outcome, void *userdata)
{
        Run *run = userdata;

        assert_false(run->done);
        assert_ptr_equal(p, run->process);
        run->done = true;
        run->outcome = outcome;
}

static void start(Run *run, const ProcessSpec *spec)
{
        *run = (Run){ NULL };
        said[0] = '\0';
        assert_int_equal(process_start(event, spec, on_done, run, &run->process), 0);
        assert_non_null(run->process);
        run->pid = run->process->pid;
        assert_false(run->done);
}

/* A script for the shell. */
static void start_shell(Run *run, const char *script, usec_t timeout, size_t output_max)
{
        char *argv[] = { (char *) "/bin/sh", (char *) "-c", (char *) script, NULL };

        start(run, &(ProcessSpec){ argv, environ, timeout, output_max });
}

static void wait_until_done(Run *run)
{
        while (!run->done)
                assert_true(sd_event_run(event, USEC_INFINITY) >= 0);
}

static void run_shell(Run *run, const char *script, usec_t timeout, size_t output_max)
{
        start_shell(run, script, timeout, output_max);
        wait_until_done(run);
}

static const char *output(const Run *run)
{
        return buf_str(process_output(run->process));
}

static void check_result(const Run *run, ProcessOutcome outcome, const char *error)
{
        assert_string_equal(process_error(run->process), error);
        assert_int_equal(run->outcome, outcome);
}

/* Runs it to a good end, and frees it. */
static void check_output(const char *script, const char *expected)
{
        Run run;

        run_shell(&run, script, 0, 4096);
        check_result(&run, PROCESS_OK, "");
        assert_string_equal(output(&run), expected);
        assert_null(process_free(run.process));
}

/* Lets the loop do what is left to do; there is nothing to be waited for. */
static void settle(void)
{
        int r;

        do {
                r = sd_event_run(event, 0);
                assert_true(r >= 0);
        } while (r > 0);
}

/* Neither a program nor what is left of one. Those that were killed may take their time to die, but the
 * loop is the one that reaps our own. */
static void check_gone(idtype_t type, pid_t pid)
{
        siginfo_t si;

        for (unsigned i = 0; waitid(type, (id_t) pid, &si, WEXITED | WNOWAIT) == 0; i++) {
                if (i == 1000)
                        fail_msg("%d is not reaped", si.si_pid);
                settle();
        }
        assert_int_equal(errno, ECHILD);
}

static void check_all_gone(void)
{
        check_gone(P_ALL, 0);
}

/* What was killed with its parent is the test's when that has gone, by PR_SET_CHILD_SUBREAPER. */
static void reap_grandchild(const Run *run, pid_t pid)
{
        int status;

        check_gone(P_PID, run->pid);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static size_t count_descriptors(void)
{
        size_t n = 0;

        for (int fd = 0; fd < 256; fd++)
                n += fcntl(fd, F_GETFD) >= 0;
        return n;
}

static size_t descriptors;

static int set_up(void **state)
{
        fail_after = UINT32_MAX;
        descriptors = count_descriptors();
        return sd_event_new(&event) >= 0 ? 0 : -1;
}

/* No test leaves anything: no process, no reference to the loop, no descriptor. */
static int tear_down(void **state)
{
        check_all_gone();
        event = sd_event_unref(event);
        assert_int_equal(count_descriptors(), descriptors);
        return 0;
}

/* --- how it ends --------------------------------------------------------------------------------------- */

static void test_each_end_has_its_outcome(void **state)
{
        static const struct {
                const char *script;
                ProcessOutcome outcome;
                const char *error, *output;
        } cases[] = {
                { "exit 0", PROCESS_OK, "", "" },
                { "echo a; echo b", PROCESS_OK, "", "a\nb\n" },
                { "printf a", PROCESS_OK, "", "a" },
                { "echo a; exit 1", PROCESS_FAILED, "it exited with status 1", "a\n" },
                { "exit 255", PROCESS_FAILED, "it exited with status 255", "" },
                { "no-such-program 2>&-", PROCESS_FAILED, "it exited with status 127", "" },
                { "kill -KILL $$", PROCESS_KILLED, "it was killed by signal 9 (Killed)", "" },
                { "printf a; kill -TERM $$", PROCESS_KILLED, "it was killed by signal 15 (Terminated)",
                  "a" },
                { "exec >&- 2>&-; exit 3", PROCESS_FAILED, "it exited with status 3", "" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Run run;

                run_shell(&run, cases[i].script, USEC_PER_MINUTE, 4096);
                check_result(&run, cases[i].outcome, cases[i].error);
                assert_string_equal(output(&run), cases[i].output);
                assert_true(process_output(run.process)->secret);
                assert_null(process_free(run.process));
        }
        check_all_gone();
}

static void test_what_cannot_be_run_is_done_with_a_sentence(void **state)
{
        static const struct {
                const char *program, *error;
        } cases[] = {
                { "/no/such/program", "cannot run it: No such file or directory" },
                { "no-such-program-anywhere", "cannot run it: No such file or directory" },
                { "", "cannot run it: No such file or directory" },
                { "./data", "cannot run it: Permission denied" },
                { "./text", "cannot run it: Exec format error" },
                { "/", "cannot run it: Permission denied" },
                { "./stray", "cannot run it: No such file or directory" }, /* its interpreter */
        };

        folder_put("data", "#!/bin/sh\n");
        folder_put("text", "echo a\n");
        assert_return_code(chmod("text", 0755), errno);
        folder_put("stray", "#!/no/such/interpreter\n");
        assert_return_code(chmod("stray", 0755), errno);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char *argv[] = { (char *) cases[i].program, NULL };
                Run run;

                start(&run, &(ProcessSpec){ argv, environ, USEC_PER_MINUTE, 4096 });
                wait_until_done(&run);
                check_result(&run, PROCESS_NOT_RUN, cases[i].error);
                assert_string_equal(output(&run), "");
                assert_string_equal(said, "");
                assert_null(process_free(run.process));
        }
        check_all_gone();
}

static void test_no_word_is_no_program(void **state)
{
        char *argv[] = { NULL };
        Process *p = NULL;

        assert_int_equal(process_start(event, &(ProcessSpec){ argv, environ, 0, 1 }, on_done, NULL, &p),
                         -EINVAL);
        assert_null(p);
}

static void test_a_program_is_looked_up_in_our_path(void **state)
{
        char *argv[] = { (char *) "helper", (char *) "a b", (char *) "$x", NULL };
        char *env[] = { (char *) "PATH=/nowhere", NULL };
        const char *path = getenv("PATH");
        Run run;

        folder_put("helper", "#!/bin/sh\necho \"$1:$2:$#:$PATH\"\necho oops >&2\n");
        assert_return_code(chmod("helper", 0755), errno);
        assert_int_equal(setenv("PATH", folder, 1), 0);
        start(&run, &(ProcessSpec){ argv, env, 0, 4096 });
        assert_int_equal(setenv("PATH", path ? path : "/bin:/usr/bin", 1), 0);
        wait_until_done(&run);
        check_result(&run, PROCESS_OK, "");
        assert_string_equal(output(&run), "a b:$x:2:/nowhere\n");
        assert_string_equal(said, "4 helper: oops\n");
        assert_string_equal(process_last_words(run.process), "oops");
        assert_null(process_free(run.process));
}

static void test_what_hangs_is_killed_with_its_group(void **state)
{
        pid_t grandchild;
        Run run;

        run_shell(&run, "sleep 1000 & echo $!; echo waiting >&2; wait", 300 * USEC_PER_MSEC, 4096);
        check_result(&run, PROCESS_TIMEOUT, "it did not end within 300ms");
        assert_string_equal(said, "4 sh: waiting\n");
        grandchild = (pid_t) atoi(output(&run));
        assert_true(grandchild > 1);
        assert_null(process_free(run.process));
        reap_grandchild(&run, grandchild);
        check_all_gone();
}

static void test_grandchildren_are_not_waited_for(void **state)
{
        static const struct {
                const char *script;
                ProcessOutcome outcome;
        } cases[] = {
                { "sleep 1000 & echo $!; exit 0", PROCESS_OK },
                { "sleep 1000 & echo $!; exit 7", PROCESS_FAILED },
                { "sleep 1000 & echo $!; kill $$", PROCESS_KILLED },
                /* This one never stops to say something. */
                { "yes >&2 & echo $!; exit 0", PROCESS_OK },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                pid_t grandchild;
                int status;
                Run run;

                run_shell(&run, cases[i].script, 0, 4096);
                assert_int_equal(run.outcome, cases[i].outcome);
                grandchild = (pid_t) atoi(output(&run));
                assert_true(grandchild > 1);
                assert_null(process_free(run.process));
                (void) kill(grandchild, SIGKILL);
                assert_int_equal(waitpid(grandchild, &status, 0), grandchild);
                check_all_gone();
        }
}

/* --- what it prints ------------------------------------------------------------------------------------ */

static void test_output_has_a_maximum(void **state)
{
        static const struct {
                const char *script;
                size_t max;
                const char *error;
        } cases[] = {
                { "exec head -c 65536 /dev/zero", 65536, "" },
                { "exec head -c 65537 /dev/zero", 65536, "it printed more than 64 KiB" },
                { "exec head -c 1000000 /dev/zero", 65536, "it printed more than 64 KiB" },
                { "exec head -c 1000000 /dev/zero", 1000000, "" },
                { "exec head -c 1001 /dev/zero", 1000, "it printed more than 1000 bytes" },
                { "echo", 0, "it printed more than 0 bytes" },
                { "true", 0, "" },
                { "exec yes", 100000, "it printed more than 100000 bytes" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Run run;

                run_shell(&run, cases[i].script, 0, cases[i].max);
                check_result(&run, *cases[i].error ? PROCESS_TOO_LARGE : PROCESS_OK, cases[i].error);
                assert_true(process_output(run.process)->size <= cases[i].max);
                assert_null(process_free(run.process));
        }
}

static void test_who_prints_too_much_is_killed_with_its_group(void **state)
{
        pid_t grandchild;
        Run run;

        run_shell(&run, "sleep 1000 & echo $! >&2; exec yes", 0, 4096);
        check_result(&run, PROCESS_TOO_LARGE, "it printed more than 4 KiB");
        grandchild = (pid_t) atoi(process_last_words(run.process));
        assert_null(process_free(run.process));
        reap_grandchild(&run, grandchild);
}

static void test_large_output_is_complete(void **state)
{
        char expected[16];
        const char *p;
        Run run;

        run_shell(&run, "seq 1 100000", 0, 1000000);
        check_result(&run, PROCESS_OK, "");
        p = output(&run);
        for (unsigned i = 1; i <= 100000; i++) {
                (void) snprintf(expected, sizeof(expected), "%u\n", i);
                p = startswith(p, expected);
                assert_non_null(p);
        }
        assert_string_equal(p, "");
        assert_null(process_free(run.process));
}

static void test_who_closes_its_output_goes_on(void **state)
{
        int fd;
        Run run;

        assert_return_code(mkfifo("fifo", 0600), errno);
        start_shell(&run, "echo a; exec >&-; read x <fifo; echo \"$x\" >&2; exit 3", 0, 4096);
        while (run.process->out.fd >= 0)
                assert_true(sd_event_run(event, USEC_INFINITY) >= 0);
        assert_false(run.done);
        fd = open("fifo", O_WRONLY | O_CLOEXEC);
        assert_return_code(fd, errno);
        assert_int_equal(write(fd, "b\n", 2), 2);
        (void) close_fd(fd);
        wait_until_done(&run);
        check_result(&run, PROCESS_FAILED, "it exited with status 3");
        assert_string_equal(output(&run), "a\n");
        assert_string_equal(process_last_words(run.process), "b");
        assert_null(process_free(run.process));
}

static void test_standard_error_is_logged_and_harmless(void **state)
{
        static const struct {
                const char *script, *expected, *last;
        } cases[] = {
                { "echo one >&2; echo; printf two >&2", "4 sh: one\n4 sh: two\n", "two" },
                { "head -c 1000000 /dev/zero | tr '\\0' x >&2", "4 sh: [hidden]...\n", "[hidden]..." },
                { "seq 1 100000 | tr '\\n' ' ' >&2; exit 0", NULL, NULL },
                { "echo key AKIAIOSFODNN7EXAMPLE >&2", "4 sh: key [hidden]\n", "key [hidden]" },
                { "printf '\\033[1mbold\\033[0m\\n' >&2", "4 sh:  [1mbold [0m\n", " [1mbold [0m" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Run run;

                run_shell(&run, cases[i].script, 0, 4096);
                check_result(&run, PROCESS_OK, "");
                if (cases[i].expected) {
                        assert_string_equal(said, cases[i].expected);
                        assert_string_equal(process_last_words(run.process), cases[i].last);
                } else
                        assert_in_range(strlen(said), 400, 520);
                assert_null(process_free(run.process));
        }
}

static void test_of_many_lines_of_error_some_are_logged(void **state)
{
        Run run;

        run_shell(&run, "seq 1 100000 >&2; echo a", 0, 4096);
        check_result(&run, PROCESS_OK, "");
        assert_string_equal(process_last_words(run.process), "100000");
        assert_non_null(strstr(said, "4 sh: 20\n4 sh: (99980 more lines)\n"));
        assert_null(process_free(run.process));
}

/* --- what it gets -------------------------------------------------------------------------------------- */

static void test_it_has_three_descriptors(void **state)
{
        int cloexec, leaked = -1;

        cloexec = open("/dev/null", O_RDONLY | O_CLOEXEC);
        assert_return_code(cloexec, errno);
#ifdef HAVE_POSIX_SPAWN_FILE_ACTIONS_ADDCLOSEFROM_NP
        leaked = fcntl(cloexec, F_DUPFD, 100);
        assert_return_code(leaked, errno);
#endif
        /* The fourth is ls's own. */
        check_output("exec ls /proc/self/fd", "0\n1\n2\n3\n");
        check_output("exec readlink /proc/self/fd/0", "/dev/null\n");
        check_output("cat", "");
        (void) close_fd(cloexec);
        (void) close_fd(leaked);
}

static void test_it_gets_them_also_when_we_have_none(void **state)
{
        int saved[3];
        Run run;

        for (int fd = 0; fd < 3; fd++) {
                saved[fd] = fcntl(fd, F_DUPFD_CLOEXEC, 50);
                (void) close(fd);
        }
        run_shell(&run, "echo a; echo b >&2; readlink /proc/self/fd/0", 0, 4096);
        for (int fd = 0; fd < 3; fd++) {
                if (saved[fd] < 0)
                        continue;
                (void) dup2(saved[fd], fd);
                (void) close(saved[fd]);
        }
        check_result(&run, PROCESS_OK, "");
        assert_string_equal(output(&run), "a\n/dev/null\n");
        assert_string_equal(said, "4 sh: b\n");
        assert_null(process_free(run.process));
}

static void test_signals_are_for_it_as_for_any_program(void **state)
{
        /* 32 and 33 are glibc's own, which it sets as it likes. */
        check_output("grep -E '^Sig(Blk|Ign)' /proc/self/status | sed s/0000000180000000/0000000000000000/",
                     "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

static void test_it_leads_its_own_group(void **state)
{
        char expected[64];
        Run run;

        /* The shell's own pid, and the group of what it runs. */
        start_shell(&run, "echo $$; cut -d ' ' -f 5 /proc/self/stat", 0, 4096);
        assert_int_equal(getpgid(run.pid), run.pid);
        wait_until_done(&run);
        (void) snprintf(expected, sizeof(expected), "%d\n%d\n", run.pid, run.pid);
        assert_string_equal(output(&run), expected);
        assert_null(process_free(run.process));
}

/* --- environment --------------------------------------------------------------------------------------- */

static const char *find(char **env, const char *name)
{
        const char *found = NULL;

        for (; *env; env++)
                if (startswith(*env, name) && (*env)[strlen(name)] == '=') {
                        assert_null(found);
                        found = *env;
                }
        return found;
}

static void test_what_the_service_manager_says_is_for_us_alone(void **state)
{
        static const char *const ours[] = {
                "NOTIFY_SOCKET", "LISTEN_FDS",           "LISTEN_PID",     "LISTEN_FDNAMES",
                "WATCHDOG_USEC", "WATCHDOG_PID",         "INVOCATION_ID",  "JOURNAL_STREAM",
                "MAINPID",       "MANAGERPID",           "FDSTORE",        "CREDENTIALS_DIRECTORY",
                "PIDFILE",       "MEMORY_PRESSURE_PATH", "SERVICE_RESULT", "SYSTEMD_EXEC_PID",
        };
        static const char *const everybodys[] = { "HOME", "AWS_REGION", "MAINPIDS", "FDSTORES",
                                                  "XSYSTEMD_" };
        _cleanup_(words_freep) char **env = NULL;

        for (size_t i = 0; i < ELEMENTSOF(ours); i++)
                assert_int_equal(setenv(ours[i], "1", 1), 0);
        for (size_t i = 0; i < ELEMENTSOF(everybodys); i++)
                assert_int_equal(setenv(everybodys[i], "a=b", 1), 0);
        assert_int_equal(process_environment(NULL, &env), 0);
        for (size_t i = 0; i < ELEMENTSOF(ours); i++) {
                if (find(env, ours[i]))
                        fail_msg("%s is there", ours[i]);
                assert_int_equal(unsetenv(ours[i]), 0);
        }
        for (size_t i = 0; i < ELEMENTSOF(everybodys); i++) {
                const char *variable = find(env, everybodys[i]);

                assert_non_null(variable);
                assert_string_equal(variable + strlen(everybodys[i]), "=a=b");
        }
}

static void test_additions_stand_in_for_ours(void **state)
{
        char *additions[] = { (char *) "EATR_A=2", (char *) "EATR_AB=", (char *) "NOTIFY_SOCKET=x", NULL };
        char *argv[] = { (char *) "/bin/sh", (char *) "-c",
                         (char *) "echo \"$EATR_A:${EATR_AB-unset}:$EATR_B:$NOTIFY_SOCKET\"", NULL };
        _cleanup_(words_freep) char **env = NULL;
        Run run;

        assert_int_equal(setenv("EATR_A", "1", 1), 0);
        assert_int_equal(setenv("EATR_B", "3", 1), 0);
        assert_int_equal(process_environment(additions, &env), 0);
        assert_string_equal(find(env, "EATR_A"), "EATR_A=2");
        start(&run, &(ProcessSpec){ argv, env, 0, 4096 });
        wait_until_done(&run);
        assert_string_equal(output(&run), "2::3:x\n");
        assert_null(process_free(run.process));
}

/* --- freeing ------------------------------------------------------------------------------------------- */

/* Starts one that would run for long, and returns its grandchild. */
static pid_t start_long(Run *run)
{
        start_shell(run, "sleep 1000 & echo $!; wait", 0, 4096);
        while (!strchr(output(run), '\n'))
                assert_true(sd_event_run(event, USEC_INFINITY) >= 0);
        return (pid_t) atoi(output(run));
}

static void test_freeing_kills_and_the_loop_reaps(void **state)
{
        pid_t grandchild;
        siginfo_t si;
        Run run;

        grandchild = start_long(&run);
        assert_null(process_free(run.process));
        /* Nobody has waited for it. */
        assert_int_equal(waitid(P_PID, (id_t) run.pid, &si, WEXITED | WNOWAIT), 0);
        assert_true(si.si_code == CLD_KILLED && si.si_status == SIGKILL);
        reap_grandchild(&run, grandchild);
        check_all_gone();
        assert_false(run.done);
        assert_null(process_free(NULL));
}

static void test_freeing_works_also_when_the_loop_turns_no_more(void **state)
{
        pid_t grandchild;
        Run run;

        grandchild = start_long(&run);
        assert_null(process_free(run.process));
        assert_null(sd_event_unref(event));
        assert_int_equal(waitpid(run.pid, NULL, WNOHANG), -1);
        assert_int_equal(errno, ECHILD);
        assert_int_equal(sd_event_new(&event), 0);
        reap_grandchild(&run, grandchild);
        assert_false(run.done);
}

static void test_many_that_were_freed_leave_nothing(void **state)
{
        size_t before = 0;

        for (unsigned i = 0; i < 50; i++) {
                Run run;

                start_shell(&run, i % 2 ? "exit 0" : "exec sleep 1000", USEC_PER_MINUTE, 4096);
                assert_null(process_free(run.process));
                if (i > 0)
                        continue;
                check_all_gone();
                before = count_descriptors(); /* the loop has its timer now */
        }
        check_all_gone();
        assert_int_equal(count_descriptors(), before);
}

static void test_who_frees_one_that_could_not_run_hears_nothing(void **state)
{
        char *argv[] = { (char *) "/no/such/program", NULL };
        Run run;

        start(&run, &(ProcessSpec){ argv, environ, 0, 4096 });
        assert_null(process_free(run.process));
        settle();
        assert_false(run.done);
}

/* Frees it, and starts the next. */
static void on_done_next(Process *p, ProcessOutcome outcome, void *userdata)
{
        Run *run = userdata;

        assert_null(process_free(p));
        start_shell(run, "echo next", 0, 4096);
}

static void test_done_may_free_and_start(void **state)
{
        static const char *const scripts[] = { "exit 0", "exec yes", "exec sleep 1000",
                                               "exec /no/such/program 2>&-" };

        for (size_t i = 0; i <= ELEMENTSOF(scripts); i++) {
                const char *script = i < ELEMENTSOF(scripts) ? scripts[i] : "";
                char *argv[] = { (char *) (i < ELEMENTSOF(scripts) ? "/bin/sh" : "/none"), (char *) "-c",
                                 (char *) script, NULL };
                Run run = { NULL };
                Process *p;

                assert_int_equal(process_start(event,
                                               &(ProcessSpec){ argv, environ, 300 * USEC_PER_MSEC, 4096 },
                                               on_done_next, &run, &p),
                                 0);
                wait_until_done(&run);
                assert_string_equal(output(&run), "next\n");
                assert_null(process_free(run.process));
                check_all_gone();
        }
}

static void test_what_cannot_be_watched_is_killed(void **state)
{
        char *argv[] = { (char *) "sleep", (char *) "1000", NULL };
        size_t before = count_descriptors();

        for (unsigned i = 0; i < 3; i++) {
                Process *p = NULL;
                Run run = { NULL };

                fail_after = i;
                assert_int_equal(
                        process_start(event, &(ProcessSpec){ argv, environ, 0, 4096 }, on_done, &run, &p),
                        -ENOMEM);
                assert_null(p);
                check_all_gone();
                settle();
                assert_false(run.done);
                assert_int_equal(count_descriptors(), before);
        }
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
                TEST(test_each_end_has_its_outcome),
                TEST(test_what_cannot_be_run_is_done_with_a_sentence),
                TEST(test_no_word_is_no_program),
                TEST(test_a_program_is_looked_up_in_our_path),
                TEST(test_what_hangs_is_killed_with_its_group),
                TEST(test_grandchildren_are_not_waited_for),
                TEST(test_output_has_a_maximum),
                TEST(test_who_prints_too_much_is_killed_with_its_group),
                TEST(test_large_output_is_complete),
                TEST(test_who_closes_its_output_goes_on),
                TEST(test_standard_error_is_logged_and_harmless),
                TEST(test_of_many_lines_of_error_some_are_logged),
                TEST(test_it_has_three_descriptors),
                TEST(test_it_gets_them_also_when_we_have_none),
                TEST(test_signals_are_for_it_as_for_any_program),
                TEST(test_it_leads_its_own_group),
                TEST(test_what_the_service_manager_says_is_for_us_alone),
                TEST(test_additions_stand_in_for_ours),
                TEST(test_freeing_kills_and_the_loop_reaps),
                TEST(test_freeing_works_also_when_the_loop_turns_no_more),
                TEST(test_many_that_were_freed_leave_nothing),
                TEST(test_who_frees_one_that_could_not_run_hears_nothing),
                TEST(test_done_may_free_and_start),
                TEST(test_what_cannot_be_watched_is_killed),
        };
        sigset_t set;

        /* As main() does it; and nothing hangs for ever. */
        (void) sigemptyset(&set);
        (void) sigaddset(&set, SIGTERM);
        (void) sigaddset(&set, SIGINT);
        (void) sigaddset(&set, SIGHUP);
        (void) sigaddset(&set, SIGCHLD);
        (void) sigprocmask(SIG_BLOCK, &set, NULL);
        (void) signal(SIGPIPE, SIG_IGN);
        (void) prctl(PR_SET_CHILD_SUBREAPER, 1);
        (void) alarm(60);
        return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
