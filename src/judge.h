/* SPDX-License-Identifier: MIT */
#pragma once

#include "conf.h"
#include "targets.h"

/* Has the rules of [namespaces] decide about nodes. Of a namespace's labels nothing is kept but whether they
 * meet the selector. */

/* Takes in what the API server says of the namespace. appeared: a watch has shown it, so that from now on
 * somebody waits for its Secret. Each returns whether there is another verdict, which is to be planned. */
bool judge_seen(const ConfNamespaces *rules, Node *n, const cJSON *metadata, bool appeared);

/* Applies other rules to what is known. Without whole the selector is new: until the namespace has been seen
 * again it loses what the other rules say, and gains nothing. */
bool judge_again(const ConfNamespaces *rules, Node *n, bool whole);

/* Whether rules have a selector that is not the old ones', or, while asked says that they had one that all
 * namespaces have yet to be asked, any. */
bool judge_needs_labels(const ConfNamespaces *rules, const ConfNamespaces *old, bool asked);

/* See match_explain(). */
const char *judge_explain(const ConfNamespaces *rules, const Node *n,
                          char text[static MATCH_EXPLANATION_MAX]);
