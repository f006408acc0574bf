/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "aws-profile.h"

#include <cjson/cJSON.h>
#include <stdio.h>

/* Shows what a profile comes down to, as JSON: what is NULL is left out. For scenarios that compare it with
 * what AWS's own reader makes of the same files. Usage: show-profile CREDENTIALS CONFIG PROFILE; an empty
 * argument is the default. If there is an error it prints {"error":true}, and the sentence on standard
 * error. */

extern char **environ;

static void add(cJSON *object, const char *name, const char *value)
{
        if (value && !cJSON_AddStringToObject(object, name, value))
                abort();
}

static cJSON *show_role(const AwsRole *role)
{
        cJSON *object = cJSON_CreateObject();

        add(object, "arn", role->arn);
        add(object, "external_id", role->external_id);
        add(object, "session_name", role->session_name);
        if (role->duration > 0)
                (void) cJSON_AddNumberToObject(object, "duration", role->duration);
        return object;
}

static void show_container(cJSON *object, const AwsSource *s)
{
        cJSON *container = cJSON_AddObjectToObject(object, "container");

        add(container, "url", s->container.url);
        add(container, "token", s->container.token);
        add(container, "token_file", s->container.token_file);
}

static cJSON *show(const AwsSource *s)
{
        cJSON *object = cJSON_CreateObject(), *roles;

        add(object, "kind", aws_source_kind_to_string(s->kind));
        add(object, "origin", s->origin);
        add(object, "access_key_id", s->keys.access_key_id);
        add(object, "secret_access_key", s->keys.secret_access_key);
        add(object, "session_token", s->keys.session_token);
        if (s->keys.expires > 0)
                (void) cJSON_AddNumberToObject(object, "expires", (double) (s->keys.expires / USEC_PER_SEC));
        add(object, "process", s->process);
        add(object, "token_file", s->token_file);
        if (s->kind == AWS_SOURCE_CONTAINER)
                show_container(object, s);
        if (s->role.arn)
                (void) cJSON_AddItemToObject(object, "role", show_role(&s->role));
        roles = cJSON_AddArrayToObject(object, "roles");
        for (size_t i = 0; i < s->n_roles; i++)
                (void) cJSON_AddItemToArray(roles, show_role(&s->roles[i]));
        add(object, "region", s->region);
        add(object, "endpoint_url", s->endpoint_url);
        return object;
}

int main(int argc, char **argv)
{
        _cleanup_(aws_source_freep) AwsSource *source = NULL;
        AwsProfileFiles files = { .home = getenv("HOME"), .environment = (const char *const *) environ };
        ConfError error = { "" };
        cJSON *object;
        char *text;

        if (argc != 4) {
                (void) fprintf(stderr, "Usage: show-profile CREDENTIALS CONFIG PROFILE\n");
                return 2;
        }
        files.credentials_path = *argv[1] ? argv[1] : NULL;
        files.config_path = *argv[2] ? argv[2] : NULL;
        if (aws_profile_load(&files, *argv[3] ? argv[3] : NULL, &source, &error) < 0) {
                (void) fprintf(stderr, "%s\n", error.text);
                return puts("{\"error\":true}") < 0;
        }
        object = show(source);
        text = cJSON_PrintUnformatted(object);
        if (!text || puts(text) < 0)
                return 1;
        free(text);
        cJSON_Delete(object);
        return 0;
}
