/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "agenda.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct Fixture {
        sd_event *event;
        Agenda agenda;
        char calls[16]; /* "p": plan, "w": wake, "o": another's deferred work */
} Fixture;

static void note(Fixture *f, char c)
{
        size_t n = strlen(f->calls);

        assert_true(n + 1 < sizeof(f->calls));
        f->calls[n] = c;
}

static int on_plan(sd_event_source *s, void *userdata)
{
        note(userdata, 'p');
        return 0;
}

static int on_wake(sd_event_source *s, uint64_t usec, void *userdata)
{
        Fixture *f = userdata;

        agenda_woken(&f->agenda);
        note(f, 'w');
        return 0;
}

static int on_other(sd_event_source *s, void *userdata)
{
        note(userdata, 'o');
        return 0;
}

static int set_up(void **state)
{
        Fixture *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        assert_return_code(sd_event_new(&f->event), 0);
        assert_return_code(
                agenda_init(&f->agenda, f->event, SD_EVENT_PRIORITY_NORMAL - 1, on_plan, on_wake, f), 0);
        *state = f;
        return 0;
}

static int tear_down(void **state)
{
        Fixture *f = *state;

        agenda_done(&f->agenda);
        (void) sd_event_unref(f->event);
        free(f);
        return 0;
}

/* Runs what is due. */
static void run(Fixture *f)
{
        while (sd_event_run(f->event, 0) > 0)
                ;
}

static void test_soon_is_once_and_before_others(void **state)
{
        Fixture *f = *state;

        run(f);
        assert_string_equal(f->calls, "");
        assert_return_code(sd_event_add_defer(f->event, NULL, on_other, f), 0);
        agenda_soon(&f->agenda);
        agenda_soon(&f->agenda);
        run(f);
        assert_string_equal(f->calls, "po");
}

/* As it is asked for, and not by chance. */
static void test_later_than_others(void **state)
{
        Fixture *f = *state;

        agenda_done(&f->agenda);
        assert_return_code(
                agenda_init(&f->agenda, f->event, SD_EVENT_PRIORITY_NORMAL + 1, on_plan, on_wake, f), 0);
        agenda_soon(&f->agenda);
        assert_return_code(sd_event_add_defer(f->event, NULL, on_other, f), 0);
        run(f);
        assert_string_equal(f->calls, "op");
}

static void test_the_first_of_what_waits_counts(void **state)
{
        Fixture *f = *state;
        usec_t now = clock_boottime();

        agenda_at(&f->agenda, now + USEC_PER_HOUR);
        agenda_at(&f->agenda, now);
        agenda_at(&f->agenda, now + USEC_PER_DAY);
        agenda_at(&f->agenda, USEC_INFINITY);
        run(f);
        assert_string_equal(f->calls, "w");
        /* What waits for another time says so anew. */
        agenda_at(&f->agenda, now + USEC_PER_DAY);
        assert_false(agenda_stalled(&f->agenda, now + USEC_PER_DAY));
}

static void test_what_is_long_overdue_is_stalled(void **state)
{
        Fixture *f = *state;
        usec_t now = clock_boottime();

        assert_false(agenda_stalled(&f->agenda, now + 365 * USEC_PER_DAY));
        agenda_at(&f->agenda, now);
        assert_false(agenda_stalled(&f->agenda, now + USEC_PER_MINUTE));
        assert_true(agenda_stalled(&f->agenda, now + USEC_PER_MINUTE + 1));
        agenda_woken(&f->agenda);
        assert_false(agenda_stalled(&f->agenda, now + USEC_PER_MINUTE + 1));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(test_soon_is_once_and_before_others),
                TEST(test_later_than_others),
                TEST(test_the_first_of_what_waits_counts),
                TEST(test_what_is_long_overdue_is_stalled),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
