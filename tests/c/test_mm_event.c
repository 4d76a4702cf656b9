/* The event count on one thread, and a thread that gives where a wait has to be ended. */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#include "mm_test.h"

#include "mm_internal.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define MS INT64_C(1000000)
#define SECOND (1000 * MS)

static const int32_t policies[] = {MM_WAIT_BLOCK, MM_WAIT_YIELD, MM_WAIT_SPIN};

static int64_t now_ns(void)
{
    struct timespec now;
    MM_CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (int64_t)now.tv_sec * SECOND + now.tv_nsec;
}

static bool readable(int fd)
{
    struct pollfd entry = {fd, POLLIN, 0};
    return poll(&entry, 1, 0) == 1;
}

/* Signals once the consumer has had time to fall asleep. */
static void *signal_later(void *event)
{
    struct timespec pause = {0, 5 * MS};
    nanosleep(&pause, NULL);
    mm_event_signal(event);
    return NULL;
}

static void init_refuses_what_it_cannot_use(void)
{
    static unsigned char memory[1024] MM_ALIGN_LINE;
    mm_event *event = NULL;
    size_t bytes = mm_event_bytes();
    MM_REQUIRE(bytes <= sizeof(memory) - 8);
    MM_CHECK_INT(mm_event_init(memory, bytes, -1, 0, &event), ==, MM_E_ARGUMENT);
    MM_CHECK_INT(mm_event_init(memory, bytes, 3, 0, &event), ==, MM_E_ARGUMENT);
    MM_CHECK_INT(mm_event_init(memory, bytes - 1, 0, 0, &event), ==, MM_E_CAPACITY);
    MM_CHECK_INT(mm_event_init(memory + 8, bytes, 0, 0, &event), ==, MM_E_CAPACITY);
    MM_CHECK_INT(mm_event_init(NULL, bytes, 0, 0, &event), ==, MM_E_CAPACITY);
    MM_CHECK(event == NULL);
    MM_CHECK(mm_event_new(7, 0) == NULL);
    mm_event_free(NULL);
    MM_CHECK(mm_event_init(memory, bytes, MM_WAIT_BLOCK, 0, &event) == MM_OK);
    MM_REQUIRE(event != NULL);
    MM_CHECK_INT(mm_event_fd(event), ==, -1);
    mm_event_close(event);
}

static void no_descriptor_to_be_had_is_a_system_error(void)
{
    static unsigned char memory[1024] MM_ALIGN_LINE;
    mm_event *event = NULL;
    struct rlimit limit;
    MM_REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    const struct rlimit none = {0, limit.rlim_max};
    MM_REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
    mm_status status = mm_event_init(memory, sizeof(memory), MM_WAIT_BLOCK, 1, &event);
    int why = errno;
    mm_event *made = mm_event_new(MM_WAIT_BLOCK, 1);
    MM_CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    MM_CHECK_INT(status, ==, MM_E_SYSTEM);
    MM_CHECK_INT(why, ==, EMFILE);
    MM_CHECK(event == NULL);
    MM_CHECK(made == NULL);
}

static void a_descriptor_is_closed_with_the_event(void)
{
    mm_event *event = mm_event_new(MM_WAIT_BLOCK, 1);
    MM_REQUIRE(event != NULL);
    int fd = mm_event_fd(event);
    MM_CHECK_INT(fd, >=, 0);
    MM_CHECK(!readable(fd));
    mm_event_free(event);
    struct pollfd entry = {fd, POLLIN, 0};
    MM_CHECK_INT(poll(&entry, 1, 0), ==, 1);
    MM_CHECK((entry.revents & POLLNVAL) != 0);
}

static void a_signal_between_prepare_and_wait_ends_the_wait_at_once(void)
{
    for (size_t i = 0; i < MM_ARRAY_COUNT(policies); i++) {
        mm_event *event = mm_event_new(policies[i], 0);
        MM_REQUIRE(event != NULL);
        for (int turn = 0; turn < 3; turn++) {
            uint32_t key = mm_event_prepare(event);
            mm_event_signal(event);
            MM_CHECK(mm_event_wait(event, key, -1));
        }
        mm_event_free(event);
    }
}

static void a_signal_nobody_announced_for_is_not_kept(void)
{
    mm_event *event = mm_event_new(MM_WAIT_BLOCK, 1);
    MM_REQUIRE(event != NULL);
    mm_event_signal(event);
    uint32_t key = mm_event_prepare(event);
    MM_CHECK(!mm_event_wait(event, key, 0));
    key = mm_event_prepare(event);
    mm_event_cancel(event);
    mm_event_signal(event);
    MM_CHECK(!readable(mm_event_fd(event)));
    uint32_t later = mm_event_prepare(event);
    MM_CHECK(later != key);
    MM_CHECK(!mm_event_wait(event, later, 0));
    mm_event_free(event);
}

static void cancel_after_a_signal_leaves_the_event_ready_for_the_next_turn(void)
{
    mm_event *event = mm_event_new(MM_WAIT_BLOCK, 0);
    MM_REQUIRE(event != NULL);
    (void)mm_event_prepare(event);
    mm_event_signal(event);
    mm_event_cancel(event);
    mm_event_cancel(event); /* nothing announced: nothing to do */
    uint32_t key = mm_event_prepare(event);
    MM_CHECK(!mm_event_wait(event, key, 0));
    mm_event_free(event);
}

static void a_wait_without_signal_ends_with_its_time_out(void)
{
    for (size_t i = 0; i < MM_ARRAY_COUNT(policies); i++) {
        mm_event *event = mm_event_new(policies[i], 1);
        MM_REQUIRE(event != NULL);
        int64_t start_ns = now_ns();
        uint32_t key = mm_event_prepare(event);
        MM_CHECK(!mm_event_wait(event, key, 3 * MS));
        int64_t waited_ns = now_ns() - start_ns;
        MM_CHECK_INT(waited_ns, >=, 3 * MS);
        uint64_t ready = 99;
        start_ns = now_ns();
        key = mm_event_prepare(event);
        MM_CHECK(!mm_event_poll(event, key, NULL, 0, 0, 3 * MS, &ready));
        waited_ns = now_ns() - start_ns;
        MM_CHECK_INT(waited_ns, >=, 3 * MS);
        MM_CHECK_INT(ready, ==, 0);
        mm_event_free(event);
    }
}

static void a_thread_that_signals_ends_wait_and_poll(void)
{
    for (size_t i = 0; i < MM_ARRAY_COUNT(policies); i++) {
        mm_event *event = mm_event_new(policies[i], 1);
        MM_REQUIRE(event != NULL);
        /* Both a wait without end and one whose end cannot be counted in nanoseconds since boot. */
        const int64_t timeouts[] = {-1, 60 * SECOND, INT64_MAX};
        for (size_t t = 0; t < 2 * MM_ARRAY_COUNT(timeouts); t++) {
            pthread_t thread;
            uint64_t ready = 99;
            uint32_t key = mm_event_prepare(event);
            MM_REQUIRE(pthread_create(&thread, NULL, signal_later, event) == 0);
            int64_t timeout_ns = timeouts[t / 2];
            bool signalled = t % 2 == 0 ? mm_event_wait(event, key, timeout_ns)
                                        : mm_event_poll(event, key, NULL, 0, 0, timeout_ns, &ready);
            MM_CHECK(signalled);
            MM_CHECK_INT(ready, ==, t % 2 == 0 ? 99 : 0);
            MM_CHECK(pthread_join(thread, NULL) == 0);
        }
        mm_event_free(event);
    }
}

static void poll_tells_which_descriptors_are_ready(void)
{
    for (size_t i = 0; i < MM_ARRAY_COUNT(policies); i++) {
        int ends[2];
        uint64_t ready = 0;
        mm_event *event = mm_event_new(policies[i], 1);
        MM_REQUIRE(event != NULL);
        MM_REQUIRE(pipe(ends) == 0);
        const int32_t fds[] = {-1, ends[0], ends[1]};
        uint32_t key = mm_event_prepare(event);
        MM_CHECK(!mm_event_poll(event, key, fds, 2, 0, 0, &ready));
        MM_CHECK_INT(ready, ==, 0);
        key = mm_event_prepare(event); /* room in a pipe is output for its writing end */
        MM_CHECK(!mm_event_poll(event, key, fds, 3, 1 << 2, -1, &ready));
        MM_CHECK_INT(ready, ==, INT64_C(1) << 34);
        MM_CHECK(write(ends[1], "x", 1) == 1);
        key = mm_event_prepare(event);
        MM_CHECK(!mm_event_poll(event, key, fds, 3, 0, -1, &ready));
        MM_CHECK_INT(ready, ==, 1 << 1);
        key = mm_event_prepare(event); /* a signal does not hide them */
        mm_event_signal(event);
        MM_CHECK(mm_event_poll(event, key, fds, 3, 0, -1, &ready));
        MM_CHECK_INT(ready, ==, 1 << 1);
        MM_CHECK(close(ends[0]) == 0); /* an error is input: the caller's read will tell */
        key = mm_event_prepare(event);
        MM_CHECK(!mm_event_poll(event, key, &fds[2], 1, 0, -1, &ready));
        MM_CHECK_INT(ready, ==, 1);
        MM_CHECK(close(ends[1]) == 0);
        mm_event_free(event);
    }
}

/* The descriptor is an alarm only: what was rung late, for an announcement that is over, must
 * neither end a later wait nor stay in the descriptor. */
static void a_late_alarm_is_drained_and_ends_no_wait(void)
{
    mm_event *event = mm_event_new(MM_WAIT_BLOCK, 1);
    MM_REQUIRE(event != NULL);
    uint64_t ready = 99;
    const uint64_t one = 1;
    bool same_end = write(mm_event_fd(event), &one, sizeof(one)) == (ssize_t)sizeof(one);
    if (same_end) { /* an eventfd; the writing end of a pipe is not to be had here */
        MM_CHECK(readable(mm_event_fd(event)));
        int64_t start_ns = now_ns();
        uint32_t key = mm_event_prepare(event);
        MM_CHECK(!mm_event_poll(event, key, NULL, 0, 0, 3 * MS, &ready));
        int64_t waited_ns = now_ns() - start_ns;
        MM_CHECK_INT(waited_ns, >=, 3 * MS);
    }
    MM_CHECK(!readable(mm_event_fd(event)));
    mm_event_free(event);
}

static void no_system_call_is_owed_when_nobody_waits(void)
{
    mm_event *event = mm_event_new(MM_WAIT_BLOCK, 1);
    MM_REQUIRE(event != NULL);
    for (int i = 0; i < 1000; i++) {
        mm_event_signal(event);
    }
    MM_CHECK(!readable(mm_event_fd(event)));
    (void)mm_event_prepare(event); /* announced, but not asleep on the descriptor */
    mm_event_signal(event);
    MM_CHECK(!readable(mm_event_fd(event)));
    mm_event_free(event);
}

static void nothing_happens(int signal_number)
{
    (void)signal_number;
}

static void *interrupt_often(void *thread)
{
    struct timespec pause = {0, MS};
    for (int i = 0; i < 10; i++) {
        nanosleep(&pause, NULL);
        (void)pthread_kill(*(pthread_t *)thread, SIGUSR1);
    }
    return NULL;
}

static void a_signal_handler_neither_ends_nor_lengthens_a_wait(void)
{
    struct sigaction action, before;
    memset(&action, 0, sizeof action);
    action.sa_handler = nothing_happens; /* without SA_RESTART: system calls come back with EINTR */
    MM_REQUIRE(sigaction(SIGUSR1, &action, &before) == 0);
    mm_event *event = mm_event_new(MM_WAIT_BLOCK, 1);
    MM_REQUIRE(event != NULL);
    for (int polls = 0; polls < 2; polls++) {
        pthread_t self = pthread_self(), other;
        uint64_t ready = 0;
        MM_REQUIRE(pthread_create(&other, NULL, interrupt_often, &self) == 0);
        int64_t start_ns = now_ns();
        uint32_t key = mm_event_prepare(event);
        bool signalled = polls != 0 ? mm_event_poll(event, key, NULL, 0, 0, 30 * MS, &ready)
                                    : mm_event_wait(event, key, 30 * MS);
        MM_CHECK(!signalled);
        MM_CHECK_INT(now_ns() - start_ns, >=, 30 * MS);
        MM_CHECK(pthread_join(other, NULL) == 0);
    }
    mm_event_free(event);
    MM_CHECK(sigaction(SIGUSR1, &before, NULL) == 0);
}

static void a_wait_of_centuries_is_a_wait_like_any_other(void)
{
    const int64_t centuries_ns = INT64_C(9000000000000000000);
    mm_event *event = mm_event_new(MM_WAIT_BLOCK, 1);
    MM_REQUIRE(event != NULL);
    for (int polls = 0; polls < 2; polls++) {
        pthread_t other;
        uint64_t ready = 0;
        uint32_t key = mm_event_prepare(event);
        MM_REQUIRE(pthread_create(&other, NULL, signal_later, event) == 0);
        bool signalled = polls != 0 ? mm_event_poll(event, key, NULL, 0, 0, centuries_ns, &ready)
                                    : mm_event_wait(event, key, centuries_ns);
        MM_CHECK(signalled);
        MM_CHECK(pthread_join(other, NULL) == 0);
    }
    mm_event_free(event);
}

#if defined(NDEBUG)
static void a_poll_the_system_refuses_ends_and_is_a_failed_assertion(void)
{
    mm_event *event = mm_event_new(MM_WAIT_BLOCK, 1);
    struct rlimit limit;
    uint64_t ready = 1;
    int32_t fds[1] = {0};
    MM_REQUIRE(event != NULL && getrlimit(RLIMIT_NOFILE, &limit) == 0);
    const struct rlimit one = {1, limit.rlim_max}; /* two descriptors are too many then */
    uint32_t key = mm_event_prepare(event);
    struct pollfd none[2] = {{-1, 0, 0}, {-1, 0, 0}};
    MM_REQUIRE(setrlimit(RLIMIT_NOFILE, &one) == 0);
    if (poll(none, 2, 0) < 0) { /* valgrind keeps this limit itself, and to other calls only */
        MM_CHECK_SURVIVES(mm_event_poll(event, key, fds, 1, 0, 5 * MS, &ready));
        MM_CHECK_UINT(ready, ==, 0);
    } else {
        mm_event_cancel(event);
    }
    MM_CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    mm_event_free(event);
}
#endif

#if defined(MM_EVENT_PORTABLE)
static void without_a_lock_or_a_condition_variable_there_is_no_event(void)
{
    static unsigned char memory[1024] MM_ALIGN_LINE;
    mm_event *event = NULL;
    event_faults.no_lock = true;
    MM_CHECK_INT(mm_event_init(memory, sizeof(memory), MM_WAIT_BLOCK, 1, &event), ==, MM_E_SYSTEM);
    event_faults.no_lock = false;
    event_faults.no_condition = true;
    MM_CHECK_INT(mm_event_init(memory, sizeof(memory), MM_WAIT_BLOCK, 1, &event), ==, MM_E_SYSTEM);
    event_faults.no_condition = false;
    MM_CHECK(event == NULL);
}

static void of_two_that_signal_at_once_one_ends_the_announcement_and_the_other_has_nothing_to_do(void)
{
    mm_event *event = mm_event_new(MM_WAIT_BLOCK, 1);
    MM_REQUIRE(event != NULL);
    uint32_t key = mm_event_prepare(event);
    event_faults.another_signals = true;
    mm_event_signal(event);
    MM_CHECK(!event_faults.another_signals);
    bool signalled = mm_event_wait(event, key, -1);
    MM_CHECK(signalled);
    mm_event_free(event);
}
#endif

static void misuse_of(mm_event *event, mm_event *other)
{
    uint64_t ready;
    int32_t fds[17];
    memset(fds, 0xFF, sizeof(fds));
    MM_CHECK_PANICS(mm_event_wait(event, 0, 0)); /* without prepare */
    const uint32_t stale = mm_event_prepare(event);
    mm_event_signal(event);
    MM_CHECK(mm_event_wait(event, stale, 0));
    const uint32_t key = mm_event_prepare(event);
    const uint32_t other_key = mm_event_prepare(other);
    MM_CHECK_PANICS(mm_event_wait(event, stale, 0)); /* the key of an earlier turn */
    MM_CHECK_PANICS(mm_event_prepare(event));        /* a second waiter */
    MM_CHECK_PANICS(mm_event_poll(event, key, NULL, 0, 0, 0, &ready)); /* no descriptor */
    MM_CHECK_PANICS(mm_event_close(event));                            /* somebody waits */
    mm_event_cancel(event);
    MM_CHECK_PANICS(mm_event_poll(other, other_key, fds, 17, 0, 0, &ready));
    mm_event_cancel(other);
}

static void misuse_is_caught(void)
{
    mm_event *event = mm_event_new(MM_WAIT_BLOCK, 0);
    mm_event *other = mm_event_new(MM_WAIT_BLOCK, 1);
    MM_REQUIRE(event != NULL && other != NULL);
    misuse_of(event, other);
    mm_event_free(event);
    mm_event_free(other);
}

int main(int argc, char **argv)
{
    static const mm_test tests[] = {
        MM_TEST(init_refuses_what_it_cannot_use),
        MM_TEST(no_descriptor_to_be_had_is_a_system_error),
        MM_TEST(a_descriptor_is_closed_with_the_event),
        MM_TEST(a_signal_between_prepare_and_wait_ends_the_wait_at_once),
        MM_TEST(a_signal_nobody_announced_for_is_not_kept),
        MM_TEST(cancel_after_a_signal_leaves_the_event_ready_for_the_next_turn),
        MM_TEST(a_wait_without_signal_ends_with_its_time_out),
        MM_TEST(a_thread_that_signals_ends_wait_and_poll),
        MM_TEST(poll_tells_which_descriptors_are_ready),
        MM_TEST(a_late_alarm_is_drained_and_ends_no_wait),
        MM_TEST(no_system_call_is_owed_when_nobody_waits),
        MM_TEST(a_signal_handler_neither_ends_nor_lengthens_a_wait),
        MM_TEST(a_wait_of_centuries_is_a_wait_like_any_other),
#if defined(NDEBUG)
        MM_TEST(a_poll_the_system_refuses_ends_and_is_a_failed_assertion),
#endif
#if defined(MM_EVENT_PORTABLE)
        MM_TEST(without_a_lock_or_a_condition_variable_there_is_no_event),
        MM_TEST(of_two_that_signal_at_once_one_ends_the_announcement_and_the_other_has_nothing_to_do),
#endif
        MM_TEST(misuse_is_caught),
    };
    return mm_test_main(argc, argv, tests, MM_TEST_COUNT(tests));
}
