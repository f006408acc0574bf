/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "event-book.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define START (100 * USEC_PER_DAY)
#define UID "0f8fad5b"
#define OTHER_UID "7c9e6679"

static int set_up(void **state)
{
        EventBook *b = calloc(1, sizeof(*b));

        assert_non_null(b);
        event_book_init(b);
        *state = b;
        return 0;
}

static int tear_down(void **state)
{
        EventBook *b = *state;
        EventEntry *n;

        while ((n = TAILQ_FIRST(&b->all)))
                event_book_forget(b, n);
        assert_int_equal(b->n + b->n_queued, 0);
        assert_null(b->by_key);
        free(b);
        return 0;
}

static int tell(EventBook *b, const char *namespace, const char *uid, KubeEventReason reason, usec_t now)
{
        return event_book_tell(b, namespace, uid, reason, "a sentence", now);
}

static int tell_conflict(EventBook *b, const char *namespace, usec_t now)
{
        return tell(b, namespace, UID, KUBE_EVENT_CONFLICT, now);
}

static EventEntry *next(const EventBook *b, usec_t now)
{
        usec_t until;

        return event_book_next(b, now, &until);
}

/* The next that is to be sent, sent. */
static void send(EventBook *b, const char *namespace, unsigned count, usec_t now)
{
        EventEntry *n = next(b, now);

        assert_non_null(n);
        assert_string_equal(n->namespace, namespace);
        assert_string_equal(n->note, "a sentence");
        assert_int_equal(n->count, count);
        n->sending = true;
        assert_ptr_not_equal(next(b, now), n);
        event_book_done(b, n, true, now);
        assert_int_equal(n->count, count + 1);
        assert_false(n->sending);
        assert_null(n->note);
}

static void test_the_same_is_said_every_half_hour(void **state)
{
        EventBook *b = *state;
        unsigned sent = 0;

        for (usec_t now = START; now < START + 24 * USEC_PER_HOUR; now += USEC_PER_MINUTE)
                if (tell_conflict(b, "a", now) > 0) {
                        assert_int_equal((now - START) % (30 * USEC_PER_MINUTE), 0);
                        send(b, "a", sent++, now);
                }
        assert_int_equal(sent, 48);
}

static void test_what_waits_is_not_queued_twice(void **state)
{
        EventBook *b = *state;

        assert_int_equal(tell_conflict(b, "a", START), 1);
        assert_int_equal(tell_conflict(b, "a", START + USEC_PER_DAY), 0);
        assert_int_equal(b->n_queued, 1);
        next(b, START)->sending = true;
        assert_int_equal(tell_conflict(b, "a", START + USEC_PER_DAY), 0);
        assert_null(next(b, START + USEC_PER_DAY));
}

static void test_each_reason_and_namespace_by_itself(void **state)
{
        EventBook *b = *state;

        for (KubeEventReason r = 0; r < _KUBE_EVENT_REASON_MAX; r++) {
                assert_int_equal(tell(b, "a", UID, r, START), 1);
                assert_int_equal(tell(b, "b", UID, r, START), 1);
        }
        assert_int_equal(b->n, 2 * _KUBE_EVENT_REASON_MAX);
        send(b, "a", 0, START); /* in the order in which they came */
        send(b, "b", 0, START);
        assert_int_equal(next(b, START)->reason, KUBE_EVENT_DENIED);
}

/* Another Secret in its place is another Event, soon; but who fights may make it anew each time. */
static void test_another_secret(void **state)
{
        EventBook *b = *state;

        assert_int_equal(tell_conflict(b, "a", START), 1);
        send(b, "a", 0, START);
        assert_int_equal(tell(b, "a", OTHER_UID, KUBE_EVENT_CONFLICT, START + USEC_PER_MINUTE - 1), 0);
        assert_int_equal(tell(b, "a", OTHER_UID, KUBE_EVENT_CONFLICT, START + USEC_PER_MINUTE), 1);
        assert_string_equal(next(b, START + USEC_PER_MINUTE)->uid, OTHER_UID);
        send(b, "a", 0, START + USEC_PER_MINUTE);

        assert_int_equal(tell(b, "f", UID, KUBE_EVENT_FIGHTING, START), 1);
        send(b, "f", 0, START);
        assert_int_equal(tell(b, "f", OTHER_UID, KUBE_EVENT_FIGHTING, START + 29 * USEC_PER_MINUTE), 0);
        assert_int_equal(tell(b, "f", OTHER_UID, KUBE_EVENT_FIGHTING, START + 30 * USEC_PER_MINUTE), 1);
        assert_string_equal(next(b, START + 30 * USEC_PER_MINUTE)->uid, UID);
        send(b, "f", 1, START + 30 * USEC_PER_MINUTE);
}

static void test_what_has_settled_is_not_sent(void **state)
{
        EventBook *b = *state;
        EventEntry *n;

        assert_int_equal(tell_conflict(b, "a", START), 1);
        assert_int_equal(tell(b, "a", UID, KUBE_EVENT_ADOPTED, START), 1);
        assert_int_equal(tell_conflict(b, "b", START), 1);
        event_book_settle(b, "a");
        assert_int_equal(b->n_queued, 2);
        n = next(b, START); /* which is no warning, and has happened */
        assert_int_equal(n->reason, KUBE_EVENT_ADOPTED);
        send(b, "a", 0, START);
        n = next(b, START);
        assert_string_equal(n->namespace, "b");

        n->sending = true;
        event_book_settle(b, "b");
        assert_non_null(n->note);
        event_book_done(b, n, true, START);
        event_book_settle(b, "nobody");

        assert_int_equal(tell_conflict(b, "a", START + 1), 1); /* it was never said */
}

static void test_what_is_dropped_is_news_again(void **state)
{
        EventBook *b = *state;

        assert_int_equal(tell_conflict(b, "a", START), 1);
        send(b, "a", 0, START);
        assert_int_equal(tell_conflict(b, "b", START), 1);
        next(b, START)->sending = true;
        assert_int_equal(tell_conflict(b, "a", START + USEC_PER_HOUR), 1);
        assert_int_equal(tell_conflict(b, "c", START + USEC_PER_HOUR), 1);
        assert_int_equal(event_book_drop(b), 2);
        assert_int_equal(b->n_queued, 1);
        assert_int_equal(tell_conflict(b, "a", START + USEC_PER_HOUR), 1);
        send(b, "a", 1, START + USEC_PER_HOUR);
        assert_int_equal(tell_conflict(b, "c", START + USEC_PER_HOUR), 1);

        assert_int_equal(
                tell(b, "a", OTHER_UID, KUBE_EVENT_CONFLICT, START + USEC_PER_HOUR + USEC_PER_MINUTE), 1);
        assert_int_equal(event_book_drop(b), 2);
        assert_int_equal(
                tell(b, "a", OTHER_UID, KUBE_EVENT_CONFLICT, START + USEC_PER_HOUR + USEC_PER_MINUTE), 1);
}

static void test_given_up(void **state)
{
        EventBook *b = *state;
        EventEntry *n;

        assert_int_equal(tell_conflict(b, "a", START), 1);
        n = next(b, START);
        event_book_done(b, n, false, START);
        assert_int_equal(n->count, 0);
        assert_int_equal(tell_conflict(b, "a", START + 29 * USEC_PER_MINUTE), 0);
        assert_int_equal(tell_conflict(b, "a", START + 30 * USEC_PER_MINUTE), 1);
}

static void test_what_is_due_later(void **state)
{
        EventBook *b = *state;
        usec_t until;

        assert_null(event_book_next(b, START, &until));
        assert_int_equal(until, USEC_INFINITY);
        assert_int_equal(tell_conflict(b, "a", START), 1);
        assert_int_equal(tell_conflict(b, "b", START), 1);
        next(b, START)->due = START + 10;
        assert_string_equal(next(b, START)->namespace, "b");
        next(b, START)->due = START + 5;
        assert_null(event_book_next(b, START, &until));
        assert_int_equal(until, START + 5);
        assert_string_equal(next(b, until)->namespace, "b");
}

/* However many there are, so many are remembered; and they are replaced when the API server has forgotten.
 */
static void test_memory_is_bounded(void **state)
{
        EventBook *b = *state;
        char name[32];
        unsigned queued = 0;

        for (unsigned i = 0; i < 10000; i++) {
                int r;

                (void) snprintf(name, sizeof(name), "ns-%u", i);
                r = tell_conflict(b, name, START);
                assert_true(r == 1 || r == -ENOSPC);
                queued += r == 1;
        }
        assert_int_equal(queued, EVENT_BOOK_MAX);
        assert_int_equal(b->n, EVENT_BOOK_MAX);

        for (unsigned i = 0; i < EVENT_BOOK_MAX; i++)
                event_book_done(b, next(b, START), true, START + i);
        assert_int_equal(tell_conflict(b, "new", START + USEC_PER_HOUR - 1), -ENOSPC);
        assert_int_equal(tell_conflict(b, "new", START + USEC_PER_HOUR), 1);
        assert_int_equal(tell_conflict(b, "newer", START + USEC_PER_HOUR), -ENOSPC);
        assert_int_equal(tell_conflict(b, "newer", START + USEC_PER_HOUR + 1), 1);
        assert_int_equal(b->n, EVENT_BOOK_MAX);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(test_the_same_is_said_every_half_hour),
                TEST(test_what_waits_is_not_queued_twice),
                TEST(test_each_reason_and_namespace_by_itself),
                TEST(test_another_secret),
                TEST(test_what_has_settled_is_not_sent),
                TEST(test_what_is_dropped_is_news_again),
                TEST(test_given_up),
                TEST(test_what_is_due_later),
                TEST(test_memory_is_bounded),
        };

        return cmocka_run_group_tests_name("event-book", tests, NULL, NULL);
}
