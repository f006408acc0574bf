/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "log.h"
#include "message.h"
#include "writer-log.h"

#include <stdarg.h>
#include <stdio.h>

#define FAILURES_MAX 20U
#define CONFLICTS_MAX 100U
#define WARNINGS_INTERVAL (5 * USEC_PER_MINUTE)

/* For what is not logged, as it has been before. */
#define LOG_NOTHING (-1)

/* what namespaces do of which there are so many. */
static bool may_warn(WriterLogBudget *b, unsigned max, const char *what, usec_t now)
{
        if (now >= b->until)
                *b = (WriterLogBudget){ .until = now + WARNINGS_INTERVAL };
        b->n++;
        if (b->n == max + 1)
                log_warning("More namespaces %s; they are counted in eatr_namespaces, and logged when "
                            "debugging",
                            what);
        return b->n <= max;
}

/* What the owners of a namespace may want to know, too. */
static bool concerns_owners(const char *id, KubeEventReason *ret)
{
        static const struct {
                const char *id;
                KubeEventReason reason;
        } all[] = {
                { MESSAGE_SECRET_FOREIGN, KUBE_EVENT_CONFLICT },
                { MESSAGE_SECRET_DENIED, KUBE_EVENT_DENIED },
                { MESSAGE_SECRET_QUOTA, KUBE_EVENT_QUOTA },
                { MESSAGE_SECRET_REFUSED, KUBE_EVENT_IMMUTABLE },
                { MESSAGE_SECRET_FOUGHT_OVER, KUBE_EVENT_FIGHTING },
                { MESSAGE_SECRET_ADOPTED, KUBE_EVENT_ADOPTED },
        };

        for (size_t i = 0; i < ELEMENTSOF(all); i++)
                if (streq(all[i].id, id)) {
                        *ret = all[i].reason;
                        return true;
                }
        return false;
}

/* The one place for what the owners of a namespace may want to know: id says what it is, the text goes
 * without the name of the namespace. */
static void _printf_(5, 6)
        tell(const WriterLog *l, const Node *n, int level, const char *id, const char *format, ...)
{
        KubeEventReason reason;
        char text[1024];
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        if (level != LOG_NOTHING)
                node_event(n, level, id, "%s", text);
        if (l->events && concerns_owners(id, &reason))
                events_tell(l->events, n->name, n->target.secret.uid, reason, text);
}

/* --- what is planned ------------------------------------------------------------------------------- */

#define TRAITS_MAX 160

static bool has_other_type(const Node *n)
{
        return *n->target.type && !streq(n->target.type, KUBE_SECRET_TYPE);
}

/* ", it has type Opaque and was written by helm", as far as it is known. */
static const char *describe(const Node *n, char ret[static TRAITS_MAX])
{
        const KubeSecret *s = &n->target.secret;
        const char *traits[][2] = { { "has type ", has_other_type(n) ? n->target.type : NULL },
                                    { "is immutable", s->immutable ? "" : NULL },
                                    { "was written by ", *s->manager ? s->manager : NULL } };
        size_t left = 0, size = 0;

        for (size_t i = 0; i < ELEMENTSOF(traits); i++)
                left += traits[i][1] != NULL;
        ret[0] = '\0';
        for (size_t i = 0; i < ELEMENTSOF(traits); i++) {
                if (!traits[i][1])
                        continue;
                left--;
                size += (size_t) snprintf(ret + size, TRAITS_MAX - size, "%s%s%s",
                                          size == 0   ? ", it "
                                          : left == 0 ? " and "
                                                      : ", ",
                                          traits[i][0], traits[i][1]);
                size = MIN(size, TRAITS_MAX - 1U);
        }
        return ret;
}

static void log_foreign(const WriterLog *l, const Node *n, int level)
{
        bool stuck = has_other_type(n) || n->target.secret.immutable;
        char traits[TRAITS_MAX];

        tell(l, n, level, MESSAGE_SECRET_FOREIGN,
             "Secret %s is not eatr's%s, leaving it; set on_conflict = %s in [secret] to %s, or choose "
             "another name there",
             l->secret_name, describe(n, traits), stuck ? "recreate" : "adopt",
             stuck ? "replace it" : "take it over");
}

static void log_refused(const WriterLog *l, const Node *n, int level)
{
        const char *type = *n->target.type ? n->target.type : NULL;
        bool other = n->target.refusal == PLAN_REFUSED_TYPE;

        tell(l, n, level, MESSAGE_SECRET_REFUSED,
             "Secret %s %s%s, leaving it; set on_conflict = recreate in [secret] to replace it, or delete "
             "it",
             l->secret_name,
             !other ? "is immutable"
             : type ? "cannot be changed, it has type "
                    : "cannot be changed, it has another type",
             other && type ? type : "");
}

static void log_kept(const WriterLog *l, const Node *n)
{
        const char *manager = n->target.secret.manager;

        if (n->plan.reason == PLAN_KEPT)
                node_log(n, LOG_DEBUG, "keeping Secret %s, which gets no new tokens", l->secret_name);
        else
                node_log(n, LOG_INFO, "keeping Secret %s, which is not eatr's alone: %s wrote to it, too",
                         l->secret_name, *manager ? manager : "others");
}

/* How loudly a conflict is told of, which may last since before. */
static int conflict_level(WriterLog *l, bool begins, usec_t now)
{
        if (!begins)
                return LOG_NOTHING;
        return may_warn(&l->conflicts, CONFLICTS_MAX, "have a Secret in conflict", now)
                       ? LOG_WARNING
                       : LOG_DEBUG;
}

static void log_fight(WriterLog *l, Node *n, usec_t now)
{
        const Target *t = &n->target;
        const char *who = t->secret.exists && *t->secret.manager ? t->secret.manager : "something";
        int level = conflict_level(l, !n->fighting, now);

        n->fighting = true;
        if (t->verdict != MATCH_WANTED)
                tell(l, n, level, MESSAGE_SECRET_FOUGHT_OVER,
                     "something keeps creating Secret %s, though the namespace is excluded; deleting it "
                     "once a minute from now on, and ever less often while this goes on",
                     l->secret_name);
        else
                tell(l, n, level, MESSAGE_SECRET_FOUGHT_OVER,
                     "%s keeps %s Secret %s; writing it only once a minute from now on, and ever less often "
                     "while this goes on",
                     who, t->secret.exists ? "changing" : "deleting", l->secret_name);
}

static void log_peace(const WriterLog *l, Node *n, usec_t now)
{
        if (!n->fighting || plan_is_fought_over(&n->target, now))
                return;
        n->fighting = false;
        node_log(n, LOG_INFO, "nobody undoes any more what eatr does with Secret %s", l->secret_name);
}

/* States that others follow soon: a state of before that comes back behind them is the same one still. */
static bool is_passing(PlanReason reason)
{
        switch (reason) {
        case PLAN_UNWANTED:
        case PLAN_KEPT:
        case PLAN_SHARED:
        case PLAN_FOREIGN:
        case PLAN_REFUSED:
        case PLAN_GOING:
        case PLAN_FRESH:
                return false;
        default:
                return true;
        }
}

static void log_state(WriterLog *l, const Node *n, bool begins, usec_t now)
{
        if (n->plan.reason == PLAN_FOREIGN)
                log_foreign(l, n, conflict_level(l, begins, now));
        else if (n->plan.reason == PLAN_REFUSED)
                log_refused(l, n, conflict_level(l, begins, now));
        else if (l->events)
                events_settle(l->events, n->name);
        if (begins && (n->plan.reason == PLAN_KEPT || n->plan.reason == PLAN_SHARED))
                log_kept(l, n);
        else if (begins && n->plan.reason == PLAN_GOING)
                node_log(n, LOG_INFO, "Secret %s is being deleted, waiting for its finalizers",
                         l->secret_name);
}

void writer_log_planned(WriterLog *l, Node *n, usec_t now)
{
        log_peace(l, n, now);
        if (n->plan.reason == PLAN_FIGHTING)
                log_fight(l, n, now);
        if (n->plan.action == PLAN_INSPECT || is_passing(n->plan.reason))
                return;
        log_state(l, n, n->plan.reason != n->told, now);
        n->told = n->plan.reason;
}

/* --- what is written and deleted ------------------------------------------------------------------- */

/* The watch may show what has become of it before the answer comes. */
void writer_log_begun(Node *n)
{
        bool conflict = n->plan.reason == PLAN_ADOPT || n->plan.reason == PLAN_RECREATE;
        char traits[TRAITS_MAX];

        (void) str_replace(&n->was, conflict ? describe(n, traits) : NULL);
}

static void log_applied(const WriterLog *l, const Node *n, long code)
{
        const char *name = l->secret_name;

        if (n->plan.reason == PLAN_HEAL)
                node_event(n, LOG_INFO, MESSAGE_SECRET_HEALED, "Secret %s had been %s, it is back", name,
                           code == 201 ? "deleted" : "edited");
        else if (n->plan.reason == PLAN_ADOPT)
                tell(l, n, LOG_INFO, MESSAGE_SECRET_ADOPTED, "Secret %s is eatr's from now on%s", name,
                     n->was ? n->was : "");
        else
                node_log(n, n->appeared > 0 ? LOG_INFO : LOG_DEBUG, "%s Secret %s",
                         code == 201 ? "created" : "renewed", name);
}

static void log_deleted(const WriterLog *l, const Node *n)
{
        if (n->plan.reason == PLAN_RECREATE)
                tell(l, n, LOG_INFO, MESSAGE_SECRET_DELETED,
                     "deleted Secret %s, which could not be changed, to create it anew%s", l->secret_name,
                     n->was ? n->was : "");
        else
                tell(l, n, LOG_INFO, MESSAGE_SECRET_DELETED, "deleted Secret %s, as the namespace is %s",
                     l->secret_name, match_verdict_to_string(n->target.verdict));
}

void writer_log_written(const WriterLog *l, Node *n, long code)
{
        if (n->warned)
                node_log(n, LOG_INFO, "%s Secret %s works again",
                         n->plan.action == PLAN_DELETE ? "deleting" : "writing", l->secret_name);
        n->warned = false;
        if (n->plan.action == PLAN_DELETE)
                log_deleted(l, n);
        else
                log_applied(l, n, code);
}

/* --- what fails ------------------------------------------------------------------------------------ */

/* What one namespace lacks the others most likely do, too. */
static bool is_news(WriterLog *l, const Node *n, const KubeStatus *status, usec_t now)
{
        unsigned right = 1U << n->plan.action;

        if (status->denial == KUBE_DENIAL_RIGHTS) {
                bool told = l->rights_told & right;

                l->rights_told |= right;
                return !told;
        }
        return (!n->warned || !n->problem || !streq(n->problem, status->message)) &&
               may_warn(&l->failures, FAILURES_MAX, "are failing", now);
}

static const char *advice(const KubeStatus *status)
{
        if (status->code == 415)
                return " (Kubernetes 1.16 or newer is needed)";
        if (status->denial != KUBE_DENIAL_RIGHTS)
                return "";
        /* Every right that is missing is named, but for the one to create, by older servers. */
        if (!strstr(status->message, " cannot "))
                return " (is the right to create Secrets of this name missing? see RIGHTS in eatr(8))";
        return " (see RIGHTS in eatr(8); other namespaces in which it is missing are not named)";
}

static const char *failure_id(const KubeStatus *status)
{
        if (status->denial == KUBE_DENIAL_QUOTA)
                return MESSAGE_SECRET_QUOTA;
        return status->denial == KUBE_DENIAL_POLICY ? MESSAGE_SECRET_DENIED : MESSAGE_SECRET_FAILED;
}

void writer_log_failed(WriterLog *l, Node *n, HttpOutcome outcome, const KubeStatus *status, usec_t now)
{
        bool settles = outcome == HTTP_NOT_FOUND || outcome == HTTP_CONFLICT || status->other_uid ||
                       status->namespace_terminating;
        const char *what = n->plan.action == PLAN_DELETE ? "delet" : "writ";
        char text[CLOCK_DURATION_MAX];
        bool news;

        /* What a watch event will settle is not worth a warning, unless none does. */
        if ((settles && n->target.failures <= 1) || n->target.retry_at <= now) {
                node_log(n, LOG_DEBUG, "%sing Secret %s: %s", what, l->secret_name, status->message);
                return;
        }
        news = is_news(l, n, status, now);
        n->warned |= news;
        tell(l, n, news ? LOG_WARNING : LOG_DEBUG, failure_id(status),
             "cannot %se Secret %s: %s%s; trying again in %s", what, l->secret_name, status->message,
             advice(status), clock_format_duration(text, n->target.retry_at - now));
}
