/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "account-table.h"
#include "log.h"

#include <errno.h>
#include <search.h>
#include <stdarg.h>
#include <stdio.h>

typedef TAILQ_HEAD(AccountQueue, AccountNode) AccountQueue;

struct AccountTable {
        void *namespaces, *accounts; /* tsearch(3) */
        AccountQueue all;
        AccountQueue queues[_ACCOUNT_PLACE_MAX];
};

static int compare_namespaces(const void *a, const void *b)
{
        return strcmp(((const AccountNamespace *) a)->name, ((const AccountNamespace *) b)->name);
}

static int compare_accounts(const void *a, const void *b)
{
        const AccountNode *x = a, *y = b;

        if (x->namespace != y->namespace)
                return (uintptr_t) x->namespace < (uintptr_t) y->namespace ? -1 : 1;
        return strcmp(x->name, y->name);
}

static bool is_queue(AccountPlace place)
{
        return place != ACCOUNT_IDLE && place != ACCOUNT_IN_FLIGHT;
}

int account_table_new(AccountTable **ret)
{
        AccountTable *t = calloc(1, sizeof(*t));

        if (!t)
                return -ENOMEM;
        TAILQ_INIT(&t->all);
        for (AccountPlace p = 0; p < _ACCOUNT_PLACE_MAX; p++)
                TAILQ_INIT(&t->queues[p]);
        *ret = t;
        return 0;
}

AccountNode *account_table_first(const AccountTable *t)
{
        return TAILQ_FIRST(&t->all);
}

/* --- namespaces ------------------------------------------------------------------------------------ */

AccountNamespace *account_table_namespace(const AccountTable *t, const char *name)
{
        AccountNamespace key = { .name = (char *) name };
        AccountNamespace *const *found = tfind(&key, &t->namespaces, compare_namespaces);

        return found ? *found : NULL;
}

static AccountNamespace *namespace_free(AccountNamespace *ns)
{
        free(ns->name);
        free(ns);
        return NULL;
}

AccountNamespace *account_table_add_namespace(AccountTable *t, const char *name)
{
        AccountNamespace *ns = account_table_namespace(t, name);

        if (ns)
                return ns;
        ns = calloc(1, sizeof(*ns));
        if (!ns)
                return NULL;
        TAILQ_INIT(&ns->accounts);
        ns->name = strdup(name);
        if (!ns->name || !tsearch(ns, &t->namespaces, compare_namespaces))
                return namespace_free(ns);
        return ns;
}

void account_table_tidy_namespace(AccountTable *t, AccountNamespace *ns)
{
        if (ns->known || !TAILQ_EMPTY(&ns->accounts))
                return;
        (void) tdelete(ns, &t->namespaces, compare_namespaces);
        (void) namespace_free(ns);
}

/* --- accounts -------------------------------------------------------------------------------------- */

AccountNode *account_table_find(const AccountTable *t, AccountNamespace *ns, const char *name)
{
        AccountNode key = { .namespace = ns, .name = (char *) name };
        AccountNode *const *found = tfind(&key, &t->accounts, compare_accounts);

        return found ? *found : NULL;
}

static AccountNode *node_free(AccountNode *n)
{
        (void) kube_request_free(n->request);
        kube_account_done(&n->account.seen);
        free(n->name);
        free(n);
        return NULL;
}

AccountNode *account_table_add(AccountTable *t, AccountNamespace *ns, const char *name)
{
        AccountNode *n = calloc(1, sizeof(*n));

        if (!n)
                return NULL;
        n->namespace = ns;
        n->wake_at = USEC_INFINITY;
        n->name = strdup(name);
        if (!n->name || !tsearch(n, &t->accounts, compare_accounts))
                return node_free(n);
        TAILQ_INSERT_TAIL(&t->all, n, all);
        TAILQ_INSERT_TAIL(&ns->accounts, n, siblings);
        return n;
}

void account_table_drop(AccountTable *t, AccountNode *n)
{
        account_table_move(t, n, ACCOUNT_IDLE);
        (void) tdelete(n, &t->accounts, compare_accounts);
        TAILQ_REMOVE(&t->all, n, all);
        TAILQ_REMOVE(&n->namespace->accounts, n, siblings);
        (void) node_free(n);
}

void account_table_move(AccountTable *t, AccountNode *n, AccountPlace place)
{
        if (is_queue(n->place))
                TAILQ_REMOVE(&t->queues[n->place], n, queue);
        n->place = place;
        if (is_queue(place))
                TAILQ_INSERT_TAIL(&t->queues[place], n, queue);
}

AccountNode *account_table_head(const AccountTable *t, AccountPlace place)
{
        return TAILQ_FIRST(&t->queues[place]);
}

void account_table_log(const AccountNode *n, int level, const char *id, const char *file, const char *format,
                       ...)
{
        const LogField fields[] = { { "MESSAGE_ID", id },
                                    { "EATR_NAMESPACE", n->namespace->name },
                                    { NULL } };
        char text[1024];
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        log_full(level, file, 0, fields, "namespace %s: service account %s: %s", n->namespace->name, n->name,
                 text);
}

static void free_namespace(void *ns)
{
        (void) namespace_free(ns);
}

AccountTable *account_table_free(AccountTable *t)
{
        AccountNode *n;

        if (!t)
                return NULL;
        while ((n = TAILQ_FIRST(&t->all)))
                account_table_drop(t, n);
        tdestroy(t->namespaces, free_namespace);
        free(t);
        return NULL;
}
