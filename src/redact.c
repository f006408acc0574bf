/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "redact.h"

#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"

/* What secrets and their encodings consist of; the backslash is JSON's before a slash. */
#define RUN UPPER LOWER DIGITS "+/=_.~%-\\"

/* Between a word that announces a secret and the secret; alone, they hide nothing. */
#define BETWEEN " \t:=\"'.,;"

/* As many characters make a run suspicious that has a digit and capital letters, or a digit and no letter in
 * lower case. */
#define RANDOM_MIN 16U

/* Without a digit: base64 may have none. In words of CamelCase fewer letters are capital ones than by
 * chance, but for a long run nobody vouches. */
#define RANDOM_LETTERS_MIN 24U
#define RANDOM_LETTERS_LONG 40U

/* Key ids, which may have no digit. */
#define CAPITALS_MIN 16U

#define HEX_MIN 32U
#define RUN_MAX 64U

/* What a run consists of. */
typedef struct Look {
        size_t upper, lower, digits;
        size_t capitals; /* the longest stretch of capital letters and digits */
        size_t hex;      /* the longest one of hex digits, percent-encoded or not */
} Look;

static bool is_among(char c, const char *set)
{
        return c && strchr(set, c);
}

static Look look_at(const char *p, size_t n)
{
        size_t capitals = 0, hex = 0;
        Look look = { 0 };

        for (size_t i = 0; i < n; i++) {
                look.upper += is_among(p[i], UPPER);
                look.lower += is_among(p[i], LOWER);
                look.digits += is_among(p[i], DIGITS);
                capitals = is_among(p[i], UPPER DIGITS) ? capitals + 1 : 0;
                look.capitals = MAX(look.capitals, capitals);
                hex = is_among(p[i], DIGITS "abcdefABCDEF%") ? hex + 1 : 0;
                look.hex = MAX(look.hex, hex);
        }
        return look;
}

/* "20261123T191927Z", maybe at the end of a sentence: with these AWS tells that a clock is wrong. */
static bool is_time(const char *p, size_t n)
{
        static const char pattern[] = "00000000T000000Z.";

        for (size_t i = 0; i < n; i++)
                if (i >= strlen(pattern) ||
                    (pattern[i] == '0' ? !is_among(p[i], DIGITS) : p[i] != pattern[i]))
                        return false;
        return true;
}

static bool looks_random(const char *p, size_t n)
{
        const Look look = look_at(p, n);

        if (is_time(p, n))
                return false;
        if (n >= RUN_MAX || look.hex >= HEX_MIN || look.capitals >= CAPITALS_MIN)
                return true;
        if (look.digits > 0)
                return n >= RANDOM_MIN && (look.upper > 0 || look.lower == 0);
        if (look.upper == 0 || look.lower == 0)
                return false;
        return n >= RANDOM_LETTERS_LONG || (n >= RANDOM_LETTERS_MIN && look.upper * 2 >= look.lower);
}

/* Returns where the first word ends behind which a secret may stand, or where the line ends. */
static const char *find_word(const char *line)
{
        static const char *const words[] = {
                "secretaccesskey", "secret_access_key", "sessiontoken", "session_token",
                "security-token",  "authorization",     "password",     "passphrase",
        };
        const char *first = line + strlen(line);

        for (size_t i = 0; i < ELEMENTSOF(words); i++) {
                const char *p = line;

                while ((p = strcasestr(p, words[i]))) {
                        p += strlen(words[i]);
                        /* The name of a permission, which messages of AWS are about. */
                        if (streq(words[i], "authorization") && startswith(p, "Token"))
                                continue;
                        first = MIN(first, p);
                        break;
                }
        }
        return first;
}

static char *put(char *to, const char *p, size_t n)
{
        memcpy(to, p, n);
        return to + n;
}

/* What stands before end. */
static char *put_runs(char *to, const char *p, const char *end, bool cut)
{
        while (p < end) {
                size_t n = strspn(p, RUN);

                n = MIN(n, (size_t) (end - p));
                if (n == 0)
                        *to++ = *p++;
                else if (looks_random(p, n))
                        to = put(to, REDACT_HIDDEN, strlen(REDACT_HIDDEN));
                else if (!cut || p[n])
                        to = put(to, p, n);
                p += n;
        }
        return to;
}

/* How long the login is that a URL has behind its "://"; 0: it has none. */
static size_t login_size(const char *p, bool cut)
{
        size_t n = strcspn(p, " \t\"'<>/?#");
        const char *at = memrchr(p, '@', n);

        return at ? (size_t) (at - p) : cut && !p[n] ? n : 0;
}

char *redact_logins(const char *line, bool cut)
{
        /* The least that is hidden is "x" of "://x@". */
        char *text = malloc(strlen(line) * 3 + 1), *to = text;
        const char *p;

        while (text && (p = strstr(line, "://"))) {
                size_t n = login_size(p + 3, cut);

                to = put(to, line, (size_t) (p + 3 - line));
                line = p + 3 + n;
                if (n > 0 && *line)
                        to = put(to, REDACT_HIDDEN, strlen(REDACT_HIDDEN));
        }
        if (text)
                (void) stpcpy(to, line);
        return text;
}

char *redact(const char *whole, bool cut)
{
        _cleanup_erase_ char *line = redact_logins(whole, cut);
        char *text, *to;
        const char *end;

        text = line ? malloc(strlen(line) + sizeof(" " REDACT_HIDDEN)) : NULL;
        if (!text)
                return NULL;
        end = find_word(line);
        to = put_runs(text, line, end, cut);
        if (end[strspn(end, BETWEEN)])
                to = put(to, " " REDACT_HIDDEN, strlen(" " REDACT_HIDDEN));
        else
                to = put(to, end, strlen(end));
        *to = '\0';
        return text;
}
