/* SPDX-License-Identifier: MIT */
#pragma once

#include "cluster.h"
#include "conf.h"
#include "registry.h"

/* The daemon: ties the registry to the cluster and tells systemd how it goes. */

typedef struct Eatr Eatr;

typedef enum EatrMode {
        EATR_RUN,  /* until stopped */
        EATR_ONCE, /* one full pass */
} EatrMode;

typedef struct EatrConfig {
        const Conf *conf;
        const KubeConfig *kube;
        EatrMode mode;
        bool dry_run;
} EatrConfig;

/* Makes it and begins; the loop then has to be run. In EATR_ONCE the loop is left with 0 if every wanted
 * namespace has a fresh Secret (in a dry run: would have one) and with 1 otherwise; in EATR_RUN with 0 on
 * SIGTERM or SIGINT, which have to be blocked. What config points to has to outlive it. Returns 0 or a
 * negative errno. */
int eatr_new(sd_event *event, const EatrConfig *config, Eatr **ret);

const Registry *eatr_registry(const Eatr *e);
const Cluster *eatr_cluster(const Eatr *e);

/* CLOCK_REALTIME of the start. */
usec_t eatr_started(const Eatr *e);

/* Whether all that should go on by itself does; reason is then "", else a sentence. */
#define EATR_REASON_MAX 512U
bool eatr_is_healthy(const Eatr *e, char reason[static EATR_REASON_MAX]);

/* Whether eatr can do its job: it holds a good token, and can read and write the cluster. */
bool eatr_is_ready(const Eatr *e, char reason[static EATR_REASON_MAX]);

Eatr *eatr_free(Eatr *e);
DEFINE_TRIVIAL_CLEANUP_FUNC(Eatr *, eatr_free);
