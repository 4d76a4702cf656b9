/* Takes and gives of a pool against a list of who holds what: every handle ever seen may come back, and numbers that never were
 * one. */
#include "mm_fuzz.h"

enum { CAPACITY_MAX = 40, SEEN_MAX = 256 };

typedef struct {
    mm_handle handle;
    void *object;
    uint8_t mark;
    bool live;
} pool_entry;

typedef struct {
    fuzz_input in;
    mm_pool *pool;
    size_t object_bytes;
    size_t capacity;
    pool_entry seen[SEEN_MAX]; /* of the handles given out, the last so many */
    size_t seen_count;
    size_t used;
} pool_run;

static bool is_filled(const uint8_t *object, size_t bytes, uint8_t mark)
{
    bool same = true;
    for (size_t i = 0; i < bytes; i++) {
        same &= object[i] == mark;
    }
    return same;
}

static void do_take(pool_run *run)
{
    mm_handle handle = 0;
    void *object = NULL;
    bool room = run->used < run->capacity;
    FUZZ_EQUAL(mm_pool_take(run->pool, &handle, &object), room);
    if (!room) {
        return;
    }
    FUZZ_CHECK(handle != 0 && object != NULL && (uintptr_t)object % 8 == 0);
    for (size_t i = 0; i < run->seen_count; i++) {
        FUZZ_CHECK(run->seen[i].handle != handle);
        FUZZ_CHECK(!run->seen[i].live || run->seen[i].object != object);
    }
    size_t at = 0;
    while (run->seen_count == SEEN_MAX && run->seen[at].live) {
        at++; /* there are more places than live objects */
    }
    at = run->seen_count < SEEN_MAX ? run->seen_count++ : at;
    pool_entry made = {handle, object, fuzz_u8(&run->in), true};
    run->seen[at] = made;
    memset(object, made.mark, run->object_bytes);
    run->used++;
}

static void do_give(pool_run *run)
{
    if (run->seen_count == 0) {
        return;
    }
    pool_entry *entry = &run->seen[fuzz_below(&run->in, run->seen_count)];
    FUZZ_CHECK(mm_pool_at(run->pool, entry->handle) == (entry->live ? entry->object : NULL));
    FUZZ_EQUAL(mm_pool_give(run->pool, entry->handle), entry->live);
    run->used -= entry->live;
    entry->live = false;
    FUZZ_CHECK(!mm_pool_give(run->pool, entry->handle) && mm_pool_at(run->pool, entry->handle) == NULL);
}

/* A handle with other bits, or any number, is foreign unless it is by chance one that lives. */
static void do_foreign(pool_run *run)
{
    mm_handle handle = (mm_handle)fuzz_i64(&run->in);
    if (run->seen_count > 0 && fuzz_bool(&run->in)) {
        handle = run->seen[fuzz_below(&run->in, run->seen_count)].handle ^ (mm_handle)1 << (fuzz_u8(&run->in) & 63);
    }
    void *wanted = NULL;
    for (size_t i = 0; i < run->seen_count; i++) {
        wanted = run->seen[i].live && run->seen[i].handle == handle ? run->seen[i].object : wanted;
    }
    FUZZ_CHECK(mm_pool_at(run->pool, handle) == wanted);
    FUZZ_CHECK(wanted != NULL || !mm_pool_give(run->pool, handle));
}

static void check_all(const pool_run *run)
{
    FUZZ_EQUAL(mm_pool_used(run->pool), run->used);
    FUZZ_EQUAL(mm_pool_capacity(run->pool), run->capacity);
    FUZZ_CHECK(mm_pool_valid(run->pool));
    for (size_t i = 0; i < run->seen_count; i++) {
        const pool_entry *entry = &run->seen[i];
        FUZZ_CHECK(mm_pool_at(run->pool, entry->handle) == (entry->live ? entry->object : NULL));
        FUZZ_CHECK(!entry->live || is_filled(entry->object, run->object_bytes, entry->mark));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static pool_run run;
    memset(&run, 0, sizeof run);
    run.in.at = data;
    run.in.left = size;
    run.object_bytes = 1 + fuzz_below(&run.in, 100);
    run.capacity = 1 + fuzz_below(&run.in, CAPACITY_MAX);
    size_t bytes = mm_pool_bytes(run.object_bytes, run.capacity);
    void *memory = fuzz_memory(bytes);
    FUZZ_EQUAL(mm_pool_init(memory, bytes, run.object_bytes, run.capacity, &run.pool), MM_OK);
    while (run.in.left > 0) {
        uint8_t what = fuzz_u8(&run.in);
        if (what < 120) {
            do_take(&run);
        } else if (what < 220) {
            do_give(&run);
        } else {
            do_foreign(&run);
        }
        check_all(&run);
    }
    free(memory);
    return 0;
}
