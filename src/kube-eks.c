/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "kube-eks.h"

#include "aws-environment.h"
#include "conf-value.h"

#include <errno.h>
#include <strings.h>

/* What "aws eks get-token" calls the session of a role; names of users in the cluster may be made of it. */
#define AWS_SESSION_NAME "EKSGetTokenAuth"

/* --- options ----------------------------------------------------------------------------------------- */

typedef enum OptionKind {
        OPTION_VALUE,
        OPTION_OUTPUT, /* a value, which has to be "json": others are no credentials */
        OPTION_FLAG,   /* it changes nothing about the token */
} OptionKind;

typedef struct Option {
        const char *name;
        size_t offset; /* of the field in Words */
        OptionKind kind;
        char letter; /* '\0': none */
        bool late;   /* it has to stand behind the command's words */
} Option;

/* What the arguments say. */
typedef struct Words {
        const char *cluster_name, *cluster_id, *region, *profile, *role_arn, *external_id, *session_name;
        const char *output;
} Words;

/* How a program writes its arguments. */
typedef struct Program {
        const char *name;
        const char *const *command; /* the words that are no options */
        const Option *options;      /* up to one without a name */
        bool letters;               /* an option's value may follow its letter at once */
} Program;

static const Option aws_options[] = {
        { "cluster-name", .offset = offsetof(Words, cluster_name), .late = true },
        { "cluster-id", .offset = offsetof(Words, cluster_id), .late = true },
        { "region", .offset = offsetof(Words, region) },
        { "profile", .offset = offsetof(Words, profile) },
        { "role-arn", .offset = offsetof(Words, role_arn), .late = true },
        { "role", .offset = offsetof(Words, role_arn), .late = true }, /* as update-kubeconfig shortens it */
        { "session-name", .offset = offsetof(Words, session_name), .late = true },
        { "output", .kind = OPTION_OUTPUT, .offset = offsetof(Words, output) },
        { "no-cli-pager", .kind = OPTION_FLAG },
        { NULL },
};

static const Option authenticator_options[] = {
        { "cluster-id", .letter = 'i', .offset = offsetof(Words, cluster_id) },
        { "region", .offset = offsetof(Words, region) },
        { "role", .letter = 'r', .offset = offsetof(Words, role_arn) },
        { "external-id", .letter = 'e', .offset = offsetof(Words, external_id) },
        { "session-name", .letter = 's', .offset = offsetof(Words, session_name) },
        { "cache", .kind = OPTION_FLAG, .late = true },
        { NULL },
};

static const Program programs[] = {
        { "aws", (const char *const[]){ "eks", "get-token", NULL }, aws_options },
        { "aws-iam-authenticator", (const char *const[]){ "token", NULL }, authenticator_options, true },
};

static const Program *find_program(const char *command)
{
        const char *slash = strrchr(command, '/');

        for (size_t i = 0; i < ELEMENTSOF(programs); i++)
                if (streq(programs[i].name, slash ? slash + 1 : command))
                        return &programs[i];
        return NULL;
}

/* "--name" and "--name=value", and also "-n", "-nvalue" and "-n=value". Leaves in *value what stands behind,
 * or NULL. */
static const Option *find_option(const Program *p, const char *word, const char **value)
{
        const char *name = startswith(word, "--");

        for (const Option *o = p->options; o->name; o++) {
                const char *rest = name ? startswith(name, o->name) : NULL;

                if (rest && (!*rest || *rest == '=')) {
                        *value = *rest ? rest + 1 : NULL;
                        return o;
                }
                if (!name && p->letters && o->letter && word[1] == o->letter) {
                        *value = word[2] ? word + 2 + (word[2] == '=') : NULL;
                        return o;
                }
        }
        return NULL;
}

/* Not more of it than its name, as its value may be a secret. */
static int fail_option(const char *word, ConfError *why)
{
        size_t n = startswith(word, "--") ? strcspn(word, "=") : MIN(strlen(word), 2U);

        (void) conf_error_set(why, 0, "%.*s is not understood", str_fit(word, n, 64), word);
        return 0;
}

/* Reads the option in **word, and its value in the next one. late: all words of the command were there. */
static int read_option(const Program *p, char *const **word, bool late, Words *ret, ConfError *why)
{
        const char *name = **word, *value;
        const Option *o = find_option(p, name, &value);
        void *field;

        if (!o || (o->late && !late) || (o->kind == OPTION_FLAG && value))
                return fail_option(name, why);
        if (o->kind == OPTION_FLAG)
                return 1;
        if (!value && (*word)[1])
                value = *++*word;
        if (str_empty(value) || *value == '-' || (o->kind == OPTION_OUTPUT && !streq(value, "json")))
                return fail_option(name, why);
        field = (char *) ret + o->offset;
        *(const char **) field = value; /* the last one counts */
        return 1;
}

static int read_words(const Program *p, char *const *args, Words *ret, ConfError *why)
{
        const char *const *command = p->command;

        for (char *const *word = args; *word; word++) {
                if (**word == '-') {
                        if (read_option(p, &word, !*command, ret, why) == 0)
                                return 0;
                } else if (*command && streq(*word, *command))
                        command++;
                else
                        return 0; /* another command of it */
        }
        return !*command;
}

/* --- variables --------------------------------------------------------------------------------------- */

/* Those of AWS that are understood, or change nothing. */
static bool is_known(const char *name, size_t n)
{
        static const char *const known[] = {
                "AWS_ACCESS_KEY_ID",
                "AWS_SECRET_ACCESS_KEY",
                "AWS_SESSION_TOKEN",
                "AWS_SECURITY_TOKEN",
                "AWS_CREDENTIAL_EXPIRATION",
                "AWS_PROFILE",
                "AWS_DEFAULT_PROFILE",
                "AWS_REGION",
                "AWS_DEFAULT_REGION",
                "AWS_SHARED_CREDENTIALS_FILE",
                "AWS_CONFIG_FILE",
                "AWS_STS_REGIONAL_ENDPOINTS", /* the cluster takes a token of either endpoint */
                "AWS_SDK_LOAD_CONFIG",
                "AWS_PAGER",
        };

        for (size_t i = 0; i < ELEMENTSOF(known); i++)
                if (strlen(known[i]) == n && memcmp(known[i], name, n) == 0)
                        return true;
        return false;
}

/* Whether a variable could change the token or how it is come by. */
static bool matters(const char *name, size_t n)
{
        static const char proxy[] = "_proxy";
        size_t end = sizeof(proxy) - 1;

        return startswith(name, "AWS_") || (n > end && strncasecmp(name + n - end, proxy, end) == 0);
}

static bool is_repeated(char *const *variable, size_t n)
{
        for (char *const *other = variable + 1; *other; other++)
                if (strncmp(*variable, *other, n + 1) == 0)
                        return true;
        return false;
}

static int check_variables(char *const *variables, ConfError *why)
{
        for (; *variables; variables++) {
                size_t n = strcspn(*variables, "=");

                if (matters(*variables, n) && (!is_known(*variables, n) || is_repeated(variables, n))) {
                        (void) conf_error_set(why, 0, "%.*s is not understood", str_fit(*variables, n, 64),
                                              *variables);
                        return 0;
                }
        }
        return 1;
}

static const char *either(const char *a, const char *b)
{
        return a ? a : b;
}

/* Keys in the variables count before a profile that is named there, but not before one that an option
 * names. So it is with both programs. */
static void choose_owner(const Words *words, KubeEks *eks)
{
        const char *const *e = eks->environment;
        const char *profile =
                either(aws_environment_get(e, "AWS_PROFILE"), aws_environment_get(e, "AWS_DEFAULT_PROFILE"));

        eks->owner = KUBE_EKS_PROFILE;
        if (words->profile)
                eks->profile = words->profile;
        else if (aws_environment_get(e, "AWS_ACCESS_KEY_ID"))
                eks->owner = KUBE_EKS_KEYS;
        else if (profile)
                eks->profile = profile;
        else
                eks->owner = KUBE_EKS_DEFAULT;
}

/* --- all --------------------------------------------------------------------------------------------- */

static bool is_cluster(const char *s)
{
        for (const char *p = s; *p; p++)
                if (*p <= ' ' || *p > '~')
                        return false;
        return strlen(s) <= KUBE_EKS_CLUSTER_MAX;
}

/* Whether a value is what eatr.conf would take, too. */
static bool is_good(ConfValueParse *parse, const char *value)
{
        _cleanup_erase_ char *copy = NULL;
        ConfError error;

        return !value || parse(&(ConfValueRule){ 0 }, value, &copy, &error) >= 0;
}

static int check_values(const KubeEks *eks, ConfError *why)
{
        const char *wrong = NULL;

        if (!eks->cluster || !is_cluster(eks->cluster))
                wrong = "cluster";
        else if (!is_good(conf_value_region, eks->region))
                wrong = "region";
        else if (!is_good(conf_value_role_arn, eks->role_arn))
                wrong = "role";
        else if (!is_good(conf_value_external_id, eks->external_id))
                wrong = "external ID";
        else if (!is_good(conf_value_session_name, eks->session_name))
                wrong = "session name";
        if (wrong)
                (void) conf_error_set(why, 0, "the %s is not understood", wrong);
        return !wrong;
}

static void take_words(const Program *p, const Words *words, KubeEks *eks)
{
        const char *const *e = eks->environment;
        bool aws = p == &programs[0];

        /* Of the names for a cluster there may be one. */
        if (!words->cluster_name || !words->cluster_id)
                eks->cluster = either(words->cluster_name, words->cluster_id);
        eks->region = either(words->region, either(aws_environment_get(e, "AWS_REGION"),
                                                   aws_environment_get(e, "AWS_DEFAULT_REGION")));
        eks->role_arn = words->role_arn;
        if (!aws && !eks->role_arn)
                eks->role_arn = aws_environment_get(e, "DEFAULT_ROLE");
        if (!eks->role_arn)
                return;
        eks->external_id = words->external_id;
        eks->session_name = either(words->session_name, aws ? AWS_SESSION_NAME : NULL);
}

int kube_eks_read(const KubeExec *exec, KubeEks *ret, ConfError *why)
{
        const Program *p = find_program(exec->command);
        KubeEks eks = { .environment = (const char *const *) exec->env };
        Words words = { 0 };

        *why = (ConfError){ "" };
        if (!p || read_words(p, exec->args, &words, why) == 0 || check_variables(exec->env, why) == 0)
                return 0;
        take_words(p, &words, &eks);
        choose_owner(&words, &eks);
        eks.credentials_file = aws_environment_get(eks.environment, "AWS_SHARED_CREDENTIALS_FILE");
        eks.config_file = aws_environment_get(eks.environment, "AWS_CONFIG_FILE");
        eks.home = aws_environment_get(eks.environment, "HOME");
        if (check_values(&eks, why) == 0)
                return 0;
        *ret = eks;
        return 1;
}
