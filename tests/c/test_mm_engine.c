/* The engine: one thread, virtual time, the exchange played by the test. */
#include "mm_engine_host.h"

#include "mm_engine.h"

static host *quoting(void)
{
    mm_engine_config config = host_config();
    host *h = host_open(&config);
    host_start(h);
    host_sync(h);
    return h;
}

static bool has(uint64_t verdict, int32_t reason)
{
    return (verdict >> reason & 1) != 0;
}

static void it_quotes_both_sides_once_started_and_synced(void)
{
    host *h = quoting();
    MM_CHECK_UINT(host_count(h, MM_KIND_PLACE), ==, 2);
    mm_engine_status status = host_status(h);
    MM_CHECK_INT(status.state, ==, MM_STATE_ACTIVE);
    const mm_record *bid = host_find(h, MM_KIND_PLACE);
    MM_REQUIRE(bid != NULL);
    MM_CHECK_INT(bid->flags >> 8, ==, MM_BID);
    MM_CHECK_INT(bid->body.action.price_e8 % TICK, ==, 0);
    /* 20 bps wide around the mid: the bid is 10 below. */
    MM_CHECK_INT(bid->body.action.price_e8, <=, MID - MID / 1000);
    MM_CHECK_INT(bid->body.action.price_e8, >, MID - MID / 1000 - 2 * TICK);
    host_exchange(h);
    host_decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_PLACE) + host_count(h, MM_KIND_CANCEL), ==, 0);
    MM_CHECK_INT(host_status(h).orders_acked, ==, 2);
    host_close(h);
}

/* Told to start, and the open orders are asked for. */
static host *starting(void)
{
    mm_engine_config config = host_config();
    host *h = host_open(&config);
    host_link(h, MM_KIND_ORDER_LINK, MM_CHANNEL_ORDER, MM_LINK_UP);
    host_link(h, MM_KIND_ORDER_LINK, MM_CHANNEL_USER, MM_LINK_UP);
    host_clock(h);
    host_balance(h, "BTC", MM_ONE_E8, 0);
    host_balance(h, "USDT", INT64_C(100000) * MM_ONE_E8, 0);
    host_command(h, MM_COMMAND_START, 0);
    host_decide(h);
    return h;
}

static void nothing_is_wanted_before_two_empty_reads_of_open_orders_a_second_apart(void)
{
    host *h = starting();
    host_answer_open(h);
    host_decide(h);
    MM_CHECK(host_find(h, MM_KIND_WANT_OPEN) == NULL); /* too early for the second */
    MM_CHECK(has(host_status(h).verdict, MM_REASON_NOT_STARTED));
    host_pass(h, SECOND);
    host_answer_open(h);
    host_decide(h);
    MM_CHECK(!has(host_status(h).verdict, MM_REASON_NOT_STARTED));
    host_close(h);
}

static void an_own_order_of_an_earlier_run_is_cancelled_and_a_foreign_one_is_not(void)
{
    host *h = starting();
    const mm_record *asked = host_find(h, MM_KIND_WANT_OPEN);
    MM_REQUIRE(asked != NULL);
    int64_t token = asked->body.command.command;
    mm_record row = host_event(MM_KIND_OPEN_ROW);
    row.flags = MM_FLAG_OLD_RUN;
    row.body.report.exchange_id = 77;
    row.body.report.status = MM_ORDER_LIVE;
    host_feed(h, &row);
    row.flags = MM_FLAG_FOREIGN;
    row.body.report.exchange_id = 78;
    host_feed(h, &row);
    host_end(h, MM_KIND_OPEN_END, token);
    host_decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_CANCEL), ==, 1);
    const mm_record *cancel = host_find(h, MM_KIND_CANCEL);
    MM_REQUIRE(cancel != NULL);
    MM_CHECK_INT(cancel->body.action.exchange_id, ==, 77);
    MM_CHECK(has(host_status(h).verdict, MM_REASON_NOT_STARTED));
    host_close(h);
}

static void silence_pulls_the_quotes_after_one_second(void)
{
    host *h = quoting();
    host_exchange(h);
    host_decide(h);
    host_pass(h, SECOND - MS);
    MM_CHECK_UINT(host_count(h, MM_KIND_CANCEL), ==, 0);
    host_pass(h, 3 * MS);
    MM_CHECK_UINT(host_count(h, MM_KIND_CANCEL), ==, 2);
    MM_CHECK(has(host_status(h).verdict, MM_REASON_STALE_BOOK));
    host_close(h);
}

static void a_pong_is_a_sign_of_life_and_a_quiet_book_is_not_stale(void)
{
    host *h = quoting();
    host_exchange(h);
    for (int i = 0; i < 10; i++) {
        h->now_ns += 900 * MS;
        host_link(h, MM_KIND_MARKET_LINK, MM_CHANNEL_MARKET, MM_LINK_PONG);
        host_decide(h);
        MM_CHECK_UINT(host_count(h, MM_KIND_CANCEL), ==, 0);
    }
    MM_CHECK(!has(host_status(h).verdict, MM_REASON_STALE_BOOK));
    host_close(h);
}

static void a_ticker_that_lacks_a_side_is_no_top(void)
{
    static const mm_top tops[] = {{0, MM_ONE_E8, 1, MM_ONE_E8}, {1, 0, 2, MM_ONE_E8}, {1, MM_ONE_E8, 0, MM_ONE_E8}, {1, MM_ONE_E8, 2, 0}};
    for (size_t i = 0; i < MM_TEST_COUNT(tops); i++) {
        host *h = quoting();
        host_exchange(h);
        host_ticker(h, 1, tops[i]);
        host_decide(h);
        MM_CHECK(has(host_status(h).verdict, MM_REASON_ONE_SIDED));
        MM_CHECK_UINT(host_count(h, MM_KIND_CANCEL), ==, 2);
        MM_CHECK(!mm_panic_killed());
        host_close(h);
    }
}

static void a_ticker_below_zero_is_malformed_and_the_book_is_read_anew(void)
{
    static const mm_top tops[] = {{-1, 1, 2, 1}, {1, -1, 2, 1}, {1, 1, -2, 1}, {1, 1, 2, -1}};
    for (size_t i = 0; i < MM_TEST_COUNT(tops); i++) {
        host *h = quoting();
        host_exchange(h);
        host_ticker(h, 1, tops[i]);
        host_decide(h);
        MM_CHECK_UINT(host_status(h).malformed, ==, 1);
        MM_CHECK(has(host_status(h).verdict, MM_REASON_SYNCING));
        host_close(h);
    }
}

static void a_tolerance_as_wide_as_the_highest_price_fits(void)
{
    mm_engine_config config = host_config();
    config.refresh_tolerance_bps = 10000.0;
    host *h = host_open(&config);
    host_start(h);
    host_sync(h);
    host_exchange(h);
    mm_top top = {INT64_MAX - 1, 1, INT64_MAX, 1}; /* the mid is 2^63 as a double */
    host_ticker(h, 1, top);
    host_decide(h);
    MM_CHECK_INT(host_status(h).mid_e8, ==, INT64_MAX - 1);
    MM_CHECK(!mm_panic_killed());
    host_close(h);
}

static void pong(host *h, int64_t round_trip_ns)
{
    mm_record record = host_event(MM_KIND_MARKET_LINK);
    record.body.link.state = MM_LINK_PONG;
    record.body.link.recv_ns = h->now_ns;
    record.body.link.detail = round_trip_ns;
    host_feed(h, &record);
}

/* Found in virtual time: of a connection that was held up twice the first part of what had piled up came, seconds old, and
 * was quoted on. */
static void a_frame_after_silence_may_be_old_and_the_answer_to_a_young_ping_ends_it(void)
{
    host *h = quoting();
    host_exchange(h);
    h->now_ns += 3 * SECOND;
    host_tick(h);
    host_decide(h);
    MM_CHECK(has(host_status(h).verdict, MM_REASON_STALE_BOOK));
    pong(h, 0);
    host_decide(h);
    MM_CHECK(has(host_status(h).verdict, MM_REASON_STALE_BOOK));
    pong(h, 3 * SECOND);
    host_decide(h);
    MM_CHECK(has(host_status(h).verdict, MM_REASON_STALE_BOOK));
    h->now_ns += 10 * MS;
    pong(h, 900 * MS);
    host_decide(h);
    MM_CHECK(!has(host_status(h).verdict, MM_REASON_STALE_BOOK));
    host_close(h);
}

/* Found in virtual time: a connection that lets a byte through now and then is never silent, and seconds behind. */
static void frames_that_come_all_the_time_but_ever_later_are_stale(void)
{
    host *h = quoting();
    host_exchange(h);
    pong(h, 20 * MS);
    int64_t answered_ns = h->now_ns - 20 * MS;
    for (int i = 1; i <= 25; i++) {
        h->now_ns += 100 * MS;
        host_tick(h);
        host_decide(h);
        MM_CHECK(has(host_status(h).verdict, MM_REASON_STALE_BOOK) == (h->now_ns - answered_ns > 2 * SECOND));
    }
    pong(h, 2300 * MS); /* late itself */
    host_decide(h);
    MM_CHECK(has(host_status(h).verdict, MM_REASON_STALE_BOOK));
    pong(h, 1900 * MS);
    host_decide(h);
    MM_CHECK(!has(host_status(h).verdict, MM_REASON_STALE_BOOK));
    MM_CHECK_INT(mm_engine_deadline(h->engine), <=, h->now_ns + 100 * MS + 1);
    host_close(h);
}

static void a_new_connection_has_nothing_held_up(void)
{
    host *h = quoting();
    host_exchange(h);
    h->now_ns += 3 * SECOND;
    host_tick(h);
    host_link(h, MM_KIND_MARKET_LINK, MM_CHANNEL_MARKET, MM_LINK_DOWN);
    host_decide(h);
    host_link(h, MM_KIND_MARKET_LINK, MM_CHANNEL_MARKET, MM_LINK_UP);
    host_sync(h);
    MM_CHECK(!has(host_status(h).verdict, MM_REASON_STALE_BOOK));
    host_close(h);
}

static const mm_top usual_top = {MID - 5 * TICK, MM_ONE_E8, MID + 5 * TICK, MM_ONE_E8};

static void a_ticker_the_depth_does_not_catch_up_with_makes_the_book_stale(void)
{
    host *h = quoting();
    host_exchange(h);
    host_ticker(h, 5, usual_top);
    host_decide(h);
    MM_CHECK(!has(host_status(h).verdict, MM_REASON_STALE_BOOK));
    host_tick(h); /* depth goes on, and is not there yet */
    h->now_ns += 301 * MS;
    host_decide(h);
    MM_CHECK(has(host_status(h).verdict, MM_REASON_STALE_BOOK));
    host_depth(h, MM_KIND_DEPTH, h->last_id + 1, h->last_id + 4, 1, 0);
    host_decide(h);
    MM_CHECK(!has(host_status(h).verdict, MM_REASON_STALE_BOOK));
    host_close(h);
}

static void a_gap_pulls_the_quotes_and_asks_for_a_snapshot(void)
{
    host *h = quoting();
    host_exchange(h);
    host_decide(h);
    host_depth(h, MM_KIND_DEPTH, h->last_id + 3, h->last_id + 4, 1, 0);
    host_decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_CANCEL), ==, 2);
    MM_CHECK_UINT(host_count(h, MM_KIND_WANT_SNAPSHOT), ==, 1);
    mm_engine_status status = host_status(h);
    MM_CHECK_UINT(status.gaps, ==, 1);
    MM_CHECK(has(status.verdict, MM_REASON_GAP));
    host_exchange(h);
    h->now_ns += 150 * MS; /* the same quotes again would be duplicates at once */
    host_depth(h, MM_KIND_SNAPSHOT, h->last_id + 3, h->last_id + 3, 40, 0);
    host_link(h, MM_KIND_MARKET_LINK, MM_CHANNEL_MARKET, MM_LINK_PONG);
    host_decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_PLACE), ==, 2);
    MM_CHECK_UINT(host_status(h).resyncs, ==, 1);
    host_close(h);
}

/* A diff that takes the best levels of a side away. */
static void levels_leave(host *h, int32_t side, uint32_t count)
{
    static mm_record records[64];
    memset(records, 0, sizeof records);
    records[0].kind = MM_KIND_DEPTH;
    records[0].count = 1 + (count + 2) / 3;
    records[0].body.depth.first_id = h->last_id + 1;
    records[0].body.depth.last_id = h->last_id + 1;
    records[0].body.depth.prev_id = -1;
    records[0].body.depth.recv_ns = h->now_ns;
    *(side == MM_BID ? &records[0].body.depth.bid_count : &records[0].body.depth.ask_count) = count;
    for (uint32_t i = 0; i < count; i++) {
        int64_t away_e8 = (5 + 10 * (int64_t)i) * TICK;
        records[1 + i / 3].kind = MM_KIND_LEVELS;
        records[1 + i / 3].body.levels[i % 3].price_e8 = side == MM_BID ? MID - away_e8 : MID + away_e8;
    }
    h->last_id++;
    host_feed(h, records);
}

static void bids_leave(host *h, uint32_t count)
{
    levels_leave(h, MM_BID, count);
}

static void too_few_levels_of_either_side_pull_the_quotes(void)
{
    for (int32_t side = MM_BID; side <= MM_ASK; side++) {
        host *h = quoting();
        host_exchange(h);
        levels_leave(h, side, 35); /* of 40, and 5 are enough */
        host_decide(h);
        MM_CHECK(!has(host_status(h).verdict, MM_REASON_THIN_BOOK));
        levels_leave(h, side, 36);
        host_decide(h);
        MM_CHECK(has(host_status(h).verdict, MM_REASON_THIN_BOOK));
        MM_CHECK_UINT(host_count(h, MM_KIND_PLACE), ==, 0);
        host_close(h);
    }
}

/* A snapshot at the book's own id or another: `count` levels a side, bids from `bid_first` levels below the best on. */
static void second_snapshot(host *h, int64_t id, uint32_t bid_first, uint32_t count)
{
    static mm_record records[1 + 2 * 128];
    uint32_t used = (count + 2) / 3;
    memset(records, 0, sizeof records);
    records[0].kind = MM_KIND_SNAPSHOT;
    records[0].count = 1 + 2 * used;
    records[0].body.depth.first_id = id;
    records[0].body.depth.last_id = id;
    records[0].body.depth.recv_ns = h->now_ns;
    records[0].body.depth.bid_count = count;
    records[0].body.depth.ask_count = count;
    for (uint32_t i = 0; i < count; i++) {
        mm_level bid = {MID - (5 + 10 * (int64_t)(bid_first + i)) * TICK, MM_ONE_E8};
        mm_level ask = {MID + (5 + 10 * (int64_t)i) * TICK, MM_ONE_E8};
        records[1 + i / 3].body.levels[i % 3] = bid;
        records[1 + used + i / 3].body.levels[i % 3] = ask;
    }
    host_feed(h, records);
}

/* Quoting on a book of which 40 levels a side are known and there is more beyond. */
static host *quoting_in_a_deep_book(int64_t audit_ns)
{
    mm_engine_config config = host_config();
    config.snapshot_levels = 40;
    config.audit_ns = audit_ns;
    host *h = host_open(&config);
    host_start(h);
    host_sync(h);
    host_exchange(h);
    host_decide(h);
    h->now_ns += 2 * SECOND;
    pong(h, MS);
    host_tick(h);
    return h;
}

static int64_t bid_horizon_e8(const host *h)
{
    int64_t price_e8 = 0;
    MM_CHECK(mm_book_horizon(mm_engine_book(h->engine), MM_BID, &price_e8));
    return price_e8;
}

static void a_price_near_the_end_of_the_known_depth_brings_more_of_it_while_quotes_stay(void)
{
    host *h = quoting_in_a_deep_book(0);
    bids_leave(h, 30);
    host_decide(h);
    MM_CHECK(host_find(h, MM_KIND_WANT_SNAPSHOT) == NULL); /* a quarter is left */
    host_exchange(h);
    bids_leave(h, 37);
    host_decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_WANT_SNAPSHOT), ==, 1);
    MM_CHECK_INT(host_status(h).state, ==, MM_STATE_ACTIVE);
    host_exchange(h);
    host_tick(h);
    second_snapshot(h, h->last_id - 1, 37, 40);
    host_decide(h);
    mm_engine_status status = host_status(h);
    MM_CHECK_INT(bid_horizon_e8(h), ==, MID - (5 + 10 * 76) * TICK);
    MM_CHECK_INT(status.last_update_id, ==, h->last_id);
    MM_CHECK_INT(status.state, ==, MM_STATE_ACTIVE);
    MM_CHECK_UINT(status.resyncs, ==, 0);
    MM_CHECK_UINT(status.book_audits, ==, 1);
    MM_CHECK_UINT(status.book_audit_failures, ==, 0);
    host_tick(h);
    host_decide(h);
    MM_CHECK(host_find(h, MM_KIND_WANT_SNAPSHOT) == NULL);
    host_close(h);
}

static void a_snapshot_ahead_of_the_book_waits_until_the_book_has_come_to_it(void)
{
    host *h = quoting_in_a_deep_book(0);
    bids_leave(h, 37);
    host_decide(h);
    host_exchange(h);
    int64_t before_e8 = bid_horizon_e8(h);
    second_snapshot(h, h->last_id + 2, 37, 40);
    host_decide(h);
    MM_CHECK_INT(host_status(h).last_update_id, ==, h->last_id);
    for (int i = 0; i < 3; i++) {
        MM_CHECK_INT(bid_horizon_e8(h), ==, i < 2 ? before_e8 : MID - (5 + 10 * 76) * TICK);
        h->last_id++;
        host_depth(h, MM_KIND_DEPTH, h->last_id, h->last_id, 0, 0);
        host_decide(h);
        MM_CHECK(host_find(h, MM_KIND_WANT_SNAPSHOT) == NULL);
    }
    MM_CHECK_INT(bid_horizon_e8(h), ==, MID - (5 + 10 * 76) * TICK);
    MM_CHECK_UINT(host_status(h).resyncs, ==, 0);
    host_close(h);
}

static void a_side_that_has_left_the_known_depth_comes_back_with_a_second_look(void)
{
    host *h = quoting_in_a_deep_book(0);
    bids_leave(h, 40);
    host_decide_in(h, 0, 512); /* the look has to wait for room, and the book is not given up for that */
    MM_CHECK_UINT(host_count(h, MM_KIND_CANCEL), ==, 2);
    MM_CHECK_INT(host_status(h).sync_state, ==, MM_SYNC_SYNCED);
    host_exchange(h);
    host_decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_WANT_SNAPSHOT), ==, 1);
    second_snapshot(h, h->last_id, 40, 40);
    host_decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_PLACE), ==, 2);
    MM_CHECK_UINT(host_status(h).gaps, ==, 0);
    MM_CHECK_UINT(host_status(h).resyncs, ==, 0);
    host_close(h);
}

static void a_second_look_that_cannot_be_read_or_comes_twice_leaves_the_book_in_use(void)
{
    host *h = quoting_in_a_deep_book(0);
    bids_leave(h, 37);
    host_decide(h);
    host_exchange(h);
    second_snapshot(h, -1, 37, 40);
    host_decide(h);
    MM_CHECK_INT(host_status(h).state, ==, MM_STATE_ACTIVE);
    MM_CHECK_UINT(host_status(h).book_audits, ==, 0);
    h->now_ns += 250 * MS;
    pong(h, MS);
    host_decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_WANT_SNAPSHOT), ==, 1); /* and another is asked for */
    host_exchange(h);
    for (int copy = 0; copy < 2; copy++) {
        second_snapshot(h, h->last_id, 37, 40);
        host_decide(h);
        MM_CHECK_UINT(host_status(h).book_audits, ==, 1);
        MM_CHECK_INT(bid_horizon_e8(h), ==, MID - (5 + 10 * 76) * TICK);
    }
    MM_CHECK_INT(host_status(h).state, ==, MM_STATE_ACTIVE);
    MM_CHECK_UINT(host_status(h).resyncs, ==, 0);
    host_close(h);
}

static void a_book_too_thin_whose_second_looks_fail_is_built_anew(void)
{
    host *h = quoting_in_a_deep_book(0);
    bids_leave(h, 38);
    for (int i = 0; i < 3; i++) {
        host_decide(h);
        for (int step = 0; step < 100 && host_find(h, MM_KIND_WANT_SNAPSHOT) == NULL; step++) {
            h->now_ns += 20 * MS;
            host_link(h, MM_KIND_MARKET_LINK, MM_CHANNEL_MARKET, MM_LINK_PONG);
            host_decide(h);
        }
        MM_CHECK_UINT(host_count(h, MM_KIND_WANT_SNAPSHOT), ==, 1);
        host_exchange(h);
        second_snapshot(h, h->last_id - 1, 38, 40); /* older than what was kept */
    }
    for (int step = 0; step < 400 && host_status(h).sync_state == MM_SYNC_SYNCED; step++) {
        h->now_ns += 20 * MS;
        host_tick(h);
        host_decide(h);
    }
    MM_CHECK_INT(host_status(h).sync_state, ==, MM_SYNC_WAITING);
    host_close(h);
}

static void the_book_is_held_against_a_new_snapshot_from_time_to_time(void)
{
    host *h = quoting_in_a_deep_book(60 * SECOND);
    for (uint64_t i = 1; i <= 5; i++) {
        host_decide(h);
        while (host_find(h, MM_KIND_WANT_SNAPSHOT) == NULL && h->now_ns < INT64_C(1400) * SECOND) {
            h->now_ns += SECOND / 2;
            host_tick(h);
            host_decide(h);
            host_exchange(h);
        }
        second_snapshot(h, h->last_id, 0, 40);
        MM_CHECK_UINT(host_status(h).book_audits, ==, i);
    }
    MM_CHECK_INT(h->now_ns, >, INT64_C(1295) * SECOND);
    MM_CHECK_INT(h->now_ns, <, INT64_C(1310) * SECOND);
    MM_CHECK_UINT(host_status(h).book_audit_failures, ==, 0);
    MM_CHECK_UINT(host_status(h).resyncs, ==, 0);
    host_close(h);
}

static void a_book_that_differs_from_the_exchanges_is_thrown_away_and_counted(void)
{
    host *h = quoting_in_a_deep_book(2 * SECOND);
    host_decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_WANT_SNAPSHOT), ==, 1);
    host_exchange(h);
    second_snapshot(h, h->last_id, 1, 40); /* without the best bid */
    host_decide(h);
    mm_engine_status status = host_status(h);
    MM_CHECK_UINT(status.book_audit_failures, ==, 1);
    MM_CHECK_INT(status.sync_state, ==, MM_SYNC_WAITING);
    MM_CHECK(has(status.verdict, MM_REASON_BOOK_MISMATCH));
    MM_CHECK_UINT(host_count(h, MM_KIND_CANCEL), ==, 2);
    host_exchange(h);
    host_tick(h);
    host_decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_WANT_SNAPSHOT), ==, 1);
    h->now_ns += 150 * MS;
    host_depth(h, MM_KIND_SNAPSHOT, h->last_id, h->last_id, 40, 0);
    host_decide(h);
    status = host_status(h);
    MM_CHECK_UINT(status.resyncs, ==, 1);
    MM_CHECK(!has(status.verdict, MM_REASON_BOOK_MISMATCH));
    host_close(h);
}

/* Whatever happens to the book, a minute sees six snapshots of 5,000 levels at most, and three of a book in use. */
static void snapshots_keep_to_their_budget(void)
{
    enum { ASKED_MAX = 256 };
    static int64_t asked_ns[ASKED_MAX];
    for (int in_use = 0; in_use < 2; in_use++) {
        mm_engine_config config = host_config();
        size_t count = 0;
        size_t most = in_use ? 3 : 6;
        config.snapshot_levels = 5000;
        config.audit_ns = in_use ? 1 : 0;
        host *h = host_open(&config);
        host_start(h);
        host_sync(h);
        h->now_ns += 61 * SECOND;
        while (h->now_ns < INT64_C(1400) * SECOND) {
            h->now_ns += 100 * MS;
            h->last_id += in_use ? 0 : 10; /* a gap each time */
            host_tick(h);
            host_decide(h);
            host_exchange(h);
            if (host_find(h, MM_KIND_WANT_SNAPSHOT) != NULL && count < ASKED_MAX) {
                asked_ns[count++] = h->now_ns;
                host_depth(h, MM_KIND_SNAPSHOT, h->last_id, h->last_id, 40, 0);
            }
        }
        MM_CHECK_UINT(count, >=, 5 * most);
        for (size_t i = most; i < count; i++) {
            MM_CHECK_INT(asked_ns[i] - asked_ns[i - most], >=, 60 * SECOND);
        }
        MM_CHECK_UINT(host_status(h).book_audit_failures, ==, 0);
        host_close(h);
    }
}

static void a_snapshot_costs_by_its_levels(void)
{
    static const int64_t cases[][2] = {{1, 5},    {100, 5},   {101, 25},   {500, 25},
                                       {501, 50}, {1000, 50}, {1001, 250}, {5000, 250}};
    for (size_t i = 0; i < MM_TEST_COUNT(cases); i++) {
        MM_CHECK_INT(mm__engine_snapshot_weight(cases[i][0]), ==, cases[i][1]);
    }
}

static void depth_that_cannot_be_read_throws_the_book_away_and_a_snapshot_that_cannot_be_is_asked_for_again(void)
{
    host *h = quoting();
    host_exchange(h);
    host_depth(h, MM_KIND_DEPTH, h->last_id + 2, h->last_id + 1, 1, 0);
    host_decide(h);
    MM_CHECK_UINT(host_status(h).malformed, ==, 1);
    MM_CHECK(has(host_status(h).verdict, MM_REASON_SYNCING));
    MM_CHECK_UINT(host_count(h, MM_KIND_CANCEL), ==, 2);
    host_exchange(h);
    host_tick(h);
    host_decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_WANT_SNAPSHOT), ==, 1);
    host_depth(h, MM_KIND_SNAPSHOT, -1, -1, 40, 0);
    MM_CHECK_UINT(host_status(h).malformed, ==, 2);
    host_tick(h);
    host_decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_WANT_SNAPSHOT), ==, 0); /* not at once */
    h->now_ns += 250 * MS;
    host_tick(h);
    host_decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_WANT_SNAPSHOT), ==, 1);
    host_depth(h, MM_KIND_SNAPSHOT, h->last_id, h->last_id, 40, 0);
    host_decide(h);
    MM_CHECK_INT(host_status(h).state, ==, MM_STATE_ACTIVE);
    host_close(h);
}

static void a_partial_book_is_a_sign_of_life_and_nothing_more(void)
{
    host *h = quoting();
    host_exchange(h);
    int64_t book_id = host_status(h).last_update_id;
    for (int i = 0; i < 3; i++) {
        h->now_ns += 900 * MS;
        host_depth(h, MM_KIND_PARTIAL, h->last_id + 7, h->last_id + 7, 20, 100 * TICK);
        host_decide(h);
        MM_CHECK(!has(host_status(h).verdict, MM_REASON_STALE_BOOK));
    }
    MM_CHECK_INT(host_status(h).last_update_id, ==, book_id);
    MM_CHECK_INT(host_status(h).mid_e8, ==, MID);
    MM_CHECK_UINT(host_status(h).gaps, ==, 0);
    host_close(h);
}

/* Each comes over two connections, 100 ms apart. */
static void three_malformed_messages_in_a_minute_halt_however_many_connections_bring_them(void)
{
    host *h = quoting();
    host_exchange(h);
    for (int i = 0; i < 3; i++) {
        MM_CHECK_INT(host_status(h).state, !=, MM_STATE_HALTED);
        for (int copy = 0; copy < 2; copy++) {
            mm_record fault = host_event(MM_KIND_MARKET_FAULT);
            fault.flags = (uint16_t)copy;
            fault.body.link.state = MM_E_SYNTAX;
            fault.body.link.recv_ns = h->now_ns + copy * (SECOND / 10);
            host_feed(h, &fault);
        }
        host_decide(h);
        MM_CHECK_UINT(host_status(h).malformed, ==, (uint64_t)i + 1);
        h->now_ns += SECOND;
    }
    mm_engine_status status = host_status(h);
    MM_CHECK_INT(status.state, ==, MM_STATE_HALTED);
    MM_CHECK(has(status.verdict, MM_REASON_MALFORMED));
    host_close(h);
}

/* Both connections bring two of them in a row, and one of the two a third. */
static void of_malformed_messages_one_connection_brings_none_twice(void)
{
    static const uint16_t socket[] = {1, 1, 0, 0, 0};
    static const uint64_t counted[] = {1, 2, 2, 2, 3};
    host *h = quoting();
    host_exchange(h);
    for (size_t i = 0; i < MM_TEST_COUNT(socket); i++) {
        mm_record fault = host_event(MM_KIND_MARKET_FAULT);
        fault.flags = socket[i];
        fault.body.link.state = MM_E_SYNTAX;
        fault.body.link.recv_ns = h->now_ns + (int64_t)i * MS;
        host_feed(h, &fault);
        MM_CHECK_UINT(host_status(h).malformed, ==, counted[i]);
    }
    host_decide(h);
    MM_CHECK_INT(host_status(h).state, ==, MM_STATE_HALTED);
    MM_CHECK(has(host_status(h).verdict, MM_REASON_MALFORMED));
    host_close(h);
}

static void an_order_without_an_answer_is_unknown_then_cancelled_queried_and_only_proof_ends_it(void)
{
    host *h = quoting();
    const mm_record *placed = host_find(h, MM_KIND_PLACE);
    MM_REQUIRE(placed != NULL);
    uint64_t seq = placed->body.action.order_seq;
    mm_record other = host_event(MM_KIND_ACK); /* the ask is taken at once */
    other.body.report.order_seq = seq + 1;
    other.body.report.exchange_id = h->next_exchange_id++;
    other.body.report.status = MM_ORDER_LIVE;
    host_feed(h, &other);
    mm_record sent = host_event(MM_KIND_SENT);
    sent.body.outcome.order_seq = seq;
    sent.body.outcome.operation = MM_OP_PLACE;
    sent.body.outcome.recv_ns = h->now_ns;
    host_feed(h, &sent);
    int64_t sent_ns = h->now_ns;
    bool cancelled = false, queried = false, trades = false;
    while (h->now_ns < sent_ns + 20 * SECOND && host_status(h).unknown_orders + host_status(h).open_orders > 0) {
        h->now_ns += 100 * MS;
        host_link(h, MM_KIND_MARKET_LINK, MM_CHANNEL_MARKET, MM_LINK_PONG);
        host_decide(h);
        for (size_t i = h->batch_first; i < h->action_count; i++) {
            const mm_record *action = &h->actions[i];
            MM_CHECK(!(action->kind == MM_KIND_PLACE && action->flags >> 8 == MM_BID && h->now_ns > sent_ns &&
                       h->now_ns < sent_ns + 13 * SECOND)); /* the side is blocked, nothing is sent again */
            if (action->kind == MM_KIND_CANCEL && action->body.action.order_seq == seq) {
                mm_record reply = host_event(MM_KIND_CANCEL_REJECT);
                reply.body.outcome.order_seq = seq;
                reply.body.outcome.operation = MM_OP_CANCEL;
                reply.body.outcome.code = -2011;
                reply.body.outcome.detail = MM_REJECT_UNKNOWN_ORDER;
                host_feed(h, &reply);
                cancelled = true;
            } else if (action->kind == MM_KIND_QUERY && action->body.action.order_seq == seq) {
                mm_record reply = host_event(MM_KIND_STATUS);
                reply.body.report.order_seq = seq;
                reply.body.report.code = -2013;
                reply.body.report.executed_e8 = -1;
                host_feed(h, &reply);
                queried = true;
            } else if (action->kind == MM_KIND_WANT_TRADES) {
                host_end(h, MM_KIND_TRADES_END, action->body.command.command);
                trades = true;
            } else if (action->kind == MM_KIND_PLACE) {
                mm_record ack = host_event(MM_KIND_ACK);
                ack.body.report.order_seq = action->body.action.order_seq;
                ack.body.report.status = MM_ORDER_LIVE;
                ack.body.report.exchange_id = h->next_exchange_id++;
                host_feed(h, &ack);
            }
        }
        if (host_status(h).unknown_orders == 0 && h->now_ns > sent_ns + 2 * SECOND) {
            break;
        }
    }
    MM_CHECK(cancelled);
    MM_CHECK(queried);
    MM_CHECK(trades);
    MM_CHECK_INT(h->now_ns - sent_ns, >=, 13 * SECOND);
    MM_CHECK_INT(host_status(h).unknown_orders, ==, 0);
    host_close(h);
}

static void a_fill_moves_the_ledger_once_however_often_it_is_told(void)
{
    host *h = quoting();
    const mm_record *placed = host_find(h, MM_KIND_PLACE);
    MM_REQUIRE(placed != NULL);
    mm_action_body order = placed->body.action;
    host_exchange(h);
    mm_record report[2];
    memset(report, 0, sizeof report);
    report[0].kind = MM_KIND_REPORT;
    report[0].flags = MM_FLAG_FILL | MM_FLAG_MAKER;
    report[0].count = 2;
    report[0].body.report.order_seq = order.order_seq;
    report[0].body.report.price_e8 = order.price_e8;
    report[0].body.report.qty_e8 = order.qty_e8;
    report[0].body.report.executed_e8 = order.qty_e8;
    report[0].body.report.status = MM_ORDER_FILLED;
    report[1].kind = MM_KIND_MORE;
    report[1].body.fill.trade_id = 900;
    report[1].body.fill.quote_e8 = -1;
    report[1].body.fill.fee_e8 = order.qty_e8 / 1000;
    strcpy(report[1].body.fill.fee_asset, "BTC");
    for (int i = 0; i < 3; i++) {
        host_feed(h, report);
    }
    host_decide(h);
    mm_engine_status status = host_status(h);
    MM_CHECK_UINT(status.fills, ==, 1);
    MM_CHECK_INT(status.position_e8, ==, order.qty_e8 - order.qty_e8 / 1000);
    MM_CHECK_INT(status.inventory_e8, ==, status.position_e8);
    MM_CHECK_INT(status.pnl.total_e8, ==,
                 status.pnl.realized_e8 + status.pnl.unrealized_e8 - status.pnl.fees_e8);
    host_close(h);
}

static void stopping_cancels_everything_and_is_over_after_two_empty_reads(void)
{
    host *h = quoting();
    host_exchange(h);
    host_command(h, MM_COMMAND_STOP, 0);
    host_decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_CANCEL), ==, 2);
    MM_CHECK_UINT(host_count(h, MM_KIND_PLACE), ==, 0);
    host_exchange(h);
    host_decide(h);
    host_answer_open(h);
    host_decide(h);
    MM_CHECK_INT(host_status(h).state, ==, MM_STATE_STOPPING);
    host_pass(h, SECOND);
    host_answer_open(h);
    host_decide(h);
    MM_CHECK_INT(host_status(h).state, ==, MM_STATE_STOPPED);
    MM_CHECK_INT(host_status(h).open_orders, ==, 0);
    host_close(h);
}

static void killed_is_for_ever_and_still_cancels(void)
{
    host *h = quoting();
    host_exchange(h);
    host_command(h, MM_COMMAND_KILL, MM_REASON_KILLED);
    host_decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_CANCEL), ==, 2);
    host_exchange(h);
    host_command(h, MM_COMMAND_RESUME, 0);
    host_tick(h);
    host_decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_PLACE), ==, 0);
    MM_CHECK_INT(host_status(h).state, ==, MM_STATE_KILLED);
    host_close(h);
}

static host *waiting_for_a_snapshot(void)
{
    mm_engine_config config = host_config();
    host *h = host_open(&config);
    host_start(h);
    host_link(h, MM_KIND_MARKET_LINK, MM_CHANNEL_MARKET, MM_LINK_UP);
    host_depth(h, MM_KIND_DEPTH, h->last_id + 1, h->last_id + 2, 1, 0);
    host_decide(h);
    return h;
}

static void without_room_nothing_is_sent_and_it_is_planned_again(void)
{
    host *h = waiting_for_a_snapshot();
    host_depth(h, MM_KIND_SNAPSHOT, h->last_id + 1, h->last_id + 1, 40, 0);
    host_decide_in(h, 0, 0); /* rings full */
    MM_CHECK_UINT(h->action_count, ==, h->batch_first);
    MM_CHECK_INT(mm_engine_deadline(h->engine), <=, h->now_ns + MS);
    host_decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_PLACE), ==, 2);
    host_close(h);
}

static void the_order_channel_down_means_no_new_quotes(void)
{
    host *h = quoting();
    host_exchange(h);
    host_link(h, MM_KIND_ORDER_LINK, MM_CHANNEL_ORDER, MM_LINK_DOWN);
    host_decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_CANCEL), ==, 2);
    MM_CHECK(has(host_status(h).verdict, MM_REASON_DISCONNECTED));
    host_close(h);
}

static void account_events_lost_and_found_put_every_order_in_doubt_and_read_the_account(void)
{
    host *h = quoting();
    host_exchange(h);
    host_link(h, MM_KIND_ORDER_LINK, MM_CHANNEL_USER, MM_LINK_DOWN);
    host_link(h, MM_KIND_ORDER_LINK, MM_CHANNEL_USER, MM_LINK_UP);
    host_decide(h);
    mm_engine_status status = host_status(h);
    MM_CHECK_INT(status.unknown_orders, ==, 2);
    MM_CHECK(has(status.verdict, MM_REASON_NO_ACCOUNT));
    MM_CHECK_UINT(host_count(h, MM_KIND_WANT_TRADES), ==, 1);
    MM_CHECK_UINT(host_count(h, MM_KIND_WANT_ACCOUNT), ==, 1);
    host_close(h);
}

static void account_events_on_another_channel_doubt_no_order_and_read_trades_and_account(void)
{
    host *h = quoting();
    host_exchange(h);
    host_link(h, MM_KIND_ORDER_LINK, MM_CHANNEL_USER, MM_LINK_REPLACED);
    host_decide(h);
    mm_engine_status status = host_status(h);
    MM_CHECK_INT(status.unknown_orders, ==, 0);
    MM_CHECK_INT(status.open_orders, ==, 2);
    MM_CHECK(!has(status.verdict, MM_REASON_NO_ACCOUNT));
    MM_CHECK_UINT(host_count(h, MM_KIND_WANT_TRADES), ==, 1);
    MM_CHECK_UINT(host_count(h, MM_KIND_WANT_ACCOUNT), ==, 1);
    host_close(h);
}

/* A strategy's answer: one wish a side. */
static void answer_quote(host *h, mm_level bid, mm_level ask)
{
    mm_record quote[3];
    memset(quote, 0, sizeof quote);
    quote[0].kind = MM_KIND_QUOTE;
    quote[0].count = 3;
    quote[0].body.command.command = 1;
    quote[0].body.command.value = 1;
    quote[1].kind = MM_KIND_LEVELS;
    quote[1].body.levels[0] = bid;
    quote[2].kind = MM_KIND_LEVELS;
    quote[2].body.levels[0] = ask;
    host_feed(h, quote);
}

static void a_python_strategy_is_asked_and_its_answer_is_fitted_and_placed(void)
{
    mm_engine_config config = host_config();
    config.strategy = MM_STRATEGY_PYTHON;
    host *h = host_quoting(&config);
    MM_CHECK((h->bits & MM_STEP_NEED_QUOTE) != 0);
    MM_CHECK_UINT(host_count(h, MM_KIND_PLACE), ==, 0);
    const mm_level bid_wish = {MID - 1000 * TICK + 7, 100000}, ask_wish = {MID + 1000 * TICK - 7, 100999};
    answer_quote(h, bid_wish, ask_wish); /* off the tick, off the step */
    host_decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_PLACE), ==, 2);
    const mm_record *bid = host_find(h, MM_KIND_PLACE);
    MM_REQUIRE(bid != NULL);
    MM_CHECK_INT(bid->body.action.price_e8, ==, MID - 1000 * TICK);
    host_exchange(h);
    host_command(h, MM_COMMAND_STRATEGY_FAULT, 1);
    host_decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_CANCEL), ==, 2);
    MM_CHECK(has(host_status(h).bid_verdict, MM_REASON_STRATEGY_FAULT));
    host_close(h);
}

/* The oldest resting order of a run fills, whole. */
static void fill_one(host *h, int64_t trade_id)
{
    mm_order orders[8];
    size_t count = mm_engine_orders(h->engine, orders, 8);
    if (count == 0 || orders[0].state != MM_ORDER_LIVE) {
        return;
    }
    mm_record report[2];
    memset(report, 0, sizeof report);
    report[0].kind = MM_KIND_REPORT;
    report[0].flags = MM_FLAG_FILL | MM_FLAG_MAKER;
    report[0].count = 2;
    report[0].body.report.order_seq = orders[0].seq;
    report[0].body.report.price_e8 = orders[0].price_e8;
    report[0].body.report.qty_e8 = orders[0].qty_e8;
    report[0].body.report.executed_e8 = orders[0].qty_e8;
    report[0].body.report.status = MM_ORDER_FILLED;
    report[1].kind = MM_KIND_MORE;
    report[1].body.fill.trade_id = trade_id;
    report[1].body.fill.quote_e8 = -1;
    host_feed(h, report);
}

/* After a reconnect every read of the account shows the start balances, and of the trades only `remembered` (0 = none). */
static host *reconnected_to_other_balances(int64_t remembered)
{
    host *h = quoting();
    mm_order filled;
    host_exchange(h);
    MM_CHECK_UINT(mm_engine_orders(h->engine, &filled, 1), ==, 1);
    fill_one(h, 77);
    host_link(h, MM_KIND_ORDER_LINK, MM_CHANNEL_USER, MM_LINK_DOWN);
    host_link(h, MM_KIND_ORDER_LINK, MM_CHANNEL_USER, MM_LINK_UP);
    int64_t until_ns = h->now_ns + 15 * SECOND;
    host_decide(h);
    while (h->now_ns < until_ns) {
        const mm_record *trades = host_general(h, MM_KIND_WANT_TRADES, h->batch_first);
        bool general = trades != NULL;
        bool account = host_find(h, MM_KIND_WANT_ACCOUNT) != NULL;
        if (general) {
            MM_CHECK_INT(trades->body.command.value2, <=, 77); /* the last known one has to come again */
        }
        if (general && remembered != 0) {
            mm_record row[2];
            memset(row, 0, sizeof row);
            row[0].kind = MM_KIND_TRADE_ROW;
            row[0].flags = MM_FLAG_FILL;
            row[0].count = 2;
            row[0].body.report.order_seq = filled.seq;
            row[0].body.report.price_e8 = filled.price_e8;
            row[0].body.report.qty_e8 = filled.qty_e8;
            row[0].body.report.executed_e8 = -1;
            row[0].body.report.status = MM_ORDER_STATUS_OTHER;
            row[1].kind = MM_KIND_MORE;
            row[1].body.fill.trade_id = remembered;
            row[1].body.fill.quote_e8 = -1;
            host_feed(h, row);
        }
        if (general) {
            host_answer(h, MM_KIND_WANT_TRADES);
        }
        if (account) {
            host_balance(h, "BTC", MM_ONE_E8, 0);
            host_balance(h, "USDT", INT64_C(100000) * MM_ONE_E8, 0);
            host_answer(h, MM_KIND_WANT_ACCOUNT);
        }
        host_pass(h, until_ns - h->now_ns);
    }
    return h;
}

static void an_account_that_forgot_a_trade_was_reset_and_is_not_just_different(void)
{
    host *h = reconnected_to_other_balances(0);
    mm_engine_status status = host_status(h);
    MM_CHECK(has(status.verdict, MM_REASON_ACCOUNT_RESET));
    MM_CHECK(!has(status.verdict, MM_REASON_LEDGER_MISMATCH));
    MM_CHECK_INT(status.state, ==, MM_STATE_HALTED);
    host_close(h);
}

static void an_account_that_remembers_its_trades_but_has_other_balances_is_a_mismatch(void)
{
    host *h = reconnected_to_other_balances(77);
    mm_engine_status status = host_status(h);
    MM_CHECK(has(status.verdict, MM_REASON_LEDGER_MISMATCH));
    MM_CHECK(!has(status.verdict, MM_REASON_ACCOUNT_RESET));
    MM_CHECK_INT(status.state, ==, MM_STATE_HALTED);
    host_close(h);
}

static void ack(host *h, uint64_t seq, int64_t exchange_id)
{
    mm_record reply = host_event(MM_KIND_ACK);
    reply.body.report.order_seq = seq;
    reply.body.report.exchange_id = exchange_id;
    reply.body.report.status = MM_ORDER_LIVE;
    reply.body.report.side = -1;
    host_feed(h, &reply);
}

static void orders_of_one_moment_may_be_numbered_in_any_order_but_a_later_one_not_below_them(void)
{
    for (int64_t accepts = 0; accepts <= 1; accepts++) {
        mm_engine_config config = host_config();
        config.accept_reset = accepts;
        host *h = host_quoting(&config);
        MM_CHECK_UINT(host_count(h, MM_KIND_PLACE), ==, 2);
        ack(h, 1, 6002);
        ack(h, 2, 6001);
        host_decide(h);
        MM_CHECK(!has(host_status(h).verdict, MM_REASON_ACCOUNT_RESET));
        h->now_ns += SECOND / 2;
        host_tick(h);
        fill_one(h, 78);
        host_decide(h);
        const mm_record *next = host_find(h, MM_KIND_PLACE);
        MM_REQUIRE(next != NULL);
        ack(h, next->body.action.order_seq, 5000);
        host_decide(h);
        /* Where resets are accepted the balances will tell: ids alone stop nothing. */
        MM_CHECK(has(host_status(h).verdict, MM_REASON_ACCOUNT_RESET) == (accepts == 0));
        MM_CHECK_INT(host_status(h).state, ==, accepts ? MM_STATE_ACTIVE : MM_STATE_HALTED);
        host_close(h);
    }
}

static void a_state_that_could_not_be_told_is_told_when_there_is_room(void)
{
    host *h = quoting();
    host_exchange(h);
    host_link(h, MM_KIND_ORDER_LINK, MM_CHANNEL_ORDER, MM_LINK_DOWN);
    host_decide_in(h, 0, 0);
    h->now_ns += MS;
    host_decide(h);
    const mm_record *told = host_find(h, MM_KIND_STATE);
    MM_REQUIRE(told != NULL);
    MM_CHECK(has(told->body.command.verdict, MM_REASON_DISCONNECTED));
    host_close(h);
}

static void reconnect(host *h)
{
    host_link(h, MM_KIND_ORDER_LINK, MM_CHANNEL_USER, MM_LINK_DOWN);
    host_link(h, MM_KIND_ORDER_LINK, MM_CHANNEL_USER, MM_LINK_UP);
}

static void a_read_after_a_reconnect_that_is_not_answered_is_asked_for_again(void)
{
    host *h = quoting();
    size_t trades = 0, accounts = 0;
    host_exchange(h);
    reconnect(h);
    int64_t until_ns = h->now_ns + 6 * SECOND;
    host_decide(h);
    host_answer(h, MM_KIND_WANT_ACCOUNT); /* this one came back, the trades did not */
    while (h->now_ns < until_ns) {
        trades += host_general(h, MM_KIND_WANT_TRADES, h->batch_first) != NULL;
        accounts += host_find(h, MM_KIND_WANT_ACCOUNT) != NULL;
        host_pass(h, until_ns - h->now_ns);
    }
    MM_CHECK_UINT(trades, ==, 2);
    MM_CHECK_UINT(accounts, ==, 2); /* the second when it cannot lag behind the reconnect any more */
    MM_CHECK(has(host_status(h).verdict, MM_REASON_NO_ACCOUNT));
    host_answer(h, MM_KIND_WANT_TRADES);
    host_decide(h);
    MM_CHECK(!has(host_status(h).verdict, MM_REASON_NO_ACCOUNT));
    host_close(h);
}

static void trades_are_read_from_the_last_read_that_was_complete(void)
{
    host *h = quoting();
    host_exchange(h);
    fill_one(h, 101); /* 100 is lost on the way */
    reconnect(h);
    host_decide(h);
    const mm_record *asked = host_find(h, MM_KIND_WANT_TRADES);
    MM_REQUIRE(asked != NULL);
    MM_CHECK_INT(asked->body.command.value2, <=, 100);
    host_close(h);
}

/* Lets a book live on for a while, the exchange answering everything; returns the cancels there were. */
static size_t live_on(host *h, int steps)
{
    size_t cancels = 0;
    for (int i = 0; i < steps; i++) {
        h->now_ns += 150 * MS;
        host_tick(h);
        host_decide(h);
        cancels += host_count(h, MM_KIND_CANCEL);
        host_exchange(h);
    }
    return cancels;
}

static void a_balance_for_one_layer_keeps_the_best_one_resting(void)
{
    mm_engine_config config = host_config();
    config.quote.layers = 2;
    host *h = host_open(&config);
    host_start(h);
    host_balance(h, "USDT", INT64_C(68) * MM_ONE_E8, 0); /* one order of 0.001 and not enough for another of 5 USDT */
    host_sync(h);
    host_exchange(h);
    host_balance(h, "USDT", INT64_C(2) * MM_ONE_E8, INT64_C(66) * MM_ONE_E8);
    size_t cancels = live_on(h, 10);
    MM_CHECK_UINT(cancels, ==, 0);
    MM_CHECK(has(host_status(h).bid_verdict, MM_REASON_NO_BALANCE));
    host_close(h);
}

static void an_order_cut_to_the_balance_stays_where_it_is(void)
{
    mm_engine_config config = host_config();
    host *h = host_open(&config);
    host_start(h);
    host_balance(h, "USDT", INT64_C(27) * MM_ONE_E8, 0); /* for 0.0004 of 0.001 */
    host_sync(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_PLACE), ==, 2);
    host_exchange(h);
    host_balance(h, "USDT", 0, INT64_C(27) * MM_ONE_E8);
    size_t cancels = live_on(h, 10);
    MM_CHECK_UINT(cancels, ==, 0);
    MM_CHECK_INT(host_status(h).open_orders, ==, 2);
    host_close(h);
}

static void an_answer_from_before_an_outage_is_not_quoted_after_it(void)
{
    mm_engine_config config = host_config();
    config.strategy = MM_STRATEGY_PYTHON;
    host *h = host_quoting(&config);
    const mm_level bid = {MID - 1000 * TICK, 100000}, ask = {MID + 1000 * TICK, 100000};
    answer_quote(h, bid, ask);
    host_decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_PLACE), ==, 2);
    host_exchange(h);
    host_link(h, MM_KIND_MARKET_LINK, MM_CHANNEL_MARKET, MM_LINK_DOWN);
    host_decide(h);
    host_exchange(h);
    h->now_ns += 60 * SECOND;
    host_sync(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_PLACE), ==, 0);
    MM_CHECK((h->bits & MM_STEP_NEED_QUOTE) != 0);
    answer_quote(h, bid, ask);
    host_decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_PLACE), ==, 2);
    host_close(h);
}

static void a_snapshot_asked_for_before_a_reconnect_makes_no_book_after_it(void)
{
    host *h = waiting_for_a_snapshot();
    MM_CHECK(host_find(h, MM_KIND_WANT_SNAPSHOT) != NULL);
    host_link(h, MM_KIND_MARKET_LINK, MM_CHANNEL_MARKET, MM_LINK_DOWN);
    host_link(h, MM_KIND_MARKET_LINK, MM_CHANNEL_MARKET, MM_LINK_UP);
    host_depth(h, MM_KIND_SNAPSHOT, h->last_id + 2, h->last_id + 2, 40, 0);
    host_decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_PLACE), ==, 0);
    MM_CHECK_INT(host_status(h).sync_state, ==, MM_SYNC_WAITING);
    h->last_id += 50;
    h->now_ns += SECOND;
    host_sync(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_PLACE), ==, 2);
    host_close(h);
}

static void a_gate_that_latched_kills_the_engine(void)
{
    static const struct {
        uint64_t verdict;
        int32_t reason;
    } cases[] = {
        {MM_BIT(MM_REASON_COUNT_MISMATCH) | MM_BIT(MM_REASON_KILLED), MM_REASON_COUNT_MISMATCH},
        {MM_BIT(MM_REASON_KILLED), MM_REASON_KILLED},
        {MM_BIT(MM_REASON_RATE_LIMIT), MM_REASON_NONE},
    };
    for (size_t i = 0; i < MM_TEST_COUNT(cases); i++) {
        host *h = quoting();
        const mm_record *placed = host_find(h, MM_KIND_PLACE);
        MM_REQUIRE(placed != NULL);
        mm_record refused = host_event(MM_KIND_NOT_SENT);
        refused.body.outcome.order_seq = placed->body.action.order_seq;
        refused.body.outcome.operation = MM_OP_PLACE;
        refused.body.outcome.verdict = cases[i].verdict;
        host_feed(h, &refused);
        host_decide(h);
        bool killed = cases[i].reason != MM_REASON_NONE;
        MM_CHECK((host_status(h).state == MM_STATE_KILLED) == killed);
        MM_CHECK(!killed || has(host_status(h).verdict, cases[i].reason));
        host_close(h);
    }
}

static void an_order_taken_for_never_placed_that_is_among_the_open_ones_is_cancelled_and_kills(void)
{
    host *h = quoting();
    const mm_record *placed = host_find(h, MM_KIND_PLACE);
    MM_REQUIRE(placed != NULL);
    mm_action_body order = placed->body.action;
    mm_record refused = host_event(MM_KIND_REJECT);
    refused.body.outcome.order_seq = order.order_seq;
    refused.body.outcome.operation = MM_OP_PLACE;
    refused.body.outcome.code = -2010;
    host_feed(h, &refused);
    mm_record row = host_event(MM_KIND_OPEN_ROW);
    row.body.report.order_seq = order.order_seq;
    row.body.report.exchange_id = 88;
    row.body.report.price_e8 = order.price_e8;
    row.body.report.qty_e8 = order.qty_e8;
    row.body.report.status = MM_ORDER_LIVE;
    host_feed(h, &row);
    host_decide(h);
    MM_CHECK_INT(host_status(h).state, ==, MM_STATE_KILLED);
    const mm_record *cancel = host_find(h, MM_KIND_CANCEL);
    MM_REQUIRE(cancel != NULL);
    MM_CHECK_UINT(cancel->body.action.order_seq, ==, order.order_seq);
    MM_CHECK_UINT(host_count(h, MM_KIND_CANCEL), ==, 1);
    host_close(h);
}

static void at_80_percent_of_the_limit_the_side_that_adds_is_pulled_and_not_only_not_placed(void)
{
    mm_engine_config config = host_config();
    config.inventory_target_e8 = MM_ONE_E8;
    config.quote.max_position_e8 = INT64_C(100) * MM_ONE_E8;
    host *h = host_open(&config);
    host_start(h);
    host_sync(h);
    host_exchange(h);
    mm_record deposit = host_event(MM_KIND_BALANCE_DELTA);
    strcpy(deposit.body.balance.asset, "BTC");
    deposit.body.balance.free_e8 = INT64_C(6200000); /* 4,154 USDT of 5,000 */
    host_feed(h, &deposit);
    host_balance(h, "BTC", MM_ONE_E8 + INT64_C(6200000), 0);
    host_tick(h);
    host_decide(h);
    MM_CHECK_INT(host_status(h).state, ==, MM_STATE_REDUCING);
    const mm_record *cancel = host_find(h, MM_KIND_CANCEL);
    MM_REQUIRE(cancel != NULL);
    MM_CHECK_INT(cancel->flags >> 8, ==, MM_BID);
    MM_CHECK(has(host_status(h).bid_verdict, MM_REASON_REDUCING));
    host_exchange(h);
    MM_CHECK_INT(host_status(h).open_orders, ==, 1);
    host_close(h);
}

static void cancels_of_orders_in_doubt_do_not_wait_for_room_of_other_actions(void)
{
    host *h = quoting();
    host_exchange(h);
    reconnect(h);
    host_decide(h);
    h->now_ns += 400 * MS;
    mm_record end = host_event(MM_KIND_BATCH_END);
    end.body.command.now_ns = h->now_ns;
    end.body.command.value2 = 512; /* room for cancels only */
    size_t count = 0;
    (void)mm_engine_step(h->engine, &end);
    const mm_record *made = mm_engine_actions(h->engine, &count);
    MM_CHECK_UINT(count, ==, 2);
    for (size_t i = 0; i < count; i++) {
        MM_CHECK_INT(made[i].kind, ==, MM_KIND_CANCEL);
    }
    host_close(h);
}

static void a_ban_is_waited_out_and_then_the_quotes_are_cancelled(void)
{
    host *h = quoting();
    host_exchange(h);
    mm_record limit = host_event(MM_KIND_LIMIT);
    limit.body.outcome.until_ns = h->now_ns + 10 * SECOND;
    int64_t until_ns = limit.body.outcome.until_ns;
    host_feed(h, &limit);
    host_decide(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_CANCEL), ==, 0);
    MM_CHECK(has(host_status(h).verdict, MM_REASON_BANNED));
    int decisions = 0;
    while (h->now_ns < until_ns && decisions < 1000) {
        h->now_ns = mm_engine_deadline(h->engine);
        host_decide(h);
        decisions++;
    }
    MM_CHECK_INT(decisions, <, 10); /* there is nothing to do in a ban but to wait */
    MM_CHECK_INT(h->now_ns, ==, until_ns);
    MM_CHECK_UINT(host_count(h, MM_KIND_CANCEL), ==, 2);
    host_close(h);
}

static void a_mismatch_that_is_still_there_after_resume_halts_again(void)
{
    host *h = quoting();
    host_exchange(h);
    host_balance(h, "BTC", 2 * MM_ONE_E8, 0);
    for (int round = 0; round < 2; round++) {
        int64_t until_ns = h->now_ns + 25 * SECOND;
        host_decide(h);
        while (h->now_ns < until_ns) {
            if (host_find(h, MM_KIND_WANT_TRADES) != NULL) {
                host_answer(h, MM_KIND_WANT_TRADES);
            }
            if (host_find(h, MM_KIND_WANT_ACCOUNT) != NULL) {
                host_answer(h, MM_KIND_WANT_ACCOUNT);
            }
            host_exchange(h);
            host_decide(h); /* when the next read is due is known once this one is answered */
            host_pass(h, until_ns - h->now_ns);
        }
        MM_CHECK_INT(host_status(h).state, ==, MM_STATE_HALTED);
        MM_CHECK(has(host_status(h).verdict, MM_REASON_LEDGER_MISMATCH));
        host_command(h, MM_COMMAND_RESUME, 0);
    }
    host_close(h);
}

static void a_newer_ticker_is_waited_for_when_the_older_one_has_been_caught_up_with(void)
{
    host *h = quoting();
    host_exchange(h);
    host_ticker(h, 5, usual_top);
    host_ticker(h, 10, usual_top);
    host_depth(h, MM_KIND_DEPTH, h->last_id + 1, h->last_id + 7, 1, 0);
    h->now_ns += 301 * MS;
    host_decide(h);
    MM_CHECK(has(host_status(h).verdict, MM_REASON_STALE_BOOK));
    host_depth(h, MM_KIND_DEPTH, h->last_id + 8, h->last_id + 10, 1, 0);
    host_decide(h);
    MM_CHECK(!has(host_status(h).verdict, MM_REASON_STALE_BOOK));
    host_close(h);
}

static void the_second_empty_read_waits_a_second_from_the_first_ones_answer(void)
{
    host *h = quoting();
    host_exchange(h);
    host_command(h, MM_COMMAND_STOP, 0);
    host_decide(h);
    host_exchange(h);
    host_decide(h);
    MM_CHECK(host_find(h, MM_KIND_WANT_OPEN) != NULL);
    h->now_ns += 3 * SECOND; /* nothing happens meanwhile: no decision is due */
    host_answer_open(h);
    host_decide(h);
    MM_CHECK(host_find(h, MM_KIND_WANT_OPEN) == NULL);
    host_pass(h, SECOND);
    host_answer_open(h);
    host_decide(h);
    MM_CHECK_INT(host_status(h).state, ==, MM_STATE_STOPPED);
    host_close(h);
}

/* The account was reset after the price had risen by 1 % with 1 BTC held: P&L begins anew and no limit is broken by it. */
static void an_accepted_reset_begins_profit_anew(void)
{
    host *h = quoting();
    host_exchange(h);
    live_on(h, 3);
    for (int i = 1; i <= 60; i++) { /* 1 BTC moves by 600 USDT: far over the session's 50 */
        h->now_ns += SECOND;
        host_link(h, MM_KIND_MARKET_LINK, MM_CHANNEL_MARKET, MM_LINK_DOWN);
        host_link(h, MM_KIND_MARKET_LINK, MM_CHANNEL_MARKET, MM_LINK_UP);
        host_depth(h, MM_KIND_DEPTH, h->last_id + 1, h->last_id + 2, 1, i * 1000 * TICK);
        h->last_id += 2;
        host_decide(h);
        host_exchange(h);
        host_depth(h, MM_KIND_SNAPSHOT, h->last_id - 1, h->last_id - 1, 40, i * 1000 * TICK);
        host_decide(h);
        host_exchange(h);
    }
    MM_CHECK_INT(host_status(h).state, !=, MM_STATE_KILLED);
    host_command(h, MM_COMMAND_ACCEPT_RESET, 0);
    host_decide(h);
    host_balance(h, "BTC", 2 * MM_ONE_E8, 0);
    host_balance(h, "USDT", INT64_C(100000) * MM_ONE_E8, 0);
    host_answer(h, MM_KIND_WANT_ACCOUNT);
    h->now_ns += SECOND / 2;
    host_depth(h, MM_KIND_DEPTH, h->last_id + 1, h->last_id + 1, 1, 60 * 1000 * TICK);
    h->last_id++;
    host_decide(h);
    mm_engine_status status = host_status(h);
    MM_CHECK_INT(status.state, ==, MM_STATE_ACTIVE);
    MM_CHECK_INT(status.pnl.total_e8, ==, 0);
    MM_CHECK_INT(status.inventory_e8, ==, 0); /* the target is the balance at the start: the new start */
    host_close(h);
}

/* The same inputs give the same actions, byte for byte, whatever lies in memory before. */
static void it_is_a_function_of_its_inputs(void)
{
    host *a = quoting();
    host *b = quoting();
    for (int i = 0; i < 300; i++) {
        int64_t draw = mm_test_between(0, 99);
        host *both[2] = {a, b};
        for (int k = 0; k < 2; k++) {
            host *h = both[k];
            h->now_ns += (draw + 1) * MS;
            if (draw < 80) {
                host_tick(h);
            } else {
                fill_one(h, 7000 + i);
            }
            host_decide(h);
            host_exchange(h);
        }
    }
    MM_CHECK_UINT(a->action_count, ==, b->action_count);
    MM_CHECK_UINT(a->action_count, >, 20);
    MM_CHECK_BYTES(a->actions, b->actions, a->action_count * sizeof a->actions[0]);
    host_close(a);
    host_close(b);
}

static void check_bad(const mm_engine_config *config, const char *name)
{
    static unsigned char memory[64] __attribute__((aligned(64)));
    const char *bad_field = NULL;
    mm_engine *engine = NULL;
    MM_CHECK(mm_engine_new(config, &bad_field) == NULL);
    MM_CHECK(bad_field != NULL && strcmp(bad_field, name) == 0);
    bad_field = NULL;
    MM_CHECK(mm_engine_init(memory, sizeof memory, config, &engine, &bad_field) == MM_E_ARGUMENT);
    MM_CHECK(bad_field != NULL && strcmp(bad_field, name) == 0);
    MM_CHECK(engine == NULL);
}

static void each_field_outside_its_range_is_named(void)
{
    static const struct {
        size_t offset;
        int64_t bad;
        const char *name;
    } cases[] = {
        {offsetof(mm_engine_config, strategy), INT64_C(-1), "strategy"},
        {offsetof(mm_engine_config, strategy), INT64_C(99), "strategy"},
        {offsetof(mm_engine_config, inventory_target_e8), INT64_C(-1), "inventory_target_e8"},
        {offsetof(mm_engine_config, inventory_target_e8), INT64_MIN + 1, "inventory_target_e8"},
        {offsetof(mm_engine_config, book_levels), INT64_C(0), "book_levels"},
        {offsetof(mm_engine_config, book_levels), INT64_C(1000001), "book_levels"},
        {offsetof(mm_engine_config, sync_records), INT64_C(1), "sync_records"},
        {offsetof(mm_engine_config, sync_records), INT64_C(16777217), "sync_records"},
        {offsetof(mm_engine_config, snapshot_levels), INT64_C(0), "snapshot_levels"},
        {offsetof(mm_engine_config, snapshot_levels), INT64_C(5001), "snapshot_levels"},
        {offsetof(mm_engine_config, orders_max), INT64_C(0), "orders_max"},
        {offsetof(mm_engine_config, orders_max), INT64_C(1000), "orders_max"},
        {offsetof(mm_engine_config, tombstones), INT64_C(0), "tombstones"},
        {offsetof(mm_engine_config, tombstones), INT64_C(16777217), "tombstones"},
        {offsetof(mm_engine_config, crossed_max_ns), INT64_C(0), "crossed_max_ns"},
        {offsetof(mm_engine_config, crossed_max_ns), (INT64_C(1) << 61) + 1, "crossed_max_ns"},
        {offsetof(mm_engine_config, warm_ns), INT64_C(-1), "warm_ns"},
        {offsetof(mm_engine_config, warm_ns), (INT64_C(1) << 61) + 1, "warm_ns"},
        {offsetof(mm_engine_config, stop_confirm_ns), INT64_C(0), "stop_confirm_ns"},
        {offsetof(mm_engine_config, stop_confirm_ns), INT64_MAX, "stop_confirm_ns"},
        {offsetof(mm_engine_config, audit_ns), INT64_C(-1), "audit_ns"},
        {offsetof(mm_engine_config, audit_ns), INT64_MAX, "audit_ns"},
        {offsetof(mm_engine_config, utc_offset_ns), INT64_C(1) << 62, "utc_offset_ns"},
        {offsetof(mm_engine_config, utc_offset_ns), -(INT64_C(1) << 62), "utc_offset_ns"},
        {offsetof(mm_engine_config, reconcile_open_ns), INT64_C(999999999), "reconcile_open_ns"},
        {offsetof(mm_engine_config, reconcile_open_ns), INT64_C(86400000000001), "reconcile_open_ns"},
        {offsetof(mm_engine_config, reconcile_trades_ns), INT64_C(0), "reconcile_trades_ns"},
        {offsetof(mm_engine_config, reconcile_account_ns), INT64_C(0), "reconcile_account_ns"},
    };
    for (size_t i = 0; i < MM_TEST_COUNT(cases); i++) {
        mm_engine_config config = host_config();
        memcpy((unsigned char *)&config + cases[i].offset, &cases[i].bad, sizeof cases[i].bad);
        check_bad(&config, cases[i].name);
    }
    mm_engine_config config = host_config();
    config.symbol.tick_e8 = 0;
    check_bad(&config, "symbol");
    config = host_config();
    memset(config.fee_asset, 'B', sizeof config.fee_asset);
    check_bad(&config, "fee_asset");
    static const double tolerances[] = {-0.1, 10000.1, NAN};
    for (size_t i = 0; i < MM_TEST_COUNT(tolerances); i++) {
        config = host_config();
        config.refresh_tolerance_bps = tolerances[i];
        check_bad(&config, "refresh_tolerance_bps");
    }
}

static void check_part(const mm_engine_config *config, const char *name)
{
    const char *bad_field = NULL;
    MM_CHECK(mm_engine_new(config, &bad_field) == NULL);
    MM_CHECK_TEXT(bad_field, name);
}

/* What mm_quote_derive makes is never believed: a log may hold anything, and an embedder may forget to ask for it. */
static void derived_numbers_that_do_not_follow_from_the_others_are_refused(void)
{
    static const double wrong[] = {0.0, 1e30, NAN};
    mm_engine_config good = host_config();
    for (size_t i = 0; i < MM_TEST_COUNT(wrong); i++) {
        mm_engine_config config = good;
        config.quote.as_spread_const = wrong[i];
        check_part(&config, "as_spread_const");
        for (size_t at = 0; at < MM_TEST_COUNT(config.quote.as_shape); at += 8) {
            config = good;
            config.quote.as_shape[at] = wrong[i] == 0.0 ? 0.5 : wrong[i];
            check_part(&config, "as_shape");
        }
    }
    good.quote.as_spread_const *= 1.0 + 1e-12; /* another libm */
    good.quote.as_shape[8] *= 1.0 - 1e-12;
    host_close(host_open(&good));
    good.quote.order_amount_shape_factor = 1e9; /* makes shapes of 0 */
    const char *bad_field = NULL;
    MM_CHECK(mm_quote_derive(&good.quote, &bad_field) == MM_OK);
    host_close(host_open(&good));
}

static void an_engine_whose_own_strategy_nobody_has_given_quotes_nothing_and_says_so(void)
{
    mm_engine_config config = host_config();
    config.strategy = MM_STRATEGY_CUSTOM;
    host *h = host_open(&config);
    host_start(h);
    host_sync(h);
    MM_CHECK_UINT(host_count(h, MM_KIND_PLACE), ==, 0);
    MM_CHECK_UINT(host_status(h).bid_verdict, ==, MM_BIT(MM_REASON_STRATEGY_FAULT));
    MM_CHECK_UINT(host_status(h).ask_verdict, ==, MM_BIT(MM_REASON_STRATEGY_FAULT));
    host_close(h);
}

/* What queries may still weigh. */
static int64_t weight_left(const host *h)
{
    int64_t weight = 0;
    while (mm_budget_may_ask(h->engine->budget, MM_NEED_QUERY, weight + 1, h->now_ns)) {
        weight++;
    }
    return weight;
}

static void what_the_worker_reads_is_charged_at_what_it_weighs(void)
{
    static const struct {
        uint16_t asked;
        int32_t reject_class;
        int64_t weight;
    } cases[] = {
        {MM_KIND_WANT_CLOCK, MM_REJECT_CLOCK, 28},
        {MM_KIND_WANT_RULES, MM_REJECT_MARKET_CLOSED, 20},
        {MM_KIND_WANT_PRICE, 0, 2},
    };
    for (size_t i = 0; i < MM_TEST_COUNT(cases); i++) {
        mm_engine_config config = host_config();
        strcpy(config.fee_asset, "BNB");
        host *h = host_open(&config);
        host_start(h);
        host_sync(h);
        if (cases[i].asked == MM_KIND_WANT_PRICE) {
            h->now_ns += 61 * SECOND;
        } else {
            host_outcome(h, MM_KIND_REJECT, 1, MM_OP_PLACE, cases[i].reject_class, -1013);
        }
        int64_t before = weight_left(h);
        host_decide(h);
        MM_CHECK_UINT(host_count(h, cases[i].asked), ==, 1);
        MM_CHECK_INT(before - weight_left(h), ==, cases[i].weight);
        host_close(h);
    }
}

static void memory_too_short_for_an_engine_is_refused(void)
{
    static unsigned char memory[64] __attribute__((aligned(64)));
    const char *bad_field = NULL;
    mm_engine *engine = NULL;
    mm_engine_config config = host_config();
    MM_CHECK(mm_engine_init(memory, sizeof memory, &config, &engine, &bad_field) == MM_E_ARGUMENT);
    MM_CHECK_TEXT(bad_field, "memory");
}

/* What the parts refuse is told as theirs. */
static void a_part_that_refuses_its_configuration_is_named(void)
{
    mm_engine_config config = host_config();
    config.quote.order_qty_e8 = 0;
    check_part(&config, "order_qty_e8");
    config = host_config();
    config.order.reply_timeout_ns = 0;
    check_part(&config, "order");
    config = host_config();
    config.trade_ids = 1000;
    check_part(&config, "trade_ids");
    config = host_config();
    config.signal.imbalance_levels = 0;
    check_part(&config, "signal");
    config = host_config();
    config.budget.orders_pct = 0;
    check_part(&config, "orders_pct");
    config = host_config();
    config.risk.unknown_max = 0;
    check_part(&config, "unknown_max");
    config = host_config();
    config.risk.position_max_e8 = 0;
    check_part(&config, "position_max_e8");
}

int main(int argc, char **argv)
{
    static const mm_test tests[] = {
        MM_TEST(it_quotes_both_sides_once_started_and_synced),
        MM_TEST(nothing_is_wanted_before_two_empty_reads_of_open_orders_a_second_apart),
        MM_TEST(an_own_order_of_an_earlier_run_is_cancelled_and_a_foreign_one_is_not),
        MM_TEST(silence_pulls_the_quotes_after_one_second),
        MM_TEST(a_pong_is_a_sign_of_life_and_a_quiet_book_is_not_stale),
        MM_TEST(a_ticker_that_lacks_a_side_is_no_top),
        MM_TEST(a_ticker_below_zero_is_malformed_and_the_book_is_read_anew),
        MM_TEST(a_tolerance_as_wide_as_the_highest_price_fits),
        MM_TEST(a_frame_after_silence_may_be_old_and_the_answer_to_a_young_ping_ends_it),
        MM_TEST(frames_that_come_all_the_time_but_ever_later_are_stale),
        MM_TEST(a_new_connection_has_nothing_held_up),
        MM_TEST(a_ticker_the_depth_does_not_catch_up_with_makes_the_book_stale),
        MM_TEST(a_gap_pulls_the_quotes_and_asks_for_a_snapshot),
        MM_TEST(too_few_levels_of_either_side_pull_the_quotes),
        MM_TEST(a_price_near_the_end_of_the_known_depth_brings_more_of_it_while_quotes_stay),
        MM_TEST(a_snapshot_ahead_of_the_book_waits_until_the_book_has_come_to_it),
        MM_TEST(a_side_that_has_left_the_known_depth_comes_back_with_a_second_look),
        MM_TEST(a_second_look_that_cannot_be_read_or_comes_twice_leaves_the_book_in_use),
        MM_TEST(a_book_too_thin_whose_second_looks_fail_is_built_anew),
        MM_TEST(the_book_is_held_against_a_new_snapshot_from_time_to_time),
        MM_TEST(a_book_that_differs_from_the_exchanges_is_thrown_away_and_counted),
        MM_TEST(snapshots_keep_to_their_budget),
        MM_TEST(a_snapshot_costs_by_its_levels),
        MM_TEST(depth_that_cannot_be_read_throws_the_book_away_and_a_snapshot_that_cannot_be_is_asked_for_again),
        MM_TEST(a_partial_book_is_a_sign_of_life_and_nothing_more),
        MM_TEST(three_malformed_messages_in_a_minute_halt_however_many_connections_bring_them),
        MM_TEST(of_malformed_messages_one_connection_brings_none_twice),
        MM_TEST(an_order_without_an_answer_is_unknown_then_cancelled_queried_and_only_proof_ends_it),
        MM_TEST(a_fill_moves_the_ledger_once_however_often_it_is_told),
        MM_TEST(stopping_cancels_everything_and_is_over_after_two_empty_reads),
        MM_TEST(killed_is_for_ever_and_still_cancels),
        MM_TEST(without_room_nothing_is_sent_and_it_is_planned_again),
        MM_TEST(the_order_channel_down_means_no_new_quotes),
        MM_TEST(account_events_lost_and_found_put_every_order_in_doubt_and_read_the_account),
        MM_TEST(account_events_on_another_channel_doubt_no_order_and_read_trades_and_account),
        MM_TEST(a_python_strategy_is_asked_and_its_answer_is_fitted_and_placed),
        MM_TEST(an_account_that_forgot_a_trade_was_reset_and_is_not_just_different),
        MM_TEST(an_account_that_remembers_its_trades_but_has_other_balances_is_a_mismatch),
        MM_TEST(orders_of_one_moment_may_be_numbered_in_any_order_but_a_later_one_not_below_them),
        MM_TEST(a_state_that_could_not_be_told_is_told_when_there_is_room),
        MM_TEST(a_read_after_a_reconnect_that_is_not_answered_is_asked_for_again),
        MM_TEST(trades_are_read_from_the_last_read_that_was_complete),
        MM_TEST(a_balance_for_one_layer_keeps_the_best_one_resting),
        MM_TEST(an_order_cut_to_the_balance_stays_where_it_is),
        MM_TEST(an_answer_from_before_an_outage_is_not_quoted_after_it),
        MM_TEST(a_snapshot_asked_for_before_a_reconnect_makes_no_book_after_it),
        MM_TEST(a_gate_that_latched_kills_the_engine),
        MM_TEST(an_order_taken_for_never_placed_that_is_among_the_open_ones_is_cancelled_and_kills),
        MM_TEST(at_80_percent_of_the_limit_the_side_that_adds_is_pulled_and_not_only_not_placed),
        MM_TEST(cancels_of_orders_in_doubt_do_not_wait_for_room_of_other_actions),
        MM_TEST(a_ban_is_waited_out_and_then_the_quotes_are_cancelled),
        MM_TEST(a_mismatch_that_is_still_there_after_resume_halts_again),
        MM_TEST(a_newer_ticker_is_waited_for_when_the_older_one_has_been_caught_up_with),
        MM_TEST(the_second_empty_read_waits_a_second_from_the_first_ones_answer),
        MM_TEST(an_accepted_reset_begins_profit_anew),
        MM_TEST(it_is_a_function_of_its_inputs),
        MM_TEST(each_field_outside_its_range_is_named),
        MM_TEST(derived_numbers_that_do_not_follow_from_the_others_are_refused),
        MM_TEST(an_engine_whose_own_strategy_nobody_has_given_quotes_nothing_and_says_so),
        MM_TEST(what_the_worker_reads_is_charged_at_what_it_weighs),
        MM_TEST(memory_too_short_for_an_engine_is_refused),
        MM_TEST(a_part_that_refuses_its_configuration_is_named),
    };
    return mm_test_main(argc, argv, tests, MM_TEST_COUNT(tests));
}
