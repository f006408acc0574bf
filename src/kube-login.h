/* SPDX-License-Identifier: MIT */
#pragma once

#include "eks-token.h"
#include "kube-auth.h"

/* Makes a KubeAuth with the provider that its kubeconfig needs, if it needs one: eatr itself for tokens of
 * EKS, else the program. */

/* A provider that is not yet an auth's; all zero is none. */
typedef struct KubeLogin {
        const KubeAuthProvider *provider;
        void *self;
} KubeLogin;

/* Makes one for a kubeconfig, what is known of its tokens of EKS (NULL, or without a source: nothing), and
 * what calls of AWS share. What is handed in has to outlive it. Return 0 or a negative errno. */
int kube_login_make(sd_event *event, const KubeConfig *config, const EksConfig *eks, AwsState *aws,
                    KubeLogin *ret);
int kube_login_new(sd_event *event, const KubeConfig *config, const EksConfig *eks, AwsState *aws,
                   KubeAuth **ret);

/* Hands it over, see kube_auth_set_provider(); nothing happens if there is none. */
void kube_login_use(KubeLogin *l, KubeAuth *a);

/* Frees one that was not handed over. */
void kube_login_done(KubeLogin *l);
