/* Tests of own orders' life cycle: what proves an outcome, what leaves it open, and what is due
 * then. */
#include "mm_test.h"

#define MS INT64_C(1000000)
#define SECOND (1000 * MS)
/* Where tests count from the sending of an order: 0 would mean that it was never sent. */
#define T0 (1000 * SECOND)
#define PRICE INT64_C(5000000000000)
#define QTY INT64_C(100000000)
#define LIVE_MAX 8
#define TOMBSTONES 16

static unsigned char memory[1 << 20] __attribute__((aligned(64)));
static mm_orders *orders;

static const mm_order_config defaults = {
    .reply_timeout_ns = SECOND,
    .recv_window_ns = SECOND,
    .unknown_first_ns = 300 * MS,
    .unknown_settle_ns = 12 * SECOND,
    .tombstone_ns = 86400 * SECOND,
};

static void start_with(size_t live_max, size_t tombstones)
{
    size_t bytes = mm_orders_bytes(live_max, tombstones);
    MM_CHECK(bytes > 0 && bytes <= sizeof memory);
    memset(memory, 0xA5, bytes);
    MM_CHECK_INT(mm_orders_init(memory, bytes, live_max, tombstones, &defaults, &orders), ==,
                 MM_OK);
}

static void start(void)
{
    start_with(LIVE_MAX, TOMBSTONES);
}

static mm_order *place(int32_t side, int64_t now_ns)
{
    mm_order *order = NULL;
    MM_CHECK(mm_orders_place(orders, side, 0, PRICE, QTY, now_ns, &order));
    return order;
}

static mm_order_change apply(const mm_record *records, int64_t now_ns)
{
    mm_order_change change;
    mm_orders_apply(orders, records, now_ns, &change);
    MM_CHECK(mm_orders_valid(orders));
    return change;
}

static mm_order_change outcome(uint16_t kind, uint64_t seq, int32_t operation, int32_t detail,
                               int64_t now_ns)
{
    mm_record record;
    memset(&record, 0, sizeof record);
    record.kind = kind;
    record.count = 1;
    record.body.outcome.order_seq = seq;
    record.body.outcome.recv_ns = now_ns;
    record.body.outcome.operation = operation;
    record.body.outcome.detail = detail;
    return apply(&record, now_ns);
}

static mm_order_change sent(uint64_t seq, int64_t now_ns)
{
    return outcome(MM_KIND_SENT, seq, MM_OP_PLACE, 0, now_ns);
}

/* What is said of an order but for its numbers. */
static mm_report_body *report_of(mm_record *records, uint16_t kind, uint64_t seq, int16_t status)
{
    memset(records, 0, 2 * sizeof *records);
    records[0].kind = kind;
    records[0].count = kind == MM_KIND_REPORT ? 2 : 1;
    records[0].flags = kind == MM_KIND_STATUS ? MM_FLAG_FOUND : 0;
    records[0].body.report.order_seq = seq;
    records[0].body.report.status = status;
    records[1].kind = MM_KIND_MORE;
    records[1].body.fill.trade_id = -1;
    return &records[0].body.report;
}

static mm_order_change report(uint16_t kind, uint64_t seq, int16_t status, int64_t executed_e8,
                              int64_t now_ns)
{
    mm_record records[2];
    mm_report_body *said = report_of(records, kind, seq, status);
    said->exchange_id = 1000 + (int64_t)seq;
    said->executed_e8 = executed_e8;
    return apply(records, now_ns);
}

static mm_order_change fill(uint16_t kind, uint64_t seq, int16_t status, int64_t qty_e8,
                            int64_t executed_e8, int64_t now_ns)
{
    mm_record records[2];
    memset(records, 0, sizeof records);
    records[0].kind = kind;
    records[0].count = 2;
    records[0].flags = MM_FLAG_FILL;
    records[0].body.report.order_seq = seq;
    records[0].body.report.exchange_id = 1000 + (int64_t)seq;
    records[0].body.report.price_e8 = PRICE;
    records[0].body.report.qty_e8 = qty_e8;
    records[0].body.report.status = status;
    records[0].body.report.executed_e8 = executed_e8;
    records[1].kind = MM_KIND_MORE;
    records[1].body.fill.trade_id = 1;
    return apply(records, now_ns);
}

static mm_order_change missing(uint64_t seq, int64_t now_ns)
{
    mm_record record;
    memset(&record, 0, sizeof record);
    record.kind = MM_KIND_STATUS;
    record.count = 1;
    record.body.report.order_seq = seq;
    record.body.report.executed_e8 = -1;
    record.body.report.code = -2013;
    return apply(&record, now_ns);
}

static mm_order_change not_on_book(uint64_t seq, int64_t now_ns)
{
    return outcome(MM_KIND_CANCEL_REJECT, seq, MM_OP_CANCEL, MM_REJECT_UNKNOWN_ORDER, now_ns);
}

/* Everything due at `now_ns`; cancels are sent as they come due. Returns the bits seen. */
static int32_t run_due(int64_t now_ns)
{
    mm_order *order = NULL;
    int32_t due = 0;
    int32_t all = 0;
    for (int32_t i = 0; mm_orders_due(orders, now_ns, &order, &due); i++) {
        MM_CHECK_INT(i, <, 3 * LIVE_MAX);
        if ((due & MM_DUE_CANCEL) != 0) {
            mm_orders_cancel(orders, order, now_ns);
        }
        all |= due;
    }
    MM_CHECK(mm_orders_valid(orders));
    MM_CHECK_INT(mm_orders_deadline(orders), >, now_ns);
    return all;
}

/* The checks evaluate twice, so calls that change something are made before. */
static void check_due(int64_t now_ns, int32_t wanted)
{
    int32_t due = run_due(now_ns);
    MM_CHECK_INT(due, ==, wanted);
}

/* An order whose reply never came: UNKNOWN since `now_ns` + 1 s. */
static mm_order *unknown(int32_t side, int64_t now_ns)
{
    mm_order *order = place(side, now_ns);
    sent(order->seq, now_ns);
    check_due(now_ns + SECOND, MM_DUE_UNKNOWN);
    MM_CHECK_INT(order->state, ==, MM_ORDER_UNKNOWN);
    return order;
}

/* ---- Life ---- */

static void sizes_and_settings_outside_their_range_are_refused(void)
{
    mm_order_config config = defaults;
    size_t bytes = mm_orders_bytes(4, 4);
    MM_CHECK_UINT(mm_orders_bytes(0, 4), ==, 0);
    MM_CHECK_UINT(mm_orders_bytes(4, 0), ==, 0);
    MM_CHECK_UINT(mm_orders_bytes(SIZE_MAX, 4), ==, 0);
    MM_CHECK_UINT(mm_orders_bytes(4, SIZE_MAX), ==, 0);
    MM_CHECK_INT(mm_orders_init(memory, bytes - 1, 4, 4, &config, &orders), ==, MM_E_CAPACITY);
    MM_CHECK_INT(mm_orders_init(memory + 8, bytes, 4, 4, &config, &orders), ==, MM_E_CAPACITY);
    MM_CHECK_INT(mm_orders_init(memory, bytes, 0, 4, &config, &orders), ==, MM_E_ARGUMENT);
    int64_t *fields[] = {&config.reply_timeout_ns, &config.recv_window_ns, &config.unknown_first_ns,
                         &config.unknown_settle_ns, &config.tombstone_ns};
    for (size_t i = 0; i < MM_TEST_COUNT(fields); i++) {
        config = defaults;
        *fields[i] = 0;
        MM_CHECK_INT(mm_orders_init(memory, bytes, 4, 4, &config, &orders), ==, MM_E_ARGUMENT);
        *fields[i] = INT64_MAX;
        MM_CHECK_INT(mm_orders_init(memory, bytes, 4, 4, &config, &orders), ==, MM_E_ARGUMENT);
    }
}

static void an_order_lives_from_pending_over_live_to_filled(void)
{
    start();
    mm_order *order = place(MM_BID, SECOND);
    MM_CHECK_UINT(order->seq, ==, 1);
    MM_CHECK_INT(order->state, ==, MM_ORDER_PENDING);
    MM_CHECK_INT(mm_orders_deadline(orders), ==, 2 * SECOND);
    sent(1, SECOND + 5 * MS);
    MM_CHECK_INT(order->sent_ns, ==, SECOND + 5 * MS);
    MM_CHECK_INT(mm_orders_deadline(orders), ==, 2 * SECOND + 5 * MS);
    mm_order_change change = report(MM_KIND_ACK, 1, MM_ORDER_LIVE, 0, SECOND + 9 * MS);
    MM_CHECK_INT(change.from, ==, MM_ORDER_PENDING);
    MM_CHECK_INT(change.to, ==, MM_ORDER_LIVE);
    MM_CHECK(change.first_live && !change.ended && !change.fill);
    MM_CHECK_INT(order->exchange_id, ==, 1001);
    MM_CHECK_INT(mm_orders_deadline(orders), ==, INT64_MAX);
    change = report(MM_KIND_REPORT, 1, MM_ORDER_LIVE, 0, SECOND + 10 * MS);
    MM_CHECK(!change.first_live);
    change = fill(MM_KIND_REPORT, 1, MM_ORDER_LIVE, QTY / 4, QTY / 4, 2 * SECOND);
    MM_CHECK(change.fill && !change.ended && change.order == order);
    MM_CHECK(mm_orders_filled(orders, order, QTY / 4, 2 * SECOND));
    MM_CHECK_INT(order->executed_e8, ==, QTY / 4);
    change = fill(MM_KIND_REPORT, 1, MM_ORDER_FILLED, 3 * QTY / 4, QTY, 3 * SECOND);
    MM_CHECK(change.fill && change.ended && !change.overfill && !change.zombie);
    MM_CHECK_INT(change.to, ==, MM_ORDER_FILLED);
    MM_CHECK_UINT(mm_orders_unfilled_reports(orders), ==, 1);
    MM_CHECK(mm_orders_find(orders, 1) == NULL);
    MM_CHECK(mm_orders_filled(orders, change.order, 3 * QTY / 4, 3 * SECOND));
    MM_CHECK_UINT(mm_orders_unfilled_reports(orders), ==, 0);
    MM_CHECK_UINT(mm_orders_count(orders, -1, -1), ==, 0);
    MM_CHECK(mm_orders_valid(orders));
}

static void a_full_pool_refuses_the_next_order_until_one_ends(void)
{
    start();
    for (int32_t i = 0; i < LIVE_MAX; i++) {
        place(i % 2, SECOND);
    }
    mm_order *order = NULL;
    MM_CHECK(!mm_orders_place(orders, MM_BID, 0, PRICE, QTY, SECOND, &order));
    MM_CHECK_UINT(mm_orders_last_seq(orders), ==, LIVE_MAX);
    report(MM_KIND_REPORT, 3, MM_ORDER_CANCELED, 0, SECOND);
    MM_REQUIRE(mm_orders_place(orders, MM_BID, 0, PRICE, QTY, SECOND, &order));
    MM_CHECK_UINT(order->seq, ==, LIVE_MAX + 1);
}

static void open_orders_are_listed_by_side_in_their_order(void)
{
    start();
    for (int32_t i = 0; i < 6; i++) {
        place(i % 2, SECOND);
    }
    report(MM_KIND_ACK, 3, MM_ORDER_LIVE, 0, SECOND);
    report(MM_KIND_REPORT, 5, MM_ORDER_EXPIRED, 0, SECOND);
    mm_order *out[LIVE_MAX];
    MM_REQUIRE(mm_orders_open(orders, MM_BID, out, LIVE_MAX) == 2);
    MM_CHECK(out[0]->seq == 1 && out[1]->seq == 3);
    MM_CHECK_UINT(mm_orders_open(orders, MM_ASK, out, LIVE_MAX), ==, 3);
    MM_CHECK_UINT(mm_orders_open(orders, -1, out, 4), ==, 4);
    MM_CHECK_UINT(mm_orders_count(orders, -1, -1), ==, 5);
    MM_CHECK_UINT(mm_orders_count(orders, MM_BID, MM_ORDER_LIVE), ==, 1);
    MM_CHECK_UINT(mm_orders_count(orders, MM_ASK, MM_ORDER_LIVE), ==, 0);
}

/* ---- Any order of news ---- */

static void a_fill_before_the_reply_proves_the_order_and_the_reply_adds_nothing(void)
{
    start();
    mm_order *order = place(MM_BID, SECOND);
    mm_order_change change = fill(MM_KIND_REPORT, 1, MM_ORDER_LIVE, QTY / 2, QTY / 2, SECOND + MS);
    MM_CHECK(change.fill && change.first_live && change.to == MM_ORDER_LIVE);
    mm_orders_filled(orders, order, QTY / 2, SECOND + MS);
    sent(1, SECOND + 2 * MS);
    change = report(MM_KIND_ACK, 1, MM_ORDER_LIVE, 0, SECOND + 3 * MS);
    MM_CHECK(!change.first_live && change.to == MM_ORDER_LIVE);
    MM_CHECK_INT(order->executed_e8, ==, QTY / 2);
    MM_CHECK_INT(order->reported_e8, ==, QTY / 2);
}

static void an_ended_order_absorbs_all_that_comes_after(void)
{
    start();
    place(MM_ASK, SECOND);
    mm_order_change change = report(MM_KIND_REPORT, 1, MM_ORDER_CANCELED, 0, 2 * SECOND);
    MM_CHECK(change.ended && change.to == MM_ORDER_CANCELED && change.first_live);
    const uint16_t kinds[] = {MM_KIND_ACK, MM_KIND_REPORT, MM_KIND_STATUS, MM_KIND_OPEN_ROW,
                              MM_KIND_CANCELED};
    for (size_t i = 0; i < MM_TEST_COUNT(kinds); i++) {
        change = report(kinds[i], 1, MM_ORDER_LIVE, 0, 3 * SECOND);
        MM_CHECK(change.order != NULL && change.to == MM_ORDER_CANCELED);
        MM_CHECK(!change.ended && !change.zombie && !change.first_live);
    }
    const uint16_t outcomes[] = {MM_KIND_REJECT, MM_KIND_LOST, MM_KIND_SENT, MM_KIND_NOT_SENT,
                                 MM_KIND_CANCEL_REJECT};
    for (size_t i = 0; i < MM_TEST_COUNT(outcomes); i++) {
        change = outcome(outcomes[i], 1, MM_OP_PLACE, MM_REJECT_OTHER, 3 * SECOND);
        MM_CHECK(change.to == MM_ORDER_CANCELED && !change.ended && !change.zombie);
    }
    MM_CHECK_INT(mm_orders_deadline(orders), ==, INT64_MAX);
}

static void a_canceled_order_waits_in_the_table_for_the_fills_it_reports(void)
{
    start();
    place(MM_BID, SECOND);
    report(MM_KIND_ACK, 1, MM_ORDER_LIVE, 0, SECOND);
    mm_order_change change = report(MM_KIND_CANCELED, 1, MM_ORDER_LIVE, QTY / 2, 2 * SECOND);
    MM_CHECK(change.ended && change.to == MM_ORDER_CANCELED && !change.fill);
    MM_CHECK_UINT(mm_orders_count(orders, -1, -1), ==, 0);
    MM_CHECK(mm_orders_find(orders, 1) == NULL);
    MM_CHECK_UINT(mm_orders_unfilled_reports(orders), ==, 1);
    MM_CHECK_INT(mm_orders_deadline(orders), ==, 2 * SECOND + 300 * MS);
    check_due(2 * SECOND + 300 * MS, MM_DUE_TRADES);
    MM_CHECK_INT(mm_orders_deadline(orders), ==, 2 * SECOND + 800 * MS);
    check_due(2 * SECOND + 800 * MS, MM_DUE_TRADES);
    MM_CHECK_INT(mm_orders_deadline(orders), ==, 3 * SECOND + 800 * MS);
    change = fill(MM_KIND_TRADE_ROW, 1, MM_ORDER_STATUS_OTHER, QTY / 2, -1, 3 * SECOND);
    MM_REQUIRE(change.fill && change.order != NULL);
    MM_CHECK(mm_orders_filled(orders, change.order, QTY / 2, 3 * SECOND));
    MM_CHECK_UINT(mm_orders_unfilled_reports(orders), ==, 0);
    MM_CHECK_INT(mm_orders_deadline(orders), ==, INT64_MAX);
    MM_CHECK(mm_orders_valid(orders));
}

static void fills_that_a_late_report_reveals_bring_an_order_back_until_they_come(void)
{
    start();
    place(MM_BID, SECOND);
    report(MM_KIND_CANCELED, 1, MM_ORDER_CANCELED, -1, 2 * SECOND);
    MM_CHECK_UINT(mm_orders_unfilled_reports(orders), ==, 0);
    mm_order_change change = report(MM_KIND_STATUS, 1, MM_ORDER_CANCELED, QTY / 4, 3 * SECOND);
    MM_CHECK(!change.ended && !change.zombie && change.to == MM_ORDER_CANCELED);
    MM_CHECK_UINT(mm_orders_unfilled_reports(orders), ==, 1);
    MM_CHECK(mm_orders_filled(orders, change.order, QTY / 4, 3 * SECOND));
    MM_CHECK_UINT(mm_orders_unfilled_reports(orders), ==, 0);
    MM_CHECK(mm_orders_valid(orders));
}

static void a_resting_order_with_missing_fills_asks_for_trades_too(void)
{
    start();
    mm_order *order = place(MM_BID, SECOND);
    report(MM_KIND_OPEN_ROW, 1, MM_ORDER_LIVE, QTY / 2, SECOND);
    MM_CHECK_INT(order->state, ==, MM_ORDER_LIVE);
    MM_CHECK_UINT(mm_orders_unfilled_reports(orders), ==, 1);
    check_due(SECOND + 300 * MS, MM_DUE_TRADES);
    mm_orders_filled(orders, order, QTY / 2, 2 * SECOND);
    MM_CHECK_INT(mm_orders_deadline(orders), ==, INT64_MAX);
    mm_orders_filled(orders, order, QTY / 2, 2 * SECOND);
    MM_CHECK_UINT(mm_orders_count(orders, -1, -1), ==, 0);
    MM_CHECK(mm_orders_valid(orders));
}

static void more_executed_than_ordered_is_told(void)
{
    start();
    mm_order *order = place(MM_BID, SECOND);
    mm_order_change change = report(MM_KIND_REPORT, 1, MM_ORDER_LIVE, QTY + 1, SECOND);
    MM_CHECK(change.overfill);
    MM_CHECK(mm_orders_filled(orders, order, QTY, SECOND));
    mm_order *other = place(MM_BID, SECOND);
    MM_CHECK(!mm_orders_filled(orders, other, QTY + 1, SECOND));
    mm_order *huge = place(MM_BID, SECOND);
    report(MM_KIND_REPORT, huge->seq, MM_ORDER_LIVE, INT64_MAX, SECOND);
    MM_CHECK(!mm_orders_filled(orders, huge, INT64_MAX - 1, SECOND));
    MM_CHECK(!mm_orders_filled(orders, huge, INT64_MAX - 1, SECOND));
    MM_CHECK(mm_orders_valid(orders));
}

static void records_of_orders_that_are_not_ours_change_nothing(void)
{
    start();
    place(MM_BID, SECOND);
    MM_CHECK(report(MM_KIND_REPORT, 0, MM_ORDER_CANCELED, 0, SECOND).order == NULL);
    MM_CHECK(report(MM_KIND_REPORT, 99, MM_ORDER_CANCELED, 0, SECOND).order == NULL);
    MM_CHECK(outcome(MM_KIND_REJECT, 0, MM_OP_PLACE, 0, SECOND).order == NULL);
    MM_CHECK_UINT(mm_orders_count(orders, -1, MM_ORDER_PENDING), ==, 1);
}

/* ---- Refusals ---- */

static void a_refusal_ends_an_order_nobody_has_seen(void)
{
    start();
    place(MM_BID, SECOND);
    mm_order_change change = outcome(MM_KIND_REJECT, 1, MM_OP_PLACE, MM_REJECT_WOULD_MATCH, SECOND);
    MM_CHECK(change.ended && change.to == MM_ORDER_REJECTED && !change.first_live);
    MM_CHECK_INT(change.reject_class, ==, MM_REJECT_WOULD_MATCH);
    unknown(MM_BID, SECOND);
    change = outcome(MM_KIND_REJECT, 2, MM_OP_PLACE, MM_REJECT_BALANCE, 5 * SECOND);
    MM_CHECK(change.ended && change.to == MM_ORDER_REJECTED);
    place(MM_BID, SECOND);
    change = report(MM_KIND_REPORT, 3, MM_ORDER_REJECTED, 0, 2 * SECOND);
    MM_CHECK(change.ended && change.to == MM_ORDER_REJECTED && !change.first_live);
    MM_CHECK_INT(change.reject_class, ==, MM_REJECT_OTHER);
}

/* The report of a refusal may come before the reply, which then finds nothing to end: it has to say why as well. */
static void a_refusal_told_by_a_report_has_its_class(void)
{
    start();
    place(MM_BID, SECOND);
    mm_record records[2];
    memset(records, 0, sizeof records);
    records[0].kind = MM_KIND_REPORT;
    records[0].count = 2;
    records[0].body.report.order_seq = 1;
    records[0].body.report.status = MM_ORDER_REJECTED;
    records[0].body.report.code = MM_REJECT_WOULD_MATCH;
    records[1].kind = MM_KIND_MORE;
    records[1].body.fill.trade_id = -1;
    mm_order_change change = apply(records, SECOND);
    MM_CHECK(change.ended && change.to == MM_ORDER_REJECTED);
    MM_CHECK_INT(change.reject_class, ==, MM_REJECT_WOULD_MATCH);
    change = outcome(MM_KIND_REJECT, 1, MM_OP_PLACE, MM_REJECT_WOULD_MATCH, SECOND);
    MM_CHECK(!change.ended);
}

static void a_refusal_of_an_order_that_was_seen_or_of_its_id_leaves_it_open(void)
{
    start();
    mm_order *order = place(MM_BID, SECOND);
    report(MM_KIND_REPORT, 1, MM_ORDER_LIVE, 0, SECOND);
    mm_order_change change = outcome(MM_KIND_REJECT, 1, MM_OP_PLACE, MM_REJECT_OTHER, SECOND);
    MM_CHECK(!change.ended && order->state == MM_ORDER_UNKNOWN);
    order = place(MM_BID, SECOND);
    outcome(MM_KIND_REJECT, 2, MM_OP_PLACE, MM_REJECT_DUPLICATE, SECOND);
    MM_CHECK_INT(order->state, ==, MM_ORDER_UNKNOWN);
    order = place(MM_BID, SECOND);
    report(MM_KIND_REPORT, 3, MM_ORDER_LIVE, 0, SECOND);
    report(MM_KIND_REPORT, 3, MM_ORDER_REJECTED, 0, SECOND);
    MM_CHECK_INT(order->state, ==, MM_ORDER_UNKNOWN);
}

static void an_order_the_gate_held_back_is_over(void)
{
    start();
    place(MM_BID, SECOND);
    mm_order_change change = outcome(MM_KIND_NOT_SENT, 1, MM_OP_PLACE, 0, SECOND);
    MM_CHECK(change.ended && change.to == MM_ORDER_NOT_SENT);
    mm_order *order = place(MM_BID, SECOND);
    sent(2, SECOND);
    outcome(MM_KIND_NOT_SENT, 2, MM_OP_PLACE, 0, SECOND);
    MM_CHECK_INT(order->state, ==, MM_ORDER_PENDING);
    order = place(MM_BID, SECOND);
    report(MM_KIND_REPORT, 3, MM_ORDER_LIVE, 0, SECOND);
    outcome(MM_KIND_NOT_SENT, 3, MM_OP_PLACE, 0, SECOND);
    MM_CHECK_INT(order->state, ==, MM_ORDER_LIVE);
}

/* ---- Cancels ---- */

static void a_cancel_without_an_answer_is_due_again_and_the_order_stays_live(void)
{
    start();
    mm_order *order = place(MM_BID, 0);
    report(MM_KIND_ACK, 1, MM_ORDER_LIVE, 0, 0);
    mm_orders_cancel(orders, order, SECOND);
    MM_CHECK_INT(order->cancel_ns, ==, SECOND);
    const int64_t pauses[] = {SECOND, SECOND, SECOND, 2 * SECOND, 4 * SECOND, 4 * SECOND};
    int64_t now_ns = SECOND;
    for (size_t i = 0; i < MM_TEST_COUNT(pauses); i++) {
        MM_CHECK_INT(mm_orders_deadline(orders), ==, now_ns + pauses[i]);
        check_due(now_ns + pauses[i] - 1, 0);
        now_ns += pauses[i];
        check_due(now_ns, MM_DUE_CANCEL);
        MM_CHECK(order->state == MM_ORDER_LIVE && order->cancel_pending);
    }
    mm_order_change change = report(MM_KIND_CANCELED, 1, MM_ORDER_CANCELED, 0, now_ns);
    MM_CHECK(change.ended && change.to == MM_ORDER_CANCELED);
}

static void a_cancel_that_did_not_leave_or_got_lost_is_tried_again_soon(void)
{
    start();
    mm_order *order = place(MM_BID, 0);
    report(MM_KIND_ACK, 1, MM_ORDER_LIVE, 0, 0);
    mm_orders_cancel(orders, order, SECOND);
    outcome(MM_KIND_NOT_SENT, 1, MM_OP_CANCEL, 0, SECOND);
    MM_CHECK(!order->cancel_pending && order->state == MM_ORDER_LIVE);
    MM_CHECK_INT(mm_orders_deadline(orders), ==, INT64_MAX);
    mm_orders_cancel(orders, order, 2 * SECOND);
    outcome(MM_KIND_LOST, 1, MM_OP_CANCEL, 0, 2 * SECOND);
    MM_CHECK(order->cancel_pending && order->state == MM_ORDER_LIVE);
    MM_CHECK_INT(mm_orders_deadline(orders), ==, 2 * SECOND + 300 * MS);
    check_due(2 * SECOND + 300 * MS, MM_DUE_CANCEL);
    outcome(MM_KIND_CANCEL_REJECT, 1, MM_OP_CANCEL, MM_REJECT_LIMIT, 2 * SECOND + 300 * MS);
    MM_CHECK(order->cancel_pending && order->state == MM_ORDER_LIVE);
    MM_CHECK_INT(mm_orders_deadline(orders), ==, 2 * SECOND + 800 * MS);
}

static void unknown_order_as_answer_to_a_cancel_proves_nothing(void)
{
    start();
    mm_order *order = place(MM_BID, 0);
    report(MM_KIND_ACK, 1, MM_ORDER_LIVE, 0, 0);
    mm_orders_cancel(orders, order, SECOND);
    mm_order_change change = not_on_book(1, SECOND);
    MM_CHECK(!change.ended && change.to == MM_ORDER_UNKNOWN && !order->cancel_pending);
    MM_CHECK(order->cancel_refused);
    /* Old news of its resting do not undo the matching engine's word, the fill resolves it. */
    report(MM_KIND_REPORT, 1, MM_ORDER_LIVE, 0, SECOND);
    report(MM_KIND_OPEN_ROW, 1, MM_ORDER_LIVE, 0, SECOND);
    MM_CHECK_INT(order->state, ==, MM_ORDER_UNKNOWN);
    change = fill(MM_KIND_REPORT, 1, MM_ORDER_FILLED, QTY, QTY, SECOND + MS);
    MM_CHECK(change.ended && change.fill && change.to == MM_ORDER_FILLED);
    MM_CHECK(mm_orders_filled(orders, change.order, QTY, SECOND + MS));
    order = place(MM_BID, 2 * SECOND);
    mm_orders_cancel(orders, order, 2 * SECOND);
    not_on_book(2, 2 * SECOND);
    MM_CHECK_INT(order->state, ==, MM_ORDER_PENDING);
}

/* ---- UNKNOWN ---- */

static void an_order_without_reply_or_without_word_of_its_sending_becomes_unknown(void)
{
    start();
    mm_order *sent_order = place(MM_BID, SECOND);
    mm_order *silent = place(MM_ASK, SECOND);
    sent(1, SECOND + 200 * MS);
    check_due(2 * SECOND - 1, 0);
    check_due(2 * SECOND, MM_DUE_UNKNOWN);
    MM_CHECK_INT(silent->state, ==, MM_ORDER_UNKNOWN);
    MM_CHECK_INT(silent->unknown_ns, ==, 2 * SECOND);
    MM_CHECK_INT(sent_order->state, ==, MM_ORDER_PENDING);
    check_due(2 * SECOND + 200 * MS, MM_DUE_UNKNOWN);
    MM_CHECK_UINT(mm_orders_count(orders, -1, MM_ORDER_UNKNOWN), ==, 2);
    MM_CHECK_UINT(mm_orders_count(orders, -1, -1), ==, 2);
}

static void rounds_of_cancel_query_and_trades_follow_the_schedule(void)
{
    start();
    mm_order *order = unknown(MM_BID, T0);
    /* After the order was sent; the settling time ends at 13 s, where a round begins. */
    const int64_t rounds_ms[] = {1300, 1800, 2800, 4800, 8800, 12800, 13000, 17000, 21000};
    for (size_t i = 0; i < MM_TEST_COUNT(rounds_ms); i++) {
        int64_t at_ns = T0 + rounds_ms[i] * MS;
        MM_CHECK_INT(mm_orders_deadline(orders), ==, at_ns);
        check_due(at_ns - 1, 0);
        check_due(at_ns, MM_DUE_CANCEL | MM_DUE_QUERY | MM_DUE_TRADES);
        MM_CHECK_INT(order->attempts, ==, (int64_t)i + 1);
        MM_CHECK_INT(order->cancel_ns, ==, at_ns);
        outcome(MM_KIND_LOST, 1, MM_OP_CANCEL, 0, at_ns);
        outcome(MM_KIND_LOST, 1, MM_OP_QUERY, 0, at_ns);
        MM_CHECK_INT(order->state, ==, MM_ORDER_UNKNOWN);
    }
}

static void any_proof_resolves_an_unknown_order(void)
{
    start();
    mm_order *order = unknown(MM_BID, T0);
    mm_order_change change = report(MM_KIND_ACK, 1, MM_ORDER_LIVE, 0, T0 + 2 * SECOND);
    MM_CHECK(change.first_live && change.to == MM_ORDER_LIVE && order->unknown_ns == 0);
    MM_CHECK_INT(mm_orders_deadline(orders), ==, INT64_MAX);
    unknown(MM_BID, T0);
    change = report(MM_KIND_STATUS, 2, MM_ORDER_LIVE, 0, T0 + 2 * SECOND);
    MM_CHECK(change.to == MM_ORDER_LIVE && change.first_live);
    unknown(MM_BID, T0);
    change = report(MM_KIND_OPEN_ROW, 3, MM_ORDER_LIVE, 0, T0 + 2 * SECOND);
    MM_CHECK(change.to == MM_ORDER_LIVE);
    unknown(MM_BID, T0);
    change = report(MM_KIND_CANCELED, 4, MM_ORDER_CANCELED, 0, T0 + 2 * SECOND);
    MM_CHECK(change.ended && change.to == MM_ORDER_CANCELED);
    unknown(MM_BID, T0);
    change = report(MM_KIND_STATUS, 5, MM_ORDER_FILLED, -1, T0 + 2 * SECOND);
    MM_CHECK(change.ended && change.to == MM_ORDER_FILLED && !change.fill);
    MM_CHECK_UINT(mm_orders_unfilled_reports(orders), ==, 1);
    mm_order *doubted = place(MM_BID, T0);
    report(MM_KIND_REPORT, 6, MM_ORDER_STATUS_OTHER, 0, T0 + 2 * SECOND);
    MM_CHECK_INT(doubted->state, ==, MM_ORDER_UNKNOWN);
}

static void a_cut_channel_makes_resting_orders_unknown_until_a_fresh_answer(void)
{
    start();
    mm_order *order = place(MM_BID, 0);
    report(MM_KIND_ACK, 1, MM_ORDER_LIVE, 0, 0);
    mm_record lost;
    memset(&lost, 0, sizeof lost);
    lost.kind = MM_KIND_LOST;
    lost.count = 1;
    lost.body.outcome.order_seq = 1;
    lost.body.outcome.operation = MM_OP_PLACE;
    lost.body.outcome.code = -1007;
    apply(&lost, SECOND);
    MM_CHECK_INT(order->state, ==, MM_ORDER_LIVE);
    lost.body.outcome.code = 0;
    apply(&lost, SECOND);
    MM_CHECK_INT(order->state, ==, MM_ORDER_UNKNOWN);
    report(MM_KIND_REPORT, 1, MM_ORDER_LIVE, 0, SECOND);
    MM_CHECK_INT(order->state, ==, MM_ORDER_UNKNOWN);
    mm_order_change change = report(MM_KIND_STATUS, 1, MM_ORDER_LIVE, 0, SECOND);
    MM_CHECK(change.to == MM_ORDER_LIVE && !change.first_live);
    place(MM_BID, SECOND);
    lost.body.outcome.order_seq = 2;
    lost.body.outcome.code = -1007;
    mm_order_change change_of_pending = apply(&lost, SECOND);
    MM_CHECK_INT(change_of_pending.to, ==, MM_ORDER_UNKNOWN);
}

static void an_order_is_disproved_only_by_a_whole_round_after_the_settling_time(void)
{
    start();
    mm_order *order = unknown(MM_BID, T0);
    for (int64_t now_ms = 1300; now_ms < 13000; now_ms += 100) {
        run_due(T0 + now_ms * MS);
        not_on_book(1, T0 + now_ms * MS);
        missing(1, T0 + now_ms * MS);
        order->trades_checked = 1;
        MM_REQUIRE(!mm_orders_disprove(orders, order, true, T0 + now_ms * MS));
    }
    /* Time alone does not do: what was asked before may have been asked too early. */
    MM_CHECK(!mm_orders_disprove(orders, order, true, T0 + 13 * SECOND));
    check_due(T0 + 13 * SECOND, MM_DUE_CANCEL | MM_DUE_QUERY | MM_DUE_TRADES);
    int64_t now_ns = T0 + 13 * SECOND + MS;
    MM_CHECK(!mm_orders_disprove(orders, order, true, now_ns));
    not_on_book(1, now_ns);
    MM_CHECK(!mm_orders_disprove(orders, order, true, now_ns));
    missing(1, now_ns);
    MM_CHECK(!mm_orders_disprove(orders, order, true, now_ns));
    order->trades_checked = 1;
    MM_CHECK(!mm_orders_disprove(orders, order, false, now_ns));
    MM_CHECK(mm_orders_valid(orders));
    MM_CHECK(mm_orders_disprove(orders, order, true, now_ns));
    MM_CHECK_UINT(mm_orders_count(orders, -1, -1), ==, 0);
    MM_CHECK(mm_orders_valid(orders));
}

static void a_late_answer_to_an_older_cancel_does_not_disprove(void)
{
    start();
    mm_order *order = unknown(MM_BID, T0);
    run_due(T0 + 12 * SECOND);
    mm_order *due_order = NULL;
    int32_t due = 0;
    MM_REQUIRE(mm_orders_due(orders, T0 + 13 * SECOND, &due_order, &due) && due_order == order);
    MM_CHECK((due & MM_DUE_CANCEL) != 0); /* but there was no room to send it */
    not_on_book(1, T0 + 13 * SECOND);
    missing(1, T0 + 13 * SECOND);
    order->trades_checked = 1;
    MM_CHECK(!mm_orders_disprove(orders, order, true, T0 + 14 * SECOND));
    mm_orders_cancel(orders, order, T0 + 14 * SECOND);
    not_on_book(1, T0 + 14 * SECOND);
    MM_CHECK(mm_orders_disprove(orders, order, true, T0 + 14 * SECOND));
}

static void an_order_that_was_ever_seen_is_never_disproved(void)
{
    start();
    mm_order *order = place(MM_BID, T0);
    sent(1, T0);
    report(MM_KIND_ACK, 1, MM_ORDER_LIVE, 0, T0 + MS);
    mm_orders_cancel(orders, order, T0 + SECOND);
    not_on_book(1, T0 + SECOND);
    int64_t now_ns = T0 + SECOND;
    for (int32_t i = 0; i < 20; i++) {
        now_ns = mm_orders_deadline(orders);
        run_due(now_ns);
        not_on_book(1, now_ns);
        missing(1, now_ns);
        order->trades_checked = 1;
        MM_CHECK(!mm_orders_disprove(orders, order, true, now_ns));
    }
    MM_CHECK_INT(now_ns, >, T0 + 60 * SECOND);
    mm_orders_vanish(orders, order, now_ns);
    MM_CHECK_UINT(mm_orders_count(orders, -1, -1), ==, 0);
    MM_CHECK(mm_orders_valid(orders));
}

/* ---- Tombstones ---- */

static mm_order *disproved(void)
{
    mm_order *order = unknown(MM_BID, T0);
    run_due(T0 + 13 * SECOND);
    not_on_book(order->seq, T0 + 13 * SECOND);
    missing(order->seq, T0 + 13 * SECOND);
    order->trades_checked = 1;
    MM_CHECK(mm_orders_disprove(orders, order, true, T0 + 13 * SECOND));
    return order;
}

static void a_sign_of_life_of_a_disproved_order_is_a_zombie_and_opens_it_again(void)
{
    start();
    disproved();
    mm_order_change change = missing(1, T0 + 14 * SECOND);
    MM_CHECK(!change.zombie);
    change = report(MM_KIND_REPORT, 1, MM_ORDER_LIVE, 0, T0 + 14 * SECOND);
    MM_CHECK(change.zombie && change.first_live && !change.ended);
    MM_CHECK_INT(change.from, ==, MM_ORDER_NOT_ACCEPTED);
    MM_CHECK_INT(change.to, ==, MM_ORDER_LIVE);
    MM_REQUIRE(mm_orders_find(orders, 1) == change.order);
    mm_orders_cancel(orders, change.order, T0 + 14 * SECOND);
    change = report(MM_KIND_CANCELED, 1, MM_ORDER_CANCELED, 0, T0 + 15 * SECOND);
    MM_CHECK(change.ended && !change.zombie);
}

static void a_fill_of_a_disproved_order_is_applied(void)
{
    start();
    disproved();
    mm_order_change change = fill(MM_KIND_REPORT, 1, MM_ORDER_FILLED, QTY, QTY, T0 + 14 * SECOND);
    MM_CHECK(change.zombie && change.fill && change.ended && change.order != NULL);
    MM_CHECK(mm_orders_filled(orders, change.order, QTY, T0 + 14 * SECOND));
    MM_CHECK(mm_orders_valid(orders));
    change = fill(MM_KIND_REPORT, 1, MM_ORDER_FILLED, QTY, QTY, T0 + 14 * SECOND);
    MM_CHECK(!change.zombie && change.fill);
    disproved();
    change = fill(MM_KIND_TRADE_ROW, 2, MM_ORDER_FREE, QTY / 2, -1, T0 + 14 * SECOND);
    MM_CHECK(change.zombie && change.fill && change.to == MM_ORDER_UNKNOWN);
    MM_CHECK(mm_orders_filled(orders, change.order, QTY / 2, T0 + 14 * SECOND));
    MM_CHECK_UINT(mm_orders_count(orders, -1, MM_ORDER_UNKNOWN), ==, 1);
}

static void zombies_stand_in_their_place_by_number_and_need_room(void)
{
    start();
    disproved();
    for (int32_t i = 1; i < LIVE_MAX; i++) {
        place(MM_BID, T0 + 14 * SECOND);
    }
    mm_order_change change = report(MM_KIND_REPORT, 1, MM_ORDER_LIVE, 0, T0 + 14 * SECOND);
    MM_CHECK(change.zombie);
    mm_order *out[LIVE_MAX];
    MM_CHECK_UINT(mm_orders_open(orders, -1, out, LIVE_MAX), ==, LIVE_MAX);
    MM_CHECK_UINT(out[0]->seq, ==, 1);
    start();
    disproved();
    for (int32_t i = 0; i < LIVE_MAX; i++) {
        place(MM_BID, T0 + 14 * SECOND);
    }
    change = fill(MM_KIND_REPORT, 1, MM_ORDER_LIVE, QTY / 2, QTY / 2, T0 + 14 * SECOND);
    MM_CHECK(change.zombie && change.fill && change.order != NULL);
    MM_CHECK_INT(change.to, ==, MM_ORDER_NOT_ACCEPTED);
    MM_CHECK(mm_orders_filled(orders, change.order, QTY / 2, T0 + 14 * SECOND));
    MM_CHECK(mm_orders_valid(orders));
}

static void refused_and_unsent_orders_that_show_up_are_zombies_too(void)
{
    start();
    place(MM_BID, T0);
    outcome(MM_KIND_REJECT, 1, MM_OP_PLACE, MM_REJECT_OTHER, T0 + SECOND);
    MM_CHECK(report(MM_KIND_OPEN_ROW, 1, MM_ORDER_LIVE, 0, T0 + SECOND).zombie);
    place(MM_BID, T0);
    outcome(MM_KIND_NOT_SENT, 2, MM_OP_PLACE, 0, T0 + SECOND);
    MM_CHECK(report(MM_KIND_ACK, 2, MM_ORDER_LIVE, 0, T0 + SECOND).zombie);
    place(MM_BID, T0);
    outcome(MM_KIND_REJECT, 3, MM_OP_PLACE, MM_REJECT_OTHER, T0 + SECOND);
    MM_CHECK(!report(MM_KIND_REPORT, 3, MM_ORDER_REJECTED, 0, T0 + SECOND).zombie);
}

static void tombstones_are_remembered_while_there_is_room_and_time(void)
{
    start();
    for (int32_t i = 0; i < TOMBSTONES + 1; i++) {
        mm_order *order = place(MM_BID, 0);
        report(MM_KIND_REPORT, order->seq, MM_ORDER_CANCELED, 0, SECOND);
    }
    MM_CHECK(report(MM_KIND_REPORT, 1, MM_ORDER_LIVE, 0, SECOND).order == NULL);
    for (uint64_t seq = 2; seq <= TOMBSTONES + 1; seq++) {
        MM_CHECK(report(MM_KIND_REPORT, seq, MM_ORDER_LIVE, 0, SECOND).order != NULL);
    }
    MM_CHECK(report(MM_KIND_REPORT, 5, MM_ORDER_LIVE, 0, 86401 * SECOND).order == NULL);
}

static void orders_are_found_by_number_through_any_history(void)
{
    start_with(LIVE_MAX, 5);
    for (int32_t i = 0; i < 20000; i++) {
        mm_order *open[LIVE_MAX];
        size_t count = mm_orders_open(orders, -1, open, LIVE_MAX);
        if (count == 0 || (count < LIVE_MAX && mm_test_below(2) != 0)) {
            place((int32_t)mm_test_below(2), i);
            continue;
        }
        mm_order *picked = open[mm_test_below(count)];
        MM_REQUIRE(mm_orders_find(orders, picked->seq) == picked);
        mm_order_change change = report(MM_KIND_REPORT, picked->seq, MM_ORDER_CANCELED, 0, i);
        MM_CHECK(change.ended);
    }
}

/* ---- Smaller where it rests ---- */

static mm_order *resting(int32_t side)
{
    mm_order *order = place(side, T0);
    sent(order->seq, T0);
    report(MM_KIND_ACK, order->seq, MM_ORDER_LIVE, 0, T0);
    return order;
}

/* The first order, resting, with an amend under way. */
static mm_order *amending(int32_t side, int64_t qty_e8)
{
    start();
    mm_order *order = resting(side);
    mm_orders_amend(orders, order, qty_e8, T0);
    return order;
}

static mm_order_change with_quantity(uint16_t kind, uint64_t seq, int16_t status, int64_t qty_e8,
                                     int64_t now_ns)
{
    mm_record records[2];
    report_of(records, kind, seq, status)->qty_e8 = qty_e8;
    return apply(records, now_ns);
}

static void the_larger_quantity_counts_until_the_smaller_one_is_confirmed(void)
{
    mm_order *order = amending(MM_BID, QTY / 2);
    MM_CHECK_INT(order->qty_e8, ==, QTY);
    MM_CHECK_INT(order->amend_qty_e8, ==, QTY / 2);
    MM_CHECK_INT(order->amends, ==, 1);
    outcome(MM_KIND_SENT, 1, MM_OP_AMEND, 0, T0 + MS);
    MM_CHECK_INT(mm_orders_deadline(orders), ==, T0 + MS + SECOND);
    with_quantity(MM_KIND_AMENDED, 1, MM_ORDER_FREE, QTY / 2, T0 + 2 * MS);
    MM_CHECK_INT(order->qty_e8, ==, QTY / 2);
    MM_CHECK_INT(order->amend_qty_e8, ==, 0);
    MM_CHECK_INT(order->state, ==, MM_ORDER_LIVE);
    MM_CHECK_INT(mm_orders_deadline(orders), ==, INT64_MAX);
    /* The report of it, one from before it, and a second reply change nothing. */
    with_quantity(MM_KIND_REPORT, 1, MM_ORDER_LIVE, QTY / 2, T0 + 3 * MS);
    with_quantity(MM_KIND_REPORT, 1, MM_ORDER_LIVE, QTY, T0 + 4 * MS);
    with_quantity(MM_KIND_AMENDED, 1, MM_ORDER_FREE, QTY / 2, T0 + 5 * MS);
    MM_CHECK_INT(order->qty_e8, ==, QTY / 2);
}

static void a_report_of_the_smaller_quantity_may_come_before_the_reply(void)
{
    mm_order *order = amending(MM_ASK, QTY / 4);
    with_quantity(MM_KIND_REPORT, 1, MM_ORDER_LIVE, QTY / 4, T0 + MS);
    MM_CHECK_INT(order->qty_e8, ==, QTY / 4);
    MM_CHECK_INT(order->amend_qty_e8, ==, 0);
    mm_orders_amend(orders, order, QTY / 8, T0 + MS);
    /* The late reply to the first is none to the second. */
    with_quantity(MM_KIND_AMENDED, 1, MM_ORDER_FREE, QTY / 4, T0 + 2 * MS);
    MM_CHECK_INT(order->amend_qty_e8, ==, QTY / 8);
    MM_CHECK_INT(order->amends, ==, 2);
}

static void an_amend_that_was_refused_or_not_sent_leaves_the_order_as_it_was(void)
{
    mm_order *order = amending(MM_BID, QTY / 2);
    outcome(MM_KIND_AMEND_REJECT, 1, MM_OP_AMEND, MM_REJECT_OTHER, T0 + MS);
    MM_CHECK_INT(order->amend_qty_e8, ==, 0);
    MM_CHECK_INT(order->qty_e8, ==, QTY);
    MM_CHECK_INT(order->amends, ==, 1);
    mm_orders_amend(orders, order, QTY / 2, T0 + MS);
    outcome(MM_KIND_NOT_SENT, 1, MM_OP_AMEND, 0, T0 + 2 * MS);
    MM_CHECK_INT(order->amends, ==, 1);
    MM_CHECK_INT(order->again_ns, ==, T0 + 22 * MS);
    mm_orders_amend(orders, order, QTY / 2, T0 + 22 * MS);
    outcome(MM_KIND_AMEND_REJECT, 1, MM_OP_AMEND, MM_REJECT_UNKNOWN_ORDER, T0 + 23 * MS);
    MM_CHECK_INT(order->state, ==, MM_ORDER_UNKNOWN); /* filled, perhaps */
}

static void an_amend_without_an_answer_is_asked_about_until_something_tells(void)
{
    mm_order *order = amending(MM_BID, QTY / 2);
    outcome(MM_KIND_LOST, 1, MM_OP_AMEND, 0, T0 + MS);
    MM_CHECK_INT(order->state, ==, MM_ORDER_LIVE); /* that it exists is not in doubt */
    check_due(T0 + 300 * MS, MM_DUE_NONE);
    check_due(T0 + 301 * MS, MM_DUE_QUERY);
    with_quantity(MM_KIND_STATUS, 1, MM_ORDER_LIVE, QTY, T0 + 302 * MS);
    MM_CHECK_INT(order->amend_qty_e8, ==, QTY / 2); /* queries lag */
    check_due(T0 + 801 * MS, MM_DUE_QUERY);
    with_quantity(MM_KIND_STATUS, 1, MM_ORDER_LIVE, QTY / 2, T0 + 802 * MS);
    MM_CHECK_INT(order->qty_e8, ==, QTY / 2);
    MM_CHECK_INT(mm_orders_deadline(orders), ==, INT64_MAX);
    /* One that never arrived is given up when it can no longer. */
    mm_orders_amend(orders, order, QTY / 4, T0 + SECOND);
    check_due(T0 + 13 * SECOND, MM_DUE_QUERY);
    with_quantity(MM_KIND_STATUS, 1, MM_ORDER_LIVE, QTY / 2, T0 + 13 * SECOND);
    MM_CHECK_INT(order->amend_qty_e8, ==, QTY / 4);
    with_quantity(MM_KIND_STATUS, 1, MM_ORDER_LIVE, QTY / 2, T0 + 14 * SECOND);
    MM_CHECK_INT(order->amend_qty_e8, ==, 0);
    MM_CHECK_INT(order->qty_e8, ==, QTY / 2);
}

static void more_than_the_smaller_quantity_may_have_been_executed_before_it_was_one(void)
{
    mm_order *order = amending(MM_BID, QTY / 2);
    mm_order_change change = fill(MM_KIND_REPORT, 1, MM_ORDER_LIVE, 3 * QTY / 4, 3 * QTY / 4, T0);
    MM_CHECK(change.fill && !change.overfill);
    MM_CHECK(mm_orders_filled(orders, order, 3 * QTY / 4, T0));
    MM_CHECK_INT(order->state, ==, MM_ORDER_LIVE);
    outcome(MM_KIND_AMEND_REJECT, 1, MM_OP_AMEND, MM_REJECT_OTHER, T0 + MS);
    change = fill(MM_KIND_REPORT, 1, MM_ORDER_FILLED, QTY / 4, QTY, T0 + MS);
    MM_CHECK(!change.overfill);
    MM_CHECK(mm_orders_filled(orders, change.order, QTY / 4, T0 + MS));
    MM_CHECK_UINT(mm_orders_count(orders, -1, -1), ==, 0);
    MM_CHECK(report(MM_KIND_REPORT, 1, MM_ORDER_FILLED, QTY + 1, T0 + MS).overfill);
}

static void an_amended_order_is_filled_by_its_smaller_quantity(void)
{
    mm_order *order = amending(MM_BID, QTY / 2);
    mm_order_change change = fill(MM_KIND_REPORT, 1, MM_ORDER_FILLED, QTY / 2, QTY / 2, T0);
    MM_CHECK(change.ended && change.to == MM_ORDER_FILLED);
    MM_CHECK(mm_orders_filled(orders, change.order, QTY / 2, T0));
    MM_CHECK_UINT(mm_orders_unfilled_reports(orders), ==, 0);
    /* And so is one whose fill is told before anything else of it. */
    order = resting(MM_ASK);
    mm_orders_amend(orders, order, QTY / 2, T0);
    report(MM_KIND_REPORT, 2, MM_ORDER_FILLED, -1, T0);
    MM_CHECK_INT(order->reported_e8, ==, QTY / 2);
}

/* ---- One for another ---- */

static mm_order *replacing(mm_order *old)
{
    mm_order *made = NULL;
    MM_CHECK(mm_orders_replace(orders, old, 0, PRICE, QTY, T0, &made));
    return made;
}

static void both_orders_of_a_replacement_count_until_each_ones_end(void)
{
    start();
    mm_order *old = resting(MM_BID);
    mm_order *made = replacing(old);
    MM_CHECK_UINT(made->replaces_seq, ==, 1);
    MM_CHECK_UINT(old->replaced_by, ==, 2);
    MM_CHECK(old->cancel_pending);
    MM_CHECK_INT(made->side, ==, MM_BID);
    outcome(MM_KIND_SENT, 2, MM_OP_REPLACE, 0, T0 + MS);
    MM_CHECK_INT(made->sent_ns, ==, T0 + MS);
    MM_CHECK_UINT(mm_orders_count(orders, MM_BID, -1), ==, 2);
    mm_order_change change = report(MM_KIND_CANCELED, 1, MM_ORDER_CANCELED, 0, T0 + 2 * MS);
    MM_CHECK(change.ended && change.to == MM_ORDER_CANCELED);
    MM_CHECK_INT(made->state, ==, MM_ORDER_PENDING);
    MM_CHECK(report(MM_KIND_ACK, 2, MM_ORDER_LIVE, 0, T0 + 2 * MS).first_live);
    MM_CHECK_UINT(mm_orders_count(orders, -1, -1), ==, 1);
}

static void a_replacement_whose_cancel_found_nothing_was_never_judged(void)
{
    start();
    mm_order *old = resting(MM_BID);
    replacing(old);
    mm_order_change change =
        outcome(MM_KIND_CANCEL_REJECT, 2, MM_OP_REPLACE, MM_REJECT_UNKNOWN_ORDER, T0 + MS);
    MM_CHECK(change.order == old);
    MM_CHECK_INT(change.to, ==, MM_ORDER_UNKNOWN);
    mm_record refusal;
    memset(&refusal, 0, sizeof refusal);
    refusal.kind = MM_KIND_REJECT;
    refusal.count = 1;
    refusal.body.outcome.order_seq = 2;
    refusal.body.outcome.operation = MM_OP_REPLACE;
    refusal.body.outcome.code = -2022;
    change = apply(&refusal, T0 + MS);
    MM_CHECK(change.ended && change.not_attempted && change.to == MM_ORDER_REJECTED);
    /* The fill that was on its way. */
    change = fill(MM_KIND_REPORT, 1, MM_ORDER_FILLED, QTY, QTY, T0 + 2 * MS);
    MM_CHECK(change.ended && change.fill && !change.zombie);
    MM_CHECK(mm_orders_filled(orders, change.order, QTY, T0 + 2 * MS));
    /* Told again, it is about an order that is over. */
    change = outcome(MM_KIND_CANCEL_REJECT, 2, MM_OP_REPLACE, MM_REJECT_UNKNOWN_ORDER, T0 + MS);
    MM_CHECK(change.order == NULL);
}

static void a_replacement_refused_as_a_request_leaves_the_old_order_as_it_was(void)
{
    start();
    mm_order *old = resting(MM_BID);
    replacing(old);
    outcome(MM_KIND_CANCEL_REJECT, 2, MM_OP_REPLACE, MM_REJECT_LIMIT, T0 + MS);
    MM_CHECK(!old->cancel_pending && old->replaced_by == 0 && old->state == MM_ORDER_LIVE);
    mm_order_change change = outcome(MM_KIND_REJECT, 2, MM_OP_REPLACE, MM_REJECT_LIMIT, T0 + MS);
    MM_CHECK(change.ended && !change.not_attempted);
    MM_CHECK_INT(change.reject_class, ==, MM_REJECT_LIMIT);
    mm_order *made = replacing(old);
    mm_orders_cancel(orders, old, T0 + 2 * MS);
    /* A cancel of its own has been sent since: the refusal is not about that one. */
    outcome(MM_KIND_CANCEL_REJECT, made->seq, MM_OP_REPLACE, MM_REJECT_LIMIT, T0 + 3 * MS);
    MM_CHECK(old->cancel_pending);
}

static void a_replacement_that_was_not_sent_leaves_the_old_order_as_it_was(void)
{
    start();
    mm_order *old = resting(MM_BID);
    replacing(old);
    mm_order_change change = outcome(MM_KIND_NOT_SENT, 2, MM_OP_REPLACE, 0, T0 + MS);
    MM_CHECK(change.ended && change.to == MM_ORDER_NOT_SENT);
    MM_CHECK(!old->cancel_pending && old->state == MM_ORDER_LIVE);
    MM_CHECK_INT(mm_orders_deadline(orders), ==, INT64_MAX);
}

static void a_lost_replacement_leaves_the_new_order_unknown_and_the_cancel_unanswered(void)
{
    start();
    mm_order *old = resting(MM_BID);
    mm_order *made = replacing(old);
    outcome(MM_KIND_SENT, 2, MM_OP_REPLACE, 0, T0);
    outcome(MM_KIND_LOST, 2, MM_OP_REPLACE, 0, T0 + MS);
    MM_CHECK_INT(made->state, ==, MM_ORDER_UNKNOWN);
    MM_CHECK(old->cancel_pending && old->state == MM_ORDER_LIVE);
    MM_CHECK_INT(old->retry_ns, ==, T0 + 301 * MS);
    int32_t due = 0;
    mm_order *order = NULL;
    MM_REQUIRE(mm_orders_due(orders, T0 + 301 * MS, &order, &due));
    MM_CHECK(order == old && due == MM_DUE_CANCEL);
    mm_orders_cancel(orders, old, T0 + 301 * MS);
    MM_CHECK_UINT(old->replaced_by, ==, 0); /* one of its own now */
    report(MM_KIND_CANCELED, 1, MM_ORDER_CANCELED, 0, T0 + 310 * MS);
    MM_CHECK_UINT(mm_orders_count(orders, -1, -1), ==, 1);
}

static void a_request_that_was_not_sent_is_tried_again_after_growing_pauses(void)
{
    static const int64_t pauses_ns[] = {20 * MS,  40 * MS,  80 * MS, 160 * MS,
                                        320 * MS, 640 * MS, SECOND,  SECOND};
    start();
    mm_order *order = resting(MM_BID);
    for (size_t i = 0; i < MM_TEST_COUNT(pauses_ns); i++) {
        mm_orders_cancel(orders, order, T0);
        outcome(MM_KIND_NOT_SENT, 1, MM_OP_CANCEL, 0, T0);
        MM_CHECK(!order->cancel_pending);
        MM_CHECK_INT(order->again_ns, ==, T0 + pauses_ns[i]);
    }
    mm_orders_cancel(orders, order, T0 + SECOND);
    outcome(MM_KIND_SENT, 1, MM_OP_CANCEL, 0, T0 + SECOND);
    MM_CHECK_INT(order->again_ns, ==, 0);
    outcome(MM_KIND_NOT_SENT, 1, MM_OP_CANCEL, 0, T0 + SECOND);
    MM_CHECK_INT(order->again_ns, ==, T0 + SECOND + 20 * MS);
}

static void a_replacement_without_room_leaves_the_old_order_as_it_was(void)
{
    start();
    mm_order *old = resting(MM_BID);
    for (int32_t i = 1; i < LIVE_MAX; i++) {
        place(MM_ASK, T0);
    }
    mm_order *made = NULL;
    MM_CHECK(!mm_orders_replace(orders, old, 0, PRICE, QTY, T0, &made));
    MM_CHECK(made == NULL && !old->cancel_pending && old->replaced_by == 0);
    MM_CHECK(mm_orders_valid(orders));
}

static void only_an_order_in_doubt_can_be_disproved(void)
{
    start();
    mm_order *order = resting(MM_BID);
    MM_CHECK(!mm_orders_disprove(orders, order, true, T0 + 100 * SECOND));
    MM_CHECK_INT(order->state, ==, MM_ORDER_LIVE);
}

static void the_reply_to_an_amend_may_say_the_state_or_not(void)
{
    mm_order *order = amending(MM_BID, QTY / 2);
    with_quantity(MM_KIND_AMENDED, 1, MM_ORDER_LIVE, QTY / 2, T0 + MS);
    MM_CHECK_INT(order->qty_e8, ==, QTY / 2);
    mm_orders_amend(orders, order, QTY / 4, T0 + MS);
    mm_order_change change = with_quantity(MM_KIND_AMENDED, 1, MM_ORDER_CANCELED, QTY / 4, T0 + 2 * MS);
    MM_CHECK(change.ended && change.to == MM_ORDER_CANCELED);
}

static void answers_to_an_amend_of_an_order_in_doubt_add_no_doubt(void)
{
    mm_order *order = amending(MM_BID, QTY / 2);
    outcome(MM_KIND_LOST, 1, MM_OP_PLACE, 0, T0 + MS);
    MM_CHECK_INT(order->state, ==, MM_ORDER_UNKNOWN);
    outcome(MM_KIND_AMEND_REJECT, 1, MM_OP_AMEND, MM_REJECT_UNKNOWN_ORDER, T0 + 2 * MS);
    MM_CHECK_INT(order->unknown_ns, ==, T0 + MS);
    outcome(MM_KIND_NOT_SENT, 1, MM_OP_AMEND, 0, T0 + 3 * MS); /* it was refused: there is none to take back */
    MM_CHECK_INT(order->amends, ==, 1);
    MM_CHECK_INT(order->again_ns, ==, 0);
}

static void an_amend_lost_twice_is_not_asked_about_later(void)
{
    mm_order *order = amending(MM_BID, QTY / 2);
    outcome(MM_KIND_LOST, 1, MM_OP_AMEND, 0, T0 + MS);
    outcome(MM_KIND_LOST, 1, MM_OP_AMEND, 0, T0 + 100 * MS);
    MM_CHECK_INT(mm_orders_deadline(orders), ==, T0 + 301 * MS);
    /* A cancel that is due before it comes first. */
    mm_orders_cancel(orders, order, T0 - 800 * MS);
    MM_CHECK_INT(mm_orders_deadline(orders), ==, T0 + 200 * MS);
    check_due(T0 + 301 * MS, MM_DUE_CANCEL | MM_DUE_QUERY);
    int64_t due_ns = mm_orders_deadline(orders);
    outcome(MM_KIND_SENT, 1, MM_OP_AMEND, 0, T0 + 302 * MS); /* of the first try, late: nothing begins anew */
    MM_CHECK_INT(mm_orders_deadline(orders), ==, due_ns);
}

static void the_exchanges_own_word_that_it_does_not_know_leaves_a_resting_order_resting(void)
{
    start();
    mm_order *order = resting(MM_BID);
    mm_record record;
    memset(&record, 0, sizeof record);
    record.kind = MM_KIND_LOST;
    record.count = 1;
    record.body.outcome.order_seq = 1;
    record.body.outcome.operation = MM_OP_PLACE;
    record.body.outcome.http_status = 504;
    apply(&record, T0 + MS);
    MM_CHECK_INT(order->state, ==, MM_ORDER_LIVE);
    record.body.outcome.http_status = 0;
    record.body.outcome.code = -1007;
    apply(&record, T0 + MS);
    MM_CHECK_INT(order->state, ==, MM_ORDER_LIVE);
    record.body.outcome.code = 0;
    apply(&record, T0 + MS);
    MM_CHECK_INT(order->state, ==, MM_ORDER_UNKNOWN);
}

static void a_lost_replacement_of_an_order_that_is_over_is_about_the_new_one_alone(void)
{
    start();
    mm_order *old = resting(MM_BID);
    mm_order *made = replacing(old);
    report(MM_KIND_CANCELED, 1, MM_ORDER_CANCELED, 0, T0 + MS);
    mm_order_change change = outcome(MM_KIND_LOST, 2, MM_OP_REPLACE, 0, T0 + 2 * MS);
    MM_CHECK(change.order == made);
    MM_CHECK_INT(made->state, ==, MM_ORDER_UNKNOWN);
    MM_CHECK_UINT(mm_orders_count(orders, MM_BID, -1), ==, 1);
}

static void the_first_word_of_its_sending_counts_at_the_hosts_time_or_now(void)
{
    start();
    mm_order *order = place(MM_BID, T0);
    mm_record record;
    memset(&record, 0, sizeof record);
    record.kind = MM_KIND_SENT;
    record.count = 1;
    record.body.outcome.order_seq = 1;
    record.body.outcome.operation = MM_OP_PLACE;
    apply(&record, T0 + MS); /* the host has no time of it */
    MM_CHECK_INT(order->sent_ns, ==, T0 + MS);
    sent(1, T0 + 5 * MS);
    MM_CHECK_INT(order->sent_ns, ==, T0 + MS);
}

int main(int argc, char **argv)
{
    static const mm_test tests[] = {
        MM_TEST(sizes_and_settings_outside_their_range_are_refused),
        MM_TEST(an_order_lives_from_pending_over_live_to_filled),
        MM_TEST(a_full_pool_refuses_the_next_order_until_one_ends),
        MM_TEST(open_orders_are_listed_by_side_in_their_order),
        MM_TEST(a_fill_before_the_reply_proves_the_order_and_the_reply_adds_nothing),
        MM_TEST(an_ended_order_absorbs_all_that_comes_after),
        MM_TEST(a_canceled_order_waits_in_the_table_for_the_fills_it_reports),
        MM_TEST(fills_that_a_late_report_reveals_bring_an_order_back_until_they_come),
        MM_TEST(a_resting_order_with_missing_fills_asks_for_trades_too),
        MM_TEST(more_executed_than_ordered_is_told),
        MM_TEST(records_of_orders_that_are_not_ours_change_nothing),
        MM_TEST(a_refusal_ends_an_order_nobody_has_seen),
        MM_TEST(a_refusal_told_by_a_report_has_its_class),
        MM_TEST(a_refusal_of_an_order_that_was_seen_or_of_its_id_leaves_it_open),
        MM_TEST(an_order_the_gate_held_back_is_over),
        MM_TEST(a_cancel_without_an_answer_is_due_again_and_the_order_stays_live),
        MM_TEST(a_cancel_that_did_not_leave_or_got_lost_is_tried_again_soon),
        MM_TEST(unknown_order_as_answer_to_a_cancel_proves_nothing),
        MM_TEST(an_order_without_reply_or_without_word_of_its_sending_becomes_unknown),
        MM_TEST(rounds_of_cancel_query_and_trades_follow_the_schedule),
        MM_TEST(any_proof_resolves_an_unknown_order),
        MM_TEST(a_cut_channel_makes_resting_orders_unknown_until_a_fresh_answer),
        MM_TEST(an_order_is_disproved_only_by_a_whole_round_after_the_settling_time),
        MM_TEST(a_late_answer_to_an_older_cancel_does_not_disprove),
        MM_TEST(an_order_that_was_ever_seen_is_never_disproved),
        MM_TEST(a_sign_of_life_of_a_disproved_order_is_a_zombie_and_opens_it_again),
        MM_TEST(a_fill_of_a_disproved_order_is_applied),
        MM_TEST(zombies_stand_in_their_place_by_number_and_need_room),
        MM_TEST(refused_and_unsent_orders_that_show_up_are_zombies_too),
        MM_TEST(tombstones_are_remembered_while_there_is_room_and_time),
        MM_TEST(orders_are_found_by_number_through_any_history),
        MM_TEST(the_larger_quantity_counts_until_the_smaller_one_is_confirmed),
        MM_TEST(a_report_of_the_smaller_quantity_may_come_before_the_reply),
        MM_TEST(an_amend_that_was_refused_or_not_sent_leaves_the_order_as_it_was),
        MM_TEST(an_amend_without_an_answer_is_asked_about_until_something_tells),
        MM_TEST(more_than_the_smaller_quantity_may_have_been_executed_before_it_was_one),
        MM_TEST(an_amended_order_is_filled_by_its_smaller_quantity),
        MM_TEST(both_orders_of_a_replacement_count_until_each_ones_end),
        MM_TEST(a_replacement_whose_cancel_found_nothing_was_never_judged),
        MM_TEST(a_replacement_refused_as_a_request_leaves_the_old_order_as_it_was),
        MM_TEST(a_replacement_that_was_not_sent_leaves_the_old_order_as_it_was),
        MM_TEST(a_lost_replacement_leaves_the_new_order_unknown_and_the_cancel_unanswered),
        MM_TEST(a_request_that_was_not_sent_is_tried_again_after_growing_pauses),
        MM_TEST(a_replacement_without_room_leaves_the_old_order_as_it_was),
        MM_TEST(only_an_order_in_doubt_can_be_disproved),
        MM_TEST(the_reply_to_an_amend_may_say_the_state_or_not),
        MM_TEST(answers_to_an_amend_of_an_order_in_doubt_add_no_doubt),
        MM_TEST(an_amend_lost_twice_is_not_asked_about_later),
        MM_TEST(the_exchanges_own_word_that_it_does_not_know_leaves_a_resting_order_resting),
        MM_TEST(a_lost_replacement_of_an_order_that_is_over_is_about_the_new_one_alone),
        MM_TEST(the_first_word_of_its_sending_counts_at_the_hosts_time_or_now),
    };
    return mm_test_main(argc, argv, tests, MM_TEST_COUNT(tests));
}
