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
#define STORED_MAX (TOKEN_STORE_TOKENS_MAX * 8U * 1024)

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* --- what is in a descriptor ------------------------------------------------------------------------- */

static cJSON *pack_token(const StoredToken *item)
{
        _cleanup_json_ cJSON *j = cJSON_CreateObject();
        const Token *t = item->token;

        if (!cJSON_AddStringToObject(j, "host", t->host) || !cJSON_AddStringToObject(j, "value", t->value) ||
            !cJSON_AddNumberToObject(j, "issued", (double) t->issued) ||
            !cJSON_AddNumberToObject(j, "expires", (double) t->expires) ||
            !cJSON_AddNumberToObject(j, "received", (double) t->received_boottime) ||
            !cJSON_AddStringToObject(j, "endpoint", item->origin.endpoint) ||
            !cJSON_AddStringToObject(j, "keys", item->origin.keys) ||
            !cJSON_AddNumberToObject(j, "session", (double) item->session_end) ||
            !cJSON_AddNumberToObject(j, "bound", item->bound))
                return NULL;
        return TAKE_PTR(j);
}

static char *pack(const StoredToken *items, size_t n)
{
        _cleanup_json_ cJSON *j = cJSON_CreateObject();
        cJSON *list = cJSON_AddArrayToObject(j, "tokens");

        if (!list || !cJSON_AddNumberToObject(j, "stored", (double) clock_boottime()))
                return NULL;
        for (size_t i = 0; i < n; i++) {
                cJSON *token = pack_token(&items[i]);

                if (!token)
                        return NULL;
                (void) cJSON_AddItemToArray(list, token);
        }
        return json_print(j);
}

static bool read_whole(const cJSON *j, const char *name, usec_t *ret)
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

static int unpack_token(const cJSON *j, usec_t stored, StoredToken *ret)
{
        const char *host = json_string(j, "host"), *value = json_string(j, "value");
        usec_t issued, expires, received, bound;

        if (!host || !value || !read_whole(j, "issued", &issued) || !read_whole(j, "expires", &expires) ||
            !read_whole(j, "received", &received) || !read_id(j, "endpoint", ret->origin.endpoint) ||
            !read_id(j, "keys", ret->origin.keys) || !read_whole(j, "session", &ret->session_end) ||
            !read_whole(j, "bound", &bound) || received > stored)
                return -EBADMSG;
        ret->bound = bound > 0;
        return token_new(host, value, issued, expires, received, &ret->token) < 0 ? -EBADMSG : 0;
}

static int unpack(const Buf *b, TokenStore *s)
{
        _cleanup_json_ cJSON *j = NULL;
        int r = 0;

        if (json_parse(buf_str(b), b->size, STORED_MAX, &j) < 0 || !read_whole(j, "stored", &s->stored))
                return -EBADMSG;
        if (s->stored > clock_boottime())
                return -ERANGE;
        s->items = calloc(TOKEN_STORE_TOKENS_MAX, sizeof(*s->items));
        if (!s->items)
                return -ENOMEM;
        JSON_FOREACH (token, json_get(j, "tokens")) {
                if (s->n == TOKEN_STORE_TOKENS_MAX)
                        return -EBADMSG;
                r = unpack_token(token, s->stored, &s->items[s->n]);
                if (r < 0)
                        return r;
                s->n++;
        }
        return s->n > 0 ? 0 : -EBADMSG;
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
        _cleanup_(token_store_done) TokenStore taken = { .slot = streq(name, TOKEN_STORE_NAME "1") };
        int r;

        r = read_all(fd, &b);
        if (r < 0)
                return r;
        r = unpack(&b, &taken);
        if (r < 0)
                return r;
        if (s->n > 0 && s->stored >= taken.stored)
                return 0;
        token_store_done(s);
        *s = taken;
        taken = (TokenStore){ 0 }; /* the store's now */
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

int token_store_save(TokenStore *s, const StoredToken *items, size_t n)
{
        _cleanup_erase_ char *text = pack(items, n);
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
        for (size_t i = 0; i < s->n; i++)
                token_unref(s->items[i].token);
        free(s->items);
        s->items = NULL;
        s->n = 0;
}
