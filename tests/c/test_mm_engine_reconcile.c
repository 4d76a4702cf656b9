/* Reads of open orders, trades and balances: what they prove, and what they do not. */
#include "mm_engine_host.h"

static bool has(uint64_t verdict, int32_t reason)
{
    return (verdict >> reason & 1) != 0;
}

static mm_engine_config trading_config(void)
{
    mm_engine_config config = host_config();
    config.reconcile_open_ns = 10 * SECOND;
    config.reconcile_trades_ns = 60 * SECOND;
    config.reconcile_account_ns = 30 * SECOND;
    return config;
}

/* Two orders rest, and the engine repeats its reads. */
static host *trading(void)
{
    mm_engine_config config = trading_config();
    host *h = host_open(&config);
    host_start(h);
    host_sync(h);
    host_exchange(h);
    host_decide(h);
    return h;
}

static void live_a_moment(host *h)
{
    h->now_ns += 100 * MS;
    host_tick(h);
    host_decide(h);
    host_exchange(h);
}

/* Takes the quotes back and places them again; the first order of the new ones, NULL = none. */
static const mm_record *quote_again(host *h)
{
    host_command(h, MM_COMMAND_PAUSE, 0);
    host_decide(h);
    host_exchange(h);
    host_command(h, MM_COMMAND_RESUME, 0);
    h->now_ns += 200 * MS; /* the same orders at once would be duplicates */
    host_tick(h);
    host_decide(h);
    return host_find(h, MM_KIND_PLACE);
}

/* The market goes on and the exchange answers orders, but not reads; ends early when a read is asked for. */
static bool until_asked(host *h, uint16_t kind, int64_t span_ns)
{
    int64_t until_ns = h->now_ns + span_ns;
    while (h->now_ns < until_ns) {
        h->now_ns += 100 * MS;
        host_tick(h);
        host_decide(h);
        bool asked = host_general(h, kind, h->batch_first) != NULL;
        host_exchange(h);
        if (asked) {
            return true;
        }
    }
    return false;
}

static mm_record order_row(uint64_t seq, int64_t exchange_id, uint16_t flags)
{
    mm_record row = host_event(MM_KIND_OPEN_ROW);
    row.flags = (uint16_t)(flags | MM_FLAG_BY_REST);
    row.body.report.order_seq = seq;
    row.body.report.exchange_id = exchange_id;
    row.body.report.status = MM_ORDER_LIVE;
    row.body.report.executed_e8 = 0;
    return row;
}

/* Answers the read of open orders with all own live ones but the one numbered `but`. */
static void show_open(host *h, uint64_t but)
{
    mm_order orders[32];
    size_t count = mm_engine_orders(h->engine, orders, 32);
    for (size_t i = 0; i < count; i++) {
        if (orders[i].state == MM_ORDER_LIVE && orders[i].seq != but) {
            mm_record row = order_row(orders[i].seq, orders[i].exchange_id, 0);
            host_feed(h, &row);
        }
    }
    host_answer(h, MM_KIND_WANT_OPEN);
}

static int32_t state_of(const host *h, uint64_t seq)
{
    mm_order orders[32];
    size_t count = mm_engine_orders(h->engine, orders, 32);
    for (size_t i = 0; i < count; i++) {
        if (orders[i].seq == seq) {
            return orders[i].state;
        }
    }
    return MM_ORDER_FREE;
}

static void the_three_reads_repeat_each_with_its_own_period(void)
{
    host *h = trading();
    size_t opens = 0, trades = 0, accounts = 0;
    int64_t until_ns = h->now_ns + 121 * SECOND;
    while (h->now_ns < until_ns) {
        h->now_ns += 50 * MS;
        host_tick(h);
        host_decide(h);
        host_exchange(h);
        if (host_general(h, MM_KIND_WANT_OPEN, h->batch_first) != NULL) {
            opens++;
            show_open(h, 0);
        }
        if (host_general(h, MM_KIND_WANT_TRADES, h->batch_first) != NULL) {
            trades++;
            host_answer(h, MM_KIND_WANT_TRADES);
        }
        if (host_general(h, MM_KIND_WANT_ACCOUNT, h->batch_first) != NULL) {
            accounts++;
            host_answer(h, MM_KIND_WANT_ACCOUNT);
        }
    }
    MM_CHECK_UINT(opens, ==, 12); /* 6 + 20 + 20 of weight: 96 a minute */
    MM_CHECK_UINT(accounts, ==, 4);
    MM_CHECK_UINT(trades, ==, 2);
    MM_CHECK_UINT(host_status(h).reconciles, ==, 18);
    MM_CHECK_UINT(host_status(h).reconcile_repairs, ==, 0);
    MM_CHECK_INT(host_status(h).state, ==, MM_STATE_ACTIVE);
    host_close(h);
}

static void nothing_is_repeated_before_the_start_is_confirmed(void)
{
    mm_engine_config config = trading_config();
    host *h = host_open(&config);
    host_link(h, MM_KIND_ORDER_LINK, MM_CHANNEL_ORDER, MM_LINK_UP);
    host_link(h, MM_KIND_ORDER_LINK, MM_CHANNEL_USER, MM_LINK_UP);
    for (int i = 0; i < 200; i++) {
        h->now_ns += SECOND;
        host_decide(h);
    }
    MM_CHECK(host_general(h, MM_KIND_WANT_OPEN, 0) == NULL);
    MM_CHECK(host_general(h, MM_KIND_WANT_TRADES, 0) == NULL);
    MM_CHECK(host_general(h, MM_KIND_WANT_ACCOUNT, 0) == NULL);
    host_close(h);
}

static void an_order_that_two_reads_do_not_show_is_in_doubt_and_not_dropped(void)
{
    host *h = trading();
    mm_order gone;
    MM_REQUIRE(mm_engine_orders(h->engine, &gone, 1) == 1);
    MM_REQUIRE(until_asked(h, MM_KIND_WANT_OPEN, 11 * SECOND));
    show_open(h, gone.seq);
    host_decide(h);
    MM_CHECK_INT(state_of(h, gone.seq), ==, MM_ORDER_LIVE); /* one read may lag */
    int64_t first_ns = h->now_ns;
    MM_REQUIRE(until_asked(h, MM_KIND_WANT_OPEN, 5 * SECOND));
    MM_CHECK_INT(h->now_ns - first_ns, >=, 2 * SECOND); /* but the second comes soon */
    MM_CHECK_INT(h->now_ns - first_ns, <=, 2 * SECOND + 200 * MS);
    show_open(h, gone.seq);
    MM_CHECK_INT(state_of(h, gone.seq), ==, MM_ORDER_UNKNOWN);
    MM_CHECK_UINT(host_status(h).reconcile_repairs, ==, 1);
    h->now_ns += SECOND / 2;
    host_tick(h);
    host_decide(h);
    const mm_record *cancel = host_find(h, MM_KIND_CANCEL);
    MM_REQUIRE(cancel != NULL);
    MM_CHECK_UINT(cancel->body.action.order_seq, ==, gone.seq); /* the matching engine is asked */
    host_close(h);
}

static void a_read_that_shows_more_rows_than_can_be_kept_misses_no_order(void)
{
    host *h = trading();
    for (int reads = 0; reads < 3; reads++) {
        MM_REQUIRE(until_asked(h, MM_KIND_WANT_OPEN, 11 * SECOND));
        for (uint64_t i = 0; i < 40; i++) { /* of this run by their names, but never placed */
            mm_record row = order_row(1000 + i, (int64_t)(9000 + i), 0);
            host_feed(h, &row);
        }
        host_answer(h, MM_KIND_WANT_OPEN); /* the two that rest are not among them */
        host_decide(h);
        MM_CHECK_UINT(host_count(h, MM_KIND_CANCEL), ==, 40);
    }
    MM_CHECK_INT(host_status(h).unknown_orders, ==, 0);
    MM_CHECK_INT(host_status(h).open_orders, ==, 2);
    host_close(h);
}

static void of_more_orders_of_earlier_runs_than_can_be_kept_the_next_read_shows_the_rest(void)
{
    enum { ROWS = 70, KEPT = 64 };
    host *h = trading();
    MM_REQUIRE(until_asked(h, MM_KIND_WANT_OPEN, 11 * SECOND));
    for (int64_t i = 0; i < ROWS; i++) {
        mm_record row = order_row(0, 9000 + i, MM_FLAG_OLD_RUN);
        host_feed(h, &row);
    }
    show_open(h, 0);
    host_decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_CANCEL), ==, KEPT);
    MM_REQUIRE(until_asked(h, MM_KIND_WANT_OPEN, 3 * SECOND));
    for (int64_t i = KEPT; i < ROWS; i++) {
        mm_record row = order_row(0, 9000 + i, MM_FLAG_OLD_RUN);
        host_feed(h, &row);
    }
    show_open(h, 0);
    host_decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_CANCEL), ==, ROWS - KEPT);
    host_close(h);
}

static void the_same_answer_twice_is_one_empty_read(void)
{
    mm_engine_config config = trading_config();
    host *h = host_open(&config);
    host_link(h, MM_KIND_ORDER_LINK, MM_CHANNEL_ORDER, MM_LINK_UP);
    host_command(h, MM_COMMAND_START, 0);
    host_decide(h);
    for (int copy = 0; copy < 2; copy++) {
        host_answer_open(h);
        host_end(h, MM_KIND_OPEN_END, 0);
    }
    host_decide(h);
    MM_CHECK(host_says(h, MM_REASON_NOT_STARTED));
    h->now_ns += SECOND;
    host_decide(h);
    host_answer_open(h);
    host_decide(h);
    MM_CHECK(!host_says(h, MM_REASON_NOT_STARTED));
    host_close(h);
}

static void a_stop_waits_until_no_read_shows_an_order_any_more_not_even_one_that_has_ended(void)
{
    host *h = trading();
    mm_order ended;
    MM_REQUIRE(mm_engine_orders(h->engine, &ended, 1) == 1);
    host_command(h, MM_COMMAND_STOP, 0);
    host_decide(h);
    host_exchange(h);
    host_decide(h);
    mm_record row = order_row(ended.seq, ended.exchange_id, 0);
    host_feed(h, &row);
    host_answer_open(h);
    host_decide(h);
    const mm_record *cancel = host_find(h, MM_KIND_CANCEL); /* once more, by its id */
    MM_REQUIRE(cancel != NULL);
    MM_CHECK_INT(cancel->body.action.exchange_id, ==, ended.exchange_id);
    for (int reads = 0; reads < 2; reads++) {
        for (int i = 0; i < 25 && host_find(h, MM_KIND_WANT_OPEN) == NULL; i++) {
            h->now_ns += 100 * MS;
            host_decide(h);
        }
        MM_CHECK_INT(host_status(h).state, ==, MM_STATE_STOPPING);
        host_answer_open(h);
        host_decide(h);
    }
    MM_CHECK_INT(host_status(h).state, ==, MM_STATE_STOPPED);
    host_close(h);
}

static void an_order_that_the_second_read_shows_again_was_never_gone(void)
{
    host *h = trading();
    mm_order late;
    MM_REQUIRE(mm_engine_orders(h->engine, &late, 1) == 1);
    for (int i = 0; i < 6; i++) { /* every second read lags: never two in a row */
        MM_REQUIRE(until_asked(h, MM_KIND_WANT_OPEN, 11 * SECOND));
        show_open(h, i % 2 == 0 ? late.seq : 0);
        host_decide(h);
    }
    MM_CHECK_INT(state_of(h, late.seq), ==, MM_ORDER_LIVE);
    MM_CHECK_UINT(host_status(h).reconcile_repairs, ==, 0);
    host_close(h);
}

static void an_order_placed_while_the_read_was_under_way_is_not_missed(void)
{
    host *h = trading();
    MM_REQUIRE(until_asked(h, MM_KIND_WANT_OPEN, 11 * SECOND));
    uint64_t fresh = 0;
    for (int reads = 0; reads < 4; reads++) {
        /* The market moves: all orders are replaced after the question and before its answer. */
        h->now_ns += 200 * MS;
        const mm_record *placed = quote_again(h);
        MM_REQUIRE(placed != NULL);
        fresh = placed->body.action.order_seq;
        host_exchange(h);
        host_decide(h);
        host_answer(h, MM_KIND_WANT_OPEN); /* shows the moment it was asked in: none of them */
        host_decide(h);
        MM_CHECK_INT(state_of(h, fresh), ==, MM_ORDER_LIVE);
        MM_REQUIRE(until_asked(h, MM_KIND_WANT_OPEN, 11 * SECOND));
    }
    MM_CHECK_UINT(host_status(h).reconcile_repairs, ==, 0);
    host_close(h);
}

static void an_own_order_nobody_knows_is_cancelled_at_once_and_a_foreign_one_is_not(void)
{
    host *h = trading();
    MM_REQUIRE(until_asked(h, MM_KIND_WANT_OPEN, 11 * SECOND));
    mm_record older = order_row(0, 777, MM_FLAG_OLD_RUN);
    mm_record unknown = order_row(123456, 778, 0); /* of this run by its name, but never placed */
    mm_record foreign = order_row(0, 779, MM_FLAG_FOREIGN);
    host_feed(h, &older);
    host_feed(h, &unknown);
    host_feed(h, &foreign);
    show_open(h, 0);
    host_decide(h);
    size_t cancels = 0;
    for (size_t i = h->batch_first; i < h->action_count; i++) {
        if (h->actions[i].kind == MM_KIND_CANCEL) {
            int64_t id = h->actions[i].body.action.exchange_id;
            MM_CHECK(id == 777 || id == 778);
            cancels++;
        }
    }
    MM_CHECK_UINT(cancels, ==, 2);
    MM_CHECK_UINT(host_status(h).reconcile_repairs, ==, 2);
    MM_CHECK(until_asked(h, MM_KIND_WANT_OPEN, 3 * SECOND)); /* and it is looked at again soon */
    MM_CHECK_INT(host_status(h).state, ==, MM_STATE_ACTIVE);
    host_close(h);
}

/* Two bots with one tag would cancel each other's orders for ever: the older one ends. */
static void an_order_or_a_cancel_of_a_later_run_ends_this_one(void)
{
    for (int how = 0; how < 3; how++) {
        host *h = trading();
        mm_order own;
        MM_REQUIRE(mm_engine_orders(h->engine, &own, 1) == 1);
        if (how == 0) {
            MM_REQUIRE(until_asked(h, MM_KIND_WANT_OPEN, 11 * SECOND));
            mm_record row = order_row(0, 777, MM_FLAG_NEW_RUN);
            host_feed(h, &row);
        } else {
            mm_record report[2] = {order_row(how == 1 ? 0 : own.seq, 778, MM_FLAG_NEW_RUN), host_event(MM_KIND_MORE)};
            report[0].kind = MM_KIND_REPORT;
            report[0].count = 2;
            report[0].body.report.status = how == 1 ? MM_ORDER_LIVE : MM_ORDER_CANCELED;
            report[1].body.fill.trade_id = -1;
            host_feed(h, report);
        }
        host_decide(h);
        MM_CHECK_INT(host_status(h).state, ==, MM_STATE_KILLED);
        MM_CHECK(has(host_status(h).verdict, MM_REASON_OTHER_INSTANCE));
        MM_CHECK_UINT(host_count(h, MM_KIND_CANCEL), ==, how == 2 ? 1 : 2); /* its own orders, not the other's */
        for (size_t i = h->batch_first; i < h->action_count; i++) {
            MM_CHECK(h->actions[i].kind != MM_KIND_CANCEL || h->actions[i].body.action.order_seq != 0);
        }
        host_close(h);
    }
}

static void an_order_that_ended_moments_ago_may_still_be_shown_but_not_for_long(void)
{
    host *h = trading();
    mm_order ended;
    MM_REQUIRE(mm_engine_orders(h->engine, &ended, 1) == 1);
    host_command(h, MM_COMMAND_PAUSE, 0);
    host_decide(h);
    host_exchange(h); /* both are cancelled */
    host_command(h, MM_COMMAND_RESUME, 0);
    host_decide(h);
    host_exchange(h);
    MM_REQUIRE(until_asked(h, MM_KIND_WANT_OPEN, 11 * SECOND));
    mm_record row = order_row(ended.seq, ended.exchange_id, 0);
    host_feed(h, &row);
    show_open(h, 0);
    host_decide(h);
    MM_CHECK(host_find(h, MM_KIND_CANCEL) == NULL); /* the read lags */
    MM_REQUIRE(until_asked(h, MM_KIND_WANT_OPEN, 11 * SECOND));
    host_feed(h, &row);
    show_open(h, 0);
    host_decide(h);
    const mm_record *cancel = host_find(h, MM_KIND_CANCEL); /* no store lags that long */
    MM_REQUIRE(cancel != NULL);
    MM_CHECK_INT(cancel->body.action.exchange_id, ==, ended.exchange_id);
    MM_CHECK_INT(host_status(h).state, !=, MM_STATE_KILLED);
    host_close(h);
}

static void trade_row(host *h, const mm_order *order, int64_t trade_id, int64_t age_ns, uint16_t kind)
{
    mm_record row[2];
    memset(row, 0, sizeof row);
    row[0].kind = kind;
    row[0].flags = MM_FLAG_FILL | MM_FLAG_MAKER;
    row[0].count = 2;
    row[0].body.report.order_seq = order->seq;
    row[0].body.report.exchange_id = order->exchange_id;
    row[0].body.report.side = (int16_t)order->side;
    row[0].body.report.price_e8 = order->price_e8;
    row[0].body.report.qty_e8 = order->qty_e8;
    row[0].body.report.executed_e8 = kind == MM_KIND_REPORT ? order->qty_e8 : -1;
    row[0].body.report.status = kind == MM_KIND_REPORT ? MM_ORDER_FILLED : MM_ORDER_STATUS_OTHER;
    row[1].kind = MM_KIND_MORE;
    row[1].body.fill.trade_id = trade_id;
    row[1].body.fill.quote_e8 = -1;
    row[1].body.fill.time_us = (INT64_C(1700000000000000000) + h->now_ns - age_ns) / 1000;
    host_feed(h, row);
}

static void a_fill_nobody_told_is_found_by_the_trades_and_applied_once(void)
{
    host *h = trading();
    mm_order filled;
    MM_REQUIRE(mm_engine_orders(h->engine, &filled, 1) == 1);
    MM_REQUIRE(until_asked(h, MM_KIND_WANT_TRADES, 61 * SECOND));
    trade_row(h, &filled, 41, 20 * SECOND, MM_KIND_TRADE_ROW);
    host_answer(h, MM_KIND_WANT_TRADES);
    MM_CHECK_UINT(host_status(h).fills, ==, 1);
    MM_CHECK_UINT(host_status(h).reconcile_repairs, ==, 1);
    MM_CHECK_INT(host_status(h).position_e8, ==, filled.side == MM_BID ? filled.qty_e8 : -filled.qty_e8);
    trade_row(h, &filled, 41, 20 * SECOND, MM_KIND_REPORT); /* its report was only slow */
    trade_row(h, &filled, 41, 20 * SECOND, MM_KIND_TRADE_ROW);
    MM_CHECK_UINT(host_status(h).fills, ==, 1);
    MM_CHECK_INT(host_status(h).state, !=, MM_STATE_HALTED);
    host_close(h);
}

static void a_trade_that_a_read_shows_before_its_report_may_have_been_late_is_no_repair(void)
{
    for (int clock_known = 0; clock_known <= 1; clock_known++) {
        host *h = trading();
        mm_order filled;
        MM_REQUIRE(mm_engine_orders(h->engine, &filled, 1) == 1);
        MM_REQUIRE(until_asked(h, MM_KIND_WANT_TRADES, 61 * SECOND));
        if (!clock_known) {
            host_outcome(h, MM_KIND_CANCEL_REJECT, filled.seq, MM_OP_CANCEL, MM_REJECT_CLOCK, -1021);
        }
        int64_t age_ns = clock_known ? 50 * MS : 20 * SECOND; /* without the exchange's clock no age can be told */
        trade_row(h, &filled, 41, age_ns, MM_KIND_TRADE_ROW);
        trade_row(h, &filled, 41, age_ns, MM_KIND_REPORT);
        MM_CHECK_UINT(host_status(h).fills, ==, 1);
        MM_CHECK_UINT(host_status(h).reconcile_repairs, ==, 0);
        host_close(h);
    }
}

static void a_read_without_an_answer_is_asked_for_again_ever_more_slowly(void)
{
    static const int64_t waits_s[] = {5, 10, 20, 40, 40};
    host *h = trading();
    MM_REQUIRE(until_asked(h, MM_KIND_WANT_OPEN, 11 * SECOND));
    for (size_t i = 0; i < sizeof waits_s / sizeof waits_s[0]; i++) {
        int64_t asked_ns = h->now_ns;
        MM_REQUIRE(until_asked(h, MM_KIND_WANT_OPEN, 45 * SECOND));
        MM_CHECK_INT(h->now_ns - asked_ns, ==, waits_s[i] * SECOND);
    }
    show_open(h, 0);
    int64_t answered_ns = h->now_ns;
    MM_REQUIRE(until_asked(h, MM_KIND_WANT_OPEN, 45 * SECOND));
    MM_CHECK_INT(h->now_ns - answered_ns, ==, 10 * SECOND);
    int64_t asked_ns = h->now_ns;
    MM_REQUIRE(until_asked(h, MM_KIND_WANT_OPEN, 45 * SECOND));
    MM_CHECK_INT(h->now_ns - asked_ns, ==, 5 * SECOND); /* the answer made up for it */
    host_close(h);
}

static void an_answer_to_a_question_from_before_a_reconnect_proves_nothing(void)
{
    host *h = trading();
    MM_REQUIRE(until_asked(h, MM_KIND_WANT_ACCOUNT, 31 * SECOND));
    const mm_record *before = host_general(h, MM_KIND_WANT_ACCOUNT, 0);
    int64_t token = before->body.command.command;
    host_link(h, MM_KIND_ORDER_LINK, MM_CHANNEL_USER, MM_LINK_DOWN);
    host_link(h, MM_KIND_ORDER_LINK, MM_CHANNEL_USER, MM_LINK_UP);
    host_decide(h);
    MM_CHECK(host_general(h, MM_KIND_WANT_TRADES, h->batch_first) != NULL);
    MM_CHECK(host_general(h, MM_KIND_WANT_ACCOUNT, h->batch_first) != NULL);
    host_answer(h, MM_KIND_WANT_TRADES);
    host_end(h, MM_KIND_ACCOUNT_END, token);
    host_decide(h);
    MM_CHECK(has(host_status(h).verdict, MM_REASON_NO_ACCOUNT));
    host_answer(h, MM_KIND_WANT_ACCOUNT);
    host_decide(h);
    MM_CHECK(!has(host_status(h).verdict, MM_REASON_NO_ACCOUNT));
    host_close(h);
}

static void a_refusal_nobody_expected_brings_the_reads_but_not_in_a_storm(void)
{
    host *h = trading();
    MM_REQUIRE(until_asked(h, MM_KIND_WANT_OPEN, 11 * SECOND));
    show_open(h, 0);
    size_t opens = 0, accounts = 0;
    for (int i = 0; i < 80; i++) { /* 8 s */
        h->now_ns += 100 * MS;
        host_tick(h);
        host_decide(h);
        if (host_general(h, MM_KIND_WANT_OPEN, h->batch_first) != NULL) {
            opens++;
            show_open(h, 0);
        }
        if (host_general(h, MM_KIND_WANT_ACCOUNT, h->batch_first) != NULL) {
            accounts++;
            host_answer(h, MM_KIND_WANT_ACCOUNT);
        }
        const mm_record *placed = host_find(h, MM_KIND_PLACE);
        if (placed == NULL) {
            host_exchange(h);
            if (i % 9 == 0) { /* the quotes go and are placed again */
                host_command(h, i % 2 == 0 ? MM_COMMAND_PAUSE : MM_COMMAND_RESUME, 0);
            }
            continue;
        }
        mm_record refused = host_event(MM_KIND_REJECT);
        refused.body.outcome.order_seq = placed->body.action.order_seq;
        refused.body.outcome.operation = MM_OP_PLACE;
        refused.body.outcome.code = -2010;
        refused.body.outcome.detail = MM_REJECT_BALANCE;
        host_feed(h, &refused);
    }
    MM_CHECK_UINT(opens, >=, 1);
    MM_CHECK_UINT(opens, <=, 4);
    MM_CHECK_UINT(accounts, >=, 1);
    MM_CHECK_UINT(accounts, <=, 4);
    host_close(h);
}

static void a_difference_pulls_the_quotes_when_confirmed_and_halts_when_no_lag_explains_it(void)
{
    host *h = trading();
    host_balance(h, "BTC", MM_ONE_E8 + 1, 0); /* one atom too many */
    int64_t wrong_ns = h->now_ns;
    int64_t pulled_ns = 0;
    while (host_status(h).state != MM_STATE_HALTED && h->now_ns < wrong_ns + 30 * SECOND) {
        live_a_moment(h);
        if (host_general(h, MM_KIND_WANT_TRADES, h->batch_first) != NULL) {
            host_answer(h, MM_KIND_WANT_TRADES);
        }
        if (host_general(h, MM_KIND_WANT_ACCOUNT, h->batch_first) != NULL) {
            host_answer(h, MM_KIND_WANT_ACCOUNT);
        }
        if (pulled_ns == 0 && has(host_status(h).verdict, MM_REASON_NO_ACCOUNT)) {
            pulled_ns = h->now_ns;
        }
    }
    MM_CHECK_INT(host_status(h).state, ==, MM_STATE_HALTED);
    MM_CHECK(has(host_status(h).verdict, MM_REASON_LEDGER_MISMATCH));
    MM_CHECK_INT(pulled_ns - wrong_ns, <=, 3 * SECOND);
    MM_CHECK_INT(h->now_ns - wrong_ns, >=, 10 * SECOND);
    MM_CHECK_INT(h->now_ns - wrong_ns, <=, 13 * SECOND);
    host_close(h);
}

/* For `span_ns` reads are answered, with `base_e8` and `quote_e8` as the account has them, and with the one trade that filled
 * `filled`, if any: no event tells that. */
static void show_all(host *h, int64_t base_e8, int64_t quote_e8, const mm_order *filled, int64_t span_ns)
{
    int64_t end_ns = h->now_ns + span_ns;
    while (h->now_ns < end_ns) {
        live_a_moment(h);
        if (host_general(h, MM_KIND_WANT_TRADES, h->batch_first) != NULL) {
            if (filled != NULL) {
                trade_row(h, filled, 41, SECOND, MM_KIND_TRADE_ROW);
            }
            host_answer(h, MM_KIND_WANT_TRADES);
        }
        if (host_general(h, MM_KIND_WANT_ACCOUNT, h->batch_first) != NULL) {
            host_balance(h, "BTC", base_e8, 0);
            host_balance(h, "USDT", quote_e8, 0);
            host_answer(h, MM_KIND_WANT_ACCOUNT);
        }
    }
}

static void show_account(host *h, int64_t base_e8, int64_t quote_e8, int64_t span_ns)
{
    show_all(h, base_e8, quote_e8, NULL, span_ns);
}

#define ALL_QUOTE (INT64_C(100000) * MM_ONE_E8)

/* Own events do not come for `span_ns`; ends with the reconnect. */
static void lose_events(host *h, int64_t span_ns)
{
    host_link(h, MM_KIND_ORDER_LINK, MM_CHANNEL_USER, MM_LINK_DOWN);
    host_decide(h);
    host_exchange(h);
    h->now_ns += span_ns;
    host_tick(h);
    host_link(h, MM_KIND_ORDER_LINK, MM_CHANNEL_USER, MM_LINK_UP);
}

/* The operator buys, sells and pays in other coins on the same account: its user stream tells of all of them. */
static void what_the_account_does_with_other_coins_stops_nothing_and_hides_nothing(void)
{
    host *h = trading();
    int64_t until_ns = h->now_ns + 45 * SECOND;
    char coin[16];
    for (int64_t i = 0; h->now_ns < until_ns; i++) {
        mm_record put_in = host_event(MM_KIND_BALANCE_DELTA);
        snprintf(coin, sizeof coin, "COIN%d", (int)(i % 20));
        strcpy(put_in.body.balance.asset, coin);
        put_in.body.balance.free_e8 = INT64_MAX;
        host_feed(h, &put_in);
        host_balance(h, coin, i * MM_ONE_E8, i);
        h->now_ns += 100 * MS;
        host_tick(h);
        host_decide(h);
        host_exchange(h);
        MM_REQUIRE(host_status(h).state == MM_STATE_ACTIVE);
    }
    MM_CHECK_UINT(host_status(h).verdict, ==, 0);
    /* A coin that changes all the while is no news of the difference there is. */
    until_ns = h->now_ns + 60 * SECOND;
    for (int64_t i = 0; h->now_ns < until_ns && host_status(h).state != MM_STATE_HALTED; i++) {
        host_balance(h, "COIN0", i * MM_ONE_E8, 0);
        host_balance(h, "BTC", MM_ONE_E8 + 1, 0);
        h->now_ns += 100 * MS;
        host_tick(h);
        host_decide(h);
        host_exchange(h);
        if (host_general(h, MM_KIND_WANT_ACCOUNT, h->batch_first) != NULL) {
            host_answer(h, MM_KIND_WANT_ACCOUNT);
        }
        if (host_general(h, MM_KIND_WANT_TRADES, h->batch_first) != NULL) {
            host_answer(h, MM_KIND_WANT_TRADES);
        }
    }
    MM_CHECK(has(host_status(h).verdict, MM_REASON_LEDGER_MISMATCH));
    host_close(h);
}

static bool warned_of_difference(const host *h)
{
    bool told = false;
    for (size_t i = 0; i < h->action_count; i++) {
        told |= h->actions[i].kind == MM_KIND_STATE && has(h->actions[i].body.command.verdict, MM_REASON_LEDGER_MISMATCH);
    }
    return told;
}

static void what_was_put_in_while_no_events_came_is_adopted_once_trades_do_not_explain_it(void)
{
    host *h = trading();
    int64_t before_e8 = host_status(h).position_e8;
    uint64_t repairs = host_status(h).reconcile_repairs;
    lose_events(h, SECOND);
    show_account(h, MM_ONE_E8 + 7, ALL_QUOTE + 5, 30 * SECOND);
    MM_CHECK_INT(host_status(h).state, ==, MM_STATE_ACTIVE);
    MM_CHECK_UINT(host_status(h).verdict, ==, 0);
    MM_CHECK_UINT(host_status(h).reconcile_repairs, >, repairs);
    MM_CHECK_INT(host_status(h).position_e8, ==, before_e8); /* nobody traded */
    MM_CHECK_INT(host_status(h).base_e8, ==, MM_ONE_E8 + 7);
    MM_CHECK_INT(host_status(h).quote_e8, ==, ALL_QUOTE + 5);
    MM_CHECK(warned_of_difference(h));
    /* That was it: what is there more once more, with all events there, is nobody's. */
    show_account(h, MM_ONE_E8 + 8, ALL_QUOTE + 5, 60 * SECOND);
    MM_CHECK_INT(host_status(h).state, ==, MM_STATE_HALTED);
    MM_CHECK(has(host_status(h).verdict, MM_REASON_LEDGER_MISMATCH));
    host_close(h);
}

static void what_a_read_4_s_after_a_reconnect_does_not_show_is_not_adopted(void)
{
    static const int64_t later_e8[] = {9, -9};
    for (size_t i = 0; i < MM_TEST_COUNT(later_e8); i++) {
        host *h = trading();
        lose_events(h, SECOND);
        show_account(h, MM_ONE_E8, ALL_QUOTE, 5 * SECOND);
        MM_CHECK_UINT(host_status(h).verdict, ==, 0);
        host_balance(h, "USDT", ALL_QUOTE + later_e8[i], 0);
        show_account(h, MM_ONE_E8, ALL_QUOTE + later_e8[i], 30 * SECOND);
        MM_CHECK_INT(host_status(h).state, ==, MM_STATE_HALTED);
        MM_CHECK(has(host_status(h).verdict, MM_REASON_LEDGER_MISMATCH));
        MM_CHECK_INT(host_status(h).quote_e8, ==, ALL_QUOTE);
        host_close(h);
    }
}

/* The first answers are of before the loss; then they show it in part. */
static void what_a_lagging_read_shows_late_after_a_reconnect_is_adopted_all_the_same(void)
{
    host *h = trading();
    lose_events(h, SECOND);
    show_account(h, MM_ONE_E8, ALL_QUOTE, 2 * SECOND);
    MM_CHECK_UINT(host_status(h).verdict, ==, 0); /* they agree with the ledger: quotes go on */
    show_account(h, MM_ONE_E8, ALL_QUOTE + 5, 19 * SECOND / 10);
    show_account(h, MM_ONE_E8 + 7, ALL_QUOTE + 5, 30 * SECOND);
    MM_CHECK_INT(host_status(h).state, ==, MM_STATE_ACTIVE);
    MM_CHECK_INT(host_status(h).base_e8, ==, MM_ONE_E8 + 7);
    MM_CHECK_INT(host_status(h).quote_e8, ==, ALL_QUOTE + 5);
    MM_CHECK(warned_of_difference(h));
    host_close(h);
}

static void a_shortage_that_a_lagging_read_shows_late_halts(void)
{
    host *h = trading();
    lose_events(h, SECOND);
    show_account(h, MM_ONE_E8, ALL_QUOTE, 3 * SECOND);
    show_account(h, MM_ONE_E8 + 7, ALL_QUOTE - 1, 30 * SECOND);
    MM_CHECK_INT(host_status(h).state, ==, MM_STATE_HALTED);
    MM_CHECK(has(host_status(h).verdict, MM_REASON_LEDGER_MISMATCH));
    MM_CHECK_INT(host_status(h).quote_e8, ==, ALL_QUOTE);
    host_close(h);
}

/* Events are lost again before the difference has been judged, which by then has lasted long enough. */
static void a_second_loss_begins_the_judgement_of_what_was_lost_anew(void)
{
    static const int64_t more_e8[] = {5, -5};
    for (size_t i = 0; i < MM_TEST_COUNT(more_e8); i++) {
        host *h = trading();
        lose_events(h, SECOND);
        show_account(h, MM_ONE_E8, ALL_QUOTE + more_e8[i], 8 * SECOND);
        lose_events(h, 4 * SECOND);
        show_account(h, MM_ONE_E8, ALL_QUOTE + more_e8[i], 3 * SECOND);
        MM_CHECK_INT(host_status(h).state, ==, MM_STATE_ACTIVE);
        MM_CHECK(has(host_status(h).verdict, MM_REASON_NO_ACCOUNT));
        show_account(h, MM_ONE_E8, ALL_QUOTE + more_e8[i], 12 * SECOND);
        bool adopted = more_e8[i] > 0;
        MM_CHECK_INT(host_status(h).state, ==, adopted ? MM_STATE_ACTIVE : MM_STATE_HALTED);
        MM_CHECK_INT(host_status(h).quote_e8, ==, adopted ? ALL_QUOTE + more_e8[i] : ALL_QUOTE);
        MM_CHECK(has(host_status(h).verdict, MM_REASON_LEDGER_MISMATCH) != adopted);
        host_close(h);
    }
}

/* One read at once, one more when it cannot lag any more, and then none before its time. */
static void the_account_is_read_twice_after_a_reconnect_that_lost_nothing(void)
{
    host *h = trading();
    lose_events(h, SECOND);
    int64_t up_ns = h->now_ns;
    size_t asked = 0;
    int64_t last_ns = 0;
    while (h->now_ns < up_ns + 25 * SECOND) {
        host_decide(h);
        if (host_general(h, MM_KIND_WANT_ACCOUNT, h->batch_first) != NULL) {
            asked++;
            last_ns = h->now_ns;
        }
        host_exchange(h);
        if (last_ns == h->now_ns) {
            host_balance(h, "BTC", MM_ONE_E8, 0);
            host_answer(h, MM_KIND_WANT_ACCOUNT);
        }
        h->now_ns += 100 * MS;
        host_tick(h);
    }
    MM_CHECK_UINT(asked, ==, 2);
    MM_CHECK_INT(last_ns - up_ns, >=, 4 * SECOND);
    MM_CHECK_INT(last_ns - up_ns, <=, 5 * SECOND);
    host_close(h);
}

static void a_difference_that_grows_after_the_read_that_counts_is_not_adopted(void)
{
    host *h = trading();
    lose_events(h, SECOND);
    show_account(h, MM_ONE_E8, ALL_QUOTE + 5, 6 * SECOND);
    show_account(h, MM_ONE_E8, ALL_QUOTE + 6, 30 * SECOND);
    MM_CHECK_INT(host_status(h).state, ==, MM_STATE_HALTED);
    MM_CHECK(has(host_status(h).verdict, MM_REASON_LEDGER_MISMATCH));
    MM_CHECK_INT(host_status(h).quote_e8, ==, ALL_QUOTE);
    host_close(h);
}

/* Events of both were lost, and the account's answer came before that of the trades. */
static void what_was_put_in_beside_a_lost_fill_is_adopted_and_the_fill_is_none_of_it(void)
{
    host *h = trading();
    mm_order filled;
    int64_t paid_e8 = 0;
    MM_REQUIRE(mm_engine_orders(h->engine, &filled, 1) == 1 && filled.side == MM_BID);
    MM_REQUIRE(mm_fixed_mul(filled.qty_e8, filled.price_e8, MM_ROUND_FLOOR, &paid_e8) == MM_OK);
    int64_t base_e8 = MM_ONE_E8 + filled.qty_e8 + 7, quote_e8 = ALL_QUOTE - paid_e8;
    lose_events(h, SECOND);
    host_decide(h);
    host_balance(h, "BTC", base_e8, 0);
    host_balance(h, "USDT", quote_e8, 0);
    host_answer(h, MM_KIND_WANT_ACCOUNT);
    trade_row(h, &filled, 41, SECOND, MM_KIND_TRADE_ROW);
    host_answer(h, MM_KIND_WANT_TRADES);
    show_all(h, base_e8, quote_e8, &filled, 30 * SECOND);
    MM_CHECK_INT(host_status(h).state, ==, MM_STATE_ACTIVE);
    MM_CHECK_INT(host_status(h).position_e8, ==, filled.qty_e8);
    MM_CHECK_INT(host_status(h).base_e8, ==, base_e8);
    MM_CHECK_INT(host_status(h).quote_e8, ==, quote_e8);
    MM_CHECK(warned_of_difference(h));
    host_close(h);
}

/* It may be a loss, and what is taken for a withdrawal is none to any limit. */
static void a_shortage_after_a_reconnect_halts(void)
{
    static const int64_t more_e8[][2] = {{-1, 0}, {0, -1}, {-1, -1}, {-1, 1000}, {1000, -1}};
    for (size_t i = 0; i < MM_TEST_COUNT(more_e8); i++) {
        host *h = trading();
        lose_events(h, SECOND);
        show_account(h, MM_ONE_E8 + more_e8[i][0], ALL_QUOTE + more_e8[i][1], 30 * SECOND);
        MM_CHECK_INT(host_status(h).state, ==, MM_STATE_HALTED);
        MM_CHECK(has(host_status(h).verdict, MM_REASON_LEDGER_MISMATCH));
        MM_CHECK_INT(host_status(h).base_e8, ==, MM_ONE_E8);
        MM_CHECK_INT(host_status(h).quote_e8, ==, ALL_QUOTE);
        host_close(h);
    }
}

static void what_was_put_in_and_cannot_be_counted_halts(void)
{
    host *h = trading();
    lose_events(h, SECOND);
    show_account(h, MM_ONE_E8, INT64_MAX, 30 * SECOND); /* base and quote together are more than fits */
    MM_CHECK_INT(host_status(h).state, ==, MM_STATE_HALTED);
    MM_CHECK(has(host_status(h).verdict, MM_REASON_LEDGER_MISMATCH));
    MM_CHECK_INT(host_status(h).quote_e8, ==, ALL_QUOTE);
    host_close(h);
}

/* Balances at a time of the exchange's clock. */
static void balance_at(host *h, int64_t free_e8, int64_t time_us)
{
    mm_record balance = host_event(MM_KIND_BALANCE);
    memcpy(balance.body.balance.asset, "BTC", 4);
    balance.body.balance.free_e8 = free_e8;
    balance.body.balance.time_us = time_us;
    host_feed(h, &balance);
}

static void a_clock_of_the_exchange_that_stepped_back_does_not_make_the_account_differ_for_good(void)
{
    host *h = trading();
    balance_at(h, MM_ONE_E8 + 1, 20000000); /* one atom too many, from before the step */
    int64_t wrong_ns = h->now_ns;
    while (h->now_ns < wrong_ns + 30 * SECOND) {
        live_a_moment(h);
        if (host_general(h, MM_KIND_WANT_TRADES, h->batch_first) != NULL) {
            host_answer(h, MM_KIND_WANT_TRADES);
        }
        if (host_general(h, MM_KIND_WANT_ACCOUNT, h->batch_first) != NULL) {
            balance_at(h, MM_ONE_E8, 14000000); /* right, and stamped after it */
            host_answer(h, MM_KIND_WANT_ACCOUNT);
        }
    }
    MM_CHECK_INT(host_status(h).state, ==, MM_STATE_ACTIVE);
    MM_CHECK_UINT(host_status(h).verdict, ==, 0);
    host_close(h);
}

/* A resting order fills while it is not yet known that the account was reset: balances and trades of the new account hold it, and the
 * trades may be read first. */
static void what_an_accepted_reset_starts_from_holds_the_trades_read_before_it(void)
{
    host *h = trading();
    mm_order filled;
    MM_REQUIRE(mm_engine_orders(h->engine, &filled, 1) == 1);
    host_command(h, MM_COMMAND_ACCEPT_RESET, 0);
    host_decide(h);
    const mm_record *asked = host_general(h, MM_KIND_WANT_ACCOUNT, h->batch_first);
    MM_REQUIRE(asked != NULL);
    MM_CHECK_INT(asked->body.command.value2, ==, 1);
    trade_row(h, &filled, 41, SECOND, MM_KIND_TRADE_ROW);
    host_balance(h, "BTC", MM_ONE_E8 + filled.qty_e8, 0);
    host_balance(h, "USDT", ALL_QUOTE, 0);
    host_answer(h, MM_KIND_WANT_ACCOUNT);
    MM_CHECK_INT(host_status(h).position_e8, ==, 0);
    show_account(h, MM_ONE_E8 + filled.qty_e8, ALL_QUOTE, 30 * SECOND);
    MM_CHECK_INT(host_status(h).state, ==, MM_STATE_ACTIVE);
    MM_CHECK_INT(host_status(h).base_e8, ==, MM_ONE_E8 + filled.qty_e8);
    MM_CHECK(until_asked(h, MM_KIND_WANT_ACCOUNT, 31 * SECOND));
    MM_CHECK_INT(host_general(h, MM_KIND_WANT_ACCOUNT, 0)->body.command.value2, ==, 0);
    host_close(h);
}

/* ---- fees in a third asset, and rules that change ------------------------------------------ */

static void price(host *h, const char *asset, int64_t price_e8)
{
    mm_record record = host_event(MM_KIND_PRICE);
    strcpy(record.body.balance.asset, asset);
    record.body.balance.free_e8 = price_e8;
    host_feed(h, &record);
}

/* A resting order fills whole and pays `fee_e8` in BNB. */
static void fill_for_bnb(host *h, int64_t trade_id, int64_t fee_e8)
{
    mm_order filled;
    MM_REQUIRE(mm_engine_orders(h->engine, &filled, 1) == 1 && filled.state == MM_ORDER_LIVE);
    mm_record report[2];
    memset(report, 0, sizeof report);
    report[0].kind = MM_KIND_REPORT;
    report[0].flags = MM_FLAG_FILL | MM_FLAG_MAKER;
    report[0].count = 2;
    report[0].body.report.order_seq = filled.seq;
    report[0].body.report.side = (int16_t)filled.side;
    report[0].body.report.price_e8 = filled.price_e8;
    report[0].body.report.qty_e8 = filled.qty_e8;
    report[0].body.report.executed_e8 = filled.qty_e8;
    report[0].body.report.status = MM_ORDER_FILLED;
    report[1].kind = MM_KIND_MORE;
    report[1].body.fill.trade_id = trade_id;
    report[1].body.fill.quote_e8 = -1;
    report[1].body.fill.fee_e8 = fee_e8;
    strcpy(report[1].body.fill.fee_asset, "BNB");
    host_feed(h, report);
}

static size_t prices_asked(const host *h, size_t from)
{
    size_t count = 0;
    for (size_t i = from; i < h->action_count; i++) {
        bool asks = h->actions[i].kind == MM_KIND_WANT_PRICE;
        MM_CHECK(!asks || strcmp(h->actions[i].body.balance.asset, "BNB") == 0);
        count += asks;
    }
    return count;
}

static void the_price_of_the_discount_asset_is_asked_for_every_minute_from_the_start(void)
{
    mm_engine_config config = trading_config();
    strcpy(config.fee_asset, "BNB");
    host *h = host_open(&config);
    host_start(h);
    host_sync(h);
    MM_CHECK_UINT(prices_asked(h, 0), ==, 1);
    size_t from = h->action_count;
    (void)until_asked(h, MM_KIND_WANT_PRICE, 181 * SECOND);
    MM_CHECK_UINT(prices_asked(h, from), ==, 3);
    host_close(h);
    h = trading();
    (void)until_asked(h, MM_KIND_WANT_PRICE, 181 * SECOND);
    MM_CHECK_UINT(prices_asked(h, 0), ==, 0); /* nobody pays in it */
    host_close(h);
}

static void a_fee_in_a_third_asset_counts_at_its_price_or_apart_and_never_wrongly(void)
{
    host *h = trading();
    mm_balance balances[MM_ASSETS_MAX];
    fill_for_bnb(h, 1, 1000000); /* 0.01, and nobody knows what it is worth */
    host_decide(h);
    MM_CHECK_UINT(host_status(h).unpriced_fees, ==, 1);
    MM_CHECK_INT(host_status(h).pnl.fees_e8, ==, 0);
    size_t from = h->action_count;
    (void)until_asked(h, MM_KIND_WANT_PRICE, 6 * SECOND);
    MM_CHECK_UINT(prices_asked(h, from > 0 ? from - 1 : 0), ==, 1);
    price(h, "BNB", INT64_C(600) * MM_ONE_E8);
    fill_for_bnb(h, 2, 2000000);
    MM_CHECK_UINT(host_status(h).unpriced_fees, ==, 1);
    MM_CHECK_INT(host_status(h).pnl.fees_e8, ==, INT64_C(12) * MM_ONE_E8);
    price(h, "BNB", INT64_C(700) * MM_ONE_E8); /* later prices do not change what was paid */
    MM_CHECK_INT(host_status(h).pnl.fees_e8, ==, INT64_C(12) * MM_ONE_E8);
    size_t count = mm_engine_balances(h->engine, balances, MM_ASSETS_MAX);
    MM_REQUIRE(count == 3);
    MM_CHECK_TEXT(balances[2].asset, "BNB");
    MM_CHECK_INT(balances[2].fees_e8, ==, 3000000);
    MM_CHECK_INT(balances[2].ledger_e8, ==, -3000000);
    host_close(h);
}

/* What the wallet is worth by reports of the account alone, against what the engine says it earned. */
static void profit_is_the_change_of_the_wallet_with_fees_in_bnb_at_their_price_of_the_moment(void)
{
    host *h = trading();
    mm_balance balances[MM_ASSETS_MAX];
    int64_t start_mid_e8 = host_status(h).mid_e8;
    int64_t bnb_worth_e8 = 0, base_e8 = MM_ONE_E8, quote_e8 = INT64_C(100000) * MM_ONE_E8, bnb_e8 = INT64_C(50) * MM_ONE_E8;
    int64_t start_e8 = 0, end_e8 = 0;
    (void)mm_fixed_mul(base_e8, start_mid_e8, MM_ROUND_FLOOR, &start_e8);
    start_e8 += quote_e8;
    host_balance(h, "BNB", bnb_e8, 0);
    for (int64_t id = 1; id <= 12; id++) {
        mm_order next;
        int64_t worth_e8 = 0, value_e8 = 0;
        int64_t fee_e8 = mm_test_between(1, 100000), price_e8 = mm_test_between(500, 700) * INT64_C(100000000) + 12345;
        host_exchange(h);
        host_decide(h);
        MM_REQUIRE(mm_engine_orders(h->engine, &next, 1) == 1);
        price(h, "BNB", price_e8);
        fill_for_bnb(h, id, fee_e8);
        (void)mm_fixed_mul(fee_e8, price_e8, MM_ROUND_FLOOR, &worth_e8);
        (void)mm_fixed_mul(next.qty_e8, next.price_e8, MM_ROUND_FLOOR, &value_e8);
        bnb_worth_e8 += worth_e8;
        bnb_e8 -= fee_e8;
        base_e8 += next.side == MM_BID ? next.qty_e8 : -next.qty_e8;
        quote_e8 += next.side == MM_BID ? -value_e8 : value_e8;
        host_balance(h, "BTC", base_e8, 0);
        host_balance(h, "USDT", quote_e8, 0);
        host_balance(h, "BNB", bnb_e8, 0);
        h->now_ns += 300 * MS;
        host_tick(h);
        host_decide(h);
    }
    mm_engine_status status = host_status(h);
    MM_CHECK_UINT(status.fills, ==, 12);
    MM_REQUIRE(mm_engine_balances(h->engine, balances, MM_ASSETS_MAX) == 3);
    for (int i = 0; i < 3; i++) {
        MM_CHECK_INT(balances[i].free_e8, ==, balances[i].ledger_e8);
    }
    (void)mm_fixed_mul(base_e8, status.mid_e8, MM_ROUND_FLOOR, &end_e8);
    end_e8 += quote_e8 - bnb_worth_e8;
    MM_CHECK_INT(status.pnl.total_e8, ==, end_e8 - start_e8);
    MM_CHECK_INT(status.pnl.total_e8, ==, status.pnl.realized_e8 + status.pnl.unrealized_e8 - status.pnl.fees_e8);
    host_close(h);
}

static void change_rules(host *h, const mm_symbol *symbol)
{
    mm_record records[MM_SYMBOL_RECORDS];
    mm_symbol_write(symbol, records);
    host_feed(h, records);
}

static void another_tick_rebuilds_the_book_and_replaces_what_rests_off_it(void)
{
    host *h = trading();
    mm_symbol symbol = h->config.symbol;
    mm_order orders[8];
    symbol.tick_e8 = 7 * TICK;
    symbol.price_min_e8 = 7 * TICK;
    change_rules(h, &symbol);
    host_decide(h);
    MM_CHECK_INT(host_status(h).state, ==, MM_STATE_SYNCING);
    MM_CHECK_UINT(host_count(h, MM_KIND_CANCEL), ==, 2);
    host_exchange(h);
    host_tick(h);
    host_decide(h);
    MM_REQUIRE(host_find(h, MM_KIND_WANT_SNAPSHOT) != NULL);
    host_depth(h, MM_KIND_SNAPSHOT, h->last_id, h->last_id, 40, 0);
    for (int i = 0; i < 5; i++) {
        h->now_ns += 300 * MS;
        host_tick(h);
        host_decide(h);
        host_exchange(h);
    }
    MM_CHECK_INT(host_status(h).state, ==, MM_STATE_ACTIVE);
    size_t count = mm_engine_orders(h->engine, orders, 8);
    MM_CHECK_UINT(count, ==, 2);
    for (size_t i = 0; i < count; i++) {
        MM_CHECK_INT(orders[i].price_e8 % (7 * TICK), ==, 0);
    }
    host_close(h);
}

static void another_step_replaces_what_rests_off_it_without_a_new_book(void)
{
    host *h = trading();
    mm_symbol symbol = h->config.symbol;
    mm_order orders[8];
    symbol.step_e8 = 30000;
    symbol.qty_min_e8 = 30000;
    change_rules(h, &symbol);
    for (int i = 0; i < 5; i++) {
        h->now_ns += 300 * MS;
        host_tick(h);
        host_decide(h);
        host_exchange(h);
        MM_CHECK_INT(host_status(h).state, ==, MM_STATE_ACTIVE);
    }
    size_t count = mm_engine_orders(h->engine, orders, 8);
    MM_CHECK_UINT(count, ==, 2);
    for (size_t i = 0; i < count; i++) {
        MM_CHECK_INT(orders[i].qty_e8 % 30000, ==, 0);
    }
    host_close(h);
}

/* What happens to the orders before the step changes, and what follows. */
enum { NOT_ANSWERED, IN_DOUBT, ON_ITS_WAY_OUT, WITHOUT_ROOM };

static size_t cancels_after_a_step_of(int64_t step_e8, int before, bool until_live)
{
    mm_engine_config config = trading_config();
    host *h = host_quoting(&config);
    mm_symbol symbol = config.symbol;
    uint64_t bid = 1;
    symbol.step_e8 = symbol.qty_min_e8 = step_e8;
    if (before != NOT_ANSWERED) {
        host_exchange(h);
    }
    if (before == IN_DOUBT) {
        host_outcome(h, MM_KIND_LOST, bid, MM_OP_PLACE, 0, 0);
    }
    host_command(h, MM_COMMAND_PAUSE, 0); /* nothing but what the new rules ask for is to be seen below */
    if (before == ON_ITS_WAY_OUT) {
        host_decide(h);
        MM_CHECK_UINT(host_count(h, MM_KIND_CANCEL), ==, 2);
    }
    change_rules(h, &symbol);
    host_decide_in(h, 512, before == WITHOUT_ROOM ? 0 : 512);
    size_t cancels = host_count(h, MM_KIND_CANCEL);
    if (until_live) {
        host_said(h, MM_KIND_ACK, bid, 7001, MM_ORDER_LIVE, 0);
        host_said(h, MM_KIND_ACK, bid + 1, 7002, MM_ORDER_LIVE, 0);
        host_decide(h);
        cancels = host_count(h, MM_KIND_CANCEL);
    }
    host_close(h);
    return cancels;
}

static void what_rests_off_a_new_step_is_cancelled_once_and_as_soon_as_that_can_be_asked(void)
{
    MM_CHECK_UINT(cancels_after_a_step_of(30000, NOT_ANSWERED, false), ==, 0);
    MM_CHECK_UINT(cancels_after_a_step_of(30000, NOT_ANSWERED, true), ==, 2);
    MM_CHECK_UINT(cancels_after_a_step_of(30000, IN_DOUBT, false), ==, 1); /* the doubtful one has its own rounds */
    MM_CHECK_UINT(cancels_after_a_step_of(30000, ON_ITS_WAY_OUT, false), ==, 0);
    MM_CHECK_UINT(cancels_after_a_step_of(30000, WITHOUT_ROOM, false), ==, 0);
    MM_CHECK_UINT(cancels_after_a_step_of(30000, WITHOUT_ROOM, true), ==, 2);
}

static void a_larger_least_notional_stops_what_is_too_small_and_says_so(void)
{
    host *h = trading();
    mm_symbol symbol = h->config.symbol;
    symbol.notional_min_e8 = INT64_C(1000000) * MM_ONE_E8;
    change_rules(h, &symbol);
    host_command(h, MM_COMMAND_PAUSE, 0);
    host_decide(h);
    host_exchange(h);
    host_command(h, MM_COMMAND_RESUME, 0);
    h->now_ns += 300 * MS;
    host_tick(h);
    host_decide(h);
    MM_CHECK(host_find(h, MM_KIND_PLACE) == NULL);
    MM_CHECK(has(host_status(h).bid_verdict, MM_REASON_MIN_NOTIONAL));
    host_close(h);
}

static void refusals_by_a_filter_ask_for_the_rules_once_in_five_seconds(void)
{
    host *h = trading();
    size_t asked = 0;
    for (int i = 0; i < 110; i++) { /* 11 s */
        h->now_ns += 100 * MS;
        host_tick(h);
        host_command(h, i % 4 < 2 ? MM_COMMAND_PAUSE : MM_COMMAND_RESUME, 0);
        host_decide(h);
        asked += host_find(h, MM_KIND_WANT_RULES) != NULL;
        const mm_record *placed = host_find(h, MM_KIND_PLACE);
        if (placed == NULL || asked > 8) {
            host_exchange(h);
            continue;
        }
        mm_record refused = host_event(MM_KIND_REJECT);
        refused.body.outcome.order_seq = placed->body.action.order_seq;
        refused.body.outcome.operation = MM_OP_PLACE;
        refused.body.outcome.code = -1013;
        refused.body.outcome.detail = MM_REJECT_FILTER;
        host_feed(h, &refused);
    }
    MM_CHECK_UINT(asked, >=, 1);
    MM_CHECK_UINT(asked, <=, 3);
    host_close(h);
}

static void rules_that_could_not_be_asked_for_are_when_there_is_room(void)
{
    host *h = trading();
    const mm_record *placed = quote_again(h);
    MM_REQUIRE(placed != NULL);
    host_outcome(h, MM_KIND_REJECT, placed->body.action.order_seq, MM_OP_PLACE, MM_REJECT_FILTER, -1013);
    host_decide_in(h, 0, 0);
    MM_CHECK_UINT(h->action_count, ==, h->batch_first);
    MM_CHECK_INT(mm_engine_deadline(h->engine), ==, h->now_ns + MS);
    host_decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_WANT_RULES), ==, 1);
    host_close(h);
}

static void a_symbol_that_trades_again_before_the_start_is_no_reason_to_doubt(void)
{
    mm_engine_config config = trading_config();
    host *h = host_open(&config);
    host_command(h, MM_COMMAND_SYMBOL, 0);
    host_start(h);
    MM_CHECK(host_says(h, MM_REASON_SYMBOL_HALT));
    host_close(h);
    h = host_open(&config);
    host_command(h, MM_COMMAND_SYMBOL, 0);
    host_command(h, MM_COMMAND_SYMBOL, 1);
    host_start(h);
    host_sync(h);
    MM_CHECK_UINT(host_status(h).verdict, ==, 0);
    MM_CHECK(host_general(h, MM_KIND_WANT_TRADES, 0) == NULL);
    MM_CHECK(host_general(h, MM_KIND_WANT_ACCOUNT, 0) == NULL);
    host_close(h);
}

static void after_a_halt_of_the_symbol_nothing_from_before_it_is_relied_on(void)
{
    host *h = trading();
    host_command(h, MM_COMMAND_SYMBOL, 0);
    host_decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_CANCEL), ==, 2); /* cancels only */
    MM_CHECK(host_find(h, MM_KIND_PLACE) == NULL);
    host_exchange(h);
    host_command(h, MM_COMMAND_SYMBOL, 1);
    host_decide(h);
    MM_CHECK(has(host_status(h).verdict, MM_REASON_SYNCING));
    MM_CHECK(has(host_status(h).verdict, MM_REASON_NO_ACCOUNT));
    host_answer(h, MM_KIND_WANT_TRADES);
    host_answer(h, MM_KIND_WANT_ACCOUNT);
    host_tick(h);
    host_decide(h);
    MM_REQUIRE(host_find(h, MM_KIND_WANT_SNAPSHOT) != NULL);
    host_depth(h, MM_KIND_SNAPSHOT, h->last_id, h->last_id, 40, 0);
    h->now_ns += 300 * MS;
    host_tick(h);
    host_decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_PLACE), ==, 2);
    host_command(h, MM_COMMAND_SYMBOL, 1); /* said again each minute: no reason to doubt */
    host_decide(h);
    MM_CHECK_INT(host_status(h).state, ==, MM_STATE_ACTIVE);
    host_close(h);
}

/* ---- an exchange that loses and lags ------------------------------------------------------- */

enum { SIM_ORDERS = 4096, SIM_TRADES = 2048 };

typedef struct sim_order {
    uint64_t seq;
    int64_t exchange_id, price_e8, qty_e8, executed_e8, opened_ns, closed_ns;
    int32_t side;
    int32_t state;
} sim_order;

typedef struct sim_trade {
    size_t order;
    int64_t id, qty_e8, quote_e8, at_ns;
} sim_trade;

typedef struct sim {
    host *h;
    sim_order orders[SIM_ORDERS];
    size_t order_count;
    sim_trade trades[SIM_TRADES];
    size_t trade_count;
    int64_t changed_ns;
    uint64_t loss_pct;   /* of replies and of account events, each on its own */
    int64_t lag_max_ns;
    uint64_t lost;
} sim;

static bool is_lost(sim *s)
{
    bool lost = mm_test_below(100) < s->loss_pct;
    s->lost += lost;
    return lost;
}

/* Holdings as they were at a moment, and when they had last changed. */
static void sim_balances(const sim *s, int64_t at_ns, int64_t total_e8[2], int64_t locked_e8[2], int64_t *changed_ns)
{
    total_e8[0] = MM_ONE_E8;
    total_e8[1] = INT64_C(100000) * MM_ONE_E8;
    locked_e8[0] = locked_e8[1] = 0;
    *changed_ns = 0;
    for (size_t i = 0; i < s->trade_count && s->trades[i].at_ns <= at_ns; i++) {
        int64_t sign = s->orders[s->trades[i].order].side == MM_BID ? 1 : -1;
        total_e8[0] += sign * s->trades[i].qty_e8;
        total_e8[1] -= sign * s->trades[i].quote_e8;
        *changed_ns = s->trades[i].at_ns;
    }
    for (size_t i = 0; i < s->order_count; i++) {
        const sim_order *o = &s->orders[i];
        int64_t moved_ns = o->closed_ns <= at_ns ? o->closed_ns : o->opened_ns <= at_ns ? o->opened_ns : 0;
        *changed_ns = moved_ns > *changed_ns ? moved_ns : *changed_ns;
        if (o->opened_ns <= at_ns && o->closed_ns > at_ns) {
            int64_t value_e8 = 0;
            (void)mm_fixed_mul(o->qty_e8, o->price_e8, MM_ROUND_CEIL, &value_e8);
            locked_e8[o->side == MM_BID] += o->side == MM_BID ? value_e8 : o->qty_e8;
        }
    }
}

static void sim_tell_balances(sim *s, int64_t at_ns)
{
    static const char *const names[2] = {"BTC", "USDT"};
    int64_t total_e8[2], locked_e8[2], changed_ns = 0;
    sim_balances(s, at_ns, total_e8, locked_e8, &changed_ns);
    for (int i = 0; i < 2; i++) {
        mm_record row = host_event(MM_KIND_BALANCE);
        strcpy(row.body.balance.asset, names[i]);
        row.body.balance.free_e8 = total_e8[i] - locked_e8[i];
        row.body.balance.locked_e8 = locked_e8[i];
        row.body.balance.time_us = changed_ns / 1000;
        host_feed(s->h, &row);
    }
}

static void sim_event(sim *s, const sim_order *o, uint16_t kind, int32_t state)
{
    mm_record event = host_event(kind);
    event.body.report.order_seq = o->seq;
    event.body.report.exchange_id = o->exchange_id;
    event.body.report.executed_e8 = o->executed_e8;
    event.body.report.side = (int16_t)o->side;
    event.body.report.status = (int16_t)state;
    event.flags = kind == MM_KIND_STATUS ? MM_FLAG_FOUND : 0;
    if (!is_lost(s)) {
        host_feed(s->h, &event);
    }
}

static void sim_changed(sim *s)
{
    s->changed_ns = s->h->now_ns;
    if (!is_lost(s)) {
        sim_tell_balances(s, s->h->now_ns);
    }
}

static void sim_place(sim *s, const mm_record *action)
{
    MM_REQUIRE(s->order_count < SIM_ORDERS);
    sim_order *o = &s->orders[s->order_count++];
    memset(o, 0, sizeof *o);
    o->seq = action->body.action.order_seq;
    o->exchange_id = 9000 + (int64_t)s->order_count;
    o->price_e8 = action->body.action.price_e8;
    o->qty_e8 = action->body.action.qty_e8;
    o->side = action->flags >> 8;
    o->opened_ns = s->h->now_ns;
    o->closed_ns = INT64_MAX;
    o->state = MM_ORDER_LIVE;
    sim_event(s, o, MM_KIND_REPORT, MM_ORDER_LIVE);
    sim_event(s, o, MM_KIND_ACK, MM_ORDER_LIVE);
    sim_changed(s);
}

static sim_order *sim_find(sim *s, const mm_record *action)
{
    for (size_t i = 0; i < s->order_count; i++) {
        sim_order *o = &s->orders[i];
        if (action->body.action.order_seq != 0 ? o->seq == action->body.action.order_seq
                                               : o->exchange_id == action->body.action.exchange_id) {
            return o;
        }
    }
    return NULL;
}

static void sim_cancel(sim *s, const mm_record *action)
{
    sim_order *o = sim_find(s, action);
    if (o == NULL || o->closed_ns != INT64_MAX) {
        mm_record refused = host_event(MM_KIND_CANCEL_REJECT);
        refused.body.outcome.order_seq = action->body.action.order_seq;
        refused.body.outcome.operation = MM_OP_CANCEL;
        refused.body.outcome.code = -2011;
        refused.body.outcome.detail = MM_REJECT_UNKNOWN_ORDER;
        if (!is_lost(s)) {
            host_feed(s->h, &refused);
        }
        return;
    }
    o->closed_ns = s->h->now_ns;
    o->state = MM_ORDER_CANCELED;
    sim_event(s, o, MM_KIND_CANCELED, MM_ORDER_CANCELED);
    sim_event(s, o, MM_KIND_REPORT, MM_ORDER_CANCELED);
    sim_changed(s);
}

static void sim_trade_row(sim *s, const sim_trade *t, uint16_t kind)
{
    const sim_order *o = &s->orders[t->order];
    mm_record row[2];
    memset(row, 0, sizeof row);
    row[0].kind = kind;
    row[0].count = 2;
    row[0].flags = MM_FLAG_FILL | MM_FLAG_MAKER;
    row[0].body.report.order_seq = o->seq;
    row[0].body.report.exchange_id = o->exchange_id;
    row[0].body.report.side = (int16_t)o->side;
    row[0].body.report.price_e8 = o->price_e8;
    row[0].body.report.qty_e8 = t->qty_e8;
    row[0].body.report.executed_e8 = kind == MM_KIND_REPORT ? o->executed_e8 : -1;
    row[0].body.report.status = (int16_t)(kind == MM_KIND_REPORT ? o->state : MM_ORDER_STATUS_OTHER);
    row[1].kind = MM_KIND_MORE;
    row[1].body.fill.trade_id = t->id;
    row[1].body.fill.quote_e8 = t->quote_e8;
    row[1].body.fill.time_us = (INT64_C(1700000000000000000) + t->at_ns) / 1000;
    host_feed(s->h, row);
}

/* Some order that rests trades, the whole of it or half. */
static void sim_fill(sim *s)
{
    size_t at = s->order_count;
    for (size_t i = 0; i < s->order_count; i++) {
        if (s->orders[i].closed_ns == INT64_MAX && mm_test_below(2) == 0) {
            at = i;
        }
    }
    if (at == s->order_count || s->trade_count == SIM_TRADES) {
        return;
    }
    sim_order *o = &s->orders[at];
    sim_trade *t = &s->trades[s->trade_count++];
    int64_t left_e8 = o->qty_e8 - o->executed_e8;
    t->order = at;
    t->id = 100 + (int64_t)s->trade_count;
    t->qty_e8 = mm_test_below(2) == 0 && left_e8 > 2000 ? left_e8 / 2 / 1000 * 1000 : left_e8;
    (void)mm_fixed_mul(t->qty_e8, o->price_e8, MM_ROUND_FLOOR, &t->quote_e8);
    t->at_ns = s->h->now_ns;
    o->executed_e8 += t->qty_e8;
    if (o->executed_e8 == o->qty_e8) {
        o->closed_ns = s->h->now_ns;
        o->state = MM_ORDER_FILLED;
    }
    if (!is_lost(s)) {
        sim_trade_row(s, t, MM_KIND_REPORT);
    }
    sim_changed(s);
}

/* A read shows some moment of the past. */
static void sim_read(sim *s, const mm_record *action)
{
    int64_t at_ns = s->h->now_ns - (int64_t)mm_test_below((uint64_t)s->lag_max_ns + 1);
    int64_t token = action->body.command.command;
    if (is_lost(s)) {
        return;
    }
    if (action->kind == MM_KIND_WANT_OPEN) {
        for (size_t i = 0; i < s->order_count; i++) {
            const sim_order *o = &s->orders[i];
            if (o->opened_ns <= at_ns && o->closed_ns > at_ns) {
                mm_record row = order_row(o->seq, o->exchange_id, 0);
                host_feed(s->h, &row);
            }
        }
        host_end(s->h, MM_KIND_OPEN_END, token);
    } else if (action->kind == MM_KIND_WANT_TRADES) {
        for (size_t i = 0; i < s->trade_count; i++) {
            if (s->trades[i].at_ns <= at_ns && s->trades[i].id >= action->body.command.value2) {
                sim_trade_row(s, &s->trades[i], MM_KIND_TRADE_ROW);
            }
        }
        host_end(s->h, MM_KIND_TRADES_END, token);
    } else {
        sim_tell_balances(s, at_ns);
        host_end(s->h, MM_KIND_ACCOUNT_END, token);
    }
}

static void sim_query(sim *s, const mm_record *action)
{
    sim_order *o = sim_find(s, action);
    int64_t at_ns = s->h->now_ns - (int64_t)mm_test_below((uint64_t)s->lag_max_ns + 1);
    if (o == NULL || o->opened_ns > at_ns) {
        mm_record none = host_event(MM_KIND_STATUS);
        none.body.report.order_seq = action->body.action.order_seq;
        none.body.report.code = -2013;
        none.body.report.executed_e8 = -1;
        host_feed(s->h, &none);
        return;
    }
    sim_order then = *o;
    then.executed_e8 = 0;
    for (size_t i = 0; i < s->trade_count && s->trades[i].at_ns <= at_ns; i++) {
        then.executed_e8 += &s->orders[s->trades[i].order] == o ? s->trades[i].qty_e8 : 0;
    }
    sim_event(s, &then, MM_KIND_STATUS, o->closed_ns <= at_ns ? o->state : MM_ORDER_LIVE);
}

static void sim_answer(sim *s)
{
    size_t last = s->h->action_count;
    for (size_t i = s->h->batch_first; i < last; i++) {
        const mm_record action = s->h->actions[i];
        if (action.kind == MM_KIND_PLACE || action.kind == MM_KIND_CANCEL) {
            mm_record sent = host_event(MM_KIND_SENT);
            sent.body.outcome.order_seq = action.body.action.order_seq;
            sent.body.outcome.recv_ns = s->h->now_ns;
            sent.body.outcome.operation = action.kind == MM_KIND_PLACE ? MM_OP_PLACE : MM_OP_CANCEL;
            host_feed(s->h, &sent);
        }
        if (action.kind == MM_KIND_PLACE) {
            sim_place(s, &action);
        } else if (action.kind == MM_KIND_CANCEL) {
            sim_cancel(s, &action);
        } else if (action.kind == MM_KIND_QUERY) {
            sim_query(s, &action);
        } else if (action.kind >= MM_KIND_WANT_TRADES && action.kind <= MM_KIND_WANT_ACCOUNT) {
            sim_read(s, &action);
        }
    }
    s->h->action_count = s->h->batch_first = 0; /* hours of actions are not kept */
}

static void sim_run(sim *s, int64_t span_ns, bool fills)
{
    int64_t until_ns = s->h->now_ns + span_ns;
    while (s->h->now_ns < until_ns) {
        s->h->now_ns += 100 * MS;
        if (mm_test_below(20) == 0 && fills) {
            sim_fill(s);
        }
        host_tick(s->h);
        host_decide(s->h);
        sim_answer(s);
    }
}

/* What engine and exchange hold is the same: every order, every atom. */
static void check_same(sim *s)
{
    mm_order orders[32];
    mm_balance balances[MM_ASSETS_MAX];
    int64_t total_e8[2], locked_e8[2], changed_ns = 0;
    size_t open = 0;
    size_t count = mm_engine_orders(s->h->engine, orders, 32);
    for (size_t i = 0; i < s->order_count; i++) {
        open += s->orders[i].closed_ns == INT64_MAX;
    }
    MM_CHECK_UINT(count, ==, open);
    for (size_t i = 0; i < count; i++) {
        bool found = false;
        for (size_t k = 0; k < s->order_count; k++) {
            const sim_order *o = &s->orders[k];
            found |= o->seq == orders[i].seq && o->closed_ns == INT64_MAX && o->executed_e8 == orders[i].executed_e8;
        }
        MM_CHECK(found);
    }
    sim_balances(s, s->h->now_ns, total_e8, locked_e8, &changed_ns);
    MM_REQUIRE(mm_engine_balances(s->h->engine, balances, MM_ASSETS_MAX) >= 2);
    for (int i = 0; i < 2; i++) {
        MM_CHECK_INT(balances[i].ledger_e8, ==, total_e8[i]);
        MM_CHECK_INT(balances[i].free_e8 + balances[i].locked_e8, ==, total_e8[i]);
    }
    MM_CHECK_UINT(host_status(s->h).fills, ==, s->trade_count);
}

static void whatever_is_lost_or_late_engine_and_exchange_agree_again(void)
{
    static sim s;
    uint64_t lost = 0, repairs = 0, trades = 0;
    for (int round = 0; round < 40; round++) {
        mm_engine_config config = trading_config();
        config.quote.layers = 2;
        config.quote.max_position_e8 = 4 * MM_ONE_E8;
        config.risk.position_notional_max_e8 = INT64_C(400000) * MM_ONE_E8;
        config.risk.unknown_max = 4;
        config.risk.loss_session_max_e8 = config.risk.loss_day_max_e8 = INT64_C(1000000) * MM_ONE_E8;
        config.risk.loss_speed_max_e8 = INT64_C(1000000) * MM_ONE_E8;
        config.risk.drawdown_halt_pct = config.risk.drawdown_kill_pct = 100;
        config.risk.rejects_per_min_max = 1000;
        memset(&s, 0, sizeof s);
        s.h = host_open(&config);
        s.loss_pct = mm_test_below(30);
        s.lag_max_ns = mm_test_between(0, 6 * SECOND);
        host_start(s.h);
        host_sync(s.h);
        sim_answer(&s);
        sim_run(&s, 120 * SECOND, true);
        s.loss_pct = 0;
        sim_run(&s, 90 * SECOND, false); /* a quiet while: every read comes round */
        mm_engine_status status = host_status(s.h);
        MM_CHECK_INT(status.state, ==, MM_STATE_ACTIVE);
        MM_CHECK_INT(status.unknown_orders, ==, 0);
        check_same(&s);
        lost += s.lost;
        repairs += status.reconcile_repairs;
        trades += s.trade_count;
        host_close(s.h);
        if (mm_test_state.failures > 0) {
            printf("    round %d: %d %% lost, lag %d ms, state %d, verdict %llx\n", round, (int)s.loss_pct,
                   (int)(s.lag_max_ns / MS), status.state, (unsigned long long)status.verdict);
            return;
        }
    }
    MM_CHECK_UINT(lost, >, 1000);
    MM_CHECK_UINT(repairs, >, 100);
    MM_CHECK_UINT(trades, >, 1000);
}

int main(int argc, char **argv)
{
    static const mm_test tests[] = {
        MM_TEST(the_three_reads_repeat_each_with_its_own_period),
        MM_TEST(nothing_is_repeated_before_the_start_is_confirmed),
        MM_TEST(an_order_that_two_reads_do_not_show_is_in_doubt_and_not_dropped),
        MM_TEST(a_read_that_shows_more_rows_than_can_be_kept_misses_no_order),
        MM_TEST(of_more_orders_of_earlier_runs_than_can_be_kept_the_next_read_shows_the_rest),
        MM_TEST(the_same_answer_twice_is_one_empty_read),
        MM_TEST(a_stop_waits_until_no_read_shows_an_order_any_more_not_even_one_that_has_ended),
        MM_TEST(an_order_that_the_second_read_shows_again_was_never_gone),
        MM_TEST(an_order_placed_while_the_read_was_under_way_is_not_missed),
        MM_TEST(an_own_order_nobody_knows_is_cancelled_at_once_and_a_foreign_one_is_not),
        MM_TEST(an_order_or_a_cancel_of_a_later_run_ends_this_one),
        MM_TEST(an_order_that_ended_moments_ago_may_still_be_shown_but_not_for_long),
        MM_TEST(a_fill_nobody_told_is_found_by_the_trades_and_applied_once),
        MM_TEST(a_trade_that_a_read_shows_before_its_report_may_have_been_late_is_no_repair),
        MM_TEST(a_read_without_an_answer_is_asked_for_again_ever_more_slowly),
        MM_TEST(an_answer_to_a_question_from_before_a_reconnect_proves_nothing),
        MM_TEST(a_refusal_nobody_expected_brings_the_reads_but_not_in_a_storm),
        MM_TEST(a_difference_pulls_the_quotes_when_confirmed_and_halts_when_no_lag_explains_it),
        MM_TEST(what_was_put_in_while_no_events_came_is_adopted_once_trades_do_not_explain_it),
        MM_TEST(what_a_read_4_s_after_a_reconnect_does_not_show_is_not_adopted),
        MM_TEST(what_a_lagging_read_shows_late_after_a_reconnect_is_adopted_all_the_same),
        MM_TEST(a_shortage_that_a_lagging_read_shows_late_halts),
        MM_TEST(a_second_loss_begins_the_judgement_of_what_was_lost_anew),
        MM_TEST(the_account_is_read_twice_after_a_reconnect_that_lost_nothing),
        MM_TEST(a_difference_that_grows_after_the_read_that_counts_is_not_adopted),
        MM_TEST(what_the_account_does_with_other_coins_stops_nothing_and_hides_nothing),
        MM_TEST(what_was_put_in_beside_a_lost_fill_is_adopted_and_the_fill_is_none_of_it),
        MM_TEST(a_shortage_after_a_reconnect_halts),
        MM_TEST(what_was_put_in_and_cannot_be_counted_halts),
        MM_TEST(what_an_accepted_reset_starts_from_holds_the_trades_read_before_it),
        MM_TEST(a_clock_of_the_exchange_that_stepped_back_does_not_make_the_account_differ_for_good),
        MM_TEST(the_price_of_the_discount_asset_is_asked_for_every_minute_from_the_start),
        MM_TEST(a_fee_in_a_third_asset_counts_at_its_price_or_apart_and_never_wrongly),
        MM_TEST(profit_is_the_change_of_the_wallet_with_fees_in_bnb_at_their_price_of_the_moment),
        MM_TEST(another_tick_rebuilds_the_book_and_replaces_what_rests_off_it),
        MM_TEST(another_step_replaces_what_rests_off_it_without_a_new_book),
        MM_TEST(what_rests_off_a_new_step_is_cancelled_once_and_as_soon_as_that_can_be_asked),
        MM_TEST(a_larger_least_notional_stops_what_is_too_small_and_says_so),
        MM_TEST(refusals_by_a_filter_ask_for_the_rules_once_in_five_seconds),
        MM_TEST(rules_that_could_not_be_asked_for_are_when_there_is_room),
        MM_TEST(a_symbol_that_trades_again_before_the_start_is_no_reason_to_doubt),
        MM_TEST(after_a_halt_of_the_symbol_nothing_from_before_it_is_relied_on),
        MM_TEST(whatever_is_lost_or_late_engine_and_exchange_agree_again),
    };
    return mm_test_main(argc, argv, tests, MM_TEST_COUNT(tests));
}
