/* An order book as plainly as it can be written: two sorted arrays, best first. Shares nothing with the library's. */
#ifndef BOOK_TWIN_H
#define BOOK_TWIN_H

#include "mm_fuzz.h"

enum { TWIN_LEVELS_MAX = 1024 };

typedef struct twin_side {
    mm_level levels[TWIN_LEVELS_MAX + 1];
    size_t count;
    bool limited;
    int64_t horizon_e8;
} twin_side;

typedef struct twin_book {
    twin_side sides[2];
    size_t levels_max;
    mm_book_stats stats;
} twin_book;

static inline bool twin_before(int32_t side, int64_t a, int64_t b)
{
    return side == MM_BID ? a > b : a < b;
}

static inline void twin_clear(twin_book *twin)
{
    for (int32_t side = 0; side < 2; side++) {
        twin->sides[side].count = 0;
        twin->sides[side].limited = false;
    }
}

/* Nothing is known beyond this price. A bid of 1 is the last there can be, so that nothing is unknown. */
static inline void twin_limit(twin_book *twin, int32_t side, int64_t price_e8)
{
    twin_side *s = &twin->sides[side];
    if (side == MM_BID && price_e8 == 1) {
        return;
    }
    if (!s->limited || twin_before(side, price_e8, s->horizon_e8)) {
        s->limited = true;
        s->horizon_e8 = price_e8;
    }
}

/* The first level that is not better than this price. */
static inline size_t twin_find(const twin_side *s, int32_t side, int64_t price_e8)
{
    size_t first = 0, end = s->count;
    while (first < end) {
        size_t middle = (first + end) / 2;
        bool before = twin_before(side, s->levels[middle].price_e8, price_e8);
        first = before ? middle + 1 : first;
        end = before ? end : middle;
    }
    return first;
}

static inline void twin_put(twin_book *twin, int32_t side, mm_level level)
{
    twin_side *s = &twin->sides[side];
    size_t at = twin_find(s, side, level.price_e8);
    bool there = at < s->count && s->levels[at].price_e8 == level.price_e8;
    if (level.qty_e8 == 0) {
        if (there) {
            s->count--;
            memmove(&s->levels[at], &s->levels[at + 1], (s->count - at) * sizeof level);
        }
        return;
    }
    if (!there) {
        memmove(&s->levels[at + 1], &s->levels[at], (s->count - at) * sizeof level);
        s->count++;
    }
    s->levels[at] = level;
    if (s->count > twin->levels_max) {
        s->count--;
        twin->stats.evicted++;
        twin_limit(twin, side, s->levels[s->count].price_e8 + (side == MM_BID ? 1 : -1));
    }
}

static inline bool twin_has(const twin_book *twin, int32_t side, int64_t price_e8)
{
    const twin_side *s = &twin->sides[side];
    size_t at = twin_find(s, side, price_e8);
    return at < s->count && s->levels[at].price_e8 == price_e8;
}

/* One side of a message; false when a level is not valid, and the book is then empty. */
static inline bool twin_apply_side(twin_book *twin, int32_t side, const mm_level *levels, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (levels[i].price_e8 <= 0 || levels[i].qty_e8 < 0) {
            twin_clear(twin);
            return false;
        }
        if (levels[i].qty_e8 == 0) {
            twin->stats.deletes++;
            twin->stats.deletes_absent += !twin_has(twin, side, levels[i].price_e8);
        }
        twin_put(twin, side, levels[i]);
    }
    return true;
}

static inline bool twin_apply(twin_book *twin, const mm_level *bids, size_t bid_count, const mm_level *asks, size_t ask_count)
{
    twin->stats.updates += bid_count + ask_count;
    return twin_apply_side(twin, MM_BID, bids, bid_count) && twin_apply_side(twin, MM_ASK, asks, ask_count);
}

static inline bool twin_levels_valid(const mm_level *levels, size_t count)
{
    bool valid = true;
    for (size_t i = 0; i < count; i++) {
        valid &= levels[i].price_e8 > 0 && levels[i].qty_e8 >= 0;
    }
    return valid;
}

static inline void twin_snapshot_side(twin_book *twin, int32_t side, const mm_level *levels, size_t count, size_t levels_asked)
{
    int64_t farthest = count > 0 ? levels[0].price_e8 : 0;
    for (size_t i = 0; i < count; i++) {
        twin_put(twin, side, levels[i]);
        farthest = twin_before(side, farthest, levels[i].price_e8) ? levels[i].price_e8 : farthest;
    }
    if (count > 0 && count >= levels_asked) {
        twin_limit(twin, side, farthest);
    }
}

static inline bool twin_snapshot(twin_book *twin, const mm_level *bids, size_t bid_count, const mm_level *asks, size_t ask_count,
                          size_t levels_asked)
{
    twin_clear(twin);
    if (!twin_levels_valid(bids, bid_count) || !twin_levels_valid(asks, ask_count)) {
        return false;
    }
    twin_snapshot_side(twin, MM_BID, bids, bid_count, levels_asked);
    twin_snapshot_side(twin, MM_ASK, asks, ask_count, levels_asked);
    return true;
}

/* Levels not beyond the horizon. */
static inline size_t twin_known(const twin_book *twin, int32_t side)
{
    const twin_side *s = &twin->sides[side];
    size_t count = s->count;
    while (s->limited && count > 0 && twin_before(side, s->horizon_e8, s->levels[count - 1].price_e8)) {
        count--;
    }
    return count;
}

/* ---- Against the library's book ---- */

static inline void twin_check_levels(const twin_book *twin, const mm_book *book)
{
    static mm_level read[TWIN_LEVELS_MAX + 1];
    for (int32_t side = 0; side < 2; side++) {
        const twin_side *s = &twin->sides[side];
        int64_t horizon_e8 = 0;
        FUZZ_EQUAL(mm_book_count(book, side), s->count);
        FUZZ_EQUAL(mm_book_dump(book, side, TWIN_LEVELS_MAX + 1, read), s->count);
        FUZZ_CHECK(memcmp(read, s->levels, s->count * sizeof read[0]) == 0);
        FUZZ_EQUAL(mm_book_horizon(book, side, &horizon_e8), s->limited);
        FUZZ_CHECK(!s->limited || horizon_e8 == s->horizon_e8);
    }
}

#endif /* BOOK_TWIN_H */
