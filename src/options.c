/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "match.h"
#include "options.h"

#include <getopt.h>
#include <stdio.h>

const OptionsOverride options_overrides[OPTIONS_OVERRIDES] = {
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
        OPTION_YES,
        OPTION_CHECK_CONFIG,
        OPTION_IS_CONFIGURED,
        OPTION_HELP,
        OPTION_VERSION,
        OPTION_OVERRIDE, /* and those after it: options_overrides[] */
};

static const struct option options[] = {
        { "config", required_argument, NULL, OPTION_CONFIG },
        { "kubeconfig", required_argument, NULL, OPTION_KUBECONFIG },
        { "dry-run", no_argument, NULL, OPTION_DRY_RUN },
        { "output", required_argument, NULL, OPTION_OUTPUT },
        { "yes", no_argument, NULL, OPTION_YES },
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
                    "  status  [NAMESPACE-GLOB]... say of these namespaces, or of all, which rule\n"
                    "          decided, what their Secret is like, and what eatr would do\n"
                    "  purge   [NAMESPACE-GLOB]... delete what eatr manages in these namespaces,\n"
                    "          or in all of them\n"
                    "\n"
                    "Options (one dash works, too):\n"
                    "  --config FILE                    configuration (" OPTIONS_DEFAULT_CONFIG ")\n"
                    "  --kubeconfig FILE                how to reach the cluster\n"
                    "  --context NAME                   context of the kubeconfig\n"
                    "  --auth-token-renewal-interval D  time between new tokens (half of a token's life)\n"
                    "  --informers-resync-interval D    time between checks of every namespace (5m)\n"
                    "  --logging-verbosity-level N      0-3 info, 4-5 debug, 6 and up each HTTP exchange\n"
                    "  --metrics-address ADDR:PORT      where /metrics is served (127.0.0.1:5000), or off\n"
                    "  --dry-run                        say what would be done, and do nothing\n"
                    "  --yes                            purge without a question\n"
                    "  --output text|json               form of what once, status and purge say (text)\n"
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
        return OPTIONS_EXIT_USAGE;
}

static bool parse_output(const char *s, bool *ret_json)
{
        *ret_json = streq(s, "json");
        return *ret_json || streq(s, "text");
}

static const char *parse_namespaces(char **argv, int n, Options *ret)
{
        ret->namespaces = argv;
        for (int i = 0; i < n; i++) {
                const char *problem = match_glob_problem(MATCH_NAMESPACES, argv[i]);

                if (problem)
                        return problem;
        }
        return NULL;
}

/* Returns what is wrong, NULL if nothing is. */
static const char *parse_command(char **argv, int n, Options *ret)
{
        static const char *const commands[] = {
                [OPTIONS_RUN] = "run",
                [OPTIONS_ONCE] = "once",
                [OPTIONS_STATUS] = "status",
                [OPTIONS_PURGE] = "purge",
        };
        size_t command = OPTIONS_RUN;
        bool takes_namespaces;

        if (n > 0)
                while (command < ELEMENTSOF(commands) && !streq(argv[0], commands[command]))
                        command++;
        takes_namespaces = command == OPTIONS_STATUS || command == OPTIONS_PURGE;
        if (command == ELEMENTSOF(commands) || (n > 1 && !takes_namespaces))
                return "the commands are run, once, status and purge";
        ret->command = (OptionsCommand) command;
        if (ret->yes && command != OPTIONS_PURGE)
                return "--yes is for purge";
        return takes_namespaces ? parse_namespaces(argv + 1, n - 1, ret) : NULL;
}

int options_parse(int argc, char **argv, Options *ret)
{
        const char *problem;
        int option;

        while ((option = getopt_long_only(argc, argv, "", options, NULL)) != -1) {
                switch (option) {
                case OPTION_CONFIG:
                        ret->config = optarg;
                        break;
                case OPTION_KUBECONFIG:
                        ret->kubeconfig = optarg;
                        break;
                case OPTION_DRY_RUN:
                        ret->dry_run = true;
                        break;
                case OPTION_OUTPUT:
                        if (!parse_output(optarg, &ret->json))
                                return usage("--output is text or json");
                        break;
                case OPTION_YES:
                        ret->yes = true;
                        break;
                case OPTION_CHECK_CONFIG:
                        ret->check_config = true;
                        break;
                case OPTION_IS_CONFIGURED:
                        ret->is_configured = true;
                        break;
                case OPTION_HELP:
                        return help();
                case OPTION_VERSION:
                        return version();
                case '?':
                        return usage("the command line cannot be understood");
                default:
                        ret->values[option - OPTION_OVERRIDE] = optarg;
                }
        }
        problem = parse_command(argv + optind, argc - optind, ret);
        return problem ? usage(problem) : -1;
}
