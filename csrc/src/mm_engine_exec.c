/* The engine's account side: what became of our orders, what we own, and when that is not certain.
 *
 * Doubt has one shape: an order whose outcome is open is UNKNOWN and keeps counting; mm_order says what is due for it. A
 * channel that was down may have swallowed reports, so when it is back every open order is treated as UNKNOWN and account and
 * trades are read again before anything is quoted. */
#include "mm_engine.h"

#include <string.h>

/* Ledger and account may differ for as long as a fill and its balance are on their way. */
#define MISMATCH_GRACE_NS 2000000000
/* So many reads in a row must agree that they differ. */
#define MISMATCH_READS 2
/* How long a limit binds when its end cannot be told. */
#define LIMIT_WAIT_NS 60000000000
/* A read that is not answered is asked for again. */
#define READ_REPLY_NS 5000000000
/* An order that once rested and is now found nowhere for this long: the account was reset (queries lag up to 8 s). */
#define VANISHED_NS 10000000000

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void halt(mm_engine *engine, int32_t reason)
{
    engine->halt_bits |= MM_BIT(reason);
}

static void kill_latch(mm_engine *engine, int32_t reason)
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
    int64_t inventory_e8 = 0;
    if (engine->target_e8 == INT64_MIN ||
        mm_fixed_sub(mm_ledger_base(engine->ledger), engine->target_e8, &inventory_e8) != MM_OK) {
        return 0;
    }
    return inventory_e8;
}

static void check_balances(mm_engine *engine, int64_t now_ns)
{
    if (mm_ledger_equal(engine->ledger)) {
        engine->mismatch_since_ns = 0;
        engine->mismatch_reads = 0;
        engine->complete_id = mm_ledger_last_trade_id(engine->ledger);
    } else if (engine->mismatch_since_ns == 0) {
        engine->mismatch_since_ns = now_ns;
    }
}

static void apply_fill(mm_engine *engine, const mm_record *event, mm_order *order)
{
    const mm_report_body *report = &event->body.report;
    mm_status status = MM_OK;
    if (!mm_ledger_fill(engine->ledger, order->side, report->price_e8, report->qty_e8, &event[1].body.fill,
                        &status)) {
        return; /* applied before */
    }
    if (status != MM_OK) {
        kill_latch(engine, MM_REASON_LEDGER_MISMATCH);
        return;
    }
    engine->counters.fills++;
    engine->market_changed = 1;
    if (!mm_orders_filled(engine->orders, order, report->qty_e8, engine->now_ns)) {
        halt(engine, MM_REASON_LEDGER_MISMATCH); /* more than was ordered */
    }
}

static void on_balance(mm_engine *engine, const mm_record *event)
{
    const mm_balance_body *body = &event->body.balance;
    mm_status status = event->kind == MM_KIND_BALANCE ? mm_ledger_balance(engine->ledger, body)
                                                      : mm_ledger_deposit(engine->ledger, body);
    if (status != MM_OK) {
        halt(engine, MM_REASON_LEDGER_MISMATCH);
    }
    check_balances(engine, engine->now_ns);
    engine->market_changed = 1;
}

/* ---- orders ------------------------------------------------------------------------------- */

static void refused(mm_engine *engine, const mm_order_change *change)
{
    const mm_order *order = change->order;
    engine->counters.orders_rejected++;
    mm_risk_reject(engine->risk, change->reject_class, order->side, order->layer, engine->now_ns);
    if (change->reject_class == MM_REJECT_WOULD_MATCH) {
        engine->counters.would_match++;
    } else if (change->reject_class == MM_REJECT_MARKET_CLOSED) {
        engine->symbol_trading = 0;
    }
}

static void watch_codes(mm_engine *engine, const mm_record *event)
{
    const mm_outcome_body *body = &event->body.outcome;
    if (event->kind != MM_KIND_REJECT && event->kind != MM_KIND_CANCEL_REJECT && event->kind != MM_KIND_AMEND_REJECT) {
        return;
    }
    if (body->detail == MM_REJECT_CREDENTIALS) {
        halt(engine, MM_REASON_CREDENTIALS);
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

/* Ids only rise on an exchange that remembers; one that starts again has lost our account's past. Only an order decided on after
 * the highest id was known tells: those of one moment may be numbered in any order. */
static void watch_exchange_id(mm_engine *engine, const mm_order *order)
{
    bool later = order->created_ns > engine->exchange_id_ns;
    if (order->exchange_id > engine->exchange_id_high) {
        engine->exchange_id_high = order->exchange_id;
        engine->exchange_id_ns = engine->now_ns;
    } else if (later && order->exchange_id > 0 && !engine->config.accept_reset) {
        halt(engine, MM_REASON_ACCOUNT_RESET);
    }
}

/* A gate that has latched will never let an order go again: the engine must not go on as if it did. */
static void watch_gate(mm_engine *engine, uint64_t verdict)
{
    if ((verdict & MM_BIT(MM_REASON_COUNT_MISMATCH)) != 0) {
        kill_latch(engine, MM_REASON_COUNT_MISMATCH);
    } else if ((verdict & MM_BIT(MM_REASON_KILLED)) != 0) {
        kill_latch(engine, MM_REASON_KILLED);
    }
}

/* SENT or NOT_SENT of a request that places an order. */
static bool is_of_new_order(const mm_record *event)
{
    int32_t operation = event->body.outcome.operation;
    return operation == MM_OP_PLACE || operation == MM_OP_REPLACE;
}

static void on_order(mm_engine *engine, const mm_record *event)
{
    mm_order_change change;
    watch_codes(engine, event);
    mm_orders_apply(engine->orders, event, engine->now_ns, &change);
    if (change.zombie) {
        kill_latch(engine, MM_REASON_UNKNOWN_ORDER);
    }
    if (change.order == NULL) {
        return;
    }
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
    if (change.ended && change.to == MM_ORDER_REJECTED && !change.not_attempted) {
        refused(engine, &change);
    }
    if (change.ended && change.to == MM_ORDER_CANCELED) {
        engine->counters.orders_canceled++;
    }
    if (change.fill) {
        apply_fill(engine, event, change.order);
        check_balances(engine, engine->now_ns);
    }
    if (change.overfill) {
        halt(engine, MM_REASON_LEDGER_MISMATCH);
    }
    engine->market_changed = 1;
}

static void on_report(mm_engine *engine, const mm_record *event)
{
    bool ours = event->body.report.order_seq != 0;
    if (event->kind == MM_KIND_TRADE_ROW && event[1].body.fill.trade_id == engine->history_id) {
        engine->history_seen = 1;
    }
    if (!ours) {
        engine->counters.foreign_orders++;
        if ((event->flags & MM_FLAG_FILL) != 0) {
            const mm_report_body *report = &event->body.report;
            if (mm_ledger_adopt(engine->ledger, report->side, report->price_e8, report->qty_e8,
                                &event[1].body.fill) != MM_OK) {
                halt(engine, MM_REASON_LEDGER_MISMATCH);
            }
            check_balances(engine, engine->now_ns);
        }
        return;
    }
    on_order(engine, event);
}

/* ---- reads: open orders, trades, account -------------------------------------------------- */

static void on_open_row(mm_engine *engine, const mm_record *event)
{
    const mm_report_body *body = &event->body.report;
    if ((event->flags & MM_FLAG_FOREIGN) != 0) {
        return; /* somebody else's order: never touched */
    }
    engine->start_check.rows++;
    engine->stop_check.rows++;
    if (body->order_seq != 0) {
        on_order(engine, event); /* one that was taken for never placed is open again after this */
        if (mm_orders_find(engine->orders, body->order_seq) != NULL) {
            return;
        }
    }
    for (uint32_t i = 0; i < engine->leftover_count; i++) {
        if (engine->leftovers[i] == body->exchange_id) {
            return;
        }
    }
    if (engine->leftover_count < MM__LEFTOVERS_MAX) {
        engine->leftovers[engine->leftover_count++] = body->exchange_id;
    }
}

static void close_read(mm_engine *engine, mm__confirm *confirm, int64_t token)
{
    if (!confirm->active || confirm->token == 0 || confirm->token != token) {
        return;
    }
    confirm->token = 0;
    confirm->empty_reads = confirm->rows == 0 ? confirm->empty_reads + 1 : 0;
    confirm->answered = 1;
    if (confirm->empty_reads < 2) {
        return;
    }
    confirm->active = 0;
    if (confirm == &engine->start_check) {
        engine->start_confirmed = 1;
    } else {
        engine->stopped = 1;
    }
}

/* Asks for the open orders until two reads in a row, far enough apart, show none of ours. */
void mm__engine_confirm(mm_engine *engine, mm__confirm *confirm)
{
    if (!confirm->active) {
        return;
    }
    if (confirm->answered) {
        /* Counted from the decision after the answer: the time of the one before it may be long past. */
        confirm->answered = 0;
        confirm->next_ns = engine->now_ns + engine->config.stop_confirm_ns;
    }
    if (confirm->token != 0 && engine->now_ns - confirm->asked_ns < READ_REPLY_NS) {
        return;
    }
    if (confirm->token == 0 && engine->now_ns < confirm->next_ns) {
        return;
    }
    int64_t token = (int64_t)engine->action_seq + 1;
    if (mm__engine_emit_want(engine, MM_KIND_WANT_OPEN, token, 0, 0)) {
        confirm->token = token;
        confirm->asked_ns = engine->now_ns;
        confirm->rows = 0;
    }
}

static void on_trades_end(mm_engine *engine, const mm_record *event)
{
    int64_t token = event->body.balance.token;
    if (token == 0) {
        engine->reconcile_trades = 0;
        engine->history_lost = engine->history_id >= 0 && !engine->history_seen;
        return;
    }
    mm_order *order = mm_orders_find(engine->orders, (uint64_t)token);
    if (order != NULL) {
        order->trades_checked = 1;
    }
}

/* The account as it is now is taken as the new start; what we thought we had there is gone. */
static void accept_reset(mm_engine *engine)
{
    engine->halt_bits &= ~(MM_BIT(MM_REASON_ACCOUNT_RESET) | MM_BIT(MM_REASON_LEDGER_MISMATCH));
    engine->mismatch_since_ns = 0;
    engine->mismatch_reads = 0;
    engine->exchange_id_high = 0;
    engine->history_id = -1;
    engine->history_lost = 0;
    engine->complete_id = -1;
    mm_ledger_rebase(engine->ledger);
    mm_risk_rebase(engine->risk);
    engine->first_mid_e8 = 0; /* profit begins anew, and with it what it is measured against */
    engine->start_equity_e8 = 0;
    engine->rebased = 1;
    engine->want_account = 1;
    engine->reconcile_account = 1;
    engine->doubt_account = 1;
}

static void account_reset(mm_engine *engine)
{
    engine->was_reset = 1;
    engine->reset_ns = engine->now_ns;
    if (engine->config.accept_reset) {
        accept_reset(engine);
        engine->tell_bits |= MM_BIT(MM_REASON_ACCOUNT_RESET);
    } else {
        halt(engine, MM_REASON_ACCOUNT_RESET);
    }
}

static void on_account_end(mm_engine *engine)
{
    engine->reconcile_account = 0;
    engine->mismatch_asked_ns = 0;
    if (engine->rebased) {
        engine->rebased = 0;
        engine->start_equity_e8 = 0;
        if (engine->config.inventory_target_e8 == INT64_MIN) {
            engine->target_e8 = mm_ledger_base(engine->ledger);
        }
    }
    check_balances(engine, engine->now_ns);
    if (engine->mismatch_since_ns == 0 ||
        engine->now_ns - engine->mismatch_since_ns < MISMATCH_GRACE_NS) {
        return;
    }
    engine->mismatch_reads++;
    if (engine->mismatch_reads < MISMATCH_READS) {
        return;
    }
    if (engine->history_lost) {
        account_reset(engine);
    } else {
        halt(engine, MM_REASON_LEDGER_MISMATCH);
    }
}

/* ---- channels and commands ---------------------------------------------------------------- */

/* Reports may have been lost: every open order's outcome is open now. */
static void doubt_all(mm_engine *engine)
{
    mm_order *open[2 * MM_PLAN_MAX];
    size_t count = mm_orders_open(engine->orders, -1, open, MM_ARRAY_COUNT(open));
    for (size_t i = 0; i < count; i++) {
        mm_record lost;
        mm_order_change change;
        memset(&lost, 0, sizeof lost);
        lost.kind = MM_KIND_LOST;
        lost.count = 1;
        lost.body.outcome.order_seq = open[i]->seq;
        lost.body.outcome.operation = MM_OP_PLACE;
        mm_orders_apply(engine->orders, &lost, engine->now_ns, &change);
    }
}

static void on_order_link(mm_engine *engine, const mm_record *event)
{
    const mm_link_body *body = &event->body.link;
    if (body->state != MM_LINK_UP && body->state != MM_LINK_DOWN) {
        return;
    }
    int32_t up = body->state == MM_LINK_UP;
    if (body->channel == MM_CHANNEL_ORDER) {
        engine->order_up = up;
        return;
    }
    engine->user_up = up;
    if (!up) {
        return;
    }
    if (engine->user_was_up) {
        doubt_all(engine);
        engine->want_trades = 1;
        engine->want_account = 1;
        engine->reconcile_trades = 1;
        engine->reconcile_account = 1;
        engine->doubt_account = 1;
    }
    engine->user_was_up = 1;
}

void mm__engine_exec(mm_engine *engine, const mm_record *event)
{
    switch (event->kind) {
    case MM_KIND_REPORT:
    case MM_KIND_TRADE_ROW:
        on_report(engine, event);
        break;
    case MM_KIND_BALANCE:
    case MM_KIND_BALANCE_DELTA:
        on_balance(engine, event);
        break;
    case MM_KIND_ORDER_LINK:
        on_order_link(engine, event);
        break;
    case MM_KIND_BUDGET:
        break;
    case MM_KIND_LIMIT:
        if (event->body.outcome.until_ns > engine->ban_until_ns) {
            engine->ban_until_ns = event->body.outcome.until_ns;
        }
        break;
    case MM_KIND_OPEN_ROW:
        on_open_row(engine, event);
        break;
    case MM_KIND_OPEN_END:
        close_read(engine, &engine->start_check, event->body.balance.token);
        close_read(engine, &engine->stop_check, event->body.balance.token);
        break;
    case MM_KIND_TRADES_END:
        on_trades_end(engine, event);
        break;
    case MM_KIND_ACCOUNT_END:
        on_account_end(engine);
        break;
    default:
        on_order(engine, event);
        break;
    }
}

void mm__engine_command(mm_engine *engine, const mm_record *event)
{
    const mm_command_body *body = &event->body.command;
    if (event->kind == MM_KIND_CLOCK) {
        engine->clock_known = 1;
        engine->clock_offset_ns = body->value;
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
        kill_latch(engine, body->value > 0 && body->value < MM_REASON_COUNT ? (int32_t)body->value
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
        engine->symbol_trading = body->value != 0;
        break;
    case MM_COMMAND_ACCEPT_RESET:
        accept_reset(engine);
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
    for (size_t i = 0; i < count; i++) {
        mm_order *order = open[i];
        if (order->state != MM_ORDER_UNKNOWN) {
            continue;
        }
        bool nowhere = order->cancel_refused && order->query_missing && order->trades_checked;
        if (order->live_ns > 0 && nowhere && engine->now_ns - order->unknown_ns >= VANISHED_NS) {
            if (order->created_ns > engine->reset_ns) {
                account_reset(engine);
            }
            /* The account that held it is gone, and its balances with it. */
            mm_orders_vanish(engine->orders, order, engine->now_ns);
        } else {
            (void)mm_orders_disprove(engine->orders, order, equal, engine->now_ns);
        }
    }
}

static void cancel_leftovers(mm_engine *engine)
{
    while (engine->leftover_count > 0 && engine->cancel_room > 0 && engine->now_ns >= engine->ban_until_ns) {
        mm_record *record = mm__engine_emit(engine, MM_KIND_CANCEL);
        if (record == NULL) {
            return;
        }
        engine->cancel_room--;
        record->body.action.exchange_id = engine->leftovers[--engine->leftover_count];
        record->body.action.decision_ns = engine->now_ns;
        record->body.action.cause_ns = engine->now_ns;
    }
}

/* Own trades from the newest known on: an account that no longer has that one was reset. */
static bool ask_trades(mm_engine *engine)
{
    int64_t newest_id = mm_ledger_last_trade_id(engine->ledger);
    /* A lost fill may be older than one that came: nothing after the last agreement of ledger and account is taken for granted. */
    int64_t from_id = earlier(newest_id, engine->complete_id + 1);
    if (!mm__engine_emit_want(engine, MM_KIND_WANT_TRADES, 0, from_id >= 0 ? from_id : 0, 0)) {
        return false;
    }
    engine->history_id = newest_id;
    engine->history_seen = 0;
    return true;
}

static void reconcile(mm_engine *engine)
{
    if (engine->clock_wanted && mm__engine_emit_want(engine, MM_KIND_WANT_CLOCK, 0, 0, 0)) {
        engine->clock_wanted = 0;
    }
    if (engine->reconcile_asked_ns != 0 && engine->now_ns - engine->reconcile_asked_ns >= READ_REPLY_NS) {
        engine->want_trades |= engine->reconcile_trades;
        engine->want_account |= engine->reconcile_account;
    }
    if (engine->want_trades && ask_trades(engine)) {
        engine->want_trades = 0;
        engine->reconcile_asked_ns = engine->now_ns;
    }
    if (engine->want_account && mm__engine_emit_want(engine, MM_KIND_WANT_ACCOUNT, 0, 0, 0)) {
        engine->want_account = 0;
        engine->reconcile_asked_ns = engine->now_ns;
    }
    if (!engine->reconcile_trades && !engine->reconcile_account) {
        engine->reconcile_asked_ns = 0;
    }
    bool differs = engine->started && engine->mismatch_since_ns != 0 &&
                   engine->now_ns - engine->mismatch_since_ns >= MISMATCH_GRACE_NS;
    bool asked = engine->mismatch_asked_ns != 0 && engine->now_ns - engine->mismatch_asked_ns < MISMATCH_GRACE_NS;
    if (differs && !asked && engine->mismatch_reads < MISMATCH_READS) {
        /* A fill whose report was lost is the usual cause: the trades first, then the balances. */
        if (ask_trades(engine) && mm__engine_emit_want(engine, MM_KIND_WANT_ACCOUNT, 0, 0, 0)) {
            engine->mismatch_asked_ns = engine->now_ns;
        }
    }
}

/* Everything that is due for orders in doubt, for reads, and for leftovers. */
void mm__engine_due(mm_engine *engine)
{
    mm_order *order = NULL;
    int32_t due = MM_DUE_NONE;
    /* A query or a read of trades without room is asked for with the next round; cancels have their own ring and do not wait. */
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
    cancel_leftovers(engine);
    reconcile(engine);
    mm__engine_confirm(engine, &engine->start_check);
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
    bool reading = engine->reconcile_trades || engine->reconcile_account;
    if (engine->doubt_account && !reading && engine->mismatch_since_ns == 0) {
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

static int64_t confirm_deadline(const mm__confirm *confirm)
{
    if (!confirm->active) {
        return INT64_MAX;
    }
    return confirm->token != 0 ? confirm->asked_ns + READ_REPLY_NS : confirm->next_ns;
}

int64_t mm__engine_exec_deadline(const mm_engine *engine)
{
    int64_t at = mm_orders_deadline(engine->orders);
    at = earlier(at, confirm_deadline(&engine->start_check));
    at = earlier(at, confirm_deadline(&engine->stop_check));
    if (engine->reconcile_asked_ns != 0) {
        at = earlier(at, engine->reconcile_asked_ns + READ_REPLY_NS);
    }
    if (engine->started && engine->mismatch_since_ns != 0 && engine->mismatch_reads < MISMATCH_READS) {
        int64_t from_ns = engine->mismatch_asked_ns != 0 ? engine->mismatch_asked_ns : engine->mismatch_since_ns;
        at = earlier(at, from_ns + MISMATCH_GRACE_NS);
    }
    if (engine->now_ns < engine->ban_until_ns) {
        at = earlier(at, engine->ban_until_ns);
    }
    return at;
}
