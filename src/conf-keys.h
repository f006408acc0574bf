/* SPDX-License-Identifier: MIT */
#pragma once

#include "clock.h"
#include "conf-value.h"
#include "label-selector.h"

/* The configuration as values, and the table of the keys that fill it. Keys and defaults are those of
 * eatr.conf(5). */

/* How many [registry NAME] there may be, and how many hosts one may name. */
#define CONF_REGISTRIES_MAX 64U
#define CONF_HOSTS_MAX 64U
#define CONF_REGISTRY_NAME_MAX 63U

/* How many labels, and how many annotations, a Secret may be given. */
#define CONF_EXTRAS_MAX 32U

/* A source of credentials that AWS's own programs look for unasked, and eatr only when it is named. */
typedef enum ConfCredentialSource {
        CONF_CREDENTIAL_SOURCE_NONE,
        CONF_CREDENTIAL_SOURCE_ENVIRONMENT,
        CONF_CREDENTIAL_SOURCE_CONTAINER,
        CONF_CREDENTIAL_SOURCE_IMDS,
} ConfCredentialSource;

/* Whether the registry is asked if it takes a new token. The token is used in any case. */
typedef enum ConfVerify {
        CONF_VERIFY_YES, /* and what it answers is told */
        CONF_VERIFY_NO,
        CONF_VERIFY_REQUIRED, /* and eatr is only ready when it has */
} ConfVerify;

/* Strings are NULL and numbers 0 where nothing is given; paths are absolute. conf_free() wipes all. */
typedef struct ConfAws {
        char *region;

        /* Where credentials come from: one of these. */
        char *access_key_id, *secret_access_key, *session_token; /* aws_...; the last may be NULL */
        char *profile, *source_profile;
        char *credential_process; /* a command line, which may hold secrets: not to be shown */
        char *web_identity_token_file;
        char *credentials_secret; /* NAMESPACE/NAME */
        char *certificate, *private_key, *trust_anchor_arn, *profile_arn;
        char *certificate_chain; /* may be NULL */
        ConfCredentialSource credential_source;

        /* The role that is assumed with them, or that they are for. */
        char *role_arn;
        char *external_id;
        char *role_session_name;
        unsigned duration_seconds;

        char *shared_credentials_file, *config_file; /* where profiles are */
        char *endpoint_url;     /* NULL: the region's own. https, or http on loopback; no trailing slash */
        char *sts_endpoint_url; /* the same for STS */
        char *ca_bundle;        /* file of PEM certificates, NULL: the system's */
        bool use_fips_endpoint;
        bool use_dualstack_endpoint;
} ConfAws;

/* What a section, [aws] or [registry NAME], says of a registry; or, in Conf.registries, what holds for it.
 */
typedef struct ConfRegistry {
        ConfAws aws;  /* first, see Conf */
        char *name;   /* NULL: [aws] as it is read */
        char **hosts; /* further ones that the token is for, HOST or HOST:PORT; NULL-terminated, never NULL
                       */
        bool public;  /* ECR Public */
        ConfVerify verify;
        uint64_t given; /* which keys have a value, see conf_keys_given() */
} ConfRegistry;

typedef struct ConfKubernetes {
        char *kubeconfig;     /* NULL: not given */
        char *context;        /* NULL: the kubeconfig's current-context */
        bool mint_eks_tokens; /* make the tokens of EKS that the kubeconfig has a program for */
} ConfKubernetes;

/* What becomes of the Secret in a namespace that is not wanted any more. */
typedef enum ConfExclude {
        CONF_EXCLUDE_KEEP,
        CONF_EXCLUDE_DELETE,
} ConfExclude;

typedef struct ConfNamespaces {
        char **blacklist; /* globs, NULL-terminated; never NULL */
        char **include;   /* the same; empty: every namespace */
        LabelSelector *label_selector; /* NULL: whatever their labels */
        ConfExclude on_exclude;
} ConfNamespaces;

/* What becomes of a Secret of eatr's name that is not eatr's. */
typedef enum ConfConflict {
        CONF_CONFLICT_SKIP,     /* it stays as it is */
        CONF_CONFLICT_ADOPT,    /* eatr's fields are taken over, if its type allows it */
        CONF_CONFLICT_RECREATE, /* the same; where its type does not, it is deleted and made anew */
} ConfConflict;

typedef struct ConfSecret {
        char *name;
        ConfConflict on_conflict;
        char **service_accounts; /* globs of those that are to name the Secret in imagePullSecrets;
                                    NULL-terminated, never NULL; empty: none */
        char **labels, **annotations; /* that it carries besides eatr's own: KEY=VALUE; the same */
} ConfSecret;

typedef struct ConfRenewal {
        usec_t auth_token_renewal_interval; /* 0: auto */
        usec_t informers_resync_interval;
        unsigned max_writes_per_second; /* 0: no limit */
        unsigned max_in_flight;
} ConfRenewal;

/* Where /metrics is served. */
typedef ConfListen ConfMetrics;

typedef struct Conf {
        union {
                ConfAws aws;       /* [aws] alone, as it is read */
                ConfRegistry main; /* the same with what [aws] says besides */
        };
        ConfRegistry sections[CONF_REGISTRIES_MAX]; /* [registry NAME] alone, as they are read */
        size_t n_sections;
        bool skip_registries;     /* neither [aws] nor they are read */
        ConfRegistry *registries; /* what holds for each, from conf_check(): one for each [registry NAME], */
        size_t n_registries;      /* or that of [aws], named "aws", if there are none */
        ConfKubernetes kubernetes;
        ConfNamespaces namespaces;
        ConfSecret secret;
        ConfRenewal renewal;
        ConfMetrics metrics;
        int verbosity;
} Conf;

/* What a key of [aws] belongs to; from CONF_KEY_STATIC on each is a source of credentials. */
typedef enum ConfKeyGroup {
        CONF_KEY_ALONE,
        CONF_KEY_OWN, /* says something of one registry, and is not inherited */
        CONF_KEY_ROLE,
        CONF_KEY_STATIC,
        CONF_KEY_PROFILE,
        CONF_KEY_SOURCE_PROFILE,
        CONF_KEY_PROCESS,
        CONF_KEY_WEB_IDENTITY,
        CONF_KEY_CLUSTER_SECRET,
        CONF_KEY_CERTIFICATE,
        CONF_KEY_CREDENTIAL_SOURCE,
} ConfKeyGroup;

/* What the field of a key is. */
typedef enum ConfKeyType {
        CONF_KEY_STRING, /* char * */
        CONF_KEY_LIST,   /* char **, NULL-terminated, to which parse adds */
        CONF_KEY_BOOL,
        CONF_KEY_NUMBER, /* unsigned, or an enum */
        CONF_KEY_OTHER,  /* not in [aws] */
} ConfKeyType;

typedef struct ConfKey {
        const char *section; /* keys of "aws" are those of [registry NAME], too */
        const char *name;
        ConfValueParse *parse;
        size_t offset; /* of the field, in ConfRegistry for keys of "aws", else in Conf */
        ConfKeyGroup group;
        ConfKeyType type;
        uint64_t least, most; /* as in ConfValueRule */
        const ConfValueWord *words;
        bool secret;  /* not for files that are open to everybody */
        bool command; /* quotation marks in it have a meaning */
} ConfKey;

/* Each key there is, up to one without a name. */
#define CONF_KEYS_MAX 64U
extern const ConfKey conf_keys[];

/* The key of that name in a section of the table (NULL: in any), or NULL. */
const ConfKey *conf_keys_find(const char *section, const char *name);

bool conf_keys_is_section(const char *name);

/* The NAME in "registry NAME", or NULL if name is not that of such a section. Says nothing about NAME. */
const char *conf_keys_registry_name(const char *name);

/* Say what is wrong with a name that was not found, and what was most likely meant. section is that of the
 * table, label its name in the file. Return -EINVAL. */
int conf_keys_fail_section(const char *name, ConfError *error);
int conf_keys_fail_key(const char *section, const char *label, const char *name, ConfError *error);

/* The field of a key of "aws". */
void *conf_keys_field(const ConfKey *key, ConfRegistry *r);

/* Whether r has a value for a key of "aws"; the same by its name. The first is told by who sets it. */
bool conf_keys_given(const ConfKey *key, const ConfRegistry *r);
void conf_keys_set_given(const ConfKey *key, ConfRegistry *r, bool given);
bool conf_keys_has(const ConfRegistry *r, const char *name);

static inline bool conf_keys_is_source(const ConfKey *key)
{
        return key->group >= CONF_KEY_STATIC;
}

/* The first key that r has a value for and that names a source of credentials, or NULL. */
const ConfKey *conf_keys_source(const ConfRegistry *r);

/* Makes an empty registry; name may be NULL. Copies to it the value that from has for a key of "aws". Return
 * 0 or -ENOMEM; then, too, it is there to be freed. */
int conf_keys_registry_init(ConfRegistry *r, const char *name);
int conf_keys_registry_copy(ConfRegistry *r, const ConfRegistry *from, const ConfKey *key);

/* Wipes and frees what is in it; the same for each of n, with what they lie in. */
void conf_keys_registry_done(ConfRegistry *r);
void conf_keys_registries_free(ConfRegistry **registries, size_t *n);

/* An empty list, or NULL when memory is out; takes what is in one; frees one, NULL too. */
char **conf_keys_list_new(void);
void conf_keys_list_clear(char **list);
void conf_keys_list_free(char **list);
