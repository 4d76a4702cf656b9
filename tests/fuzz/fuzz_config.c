/* A configuration of any numbers: it is refused exactly when one of them lies outside its documented range, and then such a one is
 * named; else a run with it through any events, in a market of any prices, fails no assertion, keeps its parts consistent, and places
 * nothing over the limits that a single order has. */
#include "engine_events.h"

#include <float.h>
#include <math.h>

enum { ENGINE_BYTES_MAX = 1 << 23, ACTIONS_KEPT = 256 };

static const int64_t span_max = INT64_C(1) << 61;

/* ---- What the documents say ---- */

typedef struct {
    const char *told; /* the name a refusal gives */
    size_t at;
    int64_t low, high;
} whole_range;

typedef struct {
    const char *told;
    size_t at;
    double low, high;
    bool above_low; /* low itself is outside */
} real_range;

#define AT(field) offsetof(mm_engine_config, field)
#define RISK(field, high) {#field, AT(risk.field), 1, high}
#define ORDER(field) {"order", AT(order.field), 1, INT64_C(100000000000000000)}
#define BOUND(field) {"symbol", AT(symbol.field), 0, INT64_MAX}

static const whole_range wholes[] = {
    {"symbol", AT(symbol.tick_e8), 1, INT64_C(1) << 60},
    {"symbol", AT(symbol.step_e8), 1, INT64_C(1) << 60},
    BOUND(price_min_e8),
    BOUND(price_max_e8),
    BOUND(qty_min_e8),
    {"symbol", AT(symbol.qty_max_e8), 0, INT64_MAX / 2},
    BOUND(notional_min_e8),
    BOUND(notional_max_e8),
    BOUND(bid_up_e8),
    BOUND(bid_down_e8),
    BOUND(ask_up_e8),
    BOUND(ask_down_e8),
    BOUND(orders_max),
    {"symbol", AT(symbol.maker_fee_e8), -MM_ONE_E8 / 10, MM_ONE_E8 / 10},
    {"symbol", AT(symbol.taker_fee_e8), -MM_ONE_E8 / 10, MM_ONE_E8 / 10},
    {"symbol", AT(symbol.no_amend), 0, 1},
    {"symbol", AT(symbol.no_replace), 0, 1},
    {"signal", AT(signal.imbalance_levels), 1, 32},
    {"orders_10s_limit", AT(budget.orders_10s_limit), 1, 65536},
    {"orders_day_limit", AT(budget.orders_day_limit), 1, 1000000000},
    {"weight_1m_limit", AT(budget.weight_1m_limit), 1, 1000000000},
    {"raw_5m_limit", AT(budget.raw_5m_limit), 1, 1000000000},
    {"orders_pct", AT(budget.orders_pct), 1, 100},
    RISK(order_qty_max_e8, span_max),
    RISK(order_notional_max_e8, span_max),
    RISK(cross_guard_ticks, 1000000),
    RISK(position_max_e8, span_max),
    RISK(position_notional_max_e8, span_max),
    RISK(open_notional_max_e8, span_max),
    RISK(open_orders_max, span_max),
    RISK(in_flight_max, span_max),
    RISK(unknown_max, span_max),
    RISK(orders_per_1s_max, 100000),
    RISK(rejects_per_min_max, 1000000),
    RISK(duplicate_window_ns, 10 * SECOND),
    RISK(stale_book_ns, span_max),
    RISK(ticker_ahead_ns, span_max),
    {"quiet_max_ns", AT(risk.quiet_max_ns), 0, span_max},
    RISK(stale_decision_ns, span_max),
    RISK(book_levels_min, span_max),
    RISK(malformed_per_min_max, 1000000),
    RISK(loss_session_max_e8, span_max),
    RISK(loss_day_max_e8, span_max),
    RISK(loss_speed_max_e8, span_max),
    RISK(loss_speed_pause_ns, span_max),
    {"order_qty_e8", AT(quote.order_qty_e8), 1, INT64_C(1) << 62},
    {"max_position_e8", AT(quote.max_position_e8), 1, INT64_C(1) << 62},
    {"layers", AT(quote.layers), 1, MM_LAYERS_MAX},
    {"allow_negative_edge", AT(quote.allow_negative_edge), 0, 1},
    ORDER(reply_timeout_ns),
    ORDER(recv_window_ns),
    ORDER(unknown_first_ns),
    ORDER(unknown_settle_ns),
    ORDER(tombstone_ns),
    {"strategy", AT(strategy), MM_STRATEGY_INVENTORY_SKEW, MM_STRATEGY_CUSTOM},
    {"inventory_target_e8", AT(inventory_target_e8), 0, INT64_MAX}, /* or INT64_MIN */
    {"book_levels", AT(book_levels), 1, 1000000},
    {"sync_records", AT(sync_records), MM_EVENT_RECORDS_MAX, 1 << 24},
    {"snapshot_levels", AT(snapshot_levels), 1, MM_SNAPSHOT_LEVELS_MAX},
    {"orders_max", AT(orders_max), 1, 2 * MM_PLAN_MAX},
    {"tombstones", AT(tombstones), 1, 1 << 24},
    {"crossed_max_ns", AT(crossed_max_ns), 1, span_max},
    {"warm_ns", AT(warm_ns), 0, span_max},
    {"stop_confirm_ns", AT(stop_confirm_ns), 1, span_max},
    {"audit_ns", AT(audit_ns), 0, span_max},
    {"reconcile_open_ns", AT(reconcile_open_ns), SECOND, 86400 * SECOND},
    {"reconcile_trades_ns", AT(reconcile_trades_ns), SECOND, 86400 * SECOND},
    {"reconcile_account_ns", AT(reconcile_account_ns), SECOND, 86400 * SECOND},
    {"utc_offset_ns", AT(utc_offset_ns), 1 - (INT64_C(1) << 62), (INT64_C(1) << 62) - 1},
};

static const real_range reals[] = {
    {"signal", AT(signal.volatility_halflife_s), 0, 1e9, true},
    {"signal", AT(signal.trade_flow_halflife_s), 0, 1e9, true},
    {"signal", AT(signal.warmup_s), 0, 1e9, false},
    {"collar_order_bps", AT(risk.collar_order_bps), 0, 1e4, true},
    {"collar_period_bps", AT(risk.collar_period_bps), 0, 1e4, true},
    {"reducing_pct", AT(risk.reducing_pct), 0, 100, true},
    {"drawdown_halt_pct", AT(risk.drawdown_halt_pct), 0, 100, true},
    {"drawdown_kill_pct", AT(risk.drawdown_kill_pct), 0, 100, true},
    {"layer_step_bps", AT(quote.layer_step_bps), 0, DBL_MAX, true},
    {"min_spread_bps", AT(quote.min_spread_bps), 0, DBL_MAX, true},
    {"max_spread_bps", AT(quote.max_spread_bps), 0, DBL_MAX, true},
    {"vol_mult", AT(quote.vol_mult), 0, DBL_MAX, false},
    {"skew", AT(quote.skew), 0, DBL_MAX, false},
    {"alpha_weight", AT(quote.alpha_weight), -DBL_MAX, DBL_MAX, false},
    {"imbalance_weight", AT(quote.imbalance_weight), -DBL_MAX, DBL_MAX, false},
    {"risk_factor", AT(quote.risk_factor), 0, DBL_MAX, true},
    {"kappa", AT(quote.kappa), 0, DBL_MAX, true},
    {"horizon_s", AT(quote.horizon_s), 0, DBL_MAX, true},
    {"order_amount_shape_factor", AT(quote.order_amount_shape_factor), 0, DBL_MAX, false},
    {"min_spread_pct", AT(quote.min_spread_pct), 0, DBL_MAX, false},
    {"refresh_tolerance_bps", AT(refresh_tolerance_bps), 0, 1e4, false},
};

enum { WHOLES = sizeof wholes / sizeof wholes[0], REALS = sizeof reals / sizeof reals[0] };

static int64_t whole_of(const mm_engine_config *config, const whole_range *range)
{
    int64_t value;
    memcpy(&value, (const uint8_t *)config + range->at, sizeof value);
    return value;
}

static double real_of(const mm_engine_config *config, const real_range *range)
{
    double value;
    memcpy(&value, (const uint8_t *)config + range->at, sizeof value);
    return value;
}

static bool whole_is_good(const mm_engine_config *config, const whole_range *range)
{
    int64_t value = whole_of(config, range);
    bool of_account = range->at == AT(inventory_target_e8) && value == INT64_MIN; /* the balance at the start */
    return of_account || (value >= range->low && value <= range->high);
}

static bool real_is_good(const mm_engine_config *config, const real_range *range)
{
    double value = real_of(config, range);
    bool inside = value >= range->low && value <= range->high; /* not so for a NaN */
    return inside && !(range->above_low && value == range->low);
}

static bool crossed(int64_t low, int64_t high)
{
    return high != 0 && low > high;
}

/* The rules between two fields. `only`: those that such a name tells of, NULL = all. */
static bool pairs_are_good(const mm_engine_config *c, const char *only)
{
    const mm_symbol *s = &c->symbol;
    bool all = only == NULL, good = true;
    if (all || strcmp(only, "symbol") == 0) {
        good = good && !crossed(s->price_min_e8, s->price_max_e8) && !crossed(s->qty_min_e8, s->qty_max_e8) &&
               !crossed(s->notional_min_e8, s->notional_max_e8) && !crossed(s->bid_down_e8, s->bid_up_e8) &&
               !crossed(s->ask_down_e8, s->ask_up_e8);
    }
    if (all || strcmp(only, "trade_ids") == 0) {
        good = good && c->trade_ids > 0 && (c->trade_ids & (c->trade_ids - 1)) == 0;
    }
    if (all || strcmp(only, "max_spread_bps") == 0) {
        good = good && c->quote.max_spread_bps >= c->quote.min_spread_bps;
    }
    if (all || strcmp(only, "drawdown_halt_pct") == 0) {
        good = good && c->risk.drawdown_halt_pct <= c->risk.drawdown_kill_pct;
    }
    if (all || strcmp(only, "risk_factor") == 0) {
        good = good && isfinite(2.0 / c->quote.risk_factor * log1p(c->quote.risk_factor / c->quote.kappa));
    }
    return good;
}

/* Whether something a refusal may name so is bad; `told` NULL: whether anything is. */
static bool is_bad(const mm_engine_config *config, const char *told)
{
    bool bad = !pairs_are_good(config, told);
    for (size_t i = 0; i < WHOLES; i++) {
        bad |= (told == NULL || strcmp(told, wholes[i].told) == 0) && !whole_is_good(config, &wholes[i]);
    }
    for (size_t i = 0; i < REALS; i++) {
        bad |= (told == NULL || strcmp(told, reals[i].told) == 0) && !real_is_good(config, &reals[i]);
    }
    return bad;
}

/* ---- Any configuration ---- */

/* At an end of its range, or anywhere within. */
static void change_whole(fuzz_input *in, mm_engine_config *config)
{
    const whole_range *range = &wholes[fuzz_below(in, WHOLES)];
    uint8_t how = fuzz_u8(in);
    int64_t value = how < 90 ? range->high : how < 130 ? range->low : fuzz_i64_in(in, range->low, range->high);
    memcpy((uint8_t *)config + range->at, &value, sizeof value);
}

static void change_real(fuzz_input *in, mm_engine_config *config)
{
    const real_range *range = &reals[fuzz_below(in, REALS)];
    uint8_t how = fuzz_u8(in);
    double value = how < 60 ? range->high : range->above_low ? DBL_MIN : range->low;
    if (how >= 100) {
        value = (double)fuzz_i64(in) * 1e-3;
        value = value < range->low ? -value : value;
        value = value > range->high ? range->high : value;
    }
    memcpy((uint8_t *)config + range->at, &value, sizeof value);
}

static mm_engine_config any_config(fuzz_input *in)
{
    mm_engine_config config = host_config();
    config.book_levels = config.snapshot_levels = 64;
    config.sync_records = MM_EVENT_RECORDS_MAX;
    config.tombstones = config.trade_ids = 16;
    config.strategy = (int64_t)fuzz_below(in, 4);
    for (uint64_t changes = fuzz_below(in, 24); changes > 0; changes--) {
        if (fuzz_below(in, WHOLES + REALS) < WHOLES) {
            change_whole(in, &config);
        } else {
            change_real(in, &config);
        }
    }
    if (fuzz_u8(in) > 250) {
        config.trade_ids = fuzz_i64_in(in, INT64_MIN, 1 << 20);
    }
    return config;
}

/* ---- What is refused ---- */

/* An engine that ends where the room does, so that AddressSanitizer sees the first byte beyond it. What an earlier one left there is
 * as good as anything: a new one relies on nothing. */
static bool init_checked(const mm_engine_config *config, mm_engine **engine)
{
    static uint8_t *room;
    const char *bad = NULL;
    bool refused = is_bad(config, NULL);
    size_t bytes = mm_engine_bytes(config);
    room = room == NULL ? fuzz_memory(ENGINE_BYTES_MAX) : room;
    if (bytes > ENGINE_BYTES_MAX) {
        return false;
    }
    mm_status status = mm_engine_init(room + ENGINE_BYTES_MAX - bytes, bytes, config, engine, &bad);
    FUZZ_EQUAL(status, refused ? MM_E_ARGUMENT : MM_OK);
    FUZZ_EQUAL(bad != NULL, refused);
    FUZZ_CHECK(!refused || is_bad(config, bad));
    return !refused;
}

/* With one number just beside its range, or no number. */
static void check_beside(fuzz_input *in, const mm_engine_config *good)
{
    mm_engine *engine = NULL;
    const char *bad = NULL;
    size_t first = fuzz_below(in, WHOLES + REALS);
    for (size_t i = 0; i < 8; i++) {
        mm_engine_config config = *good;
        size_t field = (first + i / 2) % (WHOLES + REALS);
        if (field < WHOLES) {
            const whole_range *range = &wholes[field];
            int64_t value = i % 2 == 0 ? range->high + (range->high < INT64_MAX) : range->low - (range->low > INT64_MIN);
            memcpy((uint8_t *)&config + range->at, &value, sizeof value);
        } else {
            const real_range *range = &reals[field - WHOLES];
            double below = range->above_low ? range->low : nextafter(range->low, -INFINITY);
            double value = i % 2 == 0 ? nextafter(range->high, INFINITY) : fuzz_bool(in) ? below : NAN;
            memcpy((uint8_t *)&config + range->at, &value, sizeof value);
        }
        (void)mm_quote_derive(&config.quote, &bad);
        (void)init_checked(&config, &engine);
    }
}

/* ---- A run ---- */

typedef struct {
    mm_engine_config config;
    mm_engine *engine;
    engine_events events;
    mm_record actions[ACTIONS_KEPT]; /* of the last decision */
    size_t action_count;
    int64_t next_id;
} config_run;

/* A strategy that wants anything. */
static void wants_anything(void *state, const mm_quote_input *input, mm_quotes *quotes)
{
    fuzz_input *in = state;
    quotes->bid_count = (uint32_t)fuzz_below(in, MM_LAYERS_MAX + 1);
    quotes->ask_count = (uint32_t)fuzz_below(in, MM_LAYERS_MAX + 1);
    for (uint32_t i = 0; i < MM_LAYERS_MAX; i++) {
        mm_level level = {fuzz_i64(in), fuzz_i64(in)};
        quotes->bids[i] = quotes->asks[i] = level;
        quotes->bids[i].price_e8 = i % 2 == 0 ? level.price_e8 : input->top.bid_price_e8;
    }
    quotes->bid_verdict = quotes->bid_count == 0 ? MM_BIT(MM_REASON_STRATEGY_PASS) : 0;
    quotes->ask_verdict = quotes->ask_count == 0 ? MM_BIT(MM_REASON_STRATEGY_PASS) : 0;
}

/* What no single order may exceed. */
static void check_order(const config_run *run, const mm_record *action)
{
    const mm_action_body *body = &action->body.action;
    const mm_risk_config *limits = &run->config.risk;
    const mm_symbol *symbol = &run->events.symbol;
    FUZZ_CHECK(body->price_e8 > 0 && body->price_e8 % symbol->tick_e8 == 0);
    FUZZ_CHECK(body->qty_e8 > 0 && body->qty_e8 % symbol->step_e8 == 0);
    FUZZ_CHECK(body->qty_e8 <= limits->order_qty_max_e8);
    FUZZ_CHECK((fuzz_i128)body->price_e8 * body->qty_e8 <= (fuzz_i128)limits->order_notional_max_e8 * MM_ONE_E8);
    FUZZ_CHECK(symbol->qty_max_e8 == 0 || body->qty_e8 <= symbol->qty_max_e8);
}

static void note_decision(config_run *run)
{
    size_t count = 0;
    const mm_record *made = mm_engine_actions(run->engine, &count);
    FUZZ_CHECK(mm_engine_deadline(run->engine) > run->events.now_ns);
    run->action_count = count < ACTIONS_KEPT ? count : ACTIONS_KEPT;
    memcpy(run->actions, made, run->action_count * sizeof made[0]);
    for (size_t i = 0; i < count; i++) {
        if (made[i].kind == MM_KIND_PLACE || made[i].kind == MM_KIND_REPLACE) {
            check_order(run, &made[i]);
        }
    }
}

/* Gives the engine what has been put. */
static void feed(config_run *run)
{
    engine_events *events = &run->events;
    for (size_t at = 0; at < events->count; at += events->records[at].count) {
        const mm_record *event = &events->records[at];
        mm_symbol symbol = events->symbol;
        if (event->kind == MM_KIND_RULES && mm_symbol_read(&symbol, event) == MM_OK) {
            events->symbol = symbol;
        }
        (void)mm_engine_step(run->engine, event);
        if (event->kind == MM_KIND_BATCH_END) {
            note_decision(run);
        }
    }
    events->count = 0;
}

static void put_outcome(config_run *run, uint16_t kind, uint64_t seq, int32_t operation, int32_t detail)
{
    mm_outcome_body *body = &put(&run->events, kind, 1)->body.outcome;
    body->order_seq = seq;
    body->operation = operation;
    body->detail = detail;
    body->recv_ns = run->events.now_ns;
}

static void put_report(config_run *run, uint16_t kind, const mm_action_body *order, int64_t exchange_id, int16_t status)
{
    mm_report_body *body = &put(&run->events, kind, 1)->body.report;
    body->order_seq = order->order_seq;
    body->exchange_id = exchange_id;
    body->status = status;
    body->side = -1;
    body->qty_e8 = order->qty_e8;
    body->executed_e8 = -1;
}

static void put_fill(config_run *run, const mm_record *action, int64_t exchange_id)
{
    const mm_action_body *order = &action->body.action;
    mm_record *made = put(&run->events, MM_KIND_REPORT, 2);
    bool whole = fuzz_bool(&run->events.in);
    made->flags = MM_FLAG_FILL | MM_FLAG_MAKER;
    made->body.report.order_seq = order->order_seq;
    made->body.report.exchange_id = exchange_id;
    made->body.report.price_e8 = order->price_e8;
    made->body.report.qty_e8 = whole ? order->qty_e8 : 1 + order->qty_e8 / 2;
    made->body.report.executed_e8 = made->body.report.qty_e8;
    made->body.report.status = whole ? MM_ORDER_FILLED : MM_ORDER_LIVE;
    made->body.report.side = (int16_t)(action->flags >> 8);
    made[1].kind = MM_KIND_MORE;
    made[1].body.fill.trade_id = run->next_id;
    made[1].body.fill.quote_e8 = -1;
    made[1].body.fill.fee_e8 = fuzz_between(&run->events.in, 0, 40);
    strcpy(made[1].body.fill.fee_asset, fuzz_bool(&run->events.in) ? "USDT" : "BNB");
}

/* What the exchange says of a new order, if it says anything. */
static void answer_order(config_run *run, const mm_record *action, int32_t operation)
{
    const mm_action_body *order = &action->body.action;
    uint8_t how = fuzz_u8(&run->events.in);
    int64_t id = run->next_id++;
    if (how < 30) {
        put_outcome(run, MM_KIND_NOT_SENT, order->order_seq, operation, 0);
        return;
    }
    put_outcome(run, MM_KIND_SENT, order->order_seq, operation, 0);
    if (how < 60) {
        put_outcome(run, MM_KIND_REJECT, order->order_seq, operation, (int32_t)fuzz_below(&run->events.in, 10));
    } else if (how < 80) {
        put_outcome(run, MM_KIND_LOST, order->order_seq, operation, 0);
    } else if (how < 240) {
        put_report(run, MM_KIND_ACK, order, id, MM_ORDER_LIVE);
        if (how >= 180) {
            put_fill(run, action, id);
        }
    }
}

static void answer(config_run *run, const mm_record *action)
{
    const mm_action_body *order = &action->body.action;
    int64_t token = action->body.command.command;
    switch (action->kind) {
    case MM_KIND_PLACE:
        answer_order(run, action, MM_OP_PLACE);
        break;
    case MM_KIND_REPLACE:
        answer_order(run, action, MM_OP_REPLACE);
        break;
    case MM_KIND_CANCEL:
        put_report(run, MM_KIND_CANCELED, order, order->exchange_id, MM_ORDER_CANCELED);
        break;
    case MM_KIND_AMEND:
        put_report(run, MM_KIND_AMENDED, order, order->exchange_id, MM_ORDER_FREE);
        break;
    case MM_KIND_WANT_OPEN:
        put_end(&run->events, MM_KIND_OPEN_END, token);
        break;
    case MM_KIND_WANT_TRADES:
        put_end(&run->events, MM_KIND_TRADES_END, token);
        break;
    case MM_KIND_WANT_ACCOUNT:
        put_end(&run->events, MM_KIND_ACCOUNT_END, token);
        break;
    case MM_KIND_WANT_SNAPSHOT:
        put_depth(&run->events, MM_KIND_SNAPSHOT, run->events.last_id, run->events.last_id, 20);
        break;
    default:
        break;
    }
}

static void decide(config_run *run)
{
    put_batch_end(&run->events);
    feed(run);
}

static void answer_all(config_run *run)
{
    size_t count = run->action_count;
    for (size_t i = 0; i < count; i++) {
        answer(run, &run->actions[i]);
        feed(run);
    }
    run->action_count = 0;
}

/* A decision of a Python strategy. */
static void put_quote(config_run *run)
{
    mm_record *made = put(&run->events, MM_KIND_QUOTE, 3);
    made->body.command.command = made->body.command.value = 1;
    mm_level bid = {price_at(&run->events, -fuzz_between(&run->events.in, 0, 40)), fuzz_i64(&run->events.in)};
    mm_level ask = {price_at(&run->events, fuzz_between(&run->events.in, 0, 40)), fuzz_i64(&run->events.in)};
    made[1].kind = made[2].kind = MM_KIND_LEVELS;
    made[1].body.levels[0] = bid;
    made[2].body.levels[0] = ask;
}

static void put_price(config_run *run)
{
    engine_events *events = &run->events;
    int64_t spacings = fuzz_between(&events->in, -60, 60);
    if (fuzz_bool(&events->in)) {
        mm_trade_body *trade = &put(events, MM_KIND_TRADE, 1)->body.trade;
        trade->trade_id = run->next_id++;
        trade->price_e8 = price_at(events, spacings);
        trade->qty_e8 = fuzz_i64_in(&events->in, 1, INT64_MAX);
        trade->recv_ns = events->now_ns;
        return;
    }
    mm_ticker_body *ticker = &put(events, MM_KIND_TICKER, 1)->body.ticker;
    ticker->update_id = events->last_id + fuzz_between(&events->in, -1, 2);
    ticker->bid_price_e8 = price_at(events, spacings);
    ticker->ask_price_e8 = price_at(events, spacings + 1);
    ticker->bid_qty_e8 = fuzz_i64_in(&events->in, 0, INT64_MAX);
    ticker->ask_qty_e8 = fuzz_i64_in(&events->in, 0, INT64_MAX);
    ticker->recv_ns = events->now_ns;
}

static void put_diff(config_run *run)
{
    engine_events *events = &run->events;
    put_depth(events, MM_KIND_DEPTH, events->last_id + 1, events->last_id + 1, 1 + (uint32_t)fuzz_below(&events->in, 8));
    events->last_id++;
}

static void pass(config_run *run)
{
    engine_events *events = &run->events;
    uint8_t how = fuzz_u8(&events->in);
    int64_t step_ns = how < 200 ? how * MS : how < 230 ? how * SECOND : fuzz_i64_in(&events->in, 0, INT64_C(1) << 56);
    events->now_ns = events->now_ns + step_ns < span_max ? events->now_ns + step_ns : span_max;
    put_link(events, MM_KIND_MARKET_LINK, MM_CHANNEL_MARKET, MM_LINK_PONG);
    decide(run);
}

static void one_step(config_run *run)
{
    uint8_t what = fuzz_u8(&run->events.in);
    if (what < 60) {
        put_diff(run);
    } else if (what < 80) {
        put_price(run);
    } else if (what < 90) {
        put_quote(run);
    } else if (what < 110) {
        (void)put_any(&run->events);
    } else if (what < 200) {
        decide(run);
        answer_all(run);
        return;
    } else {
        pass(run);
    }
    feed(run);
}

static void take_market(config_run *run)
{
    engine_events *events = &run->events;
    int64_t tick = run->config.symbol.tick_e8;
    fuzz_i128 mid = (fuzz_i128)fuzz_i64_in(&events->in, 1, INT64_MAX) / tick * tick;
    bool as_usual = fuzz_u8(&events->in) < 100;
    events->mid_e8 = as_usual ? MID : mid > 0 ? (int64_t)mid : tick;
    events->spacing_e8 = as_usual ? TICK : tick;
    events->now_ns = fuzz_u8(&events->in) < 200 ? 1000 * SECOND : fuzz_i64_in(&events->in, 0, span_max);
    events->last_id = 100;
    events->symbol = run->config.symbol;
    run->next_id = 1;
}

static void play(config_run *run)
{
    engine_events *events = &run->events;
    take_market(run);
    if (run->config.strategy == MM_STRATEGY_CUSTOM) {
        mm_strategy any = {"anything", &events->in, wants_anything};
        mm_engine_strategy(run->engine, &any);
    }
    bool poor = fuzz_u8(&events->in) < 100;
    put_account(events, poor ? MM_ONE_E8 : fuzz_i64_in(&events->in, 0, INT64_MAX),
                poor ? INT64_C(100000) * MM_ONE_E8 : fuzz_i64_in(&events->in, 0, INT64_MAX));
    feed(run);
    for (int i = 0; i < 3; i++) {
        answer_all(run);
        events->now_ns += events->now_ns < span_max - 2 * SECOND ? SECOND : 0;
        decide(run);
    }
    put_market(events);
    feed(run);
    while (events->in.left > 0) {
        one_step(run);
    }
    FUZZ_CHECK(mm_engine_valid(run->engine));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static config_run run;
    const char *bad = NULL;
    memset(&run.events, 0, offsetof(engine_events, records));
    run.events.in.at = data;
    run.events.in.left = size;
    run.action_count = 0;
    run.config = any_config(&run.events.in);
    check_beside(&run.events.in, &run.config);
    (void)mm_quote_derive(&run.config.quote, &bad);
    if (init_checked(&run.config, &run.engine)) {
        play(&run);
    }
    return 0;
}
