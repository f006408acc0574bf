/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "status.h"

#include <stdio.h>

/* Of each reason. */
#define REASON_MAX 300U

static void format_namespaces(const ClusterSummary *s, char *buffer, size_t size)
{
        char due[48] = "", failing[32] = "", conflict[32] = "", excluded[32] = "";
        unsigned wanted = s->fresh + s->due + s->pending + s->failing + s->conflict;

        if (s->due > 0)
                (void) snprintf(due, sizeof(due), " (%u due for the next token)", s->due);
        if (s->failing > 0)
                (void) snprintf(failing, sizeof(failing), ", %u failing", s->failing);
        if (s->conflict > 0)
                (void) snprintf(conflict, sizeof(conflict), ", %u in conflict", s->conflict);
        if (s->excluded > 0)
                (void) snprintf(excluded, sizeof(excluded), ", %u excluded", s->excluded);
        (void) snprintf(buffer, size, "%u of %u namespaces have a fresh Secret%s%s%s%s", s->fresh + s->due,
                        wanted, due, failing, conflict, excluded);
}

static void format_token(const Registry *r, char *buffer, size_t size)
{
        char left[CLOCK_DURATION_MAX], next[CLOCK_DURATION_MAX], until[CLOCK_RFC3339_MAX];
        const Token *token = registry_token(r);

        if (!token)
                (void) snprintf(buffer, size, "no token yet");
        else if (registry_token_left(r) == 0)
                (void) snprintf(buffer, size, "the token has expired");
        else
                (void) snprintf(
                        buffer, size, "token good until %s (%s), next in %s",
                        clock_format_rfc3339(until, token->expires),
                        clock_format_duration(left, registry_token_left(r)),
                        clock_format_duration(next, usec_sub(registry_next_call(r), clock_boottime())));
}

/* Appends "; WHERE: WHY" to the status line, if there is a reason why. */
static void add_trouble(char status[static STATUS_MAX], const char *where, const char *why)
{
        size_t n = strlen(status);

        if (!str_empty(why))
                (void) snprintf(status + n, STATUS_MAX - n, "; %s: %.*s", where,
                                str_fit(why, strlen(why), REASON_MAX), why);
}

void status_format(const Registry *registry, const Cluster *cluster, char ret[static STATUS_MAX])
{
        char namespaces[256] = "waiting for the API server", token[256], one[128];
        ClusterSummary s;

        cluster_summary(cluster, &s);
        if (cluster_synced(cluster))
                format_namespaces(&s, namespaces, sizeof(namespaces));
        format_token(registry, token, sizeof(token));
        (void) snprintf(ret, STATUS_MAX, "%s; %s", namespaces, token);
        add_trouble(ret, "AWS", registry_error(registry));
        add_trouble(ret, "API server", cluster_error(cluster));
        (void) snprintf(one, sizeof(one), "namespace %s", s.failing_name ? s.failing_name : "");
        add_trouble(ret, one, s.failing_why);
        (void) str_make_printable(ret); /* a line end would begin a field of its own */
}
