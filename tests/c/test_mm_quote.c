/* The built-in strategies and the fitting of quotes. */
#include "mm_test.h"

#include "mm_quote.h"

#define BIT(reason) MM_BIT(MM_REASON_##reason)
#define E8 INT64_C(100000000)
#define PRICE_LIMIT ((int64_t)1 << 62)

static mm_symbol symbol_of(int64_t tick_e8, int64_t step_e8)
{
    mm_symbol s;
    memset(&s, 0, sizeof s);
    strcpy(s.name, "BTCUSDT");
    strcpy(s.base, "BTC");
    strcpy(s.quote, "USDT");
    s.tick_e8 = tick_e8;
    s.step_e8 = step_e8;
    s.maker_fee_e8 = 100000;
    return s;
}

static mm_quote_config config_of(void)
{
    mm_quote_config c;
    const char *bad = NULL;
    memset(&c, 0, sizeof c);
    c.order_qty_e8 = E8 / 1000;
    c.max_position_e8 = E8 / 100;
    c.layers = 1;
    c.layer_step_bps = 3.0;
    c.min_spread_bps = 20.0;
    c.max_spread_bps = 100.0;
    c.vol_mult = 1.0;
    c.skew = 0.5;
    c.alpha_weight = 0.1;
    c.imbalance_weight = 0.1;
    c.risk_factor = 1.0;
    c.kappa = 1.5;
    c.horizon_s = 60.0;
    c.order_amount_shape_factor = 1.0;
    MM_CHECK_INT(mm_quote_derive(&c, &bad), ==, MM_OK);
    MM_CHECK(bad == NULL);
    return c;
}

static mm_quote_input input_of(const mm_symbol *symbol, int64_t bid_e8, int64_t ask_e8)
{
    mm_quote_input in;
    memset(&in, 0, sizeof in);
    in.symbol = symbol;
    MM_CHECK_INT(mm_grid_init(&in.tick, symbol->tick_e8), ==, MM_OK);
    MM_CHECK_INT(mm_grid_init(&in.lot, symbol->step_e8), ==, MM_OK);
    in.top.bid_price_e8 = bid_e8;
    in.top.bid_qty_e8 = E8;
    in.top.ask_price_e8 = ask_e8;
    in.top.ask_qty_e8 = E8;
    in.signal.ready = MM_SIGNAL_BOOK | MM_SIGNAL_VOLATILITY | MM_SIGNAL_FLOW;
    return in;
}

static void check_same(const mm_quotes *a, const mm_quotes *b)
{
    MM_CHECK_UINT(a->bid_count, ==, b->bid_count);
    MM_CHECK_UINT(a->ask_count, ==, b->ask_count);
    MM_CHECK_UINT(a->bid_verdict, ==, b->bid_verdict);
    MM_CHECK_UINT(a->ask_verdict, ==, b->ask_verdict);
    MM_CHECK_BYTES(a->bids, b->bids, a->bid_count * sizeof(mm_level));
    MM_CHECK_BYTES(a->asks, b->asks, a->ask_count * sizeof(mm_level));
}

/* inventory_skew, of which a second call, with what the first one kept, says the same. */
static void skew_twice(const mm_quote_config *c, const mm_quote_input *in, mm_quotes *quotes)
{
    mm_quote_stance stance;
    mm_quotes first;
    memset(&stance, 0, sizeof stance);
    memset(&first, 0x5A, sizeof first);
    memset(quotes, 0xA5, sizeof *quotes);
    mm_quote_inventory_skew(c, &stance, in, &first);
    mm_quote_inventory_skew(c, &stance, in, quotes);
    check_same(&first, quotes);
}

/* ---- parameters ---- */

/* Refused with the field's name, and nothing is derived. */
static void check_bad(const mm_quote_config *config, const char *name)
{
    mm_quote_config c = *config;
    const char *bad = NULL;
    MM_CHECK_INT(mm_quote_derive(&c, &bad), ==, MM_E_ARGUMENT);
    MM_REQUIRE(bad != NULL);
    MM_CHECK_TEXT(bad, name);
    MM_CHECK_BYTES(&c, config, sizeof c);
}

static void every_parameter_out_of_range_is_named(void)
{
    static const struct {
        size_t at;
        const char *name;
    } reals[] = {
        {offsetof(mm_quote_config, layer_step_bps), "layer_step_bps"},
        {offsetof(mm_quote_config, min_spread_bps), "min_spread_bps"},
        {offsetof(mm_quote_config, max_spread_bps), "max_spread_bps"},
        {offsetof(mm_quote_config, vol_mult), "vol_mult"},
        {offsetof(mm_quote_config, skew), "skew"},
        {offsetof(mm_quote_config, alpha_weight), "alpha_weight"},
        {offsetof(mm_quote_config, imbalance_weight), "imbalance_weight"},
        {offsetof(mm_quote_config, risk_factor), "risk_factor"},
        {offsetof(mm_quote_config, kappa), "kappa"},
        {offsetof(mm_quote_config, horizon_s), "horizon_s"},
        {offsetof(mm_quote_config, order_amount_shape_factor), "order_amount_shape_factor"},
        {offsetof(mm_quote_config, min_spread_pct), "min_spread_pct"},
    };
    const double never[] = {(double)NAN, (double)INFINITY, -(double)INFINITY};
    for (size_t i = 0; i < MM_ARRAY_COUNT(reals); i++) {
        for (size_t j = 0; j < MM_ARRAY_COUNT(never); j++) {
            mm_quote_config c = config_of();
            memcpy((char *)&c + reals[i].at, &never[j], sizeof never[j]);
            check_bad(&c, reals[i].name);
        }
    }
    static const struct {
        size_t at;
        const char *name;
        int64_t value;
    } wholes[] = {
        {offsetof(mm_quote_config, order_qty_e8), "order_qty_e8", 0},
        {offsetof(mm_quote_config, order_qty_e8), "order_qty_e8", PRICE_LIMIT + 1},
        {offsetof(mm_quote_config, max_position_e8), "max_position_e8", 0},
        {offsetof(mm_quote_config, max_position_e8), "max_position_e8", PRICE_LIMIT + 1},
        {offsetof(mm_quote_config, layers), "layers", 0},
        {offsetof(mm_quote_config, layers), "layers", MM_LAYERS_MAX + 1},
        {offsetof(mm_quote_config, allow_negative_edge), "allow_negative_edge", 2},
    };
    for (size_t i = 0; i < MM_ARRAY_COUNT(wholes); i++) {
        mm_quote_config c = config_of();
        memcpy((char *)&c + wholes[i].at, &wholes[i].value, sizeof wholes[i].value);
        check_bad(&c, wholes[i].name);
    }
}

static void finite_parameters_that_make_no_sense_are_named(void)
{
    static const struct {
        size_t at;
        const char *name;
        double value;
    } cases[] = {
        {offsetof(mm_quote_config, layer_step_bps), "layer_step_bps", 0.0},
        {offsetof(mm_quote_config, min_spread_bps), "min_spread_bps", -1.0},
        {offsetof(mm_quote_config, max_spread_bps), "max_spread_bps", 19.0}, /* under min */
        {offsetof(mm_quote_config, vol_mult), "vol_mult", -0.1},
        {offsetof(mm_quote_config, kappa), "kappa", 0.0},
        {offsetof(mm_quote_config, risk_factor), "risk_factor", 1e-308}, /* 2 / gamma is infinite */
        {offsetof(mm_quote_config, min_spread_pct), "min_spread_pct", -0.1},
    };
    for (size_t i = 0; i < MM_ARRAY_COUNT(cases); i++) {
        mm_quote_config c = config_of();
        c.kappa = 1e-308; /* so that gamma / kappa is none too small beside 2 / gamma */
        memcpy((char *)&c + cases[i].at, &cases[i].value, sizeof cases[i].value);
        check_bad(&c, cases[i].name);
    }
}

static void derived_numbers_are_those_of_the_formulas(void)
{
    mm_quote_config c = config_of();
    MM_CHECK_NEAR(c.as_spread_const, 2.0 * log(1.0 + 1.0 / 1.5), 1e-15);
    for (int i = 0; i < 9; i++) {
        MM_CHECK_NEAR(c.as_shape[i], exp(-1.0 / (double)(1 << i)), 1e-15);
    }
}

/* ---- inventory_skew against the formula ---- */

__extension__ typedef __int128 wide;

typedef struct {
    int64_t bid_e8; /* 0 = no price */
    int64_t ask_e8;
    int64_t bid_qty_e8;
    int64_t ask_qty_e8;
} reference;

static double bounded(double value, double low, double high)
{
    return value < low ? low : value > high ? high : value;
}

static reference formula(const mm_quote_config *c, const mm_quote_input *in)
{
    reference r;
    int64_t bb = in->top.bid_price_e8;
    int64_t ba = in->top.ask_price_e8;
    int64_t tick = in->symbol->tick_e8;
    int64_t lot = in->symbol->step_e8;
    double mid = (double)(bb + ba) * 0.5;
    double half = bounded((double)(ba - bb) * 0.5 + mid * in->signal.volatility * c->vol_mult,
                          mid * c->min_spread_bps * 0.5e-4, mid * c->max_spread_bps * 0.5e-4);
    double inv = bounded((double)in->position_e8 / (double)c->max_position_e8, -1.0, 1.0);
    double fair =
        mid +
        (in->signal.alpha * c->alpha_weight + in->signal.imbalance * c->imbalance_weight) * half -
        inv * c->skew * half;
    bool some = fabs(fair) + half < (double)PRICE_LIMIT;
    wide bid = some ? (wide)(fair - half) : 0;
    wide ask = some ? (wide)(fair + half) : 0;
    bid = bid < (wide)ba - tick ? bid : (wide)ba - tick;
    ask = ask > (wide)bb + tick ? ask : (wide)bb + tick;
    ask = (ask + tick - 1) / tick * tick;
    r.bid_e8 = some && bid > 0 ? (int64_t)(bid / tick * tick) : 0;
    r.ask_e8 = some && ask <= PRICE_LIMIT ? (int64_t)ask : 0;
    r.bid_qty_e8 = (int64_t)((double)c->order_qty_e8 * (1.0 - fmax(inv, 0.0))) / lot * lot;
    r.ask_qty_e8 = (int64_t)((double)c->order_qty_e8 * (1.0 + fmin(inv, 0.0))) / lot * lot;
    return r;
}

static void random_case(mm_quote_config *c, mm_quote_input *in, mm_symbol *symbol)
{
    static const int64_t ticks[] = {1, 10, 1000, 1000000, 100000000};
    static const int64_t steps[] = {1, 1000, 100000, 100000000};
    int64_t tick_e8 = ticks[mm_test_below(5)];
    int64_t step_e8 = steps[mm_test_below(4)];
    *symbol = symbol_of(tick_e8, step_e8);
    int64_t bid = mm_test_between(1, E8 * (mm_test_below(2) ? 100000 : 10));
    bid = (bid / symbol->tick_e8 + 1) * symbol->tick_e8;
    *in = input_of(symbol, bid,
                   bid + symbol->tick_e8 * mm_test_between(1, mm_test_below(4) ? 3 : 5000));
    c->order_qty_e8 = mm_test_between(1, 10 * E8);
    c->max_position_e8 = mm_test_between(1, 100 * E8);
    c->min_spread_bps = mm_test_unit() * 50.0 + 0.01;
    c->max_spread_bps = c->min_spread_bps + mm_test_unit() * 500.0;
    c->vol_mult = mm_test_unit() * 10.0;
    c->skew = mm_test_unit() * 10.0;
    c->alpha_weight = mm_test_unit() * 20.0 - 10.0;
    c->imbalance_weight = mm_test_unit() * 20.0 - 10.0;
    in->signal.alpha = mm_test_unit() * 2.0 - 1.0;
    in->signal.imbalance = mm_test_unit() * 2.0 - 1.0;
    in->signal.volatility = mm_test_unit() * (mm_test_below(2) ? 0.1 : 0.0001);
    in->position_e8 = mm_test_between(-2 * c->max_position_e8, 2 * c->max_position_e8);
}

static void check_side(uint32_t count, const mm_level *levels, uint64_t verdict, bool room,
                       int64_t price_e8, int64_t qty_e8)
{
    if (room && price_e8 > 0 && qty_e8 > 0) {
        MM_CHECK_UINT(count, ==, 1);
        MM_CHECK_INT(levels[0].price_e8, ==, price_e8);
        MM_CHECK_INT(levels[0].qty_e8, ==, qty_e8);
        MM_CHECK_UINT(verdict, ==, 0);
    } else {
        MM_CHECK_UINT(count, ==, 0);
        MM_CHECK_UINT(verdict, ==, room ? BIT(STRATEGY_PASS) : BIT(POSITION_LIMIT));
    }
}

/* Without a fee floor a quote is the formula's, to the tick and the lot. */
static void check_formula(const mm_quote_config *c, const mm_quote_input *in, mm_quotes *q)
{
    reference r = formula(c, in);
    skew_twice(c, in, q);
    check_side(q->bid_count, q->bids, q->bid_verdict, in->position_e8 < c->max_position_e8,
               r.bid_e8, r.bid_qty_e8);
    check_side(q->ask_count, q->asks, q->ask_verdict, in->position_e8 > -c->max_position_e8,
               r.ask_e8, r.ask_qty_e8);
}

static void one_layer_without_fee_floor_is_the_formula_to_the_tick(void)
{
    mm_quote_config c = config_of();
    c.allow_negative_edge = 1;
    for (int n = 0; n < 200000; n++) {
        mm_symbol symbol;
        mm_quote_input in;
        mm_quotes q;
        random_case(&c, &in, &symbol);
        check_formula(&c, &in, &q);
    }
}

/* 1 to 2^bits - 1, small ones as often as large ones. */
static int64_t any_size(uint64_t bits)
{
    return mm_test_between(1, (int64_t)(((uint64_t)2 << mm_test_below(bits)) - 1));
}

/* Everything a call may be given, at the ends of its ranges too. */
static void extreme_case(mm_quote_config *c, mm_quote_input *in, mm_symbol *symbol)
{
    int64_t tick_e8 = any_size(62);
    int64_t step_e8 = any_size(62);
    *symbol = symbol_of(tick_e8, step_e8);
    int64_t bid_e8 = mm_test_below(4) ? any_size(62) : PRICE_LIMIT - any_size(10);
    int64_t room_e8 = PRICE_LIMIT - bid_e8;
    int64_t spread_e8 = mm_test_below(2) ? mm_test_between(1, room_e8) : any_size(62);
    *in = input_of(symbol, bid_e8, bid_e8 + (spread_e8 < room_e8 ? spread_e8 : room_e8));
    c->order_qty_e8 = mm_test_below(8) ? any_size(62) : PRICE_LIMIT;
    c->max_position_e8 = mm_test_below(8) ? any_size(62) : PRICE_LIMIT;
    c->min_spread_bps = pow(10.0, mm_test_unit() * 16.0 - 8.0);
    c->max_spread_bps = c->min_spread_bps * (1.0 + mm_test_unit());
    c->vol_mult = mm_test_unit() * 10.0;
    c->skew = pow(10.0, mm_test_unit() * 12.0 - 8.0);
    c->alpha_weight = mm_test_unit() * 20.0 - 10.0;
    c->imbalance_weight = mm_test_unit() * 20.0 - 10.0;
    in->signal.alpha = mm_test_unit() * 2.0 - 1.0;
    in->signal.imbalance = mm_test_unit() * 2.0 - 1.0;
    in->signal.volatility = mm_test_unit();
    static const int64_t ends[] = {INT64_MIN, INT64_MIN + 1, INT64_MAX, 0};
    int64_t near_e8 = (mm_test_below(2) ? 1 : -1) * (c->max_position_e8 - mm_test_between(-2, 2));
    in->position_e8 = mm_test_below(2) ? near_e8 : mm_test_below(4) ? any_size(62) : ends[mm_test_below(4)];
}

static void at_the_ends_of_all_ranges_it_is_still_the_formula(void)
{
    mm_quote_config c = config_of();
    int both = 0;
    c.allow_negative_edge = 1;
    for (int n = 0; n < 200000; n++) {
        mm_symbol symbol;
        mm_quote_input in;
        mm_quotes q;
        extreme_case(&c, &in, &symbol);
        check_formula(&c, &in, &q);
        both += q.bid_count > 0 && q.ask_count > 0;
    }
    MM_CHECK_INT(both, >, 10000);
}

static void both_sides_of_the_bound_between_the_two_ways_are_the_formula(void)
{
    mm_quote_config c = config_of();
    int64_t short_ways = 0;
    c.allow_negative_edge = 1;
    for (int n = 0; n < 200000; n++) {
        mm_symbol symbol;
        mm_quote_input in;
        mm_quotes q;
        random_case(&c, &in, &symbol);
        in.top.bid_price_e8 = MM__GRID_SMALL - mm_test_between(-2, 20) * symbol.tick_e8;
        in.top.bid_price_e8 -= in.top.bid_price_e8 % symbol.tick_e8;
        in.top.ask_price_e8 = in.top.bid_price_e8 + symbol.tick_e8 * mm_test_between(1, 3);
        c.order_qty_e8 = MM__GRID_SMALL - mm_test_between(-2, 20);
        c.min_spread_bps = mm_test_unit() * 1e-8;
        c.max_spread_bps = c.min_spread_bps * 2.0;
        check_formula(&c, &in, &q);
        mm_quote_stance stance = {0, 0, 0.0, 0, 0};
        mm_quote_inventory_skew(&c, &stance, &in, &q);
        short_ways += mm__quote_skew_short(&c, &stance, &in, &in.top, &q);
    }
    MM_CHECK_INT(short_ways, >, 10000);
    MM_CHECK_INT(short_ways, <, 190000);
}

static void what_is_kept_of_a_position_serves_no_other_and_no_other_lot(void)
{
    mm_quote_config c = config_of();
    mm_symbol symbol;
    mm_quote_input in;
    mm_quotes q, fresh;
    int64_t short_ways = 0;
    random_case(&c, &in, &symbol);
    c.order_qty_e8 = E8;
    c.max_position_e8 = 10 * E8;
    mm_quote_stance stance = {0, 0, 0.0, 0, 0};
    for (int n = 0; n < 100000; n++) {
        /* Now and then a fill, the limits and none among them, or another filter. */
        if (mm_test_below(4) == 0) {
            in.position_e8 = mm_test_between(-10, 10) * E8 + mm_test_between(-1, 1);
        }
        if (mm_test_below(8) == 0) {
            symbol.step_e8 = mm_test_below(2) ? 1000 : 30000;
            MM_CHECK_INT(mm_grid_init(&in.lot, symbol.step_e8), ==, MM_OK);
        }
        in.signal.alpha = mm_test_unit() * 2.0 - 1.0;
        short_ways += mm__quote_skew_short(&c, &stance, &in, &in.top, &q);
        mm_quote_inventory_skew(&c, &stance, &in, &q);
        skew_twice(&c, &in, &fresh);
        check_same(&q, &fresh);
    }
    MM_CHECK_INT(short_ways, >, 30000);
    MM_CHECK_INT(short_ways, <, 90000);
}

static bool on(int64_t value, int64_t unit)
{
    return value > 0 && value % unit == 0;
}

static void check_shape(const mm_quote_input *in, const mm_quotes *q)
{
    for (uint32_t i = 0; i < q->bid_count; i++) {
        MM_CHECK(on(q->bids[i].price_e8, in->symbol->tick_e8) &&
                 on(q->bids[i].qty_e8, in->symbol->step_e8));
        MM_CHECK(i == 0 ? q->bids[i].price_e8 < in->top.ask_price_e8
                        : q->bids[i].price_e8 < q->bids[i - 1].price_e8);
    }
    for (uint32_t i = 0; i < q->ask_count; i++) {
        MM_CHECK(on(q->asks[i].price_e8, in->symbol->tick_e8) &&
                 on(q->asks[i].qty_e8, in->symbol->step_e8));
        MM_CHECK(i == 0 ? q->asks[i].price_e8 > in->top.bid_price_e8
                        : q->asks[i].price_e8 > q->asks[i - 1].price_e8);
    }
    MM_CHECK_INT(q->bid_count > 0, ==, q->bid_verdict == 0);
    MM_CHECK_INT(q->ask_count > 0, ==, q->ask_verdict == 0);
    if (q->bid_count > 0 && q->ask_count > 0) {
        MM_CHECK_INT(q->bids[0].price_e8, <, q->asks[0].price_e8);
    }
}

static void quotes_pay_the_fees_of_both_sides_and_no_more_is_added(void)
{
    mm_quote_config c = config_of();
    int widened = 0;
    for (int n = 0; n < 50000; n++) {
        mm_symbol symbol;
        mm_quote_input in;
        mm_quotes bare, q;
        random_case(&c, &in, &symbol);
        symbol.maker_fee_e8 = mm_test_between(-10000, 200000);
        c.layers = mm_test_between(1, MM_LAYERS_MAX);
        c.allow_negative_edge = 1;
        skew_twice(&c, &in, &bare);
        c.allow_negative_edge = 0;
        skew_twice(&c, &in, &q);
        check_shape(&in, &q);
        if (q.bid_count == 0 || q.ask_count == 0) {
            continue;
        }
        int64_t sum = in.top.bid_price_e8 + in.top.ask_price_e8;
        int64_t need = 0;
        MM_CHECK_INT(mm_fixed_mul(sum, symbol.maker_fee_e8, MM_ROUND_CEIL, &need), ==, MM_OK);
        MM_CHECK_INT(q.asks[0].price_e8 - q.bids[0].price_e8, >=, need);
        MM_REQUIRE(bare.bid_count > 0 && bare.ask_count > 0);
        if (bare.asks[0].price_e8 - bare.bids[0].price_e8 >= need) {
            check_same(&bare, &q);
        } else {
            widened++;
            MM_CHECK_INT(q.bids[0].price_e8, <=, bare.bids[0].price_e8);
            MM_CHECK_INT(q.asks[0].price_e8, >=, bare.asks[0].price_e8);
            /* At most the rounding of both sides, or what the guards move, is more than needed. */
            int64_t slack = 2 * symbol.tick_e8;
            bool guarded = q.bids[0].price_e8 == in.top.ask_price_e8 - symbol.tick_e8 ||
                           q.asks[0].price_e8 == in.top.bid_price_e8 + symbol.tick_e8;
            MM_CHECK(guarded || q.asks[0].price_e8 - q.bids[0].price_e8 <= need + slack);
        }
    }
    MM_CHECK_INT(widened, >, 1000);
}

static void layers_lie_a_step_apart_and_at_least_a_tick(void)
{
    mm_symbol symbol = symbol_of(1000000, 1000);
    mm_quote_config c = config_of();
    mm_quotes q;
    c.layers = 4;
    c.layer_step_bps = 10.0; /* 50 of 50,000 */
    mm_quote_input in = input_of(&symbol, 49999 * E8, 50001 * E8);
    skew_twice(&c, &in, &q);
    MM_REQUIRE(q.bid_count == 4 && q.ask_count == 4);
    for (uint32_t i = 1; i < 4; i++) {
        MM_CHECK_INT(q.bids[i].price_e8, ==, q.bids[0].price_e8 - i * 50 * E8);
        MM_CHECK_INT(q.asks[i].price_e8, ==, q.asks[0].price_e8 + i * 50 * E8);
        MM_CHECK_INT(q.bids[i].qty_e8, ==, q.bids[0].qty_e8);
    }
    c.layer_step_bps = 0.0000001;
    skew_twice(&c, &in, &q);
    MM_REQUIRE(q.bid_count == 4 && q.ask_count == 4);
    for (uint32_t i = 1; i < 4; i++) {
        MM_CHECK_INT(q.bids[i].price_e8, ==, q.bids[i - 1].price_e8 - symbol.tick_e8);
        MM_CHECK_INT(q.asks[i].price_e8, ==, q.asks[i - 1].price_e8 + symbol.tick_e8);
    }
    c.layer_step_bps = 4000.0; /* the third bid and those behind it would be free or worse */
    skew_twice(&c, &in, &q);
    MM_CHECK_UINT(q.bid_count, ==, 3);
    MM_CHECK_UINT(q.ask_count, ==, 4);
    c.layer_step_bps = 1e15; /* farther than any price */
    skew_twice(&c, &in, &q);
    MM_CHECK_UINT(q.bid_count, ==, 1);
    MM_CHECK_UINT(q.ask_count, ==, 1);
}

static void prices_so_high_that_doubles_round_them_still_pay_the_fees_to_the_last_digit(void)
{
    mm_symbol symbol = symbol_of(1, 1);
    mm_quote_config c = config_of();
    int both = 0;
    c.min_spread_bps = 0.001; /* so that the fees decide */
    c.max_spread_bps = 0.001;
    for (int n = 0; n < 2000; n++) {
        mm_quotes q;
        int64_t bid_e8 = ((int64_t)1 << 59) + mm_test_between(0, (int64_t)1 << 59);
        mm_quote_input in = input_of(&symbol, bid_e8, bid_e8 + mm_test_between(1, 1000));
        skew_twice(&c, &in, &q);
        MM_REQUIRE(q.bid_count == 1 && q.ask_count == 1);
        mm__int128 wide_e16 = (mm__int128)(q.asks[0].price_e8 - q.bids[0].price_e8) * MM_ONE_E8;
        mm__int128 fees_e16 = mm__quote_fees_e16(&in.top, &symbol);
        MM_CHECK(wide_e16 >= fees_e16);
        both += wide_e16 < fees_e16 + MM_ONE_E8; /* and not a tick more */
    }
    MM_CHECK_INT(both, >, 100);
}

static void a_side_whose_next_tick_is_no_price_passes_and_the_other_is_quoted(void)
{
    int64_t tick_e8 = PRICE_LIMIT / 4 + 1; /* three of them are prices, four are none */
    mm_symbol symbol = symbol_of(tick_e8, 1000);
    mm_quote_config c = config_of();
    mm_quotes q;
    mm_quote_input in = input_of(&symbol, 3 * tick_e8 + 1, 3 * tick_e8 + 3);
    skew_twice(&c, &in, &q);
    MM_CHECK_UINT(q.bid_count, ==, 1);
    MM_CHECK_INT(q.bids[0].price_e8, ==, 2 * tick_e8);
    MM_CHECK_UINT(q.ask_count, ==, 0);
    MM_CHECK_UINT(q.ask_verdict, ==, BIT(STRATEGY_PASS));
    const mm_level highest = {PRICE_LIMIT, 1000};
    memset(&q, 0, sizeof q);
    q.ask_count = 1;
    q.asks[0] = highest;
    mm_quote_fit(&in, 1, &q);
    MM_CHECK_UINT(q.ask_count, ==, 0);
    MM_CHECK_UINT(q.ask_verdict, ==, BIT(PRICE_FILTER));
}

static void a_top_that_is_none_is_not_quoted(void)
{
    static const struct {
        mm_top top;
        uint64_t reason;
    } cases[] = {
        {{100 * E8, E8, 100 * E8, E8}, BIT(CROSSED_BOOK)},
        {{100 * E8, E8, 99 * E8, E8}, BIT(CROSSED_BOOK)},
        {{0, E8, 100 * E8, E8}, BIT(CROSSED_BOOK)},
        {{-100 * E8, E8, 100 * E8, E8}, BIT(CROSSED_BOOK)},
        {{100 * E8, E8, PRICE_LIMIT + 1, E8}, BIT(CROSSED_BOOK)},
        {{100 * E8, 0, 101 * E8, E8}, BIT(ONE_SIDED)},
        {{100 * E8, E8, 101 * E8, 0}, BIT(ONE_SIDED)},
    };
    mm_symbol symbol = symbol_of(1000000, 1000);
    mm_quote_config c = config_of();
    mm_quote_input in = input_of(&symbol, 100 * E8, 101 * E8);
    for (size_t i = 0; i < MM_ARRAY_COUNT(cases); i++) {
        mm_quotes skew, model;
        in.top = cases[i].top;
        skew_twice(&c, &in, &skew);
        mm_quote_avellaneda_stoikov(&c, &in, &model);
        MM_CHECK_UINT(skew.bid_count + skew.ask_count, ==, 0);
        MM_CHECK_UINT(skew.bid_verdict, ==, cases[i].reason);
        MM_CHECK_UINT(skew.ask_verdict, ==, cases[i].reason);
        check_same(&skew, &model);
    }
}

static void signals_beyond_measure_cost_a_side_at_most(void)
{
    mm_symbol symbol = symbol_of(1000000, 1000);
    mm_quote_config c = config_of();
    mm_quote_input in = input_of(&symbol, 100 * E8, 101 * E8);
    mm_quotes q;
    const double wild[] = {(double)NAN, (double)INFINITY, -(double)INFINITY, 1e300, -1e300, 1e12,
                           -1e12};
    for (size_t i = 0; i < MM_ARRAY_COUNT(wild); i++) {
        in.signal.alpha = wild[i];
        skew_twice(&c, &in, &q);
        check_shape(&in, &q);
        in.signal.alpha = 0.0;
        in.signal.volatility = wild[i];
        mm_quote_avellaneda_stoikov(&c, &in, &q);
        check_shape(&in, &q);
        in.signal.volatility = 0.0;
    }
    in = input_of(&symbol, PRICE_LIMIT - 2, PRICE_LIMIT);
    skew_twice(&c, &in, &q);
    check_shape(&in, &q);
}

/* ---- avellaneda_stoikov ---- */

static void the_model_follows_its_formulas(void)
{
    mm_symbol symbol = symbol_of(1, 1);
    mm_quote_config c = config_of();
    c.allow_negative_edge = 1;
    for (int n = 0; n < 20000; n++) {
        mm_quotes q;
        const char *bad = NULL;
        int64_t bid = mm_test_between(1000 * E8, 100000 * E8);
        mm_quote_input in = input_of(&symbol, bid, bid + mm_test_between(1, E8));
        c.risk_factor = 0.01 + mm_test_unit();
        c.kappa = 0.01 + mm_test_unit() * 10.0;
        c.horizon_s = 1.0 + mm_test_unit() * 100.0;
        c.order_amount_shape_factor = mm_test_unit() * 3.0;
        c.min_spread_pct = mm_test_below(2) ? 0.0 : mm_test_unit() * 0.2;
        MM_REQUIRE(mm_quote_derive(&c, &bad) == MM_OK);
        in.signal.volatility = mm_test_unit() * 1e-4;
        in.position_e8 = mm_test_between(-c.max_position_e8 + 1, c.max_position_e8 - 1);
        mm_quote_avellaneda_stoikov(&c, &in, &q);
        check_shape(&in, &q);
        double mid = 0.5 * (double)(in.top.bid_price_e8 + in.top.ask_price_e8);
        double inv = (double)in.position_e8 / (double)c.max_position_e8;
        double vol = mid * in.signal.volatility * sqrt(c.horizon_s);
        double r = mid - inv * c.risk_factor * vol;
        double spread =
            c.risk_factor * vol + 1e8 * 2.0 / c.risk_factor * log(1.0 + c.risk_factor / c.kappa);
        double ask = fmax(r + spread / 2.0, mid * (1.0 + c.min_spread_pct / 200.0));
        double low = fmin(r - spread / 2.0, mid * (1.0 - c.min_spread_pct / 200.0));
        MM_REQUIRE(q.bid_count == 1 && q.ask_count == 1);
        ask = fmax(ask, (double)in.top.bid_price_e8 + 1.0);
        low = fmin(low, (double)in.top.ask_price_e8 - 1.0);
        MM_CHECK_NEAR(q.asks[0].price_e8, ask, 3.0);
        MM_CHECK_NEAR(q.bids[0].price_e8, low, 3.0);
        double size = (double)c.order_qty_e8;
        double less = size * exp(-c.order_amount_shape_factor * fabs(inv));
        double slack = size * c.order_amount_shape_factor / 500.0 + 2.0;
        MM_CHECK_NEAR(q.bids[0].qty_e8, inv > 0.0 ? less : size, inv > 0.0 ? slack : 0.0);
        MM_CHECK_NEAR(q.asks[0].qty_e8, inv < 0.0 ? less : size, inv < 0.0 ? slack : 0.0);
    }
}

static void the_model_waits_for_its_volatility_and_stops_at_the_position(void)
{
    mm_symbol symbol = symbol_of(1000000, 1000);
    mm_quote_config c = config_of();
    mm_quotes q;
    mm_quote_input in = input_of(&symbol, 50000 * E8, 50001 * E8);
    in.signal.ready = MM_SIGNAL_BOOK;
    mm_quote_avellaneda_stoikov(&c, &in, &q);
    MM_CHECK_UINT(q.bid_verdict, ==, BIT(WARMUP));
    MM_CHECK_UINT(q.ask_verdict, ==, BIT(WARMUP));
    in.signal.ready |= MM_SIGNAL_VOLATILITY;
    in.position_e8 = c.max_position_e8;
    mm_quote_avellaneda_stoikov(&c, &in, &q);
    MM_CHECK_UINT(q.bid_verdict, ==, BIT(POSITION_LIMIT));
    MM_CHECK_UINT(q.bid_count, ==, 0);
    MM_CHECK_UINT(q.ask_count, ==, 1);
    in.position_e8 = -c.max_position_e8;
    mm_quote_avellaneda_stoikov(&c, &in, &q);
    MM_CHECK_UINT(q.ask_verdict, ==, BIT(POSITION_LIMIT));
    MM_CHECK_UINT(q.ask_count, ==, 0);
    MM_CHECK_UINT(q.bid_count, ==, 1);
}

static void the_models_layers_begin_at_its_one_layer(void)
{
    mm_symbol symbol = symbol_of(1000000, 1000);
    mm_quote_config c = config_of();
    mm_quotes one, three;
    mm_quote_input in = input_of(&symbol, 50000 * E8, 50001 * E8);
    mm_quote_avellaneda_stoikov(&c, &in, &one);
    c.layers = 3;
    mm_quote_avellaneda_stoikov(&c, &in, &three);
    check_shape(&in, &three);
    MM_REQUIRE(three.bid_count == 3 && three.ask_count == 3);
    MM_CHECK_BYTES(&three.bids[0], &one.bids[0], sizeof one.bids[0]);
    MM_CHECK_BYTES(&three.asks[0], &one.asks[0], sizeof one.asks[0]);
}

static void the_model_over_the_bound_of_the_short_way_goes_on_as_under_it(void)
{
    mm_symbol symbol = symbol_of(1, 1);
    mm_quote_config c = config_of();
    mm_quotes under, over;
    c.allow_negative_edge = 1;
    mm_quote_input in = input_of(&symbol, MM__GRID_SMALL - 6, MM__GRID_SMALL - 2);
    mm_quote_avellaneda_stoikov(&c, &in, &under);
    in = input_of(&symbol, MM__GRID_SMALL + 2, MM__GRID_SMALL + 6);
    mm_quote_avellaneda_stoikov(&c, &in, &over);
    check_shape(&in, &over);
    MM_REQUIRE(under.bid_count == 1 && under.ask_count == 1 && over.bid_count == 1 && over.ask_count == 1);
    MM_CHECK_NEAR(over.bids[0].price_e8 - under.bids[0].price_e8, 8, 2);
    MM_CHECK_NEAR(over.asks[0].price_e8 - under.asks[0].price_e8, 8, 2);
    MM_CHECK_INT(over.bids[0].qty_e8, ==, under.bids[0].qty_e8);
}

/* ---- fitting ---- */

static mm_quotes wish(uint32_t side, const mm_level *levels, uint32_t count)
{
    mm_quotes q;
    memset(&q, 0, sizeof q);
    if (side == MM_BID) {
        q.bid_count = count;
        memcpy(q.bids, levels, count * sizeof *levels);
    } else {
        q.ask_count = count;
        memcpy(q.asks, levels, count * sizeof *levels);
    }
    return q;
}

static void wishes_are_put_on_tick_and_lot_behind_the_guard_and_in_order(void)
{
    mm_symbol symbol = symbol_of(100, 10);
    mm_quote_input in = input_of(&symbol, 10000, 10300);
    const mm_level levels[] = {{9950, 25}, {10399, 19}, {10100, 10}, {10250, 99}, {9950, 30}};
    mm_quotes q = wish(MM_BID, levels, 5);
    mm_quote_fit(&in, 1, &q);
    MM_REQUIRE(q.bid_count == 3);
    MM_CHECK_INT(q.bids[0].price_e8, ==, 10200);
    MM_CHECK_INT(q.bids[0].qty_e8, ==, 10);
    MM_CHECK_INT(q.bids[1].price_e8, ==, 10100);
    MM_CHECK_INT(q.bids[2].price_e8, ==, 9900);
    MM_CHECK_INT(q.bids[2].qty_e8, ==, 20);
    MM_CHECK_UINT(q.bid_verdict, ==, 0);
    MM_CHECK_UINT(q.ask_verdict, ==, BIT(STRATEGY_PASS));
    q = wish(MM_ASK, levels, 5);
    mm_quote_fit(&in, 2, &q);
    MM_REQUIRE(q.ask_count == 3);
    MM_CHECK_INT(q.asks[0].price_e8, ==, 10200);
    MM_CHECK_INT(q.asks[0].qty_e8, ==, 20);
    MM_CHECK_INT(q.asks[1].price_e8, ==, 10300);
    MM_CHECK_INT(q.asks[2].price_e8, ==, 10400);
}

static void what_cannot_be_placed_is_dropped_with_its_reason(void)
{
    mm_symbol symbol = symbol_of(100, 10);
    mm_quote_input in = input_of(&symbol, 10000, 10300);
    static const struct {
        mm_level level;
        uint64_t reason;
    } cases[] = {
        {{0, 10}, BIT(PRICE_FILTER)},         {{-5, 10}, BIT(PRICE_FILTER)},
        {{99, 10}, BIT(PRICE_FILTER)},        {{INT64_MIN, 10}, BIT(PRICE_FILTER)},
        {{INT64_MAX, 10}, BIT(PRICE_FILTER)}, {{10000, 0}, BIT(LOT_SIZE)},
        {{10000, 9}, BIT(LOT_SIZE)},          {{10000, -10}, BIT(LOT_SIZE)},
        {{10000, INT64_MAX}, BIT(LOT_SIZE)},  {{10000, INT64_MIN}, BIT(LOT_SIZE)},
    };
    for (size_t i = 0; i < MM_ARRAY_COUNT(cases); i++) {
        mm_quotes q = wish(MM_BID, &cases[i].level, 1);
        mm_quote_fit(&in, 1, &q);
        MM_CHECK_UINT(q.bid_count, ==, 0);
        MM_CHECK_UINT(q.bid_verdict, ==, cases[i].reason);
    }
    const mm_level fine = {10000, 10};
    mm_quotes q = wish(MM_BID, &fine, 1);
    mm_quote_fit(&in, 103, &q);
    MM_CHECK_UINT(q.bid_verdict, ==, BIT(CROSS_GUARD));
    q = wish(MM_ASK, &fine, 1);
    mm_quote_fit(&in, INT64_MAX, &q);
    MM_CHECK_UINT(q.ask_verdict, ==, BIT(CROSS_GUARD));
    q = wish(MM_BID, &fine, 1);
    in.top.ask_qty_e8 = 0;
    mm_quote_fit(&in, 1, &q);
    MM_CHECK_UINT(q.bid_count, ==, 0);
    MM_CHECK_UINT(q.bid_verdict, ==, BIT(ONE_SIDED));
}

static void own_quotes_that_cross_are_both_dropped(void)
{
    mm_symbol symbol = symbol_of(100, 10);
    mm_quote_input in = input_of(&symbol, 10000, 11000);
    const mm_level bid = {10600, 10};
    const mm_level ask = {10500, 10};
    mm_quotes q = wish(MM_BID, &bid, 1);
    q.ask_count = 1;
    q.asks[0] = ask;
    mm_quote_fit(&in, 1, &q);
    MM_CHECK_UINT(q.bid_count + q.ask_count, ==, 0);
    MM_CHECK_UINT(q.bid_verdict, ==, BIT(SELF_TRADE));
    MM_CHECK_UINT(q.ask_verdict, ==, BIT(SELF_TRADE));
}

static void anything_at_all_comes_out_fitted(void)
{
    for (int n = 0; n < 100000; n++) {
        int64_t tick = mm_test_between(1, 1000);
        int64_t step = mm_test_between(1, 1000);
        mm_symbol symbol = symbol_of(tick, step);
        int64_t bid = mm_test_between(1, 100000);
        mm_quote_input in = input_of(&symbol, bid, bid + mm_test_between(1, 5000));
        int64_t guard = mm_test_between(1, 5);
        mm_quotes q;
        memset(&q, 0, sizeof q);
        q.bid_count = (uint32_t)mm_test_below(n % 100 == 0 ? UINT32_MAX : MM_LAYERS_MAX + 3);
        q.ask_count = (uint32_t)mm_test_below(MM_LAYERS_MAX + 3);
        for (int i = 0; i < MM_LAYERS_MAX; i++) {
            bool wild = mm_test_below(4) == 0;
            q.bids[i].price_e8 = wild ? mm_test_any_magnitude() : mm_test_between(1, 100000);
            q.asks[i].price_e8 = wild ? mm_test_any_magnitude() : mm_test_between(1, 100000);
            q.bids[i].qty_e8 = wild ? mm_test_any_magnitude() : mm_test_between(0, 3000);
            q.asks[i].qty_e8 = wild ? mm_test_any_magnitude() : mm_test_between(0, 3000);
        }
        mm_quote_fit(&in, guard, &q);
        MM_CHECK_UINT(q.bid_count, <=, MM_LAYERS_MAX);
        MM_CHECK_UINT(q.ask_count, <=, MM_LAYERS_MAX);
        check_shape(&in, &q);
        if (q.bid_count > 0) {
            MM_CHECK_INT(q.bids[0].price_e8, <=, in.top.ask_price_e8 - guard * symbol.tick_e8);
        }
        if (q.ask_count > 0) {
            MM_CHECK_INT(q.asks[0].price_e8, >=, in.top.bid_price_e8 + guard * symbol.tick_e8);
        }
        mm_quotes again = q;
        mm_quote_fit(&in, guard, &again);
        check_same(&again, &q);
    }
}

int main(int argc, char **argv)
{
    static const mm_test tests[] = {
        MM_TEST(every_parameter_out_of_range_is_named),
        MM_TEST(finite_parameters_that_make_no_sense_are_named),
        MM_TEST(derived_numbers_are_those_of_the_formulas),
        MM_TEST(one_layer_without_fee_floor_is_the_formula_to_the_tick),
        MM_TEST(both_sides_of_the_bound_between_the_two_ways_are_the_formula),
        MM_TEST(at_the_ends_of_all_ranges_it_is_still_the_formula),
        MM_TEST(what_is_kept_of_a_position_serves_no_other_and_no_other_lot),
        MM_TEST(quotes_pay_the_fees_of_both_sides_and_no_more_is_added),
        MM_TEST(layers_lie_a_step_apart_and_at_least_a_tick),
        MM_TEST(prices_so_high_that_doubles_round_them_still_pay_the_fees_to_the_last_digit),
        MM_TEST(a_side_whose_next_tick_is_no_price_passes_and_the_other_is_quoted),
        MM_TEST(a_top_that_is_none_is_not_quoted),
        MM_TEST(signals_beyond_measure_cost_a_side_at_most),
        MM_TEST(the_model_follows_its_formulas),
        MM_TEST(the_model_waits_for_its_volatility_and_stops_at_the_position),
        MM_TEST(the_models_layers_begin_at_its_one_layer),
        MM_TEST(the_model_over_the_bound_of_the_short_way_goes_on_as_under_it),
        MM_TEST(wishes_are_put_on_tick_and_lot_behind_the_guard_and_in_order),
        MM_TEST(what_cannot_be_placed_is_dropped_with_its_reason),
        MM_TEST(own_quotes_that_cross_are_both_dropped),
        MM_TEST(anything_at_all_comes_out_fitted),
    };
    return mm_test_main(argc, argv, tests, MM_TEST_COUNT(tests));
}
