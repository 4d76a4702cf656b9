/* The runner of the C tests: one executable per test file, no fork, no allocation.
 *
 *     static void parse_refuses_trailing_garbage(void)
 *     {
 *         int64_t value = 0;
 *         MM_CHECK_INT(mm_parse(&value), <, 0);
 *     }
 *
 *     int main(int argc, char **argv)
 *     {
 *         static const mm_test tests[] = {
 *             MM_TEST(parse_refuses_trailing_garbage),
 *         };
 *         return mm_test_main(argc, argv, tests, MM_TEST_COUNT(tests));
 *     }
 *
 * A test is a function without arguments whose name is the sentence it promises. A failed check
 * prints its place, its text and the values, counts, and lets the test go on; MM_REQUIRE returns
 * from the test instead. Checks may be made from several threads at once.
 *
 * `program PART` runs the tests whose name contains PART, `program --list` names them. Random
 * numbers come from mm_test_random() and its like, seeded anew for each test from its name and the
 * environment variable MM_TEST_SEED (default 1), so that one test alone draws what it draws among
 * all. Under a tool that is many times slower MM_TEST_SHARE=5 makes the longest random walks a fifth
 * as long (mm_test_rounds). */
#ifndef MM_TEST_H
#define MM_TEST_H

#include "mmcore.h"

#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const char *name;
    void (*run)(void);
} mm_test;

#define MM_TEST(function)                                                                          \
    {                                                                                              \
        .name = #function, .run = function                                                         \
    }
#define MM_TEST_COUNT(tests) (sizeof(tests) / sizeof((tests)[0]))

enum { MM_TEST_PRINTS_MAX = 20 }; /* failed checks printed per test; all are counted */

static struct {
    uint64_t checks;
    uint64_t failures;
    uint64_t rng;
    uint64_t panics;
} mm_test_state;

/* ---- Random numbers (the calling thread must be the test's own) ---- */

/* The next 64 random bits (splitmix64). */
static inline uint64_t mm_test_random(void)
{
    uint64_t bits = (mm_test_state.rng += UINT64_C(0x9E3779B97F4A7C15));
    bits = (bits ^ (bits >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    bits = (bits ^ (bits >> 27)) * UINT64_C(0x94D049BB133111EB);
    return bits ^ (bits >> 31);
}

/* A number of [0, bound), bound > 0. Its bias (bound / 2^64) does not matter to a test. */
static inline uint64_t mm_test_below(uint64_t bound)
{
    return mm_test_random() % bound;
}

/* A number of [low, high], low <= high. */
static inline int64_t mm_test_between(int64_t low, int64_t high)
{
    uint64_t span = (uint64_t)high - (uint64_t)low;
    uint64_t step = span == UINT64_MAX ? mm_test_random() : mm_test_below(span + 1);
    return (int64_t)((uint64_t)low + step);
}

/* A number whose count of significant bits is even over 1 to 63, of either sign: small, middling
 * and huge values alike. */
static inline int64_t mm_test_any_magnitude(void)
{
    uint64_t bits = mm_test_random() >> (1 + mm_test_below(63));
    return (mm_test_random() & 1) != 0 ? (int64_t)bits : -(int64_t)bits;
}

/* A double of [0, 1). */
static inline double mm_test_unit(void)
{
    return (double)(mm_test_random() >> 11) * (1.0 / 9007199254740992.0);
}

/* ---- Checks ---- */

/* Count a check; true if it failed and may still be printed. */
static inline bool mm_test_note(bool passed)
{
    __atomic_fetch_add(&mm_test_state.checks, 1, __ATOMIC_RELAXED);
    if (passed) {
        return false;
    }
    return __atomic_fetch_add(&mm_test_state.failures, 1, __ATOMIC_RELAXED) < MM_TEST_PRINTS_MAX;
}

static inline bool mm_test_check(bool passed, const char *file, int line, const char *text)
{
    if (mm_test_note(passed)) {
        printf("    %s:%d: failed: %s\n", file, line, text);
    }
    return passed;
}

static inline bool mm_test_check_i64(bool passed, int64_t actual, int64_t wanted, const char *file,
                                     int line, const char *text)
{
    if (mm_test_note(passed)) {
        printf("    %s:%d: failed: %s: %" PRId64 " against %" PRId64 "\n", file, line, text, actual,
               wanted);
    }
    return passed;
}

static inline bool mm_test_check_u64(bool passed, uint64_t actual, uint64_t wanted,
                                     const char *file, int line, const char *text)
{
    if (mm_test_note(passed)) {
        printf("    %s:%d: failed: %s: %" PRIu64 " against %" PRIu64 "\n", file, line, text, actual,
               wanted);
    }
    return passed;
}

static inline bool mm_test_check_f64(bool passed, double actual, double wanted, const char *file,
                                     int line, const char *text)
{
    if (mm_test_note(passed)) {
        printf("    %s:%d: failed: %s: %.17g against %.17g\n", file, line, text, actual, wanted);
    }
    return passed;
}

static inline bool mm_test_check_text(const char *actual, const char *wanted, const char *file,
                                      int line, const char *text)
{
    bool passed = strcmp(actual, wanted) == 0;
    if (mm_test_note(passed)) {
        printf("    %s:%d: failed: %s: \"%s\" against \"%s\"\n", file, line, text, actual, wanted);
    }
    return passed;
}

static inline bool mm_test_check_bytes(const void *actual, const void *wanted, size_t bytes,
                                       const char *file, int line, const char *text)
{
    const unsigned char *left = actual;
    const unsigned char *right = wanted;
    size_t at = 0;
    while (at < bytes && left[at] == right[at]) {
        at++;
    }
    if (mm_test_note(at == bytes)) {
        printf("    %s:%d: failed: %s: byte %zu is 0x%02x against 0x%02x\n", file, line, text, at,
               left[at], right[at]);
    }
    return at == bytes;
}

/* Each check is an expression that is true if it passed. `relation` is one of == != < <= > >=. */
#define MM_CHECK(condition) mm_test_check((condition), __FILE__, __LINE__, #condition)
#define MM_CHECK_INT(actual, relation, wanted)                                                     \
    mm_test_check_i64((int64_t)(actual)relation(int64_t)(wanted), (int64_t)(actual),               \
                      (int64_t)(wanted), __FILE__, __LINE__, #actual " " #relation " " #wanted)
#define MM_CHECK_UINT(actual, relation, wanted)                                                    \
    mm_test_check_u64((uint64_t)(actual)relation(uint64_t)(wanted), (uint64_t)(actual),            \
                      (uint64_t)(wanted), __FILE__, __LINE__, #actual " " #relation " " #wanted)
#define MM_CHECK_F64(actual, relation, wanted)                                                     \
    mm_test_check_f64((double)(actual)relation(double)(wanted), (double)(actual),                  \
                      (double)(wanted), __FILE__, __LINE__, #actual " " #relation " " #wanted)
#define MM_CHECK_NEAR(actual, wanted, tolerance)                                                   \
    mm_test_check_f64(fabs((double)(actual) - (double)(wanted)) <= (double)(tolerance),            \
                      (double)(actual), (double)(wanted), __FILE__, __LINE__,                      \
                      #actual " within " #tolerance " of " #wanted)
#define MM_CHECK_TEXT(actual, wanted)                                                              \
    mm_test_check_text((actual), (wanted), __FILE__, __LINE__, #actual " is " #wanted)
#define MM_CHECK_BYTES(actual, wanted, bytes)                                                      \
    mm_test_check_bytes((actual), (wanted), (bytes), __FILE__, __LINE__, #actual " is " #wanted)

/* For what the rest of the test stands on: leaves the (void) function when false. */
#define MM_REQUIRE(condition)                                                                      \
    do {                                                                                           \
        if (!MM_CHECK(condition)) {                                                                \
            return;                                                                                \
        }                                                                                          \
    } while (0)

/* ---- Failed assertions of the library ---- */

/* Installed while tests run: a release build, too, must not pass a test in which an assertion
 * failed. */
static inline void mm_test_panic(const char *expression, const char *file, int32_t line)
{
    mm_test_check(false, file, (int)line, expression);
}

static jmp_buf mm_test_panic_jump;

/* Leaves the call whose assertion failed, so that it is tested alike in debug and release builds.
 */
static inline void mm_test_panic_wanted(const char *expression, const char *file, int32_t line)
{
    (void)expression;
    (void)file;
    (void)line;
    longjmp(mm_test_panic_jump, 1);
}

/* Factor of a count of failed assertions: a build that measures coverage has none. */
#if defined(MM_COVERAGE)
enum { MM_TEST_ASSERTIONS = 0 };
#else
enum { MM_TEST_ASSERTIONS = 1 };
#endif

/* The statement must fail an MM_ASSERT, and is left there. One thread only. Without assertions the statement would break
 * what it must not: it is compiled and not run. */
#if defined(MM_COVERAGE)
#define MM_CHECK_PANICS(statement)                                                                 \
    do {                                                                                           \
        volatile bool mm_test_assertions = false;                                                  \
        mm_test_check(!mm_test_assertions, __FILE__, __LINE__, "no assertions: " #statement);      \
        if (mm_test_assertions) {                                                                  \
            statement;                                                                             \
        }                                                                                          \
    } while (0)
#else
#define MM_CHECK_PANICS(statement)                                                                 \
    do {                                                                                           \
        volatile bool mm_test_panicked = true;                                                     \
        mm_panic_set(mm_test_panic_wanted);                                                        \
        if (setjmp(mm_test_panic_jump) == 0) {                                                     \
            statement;                                                                             \
            mm_test_panicked = false;                                                              \
        }                                                                                          \
        mm_panic_set(mm_test_panic);                                                               \
        mm_test_check(mm_test_panicked, __FILE__, __LINE__, "panics: " #statement);                \
    } while (0)
#endif

/* The process is as after a failed assertion from here on: nothing clears its kill word. */
static inline void mm_test_panic_latch(void)
{
    mm_panic_set(mm_test_panic_wanted);
    if (setjmp(mm_test_panic_jump) == 0) {
        mm_panic("wanted", __FILE__, __LINE__);
    }
    mm_panic_set(mm_test_panic);
}

static inline void mm_test_panic_noted(const char *expression, const char *file, int32_t line)
{
    (void)expression;
    (void)file;
    (void)line;
    mm_test_state.panics++;
}

/* For release builds, which go on after a failed assertion: the statement must fail one and come back. */
#define MM_CHECK_SURVIVES(statement)                                                               \
    do {                                                                                           \
        mm_test_state.panics = 0;                                                                  \
        mm_panic_set(mm_test_panic_noted);                                                         \
        (void)(statement);                                                                         \
        mm_panic_set(mm_test_panic);                                                               \
        mm_test_check((mm_test_state.panics != 0) == (MM_TEST_ASSERTIONS != 0), __FILE__,          \
                      __LINE__, "an assertion of: " #statement);                                   \
    } while (0)

/* ---- Runner ---- */

static inline uint64_t mm_test_seed(void)
{
    const char *text = getenv("MM_TEST_SEED");
    return text == NULL ? 1 : strtoull(text, NULL, 10);
}

/* How many rounds of a long random walk to make, at least one. */
static inline int mm_test_rounds(int all)
{
    const char *text = getenv("MM_TEST_SHARE");
    int share = text == NULL ? 1 : (int)strtol(text, NULL, 10);
    return share <= 1 ? all : 1 + (all - 1) / share;
}

/* FNV-1a over the name, mixed with the seed. */
static inline void mm_test_reseed(const char *name, uint64_t seed)
{
    uint64_t hash = UINT64_C(0xCBF29CE484222325);
    for (; *name != '\0'; name++) {
        hash = (hash ^ (unsigned char)*name) * UINT64_C(0x100000001B3);
    }
    mm_test_state.rng = hash ^ (seed * UINT64_C(0xD6E8FEB86659FD93));
}

/* Run the tests that match the command line. Result: exit code, 0 only if at least one test ran,
 * each one made at least one check, and none failed. */
static inline int mm_test_main(int argc, char **argv, const mm_test *tests, size_t test_count)
{
    const char *part = argc > 1 ? argv[1] : "";
    bool list = strcmp(part, "--list") == 0;
    uint64_t seed = mm_test_seed();
    uint64_t checks = 0;
    size_t run_count = 0;
    size_t failed_count = 0;
    for (size_t i = 0; i < test_count; i++) {
        if (list) {
            printf("%s\n", tests[i].name);
        }
        if (list || strstr(tests[i].name, part) == NULL) {
            continue;
        }
        mm_test_reseed(tests[i].name, seed);
        mm_test_state.checks = 0;
        mm_test_state.failures = 0;
        mm_panic_set(mm_test_panic);
        tests[i].run();
        bool failed = mm_test_state.failures != 0 || mm_test_state.checks == 0;
        printf("%s %s (%" PRIu64 " checks", failed ? "FAILED" : "ok    ", tests[i].name,
               mm_test_state.checks);
        printf(failed ? ", %" PRIu64 " failed)\n" : ")\n", mm_test_state.failures);
        fflush(stdout);
        checks += mm_test_state.checks;
        run_count++;
        failed_count += failed ? 1 : 0;
    }
    if (list) {
        return EXIT_SUCCESS;
    }
    printf("%zu tests, %zu failed, %" PRIu64 " checks, seed %" PRIu64 "\n", run_count, failed_count,
           checks, seed);
    return run_count > 0 && failed_count == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif /* MM_TEST_H */
