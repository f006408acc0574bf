/* SPDX-License-Identifier: MIT */
#pragma once

/* Stands in for aws-fetch where it is defined so (fetch-double-on.h): a fetch runs until the test says what
 * comes of it. */

#include "aws-fetch.h"
#include "clockwork.h"

#include <stdio.h>

struct AwsFetch {
        const AwsSource *source; /* NULL: it is for a role */
        const AwsRole *role;
        AwsCredentials *with;
        aws_fetch_done_t done;
        void *userdata;
        AwsFetch *next;
};

static AwsFetch *fetches;  /* that run, the last first */
static unsigned n_fetches; /* that were begun */

static inline AwsFetch *fetch_begin(const AwsSource *source, const AwsRole *role, AwsCredentials *with,
                                    aws_fetch_done_t done, void *userdata)
{
        AwsFetch *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        *f = (AwsFetch){ source, role, aws_credentials_ref(with), done, userdata, fetches };
        fetches = f;
        n_fetches++;
        return f;
}

static inline int fetch_source(sd_event *event, AwsState *state, const AwsPlaces *places,
                               const AwsSource *source, aws_fetch_done_t done, void *userdata,
                               AwsFetch **ret)
{
        assert_true(source->kind != AWS_SOURCE_STATIC && source->kind != AWS_SOURCE_CLUSTER_SECRET);
        *ret = fetch_begin(source, NULL, NULL, done, userdata);
        return 0;
}

static inline int fetch_role(sd_event *event, AwsState *state, const AwsPlaces *places, const AwsRole *role,
                             AwsCredentials *credentials, aws_fetch_done_t done, void *userdata,
                             AwsFetch **ret)
{
        assert_non_null(credentials);
        *ret = fetch_begin(NULL, role, credentials, done, userdata);
        return 0;
}

static inline AwsFetch *fetch_free(AwsFetch *f)
{
        AwsFetch **p = &fetches;

        if (!f)
                return NULL;
        while (*p != f)
                p = &(*p)->next;
        *p = f->next;
        aws_credentials_unref(f->with);
        free(f);
        return NULL;
}

static inline AwsCredentials *make_credentials(const char *id, usec_t expires)
{
        const AwsKeys keys = { .access_key_id = id,
                               .secret_access_key = "wJalrXUtnFEMI/K7MDENG",
                               .session_token = "FwoGZXIvYXdzEJr" };
        AwsCredentials *c;

        assert_return_code(aws_credentials_new(&keys, expires, &c), 0);
        return c;
}

/* The one fetch that runs brings these keys, which are good for life (0: it does not say). */
static inline void fetch_answer(const char *id, usec_t life)
{
        AwsCredentials *c = make_credentials(id, life > 0 ? wall + life : 0);

        assert_non_null(fetches);
        assert_null(fetches->next);
        fetches->done(AWS_OK, c, "", fetches->userdata);
        aws_credentials_unref(c);
}

static inline void fetch_fail(AwsOutcome outcome, const char *error)
{
        assert_non_null(fetches);
        assert_null(fetches->next);
        fetches->done(outcome, NULL, error, fetches->userdata);
}
