/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "metrics.h"
#include "routes.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

struct Eatr {
        bool healthy, ready;
        int rendered;
};

bool eatr_is_healthy(const Eatr *e, char reason[static HEALTH_REASON_MAX])
{
        (void) strcpy(reason, e->healthy ? "" : "stuck");
        return e->healthy;
}

bool eatr_is_ready(const Eatr *e, char reason[static HEALTH_REASON_MAX])
{
        (void) strcpy(reason, e->ready ? "" : "no good token");
        return e->ready;
}

int metrics_render(Buf *b, const Eatr *e)
{
        return e->rendered < 0 ? e->rendered : buf_printf(b, "a 1\n");
}

static int ask(Eatr *e, const char *path, Buf *body)
{
        for (const HttpdRoute *r = routes; r->path; r++)
                if (streq(r->path, path)) {
                        assert_non_null(startswith(r->content_type, "text/plain; "));
                        return r->render(body, e);
                }
        return 404;
}

static void test_each_path_answers(void **unused)
{
        static const struct {
                const char *path;
                bool healthy, ready;
                int status;
                const char *body;
        } cases[] = {
                { "/healthz", true, true, 200, "ok\n" },
                { "/healthz", true, false, 200, "ok\n" },
                { "/healthz", false, false, 503, "stuck\n" },
                { "/readyz", true, true, 200, "ok\n" },
                { "/readyz", true, false, 503, "no good token\n" },
                { "/metrics", false, false, 200, "a 1\n" },
                { "/", true, true, 404, "" },
        };
        _cleanup_buf_ Buf body = BUF_INIT(65536);

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Eatr e = { .healthy = cases[i].healthy, .ready = cases[i].ready };

                buf_clear(&body);
                assert_int_equal(ask(&e, cases[i].path, &body), cases[i].status);
                assert_string_equal(buf_str(&body), cases[i].body);
        }
        /* Prometheus goes by that. */
        assert_string_equal(routes[0].path, "/metrics");
        assert_string_equal(routes[0].content_type, "text/plain; version=0.0.4; charset=utf-8");
}

static void test_errors(void **unused)
{
        _cleanup_buf_ Buf body = BUF_INIT(0);
        Eatr e = { .rendered = -EMSGSIZE };

        assert_int_equal(ask(&e, "/metrics", &body), -EMSGSIZE);
        assert_int_equal(ask(&e, "/healthz", &body), -EMSGSIZE);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_each_path_answers),
                cmocka_unit_test(test_errors),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
