/* Changes to the book and its life; mm_book.h tells how it is built. */
#include "mm_book.h"

#include <string.h>

#define LEVELS_MAX 1000000
/* The fewest and the most slots before the best; outside of this band the window gets a new goal.
 */
#define BAND_LOW (SLOTS / 64)
#define BAND_HIGH (SLOTS / 4)

MM_STATIC_ASSERT(MM_BID == 0 && MM_ASK == 1, sides_index_the_array);
MM_STATIC_ASSERT(offsetof(mm_top, bid_price_e8) == 0 &&
                     offsetof(mm_top, ask_price_e8) == sizeof(mm_level) &&
                     sizeof(mm_top) == 2 * sizeof(mm_level),
                 a_top_is_two_levels);

/* ---- Change
 * -------------------------------------------------------------------------------------- */

/* Finds the better of the window's and the tree's best and publishes it, if it is known; the window
 * has no level before key `from`, which may be NONE. */
static void find_best(book_side *side, uint64_t from)
{
    uint64_t key = window_next(side, from);
    uint64_t value = key != NONE ? value_of_key(side, key) : NONE;
    int64_t qty_e8 = key != NONE ? side->window->qty_e8[key % SLOTS] : 0;
    bool inside = value < side->tree.first_key;
    side->best_key = key;
    side->best_stale = false;
    if (MM_UNLIKELY(side->tree.first_key < value)) {
        value = side->tree.first_key;
        qty_e8 = side->tree.nodes[0].values[0];
        key = key_of_price(side->inverse, side->shift, price_of_value(side, value));
        if (MM_UNLIKELY(key - side->key_first >= side->key_end - side->key_first)) {
            key = mm__book_key_from_value(side, value); /* off the tick */
        }
    }
    bool known = value <= side->horizon;
    side->touch_key = known && inside ? side->best_key : NONE;
    if (!entry_exact(side, 0)) { /* else the best is what it was, and the care reaches beyond it */
        side->care_end = care_end_least(side);
    }
    side->best->price_e8 = known ? price_of_value(side, value) : 0;
    side->best->qty_e8 = known ? qty_e8 : 0;
    if (MM_UNLIKELY(key - side->goal - BAND_LOW > BAND_HIGH - BAND_LOW) && value != NONE) {
        uint64_t goal = mm__book_goal_for(side, key);
        side->misses = goal == side->goal ? side->misses : 0;
        side->goal = goal;
    }
}

static inline void mark_changed(book_side *side, uint64_t value)
{
    book_top *top = side->top;
    if (value < top->changed) {
        top->changed = value;
    }
    if (value < value_of_key(side, top->kept_end)) {
        mm__book_unkeep(top);
    }
}

/* Drops the farthest level; the horizon moves in to it. */
static void evict(book_side *side)
{
    uint64_t key = window_count_of(side) > 0 ? mm__book_last_key(side) : NONE;
    uint64_t value = key != NONE ? value_of_key(side, key) : 0;
    MM_ASSERT(level_count_of(side) > 1);
    if (side->tree.count > 0 && mm__tree_last_key(&side->tree) > value) {
        value = mm__tree_last_key(&side->tree);
        mm__tree_remove(&side->tree, value);
    } else {
        window_put(side->window, key, 0);
        side->best_stale |= key == side->best_key; /* the window's best, not the side's: better ones are in the tree */
    }
    MM_ASSERT(value > 1);
    side->count_base--;
    side->evicted++;
    side->horizon = value - 1 < side->horizon ? value - 1 : side->horizon;
    mark_changed(side, value);
}

/* Looks how much room there is. (Linked, as others below, so that it is not inlined: what is rare would take
 * registers.) */
void mm__book_measure_room(book_side *side)
{
    size_t count = level_count_of(side);
    MM_ASSERT(count <= side->levels_max);
    side->new_end = side->tally[TALLY_NEW] + (side->levels_max - count);
}

/* A valid level at a key that the window does not cover; may leave one too many. */
static void set_outside(book_side *side, uint64_t key, int64_t price_e8, int64_t qty_e8)
{
    uint64_t value = value_of_price(side, price_e8);
    side->best_stale |= value <= side->tree.first_key;
    mark_changed(side, value);
    int64_t before_e8 =
        qty_e8 != 0 ? mm__tree_put(&side->tree, value, qty_e8) : mm__tree_remove(&side->tree, value);
    side->tally[tally_of(before_e8, qty_e8)]++;
    if (key - side->goal < mm__book_goal_end(side) - side->goal) {
        mm__book_follow(side);
    }
}

/* One level of a message, wherever it is and however full the book. False = it is not valid and was
 * not applied. */
static bool apply_one(book_side *side, int64_t price_e8, int64_t qty_e8)
{
    uint64_t key = key_of_price(side->inverse, side->shift, price_e8);
    if ((price_e8 | (int64_t)((uint64_t)price_e8 - 1) | qty_e8) < 0) {
        return false;
    }
    if (in_window(side, key)) {
        side->tally[tally_of(window_put(side->window, key, qty_e8), qty_e8)]++;
        side->first = key < side->first ? key : side->first;
    } else {
        set_outside(side, key, price_e8, qty_e8);
    }
    if (level_count_of(side) > side->levels_max) {
        evict(side);
    }
    return true;
}

/* Counts up to RUN_MAX levels by their tallies, two bits each. The fences keep four sums from being made one of
 * vectors, which takes longer to put together than to add. */
static inline void count_run(book_side *side, uint64_t tallies, uint64_t level_count)
{
    const uint64_t now = UINT64_MAX / 3; /* every second bit */
    uint64_t nothing_count = (uint64_t)__builtin_popcountll(tallies & tallies >> 1 & now);
    uint64_t new_count = (uint64_t)__builtin_popcountll(tallies & ~now) - nothing_count;
    uint64_t gone_count = (uint64_t)__builtin_popcountll(tallies & now) - nothing_count;
    mm__fence_compiler();
    side->tally[TALLY_NOTHING] += nothing_count;
    mm__fence_compiler();
    side->tally[TALLY_NEW] += new_count;
    mm__fence_compiler();
    side->tally[TALLY_GONE] += gone_count;
    mm__fence_compiler();
    side->tally[TALLY_CHANGED] += level_count - nothing_count - new_count - gone_count;
}

/* The loop that every market message goes through. Applies levels up to RUN_MAX of them, to the end or to the first one
 * that needs more care: not valid (no price <= 0 has a key inside a cover) or outside the window.
 * There is room for all. Counted in memory, each level would wait for the one before: they are
 * noted in a register. Lowers *first to the smallest key met; returns where it stopped. */
static inline const mm_level *apply_run(book_side *side, const mm_level *level, const mm_level *end, uint64_t *first)
{
    book_window *const window = side->window;
    uint64_t least = *first;
    uint64_t tallies = 0;
    const mm_level *const start = level;
    end = end - level > RUN_MAX ? level + RUN_MAX : end;
    for (; level != end; level++) {
        uint64_t key = key_of_price(side->inverse, side->shift, level->price_e8);
        int64_t qty_e8 = level->qty_e8;
        if (MM_UNLIKELY(key - side->low >= side->span || qty_e8 < 0)) {
            break;
        }
        tallies = tallies * 4 + tally_of(window_put(window, key, qty_e8), qty_e8);
        least = key < least ? key : least;
    }
    count_run(side, tallies, (uint64_t)(level - start));
    *first = least;
    return level;
}

/* Publishes the changes of a message, the first of which in the window is at key `first` (NONE =
 * none). */
static void publish_best(book_side *side, uint64_t first)
{
    int64_t qty_e8 = side->window->qty_e8[first % SLOTS];
    if (MM_LIKELY(first == side->touch_key && qty_e8 != 0 && !side->best_stale)) {
        side->best->qty_e8 = qty_e8;
        return;
    }
    find_best(side, first < side->best_key ? first : side->best_key);
}

static void publish(book_side *side, uint64_t first)
{
    if (first != NONE) {
        mark_changed(side, value_of_key(side, first));
    }
    if (first <= side->best_key || side->best_stale) {
        publish_best(side, first);
    }
}

/* Whether `count` more levels fit. */
static inline bool has_room(book_side *side, size_t count)
{
    if (MM_UNLIKELY(side->tally[TALLY_NEW] + count > side->new_end)) {
        mm__book_measure_room(side);
    }
    return side->tally[TALLY_NEW] + count <= side->new_end;
}

/* The rest of a message, from a level on that needs care; `first` as in apply_run. Returns where it stopped: at the
 * end, or at a level that is not valid; those before it have been applied. */
const mm_level *mm__book_apply_rest(book_side *side, const mm_level *level, const mm_level *end, uint64_t first)
{
    side->first = first;
    while (level != end) {
        if (!apply_one(side, level->price_e8, level->qty_e8)) {
            return level;
        }
        level++;
        bool runs = level != end && in_window(side, key_of_price(side->inverse, side->shift, level->price_e8));
        if (runs && has_room(side, (size_t)(end - level))) {
            level = apply_run(side, level, end, &side->first);
        }
    }
    publish(side, side->first);
    return end;
}

/* One side of a message; returns as mm__book_apply_rest. */
static const mm_level *apply_levels(book_side *side, const mm_level *level, const mm_level *end)
{
    uint64_t first = NONE;
    if (MM_LIKELY(has_room(side, (size_t)(end - level)))) {
        level = apply_run(side, level, end, &first);
    }
    if (MM_UNLIKELY(level != end)) {
        return mm__book_apply_rest(side, level, end, first);
    }
    if (first < side->care_end) {
        publish(side, first);
    }
    return end;
}

static mm_status refuse(mm_book *book, size_t level_count)
{
    book->refused += level_count;
    mm_book_clear(book);
    return MM_E_ARGUMENT;
}

mm_status mm_book_apply(mm_book *book, const mm_level *bids, size_t bid_count, const mm_level *asks,
                        size_t ask_count)
{
    const mm_level *const bids_end = bids + bid_count;
    const mm_level *const asks_end = asks + ask_count;
    MM_ASSERT(bids != NULL || bid_count == 0);
    MM_ASSERT(asks != NULL || ask_count == 0);
    const mm_level *stop = apply_levels(&book->sides[MM_BID], bids, bids_end);
    if (MM_UNLIKELY(stop != bids_end)) {
        return refuse(book, (size_t)(bids_end - stop) + ask_count);
    }
    stop = apply_levels(&book->sides[MM_ASK], asks, asks_end);
    if (MM_UNLIKELY(stop != asks_end)) {
        return refuse(book, (size_t)(asks_end - stop));
    }
    return MM_OK;
}

/* mm_book_set of a level that needs care, or whose side is no side. */
mm_status mm__book_set_carefully(mm_book *book, int32_t side, int64_t price_e8, int64_t qty_e8)
{
    const bool sane = side == MM_BID || side == MM_ASK;
    MM_ASSERT(sane);
    if (!sane) {
        return MM_E_ARGUMENT;
    }
    book_side *of = &book->sides[side];
    of->first = NONE;
    if (!apply_one(of, price_e8, qty_e8)) {
        return refuse(book, 1);
    }
    publish(of, of->first);
    if (of->tally[TALLY_NEW] >= of->new_end) {
        mm__book_measure_room(of);
    }
    return MM_OK;
}

/* The key of the last level of the window before an occupied one, if both stand in one word; else NONE. */
static inline uint64_t key_before(const book_side *side, uint64_t key)
{
    uint64_t bit = key % WORD_BITS;
    uint64_t word = side->window->bits[key % SLOTS / WORD_BITS] & (((uint64_t)1 << bit) - 1);
    return word != 0 ? key - bit + mm__bit_highest(word) : NONE;
}

/* A level came or went among those whose sum is kept: their last one leaves it, or the next one joins. Where that is
 * not easily told nothing is kept any more. */
static void shift_sum(book_side *side, int64_t before_e8, int64_t after_e8)
{
    book_top *top = side->top;
    const int64_t *qty_e8 = side->window->qty_e8;
    uint64_t last = top->kept_end - 1;
    uint64_t next = before_e8 == 0 ? key_before(side, last) : window_next(side, last + 1);
    bool known = next < NONE - 1 && value_of_key(side, next) < side->tree.first_key && value_of_key(side, next) <= side->horizon;
    if (!known || after_e8 >= KEPT_QTY_MAX || qty_e8[next % SLOTS] >= KEPT_QTY_MAX) {
        mm__book_unkeep(top);
        return;
    }
    int64_t leaves_e8 = before_e8 == 0 ? qty_e8[last % SLOTS] : before_e8;
    int64_t joins_e8 = before_e8 == 0 ? after_e8 : qty_e8[next % SLOTS];
    top->kept_sum += (uint64_t)joins_e8 - (uint64_t)leaves_e8;
    top->kept_end = next + 1;
    side->care_end = side->care_end > next + 1 ? side->care_end : next + 2;
}

/* What a level set before the care's end means for best and top. */
mm_status mm__book_set_near(book_side *side, uint64_t key, int64_t before_e8, int64_t after_e8)
{
    book_top *top = side->top;
    uint64_t value = value_of_key(side, key);
    top->changed = value < top->changed ? value : top->changed;
    if (before_e8 == 0 || after_e8 == 0 || after_e8 >= KEPT_QTY_MAX) {
        if (key < top->kept_end && before_e8 != after_e8) {
            shift_sum(side, before_e8, after_e8);
        }
        if (key <= side->best_key) {
            find_best(side, key);
        }
        return MM_OK;
    }
    top->kept_sum += key < top->kept_end ? (uint64_t)after_e8 - (uint64_t)before_e8 : 0;
    if (key == side->touch_key) {
        side->best->qty_e8 = after_e8;
    } else if (key > care_end_least(side)) {
        side->care_end = key; /* no entry is exact from here on */
    }
    return MM_OK;
}

/* Flat on purpose: what is common needs no stack, no branch asks what the level is, and calls stand last. */
mm_status mm_book_set(mm_book *book, int32_t side, int64_t price_e8, int64_t qty_e8)
{
    book_side *of = __builtin_assume_aligned(&book->sides[(uint32_t)side & 1], MM_CACHE_LINE_BYTES);
    uint64_t key = key_of_price(of->inverse, of->shift, price_e8);
    if (MM_UNLIKELY((uint32_t)side > 1 || !in_window(of, key) || qty_e8 < 0 || of->tally[TALLY_NEW] >= of->new_end)) {
        return mm__book_set_carefully(book, side, price_e8, qty_e8);
    }
    int64_t before_e8 = window_put(of->window, key, qty_e8);
    of->tally[tally_of(before_e8, qty_e8)]++;
    if (key >= of->care_end) {
        return MM_OK;
    }
    if (key == of->touch_key && qty_e8 != 0 && of->care_end == key + 1) { /* nothing but the best is known */
        of->best->qty_e8 = qty_e8;
        return MM_OK;
    }
    return mm__book_set_near(of, key, before_e8, qty_e8);
}

static void side_clear(book_side *side)
{
    memset(side->window, 0, sizeof *side->window);
    mm__tree_clear(&side->tree);
    side->low = side->key_first;
    side->goal = side->key_first;
    side->misses = 0;
    side->span = 0;
    side->count_base = side->tally[TALLY_GONE] - side->tally[TALLY_NEW];
    mm__book_measure_room(side);
    side->horizon = NO_HORIZON;
    side->top->count = 0;
    side->top->changed = 0;
    mm__book_unkeep(side->top);
    find_best(side, side->low);
}

void mm_book_clear(mm_book *book)
{
    side_clear(&book->sides[MM_BID]);
    side_clear(&book->sides[MM_ASK]);
}

static bool levels_valid(const mm_level *levels, size_t count)
{
    bool valid = true;
    for (size_t i = 0; i < count; i++) {
        valid &= levels[i].price_e8 > 0 && levels[i].qty_e8 >= 0;
    }
    return valid;
}

/* Puts the window where the snapshot's best will stand, sets the horizon, then adds the levels,
 * which are valid. */
static void side_load(book_side *side, const mm_level *levels, size_t count, size_t levels_asked)
{
    uint64_t told[TALLIES];
    uint64_t best = NONE;
    uint64_t farthest = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t value = value_of_price(side, levels[i].price_e8);
        best = levels[i].qty_e8 != 0 && value < best ? value : best;
        farthest = value > farthest ? value : farthest;
    }
    if (count >= levels_asked && count > 0) {
        side->horizon = farthest;
    }
    if (best != NONE) {
        side->goal = mm__book_goal_for(side, mm__book_key_from_value(side, best));
        side->low = side->goal;
        side->span = mm__book_goal_end(side) - side->goal;
    }
    memcpy(told, side->tally, sizeof told);
    const mm_level *stop = apply_levels(side, levels, levels + count);
    MM_ASSERT(stop == levels + count);
    side->count_base = level_count_of(side) - told[TALLY_NEW] + told[TALLY_GONE];
    memcpy(side->tally, told, sizeof told); /* what a snapshot says is no update */
    mm__book_measure_room(side);
}

mm_status mm_book_snapshot(mm_book *book, const mm_level *bids, size_t bid_count,
                           const mm_level *asks, size_t ask_count, size_t levels_asked)
{
    MM_ASSERT(bids != NULL || bid_count == 0);
    MM_ASSERT(asks != NULL || ask_count == 0);
    mm_book_clear(book);
    if (!levels_valid(bids, bid_count) || !levels_valid(asks, ask_count)) {
        return MM_E_ARGUMENT;
    }
    side_load(&book->sides[MM_BID], bids, bid_count, levels_asked);
    side_load(&book->sides[MM_ASK], asks, ask_count, levels_asked);
    return MM_OK;
}

/* ---- Life
 * ---------------------------------------------------------------------------------------- */

/* One level over the capacity is there for a moment, before the farthest goes. */
static size_t nodes_for(size_t levels_max)
{
    return mm__tree_nodes(levels_max + 1);
}

size_t mm_book_bytes(size_t levels_max)
{
    if (levels_max < 1 || levels_max > LEVELS_MAX) {
        return 0;
    }
    return mm__round_line(sizeof(mm_book)) +
           2 * (mm__round_line(sizeof(book_window)) + mm__round_line(sizeof(book_top)) +
                mm__round_line(nodes_for(levels_max) * sizeof(mm__tree_node)));
}

/* The inverse of an odd number modulo 2^64 by Newton's iteration: each round doubles the exact
 * bits, of which odd * odd == 1 modulo 8 gives the first three. */
static uint64_t inverse_of(uint64_t odd)
{
    uint64_t inverse = odd;
    MM_ASSERT((odd & 1) == 1);
    for (int32_t round = 0; round < 5; round++) {
        inverse *= 2 - odd * inverse;
    }
    MM_ASSERT(odd * inverse == 1);
    return inverse;
}

static void side_numbers(book_side *side, int64_t tick_e8, bool is_bid)
{
    uint64_t ticks_max = (uint64_t)(INT64_MAX / tick_e8);
    side->tick = (uint64_t)tick_e8;
    side->shift = lowest_bit(side->tick);
    side->inverse = inverse_of(side->tick >> side->shift);
    side->flip = 0;
    side->key_first = 1;
    side->key_end = ticks_max + 1;
    if (is_bid) {
        uint64_t end = bid_keys_end(side->shift);
        side->inverse = 0 - side->inverse;
        side->flip = UINT64_MAX;
        side->key_first = end - ticks_max;
        side->key_end =
            end != 0 ? end : NONE; /* no key is NONE: of an odd tick, one tick is the tree's */
    }
}

/* Lays the side's parts out at `memory`; returns their end. */
static unsigned char *side_init(book_side *side, unsigned char *memory, size_t levels_max,
                                int64_t tick_e8, bool is_bid)
{
    size_t nodes = nodes_for(levels_max);
    side_numbers(side, tick_e8, is_bid);
    side->levels_max = levels_max;
    side->window = (book_window *)(void *)memory;
    memory += mm__round_line(sizeof(book_window));
    side->top = (book_top *)(void *)memory;
    side->top->care_end = &side->care_end;
    memory += mm__round_line(sizeof(book_top));
    mm__tree_init(&side->tree, (mm__tree_node *)(void *)memory, nodes);
    return memory + mm__round_line(nodes * sizeof(mm__tree_node));
}

mm_status mm_book_init(void *memory, size_t memory_bytes, size_t levels_max, int64_t tick_e8,
                       mm_book **book)
{
    size_t needed_bytes = mm_book_bytes(levels_max);
    if (needed_bytes == 0 || tick_e8 <= 0) {
        return MM_E_ARGUMENT;
    }
    if (!mm__memory_fits(memory, memory_bytes, needed_bytes)) {
        return MM_E_CAPACITY;
    }
    mm_book *made = memory;
    unsigned char *at = (unsigned char *)memory + mm__round_line(sizeof(mm_book));
    memset(made, 0, sizeof *made);
    at = side_init(&made->sides[MM_BID], at, levels_max, tick_e8, true);
    at = side_init(&made->sides[MM_ASK], at, levels_max, tick_e8, false);
    MM_ASSERT((size_t)(at - (unsigned char *)memory) == needed_bytes);
    made->sides[MM_BID].best = &made->published.best[MM_BID];
    made->sides[MM_ASK].best = &made->published.best[MM_ASK];
    mm_book_clear(made);
    *book = made;
    return MM_OK;
}

mm_book *mm_book_new(size_t levels_max, int64_t tick_e8)
{
    size_t bytes = mm_book_bytes(levels_max);
    void *memory = bytes == 0 || tick_e8 <= 0 ? NULL : mm__memory_new(bytes);
    mm_book *book = NULL;
    if (memory != NULL) {
        mm_status status = mm_book_init(memory, bytes, levels_max, tick_e8, &book);
        MM_ASSERT(status == MM_OK);
    }
    return book;
}

void mm_book_free(mm_book *book)
{
    mm__memory_free(book);
}
