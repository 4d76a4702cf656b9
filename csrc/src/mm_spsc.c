/* Ring of 64-byte records between one producer and one consumer.
 *
 * Positions are 64-bit counters that only grow: a record's position is the number of records pushed
 * before it, its slot is the position modulo the capacity (a power of two). They do not wrap within
 * the life of a machine, so they are compared as they are.
 *
 * Who writes what, each group on cache lines of its own:
 *   producer   tail, head_seen; the payload of free slots, and their sequence words
 *   consumer   head, peeked
 *
 * A slot says by itself whether it may be read: an event at position p is readable once the
 * sequence word of its first slot is p + 1. So the consumer polls the very line that brings it the
 * payload, and one transfer of a line carries an event of one record across; there is no shared
 * tail to read first. What a slot holds from earlier laps is smaller than p + 1 by at least a whole
 * capacity, and a slot never used holds 0, so nothing stale is ever taken for an event.
 *
 * The consumer gives slots back through `head` alone. The producer keeps the value it saw last and
 * reads the shared one only when that leaves no room, about once per lap when the consumer keeps
 * up. */
#include "mm_internal.h"

#include <string.h>

#define CAPACITY_MIN ((size_t)2)
#define CAPACITY_MAX ((size_t)1 << 24)

#define PAYLOAD_OFFSET offsetof(mm_record, kind)

struct mm_spsc {
    /* Written by init only. */
    mm_record *slots;
    uint64_t mask; /* capacity - 1 */
    char constants_pad[MM_CACHE_PAIR_BYTES - sizeof(mm_record *) - sizeof(uint64_t)];
    /* Written by the producer only; nobody else reads them. */
    uint64_t tail;      /* position of the next push */
    uint64_t head_seen; /* head as last read: never ahead of it */
    char producer_pad[MM_CACHE_PAIR_BYTES - 2 * sizeof(uint64_t)];
    /* Written by the consumer only. */
    uint64_t head;   /* position of the next event; atomic, read by the producer */
    uint64_t peeked; /* records of the event at head, 0 before it was peeked at */
    char consumer_pad[MM_CACHE_PAIR_BYTES - 2 * sizeof(uint64_t)];
};

MM_STATIC_ASSERT(sizeof(mm_record) == MM_CACHE_LINE_BYTES, a_record_is_a_cache_line);
MM_STATIC_ASSERT(PAYLOAD_OFFSET == sizeof(uint64_t), a_payload_is_seven_words);
MM_STATIC_ASSERT(offsetof(mm_record, count) == PAYLOAD_OFFSET + sizeof(uint32_t), kind_and_flags_are_the_lower_half);
MM_STATIC_ASSERT(sizeof(mm_spsc) == 3 * MM_CACHE_PAIR_BYTES, writers_stand_on_lines_of_their_own);

static mm_record *slot_at(const mm_spsc *ring, uint64_t position)
{
    return &ring->slots[position & ring->mask];
}

/* ---- Life ------------------------------------------------------------------------------------ */

size_t mm_spsc_bytes(size_t capacity)
{
    bool power_of_two = (capacity & (capacity - 1)) == 0;
    if (capacity < CAPACITY_MIN || capacity > CAPACITY_MAX || !power_of_two) {
        return 0;
    }
    return sizeof(mm_spsc) + capacity * sizeof(mm_record);
}

mm_status mm_spsc_init(void *memory, size_t memory_bytes, size_t capacity, mm_spsc **ring)
{
    size_t bytes = mm_spsc_bytes(capacity);
    if (bytes == 0) {
        return MM_E_ARGUMENT;
    }
    if (!mm__memory_fits(memory, memory_bytes, bytes)) {
        return MM_E_CAPACITY;
    }
    memset(memory, 0, bytes);
    mm_spsc *made = memory;
    made->slots = (mm_record *)(made + 1);
    made->mask = capacity - 1;
    MM_ASSERT(mm_spsc_valid(made));
    *ring = made;
    return MM_OK;
}

mm_spsc *mm_spsc_new(size_t capacity)
{
    size_t bytes = mm_spsc_bytes(capacity);
    void *memory = bytes == 0 ? NULL : mm__memory_new(bytes);
    mm_spsc *ring = NULL;
    if (memory != NULL) {
        mm_status status = mm_spsc_init(memory, bytes, capacity, &ring);
        MM_ASSERT(status == MM_OK);
    }
    return ring;
}

void mm_spsc_free(mm_spsc *ring)
{
    mm__memory_free(ring);
}

size_t mm_spsc_capacity(const mm_spsc *ring)
{
    return (size_t)ring->mask + 1;
}

/* ---- Words ----------------------------------------------------------------------------------- */

/* Word by word: a record that is pushed has mostly just been written in words, and one that is popped in the thread
 * that pushed it always has; a wider load would have to wait until all of these have left the store buffer. */
static inline uint64_t word_at(const mm_record *record, size_t index)
{
    uint64_t word;
    memcpy(&word, (const unsigned char *)record + index * sizeof(word), sizeof(word));
    return word;
}

static inline void word_put(mm_record *record, size_t index, uint64_t word)
{
    memcpy((unsigned char *)record + index * sizeof(word), &word, sizeof(word));
}

/* kind and flags, as they lie in memory. */
static inline uint32_t kind_and_flags(const mm_record *record)
{
    uint32_t half;
    memcpy(&half, (const unsigned char *)record + offsetof(mm_record, kind), sizeof(half));
    return half;
}

/* The second word of a header, which the caller has mostly written in halves. */
static inline uint64_t header_word(const mm_record *record)
{
    return kind_and_flags(record) | (uint64_t)record->count << 32;
}

/* A record without its sequence word; `second` is the word behind that. */
static inline void copy_payload(mm_record *to, const mm_record *from, uint64_t second)
{
    const uint64_t third = word_at(from, 2);
    word_put(to, 1, second);
    word_put(to, 2, third);
    const uint64_t fourth = word_at(from, 3);
    word_put(to, 3, fourth);
    const uint64_t fifth = word_at(from, 4), sixth = word_at(from, 5);
    word_put(to, 4, fifth);
    word_put(to, 5, sixth);
    const uint64_t seventh = word_at(from, 6), eighth = word_at(from, 7);
    word_put(to, 6, seventh);
    word_put(to, 7, eighth);
}

/* ---- Producer -------------------------------------------------------------------------------- */

/* Free records by what the producer last saw of the consumer: never more than there are. */
static uint64_t room_seen(const mm_spsc *ring)
{
    return ring->mask + 1 - (ring->tail - ring->head_seen);
}

size_t mm_spsc_room(mm_spsc *ring)
{
    /* Acquire: the consumer advances head after its last read of the slots it gives back. What is
     * written into them from here on comes after this load, so it cannot reach a reader of the old
     * event. */
    const uint64_t head = mm__load_acquire(&ring->head);
    MM_ASSERT(head >= ring->head_seen && head <= ring->tail);
    MM_ASSERT(ring->tail - head <= ring->mask + 1);
    ring->head_seen = head;
    return (size_t)room_seen(ring);
}

/* Puts the first record of an event into its slot and publishes all `count`. */
static inline void publish(mm_spsc *ring, uint64_t tail, const mm_record *first, uint64_t count)
{
    mm_record *header = slot_at(ring, tail);
    copy_payload(header, first, header_word(first));
    /* Release: every payload, of the header and of all continuations, was written before this
     * store; a consumer that reads tail + 1 here with acquire sees them whole. Until then it sees
     * an older number and does not look further, so nobody sees half an event. */
    mm__store_release(&header->seq, tail + 1);
    ring->tail = tail + count;
}

static void write_continuations(mm_spsc *ring, uint64_t tail, const mm_record *records, uint64_t count)
{
    for (uint64_t i = 1; i < count; i++) {
        mm_record *slot = slot_at(ring, tail + i);
        copy_payload(slot, &records[i], word_at(&records[i], 1));
        /* Relaxed: nobody waits for this word, the header's alone publishes. It is written so that
         * a caller's leftovers can never be taken for the sequence of a later event. */
        mm__store_relaxed(&slot->seq, tail + i + 1);
    }
}

/* An event of any length, with whatever room there really is. Apart from push, which so needs no stack and saves no
 * registers. */
static MM_NOINLINE bool push_any(mm_spsc *ring, const mm_record *records)
{
    const uint64_t count = records[0].count;
    MM_ASSERT(count >= 1);
    if (MM_UNLIKELY(count < 1) || (count > room_seen(ring) && count > mm_spsc_room(ring))) {
        return false;
    }
    const uint64_t tail = ring->tail;
    write_continuations(ring, tail, records, count);
    publish(ring, tail, records, count);
    return true;
}

bool mm_spsc_push(mm_spsc *ring, const mm_record *records)
{
    const uint64_t tail = ring->tail;
    if (MM_LIKELY(records[0].count == 1 && tail - ring->head_seen <= ring->mask)) {
        publish(ring, tail, records, 1);
        return true;
    }
    return push_any(ring, records);
}

/* ---- Consumer -------------------------------------------------------------------------------- */

/* Header and count of the event at head, NULL when there is none. */
static inline const mm_record *event_at(const mm_spsc *ring, uint64_t head, uint64_t *count)
{
    const mm_record *header = slot_at(ring, head);
    /* Acquire: pairs with the release in push. Any other number is that of an earlier lap. */
    if (mm__load_acquire(&header->seq) != head + 1) {
        return NULL;
    }
    *count = header->count;
    const bool sane = *count - 1 <= ring->mask; /* 1 .. capacity */
    MM_ASSERT(sane);
    return MM_LIKELY(sane) ? header : NULL;
}

/* Release: this store is the producer's licence to overwrite the slots, so every read of them comes before it. */
static inline void give_back(mm_spsc *ring, uint64_t head)
{
    mm__store_release(&ring->head, head);
}

const mm_record *mm_spsc_peek(mm_spsc *ring)
{
    /* Relaxed: only this thread writes head. */
    uint64_t count;
    const mm_record *header = event_at(ring, mm__load_relaxed(&ring->head), &count);
    if (header != NULL) {
        ring->peeked = count;
    }
    return header;
}

const mm_record *mm_spsc_at(mm_spsc *ring, size_t index)
{
    MM_ASSERT(index < ring->peeked);
    /* Needs no acquire of its own: the one in peek covers the whole event. */
    return slot_at(ring, mm__load_relaxed(&ring->head) + index);
}

void mm_spsc_release(mm_spsc *ring)
{
    const uint64_t peeked = ring->peeked;
    MM_ASSERT(peeked >= 1);
    if (MM_UNLIKELY(peeked < 1)) {
        return;
    }
    ring->peeked = 0;
    give_back(ring, mm__load_relaxed(&ring->head) + peeked);
}

/* The event of `count` records at head, which is there; apart from pop for push_any's reason. */
static MM_NOINLINE size_t pop_any(mm_spsc *ring, uint64_t head, uint64_t count, mm_record *out, size_t out_capacity)
{
    MM_ASSERT(count >= 1 && count <= ring->mask + 1);
    if (count > out_capacity) {
        return 0;
    }
    for (uint64_t i = 0; i < count; i++) {
        out[i].seq = head + i + 1;
        const mm_record *slot = slot_at(ring, head + i);
        copy_payload(&out[i], slot, word_at(slot, 1));
    }
    ring->peeked = 0;
    give_back(ring, head + count);
    return (size_t)count;
}

size_t mm_spsc_pop(mm_spsc *ring, mm_record *out, size_t out_capacity)
{
    const uint64_t head = mm__load_relaxed(&ring->head);
    uint64_t count;
    const mm_record *header = event_at(ring, head, &count);
    if (header == NULL) {
        return 0;
    }
    if (MM_UNLIKELY(count != 1 || out_capacity < 1)) {
        return pop_any(ring, head, count, out, out_capacity);
    }
    out->seq = head + 1;
    copy_payload(out, header, word_at(header, 1));
    ring->peeked = 0;
    give_back(ring, head + 1);
    return 1;
}

/* ---- Anyone ---------------------------------------------------------------------------------- */

bool mm_spsc_empty(const mm_spsc *ring)
{
    /* Relaxed, both. Take any push the caller knows of. If the head read is past it, it was taken. If
     * not, the slot of that head was filled no later than by this push, so the caller reads its
     * number or a later one, and the answer is no. The answer hands over no data: who acts on it
     * peeks. */
    const uint64_t head = mm__load_relaxed(&ring->head);
    const uint64_t seq = mm__load_relaxed(&slot_at(ring, head)->seq);
    /* "Smaller", unlike peek: when another thread has consumed past this head meanwhile, the slot
     * may carry a later lap, and then something was readable too. */
    return seq < head + 1;
}

/* Events follow each other without a hole from head to tail. */
static bool events_are_whole(const mm_spsc *ring, uint64_t head)
{
    uint64_t position = head;
    while (position < ring->tail) {
        const mm_record *header = slot_at(ring, position);
        if (header->seq != position + 1 || header->count == 0) {
            return false;
        }
        position += header->count;
    }
    return position == ring->tail;
}

/* No free slot carries a number that a consumer is still to look for. */
static bool free_slots_are_old(const mm_spsc *ring, uint64_t head)
{
    for (uint64_t position = ring->tail; position <= head + ring->mask; position++) {
        if (slot_at(ring, position)->seq > position) {
            return false;
        }
    }
    return true;
}

bool mm_spsc_valid(const mm_spsc *ring)
{
    const uint64_t capacity = ring->mask + 1;
    const uint64_t head = mm__load_relaxed(&ring->head); /* neither side is active */
    if (mm_spsc_bytes((size_t)capacity) == 0) {
        return false;
    }
    /* head_seen <= head <= tail <= head_seen + capacity */
    if (ring->head_seen > head || head > ring->tail || ring->tail - ring->head_seen > capacity) {
        return false;
    }
    if (!events_are_whole(ring, head) || !free_slots_are_old(ring, head)) {
        return false;
    }
    return ring->peeked == 0 || (head < ring->tail && ring->peeked == slot_at(ring, head)->count);
}
