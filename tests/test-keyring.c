/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "keyring.h"
#include "log.h"
#include "message.h"
#include "said.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
/* cmocka.h comes after what it uses. */
#include <cmocka.h>

/* --- Secrets that are read when the test says so, and registries that note what they are handed ---------
 */

#define SECRETS_MAX 4U

struct KubeKeys {
        char secret[64];
        kube_keys_changed_t changed;
        void *userdata;
        bool stalled, hurried;
};

static KubeKeys *watched[SECRETS_MAX];
static size_t n_watched;
static size_t fails_at; /* the one that cannot be watched */
static char put[256];   /* "SECRET ID PROBLEM" */

static int double_keys_new(sd_event *event, KubeAuth *auth, KubeStats *stats, const char *secret,
                           kube_keys_changed_t changed, void *userdata, KubeKeys **ret)
{
        KubeKeys *k;

        assert_non_null(stats);
        if (n_watched == fails_at)
                return -ENOMEM;
        k = calloc(1, sizeof(*k));
        assert_non_null(k);
        (void) snprintf(k->secret, sizeof(k->secret), "%s", secret);
        k->changed = changed;
        k->userdata = userdata;
        assert_true(n_watched < SECRETS_MAX);
        watched[n_watched++] = k;
        *ret = k;
        return 0;
}

static bool double_keys_stalled(const KubeKeys *k, usec_t now)
{
        return k->stalled && now == 17;
}

static void double_keys_hand_over(KubeKeys *k, kube_keys_changed_t changed, void *userdata)
{
        k->changed = changed;
        k->userdata = userdata;
}

static void double_keys_hurry(KubeKeys *k)
{
        k->hurried = true;
}

static KubeKeys *double_keys_free(KubeKeys *k)
{
        for (size_t i = 0; i < n_watched; i++)
                if (watched[i] == k)
                        watched[i] = watched[--n_watched];
        free(k);
        return NULL;
}

static void double_put_keys(Registries *r, const char *secret, AwsCredentials *keys, const char *problem)
{
        assert_ptr_equal(r, put);
        (void) snprintf(put, sizeof(put), "%s %s %s", secret, keys ? keys->keys.access_key_id : "none",
                        problem ? problem : "none");
}

#define kube_keys_new double_keys_new
#define kube_keys_stalled double_keys_stalled
#define kube_keys_hand_over double_keys_hand_over
#define kube_keys_hurry double_keys_hurry
#define kube_keys_free double_keys_free
#define registries_put_keys double_put_keys
#define log_full said_log
#include "keyring.c"
#undef log_full

/* --- the keyring ------------------------------------------------------------------------------------------
 */

static AwsSource sources[] = {
        { .kind = AWS_SOURCE_CLUSTER_SECRET, .secret = (char *) "ns/one" },
        { .kind = AWS_SOURCE_PROCESS },
        { .kind = AWS_SOURCE_CLUSTER_SECRET, .secret = (char *) "ns/two" },
        { .kind = AWS_SOURCE_CLUSTER_SECRET, .secret = (char *) "ns/one" },
};
static RegistryConfig items[] = {
        { .source = &sources[0] },
        { .source = &sources[1] },
        { .source = &sources[2] },
        { .source = &sources[3] },
};

static KubeStats stats;

static int begin(Keyring **ret, size_t first, size_t n)
{
        const RegistryConfigs configs = { .items = items + first, .n = n };

        return keyring_new(NULL, NULL, &stats, &configs, (Registries *) put, NULL, ret);
}

static int setup(void **state)
{
        said[0] = put[0] = '\0';
        fails_at = SECRETS_MAX;
        assert_return_code(begin((Keyring **) state, 0, ELEMENTSOF(items)), 0);
        return 0;
}

static int teardown(void **state)
{
        (void) keyring_free(*state);
        assert_int_equal(n_watched, 0);
        return 0;
}

static void tell(KubeKeys *k, const char *id, const char *problem)
{
        const AwsKeys keys = { .access_key_id = id, .secret_access_key = "wJalrXUtnFEMI" };
        AwsCredentials *c = NULL;

        said[0] = said_id[0] = '\0';
        if (id)
                assert_return_code(aws_credentials_new(&keys, 0, &c), 0);
        k->changed(c, problem, k->userdata);
        aws_credentials_unref(c);
        assert_null(strstr(said, "wJalr"));
}

static void test_each_secret_is_read_once(void **state)
{
        assert_int_equal(n_watched, 2);
        assert_string_equal(watched[0]->secret, "ns/one");
        assert_string_equal(watched[1]->secret, "ns/two");
}

static void test_what_is_in_it_goes_to_the_registries(void **state)
{
        tell(watched[1], "AKIATWO", NULL);
        assert_string_equal(put, "ns/two AKIATWO none");
        assert_string_equal(said, "6 Using the AWS keys in Secret ns/two\n");
        tell(watched[0], "AKIAONE", NULL);
        assert_string_equal(put, "ns/one AKIAONE none");
}

static void test_what_is_wrong_with_it_is_told(void **state)
{
        tell(watched[0], NULL, "Secret ns/one: there is no such Secret");
        assert_string_equal(put, "ns/one none Secret ns/one: there is no such Secret");
        assert_string_equal(said, "4 Secret ns/one: there is no such Secret\n");
        assert_string_equal(said_id, MESSAGE_KEYS_LACKING);
        tell(watched[0], "AKIAONE", NULL);
        tell(watched[0], NULL, "Secret ns/one: it has no key aws_access_key_id");
        assert_string_equal(said, "4 Secret ns/one: it has no key aws_access_key_id; keys that were there "
                                  "before stay in use\n");
        assert_string_equal(put, "ns/one none Secret ns/one: it has no key aws_access_key_id");
        tell(watched[1], NULL, "Secret ns/two: there is no such Secret");
        assert_string_equal(said, "4 Secret ns/two: there is no such Secret\n");
}

static void test_one_that_is_stuck_is_seen(void **state)
{
        assert_false(keyring_stalled(*state, 17));
        watched[1]->stalled = true;
        assert_true(keyring_stalled(*state, 17));
        assert_false(keyring_stalled(*state, 16));
}

static void test_without_such_secrets_there_is_nothing_to_do(void **state)
{
        Keyring *k;

        assert_return_code(begin(&k, 1, 1), 0);
        assert_int_equal(n_watched, 2); /* of the other one */
        assert_false(keyring_stalled(k, 17));
        assert_null(keyring_free(k));
        assert_null(keyring_free(NULL));
}

static void test_what_cannot_begin_leaves_nothing(void **state)
{
        Keyring *k = NULL;

        fails_at = 3;
        assert_int_equal(begin(&k, 0, ELEMENTSOF(items)), -ENOMEM);
        assert_null(k);
        assert_int_equal(n_watched, 2);
}

/* A reload with the same API server: what is read already is not read anew. */
static void test_the_next_one_goes_on_reading(void **state)
{
        const RegistryConfigs configs = { .items = items + 2, .n = 2 };
        Keyring *past = *state, *next;
        KubeKeys *one = watched[0], *two = watched[1];

        tell(one, "AKIAONE", NULL);
        fails_at = n_watched;
        assert_return_code(keyring_new(NULL, NULL, &stats, &configs, (Registries *) put, past, &next), 0);
        assert_false(keyring_stalled(next, 17));
        tell(two, "AKIAOLD", NULL); /* to the old one, as long as it is there */
        assert_string_equal(put, "ns/two AKIAOLD none");
        keyring_take_over(next, past);
        *state = next;
        assert_null(keyring_free(past));
        assert_int_equal(n_watched, 2);
        assert_true(one->hurried && two->hurried);
        tell(one, NULL, "Secret ns/one: there is no such Secret");
        assert_string_equal(put, "ns/one none Secret ns/one: there is no such Secret");
        assert_non_null(strstr(said, "keys that were there before stay in use"));
}

/* What only one of them reads is its own. */
static void test_the_next_one_reads_others(void **state)
{
        const RegistryConfigs first = { .items = items, .n = 1 };
        Keyring *past, *next = *state;

        (void) keyring_free(next);
        assert_return_code(keyring_new(NULL, NULL, &stats, &first, (Registries *) put, NULL, &past), 0);
        assert_return_code(keyring_new(NULL, NULL, &stats,
                                       &(RegistryConfigs){ .items = items + 1, .n = 2 }, (Registries *) put,
                                       past, &next),
                           0);
        assert_int_equal(n_watched, 2);
        keyring_take_over(next, past);
        *state = next;
        (void) keyring_free(past);
        assert_int_equal(n_watched, 1);
        assert_string_equal(watched[0]->secret, "ns/two");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_each_secret_is_read_once),
                TEST(test_what_is_in_it_goes_to_the_registries),
                TEST(test_what_is_wrong_with_it_is_told),
                TEST(test_one_that_is_stuck_is_seen),
                TEST(test_without_such_secrets_there_is_nothing_to_do),
                TEST(test_what_cannot_begin_leaves_nothing),
                TEST(test_the_next_one_goes_on_reading),
                TEST(test_the_next_one_reads_others),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
