/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "accounts.h"
#include "collection.h"
#include "kube-object.h"
#include "log.h"

#include <errno.h>

/* The account of pods that name none; each namespace has it. */
#define DEFAULT_ACCOUNT "default"

struct Accounts {
        sd_event *event;
        AccountsConfig config;
        AccountsParts parts;
        accounts_changed_t changed;
        void *userdata;

        AccountTable *table;
        AccountWriter *writer;
        Collection *all;                  /* NULL: they are none of eatr's business */
        uint64_t watch_restarts, relists; /* of the watches before this one */
};

/* --- which are watched ----------------------------------------------------------------------------- */

static bool any(char *const *globs)
{
        return globs && *globs;
}

static bool are_meant(const AccountRules *rules)
{
        return any(rules->accounts) || rules->purge;
}

/* The one name that is watched, or NULL if all are: because there are several or a pattern, or because
 * entries are to be found in accounts that are not meant any more. */
static const char *only_name(const AccountRules *rules)
{
        const char *first = any(rules->accounts) && !rules->accounts[1] ? rules->accounts[0] : NULL;

        if (rules->purge || rules->on_exclude == CONF_EXCLUDE_DELETE || !first || strpbrk(first, "*?["))
                return NULL;
        return first;
}

static bool same_globs(char *const *a, char *const *b)
{
        size_t i;

        for (i = 0; a && a[i] && b && b[i]; i++)
                if (!streq(a[i], b[i]))
                        return false;
        return !any(a ? a + i : a) && !any(b ? b + i : b);
}

static bool same_rules(const AccountRules *a, const AccountRules *b)
{
        return same_globs(a->accounts, b->accounts) && a->on_exclude == b->on_exclude &&
               same_globs(a->purge, b->purge);
}

/* --- accounts -------------------------------------------------------------------------------------- */

static AccountNode *find(const Accounts *a, const char *namespace, const char *name)
{
        AccountNamespace *ns = namespace ? account_table_namespace(a->table, namespace) : NULL;

        return ns && name ? account_table_find(a->table, ns, name) : NULL;
}

/* NULL when memory is out. */
static AccountNode *add(const Accounts *a, const char *namespace, const char *name)
{
        AccountNamespace *ns = account_table_add_namespace(a->table, namespace);

        return ns ? account_table_add(a->table, ns, name) : NULL;
}

/* Takes over what seen holds. */
static void take_in(Accounts *a, const char *namespace, const char *name, KubeAccount *seen)
{
        AccountNode *n = find(a, namespace, name);

        if (!n && account_plan_concerns(&a->config.writer.rules, name, seen)) {
                n = add(a, namespace, name);
                if (n)
                        n->account.urgent = !collection_is_listing(a->all);
        }
        if (!n) {
                kube_account_done(seen);
                return;
        }
        n->seen = true;
        if (collection_is_listing(a->all) && !n->answered)
                n->account.seen.resource_version = 0; /* it stands for itself: after a restore of etcd
                                                         versions go back */
        account_plan_observe(&n->account, seen);
        account_writer_mark_dirty(a->writer, n);
}

static void on_seen(const cJSON *object, void *userdata)
{
        Accounts *a = userdata;
        const cJSON *metadata = json_get(object, "metadata");
        const char *namespace = json_string(metadata, "namespace"), *name = json_string(metadata, "name");
        KubeAccount seen = { 0 };

        if (str_empty(namespace) || str_empty(name))
                return;
        if (kube_account_read(object, a->config.writer.secret_name, &seen) < 0)
                kube_account_done(&seen); /* the next list will do */
        else
                take_in(a, namespace, name, &seen);
}

static void on_gone(const cJSON *object, void *userdata)
{
        Accounts *a = userdata;
        const cJSON *metadata = json_get(object, "metadata");
        AccountNode *n = find(a, json_string(metadata, "namespace"), json_string(metadata, "name"));

        if (!n)
                return;
        account_plan_gone(&n->account, kube_object_version(object));
        account_writer_mark_dirty(a->writer, n);
}

static void on_list_begin(void *userdata)
{
        Accounts *a = userdata;

        ACCOUNTS_FOREACH (n, next, a->table)
                n->seen = n->answered = false;
}

static void on_list_end(void *userdata)
{
        Accounts *a = userdata;

        ACCOUNTS_FOREACH (n, next, a->table) {
                if (n->seen || n->answered || !n->account.seen.exists)
                        continue;
                account_plan_gone(&n->account, n->account.seen.resource_version);
                account_writer_mark_dirty(a->writer, n);
        }
        a->changed(a->userdata); /* that all is read is worth showing, be there anything to write or not */
}

static void on_reading(void *userdata)
{
        Accounts *a = userdata;

        a->changed(a->userdata);
}

static const CollectionHandler handler = {
        .list_begin = on_list_begin,
        .seen = on_seen,
        .gone = on_gone,
        .list_end = on_list_end,
        .works_again = on_reading,
        .failed = on_reading,
};

/* --- namespaces ------------------------------------------------------------------------------------ */

static void create_default(Accounts *a, const char *namespace)
{
        const AccountRules *rules = &a->config.writer.rules;
        AccountNode *n;

        if (rules->purge || !match_any(rules->accounts, DEFAULT_ACCOUNT) ||
            !account_writer_may_create(a->writer))
                return;
        n = find(a, namespace, DEFAULT_ACCOUNT);
        if (!n)
                n = add(a, namespace, DEFAULT_ACCOUNT);
        if (!n || n->account.seen.exists)
                return;
        n->account.create = n->account.urgent = true;
        account_writer_mark_dirty(a->writer, n);
}

void accounts_namespace(Accounts *a, const char *name, MatchVerdict verdict, bool appeared)
{
        AccountNamespace *ns;

        if (!a->all)
                return;
        ns = account_table_add_namespace(a->table, name);
        if (!ns || (ns->known && ns->verdict == verdict))
                return;
        ns->known = true;
        ns->verdict = verdict;
        ACCOUNTS_FOREACH_IN (n, next, ns)
                account_writer_mark_dirty(a->writer, n);
        if (appeared && verdict == MATCH_WANTED)
                create_default(a, name);
}

/* What was in it went before it did; but what is in the table may be in the next of that name already. The
 * watch of accounts tells. */
void accounts_namespace_gone(Accounts *a, const char *name)
{
        AccountNamespace *ns = account_table_namespace(a->table, name);

        if (!ns)
                return;
        ns->known = false;
        ACCOUNTS_FOREACH_IN (n, next, ns) {
                n->account.create = false;
                account_writer_mark_dirty(a->writer, n);
        }
        account_table_tidy_namespace(a->table, ns);
}

/* --- the whole ------------------------------------------------------------------------------------- */

static void end_watch(Accounts *a)
{
        if (!a->all)
                return;
        a->watch_restarts = accounts_watch_restarts(a);
        a->relists = accounts_relists(a);
        a->all = collection_free(a->all);
}

static int begin_watch(Accounts *a)
{
        const CollectionSpec spec = {
                .what = "service accounts",
                .path = "/api/v1/serviceaccounts",
                .kind = "ServiceAccount",
                .name = only_name(&a->config.writer.rules),
                .extra_rights = true,
        };

        return collection_new(a->event, a->config.auth, a->parts.stats, &spec, &handler, a, &a->all);
}

/* The last entries have gone, and none is to come. */
static void end_if_done(Accounts *a)
{
        if (a->all && !are_meant(&a->config.writer.rules) && kube_watch_synced(collection_watch(a->all)) &&
            !account_table_first(a->table))
                end_watch(a);
}

static void on_writer_changed(void *userdata)
{
        Accounts *a = userdata;

        end_if_done(a);
        a->changed(a->userdata);
}

static int add_writer(Accounts *a)
{
        const AccountWriterParts parts = { .table = a->table,
                                           .client = a->parts.client,
                                           .lanes = a->parts.lanes };

        return account_writer_new(a->event, &a->config.writer, &parts, on_writer_changed, a, &a->writer);
}

int accounts_new(sd_event *event, const AccountsConfig *config, const AccountsParts *parts,
                 accounts_changed_t changed, void *userdata, Accounts **ret)
{
        _cleanup_(accounts_freep) Accounts *a = NULL;
        int r;

        a = calloc(1, sizeof(*a));
        if (!a)
                return -ENOMEM;
        a->event = sd_event_ref(event);
        a->config = *config;
        a->parts = *parts;
        a->changed = changed;
        a->userdata = userdata;
        r = account_table_new(&a->table);
        if (r < 0)
                return r;
        r = add_writer(a);
        if (r < 0)
                return r;
        if (are_meant(&config->writer.rules)) {
                r = begin_watch(a);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(a);
        return 0;
}

static void forget_all(Accounts *a)
{
        ACCOUNTS_FOREACH (n, next, a->table) {
                n->account.create = false;
                account_plan_gone(&n->account, n->account.seen.resource_version);
        }
}

void accounts_reload(Accounts *a, const AccountsConfig *config)
{
        const AccountRules *rules = &config->writer.rules;
        bool changed = !same_rules(&a->config.writer.rules, rules);
        bool watch = are_meant(rules) || (a->all && rules->on_exclude == CONF_EXCLUDE_DELETE);
        int r = 0;

        a->config = *config;
        account_writer_reload(a->writer, &config->writer);
        if (!changed && watch && a->all)
                return;
        end_watch(a);
        if (watch)
                r = begin_watch(a);
        else
                forget_all(a);
        if (r < 0)
                log_error_errno(r, "Cannot watch service accounts, reload to try again: %m");
}

void accounts_take_over(Accounts *a, const Accounts *old)
{
        account_writer_take_over(a->writer, old->writer);
        a->watch_restarts = accounts_watch_restarts(old);
        a->relists = accounts_relists(old);
}

void accounts_stop(Accounts *a)
{
        account_writer_stop(a->writer);
}

void accounts_hurry(Accounts *a)
{
        if (a->all)
                kube_watch_hurry(collection_watch(a->all));
}

bool accounts_settled(const Accounts *a, unsigned tries)
{
        return !a->all || ((kube_watch_synced(collection_watch(a->all)) || collection_is_forbidden(a->all) ||
                            collection_failures(a->all) >= tries) &&
                           account_writer_settled(a->writer, tries));
}

const char *accounts_error(const Accounts *a)
{
        return a->all ? collection_error(a->all) : "";
}

const AccountTable *accounts_table(const Accounts *a)
{
        return a->table;
}

void accounts_summary(const Accounts *a, AccountSummary *ret)
{
        account_writer_summary(a->writer, ret);
}

const AccountStats *accounts_stats(const Accounts *a)
{
        return account_writer_stats(a->writer);
}

uint64_t accounts_watch_restarts(const Accounts *a)
{
        return a->watch_restarts + (a->all ? kube_watch_restarts(collection_watch(a->all)) : 0);
}

uint64_t accounts_relists(const Accounts *a)
{
        return a->relists + (a->all ? kube_watch_relists(collection_watch(a->all)) : 0);
}

bool accounts_stalled(const Accounts *a, usec_t now)
{
        return (a->all && kube_watch_stalled(collection_watch(a->all), now)) ||
               account_writer_stalled(a->writer, now);
}

Accounts *accounts_free(Accounts *a)
{
        if (!a)
                return NULL;
        (void) collection_free(a->all);
        (void) account_table_free(a->table);
        (void) account_writer_free(a->writer);
        (void) sd_event_unref(a->event);
        free(a);
        return NULL;
}
