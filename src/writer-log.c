/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "log.h"
#include "message.h"
#include "writer-log.h"

#define WARNINGS_MAX 20U
#define WARNINGS_INTERVAL (5 * USEC_PER_MINUTE)

void writer_log_planned(const WriterLog *l, Node *n)
{
        const char *name = l->secret_name, *manager = n->target.secret.manager;

        if (n->plan.reason == n->told)
                return;
        n->told = n->plan.reason;
        if (n->told == PLAN_FOREIGN)
                node_event(n, LOG_WARNING, MESSAGE_SECRET_FOREIGN,
                           "Secret %s is not eatr's%s%s, leaving it; delete it, or choose another name in "
                           "[secret], to have one here",
                           name, *manager ? ", it was written by " : "", manager);
        else if (n->told == PLAN_REFUSED)
                node_event(n, LOG_WARNING, MESSAGE_SECRET_REFUSED,
                           "Secret %s has another type or is immutable, leaving it; delete it to have it "
                           "written anew",
                           name);
        else if (n->told == PLAN_FIGHTING)
                node_event(n, LOG_WARNING, MESSAGE_SECRET_FOUGHT_OVER,
                           "something keeps changing or deleting Secret %s, writing it only once a minute "
                           "from now on",
                           name);
}

void writer_log_written(const WriterLog *l, Node *n, long code)
{
        const char *name = l->secret_name;

        if (n->warned)
                node_log(n, LOG_INFO, "writing Secret %s works again", name);
        n->warned = false;
        if (n->plan.reason == PLAN_HEAL)
                node_event(n, LOG_INFO, MESSAGE_SECRET_HEALED, "Secret %s had been %s, it is back", name,
                           code == 201 ? "deleted" : "edited");
        else
                node_log(n, n->appeared > 0 ? LOG_INFO : LOG_DEBUG, "%s Secret %s",
                         code == 201 ? "created" : "renewed", name);
}

static bool may_warn(WriterLog *l, usec_t now)
{
        if (now >= l->warnings_until) {
                l->warnings = 0;
                l->warnings_until = now + WARNINGS_INTERVAL;
        }
        l->warnings++;
        if (l->warnings == WARNINGS_MAX + 1)
                log_warning("More namespaces are failing; they are counted in eatr_namespaces, and logged "
                            "when debugging");
        return l->warnings <= WARNINGS_MAX;
}

static const char *advice(const KubeStatus *status)
{
        if (status->code == 415)
                return " (Kubernetes 1.16 or newer is needed)";
        /* What a missing right to create is answered with; that to patch is named. */
        if (status->code == 403 && strlen(status->message) > 2 &&
            streq(status->message + strlen(status->message) - 2, ": "))
                return " (is the right to create Secrets of this name missing? see RIGHTS in eatr(8))";
        return "";
}

void writer_log_failed(WriterLog *l, Node *n, HttpOutcome outcome, const KubeStatus *status, usec_t now)
{
        bool settles = outcome == HTTP_NOT_FOUND || outcome == HTTP_CONFLICT, warn;
        char text[CLOCK_DURATION_MAX];

        /* What a watch event will settle is not worth a warning, unless none does. */
        if ((settles && n->target.failures <= 1) || n->target.retry_at <= now) {
                node_log(n, LOG_DEBUG, "writing Secret %s: %s", l->secret_name, status->message);
                return;
        }
        warn = may_warn(l, now);
        n->warned |= warn;
        node_event(n, warn ? LOG_WARNING : LOG_DEBUG, MESSAGE_SECRET_FAILED,
                   "cannot write Secret %s: %s%s; trying again in %s", l->secret_name, status->message,
                   advice(status), clock_format_duration(text, n->target.retry_at - now));
}
