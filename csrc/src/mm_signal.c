/* Signals of book and tape.
 *
 * An EWMA over irregular times moves by the weight dt / (tau + dt): the implicit Euler step of x' =
 * (input - x) / tau. It lies in 0..1 for any dt, two short steps make nearly one long one, and it
 * needs no exp. tau = half-life / ln 2.
 *
 *   - volatility: variance per second moves towards return^2 / dt; read as its root;
 *   - trade flow: buys and sells decay alike, each trade adds its quantity on the aggressor's side;
 *   - ofi: the same for e and |e| of Cont, Kukanov and Stoikov (2014), where a higher bid, a larger
 *     bid quantity, a higher ask and a smaller ask quantity are buying pressure.
 *
 * Of two ratios both parts decay alike, so they keep their value while nothing happens; the
 * volatility falls. */
#include "mm_internal.h"

#include <math.h> /* sqrt */
#include <string.h>

#define LN_2 0.69314718055994530942
#define SECONDS_MAX 1e9
#define LEVELS_MAX 32
/* Levels looked at when own orders may be all there is on some. */
#define DEPTH_MAX 64

static bool seconds_valid(double seconds)
{
    return seconds > 0.0 && seconds <= SECONDS_MAX; /* false for NaN */
}

mm_status mm_signal_init(mm_signals *signals, const mm_signal_config *config)
{
    bool warmup_valid = config->warmup_s >= 0.0 && config->warmup_s <= SECONDS_MAX;
    if (config->imbalance_levels < 1 || config->imbalance_levels > LEVELS_MAX || !warmup_valid ||
        !seconds_valid(config->volatility_halflife_s) ||
        !seconds_valid(config->trade_flow_halflife_s)) {
        return MM_E_ARGUMENT;
    }
    memset(signals, 0, sizeof *signals);
    signals->config = *config;
    signals->tau_volatility_s = config->volatility_halflife_s / LN_2;
    signals->tau_flow_s = config->trade_flow_halflife_s / LN_2;
    return MM_OK;
}

void mm_signal_reset(mm_signals *signals)
{
    mm_signal_config config = signals->config;
    mm_status status = mm_signal_init(signals, &config);
    MM_ASSERT(status == MM_OK);
}

/* ---- Time
 * ---------------------------------------------------------------------------------------- */

/* Seconds since *then_ns, which moves to now; 0 when the clock did not advance. */
static double seconds_since(int64_t *then_ns, int64_t now_ns)
{
    if (now_ns <= *then_ns) {
        return 0.0;
    }
    double seconds = (double)(now_ns - *then_ns) * 1e-9;
    *then_ns = now_ns;
    return seconds;
}

/* The first input after a reset starts the warm-up. */
static void begin(mm_signals *signals, int64_t now_ns)
{
    if (signals->has_reset == 0) {
        signals->has_reset = 1;
        signals->reset_ns = now_ns;
        signals->flow_ns = now_ns;
        signals->ofi_ns = now_ns;
    }
}

static bool is_warm(const mm_signals *signals, int64_t now_ns)
{
    return signals->has_reset != 0 && now_ns >= signals->reset_ns &&
           (double)(now_ns - signals->reset_ns) * 1e-9 >= signals->config.warmup_s;
}

/* ---- Inputs
 * -------------------------------------------------------------------------------------- */

/* Takes the mid as bid plus ask, which is exact: of two mids nearly alike a difference of doubles leaves nothing. */
static void add_mid(mm_signals *signals, uint64_t twice_mid_e8, int64_t now_ns)
{
    uint64_t last = signals->twice_last_mid_e8;
    if (signals->has_mid == 0) {
        signals->has_mid = 1;
        signals->twice_last_mid_e8 = twice_mid_e8;
        signals->volatility_ns = now_ns;
        return;
    }
    double dt = seconds_since(&signals->volatility_ns, now_ns);
    if (dt == 0.0) {
        return; /* the next mid at a later time has the whole return */
    }
    double moved = (double)(twice_mid_e8 > last ? twice_mid_e8 - last : last - twice_mid_e8);
    double change = moved / (double)last; /* only its square is used */
    double weight = dt / (signals->tau_volatility_s + dt);
    signals->variance += weight * (change * change / dt - signals->variance);
    signals->twice_last_mid_e8 = twice_mid_e8;
    MM_ASSERT(signals->variance >= 0.0);
}

/* Order flow at the touch between two tops, in integers as long as it fits: large quantities that cancel leave a
 * small flow. */
static double flow_between(const mm_top *before, const mm_top *after)
{
    int64_t bid_e8 = (after->bid_price_e8 >= before->bid_price_e8 ? after->bid_qty_e8 : 0) -
                     (after->bid_price_e8 <= before->bid_price_e8 ? before->bid_qty_e8 : 0);
    int64_t ask_e8 = (after->ask_price_e8 <= before->ask_price_e8 ? after->ask_qty_e8 : 0) -
                     (after->ask_price_e8 >= before->ask_price_e8 ? before->ask_qty_e8 : 0);
    int64_t flow_e8 = 0;
    bool fits = !__builtin_sub_overflow(bid_e8, ask_e8, &flow_e8);
    return fits ? (double)flow_e8 : (double)bid_e8 - (double)ask_e8; /* opposite signs: nothing cancels */
}

static void add_flow(mm_signals *signals, double flow, int64_t now_ns)
{
    double keep =
        signals->tau_flow_s / (signals->tau_flow_s + seconds_since(&signals->ofi_ns, now_ns));
    signals->ofi = signals->ofi * keep + flow;
    signals->ofi_magnitude = signals->ofi_magnitude * keep + (flow < 0.0 ? -flow : flow);
}

static bool is_normal(const mm_top *top)
{
    bool has_both = top->bid_qty_e8 > 0 && top->ask_qty_e8 > 0 && top->bid_price_e8 > 0;
    return has_both && top->bid_price_e8 < top->ask_price_e8;
}

void mm_signal_top(mm_signals *signals, const mm_top *top, int64_t now_ns)
{
    if (!is_normal(top)) {
        signals->has_top = 0; /* flow is not measured across it */
        return;
    }
    begin(signals, now_ns);
    add_mid(signals, (uint64_t)top->bid_price_e8 + (uint64_t)top->ask_price_e8, now_ns);
    if (signals->has_top != 0) {
        add_flow(signals, flow_between(&signals->last_top, top), now_ns);
    }
    signals->last_top = *top;
    signals->has_top = 1;
}

void mm_signal_trade(mm_signals *signals, int64_t price_e8, int64_t qty_e8, bool buyer_is_maker,
                     int64_t now_ns)
{
    if (price_e8 <= 0 || qty_e8 <= 0) {
        return;
    }
    begin(signals, now_ns);
    double keep =
        signals->tau_flow_s / (signals->tau_flow_s + seconds_since(&signals->flow_ns, now_ns));
    signals->buys = signals->buys * keep + (buyer_is_maker ? 0.0 : (double)qty_e8);
    signals->sells = signals->sells * keep + (buyer_is_maker ? (double)qty_e8 : 0.0);
}

/* ---- Reading
 * ------------------------------------------------------------------------------------- */

/* -1..1, as rounding keeps the order of numbers: neither of what a difference is taken of is below zero, and `total`
 * adds them up. 0 while there is nothing. */
static double ratio(double difference, double total)
{
    MM_ASSERT(-total <= difference && difference <= total);
    return total > 0.0 ? difference / total : 0.0;
}

/* A side without the own orders: its best level and the sum of the first levels. */
typedef struct {
    mm_level best;
    double qty;
} foreign;

static int64_t own_at(const mm_level *own, size_t own_count, int64_t price_e8)
{
    int64_t qty_e8 = 0;
    for (size_t i = 0; i < own_count; i++) {
        qty_e8 += own[i].price_e8 == price_e8 ? own[i].qty_e8 : 0;
    }
    return qty_e8;
}

/* Over the first `wanted` levels on which others rest, too. An empty side has a best of quantity 0.
 */
static foreign foreign_of(const mm_book *book, int32_t side, const mm_level *own, size_t own_count,
                          size_t wanted)
{
    mm_level levels[DEPTH_MAX];
    foreign result = {{0, 0}, 0.0};
    size_t asked = wanted + own_count < DEPTH_MAX ? wanted + own_count : DEPTH_MAX;
    size_t count = mm_book_depth(book, side, asked, levels);
    size_t taken = 0;
    for (size_t i = 0; i < count && taken < wanted; i++) {
        int64_t own_e8 = own_at(own, own_count, levels[i].price_e8);
        if (own_e8 >= levels[i].qty_e8) {
            continue;
        }
        levels[i].qty_e8 -= own_e8;
        result.best = taken == 0 ? levels[i] : result.best;
        result.qty += (double)levels[i].qty_e8;
        taken++;
    }
    return result;
}

/* The part that needs the book alone; false when a side is missing or the book is locked or
 * crossed. */
static bool read_top(const mm_top *top, mm_signal *out)
{
    if (!is_normal(top)) {
        return false;
    }
    double bid_qty = (double)top->bid_qty_e8;
    double ask_qty = (double)top->ask_qty_e8;
    double spread = (double)(top->ask_price_e8 - top->bid_price_e8);
    out->alpha = ratio(bid_qty - ask_qty, bid_qty + ask_qty);
    out->microprice_e8 = (double)top->bid_price_e8 + spread * (bid_qty / (bid_qty + ask_qty)); /* never below the bid */
    out->ready |= MM_SIGNAL_BOOK;
    return true;
}

static void read_flows(const mm_signals *signals, int64_t now_ns, mm_signal *out)
{
    double tau = signals->tau_volatility_s;
    if (signals->has_mid != 0) {
        int64_t then_ns = signals->volatility_ns;
        out->volatility = sqrt(signals->variance * (tau / (tau + seconds_since(&then_ns, now_ns))));
        out->ready |= MM_SIGNAL_VOLATILITY;
    }
    out->trade_flow = ratio(signals->buys - signals->sells, signals->buys + signals->sells);
    out->ofi = ratio(signals->ofi, signals->ofi_magnitude);
    out->ready |= MM_SIGNAL_FLOW;
}

void mm_signal_read(const mm_signals *signals, const mm_book *book, const mm_level *own_bids,
                    size_t own_bid_count, const mm_level *own_asks, size_t own_ask_count,
                    int64_t now_ns, mm_signal *out)
{
    size_t wanted = (size_t)signals->config.imbalance_levels;
    MM_ASSERT(own_bids != NULL || own_bid_count == 0);
    MM_ASSERT(own_asks != NULL || own_ask_count == 0);
    memset(out, 0, sizeof *out);
    if (own_bid_count + own_ask_count == 0) {
        if (read_top(mm_book_top(book), out)) {
            mm_book_imbalance(book, wanted, &out->imbalance);
        }
    } else {
        foreign bids = foreign_of(book, MM_BID, own_bids, own_bid_count, wanted);
        foreign asks = foreign_of(book, MM_ASK, own_asks, own_ask_count, wanted);
        mm_top top = {bids.best.price_e8, bids.best.qty_e8, asks.best.price_e8, asks.best.qty_e8};
        if (read_top(&top, out)) {
            out->imbalance = ratio(bids.qty - asks.qty, bids.qty + asks.qty);
        }
    }
    if (is_warm(signals, now_ns)) {
        read_flows(signals, now_ns, out);
    }
}
