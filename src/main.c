/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "conf.h"
#include "eatr.h"
#include "file.h"
#include "http.h"
#include "httpd.h"
#include "json.h"
#include "kube-config.h"
#include "log.h"
#include "metrics.h"

#include <errno.h>
#include <getopt.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <sysexits.h>

#define EXIT_USAGE 2

/* The system's has 0.2 MB. */
#define CA_BUNDLE_MAX (4U * 1024 * 1024)

#define DEFAULT_CONFIG SYSCONFDIR "/eatr/eatr.conf"

#define OVERRIDES 5U

typedef struct Arguments {
        EatrMode mode;
        const char *config, *kubeconfig;
        const char *values[OVERRIDES]; /* for the keys in overrides[]; NULL: not given */
        bool dry_run, json, check_config, is_configured;
} Arguments;

/* Options that stand in for a key of the configuration. */
static const struct {
        const char *option, *section, *key;
} overrides[OVERRIDES] = {
        { "context", "kubernetes", "context" },
        { "auth-token-renewal-interval", "renewal", "auth_token_renewal_interval" },
        { "informers-resync-interval", "renewal", "informers_resync_interval" },
        { "logging-verbosity-level", "log", "verbosity" },
        { "metrics-address", "metrics", "listen" },
};

enum {
        OPTION_CONFIG = 0x100,
        OPTION_KUBECONFIG,
        OPTION_DRY_RUN,
        OPTION_OUTPUT,
        OPTION_CHECK_CONFIG,
        OPTION_IS_CONFIGURED,
        OPTION_HELP,
        OPTION_VERSION,
        OPTION_OVERRIDE, /* and those after it: overrides[] */
};

static const struct option options[] = {
        { "config", required_argument, NULL, OPTION_CONFIG },
        { "kubeconfig", required_argument, NULL, OPTION_KUBECONFIG },
        { "dry-run", no_argument, NULL, OPTION_DRY_RUN },
        { "output", required_argument, NULL, OPTION_OUTPUT },
        { "check-config", no_argument, NULL, OPTION_CHECK_CONFIG },
        { "is-configured", no_argument, NULL, OPTION_IS_CONFIGURED },
        { "help", no_argument, NULL, OPTION_HELP },
        { "version", no_argument, NULL, OPTION_VERSION },
        { "context", required_argument, NULL, OPTION_OVERRIDE + 0 },
        { "auth-token-renewal-interval", required_argument, NULL, OPTION_OVERRIDE + 1 },
        { "informers-resync-interval", required_argument, NULL, OPTION_OVERRIDE + 2 },
        { "logging-verbosity-level", required_argument, NULL, OPTION_OVERRIDE + 3 },
        { "metrics-address", required_argument, NULL, OPTION_OVERRIDE + 4 },
        { NULL, 0, NULL, 0 },
};

static int help(void)
{
        (void) puts("eatr [OPTION]... [COMMAND]\n"
                    "\n"
                    "Keeps an ECR pull Secret fresh in every namespace of a Kubernetes cluster.\n"
                    "\n"
                    "Commands:\n"
                    "  run     watch and renew until stopped (the default)\n"
                    "  once    one full pass, then exit; 0 only if every wanted namespace has a\n"
                    "          fresh Secret\n"
                    "\n"
                    "Options (one dash works, too):\n"
                    "  --config FILE                    configuration (" DEFAULT_CONFIG ")\n"
                    "  --kubeconfig FILE                how to reach the cluster\n"
                    "  --context NAME                   context of the kubeconfig\n"
                    "  --auth-token-renewal-interval D  time between new tokens (half of a token's life)\n"
                    "  --informers-resync-interval D    time between checks of every namespace (5m)\n"
                    "  --logging-verbosity-level N      0-3 info, 4-5 debug, 6 and up each HTTP exchange\n"
                    "  --metrics-address ADDR:PORT      where /metrics is served (127.0.0.1:5000), or off\n"
                    "  --dry-run                        say what would be written, and write nothing\n"
                    "  --output text|json               form of the summary of once (text)\n"
                    "  --check-config                   say what is wrong with the configuration and exit\n"
                    "  --is-configured                  exit with 1 if nobody has begun to configure eatr\n"
                    "  --help, --version\n"
                    "\n"
                    "Durations are written like 20s, 5min or 1h30m. See eatr(8) and eatr.conf(5).");
        return EXIT_SUCCESS;
}

static int version(void)
{
        (void) puts("eatr " PACKAGE_VERSION);
        return EXIT_SUCCESS;
}

static int usage(const char *what)
{
        (void) fprintf(stderr, "eatr: %s; see eatr --help\n", what);
        return EXIT_USAGE;
}

static bool parse_output(const char *s, bool *ret_json)
{
        *ret_json = streq(s, "json");
        return *ret_json || streq(s, "text");
}

static bool parse_command(char **argv, int n, EatrMode *ret)
{
        if (n == 0)
                return true;
        if (n > 1)
                return false;
        if (streq(argv[0], "once"))
                *ret = EATR_ONCE;
        else if (!streq(argv[0], "run"))
                return false;
        return true;
}

/* Returns -1 to go on, or an exit status. */
static int parse_arguments(int argc, char **argv, Arguments *a)
{
        int option;

        while ((option = getopt_long_only(argc, argv, "", options, NULL)) != -1) {
                switch (option) {
                case OPTION_CONFIG:
                        a->config = optarg;
                        break;
                case OPTION_KUBECONFIG:
                        a->kubeconfig = optarg;
                        break;
                case OPTION_DRY_RUN:
                        a->dry_run = true;
                        break;
                case OPTION_OUTPUT:
                        if (!parse_output(optarg, &a->json))
                                return usage("--output is text or json");
                        break;
                case OPTION_CHECK_CONFIG:
                        a->check_config = true;
                        break;
                case OPTION_IS_CONFIGURED:
                        a->is_configured = true;
                        break;
                case OPTION_HELP:
                        return help();
                case OPTION_VERSION:
                        return version();
                case '?':
                        return usage("the command line cannot be understood");
                default:
                        a->values[option - OPTION_OVERRIDE] = optarg;
                }
        }
        if (!parse_command(argv + optind, argc - optind, &a->mode))
                return usage("the commands are run and once");
        return -1;
}

/* --- configuration --------------------------------------------------------------------------------- */

/* The file of that name among the credentials that systemd provides, or NULL. */
static char *credential_path(const char *name)
{
        const char *directory = getenv("CREDENTIALS_DIRECTORY");
        _cleanup_free_ char *path = NULL;

        if (str_empty(directory))
                return NULL;
        path = str_printf("%s/%s", directory, name);
        return path && access(path, F_OK) >= 0 ? TAKE_PTR(path) : NULL;
}

/* What a start that failed so is to end with: only what a person has to mend is worth no other try. */
static int tell_conf_error(int r, const char *text, int status)
{
        log_error("%s", *text ? text : strerror(-r));
        return r == -ENOMEM ? EXIT_FAILURE : status;
}

static int set_overrides(const Arguments *a, Conf *c, ConfError *error)
{
        for (size_t i = 0; i < OVERRIDES; i++) {
                _cleanup_free_ char *option = NULL;
                int r;

                if (!a->values[i])
                        continue;
                option = str_printf("--%s", overrides[i].option);
                if (!option)
                        return -ENOMEM;
                r = conf_set(c, overrides[i].section, overrides[i].key, a->values[i], option, error);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* libcurl reads it for each connection, and says little about what is wrong with it. */
static int check_ca_bundle(const char *path, ConfError *error)
{
        _cleanup_buf_ Buf b = BUF_INIT(CA_BUNDLE_MAX);
        int r;

        if (!path)
                return 0;
        r = file_read(path, &b);
        if (r < 0)
                return conf_error_set(error, r, "[aws] ca_bundle: %s: %s", path, file_strerror(r));
        if (!strstr(buf_str(&b), "-----BEGIN CERTIFICATE-----"))
                return conf_error_set(error, -EINVAL,
                                      "[aws] ca_bundle: %s: there is no PEM certificate in it", path);
        return 0;
}

/* Reads the files; the caller frees *ret_path, which is the first of them. */
static int read_conf(const Arguments *a, Conf **ret, char **ret_path, ConfError *error)
{
        _cleanup_(conf_freep) Conf *c = NULL;
        _cleanup_free_ char *path = NULL;
        int r;

        path = a->config ? strdup(a->config) : credential_path("eatr.conf");
        if (!path)
                path = strdup(DEFAULT_CONFIG);
        if (!path)
                return -ENOMEM;
        r = conf_new(&c);
        if (r >= 0)
                r = conf_load(c, path, error);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        *ret_path = TAKE_PTR(path);
        return 0;
}

/* Returns 0 or an exit status, with the reason told. */
static int load_conf(const Arguments *a, Conf **ret)
{
        _cleanup_(conf_freep) Conf *c = NULL;
        _cleanup_free_ char *path = NULL;
        ConfError error = { "" };
        int r;

        r = read_conf(a, &c, &path, &error);
        if (r < 0)
                return tell_conf_error(r, error.text, EX_CONFIG);
        r = set_overrides(a, c, &error);
        if (r < 0)
                return tell_conf_error(r, error.text, EXIT_USAGE);
        r = conf_check(c, &error);
        if (r >= 0)
                r = check_ca_bundle(c->aws.ca_bundle, &error);
        if (r < 0)
                return tell_conf_error(r, error.text, EX_CONFIG);
        *ret = TAKE_PTR(c);
        return 0;
}

/* systemd sets $HOME only for units with User=. */
static const char *home(void)
{
        const char *path = getenv("HOME");
        const struct passwd *user;

        if (path)
                return path;
        user = getpwuid(geteuid());
        return user ? user->pw_dir : NULL;
}

/* As load_conf(). */
static int load_kube_config(const Arguments *a, const Conf *conf, KubeConfig **ret)
{
        _cleanup_free_ char *credential = credential_path("kubeconfig");
        KubeConfigError error = { "" };
        const char *path = a->kubeconfig ? a->kubeconfig
                           : credential  ? credential
                                         : conf->kubernetes.kubeconfig;
        int r;

        r = kube_config_load(path, getenv("KUBECONFIG"), home(), conf->kubernetes.context, ret, &error);
        return r < 0 ? tell_conf_error(r, error.text, EX_CONFIG) : 0;
}

/* --- running --------------------------------------------------------------------------------------- */

static void print_summary(const Eatr *e, bool json)
{
        _cleanup_json_ cJSON *j = NULL;
        _cleanup_free_ char *text = NULL;
        ClusterSummary s;

        cluster_summary(eatr_cluster(e), &s);
        if (!json) {
                (void) printf("%u namespaces: %u fresh, %u due, %u pending, %u failing, %u in conflict, %u "
                              "excluded\n",
                              s.total, s.fresh, s.due, s.pending, s.failing, s.conflict, s.excluded);
                return;
        }
        j = cJSON_CreateObject();
        (void) cJSON_AddNumberToObject(j, "namespaces", s.total);
        (void) cJSON_AddNumberToObject(j, "fresh", s.fresh);
        (void) cJSON_AddNumberToObject(j, "due", s.due);
        (void) cJSON_AddNumberToObject(j, "pending", s.pending);
        (void) cJSON_AddNumberToObject(j, "failing", s.failing);
        (void) cJSON_AddNumberToObject(j, "conflict", s.conflict);
        (void) cJSON_AddNumberToObject(j, "excluded", s.excluded);
        text = json_print(j);
        if (text)
                (void) puts(text);
}

/* Not the end, as it would be by default: somebody means a reload. */
static int on_hangup(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata)
{
        log_warning(
                "SIGHUP: the configuration is read at the start only; restart eatr to have a change take "
                "effect");
        return 0;
}

static int start_httpd(sd_event *event, const ConfMetrics *conf, Eatr *e, Httpd **ret)
{
        int r;

        if (!conf->address)
                return 0;
        r = httpd_new(event, conf->address, conf->port, metrics_routes, e, ret);
        if (r < 0)
                return log_error_errno(r,
                                       "Cannot serve metrics on %s port %u: %m; [metrics] listen or "
                                       "--metrics-address choose another",
                                       conf->address, conf->port);
        return 0;
}

static int run_loop(const Arguments *a, const Conf *conf, const KubeConfig *kube)
{
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_(eatr_freep) Eatr *eatr = NULL;
        _cleanup_(httpd_freep) Httpd *httpd = NULL;
        const EatrConfig config = { .conf = conf, .kube = kube, .mode = a->mode, .dry_run = a->dry_run };
        int r;

        r = sd_event_new(&event);
        if (r < 0)
                return log_error_errno(r, "Cannot make an event loop: %m");
        r = sd_event_add_signal(event, NULL, SIGHUP, on_hangup, NULL);
        if (r < 0)
                return log_error_errno(r, "Cannot listen for SIGHUP: %m");
        r = eatr_new(event, &config, &eatr);
        if (r < 0)
                return log_error_errno(r, "Cannot start: %m");
        if (a->mode == EATR_RUN) {
                r = start_httpd(event, &conf->metrics, eatr, &httpd);
                if (r < 0)
                        return r;
        }
        r = sd_event_loop(event);
        if (r < 0)
                return log_error_errno(r, "The event loop failed: %m");
        if (a->mode == EATR_ONCE)
                print_summary(eatr, a->json);
        return r;
}

/* SIGTERM, SIGINT and SIGHUP are the loop's; writing to a peer that has gone is an error like any other. */
static void set_up_signals(void)
{
        sigset_t set;

        (void) sigemptyset(&set);
        (void) sigaddset(&set, SIGTERM);
        (void) sigaddset(&set, SIGINT);
        (void) sigaddset(&set, SIGHUP);
        (void) sigprocmask(SIG_BLOCK, &set, NULL);
        (void) signal(SIGPIPE, SIG_IGN);
}

/* For the unit's ExecCondition=, so that an installation is quiet until it is configured. What cannot be read
 * is not that: the start will say why. */
static int tell_configured(const Arguments *a)
{
        _cleanup_(conf_freep) Conf *c = NULL;
        _cleanup_free_ char *path = NULL;
        ConfError error = { "" };

        if (read_conf(a, &c, &path, &error) < 0 || !conf_is_pristine(c))
                return EXIT_SUCCESS;
        log_notice("Not configured yet, nothing is done: put region, keys and kubeconfig into %s", path);
        return EXIT_FAILURE;
}

static int run(const Arguments *a)
{
        _cleanup_(conf_freep) Conf *conf = NULL;
        _cleanup_(kube_config_freep) KubeConfig *kube = NULL;
        int r;

        log_open(0);
        if (a->is_configured)
                return tell_configured(a);
        r = load_conf(a, &conf);
        if (!conf)
                return r;
        log_open(conf->verbosity);
        r = load_kube_config(a, conf, &kube);
        if (!kube || a->check_config)
                return r;
        log_info("eatr " PACKAGE_VERSION ", context %s at %s, region %s", kube->context, kube->server,
                 conf->aws.region);
        r = run_loop(a, conf, kube);
        return r < 0 ? EXIT_FAILURE : r;
}

/* What could not be written was not said. */
static int finish(int status)
{
        if (fclose(stdout) == 0 || errno == EBADF || status != EXIT_SUCCESS)
                return status;
        (void) fprintf(stderr, "eatr: cannot write to standard output: %s\n", strerror(errno));
        return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
        Arguments a = { .mode = EATR_RUN };
        int r;

        r = parse_arguments(argc, argv, &a);
        if (r >= 0)
                return finish(r);
        json_setup();
        set_up_signals();
        if (http_setup() < 0)
                return EXIT_FAILURE;
        r = run(&a);
        http_shutdown();
        return finish(r);
}
