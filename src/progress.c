/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "log.h"
#include "progress.h"

#include <errno.h>

/* How often a failed write, or the API server, is tried again before one pass is given up. */
#define ONCE_TRIES 3U

static bool no_token_comes(const Registries *r)
{
        return !registries_auths(r) && registries_failing(r) > 0;
}

bool progress_is_first_pass_tried(const Registries *registries, const Cluster *cluster)
{
        return no_token_comes(registries) || cluster_failures(cluster) > 0 || cluster_settled(cluster, 1);
}

static bool everything_is_fresh(const Registries *registries, const Cluster *cluster, bool dry_run)
{
        AccountSummary accounts;
        ClusterSummary s;

        cluster_summary(cluster, &s);
        accounts_summary(cluster_accounts(cluster), &accounts);
        return registries_good(registries) == registries_count(registries) &&
               registries_failing(registries) == 0 && s.failing + s.conflict == 0 &&
               accounts.failing + accounts.fought == 0 && !*accounts_error(cluster_accounts(cluster)) &&
               (s.pending + s.due + accounts.pending == 0 || dry_run);
}

int progress_of_one_pass(const Registries *registries, const Cluster *cluster, bool dry_run)
{
        bool settled = registries_settled(registries);

        if (settled && cluster_settled(cluster, ONCE_TRIES))
                return everything_is_fresh(registries, cluster, dry_run) ? 0 : 1;
        if (settled && no_token_comes(registries)) {
                log_error("Giving up: no token");
                return 1;
        }
        if (cluster_failures(cluster) >= ONCE_TRIES) {
                log_error("Giving up: %s", cluster_error(cluster));
                return 1;
        }
        return -EAGAIN;
}
