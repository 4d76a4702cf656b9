/* From wishes to actions: the fewest requests that take both sides' orders to where they are wanted.
 *
 * An order that serves a wish stays; one that is too large for it is made smaller where it rests. A wish nobody
 * serves takes the place of an order nobody wants, in one request, or is placed beside the others. What such a move
 * costs is one order of the exchange's budget, and when that is short the move with the most to gain goes first,
 * whichever side it is on:
 *
 *   1. the first order of a side that has none; then of one that would have none, as its orders have become too good a price;
 *   2. a replacement, the farther the old price is from the wanted one the sooner;
 *   3. one more layer, the inner ones first.
 *
 * Cancels cost nothing and wait for nothing. An order whose replacement has to wait rests on, unless its price has
 * become too good. */
#include "mm_engine.h"

#include <string.h>

/* Reasons that pass by themselves within moments: an old order stays where it is until its replacement can go,
 * unless it has become too good a price. */
#define TEMPORARY                                                                                                      \
    (MM_BIT(MM_REASON_RATE_LIMIT) | MM_BIT(MM_REASON_IN_FLIGHT) | MM_BIT(MM_REASON_NO_ROOM) |                          \
     MM_BIT(MM_REASON_POOL) | MM_BIT(MM_REASON_DUPLICATE) | MM_BIT(MM_REASON_WOULD_MATCH) |                            \
     MM_BIT(MM_REASON_ORDER_ENDED))
/* Reasons that a smaller order may not have. */
#define SIZE_RELATED                                                                                                   \
    (MM_BIT(MM_REASON_ORDER_QTY) | MM_BIT(MM_REASON_ORDER_NOTIONAL) | MM_BIT(MM_REASON_POSITION_LIMIT) |               \
     MM_BIT(MM_REASON_OPEN_NOTIONAL) | MM_BIT(MM_REASON_NO_BALANCE))

/* One side on its way from wishes to actions. */
typedef struct side_plan {
    int32_t side;
    const mm_level *wanted;
    uint32_t wanted_count;
    mm_order *orders[MM_PLAN_MAX];
    mm_level resting[MM_PLAN_MAX];
    uint8_t shrinkable[MM_PLAN_MAX];
    size_t order_count;
    mm_plan plan;
    mm_order *leaves[MM_LAYERS_MAX]; /* the order whose place the wish takes, NULL = none */
    bool made[MM_LAYERS_MAX];
    bool wants_smaller[MM_LAYERS_MAX];
    bool too_small[MM_LAYERS_MAX];   /* wishes for which the limits left no order at all */
    uint64_t verdict;                /* of the wishes that could not be placed */
    uint32_t waiting;                /* wishes that could not be placed for a temporary reason */
    bool dropped;
} side_plan;

/* A wish that needs an order of the budget. */
typedef struct move {
    side_plan *side;
    uint32_t layer;
    int32_t need;     /* MM_NEED_MOVE or MM_NEED_EMPTY */
    int32_t rank;     /* 0 = the side is empty, 1 = it would be, 2 = any other */
    int64_t apart_e8; /* from the old price to the wanted one, 0 = a new layer */
} move;

/* What both sides share. */
typedef struct plans {
    mm_engine *engine;
    const mm_top *top;
    int64_t tolerance_e8;
    int64_t grace_e8;
    side_plan sides[2];
} plans;

/* ---- what may be done to an order --------------------------------------------------------- */

/* Resting, not already on its way out, known to the book, and no request about it was held back just now. */
static bool can_ask(const mm_engine *engine, const mm_order *order)
{
    return order->state == MM_ORDER_LIVE && !order->cancel_pending && engine->now_ns >= order->again_ns;
}

static bool can_replace(const mm_engine *engine, const mm_order *order)
{
    return !engine->config.symbol.no_replace && can_ask(engine, order) && order->exchange_id > 0;
}

/* An amend that is under way counts: the order will be smaller, or asked about until it is known why not. */
static bool can_shrink(const mm_engine *engine, const mm_order *order)
{
    bool known = !engine->config.symbol.no_amend && order->state == MM_ORDER_LIVE && order->exchange_id > 0;
    return known && (order->amend_qty_e8 != 0 || order->amends < MM_AMENDS_MAX);
}

/* ---- the plan of a side ------------------------------------------------------------------- */

/* An order can be made as small as a wish only if an order of that size may rest at all. */
static bool wishes_can_rest(const mm_engine *engine, const side_plan *s)
{
    uint64_t verdict = 0;
    for (uint32_t j = 0; j < s->wanted_count; j++) {
        const mm_level *wish = &s->wanted[j];
        verdict |= mm_symbol_verdict(&engine->config.symbol, s->side, wish->price_e8, wish->qty_e8, 0);
    }
    return verdict == 0;
}

static void gather(mm_engine *engine, side_plan *s)
{
    bool smaller_can_rest = wishes_can_rest(engine, s);
    mm_order *open[2 * MM_PLAN_MAX];
    size_t found = mm_orders_open(engine->orders, s->side, open, MM_ARRAY_COUNT(open));
    for (size_t i = 0; i < found; i++) {
        mm_order *order = open[i];
        if (order->state == MM_ORDER_UNKNOWN || order->cancel_pending) {
            continue;
        }
        if (s->order_count == MM_PLAN_MAX) {
            engine->replan = 1; /* the rest at the next decision */
            break;
        }
        s->orders[s->order_count] = order;
        s->resting[s->order_count].price_e8 = order->price_e8;
        s->resting[s->order_count].qty_e8 = order->qty_e8 - order->executed_e8;
        s->shrinkable[s->order_count] = smaller_can_rest && can_shrink(engine, order);
        s->order_count++;
    }
    MM_ASSERT(found <= MM_ARRAY_COUNT(open));
    MM_ASSERT(s->order_count <= MM_PLAN_MAX && s->order_count <= found);
}

static int64_t tolerance_of(const mm_engine *engine, const mm_top *top)
{
    double mid = 0.5 * ((double)top->bid_price_e8 + (double)top->ask_price_e8);
    double tolerance = mid * engine->config.refresh_tolerance_bps * 1e-4;
    return tolerance < 0x1p62 ? (int64_t)tolerance : INT64_C(1) << 62; /* fits, and is wider than any quote */
}

/* How far an order may offer more than the best wish while its replacement has to wait: a quarter of the wanted
 * half-width, so that it keeps three quarters of its edge, but never less than the refresh tolerance. */
static int64_t grace_of(const mm_engine *engine, int64_t tolerance_e8)
{
    const mm_quotes *wanted = &engine->wanted;
    if (wanted->bid_count == 0 || wanted->ask_count == 0) {
        return tolerance_e8;
    }
    int64_t grace_e8 = (wanted->asks[0].price_e8 - wanted->bids[0].price_e8) / 8;
    return grace_e8 > tolerance_e8 ? grace_e8 : tolerance_e8;
}

/* True when the order offers so much more than the best wish that it must go even without a replacement. */
static bool too_good(const side_plan *s, const mm_order *order, int64_t grace_e8)
{
    if (s->wanted_count == 0) {
        return true;
    }
    int64_t better_by_e8 = s->side == MM_BID ? order->price_e8 - s->wanted[0].price_e8
                                             : s->wanted[0].price_e8 - order->price_e8;
    return better_by_e8 > grace_e8;
}

/* The unwanted order that is the best price of those left; NULL = none that can be replaced. */
static mm_order *best_unwanted(const mm_engine *engine, side_plan *s, const bool *taken, size_t *index)
{
    mm_order *best = NULL;
    for (size_t i = 0; i < s->order_count; i++) {
        mm_order *order = s->orders[i];
        if (taken[i] || s->plan.keep[i] >= 0 || !can_replace(engine, order)) {
            continue;
        }
        bool better = best == NULL ||
                      (s->side == MM_BID ? order->price_e8 > best->price_e8 : order->price_e8 < best->price_e8);
        if (better) {
            best = order;
            *index = i;
        }
    }
    return best;
}

/* Best wishes take the places of the best orders: when everything shifts, each layer moves by the shift. */
static void pair(const mm_engine *engine, side_plan *s)
{
    bool taken[MM_PLAN_MAX] = {false};
    for (uint32_t j = 0; j < s->wanted_count; j++) {
        size_t index = 0;
        if (!s->plan.place[j]) {
            continue;
        }
        s->leaves[j] = best_unwanted(engine, s, taken, &index);
        if (s->leaves[j] == NULL) {
            return;
        }
        taken[index] = true;
    }
}

static void plan_side(plans *p, int32_t side)
{
    mm_engine *engine = p->engine;
    side_plan *s = &p->sides[side];
    s->side = side;
    s->wanted = side == MM_BID ? engine->wanted.bids : engine->wanted.asks;
    s->wanted_count = side == MM_BID ? engine->wanted.bid_count : engine->wanted.ask_count;
    gather(engine, s);
    mm_plan_side(s->wanted, s->wanted_count, s->resting, s->shrinkable, s->order_count, p->tolerance_e8,
                 engine->config.symbol.step_e8, &s->plan);
    pair(engine, s);
}

/* ---- smaller where it rests --------------------------------------------------------------- */

static void shrink(mm_engine *engine, side_plan *s)
{
    for (size_t i = 0; i < s->order_count; i++) {
        mm_order *order = s->orders[i];
        int32_t j = s->plan.keep[i];
        if (!s->plan.shrink[i] || order->amend_qty_e8 != 0) {
            continue;
        }
        MM_ASSERT(j >= 0 && (uint32_t)j < s->wanted_count);
        s->wants_smaller[j] = true;
        int64_t qty_e8 = order->executed_e8 + s->wanted[j].qty_e8;
        bool affordable = mm_budget_may_ask(engine->budget, MM_NEED_MOVE, MM_WEIGHT_AMEND, engine->now_ns);
        s->made[j] = affordable && can_ask(engine, order) && mm__engine_emit_amend(engine, order, qty_e8);
    }
}

/* ---- one move ----------------------------------------------------------------------------- */

/* The old order stands where the wish does, with all that the limits leave. */
static bool is_as_good(const plans *p, const mm_order *old, const mm_level *wish, int64_t room_e8)
{
    int64_t apart_e8 = old->price_e8 - wish->price_e8;
    return apart_e8 <= p->tolerance_e8 && -apart_e8 <= p->tolerance_e8 && old->qty_e8 - old->executed_e8 >= room_e8;
}

/* Why the order may not go at its whole or, in *qty_e8, at a smaller size; 0 = it may. */
static uint64_t judge(plans *p, const side_plan *s, uint32_t layer, mm_order *leaves, int64_t *qty_e8)
{
    mm_engine *engine = p->engine;
    MM_ASSERT(layer < s->wanted_count);
    MM_ASSERT(leaves == NULL || leaves->side == s->side);
    const mm_level *wish = &s->wanted[layer];
    mm_risk_view view;
    mm__engine_view(engine, p->top, &view);
    view.replaces = leaves;
    uint64_t verdict = mm_risk_order(engine->risk, &view, s->side, (int32_t)layer, wish->price_e8, *qty_e8);
    /* What the position leaves is more once the old order is gone: then it is not cut, but cancelled first. */
    bool later = leaves != NULL && (verdict & MM_BIT(MM_REASON_POSITION_LIMIT)) != 0;
    if (verdict == 0 || later || (verdict & ~(uint64_t)SIZE_RELATED) != 0) {
        return verdict;
    }
    int64_t room_e8 = mm_risk_room(engine->risk, &view, s->side, wish->price_e8);
    MM_ASSERT(room_e8 < *qty_e8); /* or it would not have been refused for its size */
    if (room_e8 <= 0 || (leaves != NULL && is_as_good(p, leaves, wish, room_e8))) {
        return verdict;
    }
    uint64_t cut = mm_risk_order(engine->risk, &view, s->side, (int32_t)layer, wish->price_e8, room_e8);
    if ((cut & (MM_BIT(MM_REASON_MIN_NOTIONAL) | MM_BIT(MM_REASON_LOT_SIZE))) != 0) {
        engine->counters.dust_e8 = (uint64_t)room_e8;
    }
    *qty_e8 = room_e8;
    return cut == 0 ? 0 : verdict | cut;
}

/* Sends one order if risk, budget and room allow. Returns the verdict. */
static uint64_t send(plans *p, const move *m)
{
    mm_engine *engine = p->engine;
    side_plan *s = m->side;
    mm_order *leaves = s->leaves[m->layer];
    mm_order *order = NULL;
    int64_t price_e8 = s->wanted[m->layer].price_e8;
    int64_t qty_e8 = s->wanted[m->layer].qty_e8;
    uint64_t verdict = judge(p, s, m->layer, leaves, &qty_e8);
    if (mm_budget_orders(engine->budget, m->need, engine->now_ns) < 1) {
        verdict |= MM_BIT(MM_REASON_RATE_LIMIT);
        int64_t free_ns = mm_budget_deadline(engine->budget, m->need, engine->now_ns);
        engine->budget_ns = free_ns < engine->budget_ns ? free_ns : engine->budget_ns;
    }
    if (verdict != 0) {
        return verdict;
    }
    if (engine->action_room < 1) {
        engine->replan = 1;
        return MM_BIT(MM_REASON_NO_ROOM);
    }
    bool made = leaves != NULL ? mm_orders_replace(engine->orders, leaves, (int32_t)m->layer, price_e8, qty_e8,
                                                   engine->now_ns, &order)
                               : mm_orders_place(engine->orders, s->side, (int32_t)m->layer, price_e8, qty_e8,
                                                 engine->now_ns, &order);
    if (!made) {
        return MM_BIT(MM_REASON_POOL);
    }
    MM_ASSERT(price_e8 > 0 && qty_e8 > 0);
    MM_ASSERT(order->state == MM_ORDER_PENDING && order->side == s->side);
    mm_risk_sent(engine->risk, s->side, price_e8, qty_e8, engine->now_ns);
    mm__engine_emit_new(engine, order, leaves);
    return 0;
}

/* The outermost layer gives up its balance for the wish at `layer`, if that is a better one. While it cannot be
 * asked no other does. */
static void drop_outermost(mm_engine *engine, side_plan *s, int32_t layer)
{
    mm_order *outermost = NULL;
    for (size_t i = 0; i < s->order_count; i++) {
        if (s->plan.keep[i] > layer) {
            outermost = s->orders[i];
            layer = s->plan.keep[i];
        }
    }
    s->dropped = true;
    if (outermost != NULL && can_ask(engine, outermost)) {
        (void)mm__engine_emit_cancel(engine, outermost);
    }
}

static void make_move(plans *p, const move *m)
{
    side_plan *s = m->side;
    uint64_t verdict = send(p, m);
    s->made[m->layer] = verdict == 0;
    s->verdict |= verdict;
    s->waiting += verdict != 0 && (verdict & ~(uint64_t)TEMPORARY) == 0;
    s->too_small[m->layer] = (verdict & SIZE_RELATED) != 0;
    bool short_of_balance = (verdict & MM_BIT(MM_REASON_NO_BALANCE)) != 0;
    if (short_of_balance && !s->dropped && s->plan.cancel_count == 0) {
        drop_outermost(p->engine, s, (int32_t)m->layer);
    }
}

/* ---- the moves of both sides, the most gain first ----------------------------------------- */

/* No order would be left if nothing moved. */
static bool would_be_empty(const plans *p, const side_plan *s)
{
    for (size_t i = 0; i < s->order_count; i++) {
        if (s->plan.keep[i] >= 0 || !too_good(s, s->orders[i], p->grace_e8)) {
            return false;
        }
    }
    return true;
}

static bool gains_more(const move *a, const move *b)
{
    if (a->rank != b->rank) {
        return a->rank < b->rank;
    }
    return a->apart_e8 != b->apart_e8 ? a->apart_e8 > b->apart_e8 : a->layer < b->layer;
}

static size_t collect(plans *p, move *moves)
{
    size_t count = 0;
    for (int32_t side = MM_BID; side <= MM_ASK; side++) {
        side_plan *s = &p->sides[side];
        int32_t rank = s->order_count == 0 ? 0 : would_be_empty(p, s) ? 1 : 2;
        for (uint32_t j = 0; j < s->wanted_count; j++) {
            if (!s->plan.place[j]) {
                continue;
            }
            int64_t apart_e8 = s->leaves[j] != NULL ? s->leaves[j]->price_e8 - s->wanted[j].price_e8 : 0;
            int32_t need = rank < 2 ? MM_NEED_EMPTY : MM_NEED_MOVE;
            move m = {s, j, need, rank, apart_e8 < 0 ? -apart_e8 : apart_e8};
            MM_ASSERT(count < 2 * MM_LAYERS_MAX);
            size_t at = count++;
            for (; at > 0 && gains_more(&m, &moves[at - 1]); at--) {
                moves[at] = moves[at - 1];
            }
            moves[at] = m;
            rank = 2;
        }
    }
    return count;
}

/* ---- what is not wanted any more ---------------------------------------------------------- */

/* True when the order stands where a wish does for which the limits leave nothing: it is smaller than wished, but
 * all there can be, and cancelled it would only be placed again. */
static bool is_all_there_can_be(side_plan *s, size_t index, int64_t tolerance_e8)
{
    for (uint32_t j = 0; j < s->wanted_count; j++) {
        int64_t apart_e8 = s->resting[index].price_e8 - s->wanted[j].price_e8;
        bool near = apart_e8 <= tolerance_e8 && -apart_e8 <= tolerance_e8;
        if (s->too_small[j] && near && s->resting[index].qty_e8 < s->wanted[j].qty_e8) {
            s->too_small[j] = false;
            return true;
        }
    }
    return false;
}

static void cancel_old(const plans *p, side_plan *s)
{
    for (size_t i = 0; i < s->order_count; i++) {
        mm_order *order = s->orders[i];
        if (s->plan.keep[i] >= 0 || !can_ask(p->engine, order)) {
            continue;
        }
        if (s->waiting > 0 && !too_good(s, order, p->grace_e8)) {
            s->waiting--;
            continue;
        }
        if (is_all_there_can_be(s, i, p->tolerance_e8)) {
            continue;
        }
        (void)mm__engine_emit_cancel(p->engine, order);
    }
}

/* ---- counting ----------------------------------------------------------------------------- */

static void count_wish(mm_engine *engine, const side_plan *s, uint32_t layer)
{
    mm_engine_status *counters = &engine->counters;
    mm_level *waits = &engine->waiting[s->side][layer];
    bool waited = waits->qty_e8 != 0;
    bool needed = layer < s->wanted_count && (s->plan.place[layer] || s->wants_smaller[layer]);
    const mm_level none = {0, 0};
    const mm_level *wish = needed ? &s->wanted[layer] : &none;
    bool same = waited && memcmp(waits, wish, sizeof *waits) == 0;
    counters->moves_withheld += waited && !needed;
    counters->moves_merged += waited && needed && !same;
    counters->moves_wanted += needed && !same;
    bool made = needed && s->made[layer];
    counters->moves_made += made;
    *waits = made ? none : *wish;
}

static void finish_side(plans *p, int32_t side)
{
    mm_engine *engine = p->engine;
    side_plan *s = &p->sides[side];
    cancel_old(p, s);
    for (uint32_t j = 0; j < MM_LAYERS_MAX; j++) {
        count_wish(engine, s, j);
    }
    uint64_t wish_verdict = side == MM_BID ? engine->wanted.bid_verdict : engine->wanted.ask_verdict;
    engine->side_verdict[side] = s->wanted_count == 0 ? wish_verdict : s->verdict;
    engine->side_resting[side] = mm_orders_count(engine->orders, side, MM_ORDER_LIVE) > 0;
}

/* When a request that was held back may be tried again. */
static int64_t again_deadline(const mm_engine *engine)
{
    mm_order *open[2 * MM_PLAN_MAX];
    size_t count = mm_orders_open(engine->orders, -1, open, MM_ARRAY_COUNT(open));
    int64_t at_ns = INT64_MAX;
    for (size_t i = 0; i < count; i++) {
        bool waits = open[i]->again_ns > engine->now_ns && open[i]->again_ns < at_ns;
        at_ns = waits ? open[i]->again_ns : at_ns;
    }
    return at_ns;
}

void mm__engine_move(mm_engine *engine, const mm_top *top)
{
    plans p;
    move moves[2 * MM_LAYERS_MAX];
    memset(&p, 0, sizeof p);
    p.engine = engine;
    p.top = top;
    p.tolerance_e8 = tolerance_of(engine, top);
    p.grace_e8 = grace_of(engine, p.tolerance_e8);
    MM_ASSERT(p.tolerance_e8 >= 0 && p.grace_e8 >= p.tolerance_e8);
    engine->budget_ns = INT64_MAX;
    plan_side(&p, MM_BID);
    plan_side(&p, MM_ASK);
    size_t count = collect(&p, moves);
    MM_ASSERT(count <= MM_ARRAY_COUNT(moves));
    for (size_t i = 0; i < count; i++) {
        make_move(&p, &moves[i]);
    }
    for (int32_t side = MM_BID; side <= MM_ASK; side++) {
        shrink(engine, &p.sides[side]);
        finish_side(&p, side);
    }
}

int64_t mm__engine_move_deadline(const mm_engine *engine)
{
    int64_t at_ns = again_deadline(engine);
    return engine->budget_ns < at_ns ? engine->budget_ns : at_ns;
}
