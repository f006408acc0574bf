/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "aws-sts.h"

#include "aws-xml.h"
#include "encode.h"

#include <errno.h>
#include <stdio.h>

#define CONTENT_TYPE "application/x-www-form-urlencoded; charset=utf-8"
#define API_VERSION "2011-06-15"

/* What CloudTrail shows as the session's name where nobody has chosen one. */
#define SESSION_NAME "eatr"

/* Everything in it may be percent-encoded. */
#define BODY_MAX (3 * (AWS_STS_TOKEN_MAX + 8192U))

/* --- the request ----------------------------------------------------------------------------------- */

static int append(Buf *b, const char *name, const char *value)
{
        _cleanup_erase_ char *encoded = encode_percent(value);

        return encoded ? buf_printf(b, "&%s=%s", name, encoded) : -ENOMEM;
}

static int append_role(Buf *b, const AwsRole *role)
{
        char duration[16];
        int r;

        r = append(b, "RoleArn", role->arn);
        if (r >= 0)
                r = append(b, "RoleSessionName", role->session_name ? role->session_name : SESSION_NAME);
        if (r >= 0 && role->external_id)
                r = append(b, "ExternalId", role->external_id);
        if (r < 0 || role->duration == 0)
                return r;
        (void) snprintf(duration, sizeof(duration), "%u", role->duration);
        return append(b, "DurationSeconds", duration);
}

static int make_body(const AwsStsSpec *spec, Buf *b)
{
        const char *action = spec->credentials ? "AssumeRole" : "AssumeRoleWithWebIdentity";
        int r;

        r = buf_printf(b, "Action=%s&Version=" API_VERSION, action);
        if (r >= 0)
                r = append_role(b, spec->role);
        if (r >= 0 && !spec->credentials)
                r = append(b, "WebIdentityToken", spec->web_identity_token);
        return r;
}

int aws_sts_start(sd_event *event, AwsState *state, const AwsStsSpec *spec, AwsCall **ret)
{
        static const AwsHeader headers[] = { { "Content-Type", CONTENT_TYPE } };
        _cleanup_buf_ Buf body = BUF_INIT_SECRET(BODY_MAX);
        _cleanup_free_ char *url = str_printf("%s/", spec->url);
        int r;

        r = url ? make_body(spec, &body) : -ENOMEM;
        if (r < 0)
                return r;

        const AwsCallSpec call = {
                .service = AWS_SERVICE_STS,
                .region = spec->region,
                .method = "POST",
                .url = url,
                .headers = headers,
                .n_headers = ELEMENTSOF(headers),
                .accept = "application/json",
                .body = buf_str(&body),
                .ca_bundle = spec->ca_bundle,
                .credentials = spec->credentials,
                .read = spec->read,
                .done = spec->done,
                .userdata = spec->userdata,
        };
        return aws_call_start(event, state, &call, ret);
}

/* --- the answer ------------------------------------------------------------------------------------ */

static const AwsCredentialsNames names = { "AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration" };

/* {"AssumeRoleResponse": {"AssumeRoleResult": {"Credentials": {...}}}}, and the same of the other action. */
static const cJSON *find_credentials(const cJSON *j)
{
        JSON_FOREACH (response, j)
                JSON_FOREACH (result, response)
                        if (json_get(result, "Credentials"))
                                return json_get(result, "Credentials");
        return NULL;
}

/* Makes the same object of XML. A character reference is in none of AWS's keys. */
static cJSON *read_xml(const AwsAnswer *a)
{
        const char *const elements[] = { names.access_key_id, names.secret_access_key, names.session_token,
                                         names.expires };
        _cleanup_json_ cJSON *j = cJSON_CreateObject();

        for (size_t i = 0; i < ELEMENTSOF(elements); i++) {
                _cleanup_erase_ char *value = NULL;
                const char *p;
                size_t n;

                if (!aws_xml_get(a->body, a->body_size, elements[i], &p, &n))
                        continue;
                value = strndup(p, n);
                if (!value || strlen(value) != n || strchr(value, '&') ||
                    !cJSON_AddStringToObject(j, elements[i], value))
                        return NULL;
        }
        return TAKE_PTR(j);
}

const char *aws_sts_read(const AwsAnswer *a, AwsCredentials **ret)
{
        _cleanup_(aws_credentials_unrefp) AwsCredentials *c = NULL;
        _cleanup_json_ cJSON *j = NULL;
        const cJSON *found;
        const char *problem;

        if (a->body_size == 0)
                return "it is empty";
        if (json_parse(a->body, a->body_size, AWS_RESPONSE_MAX, &j) >= 0)
                found = find_credentials(j);
        else
                found = j = read_xml(a);
        if (!found)
                return "there are no credentials in it";
        problem = aws_credentials_read(found, &names, &c);
        if (problem)
                return problem;
        if (!c->keys.session_token)
                return "it has no session token";
        *ret = TAKE_PTR(c);
        return NULL;
}
