/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "conf-file.h"

#include "file.h"

#include <errno.h>
#include <ini.h>
#include <sys/stat.h>

static int fail_too_large(ConfError *error)
{
        return conf_error_set(error, -EFBIG, "it is larger than 1 MiB");
}

static int fail_read(int r, ConfError *error)
{
        switch (r) {
        case -EISDIR:
                return conf_error_set(error, r, "it is a directory, not a file");
        case -EINVAL:
                return conf_error_set(error, r, "it is not a regular file");
        case -EMSGSIZE:
                return fail_too_large(error);
        default:
                return conf_error_set(error, r, "cannot open it: %m");
        }
}

int conf_file_read(const char *path, Buf *text, mode_t *ret_mode, ConfError *error)
{
        struct stat st;
        int r;

        r = file_read(path, text);
        if (r >= 0 && stat(path, &st) < 0)
                r = -errno;
        if (r < 0) {
                r = fail_read(r, error);
                conf_error_prefix(error, "%s: ", path);
                return r;
        }
        *ret_mode = st.st_mode;
        return 0;
}

/* A piece of the text. */
typedef struct Slice {
        const char *start;
        size_t size;
} Slice;

/* One text on its way through inih. inih is handed names only: each build of it cuts lines at a length of
 * its own (Debian's at 200 bytes), some end a value at " ;", and none says whether a value continues the one
 * before or from which line it is. So the reader keeps each value for the handler, hands inih "NAME =", and
 * hands it the same again for an indented line. No value gets into inih's buffer, which is not wiped; and
 * the name of a section, of which inih keeps 49 bytes, is kept here too. */
typedef struct Parser {
        const ConfFileHandler *handler;
        void *userdata;
        Slice rest;     /* what is still to read */
        char *section;  /* the name of the last section; NULL: none yet */
        Slice name;     /* of the last key, with its "="; empty: none since the section's start */
        Slice value;    /* in the line that was read last */
        bool continued; /* that line is indented below a key */
        unsigned line;  /* its number */
        int r;          /* a handler's or the reader's error, which ends the reading */
        ConfError *error;
} Parser;

/* Takes the next line out of a text, without what ends it. */
static Slice take_line(Slice *text)
{
        const char *newline = memchr(text->start, '\n', text->size);
        Slice line = { text->start, newline ? (size_t) (newline - text->start) : text->size };
        size_t taken = line.size + (newline != NULL);

        text->start += taken;
        text->size -= taken;
        if (line.size > 0 && line.start[line.size - 1] == '\r')
                line.size--;
        return line;
}

static bool is_blank(char c)
{
        return c == ' ' || c == '\t';
}

/* Cuts the blanks at both ends. */
static Slice strip(Slice s)
{
        while (s.size > 0 && is_blank(s.start[s.size - 1]))
                s.size--;
        for (; s.size > 0 && is_blank(*s.start); s.start++)
                s.size--;
        return s;
}

int conf_file_check_characters(const char *s, size_t size, ConfError *error)
{
        for (size_t i = 0; i < size; i++) {
                unsigned char c = (unsigned char) s[i];

                if ((c < ' ' && c != '\t') || c == 0x7f)
                        return conf_error_set(error, -EINVAL,
                                              "there is a control character (0x%02x) in the text", c);
        }
        return 0;
}

static int enter_section(Parser *p, Slice line)
{
        if (!memchr(line.start, ']', line.size))
                return conf_error_set(p->error, -EINVAL, "\"[\" without \"]\"");
        if (line.start[line.size - 1] != ']')
                return conf_error_set(p->error, -EINVAL,
                                      "there is text behind \"]\"; a comment takes a line of its own");
        free(p->section);
        p->section = strndup(line.start + 1, line.size - 2);
        if (!p->section)
                return conf_error_oom(p->error);
        return p->handler->on_section(p->userdata, p->section, p->error);
}

static void split_pair(Slice line, Slice *ret_name, Slice *ret_value)
{
        size_t n = 0;

        while (n < line.size && line.start[n] != '=' && line.start[n] != ':')
                n++;
        n = MIN(n + 1, line.size);
        *ret_name = (Slice){ line.start, n };
        *ret_value = strip((Slice){ line.start + n, line.size - n });
}

/* Reads a line. What inih gets of it is taken by each build of it in the same way. */
static int read_line(Parser *p, Slice *ret)
{
        Slice line = take_line(&p->rest), text = strip(line);
        bool indented = text.start > line.start;
        int r;

        p->line++;
        p->continued = false;
        r = conf_file_check_characters(line.start, line.size, p->error);
        if (r < 0)
                return r;
        *ret = text;
        if (text.size == 0 || *text.start == '#' || *text.start == ';')
                ret->size = 0;
        else if (indented && p->name.size > 0) {
                p->continued = true;
                p->value = text;
                *ret = p->name;
        } else if (*text.start == '[') {
                p->name.size = 0;
                ret->size = 0;
                return enter_section(p, text);
        } else {
                split_pair(text, &p->name, &p->value);
                *ret = p->name;
        }
        return 0;
}

/* inih's fgets(). */
static char *on_read(char *buffer, int size, void *userdata)
{
        Parser *p = userdata;
        Slice line;
        size_t n;

        if (p->r < 0 || p->rest.size == 0)
                return NULL;
        p->r = read_line(p, &line);
        if (p->r < 0)
                return NULL;
        n = MIN(line.size, (size_t) size - sizeof("\n"));
        memcpy(buffer, line.start, n);
        memcpy(buffer + n, "\n", sizeof("\n"));
        return buffer;
}

static int on_pair(void *userdata, const char *unused, const char *name, const char *value
#if INI_HANDLER_LINENO
                   ,
                   int line
#endif
)
{
        _cleanup_erase_ char *copy = NULL;
        Parser *p = userdata;

        if (!name) /* the start of a section, of which only some builds tell */
                return 1;
        if (!value) /* neither "=" nor ":", which some builds let pass */
                return 0;
        copy = strndup(p->value.start, p->value.size);
        p->r = copy ? p->handler->on_value(p->userdata,
                                           &(ConfFileValue){ .section = p->section ? p->section : "",
                                                             .key = name,
                                                             .value = copy,
                                                             .line = p->line,
                                                             .continued = p->continued },
                                           p->error)
                    : conf_error_oom(p->error);
        return p->r >= 0;
}

static int parse(Parser *p)
{
        int line;

        if (p->rest.size > CONF_FILE_SIZE_MAX)
                return fail_too_large(p->error);
        if (p->rest.size >= 3 && memcmp(p->rest.start, "\xef\xbb\xbf", 3) == 0)
                p->rest = (Slice){ p->rest.start + 3, p->rest.size - 3 };
        line = ini_parse_stream(on_read, p, on_pair, p);
        if (line == -2)
                return conf_error_oom(p->error);
        if (line <= 0 || (p->r < 0 && p->line == (unsigned) line))
                return p->r;
        p->line = (unsigned) line;
        return conf_error_set(p->error, -EINVAL,
                              "neither [SECTION] nor KEY = VALUE; a list continues on indented lines");
}

int conf_file_parse(const char *path, const char *text, size_t size, const ConfFileHandler *handler,
                    void *userdata, ConfError *error)
{
        Parser p = {
                .handler = handler,
                .userdata = userdata,
                .rest = { text, size },
                .error = error,
        };
        int r;

        r = parse(&p);
        free(p.section);
        if (r >= 0)
                return 0;
        if (p.line > 0)
                conf_error_prefix(error, "%s:%u: ", path, p.line);
        else
                conf_error_prefix(error, "%s: ", path);
        return r;
}
