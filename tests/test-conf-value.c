/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "clock.h"
#include "conf-value.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define SECRET "hunter2-hunter2-hunter2"

/* Stand in for what conf-value.c allocates with: one allocation may fail. */
static unsigned allocations_left = UINT_MAX;

static bool out_of_memory(void)
{
        return allocations_left-- == 0;
}

static char *strdup_maybe(const char *s)
{
        return out_of_memory() ? NULL : strdup(s);
}

static char *strndup_maybe(const char *s, size_t n)
{
        return out_of_memory() ? NULL : strndup(s, n);
}

static void *reallocarray_maybe(void *p, size_t n, size_t size)
{
        return out_of_memory() ? NULL : reallocarray(p, n, size);
}

static unsigned n_erased;

static char *erase_and_count(char *s)
{
        n_erased += s && streq(s, SECRET);
        return str_erase_free(s);
}

#define strdup(s) strdup_maybe(s)
#define strndup(s, n) strndup_maybe(s, n)
#define reallocarray(p, n, size) reallocarray_maybe(p, n, size)
#define str_erase_free(s) erase_and_count(s)
#include "conf-value.c"
#undef strdup
#undef strndup
#undef reallocarray
#undef str_erase_free

static const ConfValueRule no_rule;

static void check_string(ConfValueParse *kind, const char *value, const char *expected)
{
        _cleanup_free_ char *field = strdup("before"), *copy = strdup(value);
        ConfError error = { "" };

        if (kind(&no_rule, copy, &field, &error) != 0)
                fail_msg("%s: %s", value, error.text);
        copy[0] = '!'; /* the field is a copy */
        assert_string_equal(field, expected);
}

/* A refused value leaves the field as it was; the sentence is given by its start. */
static void check_no_string(ConfValueParse *kind, const char *value, const char *sentence)
{
        char before[] = "before", *field = before;
        ConfError error = { "" };

        if (kind(&no_rule, value, &field, &error) != -EINVAL)
                fail_msg("%s: %s", value, field);
        assert_ptr_equal(field, before);
        assert_string_equal(before, "before");
        if (!startswith(error.text, sentence))
                fail_msg("%s: %s", value, error.text);
}

static void test_any_text(void **state)
{
        check_string(conf_value_string, " a\xff%s\"\x01", " a\xff%s\"\x01");
        check_string(conf_value_string, "~", "~");
}

static void test_credentials_are_printable_and_not_shown(void **state)
{
        static const char *const bad[] = { SECRET " ", "\t" SECRET, SECRET "\x7f", SECRET "\n",
                                           "\xc3" SECRET };

        check_string(conf_value_credential, "!az~/+=\"", "!az~/+=\"");
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                check_no_string(conf_value_credential, bad[i],
                                "there is a blank or a character that is not ASCII in the value");
}

static void test_a_credential_is_wiped_when_another_comes(void **state)
{
        _cleanup_free_ char *field = strdup(SECRET);
        ConfError error;

        n_erased = 0;
        assert_int_equal(conf_value_credential(&no_rule, "a b", &field, &error), -EINVAL);
        assert_int_equal(n_erased, 0);
        assert_int_equal(conf_value_credential(&no_rule, "x", &field, &error), 0);
        assert_int_equal(n_erased, 1);
}

static void test_names_of_regions_and_secrets(void **state)
{
        static const char *const regions[] = { "eu",          "eu-1",       "eu--1",           "-eu-west-1",
                                               "eu-west-1\n", "eu-west-",   "eu-w3st-1",       "eu-west-1/x",
                                               "eu-west-1.x", " eu-west-1", "eu-west-1\x1b[2J" };
        static const char *const names[] = {
                "a.-b", "a-.b", ".a", "a.", "-a", "a-", "A", "a_b", "a\n", "a b"
        };
        static const char letters[] = "aaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbb";
        _cleanup_free_ char *longest = str_printf("eu-%.58s-1", letters);
        _cleanup_free_ char *longer = str_printf("eu-%.59s-1", letters);

        check_string(conf_value_region, longest, longest);
        check_no_string(conf_value_region, longer, "\"eu-aaaa");
        for (size_t i = 0; i < ELEMENTSOF(regions); i++)
                check_no_string(conf_value_region, regions[i], "\"");
        check_no_string(conf_value_region, "\x1b", "\"\\x1b\" is no AWS region");
        check_string(conf_value_secret_name, "0", "0");
        check_string(conf_value_secret_name, "a-b.c--d.0", "a-b.c--d.0");
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                check_no_string(conf_value_secret_name, names[i], "\"");
}

static void test_paths_start_at_the_directory(void **state)
{
        static const ConfValueRule rule = { .directory = "/etc/x" };
        char *field = NULL;
        ConfError error;

        assert_int_equal(conf_value_path(&rule, "../a b", &field, &error), 0);
        assert_string_equal(field, "/etc/x/../a b");
        assert_int_equal(conf_value_path(&rule, "/a/", &field, &error), 0);
        assert_string_equal(field, "/a/");
        free(field);
        check_string(conf_value_path, "a/~", "a/~"); /* from the working directory */
        check_no_string(conf_value_path, "~root/x", "\"~\" has no meaning here");
}

static void test_urls(void **state)
{
        static const char *const good[][2] = {
                { "https://h", "https://h" },
                { "https://h////", "https://h" },
                { "https://h:65535/a//b/", "https://h:65535/a//b" },
                { "https://a-1.B.c/~x;y=%20:[", "https://a-1.B.c/~x;y=%20:[" },
                { "https://[fd00::1]:1", "https://[fd00::1]:1" },
                { "http://127.255.0.1:1/", "http://127.255.0.1:1" },
                { "http://[0::0:1]", "http://[0::0:1]" },
        };
        static const char *const bad[] = { "HTTPS://h",    "https:/h",       "https://h\n",
                                           "https://\xc3", "https://h/\x7f", "https://h-",
                                           "https://h.",   "https://h:+1",   "https://h_h",
                                           "https://:1",   "https://[]",     "https://[::1%25lo]" };
        static const char *const plain[] = {
                "http://h",          "http://128.0.0.1",          "http://127.1",
                "http://0177.0.0.1", "http://2130706433",         "http://localhost.h",
                "http://[::2]",      "http://[::ffff:127.0.0.1]", "http://0x7f.0.0.1",
        };

        for (size_t i = 0; i < ELEMENTSOF(good); i++)
                check_string(conf_value_url, good[i][0], good[i][1]);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                check_no_string(conf_value_url, bad[i], "\"");
        for (size_t i = 0; i < ELEMENTSOF(plain); i++) {
                _cleanup_free_ char *sentence = str_printf("\"%s\": http is for loopback only", plain[i]);

                check_no_string(conf_value_url, plain[i], sentence);
        }
        /* What is before an "@" is not shown. */
        check_no_string(conf_value_url, "https://u:" SECRET "@h", "the URL may not name a user");
        check_no_string(conf_value_url, "http://localhost@h", "the URL may not name a user");
        check_no_string(conf_value_url, "u:" SECRET "@h", "the URL may not name a user");
}

static void test_booleans(void **state)
{
        static const char *const words[] = { "no", "YES", "False", "tRue", "off", "ON", "0", "1" };
        static const char *const bad[] = { "y", "n", "2", "yes ", " no", "nope", "\xff" };
        ConfError error;
        bool field;

        for (size_t i = 0; i < ELEMENTSOF(words); i++) {
                field = i % 2 == 0;
                assert_int_equal(conf_value_bool(&no_rule, words[i], &field, &error), 0);
                assert_int_equal(field, i % 2);
        }
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(conf_value_bool(&no_rule, bad[i], &field, &error), -EINVAL);
        assert_true(field);
        assert_string_equal(error.text, "\"\\xff\" is neither yes nor no");
}

static void test_numbers_have_bounds(void **state)
{
        static const char *const bad[] = { "4",  "4294967295", "4294967301",  "-5",
                                           "+5", "5.0",        "0x5",         " 5",
                                           "5 ", "5e0",        "00000000005", "18446744073709551621" };
        static const ConfValueRule rule = { .least = 5, .most = UINT32_MAX - 1 };
        unsigned field = 1;
        ConfError error;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(conf_value_number(&rule, bad[i], &field, &error), -EINVAL);
        assert_string_equal(error.text, "\"18446744073709551621\" is no number from 5 to 4294967294");
        assert_int_equal(field, 1);
        assert_int_equal(conf_value_number(&rule, "5", &field, &error), 0);
        assert_int_equal(field, 5);
        assert_int_equal(conf_value_number(&rule, "4294967294", &field, &error), 0);
        assert_int_equal(field, UINT32_MAX - 1);
        assert_int_equal(conf_value_number(&rule, "0000000007", &field, &error), 0);
        assert_int_equal(field, 7);
}

static void test_intervals_have_bounds(void **state)
{
        static const ConfValueRule rule = { .least = USEC_PER_SEC, .most = USEC_PER_MINUTE };
        static const char *const outside[] = { "999ms", "0", "61s", "1m1us", "99999999999999d" };
        usec_t field = 1;
        ConfError error;

        for (size_t i = 0; i < ELEMENTSOF(outside); i++)
                assert_int_equal(conf_value_interval_or_auto(&rule, outside[i], &field, &error), -EINVAL);
        assert_string_equal(error.text, "\"99999999999999d\" is not between 1s and 1min");
        assert_int_equal(conf_value_interval(&rule, "auto", &field, &error), -EINVAL);
        assert_string_equal(error.text, "\"auto\" is no duration such as 20s, 5m or 1h30m");
        assert_int_equal(conf_value_interval_or_auto(&rule, "Auto", &field, &error), -EINVAL);
        assert_int_equal(field, 1);
        assert_int_equal(conf_value_interval(&rule, "1s", &field, &error), 0);
        assert_int_equal(field, USEC_PER_SEC);
        assert_int_equal(conf_value_interval_or_auto(&rule, "60s", &field, &error), 0);
        assert_int_equal(field, USEC_PER_MINUTE);
        assert_int_equal(conf_value_interval_or_auto(&rule, "auto", &field, &error), 0);
        assert_int_equal(field, 0);
}

static void test_where_to_listen(void **state)
{
        static const struct {
                const char *value, *address;
                uint16_t port;
        } cases[] = {
                { "0.0.0.0:65535", "0.0.0.0", 65535 },         { "[::]:1", "::", 1 },
                { "[::ffff:1.2.3.4]:1", "::ffff:1.2.3.4", 1 }, { "off", NULL, 0 },
                { "localhost:80", "127.0.0.1", 80 },           { "off", NULL, 0 },
        };
        static const char *const bad[] = {
                "0.0.0.0", "[::]",       "[::]:0",     "[::]:65536",  "[1.2.3.4]:1", "[:", "[::1%lo]:1",
                "1.2.3:1", "01.2.3.4:1", "1.2.3.4:1 ", "LOCALHOST:1", "OFF",         "",   "[::1]x:1"
        };
        ConfListen field = { NULL, 7 };
        ConfError error;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                assert_int_equal(conf_value_listen(&no_rule, cases[i].value, &field, &error), 0);
                assert_true(streq_ptr(field.address, cases[i].address));
                assert_int_equal(field.port, cases[i].port);
        }
        field = (ConfListen){ (char *) "before", 7 };
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(conf_value_listen(&no_rule, bad[i], &field, &error), -EINVAL);
        assert_string_equal(field.address, "before");
        assert_int_equal(field.port, 7);
}

static void check_list(char **list, const char *expected)
{
        char joined[200] = "";

        for (; *list; list++)
                (void) snprintf(joined + strlen(joined), sizeof(joined) - strlen(joined), "%s|", *list);
        assert_string_equal(joined, expected);
}

static void free_list(char **list)
{
        for (char **p = list; *p; p++)
                free(*p);
        free(list);
}

static void test_what_looks_like_another_format(void **state)
{
        static const char *const good[] = {
                "a", "a;b#c", "\"", "'", "\"a'", "a\"b\"", "\"a\"b", "a; b", ""
        };
        static const char *const comments[] = { ";", "# a", "a ;", "a\t#b", "a #" };
        static const char *const quoted[] = { "\"\"", "''", "\"a\"", "'a b'" };
        ConfError error = { "" };

        for (size_t i = 0; i < ELEMENTSOF(good); i++)
                assert_int_equal(conf_value_check_plain(good[i], false, &error), 0);
        assert_string_equal(error.text, "");
        for (size_t i = 0; i < ELEMENTSOF(comments); i++) {
                assert_int_equal(conf_value_check_plain(comments[i], false, &error), -EINVAL);
                assert_non_null(strstr(error.text, "a comment takes a line of its own"));
        }
        for (size_t i = 0; i < ELEMENTSOF(quoted); i++) {
                assert_int_equal(conf_value_check_plain(quoted[i], false, &error), -EINVAL);
                assert_string_equal(error.text, "values are written without quotation marks");
        }
}

static void check_each(ConfValueParse *kind, const char *const *good, const char *const *bad,
                       const char *sentence)
{
        for (; *good; good++)
                check_string(kind, *good, *good);
        for (; *bad; bad++) {
                char expected[CONF_ERROR_MAX];

                (void) snprintf(expected, sizeof(expected), "%s %s", CONF_ERROR_QUOTE(*bad), sentence);
                check_no_string(kind, *bad, expected);
        }
}

#define EACH(kind, good, bad, sentence) \
        check_each(kind, (const char *const[]){ good, NULL }, (const char *const[]){ bad, NULL }, sentence)
#define LIST(...) __VA_ARGS__

static void test_secrets_of_the_cluster(void **state)
{
        EACH(conf_value_secret, LIST("eatr/aws", "a-1/b.c", "0/0"),
             LIST("aws", "/aws", "eatr/", "a/b/c", "a.b/c", "A/b", "-a/b", "a-/b", "a/B", "a b/c",
                  "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggg/a"),
             "is no Secret of the form NAMESPACE/NAME, such as eatr/aws");
}

static void test_arns(void **state)
{
        EACH(conf_value_role_arn,
             LIST("arn:aws:iam::123456789012:role/eatr",
                  "arn:aws-cn:iam::123456789012:role/a/b/c@d=e,f.g+_-",
                  "arn:aws:iam::123456789012:role/~path!/of*any/a"),
             LIST("eatr", "arn:aws:iam::12345678901:role/eatr", "arn:aws:iam::1234567890123:role/eatr",
                  "arn:aws:iam::123456789012:user/eatr", "arn:aws:iam::123456789012:role/",
                  "arn:aws:iam::123456789012:role/a/", "arn:aws:iam:eu-west-1:123456789012:role/x",
                  "arn::iam::123456789012:role/x", "arn:aws:iam::123456789012:role/a b",
                  " arn:aws:iam::123456789012:role/a", "arn:aws:iam::123456789012:role/*"),
             "is no ARN such as arn:aws:iam::123456789012:role/NAME");
        EACH(conf_value_trust_anchor_arn,
             LIST("arn:aws:rolesanywhere:eu-central-1:123456789012:trust-anchor/1f0a-2b"),
             LIST("arn:aws:rolesanywhere:eu-central-1:123456789012:profile/1f0a-2b",
                  "arn:aws:rolesanywhere::123456789012:trust-anchor/1f0a",
                  "arn:aws:rolesanywhere:eu-central-1:12345:trust-anchor/1f0a",
                  "arn:aws:rolesanywhere:eu-central-1:123456789012:trust-anchor/1/2"),
             "is no ARN such as arn:aws:rolesanywhere:eu-central-1:123456789012:trust-anchor/ID");
        EACH(conf_value_profile_arn,
             LIST("arn:aws-us-gov:rolesanywhere:us-gov-west-1:123456789012:profile/A-9"),
             LIST("arn:aws:rolesanywhere:eu-central-1:123456789012:trust-anchor/1f0a-2b", "ci"),
             "is no ARN such as arn:aws:rolesanywhere:eu-central-1:123456789012:profile/ID");
}

static void test_names_for_roles(void **state)
{
        char longest[1226];
        static const char *const bad[] = { "a", "a b", "a*b", "a\xc3\xa4" };

        check_string(conf_value_external_id, "ab", "ab");
        check_string(conf_value_external_id, "A_z0=,.@:/-+", "A_z0=,.@:/-+");
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) /* it is not shown */
                check_no_string(conf_value_external_id, bad[i],
                                "an external ID has 2 to 1224 letters, digits and any of _+=,.@:/-");
        EACH(conf_value_session_name, LIST("ab", "A_z0=,.@-+"), LIST("a", "a:b", "a/b", "a b"),
             "is no session name: 2 to 64 letters, digits and any of _+=,.@-");
        memset(longest, 'a', 1225);
        longest[1225] = '\0';
        check_no_string(conf_value_external_id, longest, "an external ID has ");
        check_string(conf_value_external_id, longest + 1, longest + 1);
        check_no_string(conf_value_session_name, longest + 1225 - 65, "\"aaa");
        check_string(conf_value_session_name, longest + 1225 - 64, longest + 1225 - 64);
}

static void test_words(void **state)
{
        static const ConfValueWord words[] = {
                { "one", 1, false }, { "two", 2, false }, { "deux", 2, true }, { NULL }
        };
        static const ConfValueRule rule = { .words = words };
        static const char *const bad[] = { "", "on", "ones", "three", "one,two" };
        unsigned field = 7;
        ConfError error;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                char expected[100];

                assert_int_equal(conf_value_word(&rule, bad[i], &field, &error), -EINVAL);
                (void) snprintf(expected, sizeof(expected), "\"%s\" is none of one, two", bad[i]);
                assert_string_equal(error.text, expected);
                assert_int_equal(field, 7);
        }
        assert_int_equal(conf_value_word(&rule, "One", &field, &error), 0);
        assert_int_equal(field, 1);
        assert_int_equal(conf_value_word(&rule, "deux", &field, &error), 0);
        assert_int_equal(field, 2);
}

static void test_hosts(void **state)
{
        static const ConfValueRule rule = { .most = 5 };
        static const char *const bad[] = { "https://h", "h/p",        "h:0",        "h:65536", "h:",
                                           "h:1:2",     "h:99999999", "-h",         "h.",      ".h",
                                           "a b",       "*.h",        "[::1]:5000", "h/" };
        char **list = calloc(1, sizeof(char *));
        ConfError error = { "" };

        assert_int_equal(conf_value_hosts(&rule, "123456789012.dkr.ecr.eu-west-1.amazonaws.com , b_c:443,",
                                          &list, &error),
                         0);
        assert_int_equal(conf_value_hosts(&rule, "x,Y:65535", &list, &error), 0);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                char expected[CONF_ERROR_MAX];

                (void) snprintf(
                        expected, sizeof(expected),
                        "\"%s\" is no HOST or HOST:PORT of a registry, which has neither \"https://\" "
                        "nor a path",
                        bad[i]);
                assert_int_equal(conf_value_hosts(&rule, bad[i], &list, &error), -EINVAL);
                assert_string_equal(error.text, expected);
        }
        assert_int_equal(conf_value_hosts(&rule, "5,6", &list, &error), -EINVAL);
        assert_string_equal(error.text, "the list has more than 5 entries");
        assert_string_equal(list[0], "123456789012.dkr.ecr.eu-west-1.amazonaws.com");
        assert_string_equal(list[1], "b_c:443");
        assert_string_equal(list[2], "x");
        assert_string_equal(list[3], "Y:65535");
        assert_string_equal(list[4], "5");
        assert_null(list[5]);
        for (size_t i = 0; list[i]; i++)
                free(list[i]);
        free(list);
}

/* The helper of AWS's own documentation may have a blank in its path. */
static void test_commands_have_quotation_marks(void **state)
{
        ConfError error = { "" };

        assert_int_equal(conf_value_check_plain("\"/opt/a b/helper\" --x \"1\"", true, &error), 0);
        assert_int_equal(conf_value_check_plain("\"/opt/a b/helper\"", true, &error), 0);
        assert_int_equal(conf_value_check_plain("/opt/helper # x", true, &error), -EINVAL);
        assert_non_null(strstr(error.text, "a comment takes a line of its own"));
}

/* Whichever allocation fails, the value is refused, and nothing is lost but that. */
static void test_memory_may_be_out(void **state)
{
        static const struct {
                ConfValueParse *kind;
                const char *value;
        } strings[] = {
                { conf_value_string, "a" },
                { conf_value_credential, "a" },
                { conf_value_path, "/a" },
                { conf_value_region, "eu-west-1" },
                { conf_value_secret_name, "a" },
                { conf_value_url, "https://h/" },
                { conf_value_secret, "a/b" },
                { conf_value_external_id, "ab" },
                { conf_value_role_arn, "arn:aws:iam::123456789012:role/a" },
        };
        const ConfValueRule hosts_rule = { .most = 1 };
        ConfListen listen = { strdup("before"), 7 };
        char **list = calloc(1, sizeof(char *));
        ConfError error;

        for (size_t i = 0; i < ELEMENTSOF(strings); i++) {
                _cleanup_free_ char *field = strdup("before");
                int r = -ENOMEM;

                for (unsigned n = 0; r < 0; n++) {
                        assert_string_equal(field, "before");
                        allocations_left = n;
                        r = strings[i].kind(&no_rule, strings[i].value, &field, &error);
                        allocations_left = UINT_MAX;
                        assert_true(r == (n < (strings[i].kind == conf_value_url ? 3 : 1) ? -ENOMEM : 0));
                }
        }
        for (unsigned n = 0; n < 2; n++) {
                allocations_left = n;
                assert_int_equal(conf_value_listen(&no_rule, "[::1]:1", &listen, &error), -ENOMEM);
                assert_string_equal(listen.address, "before");
                allocations_left = n;
                assert_int_equal(conf_value_hosts(&hosts_rule, "a", &list, &error), -ENOMEM);
                check_list(list, "");
        }
        allocations_left = UINT_MAX;
        free(listen.address);
        free_list(list);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_any_text),
                cmocka_unit_test(test_credentials_are_printable_and_not_shown),
                cmocka_unit_test(test_a_credential_is_wiped_when_another_comes),
                cmocka_unit_test(test_names_of_regions_and_secrets),
                cmocka_unit_test(test_paths_start_at_the_directory),
                cmocka_unit_test(test_urls),
                cmocka_unit_test(test_booleans),
                cmocka_unit_test(test_numbers_have_bounds),
                cmocka_unit_test(test_intervals_have_bounds),
                cmocka_unit_test(test_where_to_listen),
                cmocka_unit_test(test_what_looks_like_another_format),
                cmocka_unit_test(test_secrets_of_the_cluster),
                cmocka_unit_test(test_arns),
                cmocka_unit_test(test_names_for_roles),
                cmocka_unit_test(test_words),
                cmocka_unit_test(test_hosts),
                cmocka_unit_test(test_commands_have_quotation_marks),
                cmocka_unit_test(test_memory_may_be_out),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
