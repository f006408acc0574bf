/* SPDX-License-Identifier: MIT */
#pragma once

#include "cluster.h"
#include "eks-config.h"
#include "health.h"

/* The daemon: ties the registry to the cluster and tells systemd how it goes. */

typedef struct Eatr Eatr;

typedef enum EatrMode {
        EATR_RUN,  /* until stopped */
        EATR_ONCE, /* one full pass */
} EatrMode;

typedef struct EatrConfig {
        const Conf *conf;
        const RegistryConfigs *registries;
        const KubeConfig *kube;
        const EksConfig *eks; /* the tokens to be made for kube; may be NULL */
        EatrMode mode;
        bool dry_run;
        TokenStore *store; /* where the token outlives a restart, with what did; NULL: nowhere */
} EatrConfig;

/* Makes it and begins; the loop then has to be run. In EATR_ONCE the loop is left with 0 if every wanted
 * namespace has a fresh Secret (in a dry run: would have one) and with 1 otherwise; in EATR_RUN with 0 on
 * SIGTERM or SIGINT, which have to be blocked: writes that are under way have up to 4 s to end. What config
 * points to has to outlive it. Returns 0 or a negative errno. */
int eatr_new(sd_event *event, const EatrConfig *config, Eatr **ret);

/* Goes on with another configuration, which from now on has to outlive it in place of the old one. The token
 * is kept if it is good and for the same registry, and the watches if kube is the same and the Secret's name
 * is equal. Returns 0, -ECANCELED if it has been told to stop, or another negative errno; then all is as it
 * was. */
int eatr_reload(Eatr *e, const EatrConfig *config);

/* Tell systemd that a reload begins and has ended. Not before the start has ended, which the latter would
 * seem to say. problem is why it has not taken effect, or NULL; it is shown until one has. */
void eatr_begin_reload(const Eatr *e);
void eatr_end_reload(Eatr *e, const char *problem);

/* Why the last reload has not taken effect; "" if it has. */
const char *eatr_reload_problem(const Eatr *e);

const Registries *eatr_registries(const Eatr *e);
const Cluster *eatr_cluster(const Eatr *e);
const KubeAuth *eatr_auth(const Eatr *e);

/* CLOCK_REALTIME of the start. */
usec_t eatr_started(const Eatr *e);

/* Whether all that should go on by itself does; reason is then "", else a sentence. */
bool eatr_is_healthy(const Eatr *e, char reason[static HEALTH_REASON_MAX]);

/* Whether eatr can do its job: it holds a good token, and can read and write the cluster. */
bool eatr_is_ready(const Eatr *e, char reason[static HEALTH_REASON_MAX]);

Eatr *eatr_free(Eatr *e);
DEFINE_TRIVIAL_CLEANUP_FUNC(Eatr *, eatr_free);
