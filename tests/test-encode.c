/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "encode.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void check_decoded(const char *text, const void *expected, size_t size)
{
        _cleanup_free_ void *decoded = NULL;
        size_t decoded_size = SIZE_MAX;

        if (decode_base64(text, &decoded, &decoded_size) != 0)
                fail_msg("refused: \"%s\"", text);
        assert_int_equal(decoded_size, size);
        assert_memory_equal(decoded, expected, size);
        assert_int_equal(((char *) decoded)[size], '\0');
}

/* RFC 4648, 10. */
static void test_base64_rfc4648_vectors(void **state)
{
        static const char *const vectors[][2] = {
                { "", "" },
                { "f", "Zg==" },
                { "fo", "Zm8=" },
                { "foo", "Zm9v" },
                { "foob", "Zm9vYg==" },
                { "fooba", "Zm9vYmE=" },
                { "foobar", "Zm9vYmFy" },
        };

        for (size_t i = 0; i < ELEMENTSOF(vectors); i++) {
                _cleanup_free_ char *s = encode_base64(vectors[i][0], strlen(vectors[i][0]));

                assert_string_equal(s, vectors[i][1]);
                check_decoded(s, vectors[i][0], strlen(vectors[i][0]));
        }
}

static void test_base64url(void **state)
{
        static const char *const vectors[][2] = {
                { "", "" },
                { "f", "Zg" },
                { "fo", "Zm8" },
                { "foo", "Zm9v" },
                { "\xfb\xff", "-_8" },
                { "\xff\xef\xbe", "_---" },
                { "a?b>c~", "YT9iPmN-" },
        };

        for (size_t i = 0; i < ELEMENTSOF(vectors); i++) {
                _cleanup_free_ char *s = encode_base64url(vectors[i][0], strlen(vectors[i][0]));

                assert_string_equal(s, vectors[i][1]);
        }
}

static void test_base64_every_byte_at_every_length(void **state)
{
        uint8_t bytes[512];

        for (size_t i = 0; i < sizeof(bytes); i++)
                bytes[i] = (uint8_t) (i * 167 + i / 256);
        for (size_t n = 0; n <= sizeof(bytes); n++) {
                _cleanup_free_ char *s = encode_base64(bytes, n);

                assert_int_equal(strlen(s), (n + 2) / 3 * 4);
                assert_int_equal(
                        strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="),
                        strlen(s));
                check_decoded(s, bytes, n);
        }
}

static void test_base64_alphabet_is_the_standard_one(void **state)
{
        _cleanup_free_ char *s = encode_base64("\xfb\xff\xbf\x00\x10\x83", 6);

        assert_string_equal(s, "+/+/ABCD");
        check_decoded("+/+/ABCD", "\xfb\xff\xbf\x00\x10\x83", 6);
}

static void test_base64_blanks_are_skipped(void **state)
{
        static const char *const same[] = {
                "Zm9vYg==\n",
                " Zm9v\r\nYg==",
                "Z m\t9vY\ng = =\n\n",
                "\nZm9vYg=\n=",
        };

        for (size_t i = 0; i < ELEMENTSOF(same); i++)
                check_decoded(same[i], "foob", 4);
        check_decoded(" \r\n\t", "", 0);
}

static void test_base64_refuses_what_is_none(void **state)
{
        static const char *const bad[] = {
                "Z",       "Zg",       "Zg=",       "Zm9",      "Zm9vY",    "=",
                "==",      "===",      "====",      "Z===",     "Zm9v=",    "Zm9v==",
                "Zg===",   "Zm9v====", "Zg==Zg==",  "Zg=g",     "Z=g=",     "=Zg=",
                "Zm8=Z",   "Zm9v!",    "Zm-v",      "Zm_v",     "Zm9v,",    "Zm\xc3\xa4",
                "Zm9\x80", "Zm9v\x01", "Zm9vYg==Z", "Zg======", "Zm8=====",
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                void *decoded = NULL;
                size_t size = 42;

                if (decode_base64(bad[i], &decoded, &size) != -EINVAL || decoded || size != 42)
                        fail_msg("\"%s\" is taken", bad[i]);
        }
}

static void test_hex_is_lower_case(void **state)
{
        char buffer[] = "................";

        assert_ptr_equal(encode_hex(buffer, "\x00\x01\x7f\x80\xab\xff", 6), buffer);
        assert_memory_equal(buffer, "00017f80abff\0...", 16);
        assert_string_equal(encode_hex(buffer, "", 0), "");
}

static void test_percent_leaves_only_unreserved_characters(void **state)
{
        static const char *const cases[][2] = {
                { "", "" },
                { "AZaz09-_.~", "AZaz09-_.~" },
                { "a b/c+d=e&f", "a%20b%2Fc%2Bd%3De%26f" },
                { "arn:aws:iam::111122223333:role/pull@h",
                  "arn%3Aaws%3Aiam%3A%3A111122223333%3Arole%2Fpull%40h" },
                { "!\"#$%'()*,;<>?[\\]^`{|}",
                  "%21%22%23%24%25%27%28%29%2A%2C%3B%3C%3E%3F%5B%5C%5D%5E%60%7B%7C%7D" },
                { "\xc3\xa4\x01\x7f\xff\n", "%C3%A4%01%7F%FF%0A" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *s = encode_percent(cases[i][0]);

                assert_string_equal(s, cases[i][1]);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_base64_rfc4648_vectors),
                cmocka_unit_test(test_base64url),
                cmocka_unit_test(test_base64_every_byte_at_every_length),
                cmocka_unit_test(test_base64_alphabet_is_the_standard_one),
                cmocka_unit_test(test_base64_blanks_are_skipped),
                cmocka_unit_test(test_base64_refuses_what_is_none),
                cmocka_unit_test(test_hex_is_lower_case),
                cmocka_unit_test(test_percent_leaves_only_unreserved_characters),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
