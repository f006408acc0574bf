/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "log.h"
#include "targets.h"

#include <errno.h>
#include <search.h>
#include <stdarg.h>
#include <stdio.h>

typedef TAILQ_HEAD(NodeQueue, Node) NodeQueue;

struct Targets {
        void *by_name; /* tsearch(3) */
        NodeQueue all;
        NodeQueue queues[_NODE_PLACE_MAX];
};

static int compare_nodes(const void *a, const void *b)
{
        return strcmp(((const Node *) a)->name, ((const Node *) b)->name);
}

static bool is_queue(NodePlace place)
{
        return place != NODE_IDLE && place != NODE_IN_FLIGHT;
}

int targets_new(Targets **ret)
{
        Targets *t = calloc(1, sizeof(*t));

        if (!t)
                return -ENOMEM;
        TAILQ_INIT(&t->all);
        for (NodePlace p = 0; p < _NODE_PLACE_MAX; p++)
                TAILQ_INIT(&t->queues[p]);
        *ret = t;
        return 0;
}

Node *targets_first(const Targets *t)
{
        return TAILQ_FIRST(&t->all);
}

Node *targets_find(const Targets *t, const char *name)
{
        Node key = { .name = (char *) name };
        Node *const *found = tfind(&key, &t->by_name, compare_nodes);

        return found ? *found : NULL;
}

static void free_work(Node *n)
{
        (void) kube_request_free(n->request);
        free(n->problem);
        free(n->was);
}

static Node *node_free(Node *n)
{
        free_work(n);
        free(n->name);
        free(n);
        return NULL;
}

Node *targets_add(Targets *t, const char *name)
{
        Node *n = calloc(1, sizeof(*n));

        if (!n)
                return NULL;
        n->wake_at = USEC_INFINITY;
        n->told = PLAN_FRESH;
        n->name = strdup(name);
        if (!n->name || !tsearch(n, &t->by_name, compare_nodes))
                return node_free(n);
        TAILQ_INSERT_TAIL(&t->all, n, all);
        return n;
}

void targets_drop(Targets *t, Node *n)
{
        targets_move(t, n, NODE_IDLE);
        (void) tdelete(n, &t->by_name, compare_nodes);
        TAILQ_REMOVE(&t->all, n, all);
        (void) node_free(n);
}

void targets_reset(Targets *t, Node *n)
{
        targets_move(t, n, NODE_IDLE);
        free_work(n);
        *n = (Node){
                .name = n->name,
                .target.secret = n->target.secret,
                .secret_seen = n->secret_seen,
                .answered = n->answered,
                .told = PLAN_FRESH,
                .wake_at = USEC_INFINITY,
                .all = n->all,
        };
}

void targets_move(Targets *t, Node *n, NodePlace place)
{
        if (is_queue(n->place))
                TAILQ_REMOVE(&t->queues[n->place], n, queue);
        n->place = place;
        if (is_queue(place))
                TAILQ_INSERT_TAIL(&t->queues[place], n, queue);
}

Node *targets_head(const Targets *t, NodePlace place)
{
        return TAILQ_FIRST(&t->queues[place]);
}

void targets_log(const Node *n, int level, const char *id, const char *file, const char *format, ...)
{
        const LogField fields[] = { { "MESSAGE_ID", id }, { "EATR_NAMESPACE", n->name }, { NULL } };
        char text[1024];
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        log_full(level, file, 0, fields, "namespace %s: %s", n->name, text);
}

Targets *targets_free(Targets *t)
{
        Node *n;

        if (!t)
                return NULL;
        while ((n = TAILQ_FIRST(&t->all)))
                targets_drop(t, n);
        free(t);
        return NULL;
}
