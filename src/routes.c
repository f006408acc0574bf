/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "exposition.h"
#include "metrics.h"
#include "routes.h"

static int on_metrics(Buf *b, void *userdata)
{
        int r = metrics_render(b, userdata);

        return r < 0 ? r : 200;
}

static int verdict(Buf *b, bool good, const char *reason)
{
        int r = buf_printf(b, "%s\n", good ? "ok" : reason);

        return r < 0 ? r : good ? 200 : 503;
}

static int on_healthz(Buf *b, void *userdata)
{
        char reason[HEALTH_REASON_MAX];
        bool good = eatr_is_healthy(userdata, reason);

        return verdict(b, good, reason);
}

static int on_readyz(Buf *b, void *userdata)
{
        char reason[HEALTH_REASON_MAX];
        bool good = eatr_is_ready(userdata, reason);

        return verdict(b, good, reason);
}

const HttpdRoute routes[] = {
        { "/metrics", EXPOSITION_CONTENT_TYPE, on_metrics },
        { "/healthz", "text/plain; charset=utf-8", on_healthz },
        { "/readyz", "text/plain; charset=utf-8", on_readyz },
        { NULL, NULL, NULL },
};
