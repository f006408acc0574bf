/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "conf-check.h"
#include "eks-token.h"

#include <cjson/cJSON.h>
#include <stdio.h>

/* Makes the token that a kubeconfig has a program for, as eatr does, and shows it as JSON. For scenarios
 * that compare it with the program's. Usage: show-eks-token CONF [NAME=VALUE]... COMMAND [ARGUMENT]... If
 * the program would have to be run it prints {"run":true}, if there is an error {"error":"..."}. */

extern char **environ;

static int fail(const char *text)
{
        (void) fprintf(stderr, "%s\n", text);
        return 2;
}

static int show(const char *name, const char *text)
{
        cJSON *object = cJSON_CreateObject();
        char *json;

        if (!text)
                (void) cJSON_AddTrueToObject(object, name);
        else
                (void) cJSON_AddStringToObject(object, name, text);
        json = cJSON_PrintUnformatted(object);
        if (!json || puts(json) < 0)
                abort();
        free(json);
        cJSON_Delete(object);
        return 0;
}

static void on_fetched(KubeCredential *credential, const char *problem, void *userdata)
{
        (void) show(credential ? "token" : "error", credential ? credential->token : problem);
        (void) sd_event_exit(userdata, 0);
}

static int make(const EksConfig *config)
{
        AwsState state = { 0 };
        sd_event *event = NULL;
        EksToken *token = NULL;
        int r;

        r = sd_event_new(&event);
        if (r >= 0)
                r = eks_token_new(event, &state, config, &token);
        if (r >= 0)
                r = eks_token_provider.fetch(token, on_fetched, event);
        if (r >= 0)
                r = sd_event_loop(event);
        (void) eks_token_free(token);
        (void) sd_event_unref(event);
        return r < 0 ? fail(strerror(-r)) : 0;
}

int main(int argc, char **argv)
{
        const AwsConfigEnvironment environment = { .home = getenv("HOME"),
                                                   .variables = (const char *const *) environ };
        _cleanup_(eks_config_freep) EksConfig *config = NULL;
        _cleanup_(conf_freep) Conf *conf = NULL;
        char *env[16] = { NULL };
        KubeExec exec = { .env = env };
        KubeConfig kube = { .exec = &exec };
        ConfError error;
        int i = 2;

        for (; i < argc && strchr(argv[i], '=') && i - 1 < (int) ELEMENTSOF(env); i++)
                env[i - 2] = argv[i];
        if (i >= argc)
                return fail("Usage: show-eks-token CONF [NAME=VALUE]... COMMAND [ARGUMENT]...");
        exec.command = argv[i];
        exec.args = argv + i + 1;
        if (conf_new(&conf) < 0 || conf_load(conf, argv[1], &error) < 0 || conf_check(conf, &error) < 0)
                return fail(error.text);
        if (eks_config_load(&kube, conf, &environment, &config) < 0)
                return fail("no memory");
        return config && config->source ? make(config) : show("run", NULL);
}
