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

/* Whether the short way may be tried. That the grids are the symbol's is asserted where quotes are
 * fitted. */
static inline bool mm__quote_is_short(const mm_quote_config *config, const mm_top *top)
{
    return top->bid_qty_e8 != 0 && top->ask_qty_e8 != 0 && top->bid_price_e8 > 0 &&
           top->bid_price_e8 < top->ask_price_e8 && top->ask_price_e8 <= MM__GRID_SMALL &&
           config->order_qty_e8 <= MM__GRID_SMALL && config->layers == 1;
}

/* The wish on tick and lot around `top`, which is short; false when the wish is not. */
static inline bool mm__quote_short(const mm_quote_config *config, const mm_quote_input *input,
                                   const mm_top *top, mm__quote_wish made, mm_quotes *quotes)
{
    const mm_grid *tick = &input->tick;
    if (MM_UNLIKELY(!(fabs(made.reservation) + made.half < (double)MM__GRID_SMALL))) {
        return false;
    }
    double bid = trunc(made.reservation - made.half);
    double ask = trunc(made.reservation + made.half);
    double highest = (double)top->ask_price_e8 - tick->step;
    double lowest = (double)top->bid_price_e8 + tick->step;
    bid = highest < bid ? highest : bid;
    ask = lowest > ask ? lowest : ask;
    /* Stored as they come, so that they need not wait in registers. */
    int64_t bid_e8 = mm__grid_floor_small(tick, bid);
    quotes->bids[0].price_e8 = bid_e8;
    bool is_long = input->position_e8 > 0;
    int64_t adding_e8 = mm__grid_floor_small(&input->lot, trunc(made.adding_size));
    int64_t other_e8 = mm__grid_floor_small(&input->lot, (double)config->order_qty_e8);
    quotes->bids[0].qty_e8 = is_long ? adding_e8 : other_e8;
    quotes->asks[0].qty_e8 = is_long ? other_e8 : adding_e8;
    if (MM_UNLIKELY(bid_e8 <= 0 || adding_e8 == 0)) { /* a side without a quote: the long way leaves it out */
        return false;
    }
    /* The tick is no more than the bid, so the sum is small enough. */
    int64_t ask_e8 = mm__grid_floor_small(tick, ask + (tick->step - 1.0));
    quotes->asks[0].price_e8 = ask_e8;
    quotes->bid_count = 1;
    quotes->ask_count = 1;
    quotes->bid_verdict = 0;
    quotes->ask_verdict = 0;
    /* As wide as the fees rounded up: both sides of that are whole numbers. */
    return config->allow_negative_edge ||
           (mm__int128)(ask_e8 - bid_e8) * MM_ONE_E8 >= mm__quote_fees_e16(top, input->symbol);
}

static inline mm__quote_wish mm__quote_skew_wish(const mm_quote_config *config,
                                                 const mm_quote_input *input, double mid,
                                                 double spread)
{
    mm__quote_wish made;
    const mm_signal *signal = &input->signal;
    double min_half = mid * config->min_spread_bps * 0.5e-4;
    double max_half = mid * config->max_spread_bps * 0.5e-4;
    double half = mm__quote_clamp(spread * 0.5 + mid * signal->volatility * config->vol_mult,
                                  min_half, max_half);
    double inventory =
        mm__quote_clamp((double)input->position_e8 / (double)config->max_position_e8, -1.0, 1.0);
    made.half = half;
    made.reservation =
        mid +
        (signal->alpha * config->alpha_weight + signal->imbalance * config->imbalance_weight) *
            half -
        inventory * config->skew * half;
    made.adding_size = (double)config->order_qty_e8 * (1.0 - fabs(inventory));
    return made;
}

/* inventory_skew by the short way around `top`, whatever input->top is; false where it is not for
 * it (what then stands in `quotes` means nothing). */
static inline bool mm__quote_skew_short(const mm_quote_config *config, const mm_quote_input *input,
                                        const mm_top *top, mm_quotes *quotes)
{
    if (MM_UNLIKELY(!mm__quote_is_short(config, top))) {
        return false;
    }
    double bid = (double)top->bid_price_e8;
    double ask = (double)top->ask_price_e8;
    mm__quote_wish made = mm__quote_skew_wish(config, input, (bid + ask) * 0.5, ask - bid);
    return mm__quote_short(config, input, top, made, quotes);
}

#endif /* MM_QUOTE_H */
