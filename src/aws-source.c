/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "aws-source.h"

#include <errno.h>

const char *aws_source_kind_to_string(AwsSourceKind k)
{
        static const char *const names[_AWS_SOURCE_KIND_MAX] = {
                [AWS_SOURCE_STATIC] = "static",
                [AWS_SOURCE_PROCESS] = "process",
                [AWS_SOURCE_WEB_IDENTITY] = "web-identity",
                [AWS_SOURCE_ROLES_ANYWHERE] = "roles-anywhere",
                [AWS_SOURCE_CONTAINER] = "container",
                [AWS_SOURCE_IMDS] = "imds",
                [AWS_SOURCE_CLUSTER_SECRET] = "cluster-secret",
        };

        return names[k];
}

AwsSource *aws_source_new(void)
{
        return calloc(1, sizeof(AwsSource));
}

int aws_role_copy(const AwsRole *role, AwsRole *ret)
{
        *ret = (AwsRole){ .duration = role->duration };
        if (str_replace(&ret->arn, role->arn) >= 0 &&
            str_replace(&ret->external_id, role->external_id) >= 0 &&
            str_replace(&ret->session_name, role->session_name) >= 0)
                return 0;
        aws_role_done(ret);
        return -ENOMEM;
}

void aws_role_done(AwsRole *role)
{
        free(role->arn);
        (void) str_erase_free(role->external_id);
        free(role->session_name);
        *role = (AwsRole){ 0 };
}

int aws_source_add_role(AwsSource *s, const AwsRole *role, bool first)
{
        AwsRole copy, *roles;
        int r;

        r = aws_role_copy(role, &copy);
        if (r < 0)
                return r;
        roles = reallocarray(s->roles, s->n_roles + 1, sizeof(*roles));
        if (!roles) {
                aws_role_done(&copy);
                return -ENOMEM;
        }
        if (first)
                memmove(roles + 1, roles, s->n_roles * sizeof(*roles));
        roles[first ? 0 : s->n_roles] = copy;
        s->roles = roles;
        s->n_roles++;
        return 0;
}

static void erase_strings(AwsSource *s)
{
        char **strings[] = {
                &s->origin,
                &s->keys.access_key_id,
                &s->keys.secret_access_key,
                &s->keys.session_token,
                &s->process,
                &s->token_file,
                &s->anywhere.certificate,
                &s->anywhere.private_key,
                &s->anywhere.chain,
                &s->anywhere.trust_anchor_arn,
                &s->anywhere.profile_arn,
                &s->container.url,
                &s->container.token,
                &s->container.token_file,
                &s->secret,
                &s->region,
                &s->endpoint_url,
        };

        for (size_t i = 0; i < ELEMENTSOF(strings); i++)
                *strings[i] = str_erase_free(*strings[i]);
}

AwsSource *aws_source_free(AwsSource *s)
{
        if (!s)
                return NULL;
        erase_strings(s);
        aws_role_done(&s->role);
        for (size_t i = 0; i < s->n_roles; i++)
                aws_role_done(&s->roles[i]);
        free(s->roles);
        free(s);
        return NULL;
}

void aws_places_done(AwsPlaces *p)
{
        free(p->region);
        free(p->sts_url);
        free(p->anywhere_url);
        free(p->imds_url);
        free(p->ca_bundle);
        *p = (AwsPlaces){ 0 };
}
