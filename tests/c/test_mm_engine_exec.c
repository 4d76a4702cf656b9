/* What the exchange says of orders and account: refusals, kills, resets, and what does not add up. */
#include "mm_engine_host.h"

static host *quoting(void)
{
    mm_engine_config config = host_config();
    return host_quoting(&config);
}

static void refuse(host *h, uint64_t seq, int32_t reject_class, int32_t code)
{
    host_outcome(h, MM_KIND_REJECT, seq, MM_OP_PLACE, reject_class, code);
}

static void a_refusal_nobody_expected_brings_the_reads_of_orders_and_balances(void)
{
    static const struct {
        int32_t reject_class;
        bool surprises;
    } cases[] = {
        {MM_REJECT_OTHER, true},       {MM_REJECT_BALANCE, true},      {MM_REJECT_FILTER, true},
        {MM_REJECT_DUPLICATE, false},  {MM_REJECT_WOULD_MATCH, false}, {MM_REJECT_LIMIT, false},
        {MM_REJECT_CREDENTIALS, false},
    };
    for (size_t i = 0; i < MM_TEST_COUNT(cases); i++) {
        host *h = quoting();
        refuse(h, 1, cases[i].reject_class, -2010);
        host_decide(h);
        /* A number that is taken proves nothing: that order is looked for by itself. */
        MM_CHECK_INT(host_status(h).unknown_orders, ==, cases[i].reject_class == MM_REJECT_DUPLICATE);
        MM_CHECK((host_general(h, MM_KIND_WANT_OPEN, h->batch_first) != NULL) == cases[i].surprises);
        MM_CHECK((host_general(h, MM_KIND_WANT_ACCOUNT, h->batch_first) != NULL) == cases[i].surprises);
        MM_CHECK((host_find(h, MM_KIND_WANT_RULES) != NULL) == (cases[i].reject_class == MM_REJECT_FILTER));
        host_close(h);
    }
}

static void orders_refused_together_for_a_closed_market_count_as_one_refusal(void)
{
    mm_engine_config config = host_config();
    config.risk.rejects_per_min_max = 2;
    host *h = host_quoting(&config);
    refuse(h, 1, MM_REJECT_MARKET_CLOSED, -1013);
    refuse(h, 2, MM_REJECT_MARKET_CLOSED, -1013);
    host_decide(h);
    MM_CHECK_UINT(host_status(h).orders_rejected, ==, 2);
    MM_CHECK_UINT(host_status(h).verdict, ==, MM_BIT(MM_REASON_SYMBOL_HALT)); /* and not that of the refusals */
    MM_CHECK_UINT(host_count(h, MM_KIND_WANT_RULES), ==, 1);
    host_close(h);
}

/* The refusal's time is the exchange's. */
static void a_wait_that_is_told_in_the_exchanges_time_lasts_a_minute_while_that_is_not_known(void)
{
    for (int known = 0; known <= 1; known++) {
        host *h = quoting();
        if (!known) {
            refuse(h, 1, MM_REJECT_CLOCK, -1021);
        }
        mm_record limit = host_event(MM_KIND_REJECT);
        limit.body.outcome.order_seq = 2;
        limit.body.outcome.operation = MM_OP_PLACE;
        limit.body.outcome.detail = MM_REJECT_LIMIT;
        limit.body.outcome.recv_ns = h->now_ns;
        limit.body.outcome.until_ns = HOST_CLOCK_NS + h->now_ns + 5 * SECOND;
        host_feed(h, &limit);
        int64_t over_ns = h->now_ns + (known ? 5 * SECOND : 60 * SECOND);
        h->now_ns = over_ns - MS;
        host_decide(h);
        MM_CHECK(host_says(h, MM_REASON_BANNED));
        h->now_ns = over_ns;
        host_decide(h);
        MM_CHECK(!host_says(h, MM_REASON_BANNED));
        host_close(h);
    }
}

static void a_balance_that_cannot_be_halts(void)
{
    static const struct {
        uint16_t kind;
        int64_t free_e8;
    } cases[] = {{MM_KIND_BALANCE, -1}, {MM_KIND_BALANCE_DELTA, -2 * MM_ONE_E8}}; /* there is one */
    for (size_t i = 0; i < MM_TEST_COUNT(cases); i++) {
        host *h = quoting();
        host_exchange(h);
        mm_record record = host_event(cases[i].kind);
        strcpy(record.body.balance.asset, "BTC");
        record.body.balance.free_e8 = cases[i].free_e8;
        host_feed(h, &record);
        host_decide(h);
        MM_CHECK_INT(host_status(h).state, ==, MM_STATE_HALTED);
        MM_CHECK(host_says(h, MM_REASON_LEDGER_MISMATCH));
        MM_CHECK_UINT(host_count(h, MM_KIND_CANCEL), ==, 2);
        MM_CHECK_INT(host_status(h).base_e8, ==, MM_ONE_E8);
        host_close(h);
    }
}

static void somebody_elses_trade_moves_the_balances_and_halts_where_it_cannot_be(void)
{
    static const struct {
        int64_t qty_e8;
        bool halts;
    } cases[] = {{MM_ONE_E8, false}, {2 * MM_ONE_E8, true}}; /* one BTC is there to be sold */
    for (size_t i = 0; i < MM_TEST_COUNT(cases); i++) {
        host *h = quoting();
        host_exchange(h);
        mm_record report[2];
        memset(report, 0, sizeof report);
        report[0].kind = MM_KIND_REPORT;
        report[0].flags = MM_FLAG_FILL | MM_FLAG_FOREIGN;
        report[0].count = 2;
        report[0].body.report.price_e8 = MID;
        report[0].body.report.qty_e8 = cases[i].qty_e8;
        report[0].body.report.side = MM_ASK;
        report[1].kind = MM_KIND_MORE;
        report[1].body.fill.trade_id = 50;
        report[1].body.fill.quote_e8 = -1;
        host_feed(h, report);
        host_decide(h);
        MM_CHECK_INT(host_status(h).base_e8, ==, cases[i].halts ? MM_ONE_E8 : 0);
        MM_CHECK_INT(host_status(h).position_e8, ==, 0); /* it is not the bot's */
        MM_CHECK_UINT(host_status(h).foreign_orders, ==, 1);
        MM_CHECK((host_status(h).state == MM_STATE_HALTED) == cases[i].halts);
        MM_CHECK(host_says(h, MM_REASON_LEDGER_MISMATCH) == cases[i].halts);
        host_close(h);
    }
}

/* A fill of order 77, which the table has never had or has forgotten: it ended 4,096 orders ago. */
static void tell_forgotten(host *h, uint16_t kind, int16_t side, int64_t trade_id, int64_t qty_e8)
{
    mm_record told[2];
    memset(told, 0, sizeof told);
    told[0].kind = kind;
    told[0].count = 2;
    told[0].flags = MM_FLAG_FILL | MM_FLAG_MAKER;
    told[0].body.report.order_seq = 77;
    told[0].body.report.exchange_id = 9;
    told[0].body.report.price_e8 = MID;
    told[0].body.report.qty_e8 = qty_e8;
    told[0].body.report.executed_e8 = qty_e8;
    told[0].body.report.status = MM_ORDER_FILLED;
    told[0].body.report.side = side;
    told[1].kind = MM_KIND_MORE;
    told[1].body.fill.trade_id = trade_id;
    told[1].body.fill.quote_e8 = -1;
    host_feed(h, told);
    host_decide(h);
}

static void a_fill_of_an_own_order_the_table_has_forgotten_counts_once_and_kills(void)
{
    static const uint16_t kinds[] = {MM_KIND_REPORT, MM_KIND_TRADE_ROW};
    for (size_t i = 0; i < MM_TEST_COUNT(kinds); i++) {
        host *h = quoting();
        host_exchange(h);
        tell_forgotten(h, kinds[i], MM_BID, 5, 50000);
        MM_CHECK_INT(host_status(h).base_e8, ==, MM_ONE_E8 + 50000);
        MM_CHECK_INT(host_status(h).position_e8, ==, 50000);
        MM_CHECK_UINT(host_status(h).fills, ==, 1);
        MM_CHECK_INT(host_status(h).state, ==, MM_STATE_KILLED);
        MM_CHECK(host_says(h, MM_REASON_UNKNOWN_ORDER));
        MM_CHECK_UINT(host_count(h, MM_KIND_CANCEL), ==, 2);
        tell_forgotten(h, kinds[1 - i], MM_BID, 5, 50000); /* and again, by the other way */
        MM_CHECK_UINT(host_status(h).fills, ==, 1);
        MM_CHECK_INT(host_status(h).base_e8, ==, MM_ONE_E8 + 50000);
        host_close(h);
    }
}

static void a_forgotten_fill_that_cannot_be_kills_without_counting(void)
{
    static const struct {
        int16_t side;
        int64_t qty_e8;
    } cases[] = {{-1, 50000}, {MM_ASK, 2 * MM_ONE_E8}}; /* there is one */
    for (size_t i = 0; i < MM_TEST_COUNT(cases); i++) {
        host *h = quoting();
        tell_forgotten(h, MM_KIND_REPORT, cases[i].side, 5, cases[i].qty_e8);
        MM_CHECK_INT(host_status(h).state, ==, MM_STATE_KILLED);
        MM_CHECK_UINT(host_status(h).fills, ==, 0);
        MM_CHECK_INT(host_status(h).base_e8, ==, MM_ONE_E8);
        host_close(h);
    }
}

/* Of each order in doubt: its cancel and its query find nothing, its trades show nothing. The reads of account and trades are
 * answered, the open orders are none. */
static void answer_that_nothing_is_there(host *h)
{
    size_t last = h->action_count;
    for (size_t i = h->batch_first; i < last; i++) {
        const mm_record *action = &h->actions[i];
        uint64_t seq = action->body.action.order_seq;
        if (action->kind == MM_KIND_CANCEL) {
            host_outcome(h, MM_KIND_CANCEL_REJECT, seq, MM_OP_CANCEL, MM_REJECT_UNKNOWN_ORDER, -2011);
        } else if (action->kind == MM_KIND_QUERY) {
            mm_record reply = host_event(MM_KIND_STATUS);
            reply.body.report.order_seq = seq;
            reply.body.report.code = -2013;
            reply.body.report.executed_e8 = -1;
            host_feed(h, &reply);
        } else if (action->kind == MM_KIND_WANT_TRADES) {
            host_end(h, MM_KIND_TRADES_END, action->body.command.command);
        } else if (action->kind == MM_KIND_WANT_ACCOUNT) {
            host_end(h, MM_KIND_ACCOUNT_END, action->body.command.command);
        } else if (action->kind == MM_KIND_WANT_OPEN) {
            host_end(h, MM_KIND_OPEN_END, action->body.command.command);
        }
    }
}

static size_t told(const host *h, int32_t reason)
{
    size_t count = 0;
    for (size_t i = 0; i < h->action_count; i++) {
        count += h->actions[i].kind == MM_KIND_STATE && (h->actions[i].body.command.verdict & MM_BIT(reason)) != 0;
    }
    return count;
}

static void orders_that_rested_and_are_found_nowhere_for_ten_seconds_mean_that_the_account_was_reset(void)
{
    for (int64_t accepts = 0; accepts <= 1; accepts++) {
        mm_engine_config config = host_config();
        config.accept_reset = accepts;
        host *h = host_quoting(&config);
        host_exchange(h);
        host_link(h, MM_KIND_ORDER_LINK, MM_CHANNEL_USER, MM_LINK_DOWN);
        host_link(h, MM_KIND_ORDER_LINK, MM_CHANNEL_USER, MM_LINK_UP);
        host_decide(h);
        int64_t doubted_ns = h->now_ns;
        MM_CHECK_INT(host_status(h).unknown_orders, ==, 2);
        for (int i = 0; i < 400 && host_status(h).unknown_orders > 0; i++) {
            MM_CHECK_UINT(told(h, MM_REASON_ACCOUNT_RESET), ==, 0);
            answer_that_nothing_is_there(h);
            h->now_ns += 100 * MS;
            host_tick(h);
            host_decide(h);
        }
        MM_CHECK_INT(h->now_ns - doubted_ns, >=, 10 * SECOND);
        MM_CHECK_INT(h->now_ns - doubted_ns, <=, 30 * SECOND);
        MM_CHECK_UINT(told(h, MM_REASON_ACCOUNT_RESET), ==, 1); /* once for both */
        answer_that_nothing_is_there(h);
        host_balance(h, "BTC", MM_ONE_E8, 0);
        h->now_ns += 100 * MS;
        host_tick(h);
        host_decide(h);
        MM_CHECK_INT(host_status(h).state, ==, accepts ? MM_STATE_ACTIVE : MM_STATE_HALTED);
        MM_CHECK_UINT(host_count(h, MM_KIND_PLACE), ==, accepts ? 2 : 0);
        host_close(h);
    }
}

/* The exchange has counted so much request weight in the minute that began a moment ago. */
static void tell_weight(host *h, int32_t weight_1m)
{
    mm_record record = host_event(MM_KIND_BUDGET);
    const mm_budget_body said = {h->now_ns, -1, -1, -1, -1, weight_1m, -1, -1, -1};
    record.body.budget = said;
    host_feed(h, &record);
}

static void a_query_waits_for_weight_and_a_cancel_does_not(void)
{
    host *h = quoting();
    host_exchange(h);
    h->now_ns += 60 * SECOND - (h->now_ns + HOST_CLOCK_NS) % (60 * SECOND) + SECOND;
    host_decide(h);
    host_outcome(h, MM_KIND_LOST, 1, MM_OP_PLACE, 0, 0);
    size_t cancels = 0, queries = 0;
    for (int i = 0; i < 20; i++) {
        tell_weight(h, i < 10 ? 5097 : 0); /* of 5,100 for queries, which weigh 4 */
        h->now_ns += 100 * MS;
        host_decide(h);
        cancels += host_count(h, MM_KIND_CANCEL);
        queries += host_count(h, MM_KIND_QUERY);
        MM_CHECK(i >= 10 || queries == 0);
        MM_CHECK(i != 9 || cancels > 0);
    }
    MM_CHECK_UINT(queries, >, 0);
    host_close(h);
}

int main(int argc, char **argv)
{
    static const mm_test tests[] = {
        MM_TEST(a_refusal_nobody_expected_brings_the_reads_of_orders_and_balances),
        MM_TEST(orders_refused_together_for_a_closed_market_count_as_one_refusal),
        MM_TEST(a_wait_that_is_told_in_the_exchanges_time_lasts_a_minute_while_that_is_not_known),
        MM_TEST(a_balance_that_cannot_be_halts),
        MM_TEST(somebody_elses_trade_moves_the_balances_and_halts_where_it_cannot_be),
        MM_TEST(a_fill_of_an_own_order_the_table_has_forgotten_counts_once_and_kills),
        MM_TEST(a_forgotten_fill_that_cannot_be_kills_without_counting),
        MM_TEST(orders_that_rested_and_are_found_nowhere_for_ten_seconds_mean_that_the_account_was_reset),
        MM_TEST(a_query_waits_for_weight_and_a_cancel_does_not),
    };
    return mm_test_main(argc, argv, tests, MM_TEST_COUNT(tests));
}
