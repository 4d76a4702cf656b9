/* Limits before and after a trade.
 *
 * Everything that looks back over time is a ring made at init for the limit's own number: "at most
 * n in a minute" holds as long as the n-th last one is a minute old, so nothing is summed, expired
 * or searched. What is judged of resting orders is counted anew from the order table in every
 * verdict: there is no second count that could drift from the first. Products of price and quantity
 * are exact, in 128 bits. */
#include "mm_internal.h"

#include <math.h>
#include <string.h>

__extension__ typedef __int128 int128;

#define SECOND_NS INT64_C(1000000000)
#define MINUTE_NS (60 * SECOND_NS)
/* C4: weight of the past in the mean of mid. */
#define PERIOD_TAU_NS 60e9
/* Would-match back-off of a level. */
#define BACKOFF_FIRST_NS (SECOND_NS / 5)
#define BACKOFF_MAX_NS (5 * SECOND_NS)
/* C3 and Q3 look back a minute in buckets of a second. */
#define BUCKETS 64
#define WINDOW_BUCKETS 60
/* C15 looks back this long at most; as many orders as C11 lets through in it are remembered. */
#define DUPLICATE_SECONDS 10
/* After the exchange ended an order by itself. */
#define ENDED_WAIT_NS SECOND_NS
/* Longest ring of times, and the largest number a limit may have (sums of two such numbers fit
 * int64). */
#define RING_MAX INT64_C(1000000)
#define LIMIT_MAX ((int64_t)1 << 61)
/* A sum of notionals stays under 2^125; larger trades, or more of them, do not exist. */
#define SUM_MAX ((int128)1 << 125)
/* Own orders one verdict can count; with more of them open it refuses. */
#define ORDERS_SEEN_MAX 64

MM_STATIC_ASSERT(BUCKETS > WINDOW_BUCKETS, buckets_hold_a_window);

/* The last `capacity` times something happened. */
typedef struct times {
    int64_t *at_ns;
    int64_t capacity;
    uint64_t count; /* ever */
} times;

typedef struct sent {
    int64_t price_e8;
    int64_t qty_e8;
    int64_t at_ns;
    int64_t side;
} sent;

typedef struct bucket {
    int128 notional_e16;
    int128 qty_e8;
    int64_t second; /* -1 = never used */
} bucket;

typedef struct peak {
    int64_t second;
    int64_t pnl_e8;
} peak;

typedef struct backoff {
    int64_t until_ns;
    int64_t delay_ns; /* 0 = none */
} backoff;

struct mm_risk {
    mm_risk_config config;
    /* C11 (bursts), C15: orders sent */
    sent *sends;
    int64_t send_capacity;
    uint64_t send_count;
    /* C13, malformed messages */
    times rejects;
    times malformed;
    backoff backoffs[2][MM_LAYERS_MAX];
    int64_t ended_until_ns[2];
    /* C3: trades of the last minute */
    bucket buckets[BUCKETS];
    int128 notional_e16;
    int128 qty_e8;
    int64_t trade_price_e8; /* last, 0 = none */
    int64_t second;         /* buckets are summed up to this one */
    /* C4 */
    double mean_e8; /* of mid, 0 = none yet */
    int64_t mid_e8;
    int64_t mid_ns;
    /* Q1, Q2, Q3 */
    int64_t day; /* days since the epoch, INT64_MIN = not known */
    int64_t day_pnl_e8; /* P&L when the day began */
    int64_t peak_pnl_e8;
    int32_t has_pnl;
    uint32_t peak_first;
    uint32_t peak_count;
    /* Seconds of the last minute whose best P&L has not been reached since: oldest and highest
     * first. */
    peak peaks[BUCKETS];
};

/* ---- configuration ------------------------------------------------------------------------ */

typedef struct whole_field {
    const char *name;
    int64_t value;
    int64_t high;
} whole_field;

typedef struct real_field {
    const char *name;
    double value;
    double high;
} real_field;

static const char *bad_whole_field(const mm_risk_config *c)
{
    const whole_field fields[] = {
        {"order_qty_max_e8", c->order_qty_max_e8, LIMIT_MAX},
        {"order_notional_max_e8", c->order_notional_max_e8, LIMIT_MAX},
        {"cross_guard_ticks", c->cross_guard_ticks, RING_MAX},
        {"position_max_e8", c->position_max_e8, LIMIT_MAX},
        {"position_notional_max_e8", c->position_notional_max_e8, LIMIT_MAX},
        {"open_notional_max_e8", c->open_notional_max_e8, LIMIT_MAX},
        {"open_orders_max", c->open_orders_max, LIMIT_MAX},
        {"in_flight_max", c->in_flight_max, LIMIT_MAX},
        {"unknown_max", c->unknown_max, LIMIT_MAX},
        {"orders_per_1s_max", c->orders_per_1s_max, RING_MAX / DUPLICATE_SECONDS},
        {"rejects_per_min_max", c->rejects_per_min_max, RING_MAX},
        {"duplicate_window_ns", c->duplicate_window_ns, DUPLICATE_SECONDS * SECOND_NS},
        {"stale_book_ns", c->stale_book_ns, LIMIT_MAX},
        {"ticker_ahead_ns", c->ticker_ahead_ns, LIMIT_MAX},
        {"stale_decision_ns", c->stale_decision_ns, LIMIT_MAX},
        {"book_levels_min", c->book_levels_min, LIMIT_MAX},
        {"malformed_per_min_max", c->malformed_per_min_max, RING_MAX},
        {"loss_session_max_e8", c->loss_session_max_e8, LIMIT_MAX},
        {"loss_day_max_e8", c->loss_day_max_e8, LIMIT_MAX},
        {"loss_speed_max_e8", c->loss_speed_max_e8, LIMIT_MAX},
        {"loss_speed_pause_ns", c->loss_speed_pause_ns, LIMIT_MAX},
    };
    for (size_t i = 0; i < MM_ARRAY_COUNT(fields); i++) {
        if (fields[i].value <= 0 || fields[i].value > fields[i].high) {
            return fields[i].name;
        }
    }
    return c->quiet_max_ns >= 0 && c->quiet_max_ns <= LIMIT_MAX ? NULL : "quiet_max_ns";
}

static const char *bad_field_of(const mm_risk_config *c)
{
    const real_field fields[] = {
        {"collar_order_bps", c->collar_order_bps, 10000.0},
        {"collar_period_bps", c->collar_period_bps, 10000.0},
        {"reducing_pct", c->reducing_pct, 100.0},
        {"drawdown_halt_pct", c->drawdown_halt_pct, 100.0},
        {"drawdown_kill_pct", c->drawdown_kill_pct, 100.0},
    };
    const char *bad = bad_whole_field(c);
    for (size_t i = 0; i < MM_ARRAY_COUNT(fields) && bad == NULL; i++) {
        /* A NaN fails both comparisons. */
        if (!(fields[i].value > 0.0 && fields[i].value <= fields[i].high)) {
            bad = fields[i].name;
        }
    }
    if (bad == NULL && c->drawdown_halt_pct > c->drawdown_kill_pct) {
        bad = "drawdown_halt_pct";
    }
    return bad;
}

/* ---- life --------------------------------------------------------------------------------- */

static size_t sends_bytes(const mm_risk_config *config)
{
    return mm__round_line((size_t)config->orders_per_1s_max * DUPLICATE_SECONDS * sizeof(sent));
}

static size_t times_bytes(int64_t capacity)
{
    return mm__round_line((size_t)capacity * sizeof(int64_t));
}

size_t mm_risk_bytes(const mm_risk_config *config)
{
    MM_ASSERT(config != NULL);
    if (bad_field_of(config) != NULL) {
        return 0;
    }
    return mm__round_line(sizeof(mm_risk)) + sends_bytes(config) +
           times_bytes(config->rejects_per_min_max) + times_bytes(config->malformed_per_min_max);
}

mm_status mm_risk_init(void *memory, size_t memory_bytes, const mm_risk_config *config,
                       mm_risk **risk, const char **bad_field)
{
    MM_ASSERT(config != NULL);
    MM_ASSERT(risk != NULL && bad_field != NULL);
    *bad_field = bad_field_of(config);
    if (*bad_field != NULL) {
        return MM_E_ARGUMENT;
    }
    size_t needed_bytes = mm_risk_bytes(config);
    if (!mm__memory_fits(memory, memory_bytes, needed_bytes)) {
        return MM_E_CAPACITY;
    }
    memset(memory, 0, needed_bytes);
    mm_risk *r = (mm_risk *)memory;
    uint8_t *at = (uint8_t *)memory + mm__round_line(sizeof *r);
    r->config = *config;
    r->sends = (sent *)(void *)at;
    r->send_capacity = config->orders_per_1s_max * DUPLICATE_SECONDS;
    at += sends_bytes(config);
    r->rejects.at_ns = (int64_t *)(void *)at;
    r->rejects.capacity = config->rejects_per_min_max;
    at += times_bytes(config->rejects_per_min_max);
    r->malformed.at_ns = (int64_t *)(void *)at;
    r->malformed.capacity = config->malformed_per_min_max;
    r->day = INT64_MIN;
    for (size_t i = 0; i < BUCKETS; i++) {
        r->buckets[i].second = -1;
    }
    MM_ASSERT(mm_risk_valid(r));
    *risk = r;
    return MM_OK;
}

/* ---- rings of times ----------------------------------------------------------------------- */

static void times_add(times *ring, int64_t now_ns)
{
    ring->at_ns[ring->count % (uint64_t)ring->capacity] = now_ns;
    ring->count++;
}

/* When the capacity-th last one is a window old: the time from which fewer than `capacity` are
 * inside. INT64_MIN: already. */
static int64_t times_free_ns(const times *ring, int64_t window_ns)
{
    if (ring->count < (uint64_t)ring->capacity) {
        return INT64_MIN;
    }
    return ring->at_ns[ring->count % (uint64_t)ring->capacity] + window_ns;
}

static const sent *send_back(const mm_risk *risk, uint64_t back)
{
    MM_ASSERT(back >= 1 && back <= risk->send_count && back <= (uint64_t)risk->send_capacity);
    return &risk->sends[(risk->send_count - back) % (uint64_t)risk->send_capacity];
}

/* As times_free_ns, for `most` orders a window. */
static int64_t sends_free_ns(const mm_risk *risk, int64_t most, int64_t window_ns)
{
    return risk->send_count < (uint64_t)most ? INT64_MIN
                                             : send_back(risk, (uint64_t)most)->at_ns + window_ns;
}

/* ---- observations ------------------------------------------------------------------------- */

static int64_t second_of(int64_t now_ns)
{
    return now_ns / SECOND_NS;
}

/* Takes the buckets that have left the window out of the sums. */
static void move_window(mm_risk *risk, int64_t now_ns)
{
    int64_t second = second_of(now_ns);
    if (second <= risk->second) {
        return;
    }
    int64_t from = mm__larger(risk->second + 1, second - BUCKETS + 1);
    for (int64_t s = from; s <= second; s++) {
        /* The second that leaves when s is the newest. With a longer silence all are visited: older
         * ones hold older seconds. */
        bucket *old = &risk->buckets[(s + BUCKETS - WINDOW_BUCKETS) % BUCKETS];
        if (old->second >= 0) {
            MM_ASSERT(old->second <= s - WINDOW_BUCKETS);
            risk->notional_e16 -= old->notional_e16;
            risk->qty_e8 -= old->qty_e8;
            memset(old, 0, sizeof *old);
            old->second = -1;
        }
    }
    risk->second = second;
    MM_ASSERT(risk->qty_e8 >= 0 && risk->notional_e16 >= 0);
}

/* The mean of mid at a time, the last mid having stood since it was observed. */
static double mean_at(const mm_risk *risk, int64_t now_ns)
{
    if (now_ns <= risk->mid_ns) {
        return risk->mean_e8;
    }
    double elapsed_ns = (double)(now_ns - risk->mid_ns);
    return risk->mean_e8 +
           ((double)risk->mid_e8 - risk->mean_e8) * (elapsed_ns / (PERIOD_TAU_NS + elapsed_ns));
}

void mm_risk_mid(mm_risk *risk, int64_t mid_e8, int64_t now_ns)
{
    MM_ASSERT(mid_e8 > 0);
    move_window(risk, now_ns);
    risk->mean_e8 = risk->mid_e8 == 0 ? (double)mid_e8 : mean_at(risk, now_ns);
    risk->mid_e8 = mid_e8;
    risk->mid_ns = mm__larger(now_ns, risk->mid_ns);
}

void mm_risk_trade(mm_risk *risk, int64_t price_e8, int64_t qty_e8, int64_t now_ns)
{
    move_window(risk, now_ns);
    bool counts = price_e8 > 0 && price_e8 <= LIMIT_MAX && qty_e8 > 0 && qty_e8 <= LIMIT_MAX;
    int128 notional_e16 = counts ? (int128)price_e8 * qty_e8 : 0;
    if (!counts || risk->notional_e16 > SUM_MAX - notional_e16) {
        return;
    }
    /* No quantity is larger than its notional, so the sum of them fits as well. */
    MM_ASSERT(risk->qty_e8 <= risk->notional_e16);
    /* Times that step back a little between channels count as the newest second. */
    bucket *b = &risk->buckets[risk->second % BUCKETS];
    MM_ASSERT(b->second == -1 || b->second == risk->second);
    b->second = risk->second;
    b->notional_e16 += notional_e16;
    b->qty_e8 += qty_e8;
    risk->notional_e16 += notional_e16;
    risk->qty_e8 += qty_e8;
    risk->trade_price_e8 = price_e8;
}

void mm_risk_sent(mm_risk *risk, int32_t side, int64_t price_e8, int64_t qty_e8, int64_t now_ns)
{
    MM_ASSERT(side == MM_BID || side == MM_ASK);
    sent *s = &risk->sends[risk->send_count % (uint64_t)risk->send_capacity];
    s->price_e8 = price_e8;
    s->qty_e8 = qty_e8;
    s->at_ns = now_ns;
    s->side = side;
    risk->send_count++;
}

static backoff *backoff_of(mm_risk *risk, int32_t side, int32_t layer)
{
    bool known = (side == MM_BID || side == MM_ASK) && layer >= 0 && layer < MM_LAYERS_MAX;
    MM_ASSERT(known);
    return known ? &risk->backoffs[side][layer] : &risk->backoffs[MM_BID][0];
}

void mm_risk_reject(mm_risk *risk, int32_t reject_class, int32_t side, int32_t layer,
                    int64_t now_ns)
{
    if (reject_class != MM_REJECT_WOULD_MATCH) {
        times_add(&risk->rejects, now_ns);
        return;
    }
    backoff *b = backoff_of(risk, side, layer);
    b->delay_ns = b->delay_ns == 0 ? BACKOFF_FIRST_NS : mm__smaller(2 * b->delay_ns, BACKOFF_MAX_NS);
    b->until_ns = now_ns + b->delay_ns;
}

void mm_risk_accept(mm_risk *risk, int32_t side, int32_t layer)
{
    backoff *b = backoff_of(risk, side, layer);
    b->delay_ns = 0;
    b->until_ns = 0;
}

void mm_risk_ended(mm_risk *risk, int32_t side, int64_t now_ns)
{
    MM_ASSERT(side == MM_BID || side == MM_ASK);
    risk->ended_until_ns[side] = mm__larger(risk->ended_until_ns[side], now_ns + ENDED_WAIT_NS);
}

void mm_risk_malformed(mm_risk *risk, int64_t now_ns)
{
    times_add(&risk->malformed, now_ns);
}

/* ---- own orders --------------------------------------------------------------------------- */

/* What all own orders that may still trade amount to, the UNKNOWN and those on their way out
 * included. */
typedef struct exposure {
    int64_t open_qty_e8[2];
    int64_t open_count[2];
    int64_t pending_count[2];
    int64_t unknown_count[2];
    int128 open_notional_e16; /* both sides */
    int64_t best_e8[2];       /* highest own bid, lowest own ask; 0 = none */
    bool hidden;              /* there are orders this does not count */
} exposure;

/* An order goes before another takes its place: the judged one, or one that is on its way with the same request.
 * They never rest together, so it counts in the position alone. */
static bool leaves(const mm_risk_view *view, const mm_order *order)
{
    return order == view->replaces || (order->state == MM_ORDER_LIVE && order->replaced_by != 0);
}

static void add_open(exposure *e, const mm_order *order, bool goes)
{
    int32_t side = order->side;
    int64_t remaining_e8 = mm__larger(order->qty_e8 - order->executed_e8, 0);
    int64_t *best_e8 = &e->best_e8[side];
    bool better = side == MM_BID ? order->price_e8 > *best_e8 : order->price_e8 < *best_e8;
    if (mm_fixed_add(e->open_qty_e8[side], remaining_e8, &e->open_qty_e8[side]) != MM_OK) {
        e->hidden = true;
    }
    if (goes) {
        return;
    }
    e->open_count[side]++;
    e->pending_count[side] += order->state == MM_ORDER_PENDING;
    e->unknown_count[side] += order->state == MM_ORDER_UNKNOWN;
    e->open_notional_e16 += (int128)order->price_e8 * remaining_e8;
    *best_e8 = *best_e8 == 0 || better ? order->price_e8 : *best_e8;
}

static void measure(const mm_risk_view *view, exposure *e)
{
    mm_order *open[ORDERS_SEEN_MAX];
    memset(e, 0, sizeof *e);
    size_t seen = mm_orders_open(view->orders, -1, open, ORDERS_SEEN_MAX);
    for (size_t i = 0; i < seen; i++) {
        add_open(e, open[i], leaves(view, open[i]));
    }
    e->hidden |= seen == ORDERS_SEEN_MAX && mm_orders_count(view->orders, -1, -1) > seen;
}

/* Mid of the view rounded up: what a position is worth at most. 0 without both sides. */
static int64_t mark_of(const mm_risk_view *view)
{
    const mm_top *top = &view->top;
    if (top->bid_qty_e8 == 0 || top->ask_qty_e8 == 0) {
        return 0;
    }
    return (int64_t)(((uint64_t)top->bid_price_e8 + (uint64_t)top->ask_price_e8 + 1) >> 1);
}

/* Position in the direction of a side: what its orders add to. */
static int128 towards(const mm_risk_view *view, int32_t side)
{
    return side == MM_BID ? (int128)view->position_e8 : -(int128)view->position_e8;
}

/* ---- verdicts of one order ---------------------------------------------------------------- */

static int64_t median(int64_t a, int64_t b, int64_t c)
{
    return mm__larger(mm__smaller(a, b), mm__smaller(mm__larger(a, b), c));
}

/* C3: the price to compare with. Without a trade in the last minute it is the mid; 0 = not known.
 */
static int64_t reference_of(const mm_risk *risk, int64_t mark_e8)
{
    if (risk->qty_e8 == 0 || mark_e8 == 0) {
        return mark_e8;
    }
    return median(mark_e8, risk->trade_price_e8, (int64_t)(risk->notional_e16 / risk->qty_e8));
}

static bool within_bps(double value, double reference, double bps)
{
    return fabs(value - reference) * 10000.0 <= bps * reference;
}

static uint64_t price_verdict(const mm_risk *risk, const mm_risk_view *view, const exposure *e,
                              int32_t side, int64_t price_e8)
{
    uint64_t verdict = 0;
    int64_t reference_e8 = reference_of(risk, mark_of(view));
    if (reference_e8 == 0) {
        verdict |= MM_BIT(MM_REASON_ONE_SIDED);
    } else if (!within_bps((double)price_e8, (double)reference_e8, risk->config.collar_order_bps)) {
        verdict |= MM_BIT(MM_REASON_COLLAR_ORDER);
    }
    int128 guard_e8 = (int128)risk->config.cross_guard_ticks * view->symbol->tick_e8;
    bool crosses = side == MM_BID
                       ? view->top.ask_qty_e8 != 0 && price_e8 > view->top.ask_price_e8 - guard_e8
                       : view->top.bid_qty_e8 != 0 && price_e8 < view->top.bid_price_e8 + guard_e8;
    if (crosses) {
        verdict |= MM_BIT(MM_REASON_CROSS_GUARD);
    }
    int64_t own_e8 = e->best_e8[side == MM_BID ? MM_ASK : MM_BID];
    if (own_e8 != 0 && (side == MM_BID ? price_e8 >= own_e8 : price_e8 <= own_e8)) {
        verdict |= MM_BIT(MM_REASON_SELF_TRADE);
    }
    return verdict;
}

/* C8: over the given share of C7, by quantity or by worth. */
bool mm_risk_reducing(const mm_risk *risk, const mm_risk_view *view)
{
    double share = risk->config.reducing_pct / 100.0;
    double size_e8 = fabs((double)view->position_e8);
    double notional_e8 = size_e8 * (double)mark_of(view) / MM_ONE_E8;
    return size_e8 >= share * (double)risk->config.position_max_e8 ||
           notional_e8 >= share * (double)risk->config.position_notional_max_e8;
}

/* C1, C2, C7, C8, C9, C22. */
static uint64_t size_verdict(const mm_risk *risk, const mm_risk_view *view, const exposure *e,
                             int32_t side, int64_t price_e8, int64_t qty_e8)
{
    const mm_risk_config *c = &risk->config;
    uint64_t verdict = 0;
    int128 notional_e16 = (int128)price_e8 * qty_e8;
    if (qty_e8 > c->order_qty_max_e8) {
        verdict |= MM_BIT(MM_REASON_ORDER_QTY);
    }
    if (notional_e16 > (int128)c->order_notional_max_e8 * MM_ONE_E8) {
        verdict |= MM_BIT(MM_REASON_ORDER_NOTIONAL);
    }
    int128 worst_e8 = towards(view, side) + e->open_qty_e8[side] + qty_e8;
    if (worst_e8 > c->position_max_e8 ||
        (worst_e8 > 0 &&
         worst_e8 * mark_of(view) > (int128)c->position_notional_max_e8 * MM_ONE_E8)) {
        verdict |= MM_BIT(MM_REASON_POSITION_LIMIT);
    }
    if (towards(view, side) >= 0 && mm_risk_reducing(risk, view)) {
        verdict |= MM_BIT(MM_REASON_REDUCING);
    }
    if (e->open_notional_e16 + notional_e16 > (int128)c->open_notional_max_e8 * MM_ONE_E8) {
        verdict |= MM_BIT(MM_REASON_OPEN_NOTIONAL);
    }
    int128 available_e16 =
        (int128)mm_ledger_available(view->ledger, view->orders, side, view->replaces) * MM_ONE_E8;
    if ((side == MM_BID ? notional_e16 : (int128)qty_e8 * MM_ONE_E8) > available_e16) {
        verdict |= MM_BIT(MM_REASON_NO_BALANCE);
    }
    return verdict;
}

/* C9, C10: numbers of orders. */
static uint64_t count_verdict(const mm_risk *risk, const mm_risk_view *view, const exposure *e,
                              int32_t side)
{
    const mm_risk_config *c = &risk->config;
    uint64_t verdict = 0;
    int64_t exchange_max = view->symbol->orders_max;
    int64_t all = e->open_count[MM_BID] + e->open_count[MM_ASK];
    if (e->hidden || e->open_count[side] >= c->open_orders_max ||
        (exchange_max > 0 && all >= exchange_max)) {
        verdict |= MM_BIT(MM_REASON_OPEN_ORDERS);
    }
    /* Fills the exchange has told of but not yet shown: exposure that nobody can size until they
     * arrive. */
    if (e->pending_count[side] >= c->in_flight_max ||
        mm_orders_unfilled_reports(view->orders) > 0) {
        verdict |= MM_BIT(MM_REASON_IN_FLIGHT);
    }
    int64_t unknown = e->unknown_count[MM_BID] + e->unknown_count[MM_ASK];
    if (unknown > c->unknown_max || (unknown == c->unknown_max && e->unknown_count[side] > 0)) {
        verdict |= MM_BIT(MM_REASON_UNKNOWN_ORDER);
    }
    return verdict;
}

static bool is_duplicate(const mm_risk *risk, int32_t side, int64_t price_e8, int64_t qty_e8,
                         int64_t now_ns)
{
    uint64_t held = risk->send_count < (uint64_t)risk->send_capacity
                        ? risk->send_count
                        : (uint64_t)risk->send_capacity;
    for (uint64_t back = 1; back <= held; back++) {
        const sent *s = send_back(risk, back);
        if (now_ns - s->at_ns >= risk->config.duplicate_window_ns) {
            return false;
        }
        if (s->side == side && s->price_e8 == price_e8 && s->qty_e8 == qty_e8) {
            return true;
        }
    }
    return false;
}

/* C11, C15 and the back-off. */
static uint64_t rate_verdict(const mm_risk *risk, int32_t side, int32_t layer, int64_t price_e8,
                             int64_t qty_e8, int64_t now_ns)
{
    const mm_risk_config *c = &risk->config;
    uint64_t verdict = 0;
    if (now_ns < sends_free_ns(risk, c->orders_per_1s_max, SECOND_NS)) {
        verdict |= MM_BIT(MM_REASON_RATE_LIMIT);
    }
    if (is_duplicate(risk, side, price_e8, qty_e8, now_ns)) {
        verdict |= MM_BIT(MM_REASON_DUPLICATE);
    }
    if (now_ns < risk->backoffs[side][layer].until_ns) {
        verdict |= MM_BIT(MM_REASON_WOULD_MATCH);
    }
    if (now_ns < risk->ended_until_ns[side]) {
        verdict |= MM_BIT(MM_REASON_ORDER_ENDED);
    }
    return verdict;
}

uint64_t mm_risk_order(const mm_risk *risk, const mm_risk_view *view, int32_t side, int32_t layer,
                       int64_t price_e8, int64_t qty_e8)
{
    bool known = (side == MM_BID || side == MM_ASK) && layer >= 0 && layer < MM_LAYERS_MAX;
    MM_ASSERT(known);
    MM_ASSERT(view->symbol != NULL && view->orders != NULL && view->ledger != NULL);
    if (!known) {
        return MM_BIT(MM_REASON_PANIC);
    }
    if (price_e8 <= 0 || qty_e8 <= 0) {
        return mm_symbol_verdict(view->symbol, side, price_e8, qty_e8, 0);
    }
    exposure e;
    measure(view, &e);
    return mm_symbol_verdict(view->symbol, side, price_e8, qty_e8,
                             reference_of(risk, mark_of(view))) |
           price_verdict(risk, view, &e, side, price_e8) |
           size_verdict(risk, view, &e, side, price_e8, qty_e8) |
           count_verdict(risk, view, &e, side) |
           rate_verdict(risk, side, layer, price_e8, qty_e8, view->now_ns);
}

/* The largest count whose product with price stays within money; 0 when there is none. */
static int128 affordable(int128 money_e16, int64_t price_e8)
{
    return money_e16 > 0 ? money_e16 / price_e8 : 0;
}

static int128 least(int128 a, int128 b)
{
    return a < b ? a : b;
}

int64_t mm_risk_room(const mm_risk *risk, const mm_risk_view *view, int32_t side, int64_t price_e8)
{
    MM_ASSERT(side == MM_BID || side == MM_ASK);
    MM_ASSERT(view->symbol->step_e8 > 0);
    const mm_risk_config *c = &risk->config;
    const mm_symbol *symbol = view->symbol;
    if (price_e8 <= 0) {
        return 0;
    }
    exposure e;
    measure(view, &e);
    int128 taken_e8 = towards(view, side) + e.open_qty_e8[side];
    int128 room_e8 = least(c->order_qty_max_e8,
                           affordable((int128)c->order_notional_max_e8 * MM_ONE_E8, price_e8));
    room_e8 = least(room_e8, c->position_max_e8 - taken_e8);
    if (mark_of(view) > 0) {
        int128 worth_e16 = (int128)c->position_notional_max_e8 * MM_ONE_E8;
        room_e8 = least(room_e8, worth_e16 / mark_of(view) - taken_e8);
    }
    room_e8 =
        least(room_e8, affordable((int128)c->open_notional_max_e8 * MM_ONE_E8 - e.open_notional_e16,
                                  price_e8));
    int64_t available_e8 = mm_ledger_available(view->ledger, view->orders, side, view->replaces);
    room_e8 = least(room_e8, side == MM_BID ? affordable((int128)available_e8 * MM_ONE_E8, price_e8)
                                            : available_e8);
    if (symbol->qty_max_e8 > 0) {
        room_e8 = least(room_e8, symbol->qty_max_e8);
    }
    if (symbol->notional_max_e8 > 0) {
        room_e8 = least(room_e8, affordable((int128)symbol->notional_max_e8 * MM_ONE_E8, price_e8));
    }
    return room_e8 > 0 ? (int64_t)(room_e8 / symbol->step_e8 * symbol->step_e8) : 0;
}

uint64_t mm_risk_market(const mm_risk *risk, int64_t mid_e8, int64_t now_ns)
{
    uint64_t verdict = 0;
    if (mid_e8 > 0 && risk->mid_e8 > 0 &&
        !within_bps((double)mid_e8, mean_at(risk, now_ns), risk->config.collar_period_bps)) {
        verdict |= MM_BIT(MM_REASON_COLLAR_PERIOD);
    }
    if (now_ns < times_free_ns(&risk->rejects, MINUTE_NS)) {
        verdict |= MM_BIT(MM_REASON_REJECT_RATE);
    }
    if (now_ns < times_free_ns(&risk->malformed, MINUTE_NS)) {
        verdict |= MM_BIT(MM_REASON_MALFORMED);
    }
    return verdict;
}

/* ---- post-trade --------------------------------------------------------------------------- */

static peak *peak_at(mm_risk *risk, uint32_t index)
{
    return &risk->peaks[(risk->peak_first + index) % BUCKETS];
}

/* Keeps the highest P&L of each second of the last minute, but only where none after it was higher:
 * the first is the highest of the minute. */
static int64_t minute_peak(mm_risk *risk, int64_t pnl_e8, int64_t now_ns)
{
    int64_t second = second_of(now_ns);
    while (risk->peak_count > 0 && peak_at(risk, 0)->second <= second - WINDOW_BUCKETS) {
        risk->peak_first = (risk->peak_first + 1) % BUCKETS;
        risk->peak_count--;
    }
    while (risk->peak_count > 0 && peak_at(risk, risk->peak_count - 1)->pnl_e8 <= pnl_e8) {
        risk->peak_count--;
    }
    bool new_second = risk->peak_count == 0 || peak_at(risk, risk->peak_count - 1)->second < second;
    if (new_second) {
        MM_ASSERT(risk->peak_count < BUCKETS);
        peak *last = peak_at(risk, risk->peak_count);
        last->second = second;
        last->pnl_e8 = pnl_e8;
        risk->peak_count++;
    }
    return peak_at(risk, 0)->pnl_e8;
}

/* Q2. The fall is that of the P&L, so that a withdrawal is no loss; the peak is the equity it fell
 * from. */
static uint64_t drawdown_verdict(const mm_risk *risk, int64_t equity_e8, int64_t pnl_e8, bool *kill)
{
    double fall = (double)risk->peak_pnl_e8 - (double)pnl_e8;
    double top = (double)equity_e8 + fall;
    if (fall <= 0.0) {
        return 0;
    }
    *kill |= fall * 100.0 >= risk->config.drawdown_kill_pct * top;
    return fall * 100.0 >= risk->config.drawdown_halt_pct * top ? MM_BIT(MM_REASON_DRAWDOWN) : 0;
}

static void note_day(mm_risk *risk, int64_t utc_day, int64_t pnl_e8)
{
    if (utc_day <= risk->day) {
        return;
    }
    /* What happened before the first day is known belongs to it. */
    if (risk->day != INT64_MIN) {
        risk->day_pnl_e8 = pnl_e8;
    }
    risk->day = utc_day;
}

uint64_t mm_risk_equity(mm_risk *risk, int64_t equity_e8, int64_t pnl_total_e8, int64_t utc_day,
                        int64_t now_ns, bool *kill, int64_t *halt_until_ns)
{
    MM_ASSERT(kill != NULL && halt_until_ns != NULL);
    MM_ASSERT(risk->peak_count <= BUCKETS);
    const mm_risk_config *c = &risk->config;
    uint64_t verdict = 0;
    *kill = false;
    *halt_until_ns = 0;
    note_day(risk, utc_day, pnl_total_e8);
    risk->peak_pnl_e8 = risk->has_pnl ? mm__larger(risk->peak_pnl_e8, pnl_total_e8) : pnl_total_e8;
    risk->has_pnl = 1;
    if (pnl_total_e8 <= -c->loss_session_max_e8 ||
        (int128)pnl_total_e8 - risk->day_pnl_e8 <= -(int128)c->loss_day_max_e8) {
        verdict |= MM_BIT(MM_REASON_LOSS_LIMIT);
        *kill = true;
    }
    verdict |= drawdown_verdict(risk, equity_e8, pnl_total_e8, kill);
    int128 lost_e8 = (int128)minute_peak(risk, pnl_total_e8, now_ns) - pnl_total_e8;
    if (lost_e8 >= c->loss_speed_max_e8) {
        verdict |= MM_BIT(MM_REASON_LOSS_SPEED);
        *halt_until_ns = now_ns + c->loss_speed_pause_ns;
        /* Told once: only what is lost from here on counts towards the next halt. */
        risk->peak_count = 0;
        (void)minute_peak(risk, pnl_total_e8, now_ns);
    }
    return verdict;
}

void mm_risk_rebase(mm_risk *risk)
{
    risk->day_pnl_e8 = 0;
    risk->has_pnl = 0;
    risk->peak_count = 0;
}

/* ---- time --------------------------------------------------------------------------------- */

static void consider(int64_t at_ns, int64_t now_ns, int64_t *earliest_ns)
{
    if (at_ns > now_ns) {
        *earliest_ns = mm__smaller(*earliest_ns, at_ns);
    }
}

int64_t mm_risk_deadline(const mm_risk *risk, int64_t now_ns)
{
    MM_ASSERT(risk->send_capacity > 0);
    const mm_risk_config *c = &risk->config;
    int64_t at_ns = INT64_MAX;
    consider(sends_free_ns(risk, c->orders_per_1s_max, SECOND_NS), now_ns, &at_ns);
    consider(times_free_ns(&risk->rejects, MINUTE_NS), now_ns, &at_ns);
    consider(times_free_ns(&risk->malformed, MINUTE_NS), now_ns, &at_ns);
    uint64_t held = risk->send_count < (uint64_t)risk->send_capacity
                        ? risk->send_count
                        : (uint64_t)risk->send_capacity;
    for (uint64_t back = 1; back <= held; back++) {
        int64_t free_ns = send_back(risk, back)->at_ns + c->duplicate_window_ns;
        if (free_ns <= now_ns) {
            break;
        }
        consider(free_ns, now_ns, &at_ns);
    }
    for (int32_t side = MM_BID; side <= MM_ASK; side++) {
        consider(risk->ended_until_ns[side], now_ns, &at_ns);
        for (size_t layer = 0; layer < MM_LAYERS_MAX; layer++) {
            consider(risk->backoffs[side][layer].until_ns, now_ns, &at_ns);
        }
    }
    return at_ns;
}

/* ---- invariants --------------------------------------------------------------------------- */

static MM_INVARIANT bool sums_are_right(const mm_risk *risk)
{
    int128 notional_e16 = 0;
    int128 qty_e8 = 0;
    for (size_t i = 0; i < BUCKETS; i++) {
        const bucket *b = &risk->buckets[i];
        if (b->second >= 0 &&
            (b->second > risk->second || b->second <= risk->second - WINDOW_BUCKETS ||
             b->second % BUCKETS != (int64_t)i)) {
            return false;
        }
        notional_e16 += b->notional_e16;
        qty_e8 += b->qty_e8;
    }
    return notional_e16 == risk->notional_e16 && qty_e8 == risk->qty_e8;
}

static MM_INVARIANT bool peaks_fall(const mm_risk *risk)
{
    for (uint32_t i = 1; i < risk->peak_count; i++) {
        const peak *before = &risk->peaks[(risk->peak_first + i - 1) % BUCKETS];
        const peak *after = &risk->peaks[(risk->peak_first + i) % BUCKETS];
        if (before->second >= after->second || before->pnl_e8 <= after->pnl_e8) {
            return false;
        }
    }
    return risk->peak_count <= BUCKETS && risk->peak_first < BUCKETS;
}

MM_INVARIANT bool mm_risk_valid(const mm_risk *risk)
{
    if (bad_field_of(&risk->config) != NULL || !(risk->mean_e8 >= 0.0)) {
        return false;
    }
    for (int32_t side = MM_BID; side <= MM_ASK; side++) {
        for (size_t layer = 0; layer < MM_LAYERS_MAX; layer++) {
            const backoff *b = &risk->backoffs[side][layer];
            if (b->delay_ns < 0 || b->delay_ns > BACKOFF_MAX_NS ||
                (b->delay_ns == 0 && b->until_ns != 0)) {
                return false;
            }
        }
    }
    return sums_are_right(risk) && peaks_fall(risk);
}
