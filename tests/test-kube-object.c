/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "kube-object.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_version(void **state)
{
        static const struct {
                const char *text;
                uint64_t version;
        } cases[] = {
                { "{\"metadata\":{\"resourceVersion\":\"42\"}}", 42 },
                { "{\"metadata\":{\"resourceVersion\":\"18446744073709551615\"}}", UINT64_MAX },
                { "{\"metadata\":{\"resourceVersion\":\"\"}}", 0 },
                { "{\"metadata\":{\"resourceVersion\":\"-1\"}}", 0 },
                { "{\"metadata\":{\"resourceVersion\":\"4x\"}}", 0 },
                { "{\"metadata\":{\"resourceVersion\":42}}", 0 },
                { "{\"metadata\":{}}", 0 },
                { "{}", 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_json_ cJSON *j = cJSON_Parse(cases[i].text);

                assert_true(kube_object_version(j) == cases[i].version);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_version) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
