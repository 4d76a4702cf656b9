/* The book against a sorted array that does everything the plain way: every query after every
 * operation. */
#include "mm_test.h"

#include "mm_book.h"

#define TICK INT64_C(1000000)

__extension__ typedef __int128 i128;

enum { MODEL_MAX = 4096 };

/* One side, best first. */
typedef struct {
    mm_level levels[MODEL_MAX];
    size_t count;
    size_t levels_max;
    bool is_bid;
    bool has_horizon;
    int64_t horizon_e8;
    uint64_t deletes, deletes_absent, evicted;
} model_side;

static model_side model[2];
static mm_book *book;

/* ---- The model ------------------------------------------------------------------------------- */

static bool better(const model_side *side, int64_t a, int64_t b)
{
    return side->is_bid ? a > b : a < b;
}

static void model_clear(void)
{
    for (int i = 0; i < 2; i++) {
        model[i].count = 0;
        model[i].has_horizon = false;
        model[i].is_bid = i == MM_BID;
    }
}

static size_t model_rank(const model_side *side, int64_t price_e8)
{
    size_t at = 0;
    while (at < side->count && better(side, side->levels[at].price_e8, price_e8)) {
        at++;
    }
    return at;
}

static void model_limit(model_side *side, int64_t price_e8)
{
    if (!side->has_horizon || better(side, price_e8, side->horizon_e8)) {
        side->has_horizon = true;
        side->horizon_e8 = price_e8;
    }
}

static void model_set(int32_t index, int64_t price_e8, int64_t qty_e8)
{
    model_side *side = &model[index];
    size_t at = model_rank(side, price_e8);
    bool there = at < side->count && side->levels[at].price_e8 == price_e8;
    size_t tail = side->count - at;
    side->deletes += qty_e8 == 0;
    side->deletes_absent += qty_e8 == 0 && !there;
    if (there && qty_e8 != 0) {
        side->levels[at].qty_e8 = qty_e8;
    } else if (there) {
        memmove(&side->levels[at], &side->levels[at + 1], (tail - 1) * sizeof(mm_level));
        side->count--;
    } else if (qty_e8 != 0) {
        memmove(&side->levels[at + 1], &side->levels[at], tail * sizeof(mm_level));
        side->levels[at].price_e8 = price_e8;
        side->levels[at].qty_e8 = qty_e8;
        side->count++;
    }
    if (side->count > side->levels_max) {
        side->count--;
        side->evicted++;
        model_limit(side, side->levels[side->count].price_e8 + (side->is_bid ? 1 : -1));
    }
}

static size_t model_known(const model_side *side)
{
    size_t count = 0;
    while (count < side->count &&
           (!side->has_horizon || !better(side, side->horizon_e8, side->levels[count].price_e8))) {
        count++;
    }
    return count;
}

/* a / b, rounded down or up, for numerators of any size a test makes (below 2^190). */
static uint64_t wide_divide(const uint64_t *digits, u128 divisor, bool up)
{
    u128 rest = 0;
    u128 quotient = 0;
    for (int bit = 191; bit >= 0; bit--) {
        rest = rest << 1 | (digits[bit / 64] >> (bit % 64) & 1);
        quotient <<= 1;
        if (rest >= divisor) {
            rest -= divisor;
            quotient |= 1;
        }
    }
    return (uint64_t)quotient + (uint64_t)(up && rest != 0);
}

static void wide_add(uint64_t *digits, u128 term)
{
    u128 low = (u128)digits[0] + (uint64_t)term;
    u128 middle = (u128)digits[1] + (uint64_t)(term >> 64) + (uint64_t)(low >> 64);
    digits[0] = (uint64_t)low;
    digits[1] = (uint64_t)middle;
    digits[2] += (uint64_t)(middle >> 64);
}

/* ---- Comparison ------------------------------------------------------------------------------ */

static void start(size_t levels_max, int64_t tick_e8)
{
    mm_book_free(book);
    memset(model, 0, sizeof(model));
    model_clear();
    model[MM_BID].levels_max = levels_max;
    model[MM_ASK].levels_max = levels_max;
    book = mm_book_new(levels_max, tick_e8);
    if (book == NULL) {
        printf("no memory for a book\n");
        exit(1);
    }
}

static void check_sums(int32_t index, size_t level_count)
{
    const model_side *side = &model[index];
    size_t known = model_known(side);
    uint64_t digits[3] = {0, 0, 0};
    u128 total = 0;
    bool saturated = true;
    int64_t vwap_e8 = 0;
    for (size_t i = 0; i < level_count && i < known; i++) {
        total += (uint64_t)side->levels[i].qty_e8;
        wide_add(digits,
                 (u128)(uint64_t)side->levels[i].price_e8 * (uint64_t)side->levels[i].qty_e8);
    }
    bool over = total > INT64_MAX;
    MM_CHECK_INT(mm_book_qty_sum(book, index, level_count, &saturated), ==,
                 over ? INT64_MAX : (int64_t)total);
    MM_CHECK(saturated == over);
    bool some = mm_book_vwap(book, index, level_count, &vwap_e8);
    MM_CHECK(some == (total > 0));
    if (some && total > 0) {
        MM_CHECK_INT(vwap_e8, ==, (int64_t)wide_divide(digits, total, false));
    }
}

static void check_imbalance(size_t level_count)
{
    double imbalance = 7.0;
    int64_t sums[2];
    for (int32_t index = 0; index < 2; index++) {
        size_t known = model_known(&model[index]);
        u128 total = 0;
        for (size_t i = 0; i < level_count && i < known; i++) {
            total += (uint64_t)model[index].levels[i].qty_e8;
        }
        sums[index] = total > INT64_MAX ? INT64_MAX : (int64_t)total;
    }
    bool some = mm_book_imbalance(book, level_count, &imbalance);
    uint64_t total = (uint64_t)sums[MM_BID] + (uint64_t)sums[MM_ASK];
    MM_CHECK(some == (total != 0));
    double wanted = total != 0 ? (double)(sums[MM_BID] - sums[MM_ASK]) / (double)total : 0.0;
    MM_CHECK_F64(imbalance, ==, wanted);
}

static void check_fill(int32_t index, int64_t qty_e8)
{
    const model_side *side = &model[index];
    size_t known = model_known(side);
    uint64_t digits[3] = {0, 0, 0};
    int64_t left_e8 = qty_e8;
    int64_t average_e8 = -1;
    for (size_t i = 0; i < known && left_e8 > 0; i++) {
        int64_t take_e8 = side->levels[i].qty_e8 < left_e8 ? side->levels[i].qty_e8 : left_e8;
        wide_add(digits, (u128)(uint64_t)side->levels[i].price_e8 * (uint64_t)take_e8);
        left_e8 -= take_e8;
    }
    bool filled = mm_book_fill_price(book, index, qty_e8, &average_e8);
    MM_CHECK(filled == (left_e8 == 0));
    if (filled && left_e8 == 0) {
        MM_CHECK_INT(average_e8, ==,
                     (int64_t)wide_divide(digits, (uint64_t)qty_e8, index == MM_ASK));
    }
}

static void check_side(int32_t index)
{
    static mm_level out[MODEL_MAX + 1];
    const model_side *side = &model[index];
    size_t known = model_known(side);
    size_t wanted[] = {0,
                       1,
                       5,
                       TOP_LEVELS - 1,
                       TOP_LEVELS,
                       TOP_LEVELS + 1,
                       1 + (size_t)mm_test_below(TOP_LEVELS),
                       MODEL_MAX};
    mm_level best = {-1, -1};
    int64_t horizon_e8 = -1;
    MM_CHECK(mm_book_best(book, index, &best) == (known > 0));
    MM_CHECK_INT(best.price_e8, ==, known > 0 ? side->levels[0].price_e8 : 0);
    MM_CHECK_INT(best.qty_e8, ==, known > 0 ? side->levels[0].qty_e8 : 0);
    MM_CHECK_UINT(mm_book_count(book, index), ==, side->count);
    MM_CHECK_UINT(mm_book_dump(book, index, MODEL_MAX, out), ==, side->count);
    MM_CHECK_BYTES(out, side->levels, side->count * sizeof(mm_level));
    MM_CHECK(mm_book_horizon(book, index, &horizon_e8) == side->has_horizon);
    MM_CHECK_INT(horizon_e8, ==, side->has_horizon ? side->horizon_e8 : -1);
    for (size_t i = 0; i < MM_TEST_COUNT(wanted); i++) {
        size_t count = wanted[i] < known ? wanted[i] : known;
        MM_CHECK_UINT(mm_book_depth(book, index, wanted[i], out), ==, count);
        MM_CHECK_BYTES(out, side->levels, count * sizeof(mm_level));
        check_sums(index, wanted[i]);
    }
    check_fill(index, 1 + (int64_t)mm_test_below(1000000000));
    check_fill(index, 1 + (int64_t)(mm_test_random() >> 2));
    if (side->count > 0) {
        const mm_level *some = &side->levels[mm_test_below(side->count)];
        MM_CHECK_INT(mm_book_qty(book, index, some->price_e8), ==, some->qty_e8);
    }
    MM_CHECK_INT(mm_book_qty(book, index, 0), ==, 0);
    MM_CHECK_INT(mm_book_qty(book, index, -TICK), ==, 0);
}

static void check_top(void)
{
    const mm_top *top = mm_book_top(book);
    bool both = model_known(&model[MM_BID]) > 0 && model_known(&model[MM_ASK]) > 0;
    int64_t bid_e8 = model[MM_BID].levels[0].price_e8;
    int64_t ask_e8 = model[MM_ASK].levels[0].price_e8;
    int64_t mid_e8 = -1;
    int64_t spread_e8 = -1;
    mm_level best;
    mm_book_best(book, MM_BID, &best);
    MM_CHECK_BYTES(&best, &top->bid_price_e8, sizeof(best));
    mm_book_best(book, MM_ASK, &best);
    MM_CHECK_BYTES(&best, &top->ask_price_e8, sizeof(best));
    MM_CHECK(mm_book_mid(book, &mid_e8) == both);
    MM_CHECK(mm_book_spread(book, &spread_e8) == both);
    MM_CHECK_INT(mm_book_crossed(book), ==,
                 !both              ? 0
                 : bid_e8 > ask_e8  ? 2
                 : bid_e8 == ask_e8 ? 1
                                    : 0);
    if (both) {
        i128 sum = (i128)bid_e8 + ask_e8;
        MM_CHECK_INT(mid_e8, ==, (int64_t)(sum / 2));
        MM_CHECK_INT(spread_e8, ==, ask_e8 - bid_e8);
    }
}

/* Levels that the last imbalance was asked of: its sums are kept while the book changes. */
static size_t kept_levels;

static void check_everything(void)
{
    mm_book_stats stats = mm_book_statistics(book);
    check_imbalance(kept_levels);
    check_imbalance(5);
    check_imbalance(1 + mm_test_below(100));
    check_top();
    check_side(MM_BID);
    check_side(MM_ASK);
    check_imbalance(0);
    kept_levels = 1 + mm_test_below(mm_test_below(8) > 0 ? 8 : 100);
    check_imbalance(kept_levels);
    MM_CHECK_UINT(stats.deletes, ==, model[0].deletes + model[1].deletes);
    MM_CHECK_UINT(stats.deletes_absent, ==, model[0].deletes_absent + model[1].deletes_absent);
    MM_CHECK_UINT(stats.evicted, ==, model[0].evicted + model[1].evicted);
    MM_CHECK(mm_book_valid(book));
}

static void set_both(int32_t side, int64_t price_e8, int64_t qty_e8)
{
    model_set(side, price_e8, qty_e8);
    mm_status status = mm_book_set(book, side, price_e8, qty_e8);
    MM_CHECK_INT(status, ==, MM_OK);
}

static void apply_both(const mm_level *bids, size_t bid_count, const mm_level *asks,
                       size_t ask_count)
{
    for (size_t i = 0; i < bid_count; i++) {
        model_set(MM_BID, bids[i].price_e8, bids[i].qty_e8);
    }
    for (size_t i = 0; i < ask_count; i++) {
        model_set(MM_ASK, asks[i].price_e8, asks[i].qty_e8);
    }
    mm_status status = mm_book_apply(book, bids, bid_count, asks, ask_count);
    MM_CHECK_INT(status, ==, MM_OK);
}

/* ---- Random books ---------------------------------------------------------------------------- */

/* How a random test makes its prices. */
typedef struct {
    size_t levels_max;
    int64_t tick_e8;
    int64_t centre_e8;
    int64_t reach_ticks; /* distance from the centre */
    int64_t drift_ticks; /* the centre moves so far at a time */
    uint64_t off_tick;   /* percent of prices that are no multiple of the tick */
    uint64_t deletes;    /* percent */
    int rounds;
} shape;

static int64_t clamp_price(i128 price_e8)
{
    return price_e8 < 1 ? 1 : price_e8 > INT64_MAX ? INT64_MAX : (int64_t)price_e8;
}

static int64_t random_price(const shape *of, int64_t centre_e8)
{
    int64_t ticks = mm_test_between(-of->reach_ticks, of->reach_ticks);
    /* Most levels lie near the centre. */
    ticks = mm_test_below(3) == 0 ? ticks : ticks / 50;
    i128 price_e8 = ((i128)(centre_e8 / of->tick_e8) + ticks) * of->tick_e8;
    if (mm_test_below(100) < of->off_tick && of->tick_e8 > 1) {
        price_e8 +=
            (int64_t)mm_test_below((uint64_t)of->tick_e8 < 1000 ? (uint64_t)of->tick_e8 : 1000);
    }
    return clamp_price(price_e8);
}

static int64_t random_qty(const shape *of)
{
    if (mm_test_below(100) < of->deletes) {
        return 0;
    }
    return mm_test_below(50) == 0
               ? 1 + (int64_t)(mm_test_random() >> 1 >> mm_test_below(40)) % INT64_MAX
               : 1 + (int64_t)mm_test_below(100000000);
}

static mm_level random_level(const shape *of, int32_t side, int64_t centre_e8)
{
    mm_level level = {random_price(of, centre_e8), random_qty(of)};
    if (level.qty_e8 == 0 && model[side].count > 0 && mm_test_below(4) != 0) {
        level.price_e8 = model[side].levels[mm_test_below(model[side].count)].price_e8;
    } else if (mm_test_below(4) == 0 && model[side].count > 0) {
        level.price_e8 = model[side]
                             .levels[mm_test_below(model[side].count < 8 ? model[side].count : 8)]
                             .price_e8;
    }
    return level;
}

static void run_shape(const shape *of)
{
    mm_level levels[2][40];
    int64_t centre_e8 = of->centre_e8;
    int rounds = mm_test_rounds(of->rounds);
    start(of->levels_max, of->tick_e8);
    check_everything();
    for (int round = 0; round < rounds; round++) {
        size_t counts[2];
        for (int32_t side = 0; side < 2; side++) {
            counts[side] = mm_test_below(mm_test_below(8) == 0 ? 40 : 6);
            for (size_t i = 0; i < counts[side]; i++) {
                levels[side][i] = random_level(of, side, centre_e8);
            }
        }
        if (mm_test_below(2) == 0) {
            apply_both(levels[0], counts[0], levels[1], counts[1]);
        } else {
            mm_level one = random_level(of, round % 2, centre_e8);
            set_both(round % 2, one.price_e8, one.qty_e8);
        }
        i128 moved =
            (i128)mm_test_between(-of->drift_ticks, of->drift_ticks) * of->tick_e8 + centre_e8;
        centre_e8 = moved < of->tick_e8 ? of->tick_e8 : clamp_price(moved);
        check_everything();
    }
}

static void every_query_agrees_after_every_change_near_one_price(void)
{
    const shape of = {1000, TICK, 67000 * INT64_C(100000000), 300, 0, 0, 40, 3000};
    run_shape(&of);
}

static void every_query_agrees_with_prices_off_the_tick(void)
{
    const shape of = {1000, TICK, 67000 * INT64_C(100000000), 60, 1, 50, 40, 3000};
    run_shape(&of);
}

static void every_query_agrees_while_the_price_drifts(void)
{
    const shape of = {2000, TICK, 67000 * INT64_C(100000000), 30000, 3000, 5, 45, 3000};
    run_shape(&of);
}

static void every_query_agrees_while_the_price_jumps(void)
{
    const shape of = {2000, TICK, 67000 * INT64_C(100000000), 3000, 400000, 5, 45, 3000};
    run_shape(&of);
}

static void every_query_agrees_at_capacity(void)
{
    const shape of = {20, TICK, 67000 * INT64_C(100000000), 400, 40, 10, 25, 4000};
    const shape smallest = {1, TICK, 67000 * INT64_C(100000000), 40, 4, 10, 25, 1500};
    run_shape(&of);
    run_shape(&smallest);
}

static void every_query_agrees_at_both_ends_of_int64(void)
{
    /* Ticks that are one, odd, a power of two, and larger than most prices. */
    static const int64_t ticks[] = {1, 3, 1 << 20, INT64_C(1) << 62, 999999937, INT64_MAX};
    for (size_t i = 0; i < MM_TEST_COUNT(ticks); i++) {
        const shape low = {500, ticks[i], 1, 40000, 900, 30, 40, 500};
        const shape high = {500, ticks[i], INT64_MAX, 40000, 900, 30, 40, 500};
        run_shape(&low);
        run_shape(&high);
    }
}

static void every_query_agrees_when_nothing_is_on_the_tick(void)
{
    const shape of = {3000, INT64_C(7) << 40, 67000 * INT64_C(100000000), 1, 0, 100, 40, 1500};
    run_shape(&of);
}

/* ---- The window ------------------------------------------------------------------------------ */

static void a_jump_of_thirty_percent_and_back_loses_nothing(void)
{
    start(3000, TICK);
    int64_t low_e8 = 60000 * INT64_C(100000000);
    int64_t high_e8 = 78000 * INT64_C(100000000);
    for (int64_t i = 0; i < 400; i++) {
        set_both(MM_BID, low_e8 - i * TICK, 1 + i);
        set_both(MM_ASK, low_e8 + (1 + i) * TICK, 1 + i);
    }
    check_everything();
    for (int jump = 0; jump < 4; jump++) {
        int64_t from_e8 = jump % 2 == 0 ? low_e8 : high_e8;
        int64_t to_e8 = jump % 2 == 0 ? high_e8 : low_e8;
        for (int64_t i = 0; i < 400; i++) {
            set_both(MM_ASK, from_e8 + (1 + i) * TICK, 0);
            set_both(MM_BID, from_e8 - i * TICK, 0);
            set_both(MM_ASK, to_e8 + (1 + i) * TICK, 5 + i);
            set_both(MM_BID, to_e8 - i * TICK, 5 + i);
            if (i % 20 == 0) {
                check_everything();
            }
        }
        /* Updates around the new price bring the window there. */
        for (int64_t i = 0; i < 400; i++) {
            set_both(i % 2 == 0 ? MM_BID : MM_ASK, to_e8 + (i % 2 == 0 ? -i : i + 1) * TICK, 9 + i);
        }
        check_everything();
    }
}

static void levels_far_apart_are_found_again(void)
{
    /* One level in every 10,000 ticks: the window holds four, the tree the rest, and the best goes
     * again and again. */
    start(2000, TICK);
    for (int64_t i = 0; i < 500; i++) {
        set_both(MM_ASK, (100000 + i * 10000) * TICK, 1 + i);
        set_both(MM_BID, (99999 - i * 150) * TICK, 1 + i);
    }
    check_everything();
    for (int64_t i = 0; i < 499; i++) {
        set_both(MM_ASK, (100000 + i * 10000) * TICK, 0);
        set_both(MM_BID, (99999 - i * 150) * TICK, 0);
        if (i % 10 == 0) {
            check_everything();
        }
    }
    check_everything();
}

/* ---- Rules ----------------------------------------------------------------------------------- */

static void a_message_with_an_invalid_level_empties_the_book(void)
{
    static const mm_level bad[] = {{0, 5},
                                   {-TICK, 5},
                                   {INT64_MIN, 5},
                                   {100 * TICK, -1},
                                   {100 * TICK, INT64_MIN},
                                   {100 * TICK + 1, -1}};
    for (size_t i = 0; i < MM_TEST_COUNT(bad); i++) {
        for (int32_t side = 0; side < 2; side++) {
            mm_level levels[3] = {{100 * TICK, 5}, bad[i], {101 * TICK, 5}};
            start(10, TICK);
            set_both(side, 99 * TICK, 1);
            mm_status status = side == MM_BID ? mm_book_apply(book, levels, 3, NULL, 0)
                                              : mm_book_apply(book, NULL, 0, levels, 3);
            MM_CHECK_INT(status, ==, MM_E_ARGUMENT);
            MM_CHECK_UINT(mm_book_count(book, MM_BID) + mm_book_count(book, MM_ASK), ==, 0);
            MM_CHECK(mm_book_valid(book));
            set_both(side, 99 * TICK, 1);
            status = mm_book_set(book, side, bad[i].price_e8, bad[i].qty_e8);
            MM_CHECK_INT(status, ==, MM_E_ARGUMENT);
            MM_CHECK_UINT(mm_book_count(book, side), ==, 0);
            /* The same where the window covers the price. */
            status = mm_book_snapshot(book, levels, 1, levels, 1, 5);
            MM_CHECK_INT(status, ==, MM_OK);
            status = mm_book_set(book, side, bad[i].price_e8, bad[i].qty_e8);
            MM_CHECK_INT(status, ==, MM_E_ARGUMENT);
            MM_CHECK_UINT(mm_book_count(book, MM_BID) + mm_book_count(book, MM_ASK), ==, 0);
            status = side == MM_BID ? mm_book_snapshot(book, levels, 3, levels, 1, 5)
                                    : mm_book_snapshot(book, levels, 1, levels, 3, 5);
            MM_CHECK_INT(status, ==, MM_E_ARGUMENT);
            MM_CHECK_UINT(mm_book_count(book, MM_BID) + mm_book_count(book, MM_ASK), ==, 0);
            MM_CHECK(mm_book_valid(book));
        }
    }
}

#if defined(NDEBUG)
static void a_level_of_no_side_changes_nothing(void)
{
    static const int32_t sides[] = {2, 3, -1, INT32_MIN};
    start(10, TICK);
    set_both(MM_BID, 99 * TICK, 1);
    set_both(MM_ASK, 100 * TICK, 1);
    for (size_t i = 0; i < MM_TEST_COUNT(sides); i++) {
        mm_status status = MM_OK;
        MM_CHECK_SURVIVES(status = mm_book_set(book, sides[i], 99 * TICK, 5));
        MM_CHECK_INT(status, ==, MM_E_ARGUMENT);
        check_everything();
    }
}
#endif

static void snapshot_both(const mm_level *bids, size_t bid_count, const mm_level *asks,
                          size_t ask_count, size_t levels_asked)
{
    model_clear();
    for (int32_t side = 0; side < 2; side++) {
        const mm_level *levels = side == MM_BID ? bids : asks;
        size_t count = side == MM_BID ? bid_count : ask_count;
        model_side before = model[side];
        for (size_t i = 0; i < count; i++) {
            model_set(side, levels[i].price_e8, levels[i].qty_e8);
        }
        model[side].deletes = before.deletes;
        model[side].deletes_absent = before.deletes_absent;
        for (size_t i = 0; i < count && count >= levels_asked; i++) {
            bool farthest = true;
            for (size_t j = 0; j < count; j++) {
                farthest &= !better(&model[side], levels[i].price_e8, levels[j].price_e8);
            }
            if (farthest) {
                model_limit(&model[side], levels[i].price_e8);
            }
        }
    }
    mm_status status = mm_book_snapshot(book, bids, bid_count, asks, ask_count, levels_asked);
    MM_CHECK_INT(status, ==, MM_OK);
}

static void a_snapshot_replaces_the_book_and_sets_the_horizon(void)
{
    mm_level levels[2][120];
    start(100, TICK);
    for (int round = 0; round < 400; round++) {
        size_t counts[2];
        int64_t centre = 1000 + (int64_t)mm_test_below(100000000);
        for (int32_t side = 0; side < 2; side++) {
            counts[side] = mm_test_below(120);
            for (size_t i = 0; i < counts[side]; i++) {
                int64_t away = (int64_t)mm_test_below(900);
                levels[side][i].price_e8 = (centre + (side == MM_BID ? -away : 1 + away)) * TICK;
                levels[side][i].qty_e8 = (int64_t)mm_test_below(10) * TICK;
            }
        }
        snapshot_both(levels[0], counts[0], levels[1], counts[1], 50);
        check_everything();
        for (int i = 0; i < 20; i++) {
            int64_t away = (int64_t)mm_test_below(1000);
            set_both(i % 2, (centre + (i % 2 == MM_BID ? -away : 1 + away)) * TICK,
                     (int64_t)mm_test_below(3));
        }
        check_everything();
    }
}

/* ---- The window ------------------------------------------------------------------------------ */

/* A price `ticks` behind a side's first one; those below follow a window that begins 4096 ticks before it. */
static int64_t behind(int32_t side, int64_t ticks)
{
    return side == MM_ASK ? (100000 + ticks) * TICK : (300000 - ticks) * TICK;
}

enum { BEFORE = 4096, END = SLOTS - BEFORE };

/* A book whose one level stands behind(side, 0), and whose window covers behind(side, -BEFORE) to behind(side, END - 1). */
static void start_window(int32_t side, size_t levels_max)
{
    const mm_level level = {behind(side, 0), 1};
    start(levels_max, TICK);
    snapshot_both(&level, side == MM_BID, &level, side == MM_ASK, 10);
    const book_side *of = &book->sides[side];
    MM_CHECK_UINT(of->low, ==, mm__book_key_from_value(of, value_of_price(of, behind(side, -BEFORE))));
    MM_CHECK_UINT(of->span, ==, SLOTS);
    MM_CHECK_UINT(of->low % WORD_BITS, !=, 0); /* both ends share a word */
}

static void check_window_begins(int32_t side, int64_t ticks)
{
    const book_side *of = &book->sides[side];
    MM_CHECK_UINT(of->low, ==, mm__book_key_from_value(of, value_of_price(of, behind(side, ticks))));
    MM_CHECK_UINT(of->low, ==, of->goal);
}

/* One message: levels at behind(side, first) and the tick behind it, then new ones one tick after another from behind(side, then). */
static void apply_two_and_run(int32_t side, int64_t first, int64_t then, size_t run_count)
{
    mm_level levels[64] = {{behind(side, first), 5}, {behind(side, first + 1), 6}};
    MM_REQUIRE(2 + run_count <= MM_TEST_COUNT(levels));
    for (size_t i = 0; i < run_count; i++) {
        levels[2 + i].price_e8 = behind(side, then + (int64_t)i);
        levels[2 + i].qty_e8 = 1;
    }
    apply_both(levels, side == MM_BID ? 2 + run_count : 0, levels, side == MM_ASK ? 2 + run_count : 0);
    MM_CHECK_INT(mm_book_qty(book, side, behind(side, first)), ==, 5);
    MM_CHECK_INT(mm_book_qty(book, side, behind(side, first + 1)), ==, 6);
}

static void levels_at_both_ends_of_a_window_are_told_apart(void)
{
    for (int32_t side = 0; side < 2; side++) {
        start_window(side, 10);
        set_both(side, behind(side, 1 - BEFORE), 3);
        set_both(side, behind(side, END - 1), 4);
        set_both(side, behind(side, 0), 0);
        check_imbalance(3); /* of two levels: behind the last one's bit stands that of the first */
        check_everything();
    }
}

static void the_farthest_level_is_found_wherever_it_stands_in_the_window(void)
{
    for (int32_t side = 0; side < 2; side++) {
        start_window(side, 1);
        set_both(side, behind(side, 1 - BEFORE), 3); /* the first sends the other away */
        check_everything();
        set_both(side, behind(side, END + 10), 3); /* goes at once: behind it, in its own word, stands the only level */
        MM_CHECK_INT(mm_book_qty(book, side, behind(side, 1 - BEFORE)), ==, 3);
        check_everything();
    }
}

static void an_empty_window_has_no_next_level(void)
{
    start(10, TICK);
    MM_CHECK_UINT(mm__book_slot_behind(book->sides[MM_ASK].window, 5), ==, NONE);
}

static void a_window_that_goes_to_a_better_price_leaves_its_first_slot_last(void)
{
    for (int32_t side = 0; side < 2; side++) {
        start_window(side, 100);
        set_both(side, behind(side, -BEFORE), 3);
        set_both(side, behind(side, 0), 0);
        for (int64_t i = 0; i < 60; i++) { /* it waits for as many as it would have spared */
            set_both(side, behind(side, -50000 + i % 2), 1 + i);
            check_everything();
        }
        check_window_begins(side, -50000 - BEFORE);
        MM_CHECK_INT(mm_book_qty(book, side, behind(side, -BEFORE)), ==, 3);
    }
}

static void a_window_follows_to_prices_where_no_level_is(void)
{
    for (int32_t side = 0; side < 2; side++) {
        start_window(side, 100);
        set_both(side, behind(side, 100 - BEFORE), 3); /* better than where the best should stand in it */
        for (int i = 0; i < 60; i++) {
            set_both(side, behind(side, -10 - BEFORE), 0);
        }
        check_everything();
        check_window_begins(side, 100 - 2 * BEFORE);
    }
}

/* The best of a message is not known before its end: the window may be on its way to a worse one, and stop anywhere on it. */
static void levels_before_where_the_window_goes_leave_it(void)
{
    for (int32_t side = 0; side < 2; side++) {
        for (size_t run_count = 31; run_count < 40; run_count++) {
            start_window(side, 100);
            set_both(side, behind(side, 20000), 1);
            set_both(side, behind(side, 0), 0);
            apply_two_and_run(side, -4000, END + 10, run_count);
            check_everything();
            /* The same of its last slots, when nothing of it stays. */
            start_window(side, 100);
            set_both(side, behind(side, 100000), 1);
            set_both(side, behind(side, 0), 0);
            apply_two_and_run(side, END - 2, 100001, run_count);
            check_everything();
        }
    }
}

/* ---- Rules of what is known ------------------------------------------------------------------- */

static void the_best_is_up_to_date_while_nothing_else_is_asked(void)
{
    for (int32_t side = 0; side < 2; side++) {
        start_window(side, 10);
        for (int64_t qty_e8 = 2; qty_e8 < 5; qty_e8++) {
            mm_level best = {0, 0};
            set_both(side, behind(side, 0), qty_e8);
            MM_CHECK(mm_book_best(book, side, &best));
            MM_CHECK_INT(best.price_e8, ==, behind(side, 0));
            MM_CHECK_INT(best.qty_e8, ==, qty_e8);
        }
        check_everything();
    }
}

/* Where the sum of two levels is kept, a third one joins it that is too large for that. */
static void a_sum_is_kept_only_of_quantities_it_can_hold(void)
{
    for (int32_t side = 0; side < 2; side++) {
        start_window(side, 10);
        set_both(side, behind(side, 1), 7);
        set_both(side, behind(side, 2), 2 * KEPT_QTY_MAX);
        set_both(1 - side, behind(1 - side, 0), 7);
        check_imbalance(2);
        MM_CHECK_UINT(book->sides[side].top->kept_count, ==, 2);
        set_both(side, behind(side, 0), 0);
        MM_CHECK_UINT(book->sides[side].top->kept_count, ==, 0);
        check_imbalance(2);
        check_everything();
    }
}

static void a_snapshot_of_nothing_is_an_empty_book_without_a_horizon(void)
{
    start_window(MM_ASK, 10);
    snapshot_both(NULL, 0, NULL, 0, 0);
    check_everything();
}

static void nothing_reads_past_the_horizon(void)
{
    static const mm_level bids[] = {{100 * TICK, 1}, {99 * TICK, 2}};
    static const mm_level asks[] = {{101 * TICK, 3}};
    mm_level out[4];
    int64_t price_e8 = 0;
    start(10, TICK);
    MM_CHECK_INT(mm_book_snapshot(book, bids, 2, asks, 1, 2), ==, MM_OK);
    MM_CHECK(mm_book_horizon(book, MM_BID, &price_e8) && price_e8 == 99 * TICK);
    MM_CHECK(!mm_book_horizon(book, MM_ASK,
                              &price_e8)); /* one level of two asked for: there are no more */
    mm_book_set(book, MM_BID, 98 * TICK, 50);
    MM_CHECK_UINT(mm_book_count(book, MM_BID), ==, 3);
    MM_CHECK_UINT(mm_book_depth(book, MM_BID, 4, out), ==, 2);
    MM_CHECK_UINT(mm_book_dump(book, MM_BID, 4, out), ==, 3);
    MM_CHECK(!mm_book_fill_price(book, MM_BID, 4, &price_e8));
    MM_CHECK(!mm_book_fill_price(book, MM_BID, 0, &price_e8));
    MM_CHECK(mm_book_fill_price(book, MM_BID, 3, &price_e8));
    /* When every known level is gone the best is not known, whatever lies beyond. */
    mm_book_set(book, MM_BID, 100 * TICK, 0);
    mm_book_set(book, MM_BID, 99 * TICK, 0);
    MM_CHECK(!mm_book_best(book, MM_BID, &out[0]));
    MM_CHECK_INT(mm_book_top(book)->bid_qty_e8, ==, 0);
    MM_CHECK_INT(mm_book_qty(book, MM_BID, 98 * TICK), ==, 50);
    mm_book_set(book, MM_BID, 99 * TICK, 6);
    MM_CHECK(mm_book_best(book, MM_BID, &out[0]) && out[0].qty_e8 == 6);
    MM_CHECK(mm_book_valid(book));
}

static void at_capacity_the_farthest_level_goes_and_the_horizon_comes_in(void)
{
    int64_t price_e8 = 0;
    start(3, TICK);
    for (int64_t i = 0; i < 3; i++) {
        set_both(MM_ASK, (100 + i) * TICK, 1);
    }
    MM_CHECK(!mm_book_horizon(book, MM_ASK, &price_e8));
    set_both(MM_ASK, 99 * TICK, 1);
    MM_CHECK_UINT(mm_book_statistics(book).evicted, ==, 1);
    MM_CHECK(mm_book_horizon(book, MM_ASK, &price_e8));
    MM_CHECK_INT(price_e8, ==, 102 * TICK - 1);
    MM_CHECK_INT(mm_book_qty(book, MM_ASK, 102 * TICK), ==, 0);
    check_everything();
}

static void a_dump_ends_where_its_room_does(void)
{
    mm_level out[3] = {{0, 0}, {0, 0}, {-1, -1}};
    start_window(MM_ASK, 10);
    for (int64_t i = 1; i < 5; i++) {
        set_both(MM_ASK, behind(MM_ASK, i), 1);
    }
    MM_CHECK_UINT(mm_book_dump(book, MM_ASK, 2, out), ==, 2);
    MM_CHECK_INT(out[1].price_e8, ==, behind(MM_ASK, 1));
    MM_CHECK_INT(out[2].price_e8, ==, -1);
}

/* Means whose sums take 192 bits, rounded and not: both away from the best. */
static void means_of_the_largest_sums_are_exact(void)
{
    for (int64_t over = 0; over < 3; over += 2) {
        start(100, 1);
        set_both(MM_BID, INT64_MAX, INT64_MAX);
        set_both(MM_ASK, 1, INT64_MAX);
        for (int64_t i = 1; i < 9; i++) { /* INT64_MAX leaves 7 modulo 9: with an excess of 2 the nine prices divide */
            set_both(MM_BID, i + (i == 8 ? over : 0), INT64_MAX);
            set_both(MM_ASK, INT64_MAX - i + 1, INT64_MAX - over * i);
        }
        for (size_t count = 1; count <= 9; count++) {
            check_sums(MM_BID, count);
            check_sums(MM_ASK, count);
        }
    }
}

static void prices_and_quantities_at_the_limits_are_exact(void)
{
    bool saturated = false;
    int64_t value_e8 = 0;
    double imbalance = 0.0;
    start(100, TICK);
    set_both(MM_ASK, INT64_MAX, INT64_MAX);
    set_both(MM_BID, 1, INT64_MAX);
    check_everything();
    for (int64_t i = 1; i < 80; i++) {
        set_both(MM_ASK, INT64_MAX - i, INT64_MAX - i);
        set_both(MM_BID, i, INT64_MAX - 3 * i);
        set_both(MM_ASK, i * 1000, INT64_MAX);
    }
    check_everything();
    MM_CHECK_INT(mm_book_qty_sum(book, MM_ASK, 2, &saturated), ==, INT64_MAX);
    MM_CHECK(saturated);
    MM_CHECK(mm_book_imbalance(book, 2, &imbalance));
    MM_CHECK_F64(imbalance, ==, 0.0);
    MM_CHECK(mm_book_fill_price(book, MM_ASK, INT64_MAX, &value_e8));
    MM_CHECK_INT(value_e8, ==, 1000);
}

static void a_sum_that_stops_fitting_is_cut_and_one_that_fits_again_is_exact(void)
{
    start(100, TICK);
    for (int64_t i = 0; i < 10; i++) {
        set_both(MM_BID, (1000 - i) * TICK, 7);
        set_both(MM_ASK, (1001 + i) * TICK, 7);
    }
    check_everything(); /* the top is exact, and each change below keeps it so or marks it */
    for (int64_t i = 0; i < 6; i++) {
        set_both(MM_BID, (1000 - i) * TICK, i % 2 == 0 ? INT64_MAX : INT64_MAX / 2);
        set_both(MM_ASK, (1001 + i) * TICK, INT64_MAX - 60);
        check_everything();
    }
    for (int64_t i = 0; i < 6; i++) {
        set_both(MM_BID, (1000 - i) * TICK, 1);
        set_both(MM_ASK, (1001 + i) * TICK, 1);
        check_everything();
    }
}

/* Changes one number of the book's memory, which must show, and changes it back. */
#define DAMAGE(place, wrong)                                                                       \
    do {                                                                                           \
        unsigned char right[sizeof(place)];                                                        \
        memcpy(right, &(place), sizeof(place));                                                    \
        (place) = (wrong);                                                                         \
        MM_CHECK(!mm_book_valid(book));                                                            \
        memcpy(&(place), right, sizeof(place));                                                    \
        MM_CHECK(mm_book_valid(book));                                                             \
    } while (0)

static void a_damaged_book_is_not_valid(void)
{
    mm_level out[5];
    start(100, TICK);
    for (int64_t i = 0; i < 10; i++) {
        set_both(MM_ASK, (100000 + i) * TICK, 5);
        set_both(MM_ASK, (100000 + i) * TICK + 3, 5);
        set_both(MM_BID, (99999 - i) * TICK, 5);
    }
    MM_CHECK_UINT(mm_book_depth(book, MM_ASK, 5, out), ==, 5);
    check_imbalance(1);
    book_side *side = &book->sides[MM_ASK];
    book_window *window = side->window;
    uint64_t slot = side->best_key % SLOTS;
    DAMAGE(window->qty_e8[slot], 0);
    DAMAGE(window->qty_e8[slot], -5);
    DAMAGE(window->qty_e8[(slot + 100) % SLOTS], 5);
    DAMAGE(window->bits[slot / WORD_BITS], 0);
    DAMAGE(side->span, 1);
    DAMAGE(side->span, SLOTS + 1);
    DAMAGE(side->low, 0);
    DAMAGE(side->low, side->key_end);
    DAMAGE(side->count_base, side->count_base + 1);
    DAMAGE(side->best_key, side->best_key + 1);
    DAMAGE(side->touch_key, NONE);
    DAMAGE(side->new_end, side->new_end + 1);
    DAMAGE(side->care_end, side->touch_key + 1);
    DAMAGE(side->top->kept_sum, side->top->kept_sum + 1);
    DAMAGE(side->top->kept_end, side->touch_key);
    DAMAGE(side->top->kept_count, 1000);
    DAMAGE(side->best_stale, true);
    DAMAGE(side->levels_max, 3);
    DAMAGE(side->best->price_e8, 1);
    DAMAGE(side->best->qty_e8, 1);
    DAMAGE(side->horizon, 1);
    DAMAGE(side->top->entries[2].level.qty_e8, 6);
    DAMAGE(side->top->entries[2].level.price_e8, 6);
    DAMAGE(side->top->entries[2].qty_sum, 6);
    DAMAGE(side->top->entries[2].cost, 6);
    DAMAGE(side->tree.count, 3);
    DAMAGE(side->tree.nodes[0].values[0], -1);
    DAMAGE(side->tree.nodes[0].ranks[0],
           mm__tree_rank_of_key(1)); /* no price in a tree may lie in the window */
    DAMAGE(side->tree.nodes[0].ranks[0], mm__tree_rank_of_key(100000 * (uint64_t)TICK));
}

static void a_locked_and_a_crossed_book_say_so(void)
{
    int64_t spread_e8 = 0;
    start(10, TICK);
    set_both(MM_BID, 100 * TICK, 1);
    MM_CHECK_INT(mm_book_crossed(book), ==, 0);
    set_both(MM_ASK, 100 * TICK, 1);
    MM_CHECK_INT(mm_book_crossed(book), ==, 1);
    set_both(MM_ASK, 99 * TICK, 1);
    MM_CHECK_INT(mm_book_crossed(book), ==, 2);
    MM_CHECK(mm_book_spread(book, &spread_e8) && spread_e8 == -TICK);
    check_everything();
}

static void clear_empties_the_book_and_keeps_the_statistics(void)
{
    start(2, TICK);
    for (int64_t i = 0; i < 5; i++) {
        set_both(MM_ASK, (100 + i) * TICK, 1);
        set_both(MM_BID, (90 - i) * TICK, 0);
    }
    mm_book_clear(book);
    model_clear();
    check_everything();
    MM_CHECK_UINT(mm_book_statistics(book).updates, ==, 10);
}

static void memory_that_does_not_fit_is_refused(void)
{
    mm_book *made = NULL;
    size_t bytes = mm_book_bytes(100);
    MM_CHECK_UINT(mm_book_bytes(0), ==, 0);
    MM_CHECK_UINT(mm_book_bytes(1000001), ==, 0);
    MM_CHECK_UINT(mm_book_bytes(10000), <, 2 << 20); /* a few MB at most */
    MM_CHECK_UINT(mm_book_bytes(1000000), >, 0);
    unsigned char *memory = mm__memory_new(bytes + 64);
    MM_REQUIRE(memory != NULL);
    memset(memory, 0xA5, bytes + 64);
    MM_CHECK_INT(mm_book_init(memory, bytes - 1, 100, TICK, &made), ==, MM_E_CAPACITY);
    MM_CHECK_INT(mm_book_init(memory + 8, bytes, 100, TICK, &made), ==, MM_E_CAPACITY);
    MM_CHECK_INT(mm_book_init(NULL, bytes, 100, TICK, &made), ==, MM_E_CAPACITY);
    MM_CHECK_INT(mm_book_init(memory, bytes, 0, TICK, &made), ==, MM_E_ARGUMENT);
    MM_CHECK_INT(mm_book_init(memory, bytes, 100, 0, &made), ==, MM_E_ARGUMENT);
    MM_CHECK_INT(mm_book_init(memory, bytes, 100, TICK, &made), ==, MM_OK);
    MM_CHECK(mm_book_valid(made)); /* whatever was in the memory before */
    MM_CHECK(mm_book_new(100, -1) == NULL);
    MM_CHECK(mm_book_new(0, TICK) == NULL);
    for (size_t i = bytes; i < bytes + 64; i++) {
        MM_REQUIRE(memory[i] == 0xA5);
    }
    mm__memory_free(memory);
}

/* The window's only level is evicted while better ones lie in the tree: what was the window's best must not be remembered. */
static void an_evicted_level_is_not_remembered_as_the_windows_best(void)
{
    static const mm_level asks[] = {{462384, 1}, {478574, 0}, {1, 5}, {2, 1}};
    mm_book *small = mm_book_new(2, 1);
    MM_REQUIRE(small != NULL);
    for (size_t i = 0; i < MM_TEST_COUNT(asks); i++) {
        MM_CHECK(mm_book_apply(small, NULL, 0, &asks[i], 1) == MM_OK);
        MM_CHECK(mm_book_valid(small));
    }
    MM_CHECK_UINT(mm_book_count(small, MM_ASK), ==, 2);
    mm_book_free(small);
}

int main(int argc, char **argv)
{
    static const mm_test tests[] = {
        MM_TEST(every_query_agrees_after_every_change_near_one_price),
        MM_TEST(every_query_agrees_with_prices_off_the_tick),
        MM_TEST(every_query_agrees_while_the_price_drifts),
        MM_TEST(every_query_agrees_while_the_price_jumps),
        MM_TEST(every_query_agrees_at_capacity),
        MM_TEST(an_evicted_level_is_not_remembered_as_the_windows_best),
        MM_TEST(every_query_agrees_at_both_ends_of_int64),
        MM_TEST(every_query_agrees_when_nothing_is_on_the_tick),
        MM_TEST(a_jump_of_thirty_percent_and_back_loses_nothing),
        MM_TEST(levels_far_apart_are_found_again),
        MM_TEST(a_message_with_an_invalid_level_empties_the_book),
#if defined(NDEBUG)
        MM_TEST(a_level_of_no_side_changes_nothing),
#endif
        MM_TEST(a_snapshot_replaces_the_book_and_sets_the_horizon),
        MM_TEST(levels_at_both_ends_of_a_window_are_told_apart),
        MM_TEST(the_farthest_level_is_found_wherever_it_stands_in_the_window),
        MM_TEST(an_empty_window_has_no_next_level),
        MM_TEST(a_window_that_goes_to_a_better_price_leaves_its_first_slot_last),
        MM_TEST(a_window_follows_to_prices_where_no_level_is),
        MM_TEST(levels_before_where_the_window_goes_leave_it),
        MM_TEST(the_best_is_up_to_date_while_nothing_else_is_asked),
        MM_TEST(a_sum_is_kept_only_of_quantities_it_can_hold),
        MM_TEST(a_snapshot_of_nothing_is_an_empty_book_without_a_horizon),
        MM_TEST(nothing_reads_past_the_horizon),
        MM_TEST(at_capacity_the_farthest_level_goes_and_the_horizon_comes_in),
        MM_TEST(a_dump_ends_where_its_room_does),
        MM_TEST(prices_and_quantities_at_the_limits_are_exact),
        MM_TEST(means_of_the_largest_sums_are_exact),
        MM_TEST(a_sum_that_stops_fitting_is_cut_and_one_that_fits_again_is_exact),
        MM_TEST(a_damaged_book_is_not_valid),
        MM_TEST(a_locked_and_a_crossed_book_say_so),
        MM_TEST(clear_empties_the_book_and_keeps_the_statistics),
        MM_TEST(memory_that_does_not_fit_is_refused),
    };
    int result = mm_test_main(argc, argv, tests, MM_TEST_COUNT(tests));
    mm_book_free(book);
    return result;
}
