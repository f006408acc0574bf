/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "said.h"
#include "supervisor.h"

/* --- time runs faster, and the log is the test's ----------------------------------------------------- */

#define SPEED 100U

static usec_t ready_delay; /* of the timer that is added first */

static int test_add_time_relative(sd_event *event, sd_event_source **ret, clockid_t clock, uint64_t delay,
                                  uint64_t accuracy, sd_event_time_handler_t handler, void *userdata)
{
        ready_delay = ready_delay > 0 ? ready_delay : delay;
        return sd_event_add_time_relative(event, ret, clock, delay / SPEED, 1, handler, userdata);
}

static usec_t last_delay; /* of what was set last */

static int test_set_time_relative(sd_event_source *s, uint64_t delay)
{
        last_delay = delay;
        return sd_event_source_set_time_relative(s, delay / SPEED);
}

#define sd_event_add_time_relative test_add_time_relative
#define sd_event_source_set_time_relative test_set_time_relative
#define log_full said_log
#include "supervisor.c"
#undef sd_event_add_time_relative
#undef sd_event_source_set_time_relative
#undef log_full

#include "notified.h"

#define TIMEOUT (20 * USEC_PER_SEC)

static sd_event *event;
static Supervisor *supervisor;
static const char *status, *problem;
static unsigned n_asked;

static void on_status(char ret[static STATUS_MAX], void *userdata)
{
        (void) snprintf(ret, STATUS_MAX, "%s", status);
}

static bool on_health(char reason[static HEALTH_REASON_MAX], void *userdata)
{
        assert_ptr_equal(userdata, &event);
        n_asked++;
        (void) snprintf(reason, HEALTH_REASON_MAX, "%s", problem);
        return !*problem;
}

static const SupervisorSources sources = { .status = on_status, .health = on_health };

static void forget(void)
{
        notified_forget();
        said[0] = '\0';
}

static void begin(void)
{
        assert_return_code(supervisor_new(event, &sources, &event, &supervisor), 0);
}

static int set_up(void **state)
{
        status = "as it is";
        problem = "";
        n_asked = 0;
        ready_delay = 0;
        forget();
        assert_return_code(unsetenv("WATCHDOG_USEC"), errno);
        return sd_event_new(&event);
}

static int tear_down(void **state)
{
        supervisor = supervisor_free(supervisor);
        event = sd_event_unref(event);
        notified_take();
        return 0;
}

static void wait_asked(unsigned n)
{
        usec_t until = clock_boottime() + TIMEOUT;

        while (n_asked < n) {
                assert_true(clock_boottime() < until);
                assert_return_code(sd_event_run(event, 10 * USEC_PER_MSEC), 0);
        }
        notified_take();
}

static void expect(const char *messages)
{
        notified_take();
        assert_string_equal(told, messages);
        forget();
}

static void test_the_status_is_told_when_it_changes(void **state)
{
        begin();
        expect("\n");
        supervisor_tell_status(supervisor);
        expect("\nSTATUS=as it is\n");
        supervisor_tell_status(supervisor);
        expect("\n");
        status = "another";
        supervisor_tell_status(supervisor);
        expect("\nSTATUS=another\n");
}

/* Whoever waited reads the line that belongs to it, and no second READY is told. */
static void test_ready(void **state)
{
        begin();
        assert_false(supervisor_is_ready(supervisor));
        supervisor_ready(supervisor);
        assert_true(supervisor_is_ready(supervisor));
        expect("\nSTATUS=as it is\nREADY=1\n");
        supervisor_ready(supervisor);
        expect("\n");
}

static void test_ready_in_time_whatever_happens(void **state)
{
        usec_t begun = clock_boottime();

        begin();
        assert_int_equal(ready_delay, 30 * USEC_PER_SEC); /* systemd waits longer */
        while (!supervisor_is_ready(supervisor)) {
                assert_true(clock_boottime() < begun + TIMEOUT);
                assert_return_code(sd_event_run(event, 10 * USEC_PER_MSEC), 0);
        }
        assert_true(clock_boottime() >= begun + 30 * USEC_PER_SEC / SPEED);
        expect("\nSTATUS=as it is\nREADY=1\n");
}

static void test_a_reload_once_the_start_has_ended(void **state)
{
        begin();
        supervisor_begin_reload(supervisor);
        supervisor_end_reload(supervisor);
        expect("\nSTATUS=as it is\n");
        supervisor_ready(supervisor);
        expect("\nREADY=1\n");
        supervisor_begin_reload(supervisor);
        notified_take();
        assert_non_null(startswith(told, "\nRELOADING=1\nMONOTONIC_USEC="));
        forget();
        status = "refused";
        supervisor_end_reload(supervisor);
        expect("\nSTATUS=refused\nREADY=1\n");
}

static void test_the_end(void **state)
{
        begin();
        supervisor_stopping();
        expect("\nSTOPPING=1\nSTATUS=stopping\n");
}

static void test_without_a_watchdog_nobody_asks(void **state)
{
        begin();
        assert_null(supervisor->watchdog);
}

static void begin_with_watchdog(void)
{
        assert_return_code(setenv("WATCHDOG_USEC", "30000000", 1), errno);
        begin();
        supervisor_ready(supervisor);
        notified_take();
        forget();
}

/* Thrice in its time; and once more, soon, before the service manager is left to act. */
static void test_the_watchdog_is_fed_while_nothing_is_stuck(void **state)
{
        begin_with_watchdog();
        for (unsigned i = 1; i <= 3; i++) {
                wait_asked(i);
                expect("\nWATCHDOG=1\n");
                assert_int_equal(last_delay, 10 * USEC_PER_SEC);
        }
        problem = "it is stuck";
        wait_asked(4);
        assert_int_equal(last_delay, USEC_PER_SEC);
        assert_string_equal(said, "");
        wait_asked(5);
        assert_int_equal(last_delay, 10 * USEC_PER_SEC);
        assert_string_equal(said, "3 it is stuck; leaving it to the watchdog\n");
        wait_asked(6);
        assert_string_equal(said, "3 it is stuck; leaving it to the watchdog\n"); /* once */
        expect("\n");
        problem = "";
        wait_asked(7);
        expect("\nWATCHDOG=1\n");
}

/* As after a suspend: that was all. */
static void test_a_second_look_is_well(void **state)
{
        problem = "it is late";
        begin_with_watchdog();
        wait_asked(1);
        expect("\n");
        problem = "";
        wait_asked(2);
        assert_string_equal(said, "");
        expect("\nWATCHDOG=1\n");
        assert_int_equal(last_delay, 10 * USEC_PER_SEC);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(test_the_status_is_told_when_it_changes),
                TEST(test_ready),
                TEST(test_ready_in_time_whatever_happens),
                TEST(test_a_reload_once_the_start_has_ended),
                TEST(test_the_end),
                TEST(test_without_a_watchdog_nobody_asks),
                TEST(test_the_watchdog_is_fed_while_nothing_is_stuck),
                TEST(test_a_second_look_is_well),
        };

        return cmocka_run_group_tests(tests, notified_open, notified_close);
}
