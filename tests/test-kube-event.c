/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "json.h"
#include "kube-event.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define TIME (UINT64_C(1795461567) * USEC_PER_SEC + 1234) /* 2026-11-23T19:19:27.001234Z */

static KubeEvent make(KubeEventReason reason)
{
        return (KubeEvent){
                .namespace = "team-a",
                .secret = "ecr",
                .uid = "0f8fad5b-d9cb-469f-a165-70867728950e",
                .reason = reason,
                .note = "Secret ecr is not eatr's",
                .instance = "ops1",
                .time = TIME,
        };
}

static cJSON *render(const KubeEvent *e)
{
        _cleanup_buf_ Buf b = BUF_INIT(KUBE_EVENT_BODY_MAX);
        cJSON *j = NULL;

        assert_int_equal(kube_event_render(e, &b), 0);
        assert_int_equal(json_parse(buf_str(&b), b.size, b.max, &j), 0);
        return j;
}

static void test_all_of_it(void **state)
{
        _cleanup_buf_ Buf b = BUF_INIT(KUBE_EVENT_BODY_MAX);
        _cleanup_free_ char *expected = NULL;
        KubeEvent e = make(KUBE_EVENT_CONFLICT);
        char name[KUBE_EVENT_NAME_MAX];

        assert_int_equal(kube_event_name(&e, name), 0);
        expected = str_printf(
                "{\"metadata\":{\"name\":\"%s\",\"namespace\":\"team-a\"},\"apiVersion\":\"events.k8s.io/"
                "v1\","
                "\"kind\":\"Event\",\"eventTime\":\"2026-11-23T19:19:27.001234Z\",\"type\":\"Warning\","
                "\"reason\":\"PullSecretConflict\",\"action\":\"Apply\",\"reportingController\":\"eatr/"
                "eatr\","
                "\"reportingInstance\":\"ops1\",\"note\":\"Secret ecr is not eatr's\",\"regarding\":{"
                "\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"namespace\":\"team-a\",\"name\":\"ecr\","
                "\"uid\":\"0f8fad5b-d9cb-469f-a165-70867728950e\"}}",
                name);
        assert_int_equal(kube_event_render(&e, &b), 0);
        assert_string_equal(buf_str(&b), expected);
}

static void test_reasons_and_types(void **state)
{
        static const char *const reasons[][2] = {
                [KUBE_EVENT_CONFLICT] = { "PullSecretConflict", "Warning" },
                [KUBE_EVENT_DENIED] = { "PullSecretDenied", "Warning" },
                [KUBE_EVENT_QUOTA] = { "QuotaExceeded", "Warning" },
                [KUBE_EVENT_IMMUTABLE] = { "PullSecretImmutable", "Warning" },
                [KUBE_EVENT_FIGHTING] = { "FightingOverSecret", "Warning" },
                [KUBE_EVENT_ADOPTED] = { "PullSecretAdopted", "Normal" },
        };

        assert_int_equal(ELEMENTSOF(reasons), _KUBE_EVENT_REASON_MAX);
        for (KubeEventReason r = 0; r < _KUBE_EVENT_REASON_MAX; r++) {
                KubeEvent e = make(r);
                _cleanup_json_ cJSON *j = render(&e);

                assert_string_equal(json_string(j, "reason"), reasons[r][0]);
                assert_string_equal(json_string(j, "type"), reasons[r][1]);
        }
}

static void test_a_secret_that_is_not_there_has_no_uid(void **state)
{
        static const char *const none[] = { NULL, "" };

        for (size_t i = 0; i < ELEMENTSOF(none); i++) {
                KubeEvent e = make(KUBE_EVENT_QUOTA);
                _cleanup_json_ cJSON *j = NULL;

                e.uid = none[i];
                j = render(&e);
                assert_non_null(json_get(j, "regarding"));
                assert_null(json_get(json_get(j, "regarding"), "uid"));
        }
}

/* The API server counts bytes, and does not take half of a character. */
static void test_texts_are_cut_between_characters(void **state)
{
        for (size_t shift = 0; shift < 3; shift++) {
                char text[4096] = "";
                KubeEvent e = make(KUBE_EVENT_DENIED);
                _cleanup_json_ cJSON *j = NULL;

                memset(text, 'a', shift);
                while (strlen(text) < 3000)
                        (void) strcat(text, "\xe2\x82\xac"); /* 3 bytes */
                e.note = e.instance = text;
                j = render(&e);
                assert_int_equal(strlen(json_string(j, "note")), shift + (1024 - shift) / 3 * 3);
                assert_int_equal(strlen(json_string(j, "reportingInstance")), shift + (128 - shift) / 3 * 3);
                assert_memory_equal(json_string(j, "note"), text, strlen(json_string(j, "note")));
        }
}

/* What JSON has to escape takes more room, and there is enough of it. */
static void test_the_largest(void **state)
{
        char name[254], text[2048];
        KubeEvent e = make(KUBE_EVENT_DENIED);
        _cleanup_json_ cJSON *j = NULL;

        memset(name, 'n', sizeof(name) - 1);
        name[sizeof(name) - 1] = '\0';
        memset(text, 1, sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        e.namespace = e.secret = name;
        e.note = e.instance = text;
        j = render(&e);
        assert_int_equal(strlen(json_string(j, "note")), 1024);
}

static void name_of(const KubeEvent *e, char name[static KUBE_EVENT_NAME_MAX])
{
        assert_int_equal(kube_event_name(e, name), 0);
        assert_int_equal(strlen(name), KUBE_EVENT_NAME_MAX - 1);
        assert_int_equal(strspn(name + 5, "0123456789abcdef"), 16);
        assert_non_null(startswith(name, "eatr."));
}

/* The same after a restart, whatever the time and the words are; another for what is another matter. */
static void test_names(void **state)
{
        KubeEvent e = make(KUBE_EVENT_CONFLICT);
        char name[KUBE_EVENT_NAME_MAX], other[KUBE_EVENT_NAME_MAX];

        name_of(&e, name);
        e.time += USEC_PER_HOUR;
        e.note = "Secret ecr is still not eatr's";
        e.instance = "ops2";
        name_of(&e, other);
        assert_string_equal(name, other);
        e.uid = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
        name_of(&e, other);
        assert_string_not_equal(name, other);
        e = make(KUBE_EVENT_DENIED);
        name_of(&e, other);
        assert_string_not_equal(name, other);
        e = make(KUBE_EVENT_CONFLICT);
        e.secret = "pull";
        name_of(&e, other);
        assert_string_not_equal(name, other);
}

static void test_series(void **state)
{
        _cleanup_buf_ Buf b = BUF_INIT(KUBE_EVENT_BODY_MAX);

        assert_int_equal(kube_event_render_series(2, TIME - 1234, &b), 0);
        assert_string_equal(buf_str(&b), "{\"series\":{\"count\":2,\"lastObservedTime\":"
                                         "\"2026-11-23T19:19:27.000000Z\"}}");
}

static void test_no_room(void **state)
{
        KubeEvent e = make(KUBE_EVENT_CONFLICT);
        _cleanup_buf_ Buf b = BUF_INIT(64);

        assert_int_equal(kube_event_render(&e, &b), -EMSGSIZE);
        assert_int_equal(b.size, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_all_of_it),
                cmocka_unit_test(test_reasons_and_types),
                cmocka_unit_test(test_a_secret_that_is_not_there_has_no_uid),
                cmocka_unit_test(test_texts_are_cut_between_characters),
                cmocka_unit_test(test_the_largest),
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_series),
                cmocka_unit_test(test_no_room),
        };

        json_setup();
        return cmocka_run_group_tests_name("kube-event", tests, NULL, NULL);
}
