/* The engine's account side: what became of our orders, what we own, and when that is not certain.
 *
 * Doubt has one shape: an order whose outcome is open is UNKNOWN and keeps counting; mm_order says what is due for
 * it. A channel that was down may have swallowed reports, so when it is back every open order is treated as UNKNOWN
 * and account and trades are read again before anything is quoted. */
#include "mm_engine.h"

#include <string.h>

/* How long a limit binds when its end cannot be told. */
#define LIMIT_WAIT_NS 60000000000
/* A trade this old that a read shows and no report has told: the report was lost. */
#define REPORT_LATE_NS 2000000000
/* An order that once rested and is now found nowhere for this long: the account was reset (queries lag up to 8 s). */
#define VANISHED_NS 10000000000

void mm__engine_halt(mm_engine *engine, int32_t reason)
{
    engine->halt_bits |= MM_BIT(reason);
}

void mm__engine_kill(mm_engine *engine, int32_t reason)
{
    engine->killed = 1;
    engine->kill_bits |= MM_BIT(reason);
}

/* ---- fills and balances ------------------------------------------------------------------- */

static void start_inventory(mm_engine *engine)
{
    if (engine->target_e8 == INT64_MIN) {
        engine->target_e8 = mm_ledger_base(engine->ledger);
    }
}

int64_t mm__engine_inventory(const mm_engine *engine)
{
    if (engine->target_e8 == INT64_MIN) {
        return 0;
    }
    int64_t base_e8 = mm_ledger_base(engine->ledger);
    MM_ASSERT(base_e8 >= 0 && engine->target_e8 >= 0);
    return base_e8 - engine->target_e8;
}

void mm__engine_difference(const mm_engine *engine, uint64_t *more)
{
    mm_balance balances[MM_ASSETS_MAX];
    size_t count = mm_ledger_balances(engine->ledger, balances, MM_ASSETS_MAX);
    memset(more, 0, MM_ASSETS_MAX * sizeof more[0]);
    for (size_t i = 0; i < count; i++) {
        /* Either sum fits, their difference need not: it is compared, not counted with. */
        uint64_t held = (uint64_t)balances[i].free_e8 + (uint64_t)balances[i].locked_e8;
        more[i] = held - (uint64_t)balances[i].ledger_e8;
    }
}

/* Notes what the account has more of than the ledger, asset by asset; true when that has changed. */
static bool is_another_difference(mm_engine *engine)
{
    uint64_t more[MM_ASSETS_MAX];
    mm__engine_difference(engine, more);
    bool another = engine->mismatch_since_ns == 0 || memcmp(more, engine->mismatch, sizeof more) != 0;
    memcpy(engine->mismatch, more, sizeof more);
    return another;
}

void mm__engine_check_balances(mm_engine *engine)
{
    if (mm_ledger_equal(engine->ledger)) {
        engine->mismatch_since_ns = 0;
        engine->mismatch_reads = 0;
        engine->times_forgotten = 0;
    } else if (is_another_difference(engine)) {
        engine->mismatch_since_ns = engine->now_ns > 0 ? engine->now_ns : 1;
        engine->mismatch_reads = 0;
    }
}

/* A trade that a read shows may have been told by its report a moment later: then nothing was wrong. */
static bool is_late(const mm_engine *engine, const mm_fill_body *fill)
{
    int64_t server_ns = engine->now_ns + engine->clock_offset_ns;
    return engine->clock_known && fill->time_us <= (server_ns - REPORT_LATE_NS) / 1000;
}

static void apply_fill(mm_engine *engine, const mm_record *event, mm_order *order)
{
    const mm_report_body *report = &event->body.report;
    MM_ASSERT(event->count == 2);
    MM_ASSERT(event->kind == MM_KIND_REPORT || event->kind == MM_KIND_TRADE_ROW);
    mm_status status = MM_OK;
    bool first = order->executed_e8 == 0;
    if (!mm_ledger_fill(engine->ledger, order->side, report->price_e8, report->qty_e8, &event[1].body.fill,
                        &status)) {
        return; /* applied before */
    }
    if (status != MM_OK) {
        mm__engine_kill(engine, MM_REASON_LEDGER_MISMATCH);
        return;
    }
    if (first) {
        mm_budget_fill(engine->budget, (event->flags & MM_FLAG_MAKER) != 0, engine->now_ns);
    }
    engine->counters.fills++;
    engine->counters.reconcile_repairs += event->kind == MM_KIND_TRADE_ROW && is_late(engine, &event[1].body.fill);
    engine->market_changed = 1;
    if (!mm_orders_filled(engine->orders, order, report->qty_e8, engine->now_ns)) {
        mm__engine_halt(engine, MM_REASON_LEDGER_MISMATCH); /* more than was ordered */
    }
}

static void on_balance(mm_engine *engine, const mm_record *event)
{
    const mm_balance_body *body = &event->body.balance;
    mm_status status = event->kind == MM_KIND_BALANCE ? mm_ledger_balance(engine->ledger, body)
                                                      : mm_ledger_deposit(engine->ledger, body);
    if (status != MM_OK) {
        mm__engine_halt(engine, MM_REASON_LEDGER_MISMATCH);
    }
    mm__engine_check_balances(engine);
    engine->market_changed = 1;
}

/* ---- orders ------------------------------------------------------------------------------- */

/* Refusals that the engine's own view of its orders and balances should have foreseen. */
static bool is_surprise(int32_t reject_class)
{
    return reject_class == MM_REJECT_OTHER || reject_class == MM_REJECT_BALANCE || reject_class == MM_REJECT_FILTER;
}

/* A refusal for what stops all quoting anyway, and did before it came: orders that had left together are refused
 * together. Only the first of them counts, so that a lasting fault is told from one step of a clock. Asked before
 * the event is taken in. */
static bool is_known_already(const mm_engine *engine, const mm_record *event)
{
    if (event->kind != MM_KIND_REJECT) {
        return false;
    }
    switch (event->body.outcome.detail) {
    case MM_REJECT_CLOCK:
        return !engine->clock_known;
    case MM_REJECT_MARKET_CLOSED:
        return !engine->symbol_trading;
    case MM_REJECT_LIMIT:
        return engine->now_ns < engine->ban_until_ns;
    default:
        return false;
    }
}

static void refused(mm_engine *engine, const mm_order_change *change, bool known_already)
{
    const mm_order *order = change->order;
    MM_ASSERT(order != NULL && change->ended);
    engine->counters.orders_rejected++;
    if (change->not_attempted || known_already) {
        return; /* not attempted: its old order could not be cancelled, nobody judged it */
    }
    mm_risk_reject(engine->risk, change->reject_class, order->side, order->layer, engine->now_ns);
    if (change->reject_class == MM_REJECT_WOULD_MATCH) {
        engine->counters.would_match++;
    } else if (change->reject_class == MM_REJECT_MARKET_CLOSED) {
        engine->symbol_trading = 0;
        engine->rules_wanted = 1;
    } else if (is_surprise(change->reject_class)) {
        mm__engine_read_soon(engine, MM__READ_OPEN);
        mm__engine_read_soon(engine, MM__READ_ACCOUNT);
        engine->rules_wanted |= change->reject_class == MM_REJECT_FILTER;
    }
}

static void watch_codes(mm_engine *engine, const mm_record *event)
{
    const mm_outcome_body *body = &event->body.outcome;
    if (event->kind != MM_KIND_REJECT && event->kind != MM_KIND_CANCEL_REJECT && event->kind != MM_KIND_AMEND_REJECT) {
        return;
    }
    if (body->detail == MM_REJECT_CREDENTIALS) {
        mm__engine_halt(engine, MM_REASON_CREDENTIALS);
    } else if (body->detail == MM_REJECT_CLOCK) {
        engine->clock_known = 0;
        engine->clock_wanted = 1;
    } else if (body->detail == MM_REJECT_LIMIT && body->until_ns > 0) {
        /* Without a clock the exchange's time says nothing: its usual minute. */
        int64_t until_ns = engine->clock_known ? body->until_ns - engine->clock_offset_ns
                                               : engine->now_ns + LIMIT_WAIT_NS;
        engine->ban_until_ns = until_ns > engine->ban_until_ns ? until_ns : engine->ban_until_ns;
    }
}

/* Ids only rise on an exchange that remembers; one that starts again has lost our account's past. Only an order
 * decided on after the highest id was known tells: those of one moment may be numbered in any order. */
static void watch_exchange_id(mm_engine *engine, const mm_order *order)
{
    bool later = order->created_ns > engine->exchange_id_ns;
    if (order->exchange_id > engine->exchange_id_high) {
        engine->exchange_id_high = order->exchange_id;
        engine->exchange_id_ns = engine->now_ns;
    } else if (later && order->exchange_id > 0 && !engine->config.accept_reset) {
        mm__engine_halt(engine, MM_REASON_ACCOUNT_RESET);
    }
}

/* A gate that has latched will never let an order go again: the engine must not go on as if it did. */
static void watch_gate(mm_engine *engine, uint64_t verdict)
{
    if ((verdict & MM_BIT(MM_REASON_COUNT_MISMATCH)) != 0) {
        mm__engine_kill(engine, MM_REASON_COUNT_MISMATCH);
    } else if ((verdict & MM_BIT(MM_REASON_KILLED)) != 0) {
        mm__engine_kill(engine, MM_REASON_KILLED);
    }
}

/* What has been asked of the exchange and not been answered: its counts may not have it yet. */
static void on_budget(mm_engine *engine, const mm_budget_body *said)
{
    mm_order *open[2 * MM_PLAN_MAX];
    size_t count = mm_orders_open(engine->orders, -1, open, MM_ARRAY_COUNT(open));
    int64_t orders = 0, weight = 0;
    for (size_t i = 0; i < count; i++) {
        bool pending = open[i]->state == MM_ORDER_PENDING;
        orders += pending;
        weight += pending + open[i]->cancel_pending + (open[i]->amend_qty_e8 != 0 ? MM_WEIGHT_AMEND : 0);
    }
    mm_budget_said(engine->budget, said, orders, weight);
}

/* What a request costs that failed, or did not leave. */
static void charge_outcome(mm_engine *engine, const mm_record *event, const mm_order *order)
{
    int32_t operation = event->body.outcome.operation;
    bool failed = event->kind == MM_KIND_REJECT || (event->kind == MM_KIND_CANCEL_REJECT && operation != MM_OP_REPLACE);
    if (event->kind == MM_KIND_NOT_SENT) {
        int64_t asked_ns = operation == MM_OP_CANCEL  ? order->cancel_ns
                           : operation == MM_OP_AMEND ? order->amend_ns
                           : operation == MM_OP_QUERY ? engine->now_ns
                                                      : order->created_ns;
        /* A request told as sent before has the host's time of that, which may be newer than the last decision. */
        mm_budget_not_sent(engine->budget, operation, mm__smaller(asked_ns, engine->now_ns), engine->now_ns);
    } else if (failed) {
        mm_budget_failed(engine->budget, operation, engine->now_ns);
    }
}

/* Nobody here asked for its end. */
static bool is_ended_by_exchange(const mm_order_change *change)
{
    return change->ended && (change->to == MM_ORDER_EXPIRED ||
                             (change->to == MM_ORDER_CANCELED && change->order->cancel_ns == 0));
}

/* A state of an order that nobody here knows: the exchange does something new with this symbol. */
static bool is_strange(const mm_record *event)
{
    bool says_state = event->kind == MM_KIND_REPORT || event->kind == MM_KIND_ACK || event->kind == MM_KIND_OPEN_ROW ||
                      (event->kind == MM_KIND_STATUS && (event->flags & MM_FLAG_FOUND) != 0);
    return says_state && event->body.report.status == MM_ORDER_STATUS_OTHER;
}

/* SENT or NOT_SENT of a request that places an order. */
static bool is_of_new_order(const mm_record *event)
{
    int32_t operation = event->body.outcome.operation;
    return operation == MM_OP_PLACE || operation == MM_OP_REPLACE;
}

/* Of an order of this run that the table has forgotten a trade is ours all the same. It counts, and nobody can say
 * what else that order may do. */
static void apply_forgotten_fill(mm_engine *engine, const mm_record *event)
{
    const mm_report_body *report = &event->body.report;
    mm_status status = MM_E_ARGUMENT;
    bool sided = report->side == MM_BID || report->side == MM_ASK;
    if (sided && !mm_ledger_fill(engine->ledger, report->side, report->price_e8, report->qty_e8, &event[1].body.fill,
                                 &status)) {
        return; /* applied before */
    }
    engine->counters.fills += status == MM_OK;
    mm__engine_kill(engine, MM_REASON_UNKNOWN_ORDER);
    mm__engine_check_balances(engine);
}

static bool is_fill(const mm_record *event)
{
    return event->kind == MM_KIND_TRADE_ROW || (event->kind == MM_KIND_REPORT && (event->flags & MM_FLAG_FILL) != 0);
}

const mm_order *mm__engine_order(mm_engine *engine, const mm_record *event)
{
    mm_order_change change;
    bool known_already = is_known_already(engine, event);
    watch_codes(engine, event);
    mm_orders_apply(engine->orders, event, engine->now_ns, &change);
    if (change.zombie) {
        mm__engine_kill(engine, MM_REASON_UNKNOWN_ORDER);
    }
    if (change.order == NULL) {
        if (is_fill(event)) {
            apply_forgotten_fill(engine, event);
        }
        if (event->kind == MM_KIND_REPORT && event->body.report.status == MM_ORDER_LIVE) {
            mm__engine_read_soon(engine, MM__READ_OPEN); /* an order of this run that nobody knows */
        }
        return NULL;
    }
    MM_ASSERT(change.order->seq != 0 && change.order->seq <= mm_orders_last_seq(engine->orders));
    MM_ASSERT(change.order->side == MM_BID || change.order->side == MM_ASK);
    charge_outcome(engine, event, change.order);
    if (event->kind == MM_KIND_SENT && is_of_new_order(event)) {
        engine->counters.orders_sent++;
    }
    if (event->kind == MM_KIND_NOT_SENT && is_of_new_order(event)) {
        engine->counters.orders_refused++;
        watch_gate(engine, event->body.outcome.verdict);
    }
    if (change.first_live) {
        engine->counters.orders_acked++;
        change.order->balance_mark = mm_ledger_mark(engine->ledger);
        watch_exchange_id(engine, change.order);
        mm_risk_accept(engine->risk, change.order->side, change.order->layer);
    }
    if (change.ended && change.to == MM_ORDER_REJECTED) {
        refused(engine, &change, known_already);
    }
    if (change.ended && change.to == MM_ORDER_CANCELED) {
        engine->counters.orders_canceled++;
    }
    if (is_ended_by_exchange(&change)) {
        mm_risk_ended(engine->risk, change.order->side, engine->now_ns);
    }
    if (is_strange(event)) {
        engine->symbol_trading = 0; /* until the host says that it trades */
    }
    if (change.fill) {
        apply_fill(engine, event, change.order);
        mm__engine_check_balances(engine);
    }
    if (change.overfill) {
        mm__engine_halt(engine, MM_REASON_LEDGER_MISMATCH);
    }
    engine->market_changed = 1;
    return change.order;
}

static void take_report(mm_engine *engine, const mm_record *event)
{
    bool ours = event->body.report.order_seq != 0;
    if ((event->flags & MM_FLAG_NEW_RUN) != 0) {
        mm__engine_kill(engine, MM_REASON_OTHER_INSTANCE); /* two that quote the same would undo each other's orders */
    }
    if (event->kind == MM_KIND_TRADE_ROW) {
        mm__engine_trade_row(engine, event[1].body.fill.trade_id);
    }
    if (!ours) {
        engine->counters.foreign_orders++;
        if ((event->flags & MM_FLAG_OLD_RUN) != 0 && event->body.report.status == MM_ORDER_LIVE) {
            mm__engine_read_soon(engine, MM__READ_OPEN); /* an earlier run's order came to life late */
        }
        if ((event->flags & MM_FLAG_FILL) != 0) {
            const mm_report_body *report = &event->body.report;
            if (mm_ledger_adopt(engine->ledger, report->side, report->price_e8, report->qty_e8,
                                &event[1].body.fill) != MM_OK) {
                mm__engine_halt(engine, MM_REASON_LEDGER_MISMATCH);
            }
            mm__engine_check_balances(engine);
        }
        return;
    }
    (void)mm__engine_order(engine, event);
}

/* What a trade that only a read has told explains of the difference that was found after events were lost, it
 * explains there too. */
static void on_trade_row(mm_engine *engine, const mm_record *event)
{
    uint64_t before[MM_ASSETS_MAX], after[MM_ASSETS_MAX];
    if (engine->rebased) {
        return; /* read before the account the new start is taken from, which holds it already */
    }
    mm__engine_difference(engine, before);
    take_report(engine, event);
    mm__engine_difference(engine, after);
    for (size_t i = 0; i < MM_ARRAY_COUNT(after); i++) {
        engine->lost[i] += after[i] - before[i];
    }
}

/* ---- channels and commands ---------------------------------------------------------------- */

/* What became of the order is open now. */
void mm__engine_doubt(mm_engine *engine, const mm_order *order)
{
    mm_record lost;
    mm_order_change change;
    memset(&lost, 0, sizeof lost);
    lost.kind = MM_KIND_LOST;
    lost.count = 1;
    lost.body.outcome.order_seq = order->seq;
    lost.body.outcome.operation = MM_OP_PLACE;
    mm_orders_apply(engine->orders, &lost, engine->now_ns, &change);
}

/* Reports may have been lost. */
static void doubt_all(mm_engine *engine)
{
    mm_order *open[2 * MM_PLAN_MAX];
    size_t count = mm_orders_open(engine->orders, -1, open, MM_ARRAY_COUNT(open));
    for (size_t i = 0; i < count; i++) {
        mm__engine_doubt(engine, open[i]);
    }
}

static void on_order_link(mm_engine *engine, const mm_record *event)
{
    const mm_link_body *body = &event->body.link;
    if (body->state == MM_LINK_REPLACED) {
        /* Nothing should be missing, so no order is doubted; but that is worth a look. */
        mm__engine_read_now(engine, MM__READ_TRADES);
        mm__engine_read_now(engine, MM__READ_ACCOUNT);
        mm__engine_read_soon(engine, MM__READ_OPEN);
        return;
    }
    if (body->state != MM_LINK_UP && body->state != MM_LINK_DOWN) {
        return;
    }
    int32_t up = body->state == MM_LINK_UP;
    if (body->channel == MM_CHANNEL_ORDER) {
        engine->order_up = up;
        return;
    }
    engine->user_up = up;
    if (engine->user_was_up) {
        engine->events_lost = MM__LOST_UNSEEN;
    }
    if (!up) {
        return;
    }
    engine->user_up_ns = body->recv_ns;
    if (engine->user_was_up) {
        doubt_all(engine);
        engine->doubt_account = 1;
        mm__engine_read_now(engine, MM__READ_TRADES);
        mm__engine_read_now(engine, MM__READ_ACCOUNT);
        mm__engine_read_soon(engine, MM__READ_OPEN);
    }
    engine->user_was_up = 1;
}

void mm__engine_exec(mm_engine *engine, const mm_record *event)
{
    switch (event->kind) {
    case MM_KIND_REPORT:
        take_report(engine, event);
        break;
    case MM_KIND_TRADE_ROW:
        on_trade_row(engine, event);
        break;
    case MM_KIND_BALANCE:
    case MM_KIND_BALANCE_DELTA:
        on_balance(engine, event);
        break;
    case MM_KIND_ORDER_LINK:
        on_order_link(engine, event);
        break;
    case MM_KIND_LIMIT:
        if (event->body.outcome.until_ns > engine->ban_until_ns) {
            engine->ban_until_ns = event->body.outcome.until_ns;
        }
        break;
    case MM_KIND_BUDGET:
        on_budget(engine, &event->body.budget);
        break;
    case MM_KIND_PRICE:
        mm__engine_price(engine, event);
        break;
    case MM_KIND_OPEN_ROW:
        mm__engine_open_row(engine, event);
        break;
    case MM_KIND_OPEN_END:
        mm__engine_open_end(engine, event->body.balance.token);
        break;
    case MM_KIND_TRADES_END:
        mm__engine_trades_end(engine, event->body.balance.token);
        break;
    case MM_KIND_ACCOUNT_END:
        mm__engine_account_end(engine, event->body.balance.token);
        break;
    default:
        (void)mm__engine_order(engine, event);
        break;
    }
}

void mm__engine_command(mm_engine *engine, const mm_record *event)
{
    const mm_command_body *body = &event->body.command;
    if (event->kind == MM_KIND_CLOCK) {
        engine->clock_known = 1;
        engine->clock_offset_ns = body->value;
        mm_budget_clock(engine->budget, body->value);
        return;
    }
    switch (body->command) {
    case MM_COMMAND_START:
        engine->started = 1;
        engine->start_check.active = !engine->start_confirmed;
        start_inventory(engine);
        break;
    case MM_COMMAND_STOP:
        engine->stopping = 1;
        break;
    case MM_COMMAND_KILL:
        mm__engine_kill(engine, body->value > 0 && body->value < MM_REASON_COUNT ? (int32_t)body->value
                                                                            : MM_REASON_KILLED);
        break;
    case MM_COMMAND_PAUSE:
        engine->pause_bits |= MM_BIT(MM_REASON_PAUSED);
        break;
    case MM_COMMAND_RESUME:
        engine->pause_bits = 0;
        engine->halt_bits = 0;
        engine->mismatch_reads = 0; /* a difference that is still there is found and halted on again */
        break;
    case MM_COMMAND_SYMBOL:
        mm__engine_trading(engine, body->value != 0);
        break;
    case MM_COMMAND_ACCEPT_RESET:
        mm__engine_accept_reset(engine);
        break;
    case MM_COMMAND_STRATEGY_FAULT:
        engine->strategy_fault = body->value != 0;
        engine->python_have = 0;
        engine->need_quote = 0;
        break;
    default:
        MM_ASSERT(false); /* a command this engine does not know */
        break;
    }
    engine->market_changed = 1;
}

/* ---- at each decision --------------------------------------------------------------------- */

static void settle_unknown(mm_engine *engine)
{
    mm_order *open[2 * MM_PLAN_MAX];
    size_t count = mm_orders_open(engine->orders, -1, open, MM_ARRAY_COUNT(open));
    bool equal = mm_ledger_equal(engine->ledger);
    MM_ASSERT(count <= MM_ARRAY_COUNT(open));
    for (size_t i = 0; i < count; i++) {
        mm_order *order = open[i];
        if (order->state != MM_ORDER_UNKNOWN) {
            continue;
        }
        bool nowhere = order->cancel_refused && order->query_missing && order->trades_checked;
        if (order->live_ns > 0 && nowhere && engine->now_ns - order->unknown_ns >= VANISHED_NS) {
            if (order->created_ns > engine->reset_ns) {
                mm__engine_account_reset(engine);
            }
            /* The account that held it is gone, and its balances with it. */
            mm_orders_vanish(engine->orders, order, engine->now_ns);
        } else {
            (void)mm_orders_disprove(engine->orders, order, equal, engine->now_ns);
        }
    }
}

/* Everything that is due for orders in doubt, for reads, and for leftovers. */
void mm__engine_due(mm_engine *engine)
{
    mm_order *order = NULL;
    int32_t due = MM_DUE_NONE;
    /* A query or a read of trades without room is asked for with the next round; cancels have their own ring and do
     * not wait. */
    while (engine->cancel_room > 0 && mm_orders_due(engine->orders, engine->now_ns, &order, &due)) {
        if ((due & MM_DUE_CANCEL) != 0) {
            (void)mm__engine_emit_cancel(engine, order);
        }
        if ((due & MM_DUE_QUERY) != 0) {
            (void)mm__engine_emit_query(engine, order);
        }
        if ((due & MM_DUE_TRADES) != 0) {
            (void)mm__engine_emit_want(engine, MM_KIND_WANT_TRADES, (int64_t)order->seq,
                                       engine->complete_id + 1, order->seq);
        }
    }
    settle_unknown(engine);
    mm__engine_reconcile(engine);
}

uint64_t mm__engine_account_verdict(mm_engine *engine)
{
    uint64_t verdict = 0;
    if (!engine->started || !engine->start_confirmed) {
        verdict |= MM_BIT(MM_REASON_NOT_STARTED);
    }
    if (!engine->order_up || !engine->user_up) {
        verdict |= MM_BIT(MM_REASON_DISCONNECTED);
    }
    if (engine->doubt_account && !mm__engine_reading(engine) && engine->mismatch_since_ns == 0) {
        engine->doubt_account = 0;
    }
    /* A doubt that has become a certainty, and halts, is told as that. */
    uint64_t certain = MM_BIT(MM_REASON_ACCOUNT_RESET) | MM_BIT(MM_REASON_LEDGER_MISMATCH);
    if (engine->doubt_account && (engine->halt_bits & certain) == 0) {
        verdict |= MM_BIT(MM_REASON_NO_ACCOUNT);
    }
    if (!engine->clock_known) {
        verdict |= MM_BIT(MM_REASON_CLOCK);
    }
    if (!engine->symbol_trading) {
        verdict |= MM_BIT(MM_REASON_SYMBOL_HALT);
    }
    if (engine->now_ns < engine->ban_until_ns) {
        verdict |= MM_BIT(MM_REASON_BANNED);
    }
    return verdict;
}

int64_t mm__engine_exec_deadline(const mm_engine *engine)
{
    int64_t at = mm_orders_deadline(engine->orders);
    at = mm__smaller(at, mm__engine_reconcile_deadline(engine));
    if (engine->now_ns < engine->ban_until_ns) {
        at = mm__smaller(at, engine->ban_until_ns);
    }
    return at;
}
