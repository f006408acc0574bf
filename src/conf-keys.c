/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "conf-keys.h"

#include "conf-kube.h"
#include "typo.h"

#include <assert.h>
#include <errno.h>

/* --- the keys ---------------------------------------------------------------------------------------- */

/* As AWS's files spell them, too. */
static const ConfValueWord credential_sources[] = {
        { "environment", CONF_CREDENTIAL_SOURCE_ENVIRONMENT, false },
        { "container", CONF_CREDENTIAL_SOURCE_CONTAINER, false },
        { "imds", CONF_CREDENTIAL_SOURCE_IMDS, false },
        { "EcsContainer", CONF_CREDENTIAL_SOURCE_CONTAINER, true },
        { "Ec2InstanceMetadata", CONF_CREDENTIAL_SOURCE_IMDS, true },
        { NULL },
};

static const ConfValueWord verify_words[] = {
        { "yes", CONF_VERIFY_YES, false },
        { "no", CONF_VERIFY_NO, false },
        { "required", CONF_VERIFY_REQUIRED, false },
        { "true", CONF_VERIFY_YES, true },
        { "on", CONF_VERIFY_YES, true },
        { "1", CONF_VERIFY_YES, true },
        { "false", CONF_VERIFY_NO, true },
        { "off", CONF_VERIFY_NO, true },
        { "0", CONF_VERIFY_NO, true },
        { NULL },
};

static const ConfValueWord exclude_words[] = {
        { "keep", CONF_EXCLUDE_KEEP, false },
        { "delete", CONF_EXCLUDE_DELETE, false },
        { NULL },
};

static const ConfValueWord conflict_words[] = {
        { "skip", CONF_CONFLICT_SKIP, false },
        { "adopt", CONF_CONFLICT_ADOPT, false },
        { "recreate", CONF_CONFLICT_RECREATE, false },
        { NULL },
};

static_assert(sizeof(ConfVerify) == sizeof(unsigned) && sizeof(ConfCredentialSource) == sizeof(unsigned) &&
                      sizeof(ConfExclude) == sizeof(unsigned) && sizeof(ConfConflict) == sizeof(unsigned),
              "a word is written as an unsigned");

#define FIELD(member) offsetof(Conf, member)
#define REGISTRY(member) offsetof(ConfRegistry, member)
#define AWS(member) offsetof(ConfRegistry, aws.member)

/* A new one is a line here, a field in Conf and a paragraph in eatr.conf(5). The token lives 12 hours: its
 * longest interval leaves one hour for tries that fail. */
/* clang-format off */
const ConfKey conf_keys[] = {
        { "aws", "region", conf_value_region, AWS(region) },
        { "aws", "aws_access_key_id", conf_value_credential, AWS(access_key_id), CONF_KEY_STATIC },
        { "aws", "aws_secret_access_key", conf_value_credential, AWS(secret_access_key), CONF_KEY_STATIC, .secret = true },
        { "aws", "aws_session_token", conf_value_credential, AWS(session_token), CONF_KEY_STATIC, .secret = true },
        { "aws", "profile", conf_value_string, AWS(profile), CONF_KEY_PROFILE },
        { "aws", "source_profile", conf_value_string, AWS(source_profile), CONF_KEY_SOURCE_PROFILE },
        { "aws", "credential_process", conf_value_string, AWS(credential_process), CONF_KEY_PROCESS, .command = true },
        { "aws", "web_identity_token_file", conf_value_path, AWS(web_identity_token_file), CONF_KEY_WEB_IDENTITY },
        { "aws", "credentials_secret", conf_value_secret, AWS(credentials_secret), CONF_KEY_CLUSTER_SECRET },
        { "aws", "certificate", conf_value_path, AWS(certificate), CONF_KEY_CERTIFICATE },
        { "aws", "private_key", conf_value_path, AWS(private_key), CONF_KEY_CERTIFICATE },
        { "aws", "certificate_chain", conf_value_path, AWS(certificate_chain), CONF_KEY_CERTIFICATE },
        { "aws", "trust_anchor_arn", conf_value_trust_anchor_arn, AWS(trust_anchor_arn), CONF_KEY_CERTIFICATE },
        { "aws", "profile_arn", conf_value_profile_arn, AWS(profile_arn), CONF_KEY_CERTIFICATE },
        { "aws", "credential_source", conf_value_word, AWS(credential_source), CONF_KEY_CREDENTIAL_SOURCE, CONF_KEY_NUMBER, .words = credential_sources },
        { "aws", "role_arn", conf_value_role_arn, AWS(role_arn), CONF_KEY_ROLE },
        { "aws", "external_id", conf_value_external_id, AWS(external_id), CONF_KEY_ROLE },
        { "aws", "role_session_name", conf_value_session_name, AWS(role_session_name), CONF_KEY_ROLE },
        { "aws", "duration_seconds", conf_value_number, AWS(duration_seconds), CONF_KEY_ROLE, CONF_KEY_NUMBER, 900, 43200 },
        { "aws", "shared_credentials_file", conf_value_path, AWS(shared_credentials_file) },
        { "aws", "config_file", conf_value_path, AWS(config_file) },
        { "aws", "endpoint_url", conf_value_url, AWS(endpoint_url) },
        { "aws", "sts_endpoint_url", conf_value_url, AWS(sts_endpoint_url) },
        { "aws", "ca_bundle", conf_value_path, AWS(ca_bundle) },
        { "aws", "use_fips_endpoint", conf_value_bool, AWS(use_fips_endpoint), .type = CONF_KEY_BOOL },
        { "aws", "use_dualstack_endpoint", conf_value_bool, AWS(use_dualstack_endpoint), .type = CONF_KEY_BOOL },
        { "aws", "hosts", conf_value_hosts, REGISTRY(hosts), CONF_KEY_OWN, CONF_KEY_LIST, .most = CONF_HOSTS_MAX },
        { "aws", "public", conf_value_bool, REGISTRY(public), CONF_KEY_OWN, CONF_KEY_BOOL },
        { "aws", "verify", conf_value_word, REGISTRY(verify), .type = CONF_KEY_NUMBER, .words = verify_words },
        { "kubernetes", "kubeconfig", conf_value_path, FIELD(kubernetes.kubeconfig) },
        { "kubernetes", "context", conf_value_string, FIELD(kubernetes.context) },
        { "kubernetes", "mint_eks_tokens", conf_value_bool, FIELD(kubernetes.mint_eks_tokens), .type = CONF_KEY_BOOL },
        { "namespaces", "blacklist", conf_kube_globs, FIELD(namespaces.blacklist), .type = CONF_KEY_LIST },
        { "namespaces", "include", conf_kube_globs, FIELD(namespaces.include), .type = CONF_KEY_LIST },
        { "namespaces", "label_selector", conf_kube_selector, FIELD(namespaces.label_selector), .type = CONF_KEY_OTHER },
        { "namespaces", "on_exclude", conf_value_word, FIELD(namespaces.on_exclude), 0, CONF_KEY_NUMBER, .words = exclude_words },
        { "secret", "name", conf_value_secret_name, FIELD(secret.name) },
        { "secret", "on_conflict", conf_value_word, FIELD(secret.on_conflict), 0, CONF_KEY_NUMBER, .words = conflict_words },
        { "secret", "service_accounts", conf_kube_account_globs, FIELD(secret.service_accounts), .type = CONF_KEY_LIST },
        { "secret", "labels", conf_kube_labels, FIELD(secret.labels), .type = CONF_KEY_LIST, .most = CONF_EXTRAS_MAX },
        { "secret", "annotations", conf_kube_annotations, FIELD(secret.annotations), .type = CONF_KEY_LIST, .most = CONF_EXTRAS_MAX },
        { "renewal", "auth_token_renewal_interval", conf_value_interval_or_auto, FIELD(renewal.auth_token_renewal_interval), 0, CONF_KEY_OTHER, USEC_PER_SEC, 11 * USEC_PER_HOUR },
        { "renewal", "informers_resync_interval", conf_value_interval, FIELD(renewal.informers_resync_interval), 0, CONF_KEY_OTHER, USEC_PER_SEC, USEC_PER_DAY },
        { "renewal", "max_writes_per_second", conf_value_number, FIELD(renewal.max_writes_per_second), 0, CONF_KEY_NUMBER, 0, 10000 },
        { "renewal", "max_in_flight", conf_value_number, FIELD(renewal.max_in_flight), 0, CONF_KEY_NUMBER, 1, 100 },
        { "metrics", "listen", conf_value_listen, FIELD(metrics), .type = CONF_KEY_OTHER },
        { "log", "verbosity", conf_value_number, FIELD(verbosity), 0, CONF_KEY_NUMBER, 0, 10 },
        { NULL },
};
/* clang-format on */

static_assert(ELEMENTSOF(conf_keys) - 1 <= CONF_KEYS_MAX, "ConfRegistry.given has a bit for each key");
static_assert(offsetof(ConfRegistry, aws) == 0, "Conf.aws is that of Conf.main");

/* --- names ------------------------------------------------------------------------------------------- */

const ConfKey *conf_keys_find(const char *section, const char *name)
{
        for (const ConfKey *key = conf_keys; key->name; key++)
                if ((!section || streq(key->section, section)) && streq(key->name, name))
                        return key;
        return NULL;
}

bool conf_keys_is_section(const char *name)
{
        for (const ConfKey *key = conf_keys; key->name; key++)
                if (streq(key->section, name))
                        return true;
        return false;
}

const char *conf_keys_registry_name(const char *name)
{
        const char *rest = startswith(name, "registry");

        if (!rest || (*rest && *rest != ' ' && *rest != '\t'))
                return NULL;
        return rest + strspn(rest, " \t");
}

/* The key that name is a likely typo of, best one in the same section. */
static const ConfKey *guess_key(const char *section, const char *name)
{
        const ConfKey *guess = NULL;
        size_t best = SIZE_MAX;

        for (const ConfKey *key = conf_keys; key->name; key++) {
                size_t distance = typo_distance(name, key->name);
                size_t cost = 2 * distance + !streq(key->section, section);

                if (distance < SIZE_MAX && cost < best) {
                        best = cost;
                        guess = key;
                }
        }
        return guess;
}

/* Is the first word likely to be "registry"? */
static bool is_registry_typo(const char *name)
{
        char word[16] = "";
        size_t n = strcspn(name, " \t");

        if (n >= sizeof(word))
                return false;
        memcpy(word, name, n);
        return typo_distance(word, "registry") < SIZE_MAX;
}

int conf_keys_fail_section(const char *name, ConfError *error)
{
        const char *last = "";

        for (const ConfKey *key = conf_keys; key->name; key++)
                if (typo_distance(name, key->section) < SIZE_MAX)
                        return conf_error_set(error, -EINVAL, "unknown section %s, did you mean [%s]?",
                                              CONF_ERROR_QUOTE(name), key->section);
        if (is_registry_typo(name))
                return conf_error_set(error, -EINVAL, "unknown section %s, did you mean [registry NAME]?",
                                      CONF_ERROR_QUOTE(name));
        (void) conf_error_set(error, -EINVAL, "unknown section %s, there are", CONF_ERROR_QUOTE(name));
        for (const ConfKey *key = conf_keys; key->name; key++)
                if (!streq(key->section, last)) {
                        last = key->section;
                        conf_error_add(error, " [%s]%s", last, streq(last, "aws") ? " [registry NAME]" : "");
                }
        return -EINVAL;
}

/* Could name be that of a key? */
static bool is_key_like(const char *name)
{
        size_t n = strlen(name);

        return n <= 40 && *name >= 'a' && *name <= 'z' &&
               strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_.-") == n;
}

/* What is like no key may be a piece of a secret that a line break cut, and is not shown. */
int conf_keys_fail_key(const char *section, const char *label, const char *name, ConfError *error)
{
        const ConfKey *other = conf_keys_find(NULL, name), *guess = guess_key(section, name);

        if (!*section && other)
                return conf_error_set(error, -EINVAL,
                                      "\"%s\" stands before the first section, it belongs in [%s]", name,
                                      other->section);
        if (!*section)
                return conf_error_set(error, -EINVAL, "there is a key before the first [SECTION]");
        if (other)
                return conf_error_set(error, -EINVAL, "\"%s\" belongs in [%s], not in [%s]", name,
                                      other->section, label);
        if (guess) {
                (void) conf_error_set(error, -EINVAL, "unknown key %s in [%s], did you mean \"%s\"",
                                      CONF_ERROR_QUOTE(name), label, guess->name);
                if (!streq(guess->section, section))
                        conf_error_add(error, " in [%s]", guess->section);
                conf_error_add(error, "?");
                return -EINVAL;
        }
        if (is_key_like(name))
                return conf_error_set(error, -EINVAL, "unknown key \"%s\" in [%s]", name, label);
        return conf_error_set(error, -EINVAL, "unknown key in [%s]", label);
}

/* --- what is given ----------------------------------------------------------------------------------- */

void *conf_keys_field(const ConfKey *key, ConfRegistry *r)
{
        return (char *) r + key->offset;
}

bool conf_keys_given(const ConfKey *key, const ConfRegistry *r)
{
        return r->given >> (key - conf_keys) & 1;
}

void conf_keys_set_given(const ConfKey *key, ConfRegistry *r, bool given)
{
        uint64_t bit = UINT64_C(1) << (key - conf_keys);

        r->given = given ? r->given | bit : r->given & ~bit;
}

bool conf_keys_has(const ConfRegistry *r, const char *name)
{
        return conf_keys_given(conf_keys_find("aws", name), r);
}

const ConfKey *conf_keys_source(const ConfRegistry *r)
{
        for (const ConfKey *key = conf_keys; key->name; key++)
                if (conf_keys_is_source(key) && conf_keys_given(key, r))
                        return key;
        return NULL;
}

/* --- lists and registries ---------------------------------------------------------------------------- */

char **conf_keys_list_new(void)
{
        return calloc(1, sizeof(char *));
}

void conf_keys_list_clear(char **list)
{
        for (; *list; list++) {
                free(*list);
                *list = NULL;
        }
}

void conf_keys_list_free(char **list)
{
        if (list)
                conf_keys_list_clear(list);
        free(list);
}

static int copy_list(char ***list, char *const *from)
{
        char **copy;
        size_t n = 0;

        while (from[n])
                n++;
        copy = calloc(n + 1, sizeof(char *));
        if (!copy)
                return -ENOMEM;
        conf_keys_list_free(*list);
        *list = copy;
        for (size_t i = 0; i < n; i++)
                if (str_replace(&copy[i], from[i]) < 0)
                        return -ENOMEM;
        return 0;
}

int conf_keys_registry_init(ConfRegistry *r, const char *name)
{
        *r = (ConfRegistry){ .hosts = conf_keys_list_new() };
        return r->hosts ? str_replace(&r->name, name) : -ENOMEM;
}

int conf_keys_registry_copy(ConfRegistry *r, const ConfRegistry *from, const ConfKey *key)
{
        const void *source = (const char *) from + key->offset;
        void *field = conf_keys_field(key, r);

        conf_keys_set_given(key, r, true);
        switch (key->type) {
        case CONF_KEY_STRING:
                return str_replace(field, *(char *const *) source);
        case CONF_KEY_LIST:
                return copy_list(field, *(char **const *) source);
        case CONF_KEY_BOOL:
                *(bool *) field = *(const bool *) source;
                return 0;
        case CONF_KEY_NUMBER:
                *(unsigned *) field = *(const unsigned *) source;
                return 0;
        case CONF_KEY_OTHER:
                break;
        }
        return -EINVAL;
}

void conf_keys_registry_done(ConfRegistry *r)
{
        for (const ConfKey *key = conf_keys; key->name && streq(key->section, "aws"); key++)
                if (key->type == CONF_KEY_STRING) {
                        char **field = conf_keys_field(key, r);

                        *field = str_erase_free(*field);
                }
        conf_keys_list_free(r->hosts);
        free(r->name);
        *r = (ConfRegistry){ 0 };
}

void conf_keys_registries_free(ConfRegistry **registries, size_t *n)
{
        for (size_t i = 0; i < *n; i++)
                conf_keys_registry_done(&(*registries)[i]);
        free(*registries);
        *registries = NULL;
        *n = 0;
}
