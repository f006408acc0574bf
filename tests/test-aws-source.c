/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "aws-source.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void test_kinds(void **state)
{
        for (AwsSourceKind k = 0; k < _AWS_SOURCE_KIND_MAX; k++)
                for (AwsSourceKind other = 0; other < k; other++)
                        assert_string_not_equal(aws_source_kind_to_string(k),
                                                aws_source_kind_to_string(other));
}

static void test_roles_in_order(void **state)
{
        _cleanup_(aws_source_freep) AwsSource *s = aws_source_new();
        char arn[] = "arn:a", id[] = "id", name[] = "name";
        AwsRole role = { .arn = arn, .external_id = id, .session_name = name, .duration = 900 };

        assert_non_null(s);
        assert_int_equal(aws_source_add_role(s, &role, false), 0);
        arn[4] = 'b';
        role.external_id = role.session_name = NULL;
        assert_int_equal(aws_source_add_role(s, &role, false), 0);
        arn[4] = 'c';
        assert_int_equal(aws_source_add_role(s, &role, true), 0);

        assert_int_equal(s->n_roles, 3);
        assert_string_equal(s->roles[0].arn, "arn:c");
        assert_string_equal(s->roles[1].arn, "arn:a");
        assert_string_equal(s->roles[1].external_id, "id");
        assert_string_equal(s->roles[1].session_name, "name");
        assert_int_equal(s->roles[1].duration, 900);
        assert_string_equal(s->roles[2].arn, "arn:b");
        assert_null(s->roles[2].external_id);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_kinds),
                cmocka_unit_test(test_roles_in_order),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
