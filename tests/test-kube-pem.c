/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "folder.h"
#include "kube-pem.h"

#define SECRET "hunter2"

/* "-----BEGIN x" and a line end. */
#define PEM "-----BEGIN x\n"
#define PEM_DATA "LS0tLS1CRUdJTiB4Cg=="

/* Parses the fields of an entry in the folder. */
static KubeEntry parse(KubeFiles *f, const char *fields)
{
        _cleanup_free_ char *text = str_printf("contexts: [{name: c, context: %s}]\n", fields);
        KubeEntry e;

        *f = KUBE_FILES_INIT(100000);
        assert_int_equal(kube_files_parse(f, text, strlen(text), "/f", folder), 0);
        assert_int_equal(kube_files_context(f, "c", &e), 0);
        return e;
}

static void check_text(const char *fields, const char *expected)
{
        _cleanup_kube_files_ KubeFiles f;
        _cleanup_erase_ char *pem = NULL;
        KubeEntry e = parse(&f, fields);

        if (kube_pem_read(&e, "key", &pem) != 0)
                fail_msg("%s: %s", fields, f.error);
        assert_true(streq_ptr(pem, expected));
}

static void check_refused(const char *fields, int expected, const char *message)
{
        _cleanup_free_ char *whole = str_printf("/f: context \"c\": %s", message);
        _cleanup_kube_files_ KubeFiles f;
        KubeEntry e = parse(&f, fields);
        char *pem = (char *) "before";

        assert_int_equal(kube_pem_read(&e, "key", &pem), expected);
        assert_string_equal(f.error, whole);
        assert_string_equal(pem, "before");
        assert_null(strstr(f.error, SECRET));
}

static void test_data_or_a_file(void **state)
{
        folder_put("pem", PEM "y");
        check_text("{}", NULL);
        check_text("{key: '', key-data: }", NULL);
        check_text("{key-data: " PEM_DATA "}", PEM);
        check_text("{key-data: 'LS0tLS1CR UdJTiB4Cg= =', key: }", PEM);
        check_text("{key: pem}", PEM "y");
        check_text("{key: ./pem, key-data: ''}", PEM "y");
}

static void test_a_file_is_noted(void **state)
{
        _cleanup_free_ char *path = str_printf("%s/none", folder);
        _cleanup_kube_files_ KubeFiles f;
        KubeEntry e = parse(&f, "{key: none}");
        char *pem = NULL;

        assert_int_equal(kube_pem_read(&e, "key", &pem), -ENOENT); /* it may appear */
        assert_int_equal(f.n_noted, 1);
        assert_string_equal(f.noted[0], path);
}

static void test_what_cannot_be(void **state)
{
        _cleanup_free_ char *none =
                str_printf("key: cannot read %s/none: No such file or directory", folder);
        _cleanup_free_ char *large = str_printf("key: cannot read %s/large: it is too large", folder);

        folder_put("large", "");
        assert_return_code(truncate("large", KUBE_PEM_SIZE_MAX + 1), errno);
        folder_put_bytes("nul", PEM "\0", sizeof(PEM));
        folder_put("locked", "-----BEGIN ENCRYPTED PRIVATE KEY-----\n" SECRET);
        folder_put("locked-too", "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n" SECRET);
        folder_put("text", SECRET);
        check_refused("{key: none, key-data: " PEM_DATA "}", -EINVAL, "key and key-data exclude each other");
        check_refused("{key: none}", -ENOENT, none);
        check_refused("{key: large}", -EMSGSIZE, large);
        check_refused("{key: 1}", -EINVAL, "key is not text, as there are no quotes around it");
        check_refused("{key-data: [" SECRET "]}", -EINVAL, "key-data is not text");
        check_refused("{key-data: '%" SECRET "'}", -EINVAL, "key-data is not base64");
        check_refused("{key-data: aHVudGVyMg==}", -EINVAL,
                      "key-data is not PEM: there is no \"-----BEGIN\" in it");
        check_refused("{key: text}", -EINVAL, "key is not PEM: there is no \"-----BEGIN\" in it");
        check_refused("{key: nul}", -EINVAL, "key is not PEM: there is no \"-----BEGIN\" in it");
        check_refused("{key: locked}", -EINVAL, "key needs a password; store it without one");
        check_refused("{key: locked-too}", -EINVAL, "key needs a password; store it without one");
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_data_or_a_file),
                cmocka_unit_test(test_a_file_is_noted),
                cmocka_unit_test(test_what_cannot_be),
        };

        return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
