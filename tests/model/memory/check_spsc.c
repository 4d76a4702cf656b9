/* The ring's promises, over every run of a producer, a consumer and a bystander: events arrive whole, in order and once;
 * a full ring refuses and takes again; "empty" is never said while something is known to be there. */
#if !defined(MODEL_SPSC_SOURCE)
#define MODEL_SPSC_SOURCE "mm_spsc.c"
#endif
#include MODEL_SPSC_SOURCE

#include "check.h"

enum { RECORDS_MAX = 4 };

typedef struct {
    mm_spsc *ring;
    int64_t events;  /* that the producer has */
    int64_t longest; /* records of the longest */
    uint32_t known;  /* atomic: events pushed, for the bystander */
} shared;

typedef struct {
    int64_t dropped; /* by the producer */
    int64_t taken;   /* events by the consumer, counted before it gives them back */
    int64_t missing; /* of which a later one said that they were dropped */
    uint64_t start;  /* position of the first */
} ghost;

static shared *all;
static ghost *run;

/* ---- A ring that starts anywhere --------------------------------------------------------------------------------- */

mm_spsc *model_ring(size_t capacity, uint64_t start)
{
    size_t bytes = mm_spsc_bytes(capacity);
    mm_spsc *ring = NULL;
    if (mm_spsc_init(model_memory(bytes), bytes, capacity, &ring) != MM_OK) {
        model_fail("no ring");
    }
    ring->head = start;
    ring->head_seen = start;
    ring->tail = start;
    for (uint64_t i = 0; i < capacity && start >= capacity; i++) {
        uint64_t position = start - 1 - i; /* the last lap */
        slot_at(ring, position)->seq = position + 1;
    }
    MODEL_REQUIRE(mm_spsc_valid(ring));
    return ring;
}

static void begin(const int64_t *arguments)
{
    run = model_ghost(sizeof(*run));
    all = model_memory(sizeof(*all));
    run->start = (uint64_t)arguments[3];
    all->ring = model_ring((size_t)arguments[0], run->start);
    all->events = arguments[1];
    all->longest = arguments[2];
}

/* ---- Events: number, length and what was dropped before stand in each record --------------------------------------- */

static uint32_t length_of(int64_t event)
{
    return (uint32_t)(1 + event % all->longest);
}

static bool push_event(int64_t event, int64_t dropped)
{
    mm_record records[RECORDS_MAX];
    memset(records, 0, sizeof(records));
    for (uint32_t i = 0; i < length_of(event); i++) {
        records[i].seq = UINT64_MAX; /* a caller's leftover must not reach the ring */
        records[i].count = i == 0 ? length_of(event) : 0;
        records[i].body.numbers[0] = event;
        records[i].body.numbers[1] = (int64_t)i;
        records[i].body.numbers[5] = dropped;
    }
    return mm_spsc_push(all->ring, records);
}

static void record_expect(const mm_record *record, int64_t event, uint32_t i)
{
    MODEL_REQUIRE(record->body.numbers[0] == event);
    MODEL_REQUIRE(record->body.numbers[1] == (int64_t)i);
    MODEL_REQUIRE(record->count == (i == 0 ? length_of(event) : 0));
}

/* Takes one event by peek, at and release; -1 when there is none. */
static int64_t take_event(uint64_t *position)
{
    const mm_record *header = mm_spsc_peek(all->ring);
    if (header == NULL) {
        return -1;
    }
    const int64_t event = header->body.numbers[0];
    const int64_t dropped = header->body.numbers[5];
    const uint32_t count = header->count;
    MODEL_REQUIRE(count == length_of(event));
    for (uint32_t i = 0; i < count; i++) {
        record_expect(mm_spsc_at(all->ring, i), event, i);
        MODEL_REQUIRE(mm_spsc_at(all->ring, i)->seq == *position + i + 1);
    }
    *position += count;
    MODEL_REQUIRE(event == run->taken + run->missing + dropped);
    run->missing += dropped;
    run->taken++;
    mm_spsc_release(all->ring);
    return event;
}

/* The same by pop, which copies. */
static int64_t pop_event(uint64_t *position)
{
    mm_record out[RECORDS_MAX];
    size_t count = mm_spsc_pop(all->ring, out, 1);
    MODEL_REQUIRE(count <= 1);
    if (count == 0) {
        count = mm_spsc_pop(all->ring, out, RECORDS_MAX);
    }
    if (count == 0) {
        return -1;
    }
    const int64_t event = out[0].body.numbers[0];
    MODEL_REQUIRE(count == length_of(event) && event == run->taken);
    for (uint32_t i = 0; i < count; i++) {
        record_expect(&out[i], event, i);
        MODEL_REQUIRE(out[i].seq == *position + i + 1);
    }
    *position += count;
    run->taken++;
    return event;
}

/* ---- Threads ----------------------------------------------------------------------------------------------------- */

static void produce_all(void)
{
    for (int64_t event = 0; event < all->events; event++) {
        while (!push_event(event, 0)) {
        }
    }
}

/* What finds no room is dropped, and the next that does says how many were. */
static void produce_or_drop(void)
{
    int64_t dropped = 0;
    for (int64_t event = 0; event < all->events; event++) {
        bool last = event + 1 == all->events;
        bool pushed = push_event(event, dropped);
        while (last && !pushed) {
            pushed = push_event(event, dropped);
        }
        run->dropped += pushed ? 0 : 1;
        dropped = pushed ? 0 : dropped + 1;
    }
}

/* Pushes only what the room it asked for allows. */
static void produce_into_room(void)
{
    for (int64_t event = 0; event < all->events; event++) {
        while (mm_spsc_room(all->ring) < length_of(event)) {
        }
        MODEL_REQUIRE(push_event(event, 0));
    }
}

static void consume_all(void)
{
    uint64_t position = run->start;
    int64_t event = -1;
    while (event + 1 < all->events) {
        int64_t found = take_event(&position);
        event = found < 0 ? event : found;
    }
}

static void consume_by_pop(void)
{
    uint64_t position = run->start;
    int64_t event = -1;
    while (event + 1 < all->events) {
        int64_t found = pop_event(&position);
        event = found < 0 ? event : found;
    }
}

/* Tells the bystander after each push. */
static void produce_and_tell(void)
{
    for (int64_t event = 0; event < all->events; event++) {
        while (!push_event(event, 0)) {
        }
        mm__store_release(&all->known, (uint32_t)event + 1);
    }
}

/* Whoever knows of a push hears "empty" only when the event has been taken. */
static void ask_whether_empty(void)
{
    for (int64_t asked = 0; asked < 2; asked++) {
        uint32_t known = mm__load_acquire(&all->known);
        bool empty = mm_spsc_empty(all->ring);
        MODEL_REQUIRE(!empty || run->taken >= (int64_t)known);
    }
}

static void consume_one(void)
{
    uint64_t position = run->start;
    while (take_event(&position) < 0) {
    }
}

/* ---- Ends -------------------------------------------------------------------------------------------------------- */

static void nothing_is_left(void)
{
    MODEL_REQUIRE(model_done(0) && model_done(1));
    MODEL_REQUIRE(run->taken + run->dropped == all->events && run->missing == run->dropped);
    MODEL_REQUIRE(mm_spsc_empty(all->ring) && mm_spsc_valid(all->ring));
    MODEL_REQUIRE(mm_spsc_room(all->ring) == mm_spsc_capacity(all->ring));
}

static void one_was_taken(void)
{
    MODEL_REQUIRE(model_done(0) && model_done(1) && model_done(2));
    MODEL_REQUIRE(run->taken == 1 && mm_spsc_valid(all->ring));
    MODEL_REQUIRE(mm_spsc_empty(all->ring) == (all->events == 1));
}

static const model_scenario in_order = {
    "events arrive whole, in order and once", begin, {produce_all, consume_all}, nothing_is_left};
static const model_scenario by_copy = {
    "events are copied out whole, in order and once", begin, {produce_all, consume_by_pop}, nothing_is_left};
static const model_scenario dropping = {
    "what a full ring refuses is known to the last event", begin, {produce_or_drop, consume_all}, nothing_is_left};
static const model_scenario into_room = {
    "room that was found is there", begin, {produce_into_room, consume_all}, nothing_is_left};
static const model_scenario asked_empty = {"what is known to be there is not called empty",
                                           begin,
                                           {produce_and_tell, consume_one, ask_whether_empty},
                                           one_was_taken};
static const model_scenario asked_empty_in_turn = {"empty is right while the ring is filled and drained",
                                                   begin,
                                                   {produce_and_tell, consume_all, ask_whether_empty},
                                                   nothing_is_left};

#define NEAR_2_32 ((INT64_C(1) << 32) - 3)
#define NEAR_2_63 (INT64_MAX - 2)
#define NEAR_2_64 (-INT64_C(16)) /* the last positions there are */

/* capacity, events, longest event, first position */
const model_case model_spsc_cases[] = {
    {&in_order, "capacity 2, 10 of 1", {2, 10, 1, 0}, false},
    {&in_order, "capacity 4, 10 of 1", {4, 10, 1, 0}, false},
    {&in_order, "capacity 4, 10 of 1, from 2^32 - 3", {4, 10, 1, NEAR_2_32}, false},
    {&in_order, "capacity 2, 10 of 1, from 2^63 - 3", {2, 10, 1, NEAR_2_63}, false},
    {&in_order, "capacity 4, 10 of 1, from 2^64 - 16", {4, 10, 1, NEAR_2_64}, false},
    {&in_order, "capacity 2, 10 of 1..2", {2, 10, 2, 0}, false},
    {&in_order, "capacity 4, 10 of 1..3", {4, 10, 3, 1}, false},
    {&in_order, "capacity 4, 10 of 1..4", {4, 10, 4, 0}, false},
    {&in_order, "capacity 4, 10 of 1..4, from 2^32 - 3", {4, 10, 4, NEAR_2_32}, false},
    {&by_copy, "capacity 2, 8 of 1..2", {2, 8, 2, 1}, false},
    {&by_copy, "capacity 4, 8 of 1..3, from 2^32 - 3", {4, 8, 3, NEAR_2_32}, false},
    {&dropping, "capacity 2, 8 of 1..2", {2, 8, 2, 0}, false},
    {&dropping, "capacity 4, 8 of 1..4", {4, 8, 4, 0}, false},
    {&into_room, "capacity 2, 8 of 1..2", {2, 8, 2, 0}, false},
    {&into_room, "capacity 4, 8 of 1..4", {4, 8, 4, 0}, false},
    {&asked_empty, "capacity 2, 1 of 1", {2, 1, 1, 0}, false},
    {&asked_empty, "capacity 2, 3 of 1", {2, 3, 1, 0}, false},
    {&asked_empty_in_turn, "capacity 2, 4 of 1", {2, 4, 1, 0}, false},
    {&asked_empty_in_turn, "capacity 4, 10 of 1..3", {4, 10, 3, 0}, true},
    {NULL, NULL, {0}, false},
};
