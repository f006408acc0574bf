/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "aws-environment.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define FULL "AWS_CONTAINER_CREDENTIALS_FULL_URI"
#define RELATIVE "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
#define TOKEN "AWS_CONTAINER_AUTHORIZATION_TOKEN"

/* Up to three variables. */
#define ENVIRONMENT(...) ((const char *const[4]){ __VA_ARGS__ })

static void test_variables_are_found(void **state)
{
        const char *const *e = ENVIRONMENT("AB=1", "A=2", "C=");

        assert_string_equal(aws_environment_get(e, "A"), "2");
        assert_string_equal(aws_environment_get(e, "AB"), "1");
        assert_null(aws_environment_get(e, "C"));
        assert_null(aws_environment_get(e, "B"));
        assert_null(aws_environment_get(NULL, "A"));
}

typedef int Read(const char *const *environment, AwsSource *s, ConfError *error);

static AwsSource *take(Read *f, const char *const *environment)
{
        AwsSource *s = aws_source_new();
        ConfError error = { "" };

        assert_non_null(s);
        if (f(environment, s, &error) != 0)
                fail_msg("%s", error.text);
        return s;
}

static void check_refused(Read *f, const char *const *environment, int expected, const char *message)
{
        _cleanup_(aws_source_freep) AwsSource *s = aws_source_new();
        ConfError error = { "" };

        assert_non_null(s);
        assert_int_equal(f(environment, s, &error), expected);
        assert_string_equal(error.text, message);
}

static void test_keys(void **state)
{
        const char *const e[] = { "AWS_ACCESS_KEY_ID=A", "AWS_SECRET_ACCESS_KEY=b=", "AWS_SESSION_TOKEN=t",
                                  "AWS_CREDENTIAL_EXPIRATION=1970-01-02T00:00:00Z", NULL };
        _cleanup_(aws_source_freep) AwsSource *s = take(aws_environment_static, e);

        assert_int_equal(s->kind, AWS_SOURCE_STATIC);
        assert_string_equal(s->keys.access_key_id, "A");
        assert_string_equal(s->keys.secret_access_key, "b=");
        assert_string_equal(s->keys.session_token, "t");
        assert_true(s->keys.expires == USEC_PER_DAY);
}

static void test_keys_that_are_none(void **state)
{
        Read *f = aws_environment_static;

        check_refused(f, NULL, -ENOENT, "AWS_ACCESS_KEY_ID is not set in the environment");
        check_refused(f, ENVIRONMENT("AWS_ACCESS_KEY_ID=A", "AWS_SECRET_ACCESS_KEY="), -ENOENT,
                      "AWS_SECRET_ACCESS_KEY is not set in the environment");
        check_refused(f, ENVIRONMENT("AWS_ACCESS_KEY_ID=A", "AWS_SECRET_ACCESS_KEY=x y"), -EINVAL,
                      "AWS_SECRET_ACCESS_KEY in the environment: there is a blank or a character that is "
                      "not ASCII in the value");
        check_refused(f,
                      ENVIRONMENT("AWS_ACCESS_KEY_ID=A", "AWS_SECRET_ACCESS_KEY=x",
                                  "AWS_CREDENTIAL_EXPIRATION=soon"),
                      -EINVAL,
                      "AWS_CREDENTIAL_EXPIRATION in the environment: \"soon\" is no time such as "
                      "2026-11-23T19:19:27Z");
}

static void test_container_urls(void **state)
{
        static const char *const urls[][2] = {
                { RELATIVE "=/v2/c?id=1", "http://169.254.170.2/v2/c?id=1" },
                { FULL "=http://169.254.170.23/v1/", "http://169.254.170.23/v1/" },
                { FULL "=http://169.254.170.2:80/v1", "http://169.254.170.2:80/v1" },
                { FULL "=http://[fd00:ec2::23]/v1", "http://[fd00:ec2::23]/v1" },
                { FULL "=http://localhost:9911/c", "http://localhost:9911/c" },
                { FULL "=http://127.0.0.1", "http://127.0.0.1" },
                { FULL "=https://agent.example/c?x=y", "https://agent.example/c?x=y" },
        };

        for (size_t i = 0; i < ELEMENTSOF(urls); i++) {
                _cleanup_(aws_source_freep) AwsSource *s = NULL;

                s = take(aws_environment_container, ENVIRONMENT(urls[i][0]));
                assert_int_equal(s->kind, AWS_SOURCE_CONTAINER);
                assert_string_equal(s->container.url, urls[i][1]);
                assert_null(s->container.token);
                assert_null(s->container.token_file);
        }
}

static void test_container_tokens(void **state)
{
        _cleanup_(aws_source_freep) AwsSource *token = NULL, *file = NULL;

        token = take(aws_environment_container, ENVIRONMENT(RELATIVE "=/c", TOKEN "=Basic x y"));
        assert_string_equal(token->container.token, "Basic x y");
        assert_null(token->container.token_file);
        file = take(aws_environment_container,
                    ENVIRONMENT(RELATIVE "=/c", TOKEN "=x", TOKEN "_FILE=/run/t"));
        assert_string_equal(file->container.token_file, "/run/t");
        assert_null(file->container.token);
}

static void test_containers_that_are_none(void **state)
{
        Read *f = aws_environment_container;

        check_refused(f, NULL, -ENOENT, "neither " RELATIVE " nor " FULL " is set in the environment");
        check_refused(f, ENVIRONMENT(RELATIVE "=c"), -EINVAL,
                      RELATIVE " in the environment: \"c\" does not start with \"/\"");
        check_refused(f, ENVIRONMENT(FULL "=http://169.254.170.2.example/c"), -EINVAL,
                      FULL " in the environment: \"http://169.254.170.2.example/c\": http is for loopback "
                           "only, the keys of AWS need https");
        check_refused(f, ENVIRONMENT(FULL "=http://169.254.170.2@evil.example/c"), -EINVAL,
                      FULL " in the environment: the URL may not name a user");
        check_refused(f, ENVIRONMENT(FULL "=https://x/?a b"), -EINVAL,
                      FULL
                      " in the environment: there is a blank or a character that is not ASCII in the value");
        check_refused(f, ENVIRONMENT(RELATIVE "=/c", TOKEN "=x\ry"), -EINVAL,
                      TOKEN " in the environment: there is a character that no header may have");
        check_refused(f, ENVIRONMENT(RELATIVE "=/c", TOKEN "_FILE=t"), -EINVAL,
                      TOKEN "_FILE in the environment: \"t\" is no absolute path");
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_variables_are_found), cmocka_unit_test(test_keys),
                cmocka_unit_test(test_keys_that_are_none),  cmocka_unit_test(test_container_urls),
                cmocka_unit_test(test_container_tokens),    cmocka_unit_test(test_containers_that_are_none),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
