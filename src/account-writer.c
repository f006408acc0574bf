/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "account-log.h"
#include "account-writer.h"
#include "agenda.h"
#include "backoff.h"
#include "log.h"

#include <errno.h>
#include <stdio.h>

#define FIELD_MANAGER "eatr"
#define PATCH_TYPE "application/json-patch+json"
#define CREATE_TYPE "application/json"

/* The API server gives up on a write after 34 s. */
#define WRITE_TIMEOUT (45 * USEC_PER_SEC)

/* An account is answered with as a whole; etcd takes 1.5 MiB. */
#define RESPONSE_MAX (2U * 1024 * 1024)

/* So many writes in a row that somebody else's was ahead of are worth a word: it may be something else. */
#define OVERTAKEN_MAX 5U

struct AccountWriter {
        AccountWriterConfig config;
        AccountWriterParts parts;
        account_writer_changed_t changed;
        void *userdata;

        bool stopped;
        bool may_not_create;
        AccountLog log;
        Agenda agenda;
        AccountStats stats;
};

/* --- the end of a write ---------------------------------------------------------------------------- */

/* Returns whether the answer is an account. */
static bool take_in(const AccountWriter *w, AccountNode *n, const Buf *body)
{
        _cleanup_json_ cJSON *object = NULL;
        KubeAccount seen = { 0 };

        if (json_parse(buf_str(body), body->size, RESPONSE_MAX, &object) < 0 ||
            !json_get(object, "metadata"))
                return false;
        if (kube_account_read(object, w->config.secret_name, &seen) < 0) {
                kube_account_done(&seen);
                return false;
        }
        account_plan_observe(&n->account, &seen);
        n->answered = true;
        return true;
}

/* Rights that are there for one account may be there for the others, too. */
static void retry_denied(AccountWriter *w)
{
        ACCOUNTS_FOREACH (n, next, w->parts.table)
                if (n->account.denied) {
                        n->account.denied = false;
                        n->account.retry_at = 0;
                        account_writer_mark_dirty(w, n);
                }
        w->log.denied = false;
}

static void succeed(AccountWriter *w, AccountNode *n, usec_t now)
{
        lanes_work(w->parts.lanes, now);
        if (n->account.denied)
                retry_denied(w);
        account_plan_succeeded(&n->account, &n->plan, now);
        if (n->plan.action == ACCOUNT_REMOVE)
                w->stats.removed++;
        else
                w->stats.added++;
        account_log_written(&w->log, n);
}

/* The right to create accounts is one that eatr can do without. */
static void drop_creation(AccountWriter *w, AccountNode *n, const KubeStatus *status)
{
        w->may_not_create |= status->denial == KUBE_DENIAL_RIGHTS;
        account_say(n, LOG_DEBUG, "not created%s: %s",
                    w->may_not_create ? ", nor will those of other namespaces be, for want of the right"
                                      : "",
                    status->message);
}

static void fail(AccountWriter *w, AccountNode *n, HttpOutcome outcome, const KubeStatus *status,
                 usec_t retry_after, usec_t now)
{
        AccountFailure failure =
                account_plan_failed(&n->account, &n->plan, outcome, status, now, backoff_random());

        if (failure == ACCOUNT_CLUSTER) {
                w->stats.failed++;
                lanes_fail(w->parts.lanes, outcome, status, retry_after, now);
                return;
        }
        lanes_work(w->parts.lanes, now);
        if (failure == ACCOUNT_DROPPED)
                drop_creation(w, n, status);
        else if (failure == ACCOUNT_OVERTAKEN && n->account.failures % OVERTAKEN_MAX != 0) {
                w->stats.conflicts++;
                account_say(n, LOG_DEBUG, "somebody else was faster: %s", status->message);
        } else {
                w->stats.failed++;
                account_log_failed(&w->log, n, status, now);
        }
}

static void on_written(KubeRequest *q, HttpOutcome outcome, const KubeStatus *status, void *userdata)
{
        static const KubeStatus broken = { .code = 200, .message = "the answer is not the API server's" };
        AccountNode *n = userdata;
        AccountWriter *w = n->writer;
        usec_t now = clock_boottime();

        if (outcome != HTTP_OK)
                fail(w, n, outcome, status, kube_request_retry_after(q), now);
        else if (take_in(w, n, kube_request_body(q)))
                succeed(w, n, now);
        else
                fail(w, n, HTTP_RETRY, &broken, 0, now);
        n->request = kube_request_free(q);
        account_table_move(w->parts.table, n, ACCOUNT_IDLE);
        account_writer_mark_dirty(w, n);
        lanes_end(w->parts.lanes, n->plan.lane);
}

/* --- writing --------------------------------------------------------------------------------------- */

static int render(const AccountWriter *w, const AccountNode *n, Buf *body)
{
        switch (n->plan.action) {
        case ACCOUNT_CREATE:
                return kube_account_render_new(n->name, w->config.secret_name, body);
        case ACCOUNT_ADD:
                return kube_account_render_addition(&n->account.seen, w->config.secret_name, body);
        default:
                return kube_account_render_removal(&n->account.seen, w->config.secret_name, body);
        }
}

static int request(AccountWriter *w, AccountNode *n)
{
        bool create = n->plan.action == ACCOUNT_CREATE;
        _cleanup_buf_ Buf body = BUF_INIT(KUBE_ACCOUNT_BODY_MAX);
        _cleanup_free_ char *path = NULL;
        int r;

        r = render(w, n, &body);
        if (r < 0)
                return r;
        path = str_printf("/api/v1/namespaces/%s/serviceaccounts%s%s?fieldManager=" FIELD_MANAGER,
                          n->namespace->name, create ? "" : "/", create ? "" : n->name);
        if (!path)
                return -ENOMEM;

        KubeSpec spec = {
                .verb = create ? KUBE_CREATE : KUBE_PATCH,
                .path = path,
                .content_type = create ? CREATE_TYPE : PATCH_TYPE,
                .body = buf_str(&body),
                .body_size = body.size,
                .timeout = WRITE_TIMEOUT,
                .response_max = RESPONSE_MAX,
        };
        n->writer = w;
        return kube_client_request(w->parts.client, &spec, on_written, n, &n->request);
}

static void pretend(AccountWriter *w, AccountNode *n)
{
        if (!n->pretended)
                account_say(n, LOG_INFO, "would %s it for Secret %s",
                            account_plan_action_to_string(n->plan.action), w->config.secret_name);
        n->pretended = true;
        account_table_move(w->parts.table, n, ACCOUNT_IDLE);
}

static void begin(AccountWriter *w, AccountNode *n, usec_t now)
{
        int r;

        if (w->config.dry_run) {
                pretend(w, n);
                return;
        }
        r = request(w, n);
        if (r < 0) {
                n->account.refused_version = 0;
                n->account.retry_at = now + USEC_PER_SEC;
                account_table_move(w->parts.table, n, ACCOUNT_IDLE);
                account_writer_mark_dirty(w, n);
                account_say(n, LOG_ERR, "cannot make a request, trying again: %s", strerror(-r));
                return;
        }
        account_plan_begun(&n->account);
        account_table_move(w->parts.table, n, ACCOUNT_IN_FLIGHT);
        lanes_begin(w->parts.lanes, n->plan.lane, now);
}

/* --- planning -------------------------------------------------------------------------------------- */

static AccountWish wish_for(const AccountWriter *w, const AccountNode *n)
{
        const AccountNamespace *ns = n->namespace;

        return account_plan_wish(&w->config.rules, ns->name, ns->known ? &ns->verdict : NULL, n->name);
}

static bool forget(AccountWriter *w, AccountNode *n)
{
        AccountNamespace *ns = n->namespace;

        if (account_plan_concerns(&w->config.rules, n->name, &n->account.seen) || n->account.create)
                return false;
        account_table_drop(w->parts.table, n);
        account_table_tidy_namespace(w->parts.table, ns);
        return true;
}

/* Puts the node where its plan wants it; one that stands in a lane already stays where it is. Returns
 * whether it still is in the table. */
static bool plan(AccountWriter *w, AccountNode *n, usec_t now)
{
        AccountPlace place = ACCOUNT_IDLE;

        if (forget(w, n))
                return false;
        n->plan = account_plan_next(&n->account, wish_for(w, n), now);
        n->wake_at = n->plan.action == ACCOUNT_WAIT ? n->plan.until : USEC_INFINITY;
        agenda_at(&w->agenda, n->wake_at);
        account_log_planned(&w->log, n);
        if (n->plan.action != ACCOUNT_NOTHING && n->plan.action != ACCOUNT_WAIT)
                place = n->plan.lane == PACE_NOW ? ACCOUNT_NOW : ACCOUNT_BULK;
        if (n->place != place)
                account_table_move(w->parts.table, n, place);
        return true;
}

static void run_lane(AccountWriter *w, AccountPlace place, usec_t now)
{
        PaceLane lane = place == ACCOUNT_NOW ? PACE_NOW : PACE_BULK;
        AccountNode *n;

        while ((n = account_table_head(w->parts.table, place))) {
                usec_t until;

                if (!lanes_may_begin(w->parts.lanes, lane, now, &until)) {
                        agenda_at(&w->agenda, until);
                        return;
                }
                /* Much may have happened since it was put here. */
                if (plan(w, n, now) && n->place == place)
                        begin(w, n, now);
        }
}

static int on_plan(sd_event_source *s, void *userdata)
{
        AccountWriter *w = userdata;
        usec_t now = clock_boottime();
        AccountNode *n;

        while (!w->stopped && (n = account_table_head(w->parts.table, ACCOUNT_DIRTY)))
                (void) plan(w, n, now);
        if (!w->stopped) {
                run_lane(w, ACCOUNT_NOW, now);
                run_lane(w, ACCOUNT_BULK, now);
        }
        w->changed(w->userdata);
        return 0;
}

/* All nodes are looked at, but only when the first of them is due. */
static int on_wake(sd_event_source *s, uint64_t usec, void *userdata)
{
        AccountWriter *w = userdata;
        usec_t now = clock_boottime();

        agenda_woken(&w->agenda);
        ACCOUNTS_FOREACH (n, next, w->parts.table) {
                if (n->wake_at <= now)
                        account_writer_mark_dirty(w, n);
                else
                        agenda_at(&w->agenda, n->wake_at);
        }
        agenda_soon(&w->agenda);
        return 0;
}

/* One in flight is planned again when its answer comes, one that goes next when it leaves its lane. */
void account_writer_mark_dirty(AccountWriter *w, AccountNode *n)
{
        if (n->place == ACCOUNT_IDLE || n->place == ACCOUNT_BULK)
                account_table_move(w->parts.table, n, ACCOUNT_DIRTY);
        agenda_soon(&w->agenda);
}

/* --- the whole ------------------------------------------------------------------------------------- */

void account_writer_reload(AccountWriter *w, const AccountWriterConfig *config)
{
        w->config = *config;
        w->log.secret_name = config->secret_name;
        w->may_not_create = false; /* the rights may be there by now */
        ACCOUNTS_FOREACH (n, next, w->parts.table) {
                n->pretended &= config->dry_run;
                account_writer_mark_dirty(w, n);
        }
}

void account_writer_take_over(AccountWriter *w, const AccountWriter *old)
{
        w->stats = old->stats;
}

void account_writer_stop(AccountWriter *w)
{
        w->stopped = true;
}

static void on_moved(void *userdata)
{
        AccountWriter *w = userdata;

        agenda_soon(&w->agenda);
}

int account_writer_new(sd_event *event, const AccountWriterConfig *config, const AccountWriterParts *parts,
                       account_writer_changed_t changed, void *userdata, AccountWriter **ret)
{
        _cleanup_(account_writer_freep) AccountWriter *w = NULL;
        int r;

        w = calloc(1, sizeof(*w));
        if (!w)
                return -ENOMEM;
        w->config = *config;
        w->log.secret_name = config->secret_name;
        w->parts = *parts;
        w->changed = changed;
        w->userdata = userdata;
        /* Before others that are pending: of a new namespace's account the controllers of the cluster make
         * one, too. */
        r = agenda_init(&w->agenda, event, SD_EVENT_PRIORITY_NORMAL - 1, on_plan, on_wake, w);
        if (r < 0)
                return r;
        lanes_add_user(w->parts.lanes, on_moved, w);
        *ret = TAKE_PTR(w);
        return 0;
}

bool account_writer_may_create(const AccountWriter *w)
{
        return !w->may_not_create;
}

static bool node_settled(const AccountNode *n, unsigned tries)
{
        switch (n->plan.action) {
        case ACCOUNT_NOTHING:
                return n->place == ACCOUNT_IDLE;
        case ACCOUNT_WAIT:
                return n->plan.heal || n->account.denied || n->account.failures >= tries;
        default:
                return n->pretended || n->account.failures >= tries;
        }
}

bool account_writer_settled(const AccountWriter *w, unsigned tries)
{
        ACCOUNTS_FOREACH (n, next, w->parts.table)
                if (!node_settled(n, tries))
                        return false;
        return true;
}

void account_writer_summary(const AccountWriter *w, AccountSummary *ret)
{
        *ret = (AccountSummary){ 0 };
        ACCOUNTS_FOREACH (n, next, w->parts.table) {
                if (n->plan.action == ACCOUNT_NOTHING && n->place == ACCOUNT_IDLE)
                        ret->good += wish_for(w, n) == ACCOUNT_HAVE;
                else if (n->plan.action == ACCOUNT_WAIT && n->plan.heal)
                        ret->fought++;
                else if (n->account.failures > 0)
                        ret->failing++;
                else
                        ret->pending++;
        }
}

const AccountStats *account_writer_stats(const AccountWriter *w)
{
        return &w->stats;
}

bool account_writer_stalled(const AccountWriter *w, usec_t now)
{
        return agenda_stalled(&w->agenda, now);
}

AccountWriter *account_writer_free(AccountWriter *w)
{
        if (!w)
                return NULL;
        agenda_done(&w->agenda);
        free(w);
        return NULL;
}
