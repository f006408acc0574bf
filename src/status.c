/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "status.h"

#include <stdio.h>

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

/* The token that expires first of those that are good, and when the next call is. */
static const Registry *find_first(const Registries *all, usec_t *ret_next)
{
        const Registry *first = NULL;

        *ret_next = USEC_INFINITY;
        for (size_t i = 0; i < registries_count(all); i++) {
                const Registry *r = registries_get(all, i);
                usec_t left = registry_token_left(r);

                *ret_next = MIN(*ret_next, registry_next_call(r));
                if (left > 0 && (!first || left < registry_token_left(first)))
                        first = r;
        }
        return first;
}

static void format_tokens(const Registries *all, char *buffer, size_t size)
{
        char left[CLOCK_DURATION_MAX], next[CLOCK_DURATION_MAX], until[CLOCK_RFC3339_MAX],
                some[64] = "token";
        size_t n = registries_count(all);
        const Registry *first;
        usec_t next_call;

        first = find_first(all, &next_call);
        if (n > 1)
                (void) snprintf(some, sizeof(some), "%zu of %zu tokens", registries_good(all), n);
        if (!first && !registries_auths(all))
                (void) snprintf(buffer, size, "no token yet");
        else if (!first)
                (void) snprintf(buffer, size, n > 1 ? "all tokens have expired" : "the token has expired");
        else
                (void) snprintf(buffer, size, "%s good until %s (%s), next in %s", some,
                                clock_format_rfc3339(until, registry_token(first)->expires),
                                clock_format_duration(left, registry_token_left(first)),
                                clock_format_duration(next, usec_sub(next_call, clock_boottime())));
}

/* Appends "; WHERE: WHY" to the status line, if there is a reason why. */
static void add_trouble(char status[static STATUS_MAX], const char *where, const char *why)
{
        size_t n = strlen(status);

        if (!str_empty(why))
                (void) snprintf(status + n, STATUS_MAX - n, "; %s: %.*s", where,
                                str_fit(why, strlen(why), STATUS_REASON_MAX), why);
}

static void add_registry(char status[static STATUS_MAX], const Registry *r)
{
        const RegistryConfig *config = registry_config(r);
        const Token *token = registry_token(r);
        char where[128] = "AWS";

        if (*config->label)
                (void) snprintf(where, sizeof(where), "registry %s", config->name);
        add_trouble(status, where, registry_error(r));
        if (token && verify_result(registry_verify(r)) == VERIFY_REFUSED) {
                char why[STATUS_REASON_MAX];

                (void) snprintf(where, sizeof(where), "%s", token->host);
                (void) snprintf(why, sizeof(why), "does not take the token: %s",
                                verify_error(registry_verify(r)));
                add_trouble(status, where, why);
        }
}

void status_format(const Registries *registries, const KubeAuth *auth, const Cluster *cluster,
                   const char *reload_problem, char ret[static STATUS_MAX])
{
        char namespaces[256] = "waiting for the API server", tokens[256], one[128];
        ClusterSummary s;

        cluster_summary(cluster, &s);
        if (cluster_synced(cluster))
                format_namespaces(&s, namespaces, sizeof(namespaces));
        format_tokens(registries, tokens, sizeof(tokens));
        (void) snprintf(ret, STATUS_MAX, "%s; %s", namespaces, tokens);
        add_trouble(ret, "not reloaded", reload_problem);
        for (size_t i = 0; i < registries_count(registries); i++)
                add_registry(ret, registries_get(registries, i));
        if (*cluster_error(cluster))
                add_trouble(ret, "API server", cluster_error(cluster));
        else
                add_trouble(ret, "credentials for the API server", kube_auth_error(auth));
        add_trouble(ret, "service accounts", accounts_error(cluster_accounts(cluster)));
        (void) snprintf(one, sizeof(one), "namespace %s", s.failing_name ? s.failing_name : "");
        add_trouble(ret, one, s.failing_why);
        (void) str_make_printable(ret); /* a line end would begin a field of its own */
}
