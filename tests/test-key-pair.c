/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "key-pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h comes after what it uses. */
#include <cmocka.h>

#include "x509-fixtures.h"

static void test_pairs(void **state)
{
        assert_null(key_pair_problem(FIXTURE_EC, FIXTURE_EC_KEY));
        assert_null(key_pair_problem(FIXTURE_RSA, FIXTURE_RSA_KEY));
        assert_null(key_pair_problem(FIXTURE_EC FIXTURE_CA, FIXTURE_EC_KEY));
        assert_null(key_pair_problem(FIXTURE_EC FIXTURE_EC_KEY, FIXTURE_EC FIXTURE_EC_KEY));
}

static void test_no_pairs(void **state)
{
        static const char certificate[] = "the client certificate is no certificate in PEM",
                          key[] = "the client key is no private key in PEM that needs no passphrase",
                          encrypted[] = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIBvTBXBgkqhkiG9w0B\n"
                                        "-----END ENCRYPTED PRIVATE KEY-----\n",
                          stranger[] = "the client key is not that of the client certificate";

        assert_string_equal(key_pair_problem("", FIXTURE_EC_KEY), certificate);
        assert_string_equal(key_pair_problem(FIXTURE_EC_KEY, FIXTURE_EC_KEY), certificate);
        assert_string_equal(key_pair_problem(FIXTURE_EC, ""), key);
        assert_string_equal(key_pair_problem(FIXTURE_EC, FIXTURE_EC), key);
        assert_string_equal(key_pair_problem(FIXTURE_EC, encrypted), key);
        assert_string_equal(key_pair_problem(FIXTURE_EC, FIXTURE_RSA_KEY), stranger);
        assert_string_equal(key_pair_problem(FIXTURE_CA FIXTURE_EC, FIXTURE_EC_KEY), stranger);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_pairs),
                cmocka_unit_test(test_no_pairs),
        };

        return cmocka_run_group_tests_name("key-pair", tests, NULL, NULL);
}
