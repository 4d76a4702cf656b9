/* What the exchange still lets us send.
 *
 * The exchange counts in windows that begin with its own clock, and tells its counts with each reply. Between
 * two replies we count ourselves what we send, so that the count is never below the exchange's by what
 * is on its way. Near the edge of a window it is not certain into which of two a request falls: what is sent shortly
 * before or after it counts in both, and what the exchange says then says nothing.
 *
 * Orders are spent along a line rather than at once: a share that is gone after a second would leave the sides as
 * they happen to stand for the rest of the window. */
#include "mm_internal.h"

#include <string.h>

#define SECOND_NS INT64_C(1000000000)
#define TEN_SECONDS_NS (10 * SECOND_NS)
#define DAY_NS (86400 * SECOND_NS)
/* Longest way of a request and back, and error of the clock, together. */
#define EDGE_NS (SECOND_NS / 2)
/* C12: shares of the request weight and of raw requests, percent. The rest is for cancels. */
#define WEIGHT_ORDERS_PCT 70
#define WEIGHT_QUERIES_PCT 85
/* What the first fill of an order gives back. */
#define CREDIT_MAKER 5
#define CREDIT_TAKER 1
#define LIMIT_MAX INT64_C(1000000000)
#define RING_MAX INT64_C(65536)

enum { ORDERS_10S, ORDERS_DAY, WEIGHT_1M, RAW_5M, WINDOWS };

typedef struct window {
    int64_t span_ns;
    int64_t limit;
    int64_t index; /* of the exchange's clock */
    int64_t used;
    int64_t late;   /* of it, what was sent close to the window's end */
    int64_t before; /* of the window before, with what was sent close to this one's beginning */
} window;

struct mm_budget {
    mm_budget_config config;
    int64_t offset_ns; /* the exchange's clock less ours */
    int64_t now_ns;    /* newest time seen */
    window windows[WINDOWS];
    int64_t day_sends; /* of this day, nothing given back */
    uint64_t send_count;
    int64_t *sends; /* the last orders_10s_limit times an order was sent */
};

static const int64_t spans_ns[WINDOWS] = {TEN_SECONDS_NS, DAY_NS, 60 * SECOND_NS, 300 * SECOND_NS};

/* ---- life --------------------------------------------------------------------------------- */

static const char *bad_field_of(const mm_budget_config *c)
{
    if (c->orders_10s_limit < 1 || c->orders_10s_limit > RING_MAX) {
        return "orders_10s_limit";
    }
    if (c->orders_day_limit < 1 || c->orders_day_limit > LIMIT_MAX) {
        return "orders_day_limit";
    }
    if (c->weight_1m_limit < 1 || c->weight_1m_limit > LIMIT_MAX) {
        return "weight_1m_limit";
    }
    if (c->raw_5m_limit < 1 || c->raw_5m_limit > LIMIT_MAX) {
        return "raw_5m_limit";
    }
    return c->orders_pct >= 1 && c->orders_pct <= 100 ? NULL : "orders_pct";
}

size_t mm_budget_bytes(const mm_budget_config *config)
{
    if (bad_field_of(config) != NULL) {
        return 0;
    }
    return mm__round_line(sizeof(mm_budget)) + mm__round_line((size_t)config->orders_10s_limit * sizeof(int64_t));
}

mm_status mm_budget_init(void *memory, size_t memory_bytes, const mm_budget_config *config, mm_budget **budget,
                         const char **bad_field)
{
    MM_ASSERT(config != NULL && budget != NULL && bad_field != NULL);
    *bad_field = bad_field_of(config);
    if (*bad_field != NULL) {
        return MM_E_ARGUMENT;
    }
    size_t needed_bytes = mm_budget_bytes(config);
    if (!mm__memory_fits(memory, memory_bytes, needed_bytes)) {
        return MM_E_CAPACITY;
    }
    memset(memory, 0, needed_bytes);
    mm_budget *b = (mm_budget *)memory;
    b->config = *config;
    b->sends = (int64_t *)(void *)((uint8_t *)memory + mm__round_line(sizeof *b));
    const int64_t limits[WINDOWS] = {config->orders_10s_limit, config->orders_day_limit, config->weight_1m_limit,
                                     config->raw_5m_limit};
    for (size_t i = 0; i < WINDOWS; i++) {
        b->windows[i].span_ns = spans_ns[i];
        b->windows[i].limit = limits[i];
    }
    MM_ASSERT(mm_budget_valid(b));
    *budget = b;
    return MM_OK;
}

/* ---- windows ------------------------------------------------------------------------------ */

static int64_t server_ns(const mm_budget *budget, int64_t now_ns)
{
    int64_t at_ns = now_ns + budget->offset_ns;
    return at_ns > 0 ? at_ns : 0;
}

/* The window as it stands at a time: what was sent late in the one before may be counted in this one. A time that
 * steps back a little belongs to the newest window. */
static window window_at(const mm_budget *budget, int32_t which, int64_t now_ns)
{
    window w = budget->windows[which];
    int64_t index = server_ns(budget, now_ns) / w.span_ns;
    if (index > w.index) {
        w.before = index == w.index + 1 ? w.used : index == w.index + 2 ? w.late : 0;
        w.used = index == w.index + 1 ? w.late : 0;
        w.late = 0;
        w.index = index;
    }
    MM_ASSERT(w.used >= 0 && w.late >= 0);
    return w;
}

static void advance(mm_budget *budget, int64_t now_ns)
{
    if (budget->windows[ORDERS_DAY].index < server_ns(budget, now_ns) / DAY_NS) {
        budget->day_sends = 0;
    }
    for (int32_t i = 0; i < WINDOWS; i++) {
        budget->windows[i] = window_at(budget, i, now_ns);
    }
    budget->now_ns = mm__larger(budget->now_ns, now_ns);
}

static int64_t into_window(const mm_budget *budget, const window *w, int64_t now_ns)
{
    return server_ns(budget, now_ns) - w->index * w->span_ns;
}

static void add(const mm_budget *budget, window *w, int64_t count, int64_t now_ns)
{
    w->used += count;
    if (into_window(budget, w, now_ns) < EDGE_NS) {
        w->before += count;
    }
    if (into_window(budget, w, now_ns) >= w->span_ns - EDGE_NS) {
        w->late += count;
    }
}

static void take_back(window *w, int64_t count)
{
    w->used = mm__larger(w->used - count, 0);
    w->late = mm__smaller(w->late, w->used);
}

void mm_budget_clock(mm_budget *budget, int64_t offset_ns)
{
    budget->offset_ns = offset_ns;
    for (int32_t i = 0; i < WINDOWS; i++) {
        window *w = &budget->windows[i];
        int64_t index = server_ns(budget, budget->now_ns) / w->span_ns;
        /* What has been counted stays counted, whatever the window is called now: in the next one too, where that
         * had begun. */
        w->late = index < w->index ? w->used : w->late;
        w->index = index;
    }
    MM_ASSERT(mm_budget_valid(budget));
}

/* ---- what is sent ------------------------------------------------------------------------- */

static bool is_order(int32_t operation)
{
    return operation == MM_OP_PLACE || operation == MM_OP_REPLACE;
}

/* What it weighs as soon as it is sent. Orders and cancels weigh only when they fail. */
static int64_t weight_of(int32_t operation)
{
    return operation == MM_OP_AMEND || operation == MM_OP_QUERY ? MM_WEIGHT_AMEND : 0;
}

void mm_budget_sent(mm_budget *budget, int32_t operation, int64_t now_ns)
{
    advance(budget, now_ns);
    if (is_order(operation)) {
        add(budget, &budget->windows[ORDERS_10S], 1, now_ns);
        add(budget, &budget->windows[ORDERS_DAY], 1, now_ns);
        budget->sends[budget->send_count++ % (uint64_t)budget->config.orders_10s_limit] = now_ns;
        budget->day_sends++;
    }
    mm_budget_read(budget, weight_of(operation), now_ns);
}

void mm_budget_read(mm_budget *budget, int64_t weight, int64_t now_ns)
{
    MM_ASSERT(weight >= 0);
    advance(budget, now_ns);
    add(budget, &budget->windows[WEIGHT_1M], weight, now_ns);
    add(budget, &budget->windows[RAW_5M], 1, now_ns);
}

void mm_budget_not_sent(mm_budget *budget, int32_t operation, int64_t sent_ns, int64_t now_ns)
{
    MM_ASSERT(sent_ns <= now_ns);
    advance(budget, now_ns);
    const int64_t counts[WINDOWS] = {is_order(operation), is_order(operation), weight_of(operation), 1};
    for (int32_t i = 0; i < WINDOWS; i++) {
        /* In a window that has begun since it is counted no longer, or as late: then it stays. */
        if (into_window(budget, &budget->windows[i], sent_ns) >= 0) {
            take_back(&budget->windows[i], counts[i]);
        }
    }
}

void mm_budget_failed(mm_budget *budget, int32_t operation, int64_t now_ns)
{
    advance(budget, now_ns);
    if (weight_of(operation) == 0) {
        add(budget, &budget->windows[WEIGHT_1M], 1, now_ns);
    }
}

void mm_budget_fill(mm_budget *budget, bool maker, int64_t now_ns)
{
    advance(budget, now_ns);
    take_back(&budget->windows[ORDERS_10S], maker ? CREDIT_MAKER : CREDIT_TAKER);
    take_back(&budget->windows[ORDERS_DAY], maker ? CREDIT_MAKER : CREDIT_TAKER);
}

void mm_budget_said(mm_budget *budget, const mm_budget_body *said, int64_t orders_in_flight, int64_t weight_in_flight)
{
    MM_ASSERT(orders_in_flight >= 0 && weight_in_flight >= 0);
    const int64_t counts[WINDOWS] = {said->orders_10s, said->orders_day, said->weight_1m, said->raw_5m};
    const int64_t limits[WINDOWS] = {said->orders_10s_limit, said->orders_day_limit, said->weight_1m_limit,
                                     said->raw_5m_limit};
    const int64_t in_flight[WINDOWS] = {orders_in_flight, orders_in_flight, weight_in_flight, orders_in_flight};
    advance(budget, said->recv_ns);
    for (int32_t i = 0; i < WINDOWS; i++) {
        window *w = &budget->windows[i];
        int64_t at_ns = into_window(budget, w, said->recv_ns);
        bool tells = counts[i] >= 0 && at_ns >= EDGE_NS && at_ns < w->span_ns - EDGE_NS;
        w->limit = limits[i] > 0 ? limits[i] : w->limit;
        w->used = tells ? counts[i] + in_flight[i] : w->used;
        w->late = mm__smaller(w->late, w->used);
    }
}

/* ---- what is left ------------------------------------------------------------------------- */

/* How a window's share of orders is spent: some at once, then along a line; a reserve lies above the line for sides
 * without an order. */
typedef struct schedule {
    int64_t share;
    int64_t at_once;
    int64_t line; /* over the whole window */
} schedule;

static schedule schedule_of(const mm_budget *budget, const window *w, int32_t need)
{
    schedule s;
    s.share = mm__larger(w->limit * budget->config.orders_pct / 100, 1);
    s.at_once = mm__larger(s.share / 5, mm__smaller(s.share, 2));
    int64_t reserve = mm__smaller(mm__larger(s.share / 5, 2), s.share - s.at_once);
    s.line = s.share - s.at_once - reserve;
    s.at_once += need == MM_NEED_EMPTY ? reserve : 0;
    return s;
}

/* Orders a window leaves at a time. Close to its beginning the one before must leave them too. */
static int64_t left_in(const mm_budget *budget, int32_t which, int32_t need, int64_t now_ns)
{
    window w = window_at(budget, which, now_ns);
    schedule s = schedule_of(budget, &w, need);
    int64_t into_ns = mm__smaller(mm__larger(into_window(budget, &w, now_ns), 0), w.span_ns);
    int64_t along = 0;
    (void)mm_fixed_muldiv(s.line, into_ns, w.span_ns, MM_ROUND_FLOOR, &along);
    int64_t left = s.at_once + along - w.used;
    return into_ns < EDGE_NS ? mm__smaller(left, s.share - w.before) : left;
}

/* When the orders_10s_limit-th last order will be 10 s old: the gate's own window. */
static int64_t ceiling_free_ns(const mm_budget *budget)
{
    uint64_t capacity = (uint64_t)budget->config.orders_10s_limit;
    return budget->send_count < capacity ? INT64_MIN : budget->sends[budget->send_count % capacity] + TEN_SECONDS_NS;
}

static int64_t day_sends_at(const mm_budget *budget, int64_t now_ns)
{
    return server_ns(budget, now_ns) / DAY_NS > budget->windows[ORDERS_DAY].index ? 0 : budget->day_sends;
}

static bool below_share(const mm_budget *budget, int32_t which, int64_t more, int64_t pct, int64_t now_ns)
{
    window w = window_at(budget, which, now_ns);
    return (w.used + more) * 100 <= w.limit * pct;
}

bool mm_budget_may_ask(const mm_budget *budget, int32_t need, int64_t weight, int64_t now_ns)
{
    MM_ASSERT(need >= MM_NEED_MOVE && need <= MM_NEED_QUERY);
    MM_ASSERT(weight >= 0 && weight <= LIMIT_MAX);
    int64_t pct = need == MM_NEED_QUERY ? WEIGHT_QUERIES_PCT : WEIGHT_ORDERS_PCT;
    return below_share(budget, WEIGHT_1M, weight, pct, now_ns) && below_share(budget, RAW_5M, 1, pct, now_ns);
}

int64_t mm_budget_orders(const mm_budget *budget, int32_t need, int64_t now_ns)
{
    MM_ASSERT(need == MM_NEED_MOVE || need == MM_NEED_EMPTY);
    int64_t left = budget->config.orders_day_limit - day_sends_at(budget, now_ns);
    if (now_ns < ceiling_free_ns(budget) || !mm_budget_may_ask(budget, need, 1, now_ns)) {
        return 0;
    }
    left = mm__smaller(left, left_in(budget, ORDERS_10S, need, now_ns));
    left = mm__smaller(left, left_in(budget, ORDERS_DAY, need, now_ns));
    return mm__larger(left, 0);
}

/* When the line reaches one order more and the window's edge is over, at the latest with the next window; INT64_MIN
 * = it is so. */
static int64_t line_free_ns(const mm_budget *budget, int32_t which, int32_t need, int64_t now_ns)
{
    window w = window_at(budget, which, now_ns);
    schedule s = schedule_of(budget, &w, need);
    int64_t short_by = w.used + 1 - s.at_once;
    int64_t wait_ns = w.before >= s.share ? EDGE_NS : 0;
    int64_t line_ns = w.span_ns;
    if (left_in(budget, which, need, now_ns) > 0) {
        return INT64_MIN;
    }
    if (short_by > 0 && short_by <= s.line) {
        (void)mm_fixed_muldiv(short_by, w.span_ns, s.line, MM_ROUND_CEIL, &line_ns);
    }
    return w.index * w.span_ns + mm__larger(wait_ns, short_by > 0 ? line_ns : 0) - budget->offset_ns;
}

int64_t mm_budget_deadline(const mm_budget *budget, int32_t need, int64_t now_ns)
{
    if (mm_budget_orders(budget, need, now_ns) > 0) {
        return INT64_MAX;
    }
    int64_t at_ns = mm__larger(ceiling_free_ns(budget), now_ns + 1);
    for (int32_t i = ORDERS_10S; i <= ORDERS_DAY; i++) {
        at_ns = mm__larger(at_ns, line_free_ns(budget, i, need, now_ns));
    }
    const int32_t shares[] = {WEIGHT_1M, RAW_5M};
    for (size_t i = 0; i < MM_ARRAY_COUNT(shares); i++) {
        if (!below_share(budget, shares[i], 1, WEIGHT_ORDERS_PCT, now_ns)) {
            window w = window_at(budget, shares[i], now_ns);
            at_ns = mm__larger(at_ns, (w.index + 1) * w.span_ns - budget->offset_ns);
        }
    }
    MM_ASSERT(at_ns > now_ns);
    if (day_sends_at(budget, now_ns) >= budget->config.orders_day_limit) {
        window w = window_at(budget, ORDERS_DAY, now_ns);
        at_ns = mm__larger(at_ns, (w.index + 1) * w.span_ns - budget->offset_ns);
    }
    return at_ns;
}

MM_INVARIANT bool mm_budget_valid(const mm_budget *budget)
{
    bool valid = bad_field_of(&budget->config) == NULL && budget->day_sends >= 0;
    for (size_t i = 0; i < WINDOWS; i++) {
        const window *w = &budget->windows[i];
        valid = valid && w->span_ns == spans_ns[i] && w->limit > 0 && w->used >= 0 && w->late >= 0 && w->late <= w->used &&
                w->before >= 0;
    }
    return valid;
}
