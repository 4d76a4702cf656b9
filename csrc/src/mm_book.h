/* Exact order book of one symbol: its structure, shared by mm_book.c (changes), mm_book_window.c (the window follows
 * the price) and mm_book_read.c (queries).
 *
 * A side is three structures:
 *
 *   - window: quantities indexed by tick, from a little before the best price to far behind it; one
 *     bit a tick says "occupied";
 *   - tree: every other level, beyond the window or off the tick (mm_tree.h);
 *   - top: the first levels in order, contiguous, with running sums of quantity and cost.
 *
 * One order for both sides. A price becomes a `value` (of an ask the price, of a bid its complement) and a multiple
 * of the tick also a `key` (of an ask the tick number, of a bid a constant less it), so that smaller is better on
 * both sides and value = key * tick + flip. No code below asks which side it works for, except where prices come
 * out. All these numbers are unsigned and wrap.
 *
 * Window. It covers the keys [low, low + span), span <= SLOTS, and a key's slot is key % SLOTS:
 * moving the window copies nothing. Every key inside the cover lives in the window, every other level in the tree,
 * so a level has one place. price * inverse, rotated, is the key; of a price that is no multiple of the tick it
 * comes out as a number that no cover holds. So an update is a multiplication, one comparison, a store of the
 * quantity and, if the level is new or goes, of its bit.
 *
 * Following the price. When the best leaves the band of the window where it should stand, a new goal is set. Only
 * updates that miss the window, and would not at its goal, move it, once there have been a few, by a step each; a
 * step carries one level between window and tree or skips a stretch without any. So no update does more than a
 * bounded amount of work, and a window that would gain nothing by it does not move. After a jump beyond the cover,
 * moving costs as much as there are levels in it: it waits until as many updates have missed, for the price may come
 * back, or the levels may go.
 *
 * Best and top. After a message the best is searched anew only if something at or before it changed. The top is
 * extended when it is asked for, as deep as it is asked for, behind what is still exact of it: what changed stands
 * before `changed`. A burst costs one extension, not one a level; what lies behind the last entry costs nothing. Of
 * an imbalance the sums alone are found, in the window, and kept: while levels only change, the next one is two sums
 * already there.
 *
 * Horizon. The last value that is known: beyond it levels may exist unseen, because a snapshot was cut off or the
 * farthest level was evicted at capacity. Levels beyond it are kept (a diff told them), but no query for the best,
 * for depth or for sums goes past it. NO_HORIZON is at or beyond every value.
 *
 * mm_book_valid says all of this in code. */
#ifndef MM_BOOK_H
#define MM_BOOK_H

#include "mm_internal.h"
#include "mm_tree.h"

#define TOP_LEVELS 256
#define SLOTS 32768
#define WORD_BITS 64
#define WORDS (SLOTS / WORD_BITS)
/* Words of bits that a search looks at together. */
#define STRIDE 16
/* Levels that are applied together: two bits of a word say of each how it counts. */
#define RUN_MAX (WORD_BITS / 2)

#define NONE UINT64_MAX
#define VALUE_LAST (UINT64_MAX - 1) /* of a bid at the least price */
#define NO_HORIZON VALUE_LAST
#define SUM_OVER ((uint64_t)1 << 63)

__extension__ typedef unsigned __int128 u128;

typedef struct {
    int64_t qty_e8[SLOTS];
    uint64_t bits[WORDS];
} book_window;

/* A level of the top with what this one and those before it come to. */
typedef struct {
    mm_level level;
    u128 cost; /* sum of quantity times distance from the best; modulo 2^128 when qty_sum is over */
    uint64_t qty_sum; /* SUM_OVER = does not fit int64 */
    uint64_t resume;  /* behind the last window key among them, 0 if there is none: go on there */
} top_entry;

/* The first `count` levels, exact as far as their values are below `changed`, which is behind the last of them at
 * most. */
typedef struct {
    uint64_t changed;
    uint64_t *care_end; /* the side's: goes out with the entries */
    size_t count;
    /* The sum of quantities that was asked for last, kept up to date while levels change, until one comes or goes. */
    size_t kept_count; /* of so many levels, 0 = of none */
    uint64_t kept_end; /* the first window key behind them; 0 */
    uint64_t kept_sum; /* 0 */
    top_entry entries[TOP_LEVELS];
} book_top;

/* Updates are counted by what they find and leave at their price: 2 if it was empty, and 1 if it is now. */
enum { TALLY_CHANGED = 0, TALLY_GONE = 1, TALLY_NEW = 2, TALLY_NOTHING = 3, TALLIES = 4 };

typedef struct {
    /* What every update reads: one cache line. */
    uint64_t inverse; /* of the odd part of the tick modulo 2^64; of bids its negative */
    uint64_t low;
    uint64_t span;
    book_window *window;
    uint64_t new_end;   /* there is room while the tally of new levels is below it */
    uint64_t care_end;  /* no window key at or behind it concerns best, top or kept sum; of the best alone if that is all */
    uint64_t touch_key; /* of the published best, NONE when that is not the window's */
    uint32_t shift;     /* power of two in the tick */
    bool best_stale;    /* the best may be another than the published one */
    /* What it writes. */
    uint64_t tally[TALLIES];
    mm_level *best;      /* where the best is published */
    book_top *top;
    uint64_t best_key;   /* of the window, NONE when it is empty */
    uint64_t count_base; /* levels held besides new less gone ones; modulo 2^64 */
    uint64_t flip;       /* 0 = asks, all ones = bids */
    /* What only some need. */
    uint64_t tick;
    size_t levels_max;
    uint64_t first;     /* smallest window key changed by the message under way, NONE = none */
    uint64_t horizon;
    uint64_t goal;      /* where `low` is to go */
    uint64_t misses;    /* updates missed since the goal was set that it would not have; no further than they matter */
    uint64_t key_first; /* all keys that the window may hold are [key_first, key_end) */
    uint64_t key_end;
    uint64_t evicted;
    mm__tree tree;
} MM_ALIGN_LINE book_side; /* a power of two in size: an index is a shift */

struct mm_book {
    union {
        mm_top top;
        mm_level best[2]; /* the same, by side */
    } published;
    book_side sides[2];
    uint64_t refused; /* levels of messages that were not valid, not applied */
};

/* ---- Prices, values, keys
 * ------------------------------------------------------------------------ */

/* tick = odd * 2^shift. A multiple of the tick times the inverse of the odd part is its tick number
 * * 2^shift, without a division; any other product has a bit set below 2^shift, which the rotation
 * carries to the top, or (odd tick) exceeds every tick number, because the multiplication is
 * one-to-one. */
static inline uint64_t key_of_price(uint64_t inverse, uint32_t shift, int64_t price_e8)
{
    uint64_t product = (uint64_t)price_e8 * inverse;
    return (product >> shift) | (product << ((64 - shift) & 63));
}

/* Keys of bids are this less their tick number; 2^64, which is 0, for an odd tick. */
static inline uint64_t bid_keys_end(uint32_t shift)
{
    return shift > 0 ? (uint64_t)1 << (64 - shift) : 0;
}

static inline uint64_t value_of_key(const book_side *side, uint64_t key)
{
    return key * side->tick + side->flip;
}

static inline uint64_t value_of_price(const book_side *side, int64_t price_e8)
{
    return (uint64_t)price_e8 ^ side->flip;
}

static inline int64_t price_of_value(const book_side *side, uint64_t value)
{
    return (int64_t)(value ^ side->flip);
}

static inline bool in_window(const book_side *side, uint64_t key)
{
    return key - side->low < side->span;
}

static inline size_t level_count_of(const book_side *side)
{
    return (size_t)(side->count_base + side->tally[TALLY_NEW] - side->tally[TALLY_GONE]);
}

/* 1 for the quantity 0, 0 for any above, by the highest bit of what is 1 less. */
static inline uint64_t is_empty(int64_t qty_e8)
{
    return ((uint64_t)qty_e8 - 1) >> 63;
}

static inline uint64_t tally_of(int64_t before_e8, int64_t after_e8)
{
    return is_empty(before_e8) * 2 + is_empty(after_e8);
}

static inline size_t window_count_of(const book_side *side)
{
    return level_count_of(side) - side->tree.count;
}

/* Parts of mm_book_apply and mm_book_set. */
void mm__book_measure_room(book_side *side);
const mm_level *mm__book_apply_rest(book_side *side, const mm_level *level, const mm_level *end, uint64_t first);
mm_status mm__book_set_carefully(mm_book *book, int32_t side, int64_t price_e8, int64_t qty_e8);
bool mm__book_imbalance_anew(const mm_book *book, size_t level_count, double *imbalance);
mm_status mm__book_set_near(book_side *side, uint64_t key, int64_t before_e8, int64_t after_e8);

/* The smallest key whose value is not below `value`; may lie outside [key_first, key_end). */
uint64_t mm__book_key_from_value(const book_side *side, uint64_t value);

/* ---- Window
 * -------------------------------------------------------------------------------------- */

static inline uint32_t lowest_bit(uint64_t word)
{
    return (uint32_t)__builtin_ctzll(word);
}

/* Puts a quantity (0 = none) at a key inside the cover and turns its bit over if a level comes or goes, without asking:
 * on real data both are as good as random. Returns the quantity before. Counts nothing. */
static inline int64_t window_put(book_window *window, uint64_t key, int64_t qty_e8)
{
    uint64_t slot = key % SLOTS;
    int64_t before_e8 = window->qty_e8[slot];
    window->qty_e8[slot] = qty_e8;
    window->bits[slot / WORD_BITS] ^= (is_empty(before_e8) ^ is_empty(qty_e8)) << (slot % WORD_BITS);
    return before_e8;
}

/* The first occupied slot of the words behind word `index`, going around to that word itself; NONE if all words are
 * empty. */
uint64_t mm__book_slot_behind(const book_window *window, uint64_t index);
/* The last occupied key; the window is not empty. */
uint64_t mm__book_last_key(const book_side *side);

/* The first occupied key at or after `from`, NONE if there is none. Slots go around: a slot beyond
 * the end of the cover is a level before `from`, met again. */
static inline uint64_t window_next(const book_side *side, uint64_t from)
{
    uint64_t key = from < side->low ? side->low : from;
    uint64_t slot = key % SLOTS;
    uint64_t word = side->window->bits[slot / WORD_BITS] >> (slot % WORD_BITS);
    if (!in_window(side, key)) {
        return NONE;
    }
    if (MM_LIKELY(word != 0)) {
        key += lowest_bit(word);
    } else {
        uint64_t found = window_count_of(side) > 0 ? mm__book_slot_behind(side->window, slot / WORD_BITS) : NONE;
        if (found == NONE) {
            return NONE;
        }
        key += (found - slot) % SLOTS;
    }
    return in_window(side, key) ? key : NONE;
}

/* Where the cover should begin for a best at `key`, and where it ends once it has begun at the
 * goal. */
uint64_t mm__book_goal_for(const book_side *side, uint64_t key);
uint64_t mm__book_goal_end(const book_side *side);
/* An update missed the cover and would not have at its goal: moves it there, by a bounded amount of
 * work. */
void mm__book_follow(book_side *side);

/* ---- Top
 * ----------------------------------------------------------------------------------------- */

/* No index beyond TOP_LEVELS is. */
static inline bool entry_exact(const book_side *side, size_t index)
{
    const book_top *top = side->top;
    return index < top->count &&
           value_of_price(side, top->entries[index].level.price_e8) < top->changed;
}

/* A sum is kept of so many levels at most, while no quantity set is as large as this: two of them fit int64. */
#define KEPT_LEVELS_MAX 64
#define KEPT_QTY_MAX ((int64_t)1 << 55)
#define KEPT_SUM_MAX ((uint64_t)1 << 61)

static inline void mm__book_unkeep(book_top *top)
{
    top->kept_count = 0;
    top->kept_end = 0;
    top->kept_sum = 0;
}

/* Behind the last window key whose change is one of the best: the published one, or any when that is not the
 * window's. */
static inline uint64_t care_end_of_best(const book_side *side)
{
    return side->touch_key != NONE ? side->touch_key + 1 : NONE;
}

/* The same for the sum kept, too: if there is one it lies behind, even where the sum is the best's. */
static inline uint64_t care_end_least(const book_side *side)
{
    uint64_t end = care_end_of_best(side);
    return end > side->top->kept_end + 1 ? end : side->top->kept_end + 1;
}

#endif /* MM_BOOK_H */
