/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "conf-kube.h"
#include "conf-text.h"

static const ConfValueRule no_rule;

static void test_globs_are_added_to_the_list(void **state)
{
        char **list = conf_keys_list_new();
        ConfError error;

        assert_int_equal(conf_kube_globs(&no_rule, " , ,\t", &list, &error), 0);
        check_list(list, "");
        assert_int_equal(conf_kube_globs(&no_rule, "a", &list, &error), 0);
        assert_int_equal(conf_kube_globs(&no_rule, "\tb-* ,c,,[!d],", &list, &error), 0);
        check_list(list, "a b-* c [!d]");
        /* What was right before the mistake is there; the caller gives up then. */
        assert_int_equal(conf_kube_globs(&no_rule, "e,F\x1b,g", &list, &error), -EINVAL);
        assert_non_null(startswith(error.text, "\"F\\x1b\" can't match: "));
        check_list(list, "a b-* c [!d] e");
        for (int i = 5; i < 4096; i++)
                assert_int_equal(conf_kube_globs(&no_rule, "x", &list, &error), 0);
        assert_int_equal(conf_kube_globs(&no_rule, "x", &list, &error), -EINVAL);
        assert_string_equal(error.text, "the list has more than 4096 entries");
        conf_keys_list_free(list);
}

static void test_service_accounts_may_have_dots(void **state)
{
        char **list = conf_keys_list_new();
        ConfError error;

        assert_int_equal(conf_kube_account_globs(&no_rule, "default, a.b*", &list, &error), 0);
        check_list(list, "default a.b*");
        assert_int_equal(conf_kube_account_globs(&no_rule, "a_b", &list, &error), -EINVAL);
        assert_int_equal(conf_kube_globs(&no_rule, "a.b", &list, &error), -EINVAL);
        conf_keys_list_free(list);
}

static void test_what_a_secret_carries(void **state)
{
        static const struct {
                const char *value, *error; /* in lists of labels and of annotations; NULL: good */
                bool annotation_too;
        } bad[] = {
                { "team", "\"team\" is not of the form KEY=VALUE", true },
                { "=a", "\"\": a key has up to 63 letters", true },
                { "a b=c", "\"a b\": a key has up to 63 letters", true },
                { "A.b/c=d", "\"A.b/c\": what is before the", true },
                { "a=b c", "\"a\": a value has up to 63 letters", false },
                { "a=b=c", "\"a\": a value has up to 63 letters", false },
                { "a=-", "\"a\": a value has up to 63 letters", false },
                { "eatr/x=1", "\"eatr/x\" is eatr's own", true },
                { "app.kubernetes.io/managed-by=x", "\"app.kubernetes.io/managed-by\" is eatr's own", true },
                { "team=x", "\"team\" has a value already", true },
        };
        const ConfValueRule rule = { .most = 4 };
        char **labels = conf_keys_list_new(), **annotations = conf_keys_list_new();
        ConfError error;

        assert_int_equal(conf_kube_labels(&rule, " team = infra ,a.b/c=,", &labels, &error), 0);
        check_list(labels, "team=infra a.b/c=");
        assert_int_equal(conf_kube_annotations(&rule, "team\t=\tb = c d, teams=", &annotations, &error), 0);
        check_list(annotations, "team=b = c d teams=");
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                assert_int_equal(conf_kube_labels(&rule, bad[i].value, &labels, &error), -EINVAL);
                assert_non_null(startswith(error.text, bad[i].error));
                if (bad[i].annotation_too) {
                        assert_int_equal(conf_kube_annotations(&rule, bad[i].value, &annotations, &error),
                                         -EINVAL);
                        assert_non_null(startswith(error.text, bad[i].error));
                }
        }
        assert_int_equal(conf_kube_labels(&rule, "tea=1,teamx=2", &labels, &error), 0);
        assert_int_equal(conf_kube_labels(&rule, "x=3", &labels, &error), -EINVAL);
        assert_string_equal(error.text, "the list has more than 4 entries");
        conf_keys_list_free(labels);
        conf_keys_list_free(annotations);
}

static void test_a_selector_takes_the_place_of_another(void **state)
{
        _cleanup_(label_selector_freep) LabelSelector *s = NULL;
        ConfError error;

        assert_int_equal(conf_kube_selector(&no_rule, "a in (b, c),!d", &s, &error), 0);
        assert_string_equal(label_selector_text(s), "a in (b, c),!d");
        assert_int_equal(conf_kube_selector(&no_rule, "e", &s, &error), 0);
        assert_string_equal(label_selector_text(s), "e");
        assert_int_equal(conf_kube_selector(&no_rule, "a=b,", &s, &error), -EINVAL);
        assert_string_equal(error.text, "at character 5, the end: there should be the key of a label");
        assert_string_equal(label_selector_text(s), "e");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_globs_are_added_to_the_list),
                cmocka_unit_test(test_service_accounts_may_have_dots),
                cmocka_unit_test(test_what_a_secret_carries),
                cmocka_unit_test(test_a_selector_takes_the_place_of_another),
        };

        return cmocka_run_group_tests_name("conf-kube", tests, NULL, NULL);
}
