/* The engine: one thread, virtual time, the exchange played by the test. */
#include "mm_engine_host.h"

static host *quoting(void)
{
    mm_engine_config config = host_config();
    host *h = host_open(&config);
    host_start(h);
    host_sync(h);
    return h;
}

static bool has(uint64_t verdict, int32_t reason)
{
    return (verdict >> reason & 1) != 0;
}

static void it_quotes_both_sides_once_started_and_synced(void)
{
    host *h = quoting();
    MM_CHECK_UINT(host_count(h, MM_KIND_PLACE), ==, 2);
    mm_engine_status status = host_status(h);
    MM_CHECK_INT(status.state, ==, MM_STATE_ACTIVE);
    const mm_record *bid = host_find(h, MM_KIND_PLACE);
    MM_REQUIRE(bid != NULL);
    MM_CHECK_INT(bid->flags >> 8, ==, MM_BID);
    MM_CHECK_INT(bid->body.action.price_e8 % TICK, ==, 0);
    /* 20 bps wide around the mid: the bid is 10 below. */
    MM_CHECK_INT(bid->body.action.price_e8, <=, MID - MID / 1000);
    MM_CHECK_INT(bid->body.action.price_e8, >, MID - MID / 1000 - 2 * TICK);
    host_exchange(h);
    host_decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_PLACE) + host_count(h, MM_KIND_CANCEL), ==, 0);
    MM_CHECK_INT(host_status(h).orders_acked, ==, 2);
    host_close(h);
}

static void nothing_is_wanted_before_two_empty_reads_of_open_orders_a_second_apart(void)
{
    mm_engine_config config = host_config();
    host *h = host_open(&config);
    host_link(h, MM_KIND_ORDER_LINK, MM_CHANNEL_ORDER, MM_LINK_UP);
    host_link(h, MM_KIND_ORDER_LINK, MM_CHANNEL_USER, MM_LINK_UP);
    host_clock(h);
    host_balance(h, "BTC", MM_ONE_E8, 0);
    host_balance(h, "USDT", INT64_C(100000) * MM_ONE_E8, 0);
    host_command(h, MM_COMMAND_START, 0);
    host_decide(h);
    host_answer_open(h);
    host_decide(h);
    MM_CHECK(host_find(h, MM_KIND_WANT_OPEN) == NULL); /* too early for the second */
    MM_CHECK(has(host_status(h).verdict, MM_REASON_NOT_STARTED));
    host_pass(h, SECOND);
    host_answer_open(h);
    host_decide(h);
    MM_CHECK(!has(host_status(h).verdict, MM_REASON_NOT_STARTED));
    host_close(h);
}

static void an_own_order_of_an_earlier_run_is_cancelled_and_a_foreign_one_is_not(void)
{
    mm_engine_config config = host_config();
    host *h = host_open(&config);
    host_link(h, MM_KIND_ORDER_LINK, MM_CHANNEL_ORDER, MM_LINK_UP);
    host_link(h, MM_KIND_ORDER_LINK, MM_CHANNEL_USER, MM_LINK_UP);
    host_clock(h);
    host_balance(h, "BTC", MM_ONE_E8, 0);
    host_balance(h, "USDT", INT64_C(100000) * MM_ONE_E8, 0);
    host_command(h, MM_COMMAND_START, 0);
    host_decide(h);
    const mm_record *asked = host_find(h, MM_KIND_WANT_OPEN);
    MM_REQUIRE(asked != NULL);
    int64_t token = asked->body.command.command;
    mm_record row = host_event(MM_KIND_OPEN_ROW);
    row.flags = MM_FLAG_OLD_RUN;
    row.body.report.exchange_id = 77;
    row.body.report.status = MM_ORDER_LIVE;
    host_feed(h, &row);
    row.flags = MM_FLAG_FOREIGN;
    row.body.report.exchange_id = 78;
    host_feed(h, &row);
    host_end(h, MM_KIND_OPEN_END, token);
    host_decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_CANCEL), ==, 1);
    const mm_record *cancel = host_find(h, MM_KIND_CANCEL);
    MM_REQUIRE(cancel != NULL);
    MM_CHECK_INT(cancel->body.action.exchange_id, ==, 77);
    MM_CHECK(has(host_status(h).verdict, MM_REASON_NOT_STARTED));
    host_close(h);
}

static void silence_pulls_the_quotes_after_one_second(void)
{
    host *h = quoting();
    host_exchange(h);
    host_decide(h);
    host_pass(h, SECOND - MS);
    MM_CHECK_UINT(host_count(h, MM_KIND_CANCEL), ==, 0);
    host_pass(h, 3 * MS);
    MM_CHECK_UINT(host_count(h, MM_KIND_CANCEL), ==, 2);
    MM_CHECK(has(host_status(h).verdict, MM_REASON_STALE_BOOK));
    host_close(h);
}

static void a_pong_is_a_sign_of_life_and_a_quiet_book_is_not_stale(void)
{
    host *h = quoting();
    host_exchange(h);
    for (int i = 0; i < 10; i++) {
        h->now_ns += 900 * MS;
        host_link(h, MM_KIND_MARKET_LINK, MM_CHANNEL_MARKET, MM_LINK_PONG);
        host_decide(h);
        MM_CHECK_UINT(host_count(h, MM_KIND_CANCEL), ==, 0);
    }
    MM_CHECK(!has(host_status(h).verdict, MM_REASON_STALE_BOOK));
    host_close(h);
}

static void a_ticker_the_depth_does_not_catch_up_with_makes_the_book_stale(void)
{
    host *h = quoting();
    host_exchange(h);
    mm_record ticker = host_event(MM_KIND_TICKER);
    ticker.body.ticker.update_id = h->last_id + 5;
    ticker.body.ticker.bid_price_e8 = MID - 5 * TICK;
    ticker.body.ticker.bid_qty_e8 = MM_ONE_E8;
    ticker.body.ticker.ask_price_e8 = MID + 5 * TICK;
    ticker.body.ticker.ask_qty_e8 = MM_ONE_E8;
    ticker.body.ticker.recv_ns = h->now_ns;
    host_feed(h, &ticker);
    host_decide(h);
    MM_CHECK(!has(host_status(h).verdict, MM_REASON_STALE_BOOK));
    h->now_ns += 301 * MS;
    host_decide(h);
    MM_CHECK(has(host_status(h).verdict, MM_REASON_STALE_BOOK));
    host_depth(h, MM_KIND_DEPTH, h->last_id + 1, h->last_id + 5, 1, 0);
    host_decide(h);
    MM_CHECK(!has(host_status(h).verdict, MM_REASON_STALE_BOOK));
    host_close(h);
}

static void a_gap_pulls_the_quotes_and_asks_for_a_snapshot(void)
{
    host *h = quoting();
    host_exchange(h);
    host_decide(h);
    host_depth(h, MM_KIND_DEPTH, h->last_id + 3, h->last_id + 4, 1, 0);
    host_decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_CANCEL), ==, 2);
    MM_CHECK_UINT(host_count(h, MM_KIND_WANT_SNAPSHOT), ==, 1);
    mm_engine_status status = host_status(h);
    MM_CHECK_UINT(status.gaps, ==, 1);
    MM_CHECK(has(status.verdict, MM_REASON_GAP));
    host_exchange(h);
    h->now_ns += 150 * MS; /* the same quotes again would be duplicates at once */
    host_depth(h, MM_KIND_SNAPSHOT, h->last_id + 3, h->last_id + 3, 40, 0);
    host_link(h, MM_KIND_MARKET_LINK, MM_CHANNEL_MARKET, MM_LINK_PONG);
    host_decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_PLACE), ==, 2);
    MM_CHECK_UINT(host_status(h).resyncs, ==, 1);
    host_close(h);
}

static void three_malformed_messages_in_a_minute_halt(void)
{
    host *h = quoting();
    host_exchange(h);
    for (int i = 0; i < 3; i++) {
        mm_record fault = host_event(MM_KIND_MARKET_FAULT);
        fault.body.link.state = MM_E_SYNTAX;
        fault.body.link.recv_ns = h->now_ns;
        host_feed(h, &fault);
        host_decide(h);
        h->now_ns += SECOND;
    }
    mm_engine_status status = host_status(h);
    MM_CHECK_INT(status.state, ==, MM_STATE_HALTED);
    MM_CHECK(has(status.verdict, MM_REASON_MALFORMED));
    MM_CHECK_UINT(status.malformed, ==, 3);
    host_close(h);
}

static void an_order_without_an_answer_is_unknown_then_cancelled_queried_and_only_proof_ends_it(void)
{
    host *h = quoting();
    const mm_record *placed = host_find(h, MM_KIND_PLACE);
    MM_REQUIRE(placed != NULL);
    uint64_t seq = placed->body.action.order_seq;
    mm_record other = host_event(MM_KIND_ACK); /* the ask is taken at once */
    other.body.report.order_seq = seq + 1;
    other.body.report.exchange_id = h->next_exchange_id++;
    other.body.report.status = MM_ORDER_LIVE;
    host_feed(h, &other);
    mm_record sent = host_event(MM_KIND_SENT);
    sent.body.outcome.order_seq = seq;
    sent.body.outcome.operation = MM_OP_PLACE;
    sent.body.outcome.recv_ns = h->now_ns;
    host_feed(h, &sent);
    int64_t sent_ns = h->now_ns;
    bool cancelled = false, queried = false, trades = false;
    while (h->now_ns < sent_ns + 20 * SECOND && host_status(h).unknown_orders + host_status(h).open_orders > 0) {
        h->now_ns += 100 * MS;
        host_link(h, MM_KIND_MARKET_LINK, MM_CHANNEL_MARKET, MM_LINK_PONG);
        host_decide(h);
        for (size_t i = h->batch_first; i < h->action_count; i++) {
            const mm_record *action = &h->actions[i];
            MM_CHECK(!(action->kind == MM_KIND_PLACE && action->flags >> 8 == MM_BID && h->now_ns > sent_ns &&
                       h->now_ns < sent_ns + 13 * SECOND)); /* the side is blocked, nothing is sent again */
            if (action->kind == MM_KIND_CANCEL && action->body.action.order_seq == seq) {
                mm_record reply = host_event(MM_KIND_CANCEL_REJECT);
                reply.body.outcome.order_seq = seq;
                reply.body.outcome.operation = MM_OP_CANCEL;
                reply.body.outcome.code = -2011;
                reply.body.outcome.detail = MM_REJECT_UNKNOWN_ORDER;
                host_feed(h, &reply);
                cancelled = true;
            } else if (action->kind == MM_KIND_QUERY && action->body.action.order_seq == seq) {
                mm_record reply = host_event(MM_KIND_STATUS);
                reply.body.report.order_seq = seq;
                reply.body.report.code = -2013;
                reply.body.report.executed_e8 = -1;
                host_feed(h, &reply);
                queried = true;
            } else if (action->kind == MM_KIND_WANT_TRADES) {
                host_end(h, MM_KIND_TRADES_END, action->body.command.command);
                trades = true;
            } else if (action->kind == MM_KIND_PLACE) {
                mm_record ack = host_event(MM_KIND_ACK);
                ack.body.report.order_seq = action->body.action.order_seq;
                ack.body.report.status = MM_ORDER_LIVE;
                ack.body.report.exchange_id = h->next_exchange_id++;
                host_feed(h, &ack);
            }
        }
        if (host_status(h).unknown_orders == 0 && h->now_ns > sent_ns + 2 * SECOND) {
            break;
        }
    }
    MM_CHECK(cancelled);
    MM_CHECK(queried);
    MM_CHECK(trades);
    MM_CHECK_INT(h->now_ns - sent_ns, >=, 13 * SECOND);
    MM_CHECK_INT(host_status(h).unknown_orders, ==, 0);
    host_close(h);
}

static void a_fill_moves_the_ledger_once_however_often_it_is_told(void)
{
    host *h = quoting();
    const mm_record *placed = host_find(h, MM_KIND_PLACE);
    MM_REQUIRE(placed != NULL);
    mm_action_body order = placed->body.action;
    host_exchange(h);
    mm_record report[2];
    memset(report, 0, sizeof report);
    report[0].kind = MM_KIND_REPORT;
    report[0].flags = MM_FLAG_FILL | MM_FLAG_MAKER;
    report[0].count = 2;
    report[0].body.report.order_seq = order.order_seq;
    report[0].body.report.price_e8 = order.price_e8;
    report[0].body.report.qty_e8 = order.qty_e8;
    report[0].body.report.executed_e8 = order.qty_e8;
    report[0].body.report.status = MM_ORDER_FILLED;
    report[1].kind = MM_KIND_MORE;
    report[1].body.fill.trade_id = 900;
    report[1].body.fill.quote_e8 = -1;
    report[1].body.fill.fee_e8 = order.qty_e8 / 1000;
    strcpy(report[1].body.fill.fee_asset, "BTC");
    for (int i = 0; i < 3; i++) {
        host_feed(h, report);
    }
    host_decide(h);
    mm_engine_status status = host_status(h);
    MM_CHECK_UINT(status.fills, ==, 1);
    MM_CHECK_INT(status.position_e8, ==, order.qty_e8 - order.qty_e8 / 1000);
    MM_CHECK_INT(status.inventory_e8, ==, status.position_e8);
    MM_CHECK_INT(status.pnl.total_e8, ==,
                 status.pnl.realized_e8 + status.pnl.unrealized_e8 - status.pnl.fees_e8);
    host_close(h);
}

static void stopping_cancels_everything_and_is_over_after_two_empty_reads(void)
{
    host *h = quoting();
    host_exchange(h);
    host_command(h, MM_COMMAND_STOP, 0);
    host_decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_CANCEL), ==, 2);
    MM_CHECK_UINT(host_count(h, MM_KIND_PLACE), ==, 0);
    host_exchange(h);
    host_decide(h);
    host_answer_open(h);
    MM_CHECK_INT(host_status(h).state, ==, MM_STATE_STOPPING);
    for (int i = 0; i < 20 && host_find(h, MM_KIND_WANT_OPEN) == NULL; i++) {
        host_pass(h, 100 * MS);
    }
    h->now_ns += SECOND;
    host_decide(h);
    host_answer_open(h);
    host_decide(h);
    MM_CHECK_INT(host_status(h).state, ==, MM_STATE_STOPPED);
    MM_CHECK_INT(host_status(h).open_orders, ==, 0);
    host_close(h);
}

static void killed_is_for_ever_and_still_cancels(void)
{
    host *h = quoting();
    host_exchange(h);
    host_command(h, MM_COMMAND_KILL, MM_REASON_KILLED);
    host_decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_CANCEL), ==, 2);
    host_exchange(h);
    host_command(h, MM_COMMAND_RESUME, 0);
    host_tick(h);
    host_decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_PLACE), ==, 0);
    MM_CHECK_INT(host_status(h).state, ==, MM_STATE_KILLED);
    host_close(h);
}

static void without_room_nothing_is_sent_and_it_is_planned_again(void)
{
    mm_engine_config config = host_config();
    host *h = host_open(&config);
    host_start(h);
    host_link(h, MM_KIND_MARKET_LINK, MM_CHANNEL_MARKET, MM_LINK_UP);
    host_depth(h, MM_KIND_DEPTH, h->last_id + 1, h->last_id + 2, 1, 0);
    host_decide(h);
    host_depth(h, MM_KIND_SNAPSHOT, h->last_id + 1, h->last_id + 1, 40, 0);
    mm_record end = host_event(MM_KIND_BATCH_END);
    end.body.command.now_ns = h->now_ns;
    (void)mm_engine_step(h->engine, &end); /* rings full */
    size_t count = 1;
    (void)mm_engine_actions(h->engine, &count);
    MM_CHECK_UINT(count, ==, 0);
    MM_CHECK_INT(mm_engine_deadline(h->engine), <=, h->now_ns + MS);
    host_decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_PLACE), ==, 2);
    host_close(h);
}

static void the_order_channel_down_means_no_new_quotes(void)
{
    host *h = quoting();
    host_exchange(h);
    host_link(h, MM_KIND_ORDER_LINK, MM_CHANNEL_ORDER, MM_LINK_DOWN);
    host_decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_CANCEL), ==, 2);
    MM_CHECK(has(host_status(h).verdict, MM_REASON_DISCONNECTED));
    host_close(h);
}

static void account_events_lost_and_found_put_every_order_in_doubt_and_read_the_account(void)
{
    host *h = quoting();
    host_exchange(h);
    host_link(h, MM_KIND_ORDER_LINK, MM_CHANNEL_USER, MM_LINK_DOWN);
    host_link(h, MM_KIND_ORDER_LINK, MM_CHANNEL_USER, MM_LINK_UP);
    host_decide(h);
    mm_engine_status status = host_status(h);
    MM_CHECK_INT(status.unknown_orders, ==, 2);
    MM_CHECK(has(status.verdict, MM_REASON_NO_ACCOUNT));
    MM_CHECK_UINT(host_count(h, MM_KIND_WANT_TRADES), ==, 1);
    MM_CHECK_UINT(host_count(h, MM_KIND_WANT_ACCOUNT), ==, 1);
    host_close(h);
}

static void a_python_strategy_is_asked_and_its_answer_is_fitted_and_placed(void)
{
    mm_engine_config config = host_config();
    config.strategy = MM_STRATEGY_PYTHON;
    host *h = host_open(&config);
    host_start(h);
    host_sync(h);
    MM_CHECK((h->bits & MM_STEP_NEED_QUOTE) != 0);
    MM_CHECK_UINT(host_count(h, MM_KIND_PLACE), ==, 0);
    mm_record quote[3];
    memset(quote, 0, sizeof quote);
    quote[0].kind = MM_KIND_QUOTE;
    quote[0].count = 3;
    quote[0].body.command.command = 1;
    quote[0].body.command.value = 1;
    quote[1].kind = MM_KIND_LEVELS;
    quote[1].body.levels[0].price_e8 = MID - 1000 * TICK + 7; /* off the tick */
    quote[1].body.levels[0].qty_e8 = 100000;
    quote[2].kind = MM_KIND_LEVELS;
    quote[2].body.levels[0].price_e8 = MID + 1000 * TICK - 7;
    quote[2].body.levels[0].qty_e8 = 100999; /* off the step */
    host_feed(h, quote);
    host_decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_PLACE), ==, 2);
    const mm_record *bid = host_find(h, MM_KIND_PLACE);
    MM_REQUIRE(bid != NULL);
    MM_CHECK_INT(bid->body.action.price_e8, ==, MID - 1000 * TICK);
    host_exchange(h);
    host_command(h, MM_COMMAND_STRATEGY_FAULT, 1);
    host_decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_CANCEL), ==, 2);
    MM_CHECK(has(host_status(h).bid_verdict, MM_REASON_STRATEGY_FAULT));
    host_close(h);
}

/* The oldest resting order of a run fills, whole. */
static void fill_one(host *h, int64_t trade_id)
{
    mm_order orders[8];
    size_t count = mm_engine_orders(h->engine, orders, 8);
    if (count == 0 || orders[0].state != MM_ORDER_LIVE) {
        return;
    }
    mm_record report[2];
    memset(report, 0, sizeof report);
    report[0].kind = MM_KIND_REPORT;
    report[0].flags = MM_FLAG_FILL | MM_FLAG_MAKER;
    report[0].count = 2;
    report[0].body.report.order_seq = orders[0].seq;
    report[0].body.report.price_e8 = orders[0].price_e8;
    report[0].body.report.qty_e8 = orders[0].qty_e8;
    report[0].body.report.executed_e8 = orders[0].qty_e8;
    report[0].body.report.status = MM_ORDER_FILLED;
    report[1].kind = MM_KIND_MORE;
    report[1].body.fill.trade_id = trade_id;
    report[1].body.fill.quote_e8 = -1;
    host_feed(h, report);
}

/* The same inputs give the same actions, byte for byte, whatever lies in memory before. */
static void it_is_a_function_of_its_inputs(void)
{
    host *a = quoting();
    host *b = quoting();
    for (int i = 0; i < 300; i++) {
        int64_t draw = mm_test_between(0, 99);
        host *both[2] = {a, b};
        for (int k = 0; k < 2; k++) {
            host *h = both[k];
            h->now_ns += (draw + 1) * MS;
            if (draw < 80) {
                host_tick(h);
            } else {
                fill_one(h, 7000 + i);
            }
            host_decide(h);
            host_exchange(h);
        }
    }
    MM_CHECK_UINT(a->action_count, ==, b->action_count);
    MM_CHECK_UINT(a->action_count, >, 20);
    MM_CHECK_BYTES(a->actions, b->actions, a->action_count * sizeof a->actions[0]);
    host_close(a);
    host_close(b);
}

static void a_bad_configuration_names_its_field(void)
{
    const char *bad_field = NULL;
    mm_engine_config config = host_config();
    config.orders_max = 0;
    MM_CHECK(mm_engine_new(&config, &bad_field) == NULL);
    MM_CHECK_TEXT(bad_field, "orders_max");
    config = host_config();
    config.risk.position_max_e8 = 0;
    MM_CHECK(mm_engine_new(&config, &bad_field) == NULL);
    MM_CHECK_TEXT(bad_field, "position_max_e8");
}

int main(int argc, char **argv)
{
    static const mm_test tests[] = {
        MM_TEST(it_quotes_both_sides_once_started_and_synced),
        MM_TEST(nothing_is_wanted_before_two_empty_reads_of_open_orders_a_second_apart),
        MM_TEST(an_own_order_of_an_earlier_run_is_cancelled_and_a_foreign_one_is_not),
        MM_TEST(silence_pulls_the_quotes_after_one_second),
        MM_TEST(a_pong_is_a_sign_of_life_and_a_quiet_book_is_not_stale),
        MM_TEST(a_ticker_the_depth_does_not_catch_up_with_makes_the_book_stale),
        MM_TEST(a_gap_pulls_the_quotes_and_asks_for_a_snapshot),
        MM_TEST(three_malformed_messages_in_a_minute_halt),
        MM_TEST(an_order_without_an_answer_is_unknown_then_cancelled_queried_and_only_proof_ends_it),
        MM_TEST(a_fill_moves_the_ledger_once_however_often_it_is_told),
        MM_TEST(stopping_cancels_everything_and_is_over_after_two_empty_reads),
        MM_TEST(killed_is_for_ever_and_still_cancels),
        MM_TEST(without_room_nothing_is_sent_and_it_is_planned_again),
        MM_TEST(the_order_channel_down_means_no_new_quotes),
        MM_TEST(account_events_lost_and_found_put_every_order_in_doubt_and_read_the_account),
        MM_TEST(a_python_strategy_is_asked_and_its_answer_is_fitted_and_placed),
        MM_TEST(it_is_a_function_of_its_inputs),
        MM_TEST(a_bad_configuration_names_its_field),
    };
    return mm_test_main(argc, argv, tests, MM_TEST_COUNT(tests));
}
