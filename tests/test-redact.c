/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "encode.h"
#include "redact.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* The line ends where its memory does, for the sanitizers. */
static char *redacted(const char *line, bool cut)
{
        _cleanup_free_ char *copy = strdup(line);
        char *text;

        assert_non_null(copy);
        text = redact(copy, cut);
        assert_non_null(text);
        return text;
}

static void check(const char *line, bool cut, const char *expected)
{
        _cleanup_free_ char *text = redacted(line, cut);

        assert_string_equal(text, expected);
}

static void test_messages_stay_as_they_are(void **state)
{
        static const char *const lines[] = {
                "",
                " ",
                "open /usr/local/bin/aws_signing_helper: no such file or directory",
                "unable to load /etc/eatr/certs/host-0042.example.com.pem: permission denied",
                "2026-11-23T19:19:27Z AccessDeniedException: Untrusted certificate. Insufficient "
                "certificate",
                "2026/11/23 19:19:27.123456 2026-11-23T19:19:27.123456+02:00 1 try",
                "arn:aws:iam::123456789012:role/EcrPuller is not authorized to perform: "
                "ecr:GetAuthorizationToken on resource: * because no identity-based policy allows it",
                "arn:aws:rolesanywhere:eu-central-1:123456789012:trust-anchor/"
                "5c9a1b2e-1111-2222-3333-444455556666",
                "RequestID: 5c9a1b2e-1111-2222-3333-444455556666",
                "account 123456789012, host 123456789012.dkr.ecr.eu-central-1.amazonaws.com",
                "Signature expired: 20261123T191927Z is now earlier than 20261123T192427Z.",
                "HTTPSConnectionPool(host='sts.amazonaws.com', port=443): Max retries exceeded",
                "UnrecognizedClientException InvalidClientTokenIdException SSLCertVerificationError",
                "CERTIFICATE_VERIFY_FAILED AWS_CONTAINER_CREDENTIALS_RELATIVE_URI INTERNAL_SERVER_ERROR",
                "  File \"/usr/lib/python3/dist-packages/botocore/session.py\", line 1034",
                "dial tcp 10.0.0.1:443: connect: connection refused [2001:db8::1]:443",
                "--------------------------------",
                "Enter PIN for token 'a' (3 tries left): ",
                "password: ",
                "\xc3\xa4\xe2\x82\xac \xf0\x9f\x98\x80",
        };

        for (size_t i = 0; i < ELEMENTSOF(lines); i++)
                check(lines[i], false, lines[i]);
}

static void test_what_looks_random_is_hidden(void **state)
{
        static const char *const cases[][2] = {
                { "AKIAIOSFODNN7EXAMPLE", "[hidden]" },
                { "AKIAIOSFODNNQEXAMPLE", "[hidden]" }, /* no digit */
                { "key AKIAIOSFODNN7EXAMPLE is bad", "key [hidden] is bad" },
                { "\"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\"", "\"[hidden]\"" },
                { "wJalrXUtnFEMI/KzMDENG/bPxRfiCYEXAMPLEKEY", "[hidden]" }, /* no digit */
                { "abcdefghijklmnopqrstuvwxyzabcdefghijklMn", "[hidden]" }, /* 40 */
                { "Abcdefghijklmno1", "[hidden]" },
                { "Abcdefghijklmn1", "Abcdefghijklmn1" },
                { "abcdefghijklmno1", "abcdefghijklmno1" },
                { "_1234-1234-1234-1234_", "[hidden]" },
                { "1234-1234-1234", "1234-1234-1234" },
                { "abcdefghijklMNOPQRSTUVWX", "[hidden]" },
                { "abcdefghijklmnopqrstuvWX", "abcdefghijklmnopqrstuvWX" },
                { "0123456789abcdef0123456789abcdef", "[hidden]" },
                { "key=0123456789abcdef0123456789abcdef!", "[hidden]!" },
                { "0123456789abcdef-0123456789abcdef", "0123456789abcdef-0123456789abcdef" },
                { "%6a%6b%6c%6d%6e%6f%61%62%63%64%65", "[hidden]" },
                { "abcdefghijklmnopqrstuvwxyz-abcdefghijklmnopqrstuvwxyz-abcdefghij", "[hidden]" },
                { "abcdefghijklmnopqrstuvwxyz-abcdefghijklmnopqrstuvwxyz-abcdefghi",
                  "abcdefghijklmnopqrstuvwxyz-abcdefghijklmnopqrstuvwxyz-abcdefghi" },
                { "20261123T191927Z1", "[hidden]" },
                { "20261123T1919271", "[hidden]" },
                { "a:wJalrXUtnFEMI\\/K7MDENG:b", "a:[hidden]:b" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                check(cases[i][0], false, cases[i][1]);
}

static void test_all_behind_a_word_is_hidden(void **state)
{
        static const char *const cases[][2] = {
                { "{\"SecretAccessKey\": \"abc\", \"Version\": 1}", "{\"SecretAccessKey [hidden]" },
                { "{\"Version\":1,\"SessionToken\":\"a\"}", "{\"Version\":1,\"SessionToken [hidden]" },
                { "aws_secret_access_key = a b", "aws_secret_access_key [hidden]" },
                { "export AWS_SESSION_TOKEN=a", "export AWS_SESSION_TOKEN [hidden]" },
                { "X-Amz-Security-Token: a", "X-Amz-Security-Token [hidden]" },
                { "> authorization: Basic YTpi", "> authorization [hidden]" },
                { "PASSWORD a", "PASSWORD [hidden]" },
                { "the Password is \xc3\xa4", "the Password [hidden]" },
                { "password\xc3\xa4", "password [hidden]" },
                { "passphrase:x", "passphrase [hidden]" },
                { "SessionToken a SecretAccessKey b", "SessionToken [hidden]" },
                { "SecretAccessKey a SessionToken b", "SecretAccessKey [hidden]" },
                { "ecr:GetAuthorizationToken failed, Authorization: a",
                  "ecr:GetAuthorizationToken failed, Authorization [hidden]" },
                { "AKIAIOSFODNN7EXAMPLE password a", "[hidden] password [hidden]" },
                { "AKIAIOSFODNN7EXAMPLE/password/a", "[hidden] [hidden]" },
                { "password?", "password [hidden]" },
                { "password", "password" },
                { "password: \"\".", "password: \"\"." },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                check(cases[i][0], false, cases[i][1]);
}

static void test_the_end_of_a_line_that_was_cut_is_left_out(void **state)
{
        static const char *const cases[][2] = {
                { "", "" },
                { "some wor", "some " },
                { "word", "" },
                { "some words ", "some words " },
                { "some words: ", "some words: " },
                { "key AKIAIOSF", "key " },
                { "key AKIAIOSFODNN7EXAMPL", "key [hidden]" },
                { "some passw", "some " },
                { "the password", "the " },
                { "the password: a", "the password [hidden]" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                check(cases[i][0], true, cases[i][1]);
}

/* --- secrets by chance ----------------------------------------------------------------------------- */

#define BASE32 "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
#define BASE64 "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
#define BASE64URL "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

static unsigned chance(void)
{
        static uint64_t x = 1;

        x = x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        return (unsigned) (x >> 40);
}

static char *append(char *to, const char *alphabet, size_t n)
{
        for (size_t size = strlen(alphabet); n > 0; n--)
                *to++ = alphabet[chance() % size];
        *to = '\0';
        return to;
}

static void make_secret(unsigned kind, char secret[static 1024])
{
        char *p;

        switch (kind) {
        case 0:
                (void) append(secret, BASE64, 40);
                break;
        case 1:
                (void) append(stpcpy(secret, chance() % 2 ? "AKIA" : "ASIA"), BASE32, 16);
                break;
        case 2:
                (void) append(stpcpy(secret, "IQoJb3JpZ2luX2VjE"), BASE64, 200 + chance() % 700);
                break;
        default:
                p = append(stpcpy(secret, "eyJhbGciOiJSUzI1NiJ9."), BASE64URL, 50 + chance() % 300);
                (void) append(stpcpy(p, "."), BASE64URL, 86 + chance() % 300);
        }
}

/* No 8 characters of it may be seen. */
static void check_hidden(const char *line, const char *secret)
{
        for (unsigned cut = 0; cut < 2; cut++) {
                _cleanup_free_ char *text = redacted(line, cut);

                for (const char *p = secret; strlen(p) >= 8; p++) {
                        char part[9];

                        (void) snprintf(part, sizeof(part), "%.8s", p);
                        if (strstr(text, part))
                                fail_msg("<%s> shows %s", text, secret);
                }
        }
}

static void check_formats(const char *secret)
{
        static const char *const formats[][2] = {
                { "", "" },
                { "got ", " from it" },
                { "{\"x\":\"", "\"}" },
                { "x=", "&y=z" },
                { "https://example.com/?X-Amz-Credential=", "/20261123/eu-central-1/ecr/aws4_request" },
                { "arn:aws:iam::123456789012:user/", ":x" },
                { "a/b/c/", "/d/e" },
                { "(", ")." },
                { "\xc3\xa4", "\xc3\xa4" },
        };

        for (size_t i = 0; i < ELEMENTSOF(formats); i++) {
                _cleanup_free_ char *line = str_printf("%s%s%s", formats[i][0], secret, formats[i][1]);

                check_hidden(line, secret);
        }
}

static void test_no_secret_is_seen_whatever_its_encoding(void **state)
{
        for (unsigned i = 0; i < 2000; i++) {
                char secret[1024];
                char *base64, *percent, *both;

                /* The long ones are hidden for their length: fewer of them do. */
                make_secret(i % 20 == 0 ? 2 : i % 20 == 1 ? 3 : i % 2, secret);
                base64 = encode_base64(secret, strlen(secret));
                percent = encode_percent(secret);
                both = encode_percent(base64);
                check_formats(secret);
                check_formats(base64);
                check_formats(percent);
                check_formats(both);
                free(base64);
                free(percent);
                free(both);
        }
}

static void test_logins_in_urls_are_hidden(void **state)
{
        static const struct {
                const char *line, *whole, *cut;
        } cases[] = {
                { "", "", "" },
                { "x http://me:pw@p:3128/ y", "x http://[hidden]@p:3128/ y", "x http://[hidden]@p:3128/ y" },
                { "http://me@p", "http://[hidden]@p", "http://[hidden]@p" },
                { "http://a:b@c:d@p", "http://[hidden]@p", "http://[hidden]@p" },
                { "://u@://v@://w@", "://[hidden]@://[hidden]@://[hidden]@",
                  "://[hidden]@://[hidden]@://[hidden]@" },
                { "'socks5h://a:b@p'", "'socks5h://[hidden]@p'", "'socks5h://[hidden]@p'" },
                { "http://p/a@b http://@p", "http://p/a@b http://@p", "http://p/a@b http://@p" },
                { "http://p x@y", "http://p x@y", "http://p x@y" },
                /* It may go on with "@". */
                { "x http://me:p", "x http://me:p", "x http://" },
                { "http://", "http://", "http://" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                for (unsigned cut = 0; cut < 2; cut++) {
                        _cleanup_free_ char *text = redact_logins(cases[i].line, cut);

                        assert_string_equal(text, cut ? cases[i].cut : cases[i].whole);
                }
        check("via http://me:pw@p:3128", false, "via http://[hidden]@p:3128");
        check("via http://me:pw@p:3128 password x", false, "via http://[hidden]@p:3128 password [hidden]");
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_messages_stay_as_they_are),
                cmocka_unit_test(test_what_looks_random_is_hidden),
                cmocka_unit_test(test_all_behind_a_word_is_hidden),
                cmocka_unit_test(test_the_end_of_a_line_that_was_cut_is_left_out),
                cmocka_unit_test(test_no_secret_is_seen_whatever_its_encoding),
                cmocka_unit_test(test_logins_in_urls_are_hidden),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
