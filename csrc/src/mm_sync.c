/* Sequence rules that make one exact book of a snapshot and diffs.
 *
 * While there is no snapshot, diffs wait in a buffer, and the buffer is always a run without a hole: a hole, or room
 * running out, throws away what lies before it, and a snapshot must then be at least as new as what is lost
 * (`lost_id`). So when a snapshot is accepted everything in the buffer that is newer can be applied.
 *
 *              older, dropped     may follow `last`                       else
 *     spot     u <= last          U <= last + 1                           gap
 *     futures  u <  snapshot's    U <= snapshot's (the first); pu == last gap (u <= last: dropped)
 *
 * A second look (keep, merge) makes another book of a later snapshot while this one is in use. The buffer then holds
 * the diffs since the snapshot was asked for, so what is older than `lost_id`, the book's u at that moment, cannot
 * be merged. A snapshot that is ahead of the book waits as a book of its own, to which every diff behind it is
 * applied as well, until the book has come to the same u: ids never step back, and both books can be compared level
 * by level.
 *
 * On spot the first diff behind a snapshot and all later ones obey one rule. It is U <= id + 1 and u > id, not "U <=
 * id <= u": when the snapshot ends exactly where a diff ended, that diff is dropped and the next begins at id + 1. A
 * diff that overlaps what is applied is applied: its quantities are absolute and newer. */
#include "mm_internal.h"

#include <string.h>

struct mm_sync {
    mm_record *buffer;
    size_t capacity;
    size_t begin; /* buffered events are buffer[begin .. end), each contiguous */
    size_t end;
    int64_t buffered_id; /* u of the last buffered diff, -1 = nothing is buffered */
    int64_t lost_id;     /* a usable snapshot is at least as new as this, -1 = any */
    int64_t last_id;     /* u of the book; of a snapshot its id; -1 while waiting */
    int32_t state;
    bool bridged; /* a diff has been applied behind the snapshot */
    bool keeping; /* synced, and diffs go into the buffer too */
    mm_book *fresh;   /* a merged book that is ahead of the one in use, NULL = none */
    int64_t fresh_id; /* its u */
    mm_sync_stats stats;
    mm_sync_fn observer;
    void *observer_context;
    mm_level bids[MM_DEPTH_LEVELS_MAX];
    mm_level asks[MM_DEPTH_LEVELS_MAX];
};

/* ---- Events
 * -------------------------------------------------------------------------------------- */

/* Counts that hang together and ids in order; with MM_DEPTH_LEVELS_MAX this bounds all copying
 * below. */
static bool event_valid(const mm_record *records, uint16_t kind)
{
    const mm_depth_body *body = &records->body.depth;
    size_t records_needed =
        1 + mm__level_records(body->bid_count) + mm__level_records(body->ask_count);
    MM_ASSERT(records->kind == kind);
    return records->kind == kind && body->bid_count <= MM_DEPTH_LEVELS_MAX &&
           body->ask_count <= MM_DEPTH_LEVELS_MAX && records->count == records_needed &&
           body->first_id >= 0 && body->first_id <= body->last_id;
}

/* Copies the levels of one side out of their records. */
static void levels_copy(const mm_record *records, size_t level_count, mm_level *out)
{
    size_t whole = level_count / MM_LEVELS_PER_RECORD;
    size_t rest = level_count % MM_LEVELS_PER_RECORD;
    for (size_t i = 0; i < whole; i++) {
        memcpy(&out[i * MM_LEVELS_PER_RECORD], records[i].body.levels,
               sizeof records[i].body.levels);
    }
    if (rest > 0) {
        memcpy(&out[whole * MM_LEVELS_PER_RECORD], records[whole].body.levels,
               rest * sizeof(mm_level));
    }
}

static void event_levels(mm_sync *sync, const mm_record *records)
{
    const mm_depth_body *body = &records->body.depth;
    levels_copy(records + 1, body->bid_count, sync->bids);
    levels_copy(records + 1 + mm__level_records(body->bid_count), body->ask_count, sync->asks);
}

static bool is_futures(const mm_record *records)
{
    return (records->flags & MM_FLAG_FUTURES) != 0;
}

/* ---- Buffer
 * -------------------------------------------------------------------------------------- */

static void buffer_clear(mm_sync *sync)
{
    sync->begin = 0;
    sync->end = 0;
    sync->buffered_id = -1;
}

static void lose(mm_sync *sync, int64_t update_id)
{
    sync->lost_id = update_id > sync->lost_id ? update_id : sync->lost_id;
}

/* Makes room for `count` records; true if diffs had to go for it. */
static bool buffer_make_room(mm_sync *sync, size_t count)
{
    bool lost = false;
    while (sync->end - sync->begin + count > sync->capacity) {
        const mm_record *oldest = &sync->buffer[sync->begin];
        MM_ASSERT(sync->begin < sync->end);
        lose(sync, oldest->body.depth.last_id);
        sync->begin += oldest->count;
        lost = true;
    }
    if (sync->end + count > sync->capacity) {
        memmove(sync->buffer, &sync->buffer[sync->begin],
                (sync->end - sync->begin) * sizeof sync->buffer[0]);
        sync->end -= sync->begin;
        sync->begin = 0;
    }
    return lost;
}

/* True when the diff continues the buffered ones without a hole. */
static bool buffer_continues(const mm_sync *sync, const mm_record *records)
{
    const mm_depth_body *body = &records->body.depth;
    if (sync->buffered_id < 0) {
        return true;
    }
    return is_futures(records) ? body->prev_id == sync->buffered_id
                               : body->first_id <= sync->buffered_id + 1;
}

static int32_t buffer_add(mm_sync *sync, const mm_record *records)
{
    const mm_depth_body *body = &records->body.depth;
    if (sync->buffered_id >= 0 && body->last_id <= sync->buffered_id) {
        return MM_SYNC_DROPPED;
    }
    if (!buffer_continues(sync, records)) {
        lose(sync, is_futures(records) ? body->first_id : body->first_id - 1);
        buffer_clear(sync);
    }
    if (records->count > sync->capacity) {
        lose(sync, body->last_id);
        buffer_clear(sync);
        return MM_SYNC_OVERFLOW;
    }
    bool lost = buffer_make_room(sync, records->count);
    memcpy(&sync->buffer[sync->end], records, records->count * sizeof records[0]);
    sync->end += records->count;
    sync->buffered_id = body->last_id;
    MM_ASSERT(sync->end <= sync->capacity);
    return lost ? MM_SYNC_OVERFLOW : MM_SYNC_BUFFERED;
}

/* ---- Rules
 * --------------------------------------------------------------------------------------- */

static void wait_for_snapshot(mm_sync *sync, mm_book *book)
{
    mm_book_clear(book);
    buffer_clear(sync);
    sync->state = MM_SYNC_WAITING;
    sync->last_id = -1;
    sync->lost_id = -1;
    sync->bridged = false;
    sync->keeping = false;
    sync->fresh = NULL;
}

/* What a diff is to a book at `last_id`: MM_SYNC_DROPPED, MM_SYNC_APPLIED (it may be) or
 * MM_SYNC_GAP. */
static int32_t judge(const mm_record *records, int64_t last_id, bool bridged)
{
    const mm_depth_body *body = &records->body.depth;
    if (!is_futures(records)) {
        if (body->last_id <= last_id) {
            return MM_SYNC_DROPPED;
        }
        return body->first_id - 1 <= last_id ? MM_SYNC_APPLIED : MM_SYNC_GAP;
    }
    if (bridged ? body->last_id <= last_id : body->last_id < last_id) {
        return MM_SYNC_DROPPED;
    }
    bool follows = bridged ? body->prev_id == last_id : body->first_id <= last_id;
    return follows ? MM_SYNC_APPLIED : MM_SYNC_GAP;
}

static mm_status apply(mm_sync *sync, mm_book *book, const mm_record *records)
{
    const mm_depth_body *body = &records->body.depth;
    event_levels(sync, records);
    mm_status status =
        mm_book_apply(book, sync->bids, body->bid_count, sync->asks, body->ask_count);
    if (status < 0) {
        return status;
    }
    sync->last_id = body->last_id;
    sync->bridged = true;
    sync->stats.applied++;
    if (sync->observer != NULL) {
        sync->observer(sync->observer_context, body);
    }
    return MM_OK;
}

/* A diff that the book has taken, for the second look at it: kept, or into the book that is ahead. */
static mm_status follow(mm_sync *sync, const mm_record *records)
{
    const mm_depth_body *body = &records->body.depth;
    if (sync->keeping) {
        (void)buffer_add(sync, records);
    }
    if (sync->fresh == NULL || body->last_id <= sync->fresh_id) {
        return MM_OK;
    }
    sync->fresh_id = body->last_id;
    event_levels(sync, records);
    return mm_book_apply(sync->fresh, sync->bids, body->bid_count, sync->asks, body->ask_count);
}

int32_t mm_sync_depth(mm_sync *sync, mm_book *book, const mm_record *records)
{
    if (!event_valid(records, MM_KIND_DEPTH)) {
        wait_for_snapshot(sync, book);
        return MM_E_ARGUMENT;
    }
    if (sync->state == MM_SYNC_WAITING) {
        return buffer_add(sync, records);
    }
    int32_t verdict = judge(records, sync->last_id, sync->bridged);
    if (verdict == MM_SYNC_DROPPED) {
        sync->stats.dropped_before_snapshot += !sync->bridged;
        return verdict;
    }
    if (verdict == MM_SYNC_GAP) {
        sync->stats.gaps++;
        wait_for_snapshot(sync, book);
        int32_t kept =
            buffer_add(sync, records); /* the first of those that a new snapshot can bridge */
        MM_ASSERT(kept == MM_SYNC_BUFFERED || kept == MM_SYNC_OVERFLOW);
        return MM_SYNC_GAP;
    }
    mm_status status = apply(sync, book, records);
    if (status == MM_OK) {
        status = follow(sync, records);
    }
    if (status < 0) {
        wait_for_snapshot(sync, book);
    }
    return status < 0 ? status : MM_SYNC_APPLIED;
}

/* The first buffered diff that is not older than the snapshot; the end if all are. Counts the older
 * ones. */
static size_t buffer_skip(const mm_sync *sync, int64_t snapshot_id, uint64_t *skipped)
{
    size_t at = sync->begin;
    while (at < sync->end && judge(&sync->buffer[at], snapshot_id, false) == MM_SYNC_DROPPED) {
        at += sync->buffer[at].count;
        (*skipped)++;
    }
    return at;
}

/* Applies the buffered diffs from `at` on. */
static mm_status replay(mm_sync *sync, mm_book *book, size_t at)
{
    while (at < sync->end) {
        const mm_record *records = &sync->buffer[at];
        int32_t verdict = judge(records, sync->last_id, sync->bridged);
        MM_ASSERT(verdict == MM_SYNC_APPLIED); /* the buffer has no hole */
        mm_status status = apply(sync, book, records);
        if (status < 0) {
            return status;
        }
        at += records->count;
    }
    return MM_OK;
}

int32_t mm_sync_snapshot(mm_sync *sync, mm_book *book, const mm_record *records,
                         size_t levels_asked)
{
    const mm_depth_body *body = &records->body.depth;
    uint64_t skipped = 0;
    if (sync->state == MM_SYNC_SYNCED) {
        return MM_SYNC_DROPPED; /* the book is exact already */
    }
    if (!event_valid(records, MM_KIND_SNAPSHOT)) {
        return MM_E_ARGUMENT;
    }
    int64_t id = body->last_id;
    size_t first = buffer_skip(sync, id, &skipped);
    if (id < sync->lost_id ||
        (first < sync->end && judge(&sync->buffer[first], id, false) != MM_SYNC_APPLIED)) {
        return MM_SYNC_STALE_SNAPSHOT;
    }
    event_levels(sync, records);
    mm_status status = mm_book_snapshot(book, sync->bids, body->bid_count, sync->asks,
                                        body->ask_count, levels_asked);
    if (status < 0) {
        return status;
    }
    sync->state = MM_SYNC_SYNCED;
    sync->last_id = id;
    sync->bridged = false;
    sync->stats.snapshots++;
    sync->stats.dropped_before_snapshot += skipped;
    status = replay(sync, book, first);
    if (status < 0) {
        wait_for_snapshot(sync, book);
        return status;
    }
    buffer_clear(sync);
    sync->lost_id = -1;
    MM_ASSERT(sync->state == MM_SYNC_SYNCED && sync->last_id >= id);
    return MM_SYNC_REPLAYED;
}

/* ---- A second look
 * -------------------------------------------------------------------------------------- */

static void stop_keeping(mm_sync *sync)
{
    buffer_clear(sync);
    sync->lost_id = -1;
    sync->keeping = false;
}

void mm_sync_keep(mm_sync *sync)
{
    MM_ASSERT(sync->state == MM_SYNC_SYNCED);
    stop_keeping(sync);
    sync->fresh = NULL;
    sync->keeping = true;
    sync->lost_id = sync->last_id; /* what came before is not kept */
}

/* The kept diffs from `at` on, into `fresh`. The book in use has taken them all, so they are valid. */
static void replay_kept(mm_sync *sync, mm_book *fresh, size_t at)
{
    while (at < sync->end) {
        const mm_record *records = &sync->buffer[at];
        const mm_depth_body *body = &records->body.depth;
        event_levels(sync, records);
        mm_status status = mm_book_apply(fresh, sync->bids, body->bid_count, sync->asks, body->ask_count);
        MM_ASSERT(status == MM_OK);
        at += records->count;
    }
}

int32_t mm_sync_merge(mm_sync *sync, mm_book *fresh, const mm_record *records, size_t levels_asked)
{
    const mm_depth_body *body = &records->body.depth;
    uint64_t older = 0;
    if (!sync->keeping) {
        return MM_SYNC_DROPPED;
    }
    MM_ASSERT(sync->state == MM_SYNC_SYNCED);
    if (!event_valid(records, MM_KIND_SNAPSHOT)) {
        return MM_E_ARGUMENT;
    }
    size_t first = buffer_skip(sync, body->last_id, &older);
    if (body->last_id < sync->lost_id ||
        (first < sync->end && judge(&sync->buffer[first], body->last_id, false) != MM_SYNC_APPLIED)) {
        return MM_SYNC_STALE_SNAPSHOT;
    }
    event_levels(sync, records);
    mm_status status = mm_book_snapshot(fresh, sync->bids, body->bid_count, sync->asks, body->ask_count,
                                        levels_asked);
    if (status < 0) {
        stop_keeping(sync);
        return status;
    }
    replay_kept(sync, fresh, first);
    stop_keeping(sync);
    sync->stats.snapshots++;
    if (body->last_id <= sync->last_id) {
        return MM_SYNC_REPLAYED;
    }
    sync->fresh = fresh;
    sync->fresh_id = body->last_id;
    return MM_SYNC_BUFFERED;
}

bool mm_sync_fresh(mm_sync *sync)
{
    bool ready = sync->fresh != NULL && sync->fresh_id == sync->last_id;
    if (ready) {
        sync->fresh = NULL;
    }
    return ready;
}

bool mm_sync_is_ahead(const mm_sync *sync)
{
    return sync->fresh != NULL;
}

/* ---- Life, state
 * --------------------------------------------------------------------------------- */

void mm_sync_reset(mm_sync *sync, mm_book *book)
{
    wait_for_snapshot(sync, book);
}

void mm_sync_observe(mm_sync *sync, mm_sync_fn fn, void *context)
{
    sync->observer = fn;
    sync->observer_context = context;
}

void mm_sync_collect(void *series, const mm_depth_body *depth)
{
    mm_sync_series *to = series;
    if (to->count < to->capacity) {
        to->rows[to->count].update_id = depth->last_id;
        to->rows[to->count].top = *mm_book_top(to->book);
    }
    to->count++;
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

size_t mm_sync_bytes(size_t buffer_records)
{
    size_t records_max = (SIZE_MAX - mm__round_line(sizeof(mm_sync))) / sizeof(mm_record);
    if (buffer_records < 1 || buffer_records > records_max) {
        return 0;
    }
    return mm__round_line(sizeof(mm_sync)) + buffer_records * sizeof(mm_record);
}

mm_status mm_sync_init(void *memory, size_t memory_bytes, size_t buffer_records, mm_sync **sync)
{
    size_t needed_bytes = mm_sync_bytes(buffer_records);
    if (needed_bytes == 0) {
        return MM_E_ARGUMENT;
    }
    if (!mm__memory_fits(memory, memory_bytes, needed_bytes)) {
        return MM_E_CAPACITY;
    }
    mm_sync *made = memory;
    memset(made, 0, sizeof *made);
    made->buffer = (mm_record *)(void *)((unsigned char *)memory + mm__round_line(sizeof(mm_sync)));
    made->capacity = buffer_records;
    made->buffered_id = -1;
    made->lost_id = -1;
    made->last_id = -1;
    made->state = MM_SYNC_WAITING;
    *sync = made;
    return MM_OK;
}

mm_sync *mm_sync_new(size_t buffer_records)
{
    size_t bytes = mm_sync_bytes(buffer_records);
    mm_sync *sync = NULL;
    void *memory = bytes > 0 ? mm__memory_new(bytes) : NULL;
    if (memory != NULL) {
        mm_status status = mm_sync_init(memory, bytes, buffer_records, &sync);
        MM_ASSERT(status == MM_OK);
    }
    return sync;
}

void mm_sync_free(mm_sync *sync)
{
    mm__memory_free(sync);
}
