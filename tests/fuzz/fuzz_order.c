/* Own orders under any sequence of requests, news, silence and time: what has ended stays so, what was executed never falls, no
 * quantity grows, and the table's own sums are those of a recount. */
#include "mm_fuzz.h"

enum { LIVE_MAX = 8, TOMBSTONES = 6, ORDERS_MAX = 200 };

/* What is known of an order from what was done and said. */
typedef struct {
    mm_order last; /* as it was when it was seen last */
    bool open;     /* PENDING, LIVE, UNKNOWN */
    bool held;     /* in the table: open, or with fills to come */
    int64_t executed_e8;
} shadow;

typedef struct {
    fuzz_input in;
    mm_orders *orders;
    shadow shadows[ORDERS_MAX + 1]; /* by number */
    int64_t now_ns;
} order_run;

static const mm_order_config config = {1000, 1000, 300, 12000, 1000000};

static bool is_open(int32_t state)
{
    return state == MM_ORDER_PENDING || state == MM_ORDER_LIVE || state == MM_ORDER_UNKNOWN;
}

/* ---- Checks ---- */

static bool never_reached_the_book(int32_t state)
{
    return state == MM_ORDER_REJECTED || state == MM_ORDER_NOT_SENT || state == MM_ORDER_NOT_ACCEPTED;
}

/* An order as it is now against what it was. */
static void check_order(order_run *run, const mm_order *order, bool zombie)
{
    FUZZ_CHECK(order->seq >= 1 && order->seq <= mm_orders_last_seq(run->orders));
    shadow *s = &run->shadows[order->seq];
    bool open = is_open(order->state);
    FUZZ_CHECK(order->state != MM_ORDER_FREE && order->state <= MM_ORDER_NOT_ACCEPTED);
    FUZZ_EQUAL(order->placed_qty_e8, s->last.placed_qty_e8);
    FUZZ_EQUAL(order->price_e8, s->last.price_e8);
    FUZZ_EQUAL(order->side, s->last.side);
    FUZZ_EQUAL(order->executed_e8, s->executed_e8);
    FUZZ_CHECK(order->qty_e8 <= s->last.qty_e8 && order->qty_e8 > 0);
    FUZZ_CHECK(order->reported_e8 >= s->last.reported_e8);
    FUZZ_CHECK(s->last.exchange_id == 0 || order->exchange_id == s->last.exchange_id);
    FUZZ_CHECK(s->last.live_ns == 0 || order->live_ns == s->last.live_ns);
    if (s->last.state != MM_ORDER_FREE && !is_open(s->last.state) && order->state != s->last.state) {
        FUZZ_CHECK(zombie && never_reached_the_book(s->last.state));
    }
    FUZZ_CHECK(!open || order->ended_ns == 0);
    s->open = open;
    s->held = open || order->reported_e8 > order->executed_e8;
    s->last = *order;
}

static void check_table(order_run *run)
{
    mm_order *listed[LIVE_MAX + 1];
    size_t open = 0, unfilled = 0, sums = 0;
    for (uint64_t seq = 1; seq <= mm_orders_last_seq(run->orders); seq++) {
        shadow *s = &run->shadows[seq];
        mm_order *order = mm_orders_find(run->orders, seq);
        if (order != NULL && is_open(order->state)) {
            check_order(run, order, false);
        } else {
            s->open = false; /* it has ended since */
        }
        open += s->open;
    }
    size_t count = mm_orders_open(run->orders, -1, listed, LIVE_MAX + 1);
    FUZZ_EQUAL(count, open);
    FUZZ_EQUAL(mm_orders_count(run->orders, -1, -1), open);
    for (size_t i = 0; i < count; i++) {
        FUZZ_CHECK(i == 0 || listed[i - 1]->seq < listed[i]->seq);
        FUZZ_CHECK(listed[i] == mm_orders_find(run->orders, listed[i]->seq));
        unfilled += listed[i]->reported_e8 > listed[i]->executed_e8;
    }
    for (int32_t side = 0; side < 2; side++) {
        for (int32_t state = MM_ORDER_PENDING; state <= MM_ORDER_UNKNOWN; state++) {
            sums += mm_orders_count(run->orders, side, state);
        }
    }
    FUZZ_EQUAL(sums, open);
    FUZZ_CHECK(mm_orders_unfilled_reports(run->orders) >= unfilled);
    FUZZ_CHECK(mm_orders_valid(run->orders));
}

/* ---- Requests ---- */

static void know(order_run *run, const mm_order *order)
{
    shadow *s = &run->shadows[order->seq];
    memset(s, 0, sizeof *s);
    s->last = *order;
    s->open = s->held = true;
    FUZZ_EQUAL(order->state, MM_ORDER_PENDING);
    FUZZ_EQUAL(order->executed_e8, 0);
}

static mm_order *take_open(order_run *run)
{
    mm_order *listed[LIVE_MAX];
    size_t count = mm_orders_open(run->orders, -1, listed, LIVE_MAX);
    return count > 0 ? listed[fuzz_below(&run->in, count)] : NULL;
}

static void do_place(order_run *run)
{
    mm_order *order = NULL;
    int64_t qty_e8 = fuzz_u8(&run->in) < 240 ? fuzz_between(&run->in, 1, 50) : fuzz_i64_in(&run->in, 1, INT64_MAX);
    if (mm_orders_last_seq(run->orders) < ORDERS_MAX &&
        mm_orders_place(run->orders, fuzz_u8(&run->in) & 1, fuzz_u8(&run->in) & 7, 1 + fuzz_u8(&run->in), qty_e8, run->now_ns,
                        &order)) {
        know(run, order);
    }
}

static void do_request(order_run *run)
{
    mm_order *order = take_open(run), *made = NULL;
    uint8_t what = fuzz_u8(&run->in);
    if (order == NULL) {
        return;
    }
    bool rests = order->state == MM_ORDER_LIVE && !order->cancel_pending;
    if (what < 120) {
        mm_orders_cancel(run->orders, order, run->now_ns);
    } else if (what < 190) {
        if (rests && order->exchange_id > 0 && mm_orders_last_seq(run->orders) < ORDERS_MAX &&
            mm_orders_replace(run->orders, order, 0, 7, 1 + fuzz_u8(&run->in), run->now_ns, &made)) {
            know(run, made);
            FUZZ_EQUAL(made->replaces_seq, order->seq);
            FUZZ_EQUAL(order->replaced_by, made->seq);
            FUZZ_EQUAL(made->side, order->side);
        }
    } else if (rests && order->amend_qty_e8 == 0 && order->executed_e8 + 1 < order->qty_e8) {
        mm_orders_amend(run->orders, order, fuzz_between(&run->in, order->executed_e8 + 1, order->qty_e8 - 1), run->now_ns);
    }
}

/* ---- News ---- */

static void make_report(order_run *run, mm_record *records, uint64_t seq)
{
    mm_report_body *body = &records[0].body.report;
    const shadow *s = &run->shadows[seq <= ORDERS_MAX ? seq : 0];
    uint8_t how = fuzz_u8(&run->in);
    body->order_seq = seq;
    body->exchange_id = how & 1 ? (int64_t)seq + 1000 : 0;
    body->status = (int16_t)(fuzz_u8(&run->in) % (MM_ORDER_STATUS_OTHER + 1));
    body->side = (int16_t)s->last.side;
    body->price_e8 = s->last.price_e8;
    body->qty_e8 = how < 160 ? s->last.placed_qty_e8 : fuzz_i64_in(&run->in, 0, INT64_MAX);
    body->executed_e8 = how & 2 ? -1 : how & 4 ? s->executed_e8 : fuzz_between(&run->in, 0, 60);
    records[1].kind = MM_KIND_MORE;
    if (records[0].kind == MM_KIND_TRADE_ROW || (records[0].kind == MM_KIND_REPORT && (how & 8) != 0)) {
        records[0].flags |= MM_FLAG_FILL;
        body->qty_e8 = how < 250 ? 1 + fuzz_u8(&run->in) % 20 : fuzz_i64_in(&run->in, 1, INT64_MAX);
    }
}

static void make_outcome(order_run *run, mm_record *record, uint64_t seq)
{
    static const int32_t operations[] = {MM_OP_PLACE, MM_OP_CANCEL, MM_OP_QUERY, MM_OP_AMEND, MM_OP_REPLACE};
    mm_outcome_body *body = &record->body.outcome;
    body->order_seq = seq;
    body->recv_ns = run->now_ns;
    body->operation = operations[fuzz_u8(&run->in) % 5];
    body->detail = fuzz_u8(&run->in) % (MM_REJECT_DUPLICATE + 1);
    body->code = fuzz_bool(&run->in) ? 0 : -2022 + fuzz_u8(&run->in) % 13;
}

/* The ledger's part: the fill counts once. */
static void apply_fill(order_run *run, const mm_order_change *change, int64_t qty_e8)
{
    shadow *s = &run->shadows[change->order->seq];
    bool sum_fits = s->executed_e8 <= INT64_MAX - qty_e8;
    s->executed_e8 = sum_fits ? s->executed_e8 + qty_e8 : INT64_MAX;
    FUZZ_EQUAL(mm_orders_filled(run->orders, change->order, qty_e8, run->now_ns), s->executed_e8 <= s->last.placed_qty_e8);
    if (s->last.reported_e8 < s->executed_e8) {
        s->last.reported_e8 = s->executed_e8;
    }
    FUZZ_CHECK(s->executed_e8 < s->last.qty_e8 || mm_orders_find(run->orders, s->last.seq) == NULL ||
               !is_open(mm_orders_find(run->orders, s->last.seq)->state));
}

static void do_news(order_run *run)
{
    static const uint16_t kinds[] = {MM_KIND_REPORT,       MM_KIND_ACK,    MM_KIND_CANCELED, MM_KIND_STATUS,   MM_KIND_AMENDED,
                                     MM_KIND_TRADE_ROW,    MM_KIND_OPEN_ROW, MM_KIND_REJECT, MM_KIND_CANCEL_REJECT,
                                     MM_KIND_AMEND_REJECT, MM_KIND_LOST,   MM_KIND_SENT,     MM_KIND_NOT_SENT};
    mm_record records[2];
    mm_order_change change;
    memset(records, 0, sizeof records);
    memset(&change, 0x5A, sizeof change);
    records[0].kind = kinds[fuzz_u8(&run->in) % (sizeof kinds / sizeof kinds[0])];
    bool report = records[0].kind == MM_KIND_REPORT || records[0].kind == MM_KIND_TRADE_ROW;
    bool outcome = records[0].kind == MM_KIND_REJECT || records[0].kind == MM_KIND_CANCEL_REJECT ||
                   records[0].kind == MM_KIND_AMEND_REJECT || records[0].kind == MM_KIND_LOST ||
                   records[0].kind == MM_KIND_SENT || records[0].kind == MM_KIND_NOT_SENT;
    records[0].count = report ? 2 : 1;
    records[0].flags = records[0].kind == MM_KIND_STATUS && fuzz_bool(&run->in) ? MM_FLAG_FOUND : 0;
    uint64_t last = mm_orders_last_seq(run->orders), seq = fuzz_below(&run->in, last + 2);
    if (outcome) {
        make_outcome(run, &records[0], seq);
    } else {
        make_report(run, records, seq);
    }
    mm_orders_apply(run->orders, records, run->now_ns, &change);
    if (change.order == NULL) {
        return;
    }
    int32_t before = run->shadows[change.order->seq].last.state;
    FUZZ_EQUAL(change.to, change.order->state);
    FUZZ_CHECK(change.ended == (!is_open(change.to) && (is_open(change.from) || (change.zombie && change.to != change.from))) ||
               change.zombie);
    FUZZ_CHECK(is_open(before) || change.to == before || change.zombie);
    check_order(run, change.order, change.zombie);
    if (change.fill) {
        FUZZ_EQUAL(change.order->seq, seq);
        apply_fill(run, &change, records[0].body.report.qty_e8);
    }
}

/* ---- Silence ---- */

static void do_due(order_run *run)
{
    mm_order *order = NULL;
    int32_t due = 0;
    run->now_ns += fuzz_bool(&run->in) ? fuzz_u8(&run->in) : fuzz_between(&run->in, 0, 20000);
    for (size_t turns = 0; mm_orders_due(run->orders, run->now_ns, &order, &due); turns++) {
        FUZZ_CHECK(turns < 10 * LIVE_MAX && due != 0);
        FUZZ_CHECK((due & MM_DUE_CANCEL) == 0 || is_open(order->state));
        FUZZ_CHECK((due & MM_DUE_UNKNOWN) == 0 || order->state == MM_ORDER_UNKNOWN);
        check_order(run, order, false);
        if ((due & MM_DUE_CANCEL) != 0) {
            mm_orders_cancel(run->orders, order, run->now_ns);
        }
        if ((due & MM_DUE_TRADES) != 0) {
            order->trades_checked = fuzz_u8(&run->in) & 1;
        }
    }
    FUZZ_CHECK(mm_orders_deadline(run->orders) > run->now_ns);
}

static void do_judge(order_run *run)
{
    mm_order *order = take_open(run);
    if (order == NULL) {
        return;
    }
    mm_order was = *order;
    bool vanish = fuzz_u8(&run->in) >= 200;
    if (vanish && was.state == MM_ORDER_UNKNOWN) {
        mm_orders_vanish(run->orders, order, run->now_ns);
        run->shadows[was.seq].last.state = MM_ORDER_NOT_ACCEPTED;
        run->shadows[was.seq].last.reported_e8 = was.executed_e8; /* the rest has gone with the account */
    } else if (!vanish && mm_orders_disprove(run->orders, order, true, run->now_ns)) {
        int64_t since_ns = was.sent_ns != 0 ? was.sent_ns : was.unknown_ns;
        FUZZ_CHECK(was.state == MM_ORDER_UNKNOWN && was.live_ns == 0 && was.exchange_id == 0 && was.executed_e8 == 0);
        FUZZ_CHECK(was.cancel_refused && was.query_missing && was.trades_checked);
        FUZZ_CHECK(run->now_ns - since_ns >= config.recv_window_ns + config.unknown_settle_ns);
        run->shadows[was.seq].last.state = MM_ORDER_NOT_ACCEPTED;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static order_run run;
    memset(&run, 0, sizeof run);
    run.in.at = data;
    run.in.left = size;
    run.now_ns = 1000000;
    size_t bytes = mm_orders_bytes(LIVE_MAX, TOMBSTONES);
    void *memory = fuzz_memory(bytes);
    FUZZ_EQUAL(mm_orders_init(memory, bytes, LIVE_MAX, TOMBSTONES, &config, &run.orders), MM_OK);
    while (run.in.left > 0) {
        uint8_t what = fuzz_u8(&run.in);
        if (what < 45) {
            do_place(&run);
        } else if (what < 85) {
            do_request(&run);
        } else if (what < 200) {
            do_news(&run);
        } else if (what < 235) {
            do_due(&run);
        } else {
            do_judge(&run);
        }
        check_table(&run);
    }
    free(memory);
    return 0;
}
