/* The engine without threads, sockets or a clock: records go in, actions come out.
 *
 * The program plays the exchange. It feeds the engine what a host would (connections, balances,
 * market data), closes a batch with the time, and answers the actions the engine then has: requests
 * for reads, orders to place and to cancel. Time is a number the program counts up, so the same run
 * gives the same actions every time. Build it with
 *
 *   cc -std=c99 embed_engine.c $(pkg-config --cflags --libs mmcore)
 */
#include <mmcore.h>
#include <stdio.h>
#include <string.h>

#define MS INT64_C(1000000)
#define SECOND (1000 * MS)
#define ONE_E8 ((int64_t)MM_ONE_E8)
#define MID_E8 (67000 * ONE_E8)
#define TICK_E8 INT64_C(1000000)
#define ROOM 64  /* actions of one batch */
#define LEVELS 9 /* of the little market below, a side: three records */

typedef struct program {
    mm_engine *engine;
    int64_t now_ns;
    int64_t update_id; /* of the market */
    int64_t exchange_id;
    int placed;
    int canceled;
} program;

/* ---- Configuration: every limit has to be set, none can be turned off ------------------------ */

static const mm_symbol symbol = {
    .name = "BTCUSDT",
    .base = "BTC",
    .quote = "USDT",
    .tick_e8 = TICK_E8,
    .step_e8 = 1000,
    .qty_min_e8 = 1000,
    .qty_max_e8 = INT64_C(900000000000),
    .notional_min_e8 = 500000000,
    .orders_max = 200,
    .maker_fee_e8 = 100000, /* 10 bps */
    .taker_fee_e8 = 100000,
};

static const mm_budget_config budget = {
    .orders_10s_limit = 100,
    .orders_day_limit = 200000,
    .weight_1m_limit = 6000,
    .raw_5m_limit = 300000,
    .orders_pct = 50,
};

static const mm_risk_config risk = {
    .order_qty_max_e8 = 200000,
    .order_notional_max_e8 = INT64_C(100000000000),
    .collar_order_bps = 100,
    .collar_period_bps = 300,
    .cross_guard_ticks = 1,
    .position_max_e8 = 500000000,
    .position_notional_max_e8 = INT64_C(500000000000),
    .reducing_pct = 80,
    .open_notional_max_e8 = INT64_C(1000000000000),
    .open_orders_max = 4,
    .in_flight_max = 2,
    .unknown_max = 1,
    .orders_per_1s_max = 25,
    .rejects_per_min_max = 10,
    .duplicate_window_ns = 100 * MS,
    .stale_book_ns = SECOND,
    .ticker_ahead_ns = 300 * MS,
    .stale_decision_ns = 50 * MS,
    .book_levels_min = 5,
    .malformed_per_min_max = 3,
    .loss_session_max_e8 = INT64_C(5000000000),
    .loss_day_max_e8 = INT64_C(10000000000),
    .drawdown_halt_pct = 2,
    .drawdown_kill_pct = 4,
    .loss_speed_max_e8 = INT64_C(2000000000),
    .loss_speed_pause_ns = 600 * SECOND,
};

static const mm_quote_config quote = {
    .order_qty_e8 = 100000, /* 0.001 BTC */
    .max_position_e8 = 1000000,
    .layers = 1,
    .layer_step_bps = 3,
    .min_spread_bps = 20,
    .max_spread_bps = 100,
    .vol_mult = 1,
    .skew = 0.5,
    /* of the other strategy, but checked all the same */
    .risk_factor = 1,
    .kappa = 1.5,
    .horizon_s = 60,
};

static mm_engine *open_engine(void)
{
    static const mm_order_config order = {
        .reply_timeout_ns = SECOND,
        .recv_window_ns = SECOND,
        .unknown_first_ns = 300 * MS,
        .unknown_settle_ns = 12 * SECOND,
        .tombstone_ns = 86400 * SECOND,
    };
    mm_engine_config config = {
        .symbol = symbol,
        .signal = {.imbalance_levels = 5, .volatility_halflife_s = 10, .trade_flow_halflife_s = 5},
        .budget = budget,
        .risk = risk,
        .quote = quote,
        .order = order,
        .strategy = MM_STRATEGY_INVENTORY_SKEW,
        .refresh_tolerance_bps = 0.5,
        .inventory_target_e8 = INT64_MIN, /* what is there at the start */
        .book_levels = 1000,
        .sync_records = MM_EVENT_RECORDS_MAX,
        .snapshot_levels = 1000,
        .orders_max = 32,
        .tombstones = 256,
        .trade_ids = 1024,
        .crossed_max_ns = 250 * MS,
        .stop_confirm_ns = SECOND,
        .reconcile_open_ns = 10 * SECOND,
        .reconcile_trades_ns = 60 * SECOND,
        .reconcile_account_ns = 30 * SECOND,
    };
    const char *bad_field = NULL;
    if (mm_quote_derive(&config.quote, &bad_field) != MM_OK) {
        printf("bad setting: %s\n", bad_field);
        return NULL;
    }
    mm_engine *engine = mm_engine_new(&config, &bad_field);
    if (engine == NULL) {
        printf("bad setting: %s\n", bad_field);
    }
    return engine;
}

/* ---- Events ---------------------------------------------------------------------------------- */

static mm_record event(uint16_t kind)
{
    mm_record record;
    memset(&record, 0, sizeof record);
    record.kind = kind;
    record.count = 1;
    return record;
}

static void feed(program *self, const mm_record *record)
{
    (void)mm_engine_step(self->engine, record);
}

static void feed_link(program *self, uint16_t kind, int64_t channel)
{
    mm_record record = event(kind);
    record.body.link.state = MM_LINK_UP;
    record.body.link.channel = channel;
    record.body.link.recv_ns = self->now_ns;
    feed(self, &record);
}

/* The answer to a ping that left 1 ms ago. */
static void feed_pong(program *self)
{
    mm_record record = event(MM_KIND_MARKET_LINK);
    record.body.link.state = MM_LINK_PONG;
    record.body.link.channel = MM_CHANNEL_MARKET;
    record.body.link.recv_ns = self->now_ns;
    record.body.link.detail = SECOND / 1000;
    feed(self, &record);
}

static void feed_balance(program *self, const char *asset, int64_t free_e8)
{
    mm_record record = event(MM_KIND_BALANCE);
    strcpy(record.body.balance.asset, asset);
    record.body.balance.free_e8 = free_e8;
    feed(self, &record);
}

/* A diff, or a snapshot, of LEVELS levels a side around the mid. mm_feed makes these from JSON: see
 * embed_book.c. */
static void feed_market(program *self, uint16_t kind, int64_t first_id)
{
    enum { SIDE_RECORDS = LEVELS / MM_LEVELS_PER_RECORD };
    mm_record records[1 + 2 * SIDE_RECORDS];
    memset(records, 0, sizeof records);
    records[0].kind = kind;
    records[0].count = 1 + 2 * SIDE_RECORDS;
    records[0].body.depth.first_id = first_id;
    records[0].body.depth.last_id = self->update_id;
    records[0].body.depth.prev_id = -1;
    records[0].body.depth.recv_ns = self->now_ns;
    records[0].body.depth.bid_count = LEVELS;
    records[0].body.depth.ask_count = LEVELS;
    for (int i = 0; i < LEVELS; i++) {
        int at = 1 + i / MM_LEVELS_PER_RECORD;
        mm_level bid = {MID_E8 - (5 + 10 * i) * TICK_E8, ONE_E8};
        mm_level ask = {MID_E8 + (5 + 10 * i) * TICK_E8, ONE_E8};
        records[at].kind = MM_KIND_LEVELS;
        records[at].body.levels[i % MM_LEVELS_PER_RECORD] = bid;
        records[at + SIDE_RECORDS].kind = MM_KIND_LEVELS;
        records[at + SIDE_RECORDS].body.levels[i % MM_LEVELS_PER_RECORD] = ask;
    }
    feed(self, records);
}

/* ---- The exchange: what becomes of an action ------------------------------------------------- */

static void answer_order(program *self, const mm_record *action)
{
    bool place = action->kind == MM_KIND_PLACE;
    mm_record sent = event(MM_KIND_SENT);
    sent.body.outcome.order_seq = action->body.action.order_seq;
    sent.body.outcome.operation = place ? MM_OP_PLACE : MM_OP_CANCEL;
    sent.body.outcome.recv_ns = self->now_ns;
    feed(self, &sent);
    mm_record reply = event(place ? MM_KIND_ACK : MM_KIND_CANCELED);
    reply.body.report.order_seq = action->body.action.order_seq;
    reply.body.report.exchange_id = place ? self->exchange_id++ : action->body.action.exchange_id;
    reply.body.report.status = place ? MM_ORDER_LIVE : MM_ORDER_CANCELED;
    reply.body.report.side = -1;
    feed(self, &reply);
    self->placed += place;
    self->canceled += !place;
}

static void print_order(const program *self, const mm_record *action)
{
    char price[MM_FIXED_TEXT_MAX];
    char qty[MM_FIXED_TEXT_MAX];
    int price_bytes = (int)mm_fixed_format(action->body.action.price_e8, 2, price);
    int qty_bytes = (int)mm_fixed_format(action->body.action.qty_e8, 5, qty);
    printf("%6.3f s  %s %s %.*s @ %.*s\n", (double)self->now_ns / (double)SECOND,
           action->kind == MM_KIND_PLACE ? "place " : "cancel",
           action->flags >> 8 == MM_BID ? "bid" : "ask", qty_bytes, qty, price_bytes, price);
}

static void answer(program *self, const mm_record *action)
{
    if (action->kind == MM_KIND_PLACE || action->kind == MM_KIND_CANCEL) {
        print_order(self, action);
        answer_order(self, action);
    } else if (action->kind == MM_KIND_WANT_OPEN) {
        /* No open orders of an earlier run: a list without rows. */
        mm_record end = event(MM_KIND_OPEN_END);
        end.body.balance.token = action->body.command.command;
        feed(self, &end);
    } else if (action->kind == MM_KIND_WANT_SNAPSHOT) {
        feed_market(self, MM_KIND_SNAPSHOT, self->update_id);
    } else if (action->kind == MM_KIND_STATE) {
        printf("%6.3f s  %s: %s\n", (double)self->now_ns / (double)SECOND,
               mm_state_name((int32_t)action->body.command.command),
               mm_reason_text(mm_reason_first(action->body.command.verdict)));
    }
}

/* Closes the batch: the engine decides now and only now. The answers to its actions are the next
 * batch. The actions are copied, since the next event makes new ones. */
static void decide(program *self)
{
    size_t count = 1;
    for (int batch = 0; batch < 8 && count > 0; batch++) {
        mm_record actions[2 * ROOM];
        mm_record end = event(MM_KIND_BATCH_END);
        end.body.command.now_ns = self->now_ns;
        end.body.command.value = ROOM;  /* for orders, queries and requests */
        end.body.command.value2 = ROOM; /* for cancels */
        feed(self, &end);
        const mm_record *made = mm_engine_actions(self->engine, &count);
        memcpy(actions, made, count * sizeof *made);
        for (size_t i = 0; i < count; i++) {
            answer(self, &actions[i]);
        }
    }
}

/* Nothing arrives until then; the engine is asked whenever it said that it must be. */
static void pass(program *self, int64_t until_ns)
{
    for (;;) {
        int64_t due_ns = mm_engine_deadline(self->engine);
        if (due_ns > until_ns) {
            break;
        }
        self->now_ns = due_ns;
        decide(self);
    }
    self->now_ns = until_ns;
    decide(self);
}

/* ---- The run --------------------------------------------------------------------------------- */

static void start(program *self)
{
    feed_link(self, MM_KIND_ORDER_LINK, MM_CHANNEL_ORDER);
    feed_link(self, MM_KIND_ORDER_LINK, MM_CHANNEL_USER);
    mm_record clock = event(MM_KIND_CLOCK);
    clock.body.command.value = INT64_C(1700000000000000000);
    feed(self, &clock);
    feed_balance(self, "BTC", ONE_E8);
    feed_balance(self, "USDT", 100000 * ONE_E8);
    mm_record account = event(MM_KIND_ACCOUNT_END);
    feed(self, &account);
    mm_record go = event(MM_KIND_COMMAND);
    go.body.command.command = MM_COMMAND_START;
    feed(self, &go);
    decide(self);
    /* The engine looks twice, a second apart, for orders an earlier run may have left. */
    pass(self, self->now_ns + SECOND + MS);
}

static bool check(const char *what, bool holds)
{
    if (!holds) {
        printf("WRONG: %s\n", what);
    }
    return holds;
}

static bool run(program *self)
{
    bool good = true;
    mm_engine_status status;
    start(self);

    /* The market connects. The first diff is kept while the engine asks for a snapshot. */
    feed_link(self, MM_KIND_MARKET_LINK, MM_CHANNEL_MARKET);
    self->update_id = 100;
    feed_market(self, MM_KIND_DEPTH, 99);
    decide(self);
    mm_engine_read(self->engine, &status);
    good &= check("both sides rest", self->placed == 2 && status.open_orders == 2);
    good &= check("the engine is active", status.state == MM_STATE_ACTIVE);

    /* Silence must stop quoting: 1 s without a sign of life and both quotes are pulled. */
    pass(self, self->now_ns + 2 * SECOND);
    mm_engine_read(self->engine, &status);
    good &= check("silence pulls both quotes", self->canceled == 2 && status.open_orders == 0);
    good &= check("and says why", mm_reason_first(status.verdict) == MM_REASON_STALE_BOOK);

    /* The next diff may have been held up on the way; the answer to a ping says that nothing is. */
    self->update_id++;
    feed_market(self, MM_KIND_DEPTH, self->update_id);
    feed_pong(self);
    decide(self);
    mm_engine_read(self->engine, &status);
    good &= check("it quotes again", self->placed == 4 && status.open_orders == 2);
    good &= check("all invariants hold", mm_engine_valid(self->engine));
    return good;
}

int main(void)
{
    program self;
    memset(&self, 0, sizeof self);
    self.now_ns = 10 * SECOND;
    self.exchange_id = 5001;
    self.engine = open_engine();
    if (self.engine == NULL) {
        return 1;
    }
    printf("mmcore %s\n", mm_build_info());
    bool good = run(&self);
    mm_engine_free(self.engine);
    return good ? 0 : 1;
}
