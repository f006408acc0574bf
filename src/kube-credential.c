/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "kube-credential.h"
#include "x509-check.h"

#include <errno.h>
#include <stdio.h>

#define REFRESH_MARGIN_MIN USEC_PER_MINUTE
#define EXPIRED_GRACE USEC_PER_MINUTE

void kube_credential_done(KubeCredential *c)
{
        (void) str_erase_free(c->token);
        free(c->client_certificate);
        (void) str_erase_free(c->client_key);
        *c = (KubeCredential){ 0 };
}

int kube_credential_check(const KubeCredential *c, usec_t *ret, char error[static X509_ERROR_MAX])
{
        const char *problem;
        int r;

        *ret = 0;
        if (!c->client_certificate)
                return 0;
        problem = x509_check_pair(c->client_certificate, c->client_key);
        if (problem) {
                (void) snprintf(error, X509_ERROR_MAX, "the client certificate: %s", problem);
                return -EINVAL;
        }
        r = x509_certificate_expiry_of(c->client_certificate, "the client certificate", ret, error);
        if (r == -ENOMEM)
                (void) snprintf(error, X509_ERROR_MAX, "memory is out");
        return r;
}

usec_t kube_credential_life(const KubeCredential *c, usec_t now)
{
        if (c->expires == 0)
                return USEC_INFINITY;
        return c->expires > now ? c->expires - now : EXPIRED_GRACE;
}

usec_t kube_credential_refresh(usec_t life)
{
        if (life == USEC_INFINITY)
                return USEC_INFINITY;
        return MAX(life / 2, usec_sub(life, MAX(REFRESH_MARGIN_MIN, life / 10)));
}
