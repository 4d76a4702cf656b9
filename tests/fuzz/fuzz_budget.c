/* Requests of any kind at any times, counts and limits the exchange states: what is left is what a list of everything leaves that was
 * counted for every window apart. A clock that is corrected then may only make it less or more by what it has moved between windows:
 * nothing fails, and no more is left than the limits allow. */
#include "mm_fuzz.h"

enum { CELLS_MAX = 1500, SENDS_MAX = 600 };
enum { TENS, DAY, WEIGHT, RAW, KINDS };

static const int64_t second = INT64_C(1000000000);
static const int64_t edge_ns = INT64_C(500000000);

typedef struct {
    int32_t kind;
    int64_t index; /* of the exchange's windows of this kind */
    int64_t used;
} budget_cell;

typedef struct {
    int32_t operation;
    int64_t at_ns;
} budget_send;

typedef struct {
    fuzz_input in;
    mm_budget *budget;
    mm_budget_config config;
    int64_t limits[KINDS];
    int64_t offset_ns, now_ns;
    budget_cell cells[CELLS_MAX];
    size_t cell_count;
    budget_send sends[SENDS_MAX];
    size_t send_count;
} budget_run;

/* ---- The list ---- */

static int64_t span_of(int32_t kind)
{
    return second * (kind == TENS ? 10 : kind == DAY ? 86400 : kind == WEIGHT ? 60 : 300);
}

static int64_t index_of(const budget_run *run, int32_t kind, int64_t at_ns)
{
    return (at_ns + run->offset_ns) / span_of(kind);
}

static int64_t into(const budget_run *run, int32_t kind, int64_t at_ns)
{
    return (at_ns + run->offset_ns) % span_of(kind);
}

static int64_t *used(budget_run *run, int32_t kind, int64_t index)
{
    for (size_t i = 0; i < run->cell_count; i++) {
        if (run->cells[i].kind == kind && run->cells[i].index == index) {
            return &run->cells[i].used;
        }
    }
    FUZZ_CHECK(run->cell_count < CELLS_MAX);
    budget_cell made = {kind, index, 0};
    run->cells[run->cell_count] = made;
    return &run->cells[run->cell_count++].used;
}

static int64_t used_now(budget_run *run, int32_t kind)
{
    return *used(run, kind, index_of(run, kind, run->now_ns));
}

/* Close to an edge it may be counted in the window beyond it, so it is in both. */
static void count(budget_run *run, int32_t kind, int64_t more)
{
    int64_t at = index_of(run, kind, run->now_ns), inside = into(run, kind, run->now_ns);
    *used(run, kind, at) += more;
    if (inside < edge_ns) {
        *used(run, kind, at - 1) += more;
    }
    if (inside >= span_of(kind) - edge_ns) {
        *used(run, kind, at + 1) += more;
    }
}

static void lower(budget_run *run, int32_t kind, int64_t to)
{
    int64_t at = index_of(run, kind, run->now_ns);
    int64_t now = to > 0 ? to : 0;
    *used(run, kind, at) = now;
    int64_t *next = used(run, kind, at + 1);
    *next = *next < now ? *next : now;
}

static bool is_order(int32_t operation)
{
    return operation == MM_OP_PLACE || operation == MM_OP_REPLACE;
}

static int64_t weight_of(int32_t operation)
{
    return operation == MM_OP_AMEND || operation == MM_OP_QUERY ? 4 : 0;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* ---- What it leaves ---- */

static int64_t slow_left(budget_run *run, int32_t kind, bool empty)
{
    int64_t share = most(run->limits[kind] * run->config.orders_pct / 100, 1), inside = into(run, kind, run->now_ns);
    int64_t at_once = most(share / 5, least(share, 2)), reserve = least(most(share / 5, 2), share - at_once);
    int64_t line = (int64_t)((fuzz_i128)(share - at_once - reserve) * inside / span_of(kind));
    int64_t left = at_once + line + (empty ? reserve : 0) - used_now(run, kind);
    int64_t before = *used(run, kind, index_of(run, kind, run->now_ns) - 1);
    return inside < edge_ns ? least(left, share - before) : left;
}

static bool slow_may_ask(budget_run *run, bool query, int64_t weight)
{
    int64_t pct = query ? 85 : 70;
    return (used_now(run, WEIGHT) + weight) * 100 <= run->limits[WEIGHT] * pct && (used_now(run, RAW) + 1) * 100 <= run->limits[RAW] * pct;
}

static int64_t slow_orders(budget_run *run, bool empty)
{
    int64_t recent = 0, today = 0;
    for (size_t i = 0; i < run->send_count; i++) {
        const budget_send *sent = &run->sends[i];
        recent += is_order(sent->operation) && run->now_ns - sent->at_ns < 10 * second;
        today += is_order(sent->operation) && index_of(run, DAY, sent->at_ns) == index_of(run, DAY, run->now_ns);
    }
    if (recent >= run->config.orders_10s_limit || !slow_may_ask(run, false, 1)) {
        return 0;
    }
    int64_t left = least(slow_left(run, TENS, empty), slow_left(run, DAY, empty));
    return most(least(left, run->config.orders_day_limit - today), 0);
}

/* ---- Steps ---- */

static void do_send(budget_run *run)
{
    static const int32_t operations[] = {MM_OP_PLACE, MM_OP_PLACE, MM_OP_REPLACE, MM_OP_CANCEL, MM_OP_AMEND, MM_OP_QUERY};
    int32_t operation = operations[fuzz_below(&run->in, 6)];
    for (uint64_t times = 1 + fuzz_below(&run->in, 6); times > 0 && run->send_count < SENDS_MAX; times--) {
        mm_budget_sent(run->budget, operation, run->now_ns);
        budget_send made = {operation, run->now_ns};
        run->sends[run->send_count++] = made;
        if (is_order(operation)) {
            count(run, TENS, 1);
            count(run, DAY, 1);
        }
        count(run, WEIGHT, weight_of(operation));
        count(run, RAW, 1);
    }
}

static void do_read(budget_run *run)
{
    int64_t weight = (int64_t)fuzz_below(&run->in, 300);
    mm_budget_read(run->budget, weight, run->now_ns);
    count(run, WEIGHT, weight);
    count(run, RAW, 1);
}

static void do_hear(budget_run *run)
{
    uint8_t what = fuzz_u8(&run->in);
    if (run->send_count == 0) {
        return;
    }
    const budget_send *sent = &run->sends[fuzz_below(&run->in, run->send_count)];
    if (what < 90) {
        const int64_t counts[KINDS] = {[TENS] = is_order(sent->operation), [DAY] = is_order(sent->operation),
                                       [WEIGHT] = weight_of(sent->operation), [RAW] = 1};
        mm_budget_not_sent(run->budget, sent->operation, sent->at_ns, run->now_ns);
        for (int32_t kind = TENS; kind < KINDS; kind++) {
            if (index_of(run, kind, sent->at_ns) == index_of(run, kind, run->now_ns)) {
                lower(run, kind, used_now(run, kind) - counts[kind]);
            }
        }
    } else if (what < 150) {
        mm_budget_failed(run->budget, sent->operation, run->now_ns);
        count(run, WEIGHT, weight_of(sent->operation) == 0 ? 1 : 0);
    } else {
        bool maker = (what & 1) != 0;
        mm_budget_fill(run->budget, maker, run->now_ns);
        lower(run, TENS, used_now(run, TENS) - (maker ? 5 : 1));
        lower(run, DAY, used_now(run, DAY) - (maker ? 5 : 1));
    }
}

/* Small, or as large as a message can say. */
static int32_t take_said(fuzz_input *in)
{
    return fuzz_u8(in) < 240 ? (int32_t)fuzz_between(in, -1, 120) : (int32_t)fuzz_i64_in(in, -1, INT32_MAX);
}

static void do_say(budget_run *run)
{
    mm_budget_body said;
    said.recv_ns = run->now_ns;
    said.orders_10s = take_said(&run->in);
    said.orders_day = take_said(&run->in);
    said.weight_1m = take_said(&run->in);
    said.raw_5m = take_said(&run->in);
    bool limits = fuzz_u8(&run->in) > 200;
    said.orders_10s_limit = limits ? take_said(&run->in) : -1;
    said.orders_day_limit = limits ? take_said(&run->in) : -1;
    said.weight_1m_limit = limits ? take_said(&run->in) : -1;
    said.raw_5m_limit = limits ? take_said(&run->in) : -1;
    int64_t orders = (int64_t)fuzz_below(&run->in, 5), weight = (int64_t)fuzz_below(&run->in, 10);
    mm_budget_said(run->budget, &said, orders, weight);
    const int64_t counts[KINDS] = {[TENS] = said.orders_10s, [DAY] = said.orders_day, [WEIGHT] = said.weight_1m, [RAW] = said.raw_5m};
    const int64_t stated[KINDS] = {[TENS] = said.orders_10s_limit, [DAY] = said.orders_day_limit,
                                   [WEIGHT] = said.weight_1m_limit, [RAW] = said.raw_5m_limit};
    for (int32_t kind = TENS; kind < KINDS; kind++) {
        int64_t inside = into(run, kind, run->now_ns);
        run->limits[kind] = stated[kind] > 0 ? stated[kind] : run->limits[kind];
        if (counts[kind] >= 0 && inside >= edge_ns && inside < span_of(kind) - edge_ns) {
            lower(run, kind, counts[kind] + (kind == WEIGHT ? weight : orders));
        }
    }
}

/* Before the deadline that is told there is nothing; there need not be anything at it. */
static void do_wait(budget_run *run)
{
    bool empty = fuzz_bool(&run->in);
    int64_t from_ns = run->now_ns, at_ns = mm_budget_deadline(run->budget, empty ? MM_NEED_EMPTY : MM_NEED_MOVE, from_ns);
    FUZZ_EQUAL(at_ns == INT64_MAX, slow_orders(run, empty) > 0);
    if (at_ns == INT64_MAX) {
        return;
    }
    FUZZ_CHECK(at_ns > from_ns && at_ns <= from_ns + 86400 * second);
    for (int64_t part = 0; part <= 4; part++) {
        run->now_ns = from_ns + (at_ns - 1 - from_ns) / 4 * part;
        FUZZ_EQUAL(slow_orders(run, empty), 0);
    }
    run->now_ns = at_ns;
}

static void do_pass(budget_run *run)
{
    static const int64_t steps_ns[4] = {1000000, 100000000, 1000000000, 60000000000};
    uint8_t what = fuzz_u8(&run->in);
    run->now_ns += steps_ns[what & 3] * (what >> 2);
    if (what == 255) { /* to the very edge of a window, and one either side */
        run->now_ns += span_of(TENS) - into(run, TENS, run->now_ns) - fuzz_between(&run->in, -1, 1);
    }
}

static void check(budget_run *run)
{
    FUZZ_CHECK(mm_budget_valid(run->budget));
    FUZZ_EQUAL(mm_budget_orders(run->budget, MM_NEED_MOVE, run->now_ns), slow_orders(run, false));
    FUZZ_EQUAL(mm_budget_orders(run->budget, MM_NEED_EMPTY, run->now_ns), slow_orders(run, true));
    for (int64_t weight = 0; weight < 40; weight += 13) {
        FUZZ_EQUAL(mm_budget_may_ask(run->budget, MM_NEED_MOVE, weight, run->now_ns), slow_may_ask(run, false, weight));
        FUZZ_EQUAL(mm_budget_may_ask(run->budget, MM_NEED_QUERY, weight, run->now_ns), slow_may_ask(run, true, weight));
    }
}

/* ---- The run ---- */

static void begin(budget_run *run, void **memory)
{
    const char *bad = NULL;
    fuzz_input *in = &run->in;
    bool small = fuzz_u8(in) < 200;
    run->config.orders_10s_limit = small ? 1 + (int64_t)fuzz_below(in, 60) : fuzz_i64_in(in, 1, 65536);
    run->config.orders_day_limit = small ? 1 + (int64_t)fuzz_below(in, 250) : fuzz_i64_in(in, 1, 1000000000);
    run->config.weight_1m_limit = small ? 10 + (int64_t)fuzz_below(in, 600) : fuzz_i64_in(in, 1, 1000000000);
    run->config.raw_5m_limit = small ? 5 + (int64_t)fuzz_below(in, 400) : fuzz_i64_in(in, 1, 1000000000);
    run->config.orders_pct = fuzz_between(in, 1, 100);
    size_t bytes = mm_budget_bytes(&run->config);
    *memory = fuzz_memory(bytes);
    FUZZ_EQUAL(mm_budget_init(*memory, bytes, &run->config, &run->budget, &bad), MM_OK);
    run->limits[TENS] = run->config.orders_10s_limit;
    run->limits[DAY] = run->config.orders_day_limit;
    run->limits[WEIGHT] = run->config.weight_1m_limit;
    run->limits[RAW] = run->config.raw_5m_limit;
    run->now_ns = 1000000 * second + (int64_t)fuzz_below(in, (uint64_t)1 << 47);
    run->offset_ns = fuzz_u8(in) < 128 ? INT64_C(1700000000) * second : fuzz_i64_in(in, -500000 * second, INT64_C(1) << 62);
    mm_budget_clock(run->budget, run->offset_ns);
}

/* The clock goes anywhere it may, and so does everything else. */
static void correct_clock(budget_run *run)
{
    mm_budget_clock(run->budget, fuzz_i64_in(&run->in, 1 - (INT64_C(1) << 62), (INT64_C(1) << 62) - 1));
    for (uint64_t left = fuzz_below(&run->in, 20); left > 0; left--) {
        run->now_ns += fuzz_i64_in(&run->in, 0, INT64_C(1) << 40);
        mm_budget_sent(run->budget, MM_OP_PLACE, run->now_ns);
        if (fuzz_bool(&run->in)) {
            mm_budget_fill(run->budget, true, run->now_ns);
        }
        FUZZ_CHECK(mm_budget_valid(run->budget));
        int64_t orders = mm_budget_orders(run->budget, MM_NEED_EMPTY, run->now_ns);
        FUZZ_CHECK(orders >= 0 && orders <= run->limits[TENS] && orders <= run->config.orders_day_limit);
        int64_t at_ns = mm_budget_deadline(run->budget, MM_NEED_EMPTY, run->now_ns);
        FUZZ_CHECK(at_ns > run->now_ns && (at_ns == INT64_MAX) == (orders > 0));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static budget_run run;
    void *memory = NULL;
    memset(&run, 0, sizeof run);
    run.in.at = data;
    run.in.left = size;
    begin(&run, &memory);
    while (run.in.left > 40 && run.cell_count < CELLS_MAX - 60) {
        uint8_t what = fuzz_u8(&run.in);
        if (what < 100) {
            do_send(&run);
        } else if (what < 120) {
            do_read(&run);
        } else if (what < 160) {
            do_hear(&run);
        } else if (what < 190) {
            do_say(&run);
        } else if (what < 210) {
            do_wait(&run);
        } else {
            do_pass(&run);
        }
        check(&run);
    }
    correct_clock(&run);
    free(memory);
    return 0;
}
