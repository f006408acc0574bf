/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "health.h"

#include <stdio.h>

bool health_is_alive(const Registries *registries, const Keyring *keyring, const Cluster *cluster,
                     usec_t now, char reason[static HEALTH_REASON_MAX])
{
        reason[0] = '\0';
        if (registries_stalled(registries, now))
                (void) snprintf(reason, HEALTH_REASON_MAX, "The renewal of the token is stuck");
        else if (cluster_stalled(cluster, now) || keyring_stalled(keyring, now))
                (void) snprintf(reason, HEALTH_REASON_MAX, "A watch of the API server is stuck");
        return !reason[0];
}

static void judge_registry(const Registry *r, char reason[static HEALTH_REASON_MAX])
{
        const RegistryConfig *config = registry_config(r);
        const Verify *verify = registry_verify(r);
        const char *error = registry_error(r), *refusal = verify_error(verify);

        if (registry_token_left(r) == 0)
                (void) snprintf(reason, HEALTH_REASON_MAX, "%sno good token%s%s", config->label,
                                *error ? ": " : "", error);
        else if (config->verify == CONF_VERIFY_REQUIRED && verify && verify_result(verify) != VERIFY_GOOD)
                (void) snprintf(reason, HEALTH_REASON_MAX, "%s%s is not known to take the token: %s",
                                config->label, registry_token(r)->host,
                                *refusal ? refusal : "it has not answered yet");
}

static void judge_cluster(const Cluster *c, char reason[static HEALTH_REASON_MAX])
{
        ClusterSummary s;

        cluster_summary(c, &s);
        if (!cluster_synced(c) || *cluster_error(c))
                (void) snprintf(reason, HEALTH_REASON_MAX, "the API server cannot be used%s%s",
                                *cluster_error(c) ? ": " : "", cluster_error(c));
        else if (s.failing > 0 && s.fresh + s.due == 0)
                (void) snprintf(reason, HEALTH_REASON_MAX, "no Secret can be written");
}

bool health_is_ready(const Registries *registries, const Cluster *cluster,
                     char reason[static HEALTH_REASON_MAX])
{
        reason[0] = '\0';
        for (size_t i = 0; i < registries_count(registries) && !reason[0]; i++)
                judge_registry(registries_get(registries, i), reason);
        if (!reason[0])
                judge_cluster(cluster, reason);
        return !reason[0];
}
