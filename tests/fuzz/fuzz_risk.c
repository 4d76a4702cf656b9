/* Any orders, positions, prices and limits: the verdict on one order more, bit by bit, is that of a recount in 128 bits; what passes
 * is placed, so that no state that can be reached exceeds a limit; and the room that is told is just as large as it may be. */
#include "mm_fuzz.h"

#include <math.h>

enum { ORDERS_MAX = 24, SENDS_MAX = 600 };

static const int64_t second = INT64_C(1000000000);

typedef struct {
    int64_t at_ns, price_e8, qty_e8;
    int32_t side;
} risk_send;

typedef struct {
    fuzz_input in;
    mm_risk *risk;
    mm_orders *orders;
    mm_ledger *ledger;
    mm_symbol symbol;
    mm_risk_config limits;
    mm_risk_view view;
    int64_t free_e8[2]; /* what bids and asks may use */
    risk_send sends[SENDS_MAX];
    size_t send_count;
    int64_t until_ns[2][MM_LAYERS_MAX], wait_ns[2][MM_LAYERS_MAX], ended_ns[2];
} risk_run;

/* ---- The recount ---- */

typedef struct {
    fuzz_i128 qty[2], notional, needs[2];
    int64_t count[2], pending[2], unknown[2];
    int64_t best[2]; /* 0 = none */
} risk_sums;

static risk_sums recount(const risk_run *run)
{
    mm_order *open[ORDERS_MAX];
    risk_sums sums;
    memset(&sums, 0, sizeof sums);
    size_t count = mm_orders_open(run->orders, -1, open, ORDERS_MAX);
    for (size_t i = 0; i < count; i++) {
        const mm_order *order = open[i];
        fuzz_i128 left = order->qty_e8 - order->executed_e8, worth = left * order->price_e8;
        int32_t side = order->side;
        bool better = side == MM_BID ? order->price_e8 > sums.best[side] : order->price_e8 < sums.best[side];
        sums.qty[side] += left;
        sums.notional += worth;
        sums.needs[side] += side == MM_BID ? (worth + MM_ONE_E8 - 1) / MM_ONE_E8 : left;
        sums.count[side]++;
        sums.pending[side] += order->state == MM_ORDER_PENDING;
        sums.unknown[side] += order->state == MM_ORDER_UNKNOWN;
        sums.best[side] = sums.best[side] == 0 || better ? order->price_e8 : sums.best[side];
    }
    return sums;
}

static int64_t mark_of(const mm_top *top)
{
    return (int64_t)(((fuzz_i128)top->bid_price_e8 + top->ask_price_e8 + 1) / 2);
}

static uint64_t bit_if(bool is, int32_t reason)
{
    return is ? MM_BIT(reason) : 0;
}

static fuzz_i128 position_towards(const risk_run *run, int32_t side)
{
    return side == MM_BID ? (fuzz_i128)run->view.position_e8 : -(fuzz_i128)run->view.position_e8;
}

static fuzz_i128 available(const risk_run *run, const risk_sums *sums, int32_t side)
{
    fuzz_i128 left = run->free_e8[side] - sums->needs[side];
    return left > 0 ? left : 0;
}

static uint64_t slow_size(const risk_run *run, const risk_sums *sums, int32_t side, int64_t price, int64_t qty)
{
    const mm_risk_config *c = &run->limits;
    fuzz_i128 worth = (fuzz_i128)price * qty, worst = position_towards(run, side) + sums->qty[side] + qty;
    bool large = worst > c->position_max_e8 || worst * mark_of(&run->view.top) > (fuzz_i128)c->position_notional_max_e8 * MM_ONE_E8;
    fuzz_i128 need = side == MM_BID ? worth : (fuzz_i128)qty * MM_ONE_E8;
    return bit_if(qty > c->order_qty_max_e8, MM_REASON_ORDER_QTY) |
           bit_if(worth > (fuzz_i128)c->order_notional_max_e8 * MM_ONE_E8, MM_REASON_ORDER_NOTIONAL) |
           bit_if(large, MM_REASON_POSITION_LIMIT) |
           bit_if(sums->notional + worth > (fuzz_i128)c->open_notional_max_e8 * MM_ONE_E8, MM_REASON_OPEN_NOTIONAL) |
           bit_if(need > available(run, sums, side) * MM_ONE_E8, MM_REASON_NO_BALANCE);
}

static uint64_t slow_price(const risk_run *run, const risk_sums *sums, int32_t side, int64_t price)
{
    const mm_top *top = &run->view.top;
    fuzz_i128 guard = (fuzz_i128)run->limits.cross_guard_ticks * run->symbol.tick_e8;
    bool crosses = side == MM_BID ? price > top->ask_price_e8 - guard : price < top->bid_price_e8 + guard;
    int64_t own = sums->best[1 - side];
    bool meets = own != 0 && (side == MM_BID ? price >= own : price <= own);
    return bit_if(price % run->symbol.tick_e8 != 0, MM_REASON_PRICE_FILTER) | bit_if(crosses, MM_REASON_CROSS_GUARD) |
           bit_if(meets, MM_REASON_SELF_TRADE);
}

static uint64_t slow_count(const risk_run *run, const risk_sums *sums, int32_t side)
{
    const mm_risk_config *c = &run->limits;
    int64_t unknown = sums->unknown[0] + sums->unknown[1];
    return bit_if(sums->count[side] >= c->open_orders_max, MM_REASON_OPEN_ORDERS) |
           bit_if(sums->pending[side] >= c->in_flight_max, MM_REASON_IN_FLIGHT) |
           bit_if(unknown > c->unknown_max || (unknown == c->unknown_max && sums->unknown[side] > 0), MM_REASON_UNKNOWN_ORDER);
}

static uint64_t slow_rate(const risk_run *run, int32_t side, int32_t layer, int64_t price, int64_t qty)
{
    int64_t now_ns = run->view.now_ns, recent = 0;
    bool twice = false;
    for (size_t i = 0; i < run->send_count; i++) {
        const risk_send *s = &run->sends[i];
        recent += now_ns - s->at_ns < second;
        twice |= now_ns - s->at_ns < run->limits.duplicate_window_ns && s->side == side && s->price_e8 == price && s->qty_e8 == qty;
    }
    return bit_if(recent >= run->limits.orders_per_1s_max, MM_REASON_RATE_LIMIT) | bit_if(twice, MM_REASON_DUPLICATE) |
           bit_if(now_ns < run->until_ns[side][layer], MM_REASON_WOULD_MATCH) |
           bit_if(now_ns < run->ended_ns[side], MM_REASON_ORDER_ENDED);
}

/* C3 and C8 are judged in floating point: near the border either is right. */
static uint64_t slow_real(const risk_run *run, int32_t side, int64_t price, uint64_t *either)
{
    long double mark = (long double)mark_of(&run->view.top), share = (long double)run->limits.reducing_pct / 100.0L;
    long double off = fabsl((long double)price - mark) * 10000.0L, most = (long double)run->limits.collar_order_bps * mark;
    long double held = fabsl((long double)run->view.position_e8), worth = held * mark / 1e8L;
    long double size_limit = share * (long double)run->limits.position_max_e8;
    long double worth_limit = share * (long double)run->limits.position_notional_max_e8;
    bool near = fabsl(held - size_limit) <= 1e-12L * size_limit || fabsl(worth - worth_limit) <= 1e-12L * worth_limit;
    *either = bit_if(fabsl(off - most) <= 1e-12L * most, MM_REASON_COLLAR_ORDER) | bit_if(near, MM_REASON_REDUCING);
    return bit_if(off > most, MM_REASON_COLLAR_ORDER) |
           bit_if(position_towards(run, side) >= 0 && (held >= size_limit || worth >= worth_limit), MM_REASON_REDUCING);
}

/* ---- Steps ---- */

static int64_t on_step(int64_t value, int64_t step)
{
    value -= value % step;
    return value > 0 ? value : step;
}

static void place(risk_run *run, int32_t side, int32_t layer, int64_t price, int64_t qty)
{
    mm_order *order = NULL;
    if (run->send_count == SENDS_MAX || !mm_orders_place(run->orders, side, layer, price, qty, run->view.now_ns, &order)) {
        return;
    }
    mm_risk_sent(run->risk, side, price, qty, run->view.now_ns);
    risk_send made = {run->view.now_ns, price, qty, side};
    run->sends[run->send_count++] = made;
}

static void do_judge(risk_run *run)
{
    int32_t side = fuzz_u8(&run->in) & 1, layer = fuzz_u8(&run->in) % MM_LAYERS_MAX;
    int64_t mark = mark_of(&run->view.top), tick = run->symbol.tick_e8, step = run->symbol.step_e8;
    int64_t price = mark + (fuzz_between(&run->in, -300, 300)) * tick;
    price = fuzz_u8(&run->in) < 200 ? on_step(price, tick) : price > 0 ? price : 1;
    int64_t qty = on_step((int64_t)fuzz_below(&run->in, (uint64_t)1 << 32) >> (fuzz_u8(&run->in) & 31), step);
    const uint64_t sizes = MM_BIT(MM_REASON_ORDER_QTY) | MM_BIT(MM_REASON_ORDER_NOTIONAL) | MM_BIT(MM_REASON_POSITION_LIMIT) |
                           MM_BIT(MM_REASON_OPEN_NOTIONAL) | MM_BIT(MM_REASON_NO_BALANCE);
    risk_sums sums = recount(run);
    uint64_t either = 0, wanted = slow_real(run, side, price, &either);
    wanted |= slow_size(run, &sums, side, price, qty) | slow_price(run, &sums, side, price) | slow_count(run, &sums, side) |
              slow_rate(run, side, layer, price, qty);
    uint64_t verdict = mm_risk_order(run->risk, &run->view, side, layer, price, qty);
    FUZZ_EQUAL(verdict & ~either, wanted & ~either);
    int64_t room = mm_risk_room(run->risk, &run->view, side, price);
    FUZZ_CHECK(room >= 0 && room % step == 0);
    FUZZ_CHECK(room == 0 || (mm_risk_order(run->risk, &run->view, side, layer, price, room) & sizes) == 0);
    FUZZ_CHECK((mm_risk_order(run->risk, &run->view, side, layer, price, room + step) & sizes) != 0);
    if (verdict == 0) {
        place(run, side, layer, price, qty);
    }
}

/* What becomes of an order: taken, in doubt, filled in part, gone. */
static void do_news(risk_run *run)
{
    mm_order *open[ORDERS_MAX];
    mm_order_change change;
    mm_record records[2];
    size_t count = mm_orders_open(run->orders, -1, open, ORDERS_MAX);
    uint8_t what = fuzz_u8(&run->in);
    if (count == 0) {
        return;
    }
    mm_order *order = open[fuzz_below(&run->in, count)];
    memset(records, 0, sizeof records);
    records[0].kind = what < 120 ? MM_KIND_ACK : what < 170 ? MM_KIND_CANCELED : what < 200 ? MM_KIND_LOST : MM_KIND_REPORT;
    records[0].count = what < 200 ? 1 : 2;
    records[1].kind = MM_KIND_MORE;
    int64_t qty_e8 = 1 + (order->qty_e8 - order->executed_e8) / (2 + (what & 7));
    if (what >= 170 && what < 200) {
        records[0].body.outcome.order_seq = order->seq;
        records[0].body.outcome.operation = MM_OP_PLACE;
    } else {
        records[0].body.report.order_seq = order->seq;
        records[0].body.report.exchange_id = (int64_t)order->seq + 7;
        records[0].body.report.status = what < 170 && what >= 120 ? MM_ORDER_CANCELED : MM_ORDER_LIVE;
        records[0].body.report.executed_e8 = what < 200 ? order->executed_e8 : order->executed_e8 + qty_e8;
        records[0].body.report.qty_e8 = what < 200 ? 0 : qty_e8;
        records[0].flags = what < 200 ? 0 : MM_FLAG_FILL;
    }
    mm_orders_apply(run->orders, records, run->view.now_ns, &change);
    if (change.order != NULL && change.first_live) {
        change.order->balance_mark = mm_ledger_mark(run->ledger); /* as the engine does */
    }
    if (change.order != NULL && change.fill) {
        run->view.position_e8 += change.order->side == MM_BID ? qty_e8 : -qty_e8;
        FUZZ_CHECK(mm_orders_filled(run->orders, change.order, qty_e8, run->view.now_ns));
    }
}

static void do_refused(risk_run *run)
{
    int32_t side = fuzz_u8(&run->in) & 1, layer = fuzz_u8(&run->in) % MM_LAYERS_MAX;
    uint8_t what = fuzz_u8(&run->in);
    if (what < 130) {
        int64_t wait_ns = run->wait_ns[side][layer] == 0 ? second / 5 : 2 * run->wait_ns[side][layer];
        run->wait_ns[side][layer] = wait_ns < 5 * second ? wait_ns : 5 * second;
        run->until_ns[side][layer] = run->view.now_ns + run->wait_ns[side][layer];
        mm_risk_reject(run->risk, MM_REJECT_WOULD_MATCH, side, layer, run->view.now_ns);
    } else if (what < 200) {
        run->wait_ns[side][layer] = run->until_ns[side][layer] = 0;
        mm_risk_accept(run->risk, side, layer);
    } else {
        run->ended_ns[side] = run->view.now_ns + second;
        mm_risk_ended(run->risk, side, run->view.now_ns);
    }
}

static void do_market(risk_run *run)
{
    int64_t tick = run->symbol.tick_e8;
    run->view.top.bid_price_e8 = on_step(run->view.top.bid_price_e8 + fuzz_between(&run->in, -100, 100) * tick, tick);
    run->view.top.ask_price_e8 = run->view.top.bid_price_e8 + fuzz_between(&run->in, 1, 60) * tick;
}

/* ---- The run ---- */

static int64_t take_limit(risk_run *run)
{
    return 1 + ((int64_t)fuzz_below(&run->in, (uint64_t)1 << 32) << (fuzz_u8(&run->in) & 15) >> (fuzz_u8(&run->in) & 15));
}

static void take_limits(risk_run *run)
{
    mm_risk_config *c = &run->limits;
    c->order_qty_max_e8 = take_limit(run);
    c->order_notional_max_e8 = take_limit(run);
    c->collar_order_bps = 1 + fuzz_u8(&run->in);
    c->collar_period_bps = 300;
    c->cross_guard_ticks = 1 + fuzz_u8(&run->in) % 8;
    c->position_max_e8 = take_limit(run);
    c->position_notional_max_e8 = take_limit(run);
    c->reducing_pct = 1 + fuzz_u8(&run->in) % 100;
    c->open_notional_max_e8 = take_limit(run);
    c->open_orders_max = 1 + fuzz_u8(&run->in) % 10;
    c->in_flight_max = 1 + fuzz_u8(&run->in) % 6;
    c->unknown_max = 1 + fuzz_u8(&run->in) % 4;
    c->orders_per_1s_max = 1 + fuzz_u8(&run->in) % 12;
    c->rejects_per_min_max = 1000;
    c->duplicate_window_ns = 1 + fuzz_u8(&run->in) * INT64_C(5000000);
    c->stale_book_ns = c->ticker_ahead_ns = c->stale_decision_ns = second;
    c->book_levels_min = 1;
    c->malformed_per_min_max = 3;
    c->loss_session_max_e8 = c->loss_day_max_e8 = c->loss_speed_max_e8 = 1000;
    c->drawdown_halt_pct = 2;
    c->drawdown_kill_pct = 4;
    c->loss_speed_pause_ns = second;
}

static void begin(risk_run *run, void **memory)
{
    static const mm_order_config config = {INT64_C(1000000000), INT64_C(1000000000), 300, 12000, 1000000};
    static const int64_t steps[4] = {1, 100, 1000000, 7};
    const char *bad = NULL;
    strcpy(run->symbol.name, "BTCUSDT");
    strcpy(run->symbol.base, "BTC");
    strcpy(run->symbol.quote, "USDT");
    run->symbol.tick_e8 = steps[fuzz_u8(&run->in) & 3];
    run->symbol.step_e8 = steps[fuzz_u8(&run->in) & 3];
    take_limits(run);
    size_t bytes[3] = {mm_risk_bytes(&run->limits), mm_orders_bytes(ORDERS_MAX, 8), mm_ledger_bytes(16)};
    for (size_t i = 0; i < 3; i++) {
        memory[i] = fuzz_memory(bytes[i]);
    }
    FUZZ_EQUAL(mm_risk_init(memory[0], bytes[0], &run->limits, &run->risk, &bad), MM_OK);
    FUZZ_EQUAL(mm_orders_init(memory[1], bytes[1], ORDERS_MAX, 8, &config, &run->orders), MM_OK);
    FUZZ_EQUAL(mm_ledger_init(memory[2], bytes[2], 16, &run->symbol, &run->ledger), MM_OK);
    for (int32_t side = 0; side < 2; side++) {
        mm_balance_body balance;
        memset(&balance, 0, sizeof balance);
        strcpy(balance.asset, side == MM_BID ? "USDT" : "BTC");
        balance.free_e8 = run->free_e8[side] = take_limit(run);
        FUZZ_EQUAL(mm_ledger_balance(run->ledger, &balance), MM_OK);
    }
    run->view.symbol = &run->symbol;
    run->view.orders = run->orders;
    run->view.ledger = run->ledger;
    run->view.top.bid_price_e8 = on_step((int64_t)fuzz_below(&run->in, (uint64_t)1 << 40), run->symbol.tick_e8) + 400 * run->symbol.tick_e8;
    run->view.top.ask_price_e8 = run->view.top.bid_price_e8 + run->symbol.tick_e8;
    run->view.top.bid_qty_e8 = run->view.top.ask_qty_e8 = 1;
    run->view.position_e8 = fuzz_between(&run->in, -128, 127) * (take_limit(run) / 128);
    run->view.now_ns = 1000 * second;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static risk_run run;
    void *memory[3];
    memset(&run, 0, sizeof run);
    run.in.at = data;
    run.in.left = size;
    begin(&run, memory);
    while (run.in.left > 0) {
        uint8_t what = fuzz_u8(&run.in);
        if (what < 130) {
            do_judge(&run);
        } else if (what < 180) {
            do_news(&run);
        } else if (what < 200) {
            do_refused(&run);
        } else if (what < 220) {
            do_market(&run);
        } else {
            run.view.now_ns += fuzz_u8(&run.in) * INT64_C(10000000);
        }
        FUZZ_CHECK(mm_risk_valid(run.risk));
    }
    for (size_t i = 0; i < 3; i++) {
        free(memory[i]);
    }
    return 0;
}
