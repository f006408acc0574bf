/* SPDX-License-Identifier: MIT */
#pragma once

#include "plan.h"

#include <sys/queue.h>

/* The table of namespaces, each with what plan decides on and where it stands in the work. */

typedef struct Targets Targets;

/* A node stands in the queue of its place, or in none of them while idle or in flight. */
typedef enum NodePlace {
        NODE_IDLE,
        NODE_IN_FLIGHT, /* its Secret is being written, deleted or inspected */
        NODE_DIRTY,     /* to be planned */
        NODE_NOW,       /* the same is to be done, in the lane of that name */
        NODE_BULK,
        _NODE_PLACE_MAX,
} NodePlace;

typedef struct Node {
        char *name;
        Target target;
        bool exists;              /* the namespace does; its Secret may be seen before it */
        MatchNamespace namespace; /* as last seen; what the rules judge */
        unsigned rule;            /* of the verdict, see MatchDecision */
        bool misled;     /* it has been told that its annotation does not mean what somebody may think */
        usec_t appeared; /* CLOCK_BOOTTIME when a watch showed the namespace; 0: it was there at the start */
        bool namespace_seen, secret_seen; /* since the last lists of them began */
        bool answered; /* a write was answered since the last list of Secrets began, which may not know of it
                        */

        NodePlace place;
        Plan plan;       /* the last one; of the write while in flight */
        PlanReason told; /* the state that was last told of, or that there is nothing to tell of */
        bool fighting;   /* the begin of a fight has been told of, and not yet its end */
        bool warned;     /* its failure has been told of aloud */
        char *problem;   /* why the last write failed; NULL: it did not */
        char *was; /* what is about to be taken over or replaced, in words; NULL: nothing, or no memory */
        usec_t wake_at;  /* CLOCK_BOOTTIME to plan it again; USEC_INFINITY: no need */
        bool pretended;  /* in a dry run: its write has been told of */
        KubeRequest *request;
        void *writer; /* of request */

        TAILQ_ENTRY(Node) all, queue;
} Node;

/* Walks all nodes; the one at hand may be dropped. */
#define TARGETS_FOREACH(node, next, targets)                                                           \
        for (Node *node = targets_first(targets), *next; node && (next = TAILQ_NEXT(node, all), true); \
             node = next)

int targets_new(Targets **ret);

Node *targets_first(const Targets *t);

/* The node of that name, or NULL. */
Node *targets_find(const Targets *t, const char *name);

/* Adds one that is not there yet; NULL when memory is out. It belongs to the table. */
Node *targets_add(Targets *t, const char *name);

/* Takes a node out and frees it, its request included. */
void targets_drop(Targets *t, Node *n);

/* Makes a node one of which only the Secret is known: its namespace is gone. Its request is freed. */
void targets_reset(Targets *t, Node *n);

/* The only way to change a node's place: to the end of that queue. */
void targets_move(Targets *t, Node *n, NodePlace place);

/* The first in a queue, or NULL. */
Node *targets_head(const Targets *t, NodePlace place);

/* Logs "namespace NAME: ..." with the field EATR_NAMESPACE; id is one of message.h's, or NULL; file is
 * __FILE__. */
void targets_log(const Node *n, int level, const char *id, const char *file, const char *format, ...)
        _printf_(5, 6);
#define node_log(n, level, ...) targets_log(n, level, NULL, __FILE__, __VA_ARGS__)
#define node_event(n, level, id, ...) targets_log(n, level, id, __FILE__, __VA_ARGS__)

Targets *targets_free(Targets *t);
DEFINE_TRIVIAL_CLEANUP_FUNC(Targets *, targets_free);
