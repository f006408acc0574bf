/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "aws-ini.h"

#include <ctype.h>
#include <errno.h>

/* What configparser calls the section that the others inherit from; the profile is [default]. */
#define INHERITED "DEFAULT"

/* A piece of the text. */
typedef struct Slice {
        const char *start;
        size_t size;
} Slice;

typedef struct Reader {
        AwsIni *ini;
        Slice rest;             /* what is still to read */
        unsigned line;          /* the number of the line that was read last */
        size_t indent;          /* of the last section or key */
        AwsIniSection *section; /* the last one */
        AwsIniValue *value;     /* the last one since the section's start */
        ConfError *error;
} Reader;

static bool is_blank(char c)
{
        return c == ' ' || c == '\t';
}

/* Takes the next line out of what is left, without what ends it and the blanks behind it. */
static Slice take_line(Reader *r)
{
        const char *newline = memchr(r->rest.start, '\n', r->rest.size);
        Slice line = { r->rest.start, newline ? (size_t) (newline - r->rest.start) : r->rest.size };
        size_t taken = line.size + (newline != NULL);

        r->rest = (Slice){ r->rest.start + taken, r->rest.size - taken };
        r->line++;
        if (line.size > 0 && line.start[line.size - 1] == '\r')
                line.size--;
        while (line.size > 0 && is_blank(line.start[line.size - 1]))
                line.size--;
        return line;
}

/* What is left of a slice without its first n bytes and the blanks behind them. */
static Slice skip(Slice s, size_t n)
{
        while (n < s.size && is_blank(s.start[n]))
                n++;
        return (Slice){ s.start + n, s.size - n };
}

static AwsIniSection *find_section(const AwsIni *ini, const char *name, size_t size)
{
        for (size_t i = 0; i < ini->n_sections; i++)
                if (strncmp(ini->sections[i].name, name, size) == 0 && !ini->sections[i].name[size])
                        return &ini->sections[i];
        return NULL;
}

static const AwsIniValue *find_value(const AwsIniSection *s, const char *key)
{
        for (size_t i = 0; i < s->n_values; i++)
                if (streq(s->values[i].key, key))
                        return &s->values[i];
        return NULL;
}

static int add_section(Reader *r, Slice name)
{
        AwsIni *ini = r->ini;
        AwsIniSection *sections;
        char *copy;

        if (ini->n_sections >= AWS_INI_SECTIONS_MAX)
                return conf_error_set(r->error, -E2BIG, "there are more than %u sections",
                                      AWS_INI_SECTIONS_MAX);
        sections = reallocarray(ini->sections, ini->n_sections + 1, sizeof(*sections));
        if (!sections)
                return conf_error_oom(r->error);
        ini->sections = sections;
        copy = strndup(name.start, name.size);
        if (!copy)
                return conf_error_oom(r->error);
        r->section = &sections[ini->n_sections++];
        *r->section = (AwsIniSection){ .name = copy };
        return 0;
}

static int start_section(Reader *r, Slice name)
{
        r->value = NULL;
        r->section = find_section(r->ini, name.start, name.size);
        if (!r->section)
                return add_section(r, name);
        if (!streq(r->section->name, INHERITED))
                return conf_error_set(r->error, -EEXIST, "there is a section %s already",
                                      CONF_ERROR_QUOTE(r->section->name));
        return 0;
}

static char *lower(Slice s)
{
        char *copy = strndup(s.start, s.size);

        for (char *p = copy; p && *p; p++)
                *p = (char) tolower((unsigned char) *p);
        return copy;
}

static int add_value(Reader *r, Slice name, Slice text)
{
        _cleanup_free_ char *key = lower(name);
        AwsIniSection *s = r->section;
        AwsIniValue *values;

        if (!key)
                return conf_error_oom(r->error);
        if (find_value(s, key))
                return conf_error_set(r->error, -EEXIST, "%s has a value already, from line %u",
                                      CONF_ERROR_QUOTE(key), find_value(s, key)->line);
        if (s->n_values >= AWS_INI_KEYS_MAX)
                return conf_error_set(r->error, -E2BIG, "there are more than %u keys in the section",
                                      AWS_INI_KEYS_MAX);
        if (text.size > AWS_INI_VALUE_MAX)
                return conf_error_set(r->error, -EMSGSIZE, "the value is longer than %u bytes",
                                      AWS_INI_VALUE_MAX);
        values = reallocarray(s->values, s->n_values + 1, sizeof(*values));
        if (!values)
                return conf_error_oom(r->error);
        s->values = values;
        r->value = &values[s->n_values];
        *r->value = (AwsIniValue){ .text = strndup(text.start, text.size), .line = r->line };
        if (!r->value->text)
                return conf_error_oom(r->error);
        r->value->key = TAKE_PTR(key);
        s->n_values++;
        return 0;
}

static int start_value(Reader *r, Slice line)
{
        Slice name = line;
        size_t n = 0;

        if (!r->section)
                return conf_error_set(r->error, -EINVAL, "there is no [SECTION] before this line");
        while (n < line.size && line.start[n] != '=' && line.start[n] != ':')
                n++;
        if (n == 0 || n == line.size)
                return conf_error_set(r->error, -EINVAL, "neither [SECTION] nor KEY = VALUE");
        for (name.size = n; is_blank(name.start[name.size - 1]); name.size--)
                ;
        return add_value(r, name, skip(line, n + 1));
}

/* A line below a key that belongs to it. */
static int continue_value(Reader *r, Slice line)
{
        AwsIniValue *v = r->value;
        char *longer;

        if (!*v->text) {
                v->nested = true;
                return memchr(line.start, '=', line.size)
                               ? 0
                               : conf_error_set(r->error, -EINVAL,
                                                "the indented lines below %s are not NAME = VALUE",
                                                CONF_ERROR_QUOTE(v->key));
        }
        if (strlen(v->text) + 1 + line.size > AWS_INI_VALUE_MAX)
                return conf_error_set(r->error, -EMSGSIZE, "the value is longer than %u bytes",
                                      AWS_INI_VALUE_MAX);
        longer = str_printf("%s %.*s", v->text, (int) line.size, line.start);
        if (!longer)
                return conf_error_oom(r->error);
        (void) str_erase_free(v->text);
        v->text = longer;
        return 0;
}

/* The size up to the last "]" of a line that starts with "["; 0: it is no section's. */
static size_t section_size(Slice line)
{
        size_t n = line.size;

        while (n > 0 && line.start[n - 1] != ']')
                n--;
        return *line.start == '[' && n > 2 ? n : 0;
}

static int check_characters(Slice s, ConfError *error)
{
        for (size_t i = 0; i < s.size; i++) {
                unsigned char c = (unsigned char) s.start[i];

                if ((c < ' ' && c != '\t') || c == 0x7f)
                        return conf_error_set(error, -EINVAL,
                                              "there is a control character (0x%02x) in the text", c);
        }
        return 0;
}

static int read_line(Reader *r)
{
        Slice line = take_line(r), text = skip(line, 0);
        size_t indent = line.size - text.size, n;
        int k;

        k = check_characters(line, r->error);
        if (k < 0)
                return k;
        if (text.size == 0 || *text.start == '#' || *text.start == ';')
                return 0;
        if (r->value && indent > r->indent)
                return continue_value(r, text);
        r->indent = indent;
        n = section_size(text);
        if (n > 0)
                return start_section(r, (Slice){ text.start + 1, n - 2 });
        return start_value(r, text);
}

int aws_ini_parse(const char *path, const char *text, size_t size, AwsIni *ret, ConfError *error)
{
        Reader r = { .ini = ret, .rest = { text, size }, .error = error };
        int k = 0;

        *ret = (AwsIni){ 0 };
        if (size > AWS_INI_SIZE_MAX)
                k = conf_error_set(error, -EFBIG, "it is larger than 1 MiB");
        if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
                r.rest = (Slice){ text + 3, size - 3 };
        while (k >= 0 && r.rest.size > 0)
                k = read_line(&r);
        if (k >= 0)
                return 0;
        if (r.line > 0)
                conf_error_prefix(error, "%s:%u: ", path, r.line);
        else
                conf_error_prefix(error, "%s: ", path);
        aws_ini_done(ret);
        return k;
}

const AwsIniSection *aws_ini_section(const AwsIni *ini, const char *name)
{
        return streq(name, INHERITED) ? NULL : find_section(ini, name, strlen(name));
}

const AwsIniValue *aws_ini_get(const AwsIni *ini, const AwsIniSection *section, const char *key)
{
        const AwsIniSection *inherited = find_section(ini, INHERITED, strlen(INHERITED));
        const AwsIniValue *v;

        if (!section)
                return NULL;
        v = find_value(section, key);
        return v || !inherited ? v : find_value(inherited, key);
}

bool aws_ini_split_header(const char *header, char *ret)
{
        bool in_word = false;
        size_t words = 0;
        char quote = '\0';

        for (const char *p = header; *p; p++) {
                if (!quote && (*p == ' ' || *p == '\t')) {
                        in_word = false;
                        continue;
                }
                words += !in_word;
                in_word = true;
                if (*p == quote || (!quote && (*p == '"' || *p == '\''))) {
                        quote = *p == quote ? '\0' : *p;
                        continue;
                }
                if (*p == '\\' && quote != '\'') {
                        if (!p[1])
                                return false;
                        p += !quote || p[1] == '"' || p[1] == '\\';
                }
                if (words == 2)
                        *ret++ = *p;
        }
        *ret = '\0';
        return !quote && words == 2;
}

static void section_done(AwsIniSection *s)
{
        for (size_t i = 0; i < s->n_values; i++) {
                free(s->values[i].key);
                (void) str_erase_free(s->values[i].text);
        }
        free(s->values);
        free(s->name);
}

void aws_ini_done(AwsIni *ini)
{
        for (size_t i = 0; i < ini->n_sections; i++)
                section_done(&ini->sections[i]);
        free(ini->sections);
        *ini = (AwsIni){ 0 };
}
