/* Snapshot + diffs = one exact book.
 *
 * Diffs that come before the snapshot wait in a bounded buffer of whole events. A snapshot with id L is good when the oldest diff not
 * covered by it bridges it:
 *
 *            covered, dropped        first applied         then
 *   spot     u <= L                  U <= L + 1 <= u       U <= last + 1 (the exchange sends U == last + 1; an overlap is
 *                                                          harmless, quantities are absolute)
 *   futures  u <  L                  U <= L <= u           pu == last
 *
 * Anything else is a gap: the book is emptied, the diff that showed it is the first of a new buffer, and a new snapshot is needed. */
#include "mm_internal.h"

#include <string.h>

struct mm_sync {
    mm_sync_stats stats;
    mm_sync_fn observe;
    void *context;
    int64_t last_id;       /* of the book, -1 while waiting */
    int32_t state;
    int32_t bridged;       /* a diff has been applied since the snapshot */
    size_t capacity;       /* records */
    size_t used;
    mm_level bids[MM_DEPTH_LEVELS_MAX]; /* one event's levels, side by side as the book takes them */
    mm_level asks[MM_DEPTH_LEVELS_MAX];
    mm_record buffer[];
};

/* ---- memory ------------------------------------------------------------------------------- */

size_t mm_sync_bytes(size_t buffer_records)
{
    bool ok = buffer_records >= 1 && buffer_records <= ((size_t)1 << 24);
    return ok ? sizeof(struct mm_sync) + buffer_records * sizeof(mm_record) : 0;
}

mm_status mm_sync_init(void *memory, size_t memory_bytes, size_t buffer_records, mm_sync **sync)
{
    size_t needed = mm_sync_bytes(buffer_records);
    if (needed == 0 || !mm__memory_fits(memory, memory_bytes, needed)) {
        return MM_E_ARGUMENT;
    }
    mm_sync *s = (mm_sync *)memory;
    memset(s, 0, sizeof *s);
    s->last_id = -1;
    s->capacity = buffer_records;
    *sync = s;
    return MM_OK;
}

mm_sync *mm_sync_new(size_t buffer_records)
{
    size_t bytes = mm_sync_bytes(buffer_records);
    void *memory = bytes > 0 ? mm__memory_new(bytes) : NULL;
    mm_sync *sync = NULL;
    if (memory != NULL && mm_sync_init(memory, bytes, buffer_records, &sync) != MM_OK) {
        mm__memory_free(memory);
    }
    return sync;
}

void mm_sync_free(mm_sync *sync)
{
    mm__memory_free(sync);
}

void mm_sync_observe(mm_sync *sync, mm_sync_fn fn, void *context)
{
    sync->observe = fn;
    sync->context = context;
}

/* ---- buffer: whole events, oldest first --------------------------------------------------- */

static void drop_front(mm_sync *sync, size_t record_count)
{
    MM_ASSERT(record_count <= sync->used);
    sync->used -= record_count;
    memmove(sync->buffer, sync->buffer + record_count, sync->used * sizeof sync->buffer[0]);
}

/* The oldest diffs make room: a snapshot that is new enough does not need them. */
static int32_t put(mm_sync *sync, const mm_record *records)
{
    int32_t result = MM_SYNC_BUFFERED;
    size_t count = records->count;
    MM_ASSERT(count >= 1);
    if (count > sync->capacity) {
        sync->used = 0;
        return MM_SYNC_OVERFLOW;
    }
    size_t drop = 0;
    while (sync->used - drop + count > sync->capacity) {
        drop += sync->buffer[drop].count;
        result = MM_SYNC_OVERFLOW;
    }
    drop_front(sync, drop);
    memcpy(sync->buffer + sync->used, records, count * sizeof *records);
    sync->used += count;
    MM_ASSERT(sync->used <= sync->capacity);
    return result;
}

/* ---- rules -------------------------------------------------------------------------------- */

static bool is_futures(const mm_record *records)
{
    return (records->flags & MM_FLAG_FUTURES) != 0;
}

static bool is_covered(const mm_sync *sync, const mm_record *records)
{
    int64_t last_id = records->body.depth.last_id;
    if (is_futures(records) && !sync->bridged) {
        return last_id < sync->last_id;
    }
    return last_id <= sync->last_id;
}

static bool follows(const mm_sync *sync, const mm_record *records)
{
    const mm_depth_body *depth = &records->body.depth;
    if (is_futures(records)) {
        return sync->bridged ? depth->prev_id == sync->last_id : depth->first_id <= sync->last_id;
    }
    return depth->first_id <= sync->last_id + 1;
}

/* Levels lie three to a record, bids first, asks from a record of their own. */
static void gather(const mm_record *records, uint32_t count, mm_level *levels)
{
    for (uint32_t i = 0; i < count; i++) {
        levels[i] = records[i / MM_LEVELS_PER_RECORD].body.levels[i % MM_LEVELS_PER_RECORD];
    }
}

static bool take_levels(mm_sync *sync, const mm_record *records)
{
    const mm_depth_body *depth = &records->body.depth;
    if (depth->bid_count > MM_DEPTH_LEVELS_MAX || depth->ask_count > MM_DEPTH_LEVELS_MAX) {
        return false;
    }
    uint32_t bid_records = (depth->bid_count + MM_LEVELS_PER_RECORD - 1) / MM_LEVELS_PER_RECORD;
    uint32_t ask_records = (depth->ask_count + MM_LEVELS_PER_RECORD - 1) / MM_LEVELS_PER_RECORD;
    if (records->count != 1 + bid_records + ask_records) {
        return false;
    }
    gather(records + 1, depth->bid_count, sync->bids);
    gather(records + 1 + bid_records, depth->ask_count, sync->asks);
    return true;
}

/* Waiting again, with an empty book; the buffer is the caller's business. */
static void lose(mm_sync *sync, mm_book *book)
{
    sync->state = MM_SYNC_WAITING;
    sync->last_id = -1;
    sync->bridged = 0;
    mm_book_clear(book);
}

static int32_t apply(mm_sync *sync, mm_book *book, const mm_record *records)
{
    const mm_depth_body *depth = &records->body.depth;
    if (is_covered(sync, records)) {
        sync->stats.dropped_before_snapshot += !sync->bridged;
        return MM_SYNC_DROPPED;
    }
    if (!follows(sync, records)) {
        sync->stats.gaps += sync->bridged != 0;
        lose(sync, book);
        return MM_SYNC_GAP;
    }
    mm_status status = take_levels(sync, records)
                           ? mm_book_apply(book, sync->bids, depth->bid_count, sync->asks, depth->ask_count)
                           : MM_E_ARGUMENT;
    if (status != MM_OK) {
        mm_sync_reset(sync, book);
        return status;
    }
    sync->last_id = depth->last_id;
    sync->bridged = 1;
    sync->stats.applied++;
    if (sync->observe != NULL) {
        sync->observe(sync->context, depth);
    }
    return MM_SYNC_APPLIED;
}

/* ---- calls -------------------------------------------------------------------------------- */

void mm_sync_reset(mm_sync *sync, mm_book *book)
{
    lose(sync, book);
    sync->used = 0;
}

int32_t mm_sync_depth(mm_sync *sync, mm_book *book, const mm_record *records)
{
    MM_ASSERT(records->kind == MM_KIND_DEPTH);
    if (sync->state == MM_SYNC_WAITING) {
        return put(sync, records);
    }
    int32_t result = apply(sync, book, records);
    if (result == MM_SYNC_GAP) {
        sync->used = 0;
        (void)put(sync, records);
    }
    return result;
}

/* Applies the buffer; what is left in it after a gap waits for the next snapshot. */
static int32_t replay(mm_sync *sync, mm_book *book)
{
    size_t at = 0;
    while (at < sync->used) {
        const mm_record *records = &sync->buffer[at];
        int32_t result = apply(sync, book, records);
        if (result < 0) {
            return result;
        }
        if (result == MM_SYNC_GAP) {
            drop_front(sync, at);
            return MM_SYNC_GAP;
        }
        at += records->count;
    }
    sync->used = 0;
    return MM_SYNC_REPLAYED;
}

/* A diff the snapshot should have covered is missing from the buffer. */
static bool is_stale(const mm_sync *sync, int64_t snapshot_id)
{
    if (sync->used == 0) {
        return false;
    }
    const mm_record *first = &sync->buffer[0];
    return first->body.depth.first_id > snapshot_id + (is_futures(first) ? 0 : 1);
}

int32_t mm_sync_snapshot(mm_sync *sync, mm_book *book, const mm_record *records, size_t levels_asked)
{
    const mm_depth_body *depth = &records->body.depth;
    MM_ASSERT(records->kind == MM_KIND_SNAPSHOT);
    if (is_stale(sync, depth->last_id)) {
        return MM_SYNC_STALE_SNAPSHOT;
    }
    bool complete = depth->bid_count < levels_asked && depth->ask_count < levels_asked;
    mm_status status = take_levels(sync, records) ? mm_book_snapshot(book, sync->bids, depth->bid_count, sync->asks,
                                                                     depth->ask_count, complete)
                                                  : MM_E_ARGUMENT;
    if (status != MM_OK) {
        lose(sync, book);
        return status;
    }
    sync->state = MM_SYNC_SYNCED;
    sync->last_id = depth->last_id;
    sync->bridged = 0;
    sync->stats.snapshots++;
    return replay(sync, book);
}

int32_t mm_sync_state(const mm_sync *sync)
{
    return sync->state;
}

int64_t mm_sync_last_id(const mm_sync *sync)
{
    return sync->last_id;
}

mm_sync_stats mm_sync_statistics(const mm_sync *sync)
{
    return sync->stats;
}
