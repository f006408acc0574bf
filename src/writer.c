/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "agenda.h"
#include "backoff.h"
#include "log.h"
#include "writer.h"
#include "writer-log.h"
#include "writer-request.h"

#include <errno.h>
#include <stdio.h>

struct Writer {
        WriterConfig config;
        Targets *targets;
        KubeClient *client;
        writer_changed_t changed;
        void *userdata;

        bool started, stopped;
        Auths *auths;
        Buf body;        /* of every write with these */
        uint64_t extras; /* that are in it, see kube_secret_extras_id() */
        Lanes *lanes;
        WriterLog log;
        Agenda agenda;
        WriterStats stats;
};

/* --- the end of a write ---------------------------------------------------------------------------- */

static void count_applied(Writer *w, Node *n, long code, usec_t now)
{
        WriterStats *s = &w->stats;

        s->last_write = clock_now();
        s->healed += n->plan.reason == PLAN_HEAL;
        s->adopted += n->plan.reason == PLAN_ADOPT;
        if (code == 201)
                s->created++;
        else
                s->renewed += n->plan.reason != PLAN_HEAL && n->plan.reason != PLAN_ADOPT;
        if (n->appeared > 0)
                kube_histogram_add(&s->latency, usec_sub(now, n->appeared));
        n->appeared = 0;
}

static void count(Writer *w, Node *n, long code, usec_t now)
{
        if (n->plan.action == PLAN_APPLY)
                count_applied(w, n, code, now);
        else if (n->plan.reason == PLAN_RECREATE)
                w->stats.recreated++;
        else
                w->stats.deleted++;
}

/* Rights that one namespace has again the others may have, too. */
static void retry_denied(Writer *w)
{
        w->log.rights_told = 0;
        TARGETS_FOREACH (n, next, w->targets)
                if (n->target.denied) {
                        n->target.denied = false;
                        n->target.retry_at = 0;
                        writer_mark_dirty(w, n);
                }
}

static void succeed(Writer *w, Node *n, long code, const WriterAnswer *answer, usec_t now)
{
        lanes_work(w->lanes, now);
        if (n->target.denied)
                retry_denied(w);
        n->answered = true;
        plan_observe(&n->target, answer->gone ? NULL : &answer->secret, n->plan.version + 1);
        plan_succeeded(&n->target, &n->plan, now);
        (void) str_replace(&n->problem, NULL);
        writer_log_written(&w->log, n, code);
        count(w, n, code, now);
}

/* What is not there any more is deleted, whoever did that. */
static bool is_done(const Node *n, HttpOutcome outcome)
{
        return n->plan.action == PLAN_DELETE && outcome == HTTP_NOT_FOUND;
}

static void fail(Writer *w, Node *n, HttpOutcome outcome, const KubeStatus *status, usec_t retry_after,
                 usec_t now)
{
        w->stats.failed += n->plan.action != PLAN_INSPECT;
        if (plan_failed(&n->target, &n->plan, outcome, status, now, backoff_random()) ==
            PLAN_SCOPE_CLUSTER) {
                lanes_fail(w->lanes, outcome, status, retry_after, now);
                return;
        }
        lanes_work(w->lanes, now);
        if (n->plan.action == PLAN_INSPECT)
                return;
        writer_log_failed(&w->log, n, outcome, status, now);
        (void) str_replace(&n->problem, status->message);
}

static void take_in(Writer *w, Node *n, long code, usec_t now)
{
        static const KubeStatus broken = { .code = 200, .message = "the answer is not the API server's" };
        WriterAnswer answer;

        if (!writer_request_read(&n->plan, kube_request_body(n->request), &answer)) {
                fail(w, n, HTTP_RETRY, &broken, 0, now);
                return;
        }
        if (n->plan.action != PLAN_INSPECT) {
                succeed(w, n, code, &answer, now);
                return;
        }
        lanes_work(w->lanes, now);
        plan_inspected(&n->target, &n->plan, answer.type);
}

static void on_done(KubeRequest *q, HttpOutcome outcome, const KubeStatus *status, void *userdata)
{
        static const WriterAnswer gone = { .gone = true };
        Node *n = userdata;
        Writer *w = n->writer;
        usec_t now = clock_boottime();

        if (outcome == HTTP_OK)
                take_in(w, n, status->code, now);
        else if (is_done(n, outcome))
                succeed(w, n, status->code, &gone, now);
        else
                fail(w, n, outcome, status, kube_request_retry_after(q), now);
        n->request = kube_request_free(q);
        targets_move(w->targets, n, NODE_IDLE);
        writer_mark_dirty(w, n);
        lanes_end(w->lanes, n->plan.lane);
}

/* --- writing --------------------------------------------------------------------------------------- */

static void pretend(Writer *w, Node *n)
{
        if (!n->pretended)
                node_log(n, LOG_INFO, "would %s Secret %s",
                         n->plan.action == PLAN_DELETE ? "delete" : plan_reason_to_string(n->plan.reason),
                         w->config.secret_name);
        n->pretended = true;
        targets_move(w->targets, n, NODE_IDLE);
}

static void cannot_begin(Writer *w, Node *n, int error, usec_t now)
{
        if (n->plan.action == PLAN_INSPECT)
                plan_inspected(&n->target, &n->plan, "");
        n->target.retry_at = now + USEC_PER_SEC;
        targets_move(w->targets, n, NODE_IDLE);
        writer_mark_dirty(w, n);
        node_log(n, LOG_ERR, "cannot make a request, trying again: %s", strerror(-error));
}

static void begin(Writer *w, Node *n, usec_t now)
{
        int r;

        if (w->config.dry_run && n->plan.action != PLAN_INSPECT) {
                pretend(w, n);
                return;
        }
        n->writer = w;
        r = writer_request_begin(w->client, w->config.secret_name, &w->body, on_done, n);
        if (r < 0) {
                cannot_begin(w, n, r, now);
                return;
        }
        if (n->plan.action == PLAN_APPLY)
                plan_begun(&n->target, w->auths);
        writer_log_begun(n);
        targets_move(w->targets, n, NODE_IN_FLIGHT);
        lanes_begin(w->lanes, n->plan.lane, now);
}

/* --- planning -------------------------------------------------------------------------------------- */

static bool is_misfit(const Writer *w, const Node *n)
{
        return n->target.secret.extras_told && n->target.secret.extras != w->extras;
}

static Plan next(const Writer *w, const Node *n, usec_t now)
{
        const PlanRules rules = {
                .auths = w->auths,
                .interval = w->config.renewal->auth_token_renewal_interval,
                .on_conflict = w->config.on_conflict,
                .on_exclude = w->config.on_exclude,
        };

        return plan_next(&n->target, &rules, now);
}

/* Puts the node where its plan wants it; one that stands in a lane already stays where it is. */
static void plan(Writer *w, Node *n, usec_t now)
{
        bool fighting = n->fighting;
        NodePlace lane;

        n->target.misfit = is_misfit(w, n);
        n->plan = next(w, n, now);
        n->wake_at = n->plan.action == PLAN_WAIT ? n->plan.until : USEC_INFINITY;
        agenda_at(&w->agenda, n->wake_at);
        if (n->plan.reason == PLAN_FOREIGN || n->plan.reason == PLAN_REFUSED)
                n->appeared = 0; /* how long it takes from now on is not eatr's doing */
        writer_log_planned(&w->log, n, now);
        w->stats.fights += n->fighting && !fighting;
        lane = n->plan.lane == PACE_NOW ? NODE_NOW : NODE_BULK;
        if (n->plan.action == PLAN_NOTHING || n->plan.action == PLAN_WAIT)
                targets_move(w->targets, n, NODE_IDLE);
        else if (n->place != lane)
                targets_move(w->targets, n, lane);
}

static void run_lane(Writer *w, NodePlace place, usec_t now)
{
        PaceLane lane = place == NODE_NOW ? PACE_NOW : PACE_BULK;
        Node *n;

        while ((n = targets_head(w->targets, place))) {
                usec_t until;

                if (!lanes_may_begin(w->lanes, lane, now, &until)) {
                        agenda_at(&w->agenda, until);
                        return;
                }
                plan(w, n, now); /* much may have happened since it was put here */
                if (n->place == place)
                        begin(w, n, now);
                else if (n->place == NODE_NOW) /* which has had its turn */
                        agenda_soon(&w->agenda);
        }
}

static int on_plan(sd_event_source *s, void *userdata)
{
        Writer *w = userdata;
        usec_t now = clock_boottime();
        Node *n;

        if (!w->started)
                return 0;
        if (w->stopped) {
                w->changed(w->userdata);
                return 0;
        }
        while ((n = targets_head(w->targets, NODE_DIRTY)))
                plan(w, n, now);
        run_lane(w, NODE_NOW, now);
        run_lane(w, NODE_BULK, now);
        w->changed(w->userdata);
        return 0;
}

/* All nodes are looked at, but only when the first of them is due. */
static int on_wake(sd_event_source *s, uint64_t usec, void *userdata)
{
        Writer *w = userdata;
        usec_t now = clock_boottime();

        agenda_woken(&w->agenda);
        TARGETS_FOREACH (n, next, w->targets) {
                if (n->wake_at <= now)
                        writer_mark_dirty(w, n);
                else
                        agenda_at(&w->agenda, n->wake_at);
        }
        agenda_soon(&w->agenda);
        return 0;
}

/* One in flight is planned again when its answer comes, one that goes next when it leaves its lane; but what
 * waits for its turn among the renewals may have become urgent. */
void writer_mark_dirty(Writer *w, Node *n)
{
        if (n->place == NODE_IDLE || n->place == NODE_BULK)
                targets_move(w->targets, n, NODE_DIRTY);
        agenda_soon(&w->agenda);
}

void writer_mark_all_dirty(Writer *w)
{
        TARGETS_FOREACH (n, next, w->targets)
                if (n->exists)
                        writer_mark_dirty(w, n);
}

void writer_start(Writer *w)
{
        w->started = true;
        agenda_soon(&w->agenda);
}

void writer_stop(Writer *w)
{
        w->stopped = true;
}

void writer_drop(Writer *w, Node *n)
{
        bool in_flight = n->place == NODE_IN_FLIGHT;
        PaceLane lane = n->plan.lane;

        if (w->log.events)
                events_settle(w->log.events, n->name);
        if (n->target.secret.exists)
                targets_reset(w->targets, n);
        else
                targets_drop(w->targets, n);
        if (in_flight)
                lanes_end(w->lanes, lane);
}

/* --- the whole ------------------------------------------------------------------------------------- */

/* Secrets that an earlier start has written with these tokens are no other's. */
static void own_written(Writer *w)
{
        TARGETS_FOREACH (n, next, w->targets)
                if (w->auths && streq(n->target.secret.token_id, w->auths->id) && !is_misfit(w, n))
                        plan_begun(&n->target, w->auths);
}

static int render(Writer *w, const Auths *auths)
{
        _cleanup_buf_ Buf body = BUF_INIT_SECRET(KUBE_SECRET_BODY_MAX);
        int r;

        r = kube_secret_render(w->config.secret_name, &w->config.extras, auths, &body);
        if (r < 0)
                return r;
        buf_done(&w->body);
        w->body = body;
        body = BUF_INIT(0); /* the writer's now */
        w->extras = kube_secret_extras_id(&w->config.extras);
        return 0;
}

int writer_set_auths(Writer *w, Auths *auths)
{
        int r;

        r = render(w, auths);
        if (r < 0)
                return r;
        own_written(w);
        auths_unref(w->auths);
        w->auths = auths_ref(auths);
        writer_mark_all_dirty(w);
        return 0;
}

static void configure(Writer *w, const WriterConfig *config)
{
        w->config = *config;
        w->log.secret_name = config->secret_name;
}

/* Nobody has undone what was written with other extras. */
static void change_extras(Writer *w)
{
        int r;

        r = render(w, w->auths);
        if (r < 0) {
                log_error_errno(r,
                                "Cannot make Secrets with other labels and annotations, they stay as they "
                                "are until there is a new token: %m");
                return;
        }
        TARGETS_FOREACH (n, next, w->targets)
                n->target.written[0] = '\0';
}

void writer_reload(Writer *w, const WriterConfig *config)
{
        configure(w, config);
        if (w->auths && kube_secret_extras_id(&config->extras) != w->extras)
                change_extras(w);
        TARGETS_FOREACH (n, next, w->targets)
                n->pretended &= config->dry_run;
        writer_mark_all_dirty(w);
}

void writer_take_over(Writer *w, const Writer *old)
{
        w->stats = old->stats;
}

static void on_moved(void *userdata)
{
        Writer *w = userdata;

        agenda_soon(&w->agenda);
}

int writer_new(sd_event *event, const WriterConfig *config, const WriterParts *parts,
               writer_changed_t changed, void *userdata, Writer **ret)
{
        _cleanup_(writer_freep) Writer *w = NULL;
        int r;

        w = calloc(1, sizeof(*w));
        if (!w)
                return -ENOMEM;
        configure(w, config);
        w->targets = parts->targets;
        w->client = parts->client;
        w->lanes = parts->lanes;
        w->log.events = parts->events;
        w->changed = changed;
        w->userdata = userdata;
        r = agenda_init(&w->agenda, event, SD_EVENT_PRIORITY_NORMAL, on_plan, on_wake, w);
        if (r < 0)
                return r;
        lanes_add_user(w->lanes, on_moved, w);
        *ret = TAKE_PTR(w);
        return 0;
}

const Auths *writer_auths(const Writer *w)
{
        return w->auths;
}

const WriterStats *writer_stats(const Writer *w)
{
        return &w->stats;
}

bool writer_stalled(const Writer *w, usec_t now)
{
        return agenda_stalled(&w->agenda, now);
}

Writer *writer_free(Writer *w)
{
        if (!w)
                return NULL;
        agenda_done(&w->agenda);
        auths_unref(w->auths);
        buf_done(&w->body);
        free(w);
        return NULL;
}
