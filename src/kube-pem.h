/* SPDX-License-Identifier: MIT */
#pragma once

#include "kube-files.h"

/* PEM in an entry of a kubeconfig: base64 in FIELD-data, or in the file that FIELD names. */

/* Largest file, in bytes. */
#define KUBE_PEM_SIZE_MAX (4U * 1024 * 1024)

/* Puts the text into *ret, which is left alone if neither field is there; both are an error, as in client-go
 * (tools/clientcmd/validation.go). A file is noted with kube_files_note(). Returns 0, or a negative errno as
 * kube_files_fail() leaves it. The caller wipes and frees *ret. */
int kube_pem_read(const KubeEntry *e, const char *field, char **ret);
