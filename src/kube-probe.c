/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "kube-probe.h"
#include "log.h"

#include <errno.h>

#define PROBE_IDLE (30 * USEC_PER_SEC)
#define PROBE_ACCURACY (5 * USEC_PER_SEC)
#define PROBE_TIMEOUT (15 * USEC_PER_SEC)

struct KubeProbe {
        KubeClient *client;
        KubeRequest *request;
        sd_event_source *timer;
};

static void on_answered(KubeRequest *q, HttpOutcome outcome, const KubeStatus *status, void *userdata)
{
        KubeProbe *p = userdata;

        if (status->code == 0)
                log_debug("The API server does not answer: %s", status->message);
        p->request = kube_request_free(q);
}

static int on_timer(sd_event_source *s, uint64_t usec, void *userdata)
{
        static const KubeSpec spec = { .verb = KUBE_PROBE, .path = "/livez", .timeout = PROBE_TIMEOUT };
        KubeProbe *p = userdata;
        usec_t idle = usec_sub(clock_boottime(), kube_client_last_activity(p->client));
        usec_t wait = PROBE_IDLE;

        if (idle < PROBE_IDLE)
                wait -= idle;
        else if (!p->request)
                (void) kube_client_request(p->client, &spec, on_answered, p, &p->request);
        (void) sd_event_source_set_time_relative(p->timer, wait);
        (void) sd_event_source_set_enabled(p->timer, SD_EVENT_ONESHOT);
        return 0;
}

int kube_probe_new(sd_event *event, KubeClient *client, KubeProbe **ret)
{
        _cleanup_(kube_probe_freep) KubeProbe *p = NULL;
        int r;

        p = calloc(1, sizeof(*p));
        if (!p)
                return -ENOMEM;
        p->client = client;
        r = sd_event_add_time_relative(event, &p->timer, CLOCK_BOOTTIME, PROBE_IDLE, PROBE_ACCURACY,
                                       on_timer, p);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(p);
        return 0;
}

KubeProbe *kube_probe_free(KubeProbe *p)
{
        if (!p)
                return NULL;
        (void) kube_request_free(p->request);
        (void) sd_event_source_disable_unref(p->timer);
        free(p);
        return NULL;
}
