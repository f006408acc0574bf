/* SPDX-License-Identifier: MIT */
#pragma once

#include "conf-keys.h"

/* The configuration as a whole: which registries it makes, and whether they can work. Pure.
 *
 * Without a [registry NAME], [aws] is the one registry. With some, [aws] is what they have in common: each
 * inherits from it, key by key, what it does not say itself, but
 * - hosts and public, which are of one registry;
 * - where credentials come from: a section that names a source (any of aws_access_key_id,
 *   aws_secret_access_key, aws_session_token; profile; source_profile; credential_process;
 *   web_identity_token_file; credentials_secret; certificate, private_key, certificate_chain,
 *   trust_anchor_arn, profile_arn; credential_source) inherits none of these keys, and no key of a role;
 * - the role: a section with a role_arn inherits no external_id, role_session_name and duration_seconds.
 * A public one is in us-east-1, whatever [aws] says. */

/* Makes c->registries and says whether they can work: a region, one source of credentials with all that it
 * needs, no host twice. Nothing is looked up: a profile may yet turn out to lack something. Returns 0, or
 * -EINVAL with *error set (or -ENOMEM), which names section and key, but no file: the caller knows which
 * were read. */
int conf_check(Conf *c, ConfError *error);

/* Puts the section of one of c->registries before what is wrong with it. */
void conf_check_prefix(const ConfRegistry *r, ConfError *error);

/* Whether r is to get its credentials from a profile in AWS's own files, which may then give the region,
 * too: only such a registry may lack one. */
bool conf_check_has_profile(const ConfRegistry *r);
