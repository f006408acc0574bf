/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "words.h"

#include <errno.h>

#define BLANKS " \t\r\n"

/* Puts the word that line begins with into word, and moves line behind it. */
static int take_word(const char **line, char *word)
{
        const char *p = *line;
        char quote = '\0';

        for (; *p && (quote || !strchr(BLANKS, *p)); p++)
                if (*p == '\\' && quote != '\'') {
                        p++;
                        if (!*p)
                                return -EINVAL;
                        if (quote && *p != '"' && *p != '\\')
                                *word++ = '\\';
                        *word++ = *p;
                } else if (quote ? *p == quote : *p == '\'' || *p == '"')
                        quote = quote ? '\0' : *p;
                else
                        *word++ = *p;
        if (quote)
                return -EINVAL;
        *word = '\0';
        *line = p;
        return 0;
}

/* scratch has room for the longest word there can be, words for as many as there can be. */
static int take_words(const char *line, char *scratch, char **words)
{
        int r;

        while (*(line += strspn(line, BLANKS))) {
                r = take_word(&line, scratch);
                if (r < 0)
                        return r;
                r = str_replace(words++, scratch);
                if (r < 0)
                        return r;
        }
        return 0;
}

int words_split(const char *line, char ***ret)
{
        size_t size = strlen(line) + 1;
        _cleanup_(words_freep) char **words = calloc(size / 2 + 1, sizeof(*words));
        _cleanup_free_ char *scratch = malloc(size);
        int r;

        if (!words || !scratch)
                return -ENOMEM;
        r = take_words(line, scratch, words);
        explicit_bzero(scratch, size);
        if (r >= 0)
                *ret = TAKE_PTR(words);
        return r;
}

bool words_equal(char *const *a, char *const *b)
{
        if (!a || !b)
                return a == b;
        while (*a && *b && streq(*a, *b)) {
                a++;
                b++;
        }
        return !*a && !*b;
}

size_t words_count(char *const *words)
{
        size_t n = 0;

        while (words && words[n])
                n++;
        return n;
}

char **words_free(char **words)
{
        for (char **p = words; p && *p; p++)
                (void) str_erase_free(*p);
        free(words);
        return NULL;
}
