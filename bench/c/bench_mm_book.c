/* The book on the yardstick's workloads. Figures carry the reference's names; the plain name is the
 * way the product calls it, `_call` the other way round:
 *
 *   - mixed_updates, bid_updates, ask_updates: mm_book_apply, one call per message; with _call
 *     mm_book_set, one call per level;
 *   - best_bid_ask, mid, spread: the inline view of the top; with _call the library's functions;
 *   - imbalance5, vwap10_i128, vwap_fill_40: the library's functions;
 *   - update_to_imbalance: mm_book_set and imbalance(5), every operation;
 *   - book_load: mm_book_snapshot of the start image, per level.
 *
 * --finals prints each book's state after its trace, as the reference's --dump-traces does, and
 * --dump-traces DIR also writes the traces. --dump-adversarial DIR writes those of mm_adversary.h and prints their names. */
#include "mm_bench.h"

#include "mm_workload.h"

#include "mm_adversary.h"

/* Levels a side the product's default asks for; larger traces get what they need. */
#define LEVELS_DEFAULT 10000
#define LEVELS_MAX 1000000
#define QUERIES UINT64_C(2097152)
#define SLOW_QUERIES (QUERIES / 4)

typedef struct {
    const mm_workload *workload;
    mm_workload bids, asks; /* one side's operations */
    mm_book *book;
    mm_level *image[2];
    size_t image_count[2];
} run;

static mm_workload one_side(const mm_workload *from, int64_t side)
{
    mm_workload only = *from;
    only.op_count = 0;
    only.message_count = 0;
    only.ops = mm_workload_new(from->op_count, sizeof(mm_workload_op));
    for (size_t i = 0; i < from->op_count; i++) {
        if (from->ops[i].side == side) {
            only.ops[only.op_count++] = from->ops[i];
        }
    }
    mm_workload_messages(&only, false);
    return only;
}

static void prepare(void *context)
{
    run *self = context;
    mm_workload_load(self->workload, self->book);
}

/* ---- Updates --------------------------------------------------------------------------------- */

static void set_each(mm_book *book, const mm_workload *workload)
{
    const mm_workload_op *const end = workload->ops + workload->op_count;
    for (const mm_workload_op *op = workload->ops; op != end; op++) {
        mm_book_set(book, (int32_t)op->side, op->price_e8, op->qty_e8);
    }
}

static void mixed_updates(void *context)
{
    run *self = context;
    mm_workload_replay(self->workload, self->book);
}

static void mixed_updates_call(void *context)
{
    run *self = context;
    set_each(self->book, self->workload);
}

static void bid_updates(void *context)
{
    run *self = context;
    mm_workload_replay(&self->bids, self->book);
}

static void bid_updates_call(void *context)
{
    run *self = context;
    set_each(self->book, &self->bids);
}

static void ask_updates(void *context)
{
    run *self = context;
    mm_workload_replay(&self->asks, self->book);
}

static void ask_updates_call(void *context)
{
    run *self = context;
    set_each(self->book, &self->asks);
}

static void update_to_imbalance(void *context)
{
    run *self = context;
    const mm_workload *workload = self->workload;
    for (size_t i = 0; i < workload->op_count; i++) {
        const mm_workload_op *op = &workload->ops[i];
        double imbalance;
        mm_book_set(self->book, (int32_t)op->side, op->price_e8, op->qty_e8);
        mm_book_imbalance(self->book, 5, &imbalance);
        mm_bench_sink_double(imbalance);
    }
}

static void book_load(void *context)
{
    run *self = context;
    mm_book_snapshot(self->book, self->image[0], self->image_count[0], self->image[1],
                     self->image_count[1], SIZE_MAX);
}

/* ---- Queries --------------------------------------------------------------------------------- */

static void best_bid_ask(void *context)
{
    const mm_top *top = mm_book_top(((run *)context)->book);
    for (uint64_t i = 0; i < QUERIES; i++) {
        mm_bench_barrier();
        mm_bench_sink((uint64_t)top->bid_price_e8);
        mm_bench_sink((uint64_t)top->bid_qty_e8);
        mm_bench_sink((uint64_t)top->ask_price_e8);
        mm_bench_sink((uint64_t)top->ask_qty_e8);
    }
}

static void best_bid_ask_call(void *context)
{
    const mm_book *book = ((run *)context)->book;
    for (uint64_t i = 0; i < QUERIES; i++) {
        mm_level bid, ask;
        bool both = mm_book_best(book, MM_BID, &bid) && mm_book_best(book, MM_ASK, &ask);
        mm_bench_sink(both ? (uint64_t)(bid.price_e8 + bid.qty_e8 + ask.price_e8 + ask.qty_e8) : 0);
    }
}

static void mid(void *context)
{
    const mm_top *top = mm_book_top(((run *)context)->book);
    for (uint64_t i = 0; i < QUERIES; i++) {
        int64_t mid_e8;
        mm_bench_barrier();
        bool both = mm_top_mid(top, &mid_e8);
        mm_bench_sink(both ? (uint64_t)mid_e8 : 0);
    }
}

static void mid_call(void *context)
{
    const mm_book *book = ((run *)context)->book;
    for (uint64_t i = 0; i < QUERIES; i++) {
        int64_t mid_e8;
        mm_bench_sink(mm_book_mid(book, &mid_e8) ? (uint64_t)mid_e8 : 0);
    }
}

static void spread(void *context)
{
    const mm_top *top = mm_book_top(((run *)context)->book);
    for (uint64_t i = 0; i < QUERIES; i++) {
        int64_t spread_e8;
        mm_bench_barrier();
        bool both = mm_top_spread(top, &spread_e8);
        mm_bench_sink(both ? (uint64_t)spread_e8 : 0);
    }
}

static void spread_call(void *context)
{
    const mm_book *book = ((run *)context)->book;
    for (uint64_t i = 0; i < QUERIES; i++) {
        int64_t spread_e8;
        mm_bench_sink(mm_book_spread(book, &spread_e8) ? (uint64_t)spread_e8 : 0);
    }
}

static void imbalance5(void *context)
{
    const mm_book *book = ((run *)context)->book;
    for (uint64_t i = 0; i < QUERIES; i++) {
        double imbalance = 0.0;
        mm_book_imbalance(book, 5, &imbalance);
        mm_bench_sink_double(imbalance);
    }
}

static void vwap10(void *context)
{
    const mm_book *book = ((run *)context)->book;
    for (uint64_t i = 0; i < SLOW_QUERIES; i++) {
        int64_t vwap_e8 = 0;
        mm_book_vwap(book, MM_ASK, 10, &vwap_e8);
        mm_bench_sink((uint64_t)vwap_e8);
    }
}

static void vwap_fill_40(void *context)
{
    const mm_book *book = ((run *)context)->book;
    for (uint64_t i = 0; i < SLOW_QUERIES; i++) {
        int64_t average_e8 = 0;
        mm_book_fill_price(book, MM_ASK, 40 * INT64_C(100000000), &average_e8);
        mm_bench_sink((uint64_t)average_e8);
    }
}

/* ---- Program --------------------------------------------------------------------------------- */

static void figures(const mm_bench *bench, run *self)
{
    const char *name = self->workload->name;
    uint64_t ops = self->workload->op_count;
    mm_bench_run(bench, "bid_updates", name, prepare, bid_updates, self, self->bids.op_count);
    mm_bench_run(bench, "bid_updates_call", name, prepare, bid_updates_call, self,
                 self->bids.op_count);
    mm_bench_run(bench, "ask_updates", name, prepare, ask_updates, self, self->asks.op_count);
    mm_bench_run(bench, "ask_updates_call", name, prepare, ask_updates_call, self,
                 self->asks.op_count);
    mm_bench_run(bench, "mixed_updates", name, prepare, mixed_updates, self, ops);
    mm_bench_run(bench, "mixed_updates_call", name, prepare, mixed_updates_call, self, ops);
    mm_bench_run(bench, "update_to_imbalance", name, prepare, update_to_imbalance, self, ops);
    mm_bench_run(bench, "book_load", name, NULL, book_load, self, self->workload->init_count);
    prepare(self);
    mixed_updates(self);
    mm_bench_run(bench, "best_bid_ask", name, NULL, best_bid_ask, self, QUERIES);
    mm_bench_run(bench, "best_bid_ask_call", name, NULL, best_bid_ask_call, self, QUERIES);
    mm_bench_run(bench, "mid", name, NULL, mid, self, QUERIES);
    mm_bench_run(bench, "mid_call", name, NULL, mid_call, self, QUERIES);
    mm_bench_run(bench, "spread", name, NULL, spread, self, QUERIES);
    mm_bench_run(bench, "spread_call", name, NULL, spread_call, self, QUERIES);
    mm_bench_run(bench, "imbalance5", name, NULL, imbalance5, self, QUERIES);
    mm_bench_run(bench, "vwap10_i128", name, NULL, vwap10, self, SLOW_QUERIES);
    mm_bench_run(bench, "vwap_fill_40", name, NULL, vwap_fill_40, self, SLOW_QUERIES);
}

static void image_of(run *self)
{
    for (int64_t side = 0; side < 2; side++) {
        self->image[side] = mm_workload_new(self->workload->init_count, sizeof(mm_level));
        for (size_t i = 0; i < self->workload->init_count; i++) {
            const mm_workload_op *op = &self->workload->init[i];
            if (op->side == side) {
                mm_level *level = &self->image[side][self->image_count[side]++];
                level->price_e8 = op->price_e8;
                level->qty_e8 = op->qty_e8;
            }
        }
    }
}

static void one_workload(const mm_bench *bench, mm_workload *workload, bool finals,
                         const char *dump)
{
    run self;
    memset(&self, 0, sizeof(self));
    self.workload = workload;
    size_t levels = LEVELS_DEFAULT + workload->init_count + workload->op_count;
    levels = workload->init_count <= LEVELS_DEFAULT ? LEVELS_DEFAULT
             : levels < LEVELS_MAX                  ? levels
                                                    : LEVELS_MAX;
    self.book = mm_book_new(levels, MM_WORKLOAD_TICK_E8);
    if (self.book == NULL) {
        fprintf(stderr, "bench_mm_book: no memory\n");
        exit(1);
    }
    if (dump != NULL) {
        mm_workload_write(workload, dump);
    }
    if (finals) {
        prepare(&self);
        mixed_updates(&self);
        mm_workload_print_final(workload, self.book, stderr);
    } else {
        self.bids = one_side(workload, MM_BID);
        self.asks = one_side(workload, MM_ASK);
        image_of(&self);
        figures(bench, &self);
        free(self.image[0]);
        free(self.image[1]);
        free(self.bids.ops);
        free(self.bids.levels);
        free(self.bids.messages);
        free(self.asks.ops);
        free(self.asks.levels);
        free(self.asks.messages);
    }
    mm_book_free(self.book);
    mm_workload_free(workload);
}

static int dump_adversarial(const char *dir)
{
    for (size_t i = 0; i < MM_ADVERSARY_COUNT; i++) {
        mm_workload workload = mm_adversary_make(i);
        mm_workload_write(&workload, dir);
        printf("%s\n", workload.name);
        mm_workload_free(&workload);
    }
    return 0;
}

int main(int argc, char **argv)
{
    static const char *const names[] = {"W0", "W1", "W2"};
    const char *dump = NULL;
    bool finals = false;
    if (argc > 2 && strcmp(argv[1], "--dump-adversarial") == 0) {
        return dump_adversarial(argv[2]);
    }
    if (argc > 2 && strcmp(argv[1], "--dump-traces") == 0) {
        dump = argv[2];
        finals = true;
        argc -= 2;
        argv += 2;
    } else if (argc > 1 && strcmp(argv[1], "--finals") == 0) {
        finals = true;
        argc--;
        argv++;
    }
    mm_bench bench = mm_bench_options(argc, argv);
    mm_bench_pin(0);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        mm_workload workload = mm_workload_make(names[i]);
        one_workload(&bench, &workload, finals, dump);
    }
    for (size_t i = 0; i < bench.trace_count; i++) {
        mm_workload workload = mm_workload_recorded(bench.traces[i].name, bench.traces[i].dir);
        one_workload(&bench, &workload, finals, dump);
    }
    return 0;
}
