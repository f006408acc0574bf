/* SPDX-License-Identifier: MIT */
#pragma once

#include "conf-value.h"

/* Values of the configuration that choose among Kubernetes' objects, or become part of one. Pure. */

/* char **, NULL-terminated, to which is added: globs for names of namespaces, and for those of service
 * accounts, which may hold dots */
ConfValueParse conf_kube_globs, conf_kube_account_globs;
/* LabelSelector * */
ConfValueParse conf_kube_selector;
