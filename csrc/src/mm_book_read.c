/* Queries: levels in order, the top, sums over levels, and the invariants. mm_book.h tells how the
 * book is built. */
#include "mm_book.h"

/* ---- Levels in order
 * ----------------------------------------------------------------------------- */

/* Merges window and tree, best first, up to `limit`. */
typedef struct {
    const book_side *side;
    uint64_t limit; /* no value beyond it */
    uint64_t key;   /* of the window's next level; NONE at its end */
    uint64_t word;  /* its word of bits, from it on */
    uint64_t window_value;
    uint64_t tree_value; /* NONE at the tree's end */
    mm__tree_at at;
    uint64_t resume; /* behind the last window key taken, 0 if none was */
} cursor;

/* Finds the window's next level at or after `from`. */
static inline void cursor_window(cursor *walk, uint64_t from)
{
    const book_side *side = walk->side;
    walk->key = window_next(side, from);
    walk->word = side->window->bits[walk->key % SLOTS / WORD_BITS] >> (walk->key % WORD_BITS);
    walk->window_value = walk->key != NONE ? value_of_key(side, walk->key) : NONE;
}

/* Goes on to the level behind the present one: mostly in the same word. */
static inline void cursor_window_step(cursor *walk)
{
    const book_side *side = walk->side;
    uint64_t rest = walk->word >> 1;
    if (MM_UNLIKELY(rest == 0)) {
        cursor_window(walk, walk->key + 1);
        return;
    }
    uint32_t skip = lowest_bit(rest);
    walk->word = rest >> skip;
    walk->key += skip + 1;
    walk->window_value = in_window(side, walk->key) ? value_of_key(side, walk->key) : NONE;
}

/* Starts at the best level, or behind an entry of the top (NULL = none). */
static void cursor_open(cursor *walk, const book_side *side, const top_entry *behind,
                        uint64_t limit)
{
    uint64_t after = behind != NULL ? value_of_price(side, behind->level.price_e8) : 0;
    walk->side = side;
    walk->limit = limit;
    walk->resume = behind != NULL ? behind->resume : 0;
    cursor_window(walk, behind != NULL ? behind->resume : side->best_key);
    walk->tree_value = side->tree.first_key;
    walk->at.node = 0;
    walk->at.slot = 0;
    if (walk->tree_value <= after) {
        bool more = after < VALUE_LAST && mm__tree_seek(&side->tree, after + 1, &walk->at);
        walk->tree_value = more ? mm__tree_key(&side->tree, walk->at) : NONE;
    }
}

static bool cursor_take(cursor *walk, mm_level *level)
{
    const book_side *side = walk->side;
    if (walk->window_value < walk->tree_value) {
        if (walk->window_value > walk->limit) {
            return false;
        }
        level->price_e8 = price_of_value(side, walk->window_value);
        level->qty_e8 = side->window->qty_e8[walk->key % SLOTS];
        walk->resume = walk->key + 1;
        cursor_window_step(walk);
        return true;
    }
    if (walk->tree_value > walk->limit) {
        return false;
    }
    level->price_e8 = price_of_value(side, walk->tree_value);
    level->qty_e8 = mm__tree_value(&side->tree, walk->at);
    bool more = mm__tree_step(&side->tree, &walk->at);
    walk->tree_value = more ? mm__tree_key(&side->tree, walk->at) : NONE;
    return true;
}

static inline uint64_t sum_capped(uint64_t sum, int64_t qty_e8)
{
    sum += (uint64_t)qty_e8;
    return sum < SUM_OVER ? sum : SUM_OVER;
}

static inline const top_entry *top_last(const book_top *top)
{
    return top->count > 0 ? &top->entries[top->count - 1] : NULL;
}

/* What goes on from entry to entry while the top is extended. */
typedef struct {
    uint64_t best;
    uint64_t qty_sum;
    u128 cost;
} top_sums;

static inline top_sums top_sums_of(const book_side *side)
{
    const top_entry *last = top_last(side->top);
    top_sums sums = {value_of_price(side, side->best->price_e8), 0, 0};
    if (last != NULL) {
        sums.qty_sum = last->qty_sum;
        sums.cost = last->cost;
    }
    return sums;
}

/* Completes an entry whose level stands there. */
static inline void top_add(top_sums *sums, top_entry *entry, uint64_t value, uint64_t resume)
{
    sums->qty_sum = sum_capped(sums->qty_sum, entry->level.qty_e8);
    sums->cost += (u128)(value - sums->best) * (uint64_t)entry->level.qty_e8;
    entry->qty_sum = sums->qty_sum;
    entry->cost = sums->cost;
    entry->resume = resume;
}

/* Extends the top to `wanted` entries with levels of the window that stand before the tree's first.
 */
static void top_extend_inside(const book_side *side, size_t wanted)
{
    book_top *top = side->top;
    const top_entry *last = top_last(top);
    top_sums sums = top_sums_of(side);
    uint64_t key = last != NULL ? last->resume : side->best_key;
    uint64_t limit = value_of_key(side, side->low + side->span - 1);
    size_t count = top->count;
    limit = limit < side->horizon ? limit : side->horizon;
    limit = limit < side->tree.first_key ? limit : side->tree.first_key;
    while (count < wanted && (key = window_next(side, key)) != NONE) {
        uint64_t word = side->window->bits[key % SLOTS / WORD_BITS] >> (key % WORD_BITS);
        for (; word != 0 && count < wanted; word >>= 1) {
            uint32_t skip = lowest_bit(word);
            word >>= skip;
            key += skip;
            uint64_t value = value_of_key(side, key);
            if (value > limit) {
                top->count = count;
                return;
            }
            top_entry *entry = &top->entries[count++];
            entry->level.price_e8 = price_of_value(side, value);
            entry->level.qty_e8 = side->window->qty_e8[key % SLOTS];
            key++;
            top_add(&sums, entry, value, key);
        }
    }
    top->count = count;
}

/* The same for any levels, to the horizon. */
static void top_extend_merged(const book_side *side, size_t wanted)
{
    book_top *top = side->top;
    top_sums sums = top_sums_of(side);
    cursor walk;
    cursor_open(&walk, side, top_last(top), side->horizon);
    while (top->count < wanted && cursor_take(&walk, &top->entries[top->count].level)) {
        top_entry *entry = &top->entries[top->count++];
        top_add(&sums, entry, value_of_price(side, entry->level.price_e8), walk.resume);
    }
}

/* All entries are exact. */
static void mark_exact(const book_side *side)
{
    book_top *top = side->top;
    const top_entry *last = top_last(top);
    uint64_t end = care_end_least(side);
    top->changed = 0;
    if (last != NULL) {
        uint64_t value = value_of_price(side, last->level.price_e8);
        bool inside = value_of_key(side, last->resume - 1) == value;
        uint64_t top_end = inside ? last->resume : mm__book_key_from_value(side, value + 1);
        top->changed = value + 1;
        end = top_end > end ? top_end : end < NONE ? end + 1 : NONE;
    }
    *top->care_end = end;
}

/* Makes the first `wanted` <= TOP_LEVELS entries exact, as far as there are levels; returns how
 * many of them there are. */
static size_t top_extend(const book_side *side, size_t wanted)
{
    book_top *top = side->top;
    size_t exact = 0;
    while (entry_exact(side, exact)) {
        exact++;
    }
    MM_ASSERT(exact < wanted); /* else it would not be asked for */
    top->count = exact;
    if (side->touch_key != NONE) {
        top_extend_inside(side, wanted);
    }
    if (top->count < wanted) {
        top_extend_merged(side, wanted);
    }
    mark_exact(side);
    return top->count < wanted ? top->count : wanted;
}

/* The first `wanted` levels, no more than TOP_LEVELS, made exact: how many there are. */
static inline size_t top_ready(const book_side *side, size_t wanted)
{
    wanted = wanted < TOP_LEVELS ? wanted : TOP_LEVELS;
    if (MM_LIKELY(entry_exact(side, wanted - 1))) {
        return wanted;
    }
    return wanted > 0 ? top_extend(side, wanted) : 0;
}

/* A cursor behind a full top, for queries that go deeper. */
static void cursor_behind_top(cursor *walk, const book_side *side)
{
    MM_ASSERT(entry_exact(side, TOP_LEVELS - 1));
    cursor_open(walk, side, top_last(side->top), side->horizon);
}

static const book_side *side_of(const mm_book *book, int32_t side)
{
    MM_ASSERT(side == MM_BID || side == MM_ASK);
    return &book->sides[side == MM_ASK];
}

/* ---- Queries
 * ------------------------------------------------------------------------------------- */

const mm_top *mm_book_top(const mm_book *book)
{
    return &book->published.top;
}

bool mm_book_best(const mm_book *book, int32_t side, mm_level *best)
{
    MM_ASSERT(side == MM_BID || side == MM_ASK);
    *best = book->published.best[side == MM_ASK];
    return best->qty_e8 != 0;
}

bool mm_book_mid(const mm_book *book, int64_t *mid_e8)
{
    return mm_top_mid(&book->published.top, mid_e8);
}

bool mm_book_spread(const mm_book *book, int64_t *spread_e8)
{
    return mm_top_spread(&book->published.top, spread_e8);
}

int32_t mm_book_crossed(const mm_book *book)
{
    return mm_top_crossed(&book->published.top);
}

size_t mm_book_count(const mm_book *book, int32_t side)
{
    return level_count_of(side_of(book, side));
}

int64_t mm_book_qty(const mm_book *book, int32_t side, int64_t price_e8)
{
    const book_side *of = side_of(book, side);
    if (price_e8 <= 0) {
        return 0;
    }
    uint64_t key = key_of_price(of->inverse, of->shift, price_e8);
    return in_window(of, key) ? of->window->qty_e8[key % SLOTS]
                              : mm__tree_get(&of->tree, value_of_price(of, price_e8));
}

size_t mm_book_depth(const mm_book *book, int32_t side, size_t level_count, mm_level *out)
{
    const book_side *of = side_of(book, side);
    size_t count = top_ready(of, level_count);
    MM_ASSERT(out != NULL || level_count == 0);
    for (size_t i = 0; i < count; i++) {
        out[i] = of->top->entries[i].level;
    }
    if (count == TOP_LEVELS && level_count > TOP_LEVELS) {
        cursor walk;
        cursor_behind_top(&walk, of);
        while (count < level_count && cursor_take(&walk, &out[count])) {
            count++;
        }
    }
    return count;
}

size_t mm_book_dump(const mm_book *book, int32_t side, size_t level_count, mm_level *out)
{
    const book_side *of = side_of(book, side);
    size_t count = 0;
    cursor walk;
    MM_ASSERT(out != NULL || level_count == 0);
    cursor_open(&walk, of, NULL, NO_HORIZON);
    while (count < level_count && cursor_take(&walk, &out[count])) {
        count++;
    }
    return count;
}

/* Whether a side of two books has the same levels up to the nearer horizon; else *price_e8 is the best price that
 * differs. */
static bool side_same(const book_side *one, const book_side *other, int64_t *price_e8)
{
    uint64_t limit = one->horizon < other->horizon ? one->horizon : other->horizon;
    cursor walk, walk_other;
    cursor_open(&walk, one, NULL, limit);
    cursor_open(&walk_other, other, NULL, limit);
    for (;;) { /* a level a turn */
        mm_level level = {0, 0}, level_other = {0, 0};
        bool some = cursor_take(&walk, &level);
        bool some_other = cursor_take(&walk_other, &level_other);
        if (!some && !some_other) {
            return true;
        }
        uint64_t value = some ? value_of_price(one, level.price_e8) : NONE;
        uint64_t value_other = some_other ? value_of_price(one, level_other.price_e8) : NONE;
        if (value != value_other || level.qty_e8 != level_other.qty_e8) {
            *price_e8 = price_of_value(one, value < value_other ? value : value_other);
            return false;
        }
    }
}

bool mm_book_same(const mm_book *book, const mm_book *other, int32_t *side, int64_t *price_e8)
{
    MM_ASSERT(side != NULL && price_e8 != NULL);
    for (*side = MM_BID; *side <= MM_ASK; ++*side) {
        if (!side_same(side_of(book, *side), side_of(other, *side), price_e8)) {
            return false;
        }
    }
    return true;
}

/* Sum of the levels behind a full top up to number level_count, added to that of the top. */
static uint64_t qty_sum_deep(const book_side *side, size_t level_count)
{
    uint64_t sum_e8 = top_last(side->top)->qty_sum;
    cursor walk;
    mm_level level;
    cursor_behind_top(&walk, side);
    for (size_t i = TOP_LEVELS; i < level_count && cursor_take(&walk, &level); i++) {
        sum_e8 = sum_capped(sum_e8, level.qty_e8);
    }
    return sum_e8;
}

/* Sum of the first level_count quantities, SUM_OVER when it does not fit int64. */
static inline uint64_t qty_sum(const book_side *side, size_t level_count)
{
    size_t count = top_ready(side, level_count);
    if (MM_UNLIKELY(count == TOP_LEVELS && level_count > TOP_LEVELS)) {
        return qty_sum_deep(side, level_count);
    }
    return count > 0 ? side->top->entries[count - 1].qty_sum : 0;
}

int64_t mm_book_qty_sum(const mm_book *book, int32_t side, size_t level_count, bool *saturated)
{
    uint64_t sum_e8 = qty_sum(side_of(book, side), level_count);
    *saturated = sum_e8 == SUM_OVER;
    return sum_e8 == SUM_OVER ? INT64_MAX : (int64_t)sum_e8;
}

/* Of any sums. */
static bool imbalance_of(uint64_t bids_e8, uint64_t asks_e8, double *imbalance)
{
    bids_e8 -= bids_e8 == SUM_OVER;
    asks_e8 -= asks_e8 == SUM_OVER;
    *imbalance = 0.0;
    if (bids_e8 + asks_e8 == 0) {
        return false;
    }
    *imbalance = (double)((int64_t)bids_e8 - (int64_t)asks_e8) / (double)(bids_e8 + asks_e8);
    return true;
}

/* The sum of the first level_count quantities, kept from now on, where the window has them all; false where it has
 * not, or they are too large. */
static bool sum_keep(const book_side *side, size_t level_count)
{
    book_top *top = side->top;
    uint64_t key = side->touch_key;
    uint64_t sum_e8 = 0;
    uint64_t sums = 0; /* bits of all of them: where the sum first grew too large it shows */
    size_t left = level_count;
    while (left > 0 && (key = window_next(side, key)) != NONE) {
        const int64_t *qty_e8 = &side->window->qty_e8[key % SLOTS];
        uint64_t word = side->window->bits[key % SLOTS / WORD_BITS] >> (key % WORD_BITS);
        uint32_t at = 0;
        for (; left > 0 && word != 0; left--) {
            at = lowest_bit(word);
            word &= word - 1;
            sum_e8 += (uint64_t)qty_e8[at];
            sums |= sum_e8;
        }
        key += at + 1;
    }
    uint64_t last = value_of_key(side, key - 1);
    if (key >= NONE - 1 || !in_window(side, key - 1) || last > side->tree.first_key || last > side->horizon ||
        sums >= KEPT_SUM_MAX) {
        return false;
    }
    top->kept_count = level_count;
    top->kept_end = key;
    top->kept_sum = sum_e8;
    *top->care_end = *top->care_end > key ? *top->care_end : key + 1;
    return true;
}

/* The part of mm_book_imbalance that has something to sum. (Linked, so that it is not inlined.) */
bool mm__book_imbalance_anew(const mm_book *book, size_t level_count, double *imbalance)
{
    uint64_t sums[2];
    for (int32_t i = 0; i < 2; i++) {
        const book_side *side = &book->sides[i];
        bool kept = side->top->kept_count == level_count ||
                    (level_count - 1 < KEPT_LEVELS_MAX && sum_keep(side, level_count));
        sums[i] = kept ? side->top->kept_sum : qty_sum(side, level_count);
    }
    return imbalance_of(sums[MM_BID], sums[MM_ASK], imbalance);
}

bool mm_book_imbalance(const mm_book *book, size_t level_count, double *imbalance)
{
    const book_top *bids = book->sides[MM_BID].top;
    const book_top *asks = book->sides[MM_ASK].top;
    int64_t bids_e8 = (int64_t)bids->kept_sum;
    int64_t asks_e8 = (int64_t)asks->kept_sum;
    if (MM_UNLIKELY(bids->kept_count != level_count || asks->kept_count != level_count || level_count == 0)) {
        return mm__book_imbalance_anew(book, level_count, imbalance);
    }
    /* Signed conversions are one instruction each. */
    *imbalance = (double)(bids_e8 - asks_e8) / (double)(bids_e8 + asks_e8);
    return true;
}

/* numerator / denominator, rounded down or up; the quotient fits 64 bits. On real books 64 bits
 * hold all three. */
static inline uint64_t divide(u128 numerator, u128 denominator, bool up)
{
    MM_ASSERT(denominator > 0);
    if (MM_LIKELY((numerator | denominator) >> 64 == 0)) {
        uint64_t n = (uint64_t)numerator;
        uint64_t d = (uint64_t)denominator;
        return n / d + (uint64_t)(up && n % d != 0);
    }
    return (uint64_t)(numerator / denominator) + (uint64_t)(up && numerator % denominator != 0);
}

/* The same for a numerator of 192 bits, bit by bit: for sums that no real market reaches. */
static uint64_t divide_wide(uint64_t high, u128 low, u128 denominator, bool up)
{
    u128 rest = 0;
    uint64_t quotient = 0;
    MM_ASSERT(denominator > 0 && denominator >> 127 == 0);
    for (int32_t bit = 191; bit >= 0; bit--) {
        uint64_t next = bit >= 128 ? high >> (bit - 128) & 1 : (uint64_t)(low >> bit) & 1;
        rest = rest << 1 | next;
        quotient <<= 1;
        if (rest >= denominator) {
            rest -= denominator;
            quotient |= 1;
        }
    }
    return quotient + (uint64_t)(up && rest != 0);
}

/* The mean of prices is the best price and the mean of the distances from it, exactly. Away from
 * the best is up in asks and down in bids: rounding the price down rounds the distance of bids up.
 */
static bool vwap_of(const book_side *side, size_t level_count, int64_t *vwap_e8)
{
    u128 low = 0;
    uint64_t high = 0;
    u128 total_e8 = 0;
    cursor walk;
    mm_level level;
    cursor_open(&walk, side, NULL, side->horizon);
    uint64_t best = value_of_price(side, side->best->price_e8);
    for (size_t i = 0; i < level_count && cursor_take(&walk, &level); i++) {
        u128 product = (u128)(value_of_price(side, level.price_e8) - best) * (uint64_t)level.qty_e8;
        low += product;
        high += low < product;
        total_e8 += (uint64_t)level.qty_e8;
    }
    if (total_e8 == 0) {
        return false;
    }
    bool up = side->flip != 0;
    uint64_t distance =
        high == 0 ? divide(low, total_e8, up) : divide_wide(high, low, total_e8, up);
    *vwap_e8 = price_of_value(side, best + distance);
    return true;
}

bool mm_book_vwap(const mm_book *book, int32_t side, size_t level_count, int64_t *vwap_e8)
{
    const book_side *of = side_of(book, side);
    if (MM_UNLIKELY(top_ready(of, level_count) != level_count || level_count == 0)) {
        return vwap_of(of, level_count, vwap_e8);
    }
    const top_entry *last = &of->top->entries[level_count - 1];
    if (MM_UNLIKELY(last->qty_sum == SUM_OVER)) {
        return vwap_of(of, level_count, vwap_e8);
    }
    uint64_t best = value_of_price(of, of->best->price_e8);
    *vwap_e8 = price_of_value(of, best + divide(last->cost, last->qty_sum, of->flip != 0));
    return true;
}

/* Where in the top an order of qty_e8 ends: index of the first entry whose sum holds it; TOP_LEVELS
 * or the number of known levels when none does. */
static size_t top_reach(const book_side *side, uint64_t qty_e8)
{
    const top_entry *entries = side->top->entries;
    size_t ready = 0;
    size_t at = 0;
    for (size_t wanted = 8; wanted <= TOP_LEVELS; wanted *= 2) {
        ready = top_ready(side, wanted);
        if (ready < wanted || entries[ready - 1].qty_sum >= qty_e8) {
            break;
        }
        at = ready;
    }
    while (at < ready) {
        size_t middle = (at + ready) / 2;
        if (entries[middle].qty_sum < qty_e8) {
            at = middle + 1;
        } else {
            ready = middle;
        }
    }
    return at;
}

/* What taking qty_e8 costs beyond the best price, for any depth and sums; false when the known
 * levels do not hold it. */
static bool taking_cost(const book_side *side, uint64_t best, uint64_t qty_e8, u128 *cost)
{
    uint64_t left_e8 = qty_e8;
    cursor walk;
    mm_level level;
    *cost = 0;
    cursor_open(&walk, side, NULL, side->horizon);
    while (left_e8 > 0 && cursor_take(&walk, &level)) {
        uint64_t taken_e8 = (uint64_t)level.qty_e8 < left_e8 ? (uint64_t)level.qty_e8 : left_e8;
        *cost += (u128)(value_of_price(side, level.price_e8) - best) * taken_e8;
        left_e8 -= taken_e8;
    }
    return left_e8 == 0;
}

bool mm_book_fill_price(const mm_book *book, int32_t side, int64_t qty_e8, int64_t *average_e8)
{
    const book_side *of = side_of(book, side);
    uint64_t wanted_e8 = (uint64_t)qty_e8;
    uint64_t best = value_of_price(of, of->best->price_e8);
    if (qty_e8 <= 0) {
        return false;
    }
    size_t last = top_reach(of, wanted_e8);
    const top_entry *entry = &of->top->entries[last];
    u128 cost;
    if (last < of->top->count && entry->qty_sum != SUM_OVER) {
        /* All of the entry and those before it, less what of it is not wanted. */
        uint64_t farthest = value_of_price(of, entry->level.price_e8) - best;
        cost = entry->cost - (u128)farthest * (entry->qty_sum - wanted_e8);
    } else if (!taking_cost(of, best, wanted_e8, &cost)) {
        return false;
    }
    *average_e8 = price_of_value(of, best + divide(cost, wanted_e8, true));
    return true;
}

bool mm_book_horizon(const mm_book *book, int32_t side, int64_t *price_e8)
{
    const book_side *of = side_of(book, side);
    if (of->horizon == NO_HORIZON) {
        return false;
    }
    *price_e8 = price_of_value(of, of->horizon);
    return true;
}

mm_book_stats mm_book_statistics(const mm_book *book)
{
    const book_side *bids = &book->sides[MM_BID];
    const book_side *asks = &book->sides[MM_ASK];
    mm_book_stats stats;
    stats.updates = book->refused;
    for (int32_t i = 0; i < TALLIES; i++) {
        stats.updates += bids->tally[i] + asks->tally[i];
    }
    stats.deletes_absent = bids->tally[TALLY_NOTHING] + asks->tally[TALLY_NOTHING];
    stats.deletes = stats.deletes_absent + bids->tally[TALLY_GONE] + asks->tally[TALLY_GONE];
    stats.evicted = bids->evicted + asks->evicted;
    return stats;
}

/* ---- Invariants
 * ---------------------------------------------------------------------------------- */

/* Quantities and bits tell the same story, and nothing lies outside the cover. */
static MM_INVARIANT bool window_valid(const book_side *side)
{
    const book_window *window = side->window;
    size_t count = 0;
    if (side->span > SLOTS || side->low < side->key_first ||
        side->span > side->key_end - side->low) {
        return false;
    }
    for (uint64_t slot = 0; slot < SLOTS; slot++) {
        bool occupied = (window->bits[slot / WORD_BITS] >> (slot % WORD_BITS) & 1) != 0;
        bool covered = (slot - side->low) % SLOTS < side->span;
        if (window->qty_e8[slot] < 0 || occupied != (window->qty_e8[slot] != 0) || (occupied && !covered)) {
            return false;
        }
        count += occupied;
    }
    return count == window_count_of(side) && side->best_key == window_next(side, side->low);
}

/* The tree holds no level that belongs into the window. */
static MM_INVARIANT bool tree_apart(const book_side *side)
{
    if (!mm__tree_valid(&side->tree)) {
        return false;
    }
    mm__tree_at at = {0, 0};
    bool more = side->tree.count > 0;
    while (more) {
        int64_t price_e8 = price_of_value(side, mm__tree_key(&side->tree, at));
        if (price_e8 <= 0 || mm__tree_value(&side->tree, at) <= 0 ||
            in_window(side, key_of_price(side->inverse, side->shift, price_e8))) {
            return false;
        }
        more = mm__tree_step(&side->tree, &at);
    }
    return true;
}

/* Entry `index` of the top is exactly this level, or is marked as changed. */
static MM_INVARIANT bool top_agrees(const book_side *side, size_t index, const mm_level *level, uint64_t sum_e8,
                       u128 cost)
{
    if (!entry_exact(side, index)) {
        return true;
    }
    const top_entry *entry = &side->top->entries[index];
    return entry->level.price_e8 == level->price_e8 && entry->level.qty_e8 == level->qty_e8 &&
           entry->qty_sum == sum_e8 && entry->cost == cost;
}

/* The published best and the exact part of the top are what a walk over all levels finds. */
static MM_INVARIANT bool order_valid(const book_side *side)
{
    const book_top *top = side->top;
    size_t count = 0;
    uint64_t before = 0;
    uint64_t sum_e8 = 0;
    u128 cost = 0;
    cursor walk;
    mm_level level = {0, 0};
    cursor_open(&walk, side, NULL, side->horizon);
    bool more = cursor_take(&walk, &level);
    if (side->best->price_e8 != level.price_e8 || side->best->qty_e8 != level.qty_e8) {
        return false;
    }
    for (; more; more = cursor_take(&walk, &level)) {
        uint64_t value = value_of_price(side, level.price_e8);
        sum_e8 = sum_capped(sum_e8, level.qty_e8);
        cost += (u128)(value - value_of_price(side, side->best->price_e8)) * (uint64_t)level.qty_e8;
        if (value <= before || !top_agrees(side, count, &level, sum_e8, cost)) {
            return false;
        }
        before = value;
        count++;
        if (count == top->kept_count && (sum_e8 != top->kept_sum || value >= value_of_key(side, top->kept_end))) {
            return false;
        }
    }
    return !entry_exact(side, count) && count >= top->kept_count;
}

/* What a single level may leave out of account is as far away as that needs, and there is the room that is promised. */
static MM_INVARIANT bool shortcuts_valid(const book_side *side)
{
    const book_top *top = side->top;
    bool inside = side->best->qty_e8 != 0 && value_of_price(side, side->best->price_e8) < side->tree.first_key;
    uint64_t room = side->levels_max - level_count_of(side);
    uint64_t end = care_end_least(side);
    for (size_t i = 0; entry_exact(side, i); i++) {
        uint64_t behind = mm__book_key_from_value(side, value_of_price(side, top->entries[i].level.price_e8) + 1);
        behind = behind < side->key_end ? behind : side->key_end; /* of the lowest price there is none behind */
        end = behind > end ? behind : end;
    }
    return side->touch_key == (inside ? side->best_key : NONE) && side->care_end >= end &&
           (side->care_end != care_end_of_best(side) || end == NONE || !entry_exact(side, 0)) &&
           (side->new_end <= side->tally[TALLY_NEW] || side->new_end - side->tally[TALLY_NEW] <= room);
}

MM_INVARIANT bool mm_book_valid(const mm_book *book)
{
    for (int32_t i = 0; i < 2; i++) {
        const book_side *side = &book->sides[i];
        if (!window_valid(side) || !tree_apart(side) || !order_valid(side) || side->best_stale ||
            level_count_of(side) > side->levels_max || !shortcuts_valid(side)) {
            return false;
        }
    }
    return true;
}
