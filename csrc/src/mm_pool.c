/* Slab of equal objects. Every taking has a number, odd and larger by two than the one before; with the slot's index
 * it makes the object's handle, which stands in the slot while the object lives. So a handle fits its slot for one
 * life only. The indices of the free slots are a stack: the next object is the one given back last, which is most
 * likely in cache.
 *
 * Handles and stack stand beside the objects, not among them: an overrun of an object cannot forge a handle, and
 * objects of a line's size keep their lines to themselves. One number for the whole pool instead of one a slot: a
 * slot's own would have to be read before it could be counted on, so that each taking waited for the giving before
 * it. */
#include "mm_internal.h"

#include <string.h>

#define OBJECT_ALIGN ((size_t)8)
/* Every index + 1 fits its half of a handle, and no index is the one that handle 0 has. */
#define CAPACITY_MAX ((size_t)UINT32_MAX - 1)
#define SLOT_BYTES (sizeof(uint32_t) + sizeof(mm_pool_slot))

MM_STATIC_ASSERT(sizeof(mm_pool) <= MM_CACHE_LINE_BYTES, the_heads_of_a_pool_share_a_line);

/* Bytes of the pool's parts, each rounded up to whole lines; false when they do not fit size_t. */
typedef struct {
    size_t stride;
    size_t objects_bytes;
    size_t slots_bytes;
    size_t free_bytes;
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
    if (object_bytes > per_slot_max || object_bytes + OBJECT_ALIGN + SLOT_BYTES > per_slot_max) {
        return false;
    }
    result->stride = round_up(object_bytes, OBJECT_ALIGN);
    result->objects_bytes = round_up(capacity * result->stride, MM_CACHE_LINE_BYTES);
    result->slots_bytes = round_up(capacity * sizeof(mm_pool_slot), MM_CACHE_LINE_BYTES);
    result->free_bytes = round_up(capacity * sizeof(uint32_t), MM_CACHE_LINE_BYTES);
    return true;
}

/* ---- Life ------------------------------------------------------------------------------------ */

size_t mm_pool_bytes(size_t object_bytes, size_t capacity)
{
    layout parts;
    if (!layout_of(object_bytes, capacity, &parts)) {
        return 0;
    }
    return MM_CACHE_LINE_BYTES + parts.objects_bytes + parts.slots_bytes + parts.free_bytes;
}

/* Where a pool's numbers begin, odd. It differs from shape to shape, so that a handle of another
 * kind of pool is not taken for one of this; and it depends on nothing but the shape, so that a
 * replay gives out the same handles. */
static uint32_t serial_of_shape(size_t object_bytes, size_t capacity)
{
    uint64_t mixed = (uint64_t)object_bytes * UINT64_C(0x9E3779B97F4A7C15) + (uint64_t)capacity;
    mixed = (mixed ^ (mixed >> 29)) * UINT64_C(0xBF58476D1CE4E5B9);
    return (uint32_t)(mixed >> 32) | 1;
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
    unsigned char *at = (unsigned char *)memory + MM_CACHE_LINE_BYTES;
    made->slots = (mm_pool_slot *)at;
    made->free_bottom = (uint32_t *)(at + parts.slots_bytes);
    made->objects = at + parts.slots_bytes + parts.free_bytes;
    made->stride = parts.stride;
    made->capacity = (uint32_t)capacity;
    made->serial = serial_of_shape(object_bytes, capacity);
    for (uint32_t i = 0; i < made->capacity; i++) {
        made->slots[i].handle = 0;
        made->free_bottom[i] = made->capacity - 1 - i;
    }
    made->free_end = made->free_bottom + capacity;
    made->free_top = made->free_end;
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
    return mm_pool_take_inlined(pool, handle, object);
}

bool mm_pool_give(mm_pool *pool, mm_handle handle)
{
    return mm_pool_give_inlined(pool, handle);
}

void *mm_pool_at(const mm_pool *pool, mm_handle handle)
{
    const uint32_t index = (uint32_t)handle - 1;
    const bool lives = index < pool->capacity && pool->slots[index].handle == handle;
    return lives ? pool->objects + index * pool->stride : NULL;
}

static size_t free_count(const mm_pool *pool)
{
    return (size_t)(pool->free_top - pool->free_bottom);
}

size_t mm_pool_used(const mm_pool *pool)
{
    MM_ASSERT(free_count(pool) <= pool->capacity);
    return pool->capacity - free_count(pool);
}

size_t mm_pool_capacity(const mm_pool *pool)
{
    return pool->capacity;
}

/* Slots looked at together: their marks stand on the stack. */
enum { WINDOW_SLOTS = 4096 };

/* Whether the stack holds the free slots of first .. first + WINDOW_SLOTS - 1 once each, and no other of them.
 * *found is increased by their number. */
static bool window_is_whole(const mm_pool *pool, uint32_t first, size_t *found)
{
    uint64_t marks[WINDOW_SLOTS / 64] = {0};
    size_t marked = 0;
    size_t free_slots = 0;
    for (size_t i = 0; i < free_count(pool); i++) {
        const uint32_t at = pool->free_bottom[i] - first;
        if (at < WINDOW_SLOTS && pool->free_bottom[i] < pool->capacity) {
            const uint64_t mark = UINT64_C(1) << (at % 64);
            if ((marks[at / 64] & mark) != 0 || pool->slots[first + at].handle != 0) {
                return false;
            }
            marks[at / 64] |= mark;
            marked++;
        }
    }
    for (uint32_t at = 0; at < WINDOW_SLOTS && at < pool->capacity - first; at++) {
        const mm_handle handle = pool->slots[first + at].handle;
        if (handle != 0 && ((uint32_t)handle != first + at + 1 || (handle >> 32) % 2 == 0)) {
            return false;
        }
        free_slots += handle == 0;
    }
    *found += marked;
    return marked == free_slots;
}

/* Every free slot stands in the stack once, and nothing else does. */
bool mm_pool_valid(const mm_pool *pool)
{
    if (free_count(pool) > pool->capacity || pool->free_end != pool->free_bottom + pool->capacity) {
        return false;
    }
    size_t found = 0;
    for (uint64_t first = 0; first < pool->capacity; first += WINDOW_SLOTS) {
        if (!window_is_whole(pool, (uint32_t)first, &found)) {
            return false;
        }
    }
    return found == free_count(pool);
}
