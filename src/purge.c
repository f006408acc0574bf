/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "json.h"
#include "kube-login.h"
#include "log.h"
#include "purge.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>

/* So many names are shown before the question. */
#define NAMES_MAX 20U

/* So often the same is tried; what will not pass so soon is not waited for. */
#define TRIES 3U
#define PATIENCE (10 * USEC_PER_SEC)

/* Changes that come together are looked at together. */
#define REVIEW_INTERVAL (10 * USEC_PER_MSEC)
#define PROGRESS_INTERVAL (2 * USEC_PER_SEC)

/* Whoever else keeps Secrets there has put them back by then. */
#define LINGER USEC_PER_SEC

typedef enum PurgePhase {
        PURGE_LIST,   /* reading what is there */
        PURGE_ASK,    /* waiting for an answer */
        PURGE_DELETE, /* it goes */
        PURGE_LINGER, /* it is gone; does it come back? */
        PURGE_STOP,   /* waiting for what is under way */
} PurgePhase;

typedef struct Purge {
        sd_event *event;
        const PurgeConfig *config;
        FILE *out; /* for people */
        ClusterConfig cluster_config;
        ConfNamespaces namespaces;
        AwsState aws;
        KubeAuth *auth;
        Cluster *cluster;
        KubeStats stats;
        PurgePhase phase;
        unsigned found;      /* so many Secrets were to go */
        cJSON *names;        /* of their namespaces */
        unsigned accounts;   /* so many service accounts were to lose their entry */
        bool begun;          /* to delete */
        bool back;           /* they come back */
        const char *problem; /* why it has ended early; NULL: it has not */
        char error[384];     /* the API server's, of the former */
        sd_event_source *sigint, *sigterm, *review, *progress, *answer;
} Purge;

/* --- what is eatr's -------------------------------------------------------------------------------- */

/* What is in a namespace that is being deleted goes by itself. */
static bool is_there(const Node *n)
{
        return n->exists && n->target.secret.exists && n->target.secret.ours &&
               n->target.verdict != MATCH_TERMINATING;
}

/* Not what others have written to as well, nor what is on its way out. */
static bool is_to_go(const Node *n)
{
        return is_there(n) && n->plan.reason != PLAN_SHARED && !n->target.secret.going;
}

static unsigned accounts_to_change(const Purge *p)
{
        AccountSummary s;

        accounts_summary(cluster_accounts(p->cluster), &s);
        return s.pending + s.failing;
}

/* Whether all has been tried that could be, see cluster_settled(). */
static bool is_settled(const Purge *p, usec_t now)
{
        if (!cluster_synced(p->cluster) || !accounts_settled(cluster_accounts(p->cluster), TRIES))
                return false;
        TARGETS_FOREACH (n, next, cluster_targets(p->cluster)) {
                const Target *t = &n->target;
                bool given_up = t->failures >= TRIES || t->retry_at > now + PATIENCE;

                if (!n->exists || (p->phase == PURGE_LIST && n->pretended))
                        continue;
                if (n->place != NODE_IDLE || (is_to_go(n) && !given_up))
                        return false;
        }
        return true;
}

#define WHY_MAX 128

static const char *why_left(const Node *n, char ret[static WHY_MAX])
{
        const KubeSecret *s = &n->target.secret;

        if (s->going)
                return "it is being deleted, and its finalizers hold it";
        if (n->plan.reason != PLAN_SHARED)
                return n->problem ? n->problem : "its turn has not come";
        (void) snprintf(ret, WHY_MAX, "it is not eatr's alone, %s wrote to it, too",
                        *s->manager ? s->manager : "somebody");
        return ret;
}

/* Whether the outcome is what was asked for. */
static bool is_done(const Purge *p, const cJSON *left)
{
        return !p->problem && (p->config->dry_run || cJSON_GetArraySize(left) == 0);
}

/* --- what is told ---------------------------------------------------------------------------------- */

static const char *plural(uint64_t n)
{
        return n == 1 ? "" : "s";
}

static void list_found(Purge *p)
{
        TARGETS_FOREACH (n, next, cluster_targets(p->cluster))
                if (is_to_go(n)) {
                        cJSON_AddItemToArray(p->names, cJSON_CreateString(n->name));
                        p->found++;
                }
        p->accounts = accounts_to_change(p);
}

static void print_found(const Purge *p)
{
        const KubeConfig *kube = p->config->kube;
        bool dry_run = p->config->dry_run;
        unsigned shown = 0;

        (void) fprintf(p->out, "Context %s at %s: %u Secret%s named %s %s%s\n", kube->context, kube->server,
                       p->found, plural(p->found), p->config->conf->secret.name,
                       dry_run ? "would be deleted" : "to be deleted", p->found > 0 ? ", in" : "");
        JSON_FOREACH (name, p->names)
                if (shown++ < NAMES_MAX || dry_run)
                        (void) fprintf(p->out, "  %s\n", name->valuestring);
        if (shown > NAMES_MAX && !dry_run)
                (void) fprintf(p->out, "  and %u namespaces more\n", shown - NAMES_MAX);
        if (p->accounts > 0)
                (void) fprintf(p->out, "%u service account%s %s the entry in imagePullSecrets\n",
                               p->accounts, plural(p->accounts), dry_run ? "would lose" : "to lose");
}

static void add_left(cJSON *left, const char *namespace, const char *account, const char *reason)
{
        cJSON *item = cJSON_CreateObject();

        (void) cJSON_AddStringToObject(item, "namespace", namespace);
        if (account)
                (void) cJSON_AddStringToObject(item, "service_account", account);
        (void) cJSON_AddStringToObject(item, "reason", reason);
        cJSON_AddItemToArray(left, item);
}

static void list_left_accounts(const Purge *p, cJSON *left)
{
        const Accounts *accounts = cluster_accounts(p->cluster);
        const char *error = accounts_error(accounts);

        ACCOUNTS_FOREACH (n, next, accounts_table(accounts))
                if (n->plan.action != ACCOUNT_NOTHING && !p->config->dry_run)
                        add_left(left, n->namespace->name, n->name,
                                 "the entry in imagePullSecrets cannot be taken out");
        if (*error && *p->config->conf->secret.service_accounts)
                add_left(left, "*", "*", error);
        else if (*error && !p->problem)
                (void) fprintf(p->out,
                               "Service accounts cannot be read, and keep entries of eatr's if they have "
                               "any: %s\n",
                               error);
}

/* The caller frees what is left, and why. */
static cJSON *list_left(const Purge *p)
{
        cJSON *left = cJSON_CreateArray();
        char text[WHY_MAX];

        TARGETS_FOREACH (n, next, cluster_targets(p->cluster))
                if (is_there(n) && !(p->config->dry_run && is_to_go(n)))
                        add_left(left, n->name, NULL, why_left(n, text));
        list_left_accounts(p, left);
        return left;
}

static void print_left(const Purge *p, const cJSON *left)
{
        if (left->child)
                (void) fprintf(p->out, "%s:\n", p->config->dry_run ? "Would stay" : "Left");
        JSON_FOREACH (item, left) {
                const char *account = json_string(item, "service_account");

                (void) fprintf(p->out, "  namespace %s: %s%s%s%s\n", json_string(item, "namespace"),
                               account ? "service account " : "", account ? account : "",
                               account ? ": " : "", json_string(item, "reason"));
        }
        if (p->back)
                (void) fprintf(
                        p->out,
                        "Secrets come back: an eatr still runs for this cluster and writes them anew. "
                        "Stop it first (systemctl stop eatr), then purge again\n");
}

static void print_summary(const Purge *p, const cJSON *left)
{
        uint64_t deleted = cluster_stats(p->cluster)->deleted,
                 removed = accounts_stats(cluster_accounts(p->cluster))->removed;

        if (p->problem)
                (void) fprintf(p->out, "%s: %s\n", p->begun ? "Ended early" : "Nothing has been deleted",
                               p->problem);
        if (p->begun || !p->problem)
                print_left(p, left);
        if (!p->begun)
                return;
        (void) fprintf(p->out, "%" PRIu64 " Secret%s deleted", deleted, plural(deleted));
        if (removed > 0)
                (void) fprintf(p->out, ", %" PRIu64 " service account%s changed", removed, plural(removed));
        (void) fprintf(p->out, "%s\n", is_done(p, left) ? ", nothing of eatr's is left" : "");
}

static void print_json(Purge *p, cJSON *left)
{
        _cleanup_json_ cJSON *j = cJSON_CreateObject();
        _cleanup_free_ char *text = NULL;

        (void) cJSON_AddStringToObject(j, "context", p->config->kube->context);
        (void) cJSON_AddStringToObject(j, "server", p->config->kube->server);
        (void) cJSON_AddStringToObject(j, "secret", p->config->conf->secret.name);
        (void) cJSON_AddBoolToObject(j, "dry_run", p->config->dry_run);
        cJSON_AddItemToObject(j, "found", TAKE_PTR(p->names));
        (void) cJSON_AddNumberToObject(j, "deleted", (double) cluster_stats(p->cluster)->deleted);
        (void) cJSON_AddNumberToObject(j, "accounts_found", p->accounts);
        (void) cJSON_AddNumberToObject(j, "accounts_changed",
                                       (double) accounts_stats(cluster_accounts(p->cluster))->removed);
        cJSON_AddItemToObject(j, "left", cJSON_Duplicate(left, true));
        (void) cJSON_AddBoolToObject(j, "back", p->back);
        if (p->problem)
                (void) cJSON_AddStringToObject(j, "problem", p->problem);
        text = json_print(j);
        if (text)
                (void) puts(text);
}

/* --- from one phase to the next -------------------------------------------------------------------- */

static void end(Purge *p)
{
        _cleanup_json_ cJSON *left = list_left(p);
        bool done = is_done(p, left);

        print_summary(p, left);
        if (p->config->json)
                print_json(p, left);
        (void) sd_event_exit(p->event, done ? EXIT_SUCCESS : EXIT_FAILURE);
}

/* What is under way ends first. */
static void stop(Purge *p, const char *problem)
{
        if (p->phase == PURGE_STOP)
                return;
        p->problem = problem;
        p->phase = PURGE_STOP;
        cluster_stop(p->cluster);
        if (cluster_in_flight(p->cluster) == 0)
                end(p);
}

static void begin_deletion(Purge *p)
{
        p->phase = PURGE_DELETE;
        p->begun = true;
        p->cluster_config.writer.dry_run = false;
        cluster_reload(p->cluster, &p->cluster_config);
        (void) sd_event_source_set_time_relative(p->progress, PROGRESS_INTERVAL);
        (void) sd_event_source_set_enabled(p->progress, SD_EVENT_ONESHOT);
}

static void ask(Purge *p)
{
        p->phase = PURGE_ASK;
        (void) fprintf(p->out, "Delete? [y/N] ");
        (void) fflush(p->out);
        if (sd_event_source_set_enabled(p->answer, SD_EVENT_ON) < 0)
                stop(p, "the terminal cannot be read");
}

static void decide(Purge *p)
{
        list_found(p);
        print_found(p);
        if (p->config->dry_run || p->found + p->accounts == 0)
                end(p);
        else if (p->config->yes)
                begin_deletion(p);
        else
                ask(p);
}

static int on_answer(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
        Purge *p = userdata;
        char line[64];
        ssize_t n = read(fd, line, sizeof(line));

        (void) sd_event_source_set_enabled(s, SD_EVENT_OFF);
        if (n > 0 && (line[0] == 'y' || line[0] == 'Y'))
                begin_deletion(p);
        else
                stop(p, "not confirmed");
        return 0;
}

static void linger(Purge *p)
{
        p->phase = PURGE_LINGER;
        (void) sd_event_source_set_time_relative(p->progress, LINGER);
        (void) sd_event_source_set_enabled(p->progress, SD_EVENT_ONESHOT);
}

static int on_review(sd_event_source *s, uint64_t usec, void *userdata)
{
        Purge *p = userdata;
        bool settled = is_settled(p, clock_boottime());

        if (p->phase == PURGE_STOP && cluster_in_flight(p->cluster) == 0)
                end(p);
        else if (p->phase == PURGE_ASK || p->phase == PURGE_STOP)
                return 0;
        else if (cluster_failures(p->cluster) >= TRIES) {
                (void) snprintf(p->error, sizeof(p->error), "%s", cluster_error(p->cluster));
                stop(p, p->error);
        } else if (cluster_stats(p->cluster)->deleted > p->found) {
                p->back = true;
                stop(p, "what was deleted is there again");
        } else if (settled && p->phase == PURGE_LIST)
                decide(p);
        else if (settled && p->phase == PURGE_DELETE)
                linger(p);
        return 0;
}

/* A sign of life; and, in the end, the end. */
static int on_progress(sd_event_source *s, uint64_t usec, void *userdata)
{
        Purge *p = userdata;
        uint64_t deleted = cluster_stats(p->cluster)->deleted;

        if (p->phase == PURGE_LINGER) {
                end(p);
                return 0;
        }
        if (p->phase != PURGE_DELETE)
                return 0;
        (void) fprintf(p->out, "%" PRIu64 " of %u deleted\n", deleted, p->found);
        (void) fflush(p->out);
        (void) sd_event_source_set_time_relative(s, PROGRESS_INTERVAL);
        return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

static void on_changed(void *userdata)
{
        Purge *p = userdata;
        int enabled;

        if (sd_event_source_get_enabled(p->review, &enabled) < 0 || enabled != SD_EVENT_OFF)
                return;
        (void) sd_event_source_set_time_relative(p->review, REVIEW_INTERVAL);
        (void) sd_event_source_set_enabled(p->review, SD_EVENT_ONESHOT);
}

static int on_signal(sd_event_source *s, const struct signalfd_siginfo *info, void *userdata)
{
        Purge *p = userdata;

        if (p->phase == PURGE_STOP) /* asked for twice */
                (void) sd_event_exit(p->event, EXIT_FAILURE);
        if (p->phase == PURGE_ASK)
                (void) fputc('\n', p->out);
        stop(p, "told to stop");
        return 0;
}

/* --- the whole ------------------------------------------------------------------------------------- */

static int add_sources(Purge *p)
{
        int r;

        r = sd_event_add_signal(p->event, &p->sigint, SIGINT, on_signal, p);
        if (r < 0)
                return r;
        r = sd_event_add_signal(p->event, &p->sigterm, SIGTERM, on_signal, p);
        if (r < 0)
                return r;
        r = sd_event_add_time(p->event, &p->review, CLOCK_BOOTTIME, 0, 1, on_review, p);
        if (r < 0)
                return r;
        r = sd_event_add_time(p->event, &p->progress, CLOCK_BOOTTIME, 0, 1, on_progress, p);
        if (r < 0)
                return r;
        (void) sd_event_source_set_enabled(p->review, SD_EVENT_OFF);
        (void) sd_event_source_set_enabled(p->progress, SD_EVENT_OFF);
        if (p->config->yes || p->config->dry_run)
                return 0;
        r = sd_event_add_io(p->event, &p->answer, STDIN_FILENO, EPOLLIN, on_answer, p);
        return r < 0 ? r : sd_event_source_set_enabled(p->answer, SD_EVENT_OFF);
}

static void configure(Purge *p)
{
        static char everything[] = "*";
        static char *all[] = { everything, NULL }, *none[] = { NULL };
        const PurgeConfig *config = p->config;

        p->namespaces =
                (ConfNamespaces){ .blacklist = all, .include = none, .on_exclude = CONF_EXCLUDE_DELETE };
        p->cluster_config = (ClusterConfig){
                .auth = p->auth,
                .namespaces = &p->namespaces,
                .only = *config->namespaces ? config->namespaces : all,
                .writer = {
                        .secret_name = config->conf->secret.name,
                        .renewal = &config->conf->renewal,
                        .on_exclude = CONF_EXCLUDE_DELETE,
                        .dry_run = true,
                },
        };
}

static void purge_done(Purge *p)
{
        (void) cluster_free(p->cluster);
        (void) kube_auth_free(p->auth);
        (void) json_free(p->names);
        (void) sd_event_source_disable_unref(p->answer);
        (void) sd_event_source_disable_unref(p->progress);
        (void) sd_event_source_disable_unref(p->review);
        (void) sd_event_source_disable_unref(p->sigterm);
        (void) sd_event_source_disable_unref(p->sigint);
}

bool purge_may_begin(const PurgeConfig *config)
{
        return config->yes || config->dry_run || isatty(STDIN_FILENO);
}

int purge_run(sd_event *event, const PurgeConfig *config)
{
        _cleanup_(purge_done) Purge p = { .event = event, .config = config };
        int r;

        p.out = config->json ? stderr : stdout;
        p.names = cJSON_CreateArray();
        r = kube_login_new(event, config->kube, config->eks, &p.aws, &p.auth);
        if (r < 0)
                return r;
        r = add_sources(&p);
        if (r < 0)
                return r;
        configure(&p);
        r = cluster_new(event, &p.cluster_config, &p.stats, on_changed, &p, &p.cluster);
        return r < 0 ? r : sd_event_loop(event);
}
