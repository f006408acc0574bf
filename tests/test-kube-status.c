/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "kube-status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
/* cmocka.h comes after what it uses. */
#include <cmocka.h>

#define STATUS(code, reason, message, details)                                                           \
        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":" \
        "\"" message "\",\"reason\":\"" reason "\",\"details\":" details ",\"code\":" #code "}\n"

static const struct {
        long code;
        const char *body, *reason, *message;
        bool terminating, immutable, too_large, other_type, other_uid;
        KubeDenial denial;
} statuses[] = {
        { 409,
          STATUS(409, "Conflict",
                 "Apply failed with 1 conflict: conflict with \\\"kubectl-create\\\" using v1: "
                 ".data..dockerconfigjson",
                 "{\"causes\":[{\"reason\":\"FieldManagerConflict\",\"message\":\"conflict with "
                 "\\\"kubectl-create\\\" using "
                 "v1\",\"field\":\".data..dockerconfigjson\"}]}"),
          "Conflict",
          "Apply failed with 1 conflict: conflict with \"kubectl-create\" using v1: "
          ".data..dockerconfigjson" },
        { 409,
          STATUS(409, "Conflict",
                 "Operation cannot be fulfilled on secrets \\\"ecr\\\": the object has been modified; "
                 "please apply your "
                 "changes to the latest version and try again",
                 "{\"name\":\"ecr\",\"kind\":\"secrets\"}"),
          "Conflict",
          "Operation cannot be fulfilled on secrets \"ecr\": the object has been modified; please apply "
          "your changes to "
          "the latest version and try again" },
        { 403,
          STATUS(403, "Forbidden",
                 "secrets \\\"ecr\\\" is forbidden: unable to create new content in namespace x because it "
                 "is being "
                 "terminated",
                 "{\"name\":\"ecr\",\"kind\":\"secrets\",\"causes\":[{\"reason\":\"NamespaceTerminating\","
                 "\"message\":"
                 "\"namespace x is being terminated\",\"field\":\"metadata.namespace\"}]}"),
          "Forbidden",
          "secrets \"ecr\" is forbidden: unable to create new content in namespace x because it is being "
          "terminated",
          .terminating = true },
        { 403,
          STATUS(403, "Forbidden",
                 "secrets \\\"ecr\\\" is forbidden: User \\\"eatr\\\" cannot patch resource \\\"secrets\\\" "
                 "in API group "
                 "\\\"\\\" in the namespace \\\"x\\\"",
                 "{\"name\":\"ecr\",\"kind\":\"secrets\"}"),
          "Forbidden",
          "secrets \"ecr\" is forbidden: User \"eatr\" cannot patch resource \"secrets\" in API group \"\" "
          "in the "
          "namespace \"x\"",
          .denial = KUBE_DENIAL_RIGHTS },
        /* What a missing right to create is answered with where it is a patch that would. */
        { 403, STATUS(403, "Forbidden", "secrets \\\"ecr\\\" is forbidden: ", "{}"), "Forbidden",
          "secrets \"ecr\" is forbidden: ", .denial = KUBE_DENIAL_RIGHTS },
        { 403,
          STATUS(403, "Forbidden",
                 "secrets \\\"ecr\\\" is forbidden: RBAC: clusterrole.rbac.authorization.k8s.io "
                 "\\\"gone\\\" not found",
                 "{}"),
          "Forbidden",
          "secrets \"ecr\" is forbidden: RBAC: clusterrole.rbac.authorization.k8s.io \"gone\" not found",
          .denial = KUBE_DENIAL_RIGHTS },
        { 403,
          STATUS(403, "Forbidden", "secrets \\\"ecr\\\" is forbidden: failed quota: q: must specify secrets",
                 "{}"),
          "Forbidden", "secrets \"ecr\" is forbidden: failed quota: q: must specify secrets",
          .denial = KUBE_DENIAL_QUOTA },
        { 403,
          STATUS(403, "Forbidden",
                 "secrets \\\"ecr\\\" is forbidden: status unknown for quota: q, resources: secrets", "{}"),
          "Forbidden", "secrets \"ecr\" is forbidden: status unknown for quota: q, resources: secrets",
          .denial = KUBE_DENIAL_QUOTA },
        /* No namespace, user or webhook gets its name read for one of these. */
        { 403,
          STATUS(403, "Forbidden",
                 "admission webhook \\\"w\\\" denied the request: secrets is forbidden: User x cannot: "
                 "exceeded quota: ",
                 "{}"),
          "Forbidden",
          "admission webhook \"w\" denied the request: secrets is forbidden: User x cannot: exceeded "
          "quota: ",
          .denial = KUBE_DENIAL_POLICY },
        { 503, STATUS(503, "", "admission webhook \\\"w\\\" denied the request without explanation", "{}"),
          "", "admission webhook \"w\" denied the request without explanation",
          .denial = KUBE_DENIAL_POLICY },
        { 422,
          STATUS(422, "Invalid",
                 "secrets \\\"ecr\\\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied "
                 "request: no",
                 "{}"),
          "Invalid",
          "secrets \"ecr\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no",
          .denial = KUBE_DENIAL_POLICY },
        /* A MutatingAdmissionPolicy's, and what is wrong with it itself. */
        { 403,
          STATUS(403, "Forbidden", "policy 'p' with binding 'b' denied request: expression failed", "{}"),
          "Forbidden", "policy 'p' with binding 'b' denied request: expression failed",
          .denial = KUBE_DENIAL_POLICY },
        { 403, STATUS(403, "Forbidden", "policy \\\"p\\\" denied request: no match constraints", "{}"),
          "Forbidden", "policy \"p\" denied request: no match constraints", .denial = KUBE_DENIAL_POLICY },
        { 403,
          STATUS(403, "Forbidden", "secrets \\\"ecr\\\" is forbidden: policy 'p' denied request: x", "{}"),
          "Forbidden", "secrets \"ecr\" is forbidden: policy 'p' denied request: x" },
        { 403, STATUS(403, "Forbidden", "secrets \\\"ecr\\\" is forbidden: not today", "{}"), "Forbidden",
          "secrets \"ecr\" is forbidden: not today" },
        { 403,
          STATUS(403, "Forbidden",
                 "secrets \\\"ecr\\\" is forbidden: exceeded quota: q, requested: secrets=1, used: "
                 "secrets=1, limited: "
                 "secrets=1",
                 "{\"name\":\"ecr\",\"kind\":\"secrets\"}"),
          "Forbidden",
          "secrets \"ecr\" is forbidden: exceeded quota: q, requested: secrets=1, used: secrets=1, limited: "
          "secrets=1",
          .denial = KUBE_DENIAL_QUOTA },
        { 422,
          STATUS(422, "Invalid",
                 "Secret \\\"ecr\\\" is invalid: type: Invalid value: "
                 "\\\"kubernetes.io/dockerconfigjson\\\": field is "
                 "immutable",
                 "{\"name\":\"ecr\",\"kind\":\"Secret\",\"causes\":[{\"reason\":\"FieldValueInvalid\","
                 "\"message\":\"Invalid "
                 "value: \\\"kubernetes.io/dockerconfigjson\\\": field is "
                 "immutable\",\"field\":\"type\"}]}"),
          "Invalid",
          "Secret \"ecr\" is invalid: type: Invalid value: \"kubernetes.io/dockerconfigjson\": field is "
          "immutable",
          .immutable = true, .other_type = true },
        { 422,
          STATUS(422, "Invalid",
                 "Secret \\\"ecr\\\" is invalid: data: Forbidden: field is immutable when `immutable` is "
                 "set",
                 "{\"name\":\"ecr\",\"kind\":\"Secret\",\"causes\":[{\"reason\":\"FieldValueForbidden\","
                 "\"message\":"
                 "\"Forbidden: field is immutable when `immutable` is set\",\"field\":\"data\"}]}"),
          "Invalid",
          "Secret \"ecr\" is invalid: data: Forbidden: field is immutable when `immutable` is set",
          .immutable = true },
        { 422,
          STATUS(422, "Invalid",
                 "Secret \\\"ecr\\\" is invalid: [metadata.uid: Invalid value: \\\"u\\\": field is immutable, "
                 "type: Invalid value: \\\"Opaque\\\": field is immutable]",
                 "{\"causes\":[{\"reason\":\"FieldValueInvalid\",\"field\":\"metadata.uid\"},{"
                 "\"reason\":\"FieldValueInvalid\",\"field\":\"type\"}]}"),
          "Invalid",
          "Secret \"ecr\" is invalid: [metadata.uid: Invalid value: \"u\": field is immutable, type: Invalid "
          "value: \"Opaque\": field is immutable]",
          .other_uid = true },
        { 409,
          STATUS(409, "Conflict",
                 "Operation cannot be fulfilled on secrets \\\"ecr\\\": uid mismatch: the provided object specified "
                 "uid u, and no existing object was found",
                 "{\"name\":\"ecr\",\"kind\":\"secrets\"}"),
          "Conflict",
          "Operation cannot be fulfilled on secrets \"ecr\": uid mismatch: the provided object specified uid u, "
          "and no existing object was found",
          .other_uid = true },
        /* It is wrong, but could be changed. */
        { 422,
          STATUS(422, "Invalid", "Secret \\\"ecr\\\" is invalid: type: Too long: may not be longer than 253",
                 "{\"causes\":[{\"reason\":\"FieldValueTooLong\",\"message\":\"Too long: may not be longer "
                 "than "
                 "253\",\"field\":\"type\"}]}"),
          "Invalid", "Secret \"ecr\" is invalid: type: Too long: may not be longer than 253" },
        /* A name is not a message. */
        { 422,
          STATUS(422, "Invalid",
                 "Secret \\\"immutable\\\" is invalid: metadata.annotations: Too long: must have at most "
                 "262144 bytes",
                 "{}"),
          "Invalid",
          "Secret \"immutable\" is invalid: metadata.annotations: Too long: must have at most 262144 "
          "bytes" },
        { 400,
          STATUS(400, "BadRequest", "admission webhook \\\"x\\\" denied the request: field is immutable",
                 "{}"),
          "BadRequest", "admission webhook \"x\" denied the request: field is immutable",
          .denial = KUBE_DENIAL_POLICY },
        { 504,
          STATUS(504, "Timeout", "Timeout: Too large resource version: 1000000, current: 1777",
                 "{\"causes\":[{\"reason\":\"ResourceVersionTooLarge\",\"message\":\"Too large resource "
                 "version\"}],"
                 "\"retryAfterSeconds\":1}"),
          "Timeout", "Timeout: Too large resource version: 1000000, current: 1777", .too_large = true },
        { 404,
          STATUS(404, "NotFound", "namespaces \\\"x\\\" not found",
                 "{\"name\":\"x\",\"kind\":\"namespaces\"}"),
          "NotFound", "namespaces \"x\" not found" },
        { 500,
          STATUS(500, "InternalError", "Internal error occurred: failed calling webhook \\\"x\\\"",
                 "{\"causes\":[{\"message\":\"failed calling webhook\"}]}"),
          "InternalError", "Internal error occurred: failed calling webhook \"x\"" },
        /* What is no Status. */
        { 429, "Too many requests, please try again later.\n", "",
          "HTTP status 429: Too many requests, please try again later." },
        { 502, "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n</html>\r\n", "",
          "HTTP status 502 with a page that is not the API server's" },
        { 502, "\n\n  <!DOCTYPE html>\n<html></html>", "",
          "HTTP status 502 with a page that is not the API server's" },
        { 503, "upstream connect error\r\nreset reason: connection failure\r\n", "",
          "HTTP status 503: upstream connect error" },
        { 500, "", "", "HTTP status 500" },
        { 500, " \r\n\t\n", "", "HTTP status 500" },
        { 401, "{\"error\":\"x\"}", "", "HTTP status 401: {\"error\":\"x\"}" },
        { 401, "null", "", "HTTP status 401: null" },
        { 400, "{\"message\":7}", "", "HTTP status 400: {\"message\":7}" },
        /* A Status without a message keeps what it has. */
        { 409,
          "{\"reason\":\"Conflict\",\"message\":\"\",\"details\":{\"causes\":[{\"reason\":"
          "\"FieldManagerConflict\"}]}}",
          "Conflict",
          "HTTP status 409: {\"reason\":\"Conflict\",\"message\":\"\",\"details\":{\"causes\":[{\"reason\":"
          "\"FieldManagerConflict\"}]}}" },
        { 409,
          "{\"message\":\"m\",\"reason\":[],\"details\":{\"causes\":[7,null,\"FieldManagerConflict\",{"
          "\"reason\":7}]}}",
          "", "m" },
        { 409, "{\"message\":\"m\",\"details\":{\"causes\":\"FieldManagerConflict\"}}", "", "m" },
        { 409, "{\"message\":\"m\",\"details\":[]}", "", "m" },
};

static void read_copied(long code, const char *body, size_t n, KubeStatus *ret)
{
        char *copy = malloc(MAX(n, 1U)); /* so that reading beyond it is noticed */

        assert_non_null(copy);
        memcpy(copy, body, n);
        memset(ret, 0xaa, sizeof(*ret));
        kube_status_read(code, copy, n, "unused", ret);
        free(copy);
        assert_int_equal(ret->code, code);
        assert_true(*ret->message);
        assert_true(memchr(ret->message, '\0', sizeof(ret->message)));
        assert_true(memchr(ret->reason, '\0', sizeof(ret->reason)));
}

static void test_status(void **state)
{
        for (size_t i = 0; i < ELEMENTSOF(statuses); i++) {
                KubeStatus s;

                read_copied(statuses[i].code, statuses[i].body, strlen(statuses[i].body), &s);
                assert_string_equal(s.message, statuses[i].message);
                assert_string_equal(s.reason, statuses[i].reason);
                assert_int_equal(s.namespace_terminating, statuses[i].terminating);
                assert_int_equal(s.immutable, statuses[i].immutable);
                assert_int_equal(s.other_type, statuses[i].other_type);
                assert_int_equal(s.other_uid, statuses[i].other_uid);
                assert_int_equal(s.denial, statuses[i].denial);
                assert_int_equal(s.version_too_large, statuses[i].too_large);
        }
}

static void test_status_truncated(void **state)
{
        for (size_t i = 0; i < ELEMENTSOF(statuses); i++)
                for (size_t n = 0; n < strlen(statuses[i].body); n++) {
                        KubeStatus s;

                        read_copied(statuses[i].code, statuses[i].body, n, &s);
                }
}

static void test_status_no_answer(void **state)
{
        KubeStatus s;

        kube_status_read(0, "", 0, "Connection refused", &s);
        assert_int_equal(s.code, 0);
        assert_string_equal(s.message, "Connection refused");
        kube_status_read(0, "{\"message\":\"x\"}", 15, "", &s);
        assert_string_equal(s.message, "no answer");
        kube_status_read(0, NULL, 0, NULL, &s);
        assert_string_equal(s.message, "no answer");
        kube_status_read(500, NULL, 0, NULL, &s);
        assert_string_equal(s.message, "HTTP status 500");
}

static bool is_utf8(const char *s)
{
        for (; *s; s++) {
                unsigned char c = (unsigned char) *s;
                unsigned more = c < 0x80 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;

                for (; more > 0; more--)
                        if (((unsigned char) *++s & 0xc0) != 0x80)
                                return false;
        }
        return true;
}

/* Long texts are cut, but never within a character: systemd refuses a status that is not UTF-8, and the
 * journal shows such a message as a blob. */
static void test_status_long(void **state)
{
        static const char *const fills[] = { "x", "\303\274", "\342\202\254", "\360\237\230\200" };
        char text[2000], body[4100];
        KubeStatus s;

        for (size_t i = 0; i < ELEMENTSOF(fills); i++)
                for (size_t shift = 0; shift < 4; shift++) {
                        memset(text, 'a', shift);
                        text[shift] = '\0';
                        while (strlen(text) < 1000)
                                (void) strcat(text, fills[i]);
                        read_copied(500, text, strlen(text), &s);
                        assert_true(is_utf8(s.message));
                        assert_in_range(strlen(s.message), 200, 217);
                        (void) snprintf(body, sizeof(body), "{\"message\":\"%s\",\"reason\":\"%s\"}", text,
                                        text);
                        read_copied(500, body, strlen(body), &s);
                        assert_true(is_utf8(s.message));
                        assert_in_range(strlen(s.message), sizeof(s.message) - 4, sizeof(s.message) - 1);
                }
        /* Nothing but continuation bytes: that never was UTF-8. */
        memset(text, 0x80, sizeof(text));
        read_copied(500, text, sizeof(text), &s);
        memset(text, '\0', sizeof(text));
        read_copied(500, text, sizeof(text), &s);
        assert_string_equal(s.message, "HTTP status 500");
}

static void test_status_too_large(void **state)
{
        size_t n = 65537;
        char *body = malloc(n);
        KubeStatus s;

        assert_non_null(body);
        memset(body, ' ', n);
        memcpy(body, "{\"message\":\"x\"}", 15);
        kube_status_read(409, body, n, NULL, &s);
        assert_string_equal(s.reason, "");
        assert_true(startswith(s.message, "HTTP status 409: {\"message\":\"x\"}"));
        kube_status_read(409, body, n - 1, NULL, &s);
        assert_string_equal(s.message, "x");
        free(body);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_status),      cmocka_unit_test(test_status_truncated),
                cmocka_unit_test(test_status_no_answer), cmocka_unit_test(test_status_long),
                cmocka_unit_test(test_status_too_large),
        };

        return cmocka_run_group_tests_name("kube-status", tests, NULL, NULL);
}
