/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "aws-profile.h"

#include "fuzz-main.h"

static void require(bool condition)
{
        if (!condition)
                abort();
}

static void check_role(const AwsRole *role)
{
        require(startswith(role->arn, "arn:") != NULL);
        require(role->duration == 0 || (role->duration >= 900 && role->duration <= 43200));
        require(!role->session_name || strlen(role->session_name) >= 2);
}

static void check(const AwsSource *s)
{
        require(!str_empty(s->origin));
        require(s->n_roles <= AWS_PROFILE_CHAIN_MAX);
        for (size_t i = 0; i < s->n_roles; i++)
                check_role(&s->roles[i]);
        switch (s->kind) {
        case AWS_SOURCE_STATIC:
                require(!str_empty(s->keys.access_key_id) && !str_empty(s->keys.secret_access_key));
                break;
        case AWS_SOURCE_PROCESS:
                require(!str_empty(s->process));
                break;
        case AWS_SOURCE_WEB_IDENTITY:
                require(*s->token_file == '/');
                check_role(&s->role);
                break;
        case AWS_SOURCE_CONTAINER:
                require(!str_empty(s->container.url));
                break;
        default:
                require(s->kind == AWS_SOURCE_IMDS);
        }
}

/* Whatever two files say: a source that keeps its promises, or an error of one line. A line of three "%" is
 * between them, the credentials file comes first; the profile is "a". */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const char *const environment[] = { "AWS_ACCESS_KEY_ID=A", "AWS_SECRET_ACCESS_KEY=B",
                                                   "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/v2", NULL };
        static const char between[] = "%%%\n";
        const char *text = (const char *) data, *found = size > 0 ? memmem(text, size, between, 4) : NULL;
        AwsProfileText credentials = { .path = "/f", .text = text, .size = size };
        AwsProfileText config = { .path = "/g" };
        _cleanup_(aws_source_freep) AwsSource *source = NULL;
        ConfError error = { "" };

        if (found) {
                credentials.size = (size_t) (found - text);
                config.text = found + strlen(between);
                config.size = size - credentials.size - strlen(between);
        }
        if (aws_profile_parse(&credentials, &config, environment, "a", &source, &error) < 0) {
                require(*error.text && !strchr(error.text, '\n') && !source);
                return 0;
        }
        check(source);
        return 0;
}
