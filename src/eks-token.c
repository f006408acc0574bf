/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "eks-token.h"

#include "encode.h"

#include <errno.h>
#include <stdio.h>

#define PREFIX "k8s-aws-v1."
#define CLUSTER_HEADER "x-k8s-aws-id"

/* STS does not care, but verifiers have wanted it between 0 and 60. */
#define EXPIRES 60U

/* A session token is what makes it long. The API server takes headers up to 1 MB, EKS less. */
#define URL_MAX (64U * 1024)

struct EksToken {
        AwsState *state;
        const EksConfig *config;
        Credentials *credentials;
        CredentialsRequest *request; /* NULL: none is under way */
        kube_auth_fetched_t done;
        void *userdata;
        AwsCredentials *last; /* of the last token */
        usec_t half;          /* CLOCK_BOOTTIME, when it is half way to its end */
};

/* --- one --------------------------------------------------------------------------------------------- */

static int append_url(const char *endpoint, const char *cluster, const AwsScope *scope, const AwsKeys *keys,
                      Buf *b)
{
        static const AwsParameter parameters[] = {
                { "Action", "GetCallerIdentity" },
                { "Version", "2011-06-15" },
        };
        const AwsHeader headers[] = {
                { "Host", startswith(endpoint, "https://") },
                { CLUSTER_HEADER, cluster },
        };
        const AwsRequest request = {
                .method = "GET", .path = "/", .headers = headers, .n_headers = ELEMENTSOF(headers)
        };
        const AwsPresign presign = { parameters, ELEMENTSOF(parameters), EXPIRES };
        int r;

        r = buf_printf(b, "%s/?", endpoint);
        return r < 0 ? r : aws_sigv4_presign(&request, &presign, scope, keys, b);
}

int eks_token_make(const char *cluster, const char *region, const AwsKeys *keys, usec_t now, char **ret)
{
        const AwsScope scope = { region, aws_service_to_string(AWS_SERVICE_STS), now };
        _cleanup_buf_ Buf url = BUF_INIT_SECRET(URL_MAX);
        _cleanup_erase_ char *encoded = NULL;
        _cleanup_free_ char *endpoint = NULL;
        int r;

        r = aws_endpoint(AWS_SERVICE_STS, region, false, false, &endpoint);
        if (r >= 0)
                r = append_url(endpoint, cluster, &scope, keys, &url);
        if (r < 0)
                return r;
        encoded = encode_base64url(buf_str(&url), url.size);
        *ret = encoded ? str_printf(PREFIX "%s", encoded) : NULL;
        return *ret ? 0 : -ENOMEM;
}

/* --- as a provider ----------------------------------------------------------------------------------- */

/* A session that ends sooner takes the token with it. */
static usec_t life_of(const EksToken *t, const AwsCredentials *c)
{
        usec_t left = c->expires > 0 ? usec_sub(c->expires, aws_clock_now(&t->state->clock)) : USEC_INFINITY;

        return MIN(left, EKS_TOKEN_LIFE);
}

static void remember(EksToken *t, AwsCredentials *c, usec_t life)
{
        aws_credentials_ref(c);
        aws_credentials_unref(t->last);
        t->last = c;
        t->half = usec_add(clock_boottime(), life / 2);
}

/* What is not taken is wiped. */
static void finish(EksToken *t, AwsCredentials *c)
{
        usec_t life = life_of(t, c);
        KubeCredential made = { .expires = usec_add(clock_now(), life) };
        char problem[128];
        int r;

        r = eks_token_make(t->config->cluster, t->config->region, &c->keys, aws_clock_now(&t->state->clock),
                           &made.token);
        if (r < 0) {
                (void) snprintf(problem, sizeof(problem), "a token of EKS cannot be made: %s", strerror(-r));
                t->done(NULL, problem, t->userdata);
                return;
        }
        remember(t, c, life);
        t->done(&made, NULL, t->userdata);
        kube_credential_done(&made);
}

static void on_credentials(AwsOutcome outcome, AwsCredentials *credentials, const char *error,
                           void *userdata)
{
        char problem[AWS_FETCH_ERROR_MAX + 64];
        EksToken *t = userdata;

        (void) snprintf(problem, sizeof(problem), "a token of EKS needs credentials of AWS: %s", error);
        t->request = credentials_request_free(t->request);
        if (credentials)
                finish(t, credentials);
        else
                t->done(NULL, problem, t->userdata);
}

/* Who asks again in the first half of a token's life does so because it was refused. */
static void drop_refused(EksToken *t)
{
        if (t->last && clock_boottime() < t->half)
                (void) credentials_drop(t->credentials, t->last);
}

static int fetch(void *self, kube_auth_fetched_t done, void *userdata)
{
        EksToken *t = self;

        drop_refused(t);
        t->done = done;
        t->userdata = userdata;
        return credentials_get(t->credentials, on_credentials, t, &t->request);
}

static void cancel(void *self)
{
        EksToken *t = self;

        t->request = credentials_request_free(t->request);
}

static void free_self(void *self)
{
        (void) eks_token_free(self);
}

const KubeAuthProvider eks_token_provider = { .fetch = fetch, .cancel = cancel, .free = free_self };

/* --- the whole --------------------------------------------------------------------------------------- */

int eks_token_new(sd_event *event, AwsState *state, const EksConfig *config, EksToken **ret)
{
        _cleanup_(eks_token_freep) EksToken *t = calloc(1, sizeof(*t));
        int r;

        if (!t)
                return -ENOMEM;
        t->state = state;
        t->config = config;
        r = credentials_new(event, state, config->source, &config->places, &t->credentials);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(t);
        return 0;
}

EksToken *eks_token_free(EksToken *t)
{
        if (!t)
                return NULL;
        (void) credentials_request_free(t->request);
        (void) credentials_free(t->credentials);
        aws_credentials_unref(t->last);
        free(t);
        return NULL;
}
