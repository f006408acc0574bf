/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "kube-auth.c"
#include "metrics.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* --- what is measured is the test's ------------------------------------------------------------------ */

static struct State {
        WriterStats writer;
        EventsStats events;
        KubeStats kube;
        KubeAuth auth;
        ClusterSummary summary;
        AccountSummary accounts;
        AccountStats account_stats;
        bool synced;
        const char *error, *accounts_error;
        struct Registry {
                RegistryConfig config;
                AwsSource source;
                Token *token;
                usec_t left, last_success, credentials_expire;
                unsigned failures;
                VerifyResult verified;
        } registries[2];
        AwsState aws;
        const char *reload_problem;
} state;

static const KubeAuthProvider provider;

/* A getter, and what it returns. */
#define SAYS(type, name, of, what) \
        type name(const of *x)     \
        {                          \
                return what;       \
        }

SAYS(const Cluster *, eatr_cluster, Eatr, (const Cluster *) x)
SAYS(const Registries *, eatr_registries, Eatr, (const Registries *) x)
SAYS(const KubeAuth *, eatr_auth, Eatr, &state.auth)
SAYS(const char *, eatr_reload_problem, Eatr, state.reload_problem)
SAYS(usec_t, eatr_started, Eatr, 1795461567 * USEC_PER_SEC + USEC_PER_SEC / 4)

SAYS(const WriterStats *, cluster_stats, Cluster, &state.writer)
SAYS(const EventsStats *, cluster_events_stats, Cluster, &state.events)
SAYS(const KubeStats *, cluster_kube_stats, Cluster, &state.kube)
SAYS(const Accounts *, cluster_accounts, Cluster, (const Accounts *) x)
SAYS(const AccountStats *, accounts_stats, Accounts, &state.account_stats)
SAYS(const char *, accounts_error, Accounts, state.accounts_error)

void accounts_summary(const Accounts *a, AccountSummary *ret)
{
        *ret = state.accounts;
}

void cluster_summary(const Cluster *c, ClusterSummary *ret)
{
        *ret = state.summary;
}

SAYS(uint64_t, cluster_watch_restarts, Cluster, 14)
SAYS(uint64_t, cluster_relists, Cluster, 15)
SAYS(bool, cluster_synced, Cluster, state.synced)
SAYS(const char *, cluster_error, Cluster, state.error)
SAYS(size_t, registries_count, Registries, ELEMENTSOF(state.registries))
SAYS(const AwsState *, registries_state, Registries, &state.aws)

const Registry *registries_get(const Registries *r, size_t i)
{
        return &state.registries[i];
}

SAYS(const RegistryConfig *, registry_config, Registry, &x->config)
SAYS(Token *, registry_token, Registry, x->token)
SAYS(usec_t, registry_token_left, Registry, x->left)
SAYS(unsigned, registry_failures, Registry, x->failures)
SAYS(usec_t, registry_last_success, Registry, x->last_success)
SAYS(const Credentials *, registry_credentials, Registry, (const Credentials *) x)
SAYS(const Verify *, registry_verify, Registry, (const Verify *) x)

usec_t credentials_expiry(const Credentials *c)
{
        return ((const Registry *) c)->credentials_expire;
}

VerifyResult verify_result(const Verify *v)
{
        return ((const Registry *) v)->verified;
}

/* --- the text format, strictly ----------------------------------------------------------------------- */

typedef struct Sample {
        char *name; /* with its labels */
        double value;
} Sample;

typedef struct Family {
        char *name, *type;
        size_t first; /* of its samples */
} Family;

static struct Page {
        Buf text;
        char *copy; /* what the pointers below point into, cut up */
        Sample samples[512];
        Family families[64];
        size_t n_samples, n_families;
} page;

static size_t name_size(const char *s)
{
        size_t n = 0;

        if (!isdigit((unsigned char) *s))
                while (isalnum((unsigned char) s[n]) || s[n] == '_')
                        n++;
        return n;
}

/* What follows {name="value",...}; NULL if it is not that. */
static char *skip_labels(char *s)
{
        do {
                size_t n = name_size(++s);

                if (n == 0 || !startswith(s + n, "=\""))
                        return NULL;
                for (s += n + 2; *s != '"'; s++)
                        if (!*s || (*s == '\\' && (!*++s || !strchr("\\\"n", *s))))
                                return NULL;
        } while (*++s == ',');
        return *s == '}' ? s + 1 : NULL;
}

static bool in_family(const Family *f, const char *name, size_t n)
{
        const char *rest = startswith(name, f->name);
        size_t left = rest ? n - strlen(f->name) : 0;

        if (!rest || !streq(f->type, "histogram"))
                return rest && left == 0;
        return startswith(rest, "_bucket{le=\"") || (left == 4 && startswith(rest, "_sum")) ||
               (left == 6 && startswith(rest, "_count"));
}

static void read_sample(char *line)
{
        Sample *s = &page.samples[page.n_samples++];
        size_t n = name_size(line);
        char *end = line[n] == '{' ? skip_labels(line + n) : line + n;

        if (n == 0 || !end || *end != ' ' || page.n_families == 0 ||
            page.n_samples == ELEMENTSOF(page.samples))
                fail_msg("no sample: %s", line);
        *end = '\0';
        s->name = line;
        s->value = strtod(end + 1, &end);
        if (*end || end[-1] == ' ' || !isfinite(s->value))
                fail_msg("no value: %s", line);
        if (!in_family(&page.families[page.n_families - 1], line, n))
                fail_msg("%s is not of %s", line, page.families[page.n_families - 1].name);
        for (size_t i = 0; i + 1 < page.n_samples; i++)
                assert_string_not_equal(page.samples[i].name, line);
}

/* "# HELP name text", and right behind it "# TYPE name type". */
static void read_family(char *help, char *type)
{
        Family *f = &page.families[page.n_families++];
        size_t n = name_size(help);

        assert_true(n > 0 && page.n_families < ELEMENTSOF(page.families));
        assert_true(help[n] == ' ' && isupper((unsigned char) help[n + 1]) && !strchr(help, '\\'));
        help[n] = '\0';
        *f = (Family){ .name = help, .first = page.n_samples };
        f->type = (char *) startswith(type, "# TYPE ");
        assert_true(f->type && startswith(f->type, help) && f->type[n] == ' ');
        f->type += n + 1;
        for (size_t i = 0; i + 1 < page.n_families; i++)
                assert_string_not_equal(page.families[i].name, help);
}

static void render(void)
{
        char *line, *next, *help;

        free(page.copy);
        buf_done(&page.text);
        page = (struct Page){ .text = BUF_INIT(65536) };
        assert_return_code(metrics_render(&page.text, (Eatr *) &state), 0);
        page.copy = strdup(buf_str(&page.text));
        assert_int_equal(strlen(page.copy), page.text.size);
        assert_int_equal(page.copy[page.text.size - 1], '\n');
        for (line = page.copy; *line; line = next) {
                next = strchr(line, '\n');
                *next++ = '\0';
                help = (char *) startswith(line, "# HELP ");
                if (!help) {
                        read_sample(line);
                        continue;
                }
                line = next;
                next = strchr(line, '\n');
                *next++ = '\0';
                read_family(help, line);
        }
}

static void check_histogram(const Family *f)
{
        double last = 0, last_bound = 0;
        const Sample *s = &page.samples[f->first];
        const char *bound = NULL;

        for (; (bound = strstr(s->name, "_bucket{le=\"")); s++) {
                double b = strtod(bound + strlen("_bucket{le=\""), NULL);

                assert_true(b > last_bound && s->value >= last);
                last_bound = b;
                last = s->value;
        }
        assert_true(isinf(last_bound));
        assert_non_null(strstr(s[0].name, "_sum"));
        assert_non_null(strstr(s[1].name, "_count"));
        assert_true(s[1].value == last);
}

static void check_page(void)
{
        render();
        for (size_t i = 0; i < page.n_families; i++) {
                const Family *f = &page.families[i];
                size_t n = strlen(f->name);

                assert_int_equal(streq(f->type, "counter"), n > 6 && streq(f->name + n - 6, "_total"));
                if (streq(f->type, "histogram"))
                        check_histogram(f);
        }
}

static bool has_line(const char *line)
{
        _cleanup_free_ char *whole = str_printf("\n%s\n", line);

        return strstr(buf_str(&page.text), whole);
}

/* --- a state of which everything can be told apart --------------------------------------------------- */

/* Without anything of the first that may be missing. */
static void set_up_second(struct Registry *r)
{
        r->config = (RegistryConfig){ .name = (char *) "a.b-c", .source = &r->source };
        r->source.kind = AWS_SOURCE_IMDS;
        r->failures = 1;
}

static void set_up_first(struct Registry *r)
{
        r->config = (RegistryConfig){ .name = (char *) "aws",
                                      .source = &r->source,
                                      .certificate_expires = 25500000 };
        r->source.kind = AWS_SOURCE_ROLES_ANYWHERE;
        r->left = 1;
        r->last_success = 23250000;
        r->credentials_expire = 26750000;
        r->verified = VERIFY_GOOD;
        assert_return_code(token_new("123456789012.dkr.ecr.eu-west-1.amazonaws.com:443/a_b", "QVdTOmh1c2g=",
                                     1795461567 * USEC_PER_SEC, 1795504767 * USEC_PER_SEC, 0, &r->token),
                           0);
}

static int setup(void **unused)
{
        state = (struct State){
                .writer = { .created = 1,
                            .renewed = 2,
                            .healed = 3,
                            .failed = 4,
                            .last_write = 5500000,
                            .adopted = 31,
                            .recreated = 32,
                            .deleted = 33,
                            .fights = 34 },
                .events = { .outcomes = { 101, 102, 103, 104 } },
                .summary = { .total = 99,
                             .fresh = 6,
                             .due = 7,
                             .pending = 8,
                             .failing = 9,
                             .conflict = 10,
                             .excluded = 50,
                             .by_verdict = { 40, 11, 12, 17, 13, 16 } },
                .synced = true,
                .reload_problem = "",
                .error = "",
                .accounts_error = "",
                .accounts = { .good = 30, .pending = 31, .failing = 32, .fought = 33 },
                .account_stats = { .added = 34, .removed = 35, .failed = 36, .conflicts = 37 },
                .aws = { .clock = { .measured = -0.25 } },
                .auth = { .provider = &provider,
                          .stats = { .fetched = 20,
                                     .failed = 21,
                                     .expires = 22 * USEC_PER_SEC,
                                     .certificate_expires = 23 * USEC_PER_SEC } },
        };
        state.aws.calls[AWS_SERVICE_ECR][AWS_OK] = 17;
        state.aws.calls[AWS_SERVICE_ECR][AWS_REJECTED] = 18;
        state.aws.calls[AWS_SERVICE_METADATA][AWS_RETRY] = 19;
        set_up_first(&state.registries[0]);
        set_up_second(&state.registries[1]);
        state.kube.requests[0].verb = KUBE_LIST;
        state.kube.requests[0].code = 200;
        state.kube.requests[0].count = UINT64_C(18446744073709551615);
        state.kube.requests[1].verb = KUBE_APPLY;
        state.kube.requests[1].count = 24;
        state.kube.n_requests = 2;
        kube_histogram_add(&state.kube.writes, 7 * USEC_PER_MSEC);
        kube_histogram_add(&state.kube.writes, USEC_PER_SEC);
        kube_histogram_add(&state.kube.writes, USEC_PER_HOUR);
        return 0;
}

static int teardown(void **unused)
{
        token_unref(state.registries[0].token);
        free(page.copy);
        buf_done(&page.text);
        page = (struct Page){ 0 };
        return 0;
}

/* --- the page ---------------------------------------------------------------------------------------- */

static void test_every_line_is_valid(void **unused)
{
        check_page();
        assert_null(strstr(buf_str(&page.text), state.registries[0].token->value));

        /* As many codes as there can be, and the largest of everything. */
        state.kube.n_requests = KUBE_STATS_CODES;
        for (size_t i = 0; i < KUBE_STATS_CODES; i++) {
                state.kube.requests[i].verb = i % _KUBE_VERB_MAX;
                state.kube.requests[i].code = (long) i * 17;
        }
        memset(&state.writer, 0xff, offsetof(WriterStats, latency));
        memset(&state.summary, 0xff, sizeof(state.summary));
        memset(&state.accounts, 0xff, sizeof(state.accounts));
        memset(&state.account_stats, 0xff, sizeof(state.account_stats));
        memset(state.aws.calls, 0xff, sizeof(state.aws.calls));
        state.aws.clock.measured = 1e12;
        check_page();
}

static void test_it_is_valid_before_anything_has_happened(void **unused)
{
        struct Registry *r = state.registries;

        token_unref(r[0].token);
        state = (struct State){ .error = "", .accounts_error = "", .reload_problem = "eatr.conf:3: no" };
        set_up_second(&r[0]);
        set_up_second(&r[1]);
        r[0].config.name = (char *) "aws";
        r[0].failures = 0;
        check_page();
        assert_null(strstr(buf_str(&page.text), "\neatr_token_"));
        assert_null(strstr(buf_str(&page.text), "_expiry_timestamp_seconds{"));
        assert_true(has_line("eatr_registry_up{registry=\"aws\"} 0"));
        assert_true(has_line("eatr_aws_last_success_timestamp_seconds{registry=\"aws\"} 0"));
        assert_true(has_line("secrets_created_total 0"));
        assert_true(has_line("eatr_namespaces{state=\"fresh\"} 0"));
        assert_true(has_line("eatr_kube_up 0"));
        assert_true(has_line("eatr_config_last_reload_successful 0"));
}

static void test_credentials_that_are_not_fetched(void **unused)
{
        state.auth = (KubeAuth){ .config = NULL };
        check_page();
        assert_null(strstr(buf_str(&page.text), "\neatr_kubeconfig_"));
}

static void test_each_number_is_where_it_belongs(void **unused)
{
        static const char *const lines[] = {
                "secrets_created_total 1",
                "secret_renewals_total 2",
                "eatr_secret_heals_total 3",
                "eatr_secrets_adopted_total 31",
                "eatr_secrets_recreated_total 32",
                "eatr_secrets_deleted_total 33",
                "eatr_secret_fights_total 34",
                "eatr_secret_write_failures_total 4",
                "eatr_secret_last_write_timestamp_seconds 5.5",
                "eatr_namespaces{state=\"fresh\"} 6",
                "eatr_namespaces{state=\"due\"} 7",
                "eatr_namespaces{state=\"pending\"} 8",
                "eatr_namespaces{state=\"failing\"} 9",
                "eatr_namespaces{state=\"conflict\"} 10",
                "eatr_namespaces{state=\"blacklisted\"} 11",
                "eatr_namespaces{state=\"not-included\"} 12",
                "eatr_namespaces{state=\"not-selected\"} 17",
                "eatr_namespaces{state=\"ignored\"} 13",
                "eatr_namespaces{state=\"terminating\"} 16",
                "eatr_namespace_to_secret_seconds_count 0",
                "eatr_service_accounts{state=\"good\"} 30",
                "eatr_service_accounts{state=\"pending\"} 31",
                "eatr_service_accounts{state=\"failing\"} 32",
                "eatr_service_accounts{state=\"fought-over\"} 33",
                "eatr_service_accounts_up 1",
                "eatr_service_accounts_added_total 34",
                "eatr_service_accounts_removed_total 35",
                "eatr_service_accounts_failures_total 36",
                "eatr_service_accounts_conflicts_total 37",
                "eatr_kube_up 1",
                "eatr_kube_requests_total{verb=\"list\",code=\"200\"} 18446744073709551615",
                "eatr_kube_requests_total{verb=\"apply\",code=\"0\"} 24",
                "eatr_kube_write_seconds_bucket{le=\"0.005\"} 0",
                "eatr_kube_write_seconds_bucket{le=\"0.01\"} 1",
                "eatr_kube_write_seconds_bucket{le=\"0.5\"} 1",
                "eatr_kube_write_seconds_bucket{le=\"1\"} 2",
                "eatr_kube_write_seconds_bucket{le=\"30\"} 2",
                "eatr_kube_write_seconds_bucket{le=\"+Inf\"} 3",
                "eatr_kube_write_seconds_sum 3601.007000",
                "eatr_kube_write_seconds_count 3",
                "eatr_kubeconfig_certificate_expiry_timestamp_seconds 23",
                "eatr_kubeconfig_credential_refreshes_total{outcome=\"success\"} 20",
                "eatr_kubeconfig_credential_refreshes_total{outcome=\"failure\"} 21",
                "eatr_kubeconfig_credential_expiry_timestamp_seconds 22",
                "eatr_events_total{outcome=\"created\"} 101",
                "eatr_events_total{outcome=\"repeated\"} 102",
                "eatr_events_total{outcome=\"dropped\"} 103",
                "eatr_events_total{outcome=\"failed\"} 104",
                "eatr_watch_restarts_total 14",
                "eatr_relists_total 15",
#define HOST "123456789012.dkr.ecr.eu-west-1.amazonaws.com:443/a_b"
#define TOKEN "{registry=\"aws\",host=\"" HOST "\"}"
                "eatr_token_expiry_timestamp_seconds" TOKEN " 1795504767",
                "eatr_token_issued_timestamp_seconds" TOKEN " 1795461567",
                "eatr_token_accepted" TOKEN " 1",
                "eatr_registry_up{registry=\"aws\"} 1",
                "eatr_registry_up{registry=\"a.b-c\"} 0",
                "eatr_credentials_info{registry=\"aws\",source=\"roles-anywhere\"} 1",
                "eatr_credentials_info{registry=\"a.b-c\",source=\"imds\"} 1",
                "eatr_credentials_expiry_timestamp_seconds{registry=\"aws\"} 26.75",
                "eatr_certificate_expiry_timestamp_seconds{registry=\"aws\"} 25.5",
                "eatr_aws_requests_total{service=\"ecr\",outcome=\"ok\"} 17",
                "eatr_aws_requests_total{service=\"ecr\",outcome=\"rejected\"} 18",
                "eatr_aws_requests_total{service=\"metadata\",outcome=\"error\"} 19",
                "eatr_aws_requests_total{service=\"sts\",outcome=\"throttled\"} 0",
                "eatr_aws_last_success_timestamp_seconds{registry=\"aws\"} 23.25",
                "eatr_aws_last_success_timestamp_seconds{registry=\"a.b-c\"} 0",
                "eatr_clock_skew_seconds -0.25",
                "eatr_config_last_reload_successful 1",
                "eatr_build_info{version=\"" PACKAGE_VERSION "\"} 1",
                "process_start_time_seconds 1795461567.25",
        };

        render();
        for (size_t i = 0; i < ELEMENTSOF(lines); i++)
                if (!has_line(lines[i]))
                        fail_msg("no %s in\n%s", lines[i], buf_str(&page.text));
        state.error = state.accounts_error = "no";
        render();
        assert_true(has_line("eatr_kube_up 0"));
        assert_true(has_line("eatr_service_accounts_up 0"));
}

/* A good token or one that does not fail is not enough. */
static void test_when_a_registry_is_up(void **unused)
{
        struct Registry *r = &state.registries[0];

        for (unsigned i = 0; i < 4; i++) {
                r->left = i & 1;
                r->failures = i & 2;
                render();
                assert_true(has_line(i == 1 ? "eatr_registry_up{registry=\"aws\"} 1"
                                            : "eatr_registry_up{registry=\"aws\"} 0"));
        }
}

/* What nobody knows is not told. */
static void test_whether_the_token_is_accepted(void **unused)
{
        static const char *const lines[] = {
                [VERIFY_UNKNOWN] = NULL,
                [VERIFY_GOOD] = "eatr_token_accepted" TOKEN " 1",
                [VERIFY_REFUSED] = "eatr_token_accepted" TOKEN " 0",
                [VERIFY_UNCLEAR] = NULL,
        };

        for (size_t i = 0; i < ELEMENTSOF(lines); i++) {
                state.registries[0].verified = (VerifyResult) i;
                state.registries[1].verified = (VerifyResult) i; /* of a token that it does not have */
                render();
                if (lines[i])
                        assert_true(has_line(lines[i]));
                else
                        assert_null(strstr(buf_str(&page.text), "\neatr_token_accepted"));
        }
}

static double value_of(const char *name)
{
        for (size_t i = 0; i < page.n_samples; i++)
                if (streq(page.samples[i].name, name))
                        return page.samples[i].value;
        return -1;
}

static void test_the_process_is_measured(void **unused)
{
        _cleanup_close_ int fd = -1;
        unsigned fds = 0;
        double cpu;

        for (int i = 0; i < 1024; i++)
                fds += fcntl(i, F_GETFD) >= 0;
        render();
        cpu = value_of("process_cpu_seconds_total");
        assert_true(cpu > 0);
        assert_true(value_of("process_open_fds") == fds);
        assert_true(value_of("process_resident_memory_bytes") > 100000);
        fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        render();
        assert_true(value_of("process_open_fds") == fds + 1);
        assert_true(value_of("process_cpu_seconds_total") >= cpu);
}

/* --- which there are --------------------------------------------------------------------------------- */

static const char *const names[] = {
        "secrets_created_total",
        "secret_renewals_total",
        "eatr_secret_heals_total",
        "eatr_secrets_adopted_total",
        "eatr_secrets_recreated_total",
        "eatr_secrets_deleted_total",
        "eatr_secret_fights_total",
        "eatr_secret_write_failures_total",
        "eatr_secret_last_write_timestamp_seconds",
        "eatr_namespaces",
        "eatr_namespace_to_secret_seconds",
        "eatr_service_accounts",
        "eatr_service_accounts_up",
        "eatr_service_accounts_added_total",
        "eatr_service_accounts_removed_total",
        "eatr_service_accounts_failures_total",
        "eatr_service_accounts_conflicts_total",
        "eatr_kube_up",
        "eatr_kube_requests_total",
        "eatr_kube_write_seconds",
        "eatr_kubeconfig_certificate_expiry_timestamp_seconds",
        "eatr_kubeconfig_credential_refreshes_total",
        "eatr_kubeconfig_credential_expiry_timestamp_seconds",
        "eatr_events_total",
        "eatr_watch_restarts_total",
        "eatr_relists_total",
        "eatr_token_expiry_timestamp_seconds",
        "eatr_token_issued_timestamp_seconds",
        "eatr_token_accepted",
        "eatr_registry_up",
        "eatr_credentials_info",
        "eatr_credentials_expiry_timestamp_seconds",
        "eatr_certificate_expiry_timestamp_seconds",
        "eatr_aws_requests_total",
        "eatr_aws_last_success_timestamp_seconds",
        "eatr_clock_skew_seconds",
        "eatr_config_last_reload_successful",
        "eatr_build_info",
        "process_start_time_seconds",
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_open_fds",
};

/* People's dashboards and alerts hang on them. */
static void test_the_families_are_these(void **unused)
{
        render();
        assert_int_equal(page.n_families, ELEMENTSOF(names));
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                assert_string_equal(page.families[i].name, names[i]);
}

static bool has_family(const char *name)
{
        for (size_t i = 0; i < page.n_families; i++)
                if (streq(page.families[i].name, name))
                        return true;
        return false;
}

/* Returns how many metrics are named in a line of it, each of which there has to be. */
static unsigned check_words(char *line)
{
        static const char *const prefixes[] = { "eatr_", "secret_", "secrets_", "process_" };
        char *rest = NULL;
        unsigned n = 0;

        for (char *word = strtok_r(line, " ,;\n", &rest); word; word = strtok_r(NULL, " ,;\n", &rest))
                for (size_t i = 0; i < ELEMENTSOF(prefixes); i++)
                        if (startswith(word, prefixes[i])) {
                                n++;
                                if (!has_family(word))
                                        fail_msg("there is no %s", word);
                        }
        return n;
}

static void test_the_manual_names_what_there_is(void **unused)
{
        const char *top = getenv("top_srcdir");
        _cleanup_free_ char *path = str_printf("%s/man/eatr.8.in", top ? top : ".");
        FILE *f = fopen(path, "re");
        bool here = false;
        char line[1024];
        unsigned n = 0;

        assert_non_null(f);
        render();
        while (fgets(line, sizeof(line), f)) {
                if (startswith(line, ".It Pa "))
                        here = startswith(line, ".It Pa /metrics");
                if (here)
                        n += check_words(line);
        }
        (void) fclose(f);
        assert_true(n >= 12);
}

static void test_half_a_page_is_none(void **unused)
{
        size_t size;

        render();
        size = page.text.size;
        for (size_t max = 0; max < size; max += max + 128 < size ? 11 : 1) {
                _cleanup_buf_ Buf body = BUF_INIT(max);
                int r = metrics_render(&body, (const Eatr *) &state);

                if (r != -EMSGSIZE) { /* what is measured may have become shorter */
                        assert_int_equal(r, 0);
                        assert_non_null(strstr(buf_str(&body), "\nprocess_open_fds "));
                }
        }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_every_line_is_valid),
                TEST(test_it_is_valid_before_anything_has_happened),
                TEST(test_credentials_that_are_not_fetched),
                TEST(test_each_number_is_where_it_belongs),
                TEST(test_when_a_registry_is_up),
                TEST(test_whether_the_token_is_accepted),
                TEST(test_the_process_is_measured),
                TEST(test_the_families_are_these),
                TEST(test_the_manual_names_what_there_is),
                TEST(test_half_a_page_is_none),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
