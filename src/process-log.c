/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "log.h"
#include "process-log.h"
#include "redact.h"

static void drop_trailing_blanks(char *s)
{
        size_t n = strlen(s);

        while (n > 0 && s[n - 1] == ' ')
                n--;
        s[n] = '\0';
}

/* What the line says, fit for the log; NULL when memory is out. */
static char *make_text(ProcessLog *l)
{
        bool cut = l->size > PROCESS_LOG_LINE_MAX;
        _cleanup_free_ char *text = NULL;

        l->line[str_fit(l->line, l->size, PROCESS_LOG_LINE_MAX)] = '\0';
        text = redact(str_make_printable(l->line), cut);
        if (!text)
                return NULL;
        drop_trailing_blanks(text);
        return cut ? str_printf("%s...", text) : TAKE_PTR(text);
}

static void end_line(ProcessLog *l)
{
        _cleanup_free_ char *text = make_text(l);

        explicit_bzero(l->line, sizeof(l->line));
        l->size = 0;
        if (!text || !*text)
                return;
        if (++l->lines <= PROCESS_LOG_LINES_MAX)
                log_warning("%s: %s", l->name, text);
        free(l->last);
        l->last = TAKE_PTR(text);
}

void process_log_append(ProcessLog *l, const char *p, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if (p[i] == '\n')
                        end_line(l);
                else if (p[i] && l->size <= PROCESS_LOG_LINE_MAX)
                        l->line[l->size++] = p[i]; /* but no NUL, which in UTF-16 splits every word */
}

void process_log_end(ProcessLog *l)
{
        end_line(l);
        if (l->lines > PROCESS_LOG_LINES_MAX)
                log_warning("%s: (%zu more lines)", l->name, l->lines - PROCESS_LOG_LINES_MAX);
}

void process_log_done(ProcessLog *l)
{
        free(l->name);
        free(l->last);
        explicit_bzero(l, sizeof(*l));
}
