/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "log.h"
#include "message.h"
#include "pass.h"

void pass_begin(Pass *p, const WriterStats *stats, usec_t now)
{
        *p = (Pass){ .started = now, .created = stats->created, .renewed = stats->renewed };
}

bool pass_is_under_way(const Pass *p)
{
        return p->started > 0;
}

void pass_end(Pass *p, const WriterStats *stats, const ClusterSummary *summary, usec_t now)
{
        unsigned long long created = stats->created - p->created, renewed = stats->renewed - p->renewed;
        char took[CLOCK_DURATION_MAX];

        (void) clock_format_duration(took, usec_sub(now, p->started));
        p->started = 0;
        if (summary->failing + summary->conflict > 0)
                log_event(LOG_WARNING, MESSAGE_PASS_DONE,
                          "Pass done in %s: %llu Secrets created, %llu renewed; %u namespaces failing, %u "
                          "in conflict",
                          took, created, renewed, summary->failing, summary->conflict);
        else if (created + renewed > 0)
                log_event(LOG_INFO, MESSAGE_PASS_DONE, "Pass done in %s: %llu Secrets created, %llu renewed",
                          took, created, renewed);
        else if (summary->pending > 0)
                log_event(LOG_INFO, MESSAGE_PASS_DONE, "Pass done: %u namespaces have yet to get a Secret",
                          summary->pending);
        else
                log_event(LOG_INFO, MESSAGE_PASS_DONE, "Pass done: every Secret is good as it is");
}
