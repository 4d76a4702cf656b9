/* Up to four connections that lose, delay and repeat one stream: each event goes on once, in order, unchanged; and as long as one
 * connection brings everything in time, nothing is missing. */
#include "mm_fuzz.h"

enum { SOCKETS = MM_ARBITER_SOCKETS, DIFFS_MAX = 300, TRADES_MAX = 4000, TRADE_WINDOW = 1024 };

static const int64_t hold_ns = 1000, restart_ns = INT64_C(5000000000);

typedef struct {
    int64_t first_id, last_id;
} arbiter_diff;

typedef struct {
    fuzz_input in;
    mm_arbiter *arbiter;
    bool faithful; /* socket 0 is up from the beginning and brings every diff; time stands still */
    bool up[SOCKETS];
    size_t next[SOCKETS]; /* of the diffs, the next one a socket brings */
    arbiter_diff diffs[DIFFS_MAX];
    size_t diff_count;
    int64_t passed_id; /* u of the last diff that went on, -1 = none */
    uint64_t gaps, restarts;
    int64_t ticker_id, partial_id, trade_id;
    uint8_t trades[TRADES_MAX]; /* 1 = went on */
    int64_t now_ns;
} arbiter_run;

static void forget(arbiter_run *run)
{
    run->passed_id = run->ticker_id = run->partial_id = run->trade_id = -1;
    memset(run->trades, 0, sizeof run->trades);
}

static void make_diff(const arbiter_diff *diff, mm_record *event)
{
    uint32_t bids = (uint32_t)(diff->last_id % 4);
    memset(event, 0, 3 * sizeof *event);
    event[0].kind = MM_KIND_DEPTH;
    event[0].count = bids > 0 ? 2 : 1;
    event[0].body.depth.first_id = diff->first_id;
    event[0].body.depth.last_id = diff->last_id;
    event[0].body.depth.prev_id = -1;
    event[0].body.depth.bid_count = bids;
    for (uint32_t i = 0; i < bids && i < 3; i++) {
        event[1].kind = MM_KIND_LEVELS;
        event[1].body.levels[i].price_e8 = diff->last_id * 10 + i;
        event[1].body.levels[i].qty_e8 = diff->first_id + 1;
    }
}

/* One that goes on: newer than the last, without a hole unless told, and as it was sent. */
static void passes(arbiter_run *run, const mm_record *event, bool from_hold)
{
    mm_record wanted[3];
    const mm_depth_body *body = &event->body.depth;
    arbiter_diff diff = {body->first_id, body->last_id};
    bool hole = run->passed_id >= 0 && body->first_id - 1 > run->passed_id;
    FUZZ_CHECK(body->last_id > run->passed_id);
    FUZZ_CHECK(!hole || from_hold);
    FUZZ_CHECK(!hole || !run->faithful);
    run->gaps += hole;
    make_diff(&diff, wanted);
    FUZZ_EQUAL(event->count, wanted[0].count);
    for (uint32_t i = 0; i < event->count; i++) {
        FUZZ_CHECK(memcmp(&event[i].kind, &wanted[i].kind, sizeof *event - offsetof(mm_record, kind)) == 0);
    }
    run->passed_id = body->last_id;
}

static void take_held(arbiter_run *run)
{
    const mm_record *event = NULL;
    while ((event = mm_arbiter_next(run->arbiter, run->now_ns)) != NULL) {
        passes(run, event, true);
    }
    FUZZ_CHECK(mm_arbiter_deadline(run->arbiter) > run->now_ns);
}

static void bring_diff(arbiter_run *run, uint32_t socket, size_t index)
{
    mm_record event[3];
    make_diff(&run->diffs[index], event);
    int32_t what = mm_arbiter_take(run->arbiter, socket, event, run->now_ns);
    if (what == MM_ARBITER_RESTART) {
        FUZZ_CHECK(!run->faithful);
        run->restarts++;
        forget(run);
    }
    if (what == MM_ARBITER_PASS || what == MM_ARBITER_RESTART) {
        passes(run, event, false);
    } else if (what == MM_ARBITER_DROP) {
        FUZZ_CHECK(run->diffs[index].last_id <= run->passed_id);
    } else {
        FUZZ_EQUAL(what, MM_ARBITER_HOLD);
        FUZZ_CHECK(run->diffs[index].first_id - 1 > run->passed_id && run->passed_id >= 0);
    }
    take_held(run);
}

static void bring_next(arbiter_run *run, uint32_t socket)
{
    if (run->up[socket] && run->next[socket] < run->diff_count) {
        bring_diff(run, socket, run->next[socket]++);
    }
}

static void bring_other(arbiter_run *run, uint32_t socket)
{
    mm_record event;
    memset(&event, 0, sizeof event);
    event.count = 1;
    uint8_t kind = fuzz_u8(&run->in);
    if (kind < 80) {
        int64_t id = fuzz_between(&run->in, 0, 200);
        event.kind = kind & 1 ? MM_KIND_TICKER : MM_KIND_PARTIAL;
        event.body.ticker.update_id = id;
        if (event.kind == MM_KIND_PARTIAL) {
            event.body.depth.last_id = id;
        }
        int64_t *newest = event.kind == MM_KIND_TICKER ? &run->ticker_id : &run->partial_id;
        FUZZ_EQUAL(mm_arbiter_take(run->arbiter, socket, &event, run->now_ns), id > *newest ? MM_ARBITER_PASS : MM_ARBITER_DROP);
        *newest = id > *newest ? id : *newest;
        return;
    }
    event.kind = kind < 240 ? MM_KIND_TRADE : MM_KIND_MARKET_FAULT;
    int64_t near = run->trade_id < 0 ? 0 : run->trade_id;
    int64_t id = near + (kind < 200 ? (int64_t)fuzz_u8(&run->in) - 128 : fuzz_between(&run->in, -1100, 1100));
    if (event.kind == MM_KIND_TRADE) {
        if (id < -1 || id >= TRADES_MAX) {
            return;
        }
        event.body.trade.trade_id = id;
        bool known = run->trade_id >= TRADE_WINDOW && id <= run->trade_id - TRADE_WINDOW;
        bool new_one = id >= 0 && !known && run->trades[id] == 0;
        FUZZ_EQUAL(mm_arbiter_take(run->arbiter, socket, &event, run->now_ns), new_one ? MM_ARBITER_PASS : MM_ARBITER_DROP);
        run->trade_id = new_one && id > run->trade_id ? id : run->trade_id;
        if (id >= 0 && new_one) {
            run->trades[id] = 1;
        }
    } else {
        FUZZ_EQUAL(mm_arbiter_take(run->arbiter, socket, &event, run->now_ns), MM_ARBITER_PASS);
    }
}

static void connect(arbiter_run *run, uint32_t socket, bool up)
{
    if (run->faithful && socket == 0) {
        return;
    }
    if (up) {
        mm_arbiter_up(run->arbiter, socket);
        run->next[socket] = run->diff_count - fuzz_below(&run->in, run->diff_count < 3 ? run->diff_count + 1 : 3);
    } else {
        mm_arbiter_down(run->arbiter, socket);
    }
    run->up[socket] = up;
    if (!run->up[0] && !run->up[1] && !run->up[2] && !run->up[3]) {
        forget(run);
    }
    take_held(run);
}

static void publish(arbiter_run *run)
{
    if (run->diff_count < DIFFS_MAX) {
        int64_t before = run->diff_count > 0 ? run->diffs[run->diff_count - 1].last_id : 100;
        arbiter_diff made = {before + 1, before + 1 + (fuzz_u8(&run->in) & 3)};
        run->diffs[run->diff_count++] = made;
    }
}

static void do_one(arbiter_run *run)
{
    uint8_t what = fuzz_u8(&run->in);
    uint32_t socket = (uint32_t)fuzz_below(&run->in, SOCKETS);
    if (what < 70) {
        publish(run);
    } else if (what < 160) {
        bring_next(run, socket);
    } else if (what < 185) {
        bool may_lose = run->up[socket] && !(run->faithful && socket == 0);
        run->next[socket] += may_lose && run->next[socket] < run->diff_count;
    } else if (what < 205) {
        connect(run, socket, (what & 1) != 0);
    } else if (what < 240) {
        if (run->up[socket]) {
            bring_other(run, socket);
        }
    } else if (!run->faithful) {
        run->now_ns += what < 252 ? fuzz_u8(&run->in) * INT64_C(10) : restart_ns;
        take_held(run);
    }
}

static void check_state(const arbiter_run *run)
{
    mm_arbiter_stats stats = mm_arbiter_statistics(run->arbiter);
    FUZZ_EQUAL(stats.gaps, run->gaps);
    FUZZ_EQUAL(stats.restarts, run->restarts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static arbiter_run run;
    static void *memory;
    size_t bytes = mm_arbiter_bytes(MM_EVENT_RECORDS_MAX);
    memset(&run, 0, sizeof run);
    run.in.at = data;
    run.in.left = size;
    run.faithful = fuzz_bool(&run.in);
    run.now_ns = INT64_C(1000000000000);
    forget(&run);
    if (memory == NULL) {
        memory = fuzz_memory(bytes);
    }
    FUZZ_EQUAL(mm_arbiter_init(memory, bytes, MM_EVENT_RECORDS_MAX, hold_ns, &run.arbiter), MM_OK);
    if (run.faithful) {
        mm_arbiter_up(run.arbiter, 0);
        run.up[0] = true;
    }
    while (run.in.left > 0) {
        do_one(&run);
        check_state(&run);
    }
    while (run.faithful && run.next[0] < run.diff_count) {
        bring_next(&run, 0);
    }
    if (run.faithful && run.diff_count > 0) {
        FUZZ_EQUAL(run.passed_id, run.diffs[run.diff_count - 1].last_id);
        FUZZ_EQUAL(mm_arbiter_statistics(run.arbiter).gaps, 0);
    }
    return 0;
}
