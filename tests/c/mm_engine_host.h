/* A host of the engine without threads, sockets or time, for its tests: it feeds events, plays the exchange where a test
 * does not, and keeps every action. */
#ifndef MM_ENGINE_HOST_H
#define MM_ENGINE_HOST_H

#include "mm_test.h"

#define MS INT64_C(1000000)
#define SECOND (1000 * MS)
#define TICK INT64_C(1000000)
#define MID INT64_C(6700000000000)
/* The exchange's clock less ours. */
#define HOST_CLOCK_NS INT64_C(1700000000000000000)

enum { HOST_ACTIONS_MAX = 8192 };

typedef struct host {
    mm_engine_config config;
    mm_engine *engine;
    int64_t now_ns;
    int64_t last_id;          /* of the book */
    int64_t next_exchange_id;
    mm_record actions[HOST_ACTIONS_MAX];
    size_t action_count;
    size_t batch_first;       /* first action of the last batch */
    uint32_t bits;            /* of the last batch */
} host;

static inline mm_engine_config host_config(void)
{
    mm_engine_config c;
    const char *bad_field = NULL;
    memset(&c, 0, sizeof c);
    strcpy(c.symbol.name, "BTCUSDT");
    strcpy(c.symbol.base, "BTC");
    strcpy(c.symbol.quote, "USDT");
    c.symbol.tick_e8 = TICK;
    c.symbol.step_e8 = 1000;
    c.symbol.price_min_e8 = TICK;
    c.symbol.price_max_e8 = INT64_C(100000000000000);
    c.symbol.qty_min_e8 = 1000;
    c.symbol.qty_max_e8 = INT64_C(900000000000);
    c.symbol.notional_min_e8 = 5 * MM_ONE_E8;
    c.symbol.orders_max = 200;
    c.symbol.maker_fee_e8 = 100000;
    c.symbol.taker_fee_e8 = 100000;
    c.signal.imbalance_levels = 5;
    c.signal.volatility_halflife_s = 10.0;
    c.signal.trade_flow_halflife_s = 5.0;
    c.signal.warmup_s = 0.0;
    c.budget.orders_10s_limit = 100;
    c.budget.orders_day_limit = 200000;
    c.budget.weight_1m_limit = 6000;
    c.budget.raw_5m_limit = 300000;
    c.budget.orders_pct = 50;
    c.risk.order_qty_max_e8 = 200000;
    c.risk.order_notional_max_e8 = INT64_C(1000) * MM_ONE_E8;
    c.risk.collar_order_bps = 100;
    c.risk.collar_period_bps = 300;
    c.risk.cross_guard_ticks = 1;
    c.risk.position_max_e8 = 5 * MM_ONE_E8;
    c.risk.position_notional_max_e8 = INT64_C(5000) * MM_ONE_E8;
    c.risk.reducing_pct = 80;
    c.risk.open_notional_max_e8 = INT64_C(10000) * MM_ONE_E8;
    c.risk.open_orders_max = 4;
    c.risk.in_flight_max = 2;
    c.risk.unknown_max = 1;
    c.risk.orders_per_1s_max = 25;
    c.risk.rejects_per_min_max = 10;
    c.risk.duplicate_window_ns = 100 * MS;
    c.risk.stale_book_ns = SECOND;
    c.risk.ticker_ahead_ns = 300 * MS;
    c.risk.stale_decision_ns = 50 * MS;
    c.risk.book_levels_min = 5;
    c.risk.malformed_per_min_max = 3;
    c.risk.loss_session_max_e8 = INT64_C(50) * MM_ONE_E8;
    c.risk.loss_day_max_e8 = INT64_C(100) * MM_ONE_E8;
    c.risk.drawdown_halt_pct = 2;
    c.risk.drawdown_kill_pct = 4;
    c.risk.loss_speed_max_e8 = INT64_C(20) * MM_ONE_E8;
    c.risk.loss_speed_pause_ns = 600 * SECOND;
    c.quote.order_qty_e8 = 100000;
    c.quote.max_position_e8 = 1000000;
    c.quote.layers = 1;
    c.quote.layer_step_bps = 3;
    c.quote.min_spread_bps = 20;
    c.quote.max_spread_bps = 100;
    c.quote.vol_mult = 1;
    c.quote.skew = 0.5;
    c.quote.risk_factor = 1.0;
    c.quote.kappa = 1.5;
    c.quote.horizon_s = 60;
    c.order.reply_timeout_ns = SECOND;
    c.order.recv_window_ns = SECOND;
    c.order.unknown_first_ns = 300 * MS;
    c.order.unknown_settle_ns = 12 * SECOND;
    c.order.tombstone_ns = 86400 * SECOND;
    c.refresh_tolerance_bps = 0.5;
    c.inventory_target_e8 = INT64_MIN;
    c.book_levels = 1000;
    c.sync_records = 8192;
    c.snapshot_levels = 1000;
    c.orders_max = 32;
    c.tombstones = 256;
    c.trade_ids = 1024;
    c.crossed_max_ns = 250 * MS;
    c.stop_confirm_ns = SECOND;
    c.reconcile_open_ns = 3600 * SECOND; /* where they matter a test sets them */
    c.reconcile_trades_ns = 3600 * SECOND;
    c.reconcile_account_ns = 3600 * SECOND;
    MM_CHECK(mm_quote_derive(&c.quote, &bad_field) == MM_OK);
    return c;
}

static inline host *host_open(const mm_engine_config *config)
{
    host *h = (host *)calloc(1, sizeof *h);
    const char *bad_field = NULL;
    h->config = *config;
    h->engine = mm_engine_new(config, &bad_field);
    h->now_ns = 1000 * SECOND;
    h->next_exchange_id = 5001;
    h->last_id = 100;
    if (h->engine == NULL) {
        printf("    bad field: %s\n", bad_field);
    }
    MM_CHECK(h->engine != NULL);
    return h;
}

static inline void host_close(host *h)
{
    MM_CHECK(mm_engine_valid(h->engine));
    mm_engine_free(h->engine);
    free(h);
}

static inline mm_record host_event(uint16_t kind)
{
    mm_record record;
    memset(&record, 0, sizeof record);
    record.kind = kind;
    record.count = 1;
    return record;
}

static inline void host_feed(host *h, const mm_record *event)
{
    (void)mm_engine_step(h->engine, event);
}

/* A decision at the present time, with room for so many actions and cancels. */
static inline void host_decide_in(host *h, int64_t action_room, int64_t cancel_room)
{
    mm_record end = host_event(MM_KIND_BATCH_END);
    size_t count = 0;
    end.body.command.now_ns = h->now_ns;
    end.body.command.value = action_room;
    end.body.command.value2 = cancel_room;
    h->bits = mm_engine_step(h->engine, &end);
    const mm_record *made = mm_engine_actions(h->engine, &count);
    h->batch_first = h->action_count;
    for (size_t i = 0; i < count && h->action_count < HOST_ACTIONS_MAX; i++) {
        h->actions[h->action_count++] = made[i];
    }
}

static inline void host_decide(host *h)
{
    host_decide_in(h, 512, 512);
}

static inline const mm_record *host_find(const host *h, uint16_t kind)
{
    for (size_t i = h->batch_first; i < h->action_count; i++) {
        if (h->actions[i].kind == kind) {
            return &h->actions[i];
        }
    }
    return NULL;
}

static inline size_t host_count(const host *h, uint16_t kind)
{
    size_t count = 0;
    for (size_t i = h->batch_first; i < h->action_count; i++) {
        count += h->actions[i].kind == kind;
    }
    return count;
}

/* Lets time pass, deciding whenever a decision is due. */
static inline void host_pass(host *h, int64_t span_ns)
{
    int64_t until_ns = h->now_ns + span_ns;
    while (mm_engine_deadline(h->engine) <= until_ns) {
        int64_t due_ns = mm_engine_deadline(h->engine);
        h->now_ns = due_ns > h->now_ns ? due_ns : h->now_ns;
        host_decide(h);
        if (h->action_count > h->batch_first) {
            return; /* the test has to look at what was wanted */
        }
    }
    h->now_ns = until_ns;
}

static inline void host_link(host *h, uint16_t kind, int64_t channel, int64_t state)
{
    mm_record record = host_event(kind);
    record.body.link.state = state;
    record.body.link.channel = channel;
    record.body.link.recv_ns = h->now_ns;
    record.body.link.detail = state == MM_LINK_PONG ? MS : 0; /* round trip */
    host_feed(h, &record);
}

/* Levels around MID: `count` a side, 10 ticks apart, the best 5 ticks off. */
static inline void host_depth(host *h, uint16_t kind, int64_t first_id, int64_t last_id, uint32_t count, int64_t shift_e8)
{
    static mm_record records[1 + 2 * 512];
    uint32_t used = (count + 2) / 3;
    memset(records, 0, sizeof records);
    records[0].kind = kind;
    records[0].count = 1 + 2 * used;
    records[0].body.depth.first_id = first_id;
    records[0].body.depth.last_id = last_id;
    records[0].body.depth.prev_id = -1;
    records[0].body.depth.recv_ns = h->now_ns;
    records[0].body.depth.bid_count = count;
    records[0].body.depth.ask_count = count;
    for (uint32_t i = 0; i < count; i++) {
        int64_t away_e8 = (5 + 10 * (int64_t)i) * TICK;
        mm_level bid = {MID + shift_e8 - away_e8, MM_ONE_E8};
        mm_level ask = {MID + shift_e8 + away_e8, MM_ONE_E8};
        records[1 + i / 3].kind = MM_KIND_LEVELS;
        records[1 + i / 3].body.levels[i % 3] = bid;
        records[1 + used + i / 3].kind = MM_KIND_LEVELS;
        records[1 + used + i / 3].body.levels[i % 3] = ask;
    }
    host_feed(h, records);
}

/* One diff that changes nothing but the update id. */
static inline void host_tick(host *h)
{
    host_depth(h, MM_KIND_DEPTH, h->last_id + 1, h->last_id + 1, 1, 0);
    h->last_id++;
}

static inline void host_end(host *h, uint16_t kind, int64_t token)
{
    mm_record record = host_event(kind);
    record.body.balance.token = token;
    host_feed(h, &record);
}

static inline void host_balance(host *h, const char *asset, int64_t free_e8, int64_t locked_e8)
{
    mm_record record = host_event(MM_KIND_BALANCE);
    strcpy(record.body.balance.asset, asset);
    record.body.balance.free_e8 = free_e8;
    record.body.balance.locked_e8 = locked_e8;
    host_feed(h, &record);
}

static inline void host_command(host *h, int64_t command, int64_t value)
{
    mm_record record = host_event(MM_KIND_COMMAND);
    record.body.command.command = command;
    record.body.command.value = value;
    record.body.command.now_ns = h->now_ns;
    host_feed(h, &record);
}

static inline void host_clock(host *h)
{
    mm_record record = host_event(MM_KIND_CLOCK);
    record.body.command.value = HOST_CLOCK_NS;
    host_feed(h, &record);
}

/* The last question of a read that is for no one order (its token is below zero); NULL: none was asked yet. */
static inline const mm_record *host_general(const host *h, uint16_t kind, size_t first)
{
    const mm_record *found = NULL;
    for (size_t i = first; i < h->action_count; i++) {
        bool general = h->actions[i].kind == kind && h->actions[i].body.command.command < 0;
        found = general ? &h->actions[i] : found;
    }
    return found;
}

/* Ends the read that `kind` asked for last, whenever that was. */
static inline void host_answer(host *h, uint16_t kind)
{
    const mm_record *asked = host_general(h, kind, 0);
    uint16_t end = kind == MM_KIND_WANT_OPEN     ? MM_KIND_OPEN_END
                   : kind == MM_KIND_WANT_TRADES ? MM_KIND_TRADES_END
                                                 : MM_KIND_ACCOUNT_END;
    if (MM_CHECK(asked != NULL)) {
        host_end(h, end, asked->body.command.command);
    }
}

/* Answers the open WANT_OPEN of the last batch with no rows. */
static inline void host_answer_open(host *h)
{
    const mm_record *asked = host_find(h, MM_KIND_WANT_OPEN);
    if (MM_CHECK(asked != NULL)) {
        host_end(h, MM_KIND_OPEN_END, asked->body.command.command);
    }
}

/* The best prices as a ticker tells them, `ahead` update ids after the book. */
static inline void host_ticker(host *h, int64_t ahead, mm_top top)
{
    mm_record record = host_event(MM_KIND_TICKER);
    record.body.ticker.update_id = h->last_id + ahead;
    record.body.ticker.bid_price_e8 = top.bid_price_e8;
    record.body.ticker.bid_qty_e8 = top.bid_qty_e8;
    record.body.ticker.ask_price_e8 = top.ask_price_e8;
    record.body.ticker.ask_qty_e8 = top.ask_qty_e8;
    record.body.ticker.recv_ns = h->now_ns;
    host_feed(h, &record);
}

/* The next best prices are five ticks off another mid. */
static inline void host_mid(host *h, int64_t mid_e8)
{
    const mm_top top = {mid_e8 - 5 * TICK, MM_ONE_E8, mid_e8 + 5 * TICK, MM_ONE_E8};
    host_ticker(h, 1, top);
}

/* Account read, channels up, no orders of earlier runs. */
static inline void host_start_with(host *h, int64_t base_e8, int64_t quote_e8)
{
    host_link(h, MM_KIND_ORDER_LINK, MM_CHANNEL_ORDER, MM_LINK_UP);
    host_link(h, MM_KIND_ORDER_LINK, MM_CHANNEL_USER, MM_LINK_UP);
    host_clock(h);
    host_balance(h, "BTC", base_e8, 0);
    host_balance(h, "USDT", quote_e8, 0);
    host_end(h, MM_KIND_ACCOUNT_END, 0);
    host_command(h, MM_COMMAND_START, 0);
    host_decide(h);
    host_answer_open(h);
    host_decide(h);
    host_pass(h, SECOND);
    host_answer_open(h);
    host_decide(h);
}

static inline void host_start(host *h)
{
    host_start_with(h, MM_ONE_E8, INT64_C(100000) * MM_ONE_E8);
}

/* Market connected and the book exact; decides once with it. */
static inline void host_sync(host *h)
{
    host_link(h, MM_KIND_MARKET_LINK, MM_CHANNEL_MARKET, MM_LINK_UP);
    host_depth(h, MM_KIND_DEPTH, h->last_id + 1, h->last_id + 2, 1, 0);
    h->last_id += 2;
    host_decide(h);
    MM_CHECK(host_find(h, MM_KIND_WANT_SNAPSHOT) != NULL);
    host_depth(h, MM_KIND_SNAPSHOT, h->last_id - 1, h->last_id - 1, 40, 0);
    host_decide(h);
}

static inline void host_outcome(host *h, uint16_t kind, uint64_t seq, int32_t operation, int32_t detail, int32_t code)
{
    mm_record record = host_event(kind);
    record.body.outcome.order_seq = seq;
    record.body.outcome.operation = operation;
    record.body.outcome.detail = detail;
    record.body.outcome.code = code;
    record.body.outcome.recv_ns = h->now_ns;
    host_feed(h, &record);
}

static inline void host_said(host *h, uint16_t kind, uint64_t seq, int64_t exchange_id, int16_t status, int64_t qty_e8)
{
    mm_record record = host_event(kind);
    record.body.report.order_seq = seq;
    record.body.report.exchange_id = exchange_id;
    record.body.report.status = status;
    record.body.report.qty_e8 = qty_e8;
    record.body.report.side = -1;
    host_feed(h, &record);
}

/* The number of the engine's order with this id at the exchange, 0 = none. */
static inline uint64_t host_seq_of(const host *h, int64_t exchange_id)
{
    mm_order open[64];
    size_t count = mm_engine_orders(h->engine, open, MM_TEST_COUNT(open));
    for (size_t i = 0; i < count; i++) {
        if (open[i].exchange_id == exchange_id) {
            return open[i].seq;
        }
    }
    return 0;
}

static inline void host_take(host *h, const mm_record *action)
{
    const mm_action_body *body = &action->body.action;
    switch (action->kind) {
    case MM_KIND_PLACE:
        host_outcome(h, MM_KIND_SENT, body->order_seq, MM_OP_PLACE, 0, 0);
        host_said(h, MM_KIND_ACK, body->order_seq, h->next_exchange_id++, MM_ORDER_LIVE, 0);
        break;
    case MM_KIND_REPLACE:
        host_outcome(h, MM_KIND_SENT, body->order_seq, MM_OP_REPLACE, 0, 0);
        host_said(h, MM_KIND_CANCELED, host_seq_of(h, body->exchange_id), body->exchange_id, MM_ORDER_CANCELED, 0);
        host_said(h, MM_KIND_ACK, body->order_seq, h->next_exchange_id++, MM_ORDER_LIVE, 0);
        break;
    case MM_KIND_AMEND:
        host_outcome(h, MM_KIND_SENT, body->order_seq, MM_OP_AMEND, 0, 0);
        host_said(h, MM_KIND_AMENDED, body->order_seq, body->exchange_id, MM_ORDER_FREE, body->qty_e8);
        break;
    case MM_KIND_CANCEL:
        if (body->order_seq != 0) {
            host_outcome(h, MM_KIND_SENT, body->order_seq, MM_OP_CANCEL, 0, 0);
            host_said(h, MM_KIND_CANCELED, body->order_seq, body->exchange_id, MM_ORDER_CANCELED, 0);
        }
        break;
    default:
        break;
    }
}

/* The exchange does what the last batch asks about orders. */
static inline void host_exchange(host *h)
{
    size_t last = h->action_count;
    for (size_t i = h->batch_first; i < last; i++) {
        host_take(h, &h->actions[i]);
    }
}

static inline mm_engine_status host_status(const host *h)
{
    mm_engine_status status;
    memset(&status, 0, sizeof status);
    mm_engine_read(h->engine, &status);
    return status;
}

static inline bool host_says(const host *h, int32_t reason)
{
    return (host_status(h).verdict & MM_BIT(reason)) != 0;
}

/* Started and synced, both sides' first orders on their way. */
static inline host *host_quoting(const mm_engine_config *config)
{
    host *h = host_open(config);
    host_start(h);
    host_sync(h);
    return h;
}

#endif /* MM_ENGINE_HOST_H */
