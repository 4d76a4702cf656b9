/* Pushes, looks and pops of a ring against a plain queue, at every capacity from 2 to 64. */
#include "mm_fuzz.h"

enum { CAPACITY_MAX = 64, EVENTS_MAX = CAPACITY_MAX, EVENT_MAX = CAPACITY_MAX + 3 };

/* What was pushed: enough to make every byte of it again. */
typedef struct {
    uint64_t seed;
    uint32_t count;
    uint64_t position; /* of its header in the ring's numbering */
} pushed;

typedef struct {
    fuzz_input in;
    mm_spsc *ring;
    size_t capacity;
    pushed queue[EVENTS_MAX];
    size_t first, events; /* queue[(first + i) % EVENTS_MAX], i < events */
    size_t records;       /* in them */
    uint64_t position;
    bool peeked;
} ring_run;

/* The records of an event but for `seq`, which is the ring's to set. */
static void make_event(uint64_t seed, uint32_t count, mm_record *out)
{
    for (uint32_t i = 0; i < count; i++) {
        memset(&out[i], 0, sizeof out[i]);
        out[i].seq = seed * 77; /* whatever stands there */
        out[i].kind = (uint16_t)(seed + i);
        out[i].flags = (uint16_t)(seed >> 16);
        out[i].count = i == 0 ? count : 0;
        for (size_t j = 0; j < 6; j++) {
            out[i].body.numbers[j] = (int64_t)((seed + i * 8 + j) * UINT64_C(0x9E3779B97F4A7C15));
        }
    }
}

static void check_record(const mm_record *read, const pushed *event, uint32_t index)
{
    static mm_record made[EVENT_MAX];
    make_event(event->seed, event->count, made);
    made[index].seq = event->position + index + 1;
    FUZZ_EQUAL(read->seq, made[index].seq);
    FUZZ_CHECK(memcmp(read, &made[index], sizeof *read) == 0);
}

static void do_push(ring_run *run)
{
    static mm_record records[EVENT_MAX];
    uint8_t shape = fuzz_u8(&run->in);
    uint32_t count = shape < 200 ? 1 + shape % 5u : 1 + (uint32_t)fuzz_below(&run->in, EVENT_MAX);
    pushed event = {run->position + ((uint64_t)shape << 16), count, run->position};
    bool fits = count <= run->capacity - run->records;
    make_event(event.seed, count, records);
    size_t room = mm_spsc_room(run->ring);
    FUZZ_EQUAL(mm_spsc_push(run->ring, records), fits);
    FUZZ_EQUAL(room, run->capacity - run->records);
    if (fits) {
        run->queue[(run->first + run->events++) % EVENTS_MAX] = event;
        run->records += count;
        run->position += count;
    }
}

static void drop_first(ring_run *run)
{
    run->records -= run->queue[run->first].count;
    run->first = (run->first + 1) % EVENTS_MAX;
    run->events--;
    run->peeked = false;
}

static void do_peek(ring_run *run)
{
    const mm_record *header = mm_spsc_peek(run->ring);
    FUZZ_EQUAL(header != NULL, run->events > 0);
    if (header != NULL) {
        const pushed *event = &run->queue[run->first];
        uint32_t index = (uint32_t)fuzz_below(&run->in, event->count);
        check_record(header, event, 0);
        check_record(mm_spsc_at(run->ring, index), event, index);
        run->peeked = true;
    }
}

static void do_release(ring_run *run)
{
    if (run->peeked) {
        mm_spsc_release(run->ring);
        drop_first(run);
    }
}

static void do_pop(ring_run *run)
{
    size_t room = fuzz_below(&run->in, EVENT_MAX + 1);
    bool fits = run->events > 0 && run->queue[run->first].count <= room;
    mm_record *out = room > 0 ? malloc(room * sizeof *out) : NULL;
    size_t count = mm_spsc_pop(run->ring, out, room);
    FUZZ_EQUAL(count, fits ? run->queue[run->first].count : 0);
    for (uint32_t i = 0; i < count; i++) {
        check_record(&out[i], &run->queue[run->first], i);
    }
    if (fits) {
        drop_first(run);
    }
    run->peeked = false; /* who wants to release has to look again */
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static ring_run run;
    memset(&run, 0, sizeof run);
    run.in.at = data;
    run.in.left = size;
    run.capacity = (size_t)2 << fuzz_below(&run.in, 6);
    size_t bytes = mm_spsc_bytes(run.capacity);
    void *memory = fuzz_memory(bytes);
    memset(memory, fuzz_u8(&run.in), bytes); /* init owes nothing to what was there */
    FUZZ_EQUAL(mm_spsc_init(memory, bytes, run.capacity, &run.ring), MM_OK);
    while (run.in.left > 0) {
        uint8_t what = fuzz_u8(&run.in);
        if (what < 110) {
            do_push(&run);
        } else if (what < 160) {
            do_pop(&run);
        } else if (what < 220) {
            do_peek(&run);
        } else {
            do_release(&run);
        }
        FUZZ_EQUAL(mm_spsc_empty(run.ring), run.events == 0);
        FUZZ_EQUAL(mm_spsc_capacity(run.ring), run.capacity);
        FUZZ_CHECK(mm_spsc_valid(run.ring));
    }
    free(memory);
    return 0;
}
