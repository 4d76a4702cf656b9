/* Own orders, from the decision to the last fill.
 *
 * The table believes only what proves something. A refusal proves that there is no order; a report,
 * a reply or a row that shows one proves that there is; time-outs, broken replies and "no such
 * order" prove nothing, and leave the order UNKNOWN. An UNKNOWN order is worked on in rounds:
 * cancel, query and trades are asked for together, until something proves what became of it. Each
 * round forgets what the round before it heard, so answers that end an order together belong
 * together.
 *
 * A quantity that is being reduced is the larger one until the exchange has said the smaller: it
 * only falls, so it does not matter in which order reports, replies and rows come. A replacement is
 * two orders with one request: the new one knows the old one, each lives by what is said of itself,
 * and only what is said of the request as such reaches both.
 *
 * Two stores. Orders that may still trade or have fills to come stand in a pool, linked in the
 * order of their numbers. An order that is over leaves a tombstone in a ring: a late duplicate then
 * finds what it repeats, and a sign of life of an order that was taken for never placed is told
 * from it (a zombie). One hash table over both finds an order by its number; running numbers taken
 * modulo its size spread evenly, so it needs no mixing. */
#include "mm_internal.h"

#include <string.h>

#define LIVE_MAX ((size_t)1 << 20)
#define TOMBSTONES_MAX ((size_t)1 << 24)
/* About three years: sums of a time and a few of these stay inside int64. */
#define INTERVAL_MAX_NS INT64_C(100000000000000000)
/* After a request that was not sent. */
#define AGAIN_FIRST_NS INT64_C(20000000)
#define AGAIN_MAX_NS INT64_C(1000000000)
/* "cancelReplace: nothing was done": of a new order, it was not tried. */
#define CODE_NOT_ATTEMPTED (-2022)

/* From the second round of cancel, query and trades on. */
static const int64_t round_pauses_ns[] = {500000000, 1000000000, 2000000000, 4000000000};

typedef struct order_slot {
    mm_order order; /* first: the caller's pointer is the slot's */
    struct order_slot *previous;
    struct order_slot *next;
    int64_t round_ns;       /* UNKNOWN: when the last round was asked for, 0 = none yet */
    int64_t trades_ns;      /* fills are missing: when to ask for them, 0 = none are */
    int64_t amend_due_ns;   /* an amend is under way: when to ask what became of it */
    int64_t again_wait_ns;  /* the last wait for another try, 0 = none */
    int32_t cancel_repeats; /* of a cancel without an answer */
    int32_t trades_repeats;
    int32_t amend_repeats;
} order_slot;

typedef struct {
    uint64_t seq; /* 0 = empty */
    mm_order *order;
} order_cell;

struct mm_orders {
    mm_order_config config;
    mm_pool *pool;
    order_slot *first;
    order_slot *last;
    order_cell *cells;
    size_t cell_mask;
    mm_order *tombs; /* handle 0; seq 0 = empty */
    size_t tomb_capacity;
    size_t tomb_next;
    uint64_t last_seq;
};

MM_STATIC_ASSERT(offsetof(order_slot, order) == 0, a_slot_begins_with_its_order);

typedef struct {
    size_t pool_bytes;
    size_t cell_count;
    size_t cells_bytes;
    size_t tombs_bytes;
} layout;

static bool layout_of(size_t live_max, size_t tombstones, layout *parts)
{
    if (live_max == 0 || live_max > LIVE_MAX || tombstones == 0 || tombstones > TOMBSTONES_MAX) {
        return false;
    }
    /* At most half full, so that probes stay short. */
    parts->cell_count = 2;
    while (parts->cell_count < 2 * (live_max + tombstones)) {
        parts->cell_count *= 2;
    }
    parts->pool_bytes = mm__round_line(mm_pool_bytes(sizeof(order_slot), live_max));
    parts->cells_bytes = mm__round_line(parts->cell_count * sizeof(order_cell));
    parts->tombs_bytes = mm__round_line(tombstones * sizeof(mm_order));
    return true;
}

/* ---- Life ------------------------------------------------------------------------------------ */

size_t mm_orders_bytes(size_t live_max, size_t tombstones)
{
    layout parts;
    if (!layout_of(live_max, tombstones, &parts)) {
        return 0;
    }
    return mm__round_line(sizeof(mm_orders)) + parts.pool_bytes + parts.cells_bytes + parts.tombs_bytes;
}

static bool interval_is_allowed(int64_t interval_ns)
{
    return interval_ns > 0 && interval_ns <= INTERVAL_MAX_NS;
}

mm_status mm_orders_init(void *memory, size_t memory_bytes, size_t live_max, size_t tombstones,
                         const mm_order_config *config, mm_orders **orders)
{
    layout parts;
    if (!layout_of(live_max, tombstones, &parts) ||
        !interval_is_allowed(config->reply_timeout_ns) ||
        !interval_is_allowed(config->recv_window_ns) ||
        !interval_is_allowed(config->unknown_first_ns) ||
        !interval_is_allowed(config->unknown_settle_ns) ||
        !interval_is_allowed(config->tombstone_ns)) {
        return MM_E_ARGUMENT;
    }
    if (!mm__memory_fits(memory, memory_bytes, mm_orders_bytes(live_max, tombstones))) {
        return MM_E_CAPACITY;
    }
    mm_orders *made = memory;
    unsigned char *at = (unsigned char *)memory + mm__round_line(sizeof *made);
    memset(made, 0, sizeof *made);
    made->config = *config;
    mm_status status =
        mm_pool_init(at, parts.pool_bytes, sizeof(order_slot), live_max, &made->pool);
    MM_ASSERT(status == MM_OK);
    at += parts.pool_bytes;
    made->cells = (order_cell *)at;
    made->cell_mask = parts.cell_count - 1;
    memset(made->cells, 0, parts.cells_bytes);
    at += parts.cells_bytes;
    made->tombs = (mm_order *)at;
    made->tomb_capacity = tombstones;
    memset(made->tombs, 0, parts.tombs_bytes);
    *orders = made;
    return status;
}

/* ---- Finding by number ----------------------------------------------------------------------- */

/* The cell of `seq`, or the empty one where it would stand. At most half of the cells are taken. */
static size_t cell_of(const mm_orders *orders, uint64_t seq)
{
    size_t at = (size_t)seq & orders->cell_mask;
    while (orders->cells[at].seq != 0 && orders->cells[at].seq != seq) {
        at = (at + 1) & orders->cell_mask;
    }
    return at;
}

static void cell_set(mm_orders *orders, mm_order *order)
{
    MM_ASSERT(order->seq != 0);
    size_t at = cell_of(orders, order->seq);
    orders->cells[at].seq = order->seq;
    orders->cells[at].order = order;
}

/* Closes the gap, so that no search ends early: later cells of the run move up if they may. */
static void cell_clear(mm_orders *orders, uint64_t seq)
{
    size_t gap = cell_of(orders, seq);
    MM_ASSERT(orders->cells[gap].seq == seq);
    size_t at = (gap + 1) & orders->cell_mask;
    while (orders->cells[at].seq != 0) {
        size_t home = (size_t)orders->cells[at].seq & orders->cell_mask;
        if (((at - home) & orders->cell_mask) >= ((at - gap) & orders->cell_mask)) {
            orders->cells[gap] = orders->cells[at];
            gap = at;
        }
        at = (at + 1) & orders->cell_mask;
    }
    orders->cells[gap].seq = 0;
    orders->cells[gap].order = NULL;
}

static mm_order *find_any(const mm_orders *orders, uint64_t seq)
{
    return seq == 0 ? NULL : orders->cells[cell_of(orders, seq)].order;
}

static bool is_open_state(int32_t state)
{
    return state == MM_ORDER_PENDING || state == MM_ORDER_LIVE || state == MM_ORDER_UNKNOWN;
}

static bool is_ended_state(int32_t state)
{
    MM_ASSERT(state >= MM_ORDER_FREE && state <= MM_ORDER_NOT_ACCEPTED);
    return state >= MM_ORDER_FILLED;
}

/* States that say the order never was: proof of the contrary makes it a zombie. */
static bool is_never_state(int32_t state)
{
    return state == MM_ORDER_REJECTED || state == MM_ORDER_NOT_SENT ||
           state == MM_ORDER_NOT_ACCEPTED;
}

static bool is_tomb(const mm_order *order)
{
    return order->handle == 0;
}

static order_slot *slot_of(mm_order *order)
{
    MM_ASSERT(!is_tomb(order));
    return (order_slot *)order;
}

/* ---- Into the table and out of it ------------------------------------------------------------ */

/* Links by number. A new order is the last; only a zombie walks. */
static void link_slot(mm_orders *orders, order_slot *slot)
{
    order_slot *before = orders->last;
    while (before != NULL && before->order.seq > slot->order.seq) {
        before = before->previous;
    }
    slot->previous = before;
    slot->next = before == NULL ? orders->first : before->next;
    *(slot->previous == NULL ? &orders->first : &slot->previous->next) = slot;
    *(slot->next == NULL ? &orders->last : &slot->next->previous) = slot;
}

static void unlink_slot(mm_orders *orders, order_slot *slot)
{
    *(slot->previous == NULL ? &orders->first : &slot->previous->next) = slot->next;
    *(slot->next == NULL ? &orders->last : &slot->next->previous) = slot->previous;
}

static order_slot *take_slot(mm_orders *orders)
{
    mm_handle handle = 0;
    void *object = NULL;
    if (!mm_pool_take_inlined(orders->pool, &handle, &object)) {
        return NULL;
    }
    order_slot *slot = object;
    memset(slot, 0, sizeof *slot);
    slot->order.handle = handle;
    return slot;
}

/* Moves an ended order to the ring, over the oldest tombstone. Returns the tombstone. */
static mm_order *bury(mm_orders *orders, order_slot *slot)
{
    MM_ASSERT(is_ended_state(slot->order.state));
    MM_ASSERT(slot->order.executed_e8 >= slot->order.reported_e8);
    mm_order *tomb = &orders->tombs[orders->tomb_next];
    orders->tomb_next = (orders->tomb_next + 1) % orders->tomb_capacity;
    if (tomb->seq != 0) {
        cell_clear(orders, tomb->seq);
    }
    mm_handle handle = slot->order.handle;
    *tomb = slot->order;
    tomb->handle = 0;
    cell_set(orders, tomb);
    unlink_slot(orders, slot);
    bool given = mm_pool_give_inlined(orders->pool, handle);
    MM_ASSERT(given);
    return tomb;
}

/* Takes an order back into the table: fills of it are missing, or it turned out to exist. NULL = no
 * room. */
static order_slot *exhume(mm_orders *orders, mm_order *tomb)
{
    MM_ASSERT(is_tomb(tomb));
    order_slot *slot = take_slot(orders);
    if (slot == NULL) {
        return NULL;
    }
    mm_handle handle = slot->order.handle;
    slot->order = *tomb;
    slot->order.handle = handle;
    link_slot(orders, slot);
    cell_set(orders, &slot->order);
    tomb->seq = 0;
    return slot;
}

/* ---- Changes of state ------------------------------------------------------------------------ */

/* From when on a request sent at `from_ns` can no longer reach the book. */
static int64_t settled_from(const mm_orders *orders, int64_t from_ns)
{
    return from_ns + orders->config.recv_window_ns + orders->config.unknown_settle_ns;
}

static int64_t settle_at(const mm_orders *orders, const mm_order *order)
{
    /* An order whose SENT was never told went out, if at all, before it was given up on. */
    return settled_from(orders, order->sent_ns != 0 ? order->sent_ns : order->unknown_ns);
}

static void enter_unknown(const mm_orders *orders, order_slot *slot, int64_t now_ns)
{
    mm_order *order = &slot->order;
    MM_ASSERT(is_open_state(order->state));
    if (order->state == MM_ORDER_UNKNOWN) {
        return;
    }
    order->state = MM_ORDER_UNKNOWN;
    order->unknown_ns = now_ns;
    order->retry_ns = now_ns + orders->config.unknown_first_ns;
    order->attempts = 0;
    order->cancel_refused = 0;
    order->query_missing = 0;
    order->trades_checked = 0;
    slot->round_ns = 0;
}

static void enter_live(const mm_orders *orders, order_slot *slot, int64_t now_ns)
{
    mm_order *order = &slot->order;
    order->state = MM_ORDER_LIVE;
    order->unknown_ns = 0;
    order->attempts = 0;
    order->cancel_refused = 0;
    order->query_missing = 0;
    order->trades_checked = 0;
    slot->cancel_repeats = 0;
    order->retry_ns = order->cancel_pending ? now_ns + orders->config.reply_timeout_ns : 0;
}

/* Ends an order that stands in the table. It stays there while fills of it are to come; else its
 * tombstone is returned. */
static mm_order *end_order(mm_orders *orders, order_slot *slot, int32_t state, int64_t now_ns)
{
    mm_order *order = &slot->order;
    MM_ASSERT(is_ended_state(state));
    order->state = state;
    order->ended_ns = now_ns;
    order->cancel_pending = 0;
    order->replaced_by = 0;
    order->amend_qty_e8 = 0;
    order->again_ns = 0;
    order->cancel_refused = 0;
    order->query_missing = 0;
    order->unknown_ns = 0;
    order->retry_ns = 0;
    return order->reported_e8 > order->executed_e8 ? order : bury(orders, slot);
}

/* The exchange says that so much has been executed. */
static void note_reported(const mm_orders *orders, order_slot *slot, int64_t reported_e8,
                          int64_t now_ns)
{
    mm_order *order = &slot->order;
    if (reported_e8 > order->reported_e8) {
        order->reported_e8 = reported_e8;
    }
    if (order->reported_e8 > order->executed_e8 && slot->trades_ns == 0) {
        slot->trades_ns = now_ns + orders->config.unknown_first_ns;
        slot->trades_repeats = 0;
    }
}

/* The first proof that the order reached the book. */
static void note_accepted(mm_order *order, int64_t now_ns, mm_order_change *change)
{
    if (order->live_ns == 0) {
        order->live_ns = now_ns > 0 ? now_ns : 1;
        change->first_live = 1;
    }
}

/* ---- What the caller does -------------------------------------------------------------------- */

bool mm_orders_place(mm_orders *orders, int32_t side, int32_t layer, int64_t price_e8,
                     int64_t qty_e8, int64_t now_ns, mm_order **order)
{
    MM_ASSERT(side == MM_BID || side == MM_ASK);
    MM_ASSERT(price_e8 > 0 && qty_e8 > 0);
    order_slot *slot = take_slot(orders);
    if (slot == NULL) {
        return false;
    }
    mm_order *made = &slot->order;
    made->seq = ++orders->last_seq;
    made->price_e8 = price_e8;
    made->qty_e8 = qty_e8;
    made->placed_qty_e8 = qty_e8;
    made->created_ns = now_ns;
    made->side = side;
    made->layer = layer;
    made->state = MM_ORDER_PENDING;
    link_slot(orders, slot);
    cell_set(orders, made);
    *order = made;
    return true;
}

void mm_orders_cancel(mm_orders *orders, mm_order *order, int64_t now_ns)
{
    MM_ASSERT(is_open_state(order->state));
    order_slot *slot = slot_of(order);
    if (!order->cancel_pending && order->state != MM_ORDER_UNKNOWN) {
        slot->cancel_repeats = 0;
        order->retry_ns = now_ns + orders->config.reply_timeout_ns;
    }
    order->cancel_pending = 1;
    order->cancel_ns = now_ns;
    order->cancel_refused = 0;
    order->replaced_by = 0;
}

bool mm_orders_replace(mm_orders *orders, mm_order *old, int32_t layer, int64_t price_e8,
                       int64_t qty_e8, int64_t now_ns, mm_order **order)
{
    MM_ASSERT(old->state == MM_ORDER_LIVE && !old->cancel_pending);
    MM_ASSERT(old->exchange_id > 0);
    if (!mm_orders_place(orders, old->side, layer, price_e8, qty_e8, now_ns, order)) {
        return false;
    }
    mm_orders_cancel(orders, old, now_ns);
    old->replaced_by = (*order)->seq;
    (*order)->replaces_seq = old->seq;
    return true;
}

void mm_orders_amend(mm_orders *orders, mm_order *order, int64_t qty_e8, int64_t now_ns)
{
    MM_ASSERT(order->state == MM_ORDER_LIVE && !order->cancel_pending);
    MM_ASSERT(order->amend_qty_e8 == 0 && qty_e8 > order->executed_e8 && qty_e8 < order->qty_e8);
    order_slot *slot = slot_of(order);
    order->amend_qty_e8 = qty_e8;
    order->amend_ns = now_ns;
    order->amends++;
    slot->amend_repeats = 0;
    slot->amend_due_ns = now_ns + orders->config.reply_timeout_ns;
}

/* Of an order in the table: nothing is missing any more, or it is filled. */
static void settle_fills(mm_orders *orders, order_slot *slot, int64_t now_ns)
{
    mm_order *order = &slot->order;
    if (order->executed_e8 >= order->reported_e8) {
        slot->trades_ns = 0;
    }
    if (is_ended_state(order->state)) {
        if (order->executed_e8 >= order->reported_e8) {
            (void)bury(orders, slot);
        }
    } else if (order->executed_e8 >= order->qty_e8) {
        (void)end_order(orders, slot, MM_ORDER_FILLED, now_ns);
    }
}

bool mm_orders_filled(mm_orders *orders, mm_order *order, int64_t qty_e8, int64_t now_ns)
{
    MM_ASSERT(qty_e8 > 0);
    MM_ASSERT(order->executed_e8 >= 0);
    /* Where the sum does not fit, far more than any order was executed: that is all the caller
     * needs. */
    if (mm_fixed_add(order->executed_e8, qty_e8, &order->executed_e8) != MM_OK) {
        order->executed_e8 = INT64_MAX;
    }
    if (order->reported_e8 < order->executed_e8) {
        order->reported_e8 = order->executed_e8;
    }
    bool fits = order->executed_e8 <= order->placed_qty_e8;
    if (!is_tomb(order)) {
        settle_fills(orders, slot_of(order), now_ns);
    }
    return fits;
}

bool mm_orders_disprove(mm_orders *orders, mm_order *order, bool balances_equal, int64_t now_ns)
{
    if (order->state != MM_ORDER_UNKNOWN) {
        return false;
    }
    order_slot *slot = slot_of(order);
    bool never_seen = order->live_ns == 0;
    MM_ASSERT(!never_seen || (order->exchange_id == 0 && order->reported_e8 == 0));
    bool nowhere = order->cancel_refused && order->query_missing && order->trades_checked;
    /* Nothing new can reach the book once the settling time is over, but what was asked before then
     * may have been asked too early: the answers must be of a round that began after it. */
    int64_t settled_ns = settle_at(orders, order);
    bool late =
        now_ns >= settled_ns && slot->round_ns >= settled_ns && order->cancel_ns >= slot->round_ns;
    if (!never_seen || !nowhere || !late || !balances_equal) {
        return false;
    }
    (void)end_order(orders, slot, MM_ORDER_NOT_ACCEPTED, now_ns);
    return true;
}

void mm_orders_vanish(mm_orders *orders, mm_order *order, int64_t now_ns)
{
    MM_ASSERT(order->state == MM_ORDER_UNKNOWN);
    /* Fills that were to come have gone with the account. */
    order->reported_e8 = order->executed_e8;
    (void)end_order(orders, slot_of(order), MM_ORDER_NOT_ACCEPTED, now_ns);
}

/* ---- What the exchange says ------------------------------------------------------------------ */

/* What one record says of its order, whatever its kind. */
typedef struct {
    bool exists;   /* proves that the order reached the book */
    bool fill;     /* one trade; MM_KIND_MORE follows */
    bool fresh;    /* an answer to a question asked later than the order: cannot be an old report */
    int32_t state; /* MM_ORDER_LIVE, an ended state, or MM_ORDER_STATUS_OTHER when not said */
    int64_t executed_e8;
    int64_t qty_e8; /* of the whole order, 0 = not said */
    int64_t exchange_id;
} evidence;

static int32_t state_said(const mm_record *record)
{
    int32_t state = record->body.report.status;
    bool known = state == MM_ORDER_LIVE || state == MM_ORDER_FILLED || state == MM_ORDER_CANCELED ||
                 state == MM_ORDER_REJECTED || state == MM_ORDER_EXPIRED;
    if (record->kind == MM_KIND_AMENDED && state == MM_ORDER_FREE) {
        return MM_ORDER_LIVE; /* what can be amended rests */
    }
    if (record->kind == MM_KIND_TRADE_ROW || !known) {
        return MM_ORDER_STATUS_OTHER;
    }
    /* The reply to a cancel need not say what the order is now: it is done. */
    if (record->kind == MM_KIND_CANCELED && state == MM_ORDER_LIVE) {
        return MM_ORDER_CANCELED;
    }
    return state;
}

static evidence evidence_of(const mm_record *record, const mm_order *order)
{
    const mm_report_body *body = &record->body.report;
    evidence said;
    said.state = state_said(record);
    said.exists = said.state != MM_ORDER_REJECTED;
    said.fill = record->kind == MM_KIND_TRADE_ROW ||
                (record->kind == MM_KIND_REPORT && (record->flags & MM_FLAG_FILL) != 0);
    said.fresh = record->kind == MM_KIND_STATUS || record->kind == MM_KIND_OPEN_ROW;
    said.qty_e8 = said.fill ? 0 : body->qty_e8;
    said.executed_e8 = body->executed_e8;
    if (said.state == MM_ORDER_FILLED && said.executed_e8 < 0) {
        said.executed_e8 = order->amend_qty_e8 != 0 ? order->amend_qty_e8 : order->qty_e8;
    }
    said.exchange_id = body->exchange_id;
    return said;
}

/* The order rests, or rested when this was said. */
static void hear_live(mm_orders *orders, order_slot *slot, const evidence *said, bool seen_before,
                      int64_t now_ns)
{
    const mm_order *order = &slot->order;
    /* The matching engine's word that it is not on the book stands against memories of it: a late
     * report or a query that lags. The next round tells. Nor does an old report end a doubt that
     * came after it.
     */
    bool stale = order->state == MM_ORDER_UNKNOWN &&
                 (order->cancel_refused || (seen_before && !said->fresh));
    if (order->state != MM_ORDER_LIVE && !stale) {
        enter_live(orders, slot, now_ns);
    }
}

/* A smaller quantity than was known: it has been amended. One that is not smaller is older news, or
 * says that an amend that should have happened by now has not. */
static void take_quantity(const mm_orders *orders, mm_order *order, const evidence *said,
                          int64_t now_ns)
{
    if (said->qty_e8 <= 0) {
        return;
    }
    if (said->qty_e8 < order->qty_e8) {
        order->qty_e8 = said->qty_e8;
    }
    bool happened = order->qty_e8 <= order->amend_qty_e8;
    bool never = said->fresh && now_ns >= settled_from(orders, order->amend_ns);
    if (happened || never) {
        order->amend_qty_e8 = 0;
    }
}

/* Evidence on an order that may still trade. Returns the order, which may be its tombstone now. */
static mm_order *hear(mm_orders *orders, order_slot *slot, const evidence *said, int64_t now_ns,
                      mm_order_change *change)
{
    mm_order *order = &slot->order;
    bool seen_before = order->live_ns != 0;
    MM_ASSERT(is_open_state(order->state));
    if (said->exchange_id > 0 && order->exchange_id == 0) {
        order->exchange_id = said->exchange_id;
    }
    if (said->exists) {
        note_accepted(order, now_ns, change);
    }
    take_quantity(orders, order, said, now_ns);
    note_reported(orders, slot, said->executed_e8, now_ns);
    if (said->state == MM_ORDER_LIVE) {
        hear_live(orders, slot, said, seen_before, now_ns);
    } else if (said->state == MM_ORDER_STATUS_OTHER ? !said->fill : !said->exists && seen_before) {
        enter_unknown(orders, slot,
                      now_ns); /* a state nobody knows, or refused though it was seen */
    } else if (said->state != MM_ORDER_STATUS_OTHER) {
        return end_order(orders, slot, said->state, now_ns);
    }
    return order;
}

/* Evidence on an order that is over but has fills to come, or a tombstone. */
static mm_order *hear_ended(mm_orders *orders, mm_order *order, const evidence *said,
                            int64_t now_ns, mm_order_change *change)
{
    MM_ASSERT(is_ended_state(order->state));
    change->zombie = said->exists && is_never_state(order->state);
    bool missing = said->executed_e8 > order->executed_e8;
    if (is_tomb(order) && (change->zombie || missing)) {
        order_slot *slot = exhume(orders, order);
        order = slot != NULL ? &slot->order : order;
    }
    if (is_tomb(order)) {
        return order;
    }
    order_slot *slot = slot_of(order);
    if (!change->zombie) {
        note_reported(orders, slot, said->executed_e8, now_ns);
        return order;
    }
    order->state = MM_ORDER_PENDING;
    order->ended_ns = 0;
    if (said->state == MM_ORDER_STATUS_OTHER) {
        enter_unknown(orders, slot, now_ns);
    }
    return hear(orders, slot, said, now_ns, change);
}

static void on_evidence(mm_orders *orders, const mm_record *record, mm_order *order, int64_t now_ns,
                        mm_order_change *change)
{
    evidence said = evidence_of(record, order);
    MM_ASSERT(!said.fill || record->count >= 2);
    change->fill = said.fill;
    change->overfill = said.executed_e8 > order->placed_qty_e8;
    change->order = is_ended_state(order->state)
                        ? hear_ended(orders, order, &said, now_ns, change)
                        : hear(orders, slot_of(order), &said, now_ns, change);
    if (record->kind == MM_KIND_REPORT && said.state == MM_ORDER_REJECTED) {
        change->reject_class = record->body.report.code;
    }
}

/* ---- Outcomes of requests -------------------------------------------------------------------- */

static mm_order *on_reject(mm_orders *orders, order_slot *slot, const mm_outcome_body *body,
                           int64_t now_ns, mm_order_change *change)
{
    /* "Duplicate" says that the id is taken, and no order is ever sent twice; and an order that was
     * seen has not been refused. Neither proves that nothing rests. */
    if (body->detail == MM_REJECT_DUPLICATE || slot->order.live_ns != 0) {
        enter_unknown(orders, slot, now_ns);
        return &slot->order;
    }
    change->reject_class = body->detail;
    change->not_attempted =
        body->operation == MM_OP_REPLACE && body->code == CODE_NOT_ATTEMPTED;
    return end_order(orders, slot, MM_ORDER_REJECTED, now_ns);
}

/* No later than one pause from now, growing with each repeat. */
static void hasten_cancel(const mm_orders *orders, order_slot *slot, int64_t now_ns)
{
    mm_order *order = &slot->order;
    int64_t pause_ns = slot->cancel_repeats == 0 ? orders->config.unknown_first_ns
                                                 : round_pauses_ns[slot->cancel_repeats - 1];
    if (order->state == MM_ORDER_LIVE && order->cancel_pending &&
        order->retry_ns > now_ns + pause_ns) {
        order->retry_ns = now_ns + pause_ns;
    }
}

/* The cancel that went with order `seq` is none any more, unless another has been sent since. */
static void release_cancel(mm_order *order, uint64_t seq)
{
    MM_ASSERT(seq != 0);
    if (order->replaced_by == seq) {
        order->cancel_pending = 0;
        order->replaced_by = 0;
    }
}

static void on_cancel_reject(const mm_orders *orders, order_slot *slot, const mm_outcome_body *body,
                             int64_t now_ns)
{
    mm_order *order = &slot->order;
    if (body->detail != MM_REJECT_UNKNOWN_ORDER) {
        /* Refused as a request: the order is as it was. A replacement is not asked for again. */
        if (body->operation == MM_OP_REPLACE) {
            release_cancel(order, body->order_seq);
        } else {
            hasten_cancel(orders, slot, now_ns);
        }
        return;
    }
    order->cancel_pending = 0;
    order->replaced_by = 0;
    if (order->state == MM_ORDER_LIVE) {
        enter_unknown(orders, slot,
                      now_ns); /* filled, canceled, or not yet there: to be found out */
    }
    if (order->state == MM_ORDER_UNKNOWN) {
        order->cancel_refused = 1;
    }
}

/* The order whose cancel went with the request for `order`; NULL when that is over. */
static mm_order *replaced_of(const mm_orders *orders, const mm_order *order)
{
    mm_order *old = find_any(orders, order->replaces_seq);
    return old != NULL && is_open_state(old->state) ? old : NULL;
}

static void on_amend_reject(const mm_orders *orders, order_slot *slot, const mm_outcome_body *body,
                            int64_t now_ns)
{
    slot->order.amend_qty_e8 = 0;
    if (body->detail == MM_REJECT_UNKNOWN_ORDER && slot->order.state == MM_ORDER_LIVE) {
        enter_unknown(orders, slot, now_ns); /* filled or gone: to be found out */
    }
}

static void on_lost(const mm_orders *orders, order_slot *slot, const mm_outcome_body *body,
                    int64_t now_ns)
{
    mm_order *order = &slot->order;
    int64_t soon_ns = now_ns + orders->config.unknown_first_ns;
    if (body->operation == MM_OP_CANCEL) {
        hasten_cancel(orders, slot, now_ns);
    } else if (body->operation == MM_OP_AMEND && slot->amend_due_ns > soon_ns) {
        slot->amend_due_ns = soon_ns;
    }
    if (body->operation != MM_OP_PLACE && body->operation != MM_OP_REPLACE) {
        return;
    }
    /* The exchange's own "I do not know" is settled by having seen the order. Without its word the
     * channel was cut, and what was seen may be out of date. */
    bool answered = body->code != 0 || body->http_status != 0;
    if (order->state != MM_ORDER_LIVE || !answered) {
        enter_unknown(orders, slot, now_ns);
    }
}

/* The other half of what on_lost and on_not_sent do to a replacement; the new order may be over. */
static void on_request_lost(const mm_orders *orders, const mm_record *record, const mm_order *order,
                            int64_t now_ns)
{
    mm_order *old = replaced_of(orders, order);
    if (record->body.outcome.operation != MM_OP_REPLACE || old == NULL) {
        return;
    }
    if (record->kind == MM_KIND_LOST) {
        hasten_cancel(orders, slot_of(old), now_ns);
    } else {
        release_cancel(old, order->seq);
    }
}

static void on_sent(mm_orders *orders, mm_order *order, const mm_outcome_body *body, int64_t now_ns)
{
    int64_t at_ns = body->recv_ns > 0 ? body->recv_ns : now_ns;
    bool placed = body->operation == MM_OP_PLACE || body->operation == MM_OP_REPLACE;
    if (placed && order->sent_ns == 0) {
        order->sent_ns = at_ns;
    }
    bool about = body->operation == MM_OP_CANCEL || body->operation == MM_OP_AMEND;
    if (!about || is_tomb(order)) {
        return;
    }
    order_slot *slot = slot_of(order);
    order->again_ns = 0;
    slot->again_wait_ns = 0;
    if (body->operation == MM_OP_AMEND && slot->amend_repeats == 0) {
        order->amend_ns = at_ns;
        slot->amend_due_ns = at_ns + orders->config.reply_timeout_ns;
    }
}

/* Not before a pause, growing with each try. */
static void wait_for_again(order_slot *slot, int64_t now_ns)
{
    int64_t wait_ns = slot->again_wait_ns == 0 ? AGAIN_FIRST_NS : 2 * slot->again_wait_ns;
    slot->again_wait_ns = wait_ns < AGAIN_MAX_NS ? wait_ns : AGAIN_MAX_NS;
    slot->order.again_ns = now_ns + slot->again_wait_ns;
}

static mm_order *on_not_sent(mm_orders *orders, order_slot *slot, const mm_outcome_body *body,
                             int64_t now_ns)
{
    mm_order *order = &slot->order;
    bool placed = body->operation == MM_OP_PLACE || body->operation == MM_OP_REPLACE;
    if (body->operation == MM_OP_CANCEL) {
        order->cancel_pending = 0;
        order->replaced_by = 0;
        wait_for_again(slot, now_ns);
    } else if (body->operation == MM_OP_AMEND && order->amend_qty_e8 != 0) {
        order->amend_qty_e8 = 0;
        order->amends--;
        wait_for_again(slot, now_ns);
    }
    bool stayed = placed && order->sent_ns == 0 && order->live_ns == 0;
    return stayed ? end_order(orders, slot, MM_ORDER_NOT_SENT, now_ns) : order;
}

static void on_outcome(mm_orders *orders, const mm_record *record, mm_order *order, int64_t now_ns,
                       mm_order_change *change)
{
    const mm_outcome_body *body = &record->body.outcome;
    if (record->kind == MM_KIND_SENT) {
        on_sent(orders, order, body, now_ns);
        return;
    }
    if (record->kind == MM_KIND_LOST || record->kind == MM_KIND_NOT_SENT) {
        on_request_lost(orders, record, order, now_ns);
    }
    if (is_ended_state(order->state)) {
        return;
    }
    order_slot *slot = slot_of(order);
    switch (record->kind) {
    case MM_KIND_REJECT:
        change->order = on_reject(orders, slot, body, now_ns, change);
        break;
    case MM_KIND_CANCEL_REJECT:
        on_cancel_reject(orders, slot, body, now_ns);
        break;
    case MM_KIND_AMEND_REJECT:
        on_amend_reject(orders, slot, body, now_ns);
        break;
    case MM_KIND_LOST:
        on_lost(orders, slot, body, now_ns);
        break;
    default:
        MM_ASSERT(record->kind == MM_KIND_NOT_SENT);
        change->order = on_not_sent(orders, slot, body, now_ns);
        break;
    }
}

static bool is_outcome(uint16_t kind)
{
    return kind == MM_KIND_REJECT || kind == MM_KIND_CANCEL_REJECT ||
           kind == MM_KIND_AMEND_REJECT || kind == MM_KIND_LOST || kind == MM_KIND_SENT ||
           kind == MM_KIND_NOT_SENT;
}

static MM_INVARIANT bool is_report(uint16_t kind)
{
    return kind == MM_KIND_REPORT || kind == MM_KIND_ACK || kind == MM_KIND_CANCELED ||
           kind == MM_KIND_STATUS || kind == MM_KIND_AMENDED || kind == MM_KIND_TRADE_ROW ||
           kind == MM_KIND_OPEN_ROW;
}

/* The order a record is about; a tombstone older than its time is none. */
static mm_order *addressee(const mm_orders *orders, const mm_record *record, int64_t now_ns)
{
    uint64_t seq =
        is_outcome(record->kind) ? record->body.outcome.order_seq : record->body.report.order_seq;
    mm_order *order = find_any(orders, seq);
    bool forgotten =
        order != NULL && is_tomb(order) && now_ns - order->ended_ns >= orders->config.tombstone_ns;
    if (order == NULL || forgotten) {
        return NULL;
    }
    /* That a replacement's cancel failed is told under the new order's number. */
    bool about_old = record->kind == MM_KIND_CANCEL_REJECT &&
                     record->body.outcome.operation == MM_OP_REPLACE;
    return about_old ? replaced_of(orders, order) : order;
}

void mm_orders_apply(mm_orders *orders, const mm_record *records, int64_t now_ns,
                     mm_order_change *change)
{
    MM_ASSERT(is_outcome(records->kind) || is_report(records->kind));
    memset(change, 0, sizeof *change);
    mm_order *order = addressee(orders, records, now_ns);
    if (order == NULL) {
        return;
    }
    change->order = order;
    change->from = order->state;
    if (is_outcome(records->kind)) {
        on_outcome(orders, records, order, now_ns, change);
    } else if (records->kind == MM_KIND_STATUS && (records->flags & MM_FLAG_FOUND) == 0) {
        order->query_missing = order->state == MM_ORDER_UNKNOWN;
    } else {
        on_evidence(orders, records, order, now_ns, change);
    }
    change->to = change->order->state;
    change->ended = change->to != change->from && is_ended_state(change->to);
}

/* ---- What is due ----------------------------------------------------------------------------- */

/* When a PENDING order is given up on. */
static int64_t reply_deadline(const mm_orders *orders, const mm_order *order)
{
    int64_t from_ns = order->sent_ns != 0 ? order->sent_ns : order->created_ns;
    return from_ns + orders->config.reply_timeout_ns;
}

/* An UNKNOWN order is asked about anyway. */
static bool amend_is_open(const mm_order *order)
{
    return order->state == MM_ORDER_LIVE && order->amend_qty_e8 != 0;
}

static int64_t slot_deadline(const mm_orders *orders, const order_slot *slot)
{
    const mm_order *order = &slot->order;
    int64_t at_ns = INT64_MAX;
    if (order->state == MM_ORDER_PENDING) {
        at_ns = reply_deadline(orders, order);
    } else if (order->state == MM_ORDER_UNKNOWN || order->cancel_pending) {
        at_ns = order->retry_ns;
    }
    if (amend_is_open(order) && slot->amend_due_ns < at_ns) {
        at_ns = slot->amend_due_ns;
    }
    return slot->trades_ns != 0 && slot->trades_ns < at_ns ? slot->trades_ns : at_ns;
}

static int64_t pause_after(int32_t rounds)
{
    MM_ASSERT(rounds >= 1);
    int32_t last = (int32_t)MM_ARRAY_COUNT(round_pauses_ns);
    return round_pauses_ns[(rounds < last ? rounds : last) - 1];
}

/* The next round of an UNKNOWN order. One begins when the settling time is over, as early as its
 * answers can prove anything. */
static void begin_round(const mm_orders *orders, order_slot *slot, int64_t now_ns)
{
    mm_order *order = &slot->order;
    int64_t settled_ns = settle_at(orders, order);
    order->attempts += order->attempts < INT32_MAX ? 1 : 0;
    order->cancel_refused = 0;
    order->query_missing = 0;
    order->trades_checked = 0;
    slot->round_ns = now_ns;
    order->retry_ns = now_ns + pause_after(order->attempts);
    if (settled_ns > now_ns && settled_ns < order->retry_ns) {
        order->retry_ns = settled_ns;
    }
}

static int32_t slot_due(const mm_orders *orders, order_slot *slot, int64_t now_ns)
{
    mm_order *order = &slot->order;
    int32_t due = MM_DUE_NONE;
    if (order->state == MM_ORDER_PENDING && now_ns >= reply_deadline(orders, order)) {
        enter_unknown(orders, slot, now_ns);
        due = MM_DUE_UNKNOWN;
    } else if (order->state == MM_ORDER_UNKNOWN && now_ns >= order->retry_ns) {
        begin_round(orders, slot, now_ns);
        due = MM_DUE_CANCEL | MM_DUE_QUERY | MM_DUE_TRADES;
    } else if (order->state == MM_ORDER_LIVE && order->cancel_pending &&
               now_ns >= order->retry_ns) {
        slot->cancel_repeats += slot->cancel_repeats < (int32_t)MM_ARRAY_COUNT(round_pauses_ns);
        int64_t pause_ns = pause_after(slot->cancel_repeats);
        int64_t least_ns = orders->config.reply_timeout_ns;
        order->retry_ns = now_ns + (pause_ns > least_ns ? pause_ns : least_ns);
        due = MM_DUE_CANCEL;
    }
    if (amend_is_open(order) && now_ns >= slot->amend_due_ns) {
        slot->amend_repeats += slot->amend_repeats < INT32_MAX ? 1 : 0;
        slot->amend_due_ns = now_ns + pause_after(slot->amend_repeats);
        due |= MM_DUE_QUERY;
    }
    if (slot->trades_ns != 0 && now_ns >= slot->trades_ns) {
        slot->trades_repeats += slot->trades_repeats < INT32_MAX ? 1 : 0;
        slot->trades_ns = now_ns + pause_after(slot->trades_repeats);
        due |= MM_DUE_TRADES;
    }
    return due;
}

bool mm_orders_due(mm_orders *orders, int64_t now_ns, mm_order **order, int32_t *due)
{
    for (order_slot *slot = orders->first; slot != NULL; slot = slot->next) {
        int32_t bits = slot_due(orders, slot, now_ns);
        if (bits != MM_DUE_NONE) {
            *order = &slot->order;
            *due = bits;
            return true;
        }
    }
    return false;
}

int64_t mm_orders_deadline(const mm_orders *orders)
{
    int64_t earliest_ns = INT64_MAX;
    for (const order_slot *slot = orders->first; slot != NULL; slot = slot->next) {
        int64_t at_ns = slot_deadline(orders, slot);
        earliest_ns = at_ns < earliest_ns ? at_ns : earliest_ns;
    }
    return earliest_ns;
}

/* ---- Reading --------------------------------------------------------------------------------- */

mm_order *mm_orders_find(const mm_orders *orders, uint64_t seq)
{
    mm_order *order = find_any(orders, seq);
    return order != NULL && is_open_state(order->state) ? order : NULL;
}

size_t mm_orders_open(const mm_orders *orders, int32_t side, mm_order **out, size_t out_capacity)
{
    size_t count = 0;
    for (order_slot *slot = orders->first; slot != NULL && count < out_capacity;
         slot = slot->next) {
        if (is_open_state(slot->order.state) && (side < 0 || slot->order.side == side)) {
            out[count++] = &slot->order;
        }
    }
    return count;
}

size_t mm_orders_count(const mm_orders *orders, int32_t side, int32_t state)
{
    size_t count = 0;
    for (const order_slot *slot = orders->first; slot != NULL; slot = slot->next) {
        bool matches = state < 0 ? is_open_state(slot->order.state) : slot->order.state == state;
        count += matches && (side < 0 || slot->order.side == side);
    }
    return count;
}

size_t mm_orders_unfilled_reports(const mm_orders *orders)
{
    size_t count = 0;
    for (const order_slot *slot = orders->first; slot != NULL; slot = slot->next) {
        count += slot->order.reported_e8 > slot->order.executed_e8;
    }
    return count;
}

uint64_t mm_orders_last_seq(const mm_orders *orders)
{
    return orders->last_seq;
}

/* ---- Invariants ------------------------------------------------------------------------------ */

static MM_INVARIANT bool order_is_valid(const mm_orders *orders, const mm_order *order)
{
    bool found =
        order->seq != 0 && order->seq <= orders->last_seq && find_any(orders, order->seq) == order;
    bool amounts = order->executed_e8 >= 0 && order->reported_e8 >= order->executed_e8 &&
                   order->qty_e8 > 0 && order->qty_e8 <= order->placed_qty_e8 &&
                   (order->amend_qty_e8 == 0 || order->amend_qty_e8 < order->qty_e8);
    bool doubt = order->state == MM_ORDER_UNKNOWN ||
                 (order->unknown_ns == 0 && !order->cancel_refused && !order->query_missing);
    bool open = is_open_state(order->state);
    bool requests = (open || (!order->cancel_pending && order->amend_qty_e8 == 0)) &&
                    (order->cancel_pending || order->replaced_by == 0);
    return found && amounts && doubt && requests;
}

static MM_INVARIANT bool slot_is_valid(const mm_orders *orders, const order_slot *slot)
{
    const mm_order *order = &slot->order;
    bool open = is_open_state(order->state);
    bool missing = order->reported_e8 > order->executed_e8;
    return order_is_valid(orders, order) && mm_pool_at(orders->pool, order->handle) == slot &&
           (open || (is_ended_state(order->state) && missing)) &&
           missing == (slot->trades_ns != 0) &&
           (slot->next == NULL
                ? orders->last == slot
                : slot->next->previous == slot && slot->next->order.seq > order->seq);
}

MM_INVARIANT bool mm_orders_valid(const mm_orders *orders)
{
    size_t count = 0;
    size_t used = mm_pool_used(orders->pool);
    const order_slot *slot = orders->first;
    for (; slot != NULL && count < used; slot = slot->next) {
        if (!slot_is_valid(orders, slot)) {
            return false;
        }
        count++;
    }
    if (slot != NULL || count != used || !mm_pool_valid(orders->pool)) {
        return false;
    }
    for (size_t i = 0; i < orders->tomb_capacity; i++) {
        const mm_order *tomb = &orders->tombs[i];
        if (tomb->seq == 0) {
            continue;
        }
        if (!is_tomb(tomb) || !is_ended_state(tomb->state) || !order_is_valid(orders, tomb)) {
            return false;
        }
        count++;
    }
    size_t cells = 0;
    for (size_t i = 0; i <= orders->cell_mask; i++) {
        cells += orders->cells[i].seq != 0;
    }
    return cells == count;
}
