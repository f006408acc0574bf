/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "aws-xml.h"

#define CDATA_START "<![CDATA["
#define CDATA_END "]]>"

typedef struct Span {
        const char *start, *end;
} Span;

static const char *find(Span s, const char *needle)
{
        return memmem(s.start, (size_t) (s.end - s.start), needle, strlen(needle));
}

/* Finds what follows "<name>" or "<name ...>". */
static const char *find_open(Span s, const char *name)
{
        size_t n = strlen(name);

        while (s.start < s.end && (s.start = memchr(s.start, '<', (size_t) (s.end - s.start)))) {
                const char *p = s.start + 1, *close;

                s.start = p;
                if ((size_t) (s.end - p) <= n || memcmp(p, name, n) != 0)
                        continue;
                p += n;
                if (*p != '>' && *p != ' ' && *p != '\t' && *p != '\r' && *p != '\n')
                        continue;
                close = memchr(p, '>', (size_t) (s.end - p));
                if (!close)
                        return NULL;
                if (close[-1] != '/')
                        return close + 1;
        }
        return NULL;
}

static Span unwrap(Span s)
{
        size_t n = (size_t) (s.end - s.start);

        if (n < strlen(CDATA_START CDATA_END) || memcmp(s.start, CDATA_START, strlen(CDATA_START)) != 0 ||
            memcmp(s.end - strlen(CDATA_END), CDATA_END, strlen(CDATA_END)) != 0)
                return s;
        return (Span){ s.start + strlen(CDATA_START), s.end - strlen(CDATA_END) };
}

bool aws_xml_get(const char *text, size_t size, const char *name, const char **ret, size_t *ret_size)
{
        _cleanup_free_ char *close = str_printf("</%s>", name);
        Span all = { text, text + size }, s, inner;

        s.start = close ? find_open(all, name) : NULL;
        if (!s.start)
                return false;
        s.end = find((Span){ s.start, all.end }, close);
        if (!s.end || find_open((Span){ s.end, all.end }, name))
                return false;
        inner = unwrap(s);
        if (inner.start == s.start && memchr(s.start, '<', (size_t) (s.end - s.start)))
                return false;
        *ret = inner.start;
        *ret_size = (size_t) (inner.end - inner.start);
        return true;
}
