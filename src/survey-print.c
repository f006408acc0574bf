/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "json.h"
#include "survey-print.h"

#include <errno.h>
#include <stdarg.h>

/* Between columns, as in the tables of kubectl. */
#define GAP 3U

enum {
        COLUMN_NAMESPACE,
        COLUMN_WANTED,
        COLUMN_SECRET,
        COLUMN_EXPIRES,
        COLUMN_ACCOUNTS,
        COLUMN_NEXT,
        _COLUMN_MAX,
};

/* A rule is the longest that may be in one. */
#define CELL_MAX (MATCH_EXPLANATION_MAX + 64U)

typedef struct Line {
        char cells[_COLUMN_MAX][CELL_MAX];
} Line;

static bool has_column(const Survey *s, size_t column)
{
        return column != COLUMN_ACCOUNTS || s->accounts;
}

/* --- cells ----------------------------------------------------------------------------------------- */

static void _printf_(2, 3) put(char cell[static CELL_MAX], const char *format, ...)
{
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(cell, CELL_MAX, format, ap);
        va_end(ap);
        (void) str_make_printable(cell);
}

static void format_wanted(const SurveyRow *row, char cell[static CELL_MAX])
{
        MatchVerdict verdict = row->node->target.verdict;

        put(cell, "%s",
            verdict == MATCH_WANTED        ? "yes"
            : verdict == MATCH_TERMINATING ? "terminating"
                                           : row->rule);
}

static void format_secret(const SurveyRow *row, char cell[static CELL_MAX])
{
        static const char *const words[_SURVEY_STATE_MAX] = {
                [SURVEY_NONE] = "none",
                [SURVEY_MISSING] = "missing",
                [SURVEY_GOOD] = "good",
                [SURVEY_EXPIRED] = "expired",
                [SURVEY_OTHER_HOSTS] = "other hosts",
                [SURVEY_OTHER_LABELS] = "other labels",
                [SURVEY_EDITED] = "edited",
                [SURVEY_FOREIGN] = "foreign",
                [SURVEY_IMMUTABLE] = "immutable",
                [SURVEY_GOING] = "being deleted",
                [SURVEY_KEPT] = "kept (excluded)",
        };
        bool whose = *row->manager && (row->state == SURVEY_FOREIGN || row->state == SURVEY_EDITED);

        if (whose)
                put(cell, "%s (%sby %s)", words[row->state], row->state == SURVEY_FOREIGN ? "written " : "",
                    row->manager);
        else
                put(cell, "%s", words[row->state]);
}

static void format_expires(const SurveyRow *row, usec_t now, char cell[static CELL_MAX])
{
        char when[CLOCK_RFC3339_MAX], left[CLOCK_DURATION_MAX];

        if (row->expires == 0) {
                put(cell, "-");
                return;
        }
        (void) clock_format_rfc3339(when, row->expires);
        if (row->expires > now)
                put(cell, "%s (in %s)", when, clock_format_duration(left, row->expires - now));
        else
                put(cell, "%s (%s ago)", when, clock_format_duration(left, now - row->expires));
}

static void format_accounts(const Survey *s, const SurveyRow *row, char cell[static CELL_MAX])
{
        if (s->accounts_unknown)
                put(cell, "unknown");
        else if (row->accounts > 0)
                put(cell, "%u of %u", row->named, row->accounts);
        else
                put(cell, "-");
}

static void format_next(const SurveyRow *row, usec_t now, char cell[static CELL_MAX])
{
        const char *word = survey_row_next(row);
        char left[CLOCK_DURATION_MAX];

        if (row->due > now && row->plan.reason != PLAN_REFUSED)
                put(cell, "%s in %s", word, clock_format_duration(left, row->due - now));
        else
                put(cell, "%s%s", word, row->plan.reason == PLAN_SHARED ? ", others wrote to it" : "");
}

static void format_line(const Survey *s, const SurveyRow *row, Line *ret)
{
        put(ret->cells[COLUMN_NAMESPACE], "%s", row->node->name);
        format_wanted(row, ret->cells[COLUMN_WANTED]);
        format_secret(row, ret->cells[COLUMN_SECRET]);
        format_expires(row, s->now, ret->cells[COLUMN_EXPIRES]);
        format_accounts(s, row, ret->cells[COLUMN_ACCOUNTS]);
        format_next(row, s->now, ret->cells[COLUMN_NEXT]);
}

/* --- the table ------------------------------------------------------------------------------------- */

/* In characters, not bytes: names of field managers may have any. */
static size_t width(const char *text)
{
        size_t n = 0;

        for (; *text; text++)
                n += ((unsigned char) *text & 0xc0) != 0x80;
        return n;
}

static void widen(const Line *line, size_t *widths)
{
        for (size_t i = 0; i < _COLUMN_MAX; i++)
                widths[i] = MAX(widths[i], width(line->cells[i]));
}

/* Nothing is put behind the last column. */
static void print_line(const Survey *s, const Line *line, const size_t *widths, FILE *f)
{
        for (size_t i = 0; i < _COLUMN_MAX; i++) {
                size_t pad = i == COLUMN_NEXT ? 0 : widths[i] - width(line->cells[i]) + GAP;

                if (has_column(s, i))
                        (void) fprintf(f, "%s%*s", line->cells[i], (int) pad, "");
        }
        (void) fputc('\n', f);
}

/* Each line is made twice, so that none has to be kept. */
static void print_table(const Survey *s, FILE *f)
{
        static const Line titles = { .cells = { "NAMESPACE", "WANTED", "SECRET", "EXPIRES", "ACCOUNTS",
                                                "NEXT" } };
        size_t widths[_COLUMN_MAX] = { 0 };
        Line line;

        widen(&titles, widths);
        for (size_t i = 0; i < s->n; i++) {
                format_line(s, &s->rows[i], &line);
                widen(&line, widths);
        }
        print_line(s, &titles, widths, f);
        for (size_t i = 0; i < s->n; i++) {
                format_line(s, &s->rows[i], &line);
                print_line(s, &line, widths, f);
        }
}

/* As at the end of "eatr once", but for what only shows in a write. */
static void print_summary(const Survey *s, FILE *f)
{
        unsigned fresh = 0, due = 0, pending = 0, conflict = 0, excluded = 0;

        for (size_t i = 0; i < s->n; i++) {
                const SurveyRow *row = &s->rows[i];
                PlanReason reason = row->plan.reason;

                if (row->node->target.verdict != MATCH_WANTED)
                        excluded++;
                else if (row->due > 0)
                        fresh++;
                else if (reason == PLAN_FOREIGN || reason == PLAN_REFUSED)
                        conflict++;
                else if (row->pulls)
                        due++;
                else
                        pending++;
        }
        (void) fprintf(f, "%zu namespaces: %u fresh, %u due, %u pending, %u in conflict, %u excluded\n",
                       s->n, fresh, due, pending, conflict, excluded);
}

void survey_print_text(const Survey *s, FILE *f)
{
        print_table(s, f);
        print_summary(s, f);
}

/* --- JSON ------------------------------------------------------------------------------------------ */

static void add_text(cJSON *object, const char *key, const char *text)
{
        if (text)
                (void) cJSON_AddStringToObject(object, key, text);
        else
                (void) cJSON_AddNullToObject(object, key);
}

static void add_time(cJSON *object, const char *key, usec_t t)
{
        char text[CLOCK_RFC3339_MAX];

        add_text(object, key, t > 0 ? clock_format_rfc3339(text, t) : NULL);
}

static void add_count(cJSON *object, const char *key, bool known, unsigned count)
{
        if (known)
                (void) cJSON_AddNumberToObject(object, key, count);
        else
                (void) cJSON_AddNullToObject(object, key);
}

static cJSON *make_object(const Survey *s, const SurveyRow *row)
{
        cJSON *j = cJSON_CreateObject();
        MatchVerdict verdict = row->node->target.verdict;
        bool accounts = s->accounts && !s->accounts_unknown;

        add_text(j, "namespace", row->node->name);
        (void) cJSON_AddBoolToObject(j, "wanted", verdict == MATCH_WANTED);
        add_text(j, "verdict", match_verdict_to_string(verdict));
        add_text(j, "rule", row->rule);
        add_text(j, "secret", survey_state_to_string(row->state));
        add_text(j, "manager", *row->manager ? row->manager : NULL);
        add_time(j, "expires_at", row->expires);
        add_text(j, "next", survey_row_next(row));
        add_text(j, "reason", plan_reason_to_string(row->plan.reason));
        add_time(j, "next_at", row->due);
        add_count(j, "service_accounts", accounts, row->accounts);
        add_count(j, "service_accounts_named", accounts, row->named);
        return j;
}

int survey_print_json(const Survey *s, FILE *f)
{
        _cleanup_json_ cJSON *all = cJSON_CreateArray();
        _cleanup_free_ char *text = NULL;

        for (size_t i = 0; i < s->n; i++)
                cJSON_AddItemToArray(all, make_object(s, &s->rows[i]));
        text = json_print(all);
        if (!text)
                return -ENOMEM;
        (void) fprintf(f, "%s\n", text);
        return 0;
}
