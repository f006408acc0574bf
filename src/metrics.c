/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "exposition.h"
#include "metrics.h"
#include "usage.h"

#include <inttypes.h>
#include <stdio.h>

typedef int (*generate_t)(Buf *b, const char *name, const Eatr *e);

typedef const void *(*stats_t)(const Eatr *e);

typedef struct MetricFamily {
        const char *name, *type, *help;
        generate_t generate; /* appends the samples; NULL: there is one, an uint64_t ... */
        stats_t stats;       /* ... of what this returns ... */
        size_t offset;       /* ... there */
} MetricFamily;

#define WRITER(field) .stats = writer_stats_of, .offset = offsetof(WriterStats, field)
#define ACCOUNTS(field) .stats = account_stats_of, .offset = offsetof(AccountStats, field)

static int count(Buf *b, const char *name, uint64_t n)
{
        return exposition_sample(b, name, "", (double) n);
}

/* --- Secrets and namespaces ------------------------------------------------------------------------ */

static const void *writer_stats_of(const Eatr *e)
{
        return cluster_stats(eatr_cluster(e));
}

static int last_write(Buf *b, const char *name, const Eatr *e)
{
        return exposition_sample(b, name, "",
                                 exposition_seconds(cluster_stats(eatr_cluster(e))->last_write));
}

static int one_state(Buf *b, const char *name, const char *state, unsigned n)
{
        return buf_printf(b, "%s{state=\"%s\"} %u\n", name, state, n);
}

static int namespaces(Buf *b, const char *name, const Eatr *e)
{
        ClusterSummary s;
        int r;

        cluster_summary(eatr_cluster(e), &s);
        if ((r = one_state(b, name, "fresh", s.fresh)) < 0 || (r = one_state(b, name, "due", s.due)) < 0 ||
            (r = one_state(b, name, "pending", s.pending)) < 0 ||
            (r = one_state(b, name, "failing", s.failing)) < 0 ||
            (r = one_state(b, name, "conflict", s.conflict)) < 0)
                return r;
        for (MatchVerdict v = MATCH_WANTED + 1; v < _MATCH_VERDICT_MAX; v++) {
                r = one_state(b, name, match_verdict_to_string(v), s.by_verdict[v]);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int histogram(Buf *b, const char *name, const KubeHistogram *h)
{
        return exposition_histogram(b, name,
                                    &(ExpositionHistogram){
                                            .bounds = kube_latency_bounds,
                                            .buckets = h->buckets,
                                            .n_buckets = KUBE_LATENCY_BUCKETS,
                                            .count = h->count,
                                            .sum = h->sum,
                                    });
}

static int latency(Buf *b, const char *name, const Eatr *e)
{
        return histogram(b, name, &cluster_stats(eatr_cluster(e))->latency);
}

/* --- service accounts ------------------------------------------------------------------------------ */

static const void *account_stats_of(const Eatr *e)
{
        return accounts_stats(cluster_accounts(eatr_cluster(e)));
}

static int accounts(Buf *b, const char *name, const Eatr *e)
{
        AccountSummary s;
        int r;

        accounts_summary(cluster_accounts(eatr_cluster(e)), &s);
        if ((r = one_state(b, name, "good", s.good)) < 0 ||
            (r = one_state(b, name, "pending", s.pending)) < 0 ||
            (r = one_state(b, name, "failing", s.failing)) < 0)
                return r;
        return one_state(b, name, "fought-over", s.fought);
}

static int accounts_up(Buf *b, const char *name, const Eatr *e)
{
        return exposition_sample(b, name, "", !*accounts_error(cluster_accounts(eatr_cluster(e))));
}

/* --- the API server -------------------------------------------------------------------------------- */

static int kube_requests(Buf *b, const char *name, const Eatr *e)
{
        const KubeStats *s = cluster_kube_stats(eatr_cluster(e));
        int r;

        for (size_t i = 0; i < s->n_requests; i++) {
                r = buf_printf(b, "%s{verb=\"%s\",code=\"%ld\"} %" PRIu64 "\n", name,
                               kube_verb_to_string(s->requests[i].verb), s->requests[i].code,
                               s->requests[i].count);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int kube_writes(Buf *b, const char *name, const Eatr *e)
{
        return histogram(b, name, &cluster_kube_stats(eatr_cluster(e))->writes);
}

static int refreshes(Buf *b, const char *name, const Eatr *e)
{
        const KubeAuthStats *s = kube_auth_stats(eatr_auth(e));
        int r;

        if (!kube_auth_fetches(eatr_auth(e)))
                return 0;
        r = exposition_sample(b, name, "{outcome=\"success\"}", (double) s->fetched);
        return r < 0 ? r : exposition_sample(b, name, "{outcome=\"failure\"}", (double) s->failed);
}

static int kubeconfig_credential_expiry(Buf *b, const char *name, const Eatr *e)
{
        usec_t t = kube_auth_stats(eatr_auth(e))->expires;

        return t > 0 ? exposition_sample(b, name, "", exposition_seconds(t)) : 0;
}

static int kubeconfig_certificate_expiry(Buf *b, const char *name, const Eatr *e)
{
        usec_t t = kube_auth_stats(eatr_auth(e))->certificate_expires;

        return t > 0 ? exposition_sample(b, name, "", exposition_seconds(t)) : 0;
}

static int events(Buf *b, const char *name, const Eatr *e)
{
        const EventsStats *s = cluster_events_stats(eatr_cluster(e));
        int r = 0;

        for (EventsOutcome o = 0; o < _EVENTS_OUTCOME_MAX && r >= 0; o++) {
                char labels[64];

                (void) snprintf(labels, sizeof(labels), "{outcome=\"%s\"}", events_outcome_to_string(o));
                r = exposition_sample(b, name, labels, (double) s->outcomes[o]);
        }
        return r;
}

static int watch_restarts(Buf *b, const char *name, const Eatr *e)
{
        return count(b, name, cluster_watch_restarts(eatr_cluster(e)));
}

static int relists(Buf *b, const char *name, const Eatr *e)
{
        return count(b, name, cluster_relists(eatr_cluster(e)));
}

static int kube_up(Buf *b, const char *name, const Eatr *e)
{
        return exposition_sample(b, name, "",
                                 cluster_synced(eatr_cluster(e)) && !*cluster_error(eatr_cluster(e)));
}

/* --- AWS ------------------------------------------------------------------------------------------- */

/* A sample for each registry that has one. */
static int each_registry(Buf *b, const char *name, const Eatr *e,
                         int (*one)(Buf *b, const char *name, const Registry *r))
{
        const Registries *all = eatr_registries(e);
        int error = 0;

        for (size_t i = 0; i < registries_count(all) && error >= 0; i++)
                error = one(b, name, registries_get(all, i));
        return error;
}

static int registry_sample(Buf *b, const char *name, const Registry *r, double value)
{
        return buf_printf(b, "%s{registry=\"%s\"} %.15g\n", name, registry_config(r)->name, value);
}

/* Of the token, which is named by its host as well. */
static int token_sample(Buf *b, const char *name, const Registry *r, double value)
{
        return buf_printf(b, "%s{registry=\"%s\",host=\"%s\"} %.15g\n", name, registry_config(r)->name,
                          registry_token(r)->host, value);
}

static int one_expiry(Buf *b, const char *name, const Registry *r)
{
        return registry_token(r) ? token_sample(b, name, r, exposition_seconds(registry_token(r)->expires))
                                 : 0;
}

static int token_expiry(Buf *b, const char *name, const Eatr *e)
{
        return each_registry(b, name, e, one_expiry);
}

static int one_issued(Buf *b, const char *name, const Registry *r)
{
        return registry_token(r) ? token_sample(b, name, r, exposition_seconds(registry_token(r)->issued))
                                 : 0;
}

static int token_issued(Buf *b, const char *name, const Eatr *e)
{
        return each_registry(b, name, e, one_issued);
}

static int one_pull(Buf *b, const char *name, const Registry *r)
{
        VerifyResult result = verify_result(registry_verify(r));

        if (!registry_token(r) || (result != VERIFY_GOOD && result != VERIFY_REFUSED))
                return 0;
        return token_sample(b, name, r, result == VERIFY_GOOD);
}

static int token_accepted(Buf *b, const char *name, const Eatr *e)
{
        return each_registry(b, name, e, one_pull);
}

static int one_up(Buf *b, const char *name, const Registry *r)
{
        return registry_sample(b, name, r, registry_token_left(r) > 0 && registry_failures(r) == 0);
}

static int registry_up(Buf *b, const char *name, const Eatr *e)
{
        return each_registry(b, name, e, one_up);
}

static int one_success(Buf *b, const char *name, const Registry *r)
{
        return registry_sample(b, name, r, exposition_seconds(registry_last_success(r)));
}

static int aws_last_success(Buf *b, const char *name, const Eatr *e)
{
        return each_registry(b, name, e, one_success);
}

static int one_source(Buf *b, const char *name, const Registry *r)
{
        return buf_printf(b, "%s{registry=\"%s\",source=\"%s\"} 1\n", name, registry_config(r)->name,
                          aws_source_kind_to_string(registry_config(r)->source->kind));
}

static int credentials_info(Buf *b, const char *name, const Eatr *e)
{
        return each_registry(b, name, e, one_source);
}

static int one_credentials(Buf *b, const char *name, const Registry *r)
{
        usec_t expires = credentials_expiry(registry_credentials(r));

        return expires > 0 ? registry_sample(b, name, r, exposition_seconds(expires)) : 0;
}

static int credentials_expiry_of(Buf *b, const char *name, const Eatr *e)
{
        return each_registry(b, name, e, one_credentials);
}

static int one_certificate(Buf *b, const char *name, const Registry *r)
{
        usec_t expires = registry_config(r)->certificate_expires;

        return expires > 0 ? registry_sample(b, name, r, exposition_seconds(expires)) : 0;
}

static int certificate_expiry(Buf *b, const char *name, const Eatr *e)
{
        return each_registry(b, name, e, one_certificate);
}

static int aws_requests(Buf *b, const char *name, const Eatr *e)
{
        const AwsState *state = registries_state(eatr_registries(e));
        int r = 0;

        for (AwsService s = 0; s < _AWS_SERVICE_MAX; s++)
                for (AwsOutcome o = 0; o < _AWS_OUTCOME_MAX && r >= 0; o++)
                        r = buf_printf(b, "%s{service=\"%s\",outcome=\"%s\"} %" PRIu64 "\n", name,
                                       aws_service_to_string(s), aws_outcome_to_string(o),
                                       state->calls[s][o]);
        return r;
}

static int clock_skew(Buf *b, const char *name, const Eatr *e)
{
        return exposition_sample(b, name, "", registries_state(eatr_registries(e))->clock.measured);
}

/* --- the process ----------------------------------------------------------------------------------- */

static int build_info(Buf *b, const char *name, const Eatr *e)
{
        return buf_printf(b, "%s{version=\"%s\"} 1\n", name, PACKAGE_VERSION);
}

static int reloaded(Buf *b, const char *name, const Eatr *e)
{
        return exposition_sample(b, name, "", !*eatr_reload_problem(e));
}

static int process_start(Buf *b, const char *name, const Eatr *e)
{
        return exposition_sample(b, name, "", exposition_seconds(eatr_started(e)));
}

static int process_cpu(Buf *b, const char *name, const Eatr *e)
{
        return exposition_sample(b, name, "", exposition_seconds(usage_cpu()));
}

/* No /proc, no sample. */
static int process_resident(Buf *b, const char *name, const Eatr *e)
{
        uint64_t n;

        return usage_resident(&n) < 0 ? 0 : exposition_sample(b, name, "", (double) n);
}

static int process_fds(Buf *b, const char *name, const Eatr *e)
{
        unsigned n;

        return usage_fds(&n) < 0 ? 0 : exposition_sample(b, name, "", n);
}

static const MetricFamily families[] = {
        /* The first two are the names of the eatr that ran as a pod. */
        { "secrets_created_total", "counter", "Secrets created: the API server answered 201.",
          WRITER(created) },
        { "secret_renewals_total", "counter", "Secrets given a new token in place.", WRITER(renewed) },
        { "eatr_secret_heals_total", "counter", "Writes because a Secret had been deleted or edited.",
          WRITER(healed) },
        { "eatr_secrets_adopted_total", "counter", "Other people's Secrets that eatr has taken over.",
          WRITER(adopted) },
        { "eatr_secrets_recreated_total", "counter",
          "Secrets that could not be changed, and were deleted for a new one.", WRITER(recreated) },
        { "eatr_secrets_deleted_total", "counter",
          "Secrets deleted because their namespaces had been excluded.", WRITER(deleted) },
        { "eatr_secret_fights_total", "counter",
          "How often somebody began to undo again and again what eatr writes.", WRITER(fights) },
        { "eatr_secret_write_failures_total", "counter", "Writes and deletes of Secrets that failed.",
          WRITER(failed) },
        { "eatr_secret_last_write_timestamp_seconds", "gauge", "When a Secret was last written; 0 if never.",
          last_write },
        { "eatr_namespaces", "gauge", "Namespaces by state.", namespaces },
        { "eatr_namespace_to_secret_seconds", "histogram",
          "From the event of a new namespace to its Secret.", latency },
        { "eatr_service_accounts", "gauge",
          "Service accounts that are to have the Secret's name, or to lose it.", accounts },
        { "eatr_service_accounts_up", "gauge", "Whether service accounts can be read, if they are to be.",
          accounts_up },
        { "eatr_service_accounts_added_total", "counter",
          "Service accounts that were given the Secret's name.", ACCOUNTS(added) },
        { "eatr_service_accounts_removed_total", "counter",
          "Service accounts that the Secret's name was taken out of.", ACCOUNTS(removed) },
        { "eatr_service_accounts_failures_total", "counter", "Writes of service accounts that failed.",
          ACCOUNTS(failed) },
        { "eatr_service_accounts_conflicts_total", "counter",
          "Writes of service accounts that were overtaken by somebody else's, and done anew.",
          ACCOUNTS(conflicts) },
        { "eatr_kube_up", "gauge", "Whether the API server can be read and written.", kube_up },
        { "eatr_kube_requests_total", "counter", "Requests to the API server; code 0 is no answer.",
          kube_requests },
        { "eatr_kube_write_seconds", "histogram", "How long writes took.", kube_writes },
        { "eatr_kubeconfig_certificate_expiry_timestamp_seconds", "gauge",
          "When the client certificate for the API server expires.", kubeconfig_certificate_expiry },
        { "eatr_kubeconfig_credential_refreshes_total", "counter",
          "How often credentials for the API server were fetched.", refreshes },
        { "eatr_kubeconfig_credential_expiry_timestamp_seconds", "gauge",
          "When the credentials for the API server that were fetched last expire.",
          kubeconfig_credential_expiry },
        { "eatr_events_total", "counter",
          "Events for those who own a namespace: created, repeated, dropped to spare the API server, or "
          "failed.",
          events },
        { "eatr_watch_restarts_total", "counter", "Watches that ended and were begun again.",
          watch_restarts },
        { "eatr_relists_total", "counter", "Lists read again after a gap or for safety.", relists },
        { "eatr_token_expiry_timestamp_seconds", "gauge", "When the current token expires.", token_expiry },
        { "eatr_token_issued_timestamp_seconds", "gauge", "When the current token was issued.",
          token_issued },
        { "eatr_token_accepted", "gauge", "Whether the registry took the token when it was last asked.",
          token_accepted },
        { "eatr_registry_up", "gauge", "Whether a good token is there and the last call brought one.",
          registry_up },
        { "eatr_credentials_info", "gauge", "Where a registry's AWS credentials come from.",
          credentials_info },
        { "eatr_credentials_expiry_timestamp_seconds", "gauge",
          "When the AWS credentials that were fetched last expire.", credentials_expiry_of },
        { "eatr_certificate_expiry_timestamp_seconds", "gauge",
          "When the certificate for IAM Roles Anywhere expires.", certificate_expiry },
        { "eatr_aws_requests_total", "counter", "Calls of AWS by service and outcome.", aws_requests },
        { "eatr_aws_last_success_timestamp_seconds", "gauge", "When AWS last gave a token; 0 if never.",
          aws_last_success },
        { "eatr_clock_skew_seconds", "gauge", "How far AWS's clock is ahead of this host's.", clock_skew },
        { "eatr_config_last_reload_successful", "gauge",
          "Whether what the configuration's files say is in force: 0 if the last reload was refused.",
          reloaded },
        { "eatr_build_info", "gauge", "The version that runs.", build_info },
        { "process_start_time_seconds", "gauge", "Start time of the process since the epoch.",
          process_start },
        { "process_cpu_seconds_total", "counter", "User and system CPU time spent.", process_cpu },
        { "process_resident_memory_bytes", "gauge", "Resident memory size.", process_resident },
        { "process_open_fds", "gauge", "Open file descriptors.", process_fds },
};

static int render_samples(Buf *b, const MetricFamily *f, const Eatr *e)
{
        uint64_t n;

        if (f->generate)
                return f->generate(b, f->name, e);
        memcpy(&n, (const char *) f->stats(e) + f->offset, sizeof(n));
        return count(b, f->name, n);
}

int metrics_render(Buf *b, const Eatr *e)
{
        int r;

        for (size_t i = 0; i < ELEMENTSOF(families); i++) {
                const MetricFamily *f = &families[i];

                r = exposition_family(b, f->name, f->type, f->help);
                if (r < 0)
                        return r;
                r = render_samples(b, f, e);
                if (r < 0)
                        return r;
        }
        return 0;
}
