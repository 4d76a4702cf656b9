/* BATCH_END: why not to quote, what to quote, and when to decide again. What it takes to get there, mm_engine_move.c
 * finds.
 *
 * A verdict that concerns everything pulls all quotes. Otherwise the strategy's wishes are fitted to the symbol. */
#include "mm_engine.h"

#include <string.h>

/* How soon a decision that had no room is taken again. */
#define REPLAN_NS 1000000
#define DAY_NS 86400000000000

void mm__engine_view(const mm_engine *engine, const mm_top *top, mm_risk_view *view)
{
    view->symbol = &engine->config.symbol;
    view->orders = engine->orders;
    view->ledger = engine->ledger;
    view->top = *top;
    view->position_e8 = mm__engine_inventory(engine);
    view->now_ns = engine->now_ns;
    view->replaces = NULL;
}

/* ---- time spent --------------------------------------------------------------------------- */

static void count_time(mm_engine *engine, int64_t from_ns)
{
    if (engine->synced_ns == 0) {
        return;
    }
    int64_t since_ns = from_ns > engine->synced_ns ? from_ns : engine->synced_ns;
    int64_t spent_ns = engine->now_ns - since_ns;
    if (spent_ns <= 0) {
        return;
    }
    engine->counters.synced_time_ns += spent_ns;
    int64_t *quoted_ns[2] = {&engine->counters.quoted_bid_ns, &engine->counters.quoted_ask_ns};
    for (int32_t side = MM_BID; side <= MM_ASK; side++) {
        if (engine->side_resting[side]) {
            *quoted_ns[side] += spent_ns;
            continue;
        }
        int32_t reason = mm_reason_first(engine->side_verdict[side]);
        MM_ASSERT(reason >= MM_REASON_NONE && reason < MM_REASON_COUNT);
        engine->counters.reason_ns[reason == MM_REASON_NONE ? MM_REASON_IN_FLIGHT : reason] += spent_ns;
    }
}

/* ---- verdict ------------------------------------------------------------------------------ */

static bool is_halted(const mm_engine *engine)
{
    return engine->halt_bits != 0 || engine->now_ns < engine->loss_speed_until_ns;
}

/* The state says HALTED or KILLED; the verdict says why. */
static uint64_t life_verdict(mm_engine *engine)
{
    uint64_t verdict = engine->pause_bits | engine->halt_bits;
    if (mm_panic_killed()) {
        engine->killed = 1;
        engine->kill_bits |= MM_BIT(MM_REASON_PANIC);
    }
    if (engine->killed) {
        verdict |= engine->kill_bits;
    }
    if (engine->stopping) {
        verdict |= MM_BIT(MM_REASON_STOPPING);
    }
    if (engine->now_ns < engine->loss_speed_until_ns) {
        verdict |= MM_BIT(MM_REASON_LOSS_SPEED);
    }
    MM_ASSERT(verdict != 0 || (!engine->killed && !is_halted(engine)));
    return verdict;
}

/* P&L by trading, and equity as trading alone made it: deposits do not move them, nor does what the inventory target
 * alone has gained or lost since the start; it is held by intent, and the loss limits judge trading. false: one of
 * them does not fit. */
static bool count_equity(mm_engine *engine, int64_t mid_e8, int64_t *equity_e8, int64_t *traded_e8)
{
    mm_pnl pnl;
    int64_t start_e8 = 0, move_e8 = 0, held_e8 = 0;
    if (!mm_ledger_pnl(engine->ledger, mid_e8, &pnl) || !mm_ledger_equity(engine->ledger, mid_e8, equity_e8)) {
        return false;
    }
    bool fits = mm_fixed_sub(*equity_e8, pnl.total_e8, &start_e8) == MM_OK;
    if (engine->start_equity_e8 == 0) {
        engine->start_equity_e8 = start_e8;
    }
    fits &= mm_fixed_sub(mid_e8, engine->first_mid_e8, &move_e8) == MM_OK;
    fits &= mm_fixed_mul(engine->target_e8, move_e8, MM_ROUND_FLOOR, &held_e8) == MM_OK;
    fits &= mm_fixed_sub(pnl.total_e8, held_e8, traded_e8) == MM_OK;
    fits &= mm_fixed_add(engine->start_equity_e8, *traded_e8, equity_e8) == MM_OK;
    return fits;
}

static void judge_equity(mm_engine *engine, int64_t mid_e8)
{
    int64_t equity_e8 = 0, traded_e8 = 0, until_ns = 0;
    bool kill = false;
    if (engine->first_mid_e8 == 0) {
        return; /* profit begins with the next mid */
    }
    if (!count_equity(engine, mid_e8, &equity_e8, &traded_e8)) {
        mm__engine_kill(engine, MM_REASON_LOSS_LIMIT); /* money that cannot be counted is not risked */
        return;
    }
    int64_t utc_day = (engine->now_ns + engine->config.utc_offset_ns) / DAY_NS;
    uint64_t bits =
        mm_risk_equity(engine->risk, equity_e8, traded_e8, utc_day, engine->now_ns, &kill, &until_ns);
    if (kill) {
        engine->killed = 1;
        engine->kill_bits |= bits;
    } else if ((bits & MM_BIT(MM_REASON_DRAWDOWN)) != 0) {
        engine->halt_bits |= MM_BIT(MM_REASON_DRAWDOWN);
    }
    if (until_ns > engine->loss_speed_until_ns) {
        engine->loss_speed_until_ns = until_ns;
    }
}

static uint64_t observed_verdict(mm_engine *engine, uint64_t market_verdict)
{
    mm_top top;
    if (market_verdict != 0) {
        return 0;
    }
    bool known = mm__engine_top(engine, &top);
    MM_ASSERT(known); /* else the market's verdict would say so */
    int64_t mid_e8 = top.bid_price_e8 + (top.ask_price_e8 - top.bid_price_e8) / 2;
    if (engine->started) {
        judge_equity(engine, mid_e8);
    }
    uint64_t verdict = mm_risk_market(engine->risk, mid_e8, engine->now_ns);
    uint64_t halting = verdict & (MM_BIT(MM_REASON_REJECT_RATE) | MM_BIT(MM_REASON_MALFORMED));
    engine->halt_bits |= halting;
    return verdict;
}

/* Observations first: what they find may halt, and the life verdict says so at once. */
static uint64_t whole_verdict(mm_engine *engine)
{
    uint64_t market = mm__engine_market_verdict(engine);
    uint64_t verdict = market | observed_verdict(engine, market) | mm__engine_account_verdict(engine);
    /* Malformed messages halt even while there is no book to judge by. */
    uint64_t malformed = mm_risk_market(engine->risk, 0, engine->now_ns) & MM_BIT(MM_REASON_MALFORMED);
    engine->halt_bits |= malformed;
    return verdict | malformed | life_verdict(engine);
}

static int32_t state_of(const mm_engine *engine, const mm_top *top)
{
    if (engine->stopped) {
        return MM_STATE_STOPPED;
    }
    if (engine->stopping) {
        return MM_STATE_STOPPING;
    }
    if (engine->killed) {
        return MM_STATE_KILLED;
    }
    if (!engine->started || !engine->start_confirmed) {
        return MM_STATE_INIT;
    }
    if (is_halted(engine)) {
        return MM_STATE_HALTED;
    }
    if (mm_sync_state(engine->sync) != MM_SYNC_SYNCED) {
        return MM_STATE_SYNCING;
    }
    mm_risk_view view;
    mm__engine_view(engine, top, &view);
    return mm_risk_reducing(engine->risk, &view) ? MM_STATE_REDUCING : MM_STATE_ACTIVE;
}

static void say_state(mm_engine *engine, const mm_top *top)
{
    uint64_t verdict = engine->verdict | engine->tell_bits;
    engine->state = state_of(engine, top);
    MM_ASSERT(engine->state >= MM_STATE_INIT && engine->state <= MM_STATE_KILLED);
    MM_ASSERT(engine->state != MM_STATE_ACTIVE || engine->start_confirmed);
    if (engine->state == engine->said_state && verdict == engine->said_verdict) {
        return;
    }
    if (engine->action_room < 1) {
        engine->replan = 1;
        return;
    }
    mm_record *record = mm__engine_emit(engine, MM_KIND_STATE);
    engine->action_room--;
    engine->said_state = engine->state;
    engine->said_verdict = verdict;
    engine->tell_bits = 0;
    record->body.command.now_ns = engine->now_ns;
    record->body.command.command = engine->state;
    record->body.command.verdict = verdict;
}

/* ---- wanted quotes ------------------------------------------------------------------------ */

static void own_levels(const mm_engine *engine, int32_t side, mm_level *out, size_t *count)
{
    mm_order *open[2 * MM_PLAN_MAX];
    size_t found = mm_orders_open(engine->orders, side, open, MM_ARRAY_COUNT(open));
    *count = 0;
    for (size_t i = 0; i < found; i++) {
        if (open[i]->state == MM_ORDER_LIVE) {
            out[*count].price_e8 = open[i]->price_e8;
            out[*count].qty_e8 = open[i]->qty_e8 - open[i]->executed_e8;
            (*count)++;
        }
    }
}

static void fill_input(const mm_engine *engine, const mm_top *top, mm_quote_input *input)
{
    mm_level bids[2 * MM_PLAN_MAX], asks[2 * MM_PLAN_MAX];
    size_t bid_count = 0, ask_count = 0;
    own_levels(engine, MM_BID, bids, &bid_count);
    own_levels(engine, MM_ASK, asks, &ask_count);
    input->book = engine->book;
    input->symbol = &engine->config.symbol;
    input->top = *top;
    input->position_e8 = mm__engine_inventory(engine);
    input->now_ns = engine->now_ns;
    input->tick = engine->tick;
    input->lot = engine->lot;
    mm_signal_read(&engine->signals, engine->book, bids, bid_count, asks, ask_count, engine->now_ns, &input->signal);
}

static void pull(mm_quotes *quotes, uint64_t verdict)
{
    memset(quotes, 0, sizeof *quotes);
    quotes->bid_verdict = verdict;
    quotes->ask_verdict = verdict;
}

/* While the position is too large the side that adds to it is pulled, orders that rest already included. */
static void reduce(const mm_engine *engine, const mm_top *top, mm_quotes *quotes)
{
    mm_risk_view view;
    mm__engine_view(engine, top, &view);
    if (!mm_risk_reducing(engine->risk, &view)) {
        return;
    }
    if (view.position_e8 >= 0) {
        quotes->bid_count = 0;
        quotes->bid_verdict = MM_BIT(MM_REASON_REDUCING);
    }
    if (view.position_e8 <= 0) {
        quotes->ask_count = 0;
        quotes->ask_verdict = MM_BIT(MM_REASON_REDUCING);
    }
}

/* The strategy's wishes for this moment, fitted to the symbol. A Python strategy is asked through the host: its last
 * answer holds until the next, and a question stays open until it is answered. */
static void want(mm_engine *engine, const mm_top *top, mm_quotes *quotes)
{
    uint64_t others = engine->verdict & ~MM_BIT(MM_REASON_STRATEGY_FAULT);
    bool python = engine->config.strategy == MM_STRATEGY_PYTHON;
    if (python && others == 0 && (engine->market_changed || !engine->python_have)) {
        engine->need_quote = 1;
    }
    if (engine->verdict != 0) {
        pull(quotes, engine->verdict);
        engine->python_have = 0; /* an answer is about the market it was asked in */
        engine->need_quote = others == 0 ? engine->need_quote : 0;
        return;
    }
    mm_quote_input input;
    fill_input(engine, top, &input);
    if (!python) {
        memset(quotes, 0, sizeof *quotes);
        engine->strategy.compute(engine->strategy.state, &input, quotes);
    } else if (engine->python_have) {
        *quotes = engine->python_quotes;
    } else {
        pull(quotes, MM_BIT(MM_REASON_WARMUP));
        return;
    }
    mm_quote_fit(&input, engine->config.risk.cross_guard_ticks, quotes);
    reduce(engine, top, quotes);
    MM_ASSERT(quotes->bid_count <= MM_LAYERS_MAX && quotes->ask_count <= MM_LAYERS_MAX);
    MM_ASSERT((quotes->bid_count > 0 || quotes->bid_verdict != 0) && (quotes->ask_count > 0 || quotes->ask_verdict != 0));
}

static bool same_side(const mm_level *a, uint32_t a_count, const mm_level *b, uint32_t b_count)
{
    return a_count == b_count && memcmp(a, b, a_count * sizeof *a) == 0;
}

static void note_wanted(mm_engine *engine, const mm_quotes *quotes)
{
    const mm_quotes *last = &engine->wanted;
    if (!same_side(quotes->bids, quotes->bid_count, last->bids, last->bid_count) ||
        !same_side(quotes->asks, quotes->ask_count, last->asks, last->ask_count)) {
        engine->counters.quotes++;
    }
    engine->wanted = *quotes;
}

/* ---- stop and deadline -------------------------------------------------------------------- */

static void settle_stop(mm_engine *engine)
{
    if (!engine->stopping || engine->stopped) {
        return;
    }
    bool filled = engine->was_reset || mm_orders_unfilled_reports(engine->orders) == 0;
    bool clear = mm_orders_count(engine->orders, -1, -1) == 0 && filled && engine->leftover_count == 0;
    if (!clear) {
        memset(&engine->stop_check, 0, sizeof engine->stop_check);
        return;
    }
    if (!engine->stop_check.active) {
        memset(&engine->stop_check, 0, sizeof engine->stop_check);
        engine->stop_check.active = 1;
    }
    mm__engine_confirm(engine, &engine->stop_check);
}

static void set_deadline(mm_engine *engine)
{
    int64_t at = mm__smaller(mm__engine_market_deadline(engine), mm__engine_exec_deadline(engine));
    if (engine->verdict == 0) {
        at = mm__smaller(at, mm_risk_deadline(engine->risk, engine->now_ns));
    }
    at = mm__smaller(at, mm__engine_move_deadline(engine));
    if (engine->now_ns < engine->loss_speed_until_ns) {
        at = mm__smaller(at, engine->loss_speed_until_ns);
    }
    if (engine->replan) {
        at = mm__smaller(at, engine->now_ns + REPLAN_NS);
    }
    if (at <= engine->now_ns) {
        /* Overdue for want of room, or because nothing may leave. */
        bool banned = engine->now_ns < engine->ban_until_ns;
        at = banned ? engine->ban_until_ns : engine->now_ns + REPLAN_NS;
    }
    MM_ASSERT(at > engine->now_ns);
    engine->deadline_ns = at;
}

void mm__engine_decide(mm_engine *engine)
{
    mm_top top;
    mm_quotes quotes;
    int64_t before_ns = engine->counters.now_ns;
    MM_ASSERT(engine->now_ns >= before_ns);
    engine->counters.now_ns = engine->now_ns;
    count_time(engine, before_ns);
    engine->replan = 0;
    engine->counters.dust_e8 = 0;
    mm__engine_due(engine);
    mm__engine_want_snapshot(engine);
    engine->verdict = whole_verdict(engine);
    if (engine->strategy_fault) {
        engine->verdict |= MM_BIT(MM_REASON_STRATEGY_FAULT);
    }
    (void)mm__engine_top(engine, &top);
    say_state(engine, &top);
    want(engine, &top, &quotes);
    note_wanted(engine, &quotes);
    mm__engine_move(engine, &top);
    settle_stop(engine);
    set_deadline(engine);
    engine->market_changed = 0;
    engine->cause_ns = 0;
    MM_ASSERT(engine->action_count <= MM__ACTIONS_MAX);
}

/* A Python strategy's answer. */
void mm__engine_quote(mm_engine *engine, const mm_record *event)
{
    const mm_command_body *body = &event->body.command;
    mm_quotes *quotes = &engine->python_quotes;
    bool counts = body->command >= 0 && body->command <= MM_LAYERS_MAX && body->value >= 0 && body->value <= MM_LAYERS_MAX;
    bool whole = counts && mm__level_records((size_t)body->command) + mm__level_records((size_t)body->value) < event->count;
    MM_ASSERT(whole);
    if (!whole) {
        return;
    }
    memset(quotes, 0, sizeof *quotes);
    quotes->bid_count = (uint32_t)body->command;
    quotes->ask_count = (uint32_t)body->value;
    quotes->bid_verdict = quotes->bid_count == 0 ? MM_BIT(MM_REASON_STRATEGY_PASS) : 0;
    quotes->ask_verdict = quotes->ask_count == 0 ? MM_BIT(MM_REASON_STRATEGY_PASS) : 0;
    size_t bid_records = mm__level_records((size_t)quotes->bid_count);
    for (uint32_t i = 0; i < quotes->bid_count; i++) {
        quotes->bids[i] = event[1 + i / MM_LEVELS_PER_RECORD].body.levels[i % MM_LEVELS_PER_RECORD];
    }
    for (uint32_t i = 0; i < quotes->ask_count; i++) {
        quotes->asks[i] = event[1 + bid_records + i / MM_LEVELS_PER_RECORD].body.levels[i % MM_LEVELS_PER_RECORD];
    }
    engine->python_have = 1;
    engine->need_quote = 0;
    engine->strategy_fault = 0;
}

/* What a Python strategy is asked about; false when no question is open. */
bool mm__engine_quote_input(const mm_engine *engine, mm_quote_input *input)
{
    mm_top top;
    bool open = engine->need_quote != 0 && mm__engine_top(engine, &top);
    if (open) {
        fill_input(engine, &top, input);
    }
    return open;
}
