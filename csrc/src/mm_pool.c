/* Slab of equal objects. A slot's generation is odd while its object lives and even while it is
 * free; a handle carries the odd generation it was given out with, so it fits its slot for one life
 * only. Free slots form a list, last given first taken: the next object is the one most likely in
 * cache.
 *
 * Generations and links stand in an array beside the objects, not among them: an overrun of an
 * object cannot forge a handle, and objects of a line's size keep their lines to themselves. */
#include "mm_internal.h"

#include <string.h>

#define OBJECT_ALIGN ((size_t)8)
#define END UINT32_MAX
/* Every index is below END, and index + 1 fits its half of a handle. */
#define CAPACITY_MAX ((size_t)UINT32_MAX - 1)

/* Of one slot, in one word that is read and written at once: generation in the upper half (odd =
 * lives, even = free), in the lower half of a free slot the index of the next free one, END at the
 * last. */
typedef uint64_t slot_state;

struct mm_pool {
    unsigned char *objects;
    slot_state *states;
    size_t stride;       /* bytes from object to object */
    uint32_t free_first; /* END when exhausted */
    uint32_t capacity;
    uint32_t used;
    uint32_t generation_first; /* of a slot never used; even */
};

MM_STATIC_ASSERT(sizeof(mm_pool) <= MM_CACHE_LINE_BYTES, the_heads_of_a_pool_share_a_line);

static slot_state state_of(uint32_t generation, uint32_t next)
{
    return (slot_state)generation << 32 | next;
}

static uint32_t generation_of(slot_state state)
{
    return (uint32_t)(state >> 32);
}

static uint32_t next_of(slot_state state)
{
    return (uint32_t)state;
}

static bool lives(uint32_t generation)
{
    return generation % 2 == 1;
}

/* Bytes of the pool's parts, each rounded up to whole lines; false when they do not fit size_t. */
typedef struct {
    size_t stride;
    size_t objects_bytes;
    size_t states_bytes;
} layout;

static size_t round_up(size_t bytes, size_t unit)
{
    return (bytes + unit - 1) / unit * unit;
}

static bool layout_of(size_t object_bytes, size_t capacity, layout *result)
{
    if (object_bytes == 0 || capacity == 0 || capacity > CAPACITY_MAX) {
        return false;
    }
    /* Half the address space leaves room for rounding up. */
    size_t per_slot_max = SIZE_MAX / 2 / capacity;
    size_t per_slot_extra = OBJECT_ALIGN + sizeof(slot_state);
    if (per_slot_max <= per_slot_extra || object_bytes > per_slot_max - per_slot_extra) {
        return false;
    }
    result->stride = round_up(object_bytes, OBJECT_ALIGN);
    result->objects_bytes = round_up(capacity * result->stride, MM_CACHE_LINE_BYTES);
    result->states_bytes = round_up(capacity * sizeof(slot_state), MM_CACHE_LINE_BYTES);
    return true;
}

/* ---- Life ------------------------------------------------------------------------------------ */

size_t mm_pool_bytes(size_t object_bytes, size_t capacity)
{
    layout parts;
    if (!layout_of(object_bytes, capacity, &parts)) {
        return 0;
    }
    return MM_CACHE_LINE_BYTES + parts.objects_bytes + parts.states_bytes;
}

/* Where a pool's generations begin. It differs from shape to shape, so that a handle of another
 * kind of pool is not taken for one of this; and it depends on nothing but the shape, so that a
 * replay gives out the same handles. */
static uint32_t generation_of_shape(size_t object_bytes, size_t capacity)
{
    uint64_t mixed = (uint64_t)object_bytes * UINT64_C(0x9E3779B97F4A7C15) + (uint64_t)capacity;
    mixed = (mixed ^ (mixed >> 29)) * UINT64_C(0xBF58476D1CE4E5B9);
    return (uint32_t)(mixed >> 32) & ~UINT32_C(1);
}

mm_status mm_pool_init(void *memory, size_t memory_bytes, size_t object_bytes, size_t capacity,
                       mm_pool **pool)
{
    layout parts;
    if (!layout_of(object_bytes, capacity, &parts)) {
        return MM_E_ARGUMENT;
    }
    if (!mm__memory_fits(memory, memory_bytes, mm_pool_bytes(object_bytes, capacity))) {
        return MM_E_CAPACITY;
    }
    mm_pool *made = memory;
    made->states = (slot_state *)((unsigned char *)memory + MM_CACHE_LINE_BYTES);
    made->objects = (unsigned char *)made->states + parts.states_bytes;
    made->stride = parts.stride;
    made->capacity = (uint32_t)capacity;
    made->used = 0;
    made->free_first = 0;
    made->generation_first = generation_of_shape(object_bytes, capacity);
    for (uint32_t i = 0; i < made->capacity; i++) {
        made->states[i] = state_of(made->generation_first, i + 1 < made->capacity ? i + 1 : END);
    }
    *pool = made;
    return MM_OK;
}

mm_pool *mm_pool_new(size_t object_bytes, size_t capacity)
{
    size_t bytes = mm_pool_bytes(object_bytes, capacity);
    void *memory = bytes == 0 ? NULL : mm__memory_new(bytes);
    mm_pool *pool = NULL;
    if (memory != NULL) {
        mm_status status = mm_pool_init(memory, bytes, object_bytes, capacity, &pool);
        MM_ASSERT(status == MM_OK);
    }
    return pool;
}

void mm_pool_free(mm_pool *pool)
{
    mm__memory_free(pool);
}

/* ---- Take, give, look up --------------------------------------------------------------------- */

bool mm_pool_take(mm_pool *pool, mm_handle *handle, void **object)
{
    uint32_t index = pool->free_first;
    if (MM_UNLIKELY(index == END)) {
        MM_ASSERT(pool->used == pool->capacity);
        return false;
    }
    /* Returns after a failed assertion: nothing lives across the call, so the good way saves no
     * registers. The same in give. */
    bool sane = index < pool->capacity && !lives(generation_of(pool->states[index]));
    MM_ASSERT(sane);
    if (MM_UNLIKELY(!sane)) {
        return false;
    }
    slot_state state = pool->states[index];
    uint32_t generation = generation_of(state) + 1;
    pool->states[index] = state_of(generation, END);
    pool->free_first = next_of(state);
    pool->used++;
    *handle = (mm_handle)generation << 32 | (index + 1);
    *object = pool->objects + index * pool->stride;
    return true;
}

/* Index of a live handle. */
static bool index_of(const mm_pool *pool, mm_handle handle, uint32_t *index)
{
    /* For handle 0 the index wraps to the largest number, which no pool holds. */
    *index = (uint32_t)handle - 1;
    uint32_t generation = (uint32_t)(handle >> 32);
    return *index < pool->capacity && generation_of(pool->states[*index]) == generation &&
           lives(generation);
}

bool mm_pool_give(mm_pool *pool, mm_handle handle)
{
    uint32_t index;
    if (MM_UNLIKELY(!index_of(pool, handle, &index))) {
        return false;
    }
    bool sane = pool->used > 0 && pool->free_first != index;
    MM_ASSERT(sane);
    if (MM_UNLIKELY(!sane)) {
        return false;
    }
    pool->states[index] = state_of((uint32_t)(handle >> 32) + 1, pool->free_first);
    pool->free_first = index;
    pool->used--;
    return true;
}

void *mm_pool_at(const mm_pool *pool, mm_handle handle)
{
    uint32_t index;
    return index_of(pool, handle, &index) ? pool->objects + index * pool->stride : NULL;
}

size_t mm_pool_used(const mm_pool *pool)
{
    return pool->used;
}

size_t mm_pool_capacity(const mm_pool *pool)
{
    return pool->capacity;
}

/* The list ends after exactly as many free slots as there are. A list that ends visits no slot
 * twice, so it then holds each of them. */
bool mm_pool_valid(const mm_pool *pool)
{
    uint32_t free_count = 0;
    for (uint32_t i = 0; i < pool->capacity; i++) {
        free_count += !lives(generation_of(pool->states[i]));
    }
    if (pool->used > pool->capacity || free_count != pool->capacity - pool->used) {
        return false;
    }
    uint32_t index = pool->free_first;
    for (uint32_t i = 0; i < free_count; i++) {
        if (index >= pool->capacity || lives(generation_of(pool->states[index]))) {
            return false;
        }
        index = next_of(pool->states[index]);
    }
    return index == END;
}
