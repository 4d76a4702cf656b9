/* The slab pool beside malloc, turn by turn in one process: taking an object and giving it back. */
#include "mm_bench.h"

#include "mmcore.h"

enum { OBJECT_BYTES = 128, CAPACITY = 1024, LIVE = 64 };
#define PAIRS UINT64_C(2000000)

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
    bench_state *state = context;
    mm_handle handle = 0;
    void *object = NULL;
    for (uint64_t i = 0; i < PAIRS; i++) {
        if (!mm_pool_take(state->pool, &handle, &object)) {
            out_of_memory();
        }
        *(volatile uint64_t *)object = i;
        mm_bench_sink(mm_pool_give(state->pool, handle));
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
    for (uint64_t i = 0; i < PAIRS; i++) {
        mm_handle *handle = &state->handles[victims[i % sizeof(victims)]];
        void *object = NULL;
        mm_bench_sink(mm_pool_give(state->pool, *handle));
        if (!mm_pool_take(state->pool, handle, &object)) {
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

static double time_ns(mm_bench_fn body, void *context)
{
    int64_t start_ns = mm_bench_now_ns();
    body(context);
    return (double)(mm_bench_now_ns() - start_ns);
}

static void bench_beside_malloc(const mm_bench *bench, const char *workload, mm_bench_fn pool,
                                mm_bench_fn system, bench_state *state)
{
    mm_bench_samples pools = {0};
    mm_bench_samples systems = {0};
    mm_bench_samples ratios = {0};
    char extra[64];
    if (!mm_bench_wants(bench, "pool_alloc_free")) {
        return;
    }
    for (int rep = 0; rep < bench->reps + MM_BENCH_WARM_UP; rep++) {
        double pool_ns = time_ns(pool, state);
        double system_ns = time_ns(system, state);
        if (rep >= MM_BENCH_WARM_UP) {
            mm_bench_add(&pools, pool_ns, PAIRS);
            mm_bench_add(&systems, system_ns, PAIRS);
            mm_bench_add(&ratios, system_ns / pool_ns, 1);
        }
    }
    snprintf(extra, sizeof(extra), ",\"malloc_ns\":%.3f,\"ratio\":%.3f",
             mm_bench_quantile(&systems, 0.5), mm_bench_quantile(&ratios, 0.5));
    mm_bench_emit("pool_alloc_free", workload, &pools, extra);
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
    bench_beside_malloc(&bench, "128B at once", pool_pairs, malloc_pairs, &state);
    bench_beside_malloc(&bench, "128B, one of 64 replaced", pool_replace, malloc_replace, &state);
    for (size_t i = 0; i < LIVE; i++) {
        free(state.objects[i]);
    }
    mm_pool_free(state.pool);
    return 0;
}
