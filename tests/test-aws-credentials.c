/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "aws-credentials.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const AwsCredentialsNames names = { "AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration" };

static void test_copies_and_shares(void **state)
{
        char id[] = "AKIAEXAMPLE", secret[] = "secret/+=";
        const AwsKeys keys = { .access_key_id = id, .secret_access_key = secret, .session_token = "" };
        AwsCredentials *c = NULL;

        assert_int_equal(aws_credentials_new(&keys, 17, &c), 0);
        id[0] = secret[0] = '!';
        assert_string_equal(c->keys.access_key_id, "AKIAEXAMPLE");
        assert_string_equal(c->keys.secret_access_key, "secret/+=");
        assert_null(c->keys.session_token);
        assert_int_equal(c->expires, 17);
        assert_ptr_equal(aws_credentials_ref(c), c);
        assert_null(aws_credentials_unref(c));
        assert_string_equal(c->keys.access_key_id, "AKIAEXAMPLE");
        assert_null(aws_credentials_unref(c));
}

static void test_refuses_what_is_no_header(void **state)
{
        static const AwsKeys cases[] = {
                { "", "secret", NULL },
                { "AKIA", "", NULL },
                { NULL, "secret", NULL },
                { "AKIA", NULL, NULL },
                { "AKIA\r\nX: y", "secret", NULL },
                { "AKIA", "sec ret", NULL },
                { "AKIA", "secret", "to\nken" },
                { "AKIA", "secret", "t\xc3\xa4ken" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                AwsCredentials *c = NULL;

                assert_int_equal(aws_credentials_new(&cases[i], 0, &c), -EINVAL);
                assert_null(c);
        }
}

static const char *take(const char *json, AwsCredentials **ret)
{
        _cleanup_json_ cJSON *j = NULL;

        assert_int_equal(json_parse(json, strlen(json), 4096, &j), 0);
        return aws_credentials_read(j, &names, ret);
}

static void test_reads_json(void **state)
{
        static const struct {
                const char *expiry;
                usec_t expires;
        } cases[] = {
                { "", 0 },
                { ",\"Expiration\":null", 0 },
                { ",\"Expiration\":\"\"", 0 },
                { ",\"Expiration\":\"2026-11-23T20:06:22Z\"", 1795464382 * USEC_PER_SEC },
                { ",\"Expiration\":\"2026-11-23T20:06:22.123Z\"", 1795464382 * USEC_PER_SEC },
                { ",\"Expiration\":\"2026-11-23T20:06:22+00:00\"", 1795464382 * USEC_PER_SEC },
                { ",\"Expiration\":1.795464382E9", 1795464382 * USEC_PER_SEC },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(aws_credentials_unrefp) AwsCredentials *c = NULL;
                _cleanup_free_ char *json = str_printf(
                        "{\"AccessKeyId\":\"AKIA\",\"SecretAccessKey\":\"s\",\"SessionToken\":\"t\"%s}",
                        cases[i].expiry);

                assert_null(take(json, &c));
                assert_string_equal(c->keys.session_token, "t");
                assert_int_equal(c->expires, cases[i].expires);
        }
}

static void test_says_what_is_wrong_with_json(void **state)
{
        static const char *const cases[][2] = {
                { "[]", "it has no access key id" },
                { "{\"SecretAccessKey\":\"s\"}", "it has no access key id" },
                { "{\"AccessKeyId\":\"AKIA\"}", "it has no secret access key" },
                { "{\"AccessKeyId\":\"AKIA\",\"SecretAccessKey\":7}", "it has no secret access key" },
                { "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\",\"Expiration\":\"soon\"}",
                  "its expiry is no time" },
                { "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\",\"Expiration\":1e300}",
                  "its expiry is no time" },
                { "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\",\"Expiration\":true}",
                  "its expiry is no time" },
                { "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s t\"}",
                  "there is a character in its keys that cannot be" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                AwsCredentials *c = NULL;

                assert_string_equal(take(cases[i][0], &c), cases[i][1]);
                assert_null(c);
        }
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_copies_and_shares),
                cmocka_unit_test(test_refuses_what_is_no_header),
                cmocka_unit_test(test_reads_json),
                cmocka_unit_test(test_says_what_is_wrong_with_json),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
