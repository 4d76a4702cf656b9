/* The book's window: finding levels in it, and its way after the price. */
#include "mm_book.h"

/* Updates that a goal must have spared before it is worth the way: a best that goes to and fro sets goals all the
 * time. */
#define MISSES_LEAST 32
#define GOAL_SLOTS (SLOTS / 8)

uint64_t mm__book_key_from_value(const book_side *side, uint64_t value)
{
    uint64_t price = value ^ side->flip;
    uint64_t ticks = price / side->tick;
    if (side->flip == 0) {
        return ticks + (price % side->tick != 0);
    }
    return ticks > 0 ? bid_keys_end(side->shift) - ticks : NONE;
}

/* ---- Search
 * -------------------------------------------------------------------------------------- */

/* Whether the STRIDE words from `at` on, a multiple of STRIDE, are all empty. */
static inline bool stride_empty(const book_window *window, uint64_t at)
{
    uint64_t found = 0;
    for (uint32_t i = 0; i < STRIDE; i++) {
        found |= window->bits[at + i];
    }
    return found == 0;
}

uint64_t mm__book_slot_behind(const book_window *window, uint64_t index)
{
    const uint64_t end = index + WORDS;
    for (uint64_t at = index + 1; at <= end; at++) {
        uint64_t word_index = at % WORDS;
        if (window->bits[word_index] != 0) {
            return word_index * WORD_BITS + lowest_bit(window->bits[word_index]);
        }
        if (word_index % STRIDE == 0 && stride_empty(window, word_index)) {
            at += STRIDE - 1;
        }
    }
    return NONE;
}

uint64_t mm__book_last_key(const book_side *side)
{
    const book_window *window = side->window;
    uint64_t end = side->low + side->span - 1;
    uint64_t slot = end % SLOTS;
    uint64_t index = slot / WORD_BITS;
    uint64_t word = window->bits[index] << (WORD_BITS - 1 - slot % WORD_BITS);
    MM_ASSERT(window_count_of(side) > 0);
    if (word != 0) {
        return end - (WORD_BITS - 1 - mm__bit_highest(word));
    }
    /* Words below this one, then around to those above it; of its own, bits above the slot are the last. */
    uint64_t back = 1;
    for (; back < WORDS && window->bits[(index - back) % WORDS] == 0; back++) {
        if ((index - back) % STRIDE == STRIDE - 1 && stride_empty(window, (index - back) % WORDS - (STRIDE - 1))) {
            back += STRIDE - 1;
        }
    }
    index = (index - back) % WORDS;
    MM_ASSERT(window->bits[index] != 0);
    slot = index * WORD_BITS + mm__bit_highest(window->bits[index]);
    return end - (end - slot) % SLOTS;
}

/* ---- Following the price
 * ------------------------------------------------------------------------- */

uint64_t mm__book_goal_end(const book_side *side)
{
    return side->key_end - side->goal < SLOTS ? side->key_end : side->goal + SLOTS;
}

static void move_to_tree(book_side *side, uint64_t key)
{
    int64_t qty_e8 = window_put(side->window, key, 0);
    int64_t before_e8 = mm__tree_put(&side->tree, value_of_key(side, key), qty_e8);
    MM_ASSERT(qty_e8 > 0);
    MM_ASSERT(before_e8 == 0);
}

static void move_to_window(book_side *side, uint64_t key)
{
    int64_t qty_e8 = mm__tree_remove(&side->tree, value_of_key(side, key));
    int64_t before_e8 = window_put(side->window, key, qty_e8);
    MM_ASSERT(qty_e8 > 0);
    MM_ASSERT(before_e8 == 0);
}

/* The cover comes in to end at `end`, or to the one level that leaves. */
static void shrink_far(book_side *side, uint64_t end)
{
    uint64_t key = mm__book_last_key(side);
    if (key >= end) {
        move_to_tree(side, key);
        end = key;
    }
    MM_ASSERT(side->low <= end);
    side->span = end - side->low;
}

/* The cover comes in to begin at `start`, or behind the one level that leaves. */
static void shrink_near(book_side *side, uint64_t start)
{
    uint64_t end = side->low + side->span;
    uint64_t key = window_next(side, side->low);
    if (key < start) {
        move_to_tree(side, key);
        start = key + 1;
    }
    MM_ASSERT(start <= end); /* beyond the end there is no level, so one was before it */
    side->low = start;
    side->span = end - start;
}

/* The cover goes out to end at `end`, or behind the levels of one leaf of the tree that enter, or
 * at a price between two ticks. */
static void grow_far(book_side *side, uint64_t end)
{
    uint32_t entered = 0;
    uint64_t first = 0;
    mm__tree_at at;
    bool more = mm__tree_seek(&side->tree, value_of_key(side, side->low + side->span), &at);
    while (more) {
        uint64_t value = mm__tree_key(&side->tree, at);
        uint64_t key = mm__book_key_from_value(side, value);
        if (key >= end) {
            break;
        }
        if (value_of_key(side, key) != value) {
            end = key;
            break;
        }
        window_put(side->window, key, mm__tree_value(&side->tree, at));
        first = entered == 0 ? value : first;
        entered++;
        if (entered == MM__TREE_RUN_MAX || mm__tree_at_leaf_end(&side->tree, at)) {
            end = key + 1;
            break;
        }
        more = mm__tree_step(&side->tree, &at);
    }
    side->span = end - side->low;
    if (entered > 0) {
        mm__tree_remove_run(&side->tree, first, entered);
    }
}

/* The cover goes out to begin at `start`, or at the one level that enters, or by one tick. */
static void grow_near(book_side *side, uint64_t start)
{
    uint64_t end = side->low + side->span;
    uint64_t key = start;
    mm__tree_at at;
    if (mm__tree_before(&side->tree, value_of_key(side, side->low), &at)) {
        key = mm__book_key_from_value(side, mm__tree_key(&side->tree, at));
        key = key < side->low ? key
                              : side->low - 1; /* a price between two ticks, next to the cover */
        key = key > start ? key : start;
    }
    side->low = key;
    side->span = end - key;
    if (mm__tree_get(&side->tree, value_of_key(side, key)) != 0) {
        move_to_window(side, key);
    }
}

/* One bounded step of the cover towards [goal, goal_end): in at both ends first, then out. */
static void follow_step(book_side *side)
{
    uint64_t end = side->low + side->span;
    uint64_t wanted_end = mm__book_goal_end(side);
    side->best_stale = true;
    side->best_key = 0; /* no window level is before it */
    side->top->count = 0; /* `resume` of a level that enters the window would lead to it again */
    side->top->changed = 0;
    mm__book_unkeep(side->top);
    if (window_count_of(side) == 0 && side->low != side->goal) {
        side->low = side->goal;
        side->span = 0;
    } else if (end > wanted_end) {
        shrink_far(side, wanted_end);
    } else if (side->low < side->goal) {
        shrink_near(side, side->goal);
    } else if (end < wanted_end) {
        grow_far(side, wanted_end);
    } else {
        grow_near(side, side->goal);
    }
}

/* Where the cover should begin for a best at `key`: a little before it, but so that it need not end
 * before all slots are covered. */
uint64_t mm__book_goal_for(const book_side *side, uint64_t key)
{
    uint64_t keys = side->key_end - side->key_first;
    uint64_t last = keys > SLOTS ? side->key_end - SLOTS : side->key_first;
    if (keys == 0) {
        return side->key_first;
    }
    key = key < side->key_end ? key : side->key_end - 1;
    key = key - side->key_first > GOAL_SLOTS ? key - GOAL_SLOTS : side->key_first;
    return key < last ? key : last;
}

void mm__book_follow(book_side *side)
{
    uint64_t end = side->low + side->span;
    bool apart = side->goal >= end || mm__book_goal_end(side) <= side->low;
    uint64_t needed = MISSES_LEAST + (apart ? window_count_of(side) : 0);
    if (side->span == 0) {
        side->misses = needed; /* there is nothing to wait for */
    }
    if (side->misses < needed) {
        side->misses++;
        return;
    }
    MM_ASSERT(side->low != side->goal || end != mm__book_goal_end(side)); /* else nothing would be missed that is within the goal */
    follow_step(side);
}
