/* SPDX-License-Identifier: MIT */
#pragma once

#include "accounts.h"
#include "cluster-summary.h"
#include "writer.h"

/* One cluster: watches its namespaces and the Secrets of eatr's name in them, and has a writer give every
 * wanted namespace its Secret. What a watch says is recorded and marked dirty, nothing more. Service accounts are
 * told of the namespaces. */

typedef struct Cluster Cluster;

typedef struct ClusterConfig {
        KubeAuth *auth;
        const ConfNamespaces *namespaces;
        char *const *service_accounts; /* see AccountRules */
        char *const *only; /* a purge: globs of the namespaces that there are for this cluster, in
                                which accounts lose their entries, too; NULL: none, and all */
        WriterConfig writer;
} ClusterConfig;

/* Something that is worth showing changed. May not free the cluster. */
typedef void (*cluster_changed_t)(void *userdata);

/* stats, and what config points to, have to outlive the cluster. Begins at once. Returns 0 or a negative errno. */
int cluster_new(sd_event *event, const ClusterConfig *config, KubeStats *stats, cluster_changed_t changed,
                void *userdata, Cluster **ret);

/* Takes another configuration, whose auth and writer.secret_name have to be the same; the old one
 * still has to be there. The rules are applied anew, and the watches go on. As no labels are kept, a
 * namespace that another selector may take gets its new verdict when the namespaces have been listed anew,
 * which begins at once. */
void cluster_reload(Cluster *c, const ClusterConfig *config);

/* Counts on from what another one has counted. */
void cluster_take_over(Cluster *c, const Cluster *old);

/* See writer_stop(); how many writes are under way. */
void cluster_stop(Cluster *c);
unsigned cluster_in_flight(const Cluster *c);

/* See writer_set_auths(). */
int cluster_set_auths(Cluster *c, Auths *auths);

void cluster_summary(const Cluster *c, ClusterSummary *ret);

/* Every namespace there is, and what becomes of its Secret. */
const Targets *cluster_targets(const Cluster *c);

/* Whether everything that could be done now has been tried: both lists are read, and every wanted
 * namespace has a good Secret, one that is not eatr's to write, or so many tries behind it. The same of service
 * accounts. */
bool cluster_settled(const Cluster *c, unsigned tries);

/* Whether both lists have been read since the start. */
bool cluster_synced(const Cluster *c);

/* Why the API server cannot be read or written at the moment, "" if it can; and how often in a row it
 * could not. */
const char *cluster_error(const Cluster *c);
unsigned cluster_failures(const Cluster *c);

const WriterStats *cluster_stats(const Cluster *c);
const EventsStats *cluster_events_stats(const Cluster *c);
const KubeStats *cluster_kube_stats(const Cluster *c);

/* The service accounts, which are nothing to the above but for cluster_settled() and cluster_stalled(). */
const Accounts *cluster_accounts(const Cluster *c);

/* All watches together, see kube_watch_restarts() and kube_watch_relists(). */
uint64_t cluster_watch_restarts(const Cluster *c);
uint64_t cluster_relists(const Cluster *c);

/* Whether something is long overdue. now is CLOCK_BOOTTIME. */
bool cluster_stalled(const Cluster *c, usec_t now);

Cluster *cluster_free(Cluster *c);
DEFINE_TRIVIAL_CLEANUP_FUNC(Cluster *, cluster_free);
