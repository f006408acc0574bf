/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "json.h"
#include "kube-stream.h"

#include "fuzz-main.h"

/* The input: a byte whose lowest bit is the mode, a byte that tells how many sizes of pieces follow, those
 * sizes (used in turn), and the document. */

/* All that a stream said. */
typedef struct Seen {
        Buf items;
        size_t n_items;
        int result;
        Buf envelope;
} Seen;

static void require(bool condition)
{
        if (!condition)
                abort();
}

static int take_item(const char *p, size_t n, void *userdata)
{
        _cleanup_json_ cJSON *j = NULL;
        Seen *seen = userdata;

        require(n > 0 && n <= KUBE_STREAM_ITEM_MAX);
        require(!strchr(" \t\r\n", *p) || !*p);
        seen->n_items++;
        require(buf_append(&seen->items, p, n) >= 0 && buf_append_str(&seen->items, "\n") >= 0);
        if (json_parse(p, n, KUBE_STREAM_ITEM_MAX, &j) < 0)
                return 0; /* whole lines and balanced braces need not be JSON */
        (void) json_string(json_get(j, "metadata"), "name");
        return 0;
}

static void run(KubeStreamMode mode, const uint8_t *sizes, size_t n_sizes, const uint8_t *p, size_t n, Seen *ret)
{
        size_t limit = 2 * n + 2; /* what comes out is no more than what went in, and line ends */
        KubeStream s;
        int r = 0;

        *ret = (Seen){ .items = BUF_INIT(limit), .envelope = BUF_INIT(limit) };
        kube_stream_init(&s, mode, take_item, ret);
        for (size_t i = 0, k = 0; r >= 0 && i < n; k++) {
                size_t piece = n_sizes > 0 ? MIN(sizes[k % n_sizes] + 1U, n - i) : n;

                r = kube_stream_feed(&s, p + i, piece);
                i += piece;
        }
        if (r >= 0)
                r = kube_stream_finish(&s);
        ret->result = r;
        require(buf_append(&ret->envelope, buf_str(&s.envelope), s.envelope.size) >= 0);
        require(s.current.allocated <= 2 * (KUBE_STREAM_ITEM_MAX + 1U));
        require(mode == KUBE_STREAM_LIST || s.envelope.size == 0);
        kube_stream_done(&s);
}

static bool same(const Buf *a, const Buf *b)
{
        return a->size == b->size && memcmp(buf_str(a), buf_str(b), a->size) == 0;
}

/* A list that cJSON understands as a whole has to be understood, item by item. */
static void compare_with_whole(const uint8_t *p, size_t n, const Seen *seen)
{
        _cleanup_json_ cJSON *whole = NULL, *envelope = NULL;
        size_t n_items = 0;

        if (memchr(p, '\0', n) || memchr(p, '\\', n) || json_parse((const char *) p, n, n, &whole) < 0 ||
            !cJSON_IsObject(whole) || seen->result < 0)
                return;
        JSON_FOREACH (member, whole)
                if (streq(member->string, "items") && cJSON_IsArray(member))
                        n_items += (size_t) cJSON_GetArraySize(member);
        require(seen->n_items == n_items);
        require(json_parse(buf_str(&seen->envelope), seen->envelope.size, n, &envelope) >= 0);
        require(cJSON_GetArraySize(envelope) == cJSON_GetArraySize(whole));
}

/* However the input is cut, it means the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        KubeStreamMode mode;
        const uint8_t *sizes;
        size_t n_sizes;
        Seen whole, cut;

        if (size < 2)
                return 0;
        mode = data[0] & 1 ? KUBE_STREAM_WATCH : KUBE_STREAM_LIST;
        n_sizes = MIN((size_t) data[1] % 16, size - 2);
        sizes = data + 2;
        data += 2 + n_sizes;
        size -= 2 + n_sizes;

        run(mode, NULL, 0, data, size, &whole);
        run(mode, sizes, n_sizes, data, size, &cut);
        require(whole.result == cut.result && whole.n_items == cut.n_items && same(&whole.items, &cut.items));
        if (whole.result >= 0)
                require(same(&whole.envelope, &cut.envelope));
        if (mode == KUBE_STREAM_LIST && size > 0)
                compare_with_whole(data, size, &whole);
        buf_done(&whole.items);
        buf_done(&whole.envelope);
        buf_done(&cut.items);
        buf_done(&cut.envelope);
        return 0;
}
