/* The engine: memory, one event in, actions out, the next deadline. */
#include "mm_engine.h"

#include <math.h>
#include <string.h>

/* ---- memory: one block, carved once ------------------------------------------------------- */

/* Sizes of the parts in the order they lie behind the engine's own struct. */
typedef struct parts {
    size_t engine, book, sync, orders, ledger, budget, risk;
} parts;

static parts parts_of(const mm_engine_config *config)
{
    parts p;
    p.engine = mm__round_line(sizeof(struct mm_engine));
    p.book = mm__round_line(mm_book_bytes((size_t)config->book_levels));
    p.sync = mm__round_line(mm_sync_bytes((size_t)config->sync_records));
    p.orders = mm__round_line(mm_orders_bytes((size_t)config->orders_max, (size_t)config->tombstones));
    p.ledger = mm__round_line(mm_ledger_bytes((size_t)config->trade_ids));
    p.budget = mm__round_line(mm_budget_bytes(&config->budget));
    p.risk = mm__round_line(mm_risk_bytes(&config->risk));
    return p;
}

/* `least_ns` or more. */
static bool is_span(int64_t span_ns, int64_t least_ns)
{
    return span_ns >= least_ns && mm__is_time(span_ns);
}

/* A second to a day. */
static bool is_period(int64_t period_ns)
{
    return period_ns >= 1000000000 && period_ns <= 86400000000000;
}

/* The first field outside its range, or NULL. */
static const char *bad_config_field(const mm_engine_config *config)
{
    if (mm_symbol_check(&config->symbol) != MM_OK) {
        return "symbol";
    }
    if (config->strategy < MM_STRATEGY_INVENTORY_SKEW || config->strategy > MM_STRATEGY_CUSTOM) {
        return "strategy";
    }
    if (!(config->refresh_tolerance_bps >= 0.0 && config->refresh_tolerance_bps <= 10000.0)) {
        return "refresh_tolerance_bps";
    }
    if (config->inventory_target_e8 < 0 && config->inventory_target_e8 != INT64_MIN) {
        return "inventory_target_e8";
    }
    if (config->book_levels < 1 || config->book_levels > 1000000) {
        return "book_levels";
    }
    if (config->sync_records < MM_EVENT_RECORDS_MAX || config->sync_records > (1 << 24)) {
        return "sync_records";
    }
    if (config->snapshot_levels < 1 || config->snapshot_levels > MM_SNAPSHOT_LEVELS_MAX) {
        return "snapshot_levels";
    }
    if (config->orders_max < 1 || config->orders_max > 2 * MM_PLAN_MAX) {
        return "orders_max";
    }
    if (config->tombstones < 1 || config->tombstones > (1 << 24)) {
        return "tombstones";
    }
    if (!is_span(config->crossed_max_ns, 1)) {
        return "crossed_max_ns";
    }
    if (!is_span(config->warm_ns, 0)) {
        return "warm_ns";
    }
    if (!is_span(config->stop_confirm_ns, 1)) {
        return "stop_confirm_ns";
    }
    if (!is_span(config->audit_ns, 0)) {
        return "audit_ns";
    }
    if (memchr(config->fee_asset, 0, sizeof config->fee_asset) == NULL) {
        return "fee_asset";
    }
    if (!is_period(config->reconcile_open_ns)) {
        return "reconcile_open_ns";
    }
    if (!is_period(config->reconcile_trades_ns)) {
        return "reconcile_trades_ns";
    }
    if (!is_period(config->reconcile_account_ns)) {
        return "reconcile_account_ns";
    }
    return mm__is_clock_offset(config->utc_offset_ns) ? NULL : "utc_offset_ns";
}

size_t mm_engine_bytes(const mm_engine_config *config)
{
    if (bad_config_field(config) != NULL) {
        return 0;
    }
    parts p = parts_of(config);
    return p.engine + 2 * p.book + p.sync + p.orders + p.ledger + p.budget + p.risk;
}

static void builtin_inventory_skew(void *state, const mm_quote_input *input, mm_quotes *quotes)
{
    mm_engine *engine = state;
    mm_quote_inventory_skew(&engine->config.quote, &engine->stance, input, quotes);
}

static void builtin_avellaneda_stoikov(void *state, const mm_quote_input *input, mm_quotes *quotes)
{
    const mm_engine *engine = state;
    mm_quote_avellaneda_stoikov(&engine->config.quote, input, quotes);
}

/* Where the embedder's strategy should stand: it quotes nothing and says why. */
static void no_strategy(void *state, const mm_quote_input *input, mm_quotes *quotes)
{
    MM_ASSERT(state != NULL && input != NULL);
    quotes->bid_verdict = MM_BIT(MM_REASON_STRATEGY_FAULT);
    quotes->ask_verdict = MM_BIT(MM_REASON_STRATEGY_FAULT);
}

static void choose_strategy(mm_engine *engine)
{
    engine->strategy.state = engine;
    engine->strategy.name = "none";
    engine->strategy.compute = no_strategy;
    if (engine->config.strategy == MM_STRATEGY_INVENTORY_SKEW) {
        engine->strategy.name = "inventory_skew";
        engine->strategy.compute = builtin_inventory_skew;
    } else if (engine->config.strategy == MM_STRATEGY_AVELLANEDA_STOIKOV) {
        engine->strategy.name = "avellaneda_stoikov";
        engine->strategy.compute = builtin_avellaneda_stoikov;
    }
}

/* What the engine's own fields decide: they have been checked. */
static uint8_t *init_market(mm_engine *engine, uint8_t *at)
{
    const mm_engine_config *config = &engine->config;
    parts p = parts_of(config);
    mm_status book = mm_book_init(at, p.book, (size_t)config->book_levels, config->symbol.tick_e8, &engine->book);
    at += p.book;
    mm_status spare = mm_book_init(at, p.book, (size_t)config->book_levels, config->symbol.tick_e8, &engine->spare);
    at += p.book;
    mm_status sync = mm_sync_init(at, p.sync, (size_t)config->sync_records, &engine->sync);
    MM_ASSERT(book == MM_OK && spare == MM_OK && sync == MM_OK);
    mm_status tick = mm_grid_init(&engine->tick, config->symbol.tick_e8);
    mm_status lot = mm_grid_init(&engine->lot, config->symbol.step_e8);
    MM_ASSERT(tick == MM_OK && lot == MM_OK);
    return at + p.sync;
}

/* What the parts' own configurations decide, which they check themselves. */
static mm_status init_parts(mm_engine *engine, uint8_t *memory, const char **bad_field)
{
    const mm_engine_config *config = &engine->config;
    parts p = parts_of(config);
    uint8_t *at = init_market(engine, memory + p.engine);
    *bad_field = "order";
    mm_status status = mm_orders_init(at, p.orders, (size_t)config->orders_max, (size_t)config->tombstones,
                                      &config->order, &engine->orders);
    at += p.orders;
    if (status == MM_OK) {
        *bad_field = "trade_ids";
        status = mm_ledger_init(at, p.ledger, (size_t)config->trade_ids, &config->symbol, &engine->ledger);
        at += p.ledger;
    }
    if (status == MM_OK) {
        *bad_field = "signal";
        status = mm_signal_init(&engine->signals, &config->signal);
    }
    if (status == MM_OK) {
        status = mm_budget_init(at, p.budget, &config->budget, &engine->budget, bad_field);
        at += p.budget;
    }
    if (status == MM_OK) {
        status = mm_risk_init(at, p.risk, &config->risk, &engine->risk, bad_field);
    }
    return status;
}

/* Another libm may round its last bits otherwise. */
static bool is_near(double value, double derived)
{
    return fabs(value - derived) <= 1e-9 * derived;
}

/* The first of the quotes' parameters that cannot be, or is not what the others make of it; NULL: none. */
static const char *bad_quote_field(const mm_quote_config *config)
{
    mm_quote_config derived = *config;
    const char *bad = NULL;
    if (mm_quote_derive(&derived, &bad) != MM_OK) {
        return bad;
    }
    if (!is_near(config->as_spread_const, derived.as_spread_const)) {
        return "as_spread_const";
    }
    for (size_t i = 0; i < MM_ARRAY_COUNT(derived.as_shape); i++) {
        bad = is_near(config->as_shape[i], derived.as_shape[i]) ? bad : "as_shape";
    }
    return bad;
}

mm_status mm_engine_init(void *memory, size_t memory_bytes, const mm_engine_config *config, mm_engine **engine,
                         const char **bad_field)
{
    *bad_field = bad_config_field(config);
    *bad_field = *bad_field != NULL ? *bad_field : bad_quote_field(&config->quote);
    if (*bad_field != NULL) {
        return MM_E_ARGUMENT;
    }
    if (!mm__memory_fits(memory, memory_bytes, mm_engine_bytes(config))) {
        *bad_field = "memory";
        return MM_E_ARGUMENT;
    }
    mm_engine *e = (mm_engine *)memory;
    memset(e, 0, sizeof *e);
    e->config = *config;
    mm_status status = init_parts(e, (uint8_t *)memory, bad_field);
    if (status != MM_OK) {
        return status;
    }
    *bad_field = NULL;
    if (config->fee_asset[0] != 0) {
        mm_ledger_price(e->ledger, config->fee_asset, 0);
    }
    e->ticker_id = -1;
    e->complete_id = -1;
    e->pending_ticker_id = -1;
    e->history_id = -1;
    e->target_e8 = config->inventory_target_e8;
    e->symbol_trading = 1;
    e->deadline_ns = INT64_MAX;
    choose_strategy(e);
    *engine = e;
    return MM_OK;
}

mm_engine *mm_engine_new(const mm_engine_config *config, const char **bad_field)
{
    size_t bytes = mm_engine_bytes(config);
    *bad_field = bad_config_field(config);
    if (bytes == 0) {
        return NULL;
    }
    void *memory = mm__memory_new(bytes);
    if (memory == NULL) {
        *bad_field = "memory";
        return NULL;
    }
    mm_engine *engine = NULL;
    if (mm_engine_init(memory, bytes, config, &engine, bad_field) != MM_OK) {
        mm__memory_free(memory);
        return NULL;
    }
    return engine;
}

void mm_engine_free(mm_engine *engine)
{
    mm__memory_free(engine);
}

void mm_engine_strategy(mm_engine *engine, const mm_strategy *strategy)
{
    MM_ASSERT(engine->config.strategy == MM_STRATEGY_CUSTOM);
    MM_ASSERT(strategy->compute != NULL);
    engine->strategy = *strategy;
}

/* ---- actions ------------------------------------------------------------------------------ */

mm_record *mm__engine_emit(mm_engine *engine, uint16_t kind)
{
    MM_ASSERT(engine->action_count < MM__ACTIONS_MAX);
    mm_record *record = &engine->actions[engine->action_count++];
    memset(record, 0, sizeof *record);
    record->seq = engine->action_seq++;
    record->kind = kind;
    record->count = 1;
    engine->counters.actions++;
    return record;
}

static void fill_action(mm_engine *engine, mm_record *record, const mm_order *order)
{
    record->flags = (uint16_t)((uint32_t)order->side << 8 | (uint32_t)order->layer);
    record->body.action.order_seq = order->seq;
    record->body.action.exchange_id = order->exchange_id;
    record->body.action.price_e8 = order->price_e8;
    record->body.action.qty_e8 = order->qty_e8;
    record->body.action.decision_ns = engine->now_ns;
    record->body.action.cause_ns = engine->cause_ns;
}

/* Without room it is decided again soon; while nothing may leave, when that is over. */
static bool may_ask(mm_engine *engine, int64_t room)
{
    bool banned = engine->now_ns < engine->ban_until_ns;
    engine->replan |= room < 1 && !banned;
    return room >= 1 && !banned;
}

/* A request about `order`, for which there is room. */
static mm_record *request(mm_engine *engine, uint16_t kind, int32_t operation, int64_t *room, const mm_order *order)
{
    MM_ASSERT(*room >= 1);
    mm_record *record = mm__engine_emit(engine, kind);
    (*room)--;
    fill_action(engine, record, order);
    mm_budget_sent(engine->budget, operation, engine->now_ns);
    return record;
}

/* false = no room, or nothing may leave. */
bool mm__engine_emit_cancel(mm_engine *engine, mm_order *order)
{
    if (!may_ask(engine, engine->cancel_room)) {
        return false;
    }
    (void)request(engine, MM_KIND_CANCEL, MM_OP_CANCEL, &engine->cancel_room, order);
    mm_orders_cancel(engine->orders, order, engine->now_ns);
    return true;
}

bool mm__engine_emit_query(mm_engine *engine, const mm_order *order)
{
    bool affordable = mm_budget_may_ask(engine->budget, MM_NEED_QUERY, MM_WEIGHT_AMEND, engine->now_ns);
    if (!affordable || !may_ask(engine, engine->action_room)) {
        return false;
    }
    (void)request(engine, MM_KIND_QUERY, MM_OP_QUERY, &engine->action_room, order);
    return true;
}

bool mm__engine_emit_amend(mm_engine *engine, mm_order *order, int64_t qty_e8)
{
    if (!may_ask(engine, engine->action_room)) {
        return false;
    }
    mm_record *record = request(engine, MM_KIND_AMEND, MM_OP_AMEND, &engine->action_room, order);
    record->body.action.qty_e8 = qty_e8;
    mm_orders_amend(engine->orders, order, qty_e8, engine->now_ns);
    engine->counters.amends++;
    return true;
}

/* A new order, in the place of `leaves` if that is not NULL. The caller has checked the room, and that nothing holds
 * orders back: an order in the table must go out. */
void mm__engine_emit_new(mm_engine *engine, const mm_order *order, const mm_order *leaves)
{
    MM_ASSERT(engine->now_ns >= engine->ban_until_ns);
    uint16_t kind = leaves != NULL ? MM_KIND_REPLACE : MM_KIND_PLACE;
    int32_t operation = leaves != NULL ? MM_OP_REPLACE : MM_OP_PLACE;
    mm_record *record = request(engine, kind, operation, &engine->action_room, order);
    if (leaves != NULL) {
        record->body.action.exchange_id = leaves->exchange_id;
        engine->counters.replaces++;
    }
}

/* Request weights of REST reads. */
static int64_t weight_of(uint16_t kind, int64_t levels)
{
    switch (kind) {
    case MM_KIND_WANT_SNAPSHOT:
        return mm__engine_snapshot_weight(levels);
    case MM_KIND_WANT_OPEN:
        return 6;
    case MM_KIND_WANT_CLOCK: /* eight looks at the time, and at the symbol's rules */
        return 28;
    case MM_KIND_WANT_PRICE: /* best prices of one symbol */
        return 2;
    default: /* trades, account, rules */
        return 20;
    }
}

mm_record *mm__engine_emit_read(mm_engine *engine, uint16_t kind, int64_t levels)
{
    if (!may_ask(engine, engine->action_room)) {
        return NULL;
    }
    mm_record *record = mm__engine_emit(engine, kind);
    engine->action_room--;
    mm_budget_read(engine->budget, weight_of(kind, levels), engine->now_ns);
    return record;
}

bool mm__engine_emit_want(mm_engine *engine, uint16_t kind, int64_t token, int64_t value2, uint64_t order_seq)
{
    mm_record *record = mm__engine_emit_read(engine, kind, value2);
    if (record == NULL) {
        return false;
    }
    record->body.command.now_ns = engine->now_ns;
    record->body.command.command = token;
    record->body.command.value2 = value2;
    record->body.command.order_seq = order_seq;
    return true;
}

/* ---- one event ---------------------------------------------------------------------------- */

static uint32_t batch_end(mm_engine *engine, const mm_record *event)
{
    const mm_command_body *body = &event->body.command;
    MM_ASSERT(body->value >= 0 && body->value2 >= 0);
    /* A clock that steps back must not make an age negative. */
    if (body->now_ns > engine->now_ns) {
        engine->now_ns = body->now_ns;
    }
    engine->action_room = mm__smaller(body->value, MM__ROOM_MAX);
    engine->cancel_room = mm__smaller(body->value2, MM__ROOM_MAX);
    engine->action_count = 0;
    mm__engine_decide(engine);
    uint32_t bits = 0;
    if (engine->action_count > 0) {
        bits |= MM_STEP_ACTIONS;
    }
    if (engine->need_quote) {
        bits |= MM_STEP_NEED_QUOTE;
    }
    return bits;
}

uint32_t mm_engine_step(mm_engine *engine, const mm_record *event)
{
    MM_ASSERT(event->count >= 1 && event->count <= MM_EVENT_RECORDS_MAX);
    engine->action_count = 0;
    engine->counters.events++;
    uint16_t kind = event->kind;
    if (kind == MM_KIND_BATCH_END) {
        return batch_end(engine, event);
    }
    MM_ASSERT(kind >= MM_KIND_DEPTH && kind <= MM_KIND_RULES);
    if (kind == MM_KIND_RULES) {
        mm__engine_rules(engine, event);
    } else if (kind == MM_KIND_QUOTE) {
        mm__engine_quote(engine, event);
    } else if (kind <= MM_KIND_MARKET_FAULT) {
        mm__engine_market(engine, event);
    } else if (kind <= MM_KIND_PRICE) {
        mm__engine_exec(engine, event);
    } else if (kind <= MM_KIND_CLOCK) {
        mm__engine_command(engine, event);
    } else {
        MM_ASSERT(kind == MM_KIND_TIMER);
    }
    return 0;
}

const mm_record *mm_engine_actions(const mm_engine *engine, size_t *action_count)
{
    *action_count = engine->action_count;
    return engine->actions;
}

int64_t mm_engine_deadline(const mm_engine *engine)
{
    return engine->deadline_ns;
}

const mm_book *mm_engine_book(const mm_engine *engine)
{
    return engine->book;
}
