/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "kube-stream.h"

#include <errno.h>

#define ENVELOPE_MAX (64U * 1024)
#define DEPTH_MAX 256U

void kube_stream_init(KubeStream *s, KubeStreamMode mode, kube_stream_item_t item, void *userdata)
{
        *s = (KubeStream){
                .mode = mode,
                .item = item,
                .userdata = userdata,
                .current = BUF_INIT(KUBE_STREAM_ITEM_MAX),
                .envelope = BUF_INIT(ENVELOPE_MAX),
        };
}

void kube_stream_wipe(KubeStream *s)
{
        s->current.secret = s->envelope.secret = true;
}

void kube_stream_done(KubeStream *s)
{
        buf_done(&s->current);
        buf_done(&s->envelope);
}

static bool is_blank(char c)
{
        return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* An item that is too large is read over, to its end. */
static int gather(KubeStream *s, const char *p, size_t n)
{
        int r = s->skipping ? 0 : buf_append(&s->current, p, n);

        if (r != -EMSGSIZE)
                return r;
        buf_done(&s->current);
        s->skipping = true;
        s->skipped++;
        return 0;
}

/* A line may end in CR LF: blanks behind it are not part of the item. */
static int emit(KubeStream *s)
{
        size_t n = s->current.size;
        int r;

        if (s->skipping) {
                s->skipping = false;
                return 0;
        }
        while (n > 0 && is_blank(s->current.data[n - 1]))
                n--;
        r = s->item(buf_str(&s->current), n, s->userdata);
        buf_clear(&s->current);
        return r;
}

static int feed_lines(KubeStream *s, const char *p, size_t n)
{
        const char *end = p + n;
        int r;

        while (p < end) {
                const char *newline = memchr(p, '\n', (size_t) (end - p)), *stop = newline ? newline : end;

                /* Blanks that begin a line are dropped, so that a blank line comes to nothing. */
                while (s->current.size == 0 && !s->skipping && p < stop && is_blank(*p))
                        p++;
                r = gather(s, p, (size_t) (stop - p));
                if (r < 0)
                        return r;
                if (!newline)
                        break;
                if (s->current.size > 0 || s->skipping) {
                        r = emit(s);
                        if (r < 0)
                                return r;
                }
                p = newline + 1;
        }
        return 0;
}

/* Inside a string only its end matters, and at depth 1 its text, which may be the key of what follows. */
static void scan_string(KubeStream *s, char c)
{
        if (s->escaped)
                s->escaped = false;
        else if (c == '\\')
                s->escaped = true;
        else if (c == '"')
                s->in_string = false;
        if (s->in_string && s->depth == 1 && s->key_size < sizeof(s->key))
                s->key[s->key_size++] = c;
}

static bool key_is_items(const KubeStream *s)
{
        return s->key_size == strlen("items") && memcmp(s->key, "items", s->key_size) == 0;
}

/* Where a byte of a list belongs. */
typedef enum BytePlace {
        BYTE_NOWHERE, /* between the elements of items */
        BYTE_ENVELOPE,
        BYTE_ITEM,
        BYTE_ITEM_END,
} BytePlace;

/* Between the elements: commas, and the blanks of a server that writes for people. */
static int scan_between(KubeStream *s, char c)
{
        if (c == ',' || is_blank(c))
                return BYTE_NOWHERE;
        if (c == '{') {
                s->depth++;
                return BYTE_ITEM;
        }
        if (c != ']')
                return -EBADMSG;
        s->depth--;
        s->in_items = false;
        return BYTE_ENVELOPE;
}

static int scan_end(KubeStream *s)
{
        if (s->depth == 0)
                return -EBADMSG;
        s->depth--;
        if (s->in_items)
                return s->depth == 2 ? BYTE_ITEM_END : BYTE_ITEM;
        s->done = s->depth == 0;
        return BYTE_ENVELOPE;
}

/* Follows the structure by one byte. Returns its place or a negative errno. */
static int scan_byte(KubeStream *s, char c)
{
        BytePlace here = s->in_items ? BYTE_ITEM : BYTE_ENVELOPE;

        if (s->in_string) {
                scan_string(s, c);
                return here;
        }
        if (s->in_items && s->depth == 2)
                return scan_between(s, c);
        if (s->depth == 0 && !is_blank(c) && (c != '{' || s->done))
                return -EBADMSG;
        switch (c) {
        case '"':
                s->in_string = true;
                if (s->depth == 1)
                        s->key_size = 0;
                return here;
        case '{':
        case '[':
                if (s->depth >= DEPTH_MAX && !s->in_items) /* an item's is for who parses it */
                        return -EBADMSG;
                s->in_items |= s->depth == 1 && c == '[' && key_is_items(s);
                s->depth++;
                return here;
        case '}':
        case ']':
                return scan_end(s);
        default:
                return here;
        }
}

static int put(KubeStream *s, BytePlace place, const char *p, size_t n)
{
        if (place == BYTE_NOWHERE || n == 0)
                return 0;
        return place == BYTE_ITEM ? gather(s, p, n) : buf_append(&s->envelope, p, n);
}

/* Bytes of one place are appended together; a call a byte would be most of the work of a long list. */
static int feed_list(KubeStream *s, const char *p, size_t n)
{
        BytePlace run = BYTE_NOWHERE;
        size_t start = 0;
        int place, r;

        for (size_t i = 0; i < n; i++) {
                place = scan_byte(s, p[i]);
                if (place < 0)
                        return place;
                if (place == BYTE_ITEM_END) {
                        r = put(s, BYTE_ITEM, p + start, i + 1 - start);
                        if (r >= 0)
                                r = emit(s);
                        start = i + 1;
                        run = BYTE_NOWHERE;
                } else if ((BytePlace) place != run) {
                        r = put(s, run, p + start, i - start);
                        start = i;
                        run = (BytePlace) place;
                } else
                        continue;
                if (r < 0)
                        return r;
        }
        return put(s, run, p + start, n - start);
}

int kube_stream_feed(KubeStream *s, const void *p, size_t n)
{
        return s->mode == KUBE_STREAM_LIST ? feed_list(s, p, n) : feed_lines(s, p, n);
}

int kube_stream_finish(const KubeStream *s)
{
        if (s->mode == KUBE_STREAM_LIST)
                return s->done ? 0 : -EBADMSG;
        return s->current.size == 0 && !s->skipping ? 0 : -EBADMSG;
}
