/* SPDX-License-Identifier: MIT */
#pragma once

#include "conf-value.h"

/* Values of the configuration that choose among Kubernetes' objects, or become part of one. Pure. */

/* char **, NULL-terminated, to which is added: globs for names of namespaces, and for those of service
 * accounts, which may hold dots */
ConfValueParse conf_kube_globs, conf_kube_account_globs;
/* The same: what an object is to carry, KEY=VALUE without blanks around either; each key once, none of
 * eatr's own, and no more than the rule's most */
ConfValueParse conf_kube_labels, conf_kube_annotations;
/* LabelSelector * */
ConfValueParse conf_kube_selector;
