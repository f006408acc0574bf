/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "eatr.h"
#include "file-watch.h"
#include "http.h"
#include "json.h"
#include "log.h"
#include "message.h"
#include "purge.h"
#include "routes.h"
#include "setup.h"
#include "survey.h"
#include "words.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

/* What the program has in hand while it runs. */
typedef struct Daemon {
        const Options *options;
        Setup *setup;
        TokenStore store;
        int socket;     /* to listen on, from the service manager; -1: none */
        bool activated; /* there was one: its address is not the configuration's affair */
        sd_event *event;
        Eatr *eatr;
        Httpd *httpd;
        FileWatch *files;
        char **refused_files; /* that the last reload has looked for if it was refused; NULL: it was not */
        bool other_files;     /* the last reload has found others to watch */
} Daemon;

/* --- descriptors that the service manager passes ----------------------------------------------------- */

/* Returns whether it is of use, and then whose fd is. */
static bool take_socket(Daemon *d, int fd)
{
        if (d->socket >= 0 || sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) <= 0)
                return false;
        d->socket = fd;
        d->activated = true;
        return true;
}

static void take_token(Daemon *d, const char *name, int fd)
{
        int r;

        r = token_store_take(&d->store, name, fd);
        if (r < 0)
                log_warning_errno(r, "The token that systemd has kept cannot be used: %m");
}

static void take_descriptors(Daemon *d)
{
        char **names = NULL;
        int n;

        n = sd_listen_fds_with_names(true, &names);
        for (int i = 0; i < n; i++) {
                int fd = SD_LISTEN_FDS_START + i;

                if (startswith(names[i], TOKEN_STORE_NAME))
                        take_token(d, names[i], fd);
                else if (take_socket(d, fd))
                        fd = -1;
                else
                        log_warning("systemd passes the descriptor \"%s\", which is neither a stored token "
                                    "nor a socket to listen on; not using it",
                                    names[i]);
                (void) close_fd(fd);
        }
        for (int i = 0; i < n; i++)
                free(names[i]);
        free(names);
}

/* --- metrics ----------------------------------------------------------------------------------------- */

static int serve(Daemon *d, int socket)
{
        int r;

        r = httpd_new(d->event, socket, routes, d->eatr, &d->httpd);
        return r < 0 ? log_error_errno(r, "Cannot serve metrics: %m") : 0;
}

static int listen_and_serve(Daemon *d, const ConfMetrics *conf)
{
        int fd;

        if (!conf->address)
                return 0;
        fd = httpd_listen(conf->address, conf->port);
        if (fd < 0)
                return log_event_errno(LOG_ERR, MESSAGE_METRICS_UNAVAILABLE, fd,
                                       "Cannot serve metrics on %s port %u: %m; [metrics] listen or "
                                       "--metrics-address choose another",
                                       conf->address, conf->port);
        return serve(d, fd);
}

static int start_httpd(Daemon *d)
{
        return d->activated ? serve(d, TAKE_FD(d->socket)) : listen_and_serve(d, &d->setup->conf->metrics);
}

/* One address may exclude the other, so there is a moment without. If it fails the old one is back. */
static int move_httpd(Daemon *d, const ConfMetrics *from, const ConfMetrics *to)
{
        int r;

        if (d->activated || (streq_ptr(from->address, to->address) && from->port == to->port))
                return 0;
        d->httpd = httpd_free(d->httpd);
        r = listen_and_serve(d, to);
        if (r < 0)
                (void) listen_and_serve(d, from);
        return r;
}

/* --- what is in force -------------------------------------------------------------------------------- */

static void tell_setup(const Setup *s, const char *id, const char *begin)
{
        const RegistryConfigs *all = s->registries;

        if (all->n == 1)
                log_event(LOG_INFO, id, "%s context %s at %s, region %s, credentials from %s", begin,
                          s->kube->context, s->kube->server, all->items[0].region,
                          all->items[0].source->origin);
        else
                log_event(LOG_INFO, id, "%s context %s at %s, %zu registries", begin, s->kube->context,
                          s->kube->server, all->n);
        for (size_t i = 0; i < all->n && all->n > 1; i++)
                log_info("%sregion %s, credentials from %s", all->items[i].label, all->items[i].region,
                         all->items[i].source->origin);
}

/* --- reloading --------------------------------------------------------------------------------------- */

static EatrConfig make_config(Daemon *d, const Setup *setup)
{
        bool once = d->options->command == OPTIONS_ONCE;

        return (EatrConfig){
                .conf = setup->conf,
                .registries = setup->registries,
                .kube = setup->kube,
                .eks = setup->eks,
                .mode = once ? EATR_ONCE : EATR_RUN,
                .dry_run = d->options->dry_run,
                .store = once ? NULL : &d->store,
        };
}

/* Puts the new setup in force, or leaves everything as it was. A kubeconfig that is as before stays, as it
 * is in use. */
static int change_setup(Daemon *d, Setup *new)
{
        bool same = kube_config_equal(new->kube, d->setup->kube);
        bool same_eks = same && eks_config_equal(new->eks, d->setup->eks);
        const ConfMetrics *from = &d->setup->conf->metrics, *to = &new->conf->metrics;
        EatrConfig config = make_config(d, new);
        int r;

        if (same)
                config.kube = d->setup->kube;
        if (same_eks)
                config.eks = d->setup->eks;
        r = move_httpd(d, from, to);
        if (r < 0)
                return r;
        r = eatr_reload(d->eatr, &config);
        if (r < 0) {
                (void) move_httpd(d, to, from);
                return r;
        }
        if (same) {
                (void) kube_config_free(new->kube);
                new->kube = TAKE_PTR(d->setup->kube);
        }
        if (same_eks) {
                (void) eks_config_free(new->eks);
                new->eks = TAKE_PTR(d->setup->eks);
        }
        d->other_files |= !words_equal(new->files, d->setup->files);
        (void) setup_free(d->setup);
        d->setup = new;
        return 0;
}

/* What a setup that is refused lacks may come. Takes the list. */
static void set_refused_files(Daemon *d, char **files)
{
        d->other_files |= !words_equal(files, d->refused_files);
        (void) words_free(d->refused_files);
        d->refused_files = files;
}

static int set_files(Daemon *d)
{
        char *const *const lists[] = { d->setup->files, d->refused_files };
        _cleanup_free_ const char **paths = NULL;
        size_t n = 1;

        for (size_t i = 0; i < ELEMENTSOF(lists); i++)
                n += words_count(lists[i]);
        paths = calloc(n, sizeof(*paths));
        if (!paths)
                return -ENOMEM;
        n = 0;
        for (size_t i = 0; i < ELEMENTSOF(lists); i++)
                for (char *const *path = lists[i]; path && *path; path++)
                        paths[n++] = *path;
        return file_watch_set(d->files, paths);
}

/* They may be others than before. */
static void watch_files(Daemon *d)
{
        int r;

        if (!d->files)
                return;
        r = set_files(d);
        if (r < 0)
                log_warning_errno(r,
                                  "Cannot watch the configuration's files, a change will need a reload: %m");
}

/* Returns whether a new setup is in force; *error says why not. */
static bool reload(Daemon *d, SetupError *error)
{
        _cleanup_(setup_freep) Setup *new = NULL;
        char **files = NULL;
        int r;

        r = setup_load(d->options, &new, &files, error);
        set_refused_files(d, files);
        if (r < 0 && d->other_files) { /* before anybody is told, who may bring them */
                d->other_files = false;
                watch_files(d);
        }
        if (r >= 0) {
                r = change_setup(d, new);
                if (r < 0)
                        (void) snprintf(error->text, sizeof(error->text), "%s", strerror(-r));
        }
        if (r < 0) {
                log_event(LOG_ERR, MESSAGE_RELOAD_REFUSED,
                          "Not reloaded, the old configuration stays in force: %s", error->text);
                return false;
        }
        new = NULL; /* the daemon's now */
        log_open(d->setup->conf->verbosity);
        tell_setup(d->setup, MESSAGE_RELOADED, "Reloaded:");
        return true;
}

/* Files are watched before they are read, so that no change goes unseen in between. */
static void reload_and_tell(Daemon *d)
{
        SetupError error = { "" };
        bool taken;

        d->other_files = false;
        watch_files(d);
        eatr_begin_reload(d->eatr);
        taken = reload(d, &error);
        eatr_end_reload(d->eatr, taken ? NULL : error.text);
        if (d->other_files)
                watch_files(d);
}

static int on_hangup(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata)
{
        reload_and_tell(userdata);
        return 0;
}

static void on_files_changed(void *userdata)
{
        log_debug("A file of the configuration has changed");
        reload_and_tell(userdata);
}

static int start_watching(Daemon *d)
{
        int r;

        r = file_watch_new(d->event, on_files_changed, d, &d->files);
        if (r < 0)
                return log_error_errno(r, "Cannot watch files: %m");
        watch_files(d);
        return 0;
}

/* --- running ----------------------------------------------------------------------------------------- */

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

static int run_loop(Daemon *d)
{
        const EatrConfig config = make_config(d, d->setup);
        int r;

        r = sd_event_new(&d->event);
        if (r < 0)
                return log_error_errno(r, "Cannot make an event loop: %m");
        r = eatr_new(d->event, &config, &d->eatr);
        if (r < 0)
                return log_error_errno(r, "Cannot start: %m");
        r = sd_event_add_signal(d->event, NULL, SIGHUP, on_hangup, d);
        if (r < 0)
                return log_error_errno(r, "Cannot listen for SIGHUP: %m");
        if (config.mode == EATR_RUN) {
                r = start_httpd(d);
                if (r >= 0)
                        r = start_watching(d);
                if (r < 0)
                        return r;
        }
        r = sd_event_loop(d->event);
        if (r < 0)
                return log_error_errno(r, "The event loop failed: %m");
        if (config.mode == EATR_ONCE)
                print_summary(d->eatr, d->options->json);
        return r;
}

static void daemon_done(Daemon *d)
{
        (void) file_watch_free(d->files);
        (void) httpd_free(d->httpd);
        (void) eatr_free(d->eatr);
        (void) sd_event_unref(d->event);
        (void) close_fd(d->socket);
        token_store_done(&d->store);
        (void) setup_free(d->setup);
        (void) words_free(d->refused_files);
}

/* SIGTERM, SIGINT, SIGHUP and SIGCHLD are the loop's; writing to a peer that has gone is an error like any
 * other. */
static void set_up_signals(void)
{
        sigset_t set;

        (void) sigemptyset(&set);
        (void) sigaddset(&set, SIGTERM);
        (void) sigaddset(&set, SIGINT);
        (void) sigaddset(&set, SIGHUP);
        (void) sigaddset(&set, SIGCHLD);
        (void) sigprocmask(SIG_BLOCK, &set, NULL);
        (void) signal(SIGPIPE, SIG_IGN);
        (void) signal(SIGCHLD, SIG_DFL); /* whoever has it ignored reaps nothing */
}

/* For the unit's ExecCondition=, so that an installation is quiet until it is configured. */
static int tell_begun(const Options *o)
{
        if (setup_is_begun(o))
                return EXIT_SUCCESS;
        log_event(LOG_NOTICE, MESSAGE_NOT_CONFIGURED,
                  "Not configured yet, nothing is done: put a region and keys into %s",
                  o->config ? o->config : OPTIONS_DEFAULT_CONFIG);
        return EXIT_FAILURE;
}

static int fail_setup(const SetupError *error)
{
        log_event(LOG_ERR, MESSAGE_CONFIGURATION_BAD, "%s", error->text);
        (void) sd_notifyf(false, "STATUS=%s", error->text);
        return error->status;
}

/* For what needs the cluster alone. Returns -1 to go on, or an exit status. */
static int load_cluster(const Options *o, Setup **ret, sd_event **ret_event)
{
        SetupError error = { "" };
        int r, verbosity;

        if (setup_load_cluster(o, ret, &error) < 0) {
                log_error("%s", error.text);
                return error.status;
        }
        verbosity = (*ret)->conf->verbosity;
        log_open(verbosity >= LOG_VERBOSITY_DEBUG ? verbosity : LOG_VERBOSITY_ERRORS);
        r = sd_event_new(ret_event);
        return r < 0 ? (log_error_errno(r, "Cannot make an event loop: %m"), EXIT_FAILURE) : -1;
}

static int survey(const Options *o)
{
        _cleanup_(setup_freep) Setup *s = NULL;
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        SurveyConfig config = { .namespaces = o->namespaces, .json = o->json };
        int r;

        r = load_cluster(o, &s, &event);
        if (r >= 0)
                return r;
        config.conf = s->conf;
        config.kube = s->kube;
        config.eks = s->eks;
        r = survey_run(event, &config, stdout);
        return r < 0 ? (log_error_errno(r, "Cannot look: %m"), EXIT_FAILURE) : r;
}

static int purge(const Options *o)
{
        _cleanup_(setup_freep) Setup *s = NULL;
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        PurgeConfig config = {
                .namespaces = o->namespaces, .dry_run = o->dry_run, .yes = o->yes, .json = o->json
        };
        int r;

        if (!purge_may_begin(&config)) {
                (void) fprintf(stderr, "eatr: purge deletes Secrets, and there is no terminal to ask on: --yes "
                                       "says that it may, --dry-run shows what it would do\n");
                return OPTIONS_EXIT_USAGE;
        }
        r = load_cluster(o, &s, &event);
        if (r >= 0)
                return r;
        config.conf = s->conf;
        config.kube = s->kube;
        config.eks = s->eks;
        r = purge_run(event, &config);
        return r < 0 ? (log_error_errno(r, "Cannot purge: %m"), EXIT_FAILURE) : r;
}

static int run(const Options *o)
{
        _cleanup_(daemon_done) Daemon d = { .options = o, .socket = -1 };
        SetupError error = { "" };
        int r;

        log_open(0);
        if (o->is_configured)
                return tell_begun(o);
        if (o->command == OPTIONS_STATUS && !o->check_config)
                return survey(o);
        if (o->command == OPTIONS_PURGE && !o->check_config)
                return purge(o);
        if (setup_load(o, &d.setup, NULL, &error) < 0)
                return fail_setup(&error);
        if (o->check_config)
                return EXIT_SUCCESS;
        log_open(d.setup->conf->verbosity);
        tell_setup(d.setup, MESSAGE_STARTED, "eatr " PACKAGE_VERSION ",");
        take_descriptors(&d);
        r = run_loop(&d);
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
        Options options = { .command = OPTIONS_RUN };
        int r;

        r = options_parse(argc, argv, &options);
        if (r >= 0)
                return finish(r);
        json_setup();
        set_up_signals();
        if (http_setup() < 0)
                return EXIT_FAILURE;
        r = run(&options);
        http_shutdown();
        return finish(r);
}
