/* The sequence rules, case by case, and random streams against a plain replay of what they hold. */
#include "mm_test.h"

#include "mm_internal.h"

#define TICK INT64_C(1000000)

enum { EVENT_RECORDS = 1 + 2 * 4, BUFFER = 200 };

static mm_book *book;
static mm_sync *sync_;
static mm_record event[EVENT_RECORDS];

static void start(size_t buffer_records)
{
    mm_book_free(book);
    mm_sync_free(sync_);
    book = mm_book_new(1000, TICK);
    sync_ = mm_sync_new(buffer_records);
    if (book == NULL || sync_ == NULL) {
        printf("no memory\n");
        exit(1);
    }
}

/* One event; bids and asks fill records of three levels each. */
static const mm_record *make(uint16_t kind, int64_t first_id, int64_t last_id, const mm_level *bids,
                             uint32_t bid_count, const mm_level *asks, uint32_t ask_count)
{
    uint32_t at = 1;
    memset(event, 0, sizeof(event));
    for (uint32_t i = 0; i < bid_count; i++) {
        event[at + i / 3].body.levels[i % 3] = bids[i];
        event[at + i / 3].kind = MM_KIND_LEVELS;
    }
    at += (bid_count + 2) / 3;
    for (uint32_t i = 0; i < ask_count; i++) {
        event[at + i / 3].body.levels[i % 3] = asks[i];
        event[at + i / 3].kind = MM_KIND_LEVELS;
    }
    at += (ask_count + 2) / 3;
    event[0].kind = kind;
    event[0].count = at;
    event[0].body.depth.first_id = first_id;
    event[0].body.depth.last_id = last_id;
    event[0].body.depth.prev_id = -1;
    event[0].body.depth.bid_count = bid_count;
    event[0].body.depth.ask_count = ask_count;
    return event;
}

/* A diff that sets the bid of tick `last_id` to the quantity `last_id`: the book tells which were
 * applied. */
static int32_t diff(int64_t first_id, int64_t last_id)
{
    mm_level bid = {last_id * TICK, last_id};
    return mm_sync_depth(sync_, book, make(MM_KIND_DEPTH, first_id, last_id, &bid, 1, NULL, 0));
}

static int32_t futures(int64_t first_id, int64_t last_id, int64_t prev_id)
{
    mm_level bid = {last_id * TICK, last_id};
    make(MM_KIND_DEPTH, first_id, last_id, &bid, 1, NULL, 0);
    event[0].flags = MM_FLAG_FUTURES;
    event[0].body.depth.prev_id = prev_id;
    return mm_sync_depth(sync_, book, event);
}

static int32_t snapshot(int64_t id)
{
    mm_level bids[4] = {{1 * TICK, 1}, {2 * TICK, 2}, {3 * TICK, 3}, {4 * TICK, 4}};
    mm_level ask = {1000000 * TICK, 9};
    return mm_sync_snapshot(sync_, book, make(MM_KIND_SNAPSHOT, id, id, bids, 4, &ask, 1), 1000);
}

static bool applied(int64_t id)
{
    return mm_book_qty(book, MM_BID, id * TICK) == id;
}

static void check_state(int32_t state, int64_t last_id)
{
    MM_CHECK_INT(mm_sync_state(sync_), ==, state);
    MM_CHECK_INT(mm_sync_last_id(sync_), ==, last_id);
    MM_CHECK(mm_book_valid(book));
    if (state == MM_SYNC_WAITING) {
        MM_CHECK_UINT(mm_book_count(book, MM_BID) + mm_book_count(book, MM_ASK), ==, 0);
    }
}

/* A call that changes something, checked once. */
#define EXPECT(call, wanted)                                                                       \
    do {                                                                                           \
        int32_t got = (call);                                                                      \
        MM_CHECK_INT(got, ==, wanted);                                                             \
    } while (0)

/* ---- Spot ------------------------------------------------------------------------------------ */

static void diffs_wait_for_a_snapshot_and_the_newer_ones_are_applied(void)
{
    start(BUFFER);
    EXPECT(diff(10, 12), MM_SYNC_BUFFERED);
    EXPECT(diff(13, 15), MM_SYNC_BUFFERED);
    EXPECT(diff(16, 20), MM_SYNC_BUFFERED);
    check_state(MM_SYNC_WAITING, -1);
    EXPECT(snapshot(14), MM_SYNC_REPLAYED);
    check_state(MM_SYNC_SYNCED, 20);
    MM_CHECK(!applied(12) && applied(15) && applied(20) && applied(4));
    EXPECT(diff(21, 21), MM_SYNC_APPLIED);
    check_state(MM_SYNC_SYNCED, 21);
    mm_sync_stats stats = mm_sync_statistics(sync_);
    MM_CHECK_UINT(stats.dropped_before_snapshot, ==, 1);
    MM_CHECK_UINT(stats.applied, ==, 3);
    MM_CHECK_UINT(stats.gaps, ==, 0);
    MM_CHECK_UINT(stats.snapshots, ==, 1);
}

static void a_snapshot_that_ends_where_a_diff_ended_bridges_to_the_next(void)
{
    start(BUFFER);
    EXPECT(diff(10, 12), MM_SYNC_BUFFERED);
    EXPECT(diff(13, 15), MM_SYNC_BUFFERED);
    EXPECT(snapshot(12),
           MM_SYNC_REPLAYED); /* the first applied begins at id + 1, not at or before id */
    check_state(MM_SYNC_SYNCED, 15);
    MM_CHECK(!applied(12) && applied(15));
}

static void a_snapshot_older_than_the_first_diff_is_asked_for_again(void)
{
    start(BUFFER);
    EXPECT(diff(10, 12), MM_SYNC_BUFFERED);
    EXPECT(snapshot(8), MM_SYNC_STALE_SNAPSHOT);
    check_state(MM_SYNC_WAITING, -1);
    EXPECT(diff(13, 13), MM_SYNC_BUFFERED);
    EXPECT(snapshot(9), MM_SYNC_REPLAYED); /* U == id + 1 */
    check_state(MM_SYNC_SYNCED, 13);
}

static void a_snapshot_newer_than_all_diffs_waits_for_the_next(void)
{
    start(BUFFER);
    EXPECT(diff(10, 12), MM_SYNC_BUFFERED);
    EXPECT(snapshot(20), MM_SYNC_REPLAYED);
    check_state(MM_SYNC_SYNCED, 20);
    EXPECT(diff(13, 18), MM_SYNC_DROPPED);
    EXPECT(diff(19, 20), MM_SYNC_DROPPED);
    EXPECT(diff(21, 25), MM_SYNC_APPLIED);
    EXPECT(diff(19, 20), MM_SYNC_DROPPED);
    check_state(MM_SYNC_SYNCED, 25);
    MM_CHECK_UINT(mm_sync_statistics(sync_).dropped_before_snapshot, ==, 3);
}

static void a_diff_that_overlaps_is_applied_and_an_old_one_is_dropped(void)
{
    start(BUFFER);
    EXPECT(snapshot(10), MM_SYNC_REPLAYED);
    EXPECT(diff(9, 12), MM_SYNC_APPLIED);
    EXPECT(diff(11, 12), MM_SYNC_DROPPED);
    EXPECT(diff(12, 14), MM_SYNC_APPLIED);
    check_state(MM_SYNC_SYNCED, 14);
}

static void a_gap_empties_the_book_and_a_new_snapshot_heals_it(void)
{
    start(BUFFER);
    EXPECT(diff(10, 12), MM_SYNC_BUFFERED);
    EXPECT(snapshot(11), MM_SYNC_REPLAYED);
    EXPECT(diff(14, 15), MM_SYNC_GAP);
    check_state(MM_SYNC_WAITING, -1);
    EXPECT(diff(16, 17), MM_SYNC_BUFFERED);
    EXPECT(snapshot(12), MM_SYNC_STALE_SNAPSHOT);
    EXPECT(snapshot(15), MM_SYNC_REPLAYED);
    check_state(MM_SYNC_SYNCED, 17);
    MM_CHECK(applied(17) && !applied(12));
    mm_sync_stats stats = mm_sync_statistics(sync_);
    MM_CHECK_UINT(stats.gaps, ==, 1);
    MM_CHECK_UINT(stats.snapshots, ==, 2);
}

static void the_first_diff_behind_a_snapshot_may_be_a_gap(void)
{
    start(BUFFER);
    EXPECT(snapshot(10), MM_SYNC_REPLAYED);
    EXPECT(diff(12, 13), MM_SYNC_GAP);
    check_state(MM_SYNC_WAITING, -1);
    EXPECT(snapshot(12), MM_SYNC_REPLAYED);
    check_state(MM_SYNC_SYNCED, 13);
}

static void a_hole_in_the_buffer_needs_a_snapshot_behind_it(void)
{
    start(BUFFER);
    EXPECT(diff(10, 12), MM_SYNC_BUFFERED);
    EXPECT(diff(15, 16), MM_SYNC_BUFFERED);
    EXPECT(diff(15, 16), MM_SYNC_DROPPED);
    EXPECT(snapshot(12), MM_SYNC_STALE_SNAPSHOT);
    EXPECT(snapshot(13), MM_SYNC_STALE_SNAPSHOT);
    EXPECT(snapshot(14), MM_SYNC_REPLAYED);
    check_state(MM_SYNC_SYNCED, 16);
}

static void a_full_buffer_drops_the_oldest_and_says_so(void)
{
    start(6); /* three diffs of two records */
    EXPECT(diff(1, 5), MM_SYNC_BUFFERED);
    EXPECT(diff(6, 10), MM_SYNC_BUFFERED);
    EXPECT(diff(11, 15), MM_SYNC_BUFFERED);
    EXPECT(diff(16, 20), MM_SYNC_OVERFLOW);
    EXPECT(diff(21, 25), MM_SYNC_OVERFLOW);
    EXPECT(snapshot(9), MM_SYNC_STALE_SNAPSHOT);
    EXPECT(snapshot(10), MM_SYNC_REPLAYED);
    check_state(MM_SYNC_SYNCED, 25);
    MM_CHECK(applied(15) && applied(20) && applied(25) && !applied(10));
}

static void a_diff_larger_than_the_buffer_needs_a_newer_snapshot(void)
{
    mm_level bids[12];
    for (int64_t i = 0; i < 12; i++) {
        bids[i].price_e8 = (100 + i) * TICK;
        bids[i].qty_e8 = 1;
    }
    start(4);
    EXPECT(diff(1, 5), MM_SYNC_BUFFERED);
    EXPECT(mm_sync_depth(sync_, book, make(MM_KIND_DEPTH, 6, 9, bids, 12, NULL, 0)),
           MM_SYNC_OVERFLOW);
    EXPECT(snapshot(8), MM_SYNC_STALE_SNAPSHOT);
    EXPECT(snapshot(9), MM_SYNC_REPLAYED);
    EXPECT(mm_sync_depth(sync_, book, make(MM_KIND_DEPTH, 10, 11, bids, 12, NULL, 0)),
           MM_SYNC_APPLIED);
    MM_CHECK_UINT(mm_book_count(book, MM_BID), ==, 16);
    /* The same behind a gap: nothing can be kept, and the next snapshot must be newer. */
    EXPECT(mm_sync_depth(sync_, book, make(MM_KIND_DEPTH, 13, 15, bids, 12, NULL, 0)), MM_SYNC_GAP);
    EXPECT(snapshot(14), MM_SYNC_STALE_SNAPSHOT);
    EXPECT(snapshot(15), MM_SYNC_REPLAYED);
}

static void a_second_snapshot_does_not_touch_an_exact_book(void)
{
    start(BUFFER);
    EXPECT(snapshot(10), MM_SYNC_REPLAYED);
    EXPECT(diff(11, 12), MM_SYNC_APPLIED);
    EXPECT(snapshot(11), MM_SYNC_DROPPED);
    check_state(MM_SYNC_SYNCED, 12);
    MM_CHECK(applied(12));
}

static void reset_waits_for_a_snapshot_again(void)
{
    start(BUFFER);
    EXPECT(snapshot(10), MM_SYNC_REPLAYED);
    mm_sync_reset(sync_, book);
    check_state(MM_SYNC_WAITING, -1);
    EXPECT(diff(31, 32), MM_SYNC_BUFFERED);
    EXPECT(snapshot(31), MM_SYNC_REPLAYED);
    check_state(MM_SYNC_SYNCED, 32);
}

/* ---- Futures --------------------------------------------------------------------------------- */

static void futures_continue_by_the_previous_id(void)
{
    start(BUFFER);
    EXPECT(futures(100, 110, 95), MM_SYNC_BUFFERED);
    EXPECT(futures(120, 130, 110), MM_SYNC_BUFFERED); /* ids jump, pu continues */
    EXPECT(futures(140, 150, 130), MM_SYNC_BUFFERED);
    EXPECT(snapshot(125), MM_SYNC_REPLAYED);
    check_state(MM_SYNC_SYNCED, 150);
    MM_CHECK(!applied(110) && applied(130) && applied(150));
    EXPECT(futures(160, 170, 150), MM_SYNC_APPLIED);
    EXPECT(futures(160, 170, 150), MM_SYNC_DROPPED);
    EXPECT(futures(180, 190, 175), MM_SYNC_GAP);
    check_state(MM_SYNC_WAITING, -1);
    MM_CHECK_UINT(mm_sync_statistics(sync_).dropped_before_snapshot, ==, 1);
}

static void a_futures_snapshot_must_lie_inside_the_first_diff(void)
{
    start(BUFFER);
    EXPECT(futures(100, 110, 95), MM_SYNC_BUFFERED);
    EXPECT(snapshot(99), MM_SYNC_STALE_SNAPSHOT); /* spot would bridge this */
    EXPECT(snapshot(100), MM_SYNC_REPLAYED);
    check_state(MM_SYNC_SYNCED, 110);
    start(BUFFER);
    EXPECT(futures(100, 110, 95), MM_SYNC_BUFFERED);
    EXPECT(snapshot(110), MM_SYNC_REPLAYED); /* u == id is applied */
    MM_CHECK(applied(110));
    start(BUFFER);
    EXPECT(snapshot(110), MM_SYNC_REPLAYED);
    EXPECT(futures(100, 109, 95), MM_SYNC_DROPPED);
    EXPECT(futures(110, 115, 109), MM_SYNC_APPLIED);
    EXPECT(futures(116, 120, 115), MM_SYNC_APPLIED);
    check_state(MM_SYNC_SYNCED, 120);
}

static void a_hole_in_the_futures_buffer_needs_a_snapshot_behind_it(void)
{
    start(BUFFER);
    EXPECT(futures(100, 110, 95), MM_SYNC_BUFFERED);
    EXPECT(futures(120, 130, 115), MM_SYNC_BUFFERED);
    EXPECT(snapshot(119), MM_SYNC_STALE_SNAPSHOT);
    EXPECT(snapshot(120), MM_SYNC_REPLAYED);
    check_state(MM_SYNC_SYNCED, 130);
}

/* ---- Events that are not valid --------------------------------------------------------------- */

static void an_invalid_level_makes_the_book_wait(void)
{
    mm_level bad = {100 * TICK, -1};
    start(BUFFER);
    EXPECT(snapshot(10), MM_SYNC_REPLAYED);
    EXPECT(mm_sync_depth(sync_, book, make(MM_KIND_DEPTH, 11, 12, &bad, 1, NULL, 0)),
           MM_E_ARGUMENT);
    check_state(MM_SYNC_WAITING, -1);
    /* In the buffer it is found when it is applied. */
    EXPECT(mm_sync_depth(sync_, book, make(MM_KIND_DEPTH, 21, 22, &bad, 1, NULL, 0)),
           MM_SYNC_BUFFERED);
    EXPECT(snapshot(20), MM_E_ARGUMENT);
    check_state(MM_SYNC_WAITING, -1);
    EXPECT(diff(23, 24), MM_SYNC_BUFFERED);
    EXPECT(mm_sync_snapshot(sync_, book, make(MM_KIND_SNAPSHOT, 23, 23, &bad, 1, NULL, 0), 5),
           MM_E_ARGUMENT);
    check_state(MM_SYNC_WAITING, -1);
    EXPECT(snapshot(23), MM_SYNC_REPLAYED);
    check_state(MM_SYNC_SYNCED, 24);
}

static void ids_and_counts_that_do_not_hang_together_are_refused(void)
{
    mm_level bid = {100 * TICK, 1};
    start(BUFFER);
    EXPECT(snapshot(10), MM_SYNC_REPLAYED);
    EXPECT(mm_sync_depth(sync_, book, make(MM_KIND_DEPTH, 12, 11, &bid, 1, NULL, 0)),
           MM_E_ARGUMENT);
    check_state(MM_SYNC_WAITING, -1);
    make(MM_KIND_DEPTH, 11, 12, &bid, 1, NULL, 0);
    event[0].body.depth.bid_count = 4;
    EXPECT(mm_sync_depth(sync_, book, event), MM_E_ARGUMENT);
    make(MM_KIND_DEPTH, 11, 12, &bid, 1, NULL, 0);
    event[0].body.depth.ask_count = UINT32_MAX;
    EXPECT(mm_sync_depth(sync_, book, event), MM_E_ARGUMENT);
    event[0].body.depth.ask_count = 0;
    event[0].body.depth.bid_count = MM_DEPTH_LEVELS_MAX + 1;
    event[0].count = 1 + (MM_DEPTH_LEVELS_MAX + 3) / 3;
    EXPECT(mm_sync_depth(sync_, book, event), MM_E_ARGUMENT);
    make(MM_KIND_SNAPSHOT, -5, -5, &bid, 1, NULL, 0);
    EXPECT(mm_sync_snapshot(sync_, book, event, 5), MM_E_ARGUMENT);
    make(MM_KIND_SNAPSHOT, -5, 5, &bid, 1, NULL, 0);
    EXPECT(mm_sync_snapshot(sync_, book, event, 5), MM_E_ARGUMENT);
}

#if defined(NDEBUG)
static void a_record_of_another_kind_is_refused(void)
{
    int32_t result = MM_OK;
    start(BUFFER);
    EXPECT(snapshot(10), MM_SYNC_REPLAYED);
    MM_CHECK_SURVIVES(result = mm_sync_depth(sync_, book, make(MM_KIND_SNAPSHOT, 11, 12, NULL, 0, NULL, 0)));
    MM_CHECK_INT(result, ==, MM_E_ARGUMENT);
    check_state(MM_SYNC_WAITING, -1);
}
#endif

/* ---- Observer -------------------------------------------------------------------------------- */

static void the_observer_sees_the_book_after_every_applied_diff(void)
{
    mm_sync_row rows[3];
    start(BUFFER);
    mm_sync_series series = {book, rows, 3, 0};
    mm_sync_observe(sync_, mm_sync_collect, &series);
    EXPECT(diff(10, 12), MM_SYNC_BUFFERED);
    EXPECT(diff(13, 15), MM_SYNC_BUFFERED);
    MM_CHECK_UINT(series.count, ==, 0);
    EXPECT(snapshot(11), MM_SYNC_REPLAYED);
    MM_CHECK_UINT(series.count, ==, 2);
    EXPECT(diff(14, 15), MM_SYNC_DROPPED);
    EXPECT(diff(16, 20), MM_SYNC_APPLIED);
    EXPECT(diff(21, 22), MM_SYNC_APPLIED);
    MM_CHECK_UINT(series.count, ==, 4); /* one more than there was room for */
    for (size_t i = 0; i < 3; i++) {
        int64_t id = i == 0 ? 12 : i == 1 ? 15 : 20;
        MM_CHECK_INT(rows[i].update_id, ==, id);
        MM_CHECK_INT(rows[i].top.bid_price_e8, ==, id * TICK);
        MM_CHECK_INT(rows[i].top.ask_qty_e8, ==, 9);
    }
    mm_sync_observe(sync_, NULL, NULL);
    EXPECT(diff(23, 24), MM_SYNC_APPLIED);
    MM_CHECK_UINT(series.count, ==, 4);
}

/* ---- Random streams -------------------------------------------------------------------------- */

/* The exchange: diff i has ids, its predecessor, and sets one bid. What a book at id X holds is
 * therefore known. */
enum { STREAM = 120, PRICES = 30 };

typedef struct {
    int64_t first_id, last_id, prev_id;
    int64_t tick, qty;
} sent;

static sent stream[STREAM];

static void make_stream(bool is_futures)
{
    int64_t id = 100;
    for (int i = 0; i < STREAM; i++) {
        int64_t hole = is_futures ? (int64_t)mm_test_below(3) : 0;
        stream[i].prev_id = id;
        stream[i].first_id = id + 1 + hole;
        stream[i].last_id = stream[i].first_id + (int64_t)mm_test_below(4);
        stream[i].tick = 1 + (int64_t)mm_test_below(PRICES);
        stream[i].qty = (int64_t)mm_test_below(4);
        id = stream[i].last_id;
    }
}

/* The exchange's own book after the first `count` diffs. */
static void check_book(int count)
{
    int64_t qty[PRICES + 1] = {0};
    for (int i = 0; i < count; i++) {
        qty[stream[i].tick] = stream[i].qty;
    }
    for (int64_t tick = 1; tick <= PRICES; tick++) {
        MM_CHECK_INT(mm_book_qty(book, MM_BID, tick * TICK), ==, qty[tick]);
    }
}

static int32_t send_diff(int index, bool is_futures)
{
    mm_level bid = {stream[index].tick * TICK, stream[index].qty};
    make(MM_KIND_DEPTH, stream[index].first_id, stream[index].last_id, &bid, 1, NULL, 0);
    event[0].flags = is_futures ? MM_FLAG_FUTURES : 0;
    event[0].body.depth.prev_id = is_futures ? stream[index].prev_id : -1;
    return mm_sync_depth(sync_, book, event);
}

/* A snapshot of the exchange's book after `count` diffs and `more` ids of the next, which have changed nothing yet. */
static const mm_record *make_snapshot(int count, int64_t more)
{
    static mm_record records[1 + PRICES / 3 + 1];
    int64_t qty[PRICES + 1] = {0};
    mm_level bids[PRICES];
    uint32_t bid_count = 0;
    for (int i = 0; i < count; i++) {
        qty[stream[i].tick] = stream[i].qty;
    }
    for (int64_t tick = 1; tick <= PRICES; tick++) {
        if (qty[tick] != 0) {
            bids[bid_count].price_e8 = tick * TICK;
            bids[bid_count++].qty_e8 = qty[tick];
        }
    }
    memset(records, 0, sizeof(records));
    for (uint32_t i = 0; i < bid_count; i++) {
        records[1 + i / 3].body.levels[i % 3] = bids[i];
    }
    records[0].kind = MM_KIND_SNAPSHOT;
    records[0].count = 1 + (bid_count + 2) / 3;
    records[0].body.depth.first_id = (count > 0 ? stream[count - 1].last_id : 100) + more;
    records[0].body.depth.last_id = records[0].body.depth.first_id;
    records[0].body.depth.bid_count = bid_count;
    return records;
}

static int32_t send_snapshot(int count)
{
    return mm_sync_snapshot(sync_, book, make_snapshot(count, 0), 1000);
}

/* How many diffs the book holds. */
static int book_diffs(void)
{
    int count = 0;
    while (count < STREAM && stream[count].last_id <= mm_sync_last_id(sync_)) {
        count++;
    }
    return count;
}

/* Diffs are lost, doubled and late; snapshots come at any time and of any age. Whenever sync says
 * SYNCED the book is the exchange's at that id. */
static void whatever_is_lost_or_doubled_a_synced_book_is_exact(void)
{
    for (int round = 0; round < 300; round++) {
        bool is_futures = round % 2 == 1;
        int synced_times = 0;
        make_stream(is_futures);
        start(4 + mm_test_below(40));
        for (int i = 0; i < STREAM; i++) {
            if (mm_test_below(20) != 0) {
                send_diff(i, is_futures);
            }
            if (mm_test_below(10) == 0) {
                send_diff(i - (int)mm_test_below((uint64_t)i < 10 ? (uint64_t)i + 1 : 10),
                          is_futures);
            }
            if (mm_test_below(5) == 0) {
                send_snapshot(i + 1 - (int)mm_test_below((uint64_t)i < 12 ? (uint64_t)i + 1 : 12));
            }
            if (mm_sync_state(sync_) == MM_SYNC_SYNCED) {
                check_book(book_diffs());
                synced_times++;
            } else {
                MM_CHECK_UINT(mm_book_count(book, MM_BID), ==, 0);
            }
        }
        MM_CHECK_INT(synced_times, >, 0);
    }
}

/* ---- A second look -------------------------------------------------------------------------- */

static mm_book *fresh;

static int32_t merge(int count, int64_t more)
{
    return mm_sync_merge(sync_, fresh, make_snapshot(count, more), 1000);
}

/* The book and the fresh one are the same; the fresh one is used from now on. */
static void adopt(void)
{
    int32_t side = 0;
    int64_t price_e8 = 0;
    mm_book *used = book;
    MM_CHECK(mm_book_same(book, fresh, &side, &price_e8));
    book = fresh;
    fresh = used;
}

/* Snapshots older and newer than the book, at diffs' ends and within them, while diffs go on and some are lost. */
static void a_second_look_gives_the_same_book_whenever_its_snapshot_was_taken(void)
{
    int replayed = 0, ahead = 0, stale = 0;
    for (int round = 0; round < 300; round++) {
        make_stream(false);
        start(20 + mm_test_below(40));
        mm_book_free(fresh);
        fresh = mm_book_new(1000, TICK);
        MM_REQUIRE(fresh != NULL);
        (void)send_snapshot(0);
        for (int i = 0; i < STREAM; i++) {
            bool synced = mm_sync_state(sync_) == MM_SYNC_SYNCED;
            if (synced && mm_test_below(8) == 0) {
                mm_sync_keep(sync_);
            }
            if (mm_test_below(6) == 0) {
                int low = i < 8 ? 0 : i - 8;
                int count = (int)mm_test_between(low, i + 6 < STREAM ? i + 6 : STREAM - 1);
                int64_t more = (int64_t)mm_test_below((uint64_t)(stream[count].last_id - stream[count].first_id + 1));
                int32_t result = merge(count, more);
                replayed += result == MM_SYNC_REPLAYED;
                ahead += result == MM_SYNC_BUFFERED;
                stale += result == MM_SYNC_STALE_SNAPSHOT;
                MM_CHECK_INT(result, >=, 0);
                if (result == MM_SYNC_REPLAYED) {
                    adopt();
                }
            }
            if (mm_test_below(40) != 0) {
                (void)send_diff(i, false);
            }
            if (mm_sync_fresh(sync_)) {
                adopt();
            }
            if (mm_sync_state(sync_) == MM_SYNC_SYNCED) {
                check_book(book_diffs());
            } else {
                (void)send_snapshot(i + 1);
            }
        }
    }
    MM_CHECK_INT(replayed, >, 200);
    MM_CHECK_INT(ahead, >, 200);
    MM_CHECK_INT(stale, >, 50);
}

static void a_book_that_differs_is_told_with_its_best_difference(void)
{
    int32_t side = -1;
    int64_t price_e8 = 0;
    make_stream(false);
    start(BUFFER);
    mm_book_free(fresh);
    fresh = mm_book_new(1000, TICK);
    MM_REQUIRE(fresh != NULL);
    (void)send_snapshot(40);
    mm_sync_keep(sync_);
    int32_t result = merge(40, 0);
    MM_CHECK_INT(result, ==, MM_SYNC_REPLAYED);
    MM_CHECK(mm_book_same(book, fresh, &side, &price_e8));
    MM_CHECK(mm_book_set(fresh, MM_ASK, 90 * TICK, 1) == MM_OK);
    MM_CHECK(!mm_book_same(book, fresh, &side, &price_e8));
    MM_CHECK_INT(side, ==, MM_ASK);
    MM_CHECK_INT(price_e8, ==, 90 * TICK);
    MM_CHECK(mm_book_set(fresh, MM_BID, 50 * TICK, 1) == MM_OK);
    MM_CHECK(mm_book_set(book, MM_BID, 49 * TICK, 1) == MM_OK);
    MM_CHECK(!mm_book_same(book, fresh, &side, &price_e8));
    MM_CHECK_INT(side, ==, MM_BID);
    MM_CHECK_INT(price_e8, ==, 50 * TICK);
    /* A price that both have, of another quantity. */
    MM_CHECK(mm_book_set(book, MM_BID, 50 * TICK, 2) == MM_OK);
    MM_CHECK(!mm_book_same(book, fresh, &side, &price_e8));
    MM_CHECK_INT(price_e8, ==, 50 * TICK);
}

static void books_are_compared_only_as_far_as_both_are_known(void)
{
    static const mm_level bids[] = {{9 * TICK, 1}, {8 * TICK, 1}, {7 * TICK, 1}};
    int32_t side = -1;
    int64_t price_e8 = 0;
    start(BUFFER);
    mm_book_free(fresh);
    fresh = mm_book_new(1000, TICK);
    MM_REQUIRE(fresh != NULL);
    MM_CHECK(mm_book_snapshot(book, bids, 2, NULL, 0, 2) == MM_OK); /* known to 8 */
    MM_CHECK(mm_book_snapshot(fresh, bids, 3, NULL, 0, 5) == MM_OK);
    MM_CHECK(mm_book_same(book, fresh, &side, &price_e8));
    MM_CHECK(mm_book_same(fresh, book, &side, &price_e8));
    MM_CHECK(mm_book_set(fresh, MM_BID, 8 * TICK, 0) == MM_OK);
    MM_CHECK(!mm_book_same(book, fresh, &side, &price_e8));
    MM_CHECK_INT(price_e8, ==, 8 * TICK);
}

static void nothing_is_merged_that_was_not_asked_for_or_belongs_to_a_lost_book(void)
{
    make_stream(false);
    start(BUFFER);
    mm_book_free(fresh);
    fresh = mm_book_new(1000, TICK);
    MM_REQUIRE(fresh != NULL);
    (void)send_snapshot(10);
    EXPECT(merge(10, 0), MM_SYNC_DROPPED);
    mm_sync_keep(sync_);
    EXPECT(merge(9, 0), MM_SYNC_STALE_SNAPSHOT);
    EXPECT(merge(12, 0), MM_SYNC_BUFFERED);
    EXPECT(merge(12, 0), MM_SYNC_DROPPED);
    (void)send_diff(13, false); /* a gap */
    check_state(MM_SYNC_WAITING, -1);
    MM_CHECK(!mm_sync_fresh(sync_));
    EXPECT(merge(14, 0), MM_SYNC_DROPPED);
}

static void a_second_look_that_is_no_snapshot_leaves_the_book_in_use(void)
{
    const mm_level bad = {100 * TICK, -1};
    const mm_level good = {100 * TICK, 1};
    start(BUFFER);
    mm_book_free(fresh);
    fresh = mm_book_new(1000, TICK);
    MM_REQUIRE(fresh != NULL);
    EXPECT(snapshot(10), MM_SYNC_REPLAYED);
    mm_sync_keep(sync_);
    /* Ids in disorder say nothing: the next one is taken. */
    EXPECT(mm_sync_merge(sync_, fresh, make(MM_KIND_SNAPSHOT, 10, 9, &good, 1, NULL, 0), 5), MM_E_ARGUMENT);
    EXPECT(mm_sync_merge(sync_, fresh, make(MM_KIND_SNAPSHOT, 10, 10, &bad, 1, NULL, 0), 5), MM_E_ARGUMENT);
    MM_CHECK(!mm_sync_is_ahead(sync_));
    check_state(MM_SYNC_SYNCED, 10);
    EXPECT(diff(11, 12), MM_SYNC_APPLIED);
    EXPECT(mm_sync_merge(sync_, fresh, make(MM_KIND_SNAPSHOT, 12, 12, &good, 1, NULL, 0), 5), MM_SYNC_DROPPED);
}

/* Ids of futures have holes between two diffs: a snapshot out of one follows neither. */
static void a_second_look_at_a_futures_book_waits_for_a_snapshot_within_a_diff(void)
{
    start(BUFFER);
    mm_book_free(fresh);
    fresh = mm_book_new(1000, TICK);
    MM_REQUIRE(fresh != NULL);
    mm_level bid = {5 * TICK, 1};
    (void)futures(1, 10, -1);
    EXPECT(snapshot(5), MM_SYNC_REPLAYED);
    mm_sync_keep(sync_);
    EXPECT(futures(15, 20, 10), MM_SYNC_APPLIED);
    const mm_record *between = make(MM_KIND_SNAPSHOT, 12, 12, &bid, 1, NULL, 0);
    EXPECT(mm_sync_merge(sync_, fresh, between, 1000), MM_SYNC_STALE_SNAPSHOT);
    const mm_record *within = make(MM_KIND_SNAPSHOT, 17, 17, &bid, 1, NULL, 0);
    EXPECT(mm_sync_merge(sync_, fresh, within, 1000), MM_SYNC_REPLAYED);
    check_state(MM_SYNC_SYNCED, 20);
}

static void memory_that_does_not_fit_is_refused(void)
{
    mm_sync *made = NULL;
    size_t bytes = mm_sync_bytes(10);
    MM_CHECK_UINT(mm_sync_bytes(0), ==, 0);
    MM_CHECK_UINT(mm_sync_bytes(SIZE_MAX), ==, 0);
    MM_CHECK(mm_sync_new(0) == NULL);
    void *memory = mm__memory_new(bytes);
    MM_REQUIRE(memory != NULL);
    MM_CHECK_INT(mm_sync_init(memory, bytes, 0, &made), ==, MM_E_ARGUMENT);
    MM_CHECK_INT(mm_sync_init(memory, bytes - 1, 10, &made), ==, MM_E_CAPACITY);
    MM_CHECK_INT(mm_sync_init(memory, bytes, 10, &made), ==, MM_OK);
    mm__memory_free(memory);
}

int main(int argc, char **argv)
{
    static const mm_test tests[] = {
        MM_TEST(diffs_wait_for_a_snapshot_and_the_newer_ones_are_applied),
        MM_TEST(a_snapshot_that_ends_where_a_diff_ended_bridges_to_the_next),
        MM_TEST(a_snapshot_older_than_the_first_diff_is_asked_for_again),
        MM_TEST(a_snapshot_newer_than_all_diffs_waits_for_the_next),
        MM_TEST(a_diff_that_overlaps_is_applied_and_an_old_one_is_dropped),
        MM_TEST(a_gap_empties_the_book_and_a_new_snapshot_heals_it),
        MM_TEST(the_first_diff_behind_a_snapshot_may_be_a_gap),
        MM_TEST(a_hole_in_the_buffer_needs_a_snapshot_behind_it),
        MM_TEST(a_full_buffer_drops_the_oldest_and_says_so),
        MM_TEST(a_diff_larger_than_the_buffer_needs_a_newer_snapshot),
        MM_TEST(a_second_snapshot_does_not_touch_an_exact_book),
        MM_TEST(reset_waits_for_a_snapshot_again),
        MM_TEST(futures_continue_by_the_previous_id),
        MM_TEST(a_futures_snapshot_must_lie_inside_the_first_diff),
        MM_TEST(a_hole_in_the_futures_buffer_needs_a_snapshot_behind_it),
        MM_TEST(an_invalid_level_makes_the_book_wait),
        MM_TEST(ids_and_counts_that_do_not_hang_together_are_refused),
#if defined(NDEBUG)
        MM_TEST(a_record_of_another_kind_is_refused),
#endif
        MM_TEST(the_observer_sees_the_book_after_every_applied_diff),
        MM_TEST(whatever_is_lost_or_doubled_a_synced_book_is_exact),
        MM_TEST(a_second_look_gives_the_same_book_whenever_its_snapshot_was_taken),
        MM_TEST(a_book_that_differs_is_told_with_its_best_difference),
        MM_TEST(books_are_compared_only_as_far_as_both_are_known),
        MM_TEST(nothing_is_merged_that_was_not_asked_for_or_belongs_to_a_lost_book),
        MM_TEST(a_second_look_that_is_no_snapshot_leaves_the_book_in_use),
        MM_TEST(a_second_look_at_a_futures_book_waits_for_a_snapshot_within_a_diff),
        MM_TEST(memory_that_does_not_fit_is_refused),
    };
    int result = mm_test_main(argc, argv, tests, MM_TEST_COUNT(tests));
    mm_book_free(book);
    mm_book_free(fresh);
    mm_sync_free(sync_);
    return result;
}
