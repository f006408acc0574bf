/* SPDX-License-Identifier: MIT */
#pragma once

#include "aws-call.h"
#include "aws-source.h"

/* Gets credentials once, from a source's beginning or for a role. Nothing is kept and nothing tried again.
 */

typedef struct AwsFetch AwsFetch;

/* Room for AWS's error, and for what could not be done. */
#define AWS_FETCH_ERROR_MAX (AWS_ERROR_MAX + 512U)

/* Called once from the event loop, unless the fetch is freed first. credentials are NULL but with AWS_OK,
 * and to be referenced by whoever keeps them; error is "" or a sentence that says what could not be done and
 * why, valid during the call. May free the fetch. */
typedef void (*aws_fetch_done_t)(AwsOutcome outcome, AwsCredentials *credentials, const char *error,
                                 void *userdata);

/* Begins with a source that is neither AWS_SOURCE_STATIC nor AWS_SOURCE_CLUSTER_SECRET. All that is handed
 * in has to outlive the fetch. Nothing is called back before this returns. Returns 0 or -ENOMEM; whatever
 * else goes wrong is told to done. */
int aws_fetch_source(sd_event *event, AwsState *state, const AwsPlaces *places, const AwsSource *source,
                     aws_fetch_done_t done, void *userdata, AwsFetch **ret);

/* The same with a role that these credentials, which are referenced, are to assume. */
int aws_fetch_role(sd_event *event, AwsState *state, const AwsPlaces *places, const AwsRole *role,
                   AwsCredentials *credentials, aws_fetch_done_t done, void *userdata, AwsFetch **ret);

/* The longest that one takes. */
#define AWS_FETCH_MAX (90 * USEC_PER_SEC)

/* Cancels, too. NULL is fine. */
AwsFetch *aws_fetch_free(AwsFetch *f);
DEFINE_TRIVIAL_CLEANUP_FUNC(AwsFetch *, aws_fetch_free);
