/* SPDX-License-Identifier: MIT */
#pragma once

#include "buf.h"
#include "clock.h"

#include <systemd/sd-event.h>

/* Runs a program on sd-event, without a shell, and collects what it prints. Its standard input is empty;
 * what it says on standard error goes to the log, redacted. It is the leader of a process group of its own,
 * gets no descriptor but those three, and signals are for it as they are for any program. */

typedef struct Process Process;

/* What came of it. */
typedef enum ProcessOutcome {
        PROCESS_OK,        /* it ended with status 0 */
        PROCESS_FAILED,    /* it ended with another one */
        PROCESS_KILLED,    /* a signal ended it */
        PROCESS_TIMEOUT,   /* it did not end in time */
        PROCESS_TOO_LARGE, /* it printed more than is taken */
        PROCESS_NOT_RUN,   /* it could not be started: no such program, not executable, no process left */
        _PROCESS_OUTCOME_MAX,
} ProcessOutcome;

/* Called exactly once for each process, from the event loop, unless the process is freed first: then never.
 * By then it has ended, or its process group has been killed. Programs that it has left behind are not
 * waited for, even if they hold its pipes open. May free the process and start others. */
typedef void (*process_done_t)(Process *p, ProcessOutcome outcome, void *userdata);

typedef struct ProcessSpec {
        char *const *argv; /* the program, looked up in our PATH unless it has a slash, and its arguments */
        char *const *env;  /* its environment; see process_environment() */
        usec_t timeout;    /* 0: none */
        size_t output_max; /* as many bytes of standard output are taken; more end it */
} ProcessSpec;

/* Makes the environment for a program: ours, without what the service manager says to us alone, and with the
 * "NAME=value"s of additions (NULL: none; else NULL-terminated), which stand in for ours of the same name.
 * ret is freed with words_free(). Returns 0 or -ENOMEM. */
int process_environment(char *const *additions, char ***ret);

/* Starts a program; nothing is called back before this returns, not even that it could not be run. spec is
 * copied. SIGCHLD has to be blocked in the whole process. Returns 0 or a negative errno, which is about us
 * and not the program: no memory, no descriptor. */
int process_start(sd_event *event, const ProcessSpec *spec, process_done_t done, void *userdata,
                  Process **ret);

/* What it has printed, wiped with the process; never NULL. It is complete only if the outcome is PROCESS_OK.
 */
const Buf *process_output(const Process *p);

/* Why the outcome is not PROCESS_OK, for people, as the second half of a sentence: "it exited with status
 * 1", "cannot run it: No such file or directory"; "" if it is. */
const char *process_error(const Process *p);

/* The last line that it printed on standard error, redacted; "" if there was none. */
const char *process_last_words(const Process *p);

/* Frees a process; if it still runs, its process group is killed and the event loop reaps it. NULL is fine.
 */
Process *process_free(Process *p);
DEFINE_TRIVIAL_CLEANUP_FUNC(Process *, process_free);
