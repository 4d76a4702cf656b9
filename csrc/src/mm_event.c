/* Event count: a consumer sleeps until somebody gave it work, and nobody who gives work pays for a
 * sleeper that is not there.
 *
 * One word holds all of it: two flags of the consumer's announcement and, above them, a number that
 * grows with every announcement ended.
 *
 *     number | POLLING | WAITING
 *
 *   consumer   prepare: sets WAITING;  full fence;  looks at its rings;  then wait, poll or cancel
 *   giver      push to a ring;  full fence;  reads the word;  WAITING set? clear it and wake
 *
 * No wake-up is lost. The two fences stand in one order. If the consumer's came first, the giver
 * reads the word with WAITING set and wakes. If the giver's came first, the consumer's look comes
 * after the push and finds the work. Sleeping is conditional on the word being unchanged, which the
 * kernel (or the lock) checks in one step with falling asleep.
 *
 * The word changes hands cleanly: while no flag is set only the consumer writes it, while WAITING
 * is set everybody who changes it does so by compare-and-swap, and of all givers one alone clears
 * the flag, so a burst costs one system call. */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE /* ppoll, syscall */
#endif

#include "mm_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Linux has futexes; elsewhere, and where a test asks for it, a lock and a condition variable. */
#if defined(__linux__) && !defined(MM_EVENT_PORTABLE)
#define MM_EVENT_FUTEX
#include <linux/futex.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#else
#include <pthread.h>
#endif

#define WAITING UINT32_C(1) /* announced */
#define POLLING UINT32_C(2) /* asleep on descriptors: wake through ours */
#define FLAGS (WAITING | POLLING)
#define NUMBER_ONE UINT32_C(4)

#define NS_PER_S INT64_C(1000000000)
#define FOREVER_NS INT64_MAX
#define POLL_FDS_MAX 16
/* A spinning consumer looks at the clock every so many looks at the word. */
#if !defined(SPINS_PER_CLOCK)
#define SPINS_PER_CLOCK 64
#endif

struct mm_event {
    uint32_t word; /* atomic; on a line of its own, for every push of any giver reads it */
    char word_pad[MM_CACHE_PAIR_BYTES - sizeof(uint32_t)];
    /* Written by init and close only. */
    int32_t wait_policy;
    int32_t fd_read; /* -1 without; the same as fd_write where eventfd is used */
    int32_t fd_write;
#if !defined(MM_EVENT_FUTEX)
    pthread_mutex_t lock;
    pthread_cond_t changed;
#endif
};

static int64_t clock_ns(clockid_t clock)
{
    struct timespec now = {0, 0};
    int failure = clock_gettime(clock, &now);
    MM_ASSERT(failure == 0);
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

static struct timespec timespec_of(int64_t ns)
{
    struct timespec result;
    memset(&result, 0, sizeof(result));
    result.tv_sec = (time_t)(ns / NS_PER_S);
    result.tv_nsec = (long)(ns % NS_PER_S);
    return result;
}

static int64_t deadline_of(int64_t timeout_ns)
{
    if (timeout_ns < 0) {
        return FOREVER_NS;
    }
    int64_t now_ns = clock_ns(CLOCK_MONOTONIC);
    return timeout_ns < FOREVER_NS - now_ns ? now_ns + timeout_ns : FOREVER_NS;
}

/* Time until the deadline, 0 when it has passed; FOREVER_NS has no end. */
static int64_t remaining_of(int64_t deadline_ns)
{
    if (deadline_ns == FOREVER_NS) {
        return FOREVER_NS;
    }
    int64_t now_ns = clock_ns(CLOCK_MONOTONIC);
    return now_ns < deadline_ns ? deadline_ns - now_ns : 0;
}

/* The word after the announcement `key`, whoever ended it. */
static uint32_t ended(uint32_t key)
{
    return (key & ~FLAGS) + NUMBER_ONE;
}

static bool unchanged(const mm_event *event, uint32_t key)
{
    /* Relaxed: whoever stops here on a change goes on to withdraw, which acquires it. */
    return mm__load_relaxed(&event->word) == key;
}

/* ---- The system's part: sleep while the word is unchanged, and the way out ------------------- */

#if defined(MM_EVENT_FUTEX)

static void sleeper_close(mm_event *event)
{
    (void)event;
}

static void sleep_while_unchanged(mm_event *event, uint32_t key, int64_t deadline_ns)
{
    struct timespec until = timespec_of(deadline_ns);
    const struct timespec *limit = deadline_ns == FOREVER_NS ? NULL : &until;
    while (unchanged(event, key)) {
        /* The bitset form takes a point of the monotonic clock, so a signal handler's interruption
         * does not lengthen the wait. The kernel compares word and key before it sleeps. */
        long result = syscall(SYS_futex, &event->word, FUTEX_WAIT_BITSET_PRIVATE, key, limit, NULL,
                              FUTEX_BITSET_MATCH_ANY);
        if (result != 0 && errno == ETIMEDOUT) {
            return;
        }
        MM_ASSERT(result == 0 || errno == EAGAIN || errno == EINTR);
    }
}

static void wake_sleeper(mm_event *event)
{
    syscall(SYS_futex, &event->word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static mm_status alarm_open(mm_event *event)
{
    event->fd_read = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    event->fd_write = event->fd_read;
    return event->fd_read >= 0 ? MM_OK : MM_E_SYSTEM;
}

static void alarm_close(mm_event *event)
{
    if (event->fd_read >= 0) {
        close(event->fd_read);
    }
    event->fd_read = -1;
}

/* Without a descriptor there is nothing to open. */
static mm_status system_open(mm_event *event, int32_t with_fd)
{
    return with_fd != 0 ? alarm_open(event) : MM_OK;
}

static int poll_until(struct pollfd *entries, size_t entry_count, int64_t remaining_ns)
{
    struct timespec limit = timespec_of(remaining_ns);
    return ppoll(entries, (nfds_t)entry_count, remaining_ns == FOREVER_NS ? NULL : &limit, NULL);
}

#else /* any POSIX system */

static void sleeper_close(mm_event *event)
{
    pthread_cond_destroy(&event->changed);
    pthread_mutex_destroy(&event->lock);
}

static void sleep_while_unchanged(mm_event *event, uint32_t key, int64_t deadline_ns)
{
    pthread_mutex_lock(&event->lock);
    while (unchanged(event, key)) {
        int64_t remaining_ns = remaining_of(deadline_ns);
        if (remaining_ns == 0) {
            break;
        }
        if (remaining_ns == FOREVER_NS) {
            pthread_cond_wait(&event->changed, &event->lock);
            continue;
        }
        /* Condition variables know the wall clock everywhere and the monotonic one only somewhere;
         * the loop goes by the monotonic one, should the other jump. */
        int64_t wall_ns = clock_ns(CLOCK_REALTIME);
        int64_t sum_ns = remaining_ns < INT64_MAX - wall_ns ? wall_ns + remaining_ns : INT64_MAX;
        struct timespec until = timespec_of(sum_ns);
        pthread_cond_timedwait(&event->changed, &event->lock, &until);
    }
    pthread_mutex_unlock(&event->lock);
}

static void wake_sleeper(mm_event *event)
{
    /* Under the lock: the sleeper either has not yet looked at the word, or already sleeps. */
    pthread_mutex_lock(&event->lock);
    pthread_cond_signal(&event->changed);
    pthread_mutex_unlock(&event->lock);
}

static mm_status alarm_open(mm_event *event)
{
    int ends[2];
    if (pipe(ends) != 0) {
        return MM_E_SYSTEM;
    }
    event->fd_read = ends[0];
    event->fd_write = ends[1];
    for (size_t i = 0; i < 2; i++) {
        int unblocked = fcntl(ends[i], F_SETFL, O_NONBLOCK);
        int closed = fcntl(ends[i], F_SETFD, FD_CLOEXEC);
        MM_ASSERT(unblocked == 0 && closed == 0);
    }
    return MM_OK;
}

static void alarm_close(mm_event *event)
{
    if (event->fd_read >= 0) {
        close(event->fd_read);
        close(event->fd_write);
    }
    event->fd_read = -1;
}

/* All of it or nothing. */
static mm_status system_open(mm_event *event, int32_t with_fd)
{
    if (pthread_mutex_init(&event->lock, NULL) != 0) {
        return MM_E_SYSTEM;
    }
    if (pthread_cond_init(&event->changed, NULL) != 0) {
        pthread_mutex_destroy(&event->lock);
        return MM_E_SYSTEM;
    }
    if (with_fd != 0 && alarm_open(event) != MM_OK) {
        sleeper_close(event);
        return MM_E_SYSTEM;
    }
    return MM_OK;
}

static int poll_until(struct pollfd *entries, size_t entry_count, int64_t remaining_ns)
{
    /* Rounded up: a wait ends late rather than spins through its last millisecond. */
    int64_t ms = remaining_ns / 1000000 + (remaining_ns % 1000000 != 0);
    int limit = remaining_ns == FOREVER_NS ? -1 : (ms < 1000000 ? (int)ms : 1000000);
    return poll(entries, (nfds_t)entry_count, limit);
}

#endif

/* Makes the descriptor readable. A full pipe or counter is readable already. */
static void alarm_ring(mm_event *event)
{
    const uint64_t one = 1;
    ssize_t written = write(event->fd_write, &one, sizeof(one));
    MM_ASSERT(written == (ssize_t)sizeof(one) || errno == EAGAIN);
}

/* Bounded: what does not fit the buffer leaves the descriptor readable, and poll comes back. */
static void alarm_drain(mm_event *event)
{
    uint64_t rings[8];
    ssize_t taken = read(event->fd_read, rings, sizeof(rings));
    MM_ASSERT(taken > 0 || errno == EAGAIN || errno == EINTR);
}

/* ---- Life ------------------------------------------------------------------------------------ */

size_t mm_event_bytes(void)
{
    return sizeof(mm_event);
}

mm_status mm_event_init(void *memory, size_t memory_bytes, int32_t wait_policy, int32_t with_fd,
                        mm_event **event)
{
    if (wait_policy < MM_WAIT_BLOCK || wait_policy > MM_WAIT_SPIN) {
        return MM_E_ARGUMENT;
    }
    if (!mm__memory_fits(memory, memory_bytes, sizeof(mm_event))) {
        return MM_E_CAPACITY;
    }
    memset(memory, 0, sizeof(mm_event));
    mm_event *made = memory;
    made->wait_policy = wait_policy;
    made->fd_read = -1;
    made->fd_write = -1;
    if (system_open(made, with_fd) != MM_OK) {
        return MM_E_SYSTEM;
    }
    *event = made;
    return MM_OK;
}

mm_event *mm_event_new(int32_t wait_policy, int32_t with_fd)
{
    void *memory = mm__memory_new(sizeof(mm_event));
    mm_event *event = NULL;
    if (memory != NULL &&
        mm_event_init(memory, sizeof(mm_event), wait_policy, with_fd, &event) != MM_OK) {
        mm__memory_free(memory);
    }
    return event;
}

void mm_event_close(mm_event *event)
{
    MM_ASSERT((mm__load_relaxed(&event->word) & FLAGS) == 0);
    alarm_close(event);
    sleeper_close(event);
}

void mm_event_free(mm_event *event)
{
    if (event != NULL) {
        mm_event_close(event);
        mm__memory_free(event);
    }
}

int32_t mm_event_fd(const mm_event *event)
{
    return event->fd_read;
}

/* ---- Consumer -------------------------------------------------------------------------------- */

uint32_t mm_event_prepare(mm_event *event)
{
    /* Relaxed, and a plain store: with no flag set only this thread writes the word. */
    uint32_t word = mm__load_relaxed(&event->word);
    MM_ASSERT((word & FLAGS) == 0);
    uint32_t key = word | WAITING;
    mm__store_relaxed(&event->word, key);
    /* Full fence: the announcement comes before the look at the rings (proof above). */
    mm__fence_seq_cst();
    return key;
}

/* Ends the announcement. True when a giver had ended it before. */
static bool withdraw(mm_event *event, uint32_t key)
{
    uint32_t found = key;
    /* Acquire where it fails: what the giver did before it signalled is seen. */
    bool withdrawn = mm__cas_else_acquire(&event->word, &found, ended(key));
    MM_ASSERT(withdrawn || found == ended(key)); /* else the key is that of an earlier prepare */
    return !withdrawn;
}

void mm_event_cancel(mm_event *event)
{
    uint32_t word = mm__load_relaxed(&event->word);
    if ((word & FLAGS) != 0) {
        (void)withdraw(event, word);
    }
}

/* For the policies that do not sleep: until the word changes or the deadline passes. */
static void look_while_unchanged(mm_event *event, uint32_t key, int64_t deadline_ns)
{
    for (uint32_t looks = 1; unchanged(event, key); looks = looks % SPINS_PER_CLOCK + 1) {
        if (event->wait_policy == MM_WAIT_YIELD) {
            sched_yield();
        } else if (looks != SPINS_PER_CLOCK) {
            continue;
        }
        if (remaining_of(deadline_ns) == 0) {
            return;
        }
    }
}

bool mm_event_wait(mm_event *event, uint32_t key, int64_t timeout_ns)
{
    MM_ASSERT((key & FLAGS) == WAITING);
    if (timeout_ns != 0 && unchanged(event, key)) {
        int64_t deadline_ns = deadline_of(timeout_ns);
        if (event->wait_policy == MM_WAIT_BLOCK) {
            sleep_while_unchanged(event, key, deadline_ns);
        } else {
            look_while_unchanged(event, key, deadline_ns);
        }
    }
    return withdraw(event, key);
}

/* poll's answer for the caller's descriptors, entries[0] being ours. */
static uint64_t ready_of(const struct pollfd *entries, size_t fd_count)
{
    uint64_t ready = 0;
    for (size_t i = 0; i < fd_count; i++) {
        short got = entries[i + 1].revents;
        if ((got & (POLLIN | POLLERR | POLLHUP | POLLNVAL)) != 0) {
            ready |= UINT64_C(1) << i;
        }
        if ((got & POLLOUT) != 0) {
            ready |= UINT64_C(1) << (32 + i);
        }
    }
    return ready;
}

/* Polls until a descriptor of the caller is ready, the word changes or the deadline passes. The
 * descriptors are looked at once in any case, so that steady signals cannot starve them. */
static uint64_t poll_while_unchanged(mm_event *event, uint32_t key, struct pollfd *entries,
                                     size_t fd_count, int64_t deadline_ns)
{
    bool sleeps = event->wait_policy == MM_WAIT_BLOCK;
    for (;;) {
        int64_t remaining_ns = unchanged(event, key) ? remaining_of(deadline_ns) : 0;
        int count = poll_until(entries, fd_count + 1, sleeps ? remaining_ns : 0);
        bool failed = count < 0 && errno != EINTR;
        MM_ASSERT(!failed);
        uint64_t ready = count > 0 ? ready_of(entries, fd_count) : 0;
        /* Drain first, look at the word afterwards: the ring of a giver whose change of the word is
         * not seen yet cannot be drained with it, for it changes the word before it rings. A ring
         * that comes late, after its announcement was over, costs one turn of this loop. */
        if (count > 0 && (entries[0].revents & POLLIN) != 0) {
            alarm_drain(event);
        }
        if (ready != 0 || remaining_ns == 0 || failed) {
            return ready;
        }
        if (event->wait_policy == MM_WAIT_YIELD) {
            sched_yield();
        }
    }
}

bool mm_event_poll(mm_event *event, uint32_t key, const int32_t *fds, size_t fd_count,
                   uint32_t want_write, int64_t timeout_ns, uint64_t *ready)
{
    struct pollfd entries[1 + POLL_FDS_MAX];
    MM_ASSERT((key & FLAGS) == WAITING);
    MM_ASSERT(fd_count <= POLL_FDS_MAX);
    MM_ASSERT(event->fd_read >= 0);
    size_t count = fd_count <= POLL_FDS_MAX ? fd_count : POLL_FDS_MAX;
    memset(entries, 0, sizeof(entries));
    entries[0].fd = event->fd_read;
    entries[0].events = POLLIN;
    for (size_t i = 0; i < count; i++) {
        bool writes = (want_write >> i & 1) != 0;
        entries[i + 1].fd = fds[i];
        entries[i + 1].events = (short)(writes ? POLLIN | POLLOUT : POLLIN);
    }
    int64_t deadline_ns = timeout_ns == 0 ? 0 : deadline_of(timeout_ns);
    if (event->wait_policy == MM_WAIT_BLOCK && timeout_ns != 0) {
        /* From here on a giver rings the descriptor instead of waking a sleeper of the word. If one
         * has just cleared the flags, the word differs from the new key too. */
        uint32_t found = key;
        (void)mm__cas_relaxed(&event->word, &found, key | POLLING);
        key |= POLLING;
    }
    *ready = poll_while_unchanged(event, key, entries, count, deadline_ns);
    return withdraw(event, key);
}

/* ---- Giver ----------------------------------------------------------------------------------- */

static void wake(mm_event *event, uint32_t word)
{
    if (event->wait_policy != MM_WAIT_BLOCK) {
        return;
    }
    if ((word & POLLING) != 0) {
        alarm_ring(event);
    } else {
        wake_sleeper(event);
    }
}

void mm_event_signal(mm_event *event)
{
    /* Full fence: what the caller gave comes before its look at the word (proof above). */
    mm__fence_seq_cst();
    uint32_t word = mm__load_relaxed(&event->word);
    /* A failed swap means that the consumer or another giver moved on; each announcement allows but
     * a few such moves. */
    while ((word & FLAGS) != 0) {
        /* Relaxed: the fence above is what releases; the consumer that finds the word changed
         * acquires all that was given before it. */
        if (mm__cas_relaxed(&event->word, &word, ended(word))) {
            wake(event, word);
            return;
        }
    }
}
