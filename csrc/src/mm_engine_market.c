/* The engine's market side: the exact book, the newest top, signals, and whether any of it may be trusted. */
#include "mm_engine.h"

#include <string.h>

/* A snapshot that does not come back is asked for again after this. */
#define SNAPSHOT_REPLY_NS 5000000000
/* The host pings every market connection this often. */
#define PING_EVERY_NS INT64_C(1000000000)
/* So far apart two connections may bring the same message. */
#define SAME_MALFORMED_NS 1000000000
/* First wait after a snapshot that could not be used; doubled up to 32 times. */
#define SNAPSHOT_RETRY_NS 250000000
#define SNAPSHOT_RETRY_DOUBLINGS 5
/* Request weight a minute that snapshots may cost, a quarter of the exchange's 6,000: 6 of 5,000 levels. Those for
 * an exact book, which can wait, get half of it. */
#define SNAPSHOT_WEIGHT_MAX 1500
#define SNAPSHOT_WINDOW_NS 60000000000
/* A new snapshot is merged when the best price has come so near the horizon: a tenth of the known depth. */
#define DEPTH_LEFT_PARTS 10
/* So many snapshots that could not be merged, and a book of which too little is known is built anew. */
#define MERGE_FAILURES_MAX 3
/* A crossed book that stays so for this many depth messages is wrong, not fast. */
#define CROSSED_RUN_MAX 3

static void signal_reset(mm_engine *engine)
{
    mm_signal_reset(&engine->signals);
    engine->crossed_since_ns = 0;
    engine->crossed_run = 0;
}

/* The book may not be used until a new snapshot has been merged. */
void mm__engine_invalidate(mm_engine *engine)
{
    mm_sync_reset(engine->sync, engine->book);
    engine->buffered_any = 0;
    engine->pending_ticker_id = -1;
    engine->ticker_id = -1;
    memset(&engine->ticker, 0, sizeof engine->ticker);
    engine->market_changed = 1;
    signal_reset(engine);
}

/* A ticker may lack a side. */
static bool has_both_sides(const mm_top *top)
{
    return top->bid_qty_e8 > 0 && top->ask_qty_e8 > 0 && top->bid_price_e8 > 0 && top->ask_price_e8 > 0;
}

/* The newer, by update id, of the depth book's top and bookTicker; false without both sides or an exact book. */
bool mm__engine_top(const mm_engine *engine, mm_top *top)
{
    if (mm_sync_state(engine->sync) != MM_SYNC_SYNCED) {
        memset(top, 0, sizeof *top);
        return false;
    }
    mm_top_read(engine->ticker_id > mm_sync_last_id(engine->sync) ? &engine->ticker : mm_book_top(engine->book), top);
    return has_both_sides(top);
}

/* Own resting quantity is not the market's: it is taken out of the touch before signals see it. */
static void subtract_own(const mm_engine *engine, mm_top *top)
{
    mm_order *own[2 * MM_PLAN_MAX];
    size_t count = mm_orders_open(engine->orders, -1, own, MM_ARRAY_COUNT(own));
    for (size_t i = 0; i < count; i++) {
        const mm_order *order = own[i];
        if (order->state != MM_ORDER_LIVE) {
            continue;
        }
        int64_t resting_e8 = order->qty_e8 - order->executed_e8;
        bool at_touch =
            order->price_e8 == (order->side == MM_BID ? top->bid_price_e8 : top->ask_price_e8);
        int64_t *qty_e8 = order->side == MM_BID ? &top->bid_qty_e8 : &top->ask_qty_e8;
        if (at_touch && *qty_e8 > resting_e8) {
            *qty_e8 -= resting_e8;
        }
    }
}

static void top_changed(mm_engine *engine, int64_t recv_ns)
{
    mm_top top;
    engine->market_changed = 1;
    if (!mm__engine_top(engine, &top) || top.bid_price_e8 >= top.ask_price_e8) {
        return;
    }
    int64_t mid_e8 = top.bid_price_e8 + (top.ask_price_e8 - top.bid_price_e8) / 2;
    engine->last_mid_e8 = mid_e8;
    if (engine->first_mid_e8 == 0) {
        engine->first_mid_e8 = mid_e8;
    }
    mm_ledger_start_mid(engine->ledger, mid_e8);
    mm_risk_mid(engine->risk, mid_e8, recv_ns);
    subtract_own(engine, &top);
    mm_signal_top(&engine->signals, &top, recv_ns);
}

/* Best price to horizon, 0 where nothing is beyond it. */
static int64_t depth_left_e8(const mm_engine *engine, int32_t side)
{
    int64_t horizon_e8 = 0;
    mm_level best;
    if (!mm_book_horizon(engine->book, side, &horizon_e8) || !mm_book_best(engine->book, side, &best)) {
        return 0;
    }
    return side == MM_BID ? best.price_e8 - horizon_e8 : horizon_e8 - best.price_e8;
}

static void note_depth(mm_engine *engine, int64_t recv_ns)
{
    engine->renewed_ns = recv_ns;
    engine->depth_e8[MM_BID] = depth_left_e8(engine, MM_BID);
    engine->depth_e8[MM_ASK] = depth_left_e8(engine, MM_ASK);
}

static void after_sync(mm_engine *engine, int64_t recv_ns)
{
    signal_reset(engine);
    engine->gapped = 0;
    engine->mismatched = 0;
    note_depth(engine, recv_ns);
    engine->stalled = 0; /* the snapshot has just been taken: nothing older counts */
    engine->snapshot_failures = 0;
    engine->resynced_ns = recv_ns;
    if (engine->synced_ns == 0) {
        engine->synced_ns = recv_ns;
    } else {
        engine->counters.resyncs++;
    }
}

static void check_crossed(mm_engine *engine, int64_t recv_ns)
{
    if (mm_book_crossed(engine->book) == 0) {
        engine->crossed_since_ns = 0;
        engine->crossed_run = 0;
        return;
    }
    engine->crossed_run++;
    if (engine->crossed_since_ns == 0) {
        engine->crossed_since_ns = recv_ns;
    }
    if (engine->crossed_run >= CROSSED_RUN_MAX) {
        mm__engine_invalidate(engine);
    }
}

static void snapshot_failed(mm_engine *engine, int64_t now_ns)
{
    int64_t doublings = engine->snapshot_failures < SNAPSHOT_RETRY_DOUBLINGS ? engine->snapshot_failures
                                                                             : SNAPSHOT_RETRY_DOUBLINGS;
    engine->snapshot_asked_ns = 0;
    engine->snapshot_failures++;
    engine->snapshot_next_ns = now_ns + ((int64_t)SNAPSHOT_RETRY_NS << doublings);
}

static void malformed(mm_engine *engine, int64_t now_ns)
{
    engine->counters.malformed++;
    mm_risk_malformed(engine->risk, now_ns);
    mm__engine_invalidate(engine);
}

/* A message that could not be even decoded tells no id by which the same one of another connection is known. One
 * connection brings none twice: until a second has passed since the last that counted, the connection with the most
 * of them counts. */
static void undecodable(mm_engine *engine, uint32_t socket, int64_t now_ns)
{
    int64_t most = 0;
    MM_ASSERT(socket < MM_ARBITER_SOCKETS);
    if (now_ns - engine->malformed_ns >= SAME_MALFORMED_NS) {
        memset(engine->malformed_of, 0, sizeof engine->malformed_of);
    }
    for (size_t i = 0; i < MM_ARRAY_COUNT(engine->malformed_of); i++) {
        most = engine->malformed_of[i] > most ? engine->malformed_of[i] : most;
    }
    if (++engine->malformed_of[socket] <= most) {
        mm__engine_invalidate(engine);
        return;
    }
    engine->malformed_ns = now_ns;
    malformed(engine, now_ns);
}

/* Notes a ticker that the exact book has yet to catch up with. */
static void follow_ticker(mm_engine *engine)
{
    bool ahead = engine->ticker_id > mm_sync_last_id(engine->sync);
    engine->pending_ticker_id = ahead ? engine->ticker_id : -1;
    engine->pending_ticker_ns = engine->ticker_ns;
}

/* The spare book is what a later snapshot makes of this one, at the same update id: it takes its place, and they
 * must not differ. */
static void adopt_spare(mm_engine *engine, int64_t recv_ns)
{
    int32_t side = 0;
    int64_t price_e8 = 0;
    mm_book *checked = engine->book;
    engine->counters.book_audits++;
    if (!mm_book_same(engine->book, engine->spare, &side, &price_e8)) {
        engine->counters.book_audit_failures++;
        mm__engine_invalidate(engine);
        engine->mismatched = 1;
        return;
    }
    engine->book = engine->spare;
    engine->spare = checked;
    engine->snapshot_failures = 0;
    note_depth(engine, recv_ns);
    top_changed(engine, recv_ns); /* a side that had run thin may have levels again */
}

static void on_depth(mm_engine *engine, const mm_record *event)
{
    const mm_depth_body *body = &event->body.depth;
    engine->depth_ns = body->recv_ns;
    engine->buffered_any = 1;
    int32_t result = mm_sync_depth(engine->sync, engine->book, event);
    if (result < 0) {
        malformed(engine, body->recv_ns);
        return;
    }
    if (result == MM_SYNC_GAP) {
        engine->counters.gaps = mm_sync_statistics(engine->sync).gaps;
        engine->gapped = 1;
        signal_reset(engine);
        engine->market_changed = 1;
        return;
    }
    if (result != MM_SYNC_APPLIED) {
        return;
    }
    engine->counters.book_updates++;
    if (body->last_id >= engine->pending_ticker_id) {
        follow_ticker(engine);
    }
    check_crossed(engine, body->recv_ns);
    top_changed(engine, body->recv_ns);
    if (mm_sync_fresh(engine->sync)) {
        adopt_spare(engine, body->recv_ns);
    }
}

/* A snapshot for a book that is exact and in use. */
static void merge_snapshot(mm_engine *engine, const mm_record *event)
{
    int64_t recv_ns = event->body.depth.recv_ns;
    int32_t result =
        mm_sync_merge(engine->sync, engine->spare, event, (size_t)engine->config.snapshot_levels);
    if (result == MM_SYNC_DROPPED) {
        return; /* a late second answer */
    }
    engine->snapshot_asked_ns = 0;
    if (result < 0 || result == MM_SYNC_STALE_SNAPSHOT) {
        snapshot_failed(engine, recv_ns);
    } else if (result == MM_SYNC_REPLAYED) {
        adopt_spare(engine, recv_ns);
    }
}

static void on_snapshot(mm_engine *engine, const mm_record *event)
{
    const mm_depth_body *body = &event->body.depth;
    if (mm_sync_state(engine->sync) == MM_SYNC_SYNCED) {
        merge_snapshot(engine, event);
        return;
    }
    if (!engine->buffered_any) {
        /* Asked for before the book was thrown away: nothing ties it to what comes, and it may be old. */
        snapshot_failed(engine, body->recv_ns);
        return;
    }
    engine->snapshot_asked_ns = 0;
    uint64_t applied_before = mm_sync_statistics(engine->sync).applied;
    int32_t result =
        mm_sync_snapshot(engine->sync, engine->book, event, (size_t)engine->config.snapshot_levels);
    if (result < 0) {
        malformed(engine, body->recv_ns);
        snapshot_failed(engine, body->recv_ns);
        return;
    }
    if (mm_sync_state(engine->sync) != MM_SYNC_SYNCED) {
        snapshot_failed(engine, body->recv_ns);
        return;
    }
    MM_ASSERT(mm_sync_last_id(engine->sync) >= body->last_id);
    MM_ASSERT(mm_sync_statistics(engine->sync).applied >= applied_before);
    engine->counters.book_updates += mm_sync_statistics(engine->sync).applied - applied_before;
    after_sync(engine, body->recv_ns);
    follow_ticker(engine);
    check_crossed(engine, body->recv_ns);
    top_changed(engine, body->recv_ns);
}

static void on_ticker(mm_engine *engine, const mm_record *event)
{
    const mm_ticker_body *body = &event->body.ticker;
    if (body->update_id <= engine->ticker_id) {
        return;
    }
    if ((body->bid_price_e8 | body->bid_qty_e8 | body->ask_price_e8 | body->ask_qty_e8) < 0) {
        malformed(engine, body->recv_ns);
        return;
    }
    engine->ticker_id = body->update_id;
    engine->ticker_ns = body->recv_ns;
    engine->ticker.bid_price_e8 = body->bid_price_e8;
    engine->ticker.bid_qty_e8 = body->bid_qty_e8;
    engine->ticker.ask_price_e8 = body->ask_price_e8;
    engine->ticker.ask_qty_e8 = body->ask_qty_e8;
    if (mm_sync_state(engine->sync) != MM_SYNC_SYNCED) {
        return;
    }
    if (engine->pending_ticker_id < 0) {
        follow_ticker(engine);
    }
    top_changed(engine, body->recv_ns);
}

static void on_trade(mm_engine *engine, const mm_record *event)
{
    const mm_trade_body *body = &event->body.trade;
    mm_risk_trade(engine->risk, body->price_e8, body->qty_e8, body->recv_ns);
    mm_signal_trade(&engine->signals, body->price_e8, body->qty_e8,
                    (event->flags & MM_FLAG_BUYER_MAKER) != 0, body->recv_ns);
    engine->market_changed = 1;
}

static void on_link(mm_engine *engine, const mm_record *event)
{
    const mm_link_body *body = &event->body.link;
    if (body->state == MM_LINK_UP) {
        engine->market_up = 1;
        engine->snapshot_asked_ns = 0;
        engine->snapshot_next_ns = 0;
        mm__engine_invalidate(engine);
    } else if (body->state == MM_LINK_DOWN) {
        engine->market_up = 0;
        mm__engine_invalidate(engine);
    }
}

static int64_t recv_ns_of(const mm_record *event)
{
    switch (event->kind) {
    case MM_KIND_DEPTH:
    case MM_KIND_PARTIAL:
        return event->body.depth.recv_ns;
    case MM_KIND_TICKER:
        return event->body.ticker.recv_ns;
    case MM_KIND_TRADE:
        return event->body.trade.recv_ns;
    case MM_KIND_MARKET_LINK:
    case MM_KIND_MARKET_FAULT:
        return event->body.link.recv_ns;
    default: /* a REST snapshot says nothing about the stream */
        return 0;
    }
}

/* A frame after a silence ends no silence: it may be the first of what was held up on the way, with the newest still to
 * come. The answer to a ping that left a moment ago does: all that the exchange sent before it has arrived. */
static void note_life(mm_engine *engine, const mm_record *event, int64_t recv_ns)
{
    int64_t limit_ns = engine->config.risk.stale_book_ns;
    const mm_link_body *link = &event->body.link;
    if (recv_ns > engine->frame_ns) {
        if (engine->market_up && recv_ns - engine->frame_ns > limit_ns) {
            engine->stalled = 1;
        }
        engine->frame_ns = recv_ns;
    }
    if (event->kind != MM_KIND_MARKET_LINK) {
        return;
    }
    if (link->state == MM_LINK_PONG && link->detail > 0) {
        int64_t sent_ns = recv_ns - link->detail;
        engine->answered_ns = sent_ns > engine->answered_ns ? sent_ns : engine->answered_ns;
        engine->stalled &= link->detail > limit_ns;
    } else if (link->state == MM_LINK_UP && engine->answered_ns != 0) {
        engine->answered_ns = recv_ns; /* a new connection has nothing under way */
    }
}

void mm__engine_market(mm_engine *engine, const mm_record *event)
{
    int64_t recv_ns = recv_ns_of(event);
    note_life(engine, event, recv_ns);
    if (engine->cause_ns == 0 && event->kind != MM_KIND_MARKET_LINK) {
        engine->cause_ns = recv_ns;
    }
    switch (event->kind) {
    case MM_KIND_DEPTH:
        on_depth(engine, event);
        break;
    case MM_KIND_SNAPSHOT:
        on_snapshot(engine, event);
        break;
    case MM_KIND_TICKER:
        on_ticker(engine, event);
        break;
    case MM_KIND_TRADE:
        on_trade(engine, event);
        break;
    case MM_KIND_MARKET_LINK:
        on_link(engine, event);
        break;
    case MM_KIND_MARKET_FAULT:
        if (event->body.link.state < 0) {
            undecodable(engine, event->flags % MM_ARBITER_SOCKETS, recv_ns);
        } else {
            mm__engine_invalidate(engine); /* an event was dropped at a full ring */
        }
        break;
    default: /* partial books are decoded for embedders; the engine's book is exact without them */
        break;
    }
}

int64_t mm__engine_snapshot_weight(int64_t levels)
{
    return levels <= 100 ? 5 : levels <= 500 ? 25 : levels <= 1000 ? 50 : 250;
}

/* When the budget allows another snapshot: not before the oldest of as many as a minute has room for is a minute
 * old. */
static int64_t snapshot_allowed_ns(const mm_engine *engine, bool synced)
{
    uint64_t most = (uint64_t)(SNAPSHOT_WEIGHT_MAX / mm__engine_snapshot_weight(engine->config.snapshot_levels));
    most = most < MM__SNAPSHOTS_MAX ? most : MM__SNAPSHOTS_MAX;
    most = synced ? most / 2 : most;
    MM_ASSERT(most >= 1);
    if (engine->snapshot_count < most) {
        return engine->snapshot_next_ns;
    }
    int64_t oldest_ns = engine->snapshot_times_ns[(engine->snapshot_count - most) % MM__SNAPSHOTS_MAX];
    int64_t at_ns = oldest_ns + SNAPSHOT_WINDOW_NS;
    return at_ns > engine->snapshot_next_ns ? at_ns : engine->snapshot_next_ns;
}

static bool is_near_horizon(const mm_engine *engine)
{
    for (int32_t side = MM_BID; side <= MM_ASK; side++) {
        if (engine->depth_e8[side] > 0 && depth_left_e8(engine, side) < engine->depth_e8[side] / DEPTH_LEFT_PARTS) {
            return true;
        }
    }
    return false;
}

/* When the exact book is due for a second look; INT64_MAX = not by time. */
static int64_t renewal_ns(const mm_engine *engine)
{
    if (is_near_horizon(engine)) {
        return engine->renewed_ns;
    }
    return engine->config.audit_ns > 0 ? engine->renewed_ns + engine->config.audit_ns : INT64_MAX;
}

/* When a snapshot is to be asked for, if none is under way; INT64_MAX = nothing asks for one. For a book that is
 * lost a diff must have been buffered first, so that the snapshot can bridge it. */
static int64_t snapshot_due_ns(const mm_engine *engine)
{
    bool synced = mm_sync_state(engine->sync) == MM_SYNC_SYNCED;
    bool wanted = synced ? !mm_sync_is_ahead(engine->sync) : engine->buffered_any != 0;
    if (!engine->market_up || !engine->start_confirmed || !wanted) {
        return INT64_MAX;
    }
    int64_t wanted_ns = synced ? renewal_ns(engine) : engine->snapshot_next_ns;
    int64_t allowed_ns = snapshot_allowed_ns(engine, synced);
    return wanted_ns > allowed_ns ? wanted_ns : allowed_ns;
}

/* Asks for a snapshot when one is due. */
void mm__engine_want_snapshot(mm_engine *engine)
{
    if (engine->snapshot_asked_ns != 0) {
        if (engine->now_ns - engine->snapshot_asked_ns < SNAPSHOT_REPLY_NS) {
            return;
        }
        snapshot_failed(engine, engine->now_ns);
    }
    if (engine->now_ns < snapshot_due_ns(engine) ||
        !mm__engine_emit_want(engine, MM_KIND_WANT_SNAPSHOT, 0, engine->config.snapshot_levels, 0)) {
        return;
    }
    engine->snapshot_asked_ns = engine->now_ns;
    engine->snapshot_times_ns[engine->snapshot_count++ % MM__SNAPSHOTS_MAX] = engine->now_ns;
    if (mm_sync_state(engine->sync) == MM_SYNC_SYNCED) {
        mm_sync_keep(engine->sync);
    }
}

/* Everything that the exchange sent before it answered a ping has arrived with the answer. A connection may be slow
 * without ever being silent: then the answers come later and later, and what is read is as old. */
static int64_t late_at(const mm_engine *engine)
{
    return engine->answered_ns == 0 ? INT64_MAX
                                    : engine->answered_ns + PING_EVERY_NS + engine->config.risk.stale_book_ns + 1;
}

static bool is_stale(const mm_engine *engine)
{
    const mm_risk_config *risk = &engine->config.risk;
    int64_t now_ns = engine->now_ns;
    if (engine->stalled || now_ns - engine->frame_ns > risk->stale_book_ns || now_ns >= late_at(engine)) {
        return true;
    }
    if (engine->pending_ticker_id >= 0 && now_ns - engine->pending_ticker_ns > risk->ticker_ahead_ns) {
        return true;
    }
    return risk->quiet_max_ns > 0 && now_ns - engine->depth_ns > risk->quiet_max_ns;
}

static uint64_t shape_verdict(const mm_engine *engine)
{
    uint64_t verdict = 0;
    size_t levels_min = (size_t)engine->config.risk.book_levels_min;
    mm_top top;
    if (!mm__engine_top(engine, &top)) {
        return MM_BIT(MM_REASON_ONE_SIDED);
    }
    if (top.bid_price_e8 >= top.ask_price_e8 || mm_book_crossed(engine->book) != 0) {
        verdict |= MM_BIT(MM_REASON_CROSSED_BOOK);
    }
    if (mm_book_count(engine->book, MM_BID) < levels_min || mm_book_count(engine->book, MM_ASK) < levels_min) {
        verdict |= MM_BIT(MM_REASON_THIN_BOOK);
    }
    if (engine->now_ns - engine->resynced_ns < engine->config.warm_ns) {
        verdict |= MM_BIT(MM_REASON_WARMUP);
    }
    return verdict;
}

/* The price has left what the snapshot showed of a side: the book is exact, but too little of it is known. */
static bool has_left_known_depth(const mm_engine *engine)
{
    size_t levels_min = (size_t)engine->config.risk.book_levels_min;
    for (int32_t side = MM_BID; side <= MM_ASK; side++) {
        int64_t horizon_e8 = 0;
        if (mm_book_count(engine->book, side) < levels_min && mm_book_horizon(engine->book, side, &horizon_e8)) {
            return true;
        }
    }
    return false;
}

/* Too little is known, and a second look will not mend it: its snapshots come to nothing, or the budget has none
 * left for one but for a sync. */
static bool is_lost(const mm_engine *engine)
{
    bool under_way = engine->snapshot_asked_ns != 0 || mm_sync_is_ahead(engine->sync);
    return mm_sync_state(engine->sync) == MM_SYNC_SYNCED && !under_way && has_left_known_depth(engine) &&
           (engine->snapshot_failures >= MERGE_FAILURES_MAX || engine->now_ns < snapshot_allowed_ns(engine, true)) &&
           engine->now_ns >= snapshot_allowed_ns(engine, false);
}

/* Why the market data does not allow a quote. May throw away a book that stays crossed or of which too little is
 * known. */
uint64_t mm__engine_market_verdict(mm_engine *engine)
{
    if (is_lost(engine)) {
        mm__engine_invalidate(engine);
    }
    if (engine->crossed_since_ns != 0 &&
        engine->now_ns - engine->crossed_since_ns >= engine->config.crossed_max_ns) {
        mm__engine_invalidate(engine);
    }
    if (!engine->market_up) {
        return MM_BIT(MM_REASON_DISCONNECTED);
    }
    if (mm_sync_state(engine->sync) != MM_SYNC_SYNCED) {
        return MM_BIT(engine->mismatched ? MM_REASON_BOOK_MISMATCH
                      : engine->gapped   ? MM_REASON_GAP
                                         : MM_REASON_SYNCING);
    }
    uint64_t verdict = is_stale(engine) ? MM_BIT(MM_REASON_STALE_BOOK) : 0;
    return verdict | shape_verdict(engine);
}

int64_t mm__engine_market_deadline(const mm_engine *engine)
{
    const mm_risk_config *risk = &engine->config.risk;
    int64_t at = INT64_MAX;
    if (!engine->market_up) {
        return at;
    }
    at = engine->snapshot_asked_ns != 0 ? engine->snapshot_asked_ns + SNAPSHOT_REPLY_NS : snapshot_due_ns(engine);
    if (mm_sync_state(engine->sync) != MM_SYNC_SYNCED) {
        return at;
    }
    if (!is_stale(engine)) {
        at = mm__smaller(at, engine->frame_ns + risk->stale_book_ns + 1);
        at = mm__smaller(at, late_at(engine));
        if (engine->pending_ticker_id >= 0) {
            at = mm__smaller(at, engine->pending_ticker_ns + risk->ticker_ahead_ns + 1);
        }
        if (risk->quiet_max_ns > 0) {
            at = mm__smaller(at, engine->depth_ns + risk->quiet_max_ns + 1);
        }
    }
    if (engine->crossed_since_ns != 0) {
        at = mm__smaller(at, engine->crossed_since_ns + engine->config.crossed_max_ns);
    }
    if (engine->now_ns - engine->resynced_ns < engine->config.warm_ns) {
        at = mm__smaller(at, engine->resynced_ns + engine->config.warm_ns);
    }
    return at;
}
