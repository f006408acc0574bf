/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "kube-pem.h"

#include "buf.h"
#include "encode.h"
#include "file.h"

#include <errno.h>

static int read_data(const KubeEntry *e, const char *field, const char *base64, Buf *b)
{
        void *data;
        size_t size;
        int r;

        r = decode_base64(base64, &data, &size);
        if (r == -EINVAL)
                return kube_files_fail(e, r, "%s is not base64", field);
        if (r < 0)
                return r;
        r = buf_append(b, data, size);
        explicit_bzero(data, size);
        free(data);
        return r;
}

static int read_file(const KubeEntry *e, const char *field, const char *path, Buf *b)
{
        _cleanup_free_ char *resolved = kube_files_resolve(e, path);
        int r;

        if (!resolved)
                return -ENOMEM;
        r = kube_files_note(e->files, resolved);
        if (r < 0)
                return r;
        r = file_read(resolved, b);
        if (r < 0 && r != -ENOMEM)
                return kube_files_fail(e, r, "%s: cannot read %s: %s", field, resolved, file_strerror(r));
        return r;
}

static int check(const KubeEntry *e, const char *field, const Buf *b)
{
        const char *pem = buf_str(b);

        if (strlen(pem) != b->size || !strstr(pem, "-----BEGIN"))
                return kube_files_fail(e, -EINVAL, "%s is not PEM: there is no \"-----BEGIN\" in it", field);
        /* OpenSSL would ask the terminal. */
        if (strstr(pem, "BEGIN ENCRYPTED") || strstr(pem, "4,ENCRYPTED"))
                return kube_files_fail(e, -EINVAL, "%s needs a password; store it without one", field);
        return 0;
}

int kube_pem_read(const KubeEntry *e, const char *field, char **ret)
{
        _cleanup_buf_ Buf b = BUF_INIT_SECRET(KUBE_PEM_SIZE_MAX);
        _cleanup_free_ char *data_field = str_printf("%s-data", field);
        const char *data, *path;
        int r;

        if (!data_field)
                return -ENOMEM;
        r = kube_files_string(e, data_field, &data);
        if (r < 0)
                return r;
        r = kube_files_string(e, field, &path);
        if (r < 0 || (!data && !path))
                return r;
        if (data && path)
                return kube_files_fail(e, -EINVAL, "%s and %s exclude each other", field, data_field);
        r = data ? read_data(e, data_field, data, &b) : read_file(e, field, path, &b);
        if (r >= 0)
                r = check(e, data ? data_field : field, &b);
        if (r < 0)
                return r;
        *ret = buf_steal(&b);
        return *ret ? 0 : -ENOMEM;
}
