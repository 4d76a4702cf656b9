/* The ring between real threads. Under ThreadSanitizer a payload that is read without being
 * published, or overwritten without being released, is a reported race; without it these tests
 * still see order, loss and halves of events. */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#include "mm_test.h"

#include "mm_internal.h"

#include <pthread.h>
#include <sched.h>

enum { RECORDS_MAX = 16 };

/* The records of event `number`, the same for both sides: 1 to `most`, all sizes alike. */
static uint32_t count_of(uint64_t number, uint32_t most)
{
    uint64_t mixed = (number + 1) * UINT64_C(0x9E3779B97F4A7C15);
    return 1 + (uint32_t)((mixed >> 33) % most);
}

static void event_fill(mm_record *records, uint32_t count, uint64_t number)
{
    for (uint32_t i = 0; i < count; i++) {
        records[i].kind = i == 0 ? MM_KIND_DEPTH : MM_KIND_LEVELS;
        records[i].flags = (uint16_t)i;
        records[i].count = i == 0 ? count : 0;
        for (int level = 0; level < 3; level++) {
            records[i].body.levels[level].price_e8 = (int64_t)number;
            records[i].body.levels[level].qty_e8 = (int64_t)(number ^ i);
        }
    }
}

static bool record_is(const mm_record *record, uint32_t index, uint32_t count, uint64_t number)
{
    bool same = record->flags == (uint16_t)index && record->count == (index == 0 ? count : 0);
    for (int level = 0; level < 3; level++) {
        same = same && record->body.levels[level].price_e8 == (int64_t)number &&
               record->body.levels[level].qty_e8 == (int64_t)(number ^ index);
    }
    return same;
}

typedef struct {
    mm_spsc *ring;
    uint64_t event_count;
    uint32_t records_most;
    uint64_t wrong;    /* the consumer's; read after it was joined */
    uint32_t finished; /* atomic */
} pair;

static void *consume(void *context)
{
    pair *self = context;
    mm_record copies[RECORDS_MAX];
    for (uint64_t number = 0; number < self->event_count;) {
        uint32_t count = count_of(number, self->records_most);
        const mm_record *header = mm_spsc_peek(self->ring);
        if (header == NULL) {
            sched_yield();
            continue;
        }
        bool same = header->count == count;
        if (number % 2 == 0) { /* in place and copied out, by turns */
            for (uint32_t i = 0; same && i < count; i++) {
                same = record_is(mm_spsc_at(self->ring, i), i, count, number);
            }
            mm_spsc_release(self->ring);
        } else {
            same = same && mm_spsc_pop(self->ring, copies, RECORDS_MAX) == count;
            for (uint32_t i = 0; same && i < count; i++) {
                same = record_is(&copies[i], i, count, number);
            }
        }
        self->wrong += same ? 0 : 1;
        number++;
    }
    return NULL;
}

/* Anyone may ask whether a ring is empty, as a thread does that has just given its role away. */
static void *ask(void *context)
{
    pair *self = context;
    uint64_t empties = 0;
    while (mm__load_acquire(&self->finished) == 0) {
        empties += mm_spsc_empty(self->ring) ? 1 : 0;
        sched_yield();
    }
    MM_CHECK(mm_spsc_empty(self->ring));
    (void)empties;
    return NULL;
}

static void run_pair(size_t capacity, uint32_t records_most, uint64_t event_count)
{
    mm_record records[RECORDS_MAX];
    pthread_t consumer;
    pthread_t asker;
    pair shared = {mm_spsc_new(capacity), event_count, records_most, 0, 0};
    MM_REQUIRE(shared.ring != NULL);
    MM_REQUIRE(pthread_create(&consumer, NULL, consume, &shared) == 0);
    MM_REQUIRE(pthread_create(&asker, NULL, ask, &shared) == 0);
    for (uint64_t number = 0; number < event_count; number++) {
        uint32_t count = count_of(number, records_most);
        event_fill(records, count, number);
        if (number % 2 == 0) { /* what room promises a push must find */
            while (mm_spsc_room(shared.ring) < count) {
                sched_yield();
            }
            MM_CHECK(mm_spsc_push(shared.ring, records));
        } else {
            while (!mm_spsc_push(shared.ring, records)) {
                sched_yield();
            }
        }
    }
    MM_CHECK(pthread_join(consumer, NULL) == 0);
    mm__store_release(&shared.finished, 1U);
    MM_CHECK(pthread_join(asker, NULL) == 0);
    MM_CHECK_UINT(shared.wrong, ==, 0);
    MM_CHECK(mm_spsc_empty(shared.ring));
    MM_CHECK(mm_spsc_valid(shared.ring));
    mm_spsc_free(shared.ring);
}

static void single_records_arrive_once_and_in_order(void)
{
    run_pair(2, 1, 10000);
    run_pair(4, 1, 10000);
    run_pair(1024, 1, 50000);
}

static void events_of_every_length_arrive_whole_and_in_order(void)
{
    run_pair(2, 2, 10000);
    run_pair(4, 4, 10000); /* up to the whole ring */
    run_pair(16, 16, 10000);
    run_pair(64, 7, 20000); /* wraps at every index of an event */
    run_pair(1024, 16, 20000);
}

enum { THREADS = 4, LAPS = 1500, TOKENS = 8 };

typedef struct {
    mm_spsc *rings[THREADS];
    uint32_t index;
} circle;

/* Hands every token on with 1 more in it. */
static void *hand_on(void *context)
{
    circle *self = context;
    mm_spsc *in = self->rings[self->index];
    mm_spsc *out = self->rings[(self->index + 1) % THREADS];
    for (uint64_t moves = 0; moves < (uint64_t)LAPS * TOKENS;) {
        mm_record record;
        if (mm_spsc_pop(in, &record, 1) == 0) {
            sched_yield();
            continue;
        }
        record.body.command.value++;
        while (!mm_spsc_push(out, &record)) {
            sched_yield();
        }
        moves++;
    }
    return NULL;
}

static void tokens_in_a_circle_of_threads_keep_their_order_and_count(void)
{
    pthread_t threads[THREADS];
    circle circles[THREADS];
    mm_spsc *rings[THREADS];
    mm_record token;
    for (uint32_t i = 0; i < THREADS; i++) {
        rings[i] = mm_spsc_new(TOKENS); /* room for all, so that a full circle cannot stall */
        MM_REQUIRE(rings[i] != NULL);
    }
    memset(&token, 0, sizeof(token));
    token.count = 1;
    for (int i = 0; i < TOKENS; i++) {
        token.body.command.command = i;
        MM_REQUIRE(mm_spsc_push(rings[0], &token));
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        memcpy(circles[i].rings, rings, sizeof(rings));
        circles[i].index = i;
        MM_REQUIRE(pthread_create(&threads[i], NULL, hand_on, &circles[i]) == 0);
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        MM_CHECK(pthread_join(threads[i], NULL) == 0);
    }
    for (int i = 0; i < TOKENS; i++) {
        MM_REQUIRE(mm_spsc_pop(rings[0], &token, 1) == 1);
        MM_CHECK_INT(token.body.command.command, ==, i);
        MM_CHECK_INT(token.body.command.value, ==, (int64_t)LAPS * THREADS);
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        MM_CHECK(mm_spsc_empty(rings[i]) && mm_spsc_valid(rings[i]));
        mm_spsc_free(rings[i]);
    }
}

int main(int argc, char **argv)
{
    static const mm_test tests[] = {
        MM_TEST(single_records_arrive_once_and_in_order),
        MM_TEST(events_of_every_length_arrive_whole_and_in_order),
        MM_TEST(tokens_in_a_circle_of_threads_keep_their_order_and_count),
    };
    return mm_test_main(argc, argv, tests, MM_TEST_COUNT(tests));
}
