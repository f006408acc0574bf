/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "kube-scalar.h"

#include <errno.h>
#include <math.h>

#define DIGITS "0123456789"

/* A longer one is text. */
#define NUMBER_MAX 72U

static bool is_among(const char *s, const char *const *words, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if (streq(s, words[i]))
                        return true;
        return false;
}

static bool means_null(const char *s)
{
        static const char *const words[] = { "", "~", "null", "Null", "NULL" };

        return is_among(s, words, ELEMENTSOF(words));
}

static bool means_bool(const char *s, bool *ret)
{
        static const char *const yes[] = { "y",    "Y",    "yes", "Yes", "YES", "true",
                                           "True", "TRUE", "on",  "On",  "ON" };
        static const char *const no[] = { "n",     "N",     "no",  "No",  "NO", "false",
                                          "False", "FALSE", "off", "Off", "OFF" };

        *ret = is_among(s, yes, ELEMENTSOF(yes));
        return *ret || is_among(s, no, ELEMENTSOF(no));
}

/* Copies a number without the "_" that may be between its digits. Returns whether it begins as one. */
static bool copy_number(const char *s, char number[static NUMBER_MAX])
{
        size_t n = 0;

        if (!strchr(DIGITS "+-.", *s))
                return false;
        for (; *s && n < NUMBER_MAX - 1; s++)
                if (*s != '_')
                        number[n++] = *s;
        number[n] = '\0';
        return !*s;
}

/* Decimal, or octal, hexadecimal or binary behind 0 or 0o, 0x and 0b. */
static bool means_integer(const char *number, double *ret)
{
        bool negative = *number == '-';
        const char *p = number + (*number == '-' || *number == '+');
        int base = 0;
        char *end;

        if (*p == '0' && p[1] && strchr("bBoO", p[1])) {
                base = p[1] == 'b' || p[1] == 'B' ? 2 : 8;
                p += 2;
        }
        if (!*p || !strchr(DIGITS, *p))
                return false;
        errno = 0;
        *ret = (double) strtoull(p, &end, base);
        if (negative)
                *ret = -*ret;
        return errno == 0 && !*end;
}

/* Not what strtod(3) knows besides: hexadecimal, "inf" and "nan". */
static bool means_float(const char *number, double *ret)
{
        char *end;

        if (number[strspn(number, DIGITS ".eE+-")])
                return false;
        *ret = strtod(number, &end);
        return end > number && !*end && isfinite(*ret);
}

cJSON *kube_scalar_value(const char *s)
{
        char number[NUMBER_MAX];
        double value;
        bool boolean;

        if (means_null(s))
                return cJSON_CreateNull();
        if (means_bool(s, &boolean))
                return cJSON_CreateBool(boolean);
        if (copy_number(s, number) && (means_integer(number, &value) || means_float(number, &value)))
                return cJSON_CreateNumber(value);
        return cJSON_CreateString(s);
}
