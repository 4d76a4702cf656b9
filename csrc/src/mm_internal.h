/* Shared by the files of csrc/src only; never installed.
 *
 * What stands here has to be the same in every file: compile-time assertions, branch hints, the
 * size that keeps two threads' words apart, and the one spelling of every atomic access. All
 * atomics of the library go through this shim, so that a checker of the memory model can put its own
 * backend beneath the very same sources (tests/model/memory). */
#ifndef MM_INTERNAL_H
#define MM_INTERNAL_H

#include "mmcore.h"

/* Compile-time assertion for C99, at file scope: `name` is a C identifier that states the promise
 * and is unique in its translation unit. A false condition is an array of negative size. */
#define MM_STATIC_ASSERT(condition, name)                                                          \
    typedef char mm__static_assert_##name[(condition) ? 1 : -1]

/* Of a function that says whether the library's own promises hold, and that only assertions and tests call: false
 * only where the library is wrong. A build that measures coverage does not count its branches, as it does not count
 * those of MM_ASSERT. */
#if defined(MM_COVERAGE)
#define MM_INVARIANT __attribute__((no_profile_instrument_function))
#else
#define MM_INVARIANT
#endif

/* So is the input log laid out, and so are records and texts read by words. */
MM_STATIC_ASSERT(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, the_first_byte_of_a_word_is_its_lowest);

/* Branch hints; the value is 0 or 1. */
#define MM_LIKELY(condition) __builtin_expect(!!(condition), 1)
#define MM_UNLIKELY(condition) __builtin_expect(!!(condition), 0)

/* Kept out of its callers, whose good way then saves no registers for it. */
#define MM_NOINLINE __attribute__((noinline))

/* Into each caller, with its constant arguments gone: where the compiler would think the copies too large. A build
 * that measures coverage keeps one function: of a copy whose argument is constant a branch could be taken one way
 * only. */
#if defined(MM_COVERAGE)
#define MM_ALWAYS_INLINE inline
#else
#define MM_ALWAYS_INLINE inline __attribute__((always_inline))
#endif

/* Distance in bytes between words that different threads write. Two lines of 64 bytes, because the
 * adjacent-line prefetcher of x86 moves lines in pairs. */
#define MM_CACHE_PAIR_BYTES 128
#define MM_CACHE_LINE_BYTES 64
#define MM_ALIGN_LINE __attribute__((aligned(MM_CACHE_LINE_BYTES)))
#define MM_ALIGN_PAIR __attribute__((aligned(MM_CACHE_PAIR_BYTES)))

/* Number of elements of an array (not of a pointer). */
#define MM_ARRAY_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Atomic accesses to a naturally aligned integer. The order is part of the name, so that a reader
 * sees at each call what is promised there. */
#if defined(MM_MODEL)
#include MM_MODEL /* a header with the same names: the explorer of tests/model/memory */
#else
#define mm__load_relaxed(pointer) __atomic_load_n((pointer), __ATOMIC_RELAXED)
#define mm__load_acquire(pointer) __atomic_load_n((pointer), __ATOMIC_ACQUIRE)
#define mm__store_relaxed(pointer, value) __atomic_store_n((pointer), (value), __ATOMIC_RELAXED)
#define mm__store_release(pointer, value) __atomic_store_n((pointer), (value), __ATOMIC_RELEASE)
#define mm__exchange_seq_cst(pointer, value)                                                       \
    __atomic_exchange_n((pointer), (value), __ATOMIC_SEQ_CST)

/* Strong compare-and-swap: true when *pointer was *expected and is now desired; otherwise *expected
 * receives what was found. */
#define mm__cas_relaxed(pointer, expected, desired)                                                \
    __atomic_compare_exchange_n((pointer), (expected), (desired), 0, __ATOMIC_RELAXED,             \
                                __ATOMIC_RELAXED)
#define mm__cas_acquire(pointer, expected, desired)                                                \
    __atomic_compare_exchange_n((pointer), (expected), (desired), 0, __ATOMIC_ACQUIRE,             \
                                __ATOMIC_RELAXED)
/* Acquires when it fails. C wants the order of success to be no weaker; nothing here relies on that. */
#define mm__cas_else_acquire(pointer, expected, desired)                                           \
    __atomic_compare_exchange_n((pointer), (expected), (desired), 0, __ATOMIC_ACQUIRE,             \
                                __ATOMIC_ACQUIRE)

/* Full fence: orders an earlier store before a later load (the step "release, then re-check"). */
#define mm__fence_seq_cst() __atomic_thread_fence(__ATOMIC_SEQ_CST)
/* Orders nothing between threads: what stands before it is not merged by the compiler with what stands behind. */
#define mm__fence_compiler() __atomic_signal_fence(__ATOMIC_SEQ_CST)
#endif

/* Tells the processor that this is a spin. */
static inline void mm__pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#else
    mm__fence_seq_cst();
#endif
}

/* Position of the highest set bit, 0..63; value > 0. */
static inline uint32_t mm__bit_highest(uint64_t value)
{
    return (uint32_t)(63 - __builtin_clzll(value));
}

/* How often the grid's step goes into value >= 0. With step <= 2^shift and multiplier the least number over 2^(63 +
 * shift) / step, the excess of the product is under one step's worth for every value below 2^63 (Granlund and
 * Montgomery, 1994). */
static inline int64_t mm__grid_steps(const mm_grid *grid, int64_t value)
{
    __extension__ typedef unsigned __int128 wide;
    uint64_t high = (uint64_t)(((wide)((uint64_t)value << 1) * grid->multiplier) >> 64);
    return (int64_t)(high >> grid->shift);
}

/* The multiple of the step at or under value >= 0. */
static inline int64_t mm__grid_floor(const mm_grid *grid, int64_t value)
{
    return mm__grid_steps(grid, value) * grid->step_e8;
}

/* Whole numbers this small are rounded to the grid by one multiplication in floating point. */
#define MM__GRID_SMALL ((int64_t)1 << 50)

/* The multiple of the step at or under a whole number of 0 to 2 * MM__GRID_SMALL - step, for any step below 2 *
 * MM__GRID_SMALL (a larger one gives 0 for any number up to MM__GRID_SMALL); a number below 0 gives 0 or less. With
 * the rounding of the product the inverse is over 1 / step by at most 2^-51 of it: a multiple never falls under
 * itself, and a number one under a multiple never reaches it. */
static inline int64_t mm__grid_floor_small(const mm_grid *grid, double value)
{
    return (int64_t)((uint64_t)(int64_t)(value * grid->inverse) * (uint64_t)grid->step_e8);
}

/* Times of the monotonic clock and spans between them lie in 0..MM__TIME_MAX_NS (73 years), those of the exchange's
 * clock in 0..MM__EPOCH_MAX_NS (the year 2116), and what one is ahead of the other under that: sums and differences
 * of two or three fit int64. What comes from outside is held to it where it comes in. */
#define MM__TIME_MAX_NS ((int64_t)1 << 61)
#define MM__EPOCH_MAX_NS ((int64_t)1 << 62)

static inline bool mm__is_time(int64_t time_ns)
{
    return time_ns >= 0 && time_ns <= MM__TIME_MAX_NS;
}

static inline bool mm__is_clock_offset(int64_t offset_ns)
{
    return offset_ns > -MM__EPOCH_MAX_NS && offset_ns < MM__EPOCH_MAX_NS;
}

static inline int64_t mm__smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t mm__larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Records that so many levels of one side take. */
static inline size_t mm__level_records(size_t level_count)
{
    return (level_count + MM_LEVELS_PER_RECORD - 1) / MM_LEVELS_PER_RECORD;
}

/* `bytes` and what is missing to the end of its cache line. */
static inline size_t mm__round_line(size_t bytes)
{
    return (bytes + MM_CACHE_LINE_BYTES - 1) / MM_CACHE_LINE_BYTES * MM_CACHE_LINE_BYTES;
}

/* Memory of mm_X_new: aligned to a cache line and cleared; NULL when there is none (errno says so).
 * Nothing but mm_X_new may call it. */
void *mm__memory_new(size_t bytes);
void mm__memory_free(void *memory);

/* True when a caller's block can carry an object of `needed_bytes`: there, on a cache line, long
 * enough. */
static inline bool mm__memory_fits(const void *memory, size_t memory_bytes, size_t needed_bytes)
{
    return memory != NULL && (uintptr_t)memory % MM_CACHE_LINE_BYTES == 0 &&
           memory_bytes >= needed_bytes;
}

/* The symbol whose messages become records; "" = every symbol's. */
const char *mm__feed_symbol(const mm_feed *feed);

#endif /* MM_INTERNAL_H */
