/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "encode.h"
#include "kube-keys.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>

/* Of a namespace or a Secret; the API server's own. */
#define NAME_MAX_SIZE 253U

#define PROBLEM_MAX 1024U

struct KubeKeys {
        KubeWatch *watch;
        sd_event_source *tell;
        kube_keys_changed_t changed;
        void *userdata;
        char *secret, *name, *collection, *query;

        bool seen;                   /* in the list that is being read */
        AwsCredentials *credentials; /* what was read last, or */
        char fault[256];             /* why there are none; "" before anything is known */
        char trouble[512];           /* why it cannot be read; "" if it can */

        AwsCredentials *told;
        char told_problem[PROBLEM_MAX];
};

/* --- what a Secret holds --------------------------------------------------------------------------- */

typedef enum Value {
        VALUE_ACCESS_KEY_ID,
        VALUE_SECRET_ACCESS_KEY,
        VALUE_SESSION_TOKEN,
        _VALUE_MAX,
} Value;

static const char *const value_names[_VALUE_MAX][2] = {
        [VALUE_ACCESS_KEY_ID] = { "aws_access_key_id", "AWS_ACCESS_KEY_ID" },
        [VALUE_SECRET_ACCESS_KEY] = { "aws_secret_access_key", "AWS_SECRET_ACCESS_KEY" },
        [VALUE_SESSION_TOKEN] = { "aws_session_token", "AWS_SESSION_TOKEN" },
};

/* Decodes a value without the line ends behind it, which files have. Returns NULL and *ret, or what is wrong
 * with it. */
static const char *decode_value(const char *text, char **ret)
{
        void *decoded;
        size_t n;
        int r = decode_base64(text, &decoded, &n);
        char *value = decoded;
        const char *problem = NULL;

        if (r < 0)
                return r == -ENOMEM ? "cannot be decoded: memory is out" : "is not base64";
        while (n > 0 && (value[n - 1] == '\n' || value[n - 1] == '\r'))
                value[--n] = '\0';
        if (n == 0)
                problem = "is empty";
        else if (n > KUBE_KEYS_VALUE_MAX)
                problem = "is larger than 8 KiB";
        for (size_t i = 0; i < n && !problem; i++)
                if (!isgraph((unsigned char) value[i]))
                        problem = "has a blank, a line end or another character in it that cannot be";
        if (!problem) {
                *ret = value;
                return NULL;
        }
        explicit_bzero(value, n);
        free(value);
        return problem;
}

/* Reads one value, which only a token need not be. Returns whether it is fine. */
static bool read_value(KubeKeys *k, const cJSON *data, Value v, char **ret)
{
        const char *name = value_names[v][json_get(data, value_names[v][0]) ? 0 : 1], *problem;
        const char *text = json_string(data, name);

        if (!text && v == VALUE_SESSION_TOKEN)
                return true;
        if (!text) {
                (void) snprintf(k->fault, sizeof(k->fault), "it has no key %s", value_names[v][0]);
                return false;
        }
        problem = decode_value(text, ret);
        if (problem)
                (void) snprintf(k->fault, sizeof(k->fault), "the value of its key %s %s", name, problem);
        return !problem;
}

/* Returns NULL and why in k->fault, or credentials. */
static AwsCredentials *read_secret(KubeKeys *k, const cJSON *object)
{
        _cleanup_erase_ char *id = NULL, *secret = NULL, *token = NULL;
        const cJSON *data = json_get(object, "data");
        AwsCredentials *c = NULL;
        int r;

        if (!read_value(k, data, VALUE_ACCESS_KEY_ID, &id) ||
            !read_value(k, data, VALUE_SECRET_ACCESS_KEY, &secret) ||
            !read_value(k, data, VALUE_SESSION_TOKEN, &token))
                return NULL;
        r = aws_credentials_new(
                &(AwsKeys){ .access_key_id = id, .secret_access_key = secret, .session_token = token }, 0,
                &c);
        if (r < 0)
                (void) snprintf(k->fault, sizeof(k->fault), "its keys cannot be used: %s", strerror(-r));
        return c;
}

/* --- what is told ---------------------------------------------------------------------------------- */

static bool same(const AwsCredentials *a, const AwsCredentials *b)
{
        return a == b || (a && b && streq(a->keys.access_key_id, b->keys.access_key_id) &&
                          streq(a->keys.secret_access_key, b->keys.secret_access_key) &&
                          streq_ptr(a->keys.session_token, b->keys.session_token));
}

/* On its own turn of the loop: the handlers of a watch may start nothing and free nothing. */
static int on_tell(sd_event_source *s, void *userdata)
{
        KubeKeys *k = userdata;
        AwsCredentials *now = k->trouble[0] ? NULL : k->credentials;
        const char *why = k->trouble[0] ? k->trouble : k->fault;
        char problem[PROBLEM_MAX] = "";

        if (!now)
                (void) snprintf(problem, sizeof(problem), "Secret %s: %s", k->secret, why);
        if ((!now && !*why) || (same(now, k->told) && streq(problem, k->told_problem)))
                return 0;
        (void) aws_credentials_unref(k->told);
        k->told = aws_credentials_ref(now);
        memcpy(k->told_problem, problem, sizeof(problem));
        k->changed(k->told, k->told ? NULL : k->told_problem, k->userdata); /* k may be gone */
        return 0;
}

static void tell(KubeKeys *k)
{
        (void) sd_event_source_set_enabled(k->tell, SD_EVENT_ONESHOT);
}

/* --- the watch ------------------------------------------------------------------------------------- */

/* A proxy may not have looked at the query. */
static bool is_ours(const KubeKeys *k, const cJSON *object)
{
        return streq_ptr(json_string(json_get(object, "metadata"), "name"), k->name);
}

static void on_list_begin(void *userdata)
{
        KubeKeys *k = userdata;

        k->seen = false;
}

static void on_seen(const cJSON *object, void *userdata)
{
        KubeKeys *k = userdata;

        if (!is_ours(k, object))
                return;
        k->seen = true;
        k->fault[0] = '\0';
        (void) aws_credentials_unref(k->credentials);
        k->credentials = read_secret(k, object);
        tell(k);
}

static void lose(KubeKeys *k)
{
        k->credentials = aws_credentials_unref(k->credentials);
        (void) snprintf(k->fault, sizeof(k->fault), "there is no such Secret");
        tell(k);
}

static void on_gone(const cJSON *object, void *userdata)
{
        KubeKeys *k = userdata;

        if (is_ours(k, object))
                lose(k);
}

static void on_list_end(void *userdata)
{
        KubeKeys *k = userdata;

        if (!k->seen)
                lose(k);
}

static void on_working(void *userdata)
{
        KubeKeys *k = userdata;

        k->trouble[0] = '\0';
        tell(k);
}

/* Whether the same request will do another time. */
static bool passes(HttpOutcome outcome)
{
        return outcome == HTTP_RETRY || outcome == HTTP_THROTTLED || outcome == HTTP_UNAUTHORIZED ||
               outcome == HTTP_GONE;
}

static void on_failed(HttpOutcome outcome, const KubeStatus *status, usec_t retry, void *userdata)
{
        KubeKeys *k = userdata;

        if (passes(outcome) && kube_watch_synced(k->watch))
                return;
        if (outcome == HTTP_FORBIDDEN)
                (void) snprintf(k->trouble, sizeof(k->trouble), "reading is forbidden (403): %s",
                                status->message);
        else
                (void) snprintf(k->trouble, sizeof(k->trouble), "it cannot be read: %s", status->message);
        tell(k);
}

static const KubeWatchHandler handler = {
        .list_begin = on_list_begin,
        .seen = on_seen,
        .gone = on_gone,
        .list_end = on_list_end,
        .working = on_working,
        .failed = on_failed,
};

/* --- the whole ------------------------------------------------------------------------------------- */

/* Of a namespace or a Secret: what needs no quoting in a path or a query. */
static bool is_name(const char *s, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if (!(s[i] >= 'a' && s[i] <= 'z') && !(s[i] >= '0' && s[i] <= '9') &&
                    ((s[i] != '-' && s[i] != '.') || i == 0 || i == n - 1))
                        return false;
        return n > 0 && n <= NAME_MAX_SIZE;
}

static int set_secret(KubeKeys *k, const char *secret)
{
        const char *slash = strchr(secret, '/');

        if (!slash || !is_name(secret, (size_t) (slash - secret)) || !is_name(slash + 1, strlen(slash + 1)))
                return -EINVAL;
        k->secret = strdup(secret);
        k->name = strdup(slash + 1);
        k->collection = str_printf("/api/v1/namespaces/%.*s/secrets", (int) (slash - secret), secret);
        k->query = str_printf("fieldSelector=metadata.name%%3D%s&", slash + 1);
        return k->secret && k->name && k->collection && k->query ? 0 : -ENOMEM;
}

int kube_keys_new(sd_event *event, KubeAuth *auth, KubeStats *stats, const char *secret,
                  kube_keys_changed_t changed, void *userdata, KubeKeys **ret)
{
        _cleanup_(kube_keys_freep) KubeKeys *k = NULL;
        KubeWatchSpec spec = { .kind = "Secret", .secret = true };
        int r;

        k = calloc(1, sizeof(*k));
        if (!k)
                return -ENOMEM;
        k->changed = changed;
        k->userdata = userdata;
        r = set_secret(k, secret);
        if (r < 0)
                return r;
        r = sd_event_add_defer(event, &k->tell, on_tell, k);
        if (r < 0)
                return r;
        (void) sd_event_source_set_enabled(k->tell, SD_EVENT_OFF);
        spec.collection = k->collection;
        spec.query = k->query;
        r = kube_watch_new(event, auth, stats, &spec, &handler, k, &k->watch);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(k);
        return 0;
}

void kube_keys_hand_over(KubeKeys *k, kube_keys_changed_t changed, void *userdata)
{
        k->changed = changed;
        k->userdata = userdata;
        k->told = aws_credentials_unref(k->told);
        k->told_problem[0] = '\0';
        tell(k);
}

void kube_keys_hurry(KubeKeys *k)
{
        kube_watch_hurry(k->watch);
}

bool kube_keys_stalled(const KubeKeys *k, usec_t now)
{
        return kube_watch_stalled(k->watch, now);
}

KubeKeys *kube_keys_free(KubeKeys *k)
{
        if (!k)
                return NULL;
        (void) kube_watch_free(k->watch);
        (void) sd_event_source_disable_unref(k->tell);
        (void) aws_credentials_unref(k->credentials);
        (void) aws_credentials_unref(k->told);
        free(k->secret);
        free(k->name);
        free(k->collection);
        free(k->query);
        free(k);
        return NULL;
}
