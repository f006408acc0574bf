/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "aws-xml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* The text of <Code> in a text that ends where its memory does, or NULL; the caller frees it. */
static char *get_sized(const char *text, size_t size)
{
        _cleanup_free_ char *copy = malloc(MAX(size, 1U));
        const char *p = NULL;
        size_t n = 0;

        assert_non_null(copy);
        memcpy(copy, text, size);
        if (!aws_xml_get(copy, size, "Code", &p, &n)) {
                assert_null(p);
                assert_int_equal(n, 0);
                return NULL;
        }
        assert_true(p >= copy && p + n <= copy + size);
        return strndup(p, n);
}

static char *get(const char *text)
{
        return get_sized(text, strlen(text));
}

static void test_text_of_an_element(void **state)
{
        static const char *const cases[][2] = {
                { "<Code>A</Code>", "A" },
                { "x<Code>A</Code>x", "A" },
                { "<a><b><Code>A</Code></b></a>", "A" },
                { "<Code></Code>", "" },
                { "<Code> A\n</Code>", " A\n" },
                { "<Code>a &lt; b</Code>", "a &lt; b" },
                { "<Code>]]></Code>", "]]>" },
                { "<Code a=\"b\">A</Code>", "A" },
                { "<Code\n\ta='b' c='d' >A</Code>", "A" },
                { "<Code\r\n>A</Code>", "A" },
                { "<Code a=\"b/\">A</Code>", "A" },
                /* names that only begin so, or end so */
                { "<Code2>B</Code2><Code>A</Code>", "A" },
                { "<Codes><Code>A</Code></Codes>", "A" },
                { "<ErrorCode>B</ErrorCode><Code>A</Code>", "A" },
                { "<Code>A</Code><Code2>B</Code2>", "A" },
                { "<code>B</code><Code>A</Code>", "A" },
                { "<Code-x>B</Code-x><Code>A</Code>", "A" },
                { "<Code:x>B</Code:x><Code>A</Code>", "A" },
                { "<<Code>A</Code>", "A" },
                /* an element without a text is none */
                { "<Code/><Code>A</Code>", "A" },
                { "<Code /><Code>A</Code>", "A" },
                { "<Code a=\"b\"/><Code>A</Code>", "A" },
                { "<Code>A</Code><Code/>", "A" },
                { "<Code>A</Code><Code /><x", "A" },
                { "</Code><Code>A</Code>", "A" },
                /* CDATA */
                { "<Code><![CDATA[A]]></Code>", "A" },
                { "<Code><![CDATA[]]></Code>", "" },
                { "<Code><![CDATA[<b>&amp;]]</b>]]></Code>", "<b>&amp;]]</b>" },
                { "<Code><![CDATA[]]]]></Code>", "]]" },
                { "<Code><![CDATA[>]]></Code>", ">" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *found = get(cases[i][0]);

                if (!found)
                        fail_msg("nothing in %s", cases[i][0]);
                assert_string_equal(found, cases[i][1]);
        }
}

static void test_what_is_no_single_text(void **state)
{
        static const char *const cases[] = {
                "",
                "<",
                "<Code",
                "<Code>",
                "<Code ",
                "<Code a=\"b\"",
                "<Code>A",
                "<Code>A</Code",
                "<Code>A<",
                "<Code>A</",
                "<Code>A</code>",
                "<Code>A</Codes>",
                "Code>A</Code>",
                "<>A</>",
                "< Code>A</Code>",
                "</Code>",
                "</Code>A<Code>",
                "<Code/>",
                "<Code/>A</Code>",
                "<Codes>A</Code>",
                "<Code2>A</Code2>",
                /* another of that name, or another inside */
                "<Code>A</Code><Code>B</Code>",
                "<Code>A</Code><Code></Code>",
                "<Code>A</Code><x/><Code>",
                "<Code><Code>A</Code></Code>",
                "<Code><b>A</b></Code>",
                "<Code>A<b/></Code>",
                "<Code>A<!-- B --></Code>",
                /* CDATA is all of it, and ends where it says */
                "<Code>A<![CDATA[B]]></Code>",
                "<Code> <![CDATA[B]]></Code>",
                "<Code><![CDATA[B]]>C</Code>",
                "<Code><![CDATA[B</Code>",
                "<Code><![CDATA[B]]</Code>",
                "<Code><![CDATA[B]></Code>",
                "<Code><![CDATA[</Code>",
                "<Code><![CDATA[]></Code>",
                "<Code><![CDATA]]></Code>",
                "<Code><![CDATA[A</Code>]]></Code>",
                "<Code><![CDATA[<Code>]]></Code><Code>A</Code>",
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *found = get(cases[i]);

                if (found)
                        fail_msg("\"%s\" in %s", found, cases[i]);
        }
}

static void test_a_cut_text_has_none(void **state)
{
        static const char text[] = "<a><Code x=\"y\"><![CDATA[A]]></Code>";

        for (size_t n = 0; n < strlen(text); n++)
                assert_null(get_sized(text, n));
}

static void test_a_nul_is_a_character_like_others(void **state)
{
        static const char text[] = "\0<Code>A\0B</Code>\0";
        const char *p;
        size_t n;

        assert_true(aws_xml_get(text, sizeof(text) - 1, "Code", &p, &n));
        assert_int_equal(n, 3);
        assert_memory_equal(p, "A\0B", 3);
}

/* A megabyte of beginnings takes no time to speak of. */
static void test_a_large_text(void **state)
{
        enum { SIZE = 1024 * 1024 };
        _cleanup_free_ char *text = malloc(SIZE);

        assert_non_null(text);
        for (size_t i = 0; i < SIZE; i++)
                text[i] = "<Code"[i % 5];
        assert_null(get_sized(text, SIZE));
        for (size_t i = 0; i < SIZE; i++)
                text[i] = "<Code/>"[i % 7];
        assert_null(get_sized(text, SIZE));
        memset(text, '<', SIZE);
        assert_null(get_sized(text, SIZE));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_text_of_an_element),
                cmocka_unit_test(test_what_is_no_single_text),
                cmocka_unit_test(test_a_cut_text_has_none),
                cmocka_unit_test(test_a_nul_is_a_character_like_others),
                cmocka_unit_test(test_a_large_text),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
