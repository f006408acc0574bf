/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "eks-config.h"

#include "aws-environment.h"
#include "kube-eks.h"

#include <errno.h>

/* What it is made of. */
typedef struct Making {
        const KubeEks *eks;
        const ConfAws *aws; /* of the first registry */
        const Conf *conf;
        AwsConfigEnvironment environment;
        EksConfig *config;
        ConfError *error;
} Making;

/* --- whose credentials ------------------------------------------------------------------------------- */

static const char *either(const char *a, const char *b)
{
        return a ? a : b;
}

/* Of the two files the entry may name with "~". */
static int choose_file(const char *entry, const char *own, const char *home, char **ret)
{
        const char *path = either(entry, own);
        bool at_home = path && startswith(path, "~/");

        if (path && *path != '/' && !(at_home && home))
                return -EINVAL;
        *ret = at_home ? str_printf("%s%s", home, path + 1) : path ? strdup(path) : NULL;
        return path && !*ret ? -ENOMEM : 0;
}

/* A profile may want keys of the environment, which is the entry's and behind that eatr's. */
static int load_profile(Making *m, const ConfRegistry *entry, const AwsConfigEnvironment *environment)
{
        AwsConfigEnvironment e = *environment;

        if (aws_environment_get(m->eks->environment, "AWS_ACCESS_KEY_ID"))
                e.variables = m->eks->environment;
        if (aws_config_files(&entry->aws, &e, &m->config->files) < 0)
                return conf_error_oom(m->error);
        return aws_config_source(entry, &e, &m->config->source, m->error);
}

static int from_profile(Making *m)
{
        ConfRegistry entry = { .aws = { .profile = (char *) m->eks->profile } };
        AwsConfigEnvironment environment = m->environment;
        int r;

        if (m->eks->home)
                environment.home = m->eks->home;
        r = choose_file(m->eks->credentials_file, m->aws->shared_credentials_file, environment.home,
                        &entry.aws.shared_credentials_file);
        if (r >= 0)
                r = choose_file(m->eks->config_file, m->aws->config_file, environment.home,
                                &entry.aws.config_file);
        if (r < 0)
                (void) conf_error_set(m->error, r, "a path of AWS's files is not absolute");
        else
                r = load_profile(m, &entry, &environment);
        free(entry.aws.shared_credentials_file);
        free(entry.aws.config_file);
        return r;
}

static int from_keys(Making *m)
{
        AwsSource *s = m->config->source = aws_source_new();
        int r;

        if (!s || str_replace(&s->origin, "the kubeconfig") < 0)
                return conf_error_oom(m->error);
        r = aws_environment_static(m->eks->environment, s, m->error);
        return r < 0 ? r : 0;
}

/* What lies in the cluster cannot be read before there is a token for it. */
static int from_registry(Making *m)
{
        if (m->conf->n_registries == 0)
                return conf_error_set(m->error, -EINVAL,
                                      "there is no registry whose credentials could be taken");
        if (m->aws->credentials_secret)
                return conf_error_set(m->error, -EOPNOTSUPP,
                                      "the credentials of the first registry lie in the cluster itself");
        if (aws_config_files(m->aws, &m->environment, &m->config->files) < 0)
                return conf_error_oom(m->error);
        return aws_config_source(&m->conf->registries[0], &m->environment, &m->config->source, m->error);
}

static int make_source(Making *m)
{
        switch (m->eks->owner) {
        case KUBE_EKS_PROFILE:
                return from_profile(m);
        case KUBE_EKS_KEYS:
                return from_keys(m);
        default:
                return from_registry(m);
        }
}

static int add_role(Making *m)
{
        const AwsRole role = {
                .arn = (char *) m->eks->role_arn,
                .external_id = (char *) m->eks->external_id,
                .session_name = (char *) m->eks->session_name,
        };

        return role.arn && aws_source_add_role(m->config->source, &role, false) < 0
                       ? conf_error_oom(m->error)
                       : 0;
}

/* --- where ------------------------------------------------------------------------------------------- */

static int choose_region(Making *m)
{
        const char *profile = m->config->source->region;
        const char *own = m->eks->owner == KUBE_EKS_PROFILE ? either(profile, m->aws->region)
                                                            : either(m->aws->region, profile);
        const char *region = either(m->eks->region, own);

        if (!region)
                return conf_error_set(m->error, -EINVAL, "neither the kubeconfig nor %s names a region",
                                      m->config->source->origin);
        return str_replace(&m->config->region, region) < 0 ? conf_error_oom(m->error) : 0;
}

/* An endpoint that eatr.conf names is one of the region that it names. */
static int make_places(Making *m)
{
        EksConfig *c = m->config;
        const char *region = m->aws->sts_endpoint_url && m->aws->region ? m->aws->region : c->region;

        return aws_config_places(m->aws, c->source, region, &m->environment, &c->places) < 0
                       ? conf_error_oom(m->error)
                       : 0;
}

static int make_id(Making *m)
{
        EksConfig *c = m->config;
        char keys[TOKEN_ID_MAX];
        const char *const strings[] = { c->cluster, c->region, keys };

        if (aws_config_id(c->source, &c->places, keys) < 0 ||
            aws_config_hash(strings, ELEMENTSOF(strings), c->id) < 0)
                return conf_error_oom(m->error);
        return 0;
}

/* --- the whole --------------------------------------------------------------------------------------- */

static int fill(Making *m)
{
        int r;

        r = str_replace(&m->config->cluster, m->eks->cluster) < 0 ? conf_error_oom(m->error) : 0;
        if (r >= 0)
                r = make_source(m);
        if (r >= 0)
                r = add_role(m);
        if (r >= 0)
                r = choose_region(m);
        if (r >= 0)
                r = make_places(m);
        return r < 0 ? r : make_id(m);
}

/* Nothing of it is of use. */
static int give_up(EksConfig *c, const ConfError *error)
{
        c->source = aws_source_free(c->source);
        c->id[0] = '\0';
        return str_replace(&c->why, error->text);
}

int eks_config_load(const KubeConfig *kube, const Conf *conf, const AwsConfigEnvironment *environment,
                    EksConfig **ret)
{
        _cleanup_(eks_config_freep) EksConfig *c = calloc(1, sizeof(*c));
        ConfError error = { "" };
        KubeEks eks;
        const ConfAws *aws = conf->n_registries > 0 ? &conf->registries[0].aws : &conf->aws;
        Making m = { &eks, aws, conf, *environment, c, &error };
        int r;

        if (!c)
                return -ENOMEM;
        if (!kube->exec || !conf->kubernetes.mint_eks_tokens)
                return 0;
        if (kube_eks_read(kube->exec, &eks, &error) > 0)
                r = fill(&m);
        else if (*error.text)
                r = -EOPNOTSUPP;
        else
                return 0; /* it has nothing to do with EKS */
        if (r < 0 && r != -ENOMEM)
                r = give_up(c, &error);
        if (r >= 0)
                *ret = TAKE_PTR(c);
        return r;
}

bool eks_config_equal(const EksConfig *a, const EksConfig *b)
{
        return streq(a ? a->id : "", b ? b->id : "");
}

EksConfig *eks_config_free(EksConfig *c)
{
        if (!c)
                return NULL;
        free(c->cluster);
        free(c->region);
        (void) aws_source_free(c->source);
        free(c->why);
        aws_places_done(&c->places);
        conf_keys_list_free(c->files);
        free(c);
        return NULL;
}
