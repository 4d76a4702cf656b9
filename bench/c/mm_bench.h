/* The harness of the C benches: one executable per file, figures as JSON lines.
 *
 *   run    : bench_mm_<noun> [--count] [--reps N] [--only TEXT] [--trace NAME=DIR]...
 *   output : one line per figure on stdout, with the members impl, figure, workload, ns, mops,
 *            ns_p10, ns_p90, reps, ops; ns is the median over the repetitions of nanoseconds per
 *            operation, ops the operations of a repetition
 *   --count: each figure's work once, for a tool that counts what mm_bench_body executes
 *
 * Include this file before any other: it asks the system headers for clocks and CPU affinity. */
#ifndef MM_BENCH_H
#define MM_BENCH_H

#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE /* sched_setaffinity */
#endif

#include <inttypes.h>
#include <math.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MM_BENCH_REPS_MAX 1000
#define MM_BENCH_TRACES_MAX 16
/* Repetitions run before the counted ones: caches, branch predictors and page tables fill there. */
#define MM_BENCH_WARM_UP 2
#define MM_BENCH_REPS 15

/* A recorded workload: DIR/NAME.init.bin and DIR/NAME.ops.bin. */
typedef struct mm_bench_trace {
    char name[32];
    const char *dir;
} mm_bench_trace;

typedef struct mm_bench {
    int reps;
    int warm_up;
    const char *only; /* figures whose name contains this; empty = all */
    size_t trace_count;
    mm_bench_trace traces[MM_BENCH_TRACES_MAX];
} mm_bench;

/* Nanoseconds per operation, one value per repetition. */
typedef struct mm_bench_samples {
    size_t count;
    double ns[MM_BENCH_REPS_MAX];
} mm_bench_samples;

/* Does a figure's work once; `context` is the bench's own. */
typedef void (*mm_bench_fn)(void *context);

/* ---- Command line ---------------------------------------------------------------------------- */

static inline void mm_bench_usage(const char *program)
{
    fprintf(stderr, "usage: %s [--count] [--reps 1..%d] [--only TEXT] [--trace NAME=DIR]...\n", program,
            MM_BENCH_REPS_MAX);
    exit(2);
}

static inline bool mm_bench_trace_add(mm_bench *bench, const char *text)
{
    const char *equals = strchr(text, '=');
    size_t name_bytes = equals == NULL ? 0 : (size_t)(equals - text);
    if (name_bytes == 0 || name_bytes >= sizeof(bench->traces[0].name) ||
        bench->trace_count == MM_BENCH_TRACES_MAX) {
        return false;
    }
    mm_bench_trace *trace = &bench->traces[bench->trace_count++];
    memcpy(trace->name, text, name_bytes);
    trace->dir = equals + 1;
    return true;
}

/* Options of the command line; anything else ends the program with 2. */
static inline mm_bench mm_bench_options(int argc, char **argv)
{
    mm_bench bench = {MM_BENCH_REPS, MM_BENCH_WARM_UP, "", 0, {{"", NULL}}};
    int first = 1;
    if (argc > 1 && strcmp(argv[1], "--count") == 0) {
        bench.reps = 1;
        bench.warm_up = 0;
        first = 2;
    }
    for (int i = first; i < argc; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        bool good = false;
        if (value != NULL && strcmp(argv[i], "--reps") == 0) {
            bench.reps = atoi(value);
            good = bench.reps >= 1 && bench.reps <= MM_BENCH_REPS_MAX;
        } else if (value != NULL && strcmp(argv[i], "--only") == 0) {
            bench.only = value;
            good = true;
        } else if (value != NULL && strcmp(argv[i], "--trace") == 0) {
            good = mm_bench_trace_add(&bench, value);
        }
        if (!good) {
            mm_bench_usage(argv[0]);
        }
    }
    return bench;
}

static inline bool mm_bench_wants(const mm_bench *bench, const char *figure)
{
    return strstr(figure, bench->only) != NULL;
}

/* ---- Clock, CPU, and what the compiler may not see through ----------------------------------- */

/* A program may time by another clock. */
#if !defined(MM_BENCH_CLOCK)
#define MM_BENCH_CLOCK CLOCK_MONOTONIC
#endif

static inline int64_t mm_bench_now_ns(void)
{
    struct timespec now;
    if (clock_gettime(MM_BENCH_CLOCK, &now) != 0) {
        abort();
    }
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Binds the calling thread to one CPU; false where that cannot be done. */
static inline bool mm_bench_pin(int cpu)
{
#if defined(__linux__)
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    return sched_setaffinity(0, sizeof(set), &set) == 0;
#else
    (void)cpu;
    return false;
#endif
}

static volatile uint64_t mm_bench_sink_word;

/* Makes a result count as used: one store. */
static inline void mm_bench_sink(uint64_t value)
{
    mm_bench_sink_word = value;
}

static inline void mm_bench_sink_double(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    mm_bench_sink_word = bits;
}

/* No instruction, but the compiler reads again after it whatever it knew of memory. */
static inline void mm_bench_barrier(void)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* The same value, of which the compiler knows nothing. */
static inline int64_t mm_bench_hide(int64_t value)
{
    volatile int64_t hidden = value;
    return hidden;
}

/* ---- Samples and their line ------------------------------------------------------------------ */

static inline void mm_bench_add(mm_bench_samples *samples, double elapsed_ns, uint64_t operations)
{
    if (samples->count < MM_BENCH_REPS_MAX) {
        samples->ns[samples->count++] = elapsed_ns / (double)operations;
    }
}

static inline int mm_bench_compare(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;
    return (a > b) - (a < b);
}

/* Nearest-rank quantile as the reference takes it; sorts the samples. */
static inline double mm_bench_quantile(mm_bench_samples *samples, double quantile)
{
    if (samples->count == 0) {
        return 0.0;
    }
    qsort(samples->ns, samples->count, sizeof(samples->ns[0]), mm_bench_compare);
    return samples->ns[(size_t)floor((double)(samples->count - 1) * quantile + 0.5)];
}

/* Does a figure's work once. A function of its own, so that a tool can tell it from all around it. */
__attribute__((noinline)) static void mm_bench_body(mm_bench_fn body, void *context)
{
    body(context);
    mm_bench_barrier();
}

/* Called through this, the compiler makes no copy of it for one bench under another name. */
static void (*volatile mm_bench_do)(mm_bench_fn body, void *context) = mm_bench_body;

/* `extra` is "" or further members, each beginning with a comma. */
static inline void mm_bench_emit(const char *figure, const char *workload,
                                 mm_bench_samples *samples, const char *extra)
{
    double median_ns = mm_bench_quantile(samples, 0.5);
    printf("{\"impl\":\"mmcore\",\"figure\":\"%s\",\"workload\":\"%s\",\"ns\":%.3f,\"mops\":%.2f,"
           "\"ns_p10\":%.3f,\"ns_p90\":%.3f,\"reps\":%zu%s}\n",
           figure, workload, median_ns, median_ns > 0.0 ? 1e3 / median_ns : 0.0,
           mm_bench_quantile(samples, 0.1), mm_bench_quantile(samples, 0.9), samples->count, extra);
    fflush(stdout);
}

/* Measures `body`, which does `operations` operations, and prints its line. `prepare` (may be NULL)
 * runs before each repetition outside the clock. Does nothing when the figure was not asked for. */
static inline void mm_bench_run(const mm_bench *bench, const char *figure, const char *workload,
                                mm_bench_fn prepare, mm_bench_fn body, void *context,
                                uint64_t operations)
{
    mm_bench_samples samples;
    char extra[32];
    samples.count = 0;
    if (!mm_bench_wants(bench, figure)) {
        return;
    }
    for (int rep = 0; rep < bench->reps + bench->warm_up; rep++) {
        if (prepare != NULL) {
            prepare(context);
        }
        int64_t start_ns = mm_bench_now_ns();
        mm_bench_do(body, context);
        int64_t end_ns = mm_bench_now_ns();
        if (rep >= bench->warm_up) {
            mm_bench_add(&samples, (double)(end_ns - start_ns), operations);
        }
    }
    snprintf(extra, sizeof(extra), ",\"ops\":%" PRIu64, operations);
    mm_bench_emit(figure, workload, &samples, extra);
}

#endif /* MM_BENCH_H */
