/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "label-selector.h"

#include <errno.h>
#include <stdio.h>

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

#define BLANKS " \t\r\n"
#define SYMBOLS "=!(),><"

/* What errors show of a word. */
#define FOUND_MAX 80U

typedef enum Operator {
        OPERATOR_EXISTS,
        OPERATOR_ABSENT,
        OPERATOR_IN, /* "=" and "==" as well */
        OPERATOR_NOT_IN,
        OPERATOR_GREATER,
        OPERATOR_LESS,
} Operator;

typedef struct Requirement {
        char *text; /* as it was written */
        char *key;
        Operator op;
        char **values;
        size_t n_values;
        int64_t number; /* of the one value that is compared with */
} Requirement;

struct LabelSelector {
        char *text;
        Requirement *items;
        size_t n;
};

/* --- labels -------------------------------------------------------------------------------------------- */

static bool is_one_of(char c, const char *set)
{
        return c && strchr(set, c);
}

/* Letters and digits at both ends, and between them "-", "_" and "." too. */
static bool is_name(const char *s)
{
        size_t n = strlen(s);

        return n > 0 && is_one_of(s[0], LOWER UPPER DIGITS) && is_one_of(s[n - 1], LOWER UPPER DIGITS) &&
               strspn(s, LOWER UPPER DIGITS "-_.") == n;
}

/* A DNS-1123 subdomain, of n bytes: parts as of a host's name, of any length. */
static bool is_subdomain(const char *s, size_t n)
{
        if (n == 0 || n > LABEL_SELECTOR_PREFIX_MAX || strspn(s, LOWER DIGITS "-.") < n)
                return false;
        for (size_t i = 0; i < n; i++) {
                bool inside = i > 0 && i + 1 < n && s[i] == '-' && s[i - 1] != '.' && s[i + 1] != '.';
                bool between = i > 0 && i + 1 < n && s[i] == '.' && s[i - 1] != '.';

                if (!is_one_of(s[i], LOWER DIGITS) && !inside && !between)
                        return false;
        }
        return true;
}

const char *label_selector_key_problem(const char *key)
{
        const char *slash = strchr(key, '/'), *name = slash ? slash + 1 : key;

        if (slash && !is_subdomain(key, (size_t) (slash - key)))
                return "what is before the \"/\" of a key has up to 253 lower-case letters, digits, \"-\" "
                       "and "
                       "\".\", with a letter or digit at both ends and beside each \".\"";
        if (strlen(name) > LABEL_SELECTOR_NAME_MAX || !is_name(name))
                return "a key has up to 63 letters, digits, \"-\", \"_\" and \".\", with a letter or digit "
                       "at "
                       "both ends; one \"/\" may set off a domain before them";
        return NULL;
}

const char *label_selector_value_problem(const char *value)
{
        if (*value && (strlen(value) > LABEL_SELECTOR_NAME_MAX || !is_name(value)))
                return "a value has up to 63 letters, digits, \"-\", \"_\" and \".\", with a letter or "
                       "digit at "
                       "both ends";
        return NULL;
}

/* --- words ------------------------------------------------------------------------------------------- */

typedef enum TokenKind {
        TOKEN_END,
        TOKEN_WORD, /* a key or a value, or "in" or "notin" where an operator stands */
        TOKEN_COMMA,
        TOKEN_OPEN,
        TOKEN_CLOSE,
        TOKEN_NOT,
        TOKEN_EQUAL,
        TOKEN_NOT_EQUAL,
        TOKEN_GREATER,
        TOKEN_LESS,
} TokenKind;

typedef struct Token {
        TokenKind kind;
        size_t at, size;
} Token;

typedef struct Parser {
        const char *text;
        size_t at;   /* where the next token is looked for */
        char *error; /* LABEL_SELECTOR_ERROR_MAX bytes */
} Parser;

static TokenKind symbol_kind(const char *p, size_t *ret_size)
{
        *ret_size = *p ? 1 : 0;
        switch (*p) {
        case '\0':
                return TOKEN_END;
        case ',':
                return TOKEN_COMMA;
        case '(':
                return TOKEN_OPEN;
        case ')':
                return TOKEN_CLOSE;
        case '>':
                return TOKEN_GREATER;
        case '<':
                return TOKEN_LESS;
        default:
                *ret_size += p[1] == '=';
                return *p == '=' ? TOKEN_EQUAL : p[1] == '=' ? TOKEN_NOT_EQUAL : TOKEN_NOT;
        }
}

/* What comes next, which stays there. */
static Token peek(const Parser *p)
{
        Token t = { .at = p->at + strspn(p->text + p->at, BLANKS) };

        t.size = strcspn(p->text + t.at, BLANKS SYMBOLS);
        if (t.size > 0)
                t.kind = TOKEN_WORD;
        else
                t.kind = symbol_kind(p->text + t.at, &t.size);
        return t;
}

static Token next(Parser *p)
{
        Token t = peek(p);

        p->at = t.at + t.size;
        return t;
}

static int oom(const Parser *p)
{
        (void) snprintf(p->error, LABEL_SELECTOR_ERROR_MAX, "%s", strerror(ENOMEM));
        return -ENOMEM;
}

static int fail(const Parser *p, const Token *t, const char *why)
{
        char found[FOUND_MAX + 3] = "the end";

        if (t->kind != TOKEN_END)
                (void) snprintf(found, sizeof(found), "\"%.*s\"",
                                str_fit(p->text + t->at, t->size, FOUND_MAX), p->text + t->at);
        (void) snprintf(p->error, LABEL_SELECTOR_ERROR_MAX, "at character %zu, %s: %s", t->at + 1,
                        str_make_printable(found), why);
        return -EINVAL;
}

/* --- requirements ------------------------------------------------------------------------------------ */

static int parse_key(Parser *p, const Token *t, Requirement *r)
{
        const char *problem;

        if (t->kind != TOKEN_WORD)
                return fail(p, t, "there should be the key of a label");
        r->key = strndup(p->text + t->at, t->size);
        if (!r->key)
                return oom(p);
        problem = label_selector_key_problem(r->key);
        return problem ? fail(p, t, problem) : 0;
}

static int add_value(Parser *p, const Token *t, Requirement *r)
{
        char **longer = reallocarray(r->values, r->n_values + 1, sizeof(*longer)), *value;
        const char *problem;

        if (!longer)
                return oom(p);
        r->values = longer;
        value = t->kind == TOKEN_WORD ? strndup(p->text + t->at, t->size) : strdup("");
        if (!value)
                return oom(p);
        longer[r->n_values++] = value;
        problem = label_selector_value_problem(value);
        return problem ? fail(p, t, problem) : 0;
}

/* "=" with nothing behind it asks for an empty value. */
static int parse_value(Parser *p, Requirement *r)
{
        Token t = peek(p);

        if (t.kind == TOKEN_WORD)
                (void) next(p);
        else if (t.kind != TOKEN_END && t.kind != TOKEN_COMMA)
                return fail(p, &t, "there should be a value");
        return add_value(p, &t, r);
}

/* The functions for what is in parentheses return 1 before the ")". */

static int parse_word(Parser *p, const Token *word, Requirement *r)
{
        Token t = peek(p);
        int k;

        k = add_value(p, word, r);
        if (k < 0)
                return k;
        if (t.kind != TOKEN_COMMA && t.kind != TOKEN_CLOSE)
                return fail(p, &t, "there should be \",\" or \")\"");
        return t.kind == TOKEN_CLOSE;
}

/* A value may be left out before, behind and between commas. But the second of two commas is taken along,
 * and the parenthesis may not close behind it: Kubernetes takes "(,)" and "(a,)", and neither "(,,)" nor
 * "(a,,)".
 */
static int parse_comma(Parser *p, const Token *comma, Requirement *r)
{
        Token t = peek(p);
        int k;

        if (r->n_values > 0 && t.kind != TOKEN_COMMA && t.kind != TOKEN_CLOSE)
                return 0;
        k = add_value(p, comma, r);
        if (k < 0 || t.kind == TOKEN_CLOSE)
                return k < 0 ? k : 1;
        if (t.kind == TOKEN_COMMA)
                (void) next(p);
        return 0;
}

static int parse_values(Parser *p, Requirement *r)
{
        Token t = next(p);
        int k = 0;

        if (t.kind != TOKEN_OPEN)
                return fail(p, &t, "there should be \"(\"");
        t = peek(p);
        if (t.kind == TOKEN_CLOSE) /* "()" is one empty value */
                k = add_value(p, &t, r) < 0 ? -ENOMEM : 1;
        while (k == 0) {
                t = next(p);
                k = t.kind == TOKEN_WORD    ? parse_word(p, &t, r)
                    : t.kind == TOKEN_COMMA ? parse_comma(p, &t, r)
                                            : fail(p, &t, "there should be a value");
        }
        (void) next(p);
        return MIN(k, 0);
}

/* Whole numbers without a sign: a label's value has none. */
static bool scan_number(const char *s, int64_t *ret)
{
        if (!*s || strspn(s, "0123456789") < strlen(s))
                return false;
        errno = 0;
        *ret = strtoll(s, NULL, 10);
        return errno == 0;
}

static int parse_number(Parser *p, Requirement *r)
{
        Token t = peek(p);
        int k;

        k = parse_value(p, r);
        if (k < 0)
                return k;
        return scan_number(r->values[0], &r->number) ? 0 : fail(p, &t, "there should be a whole number");
}

static int parse_operator(Parser *p, Requirement *r)
{
        Token t = next(p);
        const char *word = p->text + t.at;

        switch (t.kind) {
        case TOKEN_EQUAL:
        case TOKEN_NOT_EQUAL:
                r->op = t.kind == TOKEN_EQUAL ? OPERATOR_IN : OPERATOR_NOT_IN;
                return parse_value(p, r);
        case TOKEN_GREATER:
        case TOKEN_LESS:
                r->op = t.kind == TOKEN_GREATER ? OPERATOR_GREATER : OPERATOR_LESS;
                return parse_number(p, r);
        case TOKEN_WORD:
                r->op = t.size == strlen("in") ? OPERATOR_IN : OPERATOR_NOT_IN;
                if ((t.size == strlen("in") && startswith(word, "in")) ||
                    (t.size == strlen("notin") && startswith(word, "notin")))
                        return parse_values(p, r);
                break;
        default:
                break;
        }
        return fail(p, &t, "there should be one of = == != in notin > < or \",\"");
}

static int parse_requirement(Parser *p, Requirement *r)
{
        Token t = next(p);
        bool absent = t.kind == TOKEN_NOT;
        int k;

        if (absent)
                t = next(p);
        k = parse_key(p, &t, r);
        if (k < 0)
                return k;
        t = peek(p);
        r->op = absent ? OPERATOR_ABSENT : OPERATOR_EXISTS;
        return absent || t.kind == TOKEN_END || t.kind == TOKEN_COMMA ? 0 : parse_operator(p, r);
}

/* --- the whole --------------------------------------------------------------------------------------- */

static void requirement_done(Requirement *r)
{
        for (size_t i = 0; i < r->n_values; i++)
                free(r->values[i]);
        free(r->values);
        free(r->key);
        free(r->text);
}

static int add_requirement(Parser *p, LabelSelector *s)
{
        _cleanup_(requirement_done) Requirement r = { 0 };
        size_t start = peek(p).at;
        Requirement *longer;
        int k;

        k = parse_requirement(p, &r);
        if (k < 0)
                return k;
        r.text = strndup(p->text + start, p->at - start);
        longer = reallocarray(s->items, s->n + 1, sizeof(*longer));
        if (longer)
                s->items = longer;
        if (!longer || !r.text)
                return oom(p);
        longer[s->n++] = r;
        r = (Requirement){ 0 }; /* the selector's now */
        return 0;
}

static int parse(Parser *p, LabelSelector *s)
{
        Token t = peek(p);
        int k;

        if (t.kind == TOKEN_END)
                return 0;
        do {
                k = add_requirement(p, s);
                if (k < 0)
                        return k;
                t = next(p);
        } while (t.kind == TOKEN_COMMA);
        return t.kind == TOKEN_END ? 0 : fail(p, &t, "there should be \",\" or nothing more");
}

int label_selector_parse(const char *text, LabelSelector **ret, char error[static LABEL_SELECTOR_ERROR_MAX])
{
        _cleanup_(label_selector_freep) LabelSelector *s = NULL;
        Parser p = { .text = text, .error = error };
        int k;

        if (strlen(text) > LABEL_SELECTOR_MAX) {
                (void) snprintf(error, LABEL_SELECTOR_ERROR_MAX, "it has more than %u bytes",
                                LABEL_SELECTOR_MAX);
                return -EINVAL;
        }
        s = calloc(1, sizeof(*s));
        if (!s || str_replace(&s->text, text) < 0)
                return oom(&p);
        k = parse(&p, s);
        if (k < 0)
                return k;
        *ret = TAKE_PTR(s);
        return 0;
}

static bool is_among(const Requirement *r, const char *value)
{
        for (size_t i = 0; i < r->n_values; i++)
                if (streq(r->values[i], value))
                        return true;
        return false;
}

static bool is_met(const Requirement *r, const char *value)
{
        int64_t number;

        switch (r->op) {
        case OPERATOR_EXISTS:
                return value;
        case OPERATOR_ABSENT:
                return !value;
        case OPERATOR_IN:
                return value && is_among(r, value);
        case OPERATOR_NOT_IN:
                return !value || !is_among(r, value);
        case OPERATOR_GREATER:
                return value && scan_number(value, &number) && number > r->number;
        case OPERATOR_LESS:
                return value && scan_number(value, &number) && number < r->number;
        }
        return false;
}

bool label_selector_matches(const LabelSelector *s, label_lookup_t lookup, const void *labels,
                            unsigned *ret_unmet)
{
        for (size_t i = 0; i < s->n; i++)
                if (!is_met(&s->items[i], lookup(s->items[i].key, labels))) {
                        *ret_unmet = (unsigned) i;
                        return false;
                }
        return true;
}

const char *label_selector_text(const LabelSelector *s)
{
        return s->text;
}

const char *label_selector_requirement(const LabelSelector *s, unsigned i)
{
        return i < s->n ? s->items[i].text : NULL;
}

LabelSelector *label_selector_free(LabelSelector *s)
{
        if (!s)
                return NULL;
        for (size_t i = 0; i < s->n; i++)
                requirement_done(&s->items[i]);
        free(s->items);
        free(s->text);
        free(s);
        return NULL;
}
