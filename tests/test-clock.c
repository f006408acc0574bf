/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "clock.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

/* The same instants in every form; seconds from date(1). */
static const struct {
        usec_t seconds;
        const char *rfc3339, *basic, *http;
} instants[] = {
        { 0, "1970-01-01T00:00:00Z", "19700101T000000Z", "Thu, 01 Jan 1970 00:00:00 GMT" },
        { 784111777, "1994-11-06T08:49:37Z", "19941106T084937Z", "Sun, 06 Nov 1994 08:49:37 GMT" },
        { 951825600, "2000-02-29T12:00:00Z", "20000229T120000Z", "Tue, 29 Feb 2000 12:00:00 GMT" },
        { 1440938160, "2015-08-30T12:36:00Z", "20150830T123600Z", "Sun, 30 Aug 2015 12:36:00 GMT" },
        { 1709251199, "2024-02-29T23:59:59Z", "20240229T235959Z", "Thu, 29 Feb 2024 23:59:59 GMT" },
        { 1795461567, "2026-11-23T19:19:27Z", "20261123T191927Z", "Mon, 23 Nov 2026 19:19:27 GMT" },
        { 2147483648, "2038-01-19T03:14:08Z", "20380119T031408Z", "Tue, 19 Jan 2038 03:14:08 GMT" },
        { 4107542400, "2100-03-01T00:00:00Z", "21000301T000000Z", "Mon, 01 Mar 2100 00:00:00 GMT" },
        { 253402300799, "9999-12-31T23:59:59Z", "99991231T235959Z", "Fri, 31 Dec 9999 23:59:59 GMT" },
};

static void check_instants(void)
{
        char rfc3339[CLOCK_RFC3339_MAX], basic[CLOCK_BASIC_MAX];
        usec_t t;

        for (size_t i = 0; i < ELEMENTSOF(instants); i++) {
                usec_t expected = instants[i].seconds * USEC_PER_SEC;

                assert_string_equal(clock_format_rfc3339(rfc3339, expected + 999999), instants[i].rfc3339);
                assert_string_equal(clock_format_basic(basic, expected + 999999), instants[i].basic);
                assert_int_equal(clock_parse_rfc3339(instants[i].rfc3339, &t), 0);
                assert_int_equal(t, expected);
                assert_int_equal(clock_parse_http_date(instants[i].http, &t), 0);
                assert_int_equal(t, expected);
        }
}

static void test_instants_in_all_forms(void **state)
{
        check_instants();
}

static void test_time_zone_of_the_host_does_not_matter(void **state)
{
        static const char *const zones[] = { "EST5EDT,M3.2.0,M11.1.0", "XYZ-14" };

        for (size_t i = 0; i < ELEMENTSOF(zones); i++) {
                assert_int_equal(setenv("TZ", zones[i], 1), 0);
                tzset();
                check_instants();
        }
        assert_int_equal(unsetenv("TZ"), 0);
        tzset();
}

/* Every day of two centuries by a calendar of its own, with the leap years 2000 and 2096 but not 2100. */
static void test_calendar_day_by_day(void **state)
{
        static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
        char text[64], buffer[CLOCK_RFC3339_MAX];
        usec_t expected = 0, t;

        for (int year = 1970; year < 2170; year++)
                for (int month = 0; month < 12; month++) {
                        bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
                        int last = days[month] + (month == 1 && leap);

                        for (int day = 1; day <= last; day++, expected += USEC_PER_DAY) {
                                (void) snprintf(text, sizeof(text), "%d-%02d-%02dT00:00:00Z", year,
                                                month + 1, day);
                                assert_string_equal(clock_format_rfc3339(buffer, expected), text);
                                assert_int_equal(clock_parse_rfc3339(text, &t), 0);
                                assert_int_equal(t, expected);
                        }
                        (void) snprintf(text, sizeof(text), "%d-%02d-%02dT00:00:00Z", year, month + 1,
                                        last + 1);
                        assert_int_equal(clock_parse_rfc3339(text, &t), -EINVAL);
                }
}

static void test_rfc3339_fraction_is_dropped(void **state)
{
        static const char *const same[] = {
                "2026-11-23T19:19:27.0Z",
                "2026-11-23T19:19:27.999Z",
                "2026-11-23T19:19:27.999999999999999999999999Z",
        };
        usec_t t;

        for (size_t i = 0; i < ELEMENTSOF(same); i++) {
                assert_int_equal(clock_parse_rfc3339(same[i], &t), 0);
                assert_int_equal(t, 1795461567 * USEC_PER_SEC);
        }
}

static void test_rfc3339_takes_offsets(void **state)
{
        static const char *const same[] = {
                "2026-11-23T19:19:27+00:00",
                "2026-11-23T19:19:27-00:00",
                "2026-11-23T20:19:27+01:00",
                "2026-11-24T00:49:27.5+05:30",
                "2026-11-23T12:19:27-07:00",
        };
        usec_t t;

        for (size_t i = 0; i < ELEMENTSOF(same); i++) {
                assert_int_equal(clock_parse_rfc3339(same[i], &t), 0);
                assert_int_equal(t, 1795461567 * USEC_PER_SEC);
        }
}

static void test_rfc3339_refuses_what_is_none(void **state)
{
        static const char *const bad[] = {
                "",
                "2026",
                "2026-11-23",
                "2026-11-23T19:19:27",
                "2026-11-23T19:19Z",
                "2026-11-23 19:19:27Z",
                "2026-11-23T19:19:27z",
                "2026-11-23T19:19:27+0000",
                "2026-11-23T19:19:27+00",
                "2026-11-23T19:19:27+24:00",
                "2026-11-23T19:19:27+01:60",
                "2026-11-23T19:19:27+01:00Z",
                "1970-01-01T00:59:59+01:00",
                "2026-11-23T19:19:27.Z",
                "2026-11-23T19:19:27,5Z",
                "2026-11-23T19:19:27Z ",
                " 2026-11-23T19:19:27Z",
                "2026-11-23T19:19:27ZZ",
                "2026-11-23T19:19:2Z",
                "2026-1-23T19:19:27Z",
                "26-11-23T19:19:27Z",
                "12026-11-23T19:19:27Z",
                "-026-11-23T19:19:27Z",
                "+026-11-23T19:19:27Z",
                "2026-00-23T19:19:27Z",
                "2026-13-23T19:19:27Z",
                "2026-11-00T19:19:27Z",
                "2026-11-31T19:19:27Z",
                "2026-02-29T19:19:27Z",
                "2100-02-29T19:19:27Z",
                "2026-11-23T24:00:00Z",
                "2026-11-23T19:60:27Z",
                "2026-11-23T19:19:60Z",
                "2016-12-31T23:59:60Z", /* a true leap second; neither Kubernetes nor AWS writes it */
                "2026-11-23T19:19:99Z",
                "1969-12-31T23:59:59Z",
                "0000-01-01T00:00:00Z",
                "2026-11-23T19:19:\xb2\xb2Z",
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                usec_t t = 42;

                if (clock_parse_rfc3339(bad[i], &t) != -EINVAL || t != 42)
                        fail_msg("\"%s\" is taken for %" PRIu64, bad[i], t);
        }
}

static void test_http_date_refuses_what_is_none(void **state)
{
        static const char *const bad[] = {
                "",
                "Mon",
                "Mon, 23 Nov 2026 19:19:27",
                "Mon, 23 Nov 2026 19:19:27 gmt",
                "Mon, 23 Nov 2026 19:19:27 UTC",
                "Mon, 23 Nov 2026 19:19:27 +0000",
                "Mon, 23 Nov 2026 19:19:27 GMT ",
                "Mon, 23 Nov 2026 19:19:27  GMT",
                "Mon,  23 Nov 2026 19:19:27 GMT",
                "Mon,23 Nov 2026 19:19:27 GMT",
                "Mon 23 Nov 2026 19:19:27 GMT",
                "23 Nov 2026 19:19:27 GMT",
                ", 23 Nov 2026 19:19:27 GMT",
                "Xyz, 23 Nov 2026 19:19:27 GMT",
                "Monday, 23-Nov-26 19:19:27 GMT",
                "Mon Nov 23 19:19:27 2026",
                "Mon, 3 Nov 2026 19:19:27 GMT",
                "Mon, 23 nov 2026 19:19:27 GMT",
                "Mon, 23 anF 2026 19:19:27 GMT",
                "Mon, 23 November 2026 19:19:27 GMT",
                "Mon, 23 11 2026 19:19:27 GMT",
                "Mon, 23 Nov 26 19:19:27 GMT",
                "Mon, 00 Nov 2026 19:19:27 GMT",
                "Mon, 31 Nov 2026 19:19:27 GMT",
                "Sun, 29 Feb 2026 19:19:27 GMT",
                "Mon, 23 Nov 2026 24:00:00 GMT",
                "Mon, 23 Nov 2026 19:19:60 GMT",
                "Mon, 23 Nov 2026 19:19 GMT",
                "Wed, 31 Dec 1969 23:59:59 GMT",
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                usec_t t = 42;

                if (clock_parse_http_date(bad[i], &t) != -EINVAL || t != 42)
                        fail_msg("\"%s\" is taken for %" PRIu64, bad[i], t);
        }
}

static void test_formats_nothing_that_does_not_fit(void **state)
{
        char rfc3339[CLOCK_RFC3339_MAX], basic[CLOCK_BASIC_MAX];

        assert_string_equal(clock_format_rfc3339(rfc3339, 253402300800 * USEC_PER_SEC), "");
        assert_string_equal(clock_format_basic(basic, 253402300800 * USEC_PER_SEC), "");
        assert_string_equal(clock_format_rfc3339(rfc3339, USEC_INFINITY), "");
        assert_string_equal(clock_format_basic(basic, USEC_INFINITY), "");
}

static void test_arithmetic_saturates(void **state)
{
        static const struct {
                usec_t a, b, sum, difference;
        } cases[] = {
                { 0, 0, 0, 0 },
                { 5, 3, 8, 2 },
                { 3, 5, 8, 0 },
                { 5, 0, 5, 5 },
                { USEC_INFINITY - 5, 4, USEC_INFINITY - 1, USEC_INFINITY - 9 },
                { USEC_INFINITY - 5, 5, USEC_INFINITY, USEC_INFINITY - 10 },
                { USEC_INFINITY - 5, 6, USEC_INFINITY, USEC_INFINITY - 11 },
                { USEC_INFINITY, 0, USEC_INFINITY, USEC_INFINITY },
                { USEC_INFINITY, 7, USEC_INFINITY, USEC_INFINITY },
                { 7, USEC_INFINITY, USEC_INFINITY, 0 },
                { USEC_INFINITY, USEC_INFINITY, USEC_INFINITY, USEC_INFINITY },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                assert_int_equal(usec_add(cases[i].a, cases[i].b), cases[i].sum);
                assert_int_equal(usec_sub(cases[i].a, cases[i].b), cases[i].difference);
        }
}

static void test_durations_of_go_and_systemd(void **state)
{
        static const struct {
                const char *text;
                usec_t expected;
        } cases[] = {
                { "0", 0 },
                { "0s", 0 },
                { "0h0m0s", 0 },
                { "20s", 20 * USEC_PER_SEC },
                { "5s", 5 * USEC_PER_SEC },
                { "1h30m", 90 * USEC_PER_MINUTE },
                { "1.5h", 90 * USEC_PER_MINUTE },
                { "1h0m0s", USEC_PER_HOUR },
                { "300ms", 300 * USEC_PER_MSEC },
                { "7us", 7 },
                { ".5s", USEC_PER_SEC / 2 },
                { "1.s", USEC_PER_SEC },
                { "0.000001s", 1 },
                { "0.0000019s", 1 },
                { "1.9us", 1 },
                { "1.123456789123456789s", 1123456 },
                { "0.999999d", 999999 * USEC_PER_DAY / 1000000 },
                { "30s1m", 90 * USEC_PER_SEC },
                { "1m1m", 2 * USEC_PER_MINUTE },
                { "00012s", 12 * USEC_PER_SEC },
                { "5min", 5 * USEC_PER_MINUTE },
                { "1h 30min", 90 * USEC_PER_MINUTE },
                { "2 days", 2 * USEC_PER_DAY },
                { "1 day  2 hours 3 minutes 4 seconds 5 msec 6 usec",
                  USEC_PER_DAY + 2 * USEC_PER_HOUR + 3 * USEC_PER_MINUTE + 4 * USEC_PER_SEC + 5006 },
                { "1hour1minute1second", USEC_PER_HOUR + USEC_PER_MINUTE + USEC_PER_SEC },
                { "2hr", 2 * USEC_PER_HOUR },
                { "10sec", 10 * USEC_PER_SEC },
                { "5s ", 5 * USEC_PER_SEC },
                { "3650d", 3650 * USEC_PER_DAY },
                { "3649d 24h", 3650 * USEC_PER_DAY },
                { "315360000000000us", 3650 * USEC_PER_DAY },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                usec_t d = 42;

                if (clock_parse_duration(cases[i].text, &d) != 0 || d != cases[i].expected)
                        fail_msg("\"%s\" is taken for %" PRIu64, cases[i].text, d);
        }
}

static void test_durations_refuse_what_is_none(void **state)
{
        static const struct {
                const char *text;
                int expected;
        } cases[] = {
                { "", -EINVAL },
                { " ", -EINVAL },
                { "5", -EINVAL },
                { "00", -EINVAL },
                { "0 ", -EINVAL },
                { "1.5", -EINVAL },
                { "s", -EINVAL },
                { ".", -EINVAL },
                { ".s", -EINVAL },
                { "1..5s", -EINVAL },
                { "1,5s", -EINVAL },
                { "-5s", -EINVAL },
                { "+5s", -EINVAL },
                { "5S", -EINVAL },
                { "5 5s", -EINVAL },
                { "5s5", -EINVAL },
                { "5s,5s", -EINVAL },
                { "5x", -EINVAL },
                { "5secs", -EINVAL },
                { "5mi", -EINVAL },
                { " 5s", -EINVAL },
                { "\t5s", -EINVAL },
                { "5\ts", -EINVAL },
                { "1e3s", -EINVAL },
                { "0x10s", -EINVAL },
                { "infinity", -EINVAL },
                { "auto", -EINVAL },
                { "5\xc2\xb5s", -EINVAL },
                { "3651d", -ERANGE },
                { "3650d1us", -ERANGE },
                { "3650.1d", -ERANGE },
                { "315360000000001us", -ERANGE },
                { "99999999999999999999999999s", -ERANGE },
                { "18446744073709551616us", -ERANGE }, /* 2^64 */
                { "213503983d", -ERANGE },             /* 2^64 us and 16 hours */
                { "3000d 3000d 3000d", -ERANGE },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                usec_t d = 42;
                int r = clock_parse_duration(cases[i].text, &d);

                if (r != cases[i].expected || d != 42)
                        fail_msg("\"%s\": %d and %" PRIu64, cases[i].text, r, d);
        }
}

static void test_durations_for_people(void **state)
{
        static const struct {
                usec_t d;
                const char *expected;
        } cases[] = {
                { 0, "0s" },
                { 1, "1us" },
                { 999, "999us" },
                { 1000, "1ms" },
                { 1999, "1ms" },
                { 150 * USEC_PER_MSEC, "150ms" },
                { USEC_PER_SEC - 1, "999ms" },
                { 20 * USEC_PER_SEC, "20s" },
                { 20 * USEC_PER_SEC + 900 * USEC_PER_MSEC, "20s" },
                { USEC_PER_MINUTE, "1min" },
                { 61 * USEC_PER_SEC, "1min 1s" },
                { USEC_PER_HOUR - 1, "59min 59s" },
                { 6 * USEC_PER_HOUR, "6h" },
                { 6 * USEC_PER_HOUR + 59 * USEC_PER_SEC, "6h" },
                { 6 * USEC_PER_HOUR - USEC_PER_SEC, "5h 59min" },
                { USEC_PER_DAY + USEC_PER_HOUR, "1d 1h" },
                { USEC_PER_DAY + 59 * USEC_PER_MINUTE, "1d" },
                { 3650 * USEC_PER_DAY, "3650d" },
                { USEC_INFINITY - 1, "213503982d 8h" },
                { USEC_INFINITY, "infinity" },
        };
        char buffer[CLOCK_DURATION_MAX];

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                assert_string_equal(clock_format_duration(buffer, cases[i].d), cases[i].expected);
}

static void test_the_clocks_run(void **state)
{
        usec_t wall = clock_now(), boot = clock_boottime();

        assert_in_range(wall / USEC_PER_SEC, time(NULL) - 2, time(NULL) + 2);
        assert_true(boot > 0);
        assert_true(clock_boottime() >= boot);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_instants_in_all_forms),
                cmocka_unit_test(test_time_zone_of_the_host_does_not_matter),
                cmocka_unit_test(test_calendar_day_by_day),
                cmocka_unit_test(test_rfc3339_fraction_is_dropped),
                cmocka_unit_test(test_rfc3339_takes_offsets),
                cmocka_unit_test(test_rfc3339_refuses_what_is_none),
                cmocka_unit_test(test_http_date_refuses_what_is_none),
                cmocka_unit_test(test_formats_nothing_that_does_not_fit),
                cmocka_unit_test(test_arithmetic_saturates),
                cmocka_unit_test(test_durations_of_go_and_systemd),
                cmocka_unit_test(test_durations_refuse_what_is_none),
                cmocka_unit_test(test_durations_for_people),
                cmocka_unit_test(test_the_clocks_run),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
