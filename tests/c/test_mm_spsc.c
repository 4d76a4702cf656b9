/* The ring on one thread: what fits, what comes out, and what the invariants see. */
#include "mm_test.h"

#include "mm_internal.h"

/* An event of `count` records: kind, and in every record its index and the event's number. */
static void event_fill(mm_record *records, uint32_t count, uint64_t number)
{
    memset(records, 0xA5, count * sizeof(*records)); /* leftovers in seq must not matter */
    for (uint32_t i = 0; i < count; i++) {
        records[i].kind = i == 0 ? MM_KIND_DEPTH : MM_KIND_LEVELS;
        records[i].flags = (uint16_t)(number & 0xFFFF);
        records[i].count = i == 0 ? count : 0;
        records[i].body.levels[0].price_e8 = (int64_t)number;
        records[i].body.levels[2].qty_e8 = i;
    }
}

static bool event_is(const mm_record *record, uint32_t index, uint32_t count, uint64_t number)
{
    return record->kind == (index == 0 ? MM_KIND_DEPTH : MM_KIND_LEVELS) &&
           record->flags == (uint16_t)(number & 0xFFFF) &&
           record->count == (index == 0 ? count : 0) &&
           record->body.levels[0].price_e8 == (int64_t)number &&
           record->body.levels[2].qty_e8 == index;
}

static bool push_event(mm_spsc *ring, uint32_t count, uint64_t number)
{
    mm_record records[64];
    event_fill(records, count, number);
    return mm_spsc_push(ring, records);
}

/* Takes the next event and checks all of it. */
static bool take_event(mm_spsc *ring, uint32_t count, uint64_t number)
{
    const mm_record *header = mm_spsc_peek(ring);
    if (header == NULL || header->count != count) {
        return false;
    }
    bool same = mm_spsc_at(ring, 0) == header;
    for (uint32_t i = 0; i < count; i++) {
        same = same && event_is(mm_spsc_at(ring, i), i, count, number);
    }
    mm_spsc_release(ring);
    return same;
}

static void capacity_is_a_power_of_two_from_2_to_16777216(void)
{
    const size_t refused[] = {0, 1, 3, 5, 100, ((size_t)1 << 24) + 1, (size_t)1 << 25, SIZE_MAX};
    for (size_t i = 0; i < MM_ARRAY_COUNT(refused); i++) {
        MM_CHECK_INT(mm_spsc_bytes(refused[i]), ==, 0);
        MM_CHECK(mm_spsc_new(refused[i]) == NULL);
    }
    for (size_t capacity = 2; capacity <= (size_t)1 << 24; capacity *= 2) {
        MM_CHECK_INT(mm_spsc_bytes(capacity), >=, (int64_t)(capacity * sizeof(mm_record)));
        MM_CHECK_INT(mm_spsc_bytes(capacity) % MM_CACHE_LINE_BYTES, ==, 0);
    }
}

static void init_refuses_memory_that_is_short_or_off_the_line(void)
{
    static unsigned char memory[4096] MM_ALIGN_LINE;
    mm_spsc *ring = NULL;
    size_t bytes = mm_spsc_bytes(8);
    MM_REQUIRE(bytes < sizeof(memory));
    MM_CHECK_INT(mm_spsc_init(memory, sizeof(memory), 7, &ring), ==, MM_E_ARGUMENT);
    MM_CHECK_INT(mm_spsc_init(memory, bytes - 1, 8, &ring), ==, MM_E_CAPACITY);
    MM_CHECK_INT(mm_spsc_init(memory + 8, bytes, 8, &ring), ==, MM_E_CAPACITY);
    MM_CHECK_INT(mm_spsc_init(NULL, bytes, 8, &ring), ==, MM_E_CAPACITY);
    MM_CHECK(ring == NULL);
    memset(memory, 0xFF, sizeof(memory));
    MM_CHECK_INT(mm_spsc_init(memory, bytes, 8, &ring), ==, MM_OK);
    MM_REQUIRE(ring != NULL);
    MM_CHECK_INT(mm_spsc_capacity(ring), ==, 8);
    MM_CHECK(mm_spsc_empty(ring));
    MM_CHECK(mm_spsc_peek(ring) == NULL);
    MM_CHECK(mm_spsc_valid(ring));
    MM_CHECK_INT(memory[bytes], ==, 0xFF);
}

static void a_full_ring_refuses_and_keeps_what_it_has(void)
{
    mm_spsc *ring = mm_spsc_new(4);
    MM_REQUIRE(ring != NULL);
    for (uint64_t i = 0; i < 4; i++) {
        MM_CHECK_INT(mm_spsc_room(ring), ==, (int64_t)(4 - i));
        MM_CHECK(push_event(ring, 1, i));
    }
    MM_CHECK_INT(mm_spsc_room(ring), ==, 0);
    MM_CHECK(!push_event(ring, 1, 99));
    MM_CHECK(mm_spsc_valid(ring));
    for (uint64_t i = 0; i < 4; i++) {
        MM_CHECK(!mm_spsc_empty(ring));
        MM_CHECK(take_event(ring, 1, i));
    }
    MM_CHECK(mm_spsc_empty(ring));
    MM_CHECK_INT(mm_spsc_room(ring), ==, 4);
    mm_spsc_free(ring);
}

static void an_event_goes_in_whole_or_not_at_all(void)
{
    mm_spsc *ring = mm_spsc_new(8);
    MM_REQUIRE(ring != NULL);
    MM_CHECK(push_event(ring, 5, 1));
    MM_CHECK(!push_event(ring, 4, 2));
    MM_CHECK_INT(mm_spsc_room(ring), ==, 3);
    MM_CHECK(push_event(ring, 3, 3));
    MM_CHECK(mm_spsc_valid(ring));
    MM_CHECK(take_event(ring, 5, 1));
    MM_CHECK(take_event(ring, 3, 3));
    MM_CHECK(mm_spsc_peek(ring) == NULL);
    mm_spsc_free(ring);
}

static void an_event_may_fill_the_ring_but_not_be_longer(void)
{
    mm_spsc *ring = mm_spsc_new(4);
    MM_REQUIRE(ring != NULL);
    MM_CHECK(!push_event(ring, 5, 1));
    for (uint64_t lap = 0; lap < 10; lap++) {
        MM_CHECK(push_event(ring, 4, lap));
        MM_CHECK(!push_event(ring, 1, 99));
        MM_CHECK(mm_spsc_valid(ring));
        MM_CHECK(take_event(ring, 4, lap));
        MM_CHECK(push_event(ring, 1, lap)); /* moves the wrap by one each lap */
        MM_CHECK(take_event(ring, 1, lap));
    }
    mm_spsc_free(ring);
}

static void slots_come_back_only_at_release(void)
{
    mm_spsc *ring = mm_spsc_new(2);
    MM_REQUIRE(ring != NULL);
    MM_CHECK(push_event(ring, 2, 7));
    const mm_record *header = mm_spsc_peek(ring);
    MM_REQUIRE(header != NULL);
    MM_CHECK(!push_event(ring, 1, 8));
    MM_CHECK(mm_spsc_peek(ring) == header);
    MM_CHECK(event_is(header, 0, 2, 7));
    MM_CHECK(!mm_spsc_empty(ring));
    MM_CHECK(mm_spsc_valid(ring));
    mm_spsc_release(ring);
    MM_CHECK(push_event(ring, 1, 8));
    MM_CHECK(take_event(ring, 1, 8));
    mm_spsc_free(ring);
}

static void pop_takes_an_event_that_fits_and_leaves_one_that_does_not(void)
{
    mm_record out[8];
    mm_spsc *ring = mm_spsc_new(8);
    MM_REQUIRE(ring != NULL);
    MM_CHECK_INT(mm_spsc_pop(ring, out, 8), ==, 0);
    for (uint64_t number = 0; number < 20; number++) {
        MM_CHECK(push_event(ring, 3, number));
        MM_CHECK_INT(mm_spsc_pop(ring, out, 2), ==, 0);
        MM_CHECK(!mm_spsc_empty(ring));
        MM_CHECK(mm_spsc_pop(ring, out, 3) == 3);
        for (uint32_t i = 0; i < 3; i++) {
            MM_CHECK(event_is(&out[i], i, 3, number));
            MM_CHECK_INT(out[i].seq, ==, (int64_t)(number * 3 + i + 1));
        }
    }
    mm_spsc_free(ring);
}

/* A continuation whose seq the caller left at the number that the slot's next header will carry: if
 * it reached the slot, the consumer would read an event that nobody pushed. */
static void leftovers_in_seq_are_never_taken_for_an_event(void)
{
    mm_record records[4];
    mm_spsc *ring = mm_spsc_new(4);
    MM_REQUIRE(ring != NULL);
    for (uint64_t lap = 0; lap < 8; lap++) {
        event_fill(records, 4, lap);
        for (uint32_t i = 0; i < 4; i++) {
            records[i].seq = (lap + 1) * 4 + i + 1;
        }
        MM_CHECK(mm_spsc_push(ring, records));
        MM_CHECK(mm_spsc_valid(ring));
        MM_CHECK(take_event(ring, 4, lap));
        MM_CHECK(mm_spsc_peek(ring) == NULL);
        MM_CHECK(mm_spsc_empty(ring));
    }
    mm_spsc_free(ring);
}

enum { QUEUE_MAX = 64 };

/* Any mixture of pushes, refusals and takes is what a plain queue would do. */
static void any_mixture_behaves_like_a_plain_queue(void)
{
    for (size_t capacity = 2; capacity <= QUEUE_MAX; capacity *= 2) {
        uint32_t counts[QUEUE_MAX];
        uint64_t numbers[QUEUE_MAX];
        uint64_t put = 0;
        uint64_t got = 0;
        size_t used = 0;
        mm_spsc *ring = mm_spsc_new(capacity);
        MM_REQUIRE(ring != NULL);
        for (uint64_t step = 0; step < 3000; step++) {
            uint32_t count = (uint32_t)mm_test_between(1, (int64_t)(capacity < 9 ? capacity : 9));
            if (mm_test_below(2) == 0) {
                bool fits = used + count <= capacity;
                MM_CHECK(push_event(ring, count, step) == fits);
                if (fits) {
                    counts[put % QUEUE_MAX] = count;
                    numbers[put % QUEUE_MAX] = step;
                    put++;
                    used += count;
                }
            } else if (got == put) {
                MM_CHECK(mm_spsc_empty(ring));
                MM_CHECK(mm_spsc_peek(ring) == NULL);
            } else {
                MM_CHECK(take_event(ring, counts[got % QUEUE_MAX], numbers[got % QUEUE_MAX]));
                used -= counts[got % QUEUE_MAX];
                got++;
            }
            MM_CHECK(mm_spsc_valid(ring));
            MM_CHECK(step % 3 != 0 || mm_spsc_room(ring) == capacity - used);
        }
        mm_spsc_free(ring);
    }
}

/* The invariant function is worth something only if it sees damage. */
static void valid_sees_a_damaged_ring(void)
{
    static mm_record memory[16] MM_ALIGN_LINE;
    mm_spsc *ring = NULL;
    MM_REQUIRE(mm_spsc_init(memory, sizeof(memory), 8, &ring) == MM_OK);
    mm_record *slots = memory + (mm_spsc_bytes(8) / sizeof(mm_record) - 8);
    MM_CHECK(push_event(ring, 3, 1));
    MM_CHECK(push_event(ring, 2, 2));
    MM_REQUIRE(mm_spsc_valid(ring));
    const mm_record first = slots[0];
    const mm_record second = slots[3];
    slots[0].seq = 0; /* a hole at the head */
    MM_CHECK(!mm_spsc_valid(ring));
    slots[0] = first;
    slots[0].count = 0; /* an event without records */
    MM_CHECK(!mm_spsc_valid(ring));
    slots[0].count = 2; /* the next header is not where the count says */
    slots[2].seq = 99;
    MM_CHECK(!mm_spsc_valid(ring));
    slots[0] = first;
    slots[2].seq = 3;
    slots[3].count = 3; /* reaches beyond the tail */
    MM_CHECK(!mm_spsc_valid(ring));
    slots[3] = second;
    slots[6].seq = 7; /* a free slot that says it is readable */
    MM_CHECK(!mm_spsc_valid(ring));
    slots[6].seq = 0;
    MM_CHECK(mm_spsc_valid(ring));
    MM_CHECK(mm_spsc_peek(ring) != NULL);
    MM_CHECK(mm_spsc_valid(ring));
    slots[0].count = 5; /* not what was peeked at */
    MM_CHECK(!mm_spsc_valid(ring));
    slots[0] = first;
    MM_CHECK(take_event(ring, 3, 1));
    MM_CHECK(take_event(ring, 2, 2));
    MM_CHECK(mm_spsc_valid(ring));
    /* The counters, by their place in the ring's head: two lines for each writer. */
    uint64_t *words = (uint64_t *)memory;
    uint64_t *const mask = &words[1];
    uint64_t *const tail = &words[16];
    uint64_t *const head_seen = &words[17];
    uint64_t *const head = &words[32];
    uint64_t *const peeked = &words[33];
    *mask = 6; /* no power of two */
    MM_CHECK(!mm_spsc_valid(ring));
    *mask = 7;
    *head = *tail + 1; /* consumed what was not pushed */
    MM_CHECK(!mm_spsc_valid(ring));
    *head = 5;
    *tail = 14; /* more than the ring holds */
    MM_CHECK(!mm_spsc_valid(ring));
    *tail = 5;
    MM_CHECK(mm_spsc_valid(ring));
    *head_seen = 6; /* seen further than it is */
    MM_CHECK(!mm_spsc_valid(ring));
    *head_seen = 5;
    *peeked = 1; /* at what is not there */
    MM_CHECK(!mm_spsc_valid(ring));
    *peeked = 0;
    MM_CHECK(mm_spsc_valid(ring));
}

static void an_event_without_room_for_it_stays_in_the_ring(void)
{
    mm_record out[2];
    mm_spsc *ring = mm_spsc_new(4);
    MM_REQUIRE(ring != NULL);
    for (uint32_t count = 1; count <= 2; count++) {
        MM_CHECK(push_event(ring, count, 1));
        size_t popped = mm_spsc_pop(ring, out, count - 1);
        MM_CHECK_UINT(popped, ==, 0);
        popped = mm_spsc_pop(ring, out, count);
        MM_CHECK_UINT(popped, ==, count);
        popped = mm_spsc_pop(ring, out, count);
        MM_CHECK_UINT(popped, ==, 0);
        MM_CHECK(mm_spsc_valid(ring));
    }
    mm_spsc_free(ring);
}

static void misuse_is_caught(void)
{
    mm_record record;
    mm_spsc *ring = mm_spsc_new(4);
    MM_REQUIRE(ring != NULL);
    event_fill(&record, 1, 1);
    record.count = 0;
    MM_CHECK_PANICS(mm_spsc_push(ring, &record));
    MM_CHECK(push_event(ring, 2, 1));
    MM_CHECK_PANICS(mm_spsc_at(ring, 0)); /* not peeked at */
    MM_CHECK_PANICS(mm_spsc_release(ring));
    MM_CHECK(mm_spsc_peek(ring) != NULL);
    MM_CHECK_PANICS(mm_spsc_at(ring, 2)); /* beyond the event */
    mm_spsc_release(ring);
    MM_CHECK_PANICS(mm_spsc_release(ring)); /* twice */
    MM_CHECK(mm_spsc_valid(ring));
    mm_spsc_free(ring);
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
static void misuse_leaves_the_ring_as_it_was(void)
{
    static mm_record memory[16] MM_ALIGN_LINE;
    mm_spsc *ring = NULL;
    mm_record record;
    MM_REQUIRE(mm_spsc_init(memory, sizeof(memory), 8, &ring) == MM_OK);
    mm_record *slots = memory + (mm_spsc_bytes(8) / sizeof(mm_record) - 8);
    event_fill(&record, 1, 1);
    record.count = 0;
    panics = 0;
    mm_panic_set(count_panic);
    MM_CHECK(!mm_spsc_push(ring, &record));
    mm_spsc_release(ring);
    MM_CHECK_INT(panics, ==, 2 * MM_TEST_ASSERTIONS);
    MM_CHECK(push_event(ring, 2, 1));
    slots[0].count = 9;
    MM_CHECK(mm_spsc_peek(ring) == NULL);
    MM_CHECK_INT(panics, ==, 3 * MM_TEST_ASSERTIONS);
    mm_panic_set(NULL);
    slots[0].count = 2;
    MM_CHECK(mm_spsc_valid(ring));
    MM_CHECK(take_event(ring, 2, 1));
}
#endif

int main(int argc, char **argv)
{
    static const mm_test tests[] = {
        MM_TEST(capacity_is_a_power_of_two_from_2_to_16777216),
        MM_TEST(init_refuses_memory_that_is_short_or_off_the_line),
        MM_TEST(a_full_ring_refuses_and_keeps_what_it_has),
        MM_TEST(an_event_goes_in_whole_or_not_at_all),
        MM_TEST(an_event_may_fill_the_ring_but_not_be_longer),
        MM_TEST(slots_come_back_only_at_release),
        MM_TEST(pop_takes_an_event_that_fits_and_leaves_one_that_does_not),
        MM_TEST(leftovers_in_seq_are_never_taken_for_an_event),
        MM_TEST(any_mixture_behaves_like_a_plain_queue),
        MM_TEST(valid_sees_a_damaged_ring),
        MM_TEST(an_event_without_room_for_it_stays_in_the_ring),
        MM_TEST(misuse_is_caught),
#if defined(NDEBUG)
        MM_TEST(misuse_leaves_the_ring_as_it_was),
#endif
    };
    return mm_test_main(argc, argv, tests, MM_TEST_COUNT(tests));
}
