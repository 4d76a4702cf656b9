/* What one update of the book costs at worst, counted: a child makes the updates and is stepped through them an
 * instruction at a time. Full books of 10,000 levels a side; the worst of all updates against the median of ordinary ones.
 * Linux alone lets a process be stepped so; under valgrind, and in builds for sanitizers and coverage, whose instructions would be
 * counted, the updates are made and the book is checked. */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#include "mm_test.h"

#if defined(__has_feature) /* clang's word for what gcc defines */
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif

#if defined(__linux__) && !defined(SANITIZED) && !defined(MM_COVERAGE)
#define COUNTED 1
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

#define TICK INT64_C(1000000)
#define TOUCH INT64_C(6700000)
#define LEVELS 10000
#define UPDATES_MAX 1024
#define WORST_TIMES_MEDIAN 50

/* Shared with the child: which update it makes, and what it found. */
typedef struct {
    volatile uint32_t update; /* number of the one under way, UPDATES_MAX between them */
    volatile uint32_t count;
    volatile uint32_t ordinary_count; /* the first ones */
    volatile uint32_t valid;
} shared;

static shared here;
static shared *board = &here;
static mm_book *book;
#ifdef COUNTED
static bool stepped;
#endif

/* ---- The updates */

/* Level `index` of a side, 0 the best, `step` ticks apart. */
static int64_t price_at(int32_t side, int64_t touch, int64_t index, int64_t step)
{
    return (side == MM_BID ? touch - index * step : touch + 1 + index * step) * TICK;
}

/* One update that is counted. */
static void counted(int32_t side, int64_t price_e8, int64_t qty_e8)
{
    uint32_t number = board->count;
    MM_REQUIRE(number < UPDATES_MAX);
    board->update = number;
    mm_book_set(book, side, price_e8, qty_e8);
    board->update = UPDATES_MAX;
    board->count = number + 1;
}

/* From here to the next stop all is counted, or nothing. */
static void stop(void)
{
#ifdef COUNTED
    if (stepped) {
        raise(SIGSTOP);
    }
#endif
}

static void fill(int64_t step)
{
    mm_book_clear(book);
    for (int32_t side = 0; side < 2; side++) {
        for (int64_t i = 0; i < LEVELS; i++) {
            mm_book_set(book, side, price_at(side, TOUCH, i, step), 5);
        }
    }
}

/* Near the touch: six changes to two deletes and two new levels. */
static void ordinary(void)
{
    for (int i = 0; i < 120; i++) {
        int32_t side = (int32_t)mm_test_below(2);
        int64_t u = (int64_t)mm_test_below(1000);
        int64_t at = u * u / 1000 * u / 10000;
        counted(side, price_at(side, TOUCH, at, 3), mm_test_below(10) < 2 ? 0 : 7);
    }
    board->ordinary_count = board->count;
}

/* Both sides are full: every new level sends the farthest away. */
static void at_capacity(void)
{
    for (int64_t i = 0; i < 20; i++) {
        int32_t side = (int32_t)(i % 2);
        counted(side, price_at(side, TOUCH, 1 + 3 * (i * 370 % 5000), 1) + (i % 3 == 0), 5);
    }
}

/* Everything on one side of the price goes, 30 % away; the window follows, then all the way back. */
static void jump(void)
{
    static const int64_t touches[] = {TOUCH / 10 * 7, TOUCH};
    for (size_t to = 0; to < 2; to++) {
        int64_t from = touches[1 - to];
        for (int64_t i = 0; i < LEVELS; i++) { /* not counted: the window waits for as many as it holds */
            for (int32_t side = 0; side < 2; side++) {
                mm_book_set(book, side, price_at(side, from, i, 3), 0);
                mm_book_set(book, side, price_at(side, touches[to], i, 3), 5);
            }
        }
        stop();
        for (int64_t i = 0; i < 30; i++) {
            int32_t side = (int32_t)(i % 2);
            counted(side, price_at(side, touches[to], i * 31 % LEVELS, 3), i % 5 == 0 ? 0 : 6);
        }
        stop();
    }
}

/* The best goes, and the next stands at the far end of the window or beyond it; then a better one comes. */
static void far_best(void)
{
    for (int64_t i = 0; i < 12; i++) {
        int32_t side = (int32_t)(i % 2);
        counted(side, price_at(side, TOUCH, 0, 1), 0);
        counted(side, price_at(side, TOUCH, 5000 + i * 1900 % 23000, 1), 5);
        counted(side, price_at(side, TOUCH, 5000 + i * 1900 % 23000, 1), 0);
        counted(side, price_at(side, TOUCH, 0, 1), 5);
    }
}

static void all_updates(void)
{
    board->update = UPDATES_MAX;
    fill(3);
    stop();
    ordinary();
    at_capacity();
    stop();
    jump();
    fill(1);
    for (int32_t side = 0; side < 2; side++) {
        for (int64_t i = 1; i < LEVELS; i++) {
            mm_book_set(book, side, price_at(side, TOUCH, i, 1), 0);
        }
        for (int64_t i = 1; i < LEVELS; i++) { /* the tree is as full as it was, all of it off the tick */
            mm_book_set(book, side, price_at(side, TOUCH, 40000 + i, 1) + 1, 5);
        }
    }
    stop();
    far_best();
    stop();
    board->valid = mm_book_valid(book);
}

/* Where nothing can be counted. */
static void only_made(void)
{
    all_updates();
    MM_CHECK(board->valid == 1);
}

#ifdef COUNTED

/* ---- The count */

static uint32_t steps[UPDATES_MAX + 1]; /* the last counts what lies between */

static bool stopped(pid_t pid, int *status)
{
    return waitpid(pid, status, 0) == pid && WIFSTOPPED(*status);
}

/* Lets the child run until it stops itself; false when it has ended. */
static bool run_on(pid_t pid, int *status)
{
    return ptrace(PTRACE_CONT, pid, NULL, NULL) == 0 && stopped(pid, status);
}

static bool step_on(pid_t pid, int *status)
{
    do {
        steps[board->update]++;
        if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) != 0 || !stopped(pid, status)) {
            return false;
        }
    } while (WSTOPSIG(*status) == SIGTRAP);
    return true;
}

static int by_size(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left;
    uint32_t b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

static bool under_valgrind(void)
{
    const char *preload = getenv("LD_PRELOAD");
    return preload != NULL && strstr(preload, "vgpreload") != NULL;
}

static void child(void)
{
    stepped = true;
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) {
        _exit(2);
    }
    all_updates();
    _exit(0);
}

static void make_and_count(void)
{
    if (under_valgrind()) {
        only_made();
        return;
    }
    board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    MM_REQUIRE(board != MAP_FAILED);
    pid_t pid = fork();
    MM_REQUIRE(pid >= 0);
    if (pid == 0) {
        child();
    }
    int status = 0;
    bool alive = stopped(pid, &status);
    while (alive && step_on(pid, &status) && run_on(pid, &status)) {
    }
    MM_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    MM_CHECK(board->valid == 1);
    uint32_t ordinary_count = board->ordinary_count;
    uint32_t count = board->count;
    MM_REQUIRE(ordinary_count > 0 && count > ordinary_count);
    uint32_t worst = 0;
    for (uint32_t i = 0; i < count; i++) {
        worst = steps[i] > worst ? steps[i] : worst;
    }
    qsort(steps, ordinary_count, sizeof steps[0], by_size);
    uint32_t median = steps[ordinary_count / 2];
    printf("       %" PRIu32 " updates: median %" PRIu32 " instructions, worst %" PRIu32 "\n", count, median, worst);
    MM_CHECK_UINT(median, >, 10);
    MM_CHECK_UINT(worst, <=, (uint64_t)median * WORST_TIMES_MEDIAN);
    munmap(board, sizeof *board);
}

#endif

static void no_update_costs_fifty_times_the_median(void)
{
    book = mm_book_new(LEVELS, TICK);
    MM_REQUIRE(book != NULL);
#ifdef COUNTED
    make_and_count();
#else
    only_made();
#endif
    mm_book_free(book);
}

int main(int argc, char **argv)
{
    static const mm_test tests[] = {
        MM_TEST(no_update_costs_fifty_times_the_median),
    };
    return mm_test_main(argc, argv, tests, MM_TEST_COUNT(tests));
}
