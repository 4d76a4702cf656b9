/* The event count's promises, over every run of a consumer and those who give it work: nobody sleeps while work is
 * there, whoever was woken sees what was given, and a wake-up is paid for once. */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#include "model.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* ---- The system's calls of mm_event.c, answered by the explorer --------------------------------------------------- */

typedef struct {
    int64_t taken;     /* events by the consumer */
    int64_t announced; /* waits begun */
    int64_t woken;     /* wake-ups paid for */
    int64_t heard;     /* input from the socket */
} ghost;

static ghost *run;

static int descriptors_wait(struct pollfd *entries, size_t count, bool sleeps, bool has_limit)
{
    int descriptors[4];
    int found = 0;
    for (size_t i = 0; i < count; i++) {
        descriptors[i] = entries[i].fd;
    }
    uint32_t ready = model_descriptors_wait(descriptors, count, sleeps, has_limit);
    for (size_t i = 0; i < count; i++) {
        entries[i].revents = (short)((ready >> i & 1) != 0 ? POLLIN : 0);
        found += (int)(ready >> i & 1);
    }
    if (found == 0 && sleeps && !has_limit) {
        errno = EINTR;
        return -1;
    }
    return found;
}

static ssize_t descriptor_read(int descriptor)
{
    if (model_descriptor_take(descriptor)) {
        return sizeof(uint64_t);
    }
    errno = EAGAIN;
    return -1;
}

static ssize_t descriptor_write(int descriptor)
{
    run->woken++;
    model_descriptor_give(descriptor);
    return sizeof(uint64_t);
}

static int clock_read(struct timespec *now)
{
    int64_t now_ns = model_clock_ns();
    now->tv_sec = (time_t)(now_ns / 1000000000);
    now->tv_nsec = (long)(now_ns % 1000000000);
    return 0;
}

#define clock_gettime(clock, now) ((void)(clock), clock_read(now))
#define sched_yield() ((void)0)
#define close(descriptor) ((void)(descriptor))
#define read(descriptor, buffer, bytes) ((void)(buffer), descriptor_read(descriptor))
#define write(descriptor, buffer, bytes) ((void)(buffer), descriptor_write(descriptor))

#define SPINS_PER_CLOCK 2 /* each number of looks would be a state of its own */

#if defined(MODEL_PORTABLE)

static int pipe_open(int *ends)
{
    ends[0] = model_descriptor_new();
    ends[1] = ends[0];
    return 0;
}

#define pipe(ends) pipe_open(ends)
#define fcntl(descriptor, command, flags) 0
#define poll(entries, count, limit) descriptors_wait(entries, count, (limit) != 0, (limit) > 0)
#define pthread_mutex_init(lock, attributes) 0
#define pthread_mutex_destroy(lock) ((void)(lock))
#define pthread_cond_init(condition, attributes) 0
#define pthread_cond_destroy(condition) ((void)(condition))
#define pthread_mutex_lock(lock) model_lock(lock)
#define pthread_mutex_unlock(lock) model_unlock(lock)
#define pthread_cond_wait(condition, lock) model_condition_wait(condition, lock, false)
#define pthread_cond_timedwait(condition, lock, until) ((void)(until), model_condition_wait(condition, lock, true))
#define pthread_cond_signal(condition) (run->woken++, model_condition_signal(condition))
#include "../../c/mm_event_portable.h"

#else

static bool timed(const struct timespec *limit)
{
    return limit != NULL;
}

static long futex(uint32_t *word, int what, uint32_t value, const struct timespec *limit)
{
    if (what == FUTEX_WAKE_PRIVATE) {
        run->woken++;
        model_futex_wake(word);
        return 0;
    }
    return model_futex_wait(word, value, timed(limit));
}

#define syscall(number, word, what, value, limit, second, mask) futex(word, what, value, limit)
#define eventfd(value, flags) model_descriptor_new()
#define ppoll(entries, count, limit, mask)                                                                             \
    descriptors_wait(entries, count, !timed(limit) || (limit)->tv_sec != 0 || (limit)->tv_nsec != 0, timed(limit))
#if !defined(MM_EVENT_SOURCE)
#define MM_EVENT_SOURCE "mm_event.c"
#endif
#include MM_EVENT_SOURCE

#endif

#undef read
#undef write

#include "check.h"

/* ---- Scenarios --------------------------------------------------------------------------------------------------- */

enum { GIVERS_MAX = 2, ARGUMENT_POLICY = 2, ARGUMENT_DISTURB = 3 };
/* Numbers of announcements begin just below their wrap-around. */
#define FIRST_WORD (~(uint32_t)0 - FLAGS)

typedef struct {
    mm_event *event;
    mm_spsc *rings[GIVERS_MAX]; /* one from each giver */
    int64_t givers;
    int64_t events; /* from each giver */
    int64_t timeout_ns;
    int socket;
    int64_t *note; /* plain: what the one giver leaves before it signals */
} shared;

static shared *all;

static mm_event *event_new(int32_t wait_policy, int32_t with_fd)
{
    mm_event *event = NULL;
    run = model_ghost(sizeof(*run));
    if (mm_event_init(model_memory(mm_event_bytes()), mm_event_bytes(), wait_policy, with_fd, &event) != MM_OK) {
        model_fail("no event count");
    }
    event->word = FIRST_WORD;
    return event;
}

#if !defined(MODEL_PORTABLE)
mm_event *model_event(void)
{
    return event_new(MM_WAIT_BLOCK, 0);
}
#endif

static void begin_with(const int64_t *arguments, int with_fd)
{
    all = model_memory(sizeof(*all));
    all->givers = arguments[0];
    all->events = arguments[1];
    all->timeout_ns = -1;
    all->note = model_memory(sizeof(*all->note));
    for (int64_t i = 0; i < all->givers; i++) {
        all->rings[i] = model_ring(2, 0);
    }
    all->event = event_new((int32_t)arguments[ARGUMENT_POLICY], with_fd);
    all->socket = model_descriptor_new();
    model_disturb((int)arguments[ARGUMENT_DISTURB], 0);
}

static void begin(const int64_t *arguments)
{
    begin_with(arguments, 0);
}

static void begin_polling(const int64_t *arguments)
{
    begin_with(arguments, 1);
}

/* As many time-outs may come as the fourth argument says. */
static void begin_timed(const int64_t *arguments)
{
    begin_with(arguments, 0);
    all->timeout_ns = 1000;
    model_disturb(0, (int)arguments[ARGUMENT_DISTURB]);
}

static void begin_polling_timed(const int64_t *arguments)
{
    begin_with(arguments, 1);
    all->timeout_ns = 1000;
    model_disturb(0, (int)arguments[ARGUMENT_DISTURB]);
}

static void give_from(int64_t giver)
{
    mm_record record;
    memset(&record, 0, sizeof(record));
    record.count = 1;
    for (int64_t event = 0; event < all->events; event++) {
        record.body.numbers[0] = event;
        while (!mm_spsc_push(all->rings[giver], &record)) {
        }
        mm_event_signal(all->event);
    }
}

static void give_first(void)
{
    give_from(0);
}

static void give_second(void)
{
    give_from(1);
}

static void take_all(void)
{
    for (int64_t i = 0; i < all->givers; i++) {
        while (mm_spsc_peek(all->rings[i]) != NULL) {
            mm_spsc_release(all->rings[i]);
            run->taken++;
        }
    }
}

static bool work_waits(void)
{
    for (int64_t i = 0; i < all->givers; i++) {
        if (mm_spsc_peek(all->rings[i]) != NULL) {
            return true;
        }
    }
    return false;
}

static bool all_taken(void)
{
    return run->taken == all->givers * all->events;
}

static void consume_waiting(void)
{
    for (take_all(); !all_taken(); take_all()) {
        uint32_t key = mm_event_prepare(all->event);
        run->announced++;
        if (work_waits()) {
            mm_event_cancel(all->event);
        } else {
            bool signalled = mm_event_wait(all->event, key, all->timeout_ns);
            MODEL_REQUIRE(signalled || all->timeout_ns > 0);
        }
    }
}

/* Its givers' rings and one input of a socket. */
static void consume_polling(void)
{
    for (take_all(); !all_taken() || run->heard == 0; take_all()) {
        const int32_t fds[1] = {all->socket};
        uint64_t ready = 0;
        uint32_t key = mm_event_prepare(all->event);
        run->announced++;
        bool signalled =
            mm_event_poll(all->event, key, fds, 1, 0, work_waits() ? 0 : all->timeout_ns, &ready);
        MODEL_REQUIRE(signalled || ready != 0 || all->timeout_ns > 0 || work_waits());
        if (ready != 0) {
            MODEL_REQUIRE(model_descriptor_take(all->socket));
            run->heard++;
        }
    }
}

static void send_to_socket(void)
{
    model_descriptor_give(all->socket);
}

static void all_is_taken(void)
{
    for (int i = 0; i < 1 + (int)all->givers; i++) {
        MODEL_REQUIRE(model_done(i)); /* the consumer would sleep */
    }
    MODEL_REQUIRE(all_taken() && !work_waits());
    MODEL_REQUIRE(run->woken <= run->announced);
    MODEL_REQUIRE((all->event->word & FLAGS) == 0);
}

static void all_is_taken_and_heard(void)
{
    MODEL_REQUIRE(model_done(0) && model_done(1) && model_done(2));
    MODEL_REQUIRE(run->heard == 1);
    all_is_taken();
}

/* ---- Who was woken has seen what was given ------------------------------------------------------------------------ */

static void leave_note(void)
{
    *all->note = 1;
    mm_event_signal(all->event);
}

static void expect_note(void)
{
    uint32_t key = mm_event_prepare(all->event);
    if (mm_event_wait(all->event, key, all->timeout_ns)) {
        MODEL_REQUIRE(*all->note == 1);
    }
}

static void expect_note_polling(void)
{
    uint64_t ready = 0;
    uint32_t key = mm_event_prepare(all->event);
    if (mm_event_poll(all->event, key, NULL, 0, 0, all->timeout_ns, &ready)) {
        MODEL_REQUIRE(*all->note == 1);
    }
}

/* Asked without sleeping: cancel ends an announcement that a giver may have ended. */
static void look_and_cancel(void)
{
    for (int64_t turn = 0; turn < all->events; turn++) {
        uint32_t key = mm_event_prepare(all->event);
        MODEL_REQUIRE((key & FLAGS) == WAITING);
        mm_event_cancel(all->event);
    }
}

static void signal_often(void)
{
    for (int64_t turn = 0; turn < all->events; turn++) {
        mm_event_signal(all->event);
    }
}

/* The signal may have come before the announcement; then there is nobody to wake it. */
static void giver_is_done(void)
{
    MODEL_REQUIRE(model_done(1));
}

static void announcement_is_over(void)
{
    MODEL_REQUIRE(model_done(0) && model_done(1) && model_done(2));
    MODEL_REQUIRE((all->event->word & FLAGS) == 0);
    MODEL_REQUIRE(all->event->word - FIRST_WORD == NUMBER_ONE * (uint32_t)all->events);
}

static const model_scenario one_giver = {
    "nobody sleeps while work is there", begin, {consume_waiting, give_first}, all_is_taken};
static const model_scenario two_givers = {"nobody sleeps while one of two gave work",
                                          begin,
                                          {consume_waiting, give_first, give_second},
                                          all_is_taken};
static const model_scenario polling = {"nobody sleeps in poll while work or input is there",
                                       begin_polling,
                                       {consume_polling, give_first, send_to_socket},
                                       all_is_taken_and_heard};
static const model_scenario timed_wait = {
    "a time-out loses no work", begin_timed, {consume_waiting, give_first}, all_is_taken};
static const model_scenario timed_poll = {"a time-out in poll loses no work",
                                          begin_polling_timed,
                                          {consume_polling, give_first, send_to_socket},
                                          all_is_taken_and_heard};
static const model_scenario seen = {
    "who was signalled has seen what was given", begin, {expect_note, leave_note}, giver_is_done};
static const model_scenario seen_in_time = {
    "who was signalled in time has seen what was given", begin_timed, {expect_note, leave_note}, giver_is_done};
static const model_scenario seen_polling = {"who was signalled in poll has seen what was given",
                                            begin_polling,
                                            {expect_note_polling, leave_note},
                                            giver_is_done};
static const model_scenario cancelled = {"an announcement ends once, whoever ends it",
                                         begin,
                                         {look_and_cancel, signal_often, signal_often},
                                         announcement_is_over};

/* givers, events of each, policy, disturbances */
#if defined(MODEL_PORTABLE)
const model_case model_portable_cases[] = {
#else
const model_case model_event_cases[] = {
#endif
    {&one_giver, "block, 3 events", {1, 3, MM_WAIT_BLOCK, 0}, false},
    {&one_giver, "block, 2 events, 1 spurious", {1, 2, MM_WAIT_BLOCK, 1}, false},
    {&one_giver, "yield, 3 events", {1, 3, MM_WAIT_YIELD, 0}, false},
    {&one_giver, "spin, 3 events", {1, 3, MM_WAIT_SPIN, 0}, false},
    {&two_givers, "block, 1 event each", {2, 1, MM_WAIT_BLOCK, 0}, false},
    {&one_giver, "block, 5 events", {1, 5, MM_WAIT_BLOCK, 0}, true},
    {&two_givers, "block, 1 event each, 1 spurious", {2, 1, MM_WAIT_BLOCK, 1}, true},
    {&polling, "block, 1 event, 1 input", {1, 1, MM_WAIT_BLOCK, 0}, false},
    {&polling, "block, 2 events, 1 input", {1, 2, MM_WAIT_BLOCK, 0}, false},
    {&polling, "spin, 2 events, 1 input", {1, 2, MM_WAIT_SPIN, 0}, false},
    {&timed_wait, "block, 2 events, 1 time-out", {1, 2, MM_WAIT_BLOCK, 1}, false},
    {&timed_wait, "yield, 2 events, 1 time-out", {1, 2, MM_WAIT_YIELD, 1}, false},
    {&timed_poll, "block, 1 event, 1 input, 1 time-out", {1, 1, MM_WAIT_BLOCK, 1}, false},
    {&seen, "block", {0, 1, MM_WAIT_BLOCK, 0}, false},
    {&seen_in_time, "block, 1 time-out", {0, 1, MM_WAIT_BLOCK, 1}, false},
    {&seen_in_time, "yield, 2 jumps of the clock", {0, 1, MM_WAIT_YIELD, 2}, false},
    {&seen_polling, "block", {0, 1, MM_WAIT_BLOCK, 0}, false},
    {&cancelled, "2 announcements, 2 givers", {0, 2, MM_WAIT_BLOCK, 0}, false},
    {&cancelled, "3 announcements, 2 givers", {0, 3, MM_WAIT_BLOCK, 0}, true},
    {NULL, NULL, {0}, false},
};
