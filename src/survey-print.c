/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "json.h"
#include "survey-print.h"

#include <errno.h>

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

typedef struct Line {
        char *cells[_COLUMN_MAX]; /* NULL: no such column, or no memory */
} Line;

static bool has_column(const Survey *s, size_t column)
{
        return column != COLUMN_ACCOUNTS || s->accounts;
}

/* --- cells ----------------------------------------------------------------------------------------- */

static char *format_wanted(const SurveyRow *row)
{
        MatchVerdict verdict = row->node->target.verdict;

        return strdup(verdict == MATCH_WANTED        ? "yes"
                      : verdict == MATCH_TERMINATING ? "terminating"
                                                     : row->rule);
}

static char *format_secret(const SurveyRow *row)
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

        return whose ? str_printf("%s (%sby %s)", words[row->state],
                                  row->state == SURVEY_FOREIGN ? "written " : "", row->manager)
                     : strdup(words[row->state]);
}

static char *format_expires(const SurveyRow *row, usec_t now)
{
        char when[CLOCK_RFC3339_MAX], left[CLOCK_DURATION_MAX];

        if (row->expires == 0)
                return strdup("-");
        (void) clock_format_rfc3339(when, row->expires);
        if (row->expires > now)
                return str_printf("%s (in %s)", when, clock_format_duration(left, row->expires - now));
        return str_printf("%s (%s ago)", when, clock_format_duration(left, now - row->expires));
}

static char *format_accounts(const Survey *s, const SurveyRow *row)
{
        if (s->accounts_unknown)
                return strdup("unknown");
        return row->accounts > 0 ? str_printf("%u of %u", row->named, row->accounts) : strdup("-");
}

static char *format_next(const SurveyRow *row, usec_t now)
{
        const char *word = survey_row_next(row);
        char left[CLOCK_DURATION_MAX];

        if (row->due > now)
                return str_printf("%s in %s", word, clock_format_duration(left, row->due - now));
        return row->plan.reason == PLAN_SHARED ? str_printf("%s, others wrote to it", word) : strdup(word);
}

static bool format_line(const Survey *s, const SurveyRow *row, Line *ret)
{
        *ret = (Line){ .cells = {
                               [COLUMN_NAMESPACE] = strdup(row->node->name),
                               [COLUMN_WANTED] = format_wanted(row),
                               [COLUMN_SECRET] = format_secret(row),
                               [COLUMN_EXPIRES] = format_expires(row, s->now),
                               [COLUMN_ACCOUNTS] = format_accounts(s, row),
                               [COLUMN_NEXT] = format_next(row, s->now),
                       } };
        for (size_t i = 0; i < _COLUMN_MAX; i++) {
                if (!ret->cells[i])
                        return false;
                (void) str_make_printable(ret->cells[i]);
        }
        return true;
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

static void widen(const Survey *s, const char *const *cells, size_t *widths)
{
        for (size_t i = 0; i < _COLUMN_MAX; i++)
                if (has_column(s, i))
                        widths[i] = MAX(widths[i], width(cells[i]));
}

/* Nothing is put behind the last column. */
static void print_line(const Survey *s, const char *const *cells, const size_t *widths, FILE *f)
{
        for (size_t i = 0; i < _COLUMN_MAX; i++) {
                size_t pad = i == COLUMN_NEXT ? 0 : widths[i] - width(cells[i]) + GAP;

                if (has_column(s, i))
                        (void) fprintf(f, "%s%*s", cells[i], (int) pad, "");
        }
        (void) fputc('\n', f);
}

static void print_table(const Survey *s, const Line *lines, FILE *f)
{
        static const char *const titles[_COLUMN_MAX] = { "NAMESPACE", "WANTED",   "SECRET",
                                                         "EXPIRES",   "ACCOUNTS", "NEXT" };
        size_t widths[_COLUMN_MAX] = { 0 };

        widen(s, titles, widths);
        for (size_t i = 0; i < s->n; i++)
                widen(s, (const char *const *) lines[i].cells, widths);
        print_line(s, titles, widths, f);
        for (size_t i = 0; i < s->n; i++)
                print_line(s, (const char *const *) lines[i].cells, widths, f);
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
                else if (reason == PLAN_FRESH)
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

static void free_lines(Line *lines, size_t n)
{
        for (size_t i = 0; i < n; i++)
                for (size_t column = 0; column < _COLUMN_MAX; column++)
                        free(lines[i].cells[column]);
        free(lines);
}

int survey_print_text(const Survey *s, FILE *f)
{
        Line *lines = calloc(s->n + 1, sizeof(*lines));
        bool whole = lines;

        for (size_t i = 0; whole && i < s->n; i++)
                whole = format_line(s, &s->rows[i], &lines[i]);
        if (whole) {
                print_table(s, lines, f);
                print_summary(s, f);
        }
        free_lines(lines, lines ? s->n : 0);
        return whole ? 0 : -ENOMEM;
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
