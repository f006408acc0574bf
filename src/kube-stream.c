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

void kube_stream_done(KubeStream *s)
{
        buf_done(&s->current);
        buf_done(&s->envelope);
}

static int emit(KubeStream *s)
{
        int r = s->item(buf_str(&s->current), s->current.size, s->userdata);

        buf_clear(&s->current);
        return r;
}

static int feed_lines(KubeStream *s, const char *p, size_t n)
{
        int r;

        while (n > 0) {
                const char *end = memchr(p, '\n', n);
                size_t take = end ? (size_t) (end - p) : n;

                r = buf_append(&s->current, p, take);
                if (r < 0)
                        return r;
                if (!end)
                        break;
                if (s->current.size > 0) {
                        r = emit(s);
                        if (r < 0)
                                return r;
                }
                p += take + 1;
                n -= take + 1;
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

/* Follows the structure by one byte. Sets *ret_item when the byte belongs to an element of items, and
 * *ret_end when it is the element's last. */
static int scan_byte(KubeStream *s, char c, bool *ret_item, bool *ret_end)
{
        *ret_item = s->in_items && s->depth > 2;
        *ret_end = false;
        if (s->in_string) {
                scan_string(s, c);
                return 0;
        }
        switch (c) {
        case '"':
                s->in_string = true;
                if (s->depth == 1)
                        s->key_size = 0;
                break;
        case '{':
        case '[':
                if (s->done || s->depth >= DEPTH_MAX)
                        return -EBADMSG;
                if (s->depth == 1 && c == '[' && key_is_items(s))
                        s->in_items = true;
                else if (s->in_items && s->depth == 2)
                        *ret_item = true;
                s->depth++;
                break;
        case '}':
        case ']':
                if (s->depth == 0)
                        return -EBADMSG;
                s->depth--;
                *ret_end = s->in_items && s->depth == 2;
                if (s->depth == 1)
                        s->in_items = false;
                s->done = s->depth == 0;
                break;
        default:
                if (s->depth == 0 && !strchr(" \t\r\n", c))
                        return -EBADMSG;
        }
        return 0;
}

/* Bytes of one kind are appended together; a call a byte would be most of the work of a long list. */
static int feed_list(KubeStream *s, const char *p, size_t n)
{
        size_t start = 0;
        bool was_item = s->in_items && s->depth > 2;
        int r;

        for (size_t i = 0; i < n; i++) {
                bool item, end;

                r = scan_byte(s, p[i], &item, &end);
                if (r < 0)
                        return r;
                /* Between the elements there is nothing but commas, which the envelope must not have. */
                if (item != was_item) {
                        r = buf_append(was_item ? &s->current : &s->envelope, p + start, i - start);
                        if (r < 0)
                                return r;
                        start = i;
                        was_item = item;
                }
                if (end) {
                        r = buf_append(&s->current, p + start, i + 1 - start);
                        if (r < 0)
                                return r;
                        start = i + 1;
                        was_item = false;
                        r = emit(s);
                        if (r < 0)
                                return r;
                } else if (s->in_items && s->depth == 2 && !item && p[i] == ',') {
                        r = buf_append(&s->envelope, p + start, i - start);
                        if (r < 0)
                                return r;
                        start = i + 1;
                }
        }
        return buf_append(was_item ? &s->current : &s->envelope, p + start, n - start);
}

int kube_stream_feed(KubeStream *s, const void *p, size_t n)
{
        return s->mode == KUBE_STREAM_LIST ? feed_list(s, p, n) : feed_lines(s, p, n);
}

int kube_stream_finish(const KubeStream *s)
{
        if (s->mode == KUBE_STREAM_LIST)
                return s->done && !s->in_string ? 0 : -EBADMSG;
        return s->current.size == 0 ? 0 : -EBADMSG;
}
