/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "clock.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#define DURATION_MAX (10 * 365 * USEC_PER_DAY)

static usec_t clock_read(clockid_t id)
{
        struct timespec ts;

        (void) clock_gettime(id, &ts);
        return (usec_t) ts.tv_sec * USEC_PER_SEC + (usec_t) ts.tv_nsec / 1000;
}

usec_t clock_now(void)
{
        return clock_read(CLOCK_REALTIME);
}

usec_t clock_boottime(void)
{
        return clock_read(CLOCK_BOOTTIME);
}

usec_t usec_add(usec_t a, usec_t b)
{
        return a > USEC_INFINITY - b ? USEC_INFINITY : a + b;
}

usec_t usec_sub(usec_t a, usec_t b)
{
        if (a == USEC_INFINITY)
                return a;
        return a > b ? a - b : 0;
}

static struct tm tm_from_usec(usec_t t)
{
        time_t seconds = (time_t) (t / USEC_PER_SEC);
        struct tm tm = { 0 };

        (void) gmtime_r(&seconds, &tm);
        return tm;
}

/* timegm() takes the 31st of February for the 3rd of March; here it is an error. */
static int tm_to_usec(const struct tm *tm, usec_t *ret)
{
        struct tm normal = *tm;
        time_t seconds = timegm(&normal);

        if (seconds < 0 || normal.tm_mon != tm->tm_mon || normal.tm_mday != tm->tm_mday ||
            normal.tm_hour != tm->tm_hour || normal.tm_min != tm->tm_min)
                return -EINVAL;
        *ret = (usec_t) seconds * USEC_PER_SEC;
        return 0;
}

const char *clock_format_rfc3339(char buffer[static CLOCK_RFC3339_MAX], usec_t t)
{
        struct tm tm = tm_from_usec(t);

        if (strftime(buffer, CLOCK_RFC3339_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
                buffer[0] = '\0';
        return buffer;
}

const char *clock_format_basic(char buffer[static CLOCK_BASIC_MAX], usec_t t)
{
        struct tm tm = tm_from_usec(t);

        if (strftime(buffer, CLOCK_BASIC_MAX, "%Y%m%dT%H%M%SZ", &tm) == 0)
                buffer[0] = '\0';
        return buffer;
}

/* Reads exactly n digits. */
static bool scan_digits(const char **s, unsigned n, int *ret)
{
        int value = 0;

        for (unsigned i = 0; i < n; i++, (*s)++) {
                if (!isdigit((unsigned char) **s))
                        return false;
                value = value * 10 + (**s - '0');
        }
        *ret = value;
        return true;
}

static bool scan_char(const char **s, char c)
{
        if (**s != c)
                return false;
        (*s)++;
        return true;
}

static bool scan_time(const char **s, struct tm *tm)
{
        return scan_digits(s, 2, &tm->tm_hour) && scan_char(s, ':') && scan_digits(s, 2, &tm->tm_min) &&
               scan_char(s, ':') && scan_digits(s, 2, &tm->tm_sec);
}

/* Reads "Z", or an offset such as "+01:00" as microseconds, to the end of the string. */
static bool scan_offset(const char *s, int64_t *ret)
{
        int sign = *s == '-' ? -1 : 1, hours, minutes;

        *ret = 0;
        if (streq(s, "Z"))
                return true;
        if (*s != '+' && *s != '-')
                return false;
        s++;
        if (!scan_digits(&s, 2, &hours) || !scan_char(&s, ':') || !scan_digits(&s, 2, &minutes) || *s ||
            hours > 23 || minutes > 59)
                return false;
        *ret = sign * (hours * 60 + minutes) * (int64_t) USEC_PER_MINUTE;
        return true;
}

int clock_parse_rfc3339(const char *s, usec_t *ret)
{
        struct tm tm = { 0 };
        int64_t offset;
        usec_t local;
        int r;

        if (!scan_digits(&s, 4, &tm.tm_year) || !scan_char(&s, '-') || !scan_digits(&s, 2, &tm.tm_mon) ||
            !scan_char(&s, '-') || !scan_digits(&s, 2, &tm.tm_mday) || !scan_char(&s, 'T') ||
            !scan_time(&s, &tm))
                return -EINVAL;
        tm.tm_year -= 1900;
        tm.tm_mon--;
        if (scan_char(&s, '.')) {
                if (!isdigit((unsigned char) *s))
                        return -EINVAL;
                while (isdigit((unsigned char) *s))
                        s++;
        }
        if (!scan_offset(s, &offset))
                return -EINVAL;
        r = tm_to_usec(&tm, &local);
        if (r < 0)
                return r;
        if ((int64_t) local < offset)
                return -EINVAL;
        *ret = (usec_t) ((int64_t) local - offset);
        return 0;
}

/* Reads one of names, which have three letters each. */
static bool scan_name(const char **s, const char *names, int *ret)
{
        for (int i = 0; names[3 * i]; i++)
                if (strncmp(*s, names + 3 * i, 3) == 0) {
                        *ret = i;
                        *s += 3;
                        return true;
                }
        return false;
}

/* Not strptime(): it reads names of months in the locale's language. */
int clock_parse_http_date(const char *s, usec_t *ret)
{
        static const char days[] = "SunMonTueWedThuFriSat",
                          months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
        struct tm tm = { 0 };

        if (!scan_name(&s, days, &tm.tm_wday) || !scan_char(&s, ',') || !scan_char(&s, ' ') ||
            !scan_digits(&s, 2, &tm.tm_mday) || !scan_char(&s, ' ') || !scan_name(&s, months, &tm.tm_mon) ||
            !scan_char(&s, ' ') || !scan_digits(&s, 4, &tm.tm_year) || !scan_char(&s, ' ') ||
            !scan_time(&s, &tm) || !streq(s, " GMT"))
                return -EINVAL;
        tm.tm_year -= 1900;
        return tm_to_usec(&tm, ret);
}

typedef struct Unit {
        const char *name;
        usec_t usec;
} Unit;

static const Unit duration_units[] = {
        { "us", 1 },
        { "usec", 1 },
        { "ms", USEC_PER_MSEC },
        { "msec", USEC_PER_MSEC },
        { "s", USEC_PER_SEC },
        { "sec", USEC_PER_SEC },
        { "second", USEC_PER_SEC },
        { "seconds", USEC_PER_SEC },
        { "m", USEC_PER_MINUTE },
        { "min", USEC_PER_MINUTE },
        { "minute", USEC_PER_MINUTE },
        { "minutes", USEC_PER_MINUTE },
        { "h", USEC_PER_HOUR },
        { "hr", USEC_PER_HOUR },
        { "hour", USEC_PER_HOUR },
        { "hours", USEC_PER_HOUR },
        { "d", USEC_PER_DAY },
        { "day", USEC_PER_DAY },
        { "days", USEC_PER_DAY },
};

static const Unit *scan_unit(const char **s)
{
        size_t n = 0;

        while (isalpha((unsigned char) (*s)[n]))
                n++;
        for (size_t i = 0; i < ELEMENTSOF(duration_units); i++)
                if (strlen(duration_units[i].name) == n && strncmp(*s, duration_units[i].name, n) == 0) {
                        *s += n;
                        return &duration_units[i];
                }
        return NULL;
}

/* One number with its unit. */
static int scan_term(const char **s, usec_t *ret)
{
        const char *p = *s;
        usec_t whole = 0, fraction = 0, scale = 1;
        const Unit *unit;
        bool digits = false;

        for (; isdigit((unsigned char) *p); p++, digits = true) {
                whole = whole * 10 + (usec_t) (*p - '0');
                if (whole > DURATION_MAX)
                        return -ERANGE;
        }
        if (*p == '.')
                for (p++; isdigit((unsigned char) *p); p++, digits = true)
                        if (scale < USEC_PER_SEC) {
                                fraction = fraction * 10 + (usec_t) (*p - '0');
                                scale *= 10;
                        }
        if (!digits)
                return -EINVAL;
        while (*p == ' ')
                p++;
        unit = scan_unit(&p);
        if (!unit)
                return -EINVAL;
        if (whole > DURATION_MAX / unit->usec)
                return -ERANGE;
        *s = p;
        *ret = whole * unit->usec + fraction * unit->usec / scale;
        return 0;
}

int clock_parse_duration(const char *s, usec_t *ret)
{
        usec_t sum = 0, term;
        int r;

        if (streq(s, "0")) {
                *ret = 0;
                return 0;
        }
        do {
                r = scan_term(&s, &term);
                if (r < 0)
                        return r;
                sum += term;
                if (sum > DURATION_MAX)
                        return -ERANGE;
                while (*s == ' ')
                        s++;
        } while (*s);
        *ret = sum;
        return 0;
}

const char *clock_format_duration(char buffer[static CLOCK_DURATION_MAX], usec_t d)
{
        static const Unit units[] = {
                { "d", USEC_PER_DAY }, { "h", USEC_PER_HOUR },  { "min", USEC_PER_MINUTE },
                { "s", USEC_PER_SEC }, { "ms", USEC_PER_MSEC }, { "us", 1 },
        };
        size_t i = 0;
        usec_t rest;

        if (d == USEC_INFINITY || d == 0) {
                (void) snprintf(buffer, CLOCK_DURATION_MAX, "%s", d == 0 ? "0s" : "infinity");
                return buffer;
        }
        while (d < units[i].usec)
                i++;
        rest = i + 1 < ELEMENTSOF(units) ? d % units[i].usec / units[i + 1].usec : 0;
        if (rest > 0 && i < 3) /* below a second a second unit says nothing */
                (void) snprintf(buffer, CLOCK_DURATION_MAX, "%" PRIu64 "%s %" PRIu64 "%s", d / units[i].usec,
                                units[i].name, rest, units[i + 1].name);
        else
                (void) snprintf(buffer, CLOCK_DURATION_MAX, "%" PRIu64 "%s", d / units[i].usec,
                                units[i].name);
        return buffer;
}
