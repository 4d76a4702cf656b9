/* The short way of a strategy to its quotes, inline; shared by the files of csrc/src only.
 *
 * Most decisions have no more to say than two prices and two sizes: one layer, both sides, fees
 * paid, and no number over MM__GRID_SMALL, so that doubles hold every count exactly. These go
 * straight down, call nothing and save no register. All others are judged from the start by
 * mm_quote.c, with the same result where both apply. */
#ifndef MM_QUOTE_H
#define MM_QUOTE_H

#include "mm_internal.h"

#include <math.h>

__extension__ typedef __int128 mm__int128;

/* What a model makes of the market: quotes half a width away from the reservation price; all in e8,
 * not yet rounded. The side that adds to the position has this size, 0 at its limit, the other one
 * order_qty_e8, as a double has it. */
typedef struct {
    double reservation;
    double half; /* > 0 */
    double adding_size;
} mm__quote_wish;

/* One instruction for each bound; NaN stays NaN. */
static inline double mm__quote_clamp(double value, double low, double high)
{
    double raised = low > value ? low : value;
    return high < raised ? high : raised;
}

/* Twice the maker fee of mid in 1e-16: what a round trip costs at the least. */
static inline mm__int128 mm__quote_fees_e16(const mm_top *top, const mm_symbol *symbol)
{
    /* Both prices are at most 2^62. */
    return (mm__int128)(top->bid_price_e8 + top->ask_price_e8) * symbol->maker_fee_e8;
}

/* Whether the short way may be tried with this configuration, and around this top. That the grids are the symbol's
 * is asserted where quotes are fitted. */
static inline bool mm__quote_config_short(const mm_quote_config *config)
{
    return config->order_qty_e8 <= MM__GRID_SMALL && config->layers == 1;
}

static inline bool mm__quote_top_short(const mm_top *top)
{
    return top->bid_qty_e8 != 0 && top->ask_qty_e8 != 0 && top->bid_price_e8 > 0 &&
           top->bid_price_e8 < top->ask_price_e8 && top->ask_price_e8 <= MM__GRID_SMALL;
}

/* Whether quotes that far apart pay the fees of both sides. */
bool mm__quote_fees_paid(const mm_quote_input *input, const mm_top *top, int64_t width_e8);

/* Quotes of these sizes, above 0 and on the lot, half a width from the reservation price, on the tick, around `top`,
 * which is short; false when that cannot be told this way. (The fence keeps price and size from being put together
 * into one store, which takes longer.) */
static inline bool mm__quote_short(const mm_quote_config *config, const mm_quote_input *input, const mm_top *top,
                                   double reservation, double half, int64_t bid_qty_e8, int64_t ask_qty_e8,
                                   mm_quotes *quotes)
{
    const mm_grid *tick = &input->tick;
    double bid = reservation - half;
    double ask = reservation + half;
    if (MM_UNLIKELY(!(bid > 0.0 && ask < (double)MM__GRID_SMALL))) {
        return false;
    }
    double highest = (double)top->ask_price_e8 - tick->step;
    double lowest = (double)top->bid_price_e8 + tick->step;
    bid = trunc(bid);
    ask = trunc(ask);
    bid = highest < bid ? highest : bid;
    ask = lowest > ask ? lowest : ask;
    int64_t bid_e8 = mm__grid_floor_small(tick, bid);
    quotes->bids[0].price_e8 = bid_e8;
    if (MM_UNLIKELY(bid_e8 <= 0)) { /* a side without a quote: the long way leaves it out */
        return false;
    }
    /* The tick is no more than the bid, so the sum is small enough. */
    int64_t ask_e8 = mm__grid_floor_small(tick, ask + (tick->step - 1.0));
    quotes->asks[0].price_e8 = ask_e8;
    mm__fence_compiler();
    quotes->bids[0].qty_e8 = bid_qty_e8;
    quotes->asks[0].qty_e8 = ask_qty_e8;
    quotes->bid_count = 1;
    quotes->ask_count = 1;
    quotes->bid_verdict = 0;
    quotes->ask_verdict = 0;
    return config->allow_negative_edge || mm__quote_fees_paid(input, top, ask_e8 - bid_e8);
}

/* ---- inventory_skew
 * ------------------------------------------------------------------------------------------------- */

static inline double mm__quote_inventory(const mm_quote_config *config, int64_t position_e8)
{
    return mm__quote_clamp((double)position_e8 / (double)config->max_position_e8, -1.0, 1.0);
}

/* Reservation price and half width around mid; `lean` is inventory * skew. */
static inline mm__quote_wish mm__quote_skew_wish(const mm_quote_config *config, const mm_signal *signal, double mid,
                                                 double half_spread, double lean)
{
    mm__quote_wish made;
    double min_half = mid * config->min_spread_bps * 0.5e-4;
    double max_half = mid * config->max_spread_bps * 0.5e-4;
    double half = mm__quote_clamp(half_spread + mid * signal->volatility * config->vol_mult, min_half, max_half);
    made.half = half;
    made.reservation =
        mid + (signal->alpha * config->alpha_weight + signal->imbalance * config->imbalance_weight) * half - lean * half;
    made.adding_size = 0.0;
    return made;
}

static inline bool mm__quote_stance_fits(const mm_quote_stance *stance, const mm_quote_input *input)
{
    return stance->position_e8 == input->position_e8 && stance->step_e8 == input->lot.step_e8;
}

/* By the short way around `top`, whatever input->top is; false where it is not for it (what then stands in `quotes`
 * means nothing). */
static inline bool mm__quote_skew_short(const mm_quote_config *config, const mm_quote_stance *stance,
                                        const mm_quote_input *input, const mm_top *top, mm_quotes *quotes)
{
    if (MM_UNLIKELY(!mm__quote_top_short(top) || !mm__quote_stance_fits(stance, input))) {
        return false;
    }
    double bid = (double)top->bid_price_e8;
    double mid = (bid + (double)top->ask_price_e8) * 0.5;
    mm__quote_wish made = mm__quote_skew_wish(config, &input->signal, mid, mid - bid, stance->lean);
    return mm__quote_short(config, input, top, made.reservation, made.half, stance->bid_qty_e8, stance->ask_qty_e8, quotes);
}

#endif /* MM_QUOTE_H */
