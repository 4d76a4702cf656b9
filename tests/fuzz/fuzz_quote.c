/* Both built-in strategies and the fitting of anyone's quotes, with any parameters and markets, extreme and broken ones too, against
 * the same formulas written with plain divisions; and what must hold of quotes whoever made them. */
#include "mm_fuzz.h"

#include <math.h>

static const int64_t price_max = (int64_t)1 << 62;

typedef struct {
    fuzz_input in;
    mm_symbol symbol;
    mm_quote_config config;
    mm_quote_stance stance;
    mm_quote_input input;
} quote_run;

/* ---- Drawing ---- */

static double take_real(fuzz_input *in, double high)
{
    uint8_t kind = fuzz_u8(in);
    if (kind < 230) {
        return high * (double)fuzz_below(in, 65536) / 65535.0;
    }
    uint64_t bits = fuzz_bytes(in, 8);
    double value = 0.0;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static int64_t take_price(fuzz_input *in)
{
    return fuzz_u8(in) < 200 ? 1 + (int64_t)fuzz_below(in, (uint64_t)1 << 44) : fuzz_i64_in(in, 0, price_max);
}

static void take_market(quote_run *run)
{
    fuzz_input *in = &run->in;
    mm_quote_input *input = &run->input;
    static const int64_t steps[8] = {1, 10, 1000, 1000000, 100000000, 3, 7919, INT64_C(1) << 40};
    run->symbol.tick_e8 = fuzz_u8(in) < 230 ? steps[fuzz_u8(in) & 7] : fuzz_i64_in(in, 1, (int64_t)1 << 60);
    run->symbol.step_e8 = fuzz_u8(in) < 230 ? steps[fuzz_u8(in) & 7] : fuzz_i64_in(in, 1, (int64_t)1 << 60);
    run->symbol.maker_fee_e8 = fuzz_between(in, -1000, 100000) * (fuzz_u8(in) < 250 ? 1 : 100);
    FUZZ_EQUAL(mm_grid_init(&input->tick, run->symbol.tick_e8), MM_OK);
    FUZZ_EQUAL(mm_grid_init(&input->lot, run->symbol.step_e8), MM_OK);
    input->symbol = &run->symbol;
    int64_t bid_e8 = take_price(in), spread = (int64_t)fuzz_below(in, 4096);
    if (fuzz_u8(in) < 240) { /* on the tick, as the exchange's are */
        bid_e8 -= bid_e8 % run->symbol.tick_e8;
        fuzz_i128 ask = (fuzz_i128)bid_e8 + (fuzz_i128)spread * run->symbol.tick_e8;
        input->top.ask_price_e8 = ask < price_max ? (int64_t)ask : price_max;
    } else {
        input->top.ask_price_e8 = take_price(in);
    }
    input->top.bid_price_e8 = bid_e8;
    input->top.bid_qty_e8 = fuzz_u8(in) < 250;
    input->top.ask_qty_e8 = fuzz_u8(in) < 250;
    input->signal.alpha = take_real(in, 2.0) - 1.0;
    input->signal.imbalance = take_real(in, 2.0) - 1.0;
    input->signal.volatility = take_real(in, 0.01);
    input->signal.ready = fuzz_u8(in) < 240 ? MM_SIGNAL_BOOK | MM_SIGNAL_VOLATILITY : 0;
}

static void take_config(quote_run *run)
{
    fuzz_input *in = &run->in;
    mm_quote_config *c = &run->config;
    c->order_qty_e8 = fuzz_u8(in) < 220 ? 1 + (int64_t)fuzz_below(in, (uint64_t)1 << 40) : fuzz_i64_in(in, 1, price_max);
    c->max_position_e8 = fuzz_u8(in) < 220 ? 1 + (int64_t)fuzz_below(in, (uint64_t)1 << 44) : fuzz_i64_in(in, 1, price_max);
    c->layers = fuzz_u8(in) < 128 ? 1 : 1 + (int64_t)fuzz_below(in, MM_LAYERS_MAX);
    c->layer_step_bps = 0.01 + take_real(in, 50.0);
    c->min_spread_bps = 0.01 + take_real(in, 50.0);
    c->max_spread_bps = c->min_spread_bps + take_real(in, 500.0);
    c->vol_mult = take_real(in, 10.0);
    c->skew = take_real(in, 4.0);
    c->alpha_weight = take_real(in, 2.0);
    c->imbalance_weight = take_real(in, 2.0);
    c->allow_negative_edge = fuzz_u8(in) & 1;
    c->risk_factor = 0.001 + take_real(in, 10.0);
    c->kappa = 0.001 + take_real(in, 100.0);
    c->horizon_s = 0.1 + take_real(in, 600.0);
    c->order_amount_shape_factor = take_real(in, 5.0);
    c->min_spread_pct = take_real(in, 2.0);
    fuzz_i128 position = (fuzz_i128)c->max_position_e8 * fuzz_between(in, -300, 300) / 256;
    run->input.position_e8 = fuzz_u8(in) < 230 && position > INT64_MIN && position < INT64_MAX ? (int64_t)position : fuzz_i64(in);
}

/* ---- The same formulas ---- */

static int64_t floor_to(fuzz_i128 value, int64_t step)
{
    fuzz_i128 rest = value % step;
    return (int64_t)(value - (rest < 0 ? rest + step : rest));
}

static int64_t slow_bid(const mm_quote_input *input, int64_t price_e8)
{
    int64_t highest = input->top.ask_price_e8 - input->symbol->tick_e8;
    int64_t bid = floor_to(price_e8 < highest ? price_e8 : highest, input->symbol->tick_e8);
    return bid > 0 ? bid : 0;
}

static int64_t slow_ask(const mm_quote_input *input, int64_t price_e8)
{
    fuzz_i128 lowest = (fuzz_i128)input->top.bid_price_e8 + input->symbol->tick_e8, wanted = price_e8 > lowest ? price_e8 : lowest;
    fuzz_i128 ask = (wanted + input->symbol->tick_e8 - 1) / input->symbol->tick_e8 * input->symbol->tick_e8;
    return ask <= price_max ? (int64_t)ask : 0;
}

static void slow_around(const mm_quote_input *input, double fair, double half, int64_t *bid, int64_t *ask)
{
    bool some = fabs(fair) + half < (double)price_max;
    *bid = some ? slow_bid(input, (int64_t)(fair - half)) : 0;
    *ask = some ? slow_ask(input, (int64_t)(fair + half)) : 0;
}

static void slow_best(const mm_quote_config *c, const mm_quote_input *input, double fair, double half, int64_t *bid, int64_t *ask)
{
    fuzz_i128 fees = ((fuzz_i128)input->top.bid_price_e8 + input->top.ask_price_e8) * input->symbol->maker_fee_e8;
    int64_t least = fees > 0 ? (int64_t)((fees + MM_ONE_E8 - 1) / MM_ONE_E8) : 0;
    slow_around(input, fair, half, bid, ask);
    if (c->allow_negative_edge || (*bid != 0 && *ask != 0 && *ask - *bid >= least)) {
        return;
    }
    double wide = (double)least * 0.5;
    slow_around(input, fair, wide > half ? wide : half, bid, ask);
    if (*bid != 0 && *ask != 0 && *ask - *bid < least) {
        *ask = slow_ask(input, *bid + least);
    }
}

static void slow_side(const mm_quote_config *c, const mm_quote_input *input, int32_t side, int64_t best, double size, mm_quotes *out)
{
    int64_t qty_e8 = floor_to((int64_t)size, input->symbol->step_e8);
    bool room = side == MM_BID ? input->position_e8 < c->max_position_e8 : input->position_e8 > -c->max_position_e8;
    mm_level *levels = side == MM_BID ? out->bids : out->asks;
    uint32_t *count = side == MM_BID ? &out->bid_count : &out->ask_count;
    uint64_t *verdict = side == MM_BID ? &out->bid_verdict : &out->ask_verdict;
    double mid = (double)(input->top.bid_price_e8 + input->top.ask_price_e8) * 0.5;
    double apart = mid * c->layer_step_bps * 1e-4, tick = (double)input->symbol->tick_e8, step = apart > tick ? apart : tick;
    *count = 0;
    *verdict = !room ? MM_BIT(MM_REASON_POSITION_LIMIT) : best == 0 || qty_e8 == 0 ? MM_BIT(MM_REASON_STRATEGY_PASS) : 0;
    for (int64_t layer = 0; *verdict == 0 && layer < c->layers; layer++) {
        double offset = layer == 0 ? 0.0 : (double)layer * step; /* a step may be infinite */
        if (!(offset < (double)(price_max / 2))) {
            return;
        }
        int64_t price = side == MM_BID ? best - (int64_t)offset : best + (int64_t)offset;
        price = side == MM_BID ? slow_bid(input, price) : slow_ask(input, price);
        if (price == 0) {
            return;
        }
        levels[*count].price_e8 = price;
        levels[(*count)++].qty_e8 = qty_e8;
    }
}

static void slow_quotes(const mm_quote_config *c, const mm_quote_input *input, double fair, double half, double bid_size,
                        double ask_size, mm_quotes *out)
{
    int64_t bid = 0, ask = 0;
    slow_best(c, input, fair, half, &bid, &ask);
    slow_side(c, input, MM_BID, bid, bid_size, out);
    slow_side(c, input, MM_ASK, ask, ask_size, out);
}

static double slow_clamp(double value, double low, double high)
{
    return value < low ? low : value > high ? high : value;
}

static void slow_skew(const mm_quote_config *c, const mm_quote_input *input, mm_quotes *out)
{
    const mm_top *top = &input->top;
    double mid = (double)(top->bid_price_e8 + top->ask_price_e8) * 0.5, spread = (double)(top->ask_price_e8 - top->bid_price_e8);
    double half = slow_clamp(spread * 0.5 + mid * input->signal.volatility * c->vol_mult, mid * c->min_spread_bps * 0.5e-4,
                             mid * c->max_spread_bps * 0.5e-4);
    double held = slow_clamp((double)input->position_e8 / (double)c->max_position_e8, -1.0, 1.0);
    double lean = input->signal.alpha * c->alpha_weight + input->signal.imbalance * c->imbalance_weight;
    double size = (double)c->order_qty_e8;
    slow_quotes(c, input, mid + lean * half - held * c->skew * half, half, size * (1.0 - (held > 0.0 ? held : 0.0)),
                size * (1.0 + (held < 0.0 ? held : 0.0)), out);
}

static void slow_model(const mm_quote_config *c, const mm_quote_input *input, mm_quotes *out)
{
    const mm_top *top = &input->top;
    double mid = (double)(top->bid_price_e8 + top->ask_price_e8) * 0.5;
    double held = slow_clamp((double)input->position_e8 / (double)c->max_position_e8, -1.0, 1.0);
    double risk = c->risk_factor * (mid * input->signal.volatility * sqrt(c->horizon_s));
    double spread = risk + 2.0 / c->risk_factor * log1p(c->risk_factor / c->kappa) * (double)MM_ONE_E8;
    double least = mid * c->min_spread_pct * 0.5e-2, reservation = mid - held * risk;
    double over = reservation + spread * 0.5, under = reservation - spread * 0.5;
    double ask = over > mid + least ? over : mid + least, bid = under < mid - least ? under : mid - least;
    double size = (double)c->order_qty_e8, shrunk = 1.0, power = c->order_amount_shape_factor;
    int64_t steps = (int64_t)(fabs(held) * 256.0 + 0.5);
    for (int32_t bit = 0; bit < 9; bit++) {
        shrunk *= (steps & (256 >> bit)) != 0 ? exp(-power) : 1.0;
        power *= 0.5;
    }
    shrunk *= size;
    slow_quotes(c, input, (ask + bid) * 0.5, (ask - bid) * 0.5, held > 0.0 ? shrunk : size, held < 0.0 ? shrunk : size, out);
}

/* ---- Checks ---- */

static bool top_is_one(const mm_top *top)
{
    return top->bid_qty_e8 > 0 && top->ask_qty_e8 > 0 && top->bid_price_e8 > 0 && top->bid_price_e8 < top->ask_price_e8;
}

/* Layers are placed in floating point: where a tick is near what that can tell apart, a million times any real one, two may meet. */
static void check_side(const mm_quote_input *input, int32_t side, const mm_level *levels, uint32_t count, int64_t guard_ticks)
{
    const int64_t least = input->symbol->tick_e8 < (INT64_C(1) << 50) ? 1 : 0;
    for (uint32_t i = 0; i < count; i++) {
        FUZZ_CHECK(levels[i].price_e8 > 0 && levels[i].price_e8 <= price_max && levels[i].price_e8 % input->symbol->tick_e8 == 0);
        FUZZ_CHECK(levels[i].qty_e8 > 0 && levels[i].qty_e8 % input->symbol->step_e8 == 0);
        fuzz_i128 guard = (fuzz_i128)guard_ticks * input->symbol->tick_e8;
        FUZZ_CHECK(side == MM_BID ? levels[i].price_e8 <= input->top.ask_price_e8 - guard
                                  : levels[i].price_e8 >= input->top.bid_price_e8 + guard);
        FUZZ_CHECK(i == 0 || (side == MM_BID ? levels[i - 1].price_e8 - levels[i].price_e8
                                             : levels[i].price_e8 - levels[i - 1].price_e8) >= least);
    }
}

/* Strategies cut to whole counts before they round to the tick, so that a width under one count leaves both on one tick: fitting
 * takes such a pair away. */
static void check_quotes(const mm_quote_input *input, const mm_quotes *quotes, int64_t guard_ticks, bool fitted)
{
    FUZZ_CHECK(quotes->bid_count <= MM_LAYERS_MAX && quotes->ask_count <= MM_LAYERS_MAX);
    FUZZ_CHECK((quotes->bid_count > 0) == (quotes->bid_verdict == 0) && (quotes->ask_count > 0) == (quotes->ask_verdict == 0));
    check_side(input, MM_BID, quotes->bids, quotes->bid_count, guard_ticks);
    check_side(input, MM_ASK, quotes->asks, quotes->ask_count, guard_ticks);
    if (quotes->bid_count > 0 && quotes->ask_count > 0) {
        FUZZ_CHECK(quotes->bids[0].price_e8 + (fitted ? 1 : 0) <= quotes->asks[0].price_e8);
    }
}

static void check_equal(const mm_quotes *made, const mm_quotes *wanted)
{
    FUZZ_EQUAL(made->bid_count, wanted->bid_count);
    FUZZ_EQUAL(made->ask_count, wanted->ask_count);
    FUZZ_EQUAL(made->bid_verdict, wanted->bid_verdict);
    FUZZ_EQUAL(made->ask_verdict, wanted->ask_verdict);
    FUZZ_CHECK(memcmp(made->bids, wanted->bids, made->bid_count * sizeof made->bids[0]) == 0);
    FUZZ_CHECK(memcmp(made->asks, wanted->asks, made->ask_count * sizeof made->asks[0]) == 0);
}

static void check_strategies(quote_run *run)
{
    const char *bad = NULL;
    mm_quotes made, again, wanted;
    if (mm_quote_derive(&run->config, &bad) != MM_OK) {
        FUZZ_CHECK(bad != NULL);
        return;
    }
    bool one = top_is_one(&run->input.top);
    memset(&made, 0xA5, sizeof made);
    mm_quote_inventory_skew(&run->config, &run->stance, &run->input, &made);
    check_quotes(&run->input, &made, 1, false);
    memset(&again, 0x5A, sizeof again);
    mm_quote_inventory_skew(&run->config, &run->stance, &run->input, &again); /* with what the first call kept */
    check_equal(&again, &made);
    FUZZ_CHECK(one || (made.bid_count == 0 && made.ask_count == 0 && made.bid_verdict == made.ask_verdict));
    if (one) {
        slow_skew(&run->config, &run->input, &wanted);
        check_equal(&made, &wanted);
    }
    memset(&made, 0x5A, sizeof made);
    mm_quote_avellaneda_stoikov(&run->config, &run->input, &made);
    check_quotes(&run->input, &made, 1, false);
    bool ready = (run->input.signal.ready & MM_SIGNAL_VOLATILITY) != 0;
    FUZZ_CHECK((one && ready) || (made.bid_count == 0 && made.ask_count == 0));
    if (one && ready) {
        slow_model(&run->config, &run->input, &wanted);
        check_equal(&made, &wanted);
    }
}

/* ---- Fitting ---- */

/* Adds a wish where it belongs, unless its price is taken. */
static void slow_insert(mm_level *levels, uint32_t *count, int32_t side, mm_level level)
{
    uint32_t at = 0;
    while (at < *count && (side == MM_BID ? levels[at].price_e8 > level.price_e8 : levels[at].price_e8 < level.price_e8)) {
        at++;
    }
    if (at < *count && levels[at].price_e8 == level.price_e8) {
        return;
    }
    memmove(&levels[at + 1], &levels[at], (*count - at) * sizeof level);
    levels[at] = level;
    (*count)++;
}

static uint32_t slow_fit(const mm_quote_input *input, int64_t guard_ticks, int32_t side, const mm_level *wishes, uint32_t wish_count,
                         mm_level *fitted)
{
    int64_t tick = input->symbol->tick_e8;
    fuzz_i128 guard = (fuzz_i128)guard_ticks * tick;
    fuzz_i128 highest = (input->top.ask_price_e8 - guard), lowest = (input->top.bid_price_e8 + guard + tick - 1) / tick * tick;
    highest = highest > 0 ? highest / tick * tick : 0;
    uint32_t count = 0;
    for (uint32_t i = 0; i < wish_count; i++) {
        mm_level wish = wishes[i];
        if (wish.price_e8 <= 0 || wish.price_e8 > price_max || wish.qty_e8 <= 0 || wish.qty_e8 > price_max) {
            continue;
        }
        fuzz_i128 price = side == MM_BID ? wish.price_e8 / tick * tick : ((fuzz_i128)wish.price_e8 + tick - 1) / tick * tick;
        fuzz_i128 kept = side == MM_BID ? (price < highest ? price : highest) : (price > lowest ? price : lowest);
        wish.qty_e8 -= wish.qty_e8 % input->symbol->step_e8;
        if (price > 0 && price <= price_max && kept > 0 && kept <= price_max && wish.qty_e8 > 0) {
            wish.price_e8 = (int64_t)kept;
            slow_insert(fitted, &count, side, wish);
        }
    }
    return count;
}

static void take_wishes(quote_run *run, mm_level *wishes, uint32_t *count)
{
    *count = (uint32_t)fuzz_below(&run->in, MM_LAYERS_MAX + 1);
    for (uint32_t i = 0; i < *count; i++) {
        uint8_t kind = fuzz_u8(&run->in);
        int64_t near = fuzz_between(&run->in, -64, 64);
        fuzz_i128 price = (fuzz_i128)run->input.top.bid_price_e8 + near * (fuzz_i128)run->symbol.tick_e8 + (kind & 3);
        wishes[i].price_e8 = kind < 220 && price < INT64_MAX ? (int64_t)price : fuzz_i64(&run->in);
        wishes[i].qty_e8 = kind < 240 ? (int64_t)fuzz_below(&run->in, 65536) * (1 + run->symbol.step_e8 / 8 % 100000) : fuzz_i64(&run->in);
    }
}

static void check_fit(quote_run *run)
{
    mm_quotes quotes;
    mm_level bids[MM_LAYERS_MAX + 1], asks[MM_LAYERS_MAX + 1];
    int64_t guard_ticks = 1 + (int64_t)fuzz_below(&run->in, 64);
    memset(&quotes, 0, sizeof quotes);
    take_wishes(run, quotes.bids, &quotes.bid_count);
    take_wishes(run, quotes.asks, &quotes.ask_count);
    uint32_t bid_count = slow_fit(&run->input, guard_ticks, MM_BID, quotes.bids, quotes.bid_count, bids);
    uint32_t ask_count = slow_fit(&run->input, guard_ticks, MM_ASK, quotes.asks, quotes.ask_count, asks);
    bool crossed = bid_count > 0 && ask_count > 0 && bids[0].price_e8 >= asks[0].price_e8;
    mm_quote_fit(&run->input, guard_ticks, &quotes);
    check_quotes(&run->input, &quotes, guard_ticks, true);
    bool none = crossed || !top_is_one(&run->input.top);
    FUZZ_EQUAL(quotes.bid_count, none ? 0 : bid_count);
    FUZZ_EQUAL(quotes.ask_count, none ? 0 : ask_count);
    FUZZ_CHECK(memcmp(quotes.bids, bids, quotes.bid_count * sizeof bids[0]) == 0);
    FUZZ_CHECK(memcmp(quotes.asks, asks, quotes.ask_count * sizeof asks[0]) == 0);
    FUZZ_CHECK(!crossed || !top_is_one(&run->input.top) || quotes.bid_verdict == MM_BIT(MM_REASON_SELF_TRADE));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static quote_run run;
    memset(&run, 0, sizeof run);
    run.in.at = data;
    run.in.left = size;
    take_market(&run);
    take_config(&run);
    check_strategies(&run);
    check_fit(&run);
    return 0;
}
