/* SPDX-License-Identifier: MIT */
#pragma once

#include "eks-config.h"
#include "kube-config.h"
#include "options.h"
#include "registry-config.h"

/* All that is read before eatr can begin, and again when it is to reload: the configuration, with the
 * command line's say in it, the files of AWS that it names, and the kubeconfig. Files in
 * $CREDENTIALS_DIRECTORY come first (systemd.exec(5)). */

typedef struct Setup {
        Conf *conf;
        RegistryConfigs *registries;
        KubeConfig *kube;
        EksConfig *eks; /* the tokens that eatr makes for kube; NULL: none */
        char **files; /* what it was read from: a change of one is to be taken in; NULL-terminated */
} Setup;

typedef struct SetupError {
        char text[KUBE_CONFIG_ERROR_MAX]; /* one line, never empty after a failure */
        int status; /* the exit status for it: 78 or 2 if a person has to mend it, else 1 */
} SetupError;

/* Returns 0, or a negative errno with *error set. Then *ret_files (unless it is NULL) gets the files that
 * were looked for until then, as those of a Setup: one that was missing may come. The caller frees them with
 * words_free(). */
int setup_load(const Options *options, Setup **ret, char ***ret_files, SetupError *error);

/* As setup_load() for what needs the cluster alone: registries is NULL, and there are no files. Whatever is
 * wrong with [aws] and [registry NAME] does not matter; conf->registries is then empty. */
int setup_load_cluster(const Options *options, Setup **ret, SetupError *error);

/* Whether somebody has begun to configure eatr, see conf_is_pristine(); so also if the files cannot be read,
 * which setup_load() then tells more of. */
bool setup_is_begun(const Options *options);

Setup *setup_free(Setup *s);
DEFINE_TRIVIAL_CLEANUP_FUNC(Setup *, setup_free);
