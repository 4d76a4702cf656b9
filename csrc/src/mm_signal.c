/* Signals. EWMAs decay with dt / (tau + dt), the implicit Euler step of dx/dt = (input - x) / tau: no exp, the same result on every
 * machine, and exact in the limits of short and long steps. tau = half-life / ln 2. */
#include "mm_internal.h"

#include <math.h>
#include <string.h>

#define LN2 0.69314718055994530942
#define NS_PER_S 1e9
/* Volatility is sampled at least this far apart: shorter steps measure the bid-ask bounce. */
#define VOLATILITY_STEP_NS 100000000
#define LEVELS_MAX 32

static bool is_positive(double value)
{
    return value > 0.0 && value < 1e12;
}

mm_status mm_signal_init(mm_signals *signals, const mm_signal_config *config)
{
    bool ok = config->imbalance_levels >= 1 && config->imbalance_levels <= LEVELS_MAX &&
              is_positive(config->volatility_halflife_s) && is_positive(config->trade_flow_halflife_s) &&
              config->warmup_s >= 0.0 && config->warmup_s < 1e9;
    if (!ok) {
        return MM_E_ARGUMENT;
    }
    memset(signals, 0, sizeof *signals);
    signals->config = *config;
    signals->tau_volatility_s = config->volatility_halflife_s / LN2;
    signals->tau_flow_s = config->trade_flow_halflife_s / LN2;
    return MM_OK;
}

void mm_signal_reset(mm_signals *signals)
{
    mm_signal_config config = signals->config;
    mm_status status = mm_signal_init(signals, &config);
    MM_ASSERT(status == MM_OK);
}

static double seconds_between(int64_t from_ns, int64_t to_ns)
{
    return to_ns > from_ns ? (double)(to_ns - from_ns) / NS_PER_S : 0.0;
}

static void begin(mm_signals *signals, int64_t now_ns)
{
    if (!signals->has_reset) {
        signals->has_reset = 1;
        signals->reset_ns = now_ns;
        signals->flow_ns = now_ns;
        signals->ofi_ns = now_ns;
    }
}

static bool is_two_sided(const mm_top *top)
{
    return top->bid_qty_e8 > 0 && top->ask_qty_e8 > 0 && top->bid_price_e8 < top->ask_price_e8;
}

static void add_volatility(mm_signals *signals, double mid_e8, int64_t now_ns)
{
    if (!signals->has_mid) {
        signals->has_mid = 1;
        signals->last_mid_e8 = mid_e8;
        signals->volatility_ns = now_ns;
        return;
    }
    if (now_ns - signals->volatility_ns < VOLATILITY_STEP_NS) {
        return;
    }
    double dt_s = seconds_between(signals->volatility_ns, now_ns);
    double step = (mid_e8 - signals->last_mid_e8) / signals->last_mid_e8;
    double weight = dt_s / (signals->tau_volatility_s + dt_s);
    signals->variance += weight * (step * step / dt_s - signals->variance);
    signals->last_mid_e8 = mid_e8;
    signals->volatility_ns = now_ns;
    MM_ASSERT(signals->variance >= 0.0);
}

/* Order-flow imbalance of one change at the touch (Cont, Kukanov, Stoikov): what was added to the bid or taken from the ask is
 * buying, the reverse selling. Swapping the sides and negating prices negates it. */
static double touch_flow(const mm_top *before, const mm_top *after)
{
    double flow = 0.0;
    flow += after->bid_price_e8 >= before->bid_price_e8 ? (double)after->bid_qty_e8 : 0.0;
    flow -= after->bid_price_e8 <= before->bid_price_e8 ? (double)before->bid_qty_e8 : 0.0;
    flow -= after->ask_price_e8 <= before->ask_price_e8 ? (double)after->ask_qty_e8 : 0.0;
    flow += after->ask_price_e8 >= before->ask_price_e8 ? (double)before->ask_qty_e8 : 0.0;
    return flow;
}

static void add_ofi(mm_signals *signals, const mm_top *top, int64_t now_ns)
{
    if (signals->has_top) {
        double dt_s = seconds_between(signals->ofi_ns, now_ns);
        double keep = signals->tau_flow_s / (signals->tau_flow_s + dt_s);
        double flow = touch_flow(&signals->last_top, top);
        signals->ofi = keep * signals->ofi + flow;
        signals->ofi_magnitude = keep * signals->ofi_magnitude + fabs(flow);
    }
    signals->ofi_ns = now_ns;
}

void mm_signal_top(mm_signals *signals, const mm_top *top, int64_t now_ns)
{
    if (!is_two_sided(top)) {
        return;
    }
    begin(signals, now_ns);
    add_volatility(signals, 0.5 * ((double)top->bid_price_e8 + (double)top->ask_price_e8), now_ns);
    add_ofi(signals, top, now_ns);
    signals->last_top = *top;
    signals->has_top = 1;
}

void mm_signal_trade(mm_signals *signals, int64_t price_e8, int64_t qty_e8, bool buyer_is_maker, int64_t now_ns)
{
    (void)price_e8;
    begin(signals, now_ns);
    double dt_s = seconds_between(signals->flow_ns, now_ns);
    double keep = signals->tau_flow_s / (signals->tau_flow_s + dt_s);
    signals->buys *= keep;
    signals->sells *= keep;
    if (buyer_is_maker) {
        signals->sells += (double)qty_e8;
    } else {
        signals->buys += (double)qty_e8;
    }
    signals->flow_ns = now_ns;
    MM_ASSERT(signals->buys >= 0.0 && signals->sells >= 0.0);
}

/* ---- reading ------------------------------------------------------------------------------ */

/* Quantity of a side's first levels without what is our own. */
static double foreign_qty(const mm_book *book, int32_t side, size_t level_count, const mm_level *own, size_t own_count)
{
    mm_level levels[LEVELS_MAX];
    size_t count = mm_book_depth(book, side, level_count, levels);
    double sum = 0.0;
    for (size_t i = 0; i < count; i++) {
        int64_t qty_e8 = levels[i].qty_e8;
        for (size_t j = 0; j < own_count; j++) {
            if (own[j].price_e8 == levels[i].price_e8) {
                qty_e8 = qty_e8 > own[j].qty_e8 ? qty_e8 - own[j].qty_e8 : 0;
            }
        }
        sum += (double)qty_e8;
    }
    return sum;
}

static double ratio(double part, double whole)
{
    return whole > 0.0 ? part / whole : 0.0;
}

static void read_book(const mm_signals *signals, const mm_book *book, const mm_level *own_bids, size_t own_bid_count,
                      const mm_level *own_asks, size_t own_ask_count, mm_signal *out)
{
    const mm_top *top = &signals->last_top;
    if (!signals->has_top) {
        return;
    }
    size_t level_count = (size_t)signals->config.imbalance_levels;
    double bids = foreign_qty(book, MM_BID, level_count, own_bids, own_bid_count);
    double asks = foreign_qty(book, MM_ASK, level_count, own_asks, own_ask_count);
    double bid = (double)top->bid_price_e8, ask = (double)top->ask_price_e8;
    double bid_qty = (double)top->bid_qty_e8, ask_qty = (double)top->ask_qty_e8;
    double mid = 0.5 * (bid + ask);
    out->imbalance = ratio(bids - asks, bids + asks);
    out->microprice_e8 = (bid * ask_qty + ask * bid_qty) / (bid_qty + ask_qty);
    out->alpha = (out->microprice_e8 - mid) / (0.5 * (ask - bid));
    /* Rounding in the division may step over the end of the interval. */
    out->alpha = out->alpha > 1.0 ? 1.0 : out->alpha < -1.0 ? -1.0 : out->alpha;
    out->ready |= MM_SIGNAL_BOOK;
}

void mm_signal_read(const mm_signals *signals, const mm_book *book, const mm_level *own_bids, size_t own_bid_count,
                    const mm_level *own_asks, size_t own_ask_count, int64_t now_ns, mm_signal *out)
{
    memset(out, 0, sizeof *out);
    read_book(signals, book, own_bids, own_bid_count, own_asks, own_ask_count, out);
    bool warm = signals->has_reset && seconds_between(signals->reset_ns, now_ns) >= signals->config.warmup_s;
    if (!warm) {
        return;
    }
    if (signals->has_mid && signals->volatility_ns > signals->reset_ns) {
        out->volatility = sqrt(signals->variance);
        out->ready |= MM_SIGNAL_VOLATILITY;
    }
    out->trade_flow = ratio(signals->buys - signals->sells, signals->buys + signals->sells);
    out->ofi = ratio(signals->ofi, signals->ofi_magnitude);
    out->ready |= MM_SIGNAL_FLOW;
    MM_ASSERT(out->trade_flow >= -1.0 && out->trade_flow <= 1.0);
    MM_ASSERT(out->ofi >= -1.0 - 1e-9 && out->ofi <= 1.0 + 1e-9);
}
