/* Any messages, single levels and snapshots: after each, every query of the book against two sorted arrays. */
#include "book_twin.h"

enum { MESSAGE_LEVELS_MAX = 48 };

typedef struct {
    fuzz_input in;
    mm_book *book;
    twin_book *twin;
    int64_t tick_e8;
    int64_t centre; /* in ticks */
} book_run;

/* ---- Queries ---- */

/* floor(sum of price * qty / sum of qty), with sums that no machine word holds. */
static int64_t slow_vwap(const mm_level *levels, size_t count)
{
    fuzz_u128 low = 0, high = 0, qty_sum = 0;
    for (size_t i = 0; i < count; i++) {
        fuzz_u128 product = (fuzz_u128)levels[i].price_e8 * (fuzz_u128)levels[i].qty_e8;
        low += product;
        high += low < product ? 1 : 0;
        qty_sum += (fuzz_u128)levels[i].qty_e8;
    }
    uint64_t result = 0;
    for (uint64_t bit = (uint64_t)1 << 62; bit > 0; bit >>= 1) {
        fuzz_u128 tried = result | bit;
        fuzz_u128 part = tried * (qty_sum >> 64);
        fuzz_u128 tried_low = tried * (uint64_t)qty_sum;
        fuzz_u128 tried_high = part >> 64;
        tried_low += part << 64;
        tried_high += tried_low < part << 64 ? 1 : 0;
        if (tried_high < high || (tried_high == high && tried_low <= low)) {
            result = (uint64_t)tried;
        }
    }
    return (int64_t)result;
}

static void check_side_sums(const book_run *run, int32_t side, size_t count)
{
    const mm_level *levels = run->twin->sides[side].levels;
    size_t known = twin_known(run->twin, side);
    size_t taken = count < known ? count : known;
    static mm_level read[TWIN_LEVELS_MAX];
    fuzz_u128 sum = 0;
    bool saturated = false;
    int64_t vwap_e8 = 0;
    for (size_t i = 0; i < taken; i++) {
        sum += (fuzz_u128)levels[i].qty_e8;
    }
    FUZZ_EQUAL(mm_book_depth(run->book, side, count, read), taken);
    FUZZ_CHECK(memcmp(read, levels, taken * sizeof read[0]) == 0);
    FUZZ_EQUAL(mm_book_qty_sum(run->book, side, count, &saturated), sum > INT64_MAX ? INT64_MAX : (int64_t)sum);
    FUZZ_EQUAL(saturated, sum > INT64_MAX);
    FUZZ_EQUAL(mm_book_vwap(run->book, side, count, &vwap_e8), taken > 0);
    FUZZ_CHECK(taken == 0 || vwap_e8 == slow_vwap(levels, taken));
}

static void check_fill(const book_run *run, int32_t side, int64_t qty_e8)
{
    const mm_level *levels = run->twin->sides[side].levels;
    size_t known = twin_known(run->twin, side);
    int64_t left = qty_e8, average_e8 = 0;
    fuzz_u128 cost = 0;
    for (size_t i = 0; i < known && left > 0; i++) {
        int64_t taken = levels[i].qty_e8 < left ? levels[i].qty_e8 : left;
        cost += (fuzz_u128)levels[i].price_e8 * (fuzz_u128)taken;
        left -= taken;
    }
    FUZZ_EQUAL(mm_book_fill_price(run->book, side, qty_e8, &average_e8), left == 0);
    if (left == 0) {
        fuzz_u128 qty = (fuzz_u128)qty_e8;
        FUZZ_EQUAL(average_e8, (cost + (side == MM_ASK ? qty - 1 : 0)) / qty);
    }
}

static void check_imbalance(const book_run *run, size_t count)
{
    int64_t sums[2];
    double imbalance = 0.0;
    for (int32_t side = 0; side < 2; side++) {
        bool saturated = false;
        sums[side] = mm_book_qty_sum(run->book, side, count, &saturated);
    }
    FUZZ_EQUAL(mm_book_imbalance(run->book, count, &imbalance), (sums[0] | sums[1]) != 0);
    if ((sums[0] | sums[1]) != 0) {
        double wanted = (double)((fuzz_i128)sums[0] - sums[1]) / (double)((fuzz_i128)sums[0] + sums[1]);
        FUZZ_CHECK(memcmp(&imbalance, &wanted, sizeof wanted) == 0);
    }
}

static void check_top(const book_run *run)
{
    const mm_top *top = mm_book_top(run->book);
    const mm_level none = {0, 0};
    mm_level best[2];
    int64_t mid_e8 = 0, spread_e8 = 0, inline_mid_e8 = 0, inline_spread_e8 = 0;
    for (int32_t side = 0; side < 2; side++) {
        bool there = twin_known(run->twin, side) > 0;
        mm_level read = none;
        best[side] = there ? run->twin->sides[side].levels[0] : none;
        FUZZ_EQUAL(mm_book_best(run->book, side, &read), there);
        FUZZ_CHECK(!there || memcmp(&read, &best[side], sizeof read) == 0);
    }
    bool both = best[0].qty_e8 > 0 && best[1].qty_e8 > 0;
    FUZZ_CHECK(memcmp(top, best, sizeof *top) == 0);
    FUZZ_EQUAL(mm_book_mid(run->book, &mid_e8), both);
    FUZZ_EQUAL(mm_book_spread(run->book, &spread_e8), both);
    FUZZ_EQUAL(mm_top_mid(top, &inline_mid_e8), both);
    FUZZ_EQUAL(mm_top_spread(top, &inline_spread_e8), both);
    int32_t crossed = !both || best[0].price_e8 < best[1].price_e8 ? 0 : best[0].price_e8 == best[1].price_e8 ? 1 : 2;
    FUZZ_EQUAL(mm_book_crossed(run->book), crossed);
    FUZZ_EQUAL(mm_top_crossed(top), crossed);
    if (both) {
        FUZZ_EQUAL(mid_e8, ((fuzz_u128)best[0].price_e8 + (fuzz_u128)best[1].price_e8) / 2);
        FUZZ_EQUAL(spread_e8, best[1].price_e8 - best[0].price_e8);
        FUZZ_EQUAL(inline_mid_e8, mid_e8);
        FUZZ_EQUAL(inline_spread_e8, spread_e8);
    }
}

static void check_all(book_run *run)
{
    static const size_t counts[] = {0, 1, 5, 10, 255, 256, 257, TWIN_LEVELS_MAX};
    mm_book_stats stats = mm_book_statistics(run->book);
    check_top(run);
    twin_check_levels(run->twin, run->book);
    size_t count = counts[fuzz_u8(&run->in) % 8];
    int64_t qty_e8 = fuzz_i64_in(&run->in, 1, INT64_MAX);
    for (int32_t side = 0; side < 2; side++) {
        check_side_sums(run, side, count);
        check_fill(run, side, qty_e8);
    }
    check_imbalance(run, count);
    FUZZ_CHECK(memcmp(&stats, &run->twin->stats, sizeof stats) == 0);
    if ((fuzz_u8(&run->in) & 127) == 127) { /* it looks at each slot of the window */
        FUZZ_CHECK(mm_book_valid(run->book));
    }
}

/* ---- Changes ---- */

/* Near the centre, at a level that is there, beside the grid, or anywhere; seldom one that is not allowed. */
static int64_t take_price(book_run *run, int32_t side)
{
    const twin_side *s = &run->twin->sides[side];
    uint8_t kind = fuzz_u8(&run->in);
    fuzz_i128 price = 0;
    if (kind < 64 && s->count > 0) {
        return s->levels[fuzz_below(&run->in, s->count)].price_e8;
    }
    if (kind >= 240) {
        return fuzz_i64(&run->in);
    }
    int64_t reach = kind < 160 ? 64 : kind < 200 ? 3000 : 100000;
    price = ((fuzz_i128)run->centre + fuzz_between(&run->in, -reach, reach)) * run->tick_e8;
    price += (kind & 15) == 0 ? fuzz_u8(&run->in) : 0;
    return price < 1 ? 1 : price > INT64_MAX ? INT64_MAX : (int64_t)price;
}

static mm_level take_level(book_run *run, int32_t side)
{
    mm_level level;
    level.price_e8 = take_price(run, side);
    uint8_t kind = fuzz_u8(&run->in);
    level.qty_e8 = kind < 80 ? 0 : kind < 250 ? kind * INT64_C(1000000) : fuzz_i64(&run->in);
    return level;
}

static size_t take_levels(book_run *run, int32_t side, mm_level *levels)
{
    size_t count = fuzz_u8(&run->in) % (MESSAGE_LEVELS_MAX + 1);
    for (size_t i = 0; i < count; i++) {
        levels[i] = take_level(run, side);
    }
    return count;
}

/* A ladder: what fills a book with few bytes of input. */
static void do_ladder(book_run *run)
{
    int32_t side = fuzz_u8(&run->in) & 1;
    int64_t stride = 1 + fuzz_u8(&run->in), first = fuzz_between(&run->in, -2000, 2000);
    size_t count = 1 + fuzz_below(&run->in, 400);
    int64_t qty_e8 = fuzz_u8(&run->in) < 200 ? 1 + fuzz_u8(&run->in) : 0;
    static mm_level levels[400];
    for (size_t i = 0; i < count; i++) {
        fuzz_i128 price = ((fuzz_i128)run->centre + first + (side == MM_BID ? -stride : stride) * (int64_t)i) * run->tick_e8;
        levels[i].price_e8 = price < 1 ? 1 : price > INT64_MAX ? INT64_MAX : (int64_t)price;
        levels[i].qty_e8 = qty_e8;
    }
    size_t bid_count = side == MM_BID ? count : 0;
    mm_status status = mm_book_apply(run->book, levels, bid_count, levels, count - bid_count);
    FUZZ_EQUAL(status == MM_OK, twin_apply(run->twin, levels, bid_count, levels, count - bid_count));
}

static void do_message(book_run *run, bool snapshot)
{
    static mm_level bids[MESSAGE_LEVELS_MAX], asks[MESSAGE_LEVELS_MAX];
    size_t bid_count = take_levels(run, MM_BID, bids), ask_count = take_levels(run, MM_ASK, asks);
    if (!snapshot) {
        mm_status status = mm_book_apply(run->book, bids, bid_count, asks, ask_count);
        FUZZ_EQUAL(status, twin_apply(run->twin, bids, bid_count, asks, ask_count) ? MM_OK : MM_E_ARGUMENT);
        return;
    }
    size_t asked = 1 + fuzz_below(&run->in, MESSAGE_LEVELS_MAX + 10);
    mm_status status = mm_book_snapshot(run->book, bids, bid_count, asks, ask_count, asked);
    FUZZ_EQUAL(status, twin_snapshot(run->twin, bids, bid_count, asks, ask_count, asked) ? MM_OK : MM_E_ARGUMENT);
}

static void do_set(book_run *run)
{
    int32_t side = fuzz_u8(&run->in) & 1;
    mm_level level = take_level(run, side);
    size_t bid_count = side == MM_BID ? 1 : 0;
    mm_status status = mm_book_set(run->book, side, level.price_e8, level.qty_e8);
    FUZZ_EQUAL(status, twin_apply(run->twin, &level, bid_count, &level, 1 - bid_count) ? MM_OK : MM_E_ARGUMENT);
}

static void do_take_best(book_run *run)
{
    static mm_level gone[256];
    int32_t side = fuzz_u8(&run->in) & 1;
    const twin_side *s = &run->twin->sides[side];
    size_t count = fuzz_u8(&run->in);
    count = count < s->count ? count : s->count;
    for (size_t i = 0; i < count; i++) {
        gone[i].price_e8 = s->levels[i].price_e8;
        gone[i].qty_e8 = 0;
    }
    size_t bid_count = side == MM_BID ? count : 0;
    FUZZ_EQUAL(mm_book_apply(run->book, gone, bid_count, gone, count - bid_count), MM_OK);
    FUZZ_CHECK(twin_apply(run->twin, gone, bid_count, gone, count - bid_count));
}

static void do_one(book_run *run)
{
    uint8_t what = fuzz_u8(&run->in);
    if (what < 100) {
        do_message(run, false);
    } else if (what < 140) {
        do_set(run);
    } else if (what < 170) {
        do_ladder(run);
    } else if (what < 195) {
        do_take_best(run);
    } else if (what < 215) {
        do_message(run, true);
    } else if (what < 250) {
        static const int64_t units[4] = {1, 100, 3000, 500000};
        fuzz_i128 centre = run->centre + (fuzz_i128)fuzz_between(&run->in, -9, 9) * units[what & 3];
        run->centre = centre < 1 ? 1 : centre > INT64_MAX ? INT64_MAX : (int64_t)centre;
    } else {
        mm_book_clear(run->book);
        twin_clear(run->twin);
    }
}

/* In memory that is kept from one input to the next, dirty: init clears what it needs. */
static mm_book *make_book(void **memory, size_t levels_max, int64_t tick_e8)
{
    mm_book *book = NULL;
    size_t bytes = mm_book_bytes(levels_max);
    if (*memory == NULL) {
        *memory = fuzz_memory(bytes);
    }
    FUZZ_EQUAL(mm_book_init(*memory, bytes, levels_max, tick_e8, &book), MM_OK);
    return book;
}

/* Another book with the same known levels is the same, and with one of them changed it is not, at that level. */
static void check_same(book_run *run)
{
    static void *other_memory;
    mm_book *other = make_book(&other_memory, TWIN_LEVELS_MAX, 1 + fuzz_u8(&run->in));
    int32_t side = 0;
    int64_t price_e8 = 0;
    for (int32_t s = 0; s < 2; s++) {
        for (size_t i = 0; i < twin_known(run->twin, s); i++) {
            const mm_level *level = &run->twin->sides[s].levels[i];
            FUZZ_EQUAL(mm_book_set(other, s, level->price_e8, level->qty_e8), MM_OK);
        }
    }
    FUZZ_CHECK(mm_book_same(run->book, other, &side, &price_e8) && mm_book_same(other, run->book, &side, &price_e8));
    int32_t changed_side = fuzz_u8(&run->in) & 1;
    size_t known = twin_known(run->twin, changed_side);
    if (known > 0) {
        mm_level level = run->twin->sides[changed_side].levels[fuzz_below(&run->in, known)];
        mm_book_set(other, changed_side, level.price_e8, fuzz_bool(&run->in) ? 0 : level.qty_e8 ^ 1);
        FUZZ_CHECK(!mm_book_same(run->book, other, &side, &price_e8));
        FUZZ_CHECK(side == changed_side && price_e8 == level.price_e8);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t capacities[8] = {1, 2, 5, 40, 255, 257, 600, TWIN_LEVELS_MAX};
    static const int64_t ticks[8] = {1, 3, 100, 1000000, 1 << 20, INT64_C(7) << 40, INT64_MAX, 10};
    static twin_book twin;
    static void *memory[8];
    book_run run = {{data, size}, NULL, &twin, 0, 0};
    size_t kind = fuzz_u8(&run.in) % 8;
    memset(&twin, 0, sizeof twin);
    twin.levels_max = capacities[kind];
    run.tick_e8 = ticks[fuzz_u8(&run.in) % 8];
    run.centre = fuzz_i64_in(&run.in, 1, INT64_MAX / run.tick_e8);
    run.book = make_book(&memory[kind], twin.levels_max, run.tick_e8);
    while (run.in.left > 0) {
        do_one(&run);
        check_all(&run);
    }
    if ((size & 7) == 0) { /* another book costs more than all the rest */
        check_same(&run);
    }
    return 0;
}
