/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "kube-headers.h"

#include <setjmp.h>
#include <stdarg.h>
/* cmocka.h comes after what it uses. */
#include <cmocka.h>

static void check(const KubeConfig *config, const char *token, const char *accept, const char *content_type,
                  const char *const *expected)
{
        char **lines;
        size_t n;

        assert_return_code(kube_headers_make(config, token, accept, content_type, &lines), 0);
        for (n = 0; expected[n]; n++)
                assert_string_equal(lines[n], expected[n]);
        assert_null(lines[n]);
        assert_null(kube_headers_free(lines));
}

static void test_nothing(void **state)
{
        check(&(KubeConfig){ .context = NULL }, NULL, NULL, NULL, (const char *const[]){ NULL });
        assert_null(kube_headers_free(NULL));
}

/* A password alone is none, see HasBasicAuth() in client-go's transport/config.go. */
static void test_a_token_goes_before_a_password(void **state)
{
        static const KubeConfig config = { .username = (char *) "jane", .password = (char *) "p:w d" },
                                half = { .password = (char *) "pw" };

        check(&config, "t0ken", NULL, NULL, (const char *const[]){ "Authorization: Bearer t0ken", NULL });
        check(&config, NULL, NULL, NULL,
              (const char *const[]){ "Authorization: Basic amFuZTpwOncgZA==", NULL });
        check(&half, NULL, NULL, NULL, (const char *const[]){ NULL });
}

static void test_all_of_them(void **state)
{
        char *impersonate[] = { (char *) "Impersonate-User: jane", (char *) "Impersonate-Group: a", NULL };
        const KubeConfig config = { .impersonate = impersonate };

        check(&config, "t0ken", "application/json", "application/yaml",
              (const char *const[]){ "Impersonate-User: jane", "Impersonate-Group: a",
                                     "Accept: application/json", "Content-Type: application/yaml",
                                     "Authorization: Bearer t0ken", NULL });
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_nothing),
                cmocka_unit_test(test_a_token_goes_before_a_password),
                cmocka_unit_test(test_all_of_them),
        };

        return cmocka_run_group_tests_name("kube-headers", tests, NULL, NULL);
}
