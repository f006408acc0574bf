/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "conf-text.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>

#define NOBODY 65534

#define NAME_63 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg"
#define REGISTRY_NAME "is no name for a registry: up to 63 letters, digits and any of ._-"

/* Lines that are not. */
static void test_bad_lines(void **state)
{
        static const char *const bad[][2] = {
                { "[namespaces]\n\nblacklst = a\n",
                  "/x/t.conf:3: unknown key \"blacklst\" in [namespaces], did you mean \"blacklist\"?" },
                { "[aws]\nregoin = x\n",
                  "/x/t.conf:2: unknown key \"regoin\" in [aws], did you mean \"region\"?" },
                { "[aws]\nRegion = x\n",
                  "/x/t.conf:2: unknown key \"Region\" in [aws], did you mean \"region\"?" },
                { "[aws]\nregion\xc2\xa0= x\n",
                  "/x/t.conf:2: unknown key \"region\\xc2\\xa0\" in [aws], did you mean \"region\"?" },
                { "[aws]\nsecret_access_key = " SECRET "\n",
                  "/x/t.conf:2: unknown key \"secret_access_key\" in [aws], did you mean "
                  "\"aws_secret_access_key\"?" },
                { "[aws]\nverbosty = 1\n",
                  "/x/t.conf:2: unknown key \"verbosty\" in [aws], did you mean \"verbosity\" in [log]?" },
                { "[aws]\nsession = x\n", "/x/t.conf:2: unknown key \"session\" in [aws]" },
                { "[registry a]\nregoin = x\n",
                  "/x/t.conf:2: unknown key \"regoin\" in [registry a], did you mean \"region\"?" },
                { "[registry a]\ncontxt = x\n",
                  "/x/t.conf:2: unknown key \"contxt\" in [registry a], did you mean \"context\" in "
                  "[kubernetes]?" },
                { "[registry a]\nsession = x\n", "/x/t.conf:2: unknown key \"session\" in [registry a]" },
                { "[registry a]\nlisten = x\n",
                  "/x/t.conf:2: \"listen\" belongs in [metrics], not in [registry a]" },
                { "[log]\nhosts = x\n", "/x/t.conf:2: \"hosts\" belongs in [aws], not in [log]" },
                { "[aws]\n= x\n", "/x/t.conf:2: unknown key in [aws]" },
                { "[aws]\nkubeconfig = /x\n",
                  "/x/t.conf:2: \"kubeconfig\" belongs in [kubernetes], not in [aws]" },
                { "region = x\n",
                  "/x/t.conf:1: \"region\" stands before the first section, it belongs in [aws]" },
                { "foo = x\n", "/x/t.conf:1: there is a key before the first [SECTION]" },
                { "[kubernets]\n",
                  "/x/t.conf:1: unknown section \"kubernets\", did you mean [kubernetes]?" },
                { "[AWS]\n", "/x/t.conf:1: unknown section \"AWS\", did you mean [aws]?" },
                { "[default]\nregion = x\n",
                  "/x/t.conf:1: unknown section \"default\", there are " SECTIONS },
                { "[registry]\n", "/x/t.conf:1: a registry needs a name: [registry NAME]" },
                { "[registry \t]\n", "/x/t.conf:1: a registry needs a name: [registry NAME]" },
                { "[registry a b]\n", "/x/t.conf:1: \"a b\" " REGISTRY_NAME },
                { "[registry a ]\n", "/x/t.conf:1: \"a \" " REGISTRY_NAME },
                { "[registry a/b]\n", "/x/t.conf:1: \"a/b\" " REGISTRY_NAME },
                { "[registry \"a\"]\n", "/x/t.conf:1: \"\"a\"\" " REGISTRY_NAME },
                { "[registry \xc3\xa4]\n", "/x/t.conf:1: \"\\xc3\\xa4\" " REGISTRY_NAME },
                { "[registry " NAME_63 "x]\n", "/x/t.conf:1: \"" NAME_63 "x\" " REGISTRY_NAME },
                { "[Registry a]\n",
                  "/x/t.conf:1: unknown section \"Registry a\", did you mean [registry NAME]?" },
                { "[registries]\n",
                  "/x/t.conf:1: unknown section \"registries\", did you mean [registry NAME]?" },
                { "[registry:a]\n",
                  "/x/t.conf:1: unknown section \"registry:a\", did you mean [registry NAME]?" },
                { "[registry a]\nregion = eu-central-1\n[registry b]\nregion = eu-west-1\n[registry  a]\n"
                  "region = eu-central-1\n",
                  "/x/t.conf:6: region in [registry  a]: it has a value already, from line 2" },
                { "[registry a]\nregion = x\n",
                  "/x/t.conf:2: region in [registry a]: \"x\" is no AWS region such as eu-central-1" },
                { "[registry a]\nhosts = h\n [registry b]\n",
                  "/x/t.conf:3: hosts in [registry a]: [registry b] is indented and would continue the "
                  "list; "
                  "start it at the left margin" },
                { "[]\n", "/x/t.conf:1: unknown section \"\", there are " SECTIONS },
                { "[ registry a]\n", "/x/t.conf:1: unknown section \" registry a\", there are " SECTIONS },
                { "[ aws ]\n", "/x/t.conf:1: unknown section \" aws \", there are " SECTIONS },
                { "[aws\n", "/x/t.conf:1: \"[\" without \"]\"" },
                { "[\n", "/x/t.conf:1: \"[\" without \"]\"" },
                { "[aws] # x\n",
                  "/x/t.conf:1: there is text behind \"]\"; a comment takes a line of its own" },
                { "[aws] region = eu-central-1\n",
                  "/x/t.conf:1: there is text behind \"]\"; a comment takes a line of its own" },
                { "[aws]\nregion\n", "/x/t.conf:2: " MALFORMED },
                { "[aws]\nregion eu-central-1\n\n[log]\nverbosity = x\n", "/x/t.conf:2: " MALFORMED },
                { "[namespaces]\nblacklist =\nkube-*\n", "/x/t.conf:3: " MALFORMED },
                { "[aws]\nregion = eu-central-1\n\n# x\nregion = eu-west-1\n",
                  "/x/t.conf:5: region in [aws]: it has a value already, from line 2" },
                { "[aws]\nregion = eu-central-1\n[log]\n[aws]\nregion = eu-central-1\n",
                  "/x/t.conf:5: region in [aws]: it has a value already, from line 2" },
                { "[namespaces]\nblacklist = a\nblacklist = b\n",
                  "/x/t.conf:3: blacklist in [namespaces]: it has a value already, from line 2" },
                { "[namespaces]\nblacklist = a\nblacklist =\n",
                  "/x/t.conf:3: blacklist in [namespaces]: it has a value already, from line 2" },
                { "[namespaces]\nblacklist =\n a\nblacklist = b\n",
                  "/x/t.conf:4: blacklist in [namespaces]: it has a value already, from line 2" },
                { "[aws]\nregion = eu-central-1\n  aws_access_key_id = x\n",
                  "/x/t.conf:3: region in [aws]: an indented line continues a list, but this key takes one "
                  "value" },
                { "[aws]\naws_session_token = " SECRET "\n\t" SECRET "\n",
                  "/x/t.conf:3: aws_session_token in [aws]: an indented line continues a list, "
                  "but this key takes one value" },
                { "[aws]\nregion =\n eu-central-1\n",
                  "/x/t.conf:3: region in [aws]: an indented line continues a list, but this key takes one "
                  "value" },
                { "[namespaces]\nblacklist = a\n [secret]\n",
                  "/x/t.conf:3: blacklist in [namespaces]: [secret] is indented and would "
                  "continue the list; start it at the left margin" },
                { "[namespaces]\nblacklist = a\n b\n  C\n",
                  "/x/t.conf:4: blacklist in [namespaces]: \"C\" can't match: " LETTERS },
                { "[aws]\nregion = eu-\x1b[31mcentral-1\n",
                  "/x/t.conf:2: there is a control character (0x1b) in the text" },
                { "[aws]\rregion = eu-central-1\r",
                  "/x/t.conf:1: there is a control character (0x0d) in the text" },
                { "[aws]\n# \x7f\n", "/x/t.conf:2: there is a control character (0x7f) in the text" },
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                check_refused(bad[i][0], bad[i][1]);
}

/* Builds of inih disagree in what this is, not in whether it is right. */
static void test_comment_in_key(void **state)
{
        _cleanup_(conf_freep) Conf *c = defaults();
        ConfError error;

        assert_int_equal(parse_onto(c, "[aws]\nfoo ; region = x\n", &error), -EINVAL);
        assert_non_null(startswith(error.text, "/x/t.conf:2: "));
}

static void test_nul(void **state)
{
        static const char text[] = "[aws]\nregion = eu-central-1\0\n";
        _cleanup_(conf_freep) Conf *c = defaults();
        ConfError error;

        assert_int_equal(conf_parse(c, text, sizeof(text) - 1, "/x/t.conf", &error), -EINVAL);
        assert_string_equal(error.text, "/x/t.conf:2: there is a control character (0x00) in the text");
}

/* Wherever a secret is misplaced, the message does not repeat it. */
static void test_secrets_are_not_shown(void **state)
{
        static const char *const texts[] = {
                "[aws]\naws_secret_access_key = x " SECRET "\n",
                "[aws]\naws_secret_access_key = \"" SECRET "\"\n",
                "[aws]\naws_secret_access_key = " SECRET " ; mine\n",
                "[aws]\naws_secret_access_key " SECRET "\n",
                "[aws]\naws_secret_access_kez = " SECRET "\n",
                "[aws]\naws_session_token = x\n" SECRET "\n",
                "[aws]\naws_session_token = x\n" SECRET "==\n",
                "[aws]\naws_session_token = x\n " SECRET "==\n",
                "[aws]\naws_session_token = a\naws_session_token = " SECRET "\n",
                "aws_session_token = " SECRET "\n",
                SECRET "= \n",
                "[log]\naws_session_token = " SECRET "\n",
                "[aws]\naws_session_token = \xc3\xa4" SECRET "\n",
                "[aws]\naws_session_token = \x01" SECRET "\n",
                "[aws]\nendpoint_url = https://user:" SECRET "@h/\n",
                "[aws]\ncredential_process = x --key " SECRET " # mine\n",
                "[aws]\ncredential_process = x --key " SECRET "\n  --more\n",
                "[aws]\ncredential_process = a\ncredential_process = x --key " SECRET "\n",
                "[aws]\ncredential_proces = x --key " SECRET "\n",
                "[aws]\ncredential_process = x \x01 --key " SECRET "\n",
                "[registry a]\naws_secret_access_key = x " SECRET "\n",
                "[registry a]\naws_secret_access_kez = " SECRET "\n",
        };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                _cleanup_(conf_freep) Conf *c = defaults();
                ConfError error;

                assert_true(parse_onto(c, texts[i], &error) < 0);
                assert_non_null(startswith(error.text, "/x/t.conf:"));
                if (strstr(error.text, "K7MDENG"))
                        fail_msg("shown: %s", error.text);
        }
}

/* Fills buffer with n bytes of what tokens are made of and what could be mistaken for syntax. */
static void fill(char *buffer, size_t n, size_t seed)
{
        static const char alphabet[] = "ABC;xyz#0189+/=:[]-_\"'.,";

        for (size_t i = 0; i < n; i++)
                buffer[i] = alphabet[(i * 7 + seed + i / 11) % (sizeof(alphabet) - 1)];
        buffer[0] = 'F';
        buffer[n] = '\0';
}

/* Lengths around each size that a buffer of inih may have. */
static void test_long_values(void **state)
{
        char value[CONF_VALUE_MAX + 2], text[CONF_VALUE_MAX + 200];
        _cleanup_(conf_freep) Conf *refused = defaults();
        ConfError error;

        for (size_t n = 1; n <= CONF_VALUE_MAX; n += n < 450 || (n > 4000) ? 1 : 50) {
                _cleanup_(conf_freep) Conf *c = NULL;

                fill(value, n, n);
                (void) snprintf(text, sizeof(text), "[aws]\naws_session_token = %s\nregion = eu-central-1\n",
                                value);
                c = parsed(text);
                assert_string_equal(c->aws.session_token, value);
                assert_string_equal(c->aws.region, "eu-central-1");
        }
        fill(value, CONF_VALUE_MAX + 1, 0);
        (void) snprintf(text, sizeof(text), "[aws]\naws_session_token = %s\n", value);
        assert_int_equal(parse_onto(refused, text, &error), -EMSGSIZE);
        assert_string_equal(
                error.text,
                "/x/t.conf:2: aws_session_token in [aws]: the value has 4097 bytes, more than 4096");
}

static void test_1500_bytes(void **state)
{
        char value[1501], text[1600];
        _cleanup_(conf_freep) Conf *c = NULL;

        fill(value, 1500, 3);
        (void) snprintf(text, sizeof(text), "[aws]\naws_session_token=%s", value);
        c = parsed(text);
        assert_int_equal(strlen(c->aws.session_token), 1500);
        assert_string_equal(c->aws.session_token, value);
}

static void test_long_lines(void **state)
{
        _cleanup_(conf_freep) Conf *c = NULL;
        char text[20000], *p = text;

        p += sprintf(p, "#%05000d = x\n;%0300d\n[namespaces]\nblacklist =", 1, 2);
        for (int i = 0; i < 500; i++)
                p += sprintf(p, " n%03d,", i);
        p += sprintf(p, "\n ");
        for (int i = 500; i < 1000; i++)
                p += sprintf(p, "n%03d,", i);
        (void) sprintf(p, "\n%4000s# %s\n  last\n", "", SECRET);
        c = parsed(text);
        for (int i = 0; i < 1000; i++) {
                char name[16];

                (void) snprintf(name, sizeof(name), "n%03d", i);
                assert_string_equal(c->namespaces.blacklist[i], name);
        }
        assert_string_equal(c->namespaces.blacklist[1000], "last");
        assert_null(c->namespaces.blacklist[1001]);
        memset(text, 'a', 5000);
        (void) strcpy(text + 5000, "\n");
        check_refused(text, "/x/t.conf:1: " MALFORMED);
        (void) strcpy(text + 5000, "= x\n");
        memcpy(text, "[log]\n", 6);
        check_refused(text, "/x/t.conf:2: " MALFORMED); /* inih never sees the "=" */
}

static void test_list_size(void **state)
{
        _cleanup_free_ char *text = calloc(1, 100000);
        _cleanup_(conf_freep) Conf *c = defaults();
        ConfError error;
        char *p = text;

        p += sprintf(p, "[namespaces]\ninclude =\n");
        for (int i = 0; i < 4097; i++)
                p += sprintf(p, " n%d\n", i);
        assert_int_equal(parse_onto(c, text, &error), -EINVAL);
        assert_string_equal(error.text,
                            "/x/t.conf:4099: include in [namespaces]: the list has more than 4096 entries");
}

static void test_file_size(void **state)
{
        size_t size = 1024 * 1024;
        _cleanup_free_ char *text = malloc(size + 1);
        _cleanup_(conf_freep) Conf *c = defaults();
        ConfError error;

        memset(text, '\n', size + 1);
        assert_int_equal(conf_parse(c, text, size, "/x/t.conf", &error), 0);
        assert_int_equal(conf_parse(c, text, size + 1, "/x/t.conf", &error), -EFBIG);
        assert_string_equal(error.text, "/x/t.conf: it is larger than 1 MiB");
}

static void test_lists(void **state)
{
        static const char *const cases[][2] = {
                { "blacklist = a", "a" },
                { "blacklist = a,b , c,,\td ,", "a b c d" },
                { "blacklist =", "" },
                { "blacklist = ,", "" },
                { "blacklist =\n  a\n\tb, c", "a b c" },
                { "blacklist = a\n\n  b\n# x\n   ; y\n  c\ninclude = d\n  e", "a b c" },
                { "blacklist = a\n [b-d]*\n [!a]", "a [b-d]* [!a]" },
                { "  blacklist = a\n  b", "a b" },
                { "blacklist : a", "a" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(conf_freep) Conf *c = NULL;
                char text[200];

                (void) snprintf(text, sizeof(text), "[namespaces]\n%s\n", cases[i][0]);
                c = parsed(text);
                check_list(c->namespaces.blacklist, cases[i][1]);
        }
}

/* A section is told from others by its name alone, however long, and may be spread over files. */
static void test_registries(void **state)
{
        _cleanup_(conf_freep) Conf *c =
                parsed("[registry " NAME_63 "]\nregion = eu-central-1\nhosts = a, b\n"
                       "[registry\t A.1_x-]\n[aws]\nregion = us-east-2\n[registry " NAME_63 "]\n"
                       "verify = no\n[registry a]\nregion = eu-west-3\n");
        ConfError error;

        assert_int_equal(parse_onto(c,
                                    "[registry a]\nregion = eu-west-1\n[registry b]\n[registry " NAME_63
                                    "]\n"
                                    "hosts =\n c\npublic = yes\n",
                                    &error),
                         0);
        assert_int_equal(c->n_sections, 4);
        assert_string_equal(c->sections[0].name, NAME_63);
        assert_string_equal(c->sections[0].aws.region, "eu-central-1");
        check_list(c->sections[0].hosts, "c");
        assert_true(c->sections[0].public);
        assert_int_equal(c->sections[0].verify, CONF_VERIFY_NO);
        assert_string_equal(c->sections[1].name, "A.1_x-");
        assert_null(c->sections[1].aws.region);
        check_list(c->sections[1].hosts, "");
        assert_string_equal(c->sections[2].name, "a");
        assert_string_equal(c->sections[2].aws.region, "eu-west-1");
        assert_string_equal(c->sections[3].name, "b");
        assert_string_equal(c->aws.region, "us-east-2");
        check_list(c->main.hosts, "");
}

static void test_number_of_registries(void **state)
{
        _cleanup_(conf_freep) Conf *c = defaults();
        char text[8192], *p = text;
        ConfError error;

        for (unsigned i = 0; i < CONF_REGISTRIES_MAX; i++)
                p += sprintf(p, "[registry r%u]\nregion = eu-west-%u\n", i, i);
        (void) sprintf(p, "[registry r0]\n");
        assert_int_equal(parse_onto(c, text, &error), 0);
        assert_int_equal(c->n_sections, CONF_REGISTRIES_MAX);
        assert_string_equal(c->sections[63].aws.region, "eu-west-63");
        (void) sprintf(p, "[registry more]\n");
        assert_int_equal(parse_onto(c, p, &error), -EINVAL);
        assert_string_equal(error.text, "/x/t.conf:1: there are more than 64 registries");
        assert_int_equal(c->n_sections, CONF_REGISTRIES_MAX);
}

static void test_later_file_wins(void **state)
{
        _cleanup_(conf_freep) Conf *c =
                parsed("[aws]\nregion = eu-central-1\n[namespaces]\nblacklist = a, b\n"
                       "include = c\n[metrics]\nlisten = off\n");
        ConfError error;

        assert_int_equal(parse_onto(c,
                                    "[aws]\nregion = eu-west-1\n[namespaces]\nblacklist = x\n y\ninclude =\n"
                                    "[metrics]\nlisten = [::]:1\n",
                                    &error),
                         0);
        assert_string_equal(c->aws.region, "eu-west-1");
        check_list(c->namespaces.blacklist, "x y");
        check_list(c->namespaces.include, "");
        assert_string_equal(c->metrics.address, "::");
}

static void test_line_ends(void **state)
{
        static const char *const texts[] = {
                "\xef\xbb\xbf[aws]\r\nregion = eu-central-1\r\n\r\n[namespaces]\r\nblacklist =\r\n\ta\r\n",
                "\xef\xbb\xbf# x\n[aws]\nregion = eu-central-1 \n[namespaces]\nblacklist = a",
                "\n;[x]\n #[y]\n  [aws]\n\n  region=eu-central-1\n[namespaces]\n  blacklist\t=\ta\r",
                "[namespaces]\nblacklist=\n [aws]*\n[namespaces]\n[aws]\nregion\t:\teu-central-1",
        };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                _cleanup_(conf_freep) Conf *c = parsed(texts[i]);

                assert_string_equal(c->aws.region, "eu-central-1");
                assert_non_null(*c->namespaces.blacklist);
        }
        conf_free(parsed(""));
        conf_free(parsed("\xef\xbb\xbf"));
        conf_free(parsed("\n\n"));
        conf_free(parsed("[aws]"));
        check_refused("\xef\xbb\xbf[x]\n", "/x/t.conf:1: unknown section \"x\", there are " SECTIONS);
        check_refused("\xef\xbb\xbf[aws]\nx=\n", "/x/t.conf:2: unknown key \"x\" in [aws]");
}

/* What follows a value is part of it, whatever inih takes for a comment. */
static void test_value_is_whole(void **state)
{
        _cleanup_(conf_freep) Conf *c =
                parsed("[aws]\naws_secret_access_key = a;b#c=d:e\"'\n"
                       "[kubernetes]\ncontext = a b = c: d;#\nkubeconfig = /a b/c\n");

        assert_string_equal(c->aws.secret_access_key, "a;b#c=d:e\"'");
        assert_string_equal(c->kubernetes.context, "a b = c: d;#");
        assert_string_equal(c->kubernetes.kubeconfig, "/a b/c");
}

static void test_relative_paths(void **state)
{
        static const char *const cases[][2] = {
                { "/etc/eatr/eatr.conf", "/etc/eatr/k" },
                { "eatr.conf", "./k" },
                { "a/eatr.conf", "a/k" },
                { "/eatr.conf", "/k" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                static const char text[] = "[kubernetes]\nkubeconfig = k\n";
                _cleanup_(conf_freep) Conf *c = defaults();
                ConfError error;

                assert_int_equal(conf_parse(c, text, sizeof(text) - 1, cases[i][0], &error), 0);
                assert_string_equal(c->kubernetes.kubeconfig, cases[i][1]);
        }
}

static void test_set(void **state)
{
        _cleanup_(conf_freep) Conf *c = parsed("[namespaces]\nblacklist = a\n[kubernetes]\ncontext = c\n");
        char value[CONF_VALUE_MAX + 2];
        ConfError error;

        assert_int_equal(conf_set(c, "namespaces", "blacklist", "b,c", "--o", &error), 0);
        check_list(c->namespaces.blacklist, "b c");
        assert_int_equal(conf_set(c, "namespaces", "blacklist", "", "--o", &error), 0);
        check_list(c->namespaces.blacklist, "");
        assert_int_equal(conf_set(c, "kubernetes", "context", "", "--o", &error), 0);
        assert_string_equal(c->kubernetes.context, "c");
        assert_int_equal(conf_set(c, "kubernetes", "context", "a #b", "--o", &error), 0);
        assert_string_equal(c->kubernetes.context, "a #b");

        assert_int_equal(conf_set(c, "metrics", "listen", "x", "--metrics-address", &error), -EINVAL);
        assert_string_equal(error.text, "--metrics-address: \"x\" " LISTEN);
        assert_int_equal(conf_set(c, "kubernetes", "context", "a\nb", "--context", &error), -EINVAL);
        assert_string_equal(error.text, "--context: there is a control character (0x0a) in the text");
        assert_int_equal(conf_set(c, "log", "verbos", "1", "--o", &error), -EINVAL);
        assert_string_equal(error.text, "--o: unknown key \"verbos\" in [log], did you mean \"verbosity\"?");
        fill(value, CONF_VALUE_MAX + 1, 0);
        assert_int_equal(conf_set(c, "kubernetes", "context", value, "--context", &error), -EINVAL);
        assert_string_equal(error.text, "--context: the value has 4097 bytes, more than 4096");
        value[CONF_VALUE_MAX] = '\0';
        assert_int_equal(conf_set(c, "kubernetes", "context", value, "--context", &error), 0);
        assert_string_equal(c->kubernetes.context, value);
}

static void test_pristine(void **state)
{
        static const char *const begun[] = {
                "[aws]\nregion = eu-central-1\n",
                "[aws]\naws_access_key_id = A\n",
                "[aws]\naws_session_token = A\n",
                "[aws]\nprofile = A\n",
                "[aws]\nprivate_key = A\n",
                "[aws]\ncredential_source = imds\n",
                "[registry a]\n",
        };

        for (size_t i = 0; i < ELEMENTSOF(begun); i++) {
                _cleanup_(conf_freep) Conf *c = parsed(begun[i]);

                assert_false(conf_is_pristine(c));
        }
        for (size_t i = 0; i < 2; i++) {
                _cleanup_(conf_freep) Conf *c = parsed(
                        i == 0 ? ""
                               : "[aws]\nregion =\nprofile =\nca_bundle = x\n[namespaces]\nblacklist = a\n");

                assert_true(conf_is_pristine(c));
        }
}

/* Files: each test has a directory of its own, the state. */

static int make_directory(void **state)
{
        const char *parent = getenv("TMPDIR");
        char *path = str_printf("%s/test-conf.XXXXXX", str_empty(parent) ? "/tmp" : parent);

        if (!path || !mkdtemp(path) || chmod(path, 0755) < 0)
                return -1;
        *state = path;
        return 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
        return remove(path);
}

static int remove_directory(void **state)
{
        int r = nftw(*state, remove_entry, 8, FTW_DEPTH | FTW_PHYS);

        free(*state);
        return r;
}

static char *path_in(const char *directory, const char *name)
{
        char *path = str_printf("%s/%s", directory, name);

        assert_non_null(path);
        return path;
}

static void put_file(const char *directory, const char *name, mode_t mode, const char *text)
{
        _cleanup_free_ char *path = path_in(directory, name);
        _cleanup_close_ int fd = -1;

        (void) unlink(path); /* its mode may forbid to write to it */
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        assert_int_equal(fchmod(fd, mode), 0);
}

static void put_directory(const char *directory, const char *name)
{
        _cleanup_free_ char *path = path_in(directory, name);

        assert_int_equal(mkdir(path, 0755), 0);
}

/* Loads the directory's eatr.conf; expected is the number and what is behind "DIRECTORY/" in the message. */
static void check_load(const char *directory, Conf *c, int expected, const char *message)
{
        _cleanup_free_ char *path = path_in(directory, "eatr.conf"), *text = path_in(directory, message);
        ConfError error = { "" };

        assert_int_equal(conf_load(c, path, &error), expected);
        assert_string_equal(error.text, expected < 0 ? text : "");
}

static void test_load(void **state)
{
        _cleanup_(conf_freep) Conf *c = defaults();
        _cleanup_free_ char *kubeconfig = path_in(*state, "k");

        put_file(*state, "eatr.conf", 0640,
                 "[aws]\naws_secret_access_key = " SECRET "\n[kubernetes]\nkubeconfig = k\n");
        check_load(*state, c, 0, "");
        assert_string_equal(c->aws.secret_access_key, SECRET);
        assert_string_equal(c->kubernetes.kubeconfig, kubeconfig);
}

static void test_drop_ins(void **state)
{
        _cleanup_(conf_freep) Conf *c = defaults();
        _cleanup_free_ char *kubeconfig = path_in(*state, "k");

        put_file(*state, "eatr.conf", 0644,
                 "[aws]\nregion = eu-central-1\n[secret]\nname = main\n[namespaces]\nblacklist = a, b\n");
        put_directory(*state, "eatr.conf.d");
        put_file(*state, "eatr.conf.d/9-z.conf", 0644, "[log]\nverbosity = 9\n");
        put_file(*state, "eatr.conf.d/10-a.conf", 0644,
                 "[log]\nverbosity = 1\n[secret]\nname = ten\n[namespaces]\nblacklist = c\n");
        put_file(*state, "eatr.conf.d/A.conf", 0644, "[kubernetes]\nkubeconfig = k\ncontext = A\n");
        put_file(*state, "eatr.conf.d/a.conf", 0644, "[kubernetes]\ncontext = a\n");
        put_file(*state, "eatr.conf.d/.hidden.conf", 0644, "nonsense");
        put_file(*state, "eatr.conf.d/a.conf~", 0644, "nonsense");
        put_file(*state, "eatr.conf.d/a.conf.rpmsave", 0644, "nonsense");
        put_file(*state, "eatr.conf.d/README", 0644, "nonsense");
        put_file(*state, "eatr.conf.d/conf", 0644, "nonsense");
        check_load(*state, c, 0, "");
        assert_string_equal(c->aws.region, "eu-central-1");
        assert_string_equal(c->secret.name, "ten");
        assert_int_equal(c->verbosity, 9);
        assert_string_equal(c->kubernetes.context, "a");
        assert_string_equal(c->kubernetes.kubeconfig, kubeconfig); /* not in eatr.conf.d */
        check_list(c->namespaces.blacklist, "c");
}

static void test_bad_drop_in(void **state)
{
        _cleanup_(conf_freep) Conf *c = defaults();

        put_file(*state, "eatr.conf", 0644, "");
        put_directory(*state, "eatr.conf.d");
        put_file(*state, "eatr.conf.d/1.conf", 0644, "\n[log]\nverbosity = 99\n");
        put_file(*state, "eatr.conf.d/2.conf", 0644, "nonsense");
        check_load(*state, c, -EINVAL,
                   "eatr.conf.d/1.conf:3: verbosity in [log]: \"99\" is no number from 0 to 10");
}

static void test_drop_ins_are_no_directory(void **state)
{
        _cleanup_(conf_freep) Conf *c = defaults();

        put_file(*state, "eatr.conf", 0644, "");
        put_file(*state, "eatr.conf.d", 0644, "");
        check_load(*state, c, -ENOTDIR, "eatr.conf.d: cannot read the directory: Not a directory");
}

static void test_modes(void **state)
{
        static const struct {
                mode_t mode;
                bool fine;
        } cases[] = { { 0600, true }, { 0640, true },  { 0660, true },  { 0400, true },
                      { 0641, true }, { 0644, false }, { 0604, false }, { 0642, false } };
        static const char *const names[] = { "aws_secret_access_key", "aws_session_token" };

        for (size_t i = 0; i < ELEMENTSOF(cases) * ELEMENTSOF(names); i++) {
                _cleanup_free_ char *text = str_printf("[aws]\n%s = " SECRET "\n", names[i % 2]),
                                    *error = str_printf(
                                            "eatr.conf:2: %s in [aws]: a secret in a file that is open to "
                                            "everybody; run \"chmod 0640 %s/eatr.conf\"",
                                            names[i % 2], (const char *) *state);
                _cleanup_(conf_freep) Conf *c = defaults();

                put_file(*state, "eatr.conf", cases[i / 2].mode, text);
                check_load(*state, c, cases[i / 2].fine ? 0 : -EPERM, error);
        }
}

/* Without a value there is nothing to hide. */
static void test_mode_without_secret(void **state)
{
        _cleanup_(conf_freep) Conf *c = defaults();

        put_file(*state, "eatr.conf", 0644, "[aws]\naws_access_key_id = A\naws_secret_access_key =\n");
        check_load(*state, c, 0, "");
        put_directory(*state, "eatr.conf.d");
        put_file(*state, "eatr.conf.d/x.conf", 0640, "[aws]\naws_secret_access_key = " SECRET "\n");
        check_load(*state, c, 0, "");
        assert_string_equal(c->aws.secret_access_key, SECRET);
}

/* In a registry of its own, too; in a drop-in, the mode of that counts. */
static void test_mode_of_registries(void **state)
{
        _cleanup_(conf_freep) Conf *c = defaults();

        put_file(*state, "eatr.conf", 0644, "[registry a]\ncredential_process = x y\nexternal_id = abc\n");
        check_load(*state, c, 0, "");
        put_directory(*state, "eatr.conf.d");
        put_file(*state, "eatr.conf.d/a.conf", 0640, "[registry a]\naws_secret_access_key = " SECRET "\n");
        check_load(*state, c, 0, "");
        assert_int_equal(c->n_sections, 1);
        assert_string_equal(c->sections[0].aws.secret_access_key, SECRET);
        assert_string_equal(c->sections[0].aws.external_id, "abc");
        put_file(*state, "eatr.conf.d/b.conf", 0644, "[registry b]\naws_secret_access_key = " SECRET "\n");
        _cleanup_free_ char *error =
                str_printf("eatr.conf.d/b.conf:2: aws_secret_access_key in [registry b]: a secret in a file "
                           "that is open to everybody; run \"chmod 0640 %s/eatr.conf.d/b.conf\"",
                           (const char *) *state);
        check_load(*state, c, -EPERM, error);
}

static void test_missing(void **state)
{
        _cleanup_(conf_freep) Conf *c = defaults();

        check_load(*state, c, -ENOENT, "eatr.conf: cannot open it: No such file or directory");
}

static void test_unreadable(void **state)
{
        _cleanup_(conf_freep) Conf *c = defaults();
        bool root = geteuid() == 0;

        put_file(*state, "eatr.conf", root ? 0600 : 0, "");
        if (root && seteuid(NOBODY) < 0)
                skip();
        check_load(*state, c, -EACCES, "eatr.conf: cannot open it: Permission denied");
        assert_int_equal(root ? seteuid(0) : 0, 0);
}

static void test_not_regular(void **state)
{
        _cleanup_free_ char *path = path_in(*state, "eatr.conf");
        _cleanup_(conf_freep) Conf *c = defaults();

        put_directory(*state, "eatr.conf");
        check_load(*state, c, -EISDIR, "eatr.conf: it is a directory, not a file");
        assert_int_equal(rmdir(path), 0);
        assert_int_equal(mkfifo(path, 0600), 0);
        check_load(*state, c, -EINVAL, "eatr.conf: it is not a regular file");
        assert_int_equal(unlink(path), 0);
        assert_int_equal(symlink("/dev/zero", path), 0);
        check_load(*state, c, -EINVAL, "eatr.conf: it is not a regular file");
        assert_int_equal(unlink(path), 0);
        put_file(*state, "real", 0600, "[log]\nverbosity = 3\n");
        assert_int_equal(symlink("real", path), 0);
        check_load(*state, c, 0, "");
        assert_int_equal(c->verbosity, 3);
}

static void test_large_file(void **state)
{
        _cleanup_free_ char *path = path_in(*state, "eatr.conf");
        _cleanup_(conf_freep) Conf *c = defaults();

        put_file(*state, "eatr.conf", 0600, "");
        assert_int_equal(truncate(path, 1024 * 1024 + 1), 0);
        check_load(*state, c, -EFBIG, "eatr.conf: it is larger than 1 MiB");
}

#define file_test(f) cmocka_unit_test_setup_teardown(f, make_directory, remove_directory)

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_bad_lines),
                cmocka_unit_test(test_comment_in_key),
                cmocka_unit_test(test_nul),
                cmocka_unit_test(test_secrets_are_not_shown),
                cmocka_unit_test(test_long_values),
                cmocka_unit_test(test_1500_bytes),
                cmocka_unit_test(test_long_lines),
                cmocka_unit_test(test_list_size),
                cmocka_unit_test(test_file_size),
                cmocka_unit_test(test_lists),
                cmocka_unit_test(test_registries),
                cmocka_unit_test(test_number_of_registries),
                cmocka_unit_test(test_pristine),
                cmocka_unit_test(test_later_file_wins),
                cmocka_unit_test(test_line_ends),
                cmocka_unit_test(test_value_is_whole),
                cmocka_unit_test(test_relative_paths),
                cmocka_unit_test(test_set),
                file_test(test_load),
                file_test(test_drop_ins),
                file_test(test_bad_drop_in),
                file_test(test_drop_ins_are_no_directory),
                file_test(test_modes),
                file_test(test_mode_without_secret),
                file_test(test_mode_of_registries),
                file_test(test_missing),
                file_test(test_unreadable),
                file_test(test_not_regular),
                file_test(test_large_file),
        };

        (void) alarm(120); /* a FIFO that is waited for */
        return cmocka_run_group_tests_name("conf", tests, NULL, NULL);
}
