/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "aws-shared.h"

#include <errno.h>
#include <sys/stat.h>

/* --- reading ----------------------------------------------------------------------------------------- */

static const AwsIniValue *find_secret(const AwsIniSection *section)
{
        static const char *const secrets[] = { "aws_secret_access_key", "aws_session_token",
                                               "aws_security_token" };

        for (size_t i = 0; i < section->n_values; i++)
                for (size_t j = 0; j < ELEMENTSOF(secrets); j++)
                        if (streq(section->values[i].key, secrets[j]) && *section->values[i].text)
                                return &section->values[i];
        return NULL;
}

/* Who can write it can have any program run as eatr's user. */
static int check_mode(const char *path, const AwsIni *ini, mode_t mode, ConfError *error)
{
        const AwsIniValue *secret = NULL;

        if (mode & S_IWOTH)
                return conf_error_set(error, -EPERM, "%s: everybody can write it; run \"chmod 0640 %s\"",
                                      path, path);
        for (size_t i = 0; i < ini->n_sections && !secret; i++)
                secret = find_secret(&ini->sections[i]);
        if (secret && (mode & S_IROTH))
                return conf_error_set(error, -EPERM,
                                      "%s:%u: %s: a secret in a file that is open to everybody; run "
                                      "\"chmod 0640 %s\"",
                                      path, secret->line, secret->key, path);
        return 0;
}

int aws_shared_read(AwsShared *s, AwsSharedFile file, const char *text, size_t size, mode_t mode,
                    ConfError *error)
{
        int r;

        r = aws_ini_parse(s->path[file], text, size, &s->ini[file], error);
        return r < 0 ? r : check_mode(s->path[file], &s->ini[file], mode, error);
}

void aws_shared_done(AwsShared *s)
{
        for (size_t i = 0; i < ELEMENTSOF(s->ini); i++)
                aws_ini_done(&s->ini[i]);
}

/* --- finding ----------------------------------------------------------------------------------------- */

/* Whether a section of the config file is that profile, of which botocore only looks at how the header
 * starts. Returns 1, 0 or -ENOMEM. */
static int is_profile(const char *header, const char *name)
{
        _cleanup_free_ char *word = NULL;

        if (!startswith(header, "profile"))
                return streq(header, "default") && streq(name, "default");
        word = malloc(strlen(header) + 1);
        if (!word)
                return -ENOMEM;
        return aws_ini_split_header(header, word) && streq(word, name);
}

/* Written in two ways a profile can be in the config file twice; the last one counts alone, as in botocore.
 */
int aws_shared_find(const AwsShared *s, const char *name, AwsSharedProfile *ret)
{
        const AwsIni *config = &s->ini[AWS_SHARED_CONFIG];
        int r = 0;

        *ret = (AwsSharedProfile){ .name = name };
        ret->section[AWS_SHARED_CREDENTIALS] = aws_ini_section(&s->ini[AWS_SHARED_CREDENTIALS], name);
        for (size_t i = config->n_sections; i > 0 && r == 0; i--) {
                r = is_profile(config->sections[i - 1].name, name);
                if (r > 0)
                        ret->section[AWS_SHARED_CONFIG] = &config->sections[i - 1];
        }
        return r < 0 ? r : ret->section[AWS_SHARED_CREDENTIALS] || ret->section[AWS_SHARED_CONFIG];
}

AwsSharedValue aws_shared_get_in(const AwsShared *s, const AwsSharedProfile *p, const char *key,
                                 AwsSharedFile file)
{
        return (AwsSharedValue){ aws_ini_get(&s->ini[file], p->section[file], key), file };
}

AwsSharedValue aws_shared_get(const AwsShared *s, const AwsSharedProfile *p, const char *key)
{
        AwsSharedValue v = aws_shared_get_in(s, p, key, AWS_SHARED_CREDENTIALS);

        return v.value ? v : aws_shared_get_in(s, p, key, AWS_SHARED_CONFIG);
}

/* --- values ------------------------------------------------------------------------------------------ */

int aws_shared_fail(const AwsShared *s, const AwsSharedProfile *p, AwsSharedValue v, int r, ConfError *error)
{
        conf_error_prefix(error, "%s:%u: %s of profile %s: ", s->path[v.file], v.value->line, v.value->key,
                          CONF_ERROR_QUOTE(p->name));
        return r;
}

static int parse(const AwsSharedKey *key, const AwsIniValue *v, void *field, ConfError *error)
{
        int r = 0;

        if (v->nested)
                return conf_error_set(error, -EINVAL, "it takes a value, not indented lines below it");
        if (!*v->text)
                return key->maybe_empty ? 0 : conf_error_set(error, -EINVAL, "it is empty");
        if (!key->command)
                r = conf_value_check_plain(v->text, false, error);
        if (r < 0)
                return r;
        return key->parse(&(ConfValueRule){ .least = key->least, .most = key->most }, v->text, field, error);
}

int aws_shared_parse(const AwsShared *s, const AwsSharedProfile *p, const AwsSharedKey *key,
                     AwsSharedValue v, void *field, ConfError *error)
{
        int r = 0;

        if (v.value)
                r = parse(key, v.value, field, error);
        return r < 0 ? aws_shared_fail(s, p, v, r, error) : 0;
}

int aws_shared_parse_key(const AwsShared *s, const AwsSharedProfile *p, const AwsSharedKey *key, void *field,
                         ConfError *error)
{
        return aws_shared_parse(s, p, key, aws_shared_get(s, p, key->name), field, error);
}

int aws_shared_path(const ConfValueRule *rule, const char *value, void *field, ConfError *error)
{
        if (*value != '/')
                return conf_error_set(error, -EINVAL, "%s is no absolute path", CONF_ERROR_QUOTE(value));
        return conf_value_path(rule, value, field, error);
}
