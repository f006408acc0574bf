/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "backoff.h"
#include "kube-auth.h"
#include "log.h"
#include "message.h"

#include <errno.h>
#include <stdio.h>

/* client-go re-reads a tokenFile after a minute; the kubelet rotates projected tokens long before they end.
 */
#define TOKEN_FILE_MAX_AGE USEC_PER_MINUTE

/* From the begin of one fetch to that of the next. */
#define FETCH_INTERVAL_MIN (5 * USEC_PER_SEC)

/* Half of the first step is FETCH_INTERVAL_MIN. */
static const BackoffPolicy backoff_policy = { .base = 10 * USEC_PER_SEC, .cap = 5 * USEC_PER_MINUTE };

#define PROBLEM_MAX 512U

struct KubeAuthWait {
        KubeAuth *auth;
        KubeAuthWait *next, **link; /* link is NULL once it is over */
        uint64_t serial;
        kube_auth_waited_t done;
        void *userdata;
};

/* Times are on CLOCK_BOOTTIME unless it is said. */
struct KubeAuth {
        const KubeConfig *config;
        const KubeAuthProvider *provider; /* NULL: config has it all */
        void *provider_self;
        kube_auth_changed_t changed; /* NULL: nobody wants to know */
        void *userdata;
        uint64_t generation, certificate_generation;

        char *token;      /* last good read of the token file */
        usec_t token_due; /* to be read again then, 0: now */
        bool token_lost;  /* the last read was none */

        KubeCredential credential; /* what was fetched last */
        bool present;              /* there is one */
        usec_t expires, refresh_at;
        bool accepted, refused;
        unsigned refusals; /* credentials in a row that were refused and never accepted */

        bool fetching;
        usec_t fetch_end;
        usec_t next_fetch; /* none is begun before */
        unsigned failures; /* of fetches, in a row */
        char problem[PROBLEM_MAX];
        KubeAuthStats stats;

        KubeAuthWait *waits;
        uint64_t n_waits; /* since the start */
        sd_event_source *timer;
        sd_event_source *worker; /* deferred: tells those who wait */
};

/* --- the token file -------------------------------------------------------------------------------- */

/* The last good read wins over a file that is away or empty for a moment. */
static void refresh_token(KubeAuth *a)
{
        usec_t now = clock_boottime();
        char *token;

        if (!a->config->token_file || (a->token && now < a->token_due))
                return;
        if (kube_config_read_token(a->config->token_file, &token) < 0) {
                if (!a->token_lost)
                        log_warning("Cannot read a token from %s, using the last one until it can be read",
                                    a->config->token_file);
                a->token_lost = true;
                return;
        }
        a->token_lost = false;
        a->generation += !streq_ptr(token, a->token ? a->token : a->config->token);
        str_erase_free(a->token);
        a->token = token;
        a->token_due = usec_add(now, TOKEN_FILE_MAX_AGE);
}

static void read_identity(KubeAuth *a, KubeIdentity *ret)
{
        refresh_token(a);
        *ret = (KubeIdentity){
                .token = a->token ? a->token : a->config->token,
                .client_certificate = a->config->client_certificate,
                .client_key = a->config->client_key,
                .generation = a->generation,
        };
}

/* --- when to fetch --------------------------------------------------------------------------------- */

static bool is_good(const KubeAuth *a, usec_t now)
{
        return a->present && now < a->expires;
}

/* Whether it is worth to wait for the next fetch. */
static bool is_coming(const KubeAuth *a, usec_t now)
{
        return a->fetching || a->next_fetch < usec_add(now, FETCH_INTERVAL_MIN);
}

/* Whether those who wait would do so for longer than a fetch takes. */
static bool is_hopeless(const KubeAuth *a, usec_t now)
{
        return !a->fetching && (a->failures > 0 ? now < a->next_fetch : !is_coming(a, now));
}

static bool is_usable(const KubeAuth *a, usec_t now)
{
        return is_good(a, now) && !(a->refused && is_coming(a, now));
}

static usec_t next_event(const KubeAuth *a)
{
        if (a->fetching)
                return a->fetch_end;
        if (a->waits || a->refused || a->failures > 0)
                return a->next_fetch;
        return a->present ? MAX(a->refresh_at, a->next_fetch) : USEC_INFINITY;
}

static void schedule(KubeAuth *a)
{
        usec_t at = next_event(a);

        if (at != USEC_INFINITY)
                (void) sd_event_source_set_time_relative(a->timer, usec_sub(at, clock_boottime()));
        (void) sd_event_source_set_enabled(a->timer, at == USEC_INFINITY ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
        (void) sd_event_source_set_enabled(a->worker, a->waits ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

/* --- what a fetch has come to ---------------------------------------------------------------------- */

static void log_failure(const KubeAuth *a, const char *before, usec_t now)
{
        char retry[CLOCK_DURATION_MAX], left[CLOCK_DURATION_MAX];
        bool good = is_good(a, now) && !a->refused;
        bool known = a->expires != USEC_INFINITY;

        if (a->failures > 1 && streq(a->problem, before))
                return;
        log_event(good ? LOG_WARNING : LOG_ERR, MESSAGE_CREDENTIALS_LACKING,
                  "Cannot get credentials for the API server %s: %s; trying again in %s%s%s",
                  a->config->server, a->problem, clock_format_duration(retry, usec_sub(a->next_fetch, now)),
                  !good   ? ""
                  : known ? ", and the ones that are there are good for "
                          : ", and the ones that are there stay in use",
                  good && known ? clock_format_duration(left, usec_sub(a->expires, now)) : "");
}

static void tell_change(const KubeAuth *a)
{
        if (a->changed)
                a->changed(a->userdata);
}

static void fail(KubeAuth *a, const char *problem)
{
        usec_t now = clock_boottime();
        char before[PROBLEM_MAX];

        memcpy(before, a->problem, sizeof(before));
        (void) snprintf(a->problem, sizeof(a->problem), "%.*s",
                        str_fit(problem, strlen(problem), sizeof(a->problem) - 1), problem);
        a->stats.failed++;
        a->failures++;
        a->next_fetch = usec_add(now, backoff_delay(&backoff_policy, a->failures, backoff_random()));
        log_failure(a, before, now);
        tell_change(a);
}

static void log_success(const KubeAuth *a, usec_t life)
{
        char text[CLOCK_DURATION_MAX];

        if (a->failures > 0)
                log_info("Credentials for the API server can be got again");
        if (life == USEC_INFINITY)
                log_debug("Credentials for the API server, for as long as they are taken");
        else
                log_debug("Credentials for the API server, good for %s", clock_format_duration(text, life));
}

static void take(KubeAuth *a, KubeCredential *c)
{
        usec_t now = clock_boottime(), life = kube_credential_life(c, clock_now());

        log_success(a, life);
        a->generation++;
        a->certificate_generation += !streq_ptr(c->client_certificate, a->credential.client_certificate) ||
                                     !streq_ptr(c->client_key, a->credential.client_key);
        kube_credential_done(&a->credential);
        a->credential = *c;
        *c = (KubeCredential){ 0 };
        a->expires = usec_add(now, life);
        a->refresh_at = usec_add(now, kube_credential_refresh(life));
        a->present = true;
        a->accepted = a->refused = false;
        a->failures = 0;
        a->problem[0] = '\0';
        a->stats.fetched++;
        a->stats.expires = a->credential.expires;
        tell_change(a);
}

static void on_fetched(KubeCredential *credential, const char *problem, void *userdata)
{
        char error[X509_ERROR_MAX];
        KubeAuth *a = userdata;
        usec_t end;

        a->fetching = false;
        if (!credential)
                fail(a, problem);
        else if (kube_credential_check(credential, &end, error) < 0)
                fail(a, error);
        else {
                /* A certificate ends by itself, whatever is said of it. */
                if (end > 0)
                        credential->expires = credential->expires > 0 ? MIN(credential->expires, end) : end;
                take(a, credential);
                a->stats.certificate_expires = end;
        }
        schedule(a);
}

static void begin_fetch(KubeAuth *a, usec_t now)
{
        int r;

        a->fetching = true;
        a->fetch_end = usec_add(now, KUBE_AUTH_FETCH_MAX);
        a->next_fetch = usec_add(now, FETCH_INTERVAL_MIN);
        r = a->provider->fetch(a->provider_self, on_fetched, a);
        if (r >= 0)
                return;
        a->fetching = false;
        fail(a, strerror(-r));
}

static int on_timer(sd_event_source *s, uint64_t usec, void *userdata)
{
        KubeAuth *a = userdata;

        if (a->fetching) {
                a->provider->cancel(a->provider_self);
                a->fetching = false;
                fail(a, "nothing came in time");
        } else
                begin_fetch(a, clock_boottime());
        schedule(a);
        return 0;
}

/* --- those who wait -------------------------------------------------------------------------------- */

static void unlink_wait(KubeAuthWait *w)
{
        if (!w->link)
                return;
        *w->link = w->next;
        if (w->next)
                w->next->link = w->link;
        w->link = NULL;
}

/* The callbacks may free any of them and begin others, which are not told now. */
static void settle(KubeAuth *a, const char *problem)
{
        uint64_t last = a->n_waits;
        KubeAuthWait *w = a->waits;

        while (w)
                if (w->serial <= last) {
                        unlink_wait(w);
                        w->done(problem, w->userdata);
                        w = a->waits;
                } else
                        w = w->next;
        schedule(a);
}

static int on_work(sd_event_source *s, void *userdata)
{
        usec_t now = clock_boottime();
        char problem[PROBLEM_MAX];
        KubeAuth *a = userdata;

        if (is_usable(a, now) && !(a->refused && a->failures > 0))
                settle(a, NULL);
        else if (is_hopeless(a, now)) {
                (void) snprintf(problem, sizeof(problem), "%s",
                                a->failures > 0 ? a->problem : "the API server has refused the last ones");
                settle(a, problem);
        }
        return 0;
}

int kube_auth_wait(KubeAuth *a, kube_auth_waited_t done, void *userdata, KubeAuthWait **ret)
{
        KubeAuthWait *w;

        w = calloc(1, sizeof(*w));
        if (!w)
                return -ENOMEM;
        *w = (KubeAuthWait){ .auth = a,
                             .next = a->waits,
                             .link = &a->waits,
                             .serial = ++a->n_waits,
                             .done = done,
                             .userdata = userdata };
        if (a->waits)
                a->waits->link = &w->next;
        a->waits = w;
        schedule(a);
        *ret = w;
        return 0;
}

KubeAuthWait *kube_auth_wait_free(KubeAuthWait *w)
{
        if (!w)
                return NULL;
        unlink_wait(w);
        free(w);
        return NULL;
}

/* --- for requests ---------------------------------------------------------------------------------- */

bool kube_auth_identity(KubeAuth *a, KubeIdentity *ret)
{
        if (!a->provider) {
                read_identity(a, ret);
                return true;
        }
        *ret = (KubeIdentity){
                .token = a->credential.token,
                .client_certificate = a->credential.client_certificate,
                .client_key = a->credential.client_key,
                .generation = a->generation,
                .certificate_generation = a->certificate_generation,
        };
        return is_usable(a, clock_boottime());
}

void kube_auth_accepted(KubeAuth *a, uint64_t generation)
{
        if (generation != a->generation)
                return;
        a->accepted = true;
        a->refusals = 0;
}

/* One that was good is replaced at once, and so is the first that never was. If those that come are not
 * taken either, it is no use to hurry. */
static void refuse(KubeAuth *a, usec_t now)
{
        usec_t delay;

        a->refused = true;
        if (a->accepted || ++a->refusals == 1)
                return;
        delay = backoff_delay(&backoff_policy, a->refusals - 1, backoff_random());
        a->next_fetch = MAX(a->next_fetch, usec_add(now, delay));
}

bool kube_auth_refused(KubeAuth *a, uint64_t generation)
{
        usec_t now = clock_boottime();

        if (generation != a->generation)
                return true;
        if (a->provider) {
                if (!a->refused)
                        refuse(a, now);
                schedule(a);
                return is_coming(a, now);
        }
        a->token_due = 0;
        refresh_token(a);
        return generation != a->generation;
}

/* --- the whole ------------------------------------------------------------------------------------- */

const KubeConfig *kube_auth_config(const KubeAuth *a)
{
        return a->config;
}

bool kube_auth_fetches(const KubeAuth *a)
{
        return a->provider;
}

const KubeAuthStats *kube_auth_stats(const KubeAuth *a)
{
        return &a->stats;
}

void kube_auth_count_on(KubeAuth *a, const KubeAuth *old)
{
        a->stats.fetched += old->stats.fetched;
        a->stats.failed += old->stats.failed;
}

const char *kube_auth_error(const KubeAuth *a)
{
        return a->problem;
}

int kube_auth_new(sd_event *event, const KubeConfig *config, KubeAuth **ret)
{
        _cleanup_(kube_auth_freep) KubeAuth *a = NULL;
        char error[X509_ERROR_MAX];
        int r;

        a = calloc(1, sizeof(*a));
        if (!a)
                return -ENOMEM;
        a->config = config;
        /* If it is of no use, connecting tells. */
        if (config->client_certificate)
                (void) x509_certificate_expiry_of(config->client_certificate, "",
                                                  &a->stats.certificate_expires, error);
        r = sd_event_add_time_relative(event, &a->timer, CLOCK_BOOTTIME, 0, 1, on_timer, a);
        if (r < 0)
                return r;
        r = sd_event_add_defer(event, &a->worker, on_work, a);
        if (r < 0)
                return r;
        schedule(a);
        *ret = TAKE_PTR(a);
        return 0;
}

void kube_auth_set_provider(KubeAuth *a, const KubeAuthProvider *provider, void *self)
{
        if (a->provider)
                a->provider->free(a->provider_self);
        a->provider = provider;
        a->provider_self = self;
        a->next_fetch = 0;
        if (a->fetching)
                begin_fetch(a, clock_boottime());
        schedule(a);
}

void kube_auth_set_changed(KubeAuth *a, kube_auth_changed_t changed, void *userdata)
{
        a->changed = changed;
        a->userdata = userdata;
}

KubeAuth *kube_auth_free(KubeAuth *a)
{
        if (!a)
                return NULL;
        if (a->provider)
                a->provider->free(a->provider_self);
        kube_credential_done(&a->credential);
        str_erase_free(a->token);
        (void) sd_event_source_disable_unref(a->timer);
        (void) sd_event_source_disable_unref(a->worker);
        free(a);
        return NULL;
}
