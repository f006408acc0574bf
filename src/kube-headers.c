/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "encode.h"
#include "kube-headers.h"

#include <errno.h>

/* RFC 7617. */
static char *basic_line(const KubeConfig *config)
{
        _cleanup_erase_ char *pair = NULL, *encoded = NULL;

        pair = str_printf("%s:%s", config->username, config->password ? config->password : "");
        encoded = pair ? encode_base64(pair, strlen(pair)) : NULL;
        return encoded ? str_printf("Authorization: Basic %s", encoded) : NULL;
}

/* Appends a line, ours to keep, which is NULL for want of memory. */
static int add(char **lines, size_t *n, char *line)
{
        if (!line)
                return -ENOMEM;
        lines[(*n)++] = line;
        return 0;
}

static int add_authorization(const KubeConfig *config, const char *token, char **lines, size_t *n)
{
        if (token)
                return add(lines, n, str_printf("Authorization: Bearer %s", token));
        if (config->username)
                return add(lines, n, basic_line(config));
        return 0;
}

int kube_headers_make(const KubeConfig *config, const char *token, const char *accept,
                      const char *content_type, char ***ret)
{
        _cleanup_(kube_headers_freep) char **lines = NULL;
        size_t n = 0, n_lines = 0;
        int r = 0;

        while (config->impersonate && config->impersonate[n])
                n++;
        lines = calloc(n + 4, sizeof(*lines));
        if (!lines)
                return -ENOMEM;
        for (size_t i = 0; i < n && r >= 0; i++)
                r = add(lines, &n_lines, strdup(config->impersonate[i]));
        if (r >= 0 && accept)
                r = add(lines, &n_lines, str_printf("Accept: %s", accept));
        if (r >= 0 && content_type)
                r = add(lines, &n_lines, str_printf("Content-Type: %s", content_type));
        if (r >= 0)
                r = add_authorization(config, token, lines, &n_lines);
        if (r >= 0)
                *ret = TAKE_PTR(lines);
        return r;
}

char **kube_headers_free(char **lines)
{
        for (char **p = lines; p && *p; p++)
                (void) str_erase_free(*p);
        free(lines);
        return NULL;
}
