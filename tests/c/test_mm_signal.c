/* Signals: units, signs, warm-up, reset, own quantity, and the EWMAs against their defining sums.
 */
#include "mm_test.h"

#include "mm_internal.h"

#define TICK INT64_C(1000000)
#define SECOND INT64_C(1000000000)
#define UNIT INT64_C(100000000)

static mm_signals signals;
static mm_book *book;

static const mm_signal_config config = {5, 10.0, 10.0, 2.0};

static void start(void)
{
    mm_status status = mm_signal_init(&signals, &config);
    MM_CHECK_INT(status, ==, MM_OK);
    mm_book_free(book);
    book = mm_book_new(100, TICK);
    if (book == NULL) {
        printf("no memory\n");
        exit(1);
    }
}

static mm_top top_of(int64_t bid_ticks, int64_t bid_qty, int64_t ask_ticks, int64_t ask_qty)
{
    mm_top top = {bid_ticks * TICK, bid_qty * UNIT, ask_ticks * TICK, ask_qty * UNIT};
    return top;
}

static void feed(mm_top top, int64_t now_ns)
{
    mm_signal_top(&signals, &top, now_ns);
}

static mm_signal read_at(int64_t now_ns)
{
    mm_signal out;
    mm_signal_read(&signals, book, NULL, 0, NULL, 0, now_ns, &out);
    return out;
}

static void set(int32_t side, int64_t ticks, int64_t qty)
{
    mm_status status = mm_book_set(book, side, ticks * TICK, qty * UNIT);
    MM_CHECK_INT(status, ==, MM_OK);
}

/* ---- Book ------------------------------------------------------------------------------------ */

static void microprice_alpha_and_imbalance_are_their_formulas(void)
{
    start();
    set(MM_BID, 100, 3);
    set(MM_ASK, 104, 1);
    for (int64_t i = 1; i < 8; i++) {
        set(MM_BID, 100 - i, 2);
        set(MM_ASK, 104 + i, 5);
    }
    mm_signal out = read_at(0);
    MM_CHECK_UINT(out.ready, ==, MM_SIGNAL_BOOK);
    MM_CHECK_NEAR(out.alpha, 0.5, 1e-15); /* more is bid: up */
    MM_CHECK_NEAR(out.microprice_e8, (100.0 * 1 + 104.0 * 3) / 4 * (double)TICK, 1e-6);
    MM_CHECK_NEAR(out.imbalance, (11.0 - 21.0) / 32.0, 1e-15); /* five levels a side */
}

static void a_book_without_both_sides_or_crossed_is_not_ready(void)
{
    start();
    MM_CHECK_UINT(read_at(0).ready, ==, 0);
    set(MM_BID, 100, 3);
    MM_CHECK_UINT(read_at(0).ready, ==, 0);
    set(MM_ASK, 100, 3);
    MM_CHECK_UINT(read_at(0).ready, ==, 0);
    set(MM_ASK, 100, 0);
    set(MM_ASK, 101, 3);
    MM_CHECK_UINT(read_at(0).ready, ==, MM_SIGNAL_BOOK);
}

static void own_resting_quantity_is_not_the_markets(void)
{
    mm_level own_bids[] = {{100 * TICK, 2 * UNIT}, {99 * TICK, 1 * UNIT}};
    mm_level own_asks[] = {{101 * TICK, 4 * UNIT}};
    mm_signal out;
    start();
    set(MM_BID, 100, 3);
    set(MM_BID, 99, 1);
    set(MM_BID, 98, 7);
    set(MM_ASK, 101, 4);
    set(MM_ASK, 103, 3);
    mm_signal_read(&signals, book, own_bids, 2, own_asks, 1, 0, &out);
    /* Others: bids 1 at 100, 7 at 98; asks 3 at 103. The level that was all ours is no level. */
    MM_CHECK_NEAR(out.alpha, (1.0 - 3.0) / 4.0, 1e-15);
    MM_CHECK_NEAR(out.microprice_e8, (100.0 * 3 + 103.0 * 1) / 4 * (double)TICK, 1e-6);
    MM_CHECK_NEAR(out.imbalance, (8.0 - 3.0) / 11.0, 1e-15);
    mm_level all = {103 * TICK, 3 * UNIT};
    mm_level asks[] = {own_asks[0], all};
    mm_signal_read(&signals, book, NULL, 0, asks, 2, 0, &out);
    MM_CHECK_UINT(out.ready, ==, 0); /* nobody else offers */
}

static void without_own_orders_both_ways_of_reading_agree(void)
{
    mm_level nothing = {1 * TICK, 0};
    start();
    for (int round = 0; round < 300; round++) {
        mm_signal plain, other;
        set(MM_BID, 900 - (int64_t)mm_test_below(30), (int64_t)mm_test_below(5));
        set(MM_ASK, 901 + (int64_t)mm_test_below(30), (int64_t)mm_test_below(5));
        mm_signal_read(&signals, book, NULL, 0, NULL, 0, 0, &plain);
        mm_signal_read(&signals, book, &nothing, 1, &nothing, 1, 0, &other);
        MM_CHECK_BYTES(&plain, &other, sizeof(plain));
    }
}

/* ---- Volatility ------------------------------------------------------------------------------ */

static void volatility_of_a_random_walk_is_its_own(void)
{
    /* Steps of +-1 tick of 10,000, 100 a second: 1e-4 * sqrt(100) = 1e-3 per square root of a
     * second. */
    int64_t mid = 10000;
    start();
    for (int64_t i = 0; i < 20000; i++) {
        mid += mm_test_below(2) == 0 ? 1 : -1;
        mid = mid < 9500 ? 9500 : mid > 10500 ? 10500 : mid;
        feed(top_of(mid - 1, 1, mid + 1, 1), i * SECOND / 100);
    }
    mm_signal out = read_at(200 * SECOND);
    MM_CHECK((out.ready & MM_SIGNAL_VOLATILITY) != 0);
    MM_CHECK_NEAR(out.volatility, 1e-3, 1.5e-4);
}

static void volatility_does_not_depend_on_how_often_it_is_asked(void)
{
    mm_signals often, seldom;
    mm_status status = mm_signal_init(&often, &config);
    MM_CHECK_INT(status, ==, MM_OK);
    seldom = often;
    mm_top top = top_of(9999, 1, 10001, 1);
    for (int64_t i = 0; i <= 1000; i++) {
        if (i % 10 == 0) {
            top = i % 20 == 0 ? top_of(9999, 1, 10001, 1) : top_of(10000, 1, 10002, 1);
            mm_signal_top(&seldom, &top, i * SECOND / 100);
        }
        mm_signal_top(&often, &top, i * SECOND / 100);
    }
    signals = often;
    double a = read_at(10 * SECOND).volatility;
    signals = seldom;
    double b = read_at(10 * SECOND).volatility;
    MM_CHECK_NEAR(a, b, 0.01 * b);
    MM_CHECK_F64(a, >, 0.0);
}

static void changes_within_one_instant_count_as_one(void)
{
    start();
    feed(top_of(9999, 1, 10001, 1), 0);
    feed(top_of(10099, 1, 10101, 1), 0);
    feed(top_of(9999, 1, 10001, 1), SECOND);
    MM_CHECK_F64(read_at(3 * SECOND).volatility, ==, 0.0);
    feed(top_of(10999, 1, 11001, 1), SECOND);
    feed(top_of(10099, 1, 10101, 1), 2 * SECOND);
    double weight = 1.0 / (10.0 / log(2.0) + 1.0);
    double tau = 10.0 / log(2.0);
    double variance = weight * 1e-4; /* one per cent in one second, from zero */
    MM_CHECK_NEAR(read_at(2 * SECOND).volatility, sqrt(variance), 1e-12);
    /* It falls while nothing happens. */
    MM_CHECK_NEAR(read_at(12 * SECOND).volatility, sqrt(variance * tau / (tau + 10.0)), 1e-12);
}

/* ---- Flow ------------------------------------------------------------------------------------ */

static void trade_flow_is_signed_by_the_aggressor(void)
{
    start();
    mm_signal_trade(&signals, 100 * TICK, 3 * UNIT, false, 0); /* the buyer took */
    mm_signal_trade(&signals, 100 * TICK, 1 * UNIT, true, 0);
    MM_CHECK_NEAR(read_at(2 * SECOND).trade_flow, 0.5, 1e-15);
    mm_signal_trade(&signals, 100 * TICK, 0, true, 0);
    mm_signal_trade(&signals, 0, 5, true, 0);
    MM_CHECK_NEAR(read_at(2 * SECOND).trade_flow, 0.5, 1e-15);
    /* Ten minutes on, what was is forgotten. */
    mm_signal_trade(&signals, 100 * TICK, 1 * UNIT, true, 600 * SECOND);
    MM_CHECK_F64(read_at(600 * SECOND).trade_flow, <, -0.8);
}

/* Pressure of one change of the top. */
static double ofi_of(mm_top before, mm_top after)
{
    start();
    feed(before, 0);
    feed(after, SECOND);
    return read_at(5 * SECOND).ofi;
}

static void order_flow_has_the_sign_of_the_pressure(void)
{
    mm_top base = top_of(100, 5, 102, 5);
    MM_CHECK_F64(ofi_of(base, top_of(100, 6, 102, 5)), ==, 1.0);  /* more bid */
    MM_CHECK_F64(ofi_of(base, top_of(100, 4, 102, 5)), ==, -1.0); /* less bid */
    MM_CHECK_F64(ofi_of(base, top_of(101, 1, 102, 5)), ==, 1.0);  /* higher bid */
    MM_CHECK_F64(ofi_of(base, top_of(99, 9, 102, 5)), ==, -1.0);  /* lower bid */
    MM_CHECK_F64(ofi_of(base, top_of(100, 5, 102, 6)), ==, -1.0); /* more offered */
    MM_CHECK_F64(ofi_of(base, top_of(100, 5, 102, 4)), ==, 1.0);  /* less offered */
    MM_CHECK_F64(ofi_of(base, top_of(100, 5, 101, 1)), ==, -1.0); /* lower ask */
    MM_CHECK_F64(ofi_of(base, top_of(100, 5, 103, 9)), ==, 1.0);  /* higher ask */
    MM_CHECK_F64(ofi_of(base, base), ==, 0.0);
}

static void mirroring_the_book_turns_the_order_flow_round(void)
{
    for (int round = 0; round < 500; round++) {
        mm_signals mirrored;
        mm_status status = mm_signal_init(&mirrored, &config);
        MM_CHECK_INT(status, ==, MM_OK);
        start();
        for (int64_t i = 0; i < 20; i++) {
            int64_t bid = 1000 + (int64_t)mm_test_below(5);
            int64_t ask = bid + 1 + (int64_t)mm_test_below(5);
            int64_t bid_qty = 1 + (int64_t)mm_test_below(9);
            int64_t ask_qty = 1 + (int64_t)mm_test_below(9);
            mm_top flipped = top_of(5000 - ask, ask_qty, 5000 - bid, bid_qty);
            feed(top_of(bid, bid_qty, ask, ask_qty), i * SECOND);
            mm_signal_top(&mirrored, &flipped, i * SECOND);
        }
        double straight = read_at(20 * SECOND).ofi;
        signals = mirrored;
        double turned = read_at(20 * SECOND).ofi;
        MM_CHECK_NEAR(straight, -turned, 1e-12);
        MM_CHECK_F64(straight, <=, 1.0);
        MM_CHECK_F64(straight, >=, -1.0);
    }
}

static void flow_is_not_measured_across_a_book_that_was_no_book(void)
{
    start();
    feed(top_of(100, 5, 102, 5), 0);
    feed(top_of(100, 5, 102, 0), SECOND); /* one-sided */
    feed(top_of(110, 5, 112, 5), SECOND);
    MM_CHECK_F64(read_at(5 * SECOND).ofi, ==, 0.0);
    feed(top_of(112, 5, 112, 5), SECOND); /* locked */
    feed(top_of(90, 5, 92, 5), SECOND);
    MM_CHECK_F64(read_at(5 * SECOND).ofi, ==, 0.0);
}

/* ---- Warm-up --------------------------------------------------------------------------------- */

static void averages_are_ready_after_the_warm_up_and_again_after_a_reset(void)
{
    start();
    MM_CHECK_UINT(read_at(100 * SECOND).ready, ==, 0); /* nothing has come in */
    feed(top_of(100, 5, 102, 5), 50 * SECOND);
    MM_CHECK_UINT(read_at(52 * SECOND - 1).ready, ==, 0);
    MM_CHECK_UINT(read_at(52 * SECOND).ready, ==, MM_SIGNAL_VOLATILITY | MM_SIGNAL_FLOW);
    feed(top_of(101, 5, 102, 5), 53 * SECOND);
    mm_signal_trade(&signals, 100 * TICK, UNIT, true, 53 * SECOND);
    mm_signal_reset(&signals);
    mm_signal out = read_at(100 * SECOND);
    MM_CHECK_UINT(out.ready, ==, 0);
    MM_CHECK_F64(out.volatility, ==, 0.0);
    MM_CHECK_F64(out.trade_flow, ==, 0.0);
    MM_CHECK_F64(out.ofi, ==, 0.0);
    mm_signal_trade(&signals, 100 * TICK, UNIT, true, 60 * SECOND);
    MM_CHECK_UINT(read_at(61 * SECOND).ready, ==, 0);
    MM_CHECK_UINT(read_at(62 * SECOND).ready, ==, MM_SIGNAL_FLOW); /* no mid yet */
}

static void a_clock_that_steps_back_does_no_harm(void)
{
    start();
    feed(top_of(100, 5, 102, 5), 10 * SECOND);
    feed(top_of(104, 5, 106, 5), 5 * SECOND);
    mm_signal_trade(&signals, 100 * TICK, UNIT, true, 1 * SECOND);
    mm_signal out = read_at(3 * SECOND);
    MM_CHECK_UINT(out.ready, ==, 0);
    feed(top_of(104, 5, 106, 5), 20 * SECOND);
    out = read_at(20 * SECOND);
    MM_CHECK(out.volatility > 0.0 && out.volatility < 1.0);
}

/* ---- Ends of the ranges ---------------------------------------------------------------------- */

static void the_microprice_of_any_spread_is_inside_it(void)
{
    start();
    MM_CHECK_INT(mm_book_set(book, MM_BID, 1, 1), ==, MM_OK);
    MM_CHECK_INT(mm_book_set(book, MM_ASK, INT64_MAX, INT64_MAX), ==, MM_OK);
    double micro = read_at(0).microprice_e8; /* 1 + 2^63 * 2^-63 */
    MM_CHECK_NEAR(micro, 2.0, 1e-9);
}

static void one_unit_is_a_return_at_any_price(void)
{
    static const int64_t bids[] = {1000, INT64_C(10000000000), INT64_MAX - 1000};
    for (size_t i = 0; i < MM_TEST_COUNT(bids); i++) {
        for (int64_t step = -1; step <= 1; step += 2) {
            start();
            mm_top top = {bids[i], 1, bids[i] + 100, 1};
            feed(top, 0);
            top.bid_price_e8 += step;
            feed(top, 3 * SECOND);
            double tau = config.volatility_halflife_s / log(2.0), change = 0.5 / ((double)bids[i] + 50.0);
            MM_CHECK_NEAR(read_at(3 * SECOND).volatility / (change / sqrt(tau + 3.0)), 1.0, 1e-9);
        }
    }
}

static void large_quantities_that_cancel_leave_the_small_flow(void)
{
    start();
    mm_top top = {100, INT64_MAX - 7, 101, INT64_MAX - 7};
    feed(top, 0);
    top.bid_qty_e8 += 5; /* +5, of quantities of which a double keeps no unit */
    top.ask_qty_e8 += 2; /* -2 */
    feed(top, 0);
    MM_CHECK_NEAR(signals.ofi, 3.0, 0.0);
    top.bid_price_e8 -= 1; /* both sides leave at once: -2^63 twice */
    top.ask_price_e8 -= 1;
    feed(top, 0);
    MM_CHECK_NEAR(signals.ofi, 3.0 - 0x1p64, 0x1p13);
    MM_CHECK_NEAR(read_at(2 * SECOND).ofi, -1.0, 1e-15);
}

static void a_top_without_a_price_is_no_top(void)
{
    start();
    mm_top top = {0, 1, 1, 1};
    feed(top, 0);
    MM_CHECK_UINT(read_at(10 * SECOND).ready, ==, 0);
}

static void settings_out_of_range_are_refused(void)
{
    static const mm_signal_config bad[] = {
        {0, 1.0, 1.0, 0.0},  {33, 1.0, 1.0, 0.0}, {5, 0.0, 1.0, 0.0},
        {5, 1.0, -1.0, 0.0}, {5, 1.0, 1.0, -0.1}, {5, 1e10, 1.0, 0.0},
        {5, 1.0, 1e10, 0.0}, {5, 1.0, 1.0, 1e10},
    };
    mm_signal_config nan = config;
    for (size_t i = 0; i < MM_TEST_COUNT(bad); i++) {
        MM_CHECK_INT(mm_signal_init(&signals, &bad[i]), ==, MM_E_ARGUMENT);
    }
    nan.volatility_halflife_s = sqrt(-1.0);
    MM_CHECK_INT(mm_signal_init(&signals, &nan), ==, MM_E_ARGUMENT);
    nan = config;
    nan.warmup_s = sqrt(-1.0);
    MM_CHECK_INT(mm_signal_init(&signals, &nan), ==, MM_E_ARGUMENT);
}

int main(int argc, char **argv)
{
    static const mm_test tests[] = {
        MM_TEST(microprice_alpha_and_imbalance_are_their_formulas),
        MM_TEST(a_book_without_both_sides_or_crossed_is_not_ready),
        MM_TEST(own_resting_quantity_is_not_the_markets),
        MM_TEST(without_own_orders_both_ways_of_reading_agree),
        MM_TEST(volatility_of_a_random_walk_is_its_own),
        MM_TEST(volatility_does_not_depend_on_how_often_it_is_asked),
        MM_TEST(changes_within_one_instant_count_as_one),
        MM_TEST(trade_flow_is_signed_by_the_aggressor),
        MM_TEST(order_flow_has_the_sign_of_the_pressure),
        MM_TEST(mirroring_the_book_turns_the_order_flow_round),
        MM_TEST(flow_is_not_measured_across_a_book_that_was_no_book),
        MM_TEST(averages_are_ready_after_the_warm_up_and_again_after_a_reset),
        MM_TEST(a_clock_that_steps_back_does_no_harm),
        MM_TEST(the_microprice_of_any_spread_is_inside_it),
        MM_TEST(one_unit_is_a_return_at_any_price),
        MM_TEST(large_quantities_that_cancel_leave_the_small_flow),
        MM_TEST(a_top_without_a_price_is_no_top),
        MM_TEST(settings_out_of_range_are_refused),
    };
    int result = mm_test_main(argc, argv, tests, MM_TEST_COUNT(tests));
    mm_book_free(book);
    return result;
}
