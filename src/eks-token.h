/* SPDX-License-Identifier: MIT */
#pragma once

#include "credentials.h"
#include "eks-config.h"
#include "kube-auth.h"

/* Tokens of EKS. One is a request to STS, presigned, that asks whose credentials they are, and that EKS
 * sends to STS for its answer. So it is made without asking anybody; only the credentials may have to be
 * fetched. https://github.com/kubernetes-sigs/aws-iam-authenticator/blob/master/pkg/token/token.go */

/* STS takes the request for 15 minutes after it was signed. As those programs do, one is left out. */
#define EKS_TOKEN_LIFE (14 * USEC_PER_MINUTE)

/* Makes the token for a cluster, in a region, as of now on AWS's clock. Pure. Returns 0 or a negative errno;
 * the caller wipes and frees the string. */
int eks_token_make(const char *cluster, const char *region, const AwsKeys *keys, usec_t now, char **ret);

typedef struct EksToken EksToken;

/* What is handed in has to outlive it, and config has a source. Returns 0 or a negative errno. */
int eks_token_new(sd_event *event, AwsState *state, const EksConfig *config, EksToken **ret);

EksToken *eks_token_free(EksToken *t);
DEFINE_TRIVIAL_CLEANUP_FUNC(EksToken *, eks_token_free);

/* Who fetches them for a KubeAuth; self is the EksToken. */
extern const KubeAuthProvider eks_token_provider;
