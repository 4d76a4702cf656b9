/* An exchange whose book is known at every update id, and a connection that loses, repeats, delays and damages what it sends:
 * whenever the library says that its book is exact, it is the exchange's book at that id. */
#include "book_twin.h"

enum { IDS_MAX = 600, DIFFS_MAX = 400, PRICES = 60, LEVELS_MAX = 400, BUFFER_RECORDS = 24, EVENT_RECORDS = 1 + 2 * 20 };

typedef struct {
    int64_t first_id, last_id, prev_id;
} sync_diff;

typedef struct {
    fuzz_input in;
    mm_sync *sync;
    mm_book *book, *fresh;
    bool futures;
    bool damaged; /* a diff whose levels are not valid may be in the buffer */
    mm_level updates[IDS_MAX]; /* what update id i + 1 set ... */
    int32_t sides[IDS_MAX];    /* ... and on which side */
    int64_t last_id;           /* newest update */
    sync_diff diffs[DIFFS_MAX];
    size_t diff_count;
    size_t next; /* of the diffs, the next to be delivered */
    uint64_t applied;
    mm_record event[EVENT_RECORDS];
} sync_run;

static void count_applied(void *context, const mm_depth_body *depth)
{
    sync_run *run = context;
    FUZZ_EQUAL(depth->last_id, mm_sync_last_id(run->sync));
    run->applied++;
}

/* ---- The exchange ---- */

static void truth_at(const sync_run *run, int64_t id, twin_book *truth)
{
    memset(truth, 0, sizeof *truth);
    truth->levels_max = LEVELS_MAX;
    for (int64_t i = 0; i < id; i++) {
        twin_put(truth, run->sides[i], run->updates[i]);
    }
}

/* Publishes one to four updates as one diff. */
static void publish(sync_run *run)
{
    int64_t count = fuzz_between(&run->in, 1, 4);
    if (run->last_id + count > IDS_MAX || run->diff_count == DIFFS_MAX) {
        return;
    }
    int64_t first_id = run->last_id + 1;
    for (int64_t i = 0; i < count; i++) {
        uint8_t what = fuzz_u8(&run->in);
        run->updates[run->last_id].price_e8 = 1 + what % PRICES;
        run->updates[run->last_id].qty_e8 = what % 3 == 0 ? 0 : 1 + fuzz_u8(&run->in);
        run->sides[run->last_id] = what >= 128;
        run->last_id++;
    }
    /* Futures: ids have gaps between diffs, prev_id alone tells. */
    int64_t prev_id = run->diff_count > 0 ? run->diffs[run->diff_count - 1].last_id : 0;
    sync_diff made = {first_id, run->last_id, prev_id};
    run->diffs[run->diff_count++] = made;
}

static void put_levels(mm_record **at, const mm_level *levels, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        mm_record *record = *at + i / 3;
        record->kind = MM_KIND_LEVELS;
        record->body.levels[i % 3] = levels[i];
    }
    *at += (count + 2) / 3;
}

static const mm_record *make_event(sync_run *run, uint16_t kind, int64_t first_id, int64_t last_id, const twin_book *sides)
{
    mm_record *at = run->event + 1;
    memset(run->event, 0, sizeof run->event);
    put_levels(&at, sides->sides[0].levels, sides->sides[0].count);
    put_levels(&at, sides->sides[1].levels, sides->sides[1].count);
    run->event[0].kind = kind;
    run->event[0].count = (uint32_t)(at - run->event);
    run->event[0].body.depth.first_id = first_id;
    run->event[0].body.depth.last_id = last_id;
    run->event[0].body.depth.prev_id = -1;
    run->event[0].body.depth.bid_count = (uint32_t)sides->sides[0].count;
    run->event[0].body.depth.ask_count = (uint32_t)sides->sides[1].count;
    return run->event;
}

/* The diff as the exchange sends it: each price once, with its quantity after the last of these updates. */
static const mm_record *make_diff(sync_run *run, int64_t first_id, int64_t last_id, int64_t prev_id)
{
    static twin_book sides;
    sides.sides[0].count = sides.sides[1].count = 0;
    for (int64_t id = first_id; id <= last_id; id++) {
        twin_side *s = &sides.sides[run->sides[id - 1]];
        size_t at = 0;
        while (at < s->count && s->levels[at].price_e8 != run->updates[id - 1].price_e8) {
            at++;
        }
        s->count += at == s->count;
        s->levels[at] = run->updates[id - 1];
    }
    (void)make_event(run, MM_KIND_DEPTH, first_id, last_id, &sides);
    if (run->futures) {
        run->event[0].flags = MM_FLAG_FUTURES;
        run->event[0].body.depth.prev_id = prev_id;
    }
    return run->event;
}

static const mm_record *make_snapshot(sync_run *run, int64_t id)
{
    static twin_book truth;
    truth_at(run, id, &truth);
    return make_event(run, MM_KIND_SNAPSHOT, id, id, &truth);
}

/* ---- Checks ---- */

static void check_book(const sync_run *run, const mm_book *book, int64_t id)
{
    static twin_book truth;
    truth_at(run, id, &truth);
    twin_check_levels(&truth, book);
}

static void check_state(sync_run *run)
{
    mm_sync_stats stats = mm_sync_statistics(run->sync);
    int64_t last_id = mm_sync_last_id(run->sync);
    if (mm_sync_state(run->sync) == MM_SYNC_SYNCED) {
        FUZZ_CHECK(last_id >= 0 && last_id <= run->last_id);
        check_book(run, run->book, last_id);
    } else {
        FUZZ_EQUAL(last_id, -1);
        FUZZ_EQUAL(mm_book_count(run->book, MM_BID) + mm_book_count(run->book, MM_ASK), 0);
        FUZZ_CHECK(!mm_sync_is_ahead(run->sync));
    }
    if (mm_sync_fresh(run->sync)) {
        check_book(run, run->fresh, last_id);
    }
    FUZZ_EQUAL(stats.applied, run->applied);
}

static void check_diff(sync_run *run, const mm_record *event)
{
    bool synced = mm_sync_state(run->sync) == MM_SYNC_SYNCED;
    int64_t before = mm_sync_last_id(run->sync), first_id = event->body.depth.first_id, last_id = event->body.depth.last_id;
    int32_t did = mm_sync_depth(run->sync, run->book, event);
    if (!synced) {
        FUZZ_CHECK(did == MM_SYNC_BUFFERED || did == MM_SYNC_DROPPED || did == MM_SYNC_OVERFLOW);
    } else {
        FUZZ_CHECK(did == MM_SYNC_APPLIED || did == MM_SYNC_DROPPED || did == MM_SYNC_GAP);
        FUZZ_CHECK(did != MM_SYNC_APPLIED || mm_sync_last_id(run->sync) == last_id);
        FUZZ_CHECK(did != MM_SYNC_DROPPED || last_id <= before);
        FUZZ_CHECK(did != MM_SYNC_GAP || first_id > before);
    }
    FUZZ_EQUAL(mm_sync_state(run->sync), synced && did != MM_SYNC_GAP ? MM_SYNC_SYNCED : MM_SYNC_WAITING);
}

/* ---- What a connection does ---- */

static void deliver_next(sync_run *run)
{
    if (run->next < run->diff_count) {
        const sync_diff *diff = &run->diffs[run->next++];
        check_diff(run, make_diff(run, diff->first_id, diff->last_id, diff->prev_id));
    }
}

static void deliver_any(sync_run *run)
{
    if (run->diff_count > 0) {
        const sync_diff *diff = &run->diffs[fuzz_below(&run->in, run->diff_count)];
        check_diff(run, make_diff(run, diff->first_id, diff->last_id, diff->prev_id));
    }
}

/* Another connection cuts the stream at other places (spot alone). */
static void deliver_recut(sync_run *run)
{
    if (run->last_id > 0 && !run->futures) {
        int64_t first_id = fuzz_between(&run->in, 1, run->last_id);
        int64_t most = run->last_id - first_id < 9 ? run->last_id : first_id + 9;
        check_diff(run, make_diff(run, first_id, fuzz_between(&run->in, first_id, most), -1));
    }
}

static void deliver_snapshot(sync_run *run)
{
    int64_t id = fuzz_bool(&run->in) ? run->last_id : fuzz_between(&run->in, 0, run->last_id);
    bool synced = mm_sync_state(run->sync) == MM_SYNC_SYNCED;
    static twin_book truth;
    truth_at(run, id, &truth);
    if (truth.sides[0].count > 20 || truth.sides[1].count > 20) {
        return;
    }
    int32_t did = mm_sync_snapshot(run->sync, run->book, make_snapshot(run, id), LEVELS_MAX);
    bool refused = !synced && (did == MM_SYNC_STALE_SNAPSHOT || (did == MM_E_ARGUMENT && run->damaged));
    FUZZ_CHECK(did == (synced ? MM_SYNC_DROPPED : MM_SYNC_REPLAYED) || refused);
    FUZZ_EQUAL(mm_sync_state(run->sync), synced || did == MM_SYNC_REPLAYED ? MM_SYNC_SYNCED : MM_SYNC_WAITING);
}

static void look_again(sync_run *run)
{
    static twin_book truth;
    int64_t id = fuzz_between(&run->in, 0, run->last_id);
    truth_at(run, id, &truth);
    if (mm_sync_state(run->sync) != MM_SYNC_SYNCED || truth.sides[0].count > 20 || truth.sides[1].count > 20) {
        return;
    }
    if (fuzz_bool(&run->in)) {
        mm_sync_keep(run->sync);
    }
    int32_t did = mm_sync_merge(run->sync, run->fresh, make_snapshot(run, id), LEVELS_MAX);
    FUZZ_CHECK(did == MM_SYNC_REPLAYED || did == MM_SYNC_BUFFERED || did == MM_SYNC_STALE_SNAPSHOT || did == MM_SYNC_DROPPED);
    FUZZ_CHECK(did != MM_SYNC_BUFFERED || id > mm_sync_last_id(run->sync));
    if (did == MM_SYNC_REPLAYED) {
        check_book(run, run->fresh, mm_sync_last_id(run->sync));
    }
}

/* A diff that cannot be: refused, or found when its turn comes; the book is never wrong. */
static void deliver_damaged(sync_run *run)
{
    if (run->next >= run->diff_count) {
        return;
    }
    const sync_diff *diff = &run->diffs[run->next++];
    (void)make_diff(run, diff->first_id, diff->last_id, diff->prev_id);
    mm_record *event = run->event;
    uint8_t what = fuzz_u8(&run->in);
    bool head = what < 128;
    if (what < 60) {
        event->count += 1;
    } else if (what < 90) {
        event->body.depth.bid_count = MM_DEPTH_LEVELS_MAX + 1 + what;
    } else if (what < 128) {
        event->body.depth.first_id = what & 1 ? -1 : event->body.depth.last_id + 1;
    } else {
        event[1].body.levels[0].price_e8 = what & 1 ? 0 : -(int64_t)what;
    }
    int32_t did = mm_sync_depth(run->sync, run->book, event);
    run->damaged |= !head;
    FUZZ_CHECK(!head || did == MM_E_ARGUMENT);
    FUZZ_CHECK(did != MM_SYNC_APPLIED);
    FUZZ_CHECK(did >= 0 || mm_sync_state(run->sync) == MM_SYNC_WAITING);
}

static void do_one(sync_run *run)
{
    uint8_t what = fuzz_u8(&run->in);
    if (what < 70) {
        publish(run);
    } else if (what < 150) {
        deliver_next(run);
    } else if (what < 160) {
        run->next += run->next < run->diff_count; /* lost */
    } else if (what < 172) {
        deliver_any(run);
    } else if (what < 190) {
        deliver_recut(run);
    } else if (what < 220) {
        deliver_snapshot(run);
    } else if (what < 242) {
        look_again(run);
    } else if (what < 250) {
        deliver_damaged(run);
    } else {
        mm_sync_reset(run->sync, run->book);
    }
}

/* Whatever was before: the newest snapshot and an undisturbed stream make an exact book. */
static void check_recovery(sync_run *run)
{
    mm_sync_reset(run->sync, run->book);
    run->next = run->diff_count;
    publish(run);
    deliver_next(run);
    static twin_book truth;
    truth_at(run, run->last_id, &truth);
    if (truth.sides[0].count <= 20 && truth.sides[1].count <= 20) {
        FUZZ_EQUAL(mm_sync_snapshot(run->sync, run->book, make_snapshot(run, run->last_id), LEVELS_MAX), MM_SYNC_REPLAYED);
        check_state(run);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static sync_run run;
    static void *memory[3];
    size_t book_bytes = mm_book_bytes(LEVELS_MAX), sync_bytes = mm_sync_bytes(BUFFER_RECORDS);
    memset(&run, 0, sizeof run);
    run.in.at = data;
    run.in.left = size;
    run.futures = fuzz_bool(&run.in);
    if (memory[0] == NULL) {
        memory[0] = fuzz_memory(book_bytes);
        memory[1] = fuzz_memory(book_bytes);
        memory[2] = fuzz_memory(sync_bytes);
    }
    FUZZ_EQUAL(mm_book_init(memory[0], book_bytes, LEVELS_MAX, 1, &run.book), MM_OK);
    FUZZ_EQUAL(mm_book_init(memory[1], book_bytes, LEVELS_MAX, 1, &run.fresh), MM_OK);
    FUZZ_EQUAL(mm_sync_init(memory[2], sync_bytes, BUFFER_RECORDS, &run.sync), MM_OK);
    mm_sync_observe(run.sync, count_applied, &run);
    while (run.in.left > 0) {
        do_one(&run);
        check_state(&run);
    }
    check_recovery(&run);
    return 0;
}
