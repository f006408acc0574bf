/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "json.h"
#include "kube-scalar.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void check_value(const char *text, const char *expected)
{
        _cleanup_json_ cJSON *j = kube_scalar_value(text);
        char *printed = json_print(j);

        if (!streq(printed, expected))
                fail_msg("%s is %s, not %s", text, printed, expected);
        cJSON_free(printed);
}

/* Each went to kubectl 1.32 as a token, which has to be text. */
static void test_what_is_a_number(void **state)
{
        static const char *const cases[][2] = {
                { "0", "0" },
                { "-17", "-17" },
                { "+1", "1" },
                { "0123", "83" },
                { "0o17", "15" },
                { "0b11", "3" },
                { "0x1F", "31" },
                { "-0x1", "-1" },
                { "1_000", "1000" },
                { "1_", "1" },
                { "08", "8" },
                { "1e3", "1000" },
                { "1.", "1" },
                { ".5", "0.5" },
                { "-.5", "-0.5" },
                { "0.1_5", "0.15" },
                { "99999999999999999999999", "1e+23" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                check_value(cases[i][0], cases[i][1]);
}

static void test_what_is_text(void **state)
{
        static const char *const cases[] = {
                ".",   "+",    "-",   "1.2.3", "2020-01-01", "12:30", "190:20:30", "0x",
                "0b",  "0b2",  "0o8", "1e",    "_1",         "1e400", "5e-3x",     "true~",
                "=",   "nULL", "yEs", "0x1p3", "inf",        "nan",   ".inf",      "-.inf",
                "1 2", "a1",   "tru", "nulls", "--1",        "+-1",   "1-1",       "0xg",
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *quoted = str_printf("\"%s\"", cases[i]);

                check_value(cases[i], quoted);
        }
}

static void test_words(void **state)
{
        static const char *const nulls[] = { "", "~", "null", "Null", "NULL" };
        static const char *const yes[] = { "y",    "Y",    "yes", "Yes", "YES", "true",
                                           "True", "TRUE", "on",  "On",  "ON" };
        static const char *const no[] = { "n",     "N",     "no",  "No",  "NO", "false",
                                          "False", "FALSE", "off", "Off", "OFF" };

        for (size_t i = 0; i < ELEMENTSOF(nulls); i++)
                check_value(nulls[i], "null");
        for (size_t i = 0; i < ELEMENTSOF(yes); i++)
                check_value(yes[i], "true");
        for (size_t i = 0; i < ELEMENTSOF(no); i++)
                check_value(no[i], "false");
}

static void test_long_ones(void **state)
{
        char digits[73];

        memset(digits, '1', sizeof(digits));
        digits[72] = '\0';
        {
                _cleanup_json_ cJSON *j = kube_scalar_value(digits);

                assert_true(cJSON_IsString(j)); /* a token, more likely */
        }
        digits[71] = '\0';
        {
                _cleanup_json_ cJSON *j = kube_scalar_value(digits);

                assert_true(cJSON_IsNumber(j));
        }
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_is_a_number),
                cmocka_unit_test(test_what_is_text),
                cmocka_unit_test(test_words),
                cmocka_unit_test(test_long_ones),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
