/* The engine against an exchange that may do anything: refuse, forget, repeat, cross its own book, ban, restart. Nothing here knows
 * what should come of it but the limits: no assertion fails, the parts stay consistent, and no more is open than is allowed. */
#include "mm_engine_host.h"

enum { STEPS = 400, RUNS = 250 };

typedef struct chaos {
    host *h;
    int64_t trade_id;
    int64_t shift_e8;  /* of the market's mid */
    int64_t ticker_id; /* newest told */
    bool ended;        /* stopped or killed: nothing may be placed any more */
    int32_t calm;      /* 0..9: how often the exchange does as it should */
} chaos;

static bool chance(uint64_t percent)
{
    return mm_test_below(100) < percent;
}

/* One of the engine's own orders, or one it never had. */
static mm_order any_order(const chaos *c)
{
    mm_order open[64], none;
    size_t count = mm_engine_orders(c->h->engine, open, MM_TEST_COUNT(open));
    memset(&none, 0, sizeof none);
    if (count == 0 || chance(5)) {
        none.seq = mm_test_below(50);
        none.exchange_id = (int64_t)mm_test_below(6000);
        none.side = (int32_t)mm_test_below(2);
        none.price_e8 = MID;
        none.qty_e8 = 100000;
        return none;
    }
    return open[mm_test_below(count)];
}

static void tell_fill(chaos *c, const mm_order *order, uint16_t kind)
{
    static const char *const assets[] = {"BTC", "USDT", "BNB", ""};
    mm_record records[2];
    int64_t left_e8 = order->qty_e8 - order->executed_e8;
    int64_t qty_e8 = chance(50) || left_e8 < 2000 ? left_e8 : left_e8 / 2000 * 1000;
    memset(records, 0, sizeof records);
    records[0].kind = kind;
    records[0].count = 2;
    records[0].flags = (uint16_t)(MM_FLAG_FILL | (chance(70) ? MM_FLAG_MAKER : 0));
    records[0].body.report.order_seq = order->seq;
    records[0].body.report.exchange_id = order->exchange_id;
    records[0].body.report.side = (int16_t)order->side;
    records[0].body.report.price_e8 = order->price_e8;
    records[0].body.report.qty_e8 = qty_e8 > 0 ? qty_e8 : 1000;
    records[0].body.report.executed_e8 = kind == MM_KIND_REPORT ? order->executed_e8 + qty_e8 : -1;
    records[0].body.report.status = qty_e8 == left_e8 ? MM_ORDER_FILLED : MM_ORDER_LIVE;
    if (kind == MM_KIND_TRADE_ROW) {
        records[0].body.report.status = MM_ORDER_STATUS_OTHER;
    }
    records[1].kind = MM_KIND_MORE;
    records[1].body.fill.trade_id = chance(90) ? ++c->trade_id : c->trade_id;
    records[1].body.fill.quote_e8 = -1;
    records[1].body.fill.fee_e8 = (int64_t)mm_test_below(200) - 20;
    strcpy(records[1].body.fill.fee_asset, assets[mm_test_below(4)]);
    records[1].body.fill.time_us = (HOST_CLOCK_NS + c->h->now_ns - (int64_t)mm_test_below(5) * SECOND) / 1000;
    host_feed(c->h, records);
}

/* Any report of an order: from any run, of any state. */
static void tell_report(chaos *c)
{
    static const uint16_t flags[] = {0, 0, MM_FLAG_FOREIGN, MM_FLAG_OLD_RUN, MM_FLAG_OLD_RUN};
    mm_order order = any_order(c);
    mm_record record = host_event(MM_KIND_REPORT);
    record.flags = flags[mm_test_below(MM_TEST_COUNT(flags))];
    record.body.report.order_seq = record.flags == 0 ? order.seq : 0;
    record.body.report.exchange_id = record.flags == 0 ? order.exchange_id : c->h->next_exchange_id++;
    record.body.report.status = (int16_t)(chance(90) ? MM_ORDER_LIVE + mm_test_below(2) * 3 : MM_ORDER_LIVE + mm_test_below(9));
    if (record.body.report.status == MM_ORDER_UNKNOWN) {
        record.body.report.status = MM_ORDER_EXPIRED;
    }
    record.body.report.side = -1;
    record.body.report.executed_e8 = -1;
    host_feed(c->h, &record);
}

static void tell_outcome(chaos *c, uint16_t kind, uint64_t seq, int32_t operation)
{
    mm_record record = host_event(kind);
    record.body.outcome.order_seq = seq;
    record.body.outcome.operation = operation;
    record.body.outcome.detail = chance(50) ? MM_REJECT_UNKNOWN_ORDER : (int32_t)mm_test_below(10);
    record.body.outcome.code = chance(70) ? -2010 : 0;
    record.body.outcome.http_status = chance(20) ? 503 : 0;
    record.body.outcome.recv_ns = c->h->now_ns;
    record.body.outcome.until_ns = chance(50) ? HOST_CLOCK_NS + c->h->now_ns + (int64_t)mm_test_below(3000) * MS : 0;
    record.body.outcome.verdict = MM_BIT(MM_REASON_RATE_LIMIT);
    host_feed(c->h, &record);
}

/* What becomes of a request about an order, when it is not what should. */
static void answer_badly(chaos *c, const mm_record *action, int32_t operation)
{
    static const uint16_t refusal[] = {[MM_OP_PLACE] = MM_KIND_REJECT,        [MM_OP_CANCEL] = MM_KIND_CANCEL_REJECT,
                                       [MM_OP_QUERY] = MM_KIND_LOST,          [MM_OP_AMEND] = MM_KIND_AMEND_REJECT,
                                       [MM_OP_REPLACE] = MM_KIND_CANCEL_REJECT};
    uint64_t seq = action->body.action.order_seq;
    if (chance(70)) {
        tell_outcome(c, MM_KIND_SENT, seq, operation);
    }
    switch (mm_test_below(4)) {
    case 0:
        tell_outcome(c, refusal[operation], seq, operation);
        break;
    case 1:
        tell_outcome(c, MM_KIND_NOT_SENT, seq, operation);
        break;
    case 2:
        tell_outcome(c, MM_KIND_LOST, seq, operation);
        break;
    default: /* silence */
        break;
    }
}

static void answer_query(chaos *c, const mm_record *action)
{
    static const int16_t states[] = {MM_ORDER_LIVE, MM_ORDER_CANCELED, MM_ORDER_EXPIRED, MM_ORDER_FILLED, MM_ORDER_STATUS_OTHER};
    mm_record record = host_event(MM_KIND_STATUS);
    record.flags = chance(60) ? MM_FLAG_FOUND : 0;
    record.body.report.order_seq = action->body.action.order_seq;
    record.body.report.exchange_id = action->body.action.exchange_id;
    record.body.report.status = states[mm_test_below(chance(90) ? 3 : 5)];
    record.body.report.executed_e8 = -1;
    record.body.report.side = -1;
    host_feed(c->h, &record);
}

static void tell_price(chaos *c, const char *asset)
{
    mm_record record = host_event(MM_KIND_PRICE);
    strcpy(record.body.balance.asset, asset);
    record.body.balance.free_e8 = chance(80) ? INT64_C(600) * MM_ONE_E8 : 0;
    host_feed(c->h, &record);
}

static void show_orders(chaos *c)
{
    mm_order open[64];
    size_t count = mm_engine_orders(c->h->engine, open, MM_TEST_COUNT(open));
    for (size_t i = 0; i < count; i++) {
        if (open[i].state == MM_ORDER_LIVE && chance(90)) {
            host_said(c->h, MM_KIND_OPEN_ROW, open[i].seq, open[i].exchange_id, MM_ORDER_LIVE, open[i].qty_e8);
        }
    }
    for (uint64_t extra = chance(4) ? mm_test_below(70) : 0; extra > 0; extra--) {
        mm_record row = host_event(MM_KIND_OPEN_ROW);
        row.flags = chance(80) ? MM_FLAG_OLD_RUN : MM_FLAG_FOREIGN;
        row.body.report.exchange_id = (int64_t)mm_test_below(80) + 1;
        row.body.report.status = MM_ORDER_LIVE;
        row.body.report.side = -1;
        host_feed(c->h, &row);
    }
}

static void answer_want(chaos *c, const mm_record *action)
{
    host *h = c->h;
    int64_t token = action->body.command.command;
    mm_symbol symbol = h->config.symbol;
    mm_order order = any_order(c);
    switch (action->kind) {
    case MM_KIND_WANT_SNAPSHOT:
        if (chance(90)) {
            int64_t id = h->last_id + (chance(80) ? 0 : (int64_t)mm_test_below(9) - 4);
            host_depth(h, MM_KIND_SNAPSHOT, id, id, chance(90) ? 40 : (uint32_t)mm_test_below(8), c->shift_e8);
        }
        break;
    case MM_KIND_WANT_OPEN:
        show_orders(c);
        host_end(h, MM_KIND_OPEN_END, chance(90) ? token : token + 1);
        break;
    case MM_KIND_WANT_TRADES:
        if (chance(20) && order.qty_e8 > order.executed_e8) {
            tell_fill(c, &order, MM_KIND_TRADE_ROW);
        }
        host_end(h, MM_KIND_TRADES_END, token);
        break;
    case MM_KIND_WANT_ACCOUNT:
        if (chance(10)) {
            host_balance(h, "BTC", MM_ONE_E8 + (int64_t)mm_test_below(1000), 0);
        }
        host_end(h, MM_KIND_ACCOUNT_END, token);
        break;
    case MM_KIND_WANT_PRICE:
        tell_price(c, action->body.balance.asset);
        break;
    case MM_KIND_WANT_CLOCK:
        host_clock(h);
        break;
    case MM_KIND_WANT_RULES: {
        mm_record records[MM_SYMBOL_RECORDS];
        symbol.step_e8 *= 1 + (int64_t)mm_test_below(2);
        symbol.tick_e8 *= 1 + (int64_t)mm_test_below(2);
        symbol.no_amend = chance(30);
        mm_symbol_write(&symbol, records);
        host_feed(h, records);
        host_command(h, MM_COMMAND_SYMBOL, chance(90));
        break;
    }
    default:
        break;
    }
}

static void answer(chaos *c, const mm_record *action)
{
    static const struct {
        uint16_t kind;
        int32_t operation;
    } operations[] = {{MM_KIND_PLACE, MM_OP_PLACE},   {MM_KIND_CANCEL, MM_OP_CANCEL}, {MM_KIND_AMEND, MM_OP_AMEND},
                      {MM_KIND_REPLACE, MM_OP_REPLACE}, {MM_KIND_QUERY, MM_OP_QUERY}};
    bool good = mm_test_below(10) < (uint64_t)c->calm;
    for (size_t i = 0; i < MM_TEST_COUNT(operations); i++) {
        if (action->kind == operations[i].kind && !good) {
            answer_badly(c, action, operations[i].operation);
            return;
        }
    }
    if (action->kind == MM_KIND_QUERY) {
        answer_query(c, action);
    } else if (good || chance(70)) {
        host_take(c->h, action);
        answer_want(c, action);
    }
}

static void move_market(chaos *c)
{
    host *h = c->h;
    int64_t step = chance(97) ? 20 : 4000;
    c->shift_e8 += ((int64_t)mm_test_below((uint64_t)(2 * step + 1)) - step) * TICK;
    if (chance(3)) {
        h->last_id += 5; /* a gap */
    }
    host_depth(h, MM_KIND_DEPTH, h->last_id + 1, h->last_id + 2, chance(95) ? 1 + (uint32_t)mm_test_below(30) : 0, c->shift_e8);
    h->last_id += 2;
}

static void tell_ticker(chaos *c)
{
    mm_record ticker = host_event(MM_KIND_TICKER);
    ticker.body.ticker.update_id = c->h->last_id + (int64_t)mm_test_below(5) - 2;
    ticker.body.ticker.bid_price_e8 = MID + c->shift_e8 - (int64_t)mm_test_below(6) * TICK;
    ticker.body.ticker.ask_price_e8 = MID + c->shift_e8 + (int64_t)mm_test_below(6) * TICK;
    ticker.body.ticker.bid_qty_e8 = chance(95) ? (int64_t)mm_test_below(200000) : 0;
    ticker.body.ticker.ask_qty_e8 = (int64_t)mm_test_below(200000);
    ticker.body.ticker.recv_ns = c->h->now_ns;
    host_feed(c->h, &ticker);
}

static void tell_budget(chaos *c)
{
    mm_record record = host_event(MM_KIND_BUDGET);
    int32_t *said = &record.body.budget.orders_10s;
    for (size_t i = 0; i < 8; i += 2) {
        said[i] = chance(30) ? -1 : (int32_t)mm_test_below(100);
        said[i + 1] = chance(80) ? -1 : 50 + (int32_t)mm_test_below(7000);
    }
    record.body.budget.recv_ns = c->h->now_ns;
    host_feed(c->h, &record);
}

static void give_command(chaos *c)
{
    static const int64_t commands[] = {MM_COMMAND_PAUSE,  MM_COMMAND_RESUME, MM_COMMAND_RESUME,
                                       MM_COMMAND_RESUME, MM_COMMAND_SYMBOL, MM_COMMAND_STRATEGY_FAULT};
    if (mm_test_below(40) == 0) {
        static const int64_t rare[] = {MM_COMMAND_STOP, MM_COMMAND_KILL, MM_COMMAND_ACCEPT_RESET};
        int64_t command = rare[mm_test_below(3)];
        c->ended |= command != MM_COMMAND_ACCEPT_RESET;
        host_command(c->h, command, (int64_t)mm_test_below(MM_REASON_COUNT + 2));
        return;
    }
    host_command(c->h, commands[mm_test_below(MM_TEST_COUNT(commands))], chance(90));
}

static void break_links(chaos *c)
{
    static const int64_t states[] = {MM_LINK_UP, MM_LINK_UP, MM_LINK_DOWN, MM_LINK_PONG, MM_LINK_REPLACED};
    int64_t channel = (int64_t)mm_test_below(3);
    int64_t state = states[mm_test_below(MM_TEST_COUNT(states))];
    uint16_t kind = channel == MM_CHANNEL_MARKET ? MM_KIND_MARKET_LINK : MM_KIND_ORDER_LINK;
    host_link(c->h, kind, channel, state);
}

static void happen_rarely(chaos *c)
{
    mm_record record;
    switch (mm_test_below(8)) {
    case 0:
        break_links(c);
        break;
    case 1:
        give_command(c);
        break;
    case 2:
        tell_budget(c);
        break;
    case 3:
        tell_report(c);
        break;
    case 4:
        tell_outcome(c, MM_KIND_LOST, any_order(c).seq, MM_OP_CANCEL);
        break;
    case 5:
        record = host_event(MM_KIND_BALANCE_DELTA);
        strcpy(record.body.balance.asset, chance(50) ? "BTC" : "BNB");
        record.body.balance.free_e8 = (int64_t)mm_test_below(2000);
        host_feed(c->h, &record);
        break;
    case 6:
        record = host_event(chance(30) ? MM_KIND_MARKET_FAULT : MM_KIND_LIMIT);
        record.body.outcome.until_ns = record.kind == MM_KIND_LIMIT ? c->h->now_ns + (int64_t)mm_test_below(2000) * MS : 0;
        host_feed(c->h, &record);
        break;
    default: {
        mm_order order = any_order(c);
        if (order.qty_e8 > order.executed_e8) {
            tell_fill(c, &order, MM_KIND_REPORT);
        }
        break;
    }
    }
}

static void tell_trade(chaos *c)
{
    mm_record record = host_event(MM_KIND_TRADE);
    record.flags = chance(50) ? MM_FLAG_BUYER_MAKER : 0;
    record.body.trade.trade_id = c->h->last_id;
    record.body.trade.price_e8 = MID + c->shift_e8;
    record.body.trade.qty_e8 = (int64_t)mm_test_below(1000000) + 1;
    record.body.trade.recv_ns = c->h->now_ns;
    host_feed(c->h, &record);
}

/* A Python strategy's answer: any levels, or none. */
static void give_quote(chaos *c)
{
    mm_record quote[3];
    memset(quote, 0, sizeof quote);
    quote[0].kind = MM_KIND_QUOTE;
    quote[0].count = 3;
    quote[0].body.command.command = (int64_t)mm_test_below(3);
    quote[0].body.command.value = (int64_t)mm_test_below(3);
    for (size_t side = 0; side < 2; side++) {
        quote[1 + side].kind = MM_KIND_LEVELS;
        for (size_t i = 0; i < 3; i++) {
            int64_t away_e8 = (int64_t)(mm_test_below(20000) * (i + 1)) * TICK / 10;
            quote[1 + side].body.levels[i].price_e8 = MID + c->shift_e8 + (side == 0 ? -away_e8 : away_e8);
            quote[1 + side].body.levels[i].qty_e8 = (int64_t)mm_test_below(300000);
        }
    }
    host_feed(c->h, quote);
}

static void decide(chaos *c)
{
    host *h = c->h;
    size_t count = 0;
    mm_record end = host_event(MM_KIND_BATCH_END);
    end.body.command.now_ns = h->now_ns;
    end.body.command.value = chance(90) ? 512 : (int64_t)mm_test_below(4);
    end.body.command.value2 = chance(90) ? 512 : (int64_t)mm_test_below(3);
    h->bits = mm_engine_step(h->engine, &end);
    const mm_record *made = mm_engine_actions(h->engine, &count);
    MM_REQUIRE(count <= HOST_ACTIONS_MAX);
    memcpy(h->actions, made, count * sizeof *made);
    MM_CHECK_INT(mm_engine_deadline(h->engine), >, h->now_ns);
    mm_engine_status status = host_status(h);
    MM_CHECK_INT(status.open_orders, <=, 2 * h->config.risk.open_orders_max);
    bool quiet = c->ended || status.state == MM_STATE_KILLED;
    for (size_t i = 0; i < count; i++) {
        MM_CHECK(!quiet || (h->actions[i].kind != MM_KIND_PLACE && h->actions[i].kind != MM_KIND_REPLACE));
        if (h->actions[i].kind == MM_KIND_PLACE) {
            MM_CHECK_INT(h->actions[i].body.action.qty_e8, <=, h->config.risk.order_qty_max_e8);
        }
    }
    if ((h->bits & MM_STEP_NEED_QUOTE) != 0 && chance(80)) {
        give_quote(c);
    }
    for (size_t i = 0; i < count; i++) {
        answer(c, &h->actions[i]);
    }
}

static void step(chaos *c)
{
    host *h = c->h;
    if (chance(15)) { /* up to what is due, and a little past it */
        int64_t due_ns = mm_engine_deadline(h->engine);
        h->now_ns = due_ns > h->now_ns && due_ns < h->now_ns + 10 * SECOND ? due_ns : h->now_ns + SECOND;
    } else {
        h->now_ns += (int64_t)mm_test_below(chance(95) ? 200 : 5000) * MS;
    }
    if (chance(80)) {
        move_market(c);
    }
    if (chance(30)) {
        tell_ticker(c);
    }
    if (chance(30)) {
        tell_trade(c);
    }
    if (chance(50)) {
        host_link(h, MM_KIND_MARKET_LINK, MM_CHANNEL_MARKET, MM_LINK_PONG);
    }
    if (mm_test_below(12) > (uint64_t)c->calm) {
        happen_rarely(c);
    }
    decide(c);
}

static mm_engine_config any_config(void)
{
    static const int64_t strategies[] = {MM_STRATEGY_INVENTORY_SKEW, MM_STRATEGY_AVELLANEDA_STOIKOV, MM_STRATEGY_PYTHON};
    mm_engine_config config = host_config();
    const char *bad_field = NULL;
    config.strategy = strategies[mm_test_below(3)];
    config.quote.layers = 1 + (int64_t)mm_test_below(3);
    config.inventory_target_e8 = chance(50) ? INT64_MIN : MM_ONE_E8 + (int64_t)mm_test_below(1000000);
    config.audit_ns = chance(50) ? 0 : 5 * SECOND;
    config.warm_ns = chance(50) ? 0 : 500 * MS;
    config.risk.quiet_max_ns = chance(70) ? 0 : 2 * SECOND;
    config.risk.open_orders_max = 2 + (int64_t)mm_test_below(5);
    config.risk.position_max_e8 = chance(50) ? config.risk.position_max_e8 : 200000;
    config.risk.loss_speed_max_e8 = chance(50) ? config.risk.loss_speed_max_e8 : MM_ONE_E8;
    config.risk.loss_session_max_e8 = chance(70) ? config.risk.loss_session_max_e8 : 2 * MM_ONE_E8;
    config.reconcile_open_ns = (1 + (int64_t)mm_test_below(10)) * SECOND;
    config.reconcile_trades_ns = (1 + (int64_t)mm_test_below(10)) * SECOND;
    config.reconcile_account_ns = (1 + (int64_t)mm_test_below(10)) * SECOND;
    config.accept_reset = chance(30);
    config.symbol.no_amend = chance(30);
    config.symbol.no_replace = chance(30);
    config.orders_max = chance(80) ? 32 : 4;
    config.tombstones = chance(80) ? 256 : 2;
    strcpy(config.fee_asset, chance(50) ? "BNB" : "");
    MM_CHECK(mm_quote_derive(&config.quote, &bad_field) == MM_OK);
    return config;
}

static void whatever_the_exchange_does_the_engine_stays_consistent_and_within_its_limits(void)
{
    for (int32_t run = 0; run < RUNS; run++) {
        mm_engine_config config = any_config();
        chaos c;
        memset(&c, 0, sizeof c);
        c.h = host_open(&config);
        c.trade_id = 1000;
        c.calm = 4 + (int32_t)mm_test_below(7);
        host_start(c.h);
        host_sync(c.h);
        for (int32_t i = 0; i < STEPS; i++) {
            step(&c);
            MM_CHECK(i % 16 != 0 || mm_engine_valid(c.h->engine));
        }
        host_close(c.h);
    }
}

int main(int argc, char **argv)
{
    static const mm_test tests[] = {
        MM_TEST(whatever_the_exchange_does_the_engine_stays_consistent_and_within_its_limits),
    };
    return mm_test_main(argc, argv, tests, MM_TEST_COUNT(tests));
}
