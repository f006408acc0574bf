/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "process-log.h"
#include "process.h"
#include "words.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#define READ_SIZE 4096U
/* As much is read of a pipe before others have their turn. */
#define TURN_MAX (4 * READ_SIZE)
#define ERROR_MAX 256U

/* The end of a pipe that is ours. */
typedef struct Stream {
        Process *process;
        int fd; /* -1: it has ended */
        sd_event_source *io;
        int (*take)(Process *p, const char *data, size_t n); /* what comes; may fail */
} Stream;

struct Process {
        process_done_t done;
        void *userdata;
        usec_t timeout;
        pid_t pid; /* 0: there is none to kill */
        ProcessOutcome outcome;
        char error[ERROR_MAX];
        Buf output;
        ProcessLog log;
        Stream out, err;
        sd_event_source *child;
        sd_event_source *timer;
        sd_event_source *failure;
};

/* --- environment ----------------------------------------------------------------------------------- */

/* What systemd says to the process that it has started, and to no other (systemd.exec(5)). */
static bool is_the_managers(const char *variable)
{
        static const char *const prefixes[] = {
                "CREDENTIALS_DIRECTORY=",
                "DEBUG_INVOCATION=",
                "EXIT_CODE=",
                "EXIT_STATUS=",
                "FDSTORE=",
                "INVOCATION_ID=",
                "JOURNAL_STREAM=",
                "LISTEN_",
                "MAINPID=",
                "MAINPIDFDID=",
                "MANAGERPID=",
                "MANAGERPIDFDID=",
                "MEMORY_PRESSURE_",
                "MONITOR_",
                "NOTIFY_SOCKET=",
                "PIDFILE=",
                "SERVICE_RESULT=",
                "SYSTEMD_",
                "TRIGGER_",
                "WATCHDOG_",
        };

        for (size_t i = 0; i < ELEMENTSOF(prefixes); i++)
                if (startswith(variable, prefixes[i]))
                        return true;
        return false;
}

static bool has_name_of(char *const *variables, const char *variable)
{
        size_t n = strcspn(variable, "=");

        for (; variables && *variables; variables++)
                if (strncmp(*variables, variable, n) == 0 && (*variables)[n] == '=')
                        return true;
        return false;
}

int process_environment(char *const *additions, char ***ret)
{
        size_t ours = words_count(environ), theirs = words_count(additions), n = 0;
        _cleanup_(words_freep) char **env = calloc(ours + theirs + 1, sizeof(*env));

        if (!env)
                return -ENOMEM;
        for (size_t i = 0; i < ours + theirs; i++) {
                const char *variable = i < ours ? environ[i] : additions[i - ours];

                if (i < ours && (is_the_managers(variable) || has_name_of(additions, variable)))
                        continue;
                env[n] = strdup(variable);
                if (!env[n++])
                        return -ENOMEM;
        }
        *ret = TAKE_PTR(env);
        return 0;
}

/* --- starting ---------------------------------------------------------------------------------------- */

/* Only our end does not block: programs do not expect it of theirs. */
static int make_pipe(int *ours, int *theirs)
{
        int fds[2];

        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        *ours = fds[0];
        *theirs = fds[1];
        return fcntl(*ours, F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

/* If our standard output is closed, out is 1 already; then adddup2() is what keeps it open. */
static int set_files(posix_spawn_file_actions_t *a, int out, int err)
{
        int r;

        r = posix_spawn_file_actions_addopen(a, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        if (r == 0)
                r = posix_spawn_file_actions_adddup2(a, out, STDOUT_FILENO);
        if (r == 0)
                r = posix_spawn_file_actions_adddup2(a, err, STDERR_FILENO);
#ifdef HAVE_POSIX_SPAWN_FILE_ACTIONS_ADDCLOSEFROM_NP
        if (r == 0)
                r = posix_spawn_file_actions_addclosefrom_np(a, STDERR_FILENO + 1);
#endif
        return r;
}

/* What we block and ignore is our affair. */
static int set_attributes(posix_spawnattr_t *a)
{
        sigset_t none, all;
        int r;

        (void) sigemptyset(&none);
        (void) sigfillset(&all);
        r = posix_spawnattr_setsigmask(a, &none);
        if (r == 0)
                r = posix_spawnattr_setsigdefault(a, &all);
        if (r == 0)
                r = posix_spawnattr_setpgroup(a, 0);
        if (r == 0)
                r = posix_spawnattr_setflags(a, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                                        POSIX_SPAWN_SETPGROUP);
        return r;
}

/* Returns 0 once the program runs in its group, or why it does not. */
static int spawn(const ProcessSpec *spec, int out, int err, pid_t *ret)
{
        posix_spawn_file_actions_t files;
        posix_spawnattr_t attributes;
        int r;

        r = posix_spawn_file_actions_init(&files);
        if (r != 0)
                return -r;
        r = posix_spawnattr_init(&attributes);
        if (r == 0) {
                r = set_files(&files, out, err);
                if (r == 0)
                        r = set_attributes(&attributes);
                if (r == 0)
                        r = posix_spawnp(ret, spec->argv[0], &files, &attributes, spec->argv, spec->env);
                (void) posix_spawnattr_destroy(&attributes);
        }
        (void) posix_spawn_file_actions_destroy(&files);
        return -r;
}

/* --- its end ----------------------------------------------------------------------------------------- */

static void _printf_(3, 4) fail(Process *p, ProcessOutcome outcome, const char *format, ...)
{
        va_list ap;

        p->outcome = outcome;
        va_start(ap, format);
        (void) vsnprintf(p->error, sizeof(p->error), format, ap);
        va_end(ap);
}

static void fail_output(Process *p, int r)
{
        if (r != -EMSGSIZE)
                fail(p, PROCESS_FAILED, "what it printed cannot be kept: %s", strerror(-r));
        else if (p->output.max >= 1024 && p->output.max % 1024 == 0)
                fail(p, PROCESS_TOO_LARGE, "it printed more than %zu KiB", p->output.max / 1024);
        else
                fail(p, PROCESS_TOO_LARGE, "it printed more than %zu bytes", p->output.max);
}

/* Kills what still runs. To reap it is left to the loop, which does not wait for it: even a killed program
 * may take its time, as when it hangs on a network file system. */
static void abandon(Process *p)
{
        if (p->pid == 0)
                return;
        (void) kill(-p->pid, SIGKILL);
        (void) kill(p->pid, SIGKILL); /* it may have moved to another group */
        if (p->child) {
                (void) sd_event_source_set_userdata(p->child, NULL);
                (void) sd_event_source_set_floating(p->child, true);
                p->child = sd_event_source_unref(p->child);
        } else
                (void) waitpid(p->pid, NULL, 0);
        p->pid = 0;
}

static void stream_close(Stream *s)
{
        s->io = sd_event_source_disable_unref(s->io);
        s->fd = close_fd(s->fd);
}

/* Takes up to max bytes of what is there. */
static int stream_read(Stream *s, size_t max)
{
        char data[READ_SIZE];
        ssize_t n;
        int r = 0;

        while (r >= 0 && s->fd >= 0 && max > 0) {
                n = read(s->fd, data, MIN(max, sizeof(data)));
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && errno == EAGAIN)
                        break;
                if (n > 0) {
                        max -= (size_t) n;
                        r = s->take(s->process, data, (size_t) n);
                } else
                        stream_close(s);
        }
        explicit_bzero(data, sizeof(data));
        return r;
}

/* Takes what is in the pipe now, and no more: others may still write to it. */
static int stream_drain(Stream *s)
{
        int n, r = 0;

        if (s->fd >= 0 && ioctl(s->fd, FIONREAD, &n) >= 0 && n > 0)
                r = stream_read(s, (size_t) n);
        stream_close(s);
        return r;
}

static int finish(Process *p)
{
        int r;

        p->timer = sd_event_source_disable_unref(p->timer);
        r = stream_drain(&p->out);
        if (r < 0 && p->outcome == PROCESS_OK)
                fail_output(p, r);
        (void) stream_drain(&p->err);
        process_log_end(&p->log);
        p->done(p, p->outcome, p->userdata);
        return 0;
}

/* --- what the loop tells --------------------------------------------------------------------------- */

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        Stream *s = userdata;
        Process *p = s->process;
        int r;

        r = stream_read(s, TURN_MAX);
        if (r >= 0)
                return 0;
        abandon(p);
        fail_output(p, r);
        return finish(p);
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *userdata)
{
        char duration[CLOCK_DURATION_MAX];
        Process *p = userdata;

        abandon(p);
        fail(p, PROCESS_TIMEOUT, "it did not end within %s", clock_format_duration(duration, p->timeout));
        return finish(p);
}

static int on_child(sd_event_source *source, const siginfo_t *si, void *userdata)
{
        Process *p = userdata;

        /* One that was abandoned: the loop's reference goes with it. */
        if (!p)
                return sd_event_source_set_floating(source, false);
        p->pid = 0;
        p->child = sd_event_source_unref(p->child);
        if (si->si_code != CLD_EXITED)
                fail(p, PROCESS_KILLED, "it was killed by signal %d (%s)", si->si_status,
                     strsignal(si->si_status));
        else if (si->si_status != 0)
                fail(p, PROCESS_FAILED, "it exited with status %d", si->si_status);
        return finish(p);
}

static int on_failure(sd_event_source *source, void *userdata)
{
        return finish(userdata);
}

/* --- interface --------------------------------------------------------------------------------------- */

static int take_output(Process *p, const char *data, size_t n)
{
        return buf_append(&p->output, data, n);
}

static int take_error(Process *p, const char *data, size_t n)
{
        process_log_append(&p->log, data, n);
        return 0;
}

static int new_process(const ProcessSpec *spec, process_done_t done, void *userdata, Process **ret)
{
        const char *slash = strrchr(spec->argv[0], '/');
        Process *p;

        p = calloc(1, sizeof(*p));
        if (!p)
                return -ENOMEM;
        p->done = done;
        p->userdata = userdata;
        p->timeout = spec->timeout;
        p->output = BUF_INIT_SECRET(spec->output_max);
        p->out = (Stream){ .process = p, .fd = -1, .take = take_output };
        p->err = (Stream){ .process = p, .fd = -1, .take = take_error };
        p->log.name = strdup(slash ? slash + 1 : spec->argv[0]);
        if (!p->log.name) {
                free(p);
                return -ENOMEM;
        }
        *ret = p;
        return 0;
}

/* The source owns the child, so that it is killed and reaped with the loop at the latest. */
static int watch(sd_event *event, Process *p)
{
        int r;

        r = sd_event_add_child(event, &p->child, p->pid, WEXITED, on_child, p);
        if (r >= 0)
                r = sd_event_source_set_child_process_own(p->child, true);
        if (r >= 0)
                r = sd_event_add_io(event, &p->out.io, p->out.fd, EPOLLIN, on_io, &p->out);
        if (r >= 0)
                r = sd_event_add_io(event, &p->err.io, p->err.fd, EPOLLIN, on_io, &p->err);
        if (r >= 0 && p->timeout > 0)
                r = sd_event_add_time_relative(event, &p->timer, CLOCK_BOOTTIME, p->timeout, 0, on_timeout,
                                               p);
        return r;
}

int process_start(sd_event *event, const ProcessSpec *spec, process_done_t done, void *userdata,
                  Process **ret)
{
        _cleanup_(process_freep) Process *p = NULL;
        _cleanup_close_ int out = -1, err = -1;
        int r;

        if (!spec->argv[0])
                return -EINVAL;
        r = new_process(spec, done, userdata, &p);
        if (r >= 0)
                r = make_pipe(&p->out.fd, &out);
        if (r >= 0)
                r = make_pipe(&p->err.fd, &err);
        if (r < 0)
                return r;
        r = spawn(spec, out, err, &p->pid);
        if (r < 0) {
                p->pid = 0;
                fail(p, PROCESS_NOT_RUN, "cannot run it: %s", strerror(-r));
                r = sd_event_add_defer(event, &p->failure, on_failure, p);
        } else
                r = watch(event, p);
        if (r >= 0)
                *ret = TAKE_PTR(p);
        return r < 0 ? r : 0;
}

const Buf *process_output(const Process *p)
{
        return &p->output;
}

const char *process_error(const Process *p)
{
        return p->error;
}

const char *process_last_words(const Process *p)
{
        return p->log.last ? p->log.last : "";
}

Process *process_free(Process *p)
{
        if (!p)
                return NULL;
        abandon(p);
        stream_close(&p->out);
        stream_close(&p->err);
        (void) sd_event_source_disable_unref(p->timer);
        (void) sd_event_source_disable_unref(p->failure);
        (void) sd_event_source_disable_unref(p->child);
        process_log_done(&p->log);
        buf_done(&p->output);
        free(p);
        return NULL;
}
