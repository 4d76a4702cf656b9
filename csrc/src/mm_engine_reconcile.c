/* What the engine believes, held against what the exchange shows: open orders, own trades, balances.
 *
 * Three reads repeat while the engine trades, and come at once when there is reason to doubt. A read may lag behind
 * the matching engine by seconds, and what was on its way when it was asked for is rightly missing from it. So one
 * read that disagrees proves nothing: two of them, far enough apart, must agree with each other, and only orders
 * that rested before the read was asked for are looked for. Two things need no second read: a trade is a fact
 * wherever it comes from, and an own order that the engine knows nothing of must not rest a moment longer. */
#include "mm_engine.h"

#include <string.h>

/* Ledger and account may differ for as long as a fill and its balance are on their way. */
#define MISMATCH_GRACE_NS 2000000000
/* So many reads in a row must agree that they differ, for as long as the stores behind them may lag. */
#define MISMATCH_READS 2
/* A read that is not answered is asked for again, each time after twice as long, at most eight times. */
#define READ_REPLY_NS 5000000000
#define READ_BACKOFF_MAX 3
/* Least time between two questions of one kind, and between two answers that confirm each other. */
#define READ_SPACING_NS 2000000000
/* A fee is valued at a price no older than this. */
#define PRICE_EVERY_NS 60000000000
/* What a store behind a read may lag: an order that ended less than this before the question may still be shown. */
#define READ_LAG_NS 10000000000
/* An account read that is asked for so long after own events came again shows all that was lost with them: as a rule
 * it lags by less, and what is put in meanwhile without an event is taken for lost as well. */
#define LOST_LAG_NS 4000000000

/* ---- the three reads ---------------------------------------------------------------------- */

void mm__engine_read_now(mm_engine *engine, int32_t kind)
{
    mm__read *read = &engine->reads[kind];
    read->token = 0; /* what is under way was asked before the doubt */
    read->urgent = 1;
    read->failures = 0;
    read->next_ns = 0;
}

void mm__engine_read_soon(mm_engine *engine, int32_t kind)
{
    engine->reads[kind].soon = 1;
}

static int64_t period_of(const mm_engine *engine, int32_t kind)
{
    MM_ASSERT(kind >= 0 && kind < MM__READ_COUNT);
    return kind == MM__READ_OPEN     ? engine->config.reconcile_open_ns
           : kind == MM__READ_TRADES ? engine->config.reconcile_trades_ns
                                     : engine->config.reconcile_account_ns;
}

static bool differs(const mm_engine *engine)
{
    uint64_t certain = MM_BIT(MM_REASON_ACCOUNT_RESET) | MM_BIT(MM_REASON_LEDGER_MISMATCH);
    return engine->started && engine->mismatch_since_ns != 0 && (engine->halt_bits & certain) == 0;
}

/* Repeats go on while the engine trades; a stop has its own look at the open orders. */
static bool repeats(const mm_engine *engine, int32_t kind)
{
    return engine->started && engine->start_confirmed && !engine->stopped &&
           (kind != MM__READ_OPEN || !engine->stopping);
}

/* When the account has to be read to tell what was lost with own events; INT64_MAX = nothing was. */
static int64_t lost_due_ns(const mm_engine *engine)
{
    bool waits = engine->events_lost == MM__LOST_UNSEEN && engine->user_up;
    return waits ? engine->user_up_ns + LOST_LAG_NS : INT64_MAX;
}

/* When a read is due; INT64_MAX = it is not. */
static int64_t read_due_ns(const mm_engine *engine, int32_t kind)
{
    const mm__read *read = &engine->reads[kind];
    int64_t at_ns = INT64_MAX;
    if (read->token != 0) {
        return read->asked_ns + (READ_REPLY_NS << read->failures);
    }
    if (read->urgent) {
        return read->next_ns;
    }
    if (repeats(engine, kind)) {
        at_ns = read->soon ? read->asked_ns + READ_SPACING_NS : read->next_ns;
        at_ns = kind == MM__READ_ACCOUNT ? mm__smaller(at_ns, lost_due_ns(engine)) : at_ns;
    }
    if (kind != MM__READ_OPEN && differs(engine)) {
        at_ns = mm__smaller(at_ns, mm__larger(engine->mismatch_since_ns, read->asked_ns) + MISMATCH_GRACE_NS);
    }
    return at_ns;
}

/* Own trades from the newest known on: an account that no longer has that one was reset. */
static bool ask_trades(mm_engine *engine, int64_t token)
{
    int64_t newest_id = mm_ledger_last_trade_id(engine->ledger);
    /* A lost fill may be older than one that came: only what a read has shown is without gaps. */
    int64_t from_id = mm__smaller(newest_id, engine->complete_id + 1);
    if (!mm__engine_emit_want(engine, MM_KIND_WANT_TRADES, token, from_id >= 0 ? from_id : 0, 0)) {
        return false;
    }
    engine->history_id = newest_id;
    engine->history_seen = 0;
    engine->shown_id = engine->complete_id;
    return true;
}

static void ask(mm_engine *engine, int32_t kind)
{
    static const uint16_t wants[MM__READ_COUNT] = {MM_KIND_WANT_OPEN, MM_KIND_WANT_TRADES, MM_KIND_WANT_ACCOUNT};
    mm__read *read = &engine->reads[kind];
    /* Below zero: the tokens of reads for one order are the numbers of orders. */
    int64_t token = -(int64_t)engine->action_seq - 1;
    int64_t anew = kind == MM__READ_ACCOUNT && engine->rebased;
    bool asked = kind == MM__READ_TRADES ? ask_trades(engine, token)
                                         : mm__engine_emit_want(engine, wants[kind], token, anew, 0);
    if (!asked) {
        return;
    }
    read->failures += read->token != 0 && read->failures < READ_BACKOFF_MAX;
    read->token = token;
    read->asked_ns = engine->now_ns;
    read->soon = 0;
    if (kind == MM__READ_OPEN) {
        engine->shown_count = 0;
    }
}

/* True when `token` ends the read under way. */
static bool answered(mm_engine *engine, int32_t kind, int64_t token)
{
    mm__read *read = &engine->reads[kind];
    if (read->token == 0 || read->token != token) {
        return false;
    }
    read->token = 0;
    read->urgent = 0;
    read->failures = 0;
    read->shown_ns = read->asked_ns;
    read->next_ns = engine->now_ns + period_of(engine, kind);
    engine->counters.reconciles++;
    return true;
}

bool mm__engine_reading(const mm_engine *engine)
{
    return engine->reads[MM__READ_TRADES].urgent || engine->reads[MM__READ_ACCOUNT].urgent;
}

/* ---- open orders -------------------------------------------------------------------------- */

/* An own order nobody here answers for. True when it was not known to be one already. */
static bool add_leftover(mm_engine *engine, int64_t exchange_id)
{
    for (uint32_t i = 0; i < engine->leftover_count; i++) {
        if (engine->leftovers[i] == exchange_id) {
            return false;
        }
    }
    if (engine->leftover_count == MM__LEFTOVERS_MAX) {
        return false; /* it is shown again by the next read */
    }
    engine->leftovers[engine->leftover_count++] = exchange_id;
    return true;
}

void mm__engine_open_row(mm_engine *engine, const mm_record *event)
{
    const mm_report_body *body = &event->body.report;
    const mm__read *read = &engine->reads[MM__READ_OPEN];
    if ((event->flags & MM_FLAG_FOREIGN) != 0) {
        return; /* somebody else's order: never touched */
    }
    if ((event->flags & MM_FLAG_NEW_RUN) != 0) {
        mm__engine_kill(engine, MM_REASON_OTHER_INSTANCE);
        return; /* it is the later run's to see to */
    }
    engine->start_check.rows++;
    engine->stop_check.rows++;
    if (body->order_seq != 0) {
        if (engine->shown_count < MM__SHOWN_MAX) {
            engine->shown[engine->shown_count] = body->order_seq;
        }
        engine->shown_count++;
        /* One that was taken for never placed is open again after this. */
        const mm_order *order = mm__engine_order(engine, event);
        if (mm_orders_find(engine->orders, body->order_seq) != NULL) {
            return;
        }
        if (order != NULL && read->token != 0 && order->ended_ns >= read->asked_ns - READ_LAG_NS) {
            return; /* it ended a moment ago: the store behind the read has not heard of it */
        }
    }
    if (add_leftover(engine, body->exchange_id) && read->token != 0) {
        engine->counters.reconcile_repairs++;
        mm__engine_read_soon(engine, MM__READ_OPEN);
    }
}

static bool was_shown(const mm_engine *engine, uint64_t seq)
{
    for (uint32_t i = 0; i < engine->shown_count; i++) {
        if (engine->shown[i] == seq) {
            return true;
        }
    }
    return false;
}

static int64_t missing_since(const mm_engine *engine, uint64_t seq)
{
    for (uint32_t i = 0; i < engine->missing_count; i++) {
        if (engine->missing[i].seq == seq) {
            return engine->missing[i].since_ns;
        }
    }
    return 0;
}

/* Orders that rested before the read was asked for and that it does not show: in doubt the second time. */
static void judge_open(mm_engine *engine)
{
    mm_order *open[2 * MM_PLAN_MAX];
    mm__missing missing[MM__SHOWN_MAX];
    uint32_t missing_count = 0;
    int64_t asked_ns = engine->reads[MM__READ_OPEN].asked_ns;
    size_t count = mm_orders_open(engine->orders, -1, open, MM_ARRAY_COUNT(open));
    if (engine->shown_count > MM__SHOWN_MAX) {
        return; /* more rows than orders can be ours: not all were kept */
    }
    MM_ASSERT(count <= MM_ARRAY_COUNT(missing));
    for (size_t i = 0; i < count; i++) {
        mm_order *order = open[i];
        bool rested = order->state == MM_ORDER_LIVE && !order->cancel_pending && order->live_ns < asked_ns;
        if (!rested || was_shown(engine, order->seq)) {
            continue;
        }
        int64_t since_ns = missing_since(engine, order->seq);
        if (since_ns != 0) {
            MM_ASSERT(asked_ns - since_ns >= READ_SPACING_NS); /* as far apart are they asked for */
            engine->counters.reconcile_repairs++;
            mm__engine_doubt(engine, order);
            continue;
        }
        missing[missing_count].seq = order->seq;
        missing[missing_count++].since_ns = asked_ns;
    }
    memcpy(engine->missing, missing, missing_count * sizeof missing[0]);
    engine->missing_count = missing_count;
    if (missing_count > 0) {
        mm__engine_read_soon(engine, MM__READ_OPEN);
    }
}

static void close_confirm(mm_engine *engine, mm__confirm *confirm, int64_t token)
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
    MM_ASSERT(confirm->empty_reads == 2);
    confirm->active = 0;
    if (confirm == &engine->stop_check) {
        engine->stopped = 1;
        return;
    }
    engine->start_confirmed = 1;
    for (int32_t kind = 0; kind < MM__READ_COUNT; kind++) {
        engine->reads[kind].next_ns = engine->now_ns + period_of(engine, kind);
    }
}

void mm__engine_open_end(mm_engine *engine, int64_t token)
{
    close_confirm(engine, &engine->start_check, token);
    close_confirm(engine, &engine->stop_check, token);
    if (answered(engine, MM__READ_OPEN, token)) {
        judge_open(engine);
    }
}

/* Asks for the open orders until two reads in a row, far enough apart, show none of ours. */
void mm__engine_confirm(mm_engine *engine, mm__confirm *confirm)
{
    MM_ASSERT(confirm == &engine->start_check || confirm == &engine->stop_check);
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

static void cancel_leftovers(mm_engine *engine)
{
    while (engine->leftover_count > 0 && engine->cancel_room > 0 && engine->now_ns >= engine->ban_until_ns) {
        mm_record *record = mm__engine_emit(engine, MM_KIND_CANCEL);
        engine->cancel_room--;
        mm_budget_sent(engine->budget, MM_OP_CANCEL, engine->now_ns);
        record->body.action.exchange_id = engine->leftovers[--engine->leftover_count];
        record->body.action.decision_ns = engine->now_ns;
        record->body.action.cause_ns = engine->now_ns;
    }
}

/* ---- trades and account ------------------------------------------------------------------- */

void mm__engine_trade_row(mm_engine *engine, int64_t trade_id)
{
    engine->history_seen |= trade_id == engine->history_id;
    engine->shown_id = mm__larger(engine->shown_id, trade_id);
}

void mm__engine_trades_end(mm_engine *engine, int64_t token)
{
    if (answered(engine, MM__READ_TRADES, token)) {
        engine->complete_id = engine->shown_id; /* a store that lags knows all before the last it shows */
        engine->history_lost = engine->history_id >= 0 && !engine->history_seen;
    }
    mm_order *order = token > 0 ? mm_orders_find(engine->orders, (uint64_t)token) : NULL;
    if (order != NULL) {
        order->trades_checked = 1;
    }
}

/* The account as it is now is taken as the new start; what we thought we had there is gone. */
void mm__engine_accept_reset(mm_engine *engine)
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
    engine->doubt_account = 1;
    mm__engine_read_now(engine, MM__READ_ACCOUNT);
}

void mm__engine_account_reset(mm_engine *engine)
{
    engine->was_reset = 1;
    engine->reset_ns = engine->now_ns;
    if (engine->config.accept_reset) {
        mm__engine_accept_reset(engine);
        engine->tell_bits |= MM_BIT(MM_REASON_ACCOUNT_RESET);
    } else {
        mm__engine_halt(engine, MM_REASON_ACCOUNT_RESET);
    }
}

/* The first answer that cannot lag behind the events' return shows all that was lost with them. What it does not
 * show has another cause. */
static void note_lost(mm_engine *engine)
{
    MM_ASSERT(engine->events_lost != MM__LOST_NONE);
    MM_ASSERT(engine->user_up);
    if (engine->events_lost == MM__LOST_UNSEEN && engine->reads[MM__READ_ACCOUNT].shown_ns < lost_due_ns(engine)) {
        return; /* equal or not: what it is read from may be of before the loss */
    }
    if (mm_ledger_equal(engine->ledger)) {
        engine->events_lost = MM__LOST_NONE; /* nothing was lost, or trades have told it */
    } else if (engine->events_lost == MM__LOST_UNSEEN) {
        engine->events_lost = MM__LOST_SEEN;
        mm__engine_difference(engine, engine->lost);
    }
}

/* What no trade explains and no event told, because none came, was put in meanwhile. Where base or quote became less
 * it may be a loss as well, which limits are there for: taken for a withdrawal it would be none. */
static bool was_put_in(const mm_engine *engine)
{
    bool base_less = engine->mismatch[0] > INT64_MAX; /* differences are kept modulo 2^64 */
    bool quote_less = engine->mismatch[1] > INT64_MAX;
    return engine->events_lost == MM__LOST_SEEN && !base_less && !quote_less &&
           memcmp(engine->lost, engine->mismatch, sizeof engine->lost) == 0;
}

static void adopt_difference(mm_engine *engine)
{
    MM_ASSERT(was_put_in(engine) && engine->mismatch_since_ns != 0);
    MM_ASSERT(engine->user_up);
    engine->events_lost = MM__LOST_NONE;
    if (mm_ledger_adopt_balances(engine->ledger) != MM_OK) {
        mm__engine_halt(engine, MM_REASON_LEDGER_MISMATCH);
        return;
    }
    engine->counters.reconcile_repairs++;
    engine->tell_bits |= MM_BIT(MM_REASON_LEDGER_MISMATCH);
    engine->market_changed = 1;
    mm__engine_check_balances(engine);
}

void mm__engine_account_end(mm_engine *engine, int64_t token)
{
    bool ours = answered(engine, MM__READ_ACCOUNT, token);
    if (ours && engine->rebased) {
        engine->rebased = 0;
        engine->start_equity_e8 = 0;
        if (engine->config.inventory_target_e8 == INT64_MIN) {
            engine->target_e8 = mm_ledger_base(engine->ledger);
        }
    }
    mm__engine_check_balances(engine);
    int64_t account_ns = engine->reads[MM__READ_ACCOUNT].shown_ns - engine->mismatch_since_ns;
    int64_t trades_ns = engine->reads[MM__READ_TRADES].shown_ns - engine->mismatch_since_ns;
    if (ours && engine->user_up && engine->events_lost != MM__LOST_NONE) {
        note_lost(engine);
    }
    if (!ours || !differs(engine) || account_ns < MISMATCH_GRACE_NS) {
        return;
    }
    engine->doubt_account = 1; /* nothing is quoted until it is known who is right */
    engine->mismatch_reads++;
    if (engine->mismatch_reads < MISMATCH_READS || account_ns < READ_LAG_NS || trades_ns < READ_LAG_NS) {
        return; /* what is missing may still come */
    }
    if (engine->history_lost) {
        mm__engine_account_reset(engine);
    } else if (!engine->times_forgotten) {
        /* No read lags that long. Once more, with what it shows taken even if its time is older than what is known. */
        engine->times_forgotten = 1;
        mm_ledger_forget_times(engine->ledger);
        mm__engine_read_now(engine, MM__READ_ACCOUNT);
    } else if (was_put_in(engine)) {
        adopt_difference(engine);
    } else if (engine->user_up && engine->events_lost != MM__LOST_UNSEEN) {
        /* While own events do not come, and until it is known what was lost with them, nothing is judged. */
        mm__engine_halt(engine, MM_REASON_LEDGER_MISMATCH);
    }
}

/* ---- the symbol's rules ------------------------------------------------------------------- */

/* Whether the exchange takes orders. When it does again, nothing from before the pause is relied on. */
void mm__engine_trading(mm_engine *engine, bool trading)
{
    if (trading && !engine->symbol_trading && engine->start_confirmed) {
        mm__engine_invalidate(engine);
        engine->doubt_account = 1;
        mm__engine_read_now(engine, MM__READ_TRADES);
        mm__engine_read_now(engine, MM__READ_ACCOUNT);
        mm__engine_read_soon(engine, MM__READ_OPEN);
    }
    engine->symbol_trading = trading;
}

/* New filters or fees. Another tick is another book: its window counts in ticks, so it is built anew. */
void mm__engine_rules(mm_engine *engine, const mm_record *event)
{
    mm_symbol *symbol = &engine->config.symbol;
    int64_t tick_e8 = symbol->tick_e8;
    mm_status status = mm_symbol_read(symbol, event);
    MM_ASSERT(status == MM_OK); /* the host passes on only what fits */
    if (status != MM_OK) {
        return;
    }
    status = mm_grid_init(&engine->tick, symbol->tick_e8);
    MM_ASSERT(status == MM_OK);
    status = mm_grid_init(&engine->lot, symbol->step_e8);
    MM_ASSERT(status == MM_OK);
    if (symbol->tick_e8 != tick_e8) {
        size_t levels = (size_t)engine->config.book_levels;
        status = mm_book_init(engine->book, mm_book_bytes(levels), levels, symbol->tick_e8, &engine->book);
        MM_ASSERT(status == MM_OK);
        status = mm_book_init(engine->spare, mm_book_bytes(levels), levels, symbol->tick_e8, &engine->spare);
        MM_ASSERT(status == MM_OK);
        mm__engine_invalidate(engine);
    }
    engine->regrid = 1;
    engine->market_changed = 1;
}

static int64_t rules_due_ns(const mm_engine *engine)
{
    return engine->rules_wanted ? engine->rules_asked_ns + READ_REPLY_NS : INT64_MAX;
}

static void ask_rules(mm_engine *engine)
{
    if (engine->now_ns >= rules_due_ns(engine) && mm__engine_emit_want(engine, MM_KIND_WANT_RULES, 0, 0, 0)) {
        engine->rules_wanted = 0;
        engine->rules_asked_ns = engine->now_ns;
    }
}

/* What rests off the new grid rests on, but could not be placed again: it makes way for orders that could. */
static void cancel_off_grid(mm_engine *engine)
{
    mm_order *open[2 * MM_PLAN_MAX];
    const mm_symbol *symbol = &engine->config.symbol;
    bool left = false;
    if (!engine->regrid) {
        return;
    }
    size_t count = mm_orders_open(engine->orders, -1, open, MM_ARRAY_COUNT(open));
    for (size_t i = 0; i < count; i++) {
        bool off = open[i]->price_e8 % symbol->tick_e8 != 0 || open[i]->qty_e8 % symbol->step_e8 != 0;
        if (!off || open[i]->cancel_pending || open[i]->state == MM_ORDER_UNKNOWN) {
            continue;
        }
        left |= open[i]->state != MM_ORDER_LIVE || !mm__engine_emit_cancel(engine, open[i]);
    }
    engine->regrid = left;
}

/* ---- prices of the assets fees are paid in ------------------------------------------------ */

void mm__engine_price(mm_engine *engine, const mm_record *event)
{
    const mm_balance_body *body = &event->body.balance;
    mm_ledger_price(engine->ledger, body->asset, body->free_e8);
}

/* Every minute; sooner when a fee came that had none. */
static int64_t price_due_ns(const mm_engine *engine)
{
    bool missed = mm_ledger_unpriced(engine->ledger) != engine->price_unknown;
    return !engine->started ? INT64_MAX : engine->price_asked_ns == 0 ? engine->now_ns
           : engine->price_asked_ns + (missed ? READ_REPLY_NS : PRICE_EVERY_NS);
}

static void ask_prices(mm_engine *engine)
{
    mm_balance balances[MM_ASSETS_MAX];
    size_t count = mm_ledger_balances(engine->ledger, balances, MM_ASSETS_MAX);
    MM_ASSERT(count >= 2 && count <= MM_ASSETS_MAX);
    if (engine->now_ns < price_due_ns(engine) || engine->now_ns < engine->ban_until_ns) {
        return;
    }
    engine->price_asked_ns = engine->now_ns;
    engine->price_unknown = mm_ledger_unpriced(engine->ledger);
    for (size_t i = 2; i < count; i++) { /* the first two are base and quote */
        bool pays = balances[i].fees_e8 != 0 ||
                    strncmp(balances[i].asset, engine->config.fee_asset, sizeof balances[i].asset) == 0;
        mm_record *record = pays ? mm__engine_emit_read(engine, MM_KIND_WANT_PRICE, 0) : NULL;
        if (record != NULL) {
            memcpy(record->body.balance.asset, balances[i].asset, sizeof balances[i].asset);
        }
    }
}

/* ---- at each decision --------------------------------------------------------------------- */

void mm__engine_reconcile(mm_engine *engine)
{
    cancel_leftovers(engine);
    cancel_off_grid(engine);
    ask_rules(engine);
    ask_prices(engine);
    if (engine->clock_wanted && mm__engine_emit_want(engine, MM_KIND_WANT_CLOCK, 0, 0, 0)) {
        engine->clock_wanted = 0;
    }
    /* In this order: a fill whose report was lost is the usual cause of a difference, so trades come before
     * balances. */
    for (int32_t kind = 0; kind < MM__READ_COUNT; kind++) {
        if (engine->now_ns >= read_due_ns(engine, kind)) {
            ask(engine, kind);
        }
    }
    mm__engine_confirm(engine, &engine->start_check);
}

static int64_t confirm_deadline(const mm__confirm *confirm)
{
    if (!confirm->active) {
        return INT64_MAX;
    }
    return confirm->token != 0 ? confirm->asked_ns + READ_REPLY_NS : confirm->next_ns;
}

int64_t mm__engine_reconcile_deadline(const mm_engine *engine)
{
    int64_t at_ns = mm__smaller(confirm_deadline(&engine->start_check), confirm_deadline(&engine->stop_check));
    at_ns = mm__smaller(at_ns, mm__smaller(price_due_ns(engine), rules_due_ns(engine)));
    for (int32_t kind = 0; kind < MM__READ_COUNT; kind++) {
        at_ns = mm__smaller(at_ns, read_due_ns(engine, kind));
    }
    return at_ns;
}
