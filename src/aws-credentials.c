/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "aws-credentials.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>

static bool fits_header(const char *s)
{
        for (const char *p = s; *p; p++)
                if (!isgraph((unsigned char) *p) || (unsigned char) *p > 0x7e)
                        return false;
        return true;
}

static bool is_key(const char *s)
{
        return !str_empty(s) && fits_header(s);
}

int aws_credentials_new(const AwsKeys *keys, usec_t expires, AwsCredentials **ret)
{
        _cleanup_(aws_credentials_unrefp) AwsCredentials *c = NULL;
        const char *token = str_empty(keys->session_token) ? NULL : keys->session_token;

        if (!is_key(keys->access_key_id) || !is_key(keys->secret_access_key) || (token && !is_key(token)))
                return -EINVAL;
        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        c->n_ref = 1;
        c->expires = expires;
        c->keys.access_key_id = strdup(keys->access_key_id);
        c->keys.secret_access_key = strdup(keys->secret_access_key);
        c->keys.session_token = token ? strdup(token) : NULL;
        if (!c->keys.access_key_id || !c->keys.secret_access_key || (token && !c->keys.session_token))
                return -ENOMEM;
        *ret = TAKE_PTR(c);
        return 0;
}

AwsCredentials *aws_credentials_ref(AwsCredentials *c)
{
        if (c)
                c->n_ref++;
        return c;
}

AwsCredentials *aws_credentials_unref(AwsCredentials *c)
{
        if (!c || --c->n_ref > 0)
                return NULL;
        (void) str_erase_free((char *) c->keys.access_key_id);
        (void) str_erase_free((char *) c->keys.secret_access_key);
        (void) str_erase_free((char *) c->keys.session_token);
        free(c);
        return NULL;
}

/* Returns whether it is a time, or there is none (0). */
static bool read_expiry(const cJSON *object, const char *name, usec_t *ret)
{
        const char *text = json_string(object, name);
        double seconds;

        *ret = 0;
        if (text)
                return !*text || clock_parse_rfc3339(text, ret) >= 0;
        if (!json_get(object, name) || cJSON_IsNull(json_get(object, name)))
                return true;
        if (!json_number(object, name, &seconds) || !isfinite(seconds) || seconds <= 0 ||
            seconds > (double) (USEC_INFINITY / 2) / USEC_PER_SEC)
                return false;
        *ret = (usec_t) (seconds * USEC_PER_SEC);
        return true;
}

const char *aws_credentials_read(const cJSON *object, const AwsCredentialsNames *names, AwsCredentials **ret)
{
        AwsKeys keys = {
                .access_key_id = json_string(object, names->access_key_id),
                .secret_access_key = json_string(object, names->secret_access_key),
                .session_token = json_string(object, names->session_token),
        };
        usec_t expires;

        if (str_empty(keys.access_key_id))
                return "it has no access key id";
        if (str_empty(keys.secret_access_key))
                return "it has no secret access key";
        if (!read_expiry(object, names->expires, &expires))
                return "its expiry is no time";
        switch (aws_credentials_new(&keys, expires, ret)) {
        case 0:
                return NULL;
        case -ENOMEM:
                return "memory is out";
        default:
                return "there is a character in its keys that cannot be";
        }
}
