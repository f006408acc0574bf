/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "http-noproxy.c"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

typedef struct Case {
        const char *list, *host;
} Case;

static void check(const Case *cases, size_t n, bool expected)
{
        for (size_t i = 0; i < n; i++)
                if (http_noproxy_matches(cases[i].list, cases[i].host) != expected)
                        fail_msg("%s %s %s", cases[i].list, expected ? "has not" : "has", cases[i].host);
}

static void test_names(void **state)
{
        static const Case in[] = {
                { "*", "a.example" },
                { "a.example", "a.example" },
                { "example", "a.example" },
                { ".example", "a.example" },
                { ".a.example", "a.example" },
                { "EXAMPLE.", "a.example" },
                { "example", "A.Example.." },
                { "b, a.example", "a.example" },
                { "b\ta.example", "a.example" },
                { ",,b ,example,", "a.example" },
        };
        static const Case out[] = {
                { NULL, "a.example" },       { "", "a.example" },          { " , ", "a.example" },
                { ".", "a.example" },        { "..", "a.example" },        { "b.a.example", "a.example" },
                { "ample", "a.example" },    { "*.example", "a.example" }, { "b *", "a.example" },
                { "10.0.0.0/8", "example" }, { "0.0.0.0/0", "a.example" },
        };

        check(in, ELEMENTSOF(in), true);
        check(out, ELEMENTSOF(out), false);
}

static void test_addresses(void **state)
{
        static const Case in[] = {
                { "*", "10.1.2.3" },
                { "10.1.2.3", "10.1.2.3" },
                { "10.0.0.0/8", "10.1.2.3" },
                { "10.1.2.2/31", "10.1.2.3" },
                { "10.1.2.3/32", "10.1.2.3" },
                { "0.0.0.0/0", "10.1.2.3" },
                { "a,10.1.0.0/16", "10.1.2.3" },
                { "fd00::/8", "fd12::1" },
                { "fd12:0:0::1", "fd12::1" },
                { "fd12::/127", "fd12::1" },
        };
        static const Case out[] = {
                { "10.1.2.30", "10.1.2.3" },
                { "11.0.0.0/8", "10.1.2.3" },
                { "10.1.2.4/31", "10.1.2.3" },
                { "10.1.2.3/33", "10.1.2.3" },
                { "10.1.2.3/", "10.1.2.3" },
                { "10.1.2.3/8x", "10.1.2.3" },
                { "10.1.2.3/0008", "10.1.2.3" },
                { "2.3", "10.1.2.3" },
                { "::/0", "10.1.2.3" },
                { "0.0.0.0/0", "fd12::1" },
                { "fd12::2/127", "fd12::1" },
                { "/8", "10.1.2.3" },
                { "1000000000000000000000000000000000000000000000000000", "10.1.2.3" },
        };

        check(in, ELEMENTSOF(in), true);
        check(out, ELEMENTSOF(out), false);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_addresses),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
