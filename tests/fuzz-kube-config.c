/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "fuzz-main.h"
#include "json.h"
#include "kube-config.h"

static void require(bool condition)
{
        if (!condition)
                abort();
}

static void check_others(const KubeConfig *c)
{
        require(!c->exec || (c->exec->api_version && *c->exec->command && c->exec->args && c->exec->env));
        require(!c->exec || (!c->token && !c->token_file && !c->client_certificate && !c->username));
        require(!c->proxy_url || (strstr(c->proxy_url, "://") && !strpbrk(c->proxy_url, " \r\n?#")));
        for (char **line = c->impersonate; line && *line; line++) {
                require(startswith(*line, "Impersonate-") && strstr(*line, ": "));
                for (const char *p = *line; *p; p++)
                        require((unsigned char) *p >= ' ' && *p != 127);
        }
        require(startswith(c->server, "https:") || (!c->token && !c->username && !c->exec));
}

static void check_config(const KubeConfig *c)
{
        require(c->context && *c->context && c->server);
        require(startswith(c->server, "https://") || startswith(c->server, "http://"));
        require(c->server[strlen(c->server) - 1] != '/' && !strpbrk(c->server, " \r\n?#"));
        require(!c->ca || (strstr(c->ca, "-----BEGIN") && !c->insecure_skip_tls_verify));
        require(!c->client_certificate == !c->client_key);
        require(!c->token || (*c->token && !strpbrk(c->token, "\r\n")));
        require(!c->token_file || *c->token_file == '/');
        check_others(c);
}

/* Whatever a file says: an endpoint that keeps its promises, or a sentence that fits into a log. The
 * directory is one whose files say nothing. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(kube_config_freep) KubeConfig *c = NULL;
        KubeConfigError error = { "" };

        json_setup();
        if (kube_config_parse((const char *) data, size, "/f", "/proc/self/fdinfo", NULL, &c, &error) < 0) {
                require(*error.text && strlen(error.text) < sizeof(error.text));
                for (const char *p = error.text; *p; p++)
                        require((unsigned char) *p >= ' ' && *p != 127);
                return 0;
        }
        check_config(c);
        return 0;
}
