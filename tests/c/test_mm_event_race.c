/* The event count between real threads: a consumer that sleeps without end must be woken for every
 * piece of work. Its waits end by themselves only after LOST_NS, which is counted as a lost
 * wake-up. */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#include "mm_test.h"

#include "mm_internal.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#define LOST_NS INT64_C(20000000000)
enum { GIVERS = 2 };

/* What the threads of one test share. */
typedef struct {
    mm_event *event;
    mm_spsc *rings[GIVERS];
    uint64_t given_each;    /* records each giver pushes */
    uint64_t taken[GIVERS]; /* atomic; the consumer's count, which givers follow */
    int pipe_ends[2];       /* socket in the poll test */
    uint64_t bytes_taken;   /* the consumer's */
    uint64_t lost;          /* waits that nobody ended although something was there */
} scene;

typedef struct {
    scene *all;
    uint32_t index;
} giver;

static void *give(void *context)
{
    giver *self = context;
    scene *all = self->all;
    mm_record record;
    memset(&record, 0, sizeof(record));
    record.count = 1;
    for (uint64_t i = 0; i < all->given_each; i++) {
        record.body.command.value = (int64_t)i;
        while (!mm_spsc_push(all->rings[self->index], &record)) {
            sched_yield();
        }
        mm_event_signal(all->event);
        /* Every few records let the consumer run dry, so that it falls asleep again: after one,
         * after two, ... so that signals meet it at every point of its way there. */
        if (i % 7 < 5) {
            while (mm__load_acquire(&all->taken[self->index]) <= i) {
                sched_yield();
            }
        }
    }
    return NULL;
}

static void *give_bytes(void *context)
{
    scene *all = context;
    for (uint64_t i = 0; i < all->given_each; i++) {
        MM_CHECK(write(all->pipe_ends[1], "x", 1) == 1);
        if (i % 3 == 0) {
            sched_yield();
        }
    }
    return NULL;
}

/* Takes what is there; true if anything was. */
static bool drain(scene *all)
{
    bool any = false;
    for (uint32_t i = 0; i < GIVERS; i++) {
        mm_record record;
        while (mm_spsc_pop(all->rings[i], &record, 1) == 1) {
            uint64_t taken = mm__load_relaxed(&all->taken[i]);
            MM_CHECK(record.body.command.value == (int64_t)taken);
            mm__store_release(&all->taken[i], taken + 1);
            any = true;
        }
    }
    return any;
}

static bool nothing_there(const scene *all)
{
    return mm_spsc_empty(all->rings[0]) && mm_spsc_empty(all->rings[1]);
}

static void drain_bytes(scene *all)
{
    char bytes[64];
    ssize_t got = read(all->pipe_ends[0], bytes, sizeof(bytes));
    all->bytes_taken += got > 0 ? (uint64_t)got : 0;
}

static bool all_taken(const scene *all)
{
    uint64_t bytes = all->pipe_ends[0] >= 0 ? all->given_each : 0;
    return all->taken[0] == all->given_each && all->taken[1] == all->given_each &&
           all->bytes_taken == bytes;
}

/* One turn of the consumer's wait: sleeps in wait, or in poll where there is a pipe. */
static void sleep_once(scene *all, int64_t timeout_ns)
{
    uint32_t key = mm_event_prepare(all->event);
    if (!nothing_there(all)) {
        mm_event_cancel(all->event);
        return;
    }
    if (all->pipe_ends[0] < 0) {
        if (!mm_event_wait(all->event, key, timeout_ns) && timeout_ns == LOST_NS) {
            all->lost++;
        }
        return;
    }
    const int32_t fd = all->pipe_ends[0];
    uint64_t ready = 0;
    bool signalled = mm_event_poll(all->event, key, &fd, 1, 0, timeout_ns, &ready);
    if (ready != 0) {
        drain_bytes(all);
    } else if (!signalled && timeout_ns == LOST_NS) {
        all->lost++;
    }
}

static void consume_all(scene *all, int64_t timeout_ns)
{
    while (!all_taken(all)) {
        if (!drain(all) && !all_taken(all)) {
            sleep_once(all, timeout_ns);
        }
    }
}

static void run_scene(int32_t policy, bool with_pipe, uint64_t given_each, int64_t timeout_ns)
{
    pthread_t threads[GIVERS + 1];
    giver givers[GIVERS];
    scene all = {NULL, {NULL, NULL}, given_each, {0, 0}, {-1, -1}, 0, 0};
    all.event = mm_event_new(policy, with_pipe ? 1 : 0);
    MM_REQUIRE(all.event != NULL);
    if (with_pipe) {
        MM_REQUIRE(pipe(all.pipe_ends) == 0);
        MM_REQUIRE(fcntl(all.pipe_ends[0], F_SETFL, O_NONBLOCK) == 0);
        MM_REQUIRE(pthread_create(&threads[GIVERS], NULL, give_bytes, &all) == 0);
    }
    for (uint32_t i = 0; i < GIVERS; i++) {
        all.rings[i] = mm_spsc_new(8);
        MM_REQUIRE(all.rings[i] != NULL);
    }
    for (uint32_t i = 0; i < GIVERS; i++) {
        givers[i].all = &all;
        givers[i].index = i;
        MM_REQUIRE(pthread_create(&threads[i], NULL, give, &givers[i]) == 0);
    }
    consume_all(&all, timeout_ns);
    MM_CHECK_UINT(all.lost, ==, 0);
    MM_CHECK(all_taken(&all));
    for (uint32_t i = 0; i < GIVERS + (with_pipe ? 1 : 0); i++) {
        MM_CHECK(pthread_join(threads[i], NULL) == 0);
    }
    mm_spsc_free(all.rings[0]);
    mm_spsc_free(all.rings[1]);
    if (with_pipe) {
        MM_CHECK(close(all.pipe_ends[0]) == 0 && close(all.pipe_ends[1]) == 0);
    }
    mm_event_free(all.event);
}

static void no_wake_up_is_lost_by_a_sleeper(void)
{
    run_scene(MM_WAIT_BLOCK, false, 5000, LOST_NS);
}

static void no_wake_up_is_lost_by_a_sleeper_on_descriptors(void)
{
    run_scene(MM_WAIT_BLOCK, true, 3000, LOST_NS);
}

static void no_wake_up_is_lost_by_one_that_yields(void)
{
    run_scene(MM_WAIT_YIELD, false, 1500, LOST_NS);
    run_scene(MM_WAIT_YIELD, true, 1000, LOST_NS);
}

/* Time-outs of a few microseconds end at every point of a signal's way, and the flags must be clean
 * for the next turn each time: the next prepare asserts it. */
static void time_outs_that_meet_signals_leave_the_event_clean(void)
{
    run_scene(MM_WAIT_BLOCK, false, 2000, 1000);
    run_scene(MM_WAIT_BLOCK, true, 2000, 20000);
    run_scene(MM_WAIT_SPIN, false, 300, 1000);
}

/* ---- The window between looking and sleeping, again and again -------------------------------- */

enum { ROUNDS = 60000, SPINS_MAX = 1000 };

typedef struct {
    mm_event *event;
    mm_spsc *ring;
    uint32_t begun[2]; /* atomic: rounds that consumer and giver have entered */
    uint32_t ended[2]; /* atomic: rounds they are through with */
} window;

/* Waits for the other thread, spinning first, so that both leave within nanoseconds. */
static void meet(uint32_t *words, uint32_t self, uint32_t round)
{
    mm__store_release(&words[self], round);
    for (uint32_t spins = 0; mm__load_acquire(&words[1 - self]) < round; spins++) {
        if (spins >= SPINS_MAX) {
            sched_yield();
        }
    }
}

/* A few nanoseconds more or less, so that the rounds try every way the two can meet. */
static void falter(uint32_t round, uint32_t self)
{
    volatile uint32_t turns = (round * UINT32_C(2654435761) >> (8 + 8 * self)) % 128;
    while (turns > 0) {
        turns--;
    }
}

static void *give_in_rounds(void *context)
{
    window *all = context;
    mm_record record;
    memset(&record, 0, sizeof(record));
    record.count = 1;
    for (uint32_t round = 1; round <= ROUNDS; round++) {
        meet(all->begun, 1, round);
        falter(round, 1);
        if (round % 2 == 0) { /* brings the word near, so that the signal below reads it early */
            mm_event_signal(all->event);
        }
        MM_CHECK(mm_spsc_push(all->ring, &record));
        mm_event_signal(all->event);
        meet(all->ended, 1, round);
    }
    return NULL;
}

/* Push and signal on one side, announce and look on the other: at least one must see the other. */
static void either_the_work_is_seen_or_the_signal_comes(void)
{
    pthread_t thread;
    window all = {mm_event_new(MM_WAIT_BLOCK, 0), mm_spsc_new(2), {0, 0}, {0, 0}};
    MM_REQUIRE(all.event != NULL && all.ring != NULL);
    MM_REQUIRE(pthread_create(&thread, NULL, give_in_rounds, &all) == 0);
    for (uint32_t round = 1; round <= ROUNDS; round++) {
        meet(all.begun, 0, round);
        falter(round, 0);
        uint32_t key = mm_event_prepare(all.event);
        bool seen = !mm_spsc_empty(all.ring);
        meet(all.ended, 0, round);
        bool signalled = mm_event_wait(all.event, key, 0);
        MM_CHECK(seen || signalled);
        MM_CHECK(mm_spsc_peek(all.ring) != NULL);
        mm_spsc_release(all.ring);
    }
    MM_CHECK(pthread_join(thread, NULL) == 0);
    mm_spsc_free(all.ring);
    mm_event_free(all.event);
}

int main(int argc, char **argv)
{
    static const mm_test tests[] = {
        MM_TEST(either_the_work_is_seen_or_the_signal_comes),
        MM_TEST(no_wake_up_is_lost_by_a_sleeper),
        MM_TEST(no_wake_up_is_lost_by_a_sleeper_on_descriptors),
        MM_TEST(no_wake_up_is_lost_by_one_that_yields),
        MM_TEST(time_outs_that_meet_signals_leave_the_event_clean),
    };
    return mm_test_main(argc, argv, tests, MM_TEST_COUNT(tests));
}
