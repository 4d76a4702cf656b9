/* Built-in strategies, and the fitting of anyone's quotes to the symbol.
 *
 * A strategy computes an offset from the integer mid in floating point and rounds it to the tick
 * once, in bid_at and ask_at. The operations of inventory_skew and their order are fixed: its
 * quotes are part of what a replay compares. A step calls no function of libm but sqrt; exp and log
 * stand in mm_quote_derive alone. */
#include "mm_quote.h"

#include <math.h>
#include <string.h>

#define PRICE_MAX ((int64_t)1 << 62)
/* Positions of avellaneda_stoikov's size decay are counted in 1/256 of the full one. */
#define SHAPE_STEPS 256

MM_STATIC_ASSERT(MM_LAYERS_MAX <= 32, layers_fit_their_counters);

/* ---- parameters --------------------------------------------------------------------------- */

static bool above_zero(double value)
{
    return isfinite(value) && value > 0.0;
}

static bool zero_or_more(double value)
{
    return isfinite(value) && value >= 0.0;
}

static const char *bad_common_field(const mm_quote_config *config)
{
    if (config->order_qty_e8 <= 0 || config->order_qty_e8 > PRICE_MAX) {
        return "order_qty_e8";
    }
    if (config->max_position_e8 <= 0 || config->max_position_e8 > PRICE_MAX) {
        return "max_position_e8";
    }
    if (config->layers < 1 || config->layers > MM_LAYERS_MAX) {
        return "layers";
    }
    if (!above_zero(config->layer_step_bps)) {
        return "layer_step_bps";
    }
    if (config->allow_negative_edge != 0 && config->allow_negative_edge != 1) {
        return "allow_negative_edge";
    }
    return NULL;
}

static const char *bad_skew_field(const mm_quote_config *config)
{
    if (!above_zero(config->min_spread_bps)) {
        return "min_spread_bps";
    }
    if (!isfinite(config->max_spread_bps) || config->max_spread_bps < config->min_spread_bps) {
        return "max_spread_bps";
    }
    if (!zero_or_more(config->vol_mult)) {
        return "vol_mult";
    }
    if (!zero_or_more(config->skew)) {
        return "skew";
    }
    if (!isfinite(config->alpha_weight)) {
        return "alpha_weight";
    }
    return isfinite(config->imbalance_weight) ? NULL : "imbalance_weight";
}

static const char *bad_model_field(const mm_quote_config *config)
{
    if (!above_zero(config->risk_factor)) {
        return "risk_factor";
    }
    if (!above_zero(config->kappa)) {
        return "kappa";
    }
    if (!above_zero(config->horizon_s)) {
        return "horizon_s";
    }
    if (!zero_or_more(config->order_amount_shape_factor)) {
        return "order_amount_shape_factor";
    }
    return zero_or_more(config->min_spread_pct) ? NULL : "min_spread_pct";
}

mm_status mm_quote_derive(mm_quote_config *config, const char **bad_field)
{
    MM_ASSERT(config != NULL);
    MM_ASSERT(bad_field != NULL);
    const char *bad = bad_common_field(config);
    bad = bad != NULL ? bad : bad_skew_field(config);
    bad = bad != NULL ? bad : bad_model_field(config);
    double gamma = config->risk_factor;
    double spread = bad == NULL ? 2.0 / gamma * log1p(gamma / config->kappa) : 0.0;
    if (bad == NULL && !isfinite(spread)) {
        bad = "risk_factor";
    }
    *bad_field = bad;
    if (bad != NULL) {
        return MM_E_ARGUMENT;
    }
    config->as_spread_const = spread;
    double eta = config->order_amount_shape_factor;
    for (size_t i = 0; i < MM_ARRAY_COUNT(config->as_shape); i++) {
        config->as_shape[i] = exp(-eta);
        eta *= 0.5;
    }
    return MM_OK;
}

/* ---- from a model's offsets to quotes ----------------------------------------------------- */

static MM_INVARIANT bool grids_good(const mm_quote_input *input)
{
    return input->tick.step_e8 == input->symbol->tick_e8 &&
           input->lot.step_e8 == input->symbol->step_e8 && input->tick.step_e8 > 0 &&
           input->lot.step_e8 > 0;
}

/* Down to the tick, but no higher than one tick under the best ask; 0 where that is no price. */
static int64_t bid_at(int64_t price_e8, const mm_quote_input *input)
{
    int64_t highest_e8 = input->top.ask_price_e8 - input->tick.step_e8;
    int64_t bid_e8 = price_e8 < highest_e8 ? price_e8 : highest_e8;
    return bid_e8 > 0 ? mm__grid_floor(&input->tick, bid_e8) : 0;
}

/* Up to the tick, but no lower than one tick over the best bid; 0 where that is no price. */
static int64_t ask_at(int64_t price_e8, const mm_quote_input *input)
{
    int64_t lowest_e8 = input->top.bid_price_e8 + input->tick.step_e8;
    int64_t ask_e8 = price_e8 > lowest_e8 ? price_e8 : lowest_e8;
    int64_t below_e8 = mm__grid_floor(&input->tick, ask_e8);
    /* At most 2^63 - 1 and a step. */
    uint64_t up_e8 = (uint64_t)below_e8 + (uint64_t)(below_e8 < ask_e8 ? input->tick.step_e8 : 0);
    return up_e8 <= (uint64_t)PRICE_MAX ? (int64_t)up_e8 : 0;
}

/* The same as a price, rounded up. */
static int64_t fee_floor(const mm_quote_input *input)
{
    mm__int128 fees = mm__quote_fees_e16(&input->top, input->symbol);
    mm__int128 up_e16 = fees > 0 ? fees + MM_ONE_E8 - 1 : 0;
    /* Dividing 64 bits by a constant costs a tenth of what 128 do. */
    return MM_LIKELY(up_e16 <= INT64_MAX) ? (int64_t)up_e16 / MM_ONE_E8
                                          : (int64_t)(up_e16 / MM_ONE_E8);
}

bool mm__quote_fees_paid(const mm_quote_input *input, const mm_top *top, int64_t width_e8)
{
    /* As wide as the fees rounded up: both sides of that are whole numbers. */
    return (mm__int128)width_e8 * MM_ONE_E8 >= mm__quote_fees_e16(top, input->symbol);
}

static double mid_of(const mm_top *top)
{
    return (double)(top->bid_price_e8 + top->ask_price_e8) * 0.5;
}

/* Whether bid and ask half a width from the reservation price fit a price; false for NaN. */
static bool are_prices(double reservation, double half)
{
    return fabs(reservation) + half < (double)PRICE_MAX;
}

/* The layers of one side behind its best price; returns how many there are, the best included. */
static uint32_t outer_layers(const mm_quote_config *config, const mm_quote_input *input,
                             int32_t side, mm_level *levels)
{
    double apart = mid_of(&input->top) * config->layer_step_bps * 1e-4;
    double tick = (double)input->tick.step_e8;
    double step = apart > tick ? apart : tick;
    uint32_t count = 1;
    for (int64_t layer = 1; layer < config->layers; layer++) {
        double offset = (double)layer * step;
        /* Half the range leaves room for the sum. */
        if (!(offset < 0.5 * (double)PRICE_MAX)) {
            break;
        }
        int64_t offset_e8 = (int64_t)offset;
        int64_t price_e8 = side == MM_BID ? bid_at(levels[0].price_e8 - offset_e8, input)
                                          : ask_at(levels[0].price_e8 + offset_e8, input);
        if (price_e8 == 0) {
            break;
        }
        levels[count].price_e8 = price_e8;
        levels[count].qty_e8 = levels[0].qty_e8;
        count++;
    }
    return count;
}

/* One side, whose best level stands there: its count and verdict, and the layers behind. */
static void quote_side(const mm_quote_config *config, const mm_quote_input *input, int32_t side,
                       mm_quotes *quotes)
{
    mm_level *levels = side == MM_BID ? quotes->bids : quotes->asks;
    bool has_room = side == MM_BID ? input->position_e8 < config->max_position_e8
                                   : input->position_e8 > -config->max_position_e8;
    uint64_t verdict = has_room ? 0 : MM_BIT(MM_REASON_POSITION_LIMIT);
    if (has_room && (levels[0].price_e8 == 0 || levels[0].qty_e8 == 0)) {
        verdict = MM_BIT(MM_REASON_STRATEGY_PASS);
    }
    uint32_t count = verdict == 0 ? outer_layers(config, input, side, levels) : 0;
    *(side == MM_BID ? &quotes->bid_count : &quotes->ask_count) = count;
    *(side == MM_BID ? &quotes->bid_verdict : &quotes->ask_verdict) = verdict;
}

/* Bid and ask half a width from the reservation price on the tick, both 0 where they are not finite
 * or too far out for a price. */
static void prices_around(const mm_quote_input *input, double reservation, double half,
                          mm_quotes *quotes)
{
    bool some = are_prices(reservation, half);
    quotes->bids[0].price_e8 = some ? bid_at((int64_t)(reservation - half), input) : 0;
    quotes->asks[0].price_e8 = some ? ask_at((int64_t)(reservation + half), input) : 0;
}

/* The best prices, widened where the fees of both sides would not be paid. */
static void best_prices(const mm_quote_config *config, const mm_quote_input *input,
                        double reservation, double half, mm_quotes *quotes)
{
    const int64_t *bid_e8 = &quotes->bids[0].price_e8;
    int64_t *ask_e8 = &quotes->asks[0].price_e8;
    prices_around(input, reservation, half, quotes);
    if (config->allow_negative_edge) {
        return;
    }
    int64_t floor_e8 = fee_floor(input);
    /* No ask lies under a bid. */
    if (*bid_e8 != 0 && *ask_e8 - *bid_e8 >= floor_e8) {
        return;
    }
    double wide = (double)floor_e8 * 0.5;
    prices_around(input, reservation, wide > half ? wide : half, quotes);
    if (*bid_e8 != 0 && *ask_e8 != 0 && *ask_e8 - *bid_e8 < floor_e8) {
        /* A cut decimal, or a sum that a double could not hold to the last digit. */
        *ask_e8 = ask_at(*bid_e8 + floor_e8, input);
    }
}

/* The wish on tick and lot, whatever it is. */
static void quote_wish(const mm_quote_config *config, const mm_quote_input *input,
                       mm__quote_wish made, mm_quotes *quotes)
{
    MM_ASSERT(config->layers >= 1 && config->layers <= MM_LAYERS_MAX);
    MM_ASSERT(grids_good(input));
    bool is_long = input->position_e8 > 0;
    int64_t adding_e8 = mm__grid_floor(&input->lot, (int64_t)made.adding_size);
    int64_t other_e8 = mm__grid_floor(&input->lot, (int64_t)(double)config->order_qty_e8);
    quotes->bids[0].qty_e8 = is_long ? adding_e8 : other_e8;
    quotes->asks[0].qty_e8 = is_long ? other_e8 : adding_e8;
    best_prices(config, input, made.reservation, made.half, quotes);
    quote_side(config, input, MM_BID, quotes);
    quote_side(config, input, MM_ASK, quotes);
}

/* Why nothing can be quoted around this top, 0 when it can. */
static uint64_t top_verdict(const mm_top *top)
{
    if (top->bid_qty_e8 == 0 || top->ask_qty_e8 == 0) {
        return MM_BIT(MM_REASON_ONE_SIDED);
    }
    bool normal = top->bid_price_e8 > 0 && top->bid_price_e8 < top->ask_price_e8 &&
                  top->ask_price_e8 <= PRICE_MAX;
    return normal ? 0 : MM_BIT(MM_REASON_CROSSED_BOOK);
}

/* What stands behind the counts is nobody's business: it is not cleared. */
static void pass(mm_quotes *quotes, uint64_t verdict)
{
    quotes->bid_count = 0;
    quotes->ask_count = 0;
    quotes->bid_verdict = verdict;
    quotes->ask_verdict = verdict;
}

/* ---- inventory_skew ----------------------------------------------------------------------- */

static void skew_general(const mm_quote_config *config, const mm_quote_input *input, mm_quotes *quotes)
{
    const mm_top *top = &input->top;
    uint64_t verdict = top_verdict(top);
    if (verdict != 0) {
        pass(quotes, verdict);
        return;
    }
    double half_spread = (double)(top->ask_price_e8 - top->bid_price_e8) * 0.5;
    double inventory = mm__quote_inventory(config, input->position_e8);
    mm__quote_wish made = mm__quote_skew_wish(config, &input->signal, mid_of(top), half_spread, inventory * config->skew);
    made.adding_size = (double)config->order_qty_e8 * (1.0 - fabs(inventory));
    quote_wish(config, input, made, quotes);
}

/* Nothing is kept where a side has no size. */
static void take_stance(const mm_quote_config *config, const mm_quote_input *input, mm_quote_stance *stance)
{
    double inventory = mm__quote_inventory(config, input->position_e8);
    double order_qty = (double)config->order_qty_e8;
    int64_t adding_e8 = mm__grid_floor_small(&input->lot, trunc(order_qty * (1.0 - fabs(inventory))));
    int64_t other_e8 = mm__grid_floor_small(&input->lot, order_qty);
    bool is_long = input->position_e8 > 0;
    MM_ASSERT(grids_good(input));
    MM_ASSERT(adding_e8 >= 0 && adding_e8 <= other_e8);
    stance->position_e8 = input->position_e8;
    stance->step_e8 = adding_e8 != 0 ? input->lot.step_e8 : 0;
    stance->lean = inventory * config->skew;
    stance->bid_qty_e8 = is_long ? adding_e8 : other_e8;
    stance->ask_qty_e8 = is_long ? other_e8 : adding_e8;
}

/* Whatever the short way leaves, the first quotes after a fill among it. Not static, so that no compiler puts it in
 * between. */
void mm__quote_skew_rest(const mm_quote_config *config, mm_quote_stance *stance, const mm_quote_input *input,
                         mm_quotes *quotes)
{
    if (mm__quote_config_short(config) && !mm__quote_stance_fits(stance, input)) {
        take_stance(config, input, stance);
    }
    skew_general(config, input, quotes);
}

void mm_quote_inventory_skew(const mm_quote_config *config, mm_quote_stance *stance, const mm_quote_input *input,
                             mm_quotes *quotes)
{
    if (MM_UNLIKELY(!mm__quote_skew_short(config, stance, input, &input->top, quotes))) {
        mm__quote_skew_rest(config, stance, input, quotes);
    }
}

/* ---- avellaneda_stoikov ------------------------------------------------------------------- */

/* exp(-eta * |q|) with |q| counted in 1/256: the product of exp(-eta / 2^i) over the bits of the
 * count. */
static double decay(const mm_quote_config *config, double q)
{
    double size = q < 0.0 ? -q : q;
    uint32_t steps = (uint32_t)(size * SHAPE_STEPS + 0.5);
    MM_ASSERT(steps <= SHAPE_STEPS);
    double product = 1.0;
    for (uint32_t i = 0; i < MM_ARRAY_COUNT(config->as_shape); i++) {
        if ((steps & (SHAPE_STEPS >> i)) != 0) {
            product *= config->as_shape[i];
        }
    }
    return product;
}

static mm__quote_wish model_wish(const mm_quote_config *config, const mm_quote_input *input,
                                 double mid)
{
    mm__quote_wish made;
    double q =
        mm__quote_clamp((double)input->position_e8 / (double)config->max_position_e8, -1.0, 1.0);
    double deviation = mid * input->signal.volatility * sqrt(config->horizon_s);
    double risk = config->risk_factor * deviation;
    double spread = risk + config->as_spread_const * MM_ONE_E8;
    double min_half = mid * config->min_spread_pct * 0.5e-2;
    double reservation = mid - q * risk;
    /* The narrowest width is kept around mid, the model's around the reservation price: the farther
     * of the two, on each side. */
    double ask = reservation + spread * 0.5;
    double bid = reservation - spread * 0.5;
    ask = ask > mid + min_half ? ask : mid + min_half;
    bid = bid < mid - min_half ? bid : mid - min_half;
    made.reservation = (ask + bid) * 0.5;
    made.half = (ask - bid) * 0.5;
    bool has_room = input->position_e8 < config->max_position_e8 &&
                    input->position_e8 > -config->max_position_e8;
    made.adding_size = has_room ? (double)config->order_qty_e8 * decay(config, q) : 0.0;
    return made;
}

static bool model_short(const mm_quote_config *config, const mm_quote_input *input, mm__quote_wish made, mm_quotes *quotes)
{
    if (!mm__quote_config_short(config) || !mm__quote_top_short(&input->top)) {
        return false;
    }
    int64_t adding_e8 = mm__grid_floor_small(&input->lot, trunc(made.adding_size));
    int64_t other_e8 = mm__grid_floor_small(&input->lot, (double)config->order_qty_e8);
    bool is_long = input->position_e8 > 0;
    return adding_e8 != 0 && /* so the other is not */
           mm__quote_short(config, input, &input->top, made.reservation, made.half, is_long ? adding_e8 : other_e8,
                           is_long ? other_e8 : adding_e8, quotes);
}

void mm_quote_avellaneda_stoikov(const mm_quote_config *config, const mm_quote_input *input,
                                 mm_quotes *quotes)
{
    uint64_t verdict = top_verdict(&input->top);
    if (verdict == 0 && (input->signal.ready & MM_SIGNAL_VOLATILITY) == 0) {
        verdict = MM_BIT(MM_REASON_WARMUP);
    }
    if (verdict != 0) {
        pass(quotes, verdict);
        return;
    }
    mm__quote_wish made = model_wish(config, input, mid_of(&input->top));
    if (!model_short(config, input, made, quotes)) {
        quote_wish(config, input, made, quotes);
    }
}

/* ---- fitting ------------------------------------------------------------------------------ */

/* The best price a side may have, on the tick; 0 = there is none. */
static int64_t guard_price(const mm_quote_input *input, int64_t cross_guard_ticks, int32_t side)
{
    int64_t tick_e8 = input->symbol->tick_e8;
    mm__int128 away_e8 = (mm__int128)cross_guard_ticks * tick_e8;
    mm__int128 price_e8 = side == MM_BID ? input->top.ask_price_e8 - away_e8
                                         : input->top.bid_price_e8 + away_e8 + tick_e8 - 1;
    price_e8 -= price_e8 % tick_e8;
    return price_e8 >= tick_e8 && price_e8 <= PRICE_MAX ? (int64_t)price_e8 : 0;
}

/* One wish on tick and lot and behind the guard; the reason when it cannot be. */
static uint64_t fit_level(const mm_quote_input *input, int32_t side, int64_t guard_e8,
                          mm_level *level)
{
    int64_t tick_e8 = input->tick.step_e8;
    if (level->price_e8 <= 0 || level->price_e8 > PRICE_MAX) {
        return MM_BIT(MM_REASON_PRICE_FILTER);
    }
    if (level->qty_e8 <= 0 || level->qty_e8 > PRICE_MAX) {
        return MM_BIT(MM_REASON_LOT_SIZE);
    }
    int64_t up_e8 = side == MM_ASK ? tick_e8 - 1 : 0;
    level->price_e8 = mm__grid_floor(&input->tick, level->price_e8 + up_e8);
    level->qty_e8 = mm__grid_floor(&input->lot, level->qty_e8);
    if (level->price_e8 == 0 || level->price_e8 > PRICE_MAX) {
        return MM_BIT(MM_REASON_PRICE_FILTER);
    }
    if (guard_e8 == 0) {
        return MM_BIT(MM_REASON_CROSS_GUARD);
    }
    bool over_guard = side == MM_BID ? level->price_e8 > guard_e8 : level->price_e8 < guard_e8;
    level->price_e8 = over_guard ? guard_e8 : level->price_e8;
    return level->qty_e8 == 0 ? MM_BIT(MM_REASON_LOT_SIZE) : 0;
}

/* Puts a fitted wish in its place, best first; a second one at the same price is dropped. */
static void insert_level(mm_level *levels, uint32_t *count, int32_t side, mm_level level)
{
    uint32_t at = *count;
    MM_ASSERT(at < MM_LAYERS_MAX);
    while (at > 0 && (side == MM_BID ? levels[at - 1].price_e8 < level.price_e8
                                     : levels[at - 1].price_e8 > level.price_e8)) {
        at--;
    }
    if (at > 0 && levels[at - 1].price_e8 == level.price_e8) {
        return;
    }
    memmove(&levels[at + 1], &levels[at], (*count - at) * sizeof *levels);
    levels[at] = level;
    (*count)++;
}

static void fit_side(const mm_quote_input *input, int64_t cross_guard_ticks, int32_t side,
                     mm_level *levels, uint32_t *count, uint64_t *verdict)
{
    mm_level wishes[MM_LAYERS_MAX];
    uint32_t wish_count = *count < MM_LAYERS_MAX ? *count : MM_LAYERS_MAX;
    int64_t guard_e8 = guard_price(input, cross_guard_ticks, side);
    uint64_t dropped = 0;
    memcpy(wishes, levels, wish_count * sizeof *levels);
    *count = 0;
    for (uint32_t i = 0; i < wish_count; i++) {
        uint64_t reasons = fit_level(input, side, guard_e8, &wishes[i]);
        dropped |= reasons;
        if (reasons == 0) {
            insert_level(levels, count, side, wishes[i]);
        }
    }
    memset(&levels[*count], 0, (MM_LAYERS_MAX - *count) * sizeof *levels);
    *verdict = *count > 0 ? 0 : *verdict | dropped;
    if (*count == 0 && *verdict == 0) {
        *verdict = MM_BIT(MM_REASON_STRATEGY_PASS);
    }
}

void mm_quote_fit(const mm_quote_input *input, int64_t cross_guard_ticks, mm_quotes *quotes)
{
    MM_ASSERT(grids_good(input));
    MM_ASSERT(cross_guard_ticks >= 1);
    uint64_t verdict = top_verdict(&input->top);
    if (verdict != 0) {
        pass(quotes, verdict);
        return;
    }
    fit_side(input, cross_guard_ticks, MM_BID, quotes->bids, &quotes->bid_count,
             &quotes->bid_verdict);
    fit_side(input, cross_guard_ticks, MM_ASK, quotes->asks, &quotes->ask_count,
             &quotes->ask_verdict);
    bool both = quotes->bid_count > 0 && quotes->ask_count > 0;
    if (both && quotes->bids[0].price_e8 >= quotes->asks[0].price_e8) {
        pass(quotes, MM_BIT(MM_REASON_SELF_TRADE));
    }
}
