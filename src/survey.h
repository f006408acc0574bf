/* SPDX-License-Identifier: MIT */
#pragma once

#include "conf.h"
#include "eks-config.h"
#include "kube-config.h"

#include <stdio.h>
#include <systemd/sd-event.h>

/* "eatr status": lists namespaces and Secrets, and service accounts if any are to name the Secret, once
 * each, and prints what becomes of them. Nothing is watched, nothing written, and AWS is not asked. */

typedef struct SurveyConfig {
        const Conf *conf;        /* its [kubernetes], [namespaces], [secret] and [renewal] are used */
        const KubeConfig *kube;  /* reaches the cluster */
        const EksConfig *eks;    /* the tokens to be made for kube; may be NULL */
        char *const *namespaces; /* globs of those that are meant; NULL-terminated, empty: all */
        bool json;
} SurveyConfig;

/* Runs event's loop until it is done, which SIGINT and SIGTERM, which have to be blocked, end. Returns the
 * exit status: 0 if all could be read, else 1; or a negative errno if it cannot begin. */
int survey_run(sd_event *event, const SurveyConfig *config, FILE *out);
