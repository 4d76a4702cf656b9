/* Any books, trades, own orders and times: every signal against its formula in long double, inside its range, never NaN. */
#include "mm_fuzz.h"

#include <math.h>

enum { LEVELS = 64, OWN_MAX = 4 };

typedef struct {
    fuzz_input in;
    mm_signals signals;
    mm_book *book;
    int64_t now_ns;
    bool begun, has_mid, has_top;
    int64_t reset_ns, mid_ns, flow_ns, ofi_ns;
    long double mid, variance, buys, sells, ofi, magnitude;
    mm_top top;
} signal_run;

static const long double underflow = 1e-140L; /* its square is still a normal double */
static const long double ln_2 = 0.693147180559945309417232121458L;

static long double seconds(int64_t *then_ns, int64_t now_ns)
{
    long double passed = now_ns > *then_ns ? (long double)(now_ns - *then_ns) * 1e-9L : 0.0L;
    *then_ns = now_ns > *then_ns ? now_ns : *then_ns;
    return passed;
}

static void begin(signal_run *run)
{
    if (!run->begun) {
        run->begun = true;
        run->reset_ns = run->flow_ns = run->ofi_ns = run->now_ns;
    }
}

static bool is_normal(const mm_top *top)
{
    return top->bid_qty_e8 > 0 && top->ask_qty_e8 > 0 && top->bid_price_e8 < top->ask_price_e8;
}

/* ---- Inputs ---- */

/* Cont, Kukanov and Stoikov: what came to the bid, less what left it; the ask the other way round. */
static long double flow_of(const mm_top *a, const mm_top *b)
{
    long double bid = b->bid_price_e8 > a->bid_price_e8   ? (long double)b->bid_qty_e8
                      : b->bid_price_e8 < a->bid_price_e8 ? -(long double)a->bid_qty_e8
                                                          : (long double)b->bid_qty_e8 - (long double)a->bid_qty_e8;
    long double ask = b->ask_price_e8 < a->ask_price_e8   ? (long double)b->ask_qty_e8
                      : b->ask_price_e8 > a->ask_price_e8 ? -(long double)a->ask_qty_e8
                                                          : (long double)b->ask_qty_e8 - (long double)a->ask_qty_e8;
    return bid - ask;
}

static void do_top(signal_run *run)
{
    const mm_top top = *mm_book_top(run->book);
    mm_signal_top(&run->signals, &top, run->now_ns);
    if (!is_normal(&top)) {
        run->has_top = false;
        return;
    }
    begin(run);
    long double mid = ((long double)top.bid_price_e8 + (long double)top.ask_price_e8) / 2.0L;
    long double tau = (long double)run->signals.config.volatility_halflife_s / ln_2;
    if (!run->has_mid) {
        run->has_mid = true;
        run->mid = mid;
        run->mid_ns = run->now_ns;
    } else {
        long double dt = seconds(&run->mid_ns, run->now_ns);
        if (dt > 0.0L) {
            long double change = (mid - run->mid) / run->mid;
            run->variance += dt / (tau + dt) * (change * change / dt - run->variance);
            run->mid = mid;
        }
    }
    if (run->has_top) {
        long double flow_tau = (long double)run->signals.config.trade_flow_halflife_s / ln_2, flow = flow_of(&run->top, &top);
        long double keep = flow_tau / (flow_tau + seconds(&run->ofi_ns, run->now_ns));
        run->ofi = run->ofi * keep + flow;
        run->magnitude = run->magnitude * keep + fabsl(flow);
    }
    run->top = top;
    run->has_top = true;
}

static int64_t take_qty(signal_run *run)
{
    return fuzz_u8(&run->in) < 220 ? fuzz_between(&run->in, 0, 4000) : fuzz_i64_in(&run->in, 0, INT64_MAX);
}

static void do_book(signal_run *run)
{
    int32_t side = fuzz_u8(&run->in) & 1;
    int64_t price = fuzz_u8(&run->in) < 240 ? 1000 + fuzz_between(&run->in, -40, 40) : fuzz_i64_in(&run->in, 1, INT64_MAX);
    FUZZ_EQUAL(mm_book_set(run->book, side, price, take_qty(run)), MM_OK);
}

static void do_trade(signal_run *run)
{
    int64_t price = fuzz_between(&run->in, -1, 50), qty = take_qty(run);
    bool maker = fuzz_bool(&run->in);
    mm_signal_trade(&run->signals, price, qty, maker, run->now_ns);
    if (price <= 0 || qty <= 0) {
        return;
    }
    begin(run);
    long double tau = (long double)run->signals.config.trade_flow_halflife_s / ln_2;
    long double keep = tau / (tau + seconds(&run->flow_ns, run->now_ns));
    run->buys = run->buys * keep + (maker ? 0.0L : (long double)qty);
    run->sells = run->sells * keep + (maker ? (long double)qty : 0.0L);
}

/* ---- Readings ---- */

static void check_near(double value, long double wanted, long double tolerance)
{
    FUZZ_CHECK(isfinite(value));
    FUZZ_CHECK(fabsl((long double)value - wanted) <= tolerance);
}

static long double share(long double difference, long double total)
{
    return total > 0.0L ? difference / total : 0.0L;
}

/* Sums that decayed further than a double goes, which takes dozens of hours without an event, have no share any more. */
static void check_share(double value, long double difference, long double total)
{
    check_near(value, share(difference, total), total > 0.0L && total < underflow ? 1.0L : 1e-9L);
}

/* The first levels of a side less own orders; the best of them, and the sum of quantities. */
static long double foreign(const signal_run *run, int32_t side, const mm_level *own, size_t own_count, mm_level *best)
{
    static mm_level levels[LEVELS];
    size_t count = mm_book_depth(run->book, side, LEVELS, levels), taken = 0;
    long double sum = 0.0L;
    best->price_e8 = best->qty_e8 = 0;
    for (size_t i = 0; i < count && taken < (size_t)run->signals.config.imbalance_levels; i++) {
        for (size_t j = 0; j < own_count; j++) {
            levels[i].qty_e8 -= own[j].price_e8 == levels[i].price_e8 ? own[j].qty_e8 : 0;
        }
        if (levels[i].qty_e8 > 0) {
            *best = taken == 0 ? levels[i] : *best;
            sum += (long double)levels[i].qty_e8;
            taken++;
        }
    }
    return sum;
}

static size_t take_own(signal_run *run, mm_level *own)
{
    size_t count = fuzz_u8(&run->in) < 150 ? 0 : fuzz_below(&run->in, OWN_MAX + 1);
    for (size_t i = 0; i < count; i++) {
        own[i].price_e8 = 1000 + fuzz_between(&run->in, -40, 40);
        own[i].qty_e8 = fuzz_between(&run->in, 1, 4000);
    }
    return count;
}

static void check_book(const signal_run *run, const mm_signal *read, const mm_level *own_bids, size_t own_bid_count,
                       const mm_level *own_asks, size_t own_ask_count)
{
    mm_level bid, ask;
    long double bids = foreign(run, MM_BID, own_bids, own_bid_count, &bid), asks = foreign(run, MM_ASK, own_asks, own_ask_count, &ask);
    mm_top top = {bid.price_e8, bid.qty_e8, ask.price_e8, ask.qty_e8};
    FUZZ_EQUAL((read->ready & MM_SIGNAL_BOOK) != 0, is_normal(&top));
    if (!is_normal(&top)) {
        FUZZ_CHECK(read->alpha == 0.0 && read->imbalance == 0.0 && read->microprice_e8 == 0.0);
        return;
    }
    long double bid_qty = (long double)bid.qty_e8, ask_qty = (long double)ask.qty_e8, price = (long double)bid.price_e8;
    long double micro = price + ((long double)ask.price_e8 - price) * bid_qty / (bid_qty + ask_qty);
    bool saturates = bids > 9.2e18L || asks > 9.2e18L; /* a side's sum is then capped where no own order is taken out */
    check_near(read->alpha, share(bid_qty - ask_qty, bid_qty + ask_qty), 1e-12L);
    check_near(read->microprice_e8, micro, 1e-12L * (long double)ask.price_e8);
    FUZZ_CHECK(read->microprice_e8 >= (double)bid.price_e8 * (1 - 1e-15) && read->microprice_e8 <= (double)ask.price_e8 * (1 + 1e-15));
    check_near(read->imbalance, share(bids - asks, bids + asks), saturates ? 1.0L : 1e-12L);
    FUZZ_CHECK(fabs(read->imbalance) <= 1.0 && fabs(read->alpha) <= 1.0);
}

static void check_read(signal_run *run)
{
    mm_level own_bids[OWN_MAX], own_asks[OWN_MAX];
    mm_signal read;
    size_t own_bid_count = take_own(run, own_bids), own_ask_count = take_own(run, own_asks);
    memset(&read, 0xFF, sizeof read);
    mm_signal_read(&run->signals, run->book, own_bids, own_bid_count, own_asks, own_ask_count, run->now_ns, &read);
    check_book(run, &read, own_bids, own_bid_count, own_asks, own_ask_count);
    bool warm = run->begun && (double)(run->now_ns - run->reset_ns) * 1e-9 >= run->signals.config.warmup_s;
    FUZZ_EQUAL((read.ready & MM_SIGNAL_FLOW) != 0, warm);
    FUZZ_EQUAL((read.ready & MM_SIGNAL_VOLATILITY) != 0, warm && run->has_mid);
    FUZZ_CHECK(warm || (read.volatility == 0.0 && read.trade_flow == 0.0 && read.ofi == 0.0));
    if (warm) {
        int64_t then_ns = run->mid_ns;
        long double tau = (long double)run->signals.config.volatility_halflife_s / ln_2;
        long double decay = run->has_mid ? tau / (tau + seconds(&then_ns, run->now_ns)) : 0.0L, wanted = sqrtl(run->variance * decay);
        check_near(read.volatility, wanted, 1e-6L * wanted + underflow);
        check_share(read.trade_flow, run->buys - run->sells, run->buys + run->sells);
        check_share(read.ofi, run->ofi, run->magnitude);
        FUZZ_CHECK(fabs(read.trade_flow) <= 1.0 && fabs(read.ofi) <= 1.0 && read.volatility >= 0.0);
    }
}

static void do_reset(signal_run *run)
{
    mm_signal_reset(&run->signals);
    run->begun = run->has_mid = run->has_top = false;
    run->variance = run->buys = run->sells = run->ofi = run->magnitude = 0.0L;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void *memory;
    static signal_run run;
    size_t bytes = mm_book_bytes(LEVELS);
    memset(&run, 0, sizeof run);
    run.in.at = data;
    run.in.left = size;
    run.now_ns = INT64_C(1000000000);
    if (memory == NULL) {
        memory = fuzz_memory(bytes);
    }
    FUZZ_EQUAL(mm_book_init(memory, bytes, LEVELS, 1, &run.book), MM_OK);
    mm_signal_config config = {1 + fuzz_u8(&run.in) % 32, 0.5 + fuzz_u8(&run.in), 0.5 + fuzz_u8(&run.in), fuzz_u8(&run.in) / 64.0};
    FUZZ_EQUAL(mm_signal_init(&run.signals, &config), MM_OK);
    while (run.in.left > 0) {
        uint8_t what = fuzz_u8(&run.in);
        if (what < 130) {
            do_book(&run);
        } else if (what < 180) {
            do_trade(&run);
        } else if (what < 240) {
            static const int64_t units[3] = {1000, 10000000, INT64_C(40000000000)};
            run.now_ns += fuzz_u8(&run.in) * units[what % 3];
        } else if (what == 255) {
            do_reset(&run);
        }
        if ((what & 1) != 0) {
            do_top(&run);
        }
        check_read(&run);
    }
    return 0;
}
