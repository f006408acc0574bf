/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "account-table.h"
#include "judge.h"
#include "kube-client.h"
#include "kube-login.h"
#include "kube-reader.h"
#include "log.h"
#include "survey.h"
#include "survey-print.h"

#include <errno.h>
#include <signal.h>

#define ACCEPT_LIST "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
#define LIST_TIMEOUT (2 * USEC_PER_MINUTE)

/* Lists are read in this order, one after the other. */
typedef enum SurveyList {
        LIST_NAMESPACES,
        LIST_SECRETS,
        LIST_ACCOUNTS,
        _LIST_MAX,
} SurveyList;

static const char *const list_names[_LIST_MAX] = { "namespaces", "Secrets", "service accounts" };

typedef struct Reading {
        sd_event *event;
        const SurveyConfig *config;
        FILE *out;
        AwsState aws;
        KubeStats stats;
        KubeAuth *auth;
        KubeClient *client;
        Targets *targets;
        AccountTable *accounts;
        SurveyList list; /* that is read at the moment */
        KubeReader reader;
        KubeRequest *request;
        bool no_memory; /* for something of that list */
        bool accounts_unknown;
        bool partial; /* something is left out */
} Reading;

static bool wants_accounts(const Reading *r)
{
        return *r->config->conf->secret.service_accounts;
}

/* --- what is read ---------------------------------------------------------------------------------- */

static void see_namespace(Reading *r, const cJSON *metadata, const char *name)
{
        Node *n = targets_find(r->targets, name);

        if (!n)
                n = targets_add(r->targets, name);
        if (n)
                (void) judge_seen(&r->config->conf->namespaces, n, metadata, false);
        else
                r->no_memory = true;
}

/* Of eatr's name, which a proxy may not have looked at, and in a namespace that is there. */
static void see_secret(Reading *r, const cJSON *object, const char *namespace, const char *name)
{
        Node *n = namespace ? targets_find(r->targets, namespace) : NULL;
        KubeSecret secret;

        if (!n || !streq(name, r->config->conf->secret.name))
                return;
        kube_secret_read(object, &secret);
        plan_observe(&n->target, &secret, 0);
}

static bool is_to_name(const Reading *r, const Node *n, const char *account)
{
        const AccountRules rules = { .accounts = r->config->conf->secret.service_accounts };

        return account_plan_wish(&rules, n->name, &n->target.verdict, account) == ACCOUNT_HAVE;
}

static void see_account(Reading *r, const cJSON *object, const char *namespace, const char *name)
{
        const Node *n = namespace ? targets_find(r->targets, namespace) : NULL;
        AccountNamespace *ns;
        AccountNode *a;

        if (!n || !is_to_name(r, n, name))
                return;
        ns = account_table_add_namespace(r->accounts, namespace);
        a = ns ? account_table_find(r->accounts, ns, name) : NULL;
        if (ns && !a)
                a = account_table_add(r->accounts, ns, name);
        if (!a) {
                r->no_memory = true;
                return;
        }
        kube_account_done(&a->account.seen);
        r->no_memory |= kube_account_read(object, r->config->conf->secret.name, &a->account.seen) < 0;
}

static void on_seen(const cJSON *object, void *userdata)
{
        Reading *r = userdata;
        const cJSON *metadata = json_get(object, "metadata");
        const char *namespace = json_string(metadata, "namespace"), *name = json_string(metadata, "name");

        if (str_empty(name))
                return;
        if (r->list == LIST_NAMESPACES)
                see_namespace(r, metadata, name);
        else if (r->list == LIST_SECRETS)
                see_secret(r, object, namespace, name);
        else
                see_account(r, object, namespace, name);
}

/* --- what is printed ------------------------------------------------------------------------------- */

static void count_accounts(const Reading *r, SurveyRow *row)
{
        const AccountNamespace *ns = account_table_namespace(r->accounts, row->node->name);

        if (!ns)
                return;
        ACCOUNTS_FOREACH_IN (a, next, ns) {
                row->accounts++;
                row->named += a->account.seen.listed;
        }
}

static int compare_rows(const void *a, const void *b)
{
        return strcmp(((const SurveyRow *) a)->node->name, ((const SurveyRow *) b)->node->name);
}

static bool is_meant(const Reading *r, const Node *n)
{
        char *const *globs = r->config->namespaces;

        return !*globs || match_any(globs, n->name);
}

/* The caller frees the rows; NULL when memory is out. */
static SurveyRow *make_rows(const Reading *r, usec_t now, size_t *ret_n)
{
        const Conf *conf = r->config->conf;
        SurveyRules rules;
        SurveyRow *rows;
        size_t n_rows = 0;

        TARGETS_FOREACH (n, next, r->targets)
                n_rows += is_meant(r, n);
        rows = calloc(n_rows + 1, sizeof(*rows));
        if (!rows)
                return NULL;
        survey_rules_make(&conf->namespaces, &conf->secret, conf->renewal.auth_token_renewal_interval, now,
                          r->targets, &rules);
        *ret_n = 0;
        TARGETS_FOREACH (n, next, r->targets)
                if (is_meant(r, n)) {
                        survey_row_make(n, &rules, &rows[*ret_n]);
                        count_accounts(r, &rows[(*ret_n)++]);
                }
        qsort(rows, *ret_n, sizeof(*rows), compare_rows);
        return rows;
}

static int print(const Reading *r)
{
        Survey s = { .now = clock_now(),
                     .accounts = wants_accounts(r),
                     .accounts_unknown = r->accounts_unknown };
        _cleanup_free_ SurveyRow *rows = make_rows(r, s.now, &s.n);

        if (!rows)
                return -ENOMEM;
        s.rows = rows;
        if (r->config->json)
                return survey_print_json(&s, r->out);
        survey_print_text(&s, r->out);
        return 0;
}

/* --- one list after the other ---------------------------------------------------------------------- */

static void end(Reading *r)
{
        int e = print(r);

        if (e < 0)
                (void) log_error_errno(e, "Cannot print what is there: %m");
        (void) sd_event_exit(r->event, e < 0 || r->partial ? EXIT_FAILURE : EXIT_SUCCESS);
}

static void begin_list(Reading *r);

static void go_on(Reading *r)
{
        SurveyList last = wants_accounts(r) ? LIST_ACCOUNTS : LIST_SECRETS;

        if (r->list == last) {
                end(r);
                return;
        }
        r->list++;
        begin_list(r);
}

/* Without service accounts there still is much to be told. */
static void fail(Reading *r, const char *why, long code)
{
        log_error("Cannot read %s from %s: %s%s", list_names[r->list], r->config->kube->server, why,
                  code == 406 ? " (Kubernetes 1.16 or newer is needed)" : "");
        if (r->list == LIST_ACCOUNTS) {
                r->accounts_unknown = r->partial = true;
                end(r);
        } else
                (void) sd_event_exit(r->event, EXIT_FAILURE);
}

static void take_list(Reading *r)
{
        if (!kube_reader_finish_list(&r->reader)) {
                fail(r, r->reader.problem, 0);
                return;
        }
        if (r->no_memory) {
                fail(r, strerror(ENOMEM), 0);
                return;
        }
        if (r->reader.left_out) {
                log_error("Something of the %s cannot be read, and is left out", list_names[r->list]);
                r->partial = true;
        }
        go_on(r);
}

static int on_data(const void *p, size_t n, void *userdata)
{
        Reading *r = userdata;

        return kube_reader_feed(&r->reader, p, n);
}

static void on_done(KubeRequest *q, HttpOutcome outcome, const KubeStatus *status, void *userdata)
{
        Reading *r = userdata;

        if (*r->reader.problem)
                fail(r, r->reader.problem, 0);
        else if (outcome != HTTP_OK)
                fail(r, status->message, status->code);
        else
                take_list(r);
        if (r->request == q) /* no other has begun */
                r->request = NULL;
        (void) kube_request_free(q);
}

/* The one account that is to name the Secret, so that rights for that one are enough; NULL: there are
 * several, or a pattern. */
static const char *only_account(const Reading *r)
{
        char *const *globs = r->config->conf->secret.service_accounts;

        return globs[0] && !globs[1] && !strpbrk(globs[0], "*?[") ? globs[0] : NULL;
}

static char *list_path(const Reading *r)
{
        static const char *const paths[_LIST_MAX] = {
                [LIST_NAMESPACES] = "/api/v1/namespaces",
                [LIST_SECRETS] = "/api/v1/secrets",
                [LIST_ACCOUNTS] = "/api/v1/serviceaccounts",
        };
        const char *name = r->list == LIST_SECRETS    ? r->config->conf->secret.name
                           : r->list == LIST_ACCOUNTS ? only_account(r)
                                                      : NULL;

        return name ? str_printf("%s?fieldSelector=metadata.name%%3D%s", paths[r->list], name)
                    : strdup(paths[r->list]);
}

/* A list of what is true now. What is in imagePullSecrets is not among the metadata. */
static void begin_list(Reading *r)
{
        bool whole = r->list == LIST_ACCOUNTS;
        _cleanup_free_ char *path = list_path(r);
        const KubeSpec spec = {
                .verb = KUBE_LIST,
                .path = path,
                .accept = whole ? NULL : ACCEPT_LIST,
                .timeout = LIST_TIMEOUT,
                .on_data = on_data,
                .compressed = true,
        };
        int e;

        kube_reader_done(&r->reader);
        r->reader = (KubeReader){ .collection = list_names[r->list],
                                  .kind = whole ? "ServiceAccount" : NULL,
                                  .seen = on_seen,
                                  .userdata = r };
        kube_reader_begin_list(&r->reader);
        e = path ? kube_client_request(r->client, &spec, on_done, r, &r->request) : -ENOMEM;
        if (e < 0)
                fail(r, strerror(-e), 0);
}

/* --- the whole ------------------------------------------------------------------------------------- */

static void reading_done(Reading *r)
{
        (void) kube_request_free(r->request);
        kube_reader_done(&r->reader);
        (void) kube_client_free(r->client);
        (void) kube_auth_free(r->auth);
        (void) account_table_free(r->accounts);
        (void) targets_free(r->targets);
}

/* Nothing is half done that would have to be ended first. */
static int add_signals(sd_event *event)
{
        void *status = (void *) (intptr_t) EXIT_FAILURE;
        int e;

        e = sd_event_add_signal(event, NULL, SIGINT, NULL, status);
        return e < 0 ? e : sd_event_add_signal(event, NULL, SIGTERM, NULL, status);
}

static int begin(Reading *r)
{
        int e;

        e = targets_new(&r->targets);
        if (e < 0)
                return e;
        e = account_table_new(&r->accounts);
        if (e < 0)
                return e;
        e = kube_login_new(r->event, r->config->kube, r->config->eks, &r->aws, &r->auth);
        if (e < 0)
                return e;
        e = kube_client_new(r->event, r->auth, &r->stats, &r->client);
        if (e < 0)
                return e;
        begin_list(r);
        return 0;
}

int survey_run(sd_event *event, const SurveyConfig *config, FILE *out)
{
        _cleanup_(reading_done) Reading r = { .event = event, .config = config, .out = out };
        int e;

        e = add_signals(event);
        if (e >= 0)
                e = begin(&r);
        return e < 0 ? e : sd_event_loop(event);
}
