/* SPDX-License-Identifier: MIT */
#pragma once

#include "util.h"

/* Label selectors as Kubernetes writes them, requirements with commas between them, all of which have to be
 * met: what is taken and what it means is as in labels.Parse() of apimachinery's pkg/labels/selector.go, so
 * that eatr chooses what "kubectl get namespaces -l" shows. Pure.
 *
 *     KEY  !KEY                                   there is such a label; there is none
 *     KEY=VALUE  KEY==VALUE  KEY in (VALUE,...)   it has that value, or one of those
 *     KEY!=VALUE  KEY notin (VALUE,...)           it has not, or there is none
 *     KEY>NUMBER  KEY<NUMBER                      it has a whole number beyond that one
 */

/* Longest text, in bytes; room for what is wrong with one. */
#define LABEL_SELECTOR_MAX 4096U
#define LABEL_SELECTOR_ERROR_MAX 512U

/* Immutable. */
typedef struct LabelSelector LabelSelector;

/* The text may be empty: a selector without requirements takes everything. Returns 0, or -EINVAL with error
 * saying what is wrong at which character (or -ENOMEM). */
int label_selector_parse(const char *text, LabelSelector **ret, char error[static LABEL_SELECTOR_ERROR_MAX]);

/* Finds the value of a label; returns NULL if there is none of that key. */
typedef const char *(*label_lookup_t)(const char *key, const void *labels);

/* Whether labels meet every requirement. If not, *ret_unmet is the number of the first that they do not,
 * from 0. */
bool label_selector_matches(const LabelSelector *s, label_lookup_t lookup, const void *labels,
                            unsigned *ret_unmet);

/* What was parsed; one requirement of it, or NULL if there are not as many. The selector's own. */
const char *label_selector_text(const LabelSelector *s);
const char *label_selector_requirement(const LabelSelector *s, unsigned i);

LabelSelector *label_selector_free(LabelSelector *s);
DEFINE_TRIVIAL_CLEANUP_FUNC(LabelSelector *, label_selector_free);

/* What Kubernetes takes as the key of a label or an annotation, and as a label's value (IsQualifiedName()
 * and IsValidLabelValue() in apimachinery's pkg/util/validation). */

/* Of a label's value, and of a key without what is before its "/"; of that. */
#define LABEL_SELECTOR_NAME_MAX 63U
#define LABEL_SELECTOR_PREFIX_MAX 253U

/* Say why a string is none: NULL if it is one. */
const char *label_selector_key_problem(const char *key);
const char *label_selector_value_problem(const char *value);
