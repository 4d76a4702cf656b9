/* What the engine says about itself. */
#include "mm_engine.h"

#include <string.h>

static const char *const state_names[] = {
    "INIT", "SYNCING", "ACTIVE", "REDUCING", "HALTED", "STOPPING", "STOPPED", "KILLED",
};

const char *mm_state_name(int32_t state)
{
    bool known = state >= 0 && (size_t)state < MM_ARRAY_COUNT(state_names);
    return known ? state_names[state] : "?";
}

static void read_account(const mm_engine *engine, mm_engine_status *status)
{
    status->open_orders = (int64_t)mm_orders_count(engine->orders, -1, -1);
    status->unknown_orders = (int64_t)mm_orders_count(engine->orders, -1, MM_ORDER_UNKNOWN);
    status->position_e8 = mm_ledger_position(engine->ledger);
    status->inventory_e8 = mm__engine_inventory(engine);
    status->base_e8 = mm_ledger_base(engine->ledger);
    status->quote_e8 = mm_ledger_quote(engine->ledger);
    status->unpriced_fees = mm_ledger_unpriced(engine->ledger);
}

static void read_market(const mm_engine *engine, mm_engine_status *status)
{
    status->sync_state = mm_sync_state(engine->sync);
    status->last_update_id = mm_sync_last_id(engine->sync);
    status->book_count[MM_BID] = (int64_t)mm_book_count(engine->book, MM_BID);
    status->book_count[MM_ASK] = (int64_t)mm_book_count(engine->book, MM_ASK);
    if (!mm__engine_top(engine, &status->top)) {
        return;
    }
    status->mid_e8 = status->top.bid_price_e8 + (status->top.ask_price_e8 - status->top.bid_price_e8) / 2;
    (void)mm_ledger_pnl(engine->ledger, status->mid_e8, &status->pnl);
    mm_signal_read(&engine->signals, engine->book, NULL, 0, NULL, 0, engine->now_ns, &status->signal);
}

void mm_engine_read(const mm_engine *engine, mm_engine_status *status)
{
    int64_t last_mid_e8 = engine->last_mid_e8;
    *status = engine->counters;
    status->now_ns = engine->now_ns;
    status->synced_ns = engine->synced_ns;
    status->state = engine->state;
    status->verdict = engine->verdict;
    status->bid_verdict = engine->side_verdict[MM_BID];
    status->ask_verdict = engine->side_verdict[MM_ASK];
    status->wanted = engine->wanted;
    for (int32_t side = MM_BID; side <= MM_ASK; side++) {
        for (size_t layer = 0; layer < MM_LAYERS_MAX; layer++) {
            status->moves_withheld += engine->waiting[side][layer].qty_e8 != 0;
        }
    }
    read_account(engine, status);
    read_market(engine, status);
    if (status->mid_e8 == 0 && last_mid_e8 > 0) {
        /* The book is gone at the moment: P&L at the last mid that was known. */
        status->mid_e8 = last_mid_e8;
        (void)mm_ledger_pnl(engine->ledger, last_mid_e8, &status->pnl);
    }
}

size_t mm_engine_orders(const mm_engine *engine, mm_order *out, size_t out_capacity)
{
    mm_order *open[2 * MM_PLAN_MAX];
    size_t count = mm_orders_open(engine->orders, -1, open, MM_ARRAY_COUNT(open));
    count = count < out_capacity ? count : out_capacity;
    for (size_t i = 0; i < count; i++) {
        out[i] = *open[i];
    }
    return count;
}

size_t mm_engine_balances(const mm_engine *engine, mm_balance *out, size_t out_capacity)
{
    return mm_ledger_balances(engine->ledger, out, out_capacity);
}

MM_INVARIANT bool mm_engine_valid(const mm_engine *engine)
{
    bool sane = engine->action_count <= MM__ACTIONS_MAX && engine->leftover_count <= MM__LEFTOVERS_MAX &&
                engine->state >= MM_STATE_INIT && engine->state <= MM_STATE_KILLED &&
                (!engine->stopped || engine->stopping);
    return sane && mm_book_valid(engine->book) && mm_orders_valid(engine->orders) &&
           mm_ledger_valid(engine->ledger) && mm_budget_valid(engine->budget) && mm_risk_valid(engine->risk);
}
