/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "kube-exec.h"
#include "kube-login.h"

int kube_login_new(sd_event *event, const KubeConfig *config, KubeAuth **ret)
{
        _cleanup_(kube_auth_freep) KubeAuth *a = NULL;
        KubeExecPlugin *plugin;
        int r;

        r = kube_auth_new(event, config, &a);
        if (r < 0)
                return r;
        if (config->exec) {
                r = kube_exec_new(event, config->exec, &plugin);
                if (r < 0)
                        return r;
                kube_auth_set_provider(a, &kube_exec_provider, plugin);
        }
        *ret = TAKE_PTR(a);
        return 0;
}
