/* The slab pool against a plain list of what was given out. */
#include "mm_test.h"

#include "mm_internal.h"

#include <errno.h>

static void sizes_that_cannot_be_are_refused(void)
{
    MM_CHECK_INT(mm_pool_bytes(0, 1), ==, 0);
    MM_CHECK_INT(mm_pool_bytes(1, 0), ==, 0);
    MM_CHECK_INT(mm_pool_bytes(1, (size_t)UINT32_MAX), ==, 0);
    MM_CHECK_INT(mm_pool_bytes(SIZE_MAX, 1), ==, 0);
    MM_CHECK_INT(mm_pool_bytes(SIZE_MAX / 2, 1), ==, 0);
    MM_CHECK_INT(mm_pool_bytes(SIZE_MAX / 4, 3), ==, 0);
    MM_CHECK_INT(mm_pool_bytes(SIZE_MAX / 100, 100), ==, 0);
    MM_CHECK_INT(mm_pool_bytes(SIZE_MAX / 2 / 100, 100), ==, 0); /* no room for what a slot has besides */
    MM_CHECK_INT(mm_pool_bytes(SIZE_MAX / 2 / 100 - 64, 100), >, SIZE_MAX / 4);
    MM_CHECK(mm_pool_new(0, 1) == NULL);
    MM_CHECK_INT(mm_pool_bytes(1, (size_t)UINT32_MAX - 1), >, 0);
    MM_CHECK_INT(mm_pool_bytes(100, 7), >=, 7 * 104);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* these end the program */
static void a_pool_that_no_memory_holds_is_null(void)
{
    size_t object_bytes = SIZE_MAX / 8;
    MM_REQUIRE(mm_pool_bytes(object_bytes, 1) > 0);
    MM_CHECK(mm_pool_new(object_bytes, 1) == NULL);
    MM_CHECK_INT(errno, ==, ENOMEM);
}
#endif

static void init_refuses_memory_that_is_short_or_off_the_line(void)
{
    static unsigned char memory[1024] MM_ALIGN_LINE;
    mm_pool *pool = NULL;
    size_t bytes = mm_pool_bytes(40, 5);
    MM_REQUIRE(bytes < sizeof(memory));
    MM_CHECK_INT(mm_pool_init(memory, sizeof(memory), 0, 5, &pool), ==, MM_E_ARGUMENT);
    MM_CHECK_INT(mm_pool_init(memory, bytes - 1, 40, 5, &pool), ==, MM_E_CAPACITY);
    MM_CHECK_INT(mm_pool_init(memory + 8, bytes, 40, 5, &pool), ==, MM_E_CAPACITY);
    MM_CHECK_INT(mm_pool_init(NULL, bytes, 40, 5, &pool), ==, MM_E_CAPACITY);
    MM_CHECK(pool == NULL);
    memset(memory, 0xFF, sizeof(memory));
    MM_CHECK_INT(mm_pool_init(memory, bytes, 40, 5, &pool), ==, MM_OK);
    MM_REQUIRE(pool != NULL);
    MM_CHECK_INT(mm_pool_capacity(pool), ==, 5);
    MM_CHECK_INT(mm_pool_used(pool), ==, 0);
    MM_CHECK(mm_pool_valid(pool));
    MM_CHECK_INT(memory[bytes], ==, 0xFF);
}

static void objects_are_aligned_apart_and_inside_the_memory(void)
{
    const size_t sizes[] = {1, 7, 8, 9, 63, 64, 65, 200};
    for (size_t s = 0; s < MM_ARRAY_COUNT(sizes); s++) {
        enum { CAPACITY = 9 };
        static unsigned char memory[8192] MM_ALIGN_LINE;
        unsigned char *objects[CAPACITY];
        mm_pool *pool = NULL;
        size_t bytes = mm_pool_bytes(sizes[s], CAPACITY);
        MM_REQUIRE(bytes <= sizeof(memory));
        MM_REQUIRE(mm_pool_init(memory, bytes, sizes[s], CAPACITY, &pool) == MM_OK);
        for (int i = 0; i < CAPACITY; i++) {
            mm_handle handle = 0;
            void *object = NULL;
            MM_REQUIRE(mm_pool_take(pool, &handle, &object));
            objects[i] = object;
            MM_CHECK_INT((uintptr_t)object % 8, ==, 0);
            MM_CHECK(objects[i] >= memory && objects[i] + sizes[s] <= memory + bytes);
            for (int other = 0; other < i; other++) {
                ptrdiff_t apart = objects[i] - objects[other];
                MM_CHECK_INT(apart < 0 ? -apart : apart, >=, (int64_t)sizes[s]);
            }
            memset(object, 0xC0 + i, sizes[s]);
        }
        for (int i = 0; i < CAPACITY; i++) {
            MM_CHECK(objects[i][0] == 0xC0 + i && objects[i][sizes[s] - 1] == 0xC0 + i);
        }
        MM_CHECK(mm_pool_valid(pool));
    }
}

static void an_exhausted_pool_says_so_and_goes_on_after_a_give(void)
{
    mm_handle handles[3];
    mm_handle more = 77;
    void *object = NULL;
    mm_pool *pool = mm_pool_new(16, 3);
    MM_REQUIRE(pool != NULL);
    for (size_t i = 0; i < 3; i++) {
        MM_CHECK(mm_pool_take(pool, &handles[i], &object));
        MM_CHECK(handles[i] != 0);
    }
    MM_CHECK(!mm_pool_take(pool, &more, &object));
    MM_CHECK_INT(more, ==, 77);
    MM_CHECK_INT(mm_pool_used(pool), ==, 3);
    MM_CHECK(mm_pool_valid(pool));
    void *second = mm_pool_at(pool, handles[1]);
    MM_CHECK(mm_pool_give(pool, handles[1]));
    MM_CHECK(mm_pool_take(pool, &more, &object));
    MM_CHECK(object == second); /* last given, first taken */
    MM_CHECK(more != handles[1]);
    mm_pool_free(pool);
}

static void a_stale_handle_is_recognised(void)
{
    mm_handle old;
    mm_handle young;
    void *object;
    mm_pool *pool = mm_pool_new(8, 2);
    MM_REQUIRE(pool != NULL);
    MM_REQUIRE(mm_pool_take(pool, &old, &object));
    MM_CHECK(mm_pool_at(pool, old) == object);
    MM_CHECK(mm_pool_give(pool, old));
    MM_CHECK(!mm_pool_give(pool, old)); /* twice, slot free */
    MM_CHECK(mm_pool_at(pool, old) == NULL);
    MM_CHECK_INT(mm_pool_used(pool), ==, 0);
    MM_REQUIRE(mm_pool_take(pool, &young, &object));
    MM_CHECK(!mm_pool_give(pool, old)); /* twice, slot taken again */
    MM_CHECK(mm_pool_at(pool, old) == NULL);
    MM_CHECK(mm_pool_at(pool, young) == object);
    MM_CHECK_INT(mm_pool_used(pool), ==, 1);
    MM_CHECK(mm_pool_valid(pool));
    mm_pool_free(pool);
}

static void a_foreign_handle_is_recognised(void)
{
    mm_handle here;
    mm_handle there;
    void *object;
    mm_pool *pool = mm_pool_new(8, 4);
    mm_pool *other = mm_pool_new(16, 4);
    MM_REQUIRE(pool != NULL && other != NULL);
    MM_REQUIRE(mm_pool_take(pool, &here, &object) && mm_pool_take(other, &there, &object));
    const mm_handle foreign[] = {
        0,
        there,
        here + 1,                  /* a slot never taken */
        here + 4,                  /* beyond the last slot */
        here - 1,                  /* no slot at all */
        here | UINT32_MAX,         /* the largest index */
        here ^ (mm_handle)1 << 32, /* a number no taking has */
        here ^ (mm_handle)1 << 63,
        UINT64_MAX,
    };
    for (size_t i = 0; i < MM_ARRAY_COUNT(foreign); i++) {
        MM_CHECK(mm_pool_at(pool, foreign[i]) == NULL);
        MM_CHECK(!mm_pool_give(pool, foreign[i]));
    }
    /* What a free slot holds must not open it. */
    MM_CHECK(mm_pool_at(pool, 2) == NULL);
    MM_CHECK(!mm_pool_give(pool, 2));
    MM_CHECK_INT(mm_pool_used(pool), ==, 1);
    MM_CHECK(mm_pool_valid(pool));
    mm_pool_free(pool);
    mm_pool_free(other);
}

static void the_same_calls_give_the_same_handles(void)
{
    mm_handle first;
    mm_handle second;
    void *object;
    mm_pool *pool = mm_pool_new(24, 4);
    mm_pool *twin = mm_pool_new(24, 4);
    MM_REQUIRE(pool != NULL && twin != NULL);
    for (int i = 0; i < 100; i++) {
        MM_REQUIRE(mm_pool_take(pool, &first, &object));
        MM_REQUIRE(mm_pool_take(twin, &second, &object));
        MM_CHECK_UINT(first, ==, second);
        if (mm_pool_used(pool) == 4 || i % 3 == 0) {
            MM_CHECK(mm_pool_give(pool, first) && mm_pool_give(twin, second));
        }
    }
    mm_pool_free(pool);
    mm_pool_free(twin);
}

enum { TWIN_CAPACITY = 33, TWIN_STEPS = 20000 };

static void any_mixture_behaves_like_a_plain_list(void)
{
    mm_handle live[TWIN_CAPACITY];
    mm_handle dead[TWIN_CAPACITY];
    size_t live_count = 0;
    size_t dead_count = 0;
    mm_pool *pool = mm_pool_new(sizeof(mm_handle), TWIN_CAPACITY);
    MM_REQUIRE(pool != NULL);
    for (int step = 0; step < TWIN_STEPS; step++) {
        mm_handle handle = 0;
        void *object = NULL;
        if (mm_test_below(2) == 0) {
            bool taken = mm_pool_take(pool, &handle, &object);
            MM_CHECK(taken == (live_count < TWIN_CAPACITY));
            if (taken) {
                memcpy(object, &handle, sizeof(handle));
                live[live_count++] = handle;
            }
        } else if (live_count > 0) {
            size_t at = mm_test_below(live_count);
            handle = live[at];
            live[at] = live[--live_count];
            MM_CHECK(mm_pool_give(pool, handle));
            dead[dead_count++ % TWIN_CAPACITY] = handle;
        }
        if (live_count > 0) { /* every object still holds what was written into it */
            handle = live[mm_test_below(live_count)];
            object = mm_pool_at(pool, handle);
            MM_CHECK(object != NULL && memcmp(object, &handle, sizeof(handle)) == 0);
        }
        if (dead_count > 0) {
            size_t kept = dead_count < TWIN_CAPACITY ? dead_count : TWIN_CAPACITY;
            handle = dead[mm_test_below(kept)];
            MM_CHECK(mm_pool_at(pool, handle) == NULL && !mm_pool_give(pool, handle));
        }
        MM_CHECK(mm_pool_used(pool) == live_count);
        MM_CHECK(step % 16 != 0 || mm_pool_valid(pool));
    }
    mm_pool_free(pool);
}

/* The invariant function is worth something only if it sees damage. */
static void valid_sees_a_damaged_pool(void)
{
    static uint64_t memory[128] MM_ALIGN_LINE;
    mm_pool *pool = NULL;
    mm_handle handle;
    void *object;
    MM_REQUIRE(mm_pool_init(memory, sizeof(memory), 8, 4, &pool) == MM_OK);
    MM_REQUIRE(mm_pool_take(pool, &handle, &object));
    MM_REQUIRE(mm_pool_valid(pool)); /* slot 0 taken; the stack is 3, 2, 1 */
    mm_handle *const held = &pool->slots[0].handle;
    const mm_handle kept = *held;
    const mm_handle wrong[] = {0, kept ^ (mm_handle)1 << 32, kept + 1}; /* free, a number no taking has, another slot's */
    for (size_t i = 0; i < MM_ARRAY_COUNT(wrong); i++) {
        *held = wrong[i];
        MM_CHECK(!mm_pool_valid(pool));
        *held = kept;
        MM_CHECK(mm_pool_valid(pool));
    }
    const struct {
        size_t at;
        uint32_t index;
    } damages[] = {
        {0, 2}, /* a free slot twice, another never */
        {0, 0}, /* a live slot */
        {2, 4}, /* out of the pool */
        {1, UINT32_MAX},
    };
    for (size_t i = 0; i < MM_ARRAY_COUNT(damages); i++) {
        uint32_t *const entry = &pool->free_bottom[damages[i].at];
        const uint32_t right = *entry;
        *entry = damages[i].index;
        MM_CHECK(!mm_pool_valid(pool));
        *entry = right;
        MM_CHECK(mm_pool_valid(pool));
    }
    pool->free_top += 2; /* more free slots than there are */
    MM_CHECK(!mm_pool_valid(pool));
    pool->free_top -= 2;
    pool->free_top--; /* a free slot that is not in the stack */
    MM_CHECK(!mm_pool_valid(pool));
    pool->free_top++;
    pool->free_end--;
    MM_CHECK(!mm_pool_valid(pool));
    pool->free_end++;
    MM_CHECK(mm_pool_valid(pool));
    pool->slots[1].handle = (mm_handle)1 << 32 | 2; /* a free slot marked live */
    MM_CHECK(!mm_pool_valid(pool));
    /* and what is damaged is not handed out */
    MM_CHECK_PANICS(mm_pool_take(pool, &handle, &object));
}

static void a_pool_of_several_windows_is_looked_at_whole(void)
{
    enum { CAPACITY = 10000 };
    mm_handle handles[3] = {0};
    void *object = NULL;
    mm_pool *pool = mm_pool_new(8, CAPACITY);
    MM_REQUIRE(pool != NULL);
    for (size_t i = 0; i < CAPACITY; i++) {
        MM_REQUIRE(mm_pool_take(pool, &handles[i % 3], &object));
    }
    MM_CHECK(mm_pool_valid(pool));
    for (size_t i = 0; i < 3; i++) {
        MM_CHECK(mm_pool_give(pool, handles[i]));
    }
    MM_CHECK(mm_pool_valid(pool));
    pool->free_bottom[0] = pool->free_bottom[1];
    MM_CHECK(!mm_pool_valid(pool));
    mm_pool_free(pool);
}

#if defined(NDEBUG)
static int panics;

static void count_panic(const char *expression, const char *file, int32_t line)
{
    (void)expression;
    (void)file;
    (void)line;
    panics++;
}

/* A release build goes on after a failed assertion, to get its cancels out. */
static void a_damaged_pool_gives_nothing_out_and_takes_nothing_back(void)
{
    static uint64_t memory[128] MM_ALIGN_LINE;
    mm_pool *pool = NULL;
    mm_handle handle = 0;
    mm_handle more = 0;
    void *object = NULL;
    MM_REQUIRE(mm_pool_init(memory, sizeof(memory), 8, 4, &pool) == MM_OK);
    MM_REQUIRE(mm_pool_take(pool, &handle, &object));
    panics = 0;
    mm_panic_set(count_panic);
    pool->slots[1].handle = (mm_handle)1 << 32 | 2; /* the next free slot marked live */
    MM_CHECK(!mm_pool_take(pool, &more, &object));
    pool->slots[1].handle = 0;
    pool->free_bottom[2] = 4; /* and one that is none */
    MM_CHECK(!mm_pool_take(pool, &more, &object));
    pool->free_bottom[2] = 1;
    pool->free_top++; /* as if all slots were free already */
    MM_CHECK(!mm_pool_give(pool, handle));
    pool->free_top--;
    mm_panic_set(NULL);
    MM_CHECK_INT(panics, ==, 3 * MM_TEST_ASSERTIONS);
    MM_CHECK(mm_pool_valid(pool));
    MM_CHECK_INT(mm_pool_used(pool), ==, 1);
    MM_CHECK(mm_pool_give(pool, handle));
}
#endif

int main(int argc, char **argv)
{
    static const mm_test tests[] = {
        MM_TEST(sizes_that_cannot_be_are_refused),
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
        MM_TEST(a_pool_that_no_memory_holds_is_null),
#endif
        MM_TEST(init_refuses_memory_that_is_short_or_off_the_line),
        MM_TEST(objects_are_aligned_apart_and_inside_the_memory),
        MM_TEST(an_exhausted_pool_says_so_and_goes_on_after_a_give),
        MM_TEST(a_stale_handle_is_recognised),
        MM_TEST(a_foreign_handle_is_recognised),
        MM_TEST(the_same_calls_give_the_same_handles),
        MM_TEST(any_mixture_behaves_like_a_plain_list),
        MM_TEST(valid_sees_a_damaged_pool),
        MM_TEST(a_pool_of_several_windows_is_looked_at_whole),
#if defined(NDEBUG)
        MM_TEST(a_damaged_pool_gives_nothing_out_and_takes_nothing_back),
#endif
    };
    return mm_test_main(argc, argv, tests, MM_TEST_COUNT(tests));
}
