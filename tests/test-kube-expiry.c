/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "clockwork.h"
#include "kube-expiry.h"
#include "said.h"

#include "clockwork-on.h"
#include "kube-expiry.c"
#include "clockwork-off.h"

#include "x509-fixtures.h"

#define END (FIXTURE_EC_NOT_AFTER * USEC_PER_SEC)

typedef struct Fixture {
        sd_event *event;
        KubeConfig config;
        KubeExpiry *expiry;
} Fixture;

/* It begins so long before the end. */
static void begin(Fixture *f, usec_t left)
{
        clockwork_begin();
        wall = END - left;
        said[0] = '\0';
        f->config = (KubeConfig){ .context = (char *) "prod",
                                  .server = (char *) "https://api.example:6443",
                                  .client_certificate = (char *) FIXTURE_EC };
        assert_return_code(sd_event_new(&f->event), 0);
        assert_return_code(kube_expiry_new(f->event, &f->config, &f->expiry), 0);
        clockwork_pass(f->event, 0);
}

static void end(Fixture *f)
{
        f->expiry = kube_expiry_free(f->expiry);
        f->event = sd_event_unref(f->event);
}

/* How many messages there were of this level, and of no other. */
static unsigned count_of(char level)
{
        unsigned n = 0;

        for (const char *p = said; *p; p = strchr(p, '\n') + 1) {
                assert_int_equal(*p, level);
                n++;
        }
        said[0] = '\0';
        return n;
}

static void pass_days(Fixture *f, unsigned n)
{
        clockwork_pass(f->event, n * USEC_PER_DAY);
}

static void test_a_month_before(void **state)
{
        Fixture f;

        begin(&f, 40 * USEC_PER_DAY);
        pass_days(&f, 9);
        assert_string_equal(said, "");
        pass_days(&f, 2);
        assert_string_equal(said,
                            "4 The client certificate of the kubeconfig's context prod, for "
                            "https://api.example:6443, expires in 30d, on 2056-11-15T13:23:04Z; a new one "
                            "in its place is used at once\n");
        assert_string_equal(said_id, MESSAGE_KUBECONFIG_AGES);
        assert_int_equal(count_of('4'), 1);
        pass_days(&f, 5);
        assert_int_equal(count_of('4'), 0);
        pass_days(&f, 15); /* 9 days are left */
        assert_int_equal(count_of('4'), 3);
        pass_days(&f, 8);
        assert_in_range(count_of('4'), 6, 7);
        end(&f);
}

static void test_when_it_is_over(void **state)
{
        Fixture f;

        begin(&f, USEC_PER_HOUR);
        assert_int_equal(count_of('4'), 1);
        clockwork_pass(f.event, USEC_PER_HOUR - 1);
        assert_int_equal(count_of('4'), 0);
        clockwork_pass(f.event, 1);
        assert_string_equal(said,
                            "3 The client certificate of the kubeconfig's context prod has expired, on "
                            "2056-11-15T13:23:04Z, and https://api.example:6443 does not take it any more; "
                            "a new one in its place is used at once\n");
        assert_int_equal(count_of('3'), 1);
        pass_days(&f, 3);
        assert_int_equal(count_of('3'), 3);
        end(&f);
}

/* Another kubeconfig with the same certificate, as after a reload. */
static void test_it_is_told_once_of_a_certificate(void **state)
{
        Fixture f, other;

        begin(&f, 20 * USEC_PER_DAY);
        assert_int_equal(count_of('4'), 1);
        pass_days(&f, 3);
        other = f;
        other.config.server = (char *) "https://other.example";
        assert_return_code(kube_expiry_new(f.event, &other.config, &other.expiry), 0);
        kube_expiry_take_over(other.expiry, f.expiry);
        f.expiry = kube_expiry_free(f.expiry);
        pass_days(&f, 3);
        assert_int_equal(count_of('4'), 0);
        pass_days(&f, 2); /* a week after it was told */
        assert_int_equal(count_of('4'), 1);

        f.config.client_certificate = (char *) FIXTURE_RSA;
        wall = FIXTURE_RSA_NOT_AFTER * USEC_PER_SEC - USEC_PER_DAY;
        assert_return_code(kube_expiry_new(f.event, &f.config, &f.expiry), 0);
        kube_expiry_take_over(f.expiry, other.expiry);
        other.expiry = kube_expiry_free(other.expiry);
        pass_days(&f, 0);
        assert_int_equal(count_of('4'), 1);
        end(&f);
}

static void test_nothing_to_tell(void **state)
{
        static const char *const certificates[] = { NULL, "none" };
        Fixture f;

        for (size_t i = 0; i < ELEMENTSOF(certificates); i++) {
                begin(&f, 40 * USEC_PER_DAY);
                f.config.client_certificate = (char *) certificates[i];
                f.expiry = kube_expiry_free(f.expiry);
                assert_return_code(kube_expiry_new(f.event, &f.config, &f.expiry), 0);
                pass_days(&f, 100);
                assert_string_equal(said, "");
                end(&f);
        }
        assert_null(kube_expiry_free(NULL));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_month_before),
                cmocka_unit_test(test_when_it_is_over),
                cmocka_unit_test(test_it_is_told_once_of_a_certificate),
                cmocka_unit_test(test_nothing_to_tell),
        };

        return cmocka_run_group_tests_name("kube-expiry", tests, NULL, NULL);
}
