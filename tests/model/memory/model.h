/* The explorer's side of the atomics shim, and what a scenario is made of.
 *
 * csrc/src/mm_internal.h includes this file when MM_MODEL names it: each atomic access of the library then becomes a
 * call to the explorer (explorer.c), which runs the threads of a scenario as coroutines, one access at a time, through
 * every schedule and every value that the memory model lets a load return. Plain accesses reach the explorer through
 * the calls that -fsanitize=thread puts into the code; it looks for data races among them.
 *
 * The memory model is that of C11 without load buffering, as release/acquire views with fences: a location is a list
 * of messages in modification order; a thread's view says how far it has come in each list, and it may read any
 * message that is not older. A release store carries the view along, an acquire load takes it over. Compare-and-swap
 * and exchange with seq_cst are taken as acq_rel, which allows more than C11 does; full fences are full. */
#ifndef MODEL_H
#define MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Orders as bits. A full fence is the first three; a compare-and-swap that fails acquires by a bit of its own. */
enum { MODEL_RELAXED = 0, MODEL_ACQUIRE = 1, MODEL_RELEASE = 2, MODEL_FULL = 4, MODEL_FAILS_ACQUIRE = 8 };

/* A place in the source that accesses memory atomically. */
typedef struct model_site {
    const char *file;
    const char *function;
    const char *access; /* the shim's name of it: "load_acquire" */
    int line;
    int order;     /* what the source asks for */
    int effective; /* what the explorer gives: less, when the place is being weakened */
} model_site;

model_site *model_site_of(const char *file, int line, const char *function, const char *access, int order);

/* The place of the access; found once for each. */
#define MODEL_SITE(access, order)                                                                                      \
    (__extension__({                                                                                                   \
        static model_site *site__;                                                                                     \
        if (site__ == NULL) {                                                                                          \
            site__ = model_site_of(__FILE__, __LINE__, __func__, access, (order));                                     \
        }                                                                                                              \
        site__;                                                                                                        \
    }))

uint64_t model_load(const void *address, size_t bytes, model_site *site);
void model_store(void *address, size_t bytes, uint64_t value, model_site *site);
uint64_t model_exchange(void *address, size_t bytes, uint64_t value, model_site *site);
bool model_cas(void *address, size_t bytes, uint64_t *expected, uint64_t desired, model_site *site);
void model_fence(model_site *site);

#define MODEL_LOAD(pointer, access, order)                                                                             \
    ((__typeof__(*(pointer) + 0))model_load((pointer), sizeof(*(pointer)), MODEL_SITE(access, order)))
#define MODEL_STORE(pointer, value, access, order)                                                                     \
    model_store((pointer), sizeof(*(pointer)), (uint64_t)(__typeof__(*(pointer) + 0))(value),                          \
                MODEL_SITE(access, order))
#define MODEL_CAS(pointer, expected, desired, access, order)                                                           \
    (__extension__({                                                                                                   \
        uint64_t found__ = *(expected);                                                                                \
        bool swapped__ = model_cas((pointer), sizeof(*(pointer)), &found__,                                            \
                                   (uint64_t)(__typeof__(*(pointer) + 0))(desired), MODEL_SITE(access, order));        \
        *(expected) = (__typeof__(*(pointer) + 0))found__;                                                             \
        swapped__;                                                                                                     \
    }))

#define mm__load_relaxed(pointer) MODEL_LOAD(pointer, "load_relaxed", MODEL_RELAXED)
#define mm__load_acquire(pointer) MODEL_LOAD(pointer, "load_acquire", MODEL_ACQUIRE)
#define mm__store_relaxed(pointer, value) MODEL_STORE(pointer, value, "store_relaxed", MODEL_RELAXED)
#define mm__store_release(pointer, value) MODEL_STORE(pointer, value, "store_release", MODEL_RELEASE)
#define mm__exchange_seq_cst(pointer, value)                                                                           \
    ((__typeof__(*(pointer) + 0))model_exchange((pointer), sizeof(*(pointer)), (uint64_t)(value),                      \
                                                MODEL_SITE("exchange_seq_cst", MODEL_ACQUIRE | MODEL_RELEASE)))
#define mm__cas_relaxed(pointer, expected, desired)                                                                    \
    MODEL_CAS(pointer, expected, desired, "cas_relaxed", MODEL_RELAXED)
#define mm__cas_acquire(pointer, expected, desired)                                                                    \
    MODEL_CAS(pointer, expected, desired, "cas_acquire", MODEL_ACQUIRE)
#define mm__cas_else_acquire(pointer, expected, desired)                                                               \
    MODEL_CAS(pointer, expected, desired, "cas_else_acquire", MODEL_FAILS_ACQUIRE)
#define mm__fence_compiler() ((void)0) /* nothing between threads, and here each access is a call anyway */
#define mm__fence_seq_cst() model_fence(MODEL_SITE("fence_seq_cst", MODEL_ACQUIRE | MODEL_RELEASE | MODEL_FULL))

/* ---- What a scenario uses ---------------------------------------------------------------------------------------- */

enum { MODEL_THREADS_MAX = 4, MODEL_ARGUMENTS = 4 };

typedef struct {
    const char *name; /* what is promised */
    void (*setup)(const int64_t *arguments);
    void (*threads[MODEL_THREADS_MAX])(void); /* NULL after the last */
    void (*finish)(void); /* once nothing can move any more, whether the threads have ended or sleep */
    void (*after)(void);  /* once, when all has been explored; may be NULL */
} model_scenario;

/* One exploration: a scenario with its sizes. `deep` ones are left out of the quick run. */
typedef struct {
    const model_scenario *scenario;
    const char *sizes; /* as printed */
    int64_t arguments[MODEL_ARGUMENTS];
    bool deep;
} model_case;

extern const model_case model_litmus_cases[];
extern const model_case model_spsc_cases[];
extern const model_case model_event_cases[];
extern const model_case model_portable_cases[];
extern const model_case model_role_cases[];

/* Shared memory, cleared and on a cache line of its own; setup only. Ghost memory is the scenario's book-keeping about
 * the run: no thread of the real thing would have it, so nothing is asked of accesses to it. */
void *model_memory(size_t bytes);
void *model_ghost(size_t bytes);
/* How many sleeps may end for no reason, and how many time-outs may come, in one run; setup only. */
void model_disturb(int spurious, int timeouts);

/* The running thread, 0.. */
int model_self(void);
/* finish only: the thread has returned. */
bool model_done(int thread);
/* Ends the exploration: the promise is broken. */
void model_fail(const char *text) __attribute__((noreturn));
#define MODEL_REQUIRE(condition) ((condition) ? (void)0 : model_fail("not so: " #condition))

/* ---- The system, as far as mm_event.c asks for it ----------------------------------------------------------------- */

/* What is assumed of it: FUTEX_WAIT compares with a value that is not older than what a thread that called FUTEX_WAKE
 * before had seen; who reads a descriptor has seen what who wrote to it before had seen; a lock orders as a lock does.
 * Nothing else orders memory here: neither waking nor polling. */
long model_futex_wait(const void *address, uint32_t key, bool timed);
void model_futex_wake(const void *address);
int model_descriptor_new(void);
void model_descriptor_give(int descriptor);
bool model_descriptor_take(int descriptor);
/* Waits until one of the descriptors is readable; bit i of the result = descriptors[i] is. */
uint32_t model_descriptors_wait(const int *descriptors, size_t count, bool sleeps, bool timed);
int64_t model_clock_ns(void);
void model_lock(void *lock);
void model_unlock(void *lock);
void model_condition_wait(void *condition, void *lock, bool timed);
void model_condition_signal(void *condition);

#endif /* MODEL_H */
