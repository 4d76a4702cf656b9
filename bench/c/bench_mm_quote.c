/* Quotes on the yardstick's workloads, with the reference's parameters: one layer, no fee floor,
 * position 0.25 of 1.
 *
 *   - quote: inventory_skew from the book's top and a signal, through the strategy table as the engine
 *     does it; with _call called by name; with _inlined compiled into the loop, as mm_quote.h has it;
 *   - avellaneda_stoikov: the other strategy, called by name;
 *   - fit: the check every decision passes, two layers a side;
 *   - update_to_quote: what an event costs: mm_book_set, imbalance(5), inventory_skew by name; with
 *     _inlined the last of them compiled into the loop. */
#include "mm_bench.h"

#include "mm_workload.h"

#include "mm_quote.h"

#define LEVELS_MAX 10000
#define QUERIES UINT64_C(524288)
#define POSITION_E8 INT64_C(25000000)

typedef struct {
    const mm_workload *workload;
    mm_book *book;
    mm_symbol symbol;
    mm_quote_config config;
    mm_quote_stance stance;
    mm_strategy strategy;
    mm_quote_input input;
    mm_quotes wishes; /* for fit */
} run;

static void fail(const char *what)
{
    fprintf(stderr, "bench_mm_quote: %s\n", what);
    exit(1);
}

static void prepare(void *context)
{
    run *self = context;
    mm_workload_load(self->workload, self->book);
}

static void skew_through_table(void *state, const mm_quote_input *input, mm_quotes *quotes)
{
    run *self = state;
    mm_quote_inventory_skew(&self->config, &self->stance, input, quotes);
}

static void sink_quotes(const mm_quotes *quotes)
{
    mm_bench_sink((uint64_t)(quotes->bids[0].price_e8 + quotes->bids[0].qty_e8));
    mm_bench_sink((uint64_t)(quotes->asks[0].price_e8 + quotes->asks[0].qty_e8));
}

static void quote(void *context)
{
    run *self = context;
    const mm_top *top = mm_book_top(self->book);
    mm_quotes quotes;
    for (uint64_t i = 0; i < QUERIES; i++) {
        mm_bench_barrier();
        self->input.top = *top;
        self->strategy.compute(self->strategy.state, &self->input, &quotes);
        sink_quotes(&quotes);
    }
}

static void quote_call(void *context)
{
    run *self = context;
    const mm_top *top = mm_book_top(self->book);
    mm_quotes quotes;
    for (uint64_t i = 0; i < QUERIES; i++) {
        mm_bench_barrier();
        self->input.top = *top;
        mm_quote_inventory_skew(&self->config, &self->stance, &self->input, &quotes);
        sink_quotes(&quotes);
    }
}

/* inventory_skew compiled into its caller, around the book's own view of the top. */
static inline void skew_inlined(run *self, mm_quote_input *input, const mm_top *top, mm_quotes *quotes)
{
    if (!mm__quote_skew_short(&self->config, &self->stance, input, top, quotes)) {
        mm_top_read(top, &input->top);
        mm_quote_inventory_skew(&self->config, &self->stance, input, quotes);
    }
}

static void quote_inlined(void *context)
{
    run *self = context;
    const mm_top *top = mm_book_top(self->book);
    mm_quotes quotes;
    for (uint64_t i = 0; i < QUERIES; i++) {
        mm_bench_barrier();
        skew_inlined(self, &self->input, top, &quotes);
        sink_quotes(&quotes);
    }
}

static void avellaneda_stoikov(void *context)
{
    run *self = context;
    const mm_top *top = mm_book_top(self->book);
    mm_quotes quotes;
    for (uint64_t i = 0; i < QUERIES; i++) {
        mm_bench_barrier();
        self->input.top = *top;
        mm_quote_avellaneda_stoikov(&self->config, &self->input, &quotes);
        sink_quotes(&quotes);
    }
}

static void fit(void *context)
{
    run *self = context;
    mm_quotes quotes;
    for (uint64_t i = 0; i < QUERIES; i++) {
        quotes = self->wishes;
        mm_bench_barrier();
        mm_quote_fit(&self->input, 1, &quotes);
        sink_quotes(&quotes);
    }
}

static void update_to_quote(void *context)
{
    run *self = context;
    mm_book *book = self->book;
    const mm_workload_op *op = self->workload->ops;
    const mm_workload_op *const end = op + self->workload->op_count;
    const mm_top *top = mm_book_top(book);
    mm_quote_input input = self->input;
    mm_quotes quotes;
    for (; op != end; op++) {
        mm_book_set(book, (int32_t)op->side, op->price_e8, op->qty_e8);
        mm_book_imbalance(book, 5, &input.signal.imbalance);
        mm_top_read(top, &input.top);
        mm_quote_inventory_skew(&self->config, &self->stance, &input, &quotes);
        sink_quotes(&quotes);
    }
}

static void update_to_quote_inlined(void *context)
{
    run *self = context;
    mm_book *book = self->book;
    const mm_workload_op *op = self->workload->ops;
    const mm_workload_op *const end = op + self->workload->op_count;
    const mm_top *top = mm_book_top(book);
    mm_quote_input input = self->input;
    mm_quotes quotes;
    for (; op != end; op++) {
        mm_book_set(book, (int32_t)op->side, op->price_e8, op->qty_e8);
        mm_book_imbalance(book, 5, &input.signal.imbalance);
        skew_inlined(self, &input, top, &quotes);
        sink_quotes(&quotes);
    }
}

/* ---- Program --------------------------------------------------------------------------------- */

static mm_quote_config reference_config(void)
{
    mm_quote_config config;
    const char *bad_field = NULL;
    memset(&config, 0, sizeof(config));
    config.order_qty_e8 = MM_ONE_E8 / 10;
    config.max_position_e8 = MM_ONE_E8;
    config.layers = 1;
    config.layer_step_bps = 1.0;
    config.min_spread_bps = 1.0;
    config.max_spread_bps = 20.0;
    config.vol_mult = 0.5;
    config.skew = 0.5;
    config.alpha_weight = 0.3;
    config.imbalance_weight = 0.2;
    config.allow_negative_edge = 1;
    config.risk_factor = 1.0;
    config.kappa = 1.5;
    config.horizon_s = 60.0;
    config.order_amount_shape_factor = 0.5;
    if (mm_quote_derive(&config, &bad_field) != MM_OK) {
        fail(bad_field);
    }
    return config;
}

static void open_run(run *self, const mm_workload *workload)
{
    memset(self, 0, sizeof(*self));
    self->workload = workload;
    self->book = mm_book_new(LEVELS_MAX, MM_WORKLOAD_TICK_E8);
    if (self->book == NULL) {
        fail("no memory");
    }
    self->symbol.tick_e8 = MM_WORKLOAD_TICK_E8;
    self->symbol.step_e8 = 1000;
    if (mm_grid_init(&self->input.tick, self->symbol.tick_e8) != MM_OK ||
        mm_grid_init(&self->input.lot, self->symbol.step_e8) != MM_OK) {
        fail("a tick or step");
    }
    self->config = reference_config();
    self->strategy.name = "inventory_skew";
    self->strategy.state = self;
    self->strategy.compute = skew_through_table;
    self->input.book = self->book;
    self->input.symbol = &self->symbol;
    self->input.signal.alpha = 0.1;
    self->input.signal.volatility = 0.0001;
    self->input.signal.imbalance = 0.2;
    self->input.signal.ready = MM_SIGNAL_BOOK | MM_SIGNAL_VOLATILITY | MM_SIGNAL_FLOW;
    self->input.position_e8 = POSITION_E8;
}

/* The book after the workload, and two layers a side around its top. */
static void settle(run *self)
{
    prepare(self);
    mm_workload_replay(self->workload, self->book);
    self->input.top = *mm_book_top(self->book);
    self->config.layers = 2;
    memset(&self->stance, 0, sizeof(self->stance));
    mm_quote_inventory_skew(&self->config, &self->stance, &self->input, &self->wishes);
    self->config.layers = 1;
    if (self->wishes.bid_count != 2 || self->wishes.ask_count != 2) {
        fail("the strategy does not quote");
    }
}

static void one_workload(const mm_bench *bench, mm_workload *workload)
{
    run self;
    open_run(&self, workload);
    mm_bench_run(bench, "update_to_quote", workload->name, prepare, update_to_quote, &self,
                 workload->op_count);
    mm_bench_run(bench, "update_to_quote_inlined", workload->name, prepare, update_to_quote_inlined,
                 &self, workload->op_count);
    settle(&self);
    mm_bench_run(bench, "quote_inlined", workload->name, NULL, quote_inlined, &self, QUERIES);
    mm_bench_run(bench, "quote", workload->name, NULL, quote, &self, QUERIES);
    mm_bench_run(bench, "quote_call", workload->name, NULL, quote_call, &self, QUERIES);
    mm_bench_run(bench, "avellaneda_stoikov", workload->name, NULL, avellaneda_stoikov, &self,
                 QUERIES);
    mm_bench_run(bench, "fit", workload->name, NULL, fit, &self, QUERIES);
    mm_book_free(self.book);
    mm_workload_free(workload);
}

int main(int argc, char **argv)
{
    static const char *const names[] = {"W0", "W1", "W2"};
    mm_bench bench = mm_bench_options(argc, argv);
    mm_bench_pin(0);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        mm_workload workload = mm_workload_make(names[i]);
        one_workload(&bench, &workload);
    }
    for (size_t i = 0; i < bench.trace_count; i++) {
        mm_workload workload = mm_workload_recorded(bench.traces[i].name, bench.traces[i].dir);
        one_workload(&bench, &workload);
    }
    return 0;
}
