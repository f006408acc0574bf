/* SPDX-License-Identifier: MIT */
#pragma once

#include "kube-config.h"

/* The header lines of a request to an API server: who asks, on whose behalf, and in which form. */

/* Makes "Name: value" lines, NULL-terminated, with token (NULL: the name and password of config, if there are
 * any), as whom config says, and the two others (NULL: left out). The caller frees them. Returns 0 or
 * -ENOMEM. */
int kube_headers_make(const KubeConfig *config, const char *token, const char *accept,
                      const char *content_type, char ***ret);

/* Wipes them; NULL is fine. */
char **kube_headers_free(char **lines);
DEFINE_TRIVIAL_CLEANUP_FUNC(char **, kube_headers_free);
