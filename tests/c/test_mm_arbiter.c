/* Two copies of one stream, delayed and torn: what goes on is the stream. */
#include "mmcore.h"

#include "mm_test.h"

#define MS INT64_C(1000000)
#define SECOND (1000 * MS)
#define HOLD (200 * MS)

enum { HOLD_RECORDS = MM_EVENT_RECORDS_MAX, OUT_MAX = 4096 };

static mm_arbiter *arbiter;
static int64_t now_ns;

/* What went on, in order. */
static mm_record out[OUT_MAX];
static size_t out_count;

static void open_arbiter(uint32_t sockets)
{
    mm_arbiter_free(arbiter);
    arbiter = mm_arbiter_new(HOLD_RECORDS, HOLD);
    MM_CHECK(arbiter != NULL);
    now_ns = 1000 * SECOND;
    out_count = 0;
    for (uint32_t i = 0; i < sockets; i++) {
        mm_arbiter_up(arbiter, i);
    }
}

static void note(const mm_record *event)
{
    if (out_count < OUT_MAX) {
        out[out_count++] = *event;
    }
}

static void drain(void)
{
    const mm_record *next = mm_arbiter_next(arbiter, now_ns);
    while (next != NULL) {
        note(next);
        next = mm_arbiter_next(arbiter, now_ns);
    }
}

static int32_t take(uint32_t socket, const mm_record *event)
{
    int32_t verdict = mm_arbiter_take(arbiter, socket, event, now_ns);
    if (verdict == MM_ARBITER_PASS || verdict == MM_ARBITER_RESTART) {
        note(event);
    }
    drain();
    return verdict;
}

static mm_record diff(int64_t first_id, int64_t last_id)
{
    mm_record event;
    memset(&event, 0, sizeof event);
    event.kind = MM_KIND_DEPTH;
    event.count = 1;
    event.body.depth.first_id = first_id;
    event.body.depth.last_id = last_id;
    event.body.depth.prev_id = -1;
    return event;
}

static mm_record ticker(int64_t update_id)
{
    mm_record event;
    memset(&event, 0, sizeof event);
    event.kind = MM_KIND_TICKER;
    event.count = 1;
    event.body.ticker.update_id = update_id;
    return event;
}

static mm_record trade(int64_t trade_id)
{
    mm_record event;
    memset(&event, 0, sizeof event);
    event.kind = MM_KIND_TRADE;
    event.count = 1;
    event.body.trade.trade_id = trade_id;
    return event;
}

static int32_t take_diff(uint32_t socket, int64_t first_id, int64_t last_id)
{
    mm_record event = diff(first_id, last_id);
    return take(socket, &event);
}

static int32_t take_trade(uint32_t socket, int64_t trade_id)
{
    mm_record event = trade(trade_id);
    return take(socket, &event);
}

static int32_t take_ticker(uint32_t socket, int64_t update_id)
{
    mm_record event = ticker(update_id);
    return take(socket, &event);
}

static void a_connection_has_joined_when_all_it_brought_has_gone_on(void)
{
    open_arbiter(2);
    MM_CHECK(!mm_arbiter_joined(arbiter, 0));
    (void)take_diff(0, 11, 13);
    MM_CHECK(mm_arbiter_joined(arbiter, 0));
    MM_CHECK(!mm_arbiter_joined(arbiter, 1));
    int32_t verdict = take_diff(1, 17, 19);
    MM_CHECK_INT(verdict, ==, MM_ARBITER_HOLD);
    MM_CHECK(!mm_arbiter_joined(arbiter, 1));
    (void)take_diff(0, 14, 16); /* the hole is filled: what was held goes on */
    MM_CHECK(mm_arbiter_joined(arbiter, 0));
    MM_CHECK(mm_arbiter_joined(arbiter, 1));
    mm_arbiter_up(arbiter, 1);
    MM_CHECK(!mm_arbiter_joined(arbiter, 1));
}

/* Diff i of the complete stream, i = 0..: 3 ids each, from 11 on. */
static mm_record numbered(int64_t i)
{
    return diff(11 + 3 * i, 13 + 3 * i);
}

/* ---- The property ---- */

/* Exactly diffs 0..count-1 went on, in order. */
static bool is_complete(size_t count)
{
    bool good = MM_CHECK_UINT(out_count, ==, count);
    for (size_t i = 0; good && i < count; i++) {
        mm_record wanted = numbered((int64_t)i);
        good = MM_CHECK_INT(out[i].body.depth.first_id, ==, wanted.body.depth.first_id) &&
               MM_CHECK_INT(out[i].body.depth.last_id, ==, wanted.body.depth.last_id);
    }
    return good;
}

/* Every way two copies of five diffs can interleave, with every set of losses on the first copy but its first diff (what a new
 * connection begins with is no loss) - and with it, too, when the other copy brings it earlier. */
static void every_interleaving_with_every_loss_on_one_connection_gives_the_stream(void)
{
    enum { N = 5 };
    for (uint32_t order = 0; order < 1u << (2 * N); order++) {
        if (__builtin_popcount(order) != N) {
            continue;
        }
        for (uint32_t lost = 0; lost < 1u << N; lost++) {
            bool first_comes_from_other = (order & 1) != 0;
            if ((lost & 1) != 0 && !first_comes_from_other) {
                continue;
            }
            int64_t next[2] = {0, 0};
            open_arbiter(2);
            for (uint32_t turn = 0; turn < 2 * N; turn++) {
                uint32_t socket = order >> turn & 1;
                int64_t i = next[socket]++;
                mm_record event = numbered(i);
                if (socket == 1 || (lost >> i & 1) == 0) {
                    (void)take(socket, &event);
                }
            }
            if (!is_complete(N)) {
                printf("    order %x, lost %x\n", order, lost);
                return;
            }
        }
    }
}

/* Long streams, delays up to the time a hole is waited for, losses in runs on either connection but not of the same diff on
 * both. */
static void long_streams_with_losses_on_either_connection_stay_complete(void)
{
    enum { N = 400 };
    for (int turn = 0; turn < 200; turn++) {
        int64_t next[2] = {0, 0};
        bool lost[2][N];
        for (size_t i = 0; i < N; i++) {
            uint32_t loser = mm_test_below(2) != 0;
            lost[loser][i] = i > 0 && mm_test_below(4) == 0;
            lost[!loser][i] = false;
        }
        open_arbiter(2);
        while (next[0] < N || next[1] < N) {
            uint32_t socket = mm_test_below(2) != 0;
            int64_t ahead = next[socket] - next[!socket];
            if (next[socket] == N || ahead > 15) {
                socket = !socket;
            }
            int64_t i = next[socket]++;
            mm_record event = numbered(i);
            now_ns += mm_test_between(0, 10 * MS);
            if (!lost[socket][i]) {
                (void)take(socket, &event);
            }
        }
        if (!is_complete(N)) {
            return;
        }
    }
}

/* Two connections that cut the same ids into diffs at places of their own: each that goes on begins no later than the last + 1
 * and ends behind it, to the end of the stream. */
static void connections_that_cut_the_stream_at_different_places_leave_no_hole(void)
{
    enum { IDS = 2000 };
    for (int turn = 0; turn < 100; turn++) {
        int64_t at[2] = {1, 1};
        open_arbiter(2);
        while (at[0] <= IDS || at[1] <= IDS) {
            uint32_t socket = at[0] > IDS || (at[1] <= IDS && mm_test_below(2) != 0);
            int64_t last_id = at[socket] + mm_test_between(0, 12);
            last_id = last_id > IDS ? IDS : last_id;
            mm_record event = diff(at[socket], last_id);
            at[socket] = last_id + 1;
            (void)take(socket, &event);
        }
        MM_CHECK_INT(out[0].body.depth.first_id, ==, 1);
        MM_CHECK_INT(out[out_count - 1].body.depth.last_id, ==, IDS);
        for (size_t i = 1; i < out_count; i++) {
            MM_CHECK_INT(out[i].body.depth.first_id, <=, out[i - 1].body.depth.last_id + 1);
            MM_CHECK_INT(out[i].body.depth.last_id, >, out[i - 1].body.depth.last_id);
        }
    }
}

/* ---- Holes ---- */

static void a_hole_that_no_other_connection_can_fill_is_a_gap_at_once(void)
{
    open_arbiter(1);
    (void)take_diff(0, 1, 10);
    int32_t verdict = take_diff(0, 15, 20);
    MM_CHECK_INT(verdict, ==, MM_ARBITER_HOLD);
    MM_CHECK_UINT(out_count, ==, 2);
    MM_CHECK_UINT(mm_arbiter_statistics(arbiter).gaps, ==, 1);
    MM_CHECK_INT(mm_arbiter_deadline(arbiter), ==, INT64_MAX);
}

static void a_hole_both_connections_have_passed_is_a_gap_at_once(void)
{
    open_arbiter(2);
    (void)take_diff(0, 1, 10);
    (void)take_diff(1, 1, 10);
    (void)take_diff(0, 15, 20);
    MM_CHECK_UINT(out_count, ==, 1);
    (void)take_diff(1, 15, 20);
    MM_CHECK_UINT(out_count, ==, 2);
    MM_CHECK_INT(out[1].body.depth.first_id, ==, 15);
    (void)take_diff(1, 21, 22);
    MM_CHECK_UINT(out_count, ==, 3);
}

static void a_hole_is_waited_for_until_its_time_is_over_and_no_longer(void)
{
    open_arbiter(2);
    (void)take_diff(0, 1, 10);
    (void)take_diff(0, 15, 20);
    (void)take_diff(0, 21, 25);
    MM_CHECK_INT(mm_arbiter_deadline(arbiter), ==, now_ns + HOLD);
    now_ns += HOLD - 1;
    drain();
    MM_CHECK_UINT(out_count, ==, 1);
    now_ns += 1;
    drain();
    MM_CHECK_UINT(out_count, ==, 3);
    MM_CHECK_INT(out[2].body.depth.last_id, ==, 25);
    MM_CHECK_UINT(mm_arbiter_statistics(arbiter).gaps, ==, 1);
    int32_t late = take_diff(1, 11, 14);
    MM_CHECK_INT(late, ==, MM_ARBITER_DROP);
}

static void losing_the_connection_that_was_waited_for_ends_the_wait(void)
{
    open_arbiter(2);
    (void)take_diff(1, 1, 10);
    (void)take_diff(0, 15, 20);
    MM_CHECK_UINT(out_count, ==, 1);
    mm_arbiter_down(arbiter, 1);
    drain();
    MM_CHECK_UINT(out_count, ==, 2);
    MM_CHECK_UINT(mm_arbiter_statistics(arbiter).gaps, ==, 1);
}

static void what_does_not_fit_behind_a_hole_is_lost_in_it_and_the_rest_goes_on(void)
{
    static mm_record big[HOLD_RECORDS];
    open_arbiter(2);
    (void)take_diff(0, 1, 10);
    (void)take_diff(0, 15, 20);
    memset(big, 0, sizeof big);
    big[0] = diff(21, 30);
    big[0].count = HOLD_RECORDS;
    (void)take(0, big);
    MM_CHECK_UINT(out_count, ==, 2);
    MM_CHECK_INT(out[1].body.depth.first_id, ==, 21);
    MM_CHECK_UINT(out[1].count, ==, HOLD_RECORDS);
}

/* ---- Connections ---- */

static void losing_one_of_two_loses_nothing(void)
{
    open_arbiter(2);
    for (int64_t i = 0; i < 20; i++) {
        mm_record event = numbered(i);
        if (i == 8) {
            mm_arbiter_down(arbiter, 0);
        }
        if (i < 8) {
            (void)take(0, &event);
        }
        (void)take(1, &event);
    }
    (void)is_complete(20);
    MM_CHECK_UINT(mm_arbiter_statistics(arbiter).gaps, ==, 0);
}

static void a_successor_takes_over_where_its_predecessor_stops(void)
{
    open_arbiter(1);
    for (int64_t i = 0; i < 20; i++) {
        mm_record event = numbered(i);
        if (i == 5) {
            mm_arbiter_up(arbiter, 2);
        }
        if (i < 12) {
            (void)take(0, &event);
        }
        if (i == 12) {
            mm_arbiter_down(arbiter, 0);
        }
        if (i >= 7) {
            (void)take(2, &event);
        }
    }
    (void)is_complete(20);
}

static void when_no_connection_is_left_everything_is_forgotten(void)
{
    open_arbiter(2);
    (void)take_diff(0, 1000, 1010);
    (void)take_ticker(0, 1010);
    (void)take_trade(0, 77);
    mm_arbiter_down(arbiter, 0);
    mm_arbiter_down(arbiter, 1);
    mm_arbiter_up(arbiter, 1);
    int32_t verdicts[] = {take_diff(1, 5, 6), take_ticker(1, 6), take_trade(1, 1)};
    for (size_t i = 0; i < 3; i++) {
        MM_CHECK_INT(verdicts[i], ==, MM_ARBITER_PASS);
    }
}

static void ids_that_begin_anew_within_a_connection_are_a_restart(void)
{
    open_arbiter(1);
    (void)take_diff(0, 1000, 1010);
    int32_t verdict = take_diff(0, 1, 2);
    MM_CHECK_INT(verdict, ==, MM_ARBITER_RESTART);
    verdict = take_diff(0, 3, 4);
    MM_CHECK_INT(verdict, ==, MM_ARBITER_PASS);
    MM_CHECK_UINT(mm_arbiter_statistics(arbiter).restarts, ==, 1);
}

static void duplicates_alone_for_five_seconds_are_a_restart(void)
{
    open_arbiter(2);
    (void)take_diff(0, 1000, 1010);
    mm_arbiter_down(arbiter, 0);
    int64_t id = 1;
    for (; now_ns < 1005 * SECOND; now_ns += 100 * MS) {
        int32_t verdict = take_diff(1, id, id);
        id++;
        MM_CHECK_INT(verdict, ==, MM_ARBITER_DROP);
    }
    int32_t verdict = take_diff(1, id, id);
    MM_CHECK_INT(verdict, ==, MM_ARBITER_RESTART);
}

/* A quiet symbol, and a connection that lags behind the other: one late copy is no news of the exchange. */
static void one_late_duplicate_after_a_silence_is_no_restart(void)
{
    open_arbiter(2);
    (void)take_diff(0, 90, 99);
    now_ns += 100 * MS;
    (void)take_diff(0, 100, 100);
    now_ns += 20 * SECOND;
    int32_t verdict = take_diff(1, 90, 99);
    MM_CHECK_INT(verdict, ==, MM_ARBITER_DROP);
    now_ns += 5 * SECOND - 1;
    verdict = take_diff(1, 100, 100);
    MM_CHECK_INT(verdict, ==, MM_ARBITER_DROP);
    (void)take_diff(0, 101, 101); /* goes on: it counts from the next one */
    now_ns += SECOND;
    verdict = take_diff(1, 101, 101);
    MM_CHECK_INT(verdict, ==, MM_ARBITER_DROP);
    MM_CHECK_UINT(mm_arbiter_statistics(arbiter).restarts, ==, 0);
}

/* ---- The other streams ---- */

static void only_newer_best_prices_go_on(void)
{
    open_arbiter(2);
    MM_CHECK(take_ticker(0, 5) == MM_ARBITER_PASS);
    int32_t verdicts[] = {take_ticker(1, 5), take_ticker(1, 4), take_ticker(1, 7), take_ticker(0, 6)};
    static const int32_t wanted[] = {MM_ARBITER_DROP, MM_ARBITER_DROP, MM_ARBITER_PASS, MM_ARBITER_DROP};
    for (size_t i = 0; i < 4; i++) {
        MM_CHECK_INT(verdicts[i], ==, wanted[i]);
    }
}

static void every_trade_goes_on_once_whichever_connection_lost_it(void)
{
    enum { N = 3000 };
    static uint8_t times[N + 1];
    memset(times, 0, sizeof times);
    open_arbiter(2);
    int64_t next[2] = {1, 1};
    while (next[0] <= N || next[1] <= N) {
        uint32_t socket = mm_test_below(2) != 0;
        if (next[socket] > N || next[socket] - next[!socket] > 900) {
            socket = !socket;
        }
        int64_t id = next[socket]++;
        bool lost = id % 3 == (int64_t)socket;
        times[id] = (uint8_t)(times[id] + (!lost && take_trade(socket, id) == MM_ARBITER_PASS));
    }
    for (size_t id = 1; id <= N; id++) {
        MM_CHECK_UINT(times[id], ==, 1);
    }
    int32_t verdict = take_trade(0, N - 1024);
    MM_CHECK_INT(verdict, ==, MM_ARBITER_DROP);
    verdict = take_trade(0, -1); /* no id at all */
    MM_CHECK_INT(verdict, ==, MM_ARBITER_DROP);
    verdict = take_trade(0, N + 5000);
    MM_CHECK_INT(verdict, ==, MM_ARBITER_PASS);
    verdict = take_trade(1, N + 4999);
    MM_CHECK_INT(verdict, ==, MM_ARBITER_PASS);
}

static void memory_is_asked_for_and_checked(void)
{
    mm_arbiter *made = NULL;
    MM_CHECK_UINT(mm_arbiter_bytes(MM_EVENT_RECORDS_MAX - 1), ==, 0);
    MM_CHECK_INT(mm_arbiter_init(NULL, 0, HOLD_RECORDS, HOLD, &made), ==, MM_E_CAPACITY);
    MM_CHECK_INT(mm_arbiter_init(NULL, 0, HOLD_RECORDS, -1, &made), ==, MM_E_ARGUMENT);
    MM_CHECK(mm_arbiter_new(1, HOLD) == NULL);
}

static void sizes_and_times_outside_their_range_are_refused(void)
{
    static unsigned char memory[64] __attribute__((aligned(64)));
    mm_arbiter *made = NULL;
    MM_CHECK(mm_arbiter_new(MM_EVENT_RECORDS_MAX - 1, HOLD) == NULL);
    MM_CHECK(mm_arbiter_new(((size_t)1 << 24) + 1, HOLD) == NULL);
    MM_CHECK(mm_arbiter_new(HOLD_RECORDS, -1) == NULL);
    MM_CHECK(mm_arbiter_new(HOLD_RECORDS, (INT64_C(1) << 61) + 1) == NULL);
    MM_CHECK_INT(mm_arbiter_init(memory, sizeof memory, HOLD_RECORDS, HOLD, &made), ==, MM_E_CAPACITY);
    MM_CHECK_INT(mm_arbiter_init(memory, sizeof memory, 1, HOLD, &made), ==, MM_E_ARGUMENT);
    MM_CHECK(made == NULL);
}

static void partial_books_go_on_once_and_other_events_always(void)
{
    open_arbiter(2);
    mm_record partial = diff(7, 7);
    partial.kind = MM_KIND_PARTIAL;
    int32_t first = take(0, &partial), second = take(1, &partial);
    MM_CHECK(first == MM_ARBITER_PASS && second == MM_ARBITER_DROP);
    mm_record link;
    memset(&link, 0, sizeof link);
    link.kind = MM_KIND_MARKET_LINK;
    link.count = 1;
    first = take(0, &link);
    second = take(1, &link);
    MM_CHECK(first == MM_ARBITER_PASS && second == MM_ARBITER_PASS);
}

static void of_several_held_diffs_the_earliest_goes_on_first(void)
{
    open_arbiter(3); /* the third is behind: it may bring what is missing */
    mm_record start = diff(1, 10), late = diff(41, 50), early = diff(21, 30);
    for (uint32_t socket = 0; socket < 3; socket++) {
        (void)take(socket, &start);
    }
    int32_t first = take(0, &late), second = take(1, &early);
    MM_CHECK(first == MM_ARBITER_HOLD && second == MM_ARBITER_HOLD);
    MM_CHECK_UINT(out_count, ==, 1);
    now_ns += 2 * HOLD; /* it did not */
    drain();
    MM_CHECK_UINT(out_count, >=, 2);
    MM_CHECK_INT(out[1].body.depth.first_id, ==, 21);
}

int main(int argc, char **argv)
{
    static const mm_test tests[] = {
        MM_TEST(a_connection_has_joined_when_all_it_brought_has_gone_on),
        MM_TEST(every_interleaving_with_every_loss_on_one_connection_gives_the_stream),
        MM_TEST(long_streams_with_losses_on_either_connection_stay_complete),
        MM_TEST(connections_that_cut_the_stream_at_different_places_leave_no_hole),
        MM_TEST(a_hole_that_no_other_connection_can_fill_is_a_gap_at_once),
        MM_TEST(a_hole_both_connections_have_passed_is_a_gap_at_once),
        MM_TEST(a_hole_is_waited_for_until_its_time_is_over_and_no_longer),
        MM_TEST(losing_the_connection_that_was_waited_for_ends_the_wait),
        MM_TEST(what_does_not_fit_behind_a_hole_is_lost_in_it_and_the_rest_goes_on),
        MM_TEST(losing_one_of_two_loses_nothing),
        MM_TEST(a_successor_takes_over_where_its_predecessor_stops),
        MM_TEST(when_no_connection_is_left_everything_is_forgotten),
        MM_TEST(ids_that_begin_anew_within_a_connection_are_a_restart),
        MM_TEST(duplicates_alone_for_five_seconds_are_a_restart),
        MM_TEST(one_late_duplicate_after_a_silence_is_no_restart),
        MM_TEST(only_newer_best_prices_go_on),
        MM_TEST(every_trade_goes_on_once_whichever_connection_lost_it),
        MM_TEST(memory_is_asked_for_and_checked),
        MM_TEST(sizes_and_times_outside_their_range_are_refused),
        MM_TEST(partial_books_go_on_once_and_other_events_always),
        MM_TEST(of_several_held_diffs_the_earliest_goes_on_first),
    };
    int result = mm_test_main(argc, argv, tests, MM_TEST_COUNT(tests));
    mm_arbiter_free(arbiter);
    return result;
}
