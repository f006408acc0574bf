/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "aws-ecr.h"
#include "backoff.h"
#include "clockwork.h"
#include "encode.h"
#include "fetch-double.h"
#include "registries.h"
#include "said.h"

#include <stdio.h>

/* --- ECRs that answer in their time, or never --------------------------------------------------------- */

#define ECRS_MAX 4U
#define NEVER USEC_INFINITY
#define LIFE (12 * USEC_PER_HOUR)

typedef struct Ecr {
        const char *host; /* of its registry; the URL of its endpoint, too */
        usec_t latency;   /* NEVER: it hangs */
        AwsOutcome outcome;
        usec_t life;
        bool same; /* the token comes again */
        unsigned n_calls, n_tokens;
        char id[32]; /* of the key that the last call was signed with */
} Ecr;

static Ecr ecrs[ECRS_MAX];

struct AwsCall {
        AwsEcrSpec spec;
        Ecr *ecr;
        sd_event_source *timer;
};

/* "AWS:HOST-3" of the third. */
static char *token_value(const char *host, unsigned n)
{
        _cleanup_free_ char *plain = str_printf("AWS:%s-%u", host, n);
        char *value = encode_base64(plain, strlen(plain));

        assert_non_null(value);
        return value;
}

static int on_latency(sd_event_source *s, uint64_t usec, void *userdata)
{
        AwsCall *c = userdata;
        _cleanup_free_ char *value = NULL, *body = NULL;
        Ecr *ecr = c->ecr;

        if (ecr->outcome != AWS_OK) {
                c->spec.done(ecr->outcome, "such is life", c->spec.userdata);
                return 0;
        }
        if (ecr->n_tokens == 0 || !ecr->same)
                ecr->n_tokens++;
        value = token_value(ecr->host, ecr->n_tokens);
        body = str_printf("{\"authorizationData\":[{\"authorizationToken\":\"%s\",\"expiresAt\":%.6f,"
                          "\"proxyEndpoint\":\"https://%s\"}]}",
                          value, (double) (wall + ecr->life) / USEC_PER_SEC, ecr->host);
        assert_null(c->spec.read(&(AwsAnswer){ .http = HTTP_OK,
                                               .status = 200,
                                               .body = body,
                                               .body_size = strlen(body),
                                               .date = wall,
                                               .boottime = boottime },
                                 c->spec.userdata));
        c->spec.done(AWS_OK, "", c->spec.userdata);
        return 0;
}

static int ecr_start(sd_event *event, AwsState *state, const AwsEcrSpec *spec, AwsCall **ret)
{
        AwsCall *c = calloc(1, sizeof(*c));

        assert_non_null(c);
        c->spec = *spec;
        c->ecr = ecrs;
        while (!streq(c->ecr->host, spec->url))
                c->ecr++;
        c->ecr->n_calls++;
        (void) snprintf(c->ecr->id, sizeof(c->ecr->id), "%s", spec->credentials->keys.access_key_id);
        assert_return_code(
                sd_event_add_time_relative(event, &c->timer, CLOCK_BOOTTIME, USEC_PER_DAY, 1, on_latency, c),
                0);
        (void) clockwork_set_time_relative(c->timer, c->ecr->latency);
        *ret = c;
        return 0;
}

static AwsCall *ecr_free(AwsCall *c)
{
        if (!c)
                return NULL;
        (void) clockwork_disable_unref(c->timer);
        free(c);
        return NULL;
}

#define aws_ecr_start ecr_start
#define aws_call_free ecr_free
#include "fetch-double-on.h"

#include "clockwork-on.h"
#include "aws-clock.c"
#include "credentials.c"
#include "registry.c"
#include "registries.c"
#include "clockwork-off.h"

/* --- registries of them -------------------------------------------------------------------------------- */

typedef struct Fixture {
        sd_event *event;
        RegistryConfig items[ECRS_MAX];
        RegistryConfigs configs;
        Registries *registries;
        AwsState state;
        RegistriesPast *past;
        unsigned n_auths, n_changed;
        char entries[1024]; /* "HOST=NUMBER HOST=NUMBER", of what was shown last */
        char history[8192]; /* the same, a line each time */
} Fixture;

/* The number in the value of an entry. */
static unsigned entry_number(const char *value)
{
        _cleanup_free_ char *plain = NULL;
        size_t n;

        assert_return_code(decode_base64(value, (void **) &plain, &n), 0);
        return (unsigned) atoi(strrchr(plain, '-') + 1);
}

static void describe(Fixture *f)
{
        const Auths *a = registries_auths(f->registries);
        size_t n = 0;

        f->entries[0] = '\0';
        for (size_t i = 0; a && i < a->n; i++)
                n += (size_t) snprintf(f->entries + n, sizeof(f->entries) - n, "%s%s=%u", i > 0 ? " " : "",
                                       a->items[i].host, entry_number(a->items[i].value));
}

static void on_auths(void *userdata)
{
        Fixture *f = userdata;
        size_t n = strlen(f->history);

        f->n_auths++;
        describe(f);
        (void) snprintf(f->history + n, sizeof(f->history) - n, "%s\n", f->entries);
}

static void on_any_change(void *userdata)
{
        Fixture *f = userdata;

        f->n_changed++;
}

static const RegistriesEvents test_events = { .auths = on_auths, .changed = on_any_change };

static int setup(void **state)
{
        Fixture *f = calloc(1, sizeof(*f));

        clockwork_begin();
        n_fetches = 0;
        said_level = LOG_ERR;
        said[0] = '\0';
        memset(ecrs, 0, sizeof(ecrs));
        assert_return_code(sd_event_new(&f->event), 0);
        f->configs.items = f->items;
        *state = f;
        return 0;
}

static int teardown(void **state)
{
        Fixture *f = *state;

        f->registries = registries_free(f->registries);
        for (size_t i = 0; i < f->configs.n; i++)
                (void) aws_source_free(f->items[i].source);
        (void) sd_event_unref(f->event);
        free(f);
        assert_null(fetches);
        return 0;
}

/* One more registry, whose host is its name, with an ECR of its own that answers after 100 ms. */
static void add(Fixture *f, const char *name, AwsSourceKind kind, const char *keys)
{
        RegistryConfig *c = &f->items[f->configs.n];
        Ecr *ecr = &ecrs[f->configs.n];

        assert_true(f->configs.n++ < ECRS_MAX);
        *ecr = (Ecr){ .host = name, .latency = 100 * USEC_PER_MSEC, .life = LIFE };
        *c = (RegistryConfig){ .name = (char *) name,
                               .label = (char *) (f->configs.n > 1 ? "Registry x: " : ""),
                               .region = (char *) "eu-west-1",
                               .url = (char *) name,
                               .source = aws_source_new(),
                               .verify = CONF_VERIFY_NO };
        f->items[0].label = c->label;
        c->source->kind = kind;
        assert_return_code(str_replace(&c->source->origin, "x"), 0);
        if (kind == AWS_SOURCE_STATIC) {
                assert_return_code(str_replace(&c->source->keys.access_key_id, keys), 0);
                assert_return_code(str_replace(&c->source->keys.secret_access_key, "secret"), 0);
        }
        if (kind == AWS_SOURCE_CLUSTER_SECRET)
                assert_return_code(str_replace(&c->source->secret, keys), 0);
        (void) snprintf(c->origin.endpoint, sizeof(c->origin.endpoint), "%s", name);
        (void) snprintf(c->origin.keys, sizeof(c->origin.keys), "%s", keys);
}

static void begin(Fixture *f, usec_t interval)
{
        f->registries = registries_free(f->registries);
        assert_return_code(
                registries_new(f->event, &f->state, &f->configs, interval, f->past, &test_events, f, &f->registries),
                0);
}

/* Several with keys of their own, which are in force. */
static void begin_with(Fixture *f, const char *const *names)
{
        for (; *names; names++)
                add(f, *names, AWS_SOURCE_STATIC, *names);
        begin(f, 0);
}

static void pass(const Fixture *f, usec_t time)
{
        clockwork_pass(f->event, time);
}

/* That so many have been shown, the last of them this. */
static void assert_shown(const Fixture *f, unsigned n, const char *entries)
{
        assert_string_equal(f->entries, entries);
        assert_int_equal(f->n_auths, n);
}

static unsigned count(const char *text, const char *part)
{
        unsigned n = 0;

        for (const char *p = strstr(text, part); p; p = strstr(p + 1, part))
                n++;
        return n;
}

/* --- shown together ------------------------------------------------------------------------------------ */

static void test_one_registry_is_shown_at_once(void **state)
{
        Fixture *f = *state;

        begin_with(f, (const char *const[]){ "a", NULL });
        assert_null(registries_auths(f->registries));
        assert_int_equal(registries_good(f->registries), 0);
        assert_true(is_busy(f->registries));
        pass(f, 100 * USEC_PER_MSEC);
        assert_shown(f, 1, "a=1");
        assert_int_equal(registries_count(f->registries), 1);
        assert_int_equal(registries_good(f->registries), 1);
        assert_int_equal(registries_failing(f->registries), 0);
        assert_false(is_busy(f->registries));
        assert_int_equal(f->n_changed, 1);
        pass(f, LIFE + USEC_PER_SEC);
        assert_shown(f, 3, "a=3");
}

static void test_what_comes_within_two_seconds_is_shown_together(void **state)
{
        Fixture *f = *state;

        begin_with(f, (const char *const[]){ "b", "a", NULL });
        ecrs[1].latency = 2 * USEC_PER_SEC;
        pass(f, 2 * USEC_PER_SEC - 1);
        assert_int_equal(f->n_changed, 1);
        assert_int_equal(f->n_auths, 0);
        pass(f, 1);
        assert_shown(f, 1, "a=1 b=1");
        pass(f, USEC_PER_HOUR);
        assert_int_equal(f->n_auths, 1);
}

static void test_one_that_hangs_does_not_hold_the_others(void **state)
{
        Fixture *f = *state;

        begin_with(f, (const char *const[]){ "a", "b", "c", NULL });
        ecrs[1].latency = 15 * USEC_PER_SEC;
        ecrs[2].latency = USEC_PER_SEC;
        pass(f, 2 * USEC_PER_SEC + 100 * USEC_PER_MSEC - 1);
        assert_int_equal(f->n_auths, 0);
        pass(f, 1);
        assert_shown(f, 1, "a=1 c=1");
        pass(f, 13 * USEC_PER_SEC);
        assert_shown(f, 2, "a=1 b=1 c=1");
}

static void test_nobody_waits_for_one_that_failed(void **state)
{
        Fixture *f = *state;

        begin_with(f, (const char *const[]){ "a", "b", NULL });
        ecrs[0].outcome = AWS_REJECTED;
        ecrs[1].latency = USEC_PER_SEC;
        pass(f, USEC_PER_SEC);
        assert_shown(f, 1, "b=1");
        assert_int_equal(registries_failing(f->registries), 1);
        assert_int_equal(registries_good(f->registries), 1);
        ecrs[0].outcome = AWS_OK;
        pass(f, USEC_PER_MINUTE);
        assert_shown(f, 2, "a=1 b=1");
        assert_int_equal(registries_failing(f->registries), 0);
}

static void test_hosts_of_all_are_sorted(void **state)
{
        char *hosts[] = { (char *) "z.example", (char *) "0.example", NULL };
        Fixture *f = *state;

        add(f, "m", AWS_SOURCE_STATIC, "k");
        f->items[0].hosts = hosts;
        add(f, "b", AWS_SOURCE_STATIC, "l");
        begin(f, 0);
        pass(f, USEC_PER_SEC);
        assert_shown(f, 1, "0.example=1 b=1 m=1 z.example=1");
        f->items[0].hosts = NULL;
}

/* --- renewed together ---------------------------------------------------------------------------------- */

static void test_those_that_are_due_near_each_other_are_renewed_together(void **state)
{
        Fixture *f = *state;

        begin_with(f, (const char *const[]){ "a", "b", "c", NULL });
        ecrs[0].life = LIFE + USEC_PER_HOUR;
        ecrs[2].life = LIFE + 2 * USEC_PER_MINUTE;
        pass(f, USEC_PER_MINUTE);
        assert_shown(f, 1, "a=1 b=1 c=1");
        pass(f, LIFE / 2);
        assert_shown(f, 2, "a=2 b=2 c=2");
        pass(f, LIFE / 2);
        assert_shown(f, 3, "a=3 b=3 c=3");
        for (size_t i = 0; i < 3; i++)
                assert_int_equal(ecrs[i].n_calls, 3);
}

static void test_those_that_are_not_are_not(void **state)
{
        Fixture *f = *state;

        begin_with(f, (const char *const[]){ "a", "b", NULL });
        ecrs[0].life = 2 * LIFE;
        pass(f, LIFE / 2 + USEC_PER_MINUTE);
        assert_shown(f, 2, "a=1 b=2");
}

/* The same for long, in which much is said. Returns how often it was said that a token has expired. */
static unsigned pass_long(const Fixture *f, usec_t time)
{
        unsigned n = 0;

        for (; time > 0; time -= MIN(time, USEC_PER_HOUR)) {
                said[0] = '\0';
                pass(f, MIN(time, USEC_PER_HOUR));
                n += count(said, "has expired");
        }
        return n;
}

static void test_one_that_fails_for_a_day_does_nothing_to_the_others(void **state)
{
        Fixture *f = *state;

        begin_with(f, (const char *const[]){ "a", "b", "c", NULL });
        pass(f, USEC_PER_SEC);
        assert_shown(f, 1, "a=1 b=1 c=1");
        ecrs[1].outcome = AWS_REJECTED;
        assert_int_equal(pass_long(f, LIFE - USEC_PER_SEC - USEC_PER_MINUTE), 0);
        assert_shown(f, 2, "a=2 b=1 c=2"); /* the old entry stays */
        assert_int_equal(registries_good(f->registries), 3);

        /* A minute before the next renewal, what has run out is taken out. */
        pass(f, USEC_PER_MINUTE + 100 * USEC_PER_MSEC);
        assert_int_equal(registries_good(f->registries), 2);
        assert_int_equal(count(said, "has expired"), 1);
        assert_non_null(strstr(said,
                               "3 Registry x: the token for b has expired and there is no other: such "
                               "is life; its hosts are taken out of the Secrets until there is one\n"));
        assert_int_equal(pass_long(f, LIFE + USEC_PER_SEC), 0);
        assert_int_equal(registries_failing(f->registries), 1);
        assert_string_equal(f->entries, "a=5 c=5");

        ecrs[1].outcome = AWS_OK;
        pass(f, 5 * USEC_PER_MINUTE);
        assert_string_equal(f->entries, "a=5 b=2 c=5");
        assert_int_equal(registries_good(f->registries), 3);

        /* The others were renewed each 6 h, and together. */
        assert_int_equal(ecrs[0].n_tokens, 5);
        assert_int_equal(ecrs[2].n_tokens, 5);
        assert_string_equal(f->history, "a=1 b=1 c=1\na=2 b=1 c=2\na=2 c=2\na=3 c=3\na=4 c=4\na=5 c=5\n"
                                        "a=5 b=2 c=5\n");

        /* And it may happen again. */
        ecrs[1].outcome = AWS_RETRY;
        assert_int_equal(pass_long(f, LIFE + USEC_PER_HOUR), 1);
}

static void test_an_entry_goes_exactly_when_its_token_expires(void **state)
{
        Fixture *f = *state;

        begin_with(f, (const char *const[]){ "a", "b", NULL });
        ecrs[1].life = USEC_PER_HOUR;
        pass(f, USEC_PER_SEC);
        ecrs[1].outcome = AWS_RETRY;
        ecrs[1].latency = NEVER; /* not even a failure says that there is something to do */
        pass(f, USEC_PER_HOUR - USEC_PER_SEC + 100 * USEC_PER_MSEC - 2);
        assert_shown(f, 1, "a=1 b=1");
        pass(f, 3);
        assert_shown(f, 2, "a=1");
        assert_non_null(strstr(said, "has expired and there is no other: the call is under way; "));
}

static void test_when_none_is_good_the_last_ones_stay(void **state)
{
        static const char sentence[] =
                "has expired and there is no other: such is life; Secrets stay as they are\n";
        Fixture *f = *state;

        begin_with(f, (const char *const[]){ "a", "b", NULL });
        pass(f, USEC_PER_SEC);
        ecrs[0].outcome = ecrs[1].outcome = AWS_REJECTED;
        pass(f, LIFE);
        assert_int_equal(registries_good(f->registries), 0);
        assert_shown(f, 1, "a=1 b=1");
        assert_string_equal(f->entries, "a=1 b=1");
        assert_int_equal(count(said, sentence), 2);
        assert_int_equal(count(said, "taken out"), 0);
        ecrs[0].outcome = AWS_OK;
        pass(f, 5 * USEC_PER_MINUTE);
        assert_shown(f, 2, "a=2");
}

static void test_the_only_one_is_told_of_in_fewer_words(void **state)
{
        Fixture *f = *state;

        begin_with(f, (const char *const[]){ "a", NULL });
        pass(f, USEC_PER_SEC);
        ecrs[0].outcome = AWS_REJECTED;
        pass(f, LIFE);
        assert_int_equal(count(said, "3 The token for a has expired and there is no other: such is life; "
                                     "Secrets stay as they are\n"),
                         1);
        assert_shown(f, 1, "a=1");
}

/* Some doubles of AWS do so. */
static void test_a_token_that_comes_again_lives_on(void **state)
{
        Fixture *f = *state;
        usec_t expires;

        begin_with(f, (const char *const[]){ "a", NULL });
        ecrs[0].same = true;
        pass(f, USEC_PER_SEC);
        expires = registries_auths(f->registries)->expires;
        pass(f, LIFE / 2);
        assert_shown(f, 2, "a=1");
        assert_int_equal(registries_auths(f->registries)->expires, expires + LIFE / 2 + 100 * USEC_PER_MSEC);
}

/* --- credentials --------------------------------------------------------------------------------------- */

static void test_the_same_credentials_are_fetched_once(void **state)
{
        Fixture *f = *state;

        add(f, "a", AWS_SOURCE_PROCESS, "k");
        add(f, "b", AWS_SOURCE_PROCESS, "k");
        begin(f, 0);
        pass(f, 0);
        assert_int_equal(n_fetches, 1);
        fetch_answer("ASIA1", USEC_PER_HOUR);
        pass(f, USEC_PER_SEC);
        assert_shown(f, 1, "a=1 b=1");
        assert_int_equal(n_fetches, 1);
        assert_string_equal(ecrs[0].id, "ASIA1");
        assert_string_equal(ecrs[1].id, "ASIA1");
        assert_ptr_equal(registry_credentials(registries_get(f->registries, 0)),
                         registry_credentials(registries_get(f->registries, 1)));
}

static void test_others_are_fetched_by_themselves(void **state)
{
        Fixture *f = *state;

        add(f, "a", AWS_SOURCE_PROCESS, "k");
        add(f, "b", AWS_SOURCE_PROCESS, "l");
        begin(f, 0);
        pass(f, 0);
        assert_int_equal(n_fetches, 2);
        assert_ptr_not_equal(registry_credentials(registries_get(f->registries, 0)),
                             registry_credentials(registries_get(f->registries, 1)));
}

static void put_keys(const Fixture *f, const char *secret, const char *id, const char *problem)
{
        AwsCredentials *keys = id ? make_credentials(id, 0) : NULL;

        registries_put_keys(f->registries, secret, keys, problem);
        aws_credentials_unref(keys);
        pass(f, 3 * USEC_PER_SEC); /* others may wait for theirs yet */
}

static void test_keys_of_a_secret_reach_those_that_use_it(void **state)
{
        Fixture *f = *state;

        add(f, "a", AWS_SOURCE_CLUSTER_SECRET, "ns/one");
        add(f, "b", AWS_SOURCE_CLUSTER_SECRET, "ns/two");
        add(f, "c", AWS_SOURCE_STATIC, "AKIAC");
        add(f, "d", AWS_SOURCE_CLUSTER_SECRET, "ns/one");
        begin(f, 0);
        pass(f, USEC_PER_HOUR); /* the cluster takes its time */
        assert_shown(f, 1, "c=1");
        assert_false(registries_stalled(f->registries, boottime));
        put_keys(f, "ns/one", "AKIA1", NULL);
        assert_string_equal(f->entries, "a=1 c=1 d=1");
        assert_string_equal(ecrs[0].id, "AKIA1");
        assert_string_equal(ecrs[3].id, "AKIA1");
        assert_int_equal(ecrs[1].n_calls, 0);
        put_keys(f, "ns/two", "AKIA2", NULL);
        assert_string_equal(f->entries, "a=1 b=1 c=1 d=1");

        put_keys(f, "ns/one", "AKIA1", NULL); /* nothing new */
        put_keys(f, "ns/none", "AKIA3", NULL);
        put_keys(f, "ns/one", NULL, "it is gone");
        assert_int_equal(ecrs[0].n_calls, 1);
        put_keys(f, "ns/one", "AKIA4", NULL);
        assert_string_equal(f->entries, "a=2 b=1 c=1 d=2");
        assert_string_equal(ecrs[0].id, "AKIA4");
        assert_int_equal(ecrs[1].n_calls, 1);
        assert_int_equal(ecrs[2].n_calls, 1);
}

static void test_a_secret_without_keys_is_a_failure(void **state)
{
        Fixture *f = *state;

        add(f, "a", AWS_SOURCE_CLUSTER_SECRET, "ns/one");
        begin(f, 0);
        pass(f, USEC_PER_SEC);
        put_keys(f, "ns/one", NULL, "Secret ns/one: there is no such Secret");
        assert_int_equal(registries_failing(f->registries), 1);
        assert_non_null(strstr(said, "3 No token from a: Secret ns/one: there is no such Secret. Trying"));
        put_keys(f, "ns/one", "AKIA1", NULL); /* without waiting for the next round */
        assert_shown(f, 1, "a=1");
}

/* --- what is left to others ------------------------------------------------------------------------------
 */

static void test_what_there_was_is_kept(void **state)
{
        RegistriesPast past;
        Fixture *f = *state;

        begin_with(f, (const char *const[]){ "a", "b", NULL });
        pass(f, USEC_PER_HOUR);
        assert_return_code(registries_past(f->registries, &past), 0);
        assert_int_equal(past.n, 2);
        f->registries = registries_free(f->registries);

        /* One goes, one comes; they may stand in another order. */
        (void) snprintf(f->items[0].origin.endpoint, sizeof(f->items[0].origin.endpoint), "other");
        add(f, "a", AWS_SOURCE_STATIC, "a");
        ecrs[2].n_tokens = 6;
        ecrs[0].host = f->items[0].url = (char *) "c";
        f->past = &past;
        f->n_auths = 0;
        begin(f, 0);
        f->past = NULL;
        describe(f);
        assert_shown(f, 0, "a=1 b=1"); /* without being told: they are there from the beginning */
        assert_ptr_equal(registries_state(f->registries), &f->state);
        pass(f, USEC_PER_SEC);
        assert_shown(f, 1, "a=1 b=1 c=2");
        assert_int_equal(ecrs[1].n_calls, 1); /* before */
        assert_int_equal(ecrs[2].n_calls, 0);
        pass(f, LIFE / 2 - USEC_PER_HOUR);
        assert_string_equal(f->entries, "a=7 b=2 c=3"); /* together */
        assert_int_equal(ecrs[2].n_calls, 1);
        registries_past_done(&past);
        assert_int_equal(past.n, 0);
        registries_past_done(&past);
}

/* What was taken over is watched, too. */
static void test_what_was_kept_expires(void **state)
{
        RegistriesPast past;
        Fixture *f = *state;

        begin_with(f, (const char *const[]){ "a", "b", NULL });
        ecrs[1].life = 2 * LIFE;
        pass(f, USEC_PER_HOUR);
        assert_return_code(registries_past(f->registries, &past), 0);
        f->past = &past;
        ecrs[0].latency = ecrs[1].latency = NEVER;
        begin(f, 0);
        f->past = NULL;
        registries_past_done(&past);
        pass(f, LIFE);
        assert_shown(f, 2, "b=1");
}

static void test_one_that_is_stuck_is_seen(void **state)
{
        Fixture *f = *state;

        begin_with(f, (const char *const[]){ "a", "b", NULL });
        pass(f, USEC_PER_SEC);
        assert_false(registries_stalled(f->registries, boottime));
        assert_false(registries_stalled(f->registries, boottime + LIFE / 2));
        assert_true(registries_stalled(f->registries, boottime + LIFE));
        assert_null(registries_free(NULL));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_one_registry_is_shown_at_once),
                TEST(test_what_comes_within_two_seconds_is_shown_together),
                TEST(test_one_that_hangs_does_not_hold_the_others),
                TEST(test_nobody_waits_for_one_that_failed),
                TEST(test_hosts_of_all_are_sorted),
                TEST(test_those_that_are_due_near_each_other_are_renewed_together),
                TEST(test_those_that_are_not_are_not),
                TEST(test_one_that_fails_for_a_day_does_nothing_to_the_others),
                TEST(test_an_entry_goes_exactly_when_its_token_expires),
                TEST(test_when_none_is_good_the_last_ones_stay),
                TEST(test_the_only_one_is_told_of_in_fewer_words),
                TEST(test_a_token_that_comes_again_lives_on),
                TEST(test_the_same_credentials_are_fetched_once),
                TEST(test_others_are_fetched_by_themselves),
                TEST(test_keys_of_a_secret_reach_those_that_use_it),
                TEST(test_a_secret_without_keys_is_a_failure),
                TEST(test_what_there_was_is_kept),
                TEST(test_what_was_kept_expires),
                TEST(test_one_that_is_stuck_is_seen),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
