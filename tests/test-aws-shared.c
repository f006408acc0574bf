/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "aws-shared.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void read_both(AwsShared *s, const char *credentials, const char *config)
{
        ConfError error = { "" };

        *s = (AwsShared){ .path = { "/c", "/g" } };
        assert_int_equal(
                aws_shared_read(s, AWS_SHARED_CREDENTIALS, credentials, strlen(credentials), 0, &error), 0);
        assert_int_equal(aws_shared_read(s, AWS_SHARED_CONFIG, config, strlen(config), 0, &error), 0);
}

static void test_profiles_are_found(void **state)
{
        _cleanup_(aws_shared_done) AwsShared s = { 0 };
        AwsSharedProfile p;

        read_both(&s, "[a]\nk = c\n[default]\n",
                  "[profile a]\nk = g\nl = g\n[profile \"a\"]\nl = last\n[b]\n[default]\n");
        assert_int_equal(aws_shared_find(&s, "a", &p), 1);
        assert_string_equal(aws_shared_get(&s, &p, "k").value->text, "c");
        assert_int_equal(aws_shared_get(&s, &p, "k").file, AWS_SHARED_CREDENTIALS);
        assert_string_equal(aws_shared_get(&s, &p, "l").value->text, "last");
        assert_int_equal(aws_shared_get(&s, &p, "l").file, AWS_SHARED_CONFIG);
        assert_null(aws_shared_get_in(&s, &p, "k", AWS_SHARED_CONFIG).value);
        assert_null(aws_shared_get(&s, &p, "m").value);
        assert_int_equal(aws_shared_find(&s, "b", &p), 0);
        assert_int_equal(aws_shared_find(&s, "default", &p), 1);
        assert_non_null(p.section[AWS_SHARED_CREDENTIALS]);
        assert_non_null(p.section[AWS_SHARED_CONFIG]);
}

static void check_mode(const char *text, mode_t mode, const char *message)
{
        _cleanup_(aws_shared_done) AwsShared s = { .path = { "/c", "/g" } };
        ConfError error = { "" };

        assert_int_equal(aws_shared_read(&s, AWS_SHARED_CONFIG, text, strlen(text), mode, &error),
                         *message ? -EPERM : 0);
        assert_string_equal(error.text, message);
}

static void test_secrets_are_not_for_everybody(void **state)
{
        static const char open_secret[] = "/g:3: aws_secret_access_key: a secret in a file that is open to "
                                          "everybody; run \"chmod 0640 /g\"";
        static const char open_token[] = "/g:2: aws_session_token: a secret in a file that is open to "
                                         "everybody; run \"chmod 0640 /g\"";

        check_mode("[a]\n[b]\naws_secret_access_key=x\n", 0100640, "");
        check_mode("[a]\n[b]\naws_secret_access_key=x\n", 0100644, open_secret);
        check_mode("[a]\naws_session_token=x\n", 0100644, open_token);
        check_mode("[a]\naws_secret_access_key=\naws_access_key_id = A\n", 0100644, "");
        check_mode("[a]\n", 0100646, "/g: everybody can write it; run \"chmod 0640 /g\"");
}

static void check_value(const char *config, const AwsSharedKey *key, const char *expected,
                        const char *message)
{
        _cleanup_(aws_shared_done) AwsShared s = { 0 };
        _cleanup_free_ char *field = NULL;
        ConfError error = { "" };
        AwsSharedProfile p;

        read_both(&s, "", config);
        assert_int_equal(aws_shared_find(&s, "a", &p), 1);
        assert_int_equal(aws_shared_parse_key(&s, &p, key, &field, &error), *message ? -EINVAL : 0);
        assert_string_equal(error.text, message);
        assert_true(streq_ptr(field, expected));
}

static void test_values_say_where_they_are(void **state)
{
        static const AwsSharedKey key = { .name = "k", .parse = conf_value_string };
        static const AwsSharedKey maybe = { .name = "k", .parse = conf_value_string, .maybe_empty = true };
        static const AwsSharedKey command = { .name = "k", .parse = conf_value_string, .command = true };

        check_value("[profile a]\n", &key, NULL, "");
        check_value("[profile a]\nk = v\n", &key, "v", "");
        check_value("[profile a]\nk =\n", &key, NULL, "/g:2: k of profile \"a\": it is empty");
        check_value("[profile a]\nk =\n", &maybe, NULL, "");
        check_value("[profile a]\nk =\n x = y\n", &maybe, NULL,
                    "/g:2: k of profile \"a\": it takes a value, not indented lines below it");
        check_value("[profile a]\nk = \"v\"\n", &key, NULL,
                    "/g:2: k of profile \"a\": values are written without quotation marks");
        check_value("[profile a]\nk = \"v\"\n", &command, "\"v\"", "");
}

static void check_kind(ConfValueParse *parse, const char *value, const char *message)
{
        _cleanup_free_ char *field = NULL;
        ConfError error = { "" };

        assert_int_equal(parse(&(ConfValueRule){ 0 }, value, &field, &error), *message ? -EINVAL : 0);
        assert_string_equal(error.text, message);
        if (!*message)
                assert_string_equal(field, value);
}

static void test_kinds_of_values(void **state)
{
        check_kind(aws_shared_path, "/x", "");
        check_kind(aws_shared_path, "x", "\"x\" is no absolute path");
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_profiles_are_found),
                cmocka_unit_test(test_secrets_are_not_for_everybody),
                cmocka_unit_test(test_values_say_where_they_are),
                cmocka_unit_test(test_kinds_of_values),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
