/* Several connections carry the same market streams; each event goes on once, from whichever brought it first.
 *
 * Diffs. `last_id` is the u of the last diff that went on. One that ends at or before it is a duplicate. One that
 * begins at or before last_id + 1 goes on: its quantities are absolute, so an overlap with what went before
 * (connections may cut the stream at different places) does no harm. One that begins later leaves a hole, and is
 * held as long as a connection is up that is not past the hole itself: within a connection the order is kept, so it
 * may still bring what is missing. When none can, or after hold_ns without progress, the held diffs go on as they
 * are and the book's own sequence check sees the gap.
 *
 * Best prices and partial books: only newer ones go on. Trades: each id once, in whatever order they come, by a bit
 * for each of the last TRADE_WINDOW ids.
 *
 * Ids that begin anew (the exchange was wiped) would all look like duplicates. They are known by a step back within
 * one connection, or by duplicates alone for RESTART_NS: then everything is forgotten and the caller is told. */
#include "mm_internal.h"

#include <string.h>

#define TRADE_WINDOW 1024
#define RESTART_NS INT64_C(5000000000)

/* `seq` of a held event's header. */
enum { HELD = 0, RELEASED = 1 };

struct mm_arbiter {
    mm_record *held; /* held[0 .. held_end): whole events, HELD or RELEASED */
    size_t capacity;
    size_t held_end;
    size_t held_count; /* events that are HELD */
    int64_t hold_ns;
    int64_t held_since_ns; /* since when nothing went on though something is held */
    int64_t last_id;       /* u of the last diff that went on, -1 = none */
    int64_t ticker_id;
    int64_t partial_id;
    int64_t trade_id;      /* highest that went on, -1 = none */
    int64_t repeats_ns;    /* the first duplicate since a diff went on last, INT64_MAX = none */
    uint64_t trades_seen[TRADE_WINDOW / 64];
    int64_t position[MM_ARBITER_SOCKETS]; /* u of the last diff a socket brought, -1 = none yet */
    bool up[MM_ARBITER_SOCKETS];
    mm_arbiter_stats stats;
};

/* ---- State ---- */

static void forget(mm_arbiter *arbiter)
{
    arbiter->held_end = 0;
    arbiter->held_count = 0;
    arbiter->last_id = -1;
    arbiter->ticker_id = -1;
    arbiter->partial_id = -1;
    arbiter->trade_id = -1;
    arbiter->repeats_ns = INT64_MAX;
    memset(arbiter->trades_seen, 0, sizeof arbiter->trades_seen);
    for (size_t i = 0; i < MM_ARBITER_SOCKETS; i++) {
        arbiter->position[i] = -1;
    }
}

void mm_arbiter_up(mm_arbiter *arbiter, uint32_t socket)
{
    MM_ASSERT(socket < MM_ARBITER_SOCKETS);
    arbiter->up[socket] = true;
    arbiter->position[socket] = -1;
}

void mm_arbiter_down(mm_arbiter *arbiter, uint32_t socket)
{
    MM_ASSERT(socket < MM_ARBITER_SOCKETS);
    bool any = false;
    arbiter->up[socket] = false;
    for (size_t i = 0; i < MM_ARBITER_SOCKETS; i++) {
        any |= arbiter->up[i];
    }
    if (!any) {
        forget(arbiter);
    }
}

bool mm_arbiter_joined(const mm_arbiter *arbiter, uint32_t socket)
{
    MM_ASSERT(socket < MM_ARBITER_SOCKETS);
    return arbiter->position[socket] >= 0 && arbiter->position[socket] <= arbiter->last_id;
}

/* ---- Diffs ---- */

static void pass_diff(mm_arbiter *arbiter, const mm_record *event, int64_t now_ns)
{
    MM_ASSERT(event->body.depth.last_id > arbiter->last_id);
    arbiter->last_id = event->body.depth.last_id;
    arbiter->repeats_ns = INT64_MAX;
    arbiter->held_since_ns = now_ns;
}

/* Whether a connection that is up has not yet come to the diff before first_id. */
static bool may_be_filled(const mm_arbiter *arbiter, int64_t first_id)
{
    for (size_t i = 0; i < MM_ARBITER_SOCKETS; i++) {
        if (arbiter->up[i] && arbiter->position[i] < first_id - 1) {
            return true;
        }
    }
    return false;
}

/* Puts a diff with a hole before it aside. Without room the hole will not be waited for: what was held is lost in
 * it. */
static void hold(mm_arbiter *arbiter, const mm_record *event, int64_t now_ns)
{
    MM_ASSERT(event->count <= arbiter->capacity);
    if (arbiter->held_count == 0) {
        arbiter->held_end = 0;
        arbiter->held_since_ns = now_ns;
    }
    if (event->count > arbiter->capacity - arbiter->held_end) {
        arbiter->held_end = 0;
        arbiter->held_count = 0;
        arbiter->held_since_ns = now_ns - arbiter->hold_ns;
    }
    mm_record *at = &arbiter->held[arbiter->held_end];
    memcpy(at, event, event->count * sizeof *event);
    at->seq = HELD;
    arbiter->held_end += event->count;
    arbiter->held_count++;
    arbiter->stats.held++;
}

static int32_t take_diff(mm_arbiter *arbiter, uint32_t socket, const mm_record *event, int64_t now_ns)
{
    const mm_depth_body *body = &event->body.depth;
    bool back = body->last_id < arbiter->position[socket];
    bool duplicate = body->last_id <= arbiter->last_id;
    bool restart = back || (duplicate && now_ns - arbiter->repeats_ns >= RESTART_NS);
    if (restart) {
        forget(arbiter);
        arbiter->stats.restarts++;
    }
    arbiter->position[socket] = body->last_id;
    if (duplicate && !restart) {
        arbiter->repeats_ns = now_ns < arbiter->repeats_ns ? now_ns : arbiter->repeats_ns;
        return MM_ARBITER_DROP;
    }
    if (arbiter->last_id >= 0 && body->first_id - 1 > arbiter->last_id) {
        hold(arbiter, event, now_ns);
        return MM_ARBITER_HOLD;
    }
    pass_diff(arbiter, event, now_ns);
    return restart ? MM_ARBITER_RESTART : MM_ARBITER_PASS;
}

/* The held diff that begins first. */
static mm_record *first_held(const mm_arbiter *arbiter)
{
    mm_record *first = NULL;
    for (size_t at = 0; at < arbiter->held_end; at += arbiter->held[at].count) {
        mm_record *event = &arbiter->held[at];
        if (event->seq == HELD &&
            (first == NULL || event->body.depth.first_id < first->body.depth.first_id)) {
            first = event;
        }
    }
    return first;
}

const mm_record *mm_arbiter_next(mm_arbiter *arbiter, int64_t now_ns)
{
    while (arbiter->held_count > 0) { /* one of them a turn */
        mm_record *event = first_held(arbiter);
        MM_ASSERT(event != NULL);
        const mm_depth_body *body = &event->body.depth;
        bool duplicate = body->last_id <= arbiter->last_id;
        bool follows = body->first_id - 1 <= arbiter->last_id;
        bool in_time = now_ns - arbiter->held_since_ns < arbiter->hold_ns;
        if (!follows && in_time && may_be_filled(arbiter, body->first_id)) {
            return NULL;
        }
        event->seq = RELEASED;
        arbiter->held_count--;
        if (!duplicate) {
            arbiter->stats.gaps += !follows;
            pass_diff(arbiter, event, now_ns);
            return event;
        }
        arbiter->stats.dropped++;
    }
    return NULL;
}

int64_t mm_arbiter_deadline(const mm_arbiter *arbiter)
{
    return arbiter->held_count > 0 ? arbiter->held_since_ns + arbiter->hold_ns : INT64_MAX;
}

/* ---- The rest ---- */

static bool is_newer(int64_t update_id, int64_t *newest_id)
{
    bool newer = update_id > *newest_id;
    *newest_id = newer ? update_id : *newest_id;
    return newer;
}

static uint64_t *trade_word(mm_arbiter *arbiter, int64_t trade_id)
{
    return &arbiter->trades_seen[(uint64_t)trade_id % TRADE_WINDOW / 64];
}

/* True the first time an id comes; never for one that is too old to know. */
static bool is_new_trade(mm_arbiter *arbiter, int64_t trade_id)
{
    if (trade_id < 0 || (arbiter->trade_id >= TRADE_WINDOW && trade_id <= arbiter->trade_id - TRADE_WINDOW)) {
        return false;
    }
    if (trade_id > arbiter->trade_id) {
        bool far = arbiter->trade_id < 0 || trade_id - arbiter->trade_id >= TRADE_WINDOW;
        if (far) {
            memset(arbiter->trades_seen, 0, sizeof arbiter->trades_seen);
        }
        for (int64_t id = arbiter->trade_id + 1; !far && id <= trade_id; id++) {
            *trade_word(arbiter, id) &= ~((uint64_t)1 << ((uint64_t)id & 63));
        }
        arbiter->trade_id = trade_id;
    }
    uint64_t bit = (uint64_t)1 << ((uint64_t)trade_id & 63);
    uint64_t *word = trade_word(arbiter, trade_id);
    bool seen = (*word & bit) != 0;
    *word |= bit;
    return !seen;
}

int32_t mm_arbiter_take(mm_arbiter *arbiter, uint32_t socket, const mm_record *event, int64_t now_ns)
{
    MM_ASSERT(socket < MM_ARBITER_SOCKETS);
    MM_ASSERT(event->count >= 1 && event->count <= MM_EVENT_RECORDS_MAX);
    int32_t verdict = MM_ARBITER_PASS;
    switch (event->kind) {
    case MM_KIND_DEPTH:
        verdict = take_diff(arbiter, socket, event, now_ns);
        break;
    case MM_KIND_TICKER:
        verdict = is_newer(event->body.ticker.update_id, &arbiter->ticker_id) ? MM_ARBITER_PASS : MM_ARBITER_DROP;
        break;
    case MM_KIND_PARTIAL:
        verdict = is_newer(event->body.depth.last_id, &arbiter->partial_id) ? MM_ARBITER_PASS : MM_ARBITER_DROP;
        break;
    case MM_KIND_TRADE:
        verdict = is_new_trade(arbiter, event->body.trade.trade_id) ? MM_ARBITER_PASS : MM_ARBITER_DROP;
        break;
    default:
        break;
    }
    arbiter->stats.dropped += verdict == MM_ARBITER_DROP;
    return verdict;
}

/* ---- Life ---- */

mm_arbiter_stats mm_arbiter_statistics(const mm_arbiter *arbiter)
{
    return arbiter->stats;
}

size_t mm_arbiter_bytes(size_t hold_records)
{
    if (hold_records < MM_EVENT_RECORDS_MAX || hold_records > (1u << 24)) {
        return 0;
    }
    return mm__round_line(sizeof(mm_arbiter)) + hold_records * sizeof(mm_record);
}

mm_status mm_arbiter_init(void *memory, size_t memory_bytes, size_t hold_records, int64_t hold_ns, mm_arbiter **arbiter)
{
    size_t needed_bytes = mm_arbiter_bytes(hold_records);
    if (needed_bytes == 0 || !mm__is_time(hold_ns)) {
        return MM_E_ARGUMENT;
    }
    if (!mm__memory_fits(memory, memory_bytes, needed_bytes)) {
        return MM_E_CAPACITY;
    }
    mm_arbiter *made = memory;
    memset(made, 0, sizeof *made);
    made->held = (mm_record *)(void *)((unsigned char *)memory + mm__round_line(sizeof(mm_arbiter)));
    made->capacity = hold_records;
    made->hold_ns = hold_ns;
    forget(made);
    *arbiter = made;
    return MM_OK;
}

mm_arbiter *mm_arbiter_new(size_t hold_records, int64_t hold_ns)
{
    size_t bytes = mm_arbiter_bytes(hold_records);
    mm_arbiter *arbiter = NULL;
    void *memory = bytes > 0 ? mm__memory_new(bytes) : NULL;
    if (memory != NULL && mm_arbiter_init(memory, bytes, hold_records, hold_ns, &arbiter) != MM_OK) {
        mm__memory_free(memory);
    }
    return arbiter;
}

void mm_arbiter_free(mm_arbiter *arbiter)
{
    mm__memory_free(arbiter);
}
