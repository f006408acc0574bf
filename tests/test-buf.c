/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "buf.h"

#include <errno.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define SECRET "hunter2"

static bool out_of_memory;
static unsigned n_freed;

/* Stand in for malloc() and free() in buf.c: memory can be out, and what is given back may not hold the
 * secret any more. */
static void *malloc_maybe(size_t n)
{
        return out_of_memory ? NULL : calloc(1, n);
}

static bool holds_secret(const void *p, size_t n)
{
        return memmem(p, n, SECRET, strlen(SECRET));
}

static void free_wiped(void *p)
{
        n_freed += p != NULL;
        if (p)
                assert_false(holds_secret(p, malloc_usable_size(p)));
        free(p);
}

#define malloc(n) malloc_maybe(n)
#define free(p) free_wiped(p)
#include "buf.c"
#undef malloc
#undef free

static void check_contents(const Buf *b, const char *expected)
{
        assert_int_equal(b->size, strlen(expected));
        assert_string_equal(buf_str(b), expected);
        assert_true(b->size <= b->max);
        assert_true(b->data ? b->allocated > b->size : b->size == 0);
}

static void test_contents_never_exceed_the_maximum(void **state)
{
        volatile size_t all = SIZE_MAX; /* which compilers would warn of */
        _cleanup_buf_ Buf b = BUF_INIT(8), none = BUF_INIT(0);

        assert_int_equal(buf_append_str(&b, "123456789"), -EMSGSIZE);
        assert_int_equal(buf_append(&b, "x", all), -EMSGSIZE);
        check_contents(&b, "");
        assert_int_equal(buf_append(&b, "12345", 5), 0);
        assert_int_equal(buf_append_str(&b, "6789"), -EMSGSIZE);
        assert_int_equal(buf_append(&b, "x", all), -EMSGSIZE);
        assert_int_equal(buf_printf(&b, "%d", 6789), -EMSGSIZE);
        check_contents(&b, "12345");
        assert_int_equal(buf_printf(&b, "%s", "67"), 0);
        assert_int_equal(buf_append_str(&b, "8"), 0);
        check_contents(&b, "12345678");
        assert_int_equal(buf_append(&b, "9", 1), -EMSGSIZE);
        assert_int_equal(buf_printf(&b, "9"), -EMSGSIZE);
        assert_int_equal(buf_append(&b, NULL, 0), 0);
        assert_int_equal(buf_printf(&b, "%s", ""), 0);
        check_contents(&b, "12345678");
        assert_int_equal(buf_append(&none, "x", 1), -EMSGSIZE);
        assert_int_equal(buf_append(&none, "", 0), 0);
        check_contents(&none, "");
}

static void test_memory_stays_within_twice_the_maximum(void **state)
{
        _cleanup_buf_ Buf b = BUF_INIT(100000);

        while (buf_append(&b, "x", 1) >= 0)
                assert_true(b.allocated <= 2 * (b.max + 1));
        assert_int_equal(b.size, b.max);
}

static void test_bytes_may_be_nul(void **state)
{
        _cleanup_buf_ Buf b = BUF_INIT(16);

        assert_int_equal(buf_append(&b, "a\0b", 3), 0);
        assert_int_equal(buf_append(&b, "\0", 1), 0);
        assert_int_equal(b.size, 4);
        assert_memory_equal(b.data, "a\0b\0", 5);
}

static void test_empty_buffer_is_an_empty_string(void **state)
{
        _cleanup_buf_ Buf b = BUF_INIT(16);

        assert_string_equal(buf_str(&b), "");
        buf_clear(&b);
        buf_consume(&b, 5);
        buf_done(&b);
        check_contents(&b, "");
}

static void test_consume_drops_from_the_front(void **state)
{
        static const struct {
                size_t n;
                const char *expected;
        } cases[] = { { 0, "abcdef" }, { 1, "bcdef" }, { 5, "f" }, { 6, "" }, { 7, "" }, { SIZE_MAX, "" } };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_buf_ Buf b = BUF_INIT(6);

                assert_int_equal(buf_append_str(&b, "abcdef"), 0);
                buf_consume(&b, cases[i].n);
                check_contents(&b, cases[i].expected);
                /* There is room again for what is gone. */
                while (buf_append(&b, "x", 1) >= 0)
                        ;
                assert_int_equal(b.size, 6);
        }
}

static void test_clear_keeps_the_memory_and_done_does_not(void **state)
{
        Buf b = BUF_INIT(1000);
        char *data;

        assert_int_equal(buf_append_str(&b, "abc"), 0);
        data = b.data;
        buf_clear(&b);
        check_contents(&b, "");
        assert_ptr_equal(b.data, data);
        buf_done(&b);
        assert_null(b.data);
        assert_int_equal(b.allocated, 0);
        assert_int_equal(buf_append_str(&b, "again"), 0);
        check_contents(&b, "again");
        buf_done(&b);
}

static void test_steal_leaves_an_empty_buffer_of_the_same_kind(void **state)
{
        Buf b = BUF_INIT_SECRET(7);
        char *s;

        assert_int_equal(buf_append_str(&b, SECRET), 0);
        s = buf_steal(&b);
        assert_string_equal(s, SECRET);
        free(s);
        check_contents(&b, "");
        assert_true(b.secret);
        assert_int_equal(b.max, 7);
        s = buf_steal(&b);
        assert_string_equal(s, "");
        free(s);
        out_of_memory = true;
        assert_null(buf_steal(&b));
        out_of_memory = false;
        check_contents(&b, "");
        buf_done(&b);
}

static void test_out_of_memory_leaves_the_contents(void **state)
{
        _cleanup_buf_ Buf b = BUF_INIT(10000), empty = BUF_INIT(10);
        char large[5000];

        memset(large, 'x', sizeof(large));
        assert_int_equal(buf_append_str(&b, "abc"), 0);
        out_of_memory = true;
        assert_int_equal(buf_append(&b, large, sizeof(large)), -ENOMEM);
        assert_int_equal(buf_printf(&b, "%.*s", (int) sizeof(large), large), -ENOMEM);
        assert_int_equal(buf_append_str(&empty, "x"), -ENOMEM);
        out_of_memory = false;
        check_contents(&b, "abc");
        check_contents(&empty, "");
}

static void test_secret_is_wiped_wherever_it_lay(void **state)
{
        Buf b = BUF_INIT_SECRET(100000);

        n_freed = 0;
        for (int i = 0; i < 5000; i++)
                assert_int_equal(buf_append_str(&b, SECRET), 0); /* moves several times: see free_wiped() */
        assert_true(n_freed >= 5);
        assert_true(holds_secret(b.data, b.allocated));

        buf_consume(&b, b.size - 3);
        assert_string_equal(buf_str(&b), "er2");
        assert_false(holds_secret(b.data, b.allocated));

        assert_int_equal(buf_printf(&b, "%s", SECRET), 0);
        buf_clear(&b);
        assert_false(holds_secret(b.data, b.allocated));

        assert_int_equal(buf_append_str(&b, SECRET), 0);
        n_freed = 0;
        buf_done(&b);
        assert_int_equal(n_freed, 1);
}

/* Many small steps against the simplest model there is. */
static void test_agrees_with_a_model(void **state)
{
        _cleanup_buf_ Buf b = BUF_INIT(1500);
        char model[1501] = "";
        size_t size = 0;
        unsigned random = 1;

        for (int i = 0; i < 20000; i++) {
                char piece[200];
                size_t n;

                random = random * 1103515245 + 12345;
                n = random >> 16 & 127;
                if (random >> 30) {
                        memset(piece, 'a' + i % 26, n);
                        piece[n] = '\0';
                        assert_int_equal(random >> 29 & 1 ? buf_append(&b, piece, n)
                                                          : buf_printf(&b, "%s", piece),
                                         size + n > 1500 ? -EMSGSIZE : 0);
                        if (size + n <= 1500) {
                                memcpy(model + size, piece, n + 1);
                                size += n;
                        }
                } else {
                        n = MIN(3 * n, size);
                        buf_consume(&b, n);
                        memmove(model, model + n, size - n + 1);
                        size -= n;
                }
                check_contents(&b, model);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_contents_never_exceed_the_maximum),
                cmocka_unit_test(test_memory_stays_within_twice_the_maximum),
                cmocka_unit_test(test_bytes_may_be_nul),
                cmocka_unit_test(test_empty_buffer_is_an_empty_string),
                cmocka_unit_test(test_consume_drops_from_the_front),
                cmocka_unit_test(test_clear_keeps_the_memory_and_done_does_not),
                cmocka_unit_test(test_steal_leaves_an_empty_buffer_of_the_same_kind),
                cmocka_unit_test(test_out_of_memory_leaves_the_contents),
                cmocka_unit_test(test_secret_is_wiped_wherever_it_lay),
                cmocka_unit_test(test_agrees_with_a_model),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
