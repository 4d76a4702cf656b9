/* The slab pool beside malloc, turn by turn in one process: taking an object and giving it back.
 *
 * pool_alloc_free is the pool inlined, as the order table has it; pool_alloc_free_call the pool by library calls. Beside them
 * stand malloc_ns, the same with malloc and free, and two_calls_ns, two calls of functions that do nothing: by calls nothing
 * can take less, whatever it does. */
#include "mm_bench.h"

#include "mmcore.h"

enum { OBJECT_BYTES = 128, CAPACITY = 1024, LIVE = 64 };
/* A repetition ends within a time slice, so that on a busy machine some of them run undisturbed. */
#define PAIRS UINT64_C(200000)

/* Which of the live objects each step replaces: no order that a predictor could learn. */
static uint8_t victims[4096];

typedef struct {
    mm_pool *pool;
    mm_handle handles[LIVE];
    void *objects[LIVE];
} bench_state;

static void victims_fill(void)
{
    uint64_t state = UINT64_C(0x9E3779B97F4A7C15);
    for (size_t i = 0; i < sizeof(victims); i++) {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        victims[i] = (uint8_t)(state * UINT64_C(0x2545F4914F6CDD1D) >> 58);
    }
}

static void out_of_memory(void)
{
    fprintf(stderr, "bench_mm_pool: no memory\n");
    exit(1);
}

static void pool_pairs(void *context)
{
    mm_pool *pool = ((bench_state *)context)->pool;
    mm_handle handle = 0;
    void *object = NULL;
    for (uint64_t i = 0; i < PAIRS; i++) {
        if (!mm_pool_take_inlined(pool, &handle, &object)) {
            out_of_memory();
        }
        *(volatile uint64_t *)object = i;
        mm_bench_sink(mm_pool_give_inlined(pool, handle));
    }
}

static void pool_pairs_call(void *context)
{
    mm_pool *pool = ((bench_state *)context)->pool;
    mm_handle handle = 0;
    void *object = NULL;
    for (uint64_t i = 0; i < PAIRS; i++) {
        if (!mm_pool_take(pool, &handle, &object)) {
            out_of_memory();
        }
        *(volatile uint64_t *)object = i;
        mm_bench_sink(mm_pool_give(pool, handle));
    }
}

static void malloc_pairs(void *context)
{
    (void)context;
    for (uint64_t i = 0; i < PAIRS; i++) {
        uint64_t *object = malloc(OBJECT_BYTES);
        if (object == NULL) {
            out_of_memory();
        }
        *(volatile uint64_t *)object = i;
        free(object);
    }
}

static void pool_replace(void *context)
{
    bench_state *state = context;
    mm_pool *pool = state->pool;
    for (uint64_t i = 0; i < PAIRS; i++) {
        mm_handle *handle = &state->handles[victims[i % sizeof(victims)]];
        void *object = NULL;
        mm_bench_sink(mm_pool_give_inlined(pool, *handle));
        if (!mm_pool_take_inlined(pool, handle, &object)) {
            out_of_memory();
        }
        *(volatile uint64_t *)object = i;
    }
}

static void pool_replace_call(void *context)
{
    bench_state *state = context;
    mm_pool *pool = state->pool;
    for (uint64_t i = 0; i < PAIRS; i++) {
        mm_handle *handle = &state->handles[victims[i % sizeof(victims)]];
        void *object = NULL;
        mm_bench_sink(mm_pool_give(pool, *handle));
        if (!mm_pool_take(pool, handle, &object)) {
            out_of_memory();
        }
        *(volatile uint64_t *)object = i;
    }
}

static void malloc_replace(void *context)
{
    bench_state *state = context;
    for (uint64_t i = 0; i < PAIRS; i++) {
        void **object = &state->objects[victims[i % sizeof(victims)]];
        free(*object);
        *object = malloc(OBJECT_BYTES);
        if (*object == NULL) {
            out_of_memory();
        }
        *(volatile uint64_t *)*object = i;
    }
}

static void two_calls(void *context)
{
    (void)context;
    for (uint64_t i = 0; i < PAIRS; i++) {
        mm_bench_sink(mm_abi_version());
        mm_bench_sink(mm_abi_version());
    }
}

static double time_ns(mm_bench_fn body, void *context)
{
    int64_t start_ns = mm_bench_now_ns();
    body(context);
    return (double)(mm_bench_now_ns() - start_ns);
}

enum { WAY_INLINED = 0, WAY_CALL, WAY_MALLOC, WAY_TWO_CALLS, WAY_COUNT };

static void emit(const char *figure, const char *workload, mm_bench_samples *pool, mm_bench_samples *system,
                 mm_bench_samples *calls)
{
    char extra[128];
    mm_bench_samples ratios;
    ratios.count = 0;
    for (size_t rep = 0; rep < pool->count; rep++) { /* before the quantiles below sort them */
        mm_bench_add(&ratios, system->ns[rep] / pool->ns[rep], 1);
    }
    mm_bench_samples systems = *system;
    mm_bench_samples two = *calls;
    snprintf(extra, sizeof(extra), ",\"malloc_ns\":%.3f,\"ratio\":%.3f,\"two_calls_ns\":%.3f",
             mm_bench_quantile(&systems, 0.5), mm_bench_quantile(&ratios, 0.5), mm_bench_quantile(&two, 0.5));
    mm_bench_emit(figure, workload, pool, extra);
}

static void bench_beside_malloc(const mm_bench *bench, const char *workload, const mm_bench_fn ways[WAY_COUNT],
                                bench_state *state)
{
    static mm_bench_samples samples[WAY_COUNT];
    if (!mm_bench_wants(bench, "pool_alloc_free")) {
        return;
    }
    for (size_t way = 0; way < WAY_COUNT; way++) {
        samples[way].count = 0;
    }
    for (int rep = 0; rep < bench->reps + MM_BENCH_WARM_UP; rep++) {
        for (size_t way = 0; way < WAY_COUNT; way++) {
            const double ns = time_ns(ways[way], state);
            if (rep >= MM_BENCH_WARM_UP) {
                mm_bench_add(&samples[way], ns, PAIRS);
            }
        }
    }
    emit("pool_alloc_free", workload, &samples[WAY_INLINED], &samples[WAY_MALLOC], &samples[WAY_TWO_CALLS]);
    emit("pool_alloc_free_call", workload, &samples[WAY_CALL], &samples[WAY_MALLOC], &samples[WAY_TWO_CALLS]);
}

int main(int argc, char **argv)
{
    mm_bench bench = mm_bench_options(argc, argv);
    bench_state state = {mm_pool_new(OBJECT_BYTES, CAPACITY), {0}, {NULL}};
    (void)mm_bench_pin(0);
    victims_fill();
    for (size_t i = 0; i < LIVE; i++) {
        void *object = NULL;
        state.objects[i] = malloc(OBJECT_BYTES);
        if (state.pool == NULL || state.objects[i] == NULL ||
            !mm_pool_take(state.pool, &state.handles[i], &object)) {
            out_of_memory();
        }
    }
    static const mm_bench_fn at_once[WAY_COUNT] = {pool_pairs, pool_pairs_call, malloc_pairs, two_calls};
    static const mm_bench_fn replaced[WAY_COUNT] = {pool_replace, pool_replace_call, malloc_replace, two_calls};
    bench_beside_malloc(&bench, "128B at once", at_once, &state);
    bench_beside_malloc(&bench, "128B, one of 64 replaced", replaced, &state);
    for (size_t i = 0; i < LIVE; i++) {
        free(state.objects[i]);
    }
    mm_pool_free(state.pool);
    return 0;
}
