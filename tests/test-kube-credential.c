/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "kube-credential.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
/* cmocka.h comes after what it uses. */
#include <cmocka.h>

#include "x509-fixtures.h"

#define NOW (UINT64_C(1795612999) * USEC_PER_SEC)

static void test_life(void **state)
{
        KubeCredential c = { .expires = 0 };

        assert_int_equal(kube_credential_life(&c, NOW), USEC_INFINITY);
        c.expires = NOW + USEC_PER_HOUR;
        assert_int_equal(kube_credential_life(&c, NOW), USEC_PER_HOUR);
        c.expires = NOW + 1;
        assert_int_equal(kube_credential_life(&c, NOW), 1);

        /* One of two clocks is wrong. */
        c.expires = NOW;
        assert_int_equal(kube_credential_life(&c, NOW), USEC_PER_MINUTE);
        c.expires = NOW - USEC_PER_DAY;
        assert_int_equal(kube_credential_life(&c, NOW), USEC_PER_MINUTE);
}

static void test_refresh(void **state)
{
        static const struct {
                usec_t life, refresh;
        } cases[] = {
                { 12 * USEC_PER_HOUR, 12 * USEC_PER_HOUR - 72 * USEC_PER_MINUTE },
                { 14 * USEC_PER_MINUTE, 14 * USEC_PER_MINUTE - 84 * USEC_PER_SEC },
                { 10 * USEC_PER_MINUTE, 9 * USEC_PER_MINUTE },
                { 5 * USEC_PER_MINUTE, 4 * USEC_PER_MINUTE },
                { 2 * USEC_PER_MINUTE, USEC_PER_MINUTE },
                { 60 * USEC_PER_SEC, 30 * USEC_PER_SEC },
                { 10 * USEC_PER_SEC, 5 * USEC_PER_SEC },
                { 0, 0 },
                { USEC_INFINITY, USEC_INFINITY },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                assert_int_equal(kube_credential_refresh(cases[i].life), cases[i].refresh);
}

static void test_certificate(void **state)
{
        KubeCredential c = { .token = (char *) "x" };
        char error[X509_ERROR_MAX];
        usec_t end = 1;

        assert_return_code(kube_credential_check(&c, &end, error), 0);
        assert_int_equal(end, 0);
        c.client_certificate = (char *) FIXTURE_EC;
        c.client_key = (char *) FIXTURE_EC_KEY;
        assert_return_code(kube_credential_check(&c, &end, error), 0);
        assert_int_equal(end, FIXTURE_EC_NOT_AFTER * USEC_PER_SEC);
        c.client_certificate = (char *) FIXTURE_EC FIXTURE_CA; /* the first to end counts */
        assert_return_code(kube_credential_check(&c, &end, error), 0);
        assert_int_equal(end, MIN(FIXTURE_EC_NOT_AFTER, FIXTURE_CA_NOT_AFTER) * USEC_PER_SEC);
        c.client_certificate = (char *) "none";
        assert_int_equal(kube_credential_check(&c, &end, error), -EINVAL);
        assert_string_equal(error, "the client certificate: there is no certificate in it that can be read");
        c.client_certificate = (char *) FIXTURE_RSA;
        assert_int_equal(kube_credential_check(&c, &end, error), -EINVAL);
        assert_string_equal(error, "the client certificate: the private key beside it is another one's");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_life),
                cmocka_unit_test(test_refresh),
                cmocka_unit_test(test_certificate),
        };

        return cmocka_run_group_tests_name("kube-credential", tests, NULL, NULL);
}
