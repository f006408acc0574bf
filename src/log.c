/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
/* Own CODE_FILE fields would name log.c each time. */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#define LINE_MAX_SIZE 2048U

/* The one exception to "no global state": where messages go belongs to the process, as stderr does. */
static struct {
        bool journal;
        int verbosity;
} log_state;

/* systemd sets JOURNAL_STREAM to the device and inode of the journal's socket; only when stderr still is
 * that socket do messages belong there (systemd.exec(5)). */
static bool stderr_is_journal(void)
{
        const char *e = getenv("JOURNAL_STREAM");
        struct stat st;
        char *colon;

        if (!e || fstat(STDERR_FILENO, &st) < 0)
                return false;
        return strtoull(e, &colon, 10) == st.st_dev && *colon == ':' &&
               strtoull(colon + 1, NULL, 10) == st.st_ino;
}

void log_open(int verbosity)
{
        log_state.journal = stderr_is_journal();
        log_state.verbosity = verbosity;
}

int log_verbosity(void)
{
        return log_state.verbosity;
}

static size_t file_stem(const char **file)
{
        const char *slash = strrchr(*file, '/');
        const char *dot;

        if (slash)
                *file = slash + 1;
        dot = strrchr(*file, '.');
        return dot ? (size_t) (dot - *file) : strlen(*file);
}

static void log_journal(int level, const char *tag, size_t tag_size, const LogField *fields,
                        const char *message)
{
        char priority[] = "PRIORITY=x", module[64], extra[LOG_FIELDS_MAX][512];
        struct iovec iov[4 + LOG_FIELDS_MAX];
        int n = 0;

        priority[strlen("PRIORITY=")] = (char) ('0' + (level & 7));
        (void) snprintf(module, sizeof(module), "EATR_MODULE=%.*s", (int) tag_size, tag);
        iov[n++] = (struct iovec){ priority, strlen(priority) };
        iov[n++] = (struct iovec){ (char *) "SYSLOG_IDENTIFIER=eatr", strlen("SYSLOG_IDENTIFIER=eatr") };
        iov[n++] = (struct iovec){ module, strlen(module) };
        iov[n++] = (struct iovec){ (char *) message, strlen(message) };
        for (size_t i = 0; fields && i < LOG_FIELDS_MAX && fields[i].name; i++) {
                if (!fields[i].value)
                        continue;
                (void) snprintf(extra[i], sizeof(extra[i]), "%s=%s", fields[i].name, fields[i].value);
                iov[n++] = (struct iovec){ extra[i], strlen(extra[i]) };
        }
        (void) sd_journal_sendv(iov, n);
}

/* A plain line. When debugging, the time and the module help; else they are in the way. */
static void log_stderr(int level, const char *tag, size_t tag_size, const char *message)
{
        static const char *const names[] = { "", "", "", "error: ", "warning: ", "", "", "" };
        char now[32] = "";
        struct timespec ts;
        struct tm tm;

        if (log_state.verbosity < LOG_VERBOSITY_DEBUG) {
                (void) fprintf(stderr, "eatr: %s%s\n", names[level & 7], message);
                return;
        }
        (void) clock_gettime(CLOCK_REALTIME, &ts);
        if (localtime_r(&ts.tv_sec, &tm))
                (void) strftime(now, sizeof(now), "%H:%M:%S", &tm);
        (void) fprintf(stderr, "%s.%03ld %.*s: %s%s\n", now, ts.tv_nsec / 1000000, (int) tag_size, tag,
                       names[level & 7], message);
}

/* The least important level that is sent. */
static int last_level(void)
{
        if (log_state.verbosity >= LOG_VERBOSITY_DEBUG)
                return LOG_DEBUG;
        return log_state.verbosity <= LOG_VERBOSITY_ERRORS ? LOG_ERR : LOG_INFO;
}

void log_full(int level, const char *file, int error, const LogField *fields, const char *format, ...)
{
        char line[LINE_MAX_SIZE] = "MESSAGE=";
        char *message = line + strlen("MESSAGE=");
        size_t tag_size = file_stem(&file);
        int saved = errno;
        va_list ap;

        if (level > last_level())
                return;
        errno = error < 0 ? -error : error;
        va_start(ap, format);
        (void) vsnprintf(message, sizeof(line) - strlen("MESSAGE="), format, ap);
        va_end(ap);
        (void) str_make_printable(message);
        if (log_state.journal)
                log_journal(level, file, tag_size, fields, line);
        else
                log_stderr(level, file, tag_size, message);
        errno = saved;
}
