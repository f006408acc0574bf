/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "json.h"
#include "kube-status.h"

#include <ctype.h>
#include <stdio.h>

/* Of an answer that is no Status. */
#define PLAIN_MAX 200U

static void read_causes(const cJSON *status, KubeStatus *ret)
{
        JSON_FOREACH (cause, json_get(json_get(status, "details"), "causes")) {
                const char *reason = json_string(cause, "reason"), *field = json_string(cause, "field");

                ret->other_type |= ret->code == 422 && field && streq(field, "type");
                ret->other_uid |= ret->code == 422 && field && streq(field, "metadata.uid");
                if (!reason)
                        continue;
                ret->namespace_terminating |= streq(reason, "NamespaceTerminating");
                ret->version_too_large |= streq(reason, "ResourceVersionTooLarge");
        }
}

static bool endswith(const char *s, const char *end)
{
        size_t n = strlen(s), m = strlen(end);

        return n >= m && streq(s + n - m, end);
}

/* A MutatingAdmissionPolicy's words have neither a kind nor what is denied before them. */
static bool is_of_policy(const char *message)
{
        if (startswith(message, "admission webhook "))
                return strstr(message, " denied the request");
        return (strstr(message, "ValidatingAdmissionPolicy '") || startswith(message, "policy '") ||
                startswith(message, "policy \"")) &&
               strstr(message, " denied request: ");
}

/* Where a patch may not create, older servers (1.20, not 1.33) say no more than what RBAC has to say of
 * bindings to roles that are gone, or nothing at all behind the ": ". */
static bool is_of_authorizer(const char *message)
{
        return (strstr(message, ": User ") && strstr(message, " cannot ")) ||
               strstr(message, " is forbidden: RBAC: ") || endswith(message, ": ");
}

/* There is no field for it: the words are those of the plugins ResourceQuota and ValidatingAdmissionWebhook,
 * of the admission policies, and of the authorization. */
static KubeDenial read_denial(long code, const char *message)
{
        bool forbidden = code == 403 && strstr(message, " is forbidden: ");

        if (is_of_policy(message))
                return KUBE_DENIAL_POLICY;
        if (forbidden && (strstr(message, ": exceeded quota: ") || strstr(message, ": failed quota: ") ||
                          strstr(message, ": status unknown for quota: ")))
                return KUBE_DENIAL_QUOTA;
        if (forbidden && is_of_authorizer(message))
                return KUBE_DENIAL_RIGHTS;
        return KUBE_DENIAL_NONE;
}

/* Proxies answer with pages and priority-and-fairness with plain text: the first line of that will do. */
static void read_plain(const char *body, size_t size, KubeStatus *ret)
{
        size_t n = 0;

        while (size > 0 && isspace((unsigned char) *body)) {
                body++;
                size--;
        }
        while (n < size && body[n] && body[n] != '\r' && body[n] != '\n')
                n++;
        if (n == 0 || *body == '<')
                (void) snprintf(ret->message, sizeof(ret->message), "HTTP status %ld%s", ret->code,
                                n > 0 ? " with a page that is not the API server's" : "");
        else
                (void) snprintf(ret->message, sizeof(ret->message), "HTTP status %ld: %.*s", ret->code,
                                str_fit(body, n, PLAIN_MAX), body);
}

void kube_status_read(long code, const char *body, size_t size, const char *transport_error, KubeStatus *ret)
{
        _cleanup_json_ cJSON *j = NULL;
        const char *reason, *message;

        *ret = (KubeStatus){ .code = code };
        if (code == 0) {
                (void) snprintf(ret->message, sizeof(ret->message), "%s",
                                str_empty(transport_error) ? "no answer" : transport_error);
                return;
        }
        if (json_parse(body, size, KUBE_STATUS_MAX, &j) >= 0)
                read_causes(j, ret);
        reason = json_string(j, "reason");
        message = json_string(j, "message");
        (void) snprintf(ret->reason, sizeof(ret->reason), "%s", reason ? reason : "");
        if (str_empty(message)) {
                read_plain(body, size, ret);
                return;
        }
        (void) snprintf(ret->message, sizeof(ret->message), "%.*s",
                        str_fit(message, strlen(message), sizeof(ret->message) - 1), message);
        ret->other_uid |= code == 409 && strstr(message, "uid mismatch");
        ret->immutable = code == 422 && !ret->other_uid && strstr(message, "field is immutable");
        ret->other_type &= ret->immutable;
        ret->denial = read_denial(code, message);
}

/* Nothing behind the address, or nothing that works; a gateway's 504 is no Status, while the API server's
 * may be about a webhook that one namespace has. */
static bool server_is_away(const KubeStatus *status)
{
        return status->code == 0 || status->code == 502 || status->code == 503 ||
               (status->code == 504 && !*status->reason);
}

bool kube_status_concerns_all(HttpOutcome outcome, const KubeStatus *status)
{
        return status->denial != KUBE_DENIAL_POLICY && /* which may have any code */
               (server_is_away(status) || outcome == HTTP_THROTTLED || outcome == HTTP_UNAUTHORIZED);
}
