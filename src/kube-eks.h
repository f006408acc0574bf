/* SPDX-License-Identifier: MIT */
#pragma once

#include "conf-error.h"
#include "kube-config.h"

/* What a kubeconfig's "exec" asks for if its program is one of the two that make tokens of EKS: "aws eks
 * get-token", as "aws eks update-kubeconfig" writes it, and "aws-iam-authenticator token". An option or a
 * variable of AWS that is not understood makes it another program: there is no guessing whose token that
 * would be. Pure.
 * https://github.com/aws/aws-cli/blob/v2/awscli/customizations/eks/get_token.py
 * https://github.com/kubernetes-sigs/aws-iam-authenticator/blob/master/cmd/aws-iam-authenticator/token.go */

/* Longest name or id of a cluster; EKS's own are up to 100 bytes. */
#define KUBE_EKS_CLUSTER_MAX 255U

/* Whose credentials the program would take. */
typedef enum KubeEksOwner {
        KUBE_EKS_DEFAULT, /* the entry does not say */
        KUBE_EKS_PROFILE, /* that of the profile */
        KUBE_EKS_KEYS,    /* those in the entry's variables */
} KubeEksOwner;

/* The strings are those of the KubeExec, and live as long; they are checked. NULL: the entry does not say.
 */
typedef struct KubeEks {
        const char *cluster; /* name or id, never NULL */
        const char *region;
        KubeEksOwner owner;
        const char *profile;                        /* with KUBE_EKS_PROFILE, else NULL */
        const char *credentials_file, *config_file; /* where profiles are; "~" is the home */
        const char *home;
        const char *role_arn; /* assumed on top of that, with the next two */
        const char *external_id;
        const char *session_name;
        const char *const *environment; /* where the keys are, see aws-environment.h */
} KubeEks;

/* Returns 1 with *ret, or 0 if it is another program, and then *why says by what in a few words ("--query is
 * not understood"), without a value. "" is for programs that have nothing to do with EKS. */
int kube_eks_read(const KubeExec *exec, KubeEks *ret, ConfError *why);
