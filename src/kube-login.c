/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "kube-exec.h"
#include "kube-login.h"
#include "log.h"

static int make_eks(sd_event *event, const EksConfig *eks, AwsState *aws, KubeLogin *ret)
{
        EksToken *token;
        int r;

        r = eks_token_new(event, aws, eks, &token);
        if (r >= 0)
                *ret = (KubeLogin){ &eks_token_provider, token };
        return r;
}

static int make_exec(sd_event *event, const KubeExec *exec, KubeLogin *ret)
{
        KubeExecPlugin *plugin;
        int r;

        r = kube_exec_new(event, exec, &plugin);
        if (r >= 0)
                *ret = (KubeLogin){ &kube_exec_provider, plugin };
        return r;
}

int kube_login_make(sd_event *event, const KubeConfig *config, const EksConfig *eks, AwsState *aws,
                    KubeLogin *ret)
{
        *ret = (KubeLogin){ NULL };
        if (!config->exec)
                return 0;
        if (eks && eks->source)
                return make_eks(event, eks, aws, ret);
        if (eks)
                log_debug("Running %s for a token of EKS: %s", config->exec->command, eks->why);
        return make_exec(event, config->exec, ret);
}

int kube_login_new(sd_event *event, const KubeConfig *config, const EksConfig *eks, AwsState *aws,
                   KubeAuth **ret)
{
        _cleanup_(kube_login_done) KubeLogin login = { NULL };
        _cleanup_(kube_auth_freep) KubeAuth *a = NULL;
        int r;

        r = kube_auth_new(event, config, &a);
        if (r < 0)
                return r;
        r = kube_login_make(event, config, eks, aws, &login);
        if (r < 0)
                return r;
        kube_login_use(&login, a);
        *ret = TAKE_PTR(a);
        return 0;
}

void kube_login_use(KubeLogin *l, KubeAuth *a)
{
        if (l->provider)
                kube_auth_set_provider(a, l->provider, l->self);
        *l = (KubeLogin){ NULL };
}

void kube_login_done(KubeLogin *l)
{
        if (l->provider)
                l->provider->free(l->self);
        *l = (KubeLogin){ NULL };
}
