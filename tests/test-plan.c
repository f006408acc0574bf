/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "encode.h"
#include "plan.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define S USEC_PER_SEC
#define M USEC_PER_MINUTE
#define H USEC_PER_HOUR

/* The tokens of the tests arrived when the host had been up for 100 h, and it was WALL at AWS. */
#define BOOT (100 * H)
#define WALL (UINT64_C(1795461567) * USEC_PER_SEC) /* 2026-11-23T19:19:27Z */
#define LIFE (12 * H)

#define ID "bbbbbbbbbbbbbbbb"
#define OTHER_ID "bbbbbbbbaaaaaaaa" /* of the same hosts */
#define ELSEWHERE_ID "aaaaaaaaaaaaaaaa"

static const Auths auths = {
        .n_ref = 1,
        .id = ID,
        .issued = WALL,
        .expires = WALL + LIFE,
        .received_boottime = BOOT,
};

static Plan next(const Target *t, const Auths *a, usec_t interval, usec_t now)
{
        const PlanRules rules = { .auths = a, .interval = interval };

        return plan_next(t, &rules, now);
}

/* --- the rules ------------------------------------------------------------------------------------- */

/* A good Secret with a token that was issued then. */
#define SECRET(token_id_, renewed_, expires_) \
        .secret = { .exists = true,           \
                    .ours = true,             \
                    .intact = true,           \
                    .resource_version = 7,    \
                    .token_id = token_id_,    \
                    .renewed = renewed_,      \
                    .expires = expires_ },    \
        .had_secret = true
#define OLD(renewed) SECRET(OTHER_ID, renewed, renewed + LIFE)
#define EDITED                                \
        .secret = { .exists = true,           \
                    .ours = true,             \
                    .resource_version = 7,    \
                    .token_id = ID,           \
                    .renewed = WALL,          \
                    .expires = WALL + LIFE }, \
        .had_secret = true
#define FOREIGN .secret = { .exists = true, .resource_version = 7, .uid = "u" }
#define REFUSED .refusal = PLAN_REFUSED_TYPE, .refused_version = 7
#define KNOWN .inspected = true
#define OWNED                                 \
        .secret = { .exists = true,           \
                    .ours = true,             \
                    .owned = true,            \
                    .resource_version = 7,    \
                    .uid = "u",               \
                    .token_id = OTHER_ID,     \
                    .renewed = WALL - 11 * H, \
                    .expires = WALL + H }
#define ABOUT(action_, reason_)                                       \
        {                                                             \
                action_, reason_, PACE_BULK, .uid = "u", .version = 7 \
        }

static const struct {
        const char *what;
        Target target;
        bool no_token, incomplete;
        ConfConflict on_conflict;
        ConfExclude on_exclude;
        usec_t interval, now; /* now: since the token arrived */
        Plan plan;            /* until: since the token arrived */
} rules[] = {
        /* Whose it is comes before anything else. */
        { "unwanted", { .verdict = MATCH_BLACKLISTED }, .plan = { PLAN_NOTHING, PLAN_UNWANTED } },
        { "unwanted with a Secret",
          { .verdict = MATCH_IGNORED, OLD(WALL - 11 * H) },
          .plan = { PLAN_NOTHING, PLAN_KEPT } },
        { "terminating and edited",
          { .verdict = MATCH_TERMINATING, EDITED },
          .plan = { PLAN_NOTHING, PLAN_UNWANTED } },
        { "foreign", { FOREIGN, KNOWN }, .plan = { PLAN_NOTHING, PLAN_FOREIGN } },
        { "foreign, no token",
          { FOREIGN, KNOWN },
          .no_token = true,
          .plan = { PLAN_NOTHING, PLAN_FOREIGN } },
        { "foreign that took the place of eatr's",
          { FOREIGN, KNOWN, .had_secret = true },
          .plan = { PLAN_NOTHING, PLAN_FOREIGN } },
        { "foreign and backing off",
          { FOREIGN, KNOWN, .retry_at = BOOT + H },
          .plan = { PLAN_NOTHING, PLAN_FOREIGN } },
        { "foreign, of whatever type", { FOREIGN }, .plan = ABOUT(PLAN_INSPECT, PLAN_FOREIGN) },
        { "refused", { OLD(WALL - 11 * H), REFUSED, KNOWN }, .plan = { PLAN_NOTHING, PLAN_REFUSED } },
        { "refused, of whatever type",
          { OWNED, REFUSED },
          .on_conflict = CONF_CONFLICT_ADOPT,
          .plan = ABOUT(PLAN_INSPECT, PLAN_REFUSED) },
        { "refused, edited since",
          { EDITED, .refusal = PLAN_REFUSED_IMMUTABLE, .refused_version = 6 },
          .plan = { PLAN_APPLY, PLAN_HEAL, PACE_NOW, true } },
        { "refused, gone since",
          { REFUSED, .had_secret = true },
          .plan = { PLAN_APPLY, PLAN_HEAL, PACE_NOW } },
        { "going", { FOREIGN, .secret.going = true }, .plan = { PLAN_NOTHING, PLAN_GOING } },
        { "going, by now a stranger's",
          { FOREIGN, .secret.going = true },
          .on_conflict = CONF_CONFLICT_RECREATE,
          .plan = { PLAN_NOTHING, PLAN_GOING } },
        { "edited and going", { EDITED, .secret.going = true }, .plan = { PLAN_NOTHING, PLAN_GOING } },

        /* Strangers' are taken over, and replaced where that cannot be. */
        { "adopt",
          { FOREIGN },
          .on_conflict = CONF_CONFLICT_ADOPT,
          .plan = { PLAN_APPLY, PLAN_ADOPT, PACE_BULK, true } },
        { "adopt, excluded",
          { .verdict = MATCH_BLACKLISTED, FOREIGN },
          .on_conflict = CONF_CONFLICT_RECREATE,
          .on_exclude = CONF_EXCLUDE_DELETE,
          .plan = { PLAN_NOTHING, PLAN_UNWANTED } },
        { "adopt, no token",
          { FOREIGN },
          .no_token = true,
          .on_conflict = CONF_CONFLICT_ADOPT,
          .plan = { PLAN_NOTHING, PLAN_NO_TOKEN } },
        { "adopt, token has run out",
          { FOREIGN },
          .now = LIFE,
          .on_conflict = CONF_CONFLICT_RECREATE,
          .plan = { PLAN_NOTHING, PLAN_NO_TOKEN } },
        { "adopt, a registry's token is lacking",
          { FOREIGN },
          .incomplete = true,
          .on_conflict = CONF_CONFLICT_ADOPT,
          .plan = { PLAN_NOTHING, PLAN_NO_TOKEN } },
        { "adopt, backing off",
          { FOREIGN, .retry_at = BOOT + M },
          .on_conflict = CONF_CONFLICT_ADOPT,
          .plan = { PLAN_WAIT, PLAN_BACKOFF, .until = M } },
        { "adopt, for the sixth time",
          { FOREIGN, .healed_until = BOOT + 4 * M + 1 },
          .on_conflict = CONF_CONFLICT_ADOPT,
          .plan = { PLAN_WAIT, PLAN_FIGHTING, .until = 1 } },
        { "adopt, written before",
          { FOREIGN, .written = ID },
          .on_conflict = CONF_CONFLICT_ADOPT,
          .plan = { PLAN_APPLY, PLAN_ADOPT, PACE_BULK, true } },
        { "adopt, refused",
          { FOREIGN, REFUSED, KNOWN },
          .on_conflict = CONF_CONFLICT_ADOPT,
          .plan = { PLAN_NOTHING, PLAN_REFUSED } },
        { "recreate, not tried yet",
          { FOREIGN },
          .on_conflict = CONF_CONFLICT_RECREATE,
          .plan = { PLAN_APPLY, PLAN_ADOPT, PACE_BULK, true } },
        { "recreate, known to have another type, not tried yet",
          { FOREIGN, KNOWN, .type = "Opaque" },
          .on_conflict = CONF_CONFLICT_RECREATE,
          .plan = { PLAN_APPLY, PLAN_ADOPT, PACE_BULK, true } },
        { "recreate",
          { FOREIGN, REFUSED },
          .on_conflict = CONF_CONFLICT_RECREATE,
          .plan = ABOUT(PLAN_DELETE, PLAN_RECREATE) },
        { "recreate what was refused as another version",
          { FOREIGN, .refusal = PLAN_REFUSED_TYPE, .refused_version = 6 },
          .on_conflict = CONF_CONFLICT_RECREATE,
          .plan = { PLAN_APPLY, PLAN_ADOPT, PACE_BULK, true } },
        { "recreate eatr's own",
          { OWNED, REFUSED },
          .on_conflict = CONF_CONFLICT_RECREATE,
          .plan = ABOUT(PLAN_DELETE, PLAN_RECREATE) },
        { "recreate what is fresh",
          { .secret = { .exists = true,
                        .ours = true,
                        .intact = true,
                        .resource_version = 7,
                        .uid = "u",
                        .token_id = ID,
                        .renewed = WALL,
                        .expires = WALL + LIFE },
            REFUSED },
          .on_conflict = CONF_CONFLICT_RECREATE,
          .plan = { PLAN_WAIT, PLAN_FRESH, .until = LIFE } },
        { "recreate without a uid",
          { .secret = { .exists = true, .resource_version = 7 }, REFUSED, KNOWN },
          .on_conflict = CONF_CONFLICT_RECREATE,
          .plan = { PLAN_NOTHING, PLAN_REFUSED } },
        { "recreate, no token",
          { FOREIGN, REFUSED },
          .no_token = true,
          .on_conflict = CONF_CONFLICT_RECREATE,
          .plan = { PLAN_NOTHING, PLAN_NO_TOKEN } },
        { "recreate, token has run out",
          { FOREIGN, REFUSED },
          .now = LIFE,
          .on_conflict = CONF_CONFLICT_RECREATE,
          .plan = { PLAN_NOTHING, PLAN_NO_TOKEN } },
        { "recreate, a registry's token is lacking",
          { FOREIGN, REFUSED },
          .incomplete = true,
          .on_conflict = CONF_CONFLICT_RECREATE,
          .plan = { PLAN_NOTHING, PLAN_NO_TOKEN } },
        { "recreate, backing off",
          { FOREIGN, REFUSED, .retry_at = BOOT + M },
          .on_conflict = CONF_CONFLICT_RECREATE,
          .plan = { PLAN_WAIT, PLAN_BACKOFF, .until = M } },
        { "recreate, for the sixth time",
          { FOREIGN, REFUSED, .healed_until = BOOT + 4 * M + 1 },
          .on_conflict = CONF_CONFLICT_RECREATE,
          .plan = { PLAN_WAIT, PLAN_FIGHTING, .until = 1 } },

        /* Namespaces that fell out. */
        { "excluded, keep", { .verdict = MATCH_NOT_INCLUDED, OWNED }, .plan = { PLAN_NOTHING, PLAN_KEPT } },
        { "excluded, delete",
          { .verdict = MATCH_NOT_INCLUDED, OWNED },
          .on_exclude = CONF_EXCLUDE_DELETE,
          .plan = ABOUT(PLAN_DELETE, PLAN_EXCLUDED) },
        { "excluded, delete, no token",
          { .verdict = MATCH_IGNORED, OWNED },
          .no_token = true,
          .on_exclude = CONF_EXCLUDE_DELETE,
          .plan = ABOUT(PLAN_DELETE, PLAN_EXCLUDED) },
        { "excluded, delete, there is none",
          { .verdict = MATCH_BLACKLISTED, .had_secret = true },
          .on_exclude = CONF_EXCLUDE_DELETE,
          .plan = { PLAN_NOTHING, PLAN_UNWANTED } },
        { "excluded, delete, others have written to it",
          { .verdict = MATCH_BLACKLISTED, EDITED, .secret.uid = "u" },
          .on_exclude = CONF_EXCLUDE_DELETE,
          .plan = { PLAN_NOTHING, PLAN_SHARED } },
        { "excluded, delete, without a uid",
          { .verdict = MATCH_BLACKLISTED,
            .secret = { .exists = true, .ours = true, .owned = true, .resource_version = 7 } },
          .on_exclude = CONF_EXCLUDE_DELETE,
          .plan = { PLAN_NOTHING, PLAN_SHARED } },
        { "excluded, delete, going",
          { .verdict = MATCH_BLACKLISTED, OWNED, .secret.going = true },
          .on_exclude = CONF_EXCLUDE_DELETE,
          .plan = { PLAN_NOTHING, PLAN_UNWANTED } },
        { "excluded, delete, backing off",
          { .verdict = MATCH_BLACKLISTED, OWNED, .retry_at = BOOT + M },
          .on_exclude = CONF_EXCLUDE_DELETE,
          .plan = { PLAN_WAIT, PLAN_BACKOFF, .until = M } },
        { "excluded, delete, for the sixth time",
          { .verdict = MATCH_BLACKLISTED, OWNED, .healed_until = BOOT + 4 * M + 1 },
          .on_exclude = CONF_EXCLUDE_DELETE,
          .plan = { PLAN_WAIT, PLAN_FIGHTING, .until = 1 } },
        { "terminating, delete",
          { .verdict = MATCH_TERMINATING, OWNED },
          .on_exclude = CONF_EXCLUDE_DELETE,
          .plan = { PLAN_NOTHING, PLAN_UNWANTED } },

        /* The end of a fight is looked at. */
        { "fresh, in a fight",
          { SECRET(ID, WALL, WALL + LIFE), .fought = 1, .healed_until = BOOT + 3 * M },
          .plan = { PLAN_WAIT, PLAN_FRESH, .until = 3 * M } },
        { "foreign, in a fight",
          { FOREIGN, KNOWN, .fought = 1, .healed_until = BOOT + 3 * M },
          .plan = { PLAN_WAIT, PLAN_FOREIGN, .until = 3 * M } },
        { "fresh, behind a fight",
          { SECRET(ID, WALL, WALL + LIFE), .fought = 1, .healed_until = BOOT },
          .plan = { PLAN_WAIT, PLAN_FRESH, .until = LIFE } },

        /* Without a good token nothing is written. */
        { "new, no token", { 0 }, .no_token = true, .plan = { PLAN_NOTHING, PLAN_NO_TOKEN } },
        { "edited, no token", { EDITED }, .no_token = true, .plan = { PLAN_NOTHING, PLAN_NO_TOKEN } },
        { "whole, no token",
          { SECRET(ID, WALL, WALL + LIFE) },
          .no_token = true,
          .plan = { PLAN_NOTHING, PLAN_NO_TOKEN } },
        { "new, token has run out", { 0 }, .now = LIFE, .plan = { PLAN_NOTHING, PLAN_NO_TOKEN } },
        { "new, token is about to run out",
          { 0 },
          .now = LIFE - 1,
          .plan = { PLAN_APPLY, PLAN_CREATE, PACE_NOW } },
        { "edited, token has run out", { EDITED }, .now = 20 * H, .plan = { PLAN_NOTHING, PLAN_NO_TOKEN } },
        { "due, token has run out",
          { OLD(WALL - 11 * H) },
          .now = LIFE,
          .plan = { PLAN_NOTHING, PLAN_NO_TOKEN } },
        /* What holds a token that has run out is nothing to call fresh. */
        { "has the token, which has run out",
          { SECRET(ID, WALL, WALL + LIFE) },
          .now = LIFE,
          .plan = { PLAN_NOTHING, PLAN_NO_TOKEN } },

        /* The Secret has the tokens. */
        { "fresh", { SECRET(ID, WALL, WALL + LIFE) }, .plan = { PLAN_WAIT, PLAN_FRESH, .until = LIFE } },
        { "fresh, old",
          { SECRET(ID, WALL, WALL + LIFE) },
          .now = LIFE - 1,
          .plan = { PLAN_WAIT, PLAN_FRESH, .until = LIFE } },
        { "fresh, short interval",
          { SECRET(ID, WALL, WALL + LIFE) },
          .interval = 20 * S,
          .now = H,
          .plan = { PLAN_WAIT, PLAN_FRESH, .until = LIFE } },
        { "fresh, backing off",
          { SECRET(ID, WALL, WALL + LIFE), .retry_at = BOOT + H },
          .plan = { PLAN_WAIT, PLAN_FRESH, .until = LIFE } },

        /* There is none. */
        { "new", { 0 }, .plan = { PLAN_APPLY, PLAN_CREATE, PACE_NOW } },
        { "new, backing off",
          { .retry_at = BOOT + 5 * S },
          .plan = { PLAN_WAIT, PLAN_BACKOFF, .until = 5 * S } },
        { "new, backed off",
          { .retry_at = BOOT + 5 * S },
          .now = 5 * S,
          .plan = { PLAN_APPLY, PLAN_CREATE, PACE_NOW } },
        { "deleted", { .had_secret = true }, .plan = { PLAN_APPLY, PLAN_HEAL, PACE_NOW } },
        { "deleted, backing off",
          { .had_secret = true, .retry_at = BOOT + 1 },
          .plan = { PLAN_WAIT, PLAN_BACKOFF, .until = 1 } },
        { "deleted again and again",
          { .had_secret = true, .healed_until = BOOT + 5 * M },
          .plan = { PLAN_WAIT, PLAN_FIGHTING, .until = M } },

        /* It was changed. */
        { "edited", { EDITED }, .plan = { PLAN_APPLY, PLAN_HEAL, PACE_NOW, true } },
        { "edited, four heals before",
          { EDITED, .healed_until = BOOT + 4 * M },
          .plan = { PLAN_APPLY, PLAN_HEAL, PACE_NOW, true } },
        { "edited, five heals before",
          { EDITED, .healed_until = BOOT + 4 * M + 1 },
          .plan = { PLAN_WAIT, PLAN_FIGHTING, .until = 1 } },
        { "edited, backing off",
          { EDITED, .retry_at = BOOT + M },
          .plan = { PLAN_WAIT, PLAN_BACKOFF, .until = M } },

        /* Other tokens, and time has not come: the tenth that is missing makes one pass of several. */
        { "young", { OLD(WALL - H) }, .plan = { PLAN_WAIT, PLAN_FRESH, .until = 5 * H - 36 * M } },
        { "nearly due", { OLD(WALL - 6 * H + 36 * M + 1) }, .plan = { PLAN_WAIT, PLAN_FRESH, .until = 1 } },
        { "due", { OLD(WALL - 6 * H + 36 * M) }, .plan = { PLAN_APPLY, PLAN_RENEW, PACE_BULK, true } },
        { "due later",
          { OLD(WALL - H) },
          .now = 5 * H - 36 * M,
          .plan = { PLAN_APPLY, PLAN_RENEW, PACE_BULK, true } },
        { "overdue", { OLD(WALL - 10 * H) }, .plan = { PLAN_APPLY, PLAN_RENEW, PACE_BULK, true } },
        { "overdue, an hour left",
          { OLD(WALL - 11 * H) },
          .plan = { PLAN_APPLY, PLAN_RENEW, PACE_BULK, true } },
        { "overdue, less left",
          { OLD(WALL - 11 * H - 1) },
          .plan = { PLAN_APPLY, PLAN_RENEW, PACE_NOW, true } },
        { "run out", { OLD(WALL - 100 * H) }, .plan = { PLAN_APPLY, PLAN_RENEW, PACE_NOW, true } },
        { "overdue, backing off",
          { OLD(WALL - 10 * H), .retry_at = BOOT + M },
          .plan = { PLAN_WAIT, PLAN_BACKOFF, .until = M } },
        { "overdue, heals do not matter",
          { OLD(WALL - 10 * H), .healed_until = BOOT + H },
          .plan = { PLAN_APPLY, PLAN_RENEW, PACE_BULK, true } },

        /* Intervals. */
        { "20s, not yet",
          { OLD(WALL - 17 * S) },
          .interval = 20 * S,
          .plan = { PLAN_WAIT, PLAN_FRESH, .until = S } },
        { "20s, due",
          { OLD(WALL - 18 * S) },
          .interval = 20 * S,
          .plan = { PLAN_APPLY, PLAN_RENEW, PACE_BULK, true } },
        { "an interval that is too long",
          { OLD(WALL - 8 * H) },
          .interval = 100 * H,
          .plan = { PLAN_WAIT, PLAN_FRESH, .until = 6 * M } },
        { "an interval that is too long, due",
          { OLD(WALL - 8 * H - 6 * M) },
          .interval = 100 * H,
          .plan = { PLAN_APPLY, PLAN_RENEW, PACE_BULK, true } },

        /* Another host of eatr's has been here: never back to an older token. */
        { "younger", { OLD(WALL + H) }, .plan = { PLAN_WAIT, PLAN_FRESH, .until = 7 * H - 36 * M } },
        { "younger, due", { OLD(WALL + H) }, .now = 7 * H, .plan = { PLAN_NOTHING, PLAN_FRESH } },
        { "younger, about to run out",
          { OLD(WALL + H) },
          .now = LIFE - 1,
          .plan = { PLAN_NOTHING, PLAN_FRESH } },

        /* One registry fails, another's token has been renewed: the times stay those of the old one's. */
        { "as old, one token renewed",
          { OLD(WALL) },
          .now = 6 * H,
          .plan = { PLAN_APPLY, PLAN_RENEW, PACE_BULK, true } },
        { "as old, one token renewed, an earlier one written",
          { OLD(WALL), .written = OTHER_ID },
          .now = 6 * H,
          .plan = { PLAN_APPLY, PLAN_RENEW, PACE_BULK, true } },
        { "as old, one token renewed, and little time left",
          { OLD(WALL), .written = OTHER_ID },
          .now = 11 * H + 1,
          .plan = { PLAN_APPLY, PLAN_RENEW, PACE_NOW, true } },

        /* Replaced out of turn: there are other keys, or the registry does not take it. */
        { "written here and replaced",
          { OLD(WALL - H), .written = OTHER_ID },
          .plan = { PLAN_APPLY, PLAN_RENEW, PACE_BULK, true } },
        { "written by another one, and young",
          { OLD(WALL - H), .written = ID },
          .plan = { PLAN_WAIT, PLAN_FRESH, .until = 5 * H - 36 * M } },

        /* As another eatr does: the one whose tokens last longer prevails, and of two that are equal each
         * writes once. */
        { "as old, written before, and overwritten",
          { OLD(WALL), .written = ID },
          .now = 6 * H,
          .plan = { PLAN_NOTHING, PLAN_FRESH } },
        { "older by less than a second, written before",
          { SECRET(OTHER_ID, WALL - S, WALL + LIFE), .written = ID },
          .now = 6 * H,
          .plan = { PLAN_NOTHING, PLAN_FRESH } },
        { "lasts less long, written before",
          { SECRET(OTHER_ID, WALL + S, WALL + LIFE - S), .written = ID },
          .now = 6 * H,
          .plan = { PLAN_APPLY, PLAN_HEAL, PACE_NOW, true } },

        /* Annotations that cannot be eatr's. */
        { "no times", { SECRET(OTHER_ID, 0, 0) }, .plan = { PLAN_APPLY, PLAN_RENEW, PACE_NOW, true } },
        { "no expiry", { SECRET(OTHER_ID, WALL, 0) }, .plan = { PLAN_APPLY, PLAN_RENEW, PACE_NOW, true } },
        { "no issue",
          { SECRET(OTHER_ID, 0, WALL + H) },
          .plan = { PLAN_APPLY, PLAN_RENEW, PACE_NOW, true } },
        { "no life", { SECRET(OTHER_ID, WALL, WALL) }, .plan = { PLAN_APPLY, PLAN_RENEW, PACE_NOW, true } },
        { "for ever",
          { SECRET(OTHER_ID, WALL, WALL + 8 * 24 * H) },
          .plan = { PLAN_APPLY, PLAN_RENEW, PACE_NOW, true } },
        { "the end of time",
          { SECRET(OTHER_ID, WALL, USEC_INFINITY) },
          .plan = { PLAN_APPLY, PLAN_RENEW, PACE_NOW, true } },
        { "from the future", { OLD(WALL + H + 1) }, .plan = { PLAN_APPLY, PLAN_RENEW, PACE_NOW, true } },
        { "a week",
          { SECRET(OTHER_ID, WALL, WALL + 7 * 24 * H) },
          .plan = { PLAN_WAIT, PLAN_FRESH, .until = 84 * H - 504 * M } },
        { "no token id",
          { SECRET("", WALL - H, WALL + 11 * H) },
          .plan = { PLAN_APPLY, PLAN_RENEW, PACE_NOW, true } },

        /* Pods cannot pull from here with a token for there. */
        /* A registry has yet to give its first token, and a Secret from before may have its entry. */
        { "other hosts, incomplete",
          { SECRET(ELSEWHERE_ID, WALL - H, WALL + 11 * H) },
          .incomplete = true,
          .plan = { PLAN_WAIT, PLAN_FRESH, .until = 11 * H } },
        { "other hosts, incomplete, due",
          { SECRET(ELSEWHERE_ID, WALL - 9 * H, WALL + 3 * H) },
          .incomplete = true,
          .plan = { PLAN_WAIT, PLAN_FRESH, .until = 3 * H } },
        { "other hosts, incomplete, run out",
          { SECRET(ELSEWHERE_ID, WALL - 9 * H, WALL + 3 * H) },
          .incomplete = true,
          .now = 3 * H,
          .plan = { PLAN_APPLY, PLAN_RENEW, PACE_NOW, true } },
        { "same hosts, incomplete, due",
          { OLD(WALL - 7 * H) },
          .incomplete = true,
          .plan = { PLAN_APPLY, PLAN_RENEW, PACE_BULK, true } },
        { "new, incomplete", { 0 }, .incomplete = true, .plan = { PLAN_APPLY, PLAN_CREATE, PACE_NOW } },
        { "edited, incomplete",
          { EDITED },
          .incomplete = true,
          .plan = { PLAN_APPLY, PLAN_HEAL, PACE_NOW, true } },

        { "for other hosts",
          { SECRET(ELSEWHERE_ID, WALL - H, WALL + 11 * H) },
          .plan = { PLAN_APPLY, PLAN_RENEW, PACE_NOW, true } },

        /* These very tokens have been written, and something undid it at once. */
        { "written, without its annotations",
          { SECRET("", 0, 0), .written = ID },
          .plan = { PLAN_APPLY, PLAN_HEAL, PACE_NOW, true } },
        { "written, for other hosts now",
          { SECRET(ELSEWHERE_ID, WALL, WALL + LIFE), .written = ID },
          .plan = { PLAN_APPLY, PLAN_HEAL, PACE_NOW, true } },
        { "written, for the sixth time",
          { SECRET("", 0, 0), .written = ID, .healed_until = BOOT + 4 * M + 1 },
          .plan = { PLAN_WAIT, PLAN_FIGHTING, .until = 1 } },
        { "written, and not there", { .written = ID }, .plan = { PLAN_APPLY, PLAN_HEAL, PACE_NOW } },
        { "another one written",
          { SECRET("", 0, 0), .written = OTHER_ID },
          .plan = { PLAN_APPLY, PLAN_RENEW, PACE_NOW, true } },
        { "written, and another eatr's since",
          { OLD(WALL), .written = ID },
          .plan = { PLAN_WAIT, PLAN_FRESH, .until = 6 * H - 36 * M } },

        /* Other labels or annotations are in it than should be. */
        { "misfit",
          { SECRET(ID, WALL, WALL + LIFE), .misfit = true },
          .plan = { PLAN_APPLY, PLAN_RENEW, PACE_BULK, true } },
        { "misfit that is not due",
          { OLD(WALL - H), .misfit = true },
          .plan = { PLAN_APPLY, PLAN_RENEW, PACE_BULK, true } },
        { "misfit that another eatr has written later",
          { OLD(WALL + H), .misfit = true },
          .plan = { PLAN_APPLY, PLAN_RENEW, PACE_BULK, true } },
        { "misfit, failed before",
          { SECRET(ID, WALL, WALL + LIFE), .misfit = true, .retry_at = BOOT + H, .failures = 1 },
          .plan = { PLAN_WAIT, PLAN_BACKOFF, .until = H } },
        { "misfit that is edited",
          { EDITED, .misfit = true },
          .plan = { PLAN_APPLY, PLAN_HEAL, PACE_NOW, true } },
        { "misfit again",
          { SECRET(ID, WALL, WALL + LIFE), .misfit = true, .written = ID },
          .plan = { PLAN_APPLY, PLAN_HEAL, PACE_NOW, true } },
        { "misfit again and again",
          { SECRET(ID, WALL, WALL + LIFE), .misfit = true, .written = ID, .healed_until = BOOT + 4 * M + 1 },
          .plan = { PLAN_WAIT, PLAN_FIGHTING, .until = 1 } },
        { "misfit with other hosts, incomplete",
          { SECRET(ELSEWHERE_ID, WALL - H, WALL + 11 * H), .misfit = true },
          .incomplete = true,
          .plan = { PLAN_WAIT, PLAN_FRESH, .until = 11 * H } },
        { "misfit with the same hosts, incomplete",
          { OLD(WALL - H), .misfit = true },
          .incomplete = true,
          .plan = { PLAN_APPLY, PLAN_RENEW, PACE_BULK, true } },
        { "foreign misfit", { FOREIGN, .misfit = true, .inspected = true }, .plan = { PLAN_NOTHING, PLAN_FOREIGN } },
        { "misfit, no token",
          { SECRET(ID, WALL, WALL + LIFE), .misfit = true },
          .no_token = true,
          .plan = { PLAN_NOTHING, PLAN_NO_TOKEN } },
};

static void test_rules(void **state)
{
        for (size_t i = 0; i < ELEMENTSOF(rules); i++) {
                Target t = rules[i].target;
                Plan expected = rules[i].plan, p;
                Auths a = auths;

                a.incomplete = rules[i].incomplete;
                p = plan_next(&t,
                              &(PlanRules){ .auths = rules[i].no_token ? NULL : &a,
                                            .interval = rules[i].interval,
                                            .on_conflict = rules[i].on_conflict,
                                            .on_exclude = rules[i].on_exclude },
                              BOOT + rules[i].now);
                if (expected.action == PLAN_WAIT)
                        expected.until += BOOT;
                if (expected.action == PLAN_APPLY && t.secret.exists) {
                        expected.version = t.secret.resource_version;
                        memcpy(expected.uid, t.secret.uid, sizeof(expected.uid));
                }
                if (p.action != expected.action || p.reason != expected.reason || p.lane != expected.lane ||
                    p.force != expected.force || p.until != expected.until || !streq(p.uid, expected.uid) ||
                    p.version != expected.version)
                        fail_msg("%s: action %u, reason %s, lane %u, force %d, until %+lld s", rules[i].what,
                                 p.action, plan_reason_to_string(p.reason), p.lane, p.force,
                                 ((long long) p.until - (long long) BOOT) / 1000000);
                assert_memory_equal(&t, &rules[i].target, sizeof(t));
        }
}

/* Everything at once, and the moment that a wait names: no wait is for the past, and none is too short. */
static void test_waits_are_kept(void **state)
{
        for (size_t i = 0; i < ELEMENTSOF(rules); i++)
                for (usec_t now = 0; now < LIFE + H; now += 7 * M) {
                        Plan p = next(&rules[i].target, &auths, rules[i].interval, BOOT + now), then;

                        if (p.action != PLAN_WAIT)
                                continue;
                        assert_true(p.until > BOOT + now);
                        if (p.until - BOOT >= LIFE)
                                continue; /* the token will have run out */
                        then = next(&rules[i].target, &auths, rules[i].interval, p.until - 1);
                        assert_int_equal(then.action, PLAN_WAIT);
                        assert_int_equal(then.until, p.until);
                        then = next(&rules[i].target, &auths, rules[i].interval, p.until);
                        assert_false(then.action == PLAN_WAIT && then.reason == p.reason &&
                                     !plan_is_fought_over(&rules[i].target, BOOT + now));
                }
}

static void test_reasons(void **state)
{
        for (PlanReason r = 0; r < _PLAN_REASON_MAX; r++) {
                assert_true(*plan_reason_to_string(r));
                for (PlanReason other = 0; other < r; other++)
                        assert_string_not_equal(plan_reason_to_string(r), plan_reason_to_string(other));
        }
        assert_string_equal(plan_reason_to_string(PLAN_FRESH), "fresh");
        assert_string_equal(plan_reason_to_string(PLAN_FOREIGN), "foreign");
        assert_string_equal(plan_reason_to_string(PLAN_NO_TOKEN), "no-token");
}

/* --- heals ----------------------------------------------------------------------------------------- */

/* How many heals there are in a time in which every one is undone at once. */
static unsigned fight(Target *t, usec_t from, usec_t length)
{
        unsigned n = 0;

        for (usec_t now = from; now < from + length;) {
                Plan p = next(t, &auths, 0, now);

                if (p.action == PLAN_WAIT) {
                        assert_int_equal(p.reason, PLAN_FIGHTING);
                        assert_true(p.until > now);
                        now = p.until;
                        continue;
                }
                assert_int_equal(p.action, PLAN_APPLY);
                assert_int_equal(p.reason, PLAN_HEAL);
                plan_succeeded(t, &p, now);
                n++;
        }
        return n;
}

static void test_heals(void **state)
{
        Target t = { EDITED };

        assert_int_equal(fight(&t, BOOT, 1), 5);
        assert_int_equal(fight(&t, BOOT + 1, M - 1), 0);
        assert_int_equal(fight(&t, BOOT + M, 1), 1);
        /* After 2, 4, 8, 10, 10, 10 and 10 more. */
        assert_int_equal(fight(&t, BOOT + M + 1, H - M), 7);
        assert_true(plan_is_fought_over(&t, BOOT + H + 9 * M - 1));
        assert_false(plan_is_fought_over(&t, BOOT + H + 9 * M));
        /* A quarter of an hour in peace is enough, and more is not saved up. */
        assert_int_equal(fight(&t, BOOT + H + 10 * M, 1), 5);
        assert_int_equal(fight(&t, BOOT + 11 * H, 1), 5);

        /* Deleted each time: the same. */
        t = (Target){ .had_secret = true };
        assert_int_equal(fight(&t, BOOT, H), 5 + 8);
}

/* How often the same thing is done within an hour to a Secret that somebody brings back each time. */
static unsigned repeat(Target *t, const PlanRules *with, PlanAction action, PlanReason why)
{
        unsigned n = 0;

        for (usec_t now = BOOT; now < BOOT + H; now += S) {
                Plan p = plan_next(t, with, now);
                KubeSecret secret = t->secret;

                if (p.action == PLAN_WAIT) {
                        assert_int_equal(p.reason, PLAN_FIGHTING);
                        continue;
                }
                assert_int_equal(p.action, action);
                assert_int_equal(p.reason, why);
                plan_succeeded(t, &p, now);
                t->secret = secret;
                n++;
        }
        return n;
}

/* Who brings back a Secret that is to go, or a stranger's that was adopted or replaced, fights as well. */
static void test_other_fights(void **state)
{
        Target excluded = { .verdict = MATCH_BLACKLISTED, OWNED };
        Target foreign = { FOREIGN }, stuck = { FOREIGN, REFUSED };

        assert_int_equal(repeat(&excluded, &(PlanRules){ .on_exclude = CONF_EXCLUDE_DELETE }, PLAN_DELETE,
                                PLAN_EXCLUDED),
                         5 + 8);
        assert_int_equal(repeat(&foreign,
                                &(PlanRules){ .auths = &auths, .on_conflict = CONF_CONFLICT_ADOPT },
                                PLAN_APPLY, PLAN_ADOPT),
                         5 + 8);
        /* It is refused each time that it is back. */
        for (usec_t now = BOOT; now < BOOT + 5 * S; now += S) {
                const PlanRules with = { .auths = &auths, .on_conflict = CONF_CONFLICT_RECREATE };
                Plan p = plan_next(&stuck, &with, now);

                assert_int_equal(p.action, PLAN_DELETE);
                plan_succeeded(&stuck, &p, now);
                assert_int_equal(plan_next(&stuck, &with, now).action,
                                 now < BOOT + 4 * S ? PLAN_APPLY : PLAN_WAIT);
                stuck.refusal = PLAN_REFUSED_TYPE;
        }
}

/* Whoever undoes a thing every other minute is no more than a nuisance: what has been paid for is. */
static void test_heals_far_apart(void **state)
{
        Target t = { EDITED };

        for (usec_t now = BOOT; now < BOOT + 10 * H; now += M) {
                Plan p = next(&t, &auths, 0, now);

                assert_int_equal(p.action, PLAN_APPLY);
                plan_succeeded(&t, &p, now);
                assert_false(plan_is_fought_over(&t, now));
        }
}

/* --- what a failed write tells --------------------------------------------------------------------- */

static const struct {
        const char *what;
        Target target;
        KubeStatus status;
        bool has_retry_after;
        PlanScope scope;
        usec_t delay; /* the longest of a first failure's; 0: none */
        PlanRefusal refusal;
} failures[] = {
        { "no answer", .status = { .code = 0 }, .scope = PLAN_SCOPE_CLUSTER },
        { "401", .status = { .code = 401, .reason = "Unauthorized" }, .scope = PLAN_SCOPE_CLUSTER },
        { "429", .status = { .code = 429 }, .scope = PLAN_SCOPE_CLUSTER },
        { "502", .status = { .code = 502 }, .scope = PLAN_SCOPE_CLUSTER },
        { "503", .status = { .code = 503, .reason = "ServiceUnavailable" }, .scope = PLAN_SCOPE_CLUSTER },
        { "503, later", .status = { .code = 503 }, .has_retry_after = true, .scope = PLAN_SCOPE_CLUSTER },
        { "504 of a gateway", .status = { .code = 504 }, .scope = PLAN_SCOPE_CLUSTER },
        { "504 of the API server", .status = { .code = 504, .reason = "Timeout" }, .delay = S },
        { "500: a webhook", .status = { .code = 500, .reason = "InternalError" }, .delay = S },
        { "404", .status = { .code = 404, .reason = "NotFound" }, .delay = S },
        { "400: a webhook's no", .status = { .code = 400, .reason = "BadRequest" }, .delay = 30 * S },
        { "403", .status = { .code = 403, .reason = "Forbidden" }, .delay = 30 * S },
        { "403: rights", .status = { .code = 403, .reason = "Forbidden", .denial = KUBE_DENIAL_RIGHTS }, .delay = S },
        { "403: a quota", .status = { .code = 403, .reason = "Forbidden", .denial = KUBE_DENIAL_QUOTA }, .delay = 30 * S },
        { "415", .status = { .code = 415, .reason = "UnsupportedMediaType" }, .delay = 30 * S },
        { "200 that is not the API server's", .status = { .code = 200 }, .delay = S },
        { "terminating", .status = { .code = 403, .reason = "Forbidden", .namespace_terminating = true },
          .delay = S },
        { "a stranger's, not seen yet", .status = { .code = 409, .reason = "Conflict" }, .delay = S },
        { "a stranger's in eatr's place",
          { .had_secret = true },
          { .code = 409, .reason = "Conflict" },
          .delay = S },
        { "immutable",
          { EDITED },
          { .code = 422, .reason = "Invalid", .immutable = true },
          .refusal = PLAN_REFUSED_IMMUTABLE },
        { "another type",
          { EDITED },
          { .code = 422, .reason = "Invalid", .immutable = true, .other_type = true },
          .refusal = PLAN_REFUSED_TYPE },
        { "immutable, not seen yet", .status = { .code = 422, .reason = "Invalid", .immutable = true },
          .delay = S },
        { "another's in eatr's place", { EDITED }, { .code = 422, .reason = "Invalid", .other_uid = true },
          .delay = S },
        { "a policy's no with a code of its own", .status = { .code = 503, .denial = KUBE_DENIAL_POLICY },
          .delay = 30 * S },
        { "422, another", { EDITED }, { .code = 422, .reason = "Invalid" }, .delay = 30 * S },
};

static HttpOutcome outcome_of(long code, bool has_retry_after)
{
        return code == 200 ? HTTP_RETRY : http_classify(code, has_retry_after);
}

static const Plan applied = { .action = PLAN_APPLY, .reason = PLAN_CREATE };

static void test_failures(void **state)
{
        for (size_t i = 0; i < ELEMENTSOF(failures); i++) {
                HttpOutcome outcome = outcome_of(failures[i].status.code, failures[i].has_retry_after);
                Target before = failures[i].target, t = before;
                PlanScope scope;
                Plan p;

                print_message("%s\n", failures[i].what);
                p = applied;
                p.version = t.secret.resource_version;
                scope = plan_failed(&t, &p, outcome, &failures[i].status, BOOT, UINT32_MAX);
                assert_int_equal(scope, failures[i].scope);
                assert_int_equal(t.verdict, MATCH_WANTED);
                assert_int_equal(t.refusal, failures[i].refusal);
                if (failures[i].delay > 0)
                        assert_in_range(t.retry_at - BOOT, failures[i].delay - 1, failures[i].delay);
                else
                        assert_int_equal(t.retry_at, 0);
                assert_int_equal(t.failures, failures[i].delay > 0);
                p = next(&t, &auths, 0, BOOT);
                if (scope == PLAN_SCOPE_CLUSTER)
                        assert_memory_equal(&t, &before, sizeof(t));
                else if (failures[i].refusal != PLAN_REFUSED_NOTHING)
                        assert_int_equal(p.reason, PLAN_REFUSED);
                else
                        assert_int_equal(p.reason, PLAN_BACKOFF);
        }
}

/* What was refused is what was there when the write began: the one that has taken its place may be changed. */
static void test_refused_is_what_was_written_to(void **state)
{
        const KubeStatus status = { .code = 422, .reason = "Invalid", .immutable = true };
        const PlanRules recreate = { .auths = &auths, .on_conflict = CONF_CONFLICT_RECREATE };
        const KubeSecret other = { .exists = true, .resource_version = 9, .uid = "v" };
        Target t = { OWNED };
        Plan p = plan_next(&t, &recreate, BOOT);

        assert_int_equal(p.action, PLAN_APPLY);
        plan_observe(&t, &other, 0);
        assert_int_equal(plan_failed(&t, &p, HTTP_REJECTED, &status, BOOT, 0), PLAN_SCOPE_TARGET);
        p = plan_next(&t, &recreate, BOOT);
        assert_int_equal(p.action, PLAN_APPLY);
        assert_int_equal(p.reason, PLAN_ADOPT);
        assert_int_equal(p.version, 9);
}

static void check_backoff(long code, KubeDenial denial, usec_t base, usec_t cap)
{
        const KubeStatus status = { .code = code, .denial = denial, .reason = "x" };
        usec_t now = BOOT, last = 0;
        Target t = { .verdict = MATCH_WANTED };

        for (unsigned i = 1; i <= 40; i++) {
                assert_int_equal(
                        plan_failed(&t, &applied, http_classify(code, false), &status, now, UINT32_MAX),
                        PLAN_SCOPE_TARGET);
                assert_int_equal(t.failures, i);
                assert_true(t.retry_at - now >= last);
                last = t.retry_at - now;
                assert_in_range(last, (i < 20 ? MIN(base << (i - 1), cap) : cap) - 1, cap);
                now = t.retry_at;
        }
        assert_int_equal(plan_failed(&t, &applied, http_classify(code, false), &status, now, 0),
                         PLAN_SCOPE_TARGET);
        assert_int_equal(t.retry_at - now, cap / 2);
}

static void test_backoff(void **state)
{
        check_backoff(500, KUBE_DENIAL_NONE, S, 5 * M);
        check_backoff(403, KUBE_DENIAL_QUOTA, 30 * S, 15 * M);
        check_backoff(403, KUBE_DENIAL_RIGHTS, S, 15 * M);
}

/* What failed for one verdict's sake does not hold up another's. */
static void test_a_new_verdict_begins_anew(void **state)
{
        Target t = { .verdict = MATCH_IGNORED, .failures = 7, .retry_at = BOOT + H, .denied = true };

        plan_judged(&t, MATCH_IGNORED);
        assert_int_equal(t.failures, 7);
        assert_int_equal(t.retry_at, BOOT + H);
        plan_judged(&t, MATCH_WANTED);
        assert_int_equal(t.verdict, MATCH_WANTED);
        assert_int_equal(t.failures, 0);
        assert_false(t.denied);
        assert_int_equal(next(&t, &auths, 0, BOOT).action, PLAN_APPLY);
}

/* --- what is seen ---------------------------------------------------------------------------------- */

static KubeSecret seen(uint64_t version, const char *id, usec_t renewed, bool ours, bool intact)
{
        KubeSecret s = {
                .exists = true,
                .ours = ours,
                .intact = intact,
                .resource_version = version,
                .renewed = renewed,
                .expires = renewed + LIFE,
        };

        (void) snprintf(s.token_id, sizeof(s.token_id), "%s", id);
        return s;
}

static void observe(Target *t, uint64_t version, const char *id, usec_t renewed, bool ours, bool intact)
{
        const KubeSecret s = seen(version, id, renewed, ours, intact);

        plan_observe(t, &s, 0);
}

static PlanReason reason(const Target *t)
{
        return next(t, &auths, 0, BOOT).reason;
}

static void test_observe(void **state)
{
        Target t = { .verdict = MATCH_WANTED };

        assert_int_equal(reason(&t), PLAN_CREATE);
        observe(&t, 10, ID, WALL, true, true);
        assert_true(t.had_secret);
        assert_int_equal(reason(&t), PLAN_FRESH);

        /* What is older is dropped, and the same again does no harm. */
        observe(&t, 9, OTHER_ID, WALL - 10 * H, true, true);
        observe(&t, 9, "", 0, false, false);
        plan_observe(&t, NULL, 9);
        observe(&t, 10, ID, WALL, true, true);
        assert_int_equal(t.secret.resource_version, 10);
        assert_int_equal(reason(&t), PLAN_FRESH);

        observe(&t, 11, ID, WALL, true, false);
        assert_int_equal(reason(&t), PLAN_HEAL);
        observe(&t, 10, ID, WALL, true, true);
        assert_int_equal(reason(&t), PLAN_HEAL);

        plan_observe(&t, NULL, 12);
        assert_false(t.secret.exists);
        assert_int_equal(t.secret.resource_version, 12);
        assert_int_equal(reason(&t), PLAN_HEAL);
        /* The answer to a write that came before the deletion. */
        observe(&t, 11, ID, WALL, true, true);
        assert_int_equal(reason(&t), PLAN_HEAL);

        observe(&t, 13, "", 0, false, false);
        assert_int_equal(reason(&t), PLAN_FOREIGN);
        plan_observe(&t, NULL, 14);
        assert_int_equal(reason(&t), PLAN_HEAL);
}

/* A stranger's Secret that comes and goes was never eatr's. */
static void test_observe_foreign(void **state)
{
        Target t = { .verdict = MATCH_WANTED };

        observe(&t, 5, "", 0, false, false);
        assert_false(t.had_secret);
        assert_int_equal(reason(&t), PLAN_FOREIGN);
        plan_observe(&t, NULL, 6);
        assert_int_equal(reason(&t), PLAN_CREATE);
}

/* What eatr has deleted is not somebody's deletion when it goes, however long finalizers hold it; what was
 * deleted in a namespace that nobody wanted is not, either. */
static void test_observe_own_deletes(void **state)
{
        const Plan p = { .action = PLAN_DELETE, .reason = PLAN_EXCLUDED };
        KubeSecret going = seen(11, ID, WALL, true, true);
        Target t = { .verdict = MATCH_IGNORED };

        observe(&t, 10, ID, WALL, true, true);
        going.going = true;
        plan_observe(&t, &going, 0);
        plan_succeeded(&t, &p, BOOT);
        t.verdict = MATCH_WANTED;
        going.resource_version = 12;
        plan_observe(&t, &going, 0);
        assert_int_equal(reason(&t), PLAN_GOING);
        plan_observe(&t, NULL, 13);
        assert_int_equal(reason(&t), PLAN_CREATE);

        observe(&t, 14, ID, WALL, true, true);
        t.verdict = MATCH_IGNORED;
        plan_observe(&t, NULL, 15);
        t.verdict = MATCH_WANTED;
        assert_int_equal(reason(&t), PLAN_CREATE);
}

/* Versions that are no numbers are 0, all of them: then what comes last is true. */
static void test_observe_without_versions(void **state)
{
        Target t = { .verdict = MATCH_WANTED };

        observe(&t, 0, ID, WALL, true, true);
        assert_int_equal(reason(&t), PLAN_FRESH);
        observe(&t, 0, ID, WALL, true, false);
        assert_int_equal(reason(&t), PLAN_HEAL);
        plan_observe(&t, NULL, 0);
        assert_false(t.secret.exists);
}

/* etcd was restored from a backup, so that versions went back: each renewal has an older version than the
 * Secret that is known. To drop the answer would be to write it again at once, for ever. */
static void test_observe_restored(void **state)
{
        Target t = { .verdict = MATCH_WANTED };

        observe(&t, 1000, OTHER_ID, WALL - 10 * H, true, true);
        assert_int_equal(reason(&t), PLAN_RENEW);
        observe(&t, 500, ID, WALL, true, true);
        assert_int_equal(t.secret.resource_version, 500);
        assert_int_equal(reason(&t), PLAN_FRESH);
        /* From here on it is as ever. */
        observe(&t, 499, OTHER_ID, WALL - 10 * H, true, true);
        observe(&t, 499, ID, WALL, true, false);
        assert_int_equal(reason(&t), PLAN_FRESH);
        observe(&t, 501, ID, WALL, true, false);
        assert_int_equal(reason(&t), PLAN_HEAL);
}

/* The same where a registry fails, so that what is written is as old as what was there before. */
static void test_observe_restored_as_old(void **state)
{
        Target t = { .verdict = MATCH_WANTED };

        observe(&t, 1000, OTHER_ID, WALL, true, true);
        observe(&t, 500, ID, WALL, true, true); /* of an earlier write, for all that is known */
        assert_int_equal(t.secret.resource_version, 1000);
        plan_begun(&t, &auths);
        observe(&t, 500, "bbbbbbbbcccccccc", WALL, true, true);
        observe(&t, 500, ID, WALL, true, false);
        observe(&t, 500, ID, WALL - S, true, true);
        assert_int_equal(t.secret.resource_version, 1000);
        observe(&t, 500, ID, WALL, true, true);
        assert_int_equal(t.secret.resource_version, 500);
        observe(&t, 499, ID, WALL, true, true); /* the same is no news */
        assert_int_equal(t.secret.resource_version, 500);
}

/* --- a simulated week ------------------------------------------------------------------------------ */

/* The world: AWS, an API server with namespaces and Secrets, and an eatr in which nothing but plan and
 * kube-secret is real. What is watched arrives a little later, and so do answers; time is a variable. */

#define N_NAMESPACES 40
#define N_EVENTS 16
#define N_REGISTRIES 2
#define IN_FLIGHT_MAX 16U

/* Within this a wanted namespace has to have what can be had; who has had a fight waits longer. */
#define PATIENCE (4 * M)
#define PATIENCE_FOUGHT (12 * M)

typedef struct Outage {
        usec_t from, to; /* since the start */
} Outage;

typedef struct Scenario {
        usec_t interval, length, step;
        uint64_t seed;
        unsigned trouble; /* one disturbance in so many steps; 0: none */
        unsigned n_registries;
        Outage aws[N_REGISTRIES][4], api[2];
        usec_t restarts[4], suspend_at;
        bool stored;        /* tokens outlive restarts */
        unsigned unwritten; /* auths that are over before a Secret is due, when there is no trouble */
        Outage fight; /* somebody undoes what is written to namespace 0 */
} Scenario;

/* A Secret as the API server has it. */
typedef struct Stored {
        bool exists, ours, intact;
        uint64_t version;
        char id[TOKEN_ID_MAX];
        usec_t renewed, expires;
        usec_t opens[N_REGISTRIES]; /* until then */
} Stored;

typedef struct Space {
        /* What is. */
        bool exists, excluded, terminating;
        Stored secret;
        usec_t quiet_since; /* nothing and nobody has disturbed it */

        /* What is on its way to eatr. */
        struct {
                usec_t due;
                Stored secret;
        } events[N_EVENTS];
        size_t n_events;
        bool in_flight;
        usec_t answer_due;
        HttpOutcome outcome;
        KubeStatus status;
        Stored answer;

        /* What eatr has. */
        bool known;
        Target target;
        Plan plan;

        /* What is checked. */
        char last_id[TOKEN_ID_MAX];
} Space;

typedef struct World {
        const Scenario *scenario;
        usec_t start, now, wall_offset; /* now is CLOCK_BOOTTIME */
        uint64_t random, version;
        Space spaces[N_NAMESPACES];

        struct {
                Token *token;
                usec_t call, since; /* when it is called next; since when there always was a good token */
        } registries[N_REGISTRIES];
        Auths *auths;
        char last_id[TOKEN_ID_MAX];
        unsigned n_auths, serial;
        usec_t api_since, paused_until, restarted;
        bool api_was_down;

        uint64_t writes, renewals, heals, creations, refusals, attempts, disturbances, fights;
} World;

/* Numerical Recipes' 64-bit generator; the seed makes the week. */
static uint32_t rnd(World *w)
{
        w->random = w->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        return (uint32_t) (w->random >> 32);
}

static bool chance(World *w, unsigned one_in)
{
        return rnd(w) % one_in == 0;
}

static usec_t wall(const World *w)
{
        return w->now + w->wall_offset;
}

static bool is_down(const World *w, const Outage *outages, size_t n)
{
        usec_t t = w->now - w->start;

        for (size_t i = 0; i < n; i++)
                if (t >= outages[i].from && t < outages[i].to)
                        return true;
        return false;
}

static bool aws_is_down(const World *w, unsigned registry)
{
        return is_down(w, w->scenario->aws[registry], ELEMENTSOF(w->scenario->aws[registry]));
}

static bool api_is_down(const World *w)
{
        return is_down(w, w->scenario->api, ELEMENTSOF(w->scenario->api));
}

static bool is_fight(const World *w)
{
        return is_down(w, &w->scenario->fight, 1);
}

static bool is_good(const World *w, const Token *t)
{
        return t && wall(w) < t->expires;
}

/* The metadata as the API server would show it, read by the code that eatr reads it with. */
static KubeSecret read_stored(const Stored *s)
{
        char renewed[CLOCK_RFC3339_MAX], expires[CLOCK_RFC3339_MAX];
        _cleanup_free_ char *text = NULL;
        _cleanup_json_ cJSON *j = NULL;
        KubeSecret secret;

        text = str_printf(
                "{\"kind\":\"PartialObjectMetadata\",\"metadata\":{\"name\":\"ecr\",\"resourceVersion\":\"%"
                "llu\"%s%s%s%s%s%s%s,"
                "\"managedFields\":[{\"manager\":\"%s\",\"operation\":\"%s\",\"fieldsV1\":{%s\"f:type\":{},"
                "\"f:metadata\":{\"f:labels\":{\"f:app.kubernetes.io/managed-by\":{}},\"f:annotations\":{"
                "\"f:eatr/expires-at\":{},\"f:eatr/renewed-at\":{},\"f:eatr/token-id\":{}}}}}]}}",
                (unsigned long long) s->version, s->ours ? ",\"annotations\":{\"eatr/renewed-at\":\"" : "",
                s->ours ? clock_format_rfc3339(renewed, s->renewed) : "",
                s->ours ? "\",\"eatr/expires-at\":\"" : "",
                s->ours ? clock_format_rfc3339(expires, s->expires) : "",
                s->ours ? "\",\"eatr/token-id\":\"" : "", s->ours ? s->id : "", s->ours ? "\"}" : "",
                s->ours ? "eatr" : "kubectl-create", s->ours ? "Apply" : "Update",
                s->intact ? "\"f:data\":{\"f:.dockerconfigjson\":{}}," : "");
        assert_non_null(text);
        assert_int_equal(json_parse(text, strlen(text), 65536, &j), 0);
        kube_secret_read(j, &secret);
        assert_int_equal(secret.ours, s->ours);
        assert_int_equal(secret.intact, s->intact);
        return secret;
}

static void observe_stored(Space *n, const Stored *s)
{
        KubeSecret secret;

        if (!s->exists) {
                plan_observe(&n->target, NULL, s->version);
                return;
        }
        secret = read_stored(s);
        plan_observe(&n->target, &secret, 0);
}

/* The watch tells of a change, in order and soon. */
static void changed(World *w, Space *n)
{
        usec_t due = w->now + rnd(w) % 3 * w->scenario->step;

        n->secret.version = ++w->version;
        if (!n->known)
                return;
        assert_true(n->n_events < N_EVENTS);
        if (n->n_events > 0)
                due = MAX(due, n->events[n->n_events - 1].due);
        n->events[n->n_events].due = due;
        n->events[n->n_events++].secret = n->secret;
}

/* --- AWS --- */

static void new_token(World *w, unsigned registry)
{
        static const char *const hosts[N_REGISTRIES] = { "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
                                                         "public.ecr.aws" };
        usec_t issued = wall(w) + registry * 300 * USEC_PER_MSEC;
        char password[64];
        _cleanup_free_ char *value = NULL;
        Token *t = NULL;

        (void) snprintf(password, sizeof(password), "AWS:%u", ++w->serial);
        value = encode_base64(password, strlen(password));
        assert_non_null(value);
        assert_int_equal(token_new(hosts[registry], value, issued, issued + LIFE, w->now, &t), 0);
        if (!is_good(w, w->registries[registry].token))
                w->registries[registry].since = w->now;
        token_unref(w->registries[registry].token);
        w->registries[registry].token = t;
        w->registries[registry].call =
                w->now + (token_renewal_due(t->issued, t->expires, w->scenario->interval) - t->issued);
}

/* All that is good; what was there before stays if nothing is. */
static void new_auths(World *w)
{
        AuthsPart parts[N_REGISTRIES];
        size_t n = 0;

        for (unsigned i = 0; i < w->scenario->n_registries; i++)
                if (is_good(w, w->registries[i].token))
                        parts[n++] = (AuthsPart){ .token = w->registries[i].token };
        if (n == 0)
                return;
        w->auths = auths_unref(w->auths);
        assert_int_equal(auths_new(parts, n, n < w->scenario->n_registries, &w->auths), 0);
        if (streq(w->auths->id, w->last_id))
                return;
        memcpy(w->last_id, w->auths->id, sizeof(w->last_id));
        w->n_auths++;
}

static void run_aws(World *w)
{
        bool changed = w->auths && wall(w) >= w->auths->expires;

        for (unsigned i = 0; i < w->scenario->n_registries; i++) {
                if (!is_good(w, w->registries[i].token))
                        w->registries[i].since = USEC_INFINITY;
                if (w->now < w->registries[i].call)
                        continue;
                if (aws_is_down(w, i)) {
                        w->registries[i].call = w->now + M;
                        continue;
                }
                new_token(w, i);
                changed = true;
        }
        if (changed)
                new_auths(w);
}

/* --- the API server --- */

static void disturb(World *w, Space *n)
{
        Stored *s = &n->secret;

        switch (rnd(w) % 8) {
        case 0: /* a namespace comes */
                if (!n->exists) {
                        *n = (Space){ .exists = true,
                                      .known = true,
                                      .excluded = chance(w, 8),
                                      .quiet_since = w->now };
                        if (chance(w, 10)) { /* with a stranger's Secret, which eatr will see later */
                                *s = (Stored){ .exists = true };
                                changed(w, n);
                        }
                }
                break;
        case 1: /* and goes, after a time of terminating */
                if (n->exists && chance(w, 4)) {
                        if (n->terminating)
                                *n = (Space){ .exists = false };
                        else
                                n->terminating = true;
                }
                break;
        case 2: /* the Secret is deleted, */
        case 3:
                if (s->exists) {
                        *s = (Stored){ .exists = false };
                        changed(w, n);
                        w->disturbances++;
                }
                break;
        case 4: /* edited, */
        case 5:
                if (s->exists && s->ours) {
                        s->intact = false;
                        changed(w, n);
                        w->disturbances++;
                }
                break;
        case 6: /* labelled by somebody, which is nobody's business */
                if (s->exists)
                        changed(w, n);
                break;
        case 7:
                if (n->exists && chance(w, 4))
                        n->excluded = !n->excluded;
        }
        n->quiet_since = w->now;
}

/* One write. What must never happen is looked for here, where it would happen. */
static void serve_write(World *w, Space *n)
{
        const Auths *a = w->auths;
        Stored *s = &n->secret;

        n->outcome = HTTP_OK;
        n->status = (KubeStatus){ .code = 200 };
        if (api_is_down(w)) {
                n->outcome = HTTP_RETRY;
                n->status.code = 0;
                return;
        }
        if (chance(w, 50)) { /* a webhook */
                n->outcome = HTTP_RETRY;
                n->status = (KubeStatus){ .code = 500, .reason = "InternalError" };
                return;
        }
        if (s->exists && !s->ours) {
                assert_false(n->plan.force);
                n->outcome = HTTP_CONFLICT;
                n->status = (KubeStatus){ .code = 409, .reason = "Conflict" };
                w->refusals++;
                return;
        }
        assert_true(n->exists && !n->excluded && !n->terminating);
        assert_true(a && wall(w) < a->expires);
        if (s->exists)
                assert_true(a->expires + S > s->expires);
        if (n->plan.reason != PLAN_HEAL)
                assert_string_not_equal(n->last_id, a->id);
        memcpy(n->last_id, a->id, sizeof(n->last_id));
        n->status.code = s->exists ? 200 : 201;
        w->writes++;
        w->heals += n->plan.reason == PLAN_HEAL;
        w->renewals += n->plan.reason == PLAN_RENEW;
        w->creations += n->plan.reason == PLAN_CREATE;
        *s = (Stored){
                .exists = true,
                .ours = true,
                .intact = true,
                .renewed = a->issued,
                .expires = a->expires,
        };
        memcpy(s->id, a->id, sizeof(s->id));
        for (unsigned i = 0; i < w->scenario->n_registries; i++)
                s->opens[i] = is_good(w, w->registries[i].token) ? w->registries[i].token->expires : 0;
        changed(w, n);
        n->answer = *s;
}

/* --- eatr --- */

static void take_in(World *w, Space *n)
{
        size_t i = 0;

        for (; i < n->n_events && n->events[i].due <= w->now; i++)
                observe_stored(n, &n->events[i].secret);
        n->n_events -= i;
        memmove(n->events, n->events + i, n->n_events * sizeof(n->events[0]));
        if (!n->in_flight || w->now < n->answer_due)
                return;
        n->in_flight = false;
        if (n->outcome == HTTP_OK) {
                plan_succeeded(&n->target, &n->plan, w->now);
                observe_stored(n, &n->answer);
        } else if (plan_failed(&n->target, &n->plan, n->outcome, &n->status, w->now, rnd(w)) ==
                   PLAN_SCOPE_CLUSTER)
                w->paused_until = w->now + 30 * S;
}

/* As cluster does it with a list: it stands for itself. */
static void list(World *w)
{
        for (size_t i = 0; i < N_NAMESPACES; i++) {
                Space *n = &w->spaces[i];

                n->n_events = 0;
                n->known = n->exists;
                if (!n->exists)
                        continue;
                n->target.secret.resource_version = 0;
                if (n->secret.exists)
                        observe_stored(n, &n->secret);
                else if (n->target.secret.exists)
                        plan_observe(&n->target, NULL, 0);
        }
}

static void restart(World *w)
{
        for (size_t i = 0; i < N_NAMESPACES; i++) {
                w->spaces[i].target = (Target){ 0 };
                w->spaces[i].in_flight = false;
        }
        w->auths = auths_unref(w->auths);
        for (unsigned i = 0; i < w->scenario->n_registries && !w->scenario->stored; i++) {
                w->registries[i].token = token_unref(w->registries[i].token);
                w->registries[i].call = w->now;
                w->registries[i].since = USEC_INFINITY;
        }
        new_auths(w);
        w->restarted = w->now;
        list(w);
}

/* A Secret that was good when eatr was started is not written because it was. */
static void check_after_restart(const World *w, const Space *n)
{
        if (w->restarted == 0 || w->now > w->restarted + 10 * M || w->scenario->interval > 0 ||
            n->plan.reason == PLAN_HEAL || n->plan.reason == PLAN_CREATE ||
            !auths_same_hosts(n->secret.id, w->auths->id))
                return;
        assert_true(n->secret.renewed + (5 * H + 24 * M) <= wall(w) + S);
}

static unsigned in_flight(const World *w)
{
        unsigned n = 0;

        for (size_t i = 0; i < N_NAMESPACES; i++)
                n += w->spaces[i].in_flight;
        return n;
}

static void run_space(World *w, Space *n)
{
        n->target.verdict = n->terminating ? MATCH_TERMINATING : n->excluded ? MATCH_IGNORED : MATCH_WANTED;
        n->plan = next(&n->target, w->auths, w->scenario->interval, w->now);
        if (n->plan.action == PLAN_WAIT)
                assert_true(n->plan.until > w->now);
        if (n->plan.action != PLAN_APPLY || w->now < w->paused_until || in_flight(w) >= IN_FLIGHT_MAX)
                return;
        w->attempts++;
        check_after_restart(w, n);
        plan_begun(&n->target, w->auths);
        serve_write(w, n);
        n->in_flight = true;
        n->answer_due = w->now + rnd(w) % 3 * w->scenario->step;
}

/* Whoever is wanted has a good Secret of all that could be had for long enough. */
static void check_supply(const World *w, const Space *n, unsigned registry)
{
        usec_t since = MAX(MAX(w->api_since, n->quiet_since), MAX(w->restarted, w->start));

        if (!n->exists || n->excluded || n->terminating || n->target.failures > 0 ||
            (n->secret.exists && !n->secret.ours) || w->registries[registry].since == USEC_INFINITY ||
            api_is_down(w))
                return;
        if (w->now <
            MAX(since, w->registries[registry].since) + (n->target.fought > 0 ? PATIENCE_FOUGHT : PATIENCE))
                return;
        if (!n->secret.exists || !n->secret.intact || n->secret.opens[registry] <= wall(w))
                fail_msg("%lld s: namespace %zd: no good Secret for registry %u: %s",
                         (long long) ((w->now - w->start) / S), n - w->spaces, registry,
                         plan_reason_to_string(n->plan.reason));
}

static void run_fight(World *w)
{
        Space *n = &w->spaces[0];

        if (!is_fight(w))
                return;
        if (!n->exists || n->excluded || n->terminating)
                *n = (Space){ .exists = true, .known = true };
        n->quiet_since = w->now;
        if (n->secret.exists && n->secret.ours && n->secret.intact && !api_is_down(w)) {
                n->secret.intact = false;
                changed(w, n);
                w->fights++;
        }
}

static void step(World *w)
{
        const Scenario *c = w->scenario;
        bool down = api_is_down(w);

        run_aws(w);
        if (w->api_was_down && !down) {
                list(w);
                w->api_since = w->now;
        }
        w->api_was_down = down;
        for (size_t i = 0; i < ELEMENTSOF(c->restarts); i++)
                if (c->restarts[i] > 0 && w->now - w->start >= c->restarts[i] &&
                    w->now - w->start < c->restarts[i] + c->step)
                        restart(w);
        if (!down) {
                if (c->trouble > 0 && chance(w, c->trouble))
                        disturb(w, &w->spaces[rnd(w) % N_NAMESPACES]);
                run_fight(w);
        }
        for (size_t i = 0; i < N_NAMESPACES; i++) {
                Space *n = &w->spaces[i];

                if (!n->exists || !n->known)
                        continue;
                if (!down || n->in_flight)
                        take_in(w, n);
                if (!n->in_flight)
                        run_space(w, n);
                for (unsigned k = 0; k < c->n_registries; k++)
                        check_supply(w, n, k);
        }
}

/* Returns how many different auths there were. */
static unsigned simulate(const Scenario *c)
{
        World *w = calloc(1, sizeof(*w));
        unsigned n_auths;
        uint64_t most;

        assert_non_null(w);
        w->scenario = c;
        w->start = w->now = BOOT;
        w->wall_offset = WALL - BOOT + 123456;
        w->random = c->seed;
        for (size_t i = 0; i < N_REGISTRIES; i++) {
                w->registries[i].call = w->now;
                w->registries[i].since = USEC_INFINITY;
        }
        for (size_t i = 0; i < N_NAMESPACES * 3 / 4; i++)
                w->spaces[i] = (Space){ .exists = true, .known = true, .excluded = i % 10 == 9 };
        while (w->now < w->start + c->length) {
                step(w);
                w->now += c->step;
                if (c->suspend_at > 0 && w->now - w->start >= c->suspend_at &&
                    w->now - w->start < c->suspend_at + c->step) {
                        w->now += 5 * H; /* the host sleeps, and everybody else goes on */
                        w->api_since = w->now;
                        run_aws(w);
                        for (unsigned i = 0; i < c->n_registries; i++)
                                if (is_good(w, w->registries[i].token))
                                        w->registries[i].since = w->now;
                }
        }
        print_message("seed %llu: %llu writes (%llu created, %llu renewed, %llu healed) of %llu tries with "
                      "%u tokens, %u auths; "
                      "%llu disturbances, %llu undone, %llu refused\n",
                      (unsigned long long) c->seed, (unsigned long long) w->writes,
                      (unsigned long long) w->creations, (unsigned long long) w->renewals,
                      (unsigned long long) w->heals, (unsigned long long) w->attempts, w->serial, w->n_auths,
                      (unsigned long long) w->disturbances, (unsigned long long) w->fights,
                      (unsigned long long) w->refusals);

        /* No storm: a renewal an id and namespace, a heal a disturbance, one a minute in a fight. */
        most = (uint64_t) w->n_auths * N_NAMESPACES;
        assert_true(w->renewals + w->creations <= most);
        assert_true(w->heals <= w->disturbances + w->fights);
        assert_true(w->fights <= (c->fight.to - c->fight.from) / (10 * M) + 10);
        assert_true(w->attempts <= 2 * w->writes + w->refusals + 1000);
        if (c->trouble == 0) { /* one write a namespace and id, no more and no less */
                assert_int_equal(w->creations, N_NAMESPACES * 3 / 4 - N_NAMESPACES * 3 / 4 / 10);
                assert_int_equal(w->writes, w->creations * (w->n_auths - c->unwritten));
        }
        n_auths = w->n_auths;
        for (size_t i = 0; i < N_REGISTRIES; i++)
                token_unref(w->registries[i].token);
        auths_unref(w->auths);
        free(w);
        return n_auths;
}

static void test_week(void **state)
{
        Scenario c = {
                .length = 7 * 24 * H,
                .step = 10 * S,
                .trouble = 60,
                .n_registries = 1,
                .aws = { { { 5 * H, 6 * H }, { 29 * H + 50 * M, 36 * H + 50 * M }, { 70 * H, 90 * H } } },
                .api = { { 47 * H, 49 * H } },
                .restarts = { 60 * H, 75 * H, 110 * H + 17 * M, 110 * H + 20 * M },
                .suspend_at = 130 * H,
                .fight = { 100 * H, 103 * H },
        };

        for (c.seed = 1; c.seed <= 8; c.seed++)
                (void) simulate(&c);

        /* Two registries, with troubles of their own. */
        c.n_registries = 2;
        c.aws[1][0] = (Outage){ 0, 2 * H };
        c.aws[1][1] = (Outage){ 20 * H, 44 * H };
        for (c.seed = 1; c.seed <= 4; c.seed++)
                (void) simulate(&c);
}

/* The same without trouble: what is left is renewals, one each half of a token's life. */
static void test_quiet_week(void **state)
{
        Scenario c = { .length = 7 * 24 * H, .step = 10 * S, .seed = 42, .n_registries = 1 };

        (void) simulate(&c);
}

/* Two days, and nothing is amiss but this: one of two registries fails for a day. */
static void test_one_registry_fails(void **state)
{
        Scenario c = { .length = 48 * H,
                       .step = 10 * S,
                       .seed = 7,
                       .n_registries = 2,
                       .aws = { { { 5 * H, 29 * H } }, { { 0, 2 * H } } } };

        /* The first's tokens are got at 0, 29, 35, 41 and 47 h, the first running out at 12 h; the second's
         * at 2, 8, 14, 20, 26, 32, 38 and 44 h. */
        assert_int_equal(simulate(&c), 5 + 1 + 8);

        /* The other one; both are renewed together. At 12 h the old token runs out as the new one comes. */
        c.unwritten = 1;
        c.aws[0][0] = (Outage){ 0 };
        c.aws[1][0] = (Outage){ 5 * H, 29 * H };
        assert_int_equal(simulate(&c), 8 + 1 + 4);

        /* Both with a short interval: the old token's times are over each time. */
        c.unwritten = 0;
        c.interval = 10 * M;
        c.aws[0][0] = (Outage){ 11 * H, 11 * H + 5 * M };
        (void) simulate(&c);
}

/* With the same tokens nothing is written for a restart's sake, be a registry away or not. */
static void test_restarts_with_tokens(void **state)
{
        Scenario c = { .length = 48 * H,
                       .step = 10 * S,
                       .seed = 7,
                       .n_registries = 2,
                       .stored = true,
                       .aws = { { { 5 * H, 29 * H } }, { { 0, 2 * H } } },
                       .restarts = { H, 9 * H, 12 * H + M, 40 * H } };

        assert_int_equal(simulate(&c), 5 + 1 + 8);
}

/* All tokens are new, so that what was written stays until its time; then it gets what there is. */
static void test_restarts_without_tokens(void **state)
{
        Scenario c = { .length = 48 * H,
                       .step = 10 * S,
                       .seed = 7,
                       .n_registries = 2,
                       .restarts = { H, 2 * H, 19 * H } };

        /* Tokens at 0 h; 1 h, which are never written; 2 h, which are when the first are due; 8 and 14 h; 19
         * h; and 25, 31, 37 and 43 h. */
        c.unwritten = 1;
        assert_int_equal(simulate(&c), 10);
}

/* Two eatrs that write the same hosts, each with what it has, as often as they would. */
static unsigned share(const Auths *const both[2], usec_t from, usec_t length)
{
        KubeSecret secret = { 0 };
        Target t[2] = { 0 };
        unsigned n = 0;

        for (usec_t now = from; now < from + length; now += 10 * S)
                for (size_t i = 0; i < 2; i++) {
                        Plan p = next(&t[i], both[i], 0, now);

                        if (p.action != PLAN_APPLY)
                                continue;
                        plan_begun(&t[i], both[i]);
                        secret = seen(secret.resource_version + 1, both[i]->id, both[i]->issued / S * S,
                                      true, true);
                        secret.expires = both[i]->expires / S * S;
                        plan_succeeded(&t[i], &p, now);
                        plan_observe(&t[0], &secret, 0);
                        plan_observe(&t[1], &secret, 0);
                        n++;
                }
        return n;
}

static void test_two_eatrs(void **state)
{
        Auths one = auths, other = auths;

        /* Due since long, and as old as each other to the second: each writes once. */
        memcpy(other.id, OTHER_ID, sizeof(other.id));
        assert_int_equal(share((const Auths *const[]){ &auths, &other }, BOOT, 5 * H), 1);
        assert_int_equal(share((const Auths *const[]){ &auths, &other }, BOOT, 12 * H), 2);
        one.issued += 200 * USEC_PER_MSEC;
        one.expires += 600 * USEC_PER_MSEC;
        other.issued += 300 * USEC_PER_MSEC;
        other.expires += 700 * USEC_PER_MSEC;
        assert_int_equal(share((const Auths *const[]){ &one, &other }, BOOT, 12 * H), 2);

        /* The one that lasts longer prevails, whichever comes first, even if it is the older one. */
        other.expires += S;
        assert_int_equal(share((const Auths *const[]){ &auths, &other }, BOOT, 12 * H), 2);
        assert_int_equal(share((const Auths *const[]){ &other, &auths }, BOOT, 12 * H), 3);
        other.issued -= 5 * S;
        other.received_boottime -= 5 * S;
        assert_int_equal(share((const Auths *const[]){ &auths, &other }, BOOT, 12 * H), 2);
        assert_int_equal(share((const Auths *const[]){ &other, &auths }, BOOT, 12 * H), 3);

        /* Other hosts: no more than heals. */
        memcpy(other.id, ELSEWHERE_ID, sizeof(other.id));
        assert_in_range(share((const Auths *const[]){ &auths, &other }, BOOT, H), 20, 2 * (1 + 5 + 8));
}

static void test_short_interval(void **state)
{
        Scenario c = {
                .interval = 20 * S,
                .length = H,
                .step = S,
                .trouble = 30,
                .n_registries = 1,
                .aws = { { { 10 * M, 15 * M } } },
                .api = { { 30 * M, 33 * M } },
                .restarts = { 40 * M },
        };

        for (c.seed = 1; c.seed <= 8; c.seed++)
                (void) simulate(&c);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_rules),
                cmocka_unit_test(test_waits_are_kept),
                cmocka_unit_test(test_reasons),
                cmocka_unit_test(test_heals),
                cmocka_unit_test(test_heals_far_apart),
                cmocka_unit_test(test_other_fights),
                cmocka_unit_test(test_failures),
                cmocka_unit_test(test_refused_is_what_was_written_to),
                cmocka_unit_test(test_backoff),
                cmocka_unit_test(test_a_new_verdict_begins_anew),
                cmocka_unit_test(test_observe),
                cmocka_unit_test(test_observe_foreign),
                cmocka_unit_test(test_observe_own_deletes),
                cmocka_unit_test(test_observe_without_versions),
                cmocka_unit_test(test_observe_restored),
                cmocka_unit_test(test_observe_restored_as_old),
                cmocka_unit_test(test_week),
                cmocka_unit_test(test_quiet_week),
                cmocka_unit_test(test_one_registry_fails),
                cmocka_unit_test(test_restarts_with_tokens),
                cmocka_unit_test(test_restarts_without_tokens),
                cmocka_unit_test(test_two_eatrs),
                cmocka_unit_test(test_short_interval),
        };

        return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
