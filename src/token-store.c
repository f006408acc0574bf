/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "buf.h"
#include "json.h"
#include "token-store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <systemd/sd-daemon.h>

/* A token has 2 to 4 kB. */
#define STORED_MAX (64U * 1024)

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* --- what is in a descriptor ------------------------------------------------------------------------- */

static char *pack(const Token *t, const TokenOrigin *o)
{
        _cleanup_json_ cJSON *j = cJSON_CreateObject();

        (void) cJSON_AddStringToObject(j, "host", t->host);
        (void) cJSON_AddStringToObject(j, "value", t->value);
        (void) cJSON_AddNumberToObject(j, "issued", (double) t->issued);
        (void) cJSON_AddNumberToObject(j, "expires", (double) t->expires);
        (void) cJSON_AddNumberToObject(j, "received", (double) t->received_boottime);
        (void) cJSON_AddStringToObject(j, "endpoint", o->endpoint);
        if (!cJSON_AddStringToObject(j, "keys", o->keys))
                return NULL;
        return json_print(j);
}

static bool read_time(const cJSON *j, const char *name, usec_t *ret)
{
        double value;

        if (!json_number(j, name, &value) || !(value >= 0 && value < 0x1p53))
                return false;
        *ret = (usec_t) value;
        return true;
}

static bool read_id(const cJSON *j, const char *name, char ret[static TOKEN_ID_MAX])
{
        const char *s = json_string(j, name);

        return s && snprintf(ret, TOKEN_ID_MAX, "%s", s) < (int) TOKEN_ID_MAX;
}

static int unpack(const Buf *b, Token **ret, TokenOrigin *ret_origin)
{
        _cleanup_json_ cJSON *j = NULL;
        usec_t issued, expires, received;
        const char *host, *value;

        if (json_parse(buf_str(b), b->size, STORED_MAX, &j) < 0)
                return -EBADMSG;
        host = json_string(j, "host");
        value = json_string(j, "value");
        if (!host || !value || !read_time(j, "issued", &issued) || !read_time(j, "expires", &expires) ||
            !read_time(j, "received", &received) || !read_id(j, "endpoint", ret_origin->endpoint) ||
            !read_id(j, "keys", ret_origin->keys))
                return -EBADMSG;
        if (received > clock_boottime())
                return -ERANGE;
        return token_new(host, value, issued, expires, received, ret) < 0 ? -EBADMSG : 0;
}

/* Not read(2): its position is that of whoever read it before. */
static int read_all(int fd, Buf *b)
{
        char piece[4096];
        off_t at = 0;
        ssize_t n;
        int r = 0;

        while (r >= 0 && (n = pread(fd, piece, sizeof(piece), at)) != 0) {
                r = n < 0 ? -errno : buf_append(b, piece, (size_t) n);
                at += n;
        }
        explicit_bzero(piece, sizeof(piece));
        return r;
}

int token_store_take(TokenStore *s, const char *name, int fd)
{
        _cleanup_buf_ Buf b = BUF_INIT_SECRET(STORED_MAX);
        _cleanup_(token_unrefp) Token *token = NULL;
        TokenOrigin origin;
        int r;

        r = read_all(fd, &b);
        if (r < 0)
                return r;
        r = unpack(&b, &token, &origin);
        if (r < 0)
                return r;
        if (s->token && s->token->received_boottime >= token->received_boottime)
                return 0;
        token_store_done(s);
        s->token = TAKE_PTR(token);
        s->origin = origin;
        s->slot = streq(name, TOKEN_STORE_NAME "1");
        return 0;
}

/* --- storing ----------------------------------------------------------------------------------------- */

static int make_memfd(const char *text)
{
        _cleanup_close_ int fd = -1;
        size_t size = strlen(text);
        ssize_t n;

        fd = memfd_create("eatr-token", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (fd < 0)
                return -errno;
        n = pwrite(fd, text, size, 0);
        if (n < 0)
                return -errno;
        if ((size_t) n < size)
                return -EIO;
        return fcntl(fd, F_ADD_SEALS, SEALS) < 0 ? -errno : TAKE_FD(fd);
}

static int notify(int fd, const char *what, unsigned slot)
{
        char state[64];

        (void) snprintf(state, sizeof(state), "%s=1\nFDNAME=" TOKEN_STORE_NAME "%u", what, slot);
        return sd_pid_notify_with_fds(0, false, state, fd >= 0 ? &fd : NULL, fd >= 0);
}

int token_store_save(TokenStore *s, const Token *token, const TokenOrigin *origin)
{
        _cleanup_erase_ char *text = pack(token, origin);
        _cleanup_close_ int fd = -1;
        unsigned next = !s->slot;
        int r;

        if (!text)
                return -ENOMEM;
        fd = make_memfd(text);
        if (fd < 0)
                return fd;
        (void) notify(-1, "FDSTOREREMOVE", next); /* what a crash between these three left behind */
        r = notify(fd, "FDSTORE", next);
        if (r <= 0)
                return r;
        (void) notify(-1, "FDSTOREREMOVE", s->slot);
        s->slot = next;
        return 0;
}

void token_store_done(TokenStore *s)
{
        s->token = token_unref(s->token);
}
