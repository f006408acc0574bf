/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "aws-fetch.h"

#include "aws-anywhere.h"
#include "aws-metadata.h"
#include "aws-sts.h"
#include "file.h"
#include "log.h"
#include "message.h"
#include "process.h"
#include "words.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#define PROCESS_TIMEOUT USEC_PER_MINUTE
#define PROCESS_OUTPUT_MAX (64U * 1024)

/* That a certificate expires is told from then on. */
#define CERTIFICATE_AGES (7 * USEC_PER_DAY)

struct AwsFetch {
        sd_event *event;
        AwsState *state;
        const AwsPlaces *places;
        const AwsSource *source; /* NULL: it is for a role */
        const AwsRole *role;
        AwsCredentials *with;
        aws_fetch_done_t done;
        void *userdata;

        AwsCall *call;
        Process *process;
        X509Identity *identity;
        AwsMetadataStep step;
        char *metadata_token, *metadata_role;

        AwsCredentials *received;
        sd_event_source *failing; /* tells of what went wrong before anything was begun */
        char error[AWS_FETCH_ERROR_MAX];
};

/* --- the end --------------------------------------------------------------------------------------- */

/* How much of a URL comes before its path, which opens as much as a password where AWS's agents make it up.
 */
static size_t host_end(const char *url)
{
        const char *host = strstr(url, "://");
        size_t before = host ? (size_t) (host - url) + strlen("://") : 0;

        return before + strcspn(url + before, "/?");
}

/* What is being done, for errors. */
static void describe(const AwsFetch *f, char *buffer, size_t size)
{
        const AwsSource *s = f->source;

        if (!s)
                (void) snprintf(buffer, size, "cannot assume %s", f->role->arn);
        else if (s->kind == AWS_SOURCE_WEB_IDENTITY)
                (void) snprintf(buffer, size, "cannot assume %s with the web identity in %s", s->role.arn,
                                s->token_file);
        else if (s->kind == AWS_SOURCE_ROLES_ANYWHERE)
                (void) snprintf(buffer, size, "IAM Roles Anywhere gives no session of %s", s->role.arn);
        else if (s->kind == AWS_SOURCE_PROCESS)
                (void) snprintf(buffer, size, "credential_process");
        else if (s->kind == AWS_SOURCE_IMDS)
                (void) snprintf(buffer, size, "instance metadata at %s", f->places->imds_url);
        else
                (void) snprintf(buffer, size, "container credentials at %.*s",
                                (int) host_end(s->container.url), s->container.url);
}

static void end(AwsFetch *f, AwsOutcome outcome, const char *why)
{
        _cleanup_(aws_credentials_unrefp) AwsCredentials *received = TAKE_PTR(f->received);
        char error[AWS_FETCH_ERROR_MAX] = "", what[512];

        if (outcome != AWS_OK) {
                describe(f, what, sizeof(what));
                (void) snprintf(error, sizeof(error), "%s: %s", what, why);
        }
        f->done(outcome, outcome == AWS_OK ? received : NULL, error, f->userdata);
}

static int on_failing(sd_event_source *s, void *userdata)
{
        AwsFetch *f = userdata;
        char error[AWS_FETCH_ERROR_MAX];

        (void) snprintf(error, sizeof(error), "%s", f->error);
        end(f, AWS_REJECTED, error);
        return 0;
}

/* For what is found out at once: nothing is called back yet. Returns 0 or -ENOMEM. */
static int fail_soon(AwsFetch *f, const char *format, ...) _printf_(2, 3);
static int fail_soon(AwsFetch *f, const char *format, ...)
{
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(f->error, sizeof(f->error), format, ap);
        va_end(ap);
        return sd_event_add_defer(f->event, &f->failing, on_failing, f) < 0 ? -ENOMEM : 0;
}

/* What starting something returned. */
static int begun(AwsFetch *f, int r)
{
        return r >= 0 || r == -ENOMEM ? r : fail_soon(f, "cannot make the request: %s", strerror(-r));
}

static void on_call(AwsOutcome outcome, const char *error, void *userdata)
{
        AwsFetch *f = userdata;

        f->call = aws_call_free(f->call);
        end(f, outcome, error);
}

/* --- STS ------------------------------------------------------------------------------------------- */

static const char *read_sts(const AwsAnswer *a, void *userdata)
{
        AwsFetch *f = userdata;

        return aws_sts_read(a, &f->received);
}

static int start_sts(AwsFetch *f, const AwsRole *role, const char *web_identity_token)
{
        const AwsStsSpec spec = {
                .url = f->places->sts_url,
                .region = f->places->region,
                .ca_bundle = f->places->ca_bundle,
                .role = role,
                .credentials = f->with,
                .web_identity_token = web_identity_token,
                .read = read_sts,
                .done = on_call,
                .userdata = f,
        };

        return begun(f, aws_sts_start(f->event, f->state, &spec, &f->call));
}

/* Appends the first line of a file that holds one, without what ends it. Returns NULL or what is wrong. */
static const char *read_token_file(const char *path, Buf *b)
{
        _cleanup_buf_ Buf text = BUF_INIT_SECRET(AWS_STS_TOKEN_MAX + 2);
        size_t n;
        int r;

        r = file_read(path, &text);
        if (r < 0)
                return file_strerror(r);
        n = strcspn(buf_str(&text), "\r\n");
        if (n == 0)
                return "it is empty";
        if (strspn(buf_str(&text) + n, " \t\r\n") + n < text.size)
                return "there is more than one line in it";
        return buf_append(b, text.data, n) < 0 ? "it is too large" : NULL;
}

static int start_web_identity(AwsFetch *f)
{
        _cleanup_buf_ Buf token = BUF_INIT_SECRET(AWS_STS_TOKEN_MAX);
        const char *problem;

        problem = read_token_file(f->source->token_file, &token);
        return problem ? fail_soon(f, "%s", problem) : start_sts(f, &f->source->role, buf_str(&token));
}

/* --- IAM Roles Anywhere ---------------------------------------------------------------------------- */

static const char *read_anywhere(const AwsAnswer *a, void *userdata)
{
        AwsFetch *f = userdata;

        return aws_anywhere_read(a, &f->received);
}

static void warn_of_age(const AwsSource *s, usec_t not_after, usec_t now)
{
        char left[CLOCK_DURATION_MAX], time[CLOCK_RFC3339_MAX];

        if (usec_sub(not_after, now) < CERTIFICATE_AGES)
                log_event(LOG_WARNING, MESSAGE_CERTIFICATE_AGES,
                          "The certificate %s for IAM Roles Anywhere expires in %s, on %s",
                          s->anywhere.certificate, clock_format_duration(left, not_after - now),
                          clock_format_rfc3339(time, not_after));
}

/* The files are read each time: certificates are renewed in place. */
static int start_anywhere(AwsFetch *f)
{
        const AwsSource *s = f->source;
        usec_t now = aws_clock_now(&f->state->clock);
        char error[X509_ERROR_MAX], time[CLOCK_RFC3339_MAX];
        int r;

        r = x509_identity_load(s->anywhere.certificate, s->anywhere.private_key, s->anywhere.chain,
                               &f->identity, error);
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                return fail_soon(f, "%s", error);
        if (f->identity->not_after < now)
                return fail_soon(f, "the certificate %s has expired, on %s", s->anywhere.certificate,
                                 clock_format_rfc3339(time, f->identity->not_after));
        if (f->identity->not_before > now)
                return fail_soon(f, "the certificate %s is not valid before %s", s->anywhere.certificate,
                                 clock_format_rfc3339(time, f->identity->not_before));
        warn_of_age(s, f->identity->not_after, now);

        const AwsAnywhereSpec spec = {
                .url = f->places->anywhere_url,
                .source = s,
                .identity = f->identity,
                .ca_bundle = f->places->ca_bundle,
                .read = read_anywhere,
                .done = on_call,
                .userdata = f,
        };
        return begun(f, aws_anywhere_start(f->event, f->state, &spec, &f->call));
}

/* --- the metadata of an instance or a container ---------------------------------------------------- */

static const char *read_metadata(const AwsAnswer *a, void *userdata)
{
        AwsFetch *f = userdata;

        switch (f->step) {
        case AWS_METADATA_TOKEN:
                return aws_metadata_read_text(a, &f->metadata_token);
        case AWS_METADATA_ROLE:
                return aws_metadata_read_text(a, &f->metadata_role);
        default:
                return aws_metadata_read_credentials(a, &f->received);
        }
}

static int start_metadata(AwsFetch *f, const char *url, const char *token);

static void on_metadata(AwsOutcome outcome, const char *error, void *userdata)
{
        AwsFetch *f = userdata;

        f->call = aws_call_free(f->call);
        if (outcome == AWS_OK && f->step < AWS_METADATA_CREDENTIALS) {
                f->step++;
                if (start_metadata(f, f->places->imds_url, f->metadata_token) < 0)
                        end(f, AWS_RETRY, "memory is out");
        } else
                end(f, outcome, error);
}

static int start_metadata(AwsFetch *f, const char *url, const char *token)
{
        const AwsMetadataSpec spec = {
                .step = f->step,
                .url = url,
                .token = token,
                .role = f->metadata_role,
                .read = read_metadata,
                .done = on_metadata,
                .userdata = f,
        };

        return begun(f, aws_metadata_start(f->event, f->state, &spec, &f->call));
}

static int start_container(AwsFetch *f)
{
        _cleanup_buf_ Buf token = BUF_INIT_SECRET(AWS_STS_TOKEN_MAX);
        const AwsSource *s = f->source;
        const char *problem;

        f->step = AWS_METADATA_CONTAINER;
        if (!s->container.token_file)
                return start_metadata(f, s->container.url, s->container.token);
        problem = read_token_file(s->container.token_file, &token);
        return problem ? fail_soon(f, "the token in %s: %s", s->container.token_file, problem)
                       : start_metadata(f, s->container.url, buf_str(&token));
}

/* --- a program ------------------------------------------------------------------------------------- */

/* https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html */
static const char *read_process(const Buf *output, AwsCredentials **ret)
{
        static const AwsCredentialsNames names = { "AccessKeyId", "SecretAccessKey", "SessionToken",
                                                   "Expiration" };
        _cleanup_json_ cJSON *j = NULL;
        double version;

        if (json_parse(buf_str(output), output->size, PROCESS_OUTPUT_MAX, &j) < 0)
                return output->size == 0 ? "it printed nothing" : "what it printed is not JSON";
        if (!json_number(j, "Version", &version) || version != 1)
                return "what it printed does not say \"Version\": 1";
        return aws_credentials_read(j, &names, ret);
}

static void on_process(Process *p, ProcessOutcome outcome, void *userdata)
{
        AwsFetch *f = userdata;
        const char *problem =
                outcome == PROCESS_OK ? read_process(process_output(p), &f->received) : process_error(p);
        const char *words = outcome == PROCESS_OK ? "" : process_last_words(p);
        char error[AWS_FETCH_ERROR_MAX];

        (void) snprintf(error, sizeof(error), "%s%s%s", problem ? problem : "", *words ? ": " : "", words);
        f->process = process_free(f->process);
        end(f, problem ? AWS_REJECTED : AWS_OK, error);
}

static int start_process(AwsFetch *f)
{
        _cleanup_(words_freep) char **argv = NULL;
        _cleanup_(words_freep) char **environment = NULL;
        int r;

        r = words_split(f->source->process, &argv);
        if (r == -EINVAL)
                return fail_soon(f, "there is a quotation mark or a backslash too many in its command line");
        if (r < 0)
                return r;
        if (!argv[0])
                return fail_soon(f, "its command line is empty");
        r = process_environment(NULL, &environment);
        if (r < 0)
                return r;

        const ProcessSpec spec = {
                .argv = argv,
                .env = environment,
                .timeout = PROCESS_TIMEOUT,
                .output_max = PROCESS_OUTPUT_MAX,
        };
        return begun(f, process_start(f->event, &spec, on_process, f, &f->process));
}

/* --- the whole ------------------------------------------------------------------------------------- */

static int start(AwsFetch *f)
{
        if (!f->source)
                return start_sts(f, f->role, NULL);
        switch (f->source->kind) {
        case AWS_SOURCE_PROCESS:
                return start_process(f);
        case AWS_SOURCE_WEB_IDENTITY:
                return start_web_identity(f);
        case AWS_SOURCE_ROLES_ANYWHERE:
                return start_anywhere(f);
        case AWS_SOURCE_IMDS:
                f->step = AWS_METADATA_TOKEN;
                return start_metadata(f, f->places->imds_url, NULL);
        case AWS_SOURCE_CONTAINER:
                return start_container(f);
        default:
                return fail_soon(f, "nothing can be fetched from it");
        }
}

static int make(const AwsFetch *template, AwsFetch **ret)
{
        _cleanup_(aws_fetch_freep) AwsFetch *f = NULL;
        int r;

        f = malloc(sizeof(*f));
        if (!f)
                return -ENOMEM;
        *f = *template;
        f->with = aws_credentials_ref(template->with);
        r = start(f);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(f);
        return 0;
}

int aws_fetch_source(sd_event *event, AwsState *state, const AwsPlaces *places, const AwsSource *source,
                     aws_fetch_done_t done, void *userdata, AwsFetch **ret)
{
        const AwsFetch template = {
                .event = event,
                .state = state,
                .places = places,
                .source = source,
                .done = done,
                .userdata = userdata,
        };

        return make(&template, ret);
}

int aws_fetch_role(sd_event *event, AwsState *state, const AwsPlaces *places, const AwsRole *role,
                   AwsCredentials *credentials, aws_fetch_done_t done, void *userdata, AwsFetch **ret)
{
        const AwsFetch template = {
                .event = event,
                .state = state,
                .places = places,
                .role = role,
                .with = credentials,
                .done = done,
                .userdata = userdata,
        };

        return make(&template, ret);
}

AwsFetch *aws_fetch_free(AwsFetch *f)
{
        if (!f)
                return NULL;
        (void) aws_call_free(f->call);
        (void) process_free(f->process);
        (void) x509_identity_free(f->identity);
        (void) str_erase_free(f->metadata_token);
        free(f->metadata_role);
        aws_credentials_unref(f->with);
        aws_credentials_unref(f->received);
        (void) sd_event_source_disable_unref(f->failing);
        free(f);
        return NULL;
}
