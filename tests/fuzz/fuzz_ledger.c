/* Balances, fills, deposits and foreign trades in any order against plain 128-bit sums: profit is the change of equity to the atom,
 * each trade counts once, and what is refused leaves nothing behind. */
#include "mm_fuzz.h"

enum { ASSETS = 4, BASE = 0, QUOTE = 1, PRICED = 2, UNPRICED = 3, TRADE_IDS = 16, APPLIED_MAX = 600 };

static const char *const names[ASSETS] = {"BTC", "USDT", "BNB", "XYZ"};
static const int64_t bnb_price = 3; /* in quote: whole, so that fees in it have exact values */

typedef struct {
    fuzz_input in;
    mm_ledger *ledger;
    fuzz_i128 held[ASSETS];     /* by our own count */
    fuzz_i128 fees_paid[ASSETS];
    fuzz_i128 reported[ASSETS]; /* free + locked of the last report */
    int64_t times_us[ASSETS];
    bool known[ASSETS];         /* by a report */
    bool kept[ASSETS];
    fuzz_i128 position, third_fees, fees, basis;
    int64_t start_mid, last_mid;
    int64_t applied[APPLIED_MAX]; /* twice the id and the side of what is remembered, any order */
    size_t applied_count;
    int64_t evicted;
    uint64_t fills, unpriced;
    bool large; /* numbers so large that sums may not fit were seen */
} ledger_run;

static fuzz_i128 worth(fuzz_i128 base, int64_t price_e8)
{
    return base * price_e8 / MM_ONE_E8;
}

static bool fits(fuzz_i128 value)
{
    return value >= INT64_MIN && value <= INT64_MAX;
}

typedef struct {
    int32_t side, fee_asset;
    int64_t price_e8, qty_e8;
    mm_fill_body body;
    fuzz_i128 quote;
} ledger_trade;

/* ---- Checks ---- */

static void check_profit(const ledger_run *run, int64_t mid_e8)
{
    mm_pnl pnl;
    int64_t equity_e8 = 0;
    fuzz_i128 equity = run->held[QUOTE] + worth(run->held[BASE], mid_e8) - run->third_fees;
    bool told = mm_ledger_pnl(run->ledger, mid_e8, &pnl);
    FUZZ_CHECK(!told || run->start_mid != 0);
    FUZZ_CHECK(told || run->start_mid == 0 || run->large);
    if (told) {
        FUZZ_CHECK((fuzz_i128)pnl.realized_e8 + pnl.unrealized_e8 - pnl.fees_e8 == pnl.total_e8);
        FUZZ_CHECK(pnl.total_e8 == equity - run->basis);
        FUZZ_CHECK(pnl.fees_e8 == run->fees);
    }
    bool valued = mm_ledger_equity(run->ledger, mid_e8, &equity_e8);
    FUZZ_CHECK(!valued || equity_e8 == equity);
    FUZZ_CHECK(valued || run->large);
}

static void check_all(ledger_run *run)
{
    mm_balance balances[ASSETS];
    size_t count = mm_ledger_balances(run->ledger, balances, ASSETS);
    bool equal = true;
    FUZZ_CHECK(mm_ledger_base(run->ledger) == run->held[BASE] && mm_ledger_quote(run->ledger) == run->held[QUOTE]);
    FUZZ_CHECK(mm_ledger_position(run->ledger) == run->position);
    FUZZ_EQUAL(mm_ledger_fills(run->ledger), run->fills);
    FUZZ_EQUAL(mm_ledger_unpriced(run->ledger), run->unpriced);
    for (size_t i = 0; i < count; i++) {
        int32_t asset = 0;
        while (asset < ASSETS && strcmp(balances[i].asset, names[asset]) != 0) {
            asset++;
        }
        FUZZ_CHECK(asset < ASSETS && balances[i].ledger_e8 == run->held[asset]);
        FUZZ_CHECK(balances[i].fees_e8 == run->fees_paid[asset]);
        FUZZ_CHECK(!run->known[asset] || (fuzz_i128)balances[i].free_e8 + balances[i].locked_e8 == run->reported[asset]);
        equal &= !run->known[asset] || (fuzz_i128)balances[i].free_e8 + balances[i].locked_e8 == run->held[asset];
    }
    FUZZ_EQUAL(mm_ledger_equal(run->ledger), equal);
    check_profit(run, run->last_mid > 0 ? run->last_mid : 1 + fuzz_u8(&run->in));
    FUZZ_CHECK(mm_ledger_valid(run->ledger));
}

/* ---- Ids ---- */

static bool id_good(int64_t id)
{
    return id >= 0 && id <= INT64_MAX / 2 - 1;
}

static bool seen(const ledger_run *run, const ledger_trade *t)
{
    int64_t key = id_good(t->body.trade_id) ? 2 * t->body.trade_id + t->side : INT64_MAX;
    bool found = key <= run->evicted;
    for (size_t i = 0; i < run->applied_count; i++) {
        found |= run->applied[i] == key;
    }
    return found;
}

static void remember(ledger_run *run, const ledger_trade *t)
{
    run->applied[run->applied_count++] = 2 * t->body.trade_id + t->side;
    if (run->applied_count > TRADE_IDS) { /* the smallest is forgotten */
        size_t least = 0;
        for (size_t i = 1; i < run->applied_count; i++) {
            least = run->applied[i] < run->applied[least] ? i : least;
        }
        run->evicted = run->applied[least];
        run->applied[least] = run->applied[--run->applied_count];
    }
}

/* ---- Entries ---- */

static int64_t take_amount(ledger_run *run)
{
    uint8_t kind = fuzz_u8(&run->in);
    if (kind < 240) {
        return (int64_t)fuzz_below(&run->in, (uint64_t)1 << 32) >> (kind & 31);
    }
    run->large = true;
    return fuzz_i64_in(&run->in, 0, INT64_MAX - 1);
}

static void take_trade(ledger_run *run, ledger_trade *t)
{
    uint8_t what = fuzz_u8(&run->in);
    memset(t, 0, sizeof *t);
    t->side = what & 1;
    t->price_e8 = take_amount(run) + (what >= 8);
    t->qty_e8 = take_amount(run) + (what >= 4);
    t->body.trade_id = what < 250 ? fuzz_between(&run->in, 0, 60) : fuzz_i64(&run->in);
    t->body.quote_e8 = (what & 6) != 0 ? -1 : take_amount(run);
    t->quote = t->body.quote_e8 >= 0 ? t->body.quote_e8 : worth(t->qty_e8, t->price_e8);
    t->fee_asset = fuzz_u8(&run->in) % ASSETS;
    t->body.fee_e8 = (what & 24) == 0 ? 0 : (what & 224) == 224 ? -take_amount(run) : take_amount(run) >> 8;
    strcpy(t->body.fee_asset, names[t->fee_asset]);
}

/* What a trade would leave; whether all of it fits. */
static bool after_trade(const ledger_run *run, const ledger_trade *t, bool own, ledger_run *after)
{
    fuzz_i128 fee = t->body.fee_e8, qty = t->side == MM_BID ? t->qty_e8 : -(fuzz_i128)t->qty_e8;
    fuzz_i128 value = worth(fee < 0 ? -fee : fee, t->price_e8), third = fee * bnb_price;
    memcpy(after, run, sizeof *after);
    after->held[BASE] += qty;
    after->held[QUOTE] -= t->side == MM_BID ? t->quote : -t->quote;
    bool short_of_base = after->held[BASE] < 0;
    after->held[t->fee_asset] -= fee;
    after->position += own ? qty - (t->fee_asset == BASE ? fee : 0) : 0;
    after->fees_paid[t->fee_asset] += own ? fee : 0;
    if (own && run->start_mid != 0) {
        after->fees += t->fee_asset == QUOTE ? fee : t->fee_asset == PRICED ? third : t->fee_asset == BASE ? (fee < 0 ? -value : value) : 0;
        after->third_fees += t->fee_asset == PRICED ? third : 0;
    }
    after->kept[t->fee_asset] |= own && fee != 0;
    after->unpriced += own && fee != 0 && t->fee_asset == UNPRICED;
    return !short_of_base && after->held[BASE] >= 0 && fits(after->held[BASE]) && fits(after->held[QUOTE]) && fits(t->quote);
}

static void do_fill(ledger_run *run)
{
    static ledger_run after;
    ledger_trade t;
    mm_status status = MM_E_SYSTEM;
    take_trade(run, &t);
    bool was_seen = seen(run, &t), good = t.price_e8 > 0 && t.qty_e8 > 0 && id_good(t.body.trade_id);
    FUZZ_CHECK(!id_good(t.body.trade_id) || mm_ledger_seen(run->ledger, t.side, t.body.trade_id) == was_seen);
    bool new_one = mm_ledger_fill(run->ledger, t.side, t.price_e8, t.qty_e8, &t.body, &status);
    FUZZ_EQUAL(new_one, !good || !was_seen);
    FUZZ_CHECK(good || status == MM_E_ARGUMENT);
    if (!good || !new_one) {
        FUZZ_CHECK(new_one || status == MM_OK);
        return;
    }
    bool possible = after_trade(run, &t, true, &after);
    FUZZ_CHECK(status == MM_OK ? possible : !possible || run->large);
    FUZZ_CHECK(status == MM_OK || status == MM_E_STATE || status == MM_E_OVERFLOW);
    if (status == MM_OK) {
        after.in = run->in;
        *run = after;
        remember(run, &t);
        run->fills++;
    }
}

/* The operator's own trades move balances and what profit is counted from, never the profit. */
static void do_adopt(ledger_run *run)
{
    static ledger_run after;
    ledger_trade t;
    take_trade(run, &t);
    bool was_seen = seen(run, &t), good = t.price_e8 > 0 && t.qty_e8 > 0 && id_good(t.body.trade_id);
    bool possible = after_trade(run, &t, false, &after);
    if (!run->known[t.fee_asset]) {
        after.held[t.fee_asset] += t.body.fee_e8; /* the first report will have it */
    }
    mm_status status = mm_ledger_adopt(run->ledger, t.side, t.price_e8, t.qty_e8, &t.body);
    FUZZ_EQUAL(status == MM_E_ARGUMENT, !good);
    if (status != MM_OK || was_seen) {
        FUZZ_CHECK(was_seen || !good || !possible || run->large);
        return;
    }
    after.basis += after.held[QUOTE] - run->held[QUOTE];
    after.basis += worth(after.held[BASE], run->last_mid) - worth(run->held[BASE], run->last_mid);
    after.basis = run->start_mid != 0 ? after.basis : 0;
    after.in = run->in;
    *run = after;
    remember(run, &t);
}

static void note_move(ledger_run *run, int32_t asset, fuzz_i128 delta, int64_t mid_e8)
{
    fuzz_i128 before = worth(run->held[BASE], mid_e8);
    run->held[asset] += delta;
    if (run->start_mid != 0 && asset <= QUOTE) {
        run->basis += asset == QUOTE ? delta : worth(run->held[BASE], mid_e8) - before;
    }
}

static void do_deposit(ledger_run *run)
{
    mm_balance_body body;
    int32_t asset = fuzz_u8(&run->in) % ASSETS;
    uint8_t how = fuzz_u8(&run->in);
    memset(&body, 0, sizeof body);
    strcpy(body.asset, names[asset]);
    body.free_e8 = how & 1 ? -take_amount(run) : take_amount(run);
    body.locked_e8 = how & 2 ? -body.free_e8 / 2 : 0;
    fuzz_i128 delta = (fuzz_i128)body.free_e8 + body.locked_e8;
    mm_status status = mm_ledger_deposit(run->ledger, &body);
    bool short_of_base = asset == BASE && run->held[BASE] + delta < 0;
    FUZZ_CHECK(!short_of_base || status != MM_OK);
    FUZZ_CHECK(status == MM_OK || short_of_base || run->large);
    if (status == MM_OK && run->kept[asset]) {
        note_move(run, asset, delta, run->last_mid);
    }
}

static void do_report(ledger_run *run, int32_t asset)
{
    mm_balance_body body;
    memset(&body, 0, sizeof body);
    strcpy(body.asset, names[asset]);
    bool agree = fuzz_u8(&run->in) < 100 && run->held[asset] >= 0;
    fuzz_i128 total = agree ? run->held[asset] : take_amount(run);
    body.locked_e8 = (int64_t)(total / (2 + fuzz_u8(&run->in)));
    body.free_e8 = (int64_t)total - body.locked_e8;
    body.time_us = fuzz_u8(&run->in) * INT64_C(1000);
    bool late = run->known[asset] && body.time_us > 0 && body.time_us < run->times_us[asset];
    uint64_t mark = mm_ledger_mark(run->ledger);
    mm_status status = mm_ledger_balance(run->ledger, &body);
    FUZZ_CHECK(status == MM_OK || run->large);
    if (status != MM_OK || late || mm_ledger_mark(run->ledger) == mark) {
        FUZZ_CHECK(status != MM_OK || late || !run->kept[asset]);
        return;
    }
    if (!run->known[asset]) {
        note_move(run, asset, total - run->held[asset], run->start_mid);
    }
    run->known[asset] = true;
    run->reported[asset] = total;
    run->times_us[asset] = body.time_us > 0 ? body.time_us : run->times_us[asset];
}

static void do_mid(ledger_run *run)
{
    int64_t mid_e8 = 1 + take_amount(run) / 2;
    fuzz_i128 basis = run->held[QUOTE] + worth(run->held[BASE], mid_e8);
    mm_ledger_start_mid(run->ledger, mid_e8);
    run->last_mid = mid_e8;
    if (run->start_mid == 0 && fits(worth(run->held[BASE], mid_e8)) && fits(basis)) {
        run->start_mid = mid_e8;
        run->basis = basis;
    }
}

/* What nobody told is adopted: then all balances that were reported are as that said. */
static void do_adopt_balances(ledger_run *run)
{
    if (run->large) {
        return;
    }
    FUZZ_EQUAL(mm_ledger_adopt_balances(run->ledger), MM_OK);
    for (int32_t asset = 0; asset < ASSETS; asset++) {
        if (run->known[asset]) {
            note_move(run, asset, run->reported[asset] - run->held[asset], run->last_mid);
        }
    }
    FUZZ_CHECK(mm_ledger_equal(run->ledger));
}

static void do_one(ledger_run *run)
{
    uint8_t what = fuzz_u8(&run->in);
    if (what < 130) {
        do_fill(run);
    } else if (what < 150) {
        do_adopt(run);
    } else if (what < 190) {
        do_deposit(run);
    } else if (what < 230) {
        do_report(run, what % ASSETS);
    } else if (what < 235) {
        do_adopt_balances(run);
    } else {
        do_mid(run);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static ledger_run run;
    mm_symbol symbol;
    memset(&run, 0, sizeof run);
    memset(&symbol, 0, sizeof symbol);
    strcpy(symbol.base, names[BASE]);
    strcpy(symbol.quote, names[QUOTE]);
    run.in.at = data;
    run.in.left = size;
    run.evicted = -1;
    run.kept[BASE] = run.kept[QUOTE] = run.kept[PRICED] = true;
    size_t bytes = mm_ledger_bytes(TRADE_IDS);
    void *memory = fuzz_memory(bytes);
    FUZZ_EQUAL(mm_ledger_init(memory, bytes, TRADE_IDS, &symbol, &run.ledger), MM_OK);
    mm_ledger_price(run.ledger, names[PRICED], bnb_price * MM_ONE_E8);
    do_report(&run, BASE);
    do_report(&run, QUOTE);
    while (run.in.left > 0) {
        do_one(&run);
        check_all(&run);
    }
    free(memory);
    return 0;
}
