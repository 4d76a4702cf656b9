/* The risk manager: every limit to its last digit, and every window against a plain recount. */
#include "mm_test.h"

#include "mm_internal.h"

#define BIT(reason) MM_BIT(MM_REASON_##reason)
#define E8 INT64_C(100000000)
#define SECOND INT64_C(1000000000)
#define START (1000000 * SECOND)
#define SIZE_BITS                                                                                  \
    (BIT(ORDER_QTY) | BIT(ORDER_NOTIONAL) | BIT(POSITION_LIMIT) | BIT(OPEN_NOTIONAL) |             \
     BIT(NO_BALANCE))

/* ---- a world to judge in: best 100.00 / 100.10, rich balances, wide limits ---- */

#define BEST_BID (100 * E8)
#define BEST_ASK (100 * E8 + E8 / 10)

typedef struct {
    mm_symbol symbol;
    mm_risk_config config;
    mm_risk_view view;
    mm_risk *risk;
    mm_orders *orders;
    mm_ledger *ledger;
    bool kill;        /* what mm_risk_equity said last */
    int64_t until_ns;
} world;

static unsigned char risk_memory[1 << 16] MM_ALIGN_LINE;
static unsigned char orders_memory[1 << 17] MM_ALIGN_LINE;
static unsigned char ledger_memory[1 << 14] MM_ALIGN_LINE;

static mm_risk_config wide_config(void)
{
    mm_risk_config c;
    memset(&c, 0, sizeof c);
    c.order_qty_max_e8 = 100 * E8;
    c.order_notional_max_e8 = 100000 * E8;
    c.collar_order_bps = 1000.0;
    c.collar_period_bps = 300.0;
    c.cross_guard_ticks = 1;
    c.position_max_e8 = 1000 * E8;
    c.position_notional_max_e8 = 1000000 * E8;
    c.reducing_pct = 80.0;
    c.open_notional_max_e8 = 1000000 * E8;
    c.open_orders_max = 16;
    c.in_flight_max = 16;
    c.unknown_max = 8;
    c.orders_per_1s_max = 100;
    c.rejects_per_min_max = 10;
    c.duplicate_window_ns = SECOND / 10;
    c.stale_book_ns = SECOND;
    c.ticker_ahead_ns = SECOND / 3;
    c.stale_decision_ns = SECOND / 20;
    c.book_levels_min = 5;
    c.malformed_per_min_max = 3;
    c.loss_session_max_e8 = 50 * E8;
    c.loss_day_max_e8 = 100 * E8;
    c.drawdown_halt_pct = 2.0;
    c.drawdown_kill_pct = 4.0;
    c.loss_speed_max_e8 = 20 * E8;
    c.loss_speed_pause_ns = 600 * SECOND;
    return c;
}

static void report_balance(world *w, const char *asset, int64_t free_e8, int64_t locked_e8)
{
    mm_balance_body body;
    memset(&body, 0, sizeof body);
    strcpy(body.asset, asset);
    body.free_e8 = free_e8;
    body.locked_e8 = locked_e8;
    MM_CHECK_INT(mm_ledger_balance(w->ledger, &body), ==, MM_OK);
}

static void make_symbol(mm_symbol *s)
{
    memset(s, 0, sizeof *s);
    strcpy(s->name, "ABCUSDT");
    strcpy(s->base, "ABC");
    strcpy(s->quote, "USDT");
    s->tick_e8 = E8 / 100;
    s->step_e8 = E8 / 1000;
}

static bool world_make(world *w)
{
    const mm_order_config order_config = {SECOND, SECOND, SECOND * 3 / 10, 12 * SECOND,
                                          86400 * SECOND};
    const char *bad = NULL;
    memset(w, 0, sizeof *w);
    make_symbol(&w->symbol);
    w->config = wide_config();
    if (mm_orders_bytes(32, 64) > sizeof orders_memory ||
        mm_ledger_bytes(64) > sizeof ledger_memory) {
        return false;
    }
    bool made =
        mm_orders_init(orders_memory, sizeof orders_memory, 32, 64, &order_config, &w->orders) ==
            MM_OK &&
        mm_ledger_init(ledger_memory, sizeof ledger_memory, 64, &w->symbol, &w->ledger) == MM_OK &&
        mm_risk_init(risk_memory, sizeof risk_memory, &w->config, &w->risk, &bad) == MM_OK;
    if (!made) {
        return false;
    }
    report_balance(w, "ABC", 10000 * E8, 0);
    report_balance(w, "USDT", 10000000 * E8, 0);
    w->view.symbol = &w->symbol;
    w->view.orders = w->orders;
    w->view.ledger = w->ledger;
    w->view.top.bid_price_e8 = BEST_BID;
    w->view.top.bid_qty_e8 = E8;
    w->view.top.ask_price_e8 = BEST_ASK;
    w->view.top.ask_qty_e8 = E8;
    w->view.now_ns = START;
    return true;
}

/* The same world under other limits; orders, ledger and view stay. */
static void reconfigure(world *w)
{
    const char *bad = NULL;
    MM_CHECK_INT(mm_risk_init(risk_memory, sizeof risk_memory, &w->config, &w->risk, &bad), ==,
                 MM_OK);
}

static uint64_t judge(const world *w, int32_t side, int64_t price_e8, int64_t qty_e8)
{
    return mm_risk_order(w->risk, &w->view, side, 0, price_e8, qty_e8);
}

static mm_order *place(world *w, int32_t side, int64_t price_e8, int64_t qty_e8)
{
    mm_order *order = NULL;
    MM_CHECK(mm_orders_place(w->orders, side, 0, price_e8, qty_e8, w->view.now_ns, &order));
    return order;
}

static mm_order *rest(world *w, int32_t side, int64_t price_e8, int64_t qty_e8)
{
    mm_order *order = place(w, side, price_e8, qty_e8);
    mm_record record;
    mm_order_change change;
    memset(&record, 0, sizeof record);
    record.kind = MM_KIND_ACK;
    record.count = 1;
    record.body.report.order_seq = order->seq;
    record.body.report.status = MM_ORDER_LIVE;
    record.body.report.side = (int16_t)side;
    record.body.report.executed_e8 = -1;
    mm_orders_apply(w->orders, &record, w->view.now_ns, &change);
    MM_CHECK_INT(order->state, ==, MM_ORDER_LIVE);
    return order;
}

static mm_order *lose(world *w, int32_t side, int64_t price_e8, int64_t qty_e8)
{
    mm_order *order = place(w, side, price_e8, qty_e8);
    mm_record record;
    mm_order_change change;
    memset(&record, 0, sizeof record);
    record.kind = MM_KIND_LOST;
    record.count = 1;
    record.body.outcome.order_seq = order->seq;
    record.body.outcome.operation = MM_OP_PLACE;
    mm_orders_apply(w->orders, &record, w->view.now_ns, &change);
    MM_CHECK_INT(order->state, ==, MM_ORDER_UNKNOWN);
    return order;
}

/* ---- configuration ---- */

static void check_refused(const mm_risk_config *config, const char *name)
{
    mm_risk *risk = NULL;
    const char *bad = NULL;
    MM_CHECK_UINT(mm_risk_bytes(config), ==, 0);
    MM_CHECK_INT(mm_risk_init(risk_memory, sizeof risk_memory, config, &risk, &bad), ==,
                 MM_E_ARGUMENT);
    MM_REQUIRE(bad != NULL && risk == NULL);
    MM_CHECK_TEXT(bad, name);
}

static void no_limit_can_be_off_and_the_bad_one_is_named(void)
{
#define WHOLE(field)                                                                               \
    {                                                                                              \
        offsetof(mm_risk_config, field), #field                                                    \
    }
    static const struct {
        size_t at;
        const char *name;
    } wholes[] =
        {
            WHOLE(order_qty_max_e8),
            WHOLE(order_notional_max_e8),
            WHOLE(cross_guard_ticks),
            WHOLE(position_max_e8),
            WHOLE(position_notional_max_e8),
            WHOLE(open_notional_max_e8),
            WHOLE(open_orders_max),
            WHOLE(in_flight_max),
            WHOLE(unknown_max),
            WHOLE(orders_per_1s_max),
            WHOLE(rejects_per_min_max),
            WHOLE(duplicate_window_ns),
            WHOLE(stale_book_ns),
            WHOLE(ticker_ahead_ns),
            WHOLE(stale_decision_ns),
            WHOLE(book_levels_min),
            WHOLE(malformed_per_min_max),
            WHOLE(loss_session_max_e8),
            WHOLE(loss_day_max_e8),
            WHOLE(loss_speed_max_e8),
            WHOLE(loss_speed_pause_ns),
        },
      reals[] = {
          WHOLE(collar_order_bps),  WHOLE(collar_period_bps), WHOLE(reducing_pct),
          WHOLE(drawdown_halt_pct), WHOLE(drawdown_kill_pct),
      };
    static const int64_t bad_wholes[] = {0, -1, INT64_MIN, INT64_MAX};
    const double bad_reals[] = {0.0, -1.0, (double)NAN, (double)INFINITY, 1e9};
    mm_risk *risk = NULL;
    for (size_t i = 0; i < MM_ARRAY_COUNT(wholes); i++) {
        for (size_t j = 0; j < MM_ARRAY_COUNT(bad_wholes); j++) {
            mm_risk_config c = wide_config();
            memcpy((char *)&c + wholes[i].at, &bad_wholes[j], sizeof bad_wholes[j]);
            check_refused(&c, wholes[i].name);
        }
    }
    for (size_t i = 0; i < MM_ARRAY_COUNT(reals); i++) {
        for (size_t j = 0; j < MM_ARRAY_COUNT(bad_reals); j++) {
            mm_risk_config c = wide_config();
            memcpy((char *)&c + reals[i].at, &bad_reals[j], sizeof bad_reals[j]);
            check_refused(&c, reals[i].name);
        }
    }
    mm_risk_config c = wide_config();
    const char *bad = NULL;
    static const int64_t bad_quiets[] = {-1, INT64_MAX};
    for (size_t i = 0; i < MM_ARRAY_COUNT(bad_quiets); i++) {
        c.quiet_max_ns = bad_quiets[i];
        check_refused(&c, "quiet_max_ns");
    }
    c = wide_config();
    c.drawdown_halt_pct = 4.5;
    check_refused(&c, "drawdown_halt_pct");
    c = wide_config();
    MM_CHECK_INT(mm_risk_init(risk_memory, mm_risk_bytes(&c) - 1, &c, &risk, &bad), ==,
                 MM_E_CAPACITY);
    MM_CHECK(bad == NULL && risk == NULL);
    MM_CHECK_INT(mm_risk_init(risk_memory, mm_risk_bytes(&c), &c, &risk, &bad), ==, MM_OK);
#undef WHOLE
}

/* ---- one order ---- */

static void size_limits_hold_to_the_last_digit(void)
{
    world w;
    MM_REQUIRE(world_make(&w));
    MM_CHECK_UINT(judge(&w, MM_BID, BEST_BID, E8), ==, 0);
    MM_CHECK_UINT(judge(&w, MM_ASK, BEST_ASK, E8), ==, 0);
    w.config.order_qty_max_e8 = E8;
    reconfigure(&w);
    MM_CHECK_UINT(judge(&w, MM_BID, BEST_BID, E8), ==, 0);
    MM_CHECK_UINT(judge(&w, MM_BID, BEST_BID, E8 + w.symbol.step_e8), ==, BIT(ORDER_QTY));
    w.config.order_qty_max_e8 = 100 * E8;
    w.config.order_notional_max_e8 = 100 * E8;
    reconfigure(&w);
    MM_CHECK_UINT(judge(&w, MM_BID, BEST_BID, E8), ==, 0);
    MM_CHECK_UINT(judge(&w, MM_BID, BEST_BID + w.symbol.tick_e8, E8), ==, BIT(ORDER_NOTIONAL));
    w.config.order_notional_max_e8 = 100000 * E8;
    reconfigure(&w);
    report_balance(&w, "USDT", 100 * E8, 0);
    MM_CHECK_UINT(judge(&w, MM_BID, BEST_BID, E8), ==, 0);
    report_balance(&w, "USDT", 100 * E8 - 1, 0);
    MM_CHECK_UINT(judge(&w, MM_BID, BEST_BID, E8), ==, BIT(NO_BALANCE));
    report_balance(&w, "ABC", E8, 0);
    MM_CHECK_UINT(judge(&w, MM_ASK, BEST_ASK, E8), ==, 0);
    report_balance(&w, "ABC", E8 - 1, 0);
    MM_CHECK_UINT(judge(&w, MM_ASK, BEST_ASK, E8), ==, BIT(NO_BALANCE));
    MM_CHECK_UINT(judge(&w, MM_BID, BEST_BID + 1, E8) & BIT(PRICE_FILTER), !=, 0);
    MM_CHECK_UINT(judge(&w, MM_BID, -BEST_BID, E8), !=, 0);
    MM_CHECK_UINT(judge(&w, MM_BID, BEST_BID, 0), !=, 0);
}

static void prices_keep_off_the_other_side_and_ones_own(void)
{
    world w;
    MM_REQUIRE(world_make(&w));
    int64_t tick = w.symbol.tick_e8;
    MM_CHECK_UINT(judge(&w, MM_BID, BEST_ASK - tick, E8), ==, 0);
    MM_CHECK_UINT(judge(&w, MM_BID, BEST_ASK, E8), ==, BIT(CROSS_GUARD));
    MM_CHECK_UINT(judge(&w, MM_ASK, BEST_BID + tick, E8), ==, 0);
    MM_CHECK_UINT(judge(&w, MM_ASK, BEST_BID, E8), ==, BIT(CROSS_GUARD));
    w.config.cross_guard_ticks = 3;
    reconfigure(&w);
    MM_CHECK_UINT(judge(&w, MM_BID, BEST_ASK - 3 * tick, E8), ==, 0);
    MM_CHECK_UINT(judge(&w, MM_BID, BEST_ASK - 2 * tick, E8), ==, BIT(CROSS_GUARD));
    mm_order *ask = rest(&w, MM_ASK, BEST_BID + 4 * tick, E8);
    MM_CHECK_UINT(judge(&w, MM_BID, BEST_BID + 4 * tick, E8), ==, BIT(SELF_TRADE));
    MM_CHECK_UINT(judge(&w, MM_BID, BEST_BID + 3 * tick, E8), ==, 0);
    mm_orders_cancel(w.orders, ask, START);
    MM_CHECK_UINT(judge(&w, MM_BID, BEST_BID + 4 * tick, E8), ==, BIT(SELF_TRADE));
    (void)lose(&w, MM_BID, BEST_BID - tick, E8);
    MM_CHECK_UINT(judge(&w, MM_ASK, BEST_BID - tick, E8), ==, BIT(SELF_TRADE) | BIT(CROSS_GUARD));
    w.view.top.ask_qty_e8 = 0;
    MM_CHECK_UINT(judge(&w, MM_BID, BEST_BID, E8), ==, BIT(ONE_SIDED));
}

static void on_a_book_of_one_side_nothing_is_placed_whatever_was_traded(void)
{
    for (int32_t empty = MM_BID; empty <= MM_ASK; empty++) {
        world w;
        MM_REQUIRE(world_make(&w));
        mm_risk_trade(w.risk, BEST_BID, E8, START);
        *(empty == MM_BID ? &w.view.top.bid_qty_e8 : &w.view.top.ask_qty_e8) = 0;
        MM_CHECK_UINT(judge(&w, MM_BID, BEST_BID, E8), ==, BIT(ONE_SIDED));
        MM_CHECK_UINT(judge(&w, MM_ASK, BEST_ASK, E8), ==, BIT(ONE_SIDED));
        /* What the position's worth allows cannot be told, what the other limits do can. */
        MM_CHECK_INT(mm_risk_room(w.risk, &w.view, MM_BID, BEST_BID), ==,
                     w.config.order_qty_max_e8);
        MM_CHECK_INT(mm_risk_room(w.risk, &w.view, MM_BID, 0), ==, 0);
    }
}

static void the_collar_is_around_the_median_of_mid_trade_and_minute(void)
{
    world w;
    MM_REQUIRE(world_make(&w));
    w.config.collar_order_bps = 100.0;
    reconfigure(&w);
    int64_t mid = (BEST_BID + BEST_ASK) / 2;
    MM_CHECK_UINT(judge(&w, MM_BID, 9910 * E8 / 100, E8), ==, 0);
    MM_CHECK_UINT(judge(&w, MM_BID, 9904 * E8 / 100, E8), ==, BIT(COLLAR_ORDER));
    MM_CHECK_INT(mid - mid / 100, >, 9904 * E8 / 100);
    /* Trades at 90: last and VWAP agree, mid is alone. */
    mm_risk_trade(w.risk, 90 * E8, E8, START);
    MM_CHECK_UINT(judge(&w, MM_BID, BEST_BID, E8), ==, BIT(COLLAR_ORDER));
    MM_CHECK_UINT(judge(&w, MM_BID, 90 * E8, E8), ==, 0);
    /* A last trade at 110: VWAP (90 + 110) / 2 = 100 is in the middle. */
    mm_risk_trade(w.risk, 110 * E8, E8, START + SECOND);
    MM_CHECK_UINT(judge(&w, MM_BID, BEST_BID, E8), ==, 0);
    /* After a minute without any trade mid alone counts. */
    mm_risk_trade(w.risk, 90 * E8, 1000 * E8, START + 2 * SECOND);
    MM_CHECK_UINT(judge(&w, MM_BID, BEST_BID, E8), ==, BIT(COLLAR_ORDER));
    mm_risk_mid(w.risk, mid, START + 61 * SECOND);
    MM_CHECK_UINT(judge(&w, MM_BID, BEST_BID, E8), ==, BIT(COLLAR_ORDER));
    mm_risk_mid(w.risk, mid, START + 62 * SECOND);
    MM_CHECK_UINT(judge(&w, MM_BID, BEST_BID, E8), ==, 0);
    MM_CHECK(mm_risk_valid(w.risk));
}

static void the_worst_case_counts_every_order_that_may_still_trade(void)
{
    world w;
    MM_REQUIRE(world_make(&w));
    w.config.position_max_e8 = 10 * E8;
    w.config.reducing_pct = 100.0;
    w.config.in_flight_max = 1;
    reconfigure(&w);
    w.view.position_e8 = 3 * E8;
    mm_order *canceling = rest(&w, MM_BID, 99 * E8, 2 * E8);
    mm_orders_cancel(w.orders, canceling, START);
    (void)lose(&w, MM_BID, 98 * E8, 2 * E8);
    MM_CHECK_UINT(judge(&w, MM_BID, BEST_BID, 3 * E8), ==, 0);
    MM_CHECK_UINT(judge(&w, MM_BID, BEST_BID, 3 * E8 + w.symbol.step_e8), ==, BIT(POSITION_LIMIT));
    w.view.position_e8 = 3 * E8 + 1;
    MM_CHECK_UINT(judge(&w, MM_BID, BEST_BID, 3 * E8), ==, BIT(POSITION_LIMIT));
    w.view.position_e8 = 3 * E8;
    (void)place(&w, MM_BID, 97 * E8, E8);
    MM_CHECK_UINT(judge(&w, MM_BID, BEST_BID, 2 * E8), ==, BIT(IN_FLIGHT));
    MM_CHECK_UINT(judge(&w, MM_BID, BEST_BID, 2 * E8 + w.symbol.step_e8), ==,
                  BIT(IN_FLIGHT) | BIT(POSITION_LIMIT));
    /* Sells have the whole way down to -10. */
    MM_CHECK_UINT(judge(&w, MM_ASK, BEST_ASK, 13 * E8), ==, 0);
    MM_CHECK_UINT(judge(&w, MM_ASK, BEST_ASK, 13 * E8 + w.symbol.step_e8), ==, BIT(POSITION_LIMIT));
}

static void the_worst_case_is_also_limited_in_money(void)
{
    world w;
    MM_REQUIRE(world_make(&w));
    /* Mid is 100.05: ten are worth 1000.50. */
    w.config.position_notional_max_e8 = 100050 * E8 / 100;
    w.config.reducing_pct = 100.0;
    reconfigure(&w);
    w.view.position_e8 = -4 * E8;
    (void)rest(&w, MM_ASK, 101 * E8, 2 * E8);
    MM_CHECK_UINT(judge(&w, MM_ASK, BEST_ASK, 4 * E8), ==, 0);
    MM_CHECK_UINT(judge(&w, MM_ASK, BEST_ASK, 4 * E8 + w.symbol.step_e8), ==, BIT(POSITION_LIMIT));
    MM_CHECK_UINT(judge(&w, MM_BID, BEST_BID, 14 * E8), ==, 0);
    MM_CHECK_UINT(judge(&w, MM_BID, BEST_BID, 14 * E8 + w.symbol.step_e8), ==, BIT(POSITION_LIMIT));
}

static void a_large_position_may_only_shrink(void)
{
    world w;
    MM_REQUIRE(world_make(&w));
    w.config.position_max_e8 = 10 * E8;
    reconfigure(&w);
    w.view.position_e8 = 8 * E8 - 1;
    MM_CHECK_UINT(judge(&w, MM_BID, BEST_BID, E8), ==, 0);
    w.view.position_e8 = 8 * E8;
    MM_CHECK_UINT(judge(&w, MM_BID, BEST_BID, E8), ==, BIT(REDUCING));
    MM_CHECK_UINT(judge(&w, MM_ASK, BEST_ASK, E8), ==, 0);
    w.view.position_e8 = -8 * E8;
    MM_CHECK_UINT(judge(&w, MM_ASK, BEST_ASK, E8), ==, BIT(REDUCING));
    MM_CHECK_UINT(judge(&w, MM_BID, BEST_BID, E8), ==, 0);
    MM_CHECK(mm_risk_reducing(w.risk, &w.view));
    w.view.position_e8 = E8;
    MM_CHECK(!mm_risk_reducing(w.risk, &w.view));
}

static void orders_are_limited_in_number_and_in_sum(void)
{
    world w;
    MM_REQUIRE(world_make(&w));
    w.config.open_orders_max = 2;
    w.config.open_notional_max_e8 = 400 * E8;
    reconfigure(&w);
    mm_order *first = rest(&w, MM_BID, 99 * E8, E8);
    (void)rest(&w, MM_ASK, 101 * E8, E8);
    MM_CHECK_UINT(judge(&w, MM_BID, BEST_BID, 2 * E8), ==, 0);
    MM_CHECK_UINT(judge(&w, MM_BID, BEST_BID, 2 * E8 + w.symbol.step_e8), ==, BIT(OPEN_NOTIONAL));
    (void)rest(&w, MM_BID, 98 * E8, E8 / 1000);
    MM_CHECK_UINT(judge(&w, MM_BID, BEST_BID, E8), ==, BIT(OPEN_ORDERS));
    mm_orders_cancel(w.orders, first, START);
    MM_CHECK_UINT(judge(&w, MM_BID, BEST_BID, E8), ==, BIT(OPEN_ORDERS));
    MM_CHECK_UINT(judge(&w, MM_ASK, BEST_ASK, E8), ==, 0);
    w.symbol.orders_max = 3;
    MM_CHECK_UINT(judge(&w, MM_ASK, BEST_ASK, E8), ==, BIT(OPEN_ORDERS));
}

static void more_orders_than_can_be_counted_refuse_another(void)
{
    const mm_order_config order_config = {SECOND, SECOND, SECOND / 3, 12 * SECOND, 86400 * SECOND};
    world w;
    MM_REQUIRE(world_make(&w));
    w.config.open_orders_max = 1000;
    w.config.in_flight_max = 1000;
    reconfigure(&w);
    MM_REQUIRE(mm_orders_init(orders_memory, sizeof orders_memory, 80, 64, &order_config,
                              &w.orders) == MM_OK);
    w.view.orders = w.orders;
    for (int i = 0; i < 64; i++) {
        (void)place(&w, MM_BID, 90 * E8, E8 / 1000);
    }
    MM_CHECK_UINT(judge(&w, MM_ASK, BEST_ASK, E8), ==, 0);
    (void)place(&w, MM_BID, 90 * E8, E8 / 1000);
    MM_CHECK_UINT(judge(&w, MM_ASK, BEST_ASK, E8), ==, BIT(OPEN_ORDERS));
}

static void open_quantities_whose_sum_does_not_fit_refuse_another(void)
{
    world w;
    MM_REQUIRE(world_make(&w));
    (void)place(&w, MM_BID, w.symbol.tick_e8, INT64_MAX);
    MM_CHECK_UINT(judge(&w, MM_ASK, BEST_ASK, E8), ==, BIT(OPEN_NOTIONAL));
    (void)place(&w, MM_BID, w.symbol.tick_e8, E8);
    MM_CHECK_UINT(judge(&w, MM_ASK, BEST_ASK, E8), ==, BIT(OPEN_NOTIONAL) | BIT(OPEN_ORDERS));
}

static void an_unknown_order_blocks_its_side_and_two_block_both(void)
{
    world w;
    MM_REQUIRE(world_make(&w));
    w.config.unknown_max = 1;
    reconfigure(&w);
    (void)lose(&w, MM_BID, 99 * E8, E8);
    MM_CHECK_UINT(judge(&w, MM_BID, BEST_BID, E8), ==, BIT(UNKNOWN_ORDER));
    MM_CHECK_UINT(judge(&w, MM_ASK, BEST_ASK, E8), ==, 0);
    (void)lose(&w, MM_BID, 98 * E8, E8);
    MM_CHECK_UINT(judge(&w, MM_ASK, BEST_ASK, E8), ==, BIT(UNKNOWN_ORDER));
}

static void fills_told_of_but_not_shown_hold_new_orders_back(void)
{
    world w;
    MM_REQUIRE(world_make(&w));
    mm_order *order = rest(&w, MM_BID, 99 * E8, E8);
    mm_record record;
    mm_order_change change;
    memset(&record, 0, sizeof record);
    record.kind = MM_KIND_CANCELED;
    record.count = 1;
    record.body.report.order_seq = order->seq;
    record.body.report.status = MM_ORDER_CANCELED;
    record.body.report.executed_e8 = E8 / 2;
    mm_orders_apply(w.orders, &record, START, &change);
    MM_REQUIRE(mm_orders_unfilled_reports(w.orders) == 1);
    MM_CHECK_UINT(judge(&w, MM_ASK, BEST_ASK, E8), ==, BIT(IN_FLIGHT));
}

static void room_is_the_most_that_passes(void)
{
    for (int n = 0; n < 3000; n++) {
        world w;
        MM_REQUIRE(world_make(&w));
        w.config.order_qty_max_e8 = mm_test_between(1, 20 * E8);
        w.config.order_notional_max_e8 = mm_test_between(1, 2000 * E8);
        w.config.position_max_e8 = mm_test_between(1, 20 * E8);
        w.config.position_notional_max_e8 = mm_test_between(1, 2000 * E8);
        w.config.open_notional_max_e8 = mm_test_between(1, 3000 * E8);
        w.symbol.qty_max_e8 = mm_test_below(2) ? 0 : mm_test_between(1, 20 * E8);
        w.symbol.notional_max_e8 = mm_test_below(2) ? 0 : mm_test_between(1, 2000 * E8);
        reconfigure(&w);
        report_balance(&w, "ABC", mm_test_between(0, 20 * E8), 0);
        report_balance(&w, "USDT", mm_test_between(0, 2000 * E8), 0);
        w.view.position_e8 = mm_test_between(-25 * E8, 25 * E8);
        for (uint64_t i = mm_test_below(4); i > 0; i--) {
            int64_t qty_e8 = mm_test_between(1, 3 * E8);
            (void)(mm_test_below(2) ? rest(&w, MM_BID, 99 * E8, qty_e8)
                                    : place(&w, MM_ASK, 101 * E8, qty_e8));
        }
        int32_t side = (int32_t)mm_test_below(2);
        int64_t price_e8 = side == MM_BID ? BEST_BID : BEST_ASK;
        int64_t room_e8 = mm_risk_room(w.risk, &w.view, side, price_e8);
        MM_CHECK_INT(room_e8 % w.symbol.step_e8, ==, 0);
        MM_CHECK_INT(room_e8, >=, 0);
        uint64_t limits = SIZE_BITS | BIT(LOT_SIZE);
        if (room_e8 > 0) {
            MM_CHECK_UINT(judge(&w, side, price_e8, room_e8) & limits, ==, 0);
        }
        MM_CHECK_UINT(judge(&w, side, price_e8, room_e8 + w.symbol.step_e8) & limits, !=, 0);
    }
}

/* ---- windows ---- */

static int64_t count_since(const int64_t *times, size_t count, int64_t since)
{
    int64_t found = 0;
    for (size_t i = 0; i < count; i++) {
        found += times[i] > since;
    }
    return found;
}

static void no_second_ever_holds_more_orders_than_allowed(void)
{
    enum { STEPS = 4000 };
    static int64_t sent[STEPS];
    size_t count = 0;
    world w;
    MM_REQUIRE(world_make(&w));
    w.config.orders_per_1s_max = 5;
    w.config.duplicate_window_ns = 1;
    reconfigure(&w);
    for (int i = 0; i < STEPS; i++) {
        w.view.now_ns += mm_test_between(0, SECOND / 4);
        int64_t now = w.view.now_ns;
        bool full = count_since(sent, count, now - SECOND) >= 5;
        uint64_t verdict = judge(&w, MM_BID, BEST_BID, E8 + i * w.symbol.step_e8);
        MM_CHECK_UINT(verdict, ==, full ? BIT(RATE_LIMIT) : 0);
        if (verdict == 0) {
            mm_risk_sent(w.risk, MM_BID, BEST_BID, E8 + i * w.symbol.step_e8, now);
            sent[count++] = now;
        } else {
            int64_t at = mm_risk_deadline(w.risk, now);
            MM_REQUIRE(at > now && at < INT64_MAX);
            w.view.now_ns = at - 1;
            uint64_t before = judge(&w, MM_BID, BEST_BID, E8);
            w.view.now_ns = mm_test_below(2) ? at : now;
            MM_CHECK_UINT(before, ==, BIT(RATE_LIMIT));
        }
    }
    MM_CHECK_UINT(count, >, STEPS / 2);
}

static void a_side_whose_order_the_exchange_ended_rests_for_a_second(void)
{
    world w;
    MM_REQUIRE(world_make(&w));
    int64_t ended_ns = w.view.now_ns;
    mm_risk_ended(w.risk, MM_BID, ended_ns);
    MM_CHECK_UINT(judge(&w, MM_BID, BEST_BID, E8), ==, BIT(ORDER_ENDED));
    MM_CHECK_UINT(mm_risk_order(w.risk, &w.view, MM_BID, 1, BEST_BID, E8), ==, BIT(ORDER_ENDED));
    MM_CHECK_UINT(judge(&w, MM_ASK, BEST_ASK, E8), ==, 0);
    mm_risk_accept(w.risk, MM_BID, 0); /* another order's news do not shorten it */
    MM_CHECK_INT(mm_risk_deadline(w.risk, ended_ns), ==, ended_ns + SECOND);
    w.view.now_ns = ended_ns + SECOND - 1;
    MM_CHECK_UINT(judge(&w, MM_BID, BEST_BID, E8), ==, BIT(ORDER_ENDED));
    w.view.now_ns++;
    MM_CHECK_UINT(judge(&w, MM_BID, BEST_BID, E8), ==, 0);
}

static void the_same_order_waits_for_its_window(void)
{
    world w;
    MM_REQUIRE(world_make(&w));
    mm_risk_sent(w.risk, MM_BID, BEST_BID, E8, START);
    for (int i = 1; i < 50; i++) {
        mm_risk_sent(w.risk, MM_BID, BEST_BID, E8 + i, START + i);
    }
    MM_CHECK_UINT(judge(&w, MM_BID, BEST_BID, E8), ==, BIT(DUPLICATE));
    MM_CHECK_UINT(judge(&w, MM_BID, BEST_BID, 2 * E8), ==, 0);
    MM_CHECK_UINT(judge(&w, MM_BID, BEST_BID - w.symbol.tick_e8, E8), ==, 0);
    w.symbol.tick_e8 = 1;
    MM_CHECK_UINT(judge(&w, MM_ASK, BEST_BID + 1, E8), ==, 0);
    MM_CHECK_INT(mm_risk_deadline(w.risk, START), ==, START + SECOND / 10);
    w.view.now_ns = START + SECOND / 10 - 1;
    MM_CHECK_UINT(judge(&w, MM_BID, BEST_BID, E8), ==, BIT(DUPLICATE));
    w.view.now_ns++;
    MM_CHECK_UINT(judge(&w, MM_BID, BEST_BID, E8), ==, 0);
    MM_CHECK_INT(mm_risk_deadline(w.risk, START + SECOND), ==, INT64_MAX);
}

static void a_level_that_would_match_backs_off_until_it_rests(void)
{
    static const int64_t delays_ms[] = {200, 400, 800, 1600, 3200, 5000, 5000};
    world w;
    MM_REQUIRE(world_make(&w));
    for (size_t i = 0; i < MM_ARRAY_COUNT(delays_ms); i++) {
        int64_t until = w.view.now_ns + delays_ms[i] * 1000000;
        mm_risk_reject(w.risk, MM_REJECT_WOULD_MATCH, MM_BID, 0, w.view.now_ns);
        MM_CHECK_INT(mm_risk_deadline(w.risk, w.view.now_ns), ==, until);
        w.view.now_ns = until - 1;
        MM_CHECK_UINT(judge(&w, MM_BID, BEST_BID, E8), ==, BIT(WOULD_MATCH));
        MM_CHECK_UINT(mm_risk_order(w.risk, &w.view, MM_BID, 1, BEST_BID, E8), ==, 0);
        MM_CHECK_UINT(judge(&w, MM_ASK, BEST_ASK, E8), ==, 0);
        w.view.now_ns = until;
        MM_CHECK_UINT(judge(&w, MM_BID, BEST_BID, E8), ==, 0);
    }
    mm_risk_accept(w.risk, MM_BID, 0);
    mm_risk_reject(w.risk, MM_REJECT_WOULD_MATCH, MM_BID, 0, w.view.now_ns);
    MM_CHECK_INT(mm_risk_deadline(w.risk, w.view.now_ns), ==, w.view.now_ns + SECOND / 5);
    MM_CHECK_UINT(mm_risk_market(w.risk, 0, w.view.now_ns), ==, 0);
    MM_CHECK(mm_risk_valid(w.risk));
}

static void rejects_and_malformed_messages_of_a_minute_halt(void)
{
    world w;
    MM_REQUIRE(world_make(&w));
    for (int i = 0; i < 9; i++) {
        mm_risk_reject(w.risk, MM_REJECT_BALANCE, MM_BID, 0, START + i * SECOND);
        mm_risk_reject(w.risk, MM_REJECT_WOULD_MATCH, MM_ASK, 0, START + i * SECOND);
    }
    MM_CHECK_UINT(mm_risk_market(w.risk, 0, START + 20 * SECOND), ==, 0);
    mm_risk_reject(w.risk, MM_REJECT_OTHER, MM_BID, 0, START + 60 * SECOND);
    MM_CHECK_UINT(mm_risk_market(w.risk, 0, START + 60 * SECOND - 1), ==, BIT(REJECT_RATE));
    MM_CHECK_UINT(mm_risk_market(w.risk, 0, START + 60 * SECOND), ==, 0);
    mm_risk_malformed(w.risk, START);
    mm_risk_malformed(w.risk, START + 10 * SECOND);
    MM_CHECK_UINT(mm_risk_market(w.risk, 0, START + 10 * SECOND) & BIT(MALFORMED), ==, 0);
    mm_risk_malformed(w.risk, START + 20 * SECOND);
    MM_CHECK_UINT(mm_risk_market(w.risk, 0, START + 60 * SECOND - 1) & BIT(MALFORMED), !=, 0);
    MM_CHECK_UINT(mm_risk_market(w.risk, 0, START + 60 * SECOND) & BIT(MALFORMED), ==, 0);
}

static void a_mid_far_from_its_minute_is_not_quoted(void)
{
    world w;
    MM_REQUIRE(world_make(&w));
    MM_CHECK_UINT(mm_risk_market(w.risk, 100 * E8, START), ==, 0);
    mm_risk_mid(w.risk, 100 * E8, START);
    MM_CHECK_UINT(mm_risk_market(w.risk, 103 * E8, START), ==, 0);
    MM_CHECK_UINT(mm_risk_market(w.risk, 103 * E8 + 1, START), ==, BIT(COLLAR_PERIOD));
    MM_CHECK_UINT(mm_risk_market(w.risk, 97 * E8 - 1, START), ==, BIT(COLLAR_PERIOD));
    /* A jump does not pull the mean at once, however long the silence before it. */
    mm_risk_mid(w.risk, 110 * E8, START + 3600 * SECOND);
    MM_CHECK_UINT(mm_risk_market(w.risk, 110 * E8, START + 3600 * SECOND), ==, BIT(COLLAR_PERIOD));
    /* Half the way after 60 s: 105, of which 110 is 4.8 % away; three quarters after 180 s:
     * 107.5, 2.3 %. */
    MM_CHECK_UINT(mm_risk_market(w.risk, 110 * E8, START + 3660 * SECOND), ==, BIT(COLLAR_PERIOD));
    MM_CHECK_UINT(mm_risk_market(w.risk, 110 * E8, START + 3780 * SECOND), ==, 0);
}

static void the_minutes_average_is_that_of_a_recount(void)
{
    enum { STEPS = 3000 };
    static struct {
        int64_t price, qty, second;
    } trades[STEPS];
    world w;
    MM_REQUIRE(world_make(&w));
    w.config.collar_order_bps = 10.0;
    reconfigure(&w);
    int64_t now = START;
    for (int i = 0; i < STEPS; i++) {
        now += mm_test_below(20) == 0 ? mm_test_between(0, 90 * SECOND)
                                      : mm_test_between(0, 3 * SECOND);
        trades[i].price = mm_test_between(50 * E8, 150 * E8);
        trades[i].qty = mm_test_between(1, 5 * E8);
        trades[i].second = now / SECOND;
        mm_risk_trade(w.risk, trades[i].price, trades[i].qty, now);
        MM_CHECK(mm_risk_valid(w.risk));
        double sum = 0.0, qty = 0.0;
        for (int j = i; j >= 0 && trades[j].second > now / SECOND - 60; j--) {
            sum += (double)trades[j].price * (double)trades[j].qty;
            qty += (double)trades[j].qty;
        }
        double mid = (double)(BEST_BID + BEST_ASK) / 2.0;
        double last = (double)trades[i].price;
        double vwap = sum / qty;
        double median = fmax(fmin(mid, last), fmin(fmax(mid, last), vwap));
        w.view.now_ns = now;
        int64_t near = (int64_t)median / w.symbol.tick_e8 * w.symbol.tick_e8;
        int64_t far = near - w.symbol.tick_e8 * 30;
        MM_CHECK_UINT(judge(&w, MM_BID, near, E8) & BIT(COLLAR_ORDER), ==, 0);
        MM_CHECK_UINT(judge(&w, MM_BID, far, E8) & BIT(COLLAR_ORDER), !=, 0);
    }
}

static void trades_of_any_size_never_overflow(void)
{
    world w;
    MM_REQUIRE(world_make(&w));
    for (int i = 0; i < 20000; i++) {
        mm_risk_trade(w.risk, mm_test_any_magnitude(), mm_test_any_magnitude(),
                      START + i * (SECOND / 10));
    }
    MM_CHECK(mm_risk_valid(w.risk));
    MM_CHECK_UINT(judge(&w, MM_BID, BEST_BID, INT64_MAX) & SIZE_BITS, ==, SIZE_BITS);
}

static void a_minute_of_the_largest_trades_keeps_what_it_could_count(void)
{
    static const int64_t largest = (int64_t)1 << 61;
    static const struct {
        int64_t price_e8, qty_e8;
        int count;
        uint64_t verdict;
    } cases[] = {
        {largest, largest, 9, BIT(COLLAR_ORDER)}, /* over what is summed: what comes then is left out */
        {BEST_BID, largest, 1000, 0},             /* no sum is too large */
    };
    for (size_t i = 0; i < MM_ARRAY_COUNT(cases); i++) {
        world w;
        MM_REQUIRE(world_make(&w));
        for (int n = 0; n < cases[i].count; n++) {
            mm_risk_trade(w.risk, cases[i].price_e8, cases[i].qty_e8, START);
            MM_CHECK(mm_risk_valid(w.risk));
        }
        mm_risk_trade(w.risk, BEST_BID, E8, START + SECOND);
        MM_CHECK(mm_risk_valid(w.risk));
        MM_CHECK_UINT(judge(&w, MM_BID, BEST_BID, E8), ==, cases[i].verdict);
        /* A minute later nothing of it is left: the mid alone is the reference. */
        mm_risk_mid(w.risk, BEST_BID, START + 61 * SECOND);
        MM_CHECK_UINT(judge(&w, MM_BID, BEST_BID, E8), ==, 0);
    }
}

static void before_the_clock_has_run_a_second_trades_count_in_the_first(void)
{
    world w;
    MM_REQUIRE(world_make(&w));
    w.config.collar_order_bps = 100.0;
    reconfigure(&w);
    mm_risk_trade(w.risk, 50 * E8, E8, -SECOND);
    mm_risk_trade(w.risk, 50 * E8, E8, 0);
    MM_CHECK(mm_risk_valid(w.risk));
    w.view.now_ns = SECOND / 2;
    MM_CHECK_UINT(judge(&w, MM_BID, BEST_BID, E8), ==, BIT(COLLAR_ORDER)); /* around 50 */
    mm_risk_mid(w.risk, BEST_BID, 60 * SECOND);
    MM_CHECK_UINT(judge(&w, MM_BID, BEST_BID, E8), ==, 0);
}

#if defined(NDEBUG) /* a debug build ends there */
static void a_side_or_layer_that_is_none_is_no_order_and_backs_none_off(void)
{
    static const struct {
        int32_t side, layer;
    } cases[] = {{2, 0}, {-1, 0}, {MM_BID, -1}, {MM_ASK, MM_LAYERS_MAX}};
    world w;
    MM_REQUIRE(world_make(&w));
    for (size_t i = 0; i < MM_ARRAY_COUNT(cases); i++) {
        uint64_t verdict = 0;
        int32_t side = cases[i].side, layer = cases[i].layer;
        MM_CHECK_SURVIVES(verdict = mm_risk_order(w.risk, &w.view, side, layer, BEST_BID, E8));
        MM_CHECK_UINT(verdict, ==, BIT(PANIC));
        MM_CHECK_SURVIVES((mm_risk_accept(w.risk, side, layer), 0));
    }
    MM_CHECK(mm_risk_valid(w.risk));
    MM_CHECK_UINT(judge(&w, MM_ASK, BEST_ASK, E8), ==, 0);
}
#endif

/* ---- after the trade ---- */

static uint64_t equity(world *w, int64_t pnl_e8, int64_t day)
{
    w->kill = true; /* both are told each time */
    w->until_ns = -1;
    return mm_risk_equity(w->risk, 100000 * E8 + pnl_e8, pnl_e8, day, w->view.now_ns, &w->kill,
                          &w->until_ns);
}

static void check_equity(world *w, int64_t pnl_e8, int64_t day, uint64_t verdict)
{
    uint64_t given = equity(w, pnl_e8, day);
    MM_CHECK_UINT(given, ==, verdict);
}

static void losses_of_session_and_day_kill(void)
{
    world w;
    MM_REQUIRE(world_make(&w));
    w.config.loss_speed_max_e8 = 1000 * E8;
    w.config.loss_session_max_e8 = 50 * E8;
    w.config.loss_day_max_e8 = 60 * E8;
    reconfigure(&w);
    check_equity(&w, -50 * E8 + 1, 20000, 0);
    MM_CHECK(!w.kill && w.until_ns == 0);
    check_equity(&w, -50 * E8, 20000, BIT(LOSS_LIMIT));
    MM_CHECK(w.kill);
    MM_REQUIRE(world_make(&w));
    w.config.loss_speed_max_e8 = 1000 * E8;
    w.config.loss_session_max_e8 = 50 * E8;
    w.config.loss_day_max_e8 = 60 * E8;
    reconfigure(&w);
    check_equity(&w, 30 * E8, 20000, 0);
    /* The day begins at +30: -30 is 60 less. */
    check_equity(&w, 30 * E8, 20001, 0);
    check_equity(&w, -30 * E8 + 1, 20001, 0);
    check_equity(&w, -30 * E8, 20001, BIT(LOSS_LIMIT));
    MM_CHECK(w.kill);
}

static void a_fall_from_the_peak_halts_then_kills_and_a_withdrawal_is_none(void)
{
    world w;
    MM_REQUIRE(world_make(&w));
    w.config.loss_session_max_e8 = w.config.loss_day_max_e8 = w.config.loss_speed_max_e8 =
        1000000 * E8;
    reconfigure(&w);
    check_equity(&w, 1000 * E8, 1, 0);
    /* Peak 101,000: 2 % is 2,020. */
    check_equity(&w, 1000 * E8 - 2020 * E8 + 100, 1, 0);
    check_equity(&w, 1000 * E8 - 2020 * E8, 1, BIT(DRAWDOWN));
    MM_CHECK(!w.kill);
    check_equity(&w, 1000 * E8 - 4040 * E8, 1, BIT(DRAWDOWN));
    MM_CHECK(w.kill);
    check_equity(&w, 1000 * E8, 1, 0);
    uint64_t verdict = mm_risk_equity(w.risk, 51000 * E8, 1000 * E8, 1, START, &w.kill, &w.until_ns);
    MM_CHECK_UINT(verdict, ==, 0);
}

static void a_minutes_loss_halts_once_for_its_time(void)
{
    world w;
    MM_REQUIRE(world_make(&w));
    w.config.loss_session_max_e8 = w.config.loss_day_max_e8 = 1000000 * E8;
    reconfigure(&w);
    check_equity(&w, 10 * E8, 1, 0);
    w.view.now_ns += 59 * SECOND;
    check_equity(&w, -10 * E8 + 1, 1, 0);
    check_equity(&w, -10 * E8, 1, BIT(LOSS_SPEED));
    MM_CHECK(!w.kill);
    MM_CHECK_INT(w.until_ns, ==, w.view.now_ns + 600 * SECOND);
    check_equity(&w, -10 * E8, 1, 0);
    MM_CHECK_INT(w.until_ns, ==, 0);
    check_equity(&w, -30 * E8, 1, BIT(LOSS_SPEED));
}

static void after_a_reset_of_the_account_profit_and_its_peaks_begin_anew(void)
{
    world w;
    MM_REQUIRE(world_make(&w));
    w.config.loss_session_max_e8 = w.config.loss_day_max_e8 = 60 * E8;
    reconfigure(&w);
    check_equity(&w, 40 * E8, 1, 0);
    check_equity(&w, 40 * E8, 2, 0); /* the day begins at 40 */
    mm_risk_rebase(w.risk);
    check_equity(&w, -19 * E8, 2, 0);
    MM_CHECK(!w.kill && w.until_ns == 0);
    check_equity(&w, -60 * E8, 2, BIT(LOSS_LIMIT) | BIT(LOSS_SPEED));
    MM_CHECK(w.kill);
}

static void the_loss_of_a_minute_is_that_of_a_recount(void)
{
    enum { STEPS = 5000 };
    static int64_t pnl[STEPS], second[STEPS];
    world w;
    MM_REQUIRE(world_make(&w));
    w.config.loss_session_max_e8 = w.config.loss_day_max_e8 = 1000000 * E8;
    reconfigure(&w);
    size_t from = 0;
    int fired = 0;
    for (size_t i = 0; i < STEPS; i++) {
        w.view.now_ns += mm_test_between(0, mm_test_below(50) == 0 ? 100 * SECOND : 2 * SECOND);
        pnl[i] = (i > 0 ? pnl[i - 1] : 0) + mm_test_between(-4 * E8, 4 * E8);
        second[i] = w.view.now_ns / SECOND;
        int64_t peak = pnl[i];
        for (size_t j = from; j <= i; j++) {
            peak = second[j] > second[i] - 60 && pnl[j] > peak ? pnl[j] : peak;
        }
        uint64_t verdict = equity(&w, pnl[i], 1);
        MM_CHECK_INT((verdict & BIT(LOSS_SPEED)) != 0, ==, peak - pnl[i] >= 20 * E8);
        MM_CHECK(mm_risk_valid(w.risk));
        if (w.until_ns != 0) {
            from = i;
            fired++;
        }
    }
    MM_CHECK_INT(fired, >, 5);
}

int main(int argc, char **argv)
{
    static const mm_test tests[] = {
        MM_TEST(no_limit_can_be_off_and_the_bad_one_is_named),
        MM_TEST(size_limits_hold_to_the_last_digit),
        MM_TEST(prices_keep_off_the_other_side_and_ones_own),
        MM_TEST(on_a_book_of_one_side_nothing_is_placed_whatever_was_traded),
        MM_TEST(the_collar_is_around_the_median_of_mid_trade_and_minute),
        MM_TEST(the_worst_case_counts_every_order_that_may_still_trade),
        MM_TEST(the_worst_case_is_also_limited_in_money),
        MM_TEST(a_large_position_may_only_shrink),
        MM_TEST(orders_are_limited_in_number_and_in_sum),
        MM_TEST(more_orders_than_can_be_counted_refuse_another),
        MM_TEST(open_quantities_whose_sum_does_not_fit_refuse_another),
        MM_TEST(an_unknown_order_blocks_its_side_and_two_block_both),
        MM_TEST(fills_told_of_but_not_shown_hold_new_orders_back),
        MM_TEST(room_is_the_most_that_passes),
        MM_TEST(no_second_ever_holds_more_orders_than_allowed),
        MM_TEST(a_side_whose_order_the_exchange_ended_rests_for_a_second),
        MM_TEST(the_same_order_waits_for_its_window),
        MM_TEST(a_level_that_would_match_backs_off_until_it_rests),
        MM_TEST(rejects_and_malformed_messages_of_a_minute_halt),
        MM_TEST(a_mid_far_from_its_minute_is_not_quoted),
        MM_TEST(the_minutes_average_is_that_of_a_recount),
        MM_TEST(trades_of_any_size_never_overflow),
        MM_TEST(a_minute_of_the_largest_trades_keeps_what_it_could_count),
        MM_TEST(before_the_clock_has_run_a_second_trades_count_in_the_first),
        MM_TEST(losses_of_session_and_day_kill),
        MM_TEST(a_fall_from_the_peak_halts_then_kills_and_a_withdrawal_is_none),
        MM_TEST(a_minutes_loss_halts_once_for_its_time),
        MM_TEST(after_a_reset_of_the_account_profit_and_its_peaks_begin_anew),
        MM_TEST(the_loss_of_a_minute_is_that_of_a_recount),
#if defined(NDEBUG)
        MM_TEST(a_side_or_layer_that_is_none_is_no_order_and_backs_none_off),
#endif
    };
    return mm_test_main(argc, argv, tests, MM_TEST_COUNT(tests));
}
