/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "pem-fixtures.h"
#include "x509-check.h"

#include <openssl/err.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define DAMAGED "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
#define LOCKED                                                                                          \
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"                                                       \
        "MIGjMF8GCSqGSIb3DQEFDTBSMDEGCSqGSIb3DQEFDDAkBBAXq2r0WqVsDTPlO3jt\n-----END ENCRYPTED PRIVATE " \
        "KEY-----\n"

static void test_anchors(void **state)
{
        static const struct {
                const char *pem;
                bool good;
        } cases[] = {
                { "", false },
                { "hello\n", false },
                { "-----BEGIN CERTIFICATE-----\n", false },
                { DAMAGED, false },
                { PEM_KEY, false },
                { PEM_CA, true },
                { "# of ops\n" PEM_CA, true },
                { PEM_KEY PEM_CA, true },
                { DAMAGED DAMAGED PEM_CA, true },
                { PEM_CA DAMAGED, true },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                assert_int_equal(x509_check_anchors(cases[i].pem), cases[i].good);
                assert_int_equal(ERR_peek_error(), 0); /* it would be taken for a later one's */
        }
}

static void test_pairs(void **state)
{
        static const char no_certificate[] = "there is no certificate in it that can be read";
        static const char no_key[] = "there is no private key beside it that can be read";
        static const char another[] = "the private key beside it is another one's";
        static const struct {
                const char *certificate, *key, *problem;
        } cases[] = {
                { PEM_CERT, PEM_KEY, NULL },
                { PEM_OTHER_CERT, PEM_OTHER_KEY, NULL },
                { PEM_CERT PEM_CA, PEM_KEY, NULL }, /* with its chain */
                { PEM_KEY PEM_CERT, PEM_CERT PEM_KEY, NULL },
                { PEM_CERT, PEM_OTHER_KEY, another },
                { PEM_CA PEM_CERT, PEM_KEY, another },
                { "", PEM_KEY, no_certificate },
                { DAMAGED, PEM_KEY, no_certificate },
                { PEM_KEY, PEM_KEY, no_certificate },
                { PEM_CERT, "", no_key },
                { PEM_CERT, PEM_CERT, no_key },
                { PEM_CERT, LOCKED, no_key },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const char *problem = x509_check_pair(cases[i].certificate, cases[i].key);

                if (!streq_ptr(problem, cases[i].problem))
                        fail_msg("%zu: %s", i, problem ? problem : "good");
                assert_int_equal(ERR_peek_error(), 0);
        }
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_anchors),
                cmocka_unit_test(test_pairs),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
