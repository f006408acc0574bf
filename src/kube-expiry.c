/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "kube-expiry.h"
#include "log.h"
#include "message.h"
#include "x509.h"

#include <errno.h>

#define FIRST_NOTICE (30 * USEC_PER_DAY)
#define WEEK (7 * USEC_PER_DAY)

struct KubeExpiry {
        const KubeConfig *config;
        usec_t end;      /* of the certificate, on CLOCK_REALTIME */
        bool told, over; /* a month is left, it has ended: that has been told */
        usec_t told_at;  /* CLOCK_BOOTTIME */
        sd_event_source *timer;
};

static bool is_due(const KubeExpiry *x, usec_t left, usec_t now)
{
        usec_t since = usec_sub(now, x->told_at);

        if (left > FIRST_NOTICE)
                return false;
        if (!x->told || (left == 0 && !x->over))
                return true;
        return since >= (left > WEEK ? WEEK : USEC_PER_DAY);
}

static void tell(const KubeExpiry *x, usec_t left)
{
        char text[CLOCK_DURATION_MAX], time[CLOCK_RFC3339_MAX];
        const KubeConfig *c = x->config;

        (void) clock_format_rfc3339(time, x->end);
        if (left > 0)
                log_event(LOG_WARNING, MESSAGE_KUBECONFIG_AGES,
                          "The client certificate of the kubeconfig's context %s, for %s, expires in %s, on "
                          "%s; a new one in its place is used at once",
                          c->context, c->server, clock_format_duration(text, left), time);
        else
                log_event(LOG_ERR, MESSAGE_KUBECONFIG_AGES,
                          "The client certificate of the kubeconfig's context %s has expired, on %s, and %s "
                          "does not take it any more; a new one in its place is used at once",
                          c->context, time, c->server);
}

static int on_timer(sd_event_source *s, uint64_t usec, void *userdata)
{
        KubeExpiry *x = userdata;
        usec_t now = clock_boottime(), left = usec_sub(x->end, clock_now());

        if (is_due(x, left, now)) {
                tell(x, left);
                x->told = true;
                x->over = left == 0;
                x->told_at = now;
        }
        (void) sd_event_source_set_time_relative(x->timer,
                                                 left > 0 ? MIN(left, USEC_PER_DAY) : USEC_PER_DAY);
        (void) sd_event_source_set_enabled(x->timer, SD_EVENT_ONESHOT);
        return 0;
}

int kube_expiry_new(sd_event *event, const KubeConfig *config, KubeExpiry **ret)
{
        _cleanup_(kube_expiry_freep) KubeExpiry *x = NULL;
        char error[X509_ERROR_MAX];
        int r;

        x = calloc(1, sizeof(*x));
        if (!x)
                return -ENOMEM;
        x->config = config;
        /* One that cannot be read is told of when connecting fails. */
        if (config->client_certificate &&
            x509_certificate_expiry_of(config->client_certificate, "", &x->end, error) >= 0) {
                r = sd_event_add_time_relative(event, &x->timer, CLOCK_BOOTTIME, 0, USEC_PER_SEC, on_timer,
                                               x);
                if (r < 0)
                        return r;
                (void) sd_event_source_set_time_relative(x->timer, 0);
        }
        *ret = TAKE_PTR(x);
        return 0;
}

void kube_expiry_take_over(KubeExpiry *x, const KubeExpiry *old)
{
        if (!streq_ptr(x->config->client_certificate, old->config->client_certificate))
                return;
        x->told = old->told;
        x->over = old->over;
        x->told_at = old->told_at;
}

KubeExpiry *kube_expiry_free(KubeExpiry *x)
{
        if (!x)
                return NULL;
        (void) sd_event_source_disable_unref(x->timer);
        free(x);
        return NULL;
}
