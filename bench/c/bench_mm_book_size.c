/* What size costs: the book's updates by the number of levels a side, and by the number of levels in a message.
 *
 *   - update_by_levels_near, update_by_levels_anywhere: mm_book_set on a book of so many levels a side, a tick apart; prices
 *     gather near the best by a cubic law over 100 ticks, or lie anywhere in the book alike. Half of the levels touched go or
 *     come;
 *   - message_by_levels: mm_book_apply of messages of so many levels, half bids, half asks, neighbours in the book as an
 *     exchange sends them, on a book of 10,000 levels a side; nanoseconds per level.
 *
 * The member `workload` is the size. bench/plot.py draws the lines. */
#define MM_BENCH_CLOCK CLOCK_THREAD_CPUTIME_ID /* repetitions outlast a slice of the scheduler */
#include "mm_bench.h"

#include "mm_workload.h"

#define LEVELS_MAX 1000000
#define OPS 65536
#define MESSAGE_BOOK_LEVELS 10000
#define MESSAGE_LEVELS_MAX 5000

typedef struct {
    mm_book *book;
    mm_workload_maker maker;
    mm_workload_op ops[OPS];
    mm_level levels[OPS + MESSAGE_LEVELS_MAX];
    size_t message_levels;
} run;

static int64_t price_of(int64_t side, int64_t index)
{
    return (side == MM_BID ? MM_WORKLOAD_TOUCH - index : MM_WORKLOAD_TOUCH + 1 + index) * MM_WORKLOAD_TICK_E8;
}

/* A book of so many levels a side, a tick apart. */
static void fill(run *self, int64_t levels)
{
    mm_book_clear(self->book);
    for (int64_t i = 0; i < levels; i++) {
        mm_book_set(self->book, MM_BID, price_of(MM_BID, i), mm_workload_qty(&self->maker));
        mm_book_set(self->book, MM_ASK, price_of(MM_ASK, i), mm_workload_qty(&self->maker));
    }
}

static int64_t qty_or_none(run *self)
{
    int64_t qty_e8 = mm_workload_qty(&self->maker);
    return mm_workload_percent(&self->maker, 50) ? qty_e8 : 0;
}

static void make_updates(run *self, int64_t levels, bool near)
{
    for (size_t i = 0; i < OPS; i++) {
        mm_workload_op *op = &self->ops[i];
        int64_t any = (int64_t)((mm_workload_next(&self->maker) >> 33) % (uint64_t)levels);
        op->side = mm_workload_side(&self->maker);
        op->price_e8 = price_of(op->side, near ? mm_workload_cube(&self->maker, levels < 100 ? (uint64_t)levels : 100) : any);
        op->qty_e8 = qty_or_none(self);
    }
}

/* Messages one behind the other in `levels`: their bids, then their asks, each from a random place on. */
static void make_messages(run *self, size_t message_levels)
{
    self->message_levels = message_levels;
    for (size_t first = 0; first < OPS; first += message_levels) {
        size_t bid_count = message_levels / 2;
        for (size_t i = 0; i < message_levels; i++) {
            int64_t side = i < bid_count ? MM_BID : MM_ASK;
            size_t index = i < bid_count ? i : i - bid_count;
            mm_level *level = &self->levels[first + i];
            level->price_e8 = price_of(side, (int64_t)(index * 2));
            level->qty_e8 = qty_or_none(self);
        }
    }
}

static void updates(void *context)
{
    run *self = context;
    for (const mm_workload_op *op = self->ops; op != self->ops + OPS; op++) {
        mm_book_set(self->book, (int32_t)op->side, op->price_e8, op->qty_e8);
    }
}

static void messages(void *context)
{
    run *self = context;
    size_t bid_count = self->message_levels / 2;
    for (size_t first = 0; first < OPS; first += self->message_levels) {
        const mm_level *levels = &self->levels[first];
        mm_book_apply(self->book, levels, bid_count, levels + bid_count, self->message_levels - bid_count);
    }
}

int main(int argc, char **argv)
{
    static const int64_t levels[] = {10, 30, 100, 300, 1000, 3000, 10000, 30000, 100000, 300000, 1000000};
    static const size_t message_levels[] = {2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000};
    mm_bench bench = mm_bench_options(argc, argv);
    run *self = mm_workload_new(1, sizeof(*self));
    char size[32];
    mm_bench_pin(0);
    self->maker.rng = UINT64_C(0x9E3779B97F4A7C15);
    self->book = mm_book_new(LEVELS_MAX, MM_WORKLOAD_TICK_E8);
    if (self->book == NULL) {
        fprintf(stderr, "bench_mm_book_size: no memory\n");
        return 1;
    }
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        snprintf(size, sizeof(size), "%" PRId64, levels[i]);
        fill(self, levels[i]);
        make_updates(self, levels[i], true);
        mm_bench_run(&bench, "update_by_levels_near", size, NULL, updates, self, OPS);
        fill(self, levels[i]);
        make_updates(self, levels[i], false);
        mm_bench_run(&bench, "update_by_levels_anywhere", size, NULL, updates, self, OPS);
    }
    fill(self, MESSAGE_BOOK_LEVELS);
    for (size_t i = 0; i < sizeof(message_levels) / sizeof(message_levels[0]); i++) {
        snprintf(size, sizeof(size), "%zu", message_levels[i]);
        make_messages(self, message_levels[i]);
        size_t count = (OPS + message_levels[i] - 1) / message_levels[i] * message_levels[i];
        mm_bench_run(&bench, "message_by_levels", size, NULL, messages, self, count);
    }
    mm_book_free(self->book);
    free(self);
    return 0;
}
